//! Arrays: made of texts and of values, their elements, and what is in them.
//!
//! Places count from 1, and from the end if they are negative. NULL is an element like any other, but equal
//! to nothing.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, UInt32Array, UInt64Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::{Field, SortOptions};
use arrow_select::concat::concat;
use arrow_select::take::take;
use tidemill_plan::{BinaryOp, Function};
use tidemill_record::DataType;

use super::lift::push;
use super::{Compiled, Problem};
use crate::cast;
use crate::comparison::comparison;
use crate::node::{Kernel, Node};
use crate::text_output::written;
use crate::value::{Failure, Value, integer_lane, text_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let given = arguments[0].data_type();
    if function == Function::ArrayValue {
        return Ok((of_values(), DataType::Array(Box::new(given.clone()))));
    }
    if function == Function::StringSplit {
        let kernel = texts(|text, separator, push| {
            if text.is_empty() {
                return push("");
            }
            if !separator.is_empty() {
                return text.split(separator).for_each(push);
            }
            let mut letter = [0; 4];
            text.chars().for_each(|c| push(c.encode_utf8(&mut letter)));
        });
        return Ok((kernel, texts_type()));
    }
    let DataType::Array(item) = given else { return Err(Problem::Types) };
    match function {
        Function::ArrayLength => Ok((length(), DataType::BigInt)),
        Function::ArrayElement => Ok((element(), (**item).clone())),
        Function::ArraySlice => Ok((reordered(slice), given.clone())),
        Function::ArrayReverse => {
            Ok((reordered(|_, range, _| Ok(range.rev().collect())), given.clone()))
        }
        Function::ArraySort => Ok((reordered(sorted), given.clone())),
        Function::ArrayJoin => Ok((join(item)?, DataType::Varchar)),
        Function::ArrayContains | Function::ArrayPosition => {
            if arguments[1].data_type() != &**item {
                return Err(Problem::Types);
            }
            let places = place(item)?;
            if function == Function::ArrayPosition {
                return Ok((places, DataType::BigInt));
            }
            let kernel = Kernel::total(move |v, rows| {
                let places = places.run(v, rows)?;
                let places = places.as_primitive::<arrow_array::types::Int64Type>();
                let given = v[0].array();
                let valid = |row| {
                    given.is_valid(v[0].index_of(row)) && v[1].array().is_valid(v[1].index_of(row))
                };
                let found = (0..rows).map(|row| valid(row).then(|| places.is_valid(row)));
                Ok(Arc::new(found.collect::<BooleanArray>()))
            });
            Ok((kernel, DataType::Boolean))
        }
        _ => Err(Problem::Types),
    }
}

/// Arrays of text.
pub(super) fn texts_type() -> DataType {
    DataType::Array(Box::new(DataType::Varchar))
}

/// Makes arrays of the texts that `split` hands on, of a text and another argument.
pub(super) fn texts(
    split: impl Fn(&str, &str, &mut dyn FnMut(&str)) + Send + Sync + 'static,
) -> Kernel {
    Kernel::partial(move |v, rows| {
        let (texts, others) = (text_lane(&v[0]), text_lane(&v[1]));
        try_texts(rows, |row, push| {
            let (Some(text), Some(other)) = (texts.get(row), others.get(row)) else {
                return Ok(false);
            };
            split(text, other, push);
            Ok(true)
        })
    })
}

/// Bytes that the arrays of several rows may take, and those of one: a text of 16 MiB may be cut into as many
/// letters, each with 16 bytes that say where it is.
const ROWS_BYTES_MAX: usize = 16 << 20;
const ROW_BYTES_MAX: usize = 64 << 20;

