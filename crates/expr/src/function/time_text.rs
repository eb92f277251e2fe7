//! `DATE_FORMAT`: times as texts by a format.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_record::civil::split_micros;
use tidemill_record::{DataType, TimeFormat};

use super::text_output::written;
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane, text_lane};

fn compiled(format: &str) -> Result<TimeFormat, String> {
    TimeFormat::to_write(format).map_err(|error| error.to_string())
}

/// `DATE_FORMAT(time, format)`
pub(super) fn date_format(arguments: &[Node]) -> Compiled {
    let [_, format] = arguments else { return Err(Problem::Types) };
    let fixed = match format.as_constant().filter(|array| array.is_valid(0)) {
        None => None,
        Some(array) => Some(compiled(array.as_string_view().value(0))?),
    };
    let is_fallible = fixed.is_none();
    let kernel = Kernel::partial(move |v, rows| {
        let times = Lane::new(&v[0], v[0].array().as_primitive::<TimestampMicrosecondType>());
        let formats = text_lane(&v[1]);
        written(rows, |row, out| {
            let (Some(micros), Some(format)) = (times.get(row), formats.get(row)) else {
                return Ok(false);
            };
            let (days, of_day) = split_micros(micros);
            match &fixed {
                Some(format) => format.write(days, of_day, out),
                None => compiled(format).map_err(Failure::row)?.write(days, of_day, out),
            }
            Ok(true)
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Varchar))
}
