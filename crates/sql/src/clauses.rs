//! Where in a query a token stands, by the words around it: for messages about text that does not parse.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::scan::is_word;

/// A clause, and its place in the order of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) name: &'static str,
    pub(crate) rank: usize,
}

const CLAUSES: [(&str, Clause); 8] = [
    ("SELECT", Clause { name: "SELECT", rank: 0 }),
    ("FROM", Clause { name: "FROM", rank: 1 }),
    ("WHERE", Clause { name: "WHERE", rank: 2 }),
    ("GROUP", Clause { name: "GROUP BY", rank: 3 }),
    ("HAVING", Clause { name: "HAVING", rank: 4 }),
    ("ORDER", Clause { name: "ORDER BY", rank: 5 }),
    ("LIMIT", Clause { name: "LIMIT", rank: 6 }),
    ("OFFSET", Clause { name: "OFFSET", rank: 6 }),
];

/// What separates the values at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// Commas, and a name behind each value: what is selected.
    Select,
    /// Commas: keys, arguments, options.
    List,
    /// `AND` and `OR`.
    Condition,
    /// Nothing: behind the table of `FROM`.
    Table,
    Other,
}

/// The clause that a token begins.
pub(crate) fn clause_at(tokens: &[TokenWithSpan], at: usize) -> Option<Clause> {
    CLAUSES.iter().find(|(word, _)| is_word(tokens, at, word)).map(|(_, clause)| *clause)
}

/// The clauses before a token in its own query, nearest first: those of subqueries and of the query
/// around are left out.
pub(crate) fn clauses_before(tokens: &[TokenWithSpan], at: usize) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut depth = 0_usize;
    for index in (0..at.min(tokens.len())).rev() {
        match &tokens[index].token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => break,
            Token::LParen => depth -= 1,
            _ if depth > 0 => {}
            _ if is_set_operation(tokens, index) => break,
            _ => clauses.extend(clause_at(tokens, index)),
        }
    }
    clauses
}

fn is_set_operation(tokens: &[TokenWithSpan], at: usize) -> bool {
    ["UNION", "INTERSECT", "EXCEPT"].iter().any(|word| is_word(tokens, at, word))
}

/// What separates the values at a token.
pub(crate) fn context_at(tokens: &[TokenWithSpan], at: usize) -> Context {
    let mut depth = 0_usize;
    for index in (0..at.min(tokens.len())).rev() {
        let is = |word: &str| is_word(tokens, index, word);
        match &tokens[index].token {
            Token::RParen => depth += 1,
            // The arguments of a call, a list of columns or of options.
            Token::LParen if depth == 0 => return Context::List,
            Token::LParen => depth -= 1,
            _ if depth > 0 => {}
            _ if is("SELECT") => return Context::Select,
            _ if is("BY") || is("VALUES") => return Context::List,
            _ if is("WHERE") || is("HAVING") || is("ON") => return Context::Condition,
            _ if is("FROM") => return Context::Table,
            _ if is("LIMIT") || is("OFFSET") || is("CASE") => return Context::Other,
            _ => {}
        }
    }
    Context::Other
}

/// Whether a token begins a statement.
pub(crate) fn is_statement_start(tokens: &[TokenWithSpan], at: usize) -> bool {
    ["SELECT", "CREATE", "INSERT", "EXPLAIN", "SET"].iter().any(|word| is_word(tokens, at, word))
}
