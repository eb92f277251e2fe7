//! Which record made a row known, and where the row stands among those that left a table.
//!
//! What a job reports, sets aside or cuts off must not depend on how its records were cut into batches.
//! So it goes by the record that made a row known, and then by the order in which rows left. Records have
//! that in their offsets, and nothing is kept for them; only tables say more.

use arrow_buffer::ScalarBuffer;

use crate::{EventTime, Offset};

/// The record without which a row would not have left a table yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A row that the table was given.
    Row {
        /// Its offset.
        offset: Offset,
        /// Its place, if it had left another table.
        place: Option<u64>,
    },
    /// The record with which the watermark came to this time.
    Reached(EventTime),
    /// The record with which the watermark went beyond this time.
    Passed(EventTime),
}

/// What made the rows of a batch known. Times are in microseconds, one for each row.
#[derive(Clone, Debug, Default)]
pub enum Cause {
    /// Each row its own record: the one at its offset.
    #[default]
    Own,
    /// All rows the same.
    One(Moment),
    /// Rows up to each of these row numbers, which ascend, their moment.
    Runs(Vec<(usize, Moment)>),
    /// Each row the record with which the watermark came to the row's time.
    Reached(ScalarBuffer<i64>),
    /// Each row the record with which the watermark went beyond the row's time.
    Passed(ScalarBuffer<i64>),
}

impl Cause {
    /// What made a row known that has this offset.
    ///
    /// # Panics
    /// If there are not so many rows.
    #[must_use]
    pub fn of(&self, row: usize, offset: Offset) -> Moment {
        match self {
            Self::Own => Moment::Row { offset, place: None },
            Self::One(moment) => *moment,
            Self::Runs(runs) => {
                let at = runs.partition_point(|&(end, _)| end <= row);
                runs[at].1
            }
            Self::Reached(times) => Moment::Reached(EventTime(times[row])),
            Self::Passed(times) => Moment::Passed(EventTime(times[row])),
        }
    }
}

/// The place of each row of a batch among all rows that have left tables of its pipeline, in the order
/// of leaving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Places {
    /// The rows are records, or each has the offset of a record of its own: that says where they stand.
    #[default]
    None,
    /// Rows that follow each other, from this place on.
    From(u64),
    /// One place a row, ascending.
    Each(ScalarBuffer<i64>),
}

impl Places {
    /// The place of a row.
    ///
    /// # Panics
    /// If there are not so many rows.
    #[must_use]
    pub fn of(&self, row: usize) -> Option<u64> {
        match self {
            Self::None => None,
            Self::From(first) => Some(first + row as u64),
            Self::Each(places) => Some(places[row].cast_unsigned()),
        }
    }

    /// One value for each of so many rows; `None` where there are no places.
    #[must_use]
    pub fn values(&self, row_count: usize) -> Option<ScalarBuffer<i64>> {
        match self {
            Self::None => None,
            Self::From(first) => Some((*first..).take(row_count).map(u64::cast_signed).collect()),
            Self::Each(places) => Some(places.clone()),
        }
    }

    /// Those of rows `[start, start + row_count)`.
    #[must_use]
    pub(crate) fn slice(&self, start: usize, row_count: usize) -> Self {
        match self {
            Self::None => Self::None,
            Self::From(first) => Self::From(first + start as u64),
            Self::Each(places) => Self::Each(places.slice(start, row_count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_rows_and_of_some_of_them() {
        assert_eq!(Places::None.of(3), None);
        assert_eq!(Places::From(7).of(3), Some(10));
        assert_eq!(Places::From(7).slice(2, 2), Places::From(9));
        let each = Places::Each(vec![4, 8, 9].into());
        assert_eq!(each.of(1), Some(8));
        assert_eq!(each.slice(1, 2), Places::Each(vec![8, 9].into()));
        assert_eq!(Places::From(7).values(3), Some(vec![7, 8, 9].into()));
    }

    #[test]
    fn causes_of_rows() {
        let row = |offset| Moment::Row { offset: Offset(offset), place: None };
        assert_eq!(Cause::Own.of(5, Offset(50)), row(50));
        let runs = Cause::Runs(vec![(2, row(10)), (3, row(20))]);
        assert_eq!([0, 1, 2].map(|at| runs.of(at, Offset(0))), [row(10), row(10), row(20)]);
        let reached = Cause::Reached(vec![5, 6].into());
        assert_eq!(reached.of(1, Offset(0)), Moment::Reached(EventTime(6)));
    }
}
