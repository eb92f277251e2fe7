//! Text of any encoding as UTF-8, piece by piece.
//!
//! Bytes that are no text in the encoding come out as a byte that is no UTF-8, so that whoever decodes records finds
//! the one that is bad, and all others are read. Absent on purpose: a guess at encodings that have no mark.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, mem};
use tidemill_plan::Encoding;

/// What is known of a text's encoding, and of a character whose bytes have not all come.
struct Transcoder {
    state: State,
    /// First bytes, as long as they do not tell which encoding it is.
    held: Vec<u8>,
    /// Nobody had said that it is UTF-16.
    is_found: bool,
}

enum State {
    /// The first bytes say which it is; where it was said, some UTF-16.
    Undecided {
        is_said: bool,
    },
    /// Bytes stay as they are.
    AsIs,
    Latin1,
    Named(Box<Decoder>),
    Ended,
}

impl Transcoder {
    /// For a text of the encoding, from its start.
    fn new(encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Utf8 => State::AsIs,
            Encoding::Unsaid => State::Undecided { is_said: false },
            Encoding::Utf16 => State::Undecided { is_said: true },
            Encoding::Latin1 => State::Latin1,
            Encoding::Named(place) => {
                let name = Encoding::NAMES[usize::from(place)];
                let encoding = encoding_rs::Encoding::for_label(name.as_bytes());
                State::named(encoding.expect("names are those of the standard"))
            }
        };
        Self { state, held: Vec::new(), is_found: false }
    }

    /// Room that bytes need on their way out.
    fn output_bytes_max(input_bytes: usize) -> usize {
        input_bytes.saturating_mul(OUTPUT_BYTES_EACH).saturating_add(OUTPUT_BYTES_BESIDE)
    }

    /// Decodes bytes to the front of `out`, which has to have room for them, and says how far. After the last
    /// ones nothing comes out.
    ///
    /// # Panics
    /// If there is too little room.
    fn decode(&mut self, input: &[u8], out: &mut [u8], is_last: bool) -> usize {
        if let State::Undecided { is_said } = self.state {
            self.held.extend_from_slice(input);
            let held = std::mem::take(&mut self.held);
            if !self.decide(&held, is_said, is_last) {
                self.held = held;
                return 0;
            }
            return self.decode(&held, out, is_last);
        }
        let written = match &mut self.state {
            State::AsIs => {
                out[..input.len()].copy_from_slice(input);
                input.len()
            }
            State::Latin1 => latin1(input, out),
            State::Named(decoder) => named(decoder, input, out, is_last),
            State::Undecided { .. } | State::Ended => 0,
        };
        if is_last {
            self.state = State::Ended;
        }
        written
    }

    /// Looks at the first bytes; `false` if more are needed.
    fn decide(&mut self, head: &[u8], is_said: bool, is_last: bool) -> bool {
        let needed = if is_said || head.first() == Some(&0xff) { 4 } else { 2 };
        let is_plain = !is_said && !head.is_empty() && !may_be_utf16(head);
        if head.len() < needed && !is_last && !is_plain {
            return false;
        }
        // UTF-32's little-endian mark begins with that of UTF-16; it is refused by what it is.
        let marked = match head {
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(UTF_16LE),
            [0xfe, 0xff, ..] => Some(UTF_16BE),
            _ => None,
        };
        self.is_found = marked.is_some() && !is_said;
        self.state = match (marked, head) {
            (Some(encoding), _) => State::named(encoding),
            (None, _) if !is_said => State::AsIs,
            (None, [0, 1..=255, 0, 1..=255, ..]) => State::named(UTF_16BE),
            (None, _) => State::named(UTF_16LE),
        };
        true
    }
}

/// UTF-8 that a byte becomes at most, and that more comes out beside: of a character that came in pieces.
const OUTPUT_BYTES_EACH: usize = 3;
const OUTPUT_BYTES_BESIDE: usize = 32;

impl State {
    fn named(encoding: &'static encoding_rs::Encoding) -> Self {
        // A mark comes out as UTF-8's, which decoders know.
        Self::Named(Box::new(encoding.new_decoder_without_bom_handling()))
    }
}

fn latin1(mut input: &[u8], out: &mut [u8]) -> usize {
    let mut written = 0;
    loop {
        let is_control = |byte: &u8| (0x80..0xa0).contains(byte);
        let text = input.iter().position(is_control).unwrap_or(input.len());
        written += mem::convert_latin1_to_utf8(&input[..text], &mut out[written..]);
        if text == input.len() {
            return written;
        }
        out[written] = Encoding::NOT_LATIN1;
        written += 1;
        input = &input[text + 1..];
    }
}

