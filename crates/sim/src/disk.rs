//! A file system in memory that keeps, when the power goes, what was flushed, and of the rest whatever it likes.
//!
//! What outlives a cut is: of a file, its bytes at its last flush, and of what was written or cut off since then none, all,
//! the first so many, or any part, with sectors of one write torn from each other; of a directory, its names at its last flush, and of
//! the steps since then (a rename within a directory is one) none, all, the first so many, or any. A file that was flushed has
//! no name unless its directory was. So it forgets all that POSIX allows, and more than the usual file systems do.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use tidemill_rt::fs::{FileKind, Metadata};

use crate::dice::Dice;

/// What the end of a process takes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The process alone: the system keeps all that was written.
    Process,
    /// The power: the disk keeps what was flushed.
    Power,
}

/// Which of the disk's things.
pub(crate) type Inode = usize;

const ROOT: Inode = 0;

/// The disk.
#[derive(Debug)]
pub struct Disk {
    inodes: Vec<Thing>,
}

#[derive(Debug)]
enum Thing {
    File(Contents),
    Directory(Names),
}

/// A file.
#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// As they would be after a cut that keeps nothing else.
    durable: Vec<u8>,
    /// What has been done since.
    pending: Vec<Change>,
    modified_ns: i64,
    created_ns: i64,
    link_count: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// A directory.
#[derive(Debug, Default)]
struct Names {
    now: BTreeMap<OsString, Inode>,
    durable: BTreeMap<OsString, Inode>,
    pending: Vec<Step>,
    created_ns: i64,
}

/// What is done to a directory at once.
#[derive(Clone, Debug)]
struct Step {
    removes: Option<OsString>,
    adds: Option<(OsString, Inode)>,
}

impl Step {
    fn apply(&self, names: &mut BTreeMap<OsString, Inode>) {
        if let Some(name) = &self.removes {
            names.remove(name);
        }
        if let Some((name, inode)) = &self.adds {
            names.insert(name.clone(), *inode);
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let end = at + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(written);
            }
            Self::Length(count) => bytes.resize(*count, 0),
        }
    }
}

impl Names {
    fn note(&mut self, step: Step) {
        step.apply(&mut self.now);
        self.pending.push(step);
    }

    fn flush(&mut self) {
        self.durable.clone_from(&self.now);
        self.pending.clear();
    }

    fn cut(&mut self, dice: &mut Dice) {
        let kept = kept(std::mem::take(&mut self.pending), dice);
        kept.iter().for_each(|step| step.apply(&mut self.durable));
        self.now.clone_from(&self.durable);
    }
}

impl Contents {
    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.pending.drain(..).for_each(|change| change.apply(&mut self.durable));
        }
    }

    /// A flush that fails: what it covered will never be written, and nobody is told so again.
    fn lose(&mut self) {
        self.pending.clear();
    }

    fn cut(&mut self, dice: &mut Dice) {
        let sector = dice.one_of(&[64, 512, 4096]);
        let mut pieces = Vec::new();
        for change in self.pending.drain(..) {
            let Change::Write(at, bytes) = change else {
                pieces.push(change);
                continue;
            };
            let mut rest = &bytes[..];
            let mut at = at;
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(sector - at % sector));
                pieces.push(Change::Write(at, piece.to_vec()));
                at += piece.len();
                rest = behind;
            }
        }
        kept(pieces, dice).iter().for_each(|piece| piece.apply(&mut self.durable));
        self.bytes.clone_from(&self.durable);
    }
}

