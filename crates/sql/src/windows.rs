//! The window of a grouping: a function among the keys of `GROUP BY`.

use sqlparser::ast::{self, Spanned};
use tidemill_plan::lineage::event_time_columns;
use tidemill_plan::options::parse_duration;
use tidemill_plan::{
    Expr, ExprKind, Relation, Scalar, Span, WatermarkRule, WindowKind, WindowSpec,
};
use tidemill_record::DataType;

use crate::bind_expr::ExprBinder;
use crate::calls::{refuse_inner_clauses, refuse_outer_clauses, refuse_quantifier};
use crate::equality::reads_columns;
use crate::equality::same;
use crate::query::QueryBinder;
use crate::report::Bind;
use crate::scope::{Scope, Session};

/// Most windows that one record may lie in.
const WINDOWS_MAX: i64 = 10_000;

/// A window, and the event time it looks at.
pub(crate) struct BoundWindow {
    /// `time` has no meaning yet.
    pub(crate) spec: WindowSpec,
    /// A column of the grouping's input.
    pub(crate) time: Expr,
    pub(crate) span: Span,
}

/// `SESSION(TABLE t PARTITION BY k, …)`, whose keys stand behind the gap; see `window_tokens`.
const SESSION_BY: &str = "SESSION PARTITION BY";

/// The window function that an expression of `GROUP BY` calls, if it does: upper case.
pub(crate) fn window_function(expr: &ast::Expr) -> Option<(&ast::Function, &'static str)> {
    const NAMES: [&str; 8] =
        ["TUMBLING", "HOPPING", "CUMULATING", "SESSION", "TUMBLE", "HOP", "CUMULATE", SESSION_BY];
    let ast::Expr::Function(call) = expr else { return None };
    let [ast::ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return None };
    let known = NAMES.iter().find(|known| name.value.eq_ignore_ascii_case(known));
    known.map(|known| (call, *known))
}

/// Whether a column is an unchanged copy of the event time of every source below.
pub(crate) fn is_event_time(relation: &Relation, column: usize) -> bool {
    let rules = relation.scans().into_iter().map(|scan| scan.source.watermark);
    event_time_columns(relation, column).is_some_and(|columns| {
        let mut pairs = columns.iter().zip(rules);
        pairs.all(|(&column, rule)| rule.is_none_or(|rule| rule.column == column))
    })
}

