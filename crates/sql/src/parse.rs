//! Tokens to statements. Our statements are parsed here; queries, expressions and types by
//! `sqlparser`, within them.

use std::rc::Rc;

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};
use tidemill_plan::relation::Explain;
use tidemill_plan::{Encoding, FileSource, Format, Script, Settings, Span, Unsaid};

use crate::catalog::Catalog;
use crate::declared::{Declared, declared};
use crate::deep_stack;
use crate::dialect::TidemillDialect;
use crate::error::SqlErrors;
use crate::file_paths::file_paths;
use crate::options;
use crate::position::{Positions, union};
use crate::read_functions::hoist_reads;
use crate::report::{Bind, Report};
use crate::scan::{Chunk, EmitClause, scan};
use crate::script::bind_script;
use crate::syntax::{
    ColumnKind, ColumnSyntax, CreateSource, Name, QueryStatement, Shown, Statement, StatementKind,
    Target, TypeSyntax, WatermarkSyntax, Words,
};
use crate::tables_of_others::settle_tables;
use crate::tokens::shown;

/// Recursion that `sqlparser` may use; brackets are bounded more tightly before.
const RECURSION_MAX: usize = 400;

/// Text that parsed, not yet bound.
///
/// It keeps the text alone: a syntax tree lives and dies on the thread that walks it.
#[derive(Clone, Debug)]
pub struct Parsed {
    text: String,
    file_paths: Vec<FilePath>,
    declared: Vec<Declared>,
    sets: Vec<(Name, Name)>,
}

/// Files whose schema the caller has to infer before binding.
#[derive(Clone, Debug, PartialEq)]
pub struct FilePath {
    /// A file, a directory or a glob, as it is written.
    pub path: String,
    /// How they are laid out: as declared, or by the extension of the path; `None` where it has none that
    /// is known.
    pub format: Option<Format>,
    /// What of its options nobody said.
    pub unsaid: Unsaid,
    /// As [`FileSource::hive_partitioning`].
    pub hive_partitioning: Option<bool>,
    /// As [`FileSource::union_by_name`].
    pub union_by_name: bool,
    /// How their text is written in bytes.
    pub encoding: Encoding,
    /// Where the path stands.
    pub span: Span,
}

impl FilePath {
    /// The files that `FROM 'path'` reads.
    pub(crate) fn of_path(path: &str, span: Span) -> Self {
        Self {
            path: path.to_owned(),
            format: options::format_by_name_ending(path),
            unsaid: Unsaid::ALL,
            encoding: Encoding::Unsaid,
            hive_partitioning: None,
            union_by_name: false,
            span,
        }
    }

    /// The files of a declared source.
    pub(crate) fn of_source(source: &FileSource, unsaid: Unsaid, span: Span) -> Self {
        Self {
            path: source.path.clone(),
            format: Some(source.format.clone()),
            unsaid,
            encoding: source.encoding,
            hive_partitioning: source.hive_partitioning,
            union_by_name: source.union_by_name,
            span,
        }
    }

    /// Whether the same is asked for, wherever it stands.
    pub(crate) fn is_the_same(&self, other: &Self) -> bool {
        Self { span: other.span, ..self.clone() } == *other
    }
}

/// Parses a script of statements separated by `;`.
///
/// # Errors
/// Every syntax error found, one a statement at most.
///
/// # Cost
/// O(text), on a thread of its own whose stack fits what the text can nest.
pub fn parse(text: &str) -> Result<Parsed, SqlErrors> {
    let (file_paths, declared, sets) = deep_stack::run(text, || {
        let mut report = Report::default();
        let statements = statements(text, &mut report);
        let file_paths = file_paths(&statements, &Positions::new(text));
        let sets = statements.iter().filter_map(|statement| match &statement.kind {
            StatementKind::Set { key, value } => Some((key.clone(), value.clone())),
            _ => None,
        });
        report.finish((file_paths, declared(text, &statements), sets.collect()))
    })?;
    Ok(Parsed { text: text.to_owned(), file_paths, declared, sets })
}

