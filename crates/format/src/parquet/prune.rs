//! Which row groups a filter cannot match, from the minima and maxima in the footer.
//!
//! Conservative: only leading conjuncts that compare a column with a constant (or ask for NULL) are
//! looked at, for a later one may be preceded by one that makes records bad; and only where no
//! record of the group can be bad for its types. NaN is greater than everything and is not part of
//! the statistics, so a maximum of a float column proves nothing.

use std::cmp::Ordering;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::statistics::Statistics;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Scalar, UnaryOp};
use tidemill_record::DataType;

use super::Selection;
use crate::arrow::convert::Doubt;
use crate::arrow::values::{Found, convert};

pub(super) fn may_match(
    metadata: &ParquetMetaData,
    row_group: usize,
    filter: &Expr,
    selection: &Selection,
) -> bool {
    let group = Group { metadata, row_group, selection };
    if !group.is_without_bad_records() {
        return true;
    }
    let conjuncts = match &filter.kind {
        ExprKind::And(terms) => terms.as_slice(),
        _ => std::slice::from_ref(filter),
    };
    for conjunct in conjuncts {
        match group.excludes(conjunct) {
            Some(true) => return false,
            Some(false) => {}
            // A term that is not understood may make a record bad, which later ones do not undo.
            None => return true,
        }
    }
    true
}

struct Group<'a> {
    metadata: &'a ParquetMetaData,
    row_group: usize,
    selection: &'a Selection,
}

/// What the footer says about a column of a row group.
struct Bounds {
    /// The least value that is not NULL (nor NaN), or less.
    min: Option<Scalar>,
    /// The greatest value that is not NULL (nor NaN), or more.
    max: Option<Scalar>,
    null_count: Option<u64>,
}

