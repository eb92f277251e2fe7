//! Where a pipeline's batches come from.

mod resume;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tidemill_aggregate::Gathering;
use tidemill_format::{Decoder, DecoderSpec, Filtered, LeftOut, MessagePlace};
use tidemill_plan::{LimitSpec, Merge};
use tidemill_record::{BadRecord, Batch, EventTime, FrameBytes, Offset, Polled};
use tidemill_rt::{Waiting, Wake};
use tidemill_source::{
    ColumnReader, FileReader, Follow, Generator, RegisteredReader, Resume, RowGroupPlan,
    RowGroupReader, TextReader, TextSpec,
};

use self::resume::GoingOn;
pub use self::resume::resumed_claims;
use crate::added::Added;
use crate::closing::ClosingInput;
use crate::gathered::GatheredInput;
use crate::held::{Held, count};
use crate::scan_filter::ScanFilter;
use crate::{FileInput, InputSpec, MemoryInput, MessageInput, PipelineError, PipelineSpec};

/// The source of one pipeline's batches.
pub(crate) enum Input {
    /// A reader lends bytes, a decoder makes columns of them.
    Bytes(ByteInput),
    /// Columns arrive ready-made.
    Columns(Box<dyn ColumnReader>),
    /// Merged tables of other pipelines.
    Gathered(GatheredInput),
    /// Windows of other pipelines, as all of them come to their end.
    Closing(ClosingInput),
}

/// A reader and the decoder that tells it how much of what it lent was whole records.
pub(crate) struct ByteInput {
    // Before the reader, so that this is dropped first and the reader's memory is free for the next file.
    decoder: Decoder,
    reader: FileReader,
    added: Added,
    /// What the decoder's filter has made of the records of the last batch, and how many it has left out before.
    filtered: Option<Filtered>,
    rejected_before: usize,
    /// The decoder still holds input that the reader lent.
    is_decoding: bool,
    /// Bad records were to be dealt with before more is read.
    is_held_up: bool,
    /// Bytes that a row group may have.
    group_bytes_max: u64,
    bytes_in: u64,
    /// Row groups that were read.
    row_groups: u64,
    /// Bytes of the row group or message at hand.
    part_bytes: u64,
    /// Parts that are read once more after a cut, and that are not counted again.
    parts_again: usize,
    /// Time spent waiting for bytes; `None` where it is not measured.
    read_time: Option<Duration>,
}

/// What merges nothing.
const NOTHING: Merge =
    Merge::Limited { spec: LimitSpec { skip: 0, keep: None }, input_types: Vec::new() };

impl Input {
    /// How many columns the records of a file have that are read, where there is a decoder.
    pub(crate) fn recorded_count(spec: &InputSpec) -> Option<usize> {
        match spec {
            InputSpec::Text(text) => Some(text.file.columns.len()),
            InputSpec::RowGroups(groups) => Some(groups.file.columns.len()),
            InputSpec::Messages(messages) => Some(messages.file.columns.len()),
            InputSpec::Memory(memory) => Some(memory.columns.len()),
            _ => None,
        }
    }

