//! `SHOW TABLES` and its kin, `SHOW CREATE TABLE`: what has been declared, as rows.

use sqlparser::tokenizer::Token;
use tidemill_plan::{Expr, ExprKind, Relation, Scalar, Span};
use tidemill_record::DataType;

use crate::Declared;
use crate::catalog::Catalog;
use crate::declared::declared;
use crate::parse::Parsing;
use crate::report::Bind;
use crate::rows::text_rows;
use crate::scope::Session;
use crate::suggest::did_you_mean;
use crate::syntax::{Name, Show, Statement, StatementKind};
use crate::tokens::shown;

/// What `SHOW` lists, and the kind of declaration that it is; all kinds where that is none.
const LISTS: [(&str, Option<&str>); 5] = [
    ("TABLES", None),
    ("STREAMS", None),
    ("SOURCES", Some("source")),
    ("SINKS", Some("sink")),
    ("VIEWS", Some("view")),
];

/// Other things that engines show.
const OTHERS: [(&str, &str); 20] = [
    ("ALL", SETTINGS),
    ("SETTINGS", SETTINGS),
    ("VARIABLES", SETTINGS),
    ("PROPERTIES", SETTINGS),
    ("PARAMETERS", SETTINGS),
    ("CATALOGS", ONE_PART),
    ("CURRENT", ONE_PART),
    ("DATABASES", ONE_PART),
    ("SCHEMAS", ONE_PART),
    ("FUNCTIONS", "docs/SQL.md lists the functions; the shell completes their names"),
    ("MODULES", "functions are built in; docs/SQL.md lists them"),
    ("JARS", "functions are built in; docs/SQL.md lists them"),
    ("TYPES", "docs/SQL.md lists the types"),
    ("INDEXES", "no row is looked for by its key, so that there is no index"),
    ("JOBS", RUNNING),
    ("QUERIES", RUNNING),
    ("PROCESSLIST", RUNNING),
    ("TOPICS", FILES),
    ("CONNECTIONS", FILES),
    ("CLUSTERS", "a job runs in one process; tidemill doctor shows its host"),
];

const SETTINGS: &str = ".settings of the shell shows them; docs/SQL.md lists what SET takes";
const ONE_PART: &str = "names have one part, there are no schemas or databases: write SHOW TABLES";
const RUNNING: &str = "a script's queries run until they end; EXPLAIN ANALYZE shows what each did";
const FILES: &str =
    "each CREATE SOURCE and CREATE SINK has its own options; SHOW CREATE TABLE name shows them";
const FORMS: &str = "write SHOW TABLES | SOURCES | SINKS | VIEWS [LIKE 'pattern'], SHOW COLUMNS FROM name or SHOW CREATE TABLE name";

/// Whether `SHOW` and this word mean anything but the columns of a table.
pub(crate) fn lists(word: &str) -> bool {
    let is = |name: &&str| word.eq_ignore_ascii_case(name);
    ["CREATE", "COLUMNS", "MATERIALIZED"].iter().any(&is)
        || LISTS.iter().any(|(name, _)| is(name))
        || OTHERS.iter().any(|(name, _)| is(name))
}

