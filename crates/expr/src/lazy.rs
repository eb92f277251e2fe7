//! Operations that evaluate some operands on some rows only: `AND`, `OR`, `CASE`, `COALESCE`.
//!
//! Skipping rows matters only where evaluating them could fail. An operand that cannot fail is
//! evaluated on all rows and combined by a kernel; one that can is evaluated on the rows that need
//! it, cut out of the columns it reads.

use arrow_arith::boolean::{and_kleene, is_not_null, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_select::filter::prep_null_mask_filter;
use arrow_select::interleave::interleave;
use arrow_select::zip::zip;
use tidemill_record::recycled::Rows::Among;
use tidemill_record::recycled::pick;

use crate::node::Node;
use crate::value::{Failure, Rows, Value};

/// An operation that chooses which rows evaluate which operand.
pub(crate) enum Lazy {
    /// Kleene conjunction.
    And(Vec<Node>),
    /// Kleene disjunction.
    Or(Vec<Node>),
    /// The result of the first branch whose condition is TRUE, else `otherwise`.
    Case { branches: Vec<(Node, Node)>, otherwise: Box<Node> },
    /// The first operand that is not NULL; at least one operand.
    Coalesce(Vec<Node>),
}

impl Lazy {
    /// Every operand.
    pub(crate) fn operands(&self) -> Vec<&Node> {
        match self {
            Self::And(nodes) | Self::Or(nodes) | Self::Coalesce(nodes) => nodes.iter().collect(),
            Self::Case { branches, otherwise } => {
                branches.iter().flat_map(|(c, r)| [c, r]).chain([otherwise.as_ref()]).collect()
            }
        }
    }

    /// Evaluates over rows.
    pub(crate) fn evaluate(&self, rows: &Rows<'_>) -> Result<Value, Failure> {
        let array = match self {
            Self::And(terms) => connect(terms, rows, false)?,
            Self::Or(terms) => connect(terms, rows, true)?,
            Self::Case { branches, otherwise } => case(branches, otherwise, rows)?,
            Self::Coalesce(operands) => coalesce(operands, rows)?,
        };
        Ok(Value::column(array))
    }
}

/// Conjunction where `decisive` is FALSE, disjunction where it is TRUE: a row that a term gives the
/// decisive value needs no further term.
fn connect(terms: &[Node], rows: &Rows<'_>, decisive: bool) -> Result<ArrayRef, Failure> {
    let combine = if decisive { or_kleene } else { and_kleene };
    let row_count = rows.row_count();
    let Some((first, rest)) = terms.split_first() else {
        return Ok(std::sync::Arc::new(BooleanArray::from(vec![!decisive; row_count])));
    };
    let mut result = truth(first, rows)?;
    for term in rest {
        if !term.is_fallible() {
            result = combine(&result, &truth(term, rows)?)?;
            continue;
        }
        let needed = undecided(&result, decisive);
        let needed_count = needed.true_count();
        if needed_count == row_count {
            result = combine(&result, &truth(term, rows)?)?;
        } else if needed_count > 0 {
            let partial = truth(term, &rows.select(&needed, term.columns())?)?;
            result = combine(&result, &scatter(&needed, &partial, decisive))?;
        }
    }
    Ok(std::sync::Arc::new(result))
}

/// A truth value for each row.
fn truth(node: &Node, rows: &Rows<'_>) -> Result<BooleanArray, Failure> {
    let array = node.evaluate(rows)?.into_array(rows.row_count())?;
    Ok(array.as_boolean().clone())
}

/// The rows that do not have the decisive value: the other one, or NULL.
fn undecided(result: &BooleanArray, decisive: bool) -> BooleanArray {
    let open = if decisive { !result.values() } else { result.values().clone() };
    let open = match result.nulls() {
        None => open,
        Some(nulls) => &open | &!nulls.inner(),
    };
    BooleanArray::new(open, None)
}

/// Spreads values of the rows in `mask` over all rows; the others get `filler`.
fn scatter(mask: &BooleanArray, values: &BooleanArray, filler: bool) -> BooleanArray {
    let mut at = 0;
    let spread = mask.values().iter().map(|is_set| {
        if !is_set {
            return Some(filler);
        }
        at += 1;
        values.is_valid(at - 1).then(|| values.value(at - 1))
    });
    spread.collect()
}

/// The rows for which a condition is TRUE, without NULLs.
fn is_true(condition: &BooleanArray) -> BooleanArray {
    if condition.null_count() > 0 { prep_null_mask_filter(condition) } else { condition.clone() }
}

fn case(branches: &[(Node, Node)], otherwise: &Node, rows: &Rows<'_>) -> Result<ArrayRef, Failure> {
    let is_fallible =
        |(condition, result): &(Node, Node)| condition.is_fallible() || result.is_fallible();
    if branches.iter().any(is_fallible) || otherwise.is_fallible() {
        return case_by_rows(branches, otherwise, rows);
    }
    let row_count = rows.row_count();
    // The values that some row needs, and which of them each row has.
    let mut values: Vec<Value> = Vec::with_capacity(branches.len() + 1);
    let mut places = vec![(0, 0); row_count];
    let mut open = BooleanBuffer::new_set(row_count);
    let mut settle = |value: Value, on: &BooleanBuffer| {
        let at = values.len();
        on.set_indices().for_each(|row| places[row] = (at, value.index_of(row)));
        values.push(value);
    };
    for (condition, value) in branches {
        let taken = &open & is_true(&truth(condition, rows)?).values();
        if taken.count_set_bits() > 0 {
            settle(value.evaluate(rows)?, &taken);
            open = &open & &!&taken;
        }
    }
    if open.count_set_bits() > 0 {
        settle(otherwise.evaluate(rows)?, &open);
    }
    let Some(first) = values.first() else {
        return otherwise.evaluate(rows)?.into_array(row_count);
    };
    if values.len() == 1 {
        return first.clone().into_array(row_count);
    }
    let arrays: Vec<&dyn Array> = values.iter().map(|value| &**value.array()).collect();
    match pick(&arrays, Among(&places)) {
        Some(picked) => Ok(picked),
        None => Ok(interleave(&arrays, &places)?),
    }
}

fn coalesce(operands: &[Node], rows: &Rows<'_>) -> Result<ArrayRef, Failure> {
    let (last, earlier) = operands.split_last().expect("COALESCE has at least one operand");
    if operands.iter().any(Node::is_fallible) {
        return coalesce_by_rows(operands, rows);
    }
    let mut result = last.evaluate(rows)?;
    for operand in earlier.iter().rev() {
        let value = operand.evaluate(rows)?;
        let array = value.clone().into_array(rows.row_count())?;
        let mask = is_not_null(&array)?;
        result = choose(&mask, &value, &result)?;
    }
    result.into_array(rows.row_count())
}

/// `truthy` where the mask is set, else `falsy`.
fn choose(mask: &BooleanArray, truthy: &Value, falsy: &Value) -> Result<Value, Failure> {
    Ok(Value::column(zip(mask, truthy, falsy)?))
}

/// Where each row's value comes from, while rows are settled one operand after the other.
struct Settling<'a> {
    rows: &'a Rows<'a>,
    /// The evaluated operands.
    sources: Vec<ArrayRef>,
    /// For each row the source and the index in it.
    places: Vec<(usize, usize)>,
    /// The rows that are not settled.
    open: Vec<usize>,
}

