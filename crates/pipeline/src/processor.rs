//! The plan's stages, applied to one batch after another.

mod resume;

use tidemill_aggregate::{
    AggregateError, EventTimes, FarAhead, Late, Scatter, Sealed, SeenKeys, SplitTimes,
    TableBatches, WindowTable,
};
use tidemill_expr::Context;
use tidemill_plan::fragment::Merge;
use tidemill_plan::{Emit, Stage};
use tidemill_record::{BadRecord, Batch, EventTime, Offset};

use crate::PipelineError;
use crate::error::StepError;
use crate::held::{Held, count};
use crate::measures::{StepMeasure, StepMeter};
use crate::order::{Gives, INPUT, Judged, Key, Order};
use crate::seal::Seal;
use crate::step::{Step, update_all};

/// Applies the stages of one pipeline. Knows tables and expressions, no I/O.
pub(crate) struct Processor {
    steps: Vec<Step>,
    /// What everything ends in, where a gather follows.
    seal: Option<Seal>,
    /// How the gather merges it.
    merge: Option<Merge>,
    seals_by_event_time: bool,
    /// Records of a source come, and not results of other pipelines.
    are_records: bool,
    /// How far the input has come in event time.
    watermark: EventTime,
    /// Records that came too late, in this turn.
    late: Vec<Late>,
    /// What one step makes of what the step before has made; empty between two.
    results: Vec<Batch>,
    /// The steps that have more to give at this event time, ascending; the last goes on first. Those behind the
    /// first are not told of the time until they have seen all its rows.
    leaving: Vec<usize>,
    /// The step that is being emptied at the end of input, and what is left of it.
    draining: Option<(usize, Draining)>,
    /// Bytes that are held until it is empty.
    draining_bytes: u64,
    /// Which of the rows that are bad, late or fail is the first.
    order: Order,
    meter: StepMeter,
    /// Steps before this one have been emptied.
    drained_count: usize,
    batch_rows: usize,
    audits: Vec<KeyAudit>,
    group_count: u64,
    state_bytes: u64,
}

/// Values of the declared partition columns that a local stage saw in one partition.
#[derive(Clone, Debug)]
pub struct KeyAudit {
    /// Place of the stage among the pipeline's stages.
    pub stage: usize,
    /// The values.
    pub seen: SeenKeys,
}

/// How a step is emptied.
enum Draining {
    /// Batch by batch.
    Batches(TableBatches),
    /// Event time comes to its end.
    Time,
}

/// What the steps give. `are_records` if each of the rows that come has an offset of its own.
fn order_of(steps: &[Step], are_records: bool) -> Order {
    let mut gives: Vec<Gives> = Vec::with_capacity(steps.len() + 1);
    for step in steps {
        gives.push(match step {
            Step::EventTime(_)
            | Step::Filter(_)
            | Step::Project(..)
            | Step::Transpose(_)
            | Step::Limit(_) => Gives::Same,
            Step::Aggregate { emit: Emit::Changes | Emit::ChangesEvery(0 | 1), .. } => Gives::Same,
            Step::Over(table) if !table.waits() => Gives::Same,
            Step::Over(_) if are_records && !gives.contains(&Gives::Own) => Gives::Reordered,
            _ => Gives::Own,
        });
    }
    gives.push(Gives::Own);
    Order::new(gives)
}

