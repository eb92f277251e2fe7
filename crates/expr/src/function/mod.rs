//! The built-in functions, by what they work on.
//!
//! Each file compiles the functions of its subject over arguments of the types they work with;
//! [`compile`] brings arguments to those types and the result to the type the plan states.

mod array;
mod bits;
mod encoding;
mod extremes;
mod fit;
mod json;
mod json_path;
mod json_text;
mod lift;
mod math;
mod pattern;
mod regexp;
mod regexp_parts;
mod round;
mod search;
mod string;
mod substring;
mod time;
mod time_between;
mod time_made;
mod time_text;
mod time_unit;

pub(crate) use string::lower;
use tidemill_plan::{BinaryOp, Expr, Family, Function, Kind, Scalar, Signature};
use tidemill_record::DataType;

use crate::compile::{apply, argument, types};
use crate::lazy::Lazy;
use crate::node::{Kernel, Node};
use crate::{Context, ExprError, arithmetic, cast, constant};

/// What a file of functions yields: a kernel and the type of its result, or why there is none.
pub(crate) type Compiled = Result<(Kernel, DataType), Problem>;

/// Why a call cannot be compiled.
pub(crate) enum Problem {
    /// The function does not take these types, or not so many arguments.
    Types,
    /// A constant argument no row could use.
    Argument(String),
    /// A constant regular expression that does not parse.
    Regex(regex::Error),
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Argument(reason)
    }
}

impl From<regex::Error> for Problem {
    fn from(error: regex::Error) -> Self {
        Self::Regex(error)
    }
}

/// Compiles a call over compiled arguments.
///
/// # Errors
/// [`ExprError`] for constant arguments no row could use, and types the function does not take.
pub(crate) fn compile(
    expr: &Expr,
    function: Function,
    arguments: Vec<Node>,
    context: &Context,
) -> Result<Node, ExprError> {
    let node = match function {
        Function::Now => {
            let start = Scalar::Timestamp(context.job_start.0);
            let array = constant::array_of(&start).map_err(|reason| argument(expr, reason))?;
            Node::constant(array, DataType::Timestamp)
        }
        Function::Coalesce => {
            let Some(first) = arguments.first() else {
                return Err(types(expr, "it takes at least one argument"));
            };
            let data_type = first.data_type().clone();
            if arguments.iter().any(|node| *node.data_type() != data_type) {
                return Err(types(expr, "its arguments must be of one type"));
            }
            Node::lazy(Lazy::Coalesce(arguments), data_type)
        }
        Function::Mod => {
            let [left, right] = arguments.as_slice() else {
                return Err(types(expr, "it takes two arguments"));
            };
            let kernel = arithmetic::binary(BinaryOp::Modulo, left, right, &expr.data_type);
            apply(expr, kernel, arguments)?
        }
        _ => {
            let arguments = match fitted(function, arguments) {
                Ok(arguments) => arguments,
                Err(arguments) => return Err(refuse(expr, &arguments, Problem::Types)),
            };
            let (kernel, data_type) = kernel(expr, function, &arguments)
                .map_err(|problem| refuse(expr, &arguments, problem))?;
            Node::apply(kernel, arguments, data_type)
        }
    };
    convert(expr, node)
}

/// The kernel of a function whose arguments are as one of its signatures says.
fn kernel(expr: &Expr, function: Function, arguments: &[Node]) -> Compiled {
    match function.family() {
        Family::Text => string::kernel(function, arguments),
        Family::Search => search::kernel(function, arguments),
        Family::Part => substring::kernel(function, arguments),
        Family::Pattern => regexp::kernel(function, arguments),
        Family::Json => json::kernel(function, arguments),
        Family::Encoding => encoding::kernel(function, arguments),
        Family::Number => math::kernel(function, arguments),
        Family::Rounding => round::kernel(function, arguments, &expr.data_type),
        Family::Bits => bits::kernel(function, arguments),
        Family::Time => time::kernel(function, arguments),
        Family::TimeMade => time_made::kernel(function, arguments),
        Family::TimeBetween => time_between::kernel(function, arguments),
        Family::Array => array::kernel(function, arguments),
        Family::Choice => extremes::kernel(function, arguments),
        Family::Internal => internal(expr, function, arguments),
    }
}

fn internal(expr: &Expr, function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::ConcatOperator => string::kernel(function, arguments),
        Function::BitAnd
        | Function::BitOr
        | Function::BitNot
        | Function::ShiftLeft
        | Function::ShiftRight => bits::kernel(function, arguments),
        Function::IsJson => Ok((json::is_json(), DataType::Boolean)),
        Function::JsonFound | Function::JsonAt => json::kernel(function, arguments),
        Function::SpanTimes => time_between::kernel(function, arguments),
        Function::AddDays | Function::SubtractDays | Function::DaysBetween => {
            time_made::kernel(function, arguments)
        }
        Function::RoundTime => fit::round_time(arguments),
        Function::WindowStart => fit::window_start(arguments),
        Function::Fits => fit::fits(expr, arguments),
        _ => Err(Problem::Types),
    }
}

/// Brings arguments to what the first signature that takes them wants; gives them back where none does.
fn fitted(function: Function, arguments: Vec<Node>) -> Result<Vec<Node>, Vec<Node>> {
    let takes = |signature: &&Signature| {
        let mut kinds = arguments.iter().enumerate();
        signature.takes(arguments.len())
            && kinds.all(|(at, node)| {
                let (kind, given) = (signature.kind(at), node.data_type());
                kind.holds(given) || wider(kind, given).is_some()
            })
    };
    let Some(signature) = function.signatures().iter().find(takes) else { return Err(arguments) };
    let widen = |(at, node): (usize, Node)| match wider(signature.kind(at), node.data_type()) {
        Some((kernel, wanted)) => Node::apply(kernel, vec![node], wanted),
        None => node,
    };
    Ok(arguments.into_iter().enumerate().map(widen).collect())
}

/// What widens a value for a parameter, and to what; `None` where it is as wanted, or nothing does.
fn wider(kind: Kind, given: &DataType) -> Option<(Kernel, DataType)> {
    let wanted = match kind {
        Kind::Wide | Kind::Integer if given.is_integer() => DataType::BigInt,
        Kind::Double if given.is_numeric() => DataType::Double,
        Kind::Time if *given == DataType::Date => DataType::Timestamp,
        _ => return None,
    };
    let kernel = cast::kernel(given, &wanted, false).filter(|_| *given != wanted)?;
    Some((kernel, wanted))
}

/// The result as the plan wants it, where a function's own type is another.
fn convert(expr: &Expr, node: Node) -> Result<Node, ExprError> {
    if *node.data_type() == expr.data_type {
        return Ok(node);
    }
    let kernel = cast::kernel(node.data_type(), &expr.data_type, false);
    apply(expr, kernel, vec![node])
}

fn refuse(expr: &Expr, arguments: &[Node], problem: Problem) -> ExprError {
    match problem {
        Problem::Argument(reason) => argument(expr, reason),
        Problem::Regex(source) => ExprError::Regex { expression: expr.to_string(), source },
        Problem::Types => {
            let given: Vec<String> =
                arguments.iter().map(|node| node.data_type().to_string()).collect();
            types(expr, format!("not for arguments of {}", given.join(", ")))
        }
    }
}
