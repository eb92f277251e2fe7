//! One constant value.

use std::fmt;

use tidemill_record::DataType;
use tidemill_record::civil::{Civil, civil_of};

/// A constant of a SQL type.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// NULL of a type.
    Null(DataType),
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// 8-bit integer.
    TinyInt(i8),
    /// 16-bit integer.
    SmallInt(i16),
    /// 32-bit integer.
    Integer(i32),
    /// 64-bit integer.
    BigInt(i64),
    /// Single-precision float.
    Real(f32),
    /// Double-precision float.
    Double(f64),
    /// `value / 10^scale`.
    Decimal {
        /// The digits as one integer.
        value: i128,
        /// Significant digits, in `1..=38`.
        precision: u8,
        /// Digits after the point, in `0..=precision`.
        scale: u8,
    },
    /// Text.
    Varchar(String),
    /// Bytes.
    Varbinary(Vec<u8>),
    /// Days since the epoch.
    Date(i32),
    /// Microseconds since the epoch, UTC.
    Timestamp(i64),
    /// A span of time; the three parts do not carry into each other.
    Interval {
        /// Calendar months.
        months: i32,
        /// Calendar days.
        days: i32,
        /// Nanoseconds.
        nanos: i64,
    },
}

impl Scalar {
    /// The constant's type.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Null(data_type) => data_type.clone(),
            Self::Boolean(_) => DataType::Boolean,
            Self::TinyInt(_) => DataType::TinyInt,
            Self::SmallInt(_) => DataType::SmallInt,
            Self::Integer(_) => DataType::Integer,
            Self::BigInt(_) => DataType::BigInt,
            Self::Real(_) => DataType::Real,
            Self::Double(_) => DataType::Double,
            Self::Decimal { precision, scale, .. } => {
                DataType::Decimal { precision: *precision, scale: *scale }
            }
            Self::Varchar(_) => DataType::Varchar,
            Self::Varbinary(_) => DataType::Varbinary,
            Self::Date(_) => DataType::Date,
            Self::Timestamp(_) => DataType::Timestamp,
            Self::Interval { .. } => DataType::Interval,
        }
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null(_) => f.write_str("NULL"),
            Self::Boolean(v) => f.write_str(if *v { "TRUE" } else { "FALSE" }),
            Self::TinyInt(v) => write!(f, "{v}"),
            Self::SmallInt(v) => write!(f, "{v}"),
            Self::Integer(v) => write!(f, "{v}"),
            Self::BigInt(v) => write!(f, "{v}"),
            Self::Real(v) => write!(f, "{v:?}"),
            Self::Double(v) => write!(f, "{v:?}"),
            Self::Decimal { value, scale, .. } => write_decimal(f, *value, *scale),
            Self::Varchar(v) => write!(f, "'{}'", v.replace('\'', "''")),
            Self::Varbinary(v) => {
                f.write_str("X'")?;
                v.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
                f.write_str("'")
            }
            Self::Date(days) => write!(f, "DATE '{}'", civil_date(i64::from(*days))),
            Self::Timestamp(micros) => {
                let days = micros.div_euclid(86_400_000_000);
                let of_day = micros.rem_euclid(86_400_000_000);
                let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
                let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                write!(f, "TIMESTAMP '{} {h:02}:{m:02}:{s:02}", civil_date(days))?;
                if fraction != 0 {
                    write!(f, ".{fraction:06}")?;
                }
                f.write_str("'")
            }
            Self::Interval { months, days, nanos } => {
                let micros = nanos / 1000;
                write!(f, "INTERVAL '{months} months {days} days {micros} us'")
            }
        }
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, value: i128, scale: u8) -> fmt::Result {
    if scale == 0 {
        return write!(f, "{value}");
    }
    let unit = 10_u128.pow(u32::from(scale));
    let (whole, fraction) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
    let sign = if value < 0 { "-" } else { "" };
    write!(f, "{sign}{whole}.{fraction:0width$}", width = usize::from(scale))
}

/// Days since the epoch as `YYYY-MM-DD`.
fn civil_date(days: i64) -> String {
    let Civil { year, month, day } = civil_of(days);
    format!("{year:04}-{month:02}-{day:02}")
}
