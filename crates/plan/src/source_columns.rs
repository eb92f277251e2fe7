//! The columns of a source, by number: those that its records have, and behind them those that are
//! computed of others.

use tidemill_record::Field;

use crate::{Expr, ExprKind, SourceDef};

/// A column that is computed: `name AS expression` of a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct ComputedColumn {
    /// Its name and type; may be NULL.
    pub field: Field,
    /// Over the source's columns by number. Of computed columns it reads only such as do not read it,
    /// directly or through others.
    pub expr: Expr,
}

impl SourceDef {
    /// How many columns there are, of records and computed.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.schema.fields.len() + self.computed.len()
    }

    /// Name and type of a column.
    ///
    /// # Panics
    /// If there is none of that number.
    #[must_use]
    pub fn field(&self, column: usize) -> &Field {
        match column.checked_sub(self.schema.fields.len()) {
            None => &self.schema.fields[column],
            Some(place) => &self.computed[place].field,
        }
    }

    /// What computes a column; `None` for one that records have.
    #[must_use]
    pub fn computing(&self, column: usize) -> Option<&Expr> {
        let place = column.checked_sub(self.schema.fields.len())?;
        Some(&self.computed.get(place)?.expr)
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

    /// The columns of records that some columns are computed of, ascending, each once; a column of
    /// records is its own.
    #[must_use]
    pub fn recorded(&self, columns: impl IntoIterator<Item = usize>) -> Vec<usize> {
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
        (0..self.schema.fields.len()).filter(|&column| is_met[column]).collect()
    }
}
