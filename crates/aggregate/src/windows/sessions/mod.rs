//! Sessions: windows that last as long as a key's records follow each other.
//!
//! Start with `table`, the sessions of one partition; `store` keeps them and their groups, `by_key` finds
//! those of a key (`busy` of one that has many: short ones by `cells`, long ones in an `ordered` list), `due` those
//! whose time has come, `block` what `EMIT CHANGES EVERY n ROWS` coalesces, and [`sealed`] is what a gather is given.

mod block;
mod busy;
mod by_key;
mod cells;
mod chains;
mod due;
mod ordered;
pub mod sealed;
mod store;
mod table;

pub use sealed::SealedSessions;
pub use table::SessionTable;
