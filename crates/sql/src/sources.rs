//! `CREATE SOURCE`: columns, event time and options to a source definition.

use sqlparser::ast;
use tidemill_plan::{
    ExprKind, Format, LineSyntax, Scalar, SourceConnector, SourceDef, Span, WatermarkRule,
};
use tidemill_record::{DataType, Field, Schema};

use crate::bind_expr::ExprBinder;
use crate::catalog::JsonMember;
use crate::column_times::{column_forms, keep_forms};
use crate::datagen::{self, computed_columns};
use crate::json_paths::{expanded, refuse_other_formats};
use crate::options::{self, Direction};
use crate::parse::FilePath;
use crate::report::Bind;
use crate::scope::{Scope, Session};
use crate::source_columns::{add_file_columns, add_members, bind_derived, refuse_same_names};
use crate::suggest::did_you_mean;
use crate::syntax::{ColumnKind, ColumnSyntax, CreateSource, Name, WatermarkSyntax};
use crate::types::{NamedType, named_type};

/// The columns of records as they are declared, and their limits.
struct Declared {
    schema: Schema,
    limits: Vec<Option<u32>>,
    /// What a person should know of how they were found.
    notices: Vec<String>,
}

/// Binds a declaration.
pub(crate) fn bind_source(
    session: &mut Session<'_>,
    create: &CreateSource,
    span: Span,
) -> Bind<SourceDef> {
    let made = computed_columns(session, create)?;
    let create = made.as_ref().unwrap_or(create);
    let with_paths = create;
    let expanded = expanded(session, create)?;
    let create = expanded.as_ref().map_or(create, |expanded| &expanded.create);
    let options = options::source(&create.options, create.name.span, session.report);
    let names = refuse_same_names(session, create);
    let declared = create.declares_records().then(|| declared_columns(session, create)).transpose();
    let (mut options, (), declared) = (options?, names?, declared?);
    let is_inferred = declared.is_none();
    let registered = registered(session, create, &mut options.connector)?;
    let (shown, declared) = match (&registered, declared) {
        (Some(registered), Some(declared)) => {
            let (shown, declared) = among_registered(session, create, registered, declared)?;
            (Some(shown), Some(declared))
        }
        (_, declared) => (None, declared),
    };
    let (Declared { schema, limits, notices }, beside) =
        recorded_columns(session, create, &mut options, declared, registered, span)?;
    refuse_other_formats(session, with_paths, &options.connector)?;
    refuse_unknown_fields(session, create, &options.connector)?;
    set_time_forms(session, create, &schema, &mut options.connector)?;
    let mut source = SourceDef {
        is_inferred,
        limits,
        notices,
        bad_records: options.bad_records,
        dead_letter_path: options.dead_letter_path,
        ..SourceDef::new(create.name.text.clone(), schema, options.connector, create.name.span)
    };
    if let Some(shown) = shown {
        source.shown = shown;
    }
    if is_inferred {
        add_file_columns(&mut source, &beside.path_columns);
        add_members(&mut source, &beside.members);
    }
    bind_derived(session, create, &mut source)?;
    if let Some(expanded) = &expanded {
        expanded.hide_keys(&mut source);
    }
    if let SourceConnector::Sequence(_) = source.connector {
        // The row number is what the others are made of, and none of them.
        source.shown.retain(|&column| column != 0);
    }
    let scope = NumberedScope::new(&source);
    let mut partitioned_by = Vec::new();
    for name in &create.partitioned_by {
        let column = source.original(scope.resolve(session, name)?);
        if !partitioned_by.contains(&column) {
            partitioned_by.push(column);
        }
    }
    if let (SourceConnector::Generator(generator), true) =
        (&source.connector, partitioned_by.is_empty())
    {
        partitioned_by.push(generator.model.partition_column());
    }
    if let (Some(registered), true) = (registered, partitioned_by.is_empty()) {
        partitioned_by.clone_from(&registered.partitioned_by);
    }
    source.partitioned_by = partitioned_by;
    if source.partitioned_by.is_empty() {
        refuse_partition_audit(session, create)?;
    }
    source.partition_audit = options.partition_audit.unwrap_or_default();
    let rule = match &create.watermark {
        Some(syntax) => Some(watermark(session, syntax, &scope)?),
        None => registered.and_then(|registered| registered.watermark),
    };
    if rule.is_none() {
        refuse_event_time_options(session, create)?;
    }
    source.watermark = rule.map(|rule| options.event_time.refine(rule));
    if let (Some(registered), None) = (registered, &source.dead_letter_path) {
        source.dead_letter_path.clone_from(&registered.dead_letter_path);
    }
    Ok(source)
}

