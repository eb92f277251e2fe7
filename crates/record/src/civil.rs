//! Days, months and years of the proleptic Gregorian calendar as plain integers.
//!
//! Every function is total over what its types allow within the range of a `TIMESTAMP`, which
//! calendar libraries with a year range of their own are not.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

/// Microseconds of a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Microseconds of a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;

/// A civil date. Year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical year.
    pub year: i64,
    /// In `1..=12`.
    pub month: i64,
    /// In `1..=31`.
    pub day: i64,
}

/// The date of a day counted from the epoch. Holds for every day of a `TIMESTAMP`'s range.
///
/// Source: Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms",
/// Software: Practice and Experience 53 (2023), figure 12, for years that fit.
#[must_use]
#[inline]
pub fn civil_of(days: i64) -> Civil {
    /// Below it no product leaves its type.
    const SHIFTED_MAX: u32 = 1 << 28;
    let shifted = match u32::try_from(days + 719_468) {
        Ok(shifted) if shifted < SHIFTED_MAX => shifted,
        _ => return far_civil_of(days),
    };
    let of_centuries = 4 * shifted + 3;
    let (century, day_of_century) = (of_centuries / 146_097, of_centuries % 146_097 / 4);
    let of_years = u64::from(4 * day_of_century + 3) * 2_939_745;
    let (year_of_century, rest) = (of_years >> 32, of_years & u64::from(u32::MAX));
    let day_of_year = rest / 2_939_745 / 4;
    let of_months = 2141 * day_of_year + 197_913;
    let (month, day) = (of_months >> 16, (of_months & 0xffff) / 2141);
    // Years begin in March here.
    let is_next = day_of_year >= 306;
    Civil {
        year: i64::from(century) * 100 + year_of_century.cast_signed() + i64::from(is_next),
        month: month.cast_signed() - if is_next { 12 } else { 0 },
        day: day.cast_signed() + 1,
    }
}

/// The same for every day.
#[cold]
fn far_civil_of(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
}

/// The day of a date, counted from the epoch. The month is in `1..=12`; the day may be any.
#[must_use]
#[inline]
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_shifted = (month + 9) % 12;
    let day_of_year = (153 * month_shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Days of a month; the month is in `1..=12`.
#[must_use]
#[inline]
pub fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The same day so many months later, or the last of that month where it is shorter.
#[must_use]
pub fn add_months(days: i64, months: i64) -> i64 {
    let date = civil_of(days);
    let month_index = date.year * 12 + date.month - 1 + months;
    let (year, month) = (month_index.div_euclid(12), month_index.rem_euclid(12) + 1);
    days_of(year, month, date.day.min(month_length(year, month)))
}

/// Day of the week, Monday is 0.
#[must_use]
#[inline]
pub fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// Day of the year, from 1.
#[must_use]
pub fn day_of_year(days: i64) -> i64 {
    days - days_of(civil_of(days).year, 1, 1) + 1
}

/// ISO 8601 year and week: the week that holds the year's first Thursday is week 1.
#[must_use]
pub fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 3;
    (civil_of(thursday).year, (day_of_year(thursday) - 1) / 7 + 1)
}

/// The Monday of week 1 of an ISO 8601 year.
#[must_use]
pub fn start_of_iso_year(year: i64) -> i64 {
    let january_4 = days_of(year, 1, 4);
    january_4 - weekday(january_4)
}

/// Days and microseconds of the day.
#[must_use]
#[inline]
pub fn split_micros(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::{Civil, civil_of, days_of, iso_week, month_length, start_of_iso_year, weekday};

    #[test]
    fn days_and_dates_are_inverse() {
        assert_eq!(civil_of(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(civil_of(-1), Civil { year: 1969, month: 12, day: 31 });
        // `date -ud 2000-02-29 +%s` / 86400.
        assert_eq!(days_of(2000, 2, 29), 11_016);
        let first_far = (1 << 28) - 719_468;
        let far = first_far - 200_000..first_far + 200_000;
        for days in (-4_000_000..4_000_000).step_by(37).chain(far.step_by(7)) {
            let Civil { year, month, day } = civil_of(days);
            assert_eq!(super::far_civil_of(days), civil_of(days));
            assert_eq!(days_of(year, month, day), days);
            assert!((1..=month_length(year, month)).contains(&day));
        }
    }

    #[test]
    fn iso_weeks_follow_thursdays() {
        assert_eq!(iso_week(days_of(2024, 12, 30)), (2025, 1));
        assert_eq!(iso_week(days_of(2021, 1, 3)), (2020, 53));
        assert_eq!(start_of_iso_year(2021), days_of(2021, 1, 4));
        assert_eq!(weekday(days_of(2024, 1, 7)), 6);
    }
}
