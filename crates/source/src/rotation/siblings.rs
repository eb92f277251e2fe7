//! Files beside a followed path: where a text is found again that was being read.
//!
//! Logs are renamed as they are rotated, and compressed. Of a compressed one only what has not been read is unpacked, into a
//! file without a name, which is read as the log would be.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tidemill_plan::Compression;
use tidemill_rt::{Backend, File, FileIdentity, fs};

use super::order::is_generation;
use crate::SourceError;
use crate::compressed::CompressedReads;
use crate::follow::fail;
use crate::identity::{COMPARED_BYTES, Identity};

/// How rotation compresses, by what it appends to a name.
const ENDINGS: [(&[u8], Compression); 4] = [
    (b".gz", Compression::Gzip),
    (b".zst", Compression::Zstd),
    (b".zstd", Compression::Zstd),
    (b".lz4", Compression::Lz4),
];

/// A file that may hold a text of the path.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) identity: FileIdentity,
    pub(super) compression: Compression,
    /// The path may have named it before it was renamed. One of others may only have been renamed from there, where the path
    /// is itself a name that rotation gives.
    pub(super) is_generation: bool,
}

/// What was found of a text.
pub(super) enum FoundText {
    /// It is in this file, open to be read from its start. What was read before is not there if it was unpacked.
    In(File, Sibling),
    Nowhere,
    /// Several files begin like it.
    Doubtful(Vec<PathBuf>),
}

/// What a path names, and the files beside it that may have had its name. Compressed ones are last.
pub(super) fn siblings(path: &Path) -> Result<Vec<Sibling>, SourceError> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, compression, is_generation| {
        // What has gone by now is not there.
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            let identity = FileIdentity::of(&metadata);
            found.push(Sibling { path, identity, compression, is_generation });
        }
    };
    add(path.to_owned(), Compression::None, true);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = match fs::read_dir(parent.unwrap_or(Path::new("."))) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(fail(path, "look beside", error)),
    };
    let own = path.file_name().unwrap_or_default().as_bytes();
    let root = root_of(own).map(|root| path.with_file_name(OsString::from_vec(root)));
    for entry in entries {
        let name = entry.map_err(|error| fail(path, "look beside", error))?.file_name();
        let name = name.as_bytes();
        let packed =
            ENDINGS.iter().find_map(|(end, how)| name.strip_suffix(*end).map(|stem| (stem, *how)));
        let (stem, compression) = packed.unwrap_or((name, Compression::None));
        let is_own = packed.is_some() && stem == own;
        let is_next = is_own || is_generation(path, stem);
        let is_of_chain =
            || root.as_ref().is_some_and(|root| stem != own && is_generation(root, stem));
        if is_next || is_of_chain() {
            let name = OsString::from_vec(name.to_vec());
            add(path.with_file_name(name), compression, is_next);
        }
    }
    found.sort_by(|a, b| {
        let rank = |it: &Sibling| (it.compression != Compression::None, it.path != path);
        (rank(a), &a.path).cmp(&(rank(b), &b.path))
    });
    Ok(found)
}

/// Whether a file beside a followed one bears a name that rotation makes of its name, compressed or not.
#[must_use]
pub fn is_rotation(of: &Path, path: &Path) -> bool {
    let (Some(own), Some(name)) = (of.file_name(), path.file_name()) else { return false };
    let name = name.as_bytes();
    let stem = ENDINGS.iter().find_map(|(end, _)| name.strip_suffix(*end)).unwrap_or(name);
    of.parent() == path.parent()
        && ((stem.len() < name.len() && stem == own.as_bytes()) || is_generation(of, stem))
}

/// The name from which rotation makes a name such as this: `app.log` of `app.log.1` and of `app.1.log`.
fn root_of(name: &[u8]) -> Option<Vec<u8>> {
    let without_number = |name: &[u8]| {
        let at = name.iter().rposition(|byte| b".-_".contains(byte))?;
        let digits = &name[at + 1..];
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        (at > 0 && is_number).then(|| name[..at].to_vec())
    };
    without_number(name).or_else(|| {
        let (stem, ending) = name.split_at(name.iter().rposition(|&byte| byte == b'.')?);
        without_number(stem).map(|stem| [&stem, ending].concat())
    })
}

/// Finds a text among these files, of which bytes from `kept_from` on are going to be read. Of one of which nothing was read only the file itself will do.
pub(super) async fn find(
    backend: Backend,
    identity: &Identity,
    siblings: &[Sibling],
    kept_from: u64,
) -> Result<FoundText, SourceError> {
    let is_plain = |it: &&Sibling| it.compression == Compression::None;
    let (hinted, others): (Vec<_>, Vec<_>) =
        siblings.iter().filter(is_plain).partition(|it| identity.is_hinted(&it.identity));
    for sibling in hinted {
        let found = match identity.mark {
            // Whatever is in it now, all of it comes.
            0 => opened(backend, sibling).await?,
            _ => same(backend, identity, sibling).await?,
        };
        if let Some(file) = found {
            return Ok(FoundText::In(file, sibling.clone()));
        }
    }
    if identity.byte_count == 0 {
        return Ok(FoundText::Nowhere);
    }
    let mut found = Vec::new();
    for sibling in others {
        found.extend(same(backend, identity, sibling).await?.map(|file| (file, sibling)));
    }
    if found.is_empty() {
        for sibling in siblings.iter().filter(|it| !is_plain(it)) {
            let file = match unpacked(backend, sibling, identity.mark, kept_from).await {
                Ok(file) => file,
                // It is not whole, or no such data: another file may hold the text.
                Err(SourceError::Corrupt { .. } | SourceError::WrongContent { .. }) => continue,
                Err(error) => return Err(error),
            };
            let difference = identity.difference(&file);
            if difference.map_err(|source| fail(&sibling.path, "read", source))?.is_none() {
                found.push((file, sibling));
            }
        }
    }
    let paths = || found.iter().map(|(_, sibling)| sibling.path.clone()).collect();
    match found.len() {
        0 | 1 => Ok(found
            .pop()
            .map_or(FoundText::Nowhere, |(file, sibling)| FoundText::In(file, sibling.clone()))),
        _ => Ok(FoundText::Doubtful(paths())),
    }
}

