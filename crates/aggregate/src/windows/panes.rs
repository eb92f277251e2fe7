//! Windows of fixed size: a table for each pane, emptied whole when no window needs it.
//!
//! Two layouts. *Shared*: panes do not overlap, each record goes into one, and a window that closes
//! merges its panes in order of time. *Whole*: a table for each window, and a record goes into every
//! window it lies in; for what shared panes cannot say: changes, corrections of closed windows, and
//! functions whose result depends on the order of arrival across panes. For tumbling windows both are
//! the same.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_plan::{AggregateSpec, Emit, WindowKind, WindowSpec};
use tidemill_record::{Batch, EventTime, Moment, Offset};

use crate::changes::row_moment;
use crate::compact::batch_bytes;
use crate::seen_keys::{GoneKeys, SeenKeys};
use crate::table::Leaving;
use crate::windows::SealedWindows;
use crate::windows::blocks::{Blocks, Merged};
use crate::windows::bounds::{Bounds, first_end, floor, last_end, windows_after, windows_of};
use crate::windows::idle::IdleTable;
use crate::windows::pending::PendingChanges;
use crate::windows::rows::{chosen, close, leave_with, rows_of, weave, with_bounds};
use crate::{AggTable, AggregateError, Late};

mod image;

/// Open windows of fixed size.
///
/// Invariant: no pane is empty, and every pane is needed by a window that is open, allowed to be late,
/// or has changes that have not left.
pub struct PaneTable {
    // Fixed at construction.
    /// The grouping without its window, one for all tables.
    spec: Arc<AggregateSpec>,
    window: WindowSpec,
    emit: Emit,
    layout: Layout,
    budget_bytes: u64,
    // Changes with every batch.
    panes: BTreeMap<Bounds, Pane>,
    /// Of shared panes that have closed.
    blocks: Blocks,
    /// Of a pane that was dropped.
    idle_pane: IdleTable,
    /// Of a window over shared panes that has closed: it is as large as all of them.
    idle_window: IdleTable,
    /// Windows that end at or before this have closed.
    closed_until: i64,
    /// What `EMIT CHANGES EVERY n` has not emitted.
    pending: PendingChanges,
    state_bytes: u64,
    /// Windows that were looked at because they might close.
    looked_at_count: u64,
    audit: GoneKeys,
    /// Closed windows, where they are given away instead of leaving as rows.
    sealed: Option<SealedWindows>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Panes of this length.
    Shared(i64),
    Whole,
}

pub(super) struct Pane {
    /// Apart, since nodes of a tree are half empty where windows come in order.
    pub(super) table: Box<AggTable>,
    /// Of shared panes, the offset of the record that each group appeared with: windows merge panes in
    /// order of time, and give their groups in order of arrival.
    pub(super) appeared: Vec<u64>,
    /// Of the table, as last looked at.
    state_bytes: u64,
    /// Its window's result has left; it stays for corrections.
    is_closed: bool,
}

/// Changes of one row that are made before they leave as one batch.
const WOVEN_AT_ONCE: usize = 512;

/// Bytes that a pane takes beside its table: twice its entry, for the room that nodes of the tree do not use.
const PANE_BYTES: u64 = 2 * (size_of::<Bounds>() + size_of::<Pane>()) as u64;

impl Pane {
    /// Bytes held.
    fn bytes(&self) -> u64 {
        let appeared = (self.appeared.capacity() * size_of::<u64>()) as u64;
        PANE_BYTES + self.table.state_bytes() + self.table.fixed_bytes() + appeared
    }
}

