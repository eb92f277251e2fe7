//! One needed column of a text format: places of its values in, an Arrow array out.
//!
//! Values are parsed a chunk of records at a time in a loop per type. A value that does not fit is
//! noted and NULL stands in its place; [`super::rows`] takes the row out again.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, Decimal128Array,
};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, Buffer, NullBufferBuilder};
use tidemill_plan::{TimeForm, Times, TimestampUnit};
use tidemill_record::recycled::{Room, Sources};
use tidemill_record::{DataType, Field, TimeFormat};

use super::cells::{Cells, Chunk, Doubles, Integers, Near, OneByOne};
use super::cut::{Cuts, is_cut};
use super::fields::Fields;
#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::{Baseline, Lanes, Level};
use super::misfit::Misfit;
use super::number::{self, Fault};
use super::slot::Tag;
use super::view::{INLINE_BYTES_MAX, inline_view, long_view};
use super::{identifier, kinds, literal, time};
use crate::{FormatError, LeftOut};

/// A needed column while a batch is being gathered.
pub(crate) struct TextColumn {
    // Fixed at construction.
    field: Field,
    unit: TimestampUnit,
    is_inferred: bool,
    level: Level,
    // Changes with every chunk.
    nulls: NullBufferBuilder,
    values: Values,
    cuts: Cuts,
}

/// Values so far, one a row, NULL or not.
enum Values {
    Boolean(BooleanBufferBuilder),
    TinyInt(Room<i8>),
    SmallInt(Room<i16>),
    Integer(Room<i32>),
    BigInt(Room<i64>),
    Real(Room<f32>),
    Double(Room<f64>),
    Decimal(Room<i128>),
    /// Views into the frame (buffer 0) and the side buffer (buffer 1).
    Varchar {
        views: Room<u128>,
        is_inline: bool,
    },
    Varbinary {
        views: Room<u128>,
        bytes: Vec<u8>,
    },
    Date(Room<i32>),
    Timestamp(Room<i64>),
    /// Of a format that was asked for.
    FormattedDate(Room<i32>, Box<TimeFormat>),
    /// The same.
    FormattedTimestamp(Room<i64>, Box<TimeFormat>),
    Interval(Room<IntervalMonthDayNano>),
}

