//! Statements of other engines, whole and mutated: whatever the text, a script is bound or refused, and
//! nothing panics.
//!
//! The mutations are made from one seed, which is printed with the text that fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::panic::catch_unwind;
use std::path::Path;

/// Scripts that are tried; each costs a thread or two.
const MUTATION_COUNT: u64 = 4_000;

/// What mutations put in: words and signs that change what stands around them.
const PIECES: [&str; 64] = [
    "(",
    ")",
    ",",
    ";",
    ".",
    "'",
    "\"",
    "`",
    "[",
    "]",
    "{",
    "}",
    "*",
    "+",
    "-",
    "/",
    "//",
    "**",
    "%",
    "=",
    "=>",
    "::",
    "<",
    ">",
    "||",
    "->",
    "->>",
    "@",
    "#",
    "$1",
    "?",
    ":",
    "\u{feff}",
    "é",
    "\u{200b}",
    "\n",
    "--",
    "/*",
    "*/",
    "1",
    "0x",
    "1e",
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "WINDOW",
    "TABLE",
    "INTERVAL",
    "CASE",
    "END",
    "NOT",
    "AS",
    "IN",
    "EMIT",
    "WITH",
    "VALUES",
    "OVER",
    "'x.csv'",
    "FROM 'x.csv'",
    "EXISTS (SELECT 1 FROM 'x.csv')",
    "NULL",
    "DISTINCT",
];

/// SplitMix64: a sequence that a number makes.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap();
        number % bound.max(1)
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// The statements of the corpus, each with its semicolon, and the scripts of the golden files.
fn corpus() -> Vec<String> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo");
    let texts = |name: &str| -> Vec<String> {
        let folder = Path::new(&folder).join("tests").join(name);
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    };
    let mut statements = Vec::new();
    for text in texts("corpus") {
        statements.extend(text.lines().map(str::to_owned));
    }
    assert!(statements.len() > 60, "the corpus has gone missing");
    for text in texts("golden") {
        let scripts = text.split("\n\n\n").filter_map(|case| case.split_once("\n----"));
        statements.extend(scripts.map(|(script, _)| script.to_owned()));
    }
    statements
}

/// Bound or refused: a panic is a failure.
fn check(text: &str, seed: u64) {
    let outcome = catch_unwind(|| {
        let shown = support::plan_text(text);
        assert!(!shown.contains("defect of Tidemill"), "{shown}");
    });
    assert!(outcome.is_ok(), "seed {seed}: {text}");
}

/// A statement with a few pieces taken out, put in, doubled, swapped or brought from another.
fn mutated(statements: &[String], seed: u64) -> String {
    let mut random = Random(seed);
    let pieces = |text: &str| -> Vec<String> {
        text.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_')
            .map(str::to_owned)
            .collect()
    };
    let mut parts = pieces(&statements[random.below(statements.len())]);
    for _ in 0..=random.below(3) {
        let at = random.below(parts.len());
        match random.below(6) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, format!(" {} ", random.pick(&PIECES))),
            2 => parts.insert(at, parts[at].clone()),
            3 => {
                let other = random.below(parts.len());
                parts.swap(at, other);
            }
            4 => parts.truncate(at.max(1)),
            _ => {
                let other = pieces(&statements[random.below(statements.len())]);
                let start = random.below(other.len());
                let end = (start + 1 + random.below(6)).min(other.len());
                parts.splice(at..at, other[start..end].iter().cloned());
            }
        }
        if parts.is_empty() {
            break;
        }
    }
    parts.concat()
}

#[test]
fn statements_of_others_are_bound_or_refused() {
    for (at, statement) in corpus().iter().enumerate() {
        check(statement, u64::try_from(at).unwrap());
    }
}

#[test]
fn mutated_statements_are_bound_or_refused() {
    let statements = corpus();
    for seed in 0..MUTATION_COUNT {
        check(&mutated(&statements, seed), seed);
    }
}
