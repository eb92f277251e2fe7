//! Windows of every kind, in every emit mode.

use tidemill_aggregate::{EventTimes, Late, WindowTable};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, WindowKind, WindowSpec};
use tidemill_record::{Batch, DataType, EventTime, Image, ImageError};

use super::stages::{
    Said, Stage, TIME, check, crowded_rows, event_times, say_late, say_rows, text, timed_rows,
    types_of,
};
use super::tables::all_calls;
use crate::groups::{call, spec};
use crate::values::{Random, all_types};

/// The windows of a partition behind its event times.
struct Windowed {
    times: EventTimes,
    table: WindowTable,
    types: Vec<DataType>,
}

impl Windowed {
    fn new(spec: &AggregateSpec, delay_us: i64) -> Self {
        let types = spec.output_types();
        let audited: Vec<usize> = (0..spec.keys.len()).collect();
        let table = WindowTable::new(spec.clone(), &audited, u64::MAX);
        Self { times: event_times(delay_us), table, types }
    }

    fn advance(&mut self, watermark: EventTime, results: &mut Vec<Batch>) -> Result<(), String> {
        loop {
            let until = self.table.next_step(watermark);
            self.table.advance(until, results).map_err(text)?;
            if until == watermark {
                return Ok(());
            }
        }
    }
}

impl Stage for Windowed {
    fn take(&mut self, batch: Batch, said: &mut Said) -> Result<(), String> {
        let (mut late, mut results): (Vec<Late>, Vec<Batch>) = (Vec::new(), Vec::new());
        let noted = self.times.apply(batch, &mut Vec::new());
        let taken = self.table.update(&noted, &mut late, &mut results).map_err(text);
        let taken = taken.and_then(|()| self.advance(self.times.watermark(), &mut results));
        say_late(&late, said);
        say_rows(&self.types, results, said);
        taken
    }

    fn end(mut self, said: &mut Said) -> Result<(), String> {
        let mut results = Vec::new();
        let ended = self.advance(EventTime::MAX, &mut results);
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

const KINDS: [WindowKind; 6] = [
    WindowKind::Tumbling { size_us: 50 },
    // Few panes, and so many that blocks of them are merged.
    WindowKind::Hopping { size_us: 60, advance_us: 20 },
    WindowKind::Hopping { size_us: 120, advance_us: 8 },
    WindowKind::Cumulating { size_us: 120, step_us: 20 },
    WindowKind::Session { gap_us: 3 },
    WindowKind::Session { gap_us: 12 },
];

const MODES: [(Emit, i64); 6] = [
    (Emit::Final, 0),
    (Emit::Final, 30),
    (Emit::Changes, 0),
    (Emit::Changes, 30),
    (Emit::ChangesEvery(5), 0),
    (Emit::ChangesEvery(64), 30),
];

fn windowed(spec: AggregateSpec, kind: WindowKind, mode: (Emit, i64)) -> AggregateSpec {
    let (emit, allowed_lateness_us) = mode;
    let window = Some(WindowSpec { kind, time: TIME, allowed_lateness_us });
    AggregateSpec { window, emit, ..spec }
}

/// Every call of a type; those that know no order of arrival alone share panes.
fn check_type(data_type: &DataType, seed: u64) {
    let types = types_of(DataType::TinyInt, data_type);
    let mut random = Random(seed);
    let rows = timed_rows(&types, 100, &mut random);
    // Each kind with some types, and some modes of each.
    for at in [seed, seed + 3] {
        let kind = KINDS[usize::try_from(at).unwrap() % KINDS.len()];
        let mode = MODES[random.below(MODES.len())];
        let mut calls = all_calls(data_type);
        if random.below(3) > 0 {
            calls.retain(|call| !call.is_distinct && !call.function.follows_order());
        }
        let keys = [vec![0], vec![0, 5], vec![5], vec![1], vec![]][random.below(5)].clone();
        let spec = windowed(spec(types.clone(), keys, calls), kind, mode);
        let at = format!("{kind}, {mode:?}, {data_type}, keys {:?}", spec.keys);
        check(|| Windowed::new(&spec, 10), &rows, seed, &at);
    }
}

#[test]
fn windows_of_every_function_go_on_from_an_image() {
    for (seed, data_type) in (0..).zip(all_types()) {
        check_type(&data_type, seed);
    }
}

#[test]
fn windows_of_every_kind_go_on_in_every_emit_mode() {
    let mut seed = 0;
    for kind in KINDS {
        seed += 1;
        let types = types_of(DataType::TinyInt, &DataType::Double);
        let rows = timed_rows(&types, 120, &mut Random(seed));
        for mode in MODES {
            let calls = vec![
                call(F::Count, None, DataType::BigInt),
                call(F::Sum, Some(1), DataType::Double),
                call(F::StddevSamp, Some(1), DataType::Double),
            ];
            let keys = if mode == MODES[0] { vec![] } else { vec![0] };
            let spec = windowed(spec(types.clone(), keys, calls), kind, mode);
            check(|| Windowed::new(&spec, 10), &rows, seed, &format!("{kind}, {mode:?}"));
        }
    }
}

/// A few keys with many sessions each, and many that come and go: their memory is given back now and then.
#[test]
fn sessions_of_busy_keys_and_many_that_are_gone_go_on_from_an_image() {
    let types = types_of(DataType::BigInt, &DataType::Double);
    for (seed, (key_count, delay_us, mode)) in (0..).zip([
        (3, 400, MODES[0]),
        (3, 400, MODES[1]),
        (400, 5, MODES[0]),
        (400, 5, MODES[3]),
        (400, 5, (Emit::ChangesEvery(100), 0)),
    ]) {
        let rows = crowded_rows(key_count, 4000, 2, &mut Random(seed));
        let kind = WindowKind::Session { gap_us: 4 };
        let calls = vec![
            call(F::Count, None, DataType::BigInt),
            call(F::Sum, Some(1), DataType::Double),
            call(F::LastValue, Some(5), DataType::Varchar),
        ];
        let spec = windowed(spec(types.clone(), vec![0], calls), kind, mode);
        let at = format!("{key_count} keys, delay {delay_us}, {mode:?}");
        check(|| Windowed::new(&spec, delay_us), &rows, seed, &at);
    }
}
