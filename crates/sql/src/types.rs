//! The names of types to the types.

use sqlparser::ast::{self, ExactNumberInfo, TimezoneInfo};
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

/// The type that a type name means; else why there is none, and a hint.
pub(crate) fn data_type(name: &ast::DataType) -> Result<DataType, (String, Option<String>)> {
    use ast::DataType as Sql;
    Ok(match name {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::TinyInt(None) => DataType::TinyInt,
        Sql::SmallInt(None) | Sql::Int2(None) => DataType::SmallInt,
        Sql::Integer(None) | Sql::Int(None) | Sql::Int4(None) => DataType::Integer,
        Sql::BigInt(None) | Sql::Int8(None) => DataType::BigInt,
        Sql::Real | Sql::Float4 | Sql::Float(ExactNumberInfo::None) => DataType::Real,
        Sql::Double(ExactNumberInfo::None) | Sql::DoublePrecision | Sql::Float8 => DataType::Double,
        Sql::Decimal(info) | Sql::Numeric(info) | Sql::Dec(info) => decimal(info)?,
        Sql::Varchar(_)
        | Sql::CharacterVarying(_)
        | Sql::CharVarying(_)
        | Sql::Text
        | Sql::String(None) => DataType::Varchar,
        Sql::Varbinary(_) | Sql::Blob(None) | Sql::Bytea => DataType::Varbinary,
        Sql::Date => DataType::Date,
        Sql::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
            if precision.is_none_or(|digits| digits <= 6) =>
        {
            DataType::Timestamp
        }
        Sql::Datetime(None) => DataType::Timestamp,
        Sql::Interval { fields: None, precision: None } => DataType::Interval,
        Sql::Custom(name, arguments) if arguments.is_empty() => {
            let name = name.to_string();
            let hint = did_you_mean(&name, NAMES);
            return Err((format!("unknown type {name}"), hint));
        }
        Sql::Timestamp(..) => {
            let hint = "TIMESTAMP has microseconds and no time zone; values are UTC".to_owned();
            return Err((format!("not supported: the type {name}"), Some(hint)));
        }
        other => {
            let hint = format!("types are {}", NAMES.join(", "));
            return Err((format!("not supported: the type {other}"), Some(hint)));
        }
    })
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType, (String, Option<String>)> {
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
