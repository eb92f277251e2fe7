//! When a pipeline is over although its input has no end: the file that it followed is gone.

use super::Pipeline;

impl Pipeline {
    /// Whether a file that was followed is gone, with all of its rotations, and all that came of it has left: nothing is held
    /// that would leave later, and no file of results or dead letters is open. What is closed may have to be published still.
    ///
    /// # Cost
    /// A test, as long as the file is there; then a call for each of its texts.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.input.is_over()
            && self.found.is_empty()
            && self.bad.is_empty()
            && self.passed.dead_letters.is_empty()
            && self.processor.is_empty()
            && self.output.is_empty()
            && self.bad_records.closes_at().is_none()
    }

    /// Has one that [is spent](Self::is_spent) end as if its input had ended: [drain](Self::drain) it. Its files are given up,
    /// so that what comes under their names is another partition's.
    pub fn retire(&mut self) {
        debug_assert!(self.is_spent(), "something of it would be lost");
        self.output.give_up();
        self.input.release();
    }
}
