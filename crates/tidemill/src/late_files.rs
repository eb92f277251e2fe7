//! Files that come to a followed directory or pattern after the job has begun.
//!
//! Each is a partition of its own, with its rotations. It is found on no core of the job, and begins once the job's record
//! has it: under a number that is given once, with the event time that it joined at. So a later run has the same
//! partitions, whichever files are there by then, and how a new name sorts shifts none of the others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidemill_control::{Arrival, Arrivals, ControlError, Late, Notices};
use tidemill_expr::Context;
use tidemill_pipeline::Statistics;
use tidemill_plan::{Compression, FileSource, Query, Scan, SourceConnector};
use tidemill_record::{EventTime, Image, ImageError};
use tidemill_rt::allow_descriptors;
use tidemill_source::{Beginning, Claims, InputFile, arrived, is_rotation};

use crate::file_columns::FileTerms;
use crate::known_inputs::take_names;
use crate::planning::PlannedQuery;
use crate::state::{JobState, input_key};

/// A file that came later.
#[derive(Clone)]
pub(crate) struct LateFile {
    pub(crate) file: InputFile,
    /// Of its pipeline in the first scan of the source; those of others follow.
    pub(crate) number: u32,
    /// Of each scan of the source, where it joined.
    pub(crate) joined: Vec<EventTime>,
}

/// Where a partition joined that is over for good.
pub(crate) const RETIRED: EventTime = EventTime::MAX;

/// Those of a source, each at a place of its own. The place of one that is over for good is another's later.
#[derive(Default)]
pub(crate) struct LateFiles(Mutex<Vec<Option<LateFile>>>);

impl LateFiles {
    fn all(&self) -> MutexGuard<'_, Vec<Option<LateFile>>> {
        // A list is whole between two calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many places there are.
    pub(crate) fn count(&self) -> usize {
        self.all().len()
    }

    /// Adds one; its place.
    pub(crate) fn add(&self, file: LateFile) -> usize {
        let mut all = self.all();
        let at = all.iter().position(Option::is_none).unwrap_or(all.len());
        if at == all.len() {
            all.push(None);
        }
        all[at] = Some(file);
        at
    }

    pub(crate) fn file(&self, at: usize) -> Option<InputFile> {
        Some(self.all().get(at)?.as_ref()?.file.clone())
    }

    /// Of the pipeline that reads a file in one of the source's scans.
    pub(crate) fn number(&self, at: usize, scan: u32) -> u32 {
        self.all()[at].as_ref().expect("it is read").number + scan
    }

    /// What is known of the pipelines of one of the source's scans, before any is over.
    pub(crate) fn of_scan(&self, scan: u32) -> Vec<Late> {
        let place = usize::try_from(scan).expect("usize is at least 32 bits");
        let late = |late: &LateFile| Late {
            number: late.number + scan,
            joined: late.joined.get(place).copied().unwrap_or(EventTime::MIN),
        };
        self.all().iter().flatten().map(late).collect()
    }

    /// Notes that a file is over for one of the source's scans; its number, and its path if it is over for all.
    fn retire(&self, at: usize, scan: usize) -> (u32, Option<PathBuf>) {
        let mut all = self.all();
        let late = all[at].as_mut().expect("it was read");
        late.joined[scan] = RETIRED;
        let number = late.number;
        let is_over = late.joined.iter().all(|&joined| joined == RETIRED);
        let path = is_over.then(|| late.file.path.to_path_buf());
        if is_over {
            all[at] = None;
        }
        (number, path)
    }
}

/// What a job's record says of a file that came later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LateInput {
    /// Its path.
    pub(crate) name: String,
    /// As of [`LateFile`].
    pub(crate) number: u32,
    pub(crate) joined: Vec<EventTime>,
    /// The text that it began in.
    pub(crate) beginning: Beginning,
}

impl LateInput {
    pub(crate) fn export(all: &[Self]) -> Image {
        let mut image = Image::new();
        image.put_texts("names", all.iter().map(|one| one.name.as_bytes()));
        image.put("numbers", all.iter().map(|one| one.number));
        let counts = all.iter().map(|one| u64::try_from(one.joined.len()));
        image.put("counts", counts.map(|count| count.expect("usize is at most 64 bits")));
        image.put("joined", all.iter().flat_map(|one| &one.joined).map(|time| time.0));
        image.put_images("beginnings", all.iter().map(|one| one.beginning.export()));
        image
    }

