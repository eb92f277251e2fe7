//! What an inferred schema does not have, and what a type does not hold, is counted and named.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, Field as ArrowField};
use tidemill_format::{LeftOut, Lost};
use tidemill_plan::{CsvOptions, Format, JsonOptions, TimestampUnit};
use tidemill_record::{DataType, Field, Offset, Schema};

use crate::decoding::{self, ARROW};

fn json() -> Format {
    Format::Json(JsonOptions::default())
}

fn csv() -> Format {
    Format::Csv(CsvOptions::default())
}

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, of)| Field::nullable(*name, of.clone())).collect())
}

fn lost(what: Lost, count: u64, first: usize) -> LeftOut {
    LeftOut { what, count, first: Offset(first as u64) }
}

/// What is left out, which is the same however the input is cut, and why records are bad.
fn check(format: &Format, schema: &Schema, input: &str, expected: &[LeftOut]) -> Vec<String> {
    let input = input.as_bytes();
    let (found, reasons) = decoding::left_out(format, schema, input, input.len(), 8192);
    assert_eq!(found, expected);
    for (length, batch_rows) in [(1, 1), (7, 3), (100, 8192)] {
        assert_eq!(decoding::left_out(format, schema, input, length, batch_rows).0, expected);
    }
    reasons
}

fn key(name: &str) -> Lost {
    Lost::Key(name.to_owned())
}

#[test]
fn every_record_with_an_unknown_key_is_counted() {
    let columns = schema(&[("id", DataType::BigInt), ("name", DataType::Varchar)]);
    let (mut input, mut first_a, mut first_long, mut count) = (String::new(), None, None, 0);
    for row in 0..2000 {
        let start = input.len();
        match row % 5 {
            3 => {
                first_a.get_or_insert(start);
                count += 1;
                input.push_str(&format!("{{\"id\":{row},\"a\":1,\"name\":\"x\",\"a\":2}}\n"));
            }
            4 => {
                first_long.get_or_insert(start);
                input.push_str(&format!(
                    "{{\"id\":{row},\"name\":\"x\",\"a key of more than sixteen\":[1,{{\"b\":2}}]}}\n"
                ));
            }
            _ => input.push_str(&format!("{{\"id\":{row},\"name\":\"x\"}}\n")),
        }
    }
    let expected = [
        lost(key("a"), count, first_a.unwrap()),
        lost(key("a key of more than sixteen"), 400, first_long.unwrap()),
    ];
    assert_eq!(count, 400);
    assert!(check(&json(), &columns, &input, &expected).is_empty());
}

#[test]
fn keys_are_known_in_any_case_and_of_bad_records_none_is_counted() {
    let columns = schema(&[("userId", DataType::BigInt)]);
    let input = "{\"USERID\":1}\n{\"userId\":2,\"x\":}\n{\"\\u0065rr\":1,\"\":2}\n";
    let expected = [lost(key("err"), 1, 31), lost(key(""), 1, 31)];
    assert_eq!(check(&json(), &columns, input, &expected).len(), 1);
}

#[test]
fn keys_without_end_are_counted_together() {
    let columns = schema(&[("id", DataType::BigInt)]);
    let record = |row: usize| format!("{{\"id\":{row},\"k{row:03}\":1}}\n");
    let input: String = (0..200).map(record).collect();
    let mut expected: Vec<LeftOut> = (0..64)
        .map(|row| lost(key(&format!("k{row:03}")), 1, input.find(&record(row)).unwrap()))
        .collect();
    expected.push(lost(Lost::FurtherKeys, 136, input.find(&record(64)).unwrap()));
    check(&json(), &columns, &input, &expected);
}

#[test]
fn columns_of_a_header_that_nobody_knows_are_named() {
    let columns = schema(&[("a", DataType::BigInt), ("b", DataType::BigInt)]);
    let column = |name: &str| lost(Lost::Column(name.to_owned()), 1, 0);
    check(&csv(), &columns, "b,extra,A,\n1,2,3,4\n", &[column("extra"), column("column3")]);
    check(&csv(), &columns, "b,a\n1,2\n", &[]);
}

#[test]
fn columns_of_arrow_that_nobody_knows_are_named_with_types_that_none_holds() {
    let fields = vec![
        ArrowField::new("a", ArrowType::Int64, true),
        ArrowField::new("more", ArrowType::Int64, true),
        ArrowField::new("span", ArrowType::Duration(arrow_schema::TimeUnit::Second), true),
    ];
    let arrow = Arc::new(arrow_schema::Schema::new(fields));
    let numbers = Arc::new(Int64Array::from(vec![1, 2]));
    let spans = Arc::new(arrow_array::DurationSecondArray::from(vec![1, 2]));
    let batch = RecordBatch::try_new(arrow.clone(), vec![numbers.clone(), numbers, spans]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut bytes, &arrow).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let columns = schema(&[("a", DataType::BigInt)]);
    let (found, _) = decoding::left_out(&ARROW, &columns, &bytes, bytes.len(), 10);
    let [more, span] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(*more, lost(Lost::Column("more".to_owned()), 1, 0));
    assert!(
        matches!(&span.what, Lost::Type { column, reason } if column == "span" && reason.contains("Duration")),
        "{span:?}"
    );
}

