//! `ORDER BY` and `LIMIT`, and the projection they stand on.

use sqlparser::ast::{self, Spanned};
use tidemill_plan::{Expr, ExprKind, LimitSpec, NamedExpr, Relation, SortKey, SortSpec, Span};
use tidemill_record::Schema;

use crate::bind_expr::{Aliases, ExprBinder, integer_value};
use crate::calls::Calls;
use crate::coercion::is_ordered;
use crate::equality::same;
use crate::grouping::Grouping;
use crate::over::OverKey;
use crate::parse::fold_name;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::{Scope, Session};

/// One key of `ORDER BY`.
pub(crate) struct Ordering {
    value: OrderValue,
    is_descending: bool,
    is_nulls_first: bool,
    pub(crate) span: Span,
}

enum OrderValue {
    /// A result column.
    Output(usize),
    /// Over what the result columns are computed from.
    Expr(Expr),
}

impl Ordering {
    /// The result column that this key is, if it is one.
    pub(crate) fn output_index(&self, columns: &[NamedExpr]) -> Option<usize> {
        match &self.value {
            OrderValue::Output(index) => Some(*index),
            OrderValue::Expr(expr) => columns.iter().position(|column| same(&column.expr, expr)),
        }
    }

    /// The same order by a column.
    pub(crate) fn at_output(&self, column: usize) -> SortKey {
        let Self { is_descending, is_nulls_first, .. } = *self;
        SortKey { column, is_descending, is_nulls_first }
    }

    /// The expression over what the result columns are computed from, if it is one.
    pub(crate) fn expr_mut(&mut self) -> Option<&mut Expr> {
        match &mut self.value {
            OrderValue::Output(_) => None,
            OrderValue::Expr(expr) => Some(expr),
        }
    }

    /// The key as one of a partition: over what the result columns, `columns`, are computed from.
    pub(crate) fn over(&self, columns: &[Expr]) -> OverKey {
        let Self { is_descending, is_nulls_first, .. } = *self;
        let expr = match &self.value {
            OrderValue::Output(index) => columns[*index].clone(),
            OrderValue::Expr(expr) => expr.clone(),
        };
        OverKey { expr, is_descending, is_nulls_first }
    }

    /// Moves the key above a grouping.
    pub(crate) fn rewrite(&mut self, session: &mut Session<'_>, grouping: &Grouping) -> Bind<()> {
        if let OrderValue::Expr(expr) = &self.value {
            self.value = OrderValue::Expr(grouping.rewrite(session, expr.clone())?);
        }
        Ok(())
    }
}

impl QueryBinder<'_, '_> {
    /// Binds the keys of a `SELECT`: result columns by name or ordinal first, then expressions
    /// over the input.
    pub(crate) fn bind_order(
        &mut self,
        order_by: Option<&ast::OrderBy>,
        names: &[String],
        scope: &Scope,
        aliases: &Aliases<'_>,
        calls: &mut Calls,
        body: Span,
    ) -> Bind<Vec<Ordering>> {
        let mut keys = Vec::new();
        if let Some(ast::OrderBy { kind: ast::OrderByKind::All(options), .. }) = order_by {
            let span = self.session.place(&["ORDER", "BY", "ALL"], body);
            let (is_descending, is_nulls_first) = self.order_options(options, span)?;
            keys.extend((0..names.len()).map(|column| Ordering {
                value: OrderValue::Output(column),
                is_descending,
                is_nulls_first,
                span,
            }));
        }
        for key in self.order_exprs(order_by, body)? {
            let (is_descending, is_nulls_first) = self.direction(key)?;
            let span = self.session.span(key.expr.span());
            let value = match self.output_by_name(&key.expr, names)? {
                Some(index) => OrderValue::Output(index),
                None => {
                    let mut binder = ExprBinder::new(self.session, scope, "ORDER BY");
                    binder.aliases = Some(aliases);
                    binder.aggregates = Some(&mut calls.aggregates);
                    binder.overs = Some(&mut calls.overs);
                    OrderValue::Expr(binder.bind(&key.expr)?)
                }
            };
            keys.push(Ordering { value, is_descending, is_nulls_first, span });
        }
        Ok(keys)
    }

    /// Orders and limits rows whose columns are the results already.
    pub(crate) fn order_output(
        &mut self,
        relation: Relation,
        order_by: Option<&ast::OrderBy>,
        limit: LimitSpec,
        body: Span,
    ) -> Bind<Relation> {
        let schema = relation.schema();
        let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
        let scope = Scope::new("", &schema);
        let mut calls = Calls::new(&scope);
        let keys = self.bind_order(order_by, &names, &scope, &Aliases::new(), &mut calls, body)?;
        if let Some(span) = calls.overs.first_span() {
            let message =
                "no analytic function may stand in ORDER BY of UNION ALL or of a subquery";
            return self.session.fail(span, message);
        }
        if let Some(call) = calls.aggregates.calls.first() {
            let message = "no aggregate may stand in ORDER BY of UNION ALL or of a subquery";
            return self.session.fail(call.span, message);
        }
        if keys.is_empty() {
            return Ok(limited(relation, limit));
        }
        let columns = identity(&schema);
        self.check_order(&keys, &columns)?;
        Ok(project_and_sort(relation, columns, &keys, limit))
    }

    /// Refuses keys whose values have no order.
    pub(crate) fn check_order(&mut self, order: &[Ordering], columns: &[NamedExpr]) -> Bind<()> {
        for key in order {
            let data_type = match &key.value {
                OrderValue::Output(index) => &columns[*index].expr.data_type,
                OrderValue::Expr(expr) => &expr.data_type,
            };
            if !is_ordered(data_type) {
                let message = format!("ORDER BY: values of {data_type} have no order");
                return self.session.fail(key.span, message);
            }
        }
        Ok(())
    }