    /// Opens what the spec names, and has it leave out what the filter does, where there is a decoder. It goes on where an input of
    /// the same spec was when it was exported, if there is one.
    ///
    /// # Errors
    /// Whatever the source, the format or a merge has to say; nothing is left open.
    async fn open(
        spec: &mut PipelineSpec,
        waiting: Option<&Waiting>,
        filter: Option<ScanFilter>,
        resume: Option<Resume>,
    ) -> Result<Self, PipelineError> {
        let mut going_on = resume.map(|resume| GoingOn::of(resume, &spec.input)).transpose()?;
        let placeholder = InputSpec::Sealed(Vec::new(), NOTHING, None);
        match std::mem::replace(&mut spec.input, placeholder) {
            InputSpec::Text(text) => {
                let csv_header = text.csv_header.as_deref();
                let decoder_spec =
                    DecoderSpec { csv_header, ..text.file.decoder_spec(spec.batch_rows) };
                let decoder = Decoder::new(&decoder_spec)?;
                let text_spec = TextSpec {
                    backend: spec.backend,
                    file: &text.file.file,
                    format: Some(&text.file.format),
                    range: text.range,
                    partition: spec.partition,
                    record_bytes_max: text.record_bytes_max,
                    follow: text.follow.map(|claims| Follow {
                        claims,
                        events: waiting.and_then(Waiting::files).cloned(),
                    }),
                };
                let reader = match &mut going_on {
                    Some(going_on) => {
                        TextReader::resume(text_spec, going_on.take_reader()?).await?
                    }
                    None => TextReader::open(text_spec).await?,
                };
                let reader = FileReader::Text(reader);
                let added = added_to(&text.file)?;
                let input = ByteInput::new(reader, decoder, added, spec.is_measured);
                input.begin(filter, going_on)
            }
            InputSpec::Memory(memory) => {
                let MemoryInput { reader, format, schema, is_inferred, columns } = memory;
                let decoder = Decoder::new(&DecoderSpec {
                    format: &format,
                    schema: &schema,
                    columns: &columns,
                    batch_rows: spec.batch_rows,
                    csv_header: None,
                    is_inferred,
                    is_union: false,
                })?;
                let added = Added::new(&[], columns.len(), &format)?;
                let reader = FileReader::Memory(reader);
                ByteInput::new(reader, decoder, added, spec.is_measured).begin(filter, going_on)
            }
            InputSpec::RowGroups(groups) => {
                let decoder_spec = groups.file.decoder_spec(spec.batch_rows);
                let mut decoder = Decoder::for_parquet(&decoder_spec, groups.footer)?;
                let mut plans = groups.row_groups;
                if let Some(going_on) = &mut going_on {
                    let next = going_on.take_place()?;
                    plans.retain(|plan| count(plan.index) >= next);
                }
                decoder.limit_rows(groups.rows);
                let reader =
                    RowGroupReader::open(spec.backend, &groups.file.file, spec.partition, plans)
                        .await?;
                let added = added_to(&groups.file)?;
                let input = ByteInput::over_parts(reader, decoder, added, spec.is_measured);
                input.begin(filter, going_on)
            }
            InputSpec::Messages(MessageInput { file, footer, batches, start_row }) => {
                // Their heads; what of their bodies is wanted these say.
                let plan = |(index, place): (usize, MessagePlace)| RowGroupPlan {
                    index,
                    start_row: 0,
                    ranges: std::iter::once(place.start..place.head_end).collect(),
                };
                let first_batch = footer.messages().count() - footer.batch_count();
                let mut plans: Vec<RowGroupPlan> = footer.messages_of(batches).map(plan).collect();
                let mut parts_again = 0;
                if let Some(going_on) = &mut going_on {
                    let next = going_on.take_place()?;
                    let is_before = |plan: &RowGroupPlan| count(plan.index) < next;
                    plans.retain(|plan| !is_before(plan) || plan.index < first_batch);
                    parts_again = plans.iter().filter(|plan| is_before(plan)).count();
                }
                let decoder_spec = file.decoder_spec(spec.batch_rows);
                let decoder = Decoder::for_arrow_file(&decoder_spec, footer, start_row);
                let reader =
                    RowGroupReader::open(spec.backend, &file.file, spec.partition, plans).await?;
                let added = added_to(&file)?;
                let mut input = ByteInput::over_parts(reader, decoder, added, spec.is_measured);
                input.parts_again = parts_again;
                input.begin(filter, going_on)
            }
            InputSpec::Columns(mut reader) => {
                if let Some(going_on) = going_on {
                    reader.import(going_on.into_columns()?)?;
                }
                Ok(Self::Columns(reader))
            }
            InputSpec::Registered(registered) => {
                let bell = waiting.map(Waiting::bell);
                let mut reader = RegisteredReader::new(registered, spec.partition, bell);
                if let Some(going_on) = going_on {
                    reader.import(going_on.into_columns()?)?;
                }
                Ok(Self::Columns(Box::new(reader)))
            }
            InputSpec::Generator { source, columns } => {
                let mut generator = Generator::new(&source, spec.partition, &columns)?;
                if let Some(going_on) = going_on {
                    generator.import(going_on.into_columns()?)?;
                }
                Ok(Self::Columns(Box::new(generator)))
            }
            InputSpec::Closing(merge) => {
                let gathering = Gathering::new(&merge, u64::MAX);
                let mut closing = ClosingInput::new(gathering, spec.batch_rows);
                if let Some(going_on) = going_on {
                    closing.import(going_on.into_windows()).map_err(PipelineError::Resume)?;
                }
                Ok(Self::Closing(closing))
            }
            InputSpec::Sealed(tables, merge, help) => {
                Ok(Self::Gathered(GatheredInput::new(tables, &merge, spec.batch_rows, help)))
            }
        }
    }

