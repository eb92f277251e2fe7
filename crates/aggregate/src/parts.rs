//! Tables of many groups, merged in parts beside each other.
//!
//! A part has the groups whose keys have certain bits in their hashes, of all tables, so that it knows nothing of other
//! parts, and is small enough for a core's own cache. Results leave it in the order in which its groups appeared. A byte
//! a group, its part, in the order of all, says how the results of the parts follow each other: the number of parts, and
//! the hash, do not show.
//!
//! Where tables keep values of groups to count them, these are most of what they hold: then only they are cut
//! (`states::united`).

use tidemill_record::Batch;

use crate::compact::{batch_bytes, woven};
use crate::keys::hash::Seed;
use crate::table::{GroupRun, Leaving};
use crate::{AggTable, AggregateError};

/// Work that may be done beside other such, by another core.
pub type Piece<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does pieces of work on whichever cores there are, in any order, and returns once all are done.
pub type DoAll = dyn for<'a> Fn(Vec<Piece<'a>>) + Send + Sync;

/// Tables of fewer groups fit caches as they are.
const GROUPS_MIN: usize = 1 << 18;
/// Fewer values are united before others would have begun.
const VALUES_MIN: usize = 1 << 16;
/// Groups of a part: with states of some ten bytes each they stay in L2.
const PART_GROUPS: usize = 1 << 13;
/// The number of a part is a byte.
const PARTS_MAX: usize = 1 << 8;
/// What is there meanwhile beside the tables, by what they hold: the rows, and parts on their way to them.
const BESIDE: u64 = 2;

/// When tables are cut into parts, and into how many. No result depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Fewer groups are not.
    pub groups_min: usize,
    /// Nor are fewer values that are counted.
    pub values_min: usize,
    /// Groups or values of a part, about; at least one.
    pub part_groups: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self { groups_min: GROUPS_MIN, values_min: VALUES_MIN, part_groups: PART_GROUPS }
    }
}

impl Cut {
    /// How it pays to merge these tables on several cores, if it does and there is room for it.
    pub(crate) fn way<'a>(
        self,
        tables: impl Iterator<Item = &'a AggTable> + Clone,
        room_bytes: u64,
    ) -> Option<Way> {
        let bytes: u64 = tables.clone().map(AggTable::state_bytes).sum();
        let not_empty = tables.clone().filter(|table| table.group_count() > 0).count();
        if not_empty < 2
            || bytes.saturating_mul(BESIDE) > room_bytes
            || tables.clone().any(AggTable::is_refused)
        {
            return None;
        }
        let value_counts: Option<Vec<usize>> =
            tables.clone().map(AggTable::counted_values).collect();
        let value_count = value_counts?.into_iter().sum();
        let group_count: usize = tables.clone().map(AggTable::group_count).sum();
        if value_count > 0 {
            let are_many = value_count >= self.values_min;
            return are_many.then(|| Way::Values(self.part_count(value_count)));
        }
        // Texts and lists would be copied into the parts, and again into results, which costs more than one core saves; so
        // does it to hash and compare several columns of texts once more.
        let is_whole = |table: &AggTable| {
            table.has_keys() && table.outside_bytes() == 0 && table.text_key_count() < 2
        };
        let are_many = group_count >= self.groups_min && tables.clone().all(is_whole);
        are_many.then(|| Way::Groups(self.part_count(group_count)))
    }

    /// A power of two.
    fn part_count(self, count: usize) -> usize {
        (count / self.part_groups).next_power_of_two().min(PARTS_MAX)
    }
}

/// What is cut into so many parts.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// All groups with what they hold.
    Groups(usize),
    /// Sets of values that are counted.
    Values(usize),
}

