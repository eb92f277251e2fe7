//! Sources and sinks as the `WITH (…)` clause describes them, checked and typed.
//!
//! The binder (`tidemill-sql`) turns option text into these; the crates that read, decode, encode
//! and write take them as they are and never see option text.

use std::time::Duration;

use tidemill_record::{DataType, Field, Schema};

use crate::{DerivedColumn, Encoding, Format, Packing, Span};

/// A source of records.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDef {
    /// The name it is selected by; the path for `FROM 'glob'`.
    pub name: String,
    /// Columns that records have, declared or inferred. They are the first of the source's columns by
    /// number; see [`Self::field`].
    pub schema: Schema,
    /// Nobody declared the columns of records: they were taken from the head of the files.
    pub is_inferred: bool,
    /// For each column of records what the name of its type says beyond the type: characters of a
    /// `VARCHAR(n)`, digits of a second of a `TIMESTAMP(p)`. May be shorter than the schema: no limits.
    pub limits: Vec<Option<u32>>,
    /// Columns that records do not have, behind those of records by number.
    pub derived: Vec<DerivedColumn>,
    /// The columns that `*` means, by number, in its order.
    pub shown: Vec<usize>,
    /// Those that it does not mean and that have a name all the same. A column that is neither here nor
    /// there has none: another one stands in its place.
    pub hidden: Vec<usize>,
    /// Of text columns that are JSON arrays, as far as was seen, their numbers and the types of their elements.
    pub json_arrays: Vec<(usize, DataType)>,
    /// Columns that `PARTITIONED BY` names: equal values never stand in two partitions.
    pub partitioned_by: Vec<usize>,
    /// `partition.audit`: what becomes of a job whose input breaks that.
    pub partition_audit: PartitionAudit,
    /// The `WATERMARK FOR` clause.
    pub watermark: Option<WatermarkRule>,
    /// Where the records come from.
    pub connector: SourceConnector,
    /// `bad.records`; `None` leaves it to the job's setting.
    pub bad_records: Option<BadRecords>,
    /// `dead.letter.path`; `None` leaves it to the job's setting.
    pub dead_letter_path: Option<String>,
    /// What a person who reads it should know of how its columns or format were found.
    pub notices: Vec<String>,
    /// Where it is declared, or named in `FROM`.
    pub span: Span,
}

/// `WATERMARK FOR column AS column - INTERVAL …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkRule {
    /// Index of the event time column.
    pub column: usize,
    /// How far events may be out of order, in microseconds, at least 0.
    pub delay_us: i64,
    /// `watermark.max_ahead`: a record further beyond the watermark, in microseconds, does not move
    /// it; `None` (`off`) lets every record move it.
    pub max_ahead_us: Option<i64>,
    /// `allowed.lateness`: how long after its end a window still takes records, in microseconds, at
    /// least 0.
    pub allowed_lateness_us: i64,
    /// `late.records`
    pub late_records: LateRecords,
    /// `idle.key.ttl`: an `OVER` key that is silent for so long, in event time, microseconds, is
    /// forgotten; `None` (`off`) keeps all.
    pub idle_key_ttl_us: Option<i64>,
    /// `idle.timeout`: a partition of a gathered query that has had no record for so long, by the
    /// clock, does not hold the others up; `None` (`off`) waits for it.
    pub idle_timeout: Option<Duration>,
}

impl WatermarkRule {
    /// `watermark.max_ahead` where nothing is said: an hour.
    pub const MAX_AHEAD_US: i64 = 3_600_000_000;

    /// The rule without any option.
    #[must_use]
    pub fn new(column: usize, delay_us: i64) -> Self {
        Self {
            column,
            delay_us,
            max_ahead_us: Some(Self::MAX_AHEAD_US),
            allowed_lateness_us: 0,
            late_records: LateRecords::default(),
            idle_key_ttl_us: None,
            idle_timeout: None,
        }
    }
}

