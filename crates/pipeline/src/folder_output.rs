//! Rows that go to folders by the values of some columns: `'partition.by'` of a file sink.
//!
//! Text of all folders is made by one encoder, and waits for its folder's file in blocks. Arrow and Parquet need an
//! encoder for each file: so many are open at once, and the one whose last row is longest ago ends its file. Which one that is
//! depends on the rows and their order alone.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use tidemill_format::{Encoder, Folders};
use tidemill_plan::{CsvOptions, FileSink, Format, Packing};
use tidemill_record::{Batch, Image, Schema};
use tidemill_sink::{FolderWriter, OutputDirectory};

use crate::held::count;
use crate::output::{ROLL_ROWS, pieces};
use crate::segment_clock::SegmentClock;
use crate::{Delivery, PipelineError};

mod cut;

/// Files of Arrow or Parquet that are being encoded at once. What they hold is in the budget.
const ENCODERS_MAX: usize = 1024;

/// Encodes into the files of one partition, by folders.
pub(crate) struct FolderOutput {
    // Fixed at construction.
    sink: FileSink,
    directory: Arc<OutputDirectory>,
    // Changes with every batch.
    folders: Folders,
    encoders: Encoders,
    /// Rows of the current segment of each folder.
    segment_rows: Vec<usize>,
    /// Taken when the output is finished.
    writer: Option<FolderWriter>,
    clock: SegmentClock,
    bytes: Vec<u8>,
    bytes_out: u64,
    /// The folder of each row of the batch at hand, and its rows by folder.
    assigned: Vec<u32>,
    order: Vec<u32>,
    /// Of a job with state, once the output has been finished.
    ended: Option<Image>,
}

/// What makes bytes of rows.
enum Encoders {
    /// One for all folders, and what each file begins with.
    Text { encoder: Box<Encoder>, head: Vec<u8> },
    /// One for each file.
    Own { of_folders: Vec<Option<OwnEncoder>>, open_count: usize, row_count: u64 },
}

struct OwnEncoder {
    encoder: Box<Encoder>,
    /// Counts all rows.
    last_row: u64,
}

impl FolderOutput {
    pub(crate) fn new(
        sink: FileSink,
        schema: &Schema,
        directory: Arc<OutputDirectory>,
        file_number: u32,
    ) -> Result<Self, PipelineError> {
        let folders = Folders::new(schema, &sink.folder_columns(schema));
        let encoders = Encoders::new(&sink.format, folders.schema())?;
        let writer = FolderWriter::new(
            Arc::clone(&directory),
            file_number,
            sink.extension(),
            sink.rolling_bytes,
            encoders.packing(&sink),
        );
        Ok(Self::with(sink, directory, folders, encoders, writer))
    }

    fn with(
        sink: FileSink,
        directory: Arc<OutputDirectory>,
        folders: Folders,
        encoders: Encoders,
        writer: FolderWriter,
    ) -> Self {
        Self {
            clock: SegmentClock::new(Some(&directory), sink.rolling_interval),
            sink,
            directory,
            folders,
            encoders,
            segment_rows: Vec::new(),
            writer: Some(writer),
            bytes: Vec::new(),
            bytes_out: 0,
            assigned: Vec::new(),
            order: Vec::new(),
            ended: None,
        }
    }

