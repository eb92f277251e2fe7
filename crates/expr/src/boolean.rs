//! `NOT` and the truth and NULL tests. `AND` and `OR` are in [`crate::lazy`].

use std::sync::Arc;

use arrow_arith::boolean::{is_not_null, is_null, not};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};

use crate::node::Kernel;

/// `NOT x`: NULL stays NULL.
pub(crate) fn negation() -> Kernel {
    Kernel::total(|values, _| Ok(Arc::new(not(values[0].array().as_boolean())?)))
}

/// `x IS NULL`, or `IS NOT NULL`.
pub(crate) fn null_test(is_negated: bool) -> Kernel {
    let test = if is_negated { is_not_null } else { is_null };
    Kernel::total(move |values, _| Ok(Arc::new(test(values[0].array())?)))
}

/// `x IS [NOT] TRUE` or `IS [NOT] FALSE`: never NULL.
pub(crate) fn truth_test(sought: bool, is_negated: bool) -> Kernel {
    Kernel::total(move |values, _| {
        let array = values[0].array().as_boolean();
        let has_value = if sought { array.values().clone() } else { !array.values() };
        let holds = match array.nulls() {
            None => has_value,
            Some(nulls) => &has_value & nulls.inner(),
        };
        let holds = if is_negated { !&holds } else { holds };
        Ok(Arc::new(BooleanArray::new(holds, None)))
    })
}
