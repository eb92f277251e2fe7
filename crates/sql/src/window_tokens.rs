//! Window clauses and window table functions to a function of the `GROUP BY`, which `sqlparser` can
//! read: the three spellings of a window become one.
//!
//! `GROUP BY k WINDOW TUMBLING (…)` becomes `GROUP BY k, TUMBLING(…)`. `FROM TABLE(TUMBLE(TABLE t,
//! DESCRIPTOR(c), …)) … GROUP BY k, window_start, window_end` becomes `FROM t … GROUP BY k,
//! TUMBLE(c, …)`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use tidemill_plan::Span;

use crate::scan::{Scanner, balanced, is_token, is_word, path_as_word};

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
/// Units of a duration without quotes.
const UNITS: [&str; 5] = ["ms", "s", "m", "h", "d"];

/// A window table function whose `GROUP BY` has not been met.
pub(crate) struct TableWindow {
    /// How deep in brackets its query is.
    nesting: usize,
    /// The function of the `GROUP BY` that it becomes.
    function: Vec<TokenWithSpan>,
    /// Of `window_start` and `window_end`, which have been met.
    has_start: bool,
    has_end: bool,
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
        let arguments = balanced(&tokens[at + 2..]);
        let taken = 2 + arguments;
        let span = tokens[at + 1].span;
        let (has_group, having) = self.group_by_of_query();
        let word = |text: &str, keyword| {
            let word = Word { value: text.to_owned(), quote_style: None, keyword };
            TokenWithSpan::new(Token::Word(word), span)
        };
        let mut inserted = if has_group {
            vec![TokenWithSpan::new(Token::Comma, span)]
        } else {
            vec![word("GROUP", Keyword::GROUP), word("BY", Keyword::BY)]
        };
        inserted.push(word(function, Keyword::NoKeyword));
        inserted.extend(self.with_durations(&tokens[at + 2..at + taken]));
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
        if !is_word(tokens, at, "TABLE") || !is_token(tokens, at + 1, &Token::LParen) {
            return 0;
        }
        let Some(name) = FUNCTIONS.iter().find(|name| is_word(tokens, at + 2, name)) else {
            return 0;
        };
        let taken = 1 + balanced(&tokens[at + 1..]);
        let span = self.span_of(&tokens[at..at + taken]);
        let inner = &tokens[(at + 3).min(tokens.len())..(at + taken).saturating_sub(1).max(at + 3)];
        // ( TABLE name , DESCRIPTOR ( column ) , arguments )
        let is_shaped = is_token(inner, 0, &Token::LParen)
            && is_word(inner, 1, "TABLE")
            && is_token(inner, 3, &Token::Comma)
            && is_word(inner, 4, "DESCRIPTOR")
            && is_token(inner, 5, &Token::LParen)
            && is_token(inner, 7, &Token::RParen)
            && is_token(inner, 8, &Token::Comma)
            && is_token(inner, inner.len().saturating_sub(1), &Token::RParen);
        if !is_shaped {
            let message = format!(
                "expected TABLE({name}(TABLE name, DESCRIPTOR(event_time_column), INTERVAL …))"
            );
            self.add(span, &message);
            return taken;
        }
        self.kept.push(path_as_word(&inner[2]));
        let mut function = vec![tokens[at + 2].clone(), inner[0].clone(), inner[6].clone()];
        function.push(inner[8].clone());
        function.extend(self.with_durations(&inner[9..]));
        self.table_windows.push(TableWindow {
            nesting: self.nesting,
            function,
            has_start: false,
            has_end: false,
            span,
        });
        taken
    }

    /// `window_start` or `window_end` in the `GROUP BY` of a window table function.
    fn take_bound(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        let (is_start, is_end) =
            (is_word(tokens, at, "window_start"), is_word(tokens, at, "window_end"));
        if !is_start && !is_end || !self.is_in_group_by() {
            return 0;
        }
        let nesting = self.nesting;
        let Some(window) = self.table_windows.iter_mut().rfind(|w| w.nesting == nesting) else {
            return 0;
        };
        let is_first = !window.has_start && !window.has_end;
        window.has_start |= is_start;
        window.has_end |= is_end;
        if is_first {
            self.kept.extend(window.function.iter().cloned());
        } else if is_token(&self.kept, self.kept.len().saturating_sub(1), &Token::Comma) {
            // Both bounds are one window.
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

    /// After the last token: every window table function has found its `GROUP BY`.
    pub(crate) fn check_table_windows(&mut self) {
        for window in std::mem::take(&mut self.table_windows) {
            if !window.has_start || !window.has_end {
                self.add(
                    window.span,
                    "a window table function needs GROUP BY … window_start, window_end",
                );
            }
        }
    }

    /// The same tokens, with `5m` as one text.
    fn with_durations(&mut self, tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
        let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
        for (at, token) in tokens.iter().enumerate() {
            self.check_number(tokens, at, &UNITS);
            let unit = UNITS.iter().find(|unit| is_word(tokens, at, unit));
            if let (Some(unit), Some(TokenWithSpan { token: Token::Number(digits, _), span })) =
                (unit, kept.last().cloned())
            {
                kept.pop();
                let text = Token::SingleQuotedString(format!("{digits}{unit}"));
                kept.push(TokenWithSpan::new(text, span));
            } else {
                kept.push(token.clone());
            }
        }
        kept
    }
}
