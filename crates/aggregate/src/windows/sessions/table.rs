//! The sessions of one partition.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_plan::{AggregateSpec, Emit, WindowKind, WindowSpec};
use tidemill_record::{Batch, Cause, EventTime, Moment, Offset};

use super::block::Block;
use super::by_key::{AHEAD_ROWS, ByKey, Joined};
use super::due::Due;
use super::sealed::SealedSessions;
use super::store::{NONE, Session, SessionStore};
use crate::changes::row_moment;
use crate::seen_keys::{GoneKeys, SeenKeys};
use crate::table::Leaving;
use crate::windows::bounds::Bounds;
use crate::windows::rows::{BATCH_ROWS, chosen, leave_with};
use crate::{AggregateError, Late};

mod image;

/// Sessions that may be gone before their memory is given back.
const GONE_MIN: usize = 1024;

/// Open sessions of every key.
///
/// A session of event times `first ..= last` is the window `[first, last + gap)`. A record joins the
/// sessions whose window its own, `[time, time + gap)`, touches, and may make one of two.
///
/// Every session waits in `due` for its end, and where closed sessions take corrections, then for the end
/// of their time. Records move that end without touching the queue: what comes up too early goes
/// back, so that a session is queued again at most once in a gap of event time.
pub struct SessionTable {
    // Fixed at construction.
    /// The grouping without its window.
    spec: AggregateSpec,
    window: WindowSpec,
    gap_us: i64,
    emit: Emit,
    budget_bytes: u64,
    // Changes with every batch.
    store: SessionStore,
    by_key: ByKey,
    /// Event times at which sessions are to be looked at; an entry that differs from its session's own
    /// note has been replaced.
    due: Due,
    /// Where sessions are given away: when each begins. Entries of those that are gone, or begin
    /// earlier by now, are passed over.
    starts: BinaryHeap<Reverse<(i64, u32)>>,
    block: Block,
    audit: GoneKeys,
    /// Closed sessions, where they are given away instead of leaving as rows.
    sealed: Option<SealedSessions>,
    taken: Taken,
    /// The key of each row of the batch; reused.
    keys: Vec<u32>,
}

/// Rows of a batch that have a session and wait to be added together; reused.
#[derive(Default)]
struct Taken {
    rows: Vec<u32>,
    sessions: Vec<u32>,
    /// The session's, just after each row.
    bounds: Vec<Bounds>,
}

impl SessionTable {
    /// No sessions yet; they may hold `budget_bytes` together. `audited_keys` are places in the group
    /// key whose values [`Self::seen_keys`] is asked for.
    ///
    /// # Panics
    /// If the grouping has no session window.
    #[must_use]
    pub fn new(spec: AggregateSpec, audited_keys: &[usize], budget_bytes: u64) -> Self {
        let window = spec.window.expect("a windowed grouping");
        let WindowKind::Session { gap_us } = window.kind else {
            panic!("{} windows have panes", window.kind)
        };
        let emit = spec.emit;
        let spec = AggregateSpec { window: None, ..spec };
        Self {
            store: SessionStore::new(&spec),
            by_key: ByKey::new(gap_us),
            spec,
            window,
            gap_us,
            emit,
            budget_bytes,
            due: Due::default(),
            starts: BinaryHeap::new(),
            block: Block::new(emit),
            audit: GoneKeys::new(audited_keys),
            sealed: None,
            taken: Taken::default(),
            keys: Vec::new(),
        }
    }