    pub(crate) fn import(mut image: Image) -> Result<Vec<Self>, ImageError> {
        let names = take_names(&mut image, "names")?;
        let numbers: Vec<u32> = image.take_exactly("numbers", names.len())?;
        let counts: Vec<u64> = image.take_exactly("counts", names.len())?;
        let mut joined = image.take::<i64>("joined")?.into_iter().map(EventTime);
        let beginnings = image.take_images("beginnings")?;
        if beginnings.len() != names.len() {
            return Err(ImageError::new("beginnings", "are not as many as there are names"));
        }
        image.end()?;
        let mut all = Vec::with_capacity(names.len());
        let known = names.into_iter().zip(beginnings);
        for (((name, beginning), number), count) in known.zip(numbers).zip(counts) {
            let beginning = Beginning::import(beginning);
            let beginning = beginning.map_err(|error| error.within("beginnings"))?;
            let of_it: Vec<EventTime> = (0..count).map_while(|_| joined.next()).collect();
            if u64::try_from(of_it.len()) != Ok(count) {
                return Err(ImageError::new("joined", "has fewer times than there are counts"));
            }
            all.push(Self { name, number, joined: of_it, beginning });
        }
        match joined.next() {
            None => Ok(all),
            Some(_) => Err(ImageError::new("joined", "has more times than there are counts")),
        }
    }
}

/// A scan to which more files may come.
pub(crate) struct OpenEnded {
    /// Its place among those of the wave.
    pub(crate) scan: usize,
    /// Which of the wave's queries it is of.
    pub(crate) query: usize,
    pub(crate) source: String,
    pub(crate) claims: Arc<Claims>,
}

/// A source of which more files may come, as a query of the wave reads it.
pub(crate) struct Watched<'a> {
    /// What the job's record calls it.
    pub(crate) key: String,
    /// For messages.
    pub(crate) source: String,
    pub(crate) options: FileSource,
    /// Of each scan, what its conditions say of a file.
    pub(crate) terms: Vec<FileTerms<'a>>,
    /// The names that partitions have.
    pub(crate) known: BTreeSet<PathBuf>,
    /// Names that are never to be one, as long as they are there.
    pub(crate) left_out: BTreeSet<PathBuf>,
    /// Of partitions that were there when the job began, those that are over for good, each with the scan.
    pub(crate) retired: BTreeSet<(usize, usize)>,
    /// Their names.
    pub(crate) early: Vec<Option<PathBuf>>,
    pub(crate) late: Arc<LateFiles>,
    /// Of each scan, its place among those of the wave, and the files that it has taken.
    pub(crate) scans: Vec<(usize, Arc<Claims>)>,
}

/// Looks for files that come.
pub(crate) struct Watcher<'a> {
    pub(crate) watched: Vec<Watched<'a>>,
    pub(crate) state: Option<&'a mut JobState>,
    pub(crate) notices: Notices,
    /// Files, and what writes for them, that are open for what runs so far.
    pub(crate) descriptor_count: u64,
    /// The number of the next file that comes.
    pub(crate) next_number: u32,
    /// What has come, by source, and is still to be written down; where there is a record, with the text that it begins in.
    pub(crate) found: Vec<(usize, LateFile, Option<Beginning>)>,
    pub(crate) next_look: Instant,
}

/// From one look to the next, at least; a look that takes long is followed by a pause twenty times as long.
const INTERVAL_MIN: Duration = Duration::from_millis(400);
const PAUSE_FACTOR: u32 = 20;

