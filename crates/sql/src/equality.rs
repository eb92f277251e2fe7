//! Whether two expressions compute the same, wherever they stand; and how large they are.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use tidemill_plan::{Expr, ExprKind};

/// Nodes of an expression.
pub(crate) fn node_count(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(node_count).sum::<usize>()
}

/// Whether it costs nothing to compute it twice, and cannot fail.
pub(crate) fn is_leaf(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Column { .. } | ExprKind::Literal(_))
}

/// Whether it reads no column.
pub(crate) fn reads_columns(expr: &Expr) -> bool {
    let mut found = false;
    expr.for_each_column(&mut |_| found = true);
    found
}

/// Levels of an expression.
pub(crate) fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

/// Whether two expressions compute the same, wherever they stand.
pub(crate) fn same(a: &Expr, b: &Expr) -> bool {
    use ExprKind as K;
    let is_alike = match (&a.kind, &b.kind) {
        (K::Column { index: a, .. }, K::Column { index: b, .. }) => a == b,
        (K::Literal(a), K::Literal(b)) => a == b,
        (K::Unary { op: a, .. }, K::Unary { op: b, .. }) => a == b,
        (K::Binary { op: a, .. }, K::Binary { op: b, .. }) => a == b,
        (K::And(a), K::And(b)) | (K::Or(a), K::Or(b)) => a.len() == b.len(),
        (K::Cast { is_try: a, .. }, K::Cast { is_try: b, .. }) => a == b,
        (K::Read { is_inferred: a, .. }, K::Read { is_inferred: b, .. }) => a == b,
        (
            K::Case { branches: a, otherwise: an_otherwise },
            K::Case { branches: b, otherwise: b_otherwise },
        ) => a.len() == b.len() && an_otherwise.is_some() == b_otherwise.is_some(),
        (
            K::InList { list: a, is_negated: a_negated, .. },
            K::InList { list: b, is_negated: b_negated, .. },
        ) => a_negated == b_negated && a == b,
        (
            K::Like { is_negated: a, is_case_insensitive: a_folds, escape: a_escape, .. },
            K::Like { is_negated: b, is_case_insensitive: b_folds, escape: b_escape, .. },
        ) => a == b && a_folds == b_folds && a_escape == b_escape,
        (
            K::Call { function: a, arguments: a_list },
            K::Call { function: b, arguments: b_list },
        ) => a == b && a_list.len() == b_list.len(),
        (
            K::CallUser { function: a, signature: a_signature, .. },
            K::CallUser { function: b, signature: b_signature, .. },
        ) => a == b && a_signature == b_signature,
        _ => false,
    };
    is_alike
        && a.data_type == b.data_type
        && a.children().into_iter().zip(b.children()).all(|(a, b)| same(a, b))
}

/// A hash that expressions have in common which compute the same.
pub(crate) fn hash_of<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> u64 {
    let mut hasher = DefaultHasher::new();
    exprs.into_iter().for_each(|expr| hash_into(expr, &mut hasher));
    hasher.finish()
}

fn hash_into(expr: &Expr, hasher: &mut DefaultHasher) {
    discriminant(&expr.kind).hash(hasher);
    match &expr.kind {
        ExprKind::Column { index, .. } => index.hash(hasher),
        // Zeros of both signs are equal.
        ExprKind::Literal(value) => format!("{value:?}").replace('-', "").hash(hasher),
        ExprKind::Binary { op, .. } => discriminant(op).hash(hasher),
        ExprKind::Call { function, .. } => discriminant(function).hash(hasher),
        _ => {}
    }
    let children = expr.children();
    children.len().hash(hasher);
    children.into_iter().for_each(|child| hash_into(child, hasher));
}

/// Where in a list those of a hash stand: of twenty thousand calls each is compared with few others.
#[derive(Default)]
pub(crate) struct Places(HashMap<u64, Vec<usize>>);

impl Places {
    /// The first of this hash that is the one.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        self.0.get(&hash)?.iter().copied().find(|&place| is_it(place))
    }

    pub(crate) fn add(&mut self, hash: u64, place: usize) {
        self.0.entry(hash).or_default().push(place);
    }
}

/// Expressions in a list, each once: where one stands that computes the same.
pub(crate) struct Once<T> {
    pub(crate) listed: Vec<T>,
    expr_of: fn(&T) -> &Expr,
    places: Places,
}

impl<T> Once<T> {
    pub(crate) fn new(listed: Vec<T>, expr_of: fn(&T) -> &Expr) -> Self {
        let mut places = Places::default();
        listed
            .iter()
            .enumerate()
            .for_each(|(place, one)| places.add(hash_of([expr_of(one)]), place));
        Self { listed, expr_of, places }
    }

    /// The place of an expression, which is put behind all others if it is not there.
    pub(crate) fn place(&mut self, expr: Expr, listed: impl FnOnce(Expr) -> T) -> usize {
        let hash = hash_of([&expr]);
        let found = self.places.find(hash, |at| same((self.expr_of)(&self.listed[at]), &expr));
        found.unwrap_or_else(|| {
            self.listed.push(listed(expr));
            self.places.add(hash, self.listed.len() - 1);
            self.listed.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tidemill_plan::{BinaryOp, Scalar, Span};
    use tidemill_record::DataType;

    use super::*;

    fn plus(column: usize, value: Scalar) -> Expr {
        let span = Span { start: 0, end: 0 };
        let of = |kind| Box::new(Expr { kind, data_type: DataType::Double, span });
        let left = of(ExprKind::Column { index: column, name: "n".to_owned() });
        let right = of(ExprKind::Literal(value));
        *of(ExprKind::Binary { op: BinaryOp::Add, left, right })
    }

    #[test]
    fn what_is_the_same_has_one_hash_and_one_place_and_others_have_others() {
        let double = |value: f64| plus(0, Scalar::Double(value));
        assert!(same(&double(0.0), &double(-0.0)));
        assert_eq!(hash_of([&double(0.0)]), hash_of([&double(-0.0)]));
        let mut once = Once::new(vec![double(0.0)], |expr| expr);
        let all = (0..1000).map(|at| plus(at % 10, Scalar::BigInt(i64::try_from(at).unwrap())));
        let all: Vec<Expr> = all.collect();
        let places: Vec<usize> = all.iter().map(|expr| once.place(expr.clone(), |it| it)).collect();
        assert_eq!(places, (1..=1000).collect::<Vec<_>>());
        let again: Vec<usize> = all.iter().map(|expr| once.place(expr.clone(), |it| it)).collect();
        assert_eq!(again, places);
        assert_eq!(once.place(double(-0.0), |it| it), 0);
        // Nobody is compared with many.
        assert!(once.places.0.values().all(|places| places.len() <= 2), "{:?}", once.places.0);
    }
}
