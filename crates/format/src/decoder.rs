//! The decoder of whichever format.

use std::ops::Range;
use std::sync::Arc;

use tidemill_plan::Format;
use tidemill_record::image::{Image, ImageError};
use tidemill_record::{BadRecord, Batch, Frames, Offset, Schema};

use crate::arrow::decode::ArrowDecoder;
use crate::csv::decode::CsvDecoder;
use crate::json::framed::JsonText;
use crate::lines::decode::LineDecoder;
use crate::parquet::{Footer, ParquetDecoder};
use crate::{ArrowFooter, Filtered, FormatError, LeftOut, RowFilter};

/// What a decoder is to make of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct DecoderSpec<'a> {
    /// The format and its options.
    pub format: &'a Format,
    /// All columns of the source, as declared or inferred.
    pub schema: &'a Schema,
    /// Which of them are needed, ascending; a batch's columns are these, in this order. May be
    /// empty.
    pub columns: &'a [usize],
    /// Rows a batch holds at most; at least 1.
    pub batch_rows: usize,
    /// The header of the file, for a CSV partition that starts inside it. A partition that starts
    /// at offset 0 reads its own.
    pub csv_header: Option<&'a [String]>,
    /// Nobody declared the schema: what the input has beside it is counted, and errors say so.
    pub is_inferred: bool,
    /// `union.by.name`: a needed column that the input has not is NULL, and no error.
    pub is_union: bool,
}

/// Turns one partition's frames into batches.
///
/// The calls are: [`Self::begin`] with a frame, [`Self::decode`] until it gives `None`, then the
/// next frame, which has to begin [`Self::consumed`] bytes behind the start of this one. The rows
/// and the bad records are the same however the input is cut into frames, and whatever
/// `batch_rows` is; how rows fall into batches is not.
pub struct Decoder {
    kind: Kind,
}

/// A part of the input that a decoder has begun with, and of which it needs some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPart {
    /// So long a buffer is to be lent. What is not wanted of it may have any value.
    pub byte_count: usize,
    /// The bytes that are wanted, by their positions in the file, and where in the buffer the first of them is to stand;
    /// both ascending and disjoint.
    pub ranges: Vec<(Range<u64>, usize)>,
}

impl WantedPart {
    /// How many bytes are wanted.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.ranges.iter().map(|(range, _)| range.end - range.start).sum()
    }
}

/// Where reading goes on for a decoder that takes over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// So many bytes behind the start of the frame at hand, of text.
    Bytes(u64),
    /// At this row group, or message of an Arrow file, by its place among all. Dictionaries are lent once more, all of
    /// them.
    Part(usize),
    /// At the start of the stream, of Arrow: the decoder passes over the rows that it has given.
    Start,
}

/// One per format.
enum Kind {
    Csv(Box<CsvDecoder>),
    Json(Box<JsonText>),
    Arrow(Box<ArrowDecoder>),
    Parquet(Box<ParquetDecoder>),
    Lines(Box<LineDecoder>),
}