/// What can be named of a source, and the numbers of those columns.
struct NumberedScope {
    scope: Scope,
    numbers: Vec<usize>,
}

impl NumberedScope {
    fn new(source: &SourceDef) -> Self {
        let numbers: Vec<usize> = source.shown.iter().chain(&source.hidden).copied().collect();
        let fields = numbers.iter().map(|&column| source.field(column).clone());
        let scope = Scope::new(source.name.clone(), &Schema::new(fields.collect()));
        Self { scope, numbers }
    }

    /// The number of a column by its name.
    fn resolve(&self, session: &mut Session<'_>, name: &Name) -> Bind<usize> {
        let column = self.scope.resolve(session, None, name, name.span)?;
        match column.kind {
            ExprKind::Column { index, .. } => Ok(self.numbers[index]),
            _ => session.fail(name.span, "this is no column"),
        }
    }
}

/// What files that were looked at have beside the columns of their records.
#[derive(Default)]
struct Beside {
    path_columns: Vec<Field>,
    members: Vec<JsonMember>,
}

/// The columns of records: as declared, as the generator makes them, or as the files have them, which may also
/// say what their format is; then also those of the files' paths.
fn recorded_columns(
    session: &mut Session<'_>,
    create: &CreateSource,
    options: &mut options::Source,
    declared: Option<Declared>,
    registered: Option<&SourceDef>,
    span: Span,
) -> Bind<(Declared, Beside)> {
    let unlimited = |schema| Declared { schema, limits: Vec::new(), notices: Vec::new() };
    let unsaid = options.unsaid;
    match (&mut options.connector, declared) {
        (SourceConnector::Generator(generator), declared) => {
            let schema = generator.model.schema();
            if let Some(declared) = declared {
                check_model(session, create, &declared.schema, &schema)?;
            }
            Ok((unlimited(schema), Beside::default()))
        }
        (_, Some(declared)) => Ok((declared, Beside::default())),
        (SourceConnector::File(file), None) => {
            match session.catalog.inferred(&FilePath::of_source(file, unsaid, span)) {
                Some(found) => {
                    file.format = found.format.clone();
                    let (schema, notices) = (found.schema.clone(), found.notices.clone());
                    let declared = Declared { schema, limits: Vec::new(), notices };
                    let (path_columns, members) =
                        (found.path_columns.clone(), found.members.clone());
                    Ok((declared, Beside { path_columns, members }))
                }
                None => session.fail(span, format!("no columns are known of '{}'", file.path)),
            }
        }
        (SourceConnector::Sequence(_), None) => {
            let number = Field::nullable(datagen::ROW_NUMBER, DataType::BigInt);
            let schema = Schema::new(vec![Field { is_nullable: false, ..number }]);
            Ok((unlimited(schema), Beside::default()))
        }
        (SourceConnector::Registered { .. }, None) => {
            let schema = registered.map(|registered| registered.schema.clone());
            Ok((unlimited(schema.unwrap_or_default()), Beside::default()))
        }
    }
}

/// What a declaration with `'connector' = 'registered'` reads; `None` of others.
fn registered<'a>(
    session: &mut Session<'a>,
    create: &CreateSource,
    connector: &mut SourceConnector,
) -> Bind<Option<&'a SourceDef>> {
    let SourceConnector::Registered { name, is_bounded } = connector else { return Ok(None) };
    if name.is_empty() {
        name.clone_from(&create.name.text);
    }
    let catalog = session.catalog;
    if let Some(found) = catalog.registered_sources.get(name) {
        *is_bounded = found.is_bounded();
        return Ok(Some(found));
    }
    let option = create.options.iter().find(|entry| entry.key.text == options::REGISTERED_NAME);
    let span = option.map_or(create.name.span, |entry| entry.value.span);
    let known = catalog.registered_sources.keys().map(String::as_str);
    let hint = did_you_mean(name, known).unwrap_or_else(|| {
        "the program that embeds the engine registers it; 'source' names it where it is called otherwise".to_owned()
    });
    session.fail_with(span, format!("no source named \"{name}\" is registered"), hint)
}

