//! The units that `DATE_TRUNC` and `DATE_PART` know, by name.

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    /// Seconds since the epoch.
    Epoch,
}

impl TimeUnit {
    /// A unit by its name, in any case, singular or plural.
    ///
    /// # Errors
    /// The message that there is no such unit.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "microsecond" | "microseconds" | "us" => Self::Microsecond,
            "millisecond" | "milliseconds" | "ms" => Self::Millisecond,
            "second" | "seconds" | "s" => Self::Second,
            "minute" | "minutes" | "m" => Self::Minute,
            "hour" | "hours" | "h" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" => Self::Month,
            "quarter" | "quarters" => Self::Quarter,
            "year" | "years" | "y" => Self::Year,
            "decade" | "decades" => Self::Decade,
            "century" | "centuries" => Self::Century,
            "millennium" | "millennia" => Self::Millennium,
            "dow" | "dayofweek" | "weekday" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" | "dayofyear" => Self::DayOfYear,
            "isoyear" => Self::IsoYear,
            "epoch" => Self::Epoch,
            _ => return Err(format!("unknown unit of time '{name}'")),
        })
    }

    /// Whether `DATE_TRUNC` takes it.
    pub(super) fn is_truncatable(self) -> bool {
        !matches!(self, Self::DayOfWeek | Self::IsoDayOfWeek | Self::DayOfYear | Self::Epoch)
    }

    /// Whether `DATE_PART` of an interval takes it.
    pub(super) fn is_in_interval(self) -> bool {
        !matches!(
            self,
            Self::Week | Self::DayOfWeek | Self::IsoDayOfWeek | Self::DayOfYear | Self::IsoYear
        )
    }
}
