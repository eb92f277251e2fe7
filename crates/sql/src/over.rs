//! Analytic functions: calls with `OVER`, collected while a query's expressions are bound, computed by
//! the stages below them.

use sqlparser::ast;
use tidemill_plan::lineage::is_window_end;
use tidemill_plan::{
    Aggregate, AggregateFunction, BinaryOp, Expr, ExprKind, Frame, Function, LimitSpec, NamedExpr,
    OverCall, OverFunction, OverOrder, OverSpec, Relation, Scalar, SortKey, SortSpec, Span, Takes,
    TopNSpec,
};
use tidemill_record::DataType;

use crate::aggregates::AroundCall;
use crate::bind_expr::{ExprBinder, integer_value};
use crate::coercion::is_ordered;
use crate::equality::{Once, same};
use crate::fold::{constant, literal};
use crate::order::{as_column, identity};
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::Scope;
use crate::windows::{duration_us, is_event_time};

/// Most rows of a frame, and of `LAG` and `NTH_VALUE`: what each key may hold.
const ROWS_MAX: u64 = 10_000_000;

/// Functions that have a meaning with `OVER` only.
pub(crate) const OVER_ONLY: [&str; 5] = ["row_number", "rank", "dense_rank", "lag", "nth_value"];

/// The analytic calls of one `SELECT`.
///
/// A call is referred to as a column past those of the input: the first is column `base`.
pub(crate) struct OverCalls {
    base: usize,
    calls: Vec<PendingOver>,
}

/// A call over the input, whose argument is not a column yet.
struct PendingOver {
    function: OverFunction,
    arguments: Vec<Expr>,
    ignores_nulls: bool,
    frame: Frame,
    data_type: DataType,
    label: String,
    partition_by: Vec<Expr>,
    /// `ORDER BY`; in order of arrival without.
    order: Vec<OverKey>,
    span: Span,
}

/// One key of `ORDER BY`.
#[derive(Clone)]
pub(crate) struct OverKey {
    pub(crate) expr: Expr,
    pub(crate) is_descending: bool,
    pub(crate) is_nulls_first: bool,
}

/// Where a call is computed.
enum Place {
    /// Stage, and place among its calls.
    Over(usize, usize),
    TopN(usize),
}

/// `OVER (…)`, bound.
struct Over {
    partition_by: Vec<Expr>,
    order: Vec<OverKey>,
    /// As written; `None` where no frame is.
    frame: Option<Frame>,
}

impl OverCalls {
    /// None yet.
    pub(crate) fn new(scope: &Scope) -> Self {
        Self { base: scope.len(), calls: Vec::new() }
    }

    /// Where the first call stands, if there is one.
    pub(crate) fn first_span(&self) -> Option<Span> {
        self.calls.first().map(|call| call.span)
    }

    /// `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) <= 1`.
    pub(crate) fn is_first_row(
        &mut self,
        partition_by: Vec<Expr>,
        order: Vec<OverKey>,
        span: Span,
    ) -> Expr {
        let number = self.column(PendingOver {
            function: OverFunction::RowNumber,
            arguments: Vec::new(),
            ignores_nulls: false,
            frame: Frame::Rows(None),
            data_type: DataType::BigInt,
            label: "ROW_NUMBER()".to_owned(),
            partition_by,
            order,
            span,
        });
        let one = constant(Scalar::BigInt(1), span);
        let (left, right) = (Box::new(number), Box::new(one));
        let kind = ExprKind::Binary { op: BinaryOp::LessOrEqual, left, right };
        Expr { kind, data_type: DataType::Boolean, span }
    }

    fn column(&mut self, call: PendingOver) -> Expr {
        let (span, data_type) = (call.span, call.data_type.clone());
        let name = call.label.clone();
        self.calls.push(call);
        let index = self.base + self.calls.len() - 1;
        Expr { kind: ExprKind::Column { index, name }, data_type, span }
    }
}

