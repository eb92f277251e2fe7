//! What `sqlparser` expected where it gave up, in words of ours and with what to write.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::clauses::{Context, context_at};
use crate::scan::{is_token, is_word, lower_first};
use crate::tokens::shown;

/// A message, and what to do about it.
type Finding = (String, Option<String>);

/// What a message of `sqlparser` about the token at `at` says to somebody who does not know its grammar.
pub(crate) fn reworded(message: &str, tokens: &[TokenWithSpan], at: usize) -> Finding {
    let place = match tokens.get(at) {
        Some(token) => format!("before {}", shown(token)),
        None => "at the end of the statement".to_owned(),
    };
    let with = |message: String, hint: &str| (message, Some(hint.to_owned()));
    let expected = message
        .strip_prefix("Expected: ")
        .or_else(|| message.strip_prefix("Expected "))
        .and_then(|rest| rest.rsplit_once(", found: "))
        .map(|(expected, _)| expected);
    match expected {
        Some("an expression" | "an expression:") => missing_expression(tokens, at, &place),
        Some("identifier" | "table name" | "an object name") => missing_name(tokens, at, &place),
        Some("a data type name") => with(
            format!("a type is missing {place}"),
            "types are BIGINT, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE, TIMESTAMP and others",
        ),
        Some("date/time field") => with(
            "this is no unit of time".to_owned(),
            "units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, YEAR and others",
        ),
        Some(")") if context_at(tokens, at) == Context::List => with(
            format!("a comma or ) is missing {place}"),
            "a list stands in brackets, with commas between",
        ),
        Some(sign @ ("(" | ")" | "=" | ",")) => (format!("{sign} is missing {place}"), None),
        Some(is) if is.starts_with("[NOT] NULL | TRUE") => with(
            "IS takes NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM, each also behind NOT".to_owned(),
            "values are compared with = and <>",
        ),
        Some(other) => {
            let found = tokens.get(at).map_or_else(|| "the end of the statement".to_owned(), shown);
            (format!("expected {other}, found {found}"), None)
        }
        None if message.starts_with("Expected 'FROM' or ','") => with(
            "EXTRACT takes a unit, FROM, and a time".to_owned(),
            "write EXTRACT(HOUR FROM time)",
        ),
        None => (lower_first(message), None),
    }
}

fn missing_expression(tokens: &[TokenWithSpan], at: usize, place: &str) -> Finding {
    let before = |word: &str| at > 0 && is_word(tokens, at - 1, word);
    let hint = if ["WHERE", "HAVING", "AND", "OR", "ON", "WHEN"].into_iter().any(before) {
        format!("a condition follows {}", shown(&tokens[at - 1]).to_uppercase())
    } else if before("DISTINCT") && context_at(tokens, at) == Context::List {
        "a value follows DISTINCT: COUNT(DISTINCT column)".to_owned()
    } else if before("SELECT") || before("DISTINCT") {
        "name columns behind SELECT, or * for all".to_owned()
    } else if before("BY") {
        format!("columns follow {} BY", shown(&tokens[at.saturating_sub(2)]).to_uppercase())
    } else if before("LIMIT") || before("OFFSET") {
        format!("a number follows {}", shown(&tokens[at - 1]).to_uppercase())
    } else if at > 0 && is_token(tokens, at - 1, &Token::LParen) {
        "put a value between the brackets".to_owned()
    } else if at > 0 {
        format!("a value follows {}", shown(&tokens[at - 1]))
    } else {
        "a value is a column, a constant or a call".to_owned()
    };
    (format!("an expression is missing {place}"), Some(hint))
}

fn missing_name(tokens: &[TokenWithSpan], at: usize, place: &str) -> Finding {
    let is_table =
        at > 0 && (is_word(tokens, at - 1, "FROM") || is_token(tokens, at - 1, &Token::Comma));
    if is_table {
        let hint = "the name of a source, or the path of files in single quotes, follows FROM";
        return (format!("a table is missing {place}"), Some(hint.to_owned()));
    }
    (
        format!("a name is missing {place}"),
        Some("a name begins with a letter; others stand in double quotes".to_owned()),
    )
}
