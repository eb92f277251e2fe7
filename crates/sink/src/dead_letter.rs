//! Bad records, set aside as JSON lines without losing a byte of them.

use std::sync::Arc;

use tidemill_record::{BadRecord, Image};
use tidemill_rt::Backend;

use crate::cut::take_count;
use crate::text::{push_base64, push_json_string};
use crate::{FileWriter, Finished, OutputDirectory, SinkError, WriterCut};

/// Of the names of files of dead letters.
const EXTENSION: &str = "jsonl";

/// One line of a dead letter file.
///
/// `{"source":…,"partition":…,"offset":…,"field":…,"reason":…,"record":…}`. Where the record is not
/// UTF-8, `record` is its text with replacement characters and `record_base64` has the bytes. `field`
/// and `record` are `null` where there is none.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The partition.
    pub partition: u32,
    /// The record and what is wrong with it.
    pub bad: &'a BadRecord,
}

impl DeadLetter<'_> {
    /// Appends the line, newline and all.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let Self { source, partition, bad } = self;
        out.extend_from_slice(b"{\"source\":");
        push_json_string(out, source);
        out.extend_from_slice(
            format!(",\"partition\":{partition},\"offset\":{},\"field\":", bad.offset).as_bytes(),
        );
        match &bad.field {
            Some(field) => push_json_string(out, field),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"reason\":");
        push_json_string(out, &bad.reason);
        out.extend_from_slice(b",\"record\":");
        match &bad.raw {
            None => out.extend_from_slice(b"null"),
            Some(raw) => match std::str::from_utf8(raw) {
                Ok(text) => push_json_string(out, text),
                Err(_) => {
                    push_json_string(out, &String::from_utf8_lossy(raw));
                    out.extend_from_slice(b",\"record_base64\":\"");
                    push_base64(out, raw);
                    out.push(b'"');
                }
            },
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Writes the dead letters of one partition, to be published with the results of the job.
///
/// Its file is made with the first bad record, so that a clean run leaves nothing.
#[derive(Debug)]
pub struct DeadLetterWriter {
    backend: Backend,
    directory: Arc<OutputDirectory>,
    source: String,
    partition: u32,
    /// Stands for the partition in the file's name: sources share a directory.
    file_number: u32,
    writer: Option<FileWriter>,
    line: Vec<u8>,
    letter_count: u64,
}

impl DeadLetterWriter {
    /// Makes a writer over a directory from [`OutputDirectory::open_dead_letters`]. No two writers of
    /// a directory may have the same `file_number`, in `0..100_000`.
    #[must_use]
    pub fn new(
        backend: Backend,
        directory: Arc<OutputDirectory>,
        source: String,
        partition: u32,
        file_number: u32,
    ) -> Self {
        Self {
            backend,
            directory,
            source,
            partition,
            file_number,
            writer: None,
            line: Vec::new(),
            letter_count: 0,
        }
    }

    /// Sets one bad record aside.
    ///
    /// # Errors
    /// As [`FileWriter::create`] and [`FileWriter::write`].
    pub async fn write(&mut self, bad: &BadRecord) -> Result<(), SinkError> {
        self.line.clear();
        let letter = DeadLetter { source: &self.source, partition: self.partition, bad };
        letter.append_to(&mut self.line);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty @ None => {
                let directory = Arc::clone(&self.directory);
                let (backend, number) = (self.backend, self.file_number);
                let made = FileWriter::create(backend, directory, number, EXTENSION, None).await?;
                empty.insert(made)
            }
        };
        writer.write(&self.line).await?;
        self.letter_count += 1;
        Ok(())
    }

    /// Closes the current file, if there is one; the next record begins another.
    ///
    /// # Errors
    /// As [`FileWriter::roll`].
    pub async fn roll(&mut self) -> Result<(), SinkError> {
        match &mut self.writer {
            Some(writer) => writer.roll().await,
            None => Ok(()),
        }
    }

    /// As [`FileWriter::take_finished`].
    pub fn take_finished(&mut self) -> Option<Finished> {
        self.writer.as_mut()?.take_finished()
    }

    /// As [`FileWriter::cut`]; `None` as long as there was no bad record.
    ///
    /// # Errors
    /// As there.
    pub async fn cut(&mut self) -> Result<Option<WriterCut>, SinkError> {
        let Some(writer) = &mut self.writer else { return Ok(None) };
        let mut cut = writer.cut().await?;
        cut.image = self.image(cut.image);
        Ok(Some(cut))
    }

    fn image(&self, of_files: Image) -> Image {
        let mut image = Image::new();
        image.put_one("letters", self.letter_count);
        image.put_image("files", of_files);
        image
    }

    /// Goes on where a cut was; of one that has written nothing.
    ///
    /// # Errors
    /// As [`FileWriter::resume`].
    pub fn resume(&mut self, mut image: Image) -> Result<(), SinkError> {
        let wrong = |source| SinkError::Image { path: self.directory.path().to_owned(), source };
        self.letter_count = take_count(&mut image, "letters").map_err(wrong)?;
        let of_files = image.take_image("files").map_err(wrong)?;
        image.end().map_err(wrong)?;
        let (directory, number) = (Arc::clone(&self.directory), self.file_number);
        let writer =
            FileWriter::resume(self.backend, directory, number, EXTENSION, None, of_files)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// As [`FileWriter::take_again`].
    pub fn take_again(&mut self) -> Option<Finished> {
        self.writer.as_mut()?.take_again()
    }

    /// As [`FileWriter::end`].
    ///
    /// # Errors
    /// As there.
    pub async fn end(&mut self) -> Result<Finished, SinkError> {
        match &mut self.writer {
            Some(writer) => writer.end().await,
            None => Ok(Finished::default()),
        }
    }

    /// As [`FileWriter::end_image`].
    pub fn end_image(&mut self) -> Option<Image> {
        let of_files = self.writer.as_mut()?.end_image()?;
        Some(self.image(of_files))
    }

    /// Bad records set aside so far.
    #[must_use]
    pub fn letter_count(&self) -> u64 {
        self.letter_count
    }

    /// Closes the file, if there is one, to be published.
    ///
    /// # Errors
    /// As [`FileWriter::finish`].
    pub async fn finish(mut self) -> Result<Finished, SinkError> {
        self.end().await
    }
}