impl QueryBinder<'_, '_> {
    /// Binds a window function of `GROUP BY`, whose input is `relation`, beside the other keys.
    pub(crate) fn bind_window(
        &mut self,
        (call, mut name): (&ast::Function, &'static str),
        keys: &[Expr],
        scope: &Scope,
        relation: &Relation,
    ) -> Bind<BoundWindow> {
        let span = self.session.span(call.name.span());
        let mut arguments = self.window_arguments(call, name, span)?;
        if name == SESSION_BY {
            name = "SESSION";
            let partition_by = arguments.split_off(2.min(arguments.len()));
            self.check_session_keys(&partition_by, keys, scope)?;
        }
        let duration_count = match name {
            "TUMBLING" | "TUMBLE" | "SESSION" => 1,
            _ => 2,
        };
        let (time, durations) = match arguments.len().checked_sub(duration_count) {
            Some(0) => (None, arguments.as_slice()),
            Some(1) => (Some(arguments[0]), &arguments[1..]),
            _ => {
                let form = match name {
                    "TUMBLING" | "TUMBLE" => "time column, size",
                    "SESSION" => "time column, gap",
                    "HOPPING" => "time column, size, advance",
                    "HOP" => "time column, advance, size",
                    "CUMULATING" => "time column, size, step",
                    _ => "time column, step, size",
                };
                let hint = "a duration is INTERVAL '1' MINUTE, or 500ms, 10s, 5m, 1h, 1d";
                return self.session.fail_with(span, format!("{name} takes ({form})"), hint);
            }
        };
        let time = self.event_time(time, name, span, scope, relation)?;
        let durations: Vec<i64> = durations
            .iter()
            .map(|duration| {
                let bound = ExprBinder::new(self.session, scope, "a window").bind(duration)?;
                duration_us(self.session, &bound, 1)
            })
            .collect::<Bind<_>>()?;
        let kind = match name {
            "TUMBLING" | "TUMBLE" => WindowKind::Tumbling { size_us: durations[0] },
            "SESSION" => WindowKind::Session { gap_us: durations[0] },
            "HOPPING" => WindowKind::Hopping { size_us: durations[0], advance_us: durations[1] },
            "HOP" => WindowKind::Hopping { size_us: durations[1], advance_us: durations[0] },
            "CUMULATING" => WindowKind::Cumulating { size_us: durations[0], step_us: durations[1] },
            _ => WindowKind::Cumulating { size_us: durations[1], step_us: durations[0] },
        };
        self.check_kind(kind, span)?;
        let rules = relation.scans().into_iter().filter_map(|scan| scan.source.watermark);
        let allowed_lateness_us = rules.map(|rule| rule.allowed_lateness_us).max().unwrap_or(0);
        let spec = WindowSpec { kind, time: 0, allowed_lateness_us };
        Ok(BoundWindow { spec, time, span })
    }

    /// Sessions are made for each group here, so that the keys they are made for must be those of the groups.
    fn check_session_keys(
        &mut self,
        partition_by: &[&ast::Expr],
        keys: &[Expr],
        scope: &Scope,
    ) -> Bind<()> {
        let mut bound = Vec::with_capacity(partition_by.len());
        for key in partition_by {
            bound.push(ExprBinder::new(self.session, scope, "PARTITION BY").bind(key)?);
        }
        let lacking = bound.iter().find(|key| !keys.iter().any(|other| same(other, key)));
        let further = keys.iter().find(|key| !bound.iter().any(|other| same(other, key)));
        match (lacking, further) {
            (None, None) => Ok(()),
            (Some(key), _) | (None, Some(key)) => {
                let (span, name) = (key.span, key.to_string());
                self.session.fail_with(
                    span,
                    format!("{name} is not in both of PARTITION BY of the sessions and GROUP BY"),
                    "sessions are made for each group: name the same columns in both",
                )
            }
        }
    }

    fn check_kind(&mut self, kind: WindowKind, span: Span) -> Bind<()> {
        match kind {
            WindowKind::Hopping { size_us, advance_us } if advance_us > size_us => {
                self.session.fail_with(
                    span,
                    "the advance is longer than the window: records between two windows would be \
                     in none",
                    "the order is size, then advance; in HOP(…) it is advance, then size",
                )
            }
            WindowKind::Cumulating { size_us, step_us } if size_us % step_us != 0 => {
                self.session.fail_with(
                    span,
                    "the size of CUMULATE is a multiple of its step",
                    "the order is size, then step; in the function CUMULATE(…) it is step, then size",
                )
            }
            WindowKind::Hopping { size_us: size, advance_us: step }
            | WindowKind::Cumulating { size_us: size, step_us: step }
                if size / step > WINDOWS_MAX =>
            {
                let message = format!("a record would lie in more than {WINDOWS_MAX} windows");
                self.session.fail(span, message)
            }
            _ => Ok(()),
        }
    }

    fn window_arguments<'q>(
        &mut self,
        call: &'q ast::Function,
        name: &str,
        span: Span,
    ) -> Bind<Vec<&'q ast::Expr>> {
        let ast::FunctionArguments::List(list) = &call.args else {
            return self.session.fail(span, format!("{name} takes a time column and durations"));
        };
        refuse_outer_clauses(self.session, call, name, span)?;
        refuse_quantifier(self.session, list, name, span)?;
        refuse_inner_clauses(self.session, list, name, span)?;
        let mut arguments = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            match argument {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                other => {
                    return self.session.fail(span, format!("{name} does not take {other}"));
                }
            }
        }
        Ok(arguments)
    }

    /// The event time column: as named, or the source's `WATERMARK` column.
    fn event_time(
        &mut self,
        named: Option<&ast::Expr>,
        name: &str,
        span: Span,
        scope: &Scope,
        relation: &Relation,
    ) -> Bind<Expr> {
        let rules: Vec<Option<WatermarkRule>> =
            relation.scans().iter().map(|scan| scan.source.watermark).collect();
        let is_event_time = |column: usize| is_event_time(relation, column);
        let Some(named) = named else {
            let declared = rules.iter().any(Option::is_some);
            let found = (0..scope.len()).find(|&column| declared && is_event_time(column));
            return match found {
                Some(column) => Ok(scope.column(column, span)),
                None => self.session.fail_with(
                    span,
                    format!(
                        "{name} without a time column takes the source's WATERMARK column, and \
                             there is none"
                    ),
                    "name the column before the size, or declare WATERMARK FOR it in CREATE SOURCE",
                ),
            };
        };
        let bound = ExprBinder::new(self.session, scope, "a window").bind(named)?;
        let ExprKind::Column { index, .. } = bound.kind else {
            let hint = match reads_columns(&bound) {
                true => {
                    "declare it as a computed column of the source, event_time AS expression, with \
                     WATERMARK FOR event_time"
                }
                false => {
                    "the time of processing cannot be used: results would depend on when records are \
                     read, and could not be repeated"
                }
            };
            let message = "a window takes a column of event times";
            return self.session.fail_with(bound.span, message, hint);
        };
        if bound.data_type != DataType::Timestamp {
            let message = format!("a window takes a TIMESTAMP, but this is {}", bound.data_type);
            let hint = "declare the column as TIMESTAMP in CREATE SOURCE";
            return self.session.fail_with(bound.span, message, hint);
        }
        if !is_event_time(index) {
            return self.session.fail_with(
                bound.span,
                "this is not an event time here",
                "it must be an unchanged copy of the source's WATERMARK column, without a grouping, \
                 an order or a limit between; a window over the results of a window is not supported",
            );
        }
        Ok(bound)
    }
}

/// The microseconds of a constant duration of at least so many.
pub(crate) fn duration_us(session: &mut Session<'_>, bound: &Expr, least: i64) -> Bind<i64> {
    const HINT: &str = "a duration is INTERVAL '1' MINUTE, or 500ms, 10s, 5m, 1h, 1d";
    let micros = match &bound.kind {
        ExprKind::Literal(Scalar::Varchar(text)) => {
            parse_duration(text).and_then(|duration| i64::try_from(duration.as_micros()).ok())
        }
        ExprKind::Literal(Scalar::Interval { months: 0, days, nanos }) if nanos % 1000 == 0 => {
            let days_us = i64::from(*days).checked_mul(86_400_000_000);
            days_us.and_then(|us| us.checked_add(nanos / 1000))
        }
        ExprKind::Literal(Scalar::Interval { months, .. }) if *months != 0 => {
            return session.fail_with(bound.span, "months and years have no fixed length", HINT);
        }
        _ => None,
    };
    match micros.filter(|&us| us >= least) {
        Some(micros) => Ok(micros),
        None if least > 0 => session.fail_with(bound.span, "expected a duration above zero", HINT),
        None => session.fail_with(bound.span, "expected a duration", HINT),
    }
}
