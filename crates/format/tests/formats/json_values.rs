//! JSON that is no lines: an array, and values over several lines. The same records as lines are the judge, which
//! `json_records` holds to `serde_json`; it also cuts an input into values here.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::Value;
use tidemill_format::{FormatError, infer_schema};
use tidemill_plan::{Format, JsonLayout, JsonOptions};
use tidemill_record::{DataType, Field, Schema};

use crate::decoding::{Decoded, check_every_cut, decode, texts_schema};

fn json(layout: JsonLayout) -> Format {
    Format::Json(JsonOptions { layout, ..JsonOptions::default() })
}

const AUTO: JsonLayout = JsonLayout::Auto;

/// A value with brackets, quotes and backslashes in texts, and values in values.
fn random_record(random: &mut Pcg64) -> Value {
    const TEXTS: [&str; 8] =
        ["", "plain", "}", "a text longer than twelve bytes, with [", "\"", "\\", "é\n{", ",]"];
    let mut text = || Value::from(TEXTS[random.random_range(0..TEXTS.len())]);
    let (a, b, c) = (text(), text(), text());
    let number = random.random_range(-1000..1000);
    match random.random_range(0..4) {
        0 => serde_json::json!({"a": a, "b": b}),
        1 => serde_json::json!({"b": number, "a": {"c": [c, {"a": b}]}}),
        2 => serde_json::json!({}),
        _ => serde_json::json!({"a": [a, number, null, true], "b": null}),
    }
}

fn blanks(random: &mut Pcg64, min: usize) -> String {
    let count = min + random.random_range(0..4_usize);
    (0..count).map(|_| [' ', '\n', '\t', '\r'][random.random_range(0..4)]).collect()
}

/// The records as text, laid out in some way, and where each begins.
fn laid_out(records: &[Value], is_array: bool, random: &mut Pcg64) -> (String, Vec<u64>) {
    let is_pretty = random.random_range(0..2) == 0;
    let mut text = blanks(random, 0);
    let mut starts = Vec::new();
    if is_array {
        text += "[";
    }
    for (index, record) in records.iter().enumerate() {
        text += &blanks(random, 0);
        if is_array && index > 0 {
            text += ",";
            text += &blanks(random, 0);
        }
        starts.push(text.len() as u64);
        text += &if is_pretty {
            serde_json::to_string_pretty(record).unwrap()
        } else {
            record.to_string()
        };
    }
    text += &blanks(random, 0);
    if is_array {
        text += "]";
    }
    text += &blanks(random, 0);
    (text, starts)
}

fn same_values(found: &Decoded, expected: &Decoded, shown: &str) {
    // Values within values keep their own text, blanks and all.
    let parsed = |decoded: &Decoded, column: usize| -> Vec<Option<Value>> {
        let of = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        decoded.texts(column).into_iter().map(|text| text.map(of)).collect()
    };
    for column in 0..2 {
        assert_eq!(parsed(found, column), parsed(expected, column), "{shown}");
    }
}

#[test]
fn records_in_any_layout_are_those_in_lines() {
    let mut random = Pcg64::seed_from_u64(7);
    let schema = texts_schema(&["a", "b"]);
    for round in 0..400 {
        let count = random.random_range(1..6);
        let records: Vec<Value> = (0..count).map(|_| random_record(&mut random)).collect();
        let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
        let expected = decode(&json(JsonLayout::Lines), &schema, lines.as_bytes()).unwrap();
        let is_array = round % 2 == 0;
        let (text, starts) = laid_out(&records, is_array, &mut random);
        let layout = if is_array { JsonLayout::Array } else { JsonLayout::Values };
        let found = decode(&json(layout), &schema, text.as_bytes()).unwrap();
        assert!(found.bad.is_empty(), "{text:?}: {:?}", found.bad);
        assert_eq!(found.offsets, starts, "{text:?}");
        same_values(&found, &expected, &text);
        if is_array {
            assert_eq!(decode(&json(AUTO), &schema, text.as_bytes()).unwrap(), found, "{text:?}");
        }
        if round < 12 {
            check_every_cut(&json(layout), &schema, text.as_bytes());
        }
    }
}

#[test]
fn what_stands_between_values_is_bad_by_name() {
    let schema = texts_schema(&["a"]);
    let array = JsonLayout::Array;
    let no_end = "']' was expected: the array has no end";
    let no_comma = "',' or ']' was expected before the value";
    let behind = "text behind the end of the array";
    let no_object = "not a JSON object: '{' was expected at byte 0 of the record";
    for (layout, text, rows, reasons) in [
        (array, "[]", 0, vec![]),
        (array, " [ ] \n", 0, vec![]),
        (array, "", 0, vec![]),
        (array, "[", 0, vec![(1, no_end)]),
        (array, "[{}", 1, vec![(3, no_end)]),
        (array, "[{},\n", 1, vec![(5, no_end)]),
        (array, "[{}{}]", 1, vec![(3, no_comma)]),
        (array, "[{} {\"a\":1},{}]", 2, vec![(4, no_comma)]),
        (array, "[,{}]", 1, vec![(1, "a value was expected before ','")]),
        (array, "[{},,{}]", 2, vec![(4, "a value was expected before ','")]),
        (array, "[{},]", 1, vec![(4, "a value was expected between ',' and ']'")]),
        (array, "[{}]\n[{}]", 1, vec![(5, behind)]),
        (array, "[{}]]", 1, vec![(4, behind)]),
        (array, "{}", 0, vec![(0, "'[' was expected, where 'json.layout' is 'array'")]),
        (array, "[1, {}, \"x,]\"]", 1, vec![(1, no_object), (8, no_object)]),
        (
            array,
            "[{\"a\":1]",
            0,
            vec![(1, "not a JSON object: ',' or '}' was expected at byte 6"), (8, no_end)],
        ),
        (array, "[{\"a\":[1]", 0, vec![(1, "the value has no end: the input ends within it")]),
        (array, "[{}, {\"a\":\"x]", 1, vec![(5, "the value has no end: the input ends within it")]),
        (AUTO, "[{}\n{}]", 1, vec![(4, no_comma)]),
        (JsonLayout::Values, "{}{} {}\n\n{}", 4, vec![]),
        (JsonLayout::Values, "{},{}", 2, vec![(2, no_object)]),
        (
            JsonLayout::Values,
            "{}] tru {",
            1,
            vec![
                (2, no_object),
                (4, no_object),
                (8, "the value has no end: the input ends within it"),
            ],
        ),
    ] {
        let found = check_every_cut(&json(layout), &schema, text.as_bytes());
        assert_eq!(found.offsets.len(), rows, "{text:?}");
        let offsets: Vec<u64> = found.bad.iter().map(|bad| bad.offset.0).collect();
        let expected: (Vec<u64>, Vec<&str>) = reasons.into_iter().unzip();
        assert_eq!(offsets, expected.0, "{text:?} {:?}", found.reasons());
        for (found, expected) in found.reasons().iter().zip(expected.1) {
            assert!(found.starts_with(expected), "{text:?}: {found}");
        }
    }
}

