//! From the plan's expressions to kernels.

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::new_null_array;
use tidemill_plan::{BinaryOp, Expr, ExprKind, UnaryOp};
use tidemill_record::DataType;

use crate::lazy::Lazy;
use crate::node::{Kernel, Node};
use crate::{
    Context, ExprError, arithmetic, boolean, cast, comparison, constant, function, in_list, like,
    user,
};

/// Whether an expression can be compiled, and so whether a run with it can begin.
///
/// # Errors
/// [`ExprError`] for constants no row could use, and types the operations do not take.
pub fn check(expr: &Expr, context: &Context) -> Result<(), ExprError> {
    compile(expr, context).map(drop)
}

/// Compiles an expression. Recursion is as deep as the expression, which the binder bounds.
///
/// # Errors
/// [`ExprError`] for constants no row could use, and types the operations do not take.
pub(crate) fn compile(expr: &Expr, context: &Context) -> Result<Node, ExprError> {
    let node = match &expr.kind {
        ExprKind::Column { index, .. } => Node::column(*index, expr.data_type.clone()),
        ExprKind::Literal(value) => {
            let array = constant::array_of(value)
                .map_err(|reason| ExprError::Argument { expression: expr.to_string(), reason })?;
            Node::constant(array, value.data_type())
        }
        ExprKind::Unary { op, operand } => {
            let operand = compile(operand, context)?;
            let kernel = unary(*op, operand.data_type());
            apply(expr, kernel, vec![operand])?
        }
        ExprKind::Binary { op, left, right } => {
            let (left, right) = (compile(left, context)?, compile(right, context)?);
            let kernel = binary(*op, &left, &right, &expr.data_type);
            apply(expr, kernel, vec![left, right])?
        }
        ExprKind::And(terms) => connective(expr, terms, context, Lazy::And)?,
        ExprKind::Or(terms) => connective(expr, terms, context, Lazy::Or)?,
        ExprKind::Cast { operand, is_try } => {
            let operand = compile(operand, context)?;
            if *operand.data_type() == expr.data_type {
                return Ok(operand);
            }
            let kernel = cast::kernel(operand.data_type(), &expr.data_type, *is_try);
            apply(expr, kernel, vec![operand])?
        }
        ExprKind::Read { operand, is_inferred } => {
            let operand = compile(operand, context)?;
            if *operand.data_type() == expr.data_type {
                return Ok(operand);
            }
            let kernel = (*operand.data_type() == DataType::Varchar)
                .then(|| cast::field::kernel(&expr.data_type, *is_inferred))
                .flatten();
            apply(expr, kernel, vec![operand])?
        }
        ExprKind::Case { branches, otherwise } => {
            case(expr, branches, otherwise.as_deref(), context)?
        }
        ExprKind::InList { operand, list, is_negated } => {
            let operand = compile(operand, context)?;
            let kernel = in_list::kernel(operand.data_type(), list, *is_negated);
            apply(expr, kernel, vec![operand])?
        }
        ExprKind::Like { operand, pattern, is_negated, is_case_insensitive, escape } => {
            let style = like::Style {
                is_negated: *is_negated,
                is_case_insensitive: *is_case_insensitive,
                escape: *escape,
            };
            let arguments = vec![compile(operand, context)?, compile(pattern, context)?];
            let are_texts = arguments.iter().all(|node| *node.data_type() == DataType::Varchar);
            let kernel = are_texts
                .then(|| like::kernel(&arguments[1], style))
                .transpose()
                .map_err(|reason| argument(expr, reason))?;
            apply(expr, kernel, arguments)?
        }
        ExprKind::Call { function, arguments } => {
            function::compile(expr, *function, compile_all(arguments, context)?, context)?
        }
        ExprKind::CallUser { function, signature, arguments } => {
            let arguments = compile_all(arguments, context)?;
            let given = arguments.iter().map(Node::data_type);
            let meant = function.signatures.get(*signature).filter(|meant| {
                given.eq(&meant.argument_types) && meant.return_type == expr.data_type
            });
            let kernel = meant.map(|_| user::kernel(Arc::clone(function), *signature));
            apply(expr, kernel, arguments)?
        }
    };
    if *node.data_type() == expr.data_type {
        return Ok(node);
    }
    Err(types(expr, format!("it is {}, not {}", node.data_type(), expr.data_type)))
}

