//! Names to columns: what one `FROM` item brings, and what the whole script knows.

use std::collections::HashMap;

use sqlparser::tokenizer::Span as TokenSpan;
use tidemill_plan::{Expr, Span};
use tidemill_record::{DataType, Schema};

use crate::catalog::Catalog;
use crate::position::Positions;
use crate::report::{Bind, Report, Reported};
use crate::suggest::did_you_mean;

/// Nodes of expressions and relations that one script may make, so that names which stand for
/// large things cannot multiply without end.
const NODES_MAX: usize = 2_000_000;

/// What binding needs everywhere.
pub(crate) struct Session<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) positions: &'a Positions,
    pub(crate) report: &'a mut Report,
    nodes_left: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        catalog: &'a Catalog,
        positions: &'a Positions,
        report: &'a mut Report,
    ) -> Self {
        Self { catalog, positions, report, nodes_left: NODES_MAX }
    }

    /// The byte range of a syntax node; empty where it does not know its place.
    pub(crate) fn span(&self, span: TokenSpan) -> Span {
        self.positions.span(span).unwrap_or_default()
    }

    /// Reports a finding.
    pub(crate) fn fail<T>(&mut self, span: Span, message: impl Into<String>) -> Bind<T> {
        Err(self.report.add(span, message, None))
    }

    /// Reports a finding and what to do about it.
    pub(crate) fn fail_with<T>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Bind<T> {
        Err(self.report.add(span, message, Some(hint.into())))
    }

    /// Counts nodes that are made.
    pub(crate) fn spend(&mut self, nodes: usize, span: Span) -> Bind<()> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) if !self.report.is_full() => {
                self.nodes_left = left;
                Ok(())
            }
            Some(_) => Err(Reported),
            None => {
                let message = "the script is too large once its names are replaced by what they \
                               stand for";
                self.fail(span, message)
            }
        }
    }
}

/// The columns an expression may name.
#[derive(Debug)]
pub(crate) struct Scope {
    /// The name that qualifies the columns.
    table: String,
    names: Vec<String>,
    types: Vec<DataType>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Scope {
    /// The columns of a relation under a table name.
    pub(crate) fn new(table: impl Into<String>, schema: &Schema) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, field) in schema.fields.iter().enumerate() {
            by_name.entry(field.name.clone()).or_default().push(index);
        }
        Self {
            table: table.into(),
            names: schema.fields.iter().map(|field| field.name.clone()).collect(),
            types: schema.fields.iter().map(|field| field.data_type.clone()).collect(),
            by_name,
        }
    }

    /// Adds a column behind the others.
    pub(crate) fn push(&mut self, name: &str, data_type: DataType) {
        self.by_name.entry(name.to_owned()).or_default().push(self.names.len());
        self.names.push(name.to_owned());
        self.types.push(data_type);
    }

    /// How many columns there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a column.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The name that qualifies the columns.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// A column as an expression.
    pub(crate) fn column(&self, index: usize, span: Span) -> Expr {
        let mut expr = Expr::column(index, self.name(index), self.types[index].clone());
        expr.span = span;
        expr
    }

    /// Whether some column has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Finds a column by name.
    pub(crate) fn resolve(
        &self,
        session: &mut Session<'_>,
        table: Option<&str>,
        name: &str,
        span: Span,
    ) -> Bind<Expr> {
        if let Some(table) = table
            && table != self.table
        {
            let hint = if self.table.is_empty() {
                "the query's result has no table name".to_owned()
            } else {
                format!("the table in FROM is \"{}\"", self.table)
            };
            return session.fail_with(span, format!("unknown table \"{table}\""), hint);
        }
        match self.by_name.get(name).map(Vec::as_slice) {
            Some([index]) => Ok(self.column(*index, span)),
            Some(_) => session.fail_with(
                span,
                format!("the column name \"{name}\" is ambiguous"),
                "give the columns different aliases in the subquery",
            ),
            None => {
                let hint = did_you_mean(name, self.names.iter().map(String::as_str))
                    .unwrap_or_else(|| self.known_columns());
                session.fail_with(span, format!("unknown column \"{name}\""), hint)
            }
        }
    }

    fn known_columns(&self) -> String {
        const SHOWN: usize = 12;
        if self.names.is_empty() {
            return "no columns can be named here".to_owned();
        }
        let shown = self.names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
        let more = if self.names.len() > SHOWN { ", …" } else { "" };
        format!("columns are {}{more}", shown.join(", "))
    }
}
