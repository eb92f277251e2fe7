//! Pinned cores, files and timers: the only crate that knows glommio and core_affinity.
//!
//! Crates above reach files and clocks by [`fs`], [`now`], [`system_time`] and [`sleep()`] alone, so that a thread can be in a
//! simulated [`world`] of files, time and cores instead.
//!
//! Start with [`probe`] (which backend this host allows), then [`launch`] (a body on a pinned core),
//! then [`take_turns`] (many bodies on one core), [`File`] and [`SequentialReads`], and [`Waiting`] (what a core does that
//! has nothing to do). Absent on purpose: formats, partitions, and any notion of a
//! query; sockets and channels, since no record ever leaves its core.

mod backend;
mod bell;
mod cpu_time;
mod cpus;
mod descriptors;
mod directory;
mod error;
mod exact;
mod file;
mod file_events;
pub mod fs;
mod hold;
mod large;
mod launch;
mod memory;
mod pipe;
mod ring;
mod sequential;
mod side_by_side;
mod turns;
mod waiting;
pub mod world;
mod yielding;

pub use backend::{Backend, Choice, Probe, kernel_version, memlock_limit_bytes, probe};
pub use bell::{Bell, Call, Latch};
pub use cpu_time::thread_cpu_time;
pub use cpus::{ClaimedCpus, CpuChoice, allowed_cpus, claim_cpus, select_cpus};
pub use descriptors::allow_descriptors;
pub use directory::{rename_to_free, sync_directory};
pub use error::{FileChange, IoUringRefusal, RtError};
pub use file::{File, FileIdentity, FileKey, since_epoch_ns};
pub use file_events::{FileEvents, SWEEP_INTERVAL, Touch, Touched, Watch};
pub use hold::{Hold, is_full};
pub use large::LargePages;
pub use launch::{Core, Launching, begin_launch, launch};
pub use memory::{give_back_freed_memory, keep_freed_memory};
pub use pipe::{Pipe, descriptor_of};
pub use ring::has_ring;
pub use sequential::{READ_BYTES, READS_IN_FLIGHT_MAX, SequentialReads};
pub use side_by_side::side_by_side;
pub use turns::{Body, take_turns};
pub use waiting::{Waiting, Wake, Wakes};
pub use world::{elapsed, now, sleep, system_time};
pub use yielding::{close_dropped, yield_if_needed};
