//! Columns that come with an Arrow type of their own, matched with the declared ones.
//!
//! Allowed is what loses nothing or can be checked value by value (see [`super::values`]): a value
//! that does not fit makes its record bad.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array, cast::AsArray, new_null_array};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use arrow_select::filter::filter;
use tidemill_record::{BadRecord, Batch, Columns, DataType, Field, Offset, Schema};

use super::FoundColumn;
use super::values::{Converted, Found, convert};
use crate::FormatError;

/// Where the needed columns stand in the input, and what they are to become.
#[derive(Clone, Debug)]
pub(crate) struct Conversion {
    columns: Vec<Needed>,
}

/// One needed column.
#[derive(Clone, Debug)]
struct Needed {
    /// Its place in the input; `None` of a column that is missing there, and NULL.
    at: Option<usize>,
    field: Field,
    doubt: Doubt,
    /// Times that were cut to the microsecond so far.
    floored_count: u64,
}

/// Which values of a column may make their record bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// None but NULL.
    No,
    /// Those outside of a range: if the least and the greatest convert, all do.
    OutOfRange,
    /// Any.
    Any,
}

impl Conversion {
    /// Matches the needed columns with the input's by name. In a union those that it has not are NULL.
    ///
    /// # Errors
    /// [`FormatError::MissingColumn`], [`FormatError::DuplicateColumn`],
    /// [`FormatError::UnsupportedColumn`], [`FormatError::TypeMismatch`]
    ///
    /// # Cost
    /// O(columns of the input).
    pub(crate) fn new(
        input: &[FoundColumn],
        schema: &Schema,
        columns: &[usize],
        is_union: bool,
    ) -> Result<Self, FormatError> {
        let mut places: HashMap<&str, (usize, bool)> = HashMap::with_capacity(input.len());
        for (at, found) in input.iter().enumerate() {
            places.entry(&found.name).and_modify(|place| place.1 = true).or_insert((at, false));
        }
        let find = |&column: &usize| {
            let field = &schema.fields[column];
            let Some((at, is_repeated)) = places.get(field.name.as_str()).copied() else {
                if is_union {
                    let (field, doubt) = (field.clone(), Doubt::No);
                    return Ok(Needed { at: None, field, doubt, floored_count: 0 });
                }
                let names: Vec<String> = input.iter().map(|found| found.name.clone()).collect();
                return Err(FormatError::missing_column(&field.name, &names));
            };
            if is_repeated {
                return Err(FormatError::DuplicateColumn { column: field.name.clone() });
            }
            check_type(&input[at], field)?;
            let doubt = input[at].data_type.as_ref().map_or(Doubt::Any, |t| doubt(t, field));
            Ok(Needed { at: Some(at), field: field.clone(), doubt, floored_count: 0 })
        };
        Ok(Self { columns: columns.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// Positions of the needed columns in the input, of those that it has.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().filter_map(|needed| needed.at)
    }

    /// For each needed column its position, what it becomes, and which values make a record bad.
    pub(crate) fn needed(&self) -> impl Iterator<Item = (Option<usize>, &Field, Doubt)> {
        self.columns.iter().map(|needed| (needed.at, &needed.field, needed.doubt))
    }

    /// Makes a batch of the rows, which are numbered from `start`, of the needed columns in order.
    /// Rows that do not fit are pushed to `bad`.
    ///
    /// # Errors
    /// [`FormatError::Arrow`] where a column cannot be cast as a whole.
    pub(crate) fn apply(
        &mut self,
        found: &[Found<'_>],
        row_count: usize,
        start: u64,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, FormatError> {
        assert_eq!(found.len(), self.positions().count(), "the needed columns are given");
        let mut found = found.iter();
        let mut faults: Vec<Fault> = Vec::new();
        let mut columns = Columns::with_capacity(self.columns.len());
        for place in 0..self.columns.len() {
            let found = self.columns[place].at.and_then(|_| found.next().copied());
            let converted = self.convert(place, found, row_count, start)?;
            columns.push(self.noted(place, converted, &mut faults));
        }
        let offsets = UInt64Array::from_iter_values((start..).take(row_count));
        Ok(without_faults(columns, offsets, faults, bad))
    }

    /// Brings one of the needed columns to its type, from what the input has of it; of what it has not, NULL.
    ///
    /// # Errors
    /// [`FormatError::Arrow`] where it cannot be cast as a whole.
    pub(crate) fn convert(
        &self,
        place: usize,
        found: Option<Found<'_>>,
        row_count: usize,
        start: u64,
    ) -> Result<Converted, FormatError> {
        let field = &self.columns[place].field;
        let Some(found) = found else {
            return Ok(Converted::whole(new_null_array(&field.data_type.arrow(), row_count)));
        };
        convert(found, &field.data_type).map_err(|source| FormatError::Arrow {
            what: format!("converting column {} to {}", field.name, field.data_type),
            position: start,
            source,
        })
    }

    /// Takes in what one of the needed columns has become; each row whose value does not fit it is a fault.
    pub(crate) fn noted(
        &mut self,
        place: usize,
        converted: Converted,
        faults: &mut Vec<Fault>,
    ) -> ArrayRef {
        let needed = &mut self.columns[place];
        needed.floored_count += u64::try_from(converted.floored_count).unwrap_or(u64::MAX);
        note_faults(&converted, &needed.field, faults);
        converted.array
    }

    /// For each needed column how many times were cut so far.
    pub(crate) fn floored_counts(&self) -> impl Iterator<Item = u64> {
        self.columns.iter().map(|needed| needed.floored_count)
    }

    /// Goes on counting from there.
    ///
    /// # Panics
    /// If there is not one for each needed column.
    pub(crate) fn count_on(&mut self, floored_counts: &[u64]) {
        assert_eq!(floored_counts.len(), self.columns.len(), "a count for each needed column");
        for (needed, count) in self.columns.iter_mut().zip(floored_counts) {
            needed.floored_count = *count;
        }
    }

    /// What a person should know of values that were not kept whole.
    pub(crate) fn notices(&self) -> Vec<String> {
        let cut = self.columns.iter().filter(|needed| needed.floored_count > 0);
        cut.map(|needed| {
            format!(
                "column {}: {} times have digits below the microsecond, which TIMESTAMP does not \
                 hold; they were rounded down",
                needed.field.name, needed.floored_count
            )
        })
        .collect()
    }
}

/// A row that is bad, with the column that makes it so and why.
pub(crate) type Fault = (usize, String, String);

/// A batch of the rows at these offsets but those that are at fault; these are pushed to `bad`, in order. Of several
/// faults of a row, that of the first column counts.
pub(crate) fn without_faults(
    mut columns: Columns,
    offsets: UInt64Array,
    mut faults: Vec<Fault>,
    bad: &mut Vec<BadRecord>,
) -> Batch {
    if faults.is_empty() {
        return Batch::new(columns, offsets);
    }
    faults.sort_by_key(|(row, ..)| *row);
    faults.dedup_by_key(|(row, ..)| *row);
    let mut keep = vec![true; offsets.len()];
    for (row, column, reason) in faults {
        keep[row] = false;
        bad.push(bad_record(offsets.value(row), column, reason));
    }
    let keep = BooleanArray::from(keep);
    for column in &mut columns {
        *column = filter(column, &keep).expect("as many rows as the filter");
    }
    let kept = filter(&offsets, &keep).expect("as many rows as the filter");
    Batch::new(columns, kept.as_primitive().clone())
}

/// A record that is bad for a column of its own.
pub(crate) fn bad_record(offset: u64, column: String, reason: String) -> BadRecord {
    BadRecord { offset: Offset(offset), field: Some(column), reason, raw: None, place: None }
}

/// Notes each row whose value does not fit, or is NULL where that is not allowed.
fn note_faults(converted: &Converted, field: &Field, faults: &mut Vec<Fault>) {
    let name = || field.name.clone();
    for &row in &converted.misfits {
        let reason = format!("a value is out of range for {}", field.data_type);
        faults.push((row, name(), reason));
    }
    let nulls = converted.array.nulls().filter(|nulls| nulls.null_count() > 0);
    let Some(nulls) = nulls.filter(|_| !field.is_nullable) else { return };
    for row in (0..nulls.len()).filter(|row| nulls.is_null(*row)) {
        if converted.misfits.binary_search(&row).is_err() {
            let reason = format!("NULL in column {}, which is NOT NULL", field.name);
            faults.push((row, name(), reason));
        }
    }
}

/// Allowed for a column is the SQL type that [`DataType::from_arrow`] gives for its Arrow type, and
/// beside it:
///
/// - for an integer, but not an unsigned one of 64 bits: every integer, float and decimal;
/// - for such an unsigned one, which is a `DECIMAL(20,0)`, and for a decimal: a decimal of no smaller
///   scale, `DOUBLE`, and, if it has no fraction, every integer;
/// - for a float of 16 or 32 bits: `DOUBLE`;
/// - for a day: `TIMESTAMP`.
///
/// - for a column of type `Null`, which has no values: every type.
///
/// A dictionary is what its values are. A list has to be declared as what its items are.
///
/// # Errors
/// [`FormatError::UnsupportedColumn`], [`FormatError::TypeMismatch`]
fn check_type(found: &FoundColumn, field: &Field) -> Result<(), FormatError> {
    let declared = &field.data_type;
    let unsupported =
        |reason| FormatError::UnsupportedColumn { column: field.name.clone(), reason };
    let natural = found.sql_type().map_err(unsupported)?;
    if natural == *declared || found.data_type == Ok(ArrowType::Null) {
        return Ok(());
    }
    let is_wider = match (&natural, declared) {
        (DataType::Date, DataType::Timestamp) => true,
        (from, to) if from.is_integer() && to.is_numeric() => true,
        (DataType::Real, DataType::Double) => true,
        (DataType::Decimal { scale, .. }, DataType::Decimal { scale: to, .. }) => scale <= to,
        (DataType::Decimal { scale: 0, .. }, to) if to.is_integer() => true,
        (DataType::Decimal { .. }, DataType::Double) => true,
        _ => false,
    };
    if is_wider {
        return Ok(());
    }
    Err(FormatError::TypeMismatch {
        column: field.name.clone(),
        declared: declared.to_string(),
        found: natural.to_string(),
    })
}

/// Which values of the type may not fit the field.
fn doubt(input: &ArrowType, field: &Field) -> Doubt {
    if DataType::from_arrow(input).as_ref() != Some(&field.data_type) {
        return Doubt::Any;
    }
    match (input, &field.data_type) {
        (ArrowType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _), _)
        | (_, DataType::Decimal { .. }) => Doubt::OutOfRange,
        (ArrowType::Date64 | ArrowType::Dictionary(_, _), _)
        | (_, DataType::Array(_) | DataType::Interval) => Doubt::Any,
        _ => Doubt::No,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::arrow::{found_columns, sql_schema};

    #[test]
    fn two_columns_of_one_name_are_not_taken_for_one() {
        let field = |name: &str| arrow_schema::Field::new(name, ArrowType::Int64, true);
        let input = arrow_schema::Schema::new(vec![field("a"), field("a"), field("b")]);
        let input = found_columns(&input);
        let schema = sql_schema(&input).unwrap();
        let needs = |columns: &[usize]| Conversion::new(&input, &schema, columns, false);
        assert_eq!(needs(&[2]).unwrap().positions().collect::<Vec<_>>(), [2]);
        for column in [0, 1] {
            let refused = needs(&[column, 2]).err();
            assert!(
                matches!(&refused, Some(FormatError::DuplicateColumn { column }) if column == "a"),
                "{refused:?}"
            );
        }
    }
}
