//! One column of interned values of any type that can be a key.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer};
use smallvec::SmallVec;
use tidemill_plan::Scalar;
use tidemill_record::{DataType, span_nanos};

use super::bytes::{BytesColumn, BytesInput, LongBytes};
use super::fixed::{FixedColumn, FixedInput};
use super::{KeyStore, NullBits, hash};
use crate::states::rank::Ranked;

/// Interned values of one SQL type.
pub(crate) struct KeyColumn {
    pub(super) data_type: DataType,
    pub(super) store: Store,
}

pub(super) enum Store {
    Fixed(FixedColumn<u64>),
    Wide(FixedColumn<i128>),
    Bytes(BytesColumn),
}

/// One batch's values for a [`KeyColumn`] of the same type.
pub(crate) enum KeyInput<'a> {
    Fixed(FixedInput<'a, u64>),
    Wide(FixedInput<'a, i128>),
    Bytes(BytesInput<'a>),
}

/// Some of a column's own values, in an order of their own.
pub(crate) enum Picked {
    Array(ArrayRef),
    /// Of text or bytes, which stay where they are.
    Views(Vec<u128>, Option<NullBuffer>),
}

/// Those of several columns; a few of them are no allocation.
pub(crate) type KeyInputs<'a> = SmallVec<[KeyInput<'a>; 4]>;

impl KeyInput<'_> {
    /// Hash of each row's value, appended.
    pub(crate) fn hash_rows(
        &self,
        seed: &impl BuildHasher,
        row_count: usize,
        hashes: &mut Vec<u64>,
    ) {
        match self {
            Self::Fixed(input) => hashes.extend((0..row_count).map(|row| input.hash(seed, row))),
            Self::Wide(input) => hashes.extend((0..row_count).map(|row| input.hash(seed, row))),
            Self::Bytes(input) => hashes.extend((0..row_count).map(|row| input.hash(seed, row))),
        }
    }

    /// Hash of each row's values: those of the columns before, and this one's.
    pub(crate) fn combine_rows(&self, seed: &impl BuildHasher, hashes: &mut [u64]) {
        let all = hashes.iter_mut().enumerate();
        match self {
            Self::Fixed(i) => {
                all.for_each(|(row, h)| *h = hash::combine(seed, *h, i.hash(seed, row)))
            }
            Self::Wide(i) => {
                all.for_each(|(row, h)| *h = hash::combine(seed, *h, i.hash(seed, row)))
            }
            Self::Bytes(i) => {
                all.for_each(|(row, h)| *h = hash::combine(seed, *h, i.hash(seed, row)))
            }
        }
    }
}

impl KeyColumn {
    /// An empty column; `None` for types that cannot be interned (`ARRAY`).
    pub(crate) fn new(data_type: &DataType) -> Option<Self> {
        let store = match data_type {
            DataType::Array(_) => return None,
            DataType::Decimal { .. } | DataType::Interval => Store::Wide(FixedColumn::default()),
            DataType::Varchar | DataType::Varbinary => Store::Bytes(BytesColumn::default()),
            _ => Store::Fixed(FixedColumn::default()),
        };
        Some(Self { data_type: data_type.clone(), store })
    }

    /// The single store of text or bytes, if that is what this is.
    pub(crate) fn as_bytes_mut(&mut self) -> Option<&mut BytesColumn> {
        if let Store::Bytes(store) = &mut self.store { Some(store) } else { None }
    }

    /// The store of up to eight bytes a value, if that is what this is.
    pub(crate) fn as_fixed_mut(&mut self) -> Option<&mut FixedColumn<u64>> {
        if let Store::Fixed(store) = &mut self.store { Some(store) } else { None }
    }

    /// The store of up to sixteen bytes a value, if that is what this is.
    pub(crate) fn as_wide_mut(&mut self) -> Option<&mut FixedColumn<i128>> {
        if let Store::Wide(store) = &mut self.store { Some(store) } else { None }
    }

