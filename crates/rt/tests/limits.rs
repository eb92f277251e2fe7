//! Hosts that refuse io_uring: little locked memory, and a seccomp filter. Each case runs in a process
//! of its own, since neither can be taken back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use tidemill_rt::{
    Backend, Choice, IoUringRefusal, RtError, allowed_cpus, launch, memlock_limit_bytes, probe,
};

/// Names the test that a child process is to run for real.
const CHILD: &str = "TIDEMILL_TEST_CHILD";

#[test]
fn little_locked_memory_is_named_and_falls_back() {
    in_a_child("little_locked_memory_is_named_and_falls_back", memlock);
}

#[test]
fn a_seccomp_filter_is_named_and_falls_back() {
    in_a_child("a_seccomp_filter_is_named_and_falls_back", seccomp);
}

/// Runs `body` in a child process of this test binary, which starts with the test of that name.
fn in_a_child(name: &str, body: fn()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, name)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
}

fn memlock() {
    let limit = libc::rlimit { rlim_cur: 64 * 1024, rlim_max: 64 * 1024 };
    // SAFETY: `limit` is a valid rlimit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }, 0);
    assert_eq!(memlock_limit_bytes(), 65_536);
    let error = probe(Choice::Glommio).unwrap_err();
    assert!(matches!(error, RtError::MemlockTooSmall { limit_bytes: 65_536, .. }), "{error}");
    assert!(error.to_string().contains("ulimit -l"), "{error}");
    falls_back();
}

fn seccomp() {
    refuse_io_uring(libc::EPERM);
    let error = probe(Choice::Glommio).unwrap_err();
    assert!(matches!(error, RtError::IoUring(IoUringRefusal::Forbidden)), "{error}");
    assert!(error.to_string().contains("seccomp"), "{error}");
    falls_back();
}

/// `Auto` takes the portable backend, says why, and that backend works.
fn falls_back() {
    let probe = probe(Choice::Auto).unwrap();
    assert_eq!(probe.backend, Backend::Std);
    assert!(probe.reason.is_some());
    let core = launch(probe.backend, allowed_cpus()[0], "fallback", || async { 41 + 1 });
    assert_eq!(core.unwrap().join().unwrap(), 42);
}

/// Installs a filter that answers io_uring_setup with `errno` and lets everything else pass.
fn refuse_io_uring(errno: i32) {
    let load_number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump_if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, if_true, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: if_true,
        jf: 0,
        k,
    };
    let setup = u32::try_from(libc::SYS_io_uring_setup).unwrap();
    let mut program = [
        step(load_number, 0, 0), // offset of `nr` in struct seccomp_data
        step(jump_if_equal, 1, setup),
        step(give, 0, libc::SECCOMP_RET_ALLOW),
        step(give, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: `filter` describes `program`, which outlives both calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter), 0);
    }
}
