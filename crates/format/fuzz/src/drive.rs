//! Plays the reader: lends a text to decoders in frames, and gathers what they make of it.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::ArrayRef;
use arrow_buffer::{BooleanBuffer, Buffer};
use tidemill_format::{Decoder, DecoderSpec, FormatError, Judgement, RowFilter};
use tidemill_plan::Format;
use tidemill_record::{BadRecord, DataType, FrameBytes, Frames, Offset, PartitionId};

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
    /// Offsets of those that a filter left out.
    pub rejected: BTreeSet<u64>,
}

/// Keeps rows by what their values look like; of some it cannot say whether they are wanted.
struct ByLooks(Vec<DataType>);

/// Whether a row of these values is kept, and whether that is a guess.
fn looks_wanted(values: &[Value]) -> (bool, bool) {
    let looks = format!("{values:?}").bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let is_in_doubt = looks % 11 == 0;
    (looks % 3 == 0 || is_in_doubt, is_in_doubt)
}

impl RowFilter for ByLooks {
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement {
        let columns: Vec<Vec<Value>> =
            columns.iter().zip(&self.0).map(|(c, t)| value::decoded(c, t)).collect();
        assert!(columns.iter().all(|column| column.len() == row_count), "values of each row");
        let judged: Vec<(bool, bool)> = (0..row_count)
            .map(|row| columns.iter().map(|column| column[row].clone()).collect::<Vec<_>>())
            .map(|values| looks_wanted(&values))
            .collect();
        Judgement {
            kept: judged.iter().map(|judged| judged.0).collect::<BooleanBuffer>(),
            is_in_doubt: judged.iter().any(|judged| judged.1),
        }
    }
}

/// What all records come to where those are left out that are not wanted: `read` is what they come to of the columns
/// that the filter reads.
#[must_use]
pub fn wanted(all: Outcome, read: Outcome) -> Outcome {
    let kept: BTreeMap<u64, bool> =
        read.rows.iter().map(|(offset, values)| (*offset, looks_wanted(values).0)).collect();
    let is_kept = |offset: &u64| kept.get(offset) == Some(&true);
    let bad = all.bad.into_iter().filter(|bad| is_kept(&bad.offset));
    let mut bad: Vec<Bad> = bad.chain(read.bad).collect();
    bad.sort_by_key(|bad| bad.offset);
    Outcome {
        rows: all.rows.into_iter().filter(|(offset, _)| is_kept(offset)).collect(),
        bad,
        rejected: kept.iter().filter(|(_, kept)| !**kept).map(|(offset, _)| *offset).collect(),
    }
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
    is_filtered: bool,
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
    check_ways(case, format, text, trusted, header, false);
}

/// The same with a filter that reads [`Case::filtered_by`], held against what [`wanted`] gives.
///
/// # Panics
/// If one of them differs.
pub fn check_filtered(
    case: &Case,
    format: &Format,
    text: &[u8],
    trusted: &Outcome,
    header: Option<&[String]>,
) {
    check_ways(case, format, text, &Ok(trusted.clone()), header, true);
}

fn check_ways(
    case: &Case,
    format: &Format,
    text: &[u8],
    trusted: &Result<Outcome, String>,
    header: Option<&[String]>,
    is_filtered: bool,
) {
    let at = |share: &usize| text.len() * share / 0x1_0000;
    let whole = Way {
        is_baseline: false,
        cuts: Vec::new(),
        is_end_late: false,
        batch_rows: 8192,
        split: 0,
        is_filtered,
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
    assert_eq!(found.rejected, trusted.rejected, "left out\n{context}");
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
    let next = partition(case, &spec, text, (0, end), way, &mut outcome, &mut reasons)?;
    if way.split > 0 && next > 0 {
        let spec = DecoderSpec { csv_header: header, ..spec };
        partition(case, &spec, text, (next, u64::MAX), way, &mut outcome, &mut reasons)?;
    }
    Ok((outcome, reasons))
}

/// Decodes the records that begin in `[start, end)`: where the next one does.
fn partition(
    case: &Case,
    spec: &DecoderSpec<'_>,
    text: &[u8],
    (start, end): (usize, u64),
    way: &Way,
    outcome: &mut Outcome,
    reasons: &mut Vec<String>,
) -> Result<usize, FormatError> {
    let mut decoder = Decoder::new(spec)?;
    if way.is_filtered {
        let columns = case.filtered_by();
        let types = columns.iter().map(|&column| spec.schema.fields[column].data_type.clone());
        let filter = Box::new(ByLooks(types.collect()));
        let place = |column| spec.columns.binary_search(column).expect("it is needed");
        let places: Vec<usize> = columns.iter().map(place).collect();
        decoder.filter_rows(&places, filter);
    }
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
        loop {
            let batch = decoder.decode(&mut bad)?;
            if let Some(filtered) = decoder.take_filtered() {
                let mut rejected = filtered.rejected.values().iter();
                assert!(rejected.all(|offset| outcome.rejected.insert(*offset)), "each once");
            }
            let Some(batch) = batch else { break };
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
