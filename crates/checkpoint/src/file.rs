//! One checkpoint as bytes.
//!
//! ```text
//! offset  bytes  what
//!      0      8  magic "TIDECKPT"
//!      8      4  version of the format: 1
//!     12      4  0
//!     16      8  epoch: grows by 1 with each checkpoint of a resident
//!     24     16  fingerprint of what the resident does
//!     40      8  bytes of the payload
//!     48      8  hash of the bytes before this
//!     56      8  0
//!     64      …  payload: name of the resident, entries of the image (rkyv)
//!      …      8  hash of the payload
//!      …      8  epoch again
//! ```
//! Numbers are little-endian, hashes XXH3-64 without a seed. A file has exactly these bytes. The payload is a list of
//! entries in which an entry within an image has the names of those around it before its own, with `/` between.

use std::path::Path;

use rkyv::rancor::Error as RkyvError;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};
use tidemill_record::Image;
use tidemill_record::image::{Entry, Texts};
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::CheckpointError;

const MAGIC: [u8; 8] = *b"TIDECKPT";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
/// Bytes of the header before their hash.
const HASHED_BYTES: usize = 48;
const FOOTER_BYTES: usize = 16;
/// Images within images, at most.
const DEPTH_MAX: usize = 32;

/// Says that a checkpoint is of the same plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// Of a text that says what is done; XXH3-128, without a seed.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(XxHash3_128::oneshot(text.as_bytes()).to_le_bytes())
    }
}

/// What a resident has, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The resident's name; the same in every run.
    pub resident: String,
    /// Counts its checkpoints.
    pub epoch: u64,
    /// Of what it does.
    pub fingerprint: Fingerprint,
    /// What it holds.
    pub image: Image,
}

/// What follows the header.
#[derive(Archive, Serialize)]
struct Payload {
    resident: String,
    entries: Vec<Row>,
}

/// An entry of an image.
#[derive(Archive, Serialize)]
struct Row {
    /// Its name, behind those of the images that it stands in.
    path: String,
    kind: Kind,
}

#[derive(Archive, Serialize)]
enum Kind {
    Numbers {
        width: u8,
        bytes: Vec<u8>,
    },
    Texts {
        ends: Vec<u64>,
        bytes: Vec<u8>,
    },
    /// An image; what stands in it follows.
    Image,
}

impl Checkpoint {
    /// As the bytes of a file.
    ///
    /// # Cost
    /// O(bytes), which are copied twice.
    ///
    /// # Errors
    /// None that is known: memory alone is written to.
    ///
    /// # Panics
    /// If images are nested deeper than 32.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut entries = Vec::new();
        flatten(self.image, "", 0, &mut entries);
        let payload = Payload { resident: self.resident, entries };
        let payload: AlignedVec =
            rkyv::to_bytes::<RkyvError>(&payload).expect("memory can be written to");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len() + FOOTER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(&count(payload.len()).to_le_bytes());
        bytes.extend_from_slice(&XxHash3_64::oneshot(&bytes).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&payload);
        bytes.extend_from_slice(&XxHash3_64::oneshot(&payload).to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes
    }

    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] for anything but what [`Self::to_bytes`] gives, [`CheckpointError::Version`] where
    /// another release wrote it.
    ///
    /// # Cost
    /// O(bytes). Allocates no more than there are bytes, a small factor aside.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, CheckpointError> {
        let damaged = |reason: &str| CheckpointError::damaged(path, reason);
        let header =
            bytes.get(..HEADER_BYTES).ok_or_else(|| damaged("it is shorter than a header"))?;
        if header[..8] != MAGIC {
            return Err(damaged("it does not begin as a checkpoint does"));
        }
        let number =
            |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
        let version = u32::from_le_bytes(header[8..12].try_into().expect("4 bytes"));
        if number(HASHED_BYTES) != XxHash3_64::oneshot(&header[..HASHED_BYTES]) {
            return Err(damaged("its header has another hash than it says"));
        }
        if version != VERSION {
            return Err(CheckpointError::Version { path: path.to_owned(), found: version });
        }
        if header[12..16] != [0; 4] || header[56..] != [0; 8] {
            return Err(damaged("its header has bytes where none are written"));
        }
        let (epoch, payload_bytes) = (number(16), number(40));
        let rest = &bytes[HEADER_BYTES..];
        let payload = rest.len().checked_sub(FOOTER_BYTES).map(|end| rest.split_at(end));
        let Some((payload, footer)) =
            payload.filter(|(payload, _)| count(payload.len()) == payload_bytes)
        else {
            return Err(damaged("it is shorter or longer than its header says"));
        };
        if footer[..8] != XxHash3_64::oneshot(payload).to_le_bytes() {
            return Err(damaged("its content has another hash than it says"));
        }
        if footer[8..] != epoch.to_le_bytes() {
            return Err(damaged("its footer is of another epoch than its header"));
        }
        let fingerprint = Fingerprint(header[24..40].try_into().expect("16 bytes"));
        let payload = rkyv::access::<ArchivedPayload, RkyvError>(payload)
            .map_err(|error| damaged(&format!("its content is not as rkyv writes it ({error})")))?;
        let image = restore(payload).map_err(|reason| damaged(&reason))?;
        Ok(Self { resident: payload.resident.as_str().to_owned(), epoch, fingerprint, image })
    }
}

