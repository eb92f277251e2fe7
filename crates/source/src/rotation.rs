//! The texts that a path comes to stand for, one after the other, as a log is rotated.
//!
//! When the path names another file that nobody reads, the one before is read to its end first, and the other
//! one is entered once it holds bytes, because until then whoever writes may still write into the old one. The old
//! one is not left: whatever is appended to it late is read, too, as long as it is among the last
//! [`OLDER_MAX`]. Where a log was rotated more than once between two looks, the files between are found beside
//! it, also if they were compressed, by names that end in a number or a date, and entered in order of their age
//! ([`order`]). Copies and other programs' files may have such names, too. So only those count that were created while
//! nobody knows what the path named: since the last look at which it named the text that is read, and before what it
//! names now.

mod beginning;
mod between;
mod gone;
mod order;
mod resume;
mod siblings;

pub use beginning::Beginning;
use gone::Gone;
use siblings::empty;
pub use siblings::is_rotation;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_plan::Encoding;
use tidemill_rt::{Backend, File, FileIdentity, FileKey, Touch, Wake, Watch, fs, since_epoch_ns};

use crate::claims::Claims;
use crate::follow::{FollowedFile, Look, Told, fail};
use crate::transcode::TextDecoding;
use crate::{Follow, Held, InputFile, Missing, SourceError};

/// From one look to the next at a file that has been quiet for long and that the kernel does not tell of.
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(20);
/// The same, of each file of a scan: so there are so many looks a second at most, however many files there are.
const LOOK_INTERVAL_EACH: Duration = Duration::from_millis(1);
/// The same of one that has been rotated away.
const LOOK_INTERVAL_OLDER: Duration = Duration::from_millis(100);
/// Files that have been rotated away and are looked at, at most.
const OLDER_MAX: usize = 8;
/// A rotated file is given so long to end its last line, before that counts as whole.
const LAST_LINE_PATIENCE: Duration = Duration::from_millis(250);
/// A file system's clock is that much behind, at most.
const CLOCK_LAG_NS: i64 = 20_000_000;

/// A file that the path was seen to name and that is not read as yet, as a rule because it had no byte.
#[derive(Clone, Copy, Debug)]
struct Vacant {
    created_ns: i64,
    /// The path named it still.
    seen_ns: i64,
}

/// A file's text, and what is known of how far it was read.
pub(crate) struct Text {
    pub(crate) file: FollowedFile,
    /// Offset of its first byte.
    pub(crate) head: u64,
    /// Whole records of it have been read.
    pub(crate) is_begun: bool,
    /// It was cut, and nothing but NUL bytes has come since.
    pub(crate) is_cut: bool,
    /// Bytes behind those records, while another text is read.
    pub(crate) rest: Vec<u8>,
    /// The rest was read to find a place within, and may hold whole records.
    pub(crate) is_rest_new: bool,
    pub(crate) decoding: TextDecoding,
    /// The byte of the file with which decoding began, and bytes of text that have come out since.
    pub(crate) origin: u64,
    pub(crate) text_bytes: u64,
}

/// The texts of one path.
pub(crate) struct FollowedTexts {
    // Fixed at construction.
    backend: Backend,
    path: PathBuf,
    claims: Arc<Claims>,
    encoding: Encoding,
    told: Told,
    look_interval_max: Duration,
    // Changes as files come.
    /// What the path names is watched, under its own name and behind links; empty where it is not.
    names: Vec<Watch>,
    /// A file without bytes that the path names, and that is watched until it has some.
    coming: Option<(FileKey, Watch)>,
    /// When to look again whatever is told: a last line has been given its time by then.
    patience_ends: Option<Instant>,
    current: Text,
    /// To be entered when the current one is done with.
    upcoming: VecDeque<FollowedFile>,
    /// Rotated away, oldest first.
    older: Vec<Text>,
    /// Which of the older ones is read; `None` for the current one.
    active: Option<usize>,
    /// What the path named last, if that was somebody else's.
    refused: Option<FileKey>,
    /// The last look at which the path named a file that is read, by the wall clock, which file systems use.
    seen_ns: i64,
    /// It did at the last look of all.
    is_seen: bool,
    /// How often the path was told to name another file since then, at most.
    name_count: u32,
    /// What the path has named since, when it was last looked at.
    vacant: Option<Vacant>,
    /// It did at the last look of all.
    is_vacant_seen: bool,
    /// What the path named, if anything, when files beside it were last looked for.
    searched: Option<Option<FileKey>>,
    /// What was not found when reading went on, a sentence each.
    missed: Vec<String>,
    /// The path names nothing.
    gone: Option<Gone>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Of a text, by its number, so many bytes at least.
    Bytes(Option<usize>, u64),
    /// Of a text, its rest once more.
    Again(Option<usize>),
    /// A text has been written anew.
    Truncated(Option<usize>),
    /// The current text has come to its end; whether its last line may still be on its way.
    Rotated(bool),
    /// A text that was rotated away ends in a record without a newline.
    Last(usize),
    /// Nothing, as yet.
    Quiet,
}

