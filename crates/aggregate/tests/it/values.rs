//! Rows of constants: made from a seed, turned into batches and back.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, PrimitiveArray,
    StringViewArray, UInt64Array,
};
use arrow_buffer::IntervalMonthDayNano;
use arrow_select::concat::concat;
use tidemill_plan::Scalar;
use tidemill_record::{Batch, Columns, DataType};

/// Steele, Lea and Flood's splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn small(&mut self) -> i8 {
        i8::try_from(self.below(9)).unwrap() - 4
    }
}

pub(crate) fn all_types() -> Vec<DataType> {
    vec![
        DataType::Boolean,
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Integer,
        DataType::BigInt,
        DataType::Real,
        DataType::Double,
        DataType::Decimal { precision: 12, scale: 2 },
        DataType::Varchar,
        DataType::Varbinary,
        DataType::Date,
        DataType::Timestamp,
        DataType::Interval,
    ]
}

/// One of a few values of a type, so that groups repeat; one in eight is NULL.
pub(crate) fn random_value(random: &mut Random, data_type: &DataType) -> Scalar {
    if random.below(8) == 0 {
        return Scalar::Null(data_type.clone());
    }
    let n = random.small();
    let float = match random.below(12) {
        0 => f64::NAN,
        1 => -0.0,
        2 => 0.0,
        // Quarters, so that sums are exact in any order.
        _ => f64::from(n) + 0.25,
    };
    match data_type {
        DataType::Boolean => Scalar::Boolean(n > 0),
        DataType::TinyInt => Scalar::TinyInt(n),
        DataType::SmallInt => Scalar::SmallInt(i16::from(n) * 1000),
        DataType::Integer => Scalar::Integer(i32::from(n) * 1_000_000),
        DataType::BigInt => Scalar::BigInt(i64::from(n) * 1_000_000_000_000),
        DataType::Real => Scalar::Real(if float.is_nan() {
            f32::NAN
        } else if float == 0.0 {
            if float.is_sign_negative() { -0.0 } else { 0.0 }
        } else {
            f32::from(n) + 0.25
        }),
        DataType::Double => Scalar::Double(float),
        DataType::Decimal { precision, scale } => {
            Scalar::Decimal { value: i128::from(n) * 101, precision: *precision, scale: *scale }
        }
        DataType::Varchar => Scalar::Varchar(text(n)),
        DataType::Varbinary => Scalar::Varbinary([&[0xff, 0][..], text(n).as_bytes()].concat()),
        DataType::Date => Scalar::Date(i32::from(n) * 400),
        DataType::Timestamp => Scalar::Timestamp(i64::from(n) * 86_400_000_000),
        DataType::Interval => {
            Scalar::Interval { months: i32::from(n % 2), days: i32::from(n), nanos: i64::from(n) }
        }
        DataType::Array(_) => unreachable!("not made here"),
    }
}

/// Empty, short, exactly twelve and thirteen bytes, and long with a shared start.
fn text(n: i8) -> String {
    match n {
        0 => String::new(),
        1 => "twelve bytes".to_owned(),
        2 => "thirteen byte".to_owned(),
        3 => "thirteen bytf".to_owned(),
        4 => "é".repeat(40),
        -1 => "a".to_owned(),
        -2 => "a\0".to_owned(),
        n => format!("a long text that starts alike, {n}"),
    }
}

