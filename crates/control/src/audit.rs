//! Checks on what pipelines said of their partitions, before anything is published.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use tidemill_pipeline::{Outcome, SeenKeys};
use tidemill_record::{EventTime, PartitionId};

use crate::ControlError;

/// Holds the byte ranges of each file against each other: each must end where the next begins.
///
/// The first range begins at the head of the file, which is the start of a record. If every range
/// ends exactly where the next begins, then by induction each began at the start of a record too,
/// and no cut fell into a quoted field.
pub(crate) fn check_splits(source: &str, outcomes: &[&Outcome]) -> Result<(), ControlError> {
    for pair in outcomes.windows(2) {
        let (Some(split), Some(next)) = (pair[0].split_bounds, pair[1].split_bounds) else {
            continue;
        };
        // Another file.
        if next.first == 0 {
            continue;
        }
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

/// Holds the event times of each file's pieces against each other: what each decided must be what it would have
/// decided behind those before it.
pub(crate) fn check_split_times(source: &str, outcomes: &[&Outcome]) -> Result<(), ControlError> {
    let mut watermark = EventTime::MIN;
    for outcome in outcomes {
        let Some(times) = outcome.split_times else { continue };
        if times.is_first {
            watermark = times.watermark;
            continue;
        }
        if !times.follow(watermark) {
            let source = source.to_owned();
            return Err(ControlError::SplitTimes { source, partition: outcome.partition });
        }
        watermark = watermark.max(times.watermark);
    }
    Ok(())
}

/// Keys that two partitions share, although their source declares that none do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKeys {
    /// The first partition that has them.
    pub owner: PartitionId,
    /// The other one.
    pub other: PartitionId,
    /// How many.
    pub count: u64,
    /// One of them, as SQL literals, where it is known.
    pub key: Option<String>,
}

/// Holds the keys of partitions against each other where a proof of locality rests on the source's
/// `PARTITIONED BY`; each pair of partitions that share keys, in order.
///
/// # Cost
/// O(keys log partitions), and memory for the partitions alone: fingerprints ascend, so they are merged.
pub(crate) fn shared_keys(outcomes: &[&Outcome]) -> Vec<SharedKeys> {
    let mut shared = BTreeMap::new();
    let audits = || outcomes.iter().flat_map(|outcome| &outcome.audits);
    let stages: BTreeSet<usize> = audits().map(|audit| audit.stage).collect();
    for stage in stages {
        let of_stage = outcomes.iter().flat_map(|outcome| {
            let audits = outcome.audits.iter().filter(|audit| audit.stage == stage);
            audits.map(|audit| (outcome.partition, &audit.seen))
        });
        count_shared(&of_stage.collect::<Vec<_>>(), &mut shared);
    }
    shared.into_values().collect()
}

/// Counts the keys that partitions share with the first that has them. Those of each ascend.
fn count_shared(
    partitions: &[(PartitionId, &SeenKeys)],
    shared: &mut BTreeMap<(PartitionId, PartitionId), SharedKeys>,
) {
    let next = |at: usize, place: usize| {
        let fingerprint = partitions[at].1.fingerprints.get(place);
        fingerprint.map(|&fingerprint| Reverse((fingerprint, at, place)))
    };
    let mut heads: BinaryHeap<_> = (0..partitions.len()).filter_map(|at| next(at, 0)).collect();
    let mut owner: Option<(u64, usize)> = None;
    while let Some(Reverse((fingerprint, at, place))) = heads.pop() {
        match owner {
            Some((known, owner)) if known == fingerprint => {
                let ((owner, its), (other, others)) = (partitions[owner], partitions[at]);
                let none = SharedKeys { owner, other, count: 0, key: None };
                let pair = shared.entry((owner, other)).or_insert(none);
                pair.count += 1;
                if pair.key.is_none() {
                    pair.key =
                        its.named.get(&fingerprint).or(others.named.get(&fingerprint)).cloned();
                }
            }
            _ => owner = Some((fingerprint, at)),
        }
        heads.extend(next(at, place + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(fingerprints: &[u64], named: &[u64]) -> SeenKeys {
        let named = named.iter().map(|key| (*key, format!("'{key}'"))).collect();
        SeenKeys { fingerprints: fingerprints.to_vec(), named }
    }

    #[test]
    fn a_key_counts_for_each_partition_behind_the_first_that_has_it() {
        let lists = [
            seen(&[1, 5, 9], &[9]),
            seen(&[2, 5], &[]),
            seen(&[], &[]),
            seen(&[1, 2, 5, u64::MAX], &[5]),
        ];
        let partitions: Vec<_> = (0..).map(PartitionId).zip(&lists).collect();
        let mut shared = BTreeMap::new();
        count_shared(&partitions, &mut shared);
        let pair = |owner, other, count, key: Option<&str>| SharedKeys {
            owner: PartitionId(owner),
            other: PartitionId(other),
            count,
            key: key.map(str::to_owned),
        };
        let expected = [pair(0, 1, 1, None), pair(0, 3, 2, Some("'5'")), pair(1, 3, 1, None)];
        assert_eq!(shared.into_values().collect::<Vec<_>>(), expected);
    }
}
