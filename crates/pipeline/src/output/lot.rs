//! Rows of text that several cores encode for one file: consecutive ones each, written in their order.

use std::sync::Arc;

use tidemill_aggregate::{DoAll, Piece};
use tidemill_format::{Encoder, FormatError};
use tidemill_record::Batch;

use super::pieces::text_bytes;

/// Rows of the first lot at most; from then on lots become about so many bytes.
const FIRST_ROWS: usize = 1 << 14;
const LOT_BYTES: usize = 8 << 20;
/// Bytes of a lot for which there is always room.
const LOT_BYTES_MIN: usize = 256 << 10;
/// And so many rows, at most.
const ROWS_MAX: usize = 1 << 17;
/// Fewer, of less text, are encoded before another core would have begun.
const SHARED_ROWS_MIN: usize = 1 << 13;
const SHARED_BYTES_MIN: usize = 2 << 20;
/// Runs of rows that are encoded beside each other, more than cores so that none has to wait long for another.
const RUNS: usize = 16;

/// Rows that wait to be encoded together. A bounded number of them, and of bytes that they become.
pub(super) struct Lot {
    help: Arc<DoAll>,
    batches: Vec<Batch>,
    row_count: usize,
    row_count_max: usize,
    /// Bytes of the rows' texts, as often as rows have them, and how many there may be.
    byte_count: usize,
    byte_count_max: usize,
    /// One for each run of rows, and what it has made of it.
    runs: Vec<Run>,
}

struct Run {
    encoder: Encoder,
    bytes: Vec<u8>,
}

impl Lot {
    /// For rows that stand behind those of an encoder; `None` where these are no text.
    pub(super) fn new(help: Arc<DoAll>, encoder: &Encoder) -> Option<Self> {
        encoder.beside()?;
        let (batches, runs) = (Vec::new(), Vec::new());
        Some(Self {
            help,
            batches,
            row_count: 0,
            row_count_max: FIRST_ROWS,
            byte_count: 0,
            byte_count_max: LOT_BYTES,
            runs,
        })
    }

    /// Takes rows, of which there are as many as `pieces` gives at a time.
    pub(super) fn push(&mut self, batch: &Batch) {
        self.row_count += batch.row_count();
        self.byte_count = self.byte_count.saturating_add(text_bytes(batch));
        self.batches.push(batch.clone());
    }

    /// Says how many bytes more may be held: rows wait, and what they become waits beside them.
    pub(super) fn set_room(&mut self, room_bytes: u64) {
        let part = usize::try_from(room_bytes / 4).unwrap_or(usize::MAX);
        self.byte_count_max = part.clamp(LOT_BYTES_MIN, LOT_BYTES);
    }

    /// Bytes that are held: texts that wait, each as if it were the row's own, and room for what they become.
    pub(super) fn held_bytes(&self) -> usize {
        self.byte_count.saturating_add(self.runs.iter().map(|run| run.bytes.capacity()).sum())
    }

    /// Whether they are to be encoded now.
    pub(super) fn is_full(&self) -> bool {
        self.row_count >= self.row_count_max || self.byte_count >= self.byte_count_max
    }

