//! Stop signals: in whatever pairs and at whatever instant they come, what was read is published.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use libc::{SIGHUP, SIGINT, SIGTERM, c_int};
use support::Host;

/// Runs of the test that sends pairs; more where this variable says so.
const RUNS: &str = "TIDEMILL_SIGNAL_RUNS";

const LIVE: &str = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = 'unlimited', \
                    'rate' = '10000'); \
                    CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                    INSERT INTO o SELECT * FROM g";

/// Prints for ever.
const PRINTS: &str = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = 'unlimited'); \
                      SELECT * FROM g";

/// What a pipe of Linux holds.
const PIPE_BYTES: usize = 1 << 16;

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: c_int) {
    // SAFETY: the child has not been waited for, so that the number is still its own.
    unsafe { libc::kill(libc::pid_t::try_from(child.id()).unwrap(), signal) };
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes of a pipe that wait to be read.
fn unread_bytes(pipe: &impl AsRawFd) -> usize {
    let mut count: c_int = 0;
    // SAFETY: the descriptor is open, and the call writes one integer.
    assert_eq!(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &mut count) }, 0);
    usize::try_from(count).unwrap()
}

fn is_sink_open(host: &Host) -> bool {
    fs::read_dir(host.path("out")).is_ok_and(|entries| entries.count() > 0)
}

/// What it published is what its summary counts.
#[track_caller]
fn check_published(host: &Host, output: &Output, what: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{what}: {stderr}");
    let text = fs::read_to_string(host.path("out/part-00000-000000.csv")).unwrap();
    let counted =
        stderr.lines().find_map(|line| Some(line.split_once(" rows out")?.0.replace(',', "")));
    assert!(text.ends_with('\n'), "{what}: the last row is whole");
    assert_eq!((text.lines().count() - 1).to_string(), counted.unwrap(), "{what}: {stderr}");
    fs::remove_dir_all(host.path("out")).unwrap();
}

#[test]
fn two_signals_that_come_together_are_one() {
    let host = Host::new();
    let runs = std::env::var(RUNS).map_or(20, |text| text.parse().unwrap());
    let signals = [SIGTERM, SIGINT, SIGHUP];
    for run in 0..runs {
        let (first, second) = (signals[run % 3], signals[run / 3 % 3]);
        let gap = Duration::from_micros((run as u64 * 7_919) % 20_001);
        let child = start(&mut host.command(&["run", "-e", LIVE]));
        wait_until("the sink is open", || is_sink_open(&host));
        std::thread::sleep(Duration::from_millis(run as u64 % 40));
        send(&child, first);
        std::thread::sleep(gap);
        send(&child, second);
        let what = format!("run {run}: {first}, {second} after {gap:?}");
        check_published(&host, &child.wait_with_output().unwrap(), &what);
    }
}

#[test]
fn at_whatever_instant_the_first_comes_nothing_is_half_done() {
    let host = Host::new();
    for delay_ms in (0..60).step_by(4) {
        let child = start(&mut host.command(&["run", "-e", LIVE]));
        std::thread::sleep(Duration::from_millis(delay_ms));
        send(&child, SIGTERM);
        let output = child.wait_with_output().unwrap();
        if output.status.signal() == Some(SIGTERM) {
            assert!(!host.path("out").exists(), "it ends so only before the job has begun");
        } else {
            check_published(&host, &output, &format!("after {delay_ms} ms"));
        }
    }
}

/// Of a pipe, which ends when its writer goes: what was printed by then stays, and nothing else comes.
#[test]
fn a_bounded_job_that_is_stopped_keeps_what_it_printed_and_says_that_it_is_a_part() {
    let script = "CREATE SOURCE s (a BIGINT) WITH ('connector' = 'file', 'path' = '/dev/stdin', 'format' = 'csv'); ";
    for (query, printed, rest) in [
        ("SELECT a FROM s", "a\n1\n2\n", "; what was printed is only a part of the results"),
        ("SELECT SUM(a) AS total FROM s", "", ""),
    ] {
        let host = Host::new();
        let arguments = ["run", "-q", "-e", &(script.to_owned() + query)];
        let mut command = host.command(&arguments);
        let mut child = start(command.stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a\n1\n2\n").unwrap();
        let stdout = child.stdout.as_ref().unwrap();
        match printed {
            // What it has read shows in nothing but that the pipe is empty, and that is before it has read it all.
            "" => wait_until("the pipe has been read", || unread_bytes(&stdin) == 0),
            _ => wait_until("it has printed", || unread_bytes(stdout) == printed.len()),
        }
        send(&child, SIGTERM);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(143), "{query}: {stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{query}");
        assert_eq!(stderr, format!("stopped before the end of the input{rest}\n"), "{query}");
    }
}

