//! Parquet by row groups, Arrow by its footer and as a stream.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tidemill_format::parquet::{Footer, ParsedFooter};
use tidemill_format::{ArrowFooter, ParsedArrowFooter};
use tidemill_plan::{ArrowOptions, Format};
use tidemill_record::{DataType, Field, Schema};
use tidemill_source::RowGroupPlan;

use super::{Case, file, file_input, text_input, with_added};
use crate::{InputSpec, MessageInput, RowGroupInput};

const ARROW: Format = Format::Arrow(ArrowOptions { form: tidemill_plan::ArrowForm::File });

/// `n` is declared NOT NULL and has NULLs, which make records bad; times have nanoseconds.
fn schema() -> Schema {
    Schema::new(vec![
        Field::required("n", DataType::BigInt),
        Field::nullable("s", DataType::Varchar),
        Field::nullable("t", DataType::Timestamp),
        Field::nullable("l", DataType::Array(Box::new(DataType::BigInt))),
    ])
}

fn batch(from: i64, count: i64, has_dictionary: bool) -> RecordBatch {
    let rows = from..from + count;
    let numbers = rows.clone().map(|n| (n % 23 != 5).then_some(if n % 3 == 0 { -n } else { n }));
    let text = |n: i64| format!("text {} of some length", n % 40);
    let texts: ArrayRef = if has_dictionary {
        // A file has one dictionary for all of its record batches.
        let keys = Int32Array::from_iter_values(rows.clone().map(|n| (n % 40) as i32));
        let values = StringArray::from_iter_values((0..40).map(text));
        Arc::new(DictionaryArray::new(keys, Arc::new(values)))
    } else {
        Arc::new(StringArray::from_iter_values(rows.clone().map(text)))
    };
    let times = rows.clone().map(|n| Some(n * 1_000_000_000 + n % 3));
    let lists = rows.map(|n| (n % 4 > 0).then(|| vec![Some(n), None]));
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>(lists);
    RecordBatch::try_from_iter_with_nullable(vec![
        ("n", Arc::new(Int64Array::from_iter(numbers)) as ArrayRef, true),
        ("s", texts, true),
        ("t", Arc::new(TimestampNanosecondArray::from_iter(times)), true),
        ("l", Arc::new(lists), true),
        ("beside", Arc::new(Int64Array::from_iter_values(0..count)), true),
    ])
    .unwrap()
}

/// Record batches of about 300 rows, 4000 in all.
fn batches(has_dictionary: bool) -> Vec<RecordBatch> {
    let ends: Vec<i64> =
        (0..=13).map(|at| (at * 300).min(3900) + if at == 13 { 100 } else { 0 }).collect();
    ends.windows(2).map(|ends| batch(ends[0], ends[1] - ends[0], has_dictionary)).collect()
}

fn columns_of(path: &Path, format: &Format, has_list: bool) -> crate::FileInput {
    let mut file = file_input(path, format, &schema());
    if !has_list {
        file.columns.pop();
    }
    file
}

fn rendered_of(has_list: bool) -> Schema {
    let mut schema = with_added(&schema());
    if !has_list {
        schema.fields.remove(3);
    }
    schema
}

