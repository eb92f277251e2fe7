//! `read_csv('path', header = false)` and its kin in `FROM`: a source without a name, declared before the statement.

use std::ops::ControlFlow;
use std::rc::Rc;

use sqlparser::ast::{self, Spanned, VisitMut, VisitorMut};
use tidemill_plan::Span;

use crate::position::Positions;
use crate::report::{Bind, Report};
use crate::scan::PATH_QUOTE;
use crate::syntax::{
    CreateSource, Name, OptionEntry, QueryStatement, Statement, StatementKind, Target,
};

/// A function that reads files, and the format that it stands for.
const FUNCTIONS: [(&str, &str); 10] = [
    ("read_csv", "csv"),
    ("read_csv_auto", "csv"),
    ("read_json", "json"),
    ("read_json_auto", "json"),
    ("read_ndjson", "json"),
    ("read_ndjson_auto", "json"),
    ("read_parquet", "parquet"),
    ("parquet_scan", "parquet"),
    ("read_arrow", "arrow"),
    ("read_lines", "lines"),
];

/// Which formats have an argument.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    All,
    Text,
    Csv,
    Json,
    Lines,
}

/// Named arguments of the functions, and options here.
const ARGUMENTS: [(&str, &str, Of); 18] = [
    ("header", "csv.header", Of::Csv),
    ("delim", "csv.delimiter", Of::Csv),
    ("sep", "csv.delimiter", Of::Csv),
    ("delimiter", "csv.delimiter", Of::Csv),
    ("quote", "csv.quote", Of::Csv),
    ("escape", "csv.escape", Of::Csv),
    ("nullstr", "csv.null", Of::Csv),
    ("null", "csv.null", Of::Csv),
    ("skip", "csv.skip.lines", Of::Csv),
    ("comment", "csv.comment", Of::Csv),
    ("format", "json.layout", Of::Json),
    ("multiline_start", "multiline.start", Of::Lines),
    ("encoding", "encoding", Of::Text),
    ("timestampformat", "timestamp.format", Of::Text),
    ("dateformat", "date.format", Of::Text),
    ("ignore_errors", "bad.records", Of::Text),
    ("hive_partitioning", "hive.partitioning", Of::All),
    ("union_by_name", "union.by.name", Of::All),
];

impl Of {
    fn has(self, format: &str) -> bool {
        match self {
            Self::All => true,
            Self::Text => ["csv", "json", "lines"].contains(&format),
            Self::Csv => format == "csv",
            Self::Json => format == "json",
            Self::Lines => format == "lines",
        }
    }
}

/// What happens anyway, where an argument has this value.
const USUAL: [(&str, &str); 3] =
    [("auto_detect", "true"), ("compression", "auto"), ("parallel", "true")];

/// Puts a source before the statements for each function that reads files, and its name in the function's place.
pub(crate) fn hoist_reads(
    statements: &mut Vec<Statement>,
    positions: &Positions,
    report: &mut Report,
) {
    let mut hoisted = Vec::new();
    // What an earlier statement writes is read as that says.
    let mut written: Vec<String> = Vec::new();
    for statement in std::mem::take(statements) {
        let mut statement = statement;
        let mut hoisting =
            Hoisting { positions, report: &mut *report, written: &written, sources: Vec::new() };
        match &mut statement.kind {
            StatementKind::Query(QueryStatement { query, .. })
            | StatementKind::View { query, .. } => {
                let _ = query.visit(&mut hoisting);
            }
            _ => {}
        }
        for source in hoisting.sources {
            let is_same = |other: &Statement| matches!(&other.kind, StatementKind::Source(other) if other.name.text == source.name.text);
            if !hoisted.iter().any(is_same) {
                hoisted.push(Statement {
                    span: source.name.span,
                    words: Rc::clone(&statement.words),
                    is_refused: false,
                    kind: StatementKind::Source(Box::new(source)),
                });
            }
        }
        if let StatementKind::Query(QueryStatement {
            target: Target::Stream { name, .. }, ..
        }) = &statement.kind
        {
            written.push(name.text.clone());
        }
        hoisted.push(statement);
    }
    *statements = hoisted;
}

