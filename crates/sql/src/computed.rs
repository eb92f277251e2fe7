//! Computed columns of a source: `name [TYPE] AS expression` over its other columns, in any order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast;
use tidemill_plan::{Derivation, DerivedColumn, Expr, SourceDef, Span};
use tidemill_record::{DataType, Field, Schema};

use crate::bind_expr::ExprBinder;
use crate::coercion::is_castable;
use crate::parse::fold_name;
use crate::report::Bind;
use crate::runnable::check_expr;
use crate::scope::{Scope, Session};
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, TypeSyntax};
use crate::types::{NamedType, named_type};

/// Most computed columns in a row each of which reads the one before: each is a step of its own.
const DEPTH_MAX: usize = 64;

/// A computed column while it is bound.
struct Computed<'c> {
    name: &'c Name,
    data_type: Option<&'c TypeSyntax>,
    expr: &'c ast::Expr,
    /// It is a value within a record, which is read as one that stands there by itself.
    of_path: bool,
    /// Over the source's columns by number, once it is bound.
    bound: Option<Expr>,
}

/// Binds the computed columns of a declaration, and puts them behind the others of the source; `known` are
/// the numbers of those that can be named.
///
/// A column may read any other that is not computed of it. It may bear the name of one that nobody
/// declared: it stands in its place, and its own expression reads that one.
pub(crate) fn bind_computed(
    session: &mut Session<'_>,
    create: &CreateSource,
    source: &mut SourceDef,
    known: &[usize],
) -> Bind<()> {
    let mut columns = Vec::new();
    for ColumnSyntax { name, kind } in &create.columns {
        let ColumnKind::Computed { data_type, expr, of_path } = kind else { continue };
        let (data_type, of_path) = (data_type.as_ref(), *of_path);
        columns.push(Computed { name, data_type, expr, of_path, bound: None });
    }
    if columns.is_empty() {
        return Ok(());
    }
    let known = Known::new(source, known);
    let first = source.column_count();
    let mut nameable = known.nameable(&columns, None);
    for place in in_order(session, &known, &columns)? {
        let bound = if known.names.contains(&columns[place].name.text) {
            let mut own = known.nameable(&columns, Some(place));
            columns.iter().enumerate().for_each(|(at, column)| own.push(first + at, column));
            bind(session, &own, &columns[place])?
        } else {
            bind(session, &nameable, &columns[place])?
        };
        columns[place].bound = Some(bound);
        nameable.push(first + place, &columns[place]);
    }
    for Computed { name, bound, .. } in columns {
        let expr = bound.ok_or(crate::report::Reported)?;
        let field = Field::nullable(&name.text, expr.data_type.clone());
        source.derived.push(DerivedColumn { field, from: Derivation::Computed(expr) });
    }
    Ok(())
}

/// The columns that are not computed.
struct Known {
    table: String,
    /// With their numbers.
    columns: Vec<(usize, Field)>,
    names: HashSet<String>,
}

impl Known {
    fn new(source: &SourceDef, numbers: &[usize]) -> Self {
        let columns: Vec<(usize, Field)> =
            numbers.iter().map(|&number| (number, source.field(number).clone())).collect();
        let names = columns.iter().map(|(_, field)| field.name.clone()).collect();
        Self { table: source.name.clone(), columns, names }
    }

