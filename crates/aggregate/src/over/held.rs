//! What one key keeps of the rows in its frame, for one function.
//!
//! [`Running`] for frames that only grow, [`Queue`] for aggregates of frames that slide, [`Ring`] for
//! functions that pick one row.

use std::collections::VecDeque;

use tidemill_record::{DataType, Image, ImageError};

use super::columns::{put_ends, put_states, sum, take_counts, take_states};
use crate::state::Accumulator;

/// A function, as the frames of all keys share it.
pub(crate) struct Function<A> {
    pub(crate) accumulator: A,
    /// Of [`Ring`]: which row is picked, counted from zero at the oldest.
    pub(crate) place: usize,
    /// Of [`Ring`]: where fewer rows are held, the result is NULL.
    pub(crate) rows_min: usize,
    /// Of [`Ring`]: rows beyond these many are not kept.
    pub(crate) rows_max: usize,
    /// `IGNORE NULLS`: rows with a NULL are not counted, whatever the function does with them.
    pub(crate) ignores_nulls: bool,
}

/// Rows of one key's frame.
pub(crate) trait Held<A: Accumulator>: Default + Send {
    /// What each row takes, whatever its value holds elsewhere.
    const ROW_BYTES: usize;

    /// Adds a row; one that is not counted (NULL, for most functions) takes a place all the same.
    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool);

    /// Drops the oldest row.
    fn pop(&mut self, function: &Function<A>);

    /// Makes room for exactly so many rows, so that a full frame has no spare memory.
    fn reserve(&mut self, row_count: usize);

    /// Appends the result; false if it does not fit.
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool;

    /// Bytes held outside of itself. O(rows) for text, else O(1).
    fn heap_bytes(&self) -> usize;

    /// How many rows have a place in it; `None` where that does not say how many are in the frame.
    fn row_count(&self) -> Option<usize>;

    /// Puts what those of some keys hold.
    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a;

    /// Takes those of so many keys, as [`Self::export`] has put them. `data_type` is that of the results.
    ///
    /// # Errors
    /// [`ImageError`].
    fn import(
        function: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError>;
}

/// Puts the values that each of some keys holds.
pub(super) fn put_values<'a, A: Accumulator>(
    image: &mut Image,
    values: impl Iterator<Item = &'a VecDeque<A::State>> + Clone,
) {
    put_ends(image, "ends", values.clone().map(VecDeque::len));
    put_states(image, "values", values.flatten());
}

/// Takes the values of so many keys, as [`put_values`] has put them. `data_type` is that of the results.
///
/// # Errors
/// [`ImageError`], also where a key has more than the function keeps.
pub(super) fn take_values<A: Accumulator>(
    function: &Function<A>,
    data_type: &DataType,
    image: &mut Image,
    key_count: usize,
) -> Result<Vec<VecDeque<A::State>>, ImageError> {
    let counts = take_counts(image, "ends", key_count)?;
    if counts.iter().any(|&count| count > function.rows_max) {
        return Err(ImageError::new("ends", "has more rows than are kept"));
    }
    let mut values = take_states(image, "values", sum(&counts), data_type)?.into_iter();
    Ok(counts.into_iter().map(|count| values.by_ref().take(count).collect()).collect())
}

/// One aggregate and whether a row counted.
pub(crate) struct Partial<S> {
    pub(crate) state: S,
    is_seen: bool,
}

impl<S: Default> Default for Partial<S> {
    fn default() -> Self {
        Self { state: S::default(), is_seen: false }
    }
}

pub(crate) fn of_row<A: Accumulator>(
    function: &Function<A>,
    column: &A::Column<'_>,
    row: usize,
    counted: bool,
) -> Partial<A::State> {
    let mut partial = Partial::default();
    if counted {
        function.accumulator.add(&mut partial.state, true, column, row);
        partial.is_seen = true;
    }
    partial
}

/// Adds a later aggregate to an earlier one.
#[inline]
fn merge<A: Accumulator>(
    function: &Function<A>,
    earlier: &mut A::State,
    is_seen: &mut bool,
    later: &A::State,
    is_later_seen: bool,
) {
    if is_later_seen {
        function.accumulator.merge(earlier, !*is_seen, later.clone());
        *is_seen = true;
    }
}

