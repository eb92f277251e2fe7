//! What is known of a file's records before it is opened: columns by its path, and that a filter keeps none.

use std::collections::HashMap;
use std::path::Path;

use tidemill_expr::{Context, evaluate_constant};
use tidemill_plan::{Expr, ExprKind, FixedColumn, Metadata, Scalar, Scan, SourceDef, Span};
use tidemill_record::{DataType, Field};
use tidemill_source::{InputFile, path_keys};

use crate::Error;

/// The columns that the paths of files say, ordered by key, with types that hold the values of all: `BIGINT`
/// of whole numbers without zeros in front, `DATE`, else `VARCHAR`. None where files differ in their keys;
/// `is_wanted` makes that an error.
pub(crate) fn path_columns(
    files: &[InputFile],
    is_wanted: Option<bool>,
) -> Result<Vec<Field>, Error> {
    if is_wanted == Some(false) {
        return Ok(Vec::new());
    }
    let mut values: Vec<(String, PathType)> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let mut keys = path_keys(&file.path);
        keys.sort_unstable();
        if index == 0 {
            values = keys.iter().map(|(key, _)| (key.clone(), PathType::default())).collect();
        }
        if !keys.iter().map(|(key, _)| key).eq(values.iter().map(|(key, _)| key)) {
            return if is_wanted.is_some() {
                Err(differing(&files[0], file))
            } else {
                Ok(Vec::new())
            };
        }
        for ((_, seen), (_, value)) in values.iter_mut().zip(&keys) {
            value.iter().for_each(|value| seen.see(value));
        }
    }
    if is_wanted.is_some() && values.is_empty() {
        return Err(Error::usage(format!(
            "'hive.partitioning' is 'true', but no directory of {} is named key=value",
            files[0].path.display()
        )));
    }
    Ok(values.into_iter().map(|(key, seen)| Field::nullable(key, seen.data_type())).collect())
}

fn differing(first: &InputFile, other: &InputFile) -> Error {
    Error::usage(format!(
        "'hive.partitioning' is 'true', but the directories of {} and {} have other keys",
        first.path.display(),
        other.path.display()
    ))
}

/// What all values of a key can be read as.
struct PathType {
    is_any: bool,
    is_integer: bool,
    is_date: bool,
}

impl Default for PathType {
    fn default() -> Self {
        Self { is_any: false, is_integer: true, is_date: true }
    }
}

impl PathType {
    fn see(&mut self, value: &str) {
        self.is_any = true;
        self.is_integer &= value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
        let is_date_like = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        self.is_date &= is_date_like && cast(value, &DataType::Date).is_ok();
    }

    fn data_type(&self) -> DataType {
        match self {
            Self { is_any: true, is_integer: true, .. } => DataType::BigInt,
            Self { is_any: true, is_date: true, .. } => DataType::Date,
            _ => DataType::Varchar,
        }
    }
}

/// The value that a metadata column has in a file.
///
/// # Errors
/// The path has no such key, or its value is not of the column's type.
pub(crate) fn value_in(
    source: &SourceDef,
    column: usize,
    path: &Path,
) -> Result<Option<Scalar>, Error> {
    let field = source.field(column);
    let key = match source.metadata(column) {
        Some(Metadata::FileName) => {
            return Ok(Some(Scalar::Varchar(path.display().to_string())));
        }
        Some(Metadata::PathKey(key)) => key,
        Some(Metadata::FileRow) | None => return Ok(None),
    };
    let keys = path_keys(path);
    let exact = keys.iter().find(|(known, _)| known == key);
    let found = exact.or_else(|| keys.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)));
    let refuse = |what: String| Error::usage(format!("{}: {what}", path.display()));
    match found {
        None => Err(refuse(format!(
            "no directory is named {key}=…, which the metadata column {} of {} is read from; beside such \
             keys, metadata are 'filename' and 'file_row'",
            field.name, source.name
        ))),
        Some((_, None)) => Ok(Some(Scalar::Null(field.data_type.clone()))),
        Some((_, Some(value))) => cast(value, &field.data_type).map(Some).map_err(|reason| {
            refuse(format!("{key}={value} is no value of the column {}: {reason}", field.name))
        }),
    }
}

fn cast(text: &str, to: &DataType) -> Result<Scalar, String> {
    let value = Scalar::Varchar(text.to_owned());
    if *to == DataType::Varchar {
        return Ok(value);
    }
    let kind = ExprKind::Cast { operand: Box::new(Expr::literal(value)), is_try: false };
    let cast = Expr { kind, data_type: to.clone(), span: Span::default() };
    evaluate_constant(&cast, &Context { job_start: tidemill_record::EventTime(0) })
}

/// The terms of a scan's filter that are the same for all records of a file.
pub(crate) struct FileTerms<'a> {
    scan: &'a Scan,
    /// Over the source's columns by number.
    terms: Vec<Expr>,
    context: Context,
}

impl<'a> FileTerms<'a> {
    /// Looks for them; `context` says what `NOW()` is.
    pub(crate) fn of(scan: &'a Scan, context: Context) -> Self {
        let all = terms(scan.filter.as_ref()).iter();
        let terms = all.filter(|term| is_of_file(scan, term)).map(|term| {
            let mut term = term.clone();
            term.remap_columns(&|index| scan.columns[index]);
            term
        });
        Self { scan, terms: terms.collect(), context }
    }

