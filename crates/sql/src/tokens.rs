//! The small steps of parsing a statement: names, options, expected words, and the errors of
//! `sqlparser` at their place.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use tidemill_plan::Span;

use crate::diagnosis::construct_at;
use crate::expectations::reworded;
use crate::mistakes::{Mistake, mistake_at};
use crate::parse::Parsing;
use crate::position::union;
use crate::report::{Bind, Reported};
use crate::scan::PATH_QUOTE;
use crate::spelling::instead_of_operator;
use crate::syntax::{Name, OptionEntry};

impl Parsing<'_> {
    /// `WITH ('key' = 'value', …)`; none where there is no `WITH`.
    pub(crate) fn options(&mut self) -> Bind<Vec<OptionEntry>> {
        if !self.take_word("WITH") {
            let next = self.parser.peek_token();
            if next.token == Token::LParen {
                let hint = "write WITH ('connector' = 'file', …)".to_owned();
                let span = self.token_span(&next);
                return Err(self.report.add(
                    span,
                    "WITH is missing before the options",
                    Some(hint),
                ));
            }
            return Ok(Vec::new());
        }
        if self.parser.peek_token_ref().token != Token::LParen {
            let next = self.parser.peek_token();
            let hint = "write WITH ('connector' = 'file', …)".to_owned();
            let message =
                format!("the options stand in brackets behind WITH, but here is {}", shown(&next));
            return Err(self.report.add(self.token_span(&next), message, Some(hint)));
        }
        self.bracketed_options()
    }

    /// `('key' = 'value', …)`
    pub(crate) fn bracketed_options(&mut self) -> Bind<Vec<OptionEntry>> {
        let mut entries = Vec::new();
        self.parser.next_token();
        if self.parser.consume_token(&Token::RParen) {
            return Ok(entries);
        }
        loop {
            let key = self.option_key()?;
            let form = format!("write '{}' = 'value'", key.text);
            self.expect_sign(&Token::Eq, &form)?;
            let value = self.option_value()?;
            entries.push(OptionEntry { key, value });
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        let next = self.parser.peek_token();
        if let Token::SingleQuotedString(_) | Token::Word(_) = next.token {
            let message = format!("a comma is missing before {}", shown(&next));
            let hint = "options are separated by commas".to_owned();
            return Err(self.report.add(self.token_span(&next), message, Some(hint)));
        }
        self.expect_sign(
            &Token::RParen,
            "the options stand in brackets: WITH ('key' = 'value', …)",
        )?;
        Ok(entries)
    }

    /// Expects a sign of a form that can be shown.
    fn expect_sign(&mut self, sign: &Token, form: &str) -> Bind<()> {
        if self.parser.consume_token(sign) {
            return Ok(());
        }
        let next = self.parser.peek_token();
        let place = match next.token {
            Token::EOF => "at the end of the statement".to_owned(),
            _ => format!("before {}", shown(&next)),
        };
        let message = format!("{sign} is missing {place}");
        Err(self.report.add(self.token_span(&next), message, Some(form.to_owned())))
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
                let message = format!("a name is missing before {other}");
                let is_path = matches!(other, Token::SingleQuotedString(_));
                if is_path {
                    let hint = "a name stands without quotes, or in double quotes; a path belongs into WITH ('path' = …)";
                    return Err(self.report.add(span, message, Some(hint.to_owned())));
                }
                return Err(self.unexpected(&token, message));
            }
        };
        if self.parser.peek_token().token == Token::Period {
            let message = "not supported: a name of several parts";
            let hint = "names have one part: there are no schemas or databases".to_owned();
            return Err(self.report.add(span, message, Some(hint)));
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
        Err(self.unexpected(&token, format!("{expected} is missing before {}", shown(&token))))
    }

    /// As [`Self::expect_word`], where the form of the whole can be shown.
    pub(crate) fn expect_word_or(&mut self, expected: &str, form: &str) -> Bind<()> {
        if self.take_word(expected) {
            return Ok(());
        }
        let token = self.parser.peek_token();
        if let Some(reported) = self.construct(self.token_span(&token)) {
            return Err(reported);
        }
        let before = match token.token {
            Token::EOF => "at the end of the statement".to_owned(),
            _ => format!("before {}", shown(&token)),
        };
        let message = format!("{expected} is missing {before}");
        Err(self.report.add(self.token_span(&token), message, Some(form.to_owned())))
    }

    /// Reports a token that does not belong where it is, by the name of what it begins if that is known.
    pub(crate) fn unexpected(&mut self, token: &TokenWithSpan, message: String) -> Reported {
        let span = self.token_span(token);
        match self.diagnosed(span) {
            Some(reported) => reported,
            None if token.token == Token::EOF => {
                let message = message
                    .replace("before EOF", "at the end of the statement")
                    .replace("EOF", "the end of the statement");
                self.report.add(span, message, None)
            }
            None => self.report.add(span, message, None),
        }
    }

    /// Reports a token behind what is a whole statement.
    pub(crate) fn trailing(&mut self, token: &TokenWithSpan) -> Reported {
        let span = self.token_span(token);
        self.diagnosed(span).unwrap_or_else(|| {
            let message = format!("{} does not belong here", shown(token));
            let hint = "the statement is whole before it; put ; between two statements".to_owned();
            self.report.add(span, message, Some(hint))
        })
    }

    pub(crate) fn expect(&mut self, expected: &Token) -> Bind<()> {
        if self.parser.consume_token(expected) {
            return Ok(());
        }
        let token = self.parser.peek_token();
        Err(self.unexpected(&token, format!("{expected} is missing before {}", shown(&token))))
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
        let (tokens, at) = (self.tokens(), self.index_of(span));
        // Says what sqlparser could not do, not what is wrong with the text.
        if let Some(token) = tokens.get(at).filter(|_| is_operator) {
            let message = format!("not supported: the operator {}", shown(token));
            let hint = instead_of_operator(&shown(token)).map(str::to_owned);
            return Err(self.report.add(span, message, hint));
        }
        let (message, hint) =
            reworded(message.trim_start_matches("sql parser error: "), &tokens, at);
        Err(self.report.add(span, message, hint))
    }

    /// Reports what the statement was meant to say at a place where it is wrong, if that is known.
    pub(crate) fn diagnosed(&mut self, span: Span) -> Option<Reported> {
        if let Some(reported) = self.construct(span) {
            return Some(reported);
        }
        let at = self.index_of(span);
        let tokens = self.tokens();
        let Mistake { first, last, message, hint } = mistake_at(&tokens, at)?;
        let span = union(self.token_span(&tokens[first]), self.token_span(&tokens[last]));
        Some(self.report.add(span, message, hint))
    }

    /// Reports the construct of another dialect that stands at a place, if there is one.
    fn construct(&mut self, span: Span) -> Option<Reported> {
        let at = self.index_of(span);
        let tokens = self.tokens();
        let (range, construct) = construct_at(&tokens, at)?;
        let last = self.token_span(&tokens[range.end - 1]);
        let span = union(self.token_span(&tokens[range.start]), last);
        let message = format!("not supported: {}", construct.what);
        Some(self.report.add(span, message, construct.hint.map(str::to_owned)))
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
