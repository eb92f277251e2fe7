//! What a person should hear of while a job runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many of a subject are said; then the sixteenth, the thirty-second, and so on, so that input that goes
/// wrong for ever does not fill a log.
const IN_FULL_MAX: u64 = 8;

/// A queue from the cores to whoever shows it. Cheap to clone; all clones are one. Takes a lock, so it is
/// for what happens rarely: never for a record or a batch.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    texts: Vec<String>,
    /// How often each subject has come.
    counts: HashMap<String, u64>,
}

impl Notices {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one: a sentence without a final stop.
    pub fn say(&self, notice: String) {
        self.lock().texts.push(notice);
    }

    /// The same of what may happen again and again: ever fewer of one subject.
    pub fn say_of(&self, subject: &str, notice: String) {
        let mut held = self.lock();
        let count = held.counts.entry(subject.to_owned()).or_insert(0);
        *count += 1;
        let count = *count;
        if count <= IN_FULL_MAX {
            held.texts.push(notice);
        } else if count.is_power_of_two() {
            held.texts.push(format!("{notice} (number {count} of its kind)"));
        }
    }

    /// Those that were added since this was last asked, in order.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_and_again_is_said_ever_more_seldom() {
        let notices = Notices::default();
        (1..=100).for_each(|count| notices.say_of("a", count.to_string()));
        notices.say_of("b", "other".to_owned());
        let taken = notices.take();
        assert_eq!(
            taken[..9],
            ["1", "2", "3", "4", "5", "6", "7", "8", "16 (number 16 of its kind)"]
        );
        assert_eq!(taken[11..], ["other"]);
        assert!(notices.take().is_empty());
        (0..20).for_each(|_| notices.say("each".to_owned()));
        assert_eq!(notices.take().len(), 20);
    }
}
