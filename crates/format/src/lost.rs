//! What a decoder leaves out of input whose columns were inferred from its head.
//!
//! Nobody chose those columns: a key or column that is not among them is missed by whoever reads the
//! result, so it is counted and named. Where columns are declared, what is beside them is not wanted.

use std::collections::{HashMap, HashSet};

use tidemill_record::image::{Image, ImageError};
use tidemill_record::{Offset, Schema};

use crate::arrow::FoundColumn;

/// One thing that a decoder left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What it was.
    pub what: Lost,
    /// Records that lost it, or 1 where it is a column of the whole input.
    pub count: u64,
    /// The first of them.
    pub first: Offset,
}

/// What can be left out. Names are those of the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// A key of JSON objects that is no column of the schema.
    Key(String),
    /// Keys beyond those that are told apart.
    FurtherKeys,
    /// A column that is none of the schema.
    Column(String),
    /// A column whose type no SQL type holds.
    Type {
        /// Its name.
        column: String,
        /// Why none does, and what helps.
        reason: String,
    },
    /// Digits below the microsecond, of timestamps in this column.
    Digits(String),
}

/// Longest key that is told apart, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// Keys that are told apart.
const KEYS_MAX: usize = 64;

/// Counts in images are no larger: what is counted goes on from there.
const COUNT_MAX: u64 = i64::MAX as u64;

/// Takes so many counts from an image.
pub(crate) fn take_counts(
    image: &mut Image,
    name: &str,
    count: usize,
) -> Result<Vec<u64>, ImageError> {
    let counts: Vec<u64> = image.take_exactly(name, count)?;
    if counts.iter().any(|count| *count > COUNT_MAX) {
        return Err(ImageError::new(name, "has a count that nothing reaches"));
    }
    Ok(counts)
}

/// Takes a place in the input from an image.
pub(crate) fn take_place(image: &mut Image, name: &str) -> Result<u64, ImageError> {
    Ok(take_counts(image, name, 1)?[0])
}

/// Counts records by the keys that were left out of them.
#[derive(Default)]
pub(crate) struct UnknownKeys {
    /// Places in `counts`, at most [`KEYS_MAX`].
    places: HashMap<Box<[u8]>, usize>,
    counts: Vec<LeftOut>,
    further: Option<LeftOut>,
    /// Keys of the record at hand, one entry each; `None` is a further one.
    pending: Vec<Option<usize>>,
}

impl UnknownKeys {
    /// Notes a key of the record at hand.
    pub(crate) fn note(&mut self, key: &[u8]) {
        let place = self.places.get(key).copied();
        let place = place.or_else(|| {
            if key.len() > KEY_BYTES_MAX || self.counts.len() == KEYS_MAX {
                return None;
            }
            let what = Lost::Key(String::from_utf8_lossy(key).into_owned());
            self.counts.push(LeftOut { what, count: 0, first: Offset(0) });
            self.places.insert(key.into(), self.counts.len() - 1);
            Some(self.counts.len() - 1)
        });
        if !self.pending.contains(&place) {
            self.pending.push(place);
        }
        debug_assert!(self.pending.len() <= KEYS_MAX + 1);
    }

    /// Whether the record at hand has any.
    pub(crate) fn is_any_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Counts the record at hand, which is at `offset`.
    pub(crate) fn count(&mut self, offset: Offset) {
        for place in self.pending.drain(..) {
            let counted = match place {
                Some(place) => &mut self.counts[place],
                None => self.further.get_or_insert(LeftOut {
                    what: Lost::FurtherKeys,
                    count: 0,
                    first: offset,
                }),
            };
            if counted.count == 0 {
                counted.first = offset;
            }
            counted.count += 1;
        }
    }

    /// Forgets the record at hand, which is bad.
    pub(crate) fn drop_pending(&mut self) {
        self.pending.clear();
    }

    /// What was counted, between two records.
    pub(crate) fn export(&self) -> Image {
        debug_assert!(self.pending.is_empty(), "no record is at hand");
        let mut keys: Vec<(usize, &[u8])> =
            self.places.iter().map(|(key, place)| (*place, &**key)).collect();
        keys.sort_unstable();
        let mut image = Image::new();
        image.put_texts("keys", keys.into_iter().map(|(_, key)| key));
        image.put("counts", self.counts.iter().map(|one| one.count));
        image.put("firsts", self.counts.iter().map(|one| one.first.0));
        image.put("further", self.further.iter().flat_map(|one| [one.count, one.first.0]));
        image
    }

    /// Takes over what another one has counted.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let keys = image.take_texts("keys")?;
        if keys.len() > KEYS_MAX {
            let reason = format!("has {} keys, and {KEYS_MAX} are told apart", keys.len());
            return Err(ImageError::new("keys", reason));
        }
        let counts = take_counts(&mut image, "counts", keys.len())?;
        let firsts: Vec<u64> = image.take_exactly("firsts", keys.len())?;
        let further: Vec<u64> = image.take("further")?;
        image.end()?;
        self.further = match further[..] {
            [] => None,
            [count, first] if count <= COUNT_MAX => {
                Some(LeftOut { what: Lost::FurtherKeys, count, first: Offset(first) })
            }
            _ => return Err(ImageError::new("further", "is not a count and an offset")),
        };
        self.places = keys.iter().enumerate().map(|(place, key)| (Box::from(key), place)).collect();
        if self.places.len() != keys.len() || keys.iter().any(|key| key.len() > KEY_BYTES_MAX) {
            return Err(ImageError::new("keys", "has a key twice, or one that is too long"));
        }
        let counted = keys.iter().zip(counts.into_iter().zip(firsts));
        let counted = counted.map(|(key, (count, first))| LeftOut {
            what: Lost::Key(String::from_utf8_lossy(key).into_owned()),
            count,
            first: Offset(first),
        });
        self.counts = counted.collect();
        Ok(())
    }

    /// All that was counted.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        let counted = self.counts.iter().chain(&self.further);
        counted.filter(|one| one.count > 0).cloned()
    }
}

/// Columns of a CSV header that are none of the schema's, whatever their case.
pub(crate) fn header_columns(header: &[String], schema: &Schema, head: u64) -> Vec<LeftOut> {
    let known: HashSet<String> =
        schema.fields.iter().map(|field| field.name.to_ascii_lowercase()).collect();
    let unknown = header.iter().filter(|name| !known.contains(&name.to_ascii_lowercase()));
    let left_out =
        |name: &String| LeftOut { what: Lost::Column(name.clone()), count: 1, first: Offset(head) };
    unknown.map(left_out).collect()
}

/// Columns with Arrow types that are none of the schema's.
pub(crate) fn found_beside(found: &[FoundColumn], schema: &Schema) -> Vec<LeftOut> {
    let known: HashSet<&str> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    let unknown = found.iter().filter(|column| !known.contains(column.name.as_str()));
    let what = |column: &FoundColumn| match column.sql_type() {
        Ok(_) => Lost::Column(column.name.clone()),
        Err(reason) => Lost::Type { column: column.name.clone(), reason },
    };
    unknown.map(|column| LeftOut { what: what(column), count: 1, first: Offset(0) }).collect()
}