impl Processor {
    /// `are_records` if what comes are records of a source, and not results of other pipelines; the steps are
    /// measured if that `is_measured`.
    pub(crate) fn new(
        stages: &[Stage],
        seal: Option<&Merge>,
        context: &Context,
        batch_rows: usize,
        are_records: bool,
        is_measured: bool,
    ) -> Result<Self, PipelineError> {
        let budget_bytes = u64::MAX;
        let steps = stages.iter().map(|stage| Step::new(stage, context, batch_rows));
        let seals_by_event_time = seal.is_some_and(Merge::is_by_event_time);
        let merge = seal.cloned();
        let seal = seal.map(|merge| match merge {
            Merge::Windows(spec) => Seal::Windows(WindowTable::sealing(spec.clone(), budget_bytes)),
            merge => Seal::Table(Box::new(Sealed::new(merge, budget_bytes))),
        });
        let steps: Vec<Step> = steps.collect::<Result<_, _>>()?;
        Ok(Self {
            order: order_of(&steps, are_records),
            meter: StepMeter::new(steps.len(), is_measured),
            are_records,
            steps,
            seal,
            merge,
            seals_by_event_time,
            watermark: EventTime::MIN,
            late: Vec::new(),
            results: Vec::new(),
            leaving: Vec::new(),
            draining: None,
            draining_bytes: 0,
            drained_count: 0,
            batch_rows,
            audits: Vec::new(),
            group_count: 0,
            state_bytes: 0,
        })
    }

    /// Lets rows that are sealed wait to be looked up by the gather, on several cores: where no image is made before.
    pub(crate) fn scatter(&mut self) {
        if let Some(Seal::Table(table)) = &mut self.seal {
            table.scatter(Scatter::default());
        }
    }

    /// The records of another partition follow, as if they were of the same.
    pub(crate) fn begin_input(&mut self) {
        self.order.begin_input();
    }

    /// Applies every stage but the first `spared_count` to a batch, in place: what is there afterwards has left the
    /// last stage. What is bad, late or fails on the way is for [`Self::judge`].
    ///
    /// # Cost
    /// O(rows), plus the rows of windows that close.
    pub(crate) fn apply(
        &mut self,
        spared_count: usize,
        batches: &mut Vec<Batch>,
        bad: &mut Vec<BadRecord>,
    ) {
        debug_assert!(!self.is_leaving(), "what leaves with the last batch has left");
        if self.are_records {
            batches.iter().for_each(|batch| self.order.begin(batch));
        } else {
            self.order.begin_rows();
            batches.iter_mut().for_each(|batch| self.order.note_rows(INPUT, batch));
        }
        self.apply_from(spared_count, batches, bad);
    }

    /// Notes that the first steps have been spared rows, as [`StepMeter::note_spared`].
    pub(crate) fn note_spared(&mut self, step_count: usize, rejected: usize, kept: usize) {
        self.meter.note_spared(step_count, rejected, kept);
    }

    fn apply_from(&mut self, first: usize, batches: &mut Vec<Batch>, bad: &mut Vec<BadRecord>) {
        let results = &mut self.results;
        debug_assert!(results.is_empty(), "between two steps nothing is left");
        for (place, step) in self.steps.iter_mut().enumerate().skip(first) {
            let was_full = matches!(step, Step::Limit(limit) if limit.is_satisfied());
            let begun = self.meter.begin(batches);
            let late = &mut self.late;
            let mut taken =
                batches.drain(..).try_for_each(|batch| step.update(batch, bad, late, results));
            if let Step::EventTime(times) = step {
                self.watermark = self.watermark.max(times.watermark());
                for batch in &*results {
                    self.order.note_watermarks(batch, times.watermark());
                }
            }
            if taken.is_ok() && step.has_rest() {
                if self.leaving.last() != Some(&place) {
                    self.leaving.push(place);
                }
            } else if taken.is_ok() && self.leaving.is_empty() {
                let advanced = step.advance(self.watermark, results);
                taken = advanced.map_err(StepError::from).map(|is_all| {
                    self.leaving.extend((!is_all).then_some(place));
                });
            }
            results.retain(|batch| batch.row_count() > 0);
            self.meter.end(place, begun, results);
            self.order.note_step(place, results, bad.len(), self.late.len());
            if let Err(error) = taken {
                self.leaving.clear();
                self.order.note_failure(place, error);
            }
            let is_full = matches!(step, Step::Limit(limit) if limit.is_satisfied());
            if let (true, false, Some(last)) = (is_full, was_full, results.last()) {
                self.order.note_full(place, last, last.row_count() - 1);
            }
            std::mem::swap(batches, results);
        }
        self.give_to_gather(batches, bad.len());
        // Nobody waits for what is in front of a limit that is full.
        let full_until = self.full_until();
        self.leaving.retain(|place| *place >= full_until);
    }