/// Makes an array of texts for each row; `fill` says whether there is one.
///
/// # Errors
/// [`Failure::Large`] where several rows make more than [`ROWS_BYTES_MAX`] together, and the failure of a row that
/// makes more than [`ROW_BYTES_MAX`].
pub(super) fn try_texts(
    rows: usize,
    mut fill: impl FnMut(usize, &mut dyn FnMut(&str)) -> Result<bool, Failure>,
) -> Result<ArrayRef, Failure> {
    let mut items = StringViewBuilder::new();
    let mut lens = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    let mut byte_count = 0_usize;
    for row in 0..rows {
        let (mut count, mut row_bytes) = (0, 0_usize);
        let is_there = fill(row, &mut |text| {
            row_bytes += size_of::<u128>() + if text.len() > 12 { text.len() } else { 0 };
            if row_bytes <= ROW_BYTES_MAX {
                items.append_value(text);
                count += 1;
            }
        })?;
        if row_bytes > ROW_BYTES_MAX {
            return Err(Failure::row("array larger than 64 MiB"));
        }
        byte_count += row_bytes;
        if byte_count > ROWS_BYTES_MAX && rows > 1 {
            return Err(Failure::Large);
        }
        valid.push(is_there);
        lens.push(count);
    }
    Ok(list(Arc::new(items.finish()), lens, valid.into()))
}

fn list(items: ArrayRef, lens: Vec<usize>, valid: NullBuffer) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let nulls = Some(valid).filter(|valid| valid.null_count() > 0);
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lens), items, nulls))
}

/// The lists of a value by row.
struct Lists<'a> {
    value: &'a Value,
    lists: &'a ListArray,
}

impl<'a> Lists<'a> {
    fn new(value: &'a Value) -> Self {
        Self { value, lists: value.array().as_list() }
    }

    /// Where the elements of a row stand among [`Self::items`]; `None` for NULL.
    fn range(&self, row: usize) -> Option<Range<usize>> {
        let index = self.value.index_of(row);
        let offsets = self.lists.value_offsets();
        let place = |at: usize| usize::try_from(offsets[at]).expect("offsets are not negative");
        self.lists.is_valid(index).then(|| place(index)..place(index + 1))
    }

    fn items(&self) -> &'a ArrayRef {
        self.lists.values()
    }
}

/// The place of an element, which may be counted from the end; `None` where there is none.
fn place_of(range: &Range<usize>, index: i64) -> Option<usize> {
    let count = i64::try_from(range.len()).ok()?;
    let from_front = if index < 0 { index.checked_add(count)? } else { index.checked_sub(1)? };
    let offset = usize::try_from(from_front).ok()?;
    (offset < range.len()).then(|| range.start + offset)
}

fn length() -> Kernel {
    Kernel::total(|v, rows| {
        let lists = Lists::new(&v[0]);
        let count = |row| i64::try_from(lists.range(row)?.len()).ok();
        Ok(Arc::new((0..rows).map(count).collect::<Int64Array>()))
    })
}

fn element() -> Kernel {
    Kernel::total(|v, rows| {
        let (lists, indices) = (Lists::new(&v[0]), integer_lane(&v[1]));
        let place = |row| {
            let place = place_of(&lists.range(row)?, indices.get(row)?)?;
            u64::try_from(place).ok()
        };
        let places: UInt64Array = (0..rows).map(place).collect();
        Ok(take(lists.items(), &places, None)?)
    })
}

/// The elements of a row in another order, or some of them: places among all items.
type Reorder = fn(&[Value], Range<usize>, usize) -> Result<Vec<usize>, Failure>;

fn reordered(reorder: Reorder) -> Kernel {
    Kernel::total(move |v, rows| {
        let lists = Lists::new(&v[0]);
        let (mut places, mut lens) = (Vec::new(), Vec::with_capacity(rows));
        let mut valid = Vec::with_capacity(rows);
        for row in 0..rows {
            let is_null = v[1..].iter().any(|value| value.array().is_null(value.index_of(row)));
            let range = lists.range(row).filter(|_| !is_null);
            valid.push(range.is_some());
            let of_row = range.map_or(Ok(Vec::new()), |range| reorder(v, range, row))?;
            lens.push(of_row.len());
            places.extend(of_row);
        }
        let places = places.into_iter().map(|place| u64::try_from(place).unwrap_or(u64::MAX));
        let items = take(lists.items(), &UInt64Array::from_iter_values(places), None)?;
        Ok(list(items, lens, valid.into()))
    })
}

