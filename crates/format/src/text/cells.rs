//! The cells of one column: text of a chunk of records to values, one a row.

use std::cell::Cell;
use std::mem::MaybeUninit;

use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder};
use tidemill_plan::TimestampUnit;
use tidemill_record::Field;
use tidemill_record::recycled::Room;

use super::column::{make_room, string};
use super::digits::Mantissa;
use super::fields::Fields;
use super::lanes::{Baseline, Lanes};
use super::misfit::{Misfit, misfit, misfit_of_format, null};
use super::number::Fault;
use super::rows::CHUNK_ROWS;
use super::slot::{Slot, Tag};
use super::view::{INLINE_BYTES_MAX, inline_view, long_view, view_inside};
use super::{digits, kinds, literal, time, usual_time};

/// One column of the records of a chunk: where its values stand, and what they stand in.
pub(crate) struct Chunk<'a, F> {
    /// Where the value of each record stands.
    pub(crate) fields: F,
    /// The frame.
    pub(crate) frame: &'a [u8],
    /// What was unescaped.
    pub(crate) side: &'a [u8],
}

/// The cells of one column of a chunk.
pub(super) struct Cells<'a, F> {
    chunk: &'a Chunk<'a, F>,
    field: &'a Field,
    /// What texts are to be of; empty where that is the usual form.
    format: &'a str,
    nulls: &'a mut NullBufferBuilder,
    misfits: &'a mut Vec<Misfit>,
}

impl<'a, F: Fields> Cells<'a, F> {
    #[inline(always)]
    pub(super) fn new(
        chunk: &'a Chunk<'a, F>,
        field: &'a Field,
        nulls: &'a mut NullBufferBuilder,
        misfits: &'a mut Vec<Misfit>,
    ) -> Self {
        Self { chunk, field, format: "", nulls, misfits }
    }

    /// The same, where texts are to be of a format.
    pub(super) fn of_format(self, format: &'a str) -> Self {
        Self { format, ..self }
    }

