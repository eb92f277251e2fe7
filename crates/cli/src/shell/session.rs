//! What the shell keeps from one input to the next, and what it does with each.

use std::ops::ControlFlow;
use std::sync::{MutexGuard, PoisonError};

use tidemill::{
    CsvOptions, Declarations, End, Error, Format, Job, JsonOptions, Printed, RowLayout, Session,
    Settings, StdoutLayout,
};

use super::command::{Command, Mode};
use super::complete::Shared;
use super::query::{self, Showing};
use super::say;
use super::settings;
use super::words::COMMANDS;
use crate::output::{self, tell};
use crate::script::Script;
use crate::terminal::Terminal;

/// Rows that a result shows unless `.maxrows` says otherwise.
const ROWS_MAX: u64 = 100;
/// Rows of a query without an end that are kept for the terminal.
const LATEST_ROWS: usize = 256;

/// A session at a terminal.
pub(crate) struct Shell {
    settings: Settings,
    declarations: Shared,
    mode: Mode,
    rows_max: u64,
    is_timed: bool,
    /// The last input that had a query, for `.explain`.
    last: Option<String>,
}

impl Shell {
    pub(crate) fn new(settings: Settings, declarations: Shared) -> Self {
        let (mode, is_timed) = (Mode::Table, true);
        Self { settings, declarations, mode, rows_max: ROWS_MAX, is_timed, last: None }
    }

    /// Does what a line asks for; `Break` leaves.
    pub(crate) fn take(&mut self, line: &str) -> ControlFlow<()> {
        if !line.trim_start().starts_with('.') {
            self.execute(line, "sql");
            return ControlFlow::Continue(());
        }
        match Command::parse(line) {
            Ok(Command::Quit) => return ControlFlow::Break(()),
            Ok(command) => self.obey(command),
            Err(message) => tell!("error: {message}"),
        }
        ControlFlow::Continue(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Quit => {}
            Command::Help => say(&help()),
            Command::Tables => say(&self.tables()),
            Command::Settings => say(&settings::describe(&self.settings)),
            Command::Schema(name) => self.show_schema(&name),
            Command::Read(path) => match Script::of_file(path.as_ref()) {
                Ok(script) => self.execute(&script.text, &script.origin),
                Err(error) => tell!("error: {}", error.report()),
            },
            Command::Explain(query) => match query.or_else(|| self.last.clone()) {
                Some(query) => self.explain(&query),
                None => tell!("error: there has been no query; write .explain SELECT …"),
            },
            Command::Mode(None) => say(&format!("{}\n", self.mode.name())),
            Command::Mode(Some(mode)) => self.mode = mode,
            Command::MaxRows(None) => say(&format!("{}\n", self.rows_max)),
            Command::MaxRows(Some(rows)) => self.rows_max = rows,
            Command::Timing(None) => say(if self.is_timed { "on\n" } else { "off\n" }),
            Command::Timing(Some(is_timed)) => self.is_timed = is_timed,
        }
    }

    /// Runs statements, and keeps what they declare and set.
    fn execute(&mut self, sql: &str, origin: &str) {
        let printed = Printed::new();
        let job = match self.prepare(sql, origin, &printed) {
            Ok(job) => job,
            Err(error) => return tell!("error: {}", error.report()),
        };
        self.settings = job.settings().clone();
        for name in self.declarations().add(job.declared().to_vec()) {
            say(&format!("{name} is declared anew\n"));
        }
        if job.results().is_empty() {
            return;
        }
        self.last = Some(sql.to_owned());
        let (written, prints) = (job.written(), job.prints());
        let is_vertical = self.mode == Mode::Vertical;
        let showing = Showing { printed, is_vertical, is_timed: self.is_timed };
        match query::run(job, &showing) {
            Ok(summary) if summary.end == End::Cancelled => tell!("stopped at once"),
            Ok(summary) => {
                say(&summary.explanations.concat());
                if !prints && summary.explanations.is_empty() {
                    // Records, and rows out.
                    let text = summary.to_string();
                    text.lines().take(2).for_each(|line| tell!("{line}"));
                }
                // What is missing from a result is not passed over.
                output::report(&summary.left_out());
                summary.warnings.iter().for_each(|warning| tell!("warning: {warning}"));
                if let Some(stopped) = summary.stopped {
                    return tell!("{stopped}");
                }
                for (name, schema) in written {
                    self.declarations().note_written(&name, schema);
                }
            }
            Err(error) => tell!("error: {}", error.report()),
        }
    }

