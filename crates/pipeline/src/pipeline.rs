//! One core's data path, top to bottom.

mod resume;
mod retire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::UInt64Array;
use tidemill_aggregate::{FarAhead, Late, Sealed};
use tidemill_format::{Filtered, LeftOut};
use tidemill_record::{
    BadRecord, Batch, EventTime, Image, ImageError, Offset, Polled, Position, recycled,
};
use tidemill_rt::{Waiting, Wake};
use tidemill_source::Resume;

pub use resume::Cut;

use crate::bad_records::BadRecordPolicy;
use crate::input::{Input, open_input};
use crate::measures::StepMeasure;
use crate::order::{Event, Judged, Key};
use crate::output::Output;
use crate::processor::Processor;
use crate::{
    Delivery, Held, InputSpec, Measures, Outcome, OutputSpec, PipelineError, PipelineSpec, Seen,
    SplitBounds, Statistics,
};

/// The reader → processor → writer chain of one partition. Not `Send`, shares nothing, and reads
/// top to bottom in [`Self::turn`].
pub struct Pipeline {
    input: Input,
    processor: Processor,
    output: Output,
    bad_records: BadRecordPolicy,
    /// The first steps, which the input applies to the records that it gives.
    filter_step_count: usize,
    /// Rows a batch holds at most.
    batch_rows: usize,
    /// Bad records that reading has found ahead of the records that it gave, in order of offset.
    found: Vec<BadRecord>,
    /// Bad records of this turn; empty between turns, unless rows still leave with the batch.
    bad: Vec<BadRecord>,
    /// What this turn has taken in, to be counted once it is known how much of it is wanted.
    taken: Taken,
    /// The batch of this turn, and what its stages make of it.
    changes: Vec<Batch>,
    position: Position,
    /// The input has ended by itself: no stop and no full limit came before.
    has_ended: bool,
    /// But for what the input and the policy at hand have counted.
    statistics: Statistics,
    /// Of inputs before the one at hand.
    passed: Passed,
    /// Of the input and the sink, where it is asked for; the processor has those of the steps.
    measures: Option<Box<Measures>>,
    /// It can be gone on with after a crash.
    is_kept: bool,
}

/// Records that a turn has taken in.
#[derive(Default)]
struct Taken {
    /// Of records of a source.
    offsets: Option<UInt64Array>,
    /// Of those that the input left out beside them.
    rejected: Option<UInt64Array>,
    /// How many it left out before.
    rejected_before: usize,
    /// Those that were bad as they were read.
    bad: Vec<Offset>,
}

impl Taken {
    /// How many there are, up to the one that ended the input, if one did.
    fn count(&self, end: Option<Offset>) -> u64 {
        let is_wanted = |offset: u64| end.is_none_or(|end| offset <= end.0);
        let read = [&self.offsets, &self.rejected].into_iter().flatten();
        let read = read.map(|offsets| offsets.values().partition_point(|&at| is_wanted(at)));
        rows(
            self.rejected_before
                + read.sum::<usize>()
                + self.bad.iter().filter(|offset| is_wanted(offset.0)).count(),
        )
    }
}

/// What inputs have left that a pipeline has read before the one at hand.
#[derive(Default)]
struct Passed {
    /// Dead letters that are complete.
    dead_letters: Vec<Delivery>,
    notices: Vec<String>,
    read_time: Duration,
    row_groups: u64,
}

/// What a turn achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A batch of this many rows went through.
    Advanced(usize),
    /// Nothing was ready.
    Idle,
    /// The input has ended, or nothing more of it is wanted: time to [`Pipeline::drain`].
    Ended,
}

/// Windows that will not change any more.
pub struct Closed {
    /// The windows.
    pub sealed: Sealed,
    /// None that close later end at or before this (and no sessions begin before it).
    pub until: EventTime,
}