fn named(decoder: &mut Decoder, mut input: &[u8], out: &mut [u8], is_last: bool) -> usize {
    let mut written = 0;
    loop {
        let (result, read, count) =
            decoder.decode_to_utf8_without_replacement(input, &mut out[written..], is_last);
        input = &input[read..];
        written += count;
        match result {
            DecoderResult::InputEmpty => return written,
            DecoderResult::OutputFull => unreachable!("the caller made room"),
            DecoderResult::Malformed(..) => {
                out[written] = Encoding::MALFORMED;
                written += 1;
            }
        }
    }
}

/// Input of one text on its way to UTF-8, in place: bytes are read to the front of where the text is to be.
pub(crate) struct TextDecoding {
    /// `None` where the text passes as it is.
    transcoder: Option<Transcoder>,
    /// Nothing has come, and the first bytes may say that it is UTF-16.
    may_be_marked: bool,
    /// Bytes as they were read.
    input: Vec<u8>,
}

impl TextDecoding {
    /// Bytes of input that are decoded at a time.
    const INPUT_BYTES_MAX: usize = 64 << 10;

    /// Of a text of the encoding, from its start.
    pub(crate) fn new(encoding: Encoding) -> Self {
        let transcoder = (!encoding.is_utf8()).then(|| Transcoder::new(encoding));
        Self { transcoder, may_be_marked: encoding == Encoding::Unsaid, input: Vec::new() }
    }

    /// Of a text whose bytes pass as they are, from somewhere within it.
    pub(crate) fn passed() -> Self {
        Self { transcoder: None, may_be_marked: false, input: Vec::new() }
    }

    /// Whether it turned out to be UTF-16 where nobody had said so.
    pub(crate) fn is_found(&self) -> bool {
        self.transcoder.as_ref().is_some_and(|transcoder| transcoder.is_found)
    }

    /// Whether its bytes pass as they are, as far as is known.
    pub(crate) fn is_passed(&self) -> bool {
        self.transcoder.is_none() && !self.may_be_marked
    }

    /// Bytes that may be read where so many have room on their way out.
    pub(crate) fn input_bytes_max(&self, output_bytes: usize) -> usize {
        if self.is_passed() {
            return output_bytes;
        }
        let with_room = output_bytes.saturating_sub(OUTPUT_BYTES_BESIDE) / OUTPUT_BYTES_EACH;
        with_room.min(Self::INPUT_BYTES_MAX)
    }

    /// Room that bytes need on their way out.
    pub(crate) fn output_bytes_max(&self, input_bytes: usize) -> usize {
        if self.is_passed() { input_bytes } else { Transcoder::output_bytes_max(input_bytes) }
    }

    /// Makes text of the bytes that were read to the front of `out`, no more than
    /// [`Self::input_bytes_max`]: how many bytes that is. It may be none where a character has come in part.
    #[inline]
    pub(crate) fn decode(&mut self, out: &mut [u8], byte_count: usize, is_last: bool) -> usize {
        if self.is_passed() { byte_count } else { self.decode_apart(out, byte_count, is_last) }
    }

    #[inline(never)]
    fn decode_apart(&mut self, out: &mut [u8], byte_count: usize, is_last: bool) -> usize {
        if self.transcoder.is_none() {
            if byte_count == 0 {
                return 0;
            }
            self.may_be_marked = false;
            if !may_be_utf16(&out[..byte_count]) {
                return byte_count;
            }
        }
        self.input.clear();
        self.input.extend_from_slice(&out[..byte_count]);
        let transcoder = self.transcoder.get_or_insert_with(|| Transcoder::new(Encoding::Unsaid));
        transcoder.decode(&self.input, out, is_last)
    }
}

/// Whether a text of an encoding that nobody said may be UTF-16, by its first bytes: no UTF-8 begins with those
/// of its mark.
#[must_use]
pub fn may_be_utf16(head: &[u8]) -> bool {
    head.first().is_some_and(|first| *first >= 0xfe)
}

