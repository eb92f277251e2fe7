//! One column of states per aggregate, behind dense group indices.
//!
//! [`State`] is what a table sees: one dynamic call per batch and aggregate. [`Cells`] gives all
//! of it to any [`Accumulator`], whose loops are compiled for its types. What does not fit one
//! state per group and one value per row (`ARRAY_AGG`, `DISTINCT`) implements [`State`] itself.

use std::any::Any;
use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder};
use arrow_array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_buffer::NullBufferBuilder;
use arrow_schema::DataType as ArrowType;
use smallvec::SmallVec;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::recycled::Room;
use tidemill_record::{Columns, DataType};

use crate::AggregateError;
use crate::argument::{Column, Rows};
use crate::compact::room_for_texts;
use crate::parts::DoAll;
use crate::scattered::Scatter;

mod cells;
mod columns;

pub(crate) use cells::Cells;
pub(crate) use columns::{
    AsColumns, Field, columns_of_fields, put_counts, take_counts, take_field, take_texts,
};

/// A group's result does not fit the result type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow {
    /// The row of results.
    pub(crate) row: usize,
    /// The group.
    pub(crate) group: u32,
}

/// A column of results, NULL where one does not fit its type.
pub(crate) struct Results {
    pub(crate) column: ArrayRef,
    /// The first that does not.
    pub(crate) overflow: Option<Overflow>,
}

impl From<ArrayRef> for Results {
    /// All of them fit.
    fn from(column: ArrayRef) -> Self {
        Self { column, overflow: None }
    }
}

/// The columns of several calls, up to the first row that does not fit: it, and the call at fault. What
/// leaves before a failure must not depend on which rows were computed with it.
pub(crate) fn until_overflow(
    results: SmallVec<[Results; 8]>,
) -> (Columns, Option<(usize, Overflow)>) {
    let overflows = results.iter().enumerate();
    let overflows = overflows.filter_map(|(call, results)| Some((call, results.overflow?)));
    // Of calls that fail in one row the first.
    let first = overflows.min_by_key(|(_, overflow)| overflow.row);
    let columns = results.into_iter().map(|results| match first {
        Some((_, overflow)) => results.column.slice(0, overflow.row),
        None => results.column,
    });
    (columns.collect(), first)
}

/// What a column of states keeps of the values that groups have had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptValues {
    /// No set of them.
    None,
    /// So many, each once a group, to be counted; with rows that wait, as if all were new.
    Counted(usize),
    /// A set whose values are looked at.
    Looked,
}

/// The same column of a later table.
pub(crate) struct Later<'a> {
    pub(crate) state: &'a dyn State,
    /// For each of its groups, the group here.
    pub(crate) here: &'a [u32],
}

/// A column of states.
pub(crate) trait State: Send + Sync {
    /// Makes room for groups up to `group_count`; never shrinks.
    fn grow(&mut self, group_count: usize);

    /// Forgets all groups. Memory by the group is kept for others, what a state holds beyond goes.
    fn clear(&mut self);

    /// Adds a batch's rows, whose groups all have room.
    ///
    /// # Errors
    /// [`AggregateError::TooManyGroups`], of the values of a `DISTINCT`.
    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError>;

    /// Adds a batch's rows and gives, for every row, its group's result just after that row.
    ///
    /// # Errors
    /// As [`Self::update`]. All rows are added, whether results fit or not.
    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError>;

    /// Adds some groups of a later table: `there[i]` of its groups (each once) is `here[i]` here.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Panics
    /// If `later` is of another call.
    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError>;

    /// Adds what group `from` holds to group `into`, behind what is there. Nobody asks for `from` again.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError>;

    /// What it keeps of the values that groups have had.
    fn kept_values(&self) -> KeptValues {
        KeptValues::None
    }

    /// Whether adding the rows of several tables one after the other gives, to the bit, what merging their states does.
    fn is_exact(&self) -> bool {
        false
    }

    /// Lets rows wait, scattered by the hash of their values, where these are kept to be counted and most are new to
    /// their group.
    fn scatter(&mut self, _: Scatter) {}

    /// Whether there are rows that wait.
    fn has_scattered(&self) -> bool {
        false
    }

