//! Groups by the place of their key, where keys are whole numbers that lie close together.
//!
//! A key of days, of truth values, of small numbers has few values that it can have. Every column has a range, and a
//! place in it for NULL; the product of the ranges is a list of groups, and a key's place in it is a multiplication and
//! an addition a column. Nothing is hashed or compared.

use crate::keys::column::KeyInput;
use crate::keys::fixed::FixedInput;

/// Places of the longest list: they fit L2 with what else is used.
const PLACES_MAX: usize = 1 << 18;
/// A list of so many places needs no rows to pay for it.
const PLACES_FREE: usize = 1 << 10;
/// Otherwise a list has so many places for a row that has come, at most.
const PLACES_A_ROW: usize = 8;

/// A range of values, and the place of NULL before it.
#[derive(Clone, Copy)]
struct Range {
    /// The least value.
    least: i64,
    /// How many values there are.
    count: usize,
    /// Places between two values that follow each other.
    step: usize,
}

/// A list of groups by place.
pub(super) struct Ranges {
    columns: Vec<Range>,
    /// The number of the group and one, or 0 where the key has not come.
    pub(super) groups: Vec<u32>,
}

/// What is asked of a batch's keys.
pub(super) enum Places {
    /// Every row has one.
    All,
    /// Some key lies outside of the ranges.
    Outside,
}

/// The least and the greatest value of a column; `None` where all are NULL.
type Bounds = Option<(i64, i64)>;

fn bounds_of(input: &FixedInput<'_, u64>) -> Bounds {
    let values = input.canonical.iter().map(|value| value.cast_signed());
    let within = |bounds: Bounds, value: i64| match bounds {
        Some((least, greatest)) => Some((least.min(value), greatest.max(value))),
        None => Some((value, value)),
    };
    match &input.nulls {
        None => {
            let first = input.canonical.first()?.cast_signed();
            let all = values.fold((first, first), |(l, g), value| (l.min(value), g.max(value)));
            Some(all)
        }
        Some(nulls) => {
            let valid = values.zip(nulls.iter()).filter(|(_, is_valid)| *is_valid);
            valid.fold(None, |bounds, (value, _)| within(bounds, value))
        }
    }
}

fn joined(one: Bounds, other: Bounds) -> Bounds {
    match (one, other) {
        (Some((l, g)), Some((least, greatest))) => Some((l.min(least), g.max(greatest))),
        (one, other) => one.or(other),
    }
}

fn whole<'a, 'b>(input: &'b KeyInput<'a>) -> &'b FixedInput<'a, u64> {
    match input {
        KeyInput::Fixed(input) => input,
        _ => unreachable!("columns of ranges are of whole numbers"),
    }
}

impl Ranges {
    /// A list for these keys and those of a batch, `groups` being the keys that groups have; `None` if it would be too
    /// long for `row_count` rows in all. There are no groups in it yet.
    ///
    /// There is room for keys to come, so that a range which grows with each batch is not made anew with each. Where there
    /// is none, the list is as long as it must be, if that `is_seldom` asked for.
    pub(super) fn of(
        groups: &[KeyInput<'_>],
        batch: &[KeyInput<'_>],
        row_count: u64,
        is_seldom: bool,
    ) -> Option<Self> {
        let bounds = groups.iter().zip(batch);
        let bounds = bounds.map(|(groups, batch)| {
            joined(bounds_of(whole(groups)), bounds_of(whole(batch))).unwrap_or((0, 0))
        });
        let bounds: Vec<(i64, i64)> = bounds.collect();
        let row_count = usize::try_from(row_count).unwrap_or(usize::MAX);
        let places_max = row_count.saturating_mul(PLACES_A_ROW).clamp(PLACES_FREE, PLACES_MAX);
        let exact = || Self::with_room(&bounds, false, places_max).filter(|_| is_seldom);
        Self::with_room(&bounds, true, places_max).or_else(exact)
    }

    fn with_room(bounds: &[(i64, i64)], has_room: bool, places_max: usize) -> Option<Self> {
        let mut columns = Vec::with_capacity(bounds.len());
        let mut step = 1_usize;
        for &(least, greatest) in bounds {
            let length = greatest.checked_sub(least)?;
            let (before, behind) = if has_room { (length / 8, length / 4 + 2) } else { (0, 0) };
            let least = least.saturating_sub(before);
            let last = greatest.saturating_add(behind);
            let count = usize::try_from(last.checked_sub(least)?).ok()?.checked_add(1)?;
            columns.push(Range { least, count, step });
            step = step.checked_mul(count.checked_add(1)?).filter(|&step| step <= places_max)?;
        }
        Some(Self { columns, groups: vec![0; step] })
    }

    /// The place of every row's key.
    pub(super) fn places(&self, inputs: &[KeyInput<'_>], places: &mut Vec<u32>) -> Places {
        places.clear();
        let mut are_inside = true;
        for (at, (range, input)) in self.columns.iter().zip(inputs).enumerate() {
            let input = whole(input);
            let (least, count, step) = (range.least, range.count as u64, range.step as u64);
            let place = |value: &u64| {
                let distance = value.cast_signed().wrapping_sub(least).cast_unsigned();
                let is_inside = distance < count;
                let place = if is_inside { (distance + 1) * step } else { 0 };
                #[expect(clippy::cast_possible_truncation, reason = "there are fewer places")]
                let place = place as u32;
                (place, is_inside)
            };
            if at == 0 {
                places.resize(input.canonical.len(), 0);
            }
            let rows = places.iter_mut().zip(input.canonical.iter());
            match &input.nulls {
                None => rows.for_each(|(sum, value)| {
                    let (place, is_inside) = place(value);
                    *sum += place;
                    are_inside &= is_inside;
                }),
                Some(nulls) => rows.zip(nulls.iter()).for_each(|((sum, value), is_valid)| {
                    let (place, is_inside) = place(value);
                    *sum += if is_valid { place } else { 0 };
                    are_inside &= is_inside | !is_valid;
                }),
            }
        }
        if are_inside { Places::All } else { Places::Outside }
    }

    /// Forgets all groups.
    pub(super) fn clear(&mut self) {
        self.groups.fill(0);
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<u32>() + self.columns.capacity() * size_of::<Range>()
    }
}
