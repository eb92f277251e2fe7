//! From checked queries to the pipelines of a wave.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_lite::future::block_on;
use tidemill_checkpoint::Fingerprint;
use tidemill_control::{DeclaredKeys, Node, ResidentName};
use tidemill_expr::Context;
use tidemill_format::Encoder;
use tidemill_pipeline::{BadRecordSpec, InputSpec, PipelineError, resumed_claims};
use tidemill_plan::{
    BadRecords, CsvOptions, Explain, FileSink, Format, Fragment, FragmentInput, LateRecords,
    LimitSpec, Locality, Merge, OnExisting, PartitionAudit, PhysicalQuery, Query, Refusal,
    Relation, Scan, Settings, SinkConnector, SinkDef, SourceConnector, SourceDef, Stage,
    changelog_key, fragment,
};
use tidemill_record::Schema;
use tidemill_rt::{Backend, Hold, fs};
use tidemill_sink::{OutputDirectory, StdoutOrder, Target};
use tidemill_source::{Claims, InputFile, Pipes};
use tidemill_sql::{SqlError, SqlErrors};

use crate::directories::{Directories, of_job};
use crate::discovery::{Discovered, Looking, Partition};
use crate::known_inputs::KnownInputs;
use crate::late_files::OpenEnded;
use crate::line_labels::LineLabels;
use crate::pipelines::{Alike, Outputs, ScanPartitions};
use crate::printed::PrintedQuery;
use crate::refusals::{check_format, refuse_footers, refuse_state};
use crate::register::RegisteredSource;
use crate::script_text::ScriptText;
use crate::sinks::OpenSink;
use crate::state::{JobState, fingerprint};
use crate::{Error, ErrorKind, RowLayout, StdoutLayout};

/// What a query's names stand for, outside of its text.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) stdout: StdoutLayout,
    pub(crate) sources: HashMap<String, Arc<RegisteredSource>>,
    pub(crate) sinks: HashMap<String, Arc<OpenSink>>,
    pub(crate) pipes: Arc<Pipes>,
    /// The script, for errors that point into it.
    pub(crate) text: ScriptText,
}

/// A query with its input looked at.
pub(crate) struct PlannedQuery {
    pub(crate) physical: PhysicalQuery,
    /// What it does, for who goes on with it.
    pub(crate) plan: Fingerprint,
    /// By source name.
    pub(crate) sources: HashMap<String, Discovered>,
    /// Columns of its results that say which of them replace each other.
    changelog_key: Option<Vec<usize>>,
    /// What each of its steps takes in, gives and costs is asked for.
    pub(crate) is_measured: bool,
}

impl PlannedQuery {
    /// Looks at a query's input and cuts the query into fragments.
    ///
    /// With [`Look::MaySplit`] a large file is read as several splits where that leaves the results the same:
    /// where a gather merges them, or where the rows go to files anyway. `known` is what the job's record has of its followed sources.
    pub(crate) fn plan(
        query: &Query,
        around: &Surroundings,
        context: Context,
        look: Look,
        known: &KnownInputs,
    ) -> Result<Self, Error> {
        let shown = shown_on_terminal(query, around);
        let query = shown.as_ref().unwrap_or(query);
        match look {
            Look::MaySplit => Self::plan_as_written(query, around, context, known),
            Look::Whole | Look::IfThere => Self::plan_with(query, around, context, look, known),
        }
    }

    fn plan_as_written(
        query: &Query,
        around: &Surroundings,
        context: Context,
        known: &KnownInputs,
    ) -> Result<Self, Error> {
        let split = Self::plan_with(query, around, context, Look::MaySplit, known);
        let is_in_order = matches!(query.sink.connector, SinkConnector::Stdout(_));
        match split {
            Ok(planned) if !planned.is_split() => Ok(planned),
            // A split has a watermark of its own; whether that decides the same is known once all are read.
            Ok(planned)
                if planned.physical.follows_event_time()
                    && !planned.physical.gathers_fixed_windows() =>
            {
                Self::plan_with(query, around, context, Look::Whole, known)
            }
            Ok(planned) if planned.physical.locality == Locality::Gather => Ok(planned),
            Ok(planned) if planned.physical.locality == Locality::Stateless && !is_in_order => {
                Ok(planned)
            }
            Ok(_) => Self::plan_with(query, around, context, Look::Whole, known),
            Err(error) if error.kind() == ErrorKind::Sql => {
                Self::plan_with(query, around, context, Look::Whole, known)
            }
            Err(other) => Err(other),
        }
    }

