//! Made-up records for benchmarks and tests: trades, orders, measurements.
//!
//! Every value is a function of the options, the partition and the row number: the same on every
//! machine, for every batch size and rate, whichever columns are asked for. Absent on purpose: anything
//! random that is drawn one after another.

mod clock;
mod keys;
mod names;
mod random;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::builder::make_view;
use arrow_array::{
    ArrayRef, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_buffer::{Buffer, ScalarBuffer};
use tidemill_plan::{GeneratorModel, GeneratorSource};
use tidemill_record::{Batch, Columns, Image, PartitionId, Polled};
use tidemill_rt::Wake;

use self::clock::Clock;
use self::keys::{Keys, row_counts};
use self::random::{Stream, scale, scale_u32};
use crate::column_reader::{export_position, import_position};
use crate::pace::{Pace, elapsed_before};
use crate::{ColumnReader, SourceError};

/// Distinct keys at most: their names are kept in memory.
const KEY_COUNT_MAX: u64 = 100_000_000;

/// Traders of the trades.
const TRADER_COUNT: u32 = 50;

/// States of an order; the later ones are what most orders have come to.
const STATUSES: [&str; 8] =
    ["shipped", "shipped", "shipped", "shipped", "paid", "paid", "new", "cancelled"];

/// Makes the rows of one partition.
#[derive(Debug)]
pub struct Generator {
    // Fixed at construction.
    columns: Vec<Column>,
    keys: Keys,
    clock: Clock,
    has_event_time: bool,
    streams: Streams,
    /// Rows of this partition.
    row_count: u64,
    /// Number of the first row over all partitions, and by how much it grows from row to row.
    row_ids: (u64, u64),
    /// When rows are due; `None` for at once.
    pace: Option<Pace>,
    key_names: Names,
    trader_names: Names,
    status_names: Names,
    /// For each key, its base price in cents or its mean temperature in tenths of a degree.
    key_bases: Vec<u32>,
    // Changes with every batch.
    /// When the first batch was asked for.
    started: Option<Instant>,
    /// How long it had been reading before a cut, by the rows that were due.
    elapsed_before: Duration,
    position: u64,
    late_count: u64,
    /// Key of each row of the batch being made.
    drawn: Vec<u32>,
}

/// One sequence of random numbers for each purpose.
#[derive(Debug)]
struct Streams {
    key: Stream,
    value: Stream,
    quantity: Stream,
    name: Stream,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    RowId,
    EventTime,
    Trader,
    KeyName,
    Price,
    Quantity,
    KeyId,
    Amount,
    Status,
    Temperature,
}

/// The columns of a model, in the order of `GeneratorModel::schema`.
fn columns_of(model: GeneratorModel) -> &'static [Column] {
    match model {
        GeneratorModel::Trades => &[
            Column::RowId,
            Column::EventTime,
            Column::Trader,
            Column::KeyName,
            Column::Price,
            Column::Quantity,
        ],
        GeneratorModel::Orders => {
            &[Column::RowId, Column::KeyId, Column::EventTime, Column::Amount, Column::Status]
        }
        GeneratorModel::Measurements => &[Column::KeyName, Column::Temperature],
    }
}

impl Generator {
    /// Makes the generator of one partition, giving `columns` (indices into the model's schema).
    ///
    /// # Errors
    /// [`SourceError::Generator`] for no partitions, a rate of 0, a partition beyond them, no or too many keys, a
    /// fraction outside `0.0..=1.0`, a negative skew, or a column that the model does not have.
    ///
    /// # Cost
    /// O(keys): names and, where skewed, frequencies are kept.
    pub fn new(
        source: &GeneratorSource,
        partition: PartitionId,
        columns: &[usize],
    ) -> Result<Self, SourceError> {
        check(source, partition)?;
        let all = columns_of(source.model);
        let columns = columns
            .iter()
            .map(|&column| all.get(column).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| refuse(format!("its schema has {} columns", all.len())))?;
        let number = partition.0;
        let shares = row_counts(
            total_rows(source),
            source.keys,
            source.partitions,
            source.skew,
            source.idle_partitions,
        );
        let share = shares[number as usize];
        let (row_count, row_ids) = match source.rows {
            Some(_) => (share, (shares[..number as usize].iter().sum::<u64>() + 1, 1)),
            // Nobody knows how many the partitions before it will have: their numbers take turns.
            None => {
                let stride = u64::from(source.partitions);
                let row_count = if share == 0 { 0 } else { i64::MAX.cast_unsigned() / stride };
                (row_count, (u64::from(number) + 1, stride))
            }
        };
        let keys = Keys::new(source.keys, number, source.partitions, source.skew);
        let stream = |purpose| Stream::new(source.seed, number, purpose);
        let is_idle = number + source.idle_partitions >= source.partitions;
        let clock = Clock::new(
            (total_rows(source), share),
            is_idle,
            source.disorder_ms,
            source.late_fraction,
            (stream(5), stream(6)),
        );
        let key_range = 0..keys.count();
        let key_names = if columns.contains(&Column::KeyName) {
            Names::new(key_range.clone().map(|own| name_of(source, keys.global(own))))
        } else {
            Names::default()
        };
        let key_bases = key_range.map(|own| center_of(source, keys.global(own))).collect();
        Ok(Self {
            columns,
            clock,
            has_event_time: all.contains(&Column::EventTime),
            streams: Streams {
                key: stream(1),
                value: stream(2),
                quantity: stream(3),
                name: stream(4),
            },
            row_count,
            row_ids,
            pace: source.rate.map(|rate| Pace::new(rate, number, source.partitions)),
            key_names,
            trader_names: Names::new((0..TRADER_COUNT).map(names::trader)),
            status_names: Names::new(STATUSES.into_iter().map(str::to_owned)),
            key_bases,
            keys,
            started: None,
            elapsed_before: Duration::ZERO,
            position: 0,
            late_count: 0,
            drawn: Vec::new(),
        })
    }

