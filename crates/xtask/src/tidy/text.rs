//! What no tracked text holds: work left open, banners, emoji, registry hosts, stray whitespace.
//!
//! The words are put together from halves here, so that this file obeys its own rules. Absent on
//! purpose: prose style, which people judge.

use super::Finding;
use super::tree::Tree;

/// Marks of work left open.
const OPEN_MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that stands for code, and tests that do not run.
const OPEN_CODE: &[&str] = &[
    concat!("#[ign", "ore"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
];

/// Hosts of package registries: which one is used is each machine's own business.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("deb.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("proxy.golang", ".org"),
];

/// The page that states these rules has to name the words.
const RULE_PAGE: &str = "docs/STYLE.md";
/// Written by cargo, and names the registry of every package.
const LOCK_FILE: &str = "Cargo.lock";
/// Input and expected results, whose blanks and last line are part of what is tested.
const DATA_ENDINGS: &[&str] = &[".csv", ".json", ".jsonl", ".tsv", ".slt", ".seed"];
/// A run of this many characters makes a banner.
const BANNER_CHARS_MIN: usize = 10;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.split('\n').enumerate() {
            for message in line_faults(path, line) {
                findings.push(Finding::new(path, index + 1, message));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') && !is_data(path) {
            let message = "no newline at the end; add one";
            findings.push(Finding::new(path, text.lines().count(), message));
        }
    }
    findings
}

fn line_faults(path: &str, line: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if path != RULE_PAGE {
        let marks = OPEN_MARKS.iter().filter(|mark| has_word(line, mark));
        faults.extend(marks.map(|mark| format!("`{mark}` left open; do it, or open an issue")));
    }
    if path.ends_with(".rs") {
        let codes = OPEN_CODE.iter().filter(|code| line.contains(*code));
        faults.extend(codes.map(|code| {
            format!("`{code}` stands for work not done; do it, or assert today's behaviour")
        }));
    }
    if is_source(path) && is_comment(line) && names_a_phase(line) {
        faults.push("a comment tells of plans or history; say what is so today".to_owned());
    }
    if is_source(path) && is_banner(line) {
        faults.push("a banner; a new file or a plain sentence separates better".to_owned());
    }
    if !path.ends_with(LOCK_FILE) {
        let hosts = REGISTRY_HOSTS.iter().filter(|host| line.contains(*host));
        faults.extend(hosts.map(|host| format!("`{host}` is a registry's host; leave it out")));
    }
    if let Some(character) = line.chars().find(|&c| is_emoji(c)).filter(|_| !is_test_text(path)) {
        let code = u32::from(character);
        faults.push(format!("emoji U+{code:04X}; use a word"));
    }
    if line.ends_with([' ', '\t', '\r']) && !is_data(path) {
        faults.push("trailing whitespace; remove it".to_owned());
    }
    faults
}

/// Whether a file feeds text of every kind to the engine, four-byte characters among it.
fn is_test_text(path: &str) -> bool {
    path.contains("/tests/") || path.starts_with("scripts/check/judge/")
}

/// Whether a word stands in a line by itself.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn is_data(path: &str) -> bool {
    DATA_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Whether a file is code or configuration: scripts have no ending.
fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((_, ending)) => matches!(ending, "rs" | "py" | "sh" | "toml" | "sql" | "yml" | "yaml"),
        None => path.starts_with("scripts/") || path.starts_with(".ci/"),
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    let is_attribute = line.starts_with("#[") || line.starts_with("#!");
    (["//", "--", "/*", "* "].iter().any(|mark| line.starts_with(mark)) || line.starts_with('#'))
        && !is_attribute
}

