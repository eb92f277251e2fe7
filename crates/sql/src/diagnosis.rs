//! What a statement that does not parse was meant to say: constructs of SQL that `sqlparser` has no
//! grammar for here, found by their words around the place where it gave up.
//!
//! Only text that is wrong anyway is looked at, so that no name of a column can be taken for one.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::from::{NO_ROWS_OF_ARRAYS, ONE_TABLE, SAMPLED};

/// A construct that is not supported.
#[derive(Debug)]
pub(crate) struct Construct {
    /// Its first words and signs; `#` is any number.
    pattern: &'static [&'static str],
    /// How many tokens behind its first the parser may give up.
    reach: usize,
    /// How many tokens at its head only say where it may stand.
    lead: usize,
    /// What it is called.
    pub(crate) what: &'static str,
    /// What to write instead, if something does the same.
    pub(crate) hint: Option<&'static str>,
}

/// A construct that no name can be taken for.
const fn clear(
    pattern: &'static [&'static str],
    what: &'static str,
    hint: Option<&'static str>,
) -> Construct {
    Construct { pattern, reach: 12, lead: 0, what, hint }
}

/// A word that may be a name too: the parser gives up at it, or at what follows.
const fn word(
    pattern: &'static [&'static str],
    what: &'static str,
    hint: Option<&'static str>,
) -> Construct {
    Construct { pattern, reach: 1, lead: 0, what, hint }
}

/// Words that may be names too, of which the parser gives up at the second, or at what follows that.
const fn near(
    pattern: &'static [&'static str],
    what: &'static str,
    hint: Option<&'static str>,
) -> Construct {
    Construct { pattern, reach: 2, lead: 0, what, hint }
}

/// Tokens of which the first ones are no part of the construct.
const fn led(
    lead: usize,
    pattern: &'static [&'static str],
    what: &'static str,
    hint: Option<&'static str>,
) -> Construct {
    Construct { pattern, reach: 12, lead, what, hint }
}

const EXPLAINED: Option<&str> = Some("write EXPLAIN or EXPLAIN ANALYZE");
const SYSTEM_TIME: &str = "FOR SYSTEM_TIME AS OF";
const EACH: Option<&str> = Some("put one query for each grouping, and UNION ALL between them");
const ONE_TABLE_HINT: Option<&str> = Some(ONE_TABLE);
const SAMPLE: &str = "TABLESAMPLE";
const LIMIT: Option<&str> = Some("LIMIT n does the same without it");
const STRING_AGG: Option<&str> = Some("write STRING_AGG(text, separator)");

const ON_EMPTY: Option<&str> = Some(
    "JSON_VALUE(…), JSON_QUERY(…) and JSON_EXISTS(…) have NULL, ERROR or DEFAULT value ON EMPTY and ON ERROR",
);

