//! Runs a query over lines of text, at many sizes of batch, and compares what comes out.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_pipeline::{
    Delivery, InputSpec, Outcome, Pipeline, PipelineError, PipelineSpec, Progress, Sealed,
    Statistics,
};
use tidemill_plan::{BadRecords, LateRecords};
use tidemill_record::EventTime;
use tidemill_sink::OutputDirectory;

use crate::planned::{Planned, Policy, Specs};

/// Sizes of batch that everything is tried at.
pub(crate) const BATCH_ROWS: [usize; 6] = [1, 2, 3, 7, 1000, 8192];

/// What a query came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    /// Results of all partitions, in order.
    pub(crate) rows: Vec<String>,
    /// Offset and reason of every dead letter, partition by partition.
    pub(crate) dead: Vec<String>,
    /// Of the lowest partition that failed, with its causes.
    pub(crate) error: Option<String>,
    pub(crate) records_in: u64,
    pub(crate) bad: u64,
    /// Records lost to every window, and to some.
    pub(crate) late: (u64, u64),
}

/// Runs a query over one partition, at every size of batch: these lines come out, then one for each dead
/// letter, then the error. All records are ready from the start.
pub(crate) fn check(query: &str, lines: &[&str], expected: &[&str]) -> Ran {
    check_with(query, Policy::default(), &[lines], expected)
}

/// The same over some partitions, by a policy.
pub(crate) fn check_with(
    query: &str,
    policy: Policy,
    partitions: &[&[&str]],
    expected: &[&str],
) -> Ran {
    let owned = |lines: &&[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    let partitions: Vec<Vec<String>> = partitions.iter().map(owned).collect();
    let ran = run_at_every_size(query, policy, &partitions);
    assert_eq!(ran.lines(), expected, "{query}");
    ran
}

/// What a query comes to, the same at every size of batch.
pub(crate) fn run_at_every_size(query: &str, policy: Policy, partitions: &[Vec<String>]) -> Ran {
    let planned = Planned::of(query, partitions.len());
    let run = |batch_rows| run(&planned, partitions, batch_rows, policy, usize::MAX);
    let [first, others @ ..] = BATCH_ROWS;
    let expected = run(first);
    for batch_rows in others {
        let found = run(batch_rows);
        assert_eq!(found, expected, "{query}, {batch_rows} rows a batch, {policy:?}");
    }
    expected
}

/// Runs every partition to its end, or at most so many turns of each, then the gather. Partitions run on
/// after another has failed, as `control` has it for those before it.
pub(crate) fn run(
    planned: &Planned,
    partitions: &[Vec<String>],
    batch_rows: usize,
    policy: Policy,
    turns_max: usize,
) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let letters = dead_letters(policy, folder.path());
    let Specs { scans, gather, written } =
        planned.specs(partitions, batch_rows, policy, letters.as_ref(), false);
    let mut ran = Ran::default();
    let (mut sealed, mut deliveries) = (Vec::new(), Vec::new());
    for spec in scans {
        if ran.error.is_none() {
            let outcome = ran.note(block_on(run_one(spec, turns_max, policy.budget_bytes)));
            let Some(outcome) = outcome else { continue };
            sealed.extend(outcome.sealed);
            deliveries.extend(outcome.deliveries);
        }
    }
    if let (Some(mut spec), None) = (gather, &ran.error) {
        if let InputSpec::Sealed(tables, ..) = &mut spec.input {
            *tables = sealed;
        }
        let outcome = ran.note(block_on(run_one(spec, usize::MAX, policy.budget_bytes)));
        deliveries.extend(outcome.into_iter().flat_map(|outcome| outcome.deliveries));
    }
    ran.collect(&written, deliveries, folder.path());
    ran
}

