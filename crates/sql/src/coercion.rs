//! Which types meet in which, and which casts exist.
//!
//! Implicit casts widen: integers, then decimals, then floats; `DATE` to `TIMESTAMP`. Literals
//! are flexible instead: a string, a number or NULL takes the type of what it meets.

use tidemill_plan::BinaryOp;
use tidemill_record::DataType;

/// The type that values of both types convert to without being asked; `None` if there is none. O(1).
pub fn unify(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Date, Decimal, Double, Real, Timestamp};
    if a == b {
        return Some(a.clone());
    }
    if let (Date, Timestamp) | (Timestamp, Date) = (a, b) {
        return Some(Timestamp);
    }
    if !a.is_numeric() || !b.is_numeric() {
        return None;
    }
    if *a == Double || *b == Double {
        return Some(Double);
    }
    if *a == Real || *b == Real {
        return Some(Real);
    }
    if a.is_integer() && b.is_integer() {
        return Some(if integer_digits(a) >= integer_digits(b) { a.clone() } else { b.clone() });
    }
    let ((p1, s1), (p2, s2)) = (decimal_shape(a)?, decimal_shape(b)?);
    let scale = s1.max(s2);
    let precision = (p1 - s1).max(p2 - s2) + scale;
    Some(if precision > 38 { Double } else { Decimal { precision, scale } })
}

/// Digits that every value of an integer type fits in.
fn integer_digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::TinyInt => 3,
        DataType::SmallInt => 5,
        DataType::Integer => 10,
        _ => 19,
    }
}

/// Precision and scale as a decimal; `None` for floats and what is not a number.
pub(crate) fn decimal_shape(data_type: &DataType) -> Option<(u8, u8)> {
    match data_type {
        DataType::Decimal { precision, scale } => Some((*precision, *scale)),
        other if other.is_integer() => Some((integer_digits(other), 0)),
        _ => None,
    }
}

/// The type of decimal arithmetic, by the rules of Arrow's kernels (those of Hive).
///
/// Source: `arrow-arith`, `numeric.rs`, `decimal_op`. `None` where the scale of a product would
/// pass 38.
pub(crate) fn decimal_result(op: BinaryOp, left: (u8, u8), right: (u8, u8)) -> Option<DataType> {
    let ((p1, s1), (p2, s2)) = (left, right);
    let (precision, scale) = match op {
        BinaryOp::Add | BinaryOp::Subtract => {
            let scale = s1.max(s2);
            (scale + (p1 - s1).max(p2 - s2) + 1, scale)
        }
        BinaryOp::Multiply => (p1 + p2 + 1, s1 + s2),
        BinaryOp::Divide => {
            let scale = (s1 + 4).min(38);
            ((scale + s2 + p1).saturating_sub(s1).max(scale), scale)
        }
        BinaryOp::Modulo => {
            let scale = s1.max(s2);
            (scale + (p1 - s1).min(p2 - s2), scale)
        }
        _ => return None,
    };
    if scale > 38 {
        return None;
    }
    Some(DataType::Decimal { precision: precision.clamp(1, 38), scale })
}

/// The type of `ROUND`, `FLOOR` and `CEIL` of a decimal: its scale, and a digit more before the point,
/// which `99.9` needs as it becomes `100.0`. Past 38 digits the last one behind the point goes, if
/// it is zero anyway: rounded to `digits` behind the point, where that is known.
pub(crate) fn rounded_decimal(precision: u8, scale: u8, digits: Option<i64>) -> DataType {
    let rounds = digits.is_none_or(|digits| digits < i64::from(scale));
    let (precision, scale) = match (rounds, digits) {
        (true, _) if precision < 38 => (precision + 1, scale),
        (true, Some(_)) if scale > 0 => (38, scale - 1),
        _ => (precision, scale),
    };
    DataType::Decimal { precision, scale }
}

/// Whether `CAST` can turn one type into the other (a value may still fail).
pub(crate) fn is_castable(from: &DataType, to: &DataType) -> bool {
    use DataType::{Array, Boolean, Date, Interval, Timestamp, Varbinary, Varchar};
    match (from, to) {
        (Array(a), Array(b)) => a == b,
        (Array(_), _) | (_, Array(_)) => false,
        (a, b) if a == b => true,
        (_, Varchar) | (Varchar, _) => true,
        (Boolean, b) => b.is_integer(),
        (a, Boolean) => a.is_integer(),
        (Date, Timestamp) | (Timestamp, Date) => true,
        (Varbinary | Interval | Date | Timestamp, _) => false,
        (a, b) => a.is_numeric() && b.is_numeric(),
    }
}

/// Whether values of the type have an order (`<`, `ORDER BY`, `MIN`).
pub(crate) fn is_ordered(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Array(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(precision: u8, scale: u8) -> DataType {
        DataType::Decimal { precision, scale }
    }

    #[test]
    fn decimals_meet_where_both_fit() {
        assert_eq!(unify(&decimal(5, 2), &decimal(4, 3)), Some(decimal(6, 3)));
        assert_eq!(unify(&DataType::BigInt, &decimal(5, 2)), Some(decimal(21, 2)));
        assert_eq!(unify(&decimal(38, 0), &decimal(38, 38)), Some(DataType::Double));
        assert_eq!(unify(&DataType::BigInt, &DataType::Real), Some(DataType::Real));
        assert_eq!(unify(&DataType::Varchar, &DataType::BigInt), None);
    }

    #[test]
    fn rounding_makes_room_for_a_digit() {
        assert_eq!(rounded_decimal(2, 2, Some(0)), decimal(3, 2));
        assert_eq!(rounded_decimal(2, 0, Some(0)), decimal(2, 0));
        assert_eq!(rounded_decimal(2, 0, Some(-1)), decimal(3, 0));
        assert_eq!(rounded_decimal(4, 2, Some(3)), decimal(4, 2));
        assert_eq!(rounded_decimal(38, 37, Some(0)), decimal(38, 36));
        assert_eq!(rounded_decimal(38, 38, Some(37)), decimal(38, 37));
        // A last digit that may be kept stays.
        assert_eq!(rounded_decimal(38, 37, None), decimal(38, 37));
        assert_eq!(rounded_decimal(38, 37, Some(37)), decimal(38, 37));
    }

    /// Hand-computed from the formulas in `decimal_op`.
    #[test]
    fn decimal_arithmetic_has_arrows_types() {
        let (a, b) = ((10, 2), (5, 3));
        assert_eq!(decimal_result(BinaryOp::Add, a, b), Some(decimal(12, 3)));
        assert_eq!(decimal_result(BinaryOp::Multiply, a, b), Some(decimal(16, 5)));
        assert_eq!(decimal_result(BinaryOp::Divide, a, b), Some(decimal(17, 6)));
        assert_eq!(decimal_result(BinaryOp::Modulo, a, b), Some(decimal(5, 3)));
        assert_eq!(decimal_result(BinaryOp::Multiply, (38, 20), (38, 20)), None);
    }
}