const CONSTRUCTS: &[Construct] = &[
    // FROM
    clear(&["FOR", "SYSTEM_TIME"], SYSTEM_TIME, Some("a source has no versions")),
    clear(&["FOR", "SYSTEM_VERSION"], "FOR SYSTEM_VERSION AS OF", Some("a source has no versions")),
    clear(&["FOR", "TIMESTAMP"], "FOR TIMESTAMP AS OF", Some("a source has no versions")),
    clear(&["FOR", "VERSION"], "FOR VERSION AS OF", Some("a source has no versions")),
    word(&["MATCH_RECOGNIZE"], "MATCH_RECOGNIZE", None),
    clear(&["PIVOT", "("], "PIVOT", Some("write SUM(x) FILTER (WHERE …) for each column")),
    clear(&["UNPIVOT", "("], "UNPIVOT", Some("bring columns together with UNION ALL")),
    word(&["LATERAL"], "LATERAL", ONE_TABLE_HINT),
    clear(&["UNNEST", "("], "UNNEST", Some(NO_ROWS_OF_ARRAYS)),
    clear(&["CROSS", "APPLY"], "CROSS APPLY", None),
    clear(&["OUTER", "APPLY"], "OUTER APPLY", None),
    clear(&["ASOF", "JOIN"], "JOIN", ONE_TABLE_HINT),
    clear(&["JOIN"], "JOIN", ONE_TABLE_HINT),
    clear(&["USING", "SAMPLE"], SAMPLE, Some(SAMPLED)),
    word(&["TABLESAMPLE"], SAMPLE, Some(SAMPLED)),
    clear(&["WITH", "ORDINALITY"], "WITH ORDINALITY", None),
    clear(&["WITH", "OFFSET"], "WITH OFFSET", None),
    word(&["PARTITION", "("], "PARTITION (…)", None),
    word(&["BY", "NAME"], "BY NAME", Some("columns go by their place")),
    clear(&["USE", "INDEX"], "table hints", None),
    clear(&["FORCE", "INDEX"], "table hints", None),
    clear(&["IGNORE", "INDEX"], "table hints", None),
    clear(&["INDEXED", "BY"], "table hints", None),
    clear(&["NOT", "INDEXED"], "table hints", None),
    near(
        &["PARTITION", "BY"],
        "PARTITION BY of a query",
        Some("leave it out: GROUP BY has the keys, and a sink of files 'partition.by'"),
    ),
    near(&["AS", "OF"], "AS OF", Some("a source has no versions")),
    near(
        &["FROM", "LOAD", "GENERATOR"],
        "LOAD GENERATOR",
        Some("write CREATE SOURCE name WITH ('connector' = 'generator', 'schema' = 'trades')"),
    ),
    near(&["OPTIONS", "("], "OPTIONS (…) of a query", Some("leave it out")),
    Construct {
        reach: 1,
        ..led(1, &[")", "LIKE"], "LIKE of a table", Some("write its columns and options again"))
    },
    // SELECT
    clear(&["GROUPING", "SETS"], "GROUPING SETS", EACH),
    clear(&["SELECT", "AS", "STRUCT"], "SELECT AS STRUCT", None),
    clear(&["SELECT", "AS", "VALUE"], "SELECT AS VALUE", None),
    word(&["PREWHERE"], "PREWHERE", Some("write WHERE")),
    word(&["MINUS"], "MINUS", None),
    clear(&["LIMIT", "#", "BY"], "LIMIT … BY", None),
    led(2, &["LIMIT", "#", "PERCENT"], "PERCENT", LIMIT),
    led(2, &["LIMIT", "#", "%"], "LIMIT … %", LIMIT),
    clear(&["WITH", "TIES"], "WITH TIES", LIMIT),
    clear(&["WITH", "FILL"], "WITH FILL", None),
    word(&["INTERPOLATE"], "INTERPOLATE", None),
    word(&["USING", "<"], "ORDER BY … USING", Some("write ASC or DESC")),
    word(&["USING", ">"], "ORDER BY … USING", Some("write ASC or DESC")),
    word(&["FORMAT"], "FORMAT", Some("a sink says its format")),
    word(&["SETTINGS"], "SETTINGS", Some("write SET key = value before the query")),
    clear(&["OPTION", "("], "OPTION (…)", None),
    clear(&["AS", "MATERIALIZED"], "MATERIALIZED in WITH", None),
    clear(&["AS", "NOT", "MATERIALIZED"], "MATERIALIZED in WITH", None),
    clear(&["MODEL", "DIMENSION"], "MODEL", None),
    clear(&["WITH", "MUTUALLY"], "WITH MUTUALLY RECURSIVE", None),
    // OVER
    near(
        &["SESSION", "WITH"],
        "SESSION in a frame",
        Some("write GROUP BY … WINDOW SESSION (time, 5m)"),
    ),
    clear(&["EXCLUDE", "CURRENT"], "EXCLUDE in a frame", None),
    clear(&["EXCLUDE", "GROUP"], "EXCLUDE in a frame", None),
    clear(&["EXCLUDE", "TIES"], "EXCLUDE in a frame", None),
    clear(&["EXCLUDE", "NO"], "EXCLUDE in a frame", Some("leave it out")),
    led(1, &[")", "FROM", "LAST"], "FROM LAST", None),
    led(1, &[")", "FROM", "FIRST"], "FROM FIRST", Some("leave it out")),
    // Calls
    led(1, &[")", "("], "a second list of arguments", None),
    word(&["SEPARATOR"], "SEPARATOR", STRING_AGG),
    clear(&["ON", "OVERFLOW"], "ON OVERFLOW", STRING_AGG),
    clear(&["ON", "EMPTY"], "ON EMPTY", ON_EMPTY),
    clear(&["ON", "ERROR"], "ON ERROR", ON_EMPTY),
    word(&["DEFAULT"], "DEFAULT", None),
    word(&["RETURNING"], "RETURNING", None),
    clear(&["HAVING", "MAX"], "HAVING MAX in a call", None),
    clear(&["HAVING", "MIN"], "HAVING MIN in a call", None),
    word(&["LAMBDA"], "lambda functions", None),
    clear(&["STRUCT", "("], "STRUCT(…)", None),
    clear(&["MAP", "{"], "MAP {…}", None),
    clear(&["WEEK", "("], "WEEK(day)", Some("weeks begin on Monday")),
    Construct { reach: 1, ..led(1, &["(", "ORDER", "BY"], "ORDER BY in a call", None) },
    clear(&["BOTH", "FROM"], "TRIM(BOTH FROM …)", Some("write TRIM(text)")),
    clear(&["LEADING", "FROM"], "TRIM(LEADING FROM …)", Some("write LTRIM(text)")),
    clear(&["TRAILING", "FROM"], "TRIM(TRAILING FROM …)", Some("write RTRIM(text)")),
    // Expressions
    word(&["OVERLAPS"], "OVERLAPS", Some("compare the bounds")),
    clear(
        &["SIMILAR"],
        "SIMILAR TO",
        Some("REGEXP_LIKE(text, pattern) matches a regular expression"),
    ),
    clear(&["IS", "JSON"], "IS JSON", None),
    clear(&["IS", "NOT", "JSON"], "IS JSON", None),
    clear(&["IS", "OF"], "IS OF", None),
    clear(&["AT", "TIME", "ZONE"], "AT TIME ZONE", Some("times are UTC")),
    clear(&["AT", "LOCAL"], "AT LOCAL", Some("times are UTC")),
    clear(&["MEMBER", "OF"], "MEMBER OF", None),
    clear(&["INTERVAL", "DAY"], "INTERVAL with fields", Some("write INTERVAL")),
    clear(&["INTERVAL", "YEAR"], "INTERVAL with fields", Some("write INTERVAL")),
    word(&["MOD"], "the operator MOD", Some("write % or MOD(x, y)")),
    word(&["DIV"], "the operator DIV", Some("/ of integers leaves the fraction out")),
    word(&["GLOB"], "GLOB", Some("write LIKE or REGEXP_LIKE(text, pattern)")),
    word(&["MATCH"], "MATCH", Some("REGEXP_LIKE(text, pattern) matches a regular expression")),
    word(&["BINARY"], "BINARY", Some("text compares by its bytes")),
    word(&["ISNULL"], "ISNULL", Some("write IS NULL")),
    word(&["NOTNULL"], "NOTNULL", Some("write IS NOT NULL")),
    near(&["?"], "the operator ?", Some("JSON_EXISTS(text, '$.key') asks for a key")),
    // Statements
    near(&["EXPLAIN", "ESTIMATED_COST"], "EXPLAIN ESTIMATED_COST", EXPLAINED),
    near(&["EXPLAIN", "CHANGELOG_MODE"], "EXPLAIN CHANGELOG_MODE", EXPLAINED),
    near(&["EXPLAIN", "JSON_EXECUTION_PLAN"], "EXPLAIN JSON_EXECUTION_PLAN", EXPLAINED),
    near(&["EXPLAIN", "PLAN_ADVICE"], "EXPLAIN PLAN_ADVICE", EXPLAINED),
    near(&["EXPLAIN", "OPTIMIZED"], "EXPLAIN OPTIMIZED", EXPLAINED),
    near(&["EXPLAIN", "DECORRELATED"], "EXPLAIN DECORRELATED", EXPLAINED),
    near(&["EXPLAIN", "LOCALLY"], "EXPLAIN LOCALLY", EXPLAINED),
    near(&["EXPLAIN", "RAW"], "EXPLAIN RAW", EXPLAINED),
    near(&["EXPLAIN", "PHYSICAL"], "EXPLAIN PHYSICAL", EXPLAINED),
    near(&["EXPLAIN", "LOGICAL"], "EXPLAIN LOGICAL", EXPLAINED),
    near(&["EXPLAIN", "TIMESTAMP"], "EXPLAIN TIMESTAMP", EXPLAINED),
    near(&["EXPLAIN", "FILTER"], "EXPLAIN FILTER", EXPLAINED),
    near(&["EXPLAIN", "LINEAGE"], "EXPLAIN LINEAGE", EXPLAINED),
    word(&["EXPLAIN", "VERBOSE"], "EXPLAIN VERBOSE", Some("write EXPLAIN or EXPLAIN ANALYZE")),
    word(&["EXPLAIN", "EXTENDED"], "EXPLAIN EXTENDED", Some("write EXPLAIN or EXPLAIN ANALYZE")),
    word(&["EXPLAIN", "PLAN"], "EXPLAIN PLAN", Some("write EXPLAIN or EXPLAIN ANALYZE")),
    clear(&["EXPLAIN", "("], "EXPLAIN (…)", Some("write EXPLAIN or EXPLAIN ANALYZE")),
    clear(&["EMIT", "ON"], "EMIT ON …", Some("write EMIT ON WINDOW CLOSE or EMIT FINAL")),
    clear(&["EMIT", "AFTER"], "EMIT AFTER", Some("write EMIT FINAL or EMIT CHANGES")),
    clear(&["EMIT", "WITH"], "EMIT WITH", Some("write EMIT FINAL or EMIT CHANGES")),
    clear(&["IF", "NOT", "EXISTS"], "IF NOT EXISTS", Some("a script declares a name once")),
    clear(
        &["INSERT", "OVERWRITE"],
        "INSERT OVERWRITE",
        Some("a sink has 'on.existing' = 'replace'"),
    ),
    clear(&["INSERT", "OR"], "INSERT OR …", Some("write INSERT INTO")),
    clear(&["OR", "REPLACE"], "OR REPLACE", Some("a sink has 'on.existing' = 'replace'")),
    clear(&["INTO", "TABLE"], "INTO TABLE", Some("write INSERT INTO name")),
    clear(&["ON", "CONFLICT"], "ON CONFLICT", None),
    clear(&["ON", "DUPLICATE"], "ON DUPLICATE KEY", None),
    clear(
        &["PRIMARY", "KEY"],
        "PRIMARY KEY",
        Some("leave it out: no row is looked for by its key"),
    ),
    word(&["UNIQUE"], "UNIQUE", Some("leave it out, or write SELECT DISTINCT")),
    clear(&["FOREIGN", "KEY"], "FOREIGN KEY", None),
    word(&["COMMENT"], "COMMENT", Some("write -- and the comment")),
    word(&["CHECK"], "CHECK", Some("write WHERE in the query")),
    word(&["REFERENCES"], "REFERENCES", None),
];

