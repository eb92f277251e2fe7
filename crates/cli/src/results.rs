//! Shows what the queries of a job have printed, one after another, as each of them ends.

use std::process::ExitCode;
use std::time::Instant;

use tidemill::Printed;

use crate::output;
use crate::table::{Look, lay_out};
use crate::terminal::Terminal;

/// The results of one job.
pub(crate) struct Results {
    printed: Printed,
    is_vertical: bool,
    /// How long each took is said, too.
    is_timed: bool,
    shown_count: usize,
    since: Instant,
}

impl Results {
    pub(crate) fn new(printed: Printed, is_vertical: bool, is_timed: bool) -> Self {
        Self { printed, is_vertical, is_timed, shown_count: 0, since: Instant::now() }
    }

    /// The text of those that have come to their end since this was last asked.
    pub(crate) fn take_text(&mut self) -> String {
        let mut text = String::new();
        let queries = self.printed.queries();
        for query in &queries[self.shown_count..] {
            if !query.is_finished() {
                break;
            }
            self.shown_count += 1;
            let terminal = Terminal::of_stdout();
            let look = Look {
                width: terminal.map(|terminal| terminal.width),
                has_colors: terminal.is_some_and(|terminal| terminal.has_colors),
                is_vertical: self.is_vertical,
            };
            let rows = query.take_rows();
            text.push_str(&lay_out(query.columns(), &rows, look));
            let seconds = self.since.elapsed().as_secs_f64();
            self.since = Instant::now();
            let took = if self.is_timed && terminal.is_some() {
                format!(", {seconds:.3} s")
            } else {
                String::new()
            };
            let noun = if rows.len() == 1 { "row" } else { "rows" };
            text.push_str(&format!("({} {noun}{took})\n", rows.len()));
            if query.is_cut() {
                text.push_str(&format!(
                    "only the first {} rows are shown; there are more\n",
                    rows.len()
                ));
            }
        }
        text
    }

    /// Prints them.
    pub(crate) fn print(&mut self) -> ExitCode {
        output::print(self.take_text().as_bytes())
    }
}
