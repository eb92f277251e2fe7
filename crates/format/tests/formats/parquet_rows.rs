//! Row groups of Parquet that several partitions share, each for rows of its own.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tidemill_format::parquet::Footer;
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_plan::Format;
use tidemill_record::{Batch, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::arrow_footers::every_layout;
use crate::columnar::{decode_parquet, footer};
use crate::decoding::{Decoded, gathered};

/// What these rows of a file decode to.
fn decode_rows(
    bytes: &[u8],
    footer: &Footer,
    schema: &Schema,
    rows: Range<u64>,
    batch_rows: usize,
) -> Decoded {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let spec = DecoderSpec {
        format: &Format::Parquet,
        schema,
        columns: &columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::for_parquet(&spec, Arc::new(footer.clone())).unwrap();
    decoder.limit_rows(rows.clone());
    let selection = footer.selection(schema, &columns).unwrap();
    let (mut batches, mut bad): (Vec<Batch>, _) = (Vec::new(), Vec::new());
    for group in footer.row_groups() {
        let is_shared =
            group.start_row < rows.end && rows.start < group.start_row + group.row_count;
        if !is_shared {
            continue;
        }
        let ranges = footer.ranges(group.index, &selection).unwrap();
        let range = |r: &Range<u64>| (r.start, bytes[r.start as usize..r.end as usize].into());
        let bytes = FrameBytes::RowGroup {
            index: group.index,
            start: Offset(group.start_row),
            ranges: ranges.iter().map(range).collect(),
        };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        while let Some(batch) = decoder.decode(&mut bad).unwrap() {
            assert!((1..=batch_rows).contains(&batch.row_count()));
            batches.push(batch);
        }
    }
    gathered(schema, &batches, bad)
}

#[test]
fn parts_of_row_groups_are_together_the_whole() {
    let rows = every_layout(1000);
    for (page_rows, has_dictionary, group_rows) in
        [(20_000, true, 1000), (50, false, 1000), (64, true, 300), (300, false, 7)]
    {
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(has_dictionary)
            .set_dictionary_page_size_limit(3000)
            .set_compression(Compression::SNAPPY)
            .set_write_batch_size(10)
            .set_data_page_row_count_limit(page_rows)
            .set_max_row_group_row_count(Some(group_rows))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
        writer.write(&rows).unwrap();
        let bytes = writer.into_inner().unwrap();
        let footer = footer(&bytes);
        let schema = footer.schema().unwrap();
        let whole = decode_parquet(&bytes, &footer, &schema, 8192).unwrap();
        assert_eq!(whole.offsets.len(), 1000);
        for cuts in [&[0, 500, 1000][..], &[0, 1, 999, 1000], &[0, 64, 300, 301, 700, 1000]] {
            for batch_rows in [1, 7, 8192] {
                for cut in cuts.windows(2) {
                    let part = decode_rows(&bytes, &footer, &schema, cut[0]..cut[1], batch_rows);
                    assert_eq!(part.offsets, (cut[0]..cut[1]).collect::<Vec<_>>());
                    let of_whole = whole
                        .columns
                        .iter()
                        .map(|column| column.slice(cut[0] as usize, (cut[1] - cut[0]) as usize));
                    let of_whole: Vec<ArrayRef> = of_whole.collect();
                    assert_eq!(part.columns, of_whole, "{cut:?} {page_rows} {group_rows}");
                }
            }
        }
    }
}