impl TextColumn {
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] for arrays.
    pub(crate) fn new(
        field: &Field,
        (unit, times): (TimestampUnit, &Times),
        is_inferred: bool,
    ) -> Result<Self, FormatError> {
        let form = times.of(field);
        let unit = match form {
            Some(TimeForm::Count(unit)) => *unit,
            _ => unit,
        };
        let values =
            Values::new(&field.data_type, form).ok_or_else(|| FormatError::UnsupportedColumn {
                column: field.name.clone(),
                reason: format!("{} cannot be read from text", field.data_type),
            })?;
        let nulls = NullBufferBuilder::new(0);
        let (field, level) = (field.clone(), Level::detect());
        let cuts = Cuts::default();
        Ok(Self { field, unit, is_inferred, level, nulls, values, cuts })
    }

    /// A column of the same kind, without values.
    pub(crate) fn like(&self) -> Self {
        Self {
            field: self.field.clone(),
            unit: self.unit,
            is_inferred: self.is_inferred,
            level: self.level,
            nulls: NullBufferBuilder::new(0),
            values: self.values.like(),
            cuts: Cuts::default(),
        }
    }

    /// Appends values of an array that such a column has finished, in the same batch.
    pub(crate) fn append_rows(&mut self, array: &ArrayRef, rows: &[u32]) {
        match array.nulls() {
            None => self.nulls.append_n_non_nulls(rows.len()),
            Some(nulls) => {
                rows.iter().for_each(|&row| self.nulls.append(nulls.is_valid(row as usize)));
            }
        }
        self.values.append_rows(array, rows);
    }

    /// Whether it has a text that is not in its view.
    pub(super) fn points_outside(&self) -> bool {
        matches!(self.values, Values::Varchar { is_inline: false, .. })
    }

    /// Parses the value of every record of the chunk.
    pub(crate) fn append<F: Fields>(&mut self, chunk: &Chunk<'_, F>, misfits: &mut Vec<Misfit>) {
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.append_avx2(lanes, chunk, misfits) },
            Level::Baseline => self.append_with(Baseline, chunk, misfits),
        }
        if self.is_inferred && matches!(self.values, Values::BigInt(_)) {
            identifier::refuse(chunk, &self.field, misfits);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn append_avx2<F: Fields>(
        &mut self,
        lanes: Avx2,
        chunk: &Chunk<'_, F>,
        misfits: &mut Vec<Misfit>,
    ) {
        self.append_with(lanes, chunk, misfits);
    }

    /// The types that most records have; any other is for [`Self::append_rarer`].
    #[inline(always)]
    fn append_with<L: Lanes, F: Fields>(
        &mut self,
        lanes: L,
        chunk: &Chunk<'_, F>,
        misfits: &mut Vec<Misfit>,
    ) {
        let (unit, is_inferred) = (self.unit, self.is_inferred);
        let mut cells = Cells::new(chunk, &self.field, &mut self.nulls, misfits);
        match &mut self.values {
            Values::BigInt(values) => {
                cells.parse::<L, Integers, _>(lanes, values, Near::integer, |text, tag| {
                    numeric(tag).and_then(|()| number::integer(text))
                });
            }
            Values::Double(values) => {
                let short = |near: Near<'_>| near.double(is_inferred);
                cells.parse::<L, Doubles, _>(lanes, values, short, |text, tag| {
                    numeric(tag)?;
                    double(text, is_inferred)
                });
            }
            Values::Timestamp(values) => {
                // A cell, because both ways count.
                let cut_count = Cell::new(0_u64);
                cells.parse::<Baseline, OneByOne, _>(
                    Baseline,
                    values,
                    |near| near.timestamp(lanes, unit, &cut_count),
                    |text, tag| {
                        let value = numeric(tag).and_then(|()| time::timestamp(text, unit));
                        let is_cut = value.is_ok() && is_cut(text, unit);
                        cut_count.set(cut_count.get() + u64::from(is_cut));
                        value
                    },
                );
                let cut_count = cut_count.get();
                if cut_count > 0 {
                    let is_first = |row: &usize| {
                        let slot = chunk.fields.slot(*row);
                        !slot.is_null() && is_cut(chunk.text(slot), unit)
                    };
                    let mut rows = 0..chunk.fields.row_count();
                    self.cuts.note(cut_count, || rows.find(is_first));
                }
            }
            Values::Varchar { views, is_inline } => cells.views(views, is_inline),
            _ => self.append_rarer(chunk, misfits),
        }
    }

    #[inline(never)]
    fn append_rarer<F: Fields>(&mut self, chunk: &Chunk<'_, F>, misfits: &mut Vec<Misfit>) {
        let mut cells = Cells::new(chunk, &self.field, &mut self.nulls, misfits);
        match &mut self.values {
            Values::Boolean(values) => {
                let mut truths = Room::default();
                cells.parse_each(&mut truths, |text, tag| truth(text, tag).map(u8::from));
                truths.iter().for_each(|value| values.append(*value == 1));
            }
            Values::TinyInt(values) => {
                let short = |near: Near<'_>| i8::try_from(near.integer()?).ok();
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, short, small::<i8>);
            }
            Values::SmallInt(values) => {
                let short = |near: Near<'_>| i16::try_from(near.integer()?).ok();
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, short, small::<i16>);
            }
            Values::Integer(values) => {
                let short = |near: Near<'_>| i32::try_from(near.integer()?).ok();
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, short, small::<i32>);
            }
            Values::Real(values) => {
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, Near::float, |text, tag| {
                    numeric(tag).and_then(|()| number::float(text))
                });
            }
            Values::Decimal(values) => {
                let DataType::Decimal { precision, scale } = self.field.data_type else {
                    unreachable!("values are made for the field's type");
                };
                let short = |near: Near<'_>| near.decimal(precision, scale);
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, short, |text, tag| {
                    numeric(tag).and_then(|()| number::decimal(text, precision, scale))
                });
            }
            Values::Varbinary { views, bytes } => cells.bytes(views, bytes),
            Values::Date(values) => {
                cells.parse::<Baseline, OneByOne, _>(Baseline, values, Near::date, |text, tag| {
                    string(tag).and_then(|()| time::date(text))
                });
            }
            Values::FormattedDate(values, format) => {
                cells.of_format(format.text()).parse_each(values, |text, tag| {
                    numeric(tag)?;
                    day_of(format.read(text).map_err(Fault::Format)?)
                });
            }
            Values::FormattedTimestamp(values, format) => {
                let mut cut_count = 0;
                cells.of_format(format.text()).parse_each(values, |text, tag| {
                    numeric(tag)?;
                    let (micros, is_cut) = format.read_noting_cut(text).map_err(Fault::Format)?;
                    cut_count += u64::from(is_cut);
                    Ok(micros)
                });
                if cut_count > 0 {
                    let is_cut =
                        |text| format.read_noting_cut(text).is_ok_and(|(_, is_cut)| is_cut);
                    let is_first = |row: &usize| {
                        let slot = chunk.fields.slot(*row);
                        !slot.is_null() && is_cut(chunk.text(slot))
                    };
                    let mut rows = 0..chunk.fields.row_count();
                    self.cuts.note(cut_count, || rows.find(is_first));
                }
            }
            Values::Interval(values) => cells.parse_each(values, interval),
            Values::BigInt(_)
            | Values::Double(_)
            | Values::Timestamp(_)
            | Values::Varchar { .. } => unreachable!("taken before"),
        }
    }

    /// The column of the batch; the builder is empty again afterwards.
    ///
    /// `frame` and `side` are what the slots pointed into.
    pub(crate) fn finish(&mut self, frame: &Buffer, side: &Buffer) -> ArrayRef {
        let nulls = self.nulls.finish();
        match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::TinyInt(values) => values.finish::<Int8Type>(nulls),
            Values::SmallInt(values) => values.finish::<Int16Type>(nulls),
            Values::Integer(values) => values.finish::<Int32Type>(nulls),
            Values::BigInt(values) => values.finish::<Int64Type>(nulls),
            Values::Real(values) => values.finish::<Float32Type>(nulls),
            Values::Double(values) => values.finish::<Float64Type>(nulls),
            Values::Decimal(values) => Arc::new(
                Decimal128Array::new(values.take(), nulls)
                    .with_data_type(self.field.data_type.arrow()),
            ),
            Values::Date(values) | Values::FormattedDate(values, _) => {
                values.finish::<Date32Type>(nulls)
            }
            Values::Timestamp(values) | Values::FormattedTimestamp(values, _) => {
                values.finish::<TimestampMicrosecondType>(nulls)
            }
            Values::Interval(values) => values.finish::<IntervalMonthDayNanoType>(nulls),
            Values::Varchar { views, is_inline } => {
                // Where every string is inlined the frame need not be kept for its sake.
                let texts = if std::mem::replace(is_inline, true) {
                    Sources::Inline
                } else {
                    Sources::Two(frame.clone(), side.clone())
                };
                // SAFETY: every view was made by `Cells::views`, which either inlines at most 12
                // bytes or points at a slot's range of buffer 0 or 1, with its first four bytes as
                // prefix. `Rows` keeps only records that are UTF-8 as a whole, and a slot begins
                // and ends beside ASCII bytes, beside a whole text of a log's format, where a
                // `str` was matched, or at its record's ends; what stands in the side buffer is
                // UTF-8 by itself. The views of dropped records are replaced by empty ones before.
                unsafe { views.finish_texts(texts, nulls) }
            }
            Values::Varbinary { views, bytes } => {
                let buffers: Arc<[Buffer]> = Arc::new([Buffer::from_vec(std::mem::take(bytes))]);
                // SAFETY: every view was made by `Cells::bytes`: inlined, or a range of the one
                // buffer with its first four bytes as prefix.
                Arc::new(unsafe { BinaryViewArray::new_unchecked(views.take(), buffers, nulls) })
            }
        }
    }

    pub(super) fn data_type(&self) -> &DataType {
        &self.field.data_type
    }

    /// Timestamps that were cut.
    pub(super) fn cuts_mut(&mut self) -> &mut Cuts {
        &mut self.cuts
    }

    pub(super) fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// As [`crate::Decoder::left_out`].
    pub(crate) fn left_out(&self) -> Option<LeftOut> {
        self.cuts.left_out(&self.field.name)
    }

    /// Makes a row's text empty because its record turned out not to be UTF-8.
    pub(crate) fn blank(&mut self, row: usize) {
        if let Values::Varchar { views, .. } = &mut self.values {
            views[row] = 0;
        }
    }
}

