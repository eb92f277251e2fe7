//! Values for the places of a script that are `?` or `$1`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidemill_plan::Scalar;
use tidemill_record::{DataType, EventTime};

use crate::{Error, Job, Rows, Session};

/// A value that is bound to a place of a script; see [`Session::bind`].
///
/// It means what a literal of it would in that place: an integer is of whatever numeric type holds it, and a text is read as
/// what it is compared with, a timestamp perhaps. Nothing in a text is read as SQL.
#[derive(Clone, Debug, PartialEq)]
pub struct Value(pub(crate) Scalar);

impl Value {
    /// NULL, of whatever type its place asks for.
    pub const NULL: Self = Self(Scalar::Null(DataType::Integer));

    /// A day, by how many there are between it and 1970-01-01.
    #[must_use]
    pub fn date(days: i32) -> Self {
        Self(Scalar::Date(days))
    }

    /// `value / 10^scale`.
    ///
    /// # Errors
    /// More than 38 digits, in the value or behind the point.
    pub fn decimal(value: i128, scale: u8) -> Result<Self, Error> {
        const DIGITS_MAX: u32 = 38;
        let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
        let digits = digits.max(u32::from(scale));
        match u8::try_from(digits) {
            Ok(precision) if digits <= DIGITS_MAX => {
                Ok(Self(Scalar::Decimal { value, precision, scale }))
            }
            _ => Err(Error::usage(format!(
                "a decimal has at most {DIGITS_MAX} digits, and {value} with {scale} behind the point has {digits}"
            ))),
        }
    }

    /// A span of time of calendar months, days and nanoseconds.
    #[must_use]
    pub fn interval(months: i32, days: i32, nanos: i64) -> Self {
        Self(Scalar::Interval { months, days, nanos })
    }
}

macro_rules! value_from {
    ($($from:ty => |$value:ident| $scalar:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self($scalar)
            }
        })*
    };
}

value_from! {
    bool => |value| Scalar::Boolean(value),
    i8 => |value| Scalar::TinyInt(value),
    i16 => |value| Scalar::SmallInt(value),
    i32 => |value| Scalar::Integer(value),
    i64 => |value| Scalar::BigInt(value),
    u32 => |value| Scalar::BigInt(i64::from(value)),
    f32 => |value| Scalar::Real(value),
    f64 => |value| Scalar::Double(value),
    &str => |value| Scalar::Varchar(value.to_owned()),
    String => |value| Scalar::Varchar(value),
    &[u8] => |value| Scalar::Varbinary(value.to_vec()),
    Vec<u8> => |value| Scalar::Varbinary(value),
    EventTime => |value| Scalar::Timestamp(value.0),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

/// A span of time without calendar days; what is less than a nanosecond is none, and beyond 292 years it is those.
impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::interval(0, 0, i64::try_from(value.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// A `TIMESTAMP` in microseconds, rounded towards 1970.
impl From<SystemTime> for Value {
    fn from(value: SystemTime) -> Self {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let at = match value.duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        };
        Self(Scalar::Timestamp(at))
    }
}

/// A session, and values for the places of its next scripts; see [`Session::bind`].
#[derive(Clone, Debug)]
pub struct Binding<'a> {
    session: &'a Session,
    values: Vec<Scalar>,
}

impl Session {
    /// Binds values to the places of a script that are `?`, in order, or `$1`, `$2` and so on, by number. A place stands for a
    /// value in an expression, also behind `LIMIT`; names, types and options are no values.
    ///
    /// ```
    /// use tidemill::{Session, arrow_array::{cast::AsArray, types::Int64Type}};
    ///
    /// let session = Session::new();
    /// let sql = "SELECT COUNT(*) AS n FROM (SELECT 'Oslo' AS city, 4 AS degrees) AS t WHERE city = $1 AND degrees < $2";
    /// let rows = session.bind(["Oslo".into(), 5.into()]).query(sql)?.collect()?;
    /// assert_eq!(rows[0].column(0).as_primitive::<Int64Type>().value(0), 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn bind(&self, values: impl IntoIterator<Item = Value>) -> Binding<'_> {
        Binding { session: self, values: values.into_iter().map(|value| value.0).collect() }
    }
}

impl Binding<'_> {
    /// As [`Session::prepare`].
    ///
    /// # Errors
    /// As it, and a place without a value, or a value without a place.
    pub fn prepare(&self, sql: &str) -> Result<Job, Error> {
        self.session.prepare_bound(sql, Some(&self.values))
    }

    /// As [`Session::query`].
    ///
    /// # Errors
    /// As it, and a place without a value, or a value without a place.
    pub fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.session.query_bound(sql, Some(&self.values))
    }
}
