//! What a pipeline gives away when its partition has ended.

use tidemill_plan::Merge;
use tidemill_record::{Batch, EventTime};

use crate::parts::{self, Cut, DoAll, Way};
use crate::{
    AggTable, AggregateError, LimitTable, Scatter, SealedSessions, SealedWindows, SortTable,
    TopNTable,
};

mod image;

/// The rows of a table, batch by batch.
pub type TableBatches = Box<dyn Iterator<Item = Result<Batch, AggregateError>>>;

/// The rows of tables that have been merged.
pub struct MergedRows {
    /// How many groups they are.
    pub group_count: usize,
    /// Bytes that they hold.
    pub state_bytes: u64,
    /// The rows, batch by batch.
    pub batches: TableBatches,
}

/// A finished partial table of one partition, on its way to the pipeline that gathers it.
///
/// It is `Send`: ownership crosses cores once per table, records never do.
pub enum Sealed {
    /// Groups.
    Groups(AggTable),
    /// The first rows of each partition.
    Numbered(TopNTable),
    /// Rows in order.
    Sorted(SortTable),
    /// The first rows.
    Limited(LimitTable),
    /// Windows of groups.
    Windows(SealedWindows),
    /// Sessions.
    Sessions(SealedSessions),
}

impl Sealed {
    /// An empty table of the kind that a gather merges.
    #[must_use]
    pub fn new(merge: &Merge, budget_bytes: u64) -> Self {
        match merge {
            Merge::Groups(spec) => Self::Groups(AggTable::new(spec.clone(), budget_bytes)),
            Merge::TopN(spec) => Self::Numbered(TopNTable::new(spec.clone(), budget_bytes)),
            Merge::Sorted(spec) => Self::Sorted(SortTable::new(spec.clone(), budget_bytes)),
            Merge::Windows(spec) if spec.is_by_session() => {
                Self::Sessions(SealedSessions::new(spec, budget_bytes))
            }
            Merge::Windows(spec) => Self::Windows(SealedWindows::new(spec, budget_bytes)),
            Merge::Limited { spec, input_types } => {
                Self::Limited(LimitTable::new(*spec, input_types.clone(), budget_bytes))
            }
        }
    }

    /// Lets rows of groups wait to be looked up by part, where most have one of their own: before it has taken a batch,
    /// and where no image of it is wanted. Results are the same.
    pub fn scatter(&mut self, scatter: Scatter) {
        if let Self::Groups(table) = self {
            table.scatter(scatter);
        }
    }

