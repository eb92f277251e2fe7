//! Which query a line of standard output is of, where several print at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Puts a query's name at the head of each of its lines, and keeps lines of several queries apart.
#[derive(Clone, Debug)]
pub struct LineLabel {
    /// What stands before each line.
    head: Vec<u8>,
    /// Bytes of the line that this replaces: the bracket of an object.
    replaced: &'static [u8],
    /// Held while lines are written.
    turn: Arc<Mutex<()>>,
}

impl LineLabel {
    /// `name | ` before each line, the name as wide as the widest; `turn` is that of all who write there.
    #[must_use]
    pub fn before(name: &str, width: usize, turn: &Arc<Mutex<()>>) -> Self {
        let head = format!("{name:<width$} | ").into_bytes();
        Self { head, replaced: b"", turn: Arc::clone(turn) }
    }

    /// A member `"_sink"` with this JSON string, in front of the others of each line's object.
    #[must_use]
    pub fn within(name: &str, turn: &Arc<Mutex<()>>) -> Self {
        let head = format!("{{\"_sink\":{name},").into_bytes();
        Self { head, replaced: b"{", turn: Arc::clone(turn) }
    }

    /// Lines with the label. O(bytes).
    pub(crate) fn put_on(&self, lines: &[u8]) -> Vec<u8> {
        let mut labelled = Vec::with_capacity(lines.len() + 64 * self.head.len());
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            labelled.extend_from_slice(&self.head);
            labelled.extend_from_slice(line.strip_prefix(self.replaced).unwrap_or(line));
        }
        labelled
    }

    pub(crate) fn wait_for_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_whose_it_is() {
        let turn = Arc::default();
        let text = |label: &LineLabel, lines: &str| {
            String::from_utf8(label.put_on(lines.as_bytes())).expect("text")
        };
        let before = LineLabel::before("web", 5, &turn);
        assert_eq!(text(&before, "a,b\n1,\n\n"), "web   | a,b\nweb   | 1,\nweb   | \n");
        assert_eq!(text(&before, ""), "");
        let within = LineLabel::within("\"web\"", &turn);
        assert_eq!(
            text(&within, "{\"a\":{}}\n{\"a\":null}\n"),
            "{\"_sink\":\"web\",\"a\":{}}\n{\"_sink\":\"web\",\"a\":null}\n"
        );
    }
}