impl<'a> Watcher<'a> {
    /// For the scans of a wave to which more files may come; of each of the wave's queries how it was planned. `state` is
    /// the job's, and which wave this is.
    pub(crate) fn new(
        (queries, planned): (&[&'a Query], &[PlannedQuery]),
        open_ended: Vec<OpenEnded>,
        context: Context,
        state: Option<(&'a mut JobState, usize)>,
        notices: Notices,
    ) -> Self {
        let (state, wave) = state.map_or((None, 0), |(state, wave)| (Some(state), wave));
        let mut watched: Vec<Watched<'a>> = Vec::new();
        for OpenEnded { scan, query, source, claims } in open_ended {
            let key = input_key(wave, query, &source);
            if let Some(of) = watched.iter_mut().find(|of| of.key == key) {
                claims.expect_listings();
                of.scans.push((scan, claims));
                continue;
            }
            let scans = queries[query].relation.scans();
            let scans: Vec<&Scan> =
                scans.into_iter().filter(|scan| scan.source.name == source).collect();
            let found = &planned[query].sources[&source];
            let (Some(late), Some(SourceConnector::File(options))) =
                (&found.late, scans.first().map(|scan| &scan.source.connector))
            else {
                unreachable!("more files come to a source of files");
            };
            let early = found.partitions.iter();
            let early = early.map(|one| Some(one.file()?.path.to_path_buf())).collect();
            let places = 0..found.partitions.len() + late.count();
            claims.expect_listings();
            let place_and_scan = |&(place, scan): &(usize, u32)| {
                (place, usize::try_from(scan).expect("usize is at least 32 bits"))
            };
            watched.push(Watched {
                retired: found.retired.iter().map(place_and_scan).collect(),
                early,
                left_out: BTreeSet::new(),
                key,
                options: options.clone(),
                terms: scans.iter().map(|scan| FileTerms::of(scan, context)).collect(),
                known: places.filter_map(|at| Some(found.file_of(at)?.path.into())).collect(),
                late: Arc::clone(late),
                scans: vec![(scan, claims)],
                source,
            });
        }
        let next_number = state.as_ref().map_or(0, |state| state.next_late());
        let pipelines: usize = planned.iter().map(PlannedQuery::pipeline_count).sum();
        let descriptor_count = 3 * u64::try_from(pipelines).unwrap_or(u64::MAX / 6);
        let (found, next_look) = (Vec::new(), tidemill_rt::now());
        Self { watched, state, notices, descriptor_count, next_number, found, next_look }
    }

    fn look_at(&mut self, at: usize, arrivals: &mut Vec<Arrival>) -> Result<(), ControlError> {
        // Each of several queries that read a source finds what comes to it; that is said once.
        let is_said = |of: &Watched<'_>| of.source == self.watched[at].source;
        let is_first = self.watched.iter().position(is_said) == Some(at);
        let Watched { options, terms, known, left_out, late, early, scans, source, .. } =
            &mut self.watched[at];
        let say = |subject: &str, notice: String| {
            if is_first {
                self.notices.say_of(&format!("{subject} {source}"), notice);
            }
        };
        let is_known = |path: &Path| known.contains(path) || left_out.contains(path);
        let (files, there) = match arrived(options, is_known) {
            Ok(found) => found,
            Err(error) => {
                let notice = format!("{source} cannot be looked through for new files: {error}");
                say("look", notice);
                return Ok(());
            }
        };
        left_out.retain(|path| there.contains(path.as_path()));
        let is_taken =
            |file: &InputFile| scans.iter().any(|(_, claims)| claims.is_taken(file.identity.key()));
        // Another name of one that is read.
        let (elsewhere, files): (Vec<InputFile>, Vec<InputFile>) =
            files.into_iter().partition(is_taken);
        for (_, claims) in &*scans {
            claims.note_listing(elsewhere.iter().map(|file| file.identity.key()).collect());
        }
        for file in files {
            let path = file.path.display();
            let rotated = known.iter().find(|of| is_rotation(of, &file.path));
            if let Some(of) = rotated {
                let of = of.display();
                let notice = format!(
                    "{path} has come and is taken for a rotation of {of}: it is read if it was {of} between two looks"
                );
                say("rotation", notice);
                left_out.insert(file.path.to_path_buf());
                continue;
            }
            if file.compression != Compression::None {
                let notice = format!(
                    "{path} has come and is left out: it is compressed, and cannot be followed"
                );
                say("compressed", notice);
                left_out.insert(file.path.to_path_buf());
                continue;
            }
            if terms.iter().all(|terms| terms.exclude(&file.path)) {
                left_out.insert(file.path.to_path_buf());
                continue;
            }
            if let Some(error) = terms.iter().find_map(|terms| terms.lacks(&file.path)) {
                say("unsaid", format!("{path} has come and is left out: {error}"));
                left_out.insert(file.path.to_path_buf());
                continue;
            }
            let beginning = match self.state.as_ref().map(|_| Beginning::of(&file, 0)).transpose() {
                Ok(beginning) => beginning,
                Err(error) => {
                    // It was cut just now, or is not to be read as yet.
                    say("look", format!("{path} has come and cannot be looked at: {error}"));
                    continue;
                }
            };
            known.insert(file.path.to_path_buf());
            for (_, claims) in &*scans {
                claims.take(file.identity.key());
            }
            let scan_count = u32::try_from(scans.len()).expect("few scans");
            self.descriptor_count += 3 * u64::from(scan_count);
            allow_descriptors(self.descriptor_count).map_err(ControlError::Core)?;
            say("arrived", format!("{source}: {path} has come"));
            let number = self.next_number;
            self.next_number += scan_count;
            let weight = file.byte_count().max(1);
            let joined = vec![EventTime::MIN; scans.len()];
            let file = LateFile { file, number, joined };
            let place = late.add(file.clone());
            let place = early.len() + place;
            for ((scan, _), number) in scans.iter().zip(number..) {
                arrivals.push(Arrival { scan: *scan, place, number, weight });
            }
            self.found.push((at, file, beginning));
        }
        Ok(())
    }
}

impl Arrivals for Watcher<'_> {
    fn look(&mut self) -> Result<Vec<Arrival>, ControlError> {
        let began = tidemill_rt::now();
        let mut arrivals = Vec::new();
        if began < self.next_look {
            return Ok(arrivals);
        }
        for at in 0..self.watched.len() {
            self.look_at(at, &mut arrivals)?;
        }
        let pause = tidemill_rt::elapsed(began).saturating_mul(PAUSE_FACTOR).max(INTERVAL_MIN);
        self.next_look = tidemill_rt::now() + pause;
        Ok(arrivals)
    }

    fn note(&mut self, joined: &[EventTime]) -> Result<(), ControlError> {
        let mut joined = joined.iter().copied();
        let mut found = std::mem::take(&mut self.found);
        for (at, file, _) in &mut found {
            file.joined = joined.by_ref().take(self.watched[*at].scans.len()).collect();
        }
        let Some(state) = &mut self.state else { return Ok(()) };
        let inputs = found.into_iter().map(|(at, LateFile { file, number, joined }, beginning)| {
            let name = file.path.display().to_string();
            let beginning = beginning.expect("there is a record");
            (self.watched[at].key.clone(), LateInput { name, number, joined, beginning })
        });
        let noted = state.note_late(inputs.collect(), self.next_number);
        noted.map_err(|error| ControlError::Checkpoint(Box::new(error)))
    }

    fn retire(
        &mut self,
        scan: usize,
        place: usize,
        counted: &Statistics,
    ) -> Result<(), ControlError> {
        let is_of = |of: &Watched<'_>| of.scans.iter().position(|&(at, _)| at == scan);
        let found = self.watched.iter_mut().find_map(|of| Some((is_of(of)?, of)));
        let (scan, of) = found.expect("more may come to the scan");
        let (retired, path) = match place.checked_sub(of.early.len()) {
            None => {
                of.retired.insert((place, scan));
                let is_over = (0..of.scans.len()).all(|scan| of.retired.contains(&(place, scan)));
                let path = is_over.then(|| of.early[place].take()).flatten();
                (RetiredInput::Early { place, scan }, path)
            }
            Some(at) => {
                let (number, path) = of.late.retire(at, scan);
                (RetiredInput::Late { number, scan }, path)
            }
        };
        if let Some(path) = path {
            of.known.remove(&path);
            self.notices.say_of(
                &format!("retired {}", of.source),
                format!(
                    "{}: {} is gone, and all that was read of it has left",
                    of.source,
                    path.display()
                ),
            );
        }
        self.descriptor_count = self.descriptor_count.saturating_sub(3);
        let Some(state) = &mut self.state else { return Ok(()) };
        let noted = state.note_retired(&of.key, retired, counted);
        noted.map_err(|error| ControlError::Checkpoint(Box::new(error)))
    }
}

/// Which pipeline of a source is over for good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RetiredInput {
    /// Of a partition that was there when the job began.
    Early { place: usize, scan: usize },
    /// Of a file that came later, by its number.
    Late { number: u32, scan: usize },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::known_inputs::beginning;

    #[test]
    fn what_the_record_says_comes_back_and_damage_is_named() {
        let one = |name: &str, number, joined: &[i64]| LateInput {
            name: name.to_owned(),
            number,
            beginning: beginning(name, 0),
            joined: joined.iter().copied().map(EventTime).collect(),
        };
        let all = vec![one("a", 0, &[5, -7]), one("b", 2, &[]), one("c", 9, &[i64::MIN])];
        assert_eq!(LateInput::import(LateInput::export(&all)).unwrap(), all);
        let mut short = LateInput::export(&all);
        let counts: Vec<u64> = short.take("counts").unwrap();
        short.put("counts", counts.into_iter().map(|count| count + 1));
        assert!(LateInput::import(short).unwrap_err().to_string().contains("joined"));
    }
}