    /// Appends a value a row: what `W` makes of four plain slots or `short` of one or, where they
    /// have no answer, `parse`.
    #[inline(always)]
    pub(super) fn parse<L: Lanes, W: Wide<T>, T: ArrowNativeType>(
        &mut self,
        lanes: L,
        values: &mut Room<T>,
        short: impl Fn(Near<'a>) -> Option<T>,
        mut parse: impl FnMut(&[u8], Tag) -> Result<T, Fault>,
    ) {
        let chunk = self.chunk;
        let row_count = chunk.fields.row_count();
        make_room(values, row_count);
        let room = &mut values.spare()[..row_count];
        let mut nulls = Gaps::default();
        let mut at = 0;
        while at < row_count {
            if W::IS_WIDE
                && let Some(room) = room[at..].first_chunk_mut::<4>()
                && let Some(four) = chunk.fields.four(lanes, chunk.frame, at)
                && let Some(read) = W::read(lanes, four)
            {
                *room = read.map(MaybeUninit::new);
                at += 4;
                continue;
            }
            let rows = at..if W::IS_WIDE { row_count.min(at + 4) } else { row_count };
            at = rows.end;
            for (row, room) in rows.clone().zip(&mut room[rows]) {
                if let Some((start, len)) = chunk.fields.plain(row)
                    && let Some(read) = short(Near { bytes: chunk.frame, start, len })
                {
                    room.write(read);
                    continue;
                }
                let slot = chunk.fields.slot(row);
                if slot.is_null() {
                    room.write(T::default());
                    nulls.note(row);
                    if !self.field.is_nullable {
                        null(self.field, self.misfits, row);
                    }
                    continue;
                }
                let text = chunk.text(slot);
                room.write(parse(text, slot.tag()).unwrap_or_else(|fault| {
                    nulls.note(row);
                    let found = (text, fault);
                    misfit_of_format(self.field, self.format, self.misfits, row, found);
                    T::default()
                }));
            }
        }
        nulls.finish(self.nulls, row_count);
        // SAFETY: there was room for so many, and each has been written.
        unsafe { values.set_len(values.len() + row_count) };
    }

    /// Appends a value a row, each the careful way.
    pub(super) fn parse_each<T: ArrowNativeType>(
        &mut self,
        values: &mut Room<T>,
        parse: impl FnMut(&[u8], Tag) -> Result<T, Fault>,
    ) {
        self.parse::<Baseline, OneByOne, _>(Baseline, values, |_| None, parse);
    }

    #[inline(always)]
    pub(super) fn views(&mut self, views: &mut Room<u128>, is_inline: &mut bool) {
        let Chunk { fields, frame, .. } = *self.chunk;
        let row_count = fields.row_count();
        make_room(views, row_count);
        let mut nulls = Gaps::default();
        for (row, room) in views.spare()[..row_count].iter_mut().enumerate() {
            match fields.plain(row) {
                Some((start, len)) if len > INLINE_BYTES_MAX => {
                    room.write(long_view(frame, start, len, 0));
                    *is_inline = false;
                    continue;
                }
                Some((start, len)) => {
                    if let Some(view) = view_inside(frame, start, len) {
                        room.write(view);
                        continue;
                    }
                }
                None => {}
            }
            *is_inline &= self.view_apart(row, room, &mut nulls);
        }
        nulls.finish(self.nulls, row_count);
        // SAFETY: there was room for so many, and each has been written.
        unsafe { views.set_len(views.len() + row_count) };
    }

    /// Writes one view of any kind, and says whether it holds its text itself. Apart from the loop, which
    /// would otherwise take all views through general registers.
    #[inline(never)]
    fn view_apart(&mut self, row: usize, room: &mut MaybeUninit<u128>, nulls: &mut Gaps) -> bool {
        let slot = self.chunk.fields.slot(row);
        if slot.is_null() {
            room.write(0);
            nulls.note(row);
            null(self.field, self.misfits, row);
            return true;
        }
        let (bytes, buffer) = match slot.tag() {
            Tag::Unescaped => (self.chunk.side, 1),
            _ => (self.chunk.frame, 0),
        };
        let is_inline = slot.len() <= INLINE_BYTES_MAX;
        room.write(if is_inline {
            inline_view(bytes, slot.start(), slot.len())
        } else {
            long_view(bytes, slot.start(), slot.len(), buffer)
        });
        is_inline
    }

    pub(super) fn bytes(&mut self, views: &mut Room<u128>, out: &mut Vec<u8>) {
        let chunk = self.chunk;
        let mut nulls = Gaps::default();
        for row in 0..chunk.fields.row_count() {
            let slot = chunk.fields.slot(row);
            if slot.is_null() {
                nulls.note(row);
                null(self.field, self.misfits, row);
                views.push(0);
                continue;
            }
            let text = chunk.text(slot);
            let start = out.len();
            match string(slot.tag()).and_then(|()| literal::hex(text, out)) {
                Ok(()) => {
                    let len = out.len() - start;
                    if len <= INLINE_BYTES_MAX {
                        views.push(inline_view(out, start, len));
                        out.truncate(start);
                    } else {
                        views.push(long_view(out, start, len, 0));
                    }
                }
                Err(fault) => {
                    out.truncate(start);
                    nulls.note(row);
                    misfit(self.field, self.misfits, row, text, fault);
                    views.push(0);
                }
            }
        }
        nulls.finish(self.nulls, chunk.fields.row_count());
    }
}

/// How four texts become four values. A trait and no closure, since what takes vectors has to be
/// inlined into a function that is compiled for them.
pub(super) trait Wide<T> {
    /// Whether it is worth a try.
    const IS_WIDE: bool = true;

