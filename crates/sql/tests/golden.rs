//! Golden files: SQL text beside the plan or the findings it gives.
//!
//! A file is cases of the form `-- name`, the script, `----`, what is expected, and a blank line.
//! `UPDATE_GOLDEN=1` rewrites what is expected; a person reads the difference.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write;
use std::path::Path;

use support::plan_text;

struct Case {
    name: String,
    script: String,
    expected: String,
}

fn parse_cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in text.split("\n\n\n") {
        let block = block.trim_matches('\n');
        if block.is_empty() {
            continue;
        }
        let (name, rest) = block.split_once('\n').expect("a name and a script");
        let name = name.strip_prefix("-- ").expect("a case starts with its name").to_owned();
        let (script, expected) = rest.split_once("\n----").unwrap_or((rest, ""));
        let expected = expected.trim_matches('\n').to_owned();
        cases.push(Case { name, script: script.to_owned(), expected });
    }
    cases
}

#[test]
fn golden() {
    // Asked as the test runs: a build that is kept may be of another clone.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo");
    let folder = Path::new(&folder).join("tests/golden");
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8, "golden files are missing");
    let mut wrong = String::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut updated = String::new();
        for case in parse_cases(&text) {
            let actual = plan_text(&case.script);
            let actual = actual.trim_matches('\n');
            if actual != case.expected {
                let _ = write!(
                    wrong,
                    "{}: {}\n{}\n--- expected\n{}\n--- actual\n{actual}\n\n",
                    path.display(),
                    case.name,
                    case.script,
                    case.expected
                );
            }
            let _ = write!(updated, "-- {}\n{}\n----\n{actual}\n\n\n", case.name, case.script);
        }
        if is_update {
            std::fs::write(&path, format!("{}\n", updated.trim_end())).unwrap();
        }
    }
    assert!(is_update || wrong.is_empty(), "{wrong}");
}
