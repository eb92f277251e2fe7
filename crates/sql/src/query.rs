//! Queries: `WITH`, set operations, and what comes after the body.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use sqlparser::ast::{self, Spanned};
use tidemill_plan::{Emit, ExprKind, LimitSpec, NamedExpr, Relation, Scalar, Span};
use tidemill_record::{DataType, Schema};

use crate::bind_expr::{Bound, ExprBinder, Flex, supertype};
use crate::equality::node_count;
use crate::parse::fold_name;
use crate::report::Bind;
use crate::scan::EmitClause;
use crate::scope::{Scope, Session};
use crate::tables::Tables;

/// Deepest tree of relations: what runs them recurses too.
const RELATION_DEPTH_MAX: usize = 200;

/// How often one statement may read a source. Each time takes a pipeline for each file; names that double, such as
/// `v2 AS (SELECT * FROM v1 UNION ALL SELECT * FROM v1)`, come to any number in a few lines.
const SCANS_MAX: usize = 10_000;

/// Binds the query of a statement, and says which earlier queries it reads.
pub(crate) fn bind_root(
    session: &mut Session<'_>,
    tables: &Tables,
    query: &ast::Query,
    emit: Option<EmitClause>,
) -> Bind<(Relation, Vec<usize>)> {
    let mut binder = QueryBinder::new(session, tables);
    let mut relation = binder.bind_query(query)?;
    if emit.is_none() && !relation.scans().iter().all(|scan| scan.source.is_bounded()) {
        emit_changes_by_default(&mut relation);
    }
    if let Some(clause) = emit {
        let has_grouping = apply_emit(binder.session, &mut relation, clause)?;
        if !has_grouping && matches!(clause.emit, Emit::ChangesEvery(_)) {
            let message = "EMIT CHANGES EVERY n ROWS needs a grouping whose changes it coalesces";
            let hint = "leave it out: without a grouping rows leave as they come";
            return binder.session.fail_with(clause.span, message, hint);
        }
    }
    Ok((relation, binder.runs_after.into_iter().collect()))
}

/// Binds the query of a view, and says which earlier queries it reads.
pub(crate) fn bind_view(
    session: &mut Session<'_>,
    tables: &Tables,
    query: &ast::Query,
) -> Bind<(Relation, Vec<usize>)> {
    let mut binder = QueryBinder::new(session, tables);
    let relation = binder.bind_query(query)?;
    Ok((relation, binder.runs_after.into_iter().collect()))
}

/// Groups of input without an end have no final row, unless they have a window.
fn emit_changes_by_default(relation: &mut Relation) {
    match relation {
        Relation::Scan(_) => {}
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Transpose { input, .. }
        | Relation::Over { input, .. }
        | Relation::TopN { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. } => emit_changes_by_default(input),
        Relation::Union { inputs } => inputs.iter_mut().for_each(emit_changes_by_default),
        Relation::Aggregate { spec, .. } => {
            if spec.window.is_none() && !spec.calls.is_empty() {
                spec.emit = Emit::Changes;
            }
        }
    }
}

/// Sets the emit mode of every grouping whose rows are the query's results; `false` if there is
/// none.
fn apply_emit(
    session: &mut Session<'_>,
    relation: &mut Relation,
    clause: EmitClause,
) -> Bind<bool> {
    match relation {
        // These rows are final as they leave: there is nothing that could change.
        Relation::Scan(_) | Relation::Over { .. } | Relation::TopN { .. } => Ok(false),
        Relation::Filter { input, .. }
        | Relation::Project { input, .. }
        | Relation::Transpose { input, .. }
        | Relation::Limit { input, .. } => apply_emit(session, input, clause),
        Relation::Sort { input, .. } => {
            if clause.emit != Emit::Final {
                let message = "ORDER BY needs all results, so that EMIT CHANGES cannot apply";
                let hint = "leave ORDER BY out: changes come in order of input";
                return session.fail_with(clause.span, message, hint);
            }
            apply_emit(session, input, clause)
        }
        Relation::Union { inputs } => {
            let mut found = false;
            for input in inputs {
                found |= apply_emit(session, input, clause)?;
            }
            Ok(found)
        }
        Relation::Aggregate { spec, .. } => {
            if clause.emit != Emit::Final && spec.calls.is_empty() {
                let message = "EMIT CHANGES needs an aggregate: the rows of DISTINCT, or of GROUP \
                               BY alone, never change";
                let hint = "GROUP BY the same columns with COUNT(*), whose changes are given";
                return session.fail_with(clause.span, message, hint);
            }
            spec.emit = clause.emit;
            Ok(true)
        }
    }
}

