//! What a source's partitions are, before anything is read: files, splits, row groups.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_expr::Context;
use tidemill_format::{CsvHead, holds_first_record, json_layout};
use tidemill_plan::{
    Compression, CsvOptions, Encoding, FileSource, Format, GeneratorSource, JsonLayout, Metadata,
    Partitioning, Scan, SequenceSource, SourceConnector, SourceDef,
};
use tidemill_record::{FrameBytes, PartitionId, Polled};
use tidemill_rt::{Backend, fs::File};
use tidemill_source::{
    Found, InputFile, PIECE_BYTES, Pipes, SourceError, TextReader, TextSpec, decoded, discover,
    is_open_ended, splits,
};

use crate::Error;
use crate::columnar::{Cutting, Messages, RowGroups};
use crate::file_columns::{FileTerms, fixed_columns};
use crate::footers::at;
use crate::known_inputs::{KnownInput, KnownInputs, known_of};
use crate::late_files::LateFiles;
use crate::register::RegisteredSource;
use crate::splits::{cut_between_records, keep_together};

/// Of more files than these none is cut into splits: there are partitions enough.
const FILES_SPLIT_MAX: usize = 16;

/// A source and the partitions it was found to have.
pub(crate) struct Discovered {
    pub(crate) partitions: Arc<Vec<Partition>>,
    /// Some partitions are pieces of one file.
    pub(crate) is_split: bool,
    /// Some piece of a file may begin inside a quoted field.
    pub(crate) has_guessed_cuts: bool,
    /// What is appended is read, too.
    pub(crate) is_followed: bool,
    /// More files may come to be meant; those that have come since the job began.
    pub(crate) late: Option<Arc<LateFiles>>,
    /// The partitions are those that the job's record has.
    pub(crate) is_known: bool,
    /// Of those, the places of partitions that are over for good, each with the scan of the source that it is of.
    pub(crate) retired: Vec<(usize, u32)>,
    /// Scans of the source in the query.
    pub(crate) scan_count: usize,
    /// Nothing is there to be looked at; a plan that is only shown assumes many partitions.
    pub(crate) is_missing: bool,
    /// Files that the query's filter leaves out by their paths: they are not opened.
    pub(crate) excluded_count: usize,
    /// What a person should know of what was left out.
    pub(crate) notices: Vec<String>,
}

/// How a source's input is looked at.
pub(crate) struct Looking<'a> {
    /// The scans of the source in the query, at least one.
    pub(crate) scans: Vec<&'a Scan>,
    /// One large file may become several partitions.
    pub(crate) may_split: bool,
    /// What `NOW()` is.
    pub(crate) context: Context,
    /// What the job's record has of followed sources.
    pub(crate) known: &'a KnownInputs,
}

impl Looking<'_> {
    /// The conditions of each scan that are the same for all records of a file.
    fn file_terms(&self) -> Vec<FileTerms<'_>> {
        self.scans.iter().map(|scan| FileTerms::of(scan, self.context)).collect()
    }

    /// For each scan the columns that it needs of the records.
    fn needed(&self) -> Vec<Vec<&str>> {
        let scans = self.scans.iter().copied();
        let of_scan = |scan| {
            let (columns, _) = Scan::recorded_and_metadata(scan);
            let fields = &scan.source.schema.fields;
            columns.iter().map(|&column| fields[column].name.as_str()).collect()
        };
        scans.map(of_scan).collect()
    }

    /// Whether some scan numbers the rows of a file, which only who reads all of it can.
    fn numbers_rows(&self) -> bool {
        self.scans.iter().any(|scan| {
            let read = scan.source.read_for(scan.columns.iter().copied());
            read.iter().any(|&at| scan.source.metadata(at) == Some(&Metadata::FileRow))
        })
    }
}

