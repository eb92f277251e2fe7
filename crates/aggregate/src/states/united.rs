//! Sets of several tables, united in parts to learn how many values no table before had.
//!
//! A part has the pairs of group and value with certain bits in their hashes, of all tables: it fits a core's own cache,
//! and knows nothing of the others.

use smallvec::SmallVec;

use super::value_pairs::Pairs;
use crate::AggregateError;
use crate::keys::hash::Seed;
use crate::parts::{DoAll, Spread, pieces};

/// Pairs that are handed on at a time.
const UNITED_PAIRS: usize = 8192;

/// Pairs of a table.
pub(super) struct Set<'a> {
    pub(super) pairs: &'a Pairs,
    /// Which group of the first table each of its groups is; of that one absent.
    pub(super) here: Option<&'a [u32]>,
}

/// The group of each pair that is in one of the sets and in none before, but for the first set's: those of a later set
/// behind those of an earlier one where they are of the same part.
pub(super) fn groups_of_new(
    sets: &[Set<'_>],
    part_count: usize,
    do_all: &DoAll,
) -> Result<Vec<Vec<u32>>, AggregateError> {
    let seed = Seed::default();
    let mut spreads: Vec<Spread> = sets.iter().map(|_| Spread::default()).collect();
    do_all(pieces(spreads.iter_mut().zip(sets).map(|(spread, set)| {
        || {
            let each_hash = |each: &mut dyn FnMut(u64)| set.pairs.each_hash(set.here, &seed, each);
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
            let mut groups = set.pairs.groups_of(pairs);
            if let Some(here) = set.here {
                groups.iter_mut().for_each(|group| *group = here[*group as usize]);
            }
            let values = set.pairs.gather(pairs);
            let known = all.len();
            all.intern(&groups, &values.iter().collect::<SmallVec<[_; 2]>>(), &mut indices)?;
            if at > 0 {
                // New pairs are numbered in order.
                let mut next = known;
                new.extend(groups.iter().zip(&indices).filter_map(|(&group, &pair)| {
                    let is_new = pair as usize == next;
                    next += usize::from(is_new);
                    is_new.then_some(group)
                }));
            }
        }
    }
    Ok(new)
}
