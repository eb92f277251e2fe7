//! Arrays that a core has handed out, and takes back.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringViewArray};
use arrow_buffer::{
    ArrowNativeType, BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer,
};

use super::room::{Room, all_is_read};

/// Arrays of one type that a core remembers; the one handed out first makes way for another, and its memory
/// is freed by whoever holds it.
const LENT_MAX: usize = 256;
/// Memory of longer arrays, in bytes, is not looked after: it is a table's, not a batch's.
const LENT_BYTES_MAX: usize = 1 << 20;
/// Where so many have come back and nobody wanted them, one is forgotten.
const IDLE_MAX: usize = 4;
/// Memory that a core keeps for columns to come, in bytes. The oldest makes way for other.
const SPARE_BYTES_MAX: usize = 4 << 20;
/// It is given to those who want less, by a quarter and so many bytes at most.
const SLACK_BYTES: usize = 1024;

/// An array that was handed out, and the memory that its values are in.
struct Lent<A> {
    array: Arc<A>,
    memory: Buffer,
}

impl<A> Lent<A> {
    /// The array, to be written again, if nobody else holds it or its values.
    fn idle(&mut self) -> Option<&mut A> {
        // The array is the other holder of its memory. Mostly one look is enough.
        if Arc::strong_count(&self.array) > 1 || self.memory.strong_count() != 2 {
            return None;
        }
        let array = Arc::get_mut(&mut self.array)?;
        all_is_read();
        Some(array)
    }
}

/// Arrays of one type that were handed out.
struct Pool<A> {
    lent: Vec<Lent<A>>,
}

impl<A> Default for Pool<A> {
    fn default() -> Self {
        Self { lent: Vec::new() }
    }
}

impl<A: Array + 'static> Pool<A> {
    /// Hands out an array of values in `memory`. That of an array that has come back is spare.
    fn lend(&mut self, memory: Buffer, array: A, spares: &mut Spares) -> ArrayRef {
        if memory.is_empty() || memory.len() > LENT_BYTES_MAX {
            return Arc::new(array);
        }
        for lent in &mut self.lent {
            if let Some(idle) = lent.idle() {
                // With it goes the other hold on its memory.
                *idle = array;
                spares.keep(std::mem::replace(&mut lent.memory, memory));
                let array = Arc::clone(&lent.array);
                self.forget_unwanted();
                return array;
            }
        }
        let array = Arc::new(array);
        if self.lent.len() == LENT_MAX {
            self.lent.remove(0);
        }
        self.lent.push(Lent { array: Arc::clone(&array), memory });
        array
    }
}

impl<A> Pool<A> {
    /// After a time when many were held, few are: the others go, one after the other.
    fn forget_unwanted(&mut self) {
        let last = self.lent.len().saturating_sub(IDLE_MAX);
        if last > IDLE_MAX && self.lent[last..].iter_mut().all(|lent| lent.idle().is_some()) {
            self.lent.pop();
        }
    }
}

/// Memory that nobody holds.
#[derive(Default)]
struct Spares {
    memory: Vec<Buffer>,
    byte_count: usize,
}

impl Spares {
    fn keep(&mut self, memory: Buffer) {
        if memory.len() > LENT_BYTES_MAX {
            return;
        }
        self.byte_count += memory.len();
        self.memory.push(memory);
        while self.byte_count > SPARE_BYTES_MAX {
            self.byte_count -= self.memory.remove(0).len();
        }
    }

    /// The shortest that has so many bytes, and not far more, since it may be held for long.
    fn take(&mut self, byte_count: usize) -> Option<Buffer> {
        let all = self.memory.iter().enumerate();
        let fitting = all.filter(|(_, memory)| memory.len() >= byte_count);
        let (at, shortest) = fitting.min_by_key(|(_, memory)| memory.len())?;
        if shortest.len() > byte_count + byte_count / 4 + SLACK_BYTES {
            return None;
        }
        let memory = self.memory.swap_remove(at);
        self.byte_count -= memory.len();
        Some(memory)
    }
}

