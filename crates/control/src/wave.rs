//! What runs together: the pipelines of queries that do not read each other's results.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tidemill_pipeline::{PipelineError, PipelineSpec};

use crate::{Arrivals, Keeping, Late, ResidentName};

/// Queries that run together on the same cores.
pub struct Wave<'a> {
    /// One for each query and input of its top-level `UNION ALL`.
    pub roots: Vec<Root>,
    /// Some input may have no end: gathers run beside what they gather from, and are given windows as
    /// they close.
    pub has_no_end: bool,
    /// Bytes that all pipelines may hold together.
    pub budget_bytes: u64,
    /// Where checkpoints go, if there are to be any; every fragment has a name then.
    pub keeping: Option<Keeping>,
    /// Who finds input that comes meanwhile, where some may and nothing of it has an end.
    pub arrivals: Option<&'a mut dyn Arrivals>,
}

/// A fragment whose pipelines write to the sink of a query.
pub struct Root {
    /// The fragment.
    pub node: Node,
    /// Which of the wave's queries it belongs to, counted from zero.
    pub query: usize,
    /// The input of the query has no end: a stop is one, and what was read by then is all of it. Of other
    /// queries a stop leaves nothing.
    pub ends_by_stop: bool,
    /// Its writers wait for those of the ordered roots before it (standard output), so it must not
    /// start before them.
    pub is_ordered: bool,
}

/// A fragment of a query, and what feeds it.
pub struct Node {
    /// The fragment's pipelines in partition order; exactly one for a gather.
    pub pipelines: Planned,
    /// Fragments whose sealed tables the gather merges, in order; empty for a scan.
    pub children: Vec<Self>,
    /// The pipelines read consecutive byte ranges of one file.
    pub are_splits: bool,
    /// What their source declares of its partitions; `None` of a gather, and where nothing is.
    pub declared: Option<DeclaredKeys>,
}

/// Keys that never stand in two partitions, as a source declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredKeys {
    /// Names of the columns, separated by commas.
    pub columns: String,
    /// Whether the job fails where that does not hold; else it is a warning.
    pub is_fatal: bool,
}

/// Makes the pipeline of a partition, on the core that runs it and when its turn has come: once for each at
/// most. What a gather merges is added to it.
pub type MakePipeline = dyn Fn(usize) -> Result<PipelineSpec, PipelineError> + Send + Sync;

/// The pipelines of a fragment, of which none is there before its turn: a million files take a number each.
pub struct Planned {
    /// The name of the query's sink, for messages.
    pub query: String,
    /// The name of the source, for messages; empty for a gather.
    pub source: String,
    /// What each will read in bytes, or another measure of work; only the ratios matter.
    pub weights: Vec<u64>,
    /// The last of them, as many as these, came while others ran.
    pub late: Vec<Late>,
    /// More may come while they run, and those of them are over whose input is gone for good.
    pub is_open_ended: bool,
    /// Places of those that an earlier run has found to be over for good: they are neither made nor run.
    pub retired: BTreeSet<usize>,
    /// Makes each of them. Where one cannot be made, those that wait for its output must have been told.
    pub make: Box<MakePipeline>,
    /// They merge what others have sealed.
    pub is_gather: bool,
    /// They end in a table that a gather merges.
    pub is_sealed: bool,
    /// Neither their stages nor that table ask where one partition ends and the next begins: the input of one may
    /// follow that of another.
    pub is_chained: bool,
    /// Their input has them wait for whoever gives it, perhaps for ever, and none of them waits for another to write: those
    /// of a core take turns also where input ends.
    pub may_wait: bool,
    /// Of the rows that they seal, in order of partitions, only the first so many matter, if that is known: what those behind
    /// them read, fail at or warn of is not wanted.
    pub rows_wanted: Option<u64>,
    /// The length of the windows that they seal, in microseconds; 0 where none are.
    pub window_us: i64,
    /// `idle.timeout` of the source: after so much time without a record it holds up none of those that
    /// are gathered with it.
    pub idle_timeout: Option<Duration>,
    /// As what its pipelines are kept, where they are.
    pub resident: Option<ResidentName>,
}

/// A fragment of more pipelines than this is run in blocks.
const SINGLE_MAX: usize = 512;
/// Pipelines of a block.
const BLOCK_MAX: usize = 256;
/// What the pipelines of a block weigh together; a heavier one is a block by itself.
const BLOCK_WEIGHT_MAX: u64 = 1 << 20;

