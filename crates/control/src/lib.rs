//! The control plane: which core runs which pipeline, and what happens when one ends.
//!
//! Start with [`run`]: it assigns a [`Wave`]'s pipelines to cores of a [`Host`], hands sealed tables to their
//! gathers (through `handover` where input has no end), and gives back what is to be published. Absent on purpose: any look inside a batch. On
//! a core it speaks to a pipeline only between turns.

mod abandon;
mod account;
mod arrivals;
mod assignment;
mod audit;
mod core_loop;
mod enough;
mod error;
mod fleet;
mod giving;
mod handover;
mod host;
mod keeping;
mod meter;
mod notices;
mod run;
mod wave;

pub use arrivals::{Arrival, Arrivals, Late};
pub use audit::SharedKeys;
pub use error::ControlError;
pub use host::Host;
pub use keeping::{Keeping, ResidentName};
pub use meter::{CoreMeter, PartitionMeter, PartitionMeters, StopFlag};
pub use notices::Notices;
pub use run::{Cores, NodeOutcome, WaveOutcome, run};
pub use wave::{DeclaredKeys, MakePipeline, Node, Planned, Root, Wave};