struct Hoisting<'a> {
    positions: &'a Positions,
    report: &'a mut Report,
    written: &'a [String],
    sources: Vec<CreateSource>,
}

impl VisitorMut for Hoisting<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut ast::TableFactor) -> ControlFlow<()> {
        let ast::TableFactor::Table { name, args, .. } = table else {
            return ControlFlow::Continue(());
        };
        let (Some(arguments), [ast::ObjectNamePart::Identifier(ident)]) =
            (args.as_ref(), name.0.as_slice())
        else {
            return ControlFlow::Continue(());
        };
        let function = FUNCTIONS.iter().find(|(name, _)| ident.value.eq_ignore_ascii_case(name));
        let Some((function, format)) = function else { return ControlFlow::Continue(()) };
        if let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(path))) =
            arguments.args.first()
            && let Some(path) = text_of(path).filter(|path| self.written.contains(path))
        {
            let read = ast::Ident { value: path, quote_style: Some(PATH_QUOTE), span: ident.span };
            *name = ast::ObjectName(vec![ast::ObjectNamePart::Identifier(read)]);
            *args = None;
            return ControlFlow::Continue(());
        }
        // What is wrong is reported; the query is bound all the same, and finds nothing more of that name.
        let listed: Vec<String> = arguments.args.iter().map(ToString::to_string).collect();
        let text = format!("{function}({})", listed.join(", "));
        let span = self.positions.span(ident.span).unwrap_or_default();
        let source = CreateSource {
            name: Name::exact(text.clone(), span),
            columns: Vec::new(),
            watermark: None,
            partitioned_by: Vec::new(),
            options: self.options(function, format, &arguments.args, span).unwrap_or_default(),
        };
        self.sources.push(source);
        let called = ast::Ident { value: text, quote_style: Some('"'), span: ident.span };
        *name = ast::ObjectName(vec![ast::ObjectNamePart::Identifier(called)]);
        *args = None;
        ControlFlow::Continue(())
    }
}

