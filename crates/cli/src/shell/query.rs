//! Runs one job of the shell to its end, and shows meanwhile what there is to show.

use std::time::{Duration, Instant};

use tidemill::{End, Error, Job, Printed, Query, Summary};

use super::echo::Silence;
use super::interrupts::Interrupts;
use super::screen::Screen;
use crate::output::{self, tell};
use crate::progress::Bar;
use crate::results::Results;

/// How often the terminal is drawn, notices are looked for, and Ctrl-C is.
const INTERVAL: Duration = Duration::from_millis(50);

/// How a job is shown.
pub(crate) struct Showing {
    pub(crate) printed: Printed,
    pub(crate) is_vertical: bool,
    pub(crate) is_timed: bool,
}

/// Runs a job. Ctrl-C stops it, and the shell goes on: where its input has an end, so that it has no results; else as
/// if the input ended there. Once more, and it ends at once.
pub(crate) fn run(job: Job, showing: &Showing) -> Result<Summary, Error> {
    let interrupts = Interrupts::listen();
    let _silence = Silence::begin();
    let started = Instant::now();
    let running = job.start();
    let mut results = Results::new(showing.printed.clone(), showing.is_vertical, showing.is_timed);
    let mut screen = Screen::new(showing.printed.clone(), showing.is_vertical);
    let bar = Bar::new(true);
    while !running.wait_at_most(INTERVAL) {
        warn(&running, &bar, &mut screen);
        match interrupts.count() {
            0 => {}
            1 => running.stop(),
            _ => running.cancel(),
        }
        let text = if interrupts.count() == 0 { results.take_text() } else { String::new() };
        if !text.is_empty() {
            bar.suspend(|| {
                output::print(text.as_bytes());
            });
        }
        if screen.is_live() {
            bar.clear();
            let end = if interrupts.count() == 0 { "ends the query" } else { "ends it at once" };
            screen.draw(&format!("{}; Ctrl-C {end}", read_so_far(&running, started)));
        } else {
            bar.show(running.progress());
        }
    }
    bar.clear();
    warn(&running, &bar, &mut screen);
    screen.draw(&read_so_far(&running, started));
    screen.leave();
    let summary = running.join()?;
    if summary.stopped.is_none() && summary.end != End::Cancelled {
        output::print(results.take_text().as_bytes());
    }
    Ok(summary)
}

fn read_so_far(running: &Query, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    format!("{} records, {seconds:.1} s", running.progress().records_in)
}

/// What goes wrong meanwhile is said above what is drawn.
fn warn(running: &Query, bar: &Bar, screen: &mut Screen) {
    for notice in running.take_notices() {
        bar.suspend(|| {
            screen.leave();
            tell!("warning: {notice}");
        });
    }
}
