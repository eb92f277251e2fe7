//! The state directory of a job: what the job was when it began, and how far it has come.
//!
//! Its partitions keep checkpoints of their own there (`tidemill-control`, `keeping`). What belongs to the job as a
//! whole stands in one more, the *record*, which is durable before anything runs: who it is, what `NOW()` was, what its
//! queries do, which partitions their sources had, which waves have been published. By it a later run knows that it is
//! the same job over the same input, and goes on; whatever differs is refused by name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill_checkpoint::{Checkpoint, CheckpointError, Fingerprint, Store};
use tidemill_control::{Keeping, ResidentName};
use tidemill_pipeline::Statistics;
use tidemill_plan::{OnExisting, Query, Settings};
use tidemill_record::{EventTime, Image, ImageError};
use tidemill_rt::{Hold, fs};
use tidemill_sink::{OutputDirectory, Target, named_in};

use crate::Error;
use crate::discovery::Partition;
use crate::figures::grouped;
use crate::inspect::inspect;
use crate::known_inputs::{Begun, KnownInput, KnownInputs, take_names};
use crate::late_files::{LateInput, RETIRED, RetiredInput};
use crate::planning::PlannedQuery;

/// How a job with a state directory begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Start over: what an earlier run has kept is forgotten, and `on.existing` decides of what it has published.
    pub is_fresh: bool,
    /// Go on from where it was, as if the input ended there: windows close, and the job is over.
    pub drains: bool,
    /// Where the newest checkpoint of a partition or gather is damaged, go on from the one before.
    pub falls_back: bool,
}

/// The record's name among the residents.
const JOB: &str = "job";

/// A job's state directory, open.
pub(crate) struct JobState {
    keeping: Keeping,
    record: Record,
    epoch: u64,
    is_resumed: bool,
    /// What a person should know of how it was opened, a sentence each.
    opening_notices: Vec<String>,
}

/// What belongs to the job as a whole.
struct Record {
    id: u128,
    /// The jobs that were given up for this one, whose output some of its sinks may still find.
    replaced: Vec<u128>,
    /// What `NOW()` is.
    started: EventTime,
    /// Of each query that runs: the name of its sink, and what it does.
    queries: Vec<(String, Fingerprint)>,
    /// Waves that have been published, all before those that have not.
    waves_done: u64,
    /// Waves that read each file as one partition, because splits were wrong.
    whole: Vec<u64>,
    /// Of each query and source that has been looked at and is not followed, its partitions.
    inputs: BTreeMap<String, Vec<String>>,
    /// Of each that is followed, where its partitions began.
    followed: BTreeMap<String, Vec<Begun>>,
    /// Of each, by place and scan of the source, those of them that are over for good.
    retired: BTreeMap<String, Vec<(usize, u32)>>,
    /// Of each, those that came later and are not retired.
    late: BTreeMap<String, Vec<LateInput>>,
    /// The number of the next that comes.
    next_late: u32,
    /// What the waves that are done have counted.
    counted: Statistics,
    /// What those of the wave that runs have counted that are over for good.
    gone: Statistics,
    /// There is nothing left to do.
    is_over: bool,
}