/// Declared columns are some of those that are registered, by name and of the same types. Gives their numbers as they are
/// declared, and all columns as they are registered, NOT NULL where that is declared.
fn among_registered(
    session: &mut Session<'_>,
    create: &CreateSource,
    registered: &SourceDef,
    declared: Declared,
) -> Bind<(Vec<usize>, Declared)> {
    let mut schema = registered.schema.clone();
    let mut limits = vec![None; schema.fields.len()];
    let mut numbers = Vec::with_capacity(declared.schema.fields.len());
    let mut result = Ok(());
    let is_recorded = |column: &&ColumnSyntax| matches!(column.kind, ColumnKind::Recorded { .. });
    let spans = create.columns.iter().filter(is_recorded).map(|column| column.name.span);
    for ((field, limit), span) in declared.schema.fields.iter().zip(&declared.limits).zip(spans) {
        let names = || registered.schema.fields.iter().map(|field| field.name.as_str());
        let Some(number) = registered.schema.index_of(&field.name) else {
            let message = format!("what is registered has no column \"{}\"", field.name);
            let hint = did_you_mean(&field.name, names())
                .unwrap_or_else(|| format!("it has {}", names().collect::<Vec<_>>().join(", ")));
            result = session.fail_with(span, message, hint);
            continue;
        };
        let found = &registered.schema.fields[number].data_type;
        if *found != field.data_type {
            let (name, wanted) = (&field.name, &field.data_type);
            let message = format!("{name} is registered as {found}, and not {wanted}");
            let hint =
                format!("declare it as {found}, and {name}_ AS CAST({name} AS {wanted}) beside it");
            result = session.fail_with(span, message, hint);
            continue;
        }
        schema.fields[number].is_nullable &= field.is_nullable;
        limits[number] = *limit;
        numbers.push(number);
    }
    result?;
    Ok((numbers, Declared { schema, limits, notices: declared.notices }))
}

fn declared_columns(session: &mut Session<'_>, create: &CreateSource) -> Bind<Declared> {
    let mut fields: Vec<Field> = Vec::new();
    let mut limits = Vec::new();
    let mut result = Ok(());
    for column in &create.columns {
        let ColumnKind::Recorded { data_type, is_nullable, .. } = &column.kind else { continue };
        let name = &column.name;
        match named_type(&data_type.name) {
            Ok(NamedType { data_type, limit }) => {
                limits.push(limit);
                let is_nullable = *is_nullable;
                fields.push(Field { name: name.text.clone(), data_type, is_nullable });
            }
            Err((message, hint)) => {
                result = Err(session.report.add(data_type.span, message, hint));
            }
        }
    }
    result.map(|()| Declared { schema: Schema::new(fields), limits, notices: Vec::new() })
}

