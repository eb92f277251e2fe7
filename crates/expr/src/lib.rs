//! Stateless work on a batch: filter, project, scalar functions.
//!
//! An expression of the plan is compiled once into a tree of kernels ([`Filter::new`],
//! [`Project::new`]) and then applied to whole batches of columns. Rows for which an expression
//! fails (overflow, integer division by zero, a `CAST` that cannot) become
//! [`tidemill_record::BadRecord`]s and leave the batch; finding them costs nothing until a batch
//! fails. Absent on purpose: the binder (types are already right), state, I/O and clocks.

mod context;
mod error;
mod filter;
mod project;

mod compile;
mod constant;
mod lazy;
mod node;
mod outcome;
mod recall;
mod selection;
mod text_output;
mod value;

mod arithmetic;
mod boolean;
mod cast;
mod comparison;
mod decimal;
mod function;
mod hash;
mod in_list;
mod interval;
mod like;
mod needle;
mod user;

#[cfg(test)]
mod tests;

pub use compile::check;
pub use constant::{constant_column, evaluate_constant};
pub use context::Context;
pub use error::{ExprError, FunctionError};
pub use filter::{Filter, Judged};
pub use project::Project;
