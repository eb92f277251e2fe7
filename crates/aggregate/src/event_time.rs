//! The watermark of one partition: judged record by record, computed batch by batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray};
use arrow_select::filter::FilterBuilder;
use tidemill_plan::EventTimeSpec;
use tidemill_record::recycled::Room;
use tidemill_record::{BadRecord, Batch, Columns, EventTime, Image, ImageError, Offset};

use crate::far_ahead::{FarAhead, FarAheadCount, LastTimes, is_beyond};
use crate::split_times::SplitTimes;

/// Follows the event times of one partition.
///
/// The watermark is the largest event time seen minus the declared delay. It moves behind every
/// record and never goes back. A time more than `max_ahead` beyond it, or any while there is none,
/// moves it only to the third greatest of the last eight event times, less the delay.
pub struct EventTimes {
    spec: EventTimeSpec,
    watermark: EventTime,
    last: LastTimes,
    /// Event times so far beyond the watermark are counted.
    counted_ahead_us: i64,
    far_ahead: FarAheadCount,
    /// Where the records are those of a piece of a file.
    piece: Option<Piece>,
}

/// What is noted of a piece of a file.
struct Piece {
    is_first: bool,
    first_and_least: Option<(i64, i64)>,
}

impl EventTimes {
    /// Nothing seen.
    #[must_use]
    pub fn new(spec: EventTimeSpec) -> Self {
        assert!(spec.delay_us.is_none_or(|delay| delay >= 0), "a watermark is never ahead");
        assert!(spec.max_ahead_us.is_none_or(|max| max >= 0), "too far ahead is not behind");
        let (last, far_ahead) = (LastTimes::default(), FarAheadCount::default());
        // Behind a delay that is longer itself, every time is beyond `max_ahead`: then the delay is no part
        // of how far ahead a time is.
        let (delay_us, max_us) = (spec.delay_us.unwrap_or(0), spec.max_ahead_us.unwrap_or(0));
        let counted_ahead_us =
            if delay_us < max_us { max_us } else { max_us.saturating_add(delay_us) };
        let (watermark, piece) = (EventTime::MIN, None);
        Self { spec, watermark, last, counted_ahead_us, far_ahead, piece }
    }

    /// The records are those of a piece of a file. One that is not the first has a watermark from its first record
    /// on, as if there had been one before.
    pub fn be_piece(&mut self, is_first: bool) {
        self.piece = Some(Piece { is_first, first_and_least: None });
    }

    /// What the event times of the piece were, where it is one.
    #[must_use]
    pub fn split_times(&self) -> Option<SplitTimes> {
        self.piece.as_ref().map(|piece| SplitTimes {
            is_first: piece.is_first,
            first_and_least: piece
                .first_and_least
                .map(|(first, least)| (EventTime(first), EventTime(least))),
            watermark: self.watermark,
            has_far_ahead: self.far_ahead.count > 0,
            max_ahead_us: self.spec.max_ahead_us,
        })
    }