impl PaneTable {
    /// No windows yet; they may hold `budget_bytes` together. `audited_keys` are places in the group
    /// key whose values [`Self::seen_keys`] is asked for.
    ///
    /// # Panics
    /// If the grouping has no window.
    #[must_use]
    pub fn new(spec: AggregateSpec, audited_keys: &[usize], budget_bytes: u64) -> Self {
        let window = spec.window.expect("a windowed grouping");
        let emit = spec.emit;
        let pane_us = window.kind.pane_us().expect("sessions have a table of their own");
        let mut calls = spec.calls.iter();
        let is_mergeable = calls.all(|call| !call.is_distinct && !call.function.follows_order());
        let is_tumbling = matches!(window.kind, WindowKind::Tumbling { .. });
        let is_shared = emit == Emit::Final && window.allowed_lateness_us == 0 && is_mergeable;
        Self {
            // Tables are asked for changes one batch at a time, whatever leaves in the end.
            spec: Arc::new(AggregateSpec { window: None, emit: Emit::Changes, ..spec }),
            window,
            emit,
            layout: if is_shared && !is_tumbling { Layout::Shared(pane_us) } else { Layout::Whole },
            budget_bytes,
            panes: BTreeMap::new(),
            blocks: Blocks::new(pane_us, window.kind.reach_us()),
            idle_pane: IdleTable::default(),
            idle_window: IdleTable::default(),
            closed_until: i64::MIN,
            pending: PendingChanges::new(emit),
            state_bytes: 0,
            looked_at_count: 0,
            audit: GoneKeys::new(audited_keys),
            sealed: None,
        }
    }

