//! Memory for parts of a file that are read or unpacked as a whole, used again for later parts.
//!
//! A row group, a message or a page takes megabytes. Fresh memory of that size comes from the kernel page by page, which
//! costs as much as reading it does; what the part before had is mostly free by then.

use arrow_buffer::Buffer;

use super::{LentBytes, Room};

/// Pieces of memory that are kept at most.
const KEPT_MAX: usize = 16;
/// A piece is used for what is shorter by this factor at most, so that one long part is not kept for ever.
const SLACK: usize = 4;

/// What was lent, and comes back once nobody else holds it.
#[derive(Debug, Default)]
pub struct PartMemory {
    lent: Vec<LentBytes>,
}

impl PartMemory {
    /// So many bytes to be written; what is not written has any value.
    pub fn take(&mut self, byte_count: usize) -> Room<u8> {
        let mut free: Vec<Room<u8>> = Vec::new();
        let mut held = Vec::with_capacity(KEPT_MAX);
        for lent in self.lent.drain(..) {
            match lent.take_back() {
                Ok(room) => free.push(room),
                Err(lent) => held.push(lent),
            }
        }
        let all = free.iter().enumerate().map(|(at, room)| (room.capacity(), at));
        let fitting = |&(capacity, _): &(usize, usize)| {
            capacity >= byte_count && capacity / SLACK <= byte_count
        };
        let mut room = match all.filter(fitting).min() {
            Some((_, at)) => free.swap_remove(at),
            // Most of the memory makes way.
            None => {
                if let Some((at, _)) =
                    free.iter().enumerate().max_by_key(|(_, room)| room.capacity())
                {
                    free.swap_remove(at);
                }
                Room::default()
            }
        };
        held.extend(free.into_iter().map(|room| room.lend().1));
        held.truncate(KEPT_MAX);
        self.lent = held;
        // Nothing of before is kept, so that nothing is copied if it has to grow.
        room.clear();
        room.resize(byte_count);
        room
    }

    /// Lends what was written.
    pub fn lend(&mut self, room: Room<u8>) -> Buffer {
        let (bytes, lent) = room.lend();
        self.lent.push(lent);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_nobody_holds_it() {
        let mut memory = PartMemory::default();
        let mut lend = |byte_count: usize, value: u8| {
            let mut room = memory.take(byte_count);
            room.fill(value);
            memory.lend(room)
        };
        let first = lend(3 << 20, 1);
        let start = first.as_ptr();
        let second = lend(3 << 20, 2);
        assert_ne!(second.as_ptr(), start, "the first is held");
        drop(first);
        let third = lend(2 << 20, 3);
        assert_eq!((third.as_ptr(), third.len()), (start, 2 << 20));
        assert!(second.iter().all(|&byte| byte == 2) && third.iter().all(|&byte| byte == 3));
        drop(third);
        assert_ne!(lend(1000, 4).as_ptr(), start, "far shorter");
    }
}