#[test]
fn a_later_signal_ends_the_job_at_once_and_says_so() {
    let host = Host::new();
    // Nobody reads what it prints: once the pipe is full, the first does not end it.
    let mut child = start(&mut host.command(&["run", "-q", "-e", PRINTS]));
    let stdout = child.stdout.take().unwrap();
    wait_until("the pipe is full", || unread_bytes(&stdout) >= PIPE_BYTES - 4096);
    let first = Instant::now();
    send(&child, SIGTERM);
    std::thread::sleep(Duration::from_millis(300));
    send(&child, SIGINT);
    // On a host that is slow at this very moment the second was a later one already.
    let is_one = first.elapsed() < Duration::from_millis(900);
    std::thread::sleep(Duration::from_millis(1_000));
    assert!(!is_one || child.try_wait().unwrap().is_none(), "the second is one with the first");
    send(&child, SIGTERM);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("a second request to stop ended the job at once"), "{stderr}");
}

/// What is said while a job runs fills a pipe that nobody reads, and the job is stopped all the same.
#[test]
fn a_standard_error_that_nobody_reads_does_not_keep_a_job_from_its_end() {
    let host = Host::new();
    fs::create_dir(host.path("out")).unwrap();
    // Of this the job has something to say at once.
    fs::write(host.path("out/part-00000-000000.csv.open"), "left").unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    let mut command = host.command(&["run", "-e", LIVE]);
    let mut child = command.stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    wait_until("the sink is open", || host.path("out/part-00000-000001.csv.open").exists());
    std::thread::sleep(Duration::from_millis(200));
    send(&child, SIGTERM);
    wait_until("its results are published", || host.path("out/part-00000-000001.csv").exists());
    drop(reader);
    // Nothing that it has to say can be said now, and that is no failure.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Leaves a pipe without room for one byte more.
fn fill(pipe: &std::io::PipeWriter) {
    // SAFETY: the descriptor is open; the calls take no memory but `piece`, which is readable.
    unsafe {
        let flags = libc::fcntl(pipe.as_raw_fd(), libc::F_GETFL);
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
        for byte_count in [4096, 1] {
            let piece = [b'.'; 4096];
            while libc::write(pipe.as_raw_fd(), piece.as_ptr().cast(), byte_count) > 0 {}
        }
        libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags);
    }
}

#[test]
fn a_hang_up_is_a_request_to_stop_but_under_nohup() {
    let host = Host::new();
    let child = start(&mut host.command(&["run", "-e", LIVE]));
    wait_until("the sink is open", || is_sink_open(&host));
    send(&child, SIGHUP);
    check_published(&host, &child.wait_with_output().unwrap(), "SIGHUP");

    let mut child = start(ignoring(SIGHUP, &mut host.command(&["run", "-e", LIVE])));
    wait_until("the sink is open", || is_sink_open(&host));
    send(&child, SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "nohup");
    send(&child, SIGTERM);
    check_published(&host, &child.wait_with_output().unwrap(), "SIGHUP ignored, then SIGTERM");
}

fn ignoring(signal: c_int, command: &mut Command) -> &mut Command {
    // SAFETY: `signal` may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::signal(signal, libc::SIG_IGN);
            Ok(())
        })
    }
}

/// As `command &` in a script: the key at the terminal is for what runs in front.
#[test]
fn a_job_in_the_background_of_a_script_hears_processes_and_no_keys() {
    let host = Host::new();
    let (mut keyboard, mut terminal) = (-1, -1);
    let nothing = std::ptr::null_mut();
    // SAFETY: both numbers are writable, and the rest may be null.
    let opened = unsafe {
        libc::openpty(&mut keyboard, &mut terminal, nothing, nothing.cast(), nothing.cast())
    };
    assert_eq!(opened, 0);
    let mut command = host.command(&["run", "-e", LIVE]);
    // SAFETY: these calls may be made between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            libc::ioctl(terminal, libc::TIOCSCTTY, 0);
            Ok(())
        })
    };
    let press = || {
        // SAFETY: the byte is readable.
        assert_eq!(unsafe { libc::write(keyboard, [3u8].as_ptr().cast(), 1) }, 1);
    };
    let mut child = start(ignoring(SIGINT, &mut command));
    wait_until("the sink is open", || is_sink_open(&host));
    press();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the key is not for it");
    send(&child, SIGINT);
    check_published(&host, &child.wait_with_output().unwrap(), "SIGINT of a process");

    // And one in front hears the key.
    let mut command = host.command(&["run", "-e", LIVE]);
    // SAFETY: as above.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            libc::ioctl(terminal, libc::TIOCSCTTY, 1);
            Ok(())
        })
    };
    let child = start(&mut command);
    wait_until("the sink is open", || is_sink_open(&host));
    press();
    check_published(&host, &child.wait_with_output().unwrap(), "the key");
    // SAFETY: both are open, and nobody uses them any more.
    unsafe { (libc::close(keyboard), libc::close(terminal)) };
}