    /// The same for final results that a gather merges: closed windows are kept until
    /// [`Self::into_sealed`], and none leave as rows.
    #[must_use]
    pub fn sealing(spec: AggregateSpec, budget_bytes: u64) -> Self {
        let sealed = Some(SealedWindows::new(&spec, budget_bytes));
        Self { sealed, ..Self::new(spec, &[], budget_bytes) }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// How many rows change about so many windows at most: each of them all that it lies in. At least 1.
    #[must_use]
    pub fn rows_at_once(&self, changes_max: usize) -> usize {
        if let Layout::Shared(_) = self.layout {
            return usize::MAX;
        }
        let windows = match self.window.kind {
            WindowKind::Hopping { size_us, advance_us } => size_us / advance_us.max(1),
            WindowKind::Cumulating { size_us, step_us } => size_us / step_us.max(1),
            WindowKind::Tumbling { .. } | WindowKind::Session { .. } => return usize::MAX,
        };
        let windows = usize::try_from(windows).unwrap_or(1).max(1);
        (changes_max / windows).max(1)
    }

    /// How far event time may pass at a time on its way to `watermark`, so that what leaves is one window.
    #[must_use]
    pub fn next_step(&self, watermark: EventTime) -> EventTime {
        if self.emit != Emit::Final || self.sealed.is_some() {
            return watermark;
        }
        let closed_until = self.closed_until;
        let next = match self.layout {
            Layout::Shared(_) => self
                .panes
                .keys()
                .find_map(|pane| windows_after(self.window.kind, pane.start, closed_until).next()),
            Layout::Whole => {
                let closed = Bounds { end: closed_until, start: i64::MAX };
                self.panes.range((Excluded(closed), Unbounded)).next().map(|(&window, _)| window)
            }
        };
        next.map_or(watermark, |window| watermark.min(EventTime(window.end)))
    }

    /// Adds a batch, each row judged by the watermark beside it. What the rows cause goes to
    /// `results`, in order: changes, corrections, and windows that closed between two rows. Rows that
    /// are late go to `late`.
    ///
    /// # Errors
    /// As [`AggTable::update`].
    ///
    /// # Cost
    /// O(rows) where all rows are in time; a row behind the end of a window costs a lookup.
    pub fn update(
        &mut self,
        batch: &Batch,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let Some(last) = batch.row_count().checked_sub(1) else { return Ok(()) };
        let times = batch.column(self.window.time).as_primitive::<TimestampMicrosecondType>();
        let times = &times.values()[..];
        let (least, most) =
            times.iter().fold((i64::MAX, i64::MIN), |(a, b), &t| (a.min(t), b.max(t)));
        // Watermarks ascend, so the last one says whether any row may have met a closed window.
        let watermark_most = batch.watermark_before(last).0;
        if watermark_most < first_end(self.window.kind, least) && !self.pending.is_counting() {
            self.take_all(batch, times, least, most, results)?;
        } else {
            self.take_one_by_one(batch, times, late, results)?;
        }
        self.check_budget()
    }

    /// All rows are in time for all their windows.
    fn take_all(
        &mut self,
        batch: &Batch,
        times: &[i64],
        least: i64,
        most: i64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if let Some(pane) = self.only_pane(least, most) {
            let changes = self.update_pane(pane, batch)?;
            return changes.map_or(Ok(()), |changes| changes.push_to(results));
        }
        let rows: Vec<u32> = (0..).take(times.len()).collect();
        self.take_rows(batch, times, &rows, results)
    }

    /// The one pane that all times from `least` to `most` lie in, if there is one.
    fn only_pane(&self, least: i64, most: i64) -> Option<Bounds> {
        let only = |time: i64| {
            let mut panes = self.panes_of(time);
            panes.next().filter(|_| panes.next().is_none())
        };
        // Another window of a time between would begin before one of the two, or end behind it.
        only(least).filter(|&pane| only(most) == Some(pane))
    }

    fn panes_of(&self, time: i64) -> impl Iterator<Item = Bounds> + use<> {
        let (pane, windows) = match self.layout {
            Layout::Shared(width) => {
                let start = floor(time, width);
                (Some(Bounds { start, end: start.saturating_add(width) }), None)
            }
            Layout::Whole => (None, Some(windows_of(self.window.kind, time))),
        };
        pane.into_iter().chain(windows.into_iter().flatten())
    }

    /// Judges every row by the watermark beside it.
    fn take_one_by_one(
        &mut self,
        batch: &Batch,
        times: &[i64],
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let (kind, lateness) = (self.window.kind, self.window.allowed_lateness_us);
        // Rows that are in time and wait to be added together.
        let mut rows: Vec<u32> = Vec::new();
        for (row, &time) in times.iter().enumerate() {
            let at = u32::try_from(row).expect("a batch has at most 2^32 rows");
            let watermark = batch.watermark_before(row).0;
            let first = first_end(kind, time);
            if first <= watermark {
                let is_late = |end: i64| end.saturating_add(lateness) <= watermark;
                let is_lost = is_late(last_end(kind, time));
                if is_lost || is_late(first) {
                    let offset = Offset(batch.offsets().value(row));
                    late.push(Late { offset, what: kind.name(), is_partly: !is_lost });
                }
                if !is_lost {
                    // What was in time for a window that has closed since must be in its result.
                    self.take_rows(batch, times, &rows, results)?;
                    rows.clear();
                    self.close_until(watermark, results)?;
                    if self.emit == Emit::Final && lateness > 0 {
                        self.correct(&batch.slice(row, 1), time, watermark, results)?;
                    } else {
                        rows.push(at);
                    }
                }
            } else {
                rows.push(at);
            }
            if self.pending.count_row() {
                self.take_rows(batch, times, &rows, results)?;
                rows.clear();
                self.flush_changes(Some(row_moment(batch, row)), results)?;
            }
        }
        self.take_rows(batch, times, &rows, results)
    }

    /// Adds rows to the panes of each for which they are not late.
    fn take_rows(
        &mut self,
        batch: &Batch,
        times: &[i64],
        rows: &[u32],
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let mut by_pane: BTreeMap<Bounds, Vec<u32>> = BTreeMap::new();
        for &row in rows {
            let watermark = batch.watermark_before(row as usize).0;
            for pane in self.panes_of(times[row as usize]) {
                let is_late = self.layout == Layout::Whole
                    && pane.end.saturating_add(self.window.allowed_lateness_us) <= watermark;
                if !is_late {
                    // A batch is of one window or two, unless windows are short.
                    let room = if by_pane.len() < 2 { rows.len() } else { 0 };
                    let of_pane = by_pane.entry(pane);
                    of_pane.or_insert_with(|| Vec::with_capacity(room)).push(row);
                }
            }
        }
        let mut changed: Vec<Leaving> = Vec::new();
        // Where a result is all values so far, what leaves may be much more than what is kept.
        let is_much = self.spec.calls.iter().any(|call| call.function.gives_all());
        let results_from = self.spec.keys.len() + 2;
        let mut leaving_bytes = 0;
        let row_count = rows.len();
        // Row, place among `changed`, row there: panes are in order of end.
        let mut order: Vec<(u32, usize, usize)> = Vec::new();
        for (pane, rows) in by_pane {
            if let Some(changes) = self.update_pane(pane, &chosen(batch, &rows))? {
                order.extend(rows.iter().enumerate().map(|(at, &row)| (row, changed.len(), at)));
                if is_much {
                    let results = &changes.rows.columns()[results_from..];
                    let bytes: usize =
                        results.iter().map(|column| column.get_array_memory_size()).sum();
                    leaving_bytes += bytes as u64;
                    self.check_budget_with(leaving_bytes)?;
                }
                changed.push(changes);
                if row_count == 1 && changed.len() == WOVEN_AT_ONCE {
                    // They leave as they are made: a row's windows are in order.
                    let places = order.drain(..).map(|(_, batch, row)| (batch, row)).collect();
                    if let Some(leaving) = weave(std::mem::take(&mut changed), places) {
                        leaving.push_to(results)?;
                    }
                }
            } else if self.pending.is_counting() {
                let table = &self.panes[&pane].table;
                self.pending.note(pane, &rows, &table.group_indices);
            }
        }
        self.pending.sort_noted();
        if changed.len() > 1 {
            order.sort_unstable();
        }
        let places = order.into_iter().map(|(_, batch, row)| (batch, row)).collect();
        weave(changed, places).map_or(Ok(()), |leaving| leaving.push_to(results))
    }

    /// Adds rows to one pane; the changes they cause, where each is wanted.
    fn update_pane(
        &mut self,
        bounds: Bounds,
        rows: &Batch,
    ) -> Result<Option<Leaving>, AggregateError> {
        let (spec, budget_bytes) = (&self.spec, self.budget_bytes);
        let held = self.state_bytes();
        let idle = &mut self.idle_pane;
        let pane = self.panes.entry(bounds).or_insert_with(|| Pane {
            table: Box::new(
                idle.take().unwrap_or_else(|| AggTable::new(Arc::clone(spec), budget_bytes)),
            ),
            appeared: Vec::new(),
            state_bytes: 0,
            is_closed: false,
        });
        pane.table.set_budget(budget_bytes.saturating_sub(held.saturating_sub(pane.state_bytes)));
        let changes = if self.emit == Emit::Changes {
            let changes = pane.table.change_every_row(rows)?;
            pane.table.check_budget()?;
            Some(changes)
        } else {
            pane.table.update(rows)?;
            None
        };
        if let Layout::Shared(_) = self.layout
            && pane.appeared.len() < pane.table.group_count()
        {
            // New groups are numbered in order of their first row.
            for (row, &group) in pane.table.group_indices.iter().enumerate() {
                if group as usize == pane.appeared.len() {
                    pane.appeared.push(rows.offsets().value(row));
                }
            }
        }
        let state_bytes = pane.bytes();
        // A table may have come to hold less: what it kept of few groups goes when there are many.
        self.state_bytes = self.state_bytes - pane.state_bytes + state_bytes;
        pane.state_bytes = state_bytes;
        if bounds.end <= self.closed_until {
            self.blocks.forget(bounds);
        }
        self.check_budget()?;
        Ok(changes.map(|Leaving { rows, overflow }| Leaving {
            rows: with_bounds(&rows, self.spec.keys.len(), bounds),
            overflow,
        }))
    }

    /// Adds one row that came after the end of a window which still takes it: the results of such
    /// windows leave again.
    fn correct(
        &mut self,
        row: &Batch,
        time: i64,
        watermark: i64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        for window in windows_of(self.window.kind, time) {
            if window.end.saturating_add(self.window.allowed_lateness_us) <= watermark {
                continue;
            }
            self.update_pane(window, row)?;
            if window.end <= watermark {
                let pane = self.panes.get_mut(&window).expect("the row was added to it");
                pane.is_closed = true;
                let groups = pane.table.group_indices.clone();
                pane.table.prepare_running(&groups);
                let leaving = rows_of(&pane.table, &groups, window);
                leave_with(row_moment(row, 0), leaving, results)?;
            }
        }
        Ok(())
    }

    /// Closes the windows that the watermark has reached the end of, and drops what nothing needs any
    /// more. Their rows go to `results`: in order of window end, then of first appearance.
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
        self.close_until(watermark.0, results)
    }