/// One partition of a source. There may be a million of files, so that what else there is stands apart.
pub(crate) enum Partition {
    /// A text or Arrow file.
    Text(InputFile),
    /// A byte range of a text file.
    TextRange(Box<TextRange>),
    /// Consecutive row groups of a Parquet file.
    RowGroups(Box<RowGroups>),
    /// Record batches of an Arrow file that is read by its footer.
    Messages(Box<Messages>),
    /// In the place of files of which the query keeps nothing.
    Nothing,
    /// One of the generator's.
    Generator(Box<GeneratorSource>),
    /// Numbers.
    Sequence(SequenceSource),
    /// One of the embedding program's.
    Registered(Arc<RegisteredSource>),
}

/// A byte range of a text file.
pub(crate) struct TextRange {
    pub(crate) file: InputFile,
    pub(crate) range: Range<u64>,
    /// The header, where the range does not begin with it.
    pub(crate) csv_header: Option<Vec<String>>,
}

/// Of more Parquet or Arrow files than this footers are read again when their turn comes, and not kept.
const FOOTERS_KEPT_MAX: usize = 64;

impl Partition {
    /// Bytes to read, or rows to make: only ratios within a job matter.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Self::Text(file) => file.byte_count(),
            Self::TextRange(part) => {
                part.range.end.min(part.file.byte_count()).saturating_sub(part.range.start)
            }
            // What its columns take is known only by who has chosen them.
            Self::RowGroups(part) => part.file.byte_count(),
            Self::Messages(part) => part.byte_count,
            Self::Generator(source) => {
                source.rows.unwrap_or(0) / u64::from(source.partitions.max(1))
            }
            Self::Sequence(sequence) => sequence.rows.unwrap_or(0),
            Self::Registered(..) => 1,
            Self::Nothing => 0,
        }
    }

    /// How many row groups it has, where it has any.
    pub(crate) fn row_group_count(&self) -> Option<usize> {
        match self {
            Self::RowGroups(part) => Some(part.groups.len()),
            Self::Text(_)
            | Self::TextRange(_)
            | Self::Messages(_)
            | Self::Nothing
            | Self::Generator(_)
            | Self::Sequence(_)
            | Self::Registered(..) => None,
        }
    }

    /// What it is called in every run of a job, if it is not followed: with its size, so that another file under the name is told
    /// apart.
    pub(crate) fn name(&self) -> String {
        let file =
            |file: &InputFile| format!("{} of {} bytes", file.path.display(), file.byte_count());
        match self {
            Self::Text(text) => file(text),
            Self::TextRange(part) => {
                format!("bytes {} to {} of {}", part.range.start, part.range.end, file(&part.file))
            }
            Self::RowGroups(part) => {
                format!("rows {} to {} of {}", part.rows.start, part.rows.end, file(&part.file))
            }
            Self::Messages(part) => match &part.batches {
                Some((batches, _)) => {
                    format!("batches {} to {} of {}", batches.start, batches.end, file(&part.file))
                }
                None => file(&part.file),
            },
            Self::Nothing => "nothing".to_owned(),
            Self::Generator(source) => format!("{source:?}"),
            Self::Sequence(sequence) => format!("{sequence:?}"),
            Self::Registered(_) => "registered partition".to_owned(),
        }
    }

    /// Whether it can be read from some place on once more.
    pub(crate) fn can_be_read_again(&self) -> bool {
        match self {
            Self::Registered(..) => false,
            partition => partition.file().is_none_or(|file| file.pipe().is_none()),
        }
    }

    /// Whether it is read from a file, or from nothing.
    pub(crate) fn is_of_file(&self) -> bool {
        matches!(self, Self::Nothing) || self.file().is_some()
    }

    /// The file it is read from.
    pub(crate) fn file(&self) -> Option<&InputFile> {
        match self {
            Self::Text(file) => Some(file),
            Self::TextRange(part) => Some(&part.file),
            Self::RowGroups(part) => Some(&part.file),
            Self::Messages(part) => Some(&part.file),
            Self::Nothing | Self::Generator(_) | Self::Sequence(_) | Self::Registered(..) => None,
        }
    }
}

