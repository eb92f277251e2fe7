//! What runs together: the pipelines of queries that do not read each other's results.

use std::time::Duration;

use tidemill_pipeline::{InputSpec, PipelineSpec};

/// Queries that run together on the same cores.
pub struct Wave {
    /// One for each query and input of its top-level `UNION ALL`.
    pub roots: Vec<Root>,
    /// Some input may have no end: gathers run beside what they gather from, and are given windows as
    /// they close.
    pub has_no_end: bool,
    /// Bytes that all pipelines may hold together.
    pub budget_bytes: u64,
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
    pub pipelines: Vec<Planned>,
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

/// A pipeline and how heavy it is.
pub struct Planned {
    /// The pipeline.
    pub spec: PipelineSpec,
    /// Bytes it will read, or another measure of work; only the ratios matter.
    pub weight: u64,
    /// `idle.timeout` of the source: after so much time without a record it holds up none of those that
    /// are gathered with it.
    pub idle_timeout: Option<Duration>,
}

/// A node without its children, in the order of a depth-first walk that visits children first.
pub(crate) struct FlatNode {
    pub(crate) pipelines: Vec<Planned>,
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
pub(crate) fn flatten(wave: Wave) -> Vec<FlatNode> {
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
        children.is_empty()
            || matches!(
                node.pipelines.as_slice(),
                [Planned {
                    spec: PipelineSpec {
                        input: InputSpec::Sealed(..) | InputSpec::Closing(..),
                        ..
                    },
                    ..
                }]
            ),
        "a node with children is one gather pipeline",
    );
    let Node { pipelines, are_splits, declared, .. } = node;
    let (query, ends_by_stop) = of_root;
    flat.push(FlatNode { pipelines, children, are_splits, declared, level, query, ends_by_stop });
    flat.len() - 1
}