    /// No row comes any more: those that wait are made ready for [`Self::unite`].
    fn arrange(&mut self) {}

    /// Adds the rows that wait.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn settle(&mut self) -> Result<(), AggregateError> {
        Ok(())
    }

    /// Adds all groups of later tables at once, in their order, cut into so many parts, a power of two. Only
    /// [`Self::finish`] may follow.
    ///
    /// # Errors
    /// As [`Self::update`].
    ///
    /// # Panics
    /// Unless [`Self::kept_values`] are [`KeptValues::Counted`], and `later` are of the same call.
    fn unite(&mut self, _: &[Later<'_>], _: usize, _: &DoAll) -> Result<(), AggregateError> {
        panic!("only counted values are united")
    }

    /// Groups are going to join, and few of many to be merged elsewhere.
    fn list_by_group(&mut self) {}

    /// These groups are asked for now, and again after more rows: what would look at all values each time
    /// is kept in a way that does not. Results are the same.
    fn prepare_running(&mut self, _: &[u32]) {}

    /// Results of these groups, in this order, without changing anything.
    fn finish(&self, groups: &[u32]) -> Results;

    /// Bytes held. O(1) in the number of groups.
    fn heap_bytes(&self) -> usize;

    /// Those of them that groups hold beyond [`Self::group_bytes`], such as text and lists.
    fn outside_bytes(&self) -> usize;

    /// Bytes that each group takes, whatever it holds elsewhere.
    fn group_bytes(&self) -> usize;

    /// What these groups hold, in this order, each at most once, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// O(groups), and what they hold.
    fn export(&self, groups: &[u32]) -> Image;

    /// Takes over what a state of the same call has exported of so many groups, which are the first here.
    ///
    /// # Errors
    /// [`ImageError`]; it is of no use then.
    ///
    /// # Panics
    /// Where it has been given rows.
    fn import(&mut self, image: Image, group_count: usize) -> Result<(), ImageError>;

    /// For [`Self::merge`].
    fn as_any(&self) -> &dyn Any;
}

/// How one aggregate function treats one group: what [`Cells`] needs to know.
pub(crate) trait Accumulator: Send + Sync + Sized + 'static {
    /// Whether NULL arguments are left out.
    const SKIPS_NULLS: bool = true;
    /// Whether a group without any counted row must be told apart; costs a byte a group.
    const TRACKS_SEEN: bool = true;
    /// Whether a state is kept otherwise once it is asked for after every row.
    const PREPARES_RUNNING: bool = false;
    /// Whether adding rows one after the other gives, to the bit, what merging states of some of them each does.
    const IS_EXACT: bool = false;
    /// What is kept per group; the default is that of a group without rows.
    type State: AsColumns + Clone + Default;
    /// The argument of a batch, ready to be read by row.
    type Column<'a>: Column;
    /// Where results are collected.
    type Output: Output;

    /// Reads the arguments.
    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> Self::Column<'a>;

    /// Adds one counted row; `is_first` if the group had none. Gives the heap bytes gained.
    fn add(
        &self,
        state: &mut Self::State,
        is_first: bool,
        column: &Self::Column<'_>,
        row: usize,
    ) -> usize;

    /// Adds a later partition's state of a group that had rows there; `is_first` if it had none
    /// here. Gives the heap bytes gained.
    fn merge(&self, state: &mut Self::State, is_first: bool, later: Self::State) -> usize;

    /// From now on the state is asked for again and again.
    fn prepare_running(&self, _: &mut Self::State) {}

    /// Makes room for results.
    fn output(&self, row_count: usize, data_type: &DataType) -> Self::Output;

    /// Appends a group's result; `is_seen` if it had counted rows (always, unless tracked). False
    /// if the result does not fit: NULL is appended then.
    fn append(&self, output: &mut Self::Output, state: &Self::State, is_seen: bool) -> bool;

    /// Bytes that a state holds outside of itself.
    fn outside_bytes(_: &Self::State) -> usize {
        0
    }
}

/// What is made of an accumulator once its types are known.
pub(crate) trait Build {
    type Built;

