//! Aggregate functions that the embedding program registered.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};

use crate::{HostError, UserSignature};

/// Makes a column of states of no group.
pub type MakeUserStates = dyn Fn(&UserSignature) -> Box<dyn UserStates> + Send + Sync;

/// An aggregate function that the embedding program registered.
pub struct UserAggregate {
    /// The name, lower case.
    pub name: String,
    /// What it takes and gives; at least one.
    pub signatures: Vec<UserSignature>,
    /// The version of what its states are written down as; `None` if they are not.
    pub version: Option<u32>,
    /// It is not given rows with a NULL argument.
    pub is_null_strict: bool,
    /// Makes a column of states, by the signature that is meant.
    pub make: Box<MakeUserStates>,
}

/// Which signature of which function a call means.
#[derive(Clone)]
pub struct UserAggregateCall {
    /// The function.
    pub function: Arc<UserAggregate>,
    /// The number of the signature.
    pub signature: usize,
}

impl UserAggregateCall {
    /// The signature that is meant.
    #[must_use]
    pub fn signature(&self) -> &UserSignature {
        &self.function.signatures[self.signature]
    }
}

impl PartialEq for UserAggregateCall {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function) && self.signature == other.signature
    }
}

/// A plan is told from another by this.
impl fmt::Debug for UserAggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAggregateCall")
            .field("name", &self.function.name)
            .field("version", &self.function.version)
            .field("signature", self.signature())
            .finish()
    }
}

/// Rows of a batch for a column of states.
#[derive(Clone, Copy, Debug)]
pub struct UserRows<'a> {
    /// One column for each argument.
    pub arguments: &'a [&'a ArrayRef],
    /// The group of each row.
    pub groups: &'a [u32],
    /// Which rows count.
    pub counted: CountedRows<'a>,
}

/// Which rows of a batch an aggregate counts.
#[derive(Clone, Copy, Debug)]
pub enum CountedRows<'a> {
    /// All.
    All,
    /// Those that are true; none is NULL.
    These(&'a BooleanArray),
    /// One.
    One(usize),
}

/// A column of states of a registered function, one a group. What fails ends the job; so does a panic.
pub trait UserStates: Send + Sync {
    /// Makes room for groups up to so many; never shrinks.
    fn grow(&mut self, group_count: usize);

    /// Forgets all groups.
    fn clear(&mut self);

    /// Adds rows, whose groups all have room.
    ///
    /// # Errors
    /// Of the function.
    fn update(&mut self, rows: &UserRows<'_>) -> Result<(), HostError>;

    /// Adds groups of a column of the same call: `there[i]` of its groups is `here[i]` here.
    ///
    /// # Errors
    /// Of the function.
    ///
    /// # Panics
    /// If it is of another call.
    fn merge(
        &mut self,
        later: &dyn UserStates,
        there: &[u32],
        here: &[u32],
    ) -> Result<(), HostError>;

    /// Adds what group `from` holds to group `into`, behind what is there. Nobody asks for `from` again.
    ///
    /// # Errors
    /// Of the function.
    fn join(&mut self, into: u32, from: u32) -> Result<(), HostError>;

    /// Results of these groups, of whatever type it gives.
    ///
    /// # Errors
    /// That they are not of the type that was registered, in words.
    fn finish(&self, groups: &[u32]) -> Result<ArrayRef, String>;

    /// Bytes held. O(1).
    fn heap_bytes(&self) -> usize;

    /// Those of them that groups hold beyond [`Self::group_bytes`].
    fn outside_bytes(&self) -> usize;

    /// Bytes that each group takes, whatever it holds elsewhere.
    fn group_bytes(&self) -> usize;

    /// What these groups hold, in bytes each.
    fn export(&self, groups: &[u32]) -> Vec<Vec<u8>>;

    /// Takes over what was exported, of the first groups.
    ///
    /// # Errors
    /// Bytes that the function does not understand.
    fn import(&mut self, exported: &[&[u8]]) -> Result<(), HostError>;

    /// For [`Self::merge`].
    fn as_any(&self) -> &dyn Any;
}
