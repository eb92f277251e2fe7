//! The cores of a wave, and the thread that hears them: it makes durable and visible what is to outlive them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tidemill_checkpoint::Store;
use tidemill_pipeline::{Delivery, Latencies, Piece, Statistics};
use tidemill_rt::{Bell, Core, RtError, Waiting, begin_launch, side_by_side, thread_cpu_time};

use crate::abandon::Abandon;
use crate::arrivals::Joining;
use crate::assignment::assign;
use crate::core_loop::{CoreLoop, KeptAs, Left, Opening};
use crate::giving::Given;
use crate::handover::Handover;
use crate::keeping::Request;
use crate::{ControlError, Cores, Keeping, StopFlag};

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
    /// Each with its place among all tasks.
    tasks: Vec<(usize, Task)>,
    /// The tasks take turns, because they may have no end; otherwise one follows another.
    takes_turns: bool,
}

/// What a core says.
enum Answer {
    /// A task is over.
    Done(Box<Done>),
    /// Files of one that goes on are to be published.
    Whole(Delivery),
    /// A checkpoint of one that goes on, or goes on later, is to be made durable.
    Keep(Box<Request>),
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

    /// Whether it has left more than a table for a gather. A table is only kept with others that have come by the next
    /// checkpoint: of a short job that ends before, none has to be.
    fn has_written(&self) -> bool {
        self.left().is_some_and(|left| left.outcome.sealed.is_none()) && !self.is_giver()
    }

    /// Whether it has come to its end.
    fn is_whole(&self) -> bool {
        self.left().is_some_and(|left| !left.outcome.is_cut)
    }
}

/// The cores of a job, waiting for work.
pub(crate) struct Fleet {
    cores: Vec<Core<()>>,
    to_cores: Vec<Sender<Work>>,
    from_cores: Receiver<Answer>,
    /// Ends the pipelines that are running.
    abandon: Abandon,
    stop: StopFlag,
}

/// How often it is looked whether input has come.
const ARRIVALS_INTERVAL: Duration = Duration::from_millis(500);

/// What cores have said since they were last heard.
#[derive(Default)]
struct Said {
    done: Vec<Done>,
    whole: Vec<Delivery>,
    to_keep: Vec<Request>,
}

impl Said {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Done(done) => self.done.push(*done),
            Answer::Whole(delivery) => self.whole.push(delivery),
            Answer::Keep(request) => self.to_keep.push(*request),
        }
    }

    /// Makes files visible that do not wait for others, and checkpoints durable; with them those of tasks that were done
    /// before, if they are wanted.
    fn write(
        &mut self,
        store: Option<&Store>,
        before: &mut [Done],
        is_wanted: impl Fn(&Done) -> bool,
    ) -> Result<(), ControlError> {
        let publish = |error| ControlError::Publish(Box::new(error));
        Delivery::publish_each(std::mem::take(&mut self.whole))
            .map_err(|error| publish(error.into()))?;
        let Some(store) = store else { return Ok(()) };
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
            behind.push((cut, committed, taken, checkpoint.epoch));
            checkpoints.push(checkpoint);
        }
        store.commit(checkpoints).map_err(ControlError::checkpoint)?;
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

/// How often it is looked whether a core that owes answers is still there.
const DEATH_WATCH_INTERVAL: Duration = Duration::from_secs(1);

