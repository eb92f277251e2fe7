//! Following a path on where another reader of it stopped.
//!
//! Meanwhile the log may have been rotated, more than once, and compressed. Each text is found again by what was read of it. What
//! the path has named since then is found as it is while reading (`between`).

use std::collections::VecDeque;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tidemill_plan::{Compression, Encoding};
use tidemill_record::image::{Image, ImageError};
use tidemill_rt::{Backend, File, FileKey};

use super::between::{TRIES_MAX, TRY_INTERVAL, is_same};
use super::siblings::{FoundText, Sibling, empty, find, siblings};
use super::{FollowedTexts, OLDER_MAX, Settings, Text, Vacant};
use crate::follow::{FollowedFile, Look, fail};
use crate::identity::{Identity, take_place};
use crate::transcode::TextDecoding;
use crate::{Follow, InputFile, Missing, SourceError};

/// What an image says of a text.
struct KnownText {
    identity: Identity,
    /// The name that it was found under.
    path: PathBuf,
    head: u64,
    is_begun: bool,
    is_cut: bool,
    /// The byte of the file with which decoding begins; bytes of text behind it that are done with.
    start: u64,
    passed: u64,
    /// Bytes pass as they are.
    is_passed: bool,
    /// Bytes that had been read and were not done with.
    rest: u64,
}

/// What an image says of the texts of a path.
pub(super) struct Known {
    older: Vec<KnownText>,
    current: KnownText,
    upcoming: Vec<KnownText>,
    seen_ns: i64,
    vacant: Option<Vacant>,
    missed: Vec<String>,
}

impl KnownText {
    /// Of a text of which `rest` bytes are not done with. `None` if it has been written anew, which the next look finds.
    fn export(
        text: &Text,
        rest: usize,
        is_begun: bool,
        is_rows: bool,
    ) -> Result<Option<Image>, SourceError> {
        let Some(mut image) = Self::export_file(&text.file)? else { return Ok(None) };
        let rest = u64::try_from(rest).expect("a usize fits u64");
        let is_passed = text.decoding.is_passed();
        let (start, passed) = match is_passed {
            _ if is_rows => (text.origin, 0),
            true => (text.file.position() - rest, 0),
            false => (text.origin, text.text_bytes - rest),
        };
        image.put_one("start", start);
        image.put_one("passed", passed);
        image.put_one("is_passed", u8::from(is_passed));
        image.put_one("rest", rest);
        image.put_one("head", text.head);
        image.put_one("is_begun", u8::from((text.is_begun || is_begun) && !is_rows));
        image.put_one("is_cut", u8::from(text.is_cut));
        Ok(Some(image))
    }

    /// Of a text that is to be entered.
    fn export_upcoming(
        file: &FollowedFile,
        encoding: Encoding,
    ) -> Result<Option<Image>, SourceError> {
        Ok(Self::export_file(file)?.map(|image| Self::at_start(image, encoding, 0)))
    }

    /// Of a text that is read from this byte of its file on.
    fn at_start(mut image: Image, encoding: Encoding, start: u64) -> Image {
        image.put_one("start", start);
        for place in ["passed", "rest", "head"] {
            image.put_one(place, 0_u64);
        }
        let is_passed = TextDecoding::new(encoding).is_passed();
        image.put_one("is_passed", u8::from(is_passed));
        // Whoever decodes it does not see its head.
        image.put_one("is_begun", u8::from(start > 0));
        image.put_one("is_cut", 0_u8);
        image
    }

    fn export_file(file: &FollowedFile) -> Result<Option<Image>, SourceError> {
        if !file.is_whole()? {
            return Ok(None);
        }
        let read = file.position();
        // Of one that is still to be read its head says what it is.
        let byte_count = match read {
            0 => file.file().byte_count(),
            read => Ok(read),
        };
        let identity =
            byte_count.and_then(|byte_count| Identity::of(file.file(), byte_count, read));
        let identity = identity.map_err(|source| fail(file.path(), "read", source))?;
        Ok(identity.map(|identity| Self::named(&identity, file.path())))
    }

    fn named(identity: &Identity, path: &Path) -> Image {
        let mut image = Image::new();
        image.put_image("file", identity.export());
        image.put_texts("path", [path.as_os_str().as_bytes()]);
        image
    }

