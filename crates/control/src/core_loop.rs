//! What one core does: the pipelines it was given, turn by turn.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::FutureExt;
use tidemill_pipeline::{
    Delivery, InputSpec, Outcome, Pipeline, PipelineError, PipelineSpec, Progress, Sealed,
};
use tidemill_record::{EventTime, Offset, Position};
use tidemill_rt::yield_if_needed;

use crate::abandon::Abandon;
use crate::giving::{GiveSpec, Giving};
use crate::handover::Handover;
use crate::{ControlError, CoreMeter, Notices, StopFlag};

/// How long a core whose input has nothing ready waits before it asks again: at first so long, then twice
/// as long, and so on.
const IDLE_MIN: Duration = Duration::from_micros(50);
/// And no longer than this, however quiet the input.
const IDLE_MAX: Duration = Duration::from_micros(500);

/// A core's side of the control plane.
pub(crate) struct CoreLoop {
    pub(crate) meter: Arc<CoreMeter>,
    pub(crate) notices: Notices,
    pub(crate) stop: StopFlag,
    /// Which pipelines are not worth their time any more.
    pub(crate) abandon: Abandon,
    /// Takes files that are to be published while their pipeline runs; must not block.
    pub(crate) deliver: Box<dyn Fn(Delivery)>,
    /// Totals of the pipelines that are done, for the meter.
    pub(crate) bytes_in: u64,
    pub(crate) records_in: u64,
}

/// A pipeline, and what is said of it if it fails.
struct Running {
    rank: usize,
    query: String,
    source: String,
    position: Position,
    /// What a gather merges has been read before the stop: leaving it out would lose it. It ends with
    /// those it gathers from.
    is_gather: bool,
    gives: Option<Giving>,
    takes: Option<Arc<Handover<Sealed>>>,
    pipeline: Pipeline,
}

/// What a pipeline has to do with others that run at the same time.
#[derive(Clone, Default)]
pub(crate) struct Links {
    /// A gather that it gives windows to.
    pub(crate) gives: Option<GiveSpec>,
    /// Where it takes them, being a gather.
    pub(crate) takes: Option<Arc<Handover<Sealed>>>,
}

/// What a turn came to.
enum Turned {
    On,
    Idle,
    Done(Box<Outcome>),
}

impl CoreLoop {
    /// Runs one pipeline to the end of its input or until it is asked to stop; a gather always to the
    /// end. What became of it: `None` where it was abandoned because an earlier one failed.
    pub(crate) async fn run_one(
        &mut self,
        rank: usize,
        spec: PipelineSpec,
        links: Links,
    ) -> Option<Result<Outcome, ControlError>> {
        let mut result = None;
        let abandon = self.abandon.clone();
        let fail = |rank| abandon.behind(rank);
        self.run(vec![(rank, spec, links)], fail, &mut |_, done| result = done).await;
        result
    }

    /// Runs pipelines whose input may have no end, taking turns, as [`Self::run_one`] does each. Once one
    /// fails, all are abandoned.
    pub(crate) async fn run_in_turns(
        &mut self,
        specs: Vec<(usize, PipelineSpec, Links)>,
        done: &mut impl FnMut(usize, Option<Result<Outcome, ControlError>>),
    ) {
        let abandon = self.abandon.clone();
        self.run(specs, |_| abandon.all(), done).await;
    }

    async fn run(
        &mut self,
        specs: Vec<(usize, PipelineSpec, Links)>,
        fail: impl Fn(usize),
        done: &mut impl FnMut(usize, Option<Result<Outcome, ControlError>>),
    ) {
        // Boxed, and passed from one list to the other turn by turn: an end moves none of the others.
        let mut running: Vec<Box<Running>> = Vec::with_capacity(specs.len());
        let mut going: Vec<Box<Running>> = Vec::with_capacity(specs.len());
        for (rank, spec, links) in specs {
            if self.abandon.concerns(rank) {
                done(rank, None);
                continue;
            }
            match self.open(rank, spec, links).await {
                Ok(opened) => running.push(Box::new(opened)),
                Err(error) => {
                    fail(rank);
                    done(rank, Some(Err(error)));
                }
            }
        }
        let mut idle = IDLE_MIN;
        while !running.is_empty() {
            let mut is_idle = true;
            for mut one in running.drain(..) {
                if self.abandon.concerns(one.rank) {
                    done(one.rank, None);
                    continue;
                }
                let turned = self.turn(&mut one).await;
                // Of a pipeline that has failed, too: what was whole before is so still.
                if let Some(delivery) = one.pipeline.take_finished() {
                    (self.deliver)(delivery);
                }
                match turned {
                    Ok(Turned::On) => {
                        is_idle = false;
                        going.push(one);
                    }
                    Ok(Turned::Idle) => going.push(one),
                    Ok(Turned::Done(outcome)) => done(one.rank, Some(Ok(*outcome))),
                    Err(error) => {
                        fail(one.rank);
                        done(one.rank, Some(Err(error)));
                    }
                }
            }
            std::mem::swap(&mut running, &mut going);
            let bytes_in: u64 = running.iter().map(|one| one.pipeline.bytes_in()).sum();
            let records_in: u64 = running.iter().map(|one| one.pipeline.records_in()).sum();
            self.meter.publish(self.bytes_in + bytes_in, self.records_in + records_in);
            if is_idle && !running.is_empty() {
                // Nothing else runs on this core, so it may as well block.
                std::thread::sleep(idle);
                idle = IDLE_MAX.min(2 * idle);
            } else {
                idle = IDLE_MIN;
            }
            yield_if_needed().await;
        }
    }

