//! The order of rows by several keys, as bytes: rows compare as the bytes of their keys do.
//!
//! Of each key there is a byte that says whether it is NULL, then the value: numbers with their sign turned, the
//! most significant byte first; texts with each byte greater by one (none of UTF-8 is 255) and a zero
//! behind; all of it turned where the key descends. No row's bytes begin with all those of another. Twelve of them and the
//! row's number, a [`Code`], decide nearly all comparisons, and stably; rows whose twelve are equal are ordered by their
//! next twelve.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, StringViewArray};
use arrow_buffer::NullBuffer;
use arrow_data::MAX_INLINE_VIEW_LEN;
use tidemill_plan::SortKey;
use tidemill_record::{Batch, DataType, span_nanos};

use crate::keys::column::canonical_f64;

/// Twelve bytes of a row's keys, and below them 32 bits for its number.
pub(crate) type Code = u128;

/// Bytes of the keys in a code.
const CODE_BYTES: usize = 12;
/// The same, to count with.
const ROOM: u8 = 12;
/// Bits below them.
const ROW_BITS: u32 = 32;

/// Groups of rows of equal bytes that are as small are ordered by comparing them.
const FEW_ROWS: usize = 24;

/// The row's number.
#[inline]
pub(crate) fn row_of(code: Code) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the lower 32 bits")]
    let row = code as u32;
    row
}

/// The twelve bytes.
#[inline]
pub(crate) fn bytes_of(code: Code) -> u128 {
    code >> ROW_BITS
}

/// The key columns of one batch.
pub(crate) struct KeyColumns {
    columns: Vec<KeyColumn>,
}

struct KeyColumn {
    values: Values,
    nulls: Option<NullBuffer>,
    is_descending: bool,
    is_nulls_first: bool,
}

enum Values {
    /// Numbers whose order is that of the values, and how many bytes count, the last ones.
    Short(Vec<u64>, u8),
    Long(Vec<u128>),
    Texts(StringViewArray),
    Bytes(BinaryViewArray),
}

impl KeyColumns {
    /// Of a batch whose columns are of these types; `Err` gives the key whose type has no order.
    ///
    /// # Cost
    /// O(rows) of each key that is no text.
    pub(crate) fn new(batch: &Batch, types: &[DataType], keys: &[SortKey]) -> Result<Self, usize> {
        let column = |(at, key): (usize, &SortKey)| -> Result<KeyColumn, usize> {
            let array = batch.column(key.column);
            Ok(KeyColumn {
                values: Values::new(array, &types[key.column]).ok_or(at)?,
                nulls: array.nulls().filter(|nulls| nulls.null_count() > 0).cloned(),
                is_descending: key.is_descending,
                is_nulls_first: key.is_nulls_first,
            })
        };
        Ok(Self { columns: keys.iter().enumerate().map(column).collect::<Result<_, _>>()? })
    }

    /// The first bytes of every row, behind the number of its group where it has one, with the rows' numbers
    /// from `first_row` on.
    pub(crate) fn codes(
        &self,
        first_row: u32,
        row_count: usize,
        groups: Option<&[u32]>,
        codes: &mut Vec<Code>,
    ) {
        let start = codes.len();
        codes.extend((u64::from(first_row)..).take(row_count).map(Code::from));
        let codes = &mut codes[start..];
        let mut places = vec![0_u8; row_count];
        if let Some(groups) = groups {
            for ((code, place), &group) in codes.iter_mut().zip(&mut places).zip(groups) {
                append(code, place, group.into(), 4);
            }
        }
        for column in &self.columns {
            column.append_to(codes, &mut places);
        }
    }

    /// Twelve bytes of a row from the one at `skipped` on, zeros behind the last one.
    fn bytes_from(&self, row: usize, mut skipped: usize) -> u128 {
        let (mut code, mut place) = (0, 0);
        for column in &self.columns {
            column.append_rest(row, &mut skipped, &mut code, &mut place);
            if place == ROOM {
                break;
            }
        }
        bytes_of(code)
    }

    /// Bytes of a row.
    fn len(&self, row: usize) -> usize {
        self.columns.iter().map(|column| 1 + column.value_len(row)).sum()
    }
}

