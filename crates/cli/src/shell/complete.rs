//! What may stand at the cursor: keywords, functions, names, columns, and paths inside quotes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use reedline::{Completer, CompletionResult, Span, Suggestion};
use tidemill::{Declarations, function_names, harmless};

use super::text::{Kind, Piece, pieces};
use super::words::{COMMANDS, KEYWORDS};
use crate::script::looking;

/// Suggestions that are offered at most.
const SUGGESTIONS_MAX: usize = 200;

/// Sources whose columns are offered before one of them is named.
const SOURCES_MAX: usize = 16;

/// What has been declared, shared with the shell: it changes between two lines.
pub(crate) type Shared = Arc<Mutex<Declarations>>;

/// Completes from the dialect, the declarations and the file system.
pub(crate) struct Completions {
    declarations: Shared,
    functions: Vec<&'static str>,
    /// Columns by what is read, as far as that was asked for while this line is typed.
    columns: HashMap<String, Vec<String>>,
}

impl Completions {
    pub(crate) fn new(declarations: Shared) -> Self {
        Self { declarations, functions: function_names(), columns: HashMap::new() }
    }

    fn of_command(line: &str, start: usize) -> Vec<Suggestion> {
        let named = COMMANDS.iter().filter(|(name, ..)| name.starts_with(line));
        let suggest = |(name, arguments, meaning): &(&str, &str, &str)| Suggestion {
            value: (*name).to_owned(),
            description: Some((*meaning).to_owned()),
            span: Span::new(start, start + line.len()),
            append_whitespace: !arguments.is_empty(),
            ..Suggestion::default()
        };
        named.map(suggest).collect()
    }

    /// Arguments of a command; of those that take SQL, what any statement may have.
    fn of_argument(&mut self, line: &str, command: &str, start: usize) -> Vec<Suggestion> {
        let argument = &line[start..];
        let span = Span::new(start, line.len());
        let of = |values: &[&str]| {
            let fitting = values.iter().filter(|value| value.starts_with(argument));
            fitting.map(|value| suggestion(value, span)).collect()
        };
        match command {
            ".mode" => of(&["table", "vertical", "csv", "json"]),
            ".timing" => of(&["on", "off"]),
            ".read" => paths(argument, start),
            ".schema" => {
                let names = self.names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let found: Vec<Suggestion> = of(&names);
                if found.is_empty() { paths(argument, start) } else { found }
            }
            _ => self.of_statement(line, line),
        }
    }

    fn names(&self) -> Vec<String> {
        let declarations = self.declarations.lock().unwrap_or_else(PoisonError::into_inner);
        declarations.iter().map(|declaration| declaration.name.clone()).collect()
    }

    /// What a statement may have at a place; `line` is all of it, and `text` what is before the place.
    fn of_statement(&mut self, line: &str, text: &str) -> Vec<Suggestion> {
        let pieces = pieces(text);
        let word = match pieces.last() {
            Some(Piece { kind: Kind::Text, start, is_closed: false, .. }) => {
                return paths(&text[start + 1..], start + 1);
            }
            Some(Piece { kind: Kind::Comment, .. }) => return Vec::new(),
            Some(Piece { kind: Kind::Name, start, is_closed: false, .. }) => *start,
            Some(Piece { kind: Kind::Word, start, .. }) => *start,
            _ => text.len(),
        };
        let typed = &text[word..];
        let is_quoted = typed.starts_with('"');
        let span = Span::new(word, text.len());
        let begins = |name: &str| {
            let typed = typed.trim_start_matches('"').to_lowercase();
            name.to_lowercase().starts_with(&typed)
        };
        let mut values = Vec::new();
        for column in self.columns_of(line) {
            if begins(&column) {
                values.push(identifier(&column, is_quoted));
            }
        }
        values.extend(
            self.names().iter().filter(|name| begins(name)).map(|n| identifier(n, is_quoted)),
        );
        if !is_quoted && !typed.is_empty() {
            let is_lower = typed.chars().all(|c| !c.is_uppercase());
            let cased =
                |word: &str| if is_lower { word.to_lowercase() } else { word.to_uppercase() };
            let keywords = KEYWORDS.iter().filter(|word| begins(word));
            let functions = self.functions.iter().filter(|name| begins(name));
            values.extend(keywords.map(|word| cased(word)));
            values.extend(functions.map(|name| cased(name) + "("));
        }
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
        values.iter().map(|value| suggestion(value, span)).collect()
    }

    /// Columns of the declared names and of the paths that stand in the text; where there are none yet, those of
    /// all sources that are declared.
    fn columns_of(&mut self, text: &str) -> Vec<String> {
        let declarations = self.declarations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut read = Vec::new();
        for piece in pieces(text).iter().filter(|piece| piece.is_closed) {
            let written = &text[piece.start..piece.end];
            let is_file = |path: &str| Path::new(path).is_file() || path.contains('*');
            let is_read = match piece.kind {
                Kind::Word => declarations.get(&written.to_lowercase()).is_some(),
                Kind::Name => declarations.get(written.trim_matches('"')).is_some(),
                Kind::Text => is_file(written.trim_matches('\'')),
                _ => false,
            };
            if is_read {
                read.push(written.to_owned());
            }
        }
        if read.is_empty() {
            let sources = declarations.iter().filter(|one| one.kind == "source");
            read.extend(sources.take(SOURCES_MAX).map(|one| identifier(&one.name, true)));
        }
        let mut columns = Vec::new();
        for from in read {
            if !self.columns.contains_key(&from) {
                self.columns.insert(from.clone(), columns_behind(&declarations, &from));
            }
            columns.extend(self.columns[&from].iter().cloned());
        }
        columns
    }
}

