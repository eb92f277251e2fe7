//! The names of units, and of what is refused.

use sqlparser::ast;
use tidemill_plan::{Aggregate, Family, Function};

use crate::from::{NO_ROWS_OF_ARRAYS, ONE_TABLE};

const CASE: &str = "CASE WHEN … THEN … ELSE … END does the same";

/// Every name that a script can call, in order: scalar functions, aggregates, and those that
/// need `OVER`.
#[must_use]
pub fn callable() -> Vec<&'static str> {
    let is_callable = |function: &&Function| function.family() != Family::Internal;
    let scalar = Function::all().iter().filter(is_callable).flat_map(|function| function.names());
    let rewrites = crate::rewrites::REWRITES.iter().map(|row| row.0);
    let aggregates = Aggregate::all().flat_map(Aggregate::names).copied();
    let mut names: Vec<&str> =
        scalar.copied().chain(rewrites).chain(aggregates).chain(crate::over::OVER_ONLY).collect();
    names.sort_unstable_by_key(|name| name.to_lowercase());
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    names
}

/// Functions of later features, and what to say of them.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("tumble", "a window stands in GROUP BY alone; its bounds are window_start and window_end"),
    ("hop", "a window stands in GROUP BY alone; its bounds are window_start and window_end"),
    ("session", "a window stands in GROUP BY alone; its bounds are window_start and window_end"),
    ("cumulate", "a window stands in GROUP BY alone; its bounds are window_start and window_end"),
    ("lead", "a row leaves before the rows behind it are known; LAG looks back"),
    ("ntile", "a row leaves before the rows behind it are known; ROW_NUMBER numbers them"),
    ("grouping", "put one query for each grouping, and UNION ALL between them"),
    ("unnest", NO_ROWS_OF_ARRAYS),
    ("explode", NO_ROWS_OF_ARRAYS),
    ("struct", "put each value into a column of its own"),
    ("row", "put each value into a column of its own"),
    ("map", "put each value into a column of its own"),
    ("list_transform", "write the expression over columns"),
    ("list_filter", "write WHERE or FILTER over rows"),
    ("transform", "write the expression over columns"),
    ("current_time", "CURRENT_TIMESTAMP is a TIMESTAMP; there are no times of day"),
    ("localtime", "LOCALTIMESTAMP is a TIMESTAMP; there are no times of day"),
    ("to_char", "DATE_FORMAT(time, format) does the same"),
    ("extract", "write EXTRACT(unit FROM time) or DATE_PART(unit, time)"),
    ("unix_timestamp", "DATE_PART('epoch', time) does the same"),
    ("from_unixtime", "TO_TIMESTAMP(seconds) does the same"),
    ("getdate", "NOW() does the same"),
    ("sysdate", "NOW() does the same"),
    ("decode", CASE),
    ("random", "results could not be repeated; HASH(column) is the same in every run"),
    ("rand", "results could not be repeated; HASH(column) is the same in every run"),
    ("uuid", "results could not be repeated; MD5(column) is the same in every run"),
    ("uuidv4", "results could not be repeated; MD5(column) is the same in every run"),
    ("gen_random_uuid", "results could not be repeated; MD5(column) is the same in every run"),
    ("setseed", "results could not be repeated; HASH(column) is the same in every run"),
    ("format", "|| and CONCAT join texts"),
    ("printf", "|| and CONCAT join texts; LPAD fills up with zeros"),
    ("str_to_date", "STRPTIME(text, format) does the same"),
    ("regexp_substr", "REGEXP_EXTRACT(text, pattern) gives empty text where nothing matches"),
];

/// Units of `DATE_TRUNC`.
pub(crate) const TRUNC_UNITS: &[&str] = &[
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];
/// Further units of `DATE_PART`.
pub(crate) const PART_UNITS: &[&str] =
    &["dow", "isodow", "doy", "epoch", "isoyear", "century", "decade", "millennium"];

/// Further units of spans of time.
pub(crate) const STEP_UNITS: &[&str] = &["decade", "century", "millennium"];

