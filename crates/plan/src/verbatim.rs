//! Columns that leave as the text they came as.
//!
//! Where CSV goes in and CSV comes out, a column that a query only hands on need not become a value
//! and text again: its text is checked, and copied if it is what the value would be written as. The
//! columns that stand beside each other in the result travel as one column of text.

use std::ops::Range;

use tidemill_record::{DataType, Field};

use crate::fragment::{Fragment, FragmentInput, Stage};
use crate::relation::{NamedExpr, Scan};
use crate::{CsvOptions, Expr, ExprKind, Format, SinkConnector, SourceConnector, Times};

/// Columns of a result that come as one column of CSV text, in place of a column each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verbatim {
    /// Which columns of the result, at least one.
    pub results: Range<usize>,
    /// For each of them, the column of the source that it is.
    pub columns: Vec<usize>,
}

/// Lets the columns that a fragment only hands on pass as text, where its input and the sink are CSV
/// of one dialect: the scan loses those that nothing else reads, and behind its columns comes one of
/// text, of type `VARCHAR`, for each entry of [`Fragment::verbatim`].
pub(crate) fn pass_text(fragment: &mut Fragment, sink: &SinkConnector) {
    let FragmentInput::Scan(scan) = &mut fragment.input else { return };
    let Some(source) = csv_source(scan) else { return };
    let is_alike = match sink {
        SinkConnector::File(file) => match &file.format {
            // Which row goes where is told by values.
            _ if !file.partition_by.is_empty() => false,
            Format::Csv(csv) => csv.delimiter == source.delimiter && csv.quote == source.quote,
            _ => false,
        },
        SinkConnector::Discard(discard) => !discard.has_checksum,
        SinkConnector::Stdout(_) | SinkConnector::Registered => false,
    };
    let is_plain = |format: Option<&Times>| format.is_none_or(|times| *times == Times::USUAL);
    let of_sink = match sink {
        SinkConnector::File(file) => file.format.times(),
        _ => None,
    };
    let are_plain = is_plain(Some(&source.times)) && is_plain(of_sink);
    if !is_alike || !are_plain || !source.is_foreign_to_values() {
        return;
    }
    let Some((before, mut columns, behind)) = around_projection(scan, &fragment.stages) else {
        return;
    };
    fragment.verbatim = take_out(scan, &mut columns);
    if fragment.verbatim.is_empty() {
        return;
    }
    let mut stages = before.to_vec();
    drop_unread(scan, &mut stages, &mut columns);
    stages.push(Stage::Project(columns));
    stages.extend_from_slice(behind);
    fragment.stages = stages;
}

fn csv_source(scan: &Scan) -> Option<&CsvOptions> {
    match &scan.source.connector {
        SourceConnector::File(file) => match &file.format {
            Format::Csv(_) if file.union_by_name => None,
            Format::Csv(csv) => Some(csv).filter(|csv| csv.reading.has_plain_records()),
            _ => None,
        },
        SourceConnector::Generator(_)
        | SourceConnector::Sequence(_)
        | SourceConnector::Registered => None,
    }
}

/// What is done to rows before the only projection, its columns, and the limits behind it. Where there is
/// none, it is that of all columns, behind whatever reads one. `None` where other stages are.
fn around_projection<'a>(
    scan: &Scan,
    stages: &'a [Stage],
) -> Option<(&'a [Stage], Vec<NamedExpr>, &'a [Stage])> {
    let is_limit = |stage: &Stage| matches!(stage, Stage::Limit(_));
    let last = stages.iter().rposition(|stage| !is_limit(stage));
    let (before, behind) = stages.split_at(last.map_or(0, |last| last + 1));
    let (before, columns) = match before.split_last() {
        Some((Stage::Project(columns), before)) => (before, columns.clone()),
        _ => (before, every_column(scan)),
    };
    let leaves_columns =
        |stage: &Stage| matches!(stage, Stage::EventTime(_) | Stage::Filter(_) | Stage::Limit(_));
    before.iter().all(leaves_columns).then_some((before, columns, behind))
}

fn every_column(scan: &Scan) -> Vec<NamedExpr> {
    let fields = scan.schema().fields;
    let named = |(index, field): (usize, &Field)| NamedExpr {
        name: field.name.clone(),
        expr: Expr::column(index, field.name.clone(), field.data_type.clone()),
    };
    fields.iter().enumerate().map(named).collect()
}

/// Replaces each run of columns that are handed on by one of text, behind the scan's columns.
fn take_out(scan: &Scan, columns: &mut Vec<NamedExpr>) -> Vec<Verbatim> {
    let mut runs: Vec<Verbatim> = Vec::new();
    let mut kept = Vec::new();
    for (result, column) in std::mem::take(columns).into_iter().enumerate() {
        let Some(of_source) = passed(scan, &column.expr) else {
            kept.push(column);
            continue;
        };
        match runs.last_mut() {
            // A column twice in one run could make its text longer than a view can say.
            Some(run) if run.results.end == result && !run.columns.contains(&of_source) => {
                run.results.end = result + 1;
                run.columns.push(of_source);
            }
            _ => {
                let place = scan.columns.len() + runs.len();
                runs.push(Verbatim { results: result..result + 1, columns: vec![of_source] });
                let expr = Expr::column(place, column.name.clone(), DataType::Varchar);
                kept.push(NamedExpr { name: column.name, expr });
            }
        }
    }
    *columns = kept;
    runs
}

/// The column of the source that an expression is, if its type is one that passes as text.
fn passed(scan: &Scan, expr: &Expr) -> Option<usize> {
    let ExprKind::Column { index, .. } = expr.kind else { return None };
    let passes = matches!(
        expr.data_type,
        DataType::BigInt | DataType::Double | DataType::Timestamp | DataType::Varchar
    );
    let column = scan.columns[index];
    (passes && column < scan.source.schema.fields.len()).then_some(column)
}

/// Takes from the scan the columns that neither its filter nor a stage reads.
fn drop_unread(scan: &mut Scan, stages: &mut [Stage], columns: &mut [NamedExpr]) {
    let before = scan.columns.len();
    let mut is_read = vec![false; before];
    let mut note = |index: usize| {
        // Those behind are the columns of text.
        if let Some(is_read) = is_read.get_mut(index) {
            *is_read = true;
        }
    };
    scan.filter.iter().for_each(|filter| filter.for_each_column(&mut note));
    for stage in &*stages {
        match stage {
            Stage::Filter(predicate) => predicate.for_each_column(&mut note),
            Stage::EventTime(spec) => note(spec.column),
            _ => {}
        }
    }
    columns.iter().for_each(|column| column.expr.for_each_column(&mut note));
    let map = |index: usize| {
        let unread = is_read.iter().take(index).filter(|is_read| !**is_read).count();
        index - unread
    };
    scan.filter.iter_mut().for_each(|filter| filter.remap_columns(&map));
    for stage in stages {
        match stage {
            Stage::Filter(predicate) => predicate.remap_columns(&map),
            Stage::EventTime(spec) => spec.column = map(spec.column),
            _ => {}
        }
    }
    columns.iter_mut().for_each(|column| column.expr.remap_columns(&map));
    let mut is_read = is_read.iter();
    scan.columns.retain(|_| is_read.next() == Some(&true));
}