impl Discovered {
    /// The file of a partition, whether it was there from the start or came later.
    pub(crate) fn file_of(&self, place: usize) -> Option<InputFile> {
        match self.partitions.get(place) {
            Some(partition) => partition.file().cloned(),
            None => self.late.as_ref()?.file(place - self.partitions.len()),
        }
    }

    /// The numbers by which its partitions are kept, whichever scan they are of: some of them may be over.
    pub(crate) fn numbers(&self) -> HashSet<usize> {
        let early_count = self.partitions.len();
        let scans = 0..u32::try_from(self.scan_count).expect("few scans");
        let late = scans.flat_map(|scan| {
            self.late.iter().flat_map(move |late| late.of_scan(scan)).collect::<Vec<_>>()
        });
        let number = |late: tidemill_control::Late| {
            early_count + usize::try_from(late.number).expect("usize is at least 32 bits")
        };
        let is_over = |place: usize| {
            let scans = self.retired.iter().filter(|(at, _)| *at == place);
            scans.count() >= self.scan_count
        };
        (0..early_count).filter(|&place| !is_over(place)).chain(late.map(number)).collect()
    }

    /// Whether it is one file, and more may come.
    pub(crate) fn is_alone(&self) -> bool {
        let is_only = |late: &Arc<LateFiles>| self.partitions.len() == 1 && late.count() == 0;
        self.late.as_ref().is_some_and(is_only)
    }

    /// Stays with the files that are there, and says so.
    pub(crate) fn take_no_more(&mut self) {
        self.late = None;
        let files = self.partitions.iter().filter_map(Partition::file);
        self.notices.extend(files.map(|file| {
            format!(
                "{} is read alone, and no file that comes later is taken in: the query needs the rows of a key in \
                 one partition, and its source declares no PARTITIONED BY",
                file.path.display()
            )
        }));
    }

    /// Whether all of it can be read once more.
    pub(crate) fn can_be_read_again(&self) -> bool {
        self.partitions.iter().all(Partition::can_be_read_again)
    }

    /// What the planner needs to know; `columns` are those of the source that the query reads.
    pub(crate) fn partitioning(
        &self,
        source: &SourceDef,
        columns: &[usize],
        context: &Context,
    ) -> Partitioning {
        let count = u32::try_from(self.partitions.len()).expect("partitions are numbered in u32");
        // More may come at any time.
        let is_open_ended = self.late.is_some();
        let partition_count = (!self.is_missing && !is_open_ended).then_some(count);
        let may_be_fixed = !self.is_split
            && !is_open_ended
            && columns.iter().any(|&column| source.is_of_file([column]));
        let files = self.partitions.iter().map(|partition| Some(partition.file()?.path.as_ref()));
        // Of a million files the paths are listed only where one of these columns asks for them.
        let paths = may_be_fixed.then(|| files.collect::<Option<Vec<_>>>()).flatten();
        let fixed =
            paths.map_or_else(Vec::new, |paths| fixed_columns(source, columns, &paths, context));
        Partitioning { partition_count, is_split: self.is_split, fixed }
    }

    /// Input that an earlier statement has yet to write.
    pub(crate) fn missing() -> Self {
        Self {
            partitions: Arc::default(),
            is_split: false,
            is_followed: false,
            is_known: false,
            is_missing: true,
            late: None,
            retired: Vec::new(),
            scan_count: 1,
            has_guessed_cuts: false,
            excluded_count: 0,
            notices: Vec::new(),
        }
    }