    /// Closes the windows that end at or before the watermark: their rows leave where results are
    /// final, and what nothing needs any more is dropped.
    fn close_until(
        &mut self,
        watermark: i64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if watermark <= self.closed_until && watermark != i64::MAX {
            return Ok(());
        }
        if let Layout::Shared(_) = self.layout {
            let mut leaving_bytes = 0;
            while let Some((window, table, order)) = self.close_next(watermark)? {
                if self.sealed.is_some() {
                    if let Some(table) = self.seal(window, table, order)? {
                        self.idle_window.keep(table);
                    }
                } else {
                    // Its table is not among those held, and its rows are there before anybody looks at them.
                    let columns = self.spec.keys.len() + self.spec.calls.len() + 4;
                    let row_bytes = (table.group_count() * columns * size_of::<u64>()) as u64;
                    self.check_budget_with(leaving_bytes + table.state_bytes() + row_bytes)?;
                    let before = results.len();
                    close(&table, &order, window, results)?;
                    leaving_bytes += results[before..].iter().map(batch_bytes).sum::<u64>();
                    self.check_budget_with(leaving_bytes)?;
                    self.idle_window.keep(table);
                }
            }
        } else {
            self.close_whole(watermark, results)?;
        }
        self.closed_until = self.closed_until.max(watermark);
        if watermark == i64::MAX {
            // Nothing follows.
            self.drop_idle();
        }
        Ok(())
    }

