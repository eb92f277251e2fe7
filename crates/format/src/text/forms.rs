//! Forms that text handed on was found to have: what each of its bytes may be.
//!
//! Records of one source are written the same way, and their fields are of few lengths. The text of
//! neighbouring fields is held against forms of such texts before, byte by byte within bounds: a digit
//! is a digit, a delimiter stands where it stood, of a time all down to the hour is what it was. What
//! fits is written as it stands, which [`canonical`](super::canonical) would say too, field by field.

use std::array::from_ref;

use tidemill_record::DataType;

use super::lanes::{Bounds, Lanes};

/// Bytes compared at a time; so many are compared of every text, however short.
const PIECE_BYTES: usize = 64;
/// Longest text whose form is remembered.
const TEXT_BYTES_MAX: usize = 4 * PIECE_BYTES;
/// Forms are kept in so many places, by what [`place`] looks at.
const PLACES: usize = 2048;
/// Forms of one place that are remembered; the last makes way for another. All that can be remembered takes
/// 10 MiB; what is seen in practice some KiB.
const FORMS_MAX: usize = 8;
/// Of so many hits behind the first of a place, one moves its form to the front by one.
const OVERTAKE_HITS: u32 = 8;
/// Where texts fit no form again and again, so many go by without a try.
const PAUSE_TEXTS: u32 = 1000;
/// Misses, less a quarter of the hits, before that.
const PATIENCE: u32 = 64;

/// Forms of earlier texts.
pub(crate) struct Forms {
    delimiter: u8,
    quote: u8,
    /// In each place those that fit more often first.
    places: Vec<Vec<Form>>,
    /// Hits of others than the first of a place.
    later_hits: u32,
    /// Four for each miss, less one for each hit.
    strain: u32,
    /// Texts that go by without a try.
    pause: u32,
    /// Empty but while a form is learnt.
    draft: Draft,
}

/// A text that a form is made of.
#[derive(Default)]
struct Draft {
    /// The least and the most that each of its bytes may be.
    bounds: Vec<(u8, u8)>,
    /// The text.
    whole: Vec<u8>,
    /// Where the fractions of seconds in it begin.
    fractions: Vec<usize>,
}

/// What a text is held to.
#[derive(PartialEq)]
struct Form {
    /// Bytes of the text.
    len: usize,
    /// What the first of them may be.
    near: Bounds,
    /// The same of the others: as many pieces as it takes.
    far: Vec<Bounds>,
    /// A second's fraction among the first bytes, which is written if it is not all zero.
    fraction: Fraction,
    /// Where the others of three digits stand that are not all zero.
    more_fractions: Vec<usize>,
    /// Whether there is nothing to be held against the last two.
    is_near: bool,
}

/// Four bytes of the text that must not be all of `zeros` where `mask` is set. There may be none, which is
/// told by zeros that no mask lets through.
#[derive(PartialEq)]
struct Fraction {
    at: usize,
    mask: u32,
    zeros: u32,
}

impl Fraction {
    const NONE: Self = Self { at: 0, mask: 0, zeros: 1 };

    /// Three digits from `at` on, if all four bytes are among the first.
    fn new(at: usize) -> Option<Self> {
        let zeros = u32::from_le_bytes(*b"000\0");
        (at + 4 <= PIECE_BYTES).then_some(Self { at, mask: 0x00ff_ffff, zeros })
    }

    #[inline(always)]
    fn fits(&self, bytes: &[u8; PIECE_BYTES]) -> bool {
        let loaded: &[u8; 4] = bytes[self.at..].first_chunk().expect("among the first");
        u32::from_le_bytes(*loaded) & self.mask != self.zeros
    }
}

impl Form {
    /// Whether the text that is the first `len` of these bytes is within the bounds; `near` are the
    /// first of them.
    #[inline(always)]
    fn fits(&self, lanes: impl Lanes, bytes: &[u8], near: &[u8; PIECE_BYTES], len: usize) -> bool {
        len == self.len
            && lanes.keep_to(from_ref(near), from_ref(&self.near))
            && self.fraction.fits(near)
            && (self.is_near || self.fits_far(lanes, bytes))
    }

