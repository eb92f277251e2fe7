//! A bounded queue of a mutex and two condition variables.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

/// Hands items from one thread to another, at most `capacity` of them waiting.
///
/// A side is woken only if it sleeps: the standard library's notify makes a system call whether or not
/// anybody waits, and no shape shall lose to that.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
    /// At least 1.
    capacity: usize,
}

struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
    waiting_takers: usize,
    waiting_givers: usize,
}

impl<T> Queue<T> {
    /// Nothing in it.
    pub(crate) fn new(capacity: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = State { items, is_closed: false, waiting_takers: 0, waiting_givers: 0 };
        let state = Mutex::new(state);
        Self { state, filled: Condvar::new(), emptied: Condvar::new(), capacity }
    }

    /// Adds one, once there is room.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.state.lock().unwrap();
        while state.items.len() == self.capacity {
            state.waiting_givers += 1;
            state = self.emptied.wait(state).unwrap();
            state.waiting_givers -= 1;
        }
        state.items.push_back(item);
        let is_awaited = state.waiting_takers > 0;
        drop(state);
        if is_awaited {
            self.filled.notify_one();
        }
    }

    /// Takes the oldest, once there is one; `None` after the last.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(item) = state.items.pop_front() {
                let is_awaited = state.waiting_givers > 0;
                drop(state);
                if is_awaited {
                    self.emptied.notify_one();
                }
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state.waiting_takers += 1;
            state = self.filled.wait(state).unwrap();
            state.waiting_takers -= 1;
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
        self.filled.notify_all();
    }
}
