//! Rows of text as a table, or one value a line.
//!
//! Numbers are aligned right, NULL reads `NULL`, and in colours it is pale, so that it is no text. A table that
//! is wider than its place has its widest columns of text cut, which `…` says; where that would leave too
//! little of them, each value has a line of its own.

use tidemill::{PrintedColumn, PrintedRow};
use unicode_width::UnicodeWidthStr;

/// Columns of text keep this much when they are cut.
const CUT_WIDTH_MIN: usize = 16;
/// A name above numbers keeps this much.
const NAME_WIDTH_MIN: usize = 6;

/// How rows are to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Columns of the terminal; `None` where nothing is cut.
    pub(crate) width: Option<usize>,
    pub(crate) has_colors: bool,
    /// Each value has a line of its own, whatever the width.
    pub(crate) is_vertical: bool,
}

/// Lays rows out; the number of rows, and whether there are more, is for the caller to say.
pub(crate) fn lay_out(columns: &[PrintedColumn], rows: &[PrintedRow], look: Look) -> String {
    let mut out = String::new();
    if columns.is_empty() {
        return out;
    }
    match widths(columns, rows, look.width).filter(|_| !look.is_vertical) {
        Some(widths) => write_table(columns, rows, &widths, look, &mut out),
        None => write_lines(columns, rows, look, &mut out),
    }
    out
}

/// How wide each column is to be; `None` where a table does not fit.
fn widths(
    columns: &[PrintedColumn],
    rows: &[PrintedRow],
    width: Option<usize>,
) -> Option<Vec<usize>> {
    let mut values = vec![0; columns.len()];
    for row in rows {
        for (width, value) in values.iter_mut().zip(row.iter()) {
            *width = shown(value.as_deref()).width().max(*width);
        }
    }
    let names = columns.iter().map(|column| column.name.width());
    let natural: Vec<usize> =
        names.zip(&values).map(|(name, &value)| name.max(value).max(1)).collect();
    let Some(width) = width else { return Some(natural) };
    let room = width.checked_sub(3 * columns.len() + 1)?;
    let least: Vec<usize> = (0..columns.len())
        .map(|at| {
            let kept =
                if columns[at].is_numeric { values[at].max(NAME_WIDTH_MIN) } else { CUT_WIDTH_MIN };
            kept.min(natural[at])
        })
        .collect();
    if least.iter().sum::<usize>() > room {
        return None;
    }
    // The greatest width that all columns can be cut to.
    let cut_to = |most: usize| natural.iter().zip(&least).map(move |(&n, &l)| n.min(most.max(l)));
    let widest = natural.iter().copied().max().unwrap_or(0);
    let most = (0..=widest).rev().find(|&most| cut_to(most).sum::<usize>() <= room)?;
    Some(cut_to(most).collect())
}

fn write_table(
    columns: &[PrintedColumn],
    rows: &[PrintedRow],
    widths: &[usize],
    look: Look,
    out: &mut String,
) {
    write_rule(widths, ["┌", "┬", "┐"], out);
    for (column, &width) in columns.iter().zip(widths) {
        write_cell(&column.name, width, column.is_numeric, look.has_colors.then_some(BOLD), out);
    }
    out.push_str("│\n");
    write_rule(widths, ["├", "┼", "┤"], out);
    for row in rows {
        for ((column, value), &width) in columns.iter().zip(row.iter()).zip(widths) {
            let style = (look.has_colors && value.is_none()).then_some(PALE);
            write_cell(shown(value.as_deref()), width, column.is_numeric, style, out);
        }
        out.push_str("│\n");
    }
    write_rule(widths, ["└", "┴", "┘"], out);
}

fn write_cell(text: &str, width: usize, is_right: bool, style: Option<&str>, out: &mut String) {
    let (text, is_cut) = cut(text, width);
    let padding = " ".repeat(width - text.width() - usize::from(is_cut));
    out.push_str("│ ");
    if is_right {
        out.push_str(&padding);
    }
    out.push_str(style.unwrap_or_default());
    out.push_str(text);
    if is_cut {
        out.push('…');
    }
    if style.is_some() {
        out.push_str(PLAIN);
    }
    if !is_right {
        out.push_str(&padding);
    }
    out.push(' ');
}

fn write_rule(widths: &[usize], [left, middle, right]: [&str; 3], out: &mut String) {
    for (index, width) in widths.iter().enumerate() {
        out.push_str(if index == 0 { left } else { middle });
        out.push_str(&"─".repeat(width + 2));
    }
    out.push_str(right);
    out.push('\n');
}

/// A line for each value, of each row a line with its number above. What is longer than a line goes on below.
fn write_lines(columns: &[PrintedColumn], rows: &[PrintedRow], look: Look, out: &mut String) {
    let width = look.width.unwrap_or(usize::MAX);
    let names = columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
    let names = names.min((width / 2).saturating_sub(2)).max(1);
    let room = width.saturating_sub(names + 3).max(8);
    let rule = names.saturating_add(room.min(24));
    for (number, row) in rows.iter().enumerate() {
        let head = format!("─[ {} ]", number + 1);
        out.push_str(&head);
        out.push_str(&"─".repeat(rule.saturating_sub(head.width())));
        out.push('\n');
        for (column, value) in columns.iter().zip(row.iter()) {
            let (name, is_cut) = cut(&column.name, names);
            let padding = " ".repeat(names - name.width() - usize::from(is_cut));
            let (bold, plain) = if look.has_colors { (BOLD, PLAIN) } else { ("", "") };
            let cut = if is_cut { "…" } else { "" };
            out.push_str(&format!("{bold}{name}{cut}{plain}{padding} │ "));
            let (pale, plain) =
                if value.is_none() { (bold_to_pale(bold), plain) } else { ("", "") };
            let mut lines = wrapped(shown(value.as_deref()), room).into_iter();
            out.push_str(&format!("{pale}{}{plain}\n", lines.next().unwrap_or_default()));
            for line in lines {
                out.push_str(&format!("{} │ {line}\n", " ".repeat(names)));
            }
        }
    }
}