    /// The partitions of an earlier run, of a followed source: each begins or goes on in its texts, wherever these are by now. What is
    /// new since then comes later.
    fn of_record(known: &KnownInput, options: &FileSource, scan_count: usize) -> Self {
        let late = known.late_files(options);
        let may_more_come = is_open_ended(options) || late.count() > 0;
        Self {
            retired: known.retired.clone(),
            scan_count,
            partitions: Arc::new(known.partitions(options, scan_count)),
            is_split: false,
            is_followed: true,
            is_known: true,
            is_missing: false,
            late: may_more_come.then(|| Arc::new(late)),
            has_guessed_cuts: false,
            excluded_count: 0,
            notices: Vec::new(),
        }
    }

    /// Looks at a source's input.
    pub(crate) fn of(
        source: &SourceDef,
        registered: Option<&Arc<RegisteredSource>>,
        pipes: &Pipes,
        looking: &Looking<'_>,
    ) -> Result<Self, Error> {
        let whole = |partitions: Vec<Partition>| Self {
            partitions: Arc::new(partitions),
            is_split: false,
            is_followed: false,
            is_known: false,
            is_missing: false,
            late: None,
            retired: Vec::new(),
            scan_count: 1,
            has_guessed_cuts: false,
            excluded_count: 0,
            notices: Vec::new(),
        };
        if let Some((known, options)) = known_of(looking.known, source) {
            return Ok(Self::of_record(known, options, looking.scans.len()));
        }
        match &source.connector {
            SourceConnector::File(options) => {
                let mut found = discover_files(options, pipes, looking)?;
                found.notices.extend_from_slice(&source.notices);
                Ok(found)
            }
            SourceConnector::Generator(options) => Ok(whole(
                (0..options.partitions)
                    .map(|_| Partition::Generator(Box::new(options.clone())))
                    .collect(),
            )),
            SourceConnector::Sequence(sequence) => Ok(whole(vec![Partition::Sequence(*sequence)])),
            SourceConnector::Registered { .. } => {
                let registered = registered.ok_or_else(|| {
                    Error::usage(format!("source {} is not registered any more", source.name))
                })?;
                let partition = || Partition::Registered(Arc::clone(registered));
                let partitions = std::iter::repeat_with(partition);
                Ok(whole(partitions.take(registered.partition_count).collect()))
            }
        }
    }
}

