//! One function over the frames of all keys.

use std::collections::VecDeque;

use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;
use tidemill_plan::{Frame, OverCall, OverFunction};
use tidemill_record::{DataType, Image, ImageError};

use super::columns::{put_ends, sum, take_counts};
use super::held::{Function, Held, Queue, Ring, Running};
use super::present::{Before, Present};
use super::ranks::Ranks;
use crate::argument::valid;
use crate::state::{Accumulator, Build, Output, Overflow, Results};
use crate::states::{accumulator_of, first_last};

/// Rows in the order that frames are defined by.
pub(crate) struct OverRows<'a> {
    /// The slot of each row's key.
    pub(crate) slots: &'a [u32],
    /// There are slots up to this one.
    pub(crate) slot_count: usize,
    /// One value a row each; none for `COUNT(*)` and ranks.
    pub(crate) arguments: &'a [&'a ArrayRef],
    /// Event times, ascending; rows of one time are all here. `None` in order of arrival.
    pub(crate) times: Option<&'a [i64]>,
}

/// One function: a slot for each key.
pub(crate) trait OverState: Send {
    /// Adds rows, and gives the value of each; the group of one that does not fit is its slot.
    fn update(&mut self, rows: &OverRows<'_>) -> Results;

    /// Keeps these slots, numbered from zero in this order.
    fn retain(&mut self, slots: &[u32]);

    /// Slots there are.
    fn slot_count(&self) -> usize;

    /// What these slots hold, to be made again by [`Self::import`] as slots from zero in this order.
    fn export(&self, slots: &[u32]) -> Image;

    /// Takes over what another of the same call has exported of so many slots; only of one without any.
    ///
    /// # Errors
    /// [`ImageError`].
    fn import(&mut self, image: Image, slot_count: usize) -> Result<(), ImageError>;

    /// Bytes held. O(keys).
    fn heap_bytes(&self) -> usize;

    /// Bytes that each key takes once its frame is full, and each row of a frame that is as long as its
    /// rows are many; whatever their values hold elsewhere.
    fn key_bytes(&self) -> (usize, usize);
}

/// The states of a call; `None` where the function is not defined for the argument's type.
pub(crate) fn over_state_of(
    call: &OverCall,
    input_types: &[DataType],
) -> Option<Box<dyn OverState>> {
    let arguments: Vec<&DataType> =
        call.arguments.iter().map(|&argument| &input_types[argument]).collect();
    let argument = arguments.first().copied();
    let result = &call.data_type;
    let ignores_nulls = call.ignores_nulls;
    let pick = |frame, place, rows_min, rows_max| {
        let pick = Pick { frame, place, rows_min, rows_max, ignores_nulls };
        first_last::state::<false, _>(&pick, argument?, result)
    };
    let last = |frame| {
        first_last::state::<true, _>(&Aggregate { frame, ignores_nulls }, argument?, result)
    };
    let is_growing = matches!(call.frame, Frame::Rows(None) | Frame::Range(None));
    match (&call.function, call.frame) {
        (OverFunction::Aggregate(function), frame) => {
            let aggregate = Aggregate { frame, ignores_nulls };
            accumulator_of(&aggregate, function, &arguments, result)
        }
        (OverFunction::LastValue, frame) if ignores_nulls && is_growing => last(frame),
        (OverFunction::LastValue, frame) if ignores_nulls => pick(frame, usize::MAX, 1, usize::MAX),
        (OverFunction::LastValue, Frame::Rows(_)) => pick(Frame::Rows(Some(0)), 0, 1, usize::MAX),
        // The newest row is the last of its peers, wherever the frame begins.
        (OverFunction::LastValue, Frame::Range(_)) => last(Frame::Range(None)),
        (OverFunction::NthValue { n }, frame) => {
            let n = usize::try_from(*n).unwrap_or(usize::MAX);
            pick(frame, n - 1, n, if is_growing { n } else { usize::MAX })
        }
        (OverFunction::Lag { rows }, _) if ignores_nulls && *rows > 0 => {
            let rows = usize::try_from(*rows).unwrap_or(usize::MAX - 1);
            first_last::state::<false, _>(&PickBefore { rows }, argument?, result)
        }
        (OverFunction::Lag { rows }, _) => {
            let rows_min = usize::try_from(*rows).unwrap_or(usize::MAX).saturating_add(1);
            let (frame, rows_max, ignores_nulls) = (Frame::Rows(Some(*rows)), usize::MAX, false);
            let pick = Pick { frame, place: 0, rows_min, rows_max, ignores_nulls };
            first_last::state::<false, _>(&pick, argument?, result)
        }
        (OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank, _) => {
            Some(Box::new(Ranks::new(&call.function)))
        }
    }
}

struct Aggregate {
    frame: Frame,
    ignores_nulls: bool,
}

impl Build for Aggregate {
    type Built = Box<dyn OverState>;

    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Self::Built {
        let (frame, ignores_nulls) = (self.frame, self.ignores_nulls);
        let (place, rows_min, rows_max) = (0, 0, usize::MAX);
        let function = Function { accumulator, place, rows_min, rows_max, ignores_nulls };
        match frame {
            Frame::Rows(None) | Frame::Range(None) => {
                Frames::<A, Running<A>>::boxed(function, frame, data_type)
            }
            Frame::Rows(Some(_)) | Frame::Range(Some(_)) => {
                Frames::<A, Queue<A>>::boxed(function, frame, data_type)
            }
        }
    }
}

struct Pick {
    frame: Frame,
    place: usize,
    rows_min: usize,
    rows_max: usize,
    ignores_nulls: bool,
}

impl Build for Pick {
    type Built = Box<dyn OverState>;

    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Self::Built {
        let Self { frame, place, rows_min, rows_max, ignores_nulls } = *self;
        let function = Function { accumulator, place, rows_min, rows_max, ignores_nulls };
        match frame {
            // Rows leave the frame whether they have a value or not.
            Frame::Rows(Some(_)) | Frame::Range(Some(_)) if ignores_nulls => {
                Frames::<A, Present<A>>::boxed(function, frame, data_type)
            }
            _ => Frames::<A, Ring<A>>::boxed(function, frame, data_type),
        }
    }
}

/// `LAG … IGNORE NULLS`, of so many rows, at least one.
struct PickBefore {
    rows: usize,
}

impl Build for PickBefore {
    type Built = Box<dyn OverState>;

    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Self::Built {
        let (place, rows_min, rows_max) = (self.rows, 0, self.rows + 1);
        let function = Function { accumulator, place, rows_min, rows_max, ignores_nulls: true };
        Frames::<A, Before<A>>::boxed(function, Frame::Rows(None), data_type)
    }
}

/// The frames of all keys, for one function.
struct Frames<A: Accumulator, H> {
    function: Function<A>,
    frame: Frame,
    data_type: DataType,
    slots: Vec<Slot<H>>,
}

struct Slot<H> {
    held: H,
    /// Of frames of `ROWS`: rows in the frame.
    row_count: usize,
    /// Rows there is room for.
    room: usize,
    /// Of frames of `RANGE` that slide: the event time of each row in the frame.
    times: VecDeque<i64>,
}

impl<H: Default> Default for Slot<H> {
    fn default() -> Self {
        Self { held: H::default(), row_count: 0, room: 0, times: VecDeque::new() }
    }
}

/// Rows that a frame has room for at first.
const ROOM_MIN: usize = 4;

impl<A: Accumulator, H: Held<A> + 'static> Frames<A, H> {
    fn boxed(function: Function<A>, frame: Frame, data_type: &DataType) -> Box<dyn OverState> {
        Box::new(Self { function, frame, data_type: data_type.clone(), slots: Vec::new() })
    }

