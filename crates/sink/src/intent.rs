//! What a job is about to publish, written down beforehand, so that whoever comes next can go on with it.
//!
//! Several renames and removals are not one step. Before the first of them the intent is made durable in the
//! first directory of the wave, its *home*: from then on the wave counts as published. Every other directory of the
//! wave has an intent of its own before that, which names the home. Who opens one of the directories completes the
//! wave: results are then the old ones or the new ones, whole; meanwhile a reader may see both. An intent whose
//! home knows nothing of the wave was never meant, or has been done, and goes. In turn, nothing is touched in a
//! directory that has no intent of the wave itself: its part has been done. A directory that is not there says
//! neither, so all waits for it.
//!
//! The file is text, a word and a value a line; the last line sums the others up. Readers of results do
//! not see it, because its name is hidden.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tidemill_rt::{rename_to_free, sync_directory};

use crate::SinkError;
use crate::directory::lock;
use crate::finished::open_name;
use crate::names::parse;

/// Name of an intent in its directory.
pub(crate) const INTENT: &str = ".tidemill-publish";

/// Name of one that is being written; it says nothing.
pub(crate) const UNFINISHED_INTENT: &str = ".tidemill-publish.tmp";

/// Bytes of an intent at most: those of some two million names.
pub(crate) const INTENT_BYTES_MAX: usize = 64 << 20;

/// First line of the form that this version writes, and the only one it reads.
const HEADER: &str = "tidemill publishes 1";

/// What is to be published in the directories of a wave, as one of them knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Names the wave, among all of all time.
    pub(crate) wave: String,
    /// Which section is that of the directory where this intent lies.
    pub(crate) own: usize,
    /// The first is the home's. At home there is one for each directory; elsewhere the home's, without names,
    /// and its own.
    pub(crate) sections: Vec<Section>,
}

/// What is to be published in one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// Absolute path.
    pub(crate) directory: PathBuf,
    /// First part of all names in it.
    pub(crate) prefix: String,
    /// Final names of segments.
    pub(crate) publish: Vec<String>,
    /// Names of earlier results that go.
    pub(crate) remove: Vec<String>,
}

impl Intent {
    /// The text of the file.
    pub(crate) fn encode(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("{HEADER}\nwave {}\nown {}\n", self.wave, self.own);
        for Section { directory, prefix, publish, remove } in &self.sections {
            text.push_str("directory ");
            for &byte in directory.as_os_str().as_bytes() {
                match byte {
                    b'%' | b'\0'..=b' ' | 0x7f.. => {
                        write!(text, "%{byte:02x}").expect("a string takes all");
                    }
                    plain => text.push(char::from(plain)),
                }
            }
            write!(text, "\nprefix {prefix}\n").expect("a string takes all");
            for (word, names) in [("publish", publish), ("remove", remove)] {
                for name in names {
                    writeln!(text, "{word} {name}").expect("a string takes all");
                }
            }
        }
        let sum = fnv(text.as_bytes());
        writeln!(text, "sum {sum:016x}").expect("a string takes all");
        text
    }