    fn read<L: Lanes>(lanes: L, four: L::Four) -> Option<[T; 4]>;
}

/// [`Lanes`]' integers.
pub(super) struct Integers;

impl Wide<i64> for Integers {
    #[inline(always)]
    fn read<L: Lanes>(lanes: L, four: L::Four) -> Option<[i64; 4]> {
        lanes.four_integers(four)
    }
}

/// [`Lanes`]' doubles.
pub(super) struct Doubles;

impl Wide<f64> for Doubles {
    #[inline(always)]
    fn read<L: Lanes>(lanes: L, four: L::Four) -> Option<[f64; 4]> {
        lanes.four_doubles(four)
    }
}

/// Not at all.
pub(super) struct OneByOne;

impl<T> Wide<T> for OneByOne {
    const IS_WIDE: bool = false;

    #[inline(always)]
    fn read<L: Lanes>(_: L, _: L::Four) -> Option<[T; 4]> {
        None
    }
}

/// Rows of a chunk without a value, a bit for each that is set.
#[derive(Default)]
struct Gaps {
    words: [u64; CHUNK_ROWS / 64],
}

impl Gaps {
    #[inline(always)]
    fn note(&mut self, row: usize) {
        self.words[row / 64] |= 1 << (row % 64);
    }

    fn finish(self, nulls: &mut NullBufferBuilder, row_count: usize) {
        if self.words == [0; CHUNK_ROWS / 64] {
            nulls.append_n_non_nulls(row_count);
            return;
        }
        let valid = self.words.map(|word| !word);
        let valid = BooleanBuffer::new(Buffer::from_slice_ref(valid), 0, row_count);
        nulls.append_buffer(&NullBuffer::new(valid));
    }
}

/// A plain value within its frame, for those who load more bytes at once than it has.
#[derive(Clone, Copy)]
pub(super) struct Near<'a> {
    bytes: &'a [u8],
    start: usize,
    /// Bytes of its text, at least 1.
    len: usize,
}

impl<'a> Near<'a> {
    /// Sixteen bytes, `WORDS` times, from its start on, the first one lowest; `None` at the end of the frame.
    #[inline(always)]
    fn words<const WORDS: usize>(self) -> Option<[u128; WORDS]> {
        let (loaded, _) = self.bytes.get(self.start..)?.as_chunks::<16>();
        Some(loaded.first_chunk::<WORDS>()?.map(u128::from_le_bytes))
    }

