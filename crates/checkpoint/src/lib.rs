//! Checkpoints on disk.
//!
//! [`mod@file`] is the form of one: an [`Image`](tidemill_record::Image) behind a header and before a footer, so that damage shows before anything
//! is believed. [`store`] is a directory of them: each is written beside the one before and takes its place by a
//! rename, which is the moment at which it counts. Absent on purpose: what is in an image, and when it is made.

mod error;
pub mod file;
mod lock;
pub mod store;

pub use error::CheckpointError;
pub use file::{Checkpoint, Fingerprint};
pub use store::{Commit, Store};
