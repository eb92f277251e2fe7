//! What the frames of all keys hold, as columns.
//!
//! What each key holds several of stands one behind the other in one column, beside another that says where each
//! key's end.

use tidemill_record::{DataType, Image, ImageError};

use crate::state::AsColumns;

/// Puts where each of some runs ends, of which these are the lengths.
pub(super) fn put_ends(image: &mut Image, name: &str, counts: impl Iterator<Item = usize>) {
    let ends = counts.scan(0_u64, |end, count| {
        *end += count as u64;
        Some(*end)
    });
    image.put(name, ends);
}

/// Takes the lengths of so many runs, as [`put_ends`] has put them.
///
/// # Errors
/// [`ImageError`], also where a run ends before it begins.
pub(super) fn take_counts(
    image: &mut Image,
    name: &str,
    run_count: usize,
) -> Result<Vec<usize>, ImageError> {
    let ends: Vec<u64> = image.take_exactly(name, run_count)?;
    let mut before = 0;
    let counts = ends.into_iter().map(|end| {
        let count = end.checked_sub(before).and_then(|count| usize::try_from(count).ok());
        before = end;
        count.ok_or_else(|| ImageError::new(name, "descends"))
    });
    counts.collect()
}

/// How many values there are in runs of these lengths.
pub(super) fn sum(counts: &[usize]) -> usize {
    // Ends fit, so that their differences do together.
    counts.iter().sum()
}

/// Puts aggregates, one after the other.
pub(super) fn put_states<'a, S: AsColumns>(
    image: &mut Image,
    name: &str,
    states: impl Iterator<Item = &'a S>,
) {
    let states: Vec<&S> = states.collect();
    let mut columns = Image::new();
    S::put(states.iter().copied(), &mut columns);
    image.put_image(name, columns);
}

/// Takes exactly so many aggregates of results of a type, as [`put_states`] has put them.
///
/// # Errors
/// [`ImageError`].
pub(super) fn take_states<S: AsColumns>(
    image: &mut Image,
    name: &str,
    count: usize,
    data_type: &DataType,
) -> Result<Vec<S>, ImageError> {
    let mut columns = image.take_image(name)?;
    let states = S::take(&mut columns, count, data_type);
    let states = states.and_then(|states| columns.end().map(|()| states));
    states.map_err(|error| error.within(name))
}
