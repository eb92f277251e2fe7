//! A schema from the head of a CSV file.

use tidemill_plan::CsvOptions;
use tidemill_record::{Field, Schema};

use super::record::{self, Ending, RawField, Style};
use super::{check_options, header};
use crate::FormatError;
use crate::text::kinds::TextKinds;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn infer(
    options: &CsvOptions,
    head: &[u8],
    is_whole: bool,
) -> Result<Schema, FormatError> {
    check_options(options)?;
    let bytes = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    if bytes.is_empty() {
        return Err(FormatError::EmptySample);
    }
    let mut fields = Vec::new();
    let first = record::split(bytes, 0, is_whole, options, &mut fields);
    let Ending::Whole { next, fault, .. } = first else {
        let reason = "the first record is longer than the sample".to_owned();
        return Err(FormatError::Sample { reason });
    };
    if let Some(fault) = fault {
        return Err(FormatError::Header { reason: fault.to_owned() });
    }
    if header::has_bare_return(bytes, &fields) {
        return Err(FormatError::Sample { reason: header::BARE_RETURN.to_owned() });
    }
    let (names, mut position) = if options.has_header {
        (header::names(bytes, &fields, options)?, next)
    } else {
        ((0..fields.len()).map(|index| format!("column{index}")).collect(), 0)
    };
    let mut types = vec![TextKinds::NONE_SEEN; names.len()];
    while position < bytes.len() {
        let ending = record::split(bytes, position, is_whole, options, &mut fields);
        let Ending::Whole { next, fault, .. } = ending else { break };
        position = next;
        if fault.is_none() && fields.len() == names.len() {
            for (types, field) in types.iter_mut().zip(&fields) {
                see(types, bytes, *field);
            }
        }
    }
    let fields = names.into_iter().zip(types);
    Ok(Schema::new(fields.map(|(name, types)| Field::nullable(name, types.data_type())).collect()))
}

fn see(types: &mut TextKinds, bytes: &[u8], field: RawField) {
    let text = &bytes[field.start..field.end];
    match field.style {
        Style::Bare if text.is_empty() => {}
        // Text with a quote in it is of no other type, escaped or not.
        Style::Bare | Style::Quoted | Style::Escaped => types.see(text),
    }
}
