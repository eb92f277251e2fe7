//! `DISTINCT`: rows of equal columns once, and the first row of each key.

use sqlparser::ast;
use tidemill_plan::{AggregateSpec, Emit, Expr, LimitSpec, NamedExpr, Relation, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Aliases, ExprBinder};
use crate::calls::Calls;
use crate::order::Ordering;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::Scope;

impl QueryBinder<'_, '_> {
    /// `SELECT DISTINCT`: a grouping by every column.
    pub(crate) fn distinct(
        &mut self,
        relation: Relation,
        columns: Vec<NamedExpr>,
        order: Vec<Ordering>,
        limit: LimitSpec,
        span: Span,
    ) -> Bind<Relation> {
        let mut keys = Vec::with_capacity(order.len());
        for key in order {
            match key.output_index(&columns) {
                Some(index) => keys.push(key.at_output(index)),
                None => {
                    return self.session.fail_with(
                        key.span,
                        "ORDER BY of SELECT DISTINCT takes columns that are selected",
                        "select what it orders by, or leave DISTINCT out",
                    );
                }
            }
        }
        let input = Relation::Project { input: Box::new(relation), columns };
        let relation = self.once(input, "DISTINCT", span)?;
        Ok(crate::order::sort(relation, &keys, limit))
    }

    /// Each row of a relation once.
    pub(crate) fn once(&mut self, input: Relation, what: &str, span: Span) -> Bind<Relation> {
        let fields = input.schema().fields;
        for field in &fields {
            if matches!(field.data_type, DataType::Array(_)) {
                let message = format!("not supported: {what} of {}", field.data_type);
                let hint = "leave the column out; values of arrays do not compare";
                return self.session.fail_with(span, message, hint);
            }
        }
        let (names, input_types): (Vec<String>, Vec<DataType>) =
            fields.into_iter().map(|field| (field.name, field.data_type)).unzip();
        let spec = AggregateSpec {
            input_types,
            keys: (0..names.len()).collect(),
            window: None,
            calls: Vec::new(),
            emit: Emit::Final,
            span,
        };
        Ok(Relation::Aggregate { input: Box::new(input), spec, names })
    }

    /// The keys of `DISTINCT ON (key, …)`.
    pub(crate) fn bind_distinct_on(
        &mut self,
        keys: &[ast::Expr],
        scope: &Scope,
        aliases: &Aliases<'_>,
    ) -> Bind<Vec<Expr>> {
        let mut bound = Vec::with_capacity(keys.len());
        for key in keys {
            let mut binder = ExprBinder::new(self.session, scope, "DISTINCT ON");
            binder.aliases = Some(aliases);
            bound.push(binder.bind(key)?);
        }
        Ok(bound)
    }

    /// Whether a row is the first of its key in the order of the query, as a condition over a column that an
    /// analytic call stands for. `columns` are the results over the input.
    pub(crate) fn is_first_of_key(
        &mut self,
        keys: Vec<Expr>,
        columns: &[Expr],
        order: &[Ordering],
        calls: &mut Calls,
        span: Span,
    ) -> Bind<Expr> {
        if let Some(over) = calls.overs.first_span() {
            let hint = "put the analytic function into a query of FROM";
            return self.session.fail_with(over, "an analytic function beside DISTINCT ON", hint);
        }
        let order = order.iter().map(|key| key.over(columns)).collect();
        Ok(calls.overs.is_first_row(keys, order, span))
    }
}
