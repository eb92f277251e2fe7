//! `OVER` with every frame and function, in every order.

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_select::take::take;
use tidemill_aggregate::{EventTimes, Late, OverTable};
use tidemill_plan::{
    AggregateFunction as F, Frame, OverCall, OverFunction, OverOrder, OverSpec, PairStatistic, Span,
};
use tidemill_record::{Batch, Columns, DataType, EventTime, Image, ImageError};

use super::stages::{
    Said, Stage, TIME, check, event_times, say_late, say_rows, text, timed_rows, types_of,
};
use crate::groups::calls_for;
use crate::values::{Random, all_types};

struct Over {
    times: EventTimes,
    table: OverTable,
    types: Vec<DataType>,
}

impl Over {
    fn new(spec: &OverSpec) -> Self {
        let calls = spec.calls.iter().map(|call| call.data_type.clone());
        let types = spec.input_types.iter().cloned().chain(calls).collect();
        let audited: Vec<usize> = (0..spec.partition_by.len()).collect();
        let table = OverTable::new(spec.clone(), &audited, u64::MAX, 3);
        Self { times: event_times(10), table, types }
    }
}

impl Stage for Over {
    fn take(&mut self, batch: Batch, said: &mut Said) -> Result<(), String> {
        let (mut late, mut results): (Vec<Late>, Vec<Batch>) = (Vec::new(), Vec::new());
        let noted = self.times.apply(batch, &mut Vec::new());
        let taken = self.table.update(&noted, &mut late, &mut results);
        let taken = taken.and_then(|()| self.table.advance(self.times.watermark(), &mut results));
        say_late(&late, said);
        say_rows(&self.types, results, said);
        taken.map_err(text)
    }

    fn end(mut self, said: &mut Said) -> Result<(), String> {
        let mut results = Vec::new();
        let ended = self.table.advance(EventTime::MAX, &mut results).map_err(text);
        say_rows(&self.types, results, said);
        said.one(|| text(self.table.seen_keys()));
        ended
    }

    fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_image("times", self.times.export());
        image.put_image("table", self.table.export());
        image
    }

    fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.times.import(image.take_image("times")?)?;
        self.table.import(image.take_image("table")?)?;
        image.end()
    }
}

const FRAMES: [Frame; 6] = [
    Frame::Rows(None),
    Frame::Rows(Some(0)),
    Frame::Rows(Some(3)),
    Frame::Rows(Some(40)),
    Frame::Range(None),
    Frame::Range(Some(25)),
];

/// Every function that frames know of a type, of column 1.
fn functions(data_type: &DataType) -> Vec<(OverFunction, bool, Vec<usize>, DataType)> {
    let mut functions = Vec::new();
    let is_in_frames = |function: &F| {
        !matches!(
            function,
            F::ApproxCountDistinct
                | F::FirstValue
                | F::LastValue
                | F::ArrayAgg
                | F::StringAgg { .. }
                | F::PercentileCont { .. }
                | F::PercentileDisc { .. }
                | F::Mode
        )
    };
    for call in calls_for(data_type, 1) {
        if !call.is_distinct && is_in_frames(&call.function) {
            let function = OverFunction::Aggregate(call.function);
            functions.push((function, false, vec![1], call.data_type));
        }
    }
    if *data_type == DataType::Double {
        for function in [F::Product, F::Sem, F::Skewness, F::Kurtosis, F::KurtosisPop] {
            let function = OverFunction::Aggregate(function);
            functions.push((function, false, vec![1], DataType::Double));
        }
        for statistic in [PairStatistic::Corr, PairStatistic::RegrSlope] {
            let function = OverFunction::Aggregate(F::OfPairs(statistic));
            functions.push((function, false, vec![1, 3], DataType::Double));
        }
    }
    if *data_type == DataType::Interval {
        for function in [F::Sum, F::Avg] {
            let function = OverFunction::Aggregate(function);
            functions.push((function, false, vec![1], DataType::Interval));
        }
    }
    for ignores_nulls in [false, true] {
        let of_rows = [
            OverFunction::LastValue,
            OverFunction::NthValue { n: 1 },
            OverFunction::NthValue { n: 4 },
            OverFunction::Lag { rows: 0 },
            OverFunction::Lag { rows: 1 },
            OverFunction::Lag { rows: 5 },
        ];
        let of_rows = of_rows.into_iter();
        functions.extend(of_rows.map(|f| (f, ignores_nulls, vec![1], data_type.clone())));
    }
    functions.push((OverFunction::Aggregate(F::Count), false, vec![], DataType::BigInt));
    for function in [OverFunction::RowNumber, OverFunction::Rank, OverFunction::DenseRank] {
        functions.push((function, false, vec![], DataType::BigInt));
    }
    functions
}

