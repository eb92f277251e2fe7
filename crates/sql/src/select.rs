//! One `SELECT`: its clauses in the order they take effect.

use sqlparser::ast::{self, Spanned};
use tidemill_plan::{AggregateSpec, Emit, Expr, LimitSpec, NamedExpr, Relation, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Aliases, ExprBinder, integer_value};
use crate::calls::Calls;
use crate::equality::reads_columns;
use crate::fold::literal;
use crate::grouping::Grouping;
use crate::order::{Ordering, numbered, project_and_sort};
use crate::parse::fold_name;
use crate::query::{QueryBinder, first_word};
use crate::report::Bind;
use crate::scope::Scope;
use crate::windows::{BoundWindow, window_function};

/// A result column before it is bound.
pub(crate) struct Item<'q> {
    pub(crate) name: String,
    value: ItemValue<'q>,
    has_alias: bool,
}

enum ItemValue<'q> {
    /// From `*`: a column of the input.
    Column(usize, Span),
    Expr(&'q ast::Expr),
}

/// The columns that a window adds to those of its grouping.
const WINDOW_BOUNDS: [&str; 2] = ["window_start", "window_end"];

/// Longest name given to a column that has none of its own, in characters.
const NAME_CHARS_MAX: usize = 64;

impl QueryBinder<'_, '_> {
    /// Binds a `SELECT`, with the `ORDER BY` and `LIMIT` of its query.
    pub(crate) fn bind_select(
        &mut self,
        select: &ast::Select,
        order_by: Option<&ast::OrderBy>,
        limit: LimitSpec,
    ) -> Bind<Relation> {
        let span = self.session.span(select.select_token.0.span);
        let refused = self.refuse_clauses(select, span);
        let input = self.bind_from(&select.from, span)?;
        refused?;
        let (mut relation, mut scope) = (input.relation, input.scope);
        let predicate = select.selection.as_ref().map(|predicate| {
            ExprBinder::new(self.session, &scope, "WHERE").bind_condition(predicate)
        });
        let items = self.expand_items(&select.projection, &scope)?;
        if let (Some(Err(_)), Some(selection)) = (&predicate, &select.selection) {
            self.advise_aliases(selection, &items);
        }
        let mut keys = self.bind_group_by(&select.group_by, &items, &scope, span);
        let window = self.bind_group_window(&select.group_by, &scope, &relation);
        if window.is_err() {
            // Without its bounds every use of them would be another finding.
            return Err(crate::report::Reported);
        }
        if let (Ok(keys), Ok(Some(window))) = (&mut keys, &window) {
            // The bounds stand among the input's columns until the grouping makes them.
            for name in WINDOW_BOUNDS {
                scope.push(name, DataType::Timestamp);
                keys.push(scope.column(scope.len() - 1, window.span));
            }
        }

        let mut calls = Calls::new(&scope);
        let aliases: Aliases<'_> = items.iter().filter_map(Item::alias).collect();
        let bound = self.bind_items(&items, &scope, &mut calls);
        let having = select.having.as_ref().map(|having| {
            let mut binder = ExprBinder::new(self.session, &scope, "HAVING");
            binder.aggregates = Some(&mut calls.aggregates);
            binder.aliases = Some(&aliases);
            binder.bind_condition(having)
        });
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let order = self.bind_order(order_by, &names, &scope, &aliases, &mut calls, span);

        if let Some(predicate) = predicate.transpose()? {
            relation = Relation::Filter { input: Box::new(relation), predicate };
        }
        let (window, keys) = (window?, keys?);
        let (mut bound, having) = (bound?, having.transpose()?);
        let mut order = order?;
        if let (Some(having), true) =
            (&having, keys.is_empty() && calls.aggregates.calls.is_empty())
            && bound.iter().chain([having]).any(reads_columns)
        {
            return self.session.fail_with(
                self.session.place(&["HAVING"], span),
                "HAVING filters groups, but there is no GROUP BY and no aggregate",
                "filter rows with WHERE",
            );
        }
        let is_grouped = !keys.is_empty() || !calls.aggregates.calls.is_empty() || having.is_some();
        if let Some(over) = calls.overs.first_span() {
            if is_grouped {
                return self.session.fail_with(
                    over,
                    "an analytic function beside a grouping",
                    "put the grouping into a subquery: SELECT … OVER (…) FROM (SELECT … GROUP BY …)",
                );
            }
            let above = bound.iter_mut().chain(order.iter_mut().filter_map(Ordering::expr_mut));
            relation = self.build_over(relation, &scope, calls.overs, above)?;
        }
        if is_grouped {
            let names: Vec<Option<&str>> =
                items.iter().map(|item| item.has_alias.then_some(item.name.as_str())).collect();
            let grouping = Grouping::new(keys, window, calls.aggregates, &bound, &names);
            self.check_star(&grouping, &items, &bound)?;
            bound = self.rewrite_all(&grouping, bound)?;
            let having = match having {
                Some(having) => Some(grouping.rewrite(self.session, having)?),
                None => None,
            };
            for key in &mut order {
                key.rewrite(self.session, &grouping)?;
            }
            let group_span = group_span(&select.group_by).map(|span| self.session.span(span));
            relation = grouping.build(relation, group_span.unwrap_or(span));
            if let Some(predicate) = having {
                relation = Relation::Filter { input: Box::new(relation), predicate };
            }
        }
        let columns: Vec<NamedExpr> = items
            .into_iter()
            .zip(bound)
            .map(|(item, expr)| NamedExpr { name: item.name, expr })
            .collect();
        self.check_order(&order, &columns)?;
        match &select.distinct {
            None | Some(ast::Distinct::All) => {
                Ok(project_and_sort(relation, columns, &order, limit))
            }
            Some(ast::Distinct::Distinct) => self.distinct(relation, columns, order, limit, span),
            Some(ast::Distinct::On(_)) => {
                let at = self.session.place(&["DISTINCT", "ON"], span);
                self.session.fail(at, "not supported: DISTINCT ON")
            }
        }
    }