    /// Prepares a batch's array of this type for hashing and comparing.
    pub(crate) fn input<'a>(&self, array: &'a ArrayRef) -> KeyInput<'a> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        match &self.data_type {
            DataType::Boolean => {
                let values = array.as_boolean().values().iter().map(u64::from).collect();
                fixed(Cow::Owned(values), nulls)
            }
            DataType::TinyInt => fixed(narrow::<Int8Type>(array), nulls),
            DataType::SmallInt => fixed(narrow::<Int16Type>(array), nulls),
            DataType::Integer => fixed(narrow::<Int32Type>(array), nulls),
            DataType::Date => fixed(narrow::<Date32Type>(array), nulls),
            DataType::BigInt => fixed(whole::<Int64Type>(array), nulls),
            DataType::Timestamp => fixed(whole::<TimestampMicrosecondType>(array), nulls),
            DataType::Real => {
                let values = array.as_primitive::<Float32Type>().values();
                let canonical = values.iter().map(|v| u64::from(canonical_f32(*v).to_bits()));
                let original = values.iter().map(|v| u64::from(v.to_bits()));
                let (canonical, original) = (canonical.collect(), Some(original.collect()));
                KeyInput::Fixed(FixedInput { canonical, original, nulls })
            }
            DataType::Double => {
                let values = array.as_primitive::<Float64Type>().values();
                let canonical = values.iter().map(|v| canonical_f64(*v).to_bits()).collect();
                let original = Some(whole::<Float64Type>(array));
                KeyInput::Fixed(FixedInput { canonical, original, nulls })
            }
            DataType::Decimal { .. } => {
                let canonical = Cow::Borrowed(&array.as_primitive::<Decimal128Type>().values()[..]);
                KeyInput::Wide(FixedInput { canonical, original: None, nulls })
            }
            DataType::Interval => {
                let values = array.as_primitive::<IntervalMonthDayNanoType>().values();
                let canonical = values.iter().map(|v| span_nanos(*v)).collect();
                let original = Some(values.iter().map(|v| pack_interval(*v)).collect());
                KeyInput::Wide(FixedInput { canonical, original, nulls })
            }
            DataType::Varchar => {
                let array = array.as_string_view();
                let long = LongBytes::Array(array.data_buffers());
                KeyInput::Bytes(BytesInput { views: array.views(), long, nulls })
            }
            DataType::Varbinary => {
                let array = array.as_binary_view();
                let long = LongBytes::Array(array.data_buffers());
                KeyInput::Bytes(BytesInput { views: array.views(), long, nulls })
            }
            DataType::Array(_) => unreachable!("new refuses ARRAY"),
        }
    }

    /// The value, in a column of whole numbers; `None` for NULL.
    pub(crate) fn whole_bits(&self, index: usize) -> Option<u64> {
        (!self.nulls().is_null(index)).then(|| self.word(index))
    }

    /// The bits of a value of up to eight bytes.
    ///
    /// # Panics
    /// If values are of another type.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> u64 {
        let Store::Fixed(store) = &self.store else { panic!("a column of other values") };
        store.canonical(index)
    }

    /// The bits of a value of up to sixteen bytes.
    ///
    /// # Panics
    /// If values are of another type.
    #[inline]
    pub(crate) fn wide(&self, index: usize) -> i128 {
        let Store::Wide(store) = &self.store else { panic!("a column of other values") };
        store.canonical(index)
    }

    /// Whether values are text or bytes.
    pub(crate) fn is_bytes(&self) -> bool {
        matches!(self.store, Store::Bytes(_))
    }

    /// Whether values are whole numbers of up to eight bytes, days, times or truth values.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.store, Store::Fixed(_))
            && !matches!(self.data_type, DataType::Real | DataType::Double)
    }

    /// These of the column's own values, as a batch's.
    pub(crate) fn own_input(&self, range: Range<usize>) -> KeyInput<'_> {
        match &self.store {
            Store::Fixed(store) => KeyInput::Fixed(store.own_input(range)),
            Store::Wide(store) => KeyInput::Wide(store.own_input(range)),
            Store::Bytes(store) => KeyInput::Bytes(store.own_input(range)),
        }
    }

    /// The values of these groups, in this order, for [`Self::picked_input`].
    pub(crate) fn pick(&self, groups: &[u32]) -> Picked {
        match &self.store {
            Store::Bytes(store) => {
                Picked::Views(store.pick(groups), gather_nulls(&store.nulls, groups))
            }
            Store::Fixed(_) | Store::Wide(_) => Picked::Array(self.gather(groups)),
        }
    }

    /// What [`Self::pick`] gave, as a batch's.
    pub(crate) fn picked_input<'a>(&'a self, picked: &'a Picked) -> KeyInput<'a> {
        match (picked, &self.store) {
            (Picked::Array(values), _) => self.input(values),
            (Picked::Views(views, nulls), Store::Bytes(store)) => {
                KeyInput::Bytes(store.picked_input(views, nulls.clone()))
            }
            (Picked::Views(..), _) => unreachable!("views are of text or bytes"),
        }
    }

    /// Hash of the group's value.
    pub(crate) fn hash_group(&self, seed: &impl BuildHasher, group: usize) -> u64 {
        match &self.store {
            Store::Fixed(store) => store.hash(seed, group),
            Store::Wide(store) => store.hash(seed, group),
            Store::Bytes(store) => store.hash(seed, group),
        }
    }

    /// The values of these groups, in this order, as an array of the column's type.
    pub(crate) fn gather(&self, groups: &[u32]) -> ArrayRef {
        match &self.store {
            Store::Bytes(store) => {
                if let Some(array) = store.gather_short(groups, &self.data_type) {
                    return array;
                }
                let array = store.gather(groups);
                if self.data_type == DataType::Varchar {
                    let text = array.to_string_view();
                    Arc::new(text.expect("copied whole from text"))
                } else {
                    Arc::new(array)
                }
            }
            Store::Wide(store) => {
                let values = groups.iter().map(|&group| store.original(group as usize));
                let nulls = gather_nulls(&store.nulls, groups);
                if let DataType::Decimal { .. } = self.data_type {
                    let array = Decimal128Array::new(values.collect(), nulls);
                    Arc::new(array.with_data_type(self.data_type.arrow()))
                } else {
                    let values = values.map(unpack_interval).collect();
                    Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::new(values, nulls))
                }
            }
            Store::Fixed(store) => {
                let values = groups.iter().map(|&group| store.original(group as usize));
                self.array_of(values, gather_nulls(&store.nulls, groups))
            }
        }
    }

    /// Values of the column's type, which is of whole numbers, as [`Self::whole_bits`] gives them.
    pub(crate) fn array_of_whole(
        &self,
        values: impl Iterator<Item = Option<u64>> + Clone,
    ) -> ArrayRef {
        let valid: NullBuffer = values.clone().map(|value| value.is_some()).collect();
        let nulls = Some(valid).filter(|valid| valid.null_count() > 0);
        self.array_of(values.map(Option::unwrap_or_default), nulls)
    }

    /// Values of the column's type, which takes up to eight bytes.
    fn array_of(&self, values: impl Iterator<Item = u64>, nulls: Option<NullBuffer>) -> ArrayRef {
        match self.data_type {
            DataType::Boolean => {
                Arc::new(BooleanArray::new(values.map(|v| v != 0).collect(), nulls))
            }
            DataType::TinyInt => primitive::<Int8Type>(values.map(narrow_back), nulls),
            DataType::SmallInt => primitive::<Int16Type>(values.map(narrow_back), nulls),
            DataType::Integer => primitive::<Int32Type>(values.map(narrow_back), nulls),
            DataType::Date => primitive::<Date32Type>(values.map(narrow_back), nulls),
            DataType::Timestamp => {
                primitive::<TimestampMicrosecondType>(values.map(u64::cast_signed), nulls)
            }
            DataType::Real => primitive::<Float32Type>(values.map(real_back), nulls),
            DataType::Double => primitive::<Float64Type>(values.map(f64::from_bits), nulls),
            _ => primitive::<Int64Type>(values.map(u64::cast_signed), nulls),
        }
    }

    /// Ascending order of two groups' values, NULL last, text by bytes, NaN greatest.
    pub(crate) fn compare(&self, left: usize, right: usize) -> Ordering {
        match (self.nulls().is_null(left), self.nulls().is_null(right)) {
            (false, false) => {}
            (left, right) => return left.cmp(&right),
        }
        match &self.store {
            Store::Bytes(store) => store.value(left).cmp(store.value(right)),
            Store::Wide(store) => store.canonical(left).cmp(&store.canonical(right)),
            Store::Fixed(store) => {
                let (left, right) = (store.canonical(left), store.canonical(right));
                match self.data_type {
                    DataType::Real => real_back(left).rank(&real_back(right)),
                    DataType::Double => f64::from_bits(left).rank(&f64::from_bits(right)),
                    _ => left.cast_signed().cmp(&right.cast_signed()),
                }
            }
        }
    }

    /// Whether the group's value is NULL.
    pub(crate) fn is_null(&self, group: usize) -> bool {
        self.nulls().is_null(group)
    }

    /// The group's value as a SQL constant.
    pub(crate) fn scalar(&self, group: usize) -> Scalar {
        if self.nulls().is_null(group) {
            return Scalar::Null(self.data_type.clone());
        }
        match &self.store {
            Store::Bytes(store) if self.data_type == DataType::Varchar => {
                Scalar::Varchar(String::from_utf8_lossy(store.value(group)).into_owned())
            }
            Store::Bytes(store) => Scalar::Varbinary(store.value(group).to_vec()),
            Store::Wide(store) => {
                let value = store.original(group);
                if let DataType::Decimal { precision, scale } = self.data_type {
                    return Scalar::Decimal { value, precision, scale };
                }
                let IntervalMonthDayNano { months, days, nanoseconds } = unpack_interval(value);
                Scalar::Interval { months, days, nanos: nanoseconds }
            }
            Store::Fixed(store) => {
                let bits = store.original(group);
                match self.data_type {
                    DataType::Boolean => Scalar::Boolean(bits != 0),
                    DataType::TinyInt => Scalar::TinyInt(narrow_back(bits)),
                    DataType::SmallInt => Scalar::SmallInt(narrow_back(bits)),
                    DataType::Integer => Scalar::Integer(narrow_back(bits)),
                    DataType::Date => Scalar::Date(narrow_back(bits)),
                    DataType::Timestamp => Scalar::Timestamp(bits.cast_signed()),
                    DataType::Real => Scalar::Real(real_back(bits)),
                    DataType::Double => Scalar::Double(f64::from_bits(bits)),
                    _ => Scalar::BigInt(bits.cast_signed()),
                }
            }
        }
    }

    /// A column of the same type without values.
    pub(crate) fn emptied(&self) -> Self {
        Self::new(&self.data_type).expect("it was made once")
    }

    /// Forgets all values, and keeps their memory for others.
    pub(crate) fn clear(&mut self) {
        match &mut self.store {
            Store::Fixed(store) => store.clear(),
            Store::Wide(store) => store.clear(),
            Store::Bytes(store) => store.clear(),
        }
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.store {
            Store::Fixed(store) => store.heap_bytes(),
            Store::Wide(store) => store.heap_bytes(),
            Store::Bytes(store) => store.heap_bytes(),
        }
    }

    fn nulls(&self) -> &NullBits {
        match &self.store {
            Store::Fixed(store) => &store.nulls,
            Store::Wide(store) => &store.nulls,
            Store::Bytes(store) => &store.nulls,
        }
    }
}

