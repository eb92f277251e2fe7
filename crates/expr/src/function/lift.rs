//! Kernels of plain functions: of one value of each argument, to one value or NULL. NULL in, NULL out.
//!
//! What a function gives says the rest: `T` always, `Option<T>` sometimes NULL, `Result<_, Failure>` a bad
//! record. Text is written into a buffer ([`text1`]).

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, Date32Array, Float64Array, Int64Array,
    IntervalMonthDayNanoArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow_buffer::IntervalMonthDayNano;

use tidemill_record::recycled::{Line, Room, Validity};

use crate::node::Kernel;
use crate::text_output::{TEXT_BYTES_MAX, tested, too_long, written};
use crate::value::{Failure, Lane, Value};

/// A type of argument.
pub(super) trait Input {
    /// A value of it.
    type Item<'a>: Copy;
    /// A column of it.
    type Lane<'a>;

    /// Reads a column.
    fn lane(value: &Value) -> Self::Lane<'_>;

    /// The value of a row; `None` for NULL.
    fn get<'a>(lane: &Self::Lane<'a>, row: usize) -> Option<Self::Item<'a>>;

    /// The value of a row of a column without NULLs.
    fn value<'a>(lane: &Self::Lane<'a>, row: usize) -> Self::Item<'a>;
}

macro_rules! input {
    ($name:ident, $about:literal, $item:ty, $array:ty, $as_array:expr) => {
        #[doc = $about]
        pub(super) struct $name;

        impl Input for $name {
            type Item<'a> = $item;
            type Lane<'a> = Lane<&'a $array>;

            fn lane(value: &Value) -> Self::Lane<'_> {
                let as_array: fn(&ArrayRef) -> &$array = $as_array;
                Lane::new(value, as_array(value.array()))
            }

            fn get<'a>(lane: &Self::Lane<'a>, row: usize) -> Option<Self::Item<'a>> {
                lane.get(row)
            }

            #[inline(always)]
            fn value<'a>(lane: &Self::Lane<'a>, row: usize) -> Self::Item<'a> {
                lane.value(row)
            }
        }
    };
}

