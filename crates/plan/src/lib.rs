//! The query as plain data, and the proof of where it may run.
//!
//! Read in this order: [`options`] (sources and sinks), [`mod@format`] (how their records are laid out), [`times`] (and their times),
//! [`lines`] and [`log_pattern`] (of logs), [`packing`] (how results are compressed),
//! [`source_columns`] (what columns a source has), [`expr`] (what one row yields), [`relation`] (what a query does to
//! its input), [`mod@fragment`] (how that is cut into pipelines), `locality` (why groups lie in one partition),
//! `computing` (where computed columns are computed), [`explain`] (the same
//! as text). Absent on purpose: text parsing, I/O, and any evaluation.

pub mod aggregate;
mod changelog;
mod computing;
pub mod encoding;
pub mod explain;
pub mod expr;
pub mod format;
pub mod fragment;
pub mod function;
pub mod lineage;
pub mod lines;
mod locality;
pub mod log_pattern;
pub mod options;
pub mod over;
pub mod packing;
pub mod relation;
pub mod scalar;
pub mod settings;
pub mod source_columns;
pub mod span;
pub mod times;
mod user_aggregate;
mod user_function;
pub mod window;

pub use aggregate::{
    Aggregate, AggregateCall, AggregateFunction, AggregateSpec, Emit, PairStatistic, Takes,
};
pub use changelog::changelog_key;
pub use encoding::Encoding;
pub use explain::PlanStep;
pub use expr::{BinaryOp, Expr, ExprKind, UnaryOp};
pub use format::{
    ArrowForm, ArrowOptions, CsvFields, CsvOptions, CsvReading, Format, JsonLayout, JsonOptions,
    TimestampUnit, Unsaid,
};
pub use fragment::{
    EventTimeSpec, FixedColumn, Fragment, FragmentInput, Locality, Merge, Partitioning,
    PhysicalQuery, Refusal, Stage, fragment,
};
pub use function::{Family, Function, Kind, Returns, Signature};
pub use lines::{LineOptions, LineSyntax};
pub use log_pattern::{LogField, LogPattern, LogPatternError};
pub use options::{
    BadRecords, Compression, DiscardSink, FileSink, FileSource, GeneratorModel, GeneratorSource,
    LateRecords, OnExisting, PartitionAudit, SequenceSource, SinkConnector, SinkDef,
    SourceConnector, SourceDef, WatermarkRule,
};
pub use over::{Frame, OverCall, OverFunction, OverOrder, OverSpec, TopNSpec};
pub use packing::{Codec, Packing};
pub use relation::{
    Explain, LimitSpec, NamedExpr, Query, Relation, Scan, Script, SortKey, SortSpec,
};
pub use scalar::Scalar;
pub use settings::{CoreSet, RuntimeChoice, Settings};
pub use source_columns::{Derivation, DerivedColumn, Metadata};
pub use span::Span;
pub use times::{TimeForm, Times};
pub use user_aggregate::{
    CountedRows, MakeUserStates, UserAggregate, UserAggregateCall, UserRows, UserStates,
};
pub use user_function::{
    CallFault, Called, HostError, UserFunction, UserFunctionBody, UserSignature, Volatility,
};
pub use window::{WindowKind, WindowSpec};
