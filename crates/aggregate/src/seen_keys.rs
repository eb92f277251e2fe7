//! Which keys a partition has seen: what a declaration that they lie in one partition is held to.
//!
//! A key is a 64-bit hash, the same in every table. The values behind some hashes are kept, too, so that a
//! breach can be named: behind the [`NAMED_MAX`] least ones. Those are the same sample in every partition,
//! because the hash decides, so that of keys that two partitions share it finds one unless they are very few
//! among very many.

use std::collections::{BTreeMap, HashSet};

use tidemill_record::image::{Image, ImageError};

use crate::intern::Interner;

/// Most keys of groups that are gone: the audit of a stream that never ends must not grow with it.
const GONE_MAX: usize = 1 << 20;

/// Most keys of a partition whose values are kept.
const NAMED_MAX: usize = 4096;

/// The keys that one partition has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenKeys {
    /// A hash for each distinct key, ascending.
    pub fingerprints: Vec<u64>,
    /// The values behind the least of them, as SQL literals separated by commas.
    pub named: BTreeMap<u64, String>,
}

impl SeenKeys {
    /// The keys of groups that are there, by some columns of the group key.
    ///
    /// # Cost
    /// O(groups log groups), and eight bytes a group.
    pub(crate) fn of(groups: &Interner, columns: &[usize]) -> Self {
        Self::default().with(std::iter::once(groups), columns)
    }

    /// These and the keys of groups that are there.
    fn with<'a>(
        mut self,
        tables: impl Iterator<Item = &'a Interner> + Clone,
        columns: &[usize],
    ) -> Self {
        let Self { fingerprints, named } = &mut self;
        fingerprints.extend(tables.clone().flat_map(|groups| groups.fingerprints(columns)));
        fingerprints.sort_unstable();
        fingerprints.dedup();
        let greatest = fingerprints.get(NAMED_MAX - 1).copied().unwrap_or(u64::MAX);
        named.retain(|&fingerprint, _| fingerprint <= greatest);
        for groups in tables {
            for (group, fingerprint) in groups.fingerprints(columns).enumerate() {
                if fingerprint <= greatest {
                    let text = || groups.key_text(group, columns.iter().copied());
                    named.entry(fingerprint).or_insert_with(text);
                }
            }
        }
        self
    }

    /// All of them, to be made again by [`Self::import`].
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put("fingerprints", self.fingerprints.iter().copied());
        image.put("named_fingerprints", self.named.keys().copied());
        image.put_texts("names", self.named.values().map(String::as_bytes));
        image
    }

    /// Those that were exported.
    ///
    /// # Errors
    /// [`ImageError`], also where they are not in order.
    pub fn import(mut image: Image) -> Result<Self, ImageError> {
        let fingerprints: Vec<u64> = image.take("fingerprints")?;
        let named: Vec<u64> = image.take("named_fingerprints")?;
        let names = image.take_texts("names")?;
        image.end()?;
        for (name, hashes) in [("fingerprints", &fingerprints), ("named_fingerprints", &named)] {
            if !hashes.is_sorted_by(|before, next| before < next) {
                return Err(ImageError::new(name, "does not ascend"));
            }
        }
        if names.len() != named.len() || named.len() > NAMED_MAX {
            return Err(ImageError::new("names", "has not one for each that is named"));
        }
        let name = |name: &[u8]| str::from_utf8(name).map(str::to_owned);
        let names: Result<Vec<String>, _> = names.iter().map(name).collect();
        let names = names.map_err(|_| ImageError::new("names", "is not UTF-8"))?;
        Ok(Self { fingerprints, named: named.into_iter().zip(names).collect() })
    }

    /// Bytes held, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.fingerprints.capacity() * size_of::<u64>() + named_bytes(&self.named)
    }
}

/// The keys of groups that a table has had, beyond the groups themselves.
pub(crate) struct GoneKeys {
    /// Places in the group key; nothing is kept without any.
    columns: Vec<usize>,
    /// Keys of groups that are gone, up to a million.
    gone: HashSet<u64>,
    named: BTreeMap<u64, String>,
}

impl GoneKeys {
    pub(crate) fn new(columns: &[usize]) -> Self {
        Self { columns: columns.to_vec(), gone: HashSet::new(), named: BTreeMap::new() }
    }

    /// All keys there have been, as those that are gone, to be made again by [`Self::import`]; see [`Self::seen`].
    ///
    /// When a table lets go of a group may depend on how the input was cut into batches. Such a table gives the keys of
    /// its groups, too.
    ///
    /// # Cost
    /// O(keys log keys); nothing where no column is audited.
    pub(crate) fn export<'a>(&self, held: impl Iterator<Item = &'a Interner> + Clone) -> Image {
        self.seen(held).export()
    }

    /// Takes over what another of the same columns has exported; only of one without keys.
    ///
    /// # Errors
    /// As [`SeenKeys::import`], and where there are keys and no column is audited.
    pub(crate) fn import(&mut self, image: Image) -> Result<(), ImageError> {
        let SeenKeys { fingerprints, named } = SeenKeys::import(image)?;
        if self.columns.is_empty() && !(fingerprints.is_empty() && named.is_empty()) {
            return Err(ImageError::new("fingerprints", "are those of no column"));
        }
        self.gone = fingerprints.into_iter().collect();
        self.named = named;
        Ok(())
    }

    /// Keeps the keys of all groups, which go.
    pub(crate) fn add(&mut self, groups: &Interner) {
        (0..groups.group_count()).for_each(|group| self.add_group(groups, group));
    }

    /// Keeps the key of a group that goes.
    pub(crate) fn add_group(&mut self, groups: &Interner, group: usize) {
        if self.columns.is_empty() || self.gone.len() >= GONE_MAX {
            return;
        }
        let fingerprint = groups.fingerprint(group, &self.columns);
        if !self.gone.insert(fingerprint) {
            return;
        }
        if self.named.len() == NAMED_MAX {
            match self.named.last_entry() {
                Some(greatest) if *greatest.key() > fingerprint => drop(greatest.remove()),
                _ => return,
            }
        }
        let text = groups.key_text(group, self.columns.iter().copied());
        self.named.insert(fingerprint, text);
    }

    /// Bytes held, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        // A hash set has a byte beside each entry.
        self.gone.capacity() * (size_of::<u64>() + 1) + named_bytes(&self.named)
    }

    /// All keys there have been: those that are kept, and those of groups that are still there. Of more
    /// than a million that are gone, some.
    pub(crate) fn seen<'a>(&self, tables: impl Iterator<Item = &'a Interner> + Clone) -> SeenKeys {
        if self.columns.is_empty() {
            return SeenKeys::default();
        }
        let fingerprints = self.gone.iter().copied().collect();
        SeenKeys { fingerprints, named: self.named.clone() }.with(tables, &self.columns)
    }
}

/// Bytes of a map of that many names, at some forty characters each.
fn named_bytes(named: &BTreeMap<u64, String>) -> usize {
    named.len() * (size_of::<(u64, String)>() + 40)
}
