//! Bytes of text (or Arrow IPC) from front to back: a whole file, or one byte range of it.
//!
//! A byte range `[start, end)` stands for the records that start in it. The reader finds the first of
//! them and goes on past `end` until the last is whole, so that ranges that touch share no record and
//! lose none, wherever they are cut. It looks at nothing but newlines, so a quoted newline in CSV can
//! mislead it: compare [`TextReader::position`] at the end of one range with
//! [`TextReader::first_offset`] of the next.
//!
//! A file that is followed has no end. Its offsets go on increasing where another file takes its place,
//! bytes come late for one before, or it is read from its start again; [`TextReader::head`] says which text
//! is lent, by where that began. A record that is not whole yet is left alone until it is: if reading stops
//! before, it is neither given nor counted. Of a file whose place another one has taken, a last record
//! without a newline is given.

mod resume;

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use tidemill_plan::{Compression, Encoding, Format, JsonLayout};
use tidemill_record::recycled::{LentBytes, Room};
use tidemill_record::{FrameBytes, Frames, Offset, PartitionId, Polled};
use tidemill_rt::{Backend, FileEvents, READ_BYTES, SequentialReads, Wake};

use crate::compressed::CompressedReads;
use crate::pipe::OpenedPipe;
use crate::rotation::{FollowedTexts, Next};
use crate::transcode::TextDecoding;
use crate::{Claims, Content, ContentPlace, InputFile, SourceError};

/// Bytes lent at a time, about; more only where a record is longer.
pub const PIECE_BYTES: usize = READ_BYTES;

/// Bytes read at once beyond the end of the range, to complete its last record.
const OVERRUN_BYTES: u64 = 16 * 1024;

/// Buffers kept for reuse at most, lest a decoder that holds on to them keeps them all alive twice.
const BUFFERS_KEPT_MAX: usize = 4;

/// What a [`TextReader`] is to read.
#[derive(Clone, Debug)]
pub struct TextSpec<'a> {
    /// Which backend reads.
    pub backend: Backend,
    /// The file.
    pub file: &'a InputFile,
    /// How its records are laid out, so that a file which holds something else is refused by name.
    pub format: Option<&'a Format>,
    /// Records that start in here; `None` for all. Only uncompressed files of UTF-8 can be cut. Of a file that is
    /// followed it begins behind a line end, and has no end.
    pub range: Option<Range<u64>>,
    /// The partition it stands for.
    pub partition: PartitionId,
    /// The longest record, in bytes: `record.max_bytes`.
    pub record_bytes_max: usize,
    /// Whether what is appended is read, too, for ever, and how. Only of whole, uncompressed files.
    pub follow: Option<Follow>,
}

/// How a file is followed.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Which files others of the scan read.
    pub claims: Arc<Claims>,
    /// Where changes are told of; without it the reader looks by itself, again and again.
    pub events: Option<Rc<FileEvents>>,
}

/// Lends the bytes of one file, or of one byte range of it.
pub struct TextReader {
    // Fixed at construction.
    partition: PartitionId,
    format: Option<Format>,
    record_bytes_max: usize,
    /// Records that start here or later are not ours; `u64::MAX` for a whole file.
    end: u64,
    first_offset: u64,
    encoding: Encoding,
    // Changes with every piece.
    input: Input,
    /// Of what is not followed.
    decoding: TextDecoding,
    /// Some text was found to be UTF-16.
    is_found_utf16: bool,
    /// What was lent last.
    lent: Option<LentBytes>,
    /// How much of it has been consumed, in bytes.
    consumed: usize,
    /// Offset of the first byte that is not consumed.
    position: u64,
    /// Lent earlier, and reused once nobody holds them.
    kept: VecDeque<LentBytes>,
    /// The input has no more bytes.
    is_drained: bool,
    /// The piece that was lent last said that it is the last, of its text where a file is followed.
    has_lent_last: bool,
    /// Offset of the first byte of the text that is being read.
    head: u64,
    truncations: Truncations,
    /// Bytes that the file has grown by since another reader of it began, which are not read.
    unread_bytes: u64,
}

