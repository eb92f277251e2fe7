//! The members of a gzip file, one after the other.
//!
//! Zeros behind a member are padding, as tapes and block devices leave it: gzip(1) passes over them, and
//! so does this. Anything else behind a member has to be another one. Source: RFC 1952, 2.2.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::damage::Damage;

/// Of every member.
const FIRST_BYTE: u8 = 0x1f;

/// A reader that decompresses every member.
#[derive(Debug)]
pub(crate) struct GzipMembers<R> {
    /// `None` only while one makes way for the next.
    member: Option<GzDecoder<R>>,
    /// Members that have been read to their end.
    whole_count: u64,
    is_ended: bool,
}

impl<R: BufRead> GzipMembers<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { member: Some(GzDecoder::new(inner)), whole_count: 0, is_ended: false }
    }

    pub(crate) fn inner(&self) -> &R {
        self.member.as_ref().expect("a member is always there").get_ref()
    }

    pub(crate) fn inner_mut(&mut self) -> &mut R {
        self.member.as_mut().expect("a member is always there").get_mut()
    }

    /// Goes on to the next member; `false` if there is none.
    fn enter_next(&mut self) -> io::Result<bool> {
        let inner = self.member.as_mut().expect("a member is always there").get_mut();
        let next = pass_padding(inner)?;
        if next.is_some_and(|byte| byte != FIRST_BYTE) {
            return Err(trailing());
        }
        if next.is_some() {
            let inner = self.member.take().expect("a member is always there").into_inner();
            self.member = Some(GzDecoder::new(inner));
        }
        self.whole_count += 1;
        Ok(next.is_some())
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.is_ended {
            return Ok(0);
        }
        loop {
            let member = self.member.as_mut().expect("a member is always there");
            match member.read(buffer) {
                Ok(0) => {
                    if !self.enter_next()? {
                        self.is_ended = true;
                        return Ok(0);
                    }
                }
                Ok(count) => return Ok(count),
                // What is no header behind a whole member is no member.
                Err(error)
                    if self.whole_count > 0
                        && error.kind() != io::ErrorKind::UnexpectedEof
                        && error.raw_os_error().is_none()
                        && member.header().is_none() =>
                {
                    return Err(trailing());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn trailing() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damage::Trailing)
}

/// Passes over zeros; the byte that follows.
fn pass_padding(inner: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = match inner.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        let end = bytes.iter().position(|&byte| byte != 0);
        let (count, next) = (end.unwrap_or(bytes.len()), end.map(|at| bytes[at]));
        inner.consume(count);
        if next.is_some() {
            return Ok(next);
        }
    }
}