/// Makes room for more rows. The first of them find room for a batch, lest it grow by copying.
#[inline(always)]
pub(super) fn make_room<T: ArrowNativeType>(values: &mut Room<T>, rows: usize) {
    const FIRST_ROWS: usize = 8192;
    let is_first = values.capacity() == 0;
    values.reserve(if is_first { rows.max(FIRST_ROWS) } else { rows });
}

impl Values {
    fn new(data_type: &DataType, form: Option<&TimeForm>) -> Option<Self> {
        let format = match form {
            Some(TimeForm::Format(format)) => Some(Box::new(format.clone())),
            _ => None,
        };
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBufferBuilder::new(0)),
            DataType::TinyInt => Self::TinyInt(Room::default()),
            DataType::SmallInt => Self::SmallInt(Room::default()),
            DataType::Integer => Self::Integer(Room::default()),
            DataType::BigInt => Self::BigInt(Room::default()),
            DataType::Real => Self::Real(Room::default()),
            DataType::Double => Self::Double(Room::default()),
            DataType::Decimal { .. } => Self::Decimal(Room::default()),
            DataType::Varchar => Self::Varchar { views: Room::default(), is_inline: true },
            DataType::Varbinary => Self::Varbinary { views: Room::default(), bytes: Vec::new() },
            DataType::Date => match format {
                Some(format) => Self::FormattedDate(Room::default(), format),
                None => Self::Date(Room::default()),
            },
            DataType::Timestamp => match format {
                Some(format) => Self::FormattedTimestamp(Room::default(), format),
                None => Self::Timestamp(Room::default()),
            },
            DataType::Interval => Self::Interval(Room::default()),
            DataType::Array(_) => return None,
        })
    }
}

