//! The cores of a wave, and the thread that hears them: it makes durable and visible what is to outlive them.

use std::cell::Cell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::FutureExt;
use tidemill_pipeline::{Delivery, Latencies, Outcome, Piece, Statistics};
use tidemill_rt::world::{Step, omits, receive};
use tidemill_rt::{
    RtError, Waiting, Wakes, close_dropped, elapsed, now, side_by_side, thread_cpu_time,
};

use crate::abandon::Abandon;
use crate::arrivals::Joining;
use crate::assignment::assign;
use crate::core_loop::{CoreLoop, KeptAs, Left, Opening, Retired, message_of};
use crate::giving::Given;
use crate::handover::Handover;
use crate::host::Places;
use crate::keeping::Request;
use crate::{ControlError, CoreMeter, Cores, Keeping, Notices, PartitionMeters, StopFlag};

/// Of which node it is, and which of its blocks.
pub(crate) type TaskId = (usize, usize);

/// Work for a core: a block of pipelines.
pub(crate) struct Task {
    pub(crate) id: TaskId,
    /// The place of its first pipeline among all that are run now.
    pub(crate) first_rank: usize,
    pub(crate) opening: Opening,
}

/// What a core is given at a time.
struct Work {
    /// Of the job's cores.
    core: usize,
    /// Each with its place among all tasks.
    tasks: Vec<(usize, Task)>,
    /// The tasks take turns, because they may have no end; otherwise one follows another.
    takes_turns: bool,
    /// Those that begin beside them meanwhile, until that is closed.
    joins: Option<Receiver<(usize, Task)>>,
    /// CPUs that help with a merge.
    others: Vec<usize>,
    meter: Arc<CoreMeter>,
    partitions: PartitionMeters,
    notices: Notices,
    stop: StopFlag,
    abandon: Abandon,
    to_wave: Sender<Answer>,
}

/// What a core says.
enum Answer {
    /// A task is over.
    Done(Box<Done>),
    /// Files of one that goes on are to be published.
    Whole(Delivery),
    /// A checkpoint of one that goes on, or goes on later, is to be made durable.
    Keep(Box<Request>),
    /// The core has nothing more to do for the wave now, or panicked outside of a pipeline, saying this.
    Over(Option<String>),
}

/// What became of a task.
pub(crate) struct Done {
    /// Its place among those that were run.
    pub(crate) task: usize,
    pub(crate) core: usize,
    /// `None` of one that was abandoned.
    pub(crate) result: Option<Result<Left, ControlError>>,
}

impl Done {
    fn left(&self) -> Option<&Left> {
        self.result.as_ref()?.as_ref().ok()
    }

    fn is_giver(&self) -> bool {
        let kept_as = self.left().and_then(|left| left.kept_as.as_ref());
        kept_as.is_some_and(|kept_as| kept_as.is_giver)
    }

    /// Whether it has left more than a table for a gather: a table is only kept with others that have come by the next
    /// checkpoint, and of a short job that ends before, none has to be. What is beside it, dead letters, is published, so that
    /// who goes on has to know of it.
    fn has_written(&self) -> bool {
        let has_more =
            |outcome: &Outcome| outcome.sealed.is_none() || !outcome.deliveries.is_empty();
        self.left().is_some_and(|left| has_more(&left.outcome)) && !self.is_giver()
    }

    fn is_retired(&self) -> bool {
        self.left().is_some_and(|left| left.retired.is_some())
    }

    /// Whether it has come to its end.
    fn is_whole(&self) -> bool {
        self.left().is_some_and(|left| !left.outcome.is_cut)
    }
}

/// The cores that a wave has.
pub(crate) struct Fleet<'a> {
    cores: &'a Cores,
    places: Places,
    stop: &'a StopFlag,
    /// Ends the pipelines that are running.
    abandon: Abandon,
}

/// How often it is looked whether input has come.
const ARRIVALS_INTERVAL: Duration = Duration::from_millis(500);

/// What cores have said since they were last heard.
#[derive(Default)]
struct Said {
    done: Vec<Done>,
    whole: Vec<Delivery>,
    to_keep: Vec<Request>,
    /// How many cores are through.
    over_count: usize,
    panic: Option<String>,
}

