//! JSON lines: what `serde_json` makes of each.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::case::Case;
use crate::dice::Dice;
use crate::drive::{self, Bad, Outcome};
use crate::regular;
use crate::value::{Kind, Value, value};

/// Key and value of every entry of an object, in order.
type Entries = Vec<(String, Box<RawValue>)>;

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
        match entries(line).map_or(Err(None), |entries| values(case, &entries)) {
            Ok(values) => outcome.rows.push((offset, values)),
            Err(field) => outcome.bad.push(Bad { offset, field, raw: line.to_vec() }),
        }
    }
    outcome
}

/// The entries of the object that a line is; `None` where it is none. What is nested is held to the whole
/// grammar by making a value of it.
fn entries(line: &[u8]) -> Option<Entries> {
    let line = str::from_utf8(line).ok()?;
    let Ok(Json::Object(_)) = serde_json::from_str::<Json>(line) else { return None };
    let mut reader = serde_json::Deserializer::from_str(line);
    Some(reader.deserialize_map(InOrder).expect("it was an object before"))
}

/// Keeps equal keys, all of them.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Entries;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// The needed values, or the column that one does not fit. Of equal keys the last counts; a key that is
/// no column's is that of the first column that differs in case.
fn values(case: &Case, entries: &Entries) -> Result<Vec<Value>, Option<String>> {
    let fields = &case.schema.fields;
    let mut found: Vec<&str> = vec!["null"; fields.len()];
    for (key, value) in entries {
        let exact = fields.iter().position(|column| column.name == *key);
        let folded = || fields.iter().position(|column| column.name.eq_ignore_ascii_case(key));
        if let Some(column) = exact.or_else(folded) {
            found[column] = value.get();
        }
    }
    let of_column = |&column: &usize| {
        let (column, raw) = (&fields[column], found[column]);
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