    fn import(mut image: Image) -> Result<Self, ImageError> {
        let identity = Identity::import(image.take_image("file")?);
        let path = std::ffi::OsString::from_vec(image.take_text("path")?);
        let known = Self {
            identity: identity.map_err(|error| error.within("file"))?,
            path: path.into(),
            head: take_place(&mut image, "head")?,
            is_begun: image.take_flag("is_begun")?,
            is_cut: image.take_flag("is_cut")?,
            start: take_place(&mut image, "start")?,
            passed: take_place(&mut image, "passed")?,
            is_passed: image.take_flag("is_passed")?,
            rest: take_place(&mut image, "rest")?,
        };
        if known.start > known.identity.mark {
            return Err(ImageError::new("start", "is behind what was read"));
        }
        image.end()?;
        Ok(known)
    }

    /// The first byte of the file that is needed to read on.
    fn kept_from(&self) -> u64 {
        if self.is_passed { self.start } else { 0 }
    }

    /// Bytes of the file up to which records were read; of another encoding than UTF-8 up to which it was decoded.
    fn read_bytes(&self) -> u64 {
        if self.is_passed { self.start } else { self.identity.mark }
    }
}

impl Known {
    pub(super) fn import(mut image: Image) -> Result<Self, ImageError> {
        let texts = |images: Vec<Image>, name: &str| -> Result<Vec<KnownText>, ImageError> {
            let texts = images.into_iter().map(KnownText::import);
            texts.collect::<Result<_, _>>().map_err(|error: ImageError| error.within(name))
        };
        let older = texts(image.take_images("older")?, "older")?;
        if older.len() > OLDER_MAX {
            let reason = format!("has {} texts, and {OLDER_MAX} are kept", older.len());
            return Err(ImageError::new("older", reason));
        }
        let current = KnownText::import(image.take_image("current")?);
        let vacant: Vec<i64> = image.take("vacant")?;
        let vacant = match vacant[..] {
            [] => None,
            [created_ns, seen_ns] => Some(Vacant { created_ns, seen_ns }),
            _ => return Err(ImageError::new("vacant", "is not two times")),
        };
        let missed = image.take_texts("missed")?;
        let missed = missed.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        let known = Self {
            older,
            current: current.map_err(|error| error.within("current"))?,
            upcoming: texts(image.take_images("upcoming")?, "upcoming")?,
            seen_ns: image.take_one("seen_ns")?,
            vacant,
            missed: missed.collect(),
        };
        image.end()?;
        Ok(known)
    }
}

/// What [`FollowedTexts::export`] says of a path that begins to be followed in this file, from this byte on. `None` if it is shorter.
pub(super) fn begun(
    file: &File,
    path: &Path,
    encoding: Encoding,
    start: u64,
    seen_ns: i64,
) -> Result<Option<Image>, SourceError> {
    let byte_count = file.byte_count().map_err(|source| fail(path, "look at", source))?;
    if byte_count < start {
        return Ok(None);
    }
    let identity = Identity::of(file, byte_count, start);
    let identity = identity.map_err(|source| fail(path, "read", source))?;
    Ok(identity.map(|identity| {
        let current = KnownText::at_start(KnownText::named(&identity, path), encoding, start);
        let mut image = Image::new();
        image.put_images("older", []);
        image.put_image("current", current);
        image.put_images("upcoming", []);
        image.put_one("seen_ns", seen_ns);
        image.put::<i64>("vacant", []);
        image.put_texts("missed", []);
        image
    }))
}

impl FollowedTexts {
    /// Where reading goes on, if `rest` bytes of the text that is being read are not done with, and whether others of it
    /// that were lent last are; of rows it goes on at the start. `None` while a text has been written anew and nobody has
    /// looked.
    pub(crate) fn export(
        &self,
        rest: usize,
        is_begun: bool,
        is_rows: bool,
    ) -> Result<Option<Image>, SourceError> {
        let text = |text: &Text, is_active: bool| match is_active {
            true => KnownText::export(text, rest, is_begun, is_rows),
            false => KnownText::export(text, text.rest.len(), false, is_rows),
        };
        let mut older = Vec::with_capacity(self.older.len());
        for (at, one) in self.older.iter().enumerate() {
            let Some(image) = text(one, self.active == Some(at))? else { return Ok(None) };
            older.push(image);
        }
        let Some(current) = text(&self.current, self.active.is_none())? else { return Ok(None) };
        let mut upcoming = Vec::with_capacity(self.upcoming.len());
        for file in &self.upcoming {
            let image = KnownText::export_upcoming(file, self.encoding)?;
            let Some(image) = image else { return Ok(None) };
            upcoming.push(image);
        }
        let mut image = Image::new();
        image.put_images("older", older);
        image.put_image("current", current);
        image.put_images("upcoming", upcoming);
        image.put_one("seen_ns", self.seen_ns);
        image.put("vacant", self.vacant.iter().flat_map(|it| [it.created_ns, it.seen_ns]));
        image.put_texts("missed", self.missed.iter().map(String::as_bytes));
        Ok(Some(image))
    }

