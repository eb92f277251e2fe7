//! Input that comes while a wave runs: pipelines that begin beside those that are running.
//!
//! Who finds it (`tidemill`) says which scan it is of; here it is decided where it begins in event time, before that is
//! written down, and only then does it begin. What the clock decides, when something was found and how far a gather had
//! come by then, so stands in the job's record before anything follows from it.

use std::sync::Arc;

use tidemill_pipeline::Statistics;
use tidemill_record::EventTime;

use crate::account::{Account, Lease};
use crate::core_loop::{Links, Opening};
use crate::fleet::Task;
use crate::giving::GiveSpec;
use crate::keeping::Resident;
use crate::wave::FlatNode;
use crate::{ControlError, Keeping};

/// Of a pipeline that came while others ran, in this run or in an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Which of those of the job that came so; given once, and in the order in which they came.
    pub number: u32,
    /// How far the gather that it gives to had come by then; [`EventTime::MIN`] where there is none. What its records say of
    /// before is late.
    pub joined: EventTime,
}

/// A pipeline that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which of the wave's scans it is of: these are counted in the order of a depth-first walk that visits children first.
    pub scan: usize,
    /// Its place among the pipelines of the scan: behind all that are there.
    pub place: usize,
    /// As [`Late::number`].
    pub number: u32,
    /// As in [`crate::Planned::weights`].
    pub weight: u64,
}

/// Who finds input that comes, and writes down that it has.
pub trait Arrivals {
    /// What has come since it was last asked. Asked about twice a second, on no core of the job.
    ///
    /// # Errors
    /// What ends the job, such as more files than may be open.
    fn look(&mut self) -> Result<Vec<Arrival>, ControlError>;

    /// Makes durable what has come, and where each of them joined. None begins before.
    ///
    /// # Errors
    /// What writing it down says.
    fn note(&mut self, joined: &[EventTime]) -> Result<(), ControlError>;

    /// Makes durable that a pipeline is over for good, of whose input nothing is left: what it counted, and that a later run has
    /// no such pipeline. `scan` and `place` are those of its [`Arrival`], or its place among those from the start; the place may
    /// be given again.
    ///
    /// # Errors
    /// What writing it down says.
    fn retire(
        &mut self,
        scan: usize,
        place: usize,
        counted: &Statistics,
    ) -> Result<(), ControlError>;
}

/// Makes tasks of what comes.
pub(crate) struct Joining<'a> {
    pub(crate) nodes: &'a [FlatNode],
    /// Of each node, its links.
    pub(crate) links: &'a [Vec<Links>],
    pub(crate) arrivals: &'a mut dyn Arrivals,
    pub(crate) account: &'a Arc<Account>,
    pub(crate) keeping: Option<&'a Keeping>,
}

impl Joining<'_> {
    /// What has come, with its weights. Nothing while it is not known how far a gather has come.
    pub(crate) fn look(&mut self) -> Result<Vec<(Task, u64)>, ControlError> {
        let gathers = self.links.iter().flatten().filter_map(|links| links.takes.as_ref());
        if !gathers.into_iter().all(|handover| handover.may_join()) {
            return Ok(Vec::new());
        }
        let arrived = self.arrivals.look()?;
        if arrived.is_empty() {
            return Ok(Vec::new());
        }
        let scans = self.scans();
        let joined: Vec<(usize, Links, EventTime)> = arrived
            .iter()
            .map(|arrival| {
                let node = scans[arrival.scan];
                let (links, joined) = self.join(node, arrival.number);
                (node, links, joined)
            })
            .collect();
        let times: Vec<EventTime> = joined.iter().map(|&(.., joined)| joined).collect();
        self.arrivals.note(&times)?;
        let begun = arrived.into_iter().zip(joined);
        Ok(begun.map(|(arrival, (node, links, _))| self.task(arrival, node, links)).collect())
    }

    /// The nodes that read, in the order in which [`Arrivals`] counts them.
    fn scans(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&node| self.nodes[node].children.is_empty()).collect()
    }

    /// Makes durable that a pipeline of a node is over for good.
    pub(crate) fn retire(
        &mut self,
        node: usize,
        place: usize,
        counted: &Statistics,
    ) -> Result<(), ControlError> {
        let scan = self.scans().iter().position(|&scan| scan == node);
        self.arrivals.retire(scan.expect("only what reads is retired"), place, counted)
    }

    /// Says to gathers whether more may come.
    pub(crate) fn set_open_ended(&self, is_open_ended: bool) {
        for (node, links) in self.links.iter().enumerate() {
            let children = &self.nodes[node].children;
            let may_come = children.iter().any(|&child| self.nodes[child].pipelines.is_open_ended);
            let takes = links.iter().filter_map(|links| links.takes.as_ref());
            takes.filter(|_| may_come).for_each(|takes| takes.set_open_ended(is_open_ended));
        }
    }

    /// Whom a pipeline of a scan gives to, and from when on.
    fn join(&self, node: usize, number: u32) -> (Links, EventTime) {
        let parent = self.nodes.iter().position(|of| of.children.contains(&node));
        let takes = parent.and_then(|parent| self.links[parent].first()?.takes.clone());
        let Some(handover) = takes else { return (Links::default(), EventTime::MIN) };
        let early_count = early_giver_count(self.nodes, parent.expect("it takes"));
        let giver = late_giver_id(early_count, number);
        let joined = handover.join(giver);
        let gives = give_spec(&self.nodes[node], handover, giver, Some(joined));
        (Links { gives: Some(gives), takes: None }, joined)
    }

    /// Its place among the tasks, and so its rank and block, is for the caller to give.
    fn task(&self, arrival: Arrival, node: usize, links: Links) -> (Task, u64) {
        let of = &self.nodes[node];
        let resident = self.keeping.map(|keeping| {
            let name = of.pipelines.resident.as_ref().expect("what is kept has a name");
            Resident::new(keeping, name, of.pipelines.early_count() + number(arrival.number))
        });
        let opening = Opening {
            planned: Arc::clone(&of.pipelines),
            places: arrival.place..arrival.place + 1,
            links,
            sealed: Vec::new(),
            lease: Lease::new(self.account),
            ends_by_stop: of.ends_by_stop,
            resident,
            enough: None,
        };
        (Task { id: (node, 0), first_rank: 0, opening }, arrival.weight.max(1))
    }
}

/// As what a pipeline gives windows away.
pub(crate) fn give_spec(
    of: &FlatNode,
    handover: Arc<crate::handover::Handover<crate::giving::Given>>,
    giver: u64,
    joined: Option<EventTime>,
) -> GiveSpec {
    let step_us = of.pipelines.window_us;
    GiveSpec { handover, giver, step_us, idle_timeout: of.pipelines.idle_timeout, joined }
}

/// Pipelines that give to a gather and were there when the job began.
pub(crate) fn early_giver_count(nodes: &[FlatNode], gather: usize) -> usize {
    nodes[gather].children.iter().map(|&child| nodes[child].pipelines.early_count()).sum()
}

/// What a giver is called that came later: behind all that were there, in every run.
pub(crate) fn late_giver_id(early_count: usize, number: u32) -> u64 {
    u64::try_from(early_count).expect("usize is at most 64 bits") + u64::from(number)
}

fn number(number: u32) -> usize {
    usize::try_from(number).expect("usize is at least 32 bits")
}
