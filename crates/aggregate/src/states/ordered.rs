//! `ORDER BY` in the brackets of an aggregate: keeps the rows of each group, and gives them in order to
//! another aggregate when a result is asked for.
//!
//! The values of all groups are interned in columns, in arrival order, and each group keeps their places. A
//! group that is asked after every row keeps its places in order, so that a row costs its way into them.

use std::any::Any;
use std::cmp::Ordering;

use arrow_array::ArrayRef;
use smallvec::SmallVec;
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::array_agg::consecutive;
use super::seen_values::borrowed;
use crate::AggregateError;
use crate::argument::{Groups, Rows};
use crate::keys::{KeyColumn, KeyInputs, KeyStore};
use crate::state::{Results, State, allocated, downcast, put_counts, reserve_outside, take_counts};

/// Rows that are handed to the inner state at a time.
const FEED_ROWS: usize = 8192;

/// One key of the order.
#[derive(Clone, Copy)]
pub(crate) struct OrderKey {
    /// Where it stands among the inputs of the call.
    pub(crate) place: usize,
    pub(crate) is_descending: bool,
    pub(crate) is_nulls_first: bool,
}

/// Which rows of a group its result is made of.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Taken {
    All,
    First,
    Last,
}

/// Makes the state that is given rows in order.
pub(crate) type Make = Box<dyn Fn() -> Option<Box<dyn State>> + Send + Sync>;

/// What an ordered call is made of.
pub(crate) struct Call {
    pub(crate) make: Make,
    pub(crate) keys: Vec<OrderKey>,
    /// How many of the inputs are arguments; they come first.
    pub(crate) argument_count: usize,
    /// Rows whose argument is NULL are left out.
    pub(crate) skips_nulls: bool,
    pub(crate) taken: Taken,
}

/// The state of a call with an order; `None` if the inner function is not defined for its argument, or an
/// input is of type `ARRAY`.
pub(crate) fn state(call: Call, inputs: &[&DataType]) -> Option<Box<dyn State>> {
    (call.make)()?;
    let columns = inputs.iter().map(|input| KeyColumn::new(input)).collect::<Option<_>>()?;
    let (groups, places_bytes) = (Vec::new(), 0);
    Some(Box::new(Ordered { call, columns, row_count: 0, groups, places_bytes }))
}

struct Ordered {
    call: Call,
    /// The inputs of every row of every group, in arrival order.
    columns: Vec<KeyColumn>,
    row_count: u32,
    groups: Vec<Group>,
    /// What the groups hold outside of themselves.
    places_bytes: usize,
}

/// The rows of a group.
#[derive(Default)]
struct Group {
    /// Their places in the columns, those that compare equal in order of arrival.
    places: Vec<u32>,
    /// So many of the first places are in order.
    sorted_count: usize,
}

impl Group {
    fn is_sorted(&self) -> bool {
        self.sorted_count == self.places.len()
    }
}

/// What an input of the call is called in an image.
fn input_name(at: usize) -> String {
    format!("input {at}")
}

/// Bytes of room for so many places.
fn places_bytes(capacity: usize) -> usize {
    allocated(capacity * size_of::<u32>())
}

impl Ordered {
    fn compare(&self, left: u32, right: u32) -> Ordering {
        let (left, right) = (left as usize, right as usize);
        let orderings = self.call.keys.iter().map(|key| {
            let column = &self.columns[key.place];
            match (column.is_null(left), column.is_null(right)) {
                (false, false) if key.is_descending => column.compare(right, left),
                (false, false) => column.compare(left, right),
                (left, right) if key.is_nulls_first => right.cmp(&left),
                (left, right) => left.cmp(&right),
            }
        });
        orderings.into_iter().find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Rows that are kept.
    fn counted(&self, rows: &Rows<'_>) -> Option<arrow_buffer::BooleanBuffer> {
        let arguments = &rows.arguments[..self.call.argument_count];
        let selected = rows.selected.clone();
        Rows { groups: rows.groups, arguments, selected }.counted(self.call.skips_nulls)
    }

    /// Keeps a row, and gives its place.
    fn push(&mut self, inputs: &KeyInputs<'_>, row: usize) -> Result<u32, AggregateError> {
        let place = self.row_count;
        self.row_count = place.checked_add(1).ok_or(AggregateError::TooManyGroups)?;
        for (column, input) in self.columns.iter_mut().zip(inputs) {
            column.push(input, row);
        }
        Ok(place)
    }

    /// Puts the place of a row at `index` of its group's.
    fn insert(&mut self, group: u32, index: usize, place: u32) {
        let places = &mut self.groups[group as usize].places;
        let capacity_before = places.capacity();
        reserve_outside(places, 1);
        places.insert(index, place);
        self.places_bytes += places_bytes(places.capacity()) - places_bytes(capacity_before);
    }

    fn append(&mut self, group: u32, place: u32) {
        self.insert(group, self.groups[group as usize].places.len(), place);
    }

    /// Appends the places of a group's rows that its result is made of, in order.
    fn take(&self, group: &Group, taken: &mut Vec<u32>) {
        let places = &group.places;
        let compare = |left: &&u32, right: &&u32| self.compare(**left, **right);
        match self.call.taken {
            Taken::First if group.is_sorted() => taken.extend(places.first()),
            Taken::First => taken.extend(places.iter().min_by(compare)),
            Taken::Last if group.is_sorted() => taken.extend(places.last()),
            Taken::Last => taken.extend(places.iter().max_by(compare)),
            Taken::All => {
                let start = taken.len();
                taken.extend_from_slice(places);
                if !group.is_sorted() {
                    taken[start..].sort_by(|&left, &right| self.compare(left, right));
                }
            }
        }
    }

    /// What the inner function makes of rows, given in order: `groups[i]` of `group_count` has `places[i]`.
    fn results(&self, places: &[u32], groups: &[u32], group_count: usize) -> Results {
        let mut inner = (self.call.make)().expect("it was made once");
        inner.grow(group_count);
        for (places, groups) in places.chunks(FEED_ROWS).zip(groups.chunks(FEED_ROWS)) {
            let arguments = &self.columns[..self.call.argument_count];
            let arguments: SmallVec<[ArrayRef; 2]> =
                arguments.iter().map(|column| column.gather(places)).collect();
            let rows = Rows {
                groups: Groups::new(groups),
                arguments: &borrowed(&arguments),
                selected: None,
            };
            inner.update(&rows).expect("no more values than are kept here");
        }
        let all: Vec<u32> = (0..).take(group_count).collect();
        inner.finish(&all)
    }
}

impl State for Ordered {
    fn grow(&mut self, group_count: usize) {
        if group_count > self.groups.len() {
            self.groups.resize_with(group_count, Group::default);
        }
    }

