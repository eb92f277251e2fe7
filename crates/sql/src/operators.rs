//! Operators that `sqlparser` has no grammar for here: `**`, `//`, `BETWEEN SYMMETRIC`, and how tightly signs,
//! `||`, `->`, `^` and the operators of bits bind beside them.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, UnaryOperator,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

/// How tightly `**` and `^` bind: more than `*`, and less than a sign.
const POWER: u8 = 45;

/// How tightly the next operator binds, where that is not what `sqlparser` says.
pub(crate) fn next_precedence(
    dialect: &dyn Dialect,
    parser: &Parser<'_>,
) -> Option<Result<u8, ParserError>> {
    match parser.peek_token_ref().token {
        // What they give can be joined, computed with and compared.
        Token::Arrow | Token::LongArrow => Some(Ok(POWER + 1)),
        Token::Caret => Some(Ok(POWER)),
        // Less tightly than arithmetic and more than comparisons, as in DuckDB and PostgreSQL: `1 + 2 || 'a'` is
        // `3a`.
        Token::StringConcat
        | Token::Pipe
        | Token::Ampersand
        | Token::ShiftLeft
        | Token::ShiftRight => Some(Ok(dialect.prec_value(Precedence::PlusMinus) - 1)),
        _ if next_are(parser, &Token::Mul) => Some(Ok(POWER)),
        _ => None,
    }
}

/// `-x ** 2` is the square of `-x`, as in DuckDB: signs bind more tightly than `**`.
pub(crate) fn parse_sign(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let op = match parser.peek_token_ref().token {
        Token::Minus => UnaryOperator::Minus,
        Token::Plus => UnaryOperator::Plus,
        _ => return None,
    };
    parser.next_token();
    let operand = parser.parse_subexpr(POWER);
    Some(operand.map(|operand| Expr::UnaryOp { op, expr: Box::new(operand) }))
}

/// The operator behind `left`, if it is one of these.
pub(crate) fn parse_infix(
    dialect: &dyn Dialect,
    parser: &mut Parser<'_>,
    left: &Expr,
) -> Option<Result<Expr, ParserError>> {
    if next_are(parser, &Token::Mul) {
        let start = parser.next_token();
        parser.next_token();
        let right = parser.parse_subexpr(POWER);
        return Some(right.map(|right| power(left.clone(), right, start.span)));
    }
    if next_are(parser, &Token::Div) {
        parser.next_token();
        parser.next_token();
        let right = parser.parse_subexpr(dialect.prec_value(Precedence::MulDivModOp));
        return Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::DuckIntegerDivide,
            right: Box::new(right),
        }));
    }
    parse_symmetric(dialect, parser, left)
}

/// Whether the next two tokens are the same sign, with nothing between.
fn next_are(parser: &Parser<'_>, sign: &Token) -> bool {
    let (first, second) = (parser.peek_token_ref(), parser.peek_nth_token_ref(1));
    first.token == *sign && second.token == *sign && first.span.end == second.span.start
}

/// `left ** right` as the call that it is.
fn power(left: Expr, right: Expr, span: Span) -> Expr {
    let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
    let list = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![argument(left), argument(right)],
        clauses: Vec::new(),
    };
    let name = Ident { value: "POWER".to_owned(), quote_style: None, span };
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// `x [NOT] BETWEEN SYMMETRIC a AND b`: between the two, whichever is the lesser (SQL:2016, 8.3). `ASYMMETRIC`
/// is what is meant without it.
fn parse_symmetric(
    dialect: &dyn Dialect,
    parser: &mut Parser<'_>,
    left: &Expr,
) -> Option<Result<Expr, ParserError>> {
    let is = |at: usize, word: &str| {
        matches!(&parser.peek_nth_token_ref(at).token, Token::Word(found)
            if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
    };
    let is_negated = is(0, "NOT");
    let between = usize::from(is_negated);
    let is_symmetric = is(between + 1, "SYMMETRIC");
    if !is(between, "BETWEEN") || !is_symmetric && !is(between + 1, "ASYMMETRIC") {
        return None;
    }
    for _ in 0..between + 2 {
        parser.next_token();
    }
    let precedence = dialect.prec_value(Precedence::Between);
    let bounds = parser.parse_subexpr(precedence).and_then(|low| {
        parser.expect_keyword_is(Keyword::AND)?;
        Ok((low, parser.parse_subexpr(precedence)?))
    });
    Some(bounds.map(|(low, high)| either_way(left, low, high, is_symmetric, is_negated)))
}

fn either_way(left: &Expr, low: Expr, high: Expr, is_symmetric: bool, negated: bool) -> Expr {
    let between = |low: &Expr, high: &Expr, negated: bool| Expr::Between {
        expr: Box::new(left.clone()),
        negated,
        low: Box::new(low.clone()),
        high: Box::new(high.clone()),
    };
    if !is_symmetric {
        return between(&low, &high, negated);
    }
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(between(&low, &high, negated)),
        op,
        right: Box::new(between(&high, &low, negated)),
    }))
}
