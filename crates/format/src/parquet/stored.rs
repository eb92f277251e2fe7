//! The pages of one column of a row group, as they stand in the file.

use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::ChunkReader;
use bytes::Bytes;

use super::chunks::Chunks;
use super::page_head::{PageHead, PageKind};
use crate::unpack::Packing;

/// Pages, one after the other, whose bytes are not unpacked.
pub(super) struct StoredPages {
    chunks: Arc<Chunks>,
    packing: Packing,
    /// Where the next page begins, or what follows its head, where that has been read; and where the last page ends.
    at: u64,
    end: u64,
    next: Option<PageHead>,
}

impl StoredPages {
    pub(super) fn new(chunks: Arc<Chunks>, chunk: &ColumnChunkMetaData, packing: Packing) -> Self {
        let (at, byte_count) = chunk.byte_range();
        Self { chunks, packing, at, end: at.saturating_add(byte_count), next: None }
    }

    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    /// The head of the next page that has anything; `None` behind the last.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn peek(&mut self) -> Result<Option<&PageHead>, ParquetError> {
        while self.next.is_none() && self.at < self.end {
            let bytes = self.chunks.from(self.at)?;
            let (head, length) = PageHead::parse(&bytes).ok_or_else(damaged)?;
            let start = self.at + length as u64;
            if start.checked_add(head.packed_bytes as u64).is_none_or(|end| end > self.end) {
                return Err(damaged());
            }
            self.at = start;
            match head.kind {
                PageKind::Index => self.at += head.packed_bytes as u64,
                _ => self.next = Some(head),
            }
        }
        Ok(self.next.as_ref())
    }

    /// Leaves out the page that was looked at.
    pub(super) fn skip(&mut self) {
        if let Some(head) = self.next.take() {
            self.at += head.packed_bytes as u64;
        }
    }

    /// The next page; `None` behind the last.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn take(&mut self) -> Result<Option<(PageHead, Bytes)>, ParquetError> {
        self.peek()?;
        let Some(head) = self.next.take() else { return Ok(None) };
        let bytes = self.chunks.get_bytes(self.at, head.packed_bytes)?;
        self.at += head.packed_bytes as u64;
        Ok(Some((head, bytes)))
    }
}

fn damaged() -> ParquetError {
    ParquetError::General("the head of a page is damaged, or its bytes are not there".to_owned())
}
