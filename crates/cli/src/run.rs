//! `tidemill run`.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use tidemill::{
    CsvOptions, Error, Format, JsonOptions, Kept, Printed, Query, Recovery, RowLayout, Session,
    StdoutLayout, Summary,
};

use crate::arguments::{How, ResultFormat};
use crate::output::tell;
use crate::progress::{Bar, INTERVAL};
use crate::results::Results;
use crate::script::Script;
use crate::{fail, output, signals};

pub(crate) fn run(script: Result<Script, Error>, how: &How, recovery: Recovery) -> ExitCode {
    match script.and_then(|script| run_script(&script, how, recovery)) {
        Ok(Ok(Ran { summary, prints, shown })) => {
            let plans = summary.explanations.concat();
            // Standard output that has results has nothing but results.
            let printed = if prints {
                output::report(&plans);
                shown
            } else {
                output::print(output::fit(&plans).as_bytes())
            };
            // Quiet or not, what is missing from a result is not passed over.
            if how.quiet {
                output::report(&summary.left_out());
            } else if summary.kept != Some(Kept::WasOver) {
                output::report(&summary.to_string());
            }
            for warning in &summary.warnings {
                tell!("warning: {warning}");
            }
            if let Some(kept) = &summary.kept {
                tell!("{kept}");
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
    /// Whether its tables could be printed.
    shown: ExitCode,
}

/// A code to exit with where there is no summary: standard output is closed, or whoever read the results has
/// seen enough, and there was nothing else to do.
fn run_script(
    script: &Script,
    how: &How,
    recovery: Recovery,
) -> Result<Result<Ran, ExitCode>, Error> {
    let mut session = Session::new();
    how.placement.apply(session.settings_mut());
    let printed = Printed::new();
    session.set_stdout(layout(how, &printed));
    let is_vertical = how.format == Some(ResultFormat::Vertical);
    let mut results = Results::new(printed, is_vertical, true);
    script.settle(&mut session);
    let job = session.prepare_named(&script.text, &script.origin)?.recovering(recovery);
    if how.explain {
        output::report(&job.explain()?);
    }
    let prints = job.prints();
    if prints && output::is_stdout_closed() {
        return Ok(Err(output::refuse_closed()));
    }
    let only_prints = job.only_prints();
    // Before this a signal ends the process: there is nothing yet that could be lost.
    signals::catch()
        .map_err(|error| Error::usage(format!("cannot listen for signals: {error}")))?;
    let running: Query = job.start();
    signals::stop_by(running.stop_flag());
    let bar = Bar::new(!how.quiet);
    let mut shown = ExitCode::SUCCESS;
    let mut is_unread = false;
    let mut is_told = how.quiet;
    while !running.wait_at_most(INTERVAL) {
        if let (false, Some(from)) = (is_told, running.resumes_from()) {
            is_told = true;
            bar.suspend(|| tell!("{from}"));
        }
        // Whoever has seen enough does not wait for a next row, which may be hours away.
        if only_prints && !is_unread && output::is_unread() {
            is_unread = true;
            running.stop();
        }
        bar.show(running.progress());
        warn(&bar, &running);
        let text = results.take_text();
        if !text.is_empty() {
            bar.suspend(|| shown = output::print(text.as_bytes()));
        }
    }
    bar.clear();
    if let (false, Some(from)) = (is_told, running.resumes_from()) {
        tell!("{from}");
    }
    warn(&bar, &running);
    if shown == ExitCode::SUCCESS {
        shown = results.print();
    }
    match running.join() {
        Ok(_) if is_unread => Ok(Err(ExitCode::SUCCESS)),
        Ok(summary) => Ok(Ok(Ran { summary, prints, shown })),
        Err(error) if only_prints && error.is_output_closed() => Ok(Err(ExitCode::SUCCESS)),
        Err(error) => Err(error),
    }
}

/// Quiet or not, what goes wrong meanwhile is not left for a summary that may be days away.
fn warn(bar: &Bar, running: &Query) {
    for notice in running.take_notices() {
        bar.suspend(|| tell!("warning: {notice}"));
    }
}

fn layout(how: &How, printed: &Printed) -> StdoutLayout {
    let format = how.format.unwrap_or_else(|| {
        if stdout().is_terminal() { ResultFormat::Table } else { ResultFormat::Csv }
    });
    match format {
        ResultFormat::Table | ResultFormat::Vertical => StdoutLayout::Rows(RowLayout {
            printed: printed.clone(),
            rows_max: how.max_rows,
            latest_rows: None,
        }),
        ResultFormat::Csv => StdoutLayout::Format(Format::Csv(CsvOptions::default())),
        ResultFormat::Json => StdoutLayout::Format(Format::Json(JsonOptions::default())),
    }
}