/// A form of expression that is not supported.
pub(crate) struct RefusedForm {
    /// What it is called.
    pub(crate) what: String,
    /// Words at its head, where its tree begins behind them.
    pub(crate) head: &'static [&'static str],
    /// What to write instead, if something does the same.
    pub(crate) hint: Option<&'static str>,
}

/// What an unsupported form is called.
pub(crate) fn refused_form(expr: &ast::Expr) -> RefusedForm {
    use ast::Expr as Sql;
    let (name, head): (&str, &'static [&'static str]) = match expr {
        Sql::InSubquery { .. } => ("IN (SELECT …)", &[]),
        Sql::Subquery(_) => ("a scalar subquery", &[]),
        Sql::Exists { .. } => ("EXISTS (SELECT …)", &["EXISTS"]),
        Sql::InUnnest { .. } => ("IN UNNEST", &[]),
        Sql::AnyOp { .. } => ("ANY", &[]),
        Sql::AllOp { .. } => ("ALL", &[]),
        Sql::SimilarTo { .. } => ("SIMILAR TO; REGEXP_LIKE(text, pattern) does the same", &[]),
        Sql::RLike { regexp: true, .. } => {
            ("REGEXP; REGEXP_LIKE(text, pattern) does the same", &["REGEXP"])
        }
        Sql::RLike { .. } => ("RLIKE; REGEXP_LIKE(text, pattern) does the same", &["RLIKE"]),
        Sql::Collate { .. } => ("COLLATE", &[]),
        Sql::AtTimeZone { .. } => ("AT TIME ZONE", &[]),
        Sql::Convert { .. } => ("CONVERT", &["CONVERT"]),
        Sql::JsonAccess { .. } => ("this access to JSON; text ->> '$.key' reads it", &[]),
        Sql::Tuple(_) => ("a row of values in brackets", &[]),
        Sql::Array(array) if array.named => ("ARRAY[…]", &["ARRAY"]),
        Sql::Array(_) => ("ARRAY[…]", &["["]),
        Sql::Struct { .. } | Sql::Named { .. } => ("STRUCT", &["STRUCT"]),
        Sql::Map(_) | Sql::Dictionary(_) => ("MAP", &["MAP"]),
        Sql::Lambda(_) => ("lambda functions", &[]),
        Sql::GroupingSets(_) => ("GROUPING SETS", &["GROUPING", "SETS"]),
        Sql::Cube(_) => ("CUBE", &["CUBE"]),
        Sql::Rollup(_) => ("ROLLUP", &["ROLLUP"]),
        Sql::Wildcard(_) | Sql::QualifiedWildcard(..) => ("* here", &[]),
        Sql::IsJson { .. } => ("IS JSON … UNIQUE KEYS", &[]),
        Sql::IsNormalized { .. } => ("IS NORMALIZED", &[]),
        other => {
            let text: String = other.to_string().chars().take(40).collect();
            return RefusedForm { what: format!("the expression {text}"), head: &[], hint: None };
        }
    };
    let hint = match expr {
        Sql::InSubquery { .. } | Sql::Subquery(_) | Sql::Exists { .. } => Some(ONE_TABLE),
        Sql::GroupingSets(_) | Sql::Cube(_) | Sql::Rollup(_) => {
            Some("put one query for each grouping, and UNION ALL between them")
        }
        Sql::AnyOp { .. } | Sql::AllOp { .. } => Some("join comparisons with OR or AND"),
        Sql::Collate { .. } => Some("text compares by its bytes; LOWER(text) leaves case out"),
        Sql::AtTimeZone { .. } => Some("times are UTC; add or take away an INTERVAL"),
        Sql::Array(_) => Some("ARRAY_AGG gives arrays; none can be written"),
        Sql::Struct { .. } | Sql::Named { .. } | Sql::Tuple(_) => {
            Some("put each value into a column of its own")
        }
        Sql::Lambda(_) => Some("write the expression over columns"),
        _ => None,
    };
    RefusedForm { what: name.to_owned(), head, hint }
}
