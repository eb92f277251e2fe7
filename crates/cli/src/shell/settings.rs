//! What `SET` has set, as text.

use tidemill::{BadRecords, CoreSet, RuntimeChoice, Settings};

/// A line for each setting, by the name that `SET` takes.
pub(crate) fn describe(settings: &Settings) -> String {
    let runtime = match settings.runtime {
        RuntimeChoice::Auto => "auto",
        RuntimeChoice::Glommio => "glommio",
        RuntimeChoice::Std => "std",
    };
    let cores = match &settings.cores {
        CoreSet::All => "all".to_owned(),
        CoreSet::Count(count) => count.to_string(),
        CoreSet::List(cpus) => {
            let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
            cpus.join(",")
        }
    };
    let bad_records = match settings.bad_records {
        BadRecords::Fail => "fail",
        BadRecords::Skip => "skip",
        BadRecords::DeadLetter => "dead_letter",
    };
    let memory = settings.memory_budget_bytes.map_or_else(|| "auto".to_owned(), |b| b.to_string());
    let lines = [
        ("runtime", runtime.to_owned()),
        ("cores", cores),
        ("batch.rows", settings.batch_rows.to_string()),
        ("memory.budget", memory),
        ("bad.records", bad_records.to_owned()),
        ("dead.letter.path", settings.dead_letter_path.clone().unwrap_or_default()),
        ("record.max_bytes", settings.record_bytes_max.to_string()),
    ];
    lines.iter().map(|(name, value)| format!("{name:<17} {value}\n").replace(" \n", "\n")).collect()
}
