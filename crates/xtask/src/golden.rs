//! Rewrites the expected results of golden tests and shows what changed, for a person to review.
//!
//! The tests themselves live in the crates named in [`PACKAGES`]; they write instead of comparing
//! where `UPDATE_GOLDEN` is set. Absent on purpose: any judgement of whether the change is right.

use std::io;
use std::process::Command;

/// Packages whose tests hold golden files.
const PACKAGES: [&str; 2] = ["tidemill-sql", "tidemill-cli"];

/// Runs the golden tests so that they write, then prints `git diff --stat`.
///
/// Returns whether the tests passed.
///
/// # Errors
/// If cargo or git cannot be started.
pub(crate) fn run() -> io::Result<bool> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("test").env("UPDATE_GOLDEN", "1");
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let has_passed = cargo.status()?.success();
    let has_shown = Command::new("git").args(["--no-pager", "diff", "--stat"]).status()?.success();
    Ok(has_passed && has_shown)
}