impl Parsing<'_> {
    /// What stands behind `SHOW`.
    pub(crate) fn show(&mut self) -> Bind<StatementKind> {
        if self.take_word("CREATE") {
            let _ = self.take_word("MATERIALIZED");
            let kinds = ["TABLE", "SOURCE", "SINK", "VIEW", "STREAM"];
            if !kinds.iter().any(|kind| self.take_word(kind)) {
                return Err(self.not_shown());
            }
            let name = match self.path() {
                Some(path) => path,
                None => self.name()?,
            };
            return Ok(StatementKind::Show(Show::Statement(name)));
        }
        if self.is_next(1, "VIEWS") {
            let _ = self.take_word("MATERIALIZED");
        }
        let Some((_, kind)) = LISTS.iter().find(|(name, _)| self.take_word(name)) else {
            return Err(self.not_shown());
        };
        let is_negated = self.is_next(0, "NOT") && self.take_word("NOT");
        let mut like = None;
        if is_negated || self.is_next(0, "LIKE") {
            self.expect_word_or("LIKE", FORMS)?;
            let Some(pattern) = self.path() else { return Err(self.not_shown()) };
            like = Some((pattern, is_negated));
        }
        Ok(StatementKind::Show(Show::Names { kind: *kind, like }))
    }

    fn not_shown(&mut self) -> crate::report::Reported {
        let token = self.parser.peek_token();
        let word = shown(&token);
        let other = OTHERS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        let (message, hint) = match other {
            _ if token.token == Token::EOF => ("a word is missing behind SHOW".to_owned(), FORMS),
            Some((name, hint)) => (format!("not supported: SHOW {name}"), *hint),
            None => (format!("not supported: {word} behind SHOW"), FORMS),
        };
        self.report.add(self.token_span(&token), message, Some(hint.to_owned()))
    }
}

/// All that is declared in front of a statement: by earlier scripts, by this one, and by the embedding program.
pub(crate) fn declared_names(text: &str, before: &[Statement], catalog: &Catalog) -> Vec<Declared> {
    let mut names = catalog.declared.clone();
    for one in declared(text, before) {
        match names.iter_mut().find(|known| known.name == one.name) {
            Some(known) => *known = one,
            None => names.push(one),
        }
    }
    let registered =
        |name: &String, kind| Declared { name: name.clone(), kind, text: String::new() };
    let sources = catalog.registered_sources.keys().map(|name| registered(name, "source"));
    let sinks = catalog.registered_sinks.iter().map(|name| registered(name, "sink"));
    let mut others: Vec<Declared> = sources.chain(sinks).collect();
    others.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    names.extend(others);
    names
}

/// The rows that `SHOW` gives.
pub(crate) fn bind_show(
    session: &mut Session<'_>,
    show: &Show,
    declared: &[Declared],
    span: Span,
) -> Bind<Relation> {
    match show {
        Show::Names { kind, like } => {
            let is_shown = |one: &&Declared| kind.is_none_or(|kind| one.kind == kind);
            let rows = declared.iter().filter(is_shown);
            let rows = rows.map(|one| vec![one.name.clone(), one.kind.to_owned()]).collect();
            let rows = text_rows("SHOW", &["name", "kind"], rows, span);
            let Some((pattern, is_negated)) = like else { return Ok(rows) };
            let operand = Expr::column(0, "name".to_owned(), DataType::Varchar);
            let pattern = Expr::literal(Scalar::Varchar(pattern.text.clone()));
            let kind = ExprKind::Like {
                operand: Box::new(operand),
                pattern: Box::new(pattern),
                is_negated: *is_negated,
                is_case_insensitive: false,
                escape: None,
            };
            let predicate = Expr { kind, data_type: DataType::Boolean, span };
            Ok(Relation::Filter { input: Box::new(rows), predicate })
        }
        Show::Statement(name) => {
            let statement = statement_of(session, name, declared)?;
            let rows = vec![vec![name.text.clone(), statement]];
            Ok(text_rows("SHOW", &["name", "create_sql"], rows, span))
        }
    }
}

fn statement_of(session: &mut Session<'_>, name: &Name, declared: &[Declared]) -> Bind<String> {
    match declared.iter().find(|one| one.name == name.text) {
        Some(one) if !one.text.is_empty() => Ok(format!("{};", one.text)),
        Some(_) => {
            let message = format!("\"{}\" is registered by the program, not by SQL", name.text);
            session.fail_with(name.span, message, "DESCRIBE shows its columns")
        }
        None => {
            let known = declared.iter().map(|one| one.name.as_str());
            let hint = did_you_mean(&name.text, known)
                .unwrap_or_else(|| "SHOW TABLES lists what is declared".to_owned());
            session.fail_with(name.span, format!("nothing is declared as \"{}\"", name.text), hint)
        }
    }
}
