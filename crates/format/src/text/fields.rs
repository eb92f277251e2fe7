//! Where the values of a chunk's records stand, however the records were found.
//!
//! Records that are looked at one by one have a [`Slot`] for each value; of those that
//! were found together, a [`Grid`] knows where each field ends. Columns are written once, over [`Fields`].
//! Of either, some records can be [picked](Records::pick).

use super::grid::Grid;
use super::lanes::Lanes;
use super::slot::{Row, Slot, SlotTable, Tag};

/// The records of a chunk.
pub(crate) trait Records: Copy {
    /// One needed field of all of them.
    type Fields: Fields;

    /// Some of the records.
    type Picked<'a>: Records
    where
        Self: 'a;

    /// The needed field that is this one among them.
    fn fields(self, place: usize) -> Self::Fields;

    /// The records of these rows, ascending. Of their fields only those of `columns` are there.
    fn pick<'a>(self, rows: &[u32], columns: &[usize], room: &'a mut PickRoom) -> Self::Picked<'a>
    where
        Self: 'a;
}

/// Memory for where the values of picked records stand.
#[derive(Default)]
pub(crate) struct PickRoom {
    rows: Vec<Row>,
    stops: Vec<u32>,
    fields: Vec<usize>,
}

/// One field of each record of a chunk.
pub(crate) trait Fields: Copy {
    /// Records of the chunk.
    fn row_count(self) -> usize;

    /// Where the value of a row stands. A row out of range panics.
    fn slot(self, row: usize) -> Slot;

    /// Start and length of a row's value, if it stands in the frame as it is and has any text. A row out
    /// of range panics.
    fn plain(self, row: usize) -> Option<(usize, usize)>;

    /// Four plain values of one to eight bytes, from this row on; `None` if they are not, or not four, or
    /// there is no way to read four at once.
    fn four<L: Lanes>(self, lanes: L, frame: &[u8], row: usize) -> Option<L::Four>;
}

/// Records that have slots.
#[derive(Clone, Copy)]
pub(crate) struct Slotted<'a> {
    pub(crate) slots: &'a SlotTable,
    pub(crate) rows: &'a [Row],
}

/// One field of [`Slotted`] records.
#[derive(Clone, Copy)]
pub(crate) struct SlottedFields<'a> {
    rows: &'a [Row],
    slots: &'a [Slot],
}

impl<'a> Records for Slotted<'a> {
    type Fields = SlottedFields<'a>;
    type Picked<'b>
        = Slotted<'b>
    where
        Self: 'b;

    #[inline(always)]
    fn fields(self, place: usize) -> SlottedFields<'a> {
        SlottedFields { rows: self.rows, slots: self.slots.field(place) }
    }

    fn pick<'b>(self, rows: &[u32], _: &[usize], room: &'b mut PickRoom) -> Slotted<'b>
    where
        Self: 'b,
    {
        room.rows.clear();
        room.rows.extend(rows.iter().map(|&row| self.rows[row as usize]));
        Slotted { slots: self.slots, rows: &room.rows }
    }
}

impl Fields for SlottedFields<'_> {
    #[inline(always)]
    fn row_count(self) -> usize {
        self.rows.len()
    }

    #[inline(always)]
    fn slot(self, row: usize) -> Slot {
        let Row { start, first } = self.rows[row];
        self.slots[first as usize].moved(start)
    }

    #[inline(always)]
    fn plain(self, row: usize) -> Option<(usize, usize)> {
        let slot = self.slot(row);
        slot.plain_len().map(|len| (slot.start(), len))
    }

    #[inline(always)]
    fn four<L: Lanes>(self, lanes: L, frame: &[u8], row: usize) -> Option<L::Four> {
        let rows: &[Row; 4] = self.rows.get(row..)?.first_chunk()?;
        let slots = rows.map(|row| self.slots[row.first as usize]);
        lanes.four_of_slots(frame, rows, slots)
    }
}

/// One field of a [`Grid`].
#[derive(Clone, Copy)]
pub(crate) struct GridFields<'a> {
    /// The byte before the first value; then ends of fields, the first value's in front. Two for each row,
    /// a record's positions apart.
    stops: &'a [u32],
    /// Positions of a record, at least 1.
    stride: usize,
    row_count: usize,
}

impl<'a> Records for Grid<'a> {
    type Fields = GridFields<'a>;
    type Picked<'b>
        = Grid<'b>
    where
        Self: 'b;

    #[inline(always)]
    fn fields(self, place: usize) -> GridFields<'a> {
        let Grid { stops, stride, fields, .. } = self;
        let row_count = self.row_count();
        let stops = &stops[fields[place]..];
        let used = row_count.checked_sub(1).map_or(0, |before| before * stride + 2);
        assert!(used <= stops.len(), "a field has a stop before it and one behind");
        GridFields { stops, stride, row_count }
    }

    fn pick<'b>(self, rows: &[u32], columns: &[usize], room: &'b mut PickRoom) -> Grid<'b>
    where
        Self: 'b,
    {
        let PickRoom { stops, fields, .. } = room;
        fields.clear();
        fields.resize(self.fields.len(), 0);
        for (place, &column) in columns.iter().enumerate() {
            fields[column] = 2 * place;
        }
        // Two positions for each value. The one before all of them counts for nothing but that it is there.
        let stride = 2 * columns.len().max(1);
        stops.clear();
        stops.resize(rows.len() * stride + 1, 0);
        for (picked, &row) in stops.chunks_exact_mut(stride).zip(rows) {
            let of_row = &self.stops[row as usize * self.stride..];
            for (picked, &column) in picked.chunks_exact_mut(2).zip(columns) {
                picked.copy_from_slice(&of_row[self.fields[column]..][..2]);
            }
        }
        Grid { stops, stride, fields, is_ascii: self.is_ascii }
    }
}

impl Fields for GridFields<'_> {
    #[inline(always)]
    fn row_count(self) -> usize {
        self.row_count
    }

    #[inline(always)]
    fn slot(self, row: usize) -> Slot {
        match self.plain(row) {
            Some((start, len)) => Slot::new(Tag::Text, start, start + len),
            None => Slot::NULL,
        }
    }

    #[inline(always)]
    fn plain(self, row: usize) -> Option<(usize, usize)> {
        assert!(row < self.row_count);
        // SAFETY: of each row there are two stops here, as has been seen when this was made.
        let stops = unsafe { self.stops.get_unchecked(row * self.stride..) };
        // SAFETY: as above.
        let [before, end] = unsafe { [*stops.get_unchecked(0), *stops.get_unchecked(1)] };
        let start = before.wrapping_add(1);
        let len = end.wrapping_sub(start);
        (len > 0).then_some((start as usize, len as usize))
    }

    #[inline(always)]
    fn four<L: Lanes>(self, lanes: L, frame: &[u8], row: usize) -> Option<L::Four> {
        lanes.four_of_stops(frame, self.stops.get(row * self.stride..)?, self.stride)
    }
}