    /// As [`Self::plan`], to be shown: input that an earlier statement of the script has yet to
    /// write may be missing.
    pub(crate) fn plan_to_show(
        query: &Query,
        around: &Surroundings,
        context: Context,
    ) -> Result<Self, Error> {
        let known = KnownInputs::new();
        match Self::plan_as_written(query, around, context, &known) {
            Err(error) if error.is_about_input() && !query.runs_after.is_empty() => {
                Self::plan_with(query, around, context, Look::IfThere, &known)
            }
            planned => planned,
        }
    }

    fn plan_with(
        query: &Query,
        around: &Surroundings,
        context: Context,
        look: Look,
        known: &KnownInputs,
    ) -> Result<Self, Error> {
        let mut sources = HashMap::new();
        let scans = query.relation.scans();
        for scan in &scans {
            let source = &scan.source;
            if !sources.contains_key(&source.name) {
                let registered = source.registered_as().and_then(|name| around.sources.get(name));
                let is_of_it = |other: &&&Scan| other.source.name == source.name;
                let looking = Looking {
                    scans: scans.iter().filter(is_of_it).copied().collect(),
                    may_split: look == Look::MaySplit,
                    context,
                    known,
                };
                let found = Discovered::of(source, registered, &around.pipes, &looking);
                let found = match found {
                    Err(error) if error.is_about_input() && look == Look::IfThere => {
                        Discovered::missing()
                    }
                    found => {
                        found.map_err(|error| error.named_at(|| around.text.place(source.span)))?
                    }
                };
                sources.insert(source.name.clone(), found);
            }
        }
        let cut = |sources: &HashMap<String, Discovered>| {
            let partitioning = |source: &SourceDef| {
                let of_it = scans.iter().filter(|scan| scan.source.name == source.name);
                let mut columns: Vec<usize> =
                    of_it.flat_map(|scan| &scan.columns).copied().collect();
                columns.sort_unstable();
                columns.dedup();
                sources[&source.name].partitioning(source, &columns, &context)
            };
            fragment(query, &partitioning)
        };
        let physical = cut(&sources).or_else(|refusal| {
            // Of a pattern that names one file now the query may well make sense, as long as it is the only one.
            let alone = sources.values_mut().filter(|source| source.is_alone());
            alone.for_each(Discovered::take_no_more);
            cut(&sources).map_err(|_| refusal)
        });
        let physical = physical.map_err(|refusal| {
            let Refusal { message, hint, span } = refusal;
            let error = SqlError { message, span, hint: Some(hint) };
            around.text.error(SqlErrors(vec![error]), &[])
        })?;
        if let (SinkConnector::Stdout(None), StdoutLayout::Format(format)) =
            (&physical.sink.connector, &around.stdout)
        {
            check_format(&physical, format, around)?;
        }
        let is_measured = query.explain == Explain::Analyze;
        let changelog_key = changelog_key(&query.relation);
        let plan = fingerprint(query);
        let mut planned = Self { physical, plan, sources, changelog_key, is_measured };
        let is_endless = planned.is_unbounded();
        if let SinkConnector::Stdout(declared @ None) = &mut planned.physical.sink.connector {
            *declared = match &around.stdout {
                StdoutLayout::Format(format) => Some(format.clone()),
                StdoutLayout::Rows(rows) if is_endless && rows.latest_rows.is_none() => {
                    Some(Format::Csv(CsvOptions::default()))
                }
                StdoutLayout::Rows(_) => None,
            };
        }
        Ok(planned)
    }

    /// Whether its results are printed, one partition's after another's.
    pub(crate) fn is_on_stdout(&self) -> bool {
        matches!(self.physical.sink.connector, SinkConnector::Stdout(_))
    }

    /// Where its results go.
    pub(crate) fn sink(&self) -> &SinkDef {
        &self.physical.sink
    }

