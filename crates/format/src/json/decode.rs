//! JSON lines to columns.
//!
//! Records of one source tend to have the same keys in the same order, written the same way. So a record
//! is first held against the layouts of others, with values of the same lengths ([`Layouts`]), and then
//! against the text around the values of the record before ([`Shape`]): where all of it is there and every
//! value between is one of JSON, the record needs no other parsing. Any other goes through the whole
//! grammar, where the key at each place is first compared with the one that stood there in the record
//! before; only another key is looked up by name.

use std::marker::PhantomData;
use std::ops::Range;

use memchr::memchr;
use tidemill_plan::JsonOptions;
use tidemill_record::{BadRecord, Batch, Frames, Offset, Schema};

use super::layout::Layouts;
use super::scan::{Fault, Scanner};
use super::shape::{Draft, Shape};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::rows::Fitted;
use crate::text::slot::{RowSlots, SlotTable, Tag};
use crate::text::{NextRecord, RecordParser, Rows, TextFrame};
use crate::{DecoderSpec, FormatError};

/// Decodes one partition of JSON lines.
pub(crate) struct JsonDecoder {
    frame: TextFrame,
    rows: Rows,
    layouts: Layouts,
    shape: Shape,
    keys: Keys,
    /// Offset of the first byte of the text.
    head: u64,
    level: Level,
}

impl JsonDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, options: &JsonOptions) -> Result<Self, FormatError> {
        let unit = options.timestamp_unit;
        let rows = Rows::new(spec.schema, spec.columns, spec.columns, unit, spec.batch_rows)?;
        Ok(Self {
            frame: TextFrame::default(),
            rows,
            layouts: Layouts::new(spec.columns.len()),
            shape: Shape::default(),
            keys: Keys::new(spec.schema, spec.columns),
            head: 0,
            level: Level::detect(),
        })
    }

    pub(crate) fn start_at(&mut self, head: u64) {
        self.head = head;
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        self.frame = TextFrame::new(frames)?;
        Ok(())
    }

    pub(crate) fn decode(&mut self, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        if !self.frame.skip_byte_order_mark(self.head) {
            return None;
        }
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level was detected on this host.
            Level::Avx2 => unsafe { self.decode_avx2(bad) },
            Level::Baseline => self.decode_with::<Baseline>(bad),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn decode_avx2(&mut self, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        self.decode_with::<Avx2>(bad)
    }

    #[inline(always)]
    fn decode_with<L: Lanes>(&mut self, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        let mut parser = Parser::<L> {
            layouts: &mut self.layouts,
            shape: &mut self.shape,
            keys: &mut self.keys,
            lanes: PhantomData,
        };
        self.rows.decode(&mut self.frame, bad, &mut parser)
    }

    pub(crate) fn frame(&self) -> &TextFrame {
        &self.frame
    }

    /// The line at `offset`, without its newline.
    pub(crate) fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        let rest = &self.frame.bytes[self.frame.position_of(offset)?..];
        match memchr(b'\n', rest) {
            Some(end) => Some(&rest[..end]),
            None => self.frame.is_last.then_some(rest),
        }
    }
}

/// Parses one line after the other.
struct Parser<'a, L> {
    layouts: &'a mut Layouts,
    shape: &'a mut Shape,
    keys: &'a mut Keys,
    lanes: PhantomData<L>,
}

impl<L: Lanes> RecordParser for Parser<'_, L> {
    #[inline(always)]
    fn known(
        &mut self,
        frame: &TextFrame,
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        let limit = usize::try_from(frame.end.saturating_sub(frame.start)).unwrap_or(usize::MAX);
        self.layouts.fit::<L>(&frame.bytes, (frame.position, limit), rows, slots, places)
    }

    #[inline(always)]
    fn next(
        &mut self,
        frame: &TextFrame,
        row: usize,
        slots: &mut SlotTable,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let (bytes, start) = (frame.bytes.as_slice(), frame.position);
        let mut own = slots.own(row, start);
        own.clear();
        if let Some(next) = self.shape.fit::<L>(bytes, start, &mut own) {
            self.layouts.learn(bytes, (start, next), self.shape.values(), slots);
            return NextRecord::Row { end: next - 1, next, is_ascii: false };
        }
        own.clear();
        self.next_careful(frame, &mut own, side)
    }
}

impl<L> Parser<'_, L> {
    /// By the whole grammar.
    #[inline(never)]
    fn next_careful(
        &mut self,
        frame: &TextFrame,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let (bytes, start) = (frame.bytes.as_slice(), frame.position);
        let (end, next) = match memchr(b'\n', &bytes[start..]) {
            Some(len) => (start + len, start + len + 1),
            None if frame.is_last => (bytes.len(), bytes.len()),
            None => return NextRecord::Partial,
        };
        let scanner = Scanner { bytes, end };
        let at = scanner.skip_blank(start);
        if at == end {
            return NextRecord::Blank { next };
        }
        let mut draft = self.shape.redraw(start);
        match object(scanner, at, self.keys, &mut draft, slots, side) {
            Ok(()) => {
                draft.finish(bytes, next);
                NextRecord::Row { end, next, is_ascii: false }
            }
            Err(Fault { at, what }) => {
                let reason =
                    format!("not a JSON object: {what} at byte {} of the record", at - start);
                NextRecord::Bad { end, next, reason }
            }
        }
    }
}