/// Binds queries of one statement.
pub(crate) struct QueryBinder<'b, 'a> {
    pub(crate) session: &'b mut Session<'a>,
    pub(crate) tables: &'b Tables,
    /// Named queries of the enclosing `WITH` clauses, innermost last; `None` for a broken one.
    pub(crate) ctes: Vec<HashMap<String, Option<Rc<Relation>>>>,
    pub(crate) runs_after: BTreeSet<usize>,
    /// How many more times the statement may read a source.
    scans_left: usize,
}

/// Rows and how their columns are named.
pub(crate) struct Input {
    pub(crate) relation: Relation,
    pub(crate) scope: Scope,
}

impl<'b, 'a> QueryBinder<'b, 'a> {
    fn new(session: &'b mut Session<'a>, tables: &'b Tables) -> Self {
        let (ctes, runs_after) = (Vec::new(), BTreeSet::new());
        Self { session, tables, ctes, runs_after, scans_left: SCANS_MAX }
    }

    /// Counts what a name in `FROM` brings in, before it is copied.
    pub(crate) fn spend(&mut self, relation: &Relation, span: Span) -> Bind<()> {
        self.session.spend(relation_nodes(relation), span)?;
        self.spend_scans(relation.scans().len(), span)
    }

    /// Counts times that a source is read.
    pub(crate) fn spend_scans(&mut self, count: usize, span: Span) -> Bind<()> {
        if let Some(left) = self.scans_left.checked_sub(count) {
            self.scans_left = left;
            return Ok(());
        }
        let message = format!(
            "the query reads its sources more than {SCANS_MAX} times once its names are replaced by what they \
             stand for"
        );
        let hint = "INSERT what a name stands for into files in a statement before this one, and read those";
        self.session.fail_with(span, message, hint)
    }

