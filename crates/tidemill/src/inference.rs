//! Columns and formats that nobody declared, by the heads of files.

use std::collections::HashMap;
use std::fmt::Display;

use tidemill_format::{
    CsvHead, Member, Recognized, access_log, infer_columns, infer_schema, infer_untyped,
    json_layout, key_value_pairs, left_out,
};
use tidemill_plan::{ArrowOptions, CsvOptions, FileSource, Format, JsonLayout, JsonOptions};
use tidemill_record::{DataType, Field, Schema};
use tidemill_rt::{descriptor_of, give_back_freed_memory};
use tidemill_source::{Content, ContentPlace, InputFile, Pipes, discover, meant, pipe_key};
use tidemill_sql::{FilePath, InferredFiles, JsonMember, unify};

use crate::Error;
use crate::discovery::{HEAD_BYTES_MAX, read_head};
use crate::file_columns::path_columns;
use crate::footers::{arrow_footer, at, read_footer, refuse_content};

/// Of fewer files the list is small.
const FILES_KEPT_MAX: usize = 10_000;

/// What is found of files, and what of it concerns who names a column: what inference leaves out.
pub(crate) struct Inferred {
    pub(crate) files: InferredFiles,
    pub(crate) left_out: Option<String>,
}

/// Infers how files are laid out, and their columns, from the head (or footer) of the first that has a
/// record, be that as long as records may be. `None` where their names do not say the format, and there is no pipe to be looked at.
pub(crate) fn infer(
    asked: FilePath,
    pipes: &Pipes,
    record_bytes_max: usize,
) -> Result<Option<Inferred>, Error> {
    let is_union = asked.union_by_name;
    let Some((mut inferred, files)) = infer_of_first(asked, pipes, record_bytes_max)? else {
        return Ok(None);
    };
    if is_union {
        let InferredFiles { format, schema, .. } = &mut inferred.files;
        *schema = united(std::mem::take(schema), format, &files, record_bytes_max)?;
    }
    let are_many = files.len() > FILES_KEPT_MAX;
    drop(files);
    if are_many {
        give_back_freed_memory();
    }
    Ok(Some(inferred))
}

/// As [`infer`], by the first file alone; and all of them.
fn infer_of_first(
    asked: FilePath,
    pipes: &Pipes,
    record_bytes_max: usize,
) -> Result<Option<(Inferred, Vec<InputFile>)>, Error> {
    let format = match &asked.format {
        Some(format) => Some(format.clone()),
        None => guess_format(&asked, pipes)?,
    };
    let Some(format) = format else { return Ok(None) };
    let files = discover(&file_source(&asked, &format), pipes)?.files;
    let path_columns = path_columns(&files, asked.hive_partitioning)?;
    let first = files.iter().find(|file| file.byte_count() > 0).unwrap_or(&files[0]);
    let by_footer = |schema: Schema, left_out: Option<String>| {
        let left_out = left_out.map(|columns| format!("{} has {columns}", first.path.display()));
        let notices = Vec::new();
        let (asked, format) = (asked.clone(), format.clone());
        let path_columns = path_columns.clone();
        let members = Vec::new();
        let files = InferredFiles { asked, format, schema, path_columns, members, notices };
        Inferred { files, left_out }
    };
    if matches!(format, Format::Parquet) {
        let footer = read_footer(first)?;
        let schema = footer.schema().map_err(|error| at(first, error))?;
        let schema = typed(schema, footer.untyped(), &files, &format)?;
        return Ok(Some((by_footer(schema, footer.left_out()), files)));
    }
    if matches!(format, Format::Arrow(_))
        && let Some(footer) = arrow_footer(first)?
    {
        let schema = footer.schema().map_err(|error| at(first, error))?;
        let schema = typed(schema, footer.untyped(), &files, &format)?;
        return Ok(Some((by_footer(schema, footer.left_out()), files)));
    }
    if let Format::Lines(options) = &format
        && let Some(schema) = options.syntax.columns()
    {
        return Ok(Some((by_footer(schema, None), files)));
    }
    let (file, head) = representative(&files, first, &format, record_bytes_max)?;
    let mut inferred = by_head(asked, &format, file, &head)?;
    inferred.files.path_columns = path_columns;
    if matches!(format, Format::Arrow(_)) && first.pipe().is_none() {
        let untyped = infer_untyped(&format, &head.bytes, head.is_whole);
        let untyped = untyped.map_err(|error| at(file, error))?;
        let schema = &mut inferred.files.schema;
        *schema = typed(std::mem::take(schema), untyped, &files, &format)?;
    }
    Ok(Some((inferred, files)))
}

