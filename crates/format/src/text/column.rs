//! One needed column of a text format: slots in, an Arrow array out.
//!
//! Values are parsed a chunk of records at a time in a loop per type. A value that does not fit is
//! noted and NULL stands in its place; [`super::rows`] takes the row out again.

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, ScalarBuffer};
use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};
use tidemill_plan::TimestampUnit;
use tidemill_record::{DataType, Field};

use super::number::{self, Fault};
use super::slot::{Slot, Tag, narrow};
use super::{literal, time};
use crate::FormatError;

/// A needed column while a batch is being gathered.
pub(crate) struct TextColumn {
    // Fixed at construction.
    field: Field,
    unit: TimestampUnit,
    // Changes with every chunk.
    nulls: NullBufferBuilder,
    values: Values,
}

/// Values so far, one a row, NULL or not.
enum Values {
    Boolean(BooleanBufferBuilder),
    TinyInt(Vec<i8>),
    SmallInt(Vec<i16>),
    Integer(Vec<i32>),
    BigInt(Vec<i64>),
    Real(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>),
    /// Views into the frame (buffer 0) and the side buffer (buffer 1).
    Varchar {
        views: Vec<u128>,
        is_inline: bool,
    },
    Varbinary {
        views: Vec<u128>,
        bytes: Vec<u8>,
    },
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Interval(Vec<IntervalMonthDayNano>),
}

/// The records of a chunk: their slots row by row, and what those point into.
pub(crate) struct Chunk<'a> {
    /// `row_count × stride` slots.
    pub(crate) slots: &'a [Slot],
    /// Slots a row, at least 1.
    pub(crate) stride: usize,
    /// The frame.
    pub(crate) frame: &'a [u8],
    /// What was unescaped.
    pub(crate) side: &'a [u8],
}

/// A value that did not fit.
pub(crate) struct Misfit {
    /// Row within the chunk.
    pub(crate) row: usize,
    /// Why, as for [`tidemill_record::BadRecord`].
    pub(crate) reason: String,
}

impl TextColumn {
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] for arrays.
    pub(crate) fn new(field: &Field, unit: TimestampUnit) -> Result<Self, FormatError> {
        let values =
            Values::new(&field.data_type).ok_or_else(|| FormatError::UnsupportedColumn {
                column: field.name.clone(),
                reason: format!("{} cannot be read from text", field.data_type),
            })?;
        Ok(Self { field: field.clone(), unit, nulls: NullBufferBuilder::new(0), values })
    }

    pub(crate) fn name(&self) -> &str {
        &self.field.name
    }

    /// Parses slot `column` of every row of the chunk.
    pub(crate) fn append(&mut self, column: usize, chunk: &Chunk<'_>, misfits: &mut Vec<Misfit>) {
        let unit = self.unit;
        let mut cells =
            Cells { column, chunk, field: &self.field, nulls: &mut self.nulls, misfits };
        match &mut self.values {
            Values::Boolean(values) => cells.parse(truth, |value| values.append(value)),
            Values::TinyInt(values) => cells.parse(small::<i8>, |value| values.push(value)),
            Values::SmallInt(values) => cells.parse(small::<i16>, |value| values.push(value)),
            Values::Integer(values) => cells.parse(small::<i32>, |value| values.push(value)),
            Values::BigInt(values) => {
                cells.parse(
                    |text, tag| numeric(tag).and_then(|()| number::integer(text)),
                    |value| {
                        values.push(value);
                    },
                );
            }
            Values::Real(values) => {
                cells.parse(
                    |text, tag| numeric(tag).and_then(|()| number::float(text)),
                    |value| {
                        values.push(value);
                    },
                );
            }
            Values::Double(values) => {
                cells.parse(
                    |text, tag| numeric(tag).and_then(|()| number::float(text)),
                    |value| {
                        values.push(value);
                    },
                );
            }
            Values::Decimal(values) => {
                let DataType::Decimal { precision, scale } = self.field.data_type else {
                    unreachable!("values are made for the field's type");
                };
                cells.parse(
                    |text, tag| numeric(tag).and_then(|()| number::decimal(text, precision, scale)),
                    |value| values.push(value),
                );
            }
            Values::Varchar { views, is_inline } => cells.views(views, is_inline),
            Values::Varbinary { views, bytes } => cells.bytes(views, bytes),
            Values::Date(values) => {
                cells.parse(
                    |text, tag| string(tag).and_then(|()| time::date(text)),
                    |value| {
                        values.push(value);
                    },
                );
            }
            Values::Timestamp(values) => {
                let mut last = time::LastDate::default();
                cells.parse(
                    |text, tag| numeric(tag).and_then(|()| time::timestamp(text, unit, &mut last)),
                    |value| values.push(value),
                );
            }
            Values::Interval(values) => cells.parse(interval, |value| values.push(value)),
        }
    }

    /// The column of the batch; the builder is empty again afterwards.
    ///
    /// `frame` and `side` are what the slots pointed into.
    pub(crate) fn finish(&mut self, frame: &Buffer, side: &Buffer) -> ArrayRef {
        let nulls = self.nulls.finish();
        match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::TinyInt(values) => Arc::new(Int8Array::new(taken(values), nulls)),
            Values::SmallInt(values) => Arc::new(Int16Array::new(taken(values), nulls)),
            Values::Integer(values) => Arc::new(Int32Array::new(taken(values), nulls)),
            Values::BigInt(values) => Arc::new(Int64Array::new(taken(values), nulls)),
            Values::Real(values) => Arc::new(Float32Array::new(taken(values), nulls)),
            Values::Double(values) => Arc::new(Float64Array::new(taken(values), nulls)),
            Values::Decimal(values) => Arc::new(
                Decimal128Array::new(taken(values), nulls)
                    .with_data_type(self.field.data_type.arrow()),
            ),
            Values::Date(values) => Arc::new(Date32Array::new(taken(values), nulls)),
            Values::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::new(taken(values), nulls))
            }
            Values::Interval(values) => {
                Arc::new(IntervalMonthDayNanoArray::new(taken(values), nulls))
            }
            Values::Varchar { views, is_inline } => {
                // Where every string is inlined the frame need not be kept for its sake.
                let buffers: Arc<[Buffer]> =
                    if *is_inline { Arc::new([]) } else { Arc::new([frame.clone(), side.clone()]) };
                *is_inline = true;
                // SAFETY: every view was made by `Cells::views`, which either inlines at most 12
                // bytes or points at a slot's range of buffer 0 or 1, with its first four bytes as
                // prefix. `Rows` keeps only records that are UTF-8 as a whole, and a slot begins
                // and ends beside ASCII bytes or at its record's ends; the views of dropped
                // records are replaced by empty ones before.
                Arc::new(unsafe { StringViewArray::new_unchecked(taken(views), buffers, nulls) })
            }
            Values::Varbinary { views, bytes } => {
                let buffers: Arc<[Buffer]> = Arc::new([Buffer::from_vec(std::mem::take(bytes))]);
                // SAFETY: every view was made by `Cells::bytes`: inlined, or a range of the one
                // buffer with its first four bytes as prefix.
                Arc::new(unsafe { BinaryViewArray::new_unchecked(taken(views), buffers, nulls) })
            }
        }
    }

    /// Makes a row's text empty because its record turned out not to be UTF-8.
    pub(crate) fn blank(&mut self, row: usize) {
        if let Values::Varchar { views, .. } = &mut self.values {
            views[row] = 0;
        }
    }
}

