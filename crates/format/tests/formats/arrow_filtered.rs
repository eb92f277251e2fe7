//! Rows of Arrow that a filter leaves out, held to a slow model.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_ipc::writer::FileWriter;
use tidemill_format::{Decoder, DecoderSpec, Judgement, RowFilter};
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::arrow_footers::{every_layout, footer, lend_message};
use crate::decoding::{ARROW, decode, gathered};

/// Keeps numbers that this divides, and is in doubt about some.
#[derive(Clone, Copy)]
struct Multiples(i64);

impl Multiples {
    fn is_in_doubt(number: i64) -> bool {
        number % 91_000 == 0
    }

    fn keeps(self, number: Option<i64>) -> bool {
        number.is_some_and(|number| number % self.0 == 0 || Self::is_in_doubt(number))
    }
}

impl RowFilter for Multiples {
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement {
        let numbers = columns[0].as_primitive::<Int64Type>();
        assert_eq!((columns.len(), numbers.len()), (1, row_count));
        Judgement {
            kept: numbers.iter().map(|number| self.keeps(number)).collect::<BooleanBuffer>(),
            is_in_doubt: numbers.iter().flatten().any(Self::is_in_doubt),
        }
    }
}

/// A file of several record batches.
fn file() -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &every_layout(1).schema()).unwrap();
    for row_count in [3, 0, 1, 700, 2] {
        writer.write(&every_layout(row_count)).unwrap();
    }
    writer.into_inner().unwrap()
}

/// The column of a schema with this name.
fn named(schema: &Schema, name: &str) -> usize {
    schema.fields.iter().position(|field| field.name == name).unwrap()
}

/// What a decoder has given.
#[derive(Default)]
struct Taken {
    batches: Vec<Batch>,
    bad: Vec<BadRecord>,
    rejected: Vec<u64>,
}

impl Taken {
    fn take(&mut self, decoder: &mut Decoder, number: usize, batch_rows: usize) {
        loop {
            let batch = decoder.decode(&mut self.bad).unwrap();
            let filtered = decoder.take_filtered().unwrap();
            self.rejected.extend(filtered.rejected.values());
            let Some(batch) = batch else { break };
            assert!((1..=batch_rows).contains(&batch.row_count()));
            let mut numbers = batch.column(number).as_primitive::<Int64Type>().iter().flatten();
            assert!(filtered.is_in_doubt || !numbers.any(Multiples::is_in_doubt));
            self.batches.push(batch);
        }
    }
}

#[test]
fn rows_that_a_filter_leaves_out_are_left_out_and_no_others() {
    let bytes = file();
    let found = footer(&bytes).unwrap();
    let mut schema = found.schema().unwrap();
    let (number, large) = (named(&schema, "number"), named(&schema, "large"));
    let whole = decode(&ARROW, &schema, &bytes).unwrap();
    schema.fields[number].is_nullable = false;
    schema.fields[large].is_nullable = false;
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let numbers = whole.columns[number].as_primitive::<Int64Type>();
    for (modulus, batch_rows, is_by_footer) in
        [1, 3000, 50_000, i64::MAX].into_iter().flat_map(|modulus| {
            let sizes = [1, 7, 8192].into_iter();
            sizes.flat_map(move |rows| [(modulus, rows, true), (modulus, rows, false)])
        })
    {
        let filter = Multiples(modulus);
        let spec = DecoderSpec {
            format: &ARROW,
            schema: &schema,
            columns: &columns,
            batch_rows,
            csv_header: None,
            is_inferred: false,
            is_union: false,
        };
        let mut taken = Taken::default();
        if is_by_footer {
            let mut decoder = Decoder::for_arrow_file(&spec, Arc::new(found.clone()), 0);
            decoder.filter_rows(&[number], Box::new(filter));
            for (index, place) in found.messages().enumerate() {
                lend_message(&mut decoder, &bytes, index, place).unwrap();
                taken.take(&mut decoder, number, batch_rows);
            }
        } else {
            let mut decoder = Decoder::new(&spec).unwrap();
            decoder.filter_rows(&[number], Box::new(filter));
            let bytes = FrameBytes::Sequential {
                bytes: Buffer::from(&bytes[..]),
                start: Offset(0),
                end: Offset(u64::MAX),
                is_last: true,
            };
            decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
            taken.take(&mut decoder, number, batch_rows);
        }

        let (mut kept, mut rejected, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..whole.offsets.len() {
            let offset = row as u64;
            if numbers.is_null(row) {
                bad.push((offset, "number"));
            } else if !filter.keeps(Some(numbers.value(row))) {
                rejected.push(offset);
            } else if whole.columns[large].is_null(row) {
                bad.push((offset, "large"));
            } else {
                kept.push(offset);
            }
        }
        let what = format!("{modulus} {batch_rows} {is_by_footer}");
        assert_eq!(taken.rejected, rejected, "{what}");
        let found_bad = taken.bad.iter().map(|bad| (bad.offset.0, bad.field.as_deref().unwrap()));
        assert_eq!(found_bad.collect::<Vec<_>>(), bad, "{what}");
        let decoded = gathered(&schema, &taken.batches, Vec::new());
        assert_eq!(decoded.offsets, kept, "{what}");
        let kept = UInt64Array::from(kept);
        for (column, of_whole) in decoded.columns.iter().zip(&whole.columns) {
            let expected = arrow_select::take::take(of_whole, &kept, None).unwrap();
            assert_eq!(column, &expected, "{what}");
        }
    }
}
