//! Standard output.

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use crate::EXIT_FAILED;

/// Prints text whole. A reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &[u8]) -> ExitCode {
    let mut stdout = stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write to standard output: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}
