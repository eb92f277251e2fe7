//! What a statement that does not parse was most likely meant to be: brackets, commas and operators that are
//! missing, clauses out of order, words that are misspelt or reserved.
//!
//! Start with [`mistake_at`]. Only text that is wrong anyway is looked at, from the token where the parser
//! gave up. Constructs of other dialects are in `diagnosis`, what stands at a place in `clauses`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::clauses::{Context, clause_at, clauses_before, context_at, is_statement_start};
use crate::scan::{is_token, is_word};
use crate::suggest::nearest;
use crate::tokens::shown;

/// A finding about the tokens `first..=last`.
#[derive(Debug, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Mistake {
    fn at(place: usize, message: impl Into<String>, hint: impl Into<String>) -> Option<Self> {
        let hint = Some(hint.into());
        Some(Self { first: place, last: place, message: message.into(), hint })
    }
}

type Rule = fn(&[TokenWithSpan], usize) -> Option<Mistake>;

/// The first that finds something speaks; what is certain stands before what is likely.
const RULES: [Rule; 19] = [
    closing_bracket,
    open_bracket,
    case_shape,
    bare_list,
    bare_pattern,
    missing_alias,
    operator,
    bare_duration,
    filter_without_where,
    doubled_word,
    emit,
    misspelt,
    reserved_name,
    missing_by,
    comma_too_many,
    clause_order,
    second_statement,
    comma_in_condition,
    missing_separator,
];

/// What is wrong at or before the token where the parser gave up; `at` may be one past the last.
pub(crate) fn mistake_at(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    RULES.iter().find_map(|rule| rule(tokens, at))
}

/// A closing bracket that has no partner.
fn closing_bracket(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    if !is_token(tokens, at, &Token::RParen) || !open_brackets(tokens, at).is_empty() {
        return None;
    }
    Mistake::at(at, "this ) closes no (", "delete it, or put the ( where it belongs")
}

/// A bracket that is open where a clause begins, or where the statement ends.
fn open_bracket(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let open = *open_brackets(tokens, at).last()?;
    let holds_query =
        ["SELECT", "WITH", "FROM", "VALUES"].iter().any(|word| is_word(tokens, open + 1, word));
    let ends = tokens.get(at).is_none()
        || is_statement_start(tokens, at) && !is_word(tokens, at, "SELECT");
    let is_clause = clause_at(tokens, at).is_some() && !is_word(tokens, at, "SELECT");
    if !(ends || is_clause && !holds_query) {
        return None;
    }
    let before = match tokens.get(at) {
        Some(token) => format!("before {}", shown(token)),
        None => "before the statement ends".to_owned(),
    };
    Mistake::at(open, format!("this ( is not closed {before}"), "put the ) where it belongs")
}

/// Places of the brackets that are open before a token.
fn open_brackets(tokens: &[TokenWithSpan], at: usize) -> Vec<usize> {
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate().take(at) {
        match token.token {
            Token::LParen => open.push(index),
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
    }
    open
}

/// A `CASE` without its `WHEN`, `THEN` or `END`.
fn case_shape(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    const FORM: &str = "write CASE WHEN condition THEN value ELSE value END";
    let case = (0..=at.min(tokens.len().saturating_sub(1)))
        .rev()
        .find(|&index| is_word(tokens, index, "CASE"))?;
    let mut depth = 0_usize;
    let (mut when, mut then, mut end) = (false, false, None);
    for index in case + 1..tokens.len() {
        let is = |word: &str| is_word(tokens, index, word);
        match &tokens[index].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen => depth -= 1,
            _ if depth > 0 => {}
            _ if is("CASE") => break,
            _ if is("WHEN") => when = true,
            _ if is("THEN") => then = true,
            _ if is("END") => {
                end = Some(index);
                break;
            }
            _ => {}
        }
    }
    // A whole CASE before the place is not what is wrong.
    if end.is_some_and(|end| end < at && when && then) {
        return None;
    }
    let missing = match (when, then, end) {
        (false, ..) => "WHEN",
        (_, false, _) => "THEN",
        (_, _, None) => "END",
        _ => return None,
    };
    Mistake::at(case, format!("this CASE has no {missing}"), FORM)
}

