//! The thread that appends records to the followed file as they fall due.

use std::fs::File;
use std::io::{Result, Write};
use std::time::Instant;

use crate::schedule::Schedule;

/// Records that differ in more than their number; they are sent by turns.
const TAIL_COUNT: u64 = 1024;

/// The layout of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    Csv,
    Json,
}

/// Text of numbered trades: the number, and one of some prepared rests behind it.
pub(crate) struct Records {
    head: &'static str,
    tails: Vec<String>,
    text: Vec<u8>,
}

impl Records {
    pub(crate) fn new(layout: Layout) -> Self {
        let tail = |i: u64| {
            let (second, trader, symbol) = (i % 60, i % 50, i % 200);
            let (price, quantity) = (100 + i % 900, 1 + i % 99);
            let time = format!("2024-01-01T09:30:{second:02}");
            match layout {
                Layout::Csv => {
                    format!(",{time},T{trader:03},SYM{symbol:03},{price}.25,{quantity}\n")
                }
                Layout::Json => format!(
                    ",\"trade_time\":\"{time}\",\"trader_id\":\"T{trader:03}\",\
                     \"symbol\":\"SYM{symbol:03}\",\"price\":{price}.25,\"quantity\":{quantity}}}\n"
                ),
            }
        };
        let head = match layout {
            Layout::Csv => "",
            Layout::Json => "{\"trade_id\":",
        };
        Self { head, tails: (0..TAIL_COUNT).map(tail).collect(), text: Vec::new() }
    }

    /// Appends records `[start, end)` with one write.
    pub(crate) fn append(&mut self, file: &mut File, start: u64, end: u64) -> Result<()> {
        self.text.clear();
        for record in start..end {
            let tail = &self.tails[usize::try_from(record % TAIL_COUNT).expect("below 1024")];
            self.text.extend_from_slice(self.head.as_bytes());
            push_number(&mut self.text, record);
            self.text.extend_from_slice(tail.as_bytes());
        }
        file.write_all(&self.text)
    }
}

/// Decimal digits without the formatting machinery, which would be most of what a record costs the sender.
fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] += u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

/// Begins a file that is to be followed.
pub(crate) fn begin(layout: Layout, file: &mut File) -> Result<()> {
    match layout {
        Layout::Csv => file.write_all(b"trade_id,trade_time,trader_id,symbol,price,quantity\n"),
        Layout::Json => Ok(()),
    }
}

/// Most records of one write: a sender that fell behind does not stop looking at the clock.
const WRITE_RECORDS_MAX: u64 = 16_384;

/// Sends the whole schedule, and says by how much the last write came too late, in nanoseconds. Watches the
/// clock without sleeping: a timer's slack would be more than what is measured.
pub(crate) fn send(schedule: &Schedule, records: &mut Records, file: &mut File) -> Result<u64> {
    let mut sent = 0;
    let mut late_ns_max = 0;
    while sent < schedule.record_count {
        let now = Instant::now();
        if now < schedule.start {
            std::hint::spin_loop();
            continue;
        }
        let due = schedule.due_count(now - schedule.start).min(sent + WRITE_RECORDS_MAX);
        if due == sent {
            std::hint::spin_loop();
            continue;
        }
        records.append(file, sent, due)?;
        late_ns_max = late_ns_max.max(schedule.elapsed_ns().saturating_sub(schedule.due_ns(sent)));
        sent = due;
    }
    Ok(late_ns_max)
}
