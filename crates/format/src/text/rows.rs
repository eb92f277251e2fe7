//! Records of a text format on their way into a batch, and the loop that both formats share.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{BooleanArray, UInt64Array};
use arrow_buffer::Buffer;
use arrow_select::filter::filter;
use tidemill_plan::{Times, TimestampUnit};
use tidemill_record::batch::Columns;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::recycled::{Room, no_bytes};
use tidemill_record::{BadRecord, Batch, FrameBytes, Frames, Offset};

use super::cells::Chunk;
use super::column::TextColumn;
use super::fields::{PickRoom, Records, Slotted};
use super::grid::Grid;
use super::misfit::{Misfit, explained, not_text, remedy};
use super::sieve::Sieve;
use super::slot::{FRAME_BYTES_MAX, SlotTable, narrow};
use crate::lost::take_counts;
use crate::{DecoderSpec, Filtered, FormatError, LeftOut, RowFilter};

/// Records are converted so many at a time, so that their slots stay in L1.
pub(super) const CHUNK_ROWS: usize = 512;

/// The sequential bytes a text decoder works on.
pub(crate) struct TextFrame {
    /// The bytes.
    pub(crate) bytes: Buffer,
    /// Offset of the first one.
    pub(crate) start: u64,
    /// Records at or after this offset are not ours.
    pub(crate) end: u64,
    /// Nothing follows.
    pub(crate) is_last: bool,
    /// Where the next record begins, within the bytes.
    pub(crate) position: usize,
    /// In ascending order the bytes that are not of the text, but were put into it.
    pub(crate) put_in: Vec<u32>,
}

impl Default for TextFrame {
    fn default() -> Self {
        let bytes = Buffer::from_vec(Vec::<u8>::new());
        Self { bytes, start: 0, end: u64::MAX, is_last: false, position: 0, put_in: Vec::new() }
    }
}

impl TextFrame {
    /// # Errors
    /// [`FormatError::Frames`] for a row group or more than 256 MiB.
    pub(crate) fn new(frames: Frames) -> Result<Self, FormatError> {
        let FrameBytes::Sequential { bytes, start, end, is_last } = frames.bytes else {
            return Err(FormatError::Frames {
                reason: "text is decoded from sequential frames, not from row groups".to_owned(),
            });
        };
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(FormatError::Frames {
                reason: format!("a frame of {} bytes is longer than 256 MiB", bytes.len()),
            });
        }
        Ok(Self { bytes, start: start.0, end: end.0, is_last, position: 0, put_in: Vec::new() })
    }

    /// Lets the bytes go, of which nothing is needed any more.
    pub(crate) fn let_go(&mut self) {
        self.bytes = no_bytes();
        self.position = 0;
    }

    /// Whether there is a record of ours, whole or not, at the position.
    pub(crate) fn has_more(&self) -> bool {
        self.position < self.bytes.len() && self.offset() < self.end
    }

    /// Offset of the next record.
    pub(crate) fn offset(&self) -> u64 {
        self.offset_at(self.position)
    }

    /// Offset of a byte. O(1), or O(log of the bytes that were put in).
    #[inline]
    pub(crate) fn offset_at(&self, position: usize) -> u64 {
        let mut before = 0;
        if !self.put_in.is_empty() {
            before = self.put_in.partition_point(|&put_in| (put_in as usize) < position);
        }
        self.start.saturating_add((position - before) as u64)
    }

    /// The bytes from an offset on, if it lies within the frame.
    pub(crate) fn position_of(&self, offset: Offset) -> Option<usize> {
        let in_text = usize::try_from(offset.0.checked_sub(self.start)?).ok()?;
        let mut before = 0;
        while self.put_in.get(before).is_some_and(|&put_in| put_in as usize <= in_text + before) {
            before += 1;
        }
        let position = in_text + before;
        (position < self.bytes.len()).then_some(position)
    }

    /// Steps over a byte order mark at the very start of the text, which is at the offset `head`.
    /// `false` means that more bytes are needed to tell.
    pub(crate) fn skip_byte_order_mark(&mut self, head: u64) -> bool {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.start == head && self.position == 0 {
            if self.bytes.starts_with(MARK) {
                self.position = MARK.len();
            } else if MARK.starts_with(&self.bytes) && !self.is_last {
                return false;
            }
        }
        true
    }
}

