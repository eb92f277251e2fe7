//! What stands before each page of a column.
//!
//! Spec: Apache Parquet, `parquet.thrift`, `PageHeader`; Apache Thrift, "Thrift Compact protocol encoding".

use ::parquet::basic::Encoding;

use super::guard::{FALSE, I16, I64, STOP, STRUCT, TRUE, Walker};

/// The head of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageHead {
    pub(super) kind: PageKind,
    /// Bytes of what follows, and of what that becomes.
    pub(super) packed_bytes: usize,
    pub(super) unpacked_bytes: usize,
}

/// What a page holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Dictionary {
        value_count: usize,
    },
    /// Rows, whose levels are packed with their values.
    Rows {
        row_count: usize,
        encoding: Encoding,
        levels: Encoding,
    },
    /// Rows, whose levels stand before their values as they are.
    RowsBehindLevels {
        row_count: usize,
        encoding: Encoding,
        /// Bytes of the levels of repetition, and of those of definition behind them.
        repetition_bytes: usize,
        definition_bytes: usize,
        is_packed: bool,
    },
    /// Nothing that is read.
    Index,
}

impl PageHead {
    /// The head that these bytes begin with, and how many of them it takes.
    ///
    /// # Errors
    /// `None` where the bytes end before, or are none.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut walker = Walker::new(bytes);
        let (mut kind, mut unpacked, mut packed) = (None, None, None);
        let (mut rows, mut dictionary, mut behind_levels) = (None, None, None);
        let mut id = 0;
        loop {
            let found = walker.field(&mut id)?;
            match (id, found) {
                (_, STOP) => break,
                (1, I16..=I64) => kind = Some(walker.signed()?),
                (2, I16..=I64) => unpacked = Some(walker.signed()?),
                (3, I16..=I64) => packed = Some(walker.signed()?),
                (5, STRUCT) => rows = Some(numbers(&mut walker)?),
                (7, STRUCT) => dictionary = Some(numbers(&mut walker)?),
                (8, STRUCT) => behind_levels = Some(numbers(&mut walker)?),
                _ => walker.value(found, false)?,
            }
        }
        let size = |number: Option<i64>| usize::try_from(number?).ok().filter(|n| n >> 31 == 0);
        let kind = match kind? {
            0 => {
                let [count, encoding, levels, ..] = rows?;
                PageKind::Rows {
                    row_count: size(count)?,
                    encoding: encoding_of(encoding?)?,
                    levels: encoding_of(levels?)?,
                }
            }
            1 => PageKind::Index,
            2 => PageKind::Dictionary { value_count: size(dictionary?[0])? },
            3 => {
                let [count, _, _, encoding, definition, repetition, is_packed, _] = behind_levels?;
                PageKind::RowsBehindLevels {
                    row_count: size(count)?,
                    encoding: encoding_of(encoding?)?,
                    repetition_bytes: size(repetition)?,
                    definition_bytes: size(definition)?,
                    is_packed: is_packed != Some(0),
                }
            }
            _ => return None,
        };
        let head = Self { kind, packed_bytes: size(packed)?, unpacked_bytes: size(unpacked)? };
        Some((head, bytes.len() - walker.bytes.len()))
    }

    /// Rows that the page has; `None` where it is a dictionary, or nothing.
    pub(super) fn row_count(&self) -> Option<usize> {
        match self.kind {
            PageKind::Rows { row_count, .. } | PageKind::RowsBehindLevels { row_count, .. } => {
                Some(row_count)
            }
            PageKind::Dictionary { .. } | PageKind::Index => None,
        }
    }
}

/// The first fields of a structure that are numbers or truths (1 or 0), by their ids from 1 on.
fn numbers(walker: &mut Walker<'_>) -> Option<[Option<i64>; 8]> {
    let mut numbers = [None; 8];
    let mut id = 0;
    loop {
        let kind = walker.field(&mut id)?;
        let number = match kind {
            STOP => return Some(numbers),
            TRUE => Some(1),
            FALSE => Some(0),
            I16..=I64 => Some(walker.signed()?),
            _ => {
                walker.value(kind, false)?;
                None
            }
        };
        let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        if let Some(place) = place.filter(|place| *place < numbers.len()) {
            numbers[place] = number;
        }
    }
}