/// The columns of what `FROM` would read; none where it cannot.
fn columns_behind(declarations: &Declarations, from: &str) -> Vec<String> {
    let mut session = looking();
    session.give_up_standard_input();
    let query = format!("SELECT * FROM {from}");
    let job = session.prepare_after(declarations, &query, "sql");
    let Ok(job) = job else { return Vec::new() };
    let fields = job.results().into_iter().flat_map(|schema| schema.fields);
    fields.map(|field| field.name).collect()
}

/// A name as it is written: in quotes where it needs them.
fn identifier(name: &str, is_quoted: bool) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(name));
    if is_plain && !is_quoted {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Files and directories whose path begins so.
fn paths(typed: &str, start: usize) -> Vec<Suggestion> {
    let (directory, beginning) = typed.split_at(typed.rfind('/').map_or(0, |at| at + 1));
    let read = fs::read_dir(if directory.is_empty() { "." } else { directory });
    let Ok(entries) = read else { return Vec::new() };
    let mut found: Vec<(String, bool)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_hidden = name.starts_with('.') && !beginning.starts_with('.');
            let is_folder = || fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
            (name.starts_with(beginning) && !is_hidden).then(|| (name, is_folder()))
        })
        .collect();
    found.sort();
    let span = Span::new(start, start + typed.len());
    let path = |(name, is_folder): (String, bool)| {
        let end = if is_folder { "/" } else { "" };
        suggestion(&format!("{directory}{}{end}", name.replace('\'', "''")), span)
    };
    found.into_iter().map(path).collect()
}

fn suggestion(value: &str, span: Span) -> Suggestion {
    Suggestion { value: value.to_owned(), span, ..Suggestion::default() }
}

impl Completer for Completions {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let before = &line[..pos];
        if before.trim().is_empty() {
            // Another line: what is read may have changed.
            self.columns.clear();
        }
        let start = before.len() - before.trim_start().len();
        let mut suggestions = match before[start..].strip_prefix('.') {
            None => self.of_statement(line, before),
            Some(command) => match command.find(char::is_whitespace) {
                None => Self::of_command(&before[start..], start),
                Some(end) => {
                    let command = &before[start..=start + end];
                    let rest = &before[command.len() + start..];
                    let argument = before.len() - rest.trim_start().len();
                    self.of_argument(before, command.trim_end(), argument)
                }
            },
        };
        // What would steer the terminal is not put into the line.
        suggestions.retain(|one| harmless(&one.value, &[]) == one.value);
        suggestions.truncate(SUGGESTIONS_MAX);
        CompletionResult::fresh(suggestions)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tidemill::Session;

    use super::*;

    fn completions(declared: &[&str]) -> Completions {
        let mut declarations = Declarations::new();
        for text in declared {
            declarations.add(Session::new().prepare(text).unwrap().declared().to_vec());
        }
        Completions::new(Arc::new(Mutex::new(declarations)))
    }

    /// The line with each of the suggestions put in, for a cursor at its end.
    fn complete(completions: &mut Completions, line: &str) -> Vec<String> {
        let found = completions.complete(line, line.len());
        let put = |one: &Suggestion| format!("{}{}", &line[..one.span.start], one.value);
        found.suggestions().iter().map(put).collect()
    }

    #[test]
    fn columns_come_before_names_functions_and_keywords() {
        let sql = "CREATE SOURCE trades (symbol VARCHAR, \"Sum of\" BIGINT) WITH ('connector' = 'file', \
                   'path' = 'x.csv', 'format' = 'csv')";
        let mut completions = completions(&[sql]);
        let line = "SELECT * FROM trades WHERE s";
        let found = complete(&mut completions, line);
        assert_eq!(
            found[..2],
            [format!("{line}ymbol"), format!("{}\"Sum of\"", &line[..line.len() - 1])]
        );
        assert!(found.contains(&format!("{line}um(")) && found.contains(&format!("{line}elect")));
        assert_eq!(complete(&mut completions, "SELECT * FROM trad"), ["SELECT * FROM trades"]);
        assert_eq!(complete(&mut completions, "SEL"), ["SELECT"]);
        assert_eq!(complete(&mut completions, "-- sel"), [""; 0]);
        assert_eq!(complete(&mut completions, "SELECT sy"), ["SELECT symbol"]);
        let behind = completions.complete("SELECT sy FROM trades", "SELECT sy".len());
        assert_eq!(behind.suggestions()[0].value, "symbol");
    }

    #[test]
    fn paths_are_completed_inside_quotes() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("logs")).unwrap();
        fs::write(directory.path().join("lo'g.csv"), "a,b\n1,2\n").unwrap();
        fs::write(directory.path().join(".log"), "").unwrap();
        let line = format!("SELECT * FROM '{}/lo", directory.path().display());
        let found = complete(&mut completions(&[]), &line);
        assert_eq!(found, [format!("{line}''g.csv"), format!("{line}gs/")]);
        let read = format!(".read {}/l", directory.path().display());
        assert_eq!(complete(&mut completions(&[]), &read).len(), 2);
    }

    #[test]
    fn commands_and_their_arguments_are_completed() {
        let mut completions = completions(&[]);
        assert_eq!(complete(&mut completions, ".ta"), [".tables"]);
        assert_eq!(complete(&mut completions, ".mode v"), [".mode vertical"]);
        assert_eq!(complete(&mut completions, ".explain sel"), [".explain select"]);
    }
}
