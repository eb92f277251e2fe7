//! What a Parquet file of many columns costs, counted in allocations of the whole way from its footer to batches.
//!
//! Whatever is made anew for each row group or looked up for each column shows here: the work is that of the
//! columns that are needed in each row group, and once that of all columns of the file.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use tidemill_format::parquet::{Footer, ParsedFooter};
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Format, Scalar, Span};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

/// Counts the allocations of this thread, and their bytes.
struct Counting;

thread_local! {
    static WORK: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is being taken down counts no more.
        let _ = WORK.try_with(|work| {
            let (count, bytes) = work.get();
            work.set((count + 1, bytes + layout.size() as u64));
        });
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers in so many columns and row groups, each row group written as a file is.
fn file(column_count: usize, group_count: usize) -> (Schema, Vec<u8>) {
    let fields =
        (0..column_count).map(|at| Field::nullable(format!("column_{at}"), DataType::BigInt));
    let schema = Schema::new(fields.collect());
    let properties = ::parquet::file::properties::WriterProperties::builder().build();
    let mut writer =
        ::parquet::arrow::ArrowWriter::try_new(Vec::new(), schema.arrow(), Some(properties))
            .unwrap();
    for group in 0..group_count {
        let value = i64::try_from(group).unwrap();
        let columns =
            (0..column_count).map(|_| -> ArrayRef { Arc::new(Int64Array::from(vec![value; 3])) });
        let rows = arrow_array::RecordBatch::try_new(schema.arrow(), columns.collect()).unwrap();
        writer.write(&rows).unwrap();
        writer.flush().unwrap();
    }
    (schema, writer.into_inner().unwrap())
}

/// Allocations and their bytes from the footer to the last batch, of some of the columns.
fn work(bytes: &[u8], schema: &Schema, needed: &[usize]) -> (u64, u64) {
    let before = WORK.get();
    let ParsedFooter::Whole(footer) = Footer::parse(bytes, bytes.len() as u64).unwrap() else {
        panic!("all bytes are there");
    };
    let footer = Arc::new(*footer);
    let format = Format::Parquet;
    let spec = DecoderSpec {
        format: &format,
        schema,
        columns: needed,
        batch_rows: 1000,
        csv_header: None,
        is_inferred: true,
        is_union: false,
    };
    let mut decoder = Decoder::for_parquet(&spec, Arc::clone(&footer)).unwrap();
    let selection = footer.selection(schema, needed).unwrap();
    let first = &schema.fields[needed[0]];
    let filter = Expr {
        kind: ExprKind::Binary {
            op: BinaryOp::GreaterOrEqual,
            left: Box::new(Expr::column(0, first.name.clone(), DataType::BigInt)),
            right: Box::new(Expr::literal(Scalar::BigInt(0))),
        },
        data_type: DataType::Boolean,
        span: Span::default(),
    };
    let mut rows = 0;
    for group in footer.row_groups() {
        assert!(footer.may_match(group.index, &filter, &selection));
        let ranges = footer.ranges(group.index, &selection).unwrap();
        let lent = |range: &std::ops::Range<u64>| {
            let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
            (range.start, bytes[start.unwrap()..end.unwrap()].into())
        };
        let ranges = ranges.iter().map(lent).collect();
        let (index, start) = (group.index, Offset(group.start_row));
        let bytes = FrameBytes::RowGroup { index, start, ranges };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        while let Some(batch) = decoder.decode(&mut Vec::new()).unwrap() {
            assert_eq!(batch.columns().len(), needed.len());
            rows += batch.row_count();
        }
    }
    assert_eq!(rows, 3 * footer.row_groups().len());
    let after = WORK.get();
    (after.0 - before.0, after.1 - before.1)
}

/// Ten times as much costs at most eleven times as much.
fn assert_linear(what: &str, few: (u64, u64), many: (u64, u64)) {
    assert!(few.0 > 100, "{what}: {few:?} is too little to tell");
    let is_linear = many.0 <= 11 * few.0 && many.1 <= 11 * few.1;
    assert!(is_linear, "{what}: {few:?} allocations and bytes, then {many:?}");
}

#[test]
fn a_wide_file_costs_its_columns_and_its_row_groups_and_not_their_product_with_the_columns_needed()
{
    let (narrow, narrow_bytes) = file(100, 4);
    let (wide, wide_bytes) = file(1000, 4);
    let (tall, tall_bytes) = file(100, 40);
    let all: Vec<usize> = (0..1000).collect();
    // Ten times the columns, all of them needed.
    let few = work(&narrow_bytes, &narrow, &all[..100]);
    assert_linear("columns", few, work(&wide_bytes, &wide, &all));
    // Ten times the row groups.
    assert_linear("row groups", few, work(&tall_bytes, &tall, &all[..100]));
    // A tenth of the columns of each: those that are not needed cost what the footer says of them.
    let of_narrow = work(&narrow_bytes, &narrow, &all[..10]);
    assert_linear("needed", of_narrow, work(&wide_bytes, &wide, &all[..100]));
    // Row groups of which one column is needed do not cost all columns each.
    let one = work(&tall_bytes, &tall, &[99]);
    let footer_alone = {
        let before = WORK.get();
        let parsed = Footer::parse(&tall_bytes, tall_bytes.len() as u64).unwrap();
        assert!(matches!(parsed, ParsedFooter::Whole(_)));
        WORK.get().0 - before.0
    };
    let of_groups = one.0 - footer_alone;
    assert!(of_groups <= 40 * 100, "{of_groups} allocations for a column of 40 row groups");
}
