//! As much of `Cargo.toml` as the import table needs: which packages a manifest depends on.
//!
//! Reads sections, dotted keys, inline tables and arrays over several lines, which is what Cargo
//! manifests are written in. Absent on purpose: the rest of TOML (multi-line strings, dates,
//! arrays of tables are skipped over).

/// Which table of the manifest a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[dependencies]`, for whatever target.
    Normal,
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Dev,
    /// `[workspace.dependencies]`
    Workspace,
}

/// One dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// Which table it stands in.
    pub(super) kind: Kind,
    /// The name that the code uses.
    pub(super) name: String,
    /// The package, where `package = "…"` renames it.
    pub(super) package: Option<String>,
    /// First line of the entry, from one.
    pub(super) line: usize,
}

/// What is known of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// `package.name`, with its line.
    pub(super) name: Option<(String, usize)>,
    /// Whether `[lints] workspace = true` stands in it.
    pub(super) takes_workspace_lints: bool,
    /// All dependencies, in the order of the text.
    pub(super) dependencies: Vec<Dependency>,
}

impl Manifest {
    /// Reads a manifest. Never fails: what it does not know it skips.
    pub(super) fn read(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section: Vec<String> = Vec::new();
        for (line, entry) in entries(text) {
            if let Some(header) = entry.strip_prefix('[') {
                section = path_of(header.trim_end_matches(']'));
                if let Some((kind, [name])) = dependency_table(&section) {
                    manifest.add(kind, name, None, line);
                }
            } else if let Some((key, value)) = entry.split_once('=') {
                let mut path = section.clone();
                path.extend(path_of(key));
                manifest.take(&path, value.trim(), line);
            }
        }
        manifest
    }

    fn take(&mut self, path: &[String], value: &str, line: usize) {
        if let Some((kind, [name, rest @ ..])) = dependency_table(path) {
            let package = match rest {
                [] => inline_value(value, "package"),
                [key] if key == "package" => Some(unquoted(value)),
                _ => None,
            };
            self.add(kind, name, package, line);
            return;
        }
        match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["package", "name"] => self.name = Some((unquoted(value), line)),
            ["lints", "workspace"] => self.takes_workspace_lints = value == "true",
            _ => {}
        }
    }

    /// Adds a dependency, or what a further key says about one.
    fn add(&mut self, kind: Kind, name: &str, package: Option<String>, line: usize) {
        let known = self.dependencies.iter_mut().find(|d| d.kind == kind && d.name == name);
        match known {
            Some(dependency) => dependency.package = dependency.package.take().or(package),
            None => {
                self.dependencies.push(Dependency { kind, name: name.to_owned(), package, line });
            }
        }
    }
}

/// The kind of dependency table that a path leads into, and what follows it.
fn dependency_table(path: &[String]) -> Option<(Kind, &[String])> {
    let at = path.iter().position(|part| part.ends_with("dependencies"))?;
    let before: Vec<&str> = path[..at].iter().map(String::as_str).collect();
    let kind = match (before.as_slice(), path[at].as_str()) {
        ([] | ["target", _], "dependencies") => Kind::Normal,
        ([] | ["target", _], "build-dependencies") => Kind::Build,
        ([] | ["target", _], "dev-dependencies") => Kind::Dev,
        (["workspace"], "dependencies") => Kind::Workspace,
        _ => return None,
    };
    Some((kind, &path[at + 1..]))
}

/// Entries with the number of their first line: comments gone, and what stands in brackets over
/// several lines joined into one.
fn entries(text: &str) -> Vec<(usize, String)> {
    let mut entries = Vec::new();
    let mut open: Option<(usize, String, i32)> = None;
    for (index, line) in text.lines().enumerate() {
        let (content, depth) = without_comment(line);
        let (start, joined, total) = match open.take() {
            Some((start, before, total)) => (start, format!("{before} {content}"), total + depth),
            None => (index + 1, content.to_owned(), depth),
        };
        if total > 0 {
            open = Some((start, joined, total));
        } else if !joined.is_empty() {
            entries.push((start, joined));
        }
    }
    entries
}

/// A line up to its comment, and by how much it deepens the nesting of brackets.
fn without_comment(line: &str) -> (&str, i32) {
    let mut quote = None;
    let mut depth = 0;
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (None, '#') => return (line[..at].trim(), depth),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    (line.trim(), depth)
}

/// The parts of a dotted key; a quoted part may hold dots.
fn path_of(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for character in key.trim().chars() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, '.') => parts.push(String::new()),
            (None, c) if c.is_whitespace() => {}
            (_, c) => parts.last_mut().expect("never empty").push(c),
        }
    }
    parts
}

/// The text of a key's value in an inline table.
fn inline_value(table: &str, key: &str) -> Option<String> {
    let inner = table.strip_prefix('{')?.strip_suffix('}')?;
    let entry = inner.split(',').find_map(|entry| {
        let (name, value) = entry.split_once('=')?;
        (name.trim() == key).then_some(value)
    })?;
    Some(unquoted(entry))
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(Kind, String, usize)> {
        let manifest = Manifest::read(text);
        let named = manifest.dependencies.into_iter();
        named.map(|d| (d.kind, d.package.unwrap_or(d.name), d.line)).collect()
    }

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let text = r#"[package]
name = "tidemill-rt"   # the name

[dependencies]
plain = "1"
dotted.workspace = true
several = { version = "1", features = [
    "a", # not a key = value
    "b",
] }
renamed = { package = "glommio", version = "0.9" }

[dependencies.sectioned]
package = "core_affinity"
version = "0.8"

[target.'cfg(target_os = "linux")'.dependencies]
targeted = "1"

[build-dependencies]
built = "1"

[dev-dependencies]
tried = "1"

[lints]
workspace = true
"#;
        let names = [
            (Kind::Normal, "plain", 5),
            (Kind::Normal, "dotted", 6),
            (Kind::Normal, "several", 7),
            (Kind::Normal, "glommio", 11),
            (Kind::Normal, "core_affinity", 13),
            (Kind::Normal, "targeted", 18),
            (Kind::Build, "built", 21),
            (Kind::Dev, "tried", 24),
        ];
        assert_eq!(found(text), names.map(|(kind, name, line)| (kind, name.to_owned(), line)));
        let manifest = Manifest::read(text);
        assert_eq!(manifest.name, Some(("tidemill-rt".to_owned(), 2)));
        assert!(manifest.takes_workspace_lints);
    }

    #[test]
    fn a_workspace_renames_too() {
        let text = "[workspace.dependencies]\nuring = { package = \"glommio\" }\n";
        assert_eq!(found(text), [(Kind::Workspace, "glommio".to_owned(), 2)]);
    }
}
