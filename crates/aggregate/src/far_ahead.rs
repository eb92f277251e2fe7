//! Event times too far ahead of the watermark: how far they may move it, and what is said of them.
//!
//! One wrong clock must not close every window, and a gap in the input must not hold windows open for
//! ever. So a time that is too far ahead is believed only as far as others confirm it.

use tidemill_record::{EventTime, Image, ImageError, Offset};

/// Event times that are remembered.
const LAST_TIMES: usize = 8;
/// Which of them, from the greatest, a time too far ahead moves the watermark to.
const CONFIRMED: usize = 3;
/// No partition has more records.
const COUNT_MAX: u64 = u64::MAX / 2;

/// The last event times of a partition, in order of arrival.
#[derive(Default)]
pub(crate) struct LastTimes {
    times: [i64; LAST_TIMES],
    /// How many there are, in `0..=LAST_TIMES`.
    count: usize,
}

impl LastTimes {
    /// Those of a batch follow.
    pub(crate) fn extend(&mut self, times: &[i64]) {
        let newest = &times[times.len().saturating_sub(LAST_TIMES)..];
        let kept = self.count.min(LAST_TIMES - newest.len());
        self.times.copy_within(self.count - kept..self.count, 0);
        self.times[kept..kept + newest.len()].copy_from_slice(newest);
        self.count = kept + newest.len();
    }

    /// What it remembers, to be made again by [`Self::import`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put("times", self.times[..self.count].iter().copied());
        image
    }

    /// Takes over what another has exported.
    ///
    /// # Errors
    /// [`ImageError`], also where there are more times than are remembered.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let times: Vec<i64> = image.take("times")?;
        if times.len() > LAST_TIMES {
            return Err(ImageError::new("times", format!("has more than {LAST_TIMES} values")));
        }
        self.times[..times.len()].copy_from_slice(&times);
        self.count = times.len();
        image.end()
    }

    /// The third greatest of the last eight once `times` follow; `None` while there are fewer than three.
    pub(crate) fn confirmed_with(&self, times: &[i64]) -> Option<i64> {
        let earlier = self.times[..self.count].iter().rev();
        let newest_first = times.iter().rev().chain(earlier).take(LAST_TIMES);
        // Descending.
        let mut greatest = [None; CONFIRMED];
        for &time in newest_first {
            let mut time = Some(time);
            for place in &mut greatest {
                if time > *place {
                    std::mem::swap(place, &mut time);
                }
            }
        }
        greatest[CONFIRMED - 1]
    }
}

/// An event time too far ahead of the watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarAhead {
    /// Of its record.
    pub offset: Offset,
    /// The event time.
    pub time: EventTime,
    /// The watermark that it left.
    pub watermark: EventTime,
}

/// Counts event times too far ahead, and notes where an episode of them begins.
///
/// An episode is over when the watermark has come so near to its least time that this is not too far
/// ahead any more.
#[derive(Default)]
pub(crate) struct FarAheadCount {
    /// So many there were.
    pub(crate) count: u64,
    pub(crate) first: Option<FarAhead>,
    /// Times that came while there was no watermark to hold them against; no more than are remembered.
    unjudged: Vec<(Offset, i64)>,
    /// The least time of the episode.
    episode_least: Option<i64>,
    /// An episode that has begun, until it is taken.
    begun: Option<FarAhead>,
}

impl FarAheadCount {
    /// A time came while there was no watermark.
    pub(crate) fn wait(&mut self, offset: Offset, time: i64) {
        if self.unjudged.len() < LAST_TIMES {
            self.unjudged.push((offset, time));
        }
    }

    /// Looks at the times that came before there was a watermark.
    pub(crate) fn judge(&mut self, watermark: i64, max_ahead_us: i64) {
        for (offset, time) in std::mem::take(&mut self.unjudged) {
            if is_beyond(time, watermark, max_ahead_us) {
                self.add(offset, time, watermark, max_ahead_us);
            }
        }
    }

    /// Counts a time too far ahead, which left this watermark.
    pub(crate) fn add(&mut self, offset: Offset, time: i64, watermark: i64, max_ahead_us: i64) {
        self.count += 1;
        let far = FarAhead { offset, time: EventTime(time), watermark: EventTime(watermark) };
        self.first.get_or_insert(far);
        self.episode_least =
            self.episode_least.filter(|&least| is_beyond(least, watermark, max_ahead_us));
        let is_held_back = is_beyond(time, watermark, max_ahead_us);
        if is_held_back && self.episode_least.is_none_or(|least| time < least) {
            self.episode_least = Some(time);
            self.begun.get_or_insert(far);
        }
    }

