//! Work of a moment that several cores share.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{allowed_cpus, thread_cpu_time, world};

/// Does pieces of work beside each other, each as soon as somebody is free for it: the calling thread, and one on each
/// of `cpus` that lives no longer. Gives the CPU time of those others.
///
/// Where no thread can be made, or pinned, those that there are do all of it.
///
/// # Panics
/// If a piece does.
///
/// # Cost
/// Blocks until all are done. Some 50 microseconds for each CPU.
pub fn side_by_side(cpus: &[usize], pieces: Vec<Box<dyn FnOnce() + Send + '_>>) -> Duration {
    if world::is_entered() {
        pieces.into_iter().for_each(|piece| piece());
        return Duration::ZERO;
    }
    let helper_count = cpus.len().min(pieces.len().saturating_sub(1));
    let pieces = Mutex::new(pieces.into_iter());
    // Nothing panics while it is locked.
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(piece) = next() {
            piece();
        }
    };
    thread::scope(|scope| {
        // A thread begins where its parent may run: it would have to wait there for its turn to go elsewhere.
        let own = allowed_cpus();
        allow(own.iter().chain(cpus));
        let helpers = cpus[..helper_count].iter().filter_map(|&cpu| {
            let helper = thread::Builder::new().name(format!("tidemill-{cpu}"));
            let begun = helper.spawn_scoped(scope, move || {
                core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
                work();
                thread_cpu_time()
            });
            begun.ok()
        });
        let helpers: Vec<_> = helpers.collect();
        allow(own.iter());
        work();
        let times = helpers
            .into_iter()
            .map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        times.sum()
    })
}

/// Lets the calling thread run on these CPUs, as far as the process may.
fn allow<'a>(cpus: impl Iterator<Item = &'a usize>) {
    // SAFETY: a set of CPUs is plain numbers, and all zeros are none.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let cpus = cpus.filter(|&&cpu| cpu < size_of::<libc::cpu_set_t>() * 8);
    // SAFETY: each is within the set.
    cpus.for_each(|&cpu| unsafe { libc::CPU_SET(cpu, &mut set) });
    // SAFETY: the set is read, for its size. Where it is refused, the thread stays where it is.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn every_piece_is_done_once_by_whoever_there_is() {
        for cpus in [vec![], allowed_cpus(), vec![1000; 3]] {
            for count in [0, 1, 2, 100] {
                let mut done = vec![0; count];
                let pieces = done.iter_mut().map(|times| {
                    let piece: Box<dyn FnOnce() + Send + '_> = Box::new(|| *times += 1);
                    piece
                });
                side_by_side(&cpus, pieces.collect());
                assert_eq!(done, vec![1; count], "{cpus:?}");
            }
        }
    }

    #[test]
    fn a_panic_of_a_piece_is_the_callers() {
        let cpus = allowed_cpus();
        let pieces: Vec<Box<dyn FnOnce() + Send>> = (0..8)
            .map(|number| {
                let piece: Box<dyn FnOnce() + Send> =
                    Box::new(move || assert!(number != 5, "the fifth"));
                piece
            })
            .collect();
        assert!(catch_unwind(AssertUnwindSafe(|| side_by_side(&cpus, pieces))).is_err());
    }
}