impl Decoder {
    /// Makes a decoder for one partition.
    ///
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] where a needed column's type cannot be read from the
    /// format, [`FormatError::Options`], and [`FormatError::FooterUnknown`] for Parquet, which takes
    /// [`Self::for_parquet`].
    pub fn new(spec: &DecoderSpec<'_>) -> Result<Self, FormatError> {
        let kind = match spec.format {
            Format::Csv(options) => Kind::Csv(Box::new(CsvDecoder::new(spec, options)?)),
            Format::Json(options) => Kind::Json(Box::new(JsonText::new(spec, options)?)),
            Format::Arrow(_) => Kind::Arrow(Box::new(ArrowDecoder::new(spec))),
            Format::Parquet => return Err(FormatError::FooterUnknown),
            Format::Lines(options) => Kind::Lines(Box::new(LineDecoder::new(spec, options)?)),
        };
        Ok(Self { kind })
    }

    /// Makes a decoder for the row groups of the Parquet file with this footer.
    ///
    /// # Errors
    /// [`FormatError::MissingColumn`], [`FormatError::UnsupportedColumn`] and
    /// [`FormatError::TypeMismatch`] where the file does not have a needed column as declared.
    pub fn for_parquet(spec: &DecoderSpec<'_>, footer: Arc<Footer>) -> Result<Self, FormatError> {
        Ok(Self { kind: Kind::Parquet(Box::new(ParquetDecoder::new(spec, footer)?)) })
    }

    /// Reads of a Parquet file only these rows from now on, by their numbers in it: where several partitions share a
    /// row group. Without it all rows of the row groups that are lent. Does nothing for other formats.
    pub fn limit_rows(&mut self, rows: Range<u64>) {
        match &mut self.kind {
            Kind::Parquet(decoder) => decoder.limit_rows(rows),
            Kind::Csv(_) | Kind::Json(_) | Kind::Arrow(_) | Kind::Lines(_) => {}
        }
    }

    /// Makes a decoder for messages of the Arrow file with this footer ([`ArrowFooter::messages_of`]); the first
    /// record batch begins with row `start_row` of the file. Of each message its head is lent, as
    /// `FrameBytes::RowGroup` of one range and with the message's place as its index, and then, in the same shape, what
    /// [`Self::wanted`] says.
    #[must_use]
    pub fn for_arrow_file(
        spec: &DecoderSpec<'_>,
        footer: Arc<ArrowFooter>,
        start_row: u64,
    ) -> Self {
        Self { kind: Kind::Arrow(Box::new(ArrowDecoder::of_messages(spec, footer, start_row))) }
    }

    /// What is to be lent next, where what has been lent says so: the body of an Arrow message.
    #[must_use]
    pub fn wanted(&mut self) -> Option<WantedPart> {
        match &mut self.kind {
            Kind::Arrow(decoder) => decoder.wanted(),
            Kind::Csv(_) | Kind::Json(_) | Kind::Parquet(_) | Kind::Lines(_) => None,
        }
    }

    /// Leaves out rows from now on that the filter does not keep, before the rest of their columns is decoded.
    /// `columns` are those it reads, as places in [`DecoderSpec::columns`], ascending.
    ///
    /// A record that is left out is held to its structure, its UTF-8 and these columns, and to nothing else. Where
    /// several columns of a record do not fit, the one that makes it bad is the first of these, or else the first
    /// of the others.
    pub fn filter_rows(&mut self, columns: &[usize], filter: Box<dyn RowFilter>) {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.rows_mut().filter_by(columns, filter),
            Kind::Json(decoder) => decoder.rows_mut().filter_by(columns, filter),
            Kind::Lines(decoder) => decoder.rows_mut().filter_by(columns, filter),
            Kind::Parquet(decoder) => decoder.filter_by(columns, filter),
            Kind::Arrow(decoder) => decoder.filter_by(columns, filter),
        }
    }

    /// What the filter has made of the records that were decoded since this was last asked, those of the last
    /// batch among them; `None` where there is no filter.
    pub fn take_filtered(&mut self) -> Option<Filtered> {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.rows_mut().take_filtered(),
            Kind::Json(decoder) => decoder.rows_mut().take_filtered(),
            Kind::Lines(decoder) => decoder.rows_mut().take_filtered(),
            Kind::Parquet(decoder) => decoder.take_filtered(),
            Kind::Arrow(decoder) => decoder.take_filtered(),
        }
    }

    /// Says that the text begins at this offset, which is 0 unless said otherwise. Another one than
    /// before means another text, whose first frame comes next: a CSV header or a byte order mark is
    /// expected there once more. One of the last few again means that text, which goes on. Does nothing
    /// for formats that are not text.
    pub fn start_at(&mut self, head: Offset) {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.start_at(head.0),
            Kind::Json(decoder) => decoder.start_at(head.0),
            Kind::Lines(decoder) => decoder.start_at(head.0),
            Kind::Arrow(_) | Kind::Parquet(_) => {}
        }
    }

    /// Bounds the bytes that a part of the input may take which is read as a whole: an Arrow message,
    /// a Parquet row group. Without it there is no bound. Does nothing for text.
    pub fn limit_parts(&mut self, bytes_max: usize) {
        match &mut self.kind {
            Kind::Csv(_) | Kind::Json(_) | Kind::Lines(_) => {}
            Kind::Arrow(decoder) => decoder.limit_parts(bytes_max),
            Kind::Parquet(decoder) => decoder.limit_parts(bytes_max),
        }
    }

    /// Bytes that the decoder holds beside the batch it gave last and sequential frames: messages of
    /// Arrow that are read as a whole and their dictionaries, the row group of Parquet at hand as it
    /// was lent.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.kind {
            Kind::Csv(_) | Kind::Json(_) | Kind::Lines(_) => 0,
            Kind::Arrow(decoder) => decoder.held_bytes(),
            Kind::Parquet(decoder) => decoder.held_bytes(),
        }
    }

    /// What a person should know of values that were not kept whole, a sentence a column; empty where
    /// all were.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        match &self.kind {
            Kind::Csv(_) | Kind::Json(_) | Kind::Lines(_) => Vec::new(),
            Kind::Arrow(decoder) => decoder.notices(),
            Kind::Parquet(decoder) => decoder.notices(),
        }
    }

    /// Takes over new input; what the decoder held of the last frame is let go.
    ///
    /// # Errors
    /// [`FormatError::Frames`] where the frame has the wrong shape for the format or is larger than
    /// 256 MiB of text, [`FormatError::HeaderUnknown`], and for Parquet [`FormatError::TooLarge`] and
    /// what a damaged row group gives.
    pub fn begin(&mut self, frames: Frames) -> Result<(), FormatError> {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.begin(frames),
            Kind::Json(decoder) => decoder.begin(frames),
            Kind::Lines(decoder) => decoder.begin(frames),
            Kind::Arrow(decoder) => decoder.begin(frames),
            Kind::Parquet(decoder) => decoder.begin(frames),
        }
    }

    /// The next batch, of at least one row; `None` when more input is needed or there is none.
    ///
    /// Bad records are pushed in order of offset with their bytes where the format is text.
    ///
    /// # Errors
    /// The input as a whole cannot be read: a CSV header without a needed column, a damaged Arrow
    /// or Parquet file, an Arrow message that is [`FormatError::TooLarge`]. The decoder is of no use
    /// afterwards.
    ///
    /// # Cost
    /// O(bytes). Allocates the batch's buffers; strings longer than 12 bytes are views into the
    /// frame.
    pub fn decode(&mut self, bad: &mut Vec<BadRecord>) -> Result<Option<Batch>, FormatError> {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.decode(bad),
            Kind::Json(decoder) => Ok(decoder.decode(bad)),
            Kind::Lines(decoder) => Ok(decoder.decode(bad)),
            Kind::Arrow(decoder) => decoder.decode(bad),
            Kind::Parquet(decoder) => decoder.decode(bad),
        }
    }

    /// How many bytes of the current sequential frame are whole records that [`Self::decode`] has
    /// handled, those of another split not counted. Zero for row groups and messages.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        match &self.kind {
            Kind::Csv(decoder) => decoder.frame().position as u64,
            Kind::Json(decoder) => decoder.consumed(),
            Kind::Lines(decoder) => decoder.frame().position as u64,
            Kind::Arrow(decoder) => decoder.consumed(),
            Kind::Parquet(_) => 0,
        }
    }

    /// What the input has beside an inferred schema, and digits that no `TIMESTAMP` holds, as far as records
    /// were decoded; in the order in which it was met.
    #[must_use]
    pub fn left_out(&self) -> Vec<LeftOut> {
        match &self.kind {
            Kind::Csv(decoder) => decoder.left_out(),
            Kind::Json(decoder) => decoder.left_out(),
            Kind::Lines(decoder) => decoder.left_out(),
            Kind::Arrow(decoder) => decoder.left_out().to_vec(),
            Kind::Parquet(decoder) => decoder.left_out().to_vec(),
        }
    }

    /// Where reading goes on for a decoder that takes over what [`Self::export`] gives now. Between two calls of
    /// [`Self::decode`], at any time: behind the last record that was given, bad or left out.
    #[must_use]
    pub fn reads_from(&self) -> ReadFrom {
        match &self.kind {
            Kind::Csv(decoder) => ReadFrom::Bytes(decoder.frame().position as u64),
            Kind::Json(decoder) => ReadFrom::Bytes(decoder.passed()),
            Kind::Lines(decoder) => ReadFrom::Bytes(decoder.frame().position as u64),
            Kind::Arrow(decoder) => decoder.reads_from(),
            Kind::Parquet(decoder) => ReadFrom::Part(decoder.next_group()),
        }
    }

    /// Whether it is within the row group or message that was lent last: what [`Self::reads_from`] says is there. Of what comes from
    /// front to back it never is.
    #[must_use]
    pub fn is_within_part(&self) -> bool {
        match &self.kind {
            Kind::Csv(_) | Kind::Json(_) | Kind::Lines(_) => false,
            Kind::Arrow(decoder) => decoder.is_within_message(),
            Kind::Parquet(decoder) => decoder.is_within_group(),
        }
    }

    /// What it has learned of the input that changes results, or what is said of them: headers, where the nesting of JSON
    /// stands, counts of what was left out. What only makes it fast is learned anew.
    #[must_use]
    pub fn export(&self) -> Image {
        match &self.kind {
            Kind::Csv(decoder) => decoder.export(),
            Kind::Json(decoder) => decoder.export(),
            Kind::Lines(decoder) => decoder.export(),
            Kind::Arrow(decoder) => decoder.export(),
            Kind::Parquet(decoder) => decoder.export(),
        }
    }

    /// Takes over what a decoder of the same spec and with the same filter has exported, before the first frame, which is to
    /// begin where [`Self::reads_from`] of that one said.
    ///
    /// # Errors
    /// [`ImageError`]. The decoder is of no use afterwards.
    pub fn import(&mut self, image: Image) -> Result<(), ImageError> {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.import(image),
            Kind::Json(decoder) => decoder.import(image),
            Kind::Lines(decoder) => decoder.import(image),
            Kind::Arrow(decoder) => decoder.import(image),
            Kind::Parquet(decoder) => decoder.import(image),
        }
    }

    /// Lets go of the current frame, of which nothing was consumed: so its reader adds to it in place.
    pub fn let_go(&mut self) {
        match &mut self.kind {
            Kind::Csv(decoder) => decoder.let_go(),
            Kind::Json(decoder) => decoder.let_go(),
            Kind::Lines(decoder) => decoder.let_go(),
            Kind::Arrow(_) | Kind::Parquet(_) => {}
        }
    }

    /// A text record of the current frame by its offset, without its newline; `None` for formats
    /// that are not text and for offsets outside the frame.
    #[must_use]
    pub fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        match &self.kind {
            Kind::Csv(decoder) => decoder.raw_record(offset),
            Kind::Json(decoder) => decoder.raw_record(offset),
            Kind::Lines(decoder) => decoder.raw_record(offset),
            Kind::Arrow(_) | Kind::Parquet(_) => None,
        }
    }
}