/// Finds the records of a frame and the needed values of each.
pub(crate) trait RecordParser {
    /// The records at the frame's position that are regular, at most `rows_max`, and steps over them.
    /// `None` where the next is not, or the format has none.
    fn grid(&mut self, _: &TextFrame, _rows_max: usize) -> Option<Grid<'_>> {
        None
    }

    /// Whether the next record came in pieces: it is gathered alone, since those behind it may be regular.
    fn is_in_pieces(&self) -> bool {
        false
    }

    /// Takes records from the frame's position on, of no more than there are `rows`. None, where the format
    /// looks at one by one.
    fn known(&mut self, _: &TextFrame, _rows: Range<usize>, _: Several<'_>) -> Fitted {
        Fitted::NONE
    }

    /// Parses the record at the frame's position. On [`NextRecord::Row`] all slots of the row have been set.
    fn next(
        &mut self,
        frame: &TextFrame,
        row: usize,
        slots: &mut SlotTable,
        side: &mut Vec<u8>,
    ) -> NextRecord;
}

/// Where [`RecordParser::known`] puts records.
pub(crate) struct Several<'a> {
    /// All slots of each row are to be set.
    pub(crate) slots: &'a mut SlotTable,
    /// A place is to be appended for each record.
    pub(crate) places: &'a mut Vec<(u32, u32)>,
    /// For text that does not stand in the frame as it is.
    pub(crate) side: &'a mut Vec<u8>,
    /// Rows that turned out to be bad, in any order; one may be there twice.
    pub(crate) rejected: &'a mut Vec<Misfit>,
}

/// Records that a [`RecordParser`] took at once.
pub(crate) struct Fitted {
    pub(crate) row_count: usize,
    /// Where the next one begins.
    pub(crate) next: usize,
    /// Whether they are known to be ASCII.
    pub(crate) is_ascii: bool,
}

impl Fitted {
    pub(crate) const NONE: Self = Self { row_count: 0, next: 0, is_ascii: true };
}

/// What a [`RecordParser`] found at the frame's position.
pub(crate) enum NextRecord {
    /// A record; its slots are open in [`Rows`].
    Row {
        /// End of the record without its newline, within the frame.
        end: usize,
        /// Where the next one begins.
        next: usize,
        /// Whether it is known to be ASCII.
        is_ascii: bool,
    },
    /// A record that does not parse.
    Bad {
        /// As for `Row`.
        end: usize,
        /// As for `Row`.
        next: usize,
        /// Why.
        reason: String,
    },
    /// Nothing to be counted, such as a blank line.
    Blank {
        /// Where the next record begins.
        next: usize,
    },
    /// The frame ends inside the record.
    Partial,
}

/// The records of the batch being gathered.
pub(crate) struct Rows {
    // Fixed at construction.
    /// Names of the columns.
    fields: Vec<String>,
    columns: Vec<TextColumn>,
    /// Which records are wanted, where not all are.
    sieve: Option<Sieve>,
    batch_rows: usize,
    /// Nobody declared the types, so that whoever reads that a value does not fit is told how.
    is_inferred: bool,
    // Changes with every record.
    /// Slots of the chunk, where its records are no grid.
    slots: SlotTable,
    /// Position of each record in the frame, `[start, end)`.
    places: Vec<(u32, u32)>,
    /// How many of `places` are converted.
    converted: usize,
    /// Where each record begins in its file.
    offsets: Room<u64>,
    /// Unescaped text.
    side: Vec<u8>,
    /// Records left out.
    bad: Vec<Bad>,
    /// Rows among `places` to be left out.
    dropped: Vec<usize>,
    misfits: Vec<Misfit>,
    /// Rows of the chunk that are bad as a whole.
    rejected: Vec<usize>,
    picked: PickRoom,
}

/// Records of a chunk that are no grid.
struct Gathered {
    row_count: usize,
    /// Whether they are known to be ASCII.
    is_ascii: bool,
    /// Whether the frame holds no further whole one.
    is_drained: bool,
}

/// A bad record, still without its bytes.
struct Bad {
    place: (u32, u32),
    /// The field at fault, `None` for the record as a whole.
    field: Option<usize>,
    reason: String,
}

