//! Options of CSV.

use tidemill_plan::{CsvFields, CsvOptions, CsvReading};

use super::Options;
use super::format::{Direction, timestamp_unit};
use super::times::times;

/// Reads the options of CSV; `default` applies where one is not given.
pub(super) fn csv_options(
    options: &mut Options<'_>,
    default: CsvOptions,
    direction: Direction,
) -> CsvOptions {
    let has_header = options.one_of("csv.header", &[("true", true), ("false", false)]);
    let delimiter = character(options, "csv.delimiter").unwrap_or(default.delimiter);
    let quote = character(options, "csv.quote").unwrap_or(default.quote);
    if delimiter == quote {
        let span = options.text("csv.delimiter").or_else(|| options.text("csv.quote"));
        let span = span.map_or(options.span, |(_, span)| span);
        let keys = [options.shown("csv.delimiter"), options.shown("csv.quote")];
        options.fail(span, format!("{} are the same character", keys.join(" and ")), None);
    }
    let reading = match direction {
        Direction::Read => reading(options, delimiter, quote),
        Direction::Write => CsvReading::default(),
    };
    CsvOptions {
        has_header: has_header.unwrap_or(default.has_header),
        delimiter,
        quote,
        timestamp_unit: timestamp_unit(options).unwrap_or_default(),
        times: times(options, direction, false),
        reading,
    }
}

/// How the files depart from the plain form.
fn reading(options: &mut Options<'_>, delimiter: u8, quote: u8) -> CsvReading {
    let nulls = options.text("csv.null").map(|(text, _)| list(text)).unwrap_or_default();
    let skip_lines =
        options.parsed("csv.skip.lines", "a number of lines", |text| text.parse().ok());
    let is_trimmed = options.one_of("csv.trim", &[("true", true), ("false", false)]);
    let fields = options.one_of(
        "csv.fields",
        &[("strict", CsvFields::Strict), ("pad", CsvFields::Pad), ("any", CsvFields::Any)],
    );
    CsvReading {
        nulls,
        comment: comment(options, delimiter, quote),
        skip_lines: skip_lines.unwrap_or(0),
        escape: escape(options, delimiter, quote),
        is_trimmed: is_trimmed.unwrap_or(false),
        fields: fields.unwrap_or_default(),
    }
}

/// The texts of a list: between commas, without the blanks around them; in double quotes one may hold
/// commas and blanks.
fn list(text: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    loop {
        let item;
        if let Some(quoted) = rest.strip_prefix('"')
            && let Some((inside, behind)) = quoted.split_once('"')
            && (behind.trim_start().is_empty() || behind.trim_start().starts_with(','))
        {
            (item, rest) = (inside, behind.trim_start());
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (item, rest) = (rest[..end].trim(), &rest[end..]);
        }
        items.push(item.to_owned());
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind.trim_start(),
            None => return items,
        }
    }
}

fn comment(options: &mut Options<'_>, delimiter: u8, quote: u8) -> Option<String> {
    let (text, span) = options.text("csv.comment")?;
    let is_taken = |byte: u8| text.as_bytes().first() == Some(&byte);
    let is_mark = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_mark || is_taken(delimiter) || is_taken(quote) {
        let hint = "it takes what such lines begin with, such as '#', which is neither the delimiter nor the quote";
        let message = format!("option '{}' cannot be '{text}'", options.shown("csv.comment"));
        options.fail(span, message, Some(hint.to_owned()));
        return None;
    }
    Some(text.to_owned())
}

/// A quote as the escape is what doubled quotes are without one.
fn escape(options: &mut Options<'_>, delimiter: u8, quote: u8) -> Option<u8> {
    let escape = character(options, "csv.escape").filter(|&escape| escape != quote)?;
    if escape == delimiter {
        let (text, span) = options.text("csv.escape")?;
        let key = options.shown("csv.escape");
        let message = format!("option '{key}' cannot be '{text}', which is the delimiter");
        options.fail(span, message, None);
        return None;
    }
    Some(escape)
}

fn character(options: &mut Options<'_>, key: &'static str) -> Option<u8> {
    let (text, span) = options.text(key)?;
    match text.as_bytes() {
        [byte] if byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t') => Some(*byte),
        b"\\t" => Some(b'\t'),
        // Who writes it twice thinks of C.
        b"\\\\" => Some(b'\\'),
        _ => {
            let hint = Some("it takes one ASCII character, or '\\t' for a tabulator".to_owned());
            let message = format!("option '{}' cannot be '{text}'", options.shown(key));
            options.fail(span, message, hint);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn lists_are_cut_at_commas() {
        assert_eq!(list("NA"), ["NA"]);
        assert_eq!(list("NULL, NA ,\\N,-"), ["NULL", "NA", "\\N", "-"]);
        assert_eq!(list(""), [""]);
        assert_eq!(list("NA,"), ["NA", ""]);
        assert_eq!(list(",NA"), ["", "NA"]);
        assert_eq!(list("\"a, b\" , \"\",c\"d"), ["a, b", "", "c\"d"]);
        assert_eq!(list("\"a\"b,c"), ["\"a\"b", "c"]);
        assert_eq!(list("\""), ["\""]);
    }
}
