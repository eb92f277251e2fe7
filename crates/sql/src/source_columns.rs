//! The columns of a source that its records do not have, and what each column is called.

use std::collections::{HashMap, HashSet};

use tidemill_plan::{
    Derivation, DerivedColumn, Expr, ExprKind, FileSource, Function, Metadata, Scalar,
    SourceConnector, SourceDef, Span,
};
use tidemill_record::{DataType, Field};

use crate::catalog::JsonMember;
use crate::coercion::is_castable;
use crate::computed::bind_computed;
use crate::fold::constant;
use crate::report::Bind;
use crate::scope::Session;
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, TypeSyntax};
use crate::types::{NamedType, named_type};

/// The names of metadata that every file has.
const FILE_NAME: &str = "filename";
const FILE_ROW: &str = "file_row";

/// Adds what files have beside their records, where nobody declared their columns: a column for each
/// directory of their paths that is named `key=value`, which `*` shows, and `filename` and `file_row`, which
/// it does not. A key stands in the place of a column of records of its name, in any case; these do not.
pub(crate) fn add_file_columns(source: &mut SourceDef, path_columns: &[Field]) {
    let SourceConnector::File(file) = &source.connector else { return };
    let is_followed = file.follow;
    let recorded = source.schema.fields.iter().enumerate();
    let places: HashMap<String, usize> =
        recorded.map(|(place, field)| (field.name.to_lowercase(), place)).collect();
    for field in path_columns {
        let key = field.name.clone();
        let mut field = field.clone();
        let number = source.column_count();
        match places.get(&key.to_lowercase()) {
            Some(&place) => {
                field.name.clone_from(&source.schema.fields[place].name);
                source.shown[place] = number;
            }
            None => source.shown.push(number),
        }
        let from = Derivation::Metadata(Metadata::PathKey(key));
        source.derived.push(DerivedColumn { field, from });
    }
    let of_every_file = [
        (FILE_NAME, DataType::Varchar, Metadata::FileName),
        (FILE_ROW, DataType::BigInt, Metadata::FileRow),
    ];
    for (name, data_type, metadata) in of_every_file {
        let is_taken =
            source.shown.iter().any(|&column| source.field(column).name.eq_ignore_ascii_case(name));
        if is_taken || (is_followed && metadata == Metadata::FileRow) {
            continue;
        }
        source.hidden.push(source.column_count());
        let from = Derivation::Metadata(metadata);
        source.derived.push(DerivedColumn { field: Field::nullable(name, data_type), from });
    }
}

/// Adds the members of columns that are JSON objects, as columns by their names with points, which `*` leaves out, and notes which columns are
/// JSON arrays. One
/// that is not of its type makes the record bad, as in any column whose type was inferred. Where keys have points several may have
/// one name: the one of most keys has it, since that is what `a.b.c` means.
pub(crate) fn add_members(source: &mut SourceDef, members: &[JsonMember]) {
    let mut key_counts: HashMap<String, usize> = HashMap::new();
    for JsonMember { path, .. } in members {
        let count = key_counts.entry(path.join(".")).or_default();
        *count = path.len().max(*count);
    }
    for JsonMember { path, data_type, element } in members {
        let Some((column, keys)) = path.split_first() else { continue };
        let place = source.schema.fields.iter().position(|field| field.name == *column);
        let Some(place) = place.filter(|&place| source.shown.contains(&place)) else { continue };
        if keys.is_empty() {
            source.json_arrays.extend(element.clone().map(|element| (place, element)));
            continue;
        }
        let is_plain = |key: &String| !key.is_empty() && !key.contains(['"', '\\']);
        let name = path.join(".");
        if !keys.iter().all(is_plain) || key_counts.get(&name) != Some(&path.len()) {
            continue;
        }
        // Of as many keys only one.
        key_counts.remove(&name);
        let steps: Vec<String> = keys.iter().map(|key| format!(".\"{key}\"")).collect();
        let whole = Expr::column(place, column.clone(), DataType::Varchar);
        let path = constant(Scalar::Varchar(format!("${}", steps.concat())), Span::default());
        let (function, arguments) = (Function::JsonExtractString, vec![whole, path]);
        let kind = ExprKind::Call { function, arguments };
        let text = Expr { kind, data_type: DataType::Varchar, span: Span::default() };
        let expr = match data_type {
            DataType::Varchar => text,
            _ => Expr {
                kind: ExprKind::Read { operand: Box::new(text), is_inferred: true },
                data_type: data_type.clone(),
                span: Span::default(),
            },
        };
        let number = source.column_count();
        source.hidden.push(number);
        source.json_arrays.extend(element.clone().map(|element| (number, element)));
        let field = Field::nullable(name, data_type.clone());
        source.derived.push(DerivedColumn { field, from: Derivation::Computed(expr) });
    }
}

/// Binds the columns of a declaration that records do not have.
pub(crate) fn bind_derived(
    session: &mut Session<'_>,
    create: &CreateSource,
    source: &mut SourceDef,
) -> Bind<()> {
    refuse_idle_option(session, create, source)?;
    let before = source.column_count();
    for ColumnSyntax { name, kind } in &create.columns {
        if let ColumnKind::Metadata { data_type, key } = kind {
            let column = metadata_column(session, create, source, (name, data_type, key))?;
            source.derived.push(column);
        }
    }
    // Of columns that nobody declared, those of a name that is declared have none themselves.
    let mut declared: HashMap<&str, usize> = HashMap::new();
    for number in before..source.column_count() {
        declared.insert(source.field(number).name.as_str(), number);
    }
    let undeclared = source.shown.iter().chain(&source.hidden).copied();
    let known: Vec<usize> = undeclared
        .filter(|&number| !declared.contains_key(source.field(number).name.as_str()))
        .chain(declared.values().copied())
        .collect();
    bind_computed(session, create, source, &known)?;
    show(create, source, before);
    Ok(())
}

