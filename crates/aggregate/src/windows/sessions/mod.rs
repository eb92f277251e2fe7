//! Sessions: windows that last as long as a key's records follow each other.
//!
//! Start with `table`, the sessions of one partition; `store` keeps them and their groups, `block` what
//! `EMIT CHANGES EVERY n ROWS` coalesces, and [`sealed`] is what a gather is given.

mod block;
pub mod sealed;
mod store;
mod table;

pub use sealed::SealedSessions;
pub use table::SessionTable;
