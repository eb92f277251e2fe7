//! Parts of one file, each of which an encoder has written as a file of its own, made one.
//!
//! What stands around the rows of a part (a schema, a footer) is there once in the whole. The first part keeps its
//! head; of the others the rows alone are kept; what ends the file is made anew. So parts are put behind each other
//! without decoding a row of them.

use std::ops::Range;

use tidemill_record::Image;

use crate::FormatError;
use crate::arrow::part::ArrowPart;
use crate::parquet::ParquetPart;

/// What an encoder knows of the segment that it finished last.
#[derive(Debug)]
pub struct Part {
    pub(crate) kind: Kind,
}

/// One for each way in which parts become one.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The bytes of one stand behind those of another.
    Text,
    Arrow(ArrowPart),
    Parquet(Box<ParquetPart>),
}

/// How parts become one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Joint {
    /// Of each part, the bytes that stand in the file. Those of the first begin at 0.
    pub kept: Vec<Range<u64>>,
    /// What stands behind them.
    pub tail: Vec<u8>,
}

impl Part {
    /// What it knows, for [`crate::Encoder::part_of`].
    ///
    /// # Errors
    /// What the writer of a footer says.
    pub fn export(&self) -> Result<Image, FormatError> {
        match &self.kind {
            Kind::Text => Ok(Image::new()),
            Kind::Arrow(part) => Ok(part.export()),
            Kind::Parquet(part) => part.export(),
        }
    }

    /// Says how parts become one file, each with its length in bytes; all are of one format and schema. Of text only
    /// the first has a header.
    ///
    /// # Errors
    /// What the writer of a footer says.
    ///
    /// # Panics
    /// If there is no part.
    pub fn join(parts: Vec<(Self, u64)>) -> Result<Joint, FormatError> {
        assert!(!parts.is_empty(), "a file has a part");
        let whole = |parts: &[(Self, u64)]| {
            let kept = parts.iter().map(|(_, byte_count)| 0..*byte_count).collect();
            Joint { kept, tail: Vec::new() }
        };
        if parts.len() == 1 {
            return Ok(whole(&parts));
        }
        let (mut arrow, mut parquet) = (Vec::new(), Vec::new());
        let as_text = whole(&parts);
        for (part, _) in parts {
            match part.kind {
                Kind::Text => {}
                Kind::Arrow(part) => arrow.push(part),
                Kind::Parquet(part) => parquet.push(*part),
            }
        }
        match (arrow.is_empty(), parquet.is_empty()) {
            (true, true) => Ok(as_text),
            (false, true) => Ok(ArrowPart::join(arrow)),
            (true, false) => ParquetPart::join(parquet),
            (false, false) => unreachable!("parts of a file are of one format"),
        }
    }
}

/// Where the rows of parts that follow each other come to stand: the range of each that is kept, and how far its
/// bytes move.
pub(crate) fn placed(bodies: impl Iterator<Item = Range<u64>>) -> Vec<(Range<u64>, i64)> {
    let mut end = 0;
    let place = |(number, body): (usize, Range<u64>)| {
        let kept = if number == 0 { 0..body.end } else { body };
        let moved = i64::try_from(end)
            .and_then(|end: i64| i64::try_from(kept.start).map(|start| end - start));
        end += kept.end - kept.start;
        (kept, moved.expect("a file is shorter than 2^63 bytes"))
    };
    bodies.enumerate().map(place).collect()
}