impl KeyStore for KeyColumn {
    type Input<'a> = KeyInput<'a>;

    #[inline]
    fn equals(&self, group: usize, input: &KeyInput<'_>, row: usize) -> bool {
        match (&self.store, input) {
            (Store::Fixed(store), KeyInput::Fixed(input)) => store.equals(group, input, row),
            (Store::Wide(store), KeyInput::Wide(input)) => store.equals(group, input, row),
            (Store::Bytes(store), KeyInput::Bytes(input)) => store.equals(group, input, row),
            _ => unreachable!("input() makes the variant of the store"),
        }
    }

    fn push(&mut self, input: &KeyInput<'_>, row: usize) {
        match (&mut self.store, input) {
            (Store::Fixed(store), KeyInput::Fixed(input)) => store.push(input, row),
            (Store::Wide(store), KeyInput::Wide(input)) => store.push(input, row),
            (Store::Bytes(store), KeyInput::Bytes(input)) => store.push(input, row),
            _ => unreachable!("input() makes the variant of the store"),
        }
    }

    fn compare_rows(
        &self,
        groups: &[u32],
        input: &KeyInput<'_>,
        first: usize,
        are_equal: &mut [bool],
    ) {
        match (&self.store, input) {
            (Store::Fixed(store), KeyInput::Fixed(input)) => {
                store.compare_rows(groups, input, first, are_equal);
            }
            (Store::Wide(store), KeyInput::Wide(input)) => {
                store.compare_rows(groups, input, first, are_equal);
            }
            (Store::Bytes(store), KeyInput::Bytes(input)) => {
                store.compare_rows(groups, input, first, are_equal);
            }
            _ => unreachable!("input() makes the variant of the store"),
        }
    }
}

