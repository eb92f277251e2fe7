//! Where an embedding program begins: names, functions and settings, then scripts.

use std::collections::{HashMap, HashSet};
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

use tidemill_expr::{Context, evaluate_constant};
use tidemill_plan::relation::Explain;
use tidemill_plan::{
    Expr, Query, Scalar, Script, Settings, SinkConnector, Span, UserAggregate, UserFunction,
};
use tidemill_record::EventTime;
use tidemill_source::Pipes;
use tidemill_sql::{Catalog, Declared, JsonMember, SqlError, SqlErrors};

use crate::declarations::{Declaration, Declarations};
use crate::inference::{Inferred, infer};
use crate::planning::Surroundings;
use crate::printed::Printed;
use crate::register::{RegisteredSource, read_already};
use crate::results::channel::channel;
use crate::script_text::ScriptText;
use crate::sinks::OpenSink;
use crate::{Error, Job, Rows};

/// How a bare `SELECT` prints.
#[derive(Clone, Debug)]
pub enum StdoutLayout {
    /// To standard output in a format, whole and in partition order.
    Format(tidemill_plan::Format),
    /// As text, for the caller to lay out.
    Rows(RowLayout),
}

/// Which rows are handed to a caller that shows them.
#[derive(Clone, Debug)]
pub struct RowLayout {
    /// Where they are to be found.
    pub printed: Printed,
    /// Rows that are kept at most, the first ones, at least 1.
    pub rows_max: u64,
    /// The same where input has no end: the last ones, of a changelog one for each group. `None` prints such rows to
    /// standard output as CSV, one after another.
    pub latest_rows: Option<usize>,
}

