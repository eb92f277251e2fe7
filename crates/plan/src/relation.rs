//! What a query does to its input: a tree of relations, before anything is said about cores.

use std::sync::Arc;

use tidemill_record::{DataType, Field, Schema};

use crate::{
    AggregateSpec, Expr, ExprKind, Function, OverSpec, Settings, SinkDef, SourceDef, Span, TopNSpec,
};

/// A checked SQL script.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What `SET` changed, over what the caller started with.
    pub settings: Settings,
    /// Every query that writes to a sink, in script order.
    pub queries: Vec<Query>,
}

/// One query and where its results go.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Where results go.
    pub sink: SinkDef,
    /// What is computed.
    pub relation: Relation,
    /// `EXPLAIN` was asked for instead of (or, with `ANALYZE`, beside) running.
    pub explain: Explain,
    /// Indices of earlier queries of the script whose file sinks this one reads; it starts when
    /// they are complete.
    pub runs_after: Vec<usize>,
    /// Where its last `ORDER BY` or `LIMIT` stands; where it begins, if it has none.
    pub order_span: Span,
}

/// Whether a query runs, is shown, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Explain {
    /// Run it.
    #[default]
    No,
    /// `EXPLAIN`: show the plan, touch nothing.
    Plan,
    /// `EXPLAIN ANALYZE`: run it, then show the plan with what was counted.
    Analyze,
}

/// A relation: rows with a schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// Records of a source.
    Scan(Scan),
    /// Rows for which the predicate is TRUE.
    Filter {
        /// Rows to choose from.
        input: Box<Self>,
        /// `BOOLEAN`.
        predicate: Expr,
    },
    /// One row of expressions for each row.
    Project {
        /// Rows to compute from.
        input: Box<Self>,
        /// The output columns.
        columns: Vec<NamedExpr>,
    },
    /// Groups.
    Aggregate {
        /// Rows to group.
        input: Box<Self>,
        /// Keys and aggregates over the input's columns.
        spec: AggregateSpec,
        /// Names of the output columns: keys, then calls.
        names: Vec<String>,
    },
    /// Rows with analytic functions of the rows before them.
    Over {
        /// Rows to look at.
        input: Box<Self>,
        /// Partition, order and functions.
        spec: OverSpec,
        /// Names of the functions' columns.
        names: Vec<String>,
    },
    /// Rows with their number in an order of their partition, as far as that is wanted.
    TopN {
        /// Rows to choose from.
        input: Box<Self>,
        /// Partition, order and number.
        spec: TopNSpec,
        /// Name of the row number's column.
        name: String,
    },
    /// Several rows of expressions for the only row of the input.
    Transpose {
        /// One row.
        input: Box<Self>,
        /// One or more, of the same names and types.
        rows: Vec<Vec<NamedExpr>>,
    },
    /// All rows in order. Bounded input only.
    Sort {
        /// Rows to order.
        input: Box<Self>,
        /// The order, and how many to keep.
        spec: SortSpec,
    },
    /// The first rows. Bounded input only.
    Limit {
        /// Rows to choose from.
        input: Box<Self>,
        /// How many.
        spec: LimitSpec,
    },
    /// `UNION ALL`: the rows of each input, whose column types are equal.
    Union {
        /// Two or more; the first gives the names.
        inputs: Vec<Self>,
    },
}

/// Records of a source, with only the needed columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// The source.
    pub source: Arc<SourceDef>,
    /// Which of its columns, in ascending order. May be empty (`COUNT(*)`).
    pub columns: Vec<usize>,
    /// Predicate over those columns (by their place in `columns`), applied before all else.
    pub filter: Option<Expr>,
}

/// An output column.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedExpr {
    /// Its name.
    pub name: String,
    /// Its value.
    pub expr: Expr,
}

/// An order, and how much of it to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct SortSpec {
    /// Types of all input columns.
    pub input_types: Vec<DataType>,
    /// Most significant first; at least one. Rows equal in all keys keep their input order.
    pub keys: Vec<SortKey>,
    /// Leave out the first rows, keep only so many.
    pub limit: LimitSpec,
}

/// One key of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// Input column.
    pub column: usize,
    /// `DESC`
    pub is_descending: bool,
    /// `NULLS FIRST`; the dialect's default is last, whichever the direction.
    pub is_nulls_first: bool,
}

/// `LIMIT` and `OFFSET`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitSpec {
    /// Rows to leave out first.
    pub skip: u64,
    /// Rows to keep then; `None` keeps all.
    pub keep: Option<u64>,
}

