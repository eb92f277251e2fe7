//! Sessions of all keys, and a column of states per aggregate behind them.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMicrosecondArray, UInt64Array};
use smallvec::SmallVec;
use tidemill_plan::AggregateSpec;
use tidemill_record::Batch;

use crate::AggregateError;
use crate::argument::{Groups, Rows, arguments_of};
use crate::changes::row_moment;
use crate::intern::Interner;
use crate::state::{Results, State, until_overflow};
use crate::table::{Leaving, Parts, selected};
use crate::windows::bounds::Bounds;

mod image;

/// No session, no key.
pub(crate) const NONE: u32 = u32::MAX;

/// Sessions that are handed on at a time.
const COPY_SESSIONS: usize = 8192;

/// Records of one key, none of them a gap or more after all before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// Number of its key.
    pub(crate) key: u32,
    /// Belongs to `ByKey` as long as this one is not gone; once it has joined another, that one.
    pub(crate) next: u32,
    /// Its first event time.
    pub(crate) start: i64,
    /// Its last event time and the gap; exclusive.
    pub(crate) end: i64,
    /// Offset of the record that it appeared with.
    pub(crate) appeared: u64,
    /// Which partition it was sealed in; 0 before.
    pub(crate) partition: u32,
    /// The largest offset of its records.
    pub(crate) last_offset: u64,
    /// Event time at which it is to be looked at; see `SessionTable`.
    pub(crate) due: i64,
    /// Its result has left, and nothing has changed that since.
    pub(crate) has_left: bool,
    /// It takes no more records.
    pub(crate) is_gone: bool,
}

impl Session {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { end: self.end, start: self.start }
    }
}

/// Sessions by number, each with one group of states.
///
/// Numbers are given in order of appearance, and are used again only by [`Self::copy_of`].
pub(crate) struct SessionStore {
    /// The grouping without its window.
    spec: AggregateSpec,
    pub(crate) keys: Interner,
    states: Vec<Box<dyn State>>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) gone_count: usize,
    refusal: Option<AggregateError>,
}

impl SessionStore {
    pub(crate) fn new(spec: &AggregateSpec) -> Self {
        let Parts { interner, mut states, refusal } = Parts::new(spec);
        states.iter_mut().for_each(|state| state.list_by_group());
        Self {
            spec: spec.clone(),
            keys: interner,
            states,
            sessions: Vec::new(),
            gone_count: 0,
            refusal,
        }
    }

    /// Replaces `keys` by the number of every row's key.
    pub(crate) fn intern(
        &mut self,
        batch: &Batch,
        keys: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let columns: Vec<&ArrayRef> = self.spec.keys.iter().map(|&key| batch.column(key)).collect();
        self.keys.intern(&columns, batch.row_count(), keys)?;
        Ok(())
    }

    /// Adds a session, without records yet.
    ///
    /// # Errors
    /// [`AggregateError::TooManyGroups`].
    pub(crate) fn push(&mut self, session: Session) -> Result<u32, AggregateError> {
        let number = u32::try_from(self.sessions.len()).ok().filter(|&number| number != NONE);
        let number = number.ok_or(AggregateError::TooManyGroups)?;
        self.gone_count += usize::from(session.is_gone);
        self.sessions.push(Session { next: NONE, ..session });
        Ok(number)
    }

    /// A session goes, which no list holds; its group stays until the next copy.
    pub(crate) fn remove(&mut self, number: u32) {
        let session = &mut self.sessions[number as usize];
        debug_assert!(!session.is_gone, "a session goes once");
        (session.is_gone, session.next) = (true, NONE);
        self.gone_count += 1;
    }

