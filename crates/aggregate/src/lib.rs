//! Stateful work on batches: grouping, windows, sorting, limits, changelogs.
//!
//! Read in this order: `keys` (how key values are stored and compared), `intern` (keys to
//! dense group indices), `state` (columns of states behind those indices), `states` (the
//! aggregate functions), [`table`] (both together), [`changes`] and [`groups`] (how results
//! leave), then [`sort`], [`limit`], [`top_n`], [`sealed`] (what a gather is given), `parts` (how
//! tables of many groups are merged), `scattered` (rows that wait for that) and [`gathering`] (how it waits for it).
//!
//! What depends on event time: [`event_time`] (the watermark; `far_ahead` guards it), [`windows`], [`over`], and
//! [`late`] (records that came after it). `predict` says beforehand what all these hold, `seen_keys` afterwards which
//! keys a partition had.
//!
//! What has state is exported as an image and made again from it, mostly in a file `image` beside it;
//! `docs/CHECKPOINT.md` says what becomes of each field.
//!
//! Absent on purpose: I/O, clocks, threads, and knowledge of which partition a table belongs to.

mod arena;
mod argument;
pub mod changes;
mod compact;
pub mod error;
pub mod event_time;
mod far_ahead;
pub mod gathering;
pub mod groups;
mod intern;
mod keys;
pub mod late;
pub mod limit;
pub mod over;
mod parts;
mod predict;
mod recent;
mod row_store;
mod scattered;
pub mod sealed;
mod seen_keys;
pub mod sort;
mod sort_order;
mod split_times;
mod state;
mod states;
pub mod table;
pub mod top_n;
pub mod windows;

pub use error::AggregateError;
pub use event_time::EventTimes;
pub use far_ahead::FarAhead;
pub use gathering::Gathering;
pub use groups::GroupBatches;
pub use late::Late;
pub use limit::{Limit, LimitTable};
pub use over::OverTable;
pub use parts::{Cut, DoAll, Piece};
pub use predict::{predicted_seal, predicted_state};
pub use scattered::Scatter;
pub use sealed::{MergedRows, Sealed, TableBatches};
pub use seen_keys::SeenKeys;
pub use sort::SortTable;
pub use split_times::SplitTimes;
pub use table::AggTable;
pub use top_n::TopNTable;
pub use windows::{PaneTable, SealedSessions, SealedWindows, SessionTable, WindowTable};
