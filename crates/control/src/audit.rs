//! Checks on what pipelines said of their partitions, before anything is published.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use tidemill_pipeline::Outcome;
use tidemill_record::PartitionId;

use crate::ControlError;

/// Holds the byte ranges of one file against each other: each must end where the next begins.
///
/// The first range begins at the head of the file, which is the start of a record. If every range
/// ends exactly where the next begins, then by induction each began at the start of a record too,
/// and no cut fell into a quoted field.
pub(crate) fn check_splits(source: &str, outcomes: &[&Outcome]) -> Result<(), ControlError> {
    for pair in outcomes.windows(2) {
        let (Some(split), Some(next)) = (pair[0].split_bounds, pair[1].split_bounds) else {
            continue;
        };
        // A pipeline that was stopped, or had enough, does not know where its range ends.
        let Some(ends_at) = split.next else { continue };
        if ends_at != next.first {
            return Err(ControlError::Split {
                source: source.to_owned(),
                ends_at,
                next_begins_at: next.first,
            });
        }
    }
    Ok(())
}

/// Holds the keys of partitions against each other where a proof of locality rests on the source's
/// `PARTITIONED BY`; a warning for each pair of partitions that share keys.
///
/// # Cost
/// O(keys log partitions), and memory for the partitions alone: fingerprints ascend, so they are merged.
pub(crate) fn check_keys(query: &str, source: &str, outcomes: &[&Outcome]) -> Vec<String> {
    let mut shared: HashMap<(PartitionId, PartitionId), u64> = HashMap::new();
    let audits = || outcomes.iter().flat_map(|outcome| &outcome.audits);
    let stages: BTreeSet<usize> = audits().map(|audit| audit.stage).collect();
    for stage in stages {
        let of_stage = outcomes.iter().flat_map(|outcome| {
            let audits = outcome.audits.iter().filter(|audit| audit.stage == stage);
            audits.map(|audit| (outcome.partition, &audit.fingerprints[..]))
        });
        count_shared(&of_stage.collect::<Vec<_>>(), &mut shared);
    }
    let mut pairs: Vec<_> = shared.into_iter().collect();
    pairs.sort_unstable();
    pairs
        .into_iter()
        .map(|((owner, other), count)| {
            format!(
                "query {query}: {count} value(s) of the columns that {source} declares as \
                 PARTITIONED BY stand in partition {owner} and in partition {other}; their groups \
                 are not whole: correct the declaration or the input"
            )
        })
        .collect()
}

/// Counts the keys that partitions share with the first that has them. Those of each ascend.
fn count_shared(
    partitions: &[(PartitionId, &[u64])],
    shared: &mut HashMap<(PartitionId, PartitionId), u64>,
) {
    let next = |at: usize, place: usize| {
        let fingerprint = partitions[at].1.get(place);
        fingerprint.map(|&fingerprint| Reverse((fingerprint, at, place)))
    };
    let mut heads: BinaryHeap<_> = (0..partitions.len()).filter_map(|at| next(at, 0)).collect();
    let mut owner: Option<(u64, usize)> = None;
    while let Some(Reverse((fingerprint, at, place))) = heads.pop() {
        match owner {
            Some((known, owner)) if known == fingerprint => {
                *shared.entry((partitions[owner].0, partitions[at].0)).or_insert(0) += 1;
            }
            _ => owner = Some((fingerprint, at)),
        }
        heads.extend(next(at, place + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_counts_for_each_partition_behind_the_first_that_has_it() {
        let lists: [&[u64]; 4] = [&[1, 5, 9], &[2, 5], &[], &[1, 2, 5, u64::MAX]];
        let partitions: Vec<_> = (0..).map(PartitionId).zip(lists).collect();
        let mut shared = HashMap::new();
        count_shared(&partitions, &mut shared);
        let mut shared: Vec<_> = shared.into_iter().collect();
        shared.sort_unstable();
        let pair = |one, other| (PartitionId(one), PartitionId(other));
        assert_eq!(shared, [(pair(0, 1), 1), (pair(0, 3), 2), (pair(1, 3), 1)]);
    }
}