fn names_a_phase(line: &str) -> bool {
    line.match_indices("Phase ")
        .any(|(at, word)| line[at + word.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether a comment holds a long run of one ornament, or the line is nothing but such a run.
fn is_banner(line: &str) -> bool {
    let has_run = ['=', '*', '-', '#']
        .iter()
        .any(|ornament| line.contains(&ornament.to_string().repeat(BANNER_CHARS_MIN)));
    let is_bare = line.trim().chars().all(|c| matches!(c, '=' | '*' | '-' | '#' | '/'));
    has_run && (is_comment(line) || is_bare)
}

/// Pictographs, dingbats and what joins them; arrows, box drawing and mathematics are text.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{2B05}'..='\u{2B07}'
        | '\u{2B1B}'..='\u{2B1C}' | '\u{2B50}' | '\u{2B55}' | '\u{231A}'..='\u{231B}'
        | '\u{23E9}'..='\u{23FA}' | '\u{FE0F}' | '\u{20E3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines at fault when `text` stands in a file at `path`.
    fn found(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::from_texts(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn open_marks_are_found_as_words() {
        for mark in OPEN_MARKS {
            assert_eq!(found("a/b.rs", &format!("//! Doc.\n// {mark}: later\n")), [2], "{mark}");
            assert_eq!(found("README.md", &format!("{mark}\n")), [1], "{mark}");
            assert_eq!(found(RULE_PAGE, &format!("No {mark}.\n")), [], "{mark}");
        }
        let template = format!("mktemp -d /tmp/run.{}\n", "X".repeat(6));
        assert_eq!(found("scripts/demo", &template), []);
        assert_eq!(found("README.md", &format!("MAS{}O\n", concat!("TO", "DO"))), []);
    }

    #[test]
    fn code_that_stands_for_code_is_found() {
        for code in OPEN_CODE {
            assert_eq!(found("a/b.rs", &format!("{code}\n")), [1], "{code}");
            assert_eq!(found("CONTRIBUTING.md", &format!("never `{code}`\n")), [], "{code}");
        }
    }

    #[test]
    fn phases_are_found_in_comments() {
        let line = concat!("Pha", "se 2 is to come");
        assert_eq!(found("a/b.rs", &format!("// {line}\n")), [1]);
        assert_eq!(found("a.py", &format!("# {line}\n")), [1]);
        assert_eq!(found("a/b.rs", &format!("let text = \"{line}\";\n")), []);
        assert_eq!(found("a/b.rs", "// Phase of the moon\n"), []);
    }

    #[test]
    fn banners_are_found() {
        for ornament in ["=", "*", "-", "#"] {
            let run = ornament.repeat(BANNER_CHARS_MIN);
            assert_eq!(found("a/b.rs", &format!("// {run}\n")), [1], "{ornament}");
            assert_eq!(found("a/b.rs", &format!("    // {run} Turn {run}\n")), [1], "{ornament}");
            assert_eq!(found("scripts/test", &format!("{run}\n")), [1], "{ornament}");
            assert_eq!(found("README.md", &format!("{run}\n")), [], "{ornament}");
            let short = ornament.repeat(BANNER_CHARS_MIN - 1);
            assert_eq!(found("a/b.rs", &format!("// {short}\n")), [], "{ornament}");
        }
        let table = format!("    \"+{}+\",\n", "-".repeat(20));
        assert_eq!(found("a/b.rs", &table), []);
    }

    #[test]
    fn registry_hosts_are_found_but_in_the_lock_file() {
        for host in REGISTRY_HOSTS {
            assert_eq!(found("deny.toml", &format!("a = \"https://{host}/x\"\n")), [1], "{host}");
            for path in [LOCK_FILE, "crates/a/fuzz/Cargo.lock"] {
                assert_eq!(found(path, &format!("source = \"{host}\"\n")), [], "{host}");
            }
        }
    }

    #[test]
    fn emoji_are_found_and_other_signs_are_text() {
        for c in ['\u{1F680}', '\u{2705}', '\u{274C}', '\u{26A0}', '\u{1F1E9}', '\u{2B50}'] {
            assert_eq!(found("README.md", &format!("{c}\n")), [1], "{c:?}");
        }
        assert_eq!(found("README.md", "── → ≤ é „ … ² 漢\n"), []);
    }

    #[test]
    fn stray_whitespace_is_found_but_in_data() {
        assert_eq!(found("a/b.rs", "//! Doc. \n//! a\t\n//! b\r\n"), [1, 2, 3]);
        assert_eq!(found("a/b.rs", "//! Doc.\n//! End"), [2]);
        assert_eq!(found("tests/a.csv", "a, \n1"), []);
        assert_eq!(found("empty", ""), []);
    }
}
