//! How records are laid out in bytes, with the options of each format.

use crate::{LineOptions, Times};

/// How records are laid out in bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// `csv`
    Csv(CsvOptions),
    /// `json`: objects, one a line where it is written.
    Json(JsonOptions),
    /// `arrow` or `arrows`: what is read is either, as it says itself.
    Arrow(ArrowOptions),
    /// `parquet`
    Parquet,
    /// `nginx`, `apache`, `regex`, `logfmt`: lines of text, which are read and not written.
    Lines(LineOptions),
}

impl Format {
    /// How its times are written, where it is text.
    #[must_use]
    pub fn times(&self) -> Option<&Times> {
        match self {
            Self::Csv(options) => Some(&options.times),
            Self::Json(options) => Some(&options.times),
            Self::Lines(options) => Some(&options.times),
            Self::Arrow(_) | Self::Parquet => None,
        }
    }

    /// The same, to be changed.
    pub fn times_mut(&mut self) -> Option<&mut Times> {
        match self {
            Self::Csv(options) => Some(&mut options.times),
            Self::Json(options) => Some(&mut options.times),
            Self::Lines(options) => Some(&mut options.times),
            Self::Arrow(_) | Self::Parquet => None,
        }
    }

    /// What `'format'` calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::Arrow(ArrowOptions { form: ArrowForm::File }) => "arrow",
            Self::Arrow(ArrowOptions { form: ArrowForm::Stream }) => "arrows",
            Self::Parquet => "parquet",
            Self::Lines(options) => options.syntax.name(),
        }
    }

    /// Whether it is text, of which a part can be read, and to which some can be added.
    #[must_use]
    pub fn is_text(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Json(_) | Self::Lines(_) => true,
            Self::Arrow(_) | Self::Parquet => false,
        }
    }

    /// Whether only the line behind a record tells that it has ended.
    #[must_use]
    pub fn has_records_of_lines(&self) -> bool {
        matches!(self, Self::Lines(options) if options.multiline_start.is_some())
    }

    /// The usual ending of a file's name, without the dot.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "jsonl",
            Self::Arrow(ArrowOptions { form: ArrowForm::File }) => "arrow",
            Self::Arrow(ArrowOptions { form: ArrowForm::Stream }) => "arrows",
            Self::Parquet => "parquet",
            Self::Lines(_) => "log",
        }
    }
}

/// Options of `csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// `csv.header`: the first line of each file names the columns. Where it does, columns are
    /// matched to the schema by name, otherwise by order.
    pub has_header: bool,
    /// `csv.delimiter`: one ASCII character.
    pub delimiter: u8,
    /// `csv.quote`: one ASCII character.
    pub quote: u8,
    /// `timestamp.unit`
    pub timestamp_unit: TimestampUnit,
    /// `timestamp.format` and its like.
    pub times: Times,
    /// What only who reads has to know.
    pub reading: CsvReading,
}

/// What of a format's options nobody said, so that the head of the input may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// `csv.delimiter`
    pub delimiter: bool,
    /// `csv.header`
    pub header: bool,
}

impl Unsaid {
    /// Nothing was said.
    pub const ALL: Self = Self { delimiter: true, header: true };
}

/// How CSV that others wrote departs from the plain form. Sinks write the plain form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvReading {
    /// `csv.null`: fields without quotes that are NULL; where none is given, the empty one.
    pub nulls: Vec<String>,
    /// `csv.comment`: a line that begins with this text, not empty, is no record.
    pub comment: Option<String>,
    /// `csv.skip.lines`: lines at the head of each file that are passed over.
    pub skip_lines: u32,
    /// `csv.escape`: takes the meaning from the character behind it; one ASCII character. `None` where that
    /// is the quote, which is always doubled within quotes.
    pub escape: Option<u8>,
    /// `csv.trim`: blanks around fields do not count.
    pub is_trimmed: bool,
    /// `csv.fields`
    pub fields: CsvFields,
}

/// `csv.fields`: what becomes of a record that has too few or too many fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvFields {
    /// It is bad.
    #[default]
    Strict,
    /// Fields that are missing at its end are NULL; with too many it is bad.
    Pad,
    /// The same, and fields beyond the last column are passed over.
    Any,
}

impl CsvReading {
    /// Whether records are of the plain form, once the head of the file is behind.
    #[must_use]
    pub fn has_plain_records(&self) -> bool {
        *self == Self { skip_lines: self.skip_lines, ..Self::default() }
    }
}

impl CsvOptions {
    /// Whether no number and no time holds the delimiter or the quote, so that only text is ever quoted.
    #[must_use]
    pub fn is_foreign_to_values(&self) -> bool {
        let is_foreign = |byte: u8| !byte.is_ascii_alphanumeric() && !b"+-.: ".contains(&byte);
        is_foreign(self.delimiter) && is_foreign(self.quote)
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            has_header: true,
            delimiter: b',',
            quote: b'"',
            timestamp_unit: TimestampUnit::Milliseconds,
            times: Times::default(),
            reading: CsvReading::default(),
        }
    }
}

/// Options of `json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// `timestamp.unit`
    pub timestamp_unit: TimestampUnit,
    /// `timestamp.format` and its like.
    pub times: Times,
    /// What only who reads has to know.
    pub layout: JsonLayout,
}

/// `json.layout`: how the records of a text follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonLayout {
    /// `auto`: as the head of each text shows.
    #[default]
    Auto,
    /// `lines`: a record a line.
    Lines,
    /// `array`: one array, whose elements are records.
    Array,
    /// `values`: values one behind another, each over as many lines as it likes.
    Values,
}

/// Options of `arrow` and `arrows`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArrowOptions {
    /// What is written.
    pub form: ArrowForm,
}

/// How Arrow IPC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrowForm {
    /// `arrow`: the file format, with the footer that readers of files look for.
    #[default]
    File,
    /// `arrows`: the stream format, for pipes.
    Stream,
}

/// `timestamp.unit`: what an integer in a `TIMESTAMP` field of a text format counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// `s`
    Seconds,
    /// `ms`
    #[default]
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
}
