//! How a query is cut into pipelines: what each partition does by itself, and what is gathered.

use std::fmt;

use tidemill_record::{DataType, Schema};

use crate::computing;
use crate::lineage::event_time_columns;
use crate::locality::{Local, local_reason};
use crate::relation::Scan;
use crate::{
    AggregateCall, AggregateSpec, Emit, Expr, LimitSpec, NamedExpr, OverOrder, OverSpec, Query,
    Relation, SinkDef, SortSpec, SourceDef, Span, TopNSpec,
};

/// The class of a query; see `docs/ARCHITECTURE.md`, "Locality".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Locality {
    /// Filter and project only; no state.
    Stateless,
    /// Each partition's results are final by themselves.
    Local,
    /// Partitions seal partial tables, and one pipeline merges them in partition order.
    Gather,
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stateless => "stateless",
            Self::Local => "local",
            Self::Gather => "gather",
        })
    }
}

/// What is known about a source's partitions when a query is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitioning {
    /// How many there are; `None` while nothing has been looked at (`tidemill check`), which is
    /// planned for as many.
    pub partition_count: Option<u32>,
    /// The partitions are byte ranges of one file, so that a declared `PARTITIONED BY` says
    /// nothing about them.
    pub is_split: bool,
    /// Columns of which all records of a partition have one value.
    pub fixed: Vec<FixedColumn>,
}

/// A column of which all records of a partition have one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedColumn {
    /// Its number.
    pub column: usize,
    /// For each partition a number that is equal where the values are, as `GROUP BY` compares them.
    pub values: Vec<u32>,
}

impl Partitioning {
    /// So many partitions, of which nothing else is known.
    #[must_use]
    pub fn of(partition_count: Option<u32>) -> Self {
        Self { partition_count, is_split: false, fixed: Vec::new() }
    }
}

/// A query, cut into pipelines.
#[derive(Clone, Debug, PartialEq)]
pub struct PhysicalQuery {
    /// Where results go.
    pub sink: SinkDef,
    /// Names and types of the results.
    pub schema: Schema,
    /// The class.
    pub locality: Locality,
    /// Why it is of that class: one sentence for each stateful step.
    pub proof: Vec<String>,
    /// One for each input of a top-level `UNION ALL`, in order; else one.
    pub fragments: Vec<Fragment>,
}

impl PhysicalQuery {
    /// Whether any stage depends on event time.
    #[must_use]
    pub fn follows_event_time(&self) -> bool {
        self.fragments.iter().any(Fragment::follows_event_time)
    }

    /// Whether pieces of a file may be read apart although event time matters, if event times turn out to be near
    /// enough to their order: windows that end at fixed times are gathered.
    #[must_use]
    pub fn gathers_fixed_windows(&self) -> bool {
        self.fragments.iter().all(|fragment| match &fragment.input {
            FragmentInput::Gather { children, merge: Merge::Windows(spec) } => {
                let is_scan = |child: &Fragment| matches!(child.input, FragmentInput::Scan(_));
                !spec.is_by_session() && children.iter().all(is_scan)
            }
            _ => false,
        })
    }
}

impl Fragment {
    /// How many of the stages stand before the scan's conditions: the watermark follows every record, also
    /// one that those leave out.
    #[must_use]
    pub fn stages_before_conditions(&self) -> usize {
        let is_event_time = |stage: &Stage| matches!(stage, Stage::EventTime(_));
        self.stages.iter().rposition(is_event_time).map_or(0, |last| last + 1)
    }

    /// Calls of aggregate functions, its own and those of what it gathers.
    pub fn for_each_aggregate<'a>(&'a self, see: &mut impl FnMut(&'a AggregateCall)) {
        for stage in &self.stages {
            if let Stage::Aggregate { spec, .. } = stage {
                spec.calls.iter().for_each(&mut *see);
            }
        }
        if let FragmentInput::Gather { children, merge } = &self.input {
            if let Merge::Groups(spec) | Merge::Windows(spec) = merge {
                spec.calls.iter().for_each(&mut *see);
            }
            for child in children {
                child.for_each_aggregate(see);
            }
        }
    }