#[test]
fn parquet_goes_on_within_a_row_group() {
    let all = batches(false);
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(900))
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50);
    let mut writer =
        ArrowWriter::try_new(Vec::new(), all[0].schema(), Some(properties.build())).unwrap();
    all.iter().for_each(|batch| writer.write(batch).unwrap());
    let bytes = writer.into_inner().unwrap();
    let ParsedFooter::Whole(footer) = Footer::parse(&bytes, bytes.len() as u64).unwrap() else {
        panic!("the whole file is its tail");
    };
    assert!(footer.row_groups().len() >= 4, "{}", footer.row_groups().len());
    let (file, footer) = (file("a.parquet", &bytes), Arc::new(*footer));
    for (rows, filter, has_list) in [
        (0..u64::MAX, None, true),
        (0..u64::MAX, None, false),
        (0..u64::MAX, Some(0), true),
        (0..u64::MAX, Some(0), false),
        (450..2222, None, false),
        (450..2222, Some(0), true),
    ] {
        let input = || {
            let file = columns_of(&file.path, &Format::Parquet, has_list);
            let selection = footer.selection(&file.schema, &file.columns).unwrap();
            let plan = |group: &tidemill_format::parquet::RowGroup| RowGroupPlan {
                index: group.index,
                start_row: group.start_row,
                ranges: footer.ranges(group.index, &selection).unwrap(),
            };
            let is_read = |group: &&tidemill_format::parquet::RowGroup| {
                group.start_row < rows.end && group.start_row + group.row_count > rows.start
            };
            let row_groups = footer.row_groups().iter().filter(is_read).map(plan).collect();
            let (rows, footer) = (rows.clone(), Arc::clone(&footer));
            InputSpec::RowGroups(RowGroupInput { file, row_groups, rows, footer })
        };
        let case = Case { input: Box::new(input), schema: rendered_of(has_list), filter };
        let name = format!("Parquet, rows {rows:?}, filter {filter:?}, list {has_list}");
        let given = case.check(&name, 60);
        assert!(given.bad.len() > 50 && given.notices.len() == 1, "{name}: {:?}", given.notices);
        assert_eq!(given.left_out.len(), 1, "{name}");
        if filter.is_none() {
            assert_eq!(
                given.rows.len() + given.bad.len(),
                if rows.start == 0 { 4000 } else { 1772 }
            );
        }
        case.check_damage(&name, 60);
    }
}

#[test]
fn arrow_goes_on_within_a_message() {
    for (has_dictionary, is_packed) in [(true, false), (false, true)] {
        let all = batches(has_dictionary);
        let options = IpcWriteOptions::default()
            .try_with_compression(is_packed.then_some(arrow_ipc::CompressionType::ZSTD))
            .unwrap();
        let schema = all[0].schema();
        let mut writer =
            FileWriter::try_new_with_options(Vec::new(), &schema, options.clone()).unwrap();
        all.iter().for_each(|batch| writer.write(batch).unwrap());
        by_footer(&writer.into_inner().unwrap());
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
        all.iter().for_each(|batch| writer.write(batch).unwrap());
        let bytes = writer.into_inner().unwrap();
        as_stream("a.arrows", &bytes);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        as_stream("a.arrows.gz", &gzip.finish().unwrap());
    }
}

fn by_footer(bytes: &[u8]) {
    let parsed = ArrowFooter::parse(bytes, bytes.len() as u64).unwrap();
    let ParsedArrowFooter::Whole(footer) = parsed else { panic!("the whole file is its tail") };
    let (file, footer) = (file("a.arrow", bytes), Arc::new(footer));
    for (messages, start_row, filter) in
        [(0..13, 0, None), (0..13, 0, Some(0)), (4..9, 1200, None), (4..9, 1200, Some(0))]
    {
        let input = || {
            let file = columns_of(&file.path, &ARROW, true);
            let (footer, batches) = (Arc::clone(&footer), messages.clone());
            InputSpec::Messages(MessageInput { file, footer, batches, start_row })
        };
        let case = Case { input: Box::new(input), schema: rendered_of(true), filter };
        let name = format!("Arrow, messages {messages:?}, filter {filter:?}");
        let given = case.check(&name, 60);
        assert!(given.bad.len() > 50 && given.notices.len() == 1, "{name}: {:?}", given.notices);
        case.check_damage(&name, 60);
    }
}

fn as_stream(name: &str, bytes: &[u8]) {
    let file = file(name, bytes);
    for filter in [None, Some(0)] {
        let input = || InputSpec::Text(text_input(columns_of(&file.path, &ARROW, true)));
        let case = Case { input: Box::new(input), schema: rendered_of(true), filter };
        let given = case.check(&format!("{name}, filter {filter:?}"), 60);
        assert!(given.bad.len() > 50 && given.notices.len() == 1, "{name}: {:?}", given.notices);
        case.check_damage(name, 60);
    }
}
