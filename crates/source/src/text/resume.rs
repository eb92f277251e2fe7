//! Reading on in a text where another reader of it stopped.
//!
//! UTF-8 is entered at the byte behind the last record. Of a compressed text, and of one in another encoding, bytes
//! before that have to be read once more to know what follows: it is decoded again from the start, which takes
//! as long as reading it did, but for the decoding of records.

use tidemill_plan::Format;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::recycled::Room;
use tidemill_rt::SequentialReads;

use super::{Input, PIECE_BYTES, TextReader, TextSpec, Truncations};
use crate::compressed::CompressedReads;
use crate::identity::{Identity, take_place};
use crate::rotation::FollowedTexts;
use crate::transcode::TextDecoding;
use crate::{Resume, SourceError};

/// What an image says of the text as a whole.
struct Place {
    position: u64,
    first_offset: u64,
    head: u64,
    /// `u64::MAX` of a whole file.
    end: u64,
    is_found_utf16: bool,
    truncations: Truncations,
}

impl Place {
    fn import(image: &mut Image) -> Result<Self, ImageError> {
        let truncations = image.take_exactly("truncations", 3)?;
        let place = Self {
            position: take_place(image, "position")?,
            first_offset: take_place(image, "first_offset")?,
            head: take_place(image, "head")?,
            end: image.take_one("end")?,
            is_found_utf16: image.take_flag("is_found_utf16")?,
            truncations: Truncations {
                count: truncations[0],
                byte_count: truncations[1],
                hole_byte_count: truncations[2],
            },
        };
        if truncations.iter().any(|&count: &u64| i64::try_from(count).is_err()) {
            return Err(ImageError::new("truncations", "has a count that nothing reaches"));
        }
        if place.head > place.position {
            return Err(ImageError::new("head", "is behind the position"));
        }
        Ok(place)
    }
}

impl TextReader {
    /// Where reading goes on: `passed` bytes behind the first that was lent last and not consumed. Of Arrow, which is read from its
    /// start again, that is 0. `None` while it is not known which text that is: ask again after [`Self::next_frames`].
    ///
    /// # Errors
    /// [`SourceError::NotResumable`] of a pipe; what reading says, since bytes before that place are looked at.
    ///
    /// # Panics
    /// If `passed` is more than was lent.
    ///
    /// # Cost
    /// Some reads of 4 KiB that were read not long ago.
    pub fn export(&self, passed: u64) -> Result<Option<Image>, SourceError> {
        let path = self.path();
        let fail = |source| SourceError::Io { path: path.to_owned(), operation: "read", source };
        let passed_bytes = usize::try_from(passed).unwrap_or(usize::MAX);
        assert!(passed_bytes <= self.tail(), "no more is passed than was lent");
        // Its decoder passes over the rows that were given.
        let position = if self.is_rows() { 0 } else { self.position + passed };
        let mut image = Image::new();
        match &self.input {
            Input::Piped(..) => {
                return Err(
                    self.not_resumable("what a pipe has given is gone; write it to a file first")
                );
            }
            Input::Followed(texts) => {
                let Some(texts) =
                    texts.export(self.tail() - passed_bytes, passed > 0, self.is_rows())?
                else {
                    return Ok(None);
                };
                if self.is_rows() && self.head > 0 {
                    return Err(self.not_resumable("Arrow that is followed is one text"));
                }
                image.put_image("texts", texts);
            }
            Input::Plain(reads) => {
                reads.check_unchanged()?;
                let is_entered = self.decoding.is_passed();
                let byte_count = reads.file_bytes();
                let mark = if is_entered { position } else { byte_count };
                let identity = Identity::of(reads.file(), byte_count, mark).map_err(fail)?;
                image.put_image("file", identity.ok_or_else(|| self.cut())?.export());
                image.put_one("is_entered", u8::from(is_entered));
            }
            Input::Compressed(reads) => {
                reads.check_unchanged()?;
                let byte_count = reads.file_bytes();
                let identity = Identity::of(reads.file(), byte_count, byte_count).map_err(fail)?;
                image.put_image("file", identity.ok_or_else(|| self.cut())?.export());
            }
        }
        let Truncations { count, byte_count, hole_byte_count } = self.truncations;
        image.put("truncations", [count, byte_count, hole_byte_count]);
        image.put_one("position", position);
        image.put_one("first_offset", self.first_offset);
        image.put_one("head", self.head);
        image.put_one("end", self.end);
        image.put_one("is_found_utf16", u8::from(self.is_found_utf16));
        Ok(Some(image))
    }

