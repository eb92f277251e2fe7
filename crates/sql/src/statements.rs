//! Statements that there are not: what they are called, why they are not, and what does the same.

use sqlparser::tokenizer::Token;
use tidemill_plan::relation::Explain;

use crate::parse::Parsing;
use crate::report::Reported;
use crate::suggest::nearest;
use crate::tokens::shown;

const KNOWN: [&str; 6] = ["SELECT", "CREATE", "INSERT", "EXPLAIN", "SET", "WITH"];
const CREATED: [&str; 3] = ["SOURCE", "SINK", "STREAM"];

const UNCHANGED: &str = "results are files, and a query makes them anew: SELECT what should stay, and INSERT INTO a sink";
const NAMES_END: &str = "leave it out: the names of a script end with it";
const NO_TRANSACTION: &str =
    "leave it out: the queries of a script run together, and all results become visible or none";
const SHELL: &str =
    "a script has SQL alone; the commands of tidemill are listed by tidemill --help";

/// First words of statements, and what to say of them.
const OTHERS: &[(&str, &str)] = &[
    ("UPDATE", UNCHANGED),
    ("DELETE", UNCHANGED),
    ("MERGE", UNCHANGED),
    ("REPLACE", UNCHANGED),
    ("TRUNCATE", UNCHANGED),
    ("ALTER", "a script declares a name once; change the declaration itself"),
    ("DROP", NAMES_END),
    ("USE", "leave it out: names have one part, there are no schemas or databases"),
    ("BEGIN", NO_TRANSACTION),
    ("COMMIT", NO_TRANSACTION),
    ("ROLLBACK", NO_TRANSACTION),
    ("START", NO_TRANSACTION),
    ("END", NO_TRANSACTION),
    ("EXECUTE", NO_TRANSACTION),
    (
        "ADD",
        "leave it out: there are no packages to load; functions are registered by the program that embeds the engine",
    ),
    ("PRINT", "SELECT * FROM the source shows its records"),
    ("TERMINATE", "leave it out: a script runs until its queries end, or it is stopped"),
    ("STOP", "leave it out: a script runs until its queries end, or it is stopped"),
    ("PAUSE", "leave it out: a script runs until its queries end, or it is stopped"),
    ("PIVOT", "write a column for each value: SUM(x) FILTER (WHERE k = 'a') AS a … GROUP BY"),
    ("UNPIVOT", "put a SELECT for each column one after another with UNION ALL"),
    ("RESET", "leave it out: a script begins with the usual settings"),
    ("CHECKPOINT", "leave it out: results of files become visible when they are whole"),
    ("EXPORT", "write COPY (SELECT …) TO 'path'"),
    ("IMPORT", "read files with FROM 'path'"),
    ("PRAGMA", "leave it out; settings are made with SET"),
    ("INSTALL", "leave it out: formats are built in"),
    ("LOAD", "leave it out: formats are built in"),
    ("ATTACH", "read files with FROM 'path'"),
    ("VACUUM", "leave it out: nothing is kept between jobs"),
    ("ANALYZE", "write EXPLAIN ANALYZE and a query"),
    ("GRANT", "leave it out: files have the permissions of the host"),
    ("CALL", "a script has no procedures"),
    ("DEFINE", "a script has no variables; write the value itself"),
    ("UNDEFINE", "a script has no variables; write the value itself"),
    ("ASSERT", "SELECT what should not be there, and look whether it prints rows"),
    ("SUBSCRIBE", "a SELECT whose input has no end prints its rows as they come"),
    ("TAIL", "a SELECT whose input has no end prints its rows as they come"),
    ("FETCH", "a SELECT prints its rows; LIMIT n ends it"),
    ("CLOSE", "leave it out: a SELECT prints its rows, without a cursor"),
    ("DECLARE", "a script has no variables; write the value itself"),
    ("HELP", SHELL),
    ("QUIT", SHELL),
    ("EXIT", SHELL),
];