    /// Whether the filter keeps no record of a file, whatever the records are.
    pub(crate) fn exclude(&self, path: &Path) -> bool {
        let excludes = |term: &Expr| {
            matches!(
                self.value_of(term, path),
                Some(Scalar::Boolean(false) | Scalar::Null(DataType::Boolean))
            )
        };
        self.terms.iter().any(excludes)
    }

    /// What the path of a file lacks of what the scan takes from it, if its records are read.
    pub(crate) fn lacks(&self, path: &Path) -> Option<Error> {
        let (_, metadata) = self.scan.recorded_and_metadata();
        let source = &self.scan.source;
        let mut found = metadata.iter().filter_map(|&at| value_in(source, at, path).err());
        if self.exclude(path) { None } else { found.next() }
    }

    /// The first terms of the filter that read records alone, over the scan's columns of records. Those that
    /// are TRUE for all records of the file are passed over.
    pub(crate) fn record_terms(&self, path: &Path) -> Option<Expr> {
        let (recorded, _) = self.scan.recorded_and_metadata();
        let mut of_file = self.terms.iter();
        let mut kept = Vec::new();
        for term in terms(self.scan.filter.as_ref()) {
            let mut reads_records_alone = true;
            term.for_each_column(&mut |index| reads_records_alone &= index < recorded.len());
            if reads_records_alone {
                kept.push(term.clone());
                continue;
            }
            let of_file = if is_of_file(self.scan, term) { of_file.next() } else { None };
            let value = of_file.and_then(|term| self.value_of(term, path));
            if value != Some(Scalar::Boolean(true)) {
                break;
            }
        }
        match kept.len() {
            0 | 1 => kept.pop(),
            _ => Some(Expr {
                kind: ExprKind::And(kept),
                data_type: DataType::Boolean,
                span: Span::default(),
            }),
        }
    }

    /// What a term is for all records of a file; `None` where it fails.
    fn value_of(&self, term: &Expr, path: &Path) -> Option<Scalar> {
        let constant = with_values(&self.scan.source, term, path).ok()?;
        evaluate_constant(&constant, &self.context).ok()
    }
}

fn terms(filter: Option<&Expr>) -> &[Expr] {
    match filter {
        None => &[],
        Some(Expr { kind: ExprKind::And(terms), .. }) => terms,
        Some(other) => std::slice::from_ref(other),
    }
}

/// Whether a term over the columns of a scan reads columns, and those alone of which all records of a file
/// have one value.
fn is_of_file(scan: &Scan, term: &Expr) -> bool {
    let mut columns = Vec::new();
    term.for_each_column(&mut |index| columns.push(scan.columns[index]));
    !columns.is_empty() && scan.source.is_of_file(columns)
}

/// An expression over a source's columns with the values that they have in a file.
fn with_values(source: &SourceDef, expr: &Expr, path: &Path) -> Result<Expr, Error> {
    let mut expr = expr.clone();
    put_values(source, &mut expr, path)?;
    Ok(expr)
}

fn put_values(source: &SourceDef, expr: &mut Expr, path: &Path) -> Result<(), Error> {
    if let ExprKind::Column { index, .. } = expr.kind {
        if let Some(computed) = source.computing(index) {
            *expr = computed.clone();
        } else if let Some(value) = value_in(source, index, path)? {
            *expr = Expr::literal(value);
            return Ok(());
        }
    }
    expr.children_mut().into_iter().try_for_each(|child| put_values(source, child, path))
}

/// Those of some columns of which all records of a file have one value, where each of the files is a
/// partition.
pub(crate) fn fixed_columns(
    source: &SourceDef,
    columns: &[usize],
    paths: &[&Path],
    context: &Context,
) -> Vec<FixedColumn> {
    let count = u32::try_from(paths.len()).expect("partitions are numbered in u32");
    let mut fixed = Vec::new();
    for &column in columns.iter().filter(|&&column| source.is_of_file([column])) {
        if matches!(source.metadata(column), Some(Metadata::FileName)) {
            // Each file has a path of its own.
            fixed.push(FixedColumn { column, values: (0..count).collect() });
        } else if is_grouped_as_equal(&source.field(column).data_type)
            && let Some(values) = values_in(source, column, paths, context)
        {
            fixed.push(FixedColumn { column, values });
        }
    }
    fixed
}

/// Whether values of a type are of one group exactly where they are equal scalars.
fn is_grouped_as_equal(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Real | DataType::Double | DataType::Interval | DataType::Array(_)
    )
}

/// For each file the number of a column's value among those of all files.
fn values_in(
    source: &SourceDef,
    column: usize,
    paths: &[&Path],
    context: &Context,
) -> Option<Vec<u32>> {
    let field = source.field(column);
    let read = Expr::column(column, field.name.clone(), field.data_type.clone());
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut values = Vec::with_capacity(paths.len());
    for path in paths {
        let value = match source.metadata(column) {
            Some(_) => value_in(source, column, path).ok()??,
            None => evaluate_constant(&with_values(source, &read, path).ok()?, context).ok()?,
        };
        let next = u32::try_from(numbers.len()).ok()?;
        values.push(*numbers.entry(format!("{value:?}")).or_insert(next));
    }
    Some(values)
}
