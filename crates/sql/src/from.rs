//! `FROM`: the one table of a query, under the names its columns have there.

use std::sync::Arc;

use sqlparser::ast::{self, Spanned};
use tidemill_plan::relation::Scan;
use tidemill_plan::{Expr, NamedExpr, Relation, SourceConnector, SourceDef, Span, lineage};

use crate::parse::fold_name;
use crate::query::{Input, QueryBinder, first_word};
use crate::report::Bind;
use crate::scan::PATH_QUOTE;
use crate::scope::Scope;
use crate::tables::{Tables, is_path};

impl QueryBinder<'_, '_> {
    /// The one table of a `FROM` clause.
    pub(crate) fn bind_from(&mut self, from: &[ast::TableWithJoins], select: Span) -> Bind<Input> {
        let table = match from {
            [] => return Ok(self.one_row(first_word(select))),
            [ast::TableWithJoins { relation, joins }] => {
                if let Some(ast::Join { relation, global: _, join_operator: _ }) = joins.first() {
                    let at = self.session.place(&["JOIN"], first_word(select));
                    let what = lateral(relation);
                    let message = match what {
                        Some(what) => format!("not supported: JOIN {what}"),
                        None => "not supported: JOIN".to_owned(),
                    };
                    let hint = if what == Some("UNNEST") { NO_ROWS_OF_ARRAYS } else { ONE_TABLE };
                    return self.session.fail_with(at, message, hint);
                }
                relation
            }
            [_, second, ..] => {
                if let Some(what) = lateral(&second.relation) {
                    let at = self.session.place(&[what], first_word(select));
                    return self.session.fail(at, format!("not supported: {what}"));
                }
                let span = match self.session.span(second.relation.span()) {
                    unknown if unknown == Span::default() => {
                        self.session.place(&["FROM"], first_word(select))
                    }
                    span => span,
                };
                let message = "not supported: JOIN (several tables in FROM)";
                return self.session.fail_with(span, message, ONE_TABLE);
            }
        };
        match table {
            ast::TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let span = self.session.span(name.span());
                if let Some(what) = lateral(table) {
                    return self.session.fail(span, format!("not supported: {what}"));
                }
                if let Some(args) = args
                    && args.settings.is_none()
                    && let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice()
                {
                    let name = fold_name(ident, self.session.positions).text;
                    if let Some(relation) = self.bind_series(&name, &args.args, span)? {
                        return self.aliased(relation, 0, name, alias.as_ref());
                    }
                    let message = format!("not supported: the table function {name}");
                    return self.session.fail_with(span, message, TABLE_FUNCTIONS);
                }
                let refused: [(bool, &[&str], &str); 7] = [
                    (args.is_some(), &[], "SETTINGS of a table function"),
                    (!with_hints.is_empty(), &["WITH"], "table hints"),
                    (!index_hints.is_empty(), &["INDEX"], "table hints"),
                    (version.is_some(), &["FOR"], "a version of a table"),
                    (*with_ordinality, &["WITH", "ORDINALITY"], "WITH ORDINALITY"),
                    (!partitions.is_empty(), &["PARTITION"], "PARTITION (…) after a table"),
                    (json_path.is_some(), &[], "a path after a table"),
                ];
                let found = refused.iter().find(|(is_there, ..)| *is_there);
                if let Some((_, phrase, what)) = found {
                    let at = match phrase {
                        [] => span,
                        phrase => self.session.place(phrase, span),
                    };
                    return self.session.fail(at, format!("not supported: {what}"));
                }
                if sample.is_some() {
                    let at = self.session.place(&["TABLESAMPLE"], span);
                    return self.session.fail_with(at, "not supported: TABLESAMPLE", SAMPLED);
                }
                let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                    let text = name.to_string();
                    let hint = match is_path(&text) {
                        true => format!("the path of files stands in single quotes: FROM '{text}'"),
                        false => {
                            "names have one part: there are no schemas or databases".to_owned()
                        }
                    };
                    let message = format!("not supported: a name of several parts, {text}");
                    return self.session.fail_with(span, message, hint);
                };
                self.bind_table(ident, alias.as_ref())
            }
            ast::TableFactor::Derived { lateral, subquery, alias, sample } => {
                let span = self.session.span(subquery.span());
                if *lateral || sample.is_some() {
                    let at = match lateral {
                        true => self.session.place_before(&["LATERAL"], span),
                        false => self.session.place(&["TABLESAMPLE"], span),
                    };
                    let what = if *lateral { "LATERAL" } else { "TABLESAMPLE" };
                    let hint = if *lateral { ONE_TABLE } else { SAMPLED };
                    return self.session.fail_with(at, format!("not supported: {what}"), hint);
                }
                let relation = self.bind_query(subquery)?;
                self.aliased(relation, 0, String::new(), alias.as_ref())
            }
            other => {
                let what = refused_table(other);
                let word = what.split(' ').next().unwrap_or_default();
                let at = match self.session.place(&[word], first_word(select)) {
                    at if at == first_word(select) => self.session.span(other.span()),
                    at => at,
                };
                let hint = if what == "JOIN" {
                    ONE_TABLE
                } else {
                    "FROM takes a source, a path or a query in brackets"
                };
                self.session.fail_with(first_word(at), format!("not supported: {what}"), hint)
            }
        }
    }

    fn bind_table(&mut self, ident: &ast::Ident, alias: Option<&ast::TableAlias>) -> Bind<Input> {
        let name = fold_name(ident, self.session.positions);
        if ident.quote_style != Some(PATH_QUOTE) {
            let cte = self.ctes.iter().rev().find_map(|scope| scope.get(&name.text)).cloned();
            if let Some(cte) = cte {
                let cte = cte.ok_or(crate::report::Reported)?;
                self.spend(&cte, name.span)?;
                return self.aliased((*cte).clone(), 0, name.text, alias);
            }
        }
        if ident.quote_style != Some(PATH_QUOTE)
            && let Some((view, runs_after)) = self.tables.views.get(&name.text)
        {
            self.spend(view, name.span)?;
            self.runs_after.extend(runs_after.iter().copied());
            return self.aliased((**view).clone(), 0, name.text, alias);
        }
        self.spend_scans(1, name.span)?;
        let found = match ident.quote_style {
            Some(PATH_QUOTE) if !self.tables.writes_path(&name.text) => {
                Tables::files(self.session, &name)?
            }
            _ => self.tables.find(self.session, &name)?,
        };
        self.runs_after.extend(found.runs_after);
        let is_declared = self.tables.sources.contains_key(&name.text)
            && matches!(found.source.connector, SourceConnector::File(_))
            && !found.source.is_inferred;
        let hidden_count = found.source.hidden.len();
        let relation = scanned(found.source);
        let mut input = self.aliased(relation, hidden_count, name.text, alias)?;
        input.scope.note = is_declared.then_some(ONLY_DECLARED);
        Ok(input)
    }

    /// A relation under its name; `*` leaves out the last `hidden_count` of its columns.
    fn aliased(
        &mut self,
        relation: Relation,
        hidden_count: usize,
        name: String,
        alias: Option<&ast::TableAlias>,
    ) -> Bind<Input> {
        let (relation, name) = match alias {
            None => (relation, name),
            Some(alias) => {
                let name = fold_name(&alias.name, self.session.positions).text;
                (self.renamed(relation, hidden_count, alias)?, name)
            }
        };
        let mut scope = Scope::new(name, &relation.schema());
        scope.hide_last(hidden_count);
        let has_arrays = relation.scans().iter().any(|scan| !scan.source.json_arrays.is_empty());
        for column in (0..scope.len()).filter(|_| has_arrays) {
            let Some((source, number)) = lineage::origin(&relation, column) else { continue };
            let array = source.json_arrays.iter().find(|(array, _)| *array == number);
            scope.json_arrays.extend(array.map(|(_, element)| (column, element.clone())));
        }
        Ok(Input { relation, scope })
    }

    /// Applies the column names of `alias (a, b, …)`.
    pub(crate) fn renamed(
        &mut self,
        relation: Relation,
        hidden_count: usize,
        alias: &ast::TableAlias,
    ) -> Bind<Relation> {
        let ast::TableAlias { explicit: _, name, columns, at } = alias;
        let span = self.session.span(name.span);
        if at.is_some() {
            return self.session.fail(span, "not supported: AT after a table's alias");
        }
        if columns.is_empty() {
            return Ok(relation);
        }
        let schema = relation.schema();
        let there = schema.fields.len() - hidden_count;
        if columns.len() > there {
            let given = columns.len();
            let message = format!("{given} column names for {there} columns");
            return self.session.fail(span, message);
        }
        let mut named = Vec::with_capacity(schema.fields.len());
        for (index, field) in schema.fields.iter().enumerate() {
            let name = match columns.get(index) {
                Some(ast::TableAliasColumnDef { name, data_type: None }) => {
                    fold_name(name, self.session.positions).text
                }
                Some(_) => {
                    return self.session.fail(span, "not supported: types after a table's alias");
                }
                None => field.name.clone(),
            };
            let expr = Expr::column(index, field.name.clone(), field.data_type.clone());
            named.push(NamedExpr { name, expr });
        }
        Ok(Relation::Project { input: Box::new(relation), columns: named })
    }
}