/// 0.0 for both zeros, one NaN for all.
#[inline]
pub(crate) fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

#[inline]
fn canonical_f32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

fn fixed(canonical: Cow<'_, [u64]>, nulls: Option<NullBuffer>) -> KeyInput<'_> {
    KeyInput::Fixed(FixedInput { canonical, original: None, nulls })
}

/// Values of fewer than eight bytes, sign-extended.
fn narrow<T: ArrowPrimitiveType>(array: &ArrayRef) -> Cow<'_, [u64]>
where
    T::Native: Into<i64>,
{
    let values = array.as_primitive::<T>().values().iter();
    Cow::Owned(values.map(|&v| v.into().cast_unsigned()).collect())
}

/// Values of eight bytes, in place.
fn whole<T: ArrowPrimitiveType>(array: &ArrayRef) -> Cow<'_, [u64]> {
    Cow::Borrowed(array.as_primitive::<T>().values().inner().typed_data::<u64>())
}

fn narrow_back<T: TryFrom<i64>>(bits: u64) -> T {
    let value = T::try_from(bits.cast_signed()).ok();
    value.expect("was sign-extended from this type")
}

fn real_back(bits: u64) -> f32 {
    f32::from_bits(u32::try_from(bits).expect("was widened from 32 bits"))
}

fn pack_interval(value: IntervalMonthDayNano) -> i128 {
    let high = i128::from(value.months) << 96;
    let middle = i128::from(value.days.cast_unsigned()) << 64;
    high | middle | i128::from(value.nanoseconds.cast_unsigned())
}

#[expect(clippy::cast_possible_truncation, reason = "takes apart what pack_interval put together")]
fn unpack_interval(packed: i128) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new((packed >> 96) as i32, (packed >> 64) as i32, packed as i64)
}

fn gather_nulls(nulls: &NullBits, groups: &[u32]) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let valid: NullBuffer = groups.iter().map(|&group| !nulls.is_null(group as usize)).collect();
    Some(valid).filter(|valid| valid.null_count() > 0)
}

fn primitive<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = T::Native>,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.collect(), nulls))
}
