//! Which CPUs a job may use: the affinity mask, never what sysfs lists.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{RtError, world};

/// Which CPUs to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CpuChoice {
    /// Every CPU of the affinity mask.
    #[default]
    All,
    /// The first so many of the affinity mask.
    Count(usize),
    /// These, in this order.
    List(Vec<usize>),
}

/// CPUs this process may run on, ascending, by `sched_getaffinity`.
///
/// Looks at the calling thread: call it before any thread is pinned. Never empty.
#[must_use]
pub fn allowed_cpus() -> Vec<usize> {
    match world::current() {
        Some(world) => (0..world.core_count()).collect(),
        None => cpus_of(0),
    }
}

/// The same of the process's first thread: where the calling one has been pinned since, by whomever.
pub(crate) fn process_cpus() -> Vec<usize> {
    cpus_of(libc::pid_t::try_from(std::process::id()).unwrap_or(0))
}

fn cpus_of(thread: libc::pid_t) -> Vec<usize> {
    // Kernels with more CPUs than 1024 refuse a short mask with EINVAL: grow until it fits.
    const WORD_BITS: usize = 64;
    let mut words = 16;
    while words <= 1024 {
        let mut mask = vec![0_u64; words];
        // SAFETY: `mask` is writable for exactly the number of bytes passed, and any bit pattern is a
        // valid u64.
        let result =
            unsafe { libc::sched_getaffinity(thread, words * 8, mask.as_mut_ptr().cast()) };
        if result == 0 {
            let is_set = |cpu: &usize| mask[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1 == 1;
            return (0..words * WORD_BITS).filter(is_set).collect();
        }
        words *= 2;
    }
    // No kernel gets here; CPU 0 exists wherever this runs.
    vec![0]
}

/// Picks CPUs from the affinity mask.
///
/// # Errors
/// [`RtError::CoreCount`] for none or too many, [`RtError::CpuNotAllowed`] and
/// [`RtError::CpuRepeated`] for a list.
pub fn select_cpus(choice: &CpuChoice) -> Result<Vec<usize>, RtError> {
    select_from(allowed_cpus(), choice)
}

/// CPUs of which this process knows that somebody has them, until it is dropped.
#[derive(Debug)]
pub struct ClaimedCpus {
    cpus: Vec<usize>,
    shared: Vec<usize>,
    is_counted: bool,
}

/// Of each CPU that somebody has, how many do. What a process has of the machine is its own alone.
static CLAIMS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// As [`select_cpus`], for somebody who would rather not share them: so many are those that the fewest have, in ascending order.
///
/// # Errors
/// As [`select_cpus`].
pub fn claim_cpus(choice: &CpuChoice) -> Result<ClaimedCpus, RtError> {
    if world::is_entered() {
        // What others of the process have is of no matter in there.
        return Ok(ClaimedCpus {
            cpus: select_cpus(choice)?,
            shared: Vec::new(),
            is_counted: false,
        });
    }
    let allowed = allowed_cpus();
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    let count_of = |claims: &BTreeMap<usize, usize>, cpu| claims.get(&cpu).copied().unwrap_or(0);
    let mut cpus = match choice {
        CpuChoice::Count(_) => {
            let mut least_first = allowed;
            least_first.sort_by_key(|&cpu| count_of(&claims, cpu));
            select_from(least_first, choice)?
        }
        _ => select_from(allowed, choice)?,
    };
    if matches!(choice, CpuChoice::Count(_)) {
        cpus.sort_unstable();
    }
    let shared = cpus.iter().copied().filter(|&cpu| count_of(&claims, cpu) > 0).collect();
    cpus.iter().for_each(|&cpu| *claims.entry(cpu).or_insert(0) += 1);
    Ok(ClaimedCpus { cpus, shared, is_counted: true })
}

impl ClaimedCpus {
    /// Their numbers.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Those that somebody else had before.
    #[must_use]
    pub fn shared(&self) -> &[usize] {
        &self.shared
    }
}

impl Drop for ClaimedCpus {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        for cpu in &self.cpus {
            if let Some(count) = claims.get_mut(cpu) {
                *count -= 1;
            }
        }
    }
}

fn select_from(mut allowed: Vec<usize>, choice: &CpuChoice) -> Result<Vec<usize>, RtError> {
    match choice {
        CpuChoice::All => Ok(allowed),
        CpuChoice::Count(count) if *count == 0 || *count > allowed.len() => {
            Err(RtError::CoreCount { asked: *count, allowed })
        }
        CpuChoice::Count(count) => {
            allowed.truncate(*count);
            Ok(allowed)
        }
        CpuChoice::List(cpus) if cpus.is_empty() => Err(RtError::CoreCount { asked: 0, allowed }),
        CpuChoice::List(cpus) => {
            for (index, &cpu) in cpus.iter().enumerate() {
                if !allowed.contains(&cpu) {
                    return Err(RtError::CpuNotAllowed { cpu, allowed });
                }
                if cpus[..index].contains(&cpu) {
                    return Err(RtError::CpuRepeated { cpu });
                }
            }
            Ok(cpus.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn picks_in_the_order_asked_for() {
        let allowed = vec![0, 2, 5];
        assert_eq!(select_from(allowed.clone(), &CpuChoice::All).unwrap(), [0, 2, 5]);
        assert_eq!(select_from(allowed.clone(), &CpuChoice::Count(2)).unwrap(), [0, 2]);
        assert_eq!(select_from(allowed, &CpuChoice::List(vec![5, 0])).unwrap(), [5, 0]);
    }

    #[test]
    fn refuses_what_the_mask_does_not_hold() {
        let refuse = |choice| select_from(vec![0, 1], &choice).unwrap_err().to_string();
        assert!(
            refuse(CpuChoice::List(vec![0, 9]))
                .starts_with("CPU 9 is not among those this process may run on (0,1)")
        );
        assert!(refuse(CpuChoice::List(vec![1, 1])).starts_with("CPU 1 is named twice"));
        assert!(refuse(CpuChoice::Count(3)).starts_with("3 cores are asked for"));
        assert!(refuse(CpuChoice::Count(0)).starts_with("0 cores are asked for"));
        assert!(refuse(CpuChoice::List(Vec::new())).starts_with("0 cores are asked for"));
    }

    #[test]
    fn who_comes_later_has_other_cpus_or_is_told() {
        let all = allowed_cpus();
        let one = claim_cpus(&CpuChoice::Count(1)).unwrap();
        let rest = claim_cpus(&CpuChoice::Count(all.len() - 1));
        if let Ok(rest) = &rest {
            assert!(rest.shared().is_empty() && !rest.cpus().contains(&one.cpus()[0]));
            let further = claim_cpus(&CpuChoice::Count(1)).unwrap();
            assert_eq!(further.shared(), further.cpus());
        }
        drop(rest);
        let listed = claim_cpus(&CpuChoice::List(one.cpus().to_vec())).unwrap();
        assert_eq!(listed.shared(), one.cpus());
        drop((one, listed));
        assert!(claim_cpus(&CpuChoice::Count(1)).unwrap().shared().is_empty(), "it was given back");
    }

    #[test]
    fn the_mask_of_this_thread_is_read() {
        let wanted = *allowed_cpus().last().unwrap();
        let seen = std::thread::spawn(move || {
            assert!(core_affinity::set_for_current(core_affinity::CoreId { id: wanted }));
            allowed_cpus()
        });
        assert_eq!(seen.join().unwrap(), [wanted]);
    }
}