    fn close_whole(
        &mut self,
        watermark: i64,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let is_over = watermark == i64::MAX;
        let ending_until = |time: i64| {
            let end = Excluded(Bounds { end: time.saturating_add(1), start: i64::MIN });
            if is_over { Unbounded } else { end }
        };
        if self.sealed.is_none() && self.emit == Emit::Final {
            // What ended before has left, and stays only for corrections.
            let from = Bounds { end: self.closed_until.saturating_add(1), start: i64::MIN };
            let from = if is_over { Unbounded } else { Included(from) };
            let ended = (from, ending_until(watermark.max(self.closed_until)));
            let (mut leaving_bytes, held) = (0, self.state_bytes());
            for (&window, pane) in self.panes.range_mut(ended) {
                if !pane.is_closed {
                    let order: Vec<u32> = (0..).take(pane.table.group_count()).collect();
                    let before = results.len();
                    close(&pane.table, &order, window, results)?;
                    leaving_bytes += results[before..].iter().map(batch_bytes).sum::<u64>();
                    pane.is_closed = true;
                }
                self.looked_at_count += 1;
                if leaving_bytes + held > self.budget_bytes {
                    return self.check_budget_with(leaving_bytes);
                }
            }
        }
        let past = watermark.saturating_sub(self.window.allowed_lateness_us);
        let past = self.panes.range((Unbounded, ending_until(past)));
        let done: Vec<Bounds> =
            past.map(|(&window, _)| window).filter(|&window| !self.pending.needs(window)).collect();
        for window in done {
            let Some(pane) = self.drop_pane(window) else { continue };
            let order = (0..).take(pane.table.group_count()).collect();
            if let Some(table) = self.seal(window, *pane.table, order)? {
                self.idle_pane.keep(table);
            }
        }
        Ok(())
    }

