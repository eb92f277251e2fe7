//! Records from lines of text, and results as lines of text: what goes in and comes out of a pipeline
//! without a file.

use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray, UInt64Array};
use tidemill_format::Encoder;
use tidemill_plan::{CsvOptions, Format};
use tidemill_record::{Batch, Columns, Polled, Schema};
use tidemill_sink::{ColumnWriter, SinkError};
use tidemill_source::{ColumnReader, SourceError};

/// Reads lines `k,v,t`: a text, an integer and seconds since 1970, nothing between commas for NULL. A
/// line `-` is a moment at which nothing is ready. A record's offset is ten times its line's number.
pub(crate) struct Lines {
    lines: Vec<String>,
    columns: Vec<usize>,
    next: usize,
}

impl Lines {
    /// Gives these of the columns.
    pub(crate) fn new(lines: &[String], columns: &[usize]) -> Self {
        Self { lines: lines.to_vec(), columns: columns.to_vec(), next: 0 }
    }
}

impl ColumnReader for Lines {
    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError> {
        let rest = &self.lines[self.next..];
        if rest.is_empty() {
            return Ok(Polled::Ended);
        }
        if rest[0] == "-" {
            self.next += 1;
            return Ok(Polled::NotReady);
        }
        let ready = rest.iter().take_while(|line| *line != "-").count();
        let given: Vec<Vec<&str>> =
            rest[..ready.min(rows_max)].iter().map(|line| line.split(',').collect()).collect();
        let text = |column: usize| given.iter().map(move |fields| fields[column]);
        let number = |text: &str| (!text.is_empty()).then(|| text.parse::<i64>().unwrap());
        let column = |column: &usize| -> ArrayRef {
            match column {
                0 => Arc::new(StringViewArray::from_iter(
                    text(0).map(|text| Some(text).filter(|text| !text.is_empty())),
                )),
                1 => Arc::new(Int64Array::from_iter(text(1).map(number))),
                _ => Arc::new(TimestampMicrosecondArray::from_iter(
                    text(2).map(|text| number(text).map(|seconds| seconds * 1_000_000)),
                )),
            }
        };
        let columns: Columns = self.columns.iter().map(column).collect();
        let first = self.next as u64;
        let offsets = (first..first + given.len() as u64).map(|row| row * 10);
        self.next += given.len();
        Ok(Polled::Ready(Batch::new(columns, UInt64Array::from_iter_values(offsets))))
    }
}

/// Collects results as CSV without a header.
pub(crate) struct Written {
    encoder: Encoder,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Written {
    /// A writer, and where its bytes can be read.
    pub(crate) fn new(schema: &Schema) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let csv = CsvOptions { has_header: false, ..CsvOptions::default() };
        let encoder = Encoder::new(&Format::Csv(csv), schema).unwrap();
        let bytes = Arc::new(Mutex::new(Vec::new()));
        (Self { encoder, bytes: Arc::clone(&bytes) }, bytes)
    }
}

impl ColumnWriter for Written {
    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError> {
        self.encoder.encode(batch, &mut self.bytes.lock().unwrap()).unwrap();
        Ok(batch.row_count() as u64)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn checksum(&self) -> Option<u64> {
        None
    }
}
