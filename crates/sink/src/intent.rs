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

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tidemill_rt::{fs, rename_to_free, sync_directory};

use crate::SinkError;
use crate::names::{is_result, parse_part_numbers};
use crate::place::Place;

/// Bytes of an intent at most: those of some two million names.
pub(crate) const INTENT_BYTES_MAX: usize = 64 << 20;

/// First line of the form that this version writes, and the only one it reads.
const HEADER: &str = "tidemill publishes 1";

/// What is to be published at the places of a wave, as one of them knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Names the wave, among all of all time.
    pub(crate) wave: String,
    /// Which section is that of the place where this intent lies.
    pub(crate) own: usize,
    /// The first is the home's. At home there is one for each place; elsewhere the home's, without names,
    /// and its own.
    pub(crate) sections: Vec<Section>,
}

/// What is to be published at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// With its absolute path.
    pub(crate) place: Place,
    /// First part of all names in a directory; empty of a file.
    pub(crate) prefix: String,
    /// Final names of segments; of a file the numbers of its part, if nothing has its name.
    pub(crate) publish: Vec<String>,
    /// The numbers of a file's part that takes the place of an earlier result.
    pub(crate) replace: Vec<String>,
    /// Names of earlier results that go.
    pub(crate) remove: Vec<String>,
}

impl Intent {
    /// The text of the file.
    pub(crate) fn encode(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("{HEADER}\nwave {}\nown {}\n", self.wave, self.own);
        for Section { place, prefix, publish, replace, remove } in &self.sections {
            text.push_str(match place {
                Place::Directory(_) => "directory ",
                Place::File(_) => "file ",
            });
            for &byte in place.path().as_os_str().as_bytes() {
                match byte {
                    b'%' | b'\0'..=b' ' | 0x7f.. => {
                        write!(text, "%{byte:02x}").expect("a string takes all");
                    }
                    plain => text.push(char::from(plain)),
                }
            }
            text.push('\n');
            if let Place::Directory(_) = place {
                writeln!(text, "prefix {prefix}").expect("a string takes all");
            }
            for (word, names) in [("publish", publish), ("replace", replace), ("remove", remove)] {
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
                ("directory" | "file", _) => {
                    let path = path(value).filter(|path| path.is_absolute());
                    let path = path.ok_or("a path in it is not absolute")?;
                    intent.sections.push(Section::empty(match word {
                        "file" => Place::File(path),
                        _ => Place::Directory(path),
                    }));
                }
                ("prefix", Some(section)) => value.clone_into(&mut section.prefix),
                ("publish" | "replace" | "remove", Some(section)) => section.add(word, value)?,
                _ => return Err("a line of it is unknown"),
            }
        }
        if intent.own >= intent.sections.len() {
            return Err("it says nothing of its own place");
        }
        Ok(intent)
    }

