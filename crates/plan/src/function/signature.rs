//! What functions take and give, so that the binder, the kernels and the tests read it in one place.

use std::fmt;

use tidemill_record::DataType;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `VARCHAR`
    Text,
    /// `BIGINT`
    Integer,
    /// `DOUBLE`; every number is one to it.
    Double,
    /// `BOOLEAN`
    Boolean,
    /// `VARBINARY`
    Bytes,
    /// `TIMESTAMP`; a `DATE` is one to it.
    Time,
    /// `DATE`
    Day,
    /// `INTERVAL`
    Span,
    /// A number of any type, as it is.
    Number,
    /// A number of any type; integers as `BIGINT`.
    Wide,
    /// A value of any type but arrays, as it is.
    Plain,
    /// The type that all arguments of this kind have in common.
    Same,
    /// A value of any type but arrays, as text.
    Shown,
    /// An array.
    Array,
    /// A value of the type of the elements of the first argument.
    Item,
    /// A constant unit of `DATE_TRUNC`.
    TruncUnit,
    /// A constant unit of `DATE_PART`.
    PartUnit,
    /// A constant unit of a span of time.
    StepUnit,
    /// Directives of strftime, to write.
    WriteFormat,
    /// Directives of strftime, to read.
    ReadFormat,
}

impl Kind {
    /// The one type that it takes; `None` where there are several.
    #[must_use]
    pub fn data_type(self) -> Option<DataType> {
        Some(match self {
            Self::Text
            | Self::Shown
            | Self::TruncUnit
            | Self::PartUnit
            | Self::StepUnit
            | Self::WriteFormat
            | Self::ReadFormat => DataType::Varchar,
            Self::Integer => DataType::BigInt,
            Self::Double => DataType::Double,
            Self::Boolean => DataType::Boolean,
            Self::Bytes => DataType::Varbinary,
            Self::Time => DataType::Timestamp,
            Self::Day => DataType::Date,
            Self::Span => DataType::Interval,
            Self::Number | Self::Wide | Self::Plain | Self::Same | Self::Array | Self::Item => {
                return None;
            }
        })
    }

    /// Whether it takes a unit of time, which may be a word without quotes.
    #[must_use]
    pub fn is_unit(self) -> bool {
        matches!(self, Self::TruncUnit | Self::PartUnit | Self::StepUnit)
    }

    /// Whether a kernel takes a value of this type as it is.
    #[must_use]
    pub fn holds(self, data_type: &DataType) -> bool {
        match self {
            Self::Number => data_type.is_numeric(),
            Self::Wide => {
                data_type.is_numeric()
                    && (!data_type.is_integer() || *data_type == DataType::BigInt)
            }
            Self::Plain | Self::Same | Self::Item => !matches!(data_type, DataType::Array(_)),
            Self::Array => matches!(data_type, DataType::Array(_)),
            _ => self.data_type().as_ref() == Some(data_type),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.data_type() {
            Some(data_type) => write!(f, "{data_type}"),
            None if matches!(self, Self::Number | Self::Wide) => f.write_str("a number"),
            None if *self == Self::Array => f.write_str("an array"),
            None => f.write_str("a value"),
        }
    }
}

/// The type of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// `VARCHAR`
    Text,
    /// `BIGINT`
    Integer,
    /// `TINYINT`
    Tiny,
    /// `DOUBLE`
    Double,
    /// `BOOLEAN`
    Boolean,
    /// `VARBINARY`
    Bytes,
    /// `TIMESTAMP`
    Time,
    /// `DATE`
    Day,
    /// `INTERVAL`
    Span,
    /// An array of `VARCHAR`
    Texts,
    /// The type of the first argument.
    First,
    /// The type of the elements of the first argument.
    Item,
    /// The common type of the arguments that are [`Kind::Same`].
    Same,
    /// An array of that type.
    SameArray,
    /// The binder works it out from the arguments.
    Bound,
}

/// One way to call a function.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Parameters by place; the first `needed` must be given.
    pub kinds: &'static [Kind],
    /// How many.
    pub needed: usize,
    /// What any number of further arguments are; `None` where there are none.
    pub rest: Option<Kind>,
    /// What it gives.
    pub returns: Returns,
}

impl Signature {
    /// Whether so many arguments fit.
    #[must_use]
    pub fn takes(&self, count: usize) -> bool {
        count >= self.needed && (self.rest.is_some() || count <= self.kinds.len())
    }

    /// The most arguments; `None` without a limit.
    #[must_use]
    pub fn most(&self) -> Option<usize> {
        if self.rest.is_some() { None } else { Some(self.kinds.len()) }
    }

    /// What the argument at a place is, which [`Self::takes`] allows.
    ///
    /// # Panics
    /// If there is no such argument.
    #[must_use]
    pub fn kind(&self, at: usize) -> Kind {
        match (self.kinds.get(at).copied(), self.rest) {
            (Some(kind), _) | (None, Some(kind)) => kind,
            (None, None) => panic!("argument {at} of {}", self.kinds.len()),
        }
    }
}
