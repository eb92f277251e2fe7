//! Where a pipeline's rows go.

use std::sync::Arc;

use tidemill_format::{Encoder, TableRenderer};
use tidemill_plan::{LimitSpec, Merge};
use tidemill_record::Batch;
use tidemill_sink::{
    ColumnWriter, FileWriter, Finished, OutputDirectory, StdoutWriter, WRITE_BYTES,
};

use crate::{OutputSpec, PipelineError, PipelineSpec};

/// The end of one pipeline.
pub(crate) enum Output {
    /// Rows end in the processor's partial table.
    Sealed,
    /// Encoded, into files.
    File(FileOutput),
    /// Encoded, to standard output.
    Stdout(StdoutOutput),
    /// As columns.
    Columns(Box<dyn ColumnWriter>),
}

/// How rows look on standard output.
pub(crate) enum Layout {
    Encoded(Encoder),
    Table(TableRenderer),
}

/// Encodes into a buffer that goes to the files of one partition.
pub(crate) struct FileOutput {
    encoder: Encoder,
    directory: Arc<OutputDirectory>,
    /// Taken when the output is finished.
    writer: Option<FileWriter>,
    bytes: Vec<u8>,
    bytes_out: u64,
}

/// Encodes into a buffer that goes to standard output.
pub(crate) struct StdoutOutput {
    layout: Layout,
    /// Taken when the output is finished.
    writer: Option<StdoutWriter>,
    bytes: Vec<u8>,
    bytes_out: u64,
}

/// Files that are complete and durable but not yet visible, and the directory they go to.
pub struct Delivery {
    /// Where they become visible.
    pub directory: Arc<OutputDirectory>,
    /// The files.
    pub finished: Finished,
}

impl Output {
    pub(crate) async fn open(spec: &mut PipelineSpec) -> Result<Self, PipelineError> {
        let placeholder = OutputSpec::Seal(Merge::Limited(LimitSpec::default()));
        Ok(match std::mem::replace(&mut spec.output, placeholder) {
            OutputSpec::Seal(_) => Self::Sealed,
            OutputSpec::File { sink, schema, directory, file_number } => {
                let writer = FileWriter::create(
                    spec.backend,
                    Arc::clone(&directory),
                    file_number,
                    sink.format.extension(),
                    sink.rolling_bytes,
                )
                .await?;
                Self::File(FileOutput {
                    encoder: Encoder::new(&sink.format, &schema)?,
                    directory,
                    writer: Some(writer),
                    bytes: Vec::with_capacity(WRITE_BYTES * 2),
                    bytes_out: 0,
                })
            }
            OutputSpec::Stdout { format, schema, writer } => Self::Stdout(StdoutOutput {
                layout: match format {
                    Some(format) => Layout::Encoded(Encoder::new(&format, &schema)?),
                    None => Layout::Table(TableRenderer::new(&schema)),
                },
                writer: Some(writer),
                bytes: Vec::with_capacity(WRITE_BYTES),
                bytes_out: 0,
            }),
            OutputSpec::Columns(writer) => Self::Columns(writer),
        })
    }

    /// Encodes and writes a batch.
    pub(crate) async fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        match self {
            Self::Sealed => unreachable!("a sealing processor keeps every row"),
            Self::File(file) => file.write(batch).await,
            Self::Stdout(stdout) => stdout.write(batch),
            Self::Columns(writer) => Ok(writer.write(batch)?),
        }
    }

    /// Writes what is left and makes it durable; the files to publish, if there are any.
    pub(crate) async fn finish(&mut self) -> Result<Option<Delivery>, PipelineError> {
        match self {
            Self::Sealed => Ok(None),
            Self::File(file) => file.finish().await.map(Some),
            Self::Stdout(stdout) => {
                stdout.finish()?;
                Ok(None)
            }
            Self::Columns(writer) => {
                writer.finish()?;
                Ok(None)
            }
        }
    }

    pub(crate) fn checksum(&self) -> Option<u64> {
        match self {
            Self::Columns(writer) => writer.checksum(),
            Self::Sealed | Self::File(_) | Self::Stdout(_) => None,
        }
    }

    pub(crate) fn bytes_out(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes_out,
            Self::Stdout(stdout) => stdout.bytes_out,
            Self::Sealed | Self::Columns(_) => 0,
        }
    }
}

impl FileOutput {
    async fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        self.encoder.encode(batch, &mut self.bytes)?;
        if self.bytes.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush().await?;
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        if writer.wants_roll() {
            self.encoder.finish(&mut self.bytes)?;
            self.flush().await?;
            let writer = self.writer.as_mut().expect("as above");
            writer.roll().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        writer.write(&self.bytes).await?;
        self.bytes_out += byte_count(&self.bytes);
        self.bytes.clear();
        Ok(())
    }

    async fn finish(&mut self) -> Result<Delivery, PipelineError> {
        self.encoder.finish(&mut self.bytes)?;
        self.flush().await?;
        let writer = self.writer.take().expect("an output is finished once");
        let finished = writer.finish().await?;
        Ok(Delivery { directory: Arc::clone(&self.directory), finished })
    }
}

impl StdoutOutput {
    fn write(&mut self, batch: &Batch) -> Result<(), PipelineError> {
        match &mut self.layout {
            Layout::Encoded(encoder) => encoder.encode(batch, &mut self.bytes)?,
            Layout::Table(table) => table.encode(batch, &mut self.bytes),
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), PipelineError> {
        let writer = self.writer.as_mut().expect("the writer stays until the output is finished");
        writer.write(&self.bytes)?;
        self.bytes_out += byte_count(&self.bytes);
        self.bytes.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PipelineError> {
        match &mut self.layout {
            Layout::Encoded(encoder) => encoder.finish(&mut self.bytes)?,
            Layout::Table(table) => table.finish(&mut self.bytes),
        }
        self.flush()?;
        let writer = self.writer.take().expect("an output is finished once");
        Ok(writer.finish()?)
    }
}

fn byte_count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("usize is at most 64 bits")
}
