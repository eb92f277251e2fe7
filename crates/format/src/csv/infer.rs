//! A schema from the head of a CSV file.

use memchr::memchr;
use tidemill_plan::{CsvFields, CsvOptions};
use tidemill_record::{Field, Schema};

use super::lines::{Preamble, comment};
use super::nulls::says_nothing;
use super::record::{self, Ending, RawField, Style};
use super::{check_options, header};
use crate::FormatError;
use crate::infer::LONG_RECORD;
use crate::text::kinds::TextKinds;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn infer(
    options: &CsvOptions,
    head: &[u8],
    is_whole: bool,
) -> Result<Schema, FormatError> {
    let Sample { bytes, names, first } = Sample::of(options, head, is_whole)?;
    let mut types = vec![TextKinds::none_seen(&options.times); names.len()];
    for_each_record(options, bytes, first, is_whole, |fields| {
        let is_fitting = match options.reading.fields {
            CsvFields::Strict => fields.len() == names.len(),
            CsvFields::Pad => fields.len() <= names.len(),
            CsvFields::Any => true,
        };
        if is_fitting {
            types
                .iter_mut()
                .zip(fields)
                .for_each(|(types, field)| see(types, bytes, *field, options));
        }
        true
    });
    let fields = names.into_iter().zip(types);
    Ok(Schema::new(fields.map(|(name, types)| Field::nullable(name, types.data_type())).collect()))
}

/// Whether the head of an input has the record in it that its columns are named, or counted, by; of one that
/// goes on.
pub(crate) fn holds_first_record(options: &CsvOptions, head: &[u8]) -> bool {
    !matches!(Sample::of(options, head, false), Err(FormatError::Sample { .. }))
}

/// The head of a file.
struct Sample<'a> {
    /// Behind a byte order mark.
    bytes: &'a [u8],
    /// What its columns are called.
    names: Vec<String>,
    /// Where the first record begins that is none of names.
    first: usize,
}

impl<'a> Sample<'a> {
    fn of(options: &CsvOptions, head: &'a [u8], is_whole: bool) -> Result<Self, FormatError> {
        check_options(options)?;
        let bytes = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
        let too_long = || {
            let reason = LONG_RECORD.to_owned();
            Err(FormatError::Sample { reason })
        };
        let mut start = 0;
        if !Preamble::of(options).pass(bytes, &mut start, is_whole, options) {
            return too_long();
        }
        if bytes.len() == start {
            return Err(FormatError::EmptySample);
        }
        let mut fields = Vec::new();
        let first = record::split(bytes, start, is_whole, options, &mut fields);
        let Ending::Whole { next, fault, .. } = first else { return too_long() };
        if let Some(fault) = fault {
            return Err(FormatError::Header { reason: fault.to_owned() });
        }
        if header::has_bare_return(bytes, &fields) {
            return Err(FormatError::Sample { reason: header::BARE_RETURN.to_owned() });
        }
        if options.has_header {
            let names = header::names(bytes, &fields, options)?;
            return Ok(Self { bytes, names, first: next });
        }
        // An empty line says how many fields there are only where there is no other.
        let mut count = 1;
        for_each_record(options, bytes, start, is_whole, |fields| {
            count = fields.len();
            matches!(fields, [only] if only.start == only.end)
        });
        Ok(Self { bytes, names: (0..count).map(header::numbered).collect(), first: start })
    }
}

/// Visits the fields of each whole record from `at` on that is not faulty, comments left out, until the
/// visitor says `false`.
pub(super) fn for_each_record(
    options: &CsvOptions,
    bytes: &[u8],
    mut at: usize,
    is_whole: bool,
    mut visit: impl FnMut(&[RawField]) -> bool,
) {
    let mut fields = Vec::new();
    while at < bytes.len() {
        match comment(&bytes[at..], is_whole, options) {
            None => return,
            Some(true) => {
                let line = memchr(b'\n', &bytes[at..]);
                at = line.map_or(bytes.len(), |len| at + len + 1);
                continue;
            }
            Some(false) => {}
        }
        let ending = record::split(bytes, at, is_whole, options, &mut fields);
        let Ending::Whole { next, fault, .. } = ending else { return };
        at = next;
        if fault.is_none() && !visit(&fields) {
            return;
        }
    }
}

pub(super) fn see(types: &mut TextKinds<'_>, bytes: &[u8], field: RawField, options: &CsvOptions) {
    let text = &bytes[field.start..field.end];
    match field.style {
        Style::Bare | Style::BareEscaped if says_nothing(text, options) => {}
        // Text with a quote or an escape in it is of no other type.
        Style::Bare | Style::BareEscaped | Style::Quoted | Style::Escaped => types.see(text),
    }
}
