//! What has state goes on in another process as if it had never left the first.
//!
//! [`check`] holds anything with state to the rules of images: cut anywhere and made again it says what one says that was
//! never cut; what it exports does not depend on how the input was cut into batches; whatever stands in a
//! damaged image is refused, or taken without a panic then or later.

use std::fmt::Debug;

use tidemill_aggregate::{EventTimes, Late};
use tidemill_plan::{EventTimeSpec, Scalar};
use tidemill_record::image::Entry;
use tidemill_record::{Batch, DataType, Image, ImageError, Offset};

use super::damage::damaged;
use crate::groups::random_rows;
use crate::values::{Random, batch, lines};

/// What a stage says, if anybody listens.
pub(crate) enum Said {
    Lines(Vec<String>),
    Nobody,
}

impl Said {
    pub(crate) fn one(&mut self, line: impl FnOnce() -> String) {
        if let Self::Lines(lines) = self {
            lines.push(line());
        }
    }
}

/// Something with state, and what it says of the rows that it is given.
pub(crate) trait Stage {
    /// Takes in rows, and lets event time pass as far as they say. Of an error nothing more may be asked.
    fn take(&mut self, batch: Batch, said: &mut Said) -> Result<(), String>;

    /// Nothing follows.
    fn end(self, said: &mut Said) -> Result<(), String>;

    fn export(&self) -> Image;

    fn import(&mut self, image: Image) -> Result<(), ImageError>;
}

/// Anything that goes wrong, as text.
pub(crate) fn text(error: impl Debug) -> String {
    format!("{error:?}")
}

/// What late records are said as; rows among which they stand depend on batches.
const LATE: &str = "late";

pub(crate) fn say_late(late: &[Late], said: &mut Said) {
    late.iter().for_each(|late| said.one(|| format!("{LATE} {late:?}")));
}

/// Says rows, and which records made them known.
pub(crate) fn say_rows(types: &[DataType], results: Vec<Batch>, said: &mut Said) {
    let Said::Lines(said) = said else { return };
    for mut rows in results {
        let cause = rows.take_cause();
        for (row, line) in lines(types, &rows).into_iter().enumerate() {
            let moment = cause.of(row, Offset(rows.offsets().value(row)));
            said.push(format!("{line}, {moment:?}"));
        }
    }
}

/// The column of event times.
pub(crate) const TIME: usize = 4;

/// Columns of rows: those that [`super::tables::all_calls`] looks at, event times, and texts.
pub(crate) fn types_of(key: DataType, data_type: &DataType) -> Vec<DataType> {
    let (truth, time) = (DataType::Boolean, DataType::Timestamp);
    vec![key, data_type.clone(), truth, DataType::Double, time, DataType::Varchar]
}

/// Event times of such rows.
pub(crate) fn event_times(delay_us: i64) -> EventTimes {
    EventTimes::new(EventTimeSpec {
        column: TIME,
        name: "t".to_owned(),
        delay_us: Some(delay_us),
        max_ahead_us: None,
    })
}

/// Rows whose event time goes on, some of them late; floats are such that sums of them depend on the order.
pub(crate) fn timed_rows(types: &[DataType], row_count: usize, random: &mut Random) -> Batch {
    let mut rows = random_rows(random, types, row_count);
    let mut now = 0;
    for row in &mut rows {
        let mut below = |most: usize| i64::try_from(random.below(most)).unwrap();
        now += below(6);
        let time = now - if below(10) == 0 { below(60) } else { below(8) };
        row[TIME] = Scalar::Timestamp(time);
        for value in row {
            if let Scalar::Double(double) = value {
                *double /= 3.0 + 0.1 * f64::from(i32::try_from(below(100)).unwrap());
            }
        }
    }
    batch(types, &rows, 0)
}

/// The same of so many keys, with whole numbers as values, about so many rows at a time.
pub(crate) fn crowded_rows(
    key_count: usize,
    row_count: usize,
    rows_at_a_time: usize,
    random: &mut Random,
) -> Batch {
    let types = types_of(DataType::BigInt, &DataType::Double);
    let mut whole = |below: usize| i64::try_from(random.below(below)).unwrap();
    let mut now = 0;
    let mut row = || {
        now += i64::from(whole(rows_at_a_time) == 0);
        let time = now - if whole(10) == 0 { whole(20) } else { whole(3) };
        vec![
            Scalar::BigInt(whole(key_count)),
            Scalar::Double(f64::from(i32::try_from(whole(1000)).unwrap()) / 7.0),
            Scalar::Boolean(true),
            Scalar::Double(1.0),
            Scalar::Timestamp(time),
            Scalar::Varchar("x".repeat(usize::try_from(whole(30)).unwrap())),
        ]
    };
    let rows: Vec<_> = (0..row_count).map(|_| row()).collect();
    batch(&types, &rows, 0)
}