/// Pale where there are colours at all.
fn bold_to_pale(bold: &'static str) -> &'static str {
    if bold.is_empty() { "" } else { PALE }
}

const BOLD: &str = "\u{1b}[1m";
const PALE: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("NULL")
}

/// What of a text fits, one column less if there is more of it than that.
fn cut(text: &str, width: usize) -> (&str, bool) {
    if text.width() <= width {
        return (text, false);
    }
    (&text[..end_of_line(text, width.saturating_sub(1))], true)
}

/// Pieces of a text that are at most so wide.
fn wrapped(mut text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    while text.width() > width {
        let first = text.chars().next().map_or(0, char::len_utf8);
        let (line, rest) = text.split_at(end_of_line(text, width).max(first));
        lines.push(line);
        text = rest;
    }
    if !text.is_empty() || lines.is_empty() {
        lines.push(text);
    }
    lines
}

/// How many bytes of a text are at most so wide.
fn end_of_line(text: &str, width: usize) -> usize {
    let ends = text.char_indices().map(|(start, character)| start + character.len_utf8());
    ends.take_while(|&end| text[..end].width() <= width).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[(&str, bool)]) -> Vec<PrintedColumn> {
        let column = |&(name, is_numeric): &(&str, bool)| PrintedColumn {
            name: name.to_owned(),
            is_numeric,
        };
        names.iter().map(column).collect()
    }

    fn row(values: &[Option<&str>]) -> PrintedRow {
        values.iter().map(|value| value.map(Into::into)).collect()
    }

    #[track_caller]
    fn check(
        width: Option<usize>,
        names: &[(&str, bool)],
        rows: &[&[Option<&str>]],
        expected: &str,
    ) {
        let rows: Vec<_> = rows.iter().map(|values| row(values)).collect();
        let look = Look { width, has_colors: false, is_vertical: false };
        assert_eq!(lay_out(&columns(names), &rows, look), expected);
    }

    #[test]
    fn wide_characters_and_numbers_line_up() {
        check(
            None,
            &[("n", true), ("名前", false)],
            &[&[Some("7"), Some("日本")], &[Some("-123"), None], &[None, Some("")]],
            "┌──────┬──────┐\n\
             │    n │ 名前 │\n\
             ├──────┼──────┤\n\
             │    7 │ 日本 │\n\
             │ -123 │ NULL │\n\
             │ NULL │      │\n\
             └──────┴──────┘\n",
        );
    }

    #[test]
    fn no_rows_are_a_table_too() {
        check(None, &[("n", true)], &[], "┌───┐\n│ n │\n├───┤\n└───┘\n");
        check(None, &[], &[&[]], "");
    }

    #[test]
    fn the_widest_text_is_cut_and_numbers_are_not() {
        let long = "0123456789".repeat(5);
        check(
            Some(40),
            &[("number_of_things", true), ("t", false)],
            &[&[Some("1234567"), Some(&long)]],
            "┌──────────────────┬───────────────────┐\n\
             │ number_of_things │ t                 │\n\
             ├──────────────────┼───────────────────┤\n\
             │          1234567 │ 0123456789012345… │\n\
             └──────────────────┴───────────────────┘\n",
        );
        check(
            Some(31),
            &[("number_of_things", true), ("t", false)],
            &[&[Some("1234567"), Some(&long)]],
            "┌──────────┬──────────────────┐\n\
             │ number_… │ t                │\n\
             ├──────────┼──────────────────┤\n\
             │  1234567 │ 012345678901234… │\n\
             └──────────┴──────────────────┘\n",
        );
    }

    #[test]
    fn what_does_not_fit_has_a_line_for_each_value() {
        check(
            Some(24),
            &[("a", true), ("bc", false), ("日本", false)],
            &[&[Some("1"), None, Some("0123456789012345678901234")]],
            "─[ 1 ]───────────────\n\
             a    │ 1\n\
             bc   │ NULL\n\
             日本 │ 01234567890123456\n     │ 78901234\n",
        );
    }

    #[test]
    fn text_is_cut_and_wrapped_between_characters() {
        assert_eq!(cut("日本語", 6), ("日本語", false));
        assert_eq!(cut("日本語", 5), ("日本", true));
        assert_eq!(cut("日本語", 4), ("日", true));
        assert_eq!(wrapped("日本語", 1), ["日", "本", "語"]);
        assert_eq!(wrapped("abc", 2), ["ab", "c"]);
        assert_eq!(wrapped("", 2), [""]);
    }

    #[test]
    fn colours_change_no_width() {
        let rows = [row(&[None, Some("x")])];
        let columns = columns(&[("long_name", true), ("t", false)]);
        for is_vertical in [false, true] {
            let look = |has_colors| Look { width: Some(40), has_colors, is_vertical };
            let coloured = lay_out(&columns, &rows, look(true));
            assert!(coloured.contains(PALE) && coloured.contains(BOLD));
            let plain =
                [BOLD, PALE, PLAIN].iter().fold(coloured, |text, code| text.replace(code, ""));
            assert_eq!(plain, lay_out(&columns, &rows, look(false)));
        }
    }
}