impl JobState {
    /// Opens the directory that the settings name; `None` where they name none.
    ///
    /// # Errors
    /// A directory that another process has, or that is damaged, and queries that are not those of the earlier run.
    pub(crate) fn open(
        settings: &Settings,
        recovery: Recovery,
        queries: &[&Query],
        now: EventTime,
        hold: &Hold,
    ) -> Result<Option<Self>, Error> {
        let hold = hold.clone();
        let Some(path) = &settings.state_dir else { return Ok(None) };
        let store = Store::open(Path::new(path)).map_err(Error::from)?;
        // The record says which checkpoints are whose, so that none before it will do.
        let mut opening_notices = match recovery.falls_back {
            true => store.set_damaged_aside(&[JOB]).map_err(Error::from)?,
            false => Vec::new(),
        };
        let mut replaced = Vec::new();
        let mut given_up = 0;
        let mut found = None;
        if recovery.is_fresh {
            // What cannot be read any more is given up all the same.
            let before = [store.newest(JOB), store.before_newest(JOB)];
            let before = before.into_iter().filter_map(Result::ok).flatten();
            let before = before.filter_map(|before| Record::import(before.image).ok()).next();
            replaced = before.map(Record::given_up).unwrap_or_default();
            given_up = store.last_epoch(JOB).map_err(Error::from)?;
        } else {
            found = store.newest(JOB).map_err(Error::from)?;
        }
        let plans = queries.iter().map(|query| (query.sink.name.clone(), fingerprint(query)));
        let plans: Vec<_> = plans.collect();
        let mut known = None;
        if let Some(Checkpoint { epoch, image, .. }) = found {
            let record = Record::import(image).map_err(|error| {
                Error::from(CheckpointError::Meaning { path: path.into(), error })
            })?;
            match record.expect_same(path, &plans) {
                Ok(()) => known = Some((epoch, record)),
                // A file that came may be gone by now, and what it gave is in the results.
                Err(_)
                    if record.waves_done == 0
                        && record.retired.is_empty()
                        && record.next_late == 0
                        && !has_residents(&store)? =>
                {
                    opening_notices.push(format!(
                        "the job in {path} was another and had kept nothing: this one begins in its place"
                    ));
                    (replaced, given_up) = (record.given_up(), epoch);
                }
                Err(error) => return Err(error),
            }
        }
        let is_resumed = known.is_some();
        let (epoch, record) = match known {
            Some(known) => known,
            None => {
                // Checkpoints without a record are of a job that nobody knows any more. The record that is given up stays until
                // another is durable: without it nothing would say whose the output is.
                store.clear(JOB).map_err(Error::from)?;
                let (id, waves_done, whole) = (random_id(), 0, Vec::new());
                let inputs = BTreeMap::new();
                (
                    given_up,
                    Record {
                        id,
                        replaced,
                        started: now,
                        queries: plans,
                        waves_done,
                        whole,
                        inputs,
                        followed: BTreeMap::new(),
                        retired: BTreeMap::new(),
                        late: BTreeMap::new(),
                        next_late: 0,
                        counted: Statistics::default(),
                        gone: Statistics::default(),
                        is_over: false,
                    },
                )
            }
        };
        let interval = settings.checkpoint_interval;
        let (store, stop_drains) = (Arc::new(store), recovery.drains);
        let keeping = Keeping { store, interval, stop_drains, hold };
        let mut state = Self { keeping, record, epoch, is_resumed, opening_notices };
        if !is_resumed {
            state.save()?;
        }
        Ok(Some(state))
    }

    /// Whether it goes on from an earlier run.
    pub(crate) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// What has been counted by what does not run any more: the waves that are done, and files that have gone.
    pub(crate) fn counted(&self) -> Statistics {
        let mut counted = self.record.counted.clone();
        counted.add(&self.record.gone);
        counted
    }

    /// What a person should know of the directory.
    pub(crate) fn notices(&self) -> Vec<String> {
        let store = &self.keeping.store;
        let mut notices = self.opening_notices.clone();
        if store.is_volatile() {
            let path = store.path().display();
            notices.push(format!(
                "{path} is on a file system in memory: it outlives the job, and not the host"
            ));
        }
        notices
    }

    /// From where it goes on, for people; `None` where it begins.
    ///
    /// # Errors
    /// A directory that cannot be listed.
    pub(crate) fn resumes_from(&self) -> Result<Option<String>, Error> {
        if !self.is_resumed {
            return Ok(None);
        }
        let path = self.keeping.store.path();
        let residents = inspect(path).map_err(Error::from)?;
        let of_partitions = residents.iter().filter(|one| one.name != JOB);
        let (mut records, mut age, mut partitions) = (self.record.gone.records_in, None, 0);
        for one in of_partitions {
            records += one.found.as_ref().map_or(0, |progress| progress.records_in);
            age = Some(age.unwrap_or(Duration::MAX).min(one.age));
            partitions += 1;
        }
        let Some(age) = age else {
            return Ok(Some(format!(
                "the job in {} had not made a checkpoint: it begins",
                path.display()
            )));
        };
        Ok(Some(format!(
            "going on from the checkpoints in {}: {} records read by {partitions} partition(s), the last {:.1} s ago",
            path.display(),
            grouped(records),
            age.as_secs_f64()
        )))
    }

