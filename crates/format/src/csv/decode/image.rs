//! What a decoder of CSV knows of its texts, for a checkpoint: their headers, and how far each has been passed.

use tidemill_record::Offset;
use tidemill_record::image::{Image, ImageError};

use super::{CsvDecoder, EARLIER_MAX, Layout, Preamble, Text};
use crate::{LeftOut, Lost};

impl CsvDecoder {
    /// As [`crate::Decoder::export`].
    pub(crate) fn export(&self) -> Image {
        let mut image = Image::new();
        let place = (self.head, self.is_from_head, self.preamble);
        image.put_image("text", self.export_text(place, self.layout.as_ref()));
        let earlier = self.earlier.iter().map(|text| {
            let place = (text.head, text.is_from_head, text.preamble);
            self.export_text(place, text.layout.as_ref())
        });
        image.put_images("earlier", earlier);
        let beside = self.left_out.iter().filter_map(|one| match &one.what {
            Lost::Column(name) => Some((name.as_bytes(), one.first.0)),
            _ => None,
        });
        let (names, firsts): (Vec<_>, Vec<_>) = beside.unzip();
        image.put_texts("columns_beside", names);
        image.put("columns_beside_at", firsts);
        image.put_image("rows", self.rows.export());
        image
    }

    fn export_text(
        &self,
        (head, is_from_head, preamble): (u64, Option<bool>, Preamble),
        layout: Option<&Layout>,
    ) -> Image {
        let mut image = Image::new();
        image.put_one("head", head);
        image.put_option("is_from_head", is_from_head.map(u8::from));
        image.put_one("lines_left", preamble.lines_left());
        // Without one in the text every layout is the same.
        if let Some(layout) = layout.filter(|_| self.options.has_header) {
            image.put_texts("header", layout.header.iter().map(String::as_bytes));
        }
        image
    }

    /// As [`crate::Decoder::import`].
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let rows = image.take_image("rows")?;
        self.rows.import(rows).map_err(|error| error.within("rows"))?;
        let names = image.take_texts("columns_beside")?;
        let firsts: Vec<u64> = image.take_exactly("columns_beside_at", names.len())?;
        let beside = names.iter().zip(firsts).map(|(name, first)| {
            let what = Lost::Column(text_of(name, "columns_beside")?);
            Ok(LeftOut { what, count: 1, first: Offset(first) })
        });
        self.left_out = beside.collect::<Result<_, ImageError>>()?;
        let texts = image.take_images("earlier")?;
        if texts.len() > EARLIER_MAX {
            let reason = format!("has {} texts, and {EARLIER_MAX} are kept", texts.len());
            return Err(ImageError::new("earlier", reason));
        }
        for text in texts {
            let text = self.import_text(text).map_err(|error| error.within("earlier"))?;
            self.earlier.push_back(text);
        }
        let text = image.take_image("text")?;
        let text = self.import_text(text).map_err(|error| error.within("text"))?;
        // It has served already for a text whose header is known and that began within its file.
        if text.is_from_head == Some(false) && text.layout.is_some() {
            self.given_header = None;
        }
        (self.head, self.is_from_head, self.preamble) =
            (text.head, text.is_from_head, text.preamble);
        if self.options.has_header {
            self.layout = text.layout;
        }
        image.end()
    }

    fn import_text(&mut self, mut image: Image) -> Result<Text, ImageError> {
        let head = image.take_one("head")?;
        let is_from_head = match image.take_option::<u8>("is_from_head")? {
            None => None,
            Some(flag @ (0 | 1)) => Some(flag == 1),
            Some(_) => return Err(ImageError::new("is_from_head", "is neither 0 nor 1")),
        };
        let lines_left: u32 = image.take_one("lines_left")?;
        if lines_left > self.options.reading.skip_lines {
            return Err(ImageError::new("lines_left", "is more than the lines to be skipped"));
        }
        let mut layout = None;
        if self.options.has_header && image.has("header") {
            let header = image.take_texts("header")?;
            let header: Result<Vec<String>, ImageError> =
                header.iter().map(|name| text_of(name, "header")).collect();
            let laid_out = self.laid_out(&header?);
            layout = Some(laid_out.map_err(|error| ImageError::new("header", error.to_string()))?);
        }
        image.end()?;
        Ok(Text { head, layout, is_from_head, preamble: Preamble::skipping(lines_left) })
    }
}

fn text_of(bytes: &[u8], name: &str) -> Result<String, ImageError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ImageError::new(name, "is not UTF-8"))?;
    Ok(text.to_owned())
}
