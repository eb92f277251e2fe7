//! Batches as a boxed table for terminals.
//!
//! Numbers are aligned right, NULL reads `NULL`. Characters that would steer the terminal (control
//! characters, bidirectional overrides) are shown escaped. The whole table is held until its end,
//! for its widths are known only then: the caller limits the rows.

use std::fmt::Write;

use tidemill_record::{Batch, Schema};
use unicode_width::UnicodeWidthStr;

use crate::text::cell::Cells;

/// Gathers rows and renders them at the end.
pub struct TableRenderer {
    // Fixed at construction.
    schema: Schema,
    // Changes with every batch.
    /// Cells row by row.
    cells: Vec<String>,
    row_count: usize,
}

impl TableRenderer {
    /// Makes a renderer for batches of the schema.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        Self { schema: schema.clone(), cells: Vec::new(), row_count: 0 }
    }

    /// Takes the rows in. Nothing is appended to `_out` before [`Self::finish`]; it is there so
    /// that a table is called as an [`crate::Encoder`] is.
    pub fn encode(&mut self, batch: &Batch, _out: &mut Vec<u8>) {
        let columns: Vec<Cells<'_>> = batch
            .columns()
            .iter()
            .zip(&self.schema.fields)
            .map(|(column, field)| Cells::new(column, &field.data_type))
            .collect();
        let mut text = Vec::new();
        for row in 0..batch.row_count() {
            for cells in &columns {
                if cells.is_null(row) {
                    self.cells.push("NULL".to_owned());
                    continue;
                }
                text.clear();
                cells.write(row, &mut text);
                self.cells.push(escaped(&String::from_utf8_lossy(&text)));
            }
        }
        self.row_count += batch.row_count();
    }

    /// Appends the table, and forgets its rows.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let column_count = self.schema.fields.len();
        let names: Vec<String> =
            self.schema.fields.iter().map(|field| escaped(&field.name)).collect();
        let mut widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
        for row in self.cells.chunks(column_count.max(1)) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        if column_count > 0 {
            write_rule(&widths, ["┌", "┬", "┐"], out);
            self.write_row(&names, &widths, out);
            write_rule(&widths, ["├", "┼", "┤"], out);
            for row in self.cells.chunks(column_count) {
                self.write_row(row, &widths, out);
            }
            write_rule(&widths, ["└", "┴", "┘"], out);
        }
        let rows = if self.row_count == 1 { "row" } else { "rows" };
        out.extend_from_slice(format!("({} {rows})\n", self.row_count).as_bytes());
        self.cells.clear();
        self.row_count = 0;
    }

    fn write_row(&self, row: &[String], widths: &[usize], out: &mut Vec<u8>) {
        for ((cell, width), field) in row.iter().zip(widths).zip(&self.schema.fields) {
            out.extend_from_slice("│ ".as_bytes());
            let padding = width.saturating_sub(cell.width());
            let is_right = field.data_type.is_numeric();
            if is_right {
                out.resize(out.len() + padding, b' ');
            }
            out.extend_from_slice(cell.as_bytes());
            if !is_right {
                out.resize(out.len() + padding, b' ');
            }
            out.push(b' ');
        }
        out.extend_from_slice("│\n".as_bytes());
    }
}

fn write_rule(widths: &[usize], [left, middle, right]: [&str; 3], out: &mut Vec<u8>) {
    for (index, width) in widths.iter().enumerate() {
        let corner = if index == 0 { left } else { middle };
        out.extend_from_slice(corner.as_bytes());
        out.extend_from_slice("─".repeat(width + 2).as_bytes());
    }
    out.extend_from_slice(right.as_bytes());
    out.push(b'\n');
}

/// The text with what a terminal would obey, or would be misled by, escaped as in Rust.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            _ if character.is_control() => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringViewArray, UInt64Array};
    use tidemill_record::{DataType, Field};

    use super::*;

    fn check(names: &[i64], texts: &[Option<&str>], expected: &str) {
        let schema = Schema::new(vec![
            Field::nullable("n", DataType::BigInt),
            Field::nullable("名前", DataType::Varchar),
        ]);
        let offsets = UInt64Array::from_iter_values(0..names.len() as u64);
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(Int64Array::from(names.to_vec())),
            Arc::new(StringViewArray::from(texts.to_vec())),
        ];
        let mut table = TableRenderer::new(&schema);
        let mut out = Vec::new();
        table.encode(&Batch::new(columns, offsets), &mut out);
        assert_eq!(out, b"");
        table.finish(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn wide_characters_and_numbers_line_up() {
        check(
            &[7, -123],
            &[Some("日本"), None],
            "┌──────┬──────┐\n\
             │    n │ 名前 │\n\
             ├──────┼──────┤\n\
             │    7 │ 日本 │\n\
             │ -123 │ NULL │\n\
             └──────┴──────┘\n\
             (2 rows)\n",
        );
    }

    #[test]
    fn terminals_are_not_steered() {
        check(
            &[1],
            &[Some("\u{1b}[2J\u{202e}\n")],
            "┌───┬─────────────────────┐\n\
             │ n │ 名前                │\n\
             ├───┼─────────────────────┤\n\
             │ 1 │ \\u{1b}[2J\\u{202e}\\n │\n\
             └───┴─────────────────────┘\n\
             (1 row)\n",
        );
    }

    #[test]
    fn no_rows_are_a_table_too() {
        check(&[], &[], "┌───┬──────┐\n│ n │ 名前 │\n├───┼──────┤\n└───┴──────┘\n(0 rows)\n");
    }
}
