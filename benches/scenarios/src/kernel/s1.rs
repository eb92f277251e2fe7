//! The average of each symbol's last hundred prices: a ring a symbol, and its sum in hundredths.
//!
//! The rows of one file leave as they come, which is the order of their time only because the data is in
//! that order; disorder would need what the product does, a buffer sorted by time behind the watermark.

use std::path::Path;

use crate::kernel::fields::{TRADES, for_each_record};
use crate::kernel::number::{cents, pack};
use crate::kernel::results::Results;
use crate::kernel::table::Table;
use crate::query::Text;

const FRAME_ROWS: usize = 100;

struct Ring {
    cents: [i64; FRAME_ROWS],
    /// Where the next price goes, over the oldest.
    next: usize,
    /// At most `FRAME_ROWS`.
    count: i32,
    sum: i64,
}

pub(super) fn run(text: Text, path: &Path, results: &mut Results) {
    results.text(b"symbol,price,moving_avg");
    results.end_row();
    let mut rings: Table<Box<Ring>> = Table::new();
    let mut last = Vec::new();
    for_each_record(text, path, &TRADES, |[_, time, _, symbol, price, _]| {
        // Times are of one width, so that their text is ordered as they are.
        assert!(last.as_slice() <= time, "trades are in the order of their time");
        last.clear();
        last.extend_from_slice(time);
        let value = cents(price);
        let ring = rings.entry(u128::from(pack(symbol)), || {
            Box::new(Ring { cents: [0; FRAME_ROWS], next: 0, count: 0, sum: 0 })
        });
        // Unfilled places hold 0, so that the oldest can always be taken off.
        ring.sum += value - ring.cents[ring.next];
        ring.cents[ring.next] = value;
        ring.next = (ring.next + 1) % FRAME_ROWS;
        ring.count = (ring.count + 1).min(100);
        let average = ring.sum as f64 / 100.0 / f64::from(ring.count);
        results.text(symbol);
        results.text(price);
        results.double(average);
        results.end_row();
    });
}
