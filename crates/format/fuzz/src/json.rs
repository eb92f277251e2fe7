//! JSON lines: the members that a slow reader finds, and what `serde_json` makes of their values.

use serde_json::Value as Json;

use crate::case::Case;
use crate::dice::Dice;
use crate::drive::{self, Bad, Outcome};
use crate::regular;
use crate::slow_json;
use crate::value::{Kind, Value, value};

/// Key and value of every member of an object, in order.
type Members = Vec<(String, String)>;

/// Holds the decoder against what is trusted, on a case and text that the bytes make.
pub fn check(data: &[u8]) {
    let mut dice = Dice::new(data);
    let is_regular = dice.byte() & 1 == 1;
    let case = Case::throw(&mut dice);
    let text = if is_regular { regular::json(&case, dice) } else { dice.rest().to_vec() };
    check_text(&case, &text);
}

/// Holds the decoder against what is trusted, on this text.
pub fn check_text(case: &Case, text: &[u8]) {
    // Under this name serde_json has numbers of any precision travel through serde.
    let private = b"$serde_json";
    if text.windows(private.len()).any(|window| window == private) {
        return;
    }
    drive::check(case, &case.json(), text, &Ok(outcome(case, text)), None);
}

fn outcome(case: &Case, text: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for line in text[start..].split(|byte| *byte == b'\n') {
        let offset = start as u64;
        start += line.len() + 1;
        if line.iter().all(|byte| b" \t\r".contains(byte)) {
            continue;
        }
        match slow_json::members(line).map_or(Err(None), |members| values(case, &members)) {
            Ok(values) => outcome.rows.push((offset, values)),
            Err(field) => outcome.bad.push(Bad { offset, field, raw: line.to_vec() }),
        }
    }
    outcome
}

/// The needed values, or the column that one does not fit; no column where one is no JSON. Of equal keys the last
/// counts; a key that is no column's is that of the first column that differs in case.
fn values(case: &Case, members: &Members) -> Result<Vec<Value>, Option<String>> {
    let fields = &case.schema.fields;
    let of_key = |is_equal: &dyn Fn(&str) -> bool| {
        let member = members.iter().rev().find(|(key, _)| is_equal(key));
        member.map(|(_, value)| value.as_str())
    };
    let first = |key: &str| fields.iter().position(|column| column.name.eq_ignore_ascii_case(key));
    let found = |column: usize| {
        let name = &fields[column].name;
        let is_other = |key: &str| fields.iter().any(|column| column.name == key);
        of_key(&|key| key == name)
            .or_else(|| of_key(&|key| !is_other(key) && first(key) == Some(column)))
            .unwrap_or("null")
    };
    let is_json = |column: &usize| serde_json::from_str::<Json>(found(*column)).is_ok();
    if !case.columns.iter().all(is_json) {
        return Err(None);
    }
    let of_column = |&column: &usize| {
        let (raw, column) = (found(column), &fields[column]);
        let unescaped: String;
        let (kind, text) = match raw.as_bytes()[0] {
            b'n' => {
                let null = column.is_nullable.then_some(Value::Null);
                return null.ok_or_else(|| Some(column.name.clone()));
            }
            b'"' => {
                unescaped = serde_json::from_str(raw).expect("a string");
                (Kind::Text, unescaped.as_str())
            }
            b't' | b'f' => (Kind::Truth, raw),
            b'[' | b'{' => (Kind::Nested, raw),
            _ => (Kind::Number, raw),
        };
        let read = value(kind, text, &column.data_type, case.unit);
        read.ok_or_else(|| Some(column.name.clone()))
    };
    case.columns.iter().map(of_column).collect()
}
