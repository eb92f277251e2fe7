//! `tidemill check`.

use std::process::ExitCode;

use tidemill::Error;

use crate::arguments::Check;
use crate::fail;
use crate::output::tell;
use crate::script::{Script, looking};

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
    let mut session = looking();
    script.settle(&mut session);
    session.prepare_named(&script.text, &script.origin)?.check()?;
    Ok(script.origin)
}