/// `late.records`: what becomes of a record that is late for every window it lies in. It is counted
/// either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateRecords {
    /// Left out.
    #[default]
    Drop,
    /// Left out, and written to `dead.letter.path`.
    DeadLetter,
}

/// `partition.audit`: what to do where values of the `PARTITIONED BY` columns stand in two partitions after
/// all, so that groups that were taken for whole are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionAudit {
    /// The job fails, and publishes nothing.
    #[default]
    Fail,
    /// It goes on, and says so.
    Warn,
}

impl SourceDef {
    /// A source whose records have all its columns, declared, with no more said about it.
    #[must_use]
    pub fn new(name: String, schema: Schema, connector: SourceConnector, span: Span) -> Self {
        let shown = (0..schema.fields.len()).collect();
        Self {
            name,
            schema,
            is_inferred: false,
            limits: Vec::new(),
            derived: Vec::new(),
            shown,
            hidden: Vec::new(),
            json_arrays: Vec::new(),
            partitioned_by: Vec::new(),
            partition_audit: PartitionAudit::default(),
            watermark: None,
            connector,
            bad_records: None,
            dead_letter_path: None,
            notices: Vec::new(),
            span,
        }
    }

    /// Names of the columns that `PARTITIONED BY` names, separated by commas.
    #[must_use]
    pub fn partition_columns(&self) -> String {
        let names = self.partitioned_by.iter().map(|&column| self.field(column).name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// Whether its records come to an end by themselves.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        match &self.connector {
            SourceConnector::Generator(generator) => generator.rows.is_some(),
            SourceConnector::File(file) => !file.follow,
            SourceConnector::Sequence(sequence) => sequence.rows.is_some(),
            SourceConnector::Registered { is_bounded, .. } => *is_bounded,
        }
    }

    /// The name under which the embedding program registered what it reads; `None` of other sources.
    #[must_use]
    pub fn registered_as(&self) -> Option<&str> {
        match &self.connector {
            SourceConnector::Registered { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Where a source's records come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceConnector {
    /// `'connector' = 'file'`
    File(FileSource),
    /// `'connector' = 'generator'`
    Generator(GeneratorSource),
    /// One column of numbers: rows that nobody keeps anywhere, such as those of `VALUES`, are computed of them.
    Sequence(SequenceSource),
    /// `'connector' = 'registered'`, or what the embedding program registered, named as it is: Arrow batches, or text in memory.
    Registered {
        /// Under which name.
        name: String,
        /// All partitions come to an end by themselves.
        is_bounded: bool,
    },
}

/// Numbers in one partition: `first`, `first + step` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceSource {
    /// The number of the first row.
    pub first: i64,
    /// By how much it grows from row to row; not 0.
    pub step: i64,
    /// How many there are; the last of them fits an `i64`. `None` never ends.
    pub rows: Option<u64>,
    /// Rows a second, at least 1; `None` goes as fast as it can.
    pub rate: Option<u64>,
}

impl SequenceSource {
    /// One row, of which only that it is there matters.
    pub const ONE_ROW: Self = Self { first: 0, step: 1, rows: Some(1), rate: None };
}

/// Options of the `file` source.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSource {
    /// `path`: a file, a directory or a glob.
    pub path: String,
    /// `format` and its options.
    pub format: Format,
    /// `encoding`: of text.
    pub encoding: Encoding,
    /// `splits`: byte ranges that one large uncompressed file is cut into; `None` chooses by size.
    pub splits: Option<u32>,
    /// `follow`: what is appended is read as it comes, for ever. Only of uncompressed text.
    pub follow: bool,
    /// `scan.startup.mode`, `latest-offset`: of a file that is followed, only what comes behind the records that it
    /// has as the job begins.
    pub from_latest: bool,
    /// `missing`, `continue`: a job that goes on does so without a file that is not found, and says what was missed.
    pub goes_on_without: bool,
    /// `hive.partitioning`: whether directories named `key=value` are columns where none are declared;
    /// `None` (`auto`) where all files have the same keys.
    pub hive_partitioning: Option<bool>,
    /// `union.by.name`: columns are those of all files, and one that a file has not is NULL there.
    pub union_by_name: bool,
}

impl FileSource {
    /// The files of a path, with no more said about them.
    #[must_use]
    pub fn new(path: String, format: Format) -> Self {
        let encoding = Encoding::Unsaid;
        Self {
            path,
            format,
            encoding,
            splits: None,
            follow: false,
            from_latest: false,
            goes_on_without: false,
            hive_partitioning: None,
            union_by_name: false,
        }
    }
}

/// Options of the `generator` source, and of `tidemill gen`.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratorSource {
    /// `schema`
    pub model: GeneratorModel,
    /// `rows`: over all partitions; `None` (`unlimited`) never ends.
    pub rows: Option<u64>,
    /// `rate`: records a second over all partitions, which take turns; at least 1. `None` goes as fast
    /// as it can. It decides when records come, never which.
    pub rate: Option<u64>,
    /// `partitions`
    pub partitions: u32,
    /// `seed`
    pub seed: u64,
    /// `keys`: distinct symbols (trades), customers (orders) or stations (measurements).
    pub keys: u64,
    /// `skew`: exponent of the keys' Zipf distribution; 0 is uniform.
    pub skew: f64,
    /// `disorder`: how far event times are shuffled, at most, in milliseconds. Under a watermark with
    /// this delay no record is late but those of `late_fraction`.
    pub disorder_ms: u64,
    /// `late`: fraction of records whose event time lies far behind, in `0.0..=1.0`. Under a watermark
    /// with a delay of `disorder_ms` each of them is late as it arrives, by one minute or more, and
    /// late for its tumbling window of up to a minute, in every partition and for every seed. The
    /// first of every 1024 records of a partition is never late.
    pub late_fraction: f64,
    /// `idle.partitions`: this many of the last partitions fall silent halfway; where there is no end,
    /// and so no half, they do not.
    pub idle_partitions: u32,
}

