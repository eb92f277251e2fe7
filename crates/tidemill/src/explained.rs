//! The plan of a query as people read it, with what was found of its input.

use tidemill_plan::{Fragment, FragmentInput};

use crate::discovery::Partition;
use crate::planning::PlannedQuery;

impl PlannedQuery {
    /// The plan as text, with what was found of the input.
    pub(crate) fn explain(&self) -> String {
        self.explain_behind(self.physical.to_string())
    }

    /// What was found of the input, behind the plan.
    pub(crate) fn explain_behind(&self, mut text: String) -> String {
        self.physical.fragments.iter().for_each(|fragment| explain_state(fragment, &mut text));
        let mut names: Vec<&String> = self.sources.keys().collect();
        names.sort_unstable();
        for name in names {
            let source = &self.sources[name];
            let is_read = |partition: &&Partition| !matches!(partition, Partition::Nothing);
            let count = source.partitions.iter().filter(is_read).count();
            if source.is_missing {
                text.push_str(&format!("input {name}: not there yet\n"));
                continue;
            }
            let what = if source.is_split { "split(s)" } else { "partition(s)" };
            text.push_str(&format!("input {name}: {count} {what}"));
            if source.excluded_count > 0 {
                let count = source.excluded_count;
                text.push_str(&format!(", {count} file(s) left out by their paths"));
            }
            if source.late.is_some() {
                text.push_str(", and each file that comes");
            }
            text.push('\n');
        }
        text
    }
}

/// What the stages hold, those nearest to the input first.
fn explain_state(fragment: &Fragment, text: &mut String) {
    if let FragmentInput::Gather { children, merge } = &fragment.input {
        children.iter().for_each(|child| explain_state(child, text));
        if let Some(held) = tidemill_aggregate::predicted_seal(merge) {
            text.push_str(&format!("state, sealed and gathered: {held}\n"));
        }
    }
    for held in fragment.stages.iter().filter_map(tidemill_aggregate::predicted_state) {
        text.push_str(&format!("state: {held}\n"));
    }
}
