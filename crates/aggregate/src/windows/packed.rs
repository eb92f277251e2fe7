//! Closed windows that have few groups each, one after the other in columns that they share.
//!
//! A table for each window would take a kilobyte and a dozen allocations for a single group. Here a group takes
//! what it takes in a large table, without an index: nobody looks for one of its groups.

use std::collections::VecDeque;

use tidemill_plan::AggregateSpec;

use crate::AggregateError;
use crate::keys::{KeyColumn, KeyStore};
use crate::state::State;
use crate::table::{GroupRun, Parts};
use crate::windows::bounds::Bounds;

/// Windows of more groups are kept as the tables that they are.
pub(super) const WINDOW_GROUPS_MAX: usize = 256;

/// Groups that share columns. Their memory goes when the last window of them has been taken out.
const GROUPS_MAX: usize = 4096;
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
        self.windows.front().map(|window| GroupRun {
            keys: &self.keys,
            states: &self.states,
            groups: (self.gone_count..window.groups_end).collect(),
            last_offset: window.last_offset,
        })
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
