//! Making data: the generator's records, encoded into one file for each partition.
//!
//! The same reader, encoder and writer as a job's, on the same pinned cores, without SQL between
//! them; and, where asked for, records that are broken on purpose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_format::Encoder;
use tidemill_plan::{CoreSet, Format, GeneratorModel, GeneratorSource, OnExisting};
use tidemill_record::{Batch, DataType, PartitionId, Polled, Schema};
use tidemill_rt::{Backend, Choice, Core, CpuChoice, launch, probe, select_cpus, yield_if_needed};
use tidemill_sink::{FileWriter, Finished, OutputDirectory, SinkError};
use tidemill_source::{ColumnReader, Generator};

use crate::Error;

/// What to make, and where.
#[derive(Clone, Debug)]
pub struct GenerateSpec {
    /// The records.
    pub source: GeneratorSource,
    /// How they are laid out.
    pub format: Format,
    /// The directory of the files.
    pub directory: PathBuf,
    /// Fraction of records that do not decode, in `0.0..=1.0`; text formats only. They stand
    /// between the good ones and are not counted among `source.rows`.
    pub bad_fraction: f64,
    /// CPUs to work on.
    pub cores: CoreSet,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Good records.
    pub rows: u64,
    /// Of these, how many are late as they come under a watermark with a delay of
    /// `source.disorder_ms`, each partition by itself.
    pub late_rows: u64,
    /// How many records are late, under that watermark, for the tumbling window of a minute that they
    /// fall into: it has passed the window's end.
    pub late_rows_minute: u64,
    /// Records that do not decode, beside the good ones.
    pub bad_rows: u64,
    /// Bytes in all files.
    pub bytes: u64,
    /// From start to published files.
    pub elapsed: Duration,
    /// The files, in order of partition.
    pub files: Vec<PathBuf>,
    /// Files that an earlier run was writing when it ended. They are left as they are.
    pub left_open: Vec<PathBuf>,
}

/// Rows made at a time.
const BATCH_ROWS: usize = 8192;

/// What one partition came to.
struct PartitionResult {
    finished: Finished,
    rows: u64,
    late_rows: u64,
    late_rows_minute: u64,
    bad_rows: u64,
}

/// Makes the files. They appear under their names when all are complete. A rate is not kept to: nobody
/// reads them before.
///
/// # Errors
/// No end, fractions out of range, a directory that already holds such files, and what the disk says.
pub fn generate(spec: &GenerateSpec) -> Result<Generated, Error> {
    let started = tidemill_rt::now();
    check(spec)?;
    let prefix = match spec.source.model {
        GeneratorModel::Trades => "trades-",
        GeneratorModel::Orders => "orders-",
        GeneratorModel::Measurements => "measurements-",
    };
    let directory =
        Arc::new(OutputDirectory::open_named(&spec.directory, OnExisting::Fail, prefix)?);
    let backend = probe(Choice::Auto)?.backend;
    let cpus = select_cpus(&match &spec.cores {
        CoreSet::All => CpuChoice::All,
        CoreSet::Count(count) => CpuChoice::Count(*count),
        CoreSet::List(cpus) => CpuChoice::List(cpus.clone()),
    })?;
    let mut cores = Vec::new();
    let stride = u32::try_from(cpus.len()).expect("CPUs are numbered in u32");
    for (first, &cpu) in (0..).zip(&cpus) {
        let (spec, directory) = (spec.clone(), Arc::clone(&directory));
        cores.push(launch(backend, cpu, &format!("tidemill-gen-{cpu}"), move || async move {
            let mut results = Vec::new();
            let mut partition = first;
            while partition < spec.source.partitions {
                let made = make_partition(&spec, backend, Arc::clone(&directory), partition).await;
                results.push(made?);
                partition += stride;
            }
            Ok::<_, Error>(results)
        })?);
    }
    let mut generated = Generated {
        rows: 0,
        late_rows: 0,
        late_rows_minute: 0,
        bad_rows: 0,
        bytes: 0,
        elapsed: Duration::ZERO,
        files: Vec::new(),
        left_open: directory.left_open().to_vec(),
    };
    let mut finished = Vec::new();
    // All are waited for before any failure is passed on: no core writes on behind the caller's back.
    let joined: Vec<_> = cores.into_iter().map(Core::join).collect();
    for results in joined {
        for result in results?? {
            generated.rows += result.rows;
            generated.late_rows += result.late_rows;
            generated.late_rows_minute += result.late_rows_minute;
            generated.bad_rows += result.bad_rows;
            finished.push(result.finished);
        }
    }
    let published = directory.publish(finished)?;
    generated.bytes = published.byte_count;
    generated.files = published.files;
    generated.elapsed = tidemill_rt::elapsed(started);
    Ok(generated)
}

fn check(spec: &GenerateSpec) -> Result<(), Error> {
    let fractions = [("late", spec.source.late_fraction), ("bad", spec.bad_fraction)];
    for (name, fraction) in fractions {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::usage(format!("{name} is a fraction from 0 to 1, not {fraction}")));
        }
    }
    if !(0.0..=10.0).contains(&spec.source.skew) {
        let skew = spec.source.skew;
        return Err(Error::usage(format!("skew is an exponent from 0 to 10, not {skew}")));
    }
    if spec.source.rows.is_none() {
        return Err(Error::usage("files have an end: say how many rows".to_owned()));
    }
    if spec.source.partitions == 0 || spec.source.keys == 0 {
        return Err(Error::usage("there is at least one partition and one key".to_owned()));
    }
    if spec.bad_fraction > 0.0 && matches!(spec.format, Format::Arrow(_) | Format::Parquet) {
        return Err(Error::usage(
            "records that do not decode can be made in csv and json only: in arrow and parquet \
             they would break the whole file"
                .to_owned(),
        ));
    }
    Ok(())
}

