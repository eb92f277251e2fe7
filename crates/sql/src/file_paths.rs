//! Which files a script reads whose columns it does not declare: the caller looks at them before it is bound.

use std::collections::HashSet;

use sqlparser::ast;
use tidemill_plan::SourceConnector;

use crate::options::{local_path, source};
use crate::parse::FilePath;
use crate::position::Positions;
use crate::report::Report;
use crate::scan::PATH_QUOTE;
use crate::syntax::{QueryStatement, Statement, StatementKind, Target};

/// Every file whose schema is not in the text.
pub(crate) fn file_paths(statements: &[Statement], positions: &Positions) -> Vec<FilePath> {
    let mut paths = Vec::new();
    // What an earlier statement writes is known, and not there yet.
    let mut written = HashSet::new();
    for statement in statements {
        match &statement.kind {
            StatementKind::Source(create) if !create.declares_records() => {
                // What is wrong with the options is said when the script is bound.
                let mut unseen = Report::default();
                let Ok(source) = source(&create.options, statement.span, &mut unseen) else {
                    continue;
                };
                if let SourceConnector::File(file) = source.connector {
                    let entry = create.options.iter().find(|entry| entry.key.text == "path");
                    let span = entry.map_or(statement.span, |entry| entry.value.span);
                    paths.push(FilePath::of_source(&file, source.unsaid, span));
                }
            }
            StatementKind::Query(QueryStatement { query, .. })
            | StatementKind::View { query, .. } => {
                let _ = ast::visit_relations(&**query, |name| {
                    if let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice()
                        && ident.quote_style == Some(PATH_QUOTE)
                    {
                        let span = positions.span(ident.span).unwrap_or_default();
                        // What is said of another place is said when the script is bound.
                        if let Ok(path) = local_path(&ident.value)
                            && !written.contains(&ident.value)
                        {
                            paths.push(FilePath::of_path(path, span));
                        }
                    }
                    std::ops::ControlFlow::<()>::Continue(())
                });
                if let StatementKind::Query(QueryStatement {
                    target: Target::Stream { name, options },
                    ..
                }) = &statement.kind
                    && options
                        .iter()
                        .any(|entry| entry.key.text == "path" && entry.value.text == name.text)
                {
                    written.insert(name.text.clone());
                }
            }
            _ => {}
        }
    }
    paths
}
