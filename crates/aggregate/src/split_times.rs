//! Event times of one piece of a file that is read as several, held against those of the pieces before.
//!
//! A piece is read before anybody knows the watermark that comes into it. That watermark changes nothing where
//! every event time of the piece is at or beyond it: a window that a record lies in ends behind the record, so that
//! none is late by it, and the watermark of the piece alone decides as it does.

use tidemill_record::EventTime;

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