/// What does not change while a path is followed.
struct Settings {
    backend: Backend,
    path: PathBuf,
    claims: Arc<Claims>,
    encoding: Encoding,
    told: Told,
    look_interval_max: Duration,
}

impl Settings {
    fn new(backend: Backend, found: &InputFile, follow: Follow, encoding: Encoding) -> Self {
        let Follow { claims, events } = follow;
        let told = Told { events, ..Told::default() };
        let each = u32::try_from(claims.count()).unwrap_or(u32::MAX);
        let look_interval_max = LOOK_INTERVAL_MAX.max(LOOK_INTERVAL_EACH.saturating_mul(each));
        let path = found.path.to_path_buf();
        Self { backend, path, claims, encoding, told, look_interval_max }
    }
}

impl FollowedTexts {
    /// Follows a file that was found, from this byte on, which stands behind a line end if it is not the first.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from open or fstat; as [`Self::resume`] of one that an earlier run has known.
    pub(crate) async fn open(
        backend: Backend,
        found: &InputFile,
        follow: Follow,
        encoding: Encoding,
        start: u64,
    ) -> Result<Self, SourceError> {
        if let Some(Held::Known(beginning)) = found.held.as_deref() {
            let (texts, missing) = (beginning.texts(), follow.claims.missing());
            return Self::resume(backend, found, follow, encoding, texts, missing).await;
        }
        let settings = Settings::new(backend, found, follow, encoding);
        let Settings { path, look_interval_max, told, .. } = &settings;
        let now_ns = since_epoch_ns(tidemill_rt::system_time());
        let (opened, seen_ns) = match found.held.as_deref() {
            Some(Held::File { file, seen_ns }) => {
                (file.try_clone().map(|file| File::over(backend, file)), *seen_ns)
            }
            _ => (File::open(backend, path).await, now_ns),
        };
        let mut missed = Vec::new();
        let (file, start) = match opened {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && settings.claims.missing() == Missing::Continue =>
            {
                missed.push(format!("{} is gone, and nothing of it was read", path.display()));
                (empty(backend).await?, 0)
            }
            opened => (opened.map_err(|source| fail(path, "open", source))?, start),
        };
        let mut file = FollowedFile::over(path, file, *look_interval_max, told)?;
        file.start_at(start)?;
        let mut current = Text::new(file, encoding);
        current.origin = start;
        let mut texts = Self::of(settings, current, seen_ns);
        // Whoever decodes it does not see its head.
        texts.current.is_begun = start > 0;
        // Nobody has told of names since it was found.
        texts.name_count = 2;
        texts.missed = missed;
        texts.watch_names();
        Ok(texts)
    }

    /// Of a text that is read first.
    fn of(settings: Settings, current: Text, seen_ns: i64) -> Self {
        let Settings { backend, path, claims, encoding, told, look_interval_max } = settings;
        Self {
            backend,
            path,
            claims,
            encoding,
            told,
            look_interval_max,
            names: Vec::new(),
            coming: None,
            patience_ends: None,
            current,
            upcoming: VecDeque::new(),
            older: Vec::new(),
            active: None,
            refused: None,
            seen_ns,
            is_seen: true,
            name_count: 0,
            vacant: None,
            is_vacant_seen: false,
            searched: None,
            missed: Vec::new(),
            gone: None,
        }
    }