/// What a core has handed out, and has back.
#[derive(Default)]
struct Core {
    /// A [`Pool`] for each type of numbers.
    primitives: HashMap<TypeId, Box<dyn Any>>,
    truths: Pool<BooleanArray>,
    texts: Pool<StringViewArray>,
    /// For arrays of texts: what they point into, each of two buffers.
    sources: Vec<Arc<[Buffer]>>,
    spares: Spares,
}

/// Memory of so many bytes at least, all of them written once.
pub(super) fn memory_of(byte_count: usize) -> Buffer {
    let spare = LOCAL.try_with(|local| local.core.borrow_mut().spares.take(byte_count));
    // Zeroed, so that all of it is initialized; of whole pages the kernel has done that.
    spare.ok().flatten().unwrap_or_else(|| MutableBuffer::from_len_zeroed(byte_count).into())
}

/// Gives back memory that nobody else holds.
pub(super) fn give_back(memory: Buffer) {
    if !memory.is_empty() {
        // A core that is being taken down needs none.
        let _ = LOCAL.try_with(|local| local.core.borrow_mut().spares.keep(memory));
    }
}

/// What a core has.
struct Local {
    core: RefCell<Core>,
    /// Aligned for any type of values.
    no_bytes: Buffer,
    no_sources: Arc<[Buffer]>,
}

thread_local! {
    // One for all: each is written down in one list of the process as its thread begins and ends.
    static LOCAL: Local = Local {
        core: RefCell::default(),
        no_bytes: MutableBuffer::new(0).into(),
        no_sources: Arc::new([]),
    };
}

fn with_core<T>(f: impl FnOnce(&mut Core) -> T) -> T {
    LOCAL.with(|local| f(&mut local.core.borrow_mut()))
}

/// An empty buffer, without an allocation.
#[must_use]
pub fn no_bytes() -> Buffer {
    LOCAL.with(|local| local.no_bytes.clone())
}

fn no_sources() -> Arc<[Buffer]> {
    LOCAL.with(|local| Arc::clone(&local.no_sources))
}

/// Lets go of what the texts of arrays point into that nobody holds any more, such as a frame: at the end of
/// a turn, so that the reader finds its frame free.
pub fn release() {
    with_core(|core| {
        for lent in &mut core.texts.lent {
            if let Some(idle) = lent.idle()
                && !idle.data_buffers().is_empty()
            {
                let views = idle.views().slice(0, 0);
                // SAFETY: there are no views.
                *idle = unsafe { StringViewArray::new_unchecked(views, no_sources(), None) };
            }
        }
        for sources in core.sources.iter_mut().filter_map(Arc::get_mut) {
            sources.fill(no_bytes());
        }
    });
}

/// What views of texts point into.
#[derive(Clone, Debug)]
pub enum Sources {
    /// They hold their texts themselves, each of 12 bytes at most.
    Inline,
    /// Buffers 0 and 1.
    Two(Buffer, Buffer),
    /// The same buffers as another array's.
    Shared(Arc<[Buffer]>),
}

impl Sources {
    fn sources(self, core: &mut Core) -> Arc<[Buffer]> {
        match self {
            Self::Inline => no_sources(),
            Self::Shared(sources) => sources,
            Self::Two(first, second) => {
                for sources in &mut core.sources {
                    if let Some(idle) = Arc::get_mut(sources) {
                        idle.clone_from_slice(&[first, second]);
                        return Arc::clone(sources);
                    }
                }
                let sources: Arc<[Buffer]> = Arc::new([first, second]);
                if core.sources.len() == LENT_MAX {
                    core.sources.remove(0);
                }
                core.sources.push(Arc::clone(&sources));
                sources
            }
        }
    }
}

impl<T: ArrowNativeType> Room<T> {
    /// The values as an array of type `A`.
    ///
    /// # Panics
    /// If there is not a null or none for each value.
    ///
    /// # Cost
    /// O(1), and no allocation once arrays come back.
    pub fn finish<A: ArrowPrimitiveType<Native = T>>(
        &mut self,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let (memory, len) = self.take_memory();
        let values = ScalarBuffer::new(memory.clone(), 0, len);
        let array = PrimitiveArray::<A>::new(values, nulls);
        with_core(|core| {
            let pool = core.primitives.entry(TypeId::of::<A>());
            let pool = pool.or_insert_with(|| Box::new(Pool::<PrimitiveArray<A>>::default()));
            let pool: &mut Pool<PrimitiveArray<A>> =
                pool.downcast_mut().expect("it is kept by its type");
            pool.lend(memory, array, &mut core.spares)
        })
    }
}