impl Values {
    /// None, of the same type.
    fn like(&self) -> Self {
        match self {
            Self::Boolean(_) => Self::Boolean(BooleanBufferBuilder::new(0)),
            Self::TinyInt(_) => Self::TinyInt(Room::default()),
            Self::SmallInt(_) => Self::SmallInt(Room::default()),
            Self::Integer(_) => Self::Integer(Room::default()),
            Self::BigInt(_) => Self::BigInt(Room::default()),
            Self::Real(_) => Self::Real(Room::default()),
            Self::Double(_) => Self::Double(Room::default()),
            Self::Decimal(_) => Self::Decimal(Room::default()),
            Self::Varchar { .. } => Self::Varchar { views: Room::default(), is_inline: true },
            Self::Varbinary { .. } => Self::Varbinary { views: Room::default(), bytes: Vec::new() },
            Self::Date(_) => Self::Date(Room::default()),
            Self::Timestamp(_) => Self::Timestamp(Room::default()),
            Self::FormattedDate(_, format) => Self::FormattedDate(Room::default(), format.clone()),
            Self::FormattedTimestamp(_, format) => {
                Self::FormattedTimestamp(Room::default(), format.clone())
            }
            Self::Interval(_) => Self::Interval(Room::default()),
        }
    }

    /// As [`TextColumn::append_rows`].
    fn append_rows(&mut self, array: &ArrayRef, rows: &[u32]) {
        match self {
            Self::Boolean(values) => {
                let truths = array.as_boolean().values();
                rows.iter().for_each(|&row| values.append(truths.value(row as usize)));
            }
            Self::TinyInt(values) => append_numbers::<Int8Type>(values, array, rows),
            Self::SmallInt(values) => append_numbers::<Int16Type>(values, array, rows),
            Self::Integer(values) => append_numbers::<Int32Type>(values, array, rows),
            Self::BigInt(values) => append_numbers::<Int64Type>(values, array, rows),
            Self::Real(values) => append_numbers::<Float32Type>(values, array, rows),
            Self::Double(values) => append_numbers::<Float64Type>(values, array, rows),
            Self::Decimal(values) => append_numbers::<Decimal128Type>(values, array, rows),
            Self::Varchar { views, is_inline } => {
                let of_array = array.as_string_view().views();
                append(views, of_array, rows);
                *is_inline &= array.as_string_view().data_buffers().is_empty();
            }
            Self::Varbinary { views, bytes } => {
                let texts: &BinaryViewArray = array.as_binary_view();
                for &row in rows {
                    let text = texts.value(row as usize);
                    views.push(view_of_bytes(text, bytes));
                }
            }
            Self::Date(values) | Self::FormattedDate(values, _) => {
                append_numbers::<Date32Type>(values, array, rows);
            }
            Self::Timestamp(values) | Self::FormattedTimestamp(values, _) => {
                append_numbers::<TimestampMicrosecondType>(values, array, rows);
            }
            Self::Interval(values) => {
                append_numbers::<IntervalMonthDayNanoType>(values, array, rows);
            }
        }
    }
}