    /// What the expressions may name before any computed column is bound: all but columns in whose place
    /// one stands, unless that is `own`.
    fn nameable(&self, columns: &[Computed<'_>], own: Option<usize>) -> Nameable {
        let names = columns.iter().enumerate().filter(|(at, _)| Some(*at) != own);
        let taken: HashSet<&str> = names.map(|(_, column)| column.name.text.as_str()).collect();
        let is_free = |(_, field): &&(usize, Field)| !taken.contains(field.name.as_str());
        let free: Vec<&(usize, Field)> = self.columns.iter().filter(is_free).collect();
        let schema = Schema::new(free.iter().map(|(_, field)| field.clone()).collect());
        Nameable {
            scope: Scope::new(self.table.clone(), &schema),
            numbers: free.into_iter().map(|(number, _)| *number).collect(),
        }
    }
}

/// The order in which each column comes behind those that it reads; else as they are declared.
fn in_order(
    session: &mut Session<'_>,
    known: &Known,
    columns: &[Computed<'_>],
) -> Bind<Vec<usize>> {
    let by_name = ByName::new(columns);
    let mut readers = vec![Vec::new(); columns.len()];
    let mut unread = vec![0_usize; columns.len()];
    for (at, column) in columns.iter().enumerate() {
        let is_known = known.names.contains(&column.name.text);
        for read in reads(session, column.expr, &known.table, &by_name) {
            // Its own name is that of the column in whose place it stands.
            if read != at || !is_known {
                readers[read].push(at);
                unread[at] += 1;
            }
        }
    }
    let mut depths = vec![1_usize; columns.len()];
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..columns.len()).filter(|&at| unread[at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(columns.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        if depths[at] > DEPTH_MAX {
            let message = format!("columns computed of each other, more than {DEPTH_MAX} in a row");
            return session.fail(columns[at].name.span, message);
        }
        for &reader in &readers[at] {
            depths[reader] = depths[reader].max(depths[at] + 1);
            unread[reader] -= 1;
            if unread[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match unread.iter().position(|&unread| unread > 0) {
        None => Ok(order),
        Some(first) => {
            let name = columns[first].name;
            let message = format!("the column \"{}\" is computed of itself", name.text);
            let hint = "it reads its own name, or a computed column that reads it";
            session.fail_with(name.span, message, hint)
        }
    }
}

/// Where computed columns stand, by their names.
struct ByName {
    exact: HashMap<String, usize>,
    /// In lower case, for names without quotes that no column bears.
    folded: HashMap<String, usize>,
}

impl ByName {
    fn new(columns: &[Computed<'_>]) -> Self {
        let names = columns.iter().enumerate().map(|(at, column)| (&column.name.text, at));
        Self {
            exact: names.clone().map(|(name, at)| (name.clone(), at)).collect(),
            folded: names.map(|(name, at)| (name.to_lowercase(), at)).collect(),
        }
    }

    fn get(&self, name: &Name) -> Option<usize> {
        let folded = || name.unfolded.as_ref().and_then(|_| self.folded.get(&name.text));
        self.exact.get(&name.text).or_else(folded).copied()
    }
}

/// The computed columns that an expression names, each once. What stands behind a point is one behind the name of the
/// source, and else a member of another column.
fn reads(
    session: &Session<'_>,
    expr: &ast::Expr,
    table: &str,
    by_name: &ByName,
) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    let _ = ast::visit_expressions(expr, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [of, ident] if fold_name(of, session.positions).text == table => Some(ident),
                _ => None,
            },
            _ => None,
        };
        let name = ident.map(|ident| fold_name(ident, session.positions));
        read.extend(name.and_then(|name| by_name.get(&name)));
        ControlFlow::<()>::Continue(())
    });
    read
}

/// What the expressions may name so far: columns that are not computed, and computed ones that are bound.
struct Nameable {
    scope: Scope,
    /// By place in the scope, the columns' numbers.
    numbers: Vec<usize>,
}

impl Nameable {
    fn push(&mut self, number: usize, column: &Computed<'_>) {
        if let Some(bound) = &column.bound {
            self.scope.push(&column.name.text, bound.data_type.clone());
            self.numbers.push(number);
        }
    }
}

/// Binds one column over what may be named.
fn bind(session: &mut Session<'_>, nameable: &Nameable, column: &Computed<'_>) -> Bind<Expr> {
    let mut binder = ExprBinder::new(session, &nameable.scope, "a computed column");
    let mut bound = match column.data_type {
        None => binder.bind(column.expr)?,
        Some(TypeSyntax { name, span: _ })
            if column.of_path
                && let Some(to) = read_as(name) =>
        {
            let text = binder.bind(column.expr)?;
            binder.read(text, &to, false)?
        }
        Some(TypeSyntax { name, span: _ }) => {
            binder.bind_cast(&ast::CastKind::Cast, column.expr, name, None)?
        }
    };
    if bound.span == Span::default() {
        bound.span = column.name.span;
    }
    check_expr(session, &bound)?;
    bound.remap_columns(&|index| nameable.numbers[index]);
    Ok(bound)
}

/// The type that a text is read as; `None` where it is text, which may be cut to a length, or what no text converts to.
fn read_as(name: &ast::DataType) -> Option<DataType> {
    let NamedType { data_type, limit } = named_type(name).ok()?;
    let is_read = data_type != DataType::Varchar && is_castable(&DataType::Varchar, &data_type);
    (is_read && limit.is_none()).then_some(data_type)
}
