//! Layouts of records of one length, and which of them a record is held against.

use std::array::from_ref;
use std::cmp::Reverse;

use super::layouts::{REACH, RECORD_BYTES_MAX};
use super::template::Template;
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Bounds, Lanes, Level};
use crate::text::slot::SlotTable;

/// Layouts of one side that are remembered; the last makes way for another. New probes may leave some more
/// to a side, up to the next that is learnt.
const LAYOUTS_MAX: usize = 8;
/// Blocks of 64 bytes that are compared of every record, however short.
const NEAR_BLOCKS: usize = 2;
/// Bytes of a record that say which layouts it is held against.
const PROBES: usize = 3;
/// Of so many hits behind the first layout, one moves its layout to the front by one.
const OVERTAKE_HITS: u32 = 8;
/// Hits behind the first layout of a side before the probes are chosen anew; each time it takes
/// [`LATER_HITS_GROWTH`] times as many.
const LATER_HITS_MAX: u32 = 64;
const LATER_HITS_GROWTH: u32 = 8;
/// Layouts that fit fewer than one record of so many are forgotten then.
const RARE: u64 = 500;

/// Layouts of one length.
pub(super) struct SameLength {
    /// Where some of them differ, and what a part of them has there.
    probes: [Probe; PROBES],
    /// How many probes have been chosen.
    probe_count: usize,
    /// Hits behind the first layout of a side.
    later_hits: u32,
    /// So many of them before the probes are chosen anew.
    later_hits_max: u32,
    /// Layouts by which of the probes they have, a bit each. A record is held against one side only.
    sides: [Vec<Layout>; 1 << PROBES],
}

/// A byte at some place of a record.
#[derive(Clone, Copy, Default)]
struct Probe {
    at: u16,
    byte: u8,
}

/// One way in which a record is laid out.
pub(super) struct Layout {
    /// Of its first bytes, and of what stands behind it if it is shorter: anything may.
    near: [Bounds; NEAR_BLOCKS],
    /// Of the others, as many as it takes to cover the record.
    far: Vec<Bounds>,
    /// Whether text may be any, and has to be looked through for quotes and backslashes. If not, the bounds
    /// keep them out.
    is_wide: bool,
    /// Whether the near bounds are all there is to ask for.
    is_simple: bool,
    found: Found,
    /// Records that fitted, of late.
    hits: u32,
    template: Template,
}

/// What is to be known of a record by its layout.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Where its slots begin.
    pub(super) first: u32,
    /// Whether nothing but ASCII fits.
    pub(super) is_ascii: bool,
}

impl Layout {
    /// How the record in front of `record` is laid out, whose slots begin at `first`.
    fn new(template: Template, record: &[u8; REACH], first: u32) -> Self {
        let text = &record[..template.ranges.len()];
        let mut layout = Self {
            near: [Bounds::ANY; NEAR_BLOCKS],
            far: Vec::new(),
            is_wide: false,
            is_simple: true,
            found: Found { first, is_ascii: text.is_ascii() },
            hits: 0,
            template,
        };
        layout.bind(&layout.template.narrow(text));
        layout
    }

    /// Lets text be of any bytes.
    fn widen(&mut self) {
        let ranges = std::mem::take(&mut self.template.ranges);
        self.bind(&ranges);
        self.template.ranges = ranges;
        (self.is_wide, self.is_simple) = (true, false);
    }

    fn bind(&mut self, ranges: &[(u8, u8)]) {
        let mut blocks = Bounds::of(ranges);
        self.near = std::array::from_fn(|_| blocks.next().unwrap_or(Bounds::ANY));
        self.far = blocks.collect();
        self.is_simple &= self.far.is_empty();
    }

    #[inline(always)]
    fn fits(&self, lanes: impl Lanes, bytes: &[u8; REACH]) -> bool {
        let Some((near, far)) = bytes.as_chunks().0.split_first_chunk() else { return false };
        self.fits_near(lanes, bytes)
            && self.fits_far(lanes, far)
            && self.has_no_specials(lanes, near, far)
    }

    #[inline(always)]
    fn fits_near(&self, lanes: impl Lanes, bytes: &[u8; REACH]) -> bool {
        // No closure, which is not sure to be inlined into what is compiled for the lanes.
        let Some(near) = bytes.as_chunks().0.first_chunk() else { return false };
        lanes.keep_to(near, &self.near)
    }

    #[inline(always)]
    fn fits_far(&self, lanes: impl Lanes, blocks: &[[u8; 64]]) -> bool {
        for (block, bounds) in blocks.iter().zip(&self.far) {
            if !lanes.keep_to(from_ref(block), from_ref(bounds)) {
                return false;
            }
        }
        true
    }

