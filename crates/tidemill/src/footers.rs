//! What files say of themselves at their end, read before anything else of them.

use std::io::{self, Read, Seek, SeekFrom};

use tidemill_format::parquet::{Footer, ParsedFooter};
use tidemill_format::{ArrowFooter, FormatError, MessagePlace, ParsedArrowFooter};
use tidemill_plan::{Compression, Format};
use tidemill_rt::fs::File;
use tidemill_source::{Content, ContentPlace, InputFile, PipeRefusal, SourceError};

use crate::Error;

/// A first guess at how long a footer is, its file's tail included.
const TAIL_BYTES: u64 = 64 << 10;

/// The ends of a file.
struct Ends<'a> {
    input: &'a InputFile,
    file: File,
}

impl<'a> Ends<'a> {
    fn open(input: &'a InputFile) -> Result<Self, Error> {
        let opened = File::open(&input.path);
        let file = opened.map_err(|source| failure(input, "open", source))?;
        Ok(Self { input, file })
    }

    /// So many bytes of the head, or all there are.
    fn head(&mut self, byte_count: usize) -> Result<Vec<u8>, Error> {
        let byte_count = u64::try_from(byte_count).expect("a usize fits u64");
        self.read(0, byte_count.min(self.input.byte_count()))
    }

    /// So many bytes of the tail, at most those of the file.
    fn tail(&mut self, byte_count: u64) -> Result<Vec<u8>, Error> {
        self.read(self.input.byte_count() - byte_count, byte_count)
    }

    /// The head of a message of an Arrow file; `None` of one that is too long to be looked at.
    fn message_head(&mut self, place: MessagePlace) -> Result<Option<Vec<u8>>, Error> {
        let head_bytes = place.head_end - place.start;
        if head_bytes > HEAD_BYTES_MAX {
            return Ok(None);
        }
        self.read(place.start, head_bytes).map(Some)
    }

    fn read(&mut self, start: u64, byte_count: u64) -> Result<Vec<u8>, Error> {
        let input = self.input;
        let fail = |operation| move |source| failure(input, operation, source);
        self.file.seek(SeekFrom::Start(start)).map_err(fail("seek in"))?;
        // A length may not be true.
        let likely = usize::try_from(byte_count.min(TAIL_BYTES)).expect("64 KiB fit");
        let mut bytes = Vec::with_capacity(likely);
        self.file.by_ref().take(byte_count).read_to_end(&mut bytes).map_err(fail("read"))?;
        Ok(bytes)
    }
}

/// Reads and parses the footer of a Parquet file.
pub(crate) fn read_footer(input: &InputFile) -> Result<Footer, Error> {
    if let Some(pipe) = input.pipe() {
        return Err(pipe.refusal(PipeRefusal::NeedsFile).into());
    }
    let mut ends = Ends::open(input)?;
    let head = ends.head(Content::HEAD_BYTES)?;
    refuse_content(input, &head, &Format::Parquet, ContentPlace::File)?;
    let mut wanted = TAIL_BYTES.min(input.byte_count());
    loop {
        let tail = ends.tail(wanted)?;
        match Footer::parse(&tail, input.byte_count()).map_err(|error| at(input, error))? {
            ParsedFooter::Whole(footer) => return Ok(*footer),
            ParsedFooter::NeedsTail { byte_count } => wanted = byte_count,
        }
    }
}

/// Record batches of an Arrow file whose rows are counted to cut it, at most.
const COUNTED_BATCHES_MAX: usize = 4096;
/// Bytes of the head of a message that is looked at for that, at most.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// The footer of an Arrow file that is read by it: where it lists all there is, or where the file cannot be read from
/// front to back. `None` of others, of streams, and of what is damaged, which say so when they are read.
pub(crate) fn arrow_footer(input: &InputFile) -> Result<Option<ArrowFooter>, Error> {
    if input.pipe().is_some() || input.compression != Compression::None {
        return Ok(None);
    }
    let mut ends = Ends::open(input)?;
    let head = ends.head(Content::HEAD_BYTES)?;
    if Content::of(&head) != Some(Content::ArrowFile) {
        return Ok(None);
    }
    let mut wanted = TAIL_BYTES.min(input.byte_count());
    loop {
        let tail = ends.tail(wanted)?;
        match ArrowFooter::parse(&tail, input.byte_count()) {
            Ok(ParsedArrowFooter::Whole(footer)) => {
                let reads_by_it = footer.lists_all(&head) || !footer.is_a_stream(&head);
                return Ok(reads_by_it.then_some(footer));
            }
            Ok(ParsedArrowFooter::NeedsTail { byte_count }) => wanted = byte_count,
            Err(_) => return Ok(None),
        }
    }
}

/// The longest record batch and the head of its message; `None` where that cannot be told.
pub(crate) fn longest_batch(
    input: &InputFile,
    footer: &ArrowFooter,
) -> Result<Option<(MessagePlace, Vec<u8>)>, Error> {
    let longest = footer.batches().iter().copied().max_by_key(MessagePlace::byte_count);
    let Some(longest) = longest else { return Ok(None) };
    let head = Ends::open(input)?.message_head(longest)?;
    Ok(head.map(|head| (longest, head)))
}

/// The number of the first row of each record batch; `None` where there are very many of them, or a message is not what
/// the footer says, which is found as it is read.
pub(crate) fn arrow_starts(
    input: &InputFile,
    footer: &ArrowFooter,
) -> Result<Option<Vec<u64>>, Error> {
    if footer.batch_count() > COUNTED_BATCHES_MAX {
        return Ok(None);
    }
    let mut ends = Ends::open(input)?;
    let (mut starts, mut row) = (Vec::with_capacity(footer.batch_count()), 0_u64);
    for place in footer.batches() {
        let Some(head) = ends.message_head(*place)? else { return Ok(None) };
        let Some(row_count) = ArrowFooter::row_count(&head) else { return Ok(None) };
        starts.push(row);
        row = row.saturating_add(row_count);
    }
    Ok(Some(starts))
}

/// Refuses a head that is of something else than the format, by name.
pub(crate) fn refuse_content(
    file: &InputFile,
    head: &[u8],
    format: &Format,
    place: ContentPlace,
) -> Result<(), Error> {
    let found = Content::of(&head[..head.len().min(Content::HEAD_BYTES)]);
    let conflict = found.and_then(|found| Some((found, found.conflict(format)?)));
    conflict.map_or(Ok(()), |(found, expected)| {
        let (path, expected) = (file.path.to_path_buf(), expected.to_owned());
        Err(SourceError::WrongContent { path, found, expected, place }.into())
    })
}

pub(crate) fn at(file: &InputFile, error: FormatError) -> Error {
    Error::format(file.path.to_path_buf(), error)
}

fn failure(input: &InputFile, operation: &'static str, source: io::Error) -> Error {
    SourceError::Io { path: input.path.to_path_buf(), operation, source }.into()
}