/// Merges tables of one query, in their order, and ends them. They and what is made of them hold `room_bytes` at
/// most beside what the tables do.
///
/// # Errors
/// As [`AggTable::merge`].
pub(crate) fn merge(
    part_count: usize,
    mut tables: Vec<AggTable>,
    room_bytes: u64,
    batch_rows: usize,
    do_all: &DoAll,
) -> Result<PartBatches, AggregateError> {
    let seed = Seed::default();
    let mut spreads: Vec<Spread> = tables.iter().map(|_| Spread::default()).collect();
    do_all(pieces(spreads.iter_mut().zip(&tables).map(|(spread, table)| {
        || {
            let each_hash = |each: &mut dyn FnMut(u64)| table.interner.each_hash(&seed, each);
            *spread = Spread::of(table.group_count(), part_count, each_hash);
        }
    })));
    let mut parts: Vec<Option<Result<Part, AggregateError>>> =
        (0..part_count).map(|_| None).collect();
    do_all(pieces(parts.iter_mut().enumerate().map(|(number, part)| {
        let (tables, spreads) = (&tables, &spreads);
        move || *part = Some(Part::of(number, tables, spreads, room_bytes))
    })));
    let parts = parts.into_iter().map(|part| part.expect("all pieces are done"));
    let parts: Vec<Part> = parts.collect::<Result<_, _>>()?;
    let row_bytes: u64 = parts.iter().map(|part| batch_bytes(&part.results)).sum();
    if row_bytes > room_bytes {
        let tables_bytes: u64 = tables.iter().map(AggTable::state_bytes).sum();
        return Err(AggregateError::BudgetExceeded {
            state_bytes: tables_bytes + row_bytes,
            budget_bytes: tables_bytes + room_bytes,
            group_count: parts.iter().map(|part| part.results.row_count()).sum(),
        });
    }
    let result_rows = parts.iter().map(|part| part.result_rows).min().unwrap_or(1);
    let (order, new_groups) = order_of(&spreads, &parts);
    tables.iter_mut().for_each(AggTable::keep_keys);
    Ok(PartBatches {
        tables,
        new_groups,
        order,
        next: 0,
        table: 0,
        batch_rows: batch_rows.min(result_rows).max(1),
        overflows: parts.iter().map(|part| part.overflow.clone()).collect(),
        taken: vec![0; parts.len()],
        parts: parts.into_iter().map(|part| part.results).collect(),
        failure: None,
    })
}

/// Pieces of these works.
pub(crate) fn pieces<'a, F: FnOnce() + Send + 'a>(
    works: impl Iterator<Item = F>,
) -> Vec<Piece<'a>> {
    works.map(|work| Box::new(work) as Piece<'a>).collect()
}

/// How the groups of a table, or whatever has numbers and hashes, are spread over the parts.
#[derive(Default)]
pub(crate) struct Spread {
    /// The part of each group.
    part_of: Vec<u8>,
    /// The groups, part by part, those of each in their order.
    groups: Vec<u32>,
    /// Where each part begins in `groups`, and where the last one ends.
    starts: Vec<usize>,
}

impl Spread {
    /// Over a power of two of parts, at most 2^8.
    pub(crate) fn of(
        count: usize,
        part_count: usize,
        each_hash: impl FnOnce(&mut dyn FnMut(u64)),
    ) -> Self {
        let mut part_of = Vec::with_capacity(count);
        let last_part = u64::try_from(part_count - 1).expect("a usize fits u64");
        each_hash(&mut |hash| {
            // What finds the place in a table are the bits at the other end.
            part_of.push(u8::try_from(hash & last_part).expect("at most 2^8 parts"));
        });
        let mut starts = vec![0; part_count + 1];
        for &part in &part_of {
            starts[usize::from(part) + 1] += 1;
        }
        for part in 0..part_count {
            starts[part + 1] += starts[part];
        }
        let mut groups = vec![0; part_of.len()];
        let mut ends = starts.clone();
        for (group, &part) in (0..).zip(&part_of) {
            let end = &mut ends[usize::from(part)];
            groups[*end] = group;
            *end += 1;
        }
        Self { part_of, groups, starts }
    }

    /// Those of a part.
    pub(crate) fn part(&self, number: usize) -> &[u32] {
        &self.groups[self.starts[number]..self.starts[number + 1]]
    }
}

/// The groups of a part, merged and ended.
struct Part {
    /// Without keys.
    results: Batch,
    /// Of the row behind them, whose result does not fit its type.
    overflow: Option<AggregateError>,
    /// How many rows may leave at a time.
    result_rows: usize,
    /// Of each table, which of its groups of this part no table before had.
    are_new: Vec<Vec<bool>>,
}

