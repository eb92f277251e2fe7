//! JSON lines: against `serde_json`, and the choices it leaves.

use arrow_array::StringViewArray;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::Value;
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_plan::{Format, JsonOptions};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

#[path = "../../fuzz/src/slow_json.rs"]
mod slow_json;

use crate::decoding::{check_every_cut, decode, texts_schema};

const JSON: Format = Format::Json(JsonOptions {
    timestamp_unit: tidemill_plan::TimestampUnit::Milliseconds,
    times: tidemill_plan::Times::USUAL,
    layout: tidemill_plan::JsonLayout::Lines,
});

const RECORDS: [&str; 12] = [
    r#"{"a":"plain","b":"a text that is longer than twelve bytes","c":1}"#,
    r#"{"a":"esc\"\\\/\b\f\n\r\tA","b":"\ud83d\ude00 \u00e9","c":-1.5e+3}"#,
    r#" { "c" : [ 1 , {"a":[]} , "]" ] , "a" : null , "b" : true } "#,
    r#"{"a":{"a":"inner","z":[{},[[]]]},"b":0.1,"c":"\\"}"#,
    r#"{"b":"first","b":"second","\u0061":"escaped key","d":false}"#,
    r#"{}"#,
    r#"{"a":"é日本😀","long key that is not needed at all":[-0,0e0,1E-2],"b":""}"#,
    r#"{"a":"\ud800","b":1}"#,
    r#"{"a":01,"b":1.,"c":+1}"#,
    r#"[1,2]"#,
    r#"{"a":1,"x":{"y":[tru,{"z" 1}],"w":"\q"},"b":[1],"n":01e,"m":.}"#,
    r#"{"long":"a text that is longer than a block of sixty-four bytes, with \"quotes\" and \\","b":"c","a":{}}"#,
];

/// The columns `a` and `b` of a record, or `None` for a bad one, by [`slow_json`] and `serde_json`; an
/// outer `None` where its answer is not to be compared.
fn trusted(line: &[u8]) -> Option<Option<[Value; 2]>> {
    let Some(members) = slow_json::members(line) else { return Some(None) };
    // A key in capitals is a column's too, which golden tests look at.
    if members.iter().any(|(key, _)| key == "A" || key == "B") {
        return None;
    }
    let mut values = [Value::Null, Value::Null];
    for (value, name) in values.iter_mut().zip(["a", "b"]) {
        let Some((_, text)) = members.iter().rev().find(|(key, _)| key == name) else { continue };
        match serde_json::from_str(text) {
            Ok(read) => *value = read,
            Err(error) if error.to_string().starts_with("number out of range") => return None,
            Err(_) => return Some(None),
        }
    }
    Some(Some(values))
}

fn check_line(line: &[u8]) -> bool {
    let Some(expected) = trusted(line) else { return false };
    let decoded = decode(&JSON, &texts_schema(&["a", "b"]), line).unwrap();
    let shown = String::from_utf8_lossy(line);
    if line.iter().all(|byte| b" \t\r".contains(byte)) {
        assert!(decoded.offsets.is_empty() && decoded.bad.is_empty(), "{shown:?}");
        return false;
    }
    let Some(expected) = expected else {
        assert_eq!((decoded.offsets.len(), decoded.bad.len()), (0, 1), "{shown:?}");
        return false;
    };
    assert_eq!((decoded.offsets.len(), decoded.bad.len()), (1, 0), "{shown:?} {:?}", decoded.bad);
    for (column, expected) in expected.iter().enumerate() {
        let found = decoded.texts(column)[0].clone();
        match (expected, found) {
            (Value::Null, None) => {}
            (Value::String(expected), Some(found)) => assert_eq!(found, *expected, "{shown:?}"),
            (expected, Some(found)) => {
                let found: Value = serde_json::from_str(&found).unwrap();
                assert_eq!(found, *expected, "{shown:?}");
            }
            (expected, None) => panic!("{shown:?}: NULL for {expected}"),
        }
    }
    true
}

/// Replaces, inserts or removes a byte, so many times.
fn damage(line: &mut Vec<u8>, times: usize, bytes: &[u8], random: &mut Pcg64) {
    for _ in 0..times {
        let at = random.random_range(0..line.len());
        let byte = bytes[random.random_range(0..bytes.len())];
        match random.random_range(0..3) {
            0 => line[at] = byte,
            1 => line.insert(at, byte),
            _ if line.len() > 1 => drop(line.remove(at)),
            _ => {}
        }
    }
}

#[test]
fn records_are_those_of_serde_json_whole_and_cut_short() {
    for record in RECORDS {
        for end in 0..=record.len() {
            check_line(&record.as_bytes()[..end]);
        }
    }
}

