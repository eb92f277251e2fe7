//! The compiled form of an expression and how it is evaluated over rows.
//!
//! Strict operations (all operands are always evaluated) are a [`Kernel`] over their arguments;
//! those that choose which rows evaluate what are in [`crate::lazy`].

use arrow_array::{Array, ArrayRef};
use smallvec::SmallVec;
use tidemill_record::DataType;

use crate::lazy::Lazy;
use crate::value::{Failure, Rows, Value};

/// The body of a strict operation: its operands for some rows to one value for each of them.
type KernelBody = dyn Fn(&[Value], usize) -> Result<ArrayRef, Failure> + Send + Sync;

/// A strict operation with everything constant about it prepared.
///
/// The body gets the operands and a row count, and yields an array of that many values. Not all
/// operands are scalars, unless it is computed for each row: where they would be, they arrive as columns of one row.
pub(crate) struct Kernel {
    /// Whether some operand values make a row fail.
    is_fallible: bool,
    /// It is computed for each row by itself, also where its operands are the same for all.
    is_for_each_row: bool,
    body: Box<KernelBody>,
}

impl Kernel {
    /// An operation that succeeds on all rows.
    pub(crate) fn total(
        body: impl Fn(&[Value], usize) -> Result<ArrayRef, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { is_fallible: false, is_for_each_row: false, body: Box::new(body) }
    }

    /// An operation that some rows may fail.
    pub(crate) fn partial(
        body: impl Fn(&[Value], usize) -> Result<ArrayRef, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { is_fallible: true, is_for_each_row: false, body: Box::new(body) }
    }

    /// Runs the body; see the type for what it is given and yields.
    pub(crate) fn run(&self, values: &[Value], row_count: usize) -> Result<ArrayRef, Failure> {
        (self.body)(values, row_count)
    }

    /// The same operation, whose operands are never taken together for being the same for all rows.
    pub(crate) fn for_each_row(self) -> Self {
        Self { is_for_each_row: true, ..self }
    }

    /// The same operation, with a closer judgement on whether rows may fail.
    pub(crate) fn with_fallible(self, is_fallible: bool) -> Self {
        Self { is_fallible, ..self }
    }
}

/// What a node does.
pub(crate) enum NodeKind {
    /// An input column.
    Column(usize),
    /// A constant.
    Constant(Value),
    /// A strict operation.
    Apply { kernel: Kernel, arguments: Vec<Node> },
    /// An operation that evaluates some operands on some rows only.
    Lazy(Lazy),
}

/// A compiled expression. Evaluating it yields an array of exactly `data_type.arrow()`.
pub(crate) struct Node {
    kind: NodeKind,
    data_type: DataType,
    /// Whether evaluation can fail for a row.
    is_fallible: bool,
    /// The input columns read below, ascending, without repeats.
    columns: Vec<usize>,
}

impl Node {
    /// An input column.
    pub(crate) fn column(index: usize, data_type: DataType) -> Self {
        Self { kind: NodeKind::Column(index), data_type, is_fallible: false, columns: vec![index] }
    }

    /// A constant; `array` holds the one value.
    pub(crate) fn constant(array: ArrayRef, data_type: DataType) -> Self {
        let kind = NodeKind::Constant(Value::scalar(array));
        Self { kind, data_type, is_fallible: false, columns: Vec::new() }
    }

    /// A strict operation over arguments.
    pub(crate) fn apply(kernel: Kernel, arguments: Vec<Self>, data_type: DataType) -> Self {
        let is_fallible = kernel.is_fallible || arguments.iter().any(Self::is_fallible);
        let columns = union_of_columns(arguments.iter());
        Self { kind: NodeKind::Apply { kernel, arguments }, data_type, is_fallible, columns }
    }

    /// A lazy operation.
    pub(crate) fn lazy(lazy: Lazy, data_type: DataType) -> Self {
        let operands = lazy.operands();
        let is_fallible = operands.iter().any(|operand| operand.is_fallible);
        let columns = union_of_columns(operands.into_iter());
        Self { kind: NodeKind::Lazy(lazy), data_type, is_fallible, columns }
    }

    /// The type of the result.
    pub(crate) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// Whether evaluation can fail for a row.
    pub(crate) fn is_fallible(&self) -> bool {
        self.is_fallible
    }

    /// The input columns this node reads.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The constant this node is, if it is one.
    pub(crate) fn as_constant(&self) -> Option<&ArrayRef> {
        match &self.kind {
            NodeKind::Constant(value) => Some(value.array()),
            _ => None,
        }
    }

    /// Evaluates over rows.
    ///
    /// # Errors
    /// [`Failure`] if any of the rows fails.
    pub(crate) fn evaluate(&self, rows: &Rows<'_>) -> Result<Value, Failure> {
        match &self.kind {
            NodeKind::Column(index) => Ok(Value::column(rows.column(*index).clone())),
            NodeKind::Constant(value) => Ok(value.clone()),
            NodeKind::Lazy(lazy) => lazy.evaluate(rows).map_err(Failure::somewhere),
            NodeKind::Apply { kernel, arguments } => {
                let mut values: SmallVec<[Value; 4]> = SmallVec::new();
                for argument in arguments {
                    values.push(argument.evaluate(rows)?);
                }
                let are_scalar = !values.is_empty() && values.iter().all(Value::is_scalar);
                if are_scalar && !kernel.is_for_each_row {
                    let single: Vec<Value> =
                        values.into_iter().map(|v| Value::column(v.array().clone())).collect();
                    let array = kernel.run(&single, 1).map_err(Failure::somewhere)?;
                    return Ok(Value::scalar(array));
                }
                let array = kernel.run(&values, rows.row_count())?;
                debug_assert_eq!(array.len(), rows.row_count(), "one value a row");
                Ok(Value::column(array))
            }
        }
    }
}

fn union_of_columns<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<usize> {
    let mut columns: Vec<usize> = nodes.flat_map(|node| node.columns.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
