//! What the caller knows and the text does not say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidemill_plan::{Expr, Format, Scalar, Settings, SourceDef, Unsaid, UserFunction};
use tidemill_record::Schema;

use crate::FilePath;

/// Files whose columns nobody declared, as their first bytes tell them.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredFiles {
    /// What was asked for.
    pub asked: FilePath,
    /// How they are laid out.
    pub format: Format,
    /// The columns of their records.
    pub schema: Schema,
    /// What a person should know of how that was found, when they are read.
    pub notices: Vec<String>,
}

/// Names and values that a script is bound against.
pub struct Catalog {
    /// Settings before the first `SET`.
    pub settings: Settings,
    /// What was found of the files that [`crate::Parsed::file_paths`] asked for.
    pub inferred: Vec<InferredFiles>,
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

impl Catalog {
    /// What was found of files, where they were asked for with this format and what nobody said of it.
    pub(crate) fn inferred(
        &self,
        path: &str,
        format: Option<&Format>,
        unsaid: Unsaid,
    ) -> Option<&InferredFiles> {
        self.inferred.iter().find(|InferredFiles { asked, .. }| {
            asked.path == path && asked.format.as_ref() == format && asked.unsaid == unsaid
        })
    }
}