/// What the generator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GeneratorModel {
    /// Stock trades: 20 a millisecond of event time, 50 traders, partitioned by symbol.
    Trades,
    /// Customer orders.
    Orders,
    /// Station and temperature: the One Billion Row Challenge.
    Measurements,
}

impl GeneratorModel {
    /// The columns of the records it makes. None of them is ever NULL.
    #[must_use]
    pub fn schema(self) -> Schema {
        let columns: &[(&str, DataType)] = match self {
            Self::Trades => &[
                ("trade_id", DataType::BigInt),
                ("trade_time", DataType::Timestamp),
                ("trader_id", DataType::Varchar),
                ("symbol", DataType::Varchar),
                ("price", DataType::Double),
                ("quantity", DataType::BigInt),
            ],
            Self::Orders => &[
                ("order_id", DataType::BigInt),
                ("customer_id", DataType::BigInt),
                ("order_date", DataType::Timestamp),
                ("total_amount", DataType::Double),
                ("status", DataType::Varchar),
            ],
            Self::Measurements => {
                &[("station", DataType::Varchar), ("temperature", DataType::Double)]
            }
        };
        let field =
            |(name, data_type): &(&str, DataType)| Field::required(*name, data_type.clone());
        Schema::new(columns.iter().map(field).collect())
    }

    /// Index of the column whose equal values all lie in one partition.
    #[must_use]
    pub fn partition_column(self) -> usize {
        match self {
            Self::Trades => 3,
            Self::Orders => 1,
            Self::Measurements => 0,
        }
    }
}

/// `bad.records`: what becomes of a record that does not decode or fails an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRecords {
    /// The job stops and names the record.
    #[default]
    Fail,
    /// Counted and left out.
    Skip,
    /// Counted, left out, and written to `dead.letter.path` with the reason.
    DeadLetter,
}

