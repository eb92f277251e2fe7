//! Statements of others whose parts stand in another order, put into ours before anything is parsed.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::scan::{is_token, is_word};
use crate::show::lists;

/// The tokens in our order; `None` where they are in it already:
///
/// - `DESCRIBE t` is `DESCRIBE FROM t`, as are `SHOW COLUMNS FROM t` and, of a name that lists nothing, `SHOW t`,
/// - `SUMMARIZE t` is `SUMMARIZE FROM t`,
/// - `COPY t TO …` is `COPY (FROM t) TO …`,
/// - `CREATE SINK s AS query WITH (…)` is `CREATE STREAM s WITH (…) AS query`,
/// - `CREATE SINK s FROM t WITH (…)` is `CREATE STREAM s WITH (…) AS FROM t`.
pub(crate) fn in_our_order(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let described = described_table(tokens).or_else(|| table_of_columns(tokens));
    described.or_else(|| copied_table(tokens)).or_else(|| sink_of_query(tokens))
}

/// A word in the place of a token.
fn word(keyword: Keyword, text: &str, place: &TokenWithSpan) -> TokenWithSpan {
    let word = Word { value: text.to_owned(), quote_style: None, keyword };
    TokenWithSpan::new(Token::Word(word), place.span)
}

fn described_table(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let (keyword, name) = match () {
        () if is_word(tokens, 0, "SUMMARIZE") => (Keyword::NoKeyword, "SUMMARIZE"),
        () if is_word(tokens, 0, "DESCRIBE") || is_word(tokens, 0, "DESC") => {
            (Keyword::DESCRIBE, "DESCRIBE")
        }
        () => return None,
    };
    let is_more = ["TABLE", "EXTENDED", "FORMATTED"].iter().any(|more| is_word(tokens, 1, more));
    let table = if is_more && tokens.len() > 2 { 2 } else { 1 };
    let is_query = ["SELECT", "WITH", "VALUES", "FROM"].iter().any(|at| is_word(tokens, 1, at));
    if is_query || is_token(tokens, 1, &Token::LParen) || tokens.len() <= table {
        return None;
    }
    let first = word(keyword, name, &tokens[0]);
    let mut query = vec![first, word(Keyword::FROM, "FROM", &tokens[0])];
    query.extend_from_slice(&tokens[table..]);
    Some(query)
}

/// `SHOW COLUMNS FROM t` and `SHOW t` as `DESCRIBE FROM t`.
fn table_of_columns(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    if !is_word(tokens, 0, "SHOW") {
        return None;
    }
    let is_from = is_word(tokens, 2, "FROM") || is_word(tokens, 2, "IN");
    let table = match &tokens.get(1)?.token {
        Token::Word(first) if first.value.eq_ignore_ascii_case("COLUMNS") && is_from => 3,
        Token::Word(first) if tokens.len() == 2 && !lists(&first.value) => 1,
        Token::SingleQuotedString(_) if tokens.len() == 2 => 1,
        _ => return None,
    };
    let describe = word(Keyword::DESCRIBE, "DESCRIBE", &tokens[0]);
    let mut query = vec![describe, word(Keyword::FROM, "FROM", &tokens[0])];
    query.extend_from_slice(tokens.get(table..)?);
    Some(query)
}

fn copied_table(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let copy = (0..3).find(|&at| is_word(tokens, at, "COPY"))?;
    let table = copy + 1;
    if !is_word(tokens, table + 1, "TO") {
        return None;
    }
    let sign = |token: Token| TokenWithSpan::new(token, tokens[table].span);
    let from = word(Keyword::FROM, "FROM", &tokens[table]);
    let query = [sign(Token::LParen), from, tokens[table].clone(), sign(Token::RParen)];
    Some([&tokens[..table], &query, &tokens[table + 1..]].concat())
}

fn sink_of_query(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    if !is_word(tokens, 0, "CREATE") || !is_word(tokens, 1, "SINK") {
        return None;
    }
    let name = if is_word(tokens, 2, "IF") { 5 } else { 2 };
    let query = name + 1;
    let is_table = is_word(tokens, query, "FROM");
    if !is_table && !is_word(tokens, query, "AS") {
        return None;
    }
    let mut depth = 0_usize;
    let mut options = None;
    for (at, token) in tokens.iter().enumerate().skip(query) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth == 0
                && is_word(tokens, at, "WITH")
                && is_token(tokens, at + 1, &Token::LParen)
                && at > query + 1 =>
            {
                options = Some(at);
            }
            _ => {}
        }
    }
    let options = options?;
    let mut ours = vec![tokens[0].clone(), word(Keyword::STREAM, "STREAM", &tokens[1])];
    ours.push(tokens[name].clone());
    ours.extend_from_slice(&tokens[options..]);
    if is_table {
        ours.push(word(Keyword::AS, "AS", &tokens[query]));
    }
    ours.extend_from_slice(&tokens[query..options]);
    Some(ours)
}
