//! Outputs of jobs that are killed at any moment and go on from their last checkpoint: what becomes visible is, row for
//! row, what a job without state gives that nobody kills.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, StringViewArray, UInt64Array};
use futures_lite::future::block_on;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use tidemill_expr::Context;
use tidemill_plan::{
    ArrowForm, ArrowOptions, BadRecords, Codec, CsvOptions, FileSink, Format, JsonOptions,
    LateRecords, LimitSpec, Merge, OnExisting, Packing,
};
use tidemill_record::{Batch, DataType, EventTime, Field, Image, PartitionId, Schema};
use tidemill_rt::Backend;
use tidemill_sink::{OutputDirectory, Target};

use super::Output;
use crate::{BadRecordSpec, Delivery, InputSpec, OutputSpec, PipelineSpec};

const HEADER: &str = "k,t\n";
const SEEDS: u64 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Directory,
    OneFile,
    Folders,
}

#[derive(Clone, Debug)]
struct Case {
    format: Format,
    codec: Codec,
    layout: Layout,
    rolling_bytes: Option<u64>,
    is_live: bool,
}

impl Case {
    fn is_text(&self) -> bool {
        matches!(self.format, Format::Csv(_) | Format::Json(_))
    }

    fn sink(&self) -> FileSink {
        FileSink {
            path: String::new(),
            is_file: self.layout == Layout::OneFile,
            format: self.format.clone(),
            partition_by: match self.layout {
                Layout::Folders => vec!["p".to_owned()],
                _ => Vec::new(),
            },
            packing: Packing { codec: self.codec, level: None },
            rolling_bytes: self.rolling_bytes,
            rolling_interval: None,
            on_existing: OnExisting::Fail,
            is_durable: false,
        }
    }

    fn target<'a>(&self, path: &'a Path) -> Target<'a> {
        match self.layout {
            Layout::OneFile => Target::File(path),
            _ => Target::Directory(path),
        }
    }

    fn path(&self, root: &Path) -> PathBuf {
        match self.layout {
            Layout::OneFile => root.join(format!("o.{}", self.sink().extension())),
            _ => root.join("out"),
        }
    }

    fn output(&self, directory: &Arc<OutputDirectory>, number: u32) -> OutputSpec {
        let mut sink = self.sink();
        // Of one file the first part alone has a header.
        if let (Format::Csv(csv), true) = (&mut sink.format, number > 0 && sink.is_file) {
            csv.has_header = false;
        }
        let directory = Arc::clone(directory);
        OutputSpec::File { sink, schema: schema(self.layout), directory, file_number: number }
    }

    fn open(&self, directory: &Arc<OutputDirectory>, number: u32, resume: Option<Image>) -> Output {
        let mut spec = spec(self.output(directory, number));
        block_on(Output::open(&mut spec, resume)).unwrap()
    }
}

fn schema(layout: Layout) -> Schema {
    let field =
        |name: &str, data_type| Field { name: name.to_owned(), data_type, is_nullable: true };
    let mut fields = vec![field("k", DataType::BigInt), field("t", DataType::Varchar)];
    if layout == Layout::Folders {
        fields.insert(0, field("p", DataType::BigInt));
    }
    Schema::new(fields)
}

fn spec(output: OutputSpec) -> PipelineSpec {
    PipelineSpec {
        query: "q".to_owned(),
        source: "s".to_owned(),
        partition: PartitionId(0),
        backend: Backend::Std,
        input: InputSpec::Closing(Merge::Limited {
            spec: LimitSpec::default(),
            input_types: Vec::new(),
        }),
        stages: Vec::new(),
        output,
        bad_records: BadRecordSpec {
            policy: BadRecords::Fail,
            late_records: LateRecords::Drop,
            dead_letters: None,
            rolling_interval: None,
        },
        context: Context { job_start: EventTime(0) },
        batch_rows: 1000,
        is_measured: false,
        is_kept: true,
        resume: None,
    }
}

fn batches(layout: Layout, dice: &mut Pcg64Mcg) -> Vec<Batch> {
    let mut next = 0_i64;
    let count = dice.random_range(1..25);
    let batch = |_| {
        let rows = [0, 1, 3, 100, 256, 700][dice.random_range(0..6)];
        let keys: Vec<i64> = (next..next + rows).collect();
        next += rows;
        let text = |key: &i64| "x".repeat(usize::try_from(key % 40).unwrap()) + &key.to_string();
        let texts: StringViewArray = keys.iter().map(|key| Some(text(key))).collect();
        let offsets = UInt64Array::from_iter_values(keys.iter().map(|&key| key.cast_unsigned()));
        let folders = Int64Array::from_iter_values(keys.iter().map(|key| key / 50 % 7));
        let mut columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(Int64Array::from(keys)), Arc::new(texts)];
        if layout == Layout::Folders {
            columns.insert(0, Arc::new(folders));
        }
        Batch::new(columns.into_iter().collect::<tidemill_record::Columns>(), offsets)
    };
    (0..count).map(batch).collect()
}