/// `IN 1, 2` and `BETWEEN 1, 2`.
fn bare_list(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    for index in at.saturating_sub(3)..(at + 4).min(tokens.len()) {
        if is_word(tokens, index, "IN") && !is_token(tokens, index + 1, &Token::LParen) {
            let value = tokens.get(index + 1).map_or_else(|| "…".to_owned(), shown);
            return Mistake::at(
                index,
                "the values of IN stand in brackets",
                format!("write IN ({value}, …)"),
            );
        }
        if is_word(tokens, index, "BETWEEN") && is_token(tokens, index + 2, &Token::Comma) {
            return Mistake::at(
                index + 2,
                "AND stands between the bounds of BETWEEN",
                "write BETWEEN low AND high",
            );
        }
    }
    None
}

/// `LIKE A%`.
fn bare_pattern(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let like = (at.saturating_sub(3)..=at.min(tokens.len().saturating_sub(1)))
        .find(|&index| is_word(tokens, index, "LIKE") || is_word(tokens, index, "ILIKE"))?;
    let pattern: String = tokens[like + 1..].iter().map(shown).take(2).collect();
    let is_bare = pattern.contains(['%', '*']) && !pattern.starts_with('\'');
    if !is_bare {
        return None;
    }
    let message = format!("the pattern of {} stands in single quotes", shown(&tokens[like]));
    Mistake::at(like + 1, message, format!("write {} '{pattern}'", shown(&tokens[like])))
}

/// `SELECT a AS FROM t`: the parser has taken the clause's word for the alias.
fn missing_alias(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let clause = at.checked_sub(1)?;
    let is_taken =
        is_word(tokens, clause, "FROM") && clause > 0 && is_word(tokens, clause - 1, "AS");
    if !is_taken {
        return None;
    }
    let message = "a name is missing between AS and FROM";
    Mistake::at(clause, message, "write AS name, or leave AS out")
}

/// An operator that there is not.
fn operator(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let found = &tokens.get(at)?.token;
    let (what, hint) = match found {
        Token::RArrow => ("=>", "write >= to compare"),
        Token::Colon => (":", "write CAST(x AS type) or x::type to convert"),
        Token::Period => (".", "a name follows a point, and stands before it: table.column"),
        Token::LBracket => (
            "[",
            "arrays cannot be read by place; text stands in single quotes, a name in double quotes",
        ),
        _ => return None,
    };
    Mistake::at(at, format!("{what} is no operator here"), hint)
}

/// Units of time, as they stand behind a number elsewhere.
const UNITS: [&str; 14] = [
    "MILLISECOND",
    "MILLISECONDS",
    "SECOND",
    "SECONDS",
    "MINUTE",
    "MINUTES",
    "HOUR",
    "HOURS",
    "DAY",
    "DAYS",
    "WEEK",
    "WEEKS",
    "MONTH",
    "MONTHS",
];

/// `5 MINUTES`, and a unit that `INTERVAL` does not know.
fn bare_duration(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let number = at.checked_sub(1)?;
    let is_after_interval = number > 0 && is_word(tokens, number - 1, "INTERVAL");
    let Token::Word(unit) = &tokens.get(at)?.token else { return None };
    if is_after_interval && unit.quote_style.is_none() {
        let hint = "units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, YEAR and others";
        return Mistake::at(at, format!("{} is no unit of time", unit.value), hint);
    }
    let Token::Number(count, _) = &tokens[number].token else { return None };
    let unit = UNITS.iter().find(|unit| is_word(tokens, at, unit))?;
    let hint = format!("write INTERVAL '{count}' {}", unit.strip_suffix('S').unwrap_or(unit));
    let message = format!("a span of time needs INTERVAL before it: {count} {unit}");
    Some(Mistake { last: at, ..Mistake::at(number, message, hint)? })
}

/// `FILTER (a > 1)`.
fn filter_without_where(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let open = (at.saturating_sub(4)..at.min(tokens.len())).rev().find(|&index| {
        is_token(tokens, index, &Token::LParen) && index > 0 && is_word(tokens, index - 1, "FILTER")
    })?;
    if is_word(tokens, open + 1, "WHERE") {
        return None;
    }
    Mistake::at(open, "WHERE is missing behind FILTER (", "write FILTER (WHERE condition)")
}

