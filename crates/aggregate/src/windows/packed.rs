//! Closed windows that have few groups each, one after the other in columns that they share.
//!
//! A table for each window would take a kilobyte and a dozen allocations for a single group. Here a group takes
//! what it takes in a large table, without an index: nobody looks for one of its groups.

use std::collections::VecDeque;
use std::ops::Range;

use tidemill_plan::AggregateSpec;
use tidemill_record::{Image, ImageError};

use crate::AggregateError;
use crate::keys::{KeyColumn, KeyStore};
use crate::state::State;
use crate::table::{GroupRun, Parts};
use crate::windows::bounds::{Bounds, put_bounds, take_bounds};

/// Windows of more groups are kept as the tables that they are.
pub(super) const WINDOW_GROUPS_MAX: usize = 256;

/// Groups that share columns. Their memory goes when the last window of them has been taken out.
pub(super) const GROUPS_MAX: usize = 4096;
/// Or bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Windows in order, and their groups.
pub(super) struct Packed {
    keys: Vec<KeyColumn>,
    states: Vec<Box<dyn State>>,
    /// In order, at least one unless it is new.
    windows: VecDeque<Window>,
    /// Groups of windows that have been taken out.
    gone_count: u32,
    /// Groups of all windows there have been.
    group_count: u32,
}

#[derive(Clone, Copy)]
struct Window {
    bounds: Bounds,
    /// The number behind that of its last group.
    groups_end: u32,
    last_offset: u64,
}

impl Packed {
    /// Without windows; `spec` says what their groups are.
    pub(super) fn new(spec: &AggregateSpec) -> Self {
        let Parts { interner, mut states, .. } = Parts::new(spec);
        // A window's groups are few of many.
        states.iter_mut().for_each(|state| state.list_by_group());
        Self {
            keys: interner.columns().iter().map(KeyColumn::emptied).collect(),
            states,
            windows: VecDeque::new(),
            gone_count: 0,
            group_count: 0,
        }
    }

    /// Whether windows with so many groups may follow.
    pub(super) fn has_room(&self, group_count: usize) -> bool {
        self.group_count as usize + group_count <= GROUPS_MAX && self.state_bytes() < BYTES_MAX
    }

    /// Adds a window behind all others.
    pub(super) fn push(
        &mut self,
        bounds: Bounds,
        groups: &GroupRun<'_>,
    ) -> Result<(), AggregateError> {
        debug_assert!(self.last().is_none_or(|last| last <= bounds), "windows come in order");
        let there = &groups.groups;
        for (column, later) in self.keys.iter_mut().zip(groups.keys) {
            let values = later.gather(there);
            let input = column.input(&values);
            (0..there.len()).for_each(|row| column.push(&input, row));
        }
        let here: Vec<u32> = (self.group_count..).take(there.len()).collect();
        self.group_count += u32::try_from(there.len()).expect("a window that is packed is small");
        for (state, later) in self.states.iter_mut().zip(groups.states) {
            state.grow(self.group_count as usize);
            state.merge(&**later, there, &here)?;
        }
        let (groups_end, last_offset) = (self.group_count, groups.last_offset);
        self.windows.push_back(Window { bounds, groups_end, last_offset });
        Ok(())
    }

    /// The first window.
    pub(super) fn first(&self) -> Option<Bounds> {
        self.windows.front().map(|window| window.bounds)
    }

    /// The last window.
    pub(super) fn last(&self) -> Option<Bounds> {
        self.windows.back().map(|window| window.bounds)
    }

