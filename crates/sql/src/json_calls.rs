//! `JSON_VALUE`, `JSON_QUERY` and `JSON_EXISTS` with what they give in place of a value (SQL:2016, 6.27 and 6.28): they
//! become a `CASE` over what is found at the path.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, Scalar, Span, UnaryOp};
use tidemill_record::DataType;

use crate::bind_expr::{ExprBinder, Flex};
use crate::fold::constant;
use crate::json_tokens::{CLAUSE_QUOTE, DEFAULT_ON_EMPTY, DEFAULT_ON_ERROR};
use crate::report::Bind;

/// What there is in place of a value.
#[derive(Clone)]
enum Instead {
    /// As without a clause.
    Unsaid,
    Null,
    Error,
    /// This value.
    Value(Expr),
}

/// Which arrays `JSON_QUERY` puts around a value.
#[derive(Clone, Copy, PartialEq)]
enum Wrapper {
    None,
    AroundScalars,
    AroundAll,
}

/// A call, in parts.
struct Call {
    function: Function,
    text: Expr,
    path: Expr,
    /// What is missing is an error.
    is_strict: bool,
    wrapper: Wrapper,
    on_empty: Instead,
    on_error: Instead,
    returns: DataType,
    span: Span,
}

impl ExprBinder<'_, '_, '_> {
    /// A call with clauses, or a path that is strict; `None` where it has neither.
    pub(crate) fn bind_json_clauses(
        &mut self,
        call: &ast::Function,
        name: &str,
        span: Span,
    ) -> Option<Bind<Expr>> {
        let function = match name {
            "json_value" => Function::JsonValue,
            "json_query" => Function::JsonQuery,
            "json_exists" => Function::JsonExists,
            _ => return None,
        };
        let FunctionArguments::List(list) = &call.args else { return None };
        let mut arguments = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else { return None };
            arguments.push(expr);
        }
        let is_clause = |expr: &&ast::Expr| matches!(expr, ast::Expr::Identifier(word) if word.quote_style == Some(CLAUSE_QUOTE));
        let is_strict = |expr: &&ast::Expr| strict_path(expr).is_some();
        if !arguments.iter().any(is_clause) && !arguments.get(1).is_some_and(is_strict) {
            return None;
        }
        let [text, path, clauses @ ..] = arguments.as_slice() else { return None };
        if is_clause(text) || is_clause(path) {
            return None;
        }
        Some(self.json_call(function, [text, path], clauses, &list.clauses, span))
    }

    fn json_call(
        &mut self,
        function: Function,
        [text, path]: [&ast::Expr; 2],
        clauses: &[&ast::Expr],
        returning: &[ast::FunctionArgumentClause],
        span: Span,
    ) -> Bind<Expr> {
        let name = function.name();
        let returns = self.json_type(function, returning, span)?;
        let bound = self.bind_flexible(text)?;
        let text = self.adapt(bound, &DataType::Varchar, name)?;
        let bound = self.bind_flexible(path)?;
        let place = bound.expr.span;
        let mut path_expr = self.adapt(bound, &DataType::Varchar, name)?;
        let strict = strict_path(path);
        if let Some(lax) = strict {
            path_expr = constant(Scalar::Varchar(lax.to_owned()), place);
        }
        let mut call = Call {
            function,
            text,
            path: path_expr,
            is_strict: strict.is_some(),
            wrapper: Wrapper::None,
            on_empty: Instead::Unsaid,
            // In the standard, NULL is what there is in place of an error where nothing is said.
            on_error: if strict.is_some() { Instead::Null } else { Instead::Unsaid },
            returns,
            span,
        };
        self.laziness += 1;
        let read = self.json_instead(&mut call, clauses);
        self.laziness -= 1;
        read?;
        let chosen = match function {
            Function::JsonExists => self.json_exists(&call),
            _ => self.json_found_value(&call),
        };
        chosen.and_then(|expr| self.finish(expr))
    }

    /// The type behind `RETURNING`.
    fn json_type(
        &mut self,
        function: Function,
        clauses: &[ast::FunctionArgumentClause],
        span: Span,
    ) -> Bind<DataType> {
        let returned = clauses.iter().find_map(|clause| match clause {
            ast::FunctionArgumentClause::JsonReturningClause(returning) => {
                Some(&returning.data_type)
            }
            _ => None,
        });
        let data_type = match returned {
            None => DataType::Varchar,
            Some(name) => self.named_type(name, span)?.data_type,
        };
        if function != Function::JsonValue && data_type != DataType::Varchar {
            let at = self.session.place(&["RETURNING"], span);
            let message = format!(
                "{} gives {}, not {data_type}",
                function.name(),
                match function {
                    Function::JsonQuery => "JSON as VARCHAR",
                    _ => "BOOLEAN",
                }
            );
            return self.session.fail_with(
                at,
                message,
                "JSON_VALUE(… RETURNING type) gives a value of a type",
            );
        }
        Ok(data_type)
    }

    /// Reads the clauses.
    fn json_instead(&mut self, call: &mut Call, clauses: &[&ast::Expr]) -> Bind<()> {
        let mut rest = clauses.iter();
        while let Some(&clause) = rest.next() {
            let ast::Expr::Identifier(word) = clause else {
                let message = format!("{} takes a text, a path and clauses", call.function.name());
                return self.session.fail(call.span, message);
            };
            let place = self.session.span(word.span);
            let words = word.value.as_str();
            let text =
                |text: &str| Instead::Value(constant(Scalar::Varchar(text.to_owned()), place));
            let truth = |truth: bool| Instead::Value(constant(Scalar::Boolean(truth), place));
            let is_query = call.function == Function::JsonQuery;
            let instead = match (words, call.function) {
                ("WITHOUT WRAPPER", Function::JsonQuery) => continue,
                ("WITH CONDITIONAL WRAPPER", Function::JsonQuery) => {
                    call.wrapper = Wrapper::AroundScalars;
                    continue;
                }
                ("WITH WRAPPER", Function::JsonQuery) => {
                    call.wrapper = Wrapper::AroundAll;
                    continue;
                }
                ("ERROR ON ERROR", _) => Instead::Error,
                ("TRUE ON ERROR", Function::JsonExists) => truth(true),
                ("FALSE ON ERROR", Function::JsonExists) => truth(false),
                ("UNKNOWN ON ERROR", Function::JsonExists) => Instead::Null,
                ("NULL ON EMPTY" | "NULL ON ERROR", Function::JsonValue | Function::JsonQuery) => {
                    Instead::Null
                }
                ("ERROR ON EMPTY", Function::JsonValue | Function::JsonQuery) => Instead::Error,
                (
                    "EMPTY ON EMPTY"
                    | "EMPTY ON ERROR"
                    | "EMPTY ARRAY ON EMPTY"
                    | "EMPTY ARRAY ON ERROR",
                    _,
                ) if is_query => text("[]"),
                ("EMPTY OBJECT ON EMPTY" | "EMPTY OBJECT ON ERROR", _) if is_query => text("{}"),
                (DEFAULT_ON_EMPTY | DEFAULT_ON_ERROR, Function::JsonValue) => {
                    let Some(&value) = rest.next() else { continue };
                    let bound = self.bind_flexible(value)?;
                    Instead::Value(match bound.flex {
                        Flex::Null => constant(Scalar::Null(call.returns.clone()), place),
                        _ => self.cast(bound.expr, &call.returns, false)?,
                    })
                }
                _ => {
                    let message = format!("not supported: {words} of {}", call.function.name());
                    let hint = match call.function {
                        Function::JsonValue => {
                            "there are NULL, ERROR and DEFAULT value ON EMPTY and ON ERROR"
                        }
                        Function::JsonQuery => {
                            "there are NULL, ERROR, EMPTY ARRAY and EMPTY OBJECT ON EMPTY and ON ERROR, WITH [CONDITIONAL] WRAPPER"
                        }
                        _ => "there are TRUE, FALSE, UNKNOWN and ERROR ON ERROR",
                    };
                    return self.session.fail_with(place, message, hint);
                }
            };
            match words.ends_with("EMPTY") {
                true => call.on_empty = instead,
                false => call.on_error = instead,
            }
        }
        if call.is_strict {
            call.on_empty = call.on_error.clone();
        }
        Ok(())
    }

    /// What is at the path: `INVALID` text, `EMPTY`, a `NULL`, a `SCALAR` or `ITEMS`; NULL where an argument is. A
    /// record with what the clauses call an error is bad.
    fn json_found(&mut self, call: &Call) -> Bind<Expr> {
        let mut fails = Vec::new();
        if matches!(call.on_empty, Instead::Error) {
            fails.push("EMPTY");
        }
        match call.on_error {
            Instead::Unsaid => fails.push("INVALID"),
            Instead::Error => {
                fails.push("INVALID");
                match (call.function, call.wrapper) {
                    (Function::JsonValue, _) => fails.push("ITEMS"),
                    (Function::JsonQuery, Wrapper::None) => fails.extend(["SCALAR", "NULL"]),
                    _ => {}
                }
            }
            Instead::Null | Instead::Value(_) => {}
        }
        let fails = constant(Scalar::Varchar(fails.join(" ")), call.span);
        let arguments = vec![call.text.clone(), call.path.clone(), fails];
        self.call(Function::JsonFound, arguments, DataType::Varchar, call.span)
    }

    fn json_exists(&mut self, call: &Call) -> Bind<Expr> {
        let found = self.json_found(call)?;
        let is_there = compared(&found, BinaryOp::NotEqual, "EMPTY", call.span);
        let is_invalid = compared(&found, BinaryOp::Equal, "INVALID", call.span);
        let mut branches = Vec::new();
        match &call.on_error {
            Instead::Value(value) => branches.push((is_invalid, value.clone())),
            Instead::Null => {
                branches.push((is_invalid, constant(Scalar::Null(DataType::Boolean), call.span)))
            }
            Instead::Unsaid | Instead::Error => return Ok(is_there),
        }
        // In a strict path what is missing is an error, too.
        if call.is_strict
            && let Instead::Value(value) = &call.on_error
        {
            let is_empty = compared(&found, BinaryOp::Equal, "EMPTY", call.span);
            branches.push((is_empty, value.clone()));
        }
        Ok(case(branches, Some(is_there), DataType::Boolean, call.span))
    }

    fn json_found_value(&mut self, call: &Call) -> Bind<Expr> {
        let (span, returns) = (call.span, &call.returns);
        let found = self.json_found(call)?;
        let null = constant(Scalar::Null(returns.clone()), span);
        let instead = |instead: &Instead| match instead {
            Instead::Value(value) => value.clone(),
            _ => null.clone(),
        };
        let is = |what: &str| compared(&found, BinaryOp::Equal, what, span);
        let (empty, error) = (instead(&call.on_empty), instead(&call.on_error));
        let arguments = vec![call.text.clone(), call.path.clone()];
        let mut branches = Vec::new();
        self.laziness += 1;
        let value = match call.function {
            Function::JsonValue => self
                .call(Function::JsonValue, arguments, DataType::Varchar, span)
                .and_then(|value| {
                    let is_try = matches!(call.on_error, Instead::Null | Instead::Value(_));
                    let value = self.cast(value, returns, is_try)?;
                    match (&call.on_error, *returns == DataType::Varchar) {
                        // What cannot be cast is an error as well.
                        (Instead::Value(error), false) => {
                            let operand = Box::new(value.clone());
                            let kind = ExprKind::Unary { op: UnaryOp::IsNotNull, operand };
                            let is_cast = Expr { kind, data_type: DataType::Boolean, span };
                            let branches = vec![(is_cast, value)];
                            Ok(case(branches, Some(error.clone()), returns.clone(), span))
                        }
                        _ => Ok(value),
                    }
                }),
            _ => self.call(Function::JsonAt, arguments, DataType::Varchar, span),
        };
        self.laziness -= 1;
        let value = value?;
        match call.function {
            Function::JsonValue => branches.push((is("SCALAR"), value)),
            _ => {
                let wrapped = {
                    let bracket = |text: &str| constant(Scalar::Varchar(text.to_owned()), span);
                    let parts = vec![bracket("["), value.clone(), bracket("]")];
                    let kind = ExprKind::Call { function: Function::Concat, arguments: parts };
                    Expr { kind, data_type: DataType::Varchar, span }
                };
                let items =
                    if call.wrapper == Wrapper::AroundAll { wrapped.clone() } else { value };
                branches.push((is("ITEMS"), items));
                if call.wrapper != Wrapper::None {
                    branches.push((is("SCALAR"), wrapped.clone()));
                    branches.push((is("NULL"), wrapped));
                }
            }
        }
        branches.push((is("EMPTY"), empty));
        // JSON's null is SQL's NULL, and no error.
        if call.function == Function::JsonValue {
            branches.push((is("NULL"), null.clone()));
        }
        let operand = Box::new(found);
        let kind = ExprKind::Unary { op: UnaryOp::IsNotNull, operand };
        branches.push((Expr { kind, data_type: DataType::Boolean, span }, error));
        Ok(case(branches, None, returns.clone(), span))
    }
}

/// The path behind `strict`, of a literal.
fn strict_path(path: &ast::Expr) -> Option<&str> {
    let ast::Expr::Value(value) = path else { return None };
    let ast::Value::SingleQuotedString(text) = &value.value else { return None };
    text.trim_start().strip_prefix("strict ").map(str::trim)
}

fn compared(found: &Expr, op: BinaryOp, what: &str, span: Span) -> Expr {
    let left = Box::new(found.clone());
    let right = Box::new(constant(Scalar::Varchar(what.to_owned()), span));
    Expr { kind: ExprKind::Binary { op, left, right }, data_type: DataType::Boolean, span }
}

fn case(
    branches: Vec<(Expr, Expr)>,
    otherwise: Option<Expr>,
    data_type: DataType,
    span: Span,
) -> Expr {
    let kind = ExprKind::Case { branches, otherwise: otherwise.map(Box::new) };
    Expr { kind, data_type, span }
}
