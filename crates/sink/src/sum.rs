//! The running hash of a segment's bytes: what a checkpoint tells a segment by.

use std::fmt;
use std::hash::Hasher as _;
use std::io;

use tidemill_rt::fs;
use twox_hash::XxHash3_64;

/// Bytes that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// XXH3 of 64 bits of all bytes so far, which is part of the form of checkpoints.
#[derive(Clone)]
pub(crate) struct Sum(XxHash3_64);

impl Sum {
    /// Of no bytes.
    pub(crate) fn new() -> Self {
        Self(XxHash3_64::new())
    }

    /// Of the first bytes of a file; how many of the `byte_count` were there.
    pub(crate) fn of_file(file: &fs::File, byte_count: u64) -> io::Result<(Self, u64)> {
        let (mut sum, mut at, mut bytes) = (Self::new(), 0, vec![0; READ_BYTES]);
        while at < byte_count {
            let rest = usize::try_from(byte_count - at).unwrap_or(usize::MAX).min(READ_BYTES);
            match file.read_at(&mut bytes[..rest], at) {
                Ok(0) => break,
                Ok(count) => {
                    sum.add(&bytes[..count]);
                    at += u64::try_from(count).expect("a usize fits u64");
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok((sum, at))
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finish()
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.value())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn a_sum_is_that_of_all_bytes_however_they_came() {
        // The test vector of no bytes, of the authors of XXH3.
        assert_eq!(Sum::new().value(), 0x2d06_8005_38d3_94c2);
        let bytes: Vec<u8> = (0..=255).cycle().take(READ_BYTES + 7777).collect();
        let mut sum = Sum::new();
        bytes.chunks(1000).for_each(|piece| sum.add(piece));
        assert_eq!(sum.value(), XxHash3_64::oneshot(&bytes));
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), &bytes).unwrap();
        let file = tidemill_rt::fs::File::open(root.path().join("file")).unwrap();
        for wanted in [0, 1, READ_BYTES, bytes.len()] {
            let (sum, count) = Sum::of_file(&file, wanted as u64).unwrap();
            assert_eq!(
                (count, sum.value()),
                (wanted as u64, XxHash3_64::oneshot(&bytes[..wanted]))
            );
        }
        let (_, count) = Sum::of_file(&file, u64::MAX).unwrap();
        assert_eq!(count, bytes.len() as u64);
    }
}
