//! Bodies that share a core: all of them go on, and the core sleeps only when all have nothing to do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::fs;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{Duration, Instant};

use tidemill_rt::{
    Backend, Bell, Body, Choice, File, Latch, Waiting, Wake, Wakes, allowed_cpus, launch, probe,
    take_turns, yield_if_needed,
};

fn backends() -> Vec<Backend> {
    match probe(Choice::Auto).unwrap().backend {
        Backend::Std => vec![Backend::Std],
        _ => vec![Backend::Std, Backend::OnDemand, Backend::Glommio],
    }
}

/// Runs bodies on a core of each backend, which are all there from the start.
fn check(bodies: impl Fn(&Rc<Waiting>, Backend) -> Vec<Body> + Copy + Send + 'static) {
    for backend in backends() {
        let core = launch(backend, allowed_cpus()[0], "turns", move || async move {
            let waiting = Rc::new(Waiting::new(Bell::new().unwrap()));
            let mut all = bodies(&waiting, backend);
            take_turns(&waiting, |arrived| {
                arrived.append(&mut all);
                false
            })
            .await;
        });
        core.unwrap().join().unwrap();
    }
}

#[test]
fn bodies_that_never_wait_take_turns() {
    check(|_, _| {
        let counts: Rc<[Cell<u64>; 3]> = Rc::default();
        let body = |own: usize| -> Body {
            let counts = Rc::clone(&counts);
            Box::pin(async move {
                // Ends only once the others have come as far: alone for ever, none would.
                while counts.iter().any(|count| count.get() < 5) {
                    let since = Instant::now();
                    while since.elapsed() < Duration::from_millis(1) {}
                    counts[own].set(counts[own].get() + 1);
                    yield_if_needed().await;
                }
            })
        };
        (0..3).map(body).collect()
    });
}

#[test]
fn a_ring_wakes_who_sleeps_while_another_is_at_work_and_while_all_sleep() {
    check(|waiting, _| {
        let (latch, done) = (Latch::default(), Rc::new(Cell::new(false)));
        latch.wakes(&[waiting.bell().clone()].into());
        let sleeper: Body = {
            let (waiting, latch, done) = (Rc::clone(waiting), latch.clone(), Rc::clone(&done));
            Box::pin(async move {
                while !latch.is_set() {
                    waiting.wait(&Wakes::default()).await;
                }
                done.set(true);
                // All sleep, and only the other thread can wake them.
                let again = Latch::default();
                again.wakes(&[waiting.bell().clone()].into());
                let other = again.clone();
                let ringer = std::thread::spawn(move || other.set());
                while !again.is_set() {
                    waiting.wait(&Wakes::default()).await;
                }
                ringer.join().unwrap();
            })
        };
        let worker: Body = Box::pin(async move {
            latch.set();
            while !done.get() {
                yield_if_needed().await;
            }
        });
        vec![sleeper, worker]
    });
}

#[test]
fn a_moment_wakes_who_waits_for_it() {
    check(|waiting, _| {
        let body = |after: u64| -> Body {
            let waiting = Rc::clone(waiting);
            Box::pin(async move {
                let at = Instant::now() + Duration::from_millis(after);
                while Instant::now() < at {
                    let mut wakes = Wakes::default();
                    wakes.add(Wake::at(Some(at)));
                    waiting.wait(&wakes).await;
                }
            })
        };
        (1..20).map(body).collect()
    });
}

#[test]
fn reads_of_the_ring_go_on_beside_bodies_that_sleep_and_bodies_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let path: &'static std::path::Path = Box::leak(dir.path().join("data").into_boxed_path());
    fs::write(path, vec![7; 1 << 16]).unwrap();
    fs::File::open(path).unwrap().sync_all().unwrap();
    check(move |waiting, backend| {
        let left = Rc::new(Cell::new(2));
        let reader = || -> Body {
            let (left, waiting) = (Rc::clone(&left), Rc::clone(waiting));
            Box::pin(async move {
                for round in 0..50 {
                    // So that it has to be read from the device, wherever the file system has one.
                    let cached = fs::File::open(path).unwrap();
                    let advice = libc::POSIX_FADV_DONTNEED;
                    // SAFETY: the descriptor is open; the call takes no memory.
                    unsafe { libc::posix_fadvise(cached.as_raw_fd(), 0, 0, advice) };
                    let file = File::open(backend, path).await.unwrap();
                    let mut buffer = [0; 64];
                    assert_eq!(file.read_at(&mut buffer, round * 1024).await.unwrap(), 64);
                    assert_eq!(buffer, [7; 64]);
                    tidemill_rt::close_dropped().await;
                }
                left.set(left.get() - 1);
                waiting.bell().ring();
            })
        };
        let sleeper: Body = {
            let (left, waiting) = (Rc::clone(&left), Rc::clone(waiting));
            Box::pin(async move {
                while left.get() > 0 {
                    waiting.wait(&Wakes::default()).await;
                }
            })
        };
        let worker: Body = {
            let left = Rc::clone(&left);
            Box::pin(async move {
                while left.get() > 1 {
                    yield_if_needed().await;
                }
            })
        };
        vec![reader(), sleeper, worker, reader()]
    });
}

#[test]
fn bodies_that_come_later_are_run_whatever_the_core_does() {
    for backend in backends() {
        let (sender, receiver) = channel::<Arc<AtomicUsize>>();
        let bell = Bell::new().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let own = bell.clone();
        let core = launch(backend, allowed_cpus()[0], "later", move || async move {
            let waiting = Waiting::new(own);
            take_turns(&waiting, |arrived| {
                loop {
                    match receiver.try_recv() {
                        Ok(count) => arrived.push(Box::pin(async move {
                            count.fetch_add(1, Ordering::SeqCst);
                        })),
                        Err(error) => return error == TryRecvError::Empty,
                    }
                }
            })
            .await;
            is_over.store(true, Ordering::SeqCst);
        });
        let core = core.unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        for sent in 1..=1000 {
            sender.send(Arc::clone(&count)).unwrap();
            bell.ring();
            while count.load(Ordering::SeqCst) < sent {
                std::thread::yield_now();
            }
        }
        drop(sender);
        bell.ring();
        core.join().unwrap();
    }
}

#[test]
fn a_waker_of_any_thread_wakes_a_body_that_awaits_it_beside_others() {
    check(|waiting, _| {
        let body = |ends: u64| -> Body {
            Box::pin(async move {
                let woken = Arc::new(AtomicBool::new(false));
                let mut is_begun = false;
                std::future::poll_fn(|context| {
                    if woken.load(Ordering::SeqCst) {
                        return std::task::Poll::Ready(());
                    }
                    if !std::mem::replace(&mut is_begun, true) {
                        let (woken, waker) = (Arc::clone(&woken), context.waker().clone());
                        std::thread::spawn(move || {
                            std::thread::sleep(Duration::from_millis(ends));
                            woken.store(true, Ordering::SeqCst);
                            waker.wake();
                        });
                    }
                    std::task::Poll::Pending
                })
                .await;
            })
        };
        let sleeper: Body = {
            let waiting = Rc::clone(waiting);
            Box::pin(async move {
                let at = Instant::now() + Duration::from_millis(5);
                while Instant::now() < at {
                    let mut wakes = Wakes::default();
                    wakes.add(Wake::at(Some(at)));
                    waiting.wait(&wakes).await;
                }
            })
        };
        vec![body(0), sleeper, body(10)]
    });
}
