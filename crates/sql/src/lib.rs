//! SQL text to a checked plan, with errors that point at the text.
//!
//! Read in this order: [`parse()`] (text to statements), [`Catalog`] (what the caller knows),
//! [`Parsed::bind`] (statements to a [`tidemill_plan::Script`]), [`SqlErrors`] (what was wrong,
//! and where). Absent on purpose: evaluation (the caller folds constants and prepares
//! expressions), I/O (the caller infers the schemas of files), and every other crate's view of
//! `sqlparser`: this is the only crate that knows it.

mod call_tokens;
mod catalog;
mod clauses;
mod declared;
mod deep_stack;
mod diagnosis;
mod dialect;
mod error;
mod expectations;
mod file_paths;
mod from_first;
mod json_tokens;
mod mistakes;
mod operators;
mod parameters;
mod parse;
mod position;
mod read_after_write;
mod read_functions;
mod scan;
mod spelling;
mod statement_tokens;
mod statements;
mod statements_of_others;
mod suggest;
mod syntax;
mod tables_of_others;
mod tokens;

mod options;

mod advice;
mod coercion;
mod column_times;
mod equality;
mod literal;
mod report;
mod scope;
mod types;
mod user_functions;

mod bind_cast;
mod bind_conditions;
mod bind_expr;
mod bind_operators;
mod built_in;
mod fold;
mod function_names;
mod functions;
mod functions_of_others;
mod rewrites;
mod time_format;

mod aggregate_types;
mod aggregates;
mod calls;
mod computed;
mod datagen;
mod distinct;
mod framed;
mod from;
mod group_by;
mod grouping;
mod items;
mod json_calls;
mod json_paths;
mod limit;
mod order;
mod outputs;
mod over;
mod query;
mod script;
mod select;
mod show;
mod sink_columns;
mod source_columns;
mod sources;
mod summarize;
mod tables;
mod window_arguments;
mod window_bounds;
mod window_order;
mod window_tokens;
mod windows;

mod optimize;
mod prune;
mod pushdown;
mod rows;
mod runnable;

pub use catalog::{Catalog, InferredFiles, JsonMember};
pub use coercion::unify;
pub use declared::{Declared, names};
pub use error::{SqlError, SqlErrors, place};
pub use function_names::callable as function_names;
pub use parse::{FilePath, Parsed, parse};