    /// Lets it hold so many bytes from now on.
    pub fn set_budget(&mut self, budget_bytes: u64) {
        match self {
            Self::Groups(table) => table.set_budget(budget_bytes),
            Self::Numbered(table) => table.set_budget(budget_bytes),
            Self::Sorted(table) => table.set_budget(budget_bytes),
            Self::Limited(table) => table.set_budget(budget_bytes),
            Self::Windows(windows) => windows.set_budget(budget_bytes),
            Self::Sessions(sessions) => sessions.set_budget(budget_bytes),
        }
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// As the table's own `update`.
    pub fn update(&mut self, batch: &Batch) -> Result<(), AggregateError> {
        match self {
            Self::Groups(table) => table.update(batch),
            Self::Numbered(table) => table.update(batch),
            Self::Sorted(table) => table.update(batch),
            Self::Limited(table) => table.update(batch),
            Self::Windows(_) | Self::Sessions(_) => unreachable!("closed windows take no rows"),
        }
    }

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
            (Self::Numbered(table), Self::Numbered(later)) => table.merge(later),
            (Self::Sorted(table), Self::Sorted(later)) => table.merge(later),
            (Self::Limited(table), Self::Limited(later)) => table.merge(later),
            (Self::Windows(windows), Self::Windows(later)) => windows.merge(later),
            (Self::Sessions(sessions), Self::Sessions(later)) => sessions.merge(&later),
            _ => panic!("a gather is given tables of one kind"),
        }
    }

    /// Whether these tables of many groups are better merged by [`Self::merge_in_parts`], and there are `room_bytes`
    /// for it.
    pub fn are_many<'a>(
        tables: impl Iterator<Item = &'a Self> + Clone,
        cut: Cut,
        room_bytes: u64,
    ) -> bool {
        let groups = tables.clone().filter_map(|table| match table {
            Self::Groups(table) => Some(table),
            _ => None,
        });
        groups.clone().count() == tables.count() && cut.way(groups, room_bytes).is_some()
    }

    /// Merges tables in their order, and ends them: the same rows as [`Self::merge`] and then
    /// [`Self::into_batches`] give, made on several cores. They hold `room_bytes` at most beside what the tables do.
    ///
    /// # Errors
    /// As the table's own `merge`.
    ///
    /// # Panics
    /// Unless [`Self::are_many`].
    pub fn merge_in_parts(
        tables: Vec<Self>,
        cut: Cut,
        room_bytes: u64,
        batch_rows: usize,
        do_all: &DoAll,
    ) -> Result<MergedRows, AggregateError> {
        let tables = tables.into_iter().map(|table| match table {
            Self::Groups(table) => table,
            _ => panic!("only groups are merged in parts"),
        });
        let mut tables: Vec<AggTable> = tables.collect();
        match cut.way(tables.iter(), u64::MAX).expect("it pays to merge them so") {
            Way::Groups(part_count) => {
                let rows = parts::merge(part_count, tables, room_bytes, batch_rows, do_all)?;
                Ok(MergedRows {
                    group_count: rows.group_count(),
                    state_bytes: rows.state_bytes(),
                    batches: Box::new(rows),
                })
            }
            Way::Values(part_count) => {
                tables.iter_mut().for_each(AggTable::arrange);
                let mut tables = tables.into_iter();
                let mut merged = tables.next().expect("there are several");
                merged.set_budget(merged.state_bytes().saturating_add(room_bytes));
                merged.unite(tables.as_slice(), part_count, do_all)?;
                Ok(MergedRows {
                    group_count: merged.group_count(),
                    state_bytes: merged.state_bytes(),
                    batches: Box::new(merged.into_batches(batch_rows)?),
                })
            }
        }
    }

    /// Does what can be done before tables are merged, on the core of its own partition.
    ///
    /// # Errors
    /// As the table's own `update`.
    pub fn arrange(&mut self) -> Result<(), AggregateError> {
        match self {
            Self::Sorted(table) => table.arrange(),
            Self::Groups(table) => {
                table.arrange();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes out what belongs to windows that end at or before a time.
    ///
    /// # Errors
    /// As the table's own `update`.
    ///
    /// # Panics
    /// If it holds something else than windows.
    pub fn take_until(&mut self, time: EventTime) -> Result<Self, AggregateError> {
        Ok(match self {
            Self::Windows(windows) => Self::Windows(windows.take_until(time)?),
            Self::Sessions(sessions) => Self::Sessions(sessions.take_until(time)?),
            Self::Numbered(table) => {
                let empty = table.emptied();
                Self::Numbered(table.take_until(time)?.unwrap_or(empty))
            }
            Self::Groups(_) | Self::Sorted(_) | Self::Limited(_) => {
                unreachable!("only windows are taken before the input ends")
            }
        })
    }

    /// Whether [`Self::take_until`] may give something.
    #[must_use]
    pub fn has_until(&self, time: EventTime) -> bool {
        match self {
            Self::Numbered(table) => table.has_until(time),
            _ => !self.is_empty(),
        }
    }

    /// When the first of its windows ends; `None` where it holds none.
    #[must_use]
    pub fn next_end(&self) -> Option<i64> {
        match self {
            Self::Windows(windows) => windows.next_end(),
            Self::Numbered(table) => table.next_end(),
            Self::Sessions(_) | Self::Groups(_) | Self::Sorted(_) | Self::Limited(_) => None,
        }
    }

    /// Whether no later row is needed, because a limit is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Limited(table) if table.is_full())
    }

    /// Rows that a limit has kept; `None` of another table.
    #[must_use]
    pub fn first_rows(&self) -> Option<u64> {
        match self {
            Self::Limited(table) => Some(table.row_count()),
            _ => None,
        }
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Numbered(table) => table.row_count() == 0,
            Self::Windows(_) | Self::Sessions(_) | Self::Groups(_) => self.group_count() == 0,
            Self::Sorted(_) | Self::Limited(_) => self.state_bytes() == 0,
        }
    }

    /// The rows of the merged table: groups in order of their first record, those of earlier partitions first.
    ///
    /// # Errors
    /// As the table's own `into_batches`.
    pub fn into_batches(self, batch_rows: usize) -> Result<TableBatches, AggregateError> {
        Ok(match self {
            Self::Groups(table) => Box::new(table.into_batches(batch_rows)?),
            Self::Numbered(table) => table.into_batches(batch_rows)?,
            Self::Sorted(table) => Box::new(table.into_batches(batch_rows)?.map(Ok)),
            Self::Limited(table) => Box::new(table.into_batches(batch_rows).map(Ok)),
            Self::Windows(windows) => windows.into_batches(batch_rows)?,
            Self::Sessions(sessions) => sessions.into_batches(batch_rows)?,
        })
    }

    /// Groups held; 0 for tables of rows.
    #[must_use]
    pub fn group_count(&self) -> usize {
        match self {
            Self::Groups(table) => table.group_count(),
            Self::Windows(windows) => windows.group_count(),
            Self::Sessions(sessions) => sessions.group_count(),
            Self::Numbered(_) | Self::Sorted(_) | Self::Limited(_) => 0,
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        match self {
            Self::Groups(table) => table.state_bytes(),
            Self::Numbered(table) => table.state_bytes(),
            Self::Sorted(table) => table.state_bytes(),
            Self::Limited(table) => table.state_bytes(),
            Self::Windows(windows) => windows.state_bytes(),
            Self::Sessions(sessions) => sessions.state_bytes(),
        }
    }
}

/// Fails to compile if a table cannot be given to another core.
const _: fn(Sealed) = |sealed| {
    fn takes_send<T: Send>(_: T) {}
    takes_send(sealed);
};