    /// Whether there is nothing left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.record.is_over
    }

    /// Opens an output of a wave: what the job writes to carries its name.
    ///
    /// # Errors
    /// What opening says; output of another job, or without what this one has kept of it.
    pub(crate) fn open_output(
        &self,
        wave: usize,
        target: Target<'_>,
        on_existing: OnExisting,
    ) -> Result<OutputDirectory, Error> {
        let (Target::Directory(path) | Target::File(path) | Target::DeadLetters(path)) = target;
        let is_state =
            fs::canonicalize(path).ok().zip(fs::canonicalize(self.keeping.store.path()).ok());
        if is_state.is_some_and(|(output, state)| output == state) {
            let path = path.display();
            return Err(Error::usage(format!(
                "{path} is the job's 'state.dir' and is to be written to as well; give each a directory of its own"
            )));
        }
        let id = id_text(self.record.id);
        if self.has_checkpoints(wave)? {
            return Ok(OutputDirectory::open_resumed(target, &id)?);
        }
        let replaced: Vec<String> = self.record.replaced.iter().copied().map(id_text).collect();
        Ok(OutputDirectory::open_fresh(target, on_existing, &id, &replaced)?)
    }

    /// Says of an output that the job has ended for good, so that what it has written there is a result like any other.
    ///
    /// # Errors
    /// What removing its mark said.
    pub(crate) fn leave_output(&self, target: Target<'_>) -> Result<(), Error> {
        Ok(OutputDirectory::end_job(target, &id_text(self.record.id))?)
    }

    /// Whether some pipeline of a wave has made a checkpoint.
    fn has_checkpoints(&self, wave: usize) -> Result<bool, Error> {
        let residents = self.keeping.store.residents().map_err(Error::from)?;
        Ok(residents.iter().any(|name| name.starts_with(&format!("w{wave}-"))))
    }

    /// What the inputs of a fragment's pipelines go on from, by place.
    ///
    /// # Errors
    /// A checkpoint that is damaged.
    pub(crate) fn inputs(&self, resident: &ResidentName) -> Result<HashMap<usize, Image>, Error> {
        let store = &self.keeping.store;
        let prefix = format!("{}-", resident.fragment);
        let mut inputs = HashMap::new();
        for name in store.residents().map_err(Error::from)? {
            let place = name.strip_prefix(&prefix).and_then(|place| place.parse().ok());
            let Some(place) = place else { continue };
            let found = store.newest(&name).map_err(Error::from)?;
            // Of one that has come to its end nothing is read.
            let pipeline = found.and_then(|mut found| found.image.take_image("pipeline").ok());
            let input = pipeline.and_then(|mut pipeline| pipeline.take_image("input").ok());
            inputs.extend(input.map(|input| (place, input)));
        }
        Ok(inputs)
    }

    /// Removes what pipelines of a fragment have kept that are over for good: a run that was killed may have left it.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn keep_only(
        &self,
        resident: &ResidentName,
        numbers: &HashSet<usize>,
    ) -> Result<(), Error> {
        let store = &self.keeping.store;
        let prefix = format!("{}-", resident.fragment);
        for name in store.residents().map_err(Error::from)? {
            let number = name.strip_prefix(&prefix).and_then(|number| number.parse().ok());
            if number.is_some_and(|number: usize| !numbers.contains(&number)) {
                store.forget(&name).map_err(Error::from)?;
            }
        }
        Ok(())
    }

    /// The names of the segments that checkpoints speak of.
    ///
    /// # Errors
    /// A checkpoint that is damaged.
    pub(crate) fn segment_names(&self) -> Result<Vec<String>, Error> {
        let store = &self.keeping.store;
        let mut names = Vec::new();
        for resident in store.residents().map_err(Error::from)?.iter().filter(|name| *name != JOB) {
            let newest = store.newest(resident).map_err(Error::from)?;
            names.extend(newest.iter().flat_map(|found| named_in(&found.image)));
        }
        Ok(names)
    }

    /// What `NOW()` is.
    pub(crate) fn started(&self) -> EventTime {
        self.record.started
    }

    /// For the pipelines of a wave.
    pub(crate) fn keeping(&self) -> Keeping {
        self.keeping.clone()
    }

    /// Whether a wave has been published.
    pub(crate) fn is_done(&self, wave: usize) -> bool {
        count(wave) < self.record.waves_done
    }

    /// Whether a wave reads each file as one partition.
    pub(crate) fn is_whole(&self, wave: usize) -> bool {
        self.record.whole.contains(&count(wave))
    }

    /// Notes the partitions that the queries of a wave have found, or holds them to those of the earlier run.
    ///
    /// # Errors
    /// A partition that is not there any more, is another one, or is new.
    pub(crate) fn expect_inputs(
        &mut self,
        wave: usize,
        planned: &[PlannedQuery],
    ) -> Result<(), Error> {
        let mut is_new = false;
        for (number, query) in planned.iter().enumerate() {
            for (source, found) in &query.sources {
                let key = input_key(wave, number, source);
                if found.is_known {
                    continue;
                }
                if found.is_followed {
                    let begun = found.partitions.iter().map(Begun::of);
                    let begun: Option<Vec<Begun>> = begun.collect::<Result<_, _>>()?;
                    if let Some(begun) = begun {
                        is_new = true;
                        self.record.followed.insert(key, begun);
                        continue;
                    }
                }
                let names: Vec<String> = found.partitions.iter().map(Partition::name).collect();
                match self.record.inputs.get(&key) {
                    None => {
                        is_new = true;
                        self.record.inputs.insert(key, names);
                    }
                    Some(before) => expect_partitions(source, before, &names)?,
                }
            }
        }
        if is_new { self.save() } else { Ok(()) }
    }

    /// What an earlier run has noted of the followed sources of a query of a wave.
    pub(crate) fn known_inputs(&self, wave: usize, query: usize) -> KnownInputs {
        let prefix = input_key(wave, query, "");
        let of_query = self.record.followed.iter().filter_map(|(key, begun)| {
            let source = key.strip_prefix(&prefix)?;
            let late = self.record.late.get(key).cloned().unwrap_or_default();
            let retired = self.record.retired.get(key).cloned().unwrap_or_default();
            Some((source.to_owned(), KnownInput { begun: begun.clone(), retired, late }))
        });
        of_query.collect()
    }

    /// The number of the next file that comes.
    pub(crate) fn next_late(&self) -> u32 {
        self.record.next_late
    }

    /// Notes files that have come, each with what the record calls its source, and the number of the next.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn note_late(
        &mut self,
        inputs: Vec<(String, LateInput)>,
        next: u32,
    ) -> Result<(), CheckpointError> {
        for (key, input) in inputs {
            self.record.late.entry(key).or_default().push(input);
        }
        self.record.next_late = next;
        self.write()
    }

    /// Notes that a pipeline of a source is over for good, and what it counted.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn note_retired(
        &mut self,
        key: &str,
        retired: RetiredInput,
        counted: &Statistics,
    ) -> Result<(), CheckpointError> {
        match retired {
            RetiredInput::Early { place, scan } => {
                let scan = u32::try_from(scan).expect("few scans");
                self.record.retired.entry(key.to_owned()).or_default().push((place, scan));
            }
            RetiredInput::Late { number, scan } => {
                let late = self.record.late.get_mut(key).expect("it has come");
                let at = late.iter().position(|one| one.number == number).expect("it has come");
                late[at].joined[scan] = RETIRED;
                if late[at].joined.iter().all(|&joined| joined == RETIRED) {
                    late.remove(at);
                }
            }
        }
        self.record.gone.add(counted);
        self.write()
    }

    /// As what the pipelines of a query's fragment are kept.
    pub(crate) fn resident(
        &self,
        wave: usize,
        number: usize,
        fingerprint: Fingerprint,
        fragment: usize,
    ) -> ResidentName {
        ResidentName { fragment: format!("w{wave}-q{number}-f{fragment}"), fingerprint }
    }

    /// Notes that the splits of a wave were wrong: what its pipelines have kept is of no use.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn note_whole(&mut self, wave: usize) -> Result<(), Error> {
        self.record.whole.push(count(wave));
        let is_of_other = |key: &String| !key.starts_with(&format!("{wave}/"));
        self.record.inputs.retain(|key, _| is_of_other(key));
        self.record.followed.retain(|key, _| is_of_other(key));
        self.record.retired.retain(|key, _| is_of_other(key));
        self.keeping.store.clear(JOB).map_err(Error::from)?;
        self.save()
    }

    /// Notes that a wave has been published, and, with the last one, that there is nothing left to do. `counted` is of all
    /// waves so far.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn note_done(
        &mut self,
        wave: usize,
        is_last: bool,
        counted: &Statistics,
    ) -> Result<(), Error> {
        self.record.counted = counted.clone();
        self.record.gone = Statistics::default();
        self.record.waves_done = count(wave) + 1;
        self.record.is_over = is_last;
        self.save()
    }

    fn save(&mut self) -> Result<(), Error> {
        self.write().map_err(Error::from)
    }

    fn write(&mut self) -> Result<(), CheckpointError> {
        self.epoch += 1;
        let fingerprint = Fingerprint::of(JOB);
        let (resident, epoch, image) = (JOB.to_owned(), self.epoch, self.record.export());
        let checkpoint = Checkpoint { resident, epoch, fingerprint, image };
        self.keeping.commit(vec![checkpoint])
    }
}

