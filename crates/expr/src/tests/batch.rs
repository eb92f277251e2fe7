//! Filters and projections over batches: which rows stay, and who is told about the others.

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_buffer::NullBuffer;
use tidemill_record::Offset;

use DataType::{BigInt, Boolean, Varchar};

use super::*;
use crate::Filter;

fn inverse() -> Expr {
    binary(BinaryOp::Divide, Expr::literal(i(10)), column(0, BigInt), BigInt)
}

fn filter(predicate: &Expr, batch: Batch) -> (Vec<Option<i64>>, Vec<u64>, Vec<BadRecord>) {
    let mut bad = Vec::new();
    let out = Filter::new(predicate, &context()).unwrap().apply(batch, &mut bad).unwrap();
    let values = out.column(0).as_primitive::<Int64Type>().iter().collect();
    (values, out.offsets().values().to_vec(), bad)
}

#[test]
fn a_filter_keeps_what_is_true() {
    let rows = batch(vec![array(&BigInt, &[i(5), n(BigInt), i(0), i(1), i(9), i(0)])]);
    let predicate = binary(BinaryOp::Greater, inverse(), Expr::literal(i(1)), Boolean);
    let (values, offsets, bad) = filter(&predicate, rows);
    assert_eq!(values, [Some(5), Some(1)]);
    assert_eq!(offsets, [0, 3]);
    let addresses: Vec<Offset> = bad.iter().map(|record| record.offset).collect();
    assert_eq!(addresses, [Offset(2), Offset(5)]);
    assert_eq!(bad[0].field.as_deref(), Some("((10 / c0) > 1)"));
    assert_eq!(bad[0].reason, "division by zero");
    assert_eq!(bad[0].raw, None);
}

#[test]
fn an_empty_batch_evaluates_nothing() {
    let rows = batch(vec![array(&BigInt, &[])]);
    let predicate = binary(BinaryOp::Greater, Expr::literal(i(1)), inverse(), Boolean);
    assert_eq!(filter(&predicate, rows.clone()), (vec![], vec![], vec![]));
    let failing = binary(BinaryOp::Divide, Expr::literal(i(1)), Expr::literal(i(0)), BigInt);
    assert!(outcomes(&failing, &rows).is_empty());
    let one = batch(vec![array(&BigInt, &[i(1), i(2)])]);
    assert_eq!(outcomes(&failing, &one), ["bad: division by zero"; 2]);
}

#[test]
fn a_batch_without_columns_keeps_its_rows() {
    let rows = Batch::new(Vec::new(), UInt64Array::from_iter_values([7, 8]));
    let (out, bad) = project(&Expr::literal(s("x")), &rows);
    assert_eq!((out.row_count(), bad.len()), (2, 0));
    let mut none = Project::new(&[], &context()).unwrap();
    assert_eq!(none.apply(rows.clone(), &mut Vec::new()).unwrap().row_count(), 2);
    let mut keep = Filter::new(&Expr::literal(b(true)), &context()).unwrap();
    assert_eq!(keep.apply(rows, &mut Vec::new()).unwrap().row_count(), 2);
}

#[test]
fn a_bad_row_is_reported_once_with_the_first_failing_column() {
    let named = |name: &str, expr| NamedExpr { name: name.to_owned(), expr };
    let plus = binary(BinaryOp::Add, column(0, BigInt), Expr::literal(i(i64::MAX)), BigInt);
    let columns = [named("x", column(0, BigInt)), named("plus", plus), named("inverse", inverse())];
    let rows = batch(vec![array(&BigInt, &[i(-1), i(0), i(1), n(BigInt)])]);
    let mut bad = Vec::new();
    let out = Project::new(&columns, &context()).unwrap().apply(rows, &mut bad).unwrap();
    assert_eq!(out.offsets().values(), &[0, 3]);
    let fields: Vec<_> = bad.iter().map(|r| (r.offset.0, r.field.as_deref().unwrap())).collect();
    assert_eq!(fields, [(1, "inverse"), (2, "plus")]);
}

#[test]
fn garbage_under_a_null_does_not_fail_a_row() {
    let values = vec![5, 0, i64::MIN, i64::MAX];
    let nulls = NullBuffer::from(vec![true, false, false, false]);
    let rows = batch(vec![arc(Int64Array::new(values.into(), Some(nulls)))]);
    let x = || column(0, BigInt);
    let to = |operand: Expr, data_type| {
        expr(ExprKind::Cast { operand: Box::new(operand), is_try: false }, data_type)
    };
    let fallible = [
        inverse(),
        unary(UnaryOp::Negate, x(), BigInt),
        binary(BinaryOp::Add, x(), x(), BigInt),
        call(Function::Abs, vec![x()], BigInt),
        call(Function::ToTimestamp, vec![x()], DataType::Timestamp),
        to(x(), DataType::TinyInt),
        to(x(), decimal(3, 1)),
        call(Function::Round, vec![x(), Expr::literal(i(-1))], BigInt),
    ];
    for expr in fallible {
        let texts = outcomes(&expr, &rows);
        assert_eq!(texts[1..], ["NULL"; 3], "{expr}");
        assert!(!texts[0].starts_with("bad"), "{expr}");
    }
}

