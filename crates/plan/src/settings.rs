//! What `SET`, the command line and an embedding program can choose about a job.

use std::time::Duration;

use crate::BadRecords;

/// Which backend reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// io_uring where the host allows it, else the portable one, and says which.
    #[default]
    Auto,
    /// io_uring or an error.
    Glommio,
    /// Blocking positioned reads on pinned threads.
    Std,
}

/// Which CPUs to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CoreSet {
    /// Every CPU of the affinity mask.
    #[default]
    All,
    /// The first n CPUs of the affinity mask (`n ≥ 1`).
    Count(usize),
    /// These CPU numbers, in this order, without repeats.
    List(Vec<usize>),
}

impl From<usize> for CoreSet {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<Vec<usize>> for CoreSet {
    fn from(cpus: Vec<usize>) -> Self {
        Self::List(cpus)
    }
}

/// Settings of a job; `SET 'key' = 'value'` by the names in the field docs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `runtime`: `auto`, `glommio`, `std`.
    pub runtime: RuntimeChoice,
    /// `cores`: a count (`4`) or a list (`0,2,4-7`).
    pub cores: CoreSet,
    /// `batch.rows`: rows a batch holds at most, in `1..=65_536`. Results do not depend on it.
    pub batch_rows: usize,
    /// `memory.budget`: bytes all tables of the job may hold together; `None` means 60 % of the
    /// memory available at start.
    pub memory_budget_bytes: Option<u64>,
    /// `bad.records` for sources that do not say themselves.
    pub bad_records: BadRecords,
    /// `dead.letter.path`: directory for `bad.records = dead_letter`.
    pub dead_letter_path: Option<String>,
    /// `record.max_bytes`: the longest text record, in bytes.
    pub record_bytes_max: usize,
    /// `state.dir`: directory where the job keeps what it takes to go on after a stop or a crash.
    pub state_dir: Option<String>,
    /// `checkpoint.interval`: how long after one checkpoint of a partition the next is made, at least 1 ms.
    pub checkpoint_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            runtime: RuntimeChoice::Auto,
            cores: CoreSet::All,
            batch_rows: 8192,
            memory_budget_bytes: None,
            bad_records: BadRecords::Fail,
            dead_letter_path: None,
            record_bytes_max: 16 << 20,
            state_dir: None,
            checkpoint_interval: Duration::from_secs(10),
        }
    }
}

impl std::str::FromStr for CoreSet {
    type Err = String;

    /// Reads `all`, a count (`4`), or a list of CPU numbers and ranges (`0,2,4-7`). A single number
    /// is a count; one CPU by number is `3-3`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text} is neither a count such as 4 nor a list such as 0,2,4-7");
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        if !text.contains([',', '-']) {
            return match number(text)? {
                0 => Err("a job needs at least one core".to_owned()),
                count => Ok(Self::Count(count)),
            };
        }
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last || last > CPU_NUMBER_MAX {
                return Err(wrong());
            }
            cpus.extend(first..=last);
        }
        let mut sorted = cpus.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("CPU {} is named twice in {text}", pair[0])),
            None => Ok(Self::List(cpus)),
        }
    }
}

/// Larger than any CPU number Linux gives out; keeps a mistyped range from filling memory.
const CPU_NUMBER_MAX: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::CoreSet;

    #[test]
    fn counts_lists_and_ranges() {
        assert_eq!("4".parse(), Ok(CoreSet::Count(4)));
        assert_eq!("all".parse(), Ok(CoreSet::All));
        assert_eq!("0,2,4-7".parse(), Ok(CoreSet::List(vec![0, 2, 4, 5, 6, 7])));
        assert_eq!("3-3".parse(), Ok(CoreSet::List(vec![3])));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "0", "x", "1,1", "7-4", "1-", "-1", "0-99999999999"] {
            assert!(text.parse::<CoreSet>().is_err(), "{text}");
        }
    }
}
