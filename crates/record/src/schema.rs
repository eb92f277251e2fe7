//! SQL types and named fields, and how they map to Arrow.

use std::fmt;
use std::sync::Arc;

use arrow_schema as arrow;

/// A SQL type. Each has exactly one Arrow representation inside the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// True or false.
    Boolean,
    /// 8-bit signed integer.
    TinyInt,
    /// 16-bit signed integer.
    SmallInt,
    /// 32-bit signed integer.
    Integer,
    /// 64-bit signed integer.
    BigInt,
    /// IEEE 754 single.
    Real,
    /// IEEE 754 double.
    Double,
    /// Exact decimal.
    Decimal {
        /// Significant digits, in `1..=38`.
        precision: u8,
        /// Digits after the point, in `0..=precision`.
        scale: u8,
    },
    /// UTF-8 text.
    Varchar,
    /// Bytes.
    Varbinary,
    /// Days since the Unix epoch.
    Date,
    /// Microseconds since the Unix epoch, UTC.
    Timestamp,
    /// Months, days and nanoseconds.
    Interval,
    /// A list of values of one type; results of `ARRAY_AGG`.
    Array(Box<DataType>),
}

impl DataType {
    /// The Arrow type that carries this type in a batch.
    #[must_use]
    pub fn arrow(&self) -> arrow::DataType {
        match self {
            Self::Boolean => arrow::DataType::Boolean,
            Self::TinyInt => arrow::DataType::Int8,
            Self::SmallInt => arrow::DataType::Int16,
            Self::Integer => arrow::DataType::Int32,
            Self::BigInt => arrow::DataType::Int64,
            Self::Real => arrow::DataType::Float32,
            Self::Double => arrow::DataType::Float64,
            Self::Decimal { precision, scale } => {
                arrow::DataType::Decimal128(*precision, scale.cast_signed())
            }
            Self::Varchar => arrow::DataType::Utf8View,
            Self::Varbinary => arrow::DataType::BinaryView,
            Self::Date => arrow::DataType::Date32,
            Self::Timestamp => arrow::DataType::Timestamp(arrow::TimeUnit::Microsecond, None),
            Self::Interval => arrow::DataType::Interval(arrow::IntervalUnit::MonthDayNano),
            Self::Array(item) => {
                arrow::DataType::List(Arc::new(arrow::Field::new_list_field(item.arrow(), true)))
            }
        }
    }

    /// The SQL type for data that comes with an Arrow type of its own (Parquet, Arrow IPC,
    /// registered batches); `None` where no SQL type can hold it without loss.
    ///
    /// Such data is cast to [`Self::arrow`] on the way in.
    #[must_use]
    pub fn from_arrow(data_type: &arrow::DataType) -> Option<Self> {
        Some(match data_type {
            arrow::DataType::Boolean => Self::Boolean,
            arrow::DataType::Int8 => Self::TinyInt,
            arrow::DataType::Int16 | arrow::DataType::UInt8 => Self::SmallInt,
            arrow::DataType::Int32 | arrow::DataType::UInt16 => Self::Integer,
            arrow::DataType::Int64 | arrow::DataType::UInt32 => Self::BigInt,
            arrow::DataType::UInt64 => Self::Decimal { precision: 20, scale: 0 },
            arrow::DataType::Float16 | arrow::DataType::Float32 => Self::Real,
            arrow::DataType::Float64 => Self::Double,
            arrow::DataType::Decimal32(p, s)
            | arrow::DataType::Decimal64(p, s)
            | arrow::DataType::Decimal128(p, s)
            | arrow::DataType::Decimal256(p, s) => {
                let scale =
                    u8::try_from(*s).ok().filter(|scale| scale <= p && (1..=38).contains(p))?;
                Self::Decimal { precision: *p, scale }
            }
            // Of a column without any value: of no type more than of text.
            arrow::DataType::Null
            | arrow::DataType::Utf8
            | arrow::DataType::LargeUtf8
            | arrow::DataType::Utf8View => Self::Varchar,
            arrow::DataType::Binary
            | arrow::DataType::LargeBinary
            | arrow::DataType::BinaryView
            | arrow::DataType::FixedSizeBinary(_) => Self::Varbinary,
            arrow::DataType::Date32 | arrow::DataType::Date64 => Self::Date,
            arrow::DataType::Timestamp(_, _) => Self::Timestamp,
            arrow::DataType::Interval(_) => Self::Interval,
            arrow::DataType::Dictionary(_, value) => Self::from_arrow(value)?,
            arrow::DataType::List(item)
            | arrow::DataType::LargeList(item)
            | arrow::DataType::ListView(item)
            | arrow::DataType::FixedSizeList(item, _) => {
                Self::Array(Box::new(Self::from_arrow(item.data_type())?))
            }
            _ => return None,
        })
    }

    /// Whether this is an integer type.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt)
    }

    /// Whether arithmetic applies: integers, floats and decimals.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || matches!(self, Self::Real | Self::Double | Self::Decimal { .. })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Real => f.write_str("REAL"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Varchar => f.write_str("VARCHAR"),
            Self::Varbinary => f.write_str("VARBINARY"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::Interval => f.write_str("INTERVAL"),
            Self::Array(item) => write!(f, "{item}[]"),
        }
    }
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name, as it is matched: folded to lower case unless it was quoted.
    pub name: String,
    /// The type.
    pub data_type: DataType,
    /// Whether NULL is allowed. A record with NULL in a column that does not allow it is bad.
    pub is_nullable: bool,
}

impl Field {
    /// A field that allows NULL.
    #[must_use]
    pub fn nullable(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, is_nullable: true }
    }

    /// A field that does not allow NULL.
    #[must_use]
    pub fn required(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, is_nullable: false }
    }
}

/// The columns of a relation, in order. Names may repeat in a query's result, never in a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    /// The columns.
    pub fields: Vec<Field>,
}

impl Schema {
    /// Makes a schema.
    #[must_use]
    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields }
    }

    /// Index of the first field with this exact name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The same columns as an Arrow schema.
    #[must_use]
    pub fn arrow(&self) -> arrow::SchemaRef {
        let fields = self
            .fields
            .iter()
            .map(|field| arrow::Field::new(&field.name, field.data_type.arrow(), field.is_nullable))
            .collect::<Vec<_>>();
        Arc::new(arrow::Schema::new(fields))
    }
}
