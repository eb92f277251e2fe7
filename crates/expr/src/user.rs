//! Functions that the embedding program registered.
//!
//! What a function says of a row fails that row. A panic, an array of the wrong length or type, and an error of
//! the function as a whole say that no value of it can be trusted: they end the job, and the function is not
//! called again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_select::filter::filter;
use arrow_select::take::take;
use tidemill_plan::{CallFault, Called, UserFunction, UserSignature, Volatility};

use crate::FunctionError;
use crate::node::Kernel;
use crate::value::Failure;

/// The kernel of a registered function, by the signature of this number.
pub(crate) fn kernel(function: Arc<UserFunction>, signature: usize) -> Kernel {
    let is_volatile = function.volatility == Volatility::Volatile;
    let kernel = Kernel::partial(move |values, rows| {
        let arguments: Vec<ArrayRef> =
            values.iter().map(|value| value.clone().into_array(rows)).collect::<Result<_, _>>()?;
        let signature = &function.signatures[signature];
        let nulls = arguments.iter().filter_map(|argument| argument.logical_nulls());
        let nulls = nulls.reduce(|all, nulls| {
            NullBuffer::union(Some(&all), Some(&nulls)).expect("both are there")
        });
        match nulls.filter(|nulls| function.is_null_strict && nulls.null_count() > 0) {
            None => call(&function, signature, &arguments, rows),
            Some(nulls) => call_without_nulls(&function, signature, &arguments, &nulls),
        }
    });
    if is_volatile { kernel.for_each_row() } else { kernel }
}

/// Calls a function for the rows whose arguments are all there; the others are NULL.
fn call_without_nulls(
    function: &UserFunction,
    signature: &UserSignature,
    arguments: &[ArrayRef],
    nulls: &NullBuffer,
) -> Result<ArrayRef, Failure> {
    let is_given = BooleanArray::new(nulls.inner().clone(), None);
    let given_count = is_given.true_count();
    if given_count == 0 {
        return Ok(arrow_array::new_null_array(&signature.return_type.arrow(), nulls.len()));
    }
    let given = arguments.iter().map(|argument| filter(argument, &is_given));
    let given = given.collect::<Result<Vec<_>, _>>()?;
    let values = call(function, signature, &given, given_count).map_err(|failure| {
        failure.at_rows(|row| {
            nulls.inner().set_indices().nth(row).expect("it is a row that was given")
        })
    })?;
    let mut at = 0;
    let places = nulls.iter().map(|is_valid| {
        at += u32::from(is_valid);
        is_valid.then(|| at - 1)
    });
    Ok(take(&values, &places.collect::<UInt32Array>(), None)?)
}

fn call(
    function: &UserFunction,
    signature: &UserSignature,
    arguments: &[ArrayRef],
    rows: usize,
) -> Result<ArrayRef, Failure> {
    let name = || function.name.clone();
    let called = catch_unwind(AssertUnwindSafe(|| (function.body)(signature, arguments, rows)));
    let Called { values, mut failed } = match called {
        Ok(Ok(called)) => called,
        Ok(Err(CallFault::Failed(source))) => {
            return Err(FunctionError::Failed { function: name(), source }.into());
        }
        Ok(Err(CallFault::Type(reason))) => {
            return Err(FunctionError::Type { function: name(), reason }.into());
        }
        Err(panic) => {
            let message = said(&*panic);
            return Err(FunctionError::Panicked { function: name(), message }.into());
        }
    };
    if values.len() != rows {
        let given = values.len();
        return Err(FunctionError::Length { function: name(), given, rows }.into());
    }
    let expected = signature.return_type.arrow();
    if *values.data_type() != expected {
        let reason = format!("{} values for rows of {expected}", values.data_type());
        return Err(FunctionError::Type { function: name(), reason }.into());
    }
    if !failed.is_empty() {
        failed.sort_by_key(|(row, _)| *row);
        failed.dedup_by_key(|(row, _)| *row);
        return Err(Failure::Rows(failed));
    }
    Ok(values)
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