/// Takes the values out and leaves room for as many.
fn taken<T: arrow_buffer::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let capacity = values.len();
    ScalarBuffer::from(std::mem::replace(values, Vec::with_capacity(capacity)))
}

impl Values {
    fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBufferBuilder::new(0)),
            DataType::TinyInt => Self::TinyInt(Vec::new()),
            DataType::SmallInt => Self::SmallInt(Vec::new()),
            DataType::Integer => Self::Integer(Vec::new()),
            DataType::BigInt => Self::BigInt(Vec::new()),
            DataType::Real => Self::Real(Vec::new()),
            DataType::Double => Self::Double(Vec::new()),
            DataType::Decimal { .. } => Self::Decimal(Vec::new()),
            DataType::Varchar => Self::Varchar { views: Vec::new(), is_inline: true },
            DataType::Varbinary => Self::Varbinary { views: Vec::new(), bytes: Vec::new() },
            DataType::Date => Self::Date(Vec::new()),
            DataType::Timestamp => Self::Timestamp(Vec::new()),
            DataType::Interval => Self::Interval(Vec::new()),
            DataType::Array(_) => return None,
        })
    }
}

/// The cells of one column of a chunk.
struct Cells<'a> {
    column: usize,
    chunk: &'a Chunk<'a>,
    field: &'a Field,
    nulls: &'a mut NullBufferBuilder,
    misfits: &'a mut Vec<Misfit>,
}

impl<'a> Cells<'a> {
    #[inline]
    fn parse<T: Default>(
        &mut self,
        mut parse: impl FnMut(&[u8], Tag) -> Result<T, Fault>,
        mut push: impl FnMut(T),
    ) {
        let chunk = self.chunk;
        for (row, slots) in chunk.slots.chunks_exact(chunk.stride).enumerate() {
            let slot = slots[self.column];
            if slot.is_null() {
                self.null(row);
                push(T::default());
                continue;
            }
            let text = chunk.text(slot);
            match parse(text, slot.tag()) {
                Ok(value) => {
                    self.nulls.append_non_null();
                    push(value);
                }
                Err(fault) => {
                    self.misfit(row, text, fault);
                    push(T::default());
                }
            }
        }
    }

