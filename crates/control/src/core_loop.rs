//! What one core does: the pipelines it was given, one after another, turn by turn.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::FutureExt;
use tidemill_pipeline::{InputSpec, Outcome, Pipeline, PipelineError, PipelineSpec, Progress};
use tidemill_record::{Offset, Position};
use tidemill_rt::yield_if_needed;

use crate::{ControlError, CoreMeter, StopFlag};

/// How long a core whose input has nothing ready waits before it asks again.
const IDLE: Duration = Duration::from_micros(500);

/// A core's side of the control plane.
pub(crate) struct CoreLoop {
    pub(crate) meter: Arc<CoreMeter>,
    pub(crate) stop: StopFlag,
    /// Set when any pipeline fails: the rest of the job is not worth its time.
    pub(crate) abandon: StopFlag,
    /// Totals of the pipelines that are done, for the meter.
    pub(crate) bytes_in: u64,
    pub(crate) records_in: u64,
}

impl CoreLoop {
    /// Runs one pipeline to the end of its input, or until it is asked to stop; a gather, whose input
    /// was read before, always to the end.
    ///
    /// `None` where the job was abandoned because another pipeline failed.
    pub(crate) async fn run(
        &mut self,
        spec: PipelineSpec,
    ) -> Option<Result<Outcome, ControlError>> {
        let (query, source) = (spec.query.clone(), spec.source.clone());
        let position = Cell::new(Position { partition: spec.partition, offset: Offset(0) });
        let ended = AssertUnwindSafe(self.drive(spec, &position)).catch_unwind().await;
        let position = position.get();
        let result = match ended {
            Ok(Ok(Some(outcome))) => Ok(outcome),
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => {
                Err(ControlError::Pipeline { query, source, position, error: Box::new(error) })
            }
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                Err(ControlError::Panicked { query, source, position, message })
            }
        };
        if result.is_err() {
            self.abandon.stop();
        }
        Some(result)
    }

    async fn drive(
        &mut self,
        spec: PipelineSpec,
        position: &Cell<Position>,
    ) -> Result<Option<Outcome>, PipelineError> {
        // What a gather merges has been read before the stop: leaving it out would lose it.
        let is_gather = matches!(spec.input, InputSpec::Sealed(..));
        if self.abandon.is_set() {
            return Ok(None);
        }
        let mut pipeline = Pipeline::open(spec).await?;
        while is_gather || !self.stop.is_set() {
            if self.abandon.is_set() {
                return Ok(None);
            }
            let turned = pipeline.turn().await;
            position.set(pipeline.position());
            match turned? {
                Progress::Advanced(_) => {}
                // Nothing else runs on this core, so it may as well block.
                Progress::Idle => std::thread::sleep(IDLE),
                Progress::Ended => break,
            }
            self.meter.publish(
                self.bytes_in + pipeline.bytes_in(),
                self.records_in + pipeline.records_in(),
            );
            yield_if_needed().await;
        }
        let outcome = pipeline.drain().await?;
        self.bytes_in += outcome.statistics.bytes_in;
        self.records_in += outcome.statistics.records_in;
        self.meter.publish(self.bytes_in, self.records_in);
        Ok(Some(outcome))
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