#[test]
fn bad_values_stand_among_good_ones_in_their_order() {
    let schema = Schema::new(vec![Field::nullable("n", DataType::BigInt)]);
    let text = "[{\"n\":1},\n {\"n\":\"x\"}, {\"n\":2}{\"n\":3}, {\"n\":\n4}, {\"n\":\"5\n\"},,\n{\"n\":6}";
    let found = check_every_cut(&json(AUTO), &schema, text.as_bytes());
    let bad: Vec<(u64, &str)> =
        found.bad.iter().map(|bad| (bad.offset.0, bad.reason.as_str())).collect();
    assert_eq!(found.offsets, [1, 22, 38, 61], "{bad:?}");
    assert_eq!(bad[0], (11, "'x' is not a value of BIGINT"), "{bad:?}");
    assert_eq!(bad[1].0, 29);
    // A newline within a string is none of JSON, and does not become a blank.
    assert!(bad[2].0 == 48 && bad[2].1.contains("control character"), "{bad:?}");
    assert_eq!((bad[3].0, bad[4].0, bad.len()), (59, text.len() as u64, 5), "{bad:?}");
    assert_eq!(found.bad[0].raw.as_deref(), Some(&b"{\"n\":\"x\"}"[..]));
}

/// Of values that touch one another each is where it is in the text, be it good or bad.
#[test]
fn values_without_anything_between_them_keep_their_places() {
    let schema = Schema::new(vec![Field::nullable("n", DataType::BigInt)]);
    let values = [
        "{\"n\":1}",
        "{\"n\":\"x\"}",
        "{\"n\":\n4}",
        "{\"n\":y}",
        "{}",
        " {\"n\":6}",
        "{\"m\":[{}]}",
        "\n",
        "{\"n\":8}",
    ];
    let mut text = "{}".to_owned();
    let mut starts = vec![0];
    for value in values {
        starts.push((text.len() + value.len() - value.trim_start().len()) as u64);
        text += value;
    }
    let found = check_every_cut(&json(JsonLayout::Values), &schema, text.as_bytes());
    let good: Vec<u64> = [0, 1, 3, 5, 6, 7, 9].map(|at| starts[at]).into();
    assert_eq!(found.offsets, good, "{:?}", found.bad);
    let bad: Vec<(u64, &[u8])> = found
        .bad
        .iter()
        .map(|bad| (bad.offset.0, bad.raw.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(bad, [(starts[2], values[1].as_bytes()), (starts[4], values[3].as_bytes())]);
}

#[test]
fn a_value_longer_than_a_batch_of_frames_is_read() {
    let schema = texts_schema(&["a"]);
    let long = "x".repeat(200);
    let text = format!("[\n{{\"a\":\"{long}\"}},\n{{\"a\":[\"{long}\",\n1]}}]");
    let found = check_every_cut(&json(AUTO), &schema, text.as_bytes());
    assert_eq!(found.texts(0), [Some(long.clone()), Some(format!("[\"{long}\", 1]"))]);
}

#[test]
fn columns_are_inferred_in_any_layout() -> Result<(), FormatError> {
    let lines = "{\"n\":1,\"t\":\"2024-05-01\"}\n{\"n\":2.5,\"more\":[1]}\n";
    let expected = infer_schema(&json(AUTO), lines.as_bytes(), true)?;
    assert_eq!(expected.fields.len(), 3);
    for text in [
        "[{\"n\":1,\"t\":\"2024-05-01\"},{\"n\":2.5,\"more\":[1]}]",
        "\u{feff}[\n  {\n    \"n\": 1,\n    \"t\": \"2024-05-01\"\n  },\n  {\"n\": 2.5, \"more\": [\n1]}\n]\n",
        "{\n  \"n\": 1,\n  \"t\": \"2024-05-01\"\n}\n{\"n\": 2.5, \"more\": [1]}\n",
    ] {
        assert_eq!(infer_schema(&json(AUTO), text.as_bytes(), true)?, expected, "{text}");
        // What the sample cuts off says nothing.
        let cut = &text.as_bytes()[..text.len() - 8];
        assert_eq!(infer_schema(&json(AUTO), cut, false)?.fields.len(), 2, "{text}");
    }
    let empty = infer_schema(&json(AUTO), b"[]", true);
    assert!(matches!(empty, Err(FormatError::EmptySample)), "{empty:?}");
    Ok(())
}
