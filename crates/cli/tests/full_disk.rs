//! A disk without room holds a job that keeps state, or that has no end; with room it goes on by itself.
//!
//! The disk is a file system in memory of a few MiB, in a name space of this process. Where the host lets nobody make one, the
//! tests say so and look at nothing; CI's hosts do.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::Host;

/// A file system of 4 MiB at `small` in a folder, for as long as this lives.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(host: &Host) -> Option<Self> {
        Self::mount_with(host, "size=4m")
    }

    fn mount_with(host: &Host, room: &str) -> Option<Self> {
        let path = host.path("small");
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", room, "tidemill-test"]).arg(&path);
        let mounted = mount.stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        eprintln!("not looked at: this host lets nobody mount a small file system");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Rows enough for some 20 MiB of results.
const QUERY: &str =
    "CREATE SOURCE t WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '200000'); ";

fn job(folder: &str, sets: &str) -> String {
    format!(
        "{sets}{QUERY}CREATE SINK o WITH ('connector' = 'file', 'path' = '{folder}/out', 'format' = 'csv', 'rolling' = '512KiB'); \
         INSERT INTO o SELECT * FROM t"
    )
}

fn rows(folder: &Path) -> Vec<String> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn start(host: &Host, sql: &str) -> Child {
    let mut command = host.command(&["run", "-e", sql]);
    let said = fs::File::create(host.path("said.txt")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn wait_until_said(host: &Host, child: &mut Child, text: &str) {
    let began = Instant::now();
    loop {
        let said = fs::read_to_string(host.path("said.txt")).unwrap();
        if said.contains(text) {
            return;
        }
        assert_eq!(child.try_wait().unwrap(), None, "{said}");
        assert!(began.elapsed() < Duration::from_secs(60), "{text} is to be said: {said}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn resize(path: &Path, size: &str) {
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,size={size},nr_inodes=10000")]).arg(path);
    assert!(mount.status().unwrap().success());
}

const STATE: &str = "SET 'state.dir' = 'small/state'; SET 'checkpoint.interval' = '20ms'; ";

#[test]
fn a_job_waits_for_room_and_goes_on_exactly() {
    let host = Host::new();
    let Some(disk) = SmallDisk::mount(&host) else { return };
    host.sql(&job("large", "")).succeeds();
    let mut child = start(&host, &job("small", STATE));
    wait_until_said(&host, &mut child, "no space is left for small/");
    resize(&disk.0, "64m");
    assert!(child.wait().unwrap().success());
    let said = fs::read_to_string(host.path("said.txt")).unwrap();
    assert!(said.contains("there is space again: the job goes on"), "{said}");
    assert_eq!(said.matches("no space is left").count(), 1, "it is said once: {said}");
    assert_eq!(rows(&host.path("small/out")), rows(&host.path("large/out")));
}

/// It ends with what the system said; what was kept before is there, and with room it goes on from there.
#[test]
fn a_job_that_waits_for_room_can_be_stopped_and_killed() {
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let host = Host::new();
        let Some(disk) = SmallDisk::mount(&host) else { return };
        host.sql(&job("large", "")).succeeds();
        let mut child = start(&host, &job("small", STATE));
        wait_until_said(&host, &mut child, "no space is left for small/");
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: the child has not been waited for, so that the number is still its own.
        unsafe { libc::kill(pid, signal) };
        assert!(!child.wait().unwrap().success());
        resize(&disk.0, "64m");
        host.sql(&job("small", STATE)).succeeds();
        assert_eq!(rows(&host.path("small/out")), rows(&host.path("large/out")));
    }
}

/// What ends by itself and keeps nothing is run again as quickly as it is waited for.
#[test]
fn a_bounded_job_without_state_says_that_the_disk_is_full() {
    let host = Host::new();
    let Some(_disk) = SmallDisk::mount(&host) else { return };
    let said = host.sql(&job("small", "")).fails(1);
    assert!(said.contains("full") || said.contains("No space left"), "{said}");
}

/// Files take room, too: those of folders by value, of segments, and those that say how far publishing has come.
#[test]
fn a_job_waits_for_room_for_names() {
    let job = |folder: &str, sets: &str, more: &str| {
        format!(
            "{sets}CREATE SOURCE t WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '3000'); \
             CREATE SINK o WITH ('connector' = 'file', 'path' = '{folder}/out', 'format' = 'csv', \
             'on.existing' = 'replace'{more}); INSERT INTO o SELECT * FROM t"
        )
    };
    let more = [", 'rolling' = '16KiB'", ", 'partition.by' = 'symbol'"];
    let state = "SET 'state.dir' = 'state'; SET 'checkpoint.interval' = '20ms'; ";
    let mut held_count = 0;
    for more in more {
        for inode_count in [5, 6, 7, 8, 9, 11, 13] {
            let host = Host::new();
            let room = format!("size=64m,nr_inodes={inode_count}");
            let Some(disk) = SmallDisk::mount_with(&host, &room) else { return };
            fs::create_dir(host.path("small/out")).unwrap();
            fs::write(host.path("small/out/part-00000-000000.csv"), "earlier").unwrap();
            let mut child = start(&host, &job("small", state, more));
            let began = Instant::now();
            let said = || fs::read_to_string(host.path("said.txt")).unwrap();
            // Where there is room for all of them it just ends.
            while child.try_wait().unwrap().is_none() && !said().contains("no space is left") {
                assert!(began.elapsed() < Duration::from_secs(60), "{}", said());
                std::thread::sleep(Duration::from_millis(10));
            }
            resize(&disk.0, "64m");
            assert!(child.wait().unwrap().success(), "{inode_count} {more}: {}", said());
            held_count += said().matches("the job goes on").count();
            let results = host.path("small/out");
            host.sql(&job("large", "", more)).succeeds();
            assert_eq!(all_rows(&results), all_rows(&host.path("large/out")), "{inode_count}");
        }
    }
    assert!(held_count > 4, "{held_count}");
}

/// Those of folders below, too, sorted.
fn all_rows(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(all_rows(&entry.path()));
        } else if !name.starts_with('.') {
            let text = fs::read_to_string(entry.path()).unwrap();
            all.extend(text.lines().skip(1).map(str::to_owned));
        }
    }
    all.sort_unstable();
    all
}