    /// Adds row after row to frames of the last `rows_max` rows.
    fn update_rows(&mut self, rows: &OverRows<'_>, rows_max: usize) -> Results {
        let column = self.function.accumulator.open(rows.arguments);
        let counted = self.function.counted(rows.arguments);
        let mut output = self.function.accumulator.output(rows.slots.len(), &self.data_type);
        let mut overflow = None;
        for (row, &key) in rows.slots.iter().enumerate() {
            let slot = &mut self.slots[key as usize];
            if slot.row_count == rows_max {
                slot.held.pop(&self.function);
            } else {
                slot.row_count += 1;
                if slot.row_count > slot.room && rows_max != usize::MAX {
                    slot.room = (slot.room * 2).clamp(ROOM_MIN, rows_max.max(ROOM_MIN));
                    slot.held.reserve(slot.room.min(rows_max));
                }
            }
            let is_counted = counted.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            slot.held.push(&self.function, &column, row, is_counted);
            if !slot.held.append(&self.function, &mut output) {
                overflow.get_or_insert(Overflow { row, group: key });
            }
        }
        Results { column: output.into_array(), overflow }
    }

    /// Adds all rows of one event time before giving their values: they are in each other's frame.
    fn update_range(&mut self, rows: &OverRows<'_>, reach_us: Option<i64>) -> Results {
        let times = rows.times.expect("frames of RANGE are in event-time order");
        let column = self.function.accumulator.open(rows.arguments);
        let counted = self.function.counted(rows.arguments);
        let mut output = self.function.accumulator.output(rows.slots.len(), &self.data_type);
        let mut overflow = None;
        let mut start = 0;
        for peers in times.chunk_by(|a, b| a == b) {
            let end = start + peers.len();
            for (row, &key) in rows.slots.iter().enumerate().take(end).skip(start) {
                let slot = &mut self.slots[key as usize];
                if let Some(reach_us) = reach_us {
                    let first = peers[0].saturating_sub(reach_us);
                    while slot.times.front().is_some_and(|&time| time < first) {
                        slot.times.pop_front();
                        slot.held.pop(&self.function);
                    }
                    slot.times.push_back(peers[0]);
                }
                let is_counted = counted.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                slot.held.push(&self.function, &column, row, is_counted);
            }
            for (row, &key) in rows.slots.iter().enumerate().take(end).skip(start) {
                if !self.slots[key as usize].held.append(&self.function, &mut output) {
                    overflow.get_or_insert(Overflow { row, group: key });
                }
            }
            start = end;
        }
        Results { column: output.into_array(), overflow }
    }
}

