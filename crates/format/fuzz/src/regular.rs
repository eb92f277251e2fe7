//! Records that are written alike, as the fast ways through the decoders take them, with single bytes
//! damaged: chance alone hardly writes two in a row.

use tidemill_record::DataType;

use crate::case::Case;
use crate::dice::{Dice, Sequence};

/// Rows of a text.
const ROW_COUNTS: [usize; 10] = [1, 2, 4, 5, 9, 12, 20, 40, 80, 300];
const DAMAGES_MAX: usize = 6;
/// Bytes that mean something to one of the decoders, or lie beside those that do.
const DAMAGES: &[u8] = b"\"\\\n\r,;:{}[]0159./-+eEtTZ x\t\0\x1f\x7f\x80\xc3\xa9\xff";

/// How the values of one column are written.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// So many digits.
    Digits(usize),
    /// The same behind a minus.
    Negative(usize),
    /// So many digits, a point, so many more.
    Point(usize, usize),
    /// An exponent behind one digit.
    Exponent,
    /// A timestamp with so many digits behind its seconds, with or without a zone; of a minute that
    /// changes once in so many rows.
    Time(usize, bool, usize),
    Date,
    Truth,
    /// So many letters.
    Word(usize),
    /// So many letters of two and three bytes.
    Wide(usize),
    /// What has to be quoted or escaped, between so many letters.
    Escaped(usize),
    Hex(usize),
    Nested,
    Nothing,
    /// From row to row another of the first few.
    Mixed,
}

impl Style {
    /// A style that values of the type mostly have.
    fn throw(data_type: &DataType, dice: &mut Dice<'_>) -> Self {
        let choice = dice.byte();
        let width = usize::from(choice >> 4);
        match (choice & 15, data_type) {
            (0, _) => Self::Nothing,
            (1, _) => Self::Escaped(width),
            (2, _) => Self::Nested,
            (3, _) => Self::Mixed,
            (4, _) => Self::Digits(1 + width),
            (5, DataType::Varchar) => Self::Wide(width),
            (_, DataType::Varchar) => Self::Word(2 * width),
            (5, DataType::BigInt | DataType::Integer) => Self::Negative(1 + width),
            (6, DataType::BigInt | DataType::Integer | DataType::Timestamp) => Self::Exponent,
            (_, DataType::BigInt | DataType::Integer) => Self::Digits(1 + width),
            (_, DataType::TinyInt) => Self::Digits(1 + width % 3),
            (_, DataType::Boolean) => Self::Truth,
            (_, DataType::Date) => Self::Date,
            (_, DataType::Varbinary) => Self::Hex(2 * width),
            (_, DataType::Timestamp) => {
                Self::Time(width % 8, choice & 1 == 1, dice.one_of(&[1, 3, 50]))
            }
            (5, _) => Self::Exponent,
            _ => {
                let behind = dice.below(9);
                Self::Point(1 + width % 9, behind)
            }
        }
    }

