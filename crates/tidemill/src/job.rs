//! A checked script, and its run from the first wave to the published results.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use tidemill_control::{
    Arrivals, ControlError, CoreMeter, Cores, Root, StopFlag, Wave, WaveOutcome,
};
use tidemill_expr::Context;
use tidemill_pipeline::{Delivery, PipelineError, Statistics};
use tidemill_plan::relation::Explain;
use tidemill_plan::{
    CoreSet, Query, RuntimeChoice, Script, Settings, SinkConnector, SourceConnector,
};
use tidemill_record::{EventTime, PartitionId, Schema};
use tidemill_rt::{Hold, allow_descriptors};
use tidemill_sink::Target;
use tidemill_source::{meant, pipe_key};
use tidemill_sql::Declared;

use crate::analyze::{Analysis, Totals};
use crate::budget::default_budget_bytes;
use crate::directories::Directories;
use crate::error::Place;
use crate::known_inputs::KnownInputs;
use crate::late_files::Watcher;
use crate::left_out;
use crate::line_labels::LineLabels;
use crate::locate::line_of;
use crate::planning::{Look, PlannedQuery, Surroundings, WaveBuilder};
use crate::query::{self, End, Progress};
use crate::refusals::refuse_loops;
use crate::runtime::Runtime;
use crate::session::read_once;
use crate::splits::may_do_without_splits;
use crate::state::{JobState, Recovery};
use crate::summary::{CoreSummary, Kept, Summary};
use crate::wave::waves;
use crate::{Error, StdoutLayout};

/// A checked script, ready to run.
pub struct Job {
    script: Script,
    around: Surroundings,
    declared: Vec<Declared>,
    recovery: Recovery,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sinks = self.script.queries.iter().map(|query| &query.sink.name);
        f.debug_struct("Job").field("queries", &sinks.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// How far a wave has come.
enum Ran {
    ToItsEnd,
    /// Files that were read as splits have to be read as one partition each. Nothing was given away.
    InVain,
}

/// What the waves of a run share.
struct Run<'a> {
    cores: &'a Cores,
    budget_bytes: u64,
    context: Context,
    stop: &'a StopFlag,
    progress: &'a Progress,
    directories: Directories,
    /// Where its settings name a directory for it.
    state: Option<JobState>,
    hold: Hold,
}

impl Job {
    pub(crate) fn new(script: Script, around: Surroundings, declared: Vec<Declared>) -> Self {
        Self { script, around, declared, recovery: Recovery::default() }
    }

    /// How it begins where its settings name a state directory.
    #[must_use]
    pub fn recovering(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// What the script declares, for [`crate::Declarations`].
    #[must_use]
    pub fn declared(&self) -> &[Declared] {
        &self.declared
    }

    /// The session's settings, and what the script has set of them.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.script.settings
    }

    /// Names and types of what each query gives, in script order.
    #[must_use]
    pub fn results(&self) -> Vec<Schema> {
        self.script.queries.iter().map(|query| query.relation.schema()).collect()
    }

    /// The sinks of files that it writes, with the columns of what it writes there.
    #[must_use]
    pub fn written(&self) -> Vec<(String, Schema)> {
        let queries = self.script.queries.iter().filter(|query| query.explain != Explain::Plan);
        let of_files =
            queries.filter(|query| matches!(query.sink.connector, SinkConnector::File(_)));
        of_files.map(|query| (query.sink.name.clone(), query.relation.schema())).collect()
    }

    /// The plan of every query, as `EXPLAIN` prints it. Looks at the input, touches nothing.
    ///
    /// # Errors
    /// Input that is missing, and queries that cannot run on its partitions.
    pub fn explain(&self) -> Result<String, Error> {
        let mut text = String::new();
        for query in &self.script.queries {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(
                &PlannedQuery::plan_to_show(query, &self.around, started_now())?.explain(),
            );
        }
        Ok(text)
    }