    fn views(&mut self, views: &mut Vec<u128>, is_inline: &mut bool) {
        let chunk = self.chunk;
        for (row, slots) in chunk.slots.chunks_exact(chunk.stride).enumerate() {
            let slot = slots[self.column];
            if slot.is_null() {
                self.null(row);
                views.push(0);
                continue;
            }
            self.nulls.append_non_null();
            let (bytes, buffer) = match slot.tag() {
                Tag::Unescaped => (chunk.side, 1),
                _ => (chunk.frame, 0),
            };
            if slot.len() <= MAX_INLINE_VIEW_LEN as usize {
                views.push(inline_view(bytes, slot.start(), slot.len()));
            } else {
                *is_inline = false;
                views.push(long_view(bytes, slot.start(), slot.len(), buffer));
            }
        }
    }

    fn bytes(&mut self, views: &mut Vec<u128>, out: &mut Vec<u8>) {
        let chunk = self.chunk;
        for (row, slots) in chunk.slots.chunks_exact(chunk.stride).enumerate() {
            let slot = slots[self.column];
            if slot.is_null() {
                self.null(row);
                views.push(0);
                continue;
            }
            let text = chunk.text(slot);
            let start = out.len();
            match string(slot.tag()).and_then(|()| literal::hex(text, out)) {
                Ok(()) => {
                    self.nulls.append_non_null();
                    let len = out.len() - start;
                    if len <= MAX_INLINE_VIEW_LEN as usize {
                        views.push(inline_view(out, start, len));
                        out.truncate(start);
                    } else {
                        views.push(long_view(out, start, len, 0));
                    }
                }
                Err(fault) => {
                    out.truncate(start);
                    self.misfit(row, text, fault);
                    views.push(0);
                }
            }
        }
    }

    #[inline]
    fn null(&mut self, row: usize) {
        self.nulls.append_null();
        if !self.field.is_nullable {
            let reason = format!("NULL in column {}, which is NOT NULL", self.field.name);
            self.misfits.push(Misfit { row, reason });
        }
    }

    #[cold]
    fn misfit(&mut self, row: usize, text: &[u8], fault: Fault) {
        self.nulls.append_null();
        let reason = reason(text, fault, &self.field.data_type);
        self.misfits.push(Misfit { row, reason });
    }
}

impl<'a> Chunk<'a> {
    #[inline]
    fn text(&self, slot: Slot) -> &'a [u8] {
        let bytes = if slot.tag() == Tag::Unescaped { self.side } else { self.frame };
        &bytes[slot.start()..slot.start() + slot.len()]
    }
}

/// A view that holds its at most 12 bytes itself: length in the low 4 bytes, then the text.
#[inline]
fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
    let text = match bytes.get(start..start + 16) {
        Some(loaded) => {
            let loaded = u128::from_le_bytes(loaded.try_into().expect("sixteen bytes"));
            loaded & ((1 << (8 * len)) - 1)
        }
        None => {
            let mut padded = [0; 16];
            padded[..len].copy_from_slice(&bytes[start..start + len]);
            u128::from_le_bytes(padded)
        }
    };
    (text << 32) | u128::from(narrow(len))
}

#[inline]
fn long_view(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
    let prefix: [u8; 4] = bytes[start..start + 4].try_into().expect("four bytes");
    ByteView::new(narrow(len), &prefix)
        .with_buffer_index(buffer)
        .with_offset(narrow(start))
        .as_u128()
}

/// Refuses what is neither text nor a number.
#[inline]
fn numeric(tag: Tag) -> Result<(), Fault> {
    if matches!(tag, Tag::Truth | Tag::Nested) { Err(Fault::Kind) } else { Ok(()) }
}

/// Refuses what is not text.
#[inline]
fn string(tag: Tag) -> Result<(), Fault> {
    if matches!(tag, Tag::Text | Tag::Unescaped) { Ok(()) } else { Err(Fault::Kind) }
}

#[inline]
fn truth(text: &[u8], tag: Tag) -> Result<bool, Fault> {
    match tag {
        Tag::Truth => Ok(text.len() == 4),
        _ => string(tag).and_then(|()| literal::truth(text)),
    }
}

#[inline]
fn small<T: TryFrom<i64>>(text: &[u8], tag: Tag) -> Result<T, Fault> {
    numeric(tag)?;
    T::try_from(number::integer(text)?).map_err(|_| Fault::Range)
}

fn interval(text: &[u8], tag: Tag) -> Result<IntervalMonthDayNano, Fault> {
    string(tag)?;
    let (months, days, nanoseconds) = time::interval(text)?;
    Ok(IntervalMonthDayNano { months, days, nanoseconds })
}

/// The fault as a sentence, with the text clipped to 60 characters.
fn reason(text: &[u8], fault: Fault, data_type: &DataType) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let text = String::from_utf8_lossy(text);
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    match fault {
        Fault::Syntax => format!("'{shown}' is not a value of {data_type}"),
        Fault::Kind => format!("{shown} is not a value of {data_type}"),
        Fault::Range => format!("'{shown}' is out of range for {data_type}"),
        Fault::Fraction => format!("'{shown}' has more digits after the point than {data_type}"),
    }
}
