//! JSON lines to columns.
//!
//! Records that are laid out like some before are held against those ([`Layouts`]), as long as nearly all are. For others, an [`Index`] says where the tokens of the records ahead begin. Each record is walked over by its tokens, which
//! gives the places of the needed values by their [`Keys`] ([`Record`]); then these values are checked, a column
//! at a time ([`Checked`]). A record in which anything is wrong is read once more by the whole grammar, which
//! says what.

use std::ops::Range;

use memchr::memchr;
use tidemill_plan::JsonOptions;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{BadRecord, Batch, Frames, Offset};

use super::check::Checked;
use super::index::{Index, Next};
use super::keys::Keys;
use super::layouts::Layouts;
use super::record::Record;
use super::scan::{Fault, Scanner};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::misfit::Misfit;
use crate::text::rows::{Fitted, Several};
use crate::text::slot::{Slot, SlotTable, narrow};
use crate::text::{NextRecord, RecordParser, Rows, TextFrame};
use crate::{DecoderSpec, FormatError, LeftOut};

/// Decodes one partition of JSON lines.
pub(crate) struct JsonDecoder {
    frame: TextFrame,
    rows: Rows,
    layouts: Layouts,
    index: Index,
    keys: Keys,
    /// Of one record, and one for what is not needed.
    slots: Vec<Slot>,
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
            index: Index::default(),
            keys: Keys::new(spec.schema, spec.columns, spec.is_inferred),
            slots: vec![Slot::NULL; spec.columns.len() + 1],
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
        self.index.begin(&frame.bytes, frame.position, frame.is_last);
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
            index: &mut self.index,
            keys: &mut self.keys,
            slots: &mut self.slots,
            lanes,
        };
        self.rows.decode(&mut self.frame, bad, &mut parser)
    }

    pub(crate) fn rows_mut(&mut self) -> &mut Rows {
        &mut self.rows
    }

    pub(crate) fn let_go(&mut self) {
        self.frame.let_go();
        self.index.begin(&[], 0, false);
    }

    pub(crate) fn frame(&self) -> &TextFrame {
        &self.frame
    }

    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        self.keys.left_out().chain(self.rows.left_out()).collect()
    }

    /// What has been counted of the records so far. Layouts and the index are learned anew.
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("head", self.head);
        image.put_image("rows", self.rows.export());
        image.put_image("unknown_keys", self.keys.unknown().export());
        image
    }

    /// Takes over what another one has counted.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.head = image.take_one("head")?;
        let rows = image.take_image("rows")?;
        self.rows.import(rows).map_err(|error| error.within("rows"))?;
        let keys = image.take_image("unknown_keys")?;
        let unknown = self.keys.unknown_mut();
        unknown.import(keys).map_err(|error| error.within("unknown_keys"))?;
        image.end()
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

/// Walks over one record after the other.
struct Parser<'a, L> {
    layouts: &'a mut Layouts,
    index: &'a mut Index,
    keys: &'a mut Keys,
    slots: &'a mut [Slot],
    lanes: L,
}

impl<L: Lanes> RecordParser for Parser<'_, L> {
    /// Takes records that are laid out as some before, or else objects of any kind, up to a record that is none.
    #[inline(always)]
    fn known(&mut self, frame: &TextFrame, rows: Range<usize>, into: Several<'_>) -> Fitted {
        let bytes = frame.bytes.as_slice();
        let limit = usize::try_from(frame.end.saturating_sub(frame.start)).unwrap_or(usize::MAX);
        let mut into = into;
        let Several { slots, places, .. } = &mut into;
        let place = (frame.position, limit);
        let fitted = self.layouts.fit(self.lanes, bytes, place, rows.clone(), slots, places);
        if fitted.row_count > 0 {
            return fitted;
        }
        let start = frame.position;
        self.index.seek(start);
        let is_alone = self.layouts.is_on();
        if !self.index.prepare(bytes, is_alone) {
            return Fitted::NONE;
        }
        let rows = if is_alone { rows.start..rows.start + 1 } else { rows };
        self.walk(frame, limit, rows, into)
    }

    /// Steps over a record that is no object.
    #[inline(never)]
    fn next(
        &mut self,
        frame: &TextFrame,
        _: usize,
        _: &mut SlotTable,
        _: &mut Vec<u8>,
    ) -> NextRecord {
        let bytes = frame.bytes.as_slice();
        self.index.seek(frame.position);
        match self.index.next(bytes) {
            Next::Partial => NextRecord::Partial,
            Next::Blank(record) => NextRecord::Blank { next: bytes.len().min(record.end + 1) },
            Next::Bad(record) => {
                let (end, next) = (record.end, bytes.len().min(record.end + 1));
                NextRecord::Bad { end, next, reason: fault(bytes, record) }
            }
        }
    }
}

