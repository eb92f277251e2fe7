//! The built-in functions, by what they work on.
//!
//! Each file compiles the functions of its subject over arguments of the types they work with;
//! [`compile`] brings arguments to those types and the result to the type the plan states.

mod extremes;
mod fit;
mod json;
mod json_text;
mod math;
mod regexp;
mod round;
mod strftime;
mod string;
mod substring;
mod text_output;
mod time;
mod time_unit;

use tidemill_plan::{BinaryOp, Expr, Function, Scalar};
use tidemill_record::DataType;

use crate::compile::{apply, argument, types};
use crate::lazy::Lazy;
use crate::node::{Kernel, Node};
use crate::{Context, ExprError, arithmetic, cast, constant, hash};

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
            let arguments = arguments
                .into_iter()
                .enumerate()
                .map(|(at, node)| widen(function, at, node))
                .collect::<Vec<_>>();
            let (kernel, data_type) = kernel(expr, function, &arguments)
                .map_err(|problem| refuse(expr, &arguments, problem))?;
            Node::apply(kernel, arguments, data_type)
        }
    };
    convert(expr, node)
}

fn kernel(expr: &Expr, function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::Upper
        | Function::Lower
        | Function::Trim
        | Function::Ltrim
        | Function::Rtrim
        | Function::Length
        | Function::Concat
        | Function::ConcatOperator
        | Function::Replace
        | Function::Position
        | Function::StartsWith => string::kernel(function, arguments),
        Function::Substring
        | Function::SplitPart
        | Function::Left
        | Function::Right
        | Function::Lpad
        | Function::Rpad => substring::kernel(function, arguments),
        Function::RegexpLike => regexp::like(arguments),
        Function::RegexpReplace => regexp::replace(arguments),
        Function::Abs
        | Function::Sign
        | Function::Power
        | Function::Sqrt
        | Function::Ln
        | Function::Log10
        | Function::Exp => math::kernel(function, arguments),
        Function::Round | Function::Floor | Function::Ceil => {
            round::kernel(function, arguments, &expr.data_type)
        }
        Function::Greatest => extremes::extreme(arguments, true),
        Function::Least => extremes::extreme(arguments, false),
        Function::NullIf => extremes::null_if(arguments),
        Function::DateTrunc => time::date_trunc(arguments),
        Function::DatePart => time::date_part(arguments),
        Function::ToTimestamp => time::to_timestamp(arguments),
        Function::DateFormat => strftime::date_format(arguments),
        Function::RoundTime => fit::round_time(arguments),
        Function::Fits => fit::fits(expr, arguments),
        Function::JsonValue => json::json_value(arguments),
        Function::Md5 => {
            let [text] = arguments else { return Err(Problem::Types) };
            let kernel = hash::md5(text.data_type()).ok_or(Problem::Types)?;
            Ok((kernel, DataType::Varchar))
        }
        Function::Hash => {
            let kernel = hash::hash(arguments).filter(|_| !arguments.is_empty());
            Ok((kernel.ok_or(Problem::Types)?, DataType::BigInt))
        }
        Function::Now | Function::Coalesce | Function::Mod => Err(Problem::Types),
    }
}

/// Brings an argument to the type its function works with: `DOUBLE` where it computes in that, and
/// `BIGINT` for integers that only count.
fn widen(function: Function, at: usize, node: Node) -> Node {
    let given = node.data_type();
    let wanted = match function {
        Function::Power | Function::Sqrt | Function::Ln | Function::Log10 | Function::Exp
            if given.is_numeric() =>
        {
            DataType::Double
        }
        Function::Round if at == 0 => return node,
        Function::Abs
        | Function::Floor
        | Function::Ceil
        | Function::Greatest
        | Function::Least
        | Function::NullIf
        | Function::Hash => return node,
        _ if given.is_integer() => DataType::BigInt,
        _ => return node,
    };
    match cast::kernel(given, &wanted, false).filter(|_| *given != wanted) {
        Some(kernel) => Node::apply(kernel, vec![node], wanted),
        None => node,
    }
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