    /// The same for final results that a gather merges: closed sessions are kept until
    /// [`Self::into_sealed`], and none leave as rows.
    #[must_use]
    pub fn sealing(spec: AggregateSpec, budget_bytes: u64) -> Self {
        let sealed = Some(SealedSessions::new(&spec, budget_bytes));
        Self { sealed, ..Self::new(spec, &[], budget_bytes) }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// How far event time may pass at a time on its way to `watermark`, so that not too many sessions
    /// leave at once: those of one end and about `BATCH_ROWS` others.
    ///
    /// # Cost
    /// O(sessions that leave), and O(log sessions) once for each.
    #[must_use]
    pub fn next_step(&mut self, watermark: EventTime) -> EventTime {
        if self.emit != Emit::Final || self.sealed.is_some() || self.due.len() <= BATCH_ROWS {
            return watermark;
        }
        self.due.nth_until(BATCH_ROWS, watermark.0).map_or(watermark, EventTime)
    }

    /// Adds a batch, each row judged by the watermark beside it. What the rows cause goes to
    /// `results`, in order: changes, corrections, and sessions that closed before them. Rows that are
    /// late go to `late`.
    ///
    /// # Errors
    /// As [`crate::AggTable::update`].
    ///
    /// # Cost
    /// O(rows), and a search among the sessions of its key for each; two sessions that become one cost a
    /// call for each aggregate.
    pub fn update(
        &mut self,
        batch: &Batch,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let mut keys = std::mem::take(&mut self.keys);
        let elsewhere = self.state_bytes() - self.store.keys.heap_bytes() as u64;
        self.store.keys.set_budget(self.budget_bytes, elsewhere);
        self.store.intern(batch, &mut keys)?;
        let times = batch.column(self.window.time).as_primitive::<TimestampMicrosecondType>();
        let times = &times.values()[..];
        for (row, (&time, &key)) in times.iter().zip(&keys).enumerate() {
            if row % AHEAD_ROWS == 0 {
                self.by_key.read_ahead(&self.store.sessions, &keys[row..], &times[row..]);
            }
            self.take_row(batch, row, time, key, late, results)?;
            if self.block.count_row() {
                self.add_taken(batch, results)?;
                self.flush_changes(Some(row_moment(batch, row)), results)?;
            }
        }
        self.add_taken(batch, results)?;
        self.keys = keys;
        self.check_budget()
    }

    /// Finds or makes the session of a row.
    fn take_row(
        &mut self,
        batch: &Batch,
        row: usize,
        time: i64,
        key: u32,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let watermark = batch.watermark_before(row).0;
        let offset = batch.offsets().value(row);
        let own = Bounds { start: time, end: time.saturating_add(self.gap_us) };
        let lateness = self.window.allowed_lateness_us;
        let is_past = |end: i64| end.saturating_add(lateness) <= watermark;
        let Joined { earlier, later } = self.by_key.joined(&self.store.sessions, key, own, is_past);
        let joined = [earlier, later].into_iter().filter(|&at| at != NONE);
        let ends = joined.map(|at| self.store.sessions[at as usize].end);
        let (end, first_end) =
            ends.fold((own.end, i64::MAX), |(last, first), end| (last.max(end), first.min(end)));
        if self.is_past(end, watermark) {
            late.push(Late {
                offset: Offset(offset),
                what: self.window.kind.name(),
                is_partly: false,
            });
            return Ok(());
        }
        // A session that has ended takes this row only as a correction: its result leaves before.
        let corrects = self.emit == Emit::Final && end.min(first_end) <= watermark;
        if corrects || later != NONE {
            self.add_taken(batch, results)?;
        }
        if corrects {
            self.close_until(watermark, results)?;
        }
        let session = if earlier == NONE {
            let opened = self.store.push(Session {
                key,
                next: NONE,
                start: time,
                end: own.end,
                appeared: offset,
                partition: 0,
                last_offset: offset,
                due: i64::MAX,
                has_left: false,
                is_gone: false,
            })?;
            self.check_growth(self.by_key.growth_bytes())?;
            self.by_key.insert(&mut self.store.sessions, opened);
            opened
        } else {
            earlier
        };
        let before = self.store.sessions[session as usize].bounds();
        if later != NONE {
            self.by_key.remove(&mut self.store.sessions, later);
            self.store.join(session, later)?;
        }
        let known = &mut self.store.sessions[session as usize];
        if self.sealed.is_some() && (earlier == NONE || time < known.start) {
            self.starts.push(Reverse((time, session)));
        }
        known.start = known.start.min(time);
        known.end = end;
        known.last_offset = known.last_offset.max(offset);
        let has_left = corrects && end <= watermark;
        let is_to_wait = earlier == NONE || known.has_left != has_left;
        known.has_left = has_left;
        if self.store.sessions[session as usize].bounds() != before {
            self.by_key.moved(&self.store.sessions, session, before);
        }
        if is_to_wait {
            self.wait(session);
        }
        self.take(row, session);
        if has_left {
            self.add_taken(batch, results)?;
            self.store.prepare_running(&[session]);
            leave_with(row_moment(batch, row), self.store.rows_of(&[session]), results)?;
        }
        Ok(())
    }

    fn take(&mut self, row: usize, session: u32) {
        self.taken.rows.push(u32::try_from(row).expect("a batch has at most 2^32 rows"));
        self.taken.sessions.push(session);
        if self.emit == Emit::Changes {
            self.taken.bounds.push(self.store.sessions[session as usize].bounds());
        }
        self.block.note(session);
    }

    /// Whether a session with this end takes no more records.
    #[inline]
    fn is_past(&self, end: i64, watermark: i64) -> bool {
        end.saturating_add(self.window.allowed_lateness_us) <= watermark
    }

    /// Queues a session for when it is to be looked at next, unless it is queued for before.
    fn wait(&mut self, number: u32) {
        let lateness = self.window.allowed_lateness_us;
        let session = &mut self.store.sessions[number as usize];
        let is_closing = self.emit == Emit::Final && !session.has_left;
        let due = if is_closing { session.end } else { session.end.saturating_add(lateness) };
        // A session that was never queued is noted at the end of time, and may be due then.
        if due < session.due || due == i64::MAX {
            session.due = due;
            self.due.push(due, number);
        }
    }

    /// Adds the rows that have a session to their groups.
    fn add_taken(&mut self, batch: &Batch, results: &mut Vec<Batch>) -> Result<(), AggregateError> {
        if self.taken.rows.is_empty() {
            return Ok(());
        }
        let rows = chosen(batch, &self.taken.rows);
        let Taken { sessions, bounds, .. } = &self.taken;
        if self.emit == Emit::Changes {
            self.store.update_changes(&rows, sessions, bounds)?.push_to(results)?;
        } else {
            self.store.update(&rows, sessions)?;
        }
        self.taken.rows.clear();
        self.taken.sessions.clear();
        self.taken.bounds.clear();
        Ok(())
    }

    /// Closes the sessions that the watermark has reached the end of, and forgets what takes no more
    /// records. Rows go to `results`: in order of session end, then start, then first appearance.
    ///
    /// # Errors
    /// A sum that does not fit its type.
    pub fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if watermark == EventTime::MAX {
            self.flush_changes(None, results)?;
        }
        self.close_until(watermark.0, results)?;
        self.give_back_memory()
    }

