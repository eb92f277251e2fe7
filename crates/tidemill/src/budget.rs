//! How much memory the pipelines of a job may hold where no budget is set.

use std::fs;
use std::path::{Path, PathBuf};

/// The share of the memory available at start that a job may take where no budget is set.
const SHARE_PERCENT: u64 = 60;

/// What to assume where the host does not say: enough for any small job.
const UNKNOWN_HOST_BYTES: u64 = 1 << 30;

/// Bytes the pipelines of a job may hold together where no budget is set: 60 % of what this process can
/// still get, by the host, by every control group it is in, and by its own limits.
pub(crate) fn default_budget_bytes() -> u64 {
    let read = |path: &Path| fs::read_to_string(path).ok();
    available_bytes(&read).unwrap_or(UNKNOWN_HOST_BYTES) / 100 * SHARE_PERCENT
}

/// Gives the text of a file; `None` if there is none.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// The least of all limits, each without what is in use already; `None` where nothing says any.
fn available_bytes(read: Read<'_>) -> Option<u64> {
    let host = read(Path::new("/proc/meminfo")).and_then(|text| kib_of(&text, "MemAvailable:"));
    let groups = group_directories(read).into_iter().filter_map(|group| group.available(read));
    host.into_iter().chain(groups).chain(process_limits(read)).min()
}

/// The number behind a name at the start of a line, in KiB; as bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// A control group that this process is in, itself or by one below.
#[derive(Debug, PartialEq, Eq)]
enum Group {
    /// The directory of a group of the unified hierarchy.
    Unified(PathBuf),
    /// Of the memory controller's own.
    Memory(PathBuf),
}

/// Own group and all above it, as far as they are visible. A limit on any of them holds.
fn group_directories(read: Read<'_>) -> Vec<Group> {
    let text = |path| read(Path::new(path)).unwrap_or_default();
    let (groups, mounts) = (text("/proc/self/cgroup"), text("/proc/self/mountinfo"));
    let mut found = Vec::new();
    for line in groups.lines() {
        // `0::/path`, and in the older form `7:memory:/path`.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let is_unified = controllers.is_empty();
        if !is_unified && !controllers.split(',').any(|controller| controller == "memory") {
            continue;
        }
        let Some((root, mount)) = mount_of(&mounts, is_unified) else { continue };
        // A group outside of what is mounted here is not seen; the mount is the nearest that is.
        let below = Path::new(path).strip_prefix(&root).unwrap_or(Path::new(""));
        let below = if path.contains("/..") { Path::new("") } else { below };
        let own = mount.join(below);
        let above = own.ancestors().take_while(|directory| directory.starts_with(&mount));
        let group = if is_unified { Group::Unified } else { Group::Memory };
        found.extend(above.map(|directory| group(directory.to_owned())));
    }
    found
}

/// Which group a hierarchy is mounted from, and where.
fn mount_of(mounts: &str, is_unified: bool) -> Option<(PathBuf, PathBuf)> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, at) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let (kind, options) = (file_system.next()?, file_system.nth(1).unwrap_or(""));
        let is_it = if is_unified {
            kind == "cgroup2"
        } else {
            kind == "cgroup" && options.split(',').any(|option| option == "memory")
        };
        is_it.then(|| (PathBuf::from(root), PathBuf::from(at)))
    })
}

impl Group {
    /// Bytes that the group may still take; `None` without a limit.
    fn available(&self, read: Read<'_>) -> Option<u64> {
        let (directory, limits, usage, reclaimable) = match self {
            Self::Unified(at) => {
                (at, &["memory.max", "memory.high"][..], "memory.current", "inactive_file ")
            }
            Self::Memory(at) => {
                let limits = &["memory.limit_in_bytes"][..];
                (at, limits, "memory.usage_in_bytes", "total_inactive_file ")
            }
        };
        let number = |name: &str| -> Option<u64> {
            read(&directory.join(name)).and_then(|text| text.trim().parse().ok())
        };
        // `max`, which is no number, is no limit.
        let limit = limits.iter().filter_map(|name| number(name)).min()?;
        // Files in the page cache give way.
        let stat = read(&directory.join("memory.stat")).unwrap_or_default();
        let cached = stat.lines().find_map(|line| line.strip_prefix(reclaimable)?.parse().ok());
        let used = number(usage).unwrap_or(0).saturating_sub(cached.unwrap_or(0));
        Some(limit.saturating_sub(used))
    }
}

