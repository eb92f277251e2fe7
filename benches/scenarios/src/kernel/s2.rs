//! Trades by symbol.

use std::path::Path;

use crate::kernel::fields::{TRADES, for_each_record};
use crate::kernel::number::{cents, pack, whole};
use crate::kernel::results::Results;
use crate::kernel::table::Table;
use crate::query::Text;

/// Prices in hundredths.
struct Group {
    count: i64,
    sum: i64,
    min: i64,
    max: i64,
    quantity: i64,
}

pub(super) fn run(text: Text, path: &Path, results: &mut Results) {
    results.text(b"symbol,trade_count,avg_price,min_price,max_price,total_quantity");
    results.end_row();
    let mut groups = Table::new();
    for_each_record(text, path, &TRADES, |[_, _, _, symbol, price, quantity]| {
        let (price, quantity) = (cents(price), whole(quantity));
        let group = groups.entry(u128::from(pack(symbol)), || Group {
            count: 0,
            sum: 0,
            min: i64::MAX,
            max: i64::MIN,
            quantity: 0,
        });
        group.count += 1;
        group.sum += price;
        group.min = group.min.min(price);
        group.max = group.max.max(price);
        group.quantity += quantity;
    });
    for (key, group) in groups.drain() {
        results.name(u64::try_from(key).unwrap());
        results.integer(group.count);
        results.double(group.sum as f64 / 100.0 / group.count as f64);
        results.double(group.min as f64 / 100.0);
        results.double(group.max as f64 / 100.0);
        results.integer(group.quantity);
        results.end_row();
    }
}