/// Appends the entries of an image to `rows`, each behind the image that it stands in.
fn flatten(image: Image, within: &str, depth: usize, rows: &mut Vec<Row>) {
    assert!(depth <= DEPTH_MAX, "images are nested a few levels deep");
    for (name, entry) in image.into_entries() {
        let path = format!("{within}{name}");
        match entry {
            Entry::Numbers { width, bytes } => {
                rows.push(Row { path, kind: Kind::Numbers { width, bytes } });
            }
            Entry::Texts(texts) => {
                let (ends, bytes) = texts.into_parts();
                rows.push(Row { path, kind: Kind::Texts { ends, bytes } });
            }
            Entry::Image(inner) => {
                let within = format!("{path}/");
                rows.push(Row { path, kind: Kind::Image });
                flatten(inner, &within, depth + 1, rows);
            }
        }
    }
}

/// Makes the image of its entries again.
fn restore(payload: &ArchivedPayload) -> Result<Image, String> {
    // Images that are open, each within the one before, with their names.
    let mut open: Vec<(String, Image)> = vec![(String::new(), Image::new())];
    for row in payload.entries.iter() {
        let path = row.path.as_str();
        // Its place: the images around it are open, others have come to their end.
        let around: Vec<&str> = path.split('/').collect();
        let (&name, around) = around.split_last().expect("a split gives something");
        if around.len() > DEPTH_MAX {
            return Err(format!("{path}: nested too deep"));
        }
        while open.len() > around.len() + 1
            || !open[1..]
                .iter()
                .map(|(name, _)| name.as_str())
                .eq(around[..open.len() - 1].iter().copied())
        {
            close(&mut open);
        }
        if open.len() != around.len() + 1 || name.is_empty() || open[around.len()].1.has(name) {
            return Err(format!("{path}: stands where it cannot"));
        }
        let image = &mut open.last_mut().expect("the outermost is never closed").1;
        match &row.kind {
            ArchivedKind::Numbers { width, bytes } => {
                let entry = Entry::Numbers { width: *width, bytes: bytes.to_vec() };
                image.insert(name.to_owned(), entry);
            }
            ArchivedKind::Texts { ends, bytes } => {
                let ends = ends.iter().map(|end| end.to_native()).collect();
                let texts = Texts::from_parts(ends, bytes.to_vec());
                image.insert(name.to_owned(), Entry::Texts(texts));
            }
            ArchivedKind::Image => open.push((name.to_owned(), Image::new())),
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    Ok(open.pop().expect("the outermost is there").1)
}

/// Puts the innermost image into the one around it.
fn close(open: &mut Vec<(String, Image)>) {
    let (name, image) = open.pop().expect("one is open");
    let outer = &mut open.last_mut().expect("the outermost is never closed").1;
    outer.insert(name, Entry::Image(image));
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;
    use tidemill_record::Image;
    use twox_hash::XxHash3_64;

    use super::{Checkpoint, Fingerprint, HASHED_BYTES, HEADER_BYTES};
    use crate::CheckpointError;

    fn checkpoint() -> Checkpoint {
        let mut inner = Image::new();
        inner.put("sums", 0..500_i128);
        inner.put_texts("keys", [&b"one"[..], b"", b"two"]);
        let mut image = Image::new();
        image.put_images("tables", [inner, Image::new()]);
        image.put_image("empty", Image::new());
        image.put("watermark", [7_i64]);
        let fingerprint = Fingerprint(*b"0123456789abcdef");
        Checkpoint { resident: "0.1.2".into(), epoch: 9, fingerprint, image }
    }

    fn read(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::from_bytes(bytes, Path::new("x.ck"))
    }

    #[test]
    fn it_comes_back() {
        let bytes = checkpoint().to_bytes();
        assert_eq!(read(&bytes).unwrap(), checkpoint());
        assert_eq!(bytes, read(&bytes).unwrap().to_bytes());
    }

    /// What a version of the format has been written as is read for ever: a file here is never made anew.
    #[test]
    fn checkpoints_of_each_version_are_read_as_what_they_were() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version-1.ck");
        if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
            std::fs::write(&path, checkpoint().to_bytes()).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        assert_eq!(read(&kept).unwrap(), checkpoint());
        // As the head of this file has it.
        assert_eq!(kept[..8], *b"TIDECKPT");
        assert_eq!(kept[8..24], [1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(kept[24..40], *b"0123456789abcdef");
        assert_eq!(kept[kept.len() - 8..], 9_u64.to_le_bytes());
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_an_error() {
        let bytes = checkpoint().to_bytes();
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            read(&bytes).unwrap_err();
        }
        for end in 0..bytes.len() {
            read(&bytes[..end]).unwrap_err();
        }
        read(&[&bytes[..], b"\0"].concat()).unwrap_err();
    }

    /// Makes the hashes right again, so that what is behind them is looked at.
    fn hashed(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - 16;
        let hash = XxHash3_64::oneshot(&bytes[HEADER_BYTES..end]);
        bytes[end..end + 8].copy_from_slice(&hash.to_le_bytes());
        let hash = XxHash3_64::oneshot(&bytes[..HASHED_BYTES]);
        bytes[HASHED_BYTES..HASHED_BYTES + 8].copy_from_slice(&hash.to_le_bytes());
        bytes
    }

    #[test]
    fn damage_behind_right_hashes_is_an_error_or_another_image_and_never_a_panic() {
        let bytes = checkpoint().to_bytes();
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let _ = read(&hashed(bytes));
        }
        let mut random = Pcg64::seed_from_u64(1);
        for _ in 0..20_000 {
            let mut bytes = bytes.clone();
            for _ in 0..random.random_range(1..8) {
                let at = random.random_range(HEADER_BYTES..bytes.len() - 16);
                bytes[at] = random.random();
            }
            let _ = read(&hashed(bytes));
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut bytes = checkpoint().to_bytes();
        bytes[8] = 2;
        let error = read(&hashed(bytes)).unwrap_err();
        assert!(matches!(error, CheckpointError::Version { found: 2, .. }), "{error}");
    }
}
