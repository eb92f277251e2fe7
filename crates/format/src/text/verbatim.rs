//! Columns that leave as the CSV text they came as: places of values in, one array of text out.
//!
//! A row whose fields stand side by side and each read as they would be written is a view of its
//! record. Any other row is written anew, field by field. Either way the fields are held to their
//! types as those that become values are.

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_data::ByteView;
use tidemill_plan::CsvOptions;
use tidemill_record::recycled::{Room, Sources};
use tidemill_record::{DataType, Field};

use super::cells::Chunk;
use super::column::{double, make_room};
use super::cut::{Cuts, is_cut};
use super::fields::{Fields, Records};
use super::forms::Forms;
#[cfg(target_arch = "x86_64")]
use super::lanes::Avx2;
use super::lanes::{Baseline, Lanes, Level};
use super::misfit::{Misfit, misfit, null};
use super::number::Fault;
use super::quoting::quote_field;
use super::rows::buffer_of;
use super::slot::{Slot, Tag};
use super::view::{INLINE_BYTES_MAX, inline_view, long_view};
use super::{canonical, digits, identifier, time, time_text};
use crate::LeftOut;
use crate::encode::block::CELL_BYTES;

/// Columns of a batch while they are gathered as one column of text.
pub(crate) struct VerbatimColumn {
    // Fixed at construction.
    /// The fields, and which of a record's slots is each one's.
    fields: Vec<(usize, Field)>,
    options: CsvOptions,
    is_inferred: bool,
    level: Level,
    // Changes once for each text, with the header.
    /// Whether the fields follow one another in each record.
    is_side_by_side: bool,
    // Changes with every chunk.
    forms: Forms,
    /// Views into the frame (buffer 0) and `rewritten` (buffer 1).
    views: Room<u128>,
    rewritten: Vec<u8>,
    /// Timestamps that were cut, of each field.
    cuts: Vec<Cuts>,
}

/// The records of a chunk and what they stand in.
#[derive(Clone, Copy)]
struct Texts<'a, R> {
    frame: &'a [u8],
    side: &'a [u8],
    records: R,
}

impl<R: Records> Texts<'_, R> {
    /// Where the value of a row in one of the needed fields stands.
    fn at(self, place: usize, row: usize) -> Slot {
        self.records.fields(place).slot(row)
    }
}

impl VerbatimColumn {
    /// `fields` (one at least) have types that pass as text: `BIGINT`, `DOUBLE`, `TIMESTAMP` and
    /// `VARCHAR`.
    pub(crate) fn new(
        fields: Vec<(usize, Field)>,
        options: &CsvOptions,
        is_inferred: bool,
    ) -> Self {
        Self {
            cuts: fields.iter().map(|_| Cuts::default()).collect(),
            fields,
            is_inferred,
            level: Level::detect(),
            is_side_by_side: false,
            forms: Forms::new(options.delimiter, options.quote),
            options: options.clone(),
            views: Room::default(),
            rewritten: Vec::new(),
        }
    }

    /// Takes in where in a record the field of each slot stands.
    pub(crate) fn lay_out(&mut self, fields: &[usize]) {
        let follows = |pair: &[(usize, Field)]| fields[pair[1].0] == fields[pair[0].0] + 1;
        self.is_side_by_side = self.fields.windows(2).all(follows);
    }

    /// Appends the text of every record of the chunk. Misfits come with the place of their field among
    /// the needed ones.
    pub(crate) fn append<R: Records>(
        &mut self,
        (frame, side): (&[u8], &[u8]),
        records: R,
        misfits: &mut Vec<(usize, Misfit)>,
    ) {
        let texts = Texts { frame, side, records };
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.append_avx2(lanes, texts, misfits) },
            Level::Baseline => self.append_all(Baseline, texts, misfits),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn append_avx2<R: Records>(
        &mut self,
        lanes: Avx2,
        texts: Texts<'_, R>,
        misfits: &mut Vec<(usize, Misfit)>,
    ) {
        self.append_all(lanes, texts, misfits);
    }

    #[inline(always)]
    fn append_all<L: Lanes, R: Records>(
        &mut self,
        lanes: L,
        texts: Texts<'_, R>,
        misfits: &mut Vec<(usize, Misfit)>,
    ) {
        let (Some((first, _)), Some((last, _))) = (self.fields.first(), self.fields.last()) else {
            unreachable!("of one field at least")
        };
        let firsts = texts.records.fields(*first);
        let lasts = texts.records.fields(*last);
        let (is_side_by_side, row_count) = (self.is_side_by_side, firsts.row_count());
        let mut views = std::mem::take(&mut self.views);
        make_room(&mut views, row_count);
        for (row, room) in views.spare()[..row_count].iter_mut().enumerate() {
            let ends = firsts.plain(row).zip(lasts.plain(row));
            if let Some(((start, _), (last, last_len))) = ends.filter(|_| is_side_by_side) {
                let len = last + last_len - start;
                if self.forms.fit(lanes, &texts.frame[start..], len, last_len) {
                    room.write(view_of(texts.frame, start, len));
                    continue;
                }
            }
            room.write(self.append_careful(texts, row, misfits));
        }
        // SAFETY: there was room for so many, and each has been written.
        unsafe { views.set_len(views.len() + row_count) };
        self.views = views;
    }