    /// Gives what has left the last step to the table for a gather, where there is one.
    fn give_to_gather(&mut self, batches: &mut Vec<Batch>, bad_count: usize) {
        let place = self.steps.len();
        let begun = self.meter.begin(if self.seal.is_some() { batches } else { &[] });
        let given: Result<(), AggregateError> = match &mut self.seal {
            None => Ok(()),
            Some(Seal::Table(table)) => batches.drain(..).try_for_each(|batch| {
                let (row_count, was_full) = (table.first_rows().unwrap_or(0), table.is_full());
                table.update(&batch)?;
                if table.is_full() && !was_full {
                    let taken = table.first_rows().unwrap_or(0) - row_count;
                    let row = usize::try_from(taken).expect("rows of this batch") - 1;
                    self.order.note_full(place, &batch, row);
                }
                Ok(())
            }),
            Some(Seal::Windows(table)) => {
                let (results, late) = (&mut self.results, &mut self.late);
                let mut given = batches
                    .drain(..)
                    .try_for_each(|batch| update_all(table, &batch, late, results));
                if given.is_ok() && self.leaving.is_empty() {
                    given = table.advance(self.watermark, results);
                }
                debug_assert!(results.is_empty(), "closed windows are kept for the gather");
                self.order.note_step(place, &mut [], bad_count, self.late.len());
                given
            }
        };
        self.meter.end(place, begun, &[]);
        if let Err(error) = given {
            self.leaving.clear();
            self.order.note_failure(place, error);
        }
    }

    /// What was bad, late or failed since a batch was taken in, in order; `None` on the usual path. Only
    /// once nothing is left of what leaves with the batch.
    pub(crate) fn judge(&mut self, bad: &mut Vec<BadRecord>) -> Option<Judged> {
        debug_assert!(!self.is_leaving(), "what leaves later may come before");
        self.order.judge(bad, &mut self.late)
    }

    /// The first of what makes the job fail, as far as it is known; `is_fatal` says whether bad rows do.
    pub(crate) fn first_failure(&self, bad: &[BadRecord], is_fatal: bool) -> Option<Key> {
        self.order.first_failure(bad, is_fatal)
    }

    /// How many of a batch's rows, behind the last step, come before this.
    pub(crate) fn rows_before(&self, batch: &Batch, end: Key) -> usize {
        self.order.rows_before(batch, end)
    }

    /// Whether more leaves at this event time than has left yet. No batch is taken in before it has.
    pub(crate) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Forgets the rows that have left the last stage meanwhile, and have been written: where much leaves at one
    /// event time, what is known of them must not add up. Tables behind may still tell of theirs.
    pub(crate) fn forget_written(&mut self, bad: &[BadRecord]) {
        let Some(&place) = self.leaving.last() else { return };
        let is_stateless = |step: &Step| step.held().is_none();
        if bad.is_empty()
            && self.late.is_empty()
            && self.seal.is_none()
            && self.steps[place + 1..].iter().all(is_stateless)
        {
            self.order.forget_from(place);
        }
    }