fn calls(data_type: &DataType, frames: &[Frame]) -> Vec<OverCall> {
    let mut calls = Vec::new();
    for &frame in frames {
        for (function, ignores_nulls, arguments, data_type) in functions(data_type) {
            let label = format!("{function:?} over {frame}");
            calls.push(OverCall { function, arguments, ignores_nulls, frame, data_type, label });
        }
    }
    calls
}

/// The rows in order of time, as a sort below would give them.
fn sorted(rows: &Batch) -> Batch {
    let times = rows.column(TIME).as_primitive::<TimestampMicrosecondType>().values();
    let mut order: Vec<u32> = (0..).take(rows.row_count()).collect();
    // Few of them, so that many rows are peers.
    order.sort_by_key(|&row| times[row as usize] / 4);
    let order = UInt32Array::from(order);
    let columns: Columns =
        rows.columns().iter().map(|column| take(column, &order, None).unwrap()).collect();
    Batch::new(columns, rows.offsets().clone())
}

fn check_type(data_type: &DataType, seed: u64) {
    let mut random = Random(seed);
    let types = types_of(DataType::TinyInt, data_type);
    let rows = timed_rows(&types, 100, &mut random);
    let by_time = OverOrder::EventTime { column: TIME };
    for order in [by_time, [OverOrder::Arrival, OverOrder::Sorted][random.below(2)]] {
        let is_known = |frame: &Frame| match (frame, order) {
            (Frame::Range(_), OverOrder::Arrival) => false,
            // A distance in time has no meaning there.
            (Frame::Range(Some(_)), OverOrder::Sorted) => false,
            _ => true,
        };
        let mut frames: Vec<Frame> = FRAMES.into_iter().filter(is_known).collect();
        // Not all at once: a frame has its turn with the next type.
        let first = usize::try_from(seed).unwrap() % frames.len();
        frames.rotate_left(first);
        frames.truncate(3);
        let is_by_time = matches!(order, OverOrder::EventTime { .. });
        let partition_by = [vec![0], vec![5, 0], vec![1], vec![]][random.below(4)].clone();
        let spec = OverSpec {
            input_types: types.clone(),
            partition_by,
            order,
            sorted_by: if order == OverOrder::Sorted { vec![2, 0] } else { Vec::new() },
            calls: calls(data_type, &frames),
            idle_key_ttl_us: (is_by_time && random.below(2) == 0).then_some(30),
            span: Span::default(),
        };
        let at = format!(
            "{order:?}, {data_type}, by {:?}, ttl {:?}",
            spec.partition_by, spec.idle_key_ttl_us
        );
        let rows = if order == OverOrder::Sorted { sorted(&rows) } else { rows.clone() };
        check(|| Over::new(&spec), &rows, seed, &at);
    }
}

#[test]
fn frames_of_every_function_go_on_from_an_image() {
    for (seed, data_type) in (0..).zip(all_types()) {
        check_type(&data_type, seed);
    }
}

/// The order in which floats were added is part of a frame's state.
#[test]
fn frames_of_doubles_go_on_to_the_same_bits() {
    for seed in 100..102 {
        check_type(&DataType::Double, seed);
    }
}

/// Keys that fall silent and come back, where sweeps are at other times in other batches.
#[test]
fn keys_that_fall_silent_go_on_from_an_image() {
    for seed in 0..4 {
        let types = types_of(DataType::BigInt, &DataType::Double);
        let rows = timed_rows(&types, 250, &mut Random(seed));
        let spec = OverSpec {
            input_types: types,
            partition_by: if seed == 3 { vec![] } else { vec![0, 5] },
            order: OverOrder::EventTime { column: TIME },
            sorted_by: Vec::new(),
            calls: calls(&DataType::Double, &[Frame::Rows(Some(5)), Frame::Range(None)]),
            idle_key_ttl_us: Some([20, 60, 200][usize::try_from(seed % 3).unwrap()]),
            span: Span::default(),
        };
        check(|| Over::new(&spec), &rows, seed, "silent keys");
    }
}
