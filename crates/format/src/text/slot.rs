//! Where one field's value stands.

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

    /// The same, so many bytes on.
    #[inline(always)]
    pub(crate) fn moved(self, by: u32) -> Self {
        Self { start: self.start + by, ..self }
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

    /// Whether it is [`Tag::Text`] or [`Tag::Number`], which stand in the frame as they are.
    #[inline(always)]
    pub(crate) fn is_plain(self) -> bool {
        (self.tag_and_len >> 28) & !2 == 1
    }
}

/// Slots of a chunk of records, one field after the other.
#[derive(Default)]
pub(crate) struct SlotTable {
    slots: Vec<Slot>,
    field_count: usize,
    /// Records of a chunk at most.
    row_count: usize,
}

impl SlotTable {
    /// All NULL.
    pub(crate) fn new(field_count: usize, row_count: usize) -> Self {
        Self { slots: vec![Slot::NULL; field_count * row_count], field_count, row_count }
    }

    /// The slots of one record.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize) -> RowSlots<'_> {
        debug_assert!(row < self.row_count);
        let Self { slots, field_count, row_count } = self;
        RowSlots { slots, row, stride: *row_count, field_count: *field_count }
    }

    /// The slots of one field in the first `row_count` records.
    #[inline(always)]
    pub(crate) fn field(&self, field: usize, row_count: usize) -> &[Slot] {
        &self.slots[field * self.row_count..][..row_count]
    }
}

/// The slots of one record. What they were before is left over from another.
pub(crate) struct RowSlots<'a> {
    slots: &'a mut [Slot],
    /// Of the slots of each field, which follow one another.
    row: usize,
    stride: usize,
    field_count: usize,
}

impl RowSlots<'_> {
    #[inline(always)]
    pub(crate) fn set(&mut self, field: usize, slot: Slot) {
        self.slots[field * self.stride + self.row] = slot;
    }

    /// Makes all of them NULL.
    pub(crate) fn clear(&mut self) {
        (0..self.field_count).for_each(|field| self.set(field, Slot::NULL));
    }
}

/// A position within a frame as 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "frames are at most FRAME_BYTES_MAX long")]
pub(crate) fn narrow(position: usize) -> u32 {
    debug_assert!(position <= FRAME_BYTES_MAX);
    position as u32
}