    /// In the place of an input that has ended.
    pub(crate) fn nothing() -> Self {
        Self::Gathered(GatheredInput::new(Vec::new(), &NOTHING, 1, None))
    }

    /// The next batch; bad records met on the way go to `bad`.
    pub(crate) async fn next_batch(
        &mut self,
        rows_max: usize,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Polled<Batch>, PipelineError> {
        match self {
            Self::Bytes(bytes) => bytes.next_batch(bad).await,
            Self::Columns(reader) => Ok(reader.next_batch(rows_max)?),
            Self::Gathered(gathered) => gathered.next_batch(),
            Self::Closing(closing) => closing.next_batch(),
        }
    }

    /// What the filter of a decoder has made of the records of the batch that was given last; `None` where there
    /// is none.
    pub(crate) fn take_filtered(&mut self) -> Option<Filtered> {
        match self {
            Self::Bytes(bytes) => bytes.filtered.take(),
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => None,
        }
    }

    /// How many records a decoder has left out without giving a batch, since this was last asked.
    pub(crate) fn take_rejected(&mut self) -> usize {
        match self {
            Self::Bytes(bytes) => std::mem::take(&mut bytes.rejected_before),
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => 0,
        }
    }

    /// What makes it worth to ask again after `NotReady`. Of pipelines that run meanwhile whoever brings what
    /// they give knows of that.
    pub(crate) fn wake(&self) -> Wake<'_> {
        match self {
            Self::Bytes(bytes) => bytes.wake(),
            Self::Columns(reader) => reader.wake(),
            Self::Gathered(_) => Wake::NOW,
            Self::Closing(closing) => closing.wake(),
        }
    }