impl<A: Accumulator, H: Held<A> + 'static> OverState for Frames<A, H> {
    fn update(&mut self, rows: &OverRows<'_>) -> Results {
        if self.slots.len() < rows.slot_count {
            self.slots.resize_with(rows.slot_count, Slot::default);
        }
        match self.frame {
            Frame::Rows(None) => self.update_rows(rows, usize::MAX),
            Frame::Rows(Some(before)) => {
                let before = usize::try_from(before).unwrap_or(usize::MAX);
                self.update_rows(rows, before.saturating_add(1))
            }
            Frame::Range(reach_us) => self.update_range(rows, reach_us),
        }
    }

    fn retain(&mut self, slots: &[u32]) {
        let kept = slots.iter().map(|&slot| std::mem::take(&mut self.slots[slot as usize]));
        self.slots = kept.collect();
    }

    fn slot_count(&self) -> usize {
        self.slots.len()
    }

    fn export(&self, slots: &[u32]) -> Image {
        let mut image = Image::new();
        let slots = slots.iter().map(|&slot| &self.slots[slot as usize]);
        H::export(slots.clone().map(|slot| &slot.held), &mut image);
        match self.frame {
            Frame::Rows(Some(_)) => {
                image.put("row_count", slots.map(|slot| slot.row_count as u64));
            }
            Frame::Range(Some(_)) => {
                put_ends(&mut image, "time_ends", slots.clone().map(|slot| slot.times.len()));
                image.put("times", slots.flat_map(|slot| slot.times.iter().copied()));
            }
            Frame::Rows(None) | Frame::Range(None) => {}
        }
        image
    }

    fn import(&mut self, mut image: Image, slot_count: usize) -> Result<(), ImageError> {
        let held = H::import(&self.function, &self.data_type, &mut image, slot_count)?;
        let row_counts = held.iter().map(H::row_count);
        let row_counts: Vec<Option<usize>> = row_counts.collect();
        self.slots = held.into_iter().map(|held| Slot { held, ..Slot::default() }).collect();
        match self.frame {
            Frame::Rows(Some(before)) => {
                let counts: Vec<u64> = image.take_exactly("row_count", slot_count)?;
                for ((slot, held), count) in self.slots.iter_mut().zip(row_counts).zip(counts) {
                    let is_within = count <= before.saturating_add(1);
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    if !is_within || held.is_some_and(|held| held != count) {
                        return Err(ImageError::new("row_count", "is not that of the frame"));
                    }
                    (slot.row_count, slot.room) = (count, count);
                }
            }
            Frame::Range(Some(_)) => {
                let counts = take_counts(&mut image, "time_ends", slot_count)?;
                let mut times = image.take_exactly("times", sum(&counts))?.into_iter();
                for ((slot, held), count) in self.slots.iter_mut().zip(row_counts).zip(counts) {
                    slot.times = times.by_ref().take(count).collect();
                    if held.is_some_and(|held| held != count) || !slot.times.iter().is_sorted() {
                        return Err(ImageError::new("times", "are not those of the frame"));
                    }
                }
            }
            Frame::Rows(None) | Frame::Range(None) => {}
        }
        image.end()
    }

    fn heap_bytes(&self) -> usize {
        let held: usize = self
            .slots
            .iter()
            .map(|slot| slot.held.heap_bytes() + slot.times.capacity() * size_of::<i64>())
            .sum();
        held + self.slots.capacity() * size_of::<Slot<H>>()
    }

    fn key_bytes(&self) -> (usize, usize) {
        let of_rows = |rows: usize| rows.saturating_mul(H::ROW_BYTES);
        let slot = size_of::<Slot<H>>();
        match self.frame {
            Frame::Rows(Some(before)) => {
                let rows = usize::try_from(before).unwrap_or(usize::MAX).saturating_add(1);
                (of_rows(rows).saturating_add(slot), 0)
            }
            Frame::Range(Some(_)) => (slot, H::ROW_BYTES + size_of::<i64>()),
            // Only so many of the first rows are kept, if any.
            Frame::Rows(None) | Frame::Range(None) => {
                (of_rows(self.function.rows_max).saturating_add(slot), 0)
            }
        }
    }
}

impl<A: Accumulator> Function<A> {
    /// Rows that count; `None` where all do.
    fn counted(&self, arguments: &[&ArrayRef]) -> Option<NullBuffer> {
        if A::SKIPS_NULLS || self.ignores_nulls { valid(arguments) } else { None }
    }
}
