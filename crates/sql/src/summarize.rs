//! `SUMMARIZE`: figures of each column of a query, as aggregates over it whose one row becomes a row for each column.

use sqlparser::ast;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{TokenWithSpan, Tokenizer};
use tidemill_plan::{Expr, NamedExpr, Relation, Scalar, Span};
use tidemill_record::{DataType, Field, Schema};

use crate::dialect::TidemillDialect;
use crate::query::{bind_root, first_word};
use crate::report::{Bind, Reported};
use crate::scope::Session;
use crate::tables::Tables;

/// Columns of the result behind `column_name` and `column_type`, each computed by an aggregate.
const FIGURES: [&str; 10] =
    ["min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75", "count", "null_percentage"];

/// Binds the figures of what a query gives, and says which earlier queries it reads.
pub(crate) fn bind_summary(
    session: &mut Session<'_>,
    tables: &Tables,
    query: &ast::Query,
    span: Span,
) -> Bind<(Relation, Vec<usize>)> {
    let (relation, _) = bind_root(session, tables, query, None)?;
    if !relation.scans().iter().all(|scan| scan.source.is_bounded()) {
        let message = "SUMMARIZE of input without an end would never give a row";
        let hint = "leave 'follow' and the like out, or write the aggregates of a window";
        return session.fail_with(first_word(span), message, hint);
    }
    let schema = relation.schema();
    let Ok(figures) = aggregates(&schema, query) else {
        let message = "SUMMARIZE of these columns cannot be written as a query";
        return session.fail(first_word(span), message);
    };
    let (input, runs_after) = bind_root(session, tables, &figures, None)?;
    let rows = schema.fields.iter().enumerate().map(|(at, field)| row(field, at, &input.schema()));
    Ok((Relation::Transpose { rows: rows.collect(), input: Box::new(input) }, runs_after))
}

/// `SELECT` of the figures of all columns, one behind the other, `FROM` the query.
fn aggregates(schema: &Schema, query: &ast::Query) -> Result<Box<ast::Query>, Reported> {
    let names: Vec<String> = (0..schema.fields.len()).map(|at| format!("c{at}")).collect();
    let figures = schema.fields.iter().zip(&names).map(|(field, name)| figures(field, name));
    let text = format!(
        "SELECT {} FROM (SELECT 1) AS s ({})",
        figures.collect::<Vec<_>>().join(", "),
        names.join(", ")
    );
    let tokens = Tokenizer::new(&TidemillDialect, &text).tokenize().map_err(|_| Reported)?;
    // They stand nowhere in the script.
    let placed = tokens.into_iter().map(TokenWithSpan::wrap).collect();
    let parser = Parser::new(&TidemillDialect).with_tokens_with_locations(placed);
    let mut outer = { parser }.parse_query().map_err(|_| Reported)?;
    if let ast::SetExpr::Select(select) = &mut *outer.body
        && let Some(from) = select.from.first_mut()
        && let ast::TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        **subquery = query.clone();
        return Ok(outer);
    }
    Err(Reported)
}

/// The expressions of [`FIGURES`] of one column.
fn figures(field: &Field, name: &str) -> String {
    let of = Figures::of(&field.data_type);
    let text = |has: bool, expr: String| match has {
        true => format!("CAST({expr} AS VARCHAR)"),
        false => "CAST(NULL AS VARCHAR)".to_owned(),
    };
    // What is near the largest integers may round to more than there is.
    let quantile = |fraction: &str| match &of {
        Figures::Numbers(exact) => {
            let found = format!("APPROX_QUANTILE({name}, {fraction})");
            match exact {
                None => text(true, found),
                Some(exact) => format!(
                    "COALESCE(CAST(TRY_CAST({found} AS {exact}) AS VARCHAR), CAST({found} AS VARCHAR))"
                ),
            }
        }
        Figures::Times(exact) => text(
            true,
            format!(
                "CAST(MAKE_TIMESTAMP(CAST(APPROX_QUANTILE(EPOCH_US({name}), {fraction}) AS BIGINT)) AS {exact})"
            ),
        ),
        Figures::Ordered | Figures::Counted => text(false, String::new()),
    };
    let average = match &of {
        Figures::Numbers(Some(exact)) if exact.starts_with("DECIMAL") => {
            text(true, format!("AVG(CAST({name} AS DOUBLE))"))
        }
        Figures::Numbers(_) => text(true, format!("AVG({name})")),
        Figures::Times(_) => {
            text(true, format!("MAKE_TIMESTAMP(CAST(AVG(EPOCH_US({name})) AS BIGINT))"))
        }
        Figures::Ordered | Figures::Counted => text(false, String::new()),
    };
    let is_ordered = !matches!(of, Figures::Counted);
    let is_number = matches!(of, Figures::Numbers(_));
    [
        text(is_ordered, format!("MIN({name})")),
        text(is_ordered, format!("MAX({name})")),
        match is_ordered {
            true => format!("APPROX_COUNT_DISTINCT({name})"),
            false => "CAST(NULL AS BIGINT)".to_owned(),
        },
        average,
        text(is_number, format!("STDDEV_SAMP(CAST({name} AS DOUBLE))")),
        quantile("0.25"),
        quantile("0.5"),
        quantile("0.75"),
        "COUNT(*)".to_owned(),
        format!("CAST(100.0 * (COUNT(*) - COUNT({name})) / NULLIF(COUNT(*), 0) AS DECIMAL(9,2))"),
    ]
    .join(", ")
}

/// Which figures the values of a type have.
enum Figures {
    /// All; the type that quantiles are rounded to, where that is none of floats.
    Numbers(Option<String>),
    /// All but a deviation; the type of the quantiles.
    Times(String),
    /// A least and a greatest value.
    Ordered,
    /// A number of them.
    Counted,
}

impl Figures {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::TinyInt | DataType::SmallInt | DataType::Integer | DataType::BigInt => {
                Self::Numbers(Some(data_type.to_string()))
            }
            DataType::Decimal { .. } => Self::Numbers(Some(data_type.to_string())),
            DataType::Real | DataType::Double => Self::Numbers(None),
            DataType::Date | DataType::Timestamp => Self::Times(data_type.to_string()),
            DataType::Boolean | DataType::Varchar | DataType::Varbinary | DataType::Interval => {
                Self::Ordered
            }
            DataType::Array(_) => Self::Counted,
        }
    }
}

/// The row of a column, out of the one row of all figures.
fn row(field: &Field, at: usize, figures: &Schema) -> Vec<NamedExpr> {
    let text = |name: &str, text: String| NamedExpr {
        name: name.to_owned(),
        expr: Expr::literal(Scalar::Varchar(text)),
    };
    let mut row = vec![
        text("column_name", field.name.clone()),
        text("column_type", field.data_type.to_string()),
    ];
    row.extend(FIGURES.iter().enumerate().map(|(figure, name)| {
        let column = at * FIGURES.len() + figure;
        let found = &figures.fields[column];
        let expr = Expr::column(column, found.name.clone(), found.data_type.clone());
        NamedExpr { name: (*name).to_owned(), expr }
    }));
    row
}
