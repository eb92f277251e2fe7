//! What a script may not be spelled with: characters, literals and operators of other dialects,
//! refused by their names at their places before anything is parsed.
//!
//! `sqlparser` would read many of them as something else: `1_000` as `1 AS _000`, `E'a'` as
//! `e AS 'a'`, `'a' 'b'` as `'a' AS 'b'`. Start with [`check`]. Numbers are apart, see
//! [`number_fault`]: what stands behind one may be the unit of a window's duration.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use tidemill_plan::Span;

use crate::position::{Positions, union};
use crate::report::Report;
use crate::scan::lower_first;

/// A finding: where, what, and what to write instead.
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Reports what one statement's tokens may not be; `true` if there is nothing.
pub(crate) fn check(tokens: &[TokenWithSpan], positions: &Positions, report: &mut Report) -> bool {
    let mut is_right = true;
    let mut chars_seen = Vec::new();
    for at in 0..tokens.len() {
        let Some((taken, message, hint)) = refused(tokens, at) else { continue };
        if let Token::Char(c) = tokens[at].token {
            if chars_seen.contains(&c) {
                continue;
            }
            chars_seen.push(c);
        }
        let last = &tokens[(at + taken - 1).min(tokens.len() - 1)];
        let spans = (positions.span(tokens[at].span), positions.span(last.span));
        let span = union(spans.0.unwrap_or_default(), spans.1.unwrap_or_default());
        report.add(span, format!("not supported: {message}"), hint.map(str::to_owned));
        is_right = false;
    }
    is_right
}

/// How many tokens at `at` are refused, their name, and what to write instead.
fn refused(tokens: &[TokenWithSpan], at: usize) -> Option<(usize, String, Option<&'static str>)> {
    let token = &tokens[at].token;
    if let Token::Char(c) = token {
        let (message, hint) = character(*c);
        return Some((1, message, hint));
    }
    if let Some((taken, what, hint)) = string(tokens, at) {
        return Some((taken, what, hint));
    }
    if let Some((taken, what, hint)) = bracket(tokens, at) {
        return Some((taken, what.to_owned(), hint));
    }
    let (taken, hint) = operator(tokens, at)?;
    let text: String = tokens[at..at + taken].iter().map(|t| t.token.to_string()).collect();
    Some((taken, format!("the operator {text}"), hint))
}

/// A character that no token has.
fn character(c: char) -> (String, Option<&'static str>) {
    let code = u32::from(c);
    let hint = match c {
        '\u{2018}'..='\u{201f}'
        | '«'
        | '»'
        | '´'
        | '\u{2032}'
        | '\u{2033}'
        | '\u{ff07}'
        | '\u{ff02}' => Some("text stands in ' (U+0027), a name in \" (U+0022)"),
        '；' | '\u{37e}' => Some("write ;"),
        '，' | '、' => Some("write ,"),
        '（' => Some("write ("),
        '）' => Some("write )"),
        '＝' => Some("write ="),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some("write -"),
        '×' | '∗' => Some("write *"),
        '÷' | '∕' => Some("write /"),
        '≠' => Some("write <>"),
        '≤' => Some("write <="),
        '≥' => Some("write >="),
        _ if is_invisible(c) => {
            return (format!("the invisible character U+{code:04X}"), Some("delete it"));
        }
        _ => None,
    };
    (format!("the character {c} (U+{code:04X})"), hint)
}

/// Whether a character shows nothing by itself: controls, spaces that are none of ASCII's, what
/// joins and directs others.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && !c.is_ascii()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}')
}

/// What is said of texts that other dialects write.
pub(crate) const PLAIN: &str =
    "text stands in single quotes, '' is a quote within, a backslash is a backslash";

