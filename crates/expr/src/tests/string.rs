//! String functions.

use DataType::{BigInt, Boolean, Varchar};
use Function::*;

use super::*;

#[test]
fn case_and_trimming() {
    check_call(
        Upper,
        Varchar,
        &[(&[s("éa")], "ÉA"), (&[s("abc1")], "ABC1"), (&[s("")], ""), (&[n(Varchar)], "NULL")],
    );
    check_call(
        Lower,
        Varchar,
        &[(&[s("ÉA")], "éa"), (&[s("ABC")], "abc"), (&[n(Varchar)], "NULL")],
    );
    check_call(Trim, Varchar, &[(&[s("  a  ")], "a"), (&[s("\ta\n")], "\ta\n"), (&[s("   ")], "")]);
    check_call(
        Trim,
        Varchar,
        &[
            (&[s("xxaxx"), s("x")], "a"),
            (&[s("abc"), s("")], "abc"),
            (&[s("é é"), s("é")], " "),
            (&[s("abc"), n(Varchar)], "NULL"),
            (&[n(Varchar), s("x")], "NULL"),
        ],
    );
    check_call(Ltrim, Varchar, &[(&[s("xya"), s("yx")], "a"), (&[s("axy"), s("xy")], "axy")]);
    check_call(Rtrim, Varchar, &[(&[s("axy"), s("xy")], "a"), (&[s("xya"), s("yx")], "xya")]);
}

#[test]
fn lengths_and_positions() {
    check_call(Length, BigInt, &[(&[s("héé")], "3"), (&[s("")], "0"), (&[n(Varchar)], "NULL")]);
    check_call(Length, DataType::Integer, &[(&[s("héé")], "3")]);
    check_call(
        Position,
        BigInt,
        &[
            (&[s(""), s("abc")], "1"),
            (&[s("b"), s("abc")], "2"),
            (&[s("x"), s("")], "0"),
            (&[s(""), s("")], "1"),
            (&[s("b"), s("éb")], "2"),
            (&[n(Varchar), s("a")], "NULL"),
        ],
    );
    check_call(
        StartsWith,
        Boolean,
        &[
            (&[s("abc"), s("")], "true"),
            (&[s("abc"), s("ab")], "true"),
            (&[s("abc"), s("bc")], "false"),
            (&[s("abc"), n(Varchar)], "NULL"),
        ],
    );
}

#[test]
fn joining_and_replacing() {
    check_call(
        Concat,
        Varchar,
        &[
            (&[s("a"), n(Varchar), s("b")], "ab"),
            (&[n(Varchar), n(Varchar), n(Varchar)], ""),
            (&[s("a"), s("b"), s("c")], "abc"),
        ],
    );
    check_call(
        ConcatOperator,
        Varchar,
        &[(&[s("a"), s("b")], "ab"), (&[s("a"), n(Varchar)], "NULL")],
    );
    check_call(
        Replace,
        Varchar,
        &[
            (&[s("aaa"), s(""), s("x")], "aaa"),
            (&[s("aaa"), s("a"), s("b")], "bbb"),
            (&[s("abc"), s("b"), s("")], "ac"),
            (&[s("ABCab"), s("ab"), s("x")], "ABCx"),
            (&[s("a"), n(Varchar), s("b")], "NULL"),
        ],
    );
}

