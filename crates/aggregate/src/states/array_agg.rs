//! `ARRAY_AGG`: every value of a group, in record order, NULLs included. NULL without rows.
//!
//! The values of all groups are interned in one column, in arrival order, and each group keeps
//! their places; a result is gathered from those.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::Field;
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use crate::AggregateError;
use crate::argument::Rows;
use crate::keys::{KeyColumn, KeyInput, KeyStore};
use crate::state::{Results, State, allocated, downcast, put_counts, reserve_outside, take_counts};

/// The state for an argument type; `None` for `ARRAY`.
pub(crate) fn state(argument: &DataType) -> Option<Box<dyn State>> {
    let values = KeyColumn::new(argument)?;
    Some(Box::new(ArrayAgg {
        item_type: argument.clone(),
        values,
        value_count: 0,
        places: Vec::new(),
        places_bytes: 0,
    }))
}

struct ArrayAgg {
    item_type: DataType,
    /// Every value of every group, in arrival order.
    values: KeyColumn,
    value_count: u32,
    /// Per group, the indices of its values, in its own order.
    places: Vec<Vec<u32>>,
    places_bytes: usize,
}

/// For each group so many places, those of the groups before it first.
pub(super) fn consecutive(counts: Vec<usize>) -> Vec<Vec<u32>> {
    let mut places = 0_u32..;
    counts.into_iter().map(|count| places.by_ref().take(count).collect()).collect()
}

/// Bytes of room for so many places.
fn places_bytes(capacity: usize) -> usize {
    allocated(capacity * size_of::<u32>())
}

impl ArrayAgg {
    /// Appends a row's value to its group's.
    fn push(&mut self, group: u32, input: &KeyInput<'_>, row: usize) -> Result<(), AggregateError> {
        let place = self.value_count;
        self.value_count = place.checked_add(1).ok_or(AggregateError::TooManyGroups)?;
        self.values.push(input, row);
        let places = &mut self.places[group as usize];
        let capacity_before = places.capacity();
        reserve_outside(places, 1);
        places.push(place);
        self.places_bytes += places_bytes(places.capacity()) - places_bytes(capacity_before);
        Ok(())
    }
}

impl State for ArrayAgg {
    fn grow(&mut self, group_count: usize) {
        if group_count > self.places.len() {
            self.places.resize_with(group_count, Vec::new);
        }
    }

    fn clear(&mut self) {
        // These may be far more than the groups; their memory goes.
        self.values = self.values.emptied();
        self.places.clear();
        (self.value_count, self.places_bytes) = (0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let argument = rows.arguments[0];
        let input = self.values.input(argument);
        for (row, &group) in rows.groups.iter().enumerate() {
            if rows.selected.as_ref().is_none_or(|selected| selected.value(row)) {
                self.push(group, &input, row)?;
            }
        }
        Ok(())
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        // A group's values only ever follow each other, so what a result held is known by how
        // many there were after its row.
        let mut lens = Vec::with_capacity(rows.groups.len());
        let argument = rows.arguments[0];
        let input = self.values.input(argument);
        for (row, &group) in rows.groups.iter().enumerate() {
            if rows.selected.as_ref().is_none_or(|selected| selected.value(row)) {
                self.push(group, &input, row)?;
            }
            lens.push(self.places[group as usize].len());
        }
        Ok(self.gather(&rows.groups, |row, _| lens[row]).into())
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        for (&from, &into) in there.iter().zip(here) {
            let values = later.values.gather(&later.places[from as usize]);
            let input = self.values.input(&values);
            (0..values.len()).try_for_each(|row| self.push(into, &input, row))?;
        }
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let moved = std::mem::take(&mut self.places[from as usize]);
        self.places_bytes -= places_bytes(moved.capacity());
        let places = &mut self.places[into as usize];
        let capacity_before = places.capacity();
        places.extend_from_slice(&moved);
        self.places_bytes += places_bytes(places.capacity()) - places_bytes(capacity_before);
        Ok(())
    }

    fn finish(&self, groups: &[u32]) -> Results {
        self.gather(groups, |_, places| places).into()
    }

    fn heap_bytes(&self) -> usize {
        self.values.heap_bytes()
            + self.places.capacity() * size_of::<Vec<u32>>()
            + self.places_bytes
    }

    fn outside_bytes(&self) -> usize {
        self.values.heap_bytes() + self.places_bytes
    }

    fn group_bytes(&self) -> usize {
        size_of::<Vec<u32>>()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let places = groups.iter().map(|&group| &self.places[group as usize]);
        let mut image = Image::new();
        put_counts(&mut image, places.clone().map(Vec::len));
        let all: Vec<u32> = places.flatten().copied().collect();
        self.values.export("values", &all, &mut image);
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let (counts, value_count) = take_counts(&mut image, group_count)?;
        self.values.import("values", &mut image, Some(value_count))?;
        image.end()?;
        self.value_count = u32::try_from(value_count).expect("values can be numbered");
        self.places = consecutive(counts);
        self.places_bytes = self.places.iter().map(|places| places_bytes(places.capacity())).sum();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ArrayAgg {
    /// One list per entry of `groups`: the first `len(entry, all)` of the group's values.
    fn gather(&self, groups: &[u32], len: impl Fn(usize, usize) -> usize) -> ArrayRef {
        let mut gathered = Vec::new();
        let mut lens = Vec::with_capacity(groups.len());
        for (at, &group) in groups.iter().enumerate() {
            let places = &self.places[group as usize];
            let places = &places[..len(at, places.len())];
            gathered.extend_from_slice(places);
            lens.push(places.len());
        }
        let valid: NullBuffer = lens.iter().map(|&len| len > 0).collect();
        let nulls = Some(valid).filter(|valid| valid.null_count() > 0);
        let field = Arc::new(Field::new_list_field(self.item_type.arrow(), true));
        let offsets = OffsetBuffer::from_lengths(lens);
        Arc::new(ListArray::new(field, offsets, self.values.gather(&gathered), nulls))
    }
}