impl Record {
    fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_one("id", self.id);
        image.put("replaced", self.replaced.iter().copied());
        image.put_one("started", self.started.0);
        image.put_texts("sinks", self.queries.iter().map(|(name, _)| name.as_bytes()));
        image.put("plans", self.queries.iter().map(|(_, plan)| u128::from_le_bytes(plan.0)));
        image.put_one("waves done", self.waves_done);
        image.put("whole waves", self.whole.iter().copied());
        image.put_texts("inputs", self.inputs.keys().map(String::as_bytes));
        let mut partitions = Vec::new();
        for names in self.inputs.values() {
            let mut of_input = Image::new();
            of_input.put_texts("names", names.iter().map(String::as_bytes));
            partitions.push(of_input);
        }
        image.put_images("partitions", partitions);
        image.put_texts("followed inputs", self.followed.keys().map(String::as_bytes));
        image.put_images("followed", self.followed.values().map(|begun| Begun::export(begun)));
        if !self.retired.is_empty() {
            image.put_texts("retired inputs", self.retired.keys().map(String::as_bytes));
            let retired = self.retired.values().map(|all| {
                let mut image = Image::new();
                image.put("places", all.iter().map(|&(place, _)| count(place)));
                image.put("scans", all.iter().map(|&(_, scan)| scan));
                image
            });
            image.put_images("retired", retired);
        }
        image.put_texts("late inputs", self.late.keys().map(String::as_bytes));
        image.put_images("late", self.late.values().map(|late| LateInput::export(late)));
        image.put_one("next late", self.next_late);
        image.put_image("counted", self.counted.export());
        image.put_image("gone", self.gone.export());
        image.put_flags("is over", [self.is_over]);
        image
    }

    fn import(mut image: Image) -> Result<Self, ImageError> {
        let id = image.take_one("id")?;
        let replaced = image.take("replaced")?;
        let started = EventTime(image.take_one("started")?);
        let sinks = take_names(&mut image, "sinks")?;
        let plans: Vec<u128> = image.take_exactly("plans", sinks.len())?;
        let plans = plans.into_iter().map(|plan| Fingerprint(plan.to_le_bytes()));
        let waves_done = image.take_one("waves done")?;
        let whole = image.take("whole waves")?;
        let keys = take_names(&mut image, "inputs")?;
        let partitions = image.take_images("partitions")?;
        if partitions.len() != keys.len() {
            return Err(ImageError::new("partitions", "are not those of the inputs"));
        }
        let partitions = partitions.into_iter().map(|mut names| take_names(&mut names, "names"));
        let partitions: Vec<Vec<String>> = partitions.collect::<Result<_, _>>()?;
        let followed_keys = take_names(&mut image, "followed inputs")?;
        let followed = image.take_images("followed")?;
        if followed.len() != followed_keys.len() {
            return Err(ImageError::new("followed", "are not those of the inputs"));
        }
        let followed: Result<Vec<_>, ImageError> =
            followed.into_iter().map(Begun::import).collect();
        let followed = followed.map_err(|error| error.within("followed"))?;
        let followed = followed_keys.into_iter().zip(followed).collect();
        let retired = match image.has("retired inputs") {
            false => BTreeMap::new(),
            true => {
                let keys = take_names(&mut image, "retired inputs")?;
                let all = image.take_images("retired")?.into_iter().map(take_retired);
                let all: Vec<_> = all.collect::<Result<_, _>>()?;
                if all.len() != keys.len() {
                    return Err(ImageError::new("retired", "are not those of the inputs"));
                }
                keys.into_iter().zip(all).collect()
            }
        };
        let late_keys = take_names(&mut image, "late inputs")?;
        let late = image.take_images("late")?;
        if late.len() != late_keys.len() {
            return Err(ImageError::new("late", "are not those of the inputs"));
        }
        let late = late.into_iter().map(LateInput::import);
        let late: Vec<_> =
            late.collect::<Result<_, _>>().map_err(|error: ImageError| error.within("late"))?;
        let late = late_keys.into_iter().zip(late).collect();
        let next_late = image.take_one("next late")?;
        let mut counted = Statistics::default();
        let of_waves = counted.import(image.take_image("counted")?);
        of_waves.map_err(|error| error.within("counted"))?;
        let mut gone = Statistics::default();
        if image.has("gone") {
            let counted = gone.import(image.take_image("gone")?);
            counted.map_err(|error| error.within("gone"))?;
        }
        let is_over = image.take_flag("is over")?;
        image.end()?;
        let queries = sinks.into_iter().zip(plans).collect();
        let inputs = keys.into_iter().zip(partitions).collect();
        Ok(Self {
            id,
            replaced,
            started,
            queries,
            waves_done,
            whole,
            inputs,
            followed,
            retired,
            late,
            next_late,
            counted,
            gone,
            is_over,
        })
    }

    /// The jobs whose output there may be where this one is given up. One that is over has opened all of its sinks.
    fn given_up(self) -> Vec<u128> {
        let mut all = if self.is_over { Vec::new() } else { self.replaced };
        all.push(self.id);
        all
    }

    /// Whether the script's queries are those that the job began with.
    fn expect_same(&self, path: &str, queries: &[(String, Fingerprint)]) -> Result<(), Error> {
        if self.queries == queries {
            return Ok(());
        }
        let what = match self.queries.iter().zip(queries).find(|(before, now)| before != now) {
            Some(((before, _), (now, _))) if before == now => {
                format!("the query into {now} is not the one that it began with")
            }
            Some(((before, _), (now, _))) => {
                format!("it began with a query into {before}, where now one into {now} stands")
            }
            None => {
                let (before, now) = (self.queries.len(), queries.len());
                format!("it began with {before} queries, and now there are {now}")
            }
        };
        Err(Error::usage(format!(
            "the job in {path} cannot be gone on with: {what}; run the script as it was, set another \
             'state.dir', or start over with --fresh"
        )))
    }
}

