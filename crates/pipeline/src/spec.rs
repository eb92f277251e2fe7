//! Everything a core needs to open one pipeline, as plain data that may cross to that core.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tidemill_aggregate::{DoAll, Sealed};
use tidemill_expr::Context;
use tidemill_format::ArrowFooter;
use tidemill_format::parquet::Footer;
use tidemill_plan::fragment::Merge;
use tidemill_plan::{BadRecords, FileSink, Format, GeneratorSource, LateRecords, Stage};
use tidemill_record::{Image, PartitionId, Schema};
use tidemill_rt::Backend;
use tidemill_sink::{ColumnWriter, OutputDirectory, SinkError, StdoutWriter};
use tidemill_source::{
    Claims, ColumnReader, InputFile, MemoryReader, RegisteredSpec, RowGroupPlan,
};

use crate::AddedColumn;
use crate::held::count;

/// One pipeline: what flows in, what is done to it, and where it goes.
pub struct PipelineSpec {
    /// The name of the query's sink, for messages.
    pub query: String,
    /// The name of the source, for messages; empty for a gather.
    pub source: String,
    /// Which partition of the output this pipeline writes, and of the input it reads.
    pub partition: PartitionId,
    /// Who does its I/O.
    pub backend: Backend,
    /// What flows in.
    pub input: InputSpec,
    /// What is done to it, in order.
    pub stages: Vec<Stage>,
    /// Where it goes.
    pub output: OutputSpec,
    /// What becomes of bad records.
    pub bad_records: BadRecordSpec,
    /// What expressions may know of the job.
    pub context: Context,
    /// Rows a batch holds at most, at least 1.
    pub batch_rows: usize,
    /// What each step takes in, gives and costs is to be told at the end ([`crate::Outcome::measures`]).
    pub is_measured: bool,
    /// It can be gone on with after a crash: what it has written stays until that is known.
    pub is_kept: bool,
    /// What it goes on from: the image of a [`crate::Cut`].
    pub resume: Option<Image>,
}

/// What flows into a pipeline.
pub enum InputSpec {
    /// Bytes of a file, front to back.
    Text(TextInput),
    /// Row groups of a Parquet file.
    RowGroups(RowGroupInput),
    /// Messages of an Arrow file that is read by its footer.
    Messages(MessageInput),
    /// Text in memory.
    Memory(MemoryInput),
    /// Columns, without bytes to decode.
    Columns(Box<dyn ColumnReader + Send>),
    /// Batches of the embedding program, by a reader that is made on the core.
    Registered(RegisteredSpec),
    /// Records the generator makes.
    Generator {
        /// What it makes.
        source: GeneratorSource,
        /// Which of its columns, ascending.
        columns: Vec<usize>,
    },
    /// Sealed tables of other pipelines, in merge order, and who may help to merge them.
    Sealed(Vec<Sealed>, Merge, Option<Arc<DoAll>>),
    /// Sealed tables of pipelines that run meanwhile: windows as they close, other tables when
    /// their input ends. See [`crate::Pipeline::add_sealed`].
    Closing(Merge),
}

impl InputSpec {
    /// How many tables a gather is given at the start, and groups and rows in them.
    pub(crate) fn given(&self) -> (u64, u64) {
        match self {
            Self::Sealed(tables, ..) => {
                (count(tables.len()), count(tables.iter().map(Sealed::group_count).sum()))
            }
            _ => (0, 0),
        }
    }

    /// Of input that is a piece of a file: whether it is the first.
    pub(crate) fn piece_of_file(&self) -> Option<bool> {
        match self {
            Self::Text(text) => text.range.as_ref().map(|range| range.start == 0),
            Self::RowGroups(groups) => {
                Some(groups.row_groups.first().is_none_or(|group| group.index == 0))
            }
            _ => None,
        }
    }
}

/// Text that the embedding program has in memory, and how its records decode.
pub struct MemoryInput {
    /// Lends it.
    pub reader: MemoryReader,
    /// How its records are laid out.
    pub format: Format,
    /// The source's columns.
    pub schema: Schema,
    /// Nobody declared them.
    pub is_inferred: bool,
    /// Which of them the query needs, ascending.
    pub columns: Vec<usize>,
}