    /// What was not found when reading went on, a sentence each.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }

    /// Has the directory watched that the path's name is in and, where that is a link, the one that it leads to.
    fn watch_names(&mut self) {
        let Some(events) = &self.told.events else { return };
        let of = |path: &Path| events.watch_name(path, &self.told.touched);
        self.names = of(&self.path).into_iter().collect();
        let is_link = fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_symlink());
        if let Some(real) = is_link.then(|| fs::canonicalize(&self.path).ok()).flatten()
            && !self.names.is_empty()
        {
            match of(&real) {
                Some(behind) => self.names.push(behind),
                None => self.names.clear(),
            }
        }
    }

    /// What makes it worth to look again.
    pub(crate) fn wake(&self) -> Wake<'static> {
        let mut wake = Wake::at(self.patience_ends);
        wake.is_due = self.told.touched.is_set();
        for file in self.older.iter().map(|text| &text.file).chain([&self.current.file]) {
            match file.next_look() {
                Ok(at) => wake = wake.or_at(at),
                Err(()) => wake.is_due = true,
            }
        }
        wake
    }

    /// Takes note of what was told, and of patience that has ended.
    fn hear(&mut self) {
        let is_over = self.patience_ends.is_some_and(|at| at <= tidemill_rt::now());
        let touch = self.told.touched.take();
        if let Some(Touch { quiet_until_ns, name_count }) = touch {
            self.name_count = self.name_count.saturating_add(name_count);
            // Until then the path named what the last look found.
            let is_told = !self.names.is_empty();
            match &mut self.vacant {
                _ if is_told && self.is_seen => self.seen_ns = self.seen_ns.max(quiet_until_ns),
                Some(vacant) if is_told && self.is_vacant_seen => {
                    vacant.seen_ns = vacant.seen_ns.max(quiet_until_ns)
                }
                _ => {}
            }
        }
        if touch.is_some() || is_over {
            self.patience_ends = None;
            self.older.iter_mut().for_each(|text| text.file.expect_change());
            self.current.file.expect_change();
        }
    }

    /// Looks again when a last line that may be on its way has been given its time.
    fn be_patient(&mut self, since: Instant) {
        let ends = since + LAST_LINE_PATIENCE;
        self.patience_ends = self.patience_ends.into_iter().chain([ends]).min();
    }

    pub(crate) fn path(&self) -> &Path {
        self.active().file.path()
    }

    /// The text that is being read.
    pub(crate) fn active(&self) -> &Text {
        self.active.map_or(&self.current, |at| &self.older[at])
    }

    pub(crate) fn active_mut(&mut self) -> &mut Text {
        match self.active {
            None => &mut self.current,
            Some(at) => &mut self.older[at],
        }
    }

    /// Whether this is the one.
    pub(crate) fn is_active(&self, text: Option<usize>) -> bool {
        self.active == text
    }

    /// Goes on with another text.
    pub(crate) fn activate(&mut self, text: Option<usize>) {
        debug_assert!(text.is_none_or(|at| at < self.older.len()));
        self.active = text;
    }

    /// Says what there is to read. What came late for files that were rotated away comes first, unless
    /// their turn was just now.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat, or from stat other than that there is no such file.
    pub(crate) fn look(&mut self, was_older: bool) -> Result<Next, SourceError> {
        debug_assert!(self.active.is_none(), "the rests of the others are in their places");
        self.hear();
        if was_older {
            let next = self.look_at_current()?;
            if next != Next::Quiet {
                return Ok(next);
            }
        }
        for at in 0..self.older.len() {
            if self.older[at].is_rest_new {
                return Ok(Next::Again(Some(at)));
            }
            let is_told = self.older[at].file.is_watched();
            match self.older[at].file.look(is_told)? {
                Look::Bytes(byte_count) => return Ok(Next::Bytes(Some(at), byte_count)),
                Look::Truncated => return Ok(Next::Truncated(Some(at))),
                Look::Quiet if self.older[at].rest.is_empty() => {}
                Look::Quiet if self.may_go_on(&self.older[at]) => {
                    self.be_patient(self.older[at].file.moved());
                }
                Look::Quiet => return Ok(Next::Last(at)),
            }
        }
        if was_older { Ok(Next::Quiet) } else { self.look_at_current() }
    }

    fn look_at_current(&mut self) -> Result<Next, SourceError> {
        if self.current.is_rest_new {
            return Ok(Next::Again(None));
        }
        if !self.current.file.is_due() {
            return Ok(Next::Quiet);
        }
        if !self.upcoming.is_empty() {
            // Nobody looks at what the path names.
            (self.is_seen, self.is_vacant_seen) = (false, false);
        }
        // First the name, then the file: what was written before the name changed is then seen.
        let has_next = !self.upcoming.is_empty() || self.is_renamed()?;
        let is_told = !self.names.is_empty() && self.current.file.is_watched();
        Ok(match self.current.file.look(is_told)? {
            Look::Bytes(byte_count) => {
                self.gone_on();
                if has_next {
                    // Nothing more may be told, and then there is the next one.
                    self.current.file.expect_change();
                }
                Next::Bytes(None, byte_count)
            }
            Look::Truncated => Next::Truncated(None),
            Look::Quiet if has_next => Next::Rotated(self.may_go_on(&self.current)),
            // Its last line is given, whether it is whole or not.
            Look::Quiet if self.has_gone()? => Next::Rotated(false),
            Look::Quiet => Next::Quiet,
        })
    }

    /// Whether the end of a file that was rotated away may still be on its way.
    fn may_go_on(&self, text: &Text) -> bool {
        tidemill_rt::elapsed(text.file.moved()) < LAST_LINE_PATIENCE
    }

    /// Whether the path names another file that holds bytes and that nobody reads, or has done so since the last look.
    fn is_renamed(&mut self) -> Result<bool, SourceError> {
        // Before the look: what is created later is not older than that.
        let now_ns = since_epoch_ns(tidemill_rt::system_time());
        let Some(mut named) = self.named()? else {
            (self.is_seen, self.is_vacant_seen) = (false, false);
            self.note_gone();
            return self.has_to_search(None);
        };
        self.gone = None;
        let key = named.key();
        if named.byte_count == 0 && key != self.current.file.key() && self.watch_coming(key) {
            // It may have been written, or have gone, before it was watched.
            match self.named()? {
                Some(now) if now.key() == key => named = now,
                _ => self.told.touched.look_again(),
            }
        }
        self.is_seen = key == self.current.file.key() || self.refused == Some(key);
        if self.is_seen {
            (self.seen_ns, self.name_count, self.searched) = (now_ns, 0, None);
            return Ok(false);
        }
        // What was learned of one that had no byte stays true when the path names another one, and is not more then.
        let is_known = self.vacant.is_some_and(|it| named.created_ns() == Some(it.created_ns));
        if named.byte_count == 0 || is_known {
            self.vacant =
                named.created_ns().map(|created_ns| Vacant { created_ns, seen_ns: now_ns });
        }
        self.is_vacant_seen = self.vacant.is_some() && (named.byte_count == 0 || is_known);
        if named.byte_count == 0 {
            return self.has_to_search(Some(key));
        }
        let is_taken = self.claims.is_taken(key);
        self.refused = is_taken.then_some(key);
        Ok(!is_taken)
    }

    /// Whether there may be texts between the current one and what the path names, which is nothing or has no byte.
    fn has_to_search(&self, named: Option<FileKey>) -> Result<bool, SourceError> {
        let is_new = self.searched != Some(named);
        Ok(is_new && self.may_have_missed() && self.may_have_others(named)?)
    }

    /// What the path names; `None` if nothing.
    fn named(&self) -> Result<Option<FileIdentity>, SourceError> {
        match FileIdentity::of_path(&self.path) {
            Ok(named) => Ok(Some(named)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fail(&self.path, "look at", error)),
        }
    }

    /// Has the file without bytes watched that the path names; whether that is new.
    fn watch_coming(&mut self, key: FileKey) -> bool {
        if self.coming.as_ref().is_some_and(|(known, _)| *known == key) {
            return false;
        }
        let Some(events) = self.told.events.as_ref().filter(|_| !self.names.is_empty()) else {
            return false;
        };
        self.coming = events.watch_path(&self.path, &self.told.touched).map(|watch| (key, watch));
        if self.coming.is_none() {
            // Nobody is going to tell of its bytes.
            self.names.clear();
        }
        self.coming.is_some()
    }

    /// Says that the current text, which has come to its end, is waited for a little more.
    pub(crate) fn wait_for_last_line(&mut self) {
        self.be_patient(self.current.file.moved());
    }

    /// Leaves the current file for the next; `false` if there is none. The text that is read is then the
    /// next one's.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from open, fstat or listing the directory.
    pub(crate) async fn enter_next(&mut self) -> Result<bool, SourceError> {
        if self.upcoming.is_empty() {
            self.find_next().await?;
        }
        self.active = None;
        let Some(next) = self.upcoming.pop_front() else { return Ok(false) };
        let mut before = std::mem::replace(&mut self.current, Text::new(next, self.encoding));
        before.file.look_less(LOOK_INTERVAL_OLDER);
        if self.older.len() == OLDER_MAX {
            self.older.remove(0);
        }
        self.older.push(before);
        // The directory may be another one by now.
        self.watch_names();
        self.coming = None;
        Ok(true)
    }

    /// Takes the file that the path names, behind those that it named since the last look.
    async fn find_next(&mut self) -> Result<(), SourceError> {
        let now_ns = since_epoch_ns(tidemill_rt::system_time());
        let named = match File::open(self.backend, &self.path).await {
            Ok(file) => {
                Some(FollowedFile::over(&self.path, file, self.look_interval_max, &self.told)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(&self.path, "open", error)),
        };
        let key = named.as_ref().map(FollowedFile::key);
        if key.is_some_and(|key| key == self.current.file.key() || self.claims.is_taken(key)) {
            return Ok(());
        }
        if self.may_have_missed() {
            let Some(between) = self.between(key).await? else {
                // Names change just now.
                self.told.touched.look_again();
                return Ok(());
            };
            self.upcoming.extend(between);
            self.searched = Some(key);
        }
        let Some(named) = named else { return Ok(()) };
        let identity = named.file().identity();
        if identity.map_err(|error| fail(&self.path, "look at", error))?.byte_count == 0 {
            return Ok(());
        }
        if self.claims.take(named.key()) {
            self.upcoming.push_back(named);
        }
        // While others come before it, nobody looks at what the path names.
        (self.seen_ns, self.is_seen) = (now_ns, self.upcoming.len() == 1);
        (self.vacant, self.is_vacant_seen, self.name_count) = (None, false, 0);
        Ok(())
    }

    /// Whether the path may have named files that no look has seen, or only without a byte. Where names are
    /// watched it is known how often it came to name another one: once is the one that it names now, even if a look
    /// saw that before it had a byte.
    fn may_have_missed(&self) -> bool {
        self.names.is_empty() || self.name_count > 1
    }

    /// Whether the path may have named a file from its creation on and no look have seen it, or only
    /// without a byte.
    fn may_have_been_named(&self, created_ns: i64) -> bool {
        let is_before = |seen_ns: i64| created_ns < seen_ns.saturating_sub(CLOCK_LAG_NS);
        let is_beside_vacant = |it: Vacant| created_ns > it.created_ns && is_before(it.seen_ns);
        !is_before(self.seen_ns) && !self.vacant.is_some_and(is_beside_vacant)
    }
}

impl Text {
    fn new(file: FollowedFile, encoding: Encoding) -> Self {
        let decoding = TextDecoding::new(encoding);
        Self {
            file,
            head: 0,
            is_begun: false,
            is_cut: false,
            rest: Vec::new(),
            is_rest_new: false,
            decoding,
            origin: 0,
            text_bytes: 0,
        }
    }
}