#[test]
fn digits_below_the_microsecond_are_counted() {
    let columns = schema(&[("t", DataType::Timestamp), ("n", DataType::BigInt)]);
    let whole = "2024-01-01 00:00:00.123456000,1\n2024-01-01T00:00:00.123456+01:00,2\n,3\n";
    let mut input = format!("t,n\n{}", whole.repeat(300));
    let first = input.len();
    input.push_str("2024-01-01 00:00:00.1234567Z,4\n");
    input.push_str(whole);
    input.push_str("\"2024-01-01 00:00:00.000000001+05:30\",5\n2024-01-01 00:00:00.0000001x,6\n");
    let digits = lost(Lost::Digits("t".to_owned()), 2, first);
    assert_eq!(check(&csv(), &columns, &input, &[digits]).len(), 1);
    let nanos = Format::Json(JsonOptions {
        timestamp_unit: TimestampUnit::Nanoseconds,
        ..JsonOptions::default()
    });
    let input = "{\"t\":1704067200000001000}\n{\"t\":0}\n{\"t\":1704067200000001001}\n{\"t\":-5}\n";
    check(&nanos, &columns, input, &[lost(Lost::Digits("t".to_owned()), 2, 34)]);
}

#[test]
fn an_inferred_double_takes_no_digits_that_it_does_not_give_back() {
    let columns = schema(&[("n", DataType::Double)]);
    for (format, input) in [
        (csv(), "n\n1.5\n18446744073709551615\n-0.30000000000000004\n0.12345678901234567891\n"),
        (json(), "{\"n\":9007199254740993}\n{\"n\":1e300}\n{\"n\":0.12345678901234567891}\n"),
    ] {
        let reasons = check(&format, &columns, input, &[]);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains("more digits than DOUBLE")));
        // Who declares a DOUBLE asks for the nearest one.
        assert_eq!(decoding::decode(&format, &columns, input.as_bytes()).unwrap().bad, []);
    }
}

#[test]
fn an_inferred_integer_takes_no_identifier() {
    let columns = schema(&[("n", DataType::BigInt), ("m", DataType::BigInt)]);
    let marked =
        ["02134", "-007", "+5", "00", " +12 ", "\"0123\"", "+4930123456789", "000000000000000001"];
    let plain = "0,-0\n10,-10\n0.0,1e3\n,5\n 7,900000000000000000\n";
    let mut input = format!("n,m\n{}", plain.repeat(200));
    for text in marked {
        input.push_str(&format!("{text},1\n1,{text}\n{plain}"));
    }
    let reasons = check(&csv(), &columns, &input, &[]);
    assert_eq!(reasons.len(), 2 * marked.len(), "{reasons:?}");
    for reason in reasons {
        assert!(reason.contains("zero or plus") && reason.contains("VARCHAR"), "{reason}");
    }
    // Who declares a BIGINT asks for the number.
    assert_eq!(decoding::decode(&csv(), &columns, input.as_bytes()).unwrap().bad, []);
    let input = "{\"n\":1,\"m\":0}\n{\"n\":\"02134\"}\n{\"n\":\"+x\"}\n{\"m\":-5}\n";
    let reasons = check(&json(), &columns, input, &[]);
    assert_eq!(reasons.len(), 2, "each once: {reasons:?}");
}

#[test]
fn a_value_that_does_not_fit_an_inferred_type_is_told_what_to_do() {
    let columns = schema(&[("n", DataType::BigInt)]);
    for (format, input) in [(csv(), "n\n1\nx\n"), (json(), "{\"n\":1}\n{\"n\":\"x\"}\n")] {
        let reasons = check(&format, &columns, input, &[]);
        let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
        assert!(reason.contains("inferred") && reason.contains("as VARCHAR for any"), "{reason}");
    }
    let columns = schema(&[("n", DataType::Decimal { precision: 38, scale: 2 })]);
    for (format, input) in [(csv(), "n\n1.25\n1.255\n"), (json(), "{\"n\":1}\n{\"n\":0.001}\n")] {
        let reasons = check(&format, &columns, input, &[]);
        let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
        let remedy = "as DOUBLE to round or VARCHAR to keep the text";
        assert!(reason.contains("inferred") && reason.ends_with(remedy), "{reason}");
    }
}