impl ExprBinder<'_, '_, '_> {
    /// Binds a call with `OVER` and gives the column that stands for it.
    pub(crate) fn bind_over(
        &mut self,
        name: &str,
        span: Span,
        list: Option<&ast::FunctionArgumentList>,
        around: AroundCall<'_>,
        window: &ast::WindowType,
    ) -> Bind<Expr> {
        let upper = name.to_uppercase();
        let Some(overs) = self.overs.take() else {
            let clause = self.clause;
            let message = format!("no analytic function may stand in {clause}: {upper} OVER");
            return self.session.fail_with(span, message, "compute it in a subquery");
        };
        // Nothing inside may be another, an aggregate, or an alias of one.
        let (aliases, aggregates) = (self.aliases.take(), self.aggregates.take());
        let clause = std::mem::replace(&mut self.clause, "OVER");
        let column = self.bind_over_parts(name, &upper, span, list, (around, window), overs);
        self.clause = clause;
        (self.aliases, self.aggregates) = (aliases, aggregates);
        self.overs = Some(overs);
        column
    }

    fn bind_over_parts(
        &mut self,
        name: &str,
        upper: &str,
        span: Span,
        list: Option<&ast::FunctionArgumentList>,
        (around, window): (AroundCall<'_>, &ast::WindowType),
        overs: &mut OverCalls,
    ) -> Bind<Expr> {
        let over = match window {
            ast::WindowType::WindowSpec(spec) => self.bind_over_spec(spec, span)?,
            ast::WindowType::NamedWindow(name) => {
                return self.session.fail(span, format!("not supported: OVER {name}"));
            }
        };
        let no_arguments = ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: Vec::new(),
            clauses: Vec::new(),
        };
        let list = list.unwrap_or(&no_arguments);
        let aggregate = Aggregate::by_name(name);
        let ignores_nulls = match aggregate {
            Some(_) => false,
            None => self.refuse_of_no_aggregate(name, upper, span, list, around)?,
        };
        let is_ranking = matches!(name, "row_number" | "rank" | "dense_rank" | "lag");
        if is_ranking && over.frame.is_some() {
            let message = format!("{upper} looks at all rows before, and takes no frame");
            return self.session.fail(span, message);
        }
        let is_whole = over.order.is_empty() && over.frame.is_none();
        let mut pending = PendingOver {
            function: OverFunction::RowNumber,
            arguments: Vec::new(),
            ignores_nulls,
            frame: over.frame.unwrap_or(if over.order.is_empty() {
                Frame::Rows(None)
            } else {
                Frame::Range(None)
            }),
            data_type: DataType::BigInt,
            label: format!("{upper}()"),
            partition_by: over.partition_by,
            order: over.order,
            span,
        };
        match name {
            "row_number" | "rank" | "dense_rank" => {
                if !list.args.is_empty() {
                    return self.session.fail(span, format!("{upper} takes no arguments"));
                }
                pending.function = match name {
                    "rank" => OverFunction::Rank,
                    "dense_rank" => OverFunction::DenseRank,
                    _ => OverFunction::RowNumber,
                };
                Ok(overs.column(pending))
            }
            "lag" => self.bind_lag(list, pending, overs),
            "nth_value" => {
                let exprs = self.positional(&list.args, upper, span)?;
                let [value, n] = exprs.as_slice() else {
                    return self.session.fail(span, "NTH_VALUE takes a value and a number");
                };
                let argument = self.bind(value)?;
                let n = self.row_number(n, 1, upper)?;
                if is_whole {
                    return self.refuse_whole_partition(upper, &pending);
                }
                let nulls = nulls_text(ignores_nulls);
                pending.label = format!("NTH_VALUE({argument}, {n}){nulls} {}", pending.frame);
                pending.function = OverFunction::NthValue { n };
                pending.data_type = argument.data_type.clone();
                pending.arguments = vec![argument];
                Ok(overs.column(pending))
            }
            "lead" | "ntile" | "percent_rank" | "cume_dist" => self.session.fail_with(
                span,
                format!("not supported: {upper} looks at later rows"),
                "a row leaves before the rows behind it are known",
            ),
            _ => match aggregate {
                Some(aggregate) if aggregate.takes(Takes::Over) => {
                    let call = self.bind_framed(aggregate, upper, span, list, around)?;
                    if is_whole {
                        return self.refuse_whole_partition(upper, &pending);
                    }
                    pending.label = format!("{} {}", call.label, pending.frame);
                    pending.function = match call.function {
                        AggregateFunction::FirstValue => OverFunction::NthValue { n: 1 },
                        AggregateFunction::LastValue => OverFunction::LastValue,
                        function => OverFunction::Aggregate(function),
                    };
                    pending.ignores_nulls = call.ignores_nulls;
                    (pending.arguments, pending.data_type) = (call.arguments, call.data_type);
                    Ok(overs.column(pending))
                }
                Some(_) => self.session.fail_with(
                    span,
                    format!("not supported: {upper} OVER"),
                    "it needs all values of a frame at once; GROUP BY a key or a window gives it",
                ),
                None => self.session.fail(span, format!("not supported: {upper} OVER")),
            },
        }
    }

    /// Without an order and a frame the standard takes all rows of the partition, those to come too. A
    /// running value instead would be another number under the same words.
    fn refuse_whole_partition(&mut self, upper: &str, call: &PendingOver) -> Bind<Expr> {
        let keys: Vec<String> = call.partition_by.iter().map(Expr::to_string).collect();
        let whole = match keys.as_slice() {
            [] => "write it without OVER".to_owned(),
            keys => format!("use GROUP BY {}", keys.join(", ")),
        };
        self.session.fail_with(
            call.span,
            format!("not supported: {upper} OVER all rows of a partition, which OVER means without ORDER BY or ROWS"),
            format!(
                "for a running value add ORDER BY the event time, or ROWS UNBOUNDED PRECEDING to take rows \
                 as they arrive; for one value of all rows {whole}"
            ),
        )
    }

    /// `LAG(value [, rows [, default]])`: the default is for rows whose number says that there are none
    /// so many before.
    fn bind_lag(
        &mut self,
        list: &ast::FunctionArgumentList,
        pending: PendingOver,
        overs: &mut OverCalls,
    ) -> Bind<Expr> {
        let span = pending.span;
        let exprs = self.positional(&list.args, "LAG", span)?;
        let (value, rows, default) = match exprs.as_slice() {
            [value] => (value, None, None),
            [value, rows] => (value, Some(rows), None),
            [value, rows, default] => (value, Some(rows), Some(default)),
            _ => return self.session.fail(span, "LAG takes a value, a number of rows, a default"),
        };
        let argument = self.bind(value)?;
        let rows = rows.map_or(Ok(1), |rows| self.row_number(rows, 0, "LAG"))?;
        let data_type = argument.data_type.clone();
        let default = match default {
            None => None,
            Some(default) => {
                let bound = self.bind_flexible(default)?;
                Some(self.adapt(bound, &data_type, "the default of LAG")?)
            }
        };
        let numbers = PendingOver {
            function: OverFunction::RowNumber,
            arguments: Vec::new(),
            ignores_nulls: false,
            frame: pending.frame,
            data_type: DataType::BigInt,
            label: "ROW_NUMBER()".to_owned(),
            partition_by: pending.partition_by.clone(),
            order: pending.order.clone(),
            span,
        };
        let ignores_nulls = pending.ignores_nulls;
        let lag = overs.column(PendingOver {
            label: format!("LAG({argument}, {rows}){}", nulls_text(ignores_nulls)),
            function: OverFunction::Lag { rows },
            data_type: data_type.clone(),
            arguments: vec![argument],
            ..pending
        });
        let Some(default) = default else { return Ok(lag) };
        if ignores_nulls && rows > 0 {
            // NULL says that there is no such row.
            return self.call(Function::Coalesce, vec![lag, default], data_type, span);
        }
        let number = overs.column(numbers);
        let rows = constant(Scalar::BigInt(i64::try_from(rows).unwrap_or(i64::MAX)), span);
        let op = BinaryOp::LessOrEqual;
        let is_early = Expr {
            kind: ExprKind::Binary { op, left: Box::new(number), right: Box::new(rows) },
            data_type: DataType::Boolean,
            span,
        };
        let kind =
            ExprKind::Case { branches: vec![(is_early, default)], otherwise: Some(Box::new(lag)) };
        Ok(Expr { kind, data_type, span })
    }

    /// A constant number of rows.
    fn row_number(&mut self, expr: &ast::Expr, least: u64, what: &str) -> Bind<u64> {
        let bound = self.bind(expr)?;
        let number = literal(&bound).and_then(|_| integer_value(&bound));
        match number.and_then(|n| u64::try_from(n).ok()) {
            Some(n) if (least..=ROWS_MAX).contains(&n) => Ok(n),
            _ => {
                let message =
                    format!("{what} takes a constant number of rows from {least} to {ROWS_MAX}");
                self.session.fail(bound.span, message)
            }
        }
    }

    fn bind_over_spec(&mut self, spec: &ast::WindowSpec, span: Span) -> Bind<Over> {
        let ast::WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        if let Some(name) = window_name {
            return self.session.fail(span, format!("not supported: OVER ({name} …)"));
        }
        let mut keys: Vec<Expr> = Vec::with_capacity(partition_by.len());
        for key in partition_by {
            let key = self.bind(key)?;
            if matches!(key.data_type, DataType::Array(_)) {
                let message = format!("not supported: PARTITION BY of {}", key.data_type);
                return self.session.fail(key.span, message);
            }
            if !keys.iter().any(|other| same(other, &key)) {
                keys.push(key);
            }
        }
        let order = self.bind_over_keys(order_by)?;
        let frame = match window_frame {
            None => None,
            Some(frame) => Some(self.bind_frame(frame, !order.is_empty(), span)?),
        };
        Ok(Over { partition_by: keys, order, frame })
    }

    /// The keys of an order, as written.
    pub(crate) fn bind_over_keys(&mut self, order_by: &[ast::OrderByExpr]) -> Bind<Vec<OverKey>> {
        let mut order = Vec::with_capacity(order_by.len());
        for key in order_by {
            let expr = self.bind(&key.expr)?;
            let ast::OrderByOptions { sort, nulls_first } = &key.options;
            if key.with_fill.is_some() || matches!(sort, Some(ast::OrderBySort::Using(_))) {
                let message = "not supported: WITH FILL and USING in ORDER BY";
                return self.session.fail(expr.span, message);
            }
            if !is_ordered(&expr.data_type) {
                let message = format!("ORDER BY: values of {} have no order", expr.data_type);
                return self.session.fail(expr.span, message);
            }
            let is_descending = matches!(sort, Some(ast::OrderBySort::Desc));
            let is_nulls_first = nulls_first.unwrap_or(false);
            order.push(OverKey { expr, is_descending, is_nulls_first });
        }
        Ok(order)
    }

    fn bind_frame(&mut self, frame: &ast::WindowFrame, has_order: bool, span: Span) -> Bind<Frame> {
        use ast::WindowFrameBound as B;
        let ast::WindowFrame { units, start_bound, end_bound } = frame;
        let looks_ahead =
            matches!(start_bound, B::Following(_)) || matches!(end_bound, Some(B::Following(_)));
        if looks_ahead {
            let at = self.session.place(&["FOLLOWING"], span);
            return self.session.fail_with(
                at,
                "not supported: a frame with FOLLOWING",
                "a row leaves before the rows behind it are known; frames end at CURRENT ROW",
            );
        }
        if matches!(end_bound, Some(B::Preceding(_))) {
            let message = "not supported: a frame that ends before CURRENT ROW";
            return self.session.fail(span, message);
        }
        match (units, start_bound) {
            (ast::WindowFrameUnits::Rows, B::Preceding(Some(rows))) => {
                Ok(Frame::Rows(Some(self.row_number(rows, 0, "ROWS … PRECEDING")?)))
            }
            (ast::WindowFrameUnits::Rows, B::Preceding(None)) => Ok(Frame::Rows(None)),
            (ast::WindowFrameUnits::Rows, _) => Ok(Frame::Rows(Some(0))),
            (ast::WindowFrameUnits::Range, _) if !has_order => self.session.fail_with(
                span,
                "RANGE needs ORDER BY the event time",
                "without an order all rows are peers; ROWS counts them as they arrive",
            ),
            (ast::WindowFrameUnits::Range, B::Preceding(Some(reach))) => {
                let reach = self.bind(reach)?;
                Ok(Frame::Range(Some(duration_us(self.session, &reach, 0)?)))
            }
            (ast::WindowFrameUnits::Range, B::Preceding(None)) => Ok(Frame::Range(None)),
            (ast::WindowFrameUnits::Range, _) => Ok(Frame::Range(Some(0))),
            (ast::WindowFrameUnits::Groups, _) => {
                let at = self.session.place(&["GROUPS"], span);
                self.session.fail(at, "not supported: frames of GROUPS")
            }
        }
    }
}

