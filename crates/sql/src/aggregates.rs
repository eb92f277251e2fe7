//! Calls of aggregate functions: collected while a query's expressions are bound, computed by
//! the grouping below them. What each function takes and gives is in `aggregate_types`.

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause, NullTreatment,
};
use tidemill_plan::{Aggregate, AggregateFunction, Expr, ExprKind, Scalar, Span, Takes, UnaryOp};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder};
use crate::calls::{inner_clauses, refuse_nulls};
use crate::equality::{Places, hash_of, same};
use crate::fold::{conjunction, literal};
use crate::over::OverKey;
use crate::position::union;
use crate::report::Bind;

/// The aggregate calls of one grouping, each once.
///
/// A call is referred to as a column past those of the input: the first is column `base`.
pub(crate) struct AggregateCalls {
    /// How many columns the input has.
    pub(crate) base: usize,
    pub(crate) calls: Vec<PendingCall>,
    /// Where the calls of some arguments are.
    places: Places,
}

/// A call over the grouping's input, whose argument is not a column yet.
pub(crate) struct PendingCall {
    pub(crate) function: AggregateFunction,
    pub(crate) is_distinct: bool,
    pub(crate) arguments: Vec<Expr>,
    /// `ORDER BY` of the call.
    pub(crate) order: Vec<OverKey>,
    /// `IGNORE NULLS`, of a function that takes them otherwise.
    pub(crate) ignores_nulls: bool,
    pub(crate) filter: Option<Expr>,
    pub(crate) data_type: DataType,
    pub(crate) label: String,
    /// Where the first such call stands.
    pub(crate) span: Span,
}

/// What stands around the brackets of a call.
#[derive(Clone, Copy, Default)]
pub(crate) struct AroundCall<'e> {
    pub(crate) within_group: &'e [ast::OrderByExpr],
    pub(crate) filter: Option<&'e ast::Expr>,
    pub(crate) nulls: Option<NullTreatment>,
}

impl AggregateCalls {
    /// None yet, over an input of so many columns.
    pub(crate) fn new(base: usize) -> Self {
        Self { base, calls: Vec::new(), places: Places::default() }
    }

    /// The column that stands for a call; equal calls share one.
    fn column(&mut self, call: PendingCall) -> Expr {
        let hash = hash_of(&call.arguments);
        let same = self.places.find(hash, |at| {
            let other = &self.calls[at];
            other.function == call.function
                && other.is_distinct == call.is_distinct
                && same_all(&other.arguments, &call.arguments)
                && same_order(&other.order, &call.order)
                && same_optional(other.filter.as_ref(), call.filter.as_ref())
        });
        let (span, data_type, label) = (call.span, call.data_type.clone(), call.label.clone());
        let index = same.unwrap_or_else(|| {
            self.calls.push(call);
            self.places.add(hash, self.calls.len() - 1);
            self.calls.len() - 1
        });
        let kind = ExprKind::Column { index: self.base + index, name: label };
        Expr { kind, data_type, span }
    }
}

fn same_all(left: &[Expr], right: &[Expr]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
}

fn same_order(left: &[OverKey], right: &[OverKey]) -> bool {
    let same_key = |(left, right): (&OverKey, &OverKey)| {
        same(&left.expr, &right.expr)
            && left.is_descending == right.is_descending
            && left.is_nulls_first == right.is_nulls_first
    };
    left.len() == right.len() && left.iter().zip(right).all(same_key)
}