async fn make_partition(
    spec: &GenerateSpec,
    backend: Backend,
    directory: Arc<OutputDirectory>,
    partition: u32,
) -> Result<PartitionResult, Error> {
    let schema = spec.source.model.schema();
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let source = GeneratorSource { rate: None, ..spec.source };
    let mut generator = Generator::new(&source, PartitionId(partition), &columns)?;
    let mut lateness = Lateness::new(&source, &schema);
    let mut encoder = Encoder::new(&spec.format, &schema).map_err(|error| at(spec, error))?;
    let extension = spec.format.extension();
    let mut writer = FileWriter::create(backend, directory, partition, extension, None).await?;
    let mut breaker = Breaker::new(spec, partition);
    let mut bytes = Vec::new();
    let mut rows = 0;
    loop {
        match generator.next_batch(BATCH_ROWS)? {
            Polled::Ready(batch) => {
                rows += u64::try_from(batch.row_count()).expect("usize is at most 64 bits");
                lateness.count(&batch);
                breaker
                    .encode(&batch, &mut encoder, &mut bytes)
                    .map_err(|error| at(spec, error))?;
            }
            Polled::NotReady => {}
            Polled::Ended => break,
        }
        write(&mut writer, &mut bytes).await?;
        yield_if_needed().await;
    }
    encoder.finish(&mut bytes).map_err(|error| at(spec, error))?;
    write(&mut writer, &mut bytes).await?;
    let finished = writer.finish().await?;
    assert_eq!(lateness.late_rows, generator.late_count(), "as many are late as are meant to be");
    let Lateness { late_rows, late_rows_minute, .. } = lateness;
    Ok(PartitionResult { finished, rows, late_rows, late_rows_minute, bad_rows: breaker.bad_count })
}

/// Counts late records of a partition, by the definition and nothing else, in the order in which they
/// are written.
struct Lateness {
    /// Which column is the event time; `None` where the model has none.
    column: Option<usize>,
    delay_us: i64,
    /// What the watermark is as the next record comes, in microseconds.
    watermark_us: i64,
    late_rows: u64,
    late_rows_minute: u64,
}

impl Lateness {
    fn new(source: &GeneratorSource, schema: &Schema) -> Self {
        Self {
            column: schema.fields.iter().position(|field| field.data_type == DataType::Timestamp),
            delay_us: i64::try_from(source.disorder_ms)
                .map_or(i64::MAX, |ms| ms.saturating_mul(1000)),
            watermark_us: i64::MIN,
            late_rows: 0,
            late_rows_minute: 0,
        }
    }

    fn count(&mut self, batch: &Batch) {
        const MINUTE_US: i64 = 60_000_000;
        let Some(column) = self.column else { return };
        for &time in batch.column(column).as_primitive::<TimestampMicrosecondType>().values() {
            let window_end = time.div_euclid(MINUTE_US).saturating_add(1).saturating_mul(MINUTE_US);
            self.late_rows += u64::from(time < self.watermark_us);
            self.late_rows_minute += u64::from(self.watermark_us >= window_end);
            self.watermark_us = self.watermark_us.max(time.saturating_sub(self.delay_us));
        }
    }
}

async fn write(writer: &mut FileWriter, bytes: &mut Vec<u8>) -> Result<(), SinkError> {
    writer.write(bytes).await?;
    bytes.clear();
    Ok(())
}

fn at(spec: &GenerateSpec, error: tidemill_format::FormatError) -> Error {
    Error::format(spec.directory.clone(), error)
}

/// Puts records that do not decode between the good ones.
struct Breaker {
    /// A row is followed by a bad record when its hash is below this; 2^64 stands for always.
    threshold: u128,
    seed: u64,
    is_json: bool,
    bad_count: u64,
}

impl Breaker {
    fn new(spec: &GenerateSpec, partition: u32) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the fraction is in 0..=1, so the product is in 0..=2^64"
        )]
        let threshold = (spec.bad_fraction * 18_446_744_073_709_551_616.0) as u128;
        Self {
            threshold,
            seed: spec.source.seed ^ mix(u64::from(partition) + 1),
            is_json: matches!(spec.format, Format::Json(_)),
            bad_count: 0,
        }
    }

    fn encode(
        &mut self,
        batch: &Batch,
        encoder: &mut Encoder,
        bytes: &mut Vec<u8>,
    ) -> Result<(), tidemill_format::FormatError> {
        if self.threshold == 0 {
            return encoder.encode(batch, bytes);
        }
        let mut start = 0;
        for (row, &offset) in batch.offsets().values().iter().enumerate() {
            if u128::from(mix(self.seed ^ offset)) < self.threshold {
                encoder.encode(&batch.slice(start, row + 1 - start), bytes)?;
                bytes.extend_from_slice(self.bad_record(offset));
                self.bad_count += 1;
                start = row + 1;
            }
        }
        if start < batch.row_count() {
            encoder.encode(&batch.slice(start, batch.row_count() - start), bytes)?;
        }
        Ok(())
    }

    /// One of the ways in which real records go wrong, by turns.
    fn bad_record(&self, offset: u64) -> &'static [u8] {
        match (self.is_json, mix(offset) % 3) {
            (true, 0) => b"{\"trade_id\":12,\"symbol\":\"cut off\n",
            (true, 1) => b"not json at all\n",
            (true, _) => b"{\"a\":1}}\n",
            (false, 0) => b"one field\n",
            (false, 1) => b"a,b,c,d,e,f,g,h,i,j\n",
            (false, _) => b"\"closed\"too early,1\n",
        }
    }
}

/// A good mixture of all bits.
///
/// Source: Sebastiano Vigna, SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
