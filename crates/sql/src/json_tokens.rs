//! What stands behind the path in the brackets of `JSON_VALUE`, `JSON_QUERY` and `JSON_EXISTS`: `sqlparser` knows no
//! `DEFAULT 0 ON EMPTY`, so that each clause becomes an argument that no script can write.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::scan::{PATH_QUOTE, balanced, is_token, is_word};

/// Around the words of a clause, in the place of a quote: one that `sqlparser` knows and no script can write.
pub(crate) const CLAUSE_QUOTE: char = PATH_QUOTE;
pub(crate) const DEFAULT_ON_EMPTY: &str = "DEFAULT ON EMPTY";
pub(crate) const DEFAULT_ON_ERROR: &str = "DEFAULT ON ERROR";

const NAMES: [&str; 3] = ["JSON_VALUE", "JSON_QUERY", "JSON_EXISTS"];

/// The tokens with clauses as arguments: `JSON_VALUE(j, '$.a' RETURNING INT DEFAULT 0 ON EMPTY NULL ON ERROR)` is
/// `JSON_VALUE(j, '$.a', [DEFAULT ON EMPTY], 0, [NULL ON ERROR] RETURNING INT)`. `None` where there are none.
pub(crate) fn with_clauses_as_arguments(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let may_be = |at: usize| ["EMPTY", "ERROR", "WRAPPER"].iter().any(|w| is_word(tokens, at, w));
    if !(0..tokens.len()).any(may_be) {
        return None;
    }
    let mut ours = Vec::with_capacity(tokens.len() + 8);
    let mut is_other = false;
    let mut at = 0;
    while at < tokens.len() {
        let is_call = NAMES.iter().any(|name| is_word(tokens, at, name))
            && is_token(tokens, at + 1, &Token::LParen);
        let Some(end) = is_call.then(|| balanced_end(tokens, at + 1)).flatten() else {
            ours.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let inner = &tokens[at + 2..end];
        let nested = with_clauses_as_arguments(inner);
        let arguments = split(nested.as_deref().unwrap_or(inner));
        is_other |= nested.is_some() || arguments.is_some();
        ours.extend_from_slice(&tokens[at..at + 2]);
        ours.extend(arguments.or(nested).unwrap_or_else(|| inner.to_vec()));
        ours.push(tokens[end].clone());
        at = end + 1;
    }
    is_other.then_some(ours)
}

/// What stands in the brackets of one call, its clauses as arguments.
fn split(inner: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(inner.len());
    let mut clauses: Vec<TokenWithSpan> = Vec::new();
    // Of `kept`: where a value behind DEFAULT begins, and where the type behind RETURNING does.
    let (mut default, mut returning) = (None, None);
    let mut at = 0;
    while at < inner.len() {
        if is_token(inner, at, &Token::LParen) {
            let end = balanced_end(inner, at)?;
            kept.extend_from_slice(&inner[at..=end]);
            at = end + 1;
            continue;
        }
        if let Some((words, count)) = wrapper(inner, at) {
            clauses.extend(argument(&words, &inner[at]));
            at += count;
            continue;
        }
        let is_end = is_word(inner, at, "ON")
            && (is_word(inner, at + 1, "EMPTY") || is_word(inner, at + 1, "ERROR"));
        if is_end {
            let on = if is_word(inner, at + 1, "EMPTY") { "ON EMPTY" } else { "ON ERROR" };
            match default.take() {
                Some(begin) => {
                    clauses.extend(argument(&format!("DEFAULT {on}"), kept.get(begin)?));
                    let value = kept.split_off(begin + 1);
                    kept.pop();
                    clauses.push(comma(value.first()?));
                    clauses.extend(value);
                }
                None => {
                    let begin = kept.len().checked_sub(behaviour_words(&kept)?)?;
                    let words: Vec<String> = kept[begin..]
                        .iter()
                        .map(|token| token.token.to_string().to_uppercase())
                        .collect();
                    clauses.extend(argument(&format!("{} {on}", words.join(" ")), &kept[begin]));
                    kept.truncate(begin);
                }
            }
            at += 2;
            continue;
        }
        if is_word(inner, at, "DEFAULT") {
            default = Some(kept.len());
        } else if is_word(inner, at, "RETURNING") && returning.is_none() {
            returning = Some(kept.len());
        }
        kept.push(inner[at].clone());
        at += 1;
    }
    if clauses.is_empty() {
        return None;
    }
    let place = returning.unwrap_or(kept.len());
    kept.splice(place..place, clauses);
    Some(kept)
}

/// How many words at the end say what there is instead: `EMPTY ARRAY` are two.
fn behaviour_words(kept: &[TokenWithSpan]) -> Option<usize> {
    let last = kept.len().checked_sub(1)?;
    let is = |at: usize, words: &[&str]| words.iter().any(|word| is_word(kept, at, word));
    if last > 0 && is(last - 1, &["EMPTY"]) && is(last, &["ARRAY", "OBJECT"]) {
        return Some(2);
    }
    is(last, &["NULL", "ERROR", "TRUE", "FALSE", "UNKNOWN", "EMPTY"]).then_some(1)
}

/// `WITHOUT WRAPPER`, `WITH [CONDITIONAL | UNCONDITIONAL] [ARRAY] WRAPPER`, in short, and how many words it has.
fn wrapper(inner: &[TokenWithSpan], at: usize) -> Option<(String, usize)> {
    let is = |at: usize, word: &str| is_word(inner, at, word);
    let mut end = at + 1;
    let words = match () {
        () if is(at, "WITHOUT") => "WITHOUT WRAPPER",
        () if is(at, "WITH") && is(end, "CONDITIONAL") => {
            end += 1;
            "WITH CONDITIONAL WRAPPER"
        }
        () if is(at, "WITH") => {
            end += usize::from(is(end, "UNCONDITIONAL"));
            "WITH WRAPPER"
        }
        () => return None,
    };
    end += usize::from(is(end, "ARRAY"));
    is(end, "WRAPPER").then(|| (words.to_owned(), end + 1 - at))
}

/// The place of the bracket that closes the one there; `None` where none does.
fn balanced_end(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let end = open + balanced(&tokens[open..]).checked_sub(1)?;
    (end > open && is_token(tokens, end, &Token::RParen)).then_some(end)
}

fn comma(place: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan::new(Token::Comma, place.span)
}

/// A comma and the words of a clause.
fn argument(words: &str, place: &TokenWithSpan) -> [TokenWithSpan; 2] {
    let word = Word {
        value: words.to_owned(),
        quote_style: Some(CLAUSE_QUOTE),
        keyword: Keyword::NoKeyword,
    };
    [comma(place), TokenWithSpan::new(Token::Word(word), place.span)]
}

/// The text of an expression with its clauses as they were written.
pub(crate) fn as_written(text: &str) -> String {
    const ENDS: [&str; 3] = [" ON EMPTY", " ON ERROR", " WRAPPER"];
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(", [") {
        written.push_str(before);
        let clause = behind.split_once(']');
        let clause = clause.filter(|(words, _)| ENDS.iter().any(|end| words.ends_with(end)));
        rest = match clause {
            None => {
                written.push_str(", [");
                behind
            }
            Some((words, behind)) => match words.strip_prefix("DEFAULT ") {
                None => {
                    written.extend([" ", words]);
                    behind
                }
                Some(on) => {
                    let behind = behind.trim_start_matches(", ");
                    let (value, behind) = behind.split_at(end_of_value(behind));
                    written.extend([" DEFAULT ", value, " ", on]);
                    behind
                }
            },
        };
    }
    written + rest
}

/// Where a value ends, before the next clause or the bracket that closes the call.
fn end_of_value(text: &str) -> usize {
    let mut depth = 0_usize;
    let end = text.char_indices().find(|&(at, character)| {
        let rest = &text[at..];
        let is_end = character == ')' || rest.starts_with(", [") || rest.starts_with(" RETURNING ");
        let is_within = depth > 0;
        depth += usize::from(character == '(');
        depth -= usize::from(character == ')' && is_within);
        is_end && !is_within
    });
    end.map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::dialect::TidemillDialect;

    fn rewritten(text: &str) -> Option<String> {
        let all = Tokenizer::new(&TidemillDialect, text).tokenize_with_location().unwrap();
        let tokens: Vec<_> =
            all.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
        let shown = |token: &TokenWithSpan| match &token.token {
            Token::Word(word) if word.quote_style == Some(CLAUSE_QUOTE) => {
                format!("<{}>", word.value)
            }
            other => other.to_string(),
        };
        let ours = with_clauses_as_arguments(&tokens)?;
        Some(ours.iter().map(shown).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn clauses_become_arguments() {
        for (written, ours) in [
            (
                "JSON_VALUE(j, '$.a' RETURNING INT NULL ON EMPTY ERROR ON ERROR)",
                "JSON_VALUE ( j , '$.a' , <NULL ON EMPTY> , <ERROR ON ERROR> RETURNING INT )",
            ),
            (
                "json_value(j, '$.a' DEFAULT f(1, 2) + 1 ON EMPTY DEFAULT NULL ON ERROR)",
                "json_value ( j , '$.a' , <DEFAULT ON EMPTY> , f ( 1 , 2 ) + 1 , <DEFAULT ON ERROR> , NULL )",
            ),
            (
                "JSON_QUERY(j, '$' RETURNING STRING WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY)",
                "JSON_QUERY ( j , '$' , <WITH CONDITIONAL WRAPPER> , <EMPTY ARRAY ON EMPTY> RETURNING STRING )",
            ),
            (
                "JSON_VALUE(JSON_QUERY(j, p NULL ON ERROR), '$.b' NULL ON ERROR)",
                "JSON_VALUE ( JSON_QUERY ( j , p , <NULL ON ERROR> ) , '$.b' , <NULL ON ERROR> )",
            ),
        ] {
            assert_eq!(rewritten(written).as_deref(), Some(ours), "{written}");
        }
        for written in [
            "f(NULL ON EMPTY)",
            "JSON_VALUE(j, '$.a')",
            "JSON_VALUE(j, error)",
            "JSON_VALUE(j ON ERROR",
        ] {
            assert_eq!(rewritten(written), None, "{written}");
        }
    }
}