/// Compares two rows of two batches.
fn compare(left: (&KeyColumns, usize), right: (&KeyColumns, usize)) -> Ordering {
    let columns = left.0.columns.iter().zip(&right.0.columns);
    let mut orderings = columns.map(|(one, other)| one.compare(left.1, other, right.1));
    orderings.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// Appends the lower bytes of a number, as many as there is room for.
#[inline(always)]
fn append(code: &mut Code, place: &mut u8, value: u128, byte_count: u8) {
    let room = ROOM - *place;
    if room == 0 {
        return;
    }
    if byte_count <= room {
        *place += byte_count;
        *code |= value << (8 * (u32::from(ROOM - *place)) + ROW_BITS);
    } else {
        *place = ROOM;
        *code |= value >> (8 * u32::from(byte_count - room)) << ROW_BITS;
    }
}

/// The lower bytes of a number, each turned.
fn turned(value: u128, byte_count: u8) -> u128 {
    if byte_count == 0 { 0 } else { !value & (u128::MAX >> (128 - 8 * u32::from(byte_count))) }
}

impl KeyColumn {
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The byte in front of a value.
    fn mark(&self, is_null: bool) -> u128 {
        match (is_null, self.is_nulls_first) {
            (false, _) => 1,
            (true, true) => 0,
            (true, false) => 2,
        }
    }

    /// Appends the first bytes of every row, as many as there is room for.
    fn append_to(&self, codes: &mut [Code], places: &mut [u8]) {
        let rows = codes.iter_mut().zip(places).enumerate();
        match &self.values {
            Values::Short(values, byte_count) => {
                self.append_each(rows, |row| (u128::from(values[row]), *byte_count))
            }
            Values::Long(values) => self.append_each(rows, |row| (values[row], 16)),
            Values::Texts(texts) => self.append_each(rows, |row| {
                let view = texts.views()[row];
                #[expect(clippy::cast_possible_truncation, reason = "the lower 32 bits")]
                let len = view as u32;
                let first = if len <= MAX_INLINE_VIEW_LEN {
                    // Zeros stand behind a short text.
                    (view >> 32).swap_bytes() >> 32
                } else {
                    first_bytes(texts.value(row).as_bytes())
                };
                text_bytes(first, len as usize)
            }),
            Values::Bytes(values) => self.append_each(rows, |row| {
                let (bytes, len) = escaped(values.value(row), 0);
                number_of(&bytes[..len])
            }),
        }
    }

    #[inline(always)]
    fn append_each<'a>(
        &self,
        rows: impl Iterator<Item = (usize, (&'a mut Code, &'a mut u8))>,
        value: impl Fn(usize) -> (u128, u8),
    ) {
        let mark = self.mark(false);
        for (row, (code, place)) in rows {
            if self.is_null(row) {
                append(code, place, self.mark(true), 1);
                continue;
            }
            append(code, place, mark, 1);
            let (value, byte_count) = value(row);
            let value = if self.is_descending { turned(value, byte_count) } else { value };
            append(code, place, value, byte_count);
        }
    }

    /// Appends what there is room for, without the first bytes where some are to be skipped.
    fn append_rest(&self, row: usize, skipped: &mut usize, code: &mut Code, place: &mut u8) {
        let is_null = self.is_null(row);
        if *skipped == 0 {
            append(code, place, self.mark(is_null), 1);
        } else {
            *skipped -= 1;
        }
        let len = if is_null { 0 } else { self.value_len(row) };
        if *skipped >= len {
            *skipped -= len;
            return;
        }
        let (value, byte_count) = self.value_from(row, std::mem::take(skipped));
        let value = if self.is_descending { turned(value, byte_count) } else { value };
        append(code, place, value, byte_count);
    }

    /// Bytes of a value, the mark in front not counted.
    fn value_len(&self, row: usize) -> usize {
        if self.is_null(row) {
            return 0;
        }
        match &self.values {
            Values::Short(_, byte_count) => usize::from(*byte_count),
            Values::Long(_) => 16,
            Values::Texts(texts) => texts.value(row).len() + 1,
            Values::Bytes(values) => {
                let bytes = values.value(row);
                bytes.len() + bytes.iter().filter(|byte| **byte >= ESCAPED_MIN).count() + 1
            }
        }
    }

    /// A value without its first bytes: of a text or bytes the next twelve at most.
    fn value_from(&self, row: usize, skipped: usize) -> (u128, u8) {
        let cut = |value: u128, byte_count: u8| {
            let left = byte_count - u8::try_from(skipped).expect("less than there are");
            (value & (u128::MAX >> (128 - 8 * u32::from(left))), left)
        };
        match &self.values {
            Values::Short(values, byte_count) => cut(values[row].into(), *byte_count),
            Values::Long(values) => cut(values[row], 16),
            Values::Texts(texts) => {
                let rest = &texts.value(row).as_bytes()[skipped..];
                text_bytes(first_bytes(rest), rest.len())
            }
            Values::Bytes(values) => {
                let (bytes, len) = escaped(values.value(row), skipped);
                number_of(&bytes[..len])
            }
        }
    }

    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        let (is_null, is_other_null) = (self.is_null(row), other.is_null(other_row));
        if is_null || is_other_null {
            return self.mark(is_null).cmp(&self.mark(is_other_null));
        }
        let ordering = match (&self.values, &other.values) {
            (Values::Short(one, _), Values::Short(two, _)) => one[row].cmp(&two[other_row]),
            (Values::Long(one), Values::Long(two)) => one[row].cmp(&two[other_row]),
            (Values::Texts(one), Values::Texts(two)) => one.value(row).cmp(two.value(other_row)),
            (Values::Bytes(one), Values::Bytes(two)) => one.value(row).cmp(two.value(other_row)),
            _ => unreachable!("a column has one type"),
        };
        if self.is_descending { ordering.reverse() } else { ordering }
    }
}