/// Why a column that the files of a source have may not be among its columns.
const ONLY_DECLARED: &str = "a column of the files that is missing here has to be declared, too";

/// Every column of a source that has a name, in the order that `*` has, then those that it leaves out.
fn scanned(source: Arc<SourceDef>) -> Relation {
    let numbers: Vec<usize> = source.shown.iter().chain(&source.hidden).copied().collect();
    let named = numbers.iter().map(|&column| {
        let field = source.field(column);
        let expr = Expr::column(column, field.name.clone(), field.data_type.clone());
        NamedExpr { name: field.name.clone(), expr }
    });
    let named: Vec<NamedExpr> = named.collect();
    let is_by_number = numbers.iter().copied().eq(0..source.column_count());
    let columns = (0..source.column_count()).collect();
    let scan = Relation::Scan(Scan { source, columns, filter: None });
    match is_by_number {
        true => scan,
        false => Relation::Project { input: Box::new(scan), columns: named },
    }
}

/// What stands in `FROM` with brackets.
const TABLE_FUNCTIONS: &str = "there are read_csv, read_json, read_parquet, read_lines, generate_series and range, and of windows TUMBLE, HOP, \
                               CUMULATE and SESSION";

/// What works where a query would look at two tables.
pub(crate) const ONE_TABLE: &str = "a query reads one table: join before, look few values up with CASE or IN (…), and put rows of \
                         equal columns one after another with UNION ALL";

