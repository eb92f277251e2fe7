//! Scalar functions that the embedding program registered.

use std::error::Error;
use std::fmt;

use arrow_array::ArrayRef;
use tidemill_record::DataType;

/// What the embedding program's own code failed with.
pub type HostError = Box<dyn Error + Send + Sync>;

/// The body of a registered function: one array for each argument, all of the given row count, to one
/// array of that row count and of the signature's result type.
pub type UserFunctionBody =
    dyn Fn(&UserSignature, &[ArrayRef], usize) -> Result<Called, CallFault> + Send + Sync + 'static;

/// What a call gave.
#[derive(Debug)]
pub struct Called {
    /// One value a row.
    pub values: ArrayRef,
    /// Rows that have no value, and why: each makes a bad record. What stands in `values` for them is not looked at.
    pub failed: Vec<(usize, String)>,
}

/// Why a call gave nothing that can be used. It ends the job.
#[derive(Debug)]
pub enum CallFault {
    /// The values are not of the signature's type, in words.
    Type(String),
    /// The function itself failed.
    Failed(HostError),
}

/// Types of the arguments of a function, and of its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSignature {
    /// Types of the arguments.
    pub argument_types: Vec<DataType>,
    /// Type of the result.
    pub return_type: DataType,
}

/// What a function's result depends on beside its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volatility {
    /// On nothing.
    #[default]
    Immutable,
    /// On what does not change while a job runs.
    Stable,
    /// On more: it is computed once for each row and never moved to where it would be computed twice.
    Volatile,
}

/// A scalar function that the embedding program registered.
pub struct UserFunction {
    /// The name, lower case.
    pub name: String,
    /// What it takes and gives; at least one.
    pub signatures: Vec<UserSignature>,
    /// What its result depends on.
    pub volatility: Volatility,
    /// Its result is NULL where an argument is, and it is not given such rows.
    pub is_null_strict: bool,
    /// What it computes.
    pub body: Box<UserFunctionBody>,
}

impl fmt::Debug for UserFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for UserFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && std::ptr::eq(&*self.body, &*other.body)
    }
}
