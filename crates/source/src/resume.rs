//! What a reader is given to go on where another one stopped.

use tidemill_record::Image;

/// Where reading goes on, and what becomes of what is no longer there.
#[derive(Clone, Debug)]
pub struct Resume {
    /// What a reader of the same spec has exported.
    pub image: Image,
    /// What becomes of texts of a followed path that are not found.
    pub missing: Missing,
}

/// What becomes of texts of a followed path that were being read and are not found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// Reading does not begin: [`crate::SourceError::Missing`] names the text.
    #[default]
    Refuse,
    /// Reading goes on with what there is, and a notice says what was missed.
    Continue,
}