/// From the first place to the last, both included; what lies outside is left out.
fn slice(values: &[Value], range: Range<usize>, row: usize) -> Result<Vec<usize>, Failure> {
    let count = i64::try_from(range.len()).unwrap_or(i64::MAX);
    let end = |at: usize, otherwise: i64| {
        let place = integer_lane(&values[at]).get(row).unwrap_or(otherwise);
        if place < 0 { place.saturating_add(count).saturating_add(1) } else { place }
    };
    let (first, last) = (end(1, 1).max(1), end(2, count).min(count));
    let kept = (first..=last).map(|place| range.start + usize::try_from(place - 1).unwrap_or(0));
    Ok(kept.collect())
}

/// Ascending, NULLs last.
fn sorted(values: &[Value], range: Range<usize>, _: usize) -> Result<Vec<usize>, Failure> {
    let items = Lists::new(&values[0]).items();
    let options = SortOptions { descending: false, nulls_first: false };
    let compare = make_comparator(items, items, options)?;
    let mut places: Vec<usize> = range.collect();
    places.sort_by(|a, b| compare(*a, *b));
    Ok(places)
}

/// The place of the first element that equals the second argument; NULL where there is none.
fn place(item: &DataType) -> Result<Kernel, Problem> {
    let equal = comparison(BinaryOp::Equal, item).ok_or(Problem::Types)?;
    Ok(Kernel::total(move |v, rows| {
        let lists = Lists::new(&v[0]);
        let needles = v[1].clone().into_array(rows)?;
        // Each element beside the needle of its row.
        let (mut places, mut needle_rows, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            for place in lists.range(row).unwrap_or(0..0) {
                places.push(u64::try_from(place).unwrap_or(u64::MAX));
                needle_rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
            ends.push(places.len());
        }
        let items = take(lists.items(), &UInt64Array::from(places), None)?;
        let needles = take(&needles, &UInt32Array::from(needle_rows), None)?;
        let pairs = [Value::column(items), Value::column(needles)];
        let same = equal.run(&pairs, pairs[0].array().len())?;
        let same = same.as_boolean();
        let mut start = 0;
        let found = ends.into_iter().map(|end| {
            let place = (start..end).position(|at| same.is_valid(at) && same.value(at));
            start = end;
            place.and_then(|place| i64::try_from(place + 1).ok())
        });
        Ok(Arc::new(found.collect::<Int64Array>()))
    }))
}

/// The elements as text with the second argument between; NULLs are left out, and of NULLs alone it is NULL.
fn join(item: &DataType) -> Result<Kernel, Problem> {
    let shown = match item {
        DataType::Varchar => None,
        other => Some(cast::kernel(other, &DataType::Varchar, false).ok_or(Problem::Types)?),
    };
    Ok(Kernel::partial(move |v, rows| {
        let (lists, separators) = (Lists::new(&v[0]), text_lane(&v[1]));
        let items = match &shown {
            None => lists.items().clone(),
            Some(cast) => cast.run(&[Value::column(lists.items().clone())], lists.items().len())?,
        };
        let items = items.as_string_view();
        written(v, rows, |row, out| {
            let (Some(range), Some(separator)) = (lists.range(row), separators.get(row)) else {
                return Ok(false);
            };
            let (is_empty, mut count) = (range.is_empty(), 0);
            for place in range.filter(|place| items.is_valid(*place)) {
                if count > 0 {
                    push(out, separator)?;
                }
                push(out, items.value(place))?;
                count += 1;
            }
            Ok(is_empty || count > 0)
        })
    }))
}

/// An array of all arguments, NULLs included.
fn of_values() -> Kernel {
    Kernel::total(|v, rows| {
        let columns: Vec<ArrayRef> =
            v.iter().map(|value| value.clone().into_array(rows)).collect::<Result<_, _>>()?;
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let all = concat(&columns)?;
        let places = (0..rows).flat_map(|row| (0..v.len()).map(move |at| at * rows + row));
        let places = places.map(|place| u64::try_from(place).unwrap_or(u64::MAX));
        let items = take(&all, &UInt64Array::from_iter_values(places), None)?;
        Ok(list(items, vec![v.len(); rows], NullBuffer::new_valid(rows)))
    })
}
