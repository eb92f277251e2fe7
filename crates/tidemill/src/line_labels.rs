//! The names of queries that print at the same time, before each line that they print.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tidemill_plan::{Format, SinkConnector, SinkDef};
use tidemill_record::harmless;
use tidemill_sink::LineLabel;
use tidemill_sql::{SqlError, SqlErrors};

use crate::Error;
use crate::script_text::ScriptText;

/// Labels for the printing queries of a wave, in their order.
pub(crate) struct LineLabels {
    names: VecDeque<String>,
    width: usize,
    turn: Arc<Mutex<()>>,
}

impl LineLabels {
    /// Of the sinks of a wave's queries, each with its query's place in the script; `None` where at most one prints lines.
    pub(crate) fn of<'s>(sinks: impl Iterator<Item = (usize, &'s SinkDef)>) -> Option<Self> {
        let prints = |(_, sink): &(usize, &SinkDef)| {
            matches!(sink.connector, SinkConnector::Stdout(Some(_)))
        };
        let name = |(place, sink): (usize, &SinkDef)| match sink.name.as_str() {
            // Whose sink has no name is known by its place among the script's queries.
            "stdout" => format!("query {}", place + 1),
            name => harmless(name, &[]).into_owned(),
        };
        let names: VecDeque<String> = sinks.filter(prints).map(name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        (names.len() > 1).then(|| Self { names, width, turn: Arc::default() })
    }

    /// The label of the next query that prints.
    pub(crate) fn next(
        &mut self,
        sink: &SinkDef,
        format: &Format,
        text: &ScriptText,
    ) -> Result<LineLabel, Error> {
        let name = self.names.pop_front().unwrap_or_default();
        match format {
            Format::Csv(_) => Ok(LineLabel::before(&name, self.width, &self.turn)),
            Format::Json(_) => Ok(LineLabel::within(&json_text(&name), &self.turn)),
            _ => {
                let message =
                    "several queries print at the same time, and one of them no lines".to_owned();
                let hint = Some("print them as csv or json, or give it a sink of files".to_owned());
                let error = SqlError { message, span: sink.span, hint };
                Err(text.error(SqlErrors(vec![error]), &[]))
            }
        }
    }
}

/// A text as JSON has it.
fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
