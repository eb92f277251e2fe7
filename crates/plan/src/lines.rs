//! Formats of text lines that are read and not written: access logs, lines that a regular expression takes
//! apart, `key=value` pairs, and lines as they are.

use tidemill_record::{DataType, Field, Schema};

use crate::{LogPattern, Times, TimestampUnit};

/// How lines are taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOptions {
    /// What separates the fields.
    pub syntax: LineSyntax,
    /// `multiline.start`: a regular expression for the lines that begin a record, as it was written. Others belong to the record
    /// before them. `None` where every line is a record.
    pub multiline_start: Option<String>,
    /// `timestamp.unit`
    pub timestamp_unit: TimestampUnit,
    /// `timestamp.format` and its like.
    pub times: Times,
}

/// What separates the fields of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSyntax {
    /// `nginx`: a `log_format` of nginx.
    Nginx(LogPattern),
    /// `apache`: a `LogFormat` of Apache.
    Apache(LogPattern),
    /// `regex`
    Regex {
        /// The regular expression, as it was written.
        pattern: String,
        /// Its named groups, in their order.
        groups: Vec<String>,
    },
    /// `logfmt`: `key=value` pairs, whichever come.
    Logfmt,
    /// `lines`: a record is one text.
    Lines,
}

impl LineSyntax {
    /// The one column of `lines`.
    pub const LINE: &str = "line";

    /// What `'format'` calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nginx(_) => "nginx",
            Self::Apache(_) => "apache",
            Self::Regex { .. } => "regex",
            Self::Logfmt => "logfmt",
            Self::Lines => "lines",
        }
    }

    /// The columns of every line, where the syntax says them; `None` where lines do.
    #[must_use]
    pub fn columns(&self) -> Option<Schema> {
        let fields = match self {
            Self::Nginx(pattern) | Self::Apache(pattern) => pattern
                .fields
                .iter()
                .filter_map(|field| {
                    Some(Field::nullable(field.name.as_ref()?, field.data_type.clone()))
                })
                .collect(),
            Self::Regex { groups, .. } => {
                groups.iter().map(|name| Field::nullable(name, DataType::Varchar)).collect()
            }
            Self::Logfmt => return None,
            Self::Lines => vec![Field::nullable(Self::LINE, DataType::Varchar)],
        };
        Some(Schema::new(fields))
    }
}

/// The classes of a regular expression that Rust's `regex` extends to Unicode, in their ASCII meaning, which is
/// that of RE2: `\d`, `\w`, `\s` and `\b`.
#[must_use]
pub fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            None => out.push('\\'),
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str(r"[\t\n\f\r ]"),
            Some('S') => out.push_str(r"[^\t\n\f\r ]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}
