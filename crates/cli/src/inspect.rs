//! `tidemill inspect`.

use std::process::ExitCode;

use tidemill::inspect::{copy as copy_state, inspect as look};

use crate::arguments::{CopyOfState, Inspect};
use crate::output::tell;
use crate::{EXIT_FAILED, output};

/// `tidemill checkpoint`.
pub(crate) fn copy(arguments: &CopyOfState) -> ExitCode {
    let CopyOfState { state, to } = arguments;
    match copy_state(state, to) {
        Ok(count) => {
            let (state, to) = (state.display(), to.display());
            let text = format!(
                "{count} checkpoints of {state} are in {to}; copy the job's output as well\n"
            );
            output::print(text.as_bytes())
        }
        Err(error) => {
            tell!("error: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

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
