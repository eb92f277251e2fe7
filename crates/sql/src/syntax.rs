//! The statements of the dialect as they were written, before names mean anything.

use std::rc::Rc;

use sqlparser::ast;
use tidemill_plan::Span;
use tidemill_plan::relation::Explain;

use crate::position::union;
use crate::scan::EmitClause;

/// A name and its place; folded to lower case unless it was quoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// The text before it was folded; `None` where it was quoted.
    pub(crate) unfolded: Option<String>,
    pub(crate) span: Span,
}

impl Name {
    /// A name that means what it says.
    pub(crate) fn exact(text: String, span: Span) -> Self {
        Self { text, unfolded: None, span }
    }

    /// The name of an option that is written otherwise.
    pub(crate) fn of_option(text: &str, written: Self) -> Self {
        let unfolded = written.unfolded.or(Some(written.text));
        Self { text: text.to_owned(), unfolded, span: written.span }
    }

    /// As the script has it, but for quotes.
    pub(crate) fn written(&self) -> &str {
        self.unfolded.as_deref().unwrap_or(&self.text)
    }

    /// A name without quotes.
    pub(crate) fn folded(unfolded: String, span: Span) -> Self {
        Self { text: unfolded.to_lowercase(), unfolded: Some(unfolded), span }
    }
}

/// What a statement is written in, with the places: words that are not quoted in upper case, operators
/// and brackets as they are; names and texts in quotes are empty.
///
/// A syntax tree does not know where its clauses stand; findings about them look here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(pub(crate) Vec<(String, Span)>);

impl Words {
    /// The first place, at or behind byte `from`, where these words follow each other.
    pub(crate) fn find(&self, phrase: &[&str], from: usize) -> Option<Span> {
        self.places(phrase).find(|place| place.start >= from)
    }

    /// The last place that begins before byte `before`.
    pub(crate) fn find_before(&self, phrase: &[&str], before: usize) -> Option<Span> {
        self.places(phrase).take_while(|place| place.start < before).last()
    }

    fn places<'p>(&'p self, phrase: &'p [&str]) -> impl Iterator<Item = Span> + 'p {
        let is_phrase = move |window: &&[(String, Span)]| {
            window.iter().zip(phrase).all(|((word, _), wanted)| word == wanted)
        };
        let windows = self.0.windows(phrase.len().max(1)).filter(is_phrase);
        windows.map(|window| union(window[0].1, window[window.len() - 1].1))
    }
}

/// One statement.
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) span: Span,
    pub(crate) words: Rc<Words>,
    /// Findings were already reported: only its names matter.
    pub(crate) is_refused: bool,
}

/// What a statement asks for.
pub(crate) enum StatementKind {
    Source(Box<CreateSource>),
    /// `CREATE TABLE`, before it is known whether it is read or written.
    Table(Box<CreateSource>),
    /// `CREATE VIEW name AS query`
    View {
        name: Name,
        query: Box<ast::Query>,
    },
    Sink {
        name: Name,
        /// Empty where none are declared.
        columns: Vec<ColumnSyntax>,
        options: Vec<OptionEntry>,
    },
    Query(QueryStatement),
    /// `SHOW TABLES` and its kin.
    Show(Show),
    Set {
        key: Name,
        value: Name,
    },
    /// A declaration that does not parse: its name is taken all the same.
    Broken(Name),
}

/// What a script has declared, as rows.
pub(crate) enum Show {
    /// Names, of one kind or of all, that a pattern of `LIKE` fits, or does not.
    Names { kind: Option<&'static str>, like: Option<(Name, bool)> },
    /// The statement that declares a name.
    Statement(Name),
}

/// `CREATE SOURCE`.
pub(crate) struct CreateSource {
    pub(crate) name: Name,
    /// In the order of the list; empty where there is none.
    pub(crate) columns: Vec<ColumnSyntax>,
    pub(crate) watermark: Option<WatermarkSyntax>,
    pub(crate) partitioned_by: Vec<Name>,
    pub(crate) options: Vec<OptionEntry>,
}

impl CreateSource {
    /// Whether the columns of records are declared; else they are taken from the files, whatever is
    /// computed beside them.
    pub(crate) fn declares_records(&self) -> bool {
        let is_of_record = |kind: &ColumnKind| {
            matches!(kind, ColumnKind::Recorded { .. } | ColumnKind::Path { .. })
        };
        self.columns.iter().any(|column| is_of_record(&column.kind))
    }
}

/// A column of `CREATE SOURCE`.
#[derive(Clone)]
pub(crate) struct ColumnSyntax {
    pub(crate) name: Name,
    pub(crate) kind: ColumnKind,
}

/// Where the values of a column come from.
#[derive(Clone)]
pub(crate) enum ColumnKind {
    /// `name TYPE [FORMAT '…'] [NOT NULL]`: records have it.
    Recorded {
        data_type: TypeSyntax,
        /// How its times are written.
        format: Option<Name>,
        is_nullable: bool,
    },
    /// `name TYPE PATH '$.a.b'`: a value within a value of a record.
    Path { data_type: TypeSyntax, path: Name },
    /// `name [TYPE] AS expression`
    Computed { data_type: Option<TypeSyntax>, expr: Box<ast::Expr>, of_path: bool },
    /// `name TYPE METADATA [FROM 'key']`; the key is the name where none is given.
    Metadata { data_type: TypeSyntax, key: Name },
}

/// The name of a type, and its place.
#[derive(Clone)]
pub(crate) struct TypeSyntax {
    pub(crate) name: ast::DataType,
    pub(crate) span: Span,
}

/// `WATERMARK FOR column AS expression`.
#[derive(Clone)]
pub(crate) struct WatermarkSyntax {
    pub(crate) column: Name,
    pub(crate) expr: ast::Expr,
    pub(crate) span: Span,
}

/// `'key' = 'value'` in a `WITH` clause.
#[derive(Clone, Debug)]
pub(crate) struct OptionEntry {
    pub(crate) key: Name,
    pub(crate) value: Name,
}

/// A query and where its results go.
pub(crate) struct QueryStatement {
    pub(crate) target: Target,
    pub(crate) query: Box<ast::Query>,
    pub(crate) emit: Option<EmitClause>,
    pub(crate) explain: Explain,
    pub(crate) shown: Shown,
}

/// What is asked for of a query's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Rows,
    /// `DESCRIBE`
    Columns,
    /// `SUMMARIZE`
    Summary,
}

/// Where results go.
pub(crate) enum Target {
    /// A bare `SELECT`.
    Stdout,
    /// `INSERT INTO name`.
    Sink(Name),
    /// `CREATE STREAM name WITH (…) AS`.
    Stream { name: Name, options: Vec<OptionEntry> },
}

impl Target {
    /// The sink's name, or where the statement starts.
    pub(crate) fn span(&self, statement: Span) -> Span {
        match self {
            Self::Stdout => Span { end: statement.end.min(statement.start + 6), ..statement },
            Self::Sink(name) | Self::Stream { name, .. } => name.span,
        }
    }
}
