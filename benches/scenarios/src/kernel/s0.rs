//! Large orders: the fields that are kept are copied as they are.

use std::path::Path;

use crate::kernel::fields::{ORDERS, for_each_record};
use crate::kernel::number::cents;
use crate::kernel::results::Results;
use crate::query::Text;

pub(super) fn run(text: Text, path: &Path, amount_over: u32, results: &mut Results) {
    results.text(ORDERS[..4].join(",").as_bytes());
    results.end_row();
    let least = i64::from(amount_over) * 100;
    for_each_record(text, path, &ORDERS, |[order, customer, date, amount, _]| {
        if cents(amount) > least {
            results.text(order);
            results.text(customer);
            results.text(date);
            results.text(amount);
            results.end_row();
        }
    });
}