enum Input {
    Plain(SequentialReads),
    Compressed(CompressedReads),
    Followed(Box<FollowedTexts>),
    /// A pipe, and its path.
    Piped(OpenedPipe, PathBuf),
}

/// What became of a followed file that was cut.
#[derive(Clone, Copy, Debug, Default)]
struct Truncations {
    count: u64,
    /// Bytes of records that were not whole when it happened.
    byte_count: u64,
    /// NUL bytes at the heads of the new texts: of a writer that goes on where it was before the cut.
    hole_byte_count: u64,
}

impl Truncations {
    /// What a person should know of them.
    fn notice(&self, path: &Path) -> Option<String> {
        let Self { count, byte_count, hole_byte_count } = self;
        let times = match count {
            0 => return None,
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let hole = match hole_byte_count {
            0 => String::new(),
            count => format!(
                "; {count} NUL bytes before what its writer went on with were passed over (it does not \
                 open the file for appending)"
            ),
        };
        Some(format!(
            "{} was cut {times} while it was followed, and read from its start again; {byte_count} \
             bytes of cut records were lost, and what was written between the last look and the cut\
             {hole}; rotate by renaming to lose none",
            path.display()
        ))
    }
}

impl TextSpec<'_> {
    /// # Panics
    /// If what is to be read cannot be read so.
    fn check(&self) {
        let is_compressed = self.file.compression != Compression::None;
        assert!(
            self.range.is_none()
                || (!is_compressed && self.file.pipe().is_none() && self.file.encoding.is_utf8()),
            "only uncompressed files of UTF-8 are cut into ranges"
        );
        assert!(
            self.follow.is_none()
                || (!is_compressed
                    && self.range.as_ref().is_none_or(|range| range.end == u64::MAX)),
            "only uncompressed files are followed, to whatever end they come to have"
        );
    }

    /// How the text is written in bytes.
    fn encoding(&self) -> Encoding {
        let is_rows = matches!(self.format, Some(Format::Arrow(_) | Format::Parquet));
        // What begins with the mark of another encoding is not cut.
        if is_rows || self.range.is_some() { Encoding::Utf8 } else { self.file.encoding }
    }
}

