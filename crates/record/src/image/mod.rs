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

use std::collections::BTreeMap;
use std::fmt;

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

/// Strings of bytes, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Where each ends in `bytes`; they never descend.
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

/// Why an image cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageError {
    /// Names from the outermost image to the entry, with `/` between.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ImageError {
    /// Of an entry, or of the image at hand where the name is empty.
    pub fn new(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }

    /// The same, seen from an image that holds the one at fault under this name.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.name =
            if self.name.is_empty() { outer.into() } else { format!("{outer}/{}", self.name) };
        self
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for ImageError {}

/// Numbers that an image can hold.
pub trait Flat: Copy {
    /// Bytes of one.
    const WIDTH: usize;

    /// Appends one, little-endian.
    fn put(self, bytes: &mut Vec<u8>);

    /// Reads one from exactly [`Self::WIDTH`] bytes.
    fn take(bytes: &[u8]) -> Self;
}

macro_rules! flat {
    ($($number:ty),*) => {$(
        impl Flat for $number {
            const WIDTH: usize = size_of::<$number>();

            #[inline(always)]
            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }

            #[inline(always)]
            fn take(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().expect("as many as a number has"))
            }
        }
    )*};
}

flat!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);

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

    fn take_entry(&mut self, name: &str) -> Result<Entry, ImageError> {
        self.entries.remove(name).ok_or_else(|| ImageError::new(name, "is missing"))
    }

    /// Takes numbers.
    ///
    /// # Errors
    /// [`ImageError`] where they are missing or of another width; so do all the others.
    pub fn take<T: Flat>(&mut self, name: &str) -> Result<Vec<T>, ImageError> {
        match self.take_entry(name)? {
            Entry::Numbers { width, bytes } if usize::from(width) == T::WIDTH => {
                if !bytes.len().is_multiple_of(T::WIDTH) {
                    return Err(ImageError::new(name, "ends within a number"));
                }
                Ok(bytes.chunks_exact(T::WIDTH).map(T::take).collect())
            }
            _ => Err(ImageError::new(name, format!("is no column of {}-byte numbers", T::WIDTH))),
        }
    }

    /// Takes exactly so many numbers.
    ///
    /// # Errors
    /// As [`Self::take`], and where there are more or fewer.
    pub fn take_exactly<T: Flat>(
        &mut self,
        name: &str,
        count: usize,
    ) -> Result<Vec<T>, ImageError> {
        let values = self.take(name)?;
        expect_count(name, values.len(), count)?;
        Ok(values)
    }

    /// Takes one number.
    ///
    /// # Errors
    /// As [`Self::take_exactly`].
    pub fn take_one<T: Flat>(&mut self, name: &str) -> Result<T, ImageError> {
        Ok(self.take_exactly(name, 1)?[0])
    }

    /// Takes a number that may be absent.
    ///
    /// # Errors
    /// As [`Self::take`], and where there are several.
    pub fn take_option<T: Flat>(&mut self, name: &str) -> Result<Option<T>, ImageError> {
        let values = self.take(name)?;
        expect_count(name, values.len(), values.len().min(1))?;
        Ok(values.first().copied())
    }

    /// Takes exactly so many flags.
    ///
    /// # Errors
    /// As [`Self::take_exactly`], and where a byte is neither 0 nor 1.
    pub fn take_flags(&mut self, name: &str, count: usize) -> Result<Vec<bool>, ImageError> {
        let bytes: Vec<u8> = self.take_exactly(name, count)?;
        if bytes.iter().any(|&byte| byte > 1) {
            return Err(ImageError::new(name, "holds a flag that is neither 0 nor 1"));
        }
        Ok(bytes.into_iter().map(|byte| byte == 1).collect())
    }

    /// Takes one flag.
    ///
    /// # Errors
    /// As [`Self::take_flags`].
    pub fn take_flag(&mut self, name: &str) -> Result<bool, ImageError> {
        Ok(self.take_flags(name, 1)?[0])
    }

    /// Takes strings of bytes.
    ///
    /// # Errors
    /// As [`Self::take`], and where ends descend or lie beyond the bytes.
    pub fn take_texts(&mut self, name: &str) -> Result<Texts, ImageError> {
        let Entry::Texts(texts) = self.take_entry(name)? else {
            return Err(ImageError::new(name, "is no column of texts"));
        };
        let last = texts.ends.last().copied().unwrap_or(0);
        let byte_count = u64::try_from(texts.bytes.len()).expect("usize is at most 64 bits");
        if !texts.ends.is_sorted() || last != byte_count {
            return Err(ImageError::new(name, "has texts that end elsewhere than its bytes"));
        }
        Ok(texts)
    }

    /// Takes one string of bytes.
    ///
    /// # Errors
    /// As [`Self::take_texts`], and where there is not exactly one.
    pub fn take_text(&mut self, name: &str) -> Result<Vec<u8>, ImageError> {
        let texts = self.take_texts(name)?;
        expect_count(name, texts.len(), 1)?;
        Ok(texts.bytes)
    }

    /// Takes an image.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_image(&mut self, name: &str) -> Result<Self, ImageError> {
        match self.take_entry(name)? {
            Entry::Image(image) => Ok(image),
            _ => Err(ImageError::new(name, "is no image")),
        }
    }

    /// Takes images that were put as [`Self::put_images`] does.
    ///
    /// # Errors
    /// As [`Self::take_image`].
    pub fn take_images(&mut self, name: &str) -> Result<Vec<Self>, ImageError> {
        let all = self.take_image(name)?;
        let images = all.entries.into_iter().map(|(at, entry)| match entry {
            Entry::Image(image) => Ok(image),
            _ => Err(ImageError::new(at, "is no image").within(name)),
        });
        images.collect()
    }

    /// Ends the taking: nothing may be left over, since what nobody takes nobody restores.
    ///
    /// # Errors
    /// The first name that is left.
    pub fn end(self) -> Result<(), ImageError> {
        match self.entries.into_keys().next() {
            Some(name) => Err(ImageError::new(name, "is not known here")),
            None => Ok(()),
        }
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

fn expect_count(name: &str, count: usize, wanted: usize) -> Result<(), ImageError> {
    if count == wanted {
        return Ok(());
    }
    Err(ImageError::new(name, format!("has {count} values and not {wanted}")))
}

impl Texts {
    /// Of where each ends, and of all their bytes; whether these agree is checked as they are taken from an image.
    #[must_use]
    pub fn from_parts(ends: Vec<u64>, bytes: Vec<u8>) -> Self {
        Self { ends, bytes }
    }

    /// Where each ends, and all their bytes.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u64>, Vec<u8>) {
        (self.ends, self.bytes)
    }

    /// Appends one.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(u64::try_from(self.bytes.len()).expect("usize is at most 64 bits"));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where each ends.
    #[must_use]
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// All their bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let place = |end: u64| usize::try_from(end).expect("bytes are in memory");
        (0..self.ends.len()).map(move |at| {
            let start = at.checked_sub(1).map_or(0, |before| place(self.ends[before]));
            &self.bytes[start..place(self.ends[at])]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Entry, Image, Texts};

    #[test]
    fn what_is_put_is_taken() {
        let mut inner = Image::new();
        inner.put("sums", [1_i128, -2, i128::MAX]);
        inner.put_flags("seen", [true, false]);
        let mut image = Image::new();
        image.put_texts("keys", [&b"a"[..], b"", b"\xff\0"]);
        image.put_option("none", None::<u64>);
        image.put_option("some", Some(f64::NAN));
        image.put_images("states", [inner.clone(), Image::new()]);
        assert_eq!(image.byte_count(), 3 + 24 + 8 + 48 + 2);

        let texts = image.take_texts("keys").unwrap();
        assert!(texts.iter().eq([&b"a"[..], b"", b"\xff\0"]));
        assert_eq!(image.take_option::<u64>("none").unwrap(), None);
        assert!(image.take_option::<f64>("some").unwrap().unwrap().is_nan());
        let mut states = image.take_images("states").unwrap();
        assert_eq!(states.len(), 2);
        assert_eq!(states[0].take::<i128>("sums").unwrap(), [1, -2, i128::MAX]);
        assert_eq!(states[0].take_flags("seen", 2).unwrap(), [true, false]);
        image.end().unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut image = Image::new();
        image.put("numbers", [1_u32, 2]);
        image.put("flags", [0_u8, 2]);
        image.insert("ends".into(), Entry::Texts(Texts::from_parts(vec![5, 2], vec![0; 2])));
        image.insert("cut".into(), Entry::Numbers { width: 8, bytes: vec![0; 9] });
        let said = |error: super::ImageError| error.within("table").to_string();
        assert_eq!(
            said(image.clone().take::<u64>("numbers").unwrap_err()),
            "table/numbers: is no column of 8-byte numbers"
        );
        assert_eq!(
            said(image.clone().take_one::<u32>("numbers").unwrap_err()),
            "table/numbers: has 2 values and not 1"
        );
        assert_eq!(
            said(image.clone().take_flags("flags", 2).unwrap_err()),
            "table/flags: holds a flag that is neither 0 nor 1"
        );
        assert_eq!(
            said(image.clone().take_texts("ends").unwrap_err()),
            "table/ends: has texts that end elsewhere than its bytes"
        );
        assert_eq!(
            said(image.clone().take::<u64>("cut").unwrap_err()),
            "table/cut: ends within a number"
        );
        assert_eq!(said(image.clone().take_image("other").unwrap_err()), "table/other: is missing");
        assert_eq!(said(image.end().unwrap_err()), "table/cut: is not known here");
    }
}
