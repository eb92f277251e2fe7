//! Computed columns of a source: `name [TYPE] AS expression` over its other columns, in any order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast;
use tidemill_plan::{ComputedColumn, Expr, SourceDef, Span};
use tidemill_record::{Field, Schema};

use crate::bind_expr::ExprBinder;
use crate::parse::fold_name;
use crate::report::Bind;
use crate::runnable::check_expr;
use crate::scope::{Scope, Session};
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, TypeSyntax};

/// Most computed columns in a row each of which reads the one before: each is a step of its own.
const DEPTH_MAX: usize = 64;

/// A computed column while it is bound.
struct Computed<'c> {
    name: &'c Name,
    data_type: Option<&'c TypeSyntax>,
    expr: &'c ast::Expr,
    /// Over the source's columns by number, once it is bound.
    bound: Option<Expr>,
}

/// Binds the computed columns of a declaration, and puts them behind the columns of records.
///
/// A column may read any other that is not computed of it. Where the columns of records are inferred, a
/// computed column may bear the name of one: it stands in its place, and its own expression reads that one.
pub(crate) fn bind_computed(
    session: &mut Session<'_>,
    create: &CreateSource,
    source: &mut SourceDef,
) -> Bind<()> {
    let mut columns = Vec::new();
    let mut names = HashSet::new();
    if create.declares_records() {
        names.extend(source.schema.fields.iter().map(|field| field.name.clone()));
    }
    for ColumnSyntax { name, kind } in &create.columns {
        let ColumnKind::Computed { data_type, expr } = kind else { continue };
        if !names.insert(name.text.clone()) {
            let message = format!("the column \"{}\" is declared twice", name.text);
            return session.fail(name.span, message);
        }
        columns.push(Computed { name, data_type: data_type.as_ref(), expr, bound: None });
    }
    if columns.is_empty() {
        return Ok(());
    }
    let recorded_count = source.schema.fields.len();
    let mut nameable = Nameable::new(source, &columns, None);
    for place in in_order(session, source, &columns)? {
        let bound = if source.schema.index_of(&columns[place].name.text).is_some() {
            let mut own = Nameable::new(source, &columns, Some(place));
            let others = columns.iter().enumerate();
            others.for_each(|(at, column)| own.push(recorded_count + at, column));
            bind(session, &own, &columns[place])?
        } else {
            bind(session, &nameable, &columns[place])?
        };
        columns[place].bound = Some(bound);
        nameable.push(recorded_count + place, &columns[place]);
    }
    for Computed { name, bound, .. } in columns {
        let expr = bound.ok_or(crate::report::Reported)?;
        let field = Field::nullable(&name.text, expr.data_type.clone());
        source.computed.push(ComputedColumn { field, expr });
    }
    source.shown = shown(create, source);
    Ok(())
}

/// What `*` means: the columns in the order of the declaration; of inferred ones those of records first.
fn shown(create: &CreateSource, source: &SourceDef) -> Vec<usize> {
    let recorded_count = source.schema.fields.len();
    let mut computed = recorded_count..source.column_count();
    if !create.declares_records() {
        let mut others: HashMap<&str, usize> =
            computed.map(|column| (source.field(column).name.as_str(), column)).collect();
        let mut shown: Vec<usize> = Vec::with_capacity(source.column_count());
        for (column, field) in source.schema.fields.iter().enumerate() {
            shown.push(others.remove(field.name.as_str()).unwrap_or(column));
        }
        let mut others: Vec<usize> = others.into_values().collect();
        others.sort_unstable();
        shown.extend(others);
        return shown;
    }
    let mut recorded = 0..recorded_count;
    let number = |column: &ColumnSyntax| match column.kind {
        ColumnKind::Recorded { .. } => recorded.next(),
        ColumnKind::Computed { .. } => computed.next(),
    };
    create.columns.iter().filter_map(number).collect()
}

/// The order in which each column comes behind those that it reads; else as they are declared.
fn in_order(
    session: &mut Session<'_>,
    source: &SourceDef,
    columns: &[Computed<'_>],
) -> Bind<Vec<usize>> {
    let by_name = columns.iter().enumerate().map(|(at, column)| (column.name.text.as_str(), at));
    let by_name: HashMap<&str, usize> = by_name.collect();
    let mut readers = vec![Vec::new(); columns.len()];
    let mut unread = vec![0_usize; columns.len()];
    for (at, column) in columns.iter().enumerate() {
        let is_recorded = source.schema.index_of(&column.name.text).is_some();
        for read in reads(session, column.expr, &by_name) {
            // Its own name is that of the column of records in whose place it stands.
            if read != at || !is_recorded {
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

/// The computed columns that an expression names, each once.
fn reads(
    session: &Session<'_>,
    expr: &ast::Expr,
    by_name: &HashMap<&str, usize>,
) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    let _ = ast::visit_expressions(expr, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        let name = ident.map(|ident| fold_name(ident, session.positions));
        read.extend(name.and_then(|name| by_name.get(name.text.as_str())));
        ControlFlow::<()>::Continue(())
    });
    read
}

/// What the expressions may name so far: columns of records, and computed ones that are bound.
struct Nameable {
    scope: Scope,
    /// By place in the scope, the columns' numbers.
    numbers: Vec<usize>,
}

impl Nameable {
    /// The columns of records but those in whose place a computed column stands, unless it is `own`.
    fn new(source: &SourceDef, columns: &[Computed<'_>], own: Option<usize>) -> Self {
        let names = columns.iter().enumerate().filter(|(at, _)| Some(*at) != own);
        let taken: HashSet<&str> = names.map(|(_, column)| column.name.text.as_str()).collect();
        let fields = source.schema.fields.iter().enumerate();
        let free: Vec<(usize, &Field)> =
            fields.filter(|(_, field)| !taken.contains(field.name.as_str())).collect();
        let schema = Schema::new(free.iter().map(|(_, field)| (*field).clone()).collect());
        Self {
            scope: Scope::new(source.name.clone(), &schema),
            numbers: free.into_iter().map(|(number, _)| number).collect(),
        }
    }

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
