//! `FORMAT '…'` of declared columns: how the times of a text source or sink are written.

use tidemill_plan::{Format, TimeForm};
use tidemill_record::{DataType, Field};

use crate::options::{Direction, WrongForm, time_form};
use crate::report::Bind;
use crate::scope::Session;
use crate::syntax::{ColumnKind, ColumnSyntax};

/// The forms that columns declare, by their names; `fields` are those of records, in their order.
pub(crate) fn column_forms(
    session: &mut Session<'_>,
    columns: &[ColumnSyntax],
    fields: &[Field],
    direction: Direction,
) -> Bind<Vec<(String, TimeForm)>> {
    let mut forms = Vec::new();
    let mut result = Ok(());
    for column in columns {
        let ColumnKind::Recorded { format: Some(format), .. } = &column.kind else { continue };
        let name = &column.name.text;
        let Some(field) = fields.iter().find(|field| field.name == *name) else { continue };
        if !matches!(field.data_type, DataType::Timestamp | DataType::Date) {
            let message =
                format!("FORMAT is of a TIMESTAMP or DATE, and {name} is {}", field.data_type);
            let hint = "leave it out, or declare the column as one of these";
            result = session.fail_with(format.span, message, hint);
            continue;
        }
        match time_form(&format.text, &field.data_type, direction) {
            Ok(form) => forms.push((name.clone(), form)),
            Err(WrongForm { message, hint }) => {
                result = session.fail_with(format.span, message, hint);
            }
        }
    }
    result.map(|()| forms)
}

/// Adds the forms of columns to a format of text; any other has none.
pub(crate) fn keep_forms(
    session: &mut Session<'_>,
    columns: &[ColumnSyntax],
    forms: Vec<(String, TimeForm)>,
    format: Option<&mut Format>,
) -> Bind<()> {
    if forms.is_empty() {
        return Ok(());
    }
    let name = format.as_ref().map(|format| format.name());
    if let Some(times) = format.and_then(Format::times_mut) {
        // What is declared goes before what the format itself says.
        let of_format = std::mem::replace(&mut times.columns, forms);
        times.columns.extend(of_format);
        return Ok(());
    }
    let of_column = |column: &ColumnSyntax| match &column.kind {
        ColumnKind::Recorded { format: Some(format), .. } => Some(format.span),
        _ => None,
    };
    let span = columns.iter().find_map(of_column).unwrap_or_default();
    let message = match name {
        Some(name) => format!("FORMAT is of text, and '{name}' keeps times as such"),
        None => "FORMAT is of text, and here is none".to_owned(),
    };
    let hint = "leave it out; formats of text are 'format' = 'csv' and 'json'";
    session.fail_with(span, message, hint)
}