fn same_optional(a: Option<&Expr>, b: Option<&Expr>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// `value IS NOT NULL`
fn is_present(value: &Expr) -> Expr {
    let kind = ExprKind::Unary { op: UnaryOp::IsNotNull, operand: Box::new(value.clone()) };
    Expr { kind, data_type: DataType::Boolean, span: value.span }
}

/// `CASE WHEN condition THEN value END`
pub(crate) fn where_true(condition: Expr, value: Expr) -> Expr {
    let (data_type, span) = (value.data_type.clone(), union(condition.span, value.span));
    let kind = ExprKind::Case { branches: vec![(condition, value)], otherwise: None };
    Expr { kind, data_type, span }
}

impl ExprBinder<'_, '_, '_> {
    /// Binds an aggregate call and gives the column that stands for it.
    pub(crate) fn bind_aggregate(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        span: Span,
        list: Option<&ast::FunctionArgumentList>,
        around: AroundCall<'_>,
    ) -> Bind<Expr> {
        let list = self.argument_list(list, upper, span)?;
        self.in_aggregate(upper, span, |binder| {
            binder.bind_call_parts(aggregate, upper, span, list, around)
        })
    }

    pub(crate) fn argument_list<'e>(
        &mut self,
        list: Option<&'e ast::FunctionArgumentList>,
        upper: &str,
        span: Span,
    ) -> Bind<&'e ast::FunctionArgumentList> {
        match list {
            Some(list) => Ok(list),
            None => self.session.fail(span, format!("{upper} needs an argument")),
        }
    }

    /// The column that stands for a call, whose parts `bind` binds.
    pub(crate) fn in_aggregate(
        &mut self,
        upper: &str,
        span: Span,
        bind: impl FnOnce(&mut Self) -> Bind<PendingCall>,
    ) -> Bind<Expr> {
        let Some(calls) = self.aggregates.take() else {
            let clause = self.clause;
            let hint = match clause {
                "WHERE" => {
                    "filter groups with HAVING, or the rows of one aggregate with FILTER (WHERE …)"
                }
                "GROUP BY" => "group by columns, and filter groups with HAVING",
                _ => {
                    "compute it in a query of FROM: SELECT … FROM (SELECT … AS x FROM … GROUP BY …)"
                }
            };
            let message = format!("no aggregate may stand in {clause}: {upper}");
            return self.session.fail_with(span, message, hint);
        };
        // Nothing inside an aggregate may be another, or an alias of one.
        let aliases = self.aliases.take();
        let clause = std::mem::replace(&mut self.clause, "the argument of an aggregate");
        let call = bind(self);
        self.clause = clause;
        self.aliases = aliases;
        let column = call.map(|mut call| {
            if call.ignores_nulls {
                let present = call.arguments.iter().map(is_present);
                let conditions = call.filter.take().into_iter().chain(present).collect();
                call.filter = Some(conjunction(conditions, call.span));
            }
            calls.column(call)
        });
        self.aggregates = Some(calls);
        column
    }

    pub(crate) fn bind_call_parts(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        span: Span,
        list: &ast::FunctionArgumentList,
        around: AroundCall<'_>,
    ) -> Bind<PendingCall> {
        let clauses = inner_clauses(self.session, list, upper, span, |clause| match clause {
            FunctionArgumentClause::OrderBy(_) => aggregate.takes(Takes::Order),
            FunctionArgumentClause::IgnoreOrRespectNulls(_) => true,
            _ => false,
        })?;
        let mut order_by = around.within_group;
        let mut nulls = around.nulls;
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(keys) if order_by.is_empty() => order_by = keys,
                FunctionArgumentClause::OrderBy(_) => {
                    return self.session.fail(span, format!("{upper} has two orders"));
                }
                FunctionArgumentClause::IgnoreOrRespectNulls(inner) => nulls = Some(*inner),
                _ => {}
            }
        }
        if let Some(nulls) = nulls
            && !aggregate.takes(Takes::Nulls)
        {
            return refuse_nulls(self.session, nulls, upper, span);
        }
        let is_within = aggregate.takes(Takes::Within);
        if !around.within_group.is_empty() && !is_within && !aggregate.takes(Takes::Order) {
            let at = self.session.place(&["WITHIN", "GROUP"], span);
            return self.session.fail(at, format!("not supported: {upper} with WITHIN GROUP"));
        }
        let has_distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        if has_distinct && is_within && !order_by.is_empty() {
            let at = self.session.place(&["DISTINCT"], span);
            return self.session.fail(at, format!("not supported: DISTINCT in {upper}(…)"));
        }
        let filter = self.bind_filter(around.filter)?;
        let order = self.bind_order_keys(order_by)?;
        let mut call = self.bind_arguments(aggregate, upper, span, list, order)?;
        let asks_to_ignore = matches!(nulls, Some(NullTreatment::IgnoreNulls));
        call.ignores_nulls |= asks_to_ignore;
        call.is_distinct = call.is_distinct || has_distinct && !call.function.ignores_repeats();
        if call.is_distinct {
            let is_argument = |key: &OverKey| call.arguments.iter().any(|one| same(one, &key.expr));
            if let Some(key) = call.order.iter().find(|key| !is_argument(key)) {
                let message = format!("{upper}(DISTINCT …) is in the order of its argument alone");
                let hint = "of rows with one value, each may have another key; leave out DISTINCT, or order by the argument";
                return self.session.fail_with(key.expr.span, message, hint);
            }
        }
        call.filter = filter;
        Ok(call.labelled(span))
    }

    /// The condition of `FILTER (WHERE …)`.
    pub(crate) fn bind_filter(&mut self, filter: Option<&ast::Expr>) -> Bind<Option<Expr>> {
        let Some(filter) = filter else { return Ok(None) };
        let outer = std::mem::replace(&mut self.clause, "FILTER");
        let bound = self.bind_condition(filter);
        self.clause = outer;
        bound.map(Some)
    }

    /// The function of a call and its arguments; its filter and label are left to whoever asks.
    fn bind_arguments(
        &mut self,
        aggregate: Aggregate,
        upper: &str,
        span: Span,
        list: &ast::FunctionArgumentList,
        order: Vec<OverKey>,
    ) -> Bind<PendingCall> {
        let args = list.args.as_slice();
        let is_star = matches!(args, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        if aggregate == Aggregate::Count && (is_star || args.is_empty()) {
            if matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)) {
                return self.session.fail(span, "COUNT(DISTINCT *) counts nothing; name a column");
            }
            return Ok(PendingCall::new(AggregateFunction::Count, Vec::new(), DataType::BigInt));
        }
        let exprs = self.positional(args, upper, span)?;
        let (least, most) = aggregate.argument_counts();
        if !(least..=most).contains(&exprs.len()) {
            let given = exprs.len();
            let counts = match least == 0 || least == most {
                true => most.to_string(),
                false => format!("{least} or {most}"),
            };
            let s = if most == 1 { "" } else { "s" };
            let message = format!("{upper} takes {counts} argument{s}, not {given}");
            return self.session.fail_with(span, message, aggregate.usage());
        }
        let mut bound = Vec::with_capacity(exprs.len());
        for expr in exprs {
            bound.push(self.bind_flexible(expr));
        }
        let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
        self.typed_aggregate(aggregate, upper, span, bound, order)
    }

    /// The keys of an `ORDER BY` inside a call.
    fn bind_order_keys(&mut self, order_by: &[ast::OrderByExpr]) -> Bind<Vec<OverKey>> {
        let keys = self.bind_over_keys(order_by)?;
        let mut once: Vec<OverKey> = Vec::with_capacity(keys.len());
        for key in keys {
            if literal(&key.expr).is_some() {
                let message = "ORDER BY in a call takes a column or an expression, not a constant";
                return self.session.fail(key.expr.span, message);
            }
            if !once.iter().any(|other| same(&other.expr, &key.expr)) {
                once.push(key);
            }
        }
        Ok(once)
    }
}

