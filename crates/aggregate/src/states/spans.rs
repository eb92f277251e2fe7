//! `SUM` and `AVG` of spans of time, months, days and nanoseconds each by themselves.

use arrow_array::ArrayRef;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_buffer::IntervalMonthDayNano;
use tidemill_record::DataType;

use super::sum::values;
use crate::state::{Accumulator, Build, Numbers, columns_of_fields};

/// Days that a rest of a month is shared out as, as everywhere between spans.
const MONTH_DAYS: i128 = 30;
const DAY_NANOS: i128 = 86_400_000_000_000;

/// The state of the sum, or of the average.
pub(crate) fn state<const IS_AVERAGE: bool, B: Build>(build: &B, result: &DataType) -> B::Built {
    build.build(OfSpans::<IS_AVERAGE>, result)
}

/// Spans together. 128 bits cannot overflow, however many come.
#[derive(Clone, Copy, Default)]
struct Total {
    months: i128,
    days: i128,
    nanos: i128,
    count: i128,
}

impl Total {
    fn add(&mut self, later: Self) {
        self.months += later.months;
        self.days += later.days;
        self.nanos += later.nanos;
        self.count += later.count;
    }

    /// The total shared out evenly: what is left of months goes on as days, what is left of those as time, and what
    /// is left of a nanosecond goes, towards zero. As in `PostgreSQL`.
    fn average(self) -> Self {
        let Self { months, days, nanos, count } = self;
        let days = days + months % count * MONTH_DAYS;
        let nanos = nanos + days % count * DAY_NANOS;
        Self { months: months / count, days: days / count, nanos: nanos / count, count }
    }

    /// `None` where a part does not fit.
    fn span(self) -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(
            self.months.try_into().ok()?,
            self.days.try_into().ok()?,
            self.nanos.try_into().ok()?,
        ))
    }
}

columns_of_fields!(Total { months, days, nanos, count });

impl From<IntervalMonthDayNano> for Total {
    fn from(span: IntervalMonthDayNano) -> Self {
        let IntervalMonthDayNano { months, days, nanoseconds } = span;
        Self { months: months.into(), days: days.into(), nanos: nanoseconds.into(), count: 1 }
    }
}

struct OfSpans<const IS_AVERAGE: bool>;

impl<const IS_AVERAGE: bool> Accumulator for OfSpans<IS_AVERAGE> {
    const TRACKS_SEEN: bool = false;
    type State = Total;
    type Column<'a> = &'a [IntervalMonthDayNano];
    type Output = Numbers<IntervalMonthDayNanoType>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [IntervalMonthDayNano] {
        values::<IntervalMonthDayNanoType>(arguments)
    }

    #[inline]
    fn add(
        &self,
        state: &mut Total,
        _: bool,
        column: &&[IntervalMonthDayNano],
        row: usize,
    ) -> usize {
        state.add(column[row].into());
        0
    }

    fn merge(&self, state: &mut Total, _: bool, later: Total) -> usize {
        state.add(later);
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Self::Output {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Self::Output, state: &Total, _: bool) -> bool {
        if state.count == 0 {
            output.append(None);
            return true;
        }
        let span = if IS_AVERAGE { state.average() } else { *state }.span();
        output.append(span);
        span.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn average(spans: &[(i32, i32, i64)]) -> Option<(i32, i32, i64)> {
        let mut total = Total::default();
        for &(months, days, nanos) in spans {
            total.add(IntervalMonthDayNano::new(months, days, nanos).into());
        }
        total.average().span().map(|span| (span.months, span.days, span.nanoseconds))
    }

    #[test]
    fn what_is_left_of_a_part_goes_on_as_smaller_ones() {
        assert_eq!(average(&[(1, 0, 0), (2, 1, 0), (0, 3, 10_000_000_000)]), {
            // 3 months; 4 days are 1 and a rest of 8 hours; 10 s are 3⅓.
            Some((1, 1, 8 * 3_600_000_000_000 + 3_333_333_333))
        });
        assert_eq!(average(&[(-1, 0, 0), (0, 0, 2)]), Some((0, -15, 1)));
        assert_eq!(average(&[(0, 0, -3), (0, 0, 0)]), Some((0, 0, -1)), "towards zero");
        let most = (i32::MAX, i32::MAX, i64::MAX);
        assert_eq!(average(&[most; 3]), Some(most));
        assert_eq!(average(&[(1, i32::MAX, 0), (0, i32::MAX, 0)]), None, "15 days too many");
    }
}
