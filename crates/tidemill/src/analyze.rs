//! `EXPLAIN ANALYZE`: a plan with what each of its steps took in, gave and cost.

use std::time::Duration;

use tidemill_control::NodeOutcome;
use tidemill_pipeline::{Measures, Statistics, StepMeasure};
use tidemill_plan::{Fragment, FragmentInput, PlanStep, SinkConnector};

use crate::discovery::{Discovered, Partition};
use crate::figures::{bytes, duration, grouped};
use crate::planning::PlannedQuery;

/// What the queries that ran together took.
pub(crate) struct Totals<'a> {
    pub(crate) took: Duration,
    pub(crate) cpus: &'a [usize],
    /// By place in `cpus`.
    pub(crate) cpu_times: &'a [Duration],
}

impl Totals<'_> {
    /// The lines below a plan.
    pub(crate) fn line(&self, counted: &Statistics) -> String {
        let (records, rows) = (counted.records_in, counted.rows_out);
        let took = self.took.as_secs_f64();
        let cores = self.cpus.iter().zip(self.cpu_times);
        let cores: Vec<String> =
            cores.map(|(cpu, &time)| format!("{} on core {cpu}", duration(time))).collect();
        format!(
            "ran in {took:.3} s: {records} records in, {rows} rows out\nCPU time: {}\n",
            cores.join(", ")
        )
    }
}

/// What a query did.
pub(crate) struct Analysis<'a> {
    query: &'a PlannedQuery,
    /// By number of the fragment: children before the gather that reads them.
    nodes: Vec<&'a NodeOutcome>,
    fragments: Vec<&'a Fragment>,
    /// What all steps took together.
    time: Duration,
}

impl<'a> Analysis<'a> {
    /// `nodes` are those of the query, in the order in which a wave gives them.
    pub(crate) fn new(query: &'a PlannedQuery, nodes: Vec<&'a NodeOutcome>) -> Self {
        let mut fragments = Vec::new();
        query.physical.fragments.iter().for_each(|root| number(root, &mut fragments));
        debug_assert_eq!(fragments.len(), nodes.len(), "a node for each fragment");
        let time = nodes.iter().map(|node| time_of(&node.measures)).sum();
        Self { query, nodes, fragments, time }
    }

    /// The plan, with a line below each step.
    pub(crate) fn plan(&self) -> String {
        self.query.physical.annotated(|step| Some(self.note(step)))
    }

    fn note(&self, step: PlanStep) -> String {
        match step {
            PlanStep::Sink => self.sink(),
            PlanStep::Stage { fragment, stage } => {
                let measures = &self.nodes[fragment].measures;
                self.step(measures.steps.get(self.step_of(fragment, stage)))
            }
            PlanStep::Gather { fragment } => self.gather(&self.nodes[fragment].measures),
            PlanStep::Seal { fragment } => {
                let seal = self.nodes[fragment].measures.seal;
                let (rows, held) = (counted(seal.rows_in, "row"), held(&seal));
                format!("{rows} in{held}, {}", self.share(seal.time))
            }
            PlanStep::Scan { fragment } => self.scan(fragment),
        }
    }

    fn step(&self, measure: Option<&StepMeasure>) -> String {
        let Some(measure) = measure else { return "not run".to_owned() };
        let (rows_in, rows_out) =
            (counted(measure.rows_in, "row"), counted(measure.rows_out, "row"));
        let (held, time) = (held(measure), self.share(measure.time));
        format!("{rows_in} in, {rows_out} out{held}, {time}")
    }

    /// The step of a fragment's pipelines that a stage became. Behind the stages of event time come those of
    /// the scan's filter.
    fn step_of(&self, fragment: usize, stage: usize) -> usize {
        let before = self.fragments[fragment].stages_before_conditions();
        if stage < before { stage } else { stage + self.filter_count(fragment) }
    }

    fn filter_count(&self, fragment: usize) -> usize {
        match &self.fragments[fragment].input {
            FragmentInput::Scan(scan) => scan.conditions().len(),
            FragmentInput::Gather { .. } => 0,
        }
    }

    /// All pipelines that write are of the roots.
    fn sink(&self) -> String {
        let (mut rows, mut written, mut files, mut time) = (0, 0, 0, Duration::ZERO);
        for node in &self.nodes {
            rows += node.measures.sink.rows_in;
            written += node.statistics.bytes_out;
            files += node.measures.files;
            time += node.measures.sink.time;
        }
        let (rows, time) = (counted(rows, "row"), self.share(time));
        match &self.query.physical.sink.connector {
            SinkConnector::File(_) => {
                let files = counted(files, "file");
                format!("{rows}, {} in {files}, {time}", bytes(written))
            }
            SinkConnector::Stdout(Some(_)) => format!("{rows}, {}, {time}", bytes(written)),
            SinkConnector::Stdout(None) | SinkConnector::Discard(_) | SinkConnector::Registered => {
                format!("{rows}, {time}")
            }
        }
    }

