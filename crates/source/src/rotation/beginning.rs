//! Where a path begins to be followed, for who begins there once more and finds another file under it.

use tidemill_plan::Encoding;
use tidemill_record::{Image, ImageError};
use tidemill_rt::{Backend, File, fs, since_epoch_ns};

use super::resume::{Known, begun};
use crate::follow::fail;
use crate::{Held, InputFile, SourceError};

/// In which text of its path a followed file begins to be read, and at which byte of that. The text is known by what is in it, so that it
/// is found where rotation has put it, or missed by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    texts: Image,
}

impl Beginning {
    /// Of a file that was found and is going to be read from this byte on, which stands behind a line end if it is not the first.
    ///
    /// # Errors
    /// [`SourceError::Io`] and [`SourceError::Rt`] from open, fstat and read; [`SourceError::Changed`] if it has become shorter than that.
    ///
    /// # Cost
    /// Two reads of 4 KiB, which are waited for.
    pub fn of(found: &InputFile, start: u64) -> Result<Self, SourceError> {
        let path = &*found.path;
        let (opened, seen_ns) = match found.held.as_deref() {
            Some(Held::File { file, seen_ns }) => (file.try_clone(), *seen_ns),
            _ => (fs::File::open(path), since_epoch_ns(tidemill_rt::system_time())),
        };
        let file = opened.map_err(|source| fail(path, "open", source))?;
        let file = File::over(Backend::Std, file);
        // As it is read: what begins with the mark of another encoding is read from its first byte on.
        let encoding = if start > 0 { Encoding::Utf8 } else { found.encoding };
        let texts = begun(&file, path, encoding, start, seen_ns)?;
        let cut = || SourceError::Changed {
            path: path.to_owned(),
            reason: "it was cut as it was found".to_owned(),
        };
        Ok(Self { texts: texts.ok_or_else(cut)? })
    }

    /// What a reader of texts goes on from.
    pub(crate) fn texts(&self) -> Image {
        self.texts.clone()
    }

    /// For who keeps it.
    #[must_use]
    pub fn export(&self) -> Image {
        self.texts.clone()
    }

    /// As it was exported.
    ///
    /// # Errors
    /// What is damaged.
    pub fn import(texts: Image) -> Result<Self, ImageError> {
        Known::import(texts.clone())?;
        Ok(Self { texts })
    }
}