    /// Binds a query with everything before and after its body.
    pub(crate) fn bind_query(&mut self, query: &ast::Query) -> Bind<Relation> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let refused = [
            (!locks.is_empty(), "FOR", "FOR UPDATE and FOR SHARE"),
            (for_clause.is_some(), "FOR", "FOR XML, JSON and BROWSE"),
            (settings.is_some(), "SETTINGS", "SETTINGS"),
            (format_clause.is_some(), "FORMAT", "FORMAT"),
            (!pipe_operators.is_empty(), "|>", "pipe operators (|>)"),
        ];
        if let Some((_, word, what)) = refused.iter().find(|(is_there, ..)| *is_there) {
            let span = first_word(self.session.span(query.span()));
            let at = self.session.place(&[word], span);
            return self.session.fail(at, format!("not supported: {what}"));
        }
        let has_with = with.is_some();
        if let Some(with) = with {
            self.bind_with(with)?;
        }
        let body_span = first_word(self.session.span(body.span()));
        let limit = self.bind_limit(limit_clause.as_ref(), fetch.as_ref(), body_span);
        let bound = self.bind_body(body, order_by.as_ref(), &limit);
        if has_with {
            self.ctes.pop();
        }
        let relation = bound?;
        limit?;
        if depth(&relation) > RELATION_DEPTH_MAX {
            let message = format!("subqueries nest deeper than {RELATION_DEPTH_MAX} steps");
            let span = self.session.span(body.span());
            return self.session.fail(first_word(span), message);
        }
        Ok(relation)
    }

    fn bind_with(&mut self, with: &ast::With) -> Bind<()> {
        let ast::With { with_token, recursive, cte_tables } = with;
        if *recursive {
            let span = self.session.span(with_token.0.span);
            let at = self.session.place(&["WITH", "RECURSIVE"], span);
            let hint = "FROM generate_series(1, n) gives numbers; what refers to its own rows has no other form here";
            return self.session.fail_with(at, "not supported: WITH RECURSIVE", hint);
        }
        self.ctes.push(HashMap::new());
        for cte in cte_tables {
            let ast::Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            let name = fold_name(&alias.name, self.session.positions);
            let mut bound = self.bind_query(query);
            if from.is_some() || materialized.is_some() {
                let message = "not supported: MATERIALIZED in WITH";
                bound = self.session.fail(name.span, message);
            }
            let bound = bound.and_then(|relation| self.renamed(relation, 0, alias));
            if let Some(scope) = self.ctes.last_mut()
                && scope.insert(name.text.clone(), bound.ok().map(Rc::new)).is_some()
            {
                let message = format!("WITH names \"{}\" twice", name.text);
                self.session.report.add(name.span, message, None);
            }
        }
        Ok(())
    }

    fn bind_body(
        &mut self,
        body: &ast::SetExpr,
        order_by: Option<&ast::OrderBy>,
        limit: &Bind<LimitSpec>,
    ) -> Bind<Relation> {
        let limit = *limit.as_ref().unwrap_or(&LimitSpec::default());
        let span = first_word(self.session.span(body.span()));
        match body {
            ast::SetExpr::Select(select) => self.bind_select(select, order_by, limit),
            ast::SetExpr::Query(query) => {
                let relation = self.bind_query(query)?;
                self.order_output(relation, order_by, limit, span)
            }
            ast::SetExpr::SetOperation { .. } => {
                let relation = self.bind_union(body)?;
                self.order_output(relation, order_by, limit, span)
            }
            ast::SetExpr::Values(values) => {
                let relation = self.bind_values(values, span)?;
                self.order_output(relation, order_by, limit, span)
            }
            other => {
                let what = match other {
                    ast::SetExpr::Table(_) => "TABLE name; SELECT * FROM name does the same",
                    _ => "a statement that changes data, inside a query",
                };
                let span = self.session.span(other.span());
                self.session.fail(first_word(span), format!("not supported: {what}"))
            }
        }
    }

    /// `a UNION ALL b UNION ALL …`, which `sqlparser` nests to the left; and `UNION`, each row of which is
    /// given once.
    fn bind_union(&mut self, body: &ast::SetExpr) -> Bind<Relation> {
        let quantifier_of = |body: &ast::SetExpr| match body {
            ast::SetExpr::SetOperation { op: ast::SetOperator::Union, set_quantifier, .. } => {
                Some(*set_quantifier)
            }
            _ => None,
        };
        let quantifier = quantifier_of(body);
        let is_once =
            matches!(quantifier, Some(ast::SetQuantifier::None | ast::SetQuantifier::Distinct));
        let mut parts = Vec::new();
        let mut at = body;
        while let ast::SetExpr::SetOperation { left, op, set_quantifier, right } = at {
            let is_known = is_once || matches!(set_quantifier, ast::SetQuantifier::All);
            if *op != ast::SetOperator::Union || !is_known {
                let span = first_word(self.session.span(right.span()));
                let at = self.session.place_before(&[&op.to_string()], span);
                let (what, hint) = match op {
                    ast::SetOperator::Union => (
                        format!("UNION {set_quantifier}"),
                        "columns go by their place: write UNION ALL",
                    ),
                    other => (
                        other.to_string(),
                        "mark each side with a number, put UNION ALL between them, and filter GROUP BY by \
                         HAVING",
                    ),
                };
                return self.session.fail_with(at, format!("not supported: {what}"), hint);
            }
            parts.push(right.as_ref());
            at = left;
            // What gives its rows once is one part of what gives them all.
            if quantifier_of(at).map(|other| other == ast::SetQuantifier::All) == Some(is_once) {
                break;
            }
        }
        parts.push(at);
        let mut inputs = Vec::with_capacity(parts.len());
        for part in parts.into_iter().rev() {
            inputs.push((
                self.bind_body(part, None, &Ok(LimitSpec::default())),
                self.session.span(part.span()),
            ));
        }
        let mut bound = Vec::with_capacity(inputs.len());
        for (input, span) in inputs {
            bound.push((input?, span));
        }
        let span = bound.first().map_or(Span::default(), |(_, span)| first_word(*span));
        let all = self.unify_union(bound)?;
        if is_once { self.once(all, "UNION", span) } else { Ok(all) }
    }

    /// Casts the columns of each input to the types they have in common.
    fn unify_union(&mut self, inputs: Vec<(Relation, Span)>) -> Bind<Relation> {
        let schemas: Vec<Schema> = inputs.iter().map(|(input, _)| input.schema()).collect();
        let width = schemas[0].fields.len();
        for (schema, (_, span)) in schemas.iter().zip(&inputs) {
            if schema.fields.len() != width {
                let message = format!(
                    "UNION ALL brings together results of {width} and of {} columns",
                    schema.fields.len()
                );
                let hint = "select as many columns in each; NULL AS name fills a place";
                return self.session.fail_with(first_word(*span), message, hint);
            }
        }
        let mut types: Vec<DataType> = Vec::with_capacity(width);
        for column in 0..width {
            let bounds: Vec<Bound> = inputs
                .iter()
                .zip(&schemas)
                .map(|((input, _), schema)| output_column(input, schema, column))
                .collect();
            match supertype(&bounds) {
                Ok(common) => types.push(common),
                Err(at) => {
                    let name = &schemas[0].fields[column].name;
                    let (a, b) = (&bounds[0].expr.data_type, &bounds[at].expr.data_type);
                    let message = format!("column \"{name}\" of UNION ALL is {a} and {b}");
                    let span = first_word(inputs[at].1);
                    return self.session.fail_with(span, message, "convert one with CAST");
                }
            }
        }
        let mut relations = Vec::with_capacity(inputs.len());
        for ((input, span), schema) in inputs.into_iter().zip(&schemas) {
            relations.push(self.cast_columns(input, schema, &types, span)?);
        }
        // Flat, so that one UNION ALL of many is not a deep tree.
        let mut flat = Vec::with_capacity(relations.len());
        for relation in relations {
            match relation {
                Relation::Union { inputs } => flat.extend(inputs),
                other => flat.push(other),
            }
        }
        Ok(Relation::Union { inputs: flat })
    }

    fn cast_columns(
        &mut self,
        input: Relation,
        schema: &Schema,
        types: &[DataType],
        span: Span,
    ) -> Bind<Relation> {
        if schema.fields.iter().zip(types).all(|(field, to)| field.data_type == *to) {
            return Ok(input);
        }
        let scope = Scope::new("", schema);
        let mut columns = Vec::with_capacity(types.len());
        for (index, to) in types.iter().enumerate() {
            let Bound { flex, .. } = output_column(&input, schema, index);
            let column = Bound { expr: scope.column(index, first_word(span)), flex };
            let name = schema.fields[index].name.clone();
            let mut binder = ExprBinder::new(self.session, &scope, "UNION ALL");
            let expr = match column.flex {
                Flex::Null => binder.cast(column.expr, to, false)?,
                _ => binder.adapt(column, to, "UNION ALL")?,
            };
            columns.push(NamedExpr { name, expr });
        }
        Ok(Relation::Project { input: Box::new(input), columns })
    }
}