    /// Appends a value as text, and says whether that is one of JSON as it is.
    fn write(self, row: usize, sequence: &mut Sequence, out: &mut Vec<u8>) -> bool {
        let mut digits = |count: usize, out: &mut Vec<u8>| {
            for index in 0..count {
                let first = usize::from(index == 0 && count > 1);
                out.push(b'0' + u8::try_from(first + sequence.below(10 - first)).expect("a digit"));
            }
        };
        match self {
            Self::Digits(count) => digits(count, out),
            Self::Negative(count) => {
                out.push(b'-');
                digits(count, out);
            }
            Self::Point(before, behind) => {
                digits(before, out);
                out.push(b'.');
                for _ in 0..=behind {
                    digits(1, out);
                }
            }
            Self::Exponent => {
                digits(1, out);
                out.extend_from_slice([&b"e2"[..], b"E+1", b".5e1", b"00e-2"][sequence.below(4)]);
            }
            Self::Time(places, is_zoned, rows) => {
                write_time(row / rows, places, sequence, out);
                out.extend_from_slice(if is_zoned { b"Z" } else { b"" });
                return false;
            }
            Self::Date => {
                out.extend_from_slice(&time_text(sequence.below(9000), 0)[..10]);
                return false;
            }
            Self::Truth => out.extend_from_slice([&b"true"[..], b"false"][sequence.below(2)]),
            Self::Word(count) => {
                for _ in 0..count {
                    out.push(b'a' + u8::try_from(sequence.below(26)).expect("a letter"));
                }
                return false;
            }
            Self::Wide(count) => {
                let letters: String = "éß日".chars().cycle().take(count).collect();
                out.extend_from_slice(letters.as_bytes());
                return false;
            }
            Self::Escaped(count) => {
                out.extend_from_slice(&b"abcdefghijklmnop"[..count]);
                out.extend_from_slice([&b"\""[..], b"\\", b"\n", b",", b"\"\""][sequence.below(5)]);
                out.extend_from_slice(&b"abcdefghijklmnop"[..count]);
                return false;
            }
            Self::Hex(count) => {
                for _ in 0..count {
                    out.push(b"0123456789abcdEF"[sequence.below(16)]);
                }
                return false;
            }
            Self::Nested => out.extend_from_slice(
                [&b"[]"[..], b"{}", b"[1,[2.5]]", b"{\"a\":\"b\",\"c\":null}"][sequence.below(4)],
            ),
            Self::Nothing => return false,
            Self::Mixed => {
                let styles = [
                    Self::Digits(3),
                    Self::Digits(9),
                    Self::Point(2, 1),
                    Self::Nothing,
                    Self::Word(5),
                    Self::Word(14),
                    Self::Truth,
                    Self::Negative(4),
                ];
                let style = styles[sequence.below(styles.len())];
                return style.write(row, sequence, out);
            }
        }
        true
    }
}

/// A day of the years from 1970 on, and microseconds into it.
fn time_text(day: usize, micros: usize) -> Vec<u8> {
    let (year, month, of_month) = (1970 + day / 336, 1 + day / 28 % 12, 1 + day % 28);
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}0")
        .into_bytes()
}

fn write_time(minute: usize, places: usize, sequence: &mut Sequence, out: &mut Vec<u8>) {
    let within = sequence.below(60_000_000);
    let text = time_text(minute / 1440, minute % 1440 * 60_000_000 + within);
    let len = if places == 0 { 19 } else { 20 + places };
    out.extend_from_slice(&text[..len.min(text.len())]);
}

/// A text of CSV.
#[must_use]
pub fn csv(case: &Case, mut dice: Dice<'_>) -> Vec<u8> {
    let fields = &case.schema.fields;
    let styles: Vec<Style> =
        fields.iter().map(|field| Style::throw(&field.data_type, &mut dice)).collect();
    let shape = Shape::throw(&mut dice);
    let mut sequence = shape.sequence;
    let (delimiter, quote) = (case.delimiter, case.quote);
    let mut out = Vec::new();
    let newline: &[u8] = if shape.flags & 1 == 0 { b"\n" } else { b"\r\n" };
    if case.has_header {
        for (index, field) in fields.iter().enumerate() {
            out.extend((index > 0).then_some(delimiter));
            out.extend_from_slice(field.name.as_bytes());
        }
        out.extend_from_slice(newline);
    }
    for row in 0..shape.row_count {
        for (index, style) in styles.iter().enumerate() {
            out.extend((index > 0).then_some(delimiter));
            let mut text = Vec::new();
            style.write(row, &mut sequence, &mut text);
            // Some writers quote everything, some what they like.
            let is_quoted = match shape.flags & 6 {
                0 => true,
                2 => !text.is_empty() && sequence.below(3) == 0,
                _ => false,
            };
            if is_quoted || text.iter().any(|byte| [delimiter, quote, b'\n'].contains(byte)) {
                out.push(quote);
                for byte in text {
                    out.extend((byte == quote).then_some(quote));
                    out.push(byte);
                }
                out.push(quote);
            } else {
                out.extend(text);
            }
        }
        out.extend_from_slice(newline);
    }
    damage(&mut out, dice);
    out
}

