//! The keys of a grouping, and the window among them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{self, Spanned};
use tidemill_plan::{Aggregate, Expr, Relation, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Aliases, ExprBinder, integer_value};
use crate::equality::reads_columns;
use crate::fold::literal;
use crate::items::{Item, ItemValue};
use crate::order::numbered;
use crate::parse::fold_name;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::Scope;
use crate::windows::{BoundWindow, window_function};

impl QueryBinder<'_, '_> {
    /// The keys of a grouping: columns, then aliases of the SELECT list, ordinals, expressions.
    pub(crate) fn bind_group_by(
        &mut self,
        group_by: &ast::GroupByExpr,
        items: &[Item<'_>],
        scope: &Scope,
        select: Span,
    ) -> Bind<Vec<Expr>> {
        let (exprs, modifiers) = match group_by {
            ast::GroupByExpr::Expressions(exprs, modifiers) => (Some(exprs), modifiers),
            ast::GroupByExpr::All(modifiers) => (None, modifiers),
        };
        if let Some(modifier) = modifiers.first() {
            let first = exprs.and_then(|exprs| exprs.first());
            let span = first.map_or(select, |e| self.session.span(e.span()));
            let text = modifier.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let at = self.session.place(&words, span);
            let hint = "put one query for each grouping, and UNION ALL between them";
            return self.session.fail_with(at, format!("not supported: GROUP BY … {text}"), hint);
        }
        let keys = match exprs {
            None => self.all_keys(items, scope)?,
            Some(exprs) => {
                let aliases: Aliases<'_> = items.iter().filter_map(Item::alias).collect();
                let exprs = exprs.iter().filter(|expr| window_function(expr).is_none());
                let keys: Vec<Bind<Expr>> =
                    exprs.map(|expr| self.bind_group_key(expr, items, &aliases, scope)).collect();
                keys.into_iter().collect::<Bind<Vec<Expr>>>()?
            }
        };
        for key in &keys {
            if matches!(key.data_type, DataType::Array(_)) {
                let message = format!("not supported: GROUP BY of {}", key.data_type);
                return self.session.fail(key.span, message);
            }
        }
        Ok(keys)
    }

    /// `GROUP BY ALL`: what is selected without an aggregate in it, constants aside.
    fn all_keys(&mut self, items: &[Item<'_>], scope: &Scope) -> Bind<Vec<Expr>> {
        let mut keys: Vec<Bind<Expr>> = Vec::with_capacity(items.len());
        // What stands before an item, which it may name; and which of that has an aggregate.
        let (mut before, mut aggregates) = (Aliases::new(), HashSet::new());
        for item in items {
            let alias = item.alias();
            match item.value {
                ItemValue::Column(index, span) => keys.push(Ok(scope.column(index, span))),
                ItemValue::Expr(expr)
                    if has_aggregate(expr) || self.names_one_of(expr, &aggregates, scope) =>
                {
                    aggregates.extend(alias.as_ref().map(|(name, _)| name.clone()));
                }
                ItemValue::Expr(expr) => {
                    let mut binder = ExprBinder::new(self.session, scope, "GROUP BY ALL");
                    binder.aliases = Some(&before);
                    keys.push(binder.bind(expr));
                }
            }
            before.extend(alias);
        }
        let keys = keys.into_iter().collect::<Bind<Vec<Expr>>>()?;
        Ok(keys.into_iter().filter(reads_columns).collect())
    }

    /// Whether an expression names one of some aliases.
    fn names_one_of(&self, expr: &ast::Expr, aliases: &HashSet<String>, scope: &Scope) -> bool {
        let found = ast::visit_expressions(expr, |expr| {
            if let ast::Expr::Identifier(ident) = expr {
                let name = fold_name(ident, self.session.positions);
                if aliases.contains(&name.text) && !scope.has(&name) {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        found.is_break()
    }

    /// The window among the keys of `GROUP BY`, if there is one.
    pub(crate) fn bind_group_window(
        &mut self,
        group_by: &ast::GroupByExpr,
        keys: &[Expr],
        scope: &Scope,
        relation: &Relation,
    ) -> Bind<Option<BoundWindow>> {
        let ast::GroupByExpr::Expressions(exprs, _) = group_by else { return Ok(None) };
        let mut calls = exprs.iter().filter_map(window_function);
        let Some((call, name)) = calls.next() else { return Ok(None) };
        if let Some((second, _)) = calls.next() {
            let span = self.session.span(second.name.span());
            let hint = "put one query for each window, and UNION ALL between them";
            return self.session.fail_with(span, "a second window; a grouping has one", hint);
        }
        self.bind_window((call, name), keys, scope, relation).map(Some)
    }

    fn bind_group_key(
        &mut self,
        expr: &ast::Expr,
        items: &[Item<'_>],
        aliases: &Aliases<'_>,
        scope: &Scope,
    ) -> Bind<Expr> {
        let mut binder = ExprBinder::new(self.session, scope, "GROUP BY");
        binder.aliases = Some(aliases);
        let bound = binder.bind(expr)?;
        let is_number = matches!(expr, ast::Expr::Value(_));
        let Some(ordinal) =
            literal(&bound).and_then(|_| integer_value(&bound)).filter(|_| is_number)
        else {
            return Ok(bound);
        };
        let item = usize::try_from(ordinal).ok().and_then(|at| items.get(at.checked_sub(1)?));
        match item.map(|item| &item.value) {
            Some(ItemValue::Column(index, span)) => Ok(scope.column(*index, *span)),
            Some(ItemValue::Expr(expr)) => {
                ExprBinder::new(self.session, scope, "GROUP BY").bind(expr)
            }
            None => {
                let message = format!("GROUP BY {ordinal}: no column of SELECT has this number");
                let hint = numbered(items.len());
                self.session.fail_with(bound.span, message, hint)
            }
        }
    }
}

/// Whether an aggregate is called somewhere in an expression, or an analytic function.
fn has_aggregate(expr: &ast::Expr) -> bool {
    let found = ast::visit_expressions(expr, |part| match part {
        ast::Expr::Function(call)
            if call.over.is_some() || Aggregate::by_name(&call.name.to_string()).is_some() =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// Where the keys stand.
pub(crate) fn group_span(group_by: &ast::GroupByExpr) -> Option<sqlparser::tokenizer::Span> {
    match group_by {
        ast::GroupByExpr::Expressions(exprs, _) => {
            let first = exprs.first()?.span();
            Some(exprs.last().map_or(first, |last| first.union(&last.span())))
        }
        ast::GroupByExpr::All(_) => None,
    }
}
