//! A grouping: from keys and aggregate calls to the relations that compute them, and what the
//! expressions above it may refer to.

use tidemill_plan::{
    AggregateCall, AggregateSpec, Emit, Expr, ExprKind, NamedExpr, Relation, SortKey, Span,
    WindowSpec,
};

use crate::aggregates::{AggregateCalls, PendingCall};
use crate::equality::{Once, same};
use crate::over::OverKey;
use crate::report::Bind;
use crate::scope::Session;
use crate::windows::BoundWindow;

/// Keys and calls over the columns of the input.
pub(crate) struct Grouping {
    /// Each once.
    keys: Vec<Expr>,
    key_names: Vec<String>,
    /// Its bounds are the last two keys.
    window: Option<BoundWindow>,
    calls: Vec<PendingCall>,
    /// Column that stands for the first call in expressions not yet rewritten.
    base: usize,
}

/// Longest name of a computed column in `EXPLAIN`, in characters.
const NAME_CHARS_MAX: usize = 64;

impl Grouping {
    /// Makes a grouping. A key takes its name from the SELECT list where that has it under an
    /// alias.
    pub(crate) fn new(
        keys: Vec<Expr>,
        window: Option<BoundWindow>,
        calls: AggregateCalls,
        items: &[Expr],
        aliases: &[Option<&str>],
    ) -> Self {
        let mut grouping = Self {
            keys: Vec::new(),
            key_names: Vec::new(),
            window,
            calls: calls.calls,
            base: calls.base,
        };
        for key in keys {
            if grouping.keys.iter().any(|other| same(other, &key)) {
                continue;
            }
            let alias = items.iter().zip(aliases).find(|(item, _)| same(item, &key));
            let name = match (&key.kind, alias) {
                (ExprKind::Column { name, .. }, _) => name.clone(),
                (_, Some((_, Some(alias)))) => (*alias).to_owned(),
                _ => clipped(&key),
            };
            grouping.key_names.push(name);
            grouping.keys.push(key);
        }
        grouping
    }

    /// Whether a column of the input is a key.
    pub(crate) fn has_key(&self, column: &Expr) -> bool {
        self.keys.iter().any(|key| same(key, column))
    }

    /// Turns an expression over the input into one over the grouping's output.
    pub(crate) fn rewrite(&self, session: &mut Session<'_>, mut expr: Expr) -> Bind<Expr> {
        self.rewrite_in_place(session, &mut expr)?;
        Ok(expr)
    }

    fn rewrite_in_place(&self, session: &mut Session<'_>, expr: &mut Expr) -> Bind<()> {
        session.spend(1 + self.keys.len() / 16, expr.span)?;
        let is_constant = matches!(expr.kind, ExprKind::Literal(_));
        if !is_constant && let Some(index) = self.keys.iter().position(|key| same(key, expr)) {
            expr.kind = ExprKind::Column { index, name: self.key_names[index].clone() };
            return Ok(());
        }
        if let ExprKind::Column { index, name } = &mut expr.kind {
            if let Some(call) = index.checked_sub(self.base) {
                *index = self.keys.len() + call;
                return Ok(());
            }
            let (message, hint) = if self.keys.is_empty() {
                (
                    format!(
                        "column \"{name}\" stands beside an aggregate, but there is no GROUP BY"
                    ),
                    format!("add GROUP BY {name}, or take one value of it, such as MAX({name})"),
                )
            } else {
                (
                    format!("column \"{name}\" is neither in GROUP BY nor inside an aggregate"),
                    format!("add {name} to GROUP BY, or take one value of it, such as MAX({name})"),
                )
            };
            return session.fail_with(expr.span, message, hint);
        }
        for child in expr.children_mut() {
            self.rewrite_in_place(session, child)?;
        }
        Ok(())
    }

    /// The grouping over its input: a projection of keys, arguments and filters, then the groups.
    pub(crate) fn build(mut self, input: Relation, span: Span) -> Relation {
        if self.window.is_some() {
            self.keys.truncate(self.keys.len() - 2);
        }
        let mut columns = Once::new(Vec::new(), |column: &NamedExpr| &column.expr);
        let mut place = |expr: Expr, name: Option<String>| -> usize {
            columns.place(expr, |expr| {
                let name = name.unwrap_or_else(|| clipped(&expr));
                NamedExpr { name, expr }
            })
        };
        let keys: Vec<usize> = self
            .keys
            .into_iter()
            .zip(&self.key_names)
            .map(|(key, name)| place(key, Some(name.clone())))
            .collect();
        let window = self.window.map(|window| {
            let time = place(window.time, None);
            WindowSpec { time, ..window.spec }
        });
        let mut names = self.key_names;
        let mut calls = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            let PendingCall {
                function,
                is_distinct,
                arguments,
                order,
                filter,
                data_type,
                label,
                ..
            } = call;
            let arguments = arguments.into_iter().map(|argument| place(argument, None)).collect();
            let order = order.into_iter().map(|key| {
                let OverKey { expr, is_descending, is_nulls_first } = key;
                SortKey { column: place(expr, None), is_descending, is_nulls_first }
            });
            let order = order.collect();
            let filter = filter.map(|filter| place(filter, None));
            names.push(label.clone());
            calls.push(AggregateCall {
                function,
                is_distinct,
                arguments,
                order,
                filter,
                data_type,
                label,
            });
        }
        let columns = columns.listed;
        let input_types = columns.iter().map(|column| column.expr.data_type.clone()).collect();
        let spec = AggregateSpec { input_types, keys, window, calls, emit: Emit::Final, span };
        let input = Relation::Project { input: Box::new(input), columns };
        Relation::Aggregate { input: Box::new(input), spec, names }
    }
}

fn clipped(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Column { name, .. } => name.clone(),
        _ => expr.to_string().chars().take(NAME_CHARS_MAX).collect(),
    }
}
