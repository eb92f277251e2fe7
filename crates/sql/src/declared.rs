//! What a script declares, as text that a later script of the same session can stand behind.

use std::collections::HashSet;

use sqlparser::tokenizer::Token;
use tidemill_plan::Span;

use crate::deep_stack;
use crate::position::Positions;
use crate::report::Report;
use crate::scan::scan;
use crate::syntax::{Name, OptionEntry, Statement, StatementKind, Target};

/// A name that a statement declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name, as it is compared.
    pub name: String,
    /// What it is: `source` or `sink`.
    pub kind: &'static str,
    /// A statement that declares the same and does nothing else.
    pub text: String,
}

/// What the statements of a script declare, in its order.
pub(crate) fn declared(text: &str, statements: &[Statement]) -> Vec<Declared> {
    let declare = |statement: &Statement| {
        let whole = text_of(text, statement.span);
        match &statement.kind {
            StatementKind::Source(source) => {
                Some(Declared { name: source.name.text.clone(), kind: "source", text: whole })
            }
            StatementKind::Sink { name, .. } => {
                Some(Declared { name: name.text.clone(), kind: "sink", text: whole })
            }
            StatementKind::Query(query) => match &query.target {
                Target::Stream { name, options } => Some(Declared {
                    name: name.text.clone(),
                    kind: "sink",
                    text: sink_of_stream(text, name, options)?,
                }),
                Target::Sink(_) | Target::Stdout => None,
            },
            StatementKind::View { name, .. } => {
                Some(Declared { name: name.text.clone(), kind: "view", text: whole })
            }
            StatementKind::Table(_)
            | StatementKind::Show(_)
            | StatementKind::Set { .. }
            | StatementKind::Broken(_) => None,
        }
    };
    statements.iter().filter_map(declare).collect()
}

/// The sink of `CREATE STREAM name WITH (…) AS query`.
fn sink_of_stream(text: &str, name: &Name, options: &[OptionEntry]) -> Option<String> {
    let end = options.last()?.value.span.end;
    Some(format!("CREATE SINK {})", text_of(text, Span { start: name.span.start, end })))
}

fn text_of(text: &str, span: Span) -> String {
    text.get(span.start..span.end).unwrap_or_default().to_owned()
}

/// Every word and quoted name of a text, as names are compared: what it may refer to. Nothing of a text
/// without tokens.
#[must_use]
pub fn names(text: &str) -> HashSet<String> {
    let found = deep_stack::run(text, || {
        let chunks = scan(text, &Positions::new(text), &mut Report::default());
        let tokens = chunks.iter().flat_map(|chunk| &chunk.tokens);
        let name = |token: &Token| match token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
            Token::Word(word) => Some(word.value.clone()),
            _ => None,
        };
        Ok(tokens.filter_map(|token| name(&token.token)).collect())
    });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_declared_stands_alone() {
        let text = "-- all\ncreate Source T WITH ('connector' = 'file', 'path' = ';.csv');\n\
                    SET batch.rows = 7;\n\
                    CREATE SINK \"S\" WITH ('connector' = 'discard'); INSERT INTO \"S\" SELECT 1 AS x FROM t;\n\
                    CREATE STREAM big WITH ('connector' = 'file', 'path' = 'b', 'format' = 'csv') AS \
                    SELECT a FROM t WHERE a > 1";
        let parsed = crate::parse(text).unwrap();
        let expected = [
            ("t", "source", "create Source T WITH ('connector' = 'file', 'path' = ';.csv')"),
            ("S", "sink", "CREATE SINK \"S\" WITH ('connector' = 'discard')"),
            (
                "big",
                "sink",
                "CREATE SINK big WITH ('connector' = 'file', 'path' = 'b', 'format' = 'csv')",
            ),
        ];
        let found = parsed.declared();
        let found: Vec<_> =
            found.iter().map(|one| (one.name.as_str(), one.kind, one.text.as_str())).collect();
        assert_eq!(found, expected);
        for declared in parsed.declared() {
            assert_eq!(crate::parse(&declared.text).unwrap().declared(), [declared]);
        }
        let names = names(text);
        assert!(names.contains("t") && names.contains("S") && names.contains("big"));
        assert!(!names.contains(";.csv"));
    }
}
