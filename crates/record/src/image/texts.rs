//! Strings of bytes as a column.

/// Strings of bytes, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Where each ends in `bytes`; they never descend.
    pub(super) ends: Vec<u64>,
    pub(super) bytes: Vec<u8>,
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
