//! The pipelines of a fragment, each made on its core when its turn comes.
//!
//! What has to be known of a partition before anything runs (that its file can be read as the query wants it, and
//! what it weighs) is looked at while the wave is planned, and dropped again: of a million files it would not fit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill_control::{Planned, ResidentName};
use tidemill_expr::Context;
use tidemill_pipeline::{BadRecordSpec, InputSpec, OutputSpec, PipelineError, PipelineSpec};
use tidemill_plan::{CsvOptions, FileSink, Format, Merge, Scan, Stage};
use tidemill_record::{PartitionId, Schema};
use tidemill_rt::Backend;
use tidemill_sink::{Discard, OutputDirectory, StdoutOrder, StdoutWriter};
use tidemill_source::{Claims, SourceError};

use crate::Error;
use crate::discovery::Partition;
use crate::error::Cause;
use crate::file_columns::FileTerms;
use crate::inputs::ScanInputs;
use crate::late_files::{LateFiles, RETIRED};
use crate::printed::{PrintedQuery, PrintingWriter};
use crate::sinks::{OpenSink, RegisteredWriter};

/// Files that are read each by a pipeline of its own where rows go to files; of more, small ones are read together.
const SERIES_MAX: usize = 512;

/// What all pipelines of a fragment have in common.
pub(crate) struct Alike {
    pub(crate) query: String,
    pub(crate) source: String,
    pub(crate) backend: Backend,
    pub(crate) stages: Vec<Stage>,
    pub(crate) outputs: Outputs,
    pub(crate) bad_records: BadRecordSpec,
    /// Behind the numbers of all that writes dead letters there from the start.
    pub(crate) dead_letters_end: Arc<AtomicU32>,
    pub(crate) context: Context,
    pub(crate) batch_rows: usize,
    pub(crate) is_measured: bool,
    /// As what they are kept, where the job has a state directory.
    pub(crate) resident: Option<ResidentName>,
}

/// Where their rows go. Those that write are numbered, from the first one's number on.
pub(crate) enum Outputs {
    Seal(Merge),
    File {
        sink: FileSink,
        schema: Schema,
        directory: Arc<OutputDirectory>,
        first_number: u32,
        /// Behind the numbers of all that writes there from the start: those that come later follow it.
        end_number: Arc<AtomicU32>,
    },
    Stdout {
        format: Format,
        schema: Schema,
        order: Arc<StdoutOrder>,
        first_number: u32,
        /// As of files.
        end_number: Arc<AtomicU32>,
        /// The one of number 0 writes a header, where the format has one.
        has_header: bool,
        /// Of how many the one of the highest number ends a stream; 0 where there is no end.
        writer_count: u32,
    },
    Printed(Arc<PrintedQuery>, Schema),
    Discard {
        has_checksum: bool,
    },
    Registered {
        name: String,
        schema: Schema,
        sink: Arc<OpenSink>,
        first_number: u32,
        /// As of files.
        end_number: Arc<AtomicU32>,
    },
}

/// What the partitions of a scan read.
pub(crate) struct ScanPartitions {
    pub(crate) scan: Scan,
    pub(crate) partitions: Arc<Vec<Partition>>,
    /// Row groups that the scan's conditions exclude need not be read.
    pub(crate) may_skip: bool,
    pub(crate) record_bytes_max: usize,
    /// Which files the pipelines have taken, where they are followed.
    pub(crate) claims: Option<Arc<Claims>>,
    /// Files that come later, where some may, and which of the source's scans this is.
    pub(crate) late: Option<(Arc<LateFiles>, u32)>,
    /// Places of partitions that an earlier run has found to be over for good.
    pub(crate) retired: BTreeSet<usize>,
}

