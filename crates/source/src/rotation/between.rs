//! Texts that a path has named between the one that is read and what it names now, found beside it.
//!
//! Files are renamed, compressed and removed while this looks, so names are read twice: what was found counts if nothing has
//! changed meanwhile.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use tidemill_plan::Compression;
use tidemill_rt::{Backend, File, FileKey, fs};

use super::order::{Age, Generation, Member, arrange};
use super::siblings::{Sibling, head_of, siblings, unpacked};
use super::{CLOCK_LAG_NS, FollowedTexts};
use crate::SourceError;
use crate::follow::{FollowedFile, fail};
use crate::identity::Identity;

/// How often names are read again that change meanwhile, and after how long.
pub(super) const TRIES_MAX: usize = 50;
pub(super) const TRY_INTERVAL: Duration = Duration::from_millis(1);
/// Bytes by which a compressed file is told from what stands beside it under the name without the ending.
const TWIN_BYTES: usize = 64 << 10;

/// A file beside the path that may be a text of it.
struct Candidate<'a> {
    sibling: &'a Sibling,
    member: Member,
    /// Of a compressed one what it holds.
    text: Option<File>,
    /// Something else stands beside it under its name without the ending.
    has_twin: bool,
}

impl FollowedTexts {
    /// What the path has named since the last look and nobody reads, but for what it names now; oldest first.
    /// Whoever is first has them. `None` if names go on changing. None are found where the file system does not say how
    /// old files are.
    ///
    /// # Errors
    /// [`SourceError::Unordered`]; [`SourceError::Rt`] from open, fstat, read or listing the directory; what
    /// decompressing says.
    ///
    /// # Cost
    /// Lists the directory, and decompresses what was compressed since and is not known.
    pub(super) async fn between(
        &mut self,
        named: Option<FileKey>,
    ) -> Result<Option<Vec<FollowedFile>>, SourceError> {
        for _ in 0..TRIES_MAX {
            let beside = siblings(&self.path)?;
            let found = self.between_of(&beside, named).await;
            if is_same(&beside, &siblings(&self.path)?) {
                let is_named = |it: &&Sibling| it.path == self.path;
                if beside.first().filter(is_named).map(|it| it.identity.key()) != named {
                    return Ok(None);
                }
                if let Some(found) = found? {
                    return self.taken(found).map(Some);
                }
            }
            tidemill_rt::sleep(TRY_INTERVAL);
        }
        Ok(None)
    }

    /// Takes those that nobody has.
    fn taken(&self, found: Vec<FollowedFile>) -> Result<Vec<FollowedFile>, SourceError> {
        let is_free = |it: &FollowedFile| self.claims.take(it.packed_in().unwrap_or(it.key()));
        let mut taken = Vec::with_capacity(found.len());
        for file in found {
            if is_free(&file) {
                self.claims.take(file.key());
                taken.push(file);
            }
        }
        Ok(taken)
    }

    /// As [`Self::between`], of these files; `None` if a name has changed since they were listed.
    async fn between_of(
        &mut self,
        beside: &[Sibling],
        named: Option<FileKey>,
    ) -> Result<Option<Vec<FollowedFile>>, SourceError> {
        if named.is_some_and(|it| it.created_ns().is_none()) {
            return Ok(Some(Vec::new()));
        }
        let mut candidates = Vec::new();
        for sibling in beside.iter().filter(|it| it.path != self.path) {
            let Some(age) = self.age(sibling, named) else { continue };
            let member = member(&self.path, sibling, age);
            candidates.push(Candidate { sibling, member, text: None, has_twin: false });
        }
        self.unpack(&mut candidates, beside).await?;
        self.recognize(&mut candidates)?;
        let members: Vec<Member> = candidates.iter().map(|it| it.member.clone()).collect();
        let order = arrange(&members).map_err(|reason| self.unordered(reason))?;
        let mut found = Vec::with_capacity(order.len());
        for at in order {
            let Candidate { sibling, text, has_twin, .. } = &mut candidates[at];
            let (path, key) = (&sibling.path, sibling.identity.key());
            if *has_twin {
                let name = path.display();
                let reason = format!(
                    "{name} holds another text than the file that has its name without the ending"
                );
                return Err(self.unordered(reason));
            }
            let (file, is_packed) = match text.take() {
                Some(text) => (text, true),
                None => match File::open(self.backend, path).await {
                    Ok(file) => (file, false),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(fail(path, "open", error)),
                },
            };
            let mut file = FollowedFile::over(path, file, self.look_interval_max, &self.told)?;
            if is_packed {
                file.is_packed_in(key);
            } else if file.key() != key {
                return Ok(None);
            }
            found.push(file);
        }
        Ok(Some(found))
    }

    /// What is known of a file's age without reading it; `None` if it is no text of the path, or somebody else's.
    fn age(&self, sibling: &Sibling, named: Option<FileKey>) -> Option<Age> {
        let (key, identity) = (sibling.identity.key(), sibling.identity);
        if Some(key) == named {
            return None;
        }
        if let Some(place) = self.older.iter().position(|text| text.file.is_of(key)) {
            return Some(Age::Read(place));
        }
        if self.current.file.is_of(key) {
            return Some(Age::Read(self.older.len()));
        }
        // Beside the path itself, its name with an ending is a copy of it.
        let is_own = sibling.path.file_stem() == self.path.file_name();
        let is_own = is_own && sibling.compression != Compression::None;
        let is_text = sibling.is_generation && !is_own && !self.claims.is_taken(key);
        let created_ns = identity.created_ns().filter(|_| is_text)?;
        if fs::is_link(&sibling.path) {
            return None;
        }
        let first_ns = self.seen_ns.saturating_sub(CLOCK_LAG_NS);
        if created_ns < first_ns {
            return Some(Age::Older);
        }
        if sibling.compression == Compression::None {
            let is_before = named.and_then(|it| it.created_ns()).is_none_or(|it| created_ns <= it);
            return (is_before && self.may_have_been_named(created_ns)).then_some(Age::Younger);
        }
        // A text that the path named later was written to later.
        let is_old = written_ns(sibling).is_some_and(|(_, latest)| latest < first_ns);
        Some(if is_old { Age::Older } else { Age::Unsure })
    }