    pub(crate) fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        self.folders.assign(batch, &mut self.assigned)?;
        for folder in self.segment_rows.len()..self.folders.count() {
            let folder = u32::try_from(folder).expect("folders are numbered with 32 bits");
            let name = self.folders.name(folder);
            self.writer.as_mut().expect("it stays until the output is finished").add(name);
            self.segment_rows.push(0);
        }
        if batch.row_count() > 0 {
            self.clock.begin();
        }
        let mut start = 0;
        while start < batch.row_count() {
            let end = self.encoders.open(&self.sink, &self.folders, &self.assigned, start)?;
            self.write_rows(batch, start..end)?;
            if end < batch.row_count() {
                let folder = self.encoders.longest_unused();
                self.roll(folder)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Writes rows whose folders all have an encoder.
    fn write_rows(&mut self, batch: &Batch, rows: Range<usize>) -> Result<(), PipelineError> {
        let row = |row: usize| u32::try_from(row).expect("a batch has at most 65,536 rows");
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(row(rows.start)..row(rows.end));
        // Rows of a folder keep their order.
        order.sort_unstable_by_key(|&row| (self.assigned[row as usize], row));
        let is_of_one = |a: &u32, b: &u32| self.assigned[*a as usize] == self.assigned[*b as usize];
        let groups: Vec<Range<usize>> = order
            .chunk_by(is_of_one)
            .scan(0, |end, group| {
                let start = *end;
                *end += group.len();
                Some(start..*end)
            })
            .collect();
        for group in groups {
            let rows = &order[group];
            let folder = self.assigned[rows[0] as usize] as usize;
            self.write_folder(folder, &self.folders.rows(batch, rows))?;
        }
        self.order = order;
        Ok(())
    }

    /// Asks after every so many rows of a segment whether it is long enough, so that where it ends depends on its rows
    /// and not on how they came.
    fn write_folder(&mut self, folder: usize, batch: &Batch) -> Result<(), PipelineError> {
        if self.sink.rolling_bytes.is_none() {
            self.segment_rows[folder] += batch.row_count();
            return self.encode(folder, batch);
        }
        let mut start = 0;
        while start < batch.row_count() {
            let until_asked = ROLL_ROWS - self.segment_rows[folder] % ROLL_ROWS;
            let row_count = until_asked.min(batch.row_count() - start);
            // One that was closed begins anew.
            self.encoders.begin(&self.sink, &self.folders, folder)?;
            self.encode(folder, &batch.slice(start, row_count))?;
            start += row_count;
            self.segment_rows[folder] += row_count;
            let writer = self.writer.as_ref().expect("it stays until the output is finished");
            if self.segment_rows[folder].is_multiple_of(ROLL_ROWS)
                && writer.wants_roll(folder, self.encoders.coming_bytes(folder))
            {
                self.roll(folder)?;
            }
        }
        Ok(())
    }

    fn encode(&mut self, folder: usize, batch: &Batch) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("it stays until the output is finished");
        self.bytes.clear();
        match &mut self.encoders {
            Encoders::Text { encoder, head } => {
                if !writer.has_begun(folder) {
                    self.bytes.extend_from_slice(head);
                }
                for piece in pieces(batch) {
                    encoder.encode(&piece, &mut self.bytes)?;
                    writer.write(folder, &self.bytes)?;
                    self.bytes.clear();
                }
                return Ok(());
            }
            Encoders::Own { of_folders, .. } => {
                let own = of_folders[folder].as_mut().expect("it has been opened");
                own.encoder.encode(batch, &mut self.bytes)?;
            }
        }
        Ok(writer.write(folder, &self.bytes)?)
    }

    /// Closes the current segment of a folder; its next row begins another.
    fn roll(&mut self, folder: usize) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("it stays until the output is finished");
        if let Some(mut encoder) = self.encoders.close(folder) {
            self.bytes.clear();
            encoder.finish(&mut self.bytes)?;
            writer.write(folder, &self.bytes)?;
        }
        writer.roll(folder)?;
        self.segment_rows[folder] = 0;
        Ok(())
    }

    fn roll_all(&mut self) -> Result<(), PipelineError> {
        (0..self.segment_rows.len()).try_for_each(|folder| self.roll(folder))
    }

    /// As of [`crate::output::Output`].
    pub(crate) fn give_up(&self) {
        self.writer.iter().for_each(FolderWriter::give_up);
    }

    /// As of [`crate::output::Output`].
    pub(crate) fn is_empty(&self) -> bool {
        self.directory.is_live()
            && self.clock.closes_at().is_none()
            && self.segment_rows.iter().all(|&row_count| row_count == 0)
    }

    pub(crate) fn closes_at(&self) -> Option<Instant> {
        self.clock.closes_at()
    }

    pub(crate) fn roll_if_due(&mut self, now: Instant) -> Result<(), PipelineError> {
        if self.clock.take_due(now) { self.roll_all() } else { Ok(()) }
    }

    pub(crate) fn take_finished(&mut self) -> Option<Delivery> {
        let finished = self.writer.as_mut()?.take_finished()?;
        Some(Delivery { directory: Arc::clone(&self.directory), finished, part: None })
    }

    pub(crate) fn finish(&mut self) -> Result<Delivery, PipelineError> {
        self.roll_all()?;
        let mut writer = self.writer.take().expect("an output is finished once");
        self.bytes_out = writer.byte_count();
        let finished = writer.end()?;
        self.ended = writer.end_image().map(|image| self.image(image));
        Ok(Delivery { directory: Arc::clone(&self.directory), finished, part: None })
    }