/// The schema of the first file, with the types that others have for its columns without a value: the first that
/// says one.
fn typed(
    mut schema: Schema,
    mut untyped: Vec<String>,
    files: &[InputFile],
    format: &Format,
) -> Result<Schema, Error> {
    for file in files.iter().filter(|file| file.byte_count() > 0) {
        if untyped.is_empty() {
            break;
        }
        let (of_file, untyped_there) = columnar_schema(file, format)?;
        for Field { name, data_type, .. } in of_file.fields {
            if untyped_there.contains(&name) || !untyped.contains(&name) {
                continue;
            }
            untyped.retain(|column| *column != name);
            for field in schema.fields.iter_mut().filter(|field| field.name == name) {
                field.data_type = data_type.clone();
            }
        }
    }
    Ok(schema)
}

/// The columns of a file of Parquet or Arrow, and which of them have no value and say no type.
fn columnar_schema(file: &InputFile, format: &Format) -> Result<(Schema, Vec<String>), Error> {
    let fail = |error| at(file, error);
    if matches!(format, Format::Parquet) {
        let footer = read_footer(file)?;
        return Ok((footer.schema().map_err(fail)?, footer.untyped()));
    }
    if let Some(footer) = arrow_footer(file)? {
        return Ok((footer.schema().map_err(fail)?, footer.untyped()));
    }
    let Head { bytes, is_whole } = Head::of(file, format, HEAD_BYTES_MAX)?;
    let schema = infer_schema(format, &bytes, is_whole).map_err(fail)?;
    Ok((schema, infer_untyped(format, &bytes, is_whole).map_err(fail)?))
}

