//! Columns of texts to be: written row by row, or parts of texts at hand.

use std::fmt;

use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};

use super::{Room, Sources, no_bytes};

/// Texts of at most so many bytes stand in their view.
const INLINE_BYTES: usize = 12;

/// Which rows of a column to be are NULL. Nothing is kept until one is.
#[derive(Debug)]
pub struct Validity {
    row_count: usize,
    /// A bit a row, the lowest first.
    bits: Option<MutableBuffer>,
}

impl Validity {
    /// None of so many rows is NULL.
    #[must_use]
    pub fn new(row_count: usize) -> Self {
        Self { row_count, bits: None }
    }

    /// A row is NULL.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn set_null(&mut self, row: usize) {
        assert!(row < self.row_count, "one of the rows");
        bits_of(&mut self.bits, self.row_count)[row / 8] &= !(1 << (row % 8));
    }

    /// Of the rows from `first` on, one for each value, those are NULL whose value is.
    ///
    /// # Panics
    /// If there are not so many rows.
    ///
    /// # Cost
    /// O(values), whatever share of them is NULL.
    pub fn set_nulls<T>(&mut self, first: usize, values: &[T], is_null: impl Fn(&T) -> bool) {
        assert!(first + values.len() <= self.row_count, "rows of the column");
        let head = (first.next_multiple_of(8) - first).min(values.len());
        let (before, values) = values.split_at(head);
        let (bytes, behind) = values.as_chunks::<8>();
        let first_byte = (first + head) / 8;
        let one_by_one =
            before.iter().zip(first..).chain(behind.iter().zip((first_byte + bytes.len()) * 8..));
        one_by_one.filter(|(value, _)| is_null(value)).for_each(|(_, row)| self.set_null(row));
        let nulls_of = |values: &[T; 8]| {
            let bit = |byte, (at, value)| byte | u8::from(is_null(value)) << at;
            values.iter().enumerate().fold(0_u8, bit)
        };
        let row_count = self.row_count;
        for (byte, values) in (first_byte..).zip(bytes) {
            let nulls = nulls_of(values);
            if nulls != 0 {
                bits_of(&mut self.bits, row_count)[byte] &= !nulls;
            }
        }
    }

    /// A row is NULL if another, before it, is.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn set_as(&mut self, row: usize, earlier: usize) {
        let is_null = |bits: &MutableBuffer| bits[earlier / 8] >> (earlier % 8) & 1 == 0;
        if self.bits.as_ref().is_some_and(is_null) {
            self.set_null(row);
        }
    }

    /// The rows that are not NULL; `None` if all are not.
    #[must_use]
    pub fn finish(self) -> Option<NullBuffer> {
        let bits: Buffer = self.bits?.into();
        Some(NullBuffer::new(BooleanBuffer::new(bits, 0, self.row_count)))
    }
}

/// A bit for each of so many rows, all set unless they have been changed.
#[inline]
fn bits_of(bits: &mut Option<MutableBuffer>, row_count: usize) -> &mut MutableBuffer {
    bits.get_or_insert_with(|| {
        MutableBuffer::new(row_count.div_ceil(8)).with_bitset(row_count.div_ceil(8), true)
    })
}

/// The text of a row while it is written. What stands before it is no matter of the writer.
#[derive(Debug, Default)]
pub struct Line {
    /// The texts of all rows so far that do not stand in their views, and behind them that of this one.
    all: String,
    start: usize,
}

impl Line {
    /// Appends a text.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.all.push_str(text);
    }

    /// Appends a character.
    #[inline]
    pub fn push(&mut self, character: char) {
        self.all.push(character);
    }

    /// Bytes of the text so far.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len() - self.start
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.all[self.start..]
    }

    /// The text so far, to be changed in place.
    #[must_use]
    pub fn as_mut_str(&mut self) -> &mut str {
        &mut self.all[self.start..]
    }

    /// Makes room for so many bytes more.
    #[inline]
    pub fn reserve(&mut self, byte_count: usize) {
        self.all.reserve(byte_count);
    }

    /// Appends a text with one character of ASCII in place of another.
    ///
    /// # Panics
    /// If one of the two is not of ASCII.
    pub fn push_replaced(&mut self, text: &str, from: u8, to: u8) {
        assert!(from.is_ascii() && to.is_ascii(), "both are characters");
        let start = self.all.len();
        self.all.push_str(text);
        // SAFETY: bytes of ASCII are whole characters, and stay whole characters.
        let bytes = unsafe { self.all[start..].as_bytes_mut() };
        for byte in bytes {
            *byte = if *byte == from { to } else { *byte };
        }
    }

    /// Takes away what was written.
    pub fn clear(&mut self) {
        self.all.truncate(self.start);
    }

    /// Appends a copy of the first bytes of the text so far.
    ///
    /// # Panics
    /// If there are not so many, or they end within a character.
    pub fn repeat_first(&mut self, byte_count: usize) {
        self.all.extend_from_within(self.start..self.start + byte_count);
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl Extend<char> for Line {
    fn extend<I: IntoIterator<Item = char>>(&mut self, characters: I) {
        self.all.extend(characters);
    }
}

/// A column of texts to be, row by row: each is written, or part of a text of another column, the source, which
/// is not copied but where it is short.
#[derive(Debug)]
pub struct Texts<'a> {
    source: Option<&'a StringViewArray>,
    /// The number of the buffer that written texts stand in, behind those of the source.
    own_buffer: u32,
    views: Room<u128>,
    validity: Validity,
    line: Line,
}

