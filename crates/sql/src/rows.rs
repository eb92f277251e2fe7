//! Rows that a query makes by itself: `SELECT` without `FROM`, `VALUES`, `generate_series`, `range`, and what
//! `DESCRIBE` and `SHOW` show. All of them are computed of a sequence of numbers.

use std::sync::Arc;

use sqlparser::ast;
use tidemill_plan::{
    BinaryOp, Expr, ExprKind, NamedExpr, Relation, Scalar, Scan, SequenceSource, SourceConnector,
    SourceDef, Span,
};
use tidemill_record::{DataType, Field, Schema};

use crate::bind_expr::{ExprBinder, integer_value};
use crate::query::{Input, QueryBinder};
use crate::report::Bind;
use crate::scope::Scope;

/// Rows that `VALUES` may have: each is looked for among all.
const ROWS_MAX: usize = 1000;

const NUMBER: &str = "n";

/// The sequence, with its numbers as the only column, or as rows alone.
fn sequence(name: &str, sequence: SequenceSource, has_numbers: bool, span: Span) -> Relation {
    let schema = Schema::new(vec![Field {
        is_nullable: false,
        ..Field::nullable(NUMBER, DataType::BigInt)
    }]);
    let connector = SourceConnector::Sequence(sequence);
    let source = Arc::new(SourceDef::new(name.to_owned(), schema, connector, span));
    let columns = if has_numbers { vec![0] } else { Vec::new() };
    Relation::Scan(Scan { source, columns, filter: None })
}

/// Of each row a list of as many expressions as there are names, all of a column of one type.
fn literal_rows(
    name: &str,
    columns: Vec<(String, Vec<Expr>)>,
    row_count: usize,
    span: Span,
) -> Relation {
    let rows = u64::try_from(row_count).expect("a usize fits u64");
    let source = SequenceSource { rows: Some(rows), ..SequenceSource::ONE_ROW };
    let input = Box::new(sequence(name, source, row_count > 1, span));
    let columns = columns.into_iter().map(|(name, mut values)| {
        let expr = match values.len() {
            1 => values.remove(0),
            _ => chosen_by_number(values, span),
        };
        NamedExpr { name, expr }
    });
    Relation::Project { columns: columns.collect(), input }
}

/// `CASE n WHEN 0 THEN … WHEN 1 THEN … END`
fn chosen_by_number(values: Vec<Expr>, span: Span) -> Expr {
    let data_type = values.first().map_or(DataType::Integer, |value| value.data_type.clone());
    let branches = (0_i64..).zip(values).map(|(number, value)| {
        let left = Box::new(Expr::column(0, NUMBER.to_owned(), DataType::BigInt));
        let right = Box::new(Expr::literal(Scalar::BigInt(number)));
        let kind = ExprKind::Binary { op: BinaryOp::Equal, left, right };
        (Expr { kind, data_type: DataType::Boolean, span }, value)
    });
    Expr { kind: ExprKind::Case { branches: branches.collect(), otherwise: None }, data_type, span }
}

/// Rows of text, perhaps none, each of as many columns as there are names.
pub(crate) fn text_rows(
    name: &str,
    columns: &[&str],
    rows: Vec<Vec<String>>,
    span: Span,
) -> Relation {
    if rows.is_empty() {
        let source = SequenceSource { rows: Some(0), ..SequenceSource::ONE_ROW };
        let input = Box::new(sequence(&format!("{name} of 0"), source, false, span));
        let null = || Expr::literal(Scalar::Null(DataType::Varchar));
        let columns =
            columns.iter().map(|name| NamedExpr { name: (*name).to_owned(), expr: null() });
        return Relation::Project { columns: columns.collect(), input };
    }
    let row_count = rows.len();
    // Sources of one name are one source.
    let name = &format!("{name} of {row_count}");
    let columns = columns.iter().enumerate().map(|(at, name)| {
        let values = rows.iter().map(|row| Expr::literal(Scalar::Varchar(row[at].clone())));
        ((*name).to_owned(), values.collect())
    });
    literal_rows(name, columns.collect(), row_count, span)
}

/// What `DESCRIBE` shows of a query: a row for each of its columns.
pub(crate) fn described(schema: &Schema, span: Span) -> Relation {
    let row = |field: &Field| {
        let nullable = if field.is_nullable { "YES" } else { "NO" };
        vec![field.name.clone(), field.data_type.to_string(), nullable.to_owned()]
    };
    let rows = schema.fields.iter().map(row).collect();
    text_rows("DESCRIBE", &["column_name", "column_type", "null"], rows, span)
}

impl QueryBinder<'_, '_> {
    /// A name for a sequence that nothing else has which the query may read. Sources of one name are one source, so
    /// the name of a sequence says which it is.
    fn own_name(&self, mut name: String) -> String {
        let registered = &self.session.catalog.registered_sources;
        while self.tables.has(&name) || registered.contains_key(&name) {
            name.push('\'');
        }
        name
    }

    /// The one row of a `SELECT` without `FROM`, which has no columns.
    pub(crate) fn one_row(&mut self, span: Span) -> Input {
        let name = self.own_name("one row".to_owned());
        let relation = sequence(&name, SequenceSource::ONE_ROW, false, span);
        let mut scope = Scope::new("", &Schema::default());
        scope.note = Some("the query has no FROM; text stands in single quotes");
        Input { relation, scope }
    }

