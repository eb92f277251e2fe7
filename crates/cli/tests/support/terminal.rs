//! The real command at a terminal: a pseudo-terminal, and what stands on its screen.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Host;

/// Long enough for a loaded machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A question that a terminal answers: where is the cursor?
const WHERE_IS_THE_CURSOR: &[u8] = b"\x1b[6n";

/// A command at a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

/// What the command has sent.
struct Shown {
    screen: vt100::Parser,
    raw: Vec<u8>,
    is_closed: bool,
}

impl Terminal {
    /// Starts the command at a terminal of so many lines and columns, in an environment with these changes.
    pub(crate) fn start(
        host: &Host,
        (lines, columns): (u16, u16),
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let size = |count| NonZero::new(count).expect("a terminal has a size");
        let (ours, theirs) = open(lines, columns);
        let mut command = host.command(arguments);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.env("XDG_STATE_HOME", host.path("state"));
        command.envs(environment.iter().copied());
        let child = spawn(&mut command, &theirs);
        drop(theirs);
        let screen = vt100::Parser::new(size(lines), size(columns), 0);
        let shown = Shown { screen, raw: Vec::new(), is_closed: false };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let keyboard = File::from(ours);
        let reader = std::thread::spawn({
            let (terminal, shown) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
            move || read(terminal, &shown)
        });
        Self { child, keyboard, shown, reader: Some(reader) }
    }

    /// Types, key by key.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line, once the prompt waits for it.
    pub(crate) fn line(&mut self, line: &str) {
        self.wait_for(|screen| at_prompt(screen).is_some_and(|typed| typed.is_empty()));
        let (first, rest) = line.split_once('\r').unwrap_or((line, ""));
        self.type_in(first);
        let begins: String = first.chars().take(30).collect();
        self.expect(&format!("tidemill> {begins}"));
        self.type_in("\r");
        if !rest.is_empty() {
            self.type_in(rest);
            self.type_in("\r");
        }
    }

    /// Waits until this stands somewhere on the screen; the screen.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) -> String {
        self.wait_for_text(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is so; the screen.
    #[track_caller]
    pub(crate) fn wait_for(&self, is_so: impl Fn(&str) -> bool) -> String {
        self.wait_for_text("what is waited for", is_so)
    }

    #[track_caller]
    fn wait_for_text(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        let (shown, changed) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        loop {
            let screen = shown.screen.screen().contents();
            if is_so(&screen) {
                return screen;
            }
            assert!(
                since.elapsed() < PATIENCE && !shown.is_closed,
                "{what} is to be shown; the screen is\n{screen}"
            );
            shown = changed.wait_timeout(shown, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// What stands on the screen.
    pub(crate) fn on_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shown.0.lock().unwrap().screen.screen())
    }

    /// All that was sent so far.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shown.0.lock().unwrap().raw).into_owned()
    }

    /// Waits until the command ends by itself; its exit code.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().unwrap().join().unwrap();
                return status.code();
            }
            assert!(since.elapsed() < PATIENCE, "the command is to end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of a test that failed; one that ended has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What has been typed behind the last prompt, if that is what the screen ends in.
fn at_prompt(screen: &str) -> Option<&str> {
    let last = screen.trim_end_matches('\n').lines().last()?;
    last.strip_prefix("tidemill>").map(str::trim)
}

/// A pseudo-terminal: our end, and that of the command.
fn open(lines: u16, columns: u16) -> (OwnedFd, OwnedFd) {
    let size = libc::winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut ours, mut theirs) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    let (name, modes) = (std::ptr::null_mut(), std::ptr::null());
    // SAFETY: both ends are written if the call succeeds; `size` is whole, and name and modes may be null.
    unsafe {
        let made =
            libc::openpty(ours.as_mut_ptr(), theirs.as_mut_ptr(), name, modes, &raw const size);
        assert_eq!(made, 0, "the host has a pseudo-terminal");
        (OwnedFd::from_raw_fd(ours.assume_init()), OwnedFd::from_raw_fd(theirs.assume_init()))
    }
}

/// Starts a command whose terminal this is.
fn spawn(command: &mut Command, theirs: &OwnedFd) -> Child {
    command.stdin(theirs.try_clone().unwrap());
    command.stdout(theirs.try_clone().unwrap());
    command.stderr(theirs.try_clone().unwrap());
    // SAFETY: between fork and exec only these two calls are made, which POSIX allows there.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
    let child = command.spawn().unwrap();
    // The command has copies of its own, and they are to be the last ones.
    *command = Command::new("true");
    child
}

fn read(mut terminal: File, shown: &(Mutex<Shown>, Condvar)) {
    let mut bytes = [0; 4096];
    let mut answered = 0;
    // A terminal whose other end is closed gives an error.
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        let mut state = shown.0.lock().unwrap();
        state.raw.extend_from_slice(&bytes[..count]);
        state.screen.process(&bytes[..count]);
        let asked = state.raw.windows(WHERE_IS_THE_CURSOR.len());
        let asked = asked.filter(|&window| window == WHERE_IS_THE_CURSOR).count();
        while answered < asked {
            let (line, column) = state.screen.screen().cursor_position();
            let answer = format!("\x1b[{};{}R", line + 1, column + 1);
            terminal.write_all(answer.as_bytes()).unwrap();
            answered += 1;
        }
        drop(state);
        shown.1.notify_all();
    }
    shown.0.lock().unwrap().is_closed = true;
    shown.1.notify_all();
}
