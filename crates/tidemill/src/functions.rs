//! Functions of the embedding program.

use std::fmt;

use arrow_array::ArrayRef;
use tidemill_format::to_sql_type;
use tidemill_plan::{CallFault, Called, HostError, UserFunction, UserSignature, Volatility};
use tidemill_record::DataType;

use crate::Error;

/// Types of the arguments of a function, and of its result.
///
/// | SQL type | Arrow type of arguments |
/// |---|---|
/// | `BOOLEAN` | `Boolean` |
/// | `TINYINT`, `SMALLINT`, `INTEGER`, `BIGINT` | `Int8`, `Int16`, `Int32`, `Int64` |
/// | `REAL`, `DOUBLE` | `Float32`, `Float64` |
/// | `DECIMAL(p, s)` | `Decimal128(p, s)` |
/// | `VARCHAR`, `VARBINARY` | `Utf8View`, `BinaryView` |
/// | `DATE` | `Date32` |
/// | `TIMESTAMP` | `Timestamp(Microsecond)` without a zone |
/// | `INTERVAL` | `Interval(MonthDayNano)` |
/// | arrays | `List` of the item's type |
///
/// Arguments always come in these types. A result may be of any Arrow type whose values the SQL type holds whole:
/// `Utf8` or a dictionary of texts for `VARCHAR`, `Int32` for `BIGINT`, seconds for `TIMESTAMP`. It is cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(pub(crate) UserSignature);

impl Signature {
    /// Of arguments of these types, in order, and a result of that one.
    #[must_use]
    pub fn new(argument_types: impl Into<Vec<DataType>>, return_type: DataType) -> Self {
        Self(UserSignature { argument_types: argument_types.into(), return_type })
    }

    /// Types of the arguments.
    #[must_use]
    pub fn argument_types(&self) -> &[DataType] {
        &self.0.argument_types
    }

    /// Type of the result.
    #[must_use]
    pub fn return_type(&self) -> &DataType {
        &self.0.return_type
    }
}

/// A scalar function: one value for each row, of the arguments in that row.
///
/// It is called with whole batches, on the core that reads the partition, from several cores at once. What it does is
/// waited for, so it may not block. See [`Function`] for one made of a closure.
pub trait ScalarFunction: Send + Sync + 'static {
    /// What it takes and gives; asked for once, as it is registered. Of several, a call means the one that asks for the
    /// fewest casts, and the first of those.
    fn signatures(&self) -> Vec<Signature>;

    /// What its result depends on beside its arguments. What it says is relied on: a function that is not
    /// [`Volatility::Volatile`] may be computed once for arguments that are the same, and where its result is not needed
    /// not at all. A job with state that goes on after a crash computes some rows again.
    fn volatility(&self) -> Volatility {
        Volatility::Immutable
    }

    /// Whether its result is NULL where an argument is. It is not given such rows then.
    fn is_null_strict(&self) -> bool {
        false
    }

    /// Computes a batch: an array of [`Call::row_count`] values. For rows that have no value it calls
    /// [`Call::fail_row`], and puts anything in their places; those rows are bad records, and the others are computed once
    /// more.
    ///
    /// # Errors
    /// What keeps the function from working at all: it ends the job, and is the [source](std::error::Error::source) of
    /// its error. So do a panic, whose text the error has, and a result of another length or type.
    fn call(&self, call: &mut Call<'_>) -> Result<ArrayRef, HostError>;
}

/// What a function is called with.
#[derive(Debug)]
pub struct Call<'a> {
    signature: &'a UserSignature,
    arguments: &'a [ArrayRef],
    row_count: usize,
    failed: Vec<(usize, String)>,
}

impl Call<'_> {
    /// The values of an argument, one a row.
    ///
    /// # Panics
    /// Where the signature has no such argument.
    #[must_use]
    pub fn argument(&self, index: usize) -> &ArrayRef {
        &self.arguments[index]
    }

    /// The values of all arguments.
    #[must_use]
    pub fn arguments(&self) -> &[ArrayRef] {
        self.arguments
    }

    /// Types of the arguments, by the signature that is meant.
    #[must_use]
    pub fn argument_types(&self) -> &[DataType] {
        &self.signature.argument_types
    }

    /// Type of the result, by the signature that is meant.
    #[must_use]
    pub fn return_type(&self) -> &DataType {
        &self.signature.return_type
    }

    /// Rows that there are; at least one.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Says that there is no value for a row, and why, lower case, without a final stop. It is a bad record; the first
    /// reason counts.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn fail_row(&mut self, row: usize, reason: impl fmt::Display) {
        let row_count = self.row_count;
        assert!(row < row_count, "row {row} has failed, and there are {row_count}");
        self.failed.push((row, reason.to_string()));
    }
}

