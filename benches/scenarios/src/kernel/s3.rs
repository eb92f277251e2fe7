//! Trades by trader and symbol in each minute: one table, emptied when the next minute begins.
//!
//! That a minute is over then holds because the data is in order of time; see the module above.

use std::path::Path;

use crate::kernel::fields::{TRADES, for_each_record};
use crate::kernel::number::{cents, pack, whole};
use crate::kernel::results::Results;
use crate::kernel::table::Table;
use crate::query::Text;

/// Bytes of a time down to its minute: `2024-01-02T03:04`.
const MINUTE_BYTES: usize = 16;

/// Money in hundredths.
#[derive(Clone, Copy, Default)]
struct Group {
    count: i64,
    price: i64,
    quantity: i64,
    value: i64,
}

/// With `every`, a row for every trade instead of one for every group.
pub(super) fn run(text: Text, path: &Path, every: bool, results: &mut Results) {
    results.text(b"trader_id,symbol,trade_count,avg_price,total_quantity,total_value");
    results.end_row();
    let mut groups: Table<Group> = Table::new();
    let mut minute = [0; MINUTE_BYTES];
    for_each_record(text, path, &TRADES, |[_, time, trader, symbol, price, quantity]| {
        if time[..MINUTE_BYTES] != minute {
            // Text of one width is ordered as the times are.
            assert!(minute[..] < time[..MINUTE_BYTES], "trades are in the order of their time");
            minute.copy_from_slice(&time[..MINUTE_BYTES]);
            let closed = groups.drain();
            closed.filter(|_| !every).for_each(|(key, group)| row(key, &group, results));
        }
        let (price, quantity) = (cents(price), whole(quantity));
        let key = u128::from(pack(trader)) << 64 | u128::from(pack(symbol));
        let group = groups.entry(key, Group::default);
        group.count += 1;
        group.price += price;
        group.quantity += quantity;
        group.value += price * quantity;
        if every {
            row(key, group, results);
        }
    });
    groups.drain().filter(|_| !every).for_each(|(key, group)| row(key, &group, results));
}

fn row(key: u128, group: &Group, results: &mut Results) {
    results.name(u64::try_from(key >> 64).unwrap());
    results.name(u64::try_from(key & u128::from(u64::MAX)).unwrap());
    results.integer(group.count);
    results.double(group.price as f64 / 100.0 / group.count as f64);
    results.integer(group.quantity);
    results.double(group.value as f64 / 100.0);
    results.end_row();
}