impl LimitSpec {
    /// Rows of the input that can matter: `skip + keep`.
    #[must_use]
    pub fn needed(&self) -> Option<u64> {
        self.keep.map(|keep| keep.saturating_add(self.skip))
    }
}

impl Scan {
    /// The scanned columns.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let fields = self.columns.iter().map(|&column| self.source.field(column).clone());
        Schema::new(fields.collect())
    }

    /// The columns of records, and the metadata behind them.
    #[must_use]
    pub fn recorded_and_metadata(&self) -> (&[usize], &[usize]) {
        let recorded_count = self.source.schema.fields.len();
        self.columns.split_at(self.columns.partition_point(|&column| column < recorded_count))
    }

    /// The conditions of the filter in the order in which they are applied: what holds a declared column that the
    /// query's own condition reads to its limit, that condition, and what holds the others. Each limit stands
    /// alone, so that a record it makes bad names the column.
    #[must_use]
    pub fn conditions(&self) -> Vec<Expr> {
        let is_limit =
            |term: &Expr| matches!(&term.kind, ExprKind::Call { function: Function::Fits, .. });
        match self.filter.clone() {
            None => Vec::new(),
            Some(Expr { kind: ExprKind::And(mut terms), data_type, span }) => {
                let limit_count = terms.iter().take_while(|term| is_limit(term)).count();
                let mut rest = terms.split_off(limit_count);
                let mut is_read = vec![false; self.columns.len()];
                rest.iter()
                    .for_each(|term| term.for_each_column(&mut |column| is_read[column] = true));
                let reads_it = |limit: &Expr| {
                    let mut reads = false;
                    limit.for_each_column(&mut |column| reads |= is_read[column]);
                    reads
                };
                let (mut conditions, others): (Vec<Expr>, Vec<Expr>) =
                    terms.into_iter().partition(reads_it);
                match rest.len() {
                    0 => {}
                    1 => conditions.append(&mut rest),
                    _ => conditions.push(Expr { kind: ExprKind::And(rest), data_type, span }),
                }
                conditions.extend(others);
                conditions
            }
            Some(other) => vec![other],
        }
    }
}

impl Relation {
    /// Names and types of the output. Everything but a scanned column is said to allow NULL; of a
    /// union, a column allows it if that of any input does.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match self {
            Self::Scan(scan) => scan.schema(),
            Self::Filter { input, .. } | Self::Sort { input, .. } | Self::Limit { input, .. } => {
                input.schema()
            }
            Self::Project { columns, .. } => projected(columns),
            Self::Transpose { rows, .. } => {
                rows.first().map_or_else(Schema::default, |row| projected(row))
            }
            Self::Aggregate { spec, names, .. } => {
                let fields = names.iter().zip(spec.output_types());
                Schema::new(fields.map(|(name, t)| Field::nullable(name, t)).collect())
            }
            Self::Over { input, spec, names } => {
                let types = spec.calls.iter().map(|call| call.data_type.clone());
                let calls = names.iter().zip(types).map(|(name, t)| Field::nullable(name, t));
                let mut schema = input.schema();
                schema.fields.extend(calls);
                schema
            }
            Self::TopN { input, name, .. } => {
                let mut schema = input.schema();
                schema.fields.push(Field::nullable(name, DataType::BigInt));
                schema
            }
            Self::Union { inputs } => {
                let mut schema = inputs[0].schema();
                for input in &inputs[1..] {
                    for (field, other) in schema.fields.iter_mut().zip(input.schema().fields) {
                        field.is_nullable |= other.is_nullable;
                    }
                }
                schema
            }
        }
    }

    /// The relations directly below.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Self> {
        match self {
            Self::Scan(_) => Vec::new(),
            Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Transpose { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Over { input, .. }
            | Self::TopN { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. } => vec![input],
            Self::Union { inputs } => inputs.iter().collect(),
        }
    }

    /// Every scan below, left to right.
    #[must_use]
    pub fn scans(&self) -> Vec<&Scan> {
        match self {
            Self::Scan(scan) => vec![scan],
            other => other.inputs().into_iter().flat_map(Self::scans).collect(),
        }
    }
}

/// The schema of a projection.
#[must_use]
pub fn projected(columns: &[NamedExpr]) -> Schema {
    let fields = columns.iter().map(|c| Field::nullable(&c.name, c.expr.data_type.clone()));
    Schema::new(fields.collect())
}
