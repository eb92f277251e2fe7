//! Days, months and years of the proleptic Gregorian calendar as plain integers.
//!
//! Every function is total over what its types allow within the range of a `TIMESTAMP`, which
//! calendar libraries with a year range of their own are not.
//!
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

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
#[must_use]
#[inline]
pub fn civil_of(days: i64) -> Civil {
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

#[cfg(test)]
mod tests {
    use super::{Civil, civil_of, days_of};

    #[test]
    fn days_and_dates_are_inverse() {
        assert_eq!(civil_of(0), Civil { year: 1970, month: 1, day: 1 });
        assert_eq!(civil_of(-1), Civil { year: 1969, month: 12, day: 31 });
        // `date -ud 2000-02-29 +%s` / 86400.
        assert_eq!(days_of(2000, 2, 29), 11_016);
        for days in (-800_000..800_000).step_by(13) {
            let Civil { year, month, day } = civil_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
    }
}
