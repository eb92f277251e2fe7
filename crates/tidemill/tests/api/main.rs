//! What an embedding program can do with a session, by topic.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bytes;
mod errors;
mod functions;
mod results;
#[path = "../support/mod.rs"]
mod support;