impl Fleet {
    /// Starts the first of the job's cores, as many as have something to do, at least one.
    pub(crate) fn launch(
        cores: &Cores,
        wanted: usize,
        stop: &StopFlag,
    ) -> Result<Self, ControlError> {
        let cpus = &cores.cpus[..cores.cpus.len().min(wanted.max(1))];
        let bells = cpus.iter().map(|&cpu| {
            Bell::new().map_err(|error| RtError::Launch {
                name: format!("tidemill-{cpu}"),
                cpu,
                reason: format!("no event: {error}"),
            })
        });
        let bells: Vec<Bell> = bells.collect::<Result<_, _>>().map_err(ControlError::Core)?;
        let abandon = Abandon::new(&bells);
        let (done, from_cores) = channel();
        let (running, to_cores) = (Vec::new(), Vec::new());
        let stop_flag = stop.clone();
        let mut fleet = Self { cores: running, to_cores, from_cores, abandon, stop: stop_flag };
        // All set themselves up at the same time.
        let (mut launching, mut refusal) = (Vec::new(), None);
        for (core, ((&cpu, meter), bell)) in cpus.iter().zip(&cores.meters).zip(bells).enumerate() {
            let (to_core, work) = channel::<Work>();
            let done = done.clone();
            let (stop, abandon, meter) = (stop.clone(), fleet.abandon.clone(), Arc::clone(meter));
            let notices = cores.notices.clone();
            let others: Vec<usize> =
                cores.cpus.iter().copied().filter(|&other| other != cpu).collect();
            let body = move || async move {
                // The meter goes on from what earlier waves of the job have read.
                let seen = meter.seen();
                let publisher = done.clone();
                let keeper = done.clone();
                let commit = Box::new(move |request| {
                    // As below.
                    let _ = keeper.send(Answer::Keep(Box::new(request)));
                });
                let deliver = Box::new(move |delivery| {
                    // Where nobody listens any more, the job has gone away.
                    let _ = publisher.send(Answer::Whole(delivery));
                });
                let waiting = Waiting::new(bell, stop.latches().to_vec());
                let helped = Arc::clone(&meter);
                let help = Arc::new(move |pieces: Vec<Piece<'_>>| {
                    helped.add_cpu_time(side_by_side(&others, pieces));
                });
                let mut core_loop = CoreLoop {
                    meter,
                    notices,
                    stop,
                    waiting,
                    abandon,
                    help,
                    deliver,
                    commit,
                    seen,
                };
                // Between levels a core has nothing else to do, so it may as well block here.
                while let Ok(Work { tasks, takes_turns }) = work.recv() {
                    let mut answer = |task, result| {
                        // As above.
                        let _ = done.send(Answer::Done(Box::new(Done { task, core, result })));
                    };
                    if takes_turns {
                        let openings = tasks.into_iter().map(|(place, task)| {
                            assert!(place == task.first_rank, "a task each");
                            (place, task.opening)
                        });
                        let mut more = || {
                            let more = work.try_iter().flat_map(|work| work.tasks);
                            more.map(|(place, task)| (place, task.opening)).collect()
                        };
                        let openings = openings.collect();
                        core_loop.run_in_turns(openings, &mut more, &mut answer).await;
                        continue;
                    }
                    for (place, Task { first_rank, opening, .. }) in tasks {
                        answer(place, core_loop.run_block(first_rank, opening).await);
                    }
                }
                core_loop.meter.add_cpu_time(thread_cpu_time());
            };
            match begin_launch(cores.backend, cpu, &format!("tidemill-{cpu}"), body) {
                Ok(begun) => launching.push(begun),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
            fleet.to_cores.push(to_core);
        }
        for begun in launching {
            match begun.started() {
                Ok(core) => fleet.cores.push(core),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        let Some(error) = refusal else { return Ok(fleet) };
        // The refusal is what the caller is told of.
        let _ = fleet.join();
        Err(ControlError::Core(error))
    }

    /// Runs tasks on all cores; what became of them, in task order, so that the failure that is
    /// reported does not depend on which core was faster.
    ///
    /// Tasks that `joining` finds meanwhile begin beside those that take turns, on the core that has the fewest.
    /// Checkpoints go where `keeping` says. How long batches took is added up meanwhile, of each core and of each node.
    pub(crate) fn run(
        &self,
        tasks: Vec<(Task, u64)>,
        mut joining: Option<&mut Joining<'_>>,
        takes_turns: bool,
        keeping: Option<&Keeping>,
        (per_core, per_node): (&mut [Statistics], &mut [Latencies]),
    ) -> Result<Vec<Done>, ControlError> {
        let mut nodes: Vec<usize> = tasks.iter().map(|(task, _)| task.id.0).collect();
        let weights: Vec<u64> = tasks.iter().map(|(_, weight)| *weight).collect();
        let by_handover = gathers(&tasks);
        let mut gathers: Vec<Option<usize>> =
            tasks.iter().map(|(task, _)| gather_of(task, &by_handover)).collect();
        let mut running_counts = vec![0_usize; self.cores.len()];
        let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(|(task, _)| Some(task)).collect();
        for (core, places) in assign(&weights, self.cores.len()).into_iter().enumerate() {
            let of_core = places
                .into_iter()
                .map(|place| (place, tasks[place].take().expect("each task has one core")));
            let tasks: Vec<(usize, Task)> = of_core.collect();
            running_counts[core] = tasks.len();
            // A core that has died is noticed below.
            let _ = self.to_cores[core].send(Work { tasks, takes_turns });
        }
        let mut all_done: Vec<Done> = Vec::with_capacity(nodes.len());
        let wait = if joining.is_some() { ARRIVALS_INTERVAL } else { DEATH_WATCH_INTERVAL };
        let mut looked_at = Instant::now();
        let store = keeping.map(|keeping| &*keeping.store);
        let (mut written, mut kept_at) = (Ok(()), Instant::now());
        while all_done.len() < nodes.len() {
            let first = self.from_cores.recv_timeout(wait);
            if let Some(joining) = &mut joining
                && looked_at.elapsed() >= wait
                && written.is_ok()
                && !self.stop.is_set()
            {
                match joining.look() {
                    Ok(arrived) => {
                        for (task, _) in arrived {
                            let place = nodes.len();
                            nodes.push(task.id.0);
                            gathers.push(gather_of(&task, &by_handover));
                            let core = (0..self.cores.len()).min_by_key(|&at| running_counts[at]);
                            let core = core.expect("there is at least one core");
                            running_counts[core] += 1;
                            // As above.
                            let work = Work { tasks: vec![(place, task)], takes_turns };
                            let _ = self.to_cores[core].send(work);
                            self.abandon.ring(core);
                        }
                    }
                    Err(error) => {
                        written = Err(error);
                        self.abandon.all();
                    }
                }
                looked_at = Instant::now();
            }
            if first.is_err() {
                self.check_alive()?;
            }
            // What has come meanwhile is written with it: so however fast segments are closed, this thread, which no
            // core waits for, keeps up.
            let mut said = Said::default();
            first.into_iter().chain(self.from_cores.try_iter()).for_each(|one| said.add(one));
            for done in &mut said.done {
                running_counts[done.core] = running_counts[done.core].saturating_sub(1);
                let Some(Ok(left)) = &mut done.result else { continue };
                let took = std::mem::take(&mut left.outcome.statistics.batch_latency_ns);
                per_core[done.core].batch_latency_ns.add(&took);
                per_node[nodes[done.task]].add(&took);
            }
            // After a failure nothing is written any more: what was kept before is what a later run goes on from.
            if written.is_ok() {
                let is_time = keeping.is_some_and(|keeping| kept_at.elapsed() >= keeping.interval);
                if is_time {
                    kept_at = Instant::now();
                }
                written = said.write(store, &mut all_done, |done| is_time && !done.is_giver());
                if written.is_err() {
                    self.abandon.all();
                }
            }
            all_done.append(&mut said.done);
        }
        written?;
        // Where all is over, what a gather has of others need not be kept. Where a later run goes on, what is done is not to
        // be done again.
        let is_over = all_done.iter().all(Done::is_whole);
        let whole: HashSet<usize> =
            all_done.iter().filter(|done| done.is_whole()).map(|done| done.task).collect();
        let gather_is_whole = |done: &Done| gathers[done.task].is_none_or(|at| whole.contains(&at));
        Said::default().write(store, &mut all_done, |done| match done.is_giver() {
            true => gather_is_whole(done),
            false => !is_over,
        })?;
        all_done.sort_by_key(|done| done.task);
        Ok(all_done)
    }

    /// While answers are missing, every core is alive: none ends before it is joined.
    fn check_alive(&self) -> Result<(), ControlError> {
        let Some(dead) = self.cores.iter().find(|core| core.is_finished()) else { return Ok(()) };
        self.abandon.all();
        let message = "its thread ended before its work".to_owned();
        Err(ControlError::Core(RtError::Panicked { name: dead.name().to_owned(), message }))
    }

    /// Waits until all cores have ended; the first that panicked.
    pub(crate) fn join(self) -> Result<(), ControlError> {
        drop(self.to_cores);
        let joined: Vec<_> = self.cores.into_iter().map(Core::join).collect();
        joined.into_iter().collect::<Result<(), _>>().map_err(ControlError::Core)
    }
}
