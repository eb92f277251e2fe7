//! `MIN`, `MAX`, `FIRST_VALUE` and `LAST_VALUE` of text and bytes, of many groups.
//!
//! A group has a view of sixteen bytes, with the value's first bytes in it, and all groups share one arena for what is
//! longer. A value that takes the place of another is written over it where it fits; what is left over is given back once
//! it has become as much as what is used.

use std::any::Any;
use std::cmp::Ordering;

use arrow_array::builder::{BinaryViewBuilder, make_view};
use arrow_array::{Array, BinaryViewArray};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::min_max::bytes_of;
use crate::AggregateError;
use crate::arena::{Arena, inside, is_inline, outside, view_head, view_len};
use crate::argument::Rows;
use crate::state::{BytesOutput, Output, Results, State, downcast, resize_tight, take_texts};

/// Which value of a group is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Least,
    Greatest,
    /// NULL included, as of the last.
    First,
    Last,
}

/// Bytes that may be left over however little is used.
const LEFT_OVER_MIN: usize = 1 << 16;

/// What a group has.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    /// No counted row.
    #[default]
    Nothing = 0,
    Null = 1,
    Value = 2,
}

/// One value a group.
pub(crate) struct Texts {
    which: Which,
    data_type: DataType,
    /// Zero where there is no value.
    views: Vec<u128>,
    held: Vec<Held>,
    arena: Arena,
    /// Bytes in the arena that no view points to.
    left_over: usize,
    /// Bytes in the arena that views point to.
    used: usize,
}

/// A value that comes, with its view.
#[derive(Clone, Copy)]
struct Value<'a> {
    view: &'a u128,
    /// Of a value that does not stand in its view.
    long: &'a [u8],
}

impl<'a> Value<'a> {
    #[inline]
    fn of<B: AsRef<[u8]>>(view: &'a u128, buffers: &'a [B]) -> Self {
        let long = if is_inline(*view) { &[][..] } else { outside(*view, buffers) };
        Self { view, long }
    }

    #[inline]
    fn bytes(self) -> &'a [u8] {
        if is_inline(*self.view) { inside(self.view) } else { self.long }
    }
}

/// The first four bytes of a value, zeros behind a shorter one, as a number in the order of bytes.
#[inline]
fn prefix(view: u128) -> u32 {
    u32::try_from(view_head(view) >> 32).expect("32 bits are left").swap_bytes()
}

impl Texts {
    /// No groups yet; `data_type` is `VARCHAR` or `VARBINARY`.
    pub(crate) fn boxed(which: Which, data_type: &DataType) -> Box<dyn State> {
        Box::new(Self {
            which,
            data_type: data_type.clone(),
            views: Vec::new(),
            held: Vec::new(),
            arena: Arena::default(),
            left_over: 0,
            used: 0,
        })
    }

    fn skips_nulls(&self) -> bool {
        matches!(self.which, Which::Least | Which::Greatest)
    }

    /// Whether a value takes the place of what a group has.
    #[inline]
    fn wins(&self, value: Value<'_>, group: usize) -> bool {
        let wanted = match (self.held[group], self.which) {
            (Held::Nothing, _) | (_, Which::Last) => return true,
            (_, Which::First) => return false,
            (_, Which::Least) => Ordering::Less,
            (_, Which::Greatest) => Ordering::Greater,
        };
        let kept = &self.views[group];
        // Most values differ early, and cost no look at the arena.
        let by_prefix = prefix(*value.view).cmp(&prefix(*kept));
        by_prefix.then_with(|| value.bytes().cmp(self.arena.bytes(kept))) == wanted
    }

    #[inline]
    fn take(&mut self, value: Value<'_>, group: usize) {
        if self.wins(value, group) {
            self.put(value, group);
        }
    }

    fn put(&mut self, value: Value<'_>, group: usize) {
        let before = std::mem::take(&mut self.views[group]);
        let bytes_before = if is_inline(before) { 0 } else { view_len(before) as usize };
        let view = *value.view;
        self.views[group] = if is_inline(view) {
            self.free(bytes_before);
            view
        } else if value.long.len() <= bytes_before {
            self.free(bytes_before - value.long.len());
            self.arena.overwrite(before, view_head(view), value.long)
        } else {
            self.free(bytes_before);
            self.used += value.long.len();
            self.arena.store(view_head(view), value.long)
        };
        self.held[group] = Held::Value;
    }

    /// Notes that so many bytes are not used any more.
    fn free(&mut self, bytes: usize) {
        self.left_over += bytes;
        self.used -= bytes;
    }

    /// NULL comes, where it counts.
    fn take_null(&mut self, group: usize) {
        if self.held[group] == Held::Nothing || self.which == Which::Last {
            self.empty(group, Held::Null);
        }
    }

    fn empty(&mut self, group: usize, held: Held) {
        let before = std::mem::take(&mut self.views[group]);
        self.free(if is_inline(before) { 0 } else { view_len(before) as usize });
        self.held[group] = held;
    }

