//! Steps in the proleptic Gregorian calendar, as plain integers.
//!
//! Every function is total over what its types allow within the range of a `TIMESTAMP`, which
//! calendar libraries with a year range of their own are not.

pub(crate) use tidemill_record::civil::{Civil, civil_of, days_of, month_length};

/// Microseconds of a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Microseconds of a second.
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;

/// The same day so many months later, or the last of that month where it is shorter.
pub(crate) fn add_months(days: i64, months: i64) -> i64 {
    let date = civil_of(days);
    let month_index = date.year * 12 + date.month - 1 + months;
    let (year, month) = (month_index.div_euclid(12), month_index.rem_euclid(12) + 1);
    days_of(year, month, date.day.min(month_length(year, month)))
}

/// Day of the week, Monday is 0.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// Day of the year, from 1.
pub(crate) fn day_of_year(days: i64) -> i64 {
    days - days_of(civil_of(days).year, 1, 1) + 1
}

/// ISO 8601 year and week: the week that holds the year's first Thursday is week 1.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 3;
    (civil_of(thursday).year, (day_of_year(thursday) - 1) / 7 + 1)
}

/// Days and microseconds of the day.
pub(crate) fn split_micros(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-4_000_000..4_000_000).step_by(37) {
            let date = civil_of(days);
            assert_eq!(days_of(date.year, date.month, date.day), days);
            assert!((1..=month_length(date.year, date.month)).contains(&date.day));
        }
        assert_eq!(civil_of(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(days_of(2024, 2, 29), 19_782);
    }

    #[test]
    fn iso_weeks_follow_thursdays() {
        assert_eq!(iso_week(days_of(2024, 12, 30)), (2025, 1));
        assert_eq!(iso_week(days_of(2021, 1, 3)), (2020, 53));
        assert_eq!(weekday(days_of(2024, 1, 7)), 6);
    }
}