impl Said {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Done(done) => self.done.push(*done),
            Answer::Whole(delivery) => self.whole.push(delivery),
            Answer::Keep(request) => self.to_keep.push(*request),
            Answer::Over(panic) => {
                self.over_count += 1;
                self.panic = self.panic.take().or(panic);
            }
        }
    }

    /// Makes files visible that do not wait for others, and checkpoints durable; with them those of tasks that were done
    /// before, if they are wanted.
    fn write(
        &mut self,
        keeping: Option<&Keeping>,
        before: &mut [Done],
        is_wanted: impl Fn(&Done) -> bool,
    ) -> Result<(), ControlError> {
        let publish = |error| ControlError::Publish(Box::new(error));
        Delivery::publish_each(std::mem::take(&mut self.whole))
            .map_err(|error| publish(error.into()))?;
        let Some(keeping) = keeping else { return Ok(()) };
        let mut requests = std::mem::take(&mut self.to_keep);
        let written = self.done.iter_mut().filter(|done| done.has_written());
        for done in before.iter_mut().filter(|done| is_wanted(done)).chain(written) {
            let Some(Ok(left)) = &mut done.result else { continue };
            let Some(KeptAs { resident, epoch, .. }) = left.kept_as.take() else { continue };
            left.outcome.sync().map_err(publish)?;
            requests.push(resident.done(epoch, left.outcome.export()));
        }
        if requests.is_empty() {
            return Ok(());
        }
        let mut checkpoints = Vec::with_capacity(requests.len());
        let mut behind = Vec::with_capacity(requests.len());
        for Request { checkpoint, mut cut, committed, taken } in requests {
            if let Some(cut) = &mut cut {
                cut.sync().map_err(publish)?;
            }
            if omits(Step::PublishBehindCommit)
                && let Some(cut) = cut.take()
            {
                cut.publish().map_err(publish)?;
            }
            behind.push((cut, committed, taken, checkpoint.epoch));
            checkpoints.push(checkpoint);
        }
        keeping.commit(checkpoints).map_err(ControlError::checkpoint)?;
        for (cut, committed, taken, epoch) in behind {
            if let Some(cut) = cut {
                cut.publish().map_err(publish)?;
            }
            if let Some((handover, through)) = taken {
                handover.acknowledge(&through);
            }
            committed.iter().for_each(|committed| committed.set(epoch));
        }
        Ok(())
    }
}

/// The place among all tasks of each gather that runs meanwhile, by its hand-over.
fn gathers(tasks: &[(Task, u64)]) -> HashMap<*const Handover<Given>, usize> {
    let links = tasks.iter().map(|(task, _)| &task.opening.links);
    let taken = links.enumerate().filter_map(|(at, links)| Some((links.takes.as_ref()?, at)));
    taken.map(|(handover, at)| (Arc::as_ptr(handover), at)).collect()
}

/// The place of the gather that a task gives to while both run.
fn gather_of(task: &Task, by_handover: &HashMap<*const Handover<Given>, usize>) -> Option<usize> {
    let gives = task.opening.links.gives.as_ref()?;
    by_handover.get(&Arc::as_ptr(&gives.handover)).copied()
}

