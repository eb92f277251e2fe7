//! Aggregate functions of the embedding program.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use tidemill_format::to_sql_type;
use tidemill_plan::{CountedRows, HostError, UserAggregate, UserRows, UserSignature, UserStates};

use crate::functions::signatures_of;
use crate::{Error, Signature};

/// An aggregate function: one value for the rows of a group.
///
/// It is used as those of SQL are: with or without `GROUP BY`, in windows, with `FILTER` and `DISTINCT`, and in
/// `EMIT CHANGES`; not with `OVER`, nor with an order of its own. Each core has states of its own, which are merged where
/// results are gathered: in the order of partitions, so that a result does not depend on timing. What it does is waited for,
/// so it may not block. An error, a panic and a result that is not of its type end the job, and name it.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::arrow_array::{ArrayRef, Float64Array, cast::AsArray, types::Float64Type};
/// use tidemill::{AggregateFunction, DataType, GroupRows, HostError, Session, Signature};
///
/// /// The geometric mean of what is positive.
/// struct GeometricMean;
///
/// impl AggregateFunction for GeometricMean {
///     /// How many there were, and the sum of their logarithms.
///     type State = (u64, f64);
///
///     fn signatures(&self) -> Vec<Signature> {
///         vec![Signature::new([DataType::Double], DataType::Double)]
///     }
///
///     fn update(&self, rows: &mut GroupRows<'_, Self>) -> Result<(), HostError> {
///         let values = rows.argument(0).as_primitive::<Float64Type>().clone();
///         rows.for_each(|state, row| {
///             state.0 += 1;
///             state.1 += values.value(row).ln();
///         });
///         Ok(())
///     }
///
///     fn merge(&self, state: &mut Self::State, later: &Self::State) -> Result<(), HostError> {
///         state.0 += later.0;
///         state.1 += later.1;
///         Ok(())
///     }
///
///     fn finish(&self, states: &[&Self::State], _: &Signature) -> ArrayRef {
///         let mean = |&&(count, sum): &&(u64, f64)| (count > 0).then(|| (sum / count as f64).exp());
///         Arc::new(states.iter().map(mean).collect::<Float64Array>())
///     }
/// }
///
/// let mut session = Session::new();
/// session.register_aggregate("geometric_mean", GeometricMean)?;
/// let rows = session.query("SELECT GEOMETRIC_MEAN(x) AS m FROM (VALUES (2), (8)) AS t (x)")?.collect()?;
/// assert!((rows[0].column(0).as_primitive::<Float64Type>().value(0) - 4.0).abs() < 1e-12);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait AggregateFunction: Send + Sync + Sized + 'static {
    /// What is kept of a group; the default is that of one without rows.
    type State: Default + Send + Sync + 'static;

    /// What it takes and gives; asked for once, as it is registered. Of several, a call means the one that asks for the
    /// fewest casts, and the first of those.
    fn signatures(&self) -> Vec<Signature>;

    /// Whether it is spared rows in which an argument is NULL, as most functions of SQL are.
    fn is_null_strict(&self) -> bool {
        true
    }

    /// Adds rows of a batch to the states of their groups.
    ///
    /// # Errors
    /// What keeps it from working at all: it ends the job, and is the [source](std::error::Error::source) of its error.
    fn update(&self, rows: &mut GroupRows<'_, Self>) -> Result<(), HostError>;

    /// Adds what later rows of the same group have left: those of a later partition, pane or session.
    ///
    /// # Errors
    /// As [`Self::update`].
    fn merge(&self, state: &mut Self::State, later: &Self::State) -> Result<(), HostError>;

    /// The results of groups, one each, in their order, without changing anything. A state may be asked for again, after more
    /// rows. The result may be of any Arrow type that the SQL type holds whole, as with [`crate::ScalarFunction::call`].
    fn finish(&self, states: &[&Self::State], signature: &Signature) -> ArrayRef;

    /// Bytes that a state holds outside of itself, such as the memory of a list: they count for `memory.budget`.
    fn heap_bytes(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// The version of what [`Self::export`] writes. `None`, as without this: states are not written, and a job with a
    /// `state.dir` refuses the function. A job does not go on from a checkpoint of another version.
    fn version(&self) -> Option<u32> {
        None
    }

    /// What a state holds, to be made again by [`Self::import`], perhaps in another process.
    fn export(&self, state: &Self::State) -> Vec<u8> {
        let _ = state;
        Vec::new()
    }

    /// The state that was exported.
    ///
    /// # Errors
    /// Bytes that are no state of this version.
    fn import(&self, exported: &[u8]) -> Result<Self::State, HostError> {
        let _ = exported;
        Err("the function does not read its states".into())
    }
}

/// Rows of a batch, and the states of their groups.
pub struct GroupRows<'a, A: AggregateFunction> {
    function: &'a A,
    signature: &'a Signature,
    states: &'a mut [A::State],
    outside_bytes: &'a mut usize,
    rows: &'a UserRows<'a>,
}

