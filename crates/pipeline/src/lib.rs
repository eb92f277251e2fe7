//! One partition's data path, from the bytes that arrive to the bytes that leave.
//!
//! Start with [`Pipeline::turn`]: the one place where the stages meet. `input` makes batches (`added` is
//! what is known beside their records, `scan_filter` what decoders are told of the conditions on them),
//! `processor` applies the plan's stages to them (`step` is one stage, `seal` what a gather is given),
//! `output` writes what comes out. A gather is the same pipeline with sealed tables for input. Absent
//! on purpose: SQL, assignment, threads, locks, atomics and channels: a pipeline shares nothing and
//! never leaves its core.

mod added;
mod bad_records;
mod closing;
mod delivery;
mod error;
mod folder_output;
mod gathered;
mod held;
mod input;
mod latencies;
mod measures;
mod order;
mod outcome;
mod output;
mod pipeline;
mod processor;
mod scan_filter;
mod seal;
mod segment_clock;
mod spec;
mod statistics;
mod step;

pub use added::AddedColumn;
pub use delivery::Delivery;
pub use error::PipelineError;
pub use held::Held;
pub use input::resumed_claims;
pub use latencies::Latencies;
pub use measures::{Measures, StepMeasure};
pub use outcome::{Outcome, SplitBounds};
pub use output::OutputCut;
pub use pipeline::{Closed, Cut, Pipeline, Progress};
pub use processor::KeyAudit;
pub use spec::{
    BadRecordSpec, FileInput, InputSpec, MemoryInput, MessageInput, OutputSpec, PipelineSpec,
    RowGroupInput, TextInput,
};
pub use statistics::{LateCounts, Seen, Statistics};
pub use tidemill_aggregate::{DoAll, Piece, Sealed, SeenKeys};
