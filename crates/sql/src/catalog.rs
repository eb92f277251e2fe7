//! What the caller knows and the text does not say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidemill_plan::{Expr, Format, Scalar, Settings, SourceDef, UserFunction};
use tidemill_record::Schema;

/// Names and values that a script is bound against.
pub struct Catalog {
    /// Settings before the first `SET`.
    pub settings: Settings,
    /// Schemas of the files that [`crate::Parsed::file_paths`] asked for, by path text.
    pub inferred: HashMap<String, Schema>,
    /// Formats of those whose names do not say it, by path text.
    pub formats: HashMap<String, Format>,
    /// Sources that the embedding program registered, by name.
    pub registered_sources: HashMap<String, SourceDef>,
    /// Sinks that the embedding program registered, by name.
    pub registered_sinks: HashSet<String>,
    /// Functions that the embedding program registered, by lower-case name.
    pub functions: HashMap<String, Arc<UserFunction>>,
    /// Evaluates an expression of constants only. `Err` says why it would make a record bad.
    pub fold: fn(&Expr) -> Result<Scalar, String>,
    /// Prepares an expression as a run would. `Err` says why none could.
    pub prepare: fn(&Expr) -> Result<(), String>,
}
