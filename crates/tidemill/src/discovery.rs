//! What a source's partitions are, before anything is read: files, splits, row groups.

use std::ops::Range;
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_format::parquet::Footer;
use tidemill_format::{ArrowFooter, CsvHead, FormatError};
use tidemill_plan::{
    ArrowOptions, Compression, CsvOptions, FileSource, Format, GeneratorSource, JsonOptions,
    Partitioning, SourceConnector, SourceDef,
};
use tidemill_record::{FrameBytes, PartitionId, Polled, Schema};
use tidemill_rt::{Backend, descriptor_of};
use tidemill_source::{
    Content, ContentPlace, Found, InputFile, PIECE_BYTES, Pipes, TextReader, TextSpec, discover,
    meant, pipe_key, splits,
};

use crate::Error;
use crate::footers::{arrow_footer, at, read_footer, refuse_content};
use crate::register::RegisteredSource;

/// A source and the partitions it was found to have.
pub(crate) struct Discovered {
    pub(crate) partitions: Vec<Partition>,
    /// The partitions are pieces of one file.
    pub(crate) is_split: bool,
    /// What is appended is read, too.
    pub(crate) is_followed: bool,
    /// Nothing is there to be looked at; a plan that is only shown assumes many partitions.
    pub(crate) is_missing: bool,
    /// What a person should know of what was left out.
    pub(crate) notices: Vec<String>,
}

/// One partition of a source.
pub(crate) enum Partition {
    /// A text or Arrow file, or a byte range of one.
    Text {
        file: InputFile,
        range: Option<Range<u64>>,
        /// The header, where the range does not begin with it.
        csv_header: Option<Vec<String>>,
    },
    /// Consecutive row groups of a Parquet file.
    RowGroups { file: InputFile, footer: Arc<Footer>, groups: Range<usize> },
    /// An Arrow file that cannot be read from front to back.
    Messages { file: InputFile, footer: Arc<ArrowFooter> },
    /// One of the generator's.
    Generator(GeneratorSource),
    /// One of the embedding program's.
    Registered(Arc<RegisteredSource>, usize),
}

impl Partition {
    /// Bytes to read, or rows to make: only ratios within a job matter.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Text { file, range, .. } => {
                range.as_ref().map_or(file.byte_count, |range| range.end - range.start)
            }
            Self::RowGroups { footer, groups, .. } => {
                footer.row_groups()[groups.clone()].iter().map(|group| group.row_count).sum()
            }
            Self::Messages { file, .. } => file.byte_count,
            Self::Generator(source) => {
                source.rows.unwrap_or(0) / u64::from(source.partitions.max(1))
            }
            Self::Registered(..) => 1,
        }
    }

    /// How many row groups it has, where it has any.
    pub(crate) fn row_group_count(&self) -> Option<usize> {
        match self {
            Self::RowGroups { groups, .. } => Some(groups.len()),
            Self::Text { .. }
            | Self::Messages { .. }
            | Self::Generator(_)
            | Self::Registered(..) => None,
        }
    }

    /// The file it is read from.
    pub(crate) fn file(&self) -> Option<&InputFile> {
        match self {
            Self::Text { file, .. }
            | Self::RowGroups { file, .. }
            | Self::Messages { file, .. } => Some(file),
            Self::Generator(_) | Self::Registered(..) => None,
        }
    }
}

impl Discovered {
    /// What the planner needs to know.
    pub(crate) fn partitioning(&self) -> Partitioning {
        let count = u32::try_from(self.partitions.len()).expect("partitions are numbered in u32");
        let partition_count = (!self.is_missing).then_some(count);
        Partitioning { partition_count, is_split: self.is_split }
    }

    /// Input that an earlier statement has yet to write.
    pub(crate) fn missing() -> Self {
        Self {
            partitions: Vec::new(),
            is_split: false,
            is_followed: false,
            is_missing: true,
            notices: Vec::new(),
        }
    }

    /// Looks at a source's input. `may_split` allows one large file to become several partitions.
    pub(crate) fn of(
        source: &SourceDef,
        registered: Option<&Arc<RegisteredSource>>,
        pipes: &Pipes,
        may_split: bool,
    ) -> Result<Self, Error> {
        let whole = |partitions| Self {
            partitions,
            is_split: false,
            is_followed: false,
            is_missing: false,
            notices: Vec::new(),
        };
        match &source.connector {
            SourceConnector::File(options) => discover_files(options, pipes, may_split),
            SourceConnector::Generator(options) => Ok(whole(
                (0..options.partitions).map(|_| Partition::Generator(options.clone())).collect(),
            )),
            SourceConnector::Registered => {
                let registered = registered.ok_or_else(|| {
                    Error::Usage(format!("source {} is not registered", source.name))
                })?;
                let count = usize::try_from(registered.partition_count)
                    .expect("a vector of this length exists");
                let partition = |index| Partition::Registered(Arc::clone(registered), index);
                Ok(whole((0..count).map(partition).collect()))
            }
        }
    }
}