/// A text of JSON lines.
#[must_use]
pub fn json(case: &Case, mut dice: Dice<'_>) -> Vec<u8> {
    let fields = &case.schema.fields;
    let styles: Vec<Style> =
        fields.iter().map(|field| Style::throw(&field.data_type, &mut dice)).collect();
    let shape = Shape::throw(&mut dice);
    let mut sequence = shape.sequence;
    let (comma, colon): (&[u8], &[u8]) = match shape.flags & 3 {
        0 | 1 => (b",", b":"),
        2 => (b", ", b": "),
        _ => (b" ,\t", b" :"),
    };
    // Now and then the keys of a record stand in another order, are missing or come twice.
    let is_varied = shape.flags & 4 != 0;
    let mut out = Vec::new();
    for row in 0..shape.row_count {
        let mut order: Vec<usize> = (0..fields.len()).collect();
        if is_varied {
            match sequence.below(6) {
                0 => order.reverse(),
                1 => order.truncate(1),
                2 => order.push(0),
                _ => {}
            }
        }
        out.push(b'{');
        if shape.flags & 8 != 0 {
            out.extend_from_slice(b"\"unasked\":");
            Style::Mixed.write_json(row, &mut sequence, &mut out);
            out.extend_from_slice(comma);
        }
        for (place, &index) in order.iter().enumerate() {
            out.extend_from_slice(if place > 0 { comma } else { b"" });
            let is_capital = shape.flags & 16 != 0 && sequence.below(9) == 0;
            let name = &fields[index].name;
            let key = if is_capital { name.to_ascii_uppercase() } else { name.clone() };
            out.extend_from_slice(format!("\"{key}\"").as_bytes());
            out.extend_from_slice(colon);
            styles[index].write_json(row, &mut sequence, &mut out);
        }
        out.extend_from_slice(if shape.flags & 32 == 0 { b"}\n" } else { b"}\r\n" });
    }
    damage(&mut out, dice);
    out
}

impl Style {
    fn write_json(self, row: usize, sequence: &mut Sequence, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        if self.write(row, sequence, &mut text) {
            out.extend(text);
        } else if matches!(self, Self::Nothing) {
            out.extend_from_slice(b"null");
        } else {
            let text = String::from_utf8_lossy(&text);
            out.extend(serde_json::to_vec(&text).expect("text is JSON"));
        }
    }
}

/// What all records have in common.
struct Shape {
    row_count: usize,
    flags: u8,
    sequence: Sequence,
}

impl Shape {
    fn throw(dice: &mut Dice<'_>) -> Self {
        Self {
            row_count: dice.one_of(&ROW_COUNTS),
            flags: dice.byte(),
            sequence: Sequence::new(dice.pair() as u64),
        }
    }
}

/// Replaces, inserts and removes bytes; near the end of the text as often as anywhere.
fn damage(text: &mut Vec<u8>, mut dice: Dice<'_>) {
    for _ in 0..DAMAGES_MAX {
        if dice.is_empty() || text.is_empty() {
            return;
        }
        let choice = dice.byte();
        let share = dice.pair();
        let len = text.len();
        let at =
            if choice & 1 == 0 { len * share / 0x1_0000 } else { len - 1 - share % len.min(80) };
        let byte = match choice & 2 {
            0 => dice.one_of(DAMAGES),
            _ => dice.byte(),
        };
        match choice >> 2 & 7 {
            0..=2 => text[at] = byte,
            3 => text.insert(at, byte),
            4 => drop(text.remove(at)),
            5 => text[at] ^= 1 << (byte & 7),
            6 => text.truncate(at),
            _ => {
                // What stands here, once more.
                let again = text[at..len.min(at + usize::from(byte))].to_vec();
                text.splice(at..at, again);
            }
        }
    }
}