/// How a file's bytes are compressed, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// No known ending.
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.lz4`: the frame format.
    Lz4,
}

impl Compression {
    /// Reads the ending of a file's name, in capitals or not.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let (_, ending) = path.rsplit_once('.').unwrap_or_default();
        let endings = [("gz", Self::Gzip), ("zst", Self::Zstd), ("lz4", Self::Lz4)];
        let known = endings.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(ending));
        known.map_or(Self::None, |(_, compression)| compression)
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Lz4 => "LZ4",
        }
    }
}

/// A place for results.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkDef {
    /// The name it is inserted into by; `stdout` for a bare `SELECT`.
    pub name: String,
    /// How results leave.
    pub connector: SinkConnector,
    /// Where it is declared.
    pub span: Span,
}

/// How results leave.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkConnector {
    /// `'connector' = 'file'`
    File(FileSink),
    /// `'connector' = 'stdout'`; `None` leaves the choice to the program: a table on a terminal.
    Stdout(Option<Format>),
    /// `'connector' = 'discard'`
    Discard(DiscardSink),
    /// Arrow batches to what the embedding program registered under the sink's name.
    Registered,
}

/// Options of the `file` sink.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSink {
    /// `path`: a directory, or one file.
    pub path: String,
    /// The end of the path is that of a file of its format: all results go to that one file, unless a directory
    /// is there when the query begins.
    pub is_file: bool,
    /// `format` and its options.
    pub format: Format,
    /// `partition.by`: columns whose values name the folder of a row, the outermost first; files leave them out.
    pub partition_by: Vec<String>,
    /// `compression` and `compression.level`
    pub packing: Packing,
    /// `rolling`: close a segment and open the next at about this many bytes; `None` never.
    pub rolling_bytes: Option<u64>,
    /// `rolling.interval`: of input without end, a segment is closed and becomes visible so long after its first
    /// row; `None` (`off`) never. Of other input it changes nothing: files become visible together.
    pub rolling_interval: Option<Duration>,
    /// `on.existing`
    pub on_existing: OnExisting,
    /// `durable`: flush results to the device before they become visible.
    pub is_durable: bool,
}

impl FileSink {
    /// `rolling.interval` where nothing is said.
    pub const ROLLING_INTERVAL: Duration = Duration::from_secs(60);

    /// The columns of a result that `partition.by` names, in its order; as SQL finds names, in another case where that is
    /// unambiguous. What is not there is left out.
    #[must_use]
    pub fn folder_columns(&self, schema: &Schema) -> Vec<usize> {
        let fields = &schema.fields;
        let find = |name: &String| {
            let exact = fields.iter().position(|field| field.name == *name);
            exact.or_else(|| fields.iter().position(|field| field.name.eq_ignore_ascii_case(name)))
        };
        self.partition_by.iter().filter_map(find).collect()
    }

    /// The usual ending of its files' names, without the first dot.
    #[must_use]
    pub fn extension(&self) -> String {
        format!("{}{}", self.format.extension(), self.packing.ending(&self.format))
    }
}

/// `on.existing`: what to do where the directory already holds results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Refuse to run.
    #[default]
    Fail,
    /// Remove the earlier results as the new ones become visible.
    Replace,
    /// Leave the earlier results, and write beside them.
    Append,
}

/// Options of the `discard` sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscardSink {
    /// `checksum`: sum a hash of each row, so that a run can be held to an answer.
    pub has_checksum: bool,
}

/// A duration as options write it: `500ms`, `10s`, `5m`, `1h`, `1d`, or with the unit's name, `5 minutes`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let amount: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    amount.checked_mul(millis).map(Duration::from_millis)
}

/// Microseconds as a duration of the dialect: the largest unit that divides it.
#[must_use]
pub fn duration_text(micros: i64) -> String {
    const UNITS: [(i64, &str); 5] = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| micros % unit == 0 && micros != 0);
    match unit {
        Some((unit, name)) => format!("{}{name}", micros / unit),
        None => format!("{micros}us"),
    }
}

/// A size as options write it: `1048576`, `64KiB`, `16MiB`, `2GiB`; `KB`, `MB` and `GB` count in thousands.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let amount: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    amount.checked_mul(unit)
}
