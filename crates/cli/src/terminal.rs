//! What standard output is written on.

use std::env;
use std::io::{IsTerminal, stdout};

/// Assumed where a terminal does not say how large it is, as over a serial line.
const COLUMNS: usize = 80;
const LINES: usize = 24;

/// A terminal that results are shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns, at least 1.
    pub(crate) width: usize,
    /// Lines, at least 1.
    pub(crate) height: usize,
    /// It shows colours, and nobody asked for none.
    pub(crate) has_colors: bool,
    /// The cursor can be moved back over what was written.
    pub(crate) can_redraw: bool,
}

impl Terminal {
    /// What standard output is now; `None` where it is no terminal.
    pub(crate) fn of_stdout() -> Option<Self> {
        if !stdout().is_terminal() {
            return None;
        }
        let (width, height) = size().unwrap_or((COLUMNS, LINES));
        let can_redraw = env::var_os("TERM").is_none_or(|term| term != "dumb");
        Some(Self { width, height, has_colors: can_redraw && are_colors_wanted(), can_redraw })
    }
}

/// Whether nobody has asked for no colours, by the convention of no-color.org.
fn are_colors_wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn size() -> Option<(usize, usize)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call fills `size`, or fails and leaves it as it is.
    let outcome = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    let is_known = outcome == 0 && size.ws_col > 0 && size.ws_row > 0;
    is_known.then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}