    fn drop_pane(&mut self, bounds: Bounds) -> Option<Pane> {
        let pane = self.panes.remove(&bounds)?;
        self.state_bytes -= pane.state_bytes;
        self.audit.add(&pane.table.interner);
        self.blocks.forget(bounds);
        Some(pane)
    }

    fn drop_idle(&mut self) {
        (self.idle_pane, self.idle_window) = Default::default();
    }

    /// Drops a pane that no window needs any more.
    fn leave_pane(&mut self, bounds: Bounds) {
        if let Some(pane) = self.drop_pane(bounds) {
            self.idle_pane.keep(*pane.table);
        }
    }

    /// The next window over shared panes that ends at or before the watermark, merged, and its groups
    /// in order of first appearance; panes that no later window needs are dropped.
    fn close_next(
        &mut self,
        watermark: i64,
    ) -> Result<Option<(Bounds, AggTable, Vec<u32>)>, AggregateError> {
        loop {
            let Some((&oldest, _)) = self.panes.first_key_value() else { return Ok(None) };
            let mut windows = windows_after(self.window.kind, oldest.start, self.closed_until);
            let Some(window) = windows.next() else {
                self.leave_pane(oldest);
                continue;
            };
            if window.end > watermark {
                return Ok(None);
            }
            let room = self.budget_bytes.saturating_sub(self.state_bytes());
            let fresh = || AggTable::new(Arc::clone(&self.spec), room);
            let parts = self.blocks.parts_of(&self.panes, oldest, window, &fresh)?;
            let mut merged = self.idle_window.take().unwrap_or_else(fresh);
            merged.set_budget(self.budget_bytes.saturating_sub(self.state_bytes()));
            let (merged, _) = self.blocks.merge(&self.panes, &parts, Merged::new(merged))?;
            let Merged { table: merged, appeared } = merged;
            let mut order: Vec<u32> = (0..).take(merged.group_count()).collect();
            order.sort_unstable_by_key(|&group| appeared[group as usize]);
            let is_last = last_end(self.window.kind, oldest.start) <= window.end;
            // A window cut off at the end of time could not be left behind by its end alone.
            self.closed_until = window.end;
            if is_last {
                self.leave_pane(oldest);
            }
            return Ok(Some((window, merged, order)));
        }
    }

    /// Gives the coalesced changes of the block that ends here, with a record or at the end of the input.
    fn flush_changes(
        &mut self,
        moment: Option<Moment>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let noted = self.pending.take();
        if noted.is_empty() {
            return Ok(());
        }
        let mut by_pane: BTreeMap<Bounds, Vec<u32>> = BTreeMap::new();
        let mut places = Vec::with_capacity(noted.len());
        for (pane, group) in noted {
            let groups = by_pane.entry(pane).or_default();
            places.push((pane, groups.len()));
            groups.push(group);
        }
        for (pane, groups) in &by_pane {
            let pane = self.panes.get_mut(pane).expect("a window with changes is there");
            pane.table.prepare_running(groups);
        }
        let order: Vec<Bounds> = by_pane.keys().copied().collect();
        let leaving = by_pane.iter();
        let leaving =
            leaving.map(|(pane, groups)| rows_of(&self.panes[pane].table, groups, *pane)).collect();
        let place_of = |pane: &Bounds| order.binary_search(pane).unwrap_or(0);
        let places: Vec<_> = places.iter().map(|(pane, row)| (place_of(pane), *row)).collect();
        match (weave(leaving, places), moment) {
            (Some(leaving), Some(moment)) => leave_with(moment, leaving, results)?,
            (Some(leaving), None) => leaving.push_to(results)?,
            (None, _) => {}
        }
        // Windows that have closed meanwhile were kept for this.
        self.close_whole(self.closed_until, results)
    }

