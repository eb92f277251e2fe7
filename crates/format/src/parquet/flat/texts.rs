//! Texts and bytes: views of the pages that hold them.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use arrow_array::{ArrayRef, BinaryViewArray};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer, ScalarBuffer};
use arrow_data::MAX_INLINE_VIEW_LEN;
use bytes::Bytes;
use tidemill_record::recycled::{Room, Sources};

use super::fixed::{append_nulls, first_for_null, or_zero, read_codes};
use super::pages::{NULL, Run, Values, broken, cut, text_at};
use crate::text::view::view_of;

/// The values of a column, batch by batch.
pub(super) struct Texts {
    /// They are text, and not any bytes.
    are_utf8: bool,
    has_dictionary: bool,
    /// The dictionary's values; and the buffer that they point into, which is the first, where one does.
    dictionary: Vec<u128>,
    dictionary_buffers: Arc<[Buffer]>,
    /// What the next array is made of.
    views: Room<u128>,
    /// The pages that the views point into, behind the dictionary.
    pages: Vec<Buffer>,
}

impl Texts {
    pub(super) fn new(are_utf8: bool) -> Self {
        Self {
            are_utf8,
            has_dictionary: false,
            dictionary: Vec::new(),
            dictionary_buffers: Arc::new([]),
            views: Room::default(),
            pages: Vec::new(),
        }
    }

    /// # Errors
    /// There are fewer values, one is no text, or there is a dictionary already.
    pub(super) fn set_dictionary(
        &mut self,
        bytes: &Bytes,
        count: usize,
    ) -> Result<(), ParquetError> {
        if self.has_dictionary || !self.views.is_empty() {
            return Err(broken("its dictionary is not its first page"));
        }
        let mut at = 0;
        let are_utf8 = self.are_utf8;
        let mut utf8 = Utf8Check::default();
        for _ in 0..count {
            let place = text_at(bytes, at).ok_or_else(cut)?;
            at = place.end;
            utf8.pass(are_utf8, bytes, &place)?;
            self.dictionary.push(view(bytes, place, 0));
        }
        utf8.end(are_utf8, bytes, at)?;
        self.has_dictionary = true;
        // Short texts stand in their views, and whoever sees no memory beside those may rely on it.
        if self.dictionary.iter().any(|view| !is_inline(*view)) {
            self.dictionary_buffers = Arc::new([Buffer::from(bytes.clone())]);
        }
        Ok(())
    }

    /// Makes room for so many rows.
    pub(super) fn reserve(&mut self, row_count: usize) {
        self.views.reserve_exact(row_count);
    }

    /// Appends the values of a run. `codes` is reused.
    ///
    /// # Errors
    /// There are fewer, one is no text, or a code is none of the dictionary's.
    pub(super) fn append(
        &mut self,
        run: Run<'_>,
        codes: &mut Vec<u32>,
    ) -> Result<(), ParquetError> {
        let Run { values, value_count, places } = run;
        match (values, places) {
            (values, Some([])) => values.skip(value_count, 0),
            (Values::Codes(hybrid), places) => {
                read_codes(hybrid, value_count, self.dictionary.len(), codes)?;
                let dictionary = &self.dictionary;
                match places {
                    None => self.views.extend(codes.iter().map(|code| dictionary[code.as_usize()])),
                    Some(places) if value_count == 0 => append_nulls(places.len(), &mut self.views),
                    Some(places) => self.views.extend(places.iter().map(|&place| {
                        or_zero(place, dictionary[codes[first_for_null(place)].as_usize()])
                    })),
                }
                Ok(())
            }
            (Values::Plain(bytes), None) => self.append_all(bytes, value_count),
            (Values::Plain(bytes), Some(places)) => self.append_places(bytes, value_count, places),
        }
    }

    fn append_all(&mut self, bytes: &mut Bytes, value_count: usize) -> Result<(), ParquetError> {
        let buffer = self.buffer_number(bytes)?;
        let mut at = 0;
        let mut utf8 = Utf8Check::default();
        for _ in 0..value_count {
            let place = text_at(bytes, at).ok_or_else(cut)?;
            at = place.end;
            utf8.pass(self.are_utf8, bytes, &place)?;
            self.views.push(view(bytes, place, buffer));
        }
        utf8.end(self.are_utf8, bytes, at)?;
        self.note_page(bytes);
        *bytes = bytes.slice(at..);
        Ok(())
    }