/// The bytes of all files below a directory, by path.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with('.')
}

fn is_open(path: &Path) -> bool {
    path.to_str().unwrap().ends_with(".open")
}

/// Visible files.
fn published(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = files(root);
    all.retain(|path, _| !is_hidden(path) && !is_open(path));
    all
}

/// Rows of all segments, folder by folder, in order.
fn rows(case: &Case, root: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::<PathBuf, String>::new();
    for (path, bytes) in published(root) {
        let folder = path.parent().unwrap().strip_prefix(root).unwrap().to_owned();
        all.entry(folder).or_default().push_str(&rows_of(case, &bytes));
    }
    all.retain(|_, rows| !rows.is_empty());
    all
}

fn rows_of(case: &Case, bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut add = |batch: RecordBatch| {
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let texts = arrow_texts(batch.column(1));
        for (key, value) in keys.values().iter().zip(texts) {
            text.push_str(&format!("{key},{value}\n"));
        }
    };
    match &case.format {
        Format::Parquet => {
            let bytes = bytes::Bytes::copy_from_slice(bytes);
            let reader =
                parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 1000);
            reader.unwrap().for_each(|batch| add(batch.unwrap()));
        }
        Format::Arrow(options) if options.form == ArrowForm::Stream => {
            let reader = arrow_ipc::reader::StreamReader::try_new(bytes, None);
            reader.unwrap().for_each(|batch| add(batch.unwrap()));
        }
        Format::Arrow(_) => {
            let reader = arrow_ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None);
            reader.unwrap().for_each(|batch| add(batch.unwrap()));
        }
        _ => {
            match case.codec {
                Codec::Gzip => {
                    flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
                }
                Codec::Zstd => {
                    let mut decoder = zstd::stream::read::Decoder::new(bytes).unwrap();
                    decoder.read_to_string(&mut text).unwrap();
                }
                _ => text = String::from_utf8(bytes.to_vec()).unwrap(),
            }
            if matches!(case.format, Format::Csv(_)) {
                text = text.strip_prefix(HEADER).expect("a header at the head").to_owned();
                assert!(!text.contains(HEADER), "and nowhere else");
            }
        }
    }
    text
}

fn arrow_texts(array: &dyn Array) -> Vec<String> {
    match array.as_string_opt::<i32>() {
        Some(texts) => texts.iter().map(|text| text.unwrap().to_owned()).collect(),
        None => array.as_string_view().iter().map(|text| text.unwrap().to_owned()).collect(),
    }
}

/// Input without end closes its segments now and then.
fn roll(output: &mut Output) {
    match output {
        Output::File(file) => {
            if file.segment_rows > 0 && !file.directory.is_one_file() {
                block_on(file.roll()).unwrap();
            }
        }
        Output::Folders(folders) => folders.roll_all_now(),
        _ => unreachable!("an output of files"),
    }
}

fn publish(deliveries: Vec<Delivery>, is_live: bool) {
    if is_live {
        Delivery::publish_each(deliveries).unwrap();
    } else {
        Delivery::publish(deliveries, NonZeroUsize::MIN).unwrap();
    }
}

/// What a job without state gives.
fn without_state(case: &Case, batches: &[Batch]) -> BTreeMap<PathBuf, String> {
    let root = tempfile::tempdir().unwrap();
    let path = case.path(root.path());
    let opened = match case.layout {
        Layout::OneFile => OutputDirectory::open_file(&path, OnExisting::Fail),
        _ => OutputDirectory::open(&path, OnExisting::Fail),
    };
    let directory = opened.unwrap().without_flush();
    let directory = Arc::new(if case.is_live { directory.live() } else { directory });
    let mut output = case.open(&directory, 0, None);
    for (at, batch) in batches.iter().enumerate() {
        block_on(output.write(batch)).unwrap();
        if case.is_live && at % 5 == 4 {
            roll(&mut output);
        }
        publish(output.take_finished().into_iter().collect(), true);
    }
    let delivery = block_on(output.finish()).unwrap().unwrap();
    publish(vec![delivery], case.is_live && case.layout != Layout::OneFile);
    rows(case, &results_in(case, root.path()))
}

/// The directory of what is published.
fn results_in(case: &Case, root: &Path) -> PathBuf {
    if case.layout == Layout::OneFile { root.to_owned() } else { root.join("out") }
}

fn texts() -> Vec<(Format, Codec)> {
    let csv = Format::Csv(CsvOptions::default());
    let json = Format::Json(JsonOptions::default());
    [csv, json]
        .into_iter()
        .flat_map(|format| {
            [Codec::None, Codec::Gzip, Codec::Zstd].map(|codec| (format.clone(), codec))
        })
        .collect()
}

fn columnar() -> Vec<(Format, Codec)> {
    vec![
        (Format::Parquet, Codec::Zstd),
        (Format::Arrow(ArrowOptions { form: ArrowForm::File }), Codec::None),
        (Format::Arrow(ArrowOptions { form: ArrowForm::Stream }), Codec::Lz4),
    ]
}

mod images;
mod kills;
mod others;
mod parts;
