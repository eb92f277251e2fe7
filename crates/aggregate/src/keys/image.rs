//! Interned values as columns of an image: each as it first came, float by float and span by span.

use arrow_array::{Array, ArrayRef};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::column::Store;
use super::{KeyColumn, KeyInput};

/// Takes a column of so many values.
///
/// # Errors
/// [`ImageError`], also where there are more or fewer, or some that are not of the type.
pub(crate) fn take_column(
    image: &mut Image,
    name: &str,
    data_type: &DataType,
    count: usize,
) -> Result<ArrayRef, ImageError> {
    let values = image.take_array(name, data_type)?;
    if values.len() != count {
        let reason = format!("has {} values and not {count}", values.len());
        return Err(ImageError::new(name, reason));
    }
    Ok(values)
}

impl KeyColumn {
    /// Puts the values of these groups, in this order.
    pub(crate) fn export(&self, name: &str, groups: &[u32], image: &mut Image) {
        image.put_array(name, &self.gather(groups), &self.data_type);
    }

    /// Takes values as those of the groups from 0 on, of which there is none yet: so many, or all that there are; how
    /// many that is.
    ///
    /// # Errors
    /// As [`take_column`], and where values are more than can be numbered.
    pub(crate) fn import(
        &mut self,
        name: &str,
        image: &mut Image,
        count: Option<usize>,
    ) -> Result<usize, ImageError> {
        let values = match count {
            Some(count) => take_column(image, name, &self.data_type, count)?,
            None => image.take_array(name, &self.data_type)?,
        };
        // The last number is none of a group.
        if u32::try_from(values.len()).ok().is_none_or(|count| count == u32::MAX) {
            return Err(ImageError::new(name, "has more values than can be numbered"));
        }
        let input = self.input(&values);
        self.store = match input {
            KeyInput::Fixed(input) => Store::Fixed(input.into()),
            KeyInput::Wide(input) => Store::Wide(input.into()),
            KeyInput::Bytes(input) => Store::Bytes(input.into()),
        };
        Ok(values.len())
    }
}
