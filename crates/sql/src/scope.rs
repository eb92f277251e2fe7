//! Names to columns: what one `FROM` item brings, and what the whole script knows.

use std::collections::HashMap;
use std::rc::Rc;

use sqlparser::tokenizer::Span as TokenSpan;
use tidemill_plan::{Expr, ExprKind, Span};
use tidemill_record::{DataType, Schema};

use crate::catalog::Catalog;
use crate::parameters::Parameters;
use crate::position::Positions;
use crate::report::{Bind, Report, Reported};
use crate::suggest::did_you_mean;
use crate::syntax::{Name, Words};
use crate::window_bounds::ScopeWindow;

/// Nodes of expressions and relations that one script may make, so that names which stand for
/// large things cannot multiply without end.
const NODES_MAX: usize = 2_000_000;

/// What binding needs everywhere.
pub(crate) struct Session<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) positions: &'a Positions,
    pub(crate) report: &'a mut Report,
    /// The words of the statement that is bound.
    pub(crate) words: Rc<Words>,
    /// Where values are bound to.
    pub(crate) parameters: Parameters,
    nodes_left: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        catalog: &'a Catalog,
        positions: &'a Positions,
        report: &'a mut Report,
    ) -> Self {
        let (words, parameters) = (Rc::default(), Parameters::default());
        Self { catalog, positions, report, words, parameters, nodes_left: NODES_MAX }
    }

    /// The byte range of a syntax node; empty where it does not know its place.
    pub(crate) fn span(&self, span: TokenSpan) -> Span {
        self.positions.span(span).unwrap_or_default()
    }

    /// Where words stand, at or behind the start of `within`; `within` where they do not.
    pub(crate) fn place(&self, phrase: &[&str], within: Span) -> Span {
        self.words.find(phrase, within.start).unwrap_or(within)
    }

    /// The last place of words that begins before `within` does; `within` where there is none.
    pub(crate) fn place_before(&self, phrase: &[&str], within: Span) -> Span {
        self.words.find_before(phrase, within.start).unwrap_or(within)
    }

    /// Reports a finding.
    pub(crate) fn fail<T>(&mut self, span: Span, message: impl Into<String>) -> Bind<T> {
        Err(self.report.add(span, message, None))
    }

    /// Reports a finding and what to do about it.
    pub(crate) fn fail_with<T>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Bind<T> {
        Err(self.report.add(span, message, Some(hint.into())))
    }

    /// Counts nodes that are made.
    pub(crate) fn spend(&mut self, nodes: usize, span: Span) -> Bind<()> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) if !self.report.is_full() => {
                self.nodes_left = left;
                Ok(())
            }
            Some(_) => Err(Reported),
            None => {
                let message = "the script is too large once its names are replaced by what they \
                               stand for";
                self.fail(span, message)
            }
        }
    }
}

/// The columns an expression may name.
#[derive(Debug)]
pub(crate) struct Scope {
    /// The name that qualifies the columns.
    table: String,
    names: Vec<String>,
    types: Vec<DataType>,
    by_name: HashMap<String, Vec<usize>>,
    /// The same by names in lower case.
    by_folded: HashMap<String, Vec<usize>>,
    /// How many of the last columns `*` leaves out.
    hidden_count: usize,
    /// What may explain that a column is not among them.
    pub(crate) note: Option<&'static str>,
    /// Of text columns that are JSON arrays, as far as was seen, the types of their elements.
    pub(crate) json_arrays: HashMap<usize, DataType>,
    /// The window whose bounds are the last two columns.
    pub(crate) window: Option<ScopeWindow>,
}

/// What a name means among the columns.
enum Match<'a> {
    None,
    One(usize),
    /// Columns of the very same name.
    Alike,
    /// Columns whose names differ in case only, none of which is meant more than another.
    InCase(&'a [usize]),
}

impl Scope {
    /// The columns of a relation under a table name.
    pub(crate) fn new(table: impl Into<String>, schema: &Schema) -> Self {
        let mut scope = Self {
            table: table.into(),
            names: Vec::with_capacity(schema.fields.len()),
            types: Vec::with_capacity(schema.fields.len()),
            by_name: HashMap::new(),
            by_folded: HashMap::new(),
            hidden_count: 0,
            note: None,
            json_arrays: HashMap::new(),
            window: None,
        };
        for field in &schema.fields {
            scope.push(&field.name, field.data_type.clone());
        }
        scope
    }

    /// Adds a column behind the others.
    pub(crate) fn push(&mut self, name: &str, data_type: DataType) {
        self.by_name.entry(name.to_owned()).or_default().push(self.names.len());
        self.by_folded.entry(name.to_lowercase()).or_default().push(self.names.len());
        self.names.push(name.to_owned());
        self.types.push(data_type);
    }

