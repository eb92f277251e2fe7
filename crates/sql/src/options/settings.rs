//! `SET 'key' = 'value'`.

use std::time::Duration;

use tidemill_plan::options::{parse_bytes, parse_duration};
use tidemill_plan::{CoreSet, RuntimeChoice, Settings};

use super::Options;
use super::connector::BAD_RECORDS;
use crate::report::{Bind, Report};
use crate::syntax::{Name, OptionEntry};

const STATE_DIR: &str = "write SET 'state.dir' = 'state'";

/// Settings of other engines by how their names begin, and what to do about them.
const OTHERS: [(&str, &str); 20] = [
    (
        "execution.runtime-mode",
        "leave it out: input that ends gives final results, other input goes on; EMIT CHANGES says otherwise",
    ),
    ("execution.checkpointing.interval", "write SET 'checkpoint.interval' = '10s'"),
    ("execution.checkpointing.dir", STATE_DIR),
    ("execution.checkpointing", "leave it out: what is written to files is exactly once"),
    ("execution.savepoint", "leave it out: a job goes on by itself where its 'state.dir' says"),
    ("state.checkpoints.dir", STATE_DIR),
    ("state.savepoints.dir", STATE_DIR),
    ("state.backend", "leave it out: state is in memory, and in files under 'state.dir'"),
    ("execution.", "leave it out: it is about how another engine runs"),
    ("parallelism.default", "write SET 'cores' = '4'"),
    ("pipeline.", "leave it out: it is about how another engine runs"),
    ("table.local-time-zone", "leave it out: times are UTC; AT TIME ZONE reads others"),
    ("table.", "leave it out: it is about how another engine plans"),
    (
        "sql-client.",
        "leave it out: it is about another shell; --format says how results are printed",
    ),
    ("auto.offset.reset", "leave it out: files are read from their start"),
    ("threads", "write SET 'cores' = '4'"),
    ("memory_limit", "write SET 'memory.budget' = '2GiB'"),
    ("timezone", "leave it out: times are UTC; AT TIME ZONE reads others"),
    ("streaming_parallelism", "write SET 'cores' = '4'"),
    ("ksql.", "leave it out: it is about another engine"),
];

/// Applies one `SET` to the settings.
pub(crate) fn set(
    key: &Name,
    value: &Name,
    settings: &mut Settings,
    report: &mut Report,
) -> Bind<()> {
    if let Some((_, instead)) = OTHERS.iter().find(|(name, _)| key.text.starts_with(name)) {
        let message = format!("not supported: SET '{}'", key.text);
        return Err(report.add(key.span, message, Some((*instead).to_owned())));
    }
    let entries = [OptionEntry { key: key.clone(), value: value.clone() }];
    let mut options = Options::new(&entries, key.span, report);
    let runtime = options.one_of(
        "runtime",
        &[
            ("auto", RuntimeChoice::Auto),
            ("glommio", RuntimeChoice::Glommio),
            ("std", RuntimeChoice::Std),
        ],
    );
    let cores = options.parsed("cores", "a count ('4'), a list ('0,2,4-7') or 'all'", cores);
    let batch_rows = options.parsed("batch.rows", "a number from 1 to 65536", |text| {
        text.parse().ok().filter(|rows| (1..=65_536).contains(rows))
    });
    let budget = options.parsed("memory.budget", "a size such as '2GiB', or 'auto'", |text| {
        if text.eq_ignore_ascii_case("auto") {
            return Some(None);
        }
        parse_bytes(text).filter(|&bytes| bytes > 0).map(Some)
    });
    let bad_records = options.one_of("bad.records", BAD_RECORDS);
    let dead_letter_path = options.text("dead.letter.path").map(|(path, _)| path.to_owned());
    // What is read is addressed with 32 bits, a longest record and a piece behind it.
    const RECORD_BYTES: &str = "a size from '1KiB' to '1GiB', such as '16MiB'";
    let record_bytes = options.parsed("record.max_bytes", RECORD_BYTES, |text| {
        let bytes = parse_bytes(text).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.filter(|bytes| (1 << 10..=1 << 30).contains(bytes))
    });
    let state_dir = options.text("state.dir").map(|(path, _)| path.to_owned());
    let interval = options.parsed(
        "checkpoint.interval",
        "a duration from '1ms' to '1d', such as '10s'",
        |text| {
            let interval = parse_duration(text)?;
            (Duration::from_millis(1)..=Duration::from_secs(86_400))
                .contains(&interval)
                .then_some(interval)
        },
    );
    options.finish()?;
    settings.runtime = runtime.unwrap_or(settings.runtime);
    settings.cores = cores.unwrap_or_else(|| settings.cores.clone());
    settings.batch_rows = batch_rows.unwrap_or(settings.batch_rows);
    settings.memory_budget_bytes = budget.unwrap_or(settings.memory_budget_bytes);
    settings.bad_records = bad_records.unwrap_or(settings.bad_records);
    settings.record_bytes_max = record_bytes.unwrap_or(settings.record_bytes_max);
    settings.checkpoint_interval = interval.unwrap_or(settings.checkpoint_interval);
    if state_dir.is_some() {
        settings.state_dir = state_dir;
    }
    if dead_letter_path.is_some() {
        settings.dead_letter_path = dead_letter_path;
    }
    Ok(())
}

/// `all`, a count, or a list of CPU numbers and ranges.
fn cores(text: &str) -> Option<CoreSet> {
    const CPUS_MAX: usize = 4096;
    if text.eq_ignore_ascii_case("all") {
        return Some(CoreSet::All);
    }
    if let Ok(count) = text.parse::<usize>() {
        return (1..=CPUS_MAX).contains(&count).then_some(CoreSet::Count(count));
    }
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last >= CPUS_MAX || first > last {
            return None;
        }
        for cpu in first..=last {
            if list.contains(&cpu) {
                return None;
            }
            list.push(cpu);
        }
    }
    Some(CoreSet::List(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_sets() {
        assert_eq!(cores("4"), Some(CoreSet::Count(4)));
        assert_eq!(cores("0,2,4-6"), Some(CoreSet::List(vec![0, 2, 4, 5, 6])));
        assert_eq!(cores("all"), Some(CoreSet::All));
        assert_eq!(cores("0"), None);
        assert_eq!(cores("3-1"), None);
        assert_eq!(cores("1,1"), None);
        assert_eq!(cores("0-999999999"), None);
    }
}
