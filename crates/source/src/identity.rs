//! Whether a file is the one that was read before a cut: the only place that decides it.
//!
//! A file is known by what is in it: its first bytes and those before the place up to which it was read. Numbers of
//! devices and inodes are given out again, change when a file is copied or a volume is mounted, so they only say which of several
//! files is looked at first. Absent on purpose: names.

use std::io;
use std::path::Path;

use tidemill_record::image::{Image, ImageError};
use tidemill_rt::{File, FileIdentity, FileKey};
use twox_hash::XxHash3_64;

use crate::SourceError;

/// Bytes at the head, and before the mark, that are compared; 4 KiB each.
pub(crate) const COMPARED_BYTES: usize = 4096;

/// Places in images are no larger, so that reading on from there overflows nowhere.
const PLACE_MAX: u64 = i64::MAX as u64;

/// What is known of a file that was read in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    key: FileKey,
    /// How long it was, in bytes.
    pub(crate) byte_count: u64,
    /// XXH3-64 of its first bytes, as many as there were up to [`COMPARED_BYTES`].
    head_hash: u64,
    /// Up to where it was read, in bytes of the file; at most its length.
    pub(crate) mark: u64,
    /// The same hash of the bytes before that, at most [`COMPARED_BYTES`].
    recent_hash: u64,
}

impl Identity {
    /// Of an open file that was so long and was read up to the mark; `None` if it has been cut before that.
    ///
    /// # Errors
    /// What read or fstat said.
    ///
    /// # Cost
    /// Two reads of 4 KiB, which are waited for.
    pub(crate) fn of(file: &File, byte_count: u64, mark: u64) -> io::Result<Option<Self>> {
        let key = file.identity()?.key();
        let Some(head_hash) = hash(file, 0, byte_count.min(COMPARED_BYTES as u64))? else {
            return Ok(None);
        };
        let recent_bytes = mark.min(COMPARED_BYTES as u64);
        let recent_hash = hash(file, mark - recent_bytes, recent_bytes)?;
        Ok(recent_hash.filter(|_| mark <= byte_count).map(|recent_hash| Self {
            key,
            byte_count,
            head_hash,
            mark,
            recent_hash,
        }))
    }

    /// How a file differs from what it was; `None` if it is the same, up to the mark, and at least as long as it was.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn difference(&self, file: &File) -> io::Result<Option<String>> {
        let found = file.identity()?.byte_count;
        if found < self.byte_count {
            let before = self.byte_count;
            return Ok(Some(format!("it has {found} bytes and had {before}")));
        }
        let head_bytes = self.byte_count.min(COMPARED_BYTES as u64);
        if hash(file, 0, head_bytes)? != Some(self.head_hash) {
            return Ok(Some(format!("its first {head_bytes} bytes are others")));
        }
        let recent_bytes = self.mark.min(COMPARED_BYTES as u64);
        let start = self.mark - recent_bytes;
        if hash(file, start, recent_bytes)? != Some(self.recent_hash) {
            let end = self.mark;
            return Ok(Some(format!("its bytes from {start} to {end} are others")));
        }
        Ok(None)
    }

    /// Holds a file to it.
    ///
    /// # Errors
    /// [`SourceError::Changed`], and what reading says.
    pub(crate) fn check(&self, file: &File, path: &Path) -> Result<(), SourceError> {
        let path = path.to_owned();
        match self.difference(file) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(SourceError::Changed { path, reason }),
            Err(source) => Err(SourceError::Io { path, operation: "read", source }),
        }
    }

    /// Whether it is likely to be the file, so that it is looked at before others.
    pub(crate) fn is_hinted(&self, now: &FileIdentity) -> bool {
        let now = now.key();
        (now.inode(), now.created_ns()) == (self.key.inode(), self.key.created_ns())
    }

    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("device", self.key.device());
        image.put_one("inode", self.key.inode());
        image.put_option("created_ns", self.key.created_ns());
        image.put_one("byte_count", self.byte_count);
        image.put_one("head_hash", self.head_hash);
        image.put_one("mark", self.mark);
        image.put_one("recent_hash", self.recent_hash);
        image
    }

    pub(crate) fn import(mut image: Image) -> Result<Self, ImageError> {
        let device = image.take_one("device")?;
        let inode = image.take_one("inode")?;
        let created_ns = image.take_option("created_ns")?;
        let identity = Self {
            key: FileKey::new(device, inode, created_ns),
            byte_count: take_place(&mut image, "byte_count")?,
            head_hash: image.take_one("head_hash")?,
            mark: take_place(&mut image, "mark")?,
            recent_hash: image.take_one("recent_hash")?,
        };
        if identity.mark > identity.byte_count {
            return Err(ImageError::new("mark", "is beyond the end of the file"));
        }
        image.end()?;
        Ok(identity)
    }
}

/// Takes a place in the input from an image.
pub(crate) fn take_place(image: &mut Image, name: &str) -> Result<u64, ImageError> {
    let place = image.take_one(name)?;
    if place > PLACE_MAX {
        return Err(ImageError::new(name, "is a place that no input has"));
    }
    Ok(place)
}

/// The hash of some bytes of a file; `None` if it does not have them.
fn hash(file: &File, start: u64, byte_count: u64) -> io::Result<Option<u64>> {
    let mut bytes = [0; COMPARED_BYTES];
    let wanted = usize::try_from(byte_count).expect("at most 4 KiB");
    let mut filled = 0;
    while filled < wanted {
        let from = start + u64::try_from(filled).expect("a usize fits u64");
        match file.read_at_blocking(&mut bytes[filled..wanted], from)? {
            0 => return Ok(None),
            count => filled += count,
        }
    }
    Ok(Some(XxHash3_64::oneshot(&bytes[..wanted])))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs;
    use std::os::unix::fs::FileExt;

    use tidemill_rt::Backend;

    use super::*;

    #[test]
    fn a_file_is_known_by_its_head_its_length_and_what_stands_before_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let text: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        fs::write(&path, &text).unwrap();
        let open = || {
            let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            (File::over(Backend::Std, file.try_clone().unwrap()), file)
        };
        let (file, std) = open();
        let known = Identity::of(&file, 20_000, 15_000).unwrap().unwrap();
        assert_eq!(Identity::import(known.export()).unwrap(), known);
        assert_eq!(known.difference(&file).unwrap(), None);
        // Neither what follows the mark counts, nor what stands far before it, nor its name and number.
        for (at, difference) in [
            (4095, Some("its first 4096 bytes are others")),
            (4096, None),
            (15_000 - 4097, None),
            (15_000 - 4096, Some("its bytes from 10904 to 15000 are others")),
            (14_999, Some("its bytes from 10904 to 15000 are others")),
            (15_000, None),
        ] {
            let at = u64::try_from(at).unwrap();
            std.write_all_at(b"\xff", at).unwrap();
            assert_eq!(known.difference(&file).unwrap().as_deref(), difference, "byte {at}");
            std.write_all_at(&text[usize::try_from(at).unwrap()..][..1], at).unwrap();
        }
        fs::copy(&path, folder.path().join("b")).unwrap();
        fs::rename(folder.path().join("b"), &path).unwrap();
        let (file, std) = open();
        assert_eq!(known.difference(&file).unwrap(), None, "a copy is the same text");
        std.set_len(19_999).unwrap();
        let difference = known.difference(&file).unwrap();
        assert_eq!(difference.as_deref(), Some("it has 19999 bytes and had 20000"));
        std.set_len(14_999).unwrap();
        assert_eq!(Identity::of(&file, 20_000, 15_000).unwrap(), None);
    }
}
