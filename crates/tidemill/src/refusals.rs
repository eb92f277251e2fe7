//! Queries that are sound and that a job cannot run as it is asked to: their format, their sink or their state forbids it.

use std::collections::HashSet;
use std::path::PathBuf;

use tidemill_format::Encoder;
use tidemill_plan::{
    AggregateFunction, Format, PhysicalQuery, Query, SinkConnector, SourceConnector,
};
use tidemill_rt::fs;
use tidemill_source::means;
use tidemill_sql::{SqlError, SqlErrors};

use crate::Error;
use crate::planning::{PlannedQuery, Surroundings, writers};

/// Whether a format can hold the result: all but CSV keep columns by name, and not each has every type.
pub(crate) fn check_format(
    physical: &PhysicalQuery,
    format: &Format,
    around: &Surroundings,
) -> Result<(), Error> {
    let fields = &physical.schema.fields;
    let mut names = HashSet::with_capacity(fields.len());
    let twice = fields.iter().map(|field| &field.name).find(|&name| !names.insert(name));
    let (message, hint) = match (twice, Encoder::new(format, &physical.schema)) {
        (Some(name), _) if !matches!(format, Format::Csv(_)) => (
            format!("two columns of the result are named \"{name}\""),
            Some("give one of them an alias with AS".to_owned()),
        ),
        (_, Err(error)) => (error.to_string(), None),
        _ => return Ok(()),
    };
    let errors = SqlErrors(vec![SqlError { message, span: physical.sink.span, hint }]);
    Err(around.text.error(errors, &[]))
}

/// What would read for ever what it writes itself: a sink of files that a followed source of the same script means.
pub(crate) fn refuse_loops(queries: &[&Query]) -> Result<(), Error> {
    let scans = queries.iter().flat_map(|query| query.relation.scans());
    let followed: Vec<(&str, &str)> = scans
        .filter_map(|scan| match &scan.source.connector {
            SourceConnector::File(file) if file.follow => Some((&*scan.source.name, &*file.path)),
            _ => None,
        })
        .collect();
    for query in queries {
        let SinkConnector::File(sink) = &query.sink.connector else { continue };
        let mut written = PathBuf::from(&sink.path);
        if !sink.is_file || fs::is_dir(&written) {
            written.extend(sink.partition_by.iter().map(|column| format!("{column}=1")));
            written.push(format!("part-00000-000000.{}", sink.extension()));
        }
        if let Some((source, path)) = followed.iter().find(|(_, path)| means(path, &written)) {
            return Err(Error::usage(format!(
                "what {} writes to {} would be read again, for ever, by {source}, which follows {path}: give it a \
                 directory of its own",
                query.sink.name, sink.path
            )));
        }
    }
    Ok(())
}

/// What cannot be gone on with from a checkpoint.
pub(crate) fn refuse_state(query: &PlannedQuery) -> Result<(), Error> {
    let sink = &query.physical.sink;
    let source = query.sources.iter().find(|(_, found)| !found.can_be_read_again());
    let mut unkept = None;
    for fragment in &query.physical.fragments {
        fragment.for_each_aggregate(&mut |call| {
            if let AggregateFunction::User(user) = &call.function
                && user.function.version.is_none()
            {
                unkept = Some(&user.function.name);
            }
        });
    }
    if let Some(name) = unkept {
        return Err(Error::usage(format!(
            "a job with a 'state.dir' cannot do this: the aggregate function {name} does not say how its states are kept: \
             give it a version, and export and import"
        )));
    }
    let what = match (&sink.connector, source) {
        (_, Some((source, _))) => {
            format!("{source} is read once, so that nobody can go on where it was")
        }
        (SinkConnector::Registered, _) => {
            format!("sink {} is the embedding program's, which does not say how far it has come", sink.name)
        }
        (SinkConnector::Stdout(None), _) => {
            "results that are shown as a table are held until they are shown: print them with --format csv or json".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Error::usage(format!("a job with a 'state.dir' cannot do this: {what}")))
}

/// A Parquet file ends in a footer that speaks of all its rows, so that one pipeline has to write it.
pub(crate) fn refuse_footers(query: &PlannedQuery, around: &Surroundings) -> Result<(), Error> {
    let PhysicalQuery { sink, .. } = &query.physical;
    let count = writers(query);
    if count < 2 || !matches!(sink.connector, SinkConnector::Stdout(Some(Format::Parquet))) {
        return Ok(());
    }
    let message = format!(
        "{count} partitions would write {count} Parquet files behind one another to standard output"
    );
    let hint = "write one file, with 'connector' = 'file' and 'path' = 'o.parquet', or print a stream in the \
                format arrows";
    let error = SqlError { message, span: sink.span, hint: Some(hint.to_owned()) };
    Err(around.text.error(SqlErrors(vec![error]), &[]))
}