fn discover_files(
    options: &FileSource,
    pipes: &Pipes,
    looking: &Looking<'_>,
) -> Result<Discovered, Error> {
    let Found { mut files, notices } = discover(options, pipes)?;
    let found_count = files.len();
    let first = files[0].clone();
    // What no scan keeps a record of.
    let terms = looking.file_terms();
    files.retain(|file| !terms.iter().all(|terms| terms.exclude(&file.path)));
    let excluded_count = found_count - files.len();
    if files.is_empty() && options.follow {
        // What has no end has something to wait for.
        files.push(first);
    }
    let is_one_file = files.len() == 1;
    let is_declared = looking.scans.iter().any(|scan| !scan.source.partitioned_by.is_empty());
    // Where a record of several lines begins, nothing within it tells.
    let may_split = looking.may_split
        && !options.format.has_records_of_lines()
        && (is_one_file || (files.len() <= FILES_SPLIT_MAX && !is_declared));
    let file_count = files.len();
    let cutting = Cutting {
        may_split,
        file_count,
        requested: options.splits,
        needed: looking.needed(),
        keeps_footers: files.len() <= FOOTERS_KEPT_MAX,
    };
    let has_guessed_cuts = Cell::new(false);
    let as_partitions = |file: InputFile, place: usize| -> Result<Vec<Partition>, Error> {
        if options.follow && file.compression != Compression::None {
            let path = file.path.display();
            return Err(Error::usage(format!(
                "{path} cannot be followed: it is compressed, and does not grow record by record; \
                 name the files that do in 'path'"
            )));
        }
        if options.follow && options.from_latest {
            return Ok(vec![from_latest(&file, &options.format)?]);
        }
        match &options.format {
            Format::Parquet => cutting.parquet(&file, place),
            format
                if format.is_text()
                    && may_split
                    && !looking.numbers_rows()
                    && !options.follow
                    && may_be_cut(&file)? =>
            {
                let mut ranges = splits(file.byte_count(), options.splits);
                if ranges.len() > 1 && !has_lines(&file, format)? {
                    return Ok(vec![Partition::Text(file)]);
                }
                let csv_header = match &options.format {
                    Format::Csv(csv) if ranges.len() > 1 => {
                        let CsvHead { names, end } = csv_head(&file, csv)?;
                        let end = u64::try_from(end).expect("a usize fits u64");
                        let field_count = names.as_ref().map(Vec::len);
                        if !cut_between_records(&file, csv, field_count, &mut ranges)? {
                            has_guessed_cuts.set(true);
                        }
                        keep_together(&mut ranges, end);
                        names
                    }
                    _ => None,
                };
                if ranges.len() == 1 {
                    return Ok(vec![Partition::Text(file)]);
                }
                let part = |range: Range<u64>| {
                    let csv_header = csv_header.clone().filter(|_| range.start > 0);
                    let file = file.clone();
                    Partition::TextRange(Box::new(TextRange { file, range, csv_header }))
                };
                Ok(ranges.into_iter().map(part).collect())
            }
            Format::Arrow(_) => {
                let by_footer = cutting.arrow(&file)?;
                Ok(by_footer.unwrap_or_else(|| vec![Partition::Text(file)]))
            }
            _ => Ok(vec![Partition::Text(file)]),
        }
    };
    let is_text = matches!(options.format, Format::Csv(_) | Format::Json(_));
    let mut partitions: Vec<Partition> = if is_text && !options.follow && !may_split {
        // Where each was, so that a million of them are not there twice.
        files.into_iter().map(Partition::Text).collect()
    } else {
        let mut partitions = Vec::with_capacity(files.len());
        for (place, file) in files.into_iter().enumerate() {
            partitions.extend(as_partitions(file, place)?);
        }
        partitions
    };
    if partitions.is_empty() {
        partitions.push(Partition::Nothing);
    }
    const { assert!(size_of::<Partition>() == size_of::<InputFile>(), "a file as it was found") };
    let is_split = may_split && partitions.len() > file_count.max(1);
    let partitions = Arc::new(partitions);
    let is_followed = options.follow;
    let is_missing = false;
    let late = is_open_ended(options).then(Arc::default);
    Ok(Discovered {
        late,
        retired: Vec::new(),
        scan_count: looking.scans.len(),
        partitions,
        is_split,
        has_guessed_cuts: has_guessed_cuts.get(),
        is_followed,
        is_known: false,
        is_missing,
        excluded_count,
        notices,
    })
}

/// Whether a range of the file's bytes is a part of its text.
fn may_be_cut(file: &InputFile) -> Result<bool, Error> {
    if file.pipe().is_some() || file.compression != Compression::None || !file.encoding.is_utf8() {
        return Ok(false);
    }
    if file.encoding == Encoding::Utf8 {
        return Ok(true);
    }
    let fail = |operation| {
        move |source| SourceError::Io { path: file.path.to_path_buf(), operation, source }
    };
    let mut mark = [0; 2];
    let opened = File::open(&file.path).map_err(fail("open"))?;
    let count = opened.read_at(&mut mark, 0).map_err(fail("read"))?;
    Ok(!tidemill_source::may_be_utf16(&mark[..count]))
}

/// Whether its records are lines, as far as its head shows.
fn has_lines(file: &InputFile, format: &Format) -> Result<bool, Error> {
    let Format::Json(json) = format else { return Ok(true) };
    match json.layout {
        JsonLayout::Lines => Ok(true),
        JsonLayout::Array | JsonLayout::Values => Ok(false),
        JsonLayout::Auto => {
            let (head, is_whole) = read_head(file, Some(format), HEAD_BYTES_MAX)?;
            Ok(json_layout(&head, is_whole) == Some(JsonLayout::Lines))
        }
    }
}