    /// Rows that this partition has in all; where the source has no end, more than anybody waits for.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Rows given so far that are late under a watermark with a delay of the disorder, and late for a
    /// tumbling window of a minute; see [`GeneratorSource::late_fraction`]. 0 where the model has no
    /// event time.
    #[must_use]
    pub fn late_count(&self) -> u64 {
        self.late_count
    }

    /// How many rows are due by now, those given included. Costs a look at the monotonic clock where
    /// there is a rate.
    fn due_rows(&mut self) -> u64 {
        let Some(pace) = &self.pace else { return u64::MAX };
        let started = *self.started.get_or_insert_with(tidemill_rt::now);
        pace.due_rows(tidemill_rt::elapsed(started).saturating_add(self.elapsed_before))
    }

    fn column(&self, column: Column, rows: std::ops::Range<u64>) -> ArrayRef {
        let Streams { value, quantity, name, .. } = self.streams;
        let drawn = &self.drawn;
        match column {
            Column::RowId => {
                let (first, stride) = self.row_ids;
                let numbers = rows.map(|row| (first + row * stride).cast_signed());
                Arc::new(Int64Array::from_iter_values(numbers))
            }
            Column::EventTime => Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.map(|row| self.clock.event_time_us(row)),
            )),
            Column::Trader => {
                self.trader_names.gather(rows.map(|row| scale_u32(name.at(row), TRADER_COUNT)))
            }
            Column::KeyName => self.key_names.gather(drawn.iter().copied()),
            Column::Price => doubles(drawn.iter().zip(rows).map(|(&key, row)| {
                // Within five per cent of the symbol's base price.
                let base = self.key_bases[key as usize];
                let span = base / 10;
                f64::from(base - span / 2 + scale_u32(value.at(row), span + 1)) / 100.0
            })),
            Column::Quantity => Arc::new(Int64Array::from_iter_values(
                rows.map(|row| 1 + scale(quantity.at(row), 1000).cast_signed()),
            )),
            Column::KeyId => Arc::new(Int64Array::from_iter_values(
                drawn.iter().map(|&key| (self.keys.global(key) + 1).cast_signed()),
            )),
            Column::Amount => {
                doubles(rows.map(|row| f64::from(100 + scale_u32(value.at(row), 49_901)) / 100.0))
            }
            Column::Status => self.status_names.gather(rows.map(|row| scale_u32(name.at(row), 8))),
            Column::Temperature => doubles(drawn.iter().zip(rows).map(|(&key, row)| {
                let mean = self.key_bases[key as usize];
                f64::from(mean.cast_signed() + spread_tenths(value.at(row))) / 10.0
            })),
        }
    }
}

impl ColumnReader for Generator {
    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError> {
        if self.position == self.row_count {
            return Ok(Polled::Ended);
        }
        let due = self.due_rows().min(self.row_count).saturating_sub(self.position);
        let count = usize::try_from(due).unwrap_or(usize::MAX).min(rows_max.max(1));
        if count == 0 {
            return Ok(Polled::NotReady);
        }
        let end = self.position + u64::try_from(count).expect("a usize fits u64");
        let rows = self.position..end;
        let mut drawn = std::mem::take(&mut self.drawn);
        drawn.resize(count, 0);
        self.keys.draw(self.streams.key, self.position, &mut drawn);
        self.drawn = drawn;
        let columns: Columns = self.columns.iter().map(|&c| self.column(c, rows.clone())).collect();
        if self.has_event_time && self.clock.has_late() {
            let late = rows.clone().filter(|&row| self.clock.is_late(row)).count();
            self.late_count += u64::try_from(late).expect("a usize fits u64");
        }
        self.position = end;
        Ok(Polled::Ready(Batch::new(columns, UInt64Array::from_iter_values(rows))))
    }

    fn export(&self) -> Result<Option<Image>, SourceError> {
        let mut image = export_position(self.position);
        image.put_one("late_count", self.late_count);
        Ok(Some(image))
    }

