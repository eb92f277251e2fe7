//! `FROM t WINDOW TUMBLING (…) WHERE … GROUP BY k`: the clause moves to where it stands here, behind the
//! keys, before anything is parsed.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::scan::{balanced, is_word};

/// Words that a window clause stands before.
const BEHIND: [&str; 12] = [
    "HAVING",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "EMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "WINDOW",
    "FOR",
];

/// The tokens with every window clause behind `WHERE` and `GROUP BY`; `None` where all are.
pub(crate) fn windows_last(tokens: &[TokenWithSpan]) -> Option<Vec<TokenWithSpan>> {
    let clauses = (0..tokens.len()).filter(|&at| is_clause(tokens, at));
    let moves: Vec<(usize, usize, usize)> = clauses
        .filter_map(|at| {
            let end = at + 2 + balanced(&tokens[at + 2..]);
            let place = clauses_end(tokens, end);
            (place > end).then_some((at, end, place))
        })
        .collect();
    if moves.is_empty() {
        return None;
    }
    let mut moved = Vec::with_capacity(tokens.len());
    let mut waiting: Vec<(usize, usize, usize)> = Vec::new();
    let mut moves = moves.into_iter().peekable();
    let mut at = 0;
    while at <= tokens.len() {
        while let Some((start, end, _)) = waiting.pop_if(|(_, _, place)| *place == at) {
            moved.extend_from_slice(&tokens[start..end]);
        }
        match moves.next_if(|(start, ..)| *start == at) {
            Some(clause) => {
                waiting.push(clause);
                at = clause.1;
            }
            None => {
                moved.extend(tokens.get(at).cloned());
                at += 1;
            }
        }
    }
    Some(moved)
}

fn is_clause(tokens: &[TokenWithSpan], at: usize) -> bool {
    const KINDS: [&str; 5] = ["TUMBLING", "HOPPING", "SLIDING", "SESSION", "CUMULATE"];
    is_word(tokens, at, "WINDOW") && KINDS.iter().any(|kind| is_word(tokens, at + 1, kind))
}

/// Where the clauses that stand before a window end.
fn clauses_end(tokens: &[TokenWithSpan], from: usize) -> usize {
    let mut depth = 0_usize;
    for at in from..tokens.len() {
        match tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return at,
            Token::RParen => depth -= 1,
            _ if depth == 0 && BEHIND.iter().any(|word| is_word(tokens, at, word)) => return at,
            _ => {}
        }
    }
    tokens.len()
}