/// Inputs that weigh less are small: one pipeline reads those that follow each other.
const SMALL_WEIGHT_MAX: u64 = 1 << 20;
/// What it takes to come from one to the next, by the bytes that could be read meanwhile.
const NEXT_WEIGHT: u64 = 16 << 10;
/// What a run of small inputs weighs at least, if there are to be more than [`RUN_COUNT_FEW`], and if there are to be
/// several at all: what few inputs hold is read by several cores, and of many no more tables are held than of one
/// file with as much in it.
const RUN_WEIGHT_MIN: u64 = 64 << 20;
const RUN_WEIGHT_LEAST: u64 = 1 << 20;
/// So many runs there are of whatever is large enough for them.
const RUN_COUNT_FEW: u64 = 4;
/// Runs at most.
const RUN_COUNT_MAX: u64 = 32;

impl Planned {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.weights.len()
    }

    /// The places of those that are run.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.count()).filter(|place| !self.retired.contains(place))
    }

    /// How many were there when the job began.
    pub(crate) fn early_count(&self) -> usize {
        self.weights.len() - self.late.len()
    }

    /// Of one that came later, what is known of that.
    pub(crate) fn late(&self, place: usize) -> Option<Late> {
        place.checked_sub(self.early_count()).map(|at| self.late[at])
    }

    /// By which number a pipeline is kept: its place, as it was when the job began.
    pub(crate) fn number(&self, place: usize) -> usize {
        match self.late(place) {
            None => place,
            Some(late) => {
                let number = usize::try_from(late.number);
                self.early_count() + number.expect("usize is at least 32 bits")
            }
        }
    }

    /// Runs of pipelines that one core runs one after the other, and of which it leaves one outcome. What a run
    /// seals is merged there, so that many small files take no table each until all have been read. Where the
    /// runs are cut depends on the input alone: on how many cores there are no result may depend.
    pub(crate) fn blocks(&self) -> Vec<Range<usize>> {
        if self.is_chained {
            return self.runs();
        }
        let mut blocks: Vec<Range<usize>> = Vec::new();
        let mut block_weight = 0_u64;
        for (place, weight) in self.weights.iter().enumerate() {
            match blocks.last_mut() {
                Some(block)
                    if self.count() > SINGLE_MAX
                        && block.len() < BLOCK_MAX
                        && block_weight.saturating_add(*weight) <= BLOCK_WEIGHT_MAX =>
                {
                    block.end += 1;
                    block_weight += weight;
                }
                _ => {
                    blocks.push(place..place + 1);
                    block_weight = *weight;
                }
            }
        }
        blocks
    }

    /// Runs of small inputs, each of about the same weight, and each other input by itself. As above, they follow
    /// from the input alone: a run has one table, so that floating-point sums are added up through it.
    fn runs(&self) -> Vec<Range<usize>> {
        let small = |weight: u64| (weight < SMALL_WEIGHT_MAX).then(|| weight + NEXT_WEIGHT);
        let all: u64 = self.weights.iter().filter_map(|&weight| small(weight)).sum();
        let many = (all / RUN_WEIGHT_MIN).min(RUN_COUNT_MAX);
        let few = (all / RUN_WEIGHT_LEAST).min(RUN_COUNT_FEW);
        let run_count = 1_u64 << many.max(few).max(1).ilog2();
        let run_weight = all.div_ceil(run_count);
        let mut runs: Vec<Range<usize>> = Vec::new();
        // What the small ones before weigh, and which run the last of them is in.
        let (mut before, mut last) = (0, None);
        for (place, &weight) in self.weights.iter().enumerate() {
            let Some(weight) = small(weight) else {
                runs.push(place..place + 1);
                last = None;
                continue;
            };
            let run = before / run_weight;
            before += weight;
            match runs.last_mut() {
                Some(open) if last == Some(run) => open.end += 1,
                _ => runs.push(place..place + 1),
            }
            last = Some(run);
        }
        runs
    }
}

/// A node without its children, in the order of a depth-first walk that visits children first.
pub(crate) struct FlatNode {
    pub(crate) pipelines: Arc<Planned>,
    /// Indices of the children in the flat order.
    pub(crate) children: Vec<usize>,
    pub(crate) are_splits: bool,
    pub(crate) declared: Option<DeclaredKeys>,
    /// Nodes of a level run together, after those of the level below. A scan is at 0, a gather one
    /// above its highest child, and an ordered root not below the ordered roots before it.
    pub(crate) level: usize,
    /// Which of the wave's queries it belongs to.
    pub(crate) query: usize,
    /// As of its root.
    pub(crate) ends_by_stop: bool,
}