/// Lines whose fields are known have no others.
fn refuse_unknown_fields(
    session: &mut Session<'_>,
    create: &CreateSource,
    connector: &SourceConnector,
) -> Bind<()> {
    let SourceConnector::File(file) = connector else { return Ok(()) };
    let Format::Lines(options) = &file.format else { return Ok(()) };
    let Some(known) = options.syntax.columns() else { return Ok(()) };
    let names = || known.fields.iter().map(|field| field.name.as_str());
    let mut result = Ok(());
    for column in &create.columns {
        let name = column.name.text.as_str();
        if !matches!(column.kind, ColumnKind::Recorded { .. })
            || names().any(|known| known.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let message = match options.syntax {
            LineSyntax::Regex { .. } => format!("the pattern has no group \"{name}\""),
            _ => format!("the lines of '{}' have no field \"{name}\"", file.format.name()),
        };
        let hint = did_you_mean(name, names())
            .unwrap_or_else(|| format!("they are {}", names().collect::<Vec<_>>().join(", ")));
        result = session.fail_with(column.name.span, message, hint);
    }
    result
}

/// Takes in how the times of declared columns are written.
fn set_time_forms(
    session: &mut Session<'_>,
    create: &CreateSource,
    schema: &Schema,
    connector: &mut SourceConnector,
) -> Bind<()> {
    let format = match connector {
        SourceConnector::File(file) => Some(&mut file.format),
        SourceConnector::Generator(_)
        | SourceConnector::Sequence(_)
        | SourceConnector::Registered { .. } => None,
    };
    let forms = column_forms(session, &create.columns, &schema.fields, Direction::Read)?;
    keep_forms(session, &create.columns, forms, format)
}

/// Columns declared for a generator must be those that it makes.
fn check_model(
    session: &mut Session<'_>,
    create: &CreateSource,
    declared: &Schema,
    made: &Schema,
) -> Bind<()> {
    let same = declared.fields.len() == made.fields.len()
        && declared
            .fields
            .iter()
            .zip(&made.fields)
            .all(|(a, b)| a.name == b.name && a.data_type == b.data_type);
    if same {
        return Ok(());
    }
    let columns: Vec<String> =
        made.fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
    session.fail_with(
        create.name.span,
        "the columns are not those that the generator makes",
        format!("leave them out, or declare ({})", columns.join(", ")),
    )
}

/// `partition.audit` has something to audit where there is a `PARTITIONED BY`.
fn refuse_partition_audit(session: &mut Session<'_>, create: &CreateSource) -> Bind<()> {
    let is_it = |name: &str| name == options::PARTITION_AUDIT;
    let Some(entry) = create.options.iter().find(|entry| is_it(&entry.key.text)) else {
        return Ok(());
    };
    let message = format!("option '{}' needs PARTITIONED BY", entry.key.text);
    let hint = "declare PARTITIONED BY (column, …) before WITH, or leave the option out";
    session.fail_with(entry.key.span, message, hint)
}

/// Options that refine a `WATERMARK` clause need one.
fn refuse_event_time_options(session: &mut Session<'_>, create: &CreateSource) -> Bind<()> {
    let needs_it = |name: &str| options::EVENT_TIME.contains(&name);
    let Some(entry) = create.options.iter().find(|entry| needs_it(&entry.key.text)) else {
        return Ok(());
    };
    let message = format!("option '{}' needs a WATERMARK clause", entry.key.text);
    let hint = "declare WATERMARK FOR the event time column among the columns";
    session.fail_with(entry.key.span, message, hint)
}

/// `WATERMARK FOR t AS t - INTERVAL …`, or `AS t`.
fn watermark(
    session: &mut Session<'_>,
    syntax: &WatermarkSyntax,
    columns: &NumberedScope,
) -> Bind<WatermarkRule> {
    let WatermarkSyntax { column, expr, span } = syntax;
    let scope = &columns.scope;
    let named = scope.resolve(session, None, column, column.span)?;
    let ExprKind::Column { index, .. } = named.kind else {
        return session.fail(column.span, "WATERMARK takes a column");
    };
    if named.data_type != DataType::Timestamp {
        return refuse_event_time(session, column, &named.data_type);
    }
    let hint = format!("write WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND", column.text);
    let (base, delay) = match expr {
        ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Minus, right } => {
            (left.as_ref(), Some(right.as_ref()))
        }
        other => (other, None),
    };
    let mut binder = ExprBinder::new(session, scope, "WATERMARK");
    let base = binder.bind(base)?;
    let delay = delay.map(|delay| binder.bind(delay)).transpose()?;
    let is_column = matches!(base.kind, ExprKind::Column { index: at, .. } if at == index);
    let delay_us = match delay.map(|delay| delay.kind) {
        None => Some(0),
        Some(ExprKind::Literal(Scalar::Interval { months: 0, days, nanos })) => {
            let days_us = i64::from(days).checked_mul(86_400_000_000);
            days_us.and_then(|us| us.checked_add(nanos / 1000)).filter(|&us| us >= 0)
        }
        Some(_) => None,
    };
    match delay_us.filter(|_| is_column) {
        Some(delay_us) => Ok(WatermarkRule::new(columns.numbers[index], delay_us)),
        None => {
            let message = "a watermark is its column less a constant interval of days or less";
            session.fail_with(*span, message, hint)
        }
    }
}

/// An event time of another type than `TIMESTAMP`, and what makes one of it.
fn refuse_event_time(
    session: &mut Session<'_>,
    column: &Name,
    found: &DataType,
) -> Bind<WatermarkRule> {
    let message = format!("WATERMARK takes a TIMESTAMP, but this is {found}");
    let computed = match found {
        DataType::Varchar => format!("TO_TIMESTAMP({}, '%Y-%m-%d %H:%M:%S')", column.text),
        DataType::Date => format!("CAST({} AS TIMESTAMP)", column.text),
        found if found.is_numeric() => format!("TO_TIMESTAMP({})", column.text),
        _ => return session.fail(column.span, message),
    };
    let hint =
        format!("declare a computed column, such as event_time AS {computed}, and name that");
    session.fail_with(column.span, message, hint)
}
