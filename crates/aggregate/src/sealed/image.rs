//! Sealed tables as images: what a pipeline leaves for a gather.

use tidemill_record::image::{Image, ImageError};

use super::Sealed;

impl Sealed {
    /// What it holds, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// As the table's own `export`.
    #[must_use]
    pub fn export(&self) -> Image {
        match self {
            Self::Groups(table) => table.export(),
            Self::Numbered(table) => table.export(),
            Self::Sorted(table) => table.export(),
            Self::Limited(table) => table.export(),
            Self::Windows(windows) => windows.export(),
            Self::Sessions(sessions) => sessions.export(),
        }
    }

    /// Takes over what a table of the same merge has exported; only while it has seen nothing. What a gather then makes of
    /// it is the same to the byte.
    ///
    /// # Errors
    /// [`ImageError`]; the table is of no use then.
    ///
    /// # Panics
    /// If it holds something.
    pub fn import(&mut self, image: Image) -> Result<(), ImageError> {
        match self {
            Self::Groups(table) => table.import(image),
            Self::Numbered(table) => table.import(image),
            Self::Sorted(table) => table.import(image),
            Self::Limited(table) => table.import(image),
            Self::Windows(windows) => windows.import(image),
            Self::Sessions(sessions) => sessions.import(image),
        }
    }
}
