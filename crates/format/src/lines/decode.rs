//! Lines to columns, whatever separates their fields.

use memchr::memchr;
use tidemill_plan::{LineOptions, LineSyntax};
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{BadRecord, Batch, Frames, Offset};

use super::access_log::AccessLog;
use super::logfmt::Pairs;
use super::multiline::Starts;
use super::regex::Groups;
use crate::text::misfit::not_text;
use crate::text::slot::{RowSlots, SlotTable, Tag};
use crate::text::{NextRecord, RecordParser, Rows, Slot, TextFrame};
use crate::{DecoderSpec, FormatError, LeftOut};

/// Decodes one partition of lines.
pub(crate) struct LineDecoder {
    frame: TextFrame,
    rows: Rows,
    parser: Parser,
    /// Offset of the first byte of the text.
    head: u64,
}

/// Finds records and takes them apart.
struct Parser {
    /// Which lines begin a record, where not all do.
    starts: Option<Starts>,
    syntax: Syntax,
}

/// What takes a line apart.
enum Syntax {
    AccessLog(AccessLog),
    Groups(Box<Groups>),
    Pairs(Box<Pairs>),
    Whole(WholeLines),
}

/// Where a line stands in the frame, without what ends it.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl LineDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>, options: &LineOptions) -> Result<Self, FormatError> {
        let times = (options.timestamp_unit, &options.times);
        // What the syntax says of its fields nobody had to guess.
        let is_inferred = spec.is_inferred && options.syntax == LineSyntax::Logfmt;
        let spec = &DecoderSpec { is_inferred, ..*spec };
        let rows = Rows::new(spec, times)?;
        let syntax = match &options.syntax {
            LineSyntax::Nginx(pattern) => Syntax::AccessLog(AccessLog::new(pattern, false, spec)?),
            LineSyntax::Apache(pattern) => Syntax::AccessLog(AccessLog::new(pattern, true, spec)?),
            LineSyntax::Regex { pattern, .. } => {
                let is_of_lines = options.multiline_start.is_some();
                Syntax::Groups(Box::new(Groups::new(pattern, is_of_lines, spec)?))
            }
            LineSyntax::Logfmt => Syntax::Pairs(Box::new(Pairs::new(spec))),
            LineSyntax::Lines => Syntax::Whole(WholeLines::new(spec)?),
        };
        let starts = options.multiline_start.as_deref().map(Starts::new).transpose()?;
        let parser = Parser { starts, syntax };
        Ok(Self { frame: TextFrame::default(), rows, parser, head: 0 })
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
        self.rows.decode(&mut self.frame, bad, &mut self.parser)
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
        let mut left_out: Vec<LeftOut> = match &self.parser.syntax {
            Syntax::Pairs(pairs) => pairs.left_out().collect(),
            Syntax::AccessLog(_) | Syntax::Groups(_) | Syntax::Whole(_) => Vec::new(),
        };
        left_out.extend(self.rows.left_out());
        left_out
    }

    /// As [`crate::Decoder::export`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("head", self.head);
        image.put_image("rows", self.rows.export());
        if let Syntax::Pairs(pairs) = &self.parser.syntax {
            image.put_image("unknown_keys", pairs.unknown().export());
        }
        image
    }

    /// As [`crate::Decoder::import`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.head = image.take_one("head")?;
        let rows = image.take_image("rows")?;
        self.rows.import(rows).map_err(|error| error.within("rows"))?;
        if let Syntax::Pairs(pairs) = &mut self.parser.syntax {
            let keys = image.take_image("unknown_keys")?;
            pairs.unknown_mut().import(keys).map_err(|error| error.within("unknown_keys"))?;
        }
        image.end()
    }

    /// The record at `offset`, without its last newline.
    pub(crate) fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        let start = self.frame.position_of(offset)?;
        let (end, _) = self.parser.record_at(&self.frame, start)?;
        Some(&self.frame.bytes[start..end])
    }
}