    /// Whether there may be texts between what is read and what the path names. Does not read them.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from listing the directory.
    pub(super) fn may_have_others(&self, named: Option<FileKey>) -> Result<bool, SourceError> {
        let is_candidate = |it: &Sibling| {
            let age = self.age(it, named);
            it.path != self.path && matches!(age, Some(Age::Younger | Age::Unsure))
        };
        Ok(siblings(&self.path)?.iter().any(is_candidate))
    }

    /// Unpacks those that may be texts. One beside which stands what it is made of is being made, and does not count.
    async fn unpack(
        &self,
        candidates: &mut Vec<Candidate<'_>>,
        beside: &[Sibling],
    ) -> Result<(), SourceError> {
        let mut at = 0;
        while at < candidates.len() {
            let candidate = &mut candidates[at];
            at += 1;
            if candidate.member.age != Age::Unsure {
                continue;
            }
            let sibling = candidate.sibling;
            let twin = beside.iter().find(|it| sibling.path.file_stem() == it.path.file_name());
            match twin {
                None => candidate.text = Some(unpacked(self.backend, sibling, 0, 0).await?),
                Some(twin) if is_part(self.backend, sibling, twin).await? => {
                    at -= 1;
                    candidates.remove(at);
                }
                // Which is no matter if it is an old one.
                Some(_) => candidate.has_twin = true,
            }
        }
        Ok(())
    }

    /// Finds those among them that are read and have been compressed meanwhile.
    fn recognize(&mut self, candidates: &mut [Candidate<'_>]) -> Result<(), SourceError> {
        if candidates.iter().all(|it| it.text.is_none()) {
            return Ok(());
        }
        let path = self.path.clone();
        let texts = self.older.iter_mut().chain([&mut self.current]).enumerate();
        for (place, text) in texts {
            let is_there = |it: &Candidate<'_>| it.member.age == Age::Read(place);
            let position = text.file.position();
            if text.file.packed_in().is_some() || position == 0 || candidates.iter().any(is_there) {
                continue;
            }
            let read_failed = |source| fail(text.file.path(), "read", source);
            let identity = Identity::of(text.file.file(), position, position);
            let Some(identity) = identity.map_err(read_failed)? else { continue };
            let mut same = Vec::new();
            for (at, candidate) in candidates.iter().enumerate() {
                if let Some(file) = &candidate.text
                    && candidate.member.age == Age::Unsure
                    && identity.difference(file).map_err(read_failed)?.is_none()
                {
                    same.push(at);
                }
            }
            match same[..] {
                [] => {}
                [at] => {
                    let key = candidates[at].sibling.identity.key();
                    text.file.is_packed_in(key);
                    self.claims.take(key);
                    candidates[at].member.age = Age::Read(place);
                }
                [one, other, ..] => {
                    let [one, other] = [one, other].map(|at| candidates[at].sibling.path.display());
                    let reason = format!("{one} and {other} both begin like what was read");
                    return Err(SourceError::Unordered { path, reason });
                }
            }
        }
        Ok(())
    }

    fn unordered(&self, reason: String) -> SourceError {
        SourceError::Unordered { path: self.path.clone(), reason }
    }
}

fn member(path: &std::path::Path, sibling: &Sibling, age: Age) -> Member {
    let is_plain = sibling.compression == Compression::None;
    let name = if is_plain { sibling.path.file_name() } else { sibling.path.file_stem() };
    Member {
        path: sibling.path.clone(),
        generation: Generation::of(path, name.map_or(b"", OsStr::as_bytes)),
        age,
        begun_ns: sibling.identity.created_ns().filter(|_| is_plain),
        written_ns: written_ns(sibling),
    }
}

/// When a file's text was last written to, from the earliest time to the latest; `None` where compressing did not keep it.
fn written_ns(sibling: &Sibling) -> Option<(i64, i64)> {
    let written_ns = sibling.identity.modified_ns;
    let created_ns = sibling.identity.created_ns()?;
    let is_kept = written_ns.saturating_add(CLOCK_LAG_NS) < created_ns;
    // Some file systems and archives keep even seconds only, some whole ones.
    let mut steps_ns = [2_000_000_000, 1_000_000_000].into_iter();
    let step_ns = steps_ns.find(|step_ns| written_ns % step_ns == 0).unwrap_or(1);
    let latest_ns = written_ns.saturating_add(step_ns - 1);
    (sibling.compression == Compression::None || is_kept).then_some((written_ns, latest_ns))
}

/// Whether two listings found the same files under the same names; compressed ones also as they were.
pub(super) fn is_same(before: &[Sibling], after: &[Sibling]) -> bool {
    let what = |it: &Sibling| {
        let is_packed = it.compression != Compression::None;
        let content = (it.identity.byte_count, it.identity.modified_ns);
        (it.path.clone(), it.identity.key(), is_packed.then_some(content))
    };
    before.iter().map(what).eq(after.iter().map(what))
}

/// Whether what a compressed file holds, as far as it has come, is what this one begins with.
async fn is_part(backend: Backend, packed: &Sibling, twin: &Sibling) -> Result<bool, SourceError> {
    let [packed, twin] =
        [head_of(backend, packed, TWIN_BYTES).await?, head_of(backend, twin, TWIN_BYTES).await?];
    Ok(twin.starts_with(&packed))
}
