//! What an output says of the job with state that writes it: a hidden file beside the results.
//!
//! State that is restored is held against it: state without its output, output of another job, and state that is older
//! than what has been published since are told apart by it. It is text, a word and a value a line; the last line sums the
//! others up.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use tidemill_rt::{FileIdentity, fs};

use crate::SinkError;
use crate::intent::{fnv, is_nothing};
use crate::names::is_result;
use crate::place::{Place, UNFINISHED, with_suffix};

/// First line of the form that this version writes, and the only one it reads.
const HEADER: &str = "tidemill job 1";

/// Bytes at most: those of some two million names.
const BYTES_MAX: u64 = 64 << 20;

/// Whose an output is, and how far it has been published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The job: hexadecimal digits.
    pub(crate) job: String,
    /// Number of the first segment of each partition: whatever has a lower one was there before the job.
    pub(crate) first_segment: u64,
    /// Names of earlier results that go with the first that the job publishes.
    pub(crate) earlier: Vec<String>,
    /// The same of one file.
    pub(crate) earlier_file: Option<Earlier>,
    /// How many segments of each writer have been given to be published.
    pub(crate) given: BTreeMap<u32, u64>,
}

/// What tells a file from another with its name, over a restart of the host: device numbers change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    inode: u64,
    byte_count: u64,
    modified_ns: i64,
}

impl Earlier {
    pub(crate) fn of(file: &FileIdentity) -> Self {
        let FileIdentity { inode, byte_count, modified_ns, .. } = *file;
        Self { inode, byte_count, modified_ns }
    }
}

impl Marker {
    /// The text of the file.
    pub(crate) fn encode(&self) -> String {
        use std::fmt::Write as _;
        let Self { job, first_segment, earlier, earlier_file, given } = self;
        let mut text = format!("{HEADER}\njob {job}\nfirst {first_segment}\n");
        for name in earlier {
            writeln!(text, "earlier {name}").expect("a string takes all");
        }
        if let Some(Earlier { inode, byte_count, modified_ns }) = earlier_file {
            writeln!(text, "replaces {inode} {byte_count} {modified_ns}")
                .expect("a string takes all");
        }
        for (writer, count) in given {
            writeln!(text, "given {writer} {count}").expect("a string takes all");
        }
        let sum = fnv(text.as_bytes());
        writeln!(text, "sum {sum:016x}").expect("a string takes all");
        text
    }

    /// Reads the text of a file. Of names only those of results with this prefix pass.
    pub(crate) fn decode(text: &str, prefix: &str) -> Result<Self, &'static str> {
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
        let mut marker = Self::default();
        for line in lines {
            let (word, value) = line.split_once(' ').ok_or("a line of it has no value")?;
            let number = |text: &str| text.parse().map_err(|_| "a number in it cannot be read");
            match word {
                "job" => value.clone_into(&mut marker.job),
                "first" => marker.first_segment = number(value)?,
                "earlier" if is_result(prefix, value) => marker.earlier.push(value.to_owned()),
                "earlier" => return Err("a name in it is none of a result"),
                "replaces" => {
                    let fields: Vec<&str> = value.split(' ').collect();
                    let [inode, bytes, modified] = fields[..] else {
                        return Err("a line of it has too many or too few values");
                    };
                    let modified_ns =
                        modified.parse().map_err(|_| "a number in it cannot be read")?;
                    let (inode, byte_count) = (number(inode)?, number(bytes)?);
                    marker.earlier_file = Some(Earlier { inode, byte_count, modified_ns });
                }
                "given" => {
                    let (writer, count) =
                        value.split_once(' ').ok_or("a line of it has no value")?;
                    let writer = writer.parse().map_err(|_| "a number in it cannot be read")?;
                    marker.given.insert(writer, number(count)?);
                }
                _ => return Err("a line of it is unknown"),
            }
        }
        if marker.job.is_empty() {
            return Err("it says nothing of a job");
        }
        Ok(marker)
    }

    /// The marker of a place, if there is one.
    pub(crate) fn read(place: &Place, prefix: &str) -> Result<Option<Self>, SinkError> {
        let path = place.marker(prefix);
        let damaged = |reason| SinkError::Marker { path: path.clone(), reason };
        let failed = |error| SinkError::of(&path, "read", error);
        // Whatever lies there, opening it neither leads elsewhere nor waits for anybody.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            // A file that stands where a directory was looked for has no marker in it either.
            Err(error) if is_nothing(&error) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(damaged("it is a link"));
            }
            Err(error) => return Err(failed(error)),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(damaged("it is not a regular file"));
        }
        let mut text = String::new();
        match file.take(BYTES_MAX + 1).read_to_string(&mut text) {
            Ok(_) => Self::decode(&text, prefix).map(Some).map_err(damaged),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(damaged("it is no text"))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes it in place of the one before; where that is asked for, durable once the directory is flushed.
    pub(crate) fn write(
        &self,
        place: &Place,
        prefix: &str,
        is_durable: bool,
    ) -> Result<(), SinkError> {
        let path = place.marker(prefix);
        let written = write_over(&path, &self.encode(), is_durable);
        written.map_err(|error| SinkError::of(path, "write", error))
    }
}

fn write_over(path: &Path, text: &str, is_durable: bool) -> io::Result<()> {
    let unfinished = with_suffix(path, UNFINISHED.trim_start_matches('.'));
    // A link that somebody has put there would lead to a file that is not ours.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::create_new(&unfinished)?;
    file.write_all(text.as_bytes())?;
    if is_durable {
        file.sync_all()?;
    }
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    fn marker() -> Marker {
        Marker {
            job: "00ff".to_owned(),
            first_segment: 12,
            earlier: vec![
                "part-00000-000003.csv".to_owned(),
                "a=1/part-00001-000000.csv".to_owned(),
            ],
            earlier_file: Some(Earlier { inode: 7, byte_count: 8, modified_ns: -9 }),
            given: [(0, 3), (u32::MAX, u64::MAX)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        let place = Place::Directory(root.path().to_owned());
        assert_eq!(Marker::read(&place, "part-").unwrap(), None);
        for marker in [Marker { job: "1".to_owned(), ..Marker::default() }, marker()] {
            marker.write(&place, "part-", true).unwrap();
            assert_eq!(Marker::read(&place, "part-").unwrap(), Some(marker));
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_is_damaged_is_no_marker() {
        let text = marker().encode();
        for end in 0..text.len() {
            assert!(Marker::decode(&text[..end], "part-").is_err(), "{end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Marker::decode(std::str::from_utf8(&bytes).unwrap(), "part-").is_err(), "{at}");
        }
        let foreign = Marker { earlier: vec!["../notes".to_owned()], ..marker() };
        assert_eq!(
            Marker::decode(&foreign.encode(), "part-").unwrap_err(),
            "a name in it is none of a result"
        );
        let root = tempfile::tempdir().unwrap();
        let place = Place::Directory(root.path().to_owned());
        std::os::unix::fs::symlink("elsewhere", place.marker("part-")).unwrap();
        assert!(matches!(Marker::read(&place, "part-"), Err(SinkError::Marker { .. })));
    }
}