    /// Whether its input has no end.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.sources_read().any(|source| !source.is_bounded())
    }

    /// Whether a stop is an end of its input: where that has no other, and where the embedding program gives
    /// it, who knows what it asks for.
    pub(crate) fn ends_by_stop(&self) -> bool {
        let is_given =
            |source: &SourceDef| matches!(source.connector, SourceConnector::Registered { .. });
        self.is_unbounded() || self.sources_read().any(is_given)
    }

    fn sources_read(&self) -> impl Iterator<Item = &SourceDef> {
        self.physical.fragments.iter().flat_map(sources_below)
    }

    /// What a person should know of what its sources leave out, in order of their names.
    pub(crate) fn notices(&self) -> impl Iterator<Item = &String> {
        let mut names: Vec<&String> = self.sources.keys().collect();
        names.sort_unstable();
        names.into_iter().flat_map(|name| &self.sources[name].notices)
    }

    /// Pipelines that read, write or merge for it.
    pub(crate) fn pipeline_count(&self) -> usize {
        fn below(root: &Fragment, query: &PlannedQuery) -> usize {
            let own = pipeline_count(root, query);
            match &root.input {
                FragmentInput::Scan(_) => own,
                FragmentInput::Gather { children, .. } => {
                    own + children.iter().map(|child| below(child, query)).sum::<usize>()
                }
            }
        }
        self.physical.fragments.iter().map(|root| below(root, self)).sum()
    }

    /// Whether some file is read as several splits.
    pub(crate) fn is_split(&self) -> bool {
        self.sources.values().any(|source| source.is_split)
    }

    /// Whether all that the query reads can be read once more, and nobody else has seen its rows.
    pub(crate) fn may_run_again(&self, may_print: bool) -> bool {
        let is_unseen = match self.physical.sink.connector {
            SinkConnector::Stdout(_) => may_print,
            SinkConnector::File(_) | SinkConnector::Discard(_) => true,
            SinkConnector::Registered => false,
        };
        is_unseen && self.sources.values().all(Discovered::can_be_read_again)
    }
}

/// How input is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A large file may become several partitions.
    MaySplit,
    /// Every file is one partition.
    Whole,
    /// The same, and what is missing is planned for as if it were many.
    IfThere,
}

/// For people, the same query cut off one row after those that are shown: it tells whether there
/// are more.
fn shown_on_terminal(query: &Query, around: &Surroundings) -> Option<Query> {
    let StdoutLayout::Rows(RowLayout { rows_max, .. }) = around.stdout else { return None };
    let is_endless = query.relation.scans().iter().any(|scan| !scan.source.is_bounded());
    if is_endless || !matches!(query.sink.connector, SinkConnector::Stdout(None)) {
        return None;
    }
    let spec = LimitSpec { skip: 0, keep: Some(rows_max.saturating_add(1)) };
    let relation = Relation::Limit { input: Box::new(query.relation.clone()), spec };
    Some(Query { relation, ..query.clone() })
}

/// Turns planned queries into the pipelines of one wave.
pub(crate) struct WaveBuilder<'a> {
    pub(crate) around: &'a Surroundings,
    pub(crate) settings: &'a Settings,
    pub(crate) backend: Backend,
    pub(crate) context: Context,
    /// Some query of the wave reads input without end: everything runs at once.
    pub(crate) has_no_end: bool,
    /// What tells the lines of those that print from each other, where there are several.
    pub(crate) labels: Option<LineLabels>,
    pub(crate) directories: &'a mut Directories,
    /// The job's state, and which of its waves this is.
    pub(crate) state: Option<(&'a JobState, usize)>,
    /// What waits for room where there is none, but of bounded jobs without state.
    pub(crate) hold: Hold,
    /// The scans so far.
    pub(crate) scan_count: usize,
    /// Those among them to which more files may come.
    pub(crate) open_ended: Vec<OpenEnded>,
}

/// Where the rows of a fragment go.
#[derive(Clone, Copy)]
enum End<'a> {
    Seal(&'a Merge),
    Sink,
}