impl Hoisting<'_> {
    fn options(
        &mut self,
        function: &str,
        format: &str,
        arguments: &[ast::FunctionArg],
        span: Span,
    ) -> Bind<Vec<OptionEntry>> {
        let name = |text: &str, span: Span| Name::exact(text.to_owned(), span);
        let mut options = Vec::with_capacity(arguments.len() + 3);
        let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(path))) = arguments.first()
        else {
            return Err(self.refuse(span, format!("{function} takes a path"), &form(function)));
        };
        let path_span = self.positions.span(path.span()).unwrap_or(span);
        let Some(text) = text_of(path).filter(|_| is_text(path)) else {
            let hint = match path {
                ast::Expr::Array(_) => {
                    "name several files by a glob, or put UNION ALL between reads of each"
                }
                _ => &form(function),
            };
            let message = format!("{function} takes one path in single quotes");
            return Err(self.refuse(path_span, message, hint));
        };
        options.push(OptionEntry { key: name("connector", span), value: name("file", span) });
        options.push(OptionEntry { key: name("path", path_span), value: name(&text, path_span) });
        options.push(OptionEntry { key: name("format", span), value: name(format, span) });
        let mut result = Ok(());
        for argument in &arguments[1..] {
            match self.argument(function, argument, span) {
                Ok(option) => options.extend(option),
                Err(reported) => result = Err(reported),
            }
        }
        result.map(|()| options)
    }

    /// `key = value`, `key := value`, `key => value`
    fn argument(
        &mut self,
        function: &str,
        argument: &ast::FunctionArg,
        span: Span,
    ) -> Bind<Option<OptionEntry>> {
        let (key, value) = match argument {
            ast::FunctionArg::Named { name, arg: ast::FunctionArgExpr::Expr(value), .. } => {
                (name, value)
            }
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::Eq,
                right,
            })) if matches!(left.as_ref(), ast::Expr::Identifier(_)) => match left.as_ref() {
                ast::Expr::Identifier(name) => (name, right.as_ref()),
                _ => unreachable!("this was looked at"),
            },
            _ => {
                let message = format!("{function} takes one path, then named arguments");
                return Err(self.refuse(span, message, &form(function)));
            }
        };
        let key_span = self.positions.span(key.span).unwrap_or(span);
        let value_span = self.positions.span(value.span()).unwrap_or(key_span);
        let argument = key.value.to_lowercase();
        let Some(text) = text_of(value) else {
            let hint = match argument.as_str() {
                "columns" | "types" | "dtypes" | "column_types" => {
                    "declare the columns: CREATE SOURCE name (column TYPE, …) WITH ('connector' = 'file', …)"
                }
                _ => "an argument is text, a number or TRUE or FALSE",
            };
            let message = format!("not supported: {argument} of {function} as it is written");
            return Err(self.refuse(key_span, message, hint));
        };
        if USUAL.iter().any(|(name, usual)| *name == argument && text.eq_ignore_ascii_case(usual)) {
            return Ok(None);
        }
        let format = FUNCTIONS.iter().find(|(name, _)| *name == function).map_or("", |of| of.1);
        let mut of_format = ARGUMENTS.iter().filter(|(.., of)| of.has(format));
        let found = of_format.clone().find(|(name, ..)| *name == argument);
        let Some((_, option, _)) = found else {
            let known: Vec<&str> = of_format.by_ref().map(|(name, ..)| *name).collect();
            let hint = match argument.as_str() {
                "filename" => "leave it out, and name the column: SELECT *, filename FROM …".to_owned(),
                "columns" | "types" | "dtypes" | "column_types" | "all_varchar" => {
                    "declare the columns: CREATE SOURCE name (column TYPE, …) WITH ('connector' = 'file', …)"
                        .to_owned()
                }
                "decimal_separator" => {
                    "of a VARCHAR column, CAST(REPLACE(column, ',', '.') AS DOUBLE) reads such numbers".to_owned()
                }
                "compression" => "leave it out: files say themselves how they are compressed".to_owned(),
                _ => format!("arguments here are {}", known.join(", ")),
            };
            let message = format!("not supported: {argument} of {function}");
            return Err(self.refuse(key_span, message, &hint));
        };
        let text = match (argument.as_str(), text.to_ascii_lowercase().as_str()) {
            ("ignore_errors", "true") => "skip".to_owned(),
            ("ignore_errors", "false") => "fail".to_owned(),
            ("header", "1") => "true".to_owned(),
            ("header", "0") => "false".to_owned(),
            ("format", "newline_delimited" | "nd") => "lines".to_owned(),
            ("format", "unstructured") => "values".to_owned(),
            _ => text,
        };
        let key = Name::of_option(option, Name::exact(key.value.clone(), key_span));
        Ok(Some(OptionEntry { key, value: Name::exact(text, value_span) }))
    }

    fn refuse(&mut self, span: Span, message: String, hint: &str) -> crate::report::Reported {
        self.report.add(span, message, Some(hint.to_owned()))
    }
}

fn form(function: &str) -> String {
    format!(
        "write {function}('data/*.{}')",
        match function {
            _ if function.contains("csv") => "csv",
            _ if function.contains("json") => "json",
            _ if function.contains("arrow") => "arrow",
            _ => "parquet",
        }
    )
}

fn is_text(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::SingleQuotedString(_)))
}

/// A constant as an option's value.
fn text_of(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            ast::Value::Number(text, _) => Some(text.to_string()),
            ast::Value::Boolean(truth) => Some(truth.to_string()),
            _ => None,
        },
        ast::Expr::Identifier(name) => Some(name.value.clone()),
        _ => None,
    }
}
