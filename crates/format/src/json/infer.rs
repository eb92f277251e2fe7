//! A schema from the head of a JSON lines file.

use std::collections::HashMap;

use memchr::memchr;
use tidemill_plan::{JsonOptions, Times};
use tidemill_record::{DataType, Field, Schema};

use super::decode::no_line;
use super::framed::lines_of;
use super::recognize::BYTE_ORDER_MARK;
use super::scan::{Fault, Scanner};
use crate::FormatError;
use crate::infer::LONG_RECORD;
use crate::text::Slot;
use crate::text::kinds::{NumberKinds, TextKinds};
use crate::text::slot::{FRAME_BYTES_MAX, Tag};

/// What has been seen under one key.
pub(crate) struct Column<'a> {
    name: String,
    times: &'a Times,
    has_truth: bool,
    has_nested: bool,
    /// What that was, as far as it is looked into.
    nested: Nested,
    /// Of objects, their keys.
    members: Option<Box<Columns<'a>>>,
    /// Of arrays, what they hold.
    elements: Option<Box<Column<'a>>>,
    /// `None` while there was no number.
    numbers: Option<NumberKinds>,
    /// `None` while there was no string.
    strings: Option<TextKinds<'a>>,
}

/// What stood under a key beside scalars.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Nested {
    has_objects: bool,
    has_arrays: bool,
    /// Some was too deep to be looked into.
    is_deep: bool,
}

impl Nested {
    const OBJECTS: Self = Self { has_objects: true, has_arrays: false, is_deep: false };
    const ARRAYS: Self = Self { has_objects: false, has_arrays: true, is_deep: false };
}

/// Columns in order of first appearance, and the place of each name.
pub(crate) struct Columns<'a> {
    times: &'a Times,
    list: Vec<Column<'a>>,
    places: HashMap<String, usize>,
}

/// A value within the objects of a column, or a column of arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The column, then the keys below it, if it is within objects.
    pub path: Vec<String>,
    /// The narrowest type that holds what was seen of it.
    pub data_type: DataType,
    /// Of what is arrays alone, the same of their elements; an array where these are arrays alone.
    pub element: Option<DataType>,
}

/// Objects within objects are looked into so deep.
const MEMBER_DEPTH_MAX: usize = 16;
/// More members than these are no names that somebody gave.
const MEMBERS_MAX: usize = 10_000;

/// The columns, and the members of those that are objects.
pub(crate) fn infer(
    options: &JsonOptions,
    head: &[u8],
    is_whole: bool,
) -> Result<(Schema, Vec<Member>), FormatError> {
    let bytes = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let bytes = &bytes[..bytes.len().min(FRAME_BYTES_MAX)];
    let made = lines_of(options.layout, bytes, is_whole);
    let bytes = made.as_deref().unwrap_or(bytes);
    let is_whole = is_whole || made.as_ref().is_some_and(|lines| !lines.is_empty());
    let mut columns = Columns::new(&options.times);
    let (mut position, mut record_count, mut first_fault) = (0, 0_usize, None);
    while position < bytes.len() {
        let (end, next) = match memchr(b'\n', &bytes[position..]) {
            Some(len) => (position + len, position + len + 1),
            None if is_whole => (bytes.len(), bytes.len()),
            None => break,
        };
        let scanner = Scanner { bytes, end };
        let start = scanner.skip_blank(position);
        let is_text = simdutf8::basic::from_utf8(&bytes[position..end]).is_ok();
        if start < end && is_text {
            record_count += 1;
            if let Err(Fault { at, what }) = see_record(scanner, start, &mut columns, 0) {
                let hint = no_line(&bytes[position..end]);
                first_fault
                    .get_or_insert_with(|| format!("{what} at byte {at} of the input{hint}"));
            }
        }
        position = next;
    }
    match first_fault {
        _ if !columns.is_empty() => {}
        Some(reason) => return Err(FormatError::Sample { reason }),
        None if record_count == 0 && !is_whole => {
            let reason = LONG_RECORD.to_owned();
            return Err(FormatError::Sample { reason });
        }
        None => return Err(FormatError::EmptySample),
    }
    let mut members = Vec::new();
    columns.list_members(&mut Vec::new(), &mut members);
    Ok((columns.into_schema(), members))
}

/// Takes a record into account; one that is not JSON leaves no trace.
fn see_record(
    scanner: Scanner<'_>,
    at: usize,
    columns: &mut Columns<'_>,
    depth: usize,
) -> Result<(), Fault> {
    let mut entries: Vec<(String, Slot)> = Vec::new();
    let mut side = Vec::new();
    scanner.object(at, &mut side, |key, value| {
        entries.push((String::from_utf8_lossy(key).into_owned(), value));
    })?;
    for (name, value) in entries {
        let bytes = if value.tag() == Tag::Unescaped { &side } else { scanner.bytes };
        let text = &bytes[value.start()..value.start() + value.len()];
        let column = columns.named(name);
        column.see(value.tag(), text);
        if value.tag() != Tag::Nested {
            continue;
        }
        let within = Scanner { bytes: text, end: text.len() };
        match text {
            _ if depth == MEMBER_DEPTH_MAX => column.nested.is_deep = true,
            [b'{', ..] => {
                column.nested.has_objects = true;
                see_record(within, 0, column.members(), depth + 1)?;
            }
            _ => {
                column.nested.has_arrays = true;
                see_elements(within, column.elements(), depth + 1)?;
            }
        }
    }
    Ok(())
}