/// Runs every partition and the gather at once, in turns, as input without end does; the gather may read
/// what has closed.
pub(crate) fn run_live(planned: &Planned, partitions: &[Vec<String>], batch_rows: usize) -> Ran {
    let policy = Policy::default();
    let Specs { scans, gather, written } =
        planned.specs(partitions, batch_rows, policy, None, true);
    let mut ran = Ran::default();
    block_on(async {
        let mut gather = Pipeline::open(gather.unwrap(), None).await.unwrap();
        let mut givers = Vec::new();
        for spec in scans {
            givers.push((Some(Pipeline::open(spec, None).await.unwrap()), EventTime::MIN));
        }
        let mut through = vec![EventTime::MIN; givers.len()];
        loop {
            for (at, (giver, until)) in givers.iter_mut().enumerate() {
                let Some(pipeline) = giver else { continue };
                if pipeline.turn().await.unwrap() == Progress::Ended {
                    let outcome = drained(pipeline).await;
                    let sealed = ran.note(outcome).and_then(|outcome| outcome.sealed);
                    (*giver, *until) = (None, EventTime::MAX);
                    give(&mut gather, at, sealed, through[at]..EventTime::MAX);
                } else if let Some(closed) = pipeline.take_closed().unwrap() {
                    *until = closed.until;
                    let after = std::mem::replace(&mut through[at], pipeline.watermark());
                    give(&mut gather, at, Some(closed.sealed), after..through[at]);
                }
            }
            gather.all_have_passed(givers.iter().map(|(_, until)| *until).min().unwrap());
            match gather.turn().await.unwrap() {
                Progress::Ended => break ran.note(drained(&mut gather).await),
                Progress::Advanced(_) | Progress::Idle => {}
            }
        }
    });
    ran.collect(&written, Vec::new(), Path::new("none"));
    ran
}

/// Gives windows that end within a stretch of event time.
fn give(gather: &mut Pipeline, giver: usize, sealed: Option<Sealed>, within: Range<EventTime>) {
    if let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) {
        gather.add_sealed(giver as u64, sealed, within.start, within.end).unwrap();
    }
}

fn dead_letters(policy: Policy, folder: &Path) -> Option<Arc<OutputDirectory>> {
    let is_wanted = policy.bad == BadRecords::DeadLetter || policy.late == LateRecords::DeadLetter;
    let open = || OutputDirectory::open_dead_letters(folder).unwrap().without_flush();
    is_wanted.then(|| Arc::new(open()))
}

async fn run_one(
    spec: PipelineSpec,
    turns_max: usize,
    budget_bytes: u64,
) -> Result<Outcome, PipelineError> {
    let mut pipeline = Pipeline::open(spec, None).await?;
    for _ in 0..turns_max {
        pipeline.set_budget(budget_bytes);
        if pipeline.turn().await? == Progress::Ended {
            break;
        }
    }
    drained(&mut pipeline).await
}

async fn drained(pipeline: &mut Pipeline) -> Result<Outcome, PipelineError> {
    loop {
        if let Some(outcome) = pipeline.drain().await? {
            return Ok(outcome);
        }
    }
}

impl Ran {
    /// Results, then dead letters, then the error.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.rows.iter().chain(&self.dead).chain(&self.error).cloned().collect()
    }

    fn note(&mut self, outcome: Result<Outcome, PipelineError>) -> Option<Outcome> {
        match outcome {
            Ok(outcome) => {
                let Statistics { records_in, bad_records, late, .. } = &outcome.statistics;
                self.records_in += records_in;
                self.bad += bad_records;
                for counts in late.values() {
                    self.late = (self.late.0 + counts.lost, self.late.1 + counts.partly);
                }
                Some(outcome)
            }
            Err(error) => {
                let mut text = format!("error: {error}");
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    text.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                let advice = text.find("; set 'bad.records'").unwrap_or(text.len());
                text.truncate(advice);
                self.error.get_or_insert(text);
                None
            }
        }
    }

    fn collect(
        &mut self,
        written: &[Arc<std::sync::Mutex<Vec<u8>>>],
        deliveries: Vec<Delivery>,
        folder: &Path,
    ) {
        for bytes in written {
            let text = String::from_utf8(std::mem::take(&mut bytes.lock().unwrap())).unwrap();
            self.rows.extend(text.lines().map(str::to_owned));
        }
        if self.error.is_some() {
            return;
        }
        let directory = deliveries.first().map(|delivery| Arc::clone(&delivery.directory));
        let finished = deliveries.into_iter().map(|delivery| delivery.finished).collect();
        let Some(directory) = directory else { return };
        directory.publish(finished).unwrap();
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            self.dead.extend(text.lines().map(short_letter));
        }
    }
}

/// `dead PARTITION OFFSET REASON` of a line that [`tidemill_sink::DeadLetter`] wrote.
fn short_letter(line: &str) -> String {
    let between = |from: &str, to: &str| {
        let start = line.find(from).unwrap() + from.len();
        line[start..start + line[start..].find(to).unwrap()].to_owned()
    };
    let (partition, offset) = (between("\"partition\":", ","), between("\"offset\":", ","));
    format!("dead {partition} {offset} {}", between("\"reason\":\"", "\""))
}