    /// Gives back what is left over, if it is much. O(groups), amortized by the bytes that came.
    fn tidy(&mut self) {
        if self.left_over <= self.used.max(LEFT_OVER_MIN) {
            return;
        }
        let before = std::mem::take(&mut self.arena);
        for view in self.views.iter_mut().filter(|view| !is_inline(**view)) {
            *view = self.arena.store(view_head(*view), outside(*view, before.chunks()));
        }
        self.left_over = 0;
    }

    fn add(&mut self, column: &BinaryViewArray, group: u32, row: usize) {
        let group = group as usize;
        if column.is_valid(row) {
            self.take(Value::of(&column.views()[row], column.data_buffers()), group);
        } else {
            self.take_null(group);
        }
    }

    fn append(&self, group: u32, builder: &mut BinaryViewBuilder) {
        let group = group as usize;
        let is_value = self.held[group] == Held::Value;
        builder.append_option(is_value.then(|| self.arena.bytes(&self.views[group])));
    }
}

impl State for Texts {
    fn grow(&mut self, group_count: usize) {
        resize_tight(&mut self.views, group_count, 0);
        resize_tight(&mut self.held, group_count, Held::Nothing);
    }

    fn clear(&mut self) {
        self.views.clear();
        self.held.clear();
        self.arena.clear();
        (self.left_over, self.used) = (0, 0);
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let column = bytes_of(rows.arguments);
        if let Some(counted) = rows.counted(self.skips_nulls()) {
            for row in counted.set_indices() {
                self.add(&column, rows.groups[row], row);
            }
        } else if column.null_count() > 0 {
            for (row, &group) in rows.groups.iter().enumerate() {
                self.add(&column, group, row);
            }
        } else {
            let buffers = column.data_buffers();
            for (view, &group) in column.views().iter().zip(rows.groups.iter()) {
                self.take(Value::of(view, buffers), group as usize);
            }
        }
        self.tidy();
        Ok(())
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let column = bytes_of(rows.arguments);
        let counted = rows.counted(self.skips_nulls());
        let mut output = BytesOutput::new(rows.groups.len(), &self.data_type);
        for (row, &group) in rows.groups.iter().enumerate() {
            if counted.as_ref().is_none_or(|counted| counted.value(row)) {
                self.add(&column, group, row);
            }
            self.append(group, &mut output.builder);
        }
        self.tidy();
        Ok(output.into_array().into())
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        for (&from, &into) in there.iter().zip(here) {
            let (from, into) = (from as usize, into as usize);
            match later.held[from] {
                Held::Nothing => {}
                Held::Null => self.take_null(into),
                Held::Value => {
                    self.take(Value::of(&later.views[from], later.arena.chunks()), into);
                }
            }
        }
        self.tidy();
        Ok(())
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let (from, into) = (from as usize, into as usize);
        match self.held[from] {
            Held::Nothing => return Ok(()),
            Held::Null => self.take_null(into),
            Held::Value => {
                let view = self.views[from];
                let value = Value::of(&view, self.arena.chunks());
                if self.wins(value, into) {
                    // The value moves as it is.
                    self.empty(into, Held::Value);
                    self.views[into] = std::mem::take(&mut self.views[from]);
                }
            }
        }
        self.empty(from, Held::Nothing);
        self.tidy();
        Ok(())
    }

    fn finish(&self, groups: &[u32]) -> Results {
        let mut output = BytesOutput::new(groups.len(), &self.data_type);
        groups.iter().for_each(|&group| self.append(group, &mut output.builder));
        output.into_array().into()
    }

    fn heap_bytes(&self) -> usize {
        let groups = self.views.capacity() * size_of::<u128>() + self.held.capacity();
        groups + self.arena.heap_bytes()
    }

    fn outside_bytes(&self) -> usize {
        self.arena.heap_bytes()
    }

    fn group_bytes(&self) -> usize {
        size_of::<u128>() + size_of::<Held>()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let places = groups.iter().map(|&group| group as usize);
        let mut image = Image::new();
        image.put("held", places.clone().map(|group| self.held[group] as u8));
        // The view of a group that has no value is that of an empty one.
        image.put_texts("value", places.map(|group| self.arena.bytes(&self.views[group])));
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let held: Vec<u8> = image.take_exactly("held", group_count)?;
        let texts = take_texts(&mut image, "value", group_count, &self.data_type)?;
        image.end()?;
        self.grow(group_count);
        for (group, (held, text)) in held.into_iter().zip(texts.iter()).enumerate() {
            self.held[group] = match held {
                0 => Held::Nothing,
                1 => Held::Null,
                2 => {
                    self.put(Value { view: &make_view(text, 0, 0), long: text }, group);
                    Held::Value
                }
                _ => return Err(ImageError::new("held", "is none of nothing, NULL and a value")),
            };
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