impl Outputs {
    /// That of a pipeline; `late` is the number of one that came later.
    fn of(&self, place: usize, late: Option<u32>) -> OutputSpec {
        let number = |first: u32, end: &AtomicU32| writer_number(place, late, first, end);
        match self {
            Self::Seal(merge) => OutputSpec::Seal(merge.clone()),
            Self::File { sink, schema, directory, first_number, end_number } => {
                let (mut sink, file_number) = (sink.clone(), number(*first_number, end_number));
                if directory.is_one_file() {
                    sink.format = headed(&sink.format, file_number == 0);
                }
                let (schema, directory) = (schema.clone(), Arc::clone(directory));
                OutputSpec::File { sink, schema, directory, file_number }
            }
            Self::Stdout {
                format,
                schema,
                order,
                first_number,
                end_number,
                has_header,
                writer_count,
            } => {
                let number = number(*first_number, end_number);
                let is_first = number == 0 && *has_header;
                OutputSpec::Stdout {
                    is_first,
                    is_last: number + 1 == *writer_count,
                    format: headed(format, is_first),
                    schema: schema.clone(),
                    writer: StdoutWriter::new(Arc::clone(order), number),
                }
            }
            Self::Printed(printed, schema) => {
                let writer = PrintingWriter::new(Arc::clone(printed), schema.clone());
                OutputSpec::Columns(Box::new(writer))
            }
            Self::Discard { has_checksum } => {
                OutputSpec::Columns(Box::new(Discard::new(*has_checksum)))
            }
            Self::Registered { name, schema, sink, first_number, end_number } => {
                let number = number(*first_number, end_number);
                let writer = RegisteredWriter::new(name, schema, Arc::clone(sink), number);
                OutputSpec::Columns(Box::new(writer))
            }
        }
    }

    /// How many of the rows that are sealed matter, the first in order of partitions.
    fn rows_wanted(&self) -> Option<u64> {
        match self {
            Self::Seal(Merge::Limited { spec, .. }) => spec.needed(),
            _ => None,
        }
    }

    fn window_us(&self) -> i64 {
        match self {
            Self::Seal(Merge::Windows(spec)) => {
                spec.window.map_or(0, |window| window.kind.reach_us())
            }
            _ => 0,
        }
    }
}

impl Alike {
    /// The pipelines of a scan.
    ///
    /// # Errors
    /// A path that does not say what a column takes from it, a file that lacks a column, batches that have
    /// been read before.
    pub(crate) fn scanning(
        self,
        of: ScanPartitions,
        idle_timeout: Option<Duration>,
    ) -> Result<Planned, Error> {
        let mut weights = Vec::with_capacity(of.partitions.len());
        // What is there once, and cannot be made again.
        let mut ready = Vec::new();
        let inputs = of.inputs(self.context);
        for (place, partition) in of.partitions.iter().enumerate() {
            let (input, weight) = inputs.of(number(place), partition)?;
            weights.push(weight);
            if matches!(partition, Partition::Registered(..)) {
                ready.push(Some(input));
            }
        }
        let late = of.late.as_ref().map_or_else(Vec::new, |(files, scan)| files.of_scan(*scan));
        let mut retired = of.retired.clone();
        for (at, one) in late.iter().enumerate() {
            let place = weights.len();
            if one.joined == RETIRED {
                retired.insert(place);
            }
            debug_assert_eq!(place, of.partitions.len() + at);
            let file = of.late_partition(place).expect("it has come");
            weights.push(inputs.of(number(place), &file)?.1.max(1));
        }
        drop(inputs);
        let is_open_ended = of.late.is_some();
        let are_whole_files = of.claims.is_none()
            && of.partitions.iter().all(Partition::is_of_file)
            && self.are_alike_throughout(of.partitions.len());
        // Those that print wait for each other.
        let prints = matches!(self.outputs, Outputs::Stdout { .. } | Outputs::Printed(..));
        let may_wait = !ready.is_empty() && !prints;
        let ready = Mutex::new(ready);
        let late_numbers = of.late.clone().map(|(files, scan)| (of.partitions.len(), files, scan));
        let input = move |alike: &Self, place: usize| {
            let mut ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(made) = ready.get_mut(place) {
                return made.take().ok_or_else(|| unreachable!("each is made once"));
            }
            drop(ready);
            let late = of.late_partition(place);
            let partition = late.as_ref().unwrap_or_else(|| &of.partitions[place]);
            let made = of.inputs(alike.context).of(number(place), partition);
            let file = || partition.file().map(|file| file.path.to_path_buf()).unwrap_or_default();
            let mut input = made.map_err(|error| made_late(error, file))?.0;
            if let InputSpec::Text(text) = &mut input {
                text.follow.clone_from(&of.claims);
            }
            Ok(input)
        };
        // Each input's dead letters are a writer of its own, of which a checkpoint has one.
        let has_writers_each = self.resident.is_some() && self.bad_records.dead_letters.is_some();
        let numbers = late_numbers;
        let planned = self.planned(weights, idle_timeout, false, numbers, input);
        let is_chained = are_whole_files && !has_writers_each;
        Ok(Planned { is_chained, may_wait, late, is_open_ended, retired, ..planned })
    }

