//! The tables against slow, obvious models, under random rows and random cuts into batches.
//!
//! [`values`] makes rows from a seed, [`reference`] computes what a grouping must give. A failure
//! prints its seed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod aggregates;
mod changes;
mod duckdb;
mod event_time;
mod groups;
mod images;
mod limit;
mod memory;
mod over;
mod parts;
mod reference;
mod sealed_windows;
mod sessions;
mod sort;
mod top_n;
mod values;
mod windows;