/// What other engines create, and what to say of it.
const OTHERS_CREATED: &[(&str, &str)] = &[
    ("CATALOG", "leave it out: a script declares what it reads and writes"),
    ("DATABASE", "leave it out: names have one part, there are no schemas or databases"),
    ("SCHEMA", "leave it out: names have one part, there are no schemas or databases"),
    ("FUNCTION", "functions are registered by the program that embeds the engine"),
    ("SYSTEM", "functions are registered by the program that embeds the engine"),
    (
        "CLUSTER",
        "leave it out: a job runs in one process; SET 'cores' = '4' says on how many cores",
    ),
    ("AGGREGATE", "functions are registered by the program that embeds the engine"),
    ("MACRO", "write the expression itself"),
    ("INDEX", "leave it out: no row is looked for by its key"),
    ("TYPE", "write the type of each column"),
    ("CONNECTION", "each CREATE SOURCE and CREATE SINK has its own options"),
    ("CONNECTOR", "each CREATE SOURCE and CREATE SINK has its own options"),
    ("SECRET", "files have the permissions of the host"),
    ("SEQUENCE", "FROM generate_series(1, 10) gives numbers"),
];

impl Parsing<'_> {
    /// Refuses a statement by its first word.
    pub(crate) fn unknown_statement(&mut self, explain: Explain) -> Reported {
        let token = self.parser.peek_token();
        let span = self.token_span(&token);
        if token.token == Token::EOF {
            let message = match explain {
                Explain::No => "a statement is missing",
                _ => "a query is missing behind EXPLAIN",
            };
            return self.report.add(span, message, Some("write EXPLAIN SELECT …".to_owned()));
        }
        let known = match &token.token {
            Token::Word(word) => {
                OTHERS.iter().find(|entry| word.value.eq_ignore_ascii_case(entry.0))
            }
            Token::Period => OTHERS.iter().find(|entry| entry.0 == "HELP"),
            _ => None,
        };
        if let Some((_, instead)) = known {
            let message = format!("not supported: {}", shown(&token).to_uppercase());
            return self.report.add(span, message, Some((*instead).to_owned()));
        }
        if let Some(reported) = self.diagnosed(span) {
            return reported;
        }
        let hint = match &token.token {
            Token::Word(word) => nearest(&word.value, KNOWN),
            _ => None,
        };
        let hint = match hint {
            Some(meant) => format!("did you mean {meant}?"),
            None => {
                "statements are CREATE SOURCE | SINK | STREAM, INSERT INTO, SELECT, EXPLAIN, SET"
                    .to_owned()
            }
        };
        let message = format!("no statement begins with {}", shown(&token));
        self.report.add(span, message, Some(hint))
    }

    /// Refuses what `CREATE` is to make.
    pub(crate) fn unknown_create(&mut self) -> Reported {
        let token = self.parser.peek_token();
        let span = self.token_span(&token);
        if let Some(reported) = self.diagnosed(span) {
            return reported;
        }
        let meant = match &token.token {
            Token::Word(word) => nearest(&word.value, CREATED),
            _ => None,
        };
        let other = match &token.token {
            Token::Word(word) => {
                OTHERS_CREATED.iter().find(|entry| word.value.eq_ignore_ascii_case(entry.0))
            }
            _ => None,
        };
        let (message, hint) = match (&token.token, meant) {
            (Token::Word(word), _) if other.is_some() => (
                format!("not supported: CREATE {}", word.value.to_uppercase()),
                other.map_or_else(String::new, |entry| entry.1.to_owned()),
            ),
            (Token::EOF, _) => {
                ("nothing is named behind CREATE".to_owned(), "write CREATE SOURCE name …".to_owned())
            }
            (_, Some(meant)) => {
                (format!("not supported: CREATE {}", shown(&token)), format!("did you mean {meant}?"))
            }
            _ => (
                format!("not supported: CREATE {}", shown(&token)),
                "CREATE makes a SOURCE (what is read), a SINK (what is written) or a STREAM (a sink and its query)"
                    .to_owned(),
            ),
        };
        self.report.add(span, message, Some(hint))
    }
}