impl Parsed {
    /// Every file whose schema is not declared: `FROM 'path'`, and file sources without columns.
    #[must_use]
    pub fn file_paths(&self) -> Vec<FilePath> {
        self.file_paths.clone()
    }

    /// What it declares, in its order.
    #[must_use]
    pub fn declared(&self) -> Vec<Declared> {
        self.declared.clone()
    }

    /// Settings as its `SET` statements leave them, as far as these are right.
    #[must_use]
    pub fn settings(&self, before: &Settings) -> Settings {
        let mut settings = before.clone();
        for (key, value) in &self.sets {
            // What is wrong with them is said when the script is bound.
            let _ = options::set(key, value, &mut settings, &mut Report::default());
        }
        settings
    }

    /// Checks names and types, and plans every query.
    ///
    /// # Errors
    /// Everything found wrong with the script.
    pub fn bind(&self, catalog: &Catalog) -> Result<Script, SqlErrors> {
        deep_stack::run(&self.text, || {
            let mut report = Report::default();
            let statements = statements(&self.text, &mut report);
            let script = bind_script(
                &self.text,
                &statements,
                &Positions::new(&self.text),
                catalog,
                &mut report,
            );
            report.finish(script)
        })
    }
}

/// Parses every statement; what does not parse is reported and left out.
fn statements(text: &str, report: &mut Report) -> Vec<Statement> {
    let positions = Positions::new(text);
    let mut statements = Vec::new();
    for chunk in scan(text, &positions, report) {
        if chunk.tokens.is_empty() {
            continue;
        }
        let Chunk { tokens, emit, span, is_refused, is_misspelt } = chunk;
        let declared = declared_name(&tokens, &positions);
        let words = Rc::new(words(&tokens, &positions));
        if is_misspelt {
            let kind = declared.map(StatementKind::Broken);
            statements.extend(kind.map(|kind| Statement { kind, span, words, is_refused }));
            continue;
        }
        let parser = Parser::new(&TidemillDialect)
            .with_recursion_limit(RECURSION_MAX)
            .with_tokens_with_locations(tokens);
        let mut parsing = Parsing { parser, positions: &positions, report, span, emit };
        let kind = match parsing.statement() {
            Ok(kind) => kind,
            Err(_) => match declared {
                Some(name) => StatementKind::Broken(name),
                None => continue,
            },
        };
        statements.push(Statement { kind, span, words, is_refused });
    }
    settle_tables(&mut statements);
    hoist_reads(&mut statements, &positions, report);
    statements
}

fn words(tokens: &[TokenWithSpan], positions: &Positions) -> Words {
    let word = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        Token::Word(_) | Token::SingleQuotedString(_) => String::new(),
        other => other.to_string(),
    };
    let placed = tokens.iter().filter_map(|token| Some((word(token), positions.span(token.span)?)));
    Words(placed.collect())
}

/// The name that a `CREATE …` declares.
fn declared_name(tokens: &[TokenWithSpan], positions: &Positions) -> Option<Name> {
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => Some(word),
        _ => None,
    };
    word(0).filter(|first| first.keyword == Keyword::CREATE)?;
    word(1)?;
    let name = word(2)?;
    let span = positions.span(tokens[2].span).unwrap_or_default();
    Some(match name.quote_style {
        Some(_) => Name::exact(name.value.clone(), span),
        None => Name::folded(name.value.clone(), span),
    })
}

/// One statement's tokens, and how far they are read.
pub(crate) struct Parsing<'a> {
    pub(crate) parser: Parser<'a>,
    pub(crate) positions: &'a Positions,
    pub(crate) report: &'a mut Report,
    pub(crate) span: Span,
    emit: Option<EmitClause>,
}

