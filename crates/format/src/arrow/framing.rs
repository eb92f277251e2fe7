//! Where the messages of an Arrow IPC stream begin and end.
//!
//! Spec: Apache Arrow columnar format, "Encapsulated message format": a continuation marker
//! (absent before format version 5), the metadata's length, the metadata, the body. A length of
//! zero ends the stream. `arrow-ipc`'s decoder follows the same, but does not say when it has seen
//! the end, and trusts the lengths it reads; this is asked first.

/// A position within the stream's grammar.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Inside a marker or a length, of which these bytes are known.
    Length { bytes: [u8; 4], known: usize, is_marked: bool },
    /// Inside the metadata, of which so many bytes are missing.
    Metadata { missing: usize },
    /// Inside the body, of which so many bytes are missing.
    Body { missing: usize },
    /// Behind the end of the stream.
    Ended,
}

/// What lies ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// So many bytes of a marker or a length.
    Length(usize),
    /// So many bytes of metadata.
    Metadata(usize),
    /// So many bytes of a body.
    Body(usize),
    /// Nothing that matters.
    Nothing,
}

impl Framing {
    /// The start of a message.
    pub(crate) const START: Self = Self::Length { bytes: [0; 4], known: 0, is_marked: false };

    /// The part at this position, and how much of it is missing.
    pub(crate) fn ahead(&self) -> Part {
        match self {
            Self::Length { known, .. } => Part::Length(4 - known),
            Self::Metadata { missing } => Part::Metadata(*missing),
            Self::Body { missing } => Part::Body(*missing),
            Self::Ended => Part::Nothing,
        }
    }

    /// Whether a stream may end here without an end marker.
    pub(crate) fn is_between_messages(&self) -> bool {
        matches!(self, Self::Ended | Self::Length { known: 0, is_marked: false, .. })
    }

    /// Steps over bytes of a marker or a length, at most as many as are missing.
    pub(crate) fn take_length(&mut self, taken: &[u8]) {
        const MARKER: [u8; 4] = [0xff; 4];
        let Self::Length { bytes, known, is_marked } = self else { return };
        bytes[*known..*known + taken.len()].copy_from_slice(taken);
        *known += taken.len();
        if *known < 4 {
            return;
        }
        *self = match (*bytes, *is_marked) {
            (MARKER, false) => Self::Length { bytes: [0; 4], known: 0, is_marked: true },
            ([0, 0, 0, 0], _) => Self::Ended,
            (bytes, _) => Self::Metadata { missing: u32::from_le_bytes(bytes) as usize },
        };
    }

    /// Steps over bytes of the metadata or the body, at most as many as are missing.
    pub(crate) fn take(&mut self, count: usize) {
        if let Self::Metadata { missing } | Self::Body { missing } = self {
            *missing -= count;
            if *missing == 0 && matches!(self, Self::Body { .. }) {
                *self = Self::START;
            }
        }
    }

    /// Goes on to the body once the metadata is complete.
    pub(crate) fn begin_body(&mut self, byte_count: usize) {
        *self = match byte_count {
            0 => Self::START,
            missing => Self::Body { missing },
        };
    }
}
