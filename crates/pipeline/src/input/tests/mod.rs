//! Inputs that are cut: whatever one gave before the cut and another one behind it is what one gives that was never cut.
#![allow(clippy::unwrap_used, reason = "tests")]

mod columnar;
mod columns;
mod followed;
mod refusals;
mod rotated;
mod text;

use std::path::{Path, PathBuf};

use futures_lite::future::block_on;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_expr::Context;
use tidemill_format::Encoder;
use tidemill_plan::{
    BadRecords, BinaryOp, Expr, ExprKind, Format, JsonOptions, LateRecords, Scalar, Span, Stage,
};
use tidemill_record::image::{Entry, Texts};
use tidemill_record::{BadRecord, DataType, EventTime, Field, Image, PartitionId, Polled, Schema};
use tidemill_rt::Backend;
use tidemill_sink::Discard;
use tidemill_source::{Missing, Pipes, Resume, discover};

use super::{Input, open_input};
use crate::{
    AddedColumn, BadRecordSpec, FileInput, InputSpec, OutputSpec, PipelineError, PipelineSpec,
    TextInput,
};

/// Sizes of batch that everything is tried at.
const BATCH_ROWS: [usize; 4] = [1, 7, 1000, 8192];

/// All that an input has given.
#[derive(Debug, Default, PartialEq)]
struct Given {
    /// Offset and values of each row.
    rows: Vec<String>,
    bad: Vec<String>,
    rejected: u64,
    notices: Vec<String>,
    left_out: Vec<String>,
    bounds: Option<(u64, u64)>,
    bytes_in: u64,
    row_groups: u64,
}

/// What is read, as often as it is asked for.
struct Case<'a> {
    input: Box<dyn Fn() -> InputSpec + 'a>,
    /// Of the batches.
    schema: Schema,
    /// `column > 0`, by its place, of numbers.
    filter: Option<usize>,
}

