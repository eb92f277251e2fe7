//! A physical query as indented text, sink first, the way the results flow upwards; with what each step did
//! in the lines below it, where somebody has counted.

use std::fmt::{self, Write};

use tidemill_record::harmless;

use crate::fragment::{EventTimeSpec, Fragment, FragmentInput, Merge, PhysicalQuery, Stage};
use crate::options::duration_text;
use crate::relation::Scan;
use crate::{
    AggregateSpec, ExprKind, Format, LimitSpec, NamedExpr, OverOrder, OverSpec, Packing,
    SinkConnector, SinkDef, SortKey, SortSpec, SourceConnector, TopNSpec, WindowSpec,
};

/// A step of a plan. Fragments are numbered depth first, children before the gather that reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// The sink.
    Sink,
    /// A stage, by its place in [`Fragment::stages`].
    Stage {
        /// Of this fragment.
        fragment: usize,
        /// Its place.
        stage: usize,
    },
    /// The gather that a fragment begins with.
    Gather {
        /// Of this fragment.
        fragment: usize,
    },
    /// The partial tables that a fragment ends in.
    Seal {
        /// Of this fragment.
        fragment: usize,
    },
    /// The scan that a fragment begins with, its filter included.
    Scan {
        /// Of this fragment.
        fragment: usize,
    },
}

/// A plan, and what is to be said below each of its steps.
struct Annotated<'a, N> {
    query: &'a PhysicalQuery,
    note: N,
}

impl PhysicalQuery {
    /// The plan as text, with a line of what `note` says below each step.
    pub fn annotated(&self, note: impl Fn(PlanStep) -> Option<String>) -> String {
        Annotated { query: self, note }.to_string()
    }
}

impl fmt::Display for PhysicalQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Annotated { query: self, note: |_| None }.fmt(f)
    }
}

impl<N: Fn(PlanStep) -> Option<String>> fmt::Display for Annotated<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = self.query;
        writeln!(f, "locality: {}", query.locality)?;
        for reason in &query.proof {
            writeln!(f, "  {reason}")?;
        }
        write_sink(f, &query.sink)?;
        self.write_note(f, PlanStep::Sink, 1)?;
        let mut first = 0;
        for fragment in &query.fragments {
            self.write_fragment(f, fragment, first, 1)?;
            first += fragment_count(fragment);
        }
        Ok(())
    }
}

/// A fragment, and those below it.
fn fragment_count(fragment: &Fragment) -> usize {
    match &fragment.input {
        FragmentInput::Scan(_) => 1,
        FragmentInput::Gather { children, .. } => {
            1 + children.iter().map(fragment_count).sum::<usize>()
        }
    }
}

fn write_sink(f: &mut fmt::Formatter<'_>, sink: &SinkDef) -> fmt::Result {
    match &sink.connector {
        SinkConnector::File(file) => {
            let format = file.format.name();
            let packing = file.packing.codec.name();
            let packing = if file.packing.codec == Packing::of(&file.format).codec {
                String::new()
            } else {
                format!(", {packing}")
            };
            let folders = match file.partition_by.as_slice() {
                [] => String::new(),
                names => format!(", folders by {}", names.join(", ")),
            };
            let line =
                format!("sink {}: file {} ({format}{packing}){folders}", sink.name, file.path);
            writeln!(f, "{}", harmless(&line, &[]))
        }
        SinkConnector::Stdout(format) => {
            let format = format.as_ref().map_or("table", Format::name);
            writeln!(f, "sink {}: standard output ({format})", sink.name)
        }
        SinkConnector::Discard(_) => writeln!(f, "sink {}: discard", sink.name),
        SinkConnector::Registered => writeln!(f, "sink {}: registered", sink.name),
    }
}

