//! What the machine does to a loop that only reads the clock.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::schedule::Schedule;
use crate::{histogram, pin};

/// Gaps between one reading of the clock and the next on a CPU, in nanoseconds.
pub(crate) fn gaps(cpu: usize, time: Duration) -> Histogram<u64> {
    on(cpu, move || {
        let mut gaps = histogram();
        let started = Instant::now();
        let mut last = started;
        while last - started < time {
            let now = Instant::now();
            gaps.saturating_record(nanos(now - last));
            last = now;
        }
        gaps
    })
}

/// The same schedule as a job's with no job: how late after each record's due time a loop on the CPU can
/// see that it is due, in nanoseconds. No job can do better.
pub(crate) fn empty(cpu: usize, rate: u64, record_count: u64) -> Histogram<u64> {
    on(cpu, move || {
        let mut latencies = histogram();
        let schedule = Schedule { start: Instant::now(), rate, record_count };
        let mut seen = 0;
        while seen < record_count {
            let elapsed = schedule.elapsed_ns();
            let due = schedule.due_count(Duration::from_nanos(elapsed));
            for record in seen..due {
                latencies.saturating_record(elapsed.saturating_sub(schedule.due_ns(record)));
            }
            seen = due;
        }
        latencies
    })
}

fn on(cpu: usize, measure: impl FnOnce() -> Histogram<u64> + Send + 'static) -> Histogram<u64> {
    let thread = std::thread::spawn(move || {
        pin(cpu);
        measure()
    });
    thread.join().expect("measuring does not panic")
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("no gap lasts for 584 years")
}