    /// What it has counted, to be made again by [`Self::import`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("count", self.count);
        put_far_ahead(&mut image, "first", self.first);
        put_far_ahead(&mut image, "begun", self.begun);
        image.put("unjudged_offsets", self.unjudged.iter().map(|(offset, _)| offset.0));
        image.put("unjudged_times", self.unjudged.iter().map(|&(_, time)| time));
        image.put_option("episode_least", self.episode_least);
        image
    }

    /// Takes over what another has exported.
    ///
    /// # Errors
    /// [`ImageError`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.count = image.take_one("count")?;
        if self.count > COUNT_MAX {
            return Err(ImageError::new("count", "is more than there can be"));
        }
        self.first = take_far_ahead(&mut image, "first")?;
        self.begun = take_far_ahead(&mut image, "begun")?;
        let offsets: Vec<u64> = image.take("unjudged_offsets")?;
        if offsets.len() > LAST_TIMES {
            let reason = format!("has more than {LAST_TIMES} values");
            return Err(ImageError::new("unjudged_offsets", reason));
        }
        let times = image.take_exactly("unjudged_times", offsets.len())?;
        self.unjudged = offsets.into_iter().map(Offset).zip(times).collect();
        self.episode_least = image.take_option("episode_least")?;
        image.end()
    }

    /// Where the first episode began since this was last asked.
    pub(crate) fn take_begun(&mut self) -> Option<FarAhead> {
        self.begun.take()
    }
}

/// Puts a place, three numbers or none.
fn put_far_ahead(image: &mut Image, name: &str, far: Option<FarAhead>) {
    let numbers = far.map(|far| [far.offset.0.cast_signed(), far.time.0, far.watermark.0]);
    image.put(name, numbers.into_iter().flatten());
}

/// Takes what [`put_far_ahead`] has put.
fn take_far_ahead(image: &mut Image, name: &str) -> Result<Option<FarAhead>, ImageError> {
    match image.take::<i64>(name)?[..] {
        [] => Ok(None),
        [offset, time, watermark] => Ok(Some(FarAhead {
            offset: Offset(offset.cast_unsigned()),
            time: EventTime(time),
            watermark: EventTime(watermark),
        })),
        _ => Err(ImageError::new(name, "is not offset, time and watermark")),
    }
}

/// Whether a time is more than this beyond the watermark.
#[inline]
pub(crate) fn is_beyond(time: i64, watermark: i64, max_ahead_us: i64) -> bool {
    time.saturating_sub(watermark) > max_ahead_us
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_greatest_of_the_last_eight() {
        let mut last = LastTimes::default();
        assert_eq!(last.confirmed_with(&[5, 9]), None);
        assert_eq!(last.confirmed_with(&[5, 9, 7]), Some(5));
        last.extend(&[100, 100, 100, 1, 2]);
        assert_eq!(last.confirmed_with(&[3, 4, 5]), Some(100), "eight, all of them");
        assert_eq!(last.confirmed_with(&[3, 4, 5, 6]), Some(6), "100, 100, 6");
        last.extend(&[3, 4, 5, 6]);
        assert_eq!(last.confirmed_with(&[7]), Some(6), "100, 7, 6");
        last.extend(&(0..20).collect::<Vec<_>>());
        assert_eq!(last.confirmed_with(&[]), Some(17));
    }

    #[test]
    fn an_episode_is_told_of_once_and_a_lesser_time_begins_another() {
        let mut far = FarAheadCount::default();
        let mut begins = |time, watermark| {
            far.add(Offset(0), time, watermark, 100);
            far.take_begun().map(|begun| begun.time.0)
        };
        assert_eq!(begins(1000, 0), Some(1000));
        assert_eq!(begins(2000, 0), None);
        assert_eq!(begins(500, 0), Some(500), "no other has said that 500 is too far");
        assert_eq!(begins(900, 399), None, "500 is 101 ahead");
        assert_eq!(begins(900, 400), Some(900), "500 is 100 ahead, which is over");
        assert_eq!(begins(1000, 900), None, "it moved the watermark far enough itself");
    }

    #[test]
    fn times_before_the_first_watermark_are_judged_by_it() {
        let mut far = FarAheadCount::default();
        far.wait(Offset(1), 7000);
        far.wait(Offset(2), 10);
        far.judge(5, 100);
        assert_eq!(far.count, 1);
        assert_eq!(far.first.map(|first| first.offset), Some(Offset(1)));
    }
}