    /// Goes on with what [`Self::is_leaving`] says; what leaves the last stage goes to `batches`, which are
    /// none.
    pub(crate) fn go_on(&mut self, batches: &mut Vec<Batch>, bad: &mut Vec<BadRecord>) {
        let Some(place) = self.leaving.pop() else { return };
        debug_assert!(batches.is_empty(), "what left before has been written");
        let begun = self.meter.begin(&[]);
        let step = &mut self.steps[place];
        let (late, watermark) = (&mut self.late, self.watermark);
        let is_alone = self.leaving.is_empty();
        let gone_on = match step.has_rest() {
            true => step.go_on(bad, late, batches).map(|()| true),
            false => Ok(false),
        };
        let left = match gone_on {
            Ok(true) if step.has_rest() || !is_alone => Ok(!step.has_rest()),
            // It has seen all its rows, and may be told of the time that they came at.
            Ok(_) => step.advance(watermark, batches).map_err(StepError::from),
            Err(error) => Err(error),
        };
        batches.retain(|batch| batch.row_count() > 0);
        self.meter.end(place, begun, batches);
        self.order.note_step(place, batches, bad.len(), self.late.len());
        match left {
            Ok(is_all) => self.leaving.extend((!is_all).then_some(place)),
            Err(error) => self.order.note_failure(place, error),
        }
        self.apply_from(place + 1, batches, bad);
    }