    /// Whether there is neither a quote nor a backslash in text, where bounds let them through.
    #[inline(always)]
    fn has_no_specials(
        &self,
        lanes: impl Lanes,
        near: &[[u8; 64]; NEAR_BLOCKS],
        far: &[[u8; 64]],
    ) -> bool {
        if !self.is_wide {
            return true;
        }
        for (block, bounds) in near.iter().chain(far).zip(self.near.iter().chain(&self.far)) {
            if !lanes.has_no_specials(block, bounds) {
                return false;
            }
        }
        true
    }
}

impl Default for SameLength {
    fn default() -> Self {
        Self {
            probes: Default::default(),
            probe_count: 0,
            later_hits: 0,
            later_hits_max: LATER_HITS_MAX,
            sides: Default::default(),
        }
    }
}

impl SameLength {
    /// Where a record's layout is, if it has one.
    #[inline(always)]
    fn side_of(&self, record: &[u8; REACH]) -> usize {
        let mut side = 0;
        for (index, probe) in self.probes.iter().enumerate() {
            side |= usize::from(record[usize::from(probe.at) % RECORD_BYTES_MAX] == probe.byte)
                << index;
        }
        side
    }

    /// What is known of the record in front of these bytes, whose length is that of all here.
    #[inline(always)]
    pub(super) fn find(&mut self, lanes: impl Lanes, record: &[u8; REACH]) -> Option<Found> {
        let side = self.side_of(record);
        let layout = self.sides[side].first_mut()?;
        if layout.is_simple && layout.fits_near(lanes, record) {
            layout.hits = layout.hits.wrapping_add(1);
            return Some(layout.found);
        }
        match lanes.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.find_apart_avx2(lanes, side, record) },
            Level::Baseline => self.find_apart(Baseline, side, record),
        }
    }

    /// Apart from the loop over records, which leaves it too few registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    fn find_apart_avx2(&mut self, lanes: Avx2, side: usize, record: &[u8; REACH]) -> Option<Found> {
        self.find_apart(lanes, side, record)
    }

    /// The same where it takes more than a look at the first layout of its side.
    #[inline(always)]
    fn find_apart(
        &mut self,
        lanes: impl Lanes,
        side: usize,
        record: &[u8; REACH],
    ) -> Option<Found> {
        let layouts = &mut self.sides[side];
        let at = layouts.iter().position(|layout| layout.fits(lanes, record))?;
        let layout = &mut layouts[at];
        layout.hits = layout.hits.wrapping_add(1);
        let found = layout.found;
        if at > 0 { self.note_later(side, at, found) } else { Some(found) }
    }

    /// Notes that a layout behind the first of its side was found; `None` if it is too rare to be kept.
    #[inline(never)]
    fn note_later(&mut self, side: usize, at: usize, found: Found) -> Option<Found> {
        self.later_hits += 1;
        if self.later_hits.is_multiple_of(OVERTAKE_HITS) {
            self.sides[side].swap(at, at - 1);
        }
        if self.later_hits < self.later_hits_max {
            return Some(found);
        }
        self.choose_probes();
        self.later_hits = 0;
        self.later_hits_max = self.later_hits_max.saturating_mul(LATER_HITS_GROWTH);
        // Where no column is needed, all have the same slots, that is none.
        self.sides.iter().flatten().any(|layout| layout.found == found).then_some(found)
    }

    /// Forgets layouts that are rare, and chooses probes so that most records are held against one layout.
    #[cold]
    fn choose_probes(&mut self) {
        let mut layouts: Vec<Layout> =
            std::mem::take(&mut self.sides).into_iter().flatten().collect();
        let hits: u64 = layouts.iter().map(|layout| u64::from(layout.hits)).sum();
        layouts.retain(|layout| u64::from(layout.hits) * RARE >= hits);
        layouts.sort_by_key(|layout| Reverse(layout.hits));
        let mut sides = vec![0; layouts.len()];
        let probes = Probe::candidates(&layouts);
        (self.probes, self.probe_count) = Default::default();
        while let Some(probe) = self.probes.get_mut(self.probe_count) {
            let Some(best) = Probe::best(&probes, &layouts, &sides) else { break };
            *probe = best;
            best.part(&layouts, &mut sides, self.probe_count);
            self.probe_count += 1;
        }
        for (side, mut layout) in sides.into_iter().zip(layouts) {
            layout.hits /= 2;
            self.sides[side].push(layout);
        }
    }

    /// Adds a layout, that of the record in front of `record`.
    pub(super) fn add(&mut self, template: Template, record: &[u8; REACH], table: &mut SlotTable) {
        let rival = self.sides[self.side_of(record)].first();
        let probe = rival.and_then(|rival| Probe::between(&rival.template, &template));
        if let Some(probe) = probe.filter(|_| self.probe_count < PROBES) {
            self.probes[self.probe_count] = probe;
            self.probe_count += 1;
            // One that leaves open which byte it has there is learnt again by the next record that has
            // this one.
            for earlier in std::mem::take(&mut self.sides).into_iter().flatten() {
                let probes = self.probes[..self.probe_count].iter().enumerate();
                let side = probes.fold(0, |side, (index, probe)| {
                    side | (usize::from(probe.is_in(&earlier.template)) << index)
                });
                self.sides[side].push(earlier);
            }
        }
        let side = &mut self.sides[self.side_of(record)];
        if let Some(earlier) = side.iter_mut().find(|earlier| earlier.template == template) {
            // Other text stood there, of other bytes.
            earlier.widen();
            return;
        }
        side.truncate(LAYOUTS_MAX - 1);
        let first = table.share(&template.slots);
        side.push(Layout::new(template, record, first));
    }
}