fn discover_files(
    options: &FileSource,
    pipes: &Pipes,
    may_split: bool,
) -> Result<Discovered, Error> {
    let Found { files, notices } = discover(options, pipes)?;
    let is_one_file = files.len() == 1;
    let mut partitions = Vec::new();
    for file in files {
        if options.follow && file.compression != Compression::None {
            let path = file.path.display();
            return Err(Error::Usage(format!(
                "{path} cannot be followed: it is compressed, and does not grow record by record; \
                 name the files that do in 'path'"
            )));
        }
        match &options.format {
            Format::Parquet => {
                let footer = Arc::new(read_footer(&file)?);
                let wanted = if may_split && is_one_file {
                    splits(file.byte_count, options.splits).len()
                } else {
                    1
                };
                for groups in cut_evenly(footer.row_groups().len(), wanted) {
                    let (file, footer) = (file.clone(), Arc::clone(&footer));
                    partitions.push(Partition::RowGroups { file, footer, groups });
                }
            }
            Format::Csv(_) | Format::Json(_)
                if may_split
                    && is_one_file
                    && !options.follow
                    && file.pipe().is_none()
                    && file.compression == Compression::None =>
            {
                let mut ranges = splits(file.byte_count, options.splits);
                let csv_header = match &options.format {
                    Format::Csv(csv) if ranges.len() > 1 => {
                        let CsvHead { names, end } = csv_head(&file, csv)?;
                        let end = u64::try_from(end).expect("a usize fits u64");
                        keep_together(&mut ranges, end);
                        names
                    }
                    _ => None,
                };
                let is_cut = ranges.len() > 1;
                for range in ranges {
                    partitions.push(Partition::Text {
                        file: file.clone(),
                        csv_header: csv_header.clone().filter(|_| range.start > 0),
                        range: is_cut.then_some(range),
                    });
                }
            }
            Format::Arrow(_) => partitions.push(match arrow_footer(&file)? {
                Some(footer) => Partition::Messages { file, footer: Arc::new(footer) },
                None => Partition::Text { file, range: None, csv_header: None },
            }),
            _ => partitions.push(Partition::Text { file, range: None, csv_header: None }),
        }
    }
    let is_split = is_one_file && partitions.len() > 1;
    let is_followed = options.follow;
    Ok(Discovered { partitions, is_split, is_followed, is_missing: false, notices })
}

/// Makes the first of ranges that follow each other hold all before `end`.
fn keep_together(ranges: &mut Vec<Range<u64>>, end: u64) {
    while let [first, second, ..] = &mut ranges[..]
        && first.end < end
    {
        second.start = first.start;
        ranges.remove(0);
    }
}

/// `[0, count)` as at most `pieces` ranges of about equal length, at least one.
fn cut_evenly(count: usize, pieces: usize) -> Vec<Range<usize>> {
    let pieces = pieces.clamp(1, count.max(1));
    (0..pieces).map(|i| count * i / pieces..count * (i + 1) / pieces).collect()
}

/// Infers the schema of what a path means, from the head (or footer) of its first file that has a
/// record; also what it leaves out, where that is anything.
pub(crate) fn infer_file_schema(
    path: &str,
    format: &Format,
    pipes: &Pipes,
) -> Result<(Schema, Option<String>), Error> {
    let files = discover(&file_source(path, format), pipes)?.files;
    let first = files.iter().find(|file| file.byte_count > 0).unwrap_or(&files[0]);
    if matches!(format, Format::Parquet) {
        let footer = read_footer(first)?;
        let left_out =
            footer.left_out().map(|columns| format!("{} has {columns}", first.path.display()));
        return Ok((footer.schema().map_err(|error| at(first, error))?, left_out));
    }
    if matches!(format, Format::Arrow(_))
        && let Some(footer) = arrow_footer(first)?
    {
        let left_out =
            footer.left_out().map(|columns| format!("{} has {columns}", first.path.display()));
        return Ok((footer.schema().map_err(|error| at(first, error))?, left_out));
    }
    let infer = |file: &InputFile, head: &[u8], is_whole: bool| {
        let schema = tidemill_format::infer_schema(format, head, is_whole)?;
        let left_out = tidemill_format::left_out(format, head, is_whole)?;
        Ok((schema, left_out.map(|columns| format!("{} has {columns}", file.path.display()))))
    };
    if first.pipe().is_some() {
        let (head, is_whole) = read_head(first, Some(format))?;
        refuse_content(first, &head, format, ContentPlace::Pipe)?;
        return infer(first, &head, is_whole).map_err(|error| at(first, error));
    }
    // A file of a header alone says nothing of types: another one may.
    for file in files.iter().filter(|file| file.byte_count > 0) {
        let (head, is_whole) = read_head(file, Some(format))?;
        if has_record(format, &head) {
            return infer(file, &head, is_whole).map_err(|error| at(file, error));
        }
    }
    let (head, is_whole) = read_head(first, Some(format))?;
    infer(first, &head, is_whole).map_err(|error| at(first, error))
}

