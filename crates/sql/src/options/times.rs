//! How times are written: options of text formats, and `FORMAT` of a column.

use tidemill_plan::{TimeForm, Times, TimestampUnit};
use tidemill_record::{DataType, TimeFormat};

use super::Options;
use super::format::Direction;
use crate::time_format::directives_of;

/// What is wrong with a form: a message, and what to write.
pub(crate) struct WrongForm {
    pub(crate) message: String,
    pub(crate) hint: String,
}

const FORMS: &str = "a format has directives, such as '%Y-%m-%d %H:%M:%S'; 's', 'ms', 'us' and 'ns' are counts since \
                     1970, and 'ISO-8601' is 2024-05-01T10:00:00Z";
const DATE_FORMS: &str = "a format has directives, such as '%Y-%m-%d'";

/// Reads the options of a text format that say how its times are written.
pub(super) fn times(options: &mut Options<'_>, direction: Direction, is_json: bool) -> Times {
    let timestamp = form(options, "timestamp.format", &DataType::Timestamp, direction);
    let date = form(options, "date.format", &DataType::Date, direction);
    let of_flink = if is_json { standard(options, direction) } else { None };
    Times { timestamp: timestamp.or(of_flink), date, columns: Vec::new() }
}

fn form(
    options: &mut Options<'_>,
    key: &'static str,
    data_type: &DataType,
    direction: Direction,
) -> Option<TimeForm> {
    let (text, span) = options.text(key)?;
    match time_form(text, data_type, direction) {
        Ok(form) => Some(form),
        Err(WrongForm { message, hint }) => {
            options.fail(span, format!("option '{key}': {message}"), Some(hint));
            None
        }
    }
}

/// Flink's `json.timestamp-format.standard`. Both are read as they are.
fn standard(options: &mut Options<'_>, direction: Direction) -> Option<TimeForm> {
    const KEY: &str = "json.timestamp-format.standard";
    let is_iso = options.one_of(KEY, &[("SQL", false), ("ISO-8601", true)])?;
    if options.text("timestamp.format").is_some() {
        let (_, span) = options.text(KEY).unwrap_or(("", options.span));
        let message = format!("'timestamp.format' and '{KEY}' both say how times are written");
        options.fail(span, message, Some("leave one of the two out".to_owned()));
    }
    let is_written = is_iso && direction == Direction::Write;
    is_written.then_some(TimeForm::Iso { has_zone: false })
}

/// The form of a `TIMESTAMP` or `DATE` that a text names.
pub(crate) fn time_form(
    text: &str,
    data_type: &DataType,
    direction: Direction,
) -> Result<TimeForm, WrongForm> {
    let is_date = *data_type == DataType::Date;
    let forms = if is_date { DATE_FORMS } else { FORMS };
    let unit = match text {
        "s" => Some(TimestampUnit::Seconds),
        "ms" => Some(TimestampUnit::Milliseconds),
        "us" => Some(TimestampUnit::Microseconds),
        "ns" => Some(TimestampUnit::Nanoseconds),
        _ => None,
    };
    match unit {
        Some(_) if is_date => {
            return Err(WrongForm {
                message: format!("'{text}' counts time, and a DATE has none"),
                hint: "declare a TIMESTAMP, and CAST it to DATE".to_owned(),
            });
        }
        Some(unit) => return Ok(TimeForm::Count(unit)),
        None if text.eq_ignore_ascii_case("ISO-8601") => {
            return Ok(TimeForm::Iso { has_zone: !is_date });
        }
        None => {}
    }
    if !text.contains('%') {
        let hint = match directives_of(text) {
            Some(directives) => format!("write '{directives}'"),
            None => forms.to_owned(),
        };
        return Err(WrongForm { message: format!("the format '{text}' has no directive"), hint });
    }
    let compiled = match direction {
        Direction::Read => TimeFormat::to_read(text),
        Direction::Write => TimeFormat::to_write(text),
    };
    compiled
        .map(TimeForm::Format)
        .map_err(|error| WrongForm { message: error.to_string(), hint: forms.to_owned() })
}
