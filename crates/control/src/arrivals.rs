//! Input that comes while a wave runs: pipelines that begin beside those that are running.
//!
//! Who finds it (`tidemill`) says which scan it is of; here it is decided where it begins in event time, before that is
//! written down, and only then does it begin. What the clock decides, when something was found and how far a gather had
//! come by then, so stands in the job's record before anything follows from it.

use std::cell::RefCell;
use std::sync::Arc;

use tidemill_record::EventTime;

use crate::account::{Account, Lease};
use crate::core_loop::{Links, Opening};
use crate::fleet::{Task, TaskId};
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
}

/// Makes tasks of what comes.
pub(crate) struct Joining<'a> {
    pub(crate) nodes: &'a [FlatNode],
    /// Of each node, its links.
    pub(crate) links: &'a [Vec<Links>],
    pub(crate) arrivals: &'a mut dyn Arrivals,
    pub(crate) account: &'a Arc<Account>,
    pub(crate) keeping: Option<&'a Keeping>,
    /// Of each task so far; of those that come it is noted here.
    pub(crate) ids: &'a RefCell<Vec<TaskId>>,
    /// How many tasks there are of each node.
    pub(crate) counts: Vec<usize>,
    /// The rank of the next.
    pub(crate) next_rank: usize,
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
        let scans: Vec<usize> =
            (0..self.nodes.len()).filter(|&node| self.nodes[node].children.is_empty()).collect();
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

    /// Whom a pipeline of a scan gives to, and from when on.
    fn join(&self, node: usize, number: u32) -> (Links, EventTime) {
        let parent = self.nodes.iter().position(|of| of.children.contains(&node));
        let takes = parent.and_then(|parent| self.links[parent].first()?.takes.clone());
        let Some(handover) = takes else { return (Links::default(), EventTime::MIN) };
        let early_count = early_giver_count(self.nodes, parent.expect("it takes"));
        let (giver, joined) = handover.join(late_giver_id(early_count, number));
        let gives = give_spec(&self.nodes[node], handover, giver, Some(joined));
        (Links { gives: Some(gives), takes: None }, joined)
    }

    fn task(&mut self, arrival: Arrival, node: usize, links: Links) -> (Task, u64) {
        let of = &self.nodes[node];
        let id = (node, self.counts[node]);
        self.counts[node] += 1;
        self.ids.borrow_mut().push(id);
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
        let first_rank = self.next_rank;
        self.next_rank += 1;
        (Task { id, first_rank, opening }, arrival.weight.max(1))
    }
}

/// As what a pipeline gives windows away.
pub(crate) fn give_spec(
    of: &FlatNode,
    handover: Arc<crate::handover::Handover<crate::giving::Given>>,
    giver: usize,
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
