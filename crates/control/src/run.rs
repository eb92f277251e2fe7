//! One wave, from its pipelines to the files that are ready to be published.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tidemill_pipeline::{Delivery, Latencies, Measures, Outcome, Sealed, Statistics};

use crate::account::{Account, Lease};
use crate::arrivals::{Joining, early_giver_count, give_spec, late_giver_id};
use crate::audit::{check_split_times, check_splits, shared_keys};
use crate::core_loop::{Left, Links, Opening};
use crate::enough::Enough;
use crate::error::shared_text;
use crate::fleet::{Fleet, Ran, Task, TaskId};
use crate::handover::Handover;
use crate::keeping::Resident;
use crate::wave::{FlatNode, Planned, flatten};
use crate::{
    Arrivals, ControlError, CoreMeter, DeclaredKeys, Host, Keeping, Notices, PartitionMeters,
    StopFlag, Wave,
};

/// The cores a job runs on, perhaps beside others.
#[derive(Clone, Debug)]
pub struct Cores {
    /// Has them.
    pub host: Arc<Host>,
    /// One meter for each of the host's CPUs.
    pub meters: Vec<Arc<CoreMeter>>,
    /// Of pipelines that take turns, one each.
    pub partitions: PartitionMeters,
    /// Where what a person should hear of meanwhile is said.
    pub notices: Notices,
}

/// What a wave leaves behind.
#[derive(Default)]
pub struct WaveOutcome {
    /// Files that are complete but not yet visible.
    pub deliveries: Vec<Delivery>,
    /// What all pipelines counted, gathers included.
    pub statistics: Statistics,
    /// What the pipelines of each query counted, by its number within the wave.
    pub per_query: Vec<Statistics>,
    /// What the pipelines of each core counted, by place in [`Host::cpus`].
    pub per_core: Vec<Statistics>,
    /// What the pipelines of each node did, children before parents, roots in order.
    pub per_node: Vec<NodeOutcome>,
    /// CPU time of each core in this wave, by place in [`Host::cpus`].
    pub cpu_times: Vec<Duration>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Queries, by their numbers within the wave, that a stop has cut off before all of their input was read;
    /// not those whose input has no end. Of a wave that ends by itself none has deliveries then.
    pub cut: BTreeSet<usize>,
}

/// What the pipelines of a node did, together.
#[derive(Default)]
pub struct NodeOutcome {
    /// Which of the wave's queries it belongs to.
    pub query: usize,
    /// What they counted.
    pub statistics: Statistics,
    /// What was measured of their steps, where that was asked for.
    pub measures: Measures,
}

/// Runs the pipelines of a wave: scans first, then gathers as their tables are sealed; where input may
/// have no end, all at once, those of a core taking turns.
///
/// A set `stop` flag makes every pipeline of input without end drain what it has read, as if its input ended
/// there; the gathers then merge and write all of it. Others end at once and leave nothing, unless they had
/// come to their end before.
///
/// # Errors
/// The failure of the first pipeline, in order of query and partition, that fails by itself: those
/// before one that has failed run on, those behind it are abandoned. Where input may have no end all stop
/// at once, and it is the first of those that have failed by then. No file of the wave is visible then but
/// those that were published as it ran.
pub fn run(
    mut wave: Wave<'_>,
    cores: &Cores,
    stop: &StopFlag,
) -> Result<WaveOutcome, ControlError> {
    let cpu_times = || cores.meters.iter().map(|meter| meter.cpu_time());
    let before: Vec<Duration> = cpu_times().collect();
    let (takes_turns, budget_bytes) = (wave.has_no_end, wave.budget_bytes);
    let (keeping, arrivals) = (wave.keeping.clone(), wave.arrivals.take());
    let has_order = wave.roots.iter().any(|root| root.is_ordered);
    let nodes = flatten(wave);
    // Partitions that print wait for each other where they stand. Those of two waves on the same cores could do so for ever.
    let prints = has_order && !takes_turns;
    let _printing =
        prints.then(|| cores.host.printing.lock().unwrap_or_else(PoisonError::into_inner));
    let wanted = if arrivals.is_some() { usize::MAX } else { pipeline_count_max(&nodes) };
    let fleet = Fleet::take(cores, wanted, stop)?;
    let account = Account::new(budget_bytes);
    let levels = Levels { nodes, takes_turns, account, keeping, arrivals };
    let mut outcome = run_levels(levels, cores, &fleet, stop)?;
    outcome.cpu_times = cpu_times().zip(before).map(|(after, before)| after - before).collect();
    Ok(outcome)
}