    fn follows_event_time(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage, Stage::EventTime(_)))
            || match &self.input {
                FragmentInput::Scan(_) => false,
                FragmentInput::Gather { children, .. } => {
                    children.iter().any(Self::follows_event_time)
                }
            }
    }
}

/// The same chain of stages for every partition of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// What flows in.
    pub input: FragmentInput,
    /// What is done to it, in order.
    pub stages: Vec<Stage>,
}

/// What flows into a fragment.
#[derive(Clone, Debug, PartialEq)]
pub enum FragmentInput {
    /// Records of a source: one pipeline for each partition.
    Scan(Scan),
    /// Sealed tables of the children's pipelines, merged in order of child, then partition: one
    /// pipeline.
    Gather {
        /// Fragments whose pipelines each end in a partial table of kind `merge`.
        children: Vec<Fragment>,
        /// What is sealed and merged.
        merge: Merge,
    },
}

/// What pipelines seal and a gather merges.
#[derive(Clone, Debug, PartialEq)]
pub enum Merge {
    /// Groups; they leave in order of their first record.
    Groups(AggregateSpec),
    /// Windows of groups; they leave in order of window end and start, then of their first record.
    Windows(AggregateSpec),
    /// The first rows of each partition of an order; partitions leave in order of window end, where they
    /// have one, then of their first record.
    TopN(TopNSpec),
    /// Rows in order.
    Sorted(SortSpec),
    /// The first rows, in partition order.
    Limited {
        /// Which of them.
        spec: LimitSpec,
        /// Types of all input columns.
        input_types: Vec<DataType>,
    },
}

impl Merge {
    /// Whether parts are final before the input ends, once event time has passed them.
    #[must_use]
    pub fn is_by_event_time(&self) -> bool {
        match self {
            Self::Windows(_) => true,
            Self::TopN(spec) => spec.window_end.is_some(),
            Self::Groups(_) | Self::Sorted(_) | Self::Limited { .. } => false,
        }
    }
}

/// Event times of one source: which column, and what they do to the watermark.
#[derive(Clone, Debug, PartialEq)]
pub struct EventTimeSpec {
    /// Column of the scan, `TIMESTAMP`; a record where it is NULL is bad.
    pub column: usize,
    /// Its name.
    pub name: String,
    /// `WATERMARK FOR`: how far the watermark stays behind the largest event time, in microseconds;
    /// `None` where the source declares none, so that nothing is late and windows close at the end.
    pub delay_us: Option<i64>,
    /// `watermark.max_ahead`, in microseconds.
    pub max_ahead_us: Option<i64>,
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Compute columns of the source: all that leave, also those that come so. Behind a scan alone, among
    /// the first stages.
    Compute(Vec<NamedExpr>),
    /// Notes the watermark beside every row; behind a scan, before its filter. In front of it stands at most
    /// what computes the event time.
    EventTime(EventTimeSpec),
    /// Keep the rows for which this is TRUE.
    Filter(Expr),
    /// Compute these.
    Project(Vec<NamedExpr>),
    /// Of the only row that comes, compute several.
    Transpose(Vec<Vec<NamedExpr>>),
    /// Analytic functions of the rows before.
    Over {
        /// Partition, order and functions.
        spec: OverSpec,
        /// As that of [`Self::Aggregate`], places in `spec.partition_by`.
        audited_keys: Vec<usize>,
    },
    /// Keep the first rows of each partition of an order, and number them.
    TopN(TopNSpec),
    /// Group; final rows leave in order of window end, then of first appearance.
    Aggregate {
        /// Keys and aggregates.
        spec: AggregateSpec,
        /// Places in `spec.keys` of the source's declared partition columns; the same values of
        /// these in two partitions break the declaration, and are reported. Empty where the proof
        /// does not rest on a declaration.
        audited_keys: Vec<usize>,
    },
    /// Order all rows.
    Sort(SortSpec),
    /// Keep the first rows.
    Limit(LimitSpec),
}

