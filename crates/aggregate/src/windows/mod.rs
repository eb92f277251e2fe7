//! Groups within windows of event time.
//!
//! Start with [`table`], which has either of `panes`, the windows of fixed size of one partition that may
//! still take records, and [`sessions`]. `blocks` merges what windows share, `bounds` says which windows a time lies
//! in, `rows` how they leave, and [`sealed`] is what a gather is given: `packed` where windows are small, `merged` as
//! they leave.

mod blocks;
mod bounds;
mod idle;
mod merged;
mod packed;
mod panes;
mod pending;
mod rows;
pub mod sealed;
pub mod sessions;
pub mod table;

pub use panes::PaneTable;
pub use sealed::SealedWindows;
pub use sessions::{SealedSessions, SessionTable};
pub use table::WindowTable;
