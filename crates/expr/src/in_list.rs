//! `x [NOT] IN (constants)`: a hash set of the constants, probed once a row.
//!
//! NULL in the list makes what is not found NULL. Floats are looked up by their normal form (one
//! NaN, one zero), intervals by their length.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use tidemill_plan::Scalar;
use tidemill_record::{DataType, span_nanos};

use crate::hash::{StableHasher, normal_bits};
use crate::node::Kernel;
use crate::text_output::tested;

type Set<K> = HashSet<K, BuildHasherDefault<StableHasher>>;

/// What the list says about a row.
#[derive(Clone, Copy)]
struct Membership {
    is_negated: bool,
    has_null: bool,
}

/// The kernel of a membership test on values of `data_type`; `None` for types without equality and
/// for a list of another type.
pub(crate) fn kernel(data_type: &DataType, list: &[Scalar], is_negated: bool) -> Option<Kernel> {
    if list.iter().any(|value| !value.is_null() && value.data_type() != *data_type) {
        return None;
    }
    let membership = Membership { is_negated, has_null: list.iter().any(Scalar::is_null) };
    let values = list.iter().filter(|value| !value.is_null());
    Some(match data_type {
        DataType::Boolean => {
            let holds = |sought| values.clone().any(|v| *v == Scalar::Boolean(sought));
            let (has_true, has_false) = (holds(true), holds(false));
            Kernel::total(move |v, _| {
                let array = v[0].array().as_boolean();
                let found = BooleanBuffer::collect_bool(array.len(), |row| {
                    if array.value(row) { has_true } else { has_false }
                });
                Ok(finish(&found, array, membership))
            })
        }
        DataType::TinyInt => integers::<Int8Type>(values, membership),
        DataType::SmallInt => integers::<Int16Type>(values, membership),
        DataType::Integer => integers::<Int32Type>(values, membership),
        DataType::BigInt => integers::<Int64Type>(values, membership),
        DataType::Date => integers::<Date32Type>(values, membership),
        DataType::Timestamp => integers::<TimestampMicrosecondType>(values, membership),
        DataType::Real => {
            primitives::<Float32Type, u64>(keys(values, float_key), membership, |v| {
                normal_bits(v.into())
            })
        }
        DataType::Double => {
            primitives::<Float64Type, u64>(keys(values, float_key), membership, normal_bits)
        }
        DataType::Decimal { .. } => {
            let key = |value: &Scalar| match value {
                Scalar::Decimal { value, .. } => Some(*value),
                _ => None,
            };
            primitives::<Decimal128Type, i128>(keys(values, key), membership, |v| v)
        }
        DataType::Interval => {
            let key = |value: &Scalar| match value {
                Scalar::Interval { months, days, nanos } => Some(span_nanos(
                    arrow_buffer::IntervalMonthDayNano::new(*months, *days, *nanos),
                )),
                _ => None,
            };
            primitives::<IntervalMonthDayNanoType, i128>(keys(values, key), membership, span_nanos)
        }
        DataType::Varchar => texts(keys(values, bytes_key), membership),
        DataType::Varbinary => binaries(keys(values, bytes_key), membership),
        DataType::Array(_) => return None,
    })
}

fn keys<'a, K: Hash + Eq>(
    values: impl Iterator<Item = &'a Scalar>,
    key: impl Fn(&Scalar) -> Option<K>,
) -> Set<K> {
    values.filter_map(key).collect()
}

fn integer_key(value: &Scalar) -> Option<i64> {
    Some(match value {
        Scalar::TinyInt(v) => i64::from(*v),
        Scalar::SmallInt(v) => i64::from(*v),
        Scalar::Integer(v) | Scalar::Date(v) => i64::from(*v),
        Scalar::BigInt(v) | Scalar::Timestamp(v) => *v,
        _ => return None,
    })
}

fn float_key(value: &Scalar) -> Option<u64> {
    match value {
        Scalar::Real(v) => Some(normal_bits((*v).into())),
        Scalar::Double(v) => Some(normal_bits(*v)),
        _ => None,
    }
}

fn bytes_key(value: &Scalar) -> Option<Box<[u8]>> {
    match value {
        Scalar::Varchar(v) => Some(v.as_bytes().into()),
        Scalar::Varbinary(v) => Some(v.as_slice().into()),
        _ => None,
    }
}

fn integers<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(
    values: impl Iterator<Item = &'a Scalar>,
    membership: Membership,
) -> Kernel {
    primitives::<T, i64>(keys(values, integer_key), membership, Into::into)
}

fn primitives<T: ArrowPrimitiveType, K: Hash + Eq + Send + Sync + 'static>(
    set: Set<K>,
    membership: Membership,
    key: impl Fn(T::Native) -> K + Send + Sync + 'static,
) -> Kernel {
    Kernel::total(move |v, _| {
        let array = v[0].array().as_primitive::<T>();
        let values = array.values();
        let found =
            BooleanBuffer::collect_bool(values.len(), |row| set.contains(&key(values[row])));
        Ok(finish(&found, array, membership))
    })
}

fn texts(set: Set<Box<[u8]>>, membership: Membership) -> Kernel {
    Kernel::total(move |v, rows| {
        let array = v[0].array().as_string_view();
        let found = tested(v, rows, |row| {
            Ok(Some(array.is_valid(row) && set.contains(array.value(row).as_bytes())))
        })?;
        Ok(finish(found.as_boolean().values(), array, membership))
    })
}

fn binaries(set: Set<Box<[u8]>>, membership: Membership) -> Kernel {
    Kernel::total(move |v, _| {
        let array = v[0].array().as_binary_view();
        let found = BooleanBuffer::collect_bool(array.len(), |row| {
            array.is_valid(row) && set.contains(array.value(row))
        });
        Ok(finish(&found, array, membership))
    })
}

/// Applies negation and the NULL logic.
fn finish(found: &BooleanBuffer, array: &dyn Array, membership: Membership) -> ArrayRef {
    let nulls = if membership.has_null {
        // Only what was found is known.
        NullBuffer::union(array.nulls(), Some(&NullBuffer::new(found.clone())))
    } else {
        array.nulls().cloned()
    };
    let holds = if membership.is_negated { !found } else { found.clone() };
    Arc::new(BooleanArray::new(holds, nulls))
}
