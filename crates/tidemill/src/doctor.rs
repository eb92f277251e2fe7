//! What a host offers a job, each with a verdict and a remedy. Looks, and changes nothing.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tidemill_rt::{Backend, Choice, allowed_cpus, kernel_version, memlock_limit_bytes, probe};

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Good,
    /// Works, but slower or less evenly than it could.
    Fair,
    /// Does not work.
    Bad,
}

/// One thing looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How good it is.
    pub verdict: Verdict,
    /// What was seen.
    pub detail: String,
    /// What would make it better.
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "good",
            Verdict::Fair => "fair",
            Verdict::Bad => "bad ",
        };
        write!(f, "{verdict}  {:<12} {}", self.subject, self.detail)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n      {:<12} remedy: {remedy}", "")?;
        }
        Ok(())
    }
}

/// Looks at everything that decides how a job runs on this host. `directory` is where its data is.
#[must_use]
pub fn examine(directory: &Path) -> Vec<Finding> {
    vec![
        kernel(),
        io_uring(),
        memlock(),
        cpus(),
        smt_siblings(),
        governor(),
        huge_pages(),
        file_system(directory),
    ]
}

fn finding(
    subject: &'static str,
    verdict: Verdict,
    detail: impl Into<String>,
    remedy: Option<&str>,
) -> Finding {
    Finding { subject, verdict, detail: detail.into(), remedy: remedy.map(str::to_owned) }
}

fn kernel() -> Finding {
    match kernel_version() {
        Some((major, minor)) if (major, minor) >= (5, 8) => {
            finding("kernel", Verdict::Good, format!("Linux {major}.{minor}"), None)
        }
        Some((major, minor)) => finding(
            "kernel",
            Verdict::Fair,
            format!("Linux {major}.{minor}, and io_uring as glommio uses it needs 5.8"),
            Some("run a newer kernel; until then jobs take the portable backend"),
        ),
        None => finding("kernel", Verdict::Fair, "the version cannot be read", None),
    }
}

fn io_uring() -> Finding {
    match probe(Choice::Glommio) {
        Ok(found) if found.backend == Backend::Glommio => {
            finding("io_uring", Verdict::Good, "usable", None)
        }
        Ok(_) => finding("io_uring", Verdict::Fair, "not chosen", None),
        Err(error) => finding(
            "io_uring",
            Verdict::Fair,
            error.to_string(),
            Some("jobs take the portable backend unless this is fixed"),
        ),
    }
}

fn memlock() -> Finding {
    const COMFORTABLE_BYTES: u64 = 8 << 20;
    let limit = memlock_limit_bytes();
    let shown =
        if limit == u64::MAX { "unlimited".to_owned() } else { format!("{} KiB", limit / 1024) };
    if limit >= COMFORTABLE_BYTES {
        finding("memlock", Verdict::Good, shown, None)
    } else {
        finding(
            "memlock",
            Verdict::Fair,
            shown,
            Some("raise it with `ulimit -l 8192` or LimitMEMLOCK=8M in a systemd unit"),
        )
    }
}

fn cpus() -> Finding {
    let cpus = allowed_cpus();
    let list = cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    finding("cpus", Verdict::Good, format!("{} allowed: {list}", cpus.len()), None)
}

fn smt_siblings() -> Finding {
    let cpus = allowed_cpus();
    let mut cores = BTreeSet::new();
    for cpu in &cpus {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let Ok(siblings) = fs::read_to_string(path) else {
            return finding("smt", Verdict::Good, "the host does not say", None);
        };
        cores.insert(siblings.trim().to_owned());
    }
    if cores.len() == cpus.len() {
        finding("smt", Verdict::Good, "every allowed CPU is a core of its own", None)
    } else {
        finding(
            "smt",
            Verdict::Fair,
            format!("{} CPUs share {} cores", cpus.len(), cores.len()),
            Some("for even latency give --cores one CPU of each core"),
        )
    }
}

fn governor() -> Finding {
    match fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") {
        Ok(governor) if governor.trim() == "performance" => {
            finding("governor", Verdict::Good, "performance", None)
        }
        Ok(governor) => finding(
            "governor",
            Verdict::Fair,
            governor.trim().to_owned(),
            Some("`cpupower frequency-set -g performance` for steady clocks"),
        ),
        Err(_) => {
            finding("governor", Verdict::Good, "the host does not say (a guest, often)", None)
        }
    }
}

fn huge_pages() -> Finding {
    match fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(text) => {
            let chosen = text.split(['[', ']']).nth(1).unwrap_or("unknown").to_owned();
            if chosen == "never" {
                let remedy = "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`";
                finding("huge pages", Verdict::Fair, chosen, Some(remedy))
            } else {
                finding("huge pages", Verdict::Good, chosen, None)
            }
        }
        Err(_) => finding("huge pages", Verdict::Fair, "the host does not say", None),
    }
}

fn file_system(directory: &Path) -> Finding {
    let shown = directory.display();
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else {
        return finding("file system", Verdict::Bad, format!("{shown} is not a path"), None);
    };
    // SAFETY: `statfs` is plain data, for which all zeroes is a value.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is a C string and `stat` is writable; both outlive the call.
    if unsafe { libc::statfs(path.as_ptr(), &raw mut stat) } != 0 {
        let error = std::io::Error::last_os_error();
        return finding("file system", Verdict::Bad, format!("{shown}: {error}"), None);
    }
    let name = match stat.f_type {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlayfs",
        0x6969 => "nfs",
        _ => "of another kind",
    };
    let detail = format!("{shown} is on a file system {name}");
    match name {
        "ext4" | "xfs" | "btrfs" => finding("file system", Verdict::Good, detail, None),
        "tmpfs" => finding(
            "file system",
            Verdict::Fair,
            detail,
            Some("results there do not survive a restart of the host"),
        ),
        _ => finding(
            "file system",
            Verdict::Fair,
            detail,
            Some("keep data on a local ext4, xfs or btrfs"),
        ),
    }
}
