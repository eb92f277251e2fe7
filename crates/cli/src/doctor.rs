//! `tidemill doctor`.

use std::process::ExitCode;

use tidemill::doctor::{Verdict, examine};

use crate::arguments::Doctor;
use crate::{EXIT_FAILED, output};

pub(crate) fn doctor(arguments: &Doctor) -> ExitCode {
    let findings = examine(&arguments.directory);
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let printed = output::print(output::fit(&text).as_bytes());
    if findings.iter().any(|finding| finding.verdict == Verdict::Bad) {
        return ExitCode::from(EXIT_FAILED);
    }
    printed
}
