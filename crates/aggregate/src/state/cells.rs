//! The column of states of any [`Accumulator`].

use std::any::Any;

use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::{Accumulator, AsColumns, Output, Overflow, Results, State, downcast, resize_tight};
use crate::AggregateError;
use crate::argument::{Column, Groups, Rows};

/// In an image, whether each group has counted rows.
const SEEN: &str = "seen";

/// One state per group of one accumulator.
pub(crate) struct Cells<A: Accumulator> {
    accumulator: A,
    data_type: DataType,
    states: Vec<A::State>,
    /// Empty unless [`Accumulator::TRACKS_SEEN`].
    seen: Vec<bool>,
    /// How many of `seen` are not set.
    unseen_count: usize,
    /// What the states hold outside of themselves.
    outside_bytes: usize,
}

impl<A: Accumulator> Cells<A> {
    /// No groups yet. `data_type` is that of the result.
    pub(crate) fn boxed(accumulator: A, data_type: &DataType) -> Box<dyn State> {
        Box::new(Self {
            accumulator,
            data_type: data_type.clone(),
            states: Vec::new(),
            seen: Vec::new(),
            unseen_count: 0,
            outside_bytes: 0,
        })
    }

    #[inline(always)]
    fn add(&mut self, group: u32, column: &A::Column<'_>, row: usize) {
        let index = group as usize;
        let is_first = self.see(index);
        self.outside_bytes += self.accumulator.add(&mut self.states[index], is_first, column, row);
    }

    /// Adds rows that all count, to groups that all have counted rows.
    #[inline(always)]
    fn add_all(&mut self, groups: Groups<'_>, column: &A::Column<'_>) {
        const STEP: usize = 4;
        let states = self.states.as_mut_slice();
        assert!(groups.all_below(states.len()), "every group has a state");
        let row_count = column.row_count();
        assert!(groups.len() <= row_count, "every row of a group is there");
        let mut gained = 0;
        let mut add = |row: usize, group: u32| {
            // SAFETY: `row` counts the groups, which are no more than the rows: their number stays, as `Column`
            // says.
            unsafe { std::hint::assert_unchecked(row < row_count) };
            // SAFETY: `all_below` says that every group has a state.
            let state = unsafe { states.get_unchecked_mut(group as usize) };
            gained += self.accumulator.add(state, false, column, row);
        };
        // Steps, because the work of a row is hardly more than that of a loop.
        let (steps, rest) = groups.as_chunks::<STEP>();
        for (at, step) in steps.iter().enumerate() {
            for (within, &group) in step.iter().enumerate() {
                add(at * STEP + within, group);
            }
        }
        for (within, &group) in rest.iter().enumerate() {
            add(steps.len() * STEP + within, group);
        }
        self.outside_bytes += gained;
    }

    /// Notes that a group has a counted row; whether it is the first.
    #[inline(always)]
    fn see(&mut self, index: usize) -> bool {
        let is_first = A::TRACKS_SEEN && !std::mem::replace(&mut self.seen[index], true);
        self.unseen_count -= usize::from(is_first);
        is_first
    }

    fn add_state(&mut self, into: u32, state: A::State) {
        let index = into as usize;
        let is_first = self.see(index);
        self.outside_bytes += self.accumulator.merge(&mut self.states[index], is_first, state);
    }

    /// False if the result does not fit.
    #[inline(always)]
    fn append(&self, group: u32, output: &mut A::Output) -> bool {
        let index = group as usize;
        let is_seen = !A::TRACKS_SEEN || self.seen[index];
        self.accumulator.append(output, &self.states[index], is_seen)
    }
}

impl<A: Accumulator> State for Cells<A> {
    fn grow(&mut self, group_count: usize) {
        resize_tight(&mut self.states, group_count, A::State::default());
        if A::TRACKS_SEEN {
            self.unseen_count += group_count.saturating_sub(self.seen.len());
            resize_tight(&mut self.seen, group_count, false);
        }
    }

    fn clear(&mut self) {
        self.states.clear();
        self.seen.clear();
        (self.unseen_count, self.outside_bytes) = (0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let column = self.accumulator.open(rows.arguments);
        if let Some(counted) = rows.counted(A::SKIPS_NULLS) {
            for row in counted.set_indices() {
                self.add(rows.groups[row], &column, row);
            }
        } else if self.unseen_count == 0 {
            self.add_all(rows.groups, &column);
        } else {
            for (row, &group) in rows.groups.iter().enumerate() {
                self.add(group, &column, row);
            }
        }
        Ok(())
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        self.prepare_running(&rows.groups);
        let column = self.accumulator.open(rows.arguments);
        let counted = rows.counted(A::SKIPS_NULLS);
        let mut output = self.accumulator.output(rows.groups.len(), &self.data_type);
        let mut overflow = None;
        for (row, &group) in rows.groups.iter().enumerate() {
            if counted.as_ref().is_none_or(|counted| counted.value(row)) {
                self.add(group, &column, row);
            }
            if !self.append(group, &mut output) {
                overflow.get_or_insert(Overflow { row, group });
            }
        }
        Ok(Results { column: output.into_array(), overflow })
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        for (&from, &into) in there.iter().zip(here) {
            let from = from as usize;
            if !A::TRACKS_SEEN || later.seen[from] {
                self.add_state(into, later.states[from].clone());
            }
        }
        Ok(())
    }

    fn is_exact(&self) -> bool {
        A::IS_EXACT
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let index = from as usize;
        if !A::TRACKS_SEEN || self.seen[index] {
            let state = std::mem::take(&mut self.states[index]);
            self.outside_bytes -= A::outside_bytes(&state);
            self.add_state(into, state);
        }
        Ok(())
    }

    fn prepare_running(&mut self, groups: &[u32]) {
        if !A::PREPARES_RUNNING {
            return;
        }
        for &group in groups {
            let state = &mut self.states[group as usize];
            self.outside_bytes -= A::outside_bytes(state);
            self.accumulator.prepare_running(state);
            self.outside_bytes += A::outside_bytes(state);
        }
    }

    fn finish(&self, groups: &[u32]) -> Results {
        let mut output = self.accumulator.output(groups.len(), &self.data_type);
        let mut overflow = None;
        for (row, &group) in groups.iter().enumerate() {
            if !self.append(group, &mut output) {
                overflow.get_or_insert(Overflow { row, group });
            }
        }
        Results { column: output.into_array(), overflow }
    }

    fn heap_bytes(&self) -> usize {
        self.states.capacity() * size_of::<A::State>() + self.seen.capacity() + self.outside_bytes
    }

    fn outside_bytes(&self) -> usize {
        self.outside_bytes
    }

    fn group_bytes(&self) -> usize {
        size_of::<A::State>() + usize::from(A::TRACKS_SEEN)
    }

    fn export(&self, groups: &[u32]) -> Image {
        let places = groups.iter().map(|&group| group as usize);
        let mut image = Image::new();
        if A::TRACKS_SEEN {
            image.put_flags(SEEN, places.clone().map(|group| self.seen[group]));
        }
        A::State::put(places.map(|group| &self.states[group]), &mut image);
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        if A::TRACKS_SEEN {
            self.seen = image.take_flags(SEEN, group_count)?;
            self.unseen_count = self.seen.iter().filter(|is_seen| !**is_seen).count();
        }
        self.states = A::State::take(&mut image, group_count, &self.data_type)?;
        self.outside_bytes = self.states.iter().map(A::outside_bytes).sum();
        image.end()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
