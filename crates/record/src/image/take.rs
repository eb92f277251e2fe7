//! Taking out of an image what was put into it, with a look at whether it is that.

use super::{Entry, Flat, Image, ImageError, Texts};

impl Image {
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
}

fn expect_count(name: &str, count: usize, wanted: usize) -> Result<(), ImageError> {
    if count == wanted {
        return Ok(());
    }
    Err(ImageError::new(name, format!("has {count} values and not {wanted}")))
}
