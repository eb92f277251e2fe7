//! Plays the reader: lends an input to a decoder in frames of a chosen size.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use tidemill_format::{Decoder, DecoderSpec, FormatError, LeftOut};
use tidemill_plan::{ArrowForm, ArrowOptions, Format};
use tidemill_record::{
    BadRecord, Batch, DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema,
};

/// Read it is either form.
pub(crate) const ARROW: Format = Format::Arrow(ArrowOptions { form: ArrowForm::File });

/// What an input decodes to.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    /// One column each, whole.
    pub(crate) columns: Vec<ArrayRef>,
    /// Offsets of the rows.
    pub(crate) offsets: Vec<u64>,
    pub(crate) bad: Vec<BadRecord>,
}

impl Decoded {
    /// The text of a VARCHAR column.
    pub(crate) fn texts(&self, column: usize) -> Vec<Option<String>> {
        let array = self.columns[column].as_any();
        let array = array.downcast_ref::<arrow_array::StringViewArray>().unwrap();
        array.iter().map(|text| text.map(str::to_owned)).collect()
    }

    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.bad.iter().map(|bad| bad.reason.as_str()).collect()
    }
}

/// Nullable VARCHAR columns.
pub(crate) fn texts_schema(names: &[&str]) -> Schema {
    Schema::new(names.iter().map(|name| Field::nullable(*name, DataType::Varchar)).collect())
}

/// All columns of `schema`, in one frame.
pub(crate) fn decode(
    format: &Format,
    schema: &Schema,
    input: &[u8],
) -> Result<Decoded, FormatError> {
    decode_in_frames(format, schema, input, input.len(), usize::MAX, 8192)
}

/// All columns, the first frame of `first` bytes and the others of `others`, each growing where no
/// record fits it.
pub(crate) fn decode_in_frames(
    format: &Format,
    schema: &Schema,
    input: &[u8],
    first: usize,
    others: usize,
    batch_rows: usize,
) -> Result<Decoded, FormatError> {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let spec = DecoderSpec {
        format,
        schema,
        columns: &columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec)?;
    let (batches, bad) = lend(&mut decoder, input, (first, others), batch_rows)?;
    Ok(gathered(schema, &batches, bad))
}

/// What is left out of an input of an inferred schema, and why its bad records are; in frames of `length`
/// bytes, each growing where no record fits it.
pub(crate) fn left_out(
    format: &Format,
    schema: &Schema,
    input: &[u8],
    length: usize,
    batch_rows: usize,
) -> (Vec<LeftOut>, Vec<String>) {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let (columns, csv_header) = (columns.as_slice(), None);
    let spec = DecoderSpec {
        format,
        schema,
        columns,
        batch_rows,
        csv_header,
        is_inferred: true,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    let (_, bad) = lend(&mut decoder, input, (length, length), batch_rows).unwrap();
    (decoder.left_out(), bad.into_iter().map(|bad| bad.reason).collect())
}

fn lend(
    decoder: &mut Decoder,
    input: &[u8],
    (first, others): (usize, usize),
    batch_rows: usize,
) -> Result<(Vec<Batch>, Vec<BadRecord>), FormatError> {
    let mut batches = Vec::new();
    let mut bad = Vec::new();
    let (mut start, mut length) = (0_usize, first);
    loop {
        let end = input.len().min(start.saturating_add(length));
        let is_last = end == input.len();
        decoder.begin(Frames {
            partition: PartitionId(0),
            bytes: FrameBytes::Sequential {
                bytes: Buffer::from(&input[start..end]),
                start: Offset(start as u64),
                end: Offset(u64::MAX),
                is_last,
            },
        })?;
        while let Some(batch) = decoder.decode(&mut bad)? {
            assert!((1..=batch_rows).contains(&batch.row_count()));
            batches.push(batch);
        }
        let consumed = decoder.consumed() as usize;
        start += consumed;
        if is_last {
            assert_eq!(start, input.len(), "all of the last frame is consumed");
            return Ok((batches, bad));
        }
        length = if consumed == 0 { length.saturating_mul(2).max(1) } else { others };
    }
}

/// The batches in one.
pub(crate) fn gathered(schema: &Schema, batches: &[Batch], bad: Vec<BadRecord>) -> Decoded {
    let arrow = schema.arrow();
    // Every column as nullable, for what is compared is the values.
    let fields: Vec<_> =
        arrow.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let arrow = std::sync::Arc::new(arrow_schema::Schema::new(fields));
    let batches_of_arrow: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| RecordBatch::try_new(arrow.clone(), batch.columns().to_vec()).unwrap())
        .collect();
    let whole = arrow_select::concat::concat_batches(&arrow, &batches_of_arrow).unwrap();
    let offsets = batches.iter().flat_map(|batch| batch.offsets().values().to_vec()).collect();
    for column in whole.columns() {
        column.to_data().validate_full().unwrap();
    }
    Decoded { columns: whole.columns().to_vec(), offsets, bad }
}

/// Decodes cut at every byte, in frames of a few sizes, and in batches of a few: always the same.
pub(crate) fn check_every_cut(format: &Format, schema: &Schema, input: &[u8]) -> Decoded {
    let whole = decode(format, schema, input).unwrap();
    for first in 0..=input.len() {
        let cut = decode_in_frames(format, schema, input, first, usize::MAX, 8192).unwrap();
        assert_eq!(cut, whole, "cut at {first}");
    }
    for size in [1, 7, 64] {
        for batch_rows in [1, 7, 1000] {
            let cut = decode_in_frames(format, schema, input, size, size, batch_rows).unwrap();
            assert_eq!(cut, whole, "frames of {size}, batches of {batch_rows}");
        }
    }
    whole
}
