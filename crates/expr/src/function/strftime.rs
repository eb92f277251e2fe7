//! `DATE_FORMAT`: strftime directives over timestamps.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use tidemill_record::civil::split_micros;
use tidemill_record::{DataType, TimeFormat};

use super::text_output::written;
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, text_lane};

fn compiled(format: &str) -> Result<TimeFormat, String> {
    TimeFormat::to_write(format).map_err(|error| error.to_string())
}

/// `DATE_FORMAT(time, format)`
pub(super) fn date_format(arguments: &[Node]) -> Compiled {
    let [time, format] = arguments else { return Err(Problem::Types) };
    let is_date = match time.data_type() {
        DataType::Date => true,
        DataType::Timestamp => false,
        _ => return Err(Problem::Types),
    };
    if *format.data_type() != DataType::Varchar {
        return Err(Problem::Types);
    }
    let fixed = match format.as_constant().filter(|array| array.is_valid(0)) {
        None => None,
        Some(array) => Some(compiled(array.as_string_view().value(0))?),
    };
    let is_fallible = fixed.is_none();
    let kernel = Kernel::partial(move |v, rows| {
        let (array, formats) = (v[0].array(), text_lane(&v[1]));
        written(rows, |row, out| {
            let index = v[0].index_of(row);
            let Some(format) = formats.get(row).filter(|_| array.is_valid(index)) else {
                return Ok(false);
            };
            let (days, of_day) = if is_date {
                (array.as_primitive::<Date32Type>().value(index).into(), 0)
            } else {
                split_micros(array.as_primitive::<TimestampMicrosecondType>().value(index))
            };
            match &fixed {
                Some(format) => format.write(days, of_day, out),
                None => compiled(format).map_err(Failure::row)?.write(days, of_day, out),
            }
            Ok(true)
        })
    });
    Ok((kernel.with_fallible(is_fallible), DataType::Varchar))
}