impl<'a> Texts<'a> {
    /// Without rows yet; there will be `row_count`.
    #[must_use]
    pub fn new(source: Option<&'a StringViewArray>, row_count: usize) -> Self {
        let mut views = Room::default();
        views.reserve_exact(row_count);
        let own_buffer = source.map_or(0, |source| source.data_buffers().len());
        let own_buffer = u32::try_from(own_buffer).expect("as views number them");
        let validity = Validity::new(row_count);
        Self { source, own_buffer, views, validity, line: Line::default() }
    }

    /// Where the text of the next row is written.
    #[inline]
    pub fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// The next row has what was written.
    ///
    /// # Panics
    /// If all texts together have more than 4 GiB.
    #[inline]
    pub fn end_row(&mut self) {
        let Line { all, start } = &mut self.line;
        let text = &all.as_bytes()[*start..];
        let view = if text.len() <= INLINE_BYTES {
            let view = inline_view(text);
            all.truncate(*start);
            view
        } else {
            let view = outside_view(text, self.own_buffer, *start);
            *start = all.len();
            view
        };
        self.views.push(view);
    }

    /// The next row has a part of a text of the source; nothing was written. Any other text will do that is
    /// short.
    ///
    /// # Panics
    /// If it is longer than 12 bytes and no part of that text.
    #[inline]
    pub fn end_part(&mut self, source_row: usize, part: &str) {
        let view = if part.len() <= INLINE_BYTES {
            inline_view(part.as_bytes())
        } else {
            self.view_within(source_row, part)
        };
        self.views.push(view);
    }

    #[inline]
    fn view_within(&self, source_row: usize, part: &str) -> u128 {
        let source = self.source.expect("parts are of a source");
        let text = source.value(source_row);
        let skipped = part.as_ptr().addr().checked_sub(text.as_ptr().addr());
        let skipped = skipped.filter(|skipped| skipped + part.len() <= text.len());
        let skipped = skipped.expect("a part of the text");
        let view = source.views()[source_row];
        // Its text does not stand in it, since a part of that would not, either: its upper half is buffer and
        // place.
        #[expect(clippy::cast_possible_truncation, reason = "the two upper quarters, one by one")]
        let (buffer, place) = ((view >> 64) as u32, (view >> 96) as u32);
        outside_view(part.as_bytes(), buffer, place as usize + skipped)
    }

    /// The next row is NULL, whatever was written.
    pub fn end_null(&mut self) {
        self.line.clear();
        self.validity.set_null(self.views.len());
        self.views.push(0);
    }

    /// The next row has the text of an earlier one, or is NULL as that.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline]
    pub fn end_as(&mut self, row: usize) {
        self.line.clear();
        let view = self.views[row];
        self.validity.set_as(self.views.len(), row);
        self.views.push(view);
    }

    /// Bytes of the texts that were written so far and do not stand in their views.
    #[inline]
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.line.start
    }

    /// The column.
    ///
    /// # Panics
    /// If there are not as many rows as were to be.
    #[must_use]
    pub fn finish(mut self) -> ArrayRef {
        assert_eq!(self.views.len(), self.validity.row_count, "as many rows as were to be");
        self.line.clear();
        let own = self.line.all.into_bytes();
        let sources = match self.source.map(StringViewArray::data_buffers) {
            Some(buffers) if own.is_empty() => Sources::Shared(buffers.clone()),
            Some(buffers) => {
                let own = std::iter::once(Buffer::from_vec(own));
                Sources::Shared(buffers.iter().cloned().chain(own).collect())
            }
            None if own.is_empty() => Sources::Inline,
            None => Sources::Two(Buffer::from_vec(own), no_bytes()),
        };
        // SAFETY: a view holds its text; or it was made by `end_row` and points to where a text was written in
        // the last buffer, which is UTF-8 and is only ever appended to behind it; or by `end_part`, and
        // points to where a `str` stands in a buffer of the source, of which that is a part by its address.
        // NULLs are empty texts.
        unsafe { self.views.finish_texts(sources, self.validity.finish()) }
    }
}

/// The view of a text of at most 12 bytes: its length, then the text.
#[inline]
fn inline_view(text: &[u8]) -> u128 {
    let mut view = [0; 16];
    let len = text.len();
    view[0] = u8::try_from(len).expect("at most twelve");
    // Two overlapping halves instead of a copy of any length.
    match len {
        8.. => {
            view[4..12].copy_from_slice(&text[..8]);
            view[len - 4..len + 4].copy_from_slice(&text[len - 8..]);
        }
        4..8 => {
            view[4..8].copy_from_slice(&text[..4]);
            view[len..len + 4].copy_from_slice(&text[len - 4..]);
        }
        2..4 => {
            view[4..6].copy_from_slice(&text[..2]);
            view[len + 3] = text[len - 1];
        }
        1 => view[4] = text[0],
        0 => {}
    }
    u128::from_le_bytes(view)
}

