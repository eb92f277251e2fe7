//! `tidemill check`.

use std::process::ExitCode;

use tidemill::{Error, Session};

use crate::arguments::Check;
use crate::fail;
use crate::output::tell;
use crate::script::Script;

pub(crate) fn check(arguments: &Check) -> ExitCode {
    match examine(arguments) {
        Ok(origin) => {
            tell!("{origin}: no errors");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn examine(arguments: &Check) -> Result<String, Error> {
    let script = Script::read(&arguments.source)?;
    Session::new().prepare_named(&script.text, &script.origin)?.check()?;
    Ok(script.origin)
}
