//! Lines of nginx and Apache, by the format that wrote them.
//!
//! A field ends where the text behind it first stands; a quote behind a backslash is one of the field. `-` is what
//! both write where there is no value.

use memchr::{memchr, memmem};
use tidemill_plan::LogPattern;

use super::decode::{Line, fields_of};
use super::escapes::unescape;
use crate::text::Slot;
use crate::text::slot::{RowSlots, Tag};
use crate::{DecoderSpec, FormatError};

/// A format whose fields are known to be columns.
pub(super) struct AccessLog {
    head: Box<[u8]>,
    fields: Box<[Field]>,
    is_apache: bool,
}

struct Field {
    /// For messages.
    name: String,
    /// The column's place among those needed.
    place: Option<usize>,
    behind: Box<[u8]>,
    finder: memmem::Finder<'static>,
}

impl AccessLog {
    pub(super) fn new(
        pattern: &LogPattern,
        is_apache: bool,
        spec: &DecoderSpec<'_>,
    ) -> Result<Self, FormatError> {
        let wanted = fields_of(spec, pattern.fields.iter().map(|field| field.name.as_deref()))?;
        let field = |(index, field): (usize, &tidemill_plan::LogField)| Field {
            name: field.name.clone().unwrap_or_else(|| format!("field {}", index + 1)),
            place: wanted.iter().position(|wanted| *wanted == index),
            behind: field.behind.as_bytes().into(),
            finder: memmem::Finder::new(field.behind.as_bytes()).into_owned(),
        };
        Ok(Self {
            head: pattern.head.as_bytes().into(),
            fields: pattern.fields.iter().enumerate().map(field).collect(),
            is_apache,
        })
    }

    pub(super) fn take_apart(
        &self,
        line: Line<'_>,
        slots: &mut RowSlots<'_>,
        side: &mut Vec<u8>,
    ) -> Result<(), String> {
        let text = &line.bytes[..line.end];
        if !text[line.start..].starts_with(&self.head) {
            let due = String::from_utf8_lossy(&self.head);
            return Err(self.fault(&format!("it does not begin with '{due}'")));
        }
        let mut at = line.start + self.head.len();
        for field in &self.fields {
            let Some(end) = field.end(text, at) else {
                let (due, from) = (String::from_utf8_lossy(&field.behind), at - line.start);
                let what = format!("'{due}' is due behind {}, from byte {from} on", field.name);
                return Err(self.fault(&what));
            };
            if let Some(place) = field.place {
                slots.set(place, self.slot(text, (at, end), side));
            }
            at = end + field.behind.len();
        }
        if at < line.end {
            let last = self.fields.last().map_or("", |field| field.name.as_str());
            let what = format!("it goes on behind {last}, at byte {}", at - line.start);
            return Err(self.fault(&what));
        }
        Ok(())
    }

    #[inline]
    fn slot(&self, text: &[u8], (from, to): (usize, usize), side: &mut Vec<u8>) -> Slot {
        let value = &text[from..to];
        if value == b"-" {
            return Slot::NULL;
        }
        if memchr(b'\\', value).is_some() {
            let start = side.len();
            if unescape(value, self.is_apache, side) {
                return Slot::new(Tag::Unescaped, start, side.len());
            }
            side.truncate(start);
        }
        Slot::new(Tag::Text, from, to)
    }

    #[cold]
    fn fault(&self, what: &str) -> String {
        let (name, directive) =
            if self.is_apache { ("apache", "LogFormat") } else { ("nginx", "log_format") };
        format!(
            "not a line of the {directive}: {what}; 'log_format' says how '{name}' wrote it, combined where it is not set"
        )
    }
}

impl Field {
    /// Where the value that begins at `at` ends.
    #[inline]
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        if self.behind.is_empty() {
            return Some(text.len());
        }
        if self.behind[0] != b'"' {
            return self.finder.find(&text[at..]).map(|len| at + len);
        }
        let mut from = at;
        loop {
            let quote = from + memchr(b'"', &text[from..])?;
            let escapes = text[at..quote].iter().rev().take_while(|&&byte| byte == b'\\').count();
            if escapes % 2 == 0 && text[quote..].starts_with(&self.behind) {
                return Some(quote);
            }
            from = quote + 1;
        }
    }
}
