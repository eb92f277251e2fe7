//! The values of a group of which one place, or two beside each other, are asked for.
//!
//! A group that is asked once has its values in order of arrival. One that is asked again and again
//! (`EMIT CHANGES`) has them in two heaps, of those up to the place that is asked for and those beyond, so
//! that a value costs its way through a heap and not a look at all of them. What is found depends on which
//! values there are, and not on their order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use crate::state::{AsColumns, allocated, put_counts, reserve_outside, take_counts};

/// A value that is kept: no two that compare equal differ in anything.
pub(crate) trait Value: AsColumns + Ord + Clone {
    /// Bytes that it holds outside of itself.
    fn outside_bytes(&self) -> usize {
        0
    }
}

/// Of how many values, how many are up to the place that is asked for; at least one, unless there are
/// none. Never less for more values.
pub(crate) trait Place {
    fn low_count(&self, count: usize) -> usize;
}

/// The values of a group.
#[derive(Clone)]
pub(crate) struct Kept<V> {
    values: Values<V>,
    /// What the values hold outside of themselves.
    outside_bytes: usize,
}

#[derive(Clone)]
enum Values<V> {
    /// In order of arrival.
    Arrived(Vec<V>),
    /// On both sides of the place that is asked for.
    Halves(Box<Halves<V>>),
}

/// Invariant: no value of `low` comes after one of `high`; `low` has as many as [`Place::low_count`] says.
#[derive(Clone)]
struct Halves<V> {
    low: BinaryHeap<V>,
    high: BinaryHeap<Reverse<V>>,
}

impl<V> Default for Kept<V> {
    fn default() -> Self {
        Self { values: Values::Arrived(Vec::new()), outside_bytes: 0 }
    }
}

impl<V: Value> Halves<V> {
    fn of(place: &impl Place, mut values: Vec<V>) -> Self {
        let count = place.low_count(values.len());
        if count < values.len() {
            values.select_nth_unstable(count);
        }
        let high: Vec<Reverse<V>> = values.split_off(count).into_iter().map(Reverse).collect();
        Self { low: values.into(), high: high.into() }
    }

    fn push(&mut self, place: &impl Place, value: V) {
        let Self { low, high } = self;
        if low.peek().is_some_and(|greatest| value >= *greatest) {
            high.push(Reverse(value));
        } else {
            low.push(value);
        }
        let wanted = place.low_count(low.len() + high.len());
        while low.len() < wanted {
            low.extend(high.pop().map(|Reverse(value)| value));
        }
        while low.len() > wanted {
            high.extend(low.pop().map(Reverse));
        }
    }
}

/// How many values there are, and all of them in order: neither how they are kept nor the order in which they came
/// changes what is found among them.
impl<V: Value> AsColumns for Kept<V> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        put_counts(image, states.clone().map(Self::len));
        let mut all: Vec<&V> = Vec::with_capacity(states.clone().map(Self::len).sum());
        for state in states {
            let start = all.len();
            match &state.values {
                Values::Arrived(values) => all.extend(values),
                Values::Halves(halves) => {
                    all.extend(&halves.low);
                    all.extend(halves.high.iter().map(|Reverse(value)| value));
                }
            }
            all[start..].sort_unstable();
        }
        V::put(all.into_iter(), image);
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let (counts, value_count) = take_counts(image, count)?;
        let mut all = V::take(image, value_count, data_type)?.into_iter();
        let states = counts.into_iter().map(|count| {
            let values: Vec<V> = all.by_ref().take(count).collect();
            let outside_bytes = values.iter().map(V::outside_bytes).sum();
            Self { values: Values::Arrived(values), outside_bytes }
        });
        Ok(states.collect())
    }
}

impl<V: Value> Kept<V> {
    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Arrived(values) => values.len(),
            Values::Halves(halves) => halves.low.len() + halves.high.len(),
        }
    }

    /// The value at the place, and the one behind it, if there are any.
    pub(crate) fn at(&self, place: &impl Place) -> Option<(V, Option<V>)> {
        let below = place.low_count(self.len()).checked_sub(1)?;
        match &self.values {
            Values::Arrived(values) => {
                let mut values = values.clone();
                let (_, low, above) = values.select_nth_unstable(below);
                Some((low.clone(), above.iter().min().cloned()))
            }
            Values::Halves(halves) => {
                let high = halves.high.peek().map(|Reverse(value)| value.clone());
                Some((halves.low.peek()?.clone(), high))
            }
        }
    }

    /// Keeps a value; gives the bytes gained.
    #[inline]
    pub(crate) fn push(&mut self, place: &impl Place, value: V) -> usize {
        let before = self.outside_bytes();
        self.outside_bytes += value.outside_bytes();
        match &mut self.values {
            Values::Arrived(values) => {
                reserve_outside(values, 1);
                values.push(value);
            }
            Values::Halves(halves) => halves.push(place, value),
        }
        self.outside_bytes() - before
    }

    /// Keeps all values of another group too; gives the bytes gained. The fewer values go to the more, so
    /// that groups that join one by one do not move all each time.
    pub(crate) fn append(&mut self, place: &impl Place, mut other: Self) -> usize {
        let before = self.outside_bytes();
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
        }
        self.outside_bytes += other.outside_bytes;
        match &mut self.values {
            Values::Arrived(values) => values.append(&mut other.into_values()),
            Values::Halves(halves) => {
                other.into_values().into_iter().for_each(|value| halves.push(place, value));
            }
        }
        self.outside_bytes().saturating_sub(before)
    }

    /// From now on it is asked for again and again.
    pub(crate) fn prepare_running(&mut self, place: &impl Place) {
        if let Values::Arrived(values) = &mut self.values {
            let halves = Halves::of(place, std::mem::take(values));
            self.values = Values::Halves(Box::new(halves));
        }
    }

    fn into_values(self) -> Vec<V> {
        match self.values {
            Values::Arrived(values) => values,
            Values::Halves(halves) => {
                let Halves { low, high } = *halves;
                let high = high.into_iter().map(|Reverse(value)| value);
                low.into_iter().chain(high).collect()
            }
        }
    }

    /// Bytes held outside of itself.
    #[inline]
    pub(crate) fn outside_bytes(&self) -> usize {
        self.outside_bytes
            + match &self.values {
                Values::Arrived(values) => allocated(values.capacity() * size_of::<V>()),
                Values::Halves(halves) => {
                    let capacity = halves.low.capacity() + halves.high.capacity();
                    capacity * size_of::<V>() + size_of::<Halves<V>>()
                }
            }
    }
}
