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
    (
        "to_timestamp_ltz",
        "TO_TIMESTAMP(x) does the same as TO_TIMESTAMP_LTZ(x, 0), and EPOCH_MS(x) as TO_TIMESTAMP_LTZ(x, 3); times are UTC",
    ),
    ("json_string", "a VARCHAR column of JSON input has objects and arrays as their text"),
    ("collect", "ARRAY_AGG(x) does the same"),
    ("is_digit", "REGEXP_LIKE(text, '^[0-9]+$') does the same"),
    ("is_alpha", "REGEXP_LIKE(text, '^[[:alpha:]]+$') does the same"),
    ("is_decimal", "TRY_CAST(text AS DOUBLE) IS NOT NULL does the same"),
    ("split_index", "SPLIT_PART(text, separator, n) counts from 1"),
    ("str_to_map", "SPLIT_PART and REGEXP_EXTRACT read one value out of text"),
    ("sha2", "SHA256(text) does the same as SHA2(text, 256)"),
    // ksqlDB
    ("topk", "ROW_NUMBER() OVER (PARTITION BY key ORDER BY x DESC) numbers the first rows"),
    ("extractjsonfield", JSON),
    ("timestamptostring", FORMAT),
    ("format_timestamp", FORMAT),
    ("stringtotimestamp", READ),
    ("parse_timestamp", READ),
    ("unix_timestamp", "DATE_PART('epoch', time) does the same"),
    ("rowtime", "name the column of WATERMARK FOR"),
    ("rowkey", "name the column itself"),
    ("count_distinct", "COUNT(DISTINCT x) does the same"),
    ("topkdistinct", "ROW_NUMBER() OVER (PARTITION BY key ORDER BY x DESC) numbers the first rows"),
    ("histogram", "COUNT(*) … GROUP BY the value does it, with a row for each"),
    ("mask", "REGEXP_REPLACE(text, '[0-9]', 'n', 'g') does it for digits"),
    ("is_json_string", "text IS JSON does the same"),
    ("json_records", JSON),
    ("to_json_string", "a sink with 'format' = 'json' writes JSON"),
    ("array_max", "LIST_SORT(array)[-1] is the last in order"),
    ("array_min", "LIST_SORT(array)[1] is the first in order"),
    ("as_map", "put each value into a column of its own"),
    ("geo_distance", "write the formula of haversines with SIN, COS, ASIN and RADIANS"),
    ("as_value", "name the column itself"),
    // Arroyo
    ("extract_json", JSON),
    ("extract_json_string", JSON),
    ("get_first_json_object", JSON),
    // DuckDB, PostgreSQL, ClickHouse and others
    ("generate_series", "'connector' = 'datagen' makes rows, with 'fields.n.kind' = 'sequence'"),
    ("range", "'connector' = 'datagen' makes rows, with 'fields.n.kind' = 'sequence'"),
    ("mz_now", NO_CLOCK),
    ("mz_logical_timestamp", NO_CLOCK),
    ("jsonb_array_length", "JSON_ARRAY_LENGTH(text) does the same"),
    ("jsonb_typeof", "JSON_TYPE(text) does it, with DuckDB's names"),
    ("json_typeof", "JSON_TYPE(text) does it, with DuckDB's names"),
    ("jsonb_agg", "ARRAY_AGG(x) of a sink with 'format' = 'json' is a JSON array"),
    ("json_agg", "ARRAY_AGG(x) of a sink with 'format' = 'json' is a JSON array"),
    (
        "jsonb_build_object",
        "a sink with 'format' = 'json' writes the columns of a row as an object",
    ),
    ("json_build_object", "a sink with 'format' = 'json' writes the columns of a row as an object"),
    ("json_object", "a sink with 'format' = 'json' writes the columns of a row as an object"),
    ("jsonb_pretty", "JSON is given as it is written"),
    ("regexp_match", "REGEXP_EXTRACT(text, pattern, 1) gives a group of the match"),
    ("list_agg", "LISTAGG joins texts, ARRAY_AGG(x) makes an array"),
    ("approx_median", "APPROX_QUANTILE(x, 0.5) does the same"),
    ("approx_percentile_cont", "APPROX_QUANTILE(x, fraction) does the same"),
    ("to_timestamp_millis", "TO_TIMESTAMP(milliseconds / 1000.0) does the same"),
    ("to_timestamp_seconds", "TO_TIMESTAMP(seconds) does the same"),
    ("generate_subscripts", "FROM range(1, n) gives numbers"),
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
