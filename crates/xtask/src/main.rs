//! Chores of the repository: `tidy` holds the house rules, `golden` rewrites expected results.
//!
//! Start with [`tidy`]. Absent on purpose: dependencies, and anything that the product runs.

mod golden;
mod tidy;

use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- <tidy | golden>

  tidy    hold every tracked file to the house rules; prints file:line and what to do
  golden  rewrite the expected results of golden tests, then show what changed
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(),
        ["golden"] => golden::run(),
        _ => {
            let _ = io::stderr().write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
