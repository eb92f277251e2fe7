//! The generator's trades, in every shape that a stage takes.

use arrow_buffer::Buffer;
use tidemill_format::Encoder;
use tidemill_plan::{Format, GeneratorModel, GeneratorSource};
use tidemill_record::{Batch, PartitionId, Polled};
use tidemill_source::{ColumnReader, Generator};

use crate::{BATCH_ROWS, plans};

/// Records of every bench: more than any cache holds as text.
pub(crate) const ROWS: usize = 1_000_000;

/// Records as columns and as text.
pub(crate) struct Trades {
    pub(crate) batches: Vec<Batch>,
    pub(crate) csv: Buffer,
    pub(crate) json: Buffer,
}

impl Trades {
    pub(crate) fn new(keys: u64) -> Self {
        let batches = batches(keys, &[0, 1, 2, 3, 4, 5]);
        let (csv, json) = (text(&plans::csv(), &batches), text(&plans::json(), &batches));
        Self { batches, csv, json }
    }
}

/// Some columns of the records, out of order by at most two seconds.
pub(crate) fn batches(keys: u64, columns: &[usize]) -> Vec<Batch> {
    let source = GeneratorSource {
        model: GeneratorModel::Trades,
        rows: Some(ROWS as u64),
        rate: None,
        partitions: 1,
        seed: 42,
        keys,
        skew: 0.0,
        disorder_ms: 2000,
        late_fraction: 0.0,
        idle_partitions: 0,
    };
    let mut generator = Generator::new(&source, PartitionId(0), columns).unwrap();
    let mut batches = Vec::new();
    while let Polled::Ready(batch) = generator.next_batch(BATCH_ROWS).unwrap() {
        batches.push(batch);
    }
    batches
}

fn text(format: &Format, batches: &[Batch]) -> Buffer {
    let mut encoder = Encoder::new(format, &GeneratorModel::Trades.schema()).unwrap();
    let mut out = Vec::new();
    batches.iter().for_each(|batch| encoder.encode(batch, &mut out).unwrap());
    encoder.finish(&mut out).unwrap();
    Buffer::from_vec(out)
}
