//! A body on a core of its own.
//!
//! All backends run it on a thread that is made here, pinned and named, so that every failure (no
//! thread, no such CPU, no ring where that is made at the start) is known before [`launch`] returns, and a
//! panic becomes an error.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use futures_lite::FutureExt;
use glommio::LocalExecutor;

use crate::{Backend, RtError, cpus, ring, world, yielding};

/// A running core; join it for what its body returns.
#[derive(Debug)]
pub struct Core<T> {
    name: String,
    cpu: usize,
    runs: Runs<T>,
}

/// What its body runs on.
#[derive(Debug)]
enum Runs<T> {
    Thread(JoinHandle<Result<T, String>>),
    /// The calling thread, as one of the cores of its world.
    World {
        core: u64,
        outcome: Arc<Mutex<Option<Result<T, String>>>>,
    },
}

impl<T> Core<T> {
    /// The name it was launched with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CPU it is pinned to.
    #[must_use]
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Whether the body has returned (or panicked), so that [`Self::join`] does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.runs {
            Runs::Thread(thread) => thread.is_finished(),
            Runs::World { core, .. } => world::has_ended(*core),
        }
    }

    /// Whether it is the calling thread.
    #[must_use]
    pub fn is_current(&self) -> bool {
        match &self.runs {
            Runs::Thread(thread) => thread.thread().id() == std::thread::current().id(),
            Runs::World { .. } => false,
        }
    }

    /// Waits until the body has returned.
    ///
    /// # Errors
    /// [`RtError::Panicked`] with the message, if it panicked.
    pub fn join(self) -> Result<T, RtError> {
        let outcome = match self.runs {
            Runs::Thread(thread) => {
                thread.join().unwrap_or_else(|payload| Err(message_of(&*payload)))
            }
            Runs::World { core, outcome } => {
                world::join(core);
                let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
                outcome.unwrap_or_else(|| Err("its world has gone".to_owned()))
            }
        };
        outcome.map_err(|message| RtError::Panicked { name: self.name, message })
    }
}

/// A core whose thread is setting itself up.
#[derive(Debug)]
pub struct Launching<T> {
    core: Core<T>,
    started: mpsc::Receiver<Result<(), String>>,
}

impl<T> Launching<T> {
    /// Waits until the body has begun.
    ///
    /// # Errors
    /// [`RtError::Launch`] where the pinning or the executor failed; the thread has ended then.
    pub fn started(self) -> Result<Core<T>, RtError> {
        let reason = match self.started.recv() {
            Ok(Ok(())) => return Ok(self.core),
            Ok(Err(reason)) => reason,
            Err(mpsc::RecvError) => "its thread ended before it said anything".to_owned(),
        };
        Err(RtError::Launch { name: self.core.name, cpu: self.core.cpu, reason })
    }
}

/// Runs a body on a thread pinned to `cpu`, and returns once it has started.
///
/// The future never leaves that thread, so it need not be `Send`. It waits for nothing but files of this
/// crate and [`crate::yield_if_needed`]. Under glommio, tasks that the body leaves behind are dropped with
/// the executor: await them.
///
/// # Errors
/// [`RtError::CpuNotAllowed`] for a CPU outside the affinity masks of the calling thread and of the process's first,
/// [`RtError::Launch`] where the thread, the pinning or the executor fails. Probe first: glommio ends
/// the process where io_uring is missing.
pub fn launch<T, F, Fut>(
    backend: Backend,
    cpu: usize,
    name: &str,
    body: F,
) -> Result<Core<T>, RtError>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    begin_launch(backend, cpu, name, body)?.started()
}

/// Begins what [`launch`] does, and returns at once: setting up rings takes milliseconds, which several
/// cores can spend side by side.
///
/// # Errors
/// Those of [`launch`] that are known before the thread has set itself up.
pub fn begin_launch<T, F, Fut>(
    backend: Backend,
    cpu: usize,
    name: &str,
    body: F,
) -> Result<Launching<T>, RtError>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let allowed = crate::allowed_cpus();
    if !allowed.contains(&cpu) && !cpus::process_cpus().contains(&cpu) {
        return Err(RtError::CpuNotAllowed { cpu, allowed });
    }
    if world::is_entered() {
        return Ok(begin_in_world(cpu, name, body));
    }
    let failed = |reason: String| RtError::Launch { name: name.to_owned(), cpu, reason };
    let (report, started) = mpsc::channel::<Result<(), String>>();
    let thread_name = name.to_owned();
    let thread = std::thread::Builder::new()
        .name(thread_name.clone())
        .spawn(move || {
            let executor = match set_up(backend, cpu, &thread_name) {
                Ok(executor) => executor,
                Err(reason) => {
                    // The receiver waits for exactly one message; if it is gone, nobody asks.
                    let _ = report.send(Err(reason.clone()));
                    return Err(reason);
                }
            };
            let _ = report.send(Ok(()));
            drop(report);
            // glommio aborts or hangs on a panic inside a task: nothing unwinds past this.
            let guarded = async move {
                let outcome = match catch_unwind(AssertUnwindSafe(body)) {
                    Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
                    Err(payload) => Err(payload),
                };
                if ring::has_ring() {
                    // Files that were dropped are closed by requests that are only queued: an executor
                    // that ended now would leave their descriptors, and their disk space, open.
                    yielding::submit_queued().await;
                }
                outcome
            };
            let outcome = match backend {
                Backend::Std => futures_lite::future::block_on(guarded),
                _ => ring::run(executor, cpu, &thread_name, guarded),
            };
            outcome.map_err(|payload| message_of(&*payload))
        })
        .map_err(|error| failed(format!("no thread: {error}")))?;
    let core = Core { name: name.to_owned(), cpu, runs: Runs::Thread(thread) };
    Ok(Launching { core, started })
}

/// The same as one of the cores of the calling thread's world.
fn begin_in_world<T, F, Fut>(cpu: usize, name: &str, body: F) -> Launching<T>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let (report, started) = mpsc::channel::<Result<(), String>>();
    let _ = report.send(Ok(()));
    let outcome = Arc::new(Mutex::new(None));
    let told = Arc::clone(&outcome);
    let core = world::add_core(async move {
        let ran = AssertUnwindSafe(async move { body().await }).catch_unwind().await;
        let ran = ran.map_err(|payload| message_of(&*payload));
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(ran);
    });
    Launching {
        core: Core { name: name.to_owned(), cpu, runs: Runs::World { core, outcome } },
        started,
    }
}

/// Pins the calling thread, and makes its executor where the backend has one from the start.
fn set_up(backend: Backend, cpu: usize, name: &str) -> Result<Option<LocalExecutor>, String> {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        return Err(format!("it cannot be pinned: {}", std::io::Error::last_os_error()));
    }
    match backend {
        Backend::Glommio => ring::make(cpu, name).map(Some),
        Backend::OnDemand | Backend::Std => Ok(None),
    }
}

pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