impl Pipeline {
    /// Opens every stage of a pipeline on the core that will run it.
    ///
    /// `waiting` is where that core waits while there is nothing to do; without it files that are followed are
    /// looked at again and again.
    ///
    /// # Errors
    /// A missing file, an expression that cannot be compiled, a sink that cannot be created.
    pub async fn open(
        mut spec: PipelineSpec,
        waiting: Option<&Waiting>,
    ) -> Result<Self, PipelineError> {
        let seal = match &spec.output {
            OutputSpec::Seal(merge) => Some(merge),
            _ => None,
        };
        let are_records = !matches!(spec.input, InputSpec::Sealed(..) | InputSpec::Closing(..));
        let measures = spec.is_measured.then(|| {
            let (tables, rows_in) = spec.input.given();
            let input = StepMeasure { rows_in, ..StepMeasure::default() };
            Box::new(Measures { tables, input, ..Measures::default() })
        });
        let mut processor = Processor::new(
            &spec.stages,
            seal,
            &spec.context,
            spec.batch_rows,
            are_records,
            spec.is_measured,
        )?;
        if !spec.is_kept {
            processor.scatter();
        }
        if let Some(is_first) = spec.input.piece_of_file() {
            processor.be_piece_of_file(is_first);
        }
        let mut resume = spec.resume.take();
        let input = part_of(&mut resume, "input")?;
        let missing = match &spec.input {
            InputSpec::Text(text) => text.follow.as_ref().map(|claims| claims.missing()),
            _ => None,
        };
        let missing = missing.unwrap_or_default();
        let input = input.map(|image| Resume { image, missing });
        let help = match &spec.input {
            InputSpec::Sealed(.., Some(help)) if !spec.is_kept => Some(Arc::clone(help)),
            _ => None,
        };
        let (input, filter_step_count) = open_input(&mut spec, waiting, input).await?;
        let bad_records = part_of(&mut resume, "bad_records")?;
        let bad_records = BadRecordPolicy::new(&spec, bad_records)?;
        let output = part_of(&mut resume, "output")?;
        let mut output = Output::open(&mut spec, output).await?;
        help.into_iter().for_each(|help| output.share(help));
        let mut pipeline = Self {
            input,
            processor,
            output,
            bad_records,
            filter_step_count,
            batch_rows: spec.batch_rows,
            found: Vec::new(),
            bad: Vec::new(),
            taken: Taken::default(),
            changes: Vec::new(),
            position: Position { partition: spec.partition, offset: Offset(0) },
            has_ended: false,
            statistics: Statistics::default(),
            passed: Passed::default(),
            measures,
            is_kept: spec.is_kept,
        };
        if let Some(image) = resume {
            pipeline.import(image).map_err(PipelineError::Resume)?;
        }
        Ok(pipeline)
    }

    /// Whether the input has ended by itself, so that that of the next partition may follow.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes the input of the next partition in the place of the one that has ended. Stages and tables go on as if
    /// its records followed in the same partition: only where they neither keep event time nor write.
    ///
    /// # Errors
    /// As [`Self::open`]; the pipeline is over then.
    ///
    /// # Panics
    /// If the input has not ended by itself.
    pub async fn go_on_with(
        &mut self,
        mut spec: PipelineSpec,
        waiting: Option<&Waiting>,
    ) -> Result<(), PipelineError> {
        assert!(self.has_ended, "one input follows another");
        debug_assert!(self.found.is_empty() && self.bad.is_empty(), "a turn leaves none");
        self.passed.dead_letters.extend(self.bad_records.finish().await?);
        self.statistics = self.counted();
        let notices = self.input.notices();
        let notices = notices.into_iter().filter(|notice| !self.passed.notices.contains(notice));
        let notices: Vec<String> = notices.collect();
        self.passed.notices.extend(notices);
        let (read_time, row_groups) = self.input.read();
        self.passed.read_time += read_time;
        self.passed.row_groups += row_groups;
        self.has_ended = false;
        self.processor.begin_input();
        self.position = Position { partition: spec.partition, offset: Offset(0) };
        self.bad_records = BadRecordPolicy::new(&spec, None)?;
        // Its memory serves the next.
        self.input = Input::nothing();
        (self.input, self.filter_step_count) = open_input(&mut spec, waiting, None).await?;
        Ok(())
    }