/// Everything a script may refer to. No state is shared between sessions.
pub struct Session {
    settings: Settings,
    /// How bare `SELECT`s print, where they may.
    stdout: Option<StdoutLayout>,
    pub(crate) sources: HashMap<String, Arc<RegisteredSource>>,
    pub(crate) sinks: HashMap<String, Arc<OpenSink>>,
    pub(crate) functions: HashMap<String, Arc<UserFunction>>,
    pub(crate) aggregates: HashMap<String, Arc<UserAggregate>>,
    pipes: Arc<Pipes>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn names<V>(of: &HashMap<String, V>) -> Vec<&String> {
            of.keys().collect()
        }
        f.debug_struct("Session")
            .field("sources", &names(&self.sources))
            .field("sinks", &names(&self.sinks))
            .field("functions", &names(&self.functions))
            .field("aggregates", &names(&self.aggregates))
            .finish_non_exhaustive()
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session with default settings and nothing registered. It never prints: see [`Self::set_stdout`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings::default(),
            stdout: None,
            sources: HashMap::new(),
            sinks: HashMap::new(),
            functions: HashMap::new(),
            aggregates: HashMap::new(),
            pipes: Arc::default(),
        }
    }

    /// The settings that scripts start with; `SET` in a script changes them for that script.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Says that scripts are only looked at: what would have to be read of a pipe to do so is refused.
    pub fn look_only(&mut self) {
        self.pipes.look_only();
    }

    /// Says that standard input is read by somebody else: scripts cannot.
    pub fn give_up_standard_input(&mut self) {
        self.pipes.give_up_standard_input();
    }

    /// Has bare `SELECT`s print to standard output, and chooses how. Without this they are refused, and their
    /// results are pulled with [`Self::query`].
    pub fn set_stdout(&mut self, layout: StdoutLayout) {
        self.stdout = Some(layout);
    }

    /// Checks a script against this session. Looks at the head of files whose schema must be
    /// inferred; touches nothing else.
    ///
    /// # Errors
    /// An error of [kind](crate::ErrorKind) `Sql` with every finding, or why a file's schema cannot be inferred.
    pub fn prepare(&self, sql: &str) -> Result<Job, Error> {
        self.prepare_named(sql, "sql")
    }

    /// As [`Self::prepare`], with the name that errors give for the script, such as its path.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_named(&self, sql: &str, origin: &str) -> Result<Job, Error> {
        self.prepare_after(&Declarations::new(), sql, origin)
    }

    /// As [`Self::prepare_named`], for a script that may name what earlier scripts have declared.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_after(
        &self,
        declarations: &Declarations,
        sql: &str,
        origin: &str,
    ) -> Result<Job, Error> {
        self.prepared(self.bound((declarations, sql, origin), None)?)
    }

    /// With these values for the places of the script.
    pub(crate) fn prepare_bound(&self, sql: &str, values: Option<&[Scalar]>) -> Result<Job, Error> {
        self.prepared(self.bound((&Declarations::new(), sql, "sql"), values)?)
    }

    fn prepared(&self, bound: Bound) -> Result<Job, Error> {
        if self.stdout.is_none()
            && let Some(query) = bound.script.queries.iter().find(|query| is_bare(query))
        {
            let message = "nobody has said where the rows of this SELECT go".to_owned();
            let hint = "Session::query gives them; or INSERT INTO a sink; or have them printed with Session::set_stdout";
            return Err(bound.refuse(query.sink.span, message, hint));
        }
        Ok(self.job(bound, None))
    }

    /// Checks a script with one bare `SELECT`, for its results to be pulled. Other statements of it may declare, and
    /// write to sinks; those run with it.
    ///
    /// # Errors
    /// As [`Self::prepare`], and a script with no such `SELECT`, or several.
    pub fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.query_bound(sql, None)
    }

    /// With these values for the places of the script.
    pub(crate) fn query_bound(&self, sql: &str, values: Option<&[Scalar]>) -> Result<Rows, Error> {
        let mut bound = self.bound((&Declarations::new(), sql, "sql"), values)?;
        let mut bare = bound.script.queries.iter_mut().filter(|query| is_bare(query));
        let Some(query) = bare.next() else {
            return Err(Error::usage("a script whose results are pulled has a SELECT of its own"));
        };
        if let Some(second) = bare.next() {
            let span = second.sink.span;
            let message = "this is the second SELECT whose results are to be pulled".to_owned();
            let hint = "pull those of one; INSERT INTO a sink what the others give, or bring them together with UNION ALL";
            return Err(bound.refuse(span, message, hint));
        }
        let schema = query.relation.schema().arrow();
        let (sender, receiver) = channel();
        query.sink.connector = SinkConnector::Registered;
        // No sink of SQL has such a name.
        PULLED.clone_into(&mut query.sink.name);
        let open: Arc<OpenSink> = Arc::new(move |_| Box::new(sender.clone()));
        Ok(Rows::new(schema, receiver, self.job(bound, Some(open))))
    }

    fn job(&self, bound: Bound, pulled: Option<Arc<OpenSink>>) -> Job {
        let csv = || StdoutLayout::Format(tidemill_plan::Format::Csv(Default::default()));
        let pulled = pulled.map(|open| (PULLED.to_owned(), open));
        let around = Surroundings {
            stdout: self.stdout.clone().unwrap_or_else(csv),
            sources: self.sources.clone(),
            sinks: self.sinks.clone().into_iter().chain(pulled).collect(),
            pipes: Arc::clone(&self.pipes),
            text: bound.text,
        };
        Job::new(bound.script, around, bound.declared)
    }

    /// Binds a script of that origin, behind what earlier ones have declared, to what this session knows.
    fn bound(
        &self,
        (declarations, sql, origin): (&Declarations, &str, &str),
        values: Option<&[Scalar]>,
    ) -> Result<Bound, Error> {
        let refuse = |errors: SqlErrors| Error::sql(errors.render(sql, origin), errors);
        let alone = tidemill_sql::parse(sql).map_err(refuse)?;
        let declared = alone.declared();
        let text = declarations.before(sql, &declared, origin);
        let parsed = if text.is_alone() {
            alone
        } else {
            tidemill_sql::parse(text.whole()).map_err(|errors| text.error(errors, &[]))?
        };
        let record_bytes_max = parsed.settings(&self.settings).record_bytes_max;
        let (mut inferred, mut notes) = (Vec::new(), Vec::new());
        for asked in parsed.file_paths() {
            let span = asked.span;
            let named = |error: Error| error.named_at(|| text.place(span));
            let found = infer(asked, &self.pipes, record_bytes_max).map_err(named)?;
            let Some(Inferred { mut files, left_out }) = found else { continue };
            keep_named(&mut files.members, text.whole());
            notes.extend(left_out.into_iter().chain(files.notices.iter().cloned()));
            inferred.push(files);
        }
        let catalog = Catalog {
            settings: self.settings.clone(),
            inferred,
            registered_sources: self
                .sources
                .iter()
                .map(|(name, source)| (name.clone(), source.def.clone()))
                .collect(),
            registered_sinks: self.sinks.keys().cloned().collect::<HashSet<_>>(),
            written: declarations
                .iter()
                .filter_map(|one| Some((one.name.clone(), one.written.clone()?)))
                .collect(),
            declared: declarations.iter().map(Declaration::declared).collect(),
            functions: self.functions.clone(),
            aggregates: self.aggregates.clone(),
            parameters: values.map(<[Scalar]>::to_vec),
            fold: fold_constant,
            prepare: prepare_expr,
        };
        // A column that is asked for may be one of those that are left out.
        let script = parsed.bind(&catalog).map_err(|errors| text.error(errors, &notes))?;
        self.check_sources(&script)?;
        Ok(Bound { script, text, declared })
    }

    /// Whether no registered source that is there once is to be read twice.
    fn check_sources(&self, script: &Script) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for name in read_once(script, &self.sources)? {
            if !seen.insert(name) {
                return Err(Error::usage(format!(
                    "source {name} is to be read twice, and what it gives can be read once: register it with \
                     repeatable_partition or under a second name, or write it to files first"
                )));
            }
        }
        Ok(())
    }
}

