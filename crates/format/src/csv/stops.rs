//! The list of where fields of CSV end, as far as has been looked ahead.

/// Bytes looked at in one step.
pub(super) const BLOCK_BYTES: usize = 64;
/// Stops for which there is room in a look ahead: of fields of four bytes.
const AHEAD_STOPS: usize = 8 << 10;
/// Positions of one block that are listed without asking whether there are so many.
const LISTED_FIRST: usize = 8;

/// Set in a stop that ends a field within which quotes stand twice. No frame is so long.
pub(super) const HAS_DOUBLED: u32 = 1 << 31;

/// Where a field ends.
#[derive(Clone, Copy)]
pub(crate) struct FieldEnd(u32);

impl FieldEnd {
    #[inline(always)]
    pub(crate) fn new(listed: u32) -> Self {
        Self(listed)
    }

    /// The delimiter or newline behind it; `u32::MAX >> 1` before the very first field of a frame.
    #[inline(always)]
    pub(crate) fn position(self) -> u32 {
        self.0 & !HAS_DOUBLED
    }

    /// Where what stands behind it begins.
    #[inline(always)]
    pub(crate) fn next(self) -> usize {
        ((self.0.wrapping_add(1)) & !HAS_DOUBLED) as usize
    }

    /// Whether quotes stand twice within it.
    #[inline(always)]
    pub(crate) fn has_doubled(self) -> bool {
        self.0 & HAS_DOUBLED != 0
    }
}

/// Positions that were found, front to back, the foremost of which are taken.
pub(super) struct Positions {
    /// Those found are the first `count`; what is behind them is room.
    pub(super) list: Vec<u32>,
    pub(super) count: usize,
    /// Index of the first that no record has taken, at least 1: there is always one in front of it.
    pub(super) cursor: usize,
}

impl Positions {
    pub(super) fn new() -> Self {
        Self { list: vec![0], count: 1, cursor: 1 }
    }

    pub(super) fn clear(&mut self) {
        (self.count, self.cursor) = (1, 1);
    }

    /// Those that no record has taken.
    pub(super) fn left(&self) -> &[u32] {
        &self.list[self.cursor..self.count]
    }

    /// Forgets what is taken, how many that is, and makes room for a look ahead.
    pub(super) fn make_room(&mut self) -> usize {
        let taken = self.cursor - 1;
        self.list.copy_within(self.cursor..self.count, 1);
        self.count -= taken;
        self.cursor = 1;
        let room = self.count + AHEAD_STOPS;
        if self.list.len() < room {
            self.list.resize(room, 0);
        }
        taken
    }

    /// Steps over all before `position`, and gives them.
    pub(super) fn skip_to(&mut self, position: u32) -> &[u32] {
        let from = self.cursor;
        while self.cursor < self.count && self.list[self.cursor] & !HAS_DOUBLED < position {
            self.cursor += 1;
        }
        &self.list[from..self.cursor]
    }
}

/// Lists `base` plus the place of each bit, and says how many there are.
///
/// What is written where there are fewer bits than [`LISTED_FIRST`] counts for nothing: a branch for every
/// bit would be one that cannot be foreseen.
#[inline(always)]
pub(super) fn list(room: &mut [u32; BLOCK_BYTES], base: u32, bits: u64) -> usize {
    let found = bits.count_ones() as usize;
    let (first, others) = room.split_at_mut(LISTED_FIRST);
    let left = write(first, base, bits);
    if found > LISTED_FIRST {
        write(&mut others[..found - LISTED_FIRST], base, left);
    }
    found
}

/// Fills `room` with `base` plus the place of each bit, lowest first, and gives the bits that are left.
#[inline(always)]
fn write(room: &mut [u32], base: u32, bits: u64) -> u64 {
    let mut left = bits;
    for position in room {
        // SAFETY: a reference can be written to. Volatile, because the compiler would put eight into a
        // vector first, which takes longer than to store them.
        unsafe { (&raw mut *position).write_volatile(base + left.trailing_zeros()) };
        left &= left.wrapping_sub(1);
    }
    left
}
