//! The columns of a file that a query needs, found once for all of its row groups.

use ::parquet::schema::types::SchemaDescriptor;
use arrow_schema::FieldRef;
use tidemill_record::{DataType, Field};

use super::columns::{Column, Trait};
use crate::arrow::convert::{Conversion, Doubt};

/// Which columns of a Parquet file a query needs, and what they are to become.
#[derive(Clone, Debug)]
pub struct Selection {
    conversion: Conversion,
    columns: Vec<SelectedColumn>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct SelectedColumn {
    /// The leaf whose statistics are the column's; absent where values repeat or do not compare as
    /// they are stored.
    pub(super) leaf: Option<usize>,
    /// The Arrow type that statistics come in.
    pub(super) field: Option<FieldRef>,
    /// What it becomes.
    pub(super) data_type: DataType,
    /// Which of its values may make a record bad.
    pub(super) doubt: Doubt,
    /// NULL makes no record bad, or there is none.
    pub(super) may_be_null: bool,
}

impl Selection {
    pub(super) fn new(
        conversion: Conversion,
        columns: &[Column],
        descriptor: &SchemaDescriptor,
    ) -> Self {
        let select = |(at, field, doubt): (Option<usize>, &Field, Doubt)| {
            let Some(column) = at.map(|at| &columns[at]) else {
                // Nothing but NULL, of which there are no statistics.
                let (data_type, may_be_null) = (field.data_type.clone(), field.is_nullable);
                return SelectedColumn { leaf: None, field: None, data_type, doubt, may_be_null };
            };
            let leaf = descriptor.column(column.leaves.start);
            let is_single =
                column.leaves.len() == 1 && leaf.max_rep_level() == 0 && column.depth == 0;
            let is_plain = matches!(column.trait_, Trait::Plain | Trait::ByteDecimal);
            SelectedColumn {
                leaf: (is_single && is_plain).then_some(column.leaves.start),
                field: column.field.clone(),
                data_type: field.data_type.clone(),
                doubt: if is_plain { doubt } else { Doubt::Any },
                may_be_null: field.is_nullable || leaf.max_def_level() == 0,
            }
        };
        let columns = conversion.needed().map(select).collect();
        Self { conversion, columns }
    }

    /// Positions of the columns among those of the file.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.conversion.positions()
    }

    /// For each needed column its position among those of the file, and what it becomes.
    pub(super) fn needed(&self) -> impl Iterator<Item = (Option<usize>, &Field)> {
        self.conversion.needed().map(|(at, field, _)| (at, field))
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &SelectedColumn> {
        self.columns.iter()
    }

    pub(super) fn column(&self, index: usize) -> Option<&SelectedColumn> {
        self.columns.get(index)
    }

    pub(super) fn conversion(&self) -> &Conversion {
        &self.conversion
    }

    pub(super) fn conversion_mut(&mut self) -> &mut Conversion {
        &mut self.conversion
    }

    pub(super) fn notices(&self) -> Vec<String> {
        self.conversion.notices()
    }
}