/// Why a query cannot run on the partitions as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to declare or change.
    pub hint: String,
    /// The grouping at fault.
    pub span: Span,
}

/// Cuts a query into fragments, given what is known of each source's partitions.
///
/// # Errors
/// A [`Refusal`] where a grouping must emit changes but its groups may span partitions.
pub fn fragment(
    query: &Query,
    partitioning: &dyn Fn(&SourceDef) -> Partitioning,
) -> Result<PhysicalQuery, Refusal> {
    let mut cutter = Cutter {
        partitioning,
        locality: Locality::Stateless,
        proof: Vec::new(),
        order_span: query.order_span,
    };
    let mut fragments = cutter.cut(&query.relation)?;
    fragments.iter_mut().for_each(computing::place);
    if cutter.proof.is_empty() {
        cutter.proof.push("no grouping, order or limit: no row depends on another".to_owned());
    }
    Ok(PhysicalQuery {
        sink: query.sink.clone(),
        schema: query.relation.schema(),
        locality: cutter.locality,
        proof: cutter.proof,
        fragments,
    })
}

/// When a gather merges what was sealed.
const AT_THE_END: &str = "at the end of input";
const WHEN_ALL_HAVE_PASSED: &str = "once every partition that is not idle has passed it";

struct Cutter<'a> {
    partitioning: &'a dyn Fn(&SourceDef) -> Partitioning,
    locality: Locality,
    proof: Vec<String>,
    order_span: Span,
}