/// All rows so far, as one aggregate.
pub(crate) struct Running<A: Accumulator>(Partial<A::State>);

impl<A: Accumulator> Default for Running<A> {
    fn default() -> Self {
        Self(Partial::default())
    }
}

impl<A: Accumulator> Held<A> for Running<A> {
    const ROW_BYTES: usize = 0;

    #[inline]
    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool) {
        if counted {
            let is_first = !std::mem::replace(&mut self.0.is_seen, true);
            function.accumulator.add(&mut self.0.state, is_first, column, row);
        }
    }

    fn pop(&mut self, _: &Function<A>) {
        unreachable!("a frame that only grows drops no row");
    }

    fn reserve(&mut self, _: usize) {}

    #[inline]
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool {
        function.accumulator.append(output, &self.0.state, self.0.is_seen)
    }

    fn heap_bytes(&self) -> usize {
        A::outside_bytes(&self.0.state)
    }

    fn row_count(&self) -> Option<usize> {
        None
    }

    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a,
    {
        image.put_flags("seen", held.clone().map(|held| held.0.is_seen));
        put_states(image, "states", held.map(|held| &held.0.state));
    }

    fn import(
        _: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError> {
        let seen = image.take_flags("seen", key_count)?;
        let states = take_states(image, "states", key_count, data_type)?;
        let held = states.into_iter().zip(seen);
        Ok(held.map(|(state, is_seen)| Self(Partial { state, is_seen })).collect())
    }
}

/// The aggregate of a frame that slides, without ever taking a value out of a sum: a queue made of two
/// stacks, in one ring. Its older part holds, at each row, the aggregate of that row and all behind it in
/// the part; its newer part holds the rows themselves, and one aggregate of them all. When the older part
/// runs out, the newer becomes it.
///
/// O(1) merges a row, amortized; one state a row.
///
/// Source: "Two-Stacks Lite" in Tangwongsan, Hirzel, Schneider, "In-order sliding-window aggregation in
/// worst-case constant time", VLDB Journal 30 (2021).
pub(crate) struct Queue<A: Accumulator> {
    states: VecDeque<A::State>,
    seen: VecDeque<bool>,
    /// How many of the first are aggregates with what is behind them.
    older_count: usize,
    newer: Partial<A::State>,
}

impl<A: Accumulator> Default for Queue<A> {
    fn default() -> Self {
        Self {
            states: VecDeque::new(),
            seen: VecDeque::new(),
            older_count: 0,
            newer: Partial::default(),
        }
    }
}

impl<A: Accumulator> Queue<A> {
    /// The newer part becomes the older one.
    #[cold]
    fn turn(&mut self, function: &Function<A>) {
        for at in (1..self.states.len()).rev() {
            let (behind, is_behind_seen) = (self.states[at].clone(), self.seen[at]);
            let (state, is_seen) = (&mut self.states[at - 1], &mut self.seen[at - 1]);
            merge(function, state, is_seen, &behind, is_behind_seen);
        }
        self.older_count = self.states.len();
        self.newer = Partial::default();
    }
}

impl<A: Accumulator> Held<A> for Queue<A> {
    const ROW_BYTES: usize = size_of::<A::State>() + size_of::<bool>();