    /// The watermark behind the last record.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Lets the watermark pass without records: those of the partition are behind all others'.
    pub fn raise(&mut self, watermark: EventTime) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        self.far_ahead.judge(watermark.0, self.counted_ahead_us);
    }

    /// Event times that were too far ahead of the watermark, and the first of them.
    #[must_use]
    pub fn far_ahead(&self) -> (u64, Option<FarAhead>) {
        (self.far_ahead.count, self.far_ahead.first)
    }

    /// Where event times began to be too far ahead of the watermark, once for each time that they did.
    pub fn take_far_ahead(&mut self) -> Option<FarAhead> {
        self.far_ahead.take_begun()
    }

    /// What it has seen, to be made again by [`Self::import`].
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("watermark", self.watermark.0);
        image.put_image("last", self.last.export());
        image.put_image("far_ahead", self.far_ahead.export());
        if let Some(piece) = &self.piece {
            image.put_flags("piece_is_first", [piece.is_first]);
            let times = piece.first_and_least.map(|(first, least)| [first, least]);
            image.put("piece_first_and_least", times.into_iter().flatten());
        }
        image
    }

    /// Takes over what one of the same spec has exported; only of one that has seen nothing yet. One that follows a
    /// piece is told so before ([`Self::be_piece`]).
    ///
    /// # Errors
    /// [`ImageError`], also where one of the two follows a piece and the other does not, or not the same.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.watermark = EventTime(image.take_one("watermark")?);
        self.last.import(image.take_image("last")?).map_err(|error| error.within("last"))?;
        let far_ahead = image.take_image("far_ahead")?;
        self.far_ahead.import(far_ahead).map_err(|error| error.within("far_ahead"))?;
        if let Some(piece) = &mut self.piece {
            if image.take_flag("piece_is_first")? != piece.is_first {
                return Err(ImageError::new("piece_is_first", "is that of another piece"));
            }
            piece.first_and_least = match image.take::<i64>("piece_first_and_least")?[..] {
                [] => None,
                [first, least] => Some((first, least)),
                _ => return Err(ImageError::new("piece_first_and_least", "is not two times")),
            };
        }
        image.end()
    }

    /// Notes beside every row the watermark that the records before it made. Rows without an event
    /// time go to `bad`, and are left out.
    ///
    /// # Panics
    /// If the batch is not of the scan that the spec names.
    ///
    /// # Cost
    /// O(rows), eight bytes each.
    pub fn apply(&mut self, batch: Batch, bad: &mut Vec<BadRecord>) -> Batch {
        let batch = self.without_nulls(batch, bad);
        let Some(delay_us) = self.spec.delay_us else { return batch };
        let times = batch.column(self.spec.column).as_primitive::<TimestampMicrosecondType>();
        let times = times.values();
        let mut watermarks = Room::default();
        watermarks.reserve(times.len());
        let mut watermark = self.watermark.0;
        if let Some(piece) = &mut self.piece
            && let Some((&first, &least)) = times.first().zip(times.iter().min())
        {
            let (known, before) = piece.first_and_least.unwrap_or((first, least));
            piece.first_and_least = Some((known, before.min(least)));
        }
        // Records of pieces before have confirmed a watermark.
        let is_confirmed = self.piece.as_ref().is_some_and(|piece| !piece.is_first);
        for (row, &time) in times.iter().enumerate() {
            watermarks.push(watermark);
            let candidate = time.saturating_sub(delay_us);
            if candidate > watermark {
                watermark = match self.spec.max_ahead_us {
                    Some(max_us)
                        if !(is_confirmed && watermark == EventTime::MIN.0)
                            && (watermark == EventTime::MIN.0
                                || is_beyond(time, watermark, max_us)) =>
                    {
                        let offset = Offset(batch.offsets().value(row));
                        self.move_confirmed(&times[..=row], offset, watermark, delay_us)
                    }
                    _ => candidate,
                };
            }
        }
        self.last.extend(times);
        debug_assert!(watermark >= self.watermark.0, "a watermark never goes back");
        self.watermark = EventTime(watermark);
        let watermarks = watermarks.finish::<Int64Type>(None);
        batch.with_watermarks(Some(watermarks.as_primitive::<Int64Type>().values().clone()))
    }

    /// The watermark behind the last of these times of a batch, which is too far ahead of it or comes
    /// while there is none.
    #[cold]
    fn move_confirmed(
        &mut self,
        times: &[i64],
        offset: Offset,
        watermark: i64,
        delay_us: i64,
    ) -> i64 {
        let time = times[times.len() - 1];
        let confirmed = self.last.confirmed_with(times).map(|time| time.saturating_sub(delay_us));
        let moved = confirmed.map_or(watermark, |confirmed| confirmed.max(watermark));
        if watermark != EventTime::MIN.0 {
            if is_beyond(time, watermark, self.counted_ahead_us) {
                self.far_ahead.add(offset, time, moved, self.counted_ahead_us);
            }
            return moved;
        }
        self.far_ahead.wait(offset, time);
        if moved != EventTime::MIN.0 {
            self.far_ahead.judge(moved, self.counted_ahead_us);
        }
        moved
    }

    fn without_nulls(&self, batch: Batch, bad: &mut Vec<BadRecord>) -> Batch {
        let times = batch.column(self.spec.column);
        let Some(nulls) = times.nulls().filter(|nulls| nulls.null_count() > 0) else {
            return batch;
        };
        for row in (0..batch.row_count()).filter(|&row| nulls.is_null(row)) {
            bad.push(BadRecord {
                offset: Offset(batch.offsets().value(row)),
                field: Some(self.spec.name.clone()),
                reason: "the event time is NULL".to_owned(),
                raw: None,
                place: None,
            });
        }
        let mask = BooleanArray::new(nulls.inner().clone(), None);
        let predicate = FilterBuilder::new(&mask).optimize().build();
        let cut = |array| predicate.filter(array).expect("the mask has one value a row");
        let columns: Columns = batch.columns().iter().map(|column| cut(column)).collect();
        Batch::new(columns, cut(batch.offsets()).as_primitive().clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, TimestampMicrosecondArray, UInt64Array};

    use super::*;

    fn batch(times: &[Option<i64>]) -> Batch {
        let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times.to_vec()));
        Batch::new(vec![column], UInt64Array::from_iter_values(0..times.len() as u64))
    }

    fn following(delay_us: i64, max_ahead_us: Option<i64>) -> EventTimes {
        EventTimes::new(EventTimeSpec {
            column: 0,
            name: "t".to_owned(),
            delay_us: Some(delay_us),
            max_ahead_us,
        })
    }

    fn watermarks(batch: &Batch) -> Vec<i64> {
        batch.watermarks().map(|watermarks| watermarks.to_vec()).unwrap_or_default()
    }

    #[test]
    fn a_record_moves_the_watermark_for_the_next_one_and_never_back() {
        let mut times = following(5, None);
        let noted = times.apply(batch(&[Some(10), Some(7), Some(12), Some(-3)]), &mut Vec::new());
        assert_eq!(watermarks(&noted), [i64::MIN, 5, 5, 7]);
        assert_eq!(times.watermark(), EventTime(7));
        let noted = times.apply(batch(&[Some(0)]), &mut Vec::new());
        assert_eq!(watermarks(&noted), [7]);
    }

    fn far(offset: u64, time: i64, watermark: i64) -> FarAhead {
        let (time, watermark) = (EventTime(time), EventTime(watermark));
        FarAhead { offset: Offset(offset), time, watermark }
    }

    #[test]
    fn a_record_far_ahead_is_counted_and_moves_the_watermark_to_what_others_confirm() {
        let mut times = following(5, Some(100));
        let records = [Some(10), Some(3), Some(9), Some(98), Some(99), Some(200), Some(201)];
        let noted = times.apply(batch(&records), &mut Vec::new());
        // No watermark for three records; 98 is 100 beyond the first, -2, and moves it. 200 is more than
        // that beyond 94, and the third greatest is 98; with 201 it is 99, which 94 is behind already.
        let none = i64::MIN;
        assert_eq!(watermarks(&noted), [none, none, none, -2, 93, 94, 94]);
        assert_eq!(times.watermark(), EventTime(94));
        assert_eq!(times.far_ahead(), (2, Some(far(5, 200, 94))));
        assert_eq!(times.take_far_ahead(), Some(far(5, 200, 94)));
        // The third beyond moves it on, the fourth is in reach.
        times.apply(batch(&[Some(202), Some(203)]), &mut Vec::new());
        assert_eq!(times.watermark(), EventTime(198));
        assert_eq!((times.far_ahead().0, times.take_far_ahead()), (3, None));
    }

    #[test]
    fn a_first_record_from_the_future_makes_no_other_late() {
        let mut times = following(5, Some(100));
        let noted = times.apply(batch(&[Some(9000), Some(1), Some(2), Some(3)]), &mut Vec::new());
        assert_eq!(watermarks(&noted), [i64::MIN, i64::MIN, i64::MIN, -4]);
        assert_eq!(times.watermark(), EventTime(-2));
        assert_eq!(times.far_ahead(), (1, Some(far(0, 9000, -4))));
    }

    #[test]
    fn a_later_piece_of_a_file_has_a_watermark_from_its_first_record_on() {
        let mut times = following(5, Some(100));
        times.be_piece(false);
        let noted = times.apply(batch(&[Some(10), Some(7), Some(200), Some(20)]), &mut Vec::new());
        assert_eq!(watermarks(&noted), [i64::MIN, 5, 5, 5]);
        let noted = times.split_times().expect("a piece");
        assert_eq!(noted.first_and_least, Some((EventTime(10), EventTime(7))));
        assert!(noted.has_far_ahead && !noted.is_first);
    }

    #[test]
    fn a_row_without_event_time_is_bad() {
        let mut bad = Vec::new();
        let mut times = following(0, None);
        let noted = times.apply(batch(&[Some(1), None, Some(2)]), &mut bad);
        assert_eq!(noted.offsets().values(), &[0, 2]);
        assert_eq!(watermarks(&noted), [i64::MIN, 1], "without a limit the first moves it");
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].offset, Offset(1));
    }

    #[test]
    fn without_a_rule_there_is_no_watermark() {
        let spec =
            EventTimeSpec { column: 0, name: String::new(), delay_us: None, max_ahead_us: None };
        let mut times = EventTimes::new(spec);
        assert_eq!(times.apply(batch(&[Some(1)]), &mut Vec::new()).watermarks(), None);
        assert_eq!(times.watermark(), EventTime::MIN);
    }
}
