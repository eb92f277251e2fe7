//! The `tidemill` command: a thin user of the library.
//!
//! Results go to standard output, everything else to standard error, both through [`output`] alone. Exit
//! codes: 0 done, 1 failed while running, 2 wrong SQL or usage, 130 or 143 stopped by SIGINT or SIGTERM before the end
//! of the input, 130 also at a second request to stop.

mod arguments;
mod check;
mod doctor;
mod explain;
mod generate;
mod inspect;
mod output;
mod progress;
mod results;
mod run;
mod script;
mod shell;
mod signals;
mod table;
mod terminal;

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tidemill::Recovery;

use crate::arguments::{Arguments, Command, How};
pub(crate) use crate::output::tell;
use crate::script::Script;

/// Columns of files, tables and rows to be sorted take many megabytes.
#[global_allocator]
static ALLOCATOR: tidemill::LargePages = tidemill::LargePages;

/// The script or the arguments are wrong.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The job failed while running.
pub(crate) const EXIT_FAILED: u8 = 1;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(help) => return output::print_help(&help),
    };
    tidemill::keep_freed_memory();
    let Some(command) = arguments.command else {
        return without_command(arguments.execute.as_deref(), &arguments.how);
    };
    match command {
        Command::Run(run) => run::run(Script::read(&run.source), &run.how, run.recovery.recovery()),
        Command::Explain(explain) => explain::explain(&explain),
        Command::Check(check) => check::check(&check),
        Command::Gen(generate) => generate::generate(&generate),
        Command::Inspect(inspect) => inspect::inspect(&inspect),
        Command::Checkpoint(copy) => inspect::copy(&copy),
        Command::Doctor(doctor) => doctor::doctor(&doctor),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tidemill", &mut script);
            output::print(&script)
        }
    }
}

/// A shell at a terminal, else the script on standard input; where there is none either, help.
fn without_command(execute: Option<&str>, how: &How) -> ExitCode {
    if let Some(text) = execute {
        return run::run(Ok(Script::of_argument(text)), how, Recovery::default());
    }
    if stdin().is_terminal() {
        if stdout().is_terminal() {
            return shell::run(how);
        }
    } else {
        match Script::of_file("-".as_ref()) {
            Ok(script) if script.text.trim().is_empty() => {}
            script => return run::run(script, how, Recovery::default()),
        }
    }
    tell!("{}", Arguments::command().render_help());
    ExitCode::from(EXIT_USAGE)
}

/// Reports an error and gives the exit code it calls for.
pub(crate) fn fail(error: &tidemill::Error) -> ExitCode {
    tell!("error: {}", error.report());
    ExitCode::from(if error.is_usage() { EXIT_USAGE } else { EXIT_FAILED })
}