impl Rows {
    /// # Errors
    /// [`FormatError::UnsupportedColumn`]
    pub(crate) fn new(
        spec: &DecoderSpec<'_>,
        times: (TimestampUnit, &Times),
    ) -> Result<Self, FormatError> {
        let DecoderSpec { schema, columns, batch_rows, is_inferred, .. } = *spec;
        let fields = columns.iter().map(|&column| &schema.fields[column]);
        Ok(Self {
            fields: fields.clone().map(|field| field.name.clone()).collect(),
            columns: fields
                .map(|field| TextColumn::new(field, times, is_inferred))
                .collect::<Result<_, _>>()?,
            sieve: None,
            batch_rows: batch_rows.max(1),
            is_inferred,
            slots: SlotTable::new(columns.len(), CHUNK_ROWS),
            places: Vec::new(),
            converted: 0,
            offsets: Room::default(),
            side: Vec::new(),
            bad: Vec::new(),
            dropped: Vec::new(),
            misfits: Vec::new(),
            rejected: Vec::new(),
            picked: PickRoom::default(),
        })
    }

    /// As [`crate::Decoder::filter_rows`].
    pub(crate) fn filter_by(&mut self, columns: &[usize], filter: Box<dyn RowFilter>) {
        let values = columns.iter().map(|&column| self.columns[column].like());
        self.sieve = Some(Sieve::new(filter, columns, self.columns.len(), values.collect()));
    }

    /// As [`crate::Decoder::take_filtered`].
    pub(crate) fn take_filtered(&mut self) -> Option<Filtered> {
        self.sieve.as_mut().map(Sieve::take_filtered)
    }

    /// Decodes up to a batch from the frame. To be inlined into a function that is compiled for the
    /// parser's SIMD.
    #[inline(always)]
    pub(crate) fn decode(
        &mut self,
        frame: &mut TextFrame,
        bad: &mut Vec<BadRecord>,
        parser: &mut impl RecordParser,
    ) -> Option<Batch> {
        while self.places.len() - self.dropped.len() < self.batch_rows && frame.has_more() {
            if self.take_grid(frame, parser) {
                continue;
            }
            let gathered = self.gather(frame, parser);
            let slots = std::mem::take(&mut self.slots);
            let records = Slotted { slots: &slots, rows: slots.rows(gathered.row_count) };
            self.convert(frame, records, gathered.is_ascii);
            self.slots = slots;
            if gathered.is_drained {
                break;
            }
        }
        self.finish(frame, bad)
    }

    /// Records the chunk is to have at most.
    fn chunk_rows(&self) -> usize {
        let wanted = self.batch_rows - (self.places.len() - self.dropped.len());
        wanted.min(CHUNK_ROWS)
    }

    /// Takes and converts a chunk of regular records, if there are any.
    #[inline(always)]
    fn take_grid(&mut self, frame: &mut TextFrame, parser: &mut impl RecordParser) -> bool {
        let Some(grid) = parser.grid(frame, self.chunk_rows()) else { return false };
        self.places.extend(grid.places());
        frame.position = grid.stops[grid.stops.len() - 1] as usize + 1;
        self.convert(frame, grid, grid.is_ascii);
        true
    }

    /// Finds the records of a chunk.
    #[inline(always)]
    fn gather(&mut self, frame: &mut TextFrame, parser: &mut impl RecordParser) -> Gathered {
        let row_count = if parser.is_in_pieces() { 1 } else { self.chunk_rows() };
        self.places.reserve(row_count);
        let mut gathered = Gathered { row_count: 0, is_ascii: true, is_drained: false };
        while gathered.row_count < row_count {
            if !frame.has_more() {
                gathered.is_drained = true;
                break;
            }
            let rows = gathered.row_count..row_count;
            let into = Several {
                slots: &mut self.slots,
                places: &mut self.places,
                side: &mut self.side,
                rejected: &mut self.misfits,
            };
            let fitted = parser.known(frame, rows, into);
            if fitted.row_count > 0 {
                frame.position = fitted.next;
                gathered.row_count += fitted.row_count;
                gathered.is_ascii &= fitted.is_ascii;
                self.reject();
                continue;
            }
            let start = frame.position;
            match parser.next(frame, gathered.row_count, &mut self.slots, &mut self.side) {
                NextRecord::Row { end, next, is_ascii } => {
                    self.places.push((narrow(start), narrow(end)));
                    frame.position = next;
                    gathered.row_count += 1;
                    gathered.is_ascii &= is_ascii;
                }
                NextRecord::Bad { end, next, reason } => {
                    let place = (narrow(start), narrow(end));
                    self.bad.push(Bad { place, field: None, reason });
                    frame.position = next;
                }
                NextRecord::Blank { next } => frame.position = next,
                NextRecord::Partial => {
                    gathered.is_drained = true;
                    break;
                }
            }
        }
        gathered
    }