/// The view of a longer text: its length, its first four bytes, the number of a buffer and the place in it.
#[inline]
fn outside_view(text: &[u8], buffer: u32, place: usize) -> u128 {
    let number = |value: usize| u32::try_from(value).expect("texts of at most 4 GiB");
    let prefix = u32::from_le_bytes(*text.first_chunk().expect("longer than twelve bytes"));
    u128::from(number(text.len()))
        | u128::from(prefix) << 32
        | u128::from(buffer) << 64
        | u128::from(number(place)) << 96
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;

    /// Texts of all lengths about those that stand in their views, and NULLs.
    fn samples() -> Vec<Option<String>> {
        let of_length = |len: usize| {
            let text: String = "abcdefghijklmnopqrstuvwxyzäöü".chars().cycle().take(len).collect();
            (len % 5 != 3).then_some(text)
        };
        (0..70).chain(0..3).map(of_length).collect()
    }

    fn check(array: &ArrayRef, expected: &[Option<String>]) {
        let texts = array.as_string_view();
        assert!(texts.iter().eq(expected.iter().map(Option::as_deref)));
        // Arrow's own check of every view, those of NULLs, too.
        let views = texts.views().clone();
        let checked =
            StringViewArray::try_new(views, texts.data_buffers().clone(), texts.nulls().cloned());
        assert!(checked.is_ok(), "{checked:?}");
    }

    #[test]
    fn nulls_of_many_values_are_those_of_each() {
        let is_null = |value: &u32| value % 3 == 1;
        let values: Vec<u32> = (0..40).map(|n| n * n % 7).collect();
        for first in 0..20 {
            for count in 0..values.len() {
                let (mut validity, mut model) = (Validity::new(70), Validity::new(70));
                validity.set_nulls(first, &values[..count], is_null);
                let nulls = (first..).zip(&values[..count]).filter(|(_, value)| is_null(value));
                nulls.for_each(|(row, _)| model.set_null(row));
                assert_eq!(validity.finish(), model.finish(), "{count} from {first}");
            }
        }
    }

    #[test]
    fn texts_are_what_was_written() {
        let samples = samples();
        let mut texts = Texts::new(None, samples.len() + 1);
        for sample in &samples {
            let _ = write!(texts.line(), "left out");
            texts.line().clear();
            let _ = write!(texts.line(), "{}", sample.as_deref().unwrap_or("no matter"));
            if sample.is_some() { texts.end_row() } else { texts.end_null() }
        }
        texts.line().push_str("no matter");
        texts.end_as(20);
        let expected: Vec<_> = samples.iter().cloned().chain([samples[20].clone()]).collect();
        check(&texts.finish(), &expected);
        check(&Texts::new(None, 0).finish(), &[]);
    }

    #[test]
    fn parts_are_views_of_their_source() {
        let source: StringViewArray = samples().into_iter().collect();
        let rows = source.len();
        for (from, to) in [(0, 3), (1, 9), (3, 16), (0, 60), (30, 70)] {
            let part = |text: &str| text.chars().skip(from).take(to - from).collect::<String>();
            let expected: Vec<_> =
                source.iter().map(|text| text.map(part).or(Some("-".to_owned()))).collect();
            let mut parts = Texts::new(Some(&source), rows + 2);
            for (row, text) in source.iter().enumerate() {
                let Some(text) = text else {
                    parts.end_part(row, "-");
                    continue;
                };
                let place = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
                parts.end_part(row, &text[place(from)..place(to)]);
            }
            parts.end_null();
            parts.end_as(60);
            let array = parts.finish();
            let last = expected[60].clone();
            check(&array, &expected.into_iter().chain([None, last]).collect::<Vec<_>>());
            let buffers = array.as_string_view().data_buffers();
            assert!(std::ptr::eq(buffers.as_ptr(), source.data_buffers().as_ptr()), "the same");
        }
    }

    #[test]
    fn texts_are_written_among_parts() {
        let source: StringViewArray = samples().into_iter().collect();
        let mut texts = Texts::new(Some(&source), source.len());
        let mut expected = Vec::new();
        for (row, text) in source.iter().enumerate() {
            match text {
                Some(text) if row % 3 == 0 => {
                    let _ = write!(texts.line(), "{row}: {text}");
                    expected.push(Some(texts.line().as_str().to_owned()));
                    texts.end_row();
                }
                Some(text) => {
                    expected.push(Some(text.to_owned()));
                    texts.end_part(row, text);
                }
                None => {
                    expected.push(None);
                    texts.end_null();
                }
            }
        }
        check(&texts.finish(), &expected);
    }

    #[test]
    #[should_panic(expected = "a part of the text")]
    fn a_long_text_from_elsewhere_is_no_part() {
        let source = StringViewArray::from_iter_values(["a text of more than twelve bytes"]);
        let elsewhere = "a text of more than twelve bytes".to_owned();
        Texts::new(Some(&source), 1).end_part(0, &elsewhere);
    }
}