    /// Opens the text that another reader of the same spec has read a part of, and goes on behind that.
    ///
    /// # Errors
    /// As [`Self::open`]; [`SourceError::Changed`] if the file is not the one that was read,
    /// [`SourceError::Missing`] if a followed text is not found, [`SourceError::Image`].
    ///
    /// # Cost
    /// Of UTF-8 nothing but what is read next. Of compressed text and other encodings what stands before is decoded
    /// again.
    pub async fn resume(spec: TextSpec<'_>, resume: Resume) -> Result<Self, SourceError> {
        spec.check();
        let file = spec.file;
        let Resume { mut image, missing } = resume;
        let damaged = |source| SourceError::Image { what: file.path.display().to_string(), source };
        let place = Place::import(&mut image).map_err(damaged)?;
        let backend = spec.backend;
        let range = spec.range.clone().unwrap_or(0..u64::MAX);
        let (is_entered, read_bytes);
        let (input, end) = if file.pipe().is_some() {
            return Err(SourceError::NotResumable {
                what: file.path.display().to_string(),
                reason: "what a pipe has given is gone; write it to a file first".to_owned(),
            });
        } else if let Some(follow) = spec.follow.clone() {
            let texts = image.take_image("texts").map_err(damaged)?;
            let encoding = spec.encoding();
            let texts =
                FollowedTexts::resume(backend, file, follow, encoding, texts, missing).await?;
            (is_entered, read_bytes) = (true, None);
            (Input::Followed(Box::new(texts)), u64::MAX)
        } else {
            let identity = image.take_image("file").and_then(Identity::import).map_err(damaged)?;
            read_bytes = Some(identity.byte_count);
            let end = if range.end >= identity.byte_count { u64::MAX } else { range.end };
            let path = &file.path_now();
            let found = Some(file.identity);
            match CompressedReads::open(backend, path, file.compression, found).await? {
                Some(mut reads) => {
                    identity.check(reads.file(), path)?;
                    reads.end_at(identity.byte_count);
                    is_entered = false;
                    (Input::Compressed(reads), end)
                }
                None => {
                    is_entered = image.take_flag("is_entered").map_err(damaged)?;
                    let start = if is_entered { place.position } else { 0 };
                    let mut reads = SequentialReads::open(backend, path, start, end, found).await?;
                    identity.check(reads.file(), path)?;
                    if start > identity.byte_count {
                        let error = ImageError::new("position", "is beyond the end of the file");
                        return Err(damaged(error));
                    }
                    reads.end_at(identity.byte_count);
                    (Input::Plain(reads), end)
                }
            }
        };
        if end != place.end || place.first_offset < range.start.saturating_sub(1) {
            return Err(damaged(ImageError::new("end", "is that of another range of the file")));
        }
        image.end().map_err(damaged)?;
        let mut reader = Self::over(&spec, input, place.position, end);
        if let Some(byte_count) = read_bytes {
            reader.unread_bytes = file.identity.byte_count.saturating_sub(byte_count);
        }
        if let Input::Followed(texts) = &mut reader.input {
            let rest = std::mem::take(&mut texts.active_mut().rest);
            let mut bytes = Room::default();
            bytes.resize(rest.len());
            bytes.copy_from_slice(&rest);
            reader.lent = Some(bytes.lend().1);
        }
        reader.first_offset = place.first_offset;
        reader.head = place.head;
        reader.is_found_utf16 = place.is_found_utf16;
        reader.truncations = place.truncations;
        if is_entered {
            reader.decoding = TextDecoding::passed();
        } else {
            reader.pass_over(place.position).await?;
        }
        Ok(reader)
    }

    /// Reads and drops so many bytes of text from the start.
    async fn pass_over(&mut self, byte_count: u64) -> Result<(), SourceError> {
        let mut left = usize::try_from(byte_count).unwrap_or(usize::MAX);
        let mut bytes = Room::default();
        while left > 0 {
            self.fill(&mut bytes, 0, PIECE_BYTES).await?;
            if bytes.is_empty() {
                let reason =
                    format!("its text ends {left} bytes before the place where reading stopped");
                return Err(SourceError::Changed { path: self.path().to_owned(), reason });
            }
            if bytes.len() > left {
                self.lent = Some(bytes.lend().1);
                self.consumed = left;
                return Ok(());
            }
            left -= bytes.len();
        }
        Ok(())
    }

    fn is_rows(&self) -> bool {
        matches!(self.format, Some(Format::Arrow(_) | Format::Parquet))
    }

    fn not_resumable(&self, reason: &str) -> SourceError {
        let what = self.path().display().to_string();
        SourceError::NotResumable { what, reason: reason.to_owned() }
    }

    fn cut(&self) -> SourceError {
        let reason = "it was cut while it was read".to_owned();
        SourceError::Changed { path: self.path().to_owned(), reason }
    }
}
