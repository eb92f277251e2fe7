//! The words every other crate speaks: schemas, batches, frames, partitions, offsets and event time.
//!
//! Start with [`frames`] (bytes as a reader lends them) and [`batch`] (columns as the stages pass
//! them on). Absent on purpose: I/O, clocks, and anything that knows about queries.

pub mod bad_record;
pub mod batch;
pub mod cause;
pub mod civil;
pub mod event_time;
pub mod frames;
mod harmless;
pub mod image;
pub mod named_month;
pub mod position;
pub mod recycled;
pub mod schema;
pub mod span;
pub mod time_format;

pub use bad_record::BadRecord;
pub use batch::{Batch, Columns};
pub use cause::{Cause, Moment, Places};
pub use event_time::EventTime;
pub use frames::{FrameBytes, Frames, Polled};
pub use harmless::{harmless, is_steering};
pub use image::{Image, ImageError};
pub use named_month::{WrittenTime, time_with_named_month};
pub use position::{Offset, PartitionId, Position};
pub use schema::{DataType, Field, Schema};
pub use span::span_nanos;
pub use time_format::{Misfit as TimeMisfit, TimeFormat, TimeFormatError};
