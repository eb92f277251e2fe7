//! SQL in, text out: every `tests/golden/*.slt`, run through the real command.
//!
//! A file holds blocks, separated by blank lines:
//!
//! - `file NAME`, then the file's lines up to `----`: put into the directory that the queries run in.
//! - `query` or `script`, then SQL up to `----`, then standard output as CSV, exactly.
//! - `written NAME`, then `----`, then the lines of a file that a query before wrote.
//! - `error`, then SQL up to `----`, then lines that must each stand somewhere in standard error.
//! - `message`, then SQL up to `----`, then standard error, exactly.
//!
//! `UPDATE_GOLDEN=1` writes what came out into the files, for a person to review.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One block of a golden file.
struct Block {
    /// Comment lines above it, as they are.
    comments: Vec<String>,
    /// `file NAME`, `query`, `script` or `error`.
    kind: String,
    /// Lines up to `----`.
    body: Vec<String>,
    /// Lines behind `----`.
    expected: Vec<String>,
}

#[test]
fn every_golden_file_holds() {
    // Asked as the test runs: a build that is kept may be of another clone.
    let directory = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo");
    let directory = Path::new(&directory).join("tests/golden");
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "the golden files have gone missing");
    let mut failures = Vec::new();
    let mut block_count = 0;
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "slt")) {
        block_count += check_file(path, &mut failures);
    }
    assert!(
        failures.is_empty(),
        "{} of {block_count} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn check_file(path: &Path, failures: &mut Vec<String>) -> usize {
    let mut blocks = parse(&fs::read_to_string(path).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for block in &mut blocks {
        if let Some(name) = block.kind.strip_prefix("file ") {
            let mut text = block.body.join("\n");
            text.push('\n');
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            continue;
        }
        if let Some(name) = block.kind.strip_prefix("written ") {
            let found = fs::read_to_string(directory.path().join(name)).unwrap_or_default();
            if !found.lines().eq(block.expected.iter().map(String::as_str)) {
                failures.push(format!("{}: {name} holds\n{found}", path.display()));
            }
            continue;
        }
        let output = run(directory.path(), &block.body.join("\n"));
        let is_refused = matches!(block.kind.as_str(), "error" | "message");
        let found = if is_refused { &output.stderr } else { &output.stdout };
        let found = String::from_utf8_lossy(found).into_owned();
        let holds = match block.kind.as_str() {
            "error" => {
                !output.status.success() && block.expected.iter().all(|line| found.contains(line))
            }
            "message" => {
                !output.status.success()
                    && found.lines().eq(block.expected.iter().map(String::as_str))
            }
            "query" | "script" => {
                output.status.success()
                    && found.lines().eq(block.expected.iter().map(String::as_str))
            }
            other => panic!("{}: unknown block {other}", path.display()),
        };
        if holds {
            continue;
        }
        if is_update {
            block.expected = found.lines().map(str::to_owned).collect();
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            failures.push(format!(
                "--- {}\n{}\n{}\nexpected:\n{}\nfound:\n{found}\nstandard error:\n{stderr}",
                path.file_name().unwrap().to_string_lossy(),
                block.kind,
                block.body.join("\n"),
                block.expected.join("\n"),
            ));
        }
    }
    if is_update {
        fs::write(path, render(&blocks)).unwrap();
    }
    blocks.len()
}

fn run(directory: &Path, sql: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .current_dir(directory)
        .args(["run", "--quiet", "--format", "csv", "-e", sql])
        .output()
        .unwrap()
}

fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().peekable();
    while lines.peek().is_some() {
        let mut comments = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('#') || line.is_empty()) {
            comments.push(line.to_owned());
        }
        let Some(kind) = lines.next() else { break };
        let mut body = Vec::new();
        let mut expected = Vec::new();
        for line in lines.by_ref() {
            if line == "----" {
                break;
            }
            body.push(line.to_owned());
        }
        if !kind.starts_with("file ") {
            while let Some(&line) = lines.peek() {
                // Several findings have empty lines between them.
                let next = lines.clone().nth(1).unwrap_or_default();
                let goes_on = kind == "message" && next.starts_with("sql:");
                if line.is_empty() && !goes_on {
                    break;
                }
                expected.push(line.to_owned());
                lines.next();
            }
        }
        blocks.push(Block { comments, kind: kind.to_owned(), body, expected });
    }
    blocks
}

fn render(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        for line in block.comments.iter().chain([&block.kind]).chain(&block.body) {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("----\n");
        for line in &block.expected {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