    /// `SELECT DISTINCT`: a grouping by every column.
    fn distinct(
        &mut self,
        relation: Relation,
        columns: Vec<NamedExpr>,
        order: Vec<Ordering>,
        limit: LimitSpec,
        span: Span,
    ) -> Bind<Relation> {
        for column in &columns {
            if matches!(column.expr.data_type, DataType::Array(_)) {
                let message = format!("not supported: DISTINCT of {}", column.expr.data_type);
                return self.session.fail(span, message);
            }
        }
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let types: Vec<_> = columns.iter().map(|column| column.expr.data_type.clone()).collect();
        let mut keys = Vec::with_capacity(order.len());
        for key in order {
            match key.output_index(&columns) {
                Some(index) => keys.push(key.at_output(index)),
                None => {
                    return self.session.fail(
                        key.span,
                        "ORDER BY of SELECT DISTINCT takes columns that are selected",
                    );
                }
            }
        }
        let input = Relation::Project { input: Box::new(relation), columns };
        let spec = AggregateSpec {
            input_types: types,
            keys: (0..names.len()).collect(),
            window: None,
            calls: Vec::new(),
            emit: Emit::Final,
            span,
        };
        let relation = Relation::Aggregate { input: Box::new(input), spec, names };
        Ok(crate::order::sort(relation, &keys, limit))
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
        for item in items {
            bound.push(match item.value {
                ItemValue::Column(index, span) => Ok(scope.column(index, span)),
                ItemValue::Expr(expr) => {
                    let mut binder = ExprBinder::new(self.session, scope, "SELECT");
                    binder.aggregates = Some(&mut calls.aggregates);
                    binder.overs = Some(&mut calls.overs);
                    binder.bind(expr)
                }
            });
        }
        bound.into_iter().collect()
    }

