//! Tables of many groups, merged in parts beside each other.
//!
//! A part has the groups whose keys have certain bits in their hashes, of all tables, so that it knows nothing of other
//! parts, and is small enough for a core's own cache. Rows that tables have only scattered by part are looked up there,
//! once. Results leave a part in the order in which its groups appeared. A byte a group, its part, in the order of all,
//! says how the results of the parts follow each other: the number of parts, and the hash, do not show.
//!
//! Where tables keep values of groups to count them, these are most of what they hold: then only they are cut
//! (`states::united`).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use tidemill_record::Batch;

use crate::compact::{batch_bytes, repeated, woven_at};
use crate::keys::hash;
use crate::scattered::{self, PARTS, ScatteredRows};
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
    /// Groups or values of a part, about; at least one. Scattered rows are in parts already.
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
        if bytes.saturating_mul(BESIDE) > room_bytes || tables.clone().any(AggTable::is_refused) {
            return None;
        }
        if tables.clone().any(|table| table.scattered().is_some()) {
            return Some(Way::Groups(PARTS));
        }
        let value_counts: Option<Vec<usize>> =
            tables.clone().map(AggTable::counted_values).collect();
        let value_count = value_counts?.into_iter().sum();
        if tables.clone().any(AggTable::has_scattered_values) {
            return Some(Way::Values(PARTS));
        }
        if tables.clone().filter(|table| table.group_count() > 0).count() < 2 {
            return None;
        }
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
    /// All groups with what they hold, and rows that wait.
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
    let mut spreads: Vec<Spread> = tables.iter().map(|_| Spread::default()).collect();
    do_all(pieces(spreads.iter_mut().zip(&mut tables).map(|(spread, table)| {
        move || {
            table.arrange();
            let each_hash =
                |each: &mut dyn FnMut(u64)| table.interner.each_hash(&hash::FIXED, each);
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
    let mut orders: Vec<Vec<u8>> = vec![Vec::new(); tables.len()];
    do_all(pieces(orders.iter_mut().enumerate().map(|(at, order)| {
        let (parts, spread, rows) = (&parts, &spreads[at], tables[at].scattered());
        move || *order = order_of(at, parts, spread, rows)
    })));
    let result_rows = parts.iter().map(|part| part.result_rows).min().unwrap_or(1);
    Ok(PartBatches {
        last_offset: tables.iter().map(|table| table.last_offset).max().unwrap_or(0),
        orders,
        table: 0,
        next: 0,
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
        each_hash(&mut |hash| part_of.push(scattered::part_of(hash, part_count)));
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
    /// Keys, then results.
    results: Batch,
    /// Of the row behind them, whose result does not fit its type.
    overflow: Option<AggregateError>,
    /// How many rows may leave at a time.
    result_rows: usize,
    /// Of each table, which of its groups of this part, and then of its rows, made a group that was not there before.
    are_new: Vec<Vec<bool>>,
}

impl Part {
    fn of(
        number: usize,
        tables: &[AggTable],
        spreads: &[Spread],
        budget_bytes: u64,
    ) -> Result<Self, AggregateError> {
        let spec = &tables[0].spec;
        let mut merged = AggTable::new(Arc::clone(spec), budget_bytes);
        let is_exact = merged.is_exact();
        let mut are_new = Vec::with_capacity(tables.len());
        for (table, spread) in tables.iter().zip(spreads) {
            let groups = spread.part(number);
            if is_exact || table.scattered().is_none() || merged.group_count() == 0 {
                are_new.push(take_part(&mut merged, table, groups, number)?);
                continue;
            }
            // What one partition adds up is added to the others' as a whole.
            let mut own = AggTable::new(Arc::clone(spec), budget_bytes);
            let mut flags = take_part(&mut own, table, groups, number)?;
            let known = merged.group_count();
            let mut here = merged.merge_copy(&own)?.into_iter();
            for flag in flags.iter_mut().filter(|flag| **flag) {
                *flag = here.next().expect("a group each") as usize >= known;
            }
            are_new.push(flags);
        }
        let result_rows = merged.result_rows();
        let groups: Vec<u32> = (0..).take(merged.group_count()).collect();
        merged.check_result(groups.len())?;
        let Leaving { rows: results, overflow } = merged.rows_of(&groups);
        Ok(Self { results, overflow, result_rows, are_new })
    }
}

/// Adds these groups of a table, and its scattered rows of a part; which of them made a group.
fn take_part(
    merged: &mut AggTable,
    table: &AggTable,
    groups: &[u32],
    number: usize,
) -> Result<Vec<bool>, AggregateError> {
    let rows = table.scattered();
    let row_count = rows.map_or(0, |rows| rows.part_rows(number));
    let mut are_new = Vec::with_capacity(groups.len() + row_count);
    let mut known = merged.group_count();
    let here =
        merged.merge_run(&GroupRun { groups: groups.to_vec(), ..table.as_empty_run() }, None)?;
    // Groups are numbered as they appear, so one is new exactly where its number is next.
    let mut note = |group: u32| {
        let is_new = group as usize == known;
        known += usize::from(is_new);
        is_new
    };
    are_new.extend(here.into_iter().map(&mut note));
    let offsets = repeated::<UInt64Type>(table.last_offset, row_count);
    for columns in rows.into_iter().flat_map(|rows| rows.part(number)) {
        let offsets = offsets.as_primitive().slice(0, columns[0].len());
        merged.update(&Batch::new(columns, offsets))?;
        are_new.extend(merged.group_indices.iter().copied().map(&mut note));
    }
    Ok(are_new)
}

/// The part of each group that no table before had, in order of first appearance in a table.
fn order_of(at: usize, parts: &[Part], spread: &Spread, rows: Option<&ScatteredRows>) -> Vec<u8> {
    let mut flags: Vec<_> = parts.iter().map(|part| part.are_new[at].iter()).collect();
    let all = spread.part_of.iter().chain(rows.map_or(&[][..], ScatteredRows::parts));
    let new = all
        .copied()
        .filter(|&part| *flags[usize::from(part)].next().expect("a flag for each of the part"));
    new.collect()
}

/// The rows of merged tables, as batches, in order of first appearance.
pub(crate) struct PartBatches {
    last_offset: u64,
    /// For each table the parts of the groups that no table before had.
    orders: Vec<Vec<u8>>,
    /// The table whose groups leave, and which of them is next.
    table: usize,
    next: usize,
    /// At least one.
    batch_rows: usize,
    /// Keys and results.
    parts: Vec<Batch>,
    /// Why a part has no more rows than it has, if it should.
    overflows: Vec<Option<AggregateError>>,
    /// Of each part, how many rows have left.
    taken: Vec<usize>,
    /// What comes behind the rows that have left.
    failure: Option<AggregateError>,
}

impl PartBatches {
    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        self.orders.iter().map(Vec::len).sum()
    }

    /// Bytes held.
    pub(crate) fn state_bytes(&self) -> u64 {
        let results: u64 = self.parts.iter().map(batch_bytes).sum();
        results + self.group_count() as u64
    }
}

impl Iterator for PartBatches {
    type Item = Result<Batch, AggregateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut places = Vec::with_capacity(self.batch_rows);
        while places.len() < self.batch_rows
            && self.failure.is_none()
            && let Some(order) = self.orders.get(self.table)
        {
            let order = &order[self.next..];
            if order.is_empty() {
                (self.table, self.next) = (self.table + 1, 0);
                continue;
            }
            for &part in order.iter().take(self.batch_rows - places.len()) {
                let part = usize::from(part);
                let row = self.taken[part];
                if row == self.parts[part].row_count() {
                    self.failure = self.overflows[part].take();
                    self.orders.clear();
                    break;
                }
                self.taken[part] += 1;
                self.next += 1;
                places.push((part, row));
            }
        }
        if places.is_empty() {
            return self.failure.take().map(Err);
        }
        Some(Ok(woven_at(&self.parts, &places, self.last_offset)))
    }
}