/// Names of the registered sources that a script reads and that are there once, one for each time.
///
/// # Errors
/// One that has been read.
pub(crate) fn read_once<'a>(
    script: &Script,
    sources: &'a HashMap<String, Arc<RegisteredSource>>,
) -> Result<Vec<&'a str>, Error> {
    let running = script.queries.iter().filter(|query| query.explain != Explain::Plan);
    let named = running
        .flat_map(|query| query.relation.scans())
        .filter_map(|scan| sources.get_key_value(scan.source.registered_as()?));
    let mut names = Vec::new();
    for (name, source) in named.filter(|(_, source)| !source.is_repeatable()) {
        if source.is_taken() {
            return Err(read_already(name));
        }
        names.push(name.as_str());
    }
    Ok(names)
}

/// Leaves out what a script does not name, so that its plan does not change with other keys of its input.
fn keep_named(members: &mut Vec<JsonMember>, script: &str) {
    if members.is_empty() {
        return;
    }
    let script = script.to_lowercase();
    members.retain(|member| {
        member.path.last().is_some_and(|key| script.contains(&key.to_lowercase()))
    });
}

/// The sink of a query whose results are pulled.
const PULLED: &str = "SELECT";

/// A script that has been bound, and its text.
struct Bound {
    script: Script,
    text: ScriptText,
    declared: Vec<Declared>,
}

impl Bound {
    fn refuse(&self, span: Span, message: String, hint: &str) -> Error {
        let error = SqlError { message, span, hint: Some(hint.to_owned()) };
        self.text.error(SqlErrors(vec![error]), &[])
    }
}

/// Whether it is a `SELECT` that runs and says nothing of where its rows go.
fn is_bare(query: &Query) -> bool {
    matches!(query.sink.connector, SinkConnector::Stdout(None)) && query.explain != Explain::Plan
}

/// Compiles an expression as a run would, and drops what comes of it.
fn prepare_expr(expr: &Expr) -> Result<(), String> {
    let checked = tidemill_expr::check(expr, &Context { job_start: EventTime(0) });
    checked.map_err(|error| match error.source() {
        None => error.to_string(),
        // A pattern's error shows the pattern on lines of its own; the last one says what is wrong.
        Some(source) => {
            let text = source.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("{error}: {}", last.trim_start_matches("error: "))
        }
    })
}

/// The binder never folds `NOW()`, so the start of the job does not matter here.
fn fold_constant(expr: &Expr) -> Result<Scalar, String> {
    evaluate_constant(expr, &Context { job_start: EventTime(0) })
}
