//! Assignment, lifecycle, hand-over of sealed tables, job statistics.
