//! Keys that have one hash under the constant seed, which is public, cost what any others do.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{BinaryViewArray, Decimal128Array, StringViewArray};

use super::*;

const KEYS: u64 = 80_000;
/// What the constant seed has a hasher begin with: `ARBITRARY3` of `foldhash` beside the seed itself.
const BEGIN: u64 = 0x082e_fa98_ec4e_6c89 ^ 0x7469_6465_6d69_6c6c;
/// The first of the constants that it multiplies by (`ARBITRARY6`).
const FACTOR: u64 = 0xc0ac29b7c97c50dd;

fn numbers() -> impl Iterator<Item = u64> {
    (0..KEYS).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// `(low ^ BEGIN) * (high ^ FACTOR)`: a factor of zero makes the hash zero whatever the other is.
fn decimals(are_alike: bool) -> (DataType, ArrayRef) {
    let low = |number: u64| if are_alike { BEGIN } else { number };
    let value = |number| (i128::from(number % 1_000_003) << 64) | i128::from(low(number));
    let values: Decimal128Array = numbers().map(value).collect();
    let values = values.with_precision_and_scale(38, 0).unwrap();
    (DataType::Decimal { precision: 38, scale: 0 }, Arc::new(values))
}

/// Of twelve bytes, which a view holds: its length and four of them, then the eight that are multiplied.
fn short_bytes(are_alike: bool) -> (DataType, ArrayRef) {
    let value = |number: u64| {
        let rest = if are_alike { FACTOR } else { number };
        let start = u32::try_from(number % 4_294_967_291).unwrap();
        [&start.to_le_bytes()[..], &rest.to_le_bytes()].concat()
    };
    let values: BinaryViewArray = numbers().map(|number| Some(value(number))).collect();
    (DataType::Varbinary, Arc::new(values))
}

/// Of 24 bytes: the first eight are multiplied by those that stand sixteen before the end.
fn long_bytes(are_alike: bool) -> (DataType, ArrayRef) {
    let value = |number: u64| {
        let middle = if are_alike { FACTOR } else { number };
        [number, middle, 7].map(u64::to_le_bytes).concat()
    };
    let values: BinaryViewArray = numbers().map(|number| Some(value(number))).collect();
    (DataType::Varbinary, Arc::new(values))
}

fn fixed_hashes(data_type: &DataType, array: &ArrayRef) -> Vec<u64> {
    let column = KeyColumn::new(data_type).unwrap();
    let mut hashes = Vec::new();
    column.input(array).hash_rows(&hash::FIXED, array.len(), &mut hashes);
    hashes
}

fn cost(data_types: &[DataType], arrays: &[&ArrayRef]) -> Duration {
    let once = || {
        let mut interner = Interner::new(data_types).unwrap();
        let mut groups = Vec::new();
        let begun = Instant::now();
        for start in (0..arrays[0].len()).step_by(8000) {
            let slices: Vec<ArrayRef> =
                arrays.iter().map(|array| array.slice(start, 8000)).collect();
            interner.intern(&slices.iter().collect::<Vec<_>>(), 8000, &mut groups).unwrap();
        }
        assert_eq!(interner.group_count(), arrays[0].len());
        begun.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap()
}

#[test]
fn keys_of_one_hash_under_the_constant_seed_cost_what_others_do() {
    type Keys = fn(bool) -> (DataType, ArrayRef);
    let kinds: [(&str, Keys); 3] =
        [("DECIMAL", decimals), ("short VARBINARY", short_bytes), ("VARBINARY", long_bytes)];
    for (name, keys) in kinds {
        let (data_type, alike) = keys(true);
        let hashes = fixed_hashes(&data_type, &alike);
        assert!(hashes.iter().all(|&hash| hash == hashes[0]), "{name}: the attack is one");
        let (_, random) = keys(false);
        let texts =
            StringViewArray::from_iter_values(numbers().map(|number| (number % 3).to_string()));
        let texts: ArrayRef = Arc::new(texts);
        for types in [vec![data_type.clone()], vec![DataType::Varchar, data_type.clone()]] {
            let columns = |keys| if types.len() == 1 { vec![keys] } else { vec![&texts, keys] };
            let (alike, random) = (cost(&types, &columns(&alike)), cost(&types, &columns(&random)));
            // A noisy host; compared with all before it each would cost thousands of times as much.
            assert!(
                alike < random * 3,
                "{name} of {}: {alike:?}, and {random:?} at random",
                types.len()
            );
        }
    }
}

#[test]
fn two_tables_have_seeds_of_their_own_and_one_order_of_groups() {
    let (data_type, array) = decimals(false);
    let (mut one, mut other) =
        (Interner::new([&data_type]).unwrap(), Interner::new([&data_type]).unwrap());
    let (mut groups_of_one, mut groups_of_other) = (Vec::new(), Vec::new());
    one.intern(&[&array], array.len(), &mut groups_of_one).unwrap();
    other.intern(&[&array], array.len(), &mut groups_of_other).unwrap();
    assert_eq!(groups_of_one, groups_of_other);
    assert_eq!(one.heap_bytes(), other.heap_bytes());
    let group = hash::of_u128(&one.seed, 7);
    assert_ne!(group, hash::of_u128(&other.seed, 7));
    assert!(
        one.fingerprints(&[0]).eq(other.fingerprints(&[0])),
        "fingerprints have no seed of theirs"
    );
}
