//! Groups are those of a map, whatever keys come and however; keys that have one hash under the constant seed, which is
//! public, cost what any others do.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
    Int64Array, IntervalMonthDayNanoArray, StringViewArray,
};
use arrow_buffer::IntervalMonthDayNano;

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

/// As [`decimals`], of nanoseconds in all: as many months as there are in them, and the rest.
fn intervals(are_alike: bool) -> (DataType, ArrayRef) {
    const MONTH_NANOS: i128 = 30 * 86_400 * 1_000_000_000;
    let value = |(high, number): (i128, u64)| {
        let nanos = (high << 64) | i128::from(if are_alike { BEGIN } else { number });
        let months = i32::try_from(nanos / MONTH_NANOS).unwrap();
        IntervalMonthDayNano::new(months, 0, i64::try_from(nanos % MONTH_NANOS).unwrap())
    };
    let values: IntervalMonthDayNanoArray = (0..).zip(numbers()).map(value).map(Some).collect();
    (DataType::Interval, Arc::new(values))
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

/// What it takes to find each of the keys: comparisons, and slots on the way to them. It does not depend on the host.
fn cost(data_types: &[DataType], arrays: &[&ArrayRef]) -> (usize, usize) {
    let mut interner = Interner::new(data_types).unwrap();
    let mut groups = Vec::new();
    for start in (0..arrays[0].len()).step_by(8000) {
        let slices: Vec<ArrayRef> = arrays.iter().map(|array| array.slice(start, 8000)).collect();
        interner.intern(&slices.iter().collect::<Vec<_>>(), 8000, &mut groups).unwrap();
    }
    assert_eq!(interner.group_count(), arrays[0].len());
    interner.slots.work_counts()
}

#[test]
fn keys_of_one_hash_under_the_constant_seed_cost_what_others_do() {
    type Keys = fn(bool) -> (DataType, ArrayRef);
    let kinds: [(&str, Keys); 4] = [
        ("DECIMAL", decimals),
        ("INTERVAL", intervals),
        ("short VARBINARY", short_bytes),
        ("VARBINARY", long_bytes),
    ];
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
            let alike = cost(&types, &columns(&alike));
            let random = cost(&types, &columns(&random));
            let of = types.len();
            // Compared with all before it, each would cost tens of thousands of comparisons.
            assert!(alike.0 * 2 <= random.0 * 3, "{name} of {of}: {alike:?}, at random {random:?}");
            // Behind all before it, each would pass tens of thousands.
            assert!(alike.1 * 2 <= random.1 * 3, "{name} of {of}: {alike:?}, at random {random:?}");
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

/// Xorshift, for reproducible keys.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a number is as a key: of some types several numbers are one key.
const KINDS: [DataType; 8] = [
    DataType::BigInt,
    DataType::TinyInt,
    DataType::Boolean,
    DataType::Date,
    DataType::Double,
    DataType::Varchar,
    DataType::Varbinary,
    DataType::Decimal { precision: 38, scale: 0 },
];

fn text(number: i64) -> String {
    // Some stand in their view, some do not, and some differ only behind what a view holds of them.
    match number.rem_euclid(3) {
        0 => number.to_string(),
        1 => format!("the same beginning of {number}"),
        _ => format!("{number:012}"),
    }
}

fn column(data_type: &DataType, numbers: &[Option<i64>]) -> (ArrayRef, Vec<String>) {
    let numbers = numbers.iter().copied();
    let small = |number: i64| i8::try_from(number.rem_euclid(100)).unwrap();
    let day = |number: i64| i32::try_from(number.rem_euclid(5000)).unwrap();
    let half = |number: i64| f64::from(i32::try_from(number.rem_euclid(1 << 20)).unwrap()) / 2.0;
    macro_rules! made {
        ($array:ty, $of:expr) => {{
            let of = $of;
            let values = numbers.clone().map(|number| number.map(&of));
            let array: ArrayRef = Arc::new(values.collect::<$array>());
            (array, numbers.map(|number| format!("{:?}", number.map(&of))).collect())
        }};
    }
    match data_type {
        DataType::BigInt => made!(Int64Array, |number: i64| number),
        DataType::TinyInt => made!(Int8Array, small),
        DataType::Boolean => made!(BooleanArray, |number: i64| number & 1 == 1),
        DataType::Date => made!(Date32Array, day),
        DataType::Double => made!(Float64Array, half),
        DataType::Varchar => made!(StringViewArray, text),
        DataType::Varbinary => made!(BinaryViewArray, |number: i64| text(number).into_bytes()),
        _ => made!(Decimal128Array, |number: i64| i128::from(number) << 40),
    }
}

/// Numbers from a few close together to all there are, by stretches: a list of places grows, is left and comes back.
fn number(random: &mut Random, stretch: u64) -> Option<i64> {
    let any = random.below(u64::MAX).cast_signed();
    match (stretch % 6, random.below(50)) {
        (_, 0) => None,
        (0, _) => Some(any.rem_euclid(10)),
        (1, _) => Some(any.rem_euclid(3000) - 1000),
        (2, 1) => Some([i64::MIN, i64::MAX, 0, -1][usize::try_from(any.rem_euclid(4)).unwrap()]),
        (2, _) => Some(any.rem_euclid(70_000)),
        (3, _) => Some(any & !0xffff_ffff),
        (4, _) => Some(any % 20_000),
        _ => Some(any),
    }
}

#[test]
fn groups_are_those_of_a_map_whatever_keys_come() {
    for seed in 1..=60_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut types = vec![KINDS[usize::try_from(seed % 8).unwrap()].clone()];
        for _ in 0..random.below(3) {
            types.push(KINDS[usize::try_from(random.below(8)).unwrap()].clone());
        }
        let mut interner = Interner::new(&types).unwrap();
        let mut known: BTreeMap<Vec<String>, u32> = BTreeMap::new();
        let mut firsts: Vec<Vec<String>> = Vec::new();
        let mut groups = Vec::new();
        for batch in 0..60 {
            let row_count = [1, 7, 600, 1500][usize::try_from(random.below(4)).unwrap()];
            let stretch = if seed % 3 == 0 { 0 } else { seed + batch / 15 };
            let columns: Vec<(ArrayRef, Vec<String>)> = types
                .iter()
                .map(|data_type| {
                    let numbers: Vec<Option<i64>> =
                        (0..row_count).map(|_| number(&mut random, stretch)).collect();
                    column(data_type, &numbers)
                })
                .collect();
            let arrays: Vec<&ArrayRef> = columns.iter().map(|(array, _)| array).collect();
            interner.intern(&arrays, row_count, &mut groups).unwrap();
            assert_eq!(groups.len(), row_count);
            for (row, &group) in groups.iter().enumerate() {
                let key: Vec<String> =
                    columns.iter().map(|(_, texts)| texts[row].clone()).collect();
                let next = u32::try_from(known.len()).unwrap();
                let expected = *known.entry(key.clone()).or_insert_with(|| {
                    firsts.push(key);
                    next
                });
                assert_eq!(group, expected, "seed {seed}, batch {batch}, {types:?}");
            }
            assert_eq!(interner.group_count(), known.len());
        }
        // Interned keys as keys of another table, some at a time.
        let mut other = Interner::new(&types).unwrap();
        let mut all = Vec::new();
        let mut start = 0;
        while start < known.len() {
            let end = known.len().min(start + 1 + usize::try_from(random.below(900)).unwrap());
            let inputs: KeyInputs<'_> =
                interner.columns().iter().map(|column| column.own_input(start..end)).collect();
            other.intern_inputs(&inputs, end - start, &mut groups).unwrap();
            all.extend_from_slice(&groups);
            start = end;
        }
        assert!(all.iter().copied().eq(0..u32::try_from(known.len()).unwrap()), "seed {seed}");
        for (one, other) in interner.columns().iter().zip(other.columns()) {
            assert_eq!(&one.gather(&all), &other.gather(&all), "seed {seed}, {types:?}");
        }
        if seed % 7 == 0 {
            interner.clear();
            assert_eq!(interner.group_count(), 0);
            let array = column(&types[0], &[Some(3), None, Some(3)]).0;
            let arrays = vec![&array; 1];
            if types.len() == 1 {
                interner.intern(&arrays, 3, &mut groups).unwrap();
                assert_eq!(groups, [0, 1, 0]);
            }
        }
    }
}

#[test]
fn whole_numbers_close_together_are_places_and_others_are_not() {
    let interned = |numbers: &[i64], at_once: usize| {
        let mut interner = Interner::new(&[DataType::BigInt]).unwrap();
        let mut groups = Vec::new();
        for some in numbers.chunks(at_once) {
            let array: ArrayRef = Arc::new(Int64Array::from(some.to_vec()));
            interner.intern(&[&array], some.len(), &mut groups).unwrap();
        }
        interner
    };
    let days: Vec<i64> = (0..20_000).map(|at| 18_000 + at * 7 % 3000).collect();
    assert!(interned(&days, 5000).ranges.is_some());
    let far: Vec<i64> = days.iter().map(|day| day << 32).collect();
    assert!(interned(&far, 5000).ranges.is_none());
    // A few numbers that grow with each batch, and at last are too many for so few rows.
    let growing: Vec<i64> = (0..2000).map(|at| at * 40).collect();
    let interner = interned(&growing, 1);
    assert!(interner.ranges.is_none());
    assert_eq!(interner.group_count(), growing.len());
}

#[test]
fn few_texts_beside_whole_numbers_are_places_until_there_are_many() {
    let types = [DataType::Varchar, DataType::TinyInt, DataType::Varchar];
    let mut interner = Interner::new(&types).unwrap();
    let mut known: BTreeMap<Vec<String>, u32> = BTreeMap::new();
    let mut groups = Vec::new();
    let mut were_places = Vec::new();
    // Four thousand texts beside a hundred numbers and three texts are too many places.
    for (text_count, batches) in [(3_i64, 5), (40, 10), (4000, 20)] {
        for batch in 0..batches {
            let numbers = |step: i64, count: i64| -> Vec<Option<i64>> {
                let some = (0..700).map(|row| (row * step + batch) % count);
                some.map(|number| (number != 2).then_some(number)).collect()
            };
            let columns = [
                column(&types[0], &numbers(7, text_count)),
                column(&types[1], &numbers(1, 100)),
                column(&types[2], &numbers(11, 3)),
            ];
            let arrays = [&columns[0].0, &columns[1].0, &columns[2].0];
            interner.intern(&arrays, 700, &mut groups).unwrap();
            for (row, &group) in groups.iter().enumerate() {
                let key: Vec<String> =
                    columns.iter().map(|(_, texts)| texts[row].clone()).collect();
                let next = u32::try_from(known.len()).unwrap();
                assert_eq!(group, *known.entry(key).or_insert(next), "{text_count}, {batch}");
            }
        }
        were_places.push(interner.ranges.is_some());
    }
    assert_eq!(were_places, [true, true, false]);
    assert_eq!(interner.group_count(), known.len());
}

#[test]
fn equal_views_of_other_memory_are_other_keys() {
    // Dictionaries of texts of one length and one beginning: their views are equal, and the texts are not.
    let dictionary = |number: usize| {
        let texts =
            (0..40).map(move |at| format!("text of {:04} in some dictionary", at * number % 97));
        StringViewArray::from_iter_values(texts)
    };
    let mut interner = Interner::new([&DataType::Varchar]).unwrap();
    let mut expected: BTreeMap<String, u32> = BTreeMap::new();
    let mut random = 1_u32;
    for batch in 0..40 {
        // Three batches of each, one of them of short texts beside the long ones.
        let texts = dictionary(batch / 3 % 5 + 1);
        let rows: Vec<u32> = (0..4000)
            .map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 16) % 40
            })
            .collect();
        let rows = arrow_array::UInt32Array::from(rows);
        let array = arrow_select::take::take(&texts, &rows, None).unwrap();
        let array: ArrayRef = match batch % 3 {
            2 => Arc::new(
                array
                    .as_string_view()
                    .iter()
                    .flatten()
                    .map(|text| Some(if text.contains('7') { &text[..9] } else { text }))
                    .collect::<StringViewArray>(),
            ),
            _ => array,
        };
        let mut groups = Vec::new();
        interner.intern(&[&array], array.len(), &mut groups).unwrap();
        for (text, group) in array.as_string_view().iter().flatten().zip(groups) {
            let next = u32::try_from(expected.len()).unwrap();
            assert_eq!(*expected.entry(text.to_owned()).or_insert(next), group, "batch {batch}");
        }
    }
    assert_eq!(interner.group_count(), expected.len());
}