    #[inline(always)]
    fn fits_far(&self, lanes: impl Lanes, bytes: &[u8]) -> bool {
        let Some(bytes) = bytes.get(..(1 + self.far.len()) * PIECE_BYTES) else { return false };
        let pieces = &bytes.as_chunks::<PIECE_BYTES>().0[1..];
        self.far
            .iter()
            .zip(pieces)
            .all(|(piece, bytes)| lanes.keep_to(from_ref(bytes), from_ref(piece)))
            && self.more_fractions.iter().all(|&at| bytes[at..at + 3] != *b"000")
    }
}

impl Forms {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        let places = (0..PLACES).map(|_| Vec::new()).collect();
        // Room for the longest at once: what grows from little may begin in a block that another thread has
        // given away, and give it back under that thread's lock.
        let draft = Draft {
            bounds: Vec::with_capacity(TEXT_BYTES_MAX),
            whole: Vec::with_capacity(TEXT_BYTES_MAX),
            fractions: Vec::with_capacity(TEXT_BYTES_MAX / 23),
        };
        Self { delimiter, quote, places, later_hits: 0, strain: 0, pause: 0, draft }
    }

    /// Whether the first `len` of these bytes, of which `last` are the last field, have a known form.
    #[inline(always)]
    pub(crate) fn fit(&mut self, lanes: impl Lanes, bytes: &[u8], len: usize, last: usize) -> bool {
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        let Some(near) = bytes.first_chunk() else { return false };
        let forms = self.places[place(&bytes[..len], last)].as_mut_slice();
        for found in 0..forms.len() {
            if forms[found].fits(lanes, bytes, near, len) {
                if found > 0 {
                    self.later_hits = self.later_hits.wrapping_add(1);
                    if self.later_hits.is_multiple_of(OVERTAKE_HITS) {
                        forms.swap(found, found - 1);
                    }
                }
                self.strain = self.strain.saturating_sub(1);
                return true;
            }
        }
        self.note_miss();
        false
    }

    #[cold]
    fn note_miss(&mut self) {
        self.strain += 4;
        if self.strain > 4 * PATIENCE {
            (self.strain, self.pause) = (0, PAUSE_TEXTS);
        }
    }

    /// Learns the form of fields that are written as they stand, with a delimiter between each two.
    pub(crate) fn learn<'a>(&mut self, fields: impl Iterator<Item = (&'a [u8], &'a DataType)>) {
        if self.pause > 0 {
            return;
        }
        let mut draft = std::mem::take(&mut self.draft);
        self.learn_by(fields, &mut draft);
        draft.bounds.clear();
        draft.whole.clear();
        draft.fractions.clear();
        self.draft = draft;
    }

    fn learn_by<'a>(
        &mut self,
        fields: impl Iterator<Item = (&'a [u8], &'a DataType)>,
        Draft { bounds, whole, fractions }: &mut Draft,
    ) {
        let mut last = 0;
        for (text, data_type) in fields {
            if bounds.len() + text.len() >= TEXT_BYTES_MAX {
                return;
            }
            last = text.len();
            if !bounds.is_empty() {
                bounds.push((self.delimiter, self.delimiter));
                whole.push(self.delimiter);
            }
            whole.extend_from_slice(text);
            match data_type {
                DataType::BigInt => bound_integer(text, bounds),
                DataType::Double => bound_double(text, bounds),
                DataType::Timestamp => {
                    bound_timestamp(text, bounds);
                    if text.contains(&b'.') {
                        fractions.push(bounds.len() - 3);
                    }
                }
                _ => self.bound_text(text, bounds),
            }
        }
        let len = bounds.len();
        let mut pieces = Bounds::of(bounds);
        let near = pieces.next().unwrap_or(Bounds::ANY);
        let far: Vec<Bounds> = pieces.collect();
        // One that cannot be checked with the first bytes is checked with the others.
        let first = fractions.first().and_then(|&at| Fraction::new(at));
        let more_fractions = fractions[usize::from(first.is_some())..].to_vec();
        let fraction = first.unwrap_or(Fraction::NONE);
        let is_near = far.is_empty() && more_fractions.is_empty();
        let form = Form { len, near, far, fraction, more_fractions, is_near };
        let forms = &mut self.places[place(whole, last)];
        // A text at the very end of a frame fits none, though its form is known.
        if !forms.contains(&form) {
            forms.truncate(FORMS_MAX - 1);
            forms.push(form);
        }
    }

    /// Each byte may be what lies between it and the next one, up and down, that would be quoted.
    fn bound_text(&self, text: &[u8], bounds: &mut Vec<(u8, u8)>) {
        for (at, &byte) in text.iter().enumerate() {
            let is_at_end = at == 0 || at + 1 == text.len();
            let is_barred = |byte: u8| {
                byte < b' '
                    || byte == self.delimiter
                    || byte == self.quote
                    || (is_at_end && byte == b' ')
            };
            let low = (0..byte).rev().take_while(|&byte| !is_barred(byte)).last();
            let high = (byte..=u8::MAX).skip(1).take_while(|&byte| !is_barred(byte)).last();
            bounds.push((low.unwrap_or(byte), high.unwrap_or(byte)));
        }
    }
}

