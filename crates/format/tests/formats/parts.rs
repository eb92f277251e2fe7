//! Parts that become one file: what every reader finds in it is the rows of all parts, in their order.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use tidemill_format::{Encoder, Part};
use tidemill_plan::{ArrowForm, ArrowOptions, CsvOptions, Format, JsonOptions};
use tidemill_record::{Batch, DataType, Schema};

use crate::columnar::{decode_parquet, footer};
use crate::decoding::{Decoded, decode, gathered};
use crate::round_trip::{all_types, all_values};

/// One file of parts, each with the rows of these batches; what is known of a part may have been kept elsewhere meanwhile.
fn joined(formats: [&Format; 2], schema: &Schema, parts: &[&[Batch]], is_kept: bool) -> Vec<u8> {
    let mut written = Vec::new();
    for (number, batches) in parts.iter().enumerate() {
        let mut encoder = Encoder::new(formats[number.min(1)], schema).unwrap();
        let mut bytes = Vec::new();
        batches.iter().for_each(|batch| encoder.encode(batch, &mut bytes).unwrap());
        encoder.finish(&mut bytes).unwrap();
        let mut part = encoder.take_part();
        if is_kept {
            let encoder = Encoder::new(formats[number.min(1)], schema).unwrap();
            part = encoder.part_of(part.export().unwrap()).unwrap();
        }
        written.push((part, bytes));
    }
    let (parts, bytes): (Vec<_>, Vec<_>) =
        written.into_iter().map(|(part, bytes)| ((part, bytes.len() as u64), bytes)).unzip();
    let joint = Part::join(parts).unwrap();
    assert_eq!(joint.kept[0].start, 0);
    let kept = |(bytes, kept): (&Vec<u8>, &std::ops::Range<u64>)| {
        bytes[kept.start as usize..kept.end as usize].to_vec()
    };
    let body: Vec<u8> = bytes.iter().zip(&joint.kept).flat_map(kept).collect();
    [body, joint.tail].concat()
}

/// Parts with rows and without, longer and shorter than a record batch.
fn parts() -> Vec<Vec<Batch>> {
    vec![
        vec![all_values(50, 1), all_values(9000, 2)],
        vec![],
        vec![all_values(1, 3)],
        vec![all_values(8192, 4)],
    ]
}

fn check(formats: [&Format; 2], schema: &Schema, parts: &[Vec<Batch>]) -> (Vec<u8>, Decoded) {
    let parts: Vec<&[Batch]> = parts.iter().map(Vec::as_slice).collect();
    let bytes = joined(formats, schema, &parts, false);
    let expected = gathered(schema, &parts.concat(), Vec::new());
    let decoded = |bytes: &[u8]| match formats[0] {
        Format::Parquet => decode_parquet(bytes, &footer(bytes), schema, 8192).unwrap(),
        format => decode(format, schema, bytes).unwrap(),
    };
    let kept = joined(formats, schema, &parts, true);
    if *formats[0] == Format::Parquet {
        // Statistics that the format has twice, for old readers, are there once then.
        assert_eq!(decoded(&kept).columns, expected.columns);
    } else {
        assert!(kept == bytes);
    }
    let decoded = decoded(&bytes);
    assert_eq!(decoded.columns, expected.columns);
    assert_eq!(decoded.bad, []);
    // One part is the file that it is.
    let alone = joined(formats, schema, &parts[..1], false);
    let mut encoder = Encoder::new(formats[0], schema).unwrap();
    let mut out = Vec::new();
    parts[0].iter().for_each(|batch| encoder.encode(batch, &mut out).unwrap());
    encoder.finish(&mut out).unwrap();
    assert_eq!(alone, out);
    (bytes, decoded)
}

#[test]
fn text() {
    let headless = Format::Csv(CsvOptions { has_header: false, ..CsvOptions::default() });
    check([&Format::Csv(CsvOptions::default()), &headless], &all_types(), &parts());
    let json = Format::Json(JsonOptions::default());
    check([&json, &json], &all_types(), &parts());
}

#[test]
fn arrow() {
    let format = Format::Arrow(ArrowOptions { form: ArrowForm::File });
    let (bytes, decoded) = check([&format, &format], &all_types(), &parts());
    let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
    assert_eq!(reader.num_batches(), 4);
    let rows: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), decoded.offsets.len());

    let format = Format::Arrow(ArrowOptions { form: ArrowForm::Stream });
    let (bytes, _) = check([&format, &format], &all_types(), &parts());
    let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
    assert_eq!(rows, reader.collect::<Result<Vec<_>, _>>().unwrap());
}

#[test]
fn parquet() {
    let schema = Schema::new(
        all_types()
            .fields
            .into_iter()
            .filter(|field| field.data_type != DataType::Interval)
            .collect(),
    );
    let places: Vec<usize> = (0..all_types().fields.len())
        .filter(|&place| all_types().fields[place].data_type != DataType::Interval)
        .collect();
    let without_intervals = |batch: &Batch| {
        let columns =
            places.iter().map(|&place| batch.columns()[place].clone()).collect::<Vec<_>>();
        Batch::new(columns, batch.offsets().clone())
    };
    let parts: Vec<Vec<Batch>> =
        parts().iter().map(|part| part.iter().map(without_intervals).collect()).collect();
    let (bytes, decoded) = check([&Format::Parquet, &Format::Parquet], &schema, &parts);
    // Readers that go by the index of pages find the same rows.
    let row_count = decoded.offsets.len();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let open = || {
        ParquetRecordBatchReaderBuilder::try_new_with_options(
            Bytes::from(bytes.clone()),
            options.clone(),
        )
    };
    let builder = open().unwrap();
    assert_eq!(builder.metadata().num_row_groups(), 3);
    assert_eq!(builder.metadata().file_metadata().num_rows(), row_count as i64);
    let all: Vec<RecordBatch> =
        builder.with_batch_size(row_count).build().unwrap().collect::<Result<_, _>>().unwrap();
    let all = arrow_select::concat::concat_batches(&all[0].schema(), &all).unwrap();
    assert_eq!(all.num_rows(), row_count);
    for skipped in [1, 49, 9049, 9050, 9051, 17_000] {
        let selection = RowSelection::from(vec![
            RowSelector::skip(skipped),
            RowSelector::select(row_count - skipped),
        ]);
        let rows = open().unwrap().with_row_selection(selection).build().unwrap();
        let rows: Vec<RecordBatch> = rows.collect::<Result<_, _>>().unwrap();
        let rows = arrow_select::concat::concat_batches(&all.schema(), &rows).unwrap();
        assert_eq!(rows, all.slice(skipped, row_count - skipped), "behind {skipped}");
    }
}
