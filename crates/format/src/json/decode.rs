//! JSON lines to columns.
//!
//! Records of one source tend to have the same keys in the same order, written the same way. So a record
//! is first held against the layouts of others, with values of the same lengths ([`Layouts`]), and then
//! against the text around the values of the record before ([`Shape`]): where all of it is there and every
//! value between is one of JSON, the record needs no other parsing. Any other goes through the whole
//! grammar, where [`Keys`] know which column each key is.

use std::ops::Range;

use memchr::memchr;
use tidemill_plan::JsonOptions;
use tidemill_record::{BadRecord, Batch, Frames, Offset};

use super::keys::{Keys, Target};
use super::layout::Layouts;
use super::scan::{Fault, Scanner};
use super::shape::{Draft, Shape};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::rows::Fitted;
use crate::text::slot::{RowSlots, SlotTable};
use crate::text::{NextRecord, RecordParser, Rows, TextFrame};
use crate::{DecoderSpec, FormatError, LeftOut};

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
        let times = (options.timestamp_unit, &options.times);
        let rows = Rows::new(spec, times)?;
        Ok(Self {
            frame: TextFrame::default(),
            rows,
            layouts: Layouts::new(spec.columns.len()),
            shape: Shape::default(),
            keys: Keys::new(spec.schema, spec.columns, spec.is_inferred),
            head: 0,
            level: Level::detect(),
        })
    }

    pub(crate) fn start_at(&mut self, head: u64) {
        self.head = head;
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        self.take_over(TextFrame::new(frames)?);
        Ok(())
    }

    /// Goes on with what was lent to somebody else.
    pub(crate) fn take_over(&mut self, frame: TextFrame) {
        self.frame = frame;
    }

    pub(crate) fn decode(&mut self, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        if !self.frame.skip_byte_order_mark(self.head) {
            return None;
        }
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.decode_avx2(lanes, bad) },
            Level::Baseline => self.decode_with(Baseline, bad),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn decode_avx2(&mut self, lanes: Avx2, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        self.decode_with(lanes, bad)
    }

    #[inline(always)]
    fn decode_with<L: Lanes>(&mut self, lanes: L, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        let mut parser = Parser {
            layouts: &mut self.layouts,
            shape: &mut self.shape,
            keys: &mut self.keys,
            lanes,
        };
        self.rows.decode(&mut self.frame, bad, &mut parser)
    }

    pub(crate) fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    pub(crate) fn let_go(&mut self) {
        self.frame.let_go();
    }

    pub(crate) fn frame(&self) -> &TextFrame {
        &self.frame
    }

    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        self.keys.left_out().chain(self.rows.left_out()).collect()
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
    lanes: L,
}

impl<L: Lanes> RecordParser for Parser<'_, L> {
    #[inline(always)]
    fn known(
        &mut self,
        frame: &TextFrame,
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
        _: &mut Vec<u8>,
    ) -> Fitted {
        let limit = usize::try_from(frame.end.saturating_sub(frame.start)).unwrap_or(usize::MAX);
        self.layouts.fit(self.lanes, &frame.bytes, (frame.position, limit), rows, slots, places)
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
        if let Some(next) = self.shape.fit(self.lanes, bytes, start, &mut own) {
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
                if self.keys.is_unsettled() {
                    let offset = Offset(frame.start + start as u64);
                    self.keys.settle(&mut draft, slots, offset);
                }
                draft.finish(bytes, next);
                NextRecord::Row { end, next, is_ascii: false }
            }
            Err(Fault { at, what }) => {
                self.keys.drop_unsettled();
                let hint = no_line(&bytes[start..end]);
                let reason =
                    format!("not a JSON object: {what} at byte {} of the record{hint}", at - start);
                NextRecord::Bad { end, next, reason }
            }
        }
    }
}

/// What to do about a record that looks like a part of a value of several lines.
#[cold]
pub(super) fn no_line(record: &[u8]) -> &'static str {
    match record.trim_ascii() {
        [b'[', ..] => {
            "; records are objects, one a line: 'json.layout' = 'array' reads the elements of one array"
        }
        b"{" => {
            "; records are objects, one a line: 'json.layout' = 'values' reads such over several lines"
        }
        _ => "",
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
        let target;
        (target, at) = keys.find(scanner, at, place, side)?;
        let side_len = side.len();
        let value;
        let value_start = scanner.skip_blank(at);
        (value, at) = scanner.value(value_start, side)?;
        draft.note(scanner.bytes, value_start, at, target.column());
        match target {
            Target::Exact(column) => slots.set(column, value),
            Target::Passed => side.truncate(side_len),
            Target::Loose(column) => keys.set_aside(place, column, value),
        }
        place += 1;
        at = scanner.skip_blank(at);
        match scanner.bytes.get(at) {
            Some(b',') => at = scanner.skip_blank(at + 1),
            Some(b'}') => return scanner.expect_end(at + 1),
            _ => return Err(Fault { at, what: "',' or '}' was expected" }),
        }
    }
}
