//! `tidemill inspect`.

use std::process::ExitCode;

use tidemill::inspect::inspect as look;

use crate::arguments::Inspect;
use crate::output::tell;
use crate::{EXIT_FAILED, output};

pub(crate) fn inspect(arguments: &Inspect) -> ExitCode {
    let residents = match look(&arguments.state) {
        Ok(residents) => residents,
        Err(error) => {
            tell!("error: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let line = |one: &tidemill::inspect::Resident| match arguments.json {
        true => one.json() + "\n",
        false => format!("{one}\n"),
    };
    let text: String = residents.iter().map(line).collect();
    let printed = output::print(output::fit(&text).as_bytes());
    if residents.iter().any(|one| one.found.is_err()) {
        return ExitCode::from(EXIT_FAILED);
    }
    printed
}