    /// Follows the path of a file on from where [`Self::export`] was.
    ///
    /// # Errors
    /// [`SourceError::Missing`], [`SourceError::Unordered`], [`SourceError::Image`], [`SourceError::Rt`] from open, fstat,
    /// read or listing the directory.
    pub(crate) async fn resume(
        backend: Backend,
        found: &InputFile,
        follow: Follow,
        encoding: Encoding,
        image: Image,
        missing: Missing,
    ) -> Result<Self, SourceError> {
        let settings = Settings::new(backend, found, follow, encoding);
        let known = Known::import(image).map_err(|source| SourceError::Image {
            what: settings.path.display().to_string(),
            source: source.within("texts"),
        })?;
        // Files may be renamed, compressed and removed while they are looked through.
        let mut tries = 0;
        let (found, beside) = loop {
            tries += 1;
            let beside = siblings(&settings.path)?;
            let found = FoundTexts::among(&settings, &known, &beside, missing).await;
            if tries == TRIES_MAX || is_same(&beside, &siblings(&settings.path)?) {
                break (found?, beside);
            }
            tidemill_rt::sleep(TRY_INTERVAL);
        };
        let FoundTexts { older, current, upcoming, missed } = found;
        let named = beside.first().filter(|it| it.path == settings.path);
        let is_renamed = current.as_ref().is_none_or(|(_, it)| it.path != settings.path);
        let (is_missed, is_named) = (current.is_none(), named.is_some());
        let current = match (current, named) {
            (Some((text, _)), _) => text,
            (None, Some(named)) => {
                let file = File::open(backend, &named.path).await;
                let file = file.map_err(|source| fail(&named.path, "open", source))?;
                Text::new(followed(&settings, &named.path, file)?, encoding)
            }
            (None, None) if missing == Missing::Continue => {
                // Its path may come to name another.
                let file = empty(backend).await?;
                Text::new(followed(&settings, &settings.path, file)?, encoding)
            }
            (None, None) => {
                let text = name_of(&known.current);
                return Err(SourceError::Missing { path: settings.path, text });
            }
        };
        let mut texts = Self::of(settings, current, known.seen_ns);
        (texts.older, texts.upcoming) = (older, upcoming);
        (texts.missed, texts.vacant) = (missed, known.vacant);
        // Nobody has told of names while nobody looked.
        (texts.is_seen, texts.name_count) = (!is_renamed, 2);
        let files = texts.older.iter().map(|text| &text.file).chain([&texts.current.file]);
        files.chain(&texts.upcoming).for_each(|file| {
            texts.claims.take(file.key());
        });
        if is_missed {
            let named = named.map(|named| named.identity.key());
            let Some(between) = texts.between(named).await? else {
                let reason = "names go on changing".to_owned();
                return Err(SourceError::Unordered { path: texts.path, reason });
            };
            texts.upcoming.extend(between);
        }
        if is_missed && let Some(next) = texts.upcoming.pop_front() {
            // They came before what the path names now.
            let named = std::mem::replace(&mut texts.current, Text::new(next, encoding));
            if is_named {
                texts.upcoming.push_back(named.file);
            }
        }
        texts.watch_names();
        Ok(texts)
    }

    /// The files that reading goes on in; `path` is the one that is followed.
    pub(crate) async fn files_of(
        backend: Backend,
        path: &Path,
        image: Image,
    ) -> Result<Vec<FileKey>, SourceError> {
        let known = Known::import(image).map_err(|source| SourceError::Image {
            what: path.display().to_string(),
            source: source.within("texts"),
        })?;
        let beside = siblings(path)?;
        let mut keys = Vec::new();
        for text in known.older.iter().chain([&known.current]).chain(&known.upcoming) {
            let found = find(backend, &text.identity, &beside, text.kept_from()).await?;
            if let FoundText::In(_, sibling) = found {
                keys.push(sibling.identity.key());
            }
        }
        Ok(keys)
    }
}

/// Texts that were found again.
struct FoundTexts {
    older: Vec<Text>,
    current: Option<(Text, Sibling)>,
    upcoming: VecDeque<FollowedFile>,
    missed: Vec<String>,
}

impl FoundTexts {
    async fn among(
        settings: &Settings,
        known: &Known,
        beside: &[Sibling],
        missing: Missing,
    ) -> Result<Self, SourceError> {
        let mut search = Search { settings, beside, missing, missed: known.missed.clone() };
        let mut older = Vec::new();
        for text in &known.older {
            older.extend(search.older(text).await?);
        }
        let current = search.text(&known.current).await?;
        let mut upcoming = VecDeque::new();
        for text in &known.upcoming {
            upcoming.extend(search.text(text).await?.map(|(text, _)| text.file));
        }
        Ok(Self { older, current, upcoming, missed: search.missed })
    }
}

