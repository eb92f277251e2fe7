//! Statements to a script: declarations first become tables, queries become plans.

use std::sync::Arc;

use sqlparser::ast;
use tidemill_plan::relation::Explain;
use tidemill_plan::{
    ExprKind, Query, Scalar, Script, Settings, SinkConnector, SinkDef, SourceConnector, SourceDef,
    Span, WatermarkRule,
};
use tidemill_record::{DataType, Field, Schema};

use crate::bind_expr::ExprBinder;
use crate::catalog::Catalog;
use crate::limits::hold_to_limits;
use crate::optimize::optimize;
use crate::options;
use crate::outputs::{check_outputs, check_result};
use crate::position::Positions;
use crate::query::{bind_root, first_word};
use crate::report::{Bind, Report};
use crate::runnable::check_relation;
use crate::scope::{Scope, Session};
use crate::syntax::{
    CreateSource, Name, QueryStatement, Statement, StatementKind, Target, WatermarkSyntax,
};
use crate::tables::{Sink, Tables};
use crate::types::{NamedType, named_type};

/// Binds a script. What it returns counts only if nothing was reported.
pub(crate) fn bind_script(
    statements: &[Statement],
    positions: &Positions,
    catalog: &Catalog,
    report: &mut Report,
) -> Script {
    let session = Session::new(catalog, positions, report);
    let mut binder = ScriptBinder {
        session,
        tables: Tables::default(),
        settings: catalog.settings.clone(),
        queries: Vec::new(),
    };
    for statement in statements {
        // What was found is reported; the next statement may have findings of its own.
        binder.session.report.fallback = first_word(statement.span);
        binder.session.words = statement.words.clone();
        let _ = binder.bind(statement);
    }
    check_outputs(&binder.queries, &binder.settings, binder.session.report);
    Script { settings: binder.settings, queries: binder.queries }
}

struct ScriptBinder<'a> {
    session: Session<'a>,
    tables: Tables,
    settings: Settings,
    queries: Vec<Query>,
}

