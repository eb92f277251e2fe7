//! Functions that streaming engines have under names of their own, and what does the same here.

const NO_CLOCK: &str = "results would depend on when records are read, and could not be repeated; declare WATERMARK FOR a \
                        column of event times";
const JSON: &str = "text ->> '$.key' reads it out of JSON";
const READ: &str =
    "STRPTIME(text, '%Y-%m-%d %H:%M:%S') does the same, TO_TIMESTAMP(text) reads ISO 8601";
const FORMAT: &str = "DATE_FORMAT(time, '%Y-%m-%d %H:%M:%S') does the same";

/// Names, and what to write instead.
const OTHERS: &[(&str, &str)] = &[
    // Flink
    ("proctime", NO_CLOCK),
    ("current_watermark", "the watermark decides what is late, and is not part of a row"),
    ("to_timestamp_ltz", "TO_TIMESTAMP(seconds) does the same; times are UTC"),
    ("json_string", "a VARCHAR column of JSON input has objects and arrays as their text"),
    ("collect", "ARRAY_AGG(x) does the same"),
    // ksqlDB
    ("topk", "ROW_NUMBER() OVER (PARTITION BY key ORDER BY x DESC) numbers the first rows"),
    ("extractjsonfield", JSON),
    ("timestamptostring", FORMAT),
    ("format_timestamp", FORMAT),
    ("stringtotimestamp", READ),
    ("parse_timestamp", READ),
    ("unix_timestamp", "DATE_PART('epoch', time) does the same"),
    ("rowtime", "name the column of WATERMARK FOR"),
    ("as_value", "name the column itself"),
    // Arroyo
    ("extract_json", JSON),
    ("extract_json_string", JSON),
    ("get_first_json_object", JSON),
    // DuckDB, PostgreSQL, ClickHouse and others
    ("generate_series", "'connector' = 'datagen' makes rows, with 'fields.n.kind' = 'sequence'"),
    ("range", "'connector' = 'datagen' makes rows, with 'fields.n.kind' = 'sequence'"),
    ("to_number", "CAST(text AS DOUBLE) does the same"),
    ("safe_cast", "TRY_CAST(x AS type) does the same"),
    ("isnull", "write x IS NULL, or COALESCE(x, value)"),
    ("sumif", "SUM(x) FILTER (WHERE …) does the same"),
    ("uniq", "COUNT(DISTINCT x) does the same, APPROX_COUNT_DISTINCT(x) nearly"),
    ("row_number_in_block", "ROW_NUMBER() OVER () numbers rows as they arrive"),
];

/// What to write instead of a function of another engine.
pub(crate) fn instead_of(name: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead)
}