    /// Encodes the rows: first what is in `out`, which the encoder may have made, then each of [`Self::bytes`].
    pub(super) fn encode(
        &mut self,
        encoder: &mut Encoder,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        let Some(first) = self.batches.first() else { return Ok(()) };
        if self.row_count < SHARED_ROWS_MIN && self.byte_count < SHARED_BYTES_MIN {
            return self.batches.iter().try_for_each(|batch| encoder.encode(batch, out));
        }
        // The head of the segment, if it has none yet.
        encoder.encode(&first.slice(0, 0), out)?;
        let batches: Vec<&[Batch]> =
            self.batches.chunks(self.batches.len().div_ceil(RUNS)).collect();
        while self.runs.len() < batches.len() {
            let encoder = encoder.beside().expect("a lot is of text");
            self.runs.push(Run { encoder, bytes: Vec::new() });
        }
        let mut results: Vec<Result<(), FormatError>> = batches.iter().map(|_| Ok(())).collect();
        let pieces = self.runs.iter_mut().zip(batches).zip(&mut results);
        let pieces = pieces.map(|((Run { encoder, bytes }, batches), result)| {
            let piece: Piece<'_> = Box::new(move || {
                *result = batches.iter().try_for_each(|batch| encoder.encode(batch, bytes));
            });
            piece
        });
        (self.help)(pieces.collect());
        results.into_iter().collect()
    }

    /// What rows have become, in their order.
    pub(super) fn bytes(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.runs.iter().map(|run| &run.bytes)
    }

    /// Forgets what has been written.
    pub(super) fn clear(&mut self) {
        let byte_count: usize = self.bytes().map(Vec::len).sum();
        if let Some(rows) = self.row_count.saturating_mul(LOT_BYTES).checked_div(byte_count) {
            self.row_count_max = rows.clamp(1, ROWS_MAX);
        }
        for run in &mut self.runs {
            run.bytes.clear();
            run.bytes.shrink_to(2 * self.byte_count_max / RUNS);
        }
        self.batches.clear();
        (self.row_count, self.byte_count) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, StringViewArray, UInt64Array};
    use tidemill_plan::{CsvOptions, Format, JsonOptions};
    use tidemill_record::{DataType, Field, Schema};

    use super::*;

    fn batches(row_count: i64, batch_rows: usize) -> Vec<Batch> {
        let rows: Vec<i64> = (0..row_count).collect();
        let batch = |rows: &[i64]| {
            let texts = rows.iter().map(|row| format!("text, \"{row}\"\n").repeat(rows.len() % 3));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(rows.iter().copied())),
                Arc::new(StringViewArray::from_iter_values(texts)),
            ];
            Batch::new(columns, UInt64Array::from(vec![0; rows.len()]))
        };
        rows.chunks(batch_rows).map(batch).collect()
    }

    #[test]
    fn long_texts_make_lots_of_few_rows() -> Result<(), FormatError> {
        let field = Field { name: "t".to_owned(), data_type: DataType::Varchar, is_nullable: true };
        let format = Format::Csv(CsvOptions::default());
        let mut encoder = Encoder::new(&format, &Schema::new(vec![field]))?;
        let mut lot = Lot::new(
            Arc::new(|pieces: Vec<Piece<'_>>| pieces.into_iter().for_each(|piece| piece())),
            &encoder,
        )
        .expect("it is text");
        let text = "x".repeat(1 << 20);
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values([&text]));
        let batch = Batch::new(vec![column], UInt64Array::from(vec![0]));
        for (room_bytes, rows) in [(u64::MAX, 8), (8 << 20, 2), (0, 1)] {
            lot.set_room(room_bytes);
            let mut row_count = 0;
            while !lot.is_full() {
                lot.push(&batch);
                row_count += 1;
            }
            assert_eq!(row_count, rows, "{room_bytes} bytes of room");
            assert!(lot.held_bytes() >= rows << 20);
            lot.encode(&mut encoder, &mut Vec::new())?;
            lot.clear();
            assert!(lot.held_bytes() <= 2 * LOT_BYTES);
        }
        Ok(())
    }

    #[test]
    fn cores_write_what_one_would() -> Result<(), FormatError> {
        let field =
            |name: &str, data_type| Field { name: name.to_owned(), data_type, is_nullable: true };
        let schema = Schema::new(vec![field("k", DataType::BigInt), field("t", DataType::Varchar)]);
        // The last piece first.
        let help: Arc<DoAll> = Arc::new(|pieces: Vec<Piece<'_>>| {
            pieces.into_iter().rev().for_each(|piece| piece());
        });
        for format in [Format::Csv(CsvOptions::default()), Format::Json(JsonOptions::default())] {
            for (rows, batch_rows) in [(0, 1), (5, 2), (60_000, 7), (300_000, 8192), (9000, 9000)] {
                let batches = batches(rows, batch_rows);
                let mut one = Encoder::new(&format, &schema)?;
                let mut expected = Vec::new();
                batches.iter().try_for_each(|batch| one.encode(batch, &mut expected))?;
                one.finish(&mut expected)?;

                let mut encoder = Encoder::new(&format, &schema)?;
                let mut lot = Lot::new(Arc::clone(&help), &encoder).expect("it is text");
                let (mut written, mut lot_count) = (Vec::new(), 0);
                let mut write = |lot: &mut Lot, encoder: &mut Encoder| {
                    let mut head = Vec::new();
                    lot.encode(encoder, &mut head)?;
                    written.extend(head);
                    lot.bytes().for_each(|bytes| written.extend_from_slice(bytes));
                    lot.clear();
                    Ok::<(), FormatError>(())
                };
                for batch in &batches {
                    lot.push(batch);
                    if lot.is_full() {
                        write(&mut lot, &mut encoder)?;
                        lot_count += 1;
                    }
                }
                write(&mut lot, &mut encoder)?;
                encoder.finish(&mut written)?;
                assert!(written == expected, "{rows} rows, {batch_rows} a batch");
                assert_eq!(lot_count > 0, rows > 20_000, "{rows} rows, {batch_rows} a batch");
            }
        }
        Ok(())
    }
}