/// Damaged images that are tried.
const DAMAGED_COUNT: usize = 15;

/// Holds a stage to the rules, with the rows of a batch. `at` names the case.
pub(crate) fn check<S: Stage>(fresh: impl Fn() -> S, whole: &Batch, seed: u64, at: &str) {
    let random = &mut Random(seed);
    let uncut = run(&fresh, whole, 1000, || false, at);
    for size in [1, 7, 1000] {
        let cuts_in = match size {
            1 => 40,
            7 => 6,
            _ => 1,
        };
        let said = run(&fresh, whole, size, || random.below(cuts_in) == 0, at);
        let first = said.iter().zip(&uncut).position(|(said, uncut)| said != uncut);
        let first = first.unwrap_or(said.len().min(uncut.len()));
        assert!(
            said == uncut,
            "{at}, seed {seed}, in batches of {size}, line {first}: {:?} for {:?}",
            said.get(first),
            uncut.get(first)
        );
    }
    for _ in 0..2 {
        let end = random.below(whole.row_count() + 1);
        let images = [1, 7, 8192].map(|size| image_after(&fresh, &whole.slice(0, end), size, at));
        for image in &images[1..] {
            let difference = difference(&images[0], image);
            assert_eq!(difference, None, "{at}, seed {seed}: after {end} rows in other batches");
        }
        let mut again = fresh();
        again.import(images[0].clone()).unwrap();
        let difference = difference(&images[0], &again.export());
        assert_eq!(difference, None, "{at}, seed {seed}: after {end} rows, made again");
        let rest = whole.slice(end, whole.row_count() - end);
        for _ in 0..DAMAGED_COUNT {
            go_on_with(fresh(), damaged(random, images[0].clone()), &rest);
        }
    }
}

/// What a stage says in batches of so many rows. Between them it is made anew where `is_cut` says so.
fn run<S: Stage>(
    fresh: &impl Fn() -> S,
    whole: &Batch,
    size: usize,
    mut is_cut: impl FnMut() -> bool,
    at: &str,
) -> Vec<String> {
    let (mut stage, mut said) = (fresh(), Said::Lines(Vec::new()));
    let go_on = || {
        for start in (0..whole.row_count()).step_by(size) {
            let rows = whole.slice(start, size.min(whole.row_count() - start));
            stage.take(rows, &mut said)?;
            if is_cut() {
                let image = stage.export();
                stage = fresh();
                stage.import(image).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
        }
        stage.end(&mut said)
    };
    let ended = go_on();
    let Said::Lines(mut said) = said else { unreachable!("they were asked for") };
    said.extend(ended.err());
    said.sort_by_key(|line| line.starts_with(LATE));
    said
}

/// What a stage exports after these rows, in batches of so many.
fn image_after<S: Stage>(fresh: &impl Fn() -> S, rows: &Batch, size: usize, at: &str) -> Image {
    let mut stage = fresh();
    for start in (0..rows.row_count()).step_by(size) {
        let rows = rows.slice(start, size.min(rows.row_count() - start));
        if let Err(error) = stage.take(rows, &mut Said::Nobody) {
            panic!("{at}: {error}");
        }
    }
    stage.export()
}

/// Whatever happens, it is no panic.
fn go_on_with<S: Stage>(mut stage: S, image: Image, rest: &Batch) {
    if stage.import(image).is_err() {
        return;
    }
    for start in (0..rest.row_count()).step_by(50) {
        let rows = rest.slice(start, 50.min(rest.row_count() - start));
        if stage.take(rows, &mut Said::Nobody).is_err() {
            return;
        }
        if start % 100 == 0 {
            drop(stage.export());
        }
    }
    let _ = stage.end(&mut Said::Nobody);
}

/// The first entry that is not the same in both.
fn difference(left: &Image, right: &Image) -> Option<String> {
    let names = left.entries().map(|(name, _)| name).ne(right.entries().map(|(name, _)| name));
    if names {
        let names = |image: &Image| image.entries().map(|(name, _)| name.to_owned()).collect();
        let (left, right): (Vec<String>, Vec<String>) = (names(left), names(right));
        return Some(format!("{left:?} for {right:?}"));
    }
    left.entries().zip(right.entries()).find_map(|((name, left), (_, right))| match (left, right) {
        _ if left == right => None,
        (Entry::Image(left), Entry::Image(right)) => {
            difference(left, right).map(|rest| format!("{name}/{rest}"))
        }
        _ => Some(format!("{name}: {left:?} for {right:?}")),
    })
}