    /// Whether it is a file that was followed and is gone, of which nothing more is expected.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Bytes(bytes) => {
                !bytes.is_decoding && bytes.text().is_some_and(TextReader::is_over)
            }
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => false,
        }
    }

    /// Gives up the files of an input that [is over](Self::is_over).
    pub(crate) fn release(&self) {
        if let Self::Bytes(bytes) = self {
            bytes.text().into_iter().for_each(TextReader::release);
        }
    }

    /// Bytes held between turns, but for what has a bound of its own: text that is lent, at most a longest
    /// record and a piece.
    pub(crate) fn held_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.held_bytes(),
            Self::Columns(_) => 0,
            Self::Gathered(gathered) => gathered.held_bytes(),
            Self::Closing(closing) => closing.held_bytes(),
        }
    }

    /// What is held, for a message.
    pub(crate) fn held(&self) -> Held {
        match self {
            Self::Bytes(bytes) => Held {
                what: "a row group or message that is read",
                bytes: bytes.held_bytes(),
                groups: 0,
            },
            Self::Columns(_) => Held { what: "columns", bytes: 0, groups: 0 },
            Self::Gathered(gathered) => gathered.held(),
            Self::Closing(closing) => closing.held(),
        }
    }

    /// Lets it hold so many bytes more than it does.
    pub(crate) fn set_room(&mut self, room_bytes: u64) {
        match self {
            Self::Bytes(bytes) => {
                bytes.group_bytes_max = bytes.held_bytes().saturating_add(room_bytes);
                let part_bytes_max = usize::try_from(bytes.group_bytes_max).unwrap_or(usize::MAX);
                bytes.decoder.limit_parts(part_bytes_max);
            }
            Self::Columns(_) => {}
            Self::Gathered(gathered) => gathered.set_room(room_bytes),
            Self::Closing(closing) => closing.set_room(room_bytes),
        }
    }

    /// Whether tables are still being merged.
    pub(crate) fn is_merging(&self) -> bool {
        matches!(self, Self::Gathered(_))
    }

    /// Groups and bytes of merged tables as they begin to leave.
    pub(crate) fn merged(&self) -> (u64, u64) {
        match self {
            Self::Gathered(gathered) => (gathered.group_count(), gathered.state_bytes()),
            Self::Bytes(_) | Self::Columns(_) | Self::Closing(_) => (0, 0),
        }
    }

    /// The text of a record in the input that is being decoded now.
    pub(crate) fn raw_record(&self, offset: Offset) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => bytes.decoder.raw_record(offset),
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => None,
        }
    }

    /// Whether the rows are records of a source, and not the results of other pipelines.
    pub(crate) fn is_records(&self) -> bool {
        !matches!(self, Self::Gathered(_) | Self::Closing(_))
    }

    /// Bytes of whole records consumed.
    pub(crate) fn bytes_in(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.bytes_in,
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => 0,
        }
    }

    /// The windows of pipelines that run meanwhile, where that is the input.
    pub(crate) fn closing_mut(&mut self) -> Option<&mut ClosingInput> {
        match self {
            Self::Closing(closing) => Some(closing),
            _ => None,
        }
    }

    /// How far event time has come in the pipelines that windows are gathered from, as far as all of
    /// those have been given out; `None` of other input.
    pub(crate) fn gathered_until(&self) -> Option<EventTime> {
        match self {
            Self::Closing(closing) => Some(closing.given_until()),
            _ => None,
        }
    }

    /// Time spent waiting for bytes, and row groups read; where that is measured.
    pub(crate) fn read(&self) -> (Duration, u64) {
        match self {
            Self::Bytes(bytes) => (bytes.read_time.unwrap_or_default(), bytes.row_groups),
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => (Duration::ZERO, 0),
        }
    }

    /// What a person should know of how the input was read.
    pub(crate) fn notices(&self) -> Vec<String> {
        match self {
            Self::Bytes(bytes) => {
                let of_reader = bytes.text().map_or_else(Vec::new, TextReader::notices);
                let path = bytes.reader.path().display();
                let of_decoder = bytes.decoder.notices();
                let of_decoder = of_decoder.iter().map(|notice| format!("{path}: {notice}"));
                of_reader.into_iter().chain(of_decoder).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What decoding left out of the input.
    pub(crate) fn left_out(&self) -> Vec<LeftOut> {
        match self {
            Self::Bytes(bytes) => bytes.decoder.left_out(),
            Self::Columns(_) | Self::Gathered(_) | Self::Closing(_) => Vec::new(),
        }
    }

    /// Where the first record of a byte range started, and where the first record after it starts.
    pub(crate) fn split_bounds(&self) -> Option<(u64, u64)> {
        match self {
            Self::Bytes(bytes) => {
                bytes.text().map(|reader| (reader.first_offset(), reader.position()))
            }
            _ => None,
        }
    }
}

/// Opens the input of a pipeline, and says how many of the first steps it applies itself. It goes on where one of the same
/// spec was when it was exported, if `resume` is given.
///
/// # Errors
/// As opening says. Of one that goes on: [`tidemill_source::SourceError::Changed`] where a file is not the one that was read,
/// `Missing` where a followed text is not found, `NotResumable` of what cannot be entered, `Image` where the image is
/// damaged or of another spec.
pub(crate) async fn open_input(
    spec: &mut PipelineSpec,
    waiting: Option<&Waiting>,
    resume: Option<Resume>,
) -> Result<(Input, usize), PipelineError> {
    let filter = match Input::recorded_count(&spec.input) {
        Some(count) => ScanFilter::of(&spec.stages, count, &spec.context)?,
        None => None,
    };
    let step_count = filter.as_ref().map_or(0, |filter| filter.step_count);
    let input = Input::open(spec, waiting, filter, resume).await?;
    Ok((input, step_count))
}

impl FileInput {
    fn decoder_spec(&self, batch_rows: usize) -> DecoderSpec<'_> {
        DecoderSpec {
            format: &self.format,
            schema: &self.schema,
            columns: &self.columns,
            batch_rows,
            csv_header: None,
            is_inferred: self.is_inferred,
            is_union: self.is_union,
        }
    }
}

/// What is added to the columns of a file.
fn added_to(file: &FileInput) -> Result<Added, PipelineError> {
    Added::new(&file.added, file.columns.len(), &file.format)
}

impl ByteInput {
    fn new(reader: FileReader, decoder: Decoder, added: Added, is_measured: bool) -> Self {
        Self {
            decoder,
            reader,
            added,
            filtered: None,
            rejected_before: 0,
            is_decoding: false,
            is_held_up: false,
            group_bytes_max: u64::MAX,
            bytes_in: 0,
            row_groups: 0,
            part_bytes: 0,
            parts_again: 0,
            read_time: is_measured.then_some(Duration::ZERO),
        }
    }

    fn over_parts(
        reader: RowGroupReader,
        decoder: Decoder,
        added: Added,
        is_measured: bool,
    ) -> Self {
        Self::new(FileReader::RowGroups(reader), decoder, added, is_measured)
    }

    /// Bytes of a row group or message, which are read as a whole, and what has been decoded of them; but for
    /// text 0.
    fn held_bytes(&self) -> u64 {
        count(self.decoder.held_bytes())
    }

    fn wake(&self) -> Wake<'_> {
        if self.is_held_up { Wake::NOW } else { self.reader.wake() }
    }

    /// The reader, where it reads from front to back.
    fn text(&self) -> Option<&TextReader> {
        match &self.reader {
            FileReader::Text(reader) => Some(reader),
            FileReader::RowGroups(_) | FileReader::Memory(_) => None,
        }
    }

    async fn next_batch(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Polled<Batch>, PipelineError> {
        self.is_held_up = false;
        loop {
            if self.is_decoding {
                let before = bad.len();
                let decoded = self.decoder.decode(bad)?;
                let filtered = self.decoder.take_filtered();
                let rejected = filtered.as_ref().map_or(&[][..], |rows| rows.rejected.values());
                if let Some(batch) = decoded {
                    let batch = self.added.apply(batch, &bad[before..], rejected)?;
                    self.filtered = filtered;
                    return Ok(Polled::Ready(batch));
                }
                self.added.pass(&bad[before..], rejected.len());
                self.rejected_before += rejected.len();
                let consumed = self.decoder.consumed();
                self.bytes_in += consumed;
                self.reader.consume(consumed);
                if consumed == 0 {
                    self.decoder.let_go();
                }
                self.is_decoding = false;
                if !bad.is_empty() {
                    // The records' text goes with the frame, so they are dealt with first.
                    self.is_held_up = true;
                    return Ok(Polled::NotReady);
                }
            }
            let bytes = match &self.reader {
                FileReader::RowGroups(reader) => reader.next_bytes(),
                FileReader::Text(_) | FileReader::Memory(_) => 0,
            };
            let bytes_max = self.group_bytes_max;
            if bytes > bytes_max {
                return Err(PipelineError::InputTooLarge { bytes, bytes_max });
            }
            let begun = self.read_time.map(|_| tidemill_rt::now());
            let polled = self.reader.next_frames().await?;
            if let (Some(read_time), Some(begun)) = (&mut self.read_time, begun) {
                *read_time += tidemill_rt::elapsed(begun);
            }
            match polled {
                Polled::Ready(frames) => {
                    if let FileReader::Text(reader) = &self.reader {
                        self.decoder.start_at(Offset(reader.head()));
                    }
                    self.part_bytes = 0;
                    let mut is_part = false;
                    if let FrameBytes::RowGroup { ranges, .. } = &frames.bytes {
                        let bytes = ranges.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
                        self.part_bytes = count(bytes);
                        is_part = true;
                    }
                    self.decoder.begin(frames)?;
                    self.take_wanted().await?;
                    if is_part {
                        match self.parts_again.checked_sub(1) {
                            Some(left) => self.parts_again = left,
                            None => {
                                self.bytes_in += self.part_bytes;
                                self.row_groups += 1;
                            }
                        }
                    }
                    self.is_decoding = true;
                }
                Polled::NotReady => return Ok(Polled::NotReady),
                Polled::Ended => return Ok(Polled::Ended),
            }
        }
    }

    /// Reads what the decoder needs of the part that it has begun with.
    async fn take_wanted(&mut self) -> Result<(), PipelineError> {
        let (Some(part), FileReader::RowGroups(reader)) = (self.decoder.wanted(), &mut self.reader)
        else {
            return Ok(());
        };
        let (bytes, bytes_max) = (part.read_bytes(), self.group_bytes_max);
        if bytes > bytes_max {
            return Err(PipelineError::InputTooLarge { bytes, bytes_max });
        }
        let begun = self.read_time.map(|_| tidemill_rt::now());
        let frames = reader.next_part(part.byte_count, &part.ranges).await?;
        if let (Some(read_time), Some(begun)) = (&mut self.read_time, begun) {
            *read_time += tidemill_rt::elapsed(begun);
        }
        self.part_bytes += bytes;
        Ok(self.decoder.begin(frames)?)
    }
}
