//! What flows between the nodes of a compiled expression: a column, or one constant for all rows.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayAccessor, ArrayRef, BooleanArray, Datum, Int64Array, StringViewArray, UInt32Array,
};
use arrow_schema::ArrowError;
use arrow_select::{filter::FilterBuilder, take::take};

use crate::FunctionError;

/// Why an evaluation did not succeed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// At least one of the rows fails, for this reason; which one is found by evaluating fewer.
    Row(String),
    /// These rows fail, in order, each once.
    Rows(Vec<(usize, String)>),
    /// A function of the embedding program is wrong, whatever the rows.
    Function(Arc<FunctionError>),
    /// What these rows make would take too much memory at once: fewer are to be evaluated. Never of one row.
    Large,
}

impl Failure {
    /// A failure of a row.
    pub(crate) fn row(reason: impl Into<String>) -> Self {
        Self::Row(reason.into())
    }

    /// Why.
    pub(crate) fn into_reason(self) -> String {
        match self {
            Self::Row(reason) => reason,
            Self::Rows(rows) => {
                rows.into_iter().next().map_or_else(String::new, |(_, reason)| reason)
            }
            Self::Function(error) => error.to_string(),
            Self::Large => "too much text at once".to_owned(),
        }
    }

    /// The same of rows that stand at other places.
    pub(crate) fn at_rows(self, place: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Rows(rows) => {
                Self::Rows(rows.into_iter().map(|(row, reason)| (place(row), reason)).collect())
            }
            other => other,
        }
    }

    /// The same where it is not known which of the rows these are.
    pub(crate) fn somewhere(self) -> Self {
        match self {
            Self::Rows(_) => Self::Row(self.into_reason()),
            other => other,
        }
    }
}

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        Self::Function(Arc::new(error))
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        Self::Row(match error {
            ArrowError::DivideByZero => "division by zero".to_owned(),
            ArrowError::ArithmeticOverflow(_) => "overflow".to_owned(),
            other => other.to_string(),
        })
    }
}

/// A column of one value a row, or a single value that stands for every row.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    array: ArrayRef,
    is_scalar: bool,
}

impl Value {
    /// One value a row.
    pub(crate) fn column(array: ArrayRef) -> Self {
        Self { array, is_scalar: false }
    }

    /// The same value for every row; `array` holds exactly one.
    pub(crate) fn scalar(array: ArrayRef) -> Self {
        debug_assert_eq!(array.len(), 1, "a scalar is one value");
        Self { array, is_scalar: true }
    }

    /// The array, of one value if [`Self::is_scalar`].
    pub(crate) fn array(&self) -> &ArrayRef {
        &self.array
    }

    /// Whether one value stands for every row.
    pub(crate) fn is_scalar(&self) -> bool {
        self.is_scalar
    }

    /// The index into [`Self::array`] that holds the value of `row`.
    pub(crate) fn index_of(&self, row: usize) -> usize {
        if self.is_scalar { 0 } else { row }
    }

    /// One value for each of `row_count` rows.
    pub(crate) fn into_array(self, row_count: usize) -> Result<ArrayRef, Failure> {
        if !self.is_scalar {
            return Ok(self.array);
        }
        if row_count == 1 {
            return Ok(self.array);
        }
        let first = UInt32Array::from_value(0, row_count);
        Ok(take(&self.array, &first, None)?)
    }
}

impl Datum for Value {
    fn get(&self) -> (&dyn Array, bool) {
        (&self.array, self.is_scalar)
    }
}

/// Typed access by row to a [`Value`].
#[derive(Clone, Copy)]
pub(crate) struct Lane<A> {
    array: A,
    is_scalar: bool,
}

impl<A: ArrayAccessor> Lane<A> {
    /// Access to `array`, which came out of `value`.
    pub(crate) fn new(value: &Value, array: A) -> Self {
        Self { array, is_scalar: value.is_scalar }
    }

    /// The value of a row, `None` for NULL.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<A::Item> {
        let index = if self.is_scalar { 0 } else { row };
        self.array.is_valid(index).then(|| self.array.value(index))
    }

    /// The value of a row, whatever that is for NULL.
    #[inline(always)]
    pub(crate) fn value(&self, row: usize) -> A::Item {
        self.array.value(if self.is_scalar { 0 } else { row })
    }
}

/// The columns an expression is evaluated over.
#[derive(Clone, Debug)]
pub(crate) struct Rows<'a> {
    columns: Cow<'a, [ArrayRef]>,
    row_count: usize,
}

impl<'a> Rows<'a> {
    /// All rows of some columns, each of `row_count` values.
    pub(crate) fn new(columns: &'a [ArrayRef], row_count: usize) -> Self {
        Self { columns: Cow::Borrowed(columns), row_count }
    }

    /// Number of rows.
    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    /// One column.
    pub(crate) fn column(&self, index: usize) -> &ArrayRef {
        &self.columns[index]
    }

    /// The rows for which `mask` (without NULLs) is set. Only the columns in `needed` are cut; the
    /// others must not be read.
    pub(crate) fn select(
        &self,
        mask: &BooleanArray,
        needed: &[usize],
    ) -> Result<Rows<'static>, Failure> {
        let predicate = FilterBuilder::new(mask).optimize().build();
        let mut columns = self.columns.to_vec();
        for &index in needed {
            columns[index] = predicate.filter(&self.columns[index])?;
        }
        Ok(Rows { columns: Cow::Owned(columns), row_count: predicate.count() })
    }
}

/// The text that all rows have, if they have one.
pub(crate) fn same_text(value: &Value) -> Option<&str> {
    if !value.is_scalar {
        return None;
    }
    text_lane(value).get(0)
}

/// Access to a `VARCHAR` value.
pub(crate) fn text_lane(value: &Value) -> Lane<&StringViewArray> {
    Lane::new(value, value.array.as_string_view())
}

/// Access to a `BIGINT` value.
pub(crate) fn integer_lane(value: &Value) -> Lane<&Int64Array> {
    Lane::new(value, value.array.as_primitive())
}
