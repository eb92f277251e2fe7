//! CSV to columns.
//!
//! Records with the right number of fields, which are nearly all, take their field boundaries straight from
//! [`Structure`], in quotes or not; any other goes through [`record::split`]. Where the options say
//! that fields depart from the plain form, each is looked at by itself.

mod image;

use std::collections::VecDeque;
use std::ops::Range;

use memchr::memchr;
use tidemill_plan::{CsvFields, CsvOptions};
use tidemill_record::{BadRecord, Batch, Frames, Offset, Schema};

use super::lines::{Preamble, comment};
use super::nulls::Nulls;
use super::record::{self, Ending, Open, RawField, Style};
use super::stops::FieldEnd;
use super::structure::{Run, Structure};
use super::{check_options, header, sniff};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::rows::{Fitted, Several};
use crate::text::slot::{RowSlots, SlotTable, Tag, narrow};
use crate::text::{Grid, NextRecord, RecordParser, Rows, Slot, TextFrame};
use crate::{DecoderSpec, FormatError, LeftOut, lost};

/// Texts of before whose headers are kept, at least as many as readers go back to.
const EARLIER_MAX: usize = 16;

/// Decodes one partition of CSV.
pub(crate) struct CsvDecoder {
    // Fixed at construction.
    options: CsvOptions,
    schema: Schema,
    /// Columns that have a slot in each record.
    needed: Vec<usize>,
    nulls: Nulls,
    departs: Departures,
    // Changes once for each text, with the header.
    layout: Option<Layout>,
    /// The header given for partitions that start inside their file.
    given_header: Option<Vec<String>>,
    is_inferred: bool,
    is_union: bool,
    left_out: Vec<LeftOut>,
    /// Offset of the first byte of the text.
    head: u64,
    /// Whether the first frame began at the head; `None` before it came.
    is_from_head: Option<bool>,
    preamble: Preamble,
    /// Texts of before, of which more may come, oldest first.
    earlier: VecDeque<Text>,
    // Changes with every frame.
    frame: TextFrame,
    structure: Structure,
    rows: Rows,
    fields: Vec<RawField>,
    /// A record whose end has not come, by its offset; its fields so far are in `fields`.
    open: Option<(u64, Open)>,
    level: Level,
}

/// What is known of a text of which more may come.
struct Text {
    head: u64,
    layout: Option<Layout>,
    is_from_head: Option<bool>,
    preamble: Preamble,
}

/// In what records may depart from the plain form, beside quotes and the number of fields.
#[derive(Clone, Copy)]
struct Departures {
    /// There may be comments among them.
    has_comments: bool,
    /// Where a field ends does not say what it is.
    in_fields: bool,
}

impl Departures {
    fn of(options: &CsvOptions) -> Self {
        let reading = &options.reading;
        let in_fields = !reading.nulls.is_empty() || reading.escape.is_some() || reading.is_trimmed;
        Self { has_comments: reading.comment.is_some(), in_fields }
    }

    /// Whether a quote may mean something else than in the plain form.
    fn is_any(self) -> bool {
        self.has_comments || self.in_fields
    }
}

/// What the header says, once it is known.
struct Layout {
    /// The names that the header has; none where there is no header.
    header: Vec<String>,
    /// Fields of a whole record, at least 1.
    field_count: usize,
    /// For each slot, its field.
    fields: Vec<usize>,
    /// Some are [`header::MISSING`]: records are looked at one by one.
    has_missing: bool,
}

