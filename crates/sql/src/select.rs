//! One `SELECT`: its clauses in the order they take effect.

use sqlparser::ast;
use tidemill_plan::{Expr, LimitSpec, NamedExpr, Relation, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Aliases, ExprBinder};
use crate::calls::Calls;
use crate::equality::reads_columns;
use crate::group_by::group_span;
use crate::grouping::Grouping;
use crate::items::{Item, ItemValue};
use crate::order::{Ordering, as_column, project_and_sort};
use crate::parse::fold_name;
use crate::query::{QueryBinder, first_word};
use crate::report::Bind;
use crate::scope::Scope;
use crate::window_bounds::ScopeWindow;
use crate::windows::BoundWindow;

/// The columns that a window adds to those of its grouping.
const WINDOW_BOUNDS: [&str; 2] = ["window_start", "window_end"];

/// What the clauses behind `FROM` and `WHERE` say, bound over the columns of the input.
struct Clauses {
    keys: Vec<Expr>,
    window: Option<BoundWindow>,
    /// Of each result column.
    columns: Vec<Expr>,
    having: Option<Expr>,
    /// What rows are filtered by once analytic functions are known.
    qualify: Option<Expr>,
    order: Vec<Ordering>,
    calls: Calls,
}

impl QueryBinder<'_, '_> {
    /// Binds a `SELECT`, with the `ORDER BY` and `LIMIT` of its query.
    pub(crate) fn bind_select(
        &mut self,
        select: &ast::Select,
        order_by: Option<&ast::OrderBy>,
        mut limit: LimitSpec,
    ) -> Bind<Relation> {
        let span = self.session.span(select.select_token.0.span);
        let refused = self.refuse_clauses(select, span);
        let input = self.bind_from(&select.from, span)?;
        refused?;
        if let Some(top) = &select.top {
            limit = self.bind_top(top, limit, span)?;
        }
        let (mut relation, mut scope) = (input.relation, input.scope);
        let predicate = select.selection.as_ref().map(|predicate| {
            ExprBinder::new(self.session, &scope, "WHERE").bind_condition(predicate)
        });
        let items = self.expand_items(&select.projection, &scope)?;
        if let (Some(Err(_)), Some(selection)) = (&predicate, &select.selection) {
            self.advise_aliases(selection, &items);
        }
        let mut clauses = self.bind_clauses(select, order_by, &items, &mut scope, &relation, span);
        if let Some(predicate) = predicate.transpose()? {
            relation = Relation::Filter { input: Box::new(relation), predicate };
        }
        self.check_groups(clauses.as_ref().ok(), span)?;
        let Clauses { columns, order, .. } = match &mut clauses {
            Ok(clauses) => {
                relation = self.build_clauses(select, &items, relation, &scope, clauses, span)?;
                clauses
            }
            Err(reported) => return Err(*reported),
        };
        let columns: Vec<NamedExpr> = items
            .into_iter()
            .zip(std::mem::take(columns))
            .map(|(item, expr)| NamedExpr { name: item.name, expr })
            .collect();
        let order = std::mem::take(order);
        self.check_order(&order, &columns)?;
        match &select.distinct {
            Some(ast::Distinct::Distinct) => self.distinct(relation, columns, order, limit, span),
            None | Some(ast::Distinct::All | ast::Distinct::On(_)) => {
                Ok(project_and_sort(relation, columns, &order, limit))
            }
        }
    }

