//! From the text of a query to the pipelines that run it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tidemill_expr::{Context, evaluate_constant};
use tidemill_pipeline::{BadRecordSpec, InputSpec, OutputSpec, PipelineSpec};
use tidemill_plan::{
    BadRecords, Fragment, FragmentInput, LateRecords, Merge, Partitioning, Scan, Settings, Stage,
    fragment,
};
use tidemill_record::{EventTime, PartitionId, Schema};
use tidemill_rt::Backend;
use tidemill_sink::OutputDirectory;
use tidemill_sql::{Catalog, parse};

use crate::rows::{Lines, Written};

/// What every query may read: `t`, without a watermark; `w`, whose watermark is two seconds behind;
/// `c`, the same, with windows that take corrections for ten seconds. `k` is nobody else's partition's.
const SOURCES: [(&str, &str, &str); 3] = [
    ("t", "", ""),
    ("w", ", WATERMARK FOR t AS t - INTERVAL '2' SECOND", ""),
    ("c", ", WATERMARK FOR t AS t - INTERVAL '2' SECOND", "'allowed.lateness' = '10s',"),
];

/// What becomes of bad and late records, and how much memory there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) bad: BadRecords,
    pub(crate) late: LateRecords,
    pub(crate) budget_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { bad: BadRecords::Fail, late: LateRecords::Drop, budget_bytes: 1 << 30 }
    }
}

/// A query that is ready to run over some partitions.
pub(crate) struct Planned {
    pub(crate) root: Fragment,
    schema: Schema,
}

/// The pipelines that are made of it, and where their results can be read.
pub(crate) struct Specs {
    pub(crate) scans: Vec<PipelineSpec>,
    pub(crate) gather: Option<PipelineSpec>,
    /// One for each pipeline that writes.
    pub(crate) written: Vec<Arc<Mutex<Vec<u8>>>>,
}

impl Planned {
    /// Plans a query over so many partitions.
    pub(crate) fn of(query: &str, partition_count: usize) -> Self {
        let mut script = String::new();
        for (name, watermark, options) in SOURCES {
            script.push_str(&format!(
                "CREATE SOURCE {name} (k VARCHAR, v BIGINT, t TIMESTAMP{watermark}) PARTITIONED BY (k) \
                 WITH ({options} 'connector' = 'file', 'path' = 'none', 'format' = 'csv');\n"
            ));
        }
        script.push_str(query);
        let catalog = Catalog {
            settings: Settings::default(),
            inferred: Vec::new(),
            registered_sources: HashMap::new(),
            written: HashMap::new(),
            registered_sinks: HashSet::new(),
            declared: Vec::new(),
            functions: HashMap::new(),
            parameters: None,
            aggregates: HashMap::new(),
            fold: |expr| evaluate_constant(expr, &Context { job_start: EventTime(0) }),
            prepare: |_| Ok(()),
        };
        let bound = parse(&script).and_then(|parsed| parsed.bind(&catalog));
        let bound = bound.unwrap_or_else(|errors| panic!("{}", errors.render(&script, "test")));
        let partitioning = Partitioning::of(Some(u32::try_from(partition_count).unwrap()));
        let physical = fragment(&bound.queries[0], &|_| partitioning.clone());
        let mut physical = physical.unwrap_or_else(|refusal| panic!("{}", refusal.message));
        assert_eq!(physical.fragments.len(), 1, "one input at a time");
        Self { root: physical.fragments.remove(0), schema: physical.schema }
    }

    /// The pipelines, with dead letters in a directory where there is one.
    pub(crate) fn specs(
        &self,
        partitions: &[Vec<String>],
        batch_rows: usize,
        policy: Policy,
        dead: Option<&Arc<OutputDirectory>>,
        is_live: bool,
    ) -> Specs {
        let mut building =
            Building { written: Vec::new(), batch_rows, policy, dead, planned: self };
        let (scan_fragment, merge) = match &self.root.input {
            FragmentInput::Scan(_) => (&self.root, None),
            FragmentInput::Gather { children, merge } => {
                assert_eq!(children.len(), 1, "one input at a time");
                (&children[0], Some(merge))
            }
        };
        let scans: Vec<PipelineSpec> = (0..)
            .zip(partitions)
            .map(|(at, lines)| building.scan(scan_fragment, PartitionId(at), lines, merge))
            .collect();
        let gather = merge.map(|merge| {
            let input = match is_live {
                true => InputSpec::Closing(merge.clone()),
                false => InputSpec::Sealed(Vec::new(), merge.clone(), None),
            };
            let number = u32::try_from(scans.len()).unwrap();
            building.pipeline("", PartitionId(0), input, self.root.stages.clone(), None, number)
        });
        Specs { scans, gather, written: building.written }
    }
}

struct Building<'a> {
    written: Vec<Arc<Mutex<Vec<u8>>>>,
    batch_rows: usize,
    policy: Policy,
    dead: Option<&'a Arc<OutputDirectory>>,
    planned: &'a Planned,
}

impl Building<'_> {
    fn scan(
        &mut self,
        fragment: &Fragment,
        partition: PartitionId,
        lines: &[String],
        merge: Option<&Merge>,
    ) -> PipelineSpec {
        let FragmentInput::Scan(Scan { source, columns, filter }) = &fragment.input else {
            panic!("gathers of gathers are not made here");
        };
        let input = InputSpec::Columns(Box::new(Lines::new(lines, columns)));
        let mut stages = fragment.stages.clone();
        let first = fragment.stages_before_conditions();
        stages.splice(first..first, filter.clone().map(Stage::Filter));
        self.pipeline(&source.name, partition, input, stages, merge, partition.0)
    }

    fn pipeline(
        &mut self,
        source: &str,
        partition: PartitionId,
        input: InputSpec,
        stages: Vec<Stage>,
        seal: Option<&Merge>,
        number: u32,
    ) -> PipelineSpec {
        let output = match seal {
            Some(merge) => OutputSpec::Seal(merge.clone()),
            None => {
                let (writer, bytes) = Written::new(&self.planned.schema);
                self.written.push(bytes);
                OutputSpec::Columns(Box::new(writer))
            }
        };
        let Policy { bad, late, .. } = self.policy;
        let dead_letters = self.dead.map(|directory| (Arc::clone(directory), number));
        PipelineSpec {
            query: "q".to_owned(),
            source: source.to_owned(),
            partition,
            backend: Backend::Std,
            input,
            stages,
            output,
            bad_records: BadRecordSpec {
                policy: bad,
                late_records: late,
                dead_letters,
                rolling_interval: None,
            },
            context: Context { job_start: EventTime(0) },
            batch_rows: self.batch_rows,
            is_measured: false,
            is_kept: false,
            resume: None,
        }
    }
}