impl CsvDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, options: &CsvOptions) -> Result<Self, FormatError> {
        check_options(options)?;
        let departs = Departures::of(options);
        let needed = spec.columns.to_vec();
        let rows = Rows::new(spec, (options.timestamp_unit, &options.times))?;
        let layout = (!options.has_header).then(|| Layout {
            header: Vec::new(),
            field_count: spec.schema.fields.len(),
            fields: needed.clone(),
            has_missing: false,
        });
        Ok(Self {
            options: options.clone(),
            schema: spec.schema.clone(),
            nulls: Nulls::new(options, spec.schema, &needed),
            departs,
            needed,
            layout,
            given_header: spec.csv_header.map(<[String]>::to_vec),
            is_inferred: spec.is_inferred,
            is_union: spec.is_union,
            left_out: Vec::new(),
            head: 0,
            is_from_head: None,
            preamble: Preamble::of(options),
            earlier: VecDeque::new(),
            frame: TextFrame::default(),
            structure: Structure::new(options.delimiter, options.quote, departs.is_any()),
            rows,
            fields: Vec::new(),
            open: None,
            level: Level::detect(),
        })
    }

    pub(crate) fn start_at(&mut self, head: u64) {
        if head != self.head {
            self.change_text(head);
        }
    }

    /// Goes on with another text: one of before, or one that begins.
    #[cold]
    fn change_text(&mut self, head: u64) {
        self.open = None;
        let known = self.earlier.iter().position(|text| text.head == head);
        let text = known.and_then(|at| self.earlier.remove(at)).unwrap_or_else(|| Text {
            head,
            layout: None,
            is_from_head: None,
            preamble: Preamble::of(&self.options),
        });
        if self.earlier.len() == EARLIER_MAX {
            self.earlier.pop_front();
        }
        let mut left = Text {
            head: std::mem::replace(&mut self.head, text.head),
            layout: None,
            is_from_head: std::mem::replace(&mut self.is_from_head, text.is_from_head),
            preamble: std::mem::replace(&mut self.preamble, text.preamble),
        };
        // Without headers the same layout is known of every text.
        if self.options.has_header {
            left.layout = std::mem::replace(&mut self.layout, text.layout);
        }
        self.earlier.push_back(left);
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        self.frame = TextFrame::new(frames)?;
        let is_from_head = *self.is_from_head.get_or_insert(self.frame.start == self.head);
        if !is_from_head {
            self.preamble = Preamble::BEHIND;
        }
        if self.layout.is_none() && !is_from_head {
            let header = self.given_header.take().ok_or(FormatError::HeaderUnknown)?;
            self.lay_out(&header)?;
        }
        self.structure.begin(0);
        Ok(())
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        if !self.frame.skip_byte_order_mark(self.head) {
            return Ok(None);
        }
        let is_begun = self.layout.is_some() && self.preamble == Preamble::BEHIND;
        if !is_begun && !self.read_head()? {
            return Ok(None);
        }
        Ok(match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.decode_avx2(lanes, bad) },
            Level::Baseline => self.decode_with(Baseline, bad),
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn decode_avx2(&mut self, lanes: Avx2, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        self.decode_with(lanes, bad)
    }

    #[inline(always)]
    fn decode_with<L: Lanes>(&mut self, lanes: L, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        let mut parser = Parser {
            options: &self.options,
            layout: self.layout.as_ref()?,
            nulls: &self.nulls,
            departs: self.departs,
            structure: &mut self.structure,
            fields: &mut self.fields,
            open: &mut self.open,
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
        self.left_out.iter().cloned().chain(self.rows.left_out()).collect()
    }

    /// The bytes of the record at `offset`, without its newline.
    pub(crate) fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        let start = self.frame.position_of(offset)?;
        let mut fields = Vec::new();
        let bytes = &self.frame.bytes;
        match record::split(bytes, start, self.frame.is_last, &self.options, &mut fields) {
            Ending::Whole { end, .. } => Some(&bytes[start..end]),
            Ending::Partial(_) => None,
        }
    }

    /// Reads what stands before the first record, a header with it; `false` if the frame does not hold all
    /// of it.
    fn read_head(&mut self) -> Result<bool, FormatError> {
        let TextFrame { bytes, position, is_last, .. } = &mut self.frame;
        let is_passed = self.preamble.pass(bytes, position, *is_last, &self.options);
        self.structure.skip_to(bytes, *position);
        Ok(is_passed && (self.layout.is_some() || self.read_header()?))
    }

    /// Reads the header at the frame's position; `false` if the frame does not hold all of it.
    fn read_header(&mut self) -> Result<bool, FormatError> {
        let TextFrame { bytes, position, is_last, .. } = &self.frame;
        if *position == bytes.len() {
            return Ok(false);
        }
        match record::split(bytes, *position, *is_last, &self.options, &mut self.fields) {
            Ending::Partial(_) => Ok(false),
            Ending::Whole { fault: Some(fault), .. } => {
                Err(FormatError::Header { reason: fault.to_owned() })
            }
            Ending::Whole { next, .. } => {
                let names = header::names(bytes, &self.fields, &self.options)?;
                self.lay_out(&names)?;
                if self.is_inferred {
                    self.left_out = lost::header_columns(&names, &self.schema, self.head);
                }
                self.frame.position = next;
                self.structure.skip_to(&self.frame.bytes, next);
                Ok(true)
            }
        }
    }

    fn lay_out(&mut self, header: &[String]) -> Result<(), FormatError> {
        self.layout = Some(self.laid_out(header)?);
        Ok(())
    }

    fn laid_out(&self, header: &[String]) -> Result<Layout, FormatError> {
        header::refuse_duplicates(header)?;
        let fields =
            header::matched(header, &self.schema, &self.needed, &self.options, self.is_union)?;
        let has_missing = fields.contains(&header::MISSING);
        let (header, field_count) = (header.to_vec(), header.len());
        Ok(Layout { header, field_count, fields, has_missing })
    }
}

