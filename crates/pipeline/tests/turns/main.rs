//! The turn of one partition, and of a gather, without a command line: every kind of stage, and what
//! becomes of records that are bad or late. Start with [`run::check`].

#![allow(clippy::unwrap_used, reason = "tests")]

mod planned;
mod rows;
mod run;

mod bad;
mod gathers;
mod stages;
