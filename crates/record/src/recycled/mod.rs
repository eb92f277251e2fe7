//! Arrays whose memory comes back: what a batch is made of is written again by a later batch.
//!
//! An Arrow array is three allocations at least: its values, the header by which they are shared, and its
//! own. Batches follow each other on a core and hardly ever outlive the next but one, so each core keeps
//! what it has handed out and takes it back once nobody else holds it. A producer writes values into a
//! [`Room`] and finishes it as an array; in the steady state neither allocates. What is held for longer,
//! such as rows that wait for event time, is simply not taken back.

mod lent;
mod parts;
mod pick;
mod room;
mod texts;

pub use lent::{Sources, no_bytes, release};
pub use parts::PartMemory;
pub use pick::{Rows, pick};
pub use room::{LentBytes, Room};
pub use texts::{Line, Texts, Validity};
