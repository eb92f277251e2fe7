//! What has state, written down as flat columns, so that it can be kept outside of the process and made again.
//!
//! A table puts its columns into an [`Image`] by name, and takes them out again where it is restored. Images hold
//! images, so that a table need not know in what it stands. Whoever restores trusts nothing: what is missing, of
//! another kind or of another length is an [`ImageError`] with the name, and what those columns mean (indices
//! within bounds, lengths that agree) is checked by who takes them.
//!
//! Numbers are kept as little-endian bytes. An image is a function of what is held alone, never of how much room
//! it had, in what order a hash table would be walked, or how the input was cut into batches: the images of one
//! state are equal.

mod arrays;
mod error;
mod flat;
mod take;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::BTreeMap;

pub use error::ImageError;
pub use flat::Flat;
pub use texts::Texts;

/// Named columns and named images within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    entries: BTreeMap<String, Entry>,
}

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Numbers of one width.
    Numbers {
        /// Bytes of each.
        width: u8,
        /// All of them, little-endian, one behind the other.
        bytes: Vec<u8>,
    },
    /// Texts or other bytes, of any length each.
    Texts(Texts),
    /// What something else holds.
    Image(Image),
}

impl Image {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn put_entry(&mut self, name: &str, entry: Entry) {
        debug_assert!(!name.is_empty() && !name.contains('/'), "a name stands for itself: {name}");
        let before = self.entries.insert(name.to_owned(), entry);
        assert!(before.is_none(), "a name is put once: {name}");
    }

    /// Puts numbers.
    ///
    /// # Panics
    /// If the name has been put before; so do all the others.
    pub fn put<T: Flat>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let values = values.into_iter();
        let mut bytes = Vec::with_capacity(values.size_hint().0 * T::WIDTH);
        values.for_each(|value| value.put(&mut bytes));
        let width = u8::try_from(T::WIDTH).expect("a number is a few bytes");
        self.put_entry(name, Entry::Numbers { width, bytes });
    }

    /// Puts one number.
    pub fn put_one<T: Flat>(&mut self, name: &str, value: T) {
        self.put(name, [value]);
    }

    /// Puts a number that may be absent.
    pub fn put_option<T: Flat>(&mut self, name: &str, value: Option<T>) {
        self.put(name, value);
    }

    /// Puts flags, one byte each.
    pub fn put_flags(&mut self, name: &str, values: impl IntoIterator<Item = bool>) {
        self.put(name, values.into_iter().map(u8::from));
    }

    /// Puts strings of bytes.
    pub fn put_texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a [u8]>) {
        let mut texts = Texts::default();
        values.into_iter().for_each(|value| texts.push(value));
        self.put_entry(name, Entry::Texts(texts));
    }

    /// Puts what something else holds.
    pub fn put_image(&mut self, name: &str, image: Self) {
        self.put_entry(name, Entry::Image(image));
    }

    /// Puts images, one behind the other.
    pub fn put_images(&mut self, name: &str, images: impl IntoIterator<Item = Self>) {
        let mut all = Self::new();
        for (at, image) in images.into_iter().enumerate() {
            // In the order of their names, so that they come back in theirs.
            all.put_image(&format!("{at:010}"), image);
        }
        self.put_image(name, all);
    }

    /// Whether there is an entry of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Bytes that it holds, names aside.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        let of = |entry: &Entry| match entry {
            Entry::Numbers { bytes, .. } => bytes.len(),
            Entry::Texts(texts) => texts.bytes.len() + texts.ends.len() * 8,
            Entry::Image(image) => image.byte_count(),
        };
        self.entries.values().map(of).sum()
    }

    /// The entries, in order of their names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The same, to be moved elsewhere.
    pub fn into_entries(self) -> impl Iterator<Item = (String, Entry)> {
        self.entries.into_iter()
    }

    /// Puts an entry as [`Self::into_entries`] gave it.
    pub fn insert(&mut self, name: String, entry: Entry) {
        self.put_entry(&name, entry);
    }
}