impl QueryBinder<'_, '_> {
    /// The stages that compute the calls: one for each different partition and order, each adding its
    /// columns behind those of its input. `above` are the expressions that refer to the calls.
    pub(crate) fn build_over<'e>(
        &mut self,
        input: Relation,
        scope: &Scope,
        overs: OverCalls,
        above: impl Iterator<Item = &'e mut Expr>,
    ) -> Bind<Relation> {
        let ttl_us = idle_key_ttl_us(&input);
        let mut columns = Once::new(identity(&input.schema()), |column| &column.expr);
        debug_assert_eq!(columns.listed.len(), scope.len(), "the scope is that of the input");
        let mut place = |expr: Expr| -> usize {
            columns.place(expr, |expr| NamedExpr { name: expr.to_string(), expr })
        };
        // Of each stage: partition, order, calls; of each call: its stage and place there.
        let mut stages: Vec<(OverSpec, Vec<SortKey>)> = Vec::new();
        let mut top_ns: Vec<TopNSpec> = Vec::new();
        let mut places: Vec<Place> = Vec::with_capacity(overs.calls.len());
        for call in overs.calls {
            let mut sorted_by: Vec<SortKey> = Vec::new();
            let order = match self.over_order(&input, &call)? {
                Order::Streaming(order) => order,
                Order::Sorted => {
                    sorted_by = sort_keys(&call, &mut place);
                    OverOrder::Sorted
                }
                Order::Numbered => {
                    let top_n = top_n_of(&call, &input, &mut place);
                    let at = top_ns.iter().position(|other| *other == top_n).unwrap_or_else(|| {
                        top_ns.push(top_n);
                        top_ns.len() - 1
                    });
                    places.push(Place::TopN(at));
                    continue;
                }
            };
            if order == OverOrder::Arrival && ttl_us.is_some() {
                return self.session.fail_with(
                    call.span,
                    "'idle.key.ttl' is counted in event time",
                    "add ORDER BY the event time to OVER, or leave out the option",
                );
            }
            let partition_by: Vec<usize> = call.partition_by.into_iter().map(&mut place).collect();
            let arguments = call.arguments.into_iter().map(&mut place).collect();
            let same_stage = |(stage, keys): &(OverSpec, Vec<SortKey>)| {
                stage.partition_by == partition_by && stage.order == order && *keys == sorted_by
            };
            let stage = stages.iter().position(same_stage).unwrap_or_else(|| {
                let columns = sorted_by.iter().map(|key| key.column).collect();
                let spec = OverSpec {
                    input_types: Vec::new(),
                    partition_by,
                    order,
                    sorted_by: columns,
                    calls: Vec::new(),
                    idle_key_ttl_us: ttl_us,
                    span: call.span,
                };
                stages.push((spec, sorted_by));
                stages.len() - 1
            });
            let PendingOver { function, ignores_nulls, frame, data_type, label, .. } = call;
            let calls = &mut stages[stage].0.calls;
            let call = OverCall { function, arguments, ignores_nulls, frame, data_type, label };
            let at = calls.iter().position(|other| *other == call).unwrap_or_else(|| {
                calls.push(call);
                calls.len() - 1
            });
            places.push(Place::Over(stage, at));
        }
        // What looks at rows as they arrive comes before anything that puts them in order.
        let mut sequence: Vec<usize> = (0..stages.len()).collect();
        sequence.sort_by_key(|&stage| match stages[stage].0.order {
            OverOrder::Arrival => 0,
            OverOrder::EventTime { .. } => 1,
            OverOrder::Sorted => 2,
        });
        let mut starts = vec![0; stages.len()];
        let columns = columns.listed;
        let mut first_call = columns.len();
        for &stage in &sequence {
            starts[stage] = first_call;
            first_call += stages[stage].0.calls.len();
        }
        for expr in above {
            refer(expr, overs.base, &|call| match places[call] {
                Place::Over(stage, at) => starts[stage] + at,
                Place::TopN(at) => first_call + at,
            });
        }
        let mut relation = Relation::Project { input: Box::new(input), columns };
        for (spec, keys) in sequence.into_iter().map(|stage| &stages[stage]) {
            let fields = relation.schema().fields;
            let input_types: Vec<DataType> =
                fields.into_iter().map(|field| field.data_type).collect();
            if !keys.is_empty() {
                let (input_types, keys) = (input_types.clone(), keys.clone());
                let spec = SortSpec { input_types, keys, limit: LimitSpec::default() };
                relation = Relation::Sort { input: Box::new(relation), spec };
            }
            let names = spec.calls.iter().map(|call| call.label.clone()).collect();
            let spec = OverSpec { input_types, ..spec.clone() };
            relation = Relation::Over { input: Box::new(relation), spec, names };
        }
        for spec in top_ns {
            let fields = relation.schema().fields;
            let input_types = fields.into_iter().map(|field| field.data_type).collect();
            let spec = TopNSpec { input_types, ..spec };
            let name = "ROW_NUMBER()".to_owned();
            relation = Relation::TopN { input: Box::new(relation), spec, name };
        }
        Ok(relation)
    }

    /// The order in which a call sees rows.
    fn over_order(&mut self, input: &Relation, call: &PendingOver) -> Bind<Order> {
        let Some(first) = call.order.first() else {
            return Ok(Order::Streaming(OverOrder::Arrival));
        };
        let is_bounded = input.scans().iter().all(|scan| scan.source.is_bounded());
        let column = as_column(&first.expr).filter(|&column| {
            first.expr.data_type == DataType::Timestamp && is_event_time(input, column)
        });
        match column {
            Some(column) if !first.is_descending && call.order.len() == 1 => {
                Ok(Order::Streaming(OverOrder::EventTime { column }))
            }
            _ if call.function == OverFunction::RowNumber => Ok(Order::Numbered),
            _ if is_bounded && matches!(call.frame, Frame::Range(Some(_))) => {
                self.session.fail_with(
                    first.expr.span,
                    "RANGE with a distance needs ORDER BY the event time",
                    "the event time is an unchanged copy of the source's WATERMARK column; ROWS counts rows \
                     in any order",
                )
            }
            _ if is_bounded => Ok(Order::Sorted),
            Some(_) => {
                let span = call.order.get(1).map_or(first.expr.span, |second| second.expr.span);
                self.session.fail_with(
                    span,
                    "OVER takes rows in ascending order of event time, and of nothing else",
                    "input without end gives each row before the rows behind it are known; only ROW_NUMBER waits \
                     for them",
                )
            }
            None => self.session.fail_with(
                first.expr.span,
                "OVER over input without end takes ORDER BY the event time, or none: then rows are looked at \
                 as they arrive; only ROW_NUMBER takes any order",
                "the event time is an unchanged copy of the source's WATERMARK column, without a \
                 grouping, an order or a limit between",
            ),
        }
    }
}

