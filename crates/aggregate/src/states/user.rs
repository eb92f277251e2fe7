//! Aggregate functions of the embedding program.
//!
//! What goes wrong in one ends the job, with its name: an error and a panic where rows are added, and a result that cannot be
//! one. States are its own; here is what a table asks of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use arrow_array::{Array, ArrayRef, BooleanArray, new_empty_array};
use arrow_select::concat::concat;
use tidemill_plan::{CountedRows, HostError, UserAggregateCall, UserRows, UserStates};
use tidemill_record::image::{Image, ImageError};

use crate::AggregateError;
use crate::argument::Rows;
use crate::error::FunctionFault;
use crate::state::{Results, State, downcast};

/// In an image, what each group holds.
const STATES: &str = "states";

/// The column of states for a call.
pub(crate) fn state(call: &UserAggregateCall) -> Box<dyn State> {
    let states = (call.function.make)(call.signature());
    Box::new(User { call: call.clone(), states })
}

struct User {
    call: UserAggregateCall,
    states: Box<dyn UserStates>,
}

impl User {
    /// Has the function do something, and gives its failure a name.
    fn asked<T>(
        &mut self,
        what: impl FnOnce(&mut dyn UserStates) -> Result<T, HostError>,
    ) -> Result<T, AggregateError> {
        let states = &mut *self.states;
        let done = catch_unwind(AssertUnwindSafe(|| what(states)));
        let name = &self.call.function.name;
        let fault = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(source)) => FunctionFault::failed(name, source),
            Err(panic) => FunctionFault::panicked(name, &*panic),
        };
        Err(AggregateError::Function(fault))
    }

    fn skips_nulls(&self) -> bool {
        self.call.function.is_null_strict
    }

    /// Results that are of the registered type, and as many as there are groups.
    fn results(&self, groups: &[u32]) -> ArrayRef {
        let expected = self.call.signature().return_type.arrow();
        let given = catch_unwind(AssertUnwindSafe(|| self.states.finish(groups)));
        let name = &self.call.function.name;
        let fault = match given {
            Ok(Ok(values)) if values.len() != groups.len() => {
                format!("it gave {} values for {} groups", values.len(), groups.len())
            }
            Ok(Ok(values)) if *values.data_type() != expected => {
                format!("it gave {} values for {expected}", values.data_type())
            }
            Ok(Ok(values)) => return values,
            Ok(Err(reason)) => format!("it gave {reason}"),
            Err(panic) => format!("it panicked: {}", FunctionFault::said(&*panic)),
        };
        // Whoever asks for results has no word for a failure that is not of a row.
        resume_unwind(Box::new(format!(
            "the aggregate function {name} is not to be trusted: {fault}"
        )))
    }
}

impl State for User {
    fn grow(&mut self, group_count: usize) {
        self.states.grow(group_count);
    }

    fn clear(&mut self) {
        self.states.clear();
    }

    fn update(&mut self, rows: &Rows<'_>) -> Result<(), AggregateError> {
        let counted =
            rows.counted(self.skips_nulls()).map(|counted| BooleanArray::new(counted, None));
        let counted = counted.as_ref().map_or(CountedRows::All, CountedRows::These);
        let (arguments, groups) = (rows.arguments, &*rows.groups);
        self.asked(|states| states.update(&UserRows { arguments, groups, counted }))
    }

    fn update_running(&mut self, rows: &Rows<'_>) -> Result<Results, AggregateError> {
        let counted = rows.counted(self.skips_nulls());
        let (arguments, groups) = (rows.arguments, &*rows.groups);
        let mut results = Vec::with_capacity(groups.len());
        for row in 0..groups.len() {
            if counted.as_ref().is_none_or(|counted| counted.value(row)) {
                let counted = CountedRows::One(row);
                self.asked(|states| states.update(&UserRows { arguments, groups, counted }))?;
            }
            results.push(self.results(&groups[row..=row]));
        }
        let parts: Vec<&dyn Array> = results.iter().map(|array| &**array).collect();
        let column = match parts.as_slice() {
            [] => new_empty_array(&self.call.signature().return_type.arrow()),
            parts => concat(parts).expect("all are of the registered type"),
        };
        Ok(column.into())
    }

    fn merge(
        &mut self,
        later: &dyn State,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), AggregateError> {
        let later: &Self = downcast(later);
        self.asked(|states| states.merge(&*later.states, there, here))
    }

    fn join(&mut self, into: u32, from: u32) -> Result<(), AggregateError> {
        self.asked(|states| states.join(into, from))
    }

    fn finish(&self, groups: &[u32]) -> Results {
        self.results(groups).into()
    }

    fn heap_bytes(&self) -> usize {
        self.states.heap_bytes()
    }

    fn outside_bytes(&self) -> usize {
        self.states.outside_bytes()
    }

    fn group_bytes(&self) -> usize {
        self.states.group_bytes()
    }

    fn export(&self, groups: &[u32]) -> Image {
        let mut image = Image::new();
        let exported = self.states.export(groups);
        image.put_texts(STATES, exported.iter().map(Vec::as_slice));
        image
    }

    fn import(&mut self, mut image: Image, group_count: usize) -> Result<(), ImageError> {
        let exported = image.take_texts(STATES)?;
        image.end()?;
        if exported.len() != group_count {
            let reason = format!("there are {} of {group_count} groups", exported.len());
            return Err(ImageError::new(STATES, reason));
        }
        let exported: Vec<&[u8]> = exported.iter().collect();
        let imported = catch_unwind(AssertUnwindSafe(|| self.states.import(&exported)));
        let reason = match imported {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => FunctionFault::said(&*panic),
        };
        let name = &self.call.function.name;
        Err(ImageError::new(STATES, format!("the aggregate function {name}: {reason}")))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
