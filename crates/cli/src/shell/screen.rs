//! The rows of a query without an end, drawn over and over in the same lines of the terminal.

use std::fmt::Write as _;
use std::sync::Arc;

use tidemill::{Printed, PrintedQuery};

use crate::output;
use crate::table::{Look, lay_out};
use crate::terminal::Terminal;

/// Lines of a table that are no rows: its rules and its head; and one below it.
const FRAME_LINES: usize = 5;

/// What stands on the terminal.
pub(crate) struct Screen {
    printed: Printed,
    is_vertical: bool,
    /// Lines that were drawn last, to be drawn over.
    line_count: usize,
    last: String,
}

impl Screen {
    pub(crate) fn new(printed: Printed, is_vertical: bool) -> Self {
        Self { printed, is_vertical, line_count: 0, last: String::new() }
    }

    /// Whether some of the queries has no end.
    pub(crate) fn is_live(&self) -> bool {
        self.printed.queries().iter().any(|query| !query.is_bounded())
    }

    /// Draws what the queries have given by now, where some of them has no end.
    pub(crate) fn draw(&mut self, status: &str) {
        let Some(terminal) = Terminal::of_stdout() else { return };
        let queries = self.printed.queries();
        let live: Vec<_> = queries.iter().filter(|query| !query.is_bounded()).collect();
        if live.is_empty() {
            return;
        }
        let height = (terminal.height - 1) / live.len();
        let mut text: String =
            live.iter().map(|query| self.table_of(query, terminal, height)).collect();
        let status: String = status.chars().take(terminal.width - 1).collect();
        text.push_str(&status);
        if text != self.last {
            self.put(&text, terminal);
            self.last = text;
        }
    }

    /// Leaves what was drawn last where it is, and what follows below it.
    pub(crate) fn leave(&mut self) {
        if self.line_count > 0 {
            output::print(SHOW_CURSOR.as_bytes());
        }
        (self.line_count, self.last) = (0, String::new());
    }

    fn table_of(&self, query: &Arc<PrintedQuery>, terminal: Terminal, height: usize) -> String {
        let look = Look {
            width: Some(terminal.width),
            has_colors: terminal.has_colors,
            is_vertical: self.is_vertical,
        };
        let columns = query.columns();
        let mut rows = query.latest_rows(height.saturating_sub(FRAME_LINES).max(1));
        loop {
            let text = lay_out(columns, &rows, look);
            // Where each value has a line of its own, fewer rows fit.
            if rows.len() <= 1 || text.lines().count() < height {
                return text;
            }
            rows.remove(0);
        }
    }

    /// Writes lines over those of before, in one piece.
    fn put(&mut self, text: &str, terminal: Terminal) {
        let mut out = String::with_capacity(text.len() + 256);
        if self.line_count > 0 && terminal.can_redraw {
            // What is left of the lines of before goes with the last one.
            let _ = write!(out, "\u{1b}[{}A", self.line_count);
        } else {
            out.push_str(HIDE_CURSOR);
        }
        out.push('\r');
        for line in text.lines() {
            out.push_str(line);
            out.push_str("\u{1b}[K\r\n");
        }
        out.push_str("\u{1b}[J");
        self.line_count = text.lines().count();
        output::print(out.as_bytes());
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
