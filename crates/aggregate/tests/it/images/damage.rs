//! Images that nothing exported: whatever stands in them, a table says no or goes on without a panic.

use tidemill_aggregate::AggTable;
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit};
use tidemill_record::DataType;
use tidemill_record::image::{Entry, Image, Texts};

use super::tables::{all_calls, spec_of};
use crate::groups::{call, random_rows, spec};
use crate::values::{Random, all_types, batch};

/// How many columns there are in an entry, itself included.
fn column_count(entry: &Entry) -> usize {
    match entry {
        Entry::Image(image) => {
            1 + image.entries().map(|(_, entry)| column_count(entry)).sum::<usize>()
        }
        Entry::Numbers { .. } | Entry::Texts(_) => 1,
    }
}

/// The image with one thing in it that is not as it was, any of its columns being as likely.
pub(crate) fn damaged(random: &mut Random, image: Image) -> Image {
    let counts: Vec<usize> = image.entries().map(|(_, entry)| column_count(entry)).collect();
    let mut at = random.below(counts.iter().sum::<usize>().max(1));
    let mut changed = Image::new();
    let mut is_changed = false;
    for ((name, entry), count) in image.into_entries().zip(counts) {
        if is_changed || at >= count {
            at -= if is_changed { 0 } else { count };
            changed.insert(name, entry);
            continue;
        }
        is_changed = true;
        match entry {
            Entry::Image(inner) if at > 0 => {
                changed.insert(name, Entry::Image(damaged(random, inner)));
            }
            entry => match random.below(12) {
                0 => {}
                1 => changed.insert(format!("{name}x"), entry),
                2 => changed.insert(name, Entry::Image(Image::new())),
                3 => changed.insert(name, Entry::Numbers { width: 8, bytes: Vec::new() }),
                _ => changed.insert(name, damaged_entry(random, entry)),
            },
        }
    }
    changed
}

fn damaged_entry(random: &mut Random, entry: Entry) -> Entry {
    match entry {
        Entry::Numbers { width, mut bytes } => {
            damage_bytes(random, usize::from(width), &mut bytes);
            Entry::Numbers { width, bytes }
        }
        Entry::Texts(texts) => {
            let (mut ends, mut bytes) = texts.into_parts();
            match random.below(4) {
                0 => damage_bytes(random, 1, &mut bytes),
                1 if !bytes.is_empty() => {
                    // Never part of UTF-8.
                    let at = random.below(bytes.len());
                    bytes[at] = 0xff;
                }
                2 if !ends.is_empty() => {
                    let at = random.below(ends.len());
                    ends[at] = random.next() % (2 * bytes.len() as u64 + 1);
                }
                _ => _ = ends.pop(),
            }
            Entry::Texts(Texts::from_parts(ends, bytes))
        }
        Entry::Image(image) => Entry::Image(image),
    }
}

/// Flips, sets, drops, repeats or exchanges some.
fn damage_bytes(random: &mut Random, width: usize, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.resize(width, 1);
        return;
    }
    let (count, at) = (bytes.len() / width.max(1), random.below(bytes.len()));
    match random.below(6) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes.truncate(at),
        2 => {
            // All of a number, to the least or the greatest.
            let start = at / width * width;
            let end = bytes.len().min(start + width);
            bytes[start..end].fill([0, 0xff][random.below(2)]);
            if random.below(2) == 0 {
                bytes[end - 1] ^= 0x80;
            }
        }
        3 => bytes.extend_from_within(at / width * width..),
        4 if count > 1 => {
            let (one, other) = (random.below(count), random.below(count));
            for byte in 0..width {
                bytes.swap(one * width + byte, other * width + byte);
            }
        }
        _ => bytes[at] = random.next().to_le_bytes()[0],
    }
}