impl<'a> WaveBuilder<'a> {
    /// The nodes of one query, the wave's `number`th.
    pub(crate) fn nodes(
        &mut self,
        query: &PlannedQuery,
        number: usize,
    ) -> Result<Vec<Node>, Error> {
        refuse_footers(query, self.around)?;
        if self.state.is_some() {
            refuse_state(query)?;
        }
        let roots = &query.physical.fragments;
        let mut building = QueryBuilder {
            writers_end: Arc::default(),
            stdout: stdout_order(query, self)?,
            printed: None,
            writer_count: 0,
            fragment_count: 0,
            number,
            query,
            wave: self,
        };
        roots.iter().map(|root| building.node(root, End::Sink)).collect()
    }
}

/// Partition after partition, or all as they come where there is no end.
fn stdout_order(
    query: &PlannedQuery,
    wave: &mut WaveBuilder<'_>,
) -> Result<Arc<StdoutOrder>, Error> {
    let physical = &query.physical;
    let mut header = Vec::new();
    match &physical.sink.connector {
        SinkConnector::Stdout(Some(format)) if wave.has_no_end => {
            if matches!(format, Format::Csv(_) | Format::Arrow(_)) {
                let path = || "standard output".into();
                let at = |error| Error::format(path(), error);
                let mut encoder = Encoder::new(format, &physical.schema).map_err(at)?;
                encoder.continue_stream(true, false);
                // Of a segment without rows there is the header, or the schema.
                encoder.finish(&mut header).map_err(at)?;
            }
            let label = match &mut wave.labels {
                None => None,
                Some(labels) => Some(labels.next(&physical.sink, format, &wave.around.text)?),
            };
            Ok(StdoutOrder::interleaved(libc::STDOUT_FILENO, header, label))
        }
        _ => Ok(StdoutOrder::new()),
    }
}

struct QueryBuilder<'w, 'a> {
    wave: &'w mut WaveBuilder<'a>,
    query: &'w PlannedQuery,
    stdout: Arc<StdoutOrder>,
    /// Where rows go that the caller shows, once the first pipeline has asked for it.
    printed: Option<Arc<PrintedQuery>>,
    /// Pipelines made so far that write to the sink.
    writer_count: u32,
    /// The same, for who asks when all are made.
    writers_end: Arc<AtomicU32>,
    /// Fragments made so far.
    fragment_count: usize,
    /// Of the query within its wave.
    number: usize,
}

impl QueryBuilder<'_, '_> {
    fn node(&mut self, fragment: &Fragment, end: End<'_>) -> Result<Node, Error> {
        match &fragment.input {
            FragmentInput::Scan(scan) => self.scan_node(scan, fragment, end),
            FragmentInput::Gather { children, merge } => {
                let children = children
                    .iter()
                    .map(|child| self.node(child, End::Seal(merge)))
                    .collect::<Result<_, _>>()?;
                let bad = self.gathered_bad_records(fragment)?;
                let alike = self.alike("", fragment.stages.clone(), end, bad, 1)?;
                let (merge, has_no_end) = (merge.clone(), self.wave.has_no_end);
                let pipelines = alike.gathering(move || match has_no_end {
                    true => InputSpec::Closing(merge.clone()),
                    false => InputSpec::Sealed(Vec::new(), merge.clone(), None),
                });
                Ok(Node { pipelines, children, are_splits: false, declared: None })
            }
        }
    }