/// Literals of text that are not `'…'`, and two of them in a row.
fn string(tokens: &[TokenWithSpan], at: usize) -> Option<(usize, String, Option<&'static str>)> {
    let next = tokens.get(at + 1).map(|next| &next.token);
    let is_close = is_adjacent(tokens, at);
    match (&tokens[at].token, next) {
        (Token::SingleQuotedString(_), Some(Token::SingleQuotedString(_))) => Some((
            2,
            "two texts in a row".to_owned(),
            Some("a comma, || or AS belongs between them"),
        )),
        (Token::Word(word), Some(Token::Ampersand))
            if is_close && is_adjacent(tokens, at + 1) && word.value.eq_ignore_ascii_case("u") =>
        {
            let is_text = matches!(tokens.get(at + 2)?.token, Token::SingleQuotedString(_));
            is_text.then(|| (3, "U&'…'".to_owned(), Some(PLAIN)))
        }
        (Token::Word(word), Some(next))
            if is_close && word.quote_style.is_none() && word.keyword == Keyword::NoKeyword =>
        {
            let (open, close) = match next {
                Token::SingleQuotedString(_) => ("'", "'"),
                Token::Word(quoted) if quoted.quote_style == Some('"') => ("\"", "\""),
                _ => return None,
            };
            let hint = match word.value.to_ascii_lowercase().as_str() {
                "b" | "x" | "rb" | "br" => "bytes are X'0aff'",
                "e" | "r" | "u" | "q" | "n" => PLAIN,
                _ => "put a space before what is quoted",
            };
            Some((2, format!("{}{open}…{close}", word.value), Some(hint)))
        }
        _ => None,
    }
}

/// What is never closed, by the tokenizer's message and the byte it names.
pub(crate) fn unclosed(message: &str, start: usize, text: &str) -> Fault {
    let at = |start: usize| Span { start, end: start + 1 };
    let fault = |span, message: &str, hint: &str| Fault {
        span,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    };
    match message {
        message if message.starts_with("Expected close delimiter") => fault(
            at(start),
            "this name in double quotes is never closed",
            "put a \" behind it; text stands in single quotes",
        ),
        message if message.ends_with("in a multi-line comment") => {
            let start = text.rfind("/*").unwrap_or(start);
            fault(
                Span { start, end: start + 2 },
                "this comment is never closed",
                "put */ behind it",
            )
        }
        "Unterminated string literal" => fault(
            at(start),
            "this text in single quotes is never closed",
            "put a ' behind it; within text a quote is written twice, as in 'it''s'",
        ),
        other => Fault { span: at(start), message: lower_first(other), hint: None },
    }
}

/// Brackets that `sqlparser` has no meaning for here: of array types, and curly ones.
fn bracket(
    tokens: &[TokenWithSpan],
    at: usize,
) -> Option<(usize, &'static str, Option<&'static str>)> {
    let before = at.checked_sub(1).map(|before| &tokens[before].token);
    let is_before = |name: &str| {
        matches!(before, Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name))
    };
    let next = tokens.get(at + 1).map(|next| &next.token);
    match &tokens[at].token {
        Token::LBracket if is_before("MAP") => {
            Some((1, "MAP[…]", Some("put each value into a column of its own")))
        }
        Token::LBracket if matches!(before, Some(Token::Word(_) | Token::RParen)) => {
            // `CAST(x AS INT[3])`, `x::INT[3]`
            let names_type = |token: &TokenWithSpan| match &token.token {
                Token::DoubleColon => true,
                Token::Word(word) => word.keyword == Keyword::AS,
                _ => false,
            };
            let is_type = matches!(next, Some(Token::Number(..)))
                && at.checked_sub(2).is_some_and(|before| names_type(&tokens[before]));
            let hint = "ARRAY_AGG gives arrays; none can be declared";
            (is_type || next == Some(&Token::RBracket)).then_some((1, "array types", Some(hint)))
        }
        Token::LBrace if is_before("MAP") => Some((1, "MAP {…}", None)),
        Token::LBrace if matches!(before, Some(Token::Eq | Token::RArrow)) => {
            let hint = "declare the columns: CREATE SOURCE name (column TYPE, …) WITH ('connector' = 'file', …)";
            Some((1, "STRUCT {…}", Some(hint)))
        }
        Token::LBrace => match next {
            Some(Token::Word(word))
                if ["fn", "d", "t", "ts"].iter().any(|w| word.value.eq_ignore_ascii_case(w)) =>
            {
                Some((1, "ODBC's {…}", Some("write the function, DATE '…' or TIMESTAMP '…' alone")))
            }
            _ => Some((1, "STRUCT {…}", None)),
        },
        _ => None,
    }
}

