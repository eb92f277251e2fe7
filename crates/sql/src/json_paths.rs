//! `column TYPE PATH '$.a.b'`: a value within a value of a JSON record.
//!
//! Such a column is a computed one, `JSON_EXTRACT_STRING(a, '$.b')` read as a field of `TYPE` is, over a column of records that nobody
//! declared and that `*` does not show: the key that the path begins with, as text. A path of one step is that
//! key under another name.

use sqlparser::ast;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;
use tidemill_plan::{Format, SourceConnector, SourceDef};
use tidemill_record::DataType;

use crate::dialect::TidemillDialect;
use crate::report::Bind;
use crate::scope::Session;
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, TypeSyntax};
use crate::types::named_type;

/// A declaration without paths, and the columns that stand for their first keys.
pub(crate) struct Expanded {
    pub(crate) create: CreateSource,
    keys: Vec<String>,
}

/// A declaration with its paths as expressions; `None` where there are none.
pub(crate) fn expanded(session: &mut Session<'_>, create: &CreateSource) -> Bind<Option<Expanded>> {
    let is_path = |column: &ColumnSyntax| matches!(column.kind, ColumnKind::Path { .. });
    if !create.columns.iter().any(is_path) {
        return Ok(None);
    }
    let mut columns = Vec::with_capacity(create.columns.len());
    let (mut keys, mut result) = (Vec::new(), Ok(()));
    for column in &create.columns {
        let ColumnKind::Path { data_type, path } = &column.kind else {
            columns.push(column.clone());
            continue;
        };
        match column_of(session, create, (&column.name, data_type, path), &mut keys) {
            Ok(kind) => columns.push(ColumnSyntax { name: column.name.clone(), kind }),
            Err(reported) => result = Err(reported),
        }
    }
    result?;
    for key in &keys {
        let text = TypeSyntax { name: ast::DataType::Varchar(None), span: create.name.span };
        let kind = ColumnKind::Recorded { data_type: text, format: None, is_nullable: true };
        columns.push(ColumnSyntax { name: Name::exact(key.clone(), create.name.span), kind });
    }
    let create = CreateSource {
        name: create.name.clone(),
        columns,
        watermark: create.watermark.clone(),
        partitioned_by: create.partitioned_by.clone(),
        options: create.options.clone(),
    };
    Ok(Some(Expanded { create, keys }))
}

impl Expanded {
    /// Lets `*` pass over the keys, which have their names all the same.
    pub(crate) fn hide_keys(&self, source: &mut SourceDef) {
        let fields = source.schema.fields.iter();
        let is_key = |name: &String| self.keys.contains(name);
        let places: Vec<usize> =
            fields.enumerate().filter(|(_, field)| is_key(&field.name)).map(|(at, _)| at).collect();
        source.shown.retain(|column| !places.contains(column));
        source.hidden.extend(places);
    }
}

/// Paths are of JSON.
pub(crate) fn refuse_other_formats(
    session: &mut Session<'_>,
    create: &CreateSource,
    connector: &SourceConnector,
) -> Bind<()> {
    if let SourceConnector::File(file) = connector
        && matches!(file.format, Format::Json(_))
    {
        return Ok(());
    }
    let path = create.columns.iter().find_map(|column| match &column.kind {
        ColumnKind::Path { path, .. } => Some(path.span),
        _ => None,
    });
    match path {
        None => Ok(()),
        Some(span) => {
            let hint =
                "of a column of JSON text: status AS CAST(JSON_VALUE(http, '$.status') AS INT)";
            session.fail_with(span, "PATH is of 'format' = 'json'", hint)
        }
    }
}

