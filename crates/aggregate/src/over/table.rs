//! The `OVER` of one partition.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use smallvec::SmallVec;
use tidemill_plan::{OverOrder, OverSpec};
use tidemill_record::{Batch, Cause, Columns, EventTime, Moment, Offset};

use crate::argument::Arguments;
use crate::changes::row_moment;
use crate::intern::Interner;
use crate::over::frames::{OverRows, OverState, over_state_of};
use crate::over::idle::IdleKeys;
use crate::over::peers::Peers;
use crate::over::waiting::{Waiting, without_late};
use crate::seen_keys::{GoneKeys, SeenKeys};
use crate::state::{Overflow, until_overflow};
use crate::table::Leaving;
use crate::{AggregateError, Late};

mod image;

/// Keys that are looked at for each row, to know what functions hold of them.
const KEYS_A_ROW: usize = 8;

/// The `OVER` of one partition: rows that wait for the watermark, and what each key remembers.
pub struct OverTable {
    // Fixed at construction.
    spec: OverSpec,
    budget_bytes: u64,
    batch_rows: usize,
    /// Why no batch can be taken: a type of the query is not supported.
    refusal: Option<AggregateError>,
    // Changes with every batch.
    waiting: Option<Waiting>,
    /// Where rows come sorted: their numbers stand behind their columns while they wait for their peers.
    peers: Option<Peers>,
    interner: Interner,
    /// One a call, in order.
    functions: Vec<Box<dyn OverState>>,
    /// With `idle.key.ttl`: the slot of each key, and when it was last seen.
    idle: Option<IdleKeys>,
    /// The key, then the slot, of each row of the last batch; reused.
    slots: Vec<u32>,
    /// Keys that were forgotten.
    audit: GoneKeys,
    /// Rows since `function_bytes` was last looked at: looking costs O(keys).
    unchecked_rows: usize,
    /// Bytes that the functions held then.
    function_bytes: u64,
    /// Rows that have just left; empty between two calls.
    released: Vec<Batch>,
}

impl OverTable {
    /// Nothing seen; may hold `budget_bytes`. Results leave in batches of about `batch_rows`.
    /// `audited_keys` are places in the key whose values [`Self::seen_keys`] is asked for.
    ///
    /// A key or argument whose type is not supported (`ARRAY`) makes a table whose every operation gives
    /// [`AggregateError::Unsupported`].
    #[must_use]
    pub fn new(
        spec: OverSpec,
        audited_keys: &[usize],
        budget_bytes: u64,
        batch_rows: usize,
    ) -> Self {
        let mut refusal = None;
        let key_types = || spec.partition_by.iter().map(|&key| &spec.input_types[key]);
        let interner = Interner::new(key_types());
        let interner = interner.unwrap_or_else(|| {
            let mut types =
                key_types().filter(|t| matches!(t, tidemill_record::DataType::Array(_)));
            refusal = types.next().map(|data_type| AggregateError::Unsupported {
                what: "PARTITION BY".to_owned(),
                data_type: data_type.clone(),
            });
            Interner::new([]).expect("no keys are always supported")
        });
        let mut functions = Vec::with_capacity(spec.calls.len());
        for call in &spec.calls {
            match over_state_of(call, &spec.input_types) {
                Some(function) => functions.push(function),
                None => {
                    let argument = call.arguments.first().map(|&at| spec.input_types[at].clone());
                    refusal = Some(AggregateError::Unsupported {
                        what: call.label.clone(),
                        data_type: argument.unwrap_or_else(|| call.data_type.clone()),
                    });
                }
            }
        }
        let waiting = match spec.order {
            OverOrder::EventTime { column } => Some(Waiting::new(column)),
            OverOrder::Sorted => Some(Waiting::new(spec.input_types.len())),
            OverOrder::Arrival => None,
        };
        let is_sorted = spec.order == OverOrder::Sorted;
        let peers = is_sorted.then(|| Peers::new(spec.sorted_by.clone()));
        let idle = spec.idle_key_ttl_us.filter(|_| waiting.is_some()).map(IdleKeys::new);
        Self {
            spec,
            budget_bytes,
            batch_rows,
            refusal,
            waiting,
            peers,
            interner,
            functions,
            idle,
            slots: Vec::new(),
            audit: GoneKeys::new(audited_keys),
            unchecked_rows: 0,
            function_bytes: 0,
            released: Vec::new(),
        }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        self.budget_bytes = budget_bytes;
    }

    /// How far event time may pass at a time on its way to `watermark`, so that not too many rows leave
    /// at once.
    #[must_use]
    pub fn next_step(&self, watermark: EventTime) -> EventTime {
        match &self.waiting {
            Some(waiting) if self.peers.is_none() => waiting.next_step(watermark),
            _ => watermark,
        }
    }