    /// Notes records of the chunk that are bad as a whole, which have places and slots like others until then.
    fn reject(&mut self) {
        for Misfit { row, reason } in self.misfits.drain(..) {
            self.bad.push(Bad { place: self.places[self.converted + row], field: None, reason });
            self.rejected.push(row);
        }
    }

    /// Parses the values of the chunk.
    fn convert<R: Records>(&mut self, frame: &TextFrame, records: R, is_ascii: bool) {
        if self.converted == self.places.len() {
            return;
        }
        if let Some(mut sieve) = self.sieve.take() {
            self.rejected.drain(..).for_each(|row| sieve.note_bad(row));
            let sieve = self.convert_wanted(sieve, frame, records, is_ascii);
            self.sieve = Some(sieve);
        } else {
            let first = self.converted;
            self.dropped.extend(self.rejected.drain(..).map(|row| first + row));
            (0..self.columns.len()).for_each(|column| self.convert_column(column, frame, records));
            if !is_ascii {
                for row in self.rows_beyond_utf8(&frame.bytes) {
                    self.columns.iter_mut().for_each(|column| column.blank(row));
                    self.dropped.push(row);
                }
            }
        }
        self.dropped.sort_unstable();
        self.dropped.dedup();
        self.converted = self.places.len();
    }

    /// The same of a column.
    fn convert_column<R: Records>(&mut self, place: usize, frame: &TextFrame, records: R) {
        let column = &mut self.columns[place];
        let chunk = Chunk { fields: records.fields(place), frame: &frame.bytes, side: &self.side };
        column.append(&chunk, &mut self.misfits);
        column.cuts_mut().settle(|row| self.places[self.converted + row].0);
        let remedy = remedy(column.data_type());
        for misfit in self.misfits.drain(..) {
            let row = self.converted + misfit.row;
            let reason = explained(misfit.reason, self.is_inferred, remedy);
            self.bad.push(Bad { place: self.places[row], field: Some(place), reason });
            self.dropped.push(row);
        }
    }

    /// Parses the values of those records of the chunk that the sieve lets through, which are the chunk
    /// afterwards.
    fn convert_wanted<R: Records>(
        &mut self,
        mut sieve: Sieve,
        frame: &TextFrame,
        records: R,
        is_ascii: bool,
    ) -> Sieve {
        let first = self.converted;
        if !is_ascii {
            let rows = self.rows_beyond_utf8(&frame.bytes);
            rows.into_iter().for_each(|row| sieve.note_bad(row - first));
        }
        let (places, bad) = (&self.places[first..], &mut self.bad);
        sieve.convert(records, &frame.bytes, &self.side, |field, column, misfit| {
            let reason = explained(misfit.reason, self.is_inferred, remedy(column.data_type()));
            bad.push(Bad { place: places[misfit.row], field: Some(field), reason });
        });
        sieve.values_mut().for_each(|(_, column)| column.cuts_mut().settle(|row| places[row].0));
        let are_all = match frame.put_in.is_empty() {
            true => {
                let offsets = places.iter().map(|at| frame.start + u64::from(at.0));
                sieve.judge(&frame.bytes, &self.side, offsets)
            }
            false => {
                let offsets = places.iter().map(|at| frame.offset_at(at.0 as usize));
                sieve.judge(&frame.bytes, &self.side, offsets)
            }
        };
        if are_all {
            sieve.others().iter().for_each(|&column| self.convert_column(column, frame, records));
        } else {
            for (to, &row) in (first..).zip(sieve.kept()) {
                self.places[to] = self.places[first + row as usize];
            }
            self.places.truncate(first + sieve.kept().len());
            if !sieve.kept().is_empty() {
                let mut room = std::mem::take(&mut self.picked);
                let picked = records.pick(sieve.kept(), sieve.others(), &mut room);
                for &column in sieve.others() {
                    self.convert_column(column, frame, picked);
                }
                self.picked = room;
            }
        }
        sieve.append_to(&mut self.columns);
        sieve
    }

    /// Finds the records of the chunk that are not UTF-8 as a whole, needed columns or not: they are bad.
    fn rows_beyond_utf8(&mut self, frame: &[u8]) -> Vec<usize> {
        let mut rows = Vec::new();
        let pending = &self.places[self.converted..];
        let (Some(first), Some(last)) = (pending.first(), pending.last()) else { return rows };
        if simdutf8::basic::from_utf8(&frame[first.0 as usize..last.1 as usize]).is_ok() {
            return rows;
        }
        for row in self.converted..self.places.len() {
            let place = self.places[row];
            let record = &frame[place.0 as usize..place.1 as usize];
            if let Err(error) = simdutf8::compat::from_utf8(record) {
                let reason = not_text(record, error.valid_up_to());
                self.bad.push(Bad { place, field: None, reason });
                rows.push(row);
            }
        }
        rows
    }