/// A wave, flat, and what its pipelines share.
struct Levels<'a> {
    nodes: Vec<FlatNode>,
    takes_turns: bool,
    account: Arc<Account>,
    keeping: Option<Keeping>,
    arrivals: Option<&'a mut dyn Arrivals>,
}

/// Pipelines that run beside each other at most: more cores than that have nothing to do.
fn pipeline_count_max(nodes: &[FlatNode]) -> usize {
    let mut counts = Vec::new();
    for node in nodes {
        counts.resize(counts.len().max(node.level + 1), 0);
        counts[node.level] += node.pipelines.count();
    }
    counts.into_iter().max().unwrap_or(0)
}

fn run_levels(
    levels: Levels<'_>,
    cores: &Cores,
    fleet: &Fleet<'_>,
    stop: &StopFlag,
) -> Result<WaveOutcome, ControlError> {
    let Levels { mut nodes, takes_turns, account, keeping, mut arrivals } = levels;
    let keeping = keeping.as_ref();
    let mut outcomes: Vec<Vec<Option<Left>>> = nodes.iter().map(|_| Vec::new()).collect();
    let mut wave_outcome = WaveOutcome {
        per_core: vec![Statistics::default(); cores.meters.len()],
        ..WaveOutcome::default()
    };
    // Of the pipelines of each node; a histogram for each would be more than they hold.
    let mut latencies = vec![Latencies::default(); nodes.len()];
    let level_count = nodes.iter().map(|node| node.level + 1).max().unwrap_or(0);
    for level in 0..level_count {
        let links = if takes_turns { links(&nodes) } else { Vec::new() };
        let tasks = take_tasks(&mut nodes, &mut outcomes, &links, level, (&account, keeping));
        let mut ids: Vec<TaskId> = tasks.iter().map(|(task, _)| task.id).collect();
        let mut joining = arrivals.as_deref_mut().filter(|_| takes_turns).map(|arrivals| Joining {
            nodes: &nodes,
            links: &links,
            arrivals,
            account: &account,
            keeping,
        });
        let of_level: Vec<usize> =
            (0..nodes.len()).filter(|&node| nodes[node].level == level).collect();
        let mut failures = Vec::new();
        // What a limit has got of each node, in order of partitions.
        let mut rows_given = vec![0_u64; nodes.len()];
        let counts = (&mut wave_outcome.per_core[..], &mut latencies[..]);
        let ran = fleet.run(tasks, &mut ids, joining.as_mut(), takes_turns, keeping, counts)?;
        let Ran { all_done, retired } = ran;
        for &(node, block) in &ids {
            if outcomes[node].len() <= block {
                outcomes[node].resize_with(block + 1, || None);
            }
        }
        if keeping.is_some_and(|keeping| !keeping.stop_drains) && stop.is_set() {
            // There may be none that runs now: who is run again waits for what comes.
            let waiting = of_level.iter().filter(|&&node| nodes[node].pipelines.is_open_ended);
            wave_outcome.cut.extend(waiting.map(|&node| nodes[node].query));
        }
        for done in all_done {
            let (node, block) = ids[done.task];
            let rows_wanted = rows_wanted(&nodes[node], takes_turns, keeping);
            // Whether it has run at all depends on timing, so that nothing may depend on it.
            let is_wanted = rows_wanted.is_none_or(|wanted| rows_given[node] < wanted);
            match done.result {
                Some(Ok(left)) => {
                    wave_outcome.per_core[done.core].add(&left.outcome.statistics);
                    if !is_wanted {
                        continue;
                    }
                    let rows = left.outcome.sealed.as_ref().and_then(Sealed::first_rows);
                    rows_given[node] = rows_given[node].saturating_add(rows.unwrap_or(0));
                    if left.outcome.is_cut {
                        wave_outcome.cut.insert(nodes[node].query);
                    }
                    outcomes[node][block] = Some(left);
                }
                Some(Err(_)) if !is_wanted => {}
                Some(Err(error)) => failures.push(error),
                None if keeping.is_some() && stop.is_set() => {
                    wave_outcome.cut.insert(nodes[node].query);
                }
                None => {}
            }
        }
        for (node, left) in retired {
            outcomes[node].push(Some(left));
        }
        if !wave_outcome.cut.is_empty() {
            // What they led to is no failure.
            failures.retain(|failure| !failure.is_consequence());
        }
        if let Some(error) = first_cause(failures) {
            return Err(error);
        }
        if stop.is_abort() {
            return Err(ControlError::Aborted);
        }
        if !takes_turns && !wave_outcome.cut.is_empty() {
            count_all(&nodes, &outcomes, &latencies, &mut wave_outcome);
            return Ok(wave_outcome);
        }
        for node in of_level {
            let Planned { query, source, .. } = &*Arc::clone(&nodes[node].pipelines);
            if wave_outcome.cut.contains(&nodes[node].query) {
                continue;
            }
            let of_node: Vec<&Outcome> =
                outcomes[node].iter().flatten().map(|left| &left.outcome).collect();
            if nodes[node].are_splits {
                check_splits(source, &of_node)?;
                check_split_times(source, &of_node)?;
            }
            for notice in of_node.iter().flat_map(|one| &one.notices) {
                // What holds of a file may hold of others.
                if !wave_outcome.warnings.contains(notice) {
                    wave_outcome.warnings.push(notice.clone());
                }
            }
            if let Some(DeclaredKeys { columns, is_fatal }) = nodes[node].declared.take() {
                let pairs = shared_keys(&of_node);
                if is_fatal && !pairs.is_empty() {
                    let (query, source) = (query.clone(), source.clone());
                    return Err(ControlError::Keys { query, source, columns, pairs });
                }
                let warnings = pairs.iter().map(|pair| shared_text(query, source, &columns, pair));
                wave_outcome.warnings.extend(warnings);
            }
            // The keys have been looked at; their memory goes.
            for left in outcomes[node].iter_mut().flatten() {
                left.outcome.audits = Vec::new();
                left.lease.shrink_to(left.outcome.held_bytes());
            }
        }
    }
    count_all(&nodes, &outcomes, &latencies, &mut wave_outcome);
    for (node, outcomes) in nodes.iter().zip(outcomes) {
        if wave_outcome.cut.contains(&node.query) {
            continue;
        }
        let deliveries = outcomes.into_iter().flatten().flat_map(|left| left.outcome.deliveries);
        wave_outcome.deliveries.extend(deliveries);
    }
    Ok(wave_outcome)
}

