//! What the stages hold between two turns, as an image, and how they go on from there.

use tidemill_aggregate::Sealed;
use tidemill_record::{EventTime, Image, ImageError};

use super::Processor;

impl Processor {
    /// Whether nothing is on its way through the stages, so that what they hold is all there is.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.is_leaving()
            && self.draining.is_none()
            && self.drained_count == 0
            && self.late.is_empty()
            && self.results.is_empty()
    }

    /// What it holds, to be made again by [`Self::import`].
    ///
    /// # Panics
    /// Unless it [is at rest](Self::is_at_rest).
    pub(crate) fn export(&mut self) -> Image {
        assert!(self.is_at_rest(), "nothing is on its way");
        let mut image = Image::new();
        image.put_one("watermark", self.watermark.0);
        image.put_image("order", self.order.export());
        image.put_images("steps", self.steps.iter_mut().map(|step| step.export()));
        if let Some(seal) = &mut self.seal {
            image.put_image("seal", seal.export());
        }
        image
    }

    /// A table of the kind that it seals.
    pub(crate) fn import_sealed(&self, image: Image) -> Result<Sealed, ImageError> {
        let merge = self.merge.as_ref();
        let merge =
            merge.ok_or_else(|| ImageError::new("", "is of a pipeline that seals nothing"))?;
        let mut sealed = Sealed::new(merge, u64::MAX);
        sealed.import(image)?;
        Ok(sealed)
    }

    /// Takes over what one of the same stages has exported; only before the first batch.
    ///
    /// # Errors
    /// [`ImageError`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        self.watermark = EventTime(image.take_one("watermark")?);
        self.order.import(image.take_image("order")?).map_err(|error| error.within("order"))?;
        let steps = image.take_images("steps")?;
        if steps.len() != self.steps.len() {
            let reason = format!("has {} steps and not {}", steps.len(), self.steps.len());
            return Err(ImageError::new("steps", reason));
        }
        for (at, (step, image)) in self.steps.iter_mut().zip(steps).enumerate() {
            step.import(image).map_err(|error| error.within(&format!("steps/{at}")))?;
        }
        if let Some(seal) = &mut self.seal {
            seal.import(image.take_image("seal")?).map_err(|error| error.within("seal"))?;
        }
        image.end()
    }
}