/// All of a text as UTF-8, or its head if it is not whole: without a character that is cut off there.
#[must_use]
pub fn decoded(encoding: Encoding, bytes: &[u8], is_whole: bool) -> Vec<u8> {
    const STEP_BYTES: usize = 64 << 10;
    let mut transcoder = Transcoder::new(encoding);
    let mut text = Vec::with_capacity(bytes.len());
    let mut steps = bytes.chunks(STEP_BYTES).peekable();
    while let Some(step) = steps.next() {
        let filled = text.len();
        text.resize(filled + Transcoder::output_bytes_max(step.len()), 0);
        let is_last = is_whole && steps.peek().is_none();
        let count = transcoder.decode(step, &mut text[filled..], is_last);
        text.truncate(filled + count);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out where bytes come in so many at a time.
    fn in_pieces(encoding: Encoding, bytes: &[u8], size: usize) -> Vec<u8> {
        let mut transcoder = Transcoder::new(encoding);
        let mut text = Vec::new();
        for piece in bytes.chunks(size) {
            let mut out = vec![0; Transcoder::output_bytes_max(piece.len())];
            let count = transcoder.decode(piece, &mut out, false);
            text.extend_from_slice(&out[..count]);
        }
        let mut out = [0; 64];
        let count = transcoder.decode(&[], &mut out, true);
        text.extend_from_slice(&out[..count]);
        text
    }

    fn check(encoding: Encoding, bytes: &[u8], expected: &[u8]) {
        for size in 1..=bytes.len().max(1) {
            let found = in_pieces(encoding, bytes, size);
            let shown = String::from_utf8_lossy(&found);
            assert_eq!(found, expected, "{encoding:?} by {size}: {shown}");
        }
        assert_eq!(decoded(encoding, bytes, true), expected, "{encoding:?}");
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn every_name_is_one_of_the_standard() {
        for name in Encoding::NAMES {
            let encoding = encoding_rs::Encoding::for_label(name.as_bytes());
            assert_eq!(encoding.map(encoding_rs::Encoding::name), Some(*name));
            // The longest that a byte becomes.
            let all: Vec<u8> = (0..=255).cycle().take(1024).collect();
            for size in [1, 7, 1024] {
                in_pieces(Encoding::named(name), &all, size);
            }
        }
    }

    #[test]
    fn utf16_is_told_by_its_mark_or_its_first_characters() {
        let text = "a,é\n日,𝄞\n";
        let marked = format!("\u{feff}{text}");
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes = utf16(&marked, to_bytes);
            check(Encoding::Unsaid, &bytes, marked.as_bytes());
            check(Encoding::Utf16, &bytes, marked.as_bytes());
            check(Encoding::Utf16, &utf16(text, to_bytes), text.as_bytes());
        }
        check(Encoding::Utf16, &utf16("日本", u16::to_le_bytes), "日本".as_bytes());
        check(Encoding::named("UTF-16BE"), &utf16("日本", u16::to_be_bytes), "日本".as_bytes());
        check(Encoding::Utf16, b"", b"");
        check(Encoding::Utf16, b"a\0", b"a");
    }

    #[test]
    fn what_nobody_said_stays_as_it_is() {
        for bytes in
            [&b""[..], b"a", b"\xff", b"\xfe", b"\xef\xbb\xbfa", b"\xff\xfe\0\0a\0\0\0", b"a\0b\0"]
        {
            check(Encoding::Unsaid, bytes, bytes);
            check(Encoding::Utf8, bytes, bytes);
        }
    }

    #[test]
    fn single_bytes_are_what_their_table_says() {
        check(Encoding::Latin1, b"caf\xe9 \xff\n", "café ÿ\n".as_bytes());
        check(Encoding::Latin1, b"a\x80\x9fb", b"a\xfe\xfeb");
        check(Encoding::named("windows-1252"), b"\x80\xe9", "€é".as_bytes());
        check(Encoding::named("windows-1251"), b"\xcf\xf0", "Пр".as_bytes());
        check(Encoding::named("Shift_JIS"), b"\x93\xfa\x96{", "日本".as_bytes());
    }

    #[test]
    fn what_is_no_text_is_marked_and_nothing_else_is_lost() {
        // Half of a surrogate pair, and half of a unit at the end.
        check(Encoding::named("UTF-16LE"), b"a\0\x00\xd8b\0c", b"a\xffb\xff");
        check(Encoding::named("Shift_JIS"), b"a\x81\nb", b"a\xff\nb");
        check(Encoding::named("EUC-JP"), b"\xff\xa4", b"\xff\xff");
    }
}
