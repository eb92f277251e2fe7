//! The small steps of parsing a statement: names, options, expected words, and the errors of
//! `sqlparser` at their place.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use tidemill_plan::Span;

use crate::parse::Parsing;
use crate::position::union;
use crate::report::Bind;
use crate::scan::lower_first;
use crate::syntax::{Name, OptionEntry};

impl Parsing<'_> {
    /// `WITH ('key' = 'value', …)`; none where there is no `WITH`.
    pub(crate) fn options(&mut self) -> Bind<Vec<OptionEntry>> {
        let mut entries = Vec::new();
        if !self.take_word("WITH") {
            return Ok(entries);
        }
        self.expect(&Token::LParen)?;
        if self.parser.consume_token(&Token::RParen) {
            return Ok(entries);
        }
        loop {
            let key = self.option_key()?;
            self.expect(&Token::Eq)?;
            let value = self.option_value()?;
            entries.push(OptionEntry { key, value });
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)?;
        Ok(entries)
    }

    /// A quoted key, or words joined by points.
    pub(crate) fn option_key(&mut self) -> Bind<Name> {
        let token = self.parser.next_token();
        let mut span = self.token_span(&token);
        let mut text = match token.token {
            Token::SingleQuotedString(text) => {
                return Ok(Name::exact(text.to_lowercase(), span));
            }
            Token::Word(word) => word.value.to_lowercase(),
            other => {
                let message = format!("expected an option's name, found {other}");
                return Err(self.report.add(span, message, None));
            }
        };
        while self.parser.consume_token(&Token::Period) {
            let token = self.parser.next_token();
            span = union(span, self.token_span(&token));
            match token.token {
                Token::Word(word) => {
                    text.push('.');
                    text.push_str(&word.value.to_lowercase());
                }
                other => {
                    let message = format!("expected an option's name, found {other}");
                    return Err(self.report.add(span, message, None));
                }
            }
        }
        Ok(Name::exact(text, span))
    }

    /// A string, a number or a word, as text.
    pub(crate) fn option_value(&mut self) -> Bind<Name> {
        let token = self.parser.next_token();
        let span = self.token_span(&token);
        match token.token {
            Token::SingleQuotedString(text) | Token::Number(text, _) => Ok(Name::exact(text, span)),
            Token::Word(word) => Ok(Name::exact(word.value, span)),
            Token::Minus => {
                let rest = self.option_value()?;
                Ok(Name::exact(format!("-{}", rest.text), union(span, rest.span)))
            }
            other => {
                let message = format!("expected an option's value in quotes, found {other}");
                Err(self.report.add(span, message, None))
            }
        }
    }

    /// An unqualified name.
    pub(crate) fn name(&mut self) -> Bind<Name> {
        let token = self.parser.next_token();
        let span = self.token_span(&token);
        let name = match token.token {
            Token::Word(word) if word.quote_style.is_some() => Name::exact(word.value, span),
            Token::Word(word) => Name::folded(word.value, span),
            other => {
                let message = format!("expected a name, found {other}");
                return Err(self.report.add(span, message, None));
            }
        };
        if self.parser.peek_token().token == Token::Period {
            let message = "not supported: a name of several parts";
            return Err(self.report.add(span, message, None));
        }
        Ok(name)
    }

    pub(crate) fn take_word(&mut self, expected: &str) -> bool {
        let found = matches!(
            &self.parser.peek_token_ref().token,
            Token::Word(word)
                if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected)
        );
        if found {
            self.parser.next_token();
        }
        found
    }

    pub(crate) fn expect_word(&mut self, expected: &str) -> Bind<()> {
        if self.take_word(expected) {
            return Ok(());
        }
        let token = self.parser.peek_token();
        let message = format!("expected {expected}, found {}", token.token);
        Err(self.report.add(self.token_span(&token), message, None))
    }

    pub(crate) fn expect(&mut self, expected: &Token) -> Bind<()> {
        if self.parser.consume_token(expected) {
            return Ok(());
        }
        let token = self.parser.peek_token();
        let message = format!("expected {expected}, found {}", token.token);
        Err(self.report.add(self.token_span(&token), message, None))
    }

    /// Where a token stands; the end of the statement for the token after the last.
    pub(crate) fn token_span(&self, token: &TokenWithSpan) -> Span {
        let end = Span { start: self.span.end, end: self.span.end };
        match token.token {
            Token::EOF => end,
            _ => self.positions.span(token.span).unwrap_or(end),
        }
    }

    /// Reports a syntax error of `sqlparser` at the place its message names.
    pub(crate) fn checked<T>(&mut self, parsed: Result<T, ParserError>) -> Bind<T> {
        let error = match parsed {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let message = match error {
            ParserError::RecursionLimitExceeded => {
                let span = Span { start: self.span.start, end: self.span.start + 1 };
                return Err(self.report.add(span, "the statement nests too deeply", None));
            }
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        let (message, location) = split_location(&message);
        let at_token = self.token_span(&self.parser.peek_token());
        let start = location.and_then(|location| self.positions.byte(location));
        let span = match start {
            Some(start) => self.word_at(start),
            None => at_token,
        };
        let message = lower_first(message.trim_start_matches("sql parser error: "))
            .replace("expected: ", "expected ")
            .replace("found: EOF", "found the end of the statement")
            .replace("found: ", "found ");
        // Says what sqlparser could not do, not what is wrong with the text.
        let message = if message.starts_with("no infix parser for token") {
            "not supported: this operator".to_owned()
        } else {
            message
        };
        Err(self.report.add(span, message, None))
    }

    /// The range of the token that starts at a byte.
    fn word_at(&self, start: usize) -> Span {
        let mut back = 0_usize;
        loop {
            let index = self.parser.index();
            let Some(at) = index.checked_sub(back) else { break };
            let token = self.parser.token_at(at);
            if let Some(span) = self.positions.span(token.span)
                && span.start == start
            {
                return span;
            }
            back += 1;
            if back > 64 {
                break;
            }
        }
        Span { start, end: start + 1 }
    }
}

/// Cuts ` at Line: 1, Column: 8` off a message of `sqlparser`.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((head, tail)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let Some((line, column)) = tail.split_once(", Column: ") else { return (message, None) };
    match (line.parse(), column.parse()) {
        (Ok(line), Ok(column)) => (head, Some(Location { line, column })),
        _ => (message, None),
    }
}
