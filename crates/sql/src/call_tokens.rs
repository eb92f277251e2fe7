//! Clauses that other dialects have within the brackets of a call, put into ours before anything is parsed.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::scan::{is_token, is_word};

/// The tokens with our way to say it; `None` where that is the way already: `GROUP_CONCAT(x ORDER BY y SEPARATOR ', ')`
/// is `GROUP_CONCAT(x, ', ' ORDER BY y)`.
pub(crate) fn with_our_clauses(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    if !(0..tokens.len()).any(|at| is_word(tokens, at, "SEPARATOR")) {
        return None;
    }
    let mut ours: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 1);
    let mut at = 0;
    while at < tokens.len() {
        if is_word(tokens, at, "SEPARATOR")
            && matches!(
                tokens.get(at + 1).map(|next| &next.token),
                Some(Token::SingleQuotedString(_))
            )
            && is_token(tokens, at + 2, &Token::RParen)
            && is_call(&ours, &["GROUP_CONCAT", "STRING_AGG", "LISTAGG"])
        {
            let place = order_of_call(&ours).unwrap_or(ours.len());
            let comma = TokenWithSpan::new(Token::Comma, tokens[at].span);
            ours.splice(place..place, [comma, tokens[at + 1].clone()]);
            at += 2;
            continue;
        }
        ours.push(tokens[at].clone());
        at += 1;
    }
    (ours.len() != tokens.len() || ours != tokens).then_some(ours)
}

/// The bracket that is open at the end of these tokens.
fn open_bracket(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut depth = 0_usize;
    (0..tokens.len()).rev().find(|&at| match tokens[at].token {
        Token::RParen => {
            depth += 1;
            false
        }
        Token::LParen if depth == 0 => true,
        Token::LParen => {
            depth -= 1;
            false
        }
        _ => false,
    })
}

/// Whether the end of these tokens stands in the brackets of a call of one of these.
fn is_call(tokens: &[TokenWithSpan], names: &[&str]) -> bool {
    let name = open_bracket(tokens).and_then(|open| open.checked_sub(1));
    name.is_some_and(|at| names.iter().any(|name| is_word(tokens, at, name)))
}

/// Where `ORDER BY` stands in the call whose brackets are open at the end.
fn order_of_call(tokens: &[TokenWithSpan]) -> Option<usize> {
    let open = open_bracket(tokens)?;
    let mut depth = 0_usize;
    (open + 1..tokens.len()).find(|&at| {
        match tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_word(tokens, at, "ORDER") && is_word(tokens, at + 1, "BY")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::dialect::TidemillDialect;

    fn tokens(text: &str) -> Vec<TokenWithSpan> {
        let all = Tokenizer::new(&TidemillDialect, text).tokenize_with_location().unwrap();
        all.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect()
    }

    fn text(tokens: &[TokenWithSpan]) -> String {
        tokens.iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn clauses_of_others_become_ours() {
        for (written, ours) in [
            ("GROUP_CONCAT(x SEPARATOR ';')", "GROUP_CONCAT(x, ';')"),
            (
                "SELECT group_concat(DISTINCT f(a, b) ORDER BY g(c ORDER BY d), e SEPARATOR ', ') FROM t",
                "SELECT group_concat(DISTINCT f(a, b), ', ' ORDER BY g(c ORDER BY d), e) FROM t",
            ),
        ] {
            let found = with_our_clauses(&tokens(written));
            assert_eq!(found.map(|found| text(&found)), Some(text(&tokens(ours))), "{written}");
        }
        for written in
            ["SELECT separator, x FROM t", "COUNT(x SEPARATOR ';')", "GROUP_CONCAT(x SEPARATOR y)"]
        {
            assert!(with_our_clauses(&tokens(written)).is_none(), "{written}");
        }
    }
}