    /// The intent of a place, if there is one.
    fn read(place: &Place) -> Result<Option<Self>, SinkError> {
        let path = place.intent();
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

impl Section {
    /// Of a place where nothing happens.
    pub(crate) fn empty(place: Place) -> Self {
        let prefix = String::new();
        Self { place, prefix, publish: Vec::new(), replace: Vec::new(), remove: Vec::new() }
    }

    /// Whether nothing happens there.
    pub(crate) fn is_empty(&self) -> bool {
        [&self.publish, &self.replace, &self.remove].into_iter().all(Vec::is_empty)
    }

    /// The same where the place is now.
    pub(crate) fn at(&self, place: &Place) -> Self {
        Self { place: place.clone(), ..self.clone() }
    }

    /// Takes what a line says, if it is a name of ours.
    fn add(&mut self, word: &str, name: &str) -> Result<(), &'static str> {
        let is_ours = match (&self.place, word) {
            (Place::Directory(_), "publish" | "remove") => is_result(&self.prefix, name),
            (Place::File(_), "publish" | "replace") => parse_part_numbers(name).is_some(),
            _ => false,
        };
        if !is_ours {
            return Err("a name in it is none of a segment");
        }
        let names = match word {
            "publish" => &mut self.publish,
            "replace" => &mut self.replace,
            _ => &mut self.remove,
        };
        names.push(name.to_owned());
        Ok(())
    }

    /// Does what the section says, as far as it has not been done. A segment that is neither open nor published
    /// was taken by whom it was for.
    fn settle(&self) -> Result<(), SinkError> {
        let directory = self.place.directory();
        for (name, is_free) in names(&self.publish, true).chain(names(&self.replace, false)) {
            let (open, whole) = self.place.names(name);
            let renamed =
                if is_free { rename_to_free(&open, &whole) } else { fs::rename(&open, &whole) };
            match renamed {
                Err(error) if !is_nothing(&error) => {
                    return Err(SinkError::of(whole, "publish", error));
                }
                _ => {}
            }
        }
        self.directories().iter().try_for_each(|directory| sync_if_there(directory))?;
        for name in &self.remove {
            remove(&directory.join(name))?;
        }
        self.directories().iter().try_for_each(|directory| sync_if_there(directory))?;
        self.emptied().iter().for_each(|folder| remove_if_empty(folder));
        Ok(())
    }

    /// Every directory whose names change, the outer ones first.
    pub(crate) fn directories(&self) -> Vec<PathBuf> {
        let root = self.place.directory();
        let mut all = vec![root.to_owned()];
        all.extend(self.folders(self.publish.iter().chain(&self.remove)));
        all
    }

    /// Folders by value in which results are removed, the inner ones first. They go if nothing is left in them.
    pub(crate) fn emptied(&self) -> Vec<PathBuf> {
        let mut folders = self.folders(self.remove.iter());
        folders.reverse();
        folders
    }

    fn folders<'a>(&self, names: impl Iterator<Item = &'a String>) -> Vec<PathBuf> {
        let mut folders = BTreeSet::new();
        let mut before = "";
        for name in names {
            let Some((folder, _)) = name.rsplit_once('/') else { continue };
            if folder == before {
                continue;
            }
            before = folder;
            let ancestors = Path::new(folder).ancestors();
            folders.extend(ancestors.filter(|path| !path.as_os_str().is_empty()));
        }
        let root = self.place.directory();
        // A folder sorts before what it holds.
        folders.into_iter().map(|folder: &Path| root.join(folder)).collect()
    }
}

fn names(names: &[String], is_free: bool) -> impl Iterator<Item = (&str, bool)> {
    names.iter().map(move |name| (name.as_str(), is_free))
}

/// Completes what was about to be published at a place, whose lock the caller has.
///
/// # Errors
/// An intent that cannot be read, a directory of the wave that is not there, a name that something else has taken,
/// and what the system said. All stays as it is then, to be tried again.
pub(crate) fn roll_forward(place: &Place) -> Result<(), SinkError> {
    let unfinished = place.unfinished_intent();
    // A file system that is read-only refuses to remove what is not there, too.
    if fs::symlink_metadata(&unfinished).is_ok() {
        remove(&unfinished)?;
    }
    let Some(intent) = Intent::read(place)? else { return Ok(()) };
    if intent.own == 0 {
        return roll_home_forward(place, &intent);
    }
    let home = &intent.sections[0].place;
    must_be_there(home, place)?;
    let is_meant =
        Intent::read(home)?.is_some_and(|known| known.own == 0 && known.wave == intent.wave);
    if is_meant {
        intent.sections[intent.own].at(place).settle()?;
    }
    forget(place)?;
    // The rest of the wave, unless somebody is at work there.
    match home.lock() {
        Ok(Some(_locked)) if is_meant => roll_forward(home),
        _ => Ok(()),
    }
}

fn roll_home_forward(home: &Place, intent: &Intent) -> Result<(), SinkError> {
    for section in &intent.sections[1..] {
        must_be_there(&section.place, home)?;
    }
    for section in &intent.sections[1..] {
        let place = &section.place;
        if let Some(_locked) = place.lock()? {
            // Else its part has been done, and what has these names now is not of this wave.
            if knows(place, &intent.wave)? {
                section.settle()?;
                forget(place)?;
            }
        } else if knows(place, &intent.wave)? {
            // Whoever has opened it is completing it at this moment.
            return Err(SinkError::Locked { path: place.path().to_owned() });
        }
    }
    intent.sections[0].at(home).settle()?;
    forget(home)
}

