//! The input: the generator's files, made once.

use std::fs;
use std::path::{Path, PathBuf};

use tidemill::generate::{GenerateSpec, generate};
use tidemill::{CoreSet, GeneratorModel, GeneratorSource};

use crate::query::{FILE_COUNT, Text};

/// The directory of so many records, made where it is missing; `keys` as the command has them where not
/// given.
pub(crate) fn ensure(
    data: &Path,
    model: GeneratorModel,
    text: Text,
    rows: u64,
    keys: Option<u64>,
) -> PathBuf {
    let (name, usual_keys) = match model {
        GeneratorModel::Trades => ("trades", 200),
        GeneratorModel::Orders => ("orders", 10_000),
        GeneratorModel::Measurements => unreachable!("no scenario reads measurements"),
    };
    let suffix = keys.map_or(String::new(), |keys| format!("-{keys}-keys"));
    let directory = data.join(format!("{name}-{}-{rows}{suffix}", text.name()));
    if !directory.exists() {
        let source = GeneratorSource {
            model,
            rows: Some(rows),
            rate: None,
            partitions: FILE_COUNT,
            seed: 42,
            keys: keys.unwrap_or(usual_keys),
            skew: 0.0,
            disorder_ms: 0,
            late_fraction: 0.0,
            idle_partitions: 0,
        };
        let spec = GenerateSpec {
            source,
            format: text.format(),
            directory: directory.clone(),
            bad_fraction: 0.0,
            cores: CoreSet::All,
        };
        generate(&spec).unwrap();
    }
    directory
}

/// The files of a directory by name, which is the order of their partitions.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), FILE_COUNT as usize, "{}", directory.display());
    files
}
