//! Text to the tokens of each statement: limits, the split at `;`, and the clauses that
//! `sqlparser` has no grammar for.
//!
//! What no statement may be spelled with is refused first, see `spelling`.
//! `EMIT …` is cut out of the tokens and kept beside them; window clauses become functions of the
//! `GROUP BY` (see `window_tokens`). Limits are enforced before anything recurses.

use std::borrow::Cow;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};
use tidemill_plan::{Emit, Span};

use crate::call_tokens::with_our_clauses;
use crate::dialect::TidemillDialect;
use crate::from_first::select_first;
use crate::json_tokens::with_clauses_as_arguments;
use crate::position::Positions;
use crate::report::Report;
use crate::spelling;
use crate::statement_tokens::in_our_order;
use crate::window_order::windows_last;
use crate::window_tokens::TableWindow;

/// What some editors put at the head of a file.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The quote of a word that stands for a path. No script quotes a name this way (see `dialect`), and
/// `sqlparser` can print it: it panics at a word in single quotes that it has to show.
pub(crate) const PATH_QUOTE: char = '[';

/// Longest script, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of brackets and `CASE … END`.
pub(crate) const NESTING_MAX: usize = 64;
/// Most tokens between two commas, brackets, `AND`s, `OR`s or clauses. Statements without such a
/// break are chains (`1+1+1…`), which make a tree as deep as they are long.
const CHAIN_TOKENS_MAX: usize = 10_000;

/// The tokens of one statement, white space and comments left out.
pub(crate) struct Chunk {
    /// Never empty.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// The `EMIT` clause that was cut out.
    pub(crate) emit: Option<EmitClause>,
    /// From the first token to the last.
    pub(crate) span: Span,
    /// A finding was reported, so that binding it would only repeat that.
    pub(crate) is_refused: bool,
    /// Some tokens have no meaning, so that parsing them would find something else.
    pub(crate) is_misspelt: bool,
}

/// `EMIT FINAL`, `EMIT CHANGES`, `EMIT CHANGES EVERY n ROWS`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmitClause {
    /// When results leave.
    pub(crate) emit: Emit,
    /// The clause.
    pub(crate) span: Span,
}

/// Splits a script into statements.
pub(crate) fn scan(text: &str, positions: &Positions, report: &mut Report) -> Vec<Chunk> {
    if text.len() > TEXT_BYTES_MAX {
        let span = Span { start: 0, end: 0 };
        let message = format!("the script has {} bytes; at most 1 MiB is read", text.len());
        report.add(span, message, None);
        return Vec::new();
    }
    let read = without_head(text);
    let tokens = match Tokenizer::new(&TidemillDialect, &read).tokenize_with_location() {
        Ok(tokens) => tokens,
        Err(error) => {
            let start = positions.byte(error.location).unwrap_or(0);
            let spelling::Fault { span, message, hint } =
                spelling::unclosed(&error.message, start, text);
            report.add(span, message, hint);
            return Vec::new();
        }
    };
    let mut chunks = Vec::new();
    let mut current = Vec::new();
    for token in tokens {
        match &token.token {
            Token::Whitespace(Whitespace::SingleLineComment { prefix, comment }) => {
                let start = positions.span(token.span).map_or(0, |span| span.start);
                check_comment(start + prefix.len(), comment, report);
            }
            Token::Whitespace(Whitespace::MultiLineComment(comment))
                if comment.starts_with('+') =>
            {
                let span = positions.span(token.span).unwrap_or_default();
                let hint = "options stand in the WITH (…) of the source; a comment that is none of a program begins with /* and a space";
                report.add(
                    span,
                    "not supported: hints of a query, /*+ … */",
                    Some(hint.to_owned()),
                );
            }
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => {
                finish(text, std::mem::take(&mut current), positions, report, &mut chunks)
            }
            _ => current.push(token),
        }
    }
    finish(text, current, positions, report, &mut chunks);
    chunks
}

/// The script without what may stand at its head and says nothing: a mark of the encoding, and the line
/// `#!…` that names its interpreter. Spaces in their place keep the count of characters.
fn without_head(text: &str) -> Cow<'_, str> {
    let mark = usize::from(text.starts_with(BYTE_ORDER_MARK));
    let rest = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let line = match rest.starts_with("#!") {
        true => rest.find('\n').unwrap_or(rest.len()),
        false => 0,
    };
    match mark + line {
        0 => Cow::Borrowed(text),
        _ => {
            let spaces = mark + rest[..line].chars().count();
            Cow::Owned(format!("{}{}", " ".repeat(spaces), &rest[line..]))
        }
    }
}