/// Refuses to go on with an intent while another directory of its wave is not there: it may have been moved, or its
/// disk not be mounted.
fn must_be_there(other: &Place, place: &Place) -> Result<(), SinkError> {
    let directory = other.directory();
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Err(error) if !is_nothing(&error) => Err(SinkError::of(directory, "look at", error)),
        _ => {
            let directory = directory.to_owned();
            Err(SinkError::Missing { directory, intent: place.intent() })
        }
    }
}

fn knows(place: &Place, wave: &str) -> Result<bool, SinkError> {
    Ok(Intent::read(place)?.is_some_and(|intent| intent.wave == wave))
}

/// Removes the intent of a place.
fn forget(place: &Place) -> Result<(), SinkError> {
    remove(&place.intent())?;
    sync(place.directory())
}

pub(crate) fn sync(directory: &Path) -> Result<(), SinkError> {
    sync_directory(directory).map_err(|error| SinkError::of(directory, "sync", error))
}

/// The same of a folder that whoever came before may have removed.
fn sync_if_there(directory: &Path) -> Result<(), SinkError> {
    match sync_directory(directory) {
        Err(error) if !is_nothing(&error) => Err(SinkError::of(directory, "sync", error)),
        _ => Ok(()),
    }
}

/// Removes a folder that nothing is left in; another one stays.
pub(crate) fn remove_if_empty(folder: &Path) {
    // It says nothing to a reader, and the next job may use it.
    let _ = fs::remove_dir(folder);
}

/// Removes a file that may have gone already.
pub(crate) fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if !is_nothing(&error) => Err(SinkError::of(path, "remove", error)),
        _ => Ok(()),
    }
}

/// Whether something has a name. What the system cannot say is no answer: a result would be taken for one that is gone.
pub(crate) fn is_there(path: &Path) -> Result<bool, SinkError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_nothing(&error) => Ok(false),
        Err(error) => Err(SinkError::of(path, "look at", error)),
    }
}

pub(crate) fn is_nothing(error: &io::Error) -> bool {
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
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn intent() -> Intent {
        let path = |path: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let home = Place::Directory(path(b"/home of\nresults/100%/\xff"));
        let out = Place::Directory(path(b"/out"));
        let [file, other] = [b"/out/o 1.csv", b"/out/o\n2.csv"].map(|name| Place::File(path(name)));
        let prefix = "part-".to_owned();
        Intent {
            wave: "1-2-3".to_owned(),
            own: 1,
            sections: vec![
                Section { prefix: prefix.clone(), ..Section::empty(home) },
                Section {
                    prefix,
                    publish: own(&["part-00000-000001.csv"]),
                    remove: own(&["part-00000-000000.csv"]),
                    ..Section::empty(out)
                },
                Section { publish: own(&["00000-000000"]), ..Section::empty(file) },
                Section { replace: own(&["00000-000012"]), ..Section::empty(other) },
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
            intent.sections[0].place = Place::Directory(PathBuf::from(relative));
            let reason = Intent::decode(&intent.encode()).unwrap_err();
            assert_eq!(reason, "a path in it is not absolute", "{relative}");
        }
    }

    #[test]
    fn nothing_but_segments_is_touched() {
        let refused = |section: usize, change: fn(&mut Section, String), names: &[&str]| {
            for name in names {
                let mut intent = intent();
                change(&mut intent.sections[section], (*name).to_owned());
                assert!(Intent::decode(&intent.encode()).is_err(), "{name}");
            }
        };
        let others = [
            "notes",
            "../part-00000-000000.csv",
            "part-00000-000000.csv.open",
            "dead-00000-000000.jsonl",
            "00000-000000",
        ];
        refused(1, |section, name| section.remove.push(name), &others);
        refused(1, |section, name| section.publish.push(name), &others);
        refused(1, |section, name| section.replace.push(name), &["part-00000-000000.csv"]);
        let others = ["notes", "/../x.00000-000000", "00000-000000.open", "part-00000-000000.csv"];
        refused(2, |section, name| section.publish.push(name), &others);
        refused(2, |section, name| section.replace.push(name), &others);
        refused(2, |section, name| section.remove.push(name), &["00000-000000"]);
    }
}