    /// The groups of the first window.
    pub(super) fn first_groups(&self) -> Option<GroupRun<'_>> {
        (!self.windows.is_empty()).then(|| self.groups_at(0))
    }

    /// The numbers of the groups of some windows, by place.
    fn groups_of(&self, windows: Range<usize>) -> Range<u32> {
        let end_of = |at: usize| self.windows[at].groups_end;
        let start = windows.start.checked_sub(1).map_or(self.gone_count, end_of);
        start..windows.end.checked_sub(1).map_or(start, end_of)
    }

    /// The groups of the window at a place.
    fn groups_at(&self, at: usize) -> GroupRun<'_> {
        GroupRun {
            keys: &self.keys,
            states: &self.states,
            groups: self.groups_of(at..at + 1).collect(),
            last_offset: self.windows[at].last_offset,
        }
    }

    /// How many groups each window has.
    pub(super) fn group_counts(&self) -> impl Iterator<Item = usize> {
        (0..self.windows.len()).map(|at| self.groups_of(at..at + 1).len())
    }

    /// Adds some windows of another, behind all others.
    pub(super) fn push_some(
        &mut self,
        other: &Self,
        windows: Range<usize>,
    ) -> Result<(), AggregateError> {
        windows.into_iter().try_for_each(|at| {
            let bounds = other.windows[at].bounds;
            self.push(bounds, &other.groups_at(at))
        })
    }

    /// Some windows, to be made again by [`Self::import`].
    pub(super) fn export(&self, windows: Range<usize>) -> Image {
        let groups: Vec<u32> = self.groups_of(windows.clone()).collect();
        let mut image = Image::new();
        let each = self.windows.range(windows.clone());
        put_bounds(&mut image, each.clone().map(|window| window.bounds));
        image.put("last_offset", each.map(|window| window.last_offset));
        image.put("group_count", windows.map(|at| self.groups_of(at..at + 1).len() as u64));
        let mut keys = Image::new();
        for (at, column) in self.keys.iter().enumerate() {
            column.export(&at.to_string(), &groups, &mut keys);
        }
        image.put_image("keys", keys);
        image.put_images("states", self.states.iter().map(|state| state.export(&groups)));
        image
    }

    /// What another was that has exported this; `spec` says what its groups are.
    ///
    /// # Errors
    /// [`ImageError`], also where windows are out of order or without groups.
    pub(super) fn import(spec: &AggregateSpec, mut image: Image) -> Result<Self, ImageError> {
        let mut packed = Self::new(spec);
        let bounds = take_bounds(&mut image)?;
        if !bounds.is_sorted() {
            return Err(ImageError::new("ends", "do not ascend"));
        }
        let last_offsets: Vec<u64> = image.take_exactly("last_offset", bounds.len())?;
        let counts: Vec<u64> = image.take_exactly("group_count", bounds.len())?;
        for ((bounds, last_offset), count) in bounds.into_iter().zip(last_offsets).zip(counts) {
            let end = u64::from(packed.group_count).checked_add(count);
            let end = end.filter(|_| count > 0).and_then(|end| u32::try_from(end).ok());
            let reason = "is that of no window, or of too many groups";
            let groups_end = end.ok_or_else(|| ImageError::new("group_count", reason))?;
            packed.group_count = groups_end;
            packed.windows.push_back(Window { bounds, groups_end, last_offset });
        }
        let group_count = packed.group_count as usize;
        let mut keys = image.take_image("keys")?;
        for (at, column) in packed.keys.iter_mut().enumerate() {
            let imported = column.import(&at.to_string(), &mut keys, Some(group_count));
            imported.map_err(|error| error.within("keys"))?;
        }
        keys.end().map_err(|error| error.within("keys"))?;
        let states = image.take_images("states")?;
        if states.len() != packed.states.len() {
            return Err(ImageError::new("states", "are not as many as are called"));
        }
        for (at, (state, image)) in packed.states.iter_mut().zip(states).enumerate() {
            let imported = state.import(image, group_count);
            imported.map_err(|error| error.within(&at.to_string()).within("states"))?;
        }
        image.end().map(|()| packed)
    }

    /// Takes the first window out.
    pub(super) fn pop(&mut self) {
        if let Some(window) = self.windows.pop_front() {
            self.gone_count = window.groups_end;
        }
    }

    /// Groups of the windows that are there.
    pub(super) fn group_count(&self) -> usize {
        (self.group_count - self.gone_count) as usize
    }

    /// Bytes held.
    pub(super) fn state_bytes(&self) -> u64 {
        // A box for each column of states.
        const COLUMN_BYTES: usize = 128;
        let keys: usize = self.keys.iter().map(KeyColumn::heap_bytes).sum();
        let states: usize = self.states.iter().map(|state| state.heap_bytes()).sum();
        let columns = self.keys.len() * size_of::<KeyColumn>() + self.states.len() * COLUMN_BYTES;
        let windows = self.windows.capacity() * size_of::<Window>();
        (keys + states + columns + windows + size_of::<Self>()) as u64
    }
}
