//! The names of types to the types, and what a name says beyond its type.

use sqlparser::ast::{self, CharLengthUnits, CharacterLength, ExactNumberInfo, TimezoneInfo};
use tidemill_record::DataType;

use crate::suggest::did_you_mean;

const NAMES: [&str; 16] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "REAL",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "VARCHAR",
    "STRING",
    "TEXT",
    "VARBINARY",
    "DATE",
    "TIMESTAMP",
];

/// Digits behind the point of a second that a `TIMESTAMP` has.
const TIME_DIGITS: u64 = 6;

/// A type as it is named: `VARCHAR(10)` and `TIMESTAMP(3)` hold fewer values than their types.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedType {
    pub(crate) data_type: DataType,
    /// Characters of a `VARCHAR`, from 1; digits behind the point of a `TIMESTAMP`, in `0..=5`.
    pub(crate) limit: Option<u32>,
}

/// Why a name is none of a type, and a hint.
type Refusal = (String, Option<String>);

/// The type that a type name means.
pub(crate) fn named_type(name: &ast::DataType) -> Result<NamedType, Refusal> {
    use ast::DataType as Sql;
    let limit = match name {
        Sql::Varchar(Some(length))
        | Sql::CharacterVarying(Some(length))
        | Sql::CharVarying(Some(length)) => length_of(name, length)?,
        Sql::Timestamp(Some(digits), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
        | Sql::Datetime(Some(digits)) => match *digits {
            TIME_DIGITS => None,
            digits if digits < TIME_DIGITS => u32::try_from(digits).ok(),
            _ => {
                let hint = format!(
                    "TIMESTAMP has microseconds, {TIME_DIGITS} digits; write TIMESTAMP({TIME_DIGITS})"
                );
                return Err((format!("not supported: the type {name}"), Some(hint)));
            }
        },
        _ => None,
    };
    Ok(NamedType { data_type: data_type(name)?, limit })
}

/// The characters of `VARCHAR(n)`; `None` for `VARCHAR(MAX)`.
fn length_of(name: &ast::DataType, length: &CharacterLength) -> Result<Option<u32>, Refusal> {
    let refuse =
        |hint: &str| Err((format!("not supported: the type {name}"), Some(hint.to_owned())));
    match length {
        CharacterLength::Max => Ok(None),
        CharacterLength::IntegerLength { unit: Some(CharLengthUnits::Octets), .. } => {
            refuse("a length counts characters")
        }
        CharacterLength::IntegerLength { length, .. } => match u32::try_from(*length) {
            Ok(length) if length > 0 => Ok(Some(length)),
            _ => refuse("a length is from 1 to 4294967295; VARCHAR alone has no limit"),
        },
    }
}

fn data_type(name: &ast::DataType) -> Result<DataType, Refusal> {
    use ast::DataType as Sql;
    Ok(match name {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::TinyInt(None) => DataType::TinyInt,
        Sql::SmallInt(None) | Sql::Int2(None) => DataType::SmallInt,
        Sql::Integer(None) | Sql::Int(None) | Sql::Int4(None) => DataType::Integer,
        Sql::BigInt(None) | Sql::Int8(None) => DataType::BigInt,
        Sql::Real | Sql::Float4 | Sql::Float(ExactNumberInfo::None) => DataType::Real,
        // SQL:2016, 6.1: a precision is in binary digits; these are those of the two types.
        Sql::Float(ExactNumberInfo::Precision(1..=24)) => DataType::Real,
        Sql::Float(ExactNumberInfo::Precision(25..=53)) => DataType::Double,
        Sql::Double(ExactNumberInfo::None) | Sql::DoublePrecision | Sql::Float8 => DataType::Double,
        Sql::Decimal(info) | Sql::Numeric(info) | Sql::Dec(info) => decimal(info)?,
        Sql::Varchar(_)
        | Sql::CharacterVarying(_)
        | Sql::CharVarying(_)
        | Sql::Text
        | Sql::String(None) => DataType::Varchar,
        Sql::Varbinary(None) | Sql::Blob(None) | Sql::Bytea => DataType::Varbinary,
        Sql::Date => DataType::Date,
        Sql::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
        | Sql::Datetime(_) => DataType::Timestamp,
        Sql::Interval { fields: None, precision: None } => DataType::Interval,
        Sql::Custom(name, arguments) if arguments.is_empty() => {
            let name = name.to_string();
            let hint = did_you_mean(&name, NAMES)
                .or_else(|| Some(format!("types are {}", NAMES.join(", "))));
            return Err((format!("unknown type {name}"), hint));
        }
        other => return Err((format!("not supported: the type {other}"), Some(instead_of(other)))),
    })
}

/// What to write instead of a type that is not supported.
fn instead_of(name: &ast::DataType) -> String {
    use ast::DataType as Sql;
    let hint = match name {
        Sql::Timestamp(..) => "TIMESTAMP has microseconds and no time zone; values are UTC",
        Sql::Char(_) | Sql::Character(_) | Sql::Nvarchar(_) | Sql::String(_) => {
            "VARCHAR(n) has at most n characters, and nothing fills them up"
        }
        Sql::Varbinary(_) | Sql::Binary(_) | Sql::Blob(_) | Sql::Bytes(_) => {
            "VARBINARY has bytes of any number"
        }
        Sql::Int(_) | Sql::Integer(_) | Sql::BigInt(_) | Sql::SmallInt(_) | Sql::TinyInt(_) => {
            "TINYINT, SMALLINT, INTEGER and BIGINT have no width"
        }
        Sql::Float(_) => "FLOAT(p) takes p in 1..=53; DECIMAL(p,s) has digits behind the point",
        Sql::Double(_) => "DOUBLE has no precision; DECIMAL(p,s) has digits behind the point",
        Sql::Array(_) => "ARRAY_AGG gives arrays; none can be declared",
        Sql::JSON | Sql::JSONB => {
            "JSON is text here: VARCHAR, of which text ->> '$.key' reads a value"
        }
        Sql::HugeInt | Sql::UHugeInt => "DECIMAL(38,0) has as many digits as fit",
        Sql::UBigInt | Sql::BigIntUnsigned(_) | Sql::UnsignedInteger => {
            "DECIMAL(20,0) holds 64 bits without a sign, BIGINT 32"
        }
        Sql::IntUnsigned(_) | Sql::IntegerUnsigned(_) => "BIGINT holds 32 bits without a sign",
        Sql::Map(..) | Sql::Struct(..) => {
            "declare it VARCHAR, and read values of its JSON by text ->> '$.key'"
        }
        Sql::Uuid => "VARCHAR holds it as text",
        Sql::Custom(name, _) if name.to_string().to_uppercase().starts_with("TIMESTAMP") => {
            "TIMESTAMP has microseconds and no time zone; values are UTC"
        }
        _ => return format!("types are {}", NAMES.join(", ")),
    };
    hint.to_owned()
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType, Refusal> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => (18, 3),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let shape = u8::try_from(precision).ok().zip(u8::try_from(scale).ok());
    match shape.filter(|(p, s)| (1..=38).contains(p) && s <= p) {
        Some((precision, scale)) => Ok(DataType::Decimal { precision, scale }),
        None => {
            let hint = "DECIMAL(p,s) takes p in 1..=38 and s in 0..=p".to_owned();
            Err((format!("no such type: DECIMAL({precision},{scale})"), Some(hint)))
        }
    }
}
