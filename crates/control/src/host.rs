//! Cores that outlive what runs on them.
//!
//! A core is launched when something is first to run on it, and ends with its host. It has a mailbox of *shifts*: what
//! one wave of one job has for one core. Shifts that are on a core at the same time take turns there, whichever jobs
//! they are of ([`tidemill_rt::take_turns`]).

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_rt::{Backend, Bell, Body, Core, RtError, Waiting, begin_launch, take_turns};

use crate::ControlError;

/// What a core is to run; made there, since it never leaves it.
pub(crate) type Shift = Box<dyn FnOnce(Rc<Waiting>) -> Body + Send>;

/// The cores of a process, or some of them: threads that are made once, each pinned to a CPU of its own.
///
/// Shared by the jobs that run on it. Dropping it waits until those are over.
pub struct Host {
    backend: Backend,
    /// Of its threads, before the number of their CPU.
    name: String,
    cpus: Vec<usize>,
    bells: Arc<[Bell]>,
    /// Of each CPU, how many waves have it now.
    waves: Vec<AtomicUsize>,
    /// Of each CPU, once something was to run there.
    seats: Mutex<Vec<Option<Seat>>>,
    /// Held by a wave whose partitions wait for each other to print.
    pub(crate) printing: Mutex<()>,
}

/// A core that runs.
struct Seat {
    core: Core<()>,
    mailbox: Sender<Shift>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("backend", &self.backend).field("cpus", &self.cpus).finish()
    }
}

impl Host {
    /// With these CPUs, without repeats, at least one; none of them runs anything yet. Threads bear the name and the number
    /// of their CPU behind it: `tidemill-3`.
    ///
    /// # Errors
    /// [`RtError::Launch`] where the process has no descriptor left: each CPU takes one.
    pub fn new(backend: Backend, cpus: Vec<usize>, name: &str) -> Result<Self, RtError> {
        assert!(!cpus.is_empty(), "there is at least one CPU");
        let bells = cpus.iter().map(|&cpu| {
            Bell::new().map_err(|error| {
                let (name, reason) = (format!("{name}-{cpu}"), format!("no event: {error}"));
                RtError::Launch { name, cpu, reason }
            })
        });
        Ok(Self {
            backend,
            name: name.to_owned(),
            bells: bells.collect::<Result<_, _>>()?,
            waves: cpus.iter().map(|_| AtomicUsize::new(0)).collect(),
            seats: Mutex::new(cpus.iter().map(|_| None).collect()),
            printing: Mutex::new(()),
            cpus,
        })
    }

    /// Who does its I/O.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Its CPUs.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Of each core, what wakes it.
    pub(crate) fn bells(&self) -> &Arc<[Bell]> {
        &self.bells
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Option<Seat>>> {
        // Whole between any two statements that could panic.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many cores for a wave, at most all: those that have the fewest, the first of these, in order. Launches them.
    ///
    /// # Errors
    /// [`ControlError::Core`] where one cannot be launched; those that can be are, and none is taken.
    pub(crate) fn take(self: &Arc<Self>, wanted: usize) -> Result<Places, ControlError> {
        let mut seats = self.seats();
        let mut cores: Vec<usize> = (0..self.cpus.len()).collect();
        cores.sort_by_key(|&core| (self.waves[core].load(Ordering::Relaxed), core));
        cores.truncate(wanted.max(1));
        cores.sort_unstable();
        // All set themselves up at the same time.
        let (mut launching, mut refusal) = (Vec::new(), None);
        for &core in cores.iter().filter(|&&core| seats[core].is_none()) {
            match self.begin(core) {
                Ok(begun) => launching.push((core, begun)),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        for (place, (begun, mailbox)) in launching {
            match begun.started() {
                Ok(core) => seats[place] = Some(Seat { core, mailbox }),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        if let Some(error) = refusal {
            return Err(ControlError::Core(error));
        }
        for &core in &cores {
            self.waves[core].fetch_add(1, Ordering::Relaxed);
        }
        drop(seats);
        Ok(Places { host: Arc::clone(self), cores })
    }

    fn begin(&self, core: usize) -> Result<(tidemill_rt::Launching<()>, Sender<Shift>), RtError> {
        let (cpu, bell) = (self.cpus[core], self.bells[core].clone());
        let (mailbox, shifts) = channel::<Shift>();
        let body = move || async move {
            let waiting = Rc::new(Waiting::new(bell));
            let arrive = |arrived: &mut Vec<Body>| loop {
                match shifts.try_recv() {
                    Ok(shift) => arrived.push(shift(Rc::clone(&waiting))),
                    Err(error) => return error == TryRecvError::Empty,
                }
            };
            take_turns(&waiting, arrive).await;
        };
        let begun = begin_launch(self.backend, cpu, &format!("{}-{cpu}", self.name), body)?;
        Ok((begun, mailbox))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let mut seats = std::mem::take(&mut *self.seats());
        let cores: Vec<Core<()>> = seats
            .drain(..)
            .flatten()
            .map(|Seat { core, mailbox }| {
                drop(mailbox);
                core
            })
            .collect();
        self.bells.iter().for_each(Bell::ring);
        for core in cores.into_iter().filter(|core| !core.is_current()) {
            // What it ran was told if it panicked.
            let _ = core.join();
        }
    }
}

/// The cores that a wave has on a host, until it is dropped.
pub(crate) struct Places {
    host: Arc<Host>,
    /// Which of the host's, ascending.
    cores: Vec<usize>,
}

impl Places {
    /// Which of the host's cores they are.
    pub(crate) fn cores(&self) -> &[usize] {
        &self.cores
    }

    /// What wakes them.
    pub(crate) fn bells(&self) -> Vec<Bell> {
        self.cores.iter().map(|&core| self.host.bells[core].clone()).collect()
    }

    /// The CPUs of the host without that one.
    pub(crate) fn others(&self, core: usize) -> Vec<usize> {
        let cpu = self.host.cpus[core];
        self.host.cpus.iter().copied().filter(|&other| other != cpu).collect()
    }

    /// Has one of them run a shift beside what it runs. Of a core that has died the shift is dropped.
    pub(crate) fn send(&self, core: usize, shift: Shift) {
        if let Some(seat) = &self.host.seats()[core] {
            let _ = seat.mailbox.send(shift);
        }
        self.ring(core);
    }

    /// Wakes one of them.
    pub(crate) fn ring(&self, core: usize) {
        self.host.bells[core].ring();
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for &core in &self.cores {
            self.host.waves[core].fetch_sub(1, Ordering::Relaxed);
        }
    }
}
