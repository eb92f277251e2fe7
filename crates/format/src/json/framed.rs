//! JSON in whatever layout, read as lines: those that stand there, or those that [`Framing`] makes.

use arrow_buffer::Buffer;
use tidemill_plan::{JsonLayout, JsonOptions};
use tidemill_record::image::{Image, ImageError};
use tidemill_record::recycled::{LentBytes, no_bytes};
use tidemill_record::{BadRecord, Batch, Frames, Offset};

use super::decode::JsonDecoder;
use super::framing::{Framed, Framing, Misplaced};
use super::recognize::layout_of;
use crate::text::{Rows, TextFrame};
use crate::{DecoderSpec, FormatError, LeftOut};

/// What is known of the layout, as a number in images.
const FOUND_NOTHING: u8 = 0;
const FOUND_LINES: u8 = 1;
const FOUND_VALUES: u8 = 2;

/// Decodes one partition of JSON.
pub(crate) struct JsonText {
    lines: JsonDecoder,
    asked: JsonLayout,
    /// Offset of the first byte of the text.
    head: u64,
    found: Found,
}

/// What is known of the layout of the text.
enum Found {
    /// Nothing: its head has yet to come.
    Nothing(TextFrame),
    Lines,
    Values(Box<Values>),
}

/// A text that is turned into lines.
struct Values {
    framing: Framing,
    /// What was lent.
    frame: TextFrame,
    /// Whether `framed` is of that frame.
    is_framed: bool,
    framed: Framed,
    lines: Buffer,
    /// Its memory.
    lent: Option<LentBytes>,
    /// Pieces that the decoder of lines has been given.
    begun: usize,
    /// All records of the frame have been given.
    is_done: bool,
    /// What was misplaced and is told.
    told: usize,
}

impl JsonText {
    pub(crate) fn new(spec: &DecoderSpec<'_>, options: &JsonOptions) -> Result<Self, FormatError> {
        let lines = JsonDecoder::new(spec, options)?;
        let mut text = Self { lines, asked: options.layout, head: 0, found: Found::Lines };
        text.start(0);
        Ok(text)
    }

    /// Begins a text anew.
    fn start(&mut self, head: u64) {
        self.head = head;
        self.lines.start_at(head);
        self.found = match self.asked {
            JsonLayout::Lines => Found::Lines,
            JsonLayout::Auto | JsonLayout::Array | JsonLayout::Values => {
                Found::Nothing(TextFrame::default())
            }
        };
    }

    pub(crate) fn start_at(&mut self, head: u64) {
        if self.asked == JsonLayout::Lines {
            self.lines.start_at(head);
        } else if head != self.head {
            self.start(head);
        }
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        match &mut self.found {
            Found::Lines => return self.lines.begin(frames),
            Found::Nothing(frame) => *frame = TextFrame::new(frames)?,
            Found::Values(values) => values.begin(TextFrame::new(frames)?),
        }
        Ok(())
    }

    pub(crate) fn decode(&mut self, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        if let Found::Nothing(frame) = &mut self.found {
            // A range within a text is one of its lines.
            let is_within = frame.start > self.head && frame.position == 0;
            if !is_within && !frame.skip_byte_order_mark(self.head) {
                return None;
            }
            let head = &frame.bytes[frame.position..];
            let layout = match self.asked {
                _ if is_within => JsonLayout::Lines,
                JsonLayout::Auto => layout_of(head, frame.is_last)?,
                asked => asked,
            };
            let frame = std::mem::take(frame);
            let framing = match layout {
                JsonLayout::Array => Framing::of_array(),
                JsonLayout::Values => Framing::of_values(),
                JsonLayout::Auto | JsonLayout::Lines => {
                    self.found = Found::Lines;
                    self.lines.take_over(frame);
                    return self.lines.decode(bad);
                }
            };
            // The lines begin nowhere near a mark.
            self.lines.start_at(u64::MAX);
            self.found = Found::Values(Box::new(Values::new(framing, frame)));
        }
        match &mut self.found {
            Found::Values(values) => values.decode(&mut self.lines, bad),
            Found::Lines | Found::Nothing(_) => self.lines.decode(bad),
        }
    }

    pub(crate) fn consumed(&self) -> u64 {
        match &self.found {
            Found::Lines => self.lines.frame().position as u64,
            Found::Nothing(_) => 0,
            Found::Values(values) => values.consumed() as u64,
        }
    }

    /// As [`crate::Decoder::reads_from`].
    pub(crate) fn passed(&self) -> u64 {
        match &self.found {
            Found::Values(values) => values.passed(&self.lines).0 as u64,
            Found::Lines | Found::Nothing(_) => self.consumed(),
        }
    }

