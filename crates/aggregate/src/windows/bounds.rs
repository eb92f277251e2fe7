//! Which windows of fixed size an event time lies in.

use tidemill_plan::WindowKind;
use tidemill_record::{Image, ImageError};

const NO_SIZE: &str = "sessions have a table of their own";

/// A window, ordered by end, then start: the order in which windows leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bounds {
    /// Exclusive.
    pub(crate) end: i64,
    pub(crate) start: i64,
}

/// Puts windows as two columns.
pub(crate) fn put_bounds(image: &mut Image, windows: impl Iterator<Item = Bounds> + Clone) {
    image.put("starts", windows.clone().map(|window| window.start));
    image.put("ends", windows.map(|window| window.end));
}

/// Takes what [`put_bounds`] has put.
///
/// # Errors
/// [`ImageError`], also where a window ends before it begins.
pub(crate) fn take_bounds(image: &mut Image) -> Result<Vec<Bounds>, ImageError> {
    let starts: Vec<i64> = image.take("starts")?;
    let ends: Vec<i64> = image.take_exactly("ends", starts.len())?;
    let windows = starts.into_iter().zip(ends).map(|(start, end)| Bounds { start, end });
    let windows: Vec<Bounds> = windows.collect();
    // At the end of time one may be cut off to nothing.
    if windows.iter().any(|window| window.end < window.start) {
        return Err(ImageError::new("ends", "has a window that ends before it begins"));
    }
    Ok(windows)
}

/// The largest multiple of `step` that is not above `time`; `i64::MIN` where there is none.
pub(crate) fn floor(time: i64, step: i64) -> i64 {
    time.saturating_sub(time.rem_euclid(step))
}

/// The windows that a time lies in, by end. Bounds beyond what a `TIMESTAMP` can say are cut off.
pub(crate) fn windows_of(kind: WindowKind, time: i64) -> impl Iterator<Item = Bounds> {
    windows_from(kind, time, i64::MIN)
}

/// The same without those that begin (of cumulating ones, whose last step begins) before `least`, which
/// is a multiple of the step, or the least time there is.
fn windows_from(kind: WindowKind, time: i64, least: i64) -> impl Iterator<Item = Bounds> {
    let (first, last, step, is_cumulating) = match kind {
        WindowKind::Tumbling { size_us } => {
            let start = floor(time, size_us);
            (start, start, size_us, false)
        }
        WindowKind::Hopping { size_us, advance_us } => {
            let last = floor(time, advance_us);
            // The first start that is above `time - size`.
            let first = floor(time.saturating_sub(size_us), advance_us).saturating_add(advance_us);
            (first.min(last), last, advance_us, false)
        }
        WindowKind::Cumulating { size_us, step_us } => {
            let base = floor(time, size_us);
            let first = floor(time, step_us).max(base);
            (first, base.saturating_add(size_us - step_us), step_us, true)
        }
        WindowKind::Session { .. } => unreachable!("{NO_SIZE}"),
    };
    let size = kind.reach_us();
    let mut next = Some(first.max(least));
    std::iter::from_fn(move || {
        let at = next.filter(|&at| at <= last)?;
        next = at.checked_add(step);
        Some(if is_cumulating {
            Bounds { start: floor(time, size), end: at.saturating_add(step) }
        } else {
            Bounds { start: at, end: at.saturating_add(size) }
        })
    })
}

/// Of the windows that a time lies in, those that end after a time, by end.
pub(crate) fn windows_after(
    kind: WindowKind,
    time: i64,
    after: i64,
) -> impl Iterator<Item = Bounds> {
    // No window that begins before this ends after `after`; of cumulating ones, no step.
    let (reach, step) = match kind {
        WindowKind::Tumbling { size_us } => (size_us, size_us),
        WindowKind::Hopping { size_us, advance_us } => (size_us, advance_us),
        WindowKind::Cumulating { step_us, .. } => (step_us, step_us),
        WindowKind::Session { .. } => unreachable!("{NO_SIZE}"),
    };
    let first = floor(after.saturating_sub(reach), step);
    windows_from(kind, time, first).filter(move |window| window.end > after)
}

/// The end of the first window that a time lies in: the earliest that could be late.
#[inline]
pub(crate) fn first_end(kind: WindowKind, time: i64) -> i64 {
    windows_of(kind, time).next().map_or(i64::MAX, |window| window.end)
}

/// The end of the last window that a time lies in.
#[inline]
pub(crate) fn last_end(kind: WindowKind, time: i64) -> i64 {
    match kind {
        WindowKind::Hopping { size_us, advance_us } => {
            floor(time, advance_us).saturating_add(size_us)
        }
        WindowKind::Tumbling { size_us } | WindowKind::Cumulating { size_us, .. } => {
            floor(time, size_us).saturating_add(size_us)
        }
        WindowKind::Session { .. } => unreachable!("{NO_SIZE}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: WindowKind, time: i64) -> Vec<(i64, i64)> {
        windows_of(kind, time).map(|window| (window.start, window.end)).collect()
    }

    #[test]
    fn a_time_lies_in_the_windows_that_contain_it() {
        let tumbling = WindowKind::Tumbling { size_us: 10 };
        assert_eq!(all(tumbling, 0), [(0, 10)]);
        assert_eq!(all(tumbling, 9), [(0, 10)]);
        assert_eq!(all(tumbling, -1), [(-10, 0)]);
        let hopping = WindowKind::Hopping { size_us: 10, advance_us: 4 };
        assert_eq!(all(hopping, 9), [(0, 10), (4, 14), (8, 18)]);
        assert_eq!(all(hopping, 10), [(4, 14), (8, 18)]);
        assert_eq!(all(hopping, -1), [(-8, 2), (-4, 6)]);
        let cumulating = WindowKind::Cumulating { size_us: 12, step_us: 4 };
        assert_eq!(all(cumulating, 5), [(0, 8), (0, 12)]);
        assert_eq!(all(cumulating, -12), [(-12, -8), (-12, -4), (-12, 0)]);
        for time in -40..40 {
            for kind in [tumbling, hopping, cumulating] {
                let windows = all(kind, time);
                assert!(windows.iter().all(|(start, end)| (*start..*end).contains(&time)));
                assert_eq!(first_end(kind, time), windows[0].1);
                assert_eq!(last_end(kind, time), windows[windows.len() - 1].1);
                for after in -40..60 {
                    let later = windows_after(kind, time, after).map(|w| (w.start, w.end));
                    let expected = windows.iter().copied().filter(|&(_, end)| end > after);
                    assert!(later.eq(expected), "{kind} at {time} after {after}");
                }
            }
        }
    }

    #[test]
    fn bounds_at_the_ends_of_time_are_cut_off() {
        for time in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
            for kind in [
                WindowKind::Tumbling { size_us: 60_000_000 },
                WindowKind::Hopping { size_us: 60_000_000, advance_us: 7_000_000 },
                WindowKind::Cumulating { size_us: 60_000_000, step_us: 20_000_000 },
            ] {
                let count = windows_of(kind, time).count();
                assert!((1..=10).contains(&count), "{kind} at {time}: {count}");
            }
        }
    }
}
