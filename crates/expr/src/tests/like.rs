//! `LIKE` and `ILIKE`.

use DataType::{Boolean, Varchar};

use super::*;

fn check_like(insensitive: bool, escape: Option<char>, table: &[(&[Scalar], &str)]) {
    for is_negated in [false, true] {
        let flipped: Vec<(&[Scalar], &str)> = table
            .iter()
            .map(|(operands, holds)| match (is_negated, *holds) {
                (true, "true") => (*operands, "false"),
                (true, "false") => (*operands, "true"),
                (_, other) => (*operands, other),
            })
            .collect();
        check(
            |mut operands| {
                let pattern = Box::new(operands.remove(1));
                let operand = Box::new(operands.remove(0));
                let is_case_insensitive = insensitive;
                let kind =
                    ExprKind::Like { operand, pattern, is_negated, is_case_insensitive, escape };
                expr(kind, Boolean)
            },
            &flipped,
        );
    }
}

#[test]
fn nothing_escapes_unless_declared() {
    check_like(
        false,
        None,
        &[
            (&[s("abc"), s(r"a\%")], "false"),
            (&[s("a%"), s(r"a\%")], "false"),
            (&[s(r"a\bc"), s(r"a\%")], "true"),
            (&[s("a"), s("a%")], "true"),
            (&[s(""), s("")], "true"),
            (&[s("a"), s("")], "false"),
            (&[s("é"), s("_")], "true"),
            (&[s("a\nb"), s("a_b")], "true"),
            (&[s("abcbd"), s("a%b_")], "true"),
            (&[s("abcb"), s("a%b_")], "false"),
            (&[s("mississippi"), s("%iss%ip%")], "true"),
            (&[s("mississippi"), s("%iss%ss%ss%")], "false"),
            (&[s("abc"), s("%")], "true"),
            (&[s(""), s("%%")], "true"),
            (&[s("abc"), s("%c")], "true"),
            (&[s("abc"), s("%b%")], "true"),
            (&[s("abc"), s("%b")], "false"),
            (&[s("abc"), s("___")], "true"),
            (&[s("abc"), s("____")], "false"),
            (&[n(Varchar), s("a")], "NULL"),
            (&[s("a"), n(Varchar)], "NULL"),
        ],
    );
}

#[test]
fn a_declared_escape() {
    check_like(
        false,
        Some('\\'),
        &[
            (&[s("a%c"), s(r"a\%c")], "true"),
            (&[s("abc"), s(r"a\%c")], "false"),
            (&[s("ax"), s(r"a\x")], "true"),
            (&[s(r"a\"), s(r"a\\")], "true"),
            (&[s("a_"), s(r"%\_")], "true"),
        ],
    );
}

#[test]
fn a_dangling_escape() {
    let like = |pattern: Expr| {
        let kind = ExprKind::Like {
            operand: Box::new(column(0, Varchar)),
            pattern: Box::new(pattern),
            is_negated: false,
            is_case_insensitive: false,
            escape: Some('!'),
        };
        expr(kind, Boolean)
    };
    let error = crate::Filter::new(&like(Expr::literal(s("a!"))), &context()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "LIKE pattern ends with its escape character in (c0 LIKE 'a!' ESCAPE '!')"
    );
    let columns = vec![array(&Varchar, &[s("a"), s("a")]), array(&Varchar, &[s("a!"), s("a")])];
    assert_eq!(
        outcomes(&like(column(1, Varchar)), &batch(columns)),
        ["bad: LIKE pattern ends with its escape character", "true"]
    );
}

#[test]
fn any_case() {
    check_like(
        true,
        None,
        &[
            (&[s("ÀB"), s("àb")], "true"),
            (&[s("ß"), s("SS")], "false"),
            (&[s("ABC"), s("%b%")], "true"),
            (&[s("abc"), s("A_C")], "true"),
        ],
    );
}