    /// Replaces `*` and `t.*`, and names every column.
    fn expand_items<'q>(
        &mut self,
        projection: &'q [ast::SelectItem],
        scope: &Scope,
    ) -> Bind<Vec<Item<'q>>> {
        let mut items = Vec::with_capacity(projection.len());
        for item in projection {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let name = self.default_name(expr, scope);
                    items.push(Item { name, value: ItemValue::Expr(expr), has_alias: false });
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    let name = fold_name(alias, self.session.positions).text;
                    items.push(Item { name, value: ItemValue::Expr(expr), has_alias: true });
                }
                ast::SelectItem::ExprWithAliases { expr, aliases: _ } => {
                    let span = self.session.span(expr.span());
                    return self.session.fail(span, "not supported: several aliases");
                }
                ast::SelectItem::Wildcard(options) => {
                    self.expand_star(None, options, scope, &mut items)?;
                }
                ast::SelectItem::QualifiedWildcard(kind, options) => match kind {
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name) => {
                        self.expand_star(Some(name), options, scope, &mut items)?;
                    }
                    ast::SelectItemQualifiedWildcardKind::Expr(expr) => {
                        let span = self.session.span(expr.span());
                        return self.session.fail(span, "not supported: * of an expression");
                    }
                },
            }
        }
        self.session.spend(items.len(), Span::default())?;
        Ok(items)
    }

    fn expand_star(
        &mut self,
        table: Option<&ast::ObjectName>,
        options: &ast::WildcardAdditionalOptions,
        scope: &Scope,
        items: &mut Vec<Item<'_>>,
    ) -> Bind<()> {
        let ast::WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let mut span = self.session.span(wildcard_token.0.span);
        if let Some(table) = table {
            span = self.session.span(table.span());
            let known = match table.0.as_slice() {
                [ast::ObjectNamePart::Identifier(ident)] => {
                    fold_name(ident, self.session.positions).text == scope.table()
                }
                _ => false,
            };
            if !known {
                let message = format!("{table}.*: FROM has no table \"{table}\"");
                let hint = format!(
                    "the table of FROM is \"{}\"; * alone means its columns",
                    scope.table()
                );
                return self.session.fail_with(span, message, hint);
            }
        }
        let refused = [
            (opt_ilike.is_some(), "* ILIKE"),
            (opt_exclude.is_some(), "* EXCLUDE"),
            (opt_except.is_some(), "* EXCEPT"),
            (opt_replace.is_some(), "* REPLACE"),
            (opt_rename.is_some(), "* RENAME"),
            (opt_alias.is_some(), "an alias of *"),
        ];
        if let Some((_, what)) = refused.iter().find(|(is_there, _)| *is_there) {
            return self.session.fail(span, format!("not supported: {what}"));
        }
        items.extend((0..scope.len()).map(|index| Item {
            name: scope.name(index).to_owned(),
            value: ItemValue::Column(index, span),
            has_alias: false,
        }));
        Ok(())
    }

    /// The name of a column without an alias: its own, or its text.
    fn default_name(&self, expr: &ast::Expr, scope: &Scope) -> String {
        let own_name = |ident| scope.own_name(fold_name(ident, self.session.positions));
        match expr {
            ast::Expr::Identifier(ident) => own_name(ident),
            ast::Expr::CompoundIdentifier(parts) => match parts.last() {
                Some(last) => own_name(last),
                None => String::new(),
            },
            other => other.to_string().chars().take(NAME_CHARS_MAX).collect(),
        }
    }

    /// The keys of a grouping: columns, then aliases of the SELECT list, ordinals, expressions.
    fn bind_group_by(
        &mut self,
        group_by: &ast::GroupByExpr,
        items: &[Item<'_>],
        scope: &Scope,
        select: Span,
    ) -> Bind<Vec<Expr>> {
        let exprs = match group_by {
            ast::GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
            ast::GroupByExpr::Expressions(exprs, modifiers) => {
                let span = exprs.first().map_or(select, |e| self.session.span(e.span()));
                let text = modifiers[0].to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                let at = self.session.place(&words, span);
                return self.session.fail(at, format!("not supported: GROUP BY … {text}"));
            }
            ast::GroupByExpr::All(_) => {
                let at = self.session.place(&["GROUP", "BY", "ALL"], select);
                return self.session.fail(at, "not supported: GROUP BY ALL");
            }
        };
        let aliases: Aliases<'_> = items.iter().filter_map(Item::alias).collect();
        let mut keys: Vec<Bind<Expr>> = Vec::with_capacity(exprs.len());
        for expr in exprs.iter().filter(|expr| window_function(expr).is_none()) {
            keys.push(self.bind_group_key(expr, items, &aliases, scope));
        }
        let keys = keys.into_iter().collect::<Bind<Vec<Expr>>>()?;
        for key in &keys {
            if matches!(key.data_type, DataType::Array(_)) {
                let message = format!("not supported: GROUP BY of {}", key.data_type);
                return self.session.fail(key.span, message);
            }
        }
        Ok(keys)
    }

    /// The window among the keys of `GROUP BY`, if there is one.
    fn bind_group_window(
        &mut self,
        group_by: &ast::GroupByExpr,
        scope: &Scope,
        relation: &Relation,
    ) -> Bind<Option<BoundWindow>> {
        let ast::GroupByExpr::Expressions(exprs, _) = group_by else { return Ok(None) };
        let mut calls = exprs.iter().filter_map(window_function);
        let Some((call, name)) = calls.next() else { return Ok(None) };
        if let Some((second, _)) = calls.next() {
            let span = self.session.span(second.name.span());
            return self.session.fail(span, "a second window; a grouping has one");
        }
        self.bind_window(call, name, scope, relation).map(Some)
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

    /// Refuses by name every clause that is parsed but not supported.
    fn refuse_clauses(&mut self, select: &ast::Select, span: Span) -> Bind<()> {
        let ast::Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top,
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
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        let into_sink = "SELECT … INTO; INSERT INTO sink SELECT … does the same";
        let is_turned = !matches!(flavor, ast::SelectFlavor::Standard);
        let refused: [(bool, &[&str], &str); 16] = [
            (!optimizer_hints.is_empty(), &[], "optimizer hints"),
            (select_modifiers.is_some(), &[], "modifiers of SELECT"),
            (top.is_some(), &["TOP"], "TOP; LIMIT does the same"),
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
            (qualify.is_some(), &["QUALIFY"], "QUALIFY"),
            (value_table_mode.is_some(), &["AS"], "SELECT AS STRUCT and AS VALUE"),
            (is_turned, &[], "FROM before SELECT"),
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

impl<'q> Item<'q> {
    fn alias(&self) -> Option<(String, &'q ast::Expr)> {
        match self.value {
            ItemValue::Expr(expr) if self.has_alias => Some((self.name.clone(), expr)),
            _ => None,
        }
    }
}

fn group_span(group_by: &ast::GroupByExpr) -> Option<sqlparser::tokenizer::Span> {
    match group_by {
        ast::GroupByExpr::Expressions(exprs, _) => {
            let first = exprs.first()?.span();
            Some(exprs.last().map_or(first, |last| first.union(&last.span())))
        }
        ast::GroupByExpr::All(_) => None,
    }
}