    /// Runs one turn: at most one batch in, and every change it caused out.
    ///
    /// # Errors
    /// Every error ends this pipeline; there is no retry in here. Nothing it wrote to files is
    /// visible but for what [`Self::take_finished`] gave.
    ///
    /// # Cost
    /// O(rows). Awaits only in the reader and the writer.
    pub async fn turn(&mut self) -> Result<Progress, PipelineError> {
        let started = tidemill_rt::now();
        let progress = self.take_batch(started).await?;
        self.output.roll_if_due(started).await?;
        self.bad_records.roll_if_due(started).await?;
        self.processor.note_held();
        recycled::release();
        self.statistics.busy += tidemill_rt::elapsed(started);
        Ok(progress)
    }

    async fn take_batch(&mut self, started: Instant) -> Result<Progress, PipelineError> {
        if self.processor.is_leaving() {
            self.go_on().await?;
            return Ok(Progress::Advanced(0));
        }
        if self.processor.is_satisfied() {
            return Ok(Progress::Ended);
        }
        let begun = self.begin();
        let polled = self.input.next_batch(self.batch_rows, &mut self.found).await;
        let spared_count = self.take_filtered(polled.as_ref().ok());
        if let (Some(measures), Some(begun)) = (&mut self.measures, begun) {
            measures.input.time += tidemill_rt::elapsed(begun);
            if let Ok(Polled::Ready(batch)) = &polled {
                measures.input.rows_out += rows(batch.row_count());
            }
        }
        let batch = match polled {
            Ok(Polled::Ready(batch)) => batch,
            // Whatever was found to be bad was found before this.
            other => {
                self.take_found(None);
                self.settle().await?;
                return self.pause(other?).await;
            }
        };
        let row_count = batch.row_count();
        if let Some(&last) = batch.offsets().values().last() {
            debug_assert!(
                !self.input.is_records() || last >= self.position.offset.0,
                "records come in order of their offsets"
            );
            self.position.offset = Offset(last);
            self.take_found(Some(Offset(last)));
        }
        self.taken.offsets = self.input.is_records().then(|| batch.offsets().clone());
        self.changes.push(batch);
        self.processor.apply(spared_count, &mut self.changes, &mut self.bad);
        self.settle().await?;

        let took_ns = u64::try_from(tidemill_rt::elapsed(started).as_nanos()).unwrap_or(u64::MAX);
        self.statistics.batch_latency_ns.record(took_ns);
        if self.processor.is_satisfied() {
            return Ok(Progress::Ended);
        }
        Ok(Progress::Advanced(row_count))
    }

    /// Takes in what the input has left out, and says how many of the first steps need not see the batch.
    fn take_filtered(&mut self, polled: Option<&Polled<Batch>>) -> usize {
        if self.filter_step_count == 0 {
            return 0;
        }
        let before = self.input.take_rejected();
        self.taken.rejected_before += before;
        let filtered = self.input.take_filtered();
        let kept = match polled {
            Some(Polled::Ready(batch)) => batch.row_count(),
            _ => 0,
        };
        let (rejected, is_in_doubt) = match filtered {
            Some(Filtered { rejected, is_in_doubt }) => (Some(rejected), is_in_doubt),
            None => (None, false),
        };
        let rejected_count = before + rejected.as_ref().map_or(0, UInt64Array::len);
        self.taken.rejected = rejected;
        if let Some(measures) = &mut self.measures {
            measures.input.rows_out += rows(rejected_count);
        }
        let spared = if is_in_doubt { 0 } else { kept };
        self.processor.note_spared(self.filter_step_count, rejected_count, spared);
        if is_in_doubt { 0 } else { self.filter_step_count }
    }

    /// When something begins, if that is measured.
    fn begin(&self) -> Option<Instant> {
        self.measures.is_some().then(tidemill_rt::now)
    }