impl<'a> Settling<'a> {
    fn new(rows: &'a Rows<'a>) -> Self {
        let row_count = rows.row_count();
        let (sources, places) = (Vec::new(), vec![(0, 0); row_count]);
        Self { rows, sources, places, open: (0..row_count).collect() }
    }

    /// Evaluates an operand on these rows only (ascending, at least one).
    fn evaluate(&self, node: &Node, on: &[usize]) -> Result<Value, Failure> {
        if on.len() == self.rows.row_count() || !node.is_fallible() && node.columns().is_empty() {
            return node.evaluate(self.rows);
        }
        let mut is_wanted = vec![false; self.rows.row_count()];
        for &row in on {
            is_wanted[row] = true;
        }
        let mask = BooleanArray::new(BooleanBuffer::from(is_wanted), None);
        node.evaluate(&self.rows.select(&mask, node.columns())?)
    }

    /// Settles rows with the values an operand has for them; `indices` are those in `value`.
    fn settle(&mut self, value: &Value, on: impl Iterator<Item = (usize, usize)>) {
        let source = self.sources.len();
        self.sources.push(value.array().clone());
        for (row, index) in on {
            self.places[row] = (source, value.index_of(index));
        }
    }

    fn finish(self) -> Result<ArrayRef, Failure> {
        let sources: Vec<&dyn Array> = self.sources.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&sources, &self.places)?)
    }
}

/// `CASE` where a condition or result may fail.
fn case_by_rows(
    branches: &[(Node, Node)],
    otherwise: &Node,
    rows: &Rows<'_>,
) -> Result<ArrayRef, Failure> {
    let mut settling = Settling::new(rows);
    for (condition, result) in branches {
        if settling.open.is_empty() {
            break;
        }
        let open = std::mem::take(&mut settling.open);
        let condition = settling.evaluate(condition, &open)?.into_array(open.len())?;
        let condition = condition.as_boolean();
        let holds = |index: usize| condition.is_valid(index) && condition.value(index);
        let mut taken = Vec::new();
        for (index, row) in open.into_iter().enumerate() {
            if holds(index) { taken.push(row) } else { settling.open.push(row) }
        }
        if !taken.is_empty() {
            let value = settling.evaluate(result, &taken)?;
            settling.settle(&value, taken.into_iter().enumerate().map(|(i, row)| (row, i)));
        }
    }
    if !settling.open.is_empty() {
        let open = std::mem::take(&mut settling.open);
        let value = settling.evaluate(otherwise, &open)?;
        settling.settle(&value, open.into_iter().enumerate().map(|(i, row)| (row, i)));
    }
    settling.finish()
}

/// `COALESCE` where an operand may fail.
fn coalesce_by_rows(operands: &[Node], rows: &Rows<'_>) -> Result<ArrayRef, Failure> {
    let mut settling = Settling::new(rows);
    for (at, operand) in operands.iter().enumerate() {
        if settling.open.is_empty() {
            break;
        }
        let open = std::mem::take(&mut settling.open);
        let value = settling.evaluate(operand, &open)?;
        let is_last = at + 1 == operands.len();
        let mut settled = Vec::new();
        for (index, row) in open.into_iter().enumerate() {
            if is_last || value.array().is_valid(value.index_of(index)) {
                settled.push((row, index));
            } else {
                settling.open.push(row);
            }
        }
        settling.settle(&value, settled.into_iter());
    }
    settling.finish()
}