    fn close_until(
        &mut self,
        watermark: i64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        // What is given away goes in steps: the sessions of one are looked at, copied and dropped while they are in
        // the cache.
        let step = if self.sealed.is_some() { BATCH_ROWS } else { usize::MAX };
        loop {
            let (due, until) = self.due.take_until(step, watermark);
            let past = self.close_step(due, until, results)?;
            self.forget(&past, watermark == i64::MAX);
            if until == watermark {
                break;
            }
        }
        if watermark == i64::MAX {
            // They were not taken out one by one.
            self.by_key.refill(&mut self.store.sessions);
        }
        Ok(())
    }

    /// Closes those of some sessions, all that are due until then, that have ended; those that take no more records.
    fn close_step(
        &mut self,
        due: Vec<(i64, u32)>,
        until: i64,
        results: &mut Vec<Batch>,
    ) -> Result<Vec<u32>, AggregateError> {
        let (mut closing, mut past): (Vec<(i64, u32)>, Vec<u32>) = (Vec::new(), Vec::new());
        for (due, number) in due {
            let session = &mut self.store.sessions[number as usize];
            if session.is_gone || session.due != due {
                continue;
            }
            session.due = i64::MAX;
            if self.emit == Emit::Final && !session.has_left && session.end <= until {
                session.has_left = true;
                closing.push((session.end, number));
            }
            let (end, is_closing) = (session.end, self.emit == Emit::Final && !session.has_left);
            if !is_closing && self.is_past(end, until) {
                past.push(number);
            } else {
                self.wait(number);
            }
        }
        // Nearly in order: sessions come up in order of an end that some have passed since.
        closing.sort_by(|&(end, number), &(other_end, other)| {
            let place = |number: u32| {
                let session = &self.store.sessions[number as usize];
                (session.start, session.appeared, number)
            };
            end.cmp(&other_end).then_with(|| place(number).cmp(&place(other)))
        });
        let closing: Vec<u32> = closing.into_iter().map(|(_, number)| number).collect();
        let own_bytes = self.own_bytes();
        match &mut self.sealed {
            Some(sealed) if !closing.is_empty() => {
                sealed.set_budget(self.budget_bytes.saturating_sub(own_bytes));
                sealed.add(&self.store, &closing)?;
            }
            Some(_) => {}
            None => {
                for sessions in closing.chunks(BATCH_ROWS) {
                    self.close(sessions, results)?;
                }
            }
        }
        Ok(past)
    }

