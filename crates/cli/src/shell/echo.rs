//! What is typed while a query runs is not shown: it would stand among its rows.

use std::mem::MaybeUninit;

use libc::{ECHO, STDIN_FILENO, TCSANOW, tcgetattr, tcsetattr, termios};

/// Turns the terminal's echo off for as long as it lives. What is typed meanwhile is read afterwards.
pub(crate) struct Silence(Option<termios>);

impl Silence {
    pub(crate) fn begin() -> Self {
        let mut before = MaybeUninit::<termios>::uninit();
        // SAFETY: the call fills `before`, or fails.
        if unsafe { tcgetattr(STDIN_FILENO, before.as_mut_ptr()) } != 0 {
            return Self(None);
        }
        // SAFETY: the call succeeded.
        let before = unsafe { before.assume_init() };
        let mut silent = before;
        silent.c_lflag &= !ECHO;
        // SAFETY: `silent` is what the terminal gave, but for the echo. A failure leaves it as it is.
        unsafe { tcsetattr(STDIN_FILENO, TCSANOW, &raw const silent) };
        Self(Some(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: as above; it is what the terminal gave.
            unsafe { tcsetattr(STDIN_FILENO, TCSANOW, before) };
        }
    }
}