    fn scan_node(&mut self, scan: &Scan, fragment: &Fragment, end: End<'_>) -> Result<Node, Error> {
        let query = self.query;
        let discovered = &query.sources[&scan.source.name];
        let stages = &fragment.stages;
        let (event_time, stages) = stages.split_at(fragment.stages_before_conditions());
        let filters = scan.conditions().into_iter().map(Stage::Filter);
        let stages: Vec<Stage> =
            event_time.iter().cloned().chain(filters).chain(stages.iter().cloned()).collect();
        // Which of the source's scans in this query it is.
        let name = &scan.source.name;
        let is_same = |it: &&OpenEnded| it.query == self.number && it.source == *name;
        let ordinal = self.wave.open_ended.iter().filter(is_same).count();
        let ordinal = u32::try_from(ordinal).expect("few scans");
        // Each scan reads each file, so that what its partitions have taken is its own.
        let claims =
            discovered.is_followed.then(|| self.claims(discovered, ordinal)).transpose()?;
        if let (Some(claims), SourceConnector::File(options)) = (&claims, &scan.source.connector)
            && options.goes_on_without
        {
            claims.go_on_without();
        }
        let scan_at = self.wave.scan_count;
        self.wave.scan_count += 1;
        if let (Some(_), Some((state, _))) = (&discovered.late, self.wave.state) {
            let resident = self.resident().expect("there is a state");
            state.keep_only(&resident, &discovered.numbers())?;
        }
        let late = match (&discovered.late, &claims) {
            (Some(files), Some(claims)) => {
                let (query, source) = (self.number, name.clone());
                let claims = Arc::clone(claims);
                self.wave.open_ended.push(OpenEnded { scan: scan_at, query, source, claims });
                Some((Arc::clone(files), ordinal))
            }
            _ => None,
        };
        let count = u32::try_from(discovered.partitions.len());
        let count = count.expect("partitions are numbered in u32");
        let bad = self.bad_records(&scan.source, count)?;
        let alike = self.alike(&scan.source.name, stages, end, bad, count)?;
        let retired = discovered.retired.iter().filter(|(_, scan)| *scan == ordinal);
        let of = ScanPartitions {
            retired: retired.map(|&(place, _)| place).collect(),
            scan: scan.clone(),
            partitions: Arc::clone(&discovered.partitions),
            may_skip: event_time.is_empty(),
            record_bytes_max: self.wave.settings.record_bytes_max,
            claims,
            late,
        };
        let idle_timeout = scan.source.watermark.and_then(|rule| rule.idle_timeout);
        let pipelines = alike.scanning(of, idle_timeout)?;
        let is_text = |partition: &Partition| matches!(partition, Partition::TextRange(_));
        let are_splits = discovered.is_split
            && (!event_time.is_empty() || discovered.partitions.iter().any(is_text));
        let declared = (!scan.source.partitioned_by.is_empty()).then(|| DeclaredKeys {
            columns: scan.source.partition_columns(),
            is_fatal: scan.source.partition_audit == PartitionAudit::Fail,
        });
        Ok(Node { pipelines, children: Vec::new(), are_splits, declared })
    }

    /// The files that the partitions of a scan, the `ordinal`th of its source, begin or go on in.
    fn claims(&self, discovered: &Discovered, ordinal: u32) -> Result<Arc<Claims>, Error> {
        let early_count = discovered.partitions.len();
        let late = discovered.late.as_ref();
        let late_files: Vec<(usize, InputFile)> = late.map_or_else(Vec::new, |late| {
            let numbers = late.of_scan(ordinal).into_iter().enumerate();
            let file = |(at, of): (usize, tidemill_control::Late)| {
                let number = usize::try_from(of.number).expect("usize is at least 32 bits");
                Some((early_count + number, late.file(at)?))
            };
            numbers.filter_map(file).collect()
        });
        let partitions = discovered.partitions.iter().enumerate();
        let files = partitions.filter_map(|(place, partition)| Some((place, partition.file()?)));
        let files = files.chain(late_files.iter().map(|(number, file)| (*number, file)));
        let Some((state, _)) = self.wave.state else {
            return Ok(Claims::of(files.map(|(_, file)| file)));
        };
        let resident = self.resident().expect("there is a state");
        let images = state.inputs(&resident)?;
        let inputs = files.map(|(number, file)| (file, images.get(&number)));
        block_on(resumed_claims(self.wave.backend, inputs)).map_err(|error| match error {
            PipelineError::Source(error) => Error::from(error),
            other => unreachable!("files are only looked at: {other}"),
        })
    }

    /// As what the pipelines of the next fragment are kept.
    fn resident(&self) -> Option<ResidentName> {
        let (state, wave) = self.wave.state?;
        Some(state.resident(wave, self.number, self.query.plan, self.fragment_count))
    }