/// Where the form of a text is kept, of which `last` bytes are the last field: by both lengths, and by whether
/// the text ends with a point and two characters, since amounts of one length mostly differ in that.
#[inline(always)]
fn place(text: &[u8], last: usize) -> usize {
    let has_hundredths = text.len() > 2 && text[text.len() - 3] == b'.';
    (32 * text.len() + 2 * (last % 16) + usize::from(has_hundredths)) % PLACES
}

const DIGIT: (u8, u8) = (b'0', b'9');
const NOT_ZERO: (u8, u8) = (b'1', b'9');

fn exactly(byte: u8) -> (u8, u8) {
    (byte, byte)
}

/// Any integer of as many digits is written so, with a minus or without as this one.
fn bound_integer(text: &[u8], bounds: &mut Vec<(u8, u8)>) {
    let first = usize::from(text[0] == b'-');
    for (at, &byte) in text.iter().enumerate() {
        bounds.push(match at {
            _ if at < first => exactly(byte),
            _ if at == first && text.len() > 1 => NOT_ZERO,
            _ => DIGIT,
        });
    }
}

/// Any double with its point there is written so, if the last digit is not zero, or is the only one
/// behind the point, and if nothing is zero that another digit stands for here.
fn bound_double(text: &[u8], bounds: &mut Vec<(u8, u8)>) {
    let first = usize::from(text[0] == b'-');
    for (at, &byte) in text.iter().enumerate() {
        let is_last = at + 1 == text.len();
        bounds.push(match byte {
            b'.' | b'-' => exactly(byte),
            // Between zero and one this one alone: small doubles have another form.
            b'0' if at == first => exactly(byte),
            _ if at == first || (is_last && text[at - 1] != b'.') => NOT_ZERO,
            // What follows a zero before the point stays within the first of three digits.
            b'1'..=b'9' if text[first] == b'0' => NOT_ZERO,
            _ if text[first] == b'0' => exactly(byte),
            _ => DIGIT,
        });
    }
}