/// The file, if it holds the text.
async fn same(
    backend: Backend,
    identity: &Identity,
    sibling: &Sibling,
) -> Result<Option<File>, SourceError> {
    let Some(file) = opened(backend, sibling).await? else { return Ok(None) };
    let difference = identity.difference(&file);
    let difference = difference.map_err(|source| fail(&sibling.path, "read", source))?;
    Ok(difference.is_none().then_some(file))
}

/// The file, if it is still there.
async fn opened(backend: Backend, sibling: &Sibling) -> Result<Option<File>, SourceError> {
    match File::open(backend, &sibling.path).await {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(&sibling.path, "open", error)),
    }
}

/// A file without a name that has what a compressed one holds: its head, and from 4 KiB before the mark, or before
/// `kept_from` if that is less, to the end.
///
/// # Errors
/// What opening and decompressing say: [`SourceError::Corrupt`] also while it is being written.
///
/// # Cost
/// Decompresses all of it.
pub(super) async fn unpacked(
    backend: Backend,
    sibling: &Sibling,
    mark: u64,
    kept_from: u64,
) -> Result<File, SourceError> {
    let Sibling { path, compression, .. } = sibling;
    let Some(mut reads) = CompressedReads::open(backend, path, *compression, None).await? else {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(fail(path, "unpack", source));
    };
    let compared = u64::try_from(COMPARED_BYTES).expect("a few bytes");
    let wanted = mark.min(kept_from).saturating_sub(compared);
    let file = nameless(backend).await?;
    let mut bytes = vec![0; 256 << 10];
    let mut position = 0;
    loop {
        let count = reads.read(&mut bytes)?;
        if count == 0 {
            return Ok(file);
        }
        let end = position + u64::try_from(count).expect("a usize fits u64");
        let place = |at: u64| usize::try_from(at - position).expect("within what was read");
        for (from, to) in [(0, wanted.min(compared)), (wanted, u64::MAX)] {
            let (from, to) = (from.clamp(position, end), to.clamp(position, end));
            if from < to {
                let written = file.write_all_at(&bytes[place(from)..place(to)], from);
                written.map_err(|source| fail(path, "unpack", source))?;
            }
        }
        position = end;
    }
}

/// The first bytes of a file's text, at most so many; of a compressed one as many as come out.
///
/// # Errors
/// [`SourceError::Rt`] from open or read.
pub(super) async fn head_of(
    backend: Backend,
    sibling: &Sibling,
    byte_count: usize,
) -> Result<Vec<u8>, SourceError> {
    let (mut head, mut filled) = (vec![0; byte_count], 0);
    let Sibling { path, compression, .. } = sibling;
    match CompressedReads::open(backend, path, *compression, None).await? {
        Some(mut reads) => {
            while filled < byte_count {
                match reads.read(&mut head[filled..]) {
                    Ok(0) | Err(SourceError::Corrupt { .. } | SourceError::WrongContent { .. }) => {
                        break;
                    }
                    Ok(count) => filled += count,
                    Err(error) => return Err(error),
                }
            }
        }
        None => {
            let Some(file) = opened(backend, sibling).await? else { return Ok(Vec::new()) };
            while filled < byte_count {
                let at = u64::try_from(filled).expect("a usize fits u64");
                let read = file.read_at_blocking(&mut head[filled..], at);
                match read.map_err(|source| fail(path, "read", source))? {
                    0 => break,
                    count => filled += count,
                }
            }
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// In the place of a file that is gone: without a byte, a name, or anybody who writes to it.
pub(super) async fn empty(backend: Backend) -> Result<File, SourceError> {
    temporary(backend, true).await
}

/// A new file that no name leads to, among temporary ones.
async fn nameless(backend: Backend) -> Result<File, SourceError> {
    temporary(backend, false).await
}

async fn temporary(backend: Backend, is_read_only: bool) -> Result<File, SourceError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::temp_dir();
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("tidemill-unpacked-{}-{number}", std::process::id()));
        match File::create(backend, &path).await {
            Ok(mut file) => {
                if is_read_only {
                    let opened = File::open(backend, &path).await;
                    file = opened.map_err(|source| fail(&path, "open", source))?;
                }
                fs::remove_file(&path).map_err(|source| fail(&path, "remove", source))?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(fail(&path, "create", source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::root_of;

    #[test]
    fn names_that_rotation_gives_have_a_root() {
        let root = |name: &str| {
            root_of(name.as_bytes()).map(|root| String::from_utf8(root).unwrap_or_default())
        };
        assert_eq!(root("app.log.1").as_deref(), Some("app.log"));
        assert_eq!(root("app.1.log").as_deref(), Some("app.log"));
        assert_eq!(root("app-20240501.log").as_deref(), Some("app.log"));
        for name in ["app.log", "log", ".1", "app.log."] {
            assert_eq!(root(name), None, "{name}");
        }
    }
}