/// Lays the trees of a wave out flat, children before parents.
pub(crate) fn flatten(wave: Wave<'_>) -> Vec<FlatNode> {
    let mut flat = Vec::new();
    let mut level_min = 0;
    let has_no_end = wave.has_no_end;
    for Root { node, query, ends_by_stop, is_ordered } in wave.roots {
        let root = flatten_node(node, (query, ends_by_stop), &mut flat);
        if is_ordered {
            level_min = flat[root].level.max(level_min);
            flat[root].level = level_min;
        }
    }
    if has_no_end {
        flat.iter_mut().for_each(|node| node.level = 0);
    }
    flat
}

fn flatten_node(node: Node, of_root: (usize, bool), flat: &mut Vec<FlatNode>) -> usize {
    let children: Vec<usize> =
        node.children.into_iter().map(|child| flatten_node(child, of_root, flat)).collect();
    let level = children.iter().map(|&child| flat[child].level + 1).max().unwrap_or(0);
    debug_assert!(
        children.is_empty() || (node.pipelines.is_gather && node.pipelines.count() == 1),
        "a node with children is one gather pipeline",
    );
    let Node { pipelines, are_splits, declared, .. } = node;
    let pipelines = Arc::new(pipelines);
    let (query, ends_by_stop) = of_root;
    flat.push(FlatNode { pipelines, children, are_splits, declared, level, query, ends_by_stop });
    flat.len() - 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{BLOCK_MAX, BLOCK_WEIGHT_MAX, Planned, SINGLE_MAX, SMALL_WEIGHT_MAX};

    fn planned(weights: Vec<u64>) -> Planned {
        Planned {
            query: String::new(),
            source: String::new(),
            weights,
            late: Vec::new(),
            is_open_ended: false,
            retired: BTreeSet::new(),
            make: Box::new(|_| unreachable!("none is made")),
            is_gather: false,
            is_sealed: true,
            is_chained: false,
            may_wait: false,
            rows_wanted: None,
            window_us: 0,
            idle_timeout: None,
            resident: None,
        }
    }

    #[test]
    fn few_pipelines_are_blocks_by_themselves() {
        let blocks = planned(vec![1; SINGLE_MAX]).blocks();
        assert!(blocks.len() == SINGLE_MAX && blocks.iter().all(|block| block.len() == 1));
        assert!(planned(Vec::new()).blocks().is_empty());
    }

    #[test]
    fn many_small_ones_share_a_block_and_large_ones_have_their_own() {
        let mut weights = vec![1; 3 * BLOCK_MAX];
        weights[10] = 5 * BLOCK_WEIGHT_MAX;
        weights[20] = u64::MAX;
        let blocks = planned(weights).blocks();
        // 0..10, the heavy one alone, 11..20, the other heavy one, then 256 at a time.
        let lengths: Vec<usize> = blocks.iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lengths, [10, 1, 9, 1, 256, 256, 235]);
        assert!(blocks.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn small_inputs_follow_each_other_in_few_runs() {
        let runs = |weights: Vec<u64>| Planned { is_chained: true, ..planned(weights) }.blocks();
        let lengths = |weights: Vec<u64>| {
            let runs = runs(weights);
            assert!(runs.windows(2).all(|pair| pair[0].end == pair[1].start));
            runs.iter().map(ExactSizeIterator::len).collect::<Vec<_>>()
        };
        assert!(runs(Vec::new()).is_empty());
        assert_eq!(lengths(vec![10; 5]), [5]);
        // 16 KiB each to come there: 400 are 6 MiB, of which there are four runs.
        assert_eq!(lengths(vec![0; 400]), [100; 4]);
        // Ten thousand of 30 KiB are 439 MiB, of which 64 MiB go into four runs and not into eight.
        assert_eq!(lengths(vec![30 << 10; 10_000]), [2500; 4]);
        assert_eq!(lengths(vec![0; 1_000_000]), [31_250; 32]);
        // A large one is by itself, and parts those before it from those behind.
        let mut weights = vec![10; 5];
        weights[2] = SMALL_WEIGHT_MAX;
        assert_eq!(lengths(weights), [2, 1, 2]);
        assert_eq!(lengths(vec![u64::MAX; 3]), [1, 1, 1]);
    }
}