/// Parses one record after the other.
struct Parser<'a, L> {
    options: &'a CsvOptions,
    layout: &'a Layout,
    nulls: &'a Nulls,
    departs: Departures,
    structure: &'a mut Structure,
    fields: &'a mut Vec<RawField>,
    open: &'a mut Option<(u64, Open)>,
    lanes: L,
}

impl<L: Lanes> RecordParser for Parser<'_, L> {
    #[inline(always)]
    fn grid(&mut self, frame: &TextFrame, rows_max: usize) -> Option<Grid<'_>> {
        if self.is_in_pieces() || self.departs.in_fields || self.layout.has_missing {
            return None;
        }
        let Layout { field_count, fields, .. } = self.layout;
        if !self.structure.look(self.lanes, &frame.bytes, *field_count) {
            return None;
        }
        let comment = self.options.reading.comment.as_deref();
        let Run { ends: stops, is_ascii, .. } = self.structure.run(
            self.lanes,
            &frame.bytes,
            (frame.position, limit(frame)),
            *field_count,
            rows_max,
            comment,
        );
        if stops.len() == 1 {
            return None;
        }
        Some(Grid { stops, stride: *field_count, fields, is_ascii })
    }

    #[inline(always)]
    fn is_in_pieces(&self) -> bool {
        self.open.is_some()
    }

    /// Records that are regular, but not plain.
    #[inline(always)]
    fn known(
        &mut self,
        frame: &TextFrame,
        rows: Range<usize>,
        Several { slots, places, side, .. }: Several<'_>,
    ) -> Fitted {
        if self.is_in_pieces() || self.departs.in_fields {
            return Fitted::NONE;
        }
        let bytes = frame.bytes.as_slice();
        let Layout { field_count, fields, .. } = self.layout;
        let CsvOptions { quote, reading, .. } = self.options;
        let run = self.structure.run(
            self.lanes,
            bytes,
            (frame.position, limit(frame)),
            *field_count,
            rows.len(),
            reading.comment.as_deref(),
        );
        let Run { ends, is_ascii, .. } = run;
        let row_count = (ends.len() - 1) / field_count;
        for (ends, row) in (0..row_count).map(|row| &ends[row * field_count..]).zip(rows) {
            let start = FieldEnd::new(ends[0]).next();
            let newline = FieldEnd::new(ends[*field_count]).position() as usize;
            let end = newline - usize::from(newline > start && bytes[newline - 1] == b'\r');
            places.push((narrow(start), narrow(end)));
            let mut own = slots.own(row, start);
            for (place, &field) in fields.iter().enumerate() {
                if field == header::MISSING {
                    own.set(place, Slot::NULL);
                    continue;
                }
                let (before, behind) = (FieldEnd::new(ends[field]), FieldEnd::new(ends[field + 1]));
                let (from, to) = (before.next(), (behind.position() as usize).min(end));
                let is_quoted = usize::from(bytes[from] == *quote);
                let (from, to) = (from + is_quoted, to - is_quoted);
                if behind.has_doubled() {
                    let text_start = side.len();
                    record::unescape(&bytes[from..to], Style::Escaped, self.options, side);
                    own.set(place, Slot::new(Tag::Unescaped, text_start, side.len()));
                } else {
                    own.set(place, Slot::text_if(is_quoted == 1 || to > from, from, to));
                }
            }
        }
        let next = FieldEnd::new(ends[row_count * field_count]).next();
        Fitted { row_count, next, is_ascii }
    }

    #[inline(always)]
    fn next(
        &mut self,
        frame: &TextFrame,
        row: usize,
        slots: &mut SlotTable,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let mut slots = slots.own(row, frame.position);
        if self.open.is_none() && self.departs.is_any() {
            return self.next_departing(frame, &mut slots, side);
        }
        self.next_careful(frame, &mut slots, side)
    }
}

