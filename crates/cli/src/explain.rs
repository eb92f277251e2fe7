//! `tidemill explain`.

use std::process::ExitCode;

use tidemill::Error;

use crate::arguments::Explain;
use crate::script::{Script, looking};
use crate::{fail, output};

pub(crate) fn explain(arguments: &Explain) -> ExitCode {
    match plan(arguments) {
        Ok(text) => output::print(output::fit(&text).as_bytes()),
        Err(error) => fail(&error),
    }
}

fn plan(arguments: &Explain) -> Result<String, Error> {
    let script = Script::read(&arguments.source)?;
    let mut session = looking();
    script.settle(&mut session);
    session.prepare_named(&script.text, &script.origin)?.explain()
}
