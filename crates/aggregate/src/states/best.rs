//! `ARG_MIN` and `ARG_MAX`, and `FIRST_VALUE` and `LAST_VALUE` in the order of one key: the value of the
//! record whose key is best.
//!
//! Each record that beats what its group has is let through to an inner `LAST_VALUE`, which keeps the value
//! of the last one. Of records that are equally good the first stays, or for `LAST_VALUE` the last.

use std::any::Any;
use std::cmp::Ordering;
use std::marker::PhantomData;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::for_primitive;
use super::min_max::bytes_of;
use super::rank::Ranked;
use super::sum::values;
use crate::AggregateError;
use crate::argument::Rows;
use crate::state::{AsColumns, Results, State, allocated, downcast};

/// Which key is best.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Where the key stands among the inputs of the call.
    pub(crate) place: usize,
    /// The order of keys.
    pub(crate) is_descending: bool,
    pub(crate) is_nulls_first: bool,
    /// The last of that order is best, not the first.
    pub(crate) is_last: bool,
    /// Records with NULL for an argument do not count.
    pub(crate) skips_nulls: bool,
}

/// Wraps the state of a `LAST_VALUE`; `None` if keys of this type have no order.
pub(crate) fn state(inner: Box<dyn State>, rule: Rule, key: &DataType) -> Option<Box<dyn State>> {
    Some(match key {
        DataType::Boolean => Best::<Truth>::boxed(inner, rule, key),
        DataType::Varchar | DataType::Varbinary => Best::<Bytes>::boxed(inner, rule, key),
        _ => for_primitive!(key, T => Best::<Fixed<T>>::boxed(inner, rule, key), _ => return None),
    })
}

/// A type of keys.
trait Key: 'static {
    type Owned: AsColumns + Clone + Default + AsRef<Self::Borrowed>;
    type Borrowed: ?Sized;
    type Column<'a>;

    fn open<'a>(array: &'a ArrayRef) -> Self::Column<'a>;

    fn get<'c>(column: &'c Self::Column<'_>, row: usize) -> &'c Self::Borrowed;

    fn compare(left: &Self::Borrowed, right: &Self::Borrowed) -> Ordering;

    fn own(value: &Self::Borrowed) -> Self::Owned;

    fn outside_bytes(_: &Self::Owned) -> usize {
        0
    }
}

/// A number or a time, as what it is borrowed from.
#[derive(Clone, Copy, Default)]
struct Number<T>(T);

impl<T: AsColumns> AsColumns for Number<T> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        T::put(states.map(AsRef::as_ref), image);
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        Ok(T::take(image, count, data_type)?.into_iter().map(Self).collect())
    }
}

impl<T> AsRef<T> for Number<T> {
    #[inline]
    fn as_ref(&self) -> &T {
        &self.0
    }
}

struct Fixed<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Key for Fixed<T>
where
    T::Native: Ranked,
{
    type Owned = Number<T::Native>;
    type Borrowed = T::Native;
    type Column<'a> = &'a [T::Native];

    fn open(array: &ArrayRef) -> &[T::Native] {
        values::<T>(&[array])
    }

    #[inline]
    fn get<'c>(column: &'c &[T::Native], row: usize) -> &'c T::Native {
        &column[row]
    }

    #[inline]
    fn compare(left: &T::Native, right: &T::Native) -> Ordering {
        left.rank(right)
    }

    #[inline]
    fn own(value: &T::Native) -> Number<T::Native> {
        Number(*value)
    }
}

struct Truth;

impl Key for Truth {
    type Owned = Number<bool>;
    type Borrowed = bool;
    type Column<'a> = &'a BooleanArray;

    fn open(array: &ArrayRef) -> &BooleanArray {
        array.as_boolean()
    }

    fn get<'c>(column: &'c &BooleanArray, row: usize) -> &'c bool {
        if column.value(row) { &true } else { &false }
    }

    fn compare(left: &bool, right: &bool) -> Ordering {
        left.cmp(right)
    }

    fn own(value: &bool) -> Number<bool> {
        Number(*value)
    }
}

struct Bytes;

impl Key for Bytes {
    type Owned = Box<[u8]>;
    type Borrowed = [u8];
    type Column<'a> = BinaryViewArray;

    fn open(array: &ArrayRef) -> BinaryViewArray {
        bytes_of(&[array])
    }

    fn get(column: &BinaryViewArray, row: usize) -> &[u8] {
        column.value(row)
    }

    fn compare(left: &[u8], right: &[u8]) -> Ordering {
        left.cmp(right)
    }

    fn own(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn outside_bytes(value: &Box<[u8]>) -> usize {
        allocated(value.len())
    }
}

struct Best<K: Key> {
    inner: Box<dyn State>,
    rule: Rule,
    key_type: DataType,
    /// The best key of each group, NULL as `Some(None)`; `None` before its first record.
    kept: Vec<Option<Option<K::Owned>>>,
    /// What keys hold outside of themselves.
    outside_bytes: usize,
}

impl<K: Key> Best<K> {
    fn boxed(inner: Box<dyn State>, rule: Rule, key: &DataType) -> Box<dyn State> {
        let (key_type, kept) = (key.clone(), Vec::new());
        Box::new(Self { inner, rule, key_type, kept, outside_bytes: 0 })
    }

