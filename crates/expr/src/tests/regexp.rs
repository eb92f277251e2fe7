//! Regular expressions.

use DataType::{Boolean, Varchar};
use Function::{RegexpLike, RegexpReplace};

use super::*;

#[test]
fn like() {
    check_call(
        RegexpLike,
        Boolean,
        &[
            (&[s("abc"), s("b")], "true"),
            (&[s("abc"), s("^b")], "false"),
            (&[s("a\nb"), s("a.b")], "false"),
            (&[s("a\nb"), s("^b")], "false"),
            (&[s("a\nb"), s("a$")], "false"),
            (&[s("٣"), s(r"\d")], "false"),
            (&[s("7"), s(r"^[\d]$")], "true"),
            (&[s("é"), s(r"\w")], "false"),
            (&[s("\u{a0}"), s(r"\s")], "false"),
            (&[s("é"), s(r"\pL")], "true"),
            (&[s("\u{b}"), s(r"\s")], "false"),
            (&[n(Varchar), s("a")], "NULL"),
            (&[s("a"), n(Varchar)], "NULL"),
        ],
    );
    check_call(
        RegexpLike,
        Boolean,
        &[
            (&[s("ABC"), s("^a"), s("i")], "true"),
            (&[s("a\nb"), s("a.b"), s("s")], "true"),
            (&[s("a"), s("A"), s("ic")], "false"),
            (&[s("a"), s("A"), s("ci")], "true"),
            (&[s("a\nb"), s("^b"), s("m")], "false"),
            (&[s("axb"), s("a.b"), s("l")], "false"),
            (&[s("É"), s("é"), s("i")], "true"),
        ],
    );
}

#[test]
fn replace() {
    check_call(
        RegexpReplace,
        Varchar,
        &[
            (&[s("hello"), s("(l)(l)"), s(r"\2-\1")], "hel-lo"),
            (&[s("a.b"), s("."), s("x")], "x.b"),
            (&[s("a"), s("a"), s("$0")], "$0"),
            (&[s("a"), s("a"), s(r"\\")], r"\"),
            (&[s("ab"), s("(x)?(b)?$"), s(r"[\1\2]")], "a[b]"),
            (&[s("abc"), s("b*"), s("-")], "-abc"),
            (&[n(Varchar), s("a"), s("b")], "NULL"),
            (&[s("abc"), s("b"), n(Varchar)], "NULL"),
        ],
    );
    check_call(
        RegexpReplace,
        Varchar,
        &[
            (&[s("aXbX"), s("X"), s(r"[\0]"), s("g")], "a[X]b[X]"),
            (&[s("abc"), s("x*"), s("-"), s("g")], "-a-b-c-"),
            (&[s("abc"), s(""), s("-"), s("g")], "-a-b-c-"),
            (&[s("baac"), s("a*"), s("-"), s("g")], "-b-c-"),
            (&[s("aXbx"), s("x"), s(""), s("gi")], "ab"),
        ],
    );
}

#[test]
fn constants_are_checked_when_compiled() {
    let compile = |function, constants: &[&str]| {
        let mut arguments = vec![column(0, Varchar)];
        arguments.extend(constants.iter().map(|text| Expr::literal(s(text))));
        let result = if function == RegexpLike { Boolean } else { Varchar };
        crate::compile::compile(&call(function, arguments, result), &context())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert!(compile(RegexpLike, &["("]).starts_with("invalid regular expression in"));
    assert!(compile(RegexpLike, &["a", "z"]).starts_with("unknown regular expression flag 'z'"));
    assert!(compile(RegexpLike, &["a", "g"]).starts_with("unknown regular expression flag 'g'"));
    assert!(
        compile(RegexpReplace, &["a", r"\5"]).starts_with("the replacement asks for group 5 of 0")
    );
    assert!(compile(RegexpReplace, &["a", r"x\"]).starts_with("a backslash in a replacement"));
    assert_eq!(compile(RegexpReplace, &["(a)", r"\1"]), "");
}

#[test]
fn a_bad_pattern_of_a_row_is_its_own() {
    let columns = vec![
        array(&Varchar, &[s("a"), s("b"), s("c")]),
        array(&Varchar, &[s("a"), s("("), s("x")]),
    ];
    let like = call(RegexpLike, vec![column(0, Varchar), column(1, Varchar)], Boolean);
    assert_eq!(
        outcomes(&like, &batch(columns)),
        ["true", "bad: invalid regular expression '('", "false"]
    );
}
