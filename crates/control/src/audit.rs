//! Checks on what pipelines said of their partitions, before anything is published.

use std::collections::HashMap;

use tidemill_pipeline::Outcome;
use tidemill_record::PartitionId;

use crate::ControlError;

/// Holds the byte ranges of one file against each other: each must end where the next begins.
///
/// The first range begins at the head of the file, which is the start of a record. If every range
/// ends exactly where the next begins, then by induction each began at the start of a record too,
/// and no cut fell into a quoted field.
pub(crate) fn check_splits(source: &str, outcomes: &[Outcome]) -> Result<(), ControlError> {
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
pub(crate) fn check_keys(query: &str, source: &str, outcomes: &[Outcome]) -> Vec<String> {
    let mut owner_of: HashMap<(usize, u64), PartitionId> = HashMap::new();
    let mut shared: HashMap<(PartitionId, PartitionId), u64> = HashMap::new();
    for outcome in outcomes {
        for audit in &outcome.audits {
            for &fingerprint in &audit.fingerprints {
                let key = (audit.stage, fingerprint);
                let owner = *owner_of.entry(key).or_insert(outcome.partition);
                if owner != outcome.partition {
                    *shared.entry((owner, outcome.partition)).or_insert(0) += 1;
                }
            }
        }
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