    /// Whether a key that comes now takes the place of what a group has.
    #[inline]
    fn wins(&self, next: Option<&K::Borrowed>, group: u32) -> bool {
        let Some(kept) = &self.kept[group as usize] else { return true };
        let nulls_first = |is_null: bool| {
            if is_null == self.rule.is_nulls_first { Ordering::Less } else { Ordering::Greater }
        };
        let ordering = match (next, kept) {
            (Some(next), Some(kept)) => {
                let ordering = K::compare(next, kept.as_ref());
                if self.rule.is_descending { ordering.reverse() } else { ordering }
            }
            (None, None) => Ordering::Equal,
            (next, _) => nulls_first(next.is_none()),
        };
        match self.rule.is_last {
            true => ordering.is_ge(),
            false => ordering.is_lt(),
        }
    }

    fn keep(&mut self, key: Option<K::Owned>, group: u32) {
        let bytes = |key: &Option<K::Owned>| key.as_ref().map_or(0, K::outside_bytes);
        self.outside_bytes += bytes(&key);
        let before = self.kept[group as usize].replace(key);
        self.outside_bytes -= before.as_ref().map_or(0, bytes);
    }

    /// The rows that become the best of their group as they come.
    fn winners(&mut self, rows: &Rows<'_>) -> BooleanBuffer {
        let counted = rows.counted(self.rule.skips_nulls);
        let key = rows.arguments[self.rule.place];
        let nulls = key.logical_nulls();
        let column = K::open(key);
        let mut winners = BooleanBufferBuilder::new(rows.groups.len());
        for (row, &group) in rows.groups.iter().enumerate() {
            let is_counted = counted.as_ref().is_none_or(|counted| counted.value(row));
            let is_valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let value = is_valid.then(|| K::get(&column, row));
            let wins = is_counted && self.wins(value, group);
            if wins {
                self.keep(value.map(K::own), group);
            }
            winners.append(wins);
        }
        winners.finish()
    }
}

impl<K: Key> State for Best<K> {
    fn grow(&mut self, group_count: usize) {
        self.inner.grow(group_count);
        if group_count > self.kept.len() {
            self.kept.resize(group_count, None);
        }
    }

    fn clear(&mut self) {
        self.inner.clear();
        self.kept.clear();
        self.outside_bytes = 0;
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let selected = Some(self.winners(rows));
        self.inner.update(&Rows { groups: rows.groups, arguments: &rows.arguments[..1], selected })
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let selected = Some(self.winners(rows));
        self.inner.update_running(&Rows {
            groups: rows.groups,
            arguments: &rows.arguments[..1],
            selected,
        })
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        let (mut from_there, mut to_here) = (Vec::new(), Vec::new());
        for (&from, &into) in there.iter().zip(here) {
            let Some(key) = &later.kept[from as usize] else { continue };
            if self.wins(key.as_ref().map(AsRef::as_ref), into) {
                self.keep(key.clone(), into);
                from_there.push(from);
                to_here.push(into);
            }
        }
        self.inner.merge(&*later.inner, &from_there, &to_here)
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        let Some(key) = self.kept[from as usize].take() else { return Ok(()) };
        self.outside_bytes -= key.as_ref().map_or(0, K::outside_bytes);
        if self.wins(key.as_ref().map(AsRef::as_ref), into) {
            self.keep(key, into);
            self.inner.join(into, from)?;
        }
        Ok(())
    }

    fn finish(&self, groups: &[u32]) -> Results {
        self.inner.finish(groups)
    }

    fn heap_bytes(&self) -> usize {
        let kept = self.kept.capacity() * size_of::<Option<Option<K::Owned>>>();
        self.inner.heap_bytes() + kept + self.outside_bytes
    }

    fn outside_bytes(&self) -> usize {
        self.inner.outside_bytes() + self.outside_bytes
    }

    fn group_bytes(&self) -> usize {
        self.inner.group_bytes() + size_of::<Option<Option<K::Owned>>>()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let kept = groups.iter().map(|&group| &self.kept[group as usize]);
        let mut image = Image::new();
        image.put_image("inner", self.inner.export(groups));
        image.put_flags("has_record", kept.clone().map(Option::is_some));
        image.put_flags("has_key", kept.clone().map(|kept| matches!(kept, Some(Some(_)))));
        let none = K::Owned::default();
        K::Owned::put(
            kept.map(|kept| kept.as_ref().and_then(Option::as_ref).unwrap_or(&none)),
            &mut image,
        );
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let inner = image.take_image("inner")?;
        self.inner.import(inner, group_count).map_err(|error| error.within("inner"))?;
        let have_record = image.take_flags("has_record", group_count)?;
        let have_key = image.take_flags("has_key", group_count)?;
        let keys = K::Owned::take(&mut image, group_count, &self.key_type)?;
        image.end()?;
        let kept = keys.into_iter().zip(have_key).map(|(key, has_key)| has_key.then_some(key));
        let kept = kept.zip(have_record).map(|(key, has_record)| has_record.then_some(key));
        self.kept = kept.collect();
        let keys = self.kept.iter().flatten().flatten();
        self.outside_bytes = keys.map(K::outside_bytes).sum();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