impl Cutter<'_> {
    fn cut(&mut self, relation: &Relation) -> Result<Vec<Fragment>, Refusal> {
        Ok(match relation {
            Relation::Scan(scan) => {
                let input = FragmentInput::Scan(scan.clone());
                vec![Fragment { input, stages: Vec::new() }]
            }
            Relation::Filter { input, predicate } => {
                with_stage(self.cut(input)?, &Stage::Filter(predicate.clone()))
            }
            Relation::Project { input, columns } => {
                with_stage(self.cut(input)?, &Stage::Project(columns.clone()))
            }
            Relation::Transpose { input, rows } => {
                with_stage(self.cut(input)?, &Stage::Transpose(rows.clone()))
            }
            Relation::Union { inputs } => {
                let mut fragments = Vec::new();
                for input in inputs {
                    fragments.extend(self.cut(input)?);
                }
                fragments
            }
            Relation::Aggregate { input, spec, .. } => self.cut_aggregate(input, spec)?,
            Relation::Over { input, spec, .. } => self.cut_over(input, spec)?,
            Relation::TopN { input, spec, .. } => self.cut_top_n(input, spec)?,
            Relation::Sort { input, spec } => {
                let children = self.cut(input)?;
                let gathered = Merge::Sorted(spec.clone());
                self.cut_ordered(children, Stage::Sort(spec.clone()), gathered, "ORDER BY")?
            }
            Relation::Limit { input, spec } => {
                let children = self.cut(input)?;
                let gathered = limited(input, *spec);
                self.cut_ordered(children, Stage::Limit(*spec), gathered, "LIMIT")?
            }
        })
    }

    /// Analytic functions need every row of a key in one partition: there is no table to merge.
    fn cut_over(&mut self, input: &Relation, spec: &OverSpec) -> Result<Vec<Fragment>, Refusal> {
        let mut children = self.cut(input)?;
        let has_no_end = is_unbounded(&children);
        if let OverOrder::EventTime { column } = spec.order {
            note_event_time(&mut children, event_time_columns(input, column).as_deref());
        }
        let what = format!("OVER ({})", describe("PARTITION BY", input, &spec.partition_by, ""));
        let waits = matches!(spec.order, OverOrder::EventTime { .. });
        if waits && is_unbounded(&children) && !has_watermark(&children) {
            return Err(Refusal {
                message: format!("{what} by event time would never emit: its input has no end"),
                hint: NO_WATERMARK.to_owned(),
                span: spec.span,
            });
        }
        match local_reason(self.partitioning, &children, input, &spec.partition_by) {
            Ok(Local { reason, audited_keys }) => {
                self.locality = self.locality.max(Locality::Local);
                let proof = format!("{what} is local: {reason}");
                if !self.proof.contains(&proof) {
                    self.proof.push(proof);
                }
                Ok(with_stage(children, &Stage::Over { spec: spec.clone(), audited_keys }))
            }
            // Nothing is sorted: rows are those of one partition after those of the other.
            Err(reason) if spec.order == OverOrder::Arrival && !has_no_end => {
                self.locality = Locality::Gather;
                self.proof.push(format!(
                    "{what} is gathered: {reason}; each partition keeps its rows, and one pipeline looks at them \
                     in partition order {AT_THE_END}"
                ));
                let gathered = vec![gather(children, limited(input, LimitSpec::default()))];
                let audited_keys = Vec::new();
                Ok(with_stage(gathered, &Stage::Over { spec: spec.clone(), audited_keys }))
            }
            Err(reason) => Err(Refusal {
                message: format!("{what} needs all rows of a key in one partition, but {reason}"),
                hint: "declare PARTITIONED BY with columns of PARTITION BY if the input is partitioned \
                       so, or write the input partitioned by the key first"
                    .to_owned(),
                span: spec.span,
            }),
        }
    }

    fn cut_top_n(&mut self, input: &Relation, spec: &TopNSpec) -> Result<Vec<Fragment>, Refusal> {
        let children = self.cut(input)?;
        let keys = describe("PARTITION BY", input, &spec.partition_by, "all rows");
        let what = format!("ROW_NUMBER over {keys}");
        let is_endless = is_unbounded(&children);
        if is_endless && spec.window_end.is_none() {
            let fields = &input.schema().fields;
            let is_bound = |&at: &usize| fields[at].name.eq_ignore_ascii_case("window_end");
            if spec.partition_by.iter().any(is_bound) {
                return Err(Refusal {
                    message: format!(
                        "{what} would never emit: its input has no end, and these are rows, not groups of a window"
                    ),
                    hint: "number groups: SELECT …, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC) FROM (SELECT k, \
                           window_end, COUNT(*) AS n FROM … GROUP BY k, window_start, window_end); of rows MAX_BY(x, time) \
                           gives the last of each group"
                        .to_owned(),
                    span: spec.span,
                });
            }
            return Err(Refusal {
                message: format!(
                    "{what} in another order than that of event time would never emit: its input has no end"
                ),
                hint: "number the rows of a window, with window_end in PARTITION BY".to_owned(),
                span: spec.span,
            });
        }
        match local_reason(self.partitioning, &children, input, &spec.partition_by) {
            Ok(Local { reason, .. }) => {
                self.locality = self.locality.max(Locality::Local);
                self.proof.push(format!("{what} is local: {reason}"));
                Ok(with_stage(children, &Stage::TopN(spec.clone())))
            }
            Err(reason) => {
                let when = if is_endless { WHEN_ALL_HAVE_PASSED } else { AT_THE_END };
                self.locality = Locality::Gather;
                self.proof.push(format!(
                    "{what} is gathered: {reason}; each partition seals its first rows, and one pipeline \
                     merges them in partition order {when}"
                ));
                Ok(vec![gather(children, Merge::TopN(spec.clone()))])
            }
        }
    }

    fn cut_aggregate(
        &mut self,
        input: &Relation,
        spec: &AggregateSpec,
    ) -> Result<Vec<Fragment>, Refusal> {
        let mut children = self.cut(input)?;
        if let Some(window) = &spec.window {
            note_event_time(&mut children, event_time_columns(input, window.time).as_deref());
        }
        let what = describe_grouping(input, spec);
        let local = local_reason(self.partitioning, &children, input, &spec.keys);
        if spec.emit == Emit::Final && is_unbounded(&children) {
            let remedy = match spec.window {
                None => Some(emitting(spec, local.is_ok())),
                Some(_) if !has_watermark(&children) => Some(NO_WATERMARK),
                Some(_) => None,
            };
            if let Some(remedy) = remedy {
                let mode = if spec.calls.is_empty() { "" } else { " with EMIT FINAL" };
                return Err(Refusal {
                    message: format!("{what}{mode} would never emit: its input has no end"),
                    hint: remedy.to_owned(),
                    span: spec.span,
                });
            }
        }
        match local {
            Ok(Local { reason, audited_keys }) => {
                self.locality = self.locality.max(Locality::Local);
                self.proof.push(format!("{what} is local: {reason}"));
                Ok(with_stage(children, &Stage::Aggregate { spec: spec.clone(), audited_keys }))
            }
            Err(reason) if spec.window.is_some() && spec.emit == Emit::Final => {
                if spec.window.is_some_and(|window| window.allowed_lateness_us > 0) {
                    return Err(Refusal {
                        message: format!(
                            "{what} cannot correct results that were gathered, but {reason}"
                        ),
                        hint: "declare PARTITIONED BY with columns of the group key if the input is \
                               partitioned so, or leave out 'allowed.lateness' and let the watermark \
                               wait longer"
                            .to_owned(),
                        span: spec.span,
                    });
                }
                let when = if is_unbounded(&children) { WHEN_ALL_HAVE_PASSED } else { AT_THE_END };
                self.locality = Locality::Gather;
                self.proof.push(format!(
                    "{what} is gathered: {reason}; each partition seals a window when its watermark \
                     reaches the end, and one pipeline merges them in partition order {when}"
                ));
                Ok(vec![gather(children, Merge::Windows(spec.clone()))])
            }
            Err(reason) if spec.emit == Emit::Final => {
                self.locality = Locality::Gather;
                self.proof.push(format!(
                    "{what} is gathered: {reason}; groups leave once, at the end of input, so each \
                     partition seals its table and one pipeline merges them in partition order"
                ));
                let merge = Merge::Groups(spec.clone());
                Ok(vec![gather(children, merge)])
            }
            Err(reason) => {
                let or = match (is_unbounded(&children), &spec.window) {
                    (false, _) => "use EMIT FINAL",
                    (true, Some(_)) => {
                        "leave EMIT CHANGES out, so that windows leave as they close"
                    }
                    (true, None) => {
                        "add a window over the event time, which is merged as it closes"
                    }
                };
                Err(Refusal {
                    message: format!(
                        "{what} with {} needs all records of a group in one partition, but {reason}",
                        spec.emit
                    ),
                    hint: format!(
                        "declare PARTITIONED BY with columns of the group key if the input is \
                         partitioned so, write the input partitioned by the key first, or {or}"
                    ),
                    span: spec.span,
                })
            }
        }
    }

    fn cut_ordered(
        &mut self,
        children: Vec<Fragment>,
        stage: Stage,
        merge: Merge,
        what: &str,
    ) -> Result<Vec<Fragment>, Refusal> {
        let is_endless = is_unbounded(&children);
        let is_one_pipeline = match children.as_slice() {
            [Fragment { input: FragmentInput::Gather { .. }, .. }] => true,
            [Fragment { input: FragmentInput::Scan(scan), .. }] => {
                (self.partitioning)(&scan.source).partition_count == Some(1)
            }
            _ => false,
        };
        // The first rows of one endless partition are there soon; an order never is.
        if is_endless && !(is_one_pipeline && matches!(stage, Stage::Limit(_))) {
            let hint = match stage {
                Stage::Limit(_) => {
                    "a limit of input without end takes a single partition: one file"
                }
                _ => {
                    "leave it out: rows come as they are known; ROW_NUMBER() OVER (PARTITION BY \
                     window_end ORDER BY …) gives the order within a window"
                }
            };
            return Err(Refusal {
                message: format!("{what} would never emit: its input has no end"),
                hint: hint.to_owned(),
                span: self.order_span,
            });
        }
        if is_one_pipeline {
            self.locality = self.locality.max(Locality::Local);
            self.proof.push(format!("{what} is local: its input is one pipeline"));
            Ok(with_stage(children, &stage))
        } else {
            self.locality = Locality::Gather;
            self.proof.push(format!(
                "{what} is gathered: it looks at the rows of every partition, and bounded input ends"
            ));
            Ok(vec![gather(children, merge)])
        }
    }
}

