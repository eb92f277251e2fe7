//! Words that name nothing, in file names and in the names of items.
//!
//! Absent on purpose: local variables and fields, which a reader meets in their context.

use super::Finding;
use super::tree::Tree;

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] = &[
    "manager",
    "managers",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
    "base",
    "misc",
    "v2",
    "legacy",
    "enhanced",
    "optimized",
];

/// Keywords that an item's name follows.
const ITEM_KEYWORDS: &[&str] = &["mod", "struct", "enum", "trait", "type", "fn"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for part in file.path.split('/') {
            if let Some(word) = empty_word(part) {
                findings.push(Finding::new(&file.path, 0, remedy("file name", part, word)));
            }
        }
    }
    for (path, text) in tree.sources() {
        for (index, line) in text.lines().enumerate() {
            let Some(name) = item_name(line) else { continue };
            if let Some(word) = empty_word(name) {
                findings.push(Finding::new(path, index + 1, remedy("name", name, word)));
            }
        }
    }
    findings
}

fn remedy(what: &str, name: &str, word: &str) -> String {
    format!(
        "`{word}` in the {what} `{name}` names nothing; say what it is or does, and replace an \
         older thing instead of standing beside it"
    )
}

/// The empty word in a name, if there is one.
fn empty_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    if words.len() > 1 && words[0] == "new" && name.contains(['_', '-']) {
        return Some("new_");
    }
    EMPTY_WORDS.iter().find(|empty| words.iter().any(|word| word == *empty)).copied()
}

/// The words of a name in snake case, kebab case or camel case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        let is_new = !character.is_alphanumeric() || (character.is_uppercase() && was_lower);
        if is_new {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            words.last_mut().expect("never empty").extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase() || character.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The name that a line gives to an item, where it opens one.
fn item_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub")
            || matches!(*word, "async" | "const" | "unsafe" | "extern" | "\"C\"")
    });
    let keyword = words.next()?;
    if !ITEM_KEYWORDS.contains(&keyword) {
        return None;
    }
    let rest = words.next()?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::from_texts(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn empty_words_in_file_names_are_found() {
        for path in [
            "crates/sql/src/utils.rs",
            "crates/sql/src/common/types.rs",
            "crates/sql/src/binder_v2.rs",
            "crates/sql/src/new_binder.rs",
            "scripts/setup-helper",
            "docs/LegacyNotes.md",
        ] {
            assert_eq!(found(path, ""), [0], "{path}");
        }
        for path in ["crates/sql/src/base64.rs", "scripts/renew", "crates/sql/src/new.rs"] {
            assert_eq!(found(path, ""), [], "{path}");
        }
    }

    #[test]
    fn empty_words_in_item_names_are_found() {
        for item in [
            "struct CoreManager;",
            "pub struct BatchHelper<'a> {",
            "pub(crate) fn new_table() {}",
            "async fn read_optimized(",
            "mod misc;",
            "pub const unsafe fn legacy() {}",
            "type BaseTable = Vec<u8>;",
        ] {
            let text = format!("//! Doc.\n    {item}\n");
            assert_eq!(found("crates/sql/src/binder.rs", &text), [2], "{item}");
        }
        for item in [
            "fn new(spec: Spec) -> Self {",
            "pub fn renew() {}",
            "struct Database;",
            "// fn new_table() {}",
            "let helper = 1;",
        ] {
            let text = format!("//! Doc.\n    {item}\n");
            assert_eq!(found("crates/sql/src/binder.rs", &text), [], "{item}");
        }
    }
}
