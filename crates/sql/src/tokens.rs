//! The small steps of parsing a statement: names, options, expected words, and the errors of
//! `sqlparser` at their place.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use tidemill_plan::Span;

use crate::diagnosis::construct_at;
use crate::parse::Parsing;
use crate::position::union;
use crate::report::{Bind, Reported};
use crate::scan::{PATH_QUOTE, is_word, lower_first};
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
        let name = match &token.token {
            Token::Word(word) if word.quote_style.is_some() => {
                Name::exact(word.value.clone(), span)
            }
            Token::Word(word) => Name::folded(word.value.clone(), span),
            other => {
                let message = format!("expected a name, found {other}");
                return Err(self.unexpected(&token, message));
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
        Err(self.unexpected(&token, format!("expected {expected}, found {}", shown(&token))))
    }

    /// Reports a token that does not belong where it is, by the name of what it begins if that is known.
    pub(crate) fn unexpected(&mut self, token: &TokenWithSpan, message: String) -> Reported {
        let span = self.token_span(token);
        match self.diagnosed(span) {
            Some(reported) => reported,
            None if token.token == Token::EOF => {
                let message = message.replace("EOF", "the end of the statement");
                self.report.add(span, message, None)
            }
            None => self.report.add(span, message, None),
        }
    }

    pub(crate) fn expect(&mut self, expected: &Token) -> Bind<()> {
        if self.parser.consume_token(expected) {
            return Ok(());
        }
        let token = self.parser.peek_token();
        Err(self.unexpected(&token, format!("expected {expected}, found {}", shown(&token))))
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
        let start = location.and_then(|location| self.positions.byte(location));
        let current = self.parser.get_current_token();
        let is_found =
            |token: &TokenWithSpan| message.ends_with(&format!("found: {}", shown(token)));
        let at_start = start.map(|start| self.word_at(start));
        let named = at_start.and_then(|span| self.tokens().get(self.index_of(span)).map(is_found));
        let span = match at_start {
            // The place is that of the token behind, where this one was taken before it did not fit.
            _ if is_found(current) && named != Some(true) => self.token_span(current),
            Some(span) => span,
            None => self.token_span(&self.parser.peek_token()),
        };
        let is_operator = message.trim_start_matches("sql parser error: ").starts_with("No infix");
        if let Some(reported) = self.diagnosed(span) {
            return Err(reported);
        }
        let message = lower_first(message.trim_start_matches("sql parser error: "))
            .replace("expected: ", "expected ")
            .replace("found: EOF", "found the end of the statement")
            .replace("found: ", "found ");
        // Says what sqlparser could not do, not what is wrong with the text.
        let message = match self.tokens().get(self.index_of(span)) {
            Some(token) if is_operator => format!("not supported: the operator {}", shown(token)),
            _ => message,
        };
        Err(self.report.add(span, message, None))
    }

    /// Reports what the statement was meant to say at a place where it is wrong, if that is known.
    pub(crate) fn diagnosed(&mut self, span: Span) -> Option<Reported> {
        let at = self.index_of(span);
        let tokens = self.tokens();
        if let Some((range, construct)) = construct_at(&tokens, at) {
            let last = self.token_span(&tokens[range.end - 1]);
            let span = union(self.token_span(&tokens[range.start]), last);
            let message = format!("not supported: {}", construct.what);
            return Some(self.report.add(span, message, construct.hint.map(str::to_owned)));
        }
        if let Some(finding) = self.incomplete(&tokens, at) {
            return Some(finding);
        }
        let before = tokens.get(at.checked_sub(1)?)?;
        let found = match tokens.get(at) {
            Some(token) => shown(token),
            None => "the end of the statement".to_owned(),
        };
        if before.token != Token::Comma {
            return None;
        }
        let message = format!("a comma too many before {found}");
        Some(self.report.add(self.token_span(before), message, None))
    }

    /// Reports a `GROUP` or `ORDER` without its `BY`, and a `CASE` without its `END`.
    fn incomplete(&mut self, tokens: &[TokenWithSpan], at: usize) -> Option<Reported> {
        let needs_by = ["GROUP", "ORDER"].into_iter().find(|word| is_word(tokens, at, word));
        if let Some(word) = needs_by.filter(|_| !is_word(tokens, at + 1, "BY")) {
            let span = self.token_span(&tokens[at]);
            return Some(self.report.add(span, format!("expected BY after {word}"), None));
        }
        let mut open = Vec::new();
        for index in 0..at.min(tokens.len()) {
            if is_word(tokens, index, "CASE") {
                open.push(index);
            } else if is_word(tokens, index, "END") {
                open.pop();
            }
        }
        let is_branch = ["WHEN", "THEN", "ELSE"].iter().any(|word| is_word(tokens, at, word));
        let case = open.pop().filter(|_| is_branch)?;
        let is_closed = (at..tokens.len()).any(|index| is_word(tokens, index, "END"));
        let span = self.token_span(&tokens[case]);
        (!is_closed).then(|| self.report.add(span, "this CASE has no END", None))
    }

    /// The statement's tokens.
    fn tokens(&self) -> Vec<TokenWithSpan> {
        let all = (0..).map(|index| self.parser.token_at(index));
        all.take_while(|token| token.token != Token::EOF).cloned().collect()
    }

    /// The token that starts where `span` does; how many there are if none does.
    fn index_of(&self, span: Span) -> usize {
        let tokens = self.tokens();
        let starts = |token: &TokenWithSpan| self.token_span(token).start == span.start;
        tokens.iter().position(starts).unwrap_or(tokens.len())
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

/// A token as it was written. The path of `FROM 'path'` is a word that cannot show itself.
pub(crate) fn shown(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style == Some(PATH_QUOTE) => format!("'{}'", word.value),
        other => other.to_string(),
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