impl Group<'_> {
    /// Whether every needed column converts without fail and is NULL only where it may be.
    fn is_without_bad_records(&self) -> bool {
        self.selection.columns().enumerate().all(|(index, column)| {
            column.may_be_null
                && match column.doubt {
                    Doubt::No => true,
                    // Conversions of numbers and times keep their order, so that all lie in range
                    // where the least and the greatest do.
                    Doubt::OutOfRange => self
                        .bounds(index)
                        .is_some_and(|bounds| bounds.min.is_some() && bounds.max.is_some()),
                    Doubt::Any => false,
                }
        })
    }

    /// Whether the conjunct is TRUE for no row of the group; `None` if it is of no simple form.
    fn excludes(&self, conjunct: &Expr) -> Option<bool> {
        match &conjunct.kind {
            ExprKind::Binary { op, left, right } => match (&left.kind, &right.kind) {
                (ExprKind::Column { index, .. }, ExprKind::Literal(value)) => {
                    Some(self.excludes_comparison(*index, *op, value))
                }
                (ExprKind::Literal(value), ExprKind::Column { index, .. }) => {
                    Some(self.excludes_comparison(*index, op.mirrored()?, value))
                }
                _ => None,
            },
            ExprKind::Unary { op, operand } => {
                let ExprKind::Column { index, .. } = operand.kind else { return None };
                let null_count = self.bounds(index).and_then(|bounds| bounds.null_count);
                let row_count = self.metadata.row_group(self.row_group).num_rows();
                match op {
                    UnaryOp::IsNull => Some(null_count == Some(0)),
                    UnaryOp::IsNotNull => {
                        Some(null_count.is_some() && null_count == u64::try_from(row_count).ok())
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn excludes_comparison(&self, index: usize, op: BinaryOp, value: &Scalar) -> bool {
        let is_ordering = op.is_comparison()
            && !matches!(
                op,
                BinaryOp::NotEqual | BinaryOp::IsDistinctFrom | BinaryOp::IsNotDistinctFrom
            );
        if !is_ordering {
            return false;
        }
        if value.is_null() {
            // A comparison with NULL is never TRUE.
            return true;
        }
        let Some(bounds) = self.bounds(index) else { return false };
        let against = |bound: &Option<Scalar>| bound.as_ref().and_then(|b| compare(b, value));
        let is_float = matches!(value, Scalar::Real(_) | Scalar::Double(_));
        let min_is_above = against(&bounds.min) == Some(Ordering::Greater);
        let min_is_at = against(&bounds.min) == Some(Ordering::Equal);
        let max_is_below = against(&bounds.max) == Some(Ordering::Less);
        let max_is_at = against(&bounds.max) == Some(Ordering::Equal);
        match op {
            BinaryOp::Equal => min_is_above || max_is_below,
            BinaryOp::Less => min_is_above || min_is_at,
            BinaryOp::LessOrEqual => min_is_above,
            BinaryOp::Greater => !is_float && (max_is_below || max_is_at),
            BinaryOp::GreaterOrEqual => !is_float && max_is_below,
            _ => false,
        }
    }

    fn bounds(&self, index: usize) -> Option<Bounds> {
        let column = self.selection.column(index)?;
        let (leaf, found) = (column.leaf?, column.field.as_ref()?);
        let descriptor = self.metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::from_column_index(leaf, found, descriptor).ok()?;
        let group = self.metadata.row_group(self.row_group);
        let statistics = group.columns().get(leaf)?.statistics()?;
        let null_count = statistics.null_count_opt();
        if !is_trusted(statistics) {
            return Some(Bounds { min: None, max: None, null_count });
        }
        let data_type = &column.data_type;
        let of = |array: ArrayRef| {
            let converted = convert(Found::plain(&array), data_type).ok()?;
            if converted.misfits.is_empty() { scalar(&converted.array, data_type) } else { None }
        };
        let min = converter.row_group_mins([group]).ok().and_then(of);
        let max = converter.row_group_maxes([group]).ok().and_then(of);
        Some(Bounds { min, max, null_count })
    }
}

/// Old writers ordered some types otherwise than they compare; their bounds are not used.
fn is_trusted(statistics: &Statistics) -> bool {
    !statistics.is_min_max_deprecated()
}

/// Order of two values of one type; `None` for NaN and for types that are not pruned on.
fn compare(bound: &Scalar, value: &Scalar) -> Option<Ordering> {
    match (bound, value) {
        (Scalar::Boolean(a), Scalar::Boolean(b)) => Some(a.cmp(b)),
        (Scalar::TinyInt(a), Scalar::TinyInt(b)) => Some(a.cmp(b)),
        (Scalar::SmallInt(a), Scalar::SmallInt(b)) => Some(a.cmp(b)),
        (Scalar::Integer(a), Scalar::Integer(b)) => Some(a.cmp(b)),
        (Scalar::BigInt(a), Scalar::BigInt(b)) => Some(a.cmp(b)),
        (Scalar::Real(a), Scalar::Real(b)) => a.partial_cmp(b),
        (Scalar::Double(a), Scalar::Double(b)) => a.partial_cmp(b),
        (
            Scalar::Decimal { value: a, scale: left, .. },
            Scalar::Decimal { value: b, scale: right, .. },
        ) if left == right => Some(a.cmp(b)),
        (Scalar::Varchar(a), Scalar::Varchar(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::Date(a), Scalar::Date(b)) => Some(a.cmp(b)),
        (Scalar::Timestamp(a), Scalar::Timestamp(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The only value of an array of the type's Arrow type.
fn scalar(array: &Arc<dyn Array>, data_type: &DataType) -> Option<Scalar> {
    if array.len() != 1 || array.is_null(0) || *array.data_type() != data_type.arrow() {
        return None;
    }
    Some(match data_type {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(0)),
        DataType::TinyInt => Scalar::TinyInt(array.as_primitive::<Int8Type>().value(0)),
        DataType::SmallInt => Scalar::SmallInt(array.as_primitive::<Int16Type>().value(0)),
        DataType::Integer => Scalar::Integer(array.as_primitive::<Int32Type>().value(0)),
        DataType::BigInt => Scalar::BigInt(array.as_primitive::<Int64Type>().value(0)),
        DataType::Real => Scalar::Real(array.as_primitive::<Float32Type>().value(0)),
        DataType::Double => Scalar::Double(array.as_primitive::<Float64Type>().value(0)),
        DataType::Decimal { precision, scale } => Scalar::Decimal {
            value: array.as_primitive::<Decimal128Type>().value(0),
            precision: *precision,
            scale: *scale,
        },
        DataType::Varchar => Scalar::Varchar(array.as_string_view().value(0).to_owned()),
        DataType::Date => Scalar::Date(array.as_primitive::<Date32Type>().value(0)),
        DataType::Timestamp => {
            Scalar::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(0))
        }
        DataType::Varbinary | DataType::Interval | DataType::Array(_) => return None,
    })
}