/// Whether a pipeline of any job has made a checkpoint.
fn has_residents(store: &Store) -> Result<bool, Error> {
    let residents = store.residents().map_err(Error::from)?;
    Ok(residents.iter().any(|name| name != JOB))
}

fn take_retired(mut image: Image) -> Result<Vec<(usize, u32)>, ImageError> {
    let places: Vec<u64> = image.take("places")?;
    let scans: Vec<u32> = image.take_exactly("scans", places.len())?;
    image.end()?;
    let place = |place| {
        usize::try_from(place).map_err(|_| ImageError::new("retired", "has a place beyond all"))
    };
    places.into_iter().zip(scans).map(|(at, scan)| Ok((place(at)?, scan))).collect()
}

/// What the record calls the input of a query of a wave.
pub(crate) fn input_key(wave: usize, query: usize, source: &str) -> String {
    format!("{wave}/{query}/{source}")
}

fn expect_partitions(source: &str, before: &[String], now: &[String]) -> Result<(), Error> {
    if before == now {
        return Ok(());
    }
    let gone = before.iter().find(|name| !now.contains(name));
    let new = now.iter().find(|name| !before.contains(name));
    let what = match (gone, new) {
        (Some(gone), Some(new)) => {
            format!("{gone} is gone, and {new} is new; put back what was there")
        }
        (Some(gone), None) => format!("{gone} is gone; put it back"),
        (None, Some(new)) => format!("{new} is new; take it away"),
        (None, None) => "it is in another order".to_owned(),
    };
    Err(Error::usage(format!(
        "the input of {source} is not what the job began with: {what}, or start over with --fresh"
    )))
}