impl<N: Fn(PlanStep) -> Option<String>> Annotated<'_, N> {
    /// Writes a fragment and those below it, the first of which has the number `first`.
    fn write_fragment(
        &self,
        f: &mut fmt::Formatter<'_>,
        fragment: &Fragment,
        first: usize,
        depth: usize,
    ) -> fmt::Result {
        let number = first + fragment_count(fragment) - 1;
        let mut depth = depth;
        for (place, stage) in fragment.stages.iter().enumerate().rev() {
            if matches!(stage, Stage::Compute(columns) if computed(columns).is_empty()) {
                // It only leaves out, or puts in order.
                continue;
            }
            indent(f, depth)?;
            write_stage(f, stage)?;
            depth += 1;
            self.write_note(f, PlanStep::Stage { fragment: number, stage: place }, depth)?;
        }
        match &fragment.input {
            FragmentInput::Scan(scan) => {
                write_scan(f, scan, depth)?;
                self.write_note(f, PlanStep::Scan { fragment: number }, depth + 1)
            }
            FragmentInput::Gather { children, merge } => {
                let (gathered, sealed) = gathering(merge);
                indent(f, depth)?;
                writeln!(f, "gather {gathered}, in partition order")?;
                self.write_note(f, PlanStep::Gather { fragment: number }, depth + 1)?;
                let mut first = first;
                for child in children {
                    indent(f, depth + 1)?;
                    writeln!(f, "seal {}", harmless(&sealed, &[]))?;
                    let below = first + fragment_count(child);
                    self.write_note(f, PlanStep::Seal { fragment: below - 1 }, depth + 2)?;
                    self.write_fragment(f, child, first, depth + 2)?;
                    first = below;
                }
                Ok(())
            }
        }
    }

    /// Writes what there is to say of a step.
    fn write_note(&self, f: &mut fmt::Formatter<'_>, step: PlanStep, depth: usize) -> fmt::Result {
        let Some(note) = (self.note)(step) else { return Ok(()) };
        indent(f, depth)?;
        writeln!(f, "-- {note}")
    }
}

fn write_stage(f: &mut fmt::Formatter<'_>, stage: &Stage) -> fmt::Result {
    let text = match stage {
        Stage::Compute(columns) => format!("compute {}", projection(&computed(columns))),
        Stage::EventTime(spec) => event_time(spec),
        Stage::Over { spec, .. } => format!("over {}", over(spec)),
        Stage::TopN(spec) => format!("number {}", top_n(spec)),
        Stage::Filter(predicate) => format!("filter {predicate}"),
        Stage::Project(columns) => format!("project {}", projection(columns)),
        Stage::Transpose(rows) => {
            let names = rows.first().into_iter().flatten().map(|column| column.name.as_str());
            format!("transpose to {} rows of {}", rows.len(), names.collect::<Vec<_>>().join(", "))
        }
        Stage::Aggregate { spec, .. } => format!("aggregate {}", grouping(spec)),
        Stage::Sort(spec) => format!("sort {}", order(spec)),
        Stage::Limit(spec) => format!("limit {}", limit(spec)),
    };
    writeln!(f, "{}", harmless(&text, &[]))
}

/// What a gather brings together, and what its partitions seal.
fn gathering(merge: &Merge) -> (&'static str, String) {
    match merge {
        Merge::Groups(spec) => ("groups", format!("aggregate {}", grouping(spec))),
        Merge::Windows(spec) => ("windows", format!("aggregate {}", grouping(spec))),
        Merge::TopN(spec) => ("numbered rows", format!("number {}", top_n(spec))),
        Merge::Sorted(spec) => ("sorted rows", format!("sort {}", order(spec))),
        Merge::Limited { spec, .. } => ("first rows", format!("limit {}", limit(spec))),
    }
}

fn write_scan(f: &mut fmt::Formatter<'_>, scan: &Scan, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    writeln!(f, "{}", harmless(&scan_line(scan)?, &[]))
}

fn scan_line(scan: &Scan) -> Result<String, fmt::Error> {
    let mut line = String::new();
    let f = &mut line;
    let source = &scan.source;
    write!(f, "scan {}: ", source.name)?;
    match &source.connector {
        SourceConnector::File(file) => {
            write!(f, "file {} ({}", file.path, file.format.name())?;
            if let Format::Csv(csv) = &file.format {
                match csv.delimiter {
                    b',' => {}
                    b'\t' => f.write_str(", '\\t' between fields")?,
                    delimiter => write!(f, ", '{}' between fields", char::from(delimiter))?,
                }
                f.write_str(if csv.has_header { "" } else { ", no header" })?;
            }
            f.write_char(')')?;
        }
        SourceConnector::Generator(g) => {
            match g.rows {
                Some(rows) => write!(f, "generator, {rows} rows")?,
                None => f.write_str("generator, without end")?,
            }
            if let Some(rate) = g.rate {
                write!(f, ", {rate} a second")?;
            }
            write!(f, ", {} partitions", g.partitions)?;
        }
        SourceConnector::Sequence(sequence) => {
            match sequence.rows {
                Some(1) => f.write_str("one row")?,
                Some(rows) => write!(f, "{rows} rows")?,
                None => f.write_str("rows without end")?,
            }
            if let Some(rate) = sequence.rate {
                write!(f, ", {rate} a second")?;
            }
        }
        SourceConnector::Registered { name, is_bounded } => {
            f.write_str("registered")?;
            if *name != source.name {
                write!(f, " as {name}")?;
            }
            f.write_str(if *is_bounded { "" } else { ", without end" })?;
        }
    }
    let total = source.schema.fields.len();
    let shown = |columns: &[usize]| {
        let fields = columns.iter().map(|&column| source.field(column));
        let fields: Vec<String> =
            fields.map(|field| format!("{} {}", field.name, field.data_type)).collect();
        fields.join(", ")
    };
    let (recorded, metadata) = scan.recorded_and_metadata();
    write!(f, ", {} of {total} columns [{}]", recorded.len(), shown(recorded))?;
    if !metadata.is_empty() {
        write!(f, " and [{}]", shown(metadata))?;
    }
    if let Some(filter) = &scan.filter {
        write!(f, ", where {filter}")?;
    }
    Ok(line)
}

fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}

/// Columns that are not there before.
fn computed(columns: &[NamedExpr]) -> Vec<NamedExpr> {
    let is_computed = |column: &&NamedExpr| match &column.expr.kind {
        ExprKind::Column { name, .. } => *name != column.name,
        _ => true,
    };
    columns.iter().filter(is_computed).cloned().collect()
}

fn projection(columns: &[NamedExpr]) -> String {
    let mut text = String::new();
    for (i, column) in columns.iter().enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        let expr = column.expr.to_string();
        if expr == column.name {
            let _ = write!(text, "{separator}{expr}");
        } else {
            let _ = write!(text, "{separator}{expr} AS {}", column.name);
        }
    }
    text
}

fn grouping(spec: &AggregateSpec) -> String {
    let calls: Vec<&str> = spec.calls.iter().map(|call| call.label.as_str()).collect();
    let calls = calls.join(", ");
    match &spec.window {
        None => format!("keys {:?}, [{calls}], {}", spec.keys, spec.emit),
        Some(window) => {
            format!("keys {:?}, window {}, [{calls}], {}", spec.keys, windowing(window), spec.emit)
        }
    }
}

fn windowing(window: &WindowSpec) -> String {
    let mut text = format!("{} of #{}", window.kind, window.time);
    if let Some(pane_us) = window.kind.pane_us() {
        let _ = write!(text, ", panes of {}", duration_text(pane_us));
    }
    if window.allowed_lateness_us > 0 {
        let _ = write!(text, ", allowed lateness {}", duration_text(window.allowed_lateness_us));
    }
    text
}

fn event_time(spec: &EventTimeSpec) -> String {
    match spec.delay_us {
        None => {
            format!("event time {}, no watermark: all waits for the end of the input", spec.name)
        }
        Some(0) => format!("event time {}, watermark {}", spec.name, spec.name),
        Some(delay_us) => {
            format!(
                "event time {}, watermark {} - {}",
                spec.name,
                spec.name,
                duration_text(delay_us)
            )
        }
    }
}

fn over(spec: &OverSpec) -> String {
    let order = match spec.order {
        OverOrder::Arrival => "in order of arrival".to_owned(),
        OverOrder::EventTime { column } => format!("by event time #{column}"),
        OverOrder::Sorted => format!("sorted by {:?}", spec.sorted_by),
    };
    let calls: Vec<&str> = spec.calls.iter().map(|call| call.label.as_str()).collect();
    let calls = calls.join(", ");
    let mut text = format!("keys {:?}, {order}, [{calls}]", spec.partition_by);
    if let Some(ttl_us) = spec.idle_key_ttl_us {
        let _ = write!(text, ", idle keys go after {}", duration_text(ttl_us));
    }
    text
}

fn top_n(spec: &TopNSpec) -> String {
    let which = spec.keep.map_or_else(|| "all".to_owned(), |keep| format!("the first {keep}"));
    let when = if spec.window_end.is_some() { "window closes" } else { "input ends" };
    let (keys, order) = (&spec.partition_by, sort_keys(&spec.order));
    format!("{which} of keys {keys:?}, {order}, when the {when}")
}

fn order(spec: &SortSpec) -> String {
    let mut text = sort_keys(&spec.keys);
    if spec.limit != LimitSpec::default() {
        let _ = write!(text, ", {}", limit(&spec.limit));
    }
    text
}

fn sort_keys(keys: &[SortKey]) -> String {
    let mut text = String::new();
    for (i, key) in keys.iter().enumerate() {
        let separator = if i == 0 { "by " } else { ", " };
        let direction = if key.is_descending { "DESC" } else { "ASC" };
        let nulls = if key.is_nulls_first { " NULLS FIRST" } else { "" };
        let _ = write!(text, "{separator}#{} {direction}{nulls}", key.column);
    }
    text
}

fn limit(spec: &LimitSpec) -> String {
    let keep = spec.keep.map_or_else(|| "all".to_owned(), |keep| keep.to_string());
    if spec.skip == 0 { format!("keep {keep}") } else { format!("skip {}, keep {keep}", spec.skip) }
}
