//! Statements of other engines that mean a query here: `DESCRIBE`, `COPY`, `INSERT INTO 'path'`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;
use tidemill_plan::Span;
use tidemill_plan::relation::Explain;

use crate::parse::Parsing;
use crate::report::Bind;
use crate::scan::PATH_QUOTE;
use crate::syntax::{Name, OptionEntry, Shown, StatementKind, Target};
use crate::tokens::shown;

const COPY_FORM: &str = "write COPY (SELECT …) TO 'path' (FORMAT csv, HEADER)";

/// Options of `COPY` by their names there, and here.
const COPY_OPTIONS: [(&str, &str); 12] = [
    ("format", "format"),
    ("header", "csv.header"),
    ("delimiter", "csv.delimiter"),
    ("delim", "csv.delimiter"),
    ("sep", "csv.delimiter"),
    ("quote", "csv.quote"),
    ("compression", "compression"),
    ("compression_level", "compression.level"),
    ("timestampformat", "timestamp.format"),
    ("partition_by", "partition.by"),
    ("codec", "compression"),
    ("durable", "durable"),
];

impl Parsing<'_> {
    /// What stands behind `DESCRIBE` and `SUMMARIZE`, where a table has become the query of its rows.
    pub(crate) fn shown(&mut self, shown: Shown, explain: Explain) -> Bind<StatementKind> {
        match self.query(Target::Stdout, explain)? {
            StatementKind::Query(mut query) => {
                query.shown = shown;
                Ok(StatementKind::Query(query))
            }
            other => Ok(other),
        }
    }

    /// `(query) TO 'path' (options)`, behind `COPY`.
    pub(crate) fn copy(&mut self, explain: Explain) -> Bind<StatementKind> {
        let next = self.parser.peek_token();
        if !self.parser.consume_token(&Token::LParen) {
            let is_read = |at| matches!(&self.parser.peek_nth_token(at).token, Token::Word(word) if word.keyword == Keyword::FROM);
            let (message, hint) = match is_read(1) {
                true => (
                    "not supported: COPY … FROM".to_owned(),
                    "read the file itself: FROM 'path', or CREATE SOURCE",
                ),
                false => {
                    (format!("a query in brackets is missing before {}", shown(&next)), COPY_FORM)
                }
            };
            return Err(self.report.add(self.token_span(&next), message, Some(hint.to_owned())));
        }
        let query = self.query(Target::Stdout, explain)?;
        self.expect(&Token::RParen)?;
        self.expect_word_or("TO", COPY_FORM)?;
        let Some(path) = self.path() else {
            let next = self.parser.peek_token();
            if self.is_next(0, "STDOUT") {
                let hint = Some("write the query alone: it prints to standard output".to_owned());
                let message = "not supported: COPY … TO STDOUT";
                return Err(self.report.add(self.token_span(&next), message, hint));
            }
            let message = format!("a path in single quotes is missing before {}", shown(&next));
            return Err(self.report.add(
                self.token_span(&next),
                message,
                Some(COPY_FORM.to_owned()),
            ));
        };
        let mut options = Vec::new();
        if self.take_word("WITH") || self.parser.peek_token_ref().token == Token::LParen {
            self.copy_options(&mut options)?;
        }
        options.push(entry("on.existing", "replace", path.span));
        Ok(written(query, path, options))
    }

    /// `(FORMAT csv, HEADER, DELIMITER ';')`
    fn copy_options(&mut self, options: &mut Vec<OptionEntry>) -> Bind<()> {
        self.expect(&Token::LParen)?;
        loop {
            let key = self.option_key()?;
            let next = self.parser.peek_token();
            let value = match next.token {
                Token::Comma | Token::RParen => Name::exact("true".to_owned(), key.span),
                Token::LParen => self.listed_names()?,
                _ => {
                    let _ = self.parser.consume_token(&Token::Eq);
                    self.option_value()?
                }
            };
            self.copy_option(key, value, options)?;
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)
    }

    /// `(a, b)` as `a,b`
    fn listed_names(&mut self) -> Bind<Name> {
        self.parser.next_token();
        let mut names = self.name()?;
        while self.parser.consume_token(&Token::Comma) {
            let name = self.name()?;
            names.text = format!("{},{}", names.text, name.text);
        }
        self.expect(&Token::RParen)?;
        Ok(Name::exact(names.text, names.span))
    }

    fn copy_option(&mut self, key: Name, value: Name, options: &mut Vec<OptionEntry>) -> Bind<()> {
        if ["overwrite", "overwrite_or_ignore"].contains(&key.text.as_str()) {
            // What was there is replaced as it is.
            return Ok(());
        }
        let Some((_, name)) = COPY_OPTIONS.iter().find(|(name, _)| *name == key.text) else {
            let names: Vec<&str> = COPY_OPTIONS.iter().map(|(name, _)| *name).collect();
            let hint = format!("options of COPY here are {}", names.join(", ").to_uppercase());
            let message = format!("not supported: the option {} of COPY", key.text.to_uppercase());
            return Err(self.report.add(key.span, message, Some(hint)));
        };
        let is_truth = ["1", "true", "on"].iter().any(|text| value.text.eq_ignore_ascii_case(text));
        let text = match (*name, value.text.to_ascii_lowercase().as_str()) {
            ("csv.header", _) if is_truth => "true".to_owned(),
            ("csv.header", "0" | "off") => "false".to_owned(),
            ("format", format) => format.to_owned(),
            _ => value.text,
        };
        let key = Name::of_option(name, key);
        options.push(OptionEntry { key, value: Name::exact(text, value.span) });
        Ok(())
    }

    /// `INSERT INTO 'path'`: a sink that is nowhere else.
    pub(crate) fn insert_into_path(&mut self, path: Name, explain: Explain) -> Bind<StatementKind> {
        let query = self.query(Target::Stdout, explain)?;
        Ok(written(query, path, Vec::new()))
    }

    /// A path in single quotes, if that is what comes.
    pub(crate) fn path(&mut self) -> Option<Name> {
        let next = self.parser.peek_token();
        let span = self.token_span(&next);
        let text = match next.token {
            Token::SingleQuotedString(text) => text,
            Token::Word(word) if word.quote_style == Some(PATH_QUOTE) => word.value,
            _ => return None,
        };
        self.parser.next_token();
        Some(Name::exact(text, span))
    }
}

/// The query into files at a path, which is the sink's name, too.
fn written(query: StatementKind, path: Name, mut options: Vec<OptionEntry>) -> StatementKind {
    let StatementKind::Query(mut query) = query else { return query };
    options.push(entry("connector", "file", path.span));
    options
        .push(OptionEntry { key: Name::exact("path".to_owned(), path.span), value: path.clone() });
    query.target = Target::Stream { name: path, options };
    StatementKind::Query(query)
}

fn entry(key: &str, value: &str, span: Span) -> OptionEntry {
    let name = |text: &str| Name::exact(text.to_owned(), span);
    OptionEntry { key: name(key), value: name(value) }
}