/// The encoding of a number in a file.
#[expect(deprecated, reason = "old files have definition levels so")]
fn encoding_of(number: i64) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of the compact protocol: zigzag, in groups of 7 bits.
    fn number(value: i64) -> Vec<u8> {
        let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while left >= 0x80 {
            bytes.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
            left >>= 7;
        }
        bytes.push(u8::try_from(left).expect("seven bits"));
        bytes
    }

    /// A structure of numbers, by ids from 1 on; `None` is left out.
    fn structure(members: &[Option<i64>]) -> Vec<u8> {
        let (mut bytes, mut before) = (Vec::new(), 0);
        for (id, member) in (1_u8..).zip(members) {
            let Some(member) = member else { continue };
            bytes.push((id - before) << 4 | 5);
            bytes.extend(number(*member));
            before = id;
        }
        bytes.push(0);
        bytes
    }

    /// A head of these numbers, with one structure behind them.
    fn head(kind: i64, unpacked: i64, packed: i64, id: u8, members: &[u8]) -> Vec<u8> {
        let mut bytes = structure(&[Some(kind), Some(unpacked), Some(packed)]);
        bytes.pop();
        bytes.push((id - 3) << 4 | STRUCT);
        bytes.extend(members);
        bytes.push(0);
        bytes
    }

    #[test]
    fn heads_are_read_and_what_stands_behind_them_is_left() {
        let mut bytes = head(0, 1000, 300, 5, &structure(&[Some(70), Some(8), Some(3), Some(3)]));
        let length = bytes.len();
        bytes.extend([1, 2, 3]);
        let kind = PageKind::Rows {
            row_count: 70,
            encoding: Encoding::RLE_DICTIONARY,
            levels: Encoding::RLE,
        };
        let expected = PageHead { kind, packed_bytes: 300, unpacked_bytes: 1000 };
        assert_eq!(PageHead::parse(&bytes), Some((expected, length)));
        for cut in 0..length {
            assert_eq!(PageHead::parse(&bytes[..cut]), None, "cut at {cut}");
        }
        let bytes = head(2, 8, 8, 7, &structure(&[Some(1), Some(0)]));
        let (found, _) = PageHead::parse(&bytes).expect("a head");
        assert_eq!(
            (found.row_count(), found.kind),
            (None, PageKind::Dictionary { value_count: 1 })
        );
        // The values are not packed, as field 7 says.
        let mut members = structure(&[Some(9), Some(2), Some(7), Some(0), Some(5), Some(0)]);
        members.pop();
        members.extend([0x12, 0]);
        let (found, _) = PageHead::parse(&head(3, 8, 8, 8, &members)).expect("a head");
        let kind = PageKind::RowsBehindLevels {
            row_count: 9,
            encoding: Encoding::PLAIN,
            repetition_bytes: 0,
            definition_bytes: 5,
            is_packed: false,
        };
        assert_eq!(found.kind, kind);
    }

    #[test]
    fn what_a_page_cannot_have_is_refused() {
        let rows = structure(&[Some(70), Some(8), Some(3), Some(3)]);
        assert!(PageHead::parse(&head(0, 10, 10, 5, &rows)).is_some());
        let refused = [
            head(0, -1, 10, 5, &rows),
            head(0, 10, -1, 5, &rows),
            head(0, 10, 1 << 31, 5, &rows),
            head(7, 10, 10, 5, &rows),
            // Of another kind; less than none; packed as no version knows.
            head(2, 10, 10, 5, &rows),
            head(0, 10, 10, 5, &structure(&[Some(-1), Some(8), Some(3), Some(3)])),
            head(0, 10, 10, 5, &structure(&[Some(1), Some(77), Some(3), Some(3)])),
            head(0, 10, 10, 5, &structure(&[None, Some(8), Some(3), Some(3)])),
        ];
        for bytes in refused {
            assert_eq!(PageHead::parse(&bytes), None, "{bytes:?}");
        }
    }
}
