//! Sets of several tables, united in parts to learn how many values no table before had.
//!
//! A part has the pairs whose values have certain bits in their hashes, of all tables, and the rows that wait: it fits a
//! core's own cache, and knows nothing of the others.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use smallvec::SmallVec;

use super::value_pairs::Pairs;
use crate::AggregateError;
use crate::parts::{DoAll, Spread, pieces};
use crate::scattered::ScatteredRows;

/// Pairs that are handed on at a time.
const UNITED_PAIRS: usize = 8192;

/// Pairs of a table.
pub(super) struct Set<'a> {
    pub(super) pairs: &'a Pairs,
    /// Rows that have not been looked up: their group, and their values. They are in as many parts as there are.
    pub(super) rows: Option<&'a ScatteredRows>,
    /// Which group of the first table each of its groups is; of that one absent.
    pub(super) here: Option<&'a [u32]>,
}

/// The group of each pair that is in one of the sets and in none before, but for those that the first set has looked up:
/// those of a later set behind those of an earlier one where they are of the same part.
pub(super) fn groups_of_new(
    sets: &[Set<'_>],
    part_count: usize,
    do_all: &DoAll,
) -> Result<Vec<Vec<u32>>, AggregateError> {
    let mut spreads: Vec<Spread> = sets.iter().map(|_| Spread::default()).collect();
    do_all(pieces(spreads.iter_mut().zip(sets).map(|(spread, set)| {
        || {
            let each_hash = |each: &mut dyn FnMut(u64)| set.pairs.each_hash(each);
            *spread = Spread::of(set.pairs.len(), part_count, each_hash);
        }
    })));
    let mut parts: Vec<Result<Vec<u32>, AggregateError>> =
        (0..part_count).map(|_| Ok(Vec::new())).collect();
    do_all(pieces(parts.iter_mut().enumerate().map(|(number, part)| {
        let spreads = &spreads;
        move || *part = unite_part(sets, spreads, number)
    })));
    parts.into_iter().collect()
}

fn unite_part(
    sets: &[Set<'_>],
    spreads: &[Spread],
    part: usize,
) -> Result<Vec<u32>, AggregateError> {
    let mut all = sets[0].pairs.emptied();
    let (mut new, mut indices) = (Vec::new(), Vec::new());
    for (at, (set, spread)) in sets.iter().zip(spreads).enumerate() {
        for pairs in spread.part(part).chunks(UNITED_PAIRS) {
            let groups = set.groups_here(&set.pairs.groups_of(pairs));
            let values = set.pairs.gather(pairs);
            let known = all.len();
            all.intern(&groups, &values.iter().collect::<SmallVec<[_; 2]>>(), &mut indices)?;
            if at > 0 {
                new.extend(groups_first_met(known, &groups, &indices));
            }
        }
        for columns in set.rows.into_iter().flat_map(|rows| rows.part(part)) {
            let groups = set.groups_here(columns[0].as_primitive::<UInt32Type>().values());
            let values: SmallVec<[&ArrayRef; 2]> = columns[1..].iter().collect();
            let known = all.len();
            all.intern(&groups, &values, &mut indices)?;
            new.extend(groups_first_met(known, &groups, &indices));
        }
    }
    Ok(new)
}

impl Set<'_> {
    /// Groups of its table as those of the first.
    fn groups_here(&self, groups: &[u32]) -> Vec<u32> {
        match self.here {
            Some(here) => groups.iter().map(|&group| here[group as usize]).collect(),
            None => groups.to_vec(),
        }
    }
}

/// The groups of the pairs that are new, of which there were so many: new pairs are numbered in order.
fn groups_first_met(known: usize, groups: &[u32], pairs: &[u32]) -> impl Iterator<Item = u32> {
    let mut next = known;
    groups.iter().zip(pairs).filter_map(move |(&group, &pair)| {
        let is_new = pair as usize == next;
        next += usize::from(is_new);
        is_new.then_some(group)
    })
}
