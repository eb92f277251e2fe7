//! What the caller knows and the text does not say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tidemill_plan::{Expr, Format, Scalar, Settings, SourceDef, UserAggregate, UserFunction};
use tidemill_record::{DataType, Field, Schema};

use crate::{Declared, FilePath};

/// Files whose columns nobody declared, as their first bytes tell them.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredFiles {
    /// What was asked for.
    pub asked: FilePath,
    /// How they are laid out.
    pub format: Format,
    /// The columns of their records.
    pub schema: Schema,
    /// The keys of their paths' directories that are named `key=value`, with types that hold their values.
    pub path_columns: Vec<Field>,
    /// What stands in columns of JSON objects, that the script may name.
    pub members: Vec<JsonMember>,
    /// What a person should know of how that was found, when they are read.
    pub notices: Vec<String>,
}

/// A value within the JSON objects of a column, or a column of JSON arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonMember {
    /// The column, then the keys below it, if it is within objects.
    pub path: Vec<String>,
    /// What its values are read as.
    pub data_type: DataType,
    /// Of what is arrays alone, what their elements are read as; an array where these are arrays of such elements, as text.
    pub element: Option<DataType>,
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
    /// Columns of what earlier scripts have written to sinks that this one declares, by name.
    pub written: HashMap<String, Schema>,
    /// What earlier scripts of the session have declared, also what this one does not name, in order.
    pub declared: Vec<Declared>,
    /// Functions that the embedding program registered, by lower-case name.
    pub functions: HashMap<String, Arc<UserFunction>>,
    /// Aggregate functions that the embedding program registered, by lower-case name.
    pub aggregates: HashMap<String, Arc<UserAggregate>>,
    /// What is bound to `?` and `$1`; `None` where nobody binds anything.
    pub parameters: Option<Vec<Scalar>>,
    /// Evaluates an expression of constants only. `Err` says why it would make a record bad.
    pub fold: fn(&Expr) -> Result<Scalar, String>,
    /// Prepares an expression as a run would. `Err` says why none could.
    pub prepare: fn(&Expr) -> Result<(), String>,
}

impl Catalog {
    /// What was found of files, where the same was asked for.
    pub(crate) fn inferred(&self, wanted: &FilePath) -> Option<&InferredFiles> {
        self.inferred.iter().find(|InferredFiles { asked, .. }| asked.is_the_same(wanted))
    }
}