#[test]
fn records_are_those_of_serde_json_after_random_damage() {
    const BYTES: &[u8] = b"\"\\{}[]:,0123456789eE+-.truefalsn u\x00\x1f\t\r\xff\xc3\xa9dD8";
    let mut random = Pcg64::seed_from_u64(2);
    let mut accepted = 0;
    for round in 0..30_000 {
        let mut line = RECORDS[round % RECORDS.len()].as_bytes().to_vec();
        let times = random.random_range(1..4);
        damage(&mut line, times, BYTES, &mut random);
        accepted += usize::from(check_line(&line));
    }
    assert!(accepted > 2000, "{accepted}");
}

#[test]
fn every_cut_gives_the_same() {
    let schema = Schema::new(vec![
        Field::required("a", DataType::BigInt),
        Field::nullable("b", DataType::Varchar),
        Field::nullable("t", DataType::Timestamp),
        Field::nullable("d", DataType::Decimal { precision: 10, scale: 2 }),
        Field::nullable("z", DataType::Boolean),
    ]);
    let input = "\u{feff}{\"a\":1,\"b\":\"é and more than twelve\",\"t\":1704067200000,\"d\":1.5,\"z\":true}\r\n\
        \n  \n{\"b\":\"\\u00e9 and more than twelve\",\"a\":1e3,\"t\":\"2024-01-01T00:00:00Z\",\"d\":\"2.25\",\"z\":\"f\"}\n\
        {\"a\":1.5}\n{\"b\":\"x\"}\nnonsense\n{\"a\":2,\"t\":9223372036854775807}\n{\"a\":3,\"z\":2}\n\
        {\"a\":4,\"d\":1.234}\n{\"a\":5,\"t\":true}\n{\"a\":9007199254740993,\"b\":[1, 2]}";
    let decoded = check_every_cut(&JSON, &schema, input.as_bytes());
    assert_eq!(
        decoded.reasons(),
        [
            "'1.5' has more digits after the point than BIGINT",
            "NULL in column a, which is NOT NULL",
            "not a JSON object: '{' was expected at byte 0 of the record",
            "'9223372036854775807' is out of range for TIMESTAMP",
            "2 is not a value of BOOLEAN",
            "'1.234' has more digits after the point than DECIMAL(10,2)",
            "true is not a value of TIMESTAMP",
        ]
    );
    let a = arrow_array::Int64Array::from(vec![1, 1000, 9_007_199_254_740_993]);
    assert_eq!(decoded.columns[0].as_ref(), &a as &dyn arrow_array::Array);
    let t = [Some(1_704_067_200_000_000), Some(1_704_067_200_000_000), None];
    let t = arrow_array::TimestampMicrosecondArray::from(t.to_vec());
    assert_eq!(decoded.columns[2].as_ref(), &t as &dyn arrow_array::Array);
    assert_eq!(decoded.texts(1)[2].as_deref(), Some("[1, 2]"));
}

#[test]
fn one_and_zero_are_truth_values_where_those_are_declared() {
    let schema = Schema::new(vec![Field::nullable("z", DataType::Boolean)]);
    let input = "{\"z\":1}\n{\"z\":0}\n{\"z\":true}\n{\"z\":\"false\"}\n{\"z\":10}\n{\"z\":1.0}\n{\"z\":-0}\n";
    let decoded = check_every_cut(&JSON, &schema, input.as_bytes());
    let expected = arrow_array::BooleanArray::from(vec![true, false, true, false]);
    assert_eq!(decoded.columns[0].as_ref(), &expected as &dyn arrow_array::Array);
    assert_eq!(decoded.bad.len(), 3);
}

#[test]
fn a_value_that_is_no_line_is_told_what_makes_it_one() {
    let (array, values) = ("'json.layout' = 'array'", "'json.layout' = 'values'");
    for (input, remedy) in [("[{\"a\":1},\n", array), ("[\n", array), ("{\n", values)] {
        let decoded = decode(&JSON, &texts_schema(&["a"]), input.as_bytes()).unwrap();
        let [reason] = decoded.reasons()[..] else { panic!("{decoded:?}") };
        assert!(reason.contains(remedy), "{reason}");
    }
}

#[test]
fn keys_may_change_their_order_from_record_to_record() {
    let mut input = String::new();
    let mut expected = Vec::new();
    for row in 0..500 {
        let (a, b) = (format!("a{row}"), format!("b{row}"));
        match row % 4 {
            0 => input.push_str(&format!("{{\"a\":\"{a}\",\"b\":\"{b}\"}}\n")),
            1 => input.push_str(&format!("{{\"b\":\"{b}\",\"a\":\"{a}\"}}\n")),
            2 => input.push_str(&format!(
                "{{\"a key much longer than sixteen\":1,\"a\":\"{a}\",\"ab\":0,\"b\":\"{b}\"}}\n"
            )),
            _ => input.push_str(&format!("{{\"aa\":1,\"b\":\"{b}\",\"a\":\"{a}\",\"b \":2}}\n")),
        }
        expected.push(Some(a));
    }
    let decoded = decode(&JSON, &texts_schema(&["a", "b"]), input.as_bytes()).unwrap();
    assert_eq!(decoded.texts(0), expected);
    assert_eq!(decoded.texts(1)[499].as_deref(), Some("b499"));
}

