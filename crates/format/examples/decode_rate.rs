//! Reports how many synthetic trades a second one core decodes, from CSV and from JSON lines.
//!
//! Isolates the decoders: the input is in memory and lent in frames of 256 KiB, the batches are
//! dropped. Each frame counts with its best time of five rounds, so that other processes on the
//! machine weigh little. Run with `cargo run --release -p tidemill-format --example decode_rate`; behind it, a file
//! of JSON lines and the columns that are wanted, such as `events.jsonl at:timestamp,status:bigint,message`.
#![allow(clippy::unwrap_used, reason = "an example")]
#![allow(clippy::print_stdout, reason = "it reports")]

use std::fmt::Write;
use std::time::Instant;

use arrow_buffer::Buffer;
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_plan::{CsvOptions, Format, JsonOptions};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

const TRADES: u64 = 500_000;
const FRAME_BYTES: usize = 256 << 10;
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [path, columns] = arguments.as_slice() {
        let fields = columns.split(',').map(|column| {
            let (name, of) = column.split_once(':').unwrap_or((column, "varchar"));
            let data_type = match of {
                "bigint" => DataType::BigInt,
                "double" => DataType::Double,
                "timestamp" => DataType::Timestamp,
                "boolean" => DataType::Boolean,
                _ => DataType::Varchar,
            };
            Field::nullable(name, data_type)
        });
        let schema = Schema::new(fields.filter(|field| !field.name.is_empty()).collect());
        let columns: Vec<usize> = (0..schema.fields.len()).collect();
        let json = Format::Json(JsonOptions::default());
        report(&json, &schema, &columns, &std::fs::read(path).unwrap());
        return;
    }
    let schema = Schema::new(vec![
        Field::nullable("trade_id", DataType::BigInt),
        Field::required("trade_time", DataType::Timestamp),
        Field::nullable("trader_id", DataType::Varchar),
        Field::required("symbol", DataType::Varchar),
        Field::nullable("price", DataType::Double),
        Field::nullable("quantity", DataType::BigInt),
    ]);
    let mut csv = "trade_id,trade_time,trader_id,symbol,price,quantity\n".to_owned();
    let mut json = String::new();
    for i in 0..TRADES {
        let time = 1_704_067_200_000 + i / 20;
        let (trader, symbol) = (i * 7 % 50, i * 31 % 200);
        let price = format!("{}.{:02}", 50 + i * 13 % 400, i * 17 % 100);
        let quantity = 1 + i * 11 % 1000;
        writeln!(csv, "{i},{time},T{trader:02},SYM{symbol:03},{price},{quantity}").unwrap();
        writeln!(
            json,
            "{{\"trade_id\":{i},\"trade_time\":{time},\"trader_id\":\"T{trader:02}\",\
             \"symbol\":\"SYM{symbol:03}\",\"price\":{price},\"quantity\":{quantity}}}"
        )
        .unwrap();
    }
    for (format, input) in
        [(Format::Csv(CsvOptions::default()), csv), (Format::Json(JsonOptions::default()), json)]
    {
        for columns in [vec![0, 1, 2, 3, 4, 5], vec![3, 4, 5], vec![]] {
            report(&format, &schema, &columns, input.as_bytes());
        }
    }
}

fn report(format: &Format, schema: &Schema, columns: &[usize], input: &[u8]) {
    let mut best = vec![f64::MAX; input.len() / (FRAME_BYTES / 2) + 1];
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let spec = DecoderSpec {
            format,
            schema,
            columns,
            batch_rows: 8192,
            csv_header: None,
            is_inferred: false,
            is_union: false,
        };
        let mut decoder = Decoder::new(&spec).unwrap();
        let (mut start, mut row_count, mut bad) = (0, 0, Vec::new());
        let mut frame_index = 0;
        while start < input.len() {
            let end = input.len().min(start + FRAME_BYTES);
            let bytes = Buffer::from(&input[start..end]);
            let began = Instant::now();
            let frame = FrameBytes::Sequential {
                bytes,
                start: Offset(start as u64),
                end: Offset(u64::MAX),
                is_last: end == input.len(),
            };
            decoder.begin(Frames { partition: PartitionId(0), bytes: frame }).unwrap();
            while let Some(batch) = decoder.decode(&mut bad).unwrap() {
                row_count += batch.row_count();
            }
            best[frame_index] = best[frame_index].min(began.elapsed().as_secs_f64());
            frame_index += 1;
            start += usize::try_from(decoder.consumed()).unwrap();
        }
        assert!(bad.is_empty(), "{bad:?}");
        rows = row_count;
    }
    let best: f64 = best.iter().filter(|seconds| **seconds < f64::MAX).sum();
    let records = f64::from(u32::try_from(rows).unwrap()) / best / 1e6;
    let bytes = f64::from(u32::try_from(input.len()).unwrap()) / best / 1e9;
    let name = format.extension();
    println!("{name}, {} columns: {records:.1} M records/s, {bytes:.2} GB/s", columns.len());
}
