//! The values of a text, be they elements of an array or one behind another, turned into lines.
//!
//! What stands between two values becomes blanks and, before the second, one newline; newlines within a value
//! become blanks. So every byte stays where it was, a line begins where its value does, and who reads lines
//! reads these. Between two values with nothing between them a newline is put in.

use std::ops::Range;

use memchr::memchr;
use tidemill_record::recycled::Room;

use crate::text::slot::{FRAME_BYTES_MAX, narrow};

/// Stands for a newline within a string, which no string of JSON may hold, as this byte.
const NO_NEWLINE: u8 = 0x01;

/// Bytes of what stands behind an array that are shown.
const SHOWN_BYTES_MAX: usize = 64;

/// Finds the values of a text that is lent piece by piece.
pub(crate) struct Framing {
    stage: Stage,
    /// How far the value at the head of the next bytes has been looked through.
    open: Open,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// A value, of a text that is no array.
    Value,
    /// The bracket that opens the array.
    Opening,
    /// The first element, or the end of the array.
    First,
    /// An element.
    Element,
    /// A comma, or the end of the array.
    Separator,
    /// Nothing. Said once.
    Nothing { is_said: bool },
}

impl Stage {
    /// Each at its number in images.
    const ALL: [Self; 7] = [
        Self::Value,
        Self::Opening,
        Self::First,
        Self::Element,
        Self::Separator,
        Self::Nothing { is_said: false },
        Self::Nothing { is_said: true },
    ];

    fn number(self) -> u8 {
        let place = Self::ALL.iter().position(|stage| *stage == self);
        place.and_then(|place| u8::try_from(place).ok()).expect("all are listed")
    }
}

/// A value that is being looked through.
#[derive(Clone, Copy, Default)]
struct Open {
    /// Bytes that are behind.
    scanned: usize,
    /// Brackets that are open.
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    has_newline: bool,
}

/// What is wrong between values, or with one that cannot be framed.
pub(crate) struct Misplaced {
    pub(crate) offset: u64,
    pub(crate) reason: &'static str,
    /// Where it stands in the bytes.
    pub(crate) place: Range<usize>,
}

/// Lines behind one another.
#[derive(Default)]
pub(crate) struct Piece {
    /// Where they are in [`Framed::lines`].
    pub(crate) lines: Range<usize>,
    /// Where they are in the bytes that were lent.
    pub(crate) lent: Range<usize>,
    /// Newlines that are not of those bytes, by their place within the lines.
    pub(crate) put_in: Vec<u32>,
}

/// What was found in the bytes that were lent.
#[derive(Default)]
pub(crate) struct Framed {
    /// What is not in a piece has any value.
    pub(crate) lines: Room<u8>,
    /// Lines, the last of each without a newline; one piece, but for texts that are too long for that.
    pub(crate) pieces: Vec<Piece>,
    /// In order of offset.
    pub(crate) misplaced: Vec<Misplaced>,
    /// Bytes that are done with.
    pub(crate) consumed: usize,
}

impl Framing {
    pub(crate) fn of_array() -> Self {
        Self { stage: Stage::Opening, open: Open::default() }
    }

    pub(crate) fn of_values() -> Self {
        Self { stage: Stage::Value, open: Open::default() }
    }

    /// What may come next, as a number.
    pub(crate) fn export(&self) -> u8 {
        self.stage.number()
    }

    /// The same behind a value whose line has been read; before the next value, where the lines go on.
    pub(crate) fn export_behind_value(&self, is_before_next: bool) -> u8 {
        let stage = match (&self.stage, is_before_next) {
            (Stage::Value, _) => Stage::Value,
            (_, true) => Stage::Element,
            (_, false) => Stage::Separator,
        };
        stage.number()
    }

    /// Goes on where such a number says; `None` if none does.
    pub(crate) fn import(number: u8) -> Option<Self> {
        let stage = *Stage::ALL.get(usize::from(number))?;
        Some(Self { stage, open: Open::default() })
    }

