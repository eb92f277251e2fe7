//! What a file is, by its first bytes: said where a name or a `format` says otherwise.
//!
//! Only what no text and no table of ours begins with is recognised. Source: the magic numbers of the
//! formats' specifications; RFC 2781 and Unicode 23.8 for byte order marks.

use tidemill_plan::{Compression, Format};

/// What the first bytes of a file say that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// An LZ4 frame.
    Lz4,
    /// LZ4's earlier frame, or blocks of it.
    Lz4Legacy,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Snappy's framing.
    Snappy,
    /// `compress(1)`.
    Compress,
    /// A zip archive, as also spreadsheets are.
    Zip,
    /// A 7z archive.
    SevenZip,
    /// A tar archive.
    Tar,
    /// Apache Parquet.
    Parquet,
    /// An Arrow IPC file.
    ArrowFile,
    /// An Arrow IPC stream.
    ArrowStream,
    /// An Avro object container.
    Avro,
    /// Apache ORC.
    Orc,
    /// A SQLite database.
    Sqlite,
    /// Text of two bytes a character.
    Utf16,
    /// Text of four bytes a character.
    Utf32,
}

/// Where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentPlace {
    /// In a file as it is.
    File,
    /// In what came out of a compressed file.
    Packed,
    /// In a pipe.
    Pipe,
}

impl Content {
    /// Bytes that are looked at, at most.
    pub const HEAD_BYTES: usize = 512;

    /// What these first bytes are; `None` where they may be text, or say nothing.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        const MAGIC: &[(&[u8], Content)] = &[
            (b"\x1f\x8b", Content::Gzip),
            (b"\x28\xb5\x2f\xfd", Content::Zstd),
            (b"\x04\x22\x4d\x18", Content::Lz4),
            (b"\x02\x21\x4c\x18", Content::Lz4Legacy),
            (b"\xfd7zXZ\0", Content::Xz),
            (b"\xff\x06\0\0sNaPpY", Content::Snappy),
            (b"\x1f\x9d", Content::Compress),
            (b"PK\x03\x04", Content::Zip),
            (b"PK\x05\x06", Content::Zip),
            (b"7z\xbc\xaf\x27\x1c", Content::SevenZip),
            (b"ARROW1\0\0", Content::ArrowFile),
            (b"Obj\x01", Content::Avro),
            (b"SQLite format 3\0", Content::Sqlite),
            // Before UTF-16, whose mark this one begins with.
            (b"\xff\xfe\0\0", Content::Utf32),
            (b"\0\0\xfe\xff", Content::Utf32),
            (b"\xff\xfe", Content::Utf16),
            (b"\xfe\xff", Content::Utf16),
        ];
        let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
        known.map(|(_, content)| *content).or_else(|| Self::of_structure(head))
    }

    /// What it takes more than a magic number to know.
    fn of_structure(head: &[u8]) -> Option<Self> {
        const TAR_MAGIC_AT: usize = 257;
        let is_binary =
            |at: usize| head.get(at).is_some_and(|&b| b < 0x20 && !b.is_ascii_whitespace());
        if head.starts_with(b"BZh") && head[3..].get(1..7) == Some(b"1AY&SY") {
            return Some(Self::Bzip2);
        }
        // Letters that a header of text may begin with, too: then no control character follows.
        if (head.starts_with(b"PAR1") || head.starts_with(b"PARE")) && is_binary(4) {
            return Some(Self::Parquet);
        }
        if head.starts_with(b"ORC") && is_binary(3) {
            return Some(Self::Orc);
        }
        if head.get(TAR_MAGIC_AT..TAR_MAGIC_AT + 5) == Some(b"ustar")
            && head[..TAR_MAGIC_AT].contains(&0)
        {
            return Some(Self::Tar);
        }
        match head {
            // A continuation marker, and the length of the schema message.
            [0xff, 0xff, 0xff, 0xff, _, _, _, 0, ..] => Some(Self::ArrowStream),
            // ASCII without a mark.
            [0, a, 0, b, ..] | [a, 0, b, 0, ..] if is_text(*a) && is_text(*b) => Some(Self::Utf16),
            _ => None,
        }
    }

    /// What it is read as, if that is something else.
    #[must_use]
    pub fn conflict(self, format: &Format) -> Option<&'static str> {
        let is_arrow = matches!(self, Self::ArrowFile | Self::ArrowStream);
        match format {
            Format::Csv(_) => Some("CSV"),
            Format::Json(_) => Some("JSON lines"),
            Format::Lines(_) => Some("lines of text"),
            Format::Arrow(_) => (!is_arrow).then_some("Arrow"),
            Format::Parquet => (self != Self::Parquet).then_some("Parquet"),
        }
    }

    /// How it is compressed, where that can be read once its name says so.
    #[must_use]
    pub fn compression(self) -> Option<Compression> {
        match self {
            Self::Gzip => Some(Compression::Gzip),
            Self::Zstd => Some(Compression::Zstd),
            Self::Lz4 => Some(Compression::Lz4),
            _ => None,
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip data",
            Self::Zstd => "Zstandard data",
            Self::Lz4 => "LZ4 data",
            Self::Lz4Legacy => "LZ4 data of the legacy format",
            Self::Bzip2 => "bzip2 data",
            Self::Xz => "xz data",
            Self::Snappy => "Snappy data",
            Self::Compress => "data of compress(1)",
            Self::Zip => "a zip archive",
            Self::SevenZip => "a 7z archive",
            Self::Tar => "a tar archive",
            Self::Parquet => "Parquet",
            Self::ArrowFile => "an Arrow file",
            Self::ArrowStream => "an Arrow stream",
            Self::Avro => "Avro",
            Self::Orc => "ORC",
            Self::Sqlite => "a SQLite database",
            Self::Utf16 => "UTF-16 text",
            Self::Utf32 => "UTF-32 text",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Gzip => "end its name in .gz, or decompress it first (gunzip)",
            Self::Zstd => "end its name in .zst, or decompress it first (unzstd)",
            Self::Lz4 => "end its name in .lz4, or decompress it first (unlz4)",
            Self::Lz4Legacy => "decompress it first (unlz4)",
            Self::Bzip2 => "decompress it first (bunzip2)",
            Self::Xz => "decompress it first (unxz)",
            Self::Snappy | Self::Compress => "decompress it first",
            Self::Zip | Self::SevenZip | Self::Tar => "extract the files in it first",
            Self::Parquet => "end its name in .parquet, or set 'format' = 'parquet'",
            Self::ArrowFile | Self::ArrowStream => {
                "end its name in .arrow, or set 'format' = 'arrow'"
            }
            Self::Avro | Self::Orc | Self::Sqlite => {
                "write it as Parquet, Arrow, CSV or JSON lines"
            }
            Self::Utf16 => "declare it with 'encoding' = 'utf-16'",
            Self::Utf32 => "make it UTF-8 first (iconv -f UTF-32 -t UTF-8)",
        }
    }
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}