    /// Timestamps that lost digits.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        let of_filter = self.sieve.iter().flat_map(Sieve::values);
        self.columns.iter().chain(of_filter).filter_map(TextColumn::left_out)
    }

    /// What has been counted of the records so far; between two calls of [`Self::decode`], when none is at hand.
    pub(crate) fn export(&self) -> Image {
        debug_assert!(self.places.is_empty() && self.bad.is_empty(), "no record is at hand");
        let mut image = Image::new();
        let of_filter = self.sieve.iter().flat_map(Sieve::values);
        let cuts: Vec<(u64, u64)> =
            self.columns.iter().chain(of_filter).map(|column| column.cuts().counted()).collect();
        image.put("cut_counts", cuts.iter().map(|cut| cut.0));
        image.put("cut_firsts", cuts.iter().map(|cut| cut.1));
        image
    }

    /// Takes over what another one has counted, which has the same filter.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let of_filter = self.sieve.iter_mut().flat_map(Sieve::values_mut).map(|(_, column)| column);
        let columns: Vec<&mut TextColumn> = self.columns.iter_mut().chain(of_filter).collect();
        let counts = take_counts(&mut image, "cut_counts", columns.len())?;
        let firsts: Vec<u64> = image.take_exactly("cut_firsts", columns.len())?;
        image.end()?;
        for (column, cut) in columns.into_iter().zip(counts.into_iter().zip(firsts)) {
            column.cuts_mut().count_on(cut);
        }
        Ok(())
    }

    /// Makes the batch, and hands out the bad records in order, one reason each: that of the record
    /// as a whole before that of a field, and of an earlier field before that of a later one.
    fn finish(&mut self, frame: &TextFrame, bad: &mut Vec<BadRecord>) -> Option<Batch> {
        self.bad.sort_by_key(|bad| (bad.place.0, bad.field.map_or(0, |field| field + 1)));
        self.bad.dedup_by_key(|bad| bad.place.0);
        bad.extend(self.bad.drain(..).map(|bad| BadRecord {
            offset: Offset(frame.offset_at(bad.place.0 as usize)),
            field: bad.field.map(|field| self.fields[field].clone()),
            reason: bad.reason,
            raw: Some(frame.bytes[bad.place.0 as usize..bad.place.1 as usize].to_vec()),
            place: None,
        }));
        let of_filter = self.sieve.iter_mut().flat_map(Sieve::values_mut);
        let columns = self.columns.iter_mut().chain(of_filter.map(|(_, column)| column));
        columns.for_each(|column| column.cuts_mut().locate(|at| frame.offset_at(at)));
        let row_count = self.places.len();
        if row_count == 0 {
            self.side.clear();
            return None;
        }
        // Nearly always nothing was put in, and the loop is one addition a row.
        match frame.put_in.is_empty() {
            true => {
                self.offsets.extend(self.places.iter().map(|at| frame.start + u64::from(at.0)));
            }
            false => {
                self.offsets.extend(self.places.iter().map(|at| frame.offset_at(at.0 as usize)));
            }
        }
        let mut offsets = self.offsets.finish::<UInt64Type>(None).as_primitive().clone();
        let side = buffer_of(&mut self.side);
        let columns = self.columns.iter_mut().map(|column| column.finish(&frame.bytes, &side));
        let mut columns: Columns = columns.collect();
        if !self.dropped.is_empty() {
            let mut keep = vec![true; row_count];
            self.dropped.drain(..).for_each(|row| keep[row] = false);
            let keep = BooleanArray::from(keep);
            for column in &mut columns {
                *column = filter(column, &keep).expect("as many rows as the filter");
            }
            let kept = filter(&offsets, &keep).expect("as many rows as the filter");
            offsets = UInt64Array::from(kept.to_data());
        }
        self.places.clear();
        self.converted = 0;
        (!offsets.is_empty()).then(|| Batch::new(columns, offsets))
    }
}

/// Bytes to be pointed into, if there are any; those of most batches have none.
pub(super) fn buffer_of(bytes: &mut Vec<u8>) -> Buffer {
    if bytes.is_empty() { no_bytes() } else { Buffer::from_vec(std::mem::take(bytes)) }
}
