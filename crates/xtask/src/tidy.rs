//! The house rules as a check over every file that git tracks.
//!
//! Read in this order: [`tree`] (what is looked at), [`rooms`] (the import table, the heart of
//! it), then the small ones: [`shape`], [`names`], [`text`]. Each rule is a function from the tree
//! to findings and has a unit test with a planted violation. Absent on purpose: fixing anything.

mod manifest;
mod names;
mod rooms;
mod shape;
mod text;
mod tree;

use std::fmt;
use std::io::{self, Write};

use tree::Tree;

/// One violation of a house rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Path from the root of the repository.
    path: String,
    /// From one; 0 where the file as a whole is at fault.
    line: usize,
    /// What is wrong, and what to do about it.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Holds every tracked file to every rule, prints the findings, and returns whether there are none.
///
/// # Errors
/// If git cannot list the files or one cannot be read.
pub(crate) fn run() -> io::Result<bool> {
    let tree = Tree::of_repository()?;
    let findings = check(&tree);
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let files = tree.files().len();
    match findings.len() {
        0 => writeln!(out, "tidy: {files} files, every house rule holds")?,
        count => writeln!(out, "tidy: {files} files, {count} findings (rules: docs/STYLE.md)")?,
    }
    Ok(findings.is_empty())
}

fn check(tree: &Tree) -> Vec<Finding> {
    let rules = [rooms::check, shape::check, names::check, text::check];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_file_line_and_remedy() {
        let finding = Finding::new("crates/expr/src/lib.rs", 7, "mend it");
        assert_eq!(finding.to_string(), "crates/expr/src/lib.rs:7: mend it");
        assert_eq!(Finding::new("data.bin", 0, "mend it").to_string(), "data.bin: mend it");
    }

    #[test]
    fn every_kind_of_rule_is_applied() {
        let tree = Tree::from_texts(&[
            ("crates/attic/Cargo.toml", "[package]\nname = \"tidemill-attic\"\n"),
            ("crates/expr/src/filter.rs", "fn keep() {}\n"),
            ("crates/expr/src/utils.rs", "//! Odds and ends.\n"),
            ("README.md", "trailing \n"),
        ]);
        let text: Vec<String> = check(&tree).iter().map(Finding::to_string).collect();
        let text = text.join("\n");
        for part in ["not in the table", "module doc", "names nothing", "trailing whitespace"] {
            assert!(text.contains(part), "{part:?} is missing from:\n{text}");
        }
    }
}