    /// `VALUES (…), (…)`: columns are `col0`, `col1` and so on, each of the type that its values have in common.
    pub(crate) fn bind_values(&mut self, values: &ast::Values, span: Span) -> Bind<Relation> {
        let row_count = values.rows.len();
        if row_count > ROWS_MAX {
            let message =
                format!("VALUES of {row_count} rows: at most {ROWS_MAX} stand in a query");
            return self.session.fail_with(span, message, "write them to a file, and read that");
        }
        let scope = Scope::new("", &Schema::default());
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut columns: Vec<Vec<_>> = vec![Vec::with_capacity(row_count); width];
        let mut result = Ok(());
        for row in &values.rows {
            let row = &row.content;
            if row.len() != width {
                let message =
                    format!("VALUES has a row of {width} and one of {} columns", row.len());
                let hint = "give each row as many; NULL fills a place";
                return self.session.fail_with(span, message, hint);
            }
            for (column, expr) in columns.iter_mut().zip(row) {
                let bound = ExprBinder::new(self.session, &scope, "VALUES").bind_flexible(expr);
                match bound {
                    Ok(bound) => column.push(bound),
                    Err(reported) => result = Err(reported),
                }
            }
        }
        result?;
        let mut named = Vec::with_capacity(width);
        for (at, column) in columns.into_iter().enumerate() {
            let mut binder = ExprBinder::new(self.session, &scope, "VALUES");
            let (exprs, _) = binder.adapt_all(column, "VALUES")?;
            named.push((format!("col{at}"), exprs));
        }
        let name = self.own_name(format!("VALUES of {row_count}"));
        Ok(literal_rows(&name, named, row_count, span))
    }

    /// `generate_series(first, last, step)`, whose last number is given, and `range(first, end, step)`, whose is not;
    /// `None` for another name.
    pub(crate) fn bind_series(
        &mut self,
        name: &str,
        arguments: &[ast::FunctionArg],
        span: Span,
    ) -> Bind<Option<Relation>> {
        let is_inclusive = match name {
            "generate_series" => true,
            "range" => false,
            _ => return Ok(None),
        };
        let form =
            format!("write {name}(first, last) or {name}(first, last, step) with whole numbers");
        let scope = Scope::new("", &Schema::default());
        let mut numbers = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) = argument else {
                return self.session.fail_with(span, format!("{name} takes numbers"), form);
            };
            let bound = ExprBinder::new(self.session, &scope, "FROM").bind(expr)?;
            if matches!(bound.kind, ExprKind::Literal(Scalar::Null(_))) {
                return self.session.fail_with(
                    bound.span,
                    format!("{name} takes numbers, not NULL"),
                    form,
                );
            }
            let Some(number) = integer_value(&bound) else {
                let message =
                    format!("{name} takes whole numbers, but this is {}", bound.data_type);
                return self.session.fail_with(bound.span, message, form);
            };
            numbers.push(number);
        }
        let (first, last, step) = match *numbers.as_slice() {
            [last] => (0, last, 1),
            [first, last] => (first, last, 1),
            [first, last, step] => (first, last, step),
            _ => {
                let message = format!("{name} takes one to three numbers");
                return self.session.fail_with(span, message, form);
            }
        };
        if step == 0 {
            return self.session.fail_with(span, format!("{name} by steps of 0 has no end"), form);
        }
        let source = SequenceSource {
            first,
            step,
            rows: Some(row_count(first, last, step, is_inclusive)),
            rate: None,
        };
        let own = self.own_name(format!("{name}({first}, {last}, {step})"));
        let input = Box::new(sequence(&own, source, true, span));
        let expr = Expr::column(0, NUMBER.to_owned(), DataType::BigInt);
        let columns = vec![NamedExpr { name: name.to_owned(), expr }];
        Ok(Some(Relation::Project { input, columns }))
    }
}

/// How many numbers there are from the first towards the last by steps other than 0.
fn row_count(first: i64, last: i64, step: i64, is_inclusive: bool) -> u64 {
    let way = i128::from(last) - i128::from(first);
    let step = i128::from(step);
    if way == 0 || (way < 0) != (step < 0) {
        return u64::from(way == 0 && is_inclusive);
    }
    let (whole, rest) = (way / step, way % step);
    let count = whole + i128::from(rest != 0 || is_inclusive);
    // One more than a u64 holds is the whole range by steps of one, which nobody sees the end of.
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::row_count;

    #[test]
    fn the_last_number_is_given_where_it_is_included() {
        assert_eq!(row_count(1, 5, 1, true), 5);
        assert_eq!(row_count(1, 5, 1, false), 4);
        assert_eq!(row_count(1, 6, 2, true), 3);
        assert_eq!(row_count(1, 6, 2, false), 3);
        assert_eq!(row_count(5, 1, -2, true), 3);
        assert_eq!(row_count(5, 1, -2, false), 2);
        assert_eq!(row_count(5, 1, 2, true), 0);
        assert_eq!(row_count(3, 3, 2, true), 1);
        assert_eq!(row_count(3, 3, -2, false), 0);
        assert_eq!(row_count(i64::MIN, i64::MAX, 1, false), u64::MAX);
        assert_eq!(row_count(i64::MIN, i64::MAX, 1, true), u64::MAX);
        assert_eq!(row_count(i64::MIN, i64::MAX, i64::MAX, true), 3);
    }
}
