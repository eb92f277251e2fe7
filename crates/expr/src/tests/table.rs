//! The table of functions against the kernels.

use DataType::BigInt;
use tidemill_plan::{Family, Kind, Returns, Signature};

use super::*;

/// An argument of a kind: a column, or a constant where one is needed.
fn argument_of(kind: Kind, at: usize) -> Expr {
    match kind {
        Kind::TruncUnit | Kind::PartUnit | Kind::StepUnit => Expr::literal(s("month")),
        Kind::WriteFormat | Kind::ReadFormat => Expr::literal(s("%Y")),
        Kind::Array => column(at, DataType::Array(Box::new(BigInt))),
        Kind::Item => column(at, BigInt),
        Kind::Number | Kind::Same => column(at, DataType::Integer),
        Kind::Plain => column(at, DataType::Varbinary),
        Kind::Wide => column(at, BigInt),
        other => column(at, other.data_type().unwrap()),
    }
}

fn result_of(signature: &Signature, arguments: &[Expr]) -> DataType {
    match signature.returns {
        Returns::Text => DataType::Varchar,
        Returns::Integer => BigInt,
        Returns::Tiny => DataType::TinyInt,
        Returns::Double => DataType::Double,
        Returns::Boolean => DataType::Boolean,
        Returns::Bytes => DataType::Varbinary,
        Returns::Time => DataType::Timestamp,
        Returns::Day => DataType::Date,
        Returns::Span => DataType::Interval,
        Returns::Texts => DataType::Array(Box::new(DataType::Varchar)),
        Returns::Item => BigInt,
        Returns::SameArray => DataType::Array(Box::new(arguments[0].data_type.clone())),
        Returns::First | Returns::Same | Returns::Bound => arguments[0].data_type.clone(),
    }
}

#[test]
fn every_signature_has_a_kernel() {
    for &function in Function::all() {
        // The binder makes COALESCE of this one.
        if function.family() == Family::Internal || function == Function::IfNull {
            continue;
        }
        for signature in function.signatures() {
            // The binder makes `+` and `-` of these.
            if matches!(function, Function::DateAdd | Function::DateSub) && signature.takes(2) {
                continue;
            }
            let most = signature.most().unwrap_or(signature.kinds.len() + 2);
            for count in signature.needed..=most {
                let arguments: Vec<Expr> =
                    (0..count).map(|at| argument_of(signature.kind(at), at)).collect();
                let result = result_of(signature, &arguments);
                let call = call(function, arguments, result);
                let compiled = crate::compile::compile(&call, &context());
                assert!(compiled.is_ok(), "{call}: {}", compiled.err().unwrap());
            }
        }
    }
}
