//! The watermark against a model that sees one record at a time and remembers them all.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMicrosecondArray, UInt64Array};
use tidemill_aggregate::{EventTimes, SplitTimes};
use tidemill_plan::EventTimeSpec;
use tidemill_record::{Batch, EventTime, Image, ImageError, Offset};

use crate::images::stages::{Said, Stage, check, text};
use crate::values::Random;

/// What the rule says, in its own words.
struct Model {
    delay_us: i64,
    max_ahead_us: Option<i64>,
    /// Every event time so far.
    times: Vec<i64>,
    watermark: Option<i64>,
    /// Of times that were more than `max_ahead` beyond the watermark: how many.
    far_count: u64,
}

impl Model {
    /// The watermark before a record, and what it becomes.
    fn take(&mut self, time: i64) -> Option<i64> {
        let before = self.watermark;
        self.times.push(time);
        let is_believed = match (self.max_ahead_us, before) {
            (None, _) => true,
            (Some(_), None) => false,
            // What would not move it is not held back.
            (Some(max), Some(watermark)) => {
                time - watermark <= max || time - self.delay_us <= watermark
            }
        };
        let to = if is_believed {
            Some(time)
        } else {
            let mut last: Vec<i64> = self.times.iter().rev().take(8).copied().collect();
            last.sort_unstable_by(|a, b| b.cmp(a));
            last.get(2).copied()
        };
        self.watermark = self.watermark.max(to.map(|to| to - self.delay_us));
        // A delay that is longer itself is no part of how far ahead a time is.
        let delay_us = self.delay_us;
        let counted =
            self.max_ahead_us.map(|max| if delay_us < max { max } else { max + delay_us });
        match (counted, before, self.watermark) {
            (Some(max), Some(watermark), _) if !is_believed => {
                self.far_count += u64::from(time - watermark > max);
            }
            // The first watermark judges the records that made it.
            (Some(max), None, Some(now)) => {
                let far = self.times.iter().filter(|&&time| time - now > max);
                self.far_count = far.count() as u64;
            }
            _ => {}
        }
        before
    }
}

/// Times that go on, come late, jump for one record, and jump for good, among NULLs.
fn random_times(random: &mut Random, count: usize) -> Vec<Option<i64>> {
    let mut now = 0;
    let mut below = |most: usize| i64::try_from(random.below(most)).unwrap();
    (0..count)
        .map(|_| {
            now += below(4);
            match below(40) {
                0 => return None,
                1 => return Some(now + 1000 * below(5)),
                2 => now += below(400),
                3 => return Some(now - below(3000)),
                _ => {}
            }
            Some(now - below(12))
        })
        .collect()
}

fn batch(times: &[Option<i64>], first: usize) -> Batch {
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times.to_vec()));
    let offsets = (first..first + times.len()).map(|offset| offset as u64);
    Batch::new(vec![column], UInt64Array::from_iter_values(offsets))
}

#[test]
fn the_watermark_is_what_one_record_at_a_time_makes_however_batches_are_cut() {
    let (mut moved, mut held) = (0, 0);
    for seed in 0..300 {
        let mut random = Random(seed);
        let delay_us = [0, 5, 50][random.below(3)];
        let max_ahead_us = [None, Some(0), Some(30), Some(100), Some(100)][random.below(5)];
        let count = [0, 1, 2, 3, 9, 200, 3000][random.below(7)];
        let times = random_times(&mut random, count);
        let (times_seen, watermark, far_count) = (Vec::new(), None, 0);
        let mut model = Model { delay_us, max_ahead_us, times: times_seen, watermark, far_count };
        let expected: Vec<i64> =
            times.iter().flatten().map(|&time| model.take(time).unwrap_or(i64::MIN)).collect();
        for batch_rows in [1, 7, 1000, 8192] {
            let spec = EventTimeSpec {
                column: 0,
                name: "t".to_owned(),
                delay_us: Some(delay_us),
                max_ahead_us,
            };
            let (mut following, mut noted, mut bad) = (EventTimes::new(spec), vec![], vec![]);
            for (at, rows) in times.chunks(batch_rows).enumerate() {
                let batch = following.apply(batch(rows, at * batch_rows), &mut bad);
                noted.extend_from_slice(batch.watermarks().unwrap());
            }
            assert_eq!(noted, expected, "seed {seed}, {batch_rows} rows a batch");
            let last = EventTime(model.watermark.unwrap_or(i64::MIN));
            assert_eq!(following.watermark(), last, "seed {seed}, {batch_rows} rows a batch");
            assert_eq!(following.far_ahead().0, model.far_count, "seed {seed}");
            assert_eq!(bad.len(), times.len() - model.times.len());
        }
        moved += expected.windows(2).filter(|pair| pair[1] > pair[0]).count();
        held += usize::try_from(model.far_count).unwrap();
    }
    assert!(moved > 10_000 && held > 1000, "all of it was tried: {moved}, {held}");
}