#[test]
fn substrings() {
    check_call(
        Substring,
        Varchar,
        &[
            (&[s("hello"), i(0)], "hello"),
            (&[s("hello"), i(-3)], "llo"),
            (&[s("hello"), i(6)], ""),
            (&[s("hello"), i(-10)], "hello"),
            (&[s("hello"), i(i64::MIN)], "hello"),
            (&[s("hello"), i(i64::MAX)], ""),
            (&[s("héllo"), i(2)], "éllo"),
            (&[n(Varchar), i(2)], "NULL"),
            (&[s("a"), n(BigInt)], "NULL"),
        ],
    );
    check_call(
        Substring,
        Varchar,
        &[
            (&[s("hello"), i(0), i(2)], "h"),
            (&[s("hello"), i(-3), i(2)], "ll"),
            (&[s("hello"), i(2), i(3)], "ell"),
            (&[s("hello"), i(2), i(-1)], "h"),
            (&[s("hello"), i(-10), i(3)], ""),
            (&[s("hello"), i(-10), i(7)], "he"),
            (&[s("hello"), i(-2), i(-1)], "l"),
            (&[s("hello"), i(3), i(-2)], "he"),
            (&[s("hello"), i(1), i(0)], ""),
            (&[s("hello"), i(0), i(1)], ""),
            (&[s("hello"), i(0), i(-1)], ""),
            (&[s("hello"), i(3), i(-10)], "he"),
            (&[s("hello"), i(2), i(i64::MAX)], "ello"),
            (&[s("hello"), i(i64::MIN), i(i64::MIN)], ""),
            (&[s("hello"), i(1), n(BigInt)], "NULL"),
        ],
    );
    check_call(
        Left,
        Varchar,
        &[
            (&[s("hello"), i(-2)], "hel"),
            (&[s("hello"), i(2)], "he"),
            (&[s("hello"), i(0)], ""),
            (&[s("hello"), i(-10)], ""),
            (&[s("hello"), i(10)], "hello"),
            (&[s("hello"), i(i64::MIN)], ""),
            (&[s("héé"), i(2)], "hé"),
        ],
    );
    check_call(
        Right,
        Varchar,
        &[
            (&[s("hello"), i(2)], "lo"),
            (&[s("hello"), i(-2)], "llo"),
            (&[s("hello"), i(-10)], ""),
            (&[s("hello"), i(10)], "hello"),
            (&[s("hello"), i(0)], ""),
            (&[s("hello"), i(i64::MIN)], ""),
            (&[s("hello"), i(i64::MAX)], "hello"),
            (&[s("héé"), i(2)], "éé"),
        ],
    );
}

#[test]
fn padding() {
    check_call(
        Lpad,
        Varchar,
        &[
            (&[s("abc"), i(5), s("xy")], "xyabc"),
            (&[s("abc"), i(2), s("x")], "ab"),
            (&[s("abc"), i(-1), s("x")], ""),
            (&[s("abc"), i(3), s("")], "abc"),
            (&[s("héé"), i(5), s("é")], "ééhéé"),
            (&[s(""), i(2), s("xy")], "xy"),
            (&[s("abc"), i(5), s("")], "bad: padding with empty text"),
            (&[s("abc"), i(i64::MAX), s("x")], "bad: text longer than 16 MiB"),
            (&[s("abc"), i(5), n(Varchar)], "NULL"),
        ],
    );
    check_call(
        Rpad,
        Varchar,
        &[
            (&[s("abc"), i(6), s("xy")], "abcxyx"),
            (&[s("abc"), i(2), s("")], "ab"),
            (&[s("abc"), i(2), s("x")], "ab"),
            (&[s("abc"), i(5), s("")], "bad: padding with empty text"),
        ],
    );
    check_call(Lpad, Varchar, &[(&[s("a"), i(3)], "  a")]);
}

#[test]
fn parts() {
    check_call(
        SplitPart,
        Varchar,
        &[
            (&[s("a,b,c"), s(","), i(1)], "a"),
            (&[s("a,b,c"), s(","), i(0)], ""),
            (&[s("a,b,c"), s(","), i(-1)], "c"),
            (&[s("a,b,c"), s(","), i(-3)], "a"),
            (&[s("a,b,c"), s(","), i(-4)], ""),
            (&[s("a,b,c"), s(","), i(4)], ""),
            (&[s("a,b,c"), s(","), i(i64::MIN)], ""),
            (&[s("a,b,c"), s(""), i(1)], "a"),
            (&[s("abc"), s(""), i(2)], "b"),
            (&[s("abc"), s(""), i(-1)], "c"),
            (&[s(""), s(","), i(1)], ""),
            (&[s("a--b"), s("--"), i(2)], "b"),
            (&[s("aaa"), s("aa"), i(2)], "a"),
            (&[n(Varchar), s(","), i(1)], "NULL"),
        ],
    );
}