/// The first twelve bytes as a number, zeros behind the last.
#[inline]
fn first_bytes(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    match bytes.first_chunk::<CODE_BYTES>() {
        Some(chunk) => first[4..].copy_from_slice(chunk),
        None => first[4..4 + bytes.len()].copy_from_slice(bytes),
    }
    u128::from_be_bytes(first)
}

/// The first bytes of a text that is so long, or its end, as the lower bytes of a number: one greater each,
/// and a zero behind the text.
#[inline]
fn text_bytes(first: u128, len: usize) -> (u128, u8) {
    const ONES: u128 = 0x0101_0101_0101_0101_0101_0101;
    if len >= CODE_BYTES {
        return (first + ONES, ROOM);
    }
    let count = u8::try_from(len).expect("less than twelve");
    let behind = 8 * u32::from(ROOM - count);
    // What is behind the text is cut, but for the one zero.
    ((first + (ONES >> behind << behind)) >> (behind - 8), count + 1)
}

/// From this byte on there are two for one.
const ESCAPED_MIN: u8 = 0xfe;

/// The next twelve bytes, or fewer, of what bytes become: one greater each, two for the greatest two, and a zero
/// behind.
fn escaped(bytes: &[u8], skipped: usize) -> ([u8; CODE_BYTES], usize) {
    let pairs = bytes.iter().flat_map(|&byte| match byte {
        ESCAPED_MIN.. => [Some(0xff), Some(byte - ESCAPED_MIN)],
        _ => [Some(byte + 1), None],
    });
    let all = pairs.flatten().chain([0]).skip(skipped);
    let (mut next, mut len) = ([0; CODE_BYTES], 0);
    for (place, byte) in next.iter_mut().zip(all) {
        *place = byte;
        len += 1;
    }
    (next, len)
}

fn number_of(bytes: &[u8]) -> (u128, u8) {
    let number = bytes.iter().fold(0, |number, &byte| number << 8 | u128::from(byte));
    (number, u8::try_from(bytes.len()).expect("at most twelve"))
}

