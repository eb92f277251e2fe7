//! What `FROM` may name: declared sources, files by path, and what earlier statements wrote.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use tidemill_plan::{
    Derivation, DerivedColumn, FileSink, FileSource, Metadata, Relation, SinkConnector, SinkDef,
    SourceConnector, SourceDef,
};
use tidemill_record::Schema;

use crate::options::{format_by_name_ending, local_path};
use crate::parse::FilePath;
use crate::report::Bind;
use crate::scope::Session;
use crate::sink_columns::SinkColumn;
use crate::source_columns::{add_file_columns, add_members};
use crate::suggest::did_you_mean;
use crate::syntax::Name;

/// Names that statements of the script declared, in the order of the script.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) sources: HashMap<String, Arc<SourceDef>>,
    pub(crate) sinks: HashMap<String, Sink>,
    /// Views, and the queries that must be complete before each is read.
    pub(crate) views: HashMap<String, (Rc<Relation>, Vec<usize>)>,
    /// Names whose declaration is wrong: using them is not another error.
    pub(crate) broken: HashSet<String>,
}

/// A sink, and who wrote to it.
pub(crate) struct Sink {
    pub(crate) def: SinkDef,
    /// The columns that it declares; empty where it takes those of its query.
    pub(crate) columns: Vec<SinkColumn>,
    /// The query that writes it, and what it writes.
    pub(crate) written: Option<(usize, Schema)>,
}

/// A source that was found, and the query that must be complete before it is read.
pub(crate) struct Found {
    pub(crate) source: Arc<SourceDef>,
    pub(crate) runs_after: Option<usize>,
}

impl Tables {
    /// Whether a name is taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.sources.contains_key(name)
            || self.sinks.contains_key(name)
            || self.views.contains_key(name)
            || self.broken.contains(name)
    }

    /// Whether an earlier statement writes the files of a path, which is its sink's name, too.
    pub(crate) fn writes_path(&self, path: &str) -> bool {
        self.sinks.get(path).is_some_and(|sink| {
            sink.written.is_some()
                && matches!(&sink.def.connector, SinkConnector::File(file) if file.path == path)
        })
    }

    /// Finds what `FROM name` reads.
    pub(crate) fn find(&self, session: &mut Session<'_>, name: &Name) -> Bind<Found> {
        if let Some(source) = self.sources.get(&name.text) {
            return Ok(Found { source: source.clone(), runs_after: None });
        }
        if let Some(sink) = self.sinks.get(&name.text) {
            return read_back(session, name, sink);
        }
        if let Some(source) = session.catalog.registered_sources.get(&name.text) {
            return Ok(Found { source: Arc::new(source.clone()), runs_after: None });
        }
        if self.broken.contains(&name.text) {
            return Err(crate::report::Reported);
        }
        let registered = session.catalog.registered_sources.keys();
        let known = self.sources.keys().chain(self.sinks.keys()).chain(registered);
        let mut known: Vec<&str> = known.map(String::as_str).collect();
        known.sort_unstable();
        let hint = did_you_mean(&name.text, known.iter().copied()).unwrap_or_else(|| {
            if is_path(&name.text) {
                format!("the path of files stands in single quotes: FROM '{}'", name.text)
            } else if known.is_empty() {
                "declare it with CREATE SOURCE, or read files with FROM 'path'".to_owned()
            } else {
                format!("tables are {}", known.join(", "))
            }
        });
        session.fail_with(name.span, format!("unknown table \"{}\"", name.text), hint)
    }

    /// The files that `FROM 'path'` reads.
    pub(crate) fn files(session: &mut Session<'_>, name: &Name) -> Bind<Found> {
        let path = match local_path(&name.text) {
            Ok(path) => path,
            Err(hint) => {
                let message = format!("not supported: '{}'", name.text);
                return session.fail_with(name.span, message, hint);
            }
        };
        let asked = FilePath::of_path(path, name.span);
        let Some(found) = session.catalog.inferred(&asked) else {
            if asked.format.is_some() {
                return session.fail(name.span, format!("no columns are known of '{path}'"));
            }
            return session.fail_with(
                name.span,
                "the format of these files is not known by their ending",
                "endings are .csv .tsv .json .jsonl .ndjson .arrow .arrows .ipc .feather .parquet, \
                 then .gz .zst .lz4; read_lines('path') reads each line as a text; or declare the files with CREATE SOURCE",
            );
        };
        let file = FileSource::new(path.to_owned(), found.format.clone());
        let connector = SourceConnector::File(file);
        let mut source = SourceDef {
            is_inferred: true,
            notices: found.notices.clone(),
            ..SourceDef::new(path.to_owned(), found.schema.clone(), connector, name.span)
        };
        add_file_columns(&mut source, &found.path_columns);
        add_members(&mut source, &found.members);
        Ok(Found { source: Arc::new(source), runs_after: None })
    }
}

/// Whether a name looks like that of a file.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains(['/', '*']) || format_by_name_ending(name).is_some()
}

/// A sink of files that an earlier statement wrote, as a source.
fn read_back(session: &mut Session<'_>, name: &Name, sink: &Sink) -> Bind<Found> {
    let SinkConnector::File(file) = &sink.def.connector else {
        let message =
            format!("\"{}\" cannot be read: its results are not kept in files", name.text);
        return session.fail(name.span, message);
    };
    let before = session.catalog.written.get(&sink.def.name).map(|schema| (None, schema));
    let written = sink.written.as_ref().map(|(query, schema)| (Some(*query), schema));
    let Some((runs_after, schema)) = written.or(before) else {
        let message = format!("\"{}\" is not written by an earlier statement", name.text);
        return session.fail(name.span, message);
    };
    let connector = SourceConnector::File(FileSource::new(results_of(file), file.format.clone()));
    let source = SourceDef::new(name.text.clone(), schema.clone(), connector, name.span);
    let source = with_folders(source, &file.folder_columns(schema));
    Ok(Found { source: Arc::new(source), runs_after })
}

/// The same source, whose files leave these columns out: they are known by the folders.
fn with_folders(mut source: SourceDef, columns: &[usize]) -> SourceDef {
    let fields = std::mem::take(&mut source.schema.fields);
    let recorded_count = fields.len() - columns.len();
    source.shown = vec![0; fields.len()];
    for (place, field) in fields.into_iter().enumerate() {
        match columns.iter().position(|&column| column == place) {
            None => {
                source.shown[place] = source.schema.fields.len();
                source.schema.fields.push(field);
            }
            Some(_) => {
                source.shown[place] = recorded_count + source.derived.len();
                let from = Derivation::Metadata(Metadata::PathKey(field.name.clone()));
                source.derived.push(DerivedColumn { field, from });
            }
        }
    }
    source
}

/// What a sink writes, as a pattern. What else stands in its directory, dead letters perhaps, is none of its
/// results.
fn results_of(sink: &FileSink) -> String {
    let mut pattern = String::with_capacity(sink.path.len() + "/part-*".len());
    for character in sink.path.trim_end_matches('/').chars() {
        match character {
            '*' | '?' | '[' | ']' => pattern.extend(['[', character, ']']),
            _ => pattern.push(character),
        }
    }
    if sink.is_file {
        return pattern;
    }
    pattern.extend(sink.partition_by.iter().map(|_| "/*=*"));
    pattern + "/part-*"
}
