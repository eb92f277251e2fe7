//! Windows in event time: how records are told apart by when they happened.

use std::fmt;

use crate::options::duration_text;

/// A window over the records of a grouping. Windows are `[start, end)`; those of fixed size are
/// aligned to the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// Which windows.
    pub kind: WindowKind,
    /// Input column of the event time, `TIMESTAMP`, never NULL.
    pub time: usize,
    /// How long after its end a window still takes records, in microseconds, at least 0. A record
    /// is late for a window when the watermark, as it arrives, is at or beyond the window's end plus
    /// this.
    pub allowed_lateness_us: i64,
}

/// The kinds of windows. All durations are microseconds, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// Every record lies in one window.
    Tumbling {
        /// Length.
        size_us: i64,
    },
    /// A window begins every `advance_us`, so that a record lies in several.
    Hopping {
        /// Length.
        size_us: i64,
        /// From one start to the next, in `1..=size_us`.
        advance_us: i64,
    },
    /// Windows that begin together every `size_us` and end one `step_us` after another.
    Cumulating {
        /// Length of the longest, a multiple of `step_us`.
        size_us: i64,
        /// From one end to the next.
        step_us: i64,
    },
    /// A window lasts as long as the records of its group follow each other.
    Session {
        /// Time without a record after which a window ends: it is `[first, last + gap)`.
        gap_us: i64,
    },
}

impl WindowKind {
    /// The name as the dialect spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tumbling { .. } => "TUMBLING",
            Self::Hopping { .. } => "HOPPING",
            Self::Cumulating { .. } => "CUMULATE",
            Self::Session { .. } => "SESSION",
        }
    }

    /// The panes that windows of fixed size are made of: the longest aligned stretches of time that no
    /// window cuts, in microseconds. `None` for sessions.
    #[must_use]
    pub fn pane_us(self) -> Option<i64> {
        Some(match self {
            Self::Session { .. } => return None,
            Self::Tumbling { size_us } => size_us,
            Self::Hopping { size_us, advance_us } => {
                let (mut a, mut b) = (size_us, advance_us);
                while b != 0 {
                    (a, b) = (b, a % b);
                }
                a
            }
            Self::Cumulating { step_us, .. } => step_us,
        })
    }

    /// The longest time from a record to the end of a window that it lies in; for sessions, if no other
    /// record follows.
    #[must_use]
    pub fn reach_us(self) -> i64 {
        match self {
            Self::Tumbling { size_us }
            | Self::Hopping { size_us, .. }
            | Self::Cumulating { size_us, .. } => size_us,
            Self::Session { gap_us } => gap_us,
        }
    }
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match *self {
            Self::Tumbling { size_us: a } | Self::Session { gap_us: a } => {
                write!(f, "({})", duration_text(a))
            }
            Self::Hopping { size_us: a, advance_us: b }
            | Self::Cumulating { size_us: a, step_us: b } => {
                write!(f, "({}, {})", duration_text(a), duration_text(b))
            }
        }
    }
}
