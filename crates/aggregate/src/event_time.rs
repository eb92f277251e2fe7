//! The watermark of one partition: judged record by record, computed batch by batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, BooleanArray};
use arrow_select::filter::FilterBuilder;
use tidemill_plan::EventTimeSpec;
use tidemill_record::recycled::Room;
use tidemill_record::{BadRecord, Batch, Columns, EventTime, Offset};

/// Follows the event times of one partition.
///
/// The watermark is the largest event time seen minus the declared delay. It moves behind every
/// record that is not too far ahead of it, and never goes back.
pub struct EventTimes {
    spec: EventTimeSpec,
    watermark: EventTime,
    far_ahead_count: u64,
    first_far_ahead: Option<(Offset, EventTime)>,
}

impl EventTimes {
    /// Nothing seen.
    #[must_use]
    pub fn new(spec: EventTimeSpec) -> Self {
        Self { spec, watermark: EventTime::MIN, far_ahead_count: 0, first_far_ahead: None }
    }

    /// The watermark behind the last record.
    #[must_use]
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Lets the watermark pass without records: those of the partition are behind all others'.
    pub fn raise(&mut self, watermark: EventTime) {
        self.watermark = self.watermark.max(watermark);
    }

    /// Records so far beyond the watermark that they did not move it, and the first of them.
    #[must_use]
    pub fn far_ahead(&self) -> (u64, Option<(Offset, EventTime)>) {
        (self.far_ahead_count, self.first_far_ahead)
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
        for (row, &time) in times.iter().enumerate() {
            watermarks.push(watermark);
            let candidate = time.saturating_sub(delay_us);
            if candidate > watermark {
                if self.is_far_ahead(time, watermark) {
                    self.far_ahead_count += 1;
                    let offset = Offset(batch.offsets().value(row));
                    self.first_far_ahead.get_or_insert((offset, EventTime(time)));
                } else {
                    watermark = candidate;
                }
            }
        }
        self.watermark = EventTime(watermark);
        let watermarks = watermarks.finish::<Int64Type>(None);
        batch.with_watermarks(Some(watermarks.as_primitive::<Int64Type>().values().clone()))
    }

    #[inline]
    fn is_far_ahead(&self, time: i64, watermark: i64) -> bool {
        // The first record has nothing to be ahead of.
        watermark != EventTime::MIN.0
            && self.spec.max_ahead_us.is_some_and(|max| time.saturating_sub(watermark) > max)
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

    #[test]
    fn a_record_far_ahead_is_counted_and_does_not_move_the_watermark() {
        let mut times = following(5, Some(100));
        // The watermark is 5: 105 is 100 beyond it, 106 is more.
        times.apply(batch(&[Some(10), Some(106), Some(105)]), &mut Vec::new());
        assert_eq!(times.watermark(), EventTime(100));
        assert_eq!(times.far_ahead(), (1, Some((Offset(1), EventTime(106)))));
    }

    #[test]
    fn a_row_without_event_time_is_bad() {
        let mut bad = Vec::new();
        let mut times = following(0, None);
        let noted = times.apply(batch(&[Some(1), None, Some(2)]), &mut bad);
        assert_eq!(noted.offsets().values(), &[0, 2]);
        assert_eq!(watermarks(&noted), [i64::MIN, 1]);
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