input!(Text, "`VARCHAR`", &'a str, StringViewArray, |array| array.as_string_view());
input!(Bytes, "`VARBINARY`", &'a [u8], BinaryViewArray, |array| array.as_binary_view());
input!(Integer, "`BIGINT`", i64, Int64Array, |array| array.as_primitive::<Int64Type>());
input!(Double, "`DOUBLE`", f64, Float64Array, |array| array.as_primitive::<Float64Type>());
input!(Day, "`DATE`, in days", i32, Date32Array, |array| array.as_primitive::<Date32Type>());
input!(Time, "`TIMESTAMP`, in microseconds", i64, TimestampMicrosecondArray, |array| {
    array.as_primitive::<TimestampMicrosecondType>()
});
input!(Span, "`INTERVAL`", IntervalMonthDayNano, IntervalMonthDayNanoArray, |array| {
    array.as_primitive::<IntervalMonthDayNanoType>()
});

/// A `TIMESTAMP` as a result.
pub(super) struct Micros(pub(super) i64);
/// A `DATE` as a result.
pub(super) struct Days(pub(super) i32);

/// A type of result.
pub(super) trait Output: Sized {
    /// One value for each row, up to the first failure.
    fn collect(
        rows: usize,
        value: impl FnMut(usize) -> Result<Option<Self>, Failure>,
    ) -> Result<ArrayRef, Failure>;
}

/// A column of numbers, one for each row, up to the first failure.
pub(super) fn numbers<T: ArrowPrimitiveType>(
    rows: usize,
    mut value: impl FnMut(usize) -> Result<Option<T::Native>, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut room = Room::default();
    room.resize(rows);
    let mut validity = Validity::new(rows);
    for (row, place) in room.iter_mut().enumerate() {
        *place = match value(row)? {
            Some(value) => value,
            None => {
                validity.set_null(row);
                T::Native::default()
            }
        };
    }
    Ok(room.finish::<T>(validity.finish()))
}

/// A function that gives a plain value never fails.
macro_rules! gives {
    ($type:ty) => {
        impl Yield for $type {
            type Value = Self;
            const IS_FALLIBLE: bool = false;

            #[inline(always)]
            fn given(self) -> Result<Option<Self>, Failure> {
                Ok(Some(self))
            }
        }
    };
}

macro_rules! output {
    ($($type:ty => $array:ty, $native:expr;)*) => {$(
        impl Output for $type {
            fn collect(
                rows: usize,
                mut value: impl FnMut(usize) -> Result<Option<Self>, Failure>,
            ) -> Result<ArrayRef, Failure> {
                let native = $native;
                numbers::<$array>(rows, |row| Ok(value(row)?.map(native)))
            }
        }

        gives!($type);
    )*};
}

output! {
    i64 => Int64Type, |value: i64| value;
    f64 => Float64Type, |value: f64| value;
    Micros => TimestampMicrosecondType, |value: Micros| value.0;
    Days => Date32Type, |value: Days| value.0;
    IntervalMonthDayNano => IntervalMonthDayNanoType, |value: IntervalMonthDayNano| value;
}

gives!(bool);

impl Output for bool {
    fn collect(
        rows: usize,
        value: impl FnMut(usize) -> Result<Option<Self>, Failure>,
    ) -> Result<ArrayRef, Failure> {
        tested(&[], rows, value)
    }
}

impl Output for Vec<u8> {
    fn collect(
        rows: usize,
        value: impl FnMut(usize) -> Result<Option<Self>, Failure>,
    ) -> Result<ArrayRef, Failure> {
        let mut builder = BinaryViewBuilder::new();
        for value in (0..rows).map(value) {
            builder.append_option(value?);
        }
        Ok(Arc::new(builder.finish()))
    }
}

/// What a function gives for a row.
pub(super) trait Yield {
    /// Its type without NULL and failure.
    type Value: Output;
    /// Whether a row may fail.
    const IS_FALLIBLE: bool;

    /// The value, NULL or failure.
    fn given(self) -> Result<Option<Self::Value>, Failure>;
}

impl<T: Output> Yield for Option<T> {
    type Value = T;
    const IS_FALLIBLE: bool = false;

    fn given(self) -> Result<Option<T>, Failure> {
        Ok(self)
    }
}

impl<T: Output> Yield for Result<T, Failure> {
    type Value = T;
    const IS_FALLIBLE: bool = true;

    fn given(self) -> Result<Option<T>, Failure> {
        self.map(Some)
    }
}

impl<T: Output> Yield for Result<Option<T>, Failure> {
    type Value = T;
    const IS_FALLIBLE: bool = true;

    fn given(self) -> Self {
        self
    }
}

/// What a function says once it has written a text.
pub(super) trait Written {
    /// Whether a row may fail.
    const IS_FALLIBLE: bool;

    /// Whether there is a text, or NULL, or failure.
    fn given(self) -> Result<bool, Failure>;
}

impl Written for () {
    const IS_FALLIBLE: bool = false;

    fn given(self) -> Result<bool, Failure> {
        Ok(true)
    }
}

impl Written for Result<(), Failure> {
    const IS_FALLIBLE: bool = true;

    fn given(self) -> Result<bool, Failure> {
        self.map(|()| true)
    }
}

/// Appends within the limit of a text.
pub(super) fn push(out: &mut Line, part: &str) -> Result<(), Failure> {
    if out.len() + part.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    out.push_str(part);
    Ok(())
}

macro_rules! values {
    ($lift:ident, $($input:ident $lane:ident $at:literal),+) => {
        /// A kernel of values.
        pub(super) fn $lift<$($input: Input,)+ R: Yield>(
            f: impl for<'a> Fn($($input::Item<'a>),+) -> R + Send + Sync + 'static,
        ) -> Kernel {
            let kernel = Kernel::partial(move |values, rows| {
                $(let $lane = $input::lane(&values[$at]);)+
                if values.iter().all(|value| value.array().null_count() == 0) {
                    return R::Value::collect(rows, |row| f($($input::value(&$lane, row)),+).given());
                }
                R::Value::collect(rows, |row| {
                    $(let Some($lane) = $input::get(&$lane, row) else { return Ok(None) };)+
                    f($($lane),+).given()
                })
            });
            kernel.with_fallible(R::IS_FALLIBLE)
        }
    };
}

values!(value1, A a 0);
values!(value2, A a 0, B b 1);
values!(value3, A a 0, B b 1, C c 2);

macro_rules! texts {
    ($lift:ident, $($input:ident $lane:ident $at:tt),+) => {
        /// A kernel that writes texts; what it writes of a row that is NULL or fails does not count.
        pub(super) fn $lift<$($input: Input,)+ R: Written>(
            f: impl for<'a> Fn($($input::Item<'a>,)+ &mut Line) -> R + Send + Sync + 'static,
        ) -> Kernel {
            let kernel = Kernel::partial(move |values, rows| {
                $(let $lane = $input::lane(&values[$at]);)+
                written(values, rows, |row, out| {
                    $(let Some($lane) = $input::get(&$lane, row) else { return Ok(false) };)+
                    f($($lane,)+ out).given()
                })
            });
            kernel.with_fallible(R::IS_FALLIBLE)
        }
    };
}

texts!(text1, A a 0);
texts!(text2, A a 0, B b 1);
texts!(text3, A a 0, B b 1, C c 2);
texts!(text4, A a 0, B b 1, C c 2, D d 3);
