//! `FROM t SELECT a` and `FROM t`: the two clauses change places before anything is parsed.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::scan::{NESTING_MAX, is_token, is_word};

/// Words that end the tables of a `FROM`.
const ENDS: [&str; 14] = [
    "SELECT",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "FETCH",
    "EMIT",
];

/// The tokens with `SELECT` before `FROM` in every query that begins with `FROM`; `*` is what is selected
/// where nothing is said. `None` where there is no such query.
pub(crate) fn select_first(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let starts = query_starts(tokens)?;
    let mut turned = Vec::with_capacity(tokens.len() + 2);
    turn(tokens, &starts, 0..tokens.len(), &mut turned);
    Some(turned)
}

/// For each token, whether it is the `FROM` of a query that begins with it; `None` where none is, or brackets
/// nest deeper than a script may.
fn query_starts(tokens: &[TokenWithSpan]) -> Option<Vec<bool>> {
    let mut starts = vec![false; tokens.len()];
    // Of each query that is open: whether its SELECT has been seen.
    let mut selects = vec![false];
    for at in 0..tokens.len() {
        match &tokens[at].token {
            Token::LParen => selects.push(false),
            Token::RParen if selects.len() > 1 => drop(selects.pop()),
            _ => {}
        }
        if selects.len() > NESTING_MAX {
            return None;
        }
        let has_select = selects.last_mut().expect("the statement's own is never taken");
        if is_word(tokens, at, "SELECT") {
            *has_select = true;
        } else if is_word(tokens, at, "UNION") {
            *has_select = false;
        } else if is_word(tokens, at, "FROM") && !*has_select && begins_query(tokens, at) {
            starts[at] = true;
        }
    }
    starts.contains(&true).then_some(starts)
}

/// Whether a `FROM` without a `SELECT` before it begins a query. In a call it belongs to the arguments:
/// `TRIM(FROM x)`, `EXTRACT(HOUR FROM t)`.
fn begins_query(tokens: &[TokenWithSpan], at: usize) -> bool {
    const LEADS: [&str; 7] = ["EXPLAIN", "ANALYZE", "UNION", "ALL", "AS", "DESCRIBE", "SUMMARIZE"];
    let Some(before) = at.checked_sub(1) else { return at + 1 < tokens.len() };
    if LEADS.iter().any(|word| is_word(tokens, before, word)) {
        return true;
    }
    if is_word(tokens, 0, "INSERT") && is_word(tokens, 1, "INTO") && before == 2 {
        return true;
    }
    // Behind the last of the queries that WITH names.
    if is_token(tokens, before, &Token::RParen) {
        return is_word(tokens, 0, "WITH") || is_word(tokens, 1, "WITH");
    }
    let is_call = before.checked_sub(1).is_some_and(|name| match &tokens[name].token {
        Token::Word(word) => word.quote_style.is_none() && !is_query_word(&word.value),
        _ => false,
    });
    is_token(tokens, before, &Token::LParen) && !is_call
}

/// Words that a query in brackets may stand behind.
fn is_query_word(word: &str) -> bool {
    const WORDS: [&str; 12] =
        ["FROM", "JOIN", "IN", "EXISTS", "AS", "ALL", "UNION", "ANY", "NOT", "AND", "OR", "COPY"];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Turns the queries of a range.
fn turn(
    tokens: &[TokenWithSpan],
    starts: &[bool],
    range: std::ops::Range<usize>,
    turned: &mut Vec<TokenWithSpan>,
) {
    let mut at = range.start;
    while at < range.end {
        if !starts[at] {
            turned.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let tables = clause_end(tokens, at + 1, range.end);
        let has_select = is_word(tokens, tables, "SELECT") && tables < range.end;
        let list = if has_select { clause_end(tokens, tables + 1, range.end) } else { tables };
        if has_select {
            turned.push(tokens[tables].clone());
            turn(tokens, starts, tables + 1..list, turned);
        } else {
            let span = tokens[at].span;
            let select =
                Word { value: "SELECT".to_owned(), quote_style: None, keyword: Keyword::SELECT };
            turned.push(TokenWithSpan::new(Token::Word(select), span));
            turned.push(TokenWithSpan::new(Token::Mul, span));
        }
        turned.push(tokens[at].clone());
        turn(tokens, starts, at + 1..tables, turned);
        at = list;
    }
}

/// Where the clause that goes on at `at` ends.
fn clause_end(tokens: &[TokenWithSpan], at: usize, end: usize) -> usize {
    let mut depth = 0_usize;
    for index in at..end {
        match tokens[index].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return index,
            Token::RParen => depth -= 1,
            _ if depth == 0 && ENDS.iter().any(|word| is_word(tokens, index, word)) => {
                return index;
            }
            _ => {}
        }
    }
    end
}