impl Parsing<'_> {
    fn statement(&mut self) -> Bind<StatementKind> {
        let mut explain = Explain::No;
        if self.take_word("EXPLAIN") {
            explain = if self.take_word("ANALYZE") { Explain::Analyze } else { Explain::Plan };
        }
        let kind = if self.take_word("CREATE") {
            self.create(explain)?
        } else if self.take_word("INSERT") {
            self.insert(explain)?
        } else if self.take_word("COPY") {
            self.copy(explain)?
        } else if explain == Explain::No && self.take_word("DESCRIBE") {
            self.shown(Shown::Columns, explain)?
        } else if self.take_word("SUMMARIZE") {
            self.shown(Shown::Summary, explain)?
        } else if explain == Explain::No && (self.take_word("SHOW") || self.take_word("LIST")) {
            self.show()?
        } else if self.take_word("SET") {
            self.set()?
        } else if self.starts_query() {
            self.query(Target::Stdout, explain)?
        } else {
            return Err(self.unknown_statement(explain));
        };
        let next = self.parser.peek_token();
        if next.token != Token::EOF {
            return Err(self.trailing(&next));
        }
        self.check_placement(&kind, explain)?;
        Ok(kind)
    }

    fn check_placement(&mut self, kind: &StatementKind, explain: Explain) -> Bind<()> {
        if matches!(kind, StatementKind::Query(_)) {
            return Ok(());
        }
        if explain != Explain::No {
            let message = "EXPLAIN needs a query: SELECT, INSERT INTO or CREATE STREAM";
            return Err(self.report.add(self.span, message, None));
        }
        match self.emit {
            Some(clause) => Err(self.report.add(clause.span, "EMIT belongs to a query", None)),
            None => Ok(()),
        }
    }

    pub(crate) fn starts_query(&self) -> bool {
        match self.parser.peek_token().token {
            Token::LParen => true,
            Token::Word(word) => {
                word.quote_style.is_none()
                    && matches!(
                        word.keyword,
                        Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE
                    )
            }
            _ => false,
        }
    }

    fn create(&mut self, explain: Explain) -> Bind<StatementKind> {
        // Whatever a script declares is gone at its end.
        if self.is_next(0, "OR") && self.is_next(1, "REPLACE") {
            (0..2).for_each(|_| drop(self.parser.next_token()));
        }
        let _ = self.take_word("TEMPORARY") || self.take_word("TEMP");
        if self.take_word("SOURCE") {
            return self.create_source().map(|source| StatementKind::Source(Box::new(source)));
        }
        if self.takes_view() {
            return self.create_view(explain);
        }
        if self.take_word("TABLE") {
            return self.create_table().map(|table| StatementKind::Table(Box::new(table)));
        }
        if self.take_word("SINK") {
            self.skip_if_not_exists();
            let name = self.name()?;
            let mut columns = Vec::new();
            if self.parser.consume_token(&Token::LParen) {
                loop {
                    columns.push(self.column()?);
                    if !self.parser.consume_token(&Token::Comma) {
                        break;
                    }
                }
                self.expect(&Token::RParen)?;
            }
            if self.is_next(0, "FROM") || self.is_next(0, "AS") {
                // With options it would have been brought into our order.
                let token = self.parser.peek_token();
                let message = "the options of the sink are missing: WITH (…)".to_owned();
                let hint = "write CREATE SINK name FROM table WITH ('connector' = 'file', 'path' = 'o.csv')";
                return Err(self.report.add(
                    self.token_span(&token),
                    message,
                    Some(hint.to_owned()),
                ));
            }
            let options = self.sink_options()?;
            return Ok(StatementKind::Sink { name, columns, options });
        }
        if self.take_word("STREAM") {
            if self.parser.peek_nth_token(1).token == Token::LParen {
                // In ksqlDB this is what is read.
                return self.create_source().map(|source| StatementKind::Source(Box::new(source)));
            }
            let name = self.name()?;
            let options = self.sink_options()?;
            self.expect_word("AS")?;
            return self.query(Target::Stream { name, options }, explain);
        }
        Err(self.unknown_create())
    }

    /// Takes `VIEW`, `MATERIALIZED VIEW`, or `TABLE` where a name, `AS` and a query follow: a query under a name, which
    /// runs where it is read.
    fn takes_view(&mut self) -> bool {
        let is_table = self.is_next(0, "TABLE")
            && self.is_next(if self.is_next(1, "IF") { 5 } else { 2 }, "AS");
        if is_table || (self.is_next(0, "MATERIALIZED") && self.is_next(1, "VIEW")) {
            self.parser.next_token();
        }
        is_table || self.take_word("VIEW")
    }

    /// Whether a word without quotes is the one so many behind the next.
    pub(crate) fn is_next(&self, at: usize, word: &str) -> bool {
        matches!(&self.parser.peek_nth_token(at).token, Token::Word(found)
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    }

    fn create_view(&mut self, explain: Explain) -> Bind<StatementKind> {
        self.skip_if_not_exists();
        let name = self.name()?;
        self.expect_word_or("AS", "write CREATE VIEW name AS SELECT …")?;
        match self.query(Target::Stdout, explain)? {
            StatementKind::Query(QueryStatement { query, emit: None, .. }) => {
                Ok(StatementKind::View { name, query })
            }
            _ => {
                let hint = "write it in the query that reads the view".to_owned();
                Err(self.report.add(name.span, "EMIT in a view", Some(hint)))
            }
        }
    }

    /// A script declares a name once, so that nothing exists before.
    fn skip_if_not_exists(&mut self) {
        if self.is_next(0, "IF") && self.is_next(1, "NOT") && self.is_next(2, "EXISTS") {
            (0..3).for_each(|_| drop(self.parser.next_token()));
        }
    }

    pub(crate) fn create_source(&mut self) -> Bind<CreateSource> {
        self.skip_if_not_exists();
        let name = self.name()?;
        let mut source = CreateSource {
            name,
            columns: Vec::new(),
            watermark: None,
            partitioned_by: Vec::new(),
            options: Vec::new(),
        };
        if self.parser.consume_token(&Token::LParen) {
            self.columns(&mut source)?;
        }
        if self.take_word("PARTITIONED") {
            self.expect_word("BY")?;
            self.expect(&Token::LParen)?;
            loop {
                source.partitioned_by.push(self.name()?);
                if !self.parser.consume_token(&Token::Comma) {
                    break;
                }
            }
            self.expect(&Token::RParen)?;
        }
        source.options = self.options()?;
        self.encoding(&mut source.options)?;
        self.refuse_topic(&source.options)?;
        Ok(source)
    }

    /// The column list, after its opening bracket.
    fn columns(&mut self, source: &mut CreateSource) -> Bind<()> {
        loop {
            if self.begins_watermark() && self.take_word("WATERMARK") {
                let watermark = self.watermark()?;
                if source.watermark.is_some() {
                    return Err(self.report.add(watermark.span, "a second WATERMARK clause", None));
                }
                source.watermark = Some(watermark);
            } else {
                source.columns.push(self.column()?);
            }
            if !self.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::RParen)
    }

    /// `WATERMARK FOR`; and `WATERMARK ts AS`, which is no column either.
    fn begins_watermark(&self) -> bool {
        let is = |at: usize, keyword: Keyword| matches!(&self.parser.peek_nth_token(at).token, Token::Word(word) if word.keyword == keyword);
        is(1, Keyword::FOR) || is(2, Keyword::AS)
    }

    fn column(&mut self) -> Bind<ColumnSyntax> {
        let next = self.parser.peek_token();
        if next.token == Token::Mul {
            let message = "not supported: * among declared columns";
            let hint =
                "where none but computed columns is declared, the others are those of the files";
            return Err(self.report.add(self.token_span(&next), message, Some(hint.to_owned())));
        }
        let name = self.name()?;
        if self.take_word("AS") {
            return self.computed(name, None);
        }
        let start = self.token_span(&self.parser.peek_token());
        let parsed = self.parser.parse_data_type();
        let data_type = self.checked(parsed)?;
        let end = self.token_span(self.parser.get_current_token());
        let data_type = TypeSyntax { name: data_type, span: union(start, end) };
        if self.take_word("GENERATED") {
            self.expect_word("ALWAYS")?;
            self.expect_word("AS")?;
            return self.computed(name, Some(data_type));
        }
        if self.take_word("AS") {
            return self.computed(name, Some(data_type));
        }
        if self.take_word("METADATA") {
            return self.metadata(name, data_type);
        }
        if self.take_word("PATH") {
            return self.column_path(name, data_type);
        }
        let format = if self.take_word("FORMAT") { Some(self.time_format()?) } else { None };
        let mut is_nullable = true;
        if self.take_word("NOT") {
            self.expect_word("NULL")?;
            is_nullable = false;
        } else {
            self.take_word("NULL");
        }
        self.end_column(
            "a column's type",
            "a column is a name, a type, FORMAT '…' of a time, and NOT NULL where it applies; a comma ends it",
        )?;
        Ok(ColumnSyntax { name, kind: ColumnKind::Recorded { data_type, format, is_nullable } })
    }

    /// The expression of a computed column, after `AS`.
    fn computed(&mut self, name: Name, data_type: Option<TypeSyntax>) -> Bind<ColumnSyntax> {
        let parsed = self.parser.parse_expr();
        let expr = Box::new(self.checked(parsed)?);
        self.refuse_not_null(&expr)?;
        // Both are what it is: it is computed where it is read.
        let _ = self.take_word("VIRTUAL") || self.take_word("STORED");
        self.end_column(
            "a computed column",
            "a computed column is its name, AS and an expression",
        )?;
        Ok(ColumnSyntax { name, kind: ColumnKind::Computed { data_type, expr, of_path: false } })
    }

    /// What a metadata column is, after `METADATA`.
    fn metadata(&mut self, name: Name, data_type: TypeSyntax) -> Bind<ColumnSyntax> {
        let key = if self.take_word("FROM") { self.metadata_key()? } else { name.clone() };
        // It is what it is: nothing is ever written to it.
        self.take_word("VIRTUAL");
        self.end_column("a metadata column", "a metadata column is name TYPE METADATA FROM 'key'")?;
        Ok(ColumnSyntax { name, kind: ColumnKind::Metadata { data_type, key } })
    }

    /// A key in quotes, as it is written.
    fn metadata_key(&mut self) -> Bind<Name> {
        let token = self.parser.next_token();
        let span = self.token_span(&token);
        match token.token {
            Token::SingleQuotedString(text) => Ok(Name::exact(text, span)),
            _ => {
                let message = format!("expected a key in single quotes, found {}", shown(&token));
                let hint = "keys are 'filename', 'file_row' and the keys of directories key=value";
                Err(self.report.add(span, message, Some(hint.to_owned())))
            }
        }
    }

    /// Where the value of a column is, after `PATH`.
    fn column_path(&mut self, name: Name, data_type: TypeSyntax) -> Bind<ColumnSyntax> {
        let token = self.parser.next_token();
        let span = self.token_span(&token);
        let Token::SingleQuotedString(text) = token.token else {
            let message = format!("expected a path in single quotes, found {}", shown(&token));
            let hint = "write PATH '$.http.status', or where else the value is";
            return Err(self.report.add(span, message, Some(hint.to_owned())));
        };
        self.end_column("a path", "a column of a path is its name, its type, PATH and the path")?;
        Ok(ColumnSyntax {
            name,
            kind: ColumnKind::Path { data_type, path: Name::exact(text, span) },
        })
    }

    /// The format of a column's times, as it is written.
    fn time_format(&mut self) -> Bind<Name> {
        let token = self.parser.next_token();
        let span = self.token_span(&token);
        match token.token {
            Token::SingleQuotedString(text) => Ok(Name::exact(text, span)),
            _ => {
                let message =
                    format!("expected a format in single quotes, found {}", shown(&token));
                let hint = "write FORMAT '%Y-%m-%d %H:%M:%S', or what else the times look like";
                Err(self.report.add(span, message, Some(hint.to_owned())))
            }
        }
    }

    /// Behind a computed column `NOT NULL` would be one more operator, and make a truth value of it.
    fn refuse_not_null(&mut self, expr: &ast::Expr) -> Bind<()> {
        let end = self.parser.index();
        let is_word = |back: usize, keyword| {
            let token = end.checked_sub(back).map(|at| &self.parser.token_at(at).token);
            matches!(token, Some(Token::Word(word)) if word.keyword == keyword)
        };
        let ends_so = is_word(1, Keyword::NULL) && is_word(2, Keyword::NOT);
        if !ends_so || is_word(3, Keyword::IS) || !matches!(expr, ast::Expr::IsNotNull(_)) {
            return Ok(());
        }
        let span = self.token_span(self.parser.token_at(end - 2));
        let message = "not supported: NOT NULL behind a computed column";
        let hint = "what it is computed of may be declared NOT NULL; a truth value is IS NOT NULL";
        Err(self.report.add(span, message, Some(hint.to_owned())))
    }

    /// Refuses whatever stands behind a column.
    fn end_column(&mut self, behind: &str, hint: &str) -> Bind<()> {
        let next = self.parser.peek_token();
        if matches!(next.token, Token::Comma | Token::RParen) {
            return Ok(());
        }
        if let Some(reported) = self.diagnosed(self.token_span(&next)) {
            return Err(reported);
        }
        if next.token == Token::Lt {
            let span = self.token_span(self.parser.get_current_token());
            let message = "not supported: a type of several values".to_owned();
            let hint = "declare it VARCHAR, and compute columns of it: name TYPE AS JSON_VALUE(column, '$.field')";
            return Err(self.report.add(span, message, Some(hint.to_owned())));
        }
        let message = format!("not supported: {} after {behind}", shown(&next));
        Err(self.report.add(self.token_span(&next), message, Some(hint.to_owned())))
    }

    /// `FOR column AS expression`, after `WATERMARK`.
    fn watermark(&mut self) -> Bind<WatermarkSyntax> {
        let start = self.token_span(self.parser.get_current_token());
        let form = "write WATERMARK FOR time AS time - INTERVAL '5' SECOND";
        self.expect_word_or("FOR", form)?;
        let column = self.name()?;
        self.expect_word_or("AS", form)?;
        let parsed = self.parser.parse_expr();
        let expr = self.checked(parsed)?;
        let end = self.token_span(self.parser.get_current_token());
        Ok(WatermarkSyntax { column, expr, span: union(start, end) })
    }

    fn insert(&mut self, explain: Explain) -> Bind<StatementKind> {
        self.expect_word_or("INTO", "write INSERT INTO sink SELECT …")?;
        if let Some(path) = self.path() {
            return self.insert_into_path(path, explain);
        }
        let name = self.name()?;
        if !self.starts_query() || self.parser.peek_token().token == Token::LParen {
            let token = self.parser.peek_token();
            if token.token == Token::LParen {
                let message = "not supported: a column list after INSERT INTO";
                let hint = Some("name the columns in the SELECT".to_owned());
                return Err(self.report.add(self.token_span(&token), message, hint));
            }
        }
        self.query(Target::Sink(name), explain)
    }

    fn set(&mut self) -> Bind<StatementKind> {
        let key = self.option_key()?;
        if key.text.eq_ignore_ascii_case("time") && self.take_word("ZONE") {
            let hint = "leave it out: times are UTC; AT TIME ZONE reads others";
            let message = "not supported: SET TIME ZONE";
            return Err(self.report.add(key.span, message, Some(hint.to_owned())));
        }
        if !self.parser.consume_token(&Token::Eq) && !self.take_word("TO") {
            self.expect_word_or("=", &format!("write SET '{}' = 'value'", key.text))?;
        }
        let value = self.option_value()?;
        Ok(StatementKind::Set { key, value })
    }

    pub(crate) fn query(&mut self, target: Target, explain: Explain) -> Bind<StatementKind> {
        if !self.starts_query() {
            let token = self.parser.peek_token();
            let message = format!("a query is missing before {}", shown(&token));
            return Err(self.unexpected(&token, message));
        }
        let parsed = self.parser.parse_query();
        let query = self.checked(parsed)?;
        let emit = self.emit;
        Ok(StatementKind::Query(QueryStatement {
            target,
            query,
            emit,
            explain,
            shown: Shown::Rows,
        }))
    }
}

/// Folds an identifier of `sqlparser` into a name.
pub(crate) fn fold_name(ident: &ast::Ident, positions: &Positions) -> Name {
    let span = positions.span(ident.span).unwrap_or_default();
    match ident.quote_style {
        Some(_) => Name::exact(ident.value.clone(), span),
        None => Name::folded(ident.value.clone(), span),
    }
}
