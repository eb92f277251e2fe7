//! Functions that the embedding program registered.
//!
//! Nothing they do can end the job: a message fails the rows one by one, and so does a panic. An
//! array of the wrong length or type says that no row's value can be trusted, and fails them all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use tidemill_plan::UserFunction;

use crate::node::Kernel;
use crate::value::Failure;

/// The kernel of a registered function.
pub(crate) fn kernel(function: Arc<UserFunction>) -> Kernel {
    Kernel::partial(move |values, rows| {
        let arguments: Vec<ArrayRef> =
            values.iter().map(|value| value.clone().into_array(rows)).collect::<Result<_, _>>()?;
        let called = catch_unwind(AssertUnwindSafe(|| (function.body)(&arguments, rows)));
        let array = match called {
            Ok(Ok(array)) => array,
            Ok(Err(message)) => return Err(Failure::row(message)),
            Err(_) => return Err(Failure::row(format!("function {} panicked", function.name))),
        };
        let expected = function.return_type.arrow();
        if array.len() != rows || *array.data_type() != expected {
            return Err(Failure::Batch(format!(
                "function {} gave {} values of {} for {rows} rows of {expected}",
                function.name,
                array.len(),
                array.data_type(),
            )));
        }
        Ok(array)
    })
}
