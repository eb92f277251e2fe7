//! Every example of `docs/SQL.md` and `docs/MIGRATING.md`, run through the real command in the order of the page.
//!
//! What the fenced blocks of the page mean, by the words behind the fence:
//!
//! - `csv file=NAME`, `json file=NAME`: an input file; the blocks share one directory.
//! - `sql`: a script. The block behind it says what comes of it: `text`, standard output, exactly;
//!   `error`, standard error of a run that fails with wrong SQL or usage (2) or while running (1).
//! - `report`, behind the `text` of a script: standard error of the same run.
//! - `sql live`: a script over input without end, which is stopped when it has given a row.
//! - `text file=NAME`: what a file holds after the scripts above.
//! - `values`: expressions and their values, with ` → ` between and four spaces behind each pair.
//!   `NULL` stands for NULL, and `error: …` for a constant that is refused with these words.
//! - `grammar` and all others: not run.
//!
//! `UPDATE_GOLDEN=1` writes what came out into the page, for a person to review.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::Host;
use support::live::Live;

/// A fenced block: lines `[start, end)` of the page, fences not counted.
#[derive(Clone, Debug)]
struct Block {
    kind: String,
    is_live: bool,
    file: Option<String>,
    start: usize,
    end: usize,
}

/// The page, and what was found to differ.
struct Document {
    lines: Vec<String>,
    /// Lines to put in place of a block's, by block.
    found: Vec<(Block, Vec<String>)>,
    failures: Vec<String>,
    checked_count: usize,
}

#[test]
fn every_example_holds() {
    check_page("SQL.md", 20);
}

#[test]
fn every_translation_holds() {
    check_page("MIGRATING.md", 2);
}

