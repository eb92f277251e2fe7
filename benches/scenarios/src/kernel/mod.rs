//! Each scenario as a plain program: no engine, no columns, one thread a file.
//!
//! What a competent engineer writes in a day for exactly this data: fields are found with `memchr`, names
//! and prices become integers, tables are open addressing, results are text at once. It assumes what the
//! generator keeps to and checks it as it goes: fields without quotes or escapes, no more than two
//! decimals, names of at most eight bytes, records in the order of their time (no `--disorder`), so that a
//! trade can be looked at as it comes and a minute is over when the next begins.

mod fields;
mod number;
mod results;
mod s0;
mod s1;
mod s2;
mod s3;
mod table;

use std::path::{Path, PathBuf};
use std::thread;

use crate::query::{Scenario, Text};
use results::Results;

/// Runs a scenario over files, into an empty directory, a file of results for each file of input.
pub(crate) fn run(
    scenario: Scenario,
    text: Text,
    amount_over: u32,
    files: &[PathBuf],
    directory: &Path,
) {
    thread::scope(|scope| {
        for (place, file) in files.iter().enumerate() {
            scope.spawn(move || {
                let mut results = Results::create(&directory.join(format!("part-{place}.csv")));
                match scenario {
                    Scenario::S0 => s0::run(text, file, amount_over, &mut results),
                    Scenario::S1 => s1::run(text, file, &mut results),
                    Scenario::S2 => s2::run(text, file, &mut results),
                    Scenario::S3a => s3::run(text, file, false, &mut results),
                    Scenario::S3b => s3::run(text, file, true, &mut results),
                }
                results.finish();
            });
        }
    });
}
