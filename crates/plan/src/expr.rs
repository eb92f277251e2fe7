//! What one row yields: typed expressions over the columns of a batch.

use std::fmt;
use std::sync::Arc;

use tidemill_record::DataType;

use crate::{Function, Scalar, Span, UserFunction, Volatility};

/// A typed expression. The binder has already inserted every cast: the operands of a binary
/// operator, the branches of a `CASE` and the arguments of a function have the types they need.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What is computed.
    pub kind: ExprKind,
    /// The type of the result.
    pub data_type: DataType,
    /// Where it stands in the SQL text; empty for what the planner made up.
    pub span: Span,
}

/// The forms an expression takes. Depth is bounded by the binder; `And` and `Or` are flat.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A column of the input batch, by index.
    Column {
        /// Index into the batch's columns.
        index: usize,
        /// Its name, for messages and `EXPLAIN`.
        name: String,
    },
    /// A constant.
    Literal(Scalar),
    /// One operand.
    Unary {
        /// What to do.
        op: UnaryOp,
        /// To what.
        operand: Box<Expr>,
    },
    /// Two operands of one type (temporal arithmetic excepted: see [`BinaryOp`]).
    Binary {
        /// What to do.
        op: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// Kleene conjunction of two or more terms. A row that an earlier term makes FALSE never
    /// evaluates a later one.
    And(Vec<Expr>),
    /// Kleene disjunction of two or more terms. A row that an earlier term makes TRUE never
    /// evaluates a later one.
    Or(Vec<Expr>),
    /// Conversion to the expression's `data_type`.
    Cast {
        /// What is converted.
        operand: Box<Expr>,
        /// `TRY_CAST`: NULL instead of a bad record.
        is_try: bool,
    },
    /// The value of the expression's `data_type` that a text within a record stands for, as a decoder reads a field: where a
    /// cast would round, cut or pass over something the record is bad.
    Read {
        /// The text.
        operand: Box<Expr>,
        /// Whether nobody declared the type, so that what the type loses of the writing makes the record bad, too.
        is_inferred: bool,
    },
    /// The first branch whose condition is TRUE. A row evaluates only the branch it takes.
    Case {
        /// Condition and result, in order.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`; NULL where absent.
        otherwise: Option<Box<Expr>>,
    },
    /// `operand [NOT] IN (constants)`, with SQL's NULL logic. All of the operand's type.
    InList {
        /// What is looked for.
        operand: Box<Expr>,
        /// Among these; may hold NULL.
        list: Vec<Scalar>,
        /// `NOT IN`.
        is_negated: bool,
    },
    /// `operand [NOT] [I]LIKE pattern`.
    Like {
        /// The text.
        operand: Box<Expr>,
        /// The pattern: `%` any run, `_` any character.
        pattern: Box<Expr>,
        /// `NOT LIKE`.
        is_negated: bool,
        /// `ILIKE`.
        is_case_insensitive: bool,
        /// `ESCAPE` character; `None` means that none was declared, and then nothing escapes.
        escape: Option<char>,
    },
    /// A built-in function.
    Call {
        /// Which.
        function: Function,
        /// Arguments, cast to what the function takes.
        arguments: Vec<Expr>,
    },
    /// A function that the embedding program registered.
    CallUser {
        /// Which.
        function: Arc<UserFunction>,
        /// Which of its signatures.
        signature: usize,
        /// Arguments, cast to the types of that signature.
        arguments: Vec<Expr>,
    },
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-x`; overflow makes the record bad.
    Negate,
    /// `NOT x`
    Not,
    /// `x IS NULL`
    IsNull,
    /// `x IS NOT NULL`
    IsNotNull,
    /// `x IS TRUE`
    IsTrue,
    /// `x IS NOT TRUE`
    IsNotTrue,
    /// `x IS FALSE`
    IsFalse,
    /// `x IS NOT FALSE`
    IsNotFalse,
}

/// Operators of two operands.
///
/// Arithmetic works on two operands of the result's type, except: `TIMESTAMP ± INTERVAL`,
/// `DATE ± INTERVAL` (a `TIMESTAMP`: the binder casts the date), `TIMESTAMP - TIMESTAMP` (an
/// `INTERVAL` in nanoseconds), `INTERVAL ± INTERVAL`, and decimals, whose operands keep their own
/// scales. Comparisons work on two operands of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`; integer overflow makes the record bad.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; integer division truncates, and by zero makes the record bad.
    Divide,
    /// `%`
    Modulo,
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IS DISTINCT FROM`
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`
    IsNotDistinctFrom,
}