#[test]
fn what_does_not_type_is_refused() {
    let text_plus = binary(BinaryOp::Add, Expr::literal(s("a")), Expr::literal(s("b")), Varchar);
    assert_eq!(
        evaluate_constant(&text_plus, &context()).unwrap_err(),
        "cannot evaluate ('a' + 'b'): not for VARCHAR, VARCHAR to VARCHAR"
    );
    assert!(Filter::new(&Expr::literal(i(1)), &context()).is_err());
    assert!(evaluate_constant(&column(0, BigInt), &context()).is_err());
}

/// `REPEAT(c0, c1)`, whose texts have as many bytes as `c1` says.
fn repeated() -> Expr {
    let arguments = vec![column(0, Varchar), column(1, BigInt)];
    expr(ExprKind::Call { function: Function::Repeat, arguments }, Varchar)
}

/// All rows of a batch, computed some at a time: how many each time, texts' lengths by offset, and bad offsets.
fn in_pieces(expr: &Expr, mut rows: Batch) -> (Vec<usize>, Vec<(u64, usize)>, Vec<u64>) {
    let columns = [NamedExpr { name: "t".to_owned(), expr: expr.clone() }];
    let mut project = Project::new(&columns, &context()).unwrap();
    let (mut counts, mut texts, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    while rows.row_count() > 0 {
        let (made, count) = project.apply_to_some(&rows, &mut bad).unwrap();
        let lengths = made.column(0).as_string_view().lengths().map(|length| length as usize);
        texts.extend(made.offsets().values().iter().copied().zip(lengths));
        counts.push(count);
        rows = rows.slice(count, rows.row_count() - count);
    }
    (counts, texts, bad.iter().map(|record| record.offset.0).collect())
}

#[test]
fn rows_that_make_much_text_are_computed_a_few_at_a_time() {
    const MIB: i64 = 1 << 20;
    let lengths: Vec<i64> =
        (0..64).map(|row| if row < 40 { 3 * MIB } else { 1000 + row }).collect();
    let texts = lengths.iter().map(|_| s("x")).collect::<Vec<_>>();
    let given: Vec<_> = lengths.iter().map(|&length| i(length)).collect();
    let rows = batch(vec![array(&Varchar, &texts), array(&BigInt, &given)]);
    let (counts, made, bad) = in_pieces(&repeated(), rows);
    assert!(bad.is_empty());
    // At most 16 MiB are made at a time, which are five of these; few small ones go together again.
    assert!(counts[0] <= 5 && counts.len() >= 8 && counts.len() < 24, "{counts:?}");
    let expected: Vec<(u64, usize)> =
        (0..).zip(lengths.iter().map(|&length| usize::try_from(length).unwrap())).collect();
    assert_eq!(made, expected);
}

#[test]
fn bad_rows_among_them_are_found_in_order() {
    const MIB: i64 = 1 << 20;
    // A text of 17 MiB is longer than any may be.
    let lengths: Vec<i64> =
        (0..50).map(|row| if row % 7 == 3 { 17 * MIB } else { 2 * MIB }).collect();
    let texts = lengths.iter().map(|_| s("x")).collect::<Vec<_>>();
    let given: Vec<_> = lengths.iter().map(|&length| i(length)).collect();
    let rows = batch(vec![array(&Varchar, &texts), array(&BigInt, &given)]);
    let (_, made, bad) = in_pieces(&repeated(), rows);
    let is_bad = |row: &u64| row % 7 == 3;
    assert_eq!(bad, (0..50).filter(is_bad).collect::<Vec<_>>());
    let good: Vec<u64> = (0..50).filter(|row| !is_bad(row)).collect();
    assert_eq!(made.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), good);
    assert!(made.iter().all(|(_, length)| *length == 2 << 20));
}

#[test]
fn one_entry_of_a_dictionary_is_computed_once() {
    let text = "a text that is too long to stand in its view";
    let source = arrow_array::StringViewArray::from(vec![
        Some(text),
        None,
        Some("another text, as long as the first one is"),
    ]);
    let places = [0, 0, 1, 0, 2, 2, 2, 0, 0].repeat(10);
    let places = arrow_array::UInt32Array::from(places);
    let column_0 = arrow_select::take::take(&source, &places, None).unwrap();
    let arguments = vec![column(0, Varchar)];
    let upper = expr(ExprKind::Call { function: Function::Upper, arguments }, Varchar);
    let (made, bad) = project(&upper, &batch(vec![column_0.clone()]));
    assert!(bad.is_empty());
    let upper = |text: Option<&str>| text.map(str::to_uppercase);
    let expected: Vec<_> = column_0.as_string_view().iter().map(upper).collect();
    let texts: Vec<_> =
        made.column(0).as_string_view().iter().map(|text| text.map(str::to_owned)).collect();
    assert_eq!(texts, expected);
    let bytes: usize = made.column(0).as_string_view().data_buffers().iter().map(|b| b.len()).sum();
    // One text of each of the two entries, whatever stands between them.
    assert_eq!(bytes, source.value(0).len() + source.value(2).len());
}