/// A column of constants of one type.
pub(crate) fn array(data_type: &DataType, values: &[Scalar]) -> ArrayRef {
    macro_rules! collect {
        ($array:ty, $variant:ident) => {
            Arc::new(
                values
                    .iter()
                    .map(|value| match value {
                        Scalar::$variant(value) => Some(value.clone()),
                        Scalar::Null(_) => None,
                        other => panic!("{other} in a column of {data_type}"),
                    })
                    .collect::<$array>(),
            )
        };
    }
    match data_type {
        DataType::Boolean => collect!(BooleanArray, Boolean),
        DataType::TinyInt => collect!(PrimitiveArray<Int8Type>, TinyInt),
        DataType::SmallInt => collect!(PrimitiveArray<Int16Type>, SmallInt),
        DataType::Integer => collect!(PrimitiveArray<Int32Type>, Integer),
        DataType::BigInt => collect!(PrimitiveArray<Int64Type>, BigInt),
        DataType::Real => collect!(PrimitiveArray<Float32Type>, Real),
        DataType::Double => collect!(PrimitiveArray<Float64Type>, Double),
        DataType::Varchar => collect!(StringViewArray, Varchar),
        DataType::Varbinary => collect!(BinaryViewArray, Varbinary),
        DataType::Date => collect!(PrimitiveArray<Date32Type>, Date),
        DataType::Timestamp => collect!(PrimitiveArray<TimestampMicrosecondType>, Timestamp),
        DataType::Decimal { .. } => {
            let digits = values.iter().map(|value| match value {
                Scalar::Decimal { value, .. } => Some(*value),
                _ => None,
            });
            let array = digits.collect::<Decimal128Array>();
            Arc::new(array.with_data_type(data_type.arrow()))
        }
        DataType::Interval => {
            let spans = values.iter().map(|value| match value {
                Scalar::Interval { months, days, nanos } => {
                    Some(IntervalMonthDayNano::new(*months, *days, *nanos))
                }
                _ => None,
            });
            Arc::new(spans.collect::<PrimitiveArray<IntervalMonthDayNanoType>>())
        }
        DataType::Array(_) => unreachable!("not made here"),
    }
}

/// One value of a column.
pub(crate) fn value(data_type: &DataType, array: &ArrayRef, row: usize) -> Scalar {
    assert_eq!(array.data_type(), &data_type.arrow());
    if array.is_null(row) {
        return Scalar::Null(data_type.clone());
    }
    match data_type {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::TinyInt => Scalar::TinyInt(array.as_primitive::<Int8Type>().value(row)),
        DataType::SmallInt => Scalar::SmallInt(array.as_primitive::<Int16Type>().value(row)),
        DataType::Integer => Scalar::Integer(array.as_primitive::<Int32Type>().value(row)),
        DataType::BigInt => Scalar::BigInt(array.as_primitive::<Int64Type>().value(row)),
        DataType::Real => Scalar::Real(array.as_primitive::<Float32Type>().value(row)),
        DataType::Double => Scalar::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Varchar => Scalar::Varchar(array.as_string_view().value(row).to_owned()),
        DataType::Varbinary => Scalar::Varbinary(array.as_binary_view().value(row).to_vec()),
        DataType::Date => Scalar::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp => {
            Scalar::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Decimal { precision, scale } => Scalar::Decimal {
            value: array.as_primitive::<Decimal128Type>().value(row),
            precision: *precision,
            scale: *scale,
        },
        DataType::Interval => {
            let span = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Scalar::Interval { months: span.months, days: span.days, nanos: span.nanoseconds }
        }
        DataType::Array(_) => unreachable!("lists are taken apart by the caller"),
    }
}

/// Every value of a column as text in which equal means the same to SQL's last bit: lists whole,
/// floats with their sign of zero.
pub(crate) fn texts(data_type: &DataType, column: &ArrayRef) -> Vec<String> {
    (0..column.len()).map(|row| text_of(data_type, column, row)).collect()
}

fn text_of(data_type: &DataType, column: &ArrayRef, row: usize) -> String {
    if let DataType::Array(item) = data_type {
        if column.is_null(row) {
            return "NULL".to_owned();
        }
        return format!("[{}]", texts(item, &column.as_list::<i32>().value(row)).join(", "));
    }
    value(data_type, column, row).to_string()
}

/// A batch of rows of constants, whose offsets are ten times the row number from `first_row` on.
pub(crate) fn batch(types: &[DataType], rows: &[Vec<Scalar>], first_row: usize) -> Batch {
    let columns = types.iter().enumerate().map(|(at, data_type)| {
        let values: Vec<Scalar> = rows.iter().map(|row| row[at].clone()).collect();
        array(data_type, &values)
    });
    let offsets = (first_row..first_row + rows.len()).map(|row| 10 * row as u64);
    Batch::new(columns.collect::<Columns>(), offsets.collect::<Vec<u64>>().into())
}

/// The same rows in batches of random sizes, empty ones included, as slices of larger arrays.
pub(crate) fn random_cuts(random: &mut Random, whole: &Batch) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < whole.row_count() {
        let row_count_max = [1, 3, 20, 300][random.below(4)];
        let row_count = random.below(1 + row_count_max);
        let row_count = row_count.min(whole.row_count() - start);
        batches.push(whole.slice(start, row_count));
        start += row_count;
    }
    batches
}

