//! Times as texts by a format, and texts as times: `DATE_FORMAT`, `STRPTIME`.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, StringViewArray};
use tidemill_record::civil::split_micros;
use tidemill_record::{DataType, TimeFormat};

use super::lift::numbers;
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::text_output::written;
use crate::value::{Failure, Lane, Value, text_lane};

/// A format that is compiled once, or once a run of rows with the same.
struct Formats {
    compile: fn(&str) -> Result<TimeFormat, String>,
    fixed: Option<TimeFormat>,
}

impl Formats {
    fn new(node: &Node, compile: fn(&str) -> Result<TimeFormat, String>) -> Result<Self, Problem> {
        let constant = node.as_constant().filter(|array| array.is_valid(0));
        let fixed = constant.map(|array| compile(array.as_string_view().value(0)));
        Ok(Self { compile, fixed: fixed.transpose()? })
    }

    fn reader<'a>(&'a self, value: &'a Value) -> Reader<'a> {
        Reader { formats: self, texts: text_lane(value), last: None }
    }
}

/// Gives each row its format.
struct Reader<'a> {
    formats: &'a Formats,
    texts: Lane<&'a StringViewArray>,
    last: Option<(&'a str, TimeFormat)>,
}

impl Reader<'_> {
    /// `None` for NULL.
    fn get(&mut self, row: usize) -> Result<Option<&TimeFormat>, Failure> {
        if self.formats.fixed.is_some() {
            return Ok(self.formats.fixed.as_ref());
        }
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            let format = (self.formats.compile)(text).map_err(Failure::row)?;
            self.last = Some((text, format));
        }
        Ok(self.last.as_ref().map(|(_, format)| format))
    }
}

/// `DATE_FORMAT(time, format)`
pub(super) fn date_format(arguments: &[Node]) -> Compiled {
    let compile = |text: &str| TimeFormat::to_write(text).map_err(|error| error.to_string());
    let formats = Formats::new(&arguments[1], compile)?;
    let is_fallible = formats.fixed.is_none();
    let kernel = Kernel::partial(move |v, rows| {
        let times = Lane::new(&v[0], v[0].array().as_primitive::<TimestampMicrosecondType>());
        let mut format_of = formats.reader(&v[1]);
        written(v, rows, |row, out| {
            let Some(micros) = times.get(row) else { return Ok(false) };
            let Some(format) = format_of.get(row)? else { return Ok(false) };
            let (days, of_day) = split_micros(micros);
            format.write(days, of_day, out);
            Ok(true)
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Varchar))
}

/// `STRPTIME(text, format)`; `TRY_STRPTIME` gives NULL where the text is not of the format.
pub(super) fn strptime(arguments: &[Node], is_try: bool) -> Compiled {
    let compile = |text: &str| TimeFormat::to_read(text).map_err(|error| error.to_string());
    let formats = Formats::new(&arguments[1], compile)?;
    let kernel = Kernel::partial(move |v, rows| {
        let (texts, shown) = (text_lane(&v[0]), text_lane(&v[1]));
        let mut format_of = formats.reader(&v[1]);
        numbers::<TimestampMicrosecondType>(rows, |row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            let Some(format) = format_of.get(row)? else { return Ok(None) };
            match format.read(text.as_bytes()) {
                Ok(micros) => Ok(Some(micros)),
                Err(_) if is_try => Ok(None),
                Err(misfit) => {
                    let shown = shown.get(row).unwrap_or_default();
                    Err(Failure::row(format!("'{text}' is not of the format '{shown}': {misfit}")))
                }
            }
        })
    });
    Ok((kernel, DataType::Timestamp))
}
