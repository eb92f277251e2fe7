//! How much memory the tables of a job may take.

use std::fs;

/// The share of the memory available at start that tables may take where no budget is set.
const SHARE_PERCENT: u64 = 60;

/// What to assume where the host does not say: enough for any small job.
const UNKNOWN_HOST_BYTES: u64 = 1 << 30;

/// Bytes all tables of a job may hold together where no budget is set: 60 % of what the host (or
/// the control group this process is in) has available now.
pub(crate) fn default_budget_bytes() -> u64 {
    let host = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_bytes(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let bytes = match (host, group) {
        (Some(host), Some(group)) => host.min(group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => UNKNOWN_HOST_BYTES,
    };
    bytes / 100 * SHARE_PERCENT
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::available_bytes;

    #[test]
    fn reads_the_available_line() {
        let text = "MemTotal:  100 kB\nMemAvailable:     64 kB\n";
        assert_eq!(available_bytes(text), Some(64 * 1024));
        assert_eq!(available_bytes("MemTotal: 100 kB\n"), None);
    }
}