impl Room<u64> {
    /// The first `len` bits of the words as truths, the lowest bit of a word first.
    ///
    /// # Panics
    /// If there are fewer bits, or not a null or none for each.
    pub fn finish_truths(&mut self, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
        let (memory, word_count) = self.take_memory();
        let bytes = memory.slice_with_length(0, word_count * size_of::<u64>());
        let array = BooleanArray::new(BooleanBuffer::new(bytes, 0, len), nulls);
        with_core(|core| core.truths.lend(memory, array, &mut core.spares))
    }
}

impl Room<u128> {
    /// The values as views of texts.
    ///
    /// # Safety
    /// Each is an Arrow view of UTF-8: it holds its text, or points into one of `texts` with the text's
    /// first four bytes beside it.
    ///
    /// # Panics
    /// If there is not a null or none for each view.
    pub unsafe fn finish_texts(&mut self, texts: Sources, nulls: Option<NullBuffer>) -> ArrayRef {
        let (memory, len) = self.take_memory();
        let views = ScalarBuffer::new(memory.clone(), 0, len);
        assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == views.len()), "one a view");
        with_core(|core| {
            let sources = texts.sources(core);
            // SAFETY: as the caller says.
            let array = unsafe { StringViewArray::new_unchecked(views, sources, nulls) };
            core.texts.lend(memory, array, &mut core.spares)
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    fn numbers(room: &mut Room<i64>, values: std::ops::Range<i64>) -> ArrayRef {
        room.reserve(100);
        values.for_each(|value| room.push(value));
        room.finish::<Int64Type>(None)
    }

    fn start_of(array: &ArrayRef) -> *const i64 {
        array.as_primitive::<Int64Type>().values().as_ptr()
    }

    #[test]
    fn memory_comes_back_when_nobody_holds_it() {
        let mut room = Room::default();
        let first = numbers(&mut room, 0..100);
        let second = numbers(&mut room, 100..200);
        let (first_start, second_start) = (start_of(&first), start_of(&second));
        assert_ne!(first_start, second_start);
        drop(first);
        // The first one's memory is found to be back when the third is handed out.
        let third = numbers(&mut room, 200..250);
        let fourth = numbers(&mut room, 0..7);
        assert_eq!(start_of(&fourth), first_start);
        assert_eq!(second.as_primitive::<Int64Type>().values()[99], 199);
        assert_eq!(third.as_primitive::<Int64Type>().values().last(), Some(&249));
        assert_eq!(fourth.as_primitive::<Int64Type>().values(), &[0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_held_in_part_stays() {
        let mut room = Room::default();
        let whole = numbers(&mut room, 0..100);
        let slice = whole.slice(90, 10);
        let values = numbers(&mut room, 100..200);
        let held = values.as_primitive::<Int64Type>().values().clone();
        drop((whole, values));
        for round in 0..10 {
            drop(numbers(&mut room, round..round + 100));
        }
        assert_eq!(slice.as_primitive::<Int64Type>().value(9), 99);
        assert_eq!((held[0], held[99]), (100, 199));
    }

    #[test]
    fn texts_let_go_of_their_buffers() {
        let frame = Buffer::from(b"a text that is longer than twelve bytes".as_slice());
        let view = arrow_data::ByteView::new(39, b"a te").as_u128();
        let mut room = Room::default();
        room.push(view);
        // SAFETY: the view is of all of buffer 0.
        let array = unsafe { room.finish_texts(Sources::Two(frame.clone(), no_bytes()), None) };
        assert_eq!(array.as_string_view().value(0), "a text that is longer than twelve bytes");
        release();
        assert!(frame.strong_count() > 1, "the array is held");
        drop(array);
        release();
        assert_eq!(frame.strong_count(), 1);
    }

    #[test]
    fn truths_are_bits() {
        let mut room = Room::default();
        room.push(0b101);
        let array = room.finish_truths(3, None);
        let truths: Vec<_> = array.as_boolean().iter().collect();
        assert_eq!(truths, [Some(true), Some(false), Some(true)]);
    }
}