/// Adds up what the pipelines counted.
fn count_all(
    nodes: &[FlatNode],
    outcomes: &[Vec<Option<Left>>],
    latencies: &[Latencies],
    wave: &mut WaveOutcome,
) {
    for ((node, outcomes), latencies) in nodes.iter().zip(outcomes).zip(latencies) {
        if wave.per_query.len() <= node.query {
            wave.per_query.resize(node.query + 1, Statistics::default());
        }
        let mut of_node = NodeOutcome { query: node.query, ..NodeOutcome::default() };
        of_node.statistics.batch_latency_ns = latencies.clone();
        for Left { outcome, .. } in outcomes.iter().flatten() {
            of_node.statistics.add(&outcome.statistics);
            if let Some(measures) = &outcome.measures {
                of_node.measures.add(measures);
            }
        }
        wave.statistics.add(&of_node.statistics);
        wave.per_query[node.query].add(&of_node.statistics);
        wave.per_node.push(of_node);
    }
}

/// The first failure that is not merely what another one led to.
fn first_cause(mut failures: Vec<ControlError>) -> Option<ControlError> {
    if failures.is_empty() {
        return None;
    }
    let cause = failures.iter().position(|failure| !failure.is_consequence());
    Some(failures.swap_remove(cause.unwrap_or(0)))
}

