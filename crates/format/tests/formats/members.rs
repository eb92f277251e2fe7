//! Members of structs as columns of their own, of Arrow and of Parquet.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Field as ArrowField;
use parquet::arrow::ArrowWriter;
use tidemill_format::infer_schema;
use tidemill_record::{DataType, Schema};

use crate::columnar::{decode_parquet, footer};
use crate::decoding::{ARROW, Decoded, check_every_cut};

fn structure(members: Vec<(&str, ArrayRef)>, nulls: Option<Vec<bool>>) -> ArrayRef {
    let fields: Vec<ArrowField> = members
        .iter()
        .map(|(name, array)| ArrowField::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = members.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(fields.into(), arrays, nulls.map(NullBuffer::from)))
}

/// `id`, and `a` with members `text`, `b.n`, `b.list` and `odd`, which has no SQL type. Rows: all there; `a.b` NULL;
/// `a` NULL, though its members have values; the innermost values NULL.
fn rows() -> RecordBatch {
    let numbers = Int64Array::from(vec![Some(1), Some(2), Some(3), None]);
    let mut lists = ListBuilder::new(Int64Builder::new());
    for list in [Some(vec![Some(1), None]), Some(vec![]), Some(vec![Some(7)]), None] {
        lists.append_option(list);
    }
    let b = structure(
        vec![("n", Arc::new(numbers)), ("list", Arc::new(lists.finish()))],
        Some(vec![true, false, true, true]),
    );
    let texts =
        vec![Some("x"), Some("a text beyond twelve"), Some("not seen, for a is NULL"), None];
    let odd = arrow_array::Time64MicrosecondArray::from(vec![1, 2, 3, 4]);
    let a = structure(
        vec![("text", Arc::new(StringArray::from(texts))), ("b", b), ("odd", Arc::new(odd))],
        Some(vec![true, true, false, true]),
    );
    let id: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30, 40]));
    let empty = StructArray::new_empty_fields(4, None);
    RecordBatch::try_from_iter([("id", id), ("a", a), ("none", Arc::new(empty) as ArrayRef)])
        .unwrap()
}

fn check_schema(schema: &Schema) {
    let named: Vec<(&str, String)> =
        schema.fields.iter().map(|f| (f.name.as_str(), f.data_type.to_string())).collect();
    let expected =
        [("id", "BIGINT"), ("a.text", "VARCHAR"), ("a.b.n", "BIGINT"), ("a.b.list", "BIGINT[]")];
    assert_eq!(named, expected.map(|(name, data_type)| (name, data_type.to_owned())));
    assert!(schema.fields[1..].iter().all(|field| field.is_nullable));
}

fn check_values(decoded: &Decoded, columns: [usize; 3]) {
    let [text, n, list] = columns;
    assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
    let texts = [Some("x"), Some("a text beyond twelve"), None, None];
    assert_eq!(decoded.texts(text), texts.map(|text| text.map(str::to_owned)));
    let numbers = Int64Array::from(vec![Some(1), None, None, None]);
    assert_eq!(decoded.columns[n].as_ref(), &numbers as &dyn Array);
    let lists = &decoded.columns[list];
    let is_null: Vec<bool> = (0..4).map(|row| lists.is_null(row)).collect();
    assert_eq!(is_null, [false, true, true, true]);
}

/// The columns of these names, in this order.
fn only(schema: &Schema, names: &[&str]) -> Schema {
    let field = |name: &&str| schema.fields.iter().find(|f| f.name == **name).unwrap().clone();
    Schema::new(names.iter().map(field).collect())
}

#[test]
fn members_of_arrow_are_columns() {
    let rows = rows();
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    let schema = infer_schema(&ARROW, &bytes, true).unwrap();
    check_schema(&schema);
    let left_out = tidemill_format::left_out(&ARROW, &bytes, true).unwrap().unwrap();
    assert!(left_out.contains("a.odd (") && left_out.contains("none (a struct"), "{left_out}");
    check_values(&check_every_cut(&ARROW, &schema, &bytes), [1, 2, 3]);
    // In another order, and two members of one struct.
    let some = only(&schema, &["a.b.list", "a.text", "a.b.n"]);
    check_values(&check_every_cut(&ARROW, &some, &bytes), [1, 2, 0]);
}

#[test]
fn members_of_parquet_are_columns_and_only_their_leaves_are_read() {
    let rows = rows().project(&[0, 1]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    let footer = footer(&bytes);
    let schema = footer.schema().unwrap();
    check_schema(&schema);
    assert!(footer.left_out().unwrap().contains("a.odd ("));
    for batch_rows in [1, 3, 1000] {
        check_values(&decode_parquet(&bytes, &footer, &schema, batch_rows).unwrap(), [1, 2, 3]);
        let some = only(&schema, &["a.b.list", "a.b.n", "id", "a.text"]);
        let decoded = decode_parquet(&bytes, &footer, &some, batch_rows).unwrap();
        check_values(&decoded, [3, 1, 0]);
        let ids = Int64Array::from(vec![10, 20, 30, 40]);
        assert_eq!(decoded.columns[2].as_ref(), &ids as &dyn Array);
    }
    let bytes_of = |columns: &[usize]| -> u64 {
        let selection = footer.selection(&schema, columns).unwrap();
        footer.ranges(0, &selection).unwrap().iter().map(|range| range.end - range.start).sum()
    };
    assert!(bytes_of(&[2]) < bytes_of(&[1, 2, 3]), "a leaf is less than all");
}

#[test]
fn a_struct_of_long_names_is_not_taken_apart() {
    for (length, is_apart) in [(1000, true), (1022, true), (1023, false), (100_000, false)] {
        let name = "n".repeat(length);
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let nested = structure(vec![(&name, Arc::clone(&number))], None);
        let rows = RecordBatch::try_from_iter([("id", number), ("s", nested)]).unwrap();
        let expected = if is_apart { 2 } else { 1 };
        let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
        writer.write(&rows).unwrap();
        let schema = infer_schema(&ARROW, &writer.into_inner().unwrap(), true).unwrap();
        assert_eq!(schema.fields.len(), expected, "{length}");
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        let footer = footer(&writer.into_inner().unwrap());
        assert_eq!(footer.schema().unwrap().fields.len(), expected, "{length}");
        assert_eq!(footer.left_out().is_some(), !is_apart);
    }
}

#[test]
fn a_member_may_be_declared_wider() {
    let rows = rows();
    let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema()).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    let mut schema = only(&infer_schema(&ARROW, &bytes, true).unwrap(), &["a.b.n"]);
    schema.fields[0].data_type = DataType::Double;
    let decoded = check_every_cut(&ARROW, &schema, &bytes);
    let expected = arrow_array::Float64Array::from(vec![Some(1.0), None, None, None]);
    assert_eq!(decoded.columns[0].as_ref(), &expected as &dyn Array);
    // NULL within a NULL is as bad as any where the column is NOT NULL.
    schema.fields[0].is_nullable = false;
    assert_eq!(check_every_cut(&ARROW, &schema, &bytes).bad.len(), 3);
}