impl<A: AggregateFunction> GroupRows<'_, A> {
    /// The values of an argument: of all rows of the batch, also those that do not count. Their types are those of
    /// [`Signature`].
    ///
    /// # Panics
    /// Where the signature has no such argument.
    #[must_use]
    pub fn argument(&self, index: usize) -> &ArrayRef {
        self.rows.arguments[index]
    }

    /// The signature that is meant.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        self.signature
    }

    /// Calls `add` for each row that counts, in order, with the state of its group and the number of the row.
    pub fn for_each(&mut self, mut add: impl FnMut(&mut A::State, usize)) {
        let added = self.try_for_each(|state, row| {
            add(state, row);
            Ok(())
        });
        added.expect("nothing fails");
    }

    /// The same, until a row fails.
    ///
    /// # Errors
    /// That of `add`.
    pub fn try_for_each(
        &mut self,
        mut add: impl FnMut(&mut A::State, usize) -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        let groups = self.rows.groups;
        let mut add_row = |row: usize| {
            let state = &mut self.states[groups[row] as usize];
            let before = self.function.heap_bytes(state);
            let added = add(state, row);
            *self.outside_bytes =
                (*self.outside_bytes + self.function.heap_bytes(state)).saturating_sub(before);
            added
        };
        match self.rows.counted {
            CountedRows::All => (0..groups.len()).try_for_each(add_row),
            CountedRows::These(rows) => rows.values().set_indices().try_for_each(add_row),
            CountedRows::One(row) => add_row(row),
        }
    }
}

impl<A: AggregateFunction> fmt::Debug for GroupRows<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupRows")
            .field("signature", self.signature)
            .field("rows", self.rows)
            .finish()
    }
}

/// A column of states of a function.
struct States<A: AggregateFunction> {
    function: Arc<A>,
    signature: Signature,
    states: Vec<A::State>,
    outside_bytes: usize,
}

impl<A: AggregateFunction> States<A> {
    /// Has a state changed, and counts what that costs.
    fn change<T>(&mut self, group: u32, change: impl FnOnce(&A, &mut A::State) -> T) -> T {
        let state = &mut self.states[group as usize];
        let before = self.function.heap_bytes(state);
        let changed = change(&self.function, state);
        let after = self.function.heap_bytes(state);
        self.outside_bytes = (self.outside_bytes + after).saturating_sub(before);
        changed
    }
}

impl<A: AggregateFunction> UserStates for States<A> {
    fn grow(&mut self, group_count: usize) {
        if let Some(more) = group_count.checked_sub(self.states.len()) {
            // By an eighth rather than by doubling: memory is counted in bytes a group.
            if group_count > self.states.capacity() {
                self.states.reserve_exact(more.max(self.states.len() / 8).max(4));
            }
            self.states.resize_with(group_count, A::State::default);
        }
    }

    fn clear(&mut self) {
        self.states.clear();
        self.outside_bytes = 0;
    }

    fn update(&mut self, rows: &UserRows<'_>) -> Result<(), HostError> {
        let Self { function, signature, states, outside_bytes } = self;
        function.update(&mut GroupRows { function, signature, states, outside_bytes, rows })
    }

    fn merge(
        &mut self,
        later: &dyn UserStates,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), HostError> {
        let later: &Self = later.as_any().downcast_ref().expect("both tables are of one query");
        there.iter().zip(here).try_for_each(|(&from, &into)| {
            self.change(into, |function, state| function.merge(state, &later.states[from as usize]))
        })
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), HostError> {
        let moved = self.change(from, |_, state| std::mem::take(state));
        self.change(into, |function, state| function.merge(state, &moved))
    }

    fn finish(&self, groups: &[u32]) -> Result<ArrayRef, String> {
        let states: Vec<&A::State> =
            groups.iter().map(|&group| &self.states[group as usize]).collect();
        let values = self.function.finish(&states, &self.signature);
        let (found, to) = (values.data_type(), self.signature.return_type());
        // How many there are is told before what they are.
        if *found == to.arrow() || values.len() != groups.len() {
            return Ok(values);
        }
        to_sql_type(&values, to).map_err(|reason| format!("{found} values for {to}: {reason}"))
    }

    fn heap_bytes(&self) -> usize {
        self.states.capacity() * size_of::<A::State>() + self.outside_bytes
    }

    fn outside_bytes(&self) -> usize {
        self.outside_bytes
    }

    fn group_bytes(&self) -> usize {
        size_of::<A::State>()
    }

    fn export(&self, groups: &[u32]) -> Vec<Vec<u8>> {
        groups.iter().map(|&group| self.function.export(&self.states[group as usize])).collect()
    }

    fn import(&mut self, exported: &[&[u8]]) -> Result<(), HostError> {
        let states = exported.iter().map(|exported| self.function.import(exported));
        self.states = states.collect::<Result<_, _>>()?;
        self.outside_bytes = self.states.iter().map(|state| self.function.heap_bytes(state)).sum();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A function as plans know it.
pub(crate) fn registered<A: AggregateFunction>(
    name: String,
    function: A,
) -> Result<UserAggregate, Error> {
    let signatures = signatures_of(&name, function.signatures())?;
    if let Some(none) = signatures.iter().find(|signature| signature.argument_types.is_empty()) {
        return Err(Error::usage(format!(
            "the aggregate function {name} gives {} of no argument: give it one",
            none.return_type
        )));
    }
    let (version, is_null_strict) = (function.version(), function.is_null_strict());
    let function = Arc::new(function);
    let make = move |signature: &UserSignature| -> Box<dyn UserStates> {
        let (function, signature) = (Arc::clone(&function), Signature(signature.clone()));
        Box::new(States { function, signature, states: Vec::new(), outside_bytes: 0 })
    };
    Ok(UserAggregate { name, signatures, version, is_null_strict, make: Box::new(make) })
}