#[test]
fn behind_a_long_delay_a_usual_record_is_not_said_to_be_far_ahead() {
    let spec = EventTimeSpec {
        column: 0,
        name: "t".to_owned(),
        delay_us: Some(5000),
        max_ahead_us: Some(100),
    };
    let mut following = EventTimes::new(spec);
    let times: Vec<Option<i64>> = (0..50).map(|at| Some(at * 10)).chain([Some(9000)]).collect();
    following.apply(batch(&times, 0), &mut Vec::new());
    // The third greatest of the last eight: 490 and 9000 are before it.
    assert_eq!(following.watermark(), EventTime(480 - 5000));
    assert_eq!(following.far_ahead().0, 1, "9000 is, by more than a hundred and the delay");
}

#[test]
fn none_of_the_first_two_records_is_late_whatever_their_times() {
    for times in [[5000, 0, 1], [0, 5000, 1], [3, 2, 1]] {
        let spec = EventTimeSpec {
            column: 0,
            name: "t".to_owned(),
            delay_us: Some(0),
            max_ahead_us: Some(10),
        };
        let mut following = EventTimes::new(spec);
        let noted = following.apply(batch(&times.map(Some), 0), &mut Vec::new());
        assert_eq!(noted.watermarks().unwrap().to_vec(), [i64::MIN; 3], "{times:?}");
        assert_eq!(following.watermark(), EventTime(*times.iter().min().unwrap()));
        let is_far = times.contains(&5000);
        let first = following.take_far_ahead().map(|far| far.offset);
        let place = times.iter().position(|&time| time == 5000);
        assert_eq!(first, place.map(|place| Offset(place as u64)), "{times:?}");
        assert_eq!(following.far_ahead().0, u64::from(is_far));
    }
}

/// Says the watermark before each record, and what is told of those too far ahead.
struct Following(EventTimes);

impl Stage for Following {
    fn take(&mut self, batch: Batch, said: &mut Said) -> Result<(), String> {
        let mut bad = Vec::new();
        let noted = self.0.apply(batch, &mut bad);
        for watermark in noted.watermarks().into_iter().flat_map(|all| all.iter()) {
            said.one(|| text(watermark));
        }
        Ok(())
    }

    fn end(mut self, said: &mut Said) -> Result<(), String> {
        said.one(|| text((self.0.far_ahead(), self.0.take_far_ahead(), self.0.split_times())));
        Ok(())
    }

    fn export(&self) -> Image {
        self.0.export()
    }

    fn import(&mut self, image: Image) -> Result<(), ImageError> {
        self.0.import(image)
    }
}

#[test]
fn a_partition_is_followed_on_from_an_image() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let times = random_times(&mut random, 400);
        let spec = EventTimeSpec {
            column: 0,
            name: "t".to_owned(),
            delay_us: (seed % 7 > 0).then_some(5 * i64::try_from(seed % 5).unwrap()),
            max_ahead_us: (seed % 4 > 0).then_some(100),
        };
        let piece = [None, Some(true), Some(false)][random.below(3)];
        let fresh = || {
            let mut times = EventTimes::new(spec.clone());
            piece.into_iter().for_each(|is_first| times.be_piece(is_first));
            Following(times)
        };
        check(fresh, &batch(&times, 0), seed, &format!("{spec:?}, {piece:?}"));
    }
}

#[test]
fn what_a_piece_noted_comes_back() {
    for (first_and_least, max_ahead_us) in [(None, Some(7)), (Some((5, -3)), None)] {
        let noted = SplitTimes {
            is_first: max_ahead_us.is_none(),
            first_and_least: first_and_least.map(|(a, b)| (EventTime(a), EventTime(b))),
            watermark: EventTime(9),
            has_far_ahead: first_and_least.is_none(),
            max_ahead_us,
        };
        assert_eq!(SplitTimes::import(noted.export()), Ok(noted));
    }
    assert!(SplitTimes::import(Image::new()).is_err());
}
