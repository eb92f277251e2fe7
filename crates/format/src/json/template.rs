//! What a record's bytes may be, and where its values stand, for it to be laid out like another.

use super::layouts::RECORD_BYTES_MAX;
use crate::text::Slot;
use crate::text::slot::Tag;

/// What a layout is made from.
#[derive(PartialEq)]
pub(super) struct Template {
    /// The least and the most that each byte of the record may be.
    pub(super) ranges: Vec<(u8, u8)>,
    /// The needed columns, counted from the record's start.
    pub(super) slots: Vec<Slot>,
}

impl Template {
    /// Of the JSON record at `[start, next)`, whose values stand at `values`; `None` where it is too long or
    /// has a value that is neither text without escapes nor a plain number.
    pub(super) fn of(
        bytes: &[u8],
        (start, next): (usize, usize),
        values: &[(usize, usize, Option<usize>)],
        column_count: usize,
    ) -> Option<Self> {
        let record = bytes.get(start..next).filter(|record| record.len() <= RECORD_BYTES_MAX)?;
        let mut ranges: Vec<(u8, u8)> = record.iter().map(|&byte| (byte, byte)).collect();
        let mut slots = vec![Slot::NULL; column_count];
        for &(from, to, column) in values {
            let (from, to) = (from - start, to - start);
            let value = &record[from..to];
            let slot = if value[0] == b'"' {
                let (from, to) = (from + 1, to - 1);
                let text = &record[from..to];
                if text.contains(&b'\\') {
                    return None;
                }
                // Where there was only ASCII, there will be.
                let most = if text.is_ascii() { 0x7f } else { u8::MAX };
                ranges[from..to].fill((b' ', most));
                Slot::new(Tag::Text, from, to)
            } else {
                bound_number(value, &mut ranges[from..to])?;
                Slot::new(Tag::Number, from, to)
            };
            if let Some(column) = column {
                // Of several equal keys the last one counts.
                slots[column] = slot;
            }
        }
        Some(Self { ranges, slots })
    }

    /// The ranges without what text may not be: of the bytes between two such, those that this record has.
    pub(super) fn narrow(&self, record: &[u8]) -> Vec<(u8, u8)> {
        let parts = [(b' ', b'!'), (b'#', b'['), (b']', 0x7f), (0x80, u8::MAX)];
        let ranges = self.ranges.iter().zip(record);
        ranges
            .map(|(&(low, high), byte)| {
                let part = parts.iter().find(|(least, most)| (least..=most).contains(&byte));
                match part {
                    Some(&part) if low == b' ' && high > low => part,
                    _ => (low, high),
                }
            })
            .collect()
    }
}

/// Any number of as many digits, with a minus or without as this one; `None` if it is not a plain one.
fn bound_number(value: &[u8], ranges: &mut [(u8, u8)]) -> Option<()> {
    let first = usize::from(value[0] == b'-');
    let whole_len = value[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    for (index, byte) in value.iter().enumerate().skip(first) {
        match byte {
            // A number of several digits does not begin with a zero.
            b'0'..=b'9' if index == first && whole_len > 1 => ranges[index] = (b'1', b'9'),
            b'0'..=b'9' => ranges[index] = (b'0', b'9'),
            b'.' => {}
            _ => return None,
        }
    }
    Some(())
}
