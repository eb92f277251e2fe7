//! Tidemill as a library: streaming SQL over files, generators and your own Arrow batches, on
//! pinned cores.
//!
//! ```
//! use tidemill::Session;
//!
//! let session = Session::new();
//! let job = session.prepare(
//!     "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '1000');
//!      CREATE SINK nowhere WITH ('connector' = 'discard');
//!      INSERT INTO nowhere SELECT symbol, COUNT(*) AS trades FROM trades GROUP BY symbol;",
//! )?;
//! let summary = job.run()?;
//! assert_eq!(summary.statistics.records_in, 1000);
//! # Ok::<(), tidemill::Error>(())
//! ```
//!
//! Start with [`Session`]: register what the SQL may name, [`Session::prepare`] a script, run the
//! [`Job`]. There is no global state: several sessions and jobs live side by side in a process.
//! Absent on purpose: anything the command line alone needs, such as drawing progress bars.

mod aggregates;
mod analyze;
mod budget;
mod bytes;
mod columnar;
mod declarations;
mod directories;
mod discovery;
pub mod doctor;
mod error;
mod explained;
mod figures;
mod file_columns;
mod footers;
mod functions;
pub mod generate;
mod inference;
mod inputs;
pub mod inspect;
mod job;
mod known_inputs;
mod late_files;
mod left_out;
mod line_labels;
mod live;
mod locate;
mod parameters;
mod pipelines;
mod planning;
mod printed;
mod query;
mod refusals;
mod register;
mod registrations;
mod results;
mod runtime;
mod script_text;
mod session;
mod sinks;
mod splits;
mod state;
mod summary;
mod wave;

pub use aggregates::{AggregateFunction, GroupRows};
pub use bytes::{BytePartition, ByteSource};
pub use declarations::{Declaration, Declarations};
pub use error::{Error, ErrorKind};
pub use functions::{Call, Function, ScalarFunction, Signature};
pub use job::Job;
pub use live::{BatchSender, SendError, SendFuture, Source, TrySendError};
pub use parameters::{Binding, Value};
pub use printed::{Printed, PrintedColumn, PrintedQuery, PrintedRow};
pub use query::{Counts, End, JobProgress, PartitionMetrics, Query, QueryMetrics, Wait};
pub use register::{BatchPartition, SourceRegistration};
pub use results::{RowStream, Rows};
pub use runtime::{Runtime, RuntimeBuilder};
pub use session::{RowLayout, Session, StdoutLayout};
pub use sinks::BatchSink;
pub use state::Recovery;
pub use summary::{CoreSummary, Kept, Stopped, Summary};

pub use arrow_array;
pub use arrow_schema;
pub use tidemill_control::StopFlag;
pub use tidemill_format::Lost;
pub use tidemill_plan::options::parse_bytes;
pub use tidemill_plan::{
    ArrowForm, ArrowOptions, BadRecords, CoreSet, CsvOptions, Format, GeneratorModel,
    GeneratorSource, HostError, JsonOptions, LateRecords, RuntimeChoice, Settings, Span,
    TimestampUnit, Volatility,
};
pub use tidemill_record::{DataType, EventTime, Field, Schema, harmless};
pub use tidemill_rt::{LargePages, keep_freed_memory};
pub use tidemill_source::BatchReader;
pub use tidemill_sql::{Declared, SqlError, function_names};

/// The page's programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/EMBEDDING.md")]
struct Embedding;
