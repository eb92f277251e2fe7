//! What is wrong with compressed bytes, from what their decompressor says.

use std::fmt;
use std::io;

use lz4_flex::frame::Error as Lz4Error;

/// What is wrong with compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They end in the middle.
    CutShort,
    /// All of them are there, and a checksum says that they are not what was written.
    Checksum,
    /// Whole data, and behind it bytes that are none.
    Trailing,
    /// They ask for more memory than a reader gives without being asked: a window beyond 128 MiB.
    Window,
    /// They cannot be decompressed.
    Invalid,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutShort => "the bytes end in the middle",
            Self::Checksum => "a checksum is wrong",
            Self::Trailing => "other bytes stand behind the end",
            Self::Window => "the window is too large",
            Self::Invalid => "the bytes cannot be decompressed",
        })
    }
}

impl std::error::Error for Damage {}

impl Damage {
    /// What a decompressor's error means, behind so many decompressed bytes.
    pub(crate) fn of(error: &io::Error, decompressed: u64) -> Self {
        if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return *known;
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Lz4Error>()) {
            Some(
                Lz4Error::HeaderChecksumError
                | Lz4Error::BlockChecksumError
                | Lz4Error::ContentChecksumError,
            ) => return Self::Checksum,
            Some(_) => return Self::Invalid,
            None => {}
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::CutShort;
        }
        // Neither flate2 nor zstd says it in another way than by words.
        let words = error.to_string();
        if words.contains("checksum") {
            Self::Checksum
        } else if words.contains("too much memory") {
            Self::Window
        } else if decompressed > 0 && words.contains("Unknown frame descriptor") {
            Self::Trailing
        } else {
            Self::Invalid
        }
    }
}