impl Parser {
    /// Where the record at `start` ends, without its last newline, and where the next one begins; `None` where it is not whole.
    fn record_at(&self, frame: &TextFrame, start: usize) -> Option<(usize, usize)> {
        let (bytes, is_last) = (frame.bytes.as_slice(), frame.is_last);
        match &self.starts {
            None => line_at(bytes, start, is_last),
            Some(starts) => starts.record_at(bytes, start, is_last),
        }
    }
}

/// Where the line at `start` ends, and where the next one begins.
pub(super) fn line_at(bytes: &[u8], start: usize, is_last: bool) -> Option<(usize, usize)> {
    match memchr(b'\n', &bytes[start..]) {
        Some(len) => Some((start + len, start + len + 1)),
        None => is_last.then_some((bytes.len(), bytes.len())),
    }
}

impl RecordParser for Parser {
    fn next(
        &mut self,
        frame: &TextFrame,
        row: usize,
        slots: &mut SlotTable,
        side: &mut Vec<u8>,
    ) -> NextRecord {
        let (bytes, start) = (frame.bytes.as_slice(), frame.position);
        let Some((end, next)) = self.record_at(frame, start) else { return NextRecord::Partial };
        let text = &bytes[start..end];
        if text.iter().all(u8::is_ascii_whitespace) {
            return NextRecord::Blank { next };
        }
        let line = Line { bytes, start, end: end - usize::from(text.ends_with(b"\r")) };
        let mut own = slots.own(row, start);
        own.clear();
        let offset = Offset(frame.start + start as u64);
        match self.syntax.take_apart(line, offset, &mut own, side) {
            Ok(()) => NextRecord::Row { end, next, is_ascii: text.is_ascii() },
            Err(reason) => NextRecord::Bad { end, next, reason },
        }
    }
}

impl Syntax {
    fn take_apart(
        &mut self,
        line: Line<'_>,
        offset: Offset,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self {
            Self::AccessLog(log) => log.take_apart(line, slots, side),
            Self::Groups(groups) => groups.take_apart(line, slots),
            Self::Pairs(pairs) => pairs.take_apart(line, offset, slots, side),
            Self::Whole(whole) => whole.take_apart(line, slots),
        }
    }
}

/// Lines that are one value each.
struct WholeLines {
    /// How many columns read it: 1 or none.
    column_count: usize,
}

impl WholeLines {
    fn new(spec: &DecoderSpec<'_>) -> Result<Self, FormatError> {
        let column_count = fields_of(spec, [Some(LineSyntax::LINE)].into_iter())?.len();
        Ok(Self { column_count })
    }

    fn take_apart(&self, line: Line<'_>, slots: &mut RowSlots<'_>) -> Result<(), String> {
        let text = &line.bytes[line.start..line.end];
        simdutf8::compat::from_utf8(text).map_err(|error| not_text(text, error.valid_up_to()))?;
        for place in 0..self.column_count {
            slots.set(place, Slot::new(Tag::Text, line.start, line.end));
        }
        Ok(())
    }
}

/// For each column that is needed its field, by its name or one that differs from it in case only.
pub(super) fn fields_of<'a>(
    spec: &DecoderSpec<'_>,
    names: impl Iterator<Item = Option<&'a str>> + Clone,
) -> Result<Vec<usize>, FormatError> {
    let place = |column: &usize| {
        let wanted = &spec.schema.fields[*column].name;
        let find =
            |is_it: &dyn Fn(&str) -> bool| names.clone().position(|name| name.is_some_and(is_it));
        let exact = find(&|name| name == wanted);
        exact.or_else(|| find(&|name| name.eq_ignore_ascii_case(wanted))).ok_or_else(|| {
            let names: Vec<&str> = names.clone().flatten().collect();
            FormatError::Options {
                reason: format!("no field is \"{wanted}\"; fields are {}", names.join(", ")),
            }
        })
    };
    spec.columns.iter().map(place).collect()
}