    #[inline]
    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool) {
        let Partial { state, is_seen } = of_row(function, column, row, counted);
        let newer = &mut self.newer;
        merge(function, &mut newer.state, &mut newer.is_seen, &state, is_seen);
        self.states.push_back(state);
        self.seen.push_back(is_seen);
    }

    #[inline]
    fn pop(&mut self, function: &Function<A>) {
        if self.older_count == 0 {
            self.turn(function);
        }
        self.states.pop_front();
        self.seen.pop_front();
        self.older_count -= 1;
    }

    fn reserve(&mut self, row_count: usize) {
        self.states.reserve_exact(row_count.saturating_sub(self.states.len()));
        self.seen.reserve_exact(row_count.saturating_sub(self.seen.len()));
    }

    #[inline]
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool {
        if self.older_count == 0 {
            return function.accumulator.append(output, &self.newer.state, self.newer.is_seen);
        }
        let (mut state, mut is_seen) = (self.states[0].clone(), self.seen[0]);
        merge(function, &mut state, &mut is_seen, &self.newer.state, self.newer.is_seen);
        function.accumulator.append(output, &state, is_seen)
    }

    fn heap_bytes(&self) -> usize {
        let ring = self.states.capacity() * size_of::<A::State>() + self.seen.capacity();
        let outside: usize = self.states.iter().map(A::outside_bytes).sum();
        ring + outside + A::outside_bytes(&self.newer.state)
    }

    fn row_count(&self) -> Option<usize> {
        Some(self.states.len())
    }

    /// Where the older part ends is kept too: it decides in which order floats are added.
    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a,
    {
        put_ends(image, "ends", held.clone().map(|held| held.states.len()));
        put_states(image, "states", held.clone().flat_map(|held| &held.states));
        image.put_flags("seen", held.clone().flat_map(|held| held.seen.iter().copied()));
        image.put("older_count", held.clone().map(|held| held.older_count as u64));
        put_states(image, "newer_states", held.clone().map(|held| &held.newer.state));
        image.put_flags("newer_seen", held.map(|held| held.newer.is_seen));
    }

    fn import(
        _: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError> {
        let counts = take_counts(image, "ends", key_count)?;
        let row_count = sum(&counts);
        let mut seen = image.take_flags("seen", row_count)?.into_iter();
        let mut states = take_states(image, "states", row_count, data_type)?.into_iter();
        let older_counts: Vec<u64> = image.take_exactly("older_count", key_count)?;
        let newer_states = take_states(image, "newer_states", key_count, data_type)?;
        let newer_seen = image.take_flags("newer_seen", key_count)?;
        let newer = newer_states.into_iter().zip(newer_seen);
        let all = counts.into_iter().zip(older_counts).zip(newer);
        let held = all.map(|((count, older_count), (state, is_seen))| {
            let older_count = usize::try_from(older_count).ok().filter(|&older| older <= count);
            let reason = "is more than there are rows";
            Ok(Self {
                states: states.by_ref().take(count).collect(),
                seen: seen.by_ref().take(count).collect(),
                older_count: older_count.ok_or_else(|| ImageError::new("older_count", reason))?,
                newer: Partial { state, is_seen },
            })
        });
        held.collect()
    }
}

/// The rows themselves, of which one is the result.
pub(crate) struct Ring<A: Accumulator> {
    rows: VecDeque<A::State>,
}

impl<A: Accumulator> Default for Ring<A> {
    fn default() -> Self {
        Self { rows: VecDeque::new() }
    }
}

impl<A: Accumulator> Held<A> for Ring<A> {
    const ROW_BYTES: usize = size_of::<A::State>();

    #[inline]
    fn push(&mut self, function: &Function<A>, column: &A::Column<'_>, row: usize, counted: bool) {
        if counted && self.rows.len() < function.rows_max {
            self.rows.push_back(of_row(function, column, row, counted).state);
        }
    }

    #[inline]
    fn pop(&mut self, _: &Function<A>) {
        self.rows.pop_front();
    }

    fn reserve(&mut self, row_count: usize) {
        self.rows.reserve_exact(row_count.saturating_sub(self.rows.len()));
    }

    #[inline]
    fn append(&self, function: &Function<A>, output: &mut A::Output) -> bool {
        match self.rows.get(function.place) {
            Some(row) if self.rows.len() >= function.rows_min => {
                function.accumulator.append(output, row, true)
            }
            _ => function.accumulator.append(output, &A::State::default(), false),
        }
    }

    fn heap_bytes(&self) -> usize {
        let outside: usize = self.rows.iter().map(A::outside_bytes).sum();
        self.rows.capacity() * size_of::<A::State>() + outside
    }

    fn row_count(&self) -> Option<usize> {
        Some(self.rows.len())
    }

    fn export<'a>(held: impl Iterator<Item = &'a Self> + Clone, image: &mut Image)
    where
        Self: 'a,
    {
        put_values::<A>(image, held.map(|held| &held.rows));
    }

    fn import(
        function: &Function<A>,
        data_type: &DataType,
        image: &mut Image,
        key_count: usize,
    ) -> Result<Vec<Self>, ImageError> {
        let rows = take_values(function, data_type, image, key_count)?;
        Ok(rows.into_iter().map(|rows| Self { rows }).collect())
    }
}
