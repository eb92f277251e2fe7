//! Which partition a row goes to.

use std::hash::{BuildHasher, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::{Array, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_select::take::take;
use foldhash::fast::FixedState;
use tidemill_record::{Batch, Columns};

/// Cuts batches by the hash of some columns; whole batches in turn where there are none.
pub(crate) struct Router {
    /// Places of text columns.
    keys: Vec<usize>,
    partition_count: usize,
    /// Where the next whole batch goes.
    turn: usize,
    /// The rows of each partition; reused.
    rows: Vec<Vec<u32>>,
}

impl Router {
    /// Nothing cut yet.
    pub(crate) fn new(keys: &[usize], partition_count: usize) -> Self {
        let rows = vec![Vec::new(); partition_count];
        Self { keys: keys.to_vec(), partition_count, turn: 0, rows }
    }

    /// The parts of a batch that have rows, each with its partition; rows keep their order.
    pub(crate) fn cut(&mut self, batch: Batch) -> Vec<(usize, Batch)> {
        if self.keys.is_empty() {
            let partition = self.turn;
            self.turn = (partition + 1) % self.partition_count;
            return vec![(partition, batch)];
        }
        if self.partition_count == 1 {
            return vec![(0, batch)];
        }
        self.rows.iter_mut().for_each(Vec::clear);
        let keys: Vec<_> =
            self.keys.iter().map(|&key| batch.column(key).as_string_view()).collect();
        let state = FixedState::default();
        for row in 0..batch.row_count() {
            let mut hasher = state.build_hasher();
            for key in &keys {
                hasher.write(key.value(row).as_bytes());
                hasher.write_u8(0xff);
            }
            let partition = usize::try_from(hasher.finish() >> 32).unwrap() % self.partition_count;
            self.rows[partition].push(u32::try_from(row).unwrap());
        }
        let parts = self.rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        parts.map(|(partition, rows)| (partition, part(&batch, rows))).collect()
    }
}

fn part(batch: &Batch, rows: &[u32]) -> Batch {
    let indices = UInt32Array::from(rows.to_vec());
    let columns = batch.columns().iter().map(|column| take(column, &indices, None).unwrap());
    let offsets = take(batch.offsets() as &dyn Array, &indices, None).unwrap();
    let watermarks = batch.watermarks().map(|watermarks| {
        rows.iter().map(|&row| watermarks[row as usize]).collect::<ScalarBuffer<i64>>()
    });
    Batch::new(columns.collect::<Columns>(), offsets.as_primitive().clone())
        .with_watermarks(watermarks)
}
