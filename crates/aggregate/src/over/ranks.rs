//! `ROW_NUMBER`, `RANK` and `DENSE_RANK`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use tidemill_plan::OverFunction;
use tidemill_record::{Image, ImageError};

use super::frames::{OverRows, OverState};
use crate::state::Results;

/// No key has more rows.
const ROW_NUMBER_MAX: i64 = i64::MAX / 2;

/// Where each key's rows stand.
pub(crate) struct Ranks {
    choose: fn(&Rank) -> i64,
    slots: Vec<Rank>,
}

#[derive(Clone, Copy, Default)]
struct Rank {
    row_number: i64,
    rank: i64,
    dense_rank: i64,
    /// Of the last row.
    time: i64,
}

impl Ranks {
    /// For one of the three functions; any other counts rows.
    pub(crate) fn new(function: &OverFunction) -> Self {
        let choose: fn(&Rank) -> i64 = match function {
            OverFunction::Rank => |rank| rank.rank,
            OverFunction::DenseRank => |rank| rank.dense_rank,
            _ => |rank| rank.row_number,
        };
        Self { choose, slots: Vec::new() }
    }
}

impl OverState for Ranks {
    fn update(&mut self, rows: &OverRows<'_>) -> Results {
        if self.slots.len() < rows.slot_count {
            self.slots.resize(rows.slot_count, Rank::default());
        }
        let values = rows.slots.iter().enumerate().map(|(row, &slot)| {
            let rank = &mut self.slots[slot as usize];
            // In order of arrival all rows of a key are peers.
            let time = rows.times.map_or(0, |times| times[row]);
            rank.row_number += 1;
            if rank.row_number == 1 || rank.time != time {
                rank.rank = rank.row_number;
                rank.dense_rank += 1;
                rank.time = time;
            }
            (self.choose)(rank)
        });
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        column.into()
    }

    fn retain(&mut self, slots: &[u32]) {
        self.slots = slots.iter().map(|&slot| self.slots[slot as usize]).collect();
    }

    fn slot_count(&self) -> usize {
        self.slots.len()
    }

    fn export(&self, slots: &[u32]) -> Image {
        let mut image = Image::new();
        let mut put = |name: &str, of: fn(&Rank) -> i64| {
            image.put(name, slots.iter().map(|&slot| of(&self.slots[slot as usize])));
        };
        put("row_number", |rank| rank.row_number);
        put("rank", |rank| rank.rank);
        put("dense_rank", |rank| rank.dense_rank);
        put("time", |rank| rank.time);
        image
    }

    fn import(&mut self, mut image: Image, slot_count: usize) -> Result<(), ImageError> {
        let mut take = |name: &str| image.take_exactly::<i64>(name, slot_count);
        let (row_numbers, ranks) = (take("row_number")?, take("rank")?);
        let (dense_ranks, times) = (take("dense_rank")?, take("time")?);
        image.end()?;
        let numbers = row_numbers.into_iter().zip(ranks).zip(dense_ranks).zip(times);
        let slots = numbers.map(|(((row_number, rank), dense_rank), time)| Rank {
            row_number,
            rank,
            dense_rank,
            time,
        });
        self.slots = slots.collect();
        let is_right = |rank: &Rank| {
            let is_ordered = rank.dense_rank <= rank.rank && rank.rank <= rank.row_number;
            1 <= rank.dense_rank && is_ordered && rank.row_number <= ROW_NUMBER_MAX
        };
        if !self.slots.iter().all(is_right) {
            return Err(ImageError::new("rank", "is not one of so many rows"));
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Rank>()
    }

    fn key_bytes(&self) -> (usize, usize) {
        (size_of::<Rank>(), 0)
    }
}