    /// Sessions that take no more records go. If all are going to, nobody looks for one meanwhile.
    fn forget(&mut self, past: &[u32], are_all: bool) {
        // Where most go, the few others are put in anew instead of each being taken out.
        let is_most = past.len() > self.store.sessions.len() / 2;
        for &number in past {
            if !is_most && !are_all {
                self.by_key.remove(&mut self.store.sessions, number);
            }
            self.store.remove(number);
        }
        if is_most && !are_all {
            self.by_key.refill(&mut self.store.sessions);
        }
    }

    /// Gives sessions each of which leaves as the watermark reaches its end.
    fn close(&self, sessions: &[u32], results: &mut Vec<Batch>) -> Result<(), AggregateError> {
        let end_of = |number: &u32| self.store.sessions[*number as usize].end;
        let Leaving { rows, overflow } = self.store.rows_of(sessions);
        let fitting = rows.row_count();
        let ends = sessions[..fitting].iter().map(end_of).collect();
        results.push(rows.caused_by(Cause::Reached(ends)));
        match (overflow, sessions.get(fitting)) {
            (Some(overflow), Some(session)) => {
                Err(overflow.at(Moment::Reached(EventTime(end_of(session)))))
            }
            _ => Ok(()),
        }
    }

    /// Gives the coalesced changes of the block that ends here, with a record or at the end of the input.
    fn flush_changes(
        &mut self,
        moment: Option<Moment>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let changed = self.block.take(&mut self.store);
        if changed.is_empty() {
            return Ok(());
        }
        self.store.prepare_running(&changed);
        let leaving = self.store.rows_of(&changed);
        match moment {
            Some(moment) => leave_with(moment, leaving, results),
            None => leaving.push_to(results),
        }
    }

    /// Once most sessions are gone, goes on with a copy of the others.
    fn give_back_memory(&mut self) -> Result<(), AggregateError> {
        let (live, gone) = (self.store.live_count(), self.store.gone_count);
        if gone < GONE_MIN.max(live) {
            return Ok(());
        }
        // The copy stands beside what it is made of. Where there is no room for that, fewer must live.
        let copy_bytes = self.own_bytes() / ((live + gone) as u64) * live as u64;
        if self.state_bytes() + copy_bytes > self.budget_bytes && gone / 8 < live {
            return Ok(());
        }
        self.audit.add(&self.store.keys);
        let mut changed = self.block.take(&mut self.store);
        let mut kept = changed.clone();
        kept.sort_unstable();
        let is_needed = |number: &u32| {
            !self.store.sessions[*number as usize].is_gone || kept.binary_search(number).is_ok()
        };
        let kept: Vec<u32> = (0..).take(self.store.sessions.len()).filter(is_needed).collect();
        self.store = self.store.copy_of(&kept)?;
        self.by_key.refill(&mut self.store.sessions);
        let place =
            |number: u32| kept.binary_search(&number).ok().and_then(|at| u32::try_from(at).ok());
        changed.iter_mut().for_each(|number| *number = place(*number).unwrap_or(NONE));
        self.block.put_back(changed);
        let queued = self.store.sessions.iter().zip(0..).filter(|(session, _)| !session.is_gone);
        self.due.refill(queued.clone().map(|(session, number)| (session.due, number)));
        if self.sealed.is_some() {
            let starts = queued.map(|(session, number)| Reverse((session.start, number)));
            self.starts = starts.collect();
        }
        Ok(())
    }

