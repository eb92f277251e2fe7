//! What `scripts/measure/sharing` must find, and what it must not: two threads that count side by side.
//!
//! `neighbours` has both counters in one cache line; `neighbours apart` gives each lines of its own.

#![allow(clippy::unwrap_used, reason = "benches")]

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted up by each thread.
const COUNT: u64 = 100_000;

/// Counts after which a thread lets the other one go on, as a job's threads do when they read.
const TURN: u64 = 1_000;

#[repr(align(128))]
struct Together([AtomicU64; 2]);

#[repr(align(128))]
struct Apart(AtomicU64);

static TOGETHER: Together = Together([AtomicU64::new(0), AtomicU64::new(0)]);
static APART: [Apart; 2] = [Apart(AtomicU64::new(0)), Apart(AtomicU64::new(0))];

fn main() {
    let is_apart = std::env::args().nth(1).is_some_and(|argument| argument == "apart");
    let threads = [0, 1].map(|index| {
        let counter = if is_apart { &APART[index].0 } else { &TOGETHER.0[index] };
        std::thread::spawn(move || {
            for count in 0..COUNT {
                counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                if count % TURN == 0 {
                    std::thread::yield_now();
                }
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}
