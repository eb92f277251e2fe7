//! Windows that partitions close and give to a gather, and what the gather has not given out yet.

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, UInt64Array};
use arrow_select::filter::filter;
use tidemill_aggregate::{EventTimes, Gathering, WindowTable};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, Merge, WindowKind, WindowSpec};
use tidemill_record::{Batch, Columns, DataType, EventTime, Image, ImageError};

use super::stages::{
    Said, Stage, TIME, check, crowded_rows, event_times, say_rows, text, timed_rows, types_of,
};
use crate::groups::{call, distinct, spec};
use crate::values::Random;

/// Partitions, each with every so many row, and what gathers their windows.
struct Gathered {
    partitions: Vec<(EventTimes, WindowTable)>,
    gathering: Gathering,
    gives: Gives,
    types: Vec<DataType>,
}

/// When partitions give their windows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gives {
    AsTheyClose,
    /// The same, and nothing is given out, as where another partition has not begun.
    InVain,
    AtTheEnd,
}

impl Gathered {
    fn new(spec: &AggregateSpec, partition_count: usize, gives: Gives) -> Self {
        let merge = Merge::Windows(spec.clone());
        let partition = |_| (event_times(10), WindowTable::sealing(spec.clone(), u64::MAX));
        Self {
            partitions: (0..partition_count).map(partition).collect(),
            gathering: Gathering::new(&merge, u64::MAX),
            gives,
            types: spec.output_types(),
        }
    }

    fn give_out(&mut self, until: EventTime, said: &mut Said) -> Result<(), String> {
        let taken = self.gathering.take_until(until).map_err(text)?;
        for batch in taken.into_batches(64).map_err(text)? {
            say_rows(&self.types, vec![batch.map_err(text)?], said);
        }
        Ok(())
    }
}

/// The rows of one partition of so many.
fn of_partition(batch: &Batch, partition: usize, partition_count: usize) -> Batch {
    let is_of = |offset: &u64| offset / 10 % partition_count as u64 == partition as u64;
    let mask: BooleanArray = batch.offsets().values().iter().map(|o| Some(is_of(o))).collect();
    let columns: Columns =
        batch.columns().iter().map(|column| filter(column, &mask).unwrap()).collect();
    let offsets: UInt64Array = filter(batch.offsets(), &mask).unwrap().as_primitive().clone();
    Batch::new(columns, offsets)
}

impl Stage for Gathered {
    fn take(&mut self, batch: Batch, said: &mut Said) -> Result<(), String> {
        let partition_count = self.partitions.len();
        let mut until = EventTime::MAX;
        for (at, (times, table)) in self.partitions.iter_mut().enumerate() {
            let rows = of_partition(&batch, at, partition_count);
            let noted = times.apply(rows, &mut Vec::new());
            table.update(&noted, &mut Vec::new(), &mut Vec::new()).map_err(text)?;
            table.advance(times.watermark(), &mut Vec::new()).map_err(text)?;
            if self.gives != Gives::AtTheEnd {
                let (sealed, come_to) = table.take_sealed(times.watermark());
                self.gathering.add(at as u64, sealed).map_err(text)?;
                until = until.min(come_to);
            }
        }
        if self.gives == Gives::AsTheyClose { self.give_out(until, said) } else { Ok(()) }
    }

    fn end(mut self, said: &mut Said) -> Result<(), String> {
        for (at, (_, table)) in std::mem::take(&mut self.partitions).into_iter().enumerate() {
            self.gathering.add(at as u64, table.into_sealed().map_err(text)?).map_err(text)?;
        }
        self.give_out(EventTime::MAX, said)?;
        assert_eq!(self.gathering.group_count(), 0, "all have left");
        Ok(())
    }

    fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_images("times", self.partitions.iter().map(|(times, _)| times.export()));
        image.put_images("tables", self.partitions.iter().map(|(_, table)| table.export()));
        image.put_image("gathering", self.gathering.export());
        image
    }

    fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let images = image.take_images("times")?.into_iter().zip(image.take_images("tables")?);
        for ((times, table), (of_times, of_table)) in self.partitions.iter_mut().zip(images) {
            times.import(of_times)?;
            table.import(of_table)?;
        }
        self.gathering.import(image.take_image("gathering")?)?;
        image.end()
    }
}

