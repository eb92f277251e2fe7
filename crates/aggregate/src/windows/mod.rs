//! Groups within windows of event time.
//!
//! Start with `panes`, the windows of one partition that may still take records; `bounds` says which
//! windows a time lies in, `rows` how they leave, and [`sealed`] is what a gather is given.

mod audit;
mod bounds;
mod panes;
mod pending;
mod rows;
pub mod sealed;

pub use panes::PaneTable;
pub(crate) use rows::woven;
pub use sealed::SealedWindows;