/// A function that is a closure.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Int64Array, cast::AsArray, types::Int64Type};
/// use tidemill::{DataType, Function, Session};
///
/// let mut session = Session::new();
/// let twice = Function::new([DataType::BigInt], DataType::BigInt, |call| {
///     let values = call.argument(0).as_primitive::<Int64Type>().clone();
///     let doubled = values.iter().enumerate().map(|(row, value)| {
///         let doubled = value.map(|value| value.checked_mul(2));
///         if doubled == Some(None) {
///             call.fail_row(row, "too large to be doubled");
///         }
///         doubled.flatten()
///     });
///     Ok(Arc::new(doubled.collect::<Int64Array>()) as ArrayRef)
/// });
/// session.register_function("twice", twice)?;
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct Function<F> {
    signatures: Vec<Signature>,
    volatility: Volatility,
    is_null_strict: bool,
    body: F,
}

impl<F> Function<F>
where
    F: Fn(&mut Call<'_>) -> Result<ArrayRef, HostError> + Send + Sync + 'static,
{
    /// A function of arguments of these types, in order. `body` is [`ScalarFunction::call`].
    #[must_use]
    pub fn new(argument_types: impl Into<Vec<DataType>>, return_type: DataType, body: F) -> Self {
        let signatures = vec![Signature::new(argument_types, return_type)];
        Self { signatures, volatility: Volatility::Immutable, is_null_strict: false, body }
    }

    /// The same, that takes and gives other types, too.
    #[must_use]
    pub fn overload(
        mut self,
        argument_types: impl Into<Vec<DataType>>,
        return_type: DataType,
    ) -> Self {
        self.signatures.push(Signature::new(argument_types, return_type));
        self
    }

    /// The same, with what its result depends on: [`ScalarFunction::volatility`].
    #[must_use]
    pub fn volatility(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self
    }

    /// The same, that is NULL where an argument is: [`ScalarFunction::is_null_strict`].
    #[must_use]
    pub fn null_strict(mut self) -> Self {
        self.is_null_strict = true;
        self
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("signatures", &self.signatures)
            .field("volatility", &self.volatility)
            .field("is_null_strict", &self.is_null_strict)
            .finish_non_exhaustive()
    }
}

impl<F> ScalarFunction for Function<F>
where
    F: Fn(&mut Call<'_>) -> Result<ArrayRef, HostError> + Send + Sync + 'static,
{
    fn signatures(&self) -> Vec<Signature> {
        self.signatures.clone()
    }

    fn volatility(&self) -> Volatility {
        self.volatility
    }

    fn is_null_strict(&self) -> bool {
        self.is_null_strict
    }

    fn call(&self, call: &mut Call<'_>) -> Result<ArrayRef, HostError> {
        (self.body)(call)
    }
}

/// Signatures as plans know them.
pub(crate) fn signatures_of(
    name: &str,
    signatures: Vec<Signature>,
) -> Result<Vec<UserSignature>, Error> {
    let signatures: Vec<UserSignature> =
        signatures.into_iter().map(|signature| signature.0).collect();
    let is_twice = |(at, one): (usize, &UserSignature)| {
        signatures[..at].iter().any(|before| before.argument_types == one.argument_types)
    };
    if signatures.is_empty() || signatures.iter().enumerate().any(is_twice) {
        let what = if signatures.is_empty() {
            "no signature"
        } else {
            "two signatures of the same arguments"
        };
        return Err(Error::usage(format!("function {name} has {what}")));
    }
    Ok(signatures)
}

/// A function as plans know it.
pub(crate) fn registered(
    name: String,
    function: impl ScalarFunction,
) -> Result<UserFunction, Error> {
    let signatures = signatures_of(&name, function.signatures())?;
    let (volatility, is_null_strict) = (function.volatility(), function.is_null_strict());
    let body = move |signature: &UserSignature, arguments: &[ArrayRef], row_count: usize| {
        let mut call = Call { signature, arguments, row_count, failed: Vec::new() };
        let values = function.call(&mut call).map_err(CallFault::Failed)?;
        let Call { failed, .. } = call;
        let (found, to) = (values.data_type(), &signature.return_type);
        // How many there are is told before what they are.
        if *found == to.arrow() || values.len() != row_count {
            return Ok(Called { values, failed });
        }
        let cast = to_sql_type(&values, to);
        let values =
            cast.map_err(|reason| CallFault::Type(format!("{found} values for {to}: {reason}")))?;
        Ok(Called { values, failed })
    };
    Ok(UserFunction { name, signatures, volatility, is_null_strict, body: Box::new(body) })
}