impl Part {
    fn of(
        number: usize,
        tables: &[AggTable],
        spreads: &[Spread],
        budget_bytes: u64,
    ) -> Result<Self, AggregateError> {
        let mut merged = AggTable::new(std::sync::Arc::clone(&tables[0].spec), budget_bytes);
        let mut are_new = Vec::with_capacity(tables.len());
        for (table, spread) in tables.iter().zip(spreads) {
            let known = merged.group_count();
            let groups = spread.part(number).to_vec();
            let here = merged.merge_run(&GroupRun { groups, ..table.as_empty_run() }, None)?;
            are_new.push(here.into_iter().map(|group| group as usize >= known).collect());
        }
        let result_rows = merged.result_rows();
        let groups: Vec<u32> = (0..).take(merged.group_count()).collect();
        merged.check_result(groups.len())?;
        let Leaving { rows: results, overflow } = merged.results_of(&groups);
        Ok(Self { results, overflow, result_rows, are_new })
    }
}

/// The part of each group of all tables, in order of first appearance; and of each table the groups that no table before
/// had.
fn order_of(spreads: &[Spread], parts: &[Part]) -> (Vec<u8>, Vec<Vec<u32>>) {
    let (mut order, mut new_groups) = (Vec::new(), Vec::with_capacity(spreads.len()));
    for (table, spread) in spreads.iter().enumerate() {
        let mut flags: Vec<_> = parts.iter().map(|part| part.are_new[table].iter()).collect();
        let mut new = Vec::new();
        for (group, &part) in (0..).zip(&spread.part_of) {
            if *flags[usize::from(part)].next().expect("a flag for each group of the part") {
                order.push(part);
                new.push(group);
            }
        }
        new_groups.push(new);
    }
    (order, new_groups)
}

/// The rows of merged tables, as batches, in order of first appearance.
///
/// Keys are read where they have been from the start, which is in this order; results, from the parts.
pub(crate) struct PartBatches {
    /// Keys alone.
    tables: Vec<AggTable>,
    /// The groups of each table that leave as groups of its own.
    new_groups: Vec<Vec<u32>>,
    /// The part of each of them.
    order: Vec<u8>,
    /// The row that leaves next, among those of the table that it is of, and that table.
    next: usize,
    table: usize,
    /// At least one.
    batch_rows: usize,
    /// Results.
    parts: Vec<Batch>,
    /// Why a part has no more rows than it has, if it should.
    overflows: Vec<Option<AggregateError>>,
    /// How many rows of each part have left.
    taken: Vec<usize>,
    /// What comes behind the rows that have left.
    failure: Option<AggregateError>,
}

impl PartBatches {
    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.order.len()
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> u64 {
        let keys: u64 = self.tables.iter().map(AggTable::state_bytes).sum();
        let results: u64 = self.parts.iter().map(batch_bytes).sum();
        keys + results + (self.order.len() * (size_of::<u8>() + size_of::<u32>())) as u64
    }
}

impl Iterator for PartBatches {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.new_groups.get(self.table) {
                None => return self.failure.take().map(Err),
                Some(groups) if groups.len() == self.next => {
                    (self.next, self.table) = (0, self.table + 1);
                }
                Some(_) => break,
            }
        }
        let groups = &self.new_groups[self.table][self.next..];
        let groups = &groups[..groups.len().min(self.batch_rows)];
        let start: usize = self.taken.iter().sum();
        let mut places = Vec::with_capacity(groups.len());
        for &part in &self.order[start..start + groups.len()] {
            let part = usize::from(part);
            let row = self.taken[part];
            if row == self.parts[part].row_count() {
                self.failure = self.overflows[part].take();
                break;
            }
            self.taken[part] += 1;
            places.push((part, row));
        }
        let rows = (!places.is_empty()).then(|| {
            let results = woven(&self.parts, &places);
            self.tables[self.table].with_keys(&groups[..places.len()], &results)
        });
        self.next += places.len();
        if self.failure.is_some() {
            self.new_groups.clear();
        }
        rows.map(Ok).or_else(|| self.failure.take().map(Err))
    }
}
