//! Pairs of a group and a value, numbered in order of first appearance, each kept in as little as its type allows.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use smallvec::{SmallVec, smallvec};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use crate::AggregateError;
use crate::intern::{Interner, hash_all};
use crate::keys::fixed::{FixedInput, Word};
use crate::keys::hash;
use crate::keys::{KeyColumn, KeyInput, KeyInputs, take_column};

/// Pairs that are hashed at a time.
const HASHED_PAIRS: usize = 4096;

/// Columns of values.
pub(super) type Values = SmallVec<[ArrayRef; 2]>;

/// Pairs that have been met.
///
/// A distinct text is kept once, however many groups have it, so that a pair is two numbers. Whole numbers stand in the
/// pair. Of floats and intervals, values that are equal may differ in bits, and each group keeps its own: these pairs are
/// columns side by side.
pub(super) struct Pairs {
    types: Vec<DataType>,
    kept: Kept,
}

enum Kept {
    /// All are of group 0: the values themselves.
    OfOne(Interner),
    /// The group above the value; the column has the type of values, and none of them.
    Packed(Interner, KeyColumn),
    /// The group above the number of the value, and values by number.
    Numbered(Interner, Interner),
    /// The group, then the columns of values.
    Columns(Interner),
}

/// What takes the value's place in a packed pair where that is NULL.
const NULL: i128 = 1 << 96;

/// What a column of values is called in an image.
fn value_name(at: usize) -> String {
    format!("value {at}")
}

fn packed(group: u32, value: Option<u64>) -> i128 {
    i128::from(group) << 64 | value.map_or(NULL, i128::from)
}

#[expect(clippy::cast_possible_truncation, reason = "takes apart what packed put together")]
#[expect(clippy::cast_sign_loss, reason = "a pair is not negative")]
fn unpacked(pair: i128) -> (u32, Option<u64>) {
    ((pair >> 64) as u32, (pair & NULL == 0).then_some(pair as u64))
}

fn numbered(group: u32, number: u32) -> u64 {
    u64::from(group) << 32 | u64::from(number)
}