    /// What `count` pipelines of a fragment have in common.
    fn alike(
        &mut self,
        source: &str,
        stages: Vec<Stage>,
        end: End<'_>,
        (bad_records, dead_letters_end): (BadRecordSpec, Arc<AtomicU32>),
        count: u32,
    ) -> Result<Alike, Error> {
        let resident = self.resident();
        self.fragment_count += 1;
        Ok(Alike {
            resident,
            query: self.query.physical.sink.name.clone(),
            source: source.to_owned(),
            backend: self.wave.backend,
            stages,
            outputs: self.outputs(end, count)?,
            bad_records,
            dead_letters_end,
            context: self.wave.context,
            batch_rows: self.wave.settings.batch_rows,
            is_measured: self.query.is_measured,
        })
    }

    fn outputs(&mut self, end: End<'_>, count: u32) -> Result<Outputs, Error> {
        let physical = &self.query.physical;
        let schema = physical.schema.clone();
        Ok(match (end, &physical.sink.connector) {
            (End::Seal(merge), _) => Outputs::Seal(merge.clone()),
            (End::Sink, SinkConnector::File(sink)) => self.file_outputs(sink, schema, count)?,
            (End::Sink, SinkConnector::Stdout(Some(format))) => Outputs::Stdout {
                format: format.clone(),
                schema,
                first_number: self.next_writers(count),
                end_number: Arc::clone(&self.writers_end),
                has_header: !self.wave.has_no_end,
                writer_count: if self.wave.has_no_end {
                    0
                } else {
                    crate::pipelines::number_of(writers(self.query))
                },
                order: Arc::clone(&self.stdout),
            },
            (End::Sink, SinkConnector::Stdout(None)) => Outputs::Printed(self.printed(), schema),
            (End::Sink, SinkConnector::Discard(discard)) => {
                Outputs::Discard { has_checksum: discard.has_checksum }
            }
            (End::Sink, SinkConnector::Registered) => {
                let name = physical.sink.name.clone();
                let sink = self.wave.around.sinks.get(&name).cloned();
                let sink =
                    sink.ok_or_else(|| Error::usage(format!("sink {name} is not registered")))?;
                let first_number = self.next_writers(count);
                let end_number = Arc::clone(&self.writers_end);
                Outputs::Registered { name, schema, sink, first_number, end_number }
            }
        })
    }

    fn file_outputs(
        &mut self,
        sink: &FileSink,
        schema: Schema,
        count: u32,
    ) -> Result<Outputs, Error> {
        let writer = format!("sink {}", self.query.physical.sink.name);
        let state = self.wave.state;
        let is_live = self.query.is_unbounded();
        let hold = (is_live || self.wave.state.is_some()).then(|| self.wave.hold.clone());
        let (directory, first_number, end_number) =
            self.wave.directories.numbered(&sink.path, writer, count, || {
                let path: &Path = sink.path.as_ref();
                let is_file = sink.is_file && !fs::is_dir(path);
                let directory = match (state, is_file) {
                    (Some((state, wave)), true) => {
                        state.open_output(wave, Target::File(path), sink.on_existing)?
                    }
                    (Some((state, wave)), false) => {
                        state.open_output(wave, Target::Directory(path), sink.on_existing)?
                    }
                    (None, true) => OutputDirectory::open_file(path, sink.on_existing)?,
                    (None, false) => OutputDirectory::open(path, sink.on_existing)?,
                };
                let directory = if sink.is_durable { directory } else { directory.without_flush() };
                Ok(of_job(directory, is_live, hold))
            })?;
        let sink = sink.clone();
        Ok(Outputs::File { sink, schema, directory, first_number, end_number })
    }

    /// The first of so many numbers of writers.
    fn next_writers(&mut self, count: u32) -> u32 {
        self.writer_count += count;
        self.writers_end.store(self.writer_count, Ordering::Relaxed);
        self.writer_count - count
    }

    /// Where the query's rows go that the caller shows.
    fn printed(&mut self) -> Arc<PrintedQuery> {
        let StdoutLayout::Rows(layout) = &self.wave.around.stdout else {
            unreachable!("a format is put in where the caller shows no rows");
        };
        let (query, schema) = (self.query, &self.query.physical.schema);
        let printed = self.printed.get_or_insert_with(|| match layout.latest_rows {
            Some(row_count) if query.is_unbounded() => {
                layout.printed.latest(schema, row_count, query.changelog_key.clone())
            }
            _ => layout.printed.first(schema, layout.rows_max),
        });
        Arc::clone(printed)
    }

