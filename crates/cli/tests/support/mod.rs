//! A directory of its own for a test, and the real command run in it.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod live;
pub(crate) mod terminal;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A fresh directory that the command runs in.
pub(crate) struct Host {
    directory: tempfile::TempDir,
}

/// What a run of the command came to.
pub(crate) struct Ran {
    pub(crate) output: Output,
    arguments: String,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The command, not yet started. Stop signals mean to it what they usually do, also where whoever runs the tests
    /// ignores them (`nohup`, `&` of a script).
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.current_dir(self.directory.path()).args(arguments);
        // SAFETY: between fork and exec nothing but calls that are safe there is made.
        unsafe {
            command.pre_exec(|| {
                for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
                    libc::signal(signal, libc::SIG_DFL);
                }
                Ok(())
            })
        };
        command
    }

    /// Runs the command to its end.
    pub(crate) fn tidemill(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran { output, arguments: arguments.join(" ") }
    }

    /// Runs a query or script; its standard output.
    pub(crate) fn sql(&self, sql: &str) -> Ran {
        self.tidemill(&["run", "--quiet", "--format", "csv", "-e", sql])
    }
}

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Standard output of a run that must succeed.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> String {
        assert!(self.output.status.success(), "{}\n{}", self.arguments, self.stderr());
        self.stdout()
    }

    /// Standard error of a run that must end with this code, and without a panic.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> String {
        let stderr = self.stderr();
        assert_eq!(self.output.status.code(), Some(code), "{}\n{stderr}", self.arguments);
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }
}
