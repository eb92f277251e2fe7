//! What a stage is going to hold, from the sizes of its states: what `EXPLAIN` says before anything runs.

use tidemill_plan::{
    AggregateCall, AggregateFunction, AggregateSpec, Frame, Merge, OverOrder, OverSpec, Stage,
    TopNSpec,
};
use tidemill_record::DataType;

use crate::over::over_state_of;
use crate::table::Parts;

/// A slot of the index of keys: eight bytes, two to three quarters full.
const INDEX_BYTES: usize = 11;

/// What a stage holds, as half a sentence; `None` if it holds nothing that grows.
#[must_use]
pub fn predicted_state(stage: &Stage) -> Option<String> {
    match stage {
        Stage::Aggregate { spec, .. } => Some(groups(spec)),
        Stage::Over { spec, .. } => Some(frames(spec)),
        Stage::TopN(spec) => Some(first_rows(spec)),
        Stage::Sort(spec) => Some(rows(&spec.input_types, spec.limit.needed())),
        Stage::Compute(_)
        | Stage::EventTime(_)
        | Stage::Filter(_)
        | Stage::Project(_)
        | Stage::Transpose(_)
        | Stage::Limit(_) => None,
    }
}

/// What a pipeline holds that seals this for a gather, and the gather too.
#[must_use]
pub fn predicted_seal(merge: &Merge) -> Option<String> {
    match merge {
        Merge::Groups(spec) | Merge::Windows(spec) => Some(groups(spec)),
        Merge::TopN(spec) => Some(first_rows(spec)),
        Merge::Sorted(spec) => Some(rows(&spec.input_types, spec.limit.needed())),
        Merge::Limited { .. } => None,
    }
}

fn groups(spec: &AggregateSpec) -> String {
    let states: usize = Parts::new(spec).states.iter().map(|state| state.group_bytes()).sum();
    let key_types: Vec<&DataType> = spec.keys.iter().map(|&key| &spec.input_types[key]).collect();
    let keys = key_bytes(&key_types);
    // Columns grow by an eighth.
    let bytes = (states + keys) * 17 / 16 + if keys > 0 { INDEX_BYTES } else { 0 };
    let what = match spec.window {
        _ if spec.is_by_session() => "session",
        Some(_) => "group of each open pane",
        None => "group",
    };
    let mut text = format!("about {bytes} bytes a {what}");
    let growing = spec.calls.iter().filter(|call| is_growing(call, &spec.input_types));
    for call in growing {
        text.push_str(&format!(", and what {} keeps of its values", call.label));
    }
    text + long_keys(&key_types)
}

fn frames(spec: &OverSpec) -> String {
    let key_types: Vec<&DataType> =
        spec.partition_by.iter().map(|&key| &spec.input_types[key]).collect();
    let keys = key_bytes(&key_types);
    let mut bytes = if keys > 0 { keys + INDEX_BYTES } else { 0 };
    let mut text = String::new();
    for call in &spec.calls {
        let Some(state) = over_state_of(call, &spec.input_types) else { continue };
        let (of_key, of_row) = state.key_bytes();
        bytes = bytes.saturating_add(of_key);
        if let (Frame::Range(Some(_)), true) = (call.frame, of_row > 0) {
            text.push_str(&format!(", and {of_row} bytes a row in the frame of {}", call.label));
        }
        if call.arguments.iter().any(|&argument| is_text(&spec.input_types[argument])) {
            text.push_str(&format!(", and the text that {} looks at", call.label));
        }
    }
    if spec.order == OverOrder::Sorted {
        text.push_str(", and the last rows that are equal in the order");
    }
    if matches!(spec.order, OverOrder::EventTime { .. }) {
        text.push_str(", and rows that wait for the watermark");
    }
    format!("about {bytes} bytes a key{}{text}", long_keys(&key_types))
}

fn first_rows(spec: &TopNSpec) -> String {
    let bytes = row_bytes(&spec.input_types);
    let of = if spec.window_end.is_some() { "key of each open window" } else { "key" };
    match spec.keep {
        Some(keep) => format!("{keep} rows a {of}, about {bytes} bytes each, and as many again"),
        None => format!("all rows a {of}, about {bytes} bytes each"),
    }
}

fn rows(types: &[DataType], needed: Option<u64>) -> String {
    let bytes = row_bytes(types);
    match needed {
        Some(needed) => format!("{needed} rows, about {bytes} bytes each, and as many again"),
        None => format!("all rows, about {bytes} bytes each"),
    }
}

/// Bytes of a group's key in its columns.
fn key_bytes(types: &[&DataType]) -> usize {
    let of = |data_type: &&DataType| match data_type {
        DataType::Varchar | DataType::Varbinary | DataType::Decimal { .. } => 16,
        // Its length, and the parts of the first that was met, with the group's number.
        DataType::Interval => 16 + 32,
        _ => 8,
    };
    types.iter().map(of).sum()
}

/// Bytes of a row and its offset; of text what does not depend on its length.
fn row_bytes(types: &[DataType]) -> usize {
    let of = |data_type: &DataType| match data_type {
        DataType::Boolean | DataType::TinyInt => 1,
        DataType::SmallInt => 2,
        DataType::Integer | DataType::Date | DataType::Real => 4,
        DataType::BigInt | DataType::Double | DataType::Timestamp => 8,
        DataType::Varchar
        | DataType::Varbinary
        | DataType::Decimal { .. }
        | DataType::Interval
        | DataType::Array(_) => 16,
    };
    types.iter().map(of).sum::<usize>() + size_of::<u64>()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Varchar | DataType::Varbinary)
}

fn long_keys(types: &[&DataType]) -> &'static str {
    if types.iter().any(|data_type| is_text(data_type)) {
        ", and the text of keys beyond 12 bytes"
    } else {
        ""
    }
}

/// Whether a call holds more, the more values come.
fn is_growing(call: &AggregateCall, input_types: &[DataType]) -> bool {
    use AggregateFunction as F;
    let of_text = call.inputs().any(|input| is_text(&input_types[input]));
    call.is_distinct
        || match call.function {
            F::ArrayAgg
            | F::StringAgg { .. }
            | F::PercentileCont { .. }
            | F::PercentileDisc { .. }
            | F::ApproxQuantile { .. }
            | F::Mode
            | F::ApproxCountDistinct => true,
            F::FirstValue | F::LastValue if call.order.len() > 1 => true,
            F::Min | F::Max | F::FirstValue | F::LastValue | F::ArgMin | F::ArgMax => of_text,
            _ => false,
        }
}
