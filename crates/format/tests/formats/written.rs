//! What files say of themselves: the readers of their formats find the types that every tool takes.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Metadata};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidemill_plan::{ArrowForm, ArrowOptions, Format};
use tidemill_record::{DataType, Field, Schema};

use crate::decoding::decode;
use crate::round_trip::{all_types, all_values, encoded};

/// The batches of a file, as the format's own reader gives them.
fn read(form: Option<ArrowForm>, bytes: Vec<u8>) -> (arrow_schema::SchemaRef, Vec<RecordBatch>) {
    match form {
        Some(ArrowForm::File) => {
            let reader = FileReader::try_new(Cursor::new(bytes), None).unwrap();
            (reader.schema(), reader.collect::<Result<_, _>>().unwrap())
        }
        Some(ArrowForm::Stream) => {
            let reader = StreamReader::try_new(Cursor::new(bytes), None).unwrap();
            (reader.schema(), reader.collect::<Result<_, _>>().unwrap())
        }
        None => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
            let schema = reader.schema().clone();
            (schema, reader.build().unwrap().collect::<Result<_, _>>().unwrap())
        }
    }
}

#[test]
fn text_and_bytes_have_offsets_and_not_views() {
    let list = |item: DataType| DataType::Array(Box::new(item));
    let schema = Schema::new(vec![
        Field::required("s", DataType::Varchar),
        Field::nullable("b", DataType::Varbinary),
        Field::nullable("l", list(DataType::Varchar)),
        Field::nullable("n", list(list(DataType::Varbinary))),
    ]);
    let item = |item: ArrowType| ArrowType::List(Arc::new(ArrowField::new("item", item, true)));
    let expected = [
        ArrowField::new("s", ArrowType::Utf8, false),
        ArrowField::new("b", ArrowType::Binary, true),
        ArrowField::new("l", item(ArrowType::Utf8), true),
        ArrowField::new("n", item(item(ArrowType::Binary)), true),
    ];
    let form = |form| (Some(form), Format::Arrow(ArrowOptions { form }));
    for (form, format) in [form(ArrowForm::File), form(ArrowForm::Stream), (None, Format::Parquet)]
    {
        let (read, batches) = read(form, encoded(&format, &schema, &[]));
        let fields: Vec<ArrowField> = read
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_metadata(Metadata::default()))
            .collect();
        assert_eq!(fields, expected, "{format:?}");
        assert!(batches.iter().all(|batch| batch.num_rows() == 0));
    }
}

#[test]
fn a_file_and_a_stream_hold_the_same_values() {
    let schema = all_types();
    let batches = [all_values(50, 1), all_values(9000, 2)];
    let text = schema.fields.iter().position(|field| field.data_type == DataType::Varchar).unwrap();
    let mut seen = Vec::new();
    for form in [ArrowForm::File, ArrowForm::Stream] {
        let format = Format::Arrow(ArrowOptions { form });
        let bytes = encoded(&format, &schema, &batches);
        let decoded = decode(&format, &schema, &bytes).unwrap();
        let (_, read) = read(Some(form), bytes);
        assert_eq!(read.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8192, 858]);
        let texts: Vec<Option<String>> = read
            .iter()
            .flat_map(|rows| rows.column(text).as_string::<i32>())
            .map(|text| text.map(str::to_owned))
            .collect();
        assert_eq!(texts, decoded.texts(text));
        for batch in &read {
            batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
        }
        seen.push(read);
    }
    assert_eq!(seen[0], seen[1]);
}