/// A comment of one line ends at a line feed alone; other breaks would hide what follows.
fn check_comment(start: usize, comment: &str, report: &mut Report) {
    let Some(at) = spelling::hidden_line_break(comment) else { return };
    let code = comment[at..].chars().next().map_or(0, u32::from);
    let message = format!("this line break, U+{code:04X}, does not end a comment");
    let hint = "end lines with a line feed; what follows here would be passed over".to_owned();
    let span = Span { start: start + at, end: start + at + 1 };
    report.add(span, message, Some(hint));
}

fn finish(
    text: &str,
    tokens: Vec<TokenWithSpan>,
    positions: &Positions,
    report: &mut Report,
    chunks: &mut Vec<Chunk>,
) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
    let start = positions.span(first.span).map_or(0, |span| span.start);
    let end = positions.span(last.span).map_or(start, |span| span.end);
    let span = Span { start, end };
    let tokens = in_our_order(&tokens).unwrap_or(tokens);
    let tokens = with_our_clauses(&tokens).unwrap_or(tokens);
    let tokens = with_clauses_as_arguments(&tokens).unwrap_or(tokens);
    let tokens = select_first(&tokens).unwrap_or(tokens);
    let tokens = windows_last(&tokens).unwrap_or(tokens);
    if !spelling::check(&tokens, positions, report) {
        chunks.push(Chunk { tokens, emit: None, span, is_refused: true, is_misspelt: true });
        return;
    }
    let mut scanner = Scanner {
        text,
        positions,
        report,
        kept: Vec::with_capacity(tokens.len()),
        emit: None,
        nesting: 0,
        chain: 0,
        prefixes: 0,
        brackets: Vec::new(),
        table_windows: Vec::new(),
        buffers: Vec::new(),
        is_refused: false,
        is_misspelt: false,
    };
    scanner.run(&tokens);
    scanner.check_table_windows();
    let Scanner { kept, emit, is_refused, is_misspelt, .. } = scanner;
    chunks.push(Chunk { tokens: kept, emit, span, is_refused, is_misspelt });
}

pub(crate) struct Scanner<'a> {
    text: &'a str,
    positions: &'a Positions,
    report: &'a mut Report,
    pub(crate) kept: Vec<TokenWithSpan>,
    emit: Option<EmitClause>,
    pub(crate) nesting: usize,
    chain: usize,
    /// `NOT`s and signs in a row.
    prefixes: usize,
    /// For each open round bracket, whether a query begins right behind it: there `FROM` names a
    /// relation, elsewhere within brackets it belongs to `TRIM`, `EXTRACT` or `SUBSTRING`.
    brackets: Vec<bool>,
    /// Table functions that wait for their `GROUP BY window_start, window_end`.
    pub(crate) table_windows: Vec<TableWindow>,
    /// Frames of `ROWS WINDOW BUFFER`, and how deep in brackets each `OVER` is: `sqlparser` expects them
    /// behind its `ORDER BY`.
    buffers: Vec<(usize, [TokenWithSpan; 3])>,
    is_refused: bool,
    is_misspelt: bool,
}

