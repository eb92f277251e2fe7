//! What one key keeps of its rows for functions with `IGNORE NULLS`: [`Present`] for frames that slide,
//! [`Before`] for `LAG`. Where a frame only grows, `held` serves.

use std::collections::VecDeque;

use tidemill_record::{DataType, Image, ImageError};

use super::columns::{put_ends, sum, take_counts};
use super::held::{Function, Held, of_row, put_values, take_values};
use crate::state::Accumulator;

/// The values of a frame that are not NULL, and which of its rows have one.
pub(crate) struct Present<A: Accumulator> {
    values: VecDeque<A::State>,
    has_value: VecDeque<bool>,
}

impl<A: Accumulator> Default for Present<A> {
    fn default() -> Self {
        Self { values: VecDeque::new(), has_value: VecDeque::new() }
    }
}

impl<A: Accumulator> Held<A> for Present<A> {
    const ROW_BYTES: usize = size_of::<A::State>() + size_of::<bool>();

    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool) {
        self.has_value.push_back(counted);
        if counted {
            self.values.push_back(of_row(function, column, row, counted).state);
        }
    }

    fn pop(&mut self, _: &Function<A>) {
        if self.has_value.pop_front() == Some(true) {
            self.values.pop_front();
        }
    }

    fn reserve(&mut self, row_count: usize) {
        self.values.reserve_exact(row_count.saturating_sub(self.values.len()));
        self.has_value.reserve_exact(row_count.saturating_sub(self.has_value.len()));
    }

    /// The value at the function's place, or the last one where the place is that of no row.
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool {
        let value = match function.place {
            usize::MAX => self.values.back(),
            place => self.values.get(place),
        };
        append(function, value, output)
    }

    fn heap_bytes(&self) -> usize {
        let outside: usize = self.values.iter().map(A::outside_bytes).sum();
        self.values.capacity() * size_of::<A::State>() + self.has_value.capacity() + outside
    }

    fn row_count(&self) -> Option<usize> {
        Some(self.has_value.len())
    }

    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a,
    {
        put_values::<A>(image, held.clone().map(|held| &held.values));
        put_ends(image, "row_ends", held.clone().map(|held| held.has_value.len()));
        image.put_flags("has_value", held.flat_map(|held| held.has_value.iter().copied()));
    }

    fn import(
        function: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError> {
        let values = take_values(function, data_type, image, key_count)?;
        let counts = take_counts(image, "row_ends", key_count)?;
        let mut has_value = image.take_flags("has_value", sum(&counts))?.into_iter();
        let held = values.into_iter().zip(counts).map(|(values, count)| {
            let has_value: VecDeque<bool> = has_value.by_ref().take(count).collect();
            if has_value.iter().filter(|&&has_value| has_value).count() != values.len() {
                return Err(ImageError::new("has_value", "does not say how many values there are"));
            }
            Ok(Self { values, has_value })
        });
        held.collect()
    }
}

/// The last values that are not NULL, of which one before the newest row is asked for.
pub(crate) struct Before<A: Accumulator> {
    values: VecDeque<A::State>,
    /// The newest row is not NULL, and so the last of the values.
    is_newest_last: bool,
}

impl<A: Accumulator> Default for Before<A> {
    fn default() -> Self {
        Self { values: VecDeque::new(), is_newest_last: false }
    }
}

impl<A: Accumulator> Held<A> for Before<A> {
    const ROW_BYTES: usize = size_of::<A::State>();

    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool) {
        self.is_newest_last = counted;
        if counted {
            if self.values.len() == function.rows_max {
                self.values.pop_front();
            }
            self.values.push_back(of_row(function, column, row, counted).state);
        }
    }

    fn pop(&mut self, _: &Function<A>) {
        unreachable!("a frame that only grows drops no row");
    }

    fn reserve(&mut self, _: usize) {}

    /// The value so many places before the newest row; [`Function::place`] is at least one.
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool {
        let before = self.values.len() - usize::from(self.is_newest_last);
        let place = before.checked_sub(function.place);
        append(function, place.and_then(|place| self.values.get(place)), output)
    }

    fn heap_bytes(&self) -> usize {
        let outside: usize = self.values.iter().map(A::outside_bytes).sum();
        self.values.capacity() * size_of::<A::State>() + outside
    }

    fn row_count(&self) -> Option<usize> {
        None
    }

    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a,
    {
        put_values::<A>(image, held.clone().map(|held| &held.values));
        image.put_flags("is_newest_last", held.map(|held| held.is_newest_last));
    }

    fn import(
        function: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError> {
        let values = take_values(function, data_type, image, key_count)?;
        let are_newest_last = image.take_flags("is_newest_last", key_count)?;
        let held = values.into_iter().zip(are_newest_last).map(|(values, is_newest_last)| {
            if is_newest_last && values.is_empty() {
                return Err(ImageError::new("is_newest_last", "names a value that is not there"));
            }
            Ok(Self { values, is_newest_last })
        });
        held.collect()
    }
}

fn append<A: Accumulator>(
    function: &Function<A>,
    value: Option<&A::State>,
    output: &mut A::Output,
) -> bool {
    match value {
        Some(value) => function.accumulator.append(output, value, true),
        None => function.accumulator.append(output, &A::State::default(), false),
    }
}
