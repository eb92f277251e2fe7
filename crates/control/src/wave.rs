//! What runs together: the pipelines of queries that do not read each other's results.

use tidemill_pipeline::{InputSpec, PipelineSpec};

/// Queries that run together on the same cores.
pub struct Wave {
    /// The roots: one for each query and input of its top-level `UNION ALL`.
    pub roots: Vec<Node>,
}

/// A fragment of a query, and what feeds it.
pub struct Node {
    /// The fragment's pipelines in partition order; exactly one for a gather.
    pub pipelines: Vec<Planned>,
    /// Fragments whose sealed tables the gather merges, in order; empty for a scan.
    pub children: Vec<Self>,
    /// The pipelines read consecutive byte ranges of one file.
    pub are_splits: bool,
}

/// A pipeline and how heavy it is.
pub struct Planned {
    /// The pipeline.
    pub spec: PipelineSpec,
    /// Bytes it will read, or another measure of work; only the ratios matter.
    pub weight: u64,
}

/// A node without its children, in the order of a depth-first walk that visits children first.
pub(crate) struct FlatNode {
    pub(crate) pipelines: Vec<Planned>,
    /// Indices of the children in the flat order.
    pub(crate) children: Vec<usize>,
    pub(crate) are_splits: bool,
    /// 0 for scans; a gather is one above its highest child.
    pub(crate) level: usize,
}

/// Lays the trees of a wave out flat, children before parents.
pub(crate) fn flatten(wave: Wave) -> Vec<FlatNode> {
    let mut flat = Vec::new();
    for root in wave.roots {
        flatten_node(root, &mut flat);
    }
    flat
}

fn flatten_node(node: Node, flat: &mut Vec<FlatNode>) -> usize {
    let children: Vec<usize> =
        node.children.into_iter().map(|child| flatten_node(child, flat)).collect();
    let level = children.iter().map(|&child| flat[child].level + 1).max().unwrap_or(0);
    debug_assert!(
        children.is_empty()
            || matches!(
                node.pipelines.as_slice(),
                [Planned { spec: PipelineSpec { input: InputSpec::Sealed(..), .. }, .. }]
            ),
        "a node with children is one gather pipeline",
    );
    flat.push(FlatNode { pipelines: node.pipelines, children, are_splits: node.are_splits, level });
    flat.len() - 1
}