    /// Takes in a batch, each row judged by the watermark beside it; rows that it had passed go to
    /// `late`. In order of arrival rows leave at once, to `results`.
    ///
    /// # Errors
    /// [`AggregateError::Unsupported`], [`AggregateError::SumOverflow`],
    /// [`AggregateError::TooManyGroups`] of keys, and a budget that is passed.
    ///
    /// # Cost
    /// In event-time order a sort of the batch. In order of arrival as [`Self::advance`].
    pub fn update(
        &mut self,
        batch: &Batch,
        late: &mut Vec<Late>,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        if batch.row_count() == 0 {
            return Ok(());
        }
        if let (Some(waiting), Some(peers)) = (&mut self.waiting, &mut self.peers) {
            let numbered = peers.numbered(batch).map_err(|_| AggregateError::Unsupported {
                what: "ORDER BY".to_owned(),
                data_type: self.spec.input_types[self.spec.sorted_by[0]].clone(),
            })?;
            let complete = EventTime(peers.number());
            waiting.push(numbered);
            return self.advance(complete, results);
        }
        let (Some(waiting), OverOrder::EventTime { column }) = (&mut self.waiting, self.spec.order)
        else {
            self.look(batch)?.push_to(results)?;
            return self.check_budget();
        };
        let (in_time, late_rows) = without_late(batch, column);
        late.extend(late_rows.into_iter().map(|row| {
            let offset = Offset(batch.offsets().value(row));
            Late { offset, what: "OVER", is_partly: false }
        }));
        self.unchecked_rows += batch.row_count();
        waiting.push(in_time);
        Ok(())
    }

    /// Gives the rows that the watermark has passed, in order of event time, ties in order of arrival;
    /// forgets keys that were silent for long.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Cost
    /// O(rows that leave) for each function, amortized.
    pub fn advance(
        &mut self,
        watermark: EventTime,
        results: &mut Vec<Batch>,
    ) -> Result<(), AggregateError> {
        let (Some(waiting), Some(column)) = (&mut self.waiting, self.spec.waiting_column()) else {
            return Ok(());
        };
        // Rows that come sorted do not wait for event time, but for the row behind their last peer.
        let watermark = match &self.peers {
            Some(peers) if watermark != EventTime::MAX => EventTime(peers.number()),
            _ => watermark,
        };
        let mut released = std::mem::take(&mut self.released);
        waiting.release(watermark, self.batch_rows, &mut released);
        for batch in released.drain(..) {
            let times = batch.column(column).as_primitive::<TimestampMicrosecondType>();
            let Leaving { rows, overflow } = self.look(&batch)?;
            let rows = match self.spec.order {
                OverOrder::EventTime { .. } => {
                    let cause = Cause::Passed(times.values().slice(0, rows.row_count()));
                    rows.caused_by(cause)
                }
                OverOrder::Sorted | OverOrder::Arrival => rows,
            };
            Leaving { rows, overflow }.push_to(results)?;
        }
        self.released = released;
        self.sweep(watermark)?;
        self.check_budget()
    }

    /// Adds rows in order, and gives each with its values, up to the first with one that does not fit.
    fn look(&mut self, batch: &Batch) -> Result<Leaving, AggregateError> {
        let keys: SmallVec<[&ArrayRef; 8]> =
            self.spec.partition_by.iter().map(|&key| batch.column(key)).collect();
        let elsewhere = self.state_bytes() - self.interner.heap_bytes() as u64;
        self.interner.set_budget(self.budget_bytes, elsewhere);
        self.interner.intern(&keys, batch.row_count(), &mut self.slots)?;
        self.unchecked_rows += batch.row_count();
        let times = self.spec.waiting_column().map(|column| {
            &batch.column(column).as_primitive::<TimestampMicrosecondType>().values()[..]
        });
        let slot_count = match (&mut self.idle, times) {
            (Some(idle), Some(times)) => idle.assign(&mut self.slots, times),
            _ => self.interner.group_count(),
        };
        let mut results = SmallVec::with_capacity(self.functions.len());
        for (at, call) in self.spec.calls.iter().enumerate() {
            let arguments: Arguments<'_> =
                call.arguments.iter().map(|&column| batch.column(column)).collect();
            let rows = OverRows { slots: &self.slots, slot_count, arguments: &arguments, times };
            results.push(self.functions[at].update(&rows));
        }
        let (calls, overflow) = until_overflow(results);
        // A slice of every array is an allocation, so it is cut only where it must be.
        let before = overflow.map(|(_, overflow)| batch.slice(0, overflow.row));
        let before = before.as_ref().unwrap_or(batch);
        // The numbers of peers stay here.
        let given = before.columns().iter().take(self.spec.input_types.len());
        let columns: Columns = given.cloned().chain(calls).collect();
        let rows = Batch::new(columns, before.offsets().clone())
            .with_watermarks(before.watermarks().cloned())
            .with_places(before.places().clone());
        let overflow = overflow.map(|(call, overflow)| {
            let moment = match times {
                Some(times) if self.peers.is_none() => {
                    Moment::Passed(EventTime(times[overflow.row]))
                }
                _ => row_moment(batch, overflow.row),
            };
            self.sum_overflow(call, overflow).at(moment)
        });
        Ok(Leaving { rows, overflow })
    }