    /// Frames the next bytes of the text, of which the first stands at `start`. They begin where
    /// [`Framed::consumed`] of those before ended.
    ///
    /// # Cost
    /// O(bytes), those of a value that was cut counted once.
    pub(crate) fn frame(&mut self, bytes: &[u8], start: u64, is_last: bool, framed: &mut Framed) {
        framed.lines.resize(bytes.len());
        framed.pieces.clear();
        framed.misplaced.clear();
        let mut piece: Option<Piece> = None;
        let mut at = 0;
        loop {
            at += bytes[at..].iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
            let Some(&byte) = bytes.get(at) else { break };
            let offset = start + at as u64;
            let mut misplace = |reason, end| {
                framed.misplaced.push(Misplaced { offset, reason, place: at..end });
            };
            match (self.stage, byte) {
                (Stage::Opening, b'[') => {
                    self.stage = Stage::First;
                    at += 1;
                }
                (Stage::Opening, _) => {
                    misplace("'[' was expected, where 'json.layout' is 'array'", at + 1);
                    self.stage = Stage::Nothing { is_said: true };
                }
                (Stage::First | Stage::Separator, b']') => {
                    self.stage = Stage::Nothing { is_said: false };
                    at += 1;
                }
                (Stage::Element, b']') => {
                    misplace("a value was expected between ',' and ']'", at + 1);
                    self.stage = Stage::Nothing { is_said: false };
                    at += 1;
                }
                (Stage::First | Stage::Element, b',') => {
                    misplace("a value was expected before ','", at + 1);
                    self.stage = Stage::Element;
                    at += 1;
                }
                (Stage::Separator, b',') => {
                    self.stage = Stage::Element;
                    at += 1;
                }
                (Stage::Nothing { is_said }, _) => {
                    if !is_said {
                        let shown = &bytes[at..bytes.len().min(at + SHOWN_BYTES_MAX)];
                        let line = memchr(b'\n', shown);
                        if line.is_none() && shown.len() < SHOWN_BYTES_MAX && !is_last {
                            break;
                        }
                        let end = at + line.unwrap_or(shown.len());
                        misplace("text behind the end of the array", end);
                    }
                    self.stage = Stage::Nothing { is_said: true };
                    at = bytes.len();
                }
                (Stage::Value | Stage::First | Stage::Element | Stage::Separator, _) => {
                    let Some(len) = self.open.end_of(&bytes[at..], is_last) else {
                        if !is_last {
                            break;
                        }
                        misplace("the value has no end: the input ends within it", bytes.len());
                        self.stage = Stage::Nothing { is_said: true };
                        at = bytes.len();
                        continue;
                    };
                    let open = std::mem::take(&mut self.open);
                    let end = at + len;
                    if self.stage == Stage::Separator {
                        misplace("',' or ']' was expected before the value", end);
                    } else {
                        place(bytes, at..end, &open, &mut piece, framed);
                    }
                    if self.stage != Stage::Value {
                        self.stage = Stage::Separator;
                    }
                    at = end;
                }
            }
        }
        framed.pieces.extend(piece);
        framed.consumed = at;
        if is_last && matches!(self.stage, Stage::First | Stage::Element | Stage::Separator) {
            let offset = start + bytes.len() as u64;
            let reason = "']' was expected: the array has no end";
            let place = bytes.len()..bytes.len();
            framed.misplaced.push(Misplaced { offset, reason, place });
            self.stage = Stage::Nothing { is_said: true };
        }
    }
}

/// Makes a line of a value, behind those of the piece at hand.
fn place(
    bytes: &[u8],
    value: Range<usize>,
    open: &Open,
    piece: &mut Option<Piece>,
    framed: &mut Framed,
) {
    let fits = |piece: &Piece| piece.lines.len() + value.end - piece.lent.end < FRAME_BYTES_MAX;
    if !piece.as_ref().is_some_and(fits) {
        // Nothing stands before the first value, so that its line is where it was.
        let to = piece.as_ref().map_or(value.start, |piece| piece.lines.end);
        let begun = Piece { lines: to..to, lent: value.start..value.start, put_in: Vec::new() };
        framed.pieces.extend(piece.replace(begun));
    }
    let Some(piece) = piece else { return };
    let blank_count = value.start - piece.lent.end;
    let is_put_in = blank_count == 0 && !piece.lines.is_empty();
    let to = piece.lines.end + blank_count + usize::from(is_put_in);
    let end = to + value.len();
    if end > framed.lines.len() {
        framed.lines.resize(end.max(framed.lines.len() + framed.lines.len() / 2));
    }
    framed.lines[piece.lines.end..to].fill(b' ');
    if to > piece.lines.end {
        framed.lines[to - 1] = b'\n';
    }
    if is_put_in {
        piece.put_in.push(narrow(piece.lines.len()));
    }
    (piece.lines.end, piece.lent.end) = (end, value.end);
    let line = &mut framed.lines[to..end];
    line.copy_from_slice(&bytes[value]);
    if open.has_newline {
        let mut looked = Open::default();
        for byte in line {
            if *byte == b'\n' {
                *byte = if looked.is_in_string { NO_NEWLINE } else { b' ' };
            }
            looked.step(*byte);
        }
    }
}

impl Open {
    /// How long the value at the head of these bytes is, which begin as they did before; `None` where it goes
    /// on behind them.
    fn end_of(&mut self, bytes: &[u8], is_last: bool) -> Option<usize> {
        if self.scanned == 0 && b",:]}".contains(&bytes[0]) {
            return Some(1);
        }
        while let Some(&byte) = bytes.get(self.scanned) {
            let is_bare = self.depth == 0 && !self.is_in_string;
            if is_bare && self.scanned > 0 && b" \t\r\n,[]{}".contains(&byte) {
                return Some(self.scanned);
            }
            self.step(byte);
            if self.depth == 0 && matches!(byte, b'}' | b']') && !self.is_in_string {
                return Some(self.scanned);
            }
        }
        (is_last && self.depth == 0 && !self.is_in_string).then_some(self.scanned)
    }

    #[inline(always)]
    fn step(&mut self, byte: u8) {
        self.scanned += 1;
        self.has_newline |= byte == b'\n';
        if self.is_in_string {
            let is_escaped = std::mem::take(&mut self.is_escaped);
            match byte {
                _ if is_escaped => {}
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.is_in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}
