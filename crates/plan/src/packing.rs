//! How what a sink writes is compressed.

use crate::Format;

/// `compression` and `compression.level` of a file sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Text is compressed as a whole, Arrow and Parquet within their files.
    pub codec: Codec,
    /// In [`Codec::levels`]; `None` leaves it to the codec.
    pub level: Option<u32>,
}

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// Snappy, of Parquet.
    Snappy,
    /// Deflate with gzip's frame.
    Gzip,
    /// LZ4: frames in Arrow, raw blocks in Parquet.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// As it is.
    pub const NONE: Self = Self { codec: Codec::None, level: None };

    /// What a format is compressed with where nothing is said.
    #[must_use]
    pub fn of(format: &Format) -> Self {
        match format {
            Format::Parquet => Self { codec: Codec::Zstd, level: None },
            Format::Csv(_) | Format::Json(_) | Format::Arrow(_) | Format::Lines(_) => Self::NONE,
        }
    }

    /// What stands behind the ending of a file's name, with its dot.
    #[must_use]
    pub fn ending(self, format: &Format) -> &'static str {
        match (format, self.codec) {
            (Format::Csv(_) | Format::Json(_), Codec::Gzip) => ".gz",
            (Format::Csv(_) | Format::Json(_), Codec::Zstd) => ".zst",
            _ => "",
        }
    }
}

impl Codec {
    /// What a format can be compressed with.
    #[must_use]
    pub fn all_of(format: &Format) -> &'static [Self] {
        match format {
            Format::Csv(_) | Format::Json(_) => &[Self::None, Self::Gzip, Self::Zstd],
            Format::Arrow(_) => &[Self::None, Self::Lz4, Self::Zstd],
            // Nobody writes them.
            Format::Lines(_) => &[Self::None],
            Format::Parquet => &[Self::None, Self::Snappy, Self::Gzip, Self::Lz4, Self::Zstd],
        }
    }

    /// What `compression` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// What `compression.level` takes, from fast to small; Zstandard's higher ones need a reader's consent.
    #[must_use]
    pub fn levels(self) -> Option<(u32, u32)> {
        match self {
            Self::Gzip => Some((1, 9)),
            Self::Zstd => Some((1, 19)),
            Self::None | Self::Snappy | Self::Lz4 => None,
        }
    }
}
