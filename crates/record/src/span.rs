//! Intervals as one number, for comparing.

use arrow_buffer::IntervalMonthDayNano;

/// Nanoseconds of an interval in which a month counts as 30 days and a day as 24 hours: two intervals
/// are equal, and one is less than another, where these numbers are.
#[must_use]
#[inline]
pub fn span_nanos(interval: IntervalMonthDayNano) -> i128 {
    const NANOS_PER_DAY: i128 = 86_400_000_000_000;
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * NANOS_PER_DAY + i128::from(interval.nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_thirty_days_and_a_day_is_24_hours() {
        let nanos =
            |months, days, nanos| span_nanos(IntervalMonthDayNano::new(months, days, nanos));
        assert_eq!(nanos(1, 0, 0), nanos(0, 30, 0));
        assert_eq!(nanos(0, 1, 0), nanos(0, 0, 86_400_000_000_000));
        assert_eq!(nanos(-1, 30, 0), 0);
        assert!(nanos(1, 0, 0) > nanos(0, 29, i64::from(i32::MAX)));
        assert!(nanos(i32::MIN, i32::MIN, i64::MIN) < nanos(i32::MIN, i32::MIN, 0));
    }
}
