//! The order in which bad, late and failing rows count.
//!
//! A row has the [`Key`] of the record that made it known, and then its place among the rows that left
//! with that record. Keys are those that rows would have if records came one at a time, so that which error
//! is the first, in which order records are set aside, and what lies behind the end of a `LIMIT` does not depend on
//! how they were cut into batches. They are computed only where there is such a row: on the usual path a
//! table's rows are noted here by a few counted references a batch.

use arrow_array::UInt64Array;
use arrow_buffer::ScalarBuffer;
use tidemill_aggregate::{AggregateError, Late};
use tidemill_record::{
    BadRecord, Batch, Cause, EventTime, Image, ImageError, Moment, Offset, Places,
};

use crate::error::StepError;

/// Where a row stands among all that happen to a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Offset of the record that made it known; from [`END`] on, places of rows that leave at the end.
    cause: u64,
    /// Tables that it has left.
    depth: usize,
    /// Its place among rows of that record.
    place: u64,
}

/// No record is at this offset or behind it.
const END: u64 = 1 << 63;
/// In place of a step: what a pipeline reads.
pub(crate) const INPUT: usize = usize::MAX;

impl Key {
    /// Nothing that happens to a pipeline comes before.
    const BEFORE_ALL: Self = Self { cause: 0, depth: 0, place: 0 };

    /// The record that made it known; `None` at the end of the input.
    pub(crate) fn record(self) -> Option<Offset> {
        (self.cause < END).then_some(Offset(self.cause))
    }
}

/// How the rows of a step stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Some of its rows, in order, or one for each: they stand as those did.
    Same,
    /// Each of its rows, in another order.
    Reordered,
    /// Rows of its own.
    Own,
}

/// What is known of the order of rows since a batch was taken in.
pub(crate) struct Order {
    // Fixed at construction.
    /// What each step gives, and what the table for a gather does.
    gives: Vec<Gives>,
    // Changes with every batch.
    /// The place of the next row that leaves a table.
    next_place: u64,
    /// Rows that have left tables, in order of place.
    left: Vec<Left>,
    /// How the records of the batch moved the watermark.
    moves: Option<Moves>,
    /// The last record or place that was taken in.
    latest: u64,
    /// Bad rows, late rows: how many there were behind each step.
    found: Vec<(usize, usize, usize)>,
    /// Limits that are full since: the step, and the row that filled it.
    full: Vec<(usize, Offset, Option<u64>)>,
    /// Steps that have failed: which, and the place of the row that would have been the next.
    failures: Vec<(usize, StepError, u64)>,
}

/// Rows of one batch that have left a table.
struct Left {
    first: u64,
    offsets: UInt64Array,
    step: usize,
    /// `None` at the end of the input: each is known by itself.
    cause: Option<Cause>,
}

/// The watermark before each record, and behind the last.
struct Moves {
    offsets: UInt64Array,
    before: ScalarBuffer<i64>,
    behind: EventTime,
}

/// What a turn has come to, beside its rows.
pub(crate) struct Judged {
    /// Bad and late rows, in order.
    pub(crate) events: Vec<(Key, Event)>,
    /// What a step failed with.
    pub(crate) failure: Option<(Key, StepError)>,
    /// The row that filled a limit: records behind the one that made it known do not count.
    pub(crate) end: Option<Key>,
}

/// A row that is in no result.
pub(crate) enum Event {
    /// It is bad; the second says whether it is a record of the input, whose text can be shown.
    Bad(BadRecord, bool),
    /// It came too late.
    Late(Late),
}

impl Order {
    pub(crate) fn new(gives: Vec<Gives>) -> Self {
        Self {
            gives,
            next_place: 0,
            left: Vec::new(),
            moves: None,
            latest: 0,
            found: Vec::new(),
            full: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// What outlasts a turn: the place of the next row, and the last record.
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put("next and latest", [self.next_place, self.latest]);
        image
    }

    /// Takes over what another one has exported.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let numbers: Vec<u64> = image.take_exactly("next and latest", 2)?;
        (self.next_place, self.latest) = (numbers[0], numbers[1]);
        image.end()
    }

    /// The records of another partition come, whose offsets begin again.
    pub(crate) fn begin_input(&mut self) {
        self.latest = 0;
    }

    /// A batch of records is taken in.
    pub(crate) fn begin(&mut self, batch: &Batch) {
        self.begin_time();
        self.moves = None;
        if let Some(&last) = batch.offsets().values().last() {
            debug_assert!(last >= self.latest || self.latest >= END, "offsets ascend");
            self.latest = last;
        }
    }