/// Fills the slots from the object at `at`, which has to take the rest of the record.
#[inline]
fn object(
    scanner: Scanner<'_>,
    at: usize,
    keys: &mut Keys,
    draft: &mut Draft<'_>,
    slots: &mut RowSlots<'_>,
    side: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut at = scanner.skip_blank(scanner.expect(at, b'{', "'{' was expected")?);
    if scanner.byte(at) == Some(b'}') {
        return scanner.expect_end(at + 1);
    }
    let mut place = 0;
    loop {
        at = scanner.expect(at, b'"', "a key was expected")?;
        let needed;
        (needed, at) = keys.find(scanner, at, place, side)?;
        place += 1;
        let side_len = side.len();
        let value;
        let value_start = scanner.skip_blank(at);
        (value, at) = scanner.value(value_start, side)?;
        draft.note(scanner.bytes, value_start, at, needed);
        match needed {
            Some(column) => slots.set(column, value),
            None => side.truncate(side_len),
        }
        at = scanner.skip_blank(at);
        match scanner.bytes.get(at) {
            Some(b',') => at = scanner.skip_blank(at + 1),
            Some(b'}') => return scanner.expect_end(at + 1),
            _ => return Err(Fault { at, what: "',' or '}' was expected" }),
        }
    }
}

/// The keys of the columns, and those of the record before, in order.
struct Keys {
    /// Name of each column, and which of the needed ones it is.
    names: Vec<(String, Option<usize>)>,
    /// What stood at each place of the record before.
    expected: Vec<Expected>,
}

/// A short key that was seen, with the quote and, where they were together, the colon behind it, as 16
/// bytes.
#[derive(Clone, Copy)]
struct Expected {
    /// The key, its closing quote and the colon, little-endian, zero behind.
    bytes: u128,
    /// Ones where `bytes` counts.
    mask: u128,
    /// Bytes that count, in `1..=16`.
    len: usize,
    /// The needed column of that name.
    column: Option<usize>,
}

impl Keys {
    /// Places behind this many are looked up by name each time.
    const PLACES_MAX: usize = 256;

    fn new(schema: &Schema, columns: &[usize]) -> Self {
        let needed = |column| columns.iter().position(|needed| *needed == column);
        let fields = schema.fields.iter().enumerate();
        let names = fields.map(|(column, field)| (field.name.clone(), needed(column))).collect();
        Self { names, expected: Vec::new() }
    }

    /// The needed column of the key whose opening quote is behind, and the position behind its colon.
    #[inline]
    fn find(
        &mut self,
        scanner: Scanner<'_>,
        at: usize,
        place: usize,
        side: &mut Vec<u8>,
    ) -> Result<(Option<usize>, usize), Fault> {
        if let Some(expected) = self.expected.get(place)
            && let Some(loaded) = scanner.bytes.get(at..at + 16)
        {
            let loaded = u128::from_le_bytes(loaded.try_into().expect("sixteen bytes"));
            // A newline cannot be part of a seen key, so a match lies within the record.
            if loaded & expected.mask == expected.bytes {
                return Ok((expected.column, at + expected.len));
            }
        }
        self.look_up(scanner, at, place, side)
    }

    #[cold]
    fn look_up(
        &mut self,
        scanner: Scanner<'_>,
        at: usize,
        place: usize,
        side: &mut Vec<u8>,
    ) -> Result<(Option<usize>, usize), Fault> {
        let side_len = side.len();
        let (slot, next) = scanner.string(at, side)?;
        let is_plain = slot.tag() == Tag::Text;
        let key = if is_plain { &scanner.bytes[at..next - 1] } else { &side[side_len..] };
        let is_colon_next = scanner.bytes.get(next) == Some(&b':');
        let behind = scanner.expect(scanner.skip_blank(next), b':', "':' was expected");
        let column = self.column_named(key);
        side.truncate(side_len);
        let len = next + 1 - at;
        if is_plain && is_colon_next && len <= 16 && place < Self::PLACES_MAX {
            let mut bytes = [0; 16];
            bytes[..len].copy_from_slice(&scanner.bytes[at..=next]);
            let mask = u128::MAX >> (8 * (16 - len));
            let expected = Expected { bytes: u128::from_le_bytes(bytes), mask, len, column };
            self.expect_at(place, expected);
        } else if place == self.expected.len() && place < Self::PLACES_MAX {
            // A long key keeps its place, so that those behind it stay predictable: an empty mask
            // with bytes that are not zero matches nothing.
            self.expected.push(Expected { bytes: 1, mask: 0, len: 1, column: None });
        }
        Ok((column, behind?))
    }

    /// The needed column of this name or, where no column has it, of one that differs in case only: names
    /// without quotes are folded to lower case in SQL, and a key spelled otherwise must not turn
    /// into NULL unseen. Columns that are not needed have a say, so that no value depends on which are.
    fn column_named(&self, key: &[u8]) -> Option<usize> {
        let names = || self.names.iter();
        let exact = names().find(|(name, _)| name.as_bytes() == key);
        let found =
            exact.or_else(|| names().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(key)));
        found.and_then(|(_, needed)| *needed)
    }

    fn expect_at(&mut self, place: usize, expected: Expected) {
        if place < self.expected.len() {
            self.expected[place] = expected;
        } else if place == self.expected.len() {
            self.expected.push(expected);
        }
    }
}