impl Work {
    /// Does it, beside whatever else the core runs.
    async fn run(self, waiting: Rc<Waiting>) {
        let Self {
            core,
            tasks,
            takes_turns,
            joins,
            others,
            meter,
            partitions,
            notices,
            stop,
            abandon,
            to_wave,
        } = self;
        // Where nobody listens any more, the job has gone away.
        let say = move |answer| drop(to_wave.send(answer));
        let (publisher, keeper, speaker) = (say.clone(), say.clone(), say.clone());
        let spent = Rc::new(Cell::new(Duration::ZERO));
        let all = async {
            let helped = Arc::clone(&meter);
            let mut core_loop = CoreLoop {
                // The meter goes on from what the job has read before.
                seen: meter.seen(),
                meter: Arc::clone(&meter),
                partitions: Some(partitions).filter(|_| takes_turns),
                notices,
                stop,
                waiting,
                abandon,
                help: Arc::new(move |pieces: Vec<Piece<'_>>| {
                    helped.add_cpu_time(side_by_side(&others, pieces));
                }),
                deliver: Box::new(move |delivery| publisher(Answer::Whole(delivery))),
                commit: Box::new(move |request| keeper(Answer::Keep(Box::new(request)))),
            };
            let mut answer = |task, result| {
                speaker(Answer::Done(Box::new(Done { task, core, result })));
            };
            if takes_turns {
                let openings = tasks.into_iter().map(|(place, task)| {
                    assert!(place == task.first_rank, "a task each");
                    (place, task.opening)
                });
                let joined = || {
                    let joined = joins.iter().flat_map(Receiver::try_iter);
                    joined.map(|(place, task)| (place, task.opening)).collect()
                };
                let mut openings: Vec<(usize, Opening)> = openings.collect();
                loop {
                    core_loop.run_in_turns(openings, &joined, &mut answer).await;
                    match joins.as_ref().map(Receiver::try_recv) {
                        Some(Ok((place, task))) => openings = vec![(place, task.opening)],
                        Some(Err(TryRecvError::Empty)) => {
                            openings = Vec::new();
                            core_loop.waiting.wait(&Wakes::default()).await;
                        }
                        None | Some(Err(TryRecvError::Disconnected)) => break,
                    }
                }
            } else {
                let (mut beside, mut place_of) = (Vec::new(), HashMap::new());
                for (place, Task { first_rank, opening, .. }) in tasks {
                    if opening.may_wait() {
                        place_of.insert(first_rank, place);
                        beside.push((first_rank, opening));
                        continue;
                    }
                    answer(place, core_loop.run_block(first_rank, opening).await);
                }
                let mut done = |rank, result| answer(place_of[&rank], result);
                core_loop.run_beside(beside, &mut done).await;
            }
            drop(core_loop);
            close_dropped().await;
        };
        let all = AssertUnwindSafe(Metered { body: Box::pin(all), spent: Rc::clone(&spent) });
        let panic = all.catch_unwind().await.err();
        meter.add_cpu_time(spent.get());
        say(Answer::Over(panic.map(|panic| message_of(&*panic))));
    }
}

/// Adds up the CPU time that a body takes: its core has others.
struct Metered<F> {
    body: Pin<Box<F>>,
    spent: Rc<Cell<Duration>>,
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = thread_cpu_time();
        let polled = self.body.as_mut().poll(context);
        self.spent.set(self.spent.get() + (thread_cpu_time() - before));
        polled
    }
}

impl<'a> Fleet<'a> {
    /// Takes cores of the job's host, as many as have something to do, at least one.
    pub(crate) fn take(
        cores: &'a Cores,
        wanted: usize,
        stop: &'a StopFlag,
    ) -> Result<Self, ControlError> {
        let places = cores.host.take(wanted)?;
        stop.wakes(cores.host.bells());
        let abandon = Abandon::new(&places.bells());
        Ok(Self { cores, places, stop, abandon })
    }

