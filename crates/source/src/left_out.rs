//! Names in a directory that do not stand for data, and what is said of those that might.
//!
//! Markers and checksums that writers of datasets leave beside the data (Hadoop, Spark, Hive, Delta, Iceberg,
//! Hudi, macOS, Windows) are passed over in silence. So is what is hidden, and what sinks of ours have open.
//! Of other names that are left out a person is told, because the file may be meant.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tidemill_rt::fs;

use crate::glob::Pattern;

/// Names that are markers as a whole.
const MARKERS: &[&str] = &[
    "_SUCCESS",
    "_FAILURE",
    "_metadata",
    "_common_metadata",
    "_committed_vacuum",
    "_last_checkpoint",
    "Thumbs.db",
    "desktop.ini",
];
/// Starts of names that are markers where the number of a transaction follows: what Databricks leaves.
const NUMBERED_MARKERS: &[&str] = &["_started_", "_committed_", "_committed_vacuum"];
/// Directories in which nothing is data of the directory that they stand in.
const MARKER_DIRECTORIES: &[&str] =
    &["_delta_log", "_temporary", "_spark_metadata", "_change_data", "_delta_index", "__MACOSX"];
/// Endings of names that somebody is still writing.
const UNFINISHED: &[&str] =
    &[".open", ".tmp", "._COPYING_", ".crdownload", ".partial", ".filepart", ".inprogress"];
/// Endings of copies that editors keep.
const BACKUPS: &[&str] = &["~", ".bak", ".orig", ".swp", ".swo"];
/// Of a checksum beside the file that it is of.
const CHECKSUM: &str = ".crc";
/// Our own: of a segment that is being written.
const OPEN: &str = ".open";

/// Whether a file stands for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Data,
    /// It does not, and nobody takes it for data.
    Marker,
    /// It does not, by its name; somebody might think that it does.
    Doubtful,
}

/// Says whether a file in a directory stands for data. `pattern` is what found it, where that was one
/// and not the directory as a whole: what it spells out, it means.
pub(crate) fn standing(directory: &Path, name: &OsStr, pattern: Option<&Pattern>) -> Standing {
    let bytes = name.as_bytes();
    let starts = |start: &str| {
        bytes.starts_with(start.as_bytes()) && !pattern.is_some_and(|p| p.spells(start, false))
    };
    let ends = |ending: &str| {
        bytes.ends_with(ending.as_bytes()) && !pattern.is_some_and(|p| p.spells(ending, true))
    };
    let is_named = MARKERS.iter().any(|marker| bytes == marker.as_bytes());
    let is_marker = is_named || is_numbered_marker(bytes);
    if is_marker && !pattern.is_some_and(|p| p.spells("_", false)) {
        return Standing::Marker;
    }
    if pattern.is_none() && starts(".") {
        return Standing::Marker;
    }
    if ends(OPEN) {
        return Standing::Marker;
    }
    if ends(CHECKSUM) {
        let of = OsStr::from_bytes(&bytes[..bytes.len() - CHECKSUM.len()]);
        let is_beside = fs::symlink_metadata(directory.join(of)).is_ok();
        return if is_beside { Standing::Marker } else { Standing::Doubtful };
    }
    let is_backup = BACKUPS.iter().any(|ending| ends(ending))
        || (starts("#") && bytes.len() > 1 && bytes.ends_with(b"#"));
    if is_backup || UNFINISHED.iter().any(|ending| ends(ending)) {
        return Standing::Doubtful;
    }
    // A pattern says which names it takes.
    if pattern.is_none() && starts("_") { Standing::Doubtful } else { Standing::Data }
}

fn is_numbered_marker(name: &[u8]) -> bool {
    let number = |start: &&str| name.strip_prefix(start.as_bytes());
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    NUMBERED_MARKERS.iter().filter_map(number).any(is_number)
}

/// Whether `**` goes into a directory of this name.
pub(crate) fn may_hold_data(name: &OsStr) -> bool {
    let is_marker = MARKER_DIRECTORIES.iter().any(|marker| name == *marker);
    !is_marker && !name.as_bytes().starts_with(b".")
}

/// Paths of which a person is told a few.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    paths: Vec<PathBuf>,
}

impl Examples {
    /// Named in a message.
    const NAMED_MAX: usize = 3;

    pub(crate) fn add(&mut self, path: PathBuf) {
        self.paths.push(path);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.paths.len()
    }

    /// The first of them in order of their bytes.
    pub(crate) fn named(&self) -> String {
        let mut paths: Vec<&PathBuf> = self.paths.iter().collect();
        paths.sort_unstable_by_key(|path| path.as_os_str().as_bytes());
        let named = paths.iter().take(Self::NAMED_MAX).map(|path| shown(path));
        let more = if paths.len() > Self::NAMED_MAX { ", …" } else { "" };
        named.collect::<Vec<_>>().join(", ") + more
    }
}

/// A path on one line, whatever characters it has.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.contains(char::is_control) {
        text.escape_debug().to_string()
    } else {
        text.into_owned()
    }
}
