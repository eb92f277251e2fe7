//! What `SET`, the command line and an embedding program can choose about a job.

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
        }
    }
}
