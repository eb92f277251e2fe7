//! Columns of interned values: stored once, compared and hashed in place.
//!
//! Start with [`column`], which chooses between [`fixed`] (everything of fixed width) and
//! [`bytes`] (text and bytes). [`hash`] says under which seed. Neither results nor memory vary
//! from run to run. Values of type `ARRAY` cannot be interned.

pub(crate) mod bytes;
pub(crate) mod column;
pub(crate) mod fixed;
pub(crate) mod hash;
mod image;
pub(crate) mod nulls;

pub(crate) use column::{KeyColumn, KeyInput, KeyInputs, Picked};
pub(crate) use image::take_column;
pub(crate) use nulls::NullBits;

/// A store of interned values, one per group, and its view of a batch.
///
/// `Input` is the batch's side: the same values as `self` holds, by row instead of by group.
pub(crate) trait KeyStore {
    /// One batch's key values.
    type Input<'a>;

    /// Whether the group's key is the row's: NULL equals NULL, NaN equals NaN, -0.0 equals 0.0,
    /// and intervals are equal where
    /// their lengths are, a month being 30 days.
    fn equals(&self, group: usize, input: &Self::Input<'_>, row: usize) -> bool;

    /// Leaves of `are_equal`, one for each of the rows from `first` on, those that are set and whose key is that of the
    /// group beside them. A group that is no row's own may be any that there is.
    fn compare_rows(
        &self,
        groups: &[u32],
        input: &Self::Input<'_>,
        first: usize,
        are_equal: &mut [bool],
    );

    /// Appends the row's key as that of the next group.
    fn push(&mut self, input: &Self::Input<'_>, row: usize);
}