    fn sum_overflow(&self, call: usize, overflow: Overflow) -> AggregateError {
        let slot = overflow.group;
        let key = match &self.idle {
            Some(idle) => idle.slots.iter().position(|&other| other == slot).unwrap_or(0),
            None => slot as usize,
        };
        let call = &self.spec.calls[call];
        AggregateError::SumOverflow {
            label: call.label.clone(),
            data_type: call.data_type.clone(),
            group_key: self.interner.key_text(key, 0..self.spec.partition_by.len()),
            moment: None,
        }
    }

    /// Drops keys that no later row can find rows before it of. Whether this runs often changes no
    /// result: a row that comes after such a silence starts afresh anyway.
    fn sweep(&mut self, watermark: EventTime) -> Result<(), AggregateError> {
        let Some(idle) = &mut self.idle else { return Ok(()) };
        if watermark == EventTime::MAX {
            return Ok(());
        }
        idle.watermark = idle.watermark.max(watermark.0);
        if watermark.0 < idle.next_sweep {
            return Ok(());
        }
        idle.next_sweep = idle.watermark.saturating_add(idle.ttl_us);
        let keys = (0..).zip(&idle.last_times);
        let (alive, silent): (Vec<_>, Vec<_>) = keys.partition(|(_, time)| idle.is_alive(**time));
        for (key, _) in silent {
            self.audit.add_group(&self.interner, key as usize);
        }
        let alive: Vec<u32> = alive.into_iter().map(|(key, _)| key).collect();
        let columns: Vec<ArrayRef> =
            self.interner.columns().iter().map(|column| column.gather(&alive)).collect();
        let key_types = self.spec.partition_by.iter().map(|&key| &self.spec.input_types[key]);
        let mut interner = Interner::new(key_types).expect("its types were supported before");
        interner.intern(&columns.iter().collect::<Vec<_>>(), alive.len(), &mut self.slots)?;
        self.interner = interner;
        let slots: Vec<u32> = alive.iter().map(|&key| idle.slots[key as usize]).collect();
        for function in &mut self.functions {
            function.retain(&slots);
        }
        idle.last_times = alive.iter().map(|&key| idle.last_times[key as usize]).collect();
        idle.slots = (0..).take(slots.len()).collect();
        idle.slot_count = u32::try_from(slots.len()).expect("slots are numbered by u32");
        Ok(())
    }

    fn check_budget(&mut self) -> Result<(), AggregateError> {
        if self.unchecked_rows >= self.key_count() / KEYS_A_ROW {
            self.unchecked_rows = 0;
            let bytes = self.functions.iter().map(|function| function.heap_bytes());
            self.function_bytes = bytes.sum::<usize>() as u64;
        }
        let state_bytes = self.state_bytes();
        if state_bytes <= self.budget_bytes {
            return Ok(());
        }
        let budget_bytes = self.budget_bytes;
        let row_count = self.waiting.as_ref().map_or(0, Waiting::row_count);
        let waiting_bytes = self.waiting.as_ref().map_or(0, Waiting::state_bytes);
        if waiting_bytes > state_bytes / 2 {
            return Err(AggregateError::RowBudgetExceeded { state_bytes, budget_bytes, row_count });
        }
        let group_count = self.key_count();
        Err(AggregateError::BudgetExceeded { state_bytes, budget_bytes, group_count })
    }

    /// Whether rows wait for the watermark, and leave in order of event time.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Keys remembered.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.interner.group_count()
    }

    /// Bytes held; what functions hold was looked at some rows ago, an eighth of the number of keys.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let waiting = self.waiting.as_ref().map_or(0, Waiting::state_bytes);
        let idle = self.idle.as_ref().map_or(0, IdleKeys::heap_bytes);
        let held = self.interner.heap_bytes() + idle + self.audit.heap_bytes();
        held as u64 + self.function_bytes + waiting
    }

    /// As [`crate::AggTable::seen_keys`], of all keys there have been; of more than a million forgotten
    /// ones, some.
    #[must_use]
    pub fn seen_keys(&self) -> SeenKeys {
        self.audit.seen(std::iter::once(&self.interner))
    }
}
