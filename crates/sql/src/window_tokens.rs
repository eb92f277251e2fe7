//! Window clauses and window table functions to a function of the `GROUP BY`, which `sqlparser` can
//! read: the spellings of a window become one.
//!
//! `GROUP BY k WINDOW TUMBLING (…)` becomes `GROUP BY k, TUMBLING(…)`. `FROM TABLE(TUMBLE(TABLE t,
//! DESCRIPTOR(c), …)) … GROUP BY k, window_start, window_end` becomes `FROM t … GROUP BY k,
//! TUMBLE(c, …)`, and so does `FROM TUMBLE(t, c, …)`. What stands between the brackets is read by
//! `window_arguments`. Where nothing groups by the bounds of a tumbling window they are columns of a query
//! in its place.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan, Word};
use tidemill_plan::Span;

use crate::scan::{Scanner, balanced, is_token, is_word, path_as_word};
use crate::window_arguments::{Refused, TableArguments, clause_arguments, table_arguments};

/// Words of the clause, and the functions they become.
const CLAUSES: [(&str, &str); 5] = [
    ("TUMBLING", "TUMBLING"),
    ("HOPPING", "HOPPING"),
    ("SLIDING", "HOPPING"),
    ("SESSION", "SESSION"),
    ("CUMULATE", "CUMULATING"),
];
/// Table functions.
const FUNCTIONS: [&str; 4] = ["TUMBLE", "HOP", "SESSION", "CUMULATE"];
/// Units of a duration without quotes, attached to its number.
const UNITS: [&str; 5] = ["ms", "s", "m", "h", "d"];
/// Units of a duration without quotes that stand behind its number.
const UNIT_NAMES: [(&str, &str); 5] =
    [("MILLISECOND", "ms"), ("SECOND", "s"), ("MINUTE", "m"), ("HOUR", "h"), ("DAY", "d")];
/// The columns that a window table function adds.
const BOUNDS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// A window table function whose `GROUP BY` has not been met.
pub(crate) struct TableWindow {
    /// How deep in brackets its query is.
    nesting: usize,
    name: &'static str,
    /// Where in the tokens that are kept its table stands.
    table: usize,
    /// The function of the `GROUP BY` that it becomes.
    function: Vec<TokenWithSpan>,
    /// Which of the bounds its `GROUP BY` has.
    is_met: [bool; 3],
    span: Span,
}