/// What a column with a path is.
fn column_of(
    session: &mut Session<'_>,
    create: &CreateSource,
    (name, data_type, path): (&Name, &TypeSyntax, &Name),
    keys: &mut Vec<String>,
) -> Bind<ColumnKind> {
    let Some((key, rest)) = split(path.text.trim()) else {
        let message = format!("'{}' is no path into a JSON record", path.text);
        let hint = "paths are '$.a.b', '$.\"a b\"', '$.list[0]' and the like";
        return session.fail_with(path.span, message, hint);
    };
    if rest.is_empty() && key == name.text {
        let data_type = data_type.clone();
        return Ok(ColumnKind::Recorded { data_type, format: None, is_nullable: true });
    }
    match create.columns.iter().find(|column| column.name.text == key) {
        // Of one step, whatever the type of that column is.
        Some(column) if recorded_type(column).is_some_and(|of| rest.is_empty() || is_text(of)) => {}
        Some(_) => {
            let message = format!(
                "the path begins with \"{key}\", and so is a column called that is no VARCHAR"
            );
            return session.fail_with(path.span, message, "give that column another name");
        }
        None if keys.contains(&key) => {}
        None => keys.push(key.clone()),
    }
    let column = format!("\"{}\"", key.replace('"', "\"\""));
    let text = match rest.is_empty() {
        true => column,
        false => format!("JSON_EXTRACT_STRING({column}, '${}')", rest.replace('\'', "''")),
    };
    // Without places, as the script has none for it.
    let tokens = Tokenizer::new(&TidemillDialect, &text).tokenize().ok();
    let expr = tokens
        .and_then(|tokens| Parser::new(&TidemillDialect).with_tokens(tokens).parse_expr().ok());
    match expr {
        Some(expr) => {
            let (data_type, expr) = (Some(data_type.clone()), Box::new(expr));
            // Of one step it may be of a column that is no text.
            Ok(ColumnKind::Computed { data_type, expr, of_path: !rest.is_empty() })
        }
        None => session.fail(path.span, "this path is not understood"),
    }
}

/// The type of a column that records have under its own name.
fn recorded_type(column: &ColumnSyntax) -> Option<&TypeSyntax> {
    match &column.kind {
        ColumnKind::Recorded { data_type, .. } => Some(data_type),
        ColumnKind::Path { data_type, path } => {
            let (key, rest) = split(path.text.trim())?;
            (rest.is_empty() && key == column.name.text).then_some(data_type)
        }
        ColumnKind::Computed { .. } | ColumnKind::Metadata { .. } => None,
    }
}

fn is_text(data_type: &TypeSyntax) -> bool {
    named_type(&data_type.name).is_ok_and(|named| named.data_type == DataType::Varchar)
}

/// The key that a path begins with, and the steps behind it; `None` where it is none of `JSON_EXTRACT`'s that
/// begins with a key.
fn split(path: &str) -> Option<(String, &str)> {
    let (key, rest) = key(path.strip_prefix('$')?)?;
    let mut left = rest;
    while !left.is_empty() {
        left = key_or_index(left)?;
    }
    Some((key, rest))
}

fn key(text: &str) -> Option<(String, &str)> {
    if let Some(member) = text.strip_prefix('.') {
        if let Some(quoted) = member.strip_prefix('"') {
            let (name, rest) = quoted.split_once('"')?;
            return Some((name.to_owned(), rest));
        }
        let end = member.find(['.', '[']).unwrap_or(member.len());
        let name = &member[..end];
        return (!name.is_empty() && name != "*").then(|| (name.to_owned(), &member[end..]));
    }
    let inner = text.strip_prefix('[')?;
    let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (name, rest) = inner[1..].split_once(quote)?;
    Some((name.to_owned(), rest.strip_prefix(']')?))
}

/// What stands behind the first step.
fn key_or_index(text: &str) -> Option<&str> {
    if let Some((_, rest)) = key(text) {
        return Some(rest);
    }
    let (index, rest) = text.strip_prefix('[')?.split_once(']')?;
    let index = index.trim();
    let index = index.strip_prefix('#').filter(|index| !index.is_empty()).unwrap_or(index);
    index.parse::<i64>().is_ok().then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_a_key() {
        for (path, expected) in [
            ("$.a", Some(("a", ""))),
            ("$.a.b[0]['x y'][-1].\"d.e\"[#-2]", Some(("a", ".b[0]['x y'][-1].\"d.e\"[#-2]"))),
            ("$['a b'].c", Some(("a b", ".c"))),
            ("$.\"a.b\"[0]", Some(("a.b", "[0]"))),
            ("$", None),
            ("", None),
            ("a", None),
            ("$[0].a", None),
            ("$.a.*", None),
            ("$.a[*]", None),
            ("$.a[", None),
            ("$.a[b]", None),
            ("$..a", None),
            ("$.a.", None),
        ] {
            let found = split(path);
            let found = found.as_ref().map(|(key, rest)| (key.as_str(), *rest));
            assert_eq!(found, expected, "{path}");
        }
    }
}
