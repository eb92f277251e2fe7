//! Sessions: windows that last as long as a key's records follow each other.
//!
//! Start with `table`, the sessions of one partition; `store` keeps them and their groups, `by_key` finds
//! those of a key, `due` those whose time has come, `block` what `EMIT CHANGES EVERY n ROWS` coalesces,
//! and [`sealed`] is what a gather is given.

mod block;
mod by_key;
mod chains;
mod due;
pub mod sealed;
mod store;
mod table;

pub use sealed::SealedSessions;
pub use table::SessionTable;