/// Any second of the same hour is written so, if the last three digits of a fraction are not zero.
fn bound_timestamp(text: &[u8], bounds: &mut Vec<(u8, u8)>) {
    const HOUR_BYTES: usize = "YYYY-MM-DD HH".len();
    const TENS: [usize; 2] = [14, 17];
    for (at, &byte) in text.iter().enumerate() {
        bounds.push(match at {
            _ if at < HOUR_BYTES || !byte.is_ascii_digit() => exactly(byte),
            _ if TENS.contains(&at) => (b'0', b'5'),
            _ => DIGIT,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::text::canonical;
    use crate::text::lanes::Baseline;

    /// Every text that fits the form of another, of the same type and length, is canonical too.
    fn check(
        data_type: &DataType,
        is_canonical: impl Fn(&[u8]) -> bool,
        mut text: impl FnMut(&mut dyn FnMut(usize) -> usize, usize) -> Vec<u8>,
    ) {
        let mut state = 23_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut fit_count = 0;
        for _ in 0..4000 {
            let len = 1 + random(6);
            let learnt = text(&mut random, len);
            if !is_canonical(&learnt) {
                continue;
            }
            let mut forms = Forms::new(b',', b'"');
            forms.learn([(learnt.as_slice(), data_type)].into_iter());
            for _ in 0..50 {
                let mut other = text(&mut random, len);
                let len = other.len();
                other.resize(PIECE_BYTES, b'#');
                forms.strain = 0;
                if forms.fit(Baseline, &other, len, len) {
                    let other = &other[..len];
                    assert!(is_canonical(other), "{learnt:?} {:?}", String::from_utf8_lossy(other));
                    fit_count += 1;
                }
            }
        }
        assert!(fit_count > 300, "{fit_count} {data_type}");
    }

    #[test]
    fn what_fits_is_canonical() {
        let of = |alphabet: &'static [u8]| {
            move |random: &mut dyn FnMut(usize) -> usize, len: usize| {
                (0..len).map(|_| alphabet[random(alphabet.len())]).collect()
            }
        };
        check(&DataType::BigInt, canonical::is_integer, of(b"0012345-,"));
        check(&DataType::Double, canonical::is_double, of(b"0012345.....-"));
        let is_bare = |text: &[u8]| canonical::is_bare(text, b',', b'"');
        check(&DataType::Varchar, is_bare, of(b"abz .-,\"\n\r~\x7f\xc3\xa9"));
        let is_timestamp = |text: &[u8]| {
            let mut minute = crate::text::time::LastMinute::default();
            let unit = tidemill_plan::TimestampUnit::Milliseconds;
            let read = crate::text::time::timestamp(text, unit, &mut minute);
            let mut written = Vec::new();
            read.is_ok_and(|micros| {
                crate::text::time_text::write_timestamp(micros, &mut written);
                assert!(written == text || !canonical::is_form_of_timestamp(text), "{written:?}");
                written == text
            })
        };
        check(&DataType::Timestamp, is_timestamp, |random, _| {
            let base = b"2024-01-01 00:00:00.120500";
            let mut text = base[..[19, 23, 26][random(3)]].to_vec();
            for _ in 0..random(4) {
                let at = 11 + random(text.len() - 11);
                text[at] = b"0123456789:. +Z-"[random(16)];
            }
            text
        });
    }

    #[test]
    fn seconds_of_an_hour_have_one_form() {
        let mut forms = Forms::new(b',', b'"');
        let fields: [(&[u8], &DataType); 2] =
            [(b"2024-02-29 23:00:00.120", &DataType::Timestamp), (b"7", &DataType::BigInt)];
        forms.learn(fields.into_iter());
        let mut fits = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(PIECE_BYTES, 0);
            forms.fit(Baseline, &bytes, text.len(), text.len() - 24)
        };
        assert!(fits("2024-02-29 23:59:59.001,0"));
        assert!(fits("2024-02-29 23:59:59.100,9"));
        for text in [
            "2024-02-29 23:59:59.000,0",
            "2024-02-29 23:60:59.001,0",
            "2024-02-29 23:59:69.001,0",
            "2024-02-29 22:59:59.001,0",
            "2024-02-29T23:59:59.001,0",
            "2024-02-29 23:59:59.001;0",
            "2024-02-29 23:59:59.001,x",
            "2024-02-29 23:59:59.001,10",
        ] {
            assert!(!fits(text), "{text}");
        }
    }
}