/// A file, or a byte range of it, with what is needed to decode it.
pub struct TextInput {
    /// The file, and how its records decode.
    pub file: FileInput,
    /// Records that start in this range of bytes; `None` reads the whole file.
    pub range: Option<Range<u64>>,
    /// The header of the file, where the range does not begin with it.
    pub csv_header: Option<Vec<String>>,
    /// The longest record, in bytes.
    pub record_bytes_max: usize,
    /// Whether what is appended to the file is read, too, for ever, and which files the other pipelines
    /// of the scan read; only without a range.
    pub follow: Option<Arc<Claims>>,
}

/// Row groups of one Parquet file.
pub struct RowGroupInput {
    /// The file, and how its records decode.
    pub file: FileInput,
    /// Which row groups, ascending, with the byte ranges that the needed columns take.
    pub row_groups: Vec<RowGroupPlan>,
    /// Which of their rows, by number in the file: the first and the last row group may be shared with other partitions.
    pub rows: Range<u64>,
    /// The file's footer, which says how its row groups decode.
    pub footer: Arc<Footer>,
}

/// Record batches of one Arrow file, with the dictionaries that they need.
pub struct MessageInput {
    /// The file, and how its records decode.
    pub file: FileInput,
    /// The file's footer, which says where they stand.
    pub footer: Arc<ArrowFooter>,
    /// Which of them.
    pub batches: Range<usize>,
    /// Row number of the first row of the first of them within the file.
    pub start_row: u64,
}

/// A file and how its records decode.
pub struct FileInput {
    /// The file, as it was when it was found.
    pub file: InputFile,
    /// How its records are laid out.
    pub format: Format,
    /// The source's columns.
    pub schema: Schema,
    /// Nobody declared them.
    pub is_inferred: bool,
    /// `union.by.name`: a column that the file has not is NULL.
    pub is_union: bool,
    /// Which of them the query needs, ascending.
    pub columns: Vec<usize>,
    /// Columns that stand behind those. The rows of text are numbered as they are read, so that a range of a
    /// text file has no [`AddedColumn::Row`].
    pub added: Vec<AddedColumn>,
}

/// Where a pipeline's rows go.
pub enum OutputSpec {
    /// Into a partial table that a gather merges.
    Seal(Merge),
    /// Into files.
    File {
        /// Format and rolling.
        sink: FileSink,
        /// Names and types of the rows.
        schema: Schema,
        /// The directory, shared by all pipelines that write there.
        directory: Arc<OutputDirectory>,
        /// Number in the names of this pipeline's files; no other pipeline of the directory has it.
        file_number: u32,
    },
    /// To standard output.
    Stdout {
        /// How rows are laid out.
        format: Format,
        /// Names and types of the rows.
        schema: Schema,
        /// This pipeline's place in the order of writing.
        writer: StdoutWriter,
        /// Nothing stands before what it writes.
        is_first: bool,
        /// Nothing stands behind it.
        is_last: bool,
    },
    /// To something that takes columns: the discard sink, or a sink of the embedding program.
    Columns(Box<dyn ColumnWriter + Send>),
}

impl PipelineSpec {
    /// Refuses what no job with state can write to.
    ///
    /// # Errors
    /// [`SinkError::Stateless`] of a sink of the embedding program that knows no cuts.
    pub fn check_state(&self) -> Result<(), SinkError> {
        match &self.output {
            OutputSpec::Columns(writer) if writer.cut().is_none() => {
                Err(SinkError::Stateless { sink: self.query.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// What becomes of this pipeline's bad records.
#[derive(Clone, Debug)]
pub struct BadRecordSpec {
    /// The policy.
    pub policy: BadRecords,
    /// What becomes of records that come too late.
    pub late_records: LateRecords,
    /// Where `dead_letter` of either writes: the directory, and the number in the names of this pipeline's
    /// files.
    pub dead_letters: Option<(Arc<OutputDirectory>, u32)>,
    /// Where input has no end: how long after its first record a file of them becomes visible; `None` when the
    /// input ends.
    pub rolling_interval: Option<Duration>,
}