/// How many tokens an operator has that `sqlparser` cannot read here, and what does the same.
fn operator(tokens: &[TokenWithSpan], at: usize) -> Option<(usize, Option<&'static str>)> {
    let next = tokens.get(at + 1).map(|next| &next.token).filter(|_| is_adjacent(tokens, at));
    Some(match (&tokens[at].token, next) {
        (Token::Pipe, Some(Token::Gt)) => (2, Some("a query begins with SELECT")),
        (Token::Eq, Some(Token::Lt)) => (2, Some("write <=")),
        (Token::Overlap, _) => (1, Some("write AND")),
        (Token::ExclamationMark, _) => (1, Some("write NOT")),
        (Token::Assignment, _) if is_of_struct(tokens, at) => {
            (1, Some("put each value into a column of its own"))
        }
        (Token::Assignment, _) => (1, Some("write =")),
        (
            Token::Backslash
            | Token::DoubleSharp
            | Token::DoubleExclamationMark
            | Token::PGSquareRoot
            | Token::PGCubeRoot,
            _,
        ) => (1, None),
        _ => return None,
    })
}

/// Whether a member of `STRUCT(…)` or `STRUCT_PACK(…)` is named there.
fn is_of_struct(tokens: &[TokenWithSpan], at: usize) -> bool {
    let is_word = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.value.to_ascii_uppercase().starts_with("STRUCT"));
    tokens[..at].iter().any(is_word)
}

/// What does the same as an operator of another dialect, where something does.
pub(crate) fn instead_of_operator(text: &str) -> Option<&'static str> {
    Some(match text {
        "<=>" => "write IS NOT DISTINCT FROM",
        "XOR" => "write <> between conditions",
        "~" | "!~" => "REGEXP_LIKE(text, pattern) matches a regular expression",
        "~*" | "!~*" => "REGEXP_LIKE(text, pattern, 'i') matches a regular expression in any case",
        "~~" | "!~~" => "write LIKE",
        "~~*" | "!~~*" => "write ILIKE",
        "#>" | "#>>" => "text -> 'key' and text ->> '$.key[0]' read JSON",
        "#" => "write XOR(x, y)",
        _ => return None,
    })
}

/// What is wrong about the number at `at`, if it is one: what follows without a space belongs to it.
///
/// `unit` says which words may follow: units of a window's durations.
pub(crate) fn number_fault(
    tokens: &[TokenWithSpan],
    at: usize,
    units: &[&str],
    text: &str,
    positions: &Positions,
) -> Option<Fault> {
    let is_number = match &tokens[at].token {
        Token::Number(_, is_long) => !is_long,
        // `0x1F` is made one of these, as `X'1F'` is.
        Token::HexStringLiteral(_) => false,
        _ => return None,
    };
    let start = positions.span(tokens[at].span)?;
    let is_hexadecimal = text.get(start.start..).is_some_and(|rest| rest.starts_with("0x"));
    if !is_number && !is_hexadecimal && matches!(tokens[at].token, Token::HexStringLiteral(_)) {
        return None;
    }
    let mut last = at;
    while is_adjacent(tokens, last)
        && matches!(
            tokens[last + 1].token,
            Token::Word(_) | Token::Number(..) | Token::Period | Token::SingleQuotedString(_)
        )
    {
        last += 1;
    }
    let is_duration = last == at + 1
        && matches!(&tokens[last].token, Token::Word(word)
            if units.iter().any(|unit| word.value.eq_ignore_ascii_case(unit)));
    if is_number && (last == at || is_duration) {
        return None;
    }
    let span = union(start, positions.span(tokens[last].span)?);
    let written = text.get(span.start..span.end)?;
    let is_value = at > 0 && tokens[at - 1].token == Token::Eq;
    let is_size = written.ends_with(['B', 'b']);
    let hint = if is_value && is_size {
        format!("a value with letters stands in quotes: '{written}'")
    } else if is_hexadecimal || written.starts_with("0X") {
        "a number has decimal digits; bytes are X'0aff'".to_owned()
    } else if written.contains('_') && !written.contains(char::is_alphabetic) {
        format!("write {}, without separators", written.replace('_', ""))
    } else if written.ends_with(['s', 'm', 'h', 'd']) {
        "a span of time is INTERVAL '5' SECOND; a name needs a space before it".to_owned()
    } else {
        "a name needs a space before it, and a number one point and digits behind an E".to_owned()
    };
    Some(Fault { span, message: format!("not a number: {written}"), hint: Some(hint) })
}

/// Whether nothing stands between a token and the next.
fn is_adjacent(tokens: &[TokenWithSpan], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.span.start == tokens[at].span.end)
}

/// Where a comment has a line break that does not end it: what follows would be passed over.
pub(crate) fn hidden_line_break(comment: &str) -> Option<usize> {
    let comment = comment.strip_suffix('\r').unwrap_or(comment);
    comment.find(['\r', '\u{85}', '\u{2028}', '\u{2029}'])
}
