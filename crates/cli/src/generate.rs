//! `tidemill gen`.

use std::process::ExitCode;

use tidemill::generate::{GenerateSpec, Generated};
use tidemill::{
    ArrowOptions, CoreSet, CsvOptions, Format, GeneratorModel, GeneratorSource, JsonOptions,
};

use crate::arguments::{FileFormat, Gen, Model};
use crate::fail;
use crate::output::tell;

pub(crate) fn generate(arguments: &Gen) -> ExitCode {
    match tidemill::generate::generate(&spec(arguments)) {
        Ok(made) => {
            let Generated { rows, late_rows, late_rows_minute, bad_rows, bytes, .. } = made;
            let seconds = made.elapsed.as_secs_f64();
            tell!(
                "{rows} records ({late_rows} late, late for a window of 1m: {late_rows_minute}; \
                 {bad_rows} bad), {bytes} bytes in {} file(s) \
                 under {}, {seconds:.3} s",
                made.files.len(),
                arguments.out.display(),
            );
            for path in made.left_open {
                tell!(
                    "warning: a run that did not end in good order has left {}; it stays until you remove it",
                    path.display()
                );
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn spec(arguments: &Gen) -> GenerateSpec {
    let (model, keys) = match arguments.model {
        Model::Trades => (GeneratorModel::Trades, 200),
        Model::Orders => (GeneratorModel::Orders, 10_000),
        Model::Measurements => (GeneratorModel::Measurements, 413),
    };
    GenerateSpec {
        source: GeneratorSource {
            model,
            rows: Some(arguments.rows),
            rate: None,
            partitions: arguments.partitions,
            seed: arguments.seed,
            keys: arguments.keys.unwrap_or(keys),
            skew: arguments.skew,
            disorder_ms: arguments.disorder,
            late_fraction: arguments.late,
            idle_partitions: arguments.idle_partitions,
        },
        format: match (arguments.format, model) {
            // The challenge's files have no header and semicolons.
            (FileFormat::Csv, GeneratorModel::Measurements) => Format::Csv(CsvOptions {
                has_header: false,
                delimiter: b';',
                ..CsvOptions::default()
            }),
            (FileFormat::Csv, _) => Format::Csv(CsvOptions::default()),
            (FileFormat::Json, _) => Format::Json(JsonOptions::default()),
            (FileFormat::Arrow, _) => Format::Arrow(ArrowOptions::default()),
            (FileFormat::Parquet, _) => Format::Parquet,
        },
        directory: arguments.out.clone(),
        bad_fraction: arguments.bad,
        cores: arguments.cores.clone().unwrap_or(CoreSet::All),
    }
}