    /// Whether nothing that a pipeline does or holds asks where one partition ends and the next begins.
    fn are_alike_throughout(&self, partition_count: usize) -> bool {
        let is_of_rows = |stage: &Stage| {
            matches!(stage, Stage::Filter(_) | Stage::Compute(_) | Stage::Project(_))
        };
        let is_alike = match &self.outputs {
            Outputs::Seal(merge) => !merge.is_by_event_time(),
            // Few files leave one each; of a row group of Parquet or a batch of Arrow for each of very many nobody has any use.
            Outputs::File { .. } => partition_count > SERIES_MAX,
            _ => false,
        };
        is_alike && self.stages.iter().all(is_of_rows)
    }

    /// The one pipeline that gathers what others have sealed.
    pub(crate) fn gathering(
        self,
        input: impl Fn() -> InputSpec + Send + Sync + 'static,
    ) -> Planned {
        self.planned(vec![1], None, true, None, move |_, _| Ok(input()))
    }

    fn planned(
        self,
        weights: Vec<u64>,
        idle_timeout: Option<Duration>,
        is_gather: bool,
        late: Option<(usize, Arc<LateFiles>, u32)>,
        input: impl Fn(&Self, usize) -> Result<InputSpec, PipelineError> + Send + Sync + 'static,
    ) -> Planned {
        Planned {
            query: self.query.clone(),
            source: self.source.clone(),
            weights,
            late: Vec::new(),
            is_open_ended: false,
            retired: BTreeSet::new(),
            is_gather,
            is_sealed: matches!(self.outputs, Outputs::Seal(_)),
            is_chained: false,
            may_wait: false,
            rows_wanted: self.outputs.rows_wanted(),
            window_us: self.outputs.window_us(),
            idle_timeout,
            resident: self.resident.clone(),
            make: Box::new(move |place| {
                // First, so that who waits for it is told as it is dropped, if there is no input.
                let late = late.as_ref().and_then(|(early_count, files, scan)| {
                    place.checked_sub(*early_count).map(|at| files.number(at, *scan))
                });
                let output = self.outputs.of(place, late);
                let input = input(&self, place)?;
                let mut bad_records = self.bad_records.clone();
                if let Some((_, file_number)) = &mut bad_records.dead_letters {
                    *file_number = writer_number(place, late, *file_number, &self.dead_letters_end);
                }
                Ok(PipelineSpec {
                    query: self.query.clone(),
                    source: self.source.clone(),
                    partition: number(place),
                    backend: self.backend,
                    input,
                    stages: self.stages.clone(),
                    output,
                    bad_records,
                    context: self.context,
                    batch_rows: self.batch_rows,
                    is_measured: self.is_measured,
                    is_kept: self.resident.is_some(),
                    resume: None,
                })
            }),
        }
    }
}

impl ScanPartitions {
    /// The partition at a place, if it came later.
    fn late_partition(&self, place: usize) -> Option<Partition> {
        let (files, _) = self.late.as_ref()?;
        files.file(place.checked_sub(self.partitions.len())?).map(Partition::Text)
    }

    fn inputs(&self, context: Context) -> ScanInputs<'_> {
        ScanInputs {
            scan: &self.scan,
            terms: FileTerms::of(&self.scan, context),
            may_skip: self.may_skip,
            record_bytes_max: self.record_bytes_max,
        }
    }
}

/// What is wrong with a file that was right while the wave was planned.
fn made_late(error: Error, path: impl Fn() -> PathBuf) -> PipelineError {
    match error.into_cause() {
        Cause::Usage(reason) => PipelineError::Source(SourceError::Unsaid { path: path(), reason }),
        Cause::Source(error) => PipelineError::Source(error),
        Cause::Format { error, .. } => PipelineError::Format(error),
        other => unreachable!("planning has found nothing else: {other:?}"),
    }
}

/// The format of one pipeline's part of what several put behind each other: the header stands at the head of the
/// first only, or was written before.
fn headed(format: &Format, is_first: bool) -> Format {
    match format {
        Format::Csv(csv) if !is_first => {
            Format::Csv(CsvOptions { has_header: false, ..csv.clone() })
        }
        other => other.clone(),
    }
}

/// By which number a pipeline writes: those from the start by place from the first on, those that came later by theirs, behind
/// all of them. It is the same in every run.
fn writer_number(place: usize, late: Option<u32>, first: u32, end: &AtomicU32) -> u32 {
    match late {
        None => first + number_of(place),
        Some(late) => end.load(Ordering::Relaxed) + late,
    }
}

fn number(place: usize) -> PartitionId {
    PartitionId(number_of(place))
}

pub(crate) fn number_of(place: usize) -> u32 {
    u32::try_from(place).expect("partitions are numbered in u32")
}
