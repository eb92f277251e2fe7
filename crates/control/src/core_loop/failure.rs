//! What is said of a pipeline that fails.

use tidemill_pipeline::{Held, PipelineError};
use tidemill_record::{EventTime, Position};

use crate::ControlError;
use crate::account::Lease;
use crate::wave::Planned;

pub(super) fn out_of_memory(
    planned: &Planned,
    position: Position,
    lease: &Lease,
    wanted_bytes: u64,
    most: Held,
) -> ControlError {
    let budget_bytes = lease.account().budget_bytes();
    let limit_bytes = lease.limit_bytes();
    ControlError::Memory {
        query: planned.query.clone(),
        source: planned.source.clone(),
        position,
        budget_bytes,
        // Others may have given something back since.
        wanted_bytes: wanted_bytes.max(limit_bytes + 1),
        elsewhere_bytes: budget_bytes.saturating_sub(limit_bytes),
        most,
    }
}

pub(super) fn failed(planned: &Planned, position: Position, error: PipelineError) -> ControlError {
    let (query, source) = (planned.query.clone(), planned.source.clone());
    ControlError::Pipeline { query, source, position, error: Box::new(error) }
}

pub(super) fn all_are_idle(source: &str, greatest: EventTime) -> String {
    let reached = match greatest {
        EventTime::MIN => "none of them has a watermark yet, so that no window closes".to_owned(),
        greatest => format!("windows close up to the greatest of their watermarks, {greatest}"),
    };
    format!("{source}: no partition has had a record for 'idle.timeout'; {reached}")
}

pub(super) fn panicked(
    planned: &Planned,
    position: Position,
    panic: &(dyn std::any::Any + Send),
) -> ControlError {
    let message = message_of(panic);
    let (query, source) = (planned.query.clone(), planned.source.clone());
    ControlError::Panicked { query, source, position, message }
}

/// What a panic says.
pub(crate) fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
