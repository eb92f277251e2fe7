//! Where a pipeline's batches come from.

use tidemill_aggregate::Gathering;
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_plan::{LimitSpec, Merge};
use tidemill_record::{BadRecord, Batch, EventTime, FrameBytes, Offset, Polled};
use tidemill_source::{ColumnReader, FileReader, Generator, RowGroupReader, TextReader, TextSpec};

use crate::closing::ClosingInput;
use crate::processor::{GatheredBatches, Processor, merge_sealed};
use crate::{InputSpec, PipelineError, PipelineSpec};

/// The source of one pipeline's batches.
#[expect(clippy::large_enum_variant, reason = "there is one for each pipeline, and it stays put")]
pub(crate) enum Input {
    /// A reader lends bytes, a decoder makes columns of them.
    Bytes(ByteInput),
    /// Columns arrive ready-made.
    Columns(Box<dyn ColumnReader>),
    /// Merged tables of other pipelines.
    Gathered(GatheredBatches),
    /// Windows of other pipelines, as all of them come to their end.
    Closing(ClosingInput),
}

/// A reader and the decoder that tells it how much of what it lent was whole records.
pub(crate) struct ByteInput {
    reader: FileReader,
    decoder: Decoder,
    /// The decoder still holds input that the reader lent.
    is_decoding: bool,
    bytes_in: u64,
}

impl Input {
    /// Opens what the spec names.
    ///
    /// # Errors
    /// Whatever the source, the format or a merge has to say; nothing is left open.
    pub(crate) async fn open(
        spec: &mut PipelineSpec,
        processor: &mut Processor,
    ) -> Result<Self, PipelineError> {
        let placeholder = InputSpec::Sealed(Vec::new(), Merge::Limited(LimitSpec::default()));
        match std::mem::replace(&mut spec.input, placeholder) {
            InputSpec::Text(text) => {
                let decoder_spec = DecoderSpec {
                    format: &text.file.format,
                    schema: &text.file.schema,
                    columns: &text.file.columns,
                    batch_rows: spec.batch_rows,
                    csv_header: text.csv_header.as_deref(),
                };
                let mut decoder = Decoder::with_verbatim(&decoder_spec, &text.verbatim)?;
                decoder.limit_parts(part_bytes_max(spec.table_budget_bytes));
                let reader = TextReader::open(TextSpec {
                    backend: spec.backend,
                    file: &text.file.file,
                    format: Some(&text.file.format),
                    range: text.range,
                    partition: spec.partition,
                    record_bytes_max: text.record_bytes_max,
                    follow: text.follow,
                })
                .await?;
                Ok(Self::Bytes(ByteInput::new(FileReader::Text(reader), decoder)))
            }
            InputSpec::RowGroups(groups) => {
                let decoder_spec = DecoderSpec {
                    format: &groups.file.format,
                    schema: &groups.file.schema,
                    columns: &groups.file.columns,
                    batch_rows: spec.batch_rows,
                    csv_header: None,
                };
                let mut decoder = Decoder::for_parquet(&decoder_spec, groups.footer)?;
                decoder.limit_parts(part_bytes_max(spec.table_budget_bytes));
                let reader = RowGroupReader::open(
                    spec.backend,
                    &groups.file.file,
                    spec.partition,
                    groups.row_groups,
                )
                .await?;
                Ok(Self::Bytes(ByteInput::new(FileReader::RowGroups(reader), decoder)))
            }
            InputSpec::Columns(reader) => Ok(Self::Columns(reader)),
            InputSpec::Generator { source, columns } => {
                Ok(Self::Columns(Box::new(Generator::new(&source, spec.partition, &columns)?)))
            }
            InputSpec::Closing(giver_count, merge) => {
                let gathering = Gathering::new(&merge, giver_count, spec.table_budget_bytes);
                Ok(Self::Closing(ClosingInput::new(gathering, spec.batch_rows)))
            }
            InputSpec::Sealed(tables, merge) => {
                let merged = merge_sealed(tables, &merge, spec.table_budget_bytes)?;
                Ok(Self::Gathered(processor.start_with(merged)?))
            }
        }
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
            Self::Gathered(batches) => {
                Ok(batches.next_batch()?.map_or(Polled::Ended, Polled::Ready))
            }
            Self::Closing(closing) => closing.next_batch(),
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

/// Bytes that an Arrow message or a Parquet row group may take, where tables may take so many. Writers
/// make parts of some megabytes whatever the budget is, so that these are always allowed.
fn part_bytes_max(table_budget_bytes: u64) -> usize {
    const ALWAYS: usize = 64 << 20;
    usize::try_from(table_budget_bytes).unwrap_or(usize::MAX).max(ALWAYS)
}

impl ByteInput {
    fn new(reader: FileReader, decoder: Decoder) -> Self {
        Self { reader, decoder, is_decoding: false, bytes_in: 0 }
    }

    /// The reader, where it reads from front to back.
    fn text(&self) -> Option<&TextReader> {
        match &self.reader {
            FileReader::Text(reader) => Some(reader),
            FileReader::RowGroups(_) => None,
        }
    }

    async fn next_batch(
        &mut self,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Polled<Batch>, PipelineError> {
        loop {
            if self.is_decoding {
                if let Some(batch) = self.decoder.decode(bad)? {
                    return Ok(Polled::Ready(batch));
                }
                let consumed = self.decoder.consumed();
                self.bytes_in += consumed;
                self.reader.consume(consumed);
                self.is_decoding = false;
                if !bad.is_empty() {
                    // The records' text goes with the frame, so they are dealt with first.
                    return Ok(Polled::NotReady);
                }
            }
            match self.reader.next_frames().await? {
                Polled::Ready(frames) => {
                    if let FileReader::Text(reader) = &self.reader {
                        self.decoder.start_at(Offset(reader.head()));
                    }
                    if let FrameBytes::RowGroup { ranges, .. } = &frames.bytes {
                        let bytes = ranges.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
                        self.bytes_in += u64::try_from(bytes).expect("usize is at most 64 bits");
                    }
                    self.decoder.begin(frames)?;
                    self.is_decoding = true;
                }
                Polled::NotReady => return Ok(Polled::NotReady),
                Polled::Ended => return Ok(Polled::Ended),
            }
        }
    }
}
