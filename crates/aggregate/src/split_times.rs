//! Event times of one piece of a file that is read as several, held against those of the pieces before.
//!
//! A piece is read before anybody knows the watermark that comes into it. That watermark changes nothing where
//! every event time of the piece is at or beyond it: a window that a record lies in ends behind the record, so that
//! none is late by it, and the watermark of the piece alone decides as it does.

use tidemill_record::{EventTime, Image, ImageError};

use crate::far_ahead::is_beyond;

/// What the event times of a piece of a file were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitTimes {
    /// The piece begins with the file.
    pub is_first: bool,
    /// The first and the least of them; `None` where there are none.
    pub first_and_least: Option<(EventTime, EventTime)>,
    /// The watermark behind the last record.
    pub watermark: EventTime,
    /// Some were too far ahead of the watermark.
    pub has_far_ahead: bool,
    /// `watermark.max_ahead`, in microseconds.
    pub max_ahead_us: Option<i64>,
}

impl SplitTimes {
    /// All of it, to be made again by [`Self::import`].
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_flags("is_first", [self.is_first]);
        let times = self.first_and_least.map(|(first, least)| [first.0, least.0]);
        image.put("first_and_least", times.into_iter().flatten());
        image.put_one("watermark", self.watermark.0);
        image.put_flags("has_far_ahead", [self.has_far_ahead]);
        image.put_option("max_ahead_us", self.max_ahead_us);
        image
    }

    /// What another was that has exported this.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn import(mut image: Image) -> Result<Self, ImageError> {
        let first_and_least = match image.take::<i64>("first_and_least")?[..] {
            [] => None,
            [first, least] => Some((EventTime(first), EventTime(least))),
            _ => return Err(ImageError::new("first_and_least", "is not two times")),
        };
        let times = Self {
            is_first: image.take_flag("is_first")?,
            first_and_least,
            watermark: EventTime(image.take_one("watermark")?),
            has_far_ahead: image.take_flag("has_far_ahead")?,
            max_ahead_us: image.take_option("max_ahead_us")?,
        };
        image.end().map(|()| times)
    }

    /// Whether the piece was read as it would have been behind others that leave this watermark.
    #[must_use]
    pub fn follow(&self, incoming: EventTime) -> bool {
        let Some((first, least)) = self.first_and_least else { return true };
        let is_in_reach = self.max_ahead_us.is_none_or(|max_us| {
            incoming != EventTime::MIN && !is_beyond(first.0, incoming.0, max_us)
        });
        !self.has_far_ahead && is_in_reach && least >= incoming
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(first: i64, least: i64) -> SplitTimes {
        SplitTimes {
            is_first: false,
            first_and_least: Some((EventTime(first), EventTime(least))),
            watermark: EventTime(100),
            has_far_ahead: false,
            max_ahead_us: Some(50),
        }
    }

    #[test]
    fn a_piece_follows_where_nothing_of_it_is_behind_the_watermark_or_too_far_ahead() {
        assert!(times(60, 40).follow(EventTime(40)));
        assert!(!times(60, 39).follow(EventTime(40)), "39 may be late");
        assert!(times(90, 90).follow(EventTime(40)));
        assert!(!times(91, 90).follow(EventTime(40)), "51 beyond the watermark");
        assert!(
            !times(60, 40).follow(EventTime::MIN),
            "the first three of a file confirm each other"
        );
        assert!(!SplitTimes { has_far_ahead: true, ..times(60, 40) }.follow(EventTime(40)));
        assert!(SplitTimes { first_and_least: None, ..times(0, 0) }.follow(EventTime(40)));
        assert!(SplitTimes { max_ahead_us: None, ..times(60, 40) }.follow(EventTime::MIN));
    }
}
