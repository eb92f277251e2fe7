//! The shell: statements and commands from a terminal, one after another, in one session.
//!
//! Start with [`run`], then `session`. A line that begins with a point is a [`command`]; all else is SQL, up to its `;`. What is
//! declared and set stays. Absent on purpose: what SQL means; each input is a script of its own, behind the
//! declarations that it refers to.

mod command;
mod complete;
mod echo;
mod editor;
mod highlight;
mod interrupts;
mod query;
mod screen;
mod session;
mod settings;
mod text;
mod words;

use std::process::ExitCode;
use std::sync::Arc;

use reedline::Signal;
use tidemill::Settings;

use crate::arguments::How;
use crate::output::{self, tell};
use crate::terminal::Terminal;
use complete::{Completions, Shared};
use interrupts::is_to_leave;
use session::Shell;

/// Reads and runs until the user leaves.
pub(crate) fn run(how: &How) -> ExitCode {
    let mut settings = Settings::default();
    how.placement.apply(&mut settings);
    let declarations = Shared::default();
    let has_colors = Terminal::of_stdout().is_some_and(|terminal| terminal.has_colors);
    let completions = Completions::new(Arc::clone(&declarations));
    let (mut editor, refusal) = editor::editor(completions, has_colors);
    let mut shell = Shell::new(settings, declarations);
    say(concat!(
        "Tidemill ",
        env!("CARGO_PKG_VERSION"),
        ". A statement ends with ;  .help lists the commands.\n"
    ));
    if let Some(refusal) = refusal {
        tell!("warning: what is typed is not kept for the next time: {refusal}");
    }
    loop {
        match editor.read_line(&editor::Prompts) {
            Ok(Signal::Success(line)) => {
                if shell.take(&line).is_break() || is_to_leave() {
                    return ExitCode::SUCCESS;
                }
            }
            Ok(Signal::CtrlD) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(error) => {
                tell!("error: cannot read from the terminal: {error}");
                return ExitCode::from(crate::EXIT_FAILED);
            }
        }
    }
}

/// Writes to the terminal, without what would steer it.
fn say(text: &str) {
    output::print(output::fit(text).as_bytes());
}
