//! One needed column of a text format: slots in, an Arrow array out.
//!
//! Values are parsed a chunk of records at a time in a loop per type. A value that does not fit is
//! noted and NULL stands in its place; [`super::rows`] takes the row out again.

use std::cell::Cell;
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

#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::{Baseline, Lanes, Level};
use super::number::{self, Fault};
use super::slot::{Slot, Tag, narrow};
use super::{digits, literal, time};
use crate::FormatError;

/// A needed column while a batch is being gathered.
pub(crate) struct TextColumn {
    // Fixed at construction.
    field: Field,
    unit: TimestampUnit,
    level: Level,
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

/// One column of the records of a chunk: where its values stand, and what they stand in.
pub(crate) struct Chunk<'a> {
    /// A slot a record.
    pub(crate) slots: &'a [Slot],
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
        let nulls = NullBufferBuilder::new(0);
        Ok(Self { field: field.clone(), unit, level: Level::detect(), nulls, values })
    }

    /// Parses the value of every record of the chunk.
    pub(crate) fn append(&mut self, chunk: &Chunk<'_>, misfits: &mut Vec<Misfit>) {
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was detected on this host.
            Level::Avx2 => unsafe { self.append_avx2(chunk, misfits) },
            Level::Baseline => self.append_with::<Baseline>(chunk, misfits),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn append_avx2(&mut self, chunk: &Chunk<'_>, misfits: &mut Vec<Misfit>) {
        self.append_with::<Avx2>(chunk, misfits);
    }

    /// The types that most records have; any other is for [`Self::append_rarer`].
    #[inline(always)]
    fn append_with<L: Lanes>(&mut self, chunk: &Chunk<'_>, misfits: &mut Vec<Misfit>) {
        let unit = self.unit;
        let mut cells = Cells { chunk, field: &self.field, nulls: &mut self.nulls, misfits };
        match &mut self.values {
            Values::BigInt(values) => {
                cells.parse(values, L::four_integers, Near::integer, |text, tag| {
                    numeric(tag).and_then(|()| number::integer(text))
                });
            }
            Values::Double(values) => {
                cells.parse(values, L::four_doubles, Near::double, |text, tag| {
                    numeric(tag).and_then(|()| number::float(text))
                });
            }
            Values::Timestamp(values) => {
                // A cell, because the long way changes what the short way reads.
                let last = Cell::new(time::LastMinute::default());
                cells.parse(
                    values,
                    |_, _| None,
                    |near| near.timestamp(&last),
                    |text, tag| {
                        let mut minute = last.get();
                        let value =
                            numeric(tag).and_then(|()| time::timestamp(text, unit, &mut minute));
                        last.set(minute);
                        value
                    },
                );
            }
            Values::Varchar { views, is_inline } => cells.views(views, is_inline),
            _ => self.append_rarer(chunk, misfits),
        }
    }

    #[inline(never)]
    fn append_rarer(&mut self, chunk: &Chunk<'_>, misfits: &mut Vec<Misfit>) {
        let mut cells = Cells { chunk, field: &self.field, nulls: &mut self.nulls, misfits };
        match &mut self.values {
            Values::Boolean(values) => {
                let mut truths = Vec::new();
                cells.parse_each(&mut truths, truth);
                truths.into_iter().for_each(|value| values.append(value));
            }
            Values::TinyInt(values) => cells.parse_each(values, small::<i8>),
            Values::SmallInt(values) => cells.parse_each(values, small::<i16>),
            Values::Integer(values) => {
                let short = |near: Near<'_>| i32::try_from(near.integer()?).ok();
                cells.parse(values, |_, _| None, short, small::<i32>);
            }
            Values::Real(values) => {
                cells.parse_each(values, |text, tag| {
                    numeric(tag).and_then(|()| number::float(text))
                });
            }
            Values::Decimal(values) => {
                let DataType::Decimal { precision, scale } = self.field.data_type else {
                    unreachable!("values are made for the field's type");
                };
                cells.parse_each(values, |text, tag| {
                    numeric(tag).and_then(|()| number::decimal(text, precision, scale))
                });
            }
            Values::Varbinary { views, bytes } => cells.bytes(views, bytes),
            Values::Date(values) => {
                cells.parse_each(values, |text, tag| string(tag).and_then(|()| time::date(text)));
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
    chunk: &'a Chunk<'a>,
    field: &'a Field,
    nulls: &'a mut NullBufferBuilder,
    misfits: &'a mut Vec<Misfit>,
}

impl<'a> Cells<'a> {
    /// Appends a value a row: what `wide` makes of four plain slots or `short` of one or, where they
    /// have no answer, `parse`.
    #[inline(always)]
    fn parse<T: Copy + Default>(
        &mut self,
        values: &mut Vec<T>,
        wide: impl Fn([u64; 4], [u64; 4]) -> Option<[T; 4]>,
        short: impl Fn(Near<'a>) -> Option<T>,
        mut parse: impl FnMut(&[u8], Tag) -> Result<T, Fault>,
    ) {
        let chunk = self.chunk;
        let first = values.len();
        values.resize(first + chunk.slots.len(), T::default());
        let mut nulls = Gaps::new(self.nulls);
        let fours = values[first..].chunks_mut(4).zip(chunk.slots.chunks(4));
        for (index, (values, slots)) in fours.enumerate() {
            if let Some((words, lens)) = four_words(chunk.frame, slots)
                && let Some(read) = wide(words, lens)
            {
                values.copy_from_slice(&read);
                continue;
            }
            for (within, (value, slot)) in values.iter_mut().zip(slots).enumerate() {
                let (row, slot) = (4 * index + within, *slot);
                if slot.is_plain()
                    && let Some(read) = short(Near { bytes: chunk.frame, slot })
                {
                    *value = read;
                    continue;
                }
                if slot.is_null() {
                    nulls.append_null(row);
                    null(self.field, self.misfits, row);
                    continue;
                }
                let text = chunk.text(slot);
                match parse(text, slot.tag()) {
                    Ok(read) => *value = read,
                    Err(fault) => {
                        nulls.append_null(row);
                        misfit(self.field, self.misfits, row, text, fault);
                    }
                }
            }
        }
        nulls.finish(chunk.slots.len());
    }

    /// Appends a value a row, each the careful way.
    fn parse_each<T: Copy + Default>(
        &mut self,
        values: &mut Vec<T>,
        parse: impl FnMut(&[u8], Tag) -> Result<T, Fault>,
    ) {
        self.parse(values, |_, _| None, |_| None, parse);
    }

    #[inline(always)]
    fn views(&mut self, views: &mut Vec<u128>, is_inline: &mut bool) {
        let chunk = self.chunk;
        let first = views.len();
        views.resize(first + chunk.slots.len(), 0);
        let mut nulls = Gaps::new(self.nulls);
        for (row, (view, slot)) in views[first..].iter_mut().zip(chunk.slots).enumerate() {
            if slot.is_null() {
                nulls.append_null(row);
                null(self.field, self.misfits, row);
                continue;
            }
            let (bytes, buffer) = match slot.tag() {
                Tag::Unescaped => (chunk.side, 1),
                _ => (chunk.frame, 0),
            };
            *view = if slot.len() <= MAX_INLINE_VIEW_LEN as usize {
                inline_view(bytes, slot.start(), slot.len())
            } else {
                *is_inline = false;
                long_view(bytes, slot.start(), slot.len(), buffer)
            };
        }
        nulls.finish(chunk.slots.len());
    }

    fn bytes(&mut self, views: &mut Vec<u128>, out: &mut Vec<u8>) {
        let chunk = self.chunk;
        let mut nulls = Gaps::new(self.nulls);
        for (row, slot) in chunk.slots.iter().copied().enumerate() {
            if slot.is_null() {
                nulls.append_null(row);
                null(self.field, self.misfits, row);
                views.push(0);
                continue;
            }
            let text = chunk.text(slot);
            let start = out.len();
            match string(slot.tag()).and_then(|()| literal::hex(text, out)) {
                Ok(()) => {
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
                    nulls.append_null(row);
                    misfit(self.field, self.misfits, row, text, fault);
                    views.push(0);
                }
            }
        }
        nulls.finish(chunk.slots.len());
    }
}

#[cold]
pub(super) fn null(field: &Field, misfits: &mut Vec<Misfit>, row: usize) {
    if !field.is_nullable {
        let reason = format!("NULL in column {}, which is NOT NULL", field.name);
        misfits.push(Misfit { row, reason });
    }
}

#[cold]
pub(super) fn misfit(
    field: &Field,
    misfits: &mut Vec<Misfit>,
    row: usize,
    text: &[u8],
    fault: Fault,
) {
    let reason = reason(text, fault, &field.data_type);
    misfits.push(Misfit { row, reason });
}

/// Rows without a value, noted where they are met; those between them cost nothing.
struct Gaps<'a> {
    nulls: &'a mut NullBufferBuilder,
    /// Rows of the chunk that are noted.
    noted: usize,
}

impl<'a> Gaps<'a> {
    fn new(nulls: &'a mut NullBufferBuilder) -> Self {
        Self { nulls, noted: 0 }
    }

    fn append_null(&mut self, row: usize) {
        self.nulls.append_n_non_nulls(row - self.noted);
        self.nulls.append_null();
        self.noted = row + 1;
    }

    fn finish(self, row_count: usize) {
        self.nulls.append_n_non_nulls(row_count - self.noted);
    }
}

/// Four plain slots of one to eight bytes as words, and their lengths.
#[inline(always)]
fn four_words(frame: &[u8], slots: &[Slot]) -> Option<([u64; 4], [u64; 4])> {
    let slots: &[Slot; 4] = slots.try_into().ok()?;
    let (mut words, mut lens) = ([0; 4], [0; 4]);
    for ((word, len), slot) in words.iter_mut().zip(&mut lens).zip(slots) {
        *len = slot.short_len()?;
        let loaded: &[u8; 8] = frame.get(slot.start()..)?.first_chunk()?;
        *word = u64::from_le_bytes(*loaded);
    }
    Some((words, lens))
}

/// A plain slot within its frame, for those who load more bytes at once than it has.
#[derive(Clone, Copy)]
struct Near<'a> {
    bytes: &'a [u8],
    slot: Slot,
}

impl Near<'_> {
    /// Sixteen bytes from `at` bytes behind the slot's start on, the first one lowest; `None` at
    /// the end of the frame.
    #[inline(always)]
    fn word(self, at: usize) -> Option<u128> {
        let start = self.slot.start() + at;
        let loaded = self.bytes.get(start..start + 16)?;
        Some(u128::from_le_bytes(loaded.try_into().expect("sixteen bytes")))
    }

    #[inline(always)]
    fn integer(self) -> Option<i64> {
        let len = self.slot.len();
        if len == 0 { None } else { digits::integer(self.word(0)?, len) }
    }

    #[inline(always)]
    fn double(self) -> Option<f64> {
        let len = self.slot.len();
        if len == 0 { None } else { digits::double(self.word(0)?, len) }
    }

    #[inline(always)]
    fn timestamp(self, last: &Cell<time::LastMinute>) -> Option<i64> {
        let len = self.slot.len().checked_sub(16)?;
        last.get().timestamp(self.word(0)?, self.word(16)?, len)
    }
}

impl<'a> Chunk<'a> {
    #[inline]
    pub(super) fn text(&self, slot: Slot) -> &'a [u8] {
        let bytes = if slot.tag() == Tag::Unescaped { self.side } else { self.frame };
        &bytes[slot.start()..slot.start() + slot.len()]
    }
}

/// A view that holds its at most 12 bytes itself: length in the low 4 bytes, then the text.
#[inline(always)]
pub(super) fn inline_view(bytes: &[u8], start: usize, len: usize) -> u128 {
    // The four bytes before the text are loaded with it, so that nothing need be shifted.
    let loaded = start.checked_sub(4).and_then(|before| bytes.get(before..before + 16));
    let text = match loaded {
        Some(loaded) => {
            let loaded = u128::from_le_bytes(loaded.try_into().expect("sixteen bytes"));
            loaded & VIEW_MASKS[len]
        }
        None => {
            let mut padded = [0; 16];
            padded[4..4 + len].copy_from_slice(&bytes[start..start + len]);
            u128::from_le_bytes(padded)
        }
    };
    text | u128::from(narrow(len))
}

/// For each length of an inline view, ones where its text is.
static VIEW_MASKS: [u128; 13] = {
    let mut masks = [0; 13];
    let mut len = 0;
    while len < masks.len() {
        masks[len] = ((1 << (8 * len)) - 1) << 32;
        len += 1;
    }
    masks
};

#[inline]
pub(super) fn long_view(bytes: &[u8], start: usize, len: usize, buffer: u32) -> u128 {
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