    fn gather(&self, measures: &Measures) -> String {
        let input = &measures.input;
        format!(
            "{}, {} groups and rows in, {} out, {}",
            counted(measures.tables, "table"),
            grouped(input.rows_in),
            counted(input.rows_out, "row"),
            self.share(input.time),
        )
    }

    fn scan(&self, fragment: usize) -> String {
        let FragmentInput::Scan(scan) = &self.fragments[fragment].input else {
            unreachable!("only a fragment of a scan is asked for it");
        };
        let NodeOutcome { statistics, measures, .. } = self.nodes[fragment];
        let found = &self.query.sources[&scan.source.name];
        let mut text = read_from(found, measures);
        if statistics.bytes_in > 0 {
            text.push_str(&format!(", {}", bytes(statistics.bytes_in)));
        }
        text.push_str(&format!(", {}", counted(statistics.records_in, "record")));
        text.push_str(&left_aside(statistics));
        let first = self.fragments[fragment].stages_before_conditions();
        let filters = measures.steps.iter().skip(first).take(self.filter_count(fragment));
        let rows_out =
            filters.clone().next_back().map_or(measures.input.rows_out, |last| last.rows_out);
        text.push_str(&format!(", {} out", counted(rows_out, "row")));
        text.push_str(&format!(", read {}", self.share(measures.read_time)));
        text.push_str(&format!(", decode {}", self.share(measures.input.time)));
        if filters.len() > 0 {
            let time = filters.map(|filter| filter.time).sum();
            text.push_str(&format!(", where {}", self.share(time)));
        }
        text
    }

    /// A time, and how much of all that is.
    #[expect(clippy::cast_precision_loss, reason = "shown without a fraction")]
    fn share(&self, time: Duration) -> String {
        let percent = 100.0 * time.as_nanos() as f64 / (self.time.as_nanos() as f64).max(1.0);
        format!("{} ({percent:.0} %)", duration(time))
    }
}

fn number<'a>(fragment: &'a Fragment, fragments: &mut Vec<&'a Fragment>) {
    if let FragmentInput::Gather { children, .. } = &fragment.input {
        children.iter().for_each(|child| number(child, fragments));
    }
    fragments.push(fragment);
}

fn time_of(measures: &Measures) -> Duration {
    let steps: Duration = measures.steps.iter().map(|step| step.time).sum();
    let edges = measures.input.time + measures.read_time + measures.sink.time;
    steps + edges + measures.seal.time
}

/// What a step held, if it holds anything.
fn held(measure: &StepMeasure) -> String {
    if measure.state_bytes == 0 {
        return String::new();
    }
    format!(", at most {} held in {}", grouped(measure.groups), bytes(measure.state_bytes))
}

/// Files, or what else the input consists of.
fn read_from(found: &Discovered, measures: &Measures) -> String {
    let partitions = u64::try_from(found.partitions.len()).expect("a usize fits u64");
    let mut paths: Vec<_> =
        found.partitions.iter().filter_map(Partition::file).map(|file| &file.path).collect();
    paths.sort_unstable();
    paths.dedup();
    if paths.is_empty() {
        return counted(partitions, "partition");
    }
    let mut text = counted(u64::try_from(paths.len()).expect("a usize fits u64"), "file");
    if found.is_split {
        text.push_str(&format!(" in {partitions} splits"));
    }
    let groups = found.partitions.iter().filter_map(Partition::row_group_count);
    if let Some(all) = groups.reduce(|one, another| one + another) {
        text.push_str(&format!(", {} of {all} row groups", grouped(measures.row_groups)));
    }
    text
}

/// What did not become rows, where anything did not.
fn left_aside(statistics: &Statistics) -> String {
    let late: u64 = statistics.late.values().map(|counts| counts.lost).sum();
    let partly: u64 = statistics.late.values().map(|counts| counts.partly).sum();
    let counts = [(statistics.bad_records, "bad"), (late, "late"), (partly, "partly late")];
    let said = counts.iter().filter(|(count, _)| *count > 0);
    said.map(|(count, what)| format!(", {} {what}", grouped(*count))).collect()
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}