impl Case<'_> {
    fn spec(&self, batch_rows: usize) -> PipelineSpec {
        let above = |column: usize| {
            let left = Box::new(Expr::column(column, "c".to_owned(), DataType::BigInt));
            let right = Box::new(Expr::literal(Scalar::BigInt(0)));
            let kind = ExprKind::Binary { op: BinaryOp::Greater, left, right };
            Stage::Filter(Expr { kind, data_type: DataType::Boolean, span: Span::default() })
        };
        PipelineSpec {
            query: "q".to_owned(),
            source: "s".to_owned(),
            partition: PartitionId(0),
            backend: Backend::Std,
            input: (self.input)(),
            stages: self.filter.map(above).into_iter().collect(),
            output: OutputSpec::Columns(Box::new(Discard::new(false))),
            bad_records: BadRecordSpec {
                policy: BadRecords::Skip,
                late_records: LateRecords::Drop,
                dead_letters: None,
                rolling_interval: None,
            },
            context: Context { job_start: EventTime(0) },
            batch_rows,
            is_measured: false,
            is_kept: true,
            resume: None,
        }
    }

    fn open(&self, batch_rows: usize, image: Option<Image>) -> Result<Input, PipelineError> {
        let resume = image.map(|image| Resume { image, missing: Missing::Refuse });
        Ok(block_on(open_input(&mut self.spec(batch_rows), None, resume))?.0)
    }

    /// Reads all of it; before each batch, and behind the last, `cut` says whether another input goes on.
    fn read(
        &self,
        batch_rows: usize,
        cut: &mut dyn FnMut() -> bool,
    ) -> Result<(Given, u32), PipelineError> {
        let mut input = self.open(batch_rows, None)?;
        let (mut given, mut cuts) = (Given::default(), 0);
        let mut reading = Reading::new(&self.schema);
        let mut is_moved = true;
        loop {
            // A source with a rate would never come to its next row if it began anew each time that it is asked.
            if is_moved
                && cut()
                && let Some(image) = input.export()?
            {
                // Before the other is opened, as after a crash.
                drop(input);
                input = self.open(batch_rows, Some(image.clone()))?;
                assert_eq!(input.export()?, Some(image), "what was imported is exported");
                cuts += 1;
            }
            let before = (given.rows.len(), given.bad.len());
            if !reading.step(&mut input, batch_rows, &mut given)? {
                break;
            }
            is_moved = before != (given.rows.len(), given.bad.len());
        }
        given.end(&input);
        Ok((given, cuts))
    }

    /// Holds what is read with random cuts to what is read without, at every size of batch; `some_rows` is about how many rows lie
    /// between two cuts.
    fn check(&self, name: &str, some_rows: usize) -> Given {
        let (whole, _) = self.read(BATCH_ROWS[3], &mut || false).unwrap();
        let mut random = Pcg64::seed_from_u64(7);
        for batch_rows in BATCH_ROWS {
            let (uncut, _) = self.read(batch_rows, &mut || false).unwrap();
            uncut.assert_is(&whole, &format!("{name}, {batch_rows} rows a batch, uncut"));
            let part = (batch_rows as f64 / some_rows as f64).min(1.0);
            let (given, cuts) = self.read(batch_rows, &mut || random.random_bool(part)).unwrap();
            given.assert_is(&whole, &format!("{name}, {batch_rows} rows a batch, {cuts} cuts"));
            let least = if batch_rows <= 7 { 2 } else { 1 };
            assert!(cuts >= least, "{name}, {batch_rows} rows a batch: {cuts} cuts");
        }
        whole
    }

    /// Holds images of one place to each other, whatever the size of batch: of input without bad records and blank lines.
    fn check_images(&self, name: &str) {
        let mut images: Vec<Vec<Image>> = Vec::new();
        for batch_rows in [1, 7] {
            let mut input = self.open(batch_rows, None).unwrap();
            let (mut given, mut found) = (Given::default(), Vec::new());
            let mut reading = Reading::new(&self.schema);
            while reading.step(&mut input, batch_rows, &mut given).unwrap() && found.len() < 20 {
                if given.rows.len() == (found.len() + 1) * 49 {
                    found.push(input.export().unwrap().unwrap());
                }
            }
            images.push(found);
        }
        assert!(images[0].len() > 3, "{name}");
        assert_eq!(images[0], images[1], "{name}");
    }

    /// Damages an image in the middle at random: opening refuses, or reading comes to some end.
    fn check_damage(&self, name: &str, tries: u64) {
        let mut input = self.open(7, None).unwrap();
        let (mut given, mut reading) = (Given::default(), Reading::new(&self.schema));
        for _ in 0..20 {
            assert!(reading.step(&mut input, 7, &mut given).unwrap(), "{name}");
        }
        let image = input.export().unwrap().unwrap();
        drop(input);
        let mut refused = 0;
        for seed in 0..tries {
            let mut random = Pcg64::seed_from_u64(seed);
            let damaged = damaged(image.clone(), &mut random);
            let Ok(mut input) = self.open(7, Some(damaged)) else {
                refused += 1;
                continue;
            };
            let mut steps = 0;
            while steps < 100 && matches!(reading.step(&mut input, 7, &mut given), Ok(true)) {
                steps += 1;
            }
            let _ = input.export();
        }
        assert!(refused > 0, "{name}");
    }
}

/// Renders batches.
struct Reading {
    encoder: Encoder,
}

impl Reading {
    fn new(schema: &Schema) -> Self {
        let json = Format::Json(JsonOptions::default());
        Self { encoder: Encoder::new(&json, schema).unwrap() }
    }

    /// Takes the next batch; `false` at the end.
    fn step(
        &mut self,
        input: &mut Input,
        batch_rows: usize,
        given: &mut Given,
    ) -> Result<bool, PipelineError> {
        let mut bad = Vec::new();
        let polled = block_on(input.next_batch(batch_rows, &mut bad))?;
        given.bad.extend(bad.iter().map(|bad| {
            let BadRecord { offset, field, reason, raw, .. } = bad;
            format!("{offset} {field:?} {reason} {raw:?}")
        }));
        let rejected = input.take_filtered().map_or(0, |filtered| filtered.rejected.len());
        given.rejected += (rejected + input.take_rejected()) as u64;
        let batch = match polled {
            Polled::Ready(batch) => batch,
            Polled::NotReady => return Ok(true),
            Polled::Ended => return Ok(false),
        };
        let mut bytes = Vec::new();
        self.encoder.encode(&batch, &mut bytes).unwrap();
        self.encoder.finish(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), batch.row_count());
        let rows = batch.offsets().values().iter().zip(text.lines());
        given.rows.extend(rows.map(|(offset, row)| format!("{offset} {row}")));
        Ok(true)
    }
}