fn gather(children: Vec<Fragment>, merge: Merge) -> Fragment {
    let input = FragmentInput::Gather { children, merge };
    Fragment { input, stages: Vec::new() }
}

/// The first rows of a relation.
fn limited(input: &Relation, spec: LimitSpec) -> Merge {
    let fields = input.schema().fields.into_iter();
    Merge::Limited { spec, input_types: fields.map(|field| field.data_type).collect() }
}

fn with_stage(mut fragments: Vec<Fragment>, stage: &Stage) -> Vec<Fragment> {
    for fragment in &mut fragments {
        fragment.stages.push(stage.clone());
    }
    fragments
}

/// Makes the event times of a column known where records come in. `columns` are those of the scans
/// below, left to right; `None` takes what each source declares.
fn note_event_time(fragments: &mut [Fragment], columns: Option<&[usize]>) {
    for (at, fragment) in fragments.iter_mut().enumerate() {
        let FragmentInput::Scan(scan) = &fragment.input else { continue };
        if matches!(fragment.stages.first(), Some(Stage::EventTime(_))) {
            continue;
        }
        let rule = scan.source.watermark;
        let column = columns.and_then(|columns| columns.get(at).copied());
        let Some(column) = column.or(rule.map(|rule| rule.column)) else { continue };
        let Some(place) = scan.columns.iter().position(|&scanned| scanned == column) else {
            continue;
        };
        let rule = rule.filter(|rule| rule.column == column);
        let spec = EventTimeSpec {
            column: place,
            name: scan.source.field(column).name.clone(),
            delay_us: rule.map(|rule| rule.delay_us),
            max_ahead_us: rule.and_then(|rule| rule.max_ahead_us),
        };
        fragment.stages.insert(0, Stage::EventTime(spec));
    }
}