impl BinaryOp {
    /// The comparison that says the same with its sides exchanged; `None` for other operators.
    #[must_use]
    pub fn mirrored(self) -> Option<Self> {
        Some(match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
            _ => return None,
        })
    }

    /// How the dialect spells it.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::IsDistinctFrom => "IS DISTINCT FROM",
            Self::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
        }
    }

    /// Whether the result is a truth value.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        !matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo)
    }
}

impl Expr {
    /// A reference to an input column.
    #[must_use]
    pub fn column(index: usize, name: impl Into<String>, data_type: DataType) -> Self {
        let kind = ExprKind::Column { index, name: name.into() };
        Self { kind, data_type, span: Span::default() }
    }

    /// A constant.
    #[must_use]
    pub fn literal(value: Scalar) -> Self {
        let data_type = value.data_type();
        Self { kind: ExprKind::Literal(value), data_type, span: Span::default() }
    }

    /// The expressions directly below this one, left to right.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Column { .. } | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Unary { operand, .. }
            | ExprKind::Cast { operand, .. }
            | ExprKind::Read { operand, .. }
            | ExprKind::InList { operand, .. } => vec![operand],
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::Like { operand, pattern, .. } => vec![operand, pattern],
            ExprKind::And(terms) | ExprKind::Or(terms) => terms.iter().collect(),
            ExprKind::Call { arguments, .. } | ExprKind::CallUser { arguments, .. } => {
                arguments.iter().collect()
            }
            ExprKind::Case { branches, otherwise } => {
                let mut children: Vec<&Self> = branches.iter().flat_map(|(c, r)| [c, r]).collect();
                children.extend(otherwise.as_deref());
                children
            }
        }
    }

    /// The same, to change in place.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.kind {
            ExprKind::Column { .. } | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Unary { operand, .. }
            | ExprKind::Cast { operand, .. }
            | ExprKind::Read { operand, .. }
            | ExprKind::InList { operand, .. } => vec![operand],
            ExprKind::Binary { left, right, .. } => vec![left, right],
            ExprKind::Like { operand, pattern, .. } => vec![operand, pattern],
            ExprKind::And(terms) | ExprKind::Or(terms) => terms.iter_mut().collect(),
            ExprKind::Call { arguments, .. } | ExprKind::CallUser { arguments, .. } => {
                arguments.iter_mut().collect()
            }
            ExprKind::Case { branches, otherwise } => {
                let mut children: Vec<&mut Self> =
                    branches.iter_mut().flat_map(|(c, r)| [c, r]).collect();
                children.extend(otherwise.as_deref_mut());
                children
            }
        }
    }

    /// Whether it has a value for every row, so that no record is bad because of it: columns and constants
    /// that are compared, looked for in lists and joined by `AND`, `OR` and `NOT`. What is not sure is none.
    #[must_use]
    pub fn is_total(&self) -> bool {
        let is_sure = match &self.kind {
            ExprKind::Column { .. }
            | ExprKind::Literal(_)
            | ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Case { .. }
            | ExprKind::InList { .. } => true,
            ExprKind::Unary { op, .. } => *op != UnaryOp::Negate,
            ExprKind::Binary { op, .. } => op.is_comparison(),
            ExprKind::Like { pattern, .. } => matches!(pattern.kind, ExprKind::Literal(_)),
            ExprKind::Cast { operand, .. } => {
                operand.data_type.is_integer()
                    && matches!(self.data_type, DataType::BigInt | DataType::Double)
            }
            ExprKind::Read { .. } | ExprKind::Call { .. } | ExprKind::CallUser { .. } => false,
        };
        is_sure && self.children().into_iter().all(Self::is_total)
    }

    /// Whether a function is called somewhere in it whose result depends on more than its arguments and the job.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        matches!(&self.kind, ExprKind::CallUser { function, .. } if function.volatility == Volatility::Volatile)
            || self.children().into_iter().any(Self::is_volatile)
    }

    /// Whether a function of the embedding program is called somewhere in it.
    #[must_use]
    pub fn calls_user_function(&self) -> bool {
        matches!(self.kind, ExprKind::CallUser { .. })
            || self.children().into_iter().any(Self::calls_user_function)
    }

    /// Calls `visit` with the index of every column this expression reads; repeats are possible.
    pub fn for_each_column(&self, visit: &mut impl FnMut(usize)) {
        if let ExprKind::Column { index, .. } = &self.kind {
            visit(*index);
        }
        for child in self.children() {
            child.for_each_column(visit);
        }
    }

    /// Replaces every column index by what `map` gives for it.
    pub fn remap_columns(&mut self, map: &impl Fn(usize) -> usize) {
        if let ExprKind::Column { index, .. } = &mut self.kind {
            *index = map(*index);
        }
        for child in self.children_mut() {
            child.remap_columns(map);
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Column { name, .. } => f.write_str(name),
            ExprKind::Literal(value) => write!(f, "{value}"),
            ExprKind::Unary { op, operand } => match op {
                UnaryOp::Negate => write!(f, "-{operand}"),
                UnaryOp::Not => write!(f, "NOT {operand}"),
                UnaryOp::IsNull => write!(f, "{operand} IS NULL"),
                UnaryOp::IsNotNull => write!(f, "{operand} IS NOT NULL"),
                UnaryOp::IsTrue => write!(f, "{operand} IS TRUE"),
                UnaryOp::IsNotTrue => write!(f, "{operand} IS NOT TRUE"),
                UnaryOp::IsFalse => write!(f, "{operand} IS FALSE"),
                UnaryOp::IsNotFalse => write!(f, "{operand} IS NOT FALSE"),
            },
            ExprKind::Binary { op, left, right } => write!(f, "({left} {} {right})", op.symbol()),
            ExprKind::And(terms) => write_joined(f, "(", terms, " AND "),
            ExprKind::Or(terms) => write_joined(f, "(", terms, " OR "),
            ExprKind::Cast { operand, is_try } => {
                let name = if *is_try { "TRY_CAST" } else { "CAST" };
                write!(f, "{name}({operand} AS {})", self.data_type)
            }
            ExprKind::Read { operand, .. } => write!(f, "CAST({operand} AS {})", self.data_type),
            ExprKind::Case { branches, otherwise } => {
                f.write_str("CASE")?;
                for (condition, result) in branches {
                    write!(f, " WHEN {condition} THEN {result}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {otherwise}")?;
                }
                f.write_str(" END")
            }
            ExprKind::InList { operand, list, is_negated } => {
                const SHOWN: usize = 8;
                write!(f, "{operand} {}IN (", if *is_negated { "NOT " } else { "" })?;
                for (i, value) in list.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{value}", if i == 0 { "" } else { ", " })?;
                }
                if list.len() > SHOWN {
                    write!(f, ", … {} more", list.len() - SHOWN)?;
                }
                f.write_str(")")
            }
            ExprKind::Like { operand, pattern, is_negated, is_case_insensitive, escape } => {
                let not = if *is_negated { "NOT " } else { "" };
                let like = if *is_case_insensitive { "ILIKE" } else { "LIKE" };
                write!(f, "({operand} {not}{like} {pattern}")?;
                if let Some(escape) = escape {
                    write!(f, " ESCAPE '{escape}'")?;
                }
                f.write_str(")")
            }
            ExprKind::Call { function, arguments } => {
                let name = function.name();
                if !name.starts_with(|c: char| c.is_alphabetic()) {
                    return match arguments.as_slice() {
                        [operand] => write!(f, "{name}{operand}"),
                        operands => write_joined(f, "(", operands, &format!(" {name} ")),
                    };
                }
                f.write_str(name)?;
                write_joined(f, "(", arguments, ", ")
            }
            ExprKind::CallUser { function, arguments, .. } => {
                f.write_str(&function.name)?;
                write_joined(f, "(", arguments, ", ")
            }
        }
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: &[Expr],
    separator: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { separator })?;
    }
    f.write_str(")")
}