    /// Makes one session of two of a key: `from`, the later one, goes.
    pub(crate) fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        self.make_room();
        self.remove(from);
        for state in &mut self.states {
            state.join(into, from)?;
        }
        self.sessions[from as usize].next = into;
        let from = self.sessions[from as usize];
        let into = &mut self.sessions[into as usize];
        into.start = into.start.min(from.start);
        into.end = into.end.max(from.end);
        into.appeared = into.appeared.min(from.appeared);
        into.last_offset = into.last_offset.max(from.last_offset);
        Ok(())
    }

    /// The session that a session has become part of; itself if it has not. Whoever is passed on the way
    /// is nearer to it afterwards, so that many sessions that became one by one are no long way for each.
    pub(crate) fn resolve(&mut self, mut number: u32) -> u32 {
        while let Some(into) = self.joined_into(number) {
            if let Some(beyond) = self.joined_into(into) {
                self.sessions[number as usize].next = beyond;
            }
            number = into;
        }
        number
    }

    /// As [`Self::resolve`], which leaves the way as it is.
    pub(crate) fn resolved(&self, mut number: u32) -> u32 {
        while let Some(into) = self.joined_into(number) {
            number = into;
        }
        number
    }

    fn joined_into(&self, number: u32) -> Option<u32> {
        let session = &self.sessions[number as usize];
        Some(session.next).filter(|&next| session.is_gone && next != NONE)
    }

    fn make_room(&mut self) {
        for state in &mut self.states {
            state.grow(self.sessions.len());
        }
    }

    /// Adds the rows of a batch to the group of the session beside each.
    pub(crate) fn update(&mut self, rows: &Batch, sessions: &[u32]) -> Result<(), AggregateError> {
        self.make_room();
        let groups = Groups::new(sessions);
        for (state, call) in self.states.iter_mut().zip(&self.spec.calls) {
            state.update(&Rows {
                groups,
                arguments: &arguments_of(call, rows),
                selected: call.filter.and_then(|column| selected(rows.column(column))),
            })?;
        }
        Ok(())
    }

    /// The same, and for each row what its session is just after it. `bounds` are those of each
    /// row's session then.
    pub(crate) fn update_changes(
        &mut self,
        rows: &Batch,
        sessions: &[u32],
        bounds: &[Bounds],
    ) -> Result<Leaving, AggregateError> {
        self.make_room();
        let mut results = SmallVec::with_capacity(self.states.len());
        let groups = Groups::new(sessions);
        for at in 0..self.states.len() {
            let call = &self.spec.calls[at];
            results.push(self.states[at].update_running(&Rows {
                groups,
                arguments: &arguments_of(call, rows),
                selected: call.filter.and_then(|column| selected(rows.column(column))),
            })?);
        }
        let Leaving { rows: changes, overflow } =
            self.result(sessions, bounds, results, rows.offsets().clone());
        let failed = changes.row_count();
        let overflow = overflow.map(|overflow| overflow.at(row_moment(rows, failed)));
        Ok(Leaving { rows: changes, overflow })
    }

    /// As [`State::prepare_running`], of all states.
    pub(crate) fn prepare_running(&mut self, sessions: &[u32]) {
        self.make_room();
        for state in &mut self.states {
            state.prepare_running(sessions);
        }
    }

    /// Results of these sessions, in this order, up to the first that does not fit.
    pub(crate) fn rows_of(&self, sessions: &[u32]) -> Leaving {
        let results = self.states.iter().map(|state| state.finish(sessions)).collect();
        let of = |number: &u32| &self.sessions[*number as usize];
        let bounds: Vec<Bounds> = sessions.iter().map(|number| of(number).bounds()).collect();
        let offsets = UInt64Array::from_iter_values(sessions.iter().map(|n| of(n).last_offset));
        self.result(sessions, &bounds, results, offsets)
    }

    fn result(
        &self,
        sessions: &[u32],
        bounds: &[Bounds],
        results: SmallVec<[Results; 8]>,
        offsets: UInt64Array,
    ) -> Leaving {
        let (calls, overflow) = until_overflow(results);
        let row_count = overflow.map_or(sessions.len(), |(_, overflow)| overflow.row);
        let overflow = overflow.map(|(call, overflow)| self.sum_overflow(call, overflow.group));
        let (sessions, bounds) = (&sessions[..row_count], &bounds[..row_count]);
        let keys: Vec<u32> =
            sessions.iter().map(|&number| self.sessions[number as usize].key).collect();
        let times = |of: fn(&Bounds) -> i64| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from_iter_values(bounds.iter().map(of)))
        };
        let mut columns: Vec<ArrayRef> =
            self.keys.columns().iter().map(|column| column.gather(&keys)).collect();
        columns.extend([times(|bounds| bounds.start), times(|bounds| bounds.end)]);
        columns.extend(calls);
        Leaving { rows: Batch::new(columns, offsets.slice(0, row_count)), overflow }
    }

    fn sum_overflow(&self, call: usize, session: u32) -> AggregateError {
        let call = &self.spec.calls[call];
        let key = self.sessions[session as usize].key;
        AggregateError::SumOverflow {
            label: call.label.clone(),
            data_type: call.data_type.clone(),
            group_key: self.keys.key_text(key as usize, 0..self.spec.keys.len()),
            moment: None,
        }
    }

    /// A store of some of these sessions, in this order, without the keys of no session.
    pub(crate) fn copy_of(&self, sessions: &[u32]) -> Result<Self, AggregateError> {
        let mut copy = Self::new(&self.spec);
        copy.absorb(self, sessions)?;
        Ok(copy)
    }

    /// Adds some sessions of another store, in this order, as sessions of their own.
    pub(crate) fn absorb(&mut self, other: &Self, sessions: &[u32]) -> Result<(), AggregateError> {
        let mut numbers = Vec::with_capacity(sessions.len());
        let mut keys = Vec::new();
        for chosen in sessions.chunks(COPY_SESSIONS) {
            let there: Vec<u32> =
                chosen.iter().map(|&number| other.sessions[number as usize].key).collect();
            let columns: Vec<ArrayRef> =
                other.keys.columns().iter().map(|column| column.gather(&there)).collect();
            let columns: Vec<&ArrayRef> = columns.iter().collect();
            self.keys.intern(&columns, chosen.len(), &mut keys)?;
            for (&number, &key) in chosen.iter().zip(&keys) {
                numbers.push(self.push(Session { key, ..other.sessions[number as usize] })?);
            }
        }
        self.make_room();
        for (state, other) in self.states.iter_mut().zip(&other.states) {
            state.merge(&**other, sessions, &numbers)?;
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|state| state.heap_bytes()).sum();
        self.keys.heap_bytes() + states + self.sessions.capacity() * size_of::<Session>()
    }

    /// Sessions that are not gone.
    pub(crate) fn live_count(&self) -> usize {
        self.sessions.len() - self.gone_count
    }
}
