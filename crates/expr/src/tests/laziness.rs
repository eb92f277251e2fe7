//! `AND`, `OR`, `CASE`, `COALESCE`: what they yield, and which rows evaluate what.

use DataType::{BigInt, Boolean};

use super::*;

fn and(terms: Vec<Expr>) -> Expr {
    expr(ExprKind::And(terms), Boolean)
}

fn or(terms: Vec<Expr>) -> Expr {
    expr(ExprKind::Or(terms), Boolean)
}

/// `10 / x`, which fails for 0.
fn inverse(x: &Expr) -> Expr {
    binary(BinaryOp::Divide, Expr::literal(i(10)), x.clone(), BigInt)
}

fn compare(op: BinaryOp, x: &Expr, value: i64) -> Expr {
    binary(op, x.clone(), Expr::literal(i(value)), Boolean)
}

#[test]
fn kleene_tables() {
    let u = || n(Boolean);
    check(
        and,
        &[
            (&[b(true), b(true)], "true"),
            (&[b(true), b(false)], "false"),
            (&[b(true), u()], "NULL"),
            (&[b(false), u()], "false"),
            (&[u(), b(false)], "false"),
            (&[u(), u()], "NULL"),
            (&[u(), b(true)], "NULL"),
        ],
    );
    check(
        or,
        &[
            (&[b(false), b(false)], "false"),
            (&[b(true), b(false)], "true"),
            (&[b(true), u()], "true"),
            (&[b(false), u()], "NULL"),
            (&[u(), b(true)], "true"),
            (&[u(), u()], "NULL"),
        ],
    );
}

#[test]
fn later_terms_run_only_where_needed() {
    let guarded = |x: &Expr| {
        and(vec![compare(BinaryOp::NotEqual, x, 0), compare(BinaryOp::Greater, &inverse(x), 2)])
    };
    let rows: &[(&[Scalar], &str)] =
        &[(&[i(0)], "false"), (&[i(1)], "true"), (&[n(BigInt)], "NULL"), (&[i(9)], "false")];
    check(|x| guarded(&x[0]), rows);
    let either = |x: &Expr| {
        or(vec![compare(BinaryOp::Equal, x, 0), compare(BinaryOp::Greater, &inverse(x), 2)])
    };
    let rows: &[(&[Scalar], &str)] =
        &[(&[i(0)], "true"), (&[i(1)], "true"), (&[n(BigInt)], "NULL"), (&[i(9)], "false")];
    check(|x| either(&x[0]), rows);
    // Without the guard, or behind it, the row is bad.
    check(
        |x| and(vec![compare(BinaryOp::Greater, &inverse(&x[0]), 2), Expr::literal(b(false))]),
        &[(&[i(0)], "bad: division by zero"), (&[i(1)], "false")],
    );
}

fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    expr(ExprKind::Case { branches, otherwise: otherwise.map(Box::new) }, BigInt)
}

#[test]
fn case_evaluates_the_branch_it_takes() {
    let guarded = |x: Vec<Expr>| {
        let branch = (compare(BinaryOp::NotEqual, &x[0], 0), inverse(&x[0]));
        case(vec![branch], Some(Expr::literal(i(-1))))
    };
    check(guarded, &[(&[i(0)], "-1"), (&[i(5)], "2"), (&[n(BigInt)], "-1"), (&[i(3)], "3")]);
    let in_otherwise = |x: Vec<Expr>| {
        let branch = (compare(BinaryOp::Equal, &x[0], 0), Expr::literal(i(0)));
        case(vec![branch], Some(inverse(&x[0])))
    };
    check(in_otherwise, &[(&[i(0)], "0"), (&[i(5)], "2"), (&[n(BigInt)], "NULL")]);
    let unguarded = |x: Vec<Expr>| {
        let branch = (compare(BinaryOp::Greater, &inverse(&x[0]), 2), Expr::literal(i(1)));
        case(vec![branch], None)
    };
    check(unguarded, &[(&[i(0)], "bad: division by zero"), (&[i(1)], "1"), (&[i(9)], "NULL")]);
}

#[test]
fn case_takes_the_first_true_branch() {
    let plain = |x: Vec<Expr>| {
        let branch =
            |value, result| (compare(BinaryOp::Less, &x[0], value), Expr::literal(i(result)));
        case(vec![branch(5, 1), branch(10, 2)], None)
    };
    check(plain, &[(&[i(0)], "1"), (&[i(7)], "2"), (&[i(10)], "NULL"), (&[n(BigInt)], "NULL")]);
    let constant = |x: Vec<Expr>| case(vec![(Expr::literal(b(true)), x[0].clone())], None);
    check(constant, &[(&[i(4)], "4"), (&[n(BigInt)], "NULL")]);
}

#[test]
fn coalesce_stops_at_the_first_value() {
    let plain = |x: Vec<Expr>| call(Function::Coalesce, x, BigInt);
    check(
        plain,
        &[(&[i(1), i(2)], "1"), (&[n(BigInt), i(2)], "2"), (&[n(BigInt), n(BigInt)], "NULL")],
    );
    let fallible = |x: Vec<Expr>| {
        let inverse = inverse(&x[1]);
        call(Function::Coalesce, vec![x[0].clone(), inverse], BigInt)
    };
    check(
        fallible,
        &[
            (&[i(1), i(0)], "1"),
            (&[n(BigInt), i(5)], "2"),
            (&[n(BigInt), n(BigInt)], "NULL"),
            (&[n(BigInt), i(0)], "bad: division by zero"),
        ],
    );
}
