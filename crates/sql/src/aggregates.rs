//! Calls of aggregate functions: collected while a query's expressions are bound, computed by
//! the grouping below them.

use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr};
use tidemill_plan::{AggregateFunction, Expr, ExprKind, Scalar, Span};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex};
use crate::calls::refuse_inner_clauses;
use crate::coercion::is_ordered;
use crate::equality::same;
use crate::fold::literal;
use crate::position::union;
use crate::report::Bind;

/// The aggregate calls of one grouping, each once.
///
/// A call is referred to as a column past those of the input: the first is column `base`.
pub(crate) struct AggregateCalls {
    /// How many columns the input has.
    pub(crate) base: usize,
    pub(crate) calls: Vec<PendingCall>,
}

/// A call over the grouping's input, whose argument is not a column yet.
pub(crate) struct PendingCall {
    pub(crate) function: AggregateFunction,
    pub(crate) is_distinct: bool,
    pub(crate) argument: Option<Expr>,
    pub(crate) filter: Option<Expr>,
    pub(crate) data_type: DataType,
    pub(crate) label: String,
    /// Where the first such call stands.
    pub(crate) span: Span,
}

const NAMES: [&str; 23] = [
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "approx_count_distinct",
    "first_value",
    "last_value",
    "first",
    "last",
    "string_agg",
    "array_agg",
    "percentile_cont",
    "median",
    "bool_and",
    "bool_or",
];

/// Whether a function is an aggregate.
pub(crate) fn is_aggregate(name: &str) -> bool {
    NAMES.contains(&name) || name == "every"
}

/// Names of all aggregates.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

impl AggregateCalls {
    /// The column that stands for a call; equal calls share one.
    fn column(&mut self, call: PendingCall) -> Expr {
        let same = self.calls.iter().position(|other| {
            other.function == call.function
                && other.is_distinct == call.is_distinct
                && same_optional(other.argument.as_ref(), call.argument.as_ref())
                && same_optional(other.filter.as_ref(), call.filter.as_ref())
        });
        let (span, data_type, label) = (call.span, call.data_type.clone(), call.label.clone());
        let index = same.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        let kind = ExprKind::Column { index: self.base + index, name: label };
        Expr { kind, data_type, span }
    }
}