    /// Runs tasks on all cores; what became of them, in task order, so that the failure that is
    /// reported does not depend on which core was faster.
    ///
    /// Tasks that `joining` finds meanwhile begin beside those that take turns, on the core that has the fewest.
    /// Checkpoints go where `keeping` says. How long batches took is added up meanwhile, of each core and of each node.
    pub(crate) fn run(
        &self,
        tasks: Vec<(Task, u64)>,
        ids: &mut Vec<TaskId>,
        mut joining: Option<&mut Joining<'_>>,
        takes_turns: bool,
        keeping: Option<&Keeping>,
        (per_core, per_node): (&mut [Statistics], &mut [Latencies]),
    ) -> Result<Ran, ControlError> {
        joining.iter().for_each(|joining| joining.set_open_ended(true));
        let mut retirement = Retirement::default();
        let weights: Vec<u64> = tasks.iter().map(|(_, weight)| *weight).collect();
        let by_handover = gathers(&tasks);
        let mut gathers: Vec<Option<usize>> =
            tasks.iter().map(|(task, _)| gather_of(task, &by_handover)).collect();
        let mut running_counts = vec![0_usize; self.cores.meters.len()];
        let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(|(task, _)| Some(task)).collect();
        let (to_wave, from_cores) = channel();
        let (mut running_count, mut to_cores) = (0, Vec::new());
        let cores = self.places.cores();
        for (&core, places) in cores.iter().zip(assign(&weights, cores.len())) {
            if places.is_empty() && joining.is_none() {
                continue;
            }
            let of_core = places
                .into_iter()
                .map(|place| (place, tasks[place].take().expect("each task has one core")));
            let of_core: Vec<(usize, Task)> = of_core.collect();
            running_counts[core] = of_core.len();
            let joins = joining.is_some().then(|| {
                let (to_core, joins) = channel();
                to_cores.push((core, to_core));
                joins
            });
            let work = Work {
                core,
                tasks: of_core,
                takes_turns,
                joins,
                others: self.places.others(core),
                meter: Arc::clone(&self.cores.meters[core]),
                partitions: self.cores.partitions.clone(),
                notices: self.cores.notices.clone(),
                stop: self.stop.clone(),
                abandon: self.abandon.clone(),
                to_wave: to_wave.clone(),
            };
            running_count += 1;
            self.places.send(core, Box::new(move |waiting| Box::pin(work.run(waiting))));
        }
        drop(to_wave);
        let mut all_done: Vec<Done> = Vec::with_capacity(ids.len());
        let mut looked_at = now();
        let (mut written, mut kept_at) = (Ok(()), now());
        let mut panic = None;
        while running_count > 0 {
            let are_all_done = all_done.len() + retirement.free.len() == ids.len();
            let is_waited_for = retirement.is_waited_for(&all_done, ids, joining.as_deref());
            if self.stop.is_set() {
                joining.iter().for_each(|joining| joining.set_open_ended(false));
            }
            if are_all_done && (!is_waited_for || self.stop.is_set()) || panic.is_some() {
                // Nothing more joins.
                to_cores.drain(..).for_each(|(core, to_core)| {
                    drop(to_core);
                    self.places.ring(core);
                });
            }
            let wait = if to_cores.is_empty() { Duration::MAX } else { ARRIVALS_INTERVAL };
            let first = match receive(&from_cores, wait) {
                Err(RecvTimeoutError::Disconnected) => {
                    self.abandon.all();
                    return Err(panicked("a thread ended before its work".to_owned()));
                }
                first => first.ok(),
            };
            if let Some(joining) = &mut joining
                && elapsed(looked_at) >= wait
                && written.is_ok()
                && !self.stop.is_set()
            {
                match joining.look() {
                    Ok(arrived) => {
                        for (mut task, _) in arrived {
                            let place = retirement.place_for(task.id.0, ids);
                            (task.id, task.first_rank) = (ids[place], place);
                            gathers.resize(ids.len(), None);
                            gathers[place] = gather_of(&task, &by_handover);
                            let least = to_cores.iter().min_by_key(|&&(at, _)| running_counts[at]);
                            let &(core, ref to_core) = least.expect("there is at least one core");
                            running_counts[core] += 1;
                            // That it has died is noticed above.
                            let _ = to_core.send((place, task));
                            self.places.ring(core);
                        }
                    }
                    Err(error) => {
                        written = Err(error);
                        self.abandon.all();
                    }
                }
                looked_at = now();
            }
            // What has come meanwhile is written with it: so however fast segments are closed, this thread, which no
            // core waits for, keeps up.
            let mut said = Said::default();
            first.into_iter().chain(from_cores.try_iter()).for_each(|one| said.add(one));
            running_count -= said.over_count;
            if let Some(message) = said.panic.take() {
                self.abandon.all();
                panic.get_or_insert(message);
            }
            for done in &mut said.done {
                running_counts[done.core] = running_counts[done.core].saturating_sub(1);
                let Some(Ok(left)) = &mut done.result else { continue };
                let took = std::mem::take(&mut left.outcome.statistics.batch_latency_ns);
                per_core[done.core].batch_latency_ns.add(&took);
                per_node[ids[done.task].0].add(&took);
            }
            let (gone, done): (Vec<Done>, Vec<Done>) =
                said.done.drain(..).partition(Done::is_retired);
            said.done = done;
            for done in gone {
                let Some(Ok(left)) = done.result else { continue };
                per_core[done.core].add(&left.outcome.statistics);
                let joining = joining.as_deref_mut().expect("only what may join is retired");
                if written.is_ok() {
                    written = retirement.retire(joining, ids[done.task].0, left);
                    retirement.free.push(done.task);
                    if written.is_err() {
                        self.abandon.all();
                    }
                }
            }
            // After a failure nothing is written any more: what was kept before is what a later run goes on from.
            if written.is_ok() {
                let is_time = keeping.is_some_and(|keeping| elapsed(kept_at) >= keeping.interval);
                if is_time {
                    kept_at = now();
                }
                written = said.write(keeping, &mut all_done, |done| is_time && !done.is_giver());
                if written.is_err() {
                    self.abandon.all();
                }
            }
            all_done.append(&mut said.done);
        }
        if let Some(message) = panic {
            return Err(panicked(message));
        }
        written?;
        // Where all is over, what a gather has of others need not be kept. Where a later run goes on, what is done is not to
        // be done again.
        let is_over = all_done.iter().all(Done::is_whole);
        let whole: HashSet<usize> =
            all_done.iter().filter(|done| done.is_whole()).map(|done| done.task).collect();
        let gather_is_whole = |done: &Done| gathers[done.task].is_none_or(|at| whole.contains(&at));
        Said::default().write(keeping, &mut all_done, |done| match done.is_giver() {
            true => gather_is_whole(done),
            false => !is_over,
        })?;
        all_done.sort_by_key(|done| done.task);
        Ok(Ran { all_done, retired: retirement.left })
    }
}