/// `a OR OR b`: the parser has taken the second for a name.
fn doubled_word(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let is_joint = |index: usize| ["AND", "OR"].iter().any(|word| is_word(tokens, index, word));
    let second = [at, at.checked_sub(1)?].into_iter().find(|&index| {
        is_joint(index) && index > 0 && (is_joint(index - 1) || is_word(tokens, index - 1, "WHERE"))
    })?;
    let (before, word) = (shown(&tokens[second - 1]), shown(&tokens[second]));
    Mistake::at(
        second,
        format!("a condition is missing between {before} and {word}"),
        format!("delete one of the two words, or put a condition before {word}"),
    )
}

/// `EMIT` with another word behind it than the modes have.
fn emit(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    if !is_word(tokens, at, "EMIT") {
        return None;
    }
    let last = (at + 1).min(tokens.len() - 1);
    let hint = "write EMIT FINAL, EMIT CHANGES or EMIT CHANGES EVERY n ROWS";
    Some(Mistake { last, ..Mistake::at(at, "unknown mode of EMIT", hint)? })
}

/// Words that a misspelt one may have been meant for.
const WORDS: [&str; 37] = [
    "SELECT",
    "DISTINCT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "UNION ALL",
    "UNION",
    "WINDOW",
    "JOIN",
    "LEFT",
    "INNER",
    "AND",
    "OR",
    "NOT",
    "LIKE",
    "ILIKE",
    "BETWEEN",
    "IN",
    "IS",
    "NULL",
    "AS",
    "ASC",
    "DESC",
    "NULLS",
    "FIRST",
    "LAST",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
];

/// A word that is none, but nearly one: the parser gives up at it, or took it for an alias before.
fn misspelt(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let candidates = [Some(at), at.checked_sub(1)];
    candidates.into_iter().flatten().find_map(|index| {
        let Token::Word(word) = &tokens.get(index)?.token else { return None };
        // Known words are not misspelt, and what stands behind AS or a point is a name.
        let is_name = index > 0
            && (is_word(tokens, index - 1, "AS") || is_token(tokens, index - 1, &Token::Period));
        if word.quote_style.is_some() || word.keyword != Keyword::NoKeyword || is_name || index == 0
        {
            return None;
        }
        let meant = match word.value.to_uppercase().as_str() {
            "DESCENDING" => "DESC",
            "ASCENDING" => "ASC",
            upper => nearest(upper, WORDS)?,
        };
        Mistake::at(
            index,
            format!("{} is no word of SQL here", word.value),
            format!("did you mean {meant}?"),
        )
    })
}

/// Words that no name without quotes can be where the parser gives up at them.
fn reserved_name(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let Token::Word(word) = &tokens.get(at)?.token else { return None };
    if word.quote_style.is_some() || word.keyword == Keyword::NoKeyword || at == 0 {
        return None;
    }
    let stands_as_name = match tokens.get(at + 1).map(|next| &next.token) {
        None => !ends_value(&tokens[at - 1]),
        Some(Token::Comma | Token::RParen) => true,
        Some(Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq) => {
            !ends_value(&tokens[at - 1])
        }
        Some(Token::Word(_)) => is_word(tokens, at + 1, "FROM") && word.keyword != Keyword::FROM,
        _ => false,
    };
    // `SELECT FROM` and `a, FROM` lack something else.
    if !stands_as_name || ends_clause_early(tokens, at) {
        return None;
    }
    let name = word.value.to_lowercase();
    Mistake::at(
        at,
        format!("{} is a word of SQL", word.value),
        format!("as a name it stands in double quotes: \"{name}\""),
    )
}

/// `GROUP a` and `ORDER a`.
fn missing_by(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let word = ["GROUP", "ORDER"].into_iter().find(|word| is_word(tokens, at, word))?;
    if is_word(tokens, at + 1, "BY") {
        return None;
    }
    Mistake::at(at, format!("BY is missing behind {word}"), format!("write {word} BY column, …"))
}