    fn clear(&mut self) {
        // These may be far more than the groups; their memory goes.
        self.columns = self.columns.iter().map(KeyColumn::emptied).collect();
        self.groups.clear();
        (self.row_count, self.places_bytes) = (0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let counted = self.counted(rows);
        let inputs: KeyInputs<'_> = self
            .columns
            .iter()
            .zip(rows.arguments)
            .map(|(column, array)| column.input(array))
            .collect();
        for (row, &group) in rows.groups.iter().enumerate() {
            if counted.as_ref().is_none_or(|counted| counted.value(row)) {
                let place = self.push(&inputs, row)?;
                self.append(group, place);
            }
        }
        Ok(())
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        self.prepare_running(&rows.groups);
        let counted = self.counted(rows);
        let inputs: KeyInputs<'_> = self
            .columns
            .iter()
            .zip(rows.arguments)
            .map(|(column, array)| column.input(array))
            .collect();
        let (mut fed, mut groups) = (Vec::new(), Vec::new());
        for (row, &group) in (0_u32..).zip(rows.groups.iter()) {
            if counted.as_ref().is_none_or(|counted| counted.value(row as usize)) {
                let place = self.push(&inputs, row as usize)?;
                let places = &self.groups[group as usize].places;
                let index = places.partition_point(|&other| self.compare(other, place).is_le());
                self.insert(group, index, place);
                self.groups[group as usize].sorted_count += 1;
            }
            self.take(&self.groups[group as usize], &mut fed);
            groups.resize(fed.len(), row);
        }
        Ok(self.results(&fed, &groups, rows.groups.len()))
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        for (&from, &into) in there.iter().zip(here) {
            for places in later.groups[from as usize].places.chunks(FEED_ROWS) {
                let columns: SmallVec<[ArrayRef; 2]> =
                    later.columns.iter().map(|column| column.gather(places)).collect();
                let inputs: KeyInputs<'_> = self
                    .columns
                    .iter()
                    .zip(&columns)
                    .map(|(own, array)| own.input(array))
                    .collect();
                for row in 0..places.len() {
                    let place = self.push(&inputs, row)?;
                    self.append(into, place);
                }
            }
        }
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let moved = std::mem::take(&mut self.groups[from as usize]).places;
        self.places_bytes -= places_bytes(moved.capacity());
        let places = &mut self.groups[into as usize].places;
        let capacity_before = places.capacity();
        places.extend_from_slice(&moved);
        self.places_bytes += places_bytes(places.capacity()) - places_bytes(capacity_before);
        Ok(())
    }

    fn prepare_running(&mut self, groups: &[u32]) {
        for &group in groups {
            let group = group as usize;
            if !self.groups[group].is_sorted() {
                let mut places = std::mem::take(&mut self.groups[group].places);
                // What is in order but for the last few is put in order by a look at each.
                places.sort_by(|&left, &right| self.compare(left, right));
                self.groups[group] = Group { sorted_count: places.len(), places };
            }
        }
    }

    fn finish(&self, groups: &[u32]) -> Results {
        let (mut fed, mut of_rows) = (Vec::new(), Vec::new());
        for (row, &group) in (0_u32..).zip(groups) {
            self.take(&self.groups[group as usize], &mut fed);
            of_rows.resize(fed.len(), row);
        }
        self.results(&fed, &of_rows, groups.len())
    }

    fn heap_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(KeyColumn::heap_bytes).sum();
        columns + self.groups.capacity() * size_of::<Group>() + self.places_bytes
    }

    fn outside_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(KeyColumn::heap_bytes).sum();
        columns + self.places_bytes
    }

    fn group_bytes(&self) -> usize {
        size_of::<Group>()
    }

    fn export(&self, groups: &[u32]) -> Image {
        // In the order in which they are kept: where that is no order of keys yet, rows that compare equal are in order
        // of arrival, and so they are where it is.
        let places = groups.iter().map(|&group| &self.groups[group as usize].places);
        let mut image = Image::new();
        put_counts(&mut image, places.clone().map(Vec::len));
        let all: Vec<u32> = places.flatten().copied().collect();
        for (at, column) in self.columns.iter().enumerate() {
            column.export(&input_name(at), &all, &mut image);
        }
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let (counts, row_count) = take_counts(&mut image, group_count)?;
        for (at, column) in self.columns.iter_mut().enumerate() {
            column.import(&input_name(at), &mut image, Some(row_count))?;
        }
        image.end()?;
        self.row_count = u32::try_from(row_count).expect("rows can be numbered");
        let groups = consecutive(counts).into_iter();
        self.groups = groups.map(|places| Group { places, sorted_count: 0 }).collect();
        let places = self.groups.iter().map(|group| group.places.capacity());
        self.places_bytes = places.map(places_bytes).sum();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
