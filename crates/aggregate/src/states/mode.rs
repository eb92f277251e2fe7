//! `MODE`: how often each value of a group has come, and which of them came most often.
//!
//! Counts only grow, so the most frequent value is known after each row by a look at that row's count. Of
//! values that came equally often the first is it; with an order, the first in that order.

use std::any::Any;

use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::seen_values::{MERGE_ROWS, SeenValues};
use crate::AggregateError;
use crate::argument::Rows;
use crate::state::{KeptValues, Results, State, allocated, downcast, take_field};

/// Which of equally frequent values it is.
#[derive(Clone, Copy)]
pub(crate) enum Tie {
    First,
    Least,
    Greatest,
}

/// The state for an argument type; `None` for `ARRAY`.
pub(crate) fn state(argument: &DataType, tie: Tie) -> Option<Box<dyn State>> {
    let values = SeenValues::new(&[argument])?;
    let (counts, best, indices) = (Vec::new(), Vec::new(), Vec::new());
    Some(Box::new(Mode { tie, values, counts, best, indices }))
}

struct Mode {
    tie: Tie,
    values: SeenValues,
    /// How often each pair of a group and a value has come, at least once.
    counts: Vec<u64>,
    /// The pair of each group that came most often, or [`NONE`].
    best: Vec<u32>,
    /// Reused from batch to batch.
    indices: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Mode {
    /// Counts a pair of a group so often.
    fn count(&mut self, group: u32, pair: u32, times: u64) {
        let place = pair as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += times;
        let best = self.best[group as usize];
        if best == NONE || self.beats(pair, best) {
            self.best[group as usize] = pair;
        }
    }

    fn beats(&self, pair: u32, best: u32) -> bool {
        let (count, most) = (self.counts[pair as usize], self.counts[best as usize]);
        let compared = || self.values.compare(pair, best);
        count > most
            || count == most
                && match self.tie {
                    Tie::First => pair < best,
                    Tie::Least => compared().is_lt(),
                    Tie::Greatest => compared().is_gt(),
                }
    }

    /// Adds rows, and tells of every row which pair its group has most of then.
    fn add(&mut self, rows: &Rows<'_>, mut after: impl FnMut(u32)) -> Result<(), AggregateError> {
        let counted = rows.counted(true);
        let mut indices = std::mem::take(&mut self.indices);
        let interned =
            self.values.intern(&rows.groups, rows.arguments, counted.as_ref(), &mut indices);
        if let Err(error) = interned {
            self.indices = indices;
            return Err(error);
        }
        let mut pairs = indices.iter();
        for (row, &group) in rows.groups.iter().enumerate() {
            if counted.as_ref().is_none_or(|counted| counted.value(row))
                && let Some(&pair) = pairs.next()
            {
                self.count(group, pair, 1);
            }
            after(self.best[group as usize]);
        }
        self.indices = indices;
        Ok(())
    }

    /// Counts pairs so often as it says beside each.
    fn add_counts(&mut self, groups: &[u32], pairs: &[u32], counts: impl Iterator<Item = u64>) {
        for ((&group, &pair), times) in groups.iter().zip(pairs).zip(counts) {
            self.count(group, pair, times);
        }
    }

    /// The values of these pairs, NULL for [`NONE`].
    fn values_of(&self, pairs: &[u32]) -> Results {
        if !pairs.contains(&NONE) {
            return self.values.gather(pairs).swap_remove(0).into();
        }
        let known: Vec<u32> = pairs.iter().copied().filter(|&pair| pair != NONE).collect();
        let known_values = self.values.gather(&known).swap_remove(0);
        let mut place = 0;
        let places = pairs.iter().map(|&pair| {
            let is_known = pair != NONE;
            place += u32::from(is_known);
            is_known.then(|| place - 1)
        });
        let places: arrow_array::UInt32Array = places.collect();
        let values = arrow_select::take::take(&known_values, &places, None);
        values.expect("places are those of values").into()
    }
}

impl State for Mode {
    fn grow(&mut self, group_count: usize) {
        if group_count > self.best.len() {
            self.best.resize(group_count, NONE);
        }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.counts = Vec::new();
        self.best.clear();
    }

    fn kept_values(&self) -> KeptValues {
        KeptValues::Looked
    }

    fn list_by_group(&mut self) {
        self.values.list_by_group();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        self.add(rows, |_| {})
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let mut after = Vec::with_capacity(rows.groups.len());
        self.add(rows, |pair| after.push(pair))?;
        Ok(self.values_of(&after))
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        let (pairs, groups) = later.values.pairs_for(there, here);
        let (mut numbers, mut indices) = (Vec::new(), Vec::new());
        for (pairs, groups) in pairs.chunks(MERGE_ROWS).zip(groups.chunks(MERGE_ROWS)) {
            self.values.intern_of(&later.values, pairs, groups, &mut numbers, &mut indices)?;
            let counts = pairs.iter().map(|&pair| later.counts[pair as usize]);
            self.add_counts(groups, &indices, counts);
        }
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        self.best[from as usize] = NONE;
        let pairs = self.values.take_pairs(from);
        let mut indices = Vec::new();
        for pairs in pairs.chunks(MERGE_ROWS) {
            let counts: Vec<u64> = pairs.iter().map(|&pair| self.counts[pair as usize]).collect();
            let groups = vec![into; pairs.len()];
            self.values.intern_own(pairs, &groups, &mut indices)?;
            self.add_counts(&groups, &indices, counts.into_iter());
        }
        Ok(())
    }

    fn finish(&self, groups: &[u32]) -> Results {
        let pairs: Vec<u32> = groups.iter().map(|&group| self.best[group as usize]).collect();
        self.values_of(&pairs)
    }

    fn heap_bytes(&self) -> usize {
        let (pairs, lists) = self.values.heap_bytes();
        let best = self.best.capacity() * size_of::<u32>();
        pairs + lists + best + allocated(self.counts.capacity() * size_of::<u64>())
    }

    fn outside_bytes(&self) -> usize {
        self.values.heap_bytes().0 + self.counts.capacity() * size_of::<u64>()
    }

    fn group_bytes(&self) -> usize {
        size_of::<u32>()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let mut seen = Image::new();
        let pairs = self.values.export(groups, &mut seen);
        let mut image = Image::new();
        image.put_image("seen", seen);
        image.put("times", pairs.iter().map(|&pair| self.counts[pair as usize]));
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let mut seen = image.take_image("seen")?;
        let groups = self.values.import(&mut seen, group_count);
        let groups = groups.and_then(|groups| seen.end().map(|()| groups));
        let groups = groups.map_err(|error| error.within("seen"))?;
        let times: Vec<u64> = take_field(&mut image, "times", groups.len())?;
        image.end()?;
        if times.contains(&0) {
            return Err(ImageError::new("times", "holds a value that has not come"));
        }
        self.grow(group_count);
        for (pair, (group, times)) in (0..).zip(groups.into_iter().zip(times)) {
            self.count(group, pair, times);
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
