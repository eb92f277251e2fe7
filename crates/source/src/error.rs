//! What can go wrong on the way in. Every message names the path and a remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tidemill_plan::{Compression, HostError};
use tidemill_record::ImageError;
use tidemill_rt::RtError;

use crate::{Content, ContentPlace, Damage, PipeRefusal};

/// An error of a source.
#[derive(Debug)]
pub enum SourceError {
    /// There is no such file or directory.
    NotFound {
        /// The path asked for.
        path: PathBuf,
        /// An existing path whose name is like it.
        nearest: Option<PathBuf>,
    },
    /// A link on the way, or at its end, leads to nothing.
    DanglingLink {
        /// The link.
        link: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// The path may not be looked at or read.
    Denied {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path is neither a regular file nor a directory.
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The path names a pipe, which cannot be read so.
    Pipe {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: PipeRefusal,
    },
    /// A directory without a file, or a glob without a match.
    NoFiles {
        /// The directory or glob.
        path: PathBuf,
        /// Whether it is a glob.
        is_glob: bool,
        /// Files in it, or that match, whose names do not stand for data.
        left_out: Option<String>,
    },
    /// A glob that cannot be read.
    BadGlob {
        /// The glob.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A call on a path failed.
    Io {
        /// The path.
        path: PathBuf,
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed, or the file changed meanwhile.
    Rt(RtError),
    /// Compressed bytes that do not decompress, or stop short.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// How it is compressed.
        compression: Compression,
        /// What is wrong with it.
        damage: Damage,
        /// How many bytes came out before, in bytes.
        offset: u64,
        /// What the decompressor said.
        source: io::Error,
    },
    /// The file holds something else than it is read as.
    WrongContent {
        /// The file.
        path: PathBuf,
        /// What its first bytes say that it is.
        found: Content,
        /// What it is read as.
        expected: String,
        /// Where in it.
        place: ContentPlace,
    },
    /// A record is longer than `record.max_bytes`.
    RecordTooLong {
        /// The file.
        path: PathBuf,
        /// Where the record starts, after decompression.
        offset: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// The decoder left bytes behind at the end of the input.
    LeftOver {
        /// The file.
        path: PathBuf,
        /// The first of them.
        offset: u64,
    },
    /// A byte range of a Parquet file lies outside the file.
    OutOfFile {
        /// The file.
        path: PathBuf,
        /// End of the range, in bytes.
        range_end: u64,
        /// Length of the file, in bytes.
        file_bytes: u64,
    },
    /// A file is not the one that was read before, so that reading cannot go on in it.
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Of a path that is followed, a text that was being read is neither there nor beside it.
    Missing {
        /// The path that is followed.
        path: PathBuf,
        /// Which text.
        text: String,
    },
    /// Which texts a path that is followed has named since the last look, or in which order, cannot be known.
    Unordered {
        /// The path that is followed.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The path of a file does not say what a column takes from it.
    Unsaid {
        /// The file.
        path: PathBuf,
        /// What it lacks, with its path.
        reason: String,
    },
    /// What was read cannot be read from a place within.
    NotResumable {
        /// What it is, with its name.
        what: String,
        /// Why not, and what helps.
        reason: String,
    },
    /// What a checkpoint says of an input cannot be: it is damaged, or of another query.
    Image {
        /// The input.
        what: String,
        /// Where, and what is wrong.
        source: ImageError,
    },
    /// The generator's options contradict each other.
    Generator {
        /// How.
        reason: String,
    },
    /// A source of the embedding program failed.
    Host {
        /// The source.
        name: String,
        /// Its partition.
        partition: u32,
        /// With what.
        source: HostError,
    },
    /// Batches of the embedding program do not fit the declared schema.
    Registered {
        /// The source.
        name: String,
        /// Its partition.
        partition: u32,
        /// What is wrong.
        reason: String,
    },
}

impl SourceError {
    /// The file or directory that it is about, or the glob.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NotFound { path, .. }
            | Self::Denied { path, .. }
            | Self::NotAFile { path }
            | Self::Pipe { path, .. }
            | Self::NoFiles { path, .. }
            | Self::Io { path, .. }
            | Self::Corrupt { path, .. }
            | Self::WrongContent { path, .. }
            | Self::RecordTooLong { path, .. }
            | Self::LeftOver { path, .. }
            | Self::OutOfFile { path, .. }
            | Self::Changed { path, .. }
            | Self::Missing { path, .. }
            | Self::Unordered { path, .. }
            | Self::Unsaid { path, .. } => Some(path),
            Self::DanglingLink { link, .. } => Some(link),
            Self::BadGlob { pattern, .. } => Some(Path::new(pattern)),
            Self::Rt(error) => error.path(),
            Self::NotResumable { .. }
            | Self::Image { .. }
            | Self::Generator { .. }
            | Self::Host { .. }
            | Self::Registered { .. } => None,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { path, nearest: Some(nearest) } => {
                write!(f, "{} does not exist; did you mean {}?", path.display(), nearest.display())
            }
            Self::NotFound { path, nearest: None } => write!(
                f,
                "{} does not exist; check the path, which is relative to the working directory",
                path.display()
            ),
            Self::DanglingLink { link, target } => write!(
                f,
                "{} is a link to {}, which does not exist; make the link again, or remove it",
                link.display(),
                target.display()
            ),
            Self::Denied { path, .. } => write!(
                f,
                "{} may not be read; give this user read permission on it and on every directory \
                 above it",
                path.display()
            ),
            Self::NotAFile { path } => write!(
                f,
                "{} is neither a regular file nor a directory; write its contents to a file first",
                path.display()
            ),
            Self::Pipe { path, reason } => write!(f, "{} is a pipe, {reason}", path.display()),
            Self::NoFiles { path, left_out: Some(names), .. } => write!(
                f,
                "no file of {} counts by its name: {names}; to read one all the same, name it",
                path.display()
            ),
            Self::NoFiles { path, is_glob: true, .. } => write!(
                f,
                "no file matches {}; directories, names that start with a dot or end in .open or \
                 .tmp, and what writers and editors leave beside data do not count",
                path.display()
            ),
            Self::NoFiles { path, is_glob: false, .. } => write!(
                f,
                "{} holds no files; directories in it, names that start with a dot or _ or end in \
                 .open or .tmp, and what editors leave beside data do not count: use a glob such as \
                 {}/**/*",
                path.display(),
                path.display()
            ),
            Self::BadGlob { pattern, reason } => {
                write!(f, "{pattern} is not a glob: {reason}; allowed are *, ?, [a-z] and **")
            }
            Self::Io { path, operation, source } => {
                write!(f, "cannot {operation} {}", path.display())?;
                source.raw_os_error().map_or(Ok(()), |errno| write!(f, " (errno {errno})"))
            }
            Self::Rt(error) => write!(f, "{error}"),
            Self::Changed { path, reason } => write!(
                f,
                "{} is not the file that was read before: {reason}; put that file back to go on where \
                 reading stopped, or start over",
                path.display()
            ),
            Self::Missing { path, text } => write!(
                f,
                "{text} is neither {} nor beside it; put it back there under the name that rotation gives it, \
                 or set 'missing' = 'continue' for the source to go on without it",
                path.display()
            ),
            Self::Unordered { path, reason } => write!(
                f,
                "what was rotated away from {} since it was last looked at has no certain order: {reason}; move away what \
                 was read before or is no text of this log, and see that each other one has a name of its own with a date or \
                 number like those beside it",
                path.display()
            ),
            Self::Unsaid { reason, .. } => f.write_str(reason),
            Self::NotResumable { what, reason } => {
                write!(f, "{what} cannot be read on from within: {reason}")
            }
            Self::Image { what, source } => {
                write!(f, "the checkpoint does not fit {what}: {source}")
            }
            Self::Corrupt { path, compression, damage, offset, .. } => {
                write_damage(f, path, compression.name(), *damage, *offset)
            }
            Self::WrongContent { path, found, expected, place } => {
                let (path, name) = (path.display(), found.name());
                let remedy = match (place, found.compression()) {
                    (ContentPlace::Packed, Some(_)) => "it is compressed twice: decompress it once",
                    (ContentPlace::Pipe, Some(_)) => {
                        "decompress it on its way (gunzip -c, unzstd -c, unlz4 -c)"
                    }
                    _ => found.remedy(),
                };
                let is_packed = *place == ContentPlace::Packed;
                let inside = if is_packed { " inside its compression" } else { "" };
                write!(f, "{path} holds {name}{inside}, and is read as {expected}; {remedy}")
            }
            Self::RecordTooLong { path, offset, bytes_max } => write!(
                f,
                "the record at offset {offset} of {} is longer than {bytes_max} bytes; raise \
                 record.max_bytes, or look for an unclosed quote there",
                path.display()
            ),
            Self::LeftOver { path, offset } => write!(
                f,
                "the bytes of {} from offset {offset} on are not a whole record; the file may have \
                 been cut short",
                path.display()
            ),
            Self::OutOfFile { path, range_end, file_bytes } => write!(
                f,
                "the footer of {} speaks of byte {range_end}, and the file has {file_bytes}; make or \
                 copy the file again",
                path.display()
            ),
            Self::Generator { reason } => write!(f, "the generator cannot run: {reason}"),
            Self::Host { name, partition, .. } => {
                write!(f, "registered source {name}, partition {partition}")
            }
            Self::Registered { name, partition, reason } => {
                write!(f, "registered source {name}, partition {partition}: {reason}")
            }
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Denied { source, .. }
            | Self::Io { source, .. }
            | Self::Corrupt { source, .. } => Some(source),
            Self::Host { source, .. } => Some(&**source),
            // Displayed as the runtime's error itself, so the cause is that error's.
            Self::Rt(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

/// Says what is wrong with compressed bytes.
fn write_damage(
    f: &mut fmt::Formatter<'_>,
    path: &Path,
    name: &str,
    damage: Damage,
    offset: u64,
) -> fmt::Result {
    let path = path.display();
    match damage {
        Damage::CutShort => write!(
            f,
            "{path} is not whole {name} data: it breaks off after {offset} decompressed bytes; make \
             or copy the file again"
        ),
        Damage::Checksum => write!(
            f,
            "a checksum of the {name} data in {path} is wrong, after {offset} decompressed bytes: \
             bytes were changed since it was written; make or copy the file again"
        ),
        Damage::Trailing => write!(
            f,
            "behind the end of the {name} data in {path}, after {offset} decompressed bytes, stand \
             bytes that are none; make the file again, or cut them off"
        ),
        Damage::Window => write!(
            f,
            "{path} was compressed with a window of more than 128 MiB, which is not read; compress it again without \
             --long or --ultra: zstd -dc --long=31 {path} | zstd"
        ),
        Damage::Invalid if offset == 0 => write!(
            f,
            "{path} holds no {name} data, whatever its name says; give it the name of what it \
             holds, or make or copy the file again"
        ),
        Damage::Invalid => write!(
            f,
            "{path} is damaged: its {name} data cannot be decompressed after {offset} decompressed \
             bytes; make or copy the file again"
        ),
    }
}

impl From<RtError> for SourceError {
    fn from(error: RtError) -> Self {
        Self::Rt(error)
    }
}