impl Given {
    /// The same, told by the first difference.
    fn assert_is(&self, expected: &Self, name: &str) {
        for (what, found, expected) in
            [("rows", &self.rows, &expected.rows), ("bad records", &self.bad, &expected.bad)]
        {
            let first =
                (0..found.len().max(expected.len())).find(|&at| found.get(at) != expected.get(at));
            if let Some(at) = first {
                panic!("{name}: {what}, {at}: {:?} and not {:?}", found.get(at), expected.get(at));
            }
        }
        let others = |it: &Self| {
            let lines = [it.notices.clone(), it.left_out.clone()];
            (lines, it.rejected, it.bounds, it.bytes_in, it.row_groups)
        };
        assert_eq!(others(self), others(expected), "{name}");
    }

    fn end(&mut self, input: &Input) {
        self.notices = input.notices();
        self.left_out = input.left_out().iter().map(|one| format!("{one:?}")).collect();
        self.bounds = input.split_bounds();
        self.bytes_in = input.bytes_in();
        self.row_groups = input.read().1;
    }
}

/// An image in which something is wrong, or at least different.
fn damaged(image: Image, random: &mut Pcg64) -> Image {
    let entries: Vec<(String, Entry)> = image.into_entries().collect();
    let mut damaged = Image::new();
    let chosen = random.random_range(0..entries.len().max(1));
    for (at, (name, entry)) in entries.into_iter().enumerate() {
        if at != chosen {
            damaged.insert(name, entry);
            continue;
        }
        let entry = match entry {
            Entry::Image(inner) => Entry::Image(self::damaged(inner, random)),
            _ if random.random_bool(0.1) => continue,
            Entry::Numbers { width, mut bytes } => {
                match random.random_range(0..3) {
                    0 if !bytes.is_empty() => {
                        let at = random.random_range(0..bytes.len());
                        bytes[at] ^= 1 << random.random_range(0..8);
                    }
                    1 => bytes.truncate(random.random_range(0..=bytes.len())),
                    _ => bytes.extend([0xff; 8]),
                }
                Entry::Numbers { width, bytes }
            }
            Entry::Texts(texts) => {
                let (mut ends, mut bytes) = texts.into_parts();
                match random.random_range(0..3) {
                    0 if !bytes.is_empty() => {
                        let at = random.random_range(0..bytes.len());
                        bytes[at] ^= 1 << random.random_range(0..8);
                    }
                    1 => ends.truncate(random.random_range(0..=ends.len())),
                    _ => ends.push(bytes.len() as u64 + random.random_range(0..2)),
                }
                Entry::Texts(Texts::from_parts(ends, bytes))
            }
        };
        damaged.insert(name, entry);
    }
    damaged
}

/// A file of a folder that is removed in the end.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, bytes: &[u8]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    File { _folder: folder, path }
}

/// All columns of a file, and beside them how many records stand before each and a text.
fn file_input(path: &Path, format: &Format, schema: &Schema) -> FileInput {
    let source = tidemill_plan::FileSource::new(path.to_str().unwrap().to_owned(), format.clone());
    let file = discover(&source, &Pipes::default()).unwrap().files.pop().unwrap();
    FileInput {
        file,
        format: format.clone(),
        schema: schema.clone(),
        is_inferred: true,
        is_union: false,
        columns: (0..schema.fields.len()).collect(),
        added: vec![AddedColumn::Row, AddedColumn::Value(Scalar::Varchar("v".into()))],
    }
}

fn text_input(file: FileInput) -> TextInput {
    TextInput { file, range: None, csv_header: None, record_bytes_max: 1 << 20, follow: None }
}

fn with_added(schema: &Schema) -> Schema {
    let mut fields = schema.fields.clone();
    fields.push(Field::required("row", DataType::BigInt));
    fields.push(Field::required("text", DataType::Varchar));
    Schema::new(fields)
}
