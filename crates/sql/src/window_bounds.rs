//! The bounds of a window under the names that other engines give them: `TUMBLE_START(…)`, `window_time`,
//! `WINDOWSTART`, and as columns of a row that nothing groups.

use sqlparser::ast;
use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, Scalar, Span, WindowKind};
use tidemill_record::DataType;

use crate::bind_expr::{Bound, ExprBinder, Flex};
use crate::fold::constant;
use crate::report::Bind;
use crate::scope::Scope;
use crate::windows::duration_us;

/// The window of the grouping whose columns a scope has: the bounds are its last two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopeWindow {
    pub(crate) kind: WindowKind,
    /// The column of event times.
    pub(crate) time: usize,
}

/// The window's first instant, or the one behind its last.
#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
    /// The last millisecond of a window: what Flink calls the rowtime of its results.
    Time,
}

/// How much earlier than the end of a window Flink's `window_time` is, in nanoseconds.
const ROWTIME_NANOS: i64 = 1_000_000;

/// Whether a word of `GROUP BY` is a function of a window's bound in the dialects that have those, and which.
fn bound_function(name: &str) -> Option<(&'static str, Side)> {
    let (window, side) = name.rsplit_once('_')?;
    let window = match window {
        "tumble" => "TUMBLE",
        "hop" => "HOP",
        "session" => "SESSION",
        "cumulate" => "CUMULATE",
        _ => return None,
    };
    let side = match side {
        "start" => Side::Start,
        "end" => Side::End,
        "rowtime" => Side::Time,
        _ => return None,
    };
    Some((window, side))
}

fn bound_of(scope: &Scope, side: Side, span: Span) -> Expr {
    let start = scope.len() - 2;
    match side {
        Side::Start => scope.column(start, span),
        Side::End => scope.column(start + 1, span),
        Side::Time => rowtime(scope.column(start + 1, span)),
    }
}

fn rowtime(end: Expr) -> Expr {
    let span = end.span;
    let millisecond = Scalar::Interval { months: 0, days: 0, nanos: ROWTIME_NANOS };
    let (left, right) = (Box::new(end), Box::new(constant(millisecond, span)));
    let kind = ExprKind::Binary { op: BinaryOp::Subtract, left, right };
    Expr { kind, data_type: DataType::Timestamp, span }
}

