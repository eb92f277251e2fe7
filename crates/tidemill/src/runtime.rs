//! Cores that jobs share.

use std::fmt;
use std::sync::Arc;

use tidemill_control::Host;
use tidemill_plan::{CoreSet, RuntimeChoice, Settings};
use tidemill_rt::{Choice, ClaimedCpus, CpuChoice, Probe, claim_cpus, probe};

use crate::{Error, Job, Query};

/// Threads pinned to CPUs, on which jobs run beside each other. Cheap to clone; all clones are one.
///
/// A thread is made when something is first to run on its CPU, and lives as long as the runtime: until the last clone is
/// dropped and the last of its queries has ended. What is on a core takes turns there, so that no query holds up another
/// for longer than a turn of its own takes. [`Job::run`] and [`Job::start`] make a runtime of their own, which ends with the job.
///
/// ```
/// use tidemill::{Runtime, Session};
///
/// let runtime = Runtime::builder().cores(1).thread_name("engine").build()?;
/// let count = |rows: u32| {
///     Session::new().prepare(&format!(
///         "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '{rows}');
///          CREATE SINK nowhere WITH ('connector' = 'discard');
///          INSERT INTO nowhere SELECT COUNT(*) AS trades FROM trades;"
///     ))
/// };
/// let (one, other) = (runtime.submit(count(1000)?), runtime.submit(count(2000)?));
/// assert_eq!(one.join()?.statistics.records_in, 1000);
/// assert_eq!(other.join()?.statistics.records_in, 2000);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<Cores>);

/// What clones share.
struct Cores {
    host: Arc<Host>,
    backend_reason: Option<String>,
    memory_bytes: Option<u64>,
    /// Given back behind the threads.
    cpus: ClaimedCpus,
}

/// What a [`Runtime`] is to be made of.
#[derive(Clone, Debug)]
pub struct RuntimeBuilder {
    cores: CoreSet,
    backend: RuntimeChoice,
    memory_bytes: Option<u64>,
    thread_name: String,
}

impl RuntimeBuilder {
    /// On which CPUs, of those that the calling thread may run on: all of them unless this is called, so many (`2`), or
    /// these ([`CoreSet::List`]). So many are those that the fewest runtimes of this process have.
    #[must_use]
    pub fn cores(self, cores: impl Into<CoreSet>) -> Self {
        Self { cores: cores.into(), ..self }
    }

    /// Who does the I/O; `Auto` unless this is called.
    #[must_use]
    pub fn backend(self, backend: RuntimeChoice) -> Self {
        Self { backend, ..self }
    }

    /// Bytes that each of its queries may hold, unless its job has a `memory.budget` of its own. Without this 60 % of what
    /// the process can get, for each.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory_bytes: Some(bytes), ..self }
    }

    /// The name of its threads, before a hyphen and the number of their CPU: `tidemill` unless this is called. At most 10
    /// bytes, since the kernel keeps 15 of a name.
    #[must_use]
    pub fn thread_name(self, name: impl Into<String>) -> Self {
        Self { thread_name: name.into(), ..self }
    }

    /// Makes it. No thread is made yet.
    ///
    /// # Errors
    /// CPUs that the calling thread may not run on, a backend that this host refuses, a name that no thread can have, or no
    /// descriptor left.
    pub fn build(self) -> Result<Runtime, Error> {
        const NAME_BYTES_MAX: usize = 10;
        let name = &self.thread_name;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
            return Err(Error::usage(format!(
                "{name:?} cannot name threads: give 1 to {NAME_BYTES_MAX} bytes, none of them zero"
            )));
        }
        if self.memory_bytes == Some(0) {
            return Err(Error::usage("queries cannot do without memory: give more than 0 bytes"));
        }
        let Probe { backend, reason } = probe(match self.backend {
            RuntimeChoice::Auto => Choice::Auto,
            RuntimeChoice::Glommio => Choice::Glommio,
            RuntimeChoice::Std => Choice::Std,
        })?;
        let cpus = claim_cpus(&match self.cores {
            CoreSet::All => CpuChoice::All,
            CoreSet::Count(count) => CpuChoice::Count(count),
            CoreSet::List(cpus) => CpuChoice::List(cpus),
        })?;
        let host = Arc::new(Host::new(backend, cpus.cpus().to_vec(), &self.thread_name)?);
        let backend_reason = reason.map(|error| error.to_string());
        let memory_bytes = self.memory_bytes;
        Ok(Runtime(Arc::new(Cores { host, backend_reason, memory_bytes, cpus })))
    }
}

impl Runtime {
    /// What it is to be made of.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder {
            cores: CoreSet::All,
            backend: RuntimeChoice::Auto,
            memory_bytes: None,
            thread_name: "tidemill".to_owned(),
        }
    }

    /// For one job, as its settings say.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Error> {
        Self::builder().cores(settings.cores.clone()).backend(settings.runtime).build()
    }

    /// Runs a job on its cores, beside those that are there. Returns at once; what is wrong comes by [`Query::join`].
    ///
    /// The job's settings `cores` and `runtime` do not count: the runtime's do.
    ///
    /// # Panics
    /// If the host cannot start a thread: each query has one, which plans it, publishes its files, and otherwise waits.
    pub fn submit(&self, job: Job) -> Query {
        Query::start(job, Some(self.clone()))
    }

    /// Its CPUs.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        self.0.host.cpus()
    }

    /// Those of them that other runtimes of this process had as this one was made: there were too few for each to have its own.
    #[must_use]
    pub fn shared_cpus(&self) -> &[usize] {
        self.0.cpus.shared()
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.0.host
    }

    pub(crate) fn backend_reason(&self) -> Option<&String> {
        self.0.backend_reason.as_ref()
    }

    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.0.memory_bytes
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("cpus", &self.cpus()).finish_non_exhaustive()
    }
}
