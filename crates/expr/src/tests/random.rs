//! Random expressions over random batches: nothing panics, and how a batch is cut does not matter.

use DataType::{BigInt, Boolean, Double, Timestamp, Varchar};

use super::*;

/// A linear congruential generator (Knuth, MMIX); the seed is in every message.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap()].clone()
    }

    fn scalar(&mut self, data_type: &DataType) -> Scalar {
        if self.below(5) == 0 {
            return n(data_type.clone());
        }
        match data_type {
            BigInt => {
                self.pick(&[i(0), i(1), i(-1), i(7), i(i64::MAX), i(i64::MIN), i(1_704_164_645)])
            }
            Double => self.pick(&[
                f(0.0),
                f(-0.0),
                f(f64::NAN),
                f(f64::INFINITY),
                f(1.5),
                f(1e300),
                f(-2.5),
            ]),
            Boolean => self.pick(&[b(true), b(false)]),
            Timestamp => self.pick(&[
                t("2024-02-29 01:02:03.5"),
                Scalar::Timestamp(i64::MAX),
                Scalar::Timestamp(i64::MIN),
                t("1969-12-31"),
            ]),
            _ => self.pick(&[
                s(""),
                s("a%_"),
                s("12"),
                s(" -1.5e3 "),
                s("2024-01-02 03:04:05"),
                s("é(x"),
                s("true"),
                s(r#"{"a":[1]}"#),
                s("$.a"),
                s("day"),
                s("%Y"),
                s("a text that no view holds inline"),
            ]),
        }
    }

    fn expr(&mut self, data_type: &DataType, depth: u32) -> Expr {
        let types = [BigInt, Double, Boolean, Timestamp, Varchar];
        if depth == 0 || self.below(6) == 0 {
            let at = types.iter().position(|other| other == data_type).unwrap();
            return match self.below(3) {
                0 => Expr::literal(self.scalar(data_type)),
                _ => column(at, data_type.clone()),
            };
        }
        match self.below(4) {
            0 => {
                let otherwise = Some(Box::new(self.expr(data_type, depth - 1)));
                let branches =
                    vec![(self.expr(&Boolean, depth - 1), self.expr(data_type, depth - 1))];
                expr(ExprKind::Case { branches, otherwise }, data_type.clone())
            }
            1 => {
                let arguments =
                    vec![self.expr(data_type, depth - 1), self.expr(data_type, depth - 1)];
                let function = self.pick(&[
                    Function::Coalesce,
                    Function::NullIf,
                    Function::Greatest,
                    Function::Least,
                ]);
                call(function, arguments, data_type.clone())
            }
            _ => self.operation(data_type, depth - 1),
        }
    }

    fn operation(&mut self, data_type: &DataType, depth: u32) -> Expr {
        use Function::*;
        let is_try = self.below(2) == 0;
        let arguments = |random: &mut Self, types: &[&DataType]| -> Vec<Expr> {
            types.iter().map(|of| random.expr(of, depth)).collect()
        };
        match data_type {
            BigInt | Double if self.below(2) == 0 => {
                let op = self.pick(&[
                    BinaryOp::Add,
                    BinaryOp::Subtract,
                    BinaryOp::Multiply,
                    BinaryOp::Divide,
                    BinaryOp::Modulo,
                ]);
                let mut sides = arguments(self, &[data_type, data_type]);
                let right = sides.remove(1);
                binary(op, sides.remove(0), right, data_type.clone())
            }
            BigInt => {
                let (function, types): (Function, &[&DataType]) = self.pick(&[
                    (Length, &[&Varchar] as &[&DataType]),
                    (Abs, &[&BigInt]),
                    (Round, &[&BigInt, &BigInt]),
                    (Position, &[&Varchar, &Varchar]),
                    (DatePart, &[&Varchar, &Timestamp]),
                    (Hash, &[&Varchar, &Double, &Timestamp]),
                    (Sign, &[&Double]),
                ]);
                // A constant unit or pattern may be refused; a column never is.
                let arguments = if function == DatePart {
                    vec![column(4, Varchar), self.expr(&Timestamp, depth)]
                } else {
                    arguments(self, types)
                };
                call(function, arguments, BigInt)
            }
            Double => {
                let function = self.pick(&[Sqrt, Ln, Exp, Floor, Ceil, Round]);
                call(function, arguments(self, &[&Double]), Double)
            }
            Boolean => self.predicate(depth),
            Timestamp => {
                let operand = Box::new(self.expr(&Varchar, depth));
                expr(ExprKind::Cast { operand, is_try }, Timestamp)
            }
            _ => {
                let (function, types): (Function, &[&DataType]) = self.pick(&[
                    (Upper, &[&Varchar] as &[&DataType]),
                    (Substring, &[&Varchar, &BigInt, &BigInt]),
                    (Left, &[&Varchar, &BigInt]),
                    (Right, &[&Varchar, &BigInt]),
                    (SplitPart, &[&Varchar, &Varchar, &BigInt]),
                    (Concat, &[&Varchar, &Varchar]),
                    (Replace, &[&Varchar, &Varchar, &Varchar]),
                    (Trim, &[&Varchar, &Varchar]),
                    (Md5, &[&Varchar]),
                ]);
                if is_try {
                    let of = self.pick(&[BigInt, Double, Timestamp, Boolean]);
                    let operand = Box::new(self.expr(&of, depth));
                    return expr(ExprKind::Cast { operand, is_try: false }, Varchar);
                }
                call(function, arguments(self, types), Varchar)
            }
        }
    }

    fn predicate(&mut self, depth: u32) -> Expr {
        let of = self.pick(&[BigInt, Double, Timestamp, Varchar, Boolean]);
        match self.below(6) {
            0 => expr(
                ExprKind::And(vec![self.expr(&Boolean, depth), self.expr(&Boolean, depth)]),
                Boolean,
            ),
            1 => expr(
                ExprKind::Or(vec![self.expr(&Boolean, depth), self.expr(&Boolean, depth)]),
                Boolean,
            ),
            2 => {
                let list = (0..3).map(|_| self.scalar(&of)).collect();
                let operand = Box::new(self.expr(&of, depth));
                expr(ExprKind::InList { operand, list, is_negated: self.below(2) == 0 }, Boolean)
            }
            3 => {
                let kind = ExprKind::Like {
                    operand: Box::new(self.expr(&Varchar, depth)),
                    pattern: Box::new(self.expr(&Varchar, depth)),
                    is_negated: self.below(2) == 0,
                    is_case_insensitive: self.below(2) == 0,
                    escape: None,
                };
                expr(kind, Boolean)
            }
            4 => unary(
                self.pick(&[UnaryOp::IsNull, UnaryOp::IsNotNull]),
                self.expr(&of, depth),
                Boolean,
            ),
            _ => {
                let op = self.pick(&[BinaryOp::Equal, BinaryOp::Less, BinaryOp::IsDistinctFrom]);
                binary(op, self.expr(&of, depth), self.expr(&of, depth), Boolean)
            }
        }
    }
}

#[test]
fn slices_yield_what_the_batch_yields() {
    for seed in 0..1500 {
        let mut random = Random(seed);
        let types = [BigInt, Double, Boolean, Timestamp, Varchar];
        let row_count = usize::try_from(random.below(12)).unwrap();
        let columns = types.iter().map(|of| {
            let values: Vec<Scalar> = (0..row_count).map(|_| random.scalar(of)).collect();
            array(of, &values)
        });
        let whole = batch(columns.collect());
        let of = random.pick(&types);
        let expr = random.expr(&of, 4);
        let expected = outcomes(&expr, &whole);
        for size in [1, 4, 5] {
            let mut sliced = Vec::new();
            for start in (0..row_count).step_by(size) {
                sliced.extend(outcomes(&expr, &whole.slice(start, size.min(row_count - start))));
            }
            assert_eq!(sliced, expected, "seed {seed}: {expr}");
        }
    }
}