/// Looks for texts among the files beside a path.
struct Search<'a> {
    settings: &'a Settings,
    beside: &'a [Sibling],
    missing: Missing,
    /// What was not found.
    missed: Vec<String>,
}

impl Search<'_> {
    /// A text that was rotated away. Without a byte left of it, it may have been removed meanwhile.
    async fn older(&mut self, known: &KnownText) -> Result<Option<Text>, SourceError> {
        if known.rest == 0 {
            let (backend, from) = (self.settings.backend, known.kept_from());
            let found = find(backend, &known.identity, self.beside, from).await?;
            if matches!(found, FoundText::Nowhere) {
                self.missed.push(format!(
                    "{} was read to its end and is gone; what was written to it since, if anything, was not read",
                    name_of(known)
                ));
                return Ok(None);
            }
        }
        Ok(self.text(known).await?.map(|(text, _)| text))
    }

    /// A text, ready to be read on, and the file it is in.
    async fn text(&mut self, known: &KnownText) -> Result<Option<(Text, Sibling)>, SourceError> {
        let Settings { backend, path, encoding, .. } = self.settings;
        let found = find(*backend, &known.identity, self.beside, known.kept_from()).await?;
        let (file, sibling) = match found {
            FoundText::In(file, sibling) => (file, sibling),
            FoundText::Nowhere | FoundText::Doubtful(_) if self.missing == Missing::Continue => {
                let missed =
                    format!("{} is gone; what followed there was not read", name_of(known));
                // Of one that nothing was read of it has been said.
                if known.identity.byte_count > 0 && !self.missed.contains(&missed) {
                    self.missed.push(missed);
                }
                return Ok(None);
            }
            FoundText::Nowhere => {
                return Err(SourceError::Missing { path: path.clone(), text: name_of(known) });
            }
            FoundText::Doubtful(paths) => {
                let paths: Vec<String> =
                    paths.iter().map(|path| path.display().to_string()).collect();
                let text = format!("{} (it may be any of {})", name_of(known), paths.join(", "));
                return Err(SourceError::Missing { path: path.clone(), text });
            }
        };
        // Of one that is unpacked also the file that it was packed in.
        self.settings.claims.take(sibling.identity.key());
        let mut text = Text::new(followed(self.settings, &sibling.path, file)?, *encoding);
        if sibling.compression != Compression::None {
            text.file.is_packed_in(sibling.identity.key());
        }
        text.file.start_at(known.start)?;
        (text.head, text.is_begun, text.is_cut) = (known.head, known.is_begun, known.is_cut);
        text.origin = known.start;
        if known.is_passed {
            text.decoding = TextDecoding::passed();
        } else {
            text.pass_over(known.passed).await?;
        }
        Ok(Some((text, sibling)))
    }
}

impl Text {
    /// Decodes and drops so many bytes of text; what came out behind them is the rest.
    async fn pass_over(&mut self, byte_count: u64) -> Result<(), SourceError> {
        const STEP_BYTES: usize = 256 << 10;
        let mut bytes = vec![0; STEP_BYTES];
        let mut left = usize::try_from(byte_count).unwrap_or(usize::MAX);
        while left > 0 {
            let room = self.decoding.input_bytes_max(bytes.len());
            let count = match self.file.look(false)? {
                Look::Bytes(_) => self.file.read(&mut bytes[..room]).await?,
                Look::Quiet | Look::Truncated => 0,
            };
            if count == 0 {
                let reason =
                    format!("its text ends {left} bytes before the place where reading stopped");
                return Err(SourceError::Changed { path: self.file.path().to_owned(), reason });
            }
            let text = self.decoding.decode(&mut bytes, count, false);
            self.text_bytes += u64::try_from(text).expect("a usize fits u64");
            let passed = left.min(text);
            self.rest.extend_from_slice(&bytes[passed..text]);
            left -= passed;
        }
        self.is_rest_new = !self.rest.is_empty();
        Ok(())
    }
}

fn followed(settings: &Settings, path: &Path, file: File) -> Result<FollowedFile, SourceError> {
    FollowedFile::over(path, file, settings.look_interval_max, &settings.told)
}

/// What a text is called in messages.
fn name_of(known: &KnownText) -> String {
    format!("what was read of {} up to byte {}", known.path.display(), known.read_bytes())
}