    /// 32 bytes from its start on; `None` at the end of the frame.
    #[inline(always)]
    fn bytes(self) -> Option<&'a [u8; 32]> {
        self.bytes.get(self.start..)?.first_chunk()
    }

    #[inline(always)]
    pub(super) fn integer(self) -> Option<i64> {
        if self.len > 16 {
            return digits::long_integer(self.bytes()?, self.len);
        }
        let [word] = self.words()?;
        digits::integer(word, self.len)
    }

    #[inline(always)]
    fn mantissa(self) -> Option<Mantissa> {
        if self.len > 16 {
            return Mantissa::long(self.bytes()?, self.len);
        }
        let [word] = self.words()?;
        Mantissa::short(word, self.len)
    }

    /// A double; where nobody declared one, of no more digits than it gives back.
    #[inline(always)]
    pub(super) fn double(self, is_inferred: bool) -> Option<f64> {
        /// A shorter text has so few digits that a double holds it.
        const SHORT_LEN: usize = 16;
        let Some(number) = self.mantissa() else { return self.exponential() };
        if is_inferred && self.len >= SHORT_LEN && !self.may_be_double(number.places()) {
            return None;
        }
        Some(number.double())
    }

    /// A double with a negative exponent of one digit or two. None is refused for its digits.
    #[inline(never)]
    fn exponential(self) -> Option<f64> {
        let digit = |byte: u8| usize::from(byte - b'0');
        let (len, exponent) = match &self.bytes[self.start..self.start + self.len] {
            [text @ .., b'e' | b'E', b'-', one @ b'0'..=b'9'] => (text.len(), digit(*one)),
            [text @ .., b'e' | b'E', b'-', ten @ b'0'..=b'9', one @ b'0'..=b'9'] => {
                (text.len(), 10 * digit(*ten) + digit(*one))
            }
            _ => return None,
        };
        if len == 0 {
            return None;
        }
        let number = Near { len, ..self }.mantissa()?.over_ten_to(exponent)?;
        Some(number.double())
    }

    /// As [`kinds::may_be_double`], of a number with so many digits behind a point.
    #[inline(always)]
    fn may_be_double(self, places: usize) -> bool {
        let text = &self.bytes[self.start..self.start + self.len];
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let zero_count = usize::from(digits.starts_with(b"0."));
        // One character is the point.
        places > 0 && digits.len() - 1 - zero_count <= kinds::DOUBLE_DIGITS_MAX
            || kinds::may_be_double(text)
    }

    pub(super) fn float(self) -> Option<f32> {
        self.mantissa().and_then(Mantissa::float)
    }

    pub(super) fn decimal(self, precision: u8, scale: u8) -> Option<i128> {
        self.mantissa()?.decimal(precision, scale)
    }

    pub(super) fn date(self) -> Option<i32> {
        let [word] = self.words()?;
        usual_time::date(word, self.len)
    }

    /// In writing, or as a count of units. Counts that have digits below a microsecond are added to `cut_count`.
    #[inline(always)]
    pub(super) fn timestamp(
        self,
        lanes: impl Lanes,
        unit: TimestampUnit,
        cut_count: &Cell<u64>,
    ) -> Option<i64> {
        let is_written = self.len > 4 && self.bytes.get(self.start + 4) == Some(&b'-');
        if is_written {
            return lanes.timestamp(self.bytes()?, self.len);
        }
        let count = self.integer()?;
        let micros = time::from_unit(count, unit).ok()?;
        let is_cut = unit == TimestampUnit::Nanoseconds && count % 1000 != 0;
        cut_count.set(cut_count.get() + u64::from(is_cut));
        Some(micros)
    }
}

impl<'a, F> Chunk<'a, F> {
    #[inline]
    pub(super) fn text(&self, slot: Slot) -> &'a [u8] {
        let bytes = if slot.tag() == Tag::Unescaped { self.side } else { self.frame };
        &bytes[slot.start()..slot.start() + slot.len()]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn doubles_are_those_of_the_standard_library() {
        let mut state = 31_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let (mut plain, mut exponential) = (0, 0);
        for round in 0..400_000 {
            let len = 1 + random(22);
            let alphabet = if round % 8 == 0 { &b"0123456789.-eE+"[..] } else { b"0123456789" };
            let mut text: Vec<u8> = (0..len).map(|_| alphabet[random(alphabet.len())]).collect();
            if random(4) > 0 {
                text[random(len.min(4))] = b'.';
            }
            if random(4) == 0 {
                text.insert(0, b'-');
            }
            let has_exponent = random(2) == 0;
            if has_exponent {
                text.extend([b"e-", b"E-", b"e+", b"e0"][random(4) / 3 * random(4)]);
                text.extend((0..random(4)).map(|_| alphabet[random(10)]));
            }
            let text_len = text.len();
            text.extend([b'7'; 32]);
            let read = Near { bytes: &text, start: 0, len: text_len }.double(false);
            let expected = str::from_utf8(&text[..text_len]).unwrap().parse::<f64>().ok();
            if let Some(read) = read {
                let shown = String::from_utf8_lossy(&text[..text_len]);
                assert_eq!(Some(read.to_bits()), expected.map(f64::to_bits), "{shown}");
                *(if has_exponent { &mut exponential } else { &mut plain }) += 1;
            }
        }
        assert!(plain > 80_000 && exponential > 30_000, "{plain} {exponential}");
    }
}