#[test]
fn closed_windows_are_given_out_from_an_image() {
    let kinds = [
        WindowKind::Tumbling { size_us: 40 },
        WindowKind::Hopping { size_us: 100, advance_us: 5 },
        WindowKind::Cumulating { size_us: 120, step_us: 20 },
        WindowKind::Session { gap_us: 3 },
        WindowKind::Session { gap_us: 12 },
    ];
    for seed in 0..3 {
        // Many groups, so that some windows are tables and others share columns.
        let key = [DataType::TinyInt, DataType::Timestamp][usize::from(seed % 3 == 2)].clone();
        let types = types_of(key, &DataType::Double);
        let mut random = Random(seed);
        let rows = timed_rows(&types, 240, &mut random);
        for kind in kinds {
            let mut calls = vec![
                call(F::Count, None, DataType::BigInt),
                call(F::Sum, Some(1), DataType::Double),
                call(F::Max, Some(5), DataType::Varchar),
            ];
            if seed % 2 == 0 {
                calls.push(distinct(call(F::Count, Some(5), DataType::BigInt)));
                let list = DataType::Array(Box::new(DataType::Double));
                calls.push(call(F::ArrayAgg, Some(1), list));
            }
            let keys = [vec![0], vec![0, 5], vec![]][random.below(3)].clone();
            let window = Some(WindowSpec { kind, time: TIME, allowed_lateness_us: 0 });
            let spec =
                AggregateSpec { window, emit: Emit::Final, ..spec(types.clone(), keys, calls) };
            let gives = [Gives::AsTheyClose, Gives::InVain, Gives::AtTheEnd][random.below(3)];
            let partition_count = 1 + random.below(3);
            let at = format!("{kind}, {gives:?}, keys {:?}", spec.keys);
            check(|| Gathered::new(&spec, partition_count, gives), &rows, seed, &at);
        }
    }
}

/// Windows of many groups have a table each, of few share columns with as many as have some thousand together.
#[test]
fn large_windows_and_many_small_ones_are_given_out_from_an_image() {
    let tumbling = WindowKind::Tumbling { size_us: 40 };
    let small = WindowKind::Tumbling { size_us: 4 };
    let sessions = WindowKind::Session { gap_us: 4 };
    for (seed, (kind, rows_at_a_time, gives)) in (0..).zip([
        (tumbling, 25, Gives::AsTheyClose),
        (small, 20, Gives::InVain),
        (small, 20, Gives::AtTheEnd),
        (sessions, 2, Gives::AsTheyClose),
    ]) {
        let rows = crowded_rows(700, 7000, rows_at_a_time, &mut Random(seed));
        let types = types_of(DataType::BigInt, &DataType::Double);
        let calls = vec![
            call(F::Count, None, DataType::BigInt),
            call(F::Sum, Some(1), DataType::Double),
            call(F::Max, Some(5), DataType::Varchar),
        ];
        let window = Some(WindowSpec { kind, time: TIME, allowed_lateness_us: 0 });
        let spec = AggregateSpec { window, emit: Emit::Final, ..spec(types, vec![0], calls) };
        let partition_count = if gives == Gives::AsTheyClose { 2 } else { 1 };
        let at = format!("{kind}, {gives:?}");
        check(|| Gathered::new(&spec, partition_count, gives), &rows, seed, &at);
    }
}

/// How windows share columns depends on when they were given, and what is exported does not.
#[test]
fn windows_that_were_given_together_or_apart_are_one_image() {
    let kind = WindowKind::Tumbling { size_us: 4 };
    let calls = vec![call(F::Count, None, DataType::BigInt)];
    let window = Some(WindowSpec { kind, time: TIME, allowed_lateness_us: 0 });
    let types = types_of(DataType::BigInt, &DataType::Double);
    let spec = AggregateSpec { window, emit: Emit::Final, ..spec(types, vec![0], calls) };
    let rows = crowded_rows(700, 12_000, 20, &mut Random(1));
    let given = |rows_a_give: usize| {
        let mut given = Gathered::new(&spec, 1, Gives::InVain);
        for start in (0..rows.row_count()).step_by(rows_a_give) {
            let rows = rows.slice(start, rows_a_give.min(rows.row_count() - start));
            given.take(rows, &mut Said::Nobody).unwrap();
        }
        given
    };
    let at_once = given(12_000);
    assert!(at_once.gathering.group_count() > 8192, "more than share columns");
    for rows_a_give in [1, 2900, 3600] {
        // A part that has no room for all of a give takes none of it.
        assert!(given(rows_a_give).gathering.export() == at_once.gathering.export());
    }
}
