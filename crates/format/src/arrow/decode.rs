//! Arrow IPC to batches.
//!
//! Everything is consumed as it comes, at whatever byte frames are cut, or message by message where a file is read
//! by its footer; offsets are row numbers.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames, Schema};

use super::convert::Conversion;
use super::footer::ArrowFooter;
use super::members::{flattened, member};
use super::messages::Messages;
use super::values::Found;
use crate::lost::{take_counts, take_place};
use crate::parquet::sieve::Sieve;
use crate::{DecoderSpec, FormatError, LeftOut, ReadFrom, WantedPart, lost};

/// Of wider results whole messages are decoded: `arrow-ipc` looks for each column among all that are
/// wanted.
const PROJECTED_COLUMNS_MAX: usize = 64;

/// Decodes one partition of Arrow IPC.
pub(crate) struct ArrowDecoder {
    // Fixed at construction.
    schema: Schema,
    pub(super) columns: Vec<usize>,
    pub(super) batch_rows: usize,
    is_inferred: bool,
    is_union: bool,
    // Changes with the stream.
    messages: Messages,
    /// Of a file that is read by it: frames are heads and bodies of messages in turn, and else bytes of a stream, cut
    /// anywhere.
    footer: Option<Arc<ArrowFooter>>,
    /// What is wanted of the body of the message at hand.
    wanted: Option<WantedPart>,
    /// Its head has come.
    is_begun: bool,
    /// Its body.
    body: Option<Buffer>,
    pub(super) conversion: Option<Conversion>,
    /// Which rows are wanted; `None` of all.
    pub(super) sieve: Option<Sieve>,
    /// For each needed column that the input has, its place in the record batches, and the way on from there.
    places: Vec<(usize, Vec<usize>)>,
    /// For each needed column which of these it is.
    present: Vec<Option<usize>>,
    left_out: Vec<LeftOut>,
    pub(super) row_count: u64,
    /// The record batch at hand, and how many of its rows were handed out.
    pub(super) rows: Option<(RecordBatch, usize)>,
    /// The message that was lent last, by its place among all; `None` before the first, and of a stream.
    message: Option<usize>,
    /// Rows to be passed over, since they were given before a cut.
    rows_to_pass: u64,
    /// Times that were cut before that, for each needed column.
    floored_before: Option<Vec<u64>>,
}

impl ArrowDecoder {
    pub(crate) fn new(spec: &DecoderSpec<'_>) -> Self {
        Self {
            schema: spec.schema.clone(),
            columns: spec.columns.to_vec(),
            batch_rows: spec.batch_rows.max(1),
            is_inferred: spec.is_inferred,
            is_union: spec.is_union,
            messages: Messages::new(usize::MAX),
            footer: None,
            wanted: None,
            is_begun: false,
            body: None,
            conversion: None,
            sieve: None,
            places: Vec::new(),
            present: Vec::new(),
            left_out: Vec::new(),
            row_count: 0,
            rows: None,
            message: None,
            rows_to_pass: 0,
            floored_before: None,
        }
    }

    /// Of a file that is read by its footer, message after message; the first record batch begins with this row of
    /// the file.
    pub(crate) fn of_messages(
        spec: &DecoderSpec<'_>,
        footer: Arc<ArrowFooter>,
        start_row: u64,
    ) -> Self {
        let messages = Messages::behind(footer.arrow_schema().clone());
        Self { messages, footer: Some(footer), row_count: start_row, ..Self::new(spec) }
    }

    pub(crate) fn limit_parts(&mut self, bytes_max: usize) {
        self.messages.limit(bytes_max);
    }