    /// Rows that are no records are taken in: those of merged tables, or of one that is being emptied at
    /// the end of the input. Each is known by itself.
    pub(crate) fn begin_rows(&mut self) {
        self.begin_time();
        self.moves = None;
        self.latest = END + self.next_place;
    }

    /// Some of them, which the step gives; [`INPUT`] of merged tables.
    pub(crate) fn note_rows(&mut self, step: usize, batch: &mut Batch) {
        let _ = batch.take_cause();
        self.note(step, batch, None, true);
        self.latest = END + self.next_place;
    }

    /// Time passes without a record.
    pub(crate) fn begin_time(&mut self) {
        self.left.clear();
        self.found.clear();
        debug_assert!(self.full.is_empty() && self.failures.is_empty(), "they have been judged");
    }

    /// Notes what the records of the batch made of the watermark.
    pub(crate) fn note_watermarks(&mut self, batch: &Batch, behind: EventTime) {
        let Some(before) = batch.watermarks() else { return };
        let (offsets, before) = (batch.offsets().clone(), before.clone());
        self.moves = Some(Moves { offsets, before, behind });
    }

    /// Notes that rows have left a step, and what was found to be bad or late up to there.
    pub(crate) fn note_step(
        &mut self,
        step: usize,
        results: &mut [Batch],
        bad_count: usize,
        late_count: usize,
    ) {
        if bad_count > 0 || late_count > 0 {
            self.found.push((step, bad_count, late_count));
        }
        let gives = self.gives[step];
        if gives == Gives::Same {
            return;
        }
        for batch in results {
            let cause = batch.take_cause();
            let is_own = gives == Gives::Own || *batch.places() != Places::None;
            self.note(step, batch, Some(cause), is_own);
        }
    }

    fn note(&mut self, step: usize, batch: &mut Batch, cause: Option<Cause>, is_own: bool) {
        let first = self.next_place;
        self.next_place += batch.row_count() as u64;
        if is_own {
            batch.set_places(Places::From(first));
        }
        self.left.push(Left { first, offsets: batch.offsets().clone(), step, cause });
    }

    /// Forgets rows of a step and those behind it, which have been written, where nothing was found that may
    /// be before or behind them.
    pub(crate) fn forget_from(&mut self, step: usize) {
        if self.found.is_empty() && self.failures.is_empty() && self.full.is_empty() {
            self.left.retain(|left| left.step < step);
        }
    }

    /// Notes that a step has failed, behind what it gave.
    pub(crate) fn note_failure(&mut self, step: usize, error: impl Into<StepError>) {
        self.failures.push((step, error.into(), self.next_place));
    }

    /// Notes that a row has filled a limit.
    pub(crate) fn note_full(&mut self, step: usize, batch: &Batch, row: usize) {
        self.full.push((step, Offset(batch.offsets().value(row)), batch.places().of(row)));
    }

    /// What has happened since a batch was taken in; `None` on the usual path. What lies behind the end of
    /// a limit has not.
    pub(crate) fn judge(
        &mut self,
        bad: &mut Vec<BadRecord>,
        late: &mut Vec<Late>,
    ) -> Option<Judged> {
        if bad.is_empty() && late.is_empty() && self.full.is_empty() && self.failures.is_empty() {
            return None;
        }
        let full = std::mem::take(&mut self.full).into_iter();
        let ends: Vec<(usize, Key)> =
            full.map(|(step, offset, place)| (step, self.key(step, offset, place))).collect();
        let counts = |step: usize, key: Key| !ends.iter().any(|&(at, end)| step <= at && key > end);
        let mut events = Vec::with_capacity(bad.len() + late.len());
        for (at, record) in bad.drain(..).enumerate() {
            let step = self.found.iter().find(|found| found.1 > at).map_or(0, |found| found.0);
            let key = self.key(step, record.offset, record.place);
            let is_record = self.is_record(record.place);
            events.extend(counts(step, key).then_some((key, Event::Bad(record, is_record))));
        }
        for (at, late) in late.drain(..).enumerate() {
            let step = self.found.iter().find(|found| found.2 > at).map_or(0, |found| found.0);
            let key = self.key(step, late.offset, None);
            events.extend(counts(step, key).then_some((key, Event::Late(late))));
        }
        // Stable: a record that is several times late stays so in the order of steps.
        events.sort_by_key(|(key, _)| *key);
        let failures = std::mem::take(&mut self.failures).into_iter();
        let failures = failures
            .map(|(step, error, place)| (step, self.key_of_failure(step, &error, place), error))
            .filter(|&(step, key, _)| counts(step, key));
        let failures = failures.map(|(_, key, error)| {
            let key = if error.is_before_all() { Key::BEFORE_ALL } else { key };
            (key, error)
        });
        let failure = failures.min_by_key(|(key, _)| *key);
        self.found.clear();
        Some(Judged { events, failure, end: ends.iter().map(|(_, end)| *end).min() })
    }

