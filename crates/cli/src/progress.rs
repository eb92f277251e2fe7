//! A line of progress on a terminal, nothing in a pipe: a bar of input that ends, counts of input that does not.

use std::fmt::Write as _;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tidemill::{EventTime, JobProgress};

/// How often the line is drawn and notices are looked for.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

const MICROS_PER_SECOND: i64 = 1_000_000;

/// The line of one job.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A line on standard error where that is a terminal.
    pub(crate) fn new(is_wanted: bool) -> Self {
        if !is_wanted || !stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        Self(Some(bar))
    }

    pub(crate) fn show(&self, progress: JobProgress) {
        let Self(Some(bar)) = self else { return };
        if progress.is_endless {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
            bar.set_style(style("{wide_msg}"));
            bar.set_message(seen(&progress, now_us));
        } else if progress.input_total > 0 {
            bar.set_style(style("{wide_bar} {percent:>3}% {binary_bytes_per_sec} eta {eta} {msg}"));
            bar.set_length(progress.input_total.max(progress.input_done));
            bar.set_message(format!("{} records", progress.records_in));
            bar.set_position(progress.input_done);
        }
    }

    /// Does what writes to the terminal while the line is out of the way.
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is well formed")
}

/// What a live job has seen: records, rows, how far event time is behind the clock, and what is not in a result.
pub(crate) fn seen(progress: &JobProgress, now_us: i64) -> String {
    let JobProgress { records_in, rows_out, bad_records, late_records, watermark, .. } = progress;
    let mut line =
        format!("{} records, {} rows out", HumanCount(*records_in), HumanCount(*rows_out));
    if let Some(EventTime(at_us)) = *watermark {
        let watermark = EventTime(at_us - at_us.rem_euclid(MICROS_PER_SECOND));
        let _ = write!(line, ", watermark {watermark} ({})", lag(now_us.saturating_sub(at_us)));
    }
    for (count, what) in [(late_records, "late"), (bad_records, "bad")] {
        if *count > 0 {
            let _ = write!(line, ", {} {what}", HumanCount(*count));
        }
    }
    line
}

/// How far a watermark is behind the clock, in its greatest unit.
fn lag(lag_us: i64) -> String {
    let seconds = lag_us / MICROS_PER_SECOND;
    match seconds {
        ..0 => "ahead of the clock".to_owned(),
        0..=119 => format!("{seconds} s behind"),
        120..=7199 => format!("{} min behind", seconds / 60),
        7200..=172_799 => format!("{} h behind", seconds / 3600),
        _ => format!("{} days behind", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_job_says_what_it_has_seen() {
        let hour = 3600 * MICROS_PER_SECOND;
        let mut progress = JobProgress::default();
        (progress.records_in, progress.rows_out, progress.late_records) = (1_234_567, 89, 3);
        (progress.watermark, progress.is_endless) = (Some(EventTime(hour + 250_000)), true);
        assert_eq!(
            seen(&progress, hour + 4 * MICROS_PER_SECOND),
            "1,234,567 records, 89 rows out, watermark 1970-01-01 01:00:00 (3 s behind), 3 late"
        );
        let mut quiet = JobProgress::default();
        quiet.is_endless = true;
        assert_eq!(seen(&quiet, 0), "0 records, 0 rows out");
        for (lag_us, said) in [
            (-1_000_000, "ahead of the clock"),
            (119_999_999, "119 s behind"),
            (120_000_000, "2 min behind"),
            (2 * hour, "2 h behind"),
            (50 * hour, "2 days behind"),
        ] {
            assert_eq!(lag(lag_us), said);
        }
    }
}