#[expect(clippy::cast_possible_truncation, reason = "takes apart what numbered put together")]
fn halves(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// Looks keys up that are numbers, none of them NULL.
fn intern_words<'k, W: Word>(
    pairs: &mut Interner,
    keys: &'k [W],
    as_input: fn(FixedInput<'k, W>) -> KeyInput<'k>,
    indices: &mut Vec<u32>,
) -> Result<(), AggregateError> {
    let input = FixedInput { canonical: Cow::Borrowed(keys), original: None, nulls: None };
    let inputs: KeyInputs<'k> = smallvec![as_input(input)];
    pairs.intern_inputs(&inputs, keys.len(), indices)
}

fn interner(types: &[&DataType]) -> Interner {
    Interner::new(types.iter().copied()).expect("its types were supported before")
}

impl Pairs {
    /// None yet; `None` for values of type `ARRAY`.
    pub(super) fn new(types: &[&DataType]) -> Option<Self> {
        let values = Interner::new(types.iter().copied())?;
        let types = types.iter().map(|&data_type| data_type.clone()).collect();
        Some(Self { types, kept: Kept::OfOne(values) })
    }

    /// None, of the same types.
    pub(super) fn emptied(&self) -> Self {
        let types: Vec<&DataType> = self.types.iter().collect();
        Self::new(&types).expect("it was made once")
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match &self.kept {
            Kept::OfOne(pairs)
            | Kept::Packed(pairs, _)
            | Kept::Numbered(pairs, _)
            | Kept::Columns(pairs) => pairs.group_count(),
        }
    }

    /// Makes room for groups beside the first, where one of these is another.
    fn split_for(&mut self, groups: &[u32]) -> Result<(), AggregateError> {
        if !matches!(self.kept, Kept::OfOne(_)) || groups.iter().all(|&group| group == 0) {
            return Ok(());
        }
        let Kept::OfOne(values) = std::mem::replace(&mut self.kept, Kept::OfOne(interner(&[])))
        else {
            return Ok(());
        };
        let count = values.group_count();
        let differ_in_bits = |data_type: &DataType| {
            matches!(data_type, DataType::Real | DataType::Double | DataType::Interval)
        };
        let mut indices = Vec::new();
        self.kept = if let [column] = values.columns()
            && column.is_whole()
        {
            let mut pairs = interner(&[&DataType::Decimal { precision: 38, scale: 0 }]);
            let keys: Vec<i128> = (0..count).map(|at| packed(0, column.whole_bits(at))).collect();
            intern_words(&mut pairs, &keys, KeyInput::Wide, &mut indices)?;
            Kept::Packed(pairs, column.emptied())
        } else if self.types.iter().any(differ_in_bits) {
            let types: Vec<&DataType> =
                std::iter::once(&DataType::BigInt).chain(&self.types).collect();
            let mut pairs = interner(&types);
            let zeros = vec![0; count];
            let zeros: FixedInput<'_, u64> =
                FixedInput { canonical: Cow::Borrowed(&zeros), original: None, nulls: None };
            let mut inputs: KeyInputs<'_> = smallvec![KeyInput::Fixed(zeros)];
            inputs.extend(values.columns().iter().map(|column| column.own_input(0..count)));
            pairs.intern_inputs(&inputs, count, &mut indices)?;
            Kept::Columns(pairs)
        } else {
            let mut pairs = interner(&[&DataType::BigInt]);
            let keys: Vec<u64> = (0..).take(count).collect();
            intern_words(&mut pairs, &keys, KeyInput::Fixed, &mut indices)?;
            Kept::Numbered(pairs, values)
        };
        Ok(())
    }

    /// Finds or makes the pair of each row; replaces `indices`.
    pub(super) fn intern(
        &mut self,
        groups: &[u32],
        values: &[&ArrayRef],
        indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        self.split_for(groups)?;
        match &mut self.kept {
            Kept::OfOne(pairs) => pairs.intern(values, groups.len(), indices),
            Kept::Packed(pairs, column) => {
                let KeyInput::Fixed(input) = column.input(values[0]) else {
                    unreachable!("only whole numbers are packed");
                };
                let rows = groups.iter().zip(&*input.canonical);
                let keys: Vec<i128> = match &input.nulls {
                    None => rows.map(|(&group, &bits)| packed(group, Some(bits))).collect(),
                    Some(nulls) => rows
                        .zip(nulls.iter())
                        .map(|((&group, &bits), is_valid)| packed(group, is_valid.then_some(bits)))
                        .collect(),
                };
                intern_words(pairs, &keys, KeyInput::Wide, indices)
            }
            Kept::Numbered(pairs, known) => {
                known.intern(values, groups.len(), indices)?;
                let rows = groups.iter().zip(&*indices);
                let keys: Vec<u64> = rows.map(|(&group, &at)| numbered(group, at)).collect();
                intern_words(pairs, &keys, KeyInput::Fixed, indices)
            }
            Kept::Columns(pairs) => {
                let groups: Int64Array = groups.iter().map(|&group| i64::from(group)).collect();
                let groups: ArrayRef = Arc::new(groups);
                let columns: SmallVec<[&ArrayRef; 3]> =
                    std::iter::once(&groups).chain(values.iter().copied()).collect();
                pairs.intern(&columns, groups.len(), indices)
            }
        }
    }

    /// Finds or makes pairs of the values of another table's pairs with the group beside each; replaces `indices`.
    /// `numbers` is empty at first, and goes along with `later`.
    pub(super) fn intern_of(
        &mut self,
        later: &Self,
        there: &[u32],
        groups: &[u32],
        numbers: &mut Vec<u32>,
        indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        self.split_for(groups)?;
        match &mut self.kept {
            Kept::Packed(pairs, _) => {
                let rows = there.iter().zip(groups);
                let keys: Vec<i128> = rows
                    .map(|(&pair, &group)| packed(group, later.whole_bits(pair as usize)))
                    .collect();
                intern_words(pairs, &keys, KeyInput::Wide, indices)
            }
            Kept::Numbered(pairs, known) => {
                let there: Vec<u32> = there.iter().map(|&pair| later.number_of(pair)).collect();
                let values = match &later.kept {
                    Kept::OfOne(values) | Kept::Numbered(_, values) => values,
                    _ => unreachable!("both are of one type"),
                };
                number(known, values, &there, numbers, indices)?;
                let rows = groups.iter().zip(&there);
                let keys: Vec<u64> =
                    rows.map(|(&group, &at)| numbered(group, numbers[at as usize] - 1)).collect();
                intern_words(pairs, &keys, KeyInput::Fixed, indices)
            }
            Kept::OfOne(_) | Kept::Columns(_) => {
                let values = later.gather(there);
                let values: SmallVec<[&ArrayRef; 2]> = values.iter().collect();
                self.intern(groups, &values, indices)
            }
        }
    }

    /// The same with values of own pairs.
    pub(super) fn intern_own(
        &mut self,
        there: &[u32],
        groups: &[u32],
        indices: &mut Vec<u32>,
    ) -> Result<(), AggregateError> {
        self.split_for(groups)?;
        let rows = there.iter().zip(groups);
        match &mut self.kept {
            Kept::Packed(pairs, _) => {
                let column = &pairs.columns()[0];
                let bits = |pair: u32| unpacked(column.wide(pair as usize)).1;
                let keys: Vec<i128> =
                    rows.map(|(&pair, &group)| packed(group, bits(pair))).collect();
                intern_words(pairs, &keys, KeyInput::Wide, indices)
            }
            Kept::Numbered(pairs, _) => {
                let column = &pairs.columns()[0];
                let number = |pair: u32| halves(column.word(pair as usize)).1;
                let keys: Vec<u64> =
                    rows.map(|(&pair, &group)| numbered(group, number(pair))).collect();
                intern_words(pairs, &keys, KeyInput::Fixed, indices)
            }
            Kept::OfOne(_) | Kept::Columns(_) => {
                let values = self.gather(there);
                let values: SmallVec<[&ArrayRef; 2]> = values.iter().collect();
                self.intern(groups, &values, indices)
            }
        }
    }

    /// The number of a pair's value, where values are numbered.
    fn number_of(&self, pair: u32) -> u32 {
        match &self.kept {
            Kept::Numbered(pairs, _) => halves(pairs.columns()[0].word(pair as usize)).1,
            _ => pair,
        }
    }

    /// A pair's value, which is a whole number; `None` for NULL.
    fn whole_bits(&self, pair: usize) -> Option<u64> {
        match &self.kept {
            Kept::OfOne(values) => values.columns()[0].whole_bits(pair),
            Kept::Packed(pairs, _) => unpacked(pairs.columns()[0].wide(pair)).1,
            _ => unreachable!("both are of one type"),
        }
    }

    /// The values of these pairs, column by column.
    pub(super) fn gather(&self, pairs: &[u32]) -> Values {
        match &self.kept {
            Kept::OfOne(values) => {
                values.columns().iter().map(|column| column.gather(pairs)).collect()
            }
            Kept::Packed(_, column) => {
                let values = pairs.iter().map(|&pair| self.whole_bits(pair as usize));
                smallvec![column.array_of_whole(values)]
            }
            Kept::Numbered(_, values) => {
                let numbers: Vec<u32> = pairs.iter().map(|&pair| self.number_of(pair)).collect();
                values.columns().iter().map(|column| column.gather(&numbers)).collect()
            }
            Kept::Columns(all) => {
                all.columns()[1..].iter().map(|column| column.gather(pairs)).collect()
            }
        }
    }

    /// Whether pairs are found by hash.
    pub(super) fn is_hashed(&self) -> bool {
        match &self.kept {
            Kept::OfOne(pairs) => pairs.is_hashed(),
            Kept::Packed(..) | Kept::Numbered(..) | Kept::Columns(_) => true,
        }
    }

    fn columns(&self) -> SmallVec<[KeyColumn; 2]> {
        self.types.iter().filter_map(KeyColumn::new).collect()
    }

    /// Replaces `hashes` by those of values, as [`Self::each_hash`] gives them.
    pub(super) fn hash_values(
        &self,
        values: &[&ArrayRef],
        row_count: usize,
        hashes: &mut Vec<u64>,
    ) {
        let columns = self.columns();
        let inputs = columns.iter().zip(values).map(|(column, values)| column.input(values));
        hash_all(&inputs.collect(), &hash::FIXED, row_count, hashes);
    }

    /// Hash of each pair's value, in order: equal values have equal hashes, however they are kept.
    pub(super) fn each_hash(&self, each: &mut dyn FnMut(u64)) {
        if let Kept::OfOne(values) = &self.kept {
            return values.each_hash(&hash::FIXED, each);
        }
        let columns = self.columns();
        let all: Vec<u32> = (0..).take(self.len()).collect();
        let mut hashes = Vec::new();
        for pairs in all.chunks(HASHED_PAIRS) {
            let values = self.gather(pairs);
            let inputs = columns.iter().zip(&values).map(|(column, values)| column.input(values));
            hash_all(&inputs.collect(), &hash::FIXED, pairs.len(), &mut hashes);
            hashes.iter().for_each(|&hash| each(hash));
        }
    }

    /// Puts the values of these pairs, in this order.
    pub(super) fn export(&self, pairs: &[u32], image: &mut Image) {
        for (at, (values, data_type)) in self.gather(pairs).iter().zip(&self.types).enumerate() {
            image.put_array(&value_name(at), values, data_type);
        }
    }

    /// Takes the values of so many pairs that were put.
    ///
    /// # Errors
    /// [`ImageError`]
    pub(super) fn take_values(
        &self,
        image: &mut Image,
        pair_count: usize,
    ) -> Result<Values, ImageError> {
        let types = self.types.iter().enumerate();
        types
            .map(|(at, data_type)| take_column(image, &value_name(at), data_type, pair_count))
            .collect()
    }

    /// The groups of these pairs.
    pub(super) fn groups_of(&self, pairs: &[u32]) -> Vec<u32> {
        match &self.kept {
            Kept::OfOne(_) => vec![0; pairs.len()],
            Kept::Packed(all, _) => {
                let column = &all.columns()[0];
                pairs.iter().map(|&pair| unpacked(column.wide(pair as usize)).0).collect()
            }
            Kept::Numbered(all, _) => {
                let column = &all.columns()[0];
                pairs.iter().map(|&pair| halves(column.word(pair as usize)).0).collect()
            }
            Kept::Columns(all) => {
                let groups = all.columns()[0].gather(pairs);
                let groups = groups.as_primitive::<Int64Type>().values().iter();
                groups.map(|&group| u32::try_from(group).expect("a group index")).collect()
            }
        }
    }

    /// The order of the values of two pairs, of a single column: as [`KeyColumn::compare`].
    pub(super) fn compare(&self, left: u32, right: u32) -> Ordering {
        match &self.kept {
            Kept::OfOne(values) => values.columns()[0].compare(left as usize, right as usize),
            Kept::Packed(..) => {
                let of = |pair: u32| self.whole_bits(pair as usize).map(u64::cast_signed);
                let (left, right) = (of(left), of(right));
                (left.is_none(), left).cmp(&(right.is_none(), right))
            }
            Kept::Numbered(_, values) => {
                let (left, right) = (self.number_of(left), self.number_of(right));
                values.columns()[0].compare(left as usize, right as usize)
            }
            Kept::Columns(all) => all.columns()[1].compare(left as usize, right as usize),
        }
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.kept {
            Kept::OfOne(pairs) | Kept::Packed(pairs, _) | Kept::Columns(pairs) => {
                pairs.heap_bytes()
            }
            Kept::Numbered(pairs, values) => pairs.heap_bytes() + values.heap_bytes(),
        }
    }
}

/// Makes sure that for each of some numbers of values `there` the number here, and one, is in `numbers`. Each distinct
/// value is looked up once.
fn number(
    known: &mut Interner,
    values: &Interner,
    there: &[u32],
    numbers: &mut Vec<u32>,
    indices: &mut Vec<u32>,
) -> Result<(), AggregateError> {
    numbers.resize(values.group_count(), 0);
    let mut wanted: Vec<u32> = Vec::new();
    for &at in there {
        if numbers[at as usize] == 0 {
            numbers[at as usize] = 1;
            wanted.push(at);
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let columns: Values = values.columns().iter().map(|column| column.gather(&wanted)).collect();
    known.intern(&columns.iter().collect::<SmallVec<[_; 2]>>(), wanted.len(), indices)?;
    for (&at, &here) in wanted.iter().zip(&*indices) {
        numbers[at as usize] = here + 1;
    }
    Ok(())
}