impl PendingCall {
    /// A call with nothing around it.
    pub(crate) fn new(
        function: AggregateFunction,
        arguments: Vec<Expr>,
        data_type: DataType,
    ) -> Self {
        Self {
            function,
            is_distinct: false,
            arguments,
            order: Vec::new(),
            ignores_nulls: false,
            filter: None,
            data_type,
            label: String::new(),
            span: Span::default(),
        }
    }

    /// Says how it reads, and where it stands: at least there.
    pub(crate) fn labelled(mut self, span: Span) -> Self {
        self.label = label(&self);
        self.span = self.arguments.iter().fold(span, |all, argument| union(all, argument.span));
        self
    }
}

fn label(call: &PendingCall) -> String {
    let distinct = if call.is_distinct { "DISTINCT " } else { "" };
    let arguments: Vec<String> = call.arguments.iter().map(ToString::to_string).collect();
    let arguments = if arguments.is_empty() { "*".to_owned() } else { arguments.join(", ") };
    let order: Vec<String> = call.order.iter().map(key_text).collect();
    let order_by = match order.as_slice() {
        [] => String::new(),
        keys => format!(" ORDER BY {}", keys.join(", ")),
    };
    let name = call.function.name();
    let mut label = match &call.function {
        AggregateFunction::StringAgg { separator } => {
            let separator = Scalar::Varchar(separator.clone());
            format!("{name}({distinct}{arguments}, {separator}{order_by})")
        }
        AggregateFunction::PercentileCont { fraction } => {
            format!("{name}({fraction}) WITHIN GROUP (ORDER BY {distinct}{arguments})")
        }
        AggregateFunction::PercentileDisc { fraction, is_descending } => {
            let desc = if *is_descending { " DESC" } else { "" };
            format!("{name}({fraction}) WITHIN GROUP (ORDER BY {distinct}{arguments}{desc})")
        }
        AggregateFunction::ApproxQuantile { fraction } => {
            format!("{name}({distinct}{arguments}, {fraction})")
        }
        _ => format!("{name}({distinct}{arguments}{order_by})"),
    };
    if call.ignores_nulls {
        label.push_str(" IGNORE NULLS");
    }
    if let Some(filter) = &call.filter {
        label.push_str(&format!(" FILTER (WHERE {filter})"));
    }
    label
}

fn key_text(key: &OverKey) -> String {
    let direction = if key.is_descending { " DESC" } else { "" };
    let nulls = if key.is_nulls_first { " NULLS FIRST" } else { "" };
    format!("{}{direction}{nulls}", key.expr)
}