/// The construct nearest to the token where parsing gave up: its tokens, and what it is.
pub(crate) fn construct_at(
    tokens: &[TokenWithSpan],
    at: usize,
) -> Option<(std::ops::Range<usize>, &'static Construct)> {
    let mut best: Option<(std::ops::Range<usize>, &Construct)> = None;
    for construct in CONSTRUCTS {
        let reach = construct.reach + construct.lead;
        let first = at.saturating_sub(reach);
        for start in first..=at {
            let begin = start + construct.lead;
            let end = start + construct.pattern.len();
            let is_found = construct
                .pattern
                .iter()
                .enumerate()
                .all(|(index, wanted)| is_element(tokens.get(start + index), wanted));
            let is_nearer = |range: &std::ops::Range<usize>| {
                (begin, end - begin) > (range.start, range.end - range.start)
            };
            if is_found && best.as_ref().is_none_or(|(range, _)| is_nearer(range)) {
                best = Some((begin..end, construct));
            }
        }
    }
    best
}

fn is_element(token: Option<&TokenWithSpan>, wanted: &str) -> bool {
    match token.map(|token| &token.token) {
        Some(Token::Number(..)) => wanted == "#",
        Some(Token::Word(word)) => {
            word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted)
        }
        Some(Token::SingleQuotedString(_)) | None => false,
        Some(other) => other.to_string() == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::TidemillDialect;
    use sqlparser::tokenizer::Tokenizer;

    fn check(text: &str, at: usize, expected: Option<(&str, usize)>) {
        let tokens = Tokenizer::new(&TidemillDialect, text).tokenize_with_location();
        let tokens: Vec<TokenWithSpan> = tokens
            .expect("tokens")
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_)))
            .collect();
        let found = construct_at(&tokens, at).map(|(range, found)| (found.what, range.start));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_nearest_construct_is_named() {
        check("FROM t FOR SYSTEM_TIME AS OF x", 3, Some((SYSTEM_TIME, 2)));
        check("SELECT NTH_VALUE(a, 2) FROM LAST OVER ()", 9, Some(("FROM LAST", 7)));
        check("SELECT a LIMIT 1 BY a", 4, Some(("LIMIT … BY", 2)));
        // A column of that name, far from what is wrong.
        check("SELECT format, a, b, c FROM t WHERE WHERE", 11, None);
        check("SELECT \"unnest\" (", 2, None);
    }
}