impl Probe {
    /// Whether records laid out so have it.
    fn is_in(&self, template: &Template) -> bool {
        template.ranges[usize::from(self.at)] == (self.byte, self.byte)
    }

    /// Adds, at bit `index` of the side of each layout, whether it has this one.
    fn part(&self, layouts: &[Layout], sides: &mut [usize], index: usize) {
        for (layout, side) in layouts.iter().zip(sides) {
            *side |= usize::from(self.is_in(&layout.template)) << index;
        }
    }

    /// Bytes that some of these layouts ask for and all others refuse.
    fn candidates(layouts: &[Layout]) -> Vec<Self> {
        let Some((first, others)) = layouts.split_first() else { return Vec::new() };
        let (mut probes, mut bytes) = (Vec::new(), Vec::new());
        for (at, range) in (0_u16..).zip(&first.template.ranges) {
            let of = |layout: &Layout| layout.template.ranges[usize::from(at)];
            if others.iter().all(|layout| of(layout) == *range) {
                continue;
            }
            let ranges = || layouts.iter().map(of);
            bytes.clear();
            bytes.extend(ranges().filter(|(low, high)| low == high).map(|(low, _)| low));
            bytes.sort_unstable();
            bytes.dedup();
            // Layouts that leave open whether they have it would be on either side.
            let is_open =
                |byte: u8| ranges().any(|(low, high)| low != high && (low..=high).contains(&byte));
            probes.extend(
                bytes.iter().filter(|byte| !is_open(**byte)).map(|&byte| Self { at, byte }),
            );
        }
        probes
    }

    /// The one that spares most tries among these layouts, those with most hits in front, which are parted
    /// already; `None` if none spares any.
    fn best(probes: &[Self], layouts: &[Layout], sides: &[usize]) -> Option<Self> {
        let mut parted = sides.to_vec();
        let mut tries = |probe: &Self| {
            parted.copy_from_slice(sides);
            probe.part(layouts, &mut parted, PROBES);
            later_tries(layouts, &parted)
        };
        let best = probes.iter().map(|probe| (tries(probe), probe)).min_by_key(|(tries, _)| *tries);
        best.filter(|(tries, _)| *tries < later_tries(layouts, sides)).map(|(_, probe)| *probe)
    }

    /// A byte that one of two layouts of the same length asks for and the other refuses.
    fn between(left: &Template, right: &Template) -> Option<Self> {
        let refuses = |(low, high): (u8, u8), byte: u8| byte < low || byte > high;
        let mut pairs = (0_u16..).zip(left.ranges.iter().zip(&right.ranges));
        pairs.find_map(|(at, (&left, &right))| {
            let of_left = left.0 == left.1 && refuses(right, left.0);
            let of_right = right.0 == right.1 && refuses(left, right.0);
            let byte = if of_left { left.0 } else { right.0 };
            (of_left || of_right).then_some(Self { at, byte })
        })
    }
}

/// How often records were held against a layout in vain, if those of a side stand as they do here.
fn later_tries(layouts: &[Layout], sides: &[usize]) -> u64 {
    let mut counts = [0; 2 << PROBES];
    let tries = layouts.iter().zip(sides).map(|(layout, &side)| {
        counts[side] += 1;
        u64::from(layout.hits) * (counts[side] - 1)
    });
    tries.sum()
}
