//! How long batches took.

use std::borrow::Cow;

use hdrhistogram::Histogram;

/// Longer batches count as this long: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Times that are kept one by one: a histogram takes as much memory as some thousands of them, and of
/// pipelines that read a small file there may be very many.
const FEW_MAX: usize = 64;

/// Times in nanoseconds, counted with two digits once they are more than a few.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// Empty where there is a histogram.
    few: Vec<u64>,
    histogram: Option<Box<Histogram<u64>>>,
}

impl Latencies {
    /// Adds a time.
    pub fn record(&mut self, ns: u64) {
        match &mut self.histogram {
            Some(histogram) => histogram.saturating_record(ns),
            None if self.few.len() < FEW_MAX => self.few.push(ns),
            None => {
                let mut histogram = self.as_histogram().into_owned();
                histogram.saturating_record(ns);
                (self.few, self.histogram) = (Vec::new(), Some(Box::new(histogram)));
            }
        }
    }

    /// Adds all of another pipeline's.
    pub fn add(&mut self, other: &Self) {
        let Some(others) = &other.histogram else {
            return other.few.iter().for_each(|&ns| self.record(ns));
        };
        let mut histogram = self.as_histogram().into_owned();
        // Both have the same bounds, so every value of one has a place in the other.
        let _ = histogram.add(&**others);
        (self.few, self.histogram) = (Vec::new(), Some(Box::new(histogram)));
    }

    /// Number of times.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.as_histogram().len()
    }

    /// The time that this part of all (in `0.0..=1.0`) is not above; 0 without any.
    #[must_use]
    pub fn at_quantile(&self, quantile: f64) -> u64 {
        self.as_histogram().value_at_quantile(quantile)
    }

    /// The longest; 0 without any.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.as_histogram().max()
    }

    fn as_histogram(&self) -> Cow<'_, Histogram<u64>> {
        if let Some(histogram) = &self.histogram {
            return Cow::Borrowed(&**histogram);
        }
        let mut histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2)
            .expect("the bounds are in order, and 2 is within the 0..=5 digits allowed");
        self.few.iter().for_each(|&ns| histogram.saturating_record(ns));
        Cow::Owned(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_count_alike() {
        let mut all = Latencies::default();
        assert_eq!((all.count(), all.max()), (0, 0));
        let mut parts = [Latencies::default(), Latencies::default()];
        for ns in 1..=200 {
            all.record(ns * 1000);
            parts[usize::from(ns > 30)].record(ns * 1000);
        }
        let mut sum = Latencies::default();
        parts.iter().for_each(|part| sum.add(part));
        for latencies in [&all, &sum] {
            assert_eq!(latencies.count(), 200);
            // Two digits: within a hundredth.
            assert!((99_000..=101_000).contains(&latencies.at_quantile(0.5)));
            assert!((200_000..=202_000).contains(&latencies.max()));
        }
        assert_eq!(parts[0].count(), 30);
        assert!(parts[0].histogram.is_none() && parts[1].histogram.is_some());
    }
}