/// What a query does: its plan without the places of the text that its parts came from, so that comments and
/// layout are no change.
pub(crate) fn fingerprint(query: &Query) -> Fingerprint {
    let plan = format!("{:?} {:?}", query.sink, query.relation);
    // What becomes of files that are gone is decided by who runs it again.
    let plan = plan.replace("goes_on_without: true, ", "").replace("goes_on_without: false, ", "");
    Fingerprint::of(&without_spans(&plan))
}

fn without_spans(plan: &str) -> String {
    const SPAN: &str = "Span { start: ";
    let mut kept = String::with_capacity(plan.len());
    let mut rest = plan;
    while let Some(at) = rest.find(SPAN) {
        kept.push_str(&rest[..at]);
        let behind = &rest[at..];
        let end = behind.find('}').map_or(behind.len(), |end| end + 1);
        rest = &behind[end..];
    }
    kept.push_str(rest);
    kept
}

/// One word.
fn id_text(id: u128) -> String {
    format!("{id:032x}")
}

/// Not known beforehand, and not the same twice.
fn random_id() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::known_inputs::beginning;

    #[test]
    fn the_places_of_a_text_are_no_part_of_a_plan() {
        assert_eq!(
            without_spans("A { span: Span { start: 1, end: 20 }, b: Span { start: 0, end: 0 } } C"),
            "A { span: , b:  } C"
        );
        assert_eq!(without_spans("nothing"), "nothing");
    }

    #[test]
    fn a_record_comes_back() {
        let inputs = [("0/0/s".to_owned(), vec!["a".to_owned(), "b".to_owned()])];
        let joined = vec![EventTime(4)];
        let beginning = |start| beginning("k\n1\n2\n", start);
        let late = LateInput { name: "c".to_owned(), number: 7, joined, beginning: beginning(0) };
        let begun = |start, csv_header| Begun {
            name: "b".to_owned(),
            beginning: beginning(start),
            start,
            csv_header,
        };
        let followed = vec![begun(0, None), begun(4, Some(vec!["k".to_owned()]))];
        let record = Record {
            id: 7 << 100,
            replaced: vec![5, 1 << 127],
            started: EventTime(-3),
            queries: vec![("out".into(), Fingerprint([9; 16]))],
            waves_done: 2,
            whole: vec![1],
            inputs: inputs.into_iter().collect(),
            followed: [("0/0/s".to_owned(), followed)].into_iter().collect(),
            retired: [("0/0/s".to_owned(), vec![(1, 0)])].into_iter().collect(),
            late: [("0/0/s".to_owned(), vec![late])].into_iter().collect(),
            next_late: 8,
            counted: Statistics { records_in: 5, ..Statistics::default() },
            gone: Statistics { records_in: 3, ..Statistics::default() },
            is_over: true,
        };
        let back = Record::import(record.export()).unwrap();
        assert_eq!(back.export(), record.export());
    }

    #[test]
    fn what_differs_is_named() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let said = |before: &[&str], now: &[&str]| {
            expect_partitions("s", &names(before), &names(now)).unwrap_err().to_string()
        };
        assert!(said(&["a", "b"], &["a", "c"]).contains("b is gone, and c is new; put back"));
        assert!(said(&["a", "b"], &["b"]).contains("a is gone; put it back"));
        assert!(said(&["b"], &["a", "b"]).contains("a is new; take it away"));
        expect_partitions("s", &names(&["a"]), &names(&["a"])).unwrap();
    }
}
