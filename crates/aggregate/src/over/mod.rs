//! Analytic functions: rows wait for the watermark, then meet the rows of their key before them.
//!
//! Start with `table`. `waiting` puts rows in order, `frames` slides over them (what one key keeps
//! is in `held`), `ranks` counts them, `peers` numbers rows that come sorted, `idle` forgets silent keys; `columns` is
//! for what of it is kept outside of the process.

mod columns;
mod frames;
mod held;
mod idle;
mod peers;
mod present;
mod ranks;
mod table;
mod waiting;

pub(crate) use frames::over_state_of;
pub use table::OverTable;