    pub(crate) fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        match (frames.bytes, &self.footer) {
            (FrameBytes::Sequential { bytes, start, is_last, .. }, None) => {
                self.messages.begin(bytes, start.0, is_last);
                Ok(())
            }
            (FrameBytes::RowGroup { index, mut ranges, .. }, Some(footer)) if ranges.len() == 1 => {
                let (start, bytes) = ranges.remove(0);
                if std::mem::take(&mut self.is_begun) {
                    self.body = Some(bytes);
                    return Ok(());
                }
                let end = footer.message(index).map_or(0, |place| place.end);
                self.message = Some(index);
                if self.conversion.is_none() {
                    self.match_columns()?;
                }
                self.wanted = Some(self.messages.begin_message(&bytes, start, end)?);
                self.is_begun = true;
                Ok(())
            }
            _ => Err(FormatError::Frames {
                reason: "a stream is decoded from sequential frames, and a file by its footer from messages"
                    .to_owned(),
            }),
        }
    }

    /// What is to be lent next, of a message whose head has come.
    pub(crate) fn wanted(&mut self) -> Option<WantedPart> {
        self.wanted.take()
    }

    pub(crate) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    pub(crate) fn consumed(&self) -> u64 {
        if self.footer.is_some() { 0 } else { self.messages.consumed() as u64 }
    }

    pub(crate) fn decode(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Option<Batch>, FormatError> {
        if self.conversion.is_none() && !self.match_columns()? {
            return Ok(None);
        }
        loop {
            while let Some(batch) = match self.sieve {
                Some(_) => self.next_kept(bad)?,
                None => self.next_slice(bad)?,
            } {
                if batch.row_count() > 0 {
                    return Ok(Some(batch));
                }
            }
            let next = match (&self.footer, self.body.take()) {
                (None, _) => self.messages.next_batch()?,
                (Some(_), Some(body)) => self.messages.end_body(body)?,
                (Some(_), None) => None,
            };
            match next {
                Some(rows) => self.begin_rows(rows),
                None => return Ok(None),
            }
        }
    }

    /// Begins with a record batch, but for rows of it that were given before a cut.
    fn begin_rows(&mut self, rows: RecordBatch) {
        let passed = self.rows_to_pass.min(rows.num_rows() as u64);
        self.rows_to_pass -= passed;
        self.row_count += passed;
        let given = usize::try_from(passed).expect("no more than a batch has");
        self.rows = Some((rows, given));
    }

    /// Rows of the record batch at hand that were given.
    fn given(&self) -> u64 {
        self.rows.as_ref().map_or(0, |(_, given)| *given as u64)
    }

    /// As [`crate::Decoder::reads_from`].
    pub(crate) fn reads_from(&self) -> ReadFrom {
        if self.footer.is_none() {
            return ReadFrom::Start;
        }
        let is_within = self.rows.is_some();
        ReadFrom::Part(self.message.map_or(0, |last| if is_within { last } else { last + 1 }))
    }

    /// As [`crate::Decoder::is_within_part`].
    pub(crate) fn is_within_message(&self) -> bool {
        self.footer.is_some() && self.rows.is_some()
    }

    /// As [`crate::Decoder::export`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        let to_pass = match self.footer {
            Some(_) => self.given(),
            None => self.row_count,
        };
        // Those that are still to be passed over have been given, too.
        image.put_one("row", self.row_count + self.rows_to_pass);
        let next = match self.reads_from() {
            ReadFrom::Part(next) => next,
            ReadFrom::Start | ReadFrom::Bytes(_) => 0,
        };
        image.put_one("message", next as u64);
        image.put_one("rows_to_pass", to_pass + self.rows_to_pass);
        let known = self.conversion.as_ref().map(|known| known.floored_counts().collect());
        if let Some(counts) = known.or_else(|| self.floored_before.clone()) {
            image.put("floored", counts);
        }
        image
    }

    /// As [`crate::Decoder::import`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let row = take_place(&mut image, "row")?;
        self.rows_to_pass = image.take_one("rows_to_pass")?;
        let Some(start) = row.checked_sub(self.rows_to_pass) else {
            return Err(ImageError::new("rows_to_pass", "is more than there are rows before"));
        };
        // Those of a stream are counted from its start again.
        if self.footer.is_none() && start > 0 {
            return Err(ImageError::new("rows_to_pass", "is fewer than there are rows before"));
        }
        self.row_count = start;
        let next = usize::try_from(take_place(&mut image, "message")?);
        self.message = next.expect("a usize is 64 bits").checked_sub(1);
        if image.has("floored") {
            self.floored_before = Some(take_counts(&mut image, "floored", self.columns.len())?);
            // There may be no message left that would have it done.
            if self.footer.is_some() {
                let matched = self.match_columns();
                matched.map_err(|error| ImageError::new("floored", error.to_string()))?;
            }
        }
        image.end()
    }

    /// Goes on to the schema and finds the needed columns in it; `false` if more bytes are needed.
    fn match_columns(&mut self) -> Result<bool, FormatError> {
        let Some(schema) = self.messages.next_schema()? else { return Ok(false) };
        let (found, ways) = flattened(&schema);
        let mut conversion = Conversion::new(&found, &self.schema, &self.columns, self.is_union)?;
        if self.is_inferred {
            self.left_out = lost::found_beside(&found, &self.schema);
        }
        let needed = conversion.positions().map(|at| ways[at].split_first());
        let needed = needed.map(|way| way.map_or((0, Vec::new()), |(&top, on)| (top, on.to_vec())));
        self.places = needed.collect();
        let present = conversion.needed().scan(0, |count, (at, ..)| {
            let index = at.map(|_| *count);
            *count += usize::from(at.is_some());
            Some(index)
        });
        self.present = present.collect();
        let mut tops: Vec<usize> = self.places.iter().map(|(top, _)| *top).collect();
        tops.sort_unstable();
        tops.dedup();
        if tops.len() <= PROJECTED_COLUMNS_MAX {
            for (top, _) in &mut self.places {
                *top = tops.binary_search(top).expect("all are among them");
            }
            self.messages.project(tops);
        }
        if let Some(counts) = self.floored_before.take() {
            conversion.count_on(&counts);
        }
        self.conversion = Some(conversion);
        Ok(true)
    }

    /// The next rows of the record batch at hand, without those that are bad.
    fn next_slice(&mut self, bad: &mut Vec<BadRecord>) -> Result<Option<Batch>, FormatError> {
        let Some((rows, given)) = &mut self.rows else { return Ok(None) };
        let conversion = self.conversion.as_mut().expect("record batches come behind the schema");
        let row_count = self.batch_rows.min(rows.num_rows() - *given);
        if row_count == 0 {
            self.rows = None;
            return Ok(None);
        }
        let slice = |place| slice(rows, *given, row_count, place, self.row_count);
        let arrays = self.places.iter().map(slice).collect::<Result<Vec<_>, _>>()?;
        let found: Vec<Found<'_>> = arrays.iter().map(Found::plain).collect();
        let batch = conversion.apply(&found, row_count, self.row_count, bad)?;
        *given += row_count;
        self.row_count += row_count as u64;
        Ok(Some(batch))
    }

    /// The next rows of one of the needed columns as they came; `None` of one that the input has not.
    pub(super) fn found(
        &self,
        place: usize,
        row_count: usize,
    ) -> Result<Option<ArrayRef>, FormatError> {
        let Some((rows, given)) = &self.rows else { return Ok(None) };
        let of = |at: usize| slice(rows, *given, row_count, &self.places[at], self.row_count);
        self.present[place].map(of).transpose()
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        self.conversion.as_ref().map_or_else(Vec::new, Conversion::notices)
    }

    /// Bytes held beside the current frame.
    pub(crate) fn held_bytes(&self) -> usize {
        self.messages.held_bytes() + self.messages.batch_bytes()
    }
}

/// Some rows of a column of a record batch, or of a member of it.
fn slice(
    rows: &RecordBatch,
    given: usize,
    row_count: usize,
    (top, way): &(usize, Vec<usize>),
    position: u64,
) -> Result<ArrayRef, FormatError> {
    member(&rows.column(*top).slice(given, row_count), way).map_err(|source| FormatError::Arrow {
        what: "a member of a struct in Arrow".to_owned(),
        position,
        source,
    })
}