    /// As [`crate::Decoder::export`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("head", self.head);
        image.put_image("lines", self.lines.export());
        let (found, stage) = match &self.found {
            Found::Nothing(_) => (FOUND_NOTHING, None),
            Found::Lines => (FOUND_LINES, None),
            Found::Values(values) => (FOUND_VALUES, Some(values.passed(&self.lines).1)),
        };
        image.put_one("found", found);
        image.put_option("stage", stage);
        image
    }

    /// As [`crate::Decoder::import`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.head = image.take_one("head")?;
        let lines = image.take_image("lines")?;
        self.lines.import(lines).map_err(|error| error.within("lines"))?;
        let stage = image.take_option::<u8>("stage")?;
        let framing = stage.map(Framing::import);
        self.found = match (image.take_one::<u8>("found")?, framing) {
            (FOUND_NOTHING, None) if self.asked != JsonLayout::Lines => {
                Found::Nothing(TextFrame::default())
            }
            (FOUND_LINES, None) => Found::Lines,
            (FOUND_VALUES, Some(Some(framing))) if self.asked != JsonLayout::Lines => {
                Found::Values(Box::new(Values::new(framing, TextFrame::default())))
            }
            _ => return Err(ImageError::new("found", "is no layout that the text may have")),
        };
        image.end()
    }

    pub(crate) fn rows_mut(&mut self) -> &mut Rows {
        self.lines.rows_mut()
    }

    pub(crate) fn let_go(&mut self) {
        self.lines.let_go();
        match &mut self.found {
            Found::Lines => {}
            Found::Nothing(frame) => frame.let_go(),
            Found::Values(values) => values.frame.let_go(),
        }
    }

    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        self.lines.left_out()
    }

    /// The record at `offset`: a line without its newline, or a value whose line ends are blanks.
    pub(crate) fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        let record = self.lines.raw_record(offset)?;
        Some(if matches!(self.found, Found::Values(_)) { record.trim_ascii_end() } else { record })
    }
}

impl Values {
    fn new(framing: Framing, frame: TextFrame) -> Self {
        Self {
            framing,
            frame,
            is_framed: false,
            framed: Framed::default(),
            lines: no_bytes(),
            lent: None,
            begun: 0,
            is_done: false,
            told: 0,
        }
    }

    fn begin(&mut self, frame: TextFrame) {
        (self.frame, self.is_framed, self.is_done) = (frame, false, false);
    }

    /// Makes lines of what was lent, where those before were if nobody holds them any more.
    fn frame(&mut self) {
        self.lines = no_bytes();
        let idle = self.lent.take().and_then(|lent| lent.take_back().ok());
        self.framed.lines = idle.unwrap_or_default();
        let TextFrame { bytes, start, position, is_last, .. } = &self.frame;
        let (text, start) = (&bytes[*position..], *start + *position as u64);
        self.framing.frame(text, start, *is_last, &mut self.framed);
        let (lines, lent) = std::mem::take(&mut self.framed.lines).lend();
        (self.lines, self.lent) = (lines, Some(lent));
        (self.is_framed, self.begun, self.told) = (true, 0, 0);
    }

    fn decode(&mut self, lines: &mut JsonDecoder, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        let before = bad.len();
        if !self.is_framed {
            lines.let_go();
            self.frame();
        }
        loop {
            let batch = if self.begun > 0 { lines.decode(bad) } else { None };
            let is_done = batch.is_none() && self.begun == self.framed.pieces.len();
            if batch.is_some() || is_done {
                let until = if is_done { u64::MAX } else { lines.frame().offset() };
                for bad in &mut bad[before..] {
                    trim(&mut bad.raw);
                }
                self.is_done = is_done;
                self.tell(until, bad);
                bad[before..].sort_by_key(|bad| bad.offset);
                return batch;
            }
            let piece = std::mem::take(&mut self.framed.pieces[self.begun]);
            self.begun += 1;
            lines.take_over(TextFrame {
                start: self.frame.offset() + piece.lent.start as u64,
                bytes: self.lines.slice_with_length(piece.lines.start, piece.lines.len()),
                end: u64::MAX,
                is_last: true,
                position: 0,
                put_in: piece.put_in,
            });
        }
    }

    /// Tells what is misplaced before an offset.
    fn tell(&mut self, until: u64, bad: &mut Vec<BadRecord>) {
        let bytes = &self.frame.bytes[self.frame.position..];
        while let Some(Misplaced { offset, reason, place }) = self.framed.misplaced.get(self.told)
            && *offset < until
        {
            self.told += 1;
            bad.push(BadRecord {
                offset: Offset(*offset),
                field: None,
                reason: (*reason).to_owned(),
                raw: Some(bytes[place.clone()].to_vec()),
                place: None,
            });
        }
    }

    /// Bytes of the frame that are behind the last record given, and what may come next there.
    fn passed(&self, lines: &JsonDecoder) -> (usize, u8) {
        if !self.is_framed || self.is_done || self.begun == 0 {
            return (self.consumed(), self.framing.export());
        }
        // The next line, if there is one, begins where its value does.
        let frame = lines.frame();
        let passed = frame.offset() - self.frame.start;
        let stage = self.framing.export_behind_value(frame.position < frame.bytes.len());
        (usize::try_from(passed).expect("within a frame"), stage)
    }

    fn consumed(&self) -> usize {
        if self.is_framed { self.frame.position + self.framed.consumed } else { 0 }
    }
}

/// Cuts the blanks that stand in the place of what parted two values.
fn trim(raw: &mut Option<Vec<u8>>) {
    if let Some(raw) = raw {
        raw.truncate(raw.trim_ascii_end().len());
    }
}

/// The lines of whole values at the head of a text, if it is not one of lines; `None` if it is, or where more of it
/// is needed to tell.
pub(crate) fn lines_of(asked: JsonLayout, head: &[u8], is_whole: bool) -> Option<Vec<u8>> {
    let layout = match asked {
        JsonLayout::Auto => layout_of(head, is_whole)?,
        asked => asked,
    };
    let mut framing = match layout {
        JsonLayout::Auto | JsonLayout::Lines => return None,
        JsonLayout::Array => Framing::of_array(),
        JsonLayout::Values => Framing::of_values(),
    };
    let mut framed = Framed::default();
    framing.frame(head, 0, is_whole, &mut framed);
    let mut lines = Vec::with_capacity(head.len());
    for piece in framed.pieces {
        lines.extend_from_slice(&framed.lines[piece.lines]);
        lines.push(b'\n');
    }
    Some(lines)
}
