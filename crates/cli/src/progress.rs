//! A progress bar on a terminal, nothing in a pipe.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidemill::JobProgress;

/// How often the bar is drawn and notices are looked for.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// The bar of one job.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar on standard error where that is a terminal.
    pub(crate) fn new(is_wanted: bool) -> Self {
        if !is_wanted || !stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template(
            "{wide_bar} {percent:>3}% {binary_bytes_per_sec} eta {eta} {msg}",
        )
        .expect("the template is well formed");
        bar.set_style(style);
        Self(Some(bar))
    }

    pub(crate) fn show(&self, progress: JobProgress) {
        if let Self(Some(bar)) = self
            && progress.input_total > 0
        {
            bar.set_length(progress.input_total.max(progress.input_done));
            bar.set_message(format!("{} records", progress.records_in));
            bar.set_position(progress.input_done);
        }
    }

    /// Does what writes to the terminal while the bar is out of the way.
    pub(crate) fn suspend(&self, writes: impl FnOnce()) {
        match self {
            Self(Some(bar)) => bar.suspend(writes),
            Self(None) => writes(),
        }
    }

    pub(crate) fn clear(&self) {
        if let Self(Some(bar)) = self {
            bar.finish_and_clear();
        }
    }
}