impl std::fmt::Debug for TextReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextReader")
            .field("path", &self.path())
            .field("position", &self.position)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl TextReader {
    /// Opens the file and finds the first record of the range.
    ///
    /// # Errors
    /// [`SourceError::Rt`] where open or read fails or the file is not as it was found;
    /// [`SourceError::Io`] for compressed files.
    pub async fn open(spec: TextSpec<'_>) -> Result<Self, SourceError> {
        spec.check();
        let InputFile { path, compression, identity, .. } = spec.file;
        let encoding = spec.encoding();
        let range = spec.range.clone().unwrap_or(0..u64::MAX);
        let runs_to_end = range.end >= identity.byte_count;
        let end = if runs_to_end { u64::MAX } else { range.end };
        // A record starts after a newline, so the byte before the range decides about its first.
        let is_followed = spec.follow.is_some();
        let start = if is_followed { range.start } else { range.start.saturating_sub(1) };
        let (backend, found) = (spec.backend, Some(*identity));
        let input = if let Some(pipe) = spec.file.pipe() {
            Input::Piped(pipe.take()?, path.to_path_buf())
        } else if let Some(follow) = spec.follow.clone() {
            Input::Followed(Box::new(
                FollowedTexts::open(backend, spec.file, follow, encoding, start).await?,
            ))
        } else {
            let path = &spec.file.path_now();
            match CompressedReads::open(backend, path, *compression, found).await? {
                Some(compressed) => Input::Compressed(compressed),
                None => {
                    Input::Plain(SequentialReads::open(backend, path, start, end, found).await?)
                }
            }
        };
        let mut reader = Self::over(&spec, input, start, end);
        if is_followed {
            reader.first_offset = start;
        } else if range.start > 0 {
            reader.find_first_record().await?;
        }
        Ok(reader)
    }

    /// Over what has been opened, of which the next byte is at the offset `position`.
    fn over(spec: &TextSpec<'_>, input: Input, position: u64, end: u64) -> Self {
        let encoding = spec.encoding();
        Self {
            encoding,
            decoding: TextDecoding::new(encoding),
            is_found_utf16: false,
            partition: spec.partition,
            format: spec.format.cloned(),
            record_bytes_max: spec.record_bytes_max,
            end,
            first_offset: 0,
            input,
            lent: None,
            consumed: 0,
            position,
            kept: VecDeque::new(),
            is_drained: false,
            has_lent_last: false,
            head: 0,
            truncations: Truncations::default(),
            unread_bytes: 0,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.input {
            Input::Plain(reads) => reads.path(),
            Input::Compressed(reads) => reads.path(),
            Input::Followed(texts) => texts.path(),
            Input::Piped(_, path) => path,
        }
    }

    /// Offset of the first byte of the text that was lent last: 0, but where a followed file has been
    /// replaced or cut. A decoder starts afresh there, since a CSV header comes again; it goes on where it
    /// stopped at a head of before, of whose text more has come.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// What a person should know of how the file was read: that it was cut while it was followed, and that
    /// it is UTF-16. A sentence each.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let cut = self.truncations.notice(self.path());
        let found = self.is_found_utf16.then(|| {
            "text that begins with a byte order mark of UTF-16 was read as that; 'encoding' = 'utf-16' says so \
             beforehand"
                .to_owned()
        });
        let grown = (self.unread_bytes > 0).then(|| {
            format!(
                "{} has grown by {} bytes since it began to be read, which are not read",
                self.path().display(),
                self.unread_bytes
            )
        });
        let missed = match &self.input {
            Input::Followed(texts) => texts.missed().to_vec(),
            Input::Plain(_) | Input::Compressed(_) | Input::Piped(..) => Vec::new(),
        };
        cut.into_iter().chain(found).chain(grown).chain(missed).collect()
    }

    /// Offset of the first record of this range; the start of the next range's first record if none
    /// starts in this one.
    #[must_use]
    pub fn first_offset(&self) -> u64 {
        self.first_offset
    }

    /// Offset of the first byte that is not consumed. After the end: where the next range's first
    /// record starts, or the length of the text.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Lends the next piece: the bytes that were not consumed, and new ones behind them. Of a file that
    /// is followed, `NotReady` while it has none; [`Self::wake`] says when to ask again, and it may be asked
    /// before.
    ///
    /// Decode all whole records of a piece, and [`Self::consume`] them, before asking for the next: a
    /// remainder longer than `record.max_bytes` is taken for one record that is too long.
    ///
    /// # Errors
    /// [`SourceError::RecordTooLong`], [`SourceError::LeftOver`], [`SourceError::Corrupt`],
    /// [`SourceError::WrongContent`], and what reading says.
    ///
    /// # Cost
    /// Awaits what is not cached. Copies the remainder. Allocates only while earlier pieces are still
    /// held by others, or to grow.
    pub async fn next_frames(&mut self) -> Result<Polled<Frames>, SourceError> {
        if self.position >= self.end {
            self.check_unchanged()?;
            return Ok(Polled::Ended);
        }
        let tail = self.tail();
        if self.has_lent_last && tail > 0 {
            let path = self.path().to_owned();
            return Err(SourceError::LeftOver { path, offset: self.position });
        }
        self.check_record_bytes(tail)?;
        if matches!(self.input, Input::Followed(_)) {
            return self.next_followed().await;
        }
        if matches!(self.input, Input::Piped(..)) {
            return self.next_piped();
        }
        let room = self.room_for(tail);
        let mut bytes = self.take_buffer(tail);
        self.fill(&mut bytes, tail, tail + room).await?;
        if bytes.is_empty() {
            return Ok(Polled::Ended);
        }
        Ok(Polled::Ready(self.lend(bytes, self.is_drained)?))
    }

    /// What makes it worth to ask again after `NotReady`.
    #[must_use]
    pub fn wake(&self) -> Wake<'_> {
        match &self.input {
            Input::Followed(_) if self.has_lent_last => Wake::NOW,
            Input::Followed(texts) => texts.wake(),
            Input::Piped(pipe, _) => pipe.wake(),
            Input::Plain(_) | Input::Compressed(_) => Wake::NOW,
        }
    }

    /// Whether the path that is followed names nothing any more, all that was to be read of it has been, and nothing more is
    /// expected. More may come to be under the path all the same, which is another input then.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.input {
            Input::Followed(texts) => !self.has_lent_last && texts.is_over(self.tail()),
            Input::Plain(_) | Input::Compressed(_) | Input::Piped(..) => false,
        }
    }

    /// Gives up the files of a path that [is over](Self::is_over), so that another partition may take what comes.
    pub fn release(&self) {
        if let Input::Followed(texts) = &self.input {
            texts.release();
        }
    }

    /// As [`Self::next_frames`], of a pipe: what has come, as soon as it ends a record.
    fn next_piped(&mut self) -> Result<Polled<Frames>, SourceError> {
        let tail = self.tail();
        let mut bytes = self.take_buffer(tail);
        bytes.resize(tail);
        while bytes.len() < tail + self.room_for(tail) && !self.is_drained {
            let filled = bytes.len();
            bytes.reserve(PIECE_BYTES);
            bytes.resize(filled + PIECE_BYTES);
            let Input::Piped(pipe, path) = &mut self.input else { return Ok(Polled::Ended) };
            let room = &mut bytes[filled..];
            let input_bytes_max = self.decoding.input_bytes_max(room.len());
            let read = pipe.try_read(&mut room[..input_bytes_max]);
            let read = read.map_err(|source| SourceError::Io {
                path: path.clone(),
                operation: "read",
                source,
            })?;
            self.is_drained = read == Some(0);
            let count = match read {
                Some(count) => self.decoding.decode(room, count, self.is_drained),
                None => 0,
            };
            bytes.resize(filled + count);
            if read.is_none() {
                break;
            }
        }
        if bytes.is_empty() && self.is_drained {
            return Ok(Polled::Ended);
        }
        if self.is_drained || self.may_end_record(&bytes, tail) {
            return self.lend(bytes, self.is_drained).map(Polled::Ready);
        }
        self.keep(bytes);
        Ok(Polled::NotReady)
    }

    /// Whether bytes behind a remainder of `tail`, which ends no record by itself, may end one.
    fn may_end_record(&self, bytes: &[u8], tail: usize) -> bool {
        let fresh = &bytes[tail..];
        let is_end = || match &self.format {
            Some(Format::Arrow(_) | Format::Parquet) => true,
            // The values of an array may stand in one line.
            Some(Format::Json(json)) if json.layout != JsonLayout::Lines => {
                memchr::memchr3(b'\n', b'\r', b'}', fresh).is_some()
            }
            _ => memchr::memchr2(b'\n', b'\r', fresh).is_some(),
        };
        !fresh.is_empty() && (tail == 0 || is_end())
    }

    /// Keeps bytes for the next piece.
    fn keep(&mut self, bytes: Room<u8>) {
        self.lent = Some(bytes.lend().1);
        self.consumed = 0;
    }

    /// As [`Self::next_frames`], of a file that is followed.
    async fn next_followed(&mut self) -> Result<Polled<Frames>, SourceError> {
        loop {
            let Input::Followed(texts) = &self.input else { return Ok(Polled::Ended) };
            let was_older = !texts.is_active(None);
            self.switch_to(None);
            let Input::Followed(texts) = &mut self.input else { return Ok(Polled::Ended) };
            if std::mem::take(&mut self.has_lent_last) && !texts.enter_next().await? {
                return Ok(Polled::NotReady);
            }
            match texts.look(was_older)? {
                Next::Quiet => return Ok(Polled::NotReady),
                Next::Bytes(text, byte_count) => {
                    self.switch_to(text);
                    let lent = self.lend_more(byte_count).await?;
                    return Ok(lent.map_or(Polled::NotReady, Polled::Ready));
                }
                Next::Again(text) => {
                    self.switch_to(text);
                    let frames = self.lend_rest(false)?;
                    return Ok(Polled::Ready(frames));
                }
                Next::Last(at) => {
                    self.switch_to(Some(at));
                    let frames = self.lend_rest(true)?;
                    // It is not the current text that ends.
                    self.has_lent_last = false;
                    return Ok(Polled::Ready(frames));
                }
                Next::Rotated(may_go_on) => match self.tail() {
                    0 => self.has_lent_last = true,
                    _ if may_go_on => {
                        self.wait_for_last_line();
                        return Ok(Polled::NotReady);
                    }
                    _ => return Ok(Polled::Ready(self.lend_rest(true)?)),
                },
                Next::Truncated(text) => {
                    self.switch_to(text);
                    self.restart();
                    return Ok(Polled::NotReady);
                }
            }
        }
    }

    fn wait_for_last_line(&mut self) {
        if let Input::Followed(texts) = &mut self.input {
            texts.wait_for_last_line();
        }
    }

    /// Goes on with another text of those that are followed, where its last piece ended.
    fn switch_to(&mut self, text: Option<usize>) {
        let Input::Followed(texts) = &mut self.input else { return };
        if texts.is_active(text) {
            return;
        }
        let consumed = std::mem::take(&mut self.consumed);
        let rest = self.lent.take().map(|lent| lent[consumed..].to_vec());
        texts.active_mut().rest = rest.unwrap_or_default();
        texts.activate(text);
        let rest = std::mem::take(&mut texts.active_mut().rest);
        let mut bytes = Room::default();
        bytes.resize(rest.len());
        bytes.copy_from_slice(&rest);
        self.lent = Some(bytes.lend().1);
    }

    /// Lends what is left of the text that is being read, and so many bytes more; `None` where they do
    /// not end the record that is left, which is then not looked through again.
    async fn lend_more(&mut self, byte_count: u64) -> Result<Option<Frames>, SourceError> {
        let tail = self.tail();
        self.check_record_bytes(tail)?;
        let room = self.room_for(tail);
        let wanted = usize::try_from(byte_count).unwrap_or(usize::MAX);
        let room = self.decoding().output_bytes_max(wanted).min(room);
        let mut bytes = self.take_buffer(tail);
        if tail > 0 {
            // With some to spare: a long record may come in many pieces.
            bytes.resize(tail);
            bytes.reserve(room);
        }
        self.fill(&mut bytes, tail, tail + room).await?;
        if tail == 0 {
            self.pass_over_hole(&mut bytes);
        }
        if self.may_end_record(&bytes, tail) {
            self.begin_text();
            return self.lend(bytes, false).map(Some);
        }
        self.keep(bytes);
        Ok(None)
    }

    /// Drops the NUL bytes at the head of a text that was cut. A writer that does not append leaves a hole
    /// there, as long as what it had written before.
    fn pass_over_hole(&mut self, bytes: &mut Room<u8>) {
        let Input::Followed(texts) = &mut self.input else { return };
        let text = texts.active_mut();
        if !text.is_cut || bytes.is_empty() {
            return;
        }
        debug_assert!(!text.is_begun, "a hole is at the head");
        let end = bytes.iter().position(|&byte| byte != 0);
        text.is_cut = end.is_none();
        let hole = end.unwrap_or(bytes.len());
        bytes.copy_within(hole.., 0);
        bytes.resize(bytes.len() - hole);
        let hole = u64::try_from(hole).expect("a usize fits u64");
        self.position += hole;
        self.truncations.hole_byte_count += hole;
    }

    /// Lends what is left of a text: if that has come to its end, as the last there is of it.
    fn lend_rest(&mut self, is_last: bool) -> Result<Frames, SourceError> {
        if let Input::Followed(texts) = &mut self.input {
            texts.active_mut().is_rest_new = false;
        }
        let tail = self.tail();
        let mut bytes = self.take_buffer(tail);
        bytes.resize(tail);
        self.begin_text();
        self.lend(bytes, is_last)
    }

    /// Takes note of where the text begins that is about to be lent, if nothing of it was read before.
    fn begin_text(&mut self) {
        let Input::Followed(texts) = &mut self.input else { return };
        let text = texts.active_mut();
        if !text.is_begun {
            text.head = self.position;
        }
        self.head = text.head;
    }

    /// Reads the text from its start again, which was written anew.
    fn restart(&mut self) {
        let tail = self.tail();
        let is_rows = matches!(self.format, Some(Format::Arrow(_) | Format::Parquet));
        let Input::Followed(texts) = &mut self.input else { return };
        let text = texts.active_mut();
        text.file.restart();
        (text.is_begun, text.is_cut) = (false, !is_rows);
        text.decoding = TextDecoding::new(self.encoding);
        (text.origin, text.text_bytes) = (0, 0);
        let lost = u64::try_from(tail).expect("a usize fits u64");
        self.truncations.count += 1;
        self.truncations.byte_count += lost;
        self.position += lost;
        self.lent = None;
        self.consumed = 0;
    }

    /// # Errors
    /// [`SourceError::WrongContent`], at the head of a text that is none.
    fn lend(&mut self, bytes: Room<u8>, is_last: bool) -> Result<Frames, SourceError> {
        if self.position == self.head {
            self.is_found_utf16 |= self.decoding().is_found();
            self.check_content(&bytes)?;
        }
        let (bytes, lent) = bytes.lend();
        self.lent = Some(lent);
        self.consumed = 0;
        self.has_lent_last = is_last;
        let (start, end) = (Offset(self.position), Offset(self.end));
        let bytes = FrameBytes::Sequential { bytes, start, end, is_last };
        Ok(Frames { partition: self.partition, bytes })
    }

    fn check_content(&self, head: &[u8]) -> Result<(), SourceError> {
        let head = &head[..head.len().min(Content::HEAD_BYTES)];
        let Some(found) = Content::of(head) else { return Ok(()) };
        let conflict = self.format.as_ref().and_then(|format| found.conflict(format));
        let Some(expected) = conflict else { return Ok(()) };
        let (path, expected) = (self.path().to_owned(), expected.to_owned());
        let place = match &self.input {
            Input::Compressed(_) => ContentPlace::Packed,
            Input::Piped(..) => ContentPlace::Pipe,
            Input::Plain(_) | Input::Followed(_) => ContentPlace::File,
        };
        Err(SourceError::WrongContent { path, found, expected, place })
    }

    /// Says that the first `byte_count` bytes of what was lent last are done with. May be called more
    /// than once for a piece; the counts add up.
    ///
    /// # Panics
    /// If that is more than was lent.
    pub fn consume(&mut self, byte_count: u64) {
        let lent = self.lent.as_ref().map_or(0, |lent| lent.len());
        let count = usize::try_from(byte_count).unwrap_or(usize::MAX);
        assert!(count <= lent - self.consumed, "no more is consumed than was lent");
        self.consumed += count;
        self.position += byte_count;
        if let (Input::Followed(texts), 1..) = (&mut self.input, count) {
            texts.active_mut().is_begun = true;
        }
    }

    /// Bytes that were lent last and not consumed.
    fn tail(&self) -> usize {
        self.lent.as_ref().map_or(0, |lent| lent.len() - self.consumed)
    }

    fn check_record_bytes(&self, tail: usize) -> Result<(), SourceError> {
        if tail <= self.record_bytes_max {
            return Ok(());
        }
        let (path, offset) = (self.path().to_owned(), self.position);
        Err(SourceError::RecordTooLong { path, offset, bytes_max: self.record_bytes_max })
    }

    /// New bytes to read behind a remainder: at least as many as it has, so that a long record costs
    /// a linear amount of copying.
    fn room_for(&self, tail: usize) -> usize {
        let room = PIECE_BYTES.saturating_sub(tail).max(tail);
        let tail_bytes = u64::try_from(tail).expect("a usize fits u64");
        // Beyond the end of the range only the last record is wanted.
        let wanted = self
            .end
            .saturating_sub(self.position.saturating_add(tail_bytes))
            .saturating_add(OVERRUN_BYTES.max(tail_bytes));
        usize::try_from(wanted).map_or(room, |wanted| wanted.min(room)).max(1)
    }

    /// A buffer whose first `tail` bytes are the unconsumed ones: the one that was lent, if nobody
    /// holds it any more, else an earlier one, else a new one. What follows them is left over from
    /// earlier use, so that it need not be zeroed again.
    fn take_buffer(&mut self, tail: usize) -> Room<u8> {
        let Some(lent) = self.lent.take() else { return Room::default() };
        let consumed = self.consumed;
        match lent.take_back() {
            Ok(mut bytes) => {
                if consumed > 0 {
                    bytes.copy_within(consumed.., 0);
                }
                bytes
            }
            Err(lent) => {
                let mut bytes = self.reclaim().unwrap_or_default();
                if bytes.len() < tail {
                    bytes.resize(tail);
                }
                bytes[..tail].copy_from_slice(&lent[consumed..]);
                if self.kept.len() == BUFFERS_KEPT_MAX {
                    self.kept.pop_front();
                }
                self.kept.push_back(lent);
                bytes
            }
        }
    }

    fn reclaim(&mut self) -> Option<Room<u8>> {
        for _ in 0..self.kept.len() {
            match self.kept.pop_front()?.take_back() {
                Ok(bytes) => return Some(bytes),
                Err(held) => self.kept.push_back(held),
            }
        }
        None
    }

    /// Reads until `bytes` has `filled_end` bytes or the input ends. The first `filled` stay.
    async fn fill(
        &mut self,
        bytes: &mut Room<u8>,
        mut filled: usize,
        filled_end: usize,
    ) -> Result<(), SourceError> {
        if bytes.len() < filled_end {
            bytes.resize(filled_end);
        }
        while filled < filled_end {
            let count = self.read(&mut bytes[filled..filled_end]).await?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        bytes.resize(filled);
        Ok(())
    }

    /// Reads text to the front of a buffer: how many bytes. None where the input has ended, and where there is
    /// too little room for more than what has come in part.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            let input_bytes_max = self.decoding().input_bytes_max(buffer.len());
            let byte_count = self.read_input(&mut buffer[..input_bytes_max]).await?;
            let is_last = self.is_drained;
            let text_bytes = self.decoding().decode(buffer, byte_count, is_last);
            if let Input::Followed(texts) = &mut self.input {
                texts.active_mut().text_bytes +=
                    u64::try_from(text_bytes).expect("a usize fits u64");
            }
            if text_bytes > 0 || byte_count == 0 {
                return Ok(text_bytes);
            }
        }
    }

    fn decoding(&mut self) -> &mut TextDecoding {
        match &mut self.input {
            Input::Followed(texts) => &mut texts.active_mut().decoding,
            Input::Plain(_) | Input::Compressed(_) | Input::Piped(..) => &mut self.decoding,
        }
    }

    async fn read_input(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match &mut self.input {
            Input::Compressed(reads) => reads.read(buffer)?,
            Input::Plain(reads) => {
                let count = reads.read(buffer).await?;
                // Its length is known, so the last piece is known to be the last.
                if count > 0 && reads.position() == reads.file_bytes() {
                    reads.check_unchanged()?;
                    self.is_drained = true;
                }
                count
            }
            Input::Followed(texts) => return texts.active_mut().file.read(buffer).await,
            Input::Piped(..) => unreachable!("a pipe is not waited for"),
        };
        self.is_drained |= count == 0;
        Ok(count)
    }

    async fn find_first_record(&mut self) -> Result<(), SourceError> {
        loop {
            let mut bytes = Room::default();
            let piece = usize::try_from(OVERRUN_BYTES).expect("a constant that fits");
            self.fill(&mut bytes, 0, piece).await?;
            let newline = memchr::memchr(b'\n', &bytes);
            let skipped = newline.map_or(bytes.len(), |newline| newline + 1);
            self.position += u64::try_from(skipped).expect("a usize fits u64");
            self.first_offset = self.position;
            if newline.is_some() {
                self.lent = Some(bytes.lend().1);
                self.consumed = skipped;
                return Ok(());
            }
            if self.is_drained {
                return Ok(());
            }
        }
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        match &self.input {
            Input::Plain(reads) => reads.check_unchanged().map_err(SourceError::from),
            Input::Compressed(_) | Input::Followed(_) | Input::Piped(..) => Ok(()),
        }
    }
}