    fn bind_clauses(
        &mut self,
        select: &ast::Select,
        order_by: Option<&ast::OrderBy>,
        items: &[Item<'_>],
        scope: &mut Scope,
        relation: &Relation,
        span: Span,
    ) -> Bind<Clauses> {
        let mut keys = self.bind_group_by(&select.group_by, items, scope, span);
        // Several groupings are no keys; what else they would have to be known for is no other finding.
        if let Err(reported) = &keys
            && has_grouping_sets(&select.group_by)
        {
            return Err(*reported);
        }
        // Without its bounds every use of them would be another finding.
        let group_keys = keys.as_deref().unwrap_or_default();
        let window = self.bind_group_window(&select.group_by, group_keys, scope, relation)?;
        if let (Ok(keys), Some(window)) = (&mut keys, &window) {
            // The bounds stand among the input's columns until the grouping makes them.
            for name in WINDOW_BOUNDS {
                scope.push(name, DataType::Timestamp);
                keys.push(scope.column(scope.len() - 1, window.span));
            }
            scope.window =
                as_column(&window.time).map(|time| ScopeWindow { kind: window.spec.kind, time });
        }
        let mut calls = Calls::new(scope);
        let aliases: Aliases<'_> = items.iter().filter_map(Item::alias).collect();
        let columns = self.bind_items(items, scope, &mut calls);
        let having = select.having.as_ref().map(|having| {
            let mut binder = ExprBinder::new(self.session, scope, "HAVING");
            binder.aggregates = Some(&mut calls.aggregates);
            binder.aliases = Some(&aliases);
            binder.bind_condition(having)
        });
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let order = self.bind_order(order_by, &names, scope, &aliases, &mut calls, span);
        let qualify = select.qualify.as_ref().map(|qualify| {
            let mut binder = ExprBinder::new(self.session, scope, "QUALIFY");
            binder.overs = Some(&mut calls.overs);
            binder.aliases = Some(&aliases);
            binder.bind_condition(qualify)
        });
        let (columns, order) = (columns?, order?);
        let mut qualify = qualify.transpose()?;
        if qualify.is_some() && calls.overs.first_span().is_none() {
            let at = self.session.place(&["QUALIFY"], span);
            let hint = "filter rows with WHERE, and groups with HAVING";
            let message = "QUALIFY filters by an analytic function, and there is none";
            return self.session.fail_with(at, message, hint);
        }
        if let Some(ast::Distinct::On(on)) = &select.distinct {
            let at = self.session.place(&["DISTINCT", "ON"], span);
            let keys = self.bind_distinct_on(on, scope, &aliases)?;
            qualify = Some(self.is_first_of_key(keys, &columns, &order, &mut calls, at)?);
        }
        let (keys, having) = (keys?, having.transpose()?);
        Ok(Clauses { keys, window, columns, having, qualify, order, calls })
    }

    /// `HAVING` without anything that makes groups was most likely meant to be `WHERE`.
    fn check_groups(&mut self, clauses: Option<&Clauses>, span: Span) -> Bind<()> {
        let Some(Clauses { keys, columns, having: Some(having), calls, .. }) = clauses else {
            return Ok(());
        };
        let has_groups = !keys.is_empty() || !calls.aggregates.calls.is_empty();
        if has_groups || !columns.iter().chain([having]).any(reads_columns) {
            return Ok(());
        }
        self.session.fail_with(
            self.session.place(&["HAVING"], span),
            "HAVING filters groups, but there is no GROUP BY and no aggregate",
            "filter rows with WHERE",
        )
    }

    /// The analytic functions or the grouping over the input, and the clauses' expressions over those.
    fn build_clauses(
        &mut self,
        select: &ast::Select,
        items: &[Item<'_>],
        mut relation: Relation,
        scope: &Scope,
        clauses: &mut Clauses,
        span: Span,
    ) -> Bind<Relation> {
        let Clauses { keys, window, columns, having, qualify, order, calls } = clauses;
        let Calls { aggregates, overs } = std::mem::replace(calls, Calls::new(scope));
        let is_grouped = !keys.is_empty() || !aggregates.calls.is_empty() || having.is_some();
        if let Some(over) = overs.first_span() {
            if is_grouped {
                let what = match &select.distinct {
                    Some(ast::Distinct::On(_)) => "DISTINCT ON beside a grouping",
                    _ => "an analytic function beside a grouping",
                };
                let hint = "put the grouping into a subquery: SELECT … OVER (…) FROM (SELECT … GROUP BY …)";
                return self.session.fail_with(over, what, hint);
            }
            let above = columns.iter_mut().chain(order.iter_mut().filter_map(Ordering::expr_mut));
            relation = self.build_over(relation, scope, overs, above.chain(qualify.as_mut()))?;
        }
        if let Some(predicate) = qualify.take() {
            relation = Relation::Filter { input: Box::new(relation), predicate };
        }
        if is_grouped {
            let names: Vec<Option<&str>> =
                items.iter().map(|item| item.has_alias.then_some(item.name.as_str())).collect();
            let keys = std::mem::take(keys);
            let grouping = Grouping::new(keys, window.take(), aggregates, columns, &names);
            self.check_star(&grouping, items, columns)?;
            *columns = self.rewrite_all(&grouping, std::mem::take(columns))?;
            let having = match having.take() {
                Some(having) => Some(grouping.rewrite(self.session, having)?),
                None => None,
            };
            for key in order {
                key.rewrite(self.session, &grouping)?;
            }
            let group_span = group_span(&select.group_by).map(|span| self.session.span(span));
            relation = grouping.build(relation, group_span.unwrap_or(span));
            if let Some(predicate) = having {
                relation = Relation::Filter { input: Box::new(relation), predicate };
            }
        }
        Ok(relation)
    }

    /// `WHERE` that names an alias of the `SELECT` list.
    fn advise_aliases(&mut self, selection: &ast::Expr, items: &[Item<'_>]) {
        let _ = ast::visit_expressions(selection, |expr| {
            if let ast::Expr::Identifier(ident) = expr {
                let name = fold_name(ident, self.session.positions);
                if items.iter().any(|item| item.has_alias && item.name == name.text) {
                    let hint = format!(
                        "{0} is an alias, and WHERE comes before SELECT: repeat its expression, or filter \
                         around it: SELECT * FROM (SELECT …) WHERE …",
                        name.text
                    );
                    self.session.report.set_hint(name.span, hint);
                }
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
    }

    /// `*` beside a grouping stands for its keys, or is one finding for all that are none.
    fn check_star(&mut self, grouping: &Grouping, items: &[Item<'_>], bound: &[Expr]) -> Bind<()> {
        let of_star = items.iter().zip(bound).filter_map(|(item, expr)| match item.value {
            ItemValue::Column(_, span) if !grouping.has_key(expr) => {
                Some((item.name.as_str(), span))
            }
            _ => None,
        });
        let (names, spans): (Vec<&str>, Vec<Span>) = of_star.unzip();
        let (Some(first), Some(span)) = (names.first(), spans.first()) else { return Ok(()) };
        self.session.fail_with(
            *span,
            format!(
                "* has columns that are neither in GROUP BY nor inside an aggregate: {}",
                names.join(", ")
            ),
            format!(
                "name the keys instead of *, and aggregates of the others, such as MAX({first})"
            ),
        )
    }

    fn rewrite_all(&mut self, grouping: &Grouping, exprs: Vec<Expr>) -> Bind<Vec<Expr>> {
        let rewritten: Vec<Bind<Expr>> =
            exprs.into_iter().map(|expr| grouping.rewrite(self.session, expr)).collect();
        rewritten.into_iter().collect()
    }

    fn bind_items(
        &mut self,
        items: &[Item<'_>],
        scope: &Scope,
        calls: &mut Calls,
    ) -> Bind<Vec<Expr>> {
        let mut bound = Vec::with_capacity(items.len());
        // An expression may name what stands before it in the list.
        let mut before = Aliases::new();
        for item in items {
            bound.push(match item.value {
                ItemValue::Column(index, span) => Ok(scope.column(index, span)),
                ItemValue::Expr(expr) => {
                    let mut binder = ExprBinder::new(self.session, scope, "SELECT");
                    binder.aggregates = Some(&mut calls.aggregates);
                    binder.overs = Some(&mut calls.overs);
                    binder.aliases = Some(&before);
                    binder.bind(expr)
                }
            });
            before.extend(item.alias());
        }
        let bound: Bind<Vec<Expr>> = bound.into_iter().collect();
        if bound.is_err() {
            self.advise_repeating(items);
        }
        bound
    }

    /// Aliases within aggregates and analytic functions, which look at the columns alone.
    fn advise_repeating(&mut self, items: &[Item<'_>]) {
        for item in items {
            let ItemValue::Expr(expr) = item.value else { continue };
            let _ = ast::visit_expressions(expr, |expr| {
                if let ast::Expr::Identifier(ident) = expr {
                    let name = fold_name(ident, self.session.positions);
                    if items.iter().any(|item| item.has_alias && item.name == name.text) {
                        let hint = format!(
                            "{0} is an alias: within aggregates and OVER, repeat its expression, or compute around \
                             it: SELECT … FROM (SELECT …)",
                            name.text
                        );
                        self.session.report.set_hint(name.span, hint);
                    }
                }
                std::ops::ControlFlow::<()>::Continue(())
            });
        }
    }

    /// Refuses by name every clause that is parsed but not supported.
    fn refuse_clauses(&mut self, select: &ast::Select, span: Span) -> Bind<()> {
        let ast::Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top: _,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from: _,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window,
            qualify: _,
            window_before_qualify: _,
            value_table_mode,
            flavor: _,
        } = select;
        let into_sink = "SELECT … INTO; INSERT INTO sink SELECT … does the same";
        let refused: [(bool, &[&str], &str); 13] = [
            (!optimizer_hints.is_empty(), &[], "optimizer hints"),
            (select_modifiers.is_some(), &[], "modifiers of SELECT"),
            (projection.is_empty(), &[], "SELECT without columns"),
            (exclude.is_some(), &["EXCLUDE"], "EXCLUDE"),
            (into.is_some(), &["INTO"], into_sink),
            (!lateral_views.is_empty(), &["LATERAL", "VIEW"], "LATERAL VIEW"),
            (prewhere.is_some(), &["PREWHERE"], "PREWHERE"),
            (!connect_by.is_empty(), &["CONNECT", "BY"], "CONNECT BY"),
            (!cluster_by.is_empty(), &["CLUSTER", "BY"], "CLUSTER BY"),
            (!distribute_by.is_empty(), &["DISTRIBUTE", "BY"], "DISTRIBUTE BY"),
            (!sort_by.is_empty(), &["SORT", "BY"], "SORT BY"),
            (!named_window.is_empty(), &["WINDOW"], "WINDOW name AS (…)"),
            (value_table_mode.is_some(), &["AS"], "SELECT AS STRUCT and AS VALUE"),
        ];
        let mut result = Ok(());
        for (_, phrase, what) in refused.iter().filter(|(is_there, ..)| *is_there) {
            let at = match phrase {
                [] => first_word(span),
                phrase => self.session.place(phrase, first_word(span)),
            };
            result = self.session.fail(at, format!("not supported: {what}"));
        }
        result
    }
}

/// Whether it has several groupings at once, which are refused.
fn has_grouping_sets(group_by: &ast::GroupByExpr) -> bool {
    let ast::GroupByExpr::Expressions(exprs, _) = group_by else { return false };
    exprs.iter().any(|expr| {
        matches!(expr, ast::Expr::GroupingSets(_) | ast::Expr::Cube(_) | ast::Expr::Rollup(_))
    })
}
