//! Characters of a script that one does not see: marks, line breaks, spaces, and what is said of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::bind;

const QUERY: &str = "SELECT id FROM 'in/*.jsonl'";

/// What is wrong with a script, as it is shown; empty if nothing is.
fn shown(text: &str) -> String {
    bind(text).map_or_else(|errors| errors.render(text, "s"), |_| String::new())
}

fn check(text: &str, first_line: &str) {
    let shown = shown(text);
    assert_eq!(shown.lines().next().unwrap_or_default(), first_line, "{text:?}");
}

#[test]
fn a_byte_order_mark_at_the_head_is_passed_over() {
    check(&format!("\u{feff}{QUERY}"), "");
    check(&format!("\u{feff}\r\n-- comment\r\n{QUERY};\r\n"), "");
    check("\u{feff}", "");
    // Columns count from behind the mark.
    let wrong = "\u{feff}SELECT idd FROM 'in/*.jsonl'";
    check(wrong, "s:1:8: unknown column \"idd\"");
    assert!(shown(wrong).contains("\n1 | SELECT idd"), "{}", shown(wrong));
    assert!(shown(wrong).contains("\n  |        ^^^\n"), "{}", shown(wrong));
    check("\u{feff}SELECT id\nFROM nowhere", "s:2:6: unknown table \"nowhere\"");
}

#[test]
fn a_mark_elsewhere_is_named() {
    let two = format!("{QUERY};\n\u{feff}{QUERY}");
    check(&two, "s:2:1: not supported: the invisible character U+FEFF");
}

#[test]
fn invisible_characters_are_named() {
    check("SELECT\u{200b} id FROM x", "s:1:7: not supported: the invisible character U+200B");
    check("SELECT id\u{ad} FROM x", "s:1:10: not supported: the invisible character U+00AD");
    check("SELECT \u{1}id FROM x", "s:1:8: not supported: the invisible character U+0001");
    let name = "SELECT \"i\u{a0}d\" FROM 'in/*.jsonl'";
    check(name, "s:1:8: unknown column \"i<U+00A0>d\"");
}

#[test]
fn spaces_of_any_kind_are_spaces() {
    check("SELECT\u{a0}id\u{2003}FROM\u{3000}'in/*.jsonl'", "");
    check("SELECT id\rFROM 'in/*.jsonl'", "");
}

#[test]
fn a_comment_does_not_hide_what_another_line_break_ends() {
    let hidden = "s:1:12: this line break, U+000D, does not end a comment";
    check("SELECT id--\rFROM 'in/*.jsonl'", hidden);
    check("-- a\u{2028}SELECT id FROM 'in/*.jsonl'", {
        "s:1:5: this line break, U+2028, does not end a comment"
    });
    check(&format!("-- a\r\n{QUERY} -- b\r\n"), "");
}