impl ExprBinder<'_, '_, '_> {
    /// A name that is a bound of the grouping's window, where no column has it: `window_time` of Flink, and
    /// `WINDOWSTART` and `WINDOWEND` of ksqlDB, which are milliseconds since 1970.
    pub(crate) fn bind_bound_name(&mut self, name: &str, span: Span) -> Bind<Option<Expr>> {
        if self.scope.window.is_none() {
            return Ok(None);
        }
        let side = match name {
            "window_time" => return Ok(Some(bound_of(self.scope, Side::Time, span))),
            "windowstart" => Side::Start,
            "windowend" => Side::End,
            _ => return Ok(None),
        };
        self.epoch_ms(bound_of(self.scope, side, span)).map(Some)
    }

    /// Milliseconds since 1970: of the whole seconds, and of what is beyond them.
    fn epoch_ms(&mut self, time: Expr) -> Bind<Expr> {
        let span = time.span;
        let fixed = |expr: Expr| Bound { expr, flex: Flex::Fixed };
        let number = |value| fixed(constant(Scalar::BigInt(value), span));
        let part = |binder: &mut Self, unit: &str| {
            let unit = constant(Scalar::Varchar(unit.to_owned()), span);
            let arguments = vec![unit, time.clone()];
            binder.call(Function::DatePart, arguments, DataType::BigInt, span)
        };
        let (seconds, millis) = (part(self, "epoch")?, part(self, "millisecond")?);
        let seconds = self.arithmetic(BinaryOp::Multiply, fixed(seconds), number(1000))?;
        let millis = self.arithmetic(BinaryOp::Modulo, fixed(millis), number(1000))?;
        self.arithmetic(BinaryOp::Add, fixed(seconds), fixed(millis))
    }

    /// `TUMBLE_START(time, size)` and its like: a bound of the grouping's window, which must be the same. `None`
    /// where the name is none of these.
    pub(crate) fn bind_bound_function(
        &mut self,
        name: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Option<Expr>> {
        let Some((window, side)) = bound_function(name) else { return Ok(None) };
        let upper = name.to_uppercase();
        let Some(ScopeWindow { kind, time }) = self.scope.window else {
            let hint = format!("write GROUP BY {window}(time, …), and the same arguments here");
            let message = format!("{upper} without a window: its GROUP BY has none");
            return self.session.fail_with(span, message, hint);
        };
        let durations = match window {
            "TUMBLE" | "SESSION" => 1,
            _ => 2,
        };
        let mut given = Vec::with_capacity(durations);
        let first = arguments.len().saturating_sub(durations);
        for duration in &arguments[first..] {
            let bound = self.bind(duration)?;
            given.push(duration_us(self.session, &bound, 1)?);
        }
        let times = arguments[..first].iter().map(|&time| self.bind(time));
        let times = times.collect::<Bind<Vec<Expr>>>()?;
        let is_time =
            |expr: &Expr| matches!(expr.kind, ExprKind::Column { index, .. } if index == time);
        let meant = match (window, given.as_slice()) {
            ("TUMBLE", &[size_us]) => Some(WindowKind::Tumbling { size_us }),
            ("SESSION", &[gap_us]) => Some(WindowKind::Session { gap_us }),
            ("HOP", &[advance_us, size_us]) => Some(WindowKind::Hopping { size_us, advance_us }),
            ("CUMULATE", &[step_us, size_us]) => Some(WindowKind::Cumulating { size_us, step_us }),
            _ => None,
        };
        if meant != Some(kind) || times.len() > 1 || !times.iter().all(is_time) {
            let hint = "write its arguments as in GROUP BY, or select window_start and window_end";
            let message = format!("{upper} is not of the window in GROUP BY, which is {kind}");
            return self.session.fail_with(span, message, hint);
        }
        Ok(Some(bound_of(self.scope, side, span)))
    }

    /// `WINDOW START(time, size)`, which a window table function that nothing groups becomes: the start of the
    /// tumbling window that a time lies in.
    pub(crate) fn bind_row_bound(
        &mut self,
        name: &str,
        arguments: &[&ast::Expr],
        span: Span,
    ) -> Bind<Option<Expr>> {
        let side = match name {
            "window start" => Side::Start,
            "window end" => Side::End,
            "window time" => Side::Time,
            _ => return Ok(None),
        };
        let [time, size] = arguments else {
            return self.session.fail(span, "TUMBLE takes (time column, size)");
        };
        let time = self.bind(time)?;
        if time.data_type != DataType::Timestamp {
            let message = format!("a window takes a TIMESTAMP, but this is {}", time.data_type);
            let hint = "declare the column as TIMESTAMP in CREATE SOURCE";
            return self.session.fail_with(time.span, message, hint);
        }
        let size = self.bind(size)?;
        let size_us = duration_us(self.session, &size, 1)?;
        let span = time.span;
        let argument = constant(Scalar::BigInt(size_us), span);
        let start =
            self.call(Function::WindowStart, vec![time, argument], DataType::Timestamp, span)?;
        let end = || {
            let (days, micros) = (size_us / 86_400_000_000, size_us % 86_400_000_000);
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            let size = Scalar::Interval { months: 0, days, nanos: micros * 1000 };
            let (left, right) = (Box::new(start.clone()), Box::new(constant(size, span)));
            let kind = ExprKind::Binary { op: BinaryOp::Add, left, right };
            Expr { kind, data_type: DataType::Timestamp, span }
        };
        Ok(Some(match side {
            Side::Start => start,
            Side::End => end(),
            Side::Time => rowtime(end()),
        }))
    }
}