    fn prepare(&self, sql: &str, origin: &str, printed: &Printed) -> Result<Job, Error> {
        let mut session = Session::new();
        // What is typed comes from there.
        session.give_up_standard_input();
        *session.settings_mut() = self.settings.clone();
        session.set_stdout(match self.mode {
            Mode::Table | Mode::Vertical => StdoutLayout::Rows(RowLayout {
                printed: printed.clone(),
                rows_max: self.rows_max,
                latest_rows: Terminal::of_stdout()
                    .is_some_and(|terminal| terminal.can_redraw)
                    .then_some(LATEST_ROWS),
            }),
            Mode::Csv => StdoutLayout::Format(Format::Csv(CsvOptions::default())),
            Mode::Json => StdoutLayout::Format(Format::Json(JsonOptions::default())),
        });
        session.prepare_after(&self.declarations(), sql, origin)
    }

    fn explain(&self, sql: &str) {
        let plan = self.prepare(sql, "sql", &Printed::new()).and_then(|job| job.explain());
        match plan {
            Ok(plan) => say(&plan),
            Err(error) => tell!("error: {}", error.report()),
        }
    }

    /// The columns of what `FROM` would read: a declared name, or else a path.
    fn show_schema(&self, name: &str) {
        let lower = name.to_lowercase();
        let declarations = self.declarations().clone();
        let declared =
            [name.trim_matches('"'), &lower].into_iter().find_map(|n| declarations.get(n));
        let from = match declared {
            Some(declared) => format!("\"{}\"", declared.name.replace('"', "\"\"")),
            None => format!("'{}'", name.replace('\'', "''")),
        };
        match self.prepare(&format!("SELECT * FROM {from}"), "sql", &Printed::new()) {
            Ok(job) => {
                let schemas = job.results();
                let fields = schemas.iter().flat_map(|schema| &schema.fields);
                let width =
                    fields.clone().map(|field| field.name.chars().count()).max().unwrap_or(0);
                let line = |field: &tidemill::Field| {
                    let end = if field.is_nullable { "" } else { " NOT NULL" };
                    format!("{:<width$}  {}{end}\n", field.name, field.data_type)
                };
                say(&fields.map(line).collect::<String>());
                if let Some(declared) = declared {
                    say(&format!("{};\n", declared.text));
                }
            }
            Err(error) => tell!("error: {}", error.report()),
        }
    }

    fn tables(&self) -> String {
        let declarations = self.declarations();
        if declarations.iter().next().is_none() {
            return "nothing has been declared; FROM 'path' reads files without CREATE SOURCE\n"
                .to_owned();
        }
        let width = declarations.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
        let line = |one: &tidemill::Declaration| {
            let written = if one.written.is_some() { ", written" } else { "" };
            format!("{:<width$}  {}{written}\n", one.name, one.kind)
        };
        declarations.iter().map(line).collect()
    }

    fn declarations(&self) -> MutexGuard<'_, Declarations> {
        self.declarations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn help() -> String {
    let width = COMMANDS.iter().map(|(name, arguments, _)| name.len() + arguments.len() + 1).max();
    let width = width.unwrap_or(0);
    let line = |(name, arguments, meaning): &(&str, &str, &str)| {
        format!("{:<width$}  {meaning}\n", format!("{name} {arguments}"))
    };
    let commands: String = COMMANDS.iter().map(line).collect();
    format!(
        "{commands}\nAll else is SQL, over as many lines as it takes to its semicolon. What CREATE declares and SET \
         sets stays.\n\
         Tab completes, Ctrl-R searches what was typed before, Ctrl-C ends a query or empties the line.\n"
    )
}