impl Scanner<'_> {
    fn run(&mut self, tokens: &[TokenWithSpan]) {
        let mut at = 0;
        while at < tokens.len() {
            if !self.check_limits(&tokens[at]) {
                return;
            }
            let taken = self
                .take_emit(tokens, at)
                .max(self.take_buffer(tokens, at))
                .max(self.take_window(tokens, at));
            if taken > 0 {
                at += taken;
                continue;
            }
            self.check_number(tokens, at, &[]);
            self.track_brackets(tokens, at);
            self.put_buffer(&tokens[at]);
            let is_after_from = at > 0 && is_word(tokens, at - 1, "from");
            let is_in_query = self.brackets.last().copied().unwrap_or(true);
            self.kept.push(if is_after_from && is_in_query {
                path_as_word(&tokens[at])
            } else {
                tokens[at].clone()
            });
            at += 1;
        }
    }

    /// Reports a number that goes on as none does; `units` may follow it.
    pub(crate) fn check_number(&mut self, tokens: &[TokenWithSpan], at: usize, units: &[&str]) {
        let fault = spelling::number_fault(tokens, at, units, self.text, self.positions);
        if let Some(spelling::Fault { span, message, hint }) = fault {
            self.report.add(span, message, hint);
            self.is_refused = true;
            self.is_misspelt = true;
        }
    }

    fn track_brackets(&mut self, tokens: &[TokenWithSpan], at: usize) {
        match &tokens[at].token {
            Token::LParen => {
                let begins = ["select", "with", "from"];
                self.brackets.push(begins.iter().any(|word| is_word(tokens, at + 1, word)));
            }
            Token::RParen => {
                self.brackets.pop();
            }
            Token::SemiColon => self.brackets.clear(),
            _ => {}
        }
    }

    /// Counts nesting and chains; `false` after the first limit that is passed.
    fn check_limits(&mut self, token: &TokenWithSpan) -> bool {
        self.chain += 1;
        let is_prefix = match &token.token {
            Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => true,
            Token::Word(word) => word.keyword == Keyword::NOT,
            _ => false,
        };
        self.prefixes = if is_prefix { self.prefixes + 1 } else { 0 };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.nesting += 1;
                self.chain = 0;
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.nesting = self.nesting.saturating_sub(1);
            }
            Token::Comma => self.chain = 0,
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::CASE => {
                    self.nesting += 1;
                    self.chain = 0;
                }
                Keyword::END => self.nesting = self.nesting.saturating_sub(1),
                Keyword::AND | Keyword::OR | Keyword::WHEN | Keyword::THEN | Keyword::UNION => {
                    self.chain = 0;
                }
                _ => {}
            },
            _ => {}
        }
        if self.nesting > NESTING_MAX {
            let message = format!("nests deeper than {NESTING_MAX} brackets");
            self.refuse(token, message);
            return false;
        }
        if self.prefixes > NESTING_MAX {
            let message = format!("more than {NESTING_MAX} signs or NOTs in a row");
            self.refuse(token, message);
            return false;
        }
        if self.chain > CHAIN_TOKENS_MAX {
            let message = format!("an expression of more than {CHAIN_TOKENS_MAX} tokens in a row");
            self.refuse(token, message);
            return false;
        }
        true
    }

    fn refuse(&mut self, token: &TokenWithSpan, message: String) {
        let span = self.positions.span(token.span).unwrap_or_default();
        self.report.add(span, message, None);
        self.is_refused = true;
        self.kept.clear();
    }

    /// How many tokens the `EMIT` clause at `at` has; 0 where there is none.
    fn take_emit(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        let follows = at > 0 && !matches!(tokens[at - 1].token, Token::Comma | Token::Period);
        if !follows || !is_word(tokens, at, "EMIT") {
            return 0;
        }
        if at + 1 == tokens.len() && ends_clause(&tokens[at - 1].token) {
            let span = self.span_of(&tokens[at..=at]);
            let hint = "write EMIT FINAL, or EMIT CHANGES";
            self.add_with(span, "EMIT has no mode behind it", hint);
            return 1;
        }
        let on_close = ["ON", "WINDOW", "CLOSE"];
        let (emit, taken) = if is_word(tokens, at + 1, "FINAL") {
            (Emit::Final, 2)
        } else if on_close.iter().enumerate().all(|(i, word)| is_word(tokens, at + 1 + i, word)) {
            (Emit::Final, 4)
        } else if is_word(tokens, at + 1, "CHANGES") {
            match every(tokens, at + 2) {
                None => (Emit::Changes, 2),
                Some((Some(count), taken)) => (Emit::ChangesEvery(count), 2 + taken),
                Some((None, taken)) => {
                    let span = self.span_of(&tokens[at..at + 2 + taken]);
                    let hint = "write EVERY n ROWS with n from 1: changes are counted in records, not in time";
                    self.add_with(span, "EVERY is not understood", hint);
                    return 2 + taken;
                }
            }
        } else {
            return 0;
        };
        let span = self.span_of(&tokens[at..at + taken]);
        if self.nesting > 0 {
            self.add(span, "not supported: EMIT in a subquery; it belongs at the end of the query");
        } else if self.emit.is_some() {
            self.add(span, "a second EMIT clause");
        } else {
            self.emit = Some(EmitClause { emit, span });
        }
        taken
    }

    /// How many tokens of `ROWS WINDOW BUFFER n ROWS` stand at `at`: the last n rows, this one included;
    /// 0 where there are none.
    fn take_buffer(&mut self, tokens: &[TokenWithSpan], at: usize) -> usize {
        if !is_word(tokens, at, "ROWS") || !is_word(tokens, at + 1, "WINDOW") {
            return 0;
        }
        let taken = 5.min(tokens.len() - at);
        let row_count = match tokens.get(at + 3).map(|token| &token.token) {
            Some(Token::Number(digits, false)) => digits.parse().ok().filter(|&n: &u64| n >= 1),
            _ => None,
        };
        let is_shaped = is_word(tokens, at + 2, "BUFFER") && is_word(tokens, at + 4, "ROWS");
        let Some(row_count) = row_count.filter(|_| is_shaped) else {
            let span = self.span_of(&tokens[at..at + taken]);
            self.add(span, "expected OVER (ROWS WINDOW BUFFER n ROWS …), n a number from 1");
            return taken;
        };
        let put = |token| TokenWithSpan::new(token, tokens[at + 3].span);
        let word = |text: &str, keyword| {
            put(Token::Word(Word { value: text.to_owned(), quote_style: None, keyword }))
        };
        let frame = [
            word("ROWS", Keyword::ROWS),
            put(Token::Number((row_count - 1).to_string(), false)),
            word("PRECEDING", Keyword::PRECEDING),
        ];
        self.buffers.push((self.nesting, frame));
        taken
    }

    /// Puts a frame that was taken before the bracket that closes its `OVER`.
    fn put_buffer(&mut self, token: &TokenWithSpan) {
        let closes = |(nesting, _): &mut (usize, _)| *nesting > self.nesting;
        if token.token == Token::RParen
            && let Some((_, frame)) = self.buffers.pop_if(closes)
        {
            self.kept.extend(frame);
        }
    }

    pub(crate) fn add(&mut self, span: Span, message: &str) {
        self.report.add(span, message, None);
        self.is_refused = true;
    }

    pub(crate) fn add_with(&mut self, span: Span, message: &str, hint: &str) {
        self.report.add(span, message, Some(hint.to_owned()));
        self.is_refused = true;
    }

    pub(crate) fn span_of(&self, tokens: &[TokenWithSpan]) -> Span {
        let first = tokens.first().and_then(|token| self.positions.span(token.span));
        let last = tokens.last().and_then(|token| self.positions.span(token.span));
        match (first, last) {
            (Some(first), Some(last)) => Span { start: first.start, end: last.end },
            _ => Span::default(),
        }
    }
}

