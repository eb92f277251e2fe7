//! A run of the real command that goes on until it is stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Host;

/// Long enough for a loaded machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that goes on until it is stopped.
pub(crate) struct Live {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far, and who reads on.
    said: Arc<Mutex<String>>,
    stderr: JoinHandle<()>,
}

impl Live {
    pub(crate) fn start(host: &Host, sql: &str) -> Self {
        let arguments = ["run", "--format", "csv", "-e", sql];
        let mut command = host.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|text| line.send(text))
        });
        let said = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stderr = std::thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *said.lock().unwrap() += &(line + "\n");
                }
            }
        });
        Self { child, lines, said, stderr }
    }

    /// The next line of its output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line while the job runs")
    }

    pub(crate) fn expect_lines(&self, expected: &[&str]) {
        for line in expected {
            assert_eq!(self.line(), *line);
        }
    }

    /// The next line, if there is one before so long.
    pub(crate) fn line_within(&self, time: Duration) -> Option<String> {
        self.lines.recv_timeout(time).ok()
    }

    /// Nothing comes for a while.
    pub(crate) fn expect_silence(&self) {
        assert_eq!(self.line_within(Duration::from_millis(300)), None);
    }

    /// Waits until it has said this on standard error, while it runs.
    #[track_caller]
    pub(crate) fn expect_said(&self, text: &str) {
        let since = Instant::now();
        while !self.said.lock().unwrap().contains(text) {
            let said = self.said.lock().unwrap().clone();
            assert!(since.elapsed() < PATIENCE, "{text} is to be said; so far: {said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Interrupts it; the rest of its output, and what it said.
    pub(crate) fn stop(self) -> (Vec<String>, String) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the child has not been waited for, so that the number is still its own.
        unsafe { libc::kill(pid, libc::SIGINT) };
        self.end()
    }

    /// Interrupts one that fails then; its exit code, and what it said.
    pub(crate) fn stop_with_code(mut self) -> (Option<i32>, String) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: as in `stop`.
        unsafe { libc::kill(pid, libc::SIGINT) };
        let status = self.child.wait().unwrap();
        self.stderr.join().unwrap();
        let stderr = self.said.lock().unwrap().clone();
        (status.code(), stderr)
    }

    /// Waits until it ends by itself; the rest of its output, and what it said.
    pub(crate) fn end(mut self) -> (Vec<String>, String) {
        let status = self.child.wait().unwrap();
        self.stderr.join().unwrap();
        let stderr = self.said.lock().unwrap().clone();
        assert!(status.success(), "{stderr}");
        (self.lines.iter().collect(), stderr)
    }
}