impl<L: Lanes> Parser<'_, L> {
    /// Takes objects from the index, before the limit.
    #[inline(always)]
    fn walk(
        &mut self,
        frame: &TextFrame,
        limit: usize,
        rows: Range<usize>,
        into: Several<'_>,
    ) -> Fitted {
        let bytes = frame.bytes.as_slice();
        let Several { slots, places, side, rejected } = into;
        let is_unescaped = self.index.is_unescaped();
        let column_count = self.slots.len() - 1;
        let mut row_count = 0;
        while row_count < rows.len() && !self.keys.is_any_unknown() {
            let Some((place, tokens)) = self.index.record(row_count) else { break };
            if place.start >= limit || tokens.is_empty() {
                break;
            }
            let tokens = self.index.tokens(tokens);
            self.slots.fill(Slot::NULL);
            if (Record { bytes, tokens, is_unescaped }).walk(self.keys, self.slots, side).is_none()
            {
                self.keys.drop_record();
                break;
            }
            let mut own = slots.own(rows.start + row_count, place.start);
            for (column, slot) in self.slots[..column_count].iter().enumerate() {
                own.set(column, *slot);
            }
            places.push((narrow(place.start), narrow(place.end)));
            row_count += 1;
        }
        let rows = rows.start..rows.start + row_count;
        self.check(bytes, rows.clone(), side, slots, rejected);
        let places = &places[places.len() - row_count..];
        for bad in &mut *rejected {
            let (start, end) = places[bad.row - rows.start];
            bad.reason = fault(bytes, start as usize..end as usize);
        }
        if self.layouts.is_on() && row_count > 0 && rejected.is_empty() {
            self.learn(bytes, places, slots);
        }
        // The last one alone has such keys.
        if self.keys.is_any_unknown() {
            let is_bad = rejected.iter().any(|bad| bad.row + 1 == rows.end);
            let start = places.last().map(|place| Offset(frame.offset_at(place.0 as usize)));
            self.keys.count_unknown(start.filter(|_| !is_bad));
        }
        self.index.advance(row_count);
        let next = self.index.start().min(bytes.len());
        Fitted { row_count, next, is_ascii: self.index.is_ascii() }
    }

    /// Learns how the record that was walked over is laid out.
    #[inline(never)]
    fn learn(&mut self, bytes: &[u8], places: &[(u32, u32)], slots: &mut SlotTable) {
        let [(start, end)] = *places else { return };
        let (start, end) = (start as usize, end as usize);
        let is_whole = bytes.get(end) == Some(&b'\n') && !bytes[start..end].contains(&b'\\');
        let Some((_, tokens)) = self.index.record(0) else { return };
        let record = Record { bytes, tokens: self.index.tokens(tokens), is_unescaped: true };
        if is_whole
            && !self.keys.is_any_unknown()
            && let Some(values) = record.flat_values(self.keys)
        {
            self.layouts.learn(bytes, (start, end + 1), &values, slots);
        }
    }

    /// Checks the values of these rows, and rejects those that have one that is no JSON.
    #[inline(always)]
    fn check(
        &mut self,
        bytes: &[u8],
        rows: Range<usize>,
        side: &mut Vec<u8>,
        slots: &mut SlotTable,
        rejected: &mut Vec<Misfit>,
    ) {
        let mut checked = Checked { bytes, is_unescaped: self.index.is_unescaped(), side };
        for column in 0..self.slots.len() - 1 {
            for row in rows.clone() {
                let slot = slots.slot(row, column);
                match checked.value(self.lanes, slot) {
                    Some(found) if found == slot => {}
                    Some(found) => slots.set(row, column, found),
                    None => {
                        slots.set(row, column, Slot::NULL);
                        rejected.push(Misfit { row, reason: String::new() });
                    }
                }
            }
        }
    }
}

/// Why a record is no object.
#[cold]
fn fault(bytes: &[u8], Range { start, end }: Range<usize>) -> String {
    let scanner = Scanner { bytes, end };
    let first = scanner.skip_blank(start);
    let fault = scanner.object(first, &mut Vec::new(), |_, _| {}).err();
    debug_assert!(fault.is_some(), "what is wrong is wrong by the grammar");
    let Fault { at, what } = fault.unwrap_or(Fault { at: start, what: "something is wrong" });
    let hint = no_line(&bytes[start..end]);
    format!("not a JSON object: {what} at byte {} of the record{hint}", at - start)
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
