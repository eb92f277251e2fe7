//! `tidemill run`.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use tidemill::{
    CsvOptions, Error, Format, JsonOptions, RunningJob, Session, StdoutLayout, Summary,
};

use crate::arguments::{ResultFormat, Run};
use crate::output::tell;
use crate::progress::{Bar, INTERVAL};
use crate::script::Script;
use crate::{fail, output, signals};

pub(crate) fn run(arguments: &Run) -> ExitCode {
    match run_script(arguments) {
        Ok(Ok(Ran { summary, prints })) => {
            let plans = summary.explanations.concat();
            // Standard output that has results has nothing but results.
            let printed = if prints {
                output::report(&plans);
                ExitCode::SUCCESS
            } else {
                output::print(plans.as_bytes())
            };
            // Quiet or not, what is missing from a result is not passed over.
            if arguments.quiet {
                output::report(&summary.left_out());
            } else {
                output::report(&summary.to_string());
            }
            for warning in &summary.warnings {
                tell!("warning: {warning}");
            }
            match &summary.stopped {
                Some(stopped) => {
                    tell!("{stopped}");
                    signals::exit_code()
                }
                None => printed,
            }
        }
        Ok(Err(code)) => code,
        Err(error) => fail(&error),
    }
}

/// A job that has come to its end.
struct Ran {
    summary: Summary,
    /// Some query has printed to standard output.
    prints: bool,
}

/// A code to exit with where there is no summary: standard output is closed, or whoever read the results has
/// seen enough, and there was nothing else to do.
fn run_script(arguments: &Run) -> Result<Result<Ran, ExitCode>, Error> {
    let script = Script::read(&arguments.source)?;
    let mut session = Session::new();
    arguments.placement.apply(session.settings_mut());
    session.set_stdout(layout(arguments));
    script.settle(&mut session);
    let job = session.prepare_named(&script.text, &script.origin)?;
    if arguments.explain {
        output::report(&job.explain()?);
    }
    let prints = job.prints();
    if prints && output::is_stdout_closed() {
        return Ok(Err(output::refuse_closed()));
    }
    let only_prints = job.only_prints();
    // Before this a signal ends the process: there is nothing yet that could be lost.
    signals::catch()
        .map_err(|error| Error::Usage(format!("cannot listen for signals: {error}")))?;
    let running: RunningJob = job.start();
    signals::stop_by(running.stop_flag());
    let bar = Bar::new(!arguments.quiet);
    while !running.wait_at_most(INTERVAL) {
        bar.show(running.progress());
        warn(&bar, &running);
    }
    bar.clear();
    warn(&bar, &running);
    match running.wait() {
        Ok(summary) => Ok(Ok(Ran { summary, prints })),
        Err(error) if only_prints && error.is_output_closed() => Ok(Err(ExitCode::SUCCESS)),
        Err(error) => Err(error),
    }
}

/// Quiet or not, what goes wrong meanwhile is not left for a summary that may be days away.
fn warn(bar: &Bar, running: &RunningJob) {
    for notice in running.take_notices() {
        bar.suspend(|| tell!("warning: {notice}"));
    }
}

fn layout(arguments: &Run) -> StdoutLayout {
    let format = arguments.format.unwrap_or_else(|| {
        if stdout().is_terminal() { ResultFormat::Table } else { ResultFormat::Csv }
    });
    match format {
        ResultFormat::Table => StdoutLayout::Table { rows_max: arguments.max_rows },
        ResultFormat::Csv => StdoutLayout::Format(Format::Csv(CsvOptions::default())),
        ResultFormat::Json => StdoutLayout::Format(Format::Json(JsonOptions::default())),
    }
}
