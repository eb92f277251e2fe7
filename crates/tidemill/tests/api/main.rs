//! What an embedding program can do with a session, by topic.

#![allow(clippy::unwrap_used, reason = "tests")]

mod aggregates;
mod bytes;
mod declared;
mod errors;
mod functions;
mod live;
mod results;
mod runtime;
#[path = "../support/mod.rs"]
mod support;