    pub(crate) fn held_bytes(&self) -> u64 {
        let writer = self.writer.as_ref().map_or(0, FolderWriter::held_bytes);
        count(writer + self.folders.held_bytes() + self.encoders.held_bytes())
    }

    pub(crate) fn bytes_out(&self) -> u64 {
        self.writer.as_ref().map_or(self.bytes_out, FolderWriter::byte_count)
    }
}

impl Encoders {
    fn new(format: &Format, schema: &Schema) -> Result<Self, PipelineError> {
        let of_rows = match format {
            Format::Csv(csv) => Format::Csv(CsvOptions { has_header: false, ..csv.clone() }),
            Format::Arrow(_) | Format::Parquet => {
                return Ok(Self::Own { of_folders: Vec::new(), open_count: 0, row_count: 0 });
            }
            other => other.clone(),
        };
        let mut head = Vec::new();
        // Of a segment without rows there is the header.
        Encoder::new(format, schema)?.finish(&mut head)?;
        Ok(Self::Text { encoder: Box::new(Encoder::new(&of_rows, schema)?), head })
    }

    /// How text is compressed, as a whole.
    fn packing(&self, sink: &FileSink) -> Option<Packing> {
        matches!(self, Self::Text { .. }).then_some(sink.packing)
    }

    /// Opens what rows from `start` on need, as far as there is room; up to which row.
    fn open(
        &mut self,
        sink: &FileSink,
        folders: &Folders,
        assigned: &[u32],
        start: usize,
    ) -> Result<usize, PipelineError> {
        if let Self::Text { .. } = self {
            return Ok(assigned.len());
        }
        for (row, &folder) in assigned.iter().enumerate().skip(start) {
            let folder = folder as usize;
            let Self::Own { of_folders, open_count, .. } = self else { break };
            let is_open = of_folders.get(folder).is_some_and(Option::is_some);
            if !is_open && *open_count == ENCODERS_MAX {
                return Ok(row);
            }
            self.begin(sink, folders, folder)?;
            let Self::Own { of_folders, row_count, .. } = self else { break };
            *row_count += 1;
            if let Some(own) = &mut of_folders[folder] {
                own.last_row = *row_count;
            }
        }
        Ok(assigned.len())
    }

    /// Makes the encoder of a folder's file, where it needs one and has none.
    fn begin(
        &mut self,
        sink: &FileSink,
        folders: &Folders,
        folder: usize,
    ) -> Result<(), PipelineError> {
        let Self::Own { of_folders, open_count, row_count } = self else { return Ok(()) };
        if of_folders.len() <= folder {
            of_folders.resize_with(folder + 1, || None);
        }
        if of_folders[folder].is_none() {
            let mut encoder = Box::new(Encoder::new(&sink.format, folders.schema())?);
            encoder.pack(sink.packing);
            of_folders[folder] = Some(OwnEncoder { encoder, last_row: *row_count });
            *open_count += 1;
        }
        Ok(())
    }

    /// The folder of an open file whose last row is longest ago.
    fn longest_unused(&self) -> usize {
        let Self::Own { of_folders, .. } = self else { unreachable!("text has room for all") };
        let last_row = |(folder, own): (usize, &Option<OwnEncoder>)| {
            own.as_ref().map(|own| (own.last_row, folder))
        };
        let oldest = of_folders.iter().enumerate().filter_map(last_row).min();
        oldest.expect("as many are open as may be").1
    }

    /// Takes the encoder of a folder's file, which is to be finished.
    fn close(&mut self, folder: usize) -> Option<Box<Encoder>> {
        let Self::Own { of_folders, open_count, .. } = self else { return None };
        let own = of_folders.get_mut(folder)?.take()?;
        *open_count -= 1;
        Some(own.encoder)
    }

    fn coming_bytes(&self, folder: usize) -> usize {
        match self {
            Self::Text { .. } => 0,
            Self::Own { of_folders, .. } => {
                of_folders[folder].as_ref().map_or(0, |own| own.encoder.coming_bytes())
            }
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Text { .. } => 0,
            Self::Own { of_folders, .. } => {
                of_folders.iter().flatten().map(|own| own.encoder.held_bytes()).sum()
            }
        }
    }
}