/// An order in which a call sees rows.
enum Order {
    /// As they come, or as event time passes.
    Streaming(OverOrder),
    /// Of `ROW_NUMBER`, in an order that is known once all rows are.
    Numbered,
    /// Of any other function, in such an order: all rows are sorted first.
    Sorted,
}

/// `ROW_NUMBER` in an order that is known once all rows are.
fn top_n_of(
    call: &PendingOver,
    input: &Relation,
    place: &mut impl FnMut(Expr) -> usize,
) -> TopNSpec {
    let partition_by: Vec<usize> = call.partition_by.iter().cloned().map(&mut *place).collect();
    let order = sort_keys(call, place);
    TopNSpec {
        input_types: Vec::new(),
        window_end: partition_by.iter().position(|&column| is_window_end(input, column)),
        partition_by,
        order,
        keep: None,
        span: call.span,
    }
}

/// The order of a call, each column once.
fn sort_keys(call: &PendingOver, place: &mut impl FnMut(Expr) -> usize) -> Vec<SortKey> {
    let mut order: Vec<SortKey> = Vec::with_capacity(call.order.len());
    for OverKey { expr, is_descending, is_nulls_first } in call.order.iter().cloned() {
        let key = SortKey { column: place(expr), is_descending, is_nulls_first };
        if !order.iter().any(|other| other.column == key.column) {
            order.push(key);
        }
    }
    order
}

fn nulls_text(ignores_nulls: bool) -> &'static str {
    if ignores_nulls { " IGNORE NULLS" } else { "" }
}

/// Turns columns that stand for calls into those that hold their values.
fn refer(expr: &mut Expr, base: usize, column_of: &dyn Fn(usize) -> usize) {
    if let ExprKind::Column { index, .. } = &mut expr.kind
        && let Some(call) = index.checked_sub(base)
    {
        *index = column_of(call);
    }
    for child in expr.children_mut() {
        refer(child, base, column_of);
    }
}

/// `idle.key.ttl` of the sources below: the longest, and none where one of them has none.
fn idle_key_ttl_us(relation: &Relation) -> Option<i64> {
    let scans = relation.scans();
    let ttls: Option<Vec<i64>> =
        scans.iter().map(|scan| scan.source.watermark?.idle_key_ttl_us).collect();
    ttls?.into_iter().max()
}