    /// Says how many of the last columns `*` leaves out.
    pub(crate) fn hide_last(&mut self, count: usize) {
        self.hidden_count = count;
    }

    /// How many columns `*` means: the first ones.
    pub(crate) fn shown_count(&self) -> usize {
        self.names.len() - self.hidden_count
    }

    /// How many columns there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The name of a column.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// The name that qualifies the columns.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// A column as an expression.
    pub(crate) fn column(&self, index: usize, span: Span) -> Expr {
        let mut expr = Expr::column(index, self.name(index), self.types[index].clone());
        expr.span = span;
        expr
    }

    /// Whether the name means some column.
    pub(crate) fn has(&self, name: &Name) -> bool {
        !matches!(self.find(name), Match::None)
    }

    /// The name that the column meant by this one has itself; this one where there is none.
    pub(crate) fn own_name(&self, name: Name) -> String {
        match self.find(&name) {
            Match::One(index) => self.names[index].clone(),
            Match::None | Match::Alike | Match::InCase(_) => name.text,
        }
    }

    /// The columns that a name means: those that bear it. Without quotes it is in lower case then, and
    /// where no column has it so, it is the name of those that differ from it in case only.
    fn find(&self, name: &Name) -> Match<'_> {
        let exact = self.by_name.get(&name.text).map(Vec::as_slice);
        let folded = name.unfolded.as_ref().and_then(|_| self.by_folded.get(&name.text));
        let folded = folded.map_or(&[][..], Vec::as_slice);
        // Written as another column is, it may mean either.
        let names_another = |unfolded: &String| {
            *unfolded != name.text && folded.iter().any(|&index| self.names[index] == *unfolded)
        };
        match (exact, folded) {
            (Some(_), _) if name.unfolded.as_ref().is_some_and(names_another) => {
                Match::InCase(folded)
            }
            (Some([index]), _) | (None, [index]) => Match::One(*index),
            // Members have their names behind points; what is shown under such a name is meant by the name as a whole.
            (Some([index, hidden]), _) if self.is_shown(*index) && !self.is_shown(*hidden) => {
                Match::One(*index)
            }
            (Some(_), _) => Match::Alike,
            (None, []) => Match::None,
            (None, [first, others @ ..]) => {
                let are_alike = others.iter().all(|&at| self.names[at] == self.names[*first]);
                if are_alike { Match::Alike } else { Match::InCase(folded) }
            }
        }
    }

    /// Finds a column by name, and gives its place.
    pub(crate) fn place(&self, session: &mut Session<'_>, name: &Name) -> Bind<usize> {
        let found = self.resolve(session, None, name, name.span)?;
        match found.kind {
            ExprKind::Column { index, .. } => Ok(index),
            _ => session.fail(name.span, format!("\"{}\" is no column", name.text)),
        }
    }

    /// Finds a column by name.
    pub(crate) fn resolve(
        &self,
        session: &mut Session<'_>,
        table: Option<&str>,
        name: &Name,
        span: Span,
    ) -> Bind<Expr> {
        if let Some(table) = table
            && table != self.table
        {
            let joined = format!("{table}.{}", name.text);
            if let Some(index) = self.member(&joined) {
                return Ok(self.column(index, span));
            }
            let (message, hint) = match self.instead_of_member(table, &name.text) {
                _ if self.has_several(&joined) => (
                    format!("the column name {joined} is ambiguous: several columns have it"),
                    "a file has a column of that name beside a struct with such a member; write it with other names".to_owned(),
                ),
                Some(hint) => (format!("unknown column {joined}"), hint),
                None => (
                    format!("{joined}: FROM has no table \"{table}\""),
                    self.instead_of_qualified(table),
                ),
            };
            return session.fail_with(span, message, hint);
        }
        let meant = self.find(name);
        // A struct may bear the name of its table.
        if let (Match::None, Some(table)) = (&meant, table)
            && let Some(index) = self.member(&format!("{table}.{}", name.text))
        {
            return Ok(self.column(index, span));
        }
        let (name, unfolded) = (&name.text, name.unfolded.as_ref());
        match meant {
            Match::One(index) => Ok(self.column(index, span)),
            Match::Alike => session.fail_with(
                span,
                format!("the column name \"{name}\" is ambiguous"),
                "give the columns different aliases in the subquery",
            ),
            Match::InCase(indices) => {
                let names: Vec<String> =
                    indices.iter().map(|&index| format!("\"{}\"", self.names[index])).collect();
                let (written, meant) = (unfolded.unwrap_or(name), names.join(" or "));
                session.fail_with(
                    span,
                    format!("the column name {written} is ambiguous: it may be {meant}"),
                    "put the one that is meant in double quotes",
                )
            }
            Match::None => {
                let hint = self
                    .members_of(name)
                    .or_else(|| did_you_mean(name, self.names.iter().map(String::as_str)))
                    .unwrap_or_else(|| self.instead_of(name));
                session.fail_with(span, format!("unknown column \"{name}\""), hint)
            }
        }
    }

    /// A column whose name has points, as members of structs have; in another case where there is one such.
    fn member(&self, joined: &str) -> Option<usize> {
        let exact = self.by_name.get(joined);
        match exact.or_else(|| self.by_folded.get(&joined.to_lowercase())).map(Vec::as_slice) {
            Some([index]) => Some(*index),
            // A key with points beside a member.
            Some([key, member]) if self.is_shown(*key) && !self.is_shown(*member) => Some(*member),
            _ => None,
        }
    }

    /// Whether several columns have a name with points, none of which is meant more than another.
    fn has_several(&self, joined: &str) -> bool {
        self.member(joined).is_none() && self.by_folded.contains_key(&joined.to_lowercase())
    }

    fn is_shown(&self, index: usize) -> bool {
        index < self.shown_count()
    }

    /// Finds a member of a member, of a struct in a table that may be named before.
    pub(crate) fn resolve_parts(
        &self,
        session: &mut Session<'_>,
        parts: &[Name],
        span: Span,
    ) -> Bind<Expr> {
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        let of_table = texts.split_first().filter(|(table, _)| **table == self.table);
        let without_table = of_table.and_then(|(_, rest)| self.member(&rest.join(".")));
        match without_table.or_else(|| self.member(&texts.join("."))) {
            Some(index) => Ok(self.column(index, span)),
            None => {
                let message = format!("unknown column {}", texts.join("."));
                let texts = if texts.len() > 2 && texts[0] == self.table {
                    &texts[1..]
                } else {
                    &texts[..]
                };
                let hint = self.instead_of_member(texts[0], &texts[1..].join("."));
                session.fail_with(span, message, hint.unwrap_or_else(|| self.known_columns()))
            }
        }
    }

    /// The members of a struct that was named as a whole.
    fn members_of(&self, name: &str) -> Option<String> {
        const SHOWN: usize = 12;
        let is_member = |of: &&String| {
            of.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
                && of[name.len()..].starts_with('.')
        };
        let members = self.names.iter().filter(is_member);
        let quoted: Vec<String> = members.take(SHOWN).map(|of| format!("\"{of}\"")).collect();
        let form = "a struct is read by its members, each a column";
        (!quoted.is_empty()).then(|| format!("{form}: {}", quoted.join(", ")))
    }

    /// What to write instead of `table.column` where there is no such table.
    fn instead_of_qualified(&self, table: &str) -> String {
        match self.table.as_str() {
            "" => "the result of a query in brackets is named by an alias behind it".to_owned(),
            known if known.contains(['.', '/', '*']) => {
                format!("an alias names what a path reads: FROM '{known}' AS {table}")
            }
            known => format!("the table of FROM is \"{known}\""),
        }
    }

    /// What to write instead of `column.member` where no such member is known of the column.
    fn instead_of_member(&self, column: &str, path: &str) -> Option<String> {
        let is_it = |name: &&String| name.eq_ignore_ascii_case(column);
        let known = self.names.iter().find(is_it)?;
        let members = || self.names.iter().filter(|name| name.contains('.')).map(String::as_str);
        let nearest = did_you_mean(&format!("{known}.{path}"), members());
        Some(nearest.unwrap_or_else(|| {
            format!("{known} is a column: a value of its JSON is JSON_VALUE({known}, '$.{path}' RETURNING type)")
        }))
    }

    /// What a name that is no column may have been meant for.
    fn instead_of(&self, name: &str) -> String {
        match name {
            "window_start" | "window_end" | "window_time" => {
                format!("{name} is there beside a window: GROUP BY … WINDOW TUMBLING (time, 1m)")
            }
            // ksqlDB and Arroyo.
            "rowtime" | "_timestamp" => {
                format!("name the column of WATERMARK FOR; {}", self.known_columns())
            }
            "filename" if self.note.is_some() => {
                "declare it among the columns: filename VARCHAR METADATA".to_owned()
            }
            "file_row" if self.note.is_some() => {
                "declare it among the columns: file_row BIGINT METADATA".to_owned()
            }
            _ => match self.note {
                None => self.known_columns(),
                Some(note) => format!("{}; {note}", self.known_columns()),
            },
        }
    }

    fn known_columns(&self) -> String {
        const SHOWN: usize = 12;
        if self.names.is_empty() {
            return "no columns can be named here: write a constant".to_owned();
        }
        let names = &self.names[..self.shown_count()];
        let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
        let more = if names.len() > SHOWN { ", …" } else { "" };
        format!("columns are {}{more}", shown.join(", "))
    }
}
