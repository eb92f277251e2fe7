//! The columns of a source, by number: those that its records have, and behind them those that are
//! computed of others or known of the file.

use tidemill_record::Field;

use crate::{Expr, ExprKind, SourceDef};

/// A column that records do not have.
#[derive(Clone, Debug, PartialEq)]
pub struct DerivedColumn {
    /// Its name and type.
    pub field: Field,
    /// Where its values come from.
    pub from: Derivation,
}

/// Where the values of a column come from that records do not have.
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation {
    /// `name AS expression`: over the source's columns by number. Of computed columns it reads only such
    /// as do not read it, directly or through others.
    Computed(Expr),
    /// `name TYPE METADATA`
    Metadata(Metadata),
}

/// What is known of a record beside the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// `filename`: the path of the file, as it was found. `VARCHAR`.
    FileName,
    /// `file_row`: how many records of the file stand before it, bad ones counted. `BIGINT`.
    FileRow,
    /// The value of a directory of the path that is named `key=value`, as text cast to the column's type.
    PathKey(String),
}

impl Metadata {
    /// Whether all records of a file have one value.
    #[must_use]
    pub fn is_of_file(&self) -> bool {
        match self {
            Self::FileName | Self::PathKey(_) => true,
            Self::FileRow => false,
        }
    }
}

impl SourceDef {
    /// How many columns there are, of records and derived.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.schema.fields.len() + self.derived.len()
    }

    /// Name and type of a column.
    ///
    /// # Panics
    /// If there is none of that number.
    #[must_use]
    pub fn field(&self, column: usize) -> &Field {
        match column.checked_sub(self.schema.fields.len()) {
            None => &self.schema.fields[column],
            Some(place) => &self.derived[place].field,
        }
    }

    fn derivation(&self, column: usize) -> Option<&Derivation> {
        let place = column.checked_sub(self.schema.fields.len())?;
        Some(&self.derived.get(place)?.from)
    }

    /// What computes a column; `None` for one that is read.
    #[must_use]
    pub fn computing(&self, column: usize) -> Option<&Expr> {
        match self.derivation(column)? {
            Derivation::Computed(expr) => Some(expr),
            Derivation::Metadata(_) => None,
        }
    }

    /// What a column says beside the record; `None` for one that records have, or that is computed.
    #[must_use]
    pub fn metadata(&self, column: usize) -> Option<&Metadata> {
        match self.derivation(column)? {
            Derivation::Computed(_) => None,
            Derivation::Metadata(metadata) => Some(metadata),
        }
    }

    /// The column that one is an unchanged copy of: itself, but for a computed column that only names
    /// another.
    #[must_use]
    pub fn original(&self, column: usize) -> usize {
        match self.computing(column).map(|expr| &expr.kind) {
            Some(ExprKind::Column { index, .. }) => self.original(*index),
            _ => column,
        }
    }

    /// Whether all records of a file have the same values of some columns, by what is known of the file alone.
    #[must_use]
    pub fn is_of_file(&self, columns: impl IntoIterator<Item = usize>) -> bool {
        let read = self.read_for(columns);
        let is_of_file = |&at: &usize| self.metadata(at).is_some_and(Metadata::is_of_file);
        !read.is_empty() && read.iter().all(is_of_file)
    }

    /// The columns that are read for some, ascending, each once: those of records and metadata that they
    /// are or are computed of.
    #[must_use]
    pub fn read_for(&self, columns: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut is_met = vec![false; self.column_count()];
        let mut waiting: Vec<usize> = columns.into_iter().collect();
        while let Some(column) = waiting.pop() {
            if std::mem::replace(&mut is_met[column], true) {
                continue;
            }
            if let Some(expr) = self.computing(column) {
                expr.for_each_column(&mut |read| waiting.push(read));
            }
        }
        let is_read = |column: &usize| is_met[*column] && self.computing(*column).is_none();
        (0..self.column_count()).filter(is_read).collect()
    }
}