    /// Whether nothing is held or on its way that would still leave the last step.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_at_rest()
            && self.steps.iter().all(Step::is_empty)
            && self.seal.as_ref().is_none_or(Seal::is_empty)
            && !self.has_closed()
    }

    /// Bytes held between turns.
    pub(crate) fn held_bytes(&self) -> u64 {
        let steps: u64 = self.steps.iter().map(Step::state_bytes).sum();
        let audit_bytes =
            count(self.audits.iter().map(|audit| audit.seen.heap_bytes()).sum::<usize>());
        let seal = self.seal.as_ref().map_or(0, Seal::state_bytes);
        steps + seal + audit_bytes + self.draining_bytes
    }

    /// What is held, for a message.
    pub(crate) fn held(&self) -> impl Iterator<Item = Held> {
        let draining = Held {
            what: "a table that leaves",
            bytes: self.draining_bytes,
            groups: self.group_count,
        };
        let steps = self.steps.iter().filter_map(Step::held);
        steps.chain(self.seal.as_ref().map(Seal::held)).chain(std::iter::once(draining))
    }

    /// Notes what each step holds between two turns, where that is asked for.
    pub(crate) fn note_held(&mut self) {
        if !self.meter.is_on() {
            return;
        }
        for (place, step) in self.steps.iter().enumerate() {
            if let Some(held) = step.held() {
                self.meter.note_held(place, &held);
            }
        }
        if let Some(seal) = &self.seal {
            self.meter.note_held(self.steps.len(), &seal.held());
        }
    }

    /// What was measured of the steps, and of the table for the gather; only where that is asked for.
    pub(crate) fn measures(&self) -> (Vec<StepMeasure>, StepMeasure) {
        self.meter.measures()
    }

    /// Lets each table hold so many bytes more than it does.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        self.steps.iter_mut().for_each(|step| step.set_room(room_bytes));
        if let Some(seal) = &mut self.seal {
            seal.set_room(room_bytes);
        }
    }

    /// Lets event time pass without a batch. `batches` must be empty; rows that leave the last stage are pushed to it.
    pub(crate) fn pass_time(
        &mut self,
        watermark: EventTime,
        batches: &mut Vec<Batch>,
        bad: &mut Vec<BadRecord>,
    ) {
        if let Some(times) = self.event_times_mut() {
            times.raise(watermark);
        }
        self.watermark = self.watermark.max(watermark);
        self.order.begin_time();
        self.apply_from(0, batches, bad);
    }

    /// How far event time has come.
    pub(crate) fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Whether windows have closed since they were last taken.
    pub(crate) fn has_closed(&self) -> bool {
        match &self.seal {
            // There are windows that have not come here yet.
            _ if self.is_leaving() => false,
            Some(Seal::Windows(table)) => table.has_sealed(),
            Some(Seal::Table(table)) => self.seals_by_event_time && table.has_until(self.watermark),
            None => false,
        }
    }

    /// The windows that have closed since this was last asked, and until when there will be no other;
    /// `None` where nothing is sealed by event time, or not all has come there yet.
    pub(crate) fn take_closed(&mut self) -> Result<Option<(Sealed, EventTime)>, PipelineError> {
        let watermark = self.watermark;
        if self.is_leaving() {
            return Ok(None);
        }
        Ok(match &mut self.seal {
            Some(Seal::Windows(table)) => Some(table.take_sealed(watermark)),
            Some(Seal::Table(table)) if self.seals_by_event_time => {
                Some((table.take_until(watermark)?, watermark))
            }
            Some(Seal::Table(_)) | None => None,
        })
    }

    /// Whether no further input can change the result, because a limit is full.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.full_until() > 0
    }

    /// Nothing that a step before this one would give is wanted any more; 0 while no limit is full.
    fn full_until(&self) -> usize {
        if matches!(&self.seal, Some(Seal::Table(table)) if table.is_full()) {
            return self.steps.len() + 1;
        }
        let is_full = |step: &Step| matches!(step, Step::Limit(limit) if limit.is_satisfied());
        self.steps.iter().rposition(is_full).map_or(0, |place| place + 1)
    }

    /// After the last input, again and again: the next rows that the tables still owe, each table's
    /// passing through the stages behind it, go to `batches`. False once all are empty.
    pub(crate) fn drain(&mut self, batches: &mut Vec<Batch>, bad: &mut Vec<BadRecord>) -> bool {
        debug_assert!(batches.is_empty(), "what left before has been written");
        loop {
            if self.is_leaving() {
                self.go_on(batches, bad);
                return true;
            }
            let Some(place) = self.draining.as_ref().map(|(place, _)| *place) else {
                if self.drained_count == self.steps.len() {
                    return false;
                }
                if let Err(error) = self.empty_next_step() {
                    self.order.begin_rows();
                    self.order.note_failure(self.drained_count - 1, error);
                    return true;
                }
                continue;
            };
            let is_wanted = place >= self.full_until();
            let begun = self.meter.begin(&[]);
            let left = match &mut self.draining {
                Some((_, Draining::Batches(rest))) if is_wanted => rest
                    .next()
                    .map_or(Ok(true), |next| next.map(|batch| batches.push(batch)).map(|()| false)),
                Some((_, Draining::Time)) if is_wanted => {
                    self.steps[place].advance(EventTime::MAX, batches)
                }
                _ => Ok(true),
            };
            if matches!(left, Ok(true) | Err(_)) {
                let draining = self.draining.take();
                self.draining_bytes = 0;
                if let Some((_, Draining::Time)) = draining {
                    self.audit_and_drop(place);
                }
            }
            batches.retain(|batch| batch.row_count() > 0);
            self.meter.end(place, begun, batches);
            self.order.begin_rows();
            batches.iter_mut().for_each(|batch| self.order.note_rows(place, batch));
            match left {
                Ok(true) if batches.is_empty() => continue,
                Ok(_) => {}
                Err(error) => self.order.note_failure(place, error),
            }
            self.apply_from(place + 1, batches, bad);
            return true;
        }
    }

    /// Drops a table that event time has emptied, but for its audit.
    fn audit_and_drop(&mut self, place: usize) {
        let seen = match std::mem::replace(&mut self.steps[place], Step::Drained) {
            Step::Windows(table, _) => table.seen_keys(),
            Step::Over(table) => table.seen_keys(),
            _ => unreachable!("only these are emptied by event time"),
        };
        self.audit(place, seen);
    }

    fn empty_next_step(&mut self) -> Result<(), AggregateError> {
        let place = self.drained_count;
        let begun = self.meter.begin(&[]);
        self.note_held();
        self.drained_count += 1;
        let emptied = self.empty_step(place);
        self.meter.end(place, begun, &[]);
        emptied
    }

    fn empty_step(&mut self, place: usize) -> Result<(), AggregateError> {
        let step = &mut self.steps[place];
        match step {
            Step::EventTime(_)
            | Step::Filter(_)
            | Step::Project(..)
            | Step::Transpose(_)
            | Step::Limit(_) => {
                return Ok(());
            }
            Step::Windows(table, _) => {
                self.group_count += count(table.group_count());
                self.state_bytes += table.state_bytes();
                self.draining = Some((place, Draining::Time));
                return Ok(());
            }
            Step::Over(table) => {
                self.group_count += count(table.key_count());
                self.state_bytes += table.state_bytes();
                self.draining = Some((place, Draining::Time));
                return Ok(());
            }
            Step::Aggregate { .. } | Step::TopN(_) | Step::Sort(_) | Step::Drained => {}
        }
        let state_bytes = step.state_bytes();
        let batches: TableBatches = match std::mem::replace(step, Step::Drained) {
            Step::Aggregate { mut table, emit, audited_keys } => {
                self.group_count += count(table.group_count());
                if !audited_keys.is_empty() {
                    self.audits
                        .push(KeyAudit { stage: place, seen: table.seen_keys(&audited_keys) });
                }
                if emit == Emit::Final {
                    Box::new(table.into_batches(self.batch_rows)?)
                } else {
                    let mut results = Vec::new();
                    let flushed = table.flush_changes(&mut results);
                    Box::new(results.into_iter().map(Ok).chain(flushed.err().map(Err)))
                }
            }
            Step::TopN(table) => table.into_batches(self.batch_rows)?,
            Step::Sort(table) => Box::new(table.into_batches(self.batch_rows)?.map(Ok)),
            _ => unreachable!("only tables are emptied, and each once"),
        };
        self.state_bytes += state_bytes;
        self.draining_bytes = state_bytes;
        self.draining = Some((place, Draining::Batches(batches)));
        Ok(())
    }

    fn audit(&mut self, stage: usize, seen: SeenKeys) {
        if !seen.fingerprints.is_empty() {
            self.audits.push(KeyAudit { stage, seen });
        }
    }

    /// How many event times were too far ahead of the watermark, and where the first is; `None` where
    /// none was.
    pub(crate) fn far_ahead(&self) -> Option<(u64, Offset)> {
        let times = self.steps.iter().find_map(|step| match step {
            Step::EventTime(times) => Some(times),
            _ => None,
        })?;
        let (count, first) = times.far_ahead();
        first.map(|first| (count, first.offset))
    }

    /// The records are those of a piece of a file.
    pub(crate) fn be_piece_of_file(&mut self, is_first: bool) {
        if let Some(times) = self.event_times_mut() {
            times.be_piece(is_first);
        }
    }

    /// What the event times of a piece of a file were, where they matter.
    pub(crate) fn split_times(&mut self) -> Option<SplitTimes> {
        self.event_times_mut()?.split_times()
    }

    /// Where event times began to be too far ahead, once for each time that they did.
    pub(crate) fn take_far_ahead(&mut self) -> Option<FarAhead> {
        self.event_times_mut()?.take_far_ahead()
    }

    /// The step that notes event times, which is among the first.
    fn event_times_mut(&mut self) -> Option<&mut EventTimes> {
        self.steps.iter_mut().find_map(|step| match step {
            Step::EventTime(times) => Some(times),
            _ => None,
        })
    }

    /// The partial table, once drained.
    pub(crate) fn take_sealed(&mut self) -> Result<Option<Sealed>, PipelineError> {
        match self.seal.take() {
            Some(Seal::Table(mut table)) => {
                table.arrange()?;
                Ok(Some(*table))
            }
            Some(Seal::Windows(table)) => Ok(Some(table.into_sealed()?)),
            None => Ok(None),
        }
    }

    pub(crate) fn take_audits(&mut self) -> Vec<KeyAudit> {
        std::mem::take(&mut self.audits)
    }

    pub(crate) fn group_count(&self) -> u64 {
        self.group_count
    }

    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}