    async fn open(
        &self,
        rank: usize,
        spec: PipelineSpec,
        links: Links,
    ) -> Result<Running, ControlError> {
        let is_gather = matches!(spec.input, InputSpec::Sealed(..) | InputSpec::Closing(..));
        let (query, source) = (spec.query.clone(), spec.source.clone());
        let position = Position { partition: spec.partition, offset: Offset(0) };
        match AssertUnwindSafe(Pipeline::open(spec)).catch_unwind().await {
            Ok(Ok(pipeline)) => {
                let Links { gives, takes } = links;
                let gives = gives.map(Giving::new);
                Ok(Running { rank, query, source, position, is_gather, gives, takes, pipeline })
            }
            Ok(Err(error)) => Err(failed(query, source, position, error)),
            Err(panic) => Err(panicked(query, source, position, panic.as_ref())),
        }
    }

    /// One turn, or the last steps of a pipeline that is to end.
    async fn turn(&mut self, one: &mut Running) -> Result<Turned, ControlError> {
        let is_stopped = self.stop.is_set() && !one.is_gather;
        let Running { pipeline, gives, takes, source, .. } = one;
        let turned = AssertUnwindSafe(async {
            if let Some(taken) = takes.as_ref().and_then(|handover| handover.take()) {
                for (giver, sealed) in taken.sealed {
                    pipeline.add_sealed(giver, sealed)?;
                }
                pipeline.all_have_passed(taken.until);
            }
            if !is_stopped {
                let progress = pipeline.turn().await?;
                if let Some(giving) = gives
                    && let Some(greatest) = giving.follow(pipeline, progress).await?
                {
                    self.notices.say_of(&format!("idle {source}"), all_are_idle(source, greatest));
                }
                if let Some(notice) = pipeline.take_notice() {
                    self.notices.say_of(&format!("far ahead {source}"), notice);
                }
                match progress {
                    Progress::Advanced(_) => return Ok(Turned::On),
                    Progress::Idle => return Ok(Turned::Idle),
                    Progress::Ended => {}
                }
            }
            let mut outcome = pipeline.drain().await?;
            if let Some(giving) = gives {
                giving.end(&mut outcome);
            }
            Ok(Turned::Done(Box::new(outcome)))
        });
        let turned = turned.catch_unwind().await;
        if let Ok(Ok(Turned::Done(outcome))) = &turned {
            self.bytes_in += outcome.statistics.bytes_in;
            self.records_in += outcome.statistics.records_in;
            self.meter.publish(self.bytes_in, self.records_in);
        }
        one.position = one.pipeline.position();
        let (query, source) = (&one.query, &one.source);
        match turned {
            Ok(Ok(turned)) => Ok(turned),
            Ok(Err(error)) => Err(failed(query.clone(), source.clone(), one.position, error)),
            Err(panic) => {
                Err(panicked(query.clone(), source.clone(), one.position, panic.as_ref()))
            }
        }
    }
}

fn failed(query: String, source: String, position: Position, error: PipelineError) -> ControlError {
    ControlError::Pipeline { query, source, position, error: Box::new(error) }
}

fn all_are_idle(source: &str, greatest: EventTime) -> String {
    let reached = match greatest {
        EventTime::MIN => "none of them has a watermark yet, so that no window closes".to_owned(),
        greatest => format!("windows close up to the greatest of their watermarks, {greatest}"),
    };
    format!("{source}: no partition has had a record for 'idle.timeout'; {reached}")
}

fn panicked(
    query: String,
    source: String,
    position: Position,
    panic: &(dyn std::any::Any + Send),
) -> ControlError {
    let message = if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    };
    ControlError::Panicked { query, source, position, message }
}
