//! How long files are, how they open, and what `docs/` holds.
//!
//! Absent on purpose: the length of functions, which clippy and reviewers see.

use super::Finding;
use super::tree::{Tree, is_test_file, lines_without_tests};

/// Longest source in lines, its test module excepted.
const SOURCE_LINES_MAX: usize = 800;
/// Longest `lib.rs` or `mod.rs` in lines, its test module excepted.
const ROOT_LINES_MAX: usize = 200;
/// Largest tracked file in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The pages that `docs/` holds.
const PAGES: &[&str] = &[
    "ARCHITECTURE.md",
    "STYLE.md",
    "SQL.md",
    "EMBEDDING.md",
    "RECIPES.md",
    "MIGRATING.md",
    "CHECKPOINT.md",
    "OPERATIONS.md",
    "BENCHMARKS.md",
];
/// Endings of pictures that a page may show.
const PICTURES: &[&str] = &[".svg", ".png"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        check_length(path, text, &mut findings);
        if !text.starts_with("//!") {
            let message = "no module doc at its head; open with `//!`: what the file is for, where \
                           to start reading, what is absent on purpose";
            findings.push(Finding::new(path, 1, message));
        }
    }
    for file in tree.files() {
        if file.byte_count > FILE_BYTES_MAX {
            let message = format!(
                "{} bytes, more than 1 MiB; make it when it is needed instead",
                file.byte_count
            );
            findings.push(Finding::new(&file.path, 0, message));
        }
        if let Some(name) = file.path.strip_prefix("docs/") {
            check_page(tree, &file.path, name, &mut findings);
        }
    }
    findings
}

fn check_length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let is_ours = path.starts_with("crates/") || path.starts_with("benches/");
    if !is_ours || is_test_file(path) {
        return;
    }
    let line_count = lines_without_tests(text).count();
    let is_root = path.ends_with("/lib.rs") || path.ends_with("/mod.rs");
    if is_root && line_count > ROOT_LINES_MAX {
        let message = format!(
            "{line_count} lines in the root of a module, more than {ROOT_LINES_MAX}; find the noun \
             that hides in it and give it a file"
        );
        findings.push(Finding::new(path, 0, message));
    } else if line_count > SOURCE_LINES_MAX {
        let message = format!(
            "{line_count} lines, more than {SOURCE_LINES_MAX}; split it where two nouns meet"
        );
        findings.push(Finding::new(path, 0, message));
    }
}

fn check_page(tree: &Tree, path: &str, name: &str, findings: &mut Vec<Finding>) {
    if PAGES.contains(&name) {
        return;
    }
    let is_picture = PICTURES.iter().any(|ending| name.ends_with(ending));
    let is_shown = || {
        let mut pages = tree.texts().filter(|(page, _)| page.ends_with(".md"));
        pages.any(|(_, text)| text.contains(name))
    };
    if is_picture && is_shown() {
        return;
    }
    let message = if is_picture {
        "no page shows this picture; show it or remove it".to_owned()
    } else {
        format!("docs/ holds {} and pictures, nothing else; put it there", PAGES.join(", "))
    };
    findings.push(Finding::new(path, 0, message));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(line_count: usize) -> String {
        format!("//! Doc.\n{}", "fn a() {}\n".repeat(line_count - 1))
    }

    fn paths(texts: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::from_texts(texts)).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn long_files_are_refused_and_long_tests_are_not() {
        let (at_limit, over) = (source(800), source(801));
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", source(10), source(900));
        let found = paths(&[
            ("crates/expr/src/at_limit.rs", &at_limit),
            ("crates/expr/src/over.rs", &over),
            ("crates/expr/tests/over.rs", &over),
            ("crates/expr/src/tested.rs", &with_tests),
            ("benches/queue/src/over.rs", &over),
        ]);
        assert_eq!(found, ["crates/expr/src/over.rs", "benches/queue/src/over.rs"]);
    }

    #[test]
    fn roots_of_modules_are_short() {
        let (at_limit, over) = (source(200), source(201));
        let found = paths(&[
            ("crates/expr/src/lib.rs", &at_limit),
            ("crates/sql/src/lib.rs", &over),
            ("crates/sql/src/bind/mod.rs", &over),
        ]);
        assert_eq!(found, ["crates/sql/src/lib.rs", "crates/sql/src/bind/mod.rs"]);
    }

    #[test]
    fn every_source_opens_with_a_module_doc() {
        let found = paths(&[
            ("crates/expr/src/a.rs", "//! Doc.\n"),
            ("crates/expr/src/b.rs", "use std::fmt;\n"),
            ("crates/expr/tests/c.rs", "/// An item.\nfn c() {}\n"),
            ("crates/expr/src/d.rs", ""),
        ]);
        assert_eq!(
            found,
            ["crates/expr/src/b.rs", "crates/expr/tests/c.rs", "crates/expr/src/d.rs"]
        );
    }

    #[test]
    fn large_files_are_refused() {
        let (at_limit, over) = ("a".repeat(FILE_BYTES_MAX), "a".repeat(FILE_BYTES_MAX + 1));
        assert_eq!(paths(&[("at_limit.bin", &at_limit), ("over.bin", &over)]), ["over.bin"]);
    }

    #[test]
    fn docs_hold_their_pages_and_the_pictures_that_these_show() {
        let found = paths(&[
            ("docs/SQL.md", "![turn](turn.svg)\n"),
            ("docs/turn.svg", "<svg/>\n"),
            ("docs/old.svg", "<svg/>\n"),
            ("docs/STATUS.md", "done\n"),
            ("docs/deep/SQL.md", "again\n"),
        ]);
        assert_eq!(found, ["docs/old.svg", "docs/STATUS.md", "docs/deep/SQL.md"]);
    }
}