/// What became of tasks.
pub(crate) struct Ran {
    /// In task order.
    pub(crate) all_done: Vec<Done>,
    /// Of each node, what those of it have left together that were retired meanwhile.
    pub(crate) retired: BTreeMap<usize, Left>,
}

/// Tasks that are over for good while others run, and of which nothing is to be left but what they counted.
#[derive(Default)]
struct Retirement {
    /// Their places, to be given to others of the same node.
    free: Vec<usize>,
    /// What those of each node have left, together.
    left: BTreeMap<usize, Left>,
}

impl Retirement {
    /// What a person should know of so many files that have gone is kept until the end.
    const NOTICES_MAX: usize = 64;

    /// Makes durable that a task is over, and forgets it.
    fn retire(
        &mut self,
        joining: &mut Joining<'_>,
        node: usize,
        mut left: Left,
    ) -> Result<(), ControlError> {
        let retired = left.retired.take().expect("that is known of it");
        let Retired { place, resident, gives } = *retired;
        joining.retire(node, place, &left.outcome.statistics)?;
        if let Some(resident) = resident {
            resident.forget().map_err(ControlError::checkpoint)?;
        }
        if let Some((handover, giver)) = gives {
            handover.end(giver);
            handover.retire(giver);
        }
        left.outcome.forget_outputs();
        match self.left.entry(node) {
            Entry::Vacant(first) => drop(first.insert(left)),
            Entry::Occupied(mut all) => {
                let all = all.get_mut();
                all.lease.join(left.lease);
                let limit_bytes = all.lease.limit_bytes();
                let added = all.outcome.add(left.outcome, limit_bytes);
                added.expect("nothing is merged");
                all.lease.shrink_to(all.outcome.held_bytes());
                all.outcome.notices.truncate(Self::NOTICES_MAX);
            }
        }
        Ok(())
    }

    /// The place of a task of a node: that of an earlier one, if some was retired.
    fn place_for(&mut self, node: usize, ids: &mut Vec<TaskId>) -> usize {
        if let Some(at) = self.free.iter().position(|&place| ids[place].0 == node) {
            return self.free.swap_remove(at);
        }
        let block = ids.iter().filter(|(of, _)| *of == node).count();
        ids.push((node, block));
        ids.len() - 1
    }

    /// Whether more may come although nothing runs: all that was read by those who wait for more is gone, and none of them has
    /// ended by itself.
    fn is_waited_for(
        &self,
        all_done: &[Done],
        ids: &[TaskId],
        joining: Option<&Joining<'_>>,
    ) -> bool {
        let Some(joining) = joining else { return false };
        let is_open_ended = |node: usize| joining.nodes[node].pipelines.is_open_ended;
        // A gather ends before those that it gathers from where nothing more is wanted of them.
        let ended = |node: usize| {
            is_open_ended(node) || joining.nodes[node].children.iter().any(|&it| is_open_ended(it))
        };
        (0..joining.nodes.len()).any(is_open_ended)
            && !all_done.iter().any(|done| ended(ids[done.task].0))
    }
}

fn panicked(message: String) -> ControlError {
    ControlError::Core(RtError::Panicked { name: "of the job".to_owned(), message })
}