/// The columns of all files, in order of first appearance, each of a type that holds what each file has:
/// `VARCHAR` where texts have no other in common. `of_first` is what is known of a pipe, which is not looked at.
fn united(
    of_first: Schema,
    format: &Format,
    files: &[InputFile],
    record_bytes_max: usize,
) -> Result<Schema, Error> {
    if files.iter().any(|file| file.pipe().is_some()) {
        return Ok(of_first);
    }
    let mut columns: Vec<(String, Option<DataType>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for file in files.iter().filter(|file| file.byte_count() > 0) {
        let (schema, untyped) = schema_of(file, format, record_bytes_max)?;
        for Field { name, data_type, .. } in schema.fields {
            let place = *places.entry(name.clone()).or_insert_with(|| {
                columns.push((name.clone(), None));
                columns.len() - 1
            });
            let known = &mut columns[place].1;
            let both = match &known {
                _ if untyped.contains(&name) => continue,
                None => data_type,
                Some(known) => match unify(known, &data_type) {
                    Some(both) => both,
                    None if format.is_text() => DataType::Varchar,
                    None => {
                        return Err(Error::usage(format!(
                            "the column \"{name}\" is {known} in one file and {data_type} in {}, and no type holds both; \
                             declare the columns in CREATE SOURCE, and read the files of one type",
                            file.path.display()
                        )));
                    }
                },
            };
            *known = Some(both);
        }
    }
    let field = |(name, data_type): (String, Option<DataType>)| {
        Field::nullable(name, data_type.unwrap_or(DataType::Varchar))
    };
    Ok(Schema::new(columns.into_iter().map(field).collect()))
}

/// The columns of one file, and those whose type it does not say: of a text without a record all.
fn schema_of(
    file: &InputFile,
    format: &Format,
    record_bytes_max: usize,
) -> Result<(Schema, Vec<String>), Error> {
    if matches!(format, Format::Parquet | Format::Arrow(_)) {
        return columnar_schema(file, format);
    }
    let Head { bytes, is_whole } = Head::of(file, format, record_bytes_max)?;
    let schema = infer_schema(format, &bytes, is_whole).map_err(|error| at(file, error))?;
    let names = || schema.fields.iter().map(|field| field.name.clone()).collect();
    let untyped = if has_record(format, &bytes) { Vec::new() } else { names() };
    Ok((schema, untyped))
}

fn file_source(asked: &FilePath, format: &Format) -> FileSource {
    let encoding = asked.encoding;
    FileSource { encoding, ..FileSource::new(asked.path.clone(), format.clone()) }
}

/// The head of a file, and whether it is all of it.
struct Head {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Head {
    fn of(file: &InputFile, format: &Format, bytes_max: usize) -> Result<Self, Error> {
        let (bytes, is_whole) = read_head(file, Some(format), bytes_max)?;
        Ok(Self { bytes, is_whole })
    }
}

/// The file that the others are thought to be like.
fn representative<'a>(
    files: &'a [InputFile],
    first: &'a InputFile,
    format: &Format,
    record_bytes_max: usize,
) -> Result<(&'a InputFile, Head), Error> {
    if first.pipe().is_some() {
        let head = Head::of(first, format, record_bytes_max)?;
        refuse_content(first, &head.bytes, format, ContentPlace::Pipe)?;
        return Ok((first, head));
    }
    // A file of a header alone says nothing of types: another one may.
    for file in files.iter().filter(|file| file.byte_count() > 0) {
        let head = Head::of(file, format, record_bytes_max)?;
        if has_record(format, &head.bytes) {
            return Ok((file, head));
        }
    }
    Ok((first, Head::of(first, format, record_bytes_max)?))
}

fn by_head(
    asked: FilePath,
    format: &Format,
    file: &InputFile,
    head: &Head,
) -> Result<Inferred, Error> {
    let of_file = |what: &dyn Display| format!("{} {what}", file.path.display());
    let Head { bytes, is_whole } = head;
    let fail = |error| at(file, error);
    let Recognized { format, notices } =
        Recognized::of(format, asked.unsaid, bytes, *is_whole).map_err(fail)?;
    let (schema, members) = infer_columns(&format, bytes, *is_whole).map_err(fail)?;
    let member = |Member { path, data_type, element }| JsonMember { path, data_type, element };
    let members = members.into_iter().map(member).collect();
    let left_out = left_out(&format, bytes, *is_whole).map_err(fail)?;
    let left_out = left_out.map(|columns| of_file(&format!("has {columns}")));
    let notices = notices.iter().map(|notice| of_file(notice)).collect();
    let path_columns = Vec::new();
    let files = InferredFiles { asked, format, schema, path_columns, members, notices };
    Ok(Inferred { files, left_out })
}

/// Whether anything stands behind the header, where there is one.
fn has_record(format: &Format, head: &[u8]) -> bool {
    let is_blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
    match format {
        Format::Csv(options) if options.has_header => {
            CsvHead::of(options, head).is_ok_and(|csv| !is_blank(&head[csv.end..]))
        }
        // Nor does an array of nothing.
        Format::Json(_) if matches!(head.trim_ascii_start(), [b'[', ..]) => {
            let behind = head.trim_ascii_start()[1..].trim_ascii_start();
            !matches!(behind, [] | [b']', ..])
        }
        _ => !is_blank(head),
    }
}

/// Whether a path names a log, be it compressed or rotated: `access.log`, `access.log.gz`, `access.log.1`, `access_log`,
/// `access.log-20240501`, and globs of these, `access.log*`.
fn is_log(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    [".log", "_log"].into_iter().any(|ending| {
        name.match_indices(ending).any(|(at, _)| {
            let behind = name[at + ending.len()..].chars().next();
            behind.is_none_or(|behind| ".-*?[".contains(behind))
        })
    })
}

/// The format of what a path without a telling name means, by its first bytes: of pipes and logs; `None` for
/// a path of other files, whose names are to say it.
fn guess_format(asked: &FilePath, pipes: &Pipes) -> Result<Option<Format>, Error> {
    let path = &asked.path;
    let meant = meant(path);
    let is_pipe = pipe_key(meant).is_some() || descriptor_of(meant).is_some();
    if !is_pipe && !is_log(path) {
        return Ok(None);
    }
    let any = Format::Json(JsonOptions::default());
    let mut files = discover(&file_source(asked, &any), pipes)?.files;
    let filled = files.iter().position(|file| file.byte_count() > 0).unwrap_or(0);
    if files.is_empty() {
        return Ok(None);
    }
    let file = files.swap_remove(filled);
    let (head, is_whole) = read_head(&file, None, HEAD_BYTES_MAX)?;
    match Content::of(&head[..head.len().min(Content::HEAD_BYTES)]) {
        Some(Content::ArrowFile | Content::ArrowStream) => {
            return Ok(Some(Format::Arrow(ArrowOptions::default())));
        }
        Some(Content::Parquet) => return Ok(Some(Format::Parquet)),
        Some(_) => return Ok(Some(any)),
        None => {}
    }
    let mut text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).to_vec();
    if is_whole && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let first = text.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let Some(first) = first else {
        return Err(Error::usage(format!(
            "{} is empty, so that its format is not known; say what it is: CREATE SOURCE name WITH ('connector' = 'file', \
             'path' = '{path}', 'format' = 'nginx')",
            file.path.display()
        )));
    };
    let is_array = || json_layout(&text, is_whole) == Some(JsonLayout::Array);
    if first.trim_ascii_start().starts_with(b"{") || is_array() {
        return Ok(Some(any));
    }
    if let Some(log) = access_log(&text) {
        return Ok(Some(log));
    }
    // Which of them it is, its records tell.
    if is_pipe && first.iter().any(|byte| b",;\t|".contains(byte)) {
        return Ok(Some(Format::Csv(CsvOptions::default())));
    }
    if let Some(pairs) = key_value_pairs(&text) {
        return Ok(Some(pairs));
    }
    Err(Error::usage(match is_pipe {
        true => format!(
            "the format of {path} is said neither by its name nor by its first line; declare it: CREATE \
             SOURCE name (columns) WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv')"
        ),
        false => format!(
            "{} is neither an access log in a usual format, nor JSON lines, nor logfmt; read_lines('{path}') reads its lines as texts; or say \
             what it is: CREATE SOURCE name WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'nginx', 'log_format' = '…'), or 'apache', 'regex', \
             'csv'",
            file.path.display()
        ),
    }))
}
