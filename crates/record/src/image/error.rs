//! What is wrong with an image.

use std::fmt;

/// Why an image cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageError {
    /// Names from the outermost image to the entry, with `/` between.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ImageError {
    /// Of an entry, or of the image at hand where the name is empty.
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }

    /// The same, seen from an image that holds the one at fault under this name.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.name =
            if self.name.is_empty() { outer.into() } else { format!("{outer}/{}", self.name) };
        self
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for ImageError {}