impl ScriptBinder<'_> {
    fn bind(&mut self, statement: &Statement) -> Bind<()> {
        match &statement.kind {
            StatementKind::Broken(name) => {
                self.tables.broken.insert(name.text.clone());
                Ok(())
            }
            StatementKind::Set { key, value } => {
                options::set(key, value, &mut self.settings, self.session.report)
            }
            StatementKind::Source(create) => {
                self.claim(&create.name)?;
                let source = self.source(create, statement.span).inspect_err(|_| {
                    self.tables.broken.insert(create.name.text.clone());
                })?;
                let limits =
                    create.columns.iter().flatten().map(|column| {
                        named_type(&column.data_type).ok().and_then(|named| named.limit)
                    });
                self.tables.limits.insert(create.name.text.clone(), limits.collect());
                self.tables.sources.insert(create.name.text.clone(), Arc::new(source));
                Ok(())
            }
            StatementKind::Sink { name, options } => self.sink(name, options, statement.span),
            StatementKind::Query(query) => {
                let bound = self.query(query, statement);
                if let (Target::Stream { name, .. }, true) = (&query.target, bound.is_err()) {
                    self.tables.sinks.remove(&name.text);
                    self.tables.broken.insert(name.text.clone());
                } else if let (Target::Sink(name), true) = (&query.target, bound.is_err()) {
                    self.tables.broken.insert(name.text.clone());
                }
                bound
            }
        }
    }

    /// Takes a name for a source or sink.
    fn claim(&mut self, name: &Name) -> Bind<()> {
        if self.tables.has(&name.text) {
            let message = format!("\"{}\" is already declared", name.text);
            return self.session.fail(name.span, message);
        }
        Ok(())
    }

    fn sink(
        &mut self,
        name: &Name,
        entries: &[crate::syntax::OptionEntry],
        span: Span,
    ) -> Bind<()> {
        self.claim(name)?;
        let Ok(connector) = options::sink(entries, name.span, self.session.report) else {
            self.tables.broken.insert(name.text.clone());
            return Err(crate::report::Reported);
        };
        let def = SinkDef { name: name.text.clone(), connector, span };
        self.tables.sinks.insert(name.text.clone(), Sink { def, written: None });
        Ok(())
    }

    fn source(&mut self, create: &CreateSource, span: Span) -> Bind<SourceDef> {
        let options = options::source(&create.options, create.name.span, self.session.report);
        let declared = create.columns.as_ref().map(|_| self.declared_schema(create)).transpose();
        let (options, declared) = (options?, declared?);
        let schema = match (&options.connector, declared) {
            (SourceConnector::Generator(generator), declared) => {
                let schema = generator.model.schema();
                if let Some(declared) = declared {
                    self.check_model(create, &declared, &schema)?;
                }
                schema
            }
            (_, Some(declared)) => declared,
            (SourceConnector::File(file), None) => {
                match self.session.catalog.inferred.get(&file.path) {
                    Some(schema) => schema.clone(),
                    None => {
                        let message = format!("no columns are known of '{}'", file.path);
                        return self.session.fail(span, message);
                    }
                }
            }
            (SourceConnector::Registered, None) => Schema::default(),
        };
        let mut partitioned_by = Vec::new();
        let scope = Scope::new(create.name.text.clone(), &schema);
        for name in &create.partitioned_by {
            let column = scope.resolve(&mut self.session, None, name, name.span)?;
            if let ExprKind::Column { index, .. } = column.kind
                && !partitioned_by.contains(&index)
            {
                partitioned_by.push(index);
            }
        }
        if let (SourceConnector::Generator(generator), true) =
            (&options.connector, partitioned_by.is_empty())
        {
            partitioned_by.push(generator.model.partition_column());
        }
        let watermark = match &create.watermark {
            Some(watermark) => Some(options.event_time.refine(self.watermark(watermark, &scope)?)),
            None => {
                let needs_it = |name: &str| options::EVENT_TIME.contains(&name);
                match create.options.iter().find(|entry| needs_it(&entry.key.text)) {
                    Some(entry) => {
                        let key = &entry.key;
                        let message = format!("option '{}' needs a WATERMARK clause", key.text);
                        let hint = "declare WATERMARK FOR the event time column among the columns";
                        return self.session.fail_with(key.span, message, hint);
                    }
                    None => None,
                }
            }
        };
        Ok(SourceDef {
            name: create.name.text.clone(),
            schema,
            is_inferred: create.columns.is_none(),
            partitioned_by,
            watermark,
            connector: options.connector,
            bad_records: options.bad_records,
            dead_letter_path: options.dead_letter_path,
            span: create.name.span,
        })
    }

    fn declared_schema(&mut self, create: &CreateSource) -> Bind<Schema> {
        let mut fields: Vec<Field> = Vec::new();
        let mut has_failed = false;
        for column in create.columns.iter().flatten() {
            let name = &column.name;
            if fields.iter().any(|field| field.name == name.text) {
                let message = format!("the column \"{}\" is declared twice", name.text);
                has_failed |= self.session.fail::<()>(name.span, message).is_err();
                continue;
            }
            match named_type(&column.data_type) {
                Ok(NamedType { data_type, limit: _ }) => fields.push(Field {
                    name: name.text.clone(),
                    data_type,
                    is_nullable: column.is_nullable,
                }),
                Err((message, hint)) => {
                    self.session.report.add(column.type_span, message, hint);
                    has_failed = true;
                }
            }
        }
        if has_failed {
            return Err(crate::report::Reported);
        }
        if fields.is_empty() {
            let span = create.name.span;
            return self.session.fail(span, "a source needs at least one column");
        }
        Ok(Schema::new(fields))
    }

    /// Columns declared for a generator must be those that it makes.
    fn check_model(&mut self, create: &CreateSource, declared: &Schema, made: &Schema) -> Bind<()> {
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
        self.session.fail_with(
            create.name.span,
            "the columns are not those that the generator makes",
            format!("leave them out, or declare ({})", columns.join(", ")),
        )
    }

    /// `WATERMARK FOR t AS t - INTERVAL …`, or `AS t`.
    fn watermark(&mut self, syntax: &WatermarkSyntax, scope: &Scope) -> Bind<WatermarkRule> {
        let WatermarkSyntax { column, expr, span } = syntax;
        let named = scope.resolve(&mut self.session, None, column, column.span)?;
        let ExprKind::Column { index, .. } = named.kind else {
            return self.session.fail(column.span, "WATERMARK takes a column");
        };
        if named.data_type != DataType::Timestamp {
            let message = format!("WATERMARK takes a TIMESTAMP, but this is {}", named.data_type);
            return self.session.fail(column.span, message);
        }
        let hint = format!("write WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND", column.text);
        let (base, delay) = match expr {
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::Minus, right } => {
                (left.as_ref(), Some(right.as_ref()))
            }
            other => (other, None),
        };
        let mut binder = ExprBinder::new(&mut self.session, scope, "WATERMARK");
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
            Some(delay_us) => Ok(WatermarkRule::new(index, delay_us)),
            None => {
                let message = "a watermark is its column less a constant interval of days or less";
                self.session.fail_with(*span, message, hint)
            }
        }
    }

    fn query(&mut self, syntax: &QueryStatement, statement: &Statement) -> Bind<()> {
        let sink = self.target(syntax, statement.span);
        if statement.is_refused {
            return Err(crate::report::Reported);
        }
        let bound = bind_root(&mut self.session, &self.tables, &syntax.query, syntax.emit);
        let (sink, (relation, runs_after)) = (sink?, bound?);
        let schema = relation.schema();
        check_result(&mut self.session, &sink, &schema, syntax.target.span(statement.span))?;
        let mut relation = optimize(relation, self.session.catalog.fold);
        hold_to_limits(&mut relation, &self.tables);
        check_relation(&mut self.session, &relation)?;
        if let Some(entry) = self.tables.sinks.get_mut(&sink.name)
            && syntax.explain != Explain::Plan
        {
            entry.written = Some((self.queries.len(), schema));
        }
        self.queries.push(Query { sink, relation, explain: syntax.explain, runs_after });
        Ok(())
    }

    /// Where a query's results go.
    fn target(&mut self, syntax: &QueryStatement, span: Span) -> Bind<SinkDef> {
        let name = match &syntax.target {
            Target::Stdout => {
                let connector = SinkConnector::Stdout(None);
                return Ok(SinkDef { name: "stdout".to_owned(), connector, span });
            }
            Target::Stream { name, options } => {
                self.sink(name, options, span)?;
                name
            }
            Target::Sink(name) => name,
        };
        if let Some(sink) = self.tables.sinks.get(&name.text) {
            let def = sink.def.clone();
            if sink.written.is_some() {
                return self.session.fail_with(
                    name.span,
                    format!("\"{}\" is already written by an earlier statement", name.text),
                    "one query writes a sink; bring several together with UNION ALL",
                );
            }
            return Ok(def);
        }
        if self.session.catalog.registered_sinks.contains(&name.text) {
            let connector = SinkConnector::Registered;
            return Ok(SinkDef { name: name.text.clone(), connector, span });
        }
        if self.tables.broken.contains(&name.text) {
            return Err(crate::report::Reported);
        }
        let registered = self.session.catalog.registered_sinks.iter();
        let known = self.tables.sinks.keys().chain(registered).map(String::as_str);
        let hint = crate::suggest::did_you_mean(&name.text, known)
            .unwrap_or_else(|| "declare it with CREATE SINK".to_owned());
        self.session.fail_with(name.span, format!("unknown sink \"{}\"", name.text), hint)
    }
}