impl Scanner<'_> {
    /// How many tokens of a window stand at `at`, having put others in their place; 0 where there are
    /// none.
    pub(crate) fn take_window(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        self.take_clause(tokens, at)
            .max(self.take_table_function(tokens, at))
            .max(self.take_bound(tokens, at))
    }

    fn take_clause(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        let clause = CLAUSES.iter().find(|(kind, _)| is_word(tokens, at + 1, kind));
        let Some((_, function)) = clause.filter(|_| is_word(tokens, at, "WINDOW")) else {
            return 0;
        };
        let taken = 2 + balanced(&tokens[at + 2..]);
        let span = tokens[at + 1].span;
        let arguments = match clause_arguments(&tokens[at + 2..at + taken]) {
            Ok(arguments) => arguments,
            Err(refused) => {
                self.refuse_window(tokens, at, refused);
                return taken;
            }
        };
        let (has_group, having) = self.group_by_of_query();
        let mut inserted = if has_group {
            vec![TokenWithSpan::new(Token::Comma, span)]
        } else {
            vec![word("GROUP", Keyword::GROUP, span), word("BY", Keyword::BY, span)]
        };
        inserted.push(word(function, Keyword::NoKeyword, span));
        inserted.extend(self.with_durations(&arguments));
        let place = having.unwrap_or(self.kept.len());
        self.kept.splice(place..place, inserted);
        taken
    }

    /// Whether the query being read has a `GROUP BY` so far, and where its `HAVING` is.
    fn group_by_of_query(&self) -> (bool, Option<usize>) {
        let (mut depth, mut has_group, mut having) = (0_usize, false, None);
        for at in (0..self.kept.len()).rev() {
            match &self.kept[at].token {
                Token::RParen => depth += 1,
                Token::LParen if depth == 0 => break,
                Token::LParen => depth -= 1,
                _ if depth > 0 => {}
                _ if is_word(&self.kept, at, "SELECT") => break,
                _ if is_word(&self.kept, at, "HAVING") => having = Some(at),
                _ if is_word(&self.kept, at, "GROUP") && is_word(&self.kept, at + 1, "BY") => {
                    has_group = true;
                }
                _ => {}
            }
        }
        (has_group, having)
    }

    fn take_table_function(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        let is_wrapped = is_word(tokens, at, "TABLE") && is_token(tokens, at + 1, &Token::LParen);
        let start = if is_wrapped { at + 2 } else { at };
        let is_from = at > 0 && is_word(tokens, at - 1, "FROM");
        let Some(name) = FUNCTIONS.into_iter().find(|name| is_word(tokens, start, name)) else {
            return 0;
        };
        if !(is_wrapped || is_from) || !is_token(tokens, start + 1, &Token::LParen) {
            return 0;
        }
        let end = start + 1 + balanced(&tokens[start + 1..]);
        let taken = match is_wrapped {
            true => 1 + balanced(&tokens[at + 1..]),
            false => end - at,
        };
        // Brackets that are never closed reach to the end.
        let inner =
            &tokens[(start + 2).min(tokens.len())..(end - 1).max(start + 2).min(tokens.len())];
        let arguments = match table_arguments(name, inner) {
            Ok(arguments) => arguments,
            Err(refused) => {
                self.refuse_window(tokens, start, refused);
                self.kept.push(word("t", Keyword::NoKeyword, tokens[at].span));
                return taken;
            }
        };
        let TableArguments { table, time, durations, partition_by } = arguments;
        let table_at = self.kept.len();
        self.kept.push(path_as_word(&table));
        let sign = |token: Token| TokenWithSpan::new(token, tokens[start].span);
        let mut function = match partition_by.is_empty() {
            true => vec![tokens[start].clone(), sign(Token::LParen)],
            false => vec![
                word("SESSION PARTITION BY", Keyword::NoKeyword, tokens[start].span),
                sign(Token::LParen),
            ],
        };
        function.push(time);
        for duration in durations {
            function.push(sign(Token::Comma));
            function.extend(self.with_durations(&duration));
        }
        for key in partition_by {
            function.push(sign(Token::Comma));
            function.push(key);
        }
        function.push(sign(Token::RParen));
        self.table_windows.push(TableWindow {
            nesting: self.nesting,
            name,
            table: table_at,
            function,
            is_met: [false; 3],
            span: self.span_of(&tokens[at..at + taken]),
        });
        taken
    }

    fn refuse_window(&mut self, tokens: &[TokenWithSpan], at: usize, refused: Refused) {
        let Refused { place, message, hint } = refused;
        let place = TokenWithSpan::new(Token::EOF, place.unwrap_or(tokens[at].span));
        let span = self.span_of(std::slice::from_ref(&place));
        self.add_with(span, &message, &hint);
    }

    /// A bound in the `GROUP BY` of a window table function.
    fn take_bound(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        let Some(bound) = BOUNDS.iter().position(|bound| is_word(tokens, at, bound)) else {
            return 0;
        };
        if self.table_windows.is_empty() || !self.is_in_group_by() {
            return 0;
        }
        let nesting = self.nesting;
        let Some(window) = self.table_windows.iter_mut().rfind(|w| w.nesting == nesting) else {
            return 0;
        };
        let is_first = window.is_met == [false; 3];
        window.is_met[bound] = true;
        // The name of the table before a bound says nothing.
        if is_token(&self.kept, self.kept.len().saturating_sub(1), &Token::Period) {
            self.kept.truncate(self.kept.len().saturating_sub(2));
        }
        if is_first {
            self.kept.extend(window.function.iter().cloned());
        } else if is_token(&self.kept, self.kept.len().saturating_sub(1), &Token::Comma) {
            // All bounds are one window.
            self.kept.pop();
        }
        1
    }

    fn is_in_group_by(&self) -> bool {
        let mut depth = 0_usize;
        for at in (0..self.kept.len()).rev() {
            match &self.kept[at].token {
                Token::RParen => depth += 1,
                Token::LParen if depth == 0 => return false,
                Token::LParen => depth -= 1,
                _ if depth > 0 => {}
                _ if is_word(&self.kept, at, "BY") => {
                    return at > 0 && is_word(&self.kept, at - 1, "GROUP");
                }
                _ if ["SELECT", "FROM", "WHERE", "HAVING"]
                    .iter()
                    .any(|word| is_word(&self.kept, at, word)) =>
                {
                    return false;
                }
                _ => {}
            }
        }
        false
    }

    /// After the last token: every window table function has found its `GROUP BY`, or its bounds become
    /// columns.
    pub(crate) fn check_table_windows(&mut self) {
        // From the last on, so that the places of those before it stay.
        for window in std::mem::take(&mut self.table_windows).into_iter().rev() {
            let TableWindow { name, table, function, is_met, span, .. } = window;
            match (name, is_met) {
                // From one of its bounds the other follows, but for windows that begin together.
                ("CUMULATE", [true, false, false]) => self.add_with(
                    span,
                    "windows of CUMULATE that begin together are told apart by their end",
                    "write GROUP BY … window_start, window_end",
                ),
                ("TUMBLE", [false, false, false]) => self.put_bounds(table, &function),
                (_, [false, false, false]) => self.add_with(
                    span,
                    "a row lies in several windows here, and nothing groups by them",
                    "write GROUP BY … window_start, window_end",
                ),
                _ => {}
            }
        }
    }

    /// Puts a query with the bounds of its window as columns in the place of a table.
    fn put_bounds(&mut self, table: usize, function: &[TokenWithSpan]) {
        let Some(source) = self.kept.get(table).cloned() else { return };
        let span = source.span;
        let sign = |token: Token| TokenWithSpan::new(token, span);
        let mut query =
            vec![sign(Token::LParen), word("SELECT", Keyword::SELECT, span), sign(Token::Mul)];
        for bound in BOUNDS {
            let call = bound.replace('_', " ").to_uppercase();
            query.push(sign(Token::Comma));
            query.push(word(&call, Keyword::NoKeyword, span));
            query.extend(function[1..].iter().cloned());
            query.push(word("AS", Keyword::AS, span));
            query.push(word(bound, Keyword::NoKeyword, span));
        }
        query.push(word("FROM", Keyword::FROM, span));
        query.push(source);
        query.push(sign(Token::RParen));
        self.kept.splice(table..=table, query);
    }

    /// The same tokens, with `5m` and `5 MINUTES` as one text.
    fn with_durations(&mut self, tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
        let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            self.check_number(tokens, at, &UNITS);
            let is_interval = at >= 2 && is_word(tokens, at - 2, "INTERVAL");
            let unit = unit_at(tokens, at).filter(|_| !is_interval);
            if let (Some(unit), Some(TokenWithSpan { token: Token::Number(digits, _), span })) =
                (unit, kept.last().cloned())
            {
                kept.pop();
                let text = Token::SingleQuotedString(format!("{digits}{unit}"));
                let span = TokenSpan { start: span.start, end: token.span.end };
                kept.push(TokenWithSpan::new(text, span));
            } else {
                kept.push(token.clone());
            }
        }
        kept
    }
}

/// The unit of a duration that stands at `at`.
fn unit_at(tokens: &[TokenWithSpan], at: usize) -> Option<&'static str> {
    let attached = UNITS.into_iter().find(|unit| is_word(tokens, at, unit));
    attached.or_else(|| {
        let name = match &tokens[at].token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => return None,
        };
        let singular = name.strip_suffix('S').unwrap_or(&name);
        UNIT_NAMES.iter().find(|(known, _)| *known == singular).map(|(_, unit)| *unit)
    })
}

fn word(text: &str, keyword: Keyword, span: TokenSpan) -> TokenWithSpan {
    let word = Word { value: text.to_owned(), quote_style: None, keyword };
    TokenWithSpan::new(Token::Word(word), span)
}