    /// Ends a table that was made by [`Self::sealing`]: every window, closed.
    ///
    /// # Errors
    /// As [`AggTable::merge`].
    pub fn into_sealed(mut self) -> Result<SealedWindows, AggregateError> {
        self.close_until(i64::MAX, &mut Vec::new())?;
        let (spec, budget_bytes) = (&self.spec, self.budget_bytes);
        Ok(self.sealed.unwrap_or_else(|| SealedWindows::new(spec, budget_bytes)))
    }

    /// Whether windows have closed since they were last taken.
    #[must_use]
    pub fn has_sealed(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.group_count() > 0)
    }

    /// Of a table that was made by [`Self::sealing`]: the windows that have closed since this was last
    /// asked, all there are that end at or before the watermark it was told of.
    #[must_use]
    pub fn take_sealed(&mut self) -> SealedWindows {
        match &mut self.sealed {
            Some(sealed) => {
                let empty = sealed.emptied();
                std::mem::replace(sealed, empty)
            }
            None => SealedWindows::new(&self.spec, 0),
        }
    }

    fn check_budget(&mut self) -> Result<(), AggregateError> {
        if self.state_bytes() > self.budget_bytes {
            self.drop_idle();
        }
        self.check_budget_with(0)
    }

    /// The same with so many bytes beside what is held.
    fn check_budget_with(&self, bytes: u64) -> Result<(), AggregateError> {
        let state_bytes = self.state_bytes() + bytes;
        if state_bytes <= self.budget_bytes {
            return Ok(());
        }
        let sealed = self.sealed.as_ref().map_or(0, SealedWindows::group_count);
        Err(AggregateError::BudgetExceeded {
            state_bytes,
            budget_bytes: self.budget_bytes,
            group_count: self.group_count() + sealed,
        })
    }

    /// Groups that were merged because windows closed, and windows that were looked at because they might
    /// close; for tests of what that costs.
    #[must_use]
    pub fn work_counts(&self) -> (u64, u64) {
        (self.blocks.merged_count(), self.looked_at_count)
    }

    /// Keeps a closed window for the gather, if there is one, with its groups in this order; the table, if nobody
    /// needs it any more.
    fn seal(
        &mut self,
        window: Bounds,
        table: AggTable,
        order: Vec<u32>,
    ) -> Result<Option<AggTable>, AggregateError> {
        let Some(sealed) = &mut self.sealed else { return Ok(Some(table)) };
        let noted = (self.pending.heap_bytes() + self.audit.heap_bytes()) as u64;
        let elsewhere = self.state_bytes + self.blocks.state_bytes() + noted;
        sealed.set_budget(self.budget_bytes.saturating_sub(elsewhere));
        sealed.add(window, table, order)
    }

    /// Groups in panes that are held.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.panes.values().map(|pane| pane.table.group_count()).sum()
    }

    /// Bytes held, those of closed windows and of tables for windows to come among them.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let sealed = self.sealed.as_ref().map_or(0, SealedWindows::state_bytes);
        let noted = (self.pending.heap_bytes() + self.audit.heap_bytes()) as u64;
        let idle = self.idle_pane.state_bytes() + self.idle_window.state_bytes();
        self.state_bytes + self.blocks.state_bytes() + sealed + noted + idle
    }

    /// As [`AggTable::seen_keys`] of the audited keys, of all groups there have been; of more than a
    /// million, some.
    #[must_use]
    pub fn seen_keys(&self) -> SeenKeys {
        self.audit.seen(self.panes.values().map(|pane| &pane.table.interner))
    }
}
