//! Plays the reader: lends a text to decoders in frames, and gathers what they make of it.

use arrow_buffer::Buffer;
use tidemill_format::{Decoder, DecoderSpec, FormatError};
use tidemill_plan::Format;
use tidemill_record::{BadRecord, FrameBytes, Frames, Offset, PartitionId};

use crate::case::Case;
use crate::value::{self, Value};

/// A record that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Where it begins.
    pub offset: u64,
    /// The column that its value does not fit; none where the record as a whole is at fault.
    pub field: Option<String>,
    /// Its bytes, without the newline.
    pub raw: Vec<u8>,
}

/// What a text comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Offset and needed values of each row.
    pub rows: Vec<(u64, Vec<Value>)>,
    /// The others.
    pub bad: Vec<Bad>,
}

/// One way to lend a text.
#[derive(Clone, Debug)]
struct Way {
    /// Whether the decoders are to do without AVX2.
    is_baseline: bool,
    /// Where frames end.
    cuts: Vec<usize>,
    is_end_late: bool,
    batch_rows: usize,
    /// Where a second partition begins; none for 0.
    split: usize,
}

/// Decodes the text in every way the case names, and holds each against what is trusted.
///
/// `header` are the names that a partition within the file is given.
///
/// # Panics
/// If one of them differs.
pub fn check(
    case: &Case,
    format: &Format,
    text: &[u8],
    trusted: &Result<Outcome, String>,
    header: Option<&[String]>,
) {
    let at = |share: &usize| text.len() * share / 0x1_0000;
    let whole = Way {
        is_baseline: false,
        cuts: Vec::new(),
        is_end_late: false,
        batch_rows: 8192,
        split: 0,
    };
    let pieces = Way {
        cuts: case.cuts.iter().map(at).collect(),
        is_end_late: case.is_end_late,
        batch_rows: case.batch_rows,
        split: at(&case.split),
        ..whole.clone()
    };
    let mut reasons: Option<Vec<String>> = None;
    for way in [whole.clone(), pieces.clone()] {
        for is_baseline in [false, true] {
            let way = Way { is_baseline, ..way.clone() };
            let found = decode(case, format, text, &way, header);
            match (found, trusted) {
                (Ok((outcome, found)), Ok(trusted)) => {
                    compare(&outcome, trusted, text, case, &way);
                    let reasons = reasons.get_or_insert_with(|| found.clone());
                    assert_eq!(*reasons, found, "reasons differ; {way:?} {case:?}");
                }
                (Err(_), Err(_)) => {}
                (found, trusted) => panic!(
                    "found {found:?}\ntrusted {trusted:?}\n{way:?}\n{case:?}\n{:?}",
                    String::from_utf8_lossy(text)
                ),
            }
        }
    }
}

fn compare(found: &Outcome, trusted: &Outcome, text: &[u8], case: &Case, way: &Way) {
    if found == trusted {
        return;
    }
    let context = format!("{way:?}\n{case:?}\n{:?}", String::from_utf8_lossy(text));
    for (index, (found, trusted)) in found.rows.iter().zip(&trusted.rows).enumerate() {
        assert_eq!(found, trusted, "row {index} (left: found, right: trusted)\n{context}");
    }
    for (found, trusted) in found.bad.iter().zip(&trusted.bad) {
        assert_eq!(found, trusted, "a bad record (left: found, right: trusted)\n{context}");
    }
    panic!(
        "{} rows and {} bad records, {} and {} are trusted\n{context}",
        found.rows.len(),
        found.bad.len(),
        trusted.rows.len(),
        trusted.bad.len()
    );
}

/// What one way comes to, and why the bad records are.
fn decode(
    case: &Case,
    format: &Format,
    text: &[u8],
    way: &Way,
    header: Option<&[String]>,
) -> Result<(Outcome, Vec<String>), FormatError> {
    tidemill_format::fuzzing::set_baseline(way.is_baseline);
    let spec = DecoderSpec {
        format,
        schema: &case.schema,
        columns: &case.columns,
        batch_rows: way.batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let (mut outcome, mut reasons) = (Outcome::default(), Vec::new());
    let end = if way.split == 0 { u64::MAX } else { way.split as u64 };
    let next = partition(&spec, text, (0, end), way, &mut outcome, &mut reasons)?;
    if way.split > 0 && next > 0 {
        let spec = DecoderSpec { csv_header: header, ..spec };
        partition(&spec, text, (next, u64::MAX), way, &mut outcome, &mut reasons)?;
    }
    Ok((outcome, reasons))
}

/// Decodes the records that begin in `[start, end)`: where the next one does.
fn partition(
    spec: &DecoderSpec<'_>,
    text: &[u8],
    (start, end): (usize, u64),
    way: &Way,
    outcome: &mut Outcome,
    reasons: &mut Vec<String>,
) -> Result<usize, FormatError> {
    let mut decoder = Decoder::new(spec)?;
    let mut position = start;
    let late = way.is_end_late.then_some(text.len());
    let ends = way.cuts.iter().copied().chain(late).filter(|&cut| cut >= start);
    let mut ends: Vec<(usize, bool)> = ends.map(|end| (end, false)).collect();
    ends.push((text.len(), true));
    for (cut, is_last) in ends {
        // Exactly as long as the frame, so that a read beyond it is noticed.
        let frame = text[position..cut].to_vec().into_boxed_slice().into_vec();
        decoder.begin(Frames {
            partition: PartitionId(0),
            bytes: FrameBytes::Sequential {
                bytes: Buffer::from_vec(frame),
                start: Offset(position as u64),
                end: Offset(end),
                is_last,
            },
        })?;
        let mut bad = Vec::new();
        while let Some(batch) = decoder.decode(&mut bad)? {
            assert!((1..=spec.batch_rows).contains(&batch.row_count()), "rows of a batch");
            let types = spec.columns.iter().map(|&column| &spec.schema.fields[column].data_type);
            let columns: Vec<Vec<Value>> =
                batch.columns().iter().zip(types).map(|(c, t)| value::decoded(c, t)).collect();
            for (row, &offset) in batch.offsets().values().iter().enumerate() {
                let values = columns.iter().map(|column| column[row].clone()).collect();
                outcome.rows.push((offset, values));
            }
        }
        for BadRecord { offset, field, reason, raw, .. } in bad {
            let raw = raw.expect("text comes with its bytes");
            assert_eq!(decoder.raw_record(offset), Some(raw.as_slice()), "the bytes of a record");
            outcome.bad.push(Bad { offset: offset.0, field, raw });
            reasons.push(reason);
        }
        position += usize::try_from(decoder.consumed()).expect("within the text");
    }
    assert!(position == text.len() || position as u64 >= end, "all is consumed");
    Ok(position)
}