    fn import(&mut self, mut image: Image) -> Result<(), SourceError> {
        let late_count = image.take_one("late_count");
        self.late_count = late_count
            .map_err(|source| SourceError::Image { what: "a generator".to_owned(), source })?;
        self.position = import_position(image, self.row_count, "a generator")?;
        self.late_count = self.late_count.min(self.position);
        self.elapsed_before = elapsed_before(self.pace.as_ref(), self.position);
        Ok(())
    }
    fn wake(&self) -> Wake<'static> {
        match (&self.pace, self.started) {
            (Some(pace), Some(started)) => {
                let after = pace.due_after(self.position).saturating_sub(self.elapsed_before);
                Wake::at(started.checked_add(after))
            }
            _ => Wake::NOW,
        }
    }
}

fn check(source: &GeneratorSource, partition: PartitionId) -> Result<(), SourceError> {
    let GeneratorSource { partitions, keys, skew, late_fraction, .. } = *source;
    if partition.0 >= partitions {
        return Err(refuse(format!("partition {partition} of {partitions} does not exist")));
    }
    if !(1..=KEY_COUNT_MAX).contains(&keys) {
        return Err(refuse(format!("keys = {keys} is not in 1..={KEY_COUNT_MAX}")));
    }
    if !(0.0..=1.0).contains(&late_fraction) {
        return Err(refuse(format!("late = {late_fraction} is not in 0.0..=1.0")));
    }
    if !(0.0..=10.0).contains(&skew) {
        return Err(refuse(format!("skew = {skew} is not in 0.0..=10.0")));
    }
    if total_rows(source) > i64::MAX.cast_unsigned() {
        return Err(refuse(format!("rows = {} does not fit BIGINT", total_rows(source))));
    }
    if source.rate == Some(0) {
        return Err(refuse("rate = 0 would never give a record".to_owned()));
    }
    if source.disorder_ms > 1 << 40 {
        return Err(refuse(format!(
            "disorder = {} ms is longer than 34 years",
            source.disorder_ms
        )));
    }
    Ok(())
}

fn refuse(reason: String) -> SourceError {
    SourceError::Generator { reason }
}

fn name_of(source: &GeneratorSource, key: u64) -> String {
    match source.model {
        GeneratorModel::Trades | GeneratorModel::Orders => names::symbol(key, source.keys),
        GeneratorModel::Measurements => names::station(key),
    }
}

/// A key's base price in cents, 5.00 to 900.00, or mean temperature in tenths, -30.0 to 40.0 as the
/// bits of an `i32`: a function of the seed and the key, whatever the partition.
fn center_of(source: &GeneratorSource, key: u64) -> u32 {
    let random = random::mix(source.seed ^ random::mix(key.wrapping_add(1)));
    match source.model {
        GeneratorModel::Trades | GeneratorModel::Orders => 500 + scale_u32(random, 89_501),
        GeneratorModel::Measurements => {
            (scale_u32(random, 701).cast_signed() - 300).cast_unsigned()
        }
    }
}

/// A displacement of about ten degrees (standard deviation), 34.4 at most, in tenths: four uniform
/// numbers added.
fn spread_tenths(random: u64) -> i32 {
    const WIDTH: u64 = 173;
    let parts = [0, 16, 32, 48].map(|shift| (((random >> shift) & 0xffff) * WIDTH) >> 16);
    let sum: u64 = parts.iter().sum();
    i32::try_from(sum).expect("at most 4 * 172") - 344
}

fn doubles(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// A table of texts, and views of them to gather from.
#[derive(Debug, Default)]
struct Names {
    /// Arrow string views: short texts inside, long ones in `bytes`.
    views: Vec<u128>,
    bytes: Option<Buffer>,
}

impl Names {
    fn new(names: impl Iterator<Item = String>) -> Self {
        const INLINE_BYTES_MAX: usize = 12;
        let mut bytes = Vec::new();
        let views = names
            .map(|name| {
                let start = u32::try_from(bytes.len()).expect("at most 26 bytes a key");
                if name.len() > INLINE_BYTES_MAX {
                    bytes.extend_from_slice(name.as_bytes());
                }
                make_view(name.as_bytes(), 0, start)
            })
            .collect();
        Self { views, bytes: (!bytes.is_empty()).then(|| Buffer::from_vec(bytes)) }
    }

    fn gather(&self, indices: impl Iterator<Item = u32>) -> ArrayRef {
        let views: Vec<u128> = indices.map(|index| self.views[index as usize]).collect();
        let bytes: Vec<Buffer> = self.bytes.iter().cloned().collect();
        Arc::new(StringViewArray::new(ScalarBuffer::from(views), bytes, None))
    }
}

/// How many records there are over all partitions; without an end, enough to share them out to the
/// partitions in proportion.
fn total_rows(source: &GeneratorSource) -> u64 {
    const SHARED_OUT: u64 = 1 << 62;
    source.rows.unwrap_or(SHARED_OUT)
}