/// Batches end to end; `None` of none.
pub(crate) fn joined(batches: &[Batch]) -> Option<Batch> {
    let first = batches.first()?;
    let column = |at: usize| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| &**batch.column(at)).collect();
        concat(&arrays).unwrap()
    };
    let columns: Columns = (0..first.columns().len()).map(column).collect();
    let offsets = batches.iter().flat_map(|batch| batch.offsets().values().to_vec());
    Some(Batch::new(columns, UInt64Array::from_iter_values(offsets)))
}

/// A batch as text, one line a row, offset first.
pub(crate) fn lines(types: &[DataType], batch: &Batch) -> Vec<String> {
    assert_eq!(types.len(), batch.columns().len());
    let columns: Vec<Vec<String>> =
        types.iter().zip(batch.columns()).map(|(t, column)| texts(t, column)).collect();
    let line = |row: usize| {
        let values: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
        format!("{}: {}", batch.offsets().value(row), values.join(" | "))
    };
    (0..batch.row_count()).map(line).collect()
}

/// SQL order of two values of one type: NULL last, NaN greatest, -0.0 equal to 0.0.
pub(crate) fn compare(left: &Scalar, right: &Scalar) -> Ordering {
    use Scalar as S;
    let floats = |left: f64, right: f64| match (left.is_nan(), right.is_nan()) {
        (false, false) => left.partial_cmp(&right).unwrap(),
        (left, right) => left.cmp(&right),
    };
    match (left, right) {
        (S::Null(_), _) | (_, S::Null(_)) => left.is_null().cmp(&right.is_null()),
        (S::Boolean(a), S::Boolean(b)) => a.cmp(b),
        (S::TinyInt(a), S::TinyInt(b)) => a.cmp(b),
        (S::SmallInt(a), S::SmallInt(b)) => a.cmp(b),
        (S::Integer(a), S::Integer(b)) => a.cmp(b),
        (S::BigInt(a), S::BigInt(b)) => a.cmp(b),
        (S::Real(a), S::Real(b)) => floats(f64::from(*a), f64::from(*b)),
        (S::Double(a), S::Double(b)) => floats(*a, *b),
        (S::Decimal { value: a, .. }, S::Decimal { value: b, .. }) => a.cmp(b),
        (S::Varchar(a), S::Varchar(b)) => a.as_bytes().cmp(b.as_bytes()),
        (S::Varbinary(a), S::Varbinary(b)) => a.cmp(b),
        (S::Date(a), S::Date(b)) => a.cmp(b),
        (S::Timestamp(a), S::Timestamp(b)) => a.cmp(b),
        (S::Interval { months, days, nanos }, S::Interval { months: m, days: d, nanos: n }) => {
            // A month counts as 30 days of 24 hours.
            let nanos_of = |months: i32, days: i32, nanos: i64| {
                (i128::from(months) * 30 + i128::from(days)) * 86_400_000_000_000
                    + i128::from(nanos)
            };
            nanos_of(*months, *days, *nanos).cmp(&nanos_of(*m, *d, *n))
        }
        _ => panic!("{left} and {right} are of different types"),
    }
}