impl Values {
    /// `None` for types without an order.
    fn new(column: &ArrayRef, data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => {
                Self::Short(column.as_boolean().values().iter().map(u64::from).collect(), 1)
            }
            DataType::TinyInt => integers::<Int8Type>(column, 1),
            DataType::SmallInt => integers::<Int16Type>(column, 2),
            DataType::Integer => integers::<Int32Type>(column, 4),
            DataType::BigInt => integers::<Int64Type>(column, 8),
            DataType::Date => integers::<Date32Type>(column, 4),
            DataType::Timestamp => integers::<TimestampMicrosecondType>(column, 8),
            DataType::Real => {
                let values = column.as_primitive::<Float32Type>().values().iter();
                Self::Short(values.map(|&value| float(f64::from(value))).collect(), 8)
            }
            DataType::Double => {
                let values = column.as_primitive::<Float64Type>().values().iter();
                Self::Short(values.map(|&value| float(value)).collect(), 8)
            }
            DataType::Decimal { .. } => {
                let values = column.as_primitive::<Decimal128Type>().values().iter();
                Self::Long(values.map(|&value| wide(value)).collect())
            }
            DataType::Interval => {
                let values = column.as_primitive::<IntervalMonthDayNanoType>().values().iter();
                Self::Long(values.map(|&value| wide(span_nanos(value))).collect())
            }
            DataType::Varchar => Self::Texts(column.as_string_view().clone()),
            DataType::Varbinary => Self::Bytes(column.as_binary_view().clone()),
            DataType::Array(_) => return None,
        })
    }
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef, bytes: u8) -> Values {
    let values = column.as_primitive::<T>().values().iter();
    let (sign, unused) = (1 << (8 * u32::from(bytes) - 1), 64 - 8 * u32::from(bytes));
    let turn = |value: T::Native| (value.into().cast_unsigned() << unused >> unused) ^ sign;
    Values::Short(values.map(|&value| turn(value)).collect(), bytes)
}

fn float(value: f64) -> u64 {
    let bits = canonical_f64(value).to_bits();
    if bits >> 63 == 1 { !bits } else { bits ^ 1 << 63 }
}

fn wide(value: i128) -> u128 {
    value.cast_unsigned() ^ 1 << 127
}

/// Whether all bytes of these keys stand in a code, whatever their values.
pub(crate) fn stand_in_codes(types: &[DataType], keys: &[SortKey], group_bytes: usize) -> bool {
    let byte_count = |key: &SortKey| {
        Some(match types[key.column] {
            DataType::Boolean | DataType::TinyInt => 1,
            DataType::SmallInt => 2,
            DataType::Integer | DataType::Date => 4,
            DataType::BigInt | DataType::Timestamp | DataType::Real | DataType::Double => 8,
            _ => return None,
        })
    };
    let bytes: Option<usize> = keys.iter().map(|key| byte_count(key).map(|count| 1 + count)).sum();
    bytes.is_some_and(|bytes| group_bytes + bytes <= CODE_BYTES)
}

/// Finishes what an order by codes has begun: puts rows of the same twelve bytes in order by those behind, and
/// leaves the bytes in codes as anything. `locate` gives the batch and the row of a number; the bytes of a group
/// stand in front.
///
/// # Cost
/// O(rows) where no bytes are the same or there are none behind; else the sorts of these rows, once for twelve
/// bytes.
pub(crate) fn refine(
    codes: &mut [Code],
    batches: &[KeyColumns],
    locate: impl Fn(u32) -> (usize, usize),
    group_bytes: usize,
) {
    let place = |code: Code| {
        let (batch, row) = locate(row_of(code));
        (&batches[batch], row)
    };
    let mut open = Vec::new();
    push_same(codes, 0, CODE_BYTES - group_bytes, &mut open);
    while let Some((range, skipped)) = open.pop() {
        let same = &mut codes[range.clone()];
        let (batch, row) = place(same[0]);
        // Where one ends so do all, since none begins with all of another.
        if batch.len(row) <= skipped {
            continue;
        }
        if same.len() <= FEW_ROWS {
            same.sort_unstable_by(|&one, &other| {
                compare(place(one), place(other)).then(row_of(one).cmp(&row_of(other)))
            });
            continue;
        }
        for code in &mut *same {
            let (batch, row) = place(*code);
            *code = batch.bytes_from(row, skipped) << ROW_BITS | Code::from(row_of(*code));
        }
        same.sort_unstable();
        push_same(same, range.start, skipped + CODE_BYTES, &mut open);
    }
}

/// Notes rows of the same bytes.
fn push_same(codes: &[Code], start: usize, skipped: usize, open: &mut Vec<(Range<usize>, usize)>) {
    let mut at = start;
    for same in codes.chunk_by(|one, other| bytes_of(*one) == bytes_of(*other)) {
        let first = at;
        at += same.len();
        if same.len() > 1 {
            open.push((first..at, skipped));
        }
    }
}
