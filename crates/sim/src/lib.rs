//! A disk, clocks and cores that are simulated, and the product running on them: cut off anywhere, and gone on with.
//!
//! Start with [`Machine`], the world that a thread enters ([`tidemill_rt::world`]); its [`Disk`] keeps only what was flushed when
//! the power goes. [`run`] is one seed: a small job, an undisturbed run of it, and a chain of runs that are cut off, whose
//! output must be the same bytes. Absent on purpose: anything that the product depends on, and threads: a seed is a run.

mod chain;
mod dice;
mod disk;
mod fault;
mod jobs;
mod machine;
mod omit;
mod output;

pub use chain::{Chain, Report, Wrong, fault_at, run, undisturbed_calls};
pub use disk::{Cut, Disk};
pub use fault::Fault;
pub use jobs::Kind;
pub use machine::{Counts, Machine};
pub use omit::Omitted;