/// What the process's own limits (`ulimit -v` and `ulimit -d`) leave.
fn process_limits(read: Read<'_>) -> Vec<u64> {
    let limits = read(Path::new("/proc/self/limits")).unwrap_or_default();
    let status = read(Path::new("/proc/self/status")).unwrap_or_default();
    let left = |name: &str, used: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        let soft: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some(soft.saturating_sub(kib_of(&status, used).unwrap_or(0)))
    };
    let space = left("Max address space", "VmSize:");
    space.into_iter().chain(left("Max data size", "VmData:")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A host that has these files.
    fn host(files: &[(&str, &str)]) -> Option<u64> {
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        available_bytes(&read)
    }

    const MEMINFO: (&str, &str) =
        ("/proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:     8388608 kB\n");
    const UNIFIED: (&str, &str) = (
        "/proc/self/mountinfo",
        "22 1 0:20 / /proc rw - proc proc rw\n\
         30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    );

    #[test]
    fn a_host_without_limits_gives_what_is_available() {
        assert_eq!(host(&[MEMINFO]), Some(8 * GIB));
        assert_eq!(host(&[("/proc/meminfo", "MemTotal: 100 kB\n")]), None);
        assert_eq!(host(&[]), None);
    }

    #[test]
    fn a_limit_on_any_group_above_holds() {
        let own = ("/proc/self/cgroup", "0::/user.slice/job.scope\n");
        let max = |path, bytes| (path, bytes);
        let slice = max("/sys/fs/cgroup/user.slice/memory.max", "2147483648\n");
        let scope = max("/sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, slice, scope]), Some(2 * GIB));
        let high = max("/sys/fs/cgroup/user.slice/job.scope/memory.high", "1073741824\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, slice, scope, high]), Some(GIB));
        let root = max("/sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, slice, high, root]), Some(GIB / 2));
        // A group beside it does not.
        let other = max("/sys/fs/cgroup/system.slice/memory.max", "1000\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, slice, other]), Some(2 * GIB));
    }

    #[test]
    fn what_is_in_use_counts_but_for_cached_files() {
        let own = ("/proc/self/cgroup", "0::/job\n");
        let max = ("/sys/fs/cgroup/job/memory.max", "2147483648\n");
        let current = ("/sys/fs/cgroup/job/memory.current", "1610612736\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, max, current]), Some(GIB / 2));
        let stat = ("/sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 536870912\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, max, current, stat]), Some(GIB));
        let over = ("/sys/fs/cgroup/job/memory.current", "4294967296\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, max, over]), Some(0));
    }

    #[test]
    fn the_older_hierarchy_and_mounts_of_a_part_are_understood() {
        let own = ("/proc/self/cgroup", "9:cpu,cpuacct:/docker/abc\n7:memory:/docker/abc\n0::/\n");
        let mounts = (
            "/proc/self/mountinfo",
            "31 30 0:27 /docker/abc /sys/fs/cgroup/memory ro master:11 - cgroup cgroup rw,memory\n",
        );
        let limit = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
        let usage = ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "536870912\n");
        assert_eq!(host(&[MEMINFO, own, mounts, limit, usage]), Some(GIB / 2));
        let none = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(host(&[MEMINFO, own, mounts, none, usage]), Some(8 * GIB));
    }

    #[test]
    fn a_group_outside_of_the_namespace_leaves_the_mount() {
        let own = ("/proc/self/cgroup", "0::/../../elsewhere\n");
        let max = ("/sys/fs/cgroup/memory.max", "1073741824\n");
        assert_eq!(host(&[MEMINFO, UNIFIED, own, max]), Some(GIB));
    }

    #[test]
    fn limits_of_the_process_hold() {
        let limits = (
            "/proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max data size             1073741824           unlimited            bytes     \n\
             Max address space         unlimited            unlimited            bytes     \n",
        );
        let status = ("/proc/self/status", "VmSize:\t 4194304 kB\nVmData:\t  524288 kB\n");
        assert_eq!(host(&[MEMINFO, limits, status]), Some(GIB / 2));
        let space = ("/proc/self/limits", "Max address space         6442450944 unlimited bytes\n");
        assert_eq!(host(&[MEMINFO, space, status]), Some(2 * GIB));
    }
}