/// A comma with nothing behind it.
fn comma_too_many(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let comma = at.checked_sub(1).filter(|&before| is_token(tokens, before, &Token::Comma))?;
    let found = match tokens.get(at) {
        Some(token) => shown(token),
        None => "the end of the statement".to_owned(),
    };
    let hint = "delete it, or put what is missing behind it";
    Mistake::at(comma, format!("a comma too many before {found}"), hint)
}

/// Whether a clause begins right behind a word or comma that something has to follow.
fn ends_clause_early(tokens: &[TokenWithSpan], at: usize) -> bool {
    is_word(tokens, at, "FROM")
        && tokens.get(at + 1).is_some_and(|next| {
            matches!(next.token, Token::Word(_) | Token::LParen | Token::SingleQuotedString(_))
        })
}

/// A clause a second time, or behind one that it belongs before.
fn clause_order(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let clause = clause_at(tokens, at).filter(|clause| clause.name != "SELECT")?;
    let before = clauses_before(tokens, at);
    if let Some(same) = before.iter().find(|other| other.name == clause.name) {
        let hint = match same.name {
            "WHERE" | "HAVING" => "join conditions with AND or OR",
            "GROUP BY" | "ORDER BY" => "join keys with commas",
            _ => "a query has one",
        };
        return Mistake::at(at, format!("a second {}", clause.name), hint);
    }
    let later = before.iter().find(|other| other.rank > clause.rank)?;
    const ORDER: &str =
        "the order is SELECT, FROM, WHERE, GROUP BY, HAVING, ORDER BY, LIMIT, OFFSET, EMIT";
    Mistake::at(at, format!("{} stands behind {}", clause.name, later.name), ORDER)
}

/// A statement that begins where the one before it has not been ended.
fn second_statement(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let follows = at > 0 && ends_value(&tokens[at - 1]) && open_brackets(tokens, at).is_empty();
    let word = tokens.get(at).filter(|_| follows && is_statement_start(tokens, at)).map(shown)?;
    Mistake::at(at, format!("{word} begins a second statement"), "put ; between two statements")
}

/// `WHERE a > 1, b > 1`.
fn comma_in_condition(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    if !is_token(tokens, at, &Token::Comma) || context_at(tokens, at) != Context::Condition {
        return None;
    }
    Mistake::at(at, "a comma between conditions", "join them with AND or OR")
}

/// Two values in a row.
fn missing_separator(tokens: &[TokenWithSpan], at: usize) -> Option<Mistake> {
    let found = tokens.get(at)?;
    if at == 0 || !begins_value(found) || !ends_value(&tokens[at - 1]) {
        return None;
    }
    let found = shown(found);
    match context_at(tokens, at) {
        Context::Select => Mistake::at(
            at,
            format!("a comma or an operator is missing before {found}"),
            "what is selected is separated by commas, and an alias is one name",
        ),
        Context::List => Mistake::at(
            at,
            format!("a comma is missing before {found}"),
            "what is listed is separated by commas",
        ),
        Context::Condition => Mistake::at(
            at,
            format!("an operator is missing before {found}"),
            "compare with =, <>, <, LIKE, IN (…) or BETWEEN, and join conditions with AND or OR",
        ),
        Context::Table => Mistake::at(
            at,
            format!("{found} does not belong behind the table and its alias"),
            "what may follow is WHERE, GROUP BY, HAVING, ORDER BY, LIMIT or EMIT",
        ),
        Context::Other => None,
    }
}

fn begins_value(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_some() || word.keyword == Keyword::NoKeyword,
        other => matches!(other, Token::Number(..) | Token::SingleQuotedString(_) | Token::LParen),
    }
}

fn ends_value(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => {
            let closes = matches!(
                word.keyword,
                Keyword::NoKeyword
                    | Keyword::END
                    | Keyword::NULL
                    | Keyword::TRUE
                    | Keyword::FALSE
                    | Keyword::ASC
                    | Keyword::DESC
            );
            word.quote_style.is_some() || closes
        }
        other => matches!(
            other,
            Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen | Token::Mul
        ),
    }
}