#[test]
fn a_key_is_the_same_columns_whichever_are_needed() {
    let schema = texts_schema(&["a", "A"]);
    let input = b"{\"a\":\"1\",\"A\":\"2\"}\n{\"A\":\"4\",\"a\":\"3\"}\n{\"A\":\"5\"}\n";
    let spec = DecoderSpec {
        format: &JSON,
        schema: &schema,
        columns: &[0],
        batch_rows: 10,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    let bytes = FrameBytes::Sequential {
        bytes: input.as_slice().into(),
        start: Offset(0),
        end: Offset(u64::MAX),
        is_last: true,
    };
    decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
    let batch = decoder.decode(&mut Vec::new()).unwrap().unwrap();
    let expected = StringViewArray::from(vec![Some("1"), Some("3"), None]);
    assert_eq!(batch.column(0).as_ref(), &expected as &dyn arrow_array::Array);
    let both = decode(&JSON, &schema, input).unwrap();
    assert_eq!(both.texts(0), [Some("1".to_owned()), Some("3".to_owned()), None]);
    assert_eq!(both.texts(1), ["2", "4", "5"].map(|text| Some(text.to_owned())));
}

#[test]
fn a_key_of_the_exact_name_counts_before_one_that_differs_in_case() {
    let schema = texts_schema(&["id", "b"]);
    let records = [
        (r#"{"id":1,"ID":2,"b":0}"#, Some("1")),
        (r#"{"ID":2,"id":1,"b":0}"#, Some("1")),
        (r#"{"ID":2,"b":"\n","id":null}"#, None),
        (r#"{"Id":2,"iD":3,"b":0}"#, Some("3")),
        (r#"{"ID":"\u0041","id":"\u0042","Id":"C","id":"\u0044"}"#, Some("D")),
        (r#"{"ID":"\u0041","B":"\u0042"}"#, Some("A")),
        (r#"{"id":1,"ID":}"#, None),
    ];
    // Again and again, so that each takes every way through the decoder, and each behind each.
    let mut input = String::new();
    let mut expected = Vec::new();
    for round in 0..30 {
        for (index, (record, _)) in records.iter().enumerate() {
            let (other, found) = records[(index * round + round) % records.len()];
            for (record, found) in [(*record, records[index].1), (other, found)] {
                input.push_str(record);
                input.push('\n');
                if !record.ends_with(":}") {
                    expected.push(found.map(str::to_owned));
                }
            }
        }
    }
    let decoded = decode(&JSON, &schema, input.as_bytes()).unwrap();
    assert_eq!(decoded.texts(0), expected);
}

/// A record that begins in the shape of the one before takes another way through the decoder: it has
/// to be judged there as by itself.
#[test]
fn records_after_another_of_their_shape_are_what_they_are_alone() {
    const BYTES: &[u8] = b"\"\\{}[]:,0123456789eE+-.truefalsn \x00\x1f\t\r\xff\xc3\xa9";
    let schema = texts_schema(&["a", "b"]);
    let rows_of = |text: &[u8]| {
        let decoded = decode(&JSON, &schema, text).unwrap();
        let rows: Vec<_> = decoded.texts(0).into_iter().zip(decoded.texts(1)).collect();
        (rows, decoded.reasons().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let mut random = Pcg64::seed_from_u64(7);
    let mut accepted = 0;
    for round in 0..30_000 {
        let record = RECORDS[round % RECORDS.len()].as_bytes();
        let mut line = record.to_vec();
        let times = random.random_range(0..3);
        damage(&mut line, times, BYTES, &mut random);
        let end = if random.random_bool(0.5) { &b"\r\n"[..] } else { b"\n" };
        // The last line is there because the short way needs some bytes behind what it looks at.
        let padding = format!("{{\"b\":\"{}\"}}\n", "-".repeat(64));
        let text = [record, end, &line, end, record, end, padding.as_bytes()].concat();
        let alone: Vec<_> = [record, &line, record, padding.trim_end().as_bytes()]
            .map(|line| rows_of(&[line, &end[..end.len() - 1]].concat()))
            .into();
        let rows: Vec<_> = alone.iter().flat_map(|(rows, _)| rows.clone()).collect();
        let reasons: Vec<_> = alone.into_iter().flat_map(|(_, reasons)| reasons).collect();
        accepted += rows.len();
        assert_eq!(rows_of(&text), (rows, reasons), "{:?}", String::from_utf8_lossy(&text));
    }
    assert!(accepted > 60_000, "{accepted}");
}