/// Whether records of any source below may come for ever.
fn is_unbounded(fragments: &[Fragment]) -> bool {
    fragments.iter().any(|fragment| match &fragment.input {
        FragmentInput::Scan(scan) => !scan.source.is_bounded(),
        FragmentInput::Gather { children, .. } => is_unbounded(children),
    })
}

/// How a grouping without a window gives rows of input without end.
fn emitting(spec: &AggregateSpec, is_local: bool) -> &'static str {
    match (spec.calls.is_empty(), is_local) {
        (false, true) => "write EMIT CHANGES, or add a window over the event time",
        (true, true) => {
            "add COUNT(*) and GROUP BY the same columns, whose changes are given as they happen, or a \
             window over the event time"
        }
        (_, false) => "add a window over the event time: GROUP BY … WINDOW TUMBLING (time, 1m)",
    }
}

const NO_WATERMARK: &str = "declare WATERMARK FOR the event time, which says how far it has come";

/// Whether event time passes in every source below.
fn has_watermark(fragments: &[Fragment]) -> bool {
    fragments.iter().all(|fragment| match &fragment.input {
        FragmentInput::Scan(_) => matches!(
            fragment.stages.first(),
            Some(Stage::EventTime(EventTimeSpec { delay_us: Some(_), .. }))
        ),
        FragmentInput::Gather { children, .. } => has_watermark(children),
    })
}

fn describe_grouping(input: &Relation, spec: &AggregateSpec) -> String {
    let keys = describe("GROUP BY", input, &spec.keys, "the grouping of all rows");
    match &spec.window {
        Some(window) => format!("{keys}, {}", window.kind),
        None => keys,
    }
}

/// The names of some columns behind a word; `without` where there are none.
fn describe(word: &str, input: &Relation, columns: &[usize], without: &str) -> String {
    if columns.is_empty() {
        return without.to_owned();
    }
    let schema = input.schema();
    let names: Vec<&str> = columns.iter().map(|&at| schema.fields[at].name.as_str()).collect();
    format!("{word} {}", names.join(", "))
}