/// The tasks of one level with their weights, in order of node, then partition; gathers receive
/// their children's sealed tables. Makes room for their outcomes.
fn take_tasks(
    nodes: &mut [FlatNode],
    outcomes: &mut [Vec<Option<Left>>],
    links: &[Vec<Links>],
    level: usize,
    (account, keeping): (&Arc<Account>, Option<&Keeping>),
) -> Vec<(Task, u64)> {
    let (mut tasks, mut first_rank) = (Vec::new(), 0);
    for (node_index, node) in nodes.iter_mut().enumerate().filter(|(_, node)| node.level == level) {
        let (mut sealed, mut covered) = (Vec::new(), Lease::new(account));
        for &child in &node.children {
            for Left { outcome, lease, .. } in outcomes[child].iter_mut().flatten() {
                if let Some(table) = outcome.sealed.take() {
                    covered.join(lease.split(table.state_bytes()));
                    sealed.push(table);
                }
            }
        }
        let of_links = links.get(node_index);
        // Whose outcomes are looked at one by one leave one each, and so do those that take turns.
        let blocks = if of_links.is_some() || node.are_splits || node.declared.is_some() {
            node.pipelines.places().map(|place| place..place + 1).collect()
        } else {
            node.pipelines.blocks()
        };
        outcomes[node_index] = blocks.iter().map(|_| None).collect();
        let rows_wanted = rows_wanted(node, of_links.is_some(), keeping);
        let enough = rows_wanted.map(|rows| Arc::new(Enough::new(rows)));
        for (block, places) in blocks.into_iter().enumerate() {
            let weights = &node.pipelines.weights[places.clone()];
            // Even an empty file costs something to open.
            let weight = weights.iter().map(|weight| weight.max(&1)).copied();
            let weight = weight.fold(0, u64::saturating_add);
            // Those that take turns are one each, and some of them may be over for good.
            let rank = if of_links.is_some() { tasks.len() } else { first_rank + places.start };
            let resident = keeping.map(|keeping| {
                let name = &node.pipelines.resident;
                let name = name.as_ref().expect("what is kept has a name");
                Resident::new(keeping, name, node.pipelines.number(places.start))
            });
            let opening = Opening {
                planned: Arc::clone(&node.pipelines),
                resident,
                links: of_links.map_or_else(Links::default, |of| of[places.start].clone()),
                places,
                sealed: std::mem::take(&mut sealed),
                lease: std::mem::replace(&mut covered, Lease::new(account)),
                ends_by_stop: node.ends_by_stop,
                enough: enough.clone(),
            };
            tasks.push((Task { id: (node_index, block), first_rank: rank, opening }, weight));
        }
        first_rank += node.pipelines.count();
    }
    tasks
}

/// The rows of a node that matter, where what is behind them need not be read: where others are waited for, kept, or held
/// against each other, all of it counts.
fn rows_wanted(node: &FlatNode, takes_turns: bool, keeping: Option<&Keeping>) -> Option<u64> {
    let is_cut_short = !takes_turns && keeping.is_none() && node.declared.is_none();
    node.pipelines.rows_wanted.filter(|_| is_cut_short)
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}

/// Of every pipeline of every node, whom it gives windows to and where it takes them, when all run at
/// once.
fn links(nodes: &[FlatNode]) -> Vec<Vec<Links>> {
    let mut links: Vec<Vec<Links>> =
        nodes.iter().map(|node| vec![Links::default(); node.pipelines.count()]).collect();
    for (at, gather) in nodes.iter().enumerate().filter(|(_, node)| !node.children.is_empty()) {
        let early_count = early_giver_count(nodes, at);
        let mut first_id = 0;
        let mut givers = Vec::new();
        for &child in &gather.children {
            for place in nodes[child].pipelines.places() {
                let late = nodes[child].pipelines.late(place);
                let id = match late {
                    Some(late) => late_giver_id(early_count, late.number),
                    None => first_id + count(place),
                };
                givers.push((id, child, place, late.map(|late| late.joined)));
            }
            first_id += count(nodes[child].pipelines.early_count());
        }
        let handover = Handover::new(givers.iter().map(|&(id, ..)| id));
        for (giver, child, place, joined) in givers {
            let gives = give_spec(&nodes[child], Arc::clone(&handover), giver, joined);
            links[child][place].gives = Some(gives);
        }
        links[at].iter_mut().for_each(|gather| gather.takes = Some(Arc::clone(&handover)));
    }
    links
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tidemill_record::{Offset, PartitionId, Position};

    use super::{ControlError, first_cause};

    #[test]
    fn the_first_failure_is_reported() {
        let failure = |partition| ControlError::Panicked {
            query: String::new(),
            source: String::new(),
            position: Position { partition: PartitionId(partition), offset: Offset(0) },
            message: partition.to_string(),
        };
        assert!(first_cause(Vec::new()).is_none());
        let first = first_cause(vec![failure(3), failure(5)]).unwrap();
        assert!(matches!(first, ControlError::Panicked { message, .. } if message == "3"));
    }
}
