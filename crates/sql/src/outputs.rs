//! Where a script writes: records that are set aside have a place, and each directory has one writer.

use std::collections::HashMap;

use tidemill_plan::relation::Explain;
use tidemill_plan::{
    BadRecords, FileSink, Format, LateRecords, Query, Settings, SinkConnector, SinkDef, SourceDef,
    Span,
};
use tidemill_record::{DataType, Schema};

use crate::report::{Bind, Report};
use crate::scope::Session;
use crate::suggest::did_you_mean;

/// Holds the results of a query to what its sink can keep.
pub(crate) fn check_result(
    session: &mut Session<'_>,
    sink: &SinkDef,
    schema: &Schema,
    span: Span,
) -> Bind<()> {
    let format = match &sink.connector {
        SinkConnector::File(file) => &file.format,
        SinkConnector::Stdout(Some(format)) => format,
        _ => return Ok(()),
    };
    if let SinkConnector::File(file) = &sink.connector {
        check_folders(session, file, schema, span)?;
    }
    // What keeps columns by name needs one for each; a file of any format can be read by name.
    let is_by_name =
        matches!(sink.connector, SinkConnector::File(_)) || !matches!(format, Format::Csv(_));
    let mut seen = std::collections::HashSet::new();
    for field in &schema.fields {
        if is_by_name && !seen.insert(field.name.as_str()) {
            return session.fail_with(
                span,
                format!("two columns of the result are named \"{}\"", field.name),
                "give one of them an alias with AS",
            );
        }
        if matches!(format, Format::Parquet) && holds_interval(&field.data_type) {
            let message = format!("column {}: INTERVAL cannot be written to Parquet", field.name);
            return session.fail_with(span, message, "write CAST(… AS VARCHAR)");
        }
    }
    Ok(())
}

/// Holds the columns of `partition.by` to what names of folders say.
fn check_folders(
    session: &mut Session<'_>,
    file: &FileSink,
    schema: &Schema,
    span: Span,
) -> Bind<()> {
    let names = || schema.fields.iter().map(|field| field.name.as_str());
    for name in &file.partition_by {
        let Some(field) = schema.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
        else {
            let message =
                format!("'partition.by' names \"{name}\", and the result has no such column");
            let hint = did_you_mean(name, names()).unwrap_or_else(|| {
                format!("its columns are {}", names().take(40).collect::<Vec<_>>().join(", "))
            });
            return session.fail_with(span, message, hint);
        };
        let is_plain = |c: char| !c.is_control() && !"/=%".contains(c);
        if field.name.starts_with(['.', '_']) || !field.name.chars().all(is_plain) {
            let message = format!("the column \"{}\" cannot name folders", field.name);
            let hint = "give it another name with AS, without / = % and not behind a point or _";
            return session.fail_with(span, message, hint);
        }
        if let DataType::Varbinary | DataType::Interval | DataType::Array(_) = field.data_type {
            let message =
                format!("column {} is {}, which names no folder", field.name, field.data_type);
            return session.fail_with(span, message, "write CAST(… AS VARCHAR) in the query");
        }
    }
    if !file.partition_by.is_empty() && file.partition_by.len() >= schema.fields.len() {
        let message =
            "'partition.by' names every column of the result, and nothing is left for the files";
        return session.fail_with(span, message, "select a column that it does not name");
    }
    Ok(())
}

fn holds_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval => true,
        DataType::Array(item) => holds_interval(item),
        _ => false,
    }
}

/// Holds all queries of a script that run to what they write beside their results.
pub(crate) fn check_outputs(queries: &[Query], settings: &Settings, report: &mut Report) {
    let mut writers: HashMap<&str, String> = HashMap::new();
    for query in queries.iter().filter(|query| query.explain != Explain::Plan) {
        if let SinkConnector::File(file) = &query.sink.connector {
            let writer = format!("sink {}", query.sink.name);
            claim(&file.path, writer, query.sink.span, &mut writers, report);
        }
        for scan in query.relation.scans() {
            let source = &scan.source;
            if !sets_aside(source, settings) {
                continue;
            }
            let path = source.dead_letter_path.as_ref().or(settings.dead_letter_path.as_ref());
            match path {
                Some(path) => {
                    claim(path, "dead letters".to_owned(), source.span, &mut writers, report);
                }
                None => {
                    let message = format!(
                        "source {} sets records aside, but no 'dead.letter.path' says where",
                        source.name
                    );
                    let hint = "set it for the source or with SET".to_owned();
                    report.add(source.span, message, Some(hint));
                }
            }
        }
    }
}

fn sets_aside(source: &SourceDef, settings: &Settings) -> bool {
    let policy = source.bad_records.unwrap_or(settings.bad_records);
    let late = source.watermark.map(|rule| rule.late_records);
    policy == BadRecords::DeadLetter || late == Some(LateRecords::DeadLetter)
}

/// Notes who writes to a directory, and reports a second one.
fn claim<'a>(
    path: &'a str,
    writer: String,
    span: Span,
    writers: &mut HashMap<&'a str, String>,
    report: &mut Report,
) {
    let directory = match path.trim_end_matches('/') {
        "" => path,
        trimmed => trimmed,
    };
    match writers.get(directory) {
        Some(other) if *other != writer => {
            let message = format!("{other} and {writer} both write to {path}");
            report.add(span, message, Some("give each a path of its own".to_owned()));
        }
        Some(_) => {}
        None => {
            writers.insert(directory, writer);
        }
    }
}