/// Whether a clause may end with a token, so that a word behind it begins another.
fn ends_clause(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_some() || word.keyword == Keyword::NoKeyword,
        other => matches!(other, Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen),
    }
}

/// `EVERY n ROWS` at `at`: n, and how many tokens it has.
fn every(tokens: &[TokenWithSpan], at: usize) -> Option<(Option<u64>, usize)> {
    if !is_word(tokens, at, "EVERY") {
        return None;
    }
    let count = match tokens.get(at + 1).map(|token| &token.token) {
        Some(Token::Number(digits, false)) => digits.parse().ok().filter(|&count| count >= 1),
        _ => None,
    };
    let ends = is_word(tokens, at + 2, "ROWS") || is_word(tokens, at + 2, "ROW");
    let taken = 3.min(tokens.len() - at);
    Some((count.filter(|_| ends), taken))
}

/// Tokens from an opening bracket through its partner; 0 if there is none.
pub(crate) fn balanced(tokens: &[TokenWithSpan]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return index + 1,
            Token::RParen => depth -= 1,
            _ if depth == 0 => return 0,
            _ => {}
        }
    }
    tokens.len()
}

/// `FROM 'path'`: the path becomes a word quoted by [`PATH_QUOTE`], which keeps its place in the
/// text through `sqlparser`, where a string used as a name loses it.
pub(crate) fn path_as_word(token: &TokenWithSpan) -> TokenWithSpan {
    match &token.token {
        Token::SingleQuotedString(path) => {
            let word = Word {
                value: path.clone(),
                quote_style: Some(PATH_QUOTE),
                keyword: Keyword::NoKeyword,
            };
            TokenWithSpan::new(Token::Word(word), token.span)
        }
        _ => token.clone(),
    }
}

pub(crate) fn is_word(tokens: &[TokenWithSpan], at: usize, expected: &str) -> bool {
    matches!(
        tokens.get(at).map(|token| &token.token),
        Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected)
    )
}

pub(crate) fn is_token(tokens: &[TokenWithSpan], at: usize, expected: &Token) -> bool {
    tokens.get(at).is_some_and(|token| token.token == *expected)
}

/// Our messages start in lower case; sqlparser's do not.
pub(crate) fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