/// Takes the elements of an array into account.
fn see_elements(
    scanner: Scanner<'_>,
    elements: &mut Column<'_>,
    depth: usize,
) -> Result<(), Fault> {
    let mut side = Vec::new();
    let mut at = scanner.skip_blank(1);
    while scanner.bytes.get(at).is_some_and(|&byte| byte != b']') {
        let (value, next) = scanner.value(at, &mut side)?;
        let bytes = if value.tag() == Tag::Unescaped { &side } else { scanner.bytes };
        let text = &bytes[value.start()..value.start() + value.len()];
        elements.see(value.tag(), text);
        match text {
            _ if value.tag() != Tag::Nested => {}
            _ if depth == MEMBER_DEPTH_MAX => elements.nested.is_deep = true,
            [b'[', ..] => {
                elements.nested.has_arrays = true;
                let within = Scanner { bytes: text, end: text.len() };
                see_elements(within, elements.elements(), depth + 1)?;
            }
            _ => elements.nested.has_objects = true,
        }
        at = scanner.skip_blank(next);
        if scanner.bytes.get(at) == Some(&b',') {
            at = scanner.skip_blank(at + 1);
        }
    }
    Ok(())
}

impl<'a> Columns<'a> {
    /// Before any record, where times have these forms.
    pub(crate) fn new(times: &'a Times) -> Self {
        Self { times, list: Vec::new(), places: HashMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Each of the narrowest type that holds what was seen of it.
    pub(crate) fn into_schema(self) -> Schema {
        let field = |column: Column<'_>| {
            let data_type = column.data_type();
            Field::nullable(column.name, data_type)
        };
        Schema::new(self.list.into_iter().map(field).collect())
    }

    /// The members of columns in which objects stand alone, and of objects within those; and what is arrays alone.
    fn list_members(&self, above: &mut Vec<String>, members: &mut Vec<Member>) {
        for column in &self.list {
            above.push(column.name.clone());
            let element = column.element_type();
            if (above.len() > 1 || element.is_some()) && members.len() < MEMBERS_MAX {
                let (path, data_type) = (above.clone(), column.data_type());
                members.push(Member { path, data_type, element });
            }
            if let Some(within) = column.members.as_ref().filter(|_| column.is_of(Nested::OBJECTS))
            {
                within.list_members(above, members);
            }
            above.pop();
        }
    }

    /// The column of this name, a new one where there is none.
    pub(crate) fn named(&mut self, name: String) -> &mut Column<'a> {
        let place = *self.places.entry(name).or_insert_with_key(|name| {
            self.list.push(Column::new(name.clone(), self.times));
            self.list.len() - 1
        });
        &mut self.list[place]
    }
}

impl<'a> Column<'a> {
    fn new(name: String, times: &'a Times) -> Self {
        Self {
            name,
            times,
            has_truth: false,
            has_nested: false,
            nested: Nested::default(),
            members: None,
            elements: None,
            numbers: None,
            strings: None,
        }
    }

    fn members(&mut self) -> &mut Columns<'a> {
        self.members.get_or_insert_with(|| Box::new(Columns::new(self.times)))
    }

    fn elements(&mut self) -> &mut Column<'a> {
        self.elements.get_or_insert_with(|| Box::new(Column::new(String::new(), self.times)))
    }

    /// Whether nothing but this was seen.
    fn is_of(&self, nested: Nested) -> bool {
        let has_others = self.has_truth || self.numbers.is_some() || self.strings.is_some();
        !has_others && self.nested == nested
    }

    /// Of what is arrays alone, the type of their elements: of arrays again that of an array.
    fn element_type(&self) -> Option<DataType> {
        let elements = self.elements.as_ref().filter(|_| self.is_of(Nested::ARRAYS))?;
        let nested = elements.element_type().map(|element| DataType::Array(Box::new(element)));
        Some(nested.unwrap_or_else(|| elements.data_type()))
    }

    pub(crate) fn see(&mut self, tag: Tag, text: &[u8]) {
        match tag {
            Tag::Null => {}
            Tag::Text | Tag::Unescaped => {
                self.strings.get_or_insert(TextKinds::none_seen(self.times)).see_time(text);
            }
            Tag::Number => {
                let numbers = self.numbers.unwrap_or(NumberKinds::NONE_SEEN).with(text);
                self.numbers = Some(numbers.expect("JSON's numbers are of the grammar"));
            }
            Tag::Truth => self.has_truth = true,
            Tag::Nested => self.has_nested = true,
        }
    }

    fn data_type(&self) -> DataType {
        match (self.has_truth, self.numbers, self.strings, self.has_nested) {
            (true, None, None, false) => DataType::Boolean,
            (false, Some(numbers), None, false) => numbers.data_type(),
            (false, None, Some(strings), false) => strings.time_type(),
            _ => DataType::Varchar,
        }
    }
}