    /// The first of what makes a job fail, as far as it is known; `is_fatal` says whether bad rows do.
    pub(crate) fn first_failure(&self, bad: &[BadRecord], is_fatal: bool) -> Option<Key> {
        let failures = self.failures.iter();
        let failures =
            failures.map(|(step, error, place)| self.key_of_failure(*step, error, *place));
        let bad = bad.iter().enumerate().filter(|_| is_fatal).map(|(at, record)| {
            let step = self.found.iter().find(|found| found.1 > at).map_or(0, |found| found.0);
            self.key(step, record.offset, record.place)
        });
        failures.chain(bad).min()
    }

    /// How many of a batch's rows, behind the last step, come before this.
    pub(crate) fn rows_before(&self, batch: &Batch, end: Key) -> usize {
        let offsets = batch.offsets().values();
        let is_before = |row: usize| {
            self.key(self.gives.len() - 1, Offset(offsets[row]), batch.places().of(row)) < end
        };
        (0..batch.row_count()).position(|row| !is_before(row)).unwrap_or(batch.row_count())
    }

    /// The key of a row as a step is given it.
    fn key(&self, step: usize, offset: Offset, place: Option<u64>) -> Key {
        let depth = self.depth(step);
        if let Some(place) = place {
            return Key { cause: self.cause_of_place(place), depth, place };
        }
        // Its own offset tells where it stands among those of a table that has put them in order.
        let is_ordering = |&at: &usize| self.gives[at] != Gives::Same;
        let last = (0..step).rev().find(is_ordering);
        let left = self.left.iter().filter(|left| Some(left.step) == last);
        let mut found = left.filter_map(|left| {
            let row = left.offsets.values().iter().position(|&other| other == offset.0)?;
            Some(left.first + row as u64)
        });
        match found.next_back() {
            Some(place) => Key { cause: self.cause_of_place(place), depth, place },
            None => Key { cause: offset.0, depth, place: 0 },
        }
    }

    /// Tables before a step.
    fn depth(&self, step: usize) -> usize {
        self.gives[..step].iter().filter(|gives| **gives != Gives::Same).count()
    }

    fn key_of_failure(&self, step: usize, error: &StepError, place: u64) -> Key {
        let StepError::Table(AggregateError::SumOverflow { moment: Some(moment), .. }) = error
        else {
            return Key { cause: END + place, depth: self.depth(step) + 1, place };
        };
        match (**moment, self.gives[step]) {
            (Moment::Row { offset, place }, Gives::Same) => self.key(step, offset, place),
            _ => Key { cause: self.cause(step, **moment), depth: self.depth(step) + 1, place },
        }
    }

    fn left_at(&self, place: u64) -> Option<&Left> {
        let behind = self.left.partition_point(|left| left.first <= place);
        self.left.get(behind.checked_sub(1)?)
    }

    /// Whether a row is a record of the input, or the only row that one made.
    fn is_record(&self, place: Option<u64>) -> bool {
        let Some(place) = place else { return true };
        self.left_at(place).is_some_and(|left| matches!(left.cause, Some(Cause::Own)))
    }

    fn cause_of_place(&self, place: u64) -> u64 {
        let Some(left) = self.left_at(place) else { return END + place };
        let Some(cause) = &left.cause else { return END + place };
        let row = usize::try_from(place - left.first).expect("a row of a batch");
        self.cause(left.step, cause.of(row, Offset(left.offsets.value(row))))
    }

    /// The record behind what a step took for a moment.
    fn cause(&self, step: usize, moment: Moment) -> u64 {
        match moment {
            Moment::Row { offset, place } => self.key(step, offset, place).cause,
            Moment::Reached(time) => self.moved_to(|watermark| watermark >= time.0),
            Moment::Passed(time) => self.moved_to(|watermark| watermark > time.0),
        }
    }

    /// The record with which the watermark came there.
    fn moved_to(&self, is_there: impl Fn(i64) -> bool) -> u64 {
        let Some(Moves { offsets, before, behind }) = &self.moves else { return self.latest };
        // Time may have passed without a record since.
        if !is_there(behind.0) {
            return self.latest;
        }
        let behind_it = before.partition_point(|&watermark| !is_there(watermark));
        behind_it.checked_sub(1).map_or(self.latest, |row| offsets.value(row))
    }
}
