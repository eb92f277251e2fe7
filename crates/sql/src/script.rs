//! Statements to a script: declarations first become tables, queries become plans.

use std::rc::Rc;
use std::sync::Arc;

use tidemill_plan::relation::Explain;
use tidemill_plan::{Query, Script, Settings, SinkConnector, SinkDef, Span};
use tidemill_record::Field;

use crate::catalog::Catalog;
use crate::column_times::{column_forms, keep_forms};
use crate::optimize::optimize;
use crate::options::{self, Direction};
use crate::outputs::{check_outputs, check_result};
use crate::parameters::Parameters;
use crate::position::Positions;
use crate::query::{bind_root, bind_view, first_word};
use crate::read_after_write::check_reads;
use crate::report::{Bind, Report};
use crate::rows::described;
use crate::runnable::check_relation;
use crate::scope::Session;
use crate::show::{bind_show, declared_names};
use crate::sink_columns::{as_declared, declared};
use crate::sources::bind_source;
use crate::summarize::bind_summary;
use crate::syntax::{Name, QueryStatement, Shown, Statement, StatementKind, Target};
use crate::tables::{Sink, Tables};

/// Binds a script. What it returns counts only if nothing was reported.
pub(crate) fn bind_script<'a>(
    text: &'a str,
    statements: &'a [Statement],
    positions: &'a Positions,
    catalog: &'a Catalog,
    report: &'a mut Report,
) -> Script {
    let values = catalog.parameters.as_ref();
    let parameters = values.map(|values| Parameters::new(text, values, positions, report));
    let mut session = Session::new(catalog, positions, report);
    session.parameters = parameters.unwrap_or_default();
    let mut binder = ScriptBinder {
        session,
        tables: Tables::default(),
        settings: catalog.settings.clone(),
        queries: Vec::new(),
        text,
        before: &[],
    };
    for (at, statement) in statements.iter().enumerate() {
        binder.before = &statements[..at];
        // What was found is reported; the next statement may have findings of its own.
        binder.session.report.fallback = first_word(statement.span);
        binder.session.words = statement.words.clone();
        let _ = binder.bind(statement);
    }
    check_reads(&binder.queries, binder.session.report);
    check_outputs(&binder.queries, &binder.settings, binder.session.report);
    Script { settings: binder.settings, queries: binder.queries }
}

struct ScriptBinder<'a> {
    text: &'a str,
    /// The statements in front of the one that is bound.
    before: &'a [Statement],
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
                let bound = bind_source(&mut self.session, create, statement.span);
                let source = bound.inspect_err(|_| {
                    self.tables.broken.insert(create.name.text.clone());
                })?;
                self.tables.sources.insert(create.name.text.clone(), Arc::new(source));
                Ok(())
            }
            StatementKind::Sink { name, columns, options } => {
                let fields = declared(&mut self.session, columns);
                let forms = fields.and_then(|fields| {
                    let alone: Vec<Field> = fields.iter().map(|(field, _)| field.clone()).collect();
                    let forms = column_forms(&mut self.session, columns, &alone, Direction::Write)?;
                    Ok((fields, forms))
                });
                let (fields, forms) = forms.inspect_err(|_| {
                    self.tables.broken.insert(name.text.clone());
                })?;
                self.sink(name, options, statement.span)?;
                if let Some(sink) = self.tables.sinks.get_mut(&name.text) {
                    sink.columns = fields;
                    let format = match &mut sink.def.connector {
                        SinkConnector::File(file) => Some(&mut file.format),
                        SinkConnector::Stdout(format) => format.as_mut(),
                        SinkConnector::Discard(_) | SinkConnector::Registered => None,
                    };
                    keep_forms(&mut self.session, columns, forms, format)?;
                }
                Ok(())
            }
            StatementKind::Show(show) => {
                let span = first_word(statement.span);
                let declared = declared_names(self.text, self.before, self.session.catalog);
                let relation = bind_show(&mut self.session, show, &declared, span)?;
                let connector = SinkConnector::Stdout(None);
                let sink = SinkDef { name: "stdout".to_owned(), connector, span: statement.span };
                let (explain, runs_after) = (Explain::No, Vec::new());
                self.queries.push(Query { sink, relation, explain, runs_after, order_span: span });
                Ok(())
            }
            // Settled as the script was parsed.
            StatementKind::Table(_) => Ok(()),
            StatementKind::View { name, query } => {
                self.claim(name)?;
                let bound = bind_view(&mut self.session, &self.tables, query);
                let (relation, runs_after) = bound.inspect_err(|_| {
                    self.tables.broken.insert(name.text.clone());
                })?;
                self.tables.views.insert(name.text.clone(), (Rc::new(relation), runs_after));
                Ok(())
            }
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
        if self.tables.writes_path(&name.text) {
            let message = format!("an earlier statement writes '{}'", name.text);
            let hint = "bring both together with UNION ALL, or give each a path of its own";
            return self.session.fail_with(name.span, message, hint);
        }
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
        self.tables
            .sinks
            .insert(name.text.clone(), Sink { def, columns: Vec::new(), written: None });
        Ok(())
    }

    fn query(&mut self, syntax: &QueryStatement, statement: &Statement) -> Bind<()> {
        let sink = self.target(syntax, statement.span);
        if statement.is_refused {
            return Err(crate::report::Reported);
        }
        let (session, tables) = (&mut self.session, &self.tables);
        let bound = match (syntax.shown, syntax.emit) {
            (Shown::Summary, None) => bind_summary(session, tables, &syntax.query, statement.span),
            (Shown::Summary, Some(clause)) => {
                let message = "EMIT does not go with SUMMARIZE, which gives its rows at the end";
                session.fail(clause.span, message)
            }
            _ => bind_root(session, tables, &syntax.query, syntax.emit),
        };
        let (sink, (mut relation, mut runs_after)) = (sink?, bound?);
        if syntax.shown == Shown::Columns {
            relation = described(&relation.schema(), first_word(statement.span));
            runs_after.clear();
        }
        if let Some(fields) = self.tables.sinks.get(&sink.name).map(|sink| sink.columns.clone())
            && !fields.is_empty()
        {
            let span = syntax.target.span(statement.span);
            relation = as_declared(&mut self.session, relation, &fields, span)?;
        }
        let schema = relation.schema();
        check_result(&mut self.session, &sink, &schema, syntax.target.span(statement.span))?;
        let relation = optimize(relation, self.session.catalog.fold);
        check_relation(&mut self.session, &relation)?;
        if let Some(entry) = self.tables.sinks.get_mut(&sink.name)
            && syntax.explain != Explain::Plan
        {
            entry.written = Some((self.queries.len(), schema));
        }
        let order_span = self.order_span(statement.span);
        self.queries.push(Query {
            sink,
            relation,
            explain: syntax.explain,
            runs_after,
            order_span,
        });
        Ok(())
    }

    /// Where the last `ORDER BY` or `LIMIT` of the statement stands.
    fn order_span(&self, statement: Span) -> Span {
        let words = &self.session.words;
        let order = words.find_before(&["ORDER", "BY"], statement.end);
        order
            .or_else(|| words.find_before(&["LIMIT"], statement.end))
            .unwrap_or(first_word(statement))
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
            .unwrap_or_else(|| {
                let name = &name.text;
                format!("declare it: CREATE SINK {name} WITH ('connector' = 'file', 'path' = '{name}', 'format' = 'csv')")
            });
        self.session.fail_with(name.span, format!("unknown sink \"{}\"", name.text), hint)
    }
}