/// A followed file behind the last line that it has now.
fn from_latest(file: &InputFile, format: &Format) -> Result<Partition, Error> {
    const PIECE_BYTES: usize = 64 << 10;
    if file.byte_count() == 0 {
        return Ok(Partition::Text(file.clone()));
    }
    if !may_be_cut(file)? {
        return Err(Error::usage(format!(
            "{} cannot be read from its latest record on: it is no text in UTF-8; leave 'scan.startup.mode' out",
            file.path.display()
        )));
    }
    let fail = |operation| {
        move |source| SourceError::Io { path: file.path.to_path_buf(), operation, source }
    };
    let opened = File::open(file.path_now()).map_err(fail("open"))?;
    let mut end = file.byte_count();
    let mut piece = vec![0; PIECE_BYTES];
    let start = loop {
        let start = end.saturating_sub(PIECE_BYTES as u64);
        let piece = &mut piece[..usize::try_from(end - start).expect("a piece fits")];
        opened.read_exact_at(piece, start).map_err(fail("read"))?;
        match piece.iter().rposition(|&byte| byte == b'\n') {
            Some(at) => break start + at as u64 + 1,
            None if start == 0 => break 0,
            None => end = start,
        }
    };
    let head = match format {
        Format::Csv(csv) if start > 0 => Some(csv_head(file, csv)?),
        _ => None,
    };
    let (head_end, csv_header) = head.map_or((0, None), |head| (head.end as u64, head.names));
    if start == 0 || start < head_end {
        return Ok(Partition::Text(file.clone()));
    }
    let (file, range) = (file.clone(), start..u64::MAX);
    Ok(Partition::TextRange(Box::new(TextRange { file, range, csv_header })))
}

fn csv_head(file: &InputFile, options: &CsvOptions) -> Result<CsvHead, Error> {
    let (head, _) = read_head(file, Some(&Format::Csv(options.clone())), HEAD_BYTES_MAX)?;
    CsvHead::of(options, &head).map_err(|error| at(file, error))
}

/// What is read of a file at most to look at its head, unless it is asked for more.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 20;

/// The first piece of a file, decompressed, and whether that is all of it. Of Arrow as much as its schema
/// takes, which grows with the columns, and of text as much as its first record does; about so many bytes at most. Of a
/// pipe it is kept for who reads that.
pub(crate) fn read_head(
    file: &InputFile,
    format: Option<&Format>,
    head_bytes_max: usize,
) -> Result<(Vec<u8>, bool), Error> {
    // It is looked at again when there is twice as much of it.
    let mut looked_at = 0;
    let mut is_enough = |head: &[u8]| {
        if head.len() >= head_bytes_max {
            return true;
        }
        if head.len() < 2 * looked_at {
            return false;
        }
        looked_at = head.len();
        format.is_none_or(|format| holds_first_record(format, head))
    };
    if let Some(pipe) = file.pipe() {
        let mut byte_count = PIECE_BYTES;
        loop {
            let (head, is_whole) = pipe.look(byte_count)?;
            if is_whole || is_enough(&head) {
                let is_text = !matches!(format, Some(Format::Arrow(_) | Format::Parquet));
                let text = is_text.then(|| decoded(file.encoding, &head, is_whole));
                return Ok((text.unwrap_or(head), is_whole));
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
            record_bytes_max: head_bytes_max,
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
    use super::keep_together;

    #[test]
    fn what_stands_before_the_records_is_not_cut() {
        for (end, expected) in [(0, 4), (2, 4), (3, 3), (7, 1), (100, 1)] {
            let mut ranges = vec![0..2, 2..4, 4..6, 6..8];
            keep_together(&mut ranges, end);
            assert_eq!((ranges.len(), ranges[0].start), (expected, 0), "{end}");
            assert!(ranges.is_sorted_by(|before, after| before.end == after.start));
        }
    }
}