/// A result column as something to find a common type with: literals stay flexible.
fn output_column(relation: &Relation, schema: &Schema, index: usize) -> Bound {
    let field = &schema.fields[index];
    let expr = tidemill_plan::Expr::column(index, field.name.clone(), field.data_type.clone());
    let is_null = match relation {
        Relation::Project { columns, .. } => {
            matches!(columns[index].expr.kind, ExprKind::Literal(Scalar::Null(_)))
        }
        _ => false,
    };
    Bound { expr, flex: if is_null { Flex::Null } else { Flex::Fixed } }
}

/// The first bytes of a long range: carets under a whole query say little.
pub(crate) fn first_word(span: Span) -> Span {
    Span { start: span.start, end: span.end.min(span.start + "SELECT".len()) }
}

fn depth(relation: &Relation) -> usize {
    1 + relation.inputs().into_iter().map(depth).max().unwrap_or(0)
}

pub(crate) fn relation_nodes(relation: &Relation) -> usize {
    let own = match relation {
        Relation::Scan(scan) => scan.columns.len(),
        Relation::Filter { predicate, .. } => node_count(predicate),
        Relation::Project { columns, .. } => {
            columns.iter().map(|column| node_count(&column.expr)).sum()
        }
        Relation::Transpose { rows, .. } => {
            rows.iter().flatten().map(|column| node_count(&column.expr)).sum()
        }
        Relation::Aggregate { spec, .. } => spec.keys.len() + spec.calls.len(),
        Relation::Over { spec, .. } => spec.partition_by.len() + spec.calls.len(),
        Relation::TopN { spec, .. } => spec.partition_by.len() + spec.order.len(),
        Relation::Sort { spec, .. } => spec.keys.len(),
        Relation::Limit { .. } | Relation::Union { .. } => 0,
    };
    1 + own + relation.inputs().into_iter().map(relation_nodes).sum::<usize>()
}
