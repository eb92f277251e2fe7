//! Windows that partitions close and give to a gather, and what the gather has not given out yet.

use arrow_array::cast::AsArray;
use arrow_array::{BooleanArray, UInt64Array};
use arrow_select::filter::filter;
use tidemill_aggregate::{EventTimes, Gathering, WindowTable};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, Merge, WindowKind, WindowSpec};
use tidemill_record::{Batch, Columns, DataType, EventTime, Image, ImageError};

use super::stages::{Said, Stage, TIME, check, event_times, say_rows, text, timed_rows, types_of};
use crate::groups::{call, distinct, spec};
use crate::values::Random;

/// Partitions, each with every so many row, and what gathers their windows.
struct Gathered {
    partitions: Vec<(EventTimes, WindowTable)>,
    gathering: Gathering,
    /// Whether partitions give as windows close, or keep them until the end.
    is_live: bool,
    types: Vec<DataType>,
}

impl Gathered {
    fn new(spec: &AggregateSpec, partition_count: usize, is_live: bool) -> Self {
        let merge = Merge::Windows(spec.clone());
        let partition = |_| (event_times(), WindowTable::sealing(spec.clone(), u64::MAX));
        Self {
            partitions: (0..partition_count).map(partition).collect(),
            gathering: Gathering::new(&merge, partition_count, u64::MAX),
            is_live,
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
            if self.is_live {
                let (sealed, come_to) = table.take_sealed(times.watermark());
                self.gathering.add(at, sealed).map_err(text)?;
                until = until.min(come_to);
            }
        }
        if self.is_live { self.give_out(until, said) } else { Ok(()) }
    }

    fn end(mut self, said: &mut Said) -> Result<(), String> {
        for (at, (_, table)) in std::mem::take(&mut self.partitions).into_iter().enumerate() {
            self.gathering.add(at, table.into_sealed().map_err(text)?).map_err(text)?;
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
            let (is_live, partition_count) = (random.below(3) > 0, 1 + random.below(3));
            let at = format!("{kind}, live: {is_live}, keys {:?}", spec.keys);
            check(|| Gathered::new(&spec, partition_count, is_live), &rows, seed, &at);
        }
    }
}
