//! What a pipeline gives away when its partition has ended.

use crate::{AggTable, AggregateError, LimitTable, SortTable};

/// A finished partial table of one partition, on its way to the pipeline that gathers it.
///
/// It is `Send`: ownership crosses cores once per table, records never do.
#[expect(clippy::large_enum_variant, reason = "one is made per partition and moved a few times")]
pub enum Sealed {
    /// Groups.
    Groups(AggTable),
    /// Rows in order.
    Sorted(SortTable),
    /// The first rows.
    Limited(LimitTable),
}

impl Sealed {
    /// Adds the table of a later partition. Call in partition order: the result depends on it.
    ///
    /// # Errors
    /// As the table's own `merge`.
    ///
    /// # Panics
    /// If the two are of different queries.
    pub fn merge(&mut self, later: Self) -> Result<(), AggregateError> {
        match (self, later) {
            (Self::Groups(table), Self::Groups(later)) => table.merge(later),
            (Self::Sorted(table), Self::Sorted(later)) => table.merge(later),
            (Self::Limited(table), Self::Limited(later)) => table.merge(later),
            _ => panic!("a gather is given tables of one kind"),
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        match self {
            Self::Groups(table) => table.state_bytes(),
            Self::Sorted(table) => table.state_bytes(),
            Self::Limited(table) => table.state_bytes(),
        }
    }
}

/// Fails to compile if a table cannot be given to another core.
const _: fn(Sealed) = |sealed| {
    fn takes_send<T: Send>(_: T) {}
    takes_send(sealed);
};