fn append_numbers<T: ArrowPrimitiveType>(
    values: &mut Room<T::Native>,
    array: &ArrayRef,
    rows: &[u32],
) {
    append(values, array.as_primitive::<T>().values(), rows);
}

fn append<T: ArrowNativeType>(values: &mut Room<T>, from: &[T], rows: &[u32]) {
    make_room(values, rows.len());
    if rows.len() == from.len() {
        values.extend(from.iter().copied());
    } else {
        values.extend(rows.iter().map(|&row| from[row as usize]));
    }
}

/// Appends bytes to those that views point into, unless the view holds them itself.
fn view_of_bytes(text: &[u8], bytes: &mut Vec<u8>) -> u128 {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    if text.len() > INLINE_BYTES_MAX {
        return long_view(bytes, start, text.len(), 0);
    }
    let view = inline_view(bytes, start, text.len());
    bytes.truncate(start);
    view
}

/// Refuses what is neither text nor a number.
#[inline]
fn numeric(tag: Tag) -> Result<(), Fault> {
    if matches!(tag, Tag::Truth | Tag::Nested) { Err(Fault::Kind) } else { Ok(()) }
}

/// Refuses what is not text.
#[inline]
pub(super) fn string(tag: Tag) -> Result<(), Fault> {
    if matches!(tag, Tag::Text | Tag::Unescaped) { Ok(()) } else { Err(Fault::Kind) }
}

/// A double; where nobody declared one, of no more digits than it gives back.
#[inline]
pub(super) fn double(text: &[u8], is_inferred: bool) -> Result<f64, Fault> {
    let value = number::float(text)?;
    // With an exponent, it has any digits.
    let has_exponent = || text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'e'));
    if is_inferred && !has_exponent() && !kinds::may_be_double(text) {
        return Err(Fault::Digits);
    }
    Ok(value)
}

#[inline]
fn truth(text: &[u8], tag: Tag) -> Result<bool, Fault> {
    match tag {
        Tag::Truth => Ok(text.len() == 4),
        // JSON of writers that have no truth values.
        Tag::Number if matches!(text, b"0" | b"1") => Ok(text == b"1"),
        _ => string(tag).and_then(|()| literal::truth(text)),
    }
}

#[inline]
fn small<T: TryFrom<i64>>(text: &[u8], tag: Tag) -> Result<T, Fault> {
    numeric(tag)?;
    T::try_from(number::integer(text)?).map_err(|_| Fault::Range)
}

/// The day of a time.
fn day_of(micros: i64) -> Result<i32, Fault> {
    i32::try_from(micros.div_euclid(time::MICROS_PER_DAY)).map_err(|_| Fault::Range)
}

fn interval(text: &[u8], tag: Tag) -> Result<IntervalMonthDayNano, Fault> {
    string(tag)?;
    let (months, days, nanoseconds) = time::interval(text)?;
    Ok(IntervalMonthDayNano { months, days, nanoseconds })
}