    fn append_places(
        &mut self,
        bytes: &mut Bytes,
        value_count: usize,
        places: &[u32],
    ) -> Result<(), ParquetError> {
        let buffer = self.buffer_number(bytes)?;
        let (mut at, mut passed) = (0, 0);
        for &place in places {
            if place == NULL {
                self.views.push(0);
                continue;
            }
            while passed < place.as_usize() {
                at = text_at(bytes, at).ok_or_else(cut)?.end;
                passed += 1;
            }
            let text = text_at(bytes, at).ok_or_else(cut)?;
            if self.are_utf8 {
                check_utf8(&bytes[text.clone()])?;
            }
            self.views.push(view(bytes, text, buffer));
        }
        while passed < value_count {
            at = text_at(bytes, at).ok_or_else(cut)?.end;
            passed += 1;
        }
        self.note_page(bytes);
        *bytes = bytes.slice(at..);
        Ok(())
    }

    /// The number of the buffer that holds what is left of the page.
    fn buffer_number(&self, bytes: &Bytes) -> Result<u32, ParquetError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(broken("a page is longer than 4 GiB"));
        }
        let number = self.dictionary_buffers.len() + self.pages.len();
        u32::try_from(number).map_err(|_| broken("too many pages"))
    }

    fn note_page(&mut self, bytes: &Bytes) {
        self.pages.push(Buffer::from(bytes.clone()));
    }

    /// The values that were read, as an array.
    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let buffers: Arc<[Buffer]> = match self.pages.is_empty() {
            true => Arc::clone(&self.dictionary_buffers),
            false => self.dictionary_buffers.iter().cloned().chain(self.pages.drain(..)).collect(),
        };
        if self.are_utf8 {
            // SAFETY: every view was made by `view` of a place within the buffer of its number, where text
            // was found to be, or is the empty text.
            return unsafe { self.views.finish_texts(Sources::Shared(buffers), nulls) };
        }
        let views: ScalarBuffer<u128> = self.views.take();
        // SAFETY: as above, and any bytes will do.
        Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) })
    }
}

/// The view of what stands at this place of a buffer.
///
/// # Panics
/// If the buffer is longer than 4 GiB, or ends before.
#[inline(always)]
fn view(bytes: &[u8], place: Range<usize>, buffer: u32) -> u128 {
    view_of(bytes, place.start, place.len(), buffer)
}

/// Whether a view holds its text itself.
fn is_inline(view: u128) -> bool {
    view & u128::from(u32::MAX) <= u128::from(MAX_INLINE_VIEW_LEN)
}

/// Looks whether texts behind one another are UTF-8: together with the lengths between them, where those are
/// characters of ASCII. Such a length also ends a character that a text before it has begun.
#[derive(Default)]
struct Utf8Check {
    /// Where bytes begin that have not been looked at.
    start: usize,
}

impl Utf8Check {
    /// Lengths from here on are no characters of ASCII.
    const LONG: usize = 128;

    /// The next text stands here.
    #[inline(always)]
    fn pass(
        &mut self,
        are_utf8: bool,
        bytes: &[u8],
        place: &Range<usize>,
    ) -> Result<(), ParquetError> {
        if are_utf8 && place.len() >= Self::LONG {
            check_utf8(&bytes[self.start..place.start - 4])?;
            check_utf8(&bytes[place.clone()])?;
            self.start = place.end;
        }
        Ok(())
    }

    /// The texts end here.
    fn end(&self, are_utf8: bool, bytes: &[u8], end: usize) -> Result<(), ParquetError> {
        if are_utf8 { check_utf8(&bytes[self.start..end]) } else { Ok(()) }
    }
}

#[inline]
fn check_utf8(bytes: &[u8]) -> Result<(), ParquetError> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(broken("a text is not UTF-8")),
    }
}