    /// Ends a table that was made by [`Self::sealing`]: every session, closed.
    ///
    /// # Errors
    /// As [`crate::AggTable::merge`].
    pub fn into_sealed(mut self) -> Result<SealedSessions, AggregateError> {
        self.close_until(i64::MAX, &mut Vec::new())?;
        let (spec, budget_bytes) = (&self.spec, self.budget_bytes);
        Ok(self.sealed.unwrap_or_else(|| SealedSessions::new(spec, budget_bytes)))
    }

    /// Of a table that was made by [`Self::sealing`]: the sessions that have closed since this was last
    /// asked.
    #[must_use]
    pub fn take_sealed(&mut self) -> SealedSessions {
        let empty = SealedSessions::new(&self.spec, self.budget_bytes);
        self.sealed.replace(empty).unwrap_or_else(|| SealedSessions::new(&self.spec, 0))
    }

    /// Whether sessions have closed since they were last taken.
    #[must_use]
    pub fn has_sealed(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.group_count() > 0)
    }

    /// Given that event time has come to `watermark`: no session that is not sealed yet begins before
    /// the time given. Of a table that was made by [`Self::sealing`]. O(log sessions), amortized.
    #[must_use]
    pub fn sealed_until(&mut self, watermark: EventTime) -> EventTime {
        let bound = watermark.0.saturating_sub(self.gap_us);
        while let Some(&Reverse((start, number))) = self.starts.peek() {
            let session = &self.store.sessions[number as usize];
            if !session.is_gone && session.start == start {
                return EventTime(start.min(bound));
            }
            self.starts.pop();
        }
        EventTime(bound)
    }

    fn check_budget(&self) -> Result<(), AggregateError> {
        self.check_budget_with(0)
    }

    /// Whether there is room for so many bytes more, if they are any.
    fn check_growth(&self, bytes: usize) -> Result<(), AggregateError> {
        if bytes == 0 { Ok(()) } else { self.check_budget_with(bytes as u64) }
    }

    fn check_budget_with(&self, bytes: u64) -> Result<(), AggregateError> {
        let (state_bytes, budget_bytes) = (self.state_bytes() + bytes, self.budget_bytes);
        if state_bytes <= budget_bytes {
            return Ok(());
        }
        let sealed = self.sealed.as_ref().map_or(0, SealedSessions::group_count);
        let group_count = self.group_count() + sealed;
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }

    /// Sessions of busy keys that were looked at to find those that records join; for tests of what that
    /// costs.
    #[must_use]
    pub fn looked_at_count(&self) -> u64 {
        self.by_key.looked_at()
    }

    /// Sessions that were searched for one by one as their time came; for tests of what that costs.
    #[must_use]
    pub fn due_one_by_one_count(&self) -> u64 {
        self.due.one_by_one()
    }

    /// Sessions that still take records.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.store.live_count()
    }

    /// Bytes held, those of sessions that wait to be given away among them.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.own_bytes() + self.sealed.as_ref().map_or(0, SealedSessions::state_bytes)
    }

    fn own_bytes(&self) -> u64 {
        let starts = self.starts.capacity() * size_of::<Reverse<(i64, u32)>>();
        let queued = self.due.heap_bytes() + starts;
        let held = self.store.state_bytes() + self.by_key.heap_bytes() + self.audit.heap_bytes();
        (held + queued) as u64
    }

    /// As [`crate::AggTable::seen_keys`] of the audited keys, of all groups there have been; of more than
    /// a million, some.
    #[must_use]
    pub fn seen_keys(&self) -> SeenKeys {
        self.audit.seen(std::iter::once(&self.store.keys))
    }
}