/// What works where an array would become rows.
pub(crate) const NO_ROWS_OF_ARRAYS: &str = "an array stays in its row: a[1], LIST_CONTAINS(a, x) and ARRAY_TO_STRING(a, ',') look into it, and \
                         text ->> '$[0]' into one of JSON";

/// What does the same as a sample, and can be repeated.
pub(crate) const SAMPLED: &str =
    "WHERE HASH(column) % 10 = 0 takes about a tenth, the same in every run";

/// `LATERAL` and `UNNEST`: what looks at the table beside it.
fn lateral(table: &ast::TableFactor) -> Option<&'static str> {
    use ast::TableFactor as T;
    match table {
        T::Derived { lateral: true, .. } | T::Function { lateral: true, .. } => Some("LATERAL"),
        T::UNNEST { .. } => Some("UNNEST"),
        T::Table { name, args: Some(_), .. } => {
            name.to_string().eq_ignore_ascii_case("unnest").then_some("UNNEST")
        }
        _ => None,
    }
}

fn refused_table(table: &ast::TableFactor) -> &'static str {
    use ast::TableFactor as T;
    match table {
        T::NestedJoin { .. } => "JOIN",
        T::TableFunction { .. } | T::Function { .. } => "a table function",
        T::UNNEST { .. } => "UNNEST",
        T::Pivot { .. } => "PIVOT",
        T::Unpivot { .. } | T::UnpivotExpr { .. } => "UNPIVOT",
        T::MatchRecognize { .. } => "MATCH_RECOGNIZE",
        _ => "this in FROM",
    }
}