fn same_optional(a: Option<&Expr>, b: Option<&Expr>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

impl ExprBinder<'_, '_, '_> {
    /// Binds an aggregate call and gives the column that stands for it.
    pub(crate) fn bind_aggregate(
        &mut self,
        name: &str,
        span: Span,
        list: Option<&ast::FunctionArgumentList>,
        within_group: &[ast::OrderByExpr],
        filter: Option<&ast::Expr>,
    ) -> Bind<Expr> {
        let upper = name.to_uppercase();
        let Some(list) = list else {
            return self.session.fail(span, format!("{upper} needs an argument"));
        };
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
        let call = self.bind_call_parts(name, &upper, span, list, within_group, filter);
        self.clause = clause;
        self.aliases = aliases;
        let column = call.map(|call| calls.column(call));
        self.aggregates = Some(calls);
        column
    }

    pub(crate) fn bind_call_parts(
        &mut self,
        name: &str,
        upper: &str,
        span: Span,
        list: &ast::FunctionArgumentList,
        within_group: &[ast::OrderByExpr],
        filter: Option<&ast::Expr>,
    ) -> Bind<PendingCall> {
        refuse_inner_clauses(self.session, list, upper, span)?;
        let ast::FunctionArgumentList { duplicate_treatment, args, clauses: _ } = list;
        if !within_group.is_empty() && name != "percentile_cont" {
            let at = self.session.place(&["WITHIN", "GROUP"], span);
            return self.session.fail(at, format!("not supported: {upper} with WITHIN GROUP"));
        }
        let is_distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
        if is_distinct && name == "percentile_cont" {
            let at = self.session.place(&["DISTINCT"], span);
            return self.session.fail(at, format!("not supported: DISTINCT in {upper}(…)"));
        }
        let filter = match filter {
            None => None,
            Some(filter) => {
                let outer = std::mem::replace(&mut self.clause, "FILTER");
                let bound = self.bind_condition(filter);
                self.clause = outer;
                Some(bound?)
            }
        };
        let is_star = matches!(args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let (function, argument, data_type) = if name == "count" && (is_star || args.is_empty()) {
            if is_distinct {
                return self.session.fail(span, "COUNT(DISTINCT *) counts nothing; name a column");
            }
            (AggregateFunction::Count, None, DataType::BigInt)
        } else {
            let exprs = self.positional(args, upper, span)?;
            let mut bound = Vec::with_capacity(exprs.len());
            for expr in exprs {
                bound.push(self.bind_flexible(expr));
            }
            let bound = bound.into_iter().collect::<Bind<Vec<Bound>>>()?;
            let (function, argument, data_type) =
                self.typed_aggregate(name, upper, span, bound, within_group)?;
            (function, Some(argument), data_type)
        };
        let is_distinct = is_distinct && matters_distinct(&function);
        let end = argument.as_ref().map_or(span, |argument| union(span, argument.span));
        let label = label(&function, is_distinct, argument.as_ref(), filter.as_ref());
        Ok(PendingCall { function, is_distinct, argument, filter, data_type, label, span: end })
    }

    fn typed_aggregate(
        &mut self,
        name: &str,
        upper: &str,
        span: Span,
        mut arguments: Vec<Bound>,
        within_group: &[ast::OrderByExpr],
    ) -> Bind<(AggregateFunction, Expr, DataType)> {
        use AggregateFunction as A;
        let count = if name == "string_agg" { 2 } else { 1 };
        if arguments.len() != count {
            let given = arguments.len();
            let s = if count == 1 { "" } else { "s" };
            let message = format!("{upper} takes {count} argument{s}, not {given}");
            let hint = match name {
                "count" => "COUNT(*) counts rows, COUNT(x) the values of x that are not NULL",
                "string_agg" => "write STRING_AGG(text, ', ')",
                "percentile_cont" => "write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)",
                _ => "it takes the values of one column, or of one expression",
            };
            return self.session.fail_with(span, message, hint);
        }
        if name == "percentile_cont" {
            return self.percentile(arguments.remove(0), within_group, span);
        }
        let separator = (count == 2).then(|| arguments.remove(1));
        let argument = arguments.remove(0);
        let (function, to) = match name {
            "count" => (A::Count, None),
            "approx_count_distinct" => (A::ApproxCountDistinct, None),
            "first_value" | "first" => (A::FirstValue, None),
            "last_value" | "last" => (A::LastValue, None),
            "array_agg" => (A::ArrayAgg, None),
            "min" => (A::Min, None),
            "max" => (A::Max, None),
            "sum" => (A::Sum, Some(sum_type(&argument.expr.data_type))),
            "avg" | "mean" => (A::Avg, Some(DataType::Double)),
            "stddev" | "stddev_samp" => (A::StddevSamp, Some(DataType::Double)),
            "stddev_pop" => (A::StddevPop, Some(DataType::Double)),
            "variance" | "var_samp" => (A::VarSamp, Some(DataType::Double)),
            "var_pop" => (A::VarPop, Some(DataType::Double)),
            "median" => (A::PercentileCont { fraction: 0.5 }, Some(DataType::Double)),
            "bool_and" | "every" => (A::BoolAnd, Some(DataType::Boolean)),
            "bool_or" => (A::BoolOr, Some(DataType::Boolean)),
            _ => {
                let separator = self.separator(separator, span)?;
                (A::StringAgg { separator }, Some(DataType::Varchar))
            }
        };
        let is_number = argument.expr.data_type.is_numeric();
        let argument = match &to {
            // Exact sums and averages work on the numbers as they are.
            Some(_) if is_number && matches!(function, A::Sum | A::Avg) => argument.expr,
            Some(DataType::Double) if is_number => {
                self.cast(argument.expr, &DataType::Double, false)?
            }
            Some(DataType::Double) if argument.flex != Flex::Null => {
                return self.not_a_number(&argument.expr, upper);
            }
            Some(to) => self.adapt(argument, to, upper)?,
            None => argument.expr,
        };
        let found = &argument.data_type;
        let data_type = match &function {
            A::Count | A::ApproxCountDistinct => DataType::BigInt,
            A::ArrayAgg if matches!(found, DataType::Array(_)) => {
                return self.session.fail(span, "not supported: ARRAY_AGG of arrays");
            }
            A::ArrayAgg => DataType::Array(Box::new(found.clone())),
            A::Min | A::Max if !is_ordered(found) || *found == DataType::Interval => {
                return self
                    .session
                    .fail(span, format!("{upper}: values of {found} have no order"));
            }
            A::Min | A::Max | A::FirstValue | A::LastValue => found.clone(),
            _ => to.unwrap_or(DataType::Double),
        };
        Ok((function, argument, data_type))
    }

    /// `PERCENTILE_CONT(fraction) WITHIN GROUP (ORDER BY x)`.
    fn percentile(
        &mut self,
        fraction: Bound,
        within_group: &[ast::OrderByExpr],
        span: Span,
    ) -> Bind<(AggregateFunction, Expr, DataType)> {
        let at = fraction.expr.span;
        let fraction = self.adapt(fraction, &DataType::Double, "PERCENTILE_CONT")?;
        let Some(Scalar::Double(mut value)) = literal(&fraction).cloned() else {
            return self.session.fail(at, "PERCENTILE_CONT takes its fraction as a constant");
        };
        if !(0.0..=1.0).contains(&value) {
            return self.session.fail(at, "PERCENTILE_CONT takes a fraction from 0 to 1");
        }
        let [ast::OrderByExpr { expr, options, with_fill: None }] = within_group else {
            let message = "PERCENTILE_CONT needs WITHIN GROUP (ORDER BY one column)";
            return self.session.fail(span, message);
        };
        let ast::OrderByOptions { sort, nulls_first: _ } = options;
        match sort {
            None | Some(ast::OrderBySort::Asc) => {}
            Some(ast::OrderBySort::Desc) => value = 1.0 - value,
            Some(ast::OrderBySort::Using(_)) => {
                return self.session.fail(span, "not supported: ORDER BY … USING");
            }
        }
        let argument = self.bind_flexible(expr)?;
        let argument = match argument.expr.data_type.is_numeric() {
            true => self.cast(argument.expr, &DataType::Double, false)?,
            false => self.adapt(argument, &DataType::Double, "PERCENTILE_CONT")?,
        };
        let function = AggregateFunction::PercentileCont { fraction: value };
        Ok((function, argument, DataType::Double))
    }

    fn separator(&mut self, separator: Option<Bound>, span: Span) -> Bind<String> {
        let separator = separator.map(|separator| separator.expr);
        match separator.as_ref().and_then(literal) {
            Some(Scalar::Varchar(text)) => Ok(text.clone()),
            _ => self.session.fail(span, "STRING_AGG takes its separator as a constant text"),
        }
    }
}

/// The type of a sum; see [`AggregateFunction::Sum`].
fn sum_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: 38, scale: *scale },
        other if other.is_integer() => DataType::BigInt,
        _ => DataType::Double,
    }
}

/// Whether DISTINCT changes the result.
fn matters_distinct(function: &AggregateFunction) -> bool {
    use AggregateFunction as A;
    !matches!(
        function,
        A::Min | A::Max | A::BoolAnd | A::BoolOr | A::ApproxCountDistinct | A::FirstValue
    )
}

fn label(
    function: &AggregateFunction,
    is_distinct: bool,
    argument: Option<&Expr>,
    filter: Option<&Expr>,
) -> String {
    let distinct = if is_distinct { "DISTINCT " } else { "" };
    let argument = argument.map_or_else(|| "*".to_owned(), ToString::to_string);
    let name = function.name();
    let mut label = match function {
        AggregateFunction::StringAgg { separator } => {
            format!("{name}({distinct}{argument}, '{}')", separator.replace('\'', "''"))
        }
        AggregateFunction::PercentileCont { fraction } => {
            format!("{name}({fraction}) WITHIN GROUP (ORDER BY {argument})")
        }
        _ => format!("{name}({distinct}{argument})"),
    };
    if let Some(filter) = filter {
        label.push_str(&format!(" FILTER (WHERE {filter})"));
    }
    label
}