    /// The policy for rows that fail behind a gather: the strictest of the sources it gathers, so
    /// that it makes no difference to a result into how many partitions its input is cut.
    fn gathered_bad_records(
        &mut self,
        gather: &Fragment,
    ) -> Result<(BadRecordSpec, Arc<AtomicU32>), Error> {
        let laxity = |source: &&SourceDef| match self.policy(source) {
            BadRecords::Fail => 0,
            BadRecords::DeadLetter => 1,
            BadRecords::Skip => 2,
        };
        match sources_below(gather).into_iter().min_by_key(laxity) {
            Some(source) => self.bad_records(source, 1),
            None => {
                let spec = BadRecordSpec {
                    policy: BadRecords::Fail,
                    late_records: LateRecords::Drop,
                    dead_letters: None,
                    rolling_interval: None,
                };
                Ok((spec, Arc::default()))
            }
        }
    }

    fn policy(&self, source: &SourceDef) -> BadRecords {
        source.bad_records.unwrap_or(self.wave.settings.bad_records)
    }

    /// What becomes of the bad records of `count` pipelines; the files of dead letters are numbered from the one
    /// that it says.
    fn bad_records(
        &mut self,
        source: &SourceDef,
        count: u32,
    ) -> Result<(BadRecordSpec, Arc<AtomicU32>), Error> {
        let policy = self.policy(source);
        let late_records = source.watermark.map(|rule| rule.late_records).unwrap_or_default();
        if policy != BadRecords::DeadLetter && late_records != LateRecords::DeadLetter {
            let (dead_letters, rolling_interval) = (None, None);
            let spec = BadRecordSpec { policy, late_records, dead_letters, rolling_interval };
            return Ok((spec, Arc::default()));
        }
        let path = source
            .dead_letter_path
            .as_ref()
            .or(self.wave.settings.dead_letter_path.as_ref())
            .ok_or_else(|| {
                Error::usage(format!(
                    "source {} sets records aside, but no 'dead.letter.path' says where: set \
                     it for the source or with SET",
                    source.name
                ))
            })?;
        let is_live = self.query.is_unbounded();
        let hold = (is_live || self.wave.state.is_some()).then(|| self.wave.hold.clone());
        let state = self.wave.state;
        let (directory, first_number, end_number) =
            self.wave.directories.numbered(path, "dead letters".to_owned(), count, || {
                let directory = match state {
                    Some((state, wave)) => {
                        let target = Target::DeadLetters(path.as_ref());
                        state.open_output(wave, target, OnExisting::Append)?
                    }
                    None => OutputDirectory::open_dead_letters(path.as_ref())?,
                };
                Ok(of_job(directory, is_live, hold))
            })?;
        let rolling_interval = match &self.query.physical.sink.connector {
            SinkConnector::File(sink) => sink.rolling_interval,
            _ => Some(FileSink::ROLLING_INTERVAL),
        };
        let dead_letters = Some((directory, first_number));
        let spec = BadRecordSpec { policy, late_records, dead_letters, rolling_interval };
        Ok((spec, end_number))
    }
}

/// The sources that a fragment reads, left to right.
fn sources_below(fragment: &Fragment) -> Vec<&SourceDef> {
    match &fragment.input {
        FragmentInput::Scan(scan) => vec![&scan.source],
        FragmentInput::Gather { children, .. } => children.iter().flat_map(sources_below).collect(),
    }
}

/// Pipelines of a fragment that write to the sink.
/// Pipelines that write to the sink of a query.
pub(crate) fn writers(query: &PlannedQuery) -> usize {
    query.physical.fragments.iter().map(|root| pipeline_count(root, query)).sum()
}

fn pipeline_count(root: &Fragment, query: &PlannedQuery) -> usize {
    match &root.input {
        FragmentInput::Scan(scan) => query.sources[&scan.source.name].partitions.len(),
        FragmentInput::Gather { .. } => 1,
    }
}