/// The position in a frame from which on records are not ours.
fn limit(frame: &TextFrame) -> usize {
    usize::try_from(frame.end.saturating_sub(frame.start)).unwrap_or(usize::MAX)
}

impl<L: Lanes> Parser<'_, L> {
    /// As [`Self::next`], where records may depart from the plain form.
    #[inline(never)]
    fn next_departing(
        &mut self,
        frame: &TextFrame,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let (bytes, start) = (frame.bytes.as_slice(), frame.position);
        match comment(&bytes[start..], frame.is_last, self.options) {
            None => return NextRecord::Partial,
            Some(true) => {
                let line = memchr(b'\n', &bytes[start..]);
                let next = line.map_or(bytes.len(), |len| start + len + 1);
                self.structure.skip_to(bytes, next);
                return NextRecord::Blank { next };
            }
            Some(false) => {}
        }
        if self.layout.has_missing {
            return self.next_careful(frame, slots, side);
        }
        let count = self.layout.field_count;
        let Run { ends: stops, is_ascii, .. } =
            self.structure.run(self.lanes, bytes, (start, usize::MAX), count, 1, None);
        let Some(&last) = stops.get(count) else {
            return self.next_careful(frame, slots, side);
        };
        let last = last as usize;
        let escape = self.options.reading.escape;
        if escape.is_some_and(|escape| memchr(escape, &bytes[start..last]).is_some()) {
            return self.next_careful(frame, slots, side);
        }
        let end = last - usize::from(last > start && bytes[last - 1] == b'\r');
        for (place, &field) in self.layout.fields.iter().enumerate() {
            let from = stops[field].wrapping_add(1) as usize;
            let to = (stops[field + 1] as usize).min(end).max(from);
            let (from, to) = record::around(bytes, (from, to), self.options);
            let is_null = self.nulls.is_null(place, &bytes[from..to]);
            slots.set(place, if is_null { Slot::NULL } else { Slot::new(Tag::Text, from, to) });
        }
        NextRecord::Row { end, next: last + 1, is_ascii }
    }

    #[cold]
    fn next_careful(
        &mut self,
        frame: &TextFrame,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let (bytes, start) = (frame.bytes.as_slice(), frame.position);
        // What has been looked through of a record that came in pieces is not looked through again, unless
        // fewer bytes of it are lent than before.
        let is_held = |open: &Open| open.length() <= bytes.len() - start;
        let open = self.open.take();
        let open = open.filter(|(offset, open)| *offset == frame.offset() && is_held(open));
        let ending = match open {
            None => record::split(bytes, start, frame.is_last, self.options, self.fields),
            Some((_, open)) => {
                let open = open.moved_to(start, self.fields);
                record::go_on(bytes, open, frame.is_last, self.options, self.fields)
            }
        };
        let (end, next, fault) = match ending {
            Ending::Whole { end, next, fault } => (end, next, fault),
            Ending::Partial(open) => {
                *self.open = Some((frame.offset(), open));
                return NextRecord::Partial;
            }
        };
        self.structure.skip_to(bytes, next);
        let (first, behind) = record::around(bytes, (start, end), self.options);
        if first == behind && self.layout.field_count > 1 {
            return NextRecord::Blank { next };
        }
        if let Some(fault) = fault {
            return NextRecord::Bad { end, next, reason: fault.to_owned() };
        }
        if !self.has_fitting_count() {
            let reason = self.wrong_count(bytes);
            return NextRecord::Bad { end, next, reason };
        }
        if bytes[next - 1] != b'\n' && header::has_bare_return(bytes, self.fields) {
            return NextRecord::Bad { end, next, reason: header::BARE_RETURN.to_owned() };
        }
        self.fill(bytes, slots, side);
        NextRecord::Row { end, next, is_ascii: false }
    }

    /// Sets the slots of a record that has been split into its fields.
    fn fill(&self, bytes: &[u8], slots: &mut RowSlots<'_>, side: &mut Vec<u8>) {
        for (place, &field) in self.layout.fields.iter().enumerate() {
            // Fewer than columns, or none of its own: NULL.
            let Some(&RawField { start, end, style }) = self.fields.get(field) else {
                slots.set(place, Slot::NULL);
                continue;
            };
            let text = &bytes[start..end];
            let is_bare = matches!(style, Style::Bare | Style::BareEscaped);
            let slot = match style {
                _ if is_bare && self.nulls.is_null(place, text) => Slot::NULL,
                Style::Bare | Style::Quoted => Slot::new(Tag::Text, start, end),
                Style::BareEscaped | Style::Escaped => {
                    let from = side.len();
                    record::unescape(text, style, self.options, side);
                    Slot::new(Tag::Unescaped, from, side.len())
                }
            };
            slots.set(place, slot);
        }
    }

    fn has_fitting_count(&self) -> bool {
        let (found, expected) = (self.fields.len(), self.layout.field_count);
        match self.options.reading.fields {
            CsvFields::Strict => found == expected,
            CsvFields::Pad => found <= expected,
            CsvFields::Any => true,
        }
    }

    fn wrong_count(&self, bytes: &[u8]) -> String {
        let (found, expected) = (self.fields.len(), self.layout.field_count);
        let fields = if found == 1 { "field" } else { "fields" };
        let whole = if self.options.has_header { "header" } else { "schema" };
        let count = format!("{found} {fields} where the {whole} has {expected}");
        if header::has_bare_return(bytes, self.fields) {
            return format!("{count}; {}", header::BARE_RETURN);
        }
        if expected == 1 && self.options.has_header {
            // A header of one column among records of several is a title more often.
            return format!(
                "{count}; 'csv.skip.lines' passes over lines that stand before the header"
            );
        }
        match self.fields[..] {
            [RawField { start, end, style: Style::Bare }] => {
                match sniff::best_delimiter(&bytes[start..end], self.options) {
                    Some((delimiter, found)) if found == expected => {
                        let shown = sniff::shown(delimiter);
                        format!(
                            "{count}; with {shown} between them it has {found}: set 'csv.delimiter' = {shown}"
                        )
                    }
                    _ => count,
                }
            }
            _ => count,
        }
    }
}