    /// Reads the text of a file. Only names of segments pass, so that no text makes us touch anything else.
    pub(crate) fn decode(text: &str) -> Result<Self, &'static str> {
        let body =
            text.len().checked_sub("sum 0123456789abcdef\n".len()).ok_or("it is cut short")?;
        let (body, sum) = text.split_at_checked(body).ok_or("its sum is not that of its text")?;
        if sum != format!("sum {:016x}\n", fnv(body.as_bytes())) {
            return Err("its sum is not that of its text");
        }
        let mut lines = body.lines();
        if lines.next() != Some(HEADER) {
            return Err("another version of Tidemill wrote it");
        }
        let mut intent = Self { wave: String::new(), own: 0, sections: Vec::new() };
        for line in lines {
            let (word, value) = line.split_once(' ').ok_or("a line of it has no value")?;
            match (word, intent.sections.last_mut()) {
                ("wave", None) => value.clone_into(&mut intent.wave),
                ("own", None) => {
                    intent.own = value.parse().map_err(|_| "a number in it cannot be read")?
                }
                ("directory", _) => intent.sections.push(Section {
                    directory: path(value)
                        .filter(|path| path.is_absolute())
                        .ok_or("a path in it is not absolute")?,
                    prefix: String::new(),
                    publish: Vec::new(),
                    remove: Vec::new(),
                }),
                ("prefix", Some(section)) => value.clone_into(&mut section.prefix),
                ("publish" | "remove", Some(section)) => {
                    let is_ours = parse(&section.prefix, value).is_some_and(|name| !name.is_open);
                    if !is_ours || value.contains('/') {
                        return Err("a name in it is none of a segment");
                    }
                    let names =
                        if word == "publish" { &mut section.publish } else { &mut section.remove };
                    names.push(value.to_owned());
                }
                _ => return Err("a line of it is unknown"),
            }
        }
        if intent.own >= intent.sections.len() {
            return Err("it says nothing of its own directory");
        }
        Ok(intent)
    }

    /// The intent in a directory, if there is one.
    fn read(directory: &Path) -> Result<Option<Self>, SinkError> {
        let path = directory.join(INTENT);
        let damaged = |reason| SinkError::Intent { path: path.clone(), reason };
        let failed = |error| SinkError::of(&path, "read", error);
        // Whatever lies there, opening it neither leads elsewhere nor waits for anybody.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(error) => {
                return Err(match error.raw_os_error() {
                    Some(libc::ELOOP) => damaged("it is a link"),
                    Some(libc::ENXIO) => damaged("it is not a regular file"),
                    _ => failed(error),
                });
            }
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(damaged("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(INTENT_BYTES_MAX).expect("a usize fits u64");
        file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > INTENT_BYTES_MAX {
            return Err(damaged("it is longer than any that Tidemill writes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        Self::decode(&text).map(Some).map_err(damaged)
    }
}

/// Completes what was about to be published in a directory, whose lock the caller has.
///
/// # Errors
/// An intent that cannot be read, a directory of the wave that is not there, a name that something else has taken,
/// and what the system said. All stays as it is then, to be tried again.
pub(crate) fn roll_forward(directory: &Path) -> Result<(), SinkError> {
    let unfinished = directory.join(UNFINISHED_INTENT);
    // A file system that is read-only refuses to remove what is not there, too.
    if fs::symlink_metadata(&unfinished).is_ok() {
        remove(&unfinished)?;
    }
    let Some(intent) = Intent::read(directory)? else { return Ok(()) };
    if intent.own == 0 {
        return roll_home_forward(directory, &intent);
    }
    let home = &intent.sections[0].directory;
    must_be_there(home, directory)?;
    let is_meant =
        Intent::read(home)?.is_some_and(|known| known.own == 0 && known.wave == intent.wave);
    if is_meant {
        settle(directory, &intent.sections[intent.own])?;
    }
    forget(directory)?;
    // The rest of the wave, unless somebody is at work there.
    match lock(home) {
        Ok(Some(_locked)) if is_meant => roll_forward(home),
        _ => Ok(()),
    }
}

fn roll_home_forward(home: &Path, intent: &Intent) -> Result<(), SinkError> {
    for section in &intent.sections[1..] {
        must_be_there(&section.directory, home)?;
    }
    for section in &intent.sections[1..] {
        let directory = &section.directory;
        if let Some(_locked) = lock(directory)? {
            // Else its part has been done, and what has these names now is not of this wave.
            if knows(directory, &intent.wave)? {
                settle(directory, section)?;
                forget(directory)?;
            }
        } else if knows(directory, &intent.wave)? {
            // Whoever has opened it is completing it at this moment.
            return Err(SinkError::Locked { path: directory.clone() });
        }
    }
    settle(home, &intent.sections[0])?;
    forget(home)
}

/// Refuses to go on with an intent while another directory of its wave is not there: it may have been moved, or its
/// disk not be mounted.
fn must_be_there(other: &Path, directory: &Path) -> Result<(), SinkError> {
    match fs::metadata(other) {
        Ok(found) if found.is_dir() => Ok(()),
        Err(error) if !is_nothing(&error) => Err(SinkError::of(other, "look at", error)),
        _ => {
            Err(SinkError::Missing { directory: other.to_owned(), intent: directory.join(INTENT) })
        }
    }
}

fn knows(directory: &Path, wave: &str) -> Result<bool, SinkError> {
    Ok(Intent::read(directory)?.is_some_and(|intent| intent.wave == wave))
}

/// Does what a section says, as far as it has not been done. A segment that is neither open nor published was
/// taken by whom it was for.
fn settle(directory: &Path, section: &Section) -> Result<(), SinkError> {
    for name in &section.publish {
        let segment = directory.join(name);
        match rename_to_free(&open_name(&segment), &segment) {
            Err(error) if !is_nothing(&error) => {
                return Err(SinkError::of(segment, "publish", error));
            }
            _ => {}
        }
    }
    sync(directory)?;
    for name in &section.remove {
        remove(&directory.join(name))?;
    }
    sync(directory)
}

/// Removes the intent of a directory.
fn forget(directory: &Path) -> Result<(), SinkError> {
    remove(&directory.join(INTENT))?;
    sync(directory)
}

pub(crate) fn sync(directory: &Path) -> Result<(), SinkError> {
    sync_directory(directory).map_err(|error| SinkError::of(directory, "sync", error))
}

/// Removes a file that may have gone already.
pub(crate) fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if !is_nothing(&error) => Err(SinkError::of(path, "remove", error)),
        _ => Ok(()),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A path from its text.
fn path(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).ok()?
            }
            plain => *plain,
        });
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn intent() -> Intent {
        let section = |directory: &[u8], publish: &[&str], remove: &[&str]| Section {
            directory: PathBuf::from(std::ffi::OsString::from_vec(directory.to_vec())),
            prefix: "part-".to_owned(),
            publish: publish.iter().map(|&name| name.to_owned()).collect(),
            remove: remove.iter().map(|&name| name.to_owned()).collect(),
        };
        Intent {
            wave: "1-2-3".to_owned(),
            own: 1,
            sections: vec![
                section(b"/home of\nresults/100%/\xff", &[], &[]),
                section(b"/out", &["part-00000-000001.csv"], &["part-00000-000000.csv"]),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Intent::decode(&intent().encode()).unwrap(), intent());
        // Test vectors of its authors.
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_is_damaged_is_no_intent() {
        let text = intent().encode();
        for end in 0..text.len() {
            assert!(Intent::decode(&text[..end]).is_err(), "{end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Intent::decode(std::str::from_utf8(&bytes).unwrap()).is_err(), "{at}");
        }
    }

    #[test]
    fn a_path_that_depends_on_where_a_job_runs_is_refused() {
        for relative in ["", "out", "./out", "../out"] {
            let mut intent = intent();
            intent.sections[0].directory = PathBuf::from(relative);
            let reason = Intent::decode(&intent.encode()).unwrap_err();
            assert_eq!(reason, "a path in it is not absolute", "{relative}");
        }
    }

    #[test]
    fn nothing_but_segments_is_touched() {
        for name in [
            "notes",
            "../part-00000-000000.csv",
            "part-00000-000000.csv.open",
            "dead-00000-000000.jsonl",
        ] {
            let mut intent = intent();
            intent.sections[1].remove.push(name.to_owned());
            assert!(Intent::decode(&intent.encode()).is_err(), "{name}");
        }
    }
}
