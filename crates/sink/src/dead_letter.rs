//! Bad records, set aside as JSON lines without losing a byte of them.

use std::sync::Arc;

use tidemill_record::BadRecord;
use tidemill_rt::Backend;

use crate::text::{push_base64, push_json_string};
use crate::{FileWriter, Finished, OutputDirectory, SinkError};

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
                let made = FileWriter::create(backend, directory, number, "jsonl", None).await?;
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

    /// Bad records set aside so far.
    #[must_use]
    pub fn letter_count(&self) -> u64 {
        self.letter_count
    }

    /// Closes the file, if there is one, to be published.
    ///
    /// # Errors
    /// As [`FileWriter::finish`].
    pub async fn finish(self) -> Result<Finished, SinkError> {
        match self.writer {
            Some(writer) => writer.finish().await,
            None => Ok(Finished::default()),
        }
    }
}
