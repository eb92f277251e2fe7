//! Files beside a followed path: where a text is found again that was being read.
//!
//! Logs are renamed as they are rotated, and compressed. Of a compressed one only what has not been read is unpacked, into a
//! file without a name, which is read as the log would be.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tidemill_plan::Compression;
use tidemill_rt::{Backend, File, FileIdentity};

use super::is_generation;
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
    let mut add = |path: PathBuf, compression| {
        // What has gone by now is not there.
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            found.push(Sibling { path, identity: FileIdentity::of(&metadata), compression });
        }
    };
    add(path.to_owned(), Compression::None);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = match fs::read_dir(parent.unwrap_or(Path::new("."))) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(fail(path, "look beside", error)),
    };
    let own = path.file_name().unwrap_or_default().as_bytes();
    for entry in entries {
        let name = entry.map_err(|error| fail(path, "look beside", error))?.file_name();
        let name = name.as_bytes();
        let packed =
            ENDINGS.iter().find_map(|(end, how)| name.strip_suffix(*end).map(|stem| (stem, *how)));
        let (stem, compression) = packed.unwrap_or((name, Compression::None));
        let is_own = packed.is_some() && stem == own;
        if is_own || is_generation(path, stem) {
            let name = std::ffi::OsString::from_vec(name.to_vec());
            add(path.with_file_name(name), compression);
        }
    }
    found.sort_by(|a, b| {
        let rank = |it: &Sibling| (it.compression != Compression::None, it.path != path);
        (rank(a), &a.path).cmp(&(rank(b), &b.path))
    });
    Ok(found)
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
        if let Some(file) = same(backend, identity, sibling).await? {
            return Ok(FoundText::In(file, sibling.clone()));
        }
    }
    if identity.mark == 0 {
        return Ok(FoundText::Nowhere);
    }
    let mut found = Vec::new();
    for sibling in others {
        found.extend(same(backend, identity, sibling).await?.map(|file| (file, sibling)));
    }
    if found.is_empty() {
        for sibling in siblings.iter().filter(|it| !is_plain(it)) {
            let Some(file) = unpacked(backend, sibling, identity.mark, kept_from).await? else {
                continue;
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
    let file = match File::open(backend, &sibling.path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(&sibling.path, "open", error)),
    };
    let difference = identity.difference(&file);
    let difference = difference.map_err(|source| fail(&sibling.path, "read", source))?;
    Ok(difference.is_none().then_some(file))
}

/// A file without a name that has what a compressed one holds: its head, and from 4 KiB before the mark, or before
/// `kept_from` if that is less, to the end. `None` if it
/// does not decompress that far, as while it is being written.
///
/// # Cost
/// Decompresses all of it.
pub(super) async fn unpacked(
    backend: Backend,
    sibling: &Sibling,
    mark: u64,
    kept_from: u64,
) -> Result<Option<File>, SourceError> {
    let opened = CompressedReads::open(backend, &sibling.path, sibling.compression, None).await;
    let Ok(Some(mut reads)) = opened else { return Ok(None) };
    let compared = u64::try_from(COMPARED_BYTES).expect("a few bytes");
    let wanted = mark.min(kept_from).saturating_sub(compared);
    let file = nameless(backend).await?;
    let mut bytes = vec![0; 256 << 10];
    let mut position = 0;
    loop {
        let Ok(count) = reads.read(&mut bytes) else { return Ok(None) };
        if count == 0 {
            break;
        }
        let end = position + u64::try_from(count).expect("a usize fits u64");
        let place = |at: u64| usize::try_from(at - position).expect("within what was read");
        for (from, to) in [(0, wanted.min(compared)), (wanted, u64::MAX)] {
            let (from, to) = (from.clamp(position, end), to.clamp(position, end));
            if from < to {
                let written = file.write_all_at(&bytes[place(from)..place(to)], from);
                written.map_err(|source| fail(&sibling.path, "unpack", source))?;
            }
        }
        position = end;
    }
    Ok((position >= mark).then_some(file))
}

/// A new file that no name leads to, among temporary ones.
async fn nameless(backend: Backend) -> Result<File, SourceError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::temp_dir();
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("tidemill-unpacked-{}-{number}", std::process::id()));
        match File::create(backend, &path).await {
            Ok(file) => {
                fs::remove_file(&path).map_err(|source| fail(&path, "remove", source))?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(fail(&path, "create", source)),
        }
    }
}