    /// The view of a row whose form is not known: its text, if each field is as it would be written.
    #[inline(never)]
    fn append_careful<R: Records>(
        &mut self,
        texts: Texts<'_, R>,
        row: usize,
        misfits: &mut Vec<(usize, Misfit)>,
    ) -> u128 {
        let at = |place: usize| texts.at(place, row);
        let is_whole = self.is_side_by_side
            && self.fields.iter().all(|(place, field)| self.is_canonical(field, texts.frame, at(*place)))
            // Nothing but a delimiter stands between: quotes would be two bytes more.
            && self.fields.windows(2).all(|pair| at(pair[1].0).start() == at(pair[0].0).end() + 1);
        if !is_whole {
            return self.rewrite(texts, row, misfits);
        }
        let text = |slot: Slot| &texts.frame[slot.start()..slot.end()];
        let fields = self.fields.iter();
        self.forms.learn(fields.map(|(place, field)| (text(at(*place)), &field.data_type)));
        let (first, last) = (self.fields[0].0, self.fields[self.fields.len() - 1].0);
        let start = at(first).start();
        view_of(texts.frame, start, at(last).end() - start)
    }

    /// Whether a slot stands in the frame as its value would be written.
    fn is_canonical(&self, field: &Field, frame: &[u8], slot: Slot) -> bool {
        if slot.tag() != Tag::Text {
            return false;
        }
        let text = &frame[slot.start()..slot.end()];
        let CsvOptions { delimiter, quote, timestamp_unit, .. } = self.options;
        match field.data_type {
            DataType::BigInt => canonical::is_integer(text),
            DataType::Double => canonical::is_double(text),
            DataType::Timestamp => {
                let mut minute = time::LastMinute::default();
                canonical::is_form_of_timestamp(text)
                    && time::timestamp(text, timestamp_unit, &mut minute).is_ok()
            }
            _ => canonical::is_bare(text, delimiter, quote),
        }
    }

    /// The view of a row that is written field by field.
    fn rewrite<R: Records>(
        &mut self,
        texts: Texts<'_, R>,
        row: usize,
        misfits: &mut Vec<(usize, Misfit)>,
    ) -> u128 {
        let start = self.rewritten.len();
        for (index, (place, field)) in self.fields.iter().enumerate() {
            if index > 0 {
                self.rewritten.push(self.options.delimiter);
            }
            let slot = texts.at(*place, row);
            let mut found = Vec::new();
            if slot.is_null() {
                null(field, &mut found, row);
            } else {
                let Texts { frame, side, records } = texts;
                let text = Chunk { fields: records.fields(*place), frame, side }.text(slot);
                let options = (&self.options, self.is_inferred);
                if let Err(fault) = write(text, field, options, &mut self.rewritten) {
                    misfit(field, &mut found, row, text, fault);
                } else if field.data_type == DataType::Timestamp
                    && is_cut(text, self.options.timestamp_unit)
                {
                    self.cuts[index].note(1, || Some(row));
                }
            }
            misfits.extend(found.into_iter().map(|misfit| (*place, misfit)));
        }
        let len = self.rewritten.len() - start;
        if len <= INLINE_BYTES_MAX {
            let view = inline_view(&self.rewritten, start, len);
            self.rewritten.truncate(start);
            return view;
        }
        // A run has no column twice, and quoting at most doubles what is in the frame.
        let within = |at: usize| u32::try_from(at).expect("some times the bytes of a frame");
        let prefix: &[u8; 4] =
            self.rewritten[start..].first_chunk().expect("more than twelve bytes");
        ByteView::new(within(len), prefix).with_buffer_index(1).with_offset(within(start)).as_u128()
    }

    /// The column of the batch; the builder is empty again afterwards. `frame` is what the slots
    /// pointed into.
    pub(crate) fn finish(&mut self, frame: &Buffer) -> ArrayRef {
        let texts = Sources::Two(frame.clone(), buffer_of(&mut self.rewritten));
        // SAFETY: every view was made by `view_of` or `rewrite`, which either inline at most 12 bytes or
        // point at a range of buffer 0 or 1 with its first four bytes as prefix. `Rows` keeps only records
        // that are UTF-8 as a whole; a view begins and ends beside ASCII bytes or at its record's
        // ends; and what is written anew is text of such a record or ASCII. The views of dropped
        // records are replaced by empty ones before.
        unsafe { self.views.finish_texts(texts, None) }
    }

    /// Timestamps that were cut, of each field.
    pub(super) fn cuts_mut(&mut self) -> impl Iterator<Item = &mut Cuts> {
        self.cuts.iter_mut()
    }

    /// As [`crate::Decoder::left_out`].
    pub(crate) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        let fields = self.fields.iter().zip(&self.cuts);
        fields.filter_map(|((_, field), cuts)| cuts.left_out(&field.name))
    }

    /// Makes a row's text empty because its record turned out not to be UTF-8.
    pub(crate) fn blank(&mut self, row: usize) {
        self.views[row] = 0;
    }
}

#[inline(always)]
fn view_of(frame: &[u8], start: usize, len: usize) -> u128 {
    if len <= INLINE_BYTES_MAX {
        inline_view(frame, start, len)
    } else {
        long_view(frame, start, len, 0)
    }
}

/// Reads a field and appends its value as the encoder writes it.
fn write(
    text: &[u8],
    field: &Field,
    (options, is_inferred): (&CsvOptions, bool),
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut cell = [0; CELL_BYTES];
    match field.data_type {
        DataType::BigInt => {
            let len = digits::write_integer(identifier::integer(text, is_inferred)?, &mut cell);
            out.extend_from_slice(&cell[..len]);
        }
        DataType::Double => {
            let value = double(text, is_inferred)?;
            match digits::write_cents(value, &mut cell) {
                Some(len) => out.extend_from_slice(&cell[..len]),
                None => super::cell::write_double(value, out),
            }
        }
        DataType::Timestamp => {
            let mut minute = time::LastMinute::default();
            let micros = time::timestamp(text, options.timestamp_unit, &mut minute)?;
            time_text::write_timestamp(micros, out);
        }
        _ => {
            let start = out.len();
            out.extend_from_slice(text);
            quote_field(options, start, out);
        }
    }
    Ok(())
}