    /// There is no batch.
    async fn pause(&mut self, polled: Polled<Batch>) -> Result<Progress, PipelineError> {
        match polled {
            Polled::Ready(_) => unreachable!("a batch is taken in"),
            Polled::NotReady => match self.input.gathered_until() {
                _ if self.input.is_merging() => Ok(Progress::Advanced(0)),
                Some(time) => self.pass_time(time).await,
                None => Ok(Progress::Idle),
            },
            Polled::Ended => {
                self.has_ended = true;
                Ok(Progress::Ended)
            }
        }
    }

    /// What makes it worth to run a turn again after one that was [`Progress::Idle`].
    ///
    /// # Cost
    /// O(files that are followed): no call but to the clock.
    #[must_use]
    pub fn wake(&self) -> Wake<'_> {
        if self.processor.is_leaving() || self.processor.is_satisfied() {
            return Wake::NOW;
        }
        let closes_at =
            self.output.closes_at().into_iter().chain(self.bad_records.closes_at()).min();
        self.input.wake().or_at(closes_at)
    }

    /// Segments with rows that are to be closed by the clock: of results, and of dead letters.
    #[must_use]
    pub fn open_segment_count(&self) -> usize {
        self.output.closes_at().into_iter().chain(self.bad_records.closes_at()).count()
    }

    /// Takes the bad records up to an offset among those of this turn: some inputs find all of a message
    /// at once, and each counts when its turn has come.
    fn take_found(&mut self, until: Option<Offset>) {
        if self.found.is_empty() {
            return;
        }
        self.found.sort_by_key(|record| record.offset);
        let is_later = |record: &BadRecord| until.is_some_and(|until| record.offset > until);
        let count = self.found.partition_point(|record| !is_later(record));
        self.taken.bad.extend(self.found[..count].iter().map(|record| record.offset));
        self.bad.extend(self.found.drain(..count));
    }

    /// Writes what a turn has led to, deals with bad and late rows, and fails with the first failure, all
    /// in the order in which records made them known.
    async fn settle(&mut self) -> Result<(), PipelineError> {
        if self.processor.is_leaving() {
            // What leaves later comes later, but what is known to be bad may still turn out to be behind it.
            let is_fatal = self.bad_records.is_fatal();
            let failure = self.processor.first_failure(&self.bad, is_fatal);
            self.write_changes(failure).await?;
            self.processor.forget_written(&self.bad);
            return Ok(());
        }
        let Some(judged) = self.processor.judge(&mut self.bad) else {
            self.count_taken(None);
            return self.write_changes(None).await;
        };
        let Judged { events, failure, end } = judged;
        self.count_taken(end);
        let mut failure = failure.map(|(key, error)| (key, PipelineError::from(error)));
        for (key, event) in events {
            if failure.as_ref().is_some_and(|(failed, _)| *failed < key) {
                break;
            }
            match event {
                Event::Bad(mut record, is_record) => {
                    if is_record && record.raw.is_none() && self.input.is_records() {
                        record.raw = self.text_of(record.offset);
                    }
                    if self.bad_records.is_fatal() {
                        failure = Some((key, self.bad_records.error(record)));
                        break;
                    }
                    self.bad_records.set_aside(&record).await?;
                }
                Event::Late(late) => self.settle_late(late).await?,
            }
        }
        self.write_changes(failure.as_ref().map(|(key, _)| *key)).await?;
        let Some((key, error)) = failure else { return Ok(()) };
        if let Some(record) = key.record().filter(|_| error.missing_bytes().is_none()) {
            self.position.offset = record;
        }
        Err(error)
    }

    /// Counts the records of this turn, up to the one that ended the input, if one did.
    fn count_taken(&mut self, end: Option<Key>) {
        self.statistics.records_in += self.taken.count(end.and_then(Key::record));
        (self.taken.offsets, self.taken.rejected, self.taken.rejected_before) = (None, None, 0);
        self.taken.bad.clear();
    }

    /// Writes what has left the last stage, up to what made the job fail.
    async fn write_changes(&mut self, end: Option<Key>) -> Result<(), PipelineError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let begun = self.begin();
        for mut changes in self.changes.drain(..) {
            if let Some(end) = end {
                let row_count = self.processor.rows_before(&changes, end);
                if row_count == 0 {
                    continue;
                }
                changes = changes.slice(0, row_count);
            }
            self.statistics.rows_out += self.output.write(&changes).await?;
        }
        if let (Some(measures), Some(begun)) = (&mut self.measures, begun) {
            measures.sink.time += tidemill_rt::elapsed(begun);
        }
        Ok(())
    }

    /// Writes more of what leaves at the event time that has been reached.
    async fn go_on(&mut self) -> Result<(), PipelineError> {
        self.processor.go_on(&mut self.changes, &mut self.bad);
        self.settle().await
    }

    /// Bytes held between turns: tables, rows that wait, what is merged, a row group that is being read,
    /// an encoder's row group. What is not among them has a bound of its own.
    ///
    /// # Cost
    /// O(stages and columns).
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.input.held_bytes() + self.processor.held_bytes() + self.output.held_bytes()
    }

    /// What holds most, for a message.
    #[must_use]
    pub fn held_most(&self) -> Held {
        let held = self.processor.held().chain([self.input.held(), self.output.held()]);
        held.max_by_key(|held| held.bytes).expect("the input is among them")
    }

    /// Says how many bytes this pipeline may hold until it is told otherwise: a step that would hold more
    /// in the middle of a turn fails.
    pub fn set_budget(&mut self, bytes: u64) {
        let room_bytes = bytes.saturating_sub(self.held_bytes());
        self.input.set_room(room_bytes);
        self.processor.set_room(room_bytes);
        self.output.set_room(room_bytes);
    }

    /// Lets event time pass without a batch: a gather follows its partitions, and a partition whose input
    /// is silent may follow the others; what it reads later below that is late.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn pass_time(&mut self, time: EventTime) -> Result<Progress, PipelineError> {
        while self.processor.is_leaving() {
            self.go_on().await?;
        }
        if time <= self.processor.watermark() {
            return Ok(Progress::Idle);
        }
        self.processor.pass_time(time, &mut self.changes, &mut self.bad);
        self.settle().await?;
        while self.processor.is_leaving() {
            self.go_on().await?;
        }
        Ok(Progress::Advanced(0))
    }

    /// Files that have become complete since this was last asked, where they are to be published while the job
    /// runs; also of a pipeline that has failed since.
    pub fn take_finished(&mut self) -> impl Iterator<Item = Delivery> {
        let results = self.output.take_finished();
        if let (Some(measures), Some(results)) = (&mut self.measures, &results) {
            measures.files += rows(results.finished.segment_count());
        }
        results.into_iter().chain(self.bad_records.take_finished())
    }

    /// How far event time has come.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        self.processor.watermark()
    }

    /// How far all that a gather of running pipelines takes from have come; of others [`EventTime::MIN`].
    #[must_use]
    pub fn passed_until(&mut self) -> EventTime {
        self.input.closing_mut().map_or(EventTime::MIN, |closing| closing.passed_until())
    }

    /// Whether windows have closed since they were last taken.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        self.processor.has_closed()
    }

    /// The windows that have closed since this was last asked; `None` where nothing is sealed by event
    /// time.
    ///
    /// # Errors
    /// As a table's own `take_until`.
    pub fn take_closed(&mut self) -> Result<Option<Closed>, PipelineError> {
        let closed = self.processor.take_closed()?;
        Ok(closed.map(|(sealed, until)| Closed { sealed, until }))
    }

    /// Gives a gather what one of its pipelines has sealed: the windows that end behind `after`, up to `through`.
    ///
    /// # Errors
    /// As a table's own `merge`.
    ///
    /// # Panics
    /// If this is no gather of pipelines that run meanwhile.
    pub fn add_sealed(
        &mut self,
        giver: u64,
        sealed: Sealed,
        after: EventTime,
        through: EventTime,
    ) -> Result<(), PipelineError> {
        if let Some(measures) = &mut self.measures {
            measures.tables += 1;
            measures.input.rows_in += rows(sealed.group_count());
        }
        let closing = self.input.closing_mut().expect("a gather of running pipelines");
        closing.add(giver, sealed, after, through)
    }

    /// Of each pipeline that has given to such a gather, by its id, up to which event time all has been given; none of others.
    #[must_use]
    pub fn given_through(&mut self) -> Vec<(u64, EventTime)> {
        self.input.closing_mut().map_or_else(Vec::new, |closing| closing.given_through())
    }

    /// Has such a gather forget what pipelines have given through that never give again, by their ids.
    ///
    /// # Panics
    /// As [`Self::add_sealed`].
    pub fn keep_givers(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.input.closing_mut().expect("a gather of running pipelines").keep_givers(is_kept);
    }

    /// Tells such a gather how far all of its pipelines have come; [`EventTime::MAX`] once all have ended.
    ///
    /// # Panics
    /// As [`Self::add_sealed`].
    pub fn all_have_passed(&mut self, until: EventTime) {
        self.input.closing_mut().expect("a gather of running pipelines").pass(until);
    }

    /// After the last turn, again and again: empties the tables through the rest of the stages, batch by
    /// batch, and completes the outputs. `None` while there is more to be done.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn drain(&mut self) -> Result<Option<Outcome>, PipelineError> {
        let started = tidemill_rt::now();
        if self.processor.drain(&mut self.changes, &mut self.bad) {
            self.settle().await?;
            recycled::release();
            self.statistics.busy += tidemill_rt::elapsed(started);
            return Ok(None);
        }
        let deliveries = self.complete(started).await?;
        let outputs = if self.is_kept { self.keep_outputs().await? } else { None };
        let mut outcome = self.take_outcome(deliveries)?;
        outcome.outputs = outputs;
        Ok(Some(outcome))
    }

    async fn complete(&mut self, started: Instant) -> Result<Vec<Delivery>, PipelineError> {
        debug_assert!(self.bad.is_empty(), "all that left has been dealt with");
        let begun = self.begin();
        let results = self.output.finish().await?;
        if let (Some(measures), Some(begun)) = (&mut self.measures, begun) {
            measures.sink.time += tidemill_rt::elapsed(begun);
            let files = results.as_ref().map_or(0, |results| results.finished.segment_count());
            measures.files += rows(files);
        }
        let dead_letters = self.bad_records.finish().await?;
        let passed = std::mem::take(&mut self.passed.dead_letters);
        self.statistics.busy += tidemill_rt::elapsed(started);
        Ok(results.into_iter().chain(passed).chain(dead_letters).collect())
    }

    /// Ends without results: what was printed stays, what was written to files is removed as this is dropped.
    pub fn cut_off(&mut self) -> Outcome {
        self.output.cut_off();
        Outcome {
            partition: self.position.partition,
            sealed: None,
            deliveries: Vec::new(),
            audits: Vec::new(),
            notices: self.notices(),
            outputs: None,
            split_bounds: None,
            split_times: None,
            is_cut: true,
            measures: None,
            statistics: self.statistics(),
        }
    }

    fn take_outcome(&mut self, deliveries: Vec<Delivery>) -> Result<Outcome, PipelineError> {
        let measures = self.take_measures();
        let sealed = self.processor.take_sealed()?;
        let statistics = self.statistics();
        Ok(Outcome {
            partition: self.position.partition,
            sealed,
            deliveries,
            audits: self.processor.take_audits(),
            notices: self.notices(),
            outputs: None,
            split_bounds: self
                .input
                .split_bounds()
                .map(|(first, next)| SplitBounds { first, next: self.has_ended.then_some(next) }),
            split_times: self.processor.split_times(),
            is_cut: false,
            statistics,
            measures,
        })
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.passed.notices.clone();
        let of_input = self.input.notices();
        notices.extend(of_input.into_iter().filter(|notice| !self.passed.notices.contains(notice)));
        notices
    }

    /// What was measured, once all has been written.
    fn take_measures(&mut self) -> Option<Box<Measures>> {
        let mut measures = self.measures.take()?;
        self.processor.note_held();
        (measures.steps, measures.seal) = self.processor.measures();
        let (read_time, row_groups) = self.input.read();
        measures.read_time = self.passed.read_time + read_time;
        measures.row_groups = self.passed.row_groups + row_groups;
        measures.input.time = measures.input.time.saturating_sub(measures.read_time);
        measures.sink.rows_in = self.statistics.rows_out;
        Some(measures)
    }

    /// Where the pipeline is: the last record it took in.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// What a person should know while the pipeline runs, since this was last asked.
    pub fn take_notice(&mut self) -> Option<String> {
        let FarAhead { offset, time, watermark } = self.processor.take_far_ahead()?;
        let place = Position { offset, ..self.position };
        let source = self.bad_records.source();
        Some(format!(
            "{source}, {place}: the event time {time} is more than 'watermark.max_ahead' beyond the \
             watermark, {watermark}; such times move it only to the third greatest of the last eight, \
             and windows wait as long"
        ))
    }

    /// Bytes of input consumed so far.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.statistics.bytes_in + self.input.bytes_in()
    }

    /// Records read so far, bad ones included.
    #[must_use]
    pub fn records_in(&self) -> u64 {
        self.statistics.records_in
    }

    /// What a person who watches is told.
    ///
    /// # Cost
    /// O(kinds of windows that records were late for).
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            bytes_in: self.bytes_in(),
            records_in: self.statistics.records_in,
            rows_out: self.statistics.rows_out,
            bad_records: self.statistics.bad_records + self.bad_records.bad_count(),
            late_records: self.statistics.late_count(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.counted();
        statistics.bytes_out = self.output.bytes_out();
        statistics.checksum = self.output.checksum();
        if let Some((count, offset)) = self.processor.far_ahead() {
            let first = Position { offset, ..self.position };
            statistics.far_ahead.insert(self.bad_records.source().to_owned(), (count, first));
        }
        let (merged_count, merged_bytes) = self.input.merged();
        statistics.group_count = self.processor.group_count() + merged_count;
        statistics.state_bytes = self.processor.state_bytes() + merged_bytes;
        statistics
    }

    /// What was counted as records came in, by the input at hand and those before it.
    fn counted(&self) -> Statistics {
        let mut statistics = self.statistics.clone();
        statistics.bytes_in = self.bytes_in();
        statistics.bad_records += self.bad_records.bad_count();
        for LeftOut { what, count, first } in self.input.left_out() {
            let what = (self.bad_records.source().to_owned(), what);
            let first = Position { offset: first, ..self.position };
            let sum = statistics.left_out.entry(what).or_insert((0, first));
            *sum = (sum.0 + count, sum.1.min(first));
        }
        statistics
    }

    /// Counts a record that came too late, and sets it aside if it is in no result and the source says so.
    async fn settle_late(&mut self, late: Late) -> Result<(), PipelineError> {
        let what = (self.bad_records.source().to_owned(), late.what);
        let counts = self.statistics.late.entry(what).or_default();
        if late.is_partly {
            counts.partly += 1;
            return Ok(());
        }
        counts.lost += 1;
        let input = &self.input;
        let raw = || input.raw_record(late.offset).map(<[u8]>::to_vec);
        self.bad_records.set_aside_late(late.offset, raw).await
    }

    /// The text of a record that is being decoded.
    fn text_of(&self, offset: Offset) -> Option<Vec<u8>> {
        self.input.raw_record(offset).map(<[u8]>::to_vec)
    }
}

/// What a part of a pipeline goes on from, where the pipeline goes on from something.
fn part_of(resume: &mut Option<Image>, name: &str) -> Result<Option<Image>, PipelineError> {
    let taken = resume.as_mut().map(|image| image.take_image(name)).transpose();
    taken.map_err(|error: ImageError| PipelineError::Resume(error))
}

fn rows(count: usize) -> u64 {
    u64::try_from(count).expect("usize is at most 64 bits")
}