/// An expression whose types do not fit; the binder lets none such through.
pub(crate) fn types(expr: &Expr, reason: impl Display) -> ExprError {
    ExprError::Types { expression: expr.to_string(), reason: reason.to_string() }
}

/// A constant argument no row could use.
pub(crate) fn argument(expr: &Expr, reason: impl Display) -> ExprError {
    ExprError::Argument { expression: expr.to_string(), reason: reason.to_string() }
}

/// A strict operation over arguments, or the error that there is none for their types.
pub(crate) fn apply(
    expr: &Expr,
    kernel: Option<Kernel>,
    arguments: Vec<Node>,
) -> Result<Node, ExprError> {
    match kernel {
        Some(kernel) => Ok(Node::apply(kernel, arguments, expr.data_type.clone())),
        None => {
            let given: Vec<String> =
                arguments.iter().map(|argument| argument.data_type().to_string()).collect();
            Err(types(expr, format!("not for {} to {}", given.join(", "), expr.data_type)))
        }
    }
}

fn compile_all(exprs: &[Expr], context: &Context) -> Result<Vec<Node>, ExprError> {
    exprs.iter().map(|expr| compile(expr, context)).collect()
}

fn case(
    expr: &Expr,
    branches: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    context: &Context,
) -> Result<Node, ExprError> {
    let compile_branch = |(condition, result): &(Expr, Expr)| {
        Ok((compile(condition, context)?, compile(result, context)?))
    };
    let branches: Vec<(Node, Node)> =
        branches.iter().map(compile_branch).collect::<Result<_, _>>()?;
    let otherwise = match otherwise {
        Some(otherwise) => compile(otherwise, context)?,
        None => {
            let null = new_null_array(&expr.data_type.arrow(), 1);
            Node::constant(null, expr.data_type.clone())
        }
    };
    if branches.iter().any(|(condition, _)| *condition.data_type() != DataType::Boolean) {
        return Err(types(expr, "every condition must be BOOLEAN"));
    }
    let is_other = |result: &Node| *result.data_type() != expr.data_type;
    if branches.iter().any(|(_, result)| is_other(result)) || is_other(&otherwise) {
        return Err(types(expr, "its results must be of one type"));
    }
    let lazy = Lazy::Case { branches, otherwise: Box::new(otherwise) };
    Ok(Node::lazy(lazy, expr.data_type.clone()))
}

fn unary(op: UnaryOp, operand: &DataType) -> Option<Kernel> {
    let is_boolean = *operand == DataType::Boolean;
    match op {
        UnaryOp::Negate => arithmetic::negation(operand),
        UnaryOp::IsNull => Some(boolean::null_test(false)),
        UnaryOp::IsNotNull => Some(boolean::null_test(true)),
        UnaryOp::Not => is_boolean.then(boolean::negation),
        UnaryOp::IsTrue => is_boolean.then(|| boolean::truth_test(true, false)),
        UnaryOp::IsNotTrue => is_boolean.then(|| boolean::truth_test(true, true)),
        UnaryOp::IsFalse => is_boolean.then(|| boolean::truth_test(false, false)),
        UnaryOp::IsNotFalse => is_boolean.then(|| boolean::truth_test(false, true)),
    }
}

fn binary(op: BinaryOp, left: &Node, right: &Node, to: &DataType) -> Option<Kernel> {
    if !op.is_comparison() {
        return arithmetic::binary(op, left, right, to);
    }
    let data_type = left.data_type();
    (data_type == right.data_type() && *to == DataType::Boolean)
        .then(|| comparison::comparison(op, data_type))
        .flatten()
}

fn connective(
    expr: &Expr,
    terms: &[Expr],
    context: &Context,
    lazy: impl Fn(Vec<Node>) -> Lazy,
) -> Result<Node, ExprError> {
    let nodes = compile_all(terms, context)?;
    if nodes.iter().any(|node| *node.data_type() != DataType::Boolean) {
        return Err(types(expr, "every term must be BOOLEAN"));
    }
    Ok(Node::lazy(lazy(nodes), DataType::Boolean))
}