/// Runs a page of `docs/`, which has more than `least` examples.
fn check_page(page: &str, least: usize) {
    // Asked as the test runs: a build that is kept may be of another clone.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo");
    let path = Path::new(&folder).join("../../docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let blocks = blocks(&lines);
    let mut document =
        Document { lines, found: Vec::new(), failures: Vec::new(), checked_count: 0 };
    let host = Host::new();
    host.write("unit.csv", "unit\n0\n");
    let mut blocks = blocks.into_iter().peekable();
    while let Some(block) = blocks.next() {
        match (block.kind.as_str(), &block.file) {
            ("csv" | "json" | "log", Some(name)) => host.write(name, document.body(&block)),
            ("text", Some(name)) => {
                let content = fs::read_to_string(host.path(name)).unwrap();
                document.check(&block, &content);
            }
            ("sql", None) if block.is_live => {
                let expected = blocks.next().expect("a block behind the script says what comes");
                let live = Live::start(&host, &document.body(&block));
                // The header, and the first row.
                let mut lines = vec![live.line(), live.line()];
                lines.extend(live.stop().0);
                document.check(&expected, &(lines.join("\n") + "\n"));
            }
            ("sql", None) => {
                let expected = blocks.next().expect("a block behind the script says what comes");
                let report = blocks.next_if(|next| next.kind == "report");
                document.check_script(&host, &block, &expected, report.as_ref());
            }
            ("values", None) => document.check_values(&host, &block),
            ("text" | "error", None) => panic!("line {}: no script is above", block.start),
            _ => {}
        }
    }
    assert!(document.checked_count > least, "the examples have gone missing");
    document.finish(&path);
}

fn blocks(lines: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in lines.iter().enumerate() {
        let Some(words) = line.strip_prefix("```") else { continue };
        match open.take() {
            Some(block) => blocks.push(Block { end: at, ..block }),
            None => {
                let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
                let file = rest.strip_prefix("file=").map(str::to_owned);
                let (kind, is_live, start) = (kind.to_owned(), rest == "live", at + 1);
                open = Some(Block { kind, is_live, file, start, end: start });
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

impl Document {
    fn body(&self, block: &Block) -> String {
        let lines = &self.lines[block.start..block.end];
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn check(&mut self, block: &Block, found: &str) {
        self.checked_count += 1;
        let expected = self.body(block);
        if without_durations(&expected) == without_durations(found) {
            return;
        }
        self.failures.push(format!("--- line {}\n{expected}--- is\n{found}", block.start));
        self.found.push((block.clone(), found.lines().map(str::to_owned).collect()));
    }

    fn check_script(
        &mut self,
        host: &Host,
        script: &Block,
        expected: &Block,
        report: Option<&Block>,
    ) {
        let ran = host.sql(&self.body(script));
        match expected.kind.as_str() {
            "text" if ran.output.status.success() => {
                self.check(expected, &ran.stdout());
                if let Some(report) = report {
                    self.check(report, &ran.stderr());
                }
            }
            "error" if matches!(ran.output.status.code(), Some(1 | 2)) => {
                let stderr = ran.stderr();
                assert!(!stderr.contains("panicked"), "line {}: {stderr}", script.start);
                self.check(expected, &stderr);
            }
            "text" | "error" => {
                let (code, stderr) = (ran.output.status.code(), ran.stderr());
                self.failures.push(format!("--- line {}: ended {code:?}\n{stderr}", script.start));
            }
            other => panic!("line {}: a script needs text or error, not {other}", script.start),
        }
    }

    /// One script for all lines that have a value: its output is a header and a value for each.
    fn check_values(&mut self, host: &Host, block: &Block) {
        let lines = self.lines[block.start..block.end].to_vec();
        let pairs: Vec<(&str, &str)> = lines
            .iter()
            .flat_map(|line| line.split("    "))
            .map(|pair| pair.split_once(" → ").expect("an expression, an arrow and a value"))
            .collect();
        let select = |expr: &str| format!("SELECT {} AS v FROM 'unit.csv';", expr.trim());
        let is_error = |value: &str| value.starts_with("error: ");
        let script: String = pairs
            .iter()
            .filter(|(_, value)| !is_error(value))
            .map(|(expr, _)| select(expr))
            .collect();
        let ran = host.sql(&script);
        let stdout = ran.stdout();
        let mut values = stdout.lines().skip(1).step_by(2);
        let mut found = Vec::with_capacity(pairs.len());
        for (expr, expected) in &pairs {
            let value = if is_error(expected) {
                let stderr = host.sql(&select(expr)).stderr();
                let first = stderr.lines().next().unwrap_or_default().to_owned();
                let message = first.split_once(": this constant fails: ").map_or("", |m| m.1);
                format!("error: {message}")
            } else {
                match values.next() {
                    Some("") => "NULL".to_owned(),
                    Some(value) => value.to_owned(),
                    None => format!("nothing: {}", ran.stderr()),
                }
            };
            found.push(format!("{expr} → {value}"));
        }
        let mut found = found.into_iter();
        let line = |line: &String| {
            let count = line.split("    ").count();
            found.by_ref().take(count).collect::<Vec<_>>().join("    ") + "\n"
        };
        let found: String = lines.iter().map(line).collect();
        self.check(block, &found);
    }

    fn finish(mut self, path: &PathBuf) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for (block, lines) in self.found.into_iter().rev() {
                self.lines.splice(block.start..block.end, lines);
            }
            fs::write(path, self.lines.join("\n") + "\n").unwrap();
            return;
        }
        let (failed, checked) = (self.failures.len(), self.checked_count);
        assert!(failed == 0, "{failed} of {checked} differ:\n{}", self.failures.join("\n"));
    }
}

/// `0.003 s` and `41 µs (12 %)` as `…`: the one thing on the page that no two runs have in common. How many cores
/// there are is the host's, too.
fn without_durations(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        if line.starts_with("CPU time: ") {
            shown.push_str("CPU time: …\n");
            continue;
        }
        let mut words = line.split(' ').peekable();
        while let Some(word) = words.next() {
            let is_number = word.trim_start_matches('(').parse::<f64>().is_ok();
            let is_unit = |next: &&str| ["µs", "ms", "s", "s:", "s,", "%)", "%),"].contains(next);
            match words.next_if(|next| is_number && is_unit(next)) {
                Some(_) => shown.push('…'),
                None => shown.push_str(word),
            }
            shown.push(' ');
        }
        shown.push('\n');
    }
    shown
}