    /// Whether every query can run on its input as it is now. Input that is not there yet is not
    /// held against it.
    ///
    /// # Errors
    /// Queries that cannot run on the partitions of their input, or would never begin.
    pub fn check(&self) -> Result<(), Error> {
        self.waves()?;
        self.check_paths()?;
        for query in &self.script.queries {
            let (now, none) = (started_now(), KnownInputs::new());
            match PlannedQuery::plan(query, &self.around, now, Look::MaySplit, &none) {
                Err(error) if !error.is_about_input() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether every pipe is read once, and nothing is read for ever that the job writes itself.
    fn check_paths(&self) -> Result<(), Error> {
        let running = self.script.queries.iter().filter(|query| query.explain != Explain::Plan);
        refuse_loops(&running.collect::<Vec<_>>())?;
        let mut seen = HashSet::new();
        for query in self.script.queries.iter().filter(|query| query.explain != Explain::Plan) {
            for scan in query.relation.scans() {
                let SourceConnector::File(file) = &scan.source.connector else { continue };
                let Some(pipe) = pipe_key(meant(&file.path)) else { continue };
                if !seen.insert(pipe) {
                    return Err(Error::usage(format!(
                        "{} is a pipe, and a pipe is read once; here it is to be read twice, by {}: \
                         write what it gives to a file first",
                        file.path, query.sink.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// Whether every query that runs prints to standard output, so that nothing is left to do once
    /// nobody reads that any more ([`Error::is_output_closed`]).
    #[must_use]
    pub fn only_prints(&self) -> bool {
        self.prints_each().all(|prints| prints)
    }

    /// Whether some query that runs prints to standard output.
    #[must_use]
    pub fn prints(&self) -> bool {
        self.prints_each().any(|prints| prints)
    }

    /// Of each query that runs, whether it prints to standard output.
    fn prints_each(&self) -> impl Iterator<Item = bool> {
        let running = self.script.queries.iter().filter(|query| query.explain != Explain::Plan);
        running.map(|query| matches!(query.sink.connector, SinkConnector::Stdout(_)))
    }

    /// Runs to the end of the input on the calling thread and the job's cores.
    ///
    /// # Errors
    /// [`Error`]; no result of a failed wave is visible.
    pub fn run(self) -> Result<Summary, Error> {
        self.run_on(None, &StopFlag::new(), &Progress::default())
    }

    /// As [`Self::run`], until its input ends or it is asked to stop.
    ///
    /// # Errors
    /// [`Error`]; no result of a failed wave is visible.
    pub fn run_until(self, stop: &StopFlag) -> Result<Summary, Error> {
        self.run_on(None, stop, &Progress::default())
    }

    /// Runs in the background, on cores of its own.
    ///
    /// # Panics
    /// If the host cannot start a thread.
    #[must_use]
    pub fn start(self) -> query::Query {
        query::Query::start(self, None)
    }

    /// Whether some of its input has no end.
    pub(crate) fn is_endless_somewhere(&self) -> bool {
        (0..self.script.queries.len()).any(|query| self.is_endless(query))
    }

    /// Runs to its end, on cores of its own if none are given.
    pub(crate) fn run_on(
        self,
        runtime: Option<Runtime>,
        stop: &StopFlag,
        progress: &Progress,
    ) -> Result<Summary, Error> {
        let started = tidemill_rt::now();
        self.check_paths()?;
        // Before anything is taken of another.
        read_once(&self.script, &self.around.sources)?;
        let settings = &self.script.settings;
        let runtime = match runtime {
            Some(given) => {
                if settings.cores != CoreSet::All || settings.runtime != RuntimeChoice::Auto {
                    let notice = "the settings 'cores' and 'runtime' do not count: the job runs on a Runtime that is there";
                    progress.notices.say(notice.to_owned());
                }
                given
            }
            None => {
                let own = Runtime::of(settings)?;
                if !own.shared_cpus().is_empty() {
                    let shared = own.shared_cpus().iter().map(ToString::to_string);
                    let shared = shared.collect::<Vec<_>>().join(", ");
                    progress.notices.say(format!(
                        "CPUs {shared} are also those of another job of this process; jobs that share a Runtime take turns"
                    ));
                }
                own
            }
        };
        let host = Arc::clone(runtime.host());
        let meters: Vec<Arc<CoreMeter>> = host.cpus().iter().map(|_| Arc::default()).collect();
        let _ = progress.meters.set(meters.clone());
        let partitions = progress.partitions.clone();
        let notices = progress.notices.clone();
        let cores = Cores { host, meters, partitions, notices };
        let mut summary = Summary {
            backend: cores.host.backend(),
            backend_reason: runtime.backend_reason().cloned(),
            statistics: Statistics::default(),
            cores: cores
                .host
                .cpus()
                .iter()
                .map(|&cpu| CoreSummary { cpu, statistics: Statistics::default() })
                .collect(),
            elapsed: tidemill_rt::elapsed(started),
            warnings: Vec::new(),
            explanations: Vec::new(),
            stopped: None,
            end: End::Input,
            counts_earlier_runs: false,
            kept: None,
        };
        let budget_bytes = settings.memory_budget_bytes.or(runtime.memory_bytes());
        let budget_bytes = budget_bytes.unwrap_or_else(default_budget_bytes);
        let ran = self.run_into(&mut summary, &cores, budget_bytes, stop, progress);
        if let Err(error) = ran {
            if !error.is_aborted() || !progress.is_cancelled.load(Ordering::Relaxed) {
                return Err(error);
            }
            let seen = progress.seen();
            summary.end = End::Cancelled;
            summary.statistics.records_in = seen.records_in;
            summary.statistics.bytes_in = seen.bytes_in;
            summary.statistics.rows_out = seen.rows_out;
            summary.statistics.bad_records = seen.bad_records;
        }
        summary.elapsed = tidemill_rt::elapsed(started);
        Ok(summary)
    }

    fn run_into(
        &self,
        summary: &mut Summary,
        cores: &Cores,
        budget_bytes: u64,
        stop: &StopFlag,
        progress: &Progress,
    ) -> Result<(), Error> {
        let settings = &self.script.settings;
        let mut context = started_now();
        let running: Vec<&Query> =
            self.script.queries.iter().filter(|query| query.explain != Explain::Plan).collect();
        if settings.state_dir.is_none() && self.recovery != Recovery::default() {
            let message = "--fresh, --drain and --allow-fallback are for jobs that keep state: SET 'state.dir' = 'state'";
            return Err(Error::usage(message.to_owned()));
        }
        let (asked, notices) = (stop.clone(), progress.notices.clone());
        let hold = Hold::new(move || asked.is_set(), move |notice| notices.say(notice));
        let state = JobState::open(settings, self.recovery, &running, context.job_start, &hold)?;
        if let Some(state) = &state {
            if state.is_over() {
                // Who ended before all marks were gone.
                self.leave_outputs(state)?;
                summary.kept = Some(Kept::WasOver);
                return Ok(());
            }
            summary.counts_earlier_runs = state.is_resumed();
            summary.statistics.add(&state.counted());
            context.job_start = state.started();
            state.notices().into_iter().for_each(|notice| progress.notices.say(notice));
            let _ = progress.resumes_from.set(state.resumes_from()?.unwrap_or_default());
            if self.recovery.drains {
                stop.stop();
            }
        }
        let directories = Directories::default();
        let mut run =
            Run { cores, budget_bytes, context, stop, progress, directories, state, hold };
        self.run_waves(&mut run, summary)?;
        if summary.stopped.is_some() || summary.kept == Some(Kept::ToGoOn) {
            summary.end = End::Stopped;
        }
        // Last, when the files that earlier statements write are there to be looked at.
        self.explain_into(summary, run.context)
    }

    /// Runs one wave after the other, those that an earlier run has not published.
    fn run_waves(&self, run: &mut Run<'_>, summary: &mut Summary) -> Result<(), Error> {
        let waves = self.waves()?;
        for (number, wave) in waves.iter().enumerate() {
            if run.state.as_ref().is_some_and(|state| state.is_done(number)) {
                continue;
            }
            if run.stop.is_set() && !self.recovery.drains {
                if run.state.is_some() {
                    summary.kept = Some(Kept::ToGoOn);
                    return Ok(());
                }
                // Input without end ends by a stop, one that comes before the first record too.
                if number > 0 || !wave.iter().any(|&index| self.is_endless(index)) {
                    self.note_stop(wave.iter().map(|&index| (index, 0)), summary);
                    continue;
                }
            }
            let is_whole = run.state.as_ref().is_some_and(|state| state.is_whole(number));
            let look = if is_whole { Look::Whole } else { Look::MaySplit };
            let ran = self.run_wave((number, wave), run, summary, look)?;
            if let Ran::InVain = ran {
                if let Some(state) = &mut run.state {
                    state.note_whole(number)?;
                }
                self.run_wave((number, wave), run, summary, Look::Whole)?;
            }
            if summary.kept.is_some() {
                return Ok(());
            }
            if let Some(state) = &mut run.state {
                state.note_done(number, number + 1 == waves.len(), &summary.statistics)?;
            }
        }
        run.state.as_ref().map_or(Ok(()), |state| self.leave_outputs(state))
    }

    /// Takes the mark of a job that is over off all it has written to, also in waves of earlier runs.
    fn leave_outputs(&self, state: &JobState) -> Result<(), Error> {
        let settings = &self.script.settings;
        for query in &self.script.queries {
            if let SinkConnector::File(sink) = &query.sink.connector {
                // Which it was stands in the mark.
                let path = sink.path.as_ref();
                state.leave_output(Target::Directory(path))?;
                state.leave_output(Target::File(path))?;
            }
            let scans = query.relation.scans();
            let own = scans.iter().filter_map(|scan| scan.source.dead_letter_path.as_ref());
            for path in own.chain(&settings.dead_letter_path) {
                state.leave_output(Target::DeadLetters(path.as_ref()))?;
            }
        }
        Ok(())
    }

    /// The queries that run, in the order in which they may.
    fn waves(&self) -> Result<Vec<Vec<usize>>, Error> {
        let queries = &self.script.queries;
        let runs = |query: &Query| query.explain != Explain::Plan;
        let waves = waves(queries, runs, |index| self.is_endless(index));
        let before_last = &waves[..waves.len().saturating_sub(1)];
        if let Some(&index) = before_last.iter().flatten().find(|index| self.is_endless(**index)) {
            let name = &queries[index].sink.name;
            return Err(Error::usage(format!(
                "the input of the query into {name} has no end, and queries behind it would never begin: \
                 those that read its files; run them as a script of their own"
            )));
        }
        Ok(waves)
    }

    /// Whether some input of a query has no end.
    fn is_endless(&self, query: usize) -> bool {
        let scans = self.script.queries[query].relation.scans();
        scans.iter().any(|scan| !scan.source.is_bounded())
    }

    fn explain_into(&self, summary: &mut Summary, context: Context) -> Result<(), Error> {
        for query in &self.script.queries {
            if query.explain == Explain::Plan {
                summary
                    .explanations
                    .push(PlannedQuery::plan_to_show(query, &self.around, context)?.explain());
            }
        }
        Ok(())
    }

    /// Runs the queries of a wave, with files in splits where they may be.
    fn run_wave(
        &self,
        (wave_number, wave): (usize, &[usize]),
        run: &mut Run<'_>,
        summary: &mut Summary,
        look: Look,
    ) -> Result<Ran, Error> {
        let Run { cores, budget_bytes, context, stop, progress, directories, state, hold } = run;
        let budget_bytes = *budget_bytes;
        let settings = &self.script.settings;
        let planned = wave
            .iter()
            .enumerate()
            .map(|(number, &index)| {
                let known = state.as_ref().map(|state| state.known_inputs(wave_number, number));
                let (query, known) = (&self.script.queries[index], known.unwrap_or_default());
                PlannedQuery::plan(query, &self.around, *context, look, &known)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(state) = state {
            state.expect_inputs(wave_number, &planned)?;
        }
        let known = directories.known();
        let has_no_end = planned.iter().any(PlannedQuery::is_unbounded);
        let mut said = HashSet::new();
        for notice in planned.iter().flat_map(PlannedQuery::notices) {
            if has_no_end {
                // Its summary may be days away.
                if said.insert(notice) {
                    progress.notices.say(notice.clone());
                }
            } else if !summary.warnings.contains(notice) {
                summary.warnings.push(notice.clone());
            }
        }
        if has_no_end {
            // All run at once, each with a file to read, one to write, and one for dead letters.
            let pipelines: usize = planned.iter().map(PlannedQuery::pipeline_count).sum();
            allow_descriptors(3 * u64::try_from(pipelines).unwrap_or(u64::MAX / 3))?;
        }
        let sinks = wave.iter().copied().zip(planned.iter().map(PlannedQuery::sink));
        let mut builder = WaveBuilder {
            around: &self.around,
            settings,
            backend: cores.host.backend(),
            context: *context,
            has_no_end,
            labels: LineLabels::of(sinks).filter(|_| has_no_end),
            directories,
            state: state.as_ref().map(|state| (state, wave_number)),
            hold: hold.clone(),
            scan_count: 0,
            open_ended: Vec::new(),
        };
        let mut roots = Vec::new();
        for (number, query) in planned.iter().enumerate() {
            let is_ordered = query.is_on_stdout();
            let nodes = builder.nodes(query, number)?.into_iter();
            let ends_by_stop = query.ends_by_stop() || self.recovery.drains;
            roots.extend(nodes.map(|node| Root { node, query: number, ends_by_stop, is_ordered }));
        }
        let open_ended = builder.open_ended;
        let total: u64 = roots.iter().map(|root| scan_weight(&root.node)).sum();
        progress.input_total.fetch_add(total, Ordering::Relaxed);

        if let Some(state) = state.as_ref() {
            directories.remove_unknown(&state.segment_names()?)?;
        }
        directories.take_notices().into_iter().for_each(|notice| progress.notices.say(notice));

        let before = tidemill_rt::now();
        let keeping = state.as_ref().map(JobState::keeping);
        let queries: Vec<&Query> = wave.iter().map(|&index| &self.script.queries[index]).collect();
        let state_is_kept = state.is_some();
        let notices = progress.notices.clone();
        let state = state.as_mut().map(|state| (state, wave_number));
        let mut watcher = Watcher::new((&queries, &planned), open_ended, *context, state, notices);
        let arrivals = (!watcher.watched.is_empty()).then_some(&mut watcher as &mut dyn Arrivals);
        let running = Wave { roots, has_no_end, budget_bytes, keeping, arrivals };
        let ran = tidemill_control::run(running, cores, stop);
        if let Err(error) = &ran
            && look == Look::MaySplit
            && may_do_without_splits(error, &planned)
        {
            directories.forget_all_but(&known);
            return Ok(Ran::InVain);
        }
        let outcome = ran.map_err(|error| {
            let left = directories.left_behind().into_iter();
            left.for_each(|notice| progress.notices.say(notice));
            let is_of = |query: &&PlannedQuery, name: &str| query.physical.sink.name == name;
            if let ControlError::Keys { query, .. } = &error
                && planned.iter().any(|one| one.is_on_stdout() && is_of(&one, query))
            {
                let notice = "what was printed is not right: it has groups that are split";
                progress.notices.say(notice.to_owned());
            }
            self.located(error, &planned)
        })?;
        let WaveOutcome {
            deliveries,
            statistics,
            per_query,
            per_core,
            per_node,
            cpu_times,
            warnings,
            cut,
        } = outcome;
        if !cut.is_empty() && state_is_kept {
            summary.kept = Some(Kept::ToGoOn);
        } else if !cut.is_empty() {
            // Those that run together become visible together, but for those whose input has no end.
            let counted = wave.iter().zip(&per_query).enumerate();
            let cut = counted.filter(|(number, _)| !has_no_end || cut.contains(number));
            self.note_stop(cut.map(|(_, (&index, counted))| (index, counted.rows_out)), summary);
        }
        if stop.is_set() && planned.iter().any(PlannedQuery::ends_by_stop) {
            summary.end = End::Stopped;
        }
        if stop.is_abort() {
            // What it came to after all is wanted no more.
            return Err(Error::run(ControlError::Aborted, None));
        }
        let workers = NonZeroUsize::new(cores.host.cpus().len()).unwrap_or(NonZeroUsize::MIN);
        publish(deliveries, workers, directories, progress)?;
        let took = tidemill_rt::elapsed(before);
        let totals = Totals { took, cpus: cores.host.cpus(), cpu_times: &cpu_times };
        for (number, (query, counted)) in planned.iter().zip(&per_query).enumerate() {
            for warning in left_out::warnings(query, counted, settings.record_bytes_max) {
                // Two queries that read one source lose the same.
                if !summary.warnings.contains(&warning) {
                    summary.warnings.push(warning);
                }
            }
            if query.is_measured {
                let nodes = per_node.iter().filter(|node| node.query == number).collect();
                let plan = Analysis::new(query, nodes).plan();
                summary.explanations.push(query.explain_behind(plan) + &totals.line(counted));
            }
        }
        summary.statistics.add(&statistics);
        for (core, counted) in summary.cores.iter_mut().zip(&per_core) {
            core.statistics.add(counted);
        }
        summary.warnings.extend(warnings);
        Ok(Ran::ToItsEnd)
    }

    /// Notes that queries, each with the rows that it has given, were stopped before the end of their input.
    fn note_stop(&self, queries: impl Iterator<Item = (usize, u64)>, summary: &mut Summary) {
        let stopped = summary.stopped.get_or_insert_default();
        for (index, rows_out) in queries {
            let sink = &self.script.queries[index].sink;
            match sink.connector {
                SinkConnector::File(_) => stopped.unpublished.push(sink.name.clone()),
                // Rows that the caller shows are shown once all of them are there.
                SinkConnector::Stdout(None)
                    if matches!(self.around.stdout, StdoutLayout::Rows(_)) => {}
                SinkConnector::Stdout(_) => stopped.has_printed |= rows_out > 0,
                SinkConnector::Discard(_) | SinkConnector::Registered => {}
            }
        }
    }

    /// Adds the file to a failure that its bytes caused, and the line where it was a record.
    fn located(&self, error: ControlError, planned: &[PlannedQuery]) -> Error {
        let place = match &error {
            ControlError::Pipeline { source, position, error, .. } => {
                match &**error {
                    PipelineError::BadRecord { source, partition, record } => {
                        planned.iter().filter_map(|query| query.sources.get(source)).find_map(|found| {
                        let index = usize::try_from(partition.0).ok()?;
                        let file = found.file_of(index)?;
                        let path = file.path.display();
                        let bytes_max = self.script.settings.record_bytes_max;
                        // A followed file may have been another one then.
                        let is_text = record.raw.is_some() && !found.is_followed;
                        let line = is_text.then(|| line_of(&file, record.offset.0, bytes_max));
                        let number = line.flatten();
                        let line =
                            number.map_or_else(String::new, |line| format!(", line {line}"));
                        // A cut inside a quoted line break makes good records look bad.
                        let splits = if found.is_split {
                            "; the file is read as several splits: if a quoted field of it holds a \
                             line break, set 'splits' = '1'"
                        } else {
                            ""
                        };
                        Some(Place { text: format!("{path}{line}{splits}"), path: Some(file.path.to_path_buf()), line: number })
                    })
                    }
                    // A header that lacks a column, damage: of several files, this one.
                    PipelineError::Format(_) => file_of(planned, source, position.partition)
                        .map(|path| Place::of_file(&path)),
                    _ => None,
                }
            }
            ControlError::Keys { source, pairs, .. } => {
                let of = |partition| file_of(planned, source, partition);
                let files = of(pairs[0].owner).zip(of(pairs[0].other));
                files.map(|(owner, other)| {
                    let text = format!("{} and {}", owner.display(), other.display());
                    Place { text, path: Some(owner.to_owned()), line: None }
                })
            }
            _ => None,
        };
        Error::run(error, place)
    }
}

fn started_now() -> Context {
    let since = tidemill_rt::system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Context { job_start: EventTime(micros) }
}

/// The file that is a partition of a source.
fn file_of(planned: &[PlannedQuery], source: &str, partition: PartitionId) -> Option<PathBuf> {
    let found = planned.iter().find_map(|query| query.sources.get(source))?;
    let index = usize::try_from(partition.0).ok()?;
    found.file_of(index).map(|file| file.path.into())
}

/// Makes the files of a wave visible, together. Where that fails, what is left of them is said.
fn publish(
    deliveries: Vec<Delivery>,
    workers: NonZeroUsize,
    directories: &Directories,
    progress: &Progress,
) -> Result<(), Error> {
    Delivery::publish(deliveries, workers).map_err(|error| {
        directories.left_behind().into_iter().for_each(|notice| progress.notices.say(notice));
        match error {
            PipelineError::Sink(error) => Error::from(error),
            other => Error::run(ControlError::Publish(Box::new(other)), None),
        }
    })
}

/// What the scans below a node weigh.
fn scan_weight(node: &tidemill_control::Node) -> u64 {
    if node.children.is_empty() {
        node.pipelines.weights.iter().sum()
    } else {
        node.children.iter().map(scan_weight).sum()
    }
}