/// Sets what `*` shows, once all columns are known; those from `first_declared` on are declared ones that
/// records do not have: metadata, then computed.
fn show(create: &CreateSource, source: &mut SourceDef, first_declared: usize) {
    let declared = |is_wanted: fn(&ColumnKind) -> bool| {
        create.columns.iter().filter(move |column| is_wanted(&column.kind))
    };
    let metadata = declared(|kind| matches!(kind, ColumnKind::Metadata { .. }));
    let computed = declared(|kind| matches!(kind, ColumnKind::Computed { .. }));
    let mut numbers: HashMap<&str, usize> = metadata
        .chain(computed)
        .map(|column| column.name.text.as_str())
        .zip(first_declared..)
        .collect();
    let in_order = create.columns.iter().map(|column| column.name.text.as_str());
    let shown = std::mem::take(&mut source.shown);
    if create.declares_records() {
        let mut recorded = shown.into_iter();
        source.shown =
            in_order.filter_map(|name| numbers.remove(name).or_else(|| recorded.next())).collect();
        return;
    }
    let hidden = std::mem::take(&mut source.hidden);
    let is_free = |&number: &usize| !numbers.contains_key(source.field(number).name.as_str());
    source.hidden = hidden.into_iter().filter(is_free).collect();
    let mut all: Vec<usize> = Vec::with_capacity(shown.len() + numbers.len());
    for number in shown {
        all.push(numbers.remove(source.field(number).name.as_str()).unwrap_or(number));
    }
    all.extend(in_order.filter_map(|name| numbers.remove(name)));
    source.shown = all;
}

/// Two declared columns of one name are one too many.
pub(crate) fn refuse_same_names(session: &mut Session<'_>, create: &CreateSource) -> Bind<()> {
    let mut names = HashSet::new();
    let mut result = Ok(());
    for column in &create.columns {
        if !names.insert(column.name.text.as_str()) {
            let message = format!("the column \"{}\" is declared twice", column.name.text);
            result = session.fail(column.name.span, message);
        }
    }
    result
}

/// `'hive.partitioning' = 'true'` makes columns of directories only where none are declared.
fn refuse_idle_option(
    session: &mut Session<'_>,
    create: &CreateSource,
    source: &SourceDef,
) -> Bind<()> {
    let is_metadata = |column: &ColumnSyntax| matches!(column.kind, ColumnKind::Metadata { .. });
    let is_on = matches!(
        &source.connector,
        SourceConnector::File(FileSource { hive_partitioning: Some(true), .. })
    );
    if !is_on || !create.declares_records() || create.columns.iter().any(is_metadata) {
        return Ok(());
    }
    let entry = create.options.iter().find(|entry| entry.key.text == "hive.partitioning");
    let span = entry.map_or(create.name.span, |entry| entry.key.span);
    session.fail_with(
        span,
        "the columns are declared, and none is of a directory",
        "declare one for each key=value of the paths, such as year BIGINT METADATA",
    )
}

/// `name TYPE METADATA FROM 'key'`
fn metadata_column(
    session: &mut Session<'_>,
    create: &CreateSource,
    source: &SourceDef,
    (name, type_syntax, key): (&Name, &TypeSyntax, &Name),
) -> Bind<DerivedColumn> {
    let SourceConnector::File(file) = &source.connector else {
        let hint = "it has the columns that its model makes, and computed ones";
        return session.fail_with(name.span, "only files have metadata columns", hint);
    };
    let NamedType { data_type, limit } = match named_type(&type_syntax.name) {
        Ok(named) => named,
        Err((message, hint)) => return Err(session.report.add(type_syntax.span, message, hint)),
    };
    if limit.is_some() {
        let message = format!("a metadata column is {data_type}, without a length or precision");
        return session.fail(type_syntax.span, message);
    }
    let metadata = match key.text.as_str() {
        FILE_NAME => Metadata::FileName,
        FILE_ROW => Metadata::FileRow,
        key => Metadata::PathKey(key.to_owned()),
    };
    let fits = match metadata {
        Metadata::FileName => data_type == DataType::Varchar,
        Metadata::FileRow => data_type == DataType::BigInt,
        Metadata::PathKey(_) => is_castable(&DataType::Varchar, &data_type),
    };
    if !fits {
        let wanted = if metadata == Metadata::FileRow { "BIGINT" } else { "VARCHAR" };
        let message = format!("{} is {wanted}, and not {data_type}", key.text);
        return session.fail(type_syntax.span, message);
    }
    match (&metadata, file) {
        (Metadata::FileRow, FileSource { follow: true, .. }) => {
            let message = "file_row of a file that is followed";
            let hint = "its name may come to stand for another file; leave the column out";
            return session.fail_with(name.span, format!("not supported: {message}"), hint);
        }
        (Metadata::PathKey(key), FileSource { hive_partitioning: Some(false), .. }) => {
            let entry = create.options.iter().find(|entry| entry.key.text == "hive.partitioning");
            let span = entry.map_or(name.span, |entry| entry.key.span);
            let message = format!("'hive.partitioning' is off, and {key} is read of the paths");
            let hint = "metadata of every file is filename and file_row";
            return session.fail_with(span, message, hint);
        }
        _ => {}
    }
    let field = Field::nullable(&name.text, data_type);
    Ok(DerivedColumn { field, from: Derivation::Metadata(metadata) })
}