/// Goes on with whatever a damaged image has become; how many were taken.
fn survive(spec: &AggregateSpec, seed: u64, tries: usize) -> usize {
    let mut random = Random(seed);
    let rows = random_rows(&mut random, &spec.input_types, 60);
    let (before, after) = rows.split_at(40);
    let (before, after) =
        (batch(&spec.input_types, before, 0), batch(&spec.input_types, after, 40));
    let table_of = || {
        let mut table = AggTable::new(spec.clone(), u64::MAX);
        table.update_changes(&before, &mut Vec::new()).unwrap();
        table
    };
    let image = table_of().export();
    let mut taken = 0;
    for _ in 0..tries {
        let damaged = damaged(&mut random, image.clone());
        let make = || {
            let mut table = AggTable::new(spec.clone(), u64::MAX);
            table.import(damaged.clone()).map(|()| table)
        };
        let Ok(mut table) = make() else { continue };
        taken += 1;
        // Sums may be out of range, which is an error and no panic.
        let mut changes = Vec::new();
        _ = table.update_changes(&after, &mut changes);
        _ = table.flush_changes(&mut changes);
        let again = table.export();
        _ = AggTable::new(spec.clone(), u64::MAX).import(again);
        let mut earlier = table_of();
        if earlier.merge(table).is_ok() && earlier.merge(make().unwrap()).is_ok() {
            earlier.into_batches(7).unwrap().for_each(drop);
        }
    }
    taken
}

#[test]
fn damaged_tables_are_refused_or_go_on() {
    let mut taken = 0;
    for (at, data_type) in (0..).zip(all_types()) {
        for (seed, emit) in (0..).zip([Emit::Final, Emit::Changes, Emit::ChangesEvery(3)]) {
            let spec = AggregateSpec { emit, ..spec_of(data_type.clone(), &data_type) };
            taken += survive(&spec, 1000 * at + seed, 40);
        }
    }
    assert!(taken > 100, "some can be told from none that was exported: {taken}");
}

/// One call at a time, so that its own columns are damaged each time.
#[test]
fn damaged_states_are_refused_or_go_on() {
    for (at, data_type) in (0..).zip(all_types()) {
        for (seed, call) in (0..).zip(all_calls(&data_type)) {
            let types =
                vec![DataType::TinyInt, data_type.clone(), DataType::Boolean, DataType::Double];
            survive(&spec(types, vec![0], vec![call]), 1000 * at + seed, 20);
        }
    }
}

#[test]
fn an_error_names_the_column_and_what_is_wrong_with_it() {
    let types = vec![DataType::Varchar, DataType::BigInt];
    let spec = spec(types, vec![0], vec![call(F::Sum, Some(1), DataType::BigInt)]);
    let mut random = Random(1);
    let rows = random_rows(&mut random, &spec.input_types, 60);
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    table.update(&batch(&spec.input_types, &rows, 0)).unwrap();
    let refused = |change: &dyn Fn(&mut Image)| {
        let mut image = table.export();
        change(&mut image);
        AggTable::new(spec.clone(), u64::MAX).import(image).unwrap_err().to_string()
    };
    assert_eq!(refused(&|image| _ = image.take_image("pending")), "pending: is missing");
    assert_eq!(refused(&|image| image.put_one("more", 1_u8)), "more: is not known here");
    let of_states = refused(&|image| {
        let mut states = image.take_images("states").unwrap();
        _ = states[0].take::<u8>("seen");
        states[0].put_flags("seen", [true]);
        image.put_images("states", states);
    });
    assert_eq!(of_states, format!("states/0/seen: has 1 values and not {}", table.group_count()));
    let twice = refused(&|image| {
        let mut keys = Image::new();
        let texts: Vec<&[u8]> = vec![b"a"; table.group_count()];
        let mut column = Image::new();
        column.put_texts("values", texts);
        keys.put_image("key 0", column);
        _ = image.take_image("keys");
        image.put_image("keys", keys);
    });
    assert_eq!(twice, "keys/key 0: holds a key twice");
}