/// What the disk keeps of what it was not asked to keep.
fn kept<T>(mut all: Vec<T>, dice: &mut Dice) -> Vec<T> {
    if all.is_empty() {
        return all;
    }
    match dice.below(10) {
        0..=2 => all.clear(),
        3..=5 => {
            let count = dice.place(all.len() + 1);
            all.truncate(count);
        }
        6..=8 => all.retain(|_| dice.once_in(2)),
        _ => {}
    }
    all
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

impl Default for Disk {
    fn default() -> Self {
        Self { inodes: vec![Thing::Directory(Names::default())] }
    }
}

impl Disk {
    /// What is left when the process ends, or the power.
    pub(crate) fn cut(&mut self, cut: Cut, dice: &mut Dice) {
        if cut == Cut::Process {
            return;
        }
        for thing in &mut self.inodes {
            match thing {
                Thing::File(contents) => contents.cut(dice),
                Thing::Directory(names) => names.cut(dice),
            }
        }
        self.count_links();
    }

    fn count_links(&mut self) {
        let mut counts = vec![0; self.inodes.len()];
        for thing in &self.inodes {
            if let Thing::Directory(names) = thing {
                names.now.values().for_each(|&inode| counts[inode] += 1);
            }
        }
        for (thing, count) in self.inodes.iter_mut().zip(counts) {
            if let Thing::File(contents) = thing {
                contents.link_count = count;
            }
        }
    }

    fn names(&self, inode: Inode) -> io::Result<&Names> {
        match &self.inodes[inode] {
            Thing::Directory(names) => Ok(names),
            Thing::File(_) => Err(error(libc::ENOTDIR)),
        }
    }

    fn names_mut(&mut self, inode: Inode) -> io::Result<&mut Names> {
        match &mut self.inodes[inode] {
            Thing::Directory(names) => Ok(names),
            Thing::File(_) => Err(error(libc::ENOTDIR)),
        }
    }

    fn contents(&self, inode: Inode) -> io::Result<&Contents> {
        match &self.inodes[inode] {
            Thing::File(contents) => Ok(contents),
            Thing::Directory(_) => Err(error(libc::EISDIR)),
        }
    }

    fn contents_mut(&mut self, inode: Inode) -> io::Result<&mut Contents> {
        match &mut self.inodes[inode] {
            Thing::File(contents) => Ok(contents),
            Thing::Directory(_) => Err(error(libc::EISDIR)),
        }
    }

    /// What an absolute path names.
    pub(crate) fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut at = ROOT;
        for part in path.components() {
            match part {
                Component::Normal(name) => {
                    let found = self.names(at)?.now.get(name);
                    at = *found.ok_or_else(|| error(libc::ENOENT))?;
                }
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(error(libc::EINVAL)),
            }
        }
        Ok(at)
    }

    /// The directory that a path stands in, and its last name.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(Inode, &'a OsStr)> {
        let name = path.file_name().ok_or_else(|| error(libc::EINVAL))?;
        let parent = self.find(path.parent().unwrap_or(Path::new("/")))?;
        self.names(parent)?;
        Ok((parent, name))
    }

    /// A file of this name, which is made empty if `creates` and it is not there.
    pub(crate) fn open(
        &mut self,
        path: &Path,
        (creates, is_new, truncates): (bool, bool, bool),
        now_ns: i64,
    ) -> io::Result<Inode> {
        match self.find(path) {
            Ok(_) if is_new => Err(error(libc::EEXIST)),
            Ok(inode) => {
                if truncates {
                    self.set_len(inode, 0, now_ns)?;
                }
                Ok(inode)
            }
            Err(missing) if missing.raw_os_error() == Some(libc::ENOENT) && (creates || is_new) => {
                let contents =
                    Contents { modified_ns: now_ns, created_ns: now_ns, ..Contents::default() };
                self.add(path, Thing::File(contents))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn create_dir(&mut self, path: &Path, now_ns: i64) -> io::Result<()> {
        if self.find(path).is_ok() {
            return Err(error(libc::EEXIST));
        }
        self.add(path, Thing::Directory(Names { created_ns: now_ns, ..Names::default() }))?;
        Ok(())
    }

    fn add(&mut self, path: &Path, thing: Thing) -> io::Result<Inode> {
        let (parent, name) = self.parent(path)?;
        let inode = self.inodes.len();
        self.inodes.push(thing);
        if let Thing::File(contents) = &mut self.inodes[inode] {
            contents.link_count = 1;
        }
        let adds = Some((name.to_owned(), inode));
        self.names_mut(parent)?.note(Step { removes: None, adds });
        Ok(inode)
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.find(path)?;
        self.contents(inode).map_err(|_| error(libc::EISDIR))?;
        self.remove(path)
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let inode = self.find(path)?;
        if !self.names(inode)?.now.is_empty() {
            return Err(error(libc::ENOTEMPTY));
        }
        self.remove(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        self.names_mut(parent)?.note(Step { removes: Some(name.to_owned()), adds: None });
        self.count_links();
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path, may_replace: bool) -> io::Result<()> {
        let inode = self.find(from)?;
        if !may_replace && self.find(to).is_ok() {
            return Err(error(libc::EEXIST));
        }
        let (from_parent, from_name) = self.parent(from)?;
        let (to_parent, to_name) = self.parent(to)?;
        let removes = Some(from_name.to_owned());
        let adds = Some((to_name.to_owned(), inode));
        if from_parent == to_parent {
            self.names_mut(to_parent)?.note(Step { removes, adds });
        } else {
            self.names_mut(to_parent)?.note(Step { removes: None, adds });
            self.names_mut(from_parent)?.note(Step { removes, adds: None });
        }
        self.count_links();
        Ok(())
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>> {
        let names = self.names(self.find(path)?)?;
        Ok(names.now.iter().map(|(name, &inode)| (name.clone(), self.kind(inode))).collect())
    }

    fn kind(&self, inode: Inode) -> FileKind {
        match self.inodes[inode] {
            Thing::File(_) => FileKind::File,
            Thing::Directory(_) => FileKind::Directory,
        }
    }

    pub(crate) fn metadata(&self, inode: Inode) -> Metadata {
        let (byte_count, modified_ns, created_ns, link_count) = match &self.inodes[inode] {
            Thing::File(contents) => {
                let &Contents { modified_ns, created_ns, link_count, .. } = contents;
                (contents.bytes.len(), modified_ns, created_ns, link_count)
            }
            Thing::Directory(names) => (0, names.created_ns, names.created_ns, 1),
        };
        Metadata {
            kind: self.kind(inode),
            device: 1,
            inode: inode as u64,
            link_count,
            byte_count: byte_count as u64,
            modified_ns,
            created_ns: Some(created_ns),
        }
    }

    pub(crate) fn read_at(&self, inode: Inode, buffer: &mut [u8], at: usize) -> io::Result<usize> {
        let bytes = &self.contents(inode)?.bytes;
        let rest = bytes.get(at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    pub(crate) fn write_at(
        &mut self,
        inode: Inode,
        bytes: &[u8],
        at: usize,
        now_ns: i64,
    ) -> io::Result<()> {
        self.change(inode, Change::Write(at, bytes.to_vec()), now_ns)
    }

    pub(crate) fn set_len(&mut self, inode: Inode, count: usize, now_ns: i64) -> io::Result<()> {
        self.change(inode, Change::Length(count), now_ns)
    }

    fn change(&mut self, inode: Inode, change: Change, now_ns: i64) -> io::Result<()> {
        let contents = self.contents_mut(inode)?;
        change.apply(&mut contents.bytes);
        contents.pending.push(change);
        contents.modified_ns = now_ns;
        Ok(())
    }

    pub(crate) fn sync(&mut self, inode: Inode) {
        match &mut self.inodes[inode] {
            Thing::File(contents) => contents.flush(),
            Thing::Directory(names) => names.flush(),
        }
    }

    /// Makes a file durable, with its name: it is somebody else's.
    pub(crate) fn keep(&mut self, inode: Inode, path: &Path) {
        self.sync(inode);
        if let Ok((parent, _)) = self.parent(path) {
            self.sync(parent);
        }
    }

    /// A byte of one file whose name ends so, if there is one, comes to be another.
    pub(crate) fn damage(&mut self, ending: &str, dice: &mut Dice) {
        let named =
            self.files().into_iter().filter(|path| path.to_string_lossy().ends_with(ending));
        let found: Vec<Inode> = named.filter_map(|path| self.find(&path).ok()).collect();
        if found.is_empty() {
            return;
        }
        let inode = dice.one_of(&found);
        if let Thing::File(contents) = &mut self.inodes[inode]
            && !contents.bytes.is_empty()
        {
            let at = dice.place(contents.bytes.len());
            contents.bytes[at] ^= 1;
            contents.durable.clone_from(&contents.bytes);
        }
    }

    /// A flush that fails.
    pub(crate) fn fail_to_sync(&mut self, inode: Inode) {
        if let Thing::File(contents) = &mut self.inodes[inode] {
            contents.lose();
        }
    }

    /// Makes all durable that is there, as if the machine had been shut down.
    pub(crate) fn sync_all(&mut self) {
        for inode in 0..self.inodes.len() {
            self.sync(inode);
        }
    }

    /// The paths of all files, in order.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, inode)) = waiting.pop() {
            match &self.inodes[inode] {
                Thing::File(_) => found.push(path),
                Thing::Directory(names) => {
                    waiting.extend(names.now.iter().map(|(name, &at)| (path.join(name), at)));
                }
            }
        }
        found.sort();
        found
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn bytes(&self, path: &Path) -> io::Result<&[u8]> {
        Ok(&self.contents(self.find(path)?)?.bytes)
    }
}
