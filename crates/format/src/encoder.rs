//! The encoder of whichever format.

use tidemill_plan::{Format, Packing};
use tidemill_record::{Batch, Image, ImageError, Schema};

use crate::FormatError;
use crate::arrow::encode::ArrowEncoder;
use crate::csv::encode::CsvEncoder;
use crate::json::encode::JsonEncoder;
use crate::parquet::{ParquetEncoder, ParquetPart};
use crate::part::{self, Part};

/// Turns batches into bytes, a segment at a time.
///
/// A segment is one whole file: [`Self::encode`] any number of times, then [`Self::finish`].
/// What is encoded after that is the next segment, header and all.
pub struct Encoder {
    kind: Kind,
}

/// One per format.
enum Kind {
    Csv(Box<CsvEncoder>),
    Json(Box<JsonEncoder>),
    Arrow(Box<ArrowEncoder>),
    Parquet(Box<ParquetEncoder>),
}

impl Encoder {
    /// Makes an encoder for batches of the schema.
    ///
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] where the format has no such type,
    /// [`FormatError::DuplicateColumn`] where it has no two columns of one name (JSON and Parquet),
    /// [`FormatError::Options`].
    pub fn new(format: &Format, schema: &Schema) -> Result<Self, FormatError> {
        let kind = match format {
            Format::Csv(options) => Kind::Csv(Box::new(CsvEncoder::new(options, schema)?)),
            Format::Json(options) => Kind::Json(Box::new(JsonEncoder::new(options, schema)?)),
            Format::Arrow(options) => {
                Kind::Arrow(Box::new(ArrowEncoder::new(options.form, schema)))
            }
            Format::Parquet => Kind::Parquet(Box::new(ParquetEncoder::new(schema)?)),
            Format::Lines(_) => {
                let reason = format!("{} is a format that is read, not written", format.name());
                return Err(FormatError::Options { reason });
            }
        };
        Ok(Self { kind })
    }

    /// Compresses what is encoded from now on as the format does that within its files. Of text, which is compressed as a
    /// whole, it does nothing and says `false`.
    pub fn pack(&mut self, packing: Packing) -> bool {
        match &mut self.kind {
            Kind::Csv(_) | Kind::Json(_) => return false,
            Kind::Arrow(encoder) => encoder.pack(packing),
            Kind::Parquet(encoder) => encoder.pack(packing),
        }
        true
    }

    /// Makes one of the pieces of a stream that several encoders write behind each other: of Arrow the first alone has the
    /// schema, and the last the end. Of text it does nothing; its header is an option of the format.
    pub fn continue_stream(&mut self, is_first: bool, is_last: bool) {
        if let Kind::Arrow(encoder) = &mut self.kind {
            encoder.continue_stream(is_first, is_last);
        }
    }

    /// Whether each row becomes text by itself, so that it does not matter how many are given at once.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Csv(_) | Kind::Json(_))
    }

    /// Appends what of the segment is now ready to `out`. The columns are those of the schema.
    ///
    /// Text appears at once; Arrow 8192 rows at a time; Parquet a row group at a time, of about a
    /// million rows or 64 MiB, which it holds until then.
    ///
    /// # Errors
    /// What the Arrow or Parquet writer refuses. The segment is then of no use.
    ///
    /// # Cost
    /// O(bytes written); text allocates nothing for a value.
    pub fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match &mut self.kind {
            Kind::Csv(encoder) => encoder.encode(batch, out),
            Kind::Json(encoder) => encoder.encode(batch, out),
            Kind::Arrow(encoder) => encoder.encode(batch, out)?,
            Kind::Parquet(encoder) => encoder.encode(batch, out)?,
        }
        Ok(())
    }

    /// Whether another encoder can go on where this one is: `Some` of text, whose rows have all been appended, with whether the
    /// head of the segment has, too ([`Self::go_on`]); of Arrow and Parquet only where the segment has no row yet.
    #[must_use]
    pub fn cut(&self) -> Option<bool> {
        match &self.kind {
            Kind::Csv(encoder) => Some(encoder.has_begun()),
            Kind::Json(_) => Some(false),
            Kind::Arrow(encoder) => (!encoder.has_begun()).then_some(false),
            Kind::Parquet(encoder) => (!encoder.has_begun()).then_some(false),
        }
    }

    /// Another encoder, whose rows follow in the same segment, behind its head: several cores may encode rows of text that
    /// stand behind each other. `None` of what is no text.
    #[must_use]
    pub fn beside(&self) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Csv(encoder) => Kind::Csv(encoder.clone()),
            Kind::Json(encoder) => Kind::Json(encoder.clone()),
            Kind::Arrow(_) | Kind::Parquet(_) => return None,
        };
        let mut beside = Self { kind };
        beside.go_on();
        Some(beside)
    }

    /// Goes on in a segment whose head has been written. What is no text has no such segment.
    pub fn go_on(&mut self) {
        if let Kind::Csv(encoder) = &mut self.kind {
            encoder.go_on();
        }
    }

    /// Appends all rows that it has been given, in the middle of a segment; whether it holds none then. Of Parquet they wait
    /// for their row group. Of Arrow it depends on when this is called how rows are cut into record batches.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<bool, FormatError> {
        match &mut self.kind {
            Kind::Csv(_) | Kind::Json(_) => Ok(true),
            Kind::Arrow(encoder) => encoder.flush(out).map(|()| true),
            Kind::Parquet(encoder) => Ok(!encoder.has_begun()),
        }
    }

    /// Bytes that the encoder holds of the segment, about: nothing of text; of Arrow what waits for a
    /// record batch to be full; of Parquet that and the row group that is being encoded.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.kind {
            Kind::Csv(_) | Kind::Json(_) => 0,
            Kind::Arrow(encoder) => encoder.held_bytes(),
            Kind::Parquet(encoder) => encoder.held_bytes(),
        }
    }

    /// Bytes that the segment is going to have beyond those that were appended, about, if it is finished now: of Parquet
    /// those of the row group that is being encoded. A function of the segment's rows, however they came.
    #[must_use]
    pub fn coming_bytes(&self) -> usize {
        match &self.kind {
            Kind::Csv(_) | Kind::Json(_) | Kind::Arrow(_) => 0,
            Kind::Parquet(encoder) => encoder.coming_bytes(),
        }
    }

    /// What there is to know of the segment that was finished last, for [`Part::join`].
    ///
    /// # Panics
    /// If none was finished since this was last asked.
    pub fn take_part(&mut self) -> Part {
        let kind = match &mut self.kind {
            Kind::Csv(_) | Kind::Json(_) => part::Kind::Text,
            Kind::Arrow(encoder) => part::Kind::Arrow(encoder.part()),
            Kind::Parquet(encoder) => {
                let part = encoder.take_part().expect("a segment was finished");
                part::Kind::Parquet(Box::new(part))
            }
        };
        Part { kind }
    }

    /// A part that an encoder of the same format and schema has written, from what [`Part::export`] gave.
    ///
    /// # Errors
    /// What is missing or cannot be.
    pub fn part_of(&self, image: Image) -> Result<Part, ImageError> {
        let kind = match &self.kind {
            Kind::Csv(_) | Kind::Json(_) => {
                image.end()?;
                part::Kind::Text
            }
            Kind::Arrow(encoder) => part::Kind::Arrow(encoder.part_of(image)?),
            Kind::Parquet(_) => part::Kind::Parquet(Box::new(ParquetPart::import(image)?)),
        };
        Ok(Part { kind })
    }

    /// Appends the rest of the segment. A segment without rows is still a readable file: a CSV
    /// header, an Arrow schema and footer, a Parquet footer.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        match &mut self.kind {
            Kind::Csv(encoder) => encoder.finish(out),
            Kind::Json(_) => {}
            Kind::Arrow(encoder) => encoder.finish(out)?,
            Kind::Parquet(encoder) => encoder.finish(out)?,
        }
        Ok(())
    }
}