    fn order_exprs<'q>(
        &mut self,
        order_by: Option<&'q ast::OrderBy>,
        body: Span,
    ) -> Bind<&'q [ast::OrderByExpr]> {
        let Some(ast::OrderBy { kind, interpolate }) = order_by else { return Ok(&[]) };
        match kind {
            ast::OrderByKind::Expressions(exprs) if interpolate.is_none() => Ok(exprs),
            ast::OrderByKind::Expressions(exprs) => {
                let span = exprs.first().map_or(body, |e| self.session.span(e.span()));
                self.session.fail(span, "not supported: INTERPOLATE")
            }
            ast::OrderByKind::All(_) => Ok(&[]),
        }
    }

    fn direction(&mut self, key: &ast::OrderByExpr) -> Bind<(bool, bool)> {
        let ast::OrderByExpr { expr, options, with_fill } = key;
        let span = self.session.span(expr.span());
        if with_fill.is_some() {
            return self.session.fail(span, "not supported: ORDER BY … WITH FILL");
        }
        self.order_options(options, span)
    }

    /// Whether values descend, and whether NULL comes first.
    fn order_options(&mut self, options: &ast::OrderByOptions, span: Span) -> Bind<(bool, bool)> {
        let ast::OrderByOptions { sort, nulls_first } = options;
        if matches!(sort, Some(ast::OrderBySort::Using(_))) {
            let hint = "write ASC or DESC";
            return self.session.fail_with(span, "not supported: ORDER BY … USING", hint);
        }
        let is_descending = matches!(sort, Some(ast::OrderBySort::Desc));
        Ok((is_descending, nulls_first.unwrap_or(false)))
    }

    /// The result column that a bare name or a number means.
    fn output_by_name(&mut self, expr: &ast::Expr, names: &[String]) -> Bind<Option<usize>> {
        match expr {
            ast::Expr::Identifier(ident) => {
                let name = fold_name(ident, self.session.positions);
                Ok(names.iter().position(|other| *other == name.text))
            }
            ast::Expr::Value(value) => {
                let span = self.session.span(value.span);
                let scope = Scope::new("", &Schema::default());
                let bound = ExprBinder::new(self.session, &scope, "ORDER BY").bind(expr)?;
                let Some(ordinal) = integer_value(&bound) else {
                    return self.session.fail_with(
                        span,
                        "ORDER BY a constant orders nothing",
                        "a column is named without quotes, in double quotes, or by its number",
                    );
                };
                match usize::try_from(ordinal).ok().and_then(|at| at.checked_sub(1)) {
                    Some(index) if index < names.len() => Ok(Some(index)),
                    _ => {
                        let message =
                            format!("ORDER BY {ordinal}: no column of the result has this number");
                        let hint = numbered(names.len());
                        self.session.fail_with(span, message, hint)
                    }
                }
            }
            _ => Ok(None),
        }
    }
}

/// Projects, orders, limits, and drops what was only computed to order by.
pub(crate) fn project_and_sort(
    relation: Relation,
    mut columns: Vec<NamedExpr>,
    order: &[Ordering],
    limit: LimitSpec,
) -> Relation {
    let width = columns.len();
    let mut keys = Vec::with_capacity(order.len());
    for key in order {
        let index = key.output_index(&columns).unwrap_or_else(|| {
            if let OrderValue::Expr(expr) = &key.value {
                columns.push(NamedExpr { name: expr.to_string(), expr: expr.clone() });
            }
            columns.len() - 1
        });
        keys.push(key.at_output(index));
    }
    let results: Vec<NamedExpr> = columns[..width]
        .iter()
        .enumerate()
        .map(|(index, column)| NamedExpr {
            name: column.name.clone(),
            expr: Expr::column(index, column.name.clone(), column.expr.data_type.clone()),
        })
        .collect();
    let has_hidden = columns.len() > width;
    let projected = Relation::Project { input: Box::new(relation), columns };
    let sorted = sort(projected, &keys, limit);
    if has_hidden {
        Relation::Project { input: Box::new(sorted), columns: results }
    } else {
        sorted
    }
}

/// Orders by columns and limits.
pub(crate) fn sort(relation: Relation, keys: &[SortKey], limit: LimitSpec) -> Relation {
    let schema = relation.schema();
    let mut once: Vec<SortKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if !once.iter().any(|other| other.column == key.column) {
            once.push(*key);
        }
    }
    if once.is_empty() {
        return limited(relation, limit);
    }
    let input_types = schema.fields.into_iter().map(|field| field.data_type).collect();
    let spec = SortSpec { input_types, keys: once, limit };
    Relation::Sort { input: Box::new(relation), spec }
}

fn limited(relation: Relation, limit: LimitSpec) -> Relation {
    if limit == LimitSpec::default() {
        return relation;
    }
    Relation::Limit { input: Box::new(relation), spec: limit }
}

/// The numbers that columns have, for a message.
pub(crate) fn numbered(count: usize) -> String {
    match count {
        1 => "there is one column, number 1".to_owned(),
        count => format!("columns have the numbers 1 to {count}, or are named"),
    }
}

/// Every column as it is.
pub(crate) fn identity(schema: &Schema) -> Vec<NamedExpr> {
    let column = |(index, field): (usize, &tidemill_record::Field)| NamedExpr {
        name: field.name.clone(),
        expr: Expr::column(index, field.name.clone(), field.data_type.clone()),
    };
    schema.fields.iter().enumerate().map(column).collect()
}

/// Whether an expression is a column, and which.
pub(crate) fn as_column(expr: &Expr) -> Option<usize> {
    match expr.kind {
        ExprKind::Column { index, .. } => Some(index),
        _ => None,
    }
}
