//! Where one field's value stands.

use std::ops::Range;

/// Frames of text are shorter than this, so that a slot fits eight bytes.
pub(crate) const FRAME_BYTES_MAX: usize = (1 << 28) - 1;

/// What a slot points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// Nothing: NULL.
    Null,
    /// Text in the frame: a CSV field, a JSON string without escapes.
    Text,
    /// Text in the side buffer, where unescaping put it.
    Unescaped,
    /// A JSON number in the frame.
    Number,
    /// JSON `true` or `false` in the frame.
    Truth,
    /// A JSON array or object in the frame.
    Nested,
}

/// The place of one value: a tag, and a byte range of the frame or of the side buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(crate) struct Slot {
    start: u32,
    /// The tag in the upper 4 bits, the length in the lower 28.
    tag_and_len: u32,
}

impl Slot {
    /// NULL.
    pub(crate) const NULL: Self = Self { start: 0, tag_and_len: 0 };

    /// Bytes `[start, end)`, both at most [`FRAME_BYTES_MAX`].
    #[inline]
    pub(crate) fn new(tag: Tag, start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= FRAME_BYTES_MAX);
        Self { start: narrow(start), tag_and_len: ((tag as u32) << 28) | narrow(end - start) }
    }

    /// [`Tag::Text`] of bytes `[start, end)`, or NULL, where these are none.
    #[inline(always)]
    pub(crate) fn text_if(is_there: bool, start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= FRAME_BYTES_MAX && (is_there || start == end));
        let tag = Tag::Text as u32 * u32::from(is_there);
        Self { start: narrow(start), tag_and_len: (tag << 28) | narrow(end - start) }
    }

    /// The same, so many bytes on. What is not in the frame may have wrapped around before, and comes back.
    #[inline(always)]
    pub(crate) fn moved(self, by: u32) -> Self {
        Self { start: self.start.wrapping_add(by), ..self }
    }

    /// The start in the lower half, tag and length in the upper one.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.start) | (u64::from(self.tag_and_len) << 32)
    }

    #[inline]
    pub(crate) fn tag(self) -> Tag {
        match self.tag_and_len >> 28 {
            0 => Tag::Null,
            1 => Tag::Text,
            2 => Tag::Unescaped,
            3 => Tag::Number,
            4 => Tag::Truth,
            _ => Tag::Nested,
        }
    }

    #[inline]
    pub(crate) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        (self.tag_and_len & 0x0fff_ffff) as usize
    }

    /// Behind the last byte.
    #[inline]
    pub(crate) fn end(self) -> usize {
        self.start() + self.len()
    }

    #[inline]
    pub(crate) fn is_null(self) -> bool {
        self.tag_and_len >> 28 == 0
    }

    /// The length of [`Tag::Text`] and [`Tag::Number`], which stand in the frame as they are, if it is not 0.
    #[inline(always)]
    pub(crate) fn plain_len(self) -> Option<usize> {
        // Their tags differ in one bit; of any other, something is left above the length.
        let len = (self.tag_and_len & !(2 << 28)) ^ (1 << 28);
        (len.wrapping_sub(1) < (1 << 28) - 1).then_some(len as usize)
    }
}

/// Slots of a chunk of records, each record's counted from its start on, so that records that are laid out
/// alike have them in common.
#[derive(Default)]
pub(crate) struct SlotTable {
    /// Those of records looked at one by one, a row of fields for each record of a chunk, and behind them
    /// rows that records have in common.
    slots: Vec<Slot>,
    field_count: usize,
    rows: Box<[Row]>,
}

/// One record of a chunk.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Row {
    /// Where it begins, within the frame.
    pub(crate) start: u32,
    /// Where its slots begin, within the table.
    pub(crate) first: u32,
}

impl SlotTable {
    /// For chunks of at most so many records.
    pub(crate) fn new(field_count: usize, row_count: usize) -> Self {
        let slots = vec![Slot::NULL; field_count * row_count];
        Self { slots, field_count, rows: vec![Row::default(); row_count].into() }
    }

    /// Slots of its own for the record of this row, which begins at `start`. What they are at first is left
    /// over from another.
    #[inline(always)]
    pub(crate) fn own(&mut self, row: usize, start: usize) -> RowSlots<'_> {
        let first = row * self.field_count;
        let start = narrow(start);
        self.rows[row] = Row { start, first: narrow(first) };
        RowSlots { slots: &mut self.slots[first..][..self.field_count], start }
    }

    /// A slot of the record of this row, counted from the start of what it points into.
    #[inline(always)]
    pub(crate) fn slot(&self, row: usize, field: usize) -> Slot {
        let Row { start, first } = self.rows[row];
        self.slots[first as usize + field].moved(start)
    }

    /// Sets it.
    #[inline(always)]
    pub(crate) fn set(&mut self, row: usize, field: usize, slot: Slot) {
        let Row { start, first } = self.rows[row];
        self.slots[first as usize + field] = slot.moved(start.wrapping_neg());
    }

    /// Keeps slots for records to have in common, one a field, and gives where they begin.
    pub(crate) fn share(&mut self, slots: &[Slot]) -> u32 {
        debug_assert_eq!(slots.len(), self.field_count);
        let first = narrow(self.slots.len());
        self.slots.extend_from_slice(slots);
        first
    }

    /// Drops what records had in common; between two chunks.
    pub(crate) fn forget_shared(&mut self) {
        self.slots.truncate(self.field_count * self.rows.len());
    }

    /// Records of the chunk, to be filled in.
    #[inline(always)]
    pub(crate) fn rows_mut(&mut self, rows: Range<usize>) -> &mut [Row] {
        &mut self.rows[rows]
    }

    /// The first `row_count` records.
    #[inline(always)]
    pub(crate) fn rows(&self, row_count: usize) -> &[Row] {
        &self.rows[..row_count]
    }

    /// Slots of one field: where [`Row::first`] says, that of the row.
    #[inline(always)]
    pub(crate) fn field(&self, field: usize) -> &[Slot] {
        &self.slots[field..]
    }
}

/// The slots of one record.
pub(crate) struct RowSlots<'a> {
    slots: &'a mut [Slot],
    /// Where the record begins.
    start: u32,
}

impl RowSlots<'_> {
    /// Sets a slot that is counted from the start of what it points into.
    #[inline(always)]
    pub(crate) fn set(&mut self, field: usize, slot: Slot) {
        self.slots[field] = slot.moved(self.start.wrapping_neg());
    }

    /// Makes all of them NULL.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.slots.fill(Slot::NULL);
    }
}

/// A position within a frame as 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "frames are at most FRAME_BYTES_MAX long")]
pub(crate) fn narrow(position: usize) -> u32 {
    debug_assert!(position <= FRAME_BYTES_MAX);
    position as u32
}
