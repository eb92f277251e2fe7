//! How times stand in text, where somebody says it.

use tidemill_record::{DataType, Field, TimeFormat};

use crate::TimestampUnit;

/// How the times of a source or sink of text are written, beside the usual form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// `timestamp.format`: of `TIMESTAMP` columns.
    pub timestamp: Option<TimeForm>,
    /// `date.format`: of `DATE` columns.
    pub date: Option<TimeForm>,
    /// `column TYPE FORMAT '…'`, by the column's name, which goes before the others.
    pub columns: Vec<(String, TimeForm)>,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// `s`, `ms`, `us`, `ns`: a whole number of these since the epoch. What is read so may have a fraction, or be
    /// a time in the usual form.
    Count(TimestampUnit),
    /// `ISO-8601`: `2024-05-01T10:00:00Z`, the fraction of 3 or 6 digits. What is read so may have the usual form.
    Iso {
        /// Whether there is a `Z`.
        has_zone: bool,
    },
    /// A format as strftime has them.
    Format(TimeFormat),
}

impl Times {
    /// The usual form for all.
    pub const USUAL: Self = Self { timestamp: None, date: None, columns: Vec::new() };

    /// How the values of a column are written; `None` for the usual form.
    #[must_use]
    pub fn of(&self, field: &Field) -> Option<&TimeForm> {
        let own = self.columns.iter().find(|(name, _)| *name == field.name);
        own.map(|(_, form)| form).or(self.of_type(&field.data_type))
    }

    /// How the values of a column of this type are written that does not say it itself.
    #[must_use]
    pub fn of_type(&self, data_type: &DataType) -> Option<&TimeForm> {
        match data_type {
            DataType::Timestamp => self.timestamp.as_ref(),
            DataType::Date => self.date.as_ref(),
            DataType::Array(item) => self.of_type(item),
            _ => None,
        }
    }
}