    /// Makes it. `data_type` is that of the result.
    fn build<A: Accumulator>(&self, accumulator: A, data_type: &DataType) -> Self::Built;
}

/// Results being collected.
pub(crate) trait Output {
    /// The finished column.
    fn into_array(self) -> ArrayRef;
}

/// A column of numbers or NULL, in memory that comes back.
pub(crate) struct Numbers<T: ArrowPrimitiveType> {
    values: Room<T::Native>,
    nulls: NullBufferBuilder,
    data_type: ArrowType,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    /// Of a type that has values of `T`, with room for so many.
    pub(crate) fn new(row_count: usize, data_type: &DataType) -> Self {
        let mut values = Room::default();
        values.reserve(row_count);
        Self { values, nulls: NullBufferBuilder::new(row_count), data_type: data_type.arrow() }
    }

    #[inline(always)]
    pub(crate) fn append(&mut self, value: Option<T::Native>) {
        match value {
            Some(_) => self.nulls.append_non_null(),
            None => self.nulls.append_null(),
        }
        self.values.push(value.unwrap_or_default());
    }
}

impl<T: ArrowPrimitiveType> Output for Numbers<T> {
    fn into_array(mut self) -> ArrayRef {
        let nulls = self.nulls.finish();
        if self.data_type == T::DATA_TYPE {
            return self.values.finish::<T>(nulls);
        }
        let array = PrimitiveArray::<T>::new(self.values.take(), nulls);
        Arc::new(array.with_data_type(self.data_type))
    }
}

impl Output for BooleanBuilder {
    fn into_array(mut self) -> ArrayRef {
        Arc::new(self.finish())
    }
}

/// Results of type `VARCHAR` or `VARBINARY`.
pub(crate) struct BytesOutput {
    pub(crate) builder: BinaryViewBuilder,
    pub(crate) is_text: bool,
}

impl BytesOutput {
    pub(crate) fn new(row_count: usize, data_type: &DataType) -> Self {
        let is_text = *data_type == DataType::Varchar;
        Self { builder: room_for_texts(row_count), is_text }
    }
}

impl Output for BytesOutput {
    fn into_array(mut self) -> ArrayRef {
        let array = self.builder.finish();
        if self.is_text {
            Arc::new(array.to_string_view().expect("made of whole values of text"))
        } else {
            Arc::new(array)
        }
    }
}

/// The state of a later table as what it must be.
///
/// # Panics
/// If it is of another call: tables of different queries are being merged.
pub(crate) fn downcast<S: State + 'static>(later: &dyn State) -> &S {
    later.as_any().downcast_ref().expect("both tables are of one query")
}

/// Appends to a column of groups, growing it by an eighth rather than by doubling: a table's
/// memory is counted in bytes a group.
#[inline]
pub(crate) fn push_tight<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        reserve_tight(column, 1);
    }
    column.push(value);
}

/// The same up to so many groups.
pub(crate) fn resize_tight<T: Clone>(column: &mut Vec<T>, len: usize, value: T) {
    if len > column.capacity() {
        reserve_tight(column, len - column.len());
    }
    column.resize(len.max(column.len()), value);
}

/// What an allocator takes for so many bytes: a header, and multiples of sixteen, at least two of them. Of
/// many groups that hold little each, that is most of what they hold.
#[inline]
pub(crate) fn allocated(bytes: usize) -> usize {
    const HEADER_BYTES: usize = 8;
    if bytes == 0 { 0 } else { (bytes + HEADER_BYTES).next_multiple_of(16).max(32) }
}

/// Makes room for more of what one group holds outside of its state, by a quarter rather than by doubling:
/// of many groups that grow alike, all would double in one batch.
#[inline]
pub(crate) fn reserve_outside<T>(held: &mut Vec<T>, additional: usize) {
    if held.capacity() - held.len() < additional {
        held.reserve_exact(additional.max(held.len() / 4).max(4));
    }
}

#[cold]
fn reserve_tight<T>(column: &mut Vec<T>, additional: usize) {
    // Small columns double: there is one for each open pane.
    const GROUPS_MIN: usize = 64;
    let spare = (column.len() / 8).max(column.len().clamp(4, GROUPS_MIN));
    column.reserve_exact(additional.max(spare));
}
