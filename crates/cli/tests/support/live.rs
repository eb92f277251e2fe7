//! A run of the real command that goes on until it is stopped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Host;

/// Long enough for a loaded machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that goes on until it is stopped.
pub(crate) struct Live {
    child: Child,
    lines: Receiver<String>,
    stderr: JoinHandle<String>,
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
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, stderr }
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

    /// Interrupts it; the rest of its output, and what it said.
    pub(crate) fn stop(mut self) -> (Vec<String>, String) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: the child has not been waited for, so that the number is still its own.
        unsafe { libc::kill(pid, libc::SIGINT) };
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.join().unwrap();
        assert!(status.success(), "{stderr}");
        (self.lines.iter().collect(), stderr)
    }
}