/// Whether anything stands behind the header, where there is one.
fn has_record(format: &Format, head: &[u8]) -> bool {
    let is_blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
    match format {
        Format::Csv(options) if options.has_header => {
            let header_end = head.iter().position(|&byte| byte == b'\n').unwrap_or(head.len());
            !is_blank(&head[header_end..])
        }
        _ => !is_blank(head),
    }
}

fn csv_head(file: &InputFile, options: &CsvOptions) -> Result<CsvHead, Error> {
    let (head, _) = read_head(file, Some(&Format::Csv(options.clone())))?;
    CsvHead::of(options, &head).map_err(|error| at(file, error))
}

fn file_source(path: &str, format: &Format) -> FileSource {
    FileSource { path: path.to_owned(), format: format.clone(), splits: None, follow: false }
}

/// The format of what a path without a telling name means, by its first bytes; `None` for a path of files,
/// whose names are to say it.
pub(crate) fn guess_format(path: &str, pipes: &Pipes) -> Result<Option<Format>, Error> {
    let meant = meant(path);
    if pipe_key(meant).is_none() && descriptor_of(meant).is_none() {
        return Ok(None);
    }
    let any = Format::Json(JsonOptions::default());
    let Some(file) = discover(&file_source(path, &any), pipes)?.files.pop() else {
        return Ok(None);
    };
    let (head, _) = read_head(&file, None)?;
    match Content::of(&head[..head.len().min(Content::HEAD_BYTES)]) {
        Some(Content::ArrowFile | Content::ArrowStream) => {
            return Ok(Some(Format::Arrow(ArrowOptions::default())));
        }
        Some(Content::Parquet) => return Ok(Some(Format::Parquet)),
        Some(_) => return Ok(Some(any)),
        None => {}
    }
    let first = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let first = first.unwrap_or_default();
    let is_csv = |delimiter| first.contains(&delimiter);
    if first.trim_ascii_start().starts_with(b"{") {
        return Ok(Some(any));
    }
    let delimiter = [b',', b'\t'].into_iter().find(|&delimiter| is_csv(delimiter));
    match delimiter {
        Some(delimiter) => Ok(Some(Format::Csv(CsvOptions { delimiter, ..CsvOptions::default() }))),
        None => Err(Error::Usage(format!(
            "the format of {path} is said neither by its name nor by its first line; declare it: CREATE \
             SOURCE name (columns) WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv')"
        ))),
    }
}

/// The first piece of a file, decompressed, and whether that is all of it. Of Arrow as much as its schema
/// takes, which grows with the columns. Of a pipe it is kept for who reads that.
fn read_head(file: &InputFile, format: Option<&Format>) -> Result<(Vec<u8>, bool), Error> {
    const RECORD_BYTES_MAX: usize = 16 << 20;
    let is_enough = |head: &[u8]| {
        let Some(arrow @ Format::Arrow(_)) = format else { return true };
        let schema = tidemill_format::infer_schema(arrow, head, false);
        head.len() >= RECORD_BYTES_MAX || !matches!(schema, Err(FormatError::Sample { .. }))
    };
    if let Some(pipe) = file.pipe() {
        let mut byte_count = PIECE_BYTES;
        loop {
            let (head, is_whole) = pipe.look(byte_count)?;
            if is_whole || is_enough(&head) {
                return Ok((head, is_whole));
            }
            byte_count *= 2;
        }
    }
    block_on(async {
        let mut reader = TextReader::open(TextSpec {
            backend: Backend::Std,
            file,
            format,
            range: None,
            partition: PartitionId(0),
            record_bytes_max: RECORD_BYTES_MAX,
            follow: None,
        })
        .await?;
        let mut head = Vec::new();
        while let Polled::Ready(frames) = reader.next_frames().await? {
            let FrameBytes::Sequential { bytes, is_last, .. } = frames.bytes else {
                unreachable!("a text reader lends sequential bytes");
            };
            head.extend_from_slice(&bytes);
            if is_last || is_enough(&head) {
                return Ok((head, is_last));
            }
            reader.consume(u64::try_from(bytes.len()).expect("usize is at most 64 bits"));
        }
        Ok((head, true))
    })
}

#[cfg(test)]
mod tests {
    use super::{cut_evenly, keep_together};

    #[test]
    fn what_stands_before_the_records_is_not_cut() {
        for (end, expected) in [(0, 4), (2, 4), (3, 3), (7, 1), (100, 1)] {
            let mut ranges = vec![0..2, 2..4, 4..6, 6..8];
            keep_together(&mut ranges, end);
            assert_eq!((ranges.len(), ranges[0].start), (expected, 0), "{end}");
            assert!(ranges.is_sorted_by(|before, after| before.end == after.start));
        }
    }

    #[test]
    fn row_groups_are_cut_into_consecutive_ranges() {
        assert_eq!(cut_evenly(5, 2), [0..2, 2..5]);
        assert_eq!(cut_evenly(1, 8).first(), Some(&(0..1)));
        assert_eq!(cut_evenly(0, 4).first(), Some(&(0..0)));
    }
}
