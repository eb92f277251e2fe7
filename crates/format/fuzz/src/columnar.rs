//! Arrow and Parquet of any bytes: valid columns or an error, the same however they are lent, and nothing that is
//! larger than its bytes allow.

use arrow_array::Array;
use arrow_buffer::Buffer;
use tidemill_format::parquet::{Footer, ParsedFooter};
use tidemill_format::{Decoder, DecoderSpec, infer_schema};
use tidemill_plan::{ArrowOptions, Format};
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames, Offset, PartitionId, Schema};

/// Bytes that a message or a row group may take.
const PART_BYTES_MAX: usize = 16 << 20;

/// A file of a few bytes may stand for a great many rows of nothing.
const ROWS_MAX: u64 = 1 << 20;

/// Rows and bad records, or that it was refused.
type Outcome = Result<(u64, usize), ()>;

/// Decodes a stream or file of Arrow, whole and cut in two; the first two bytes say where, and how many rows a batch
/// has.
///
/// # Panics
/// If a column is not valid, or both ways differ.
pub fn arrow(data: &[u8]) {
    let Some((&[cut, rows], bytes)) = data.split_first_chunk() else { return };
    let format = Format::Arrow(ArrowOptions::default());
    let Ok(schema) = infer_schema(&format, bytes, true) else { return };
    let whole = arrow_rows(&format, &schema, bytes, bytes.len(), usize::from(rows));
    let cut = arrow_rows(&format, &schema, bytes, bytes.len() * usize::from(cut) / 256, 8192);
    assert_eq!(whole, cut, "whole and cut");
}

fn arrow_rows(format: &Format, schema: &Schema, bytes: &[u8], cut: usize, rows: usize) -> Outcome {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let mut decoder = Decoder::new(&spec(format, schema, &columns, rows)).map_err(drop)?;
    let mut counted = Counted::default();
    let mut start = 0;
    for end in [cut, bytes.len()] {
        let frame = FrameBytes::Sequential {
            bytes: Buffer::from(&bytes[start..end]),
            start: Offset(start as u64),
            end: Offset(u64::MAX),
            is_last: end == bytes.len(),
        };
        counted.take(&mut decoder, frame)?;
        start += usize::try_from(decoder.consumed()).unwrap_or(usize::MAX);
        if end == bytes.len() {
            break;
        }
    }
    Ok(counted.outcome())
}

/// Decodes a file of Parquet by its footer.
///
/// # Panics
/// If a column is not valid.
pub fn parquet(data: &[u8]) {
    let Some((&rows, bytes)) = data.split_first() else { return };
    let _ = parquet_rows(bytes, usize::from(rows));
}

fn parquet_rows(bytes: &[u8], rows: usize) -> Outcome {
    let ParsedFooter::Whole(footer) = Footer::parse(bytes, bytes.len() as u64).map_err(drop)?
    else {
        return Err(());
    };
    let schema = footer.schema().map_err(drop)?;
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let spec = spec(&Format::Parquet, &schema, &columns, rows);
    let selection = footer.selection(&schema, &columns).map_err(drop)?;
    let footer = std::sync::Arc::new(*footer);
    let mut decoder =
        Decoder::for_parquet(&spec, std::sync::Arc::clone(&footer)).map_err(drop)?;
    let mut counted = Counted::default();
    decoder.limit_parts(PART_BYTES_MAX);
    for group in footer.row_groups() {
        let ranges = footer.ranges(group.index, &selection).map_err(drop)?;
        let lent = |range: std::ops::Range<u64>| {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
            (range.start, Buffer::from(&bytes[at(range.start)..at(range.end)]))
        };
        let ranges = ranges.into_iter().map(lent).collect();
        let start = Offset(group.start_row);
        let frame = FrameBytes::RowGroup { index: group.index, start, ranges };
        counted.take(&mut decoder, frame)?;
    }
    Ok(counted.outcome())
}

fn spec<'a>(
    format: &'a Format,
    schema: &'a Schema,
    columns: &'a [usize],
    rows: usize,
) -> DecoderSpec<'a> {
    DecoderSpec {
        format,
        schema,
        columns,
        batch_rows: rows.max(1),
        csv_header: None,
        is_inferred: true,
        is_union: false,
    }
}

/// What was decoded so far.
#[derive(Default)]
struct Counted {
    row_count: u64,
    bad: Vec<BadRecord>,
}

impl Counted {
    /// Nothing where it is refused, or stands for more rows than are worth a look.
    fn take(&mut self, decoder: &mut Decoder, bytes: FrameBytes) -> Result<(), ()> {
        decoder.limit_parts(PART_BYTES_MAX);
        decoder.begin(Frames { partition: PartitionId(0), bytes }).map_err(drop)?;
        while let Some(batch) = decoder.decode(&mut self.bad).map_err(drop)? {
            self.check(&batch);
            if self.row_count > ROWS_MAX {
                return Err(());
            }
        }
        Ok(())
    }

    fn check(&mut self, batch: &Batch) {
        for column in batch.columns() {
            assert_eq!(column.len(), batch.row_count());
            column.to_data().validate_full().expect("a column that is given out is valid");
        }
        self.row_count += batch.row_count() as u64;
    }

    fn outcome(self) -> (u64, usize) {
        (self.row_count, self.bad.len())
    }
}
