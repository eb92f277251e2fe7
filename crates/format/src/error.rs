//! What ends decoding or encoding as a whole, as opposed to one bad record.

use std::error::Error;
use std::fmt;

use ::parquet::errors::ParquetError;
use arrow_schema::ArrowError;

/// The input as a whole cannot be decoded, or a schema cannot be written in a format.
///
/// A record that does not fit is not one of these: it is a [`tidemill_record::BadRecord`]. The
/// source's name is the caller's to add; positions are within the partition.
#[derive(Debug)]
pub enum FormatError {
    /// A needed column is not in the input.
    MissingColumn {
        /// The column of the schema.
        column: String,
        /// The columns that were found, in order.
        found: Vec<String>,
        /// The found name that is most like it, if one is close.
        nearest: Option<String>,
        /// What may be wrong beside, and what to do.
        hint: Option<String>,
    },
    /// Two columns bear one name where names have to be unique.
    DuplicateColumn {
        /// The name.
        column: String,
    },
    /// A CSV header that cannot be read.
    Header {
        /// What is wrong with it.
        reason: String,
    },
    /// A CSV partition that starts inside its file came without the file's header.
    HeaderUnknown,
    /// A column's type cannot be read from, or written in, this format.
    UnsupportedColumn {
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// A column of the input has a type that does not convert to the declared one.
    TypeMismatch {
        /// The column.
        column: String,
        /// The SQL type of the schema.
        declared: String,
        /// The type in the input.
        found: String,
    },
    /// A Parquet decoder was asked for without the file's footer.
    FooterUnknown,
    /// Options of the format that contradict each other.
    Options {
        /// What is wrong with them.
        reason: String,
    },
    /// There is nothing to infer a schema from.
    EmptySample,
    /// The sample does not hold what a schema is inferred from.
    Sample {
        /// What is wrong with it.
        reason: String,
    },
    /// The input is damaged or cut short.
    Corrupt {
        /// Which part of the input: `Arrow IPC stream`, `Parquet footer`, `Parquet row group 3`.
        what: String,
        /// Byte offset (Arrow, footers) or row number (row groups) near which it was noticed.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// A part of the input that is read as a whole would take more memory than it may.
    TooLarge {
        /// Which part of the input.
        what: String,
        /// Bytes it takes.
        byte_count: u64,
        /// Bytes it may take.
        bytes_max: u64,
        /// What helps beside more memory.
        remedy: String,
    },
    /// The Arrow reader or writer refuses.
    Arrow {
        /// What was being read or written.
        what: String,
        /// Byte offset near which it was noticed.
        position: u64,
        /// Why.
        source: ArrowError,
    },
    /// The Parquet reader or writer refuses.
    Parquet {
        /// What was being read or written.
        what: String,
        /// Row number near which it was noticed.
        position: u64,
        /// Why.
        source: ParquetError,
    },
    /// A decoder was handed frames of the wrong shape, or larger than it can address.
    Frames {
        /// What was expected.
        reason: String,
    },
}

/// A text that others chose the length of, such as a type of a thousand fields, cut to about a line.
fn on_a_line(text: &str) -> std::borrow::Cow<'_, str> {
    const CHARS_MAX: usize = 240;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingColumn { column, found, nearest, hint } => {
                const SHOWN: usize = 40;
                write!(f, "column {column} is not in the input, which has {}", {
                    let mut names = found[..found.len().min(SHOWN)].join(", ");
                    if found.len() > SHOWN {
                        names.push_str(", …");
                    }
                    names
                })?;
                match (nearest, hint) {
                    (None, None) => f.write_str(
                        "; of files with different columns 'union.by.name' = 'true' makes it NULL",
                    ),
                    (nearest, hint) => {
                        if let Some(nearest) = nearest {
                            write!(f, "; did you mean \"{nearest}\"?")?;
                        }
                        hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
                    }
                }
            }
            Self::DuplicateColumn { column } => {
                write!(f, "two columns are named \"{column}\"; names have to be unique here")
            }
            Self::Header { reason } => write!(f, "the CSV header cannot be read: {reason}"),
            Self::HeaderUnknown => {
                write!(f, "the partition starts inside its file and the CSV header was not given")
            }
            Self::UnsupportedColumn { column, reason } => {
                write!(f, "column {column}: {}", on_a_line(reason))
            }
            Self::TypeMismatch { column, declared, found } => {
                write!(
                    f,
                    "column {column} is declared {declared} but the input holds {}",
                    on_a_line(found)
                )
            }
            Self::FooterUnknown => write!(f, "Parquet is decoded with the footer of its file"),
            Self::EmptySample => write!(f, "the input is empty, so no schema can be inferred"),
            Self::Sample { reason } => write!(f, "no schema can be inferred: {reason}"),
            Self::Corrupt { what, position, reason } => {
                write!(f, "{what} is damaged or cut short at {position}: {reason}")
            }
            Self::TooLarge { what, byte_count, bytes_max, remedy } => write!(
                f,
                "{what} takes {byte_count} bytes of memory, and {bytes_max} are there for it; raise \
                 memory.budget, or {remedy}"
            ),
            Self::Arrow { what, position, .. } | Self::Parquet { what, position, .. } => {
                write!(f, "{what} failed at {position}")
            }
            Self::Frames { reason } | Self::Options { reason } => write!(f, "{reason}"),
        }
    }
}

impl Error for FormatError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Arrow { source, .. } => Some(source),
            Self::Parquet { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl FormatError {
    /// A missing column, with the found name that is most like it.
    pub(crate) fn missing_column(column: &str, found: &[String]) -> Self {
        let nearest = found
            .iter()
            .map(|name| (edit_distance(&column.to_lowercase(), &name.to_lowercase()), name))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, _)| *distance <= column.chars().count().div_ceil(3))
            .map(|(_, name)| name.clone());
        let (column, found) = (column.to_owned(), found.to_vec());
        Self::MissingColumn { column, found, nearest, hint: None }
    }
}

/// Levenshtein distance over characters, of names clipped to 64 characters.
fn edit_distance(a: &str, b: &str) -> usize {
    const CHARS_MAX: usize = 64;
    let b: Vec<char> = b.chars().take(CHARS_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(CHARS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_names_the_nearest() {
        let found = ["id".to_owned(), "tradeTime".to_owned()];
        let error = FormatError::missing_column("tradetime", &found);
        let text = error.to_string();
        assert_eq!(
            text,
            "column tradetime is not in the input, which has id, tradeTime; did you mean \"tradeTime\"?"
        );
        let error = FormatError::missing_column("quantity", &found);
        assert_eq!(
            error.to_string(),
            "column quantity is not in the input, which has id, tradeTime; of files with different columns \
             'union.by.name' = 'true' makes it NULL"
        );
    }

    #[test]
    fn edit_distance_counts_single_changes() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }
}
