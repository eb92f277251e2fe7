//! Counts in images: what a summary says of a job counts over its restarts.

use tidemill_format::Lost;
use tidemill_plan::WindowKind;
use tidemill_record::{Image, ImageError, Offset, PartitionId, Position};

use super::{LateCounts, Statistics};

/// More than any count can be: so that sums of some stay numbers.
const COUNT_END: u64 = 1 << 62;

impl Statistics {
    /// What is counted of records and rows. Times and memory are those of a process, and what the sink counts is with the
    /// sink.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        for (name, count) in self.plain() {
            image.put_one(name, count);
        }
        let mut late = Image::new();
        late.put_texts("sources", self.late.keys().map(|(source, _)| source.as_bytes()));
        late.put_texts("kinds", self.late.keys().map(|(_, what)| what.as_bytes()));
        late.put("lost", self.late.values().map(|counts| counts.lost));
        late.put("partly", self.late.values().map(|counts| counts.partly));
        image.put_image("late", late);
        let mut far_ahead = Image::new();
        far_ahead.put_texts("sources", self.far_ahead.keys().map(String::as_bytes));
        put_first(&mut far_ahead, self.far_ahead.values());
        image.put_image("far_ahead", far_ahead);
        let mut left_out = Image::new();
        left_out.put_texts("sources", self.left_out.keys().map(|(source, _)| source.as_bytes()));
        let lost: Vec<(u8, &str, &str)> =
            self.left_out.keys().map(|(_, what)| parts(what)).collect();
        left_out.put("kinds", lost.iter().map(|(kind, ..)| *kind));
        left_out.put_texts("names", lost.iter().map(|(_, name, _)| name.as_bytes()));
        left_out.put_texts("reasons", lost.iter().map(|(.., reason)| reason.as_bytes()));
        put_first(&mut left_out, self.left_out.values());
        image.put_image("left_out", left_out);
        image
    }

    /// Takes over what another has counted; nothing has been counted here.
    ///
    /// # Errors
    /// What is missing or cannot be.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        for (name, count) in [
            ("records_in", &mut self.records_in),
            ("bytes_in", &mut self.bytes_in),
            ("rows_out", &mut self.rows_out),
            ("bad_records", &mut self.bad_records),
        ] {
            *count = image.take_one(name)?;
            if *count >= COUNT_END {
                return Err(too_many(name));
            }
        }
        let late = image.take_image("late")?;
        self.import_late(late).map_err(|error| error.within("late"))?;
        let far_ahead = image.take_image("far_ahead")?;
        self.import_far_ahead(far_ahead).map_err(|error| error.within("far_ahead"))?;
        let left_out = image.take_image("left_out")?;
        self.import_left_out(left_out).map_err(|error| error.within("left_out"))?;
        image.end()
    }

    fn plain(&self) -> [(&'static str, u64); 4] {
        [
            ("records_in", self.records_in),
            ("bytes_in", self.bytes_in),
            ("rows_out", self.rows_out),
            ("bad_records", self.bad_records),
        ]
    }

    fn import_late(&mut self, mut image: Image) -> Result<(), ImageError> {
        let sources = texts(&mut image, "sources")?;
        let kinds = texts(&mut image, "kinds")?;
        let lost: Vec<u64> = image.take_exactly("lost", sources.len())?;
        let partly: Vec<u64> = image.take_exactly("partly", sources.len())?;
        image.end()?;
        if kinds.len() != sources.len() {
            return Err(ImageError::new("kinds", "is not one for each source"));
        }
        let counts = lost.into_iter().zip(partly);
        for ((source, kind), (lost, partly)) in sources.into_iter().zip(kinds).zip(counts) {
            let known = kinds_of_late().into_iter().find(|known| *known == kind);
            let kind = known.ok_or_else(|| ImageError::new("kinds", "has a kind that is none"))?;
            // Their sum is printed, too.
            if lost.max(partly) >= COUNT_END >> 20 {
                return Err(too_many("lost"));
            }
            self.late.insert((source, kind), LateCounts { lost, partly });
        }
        Ok(())
    }

    fn import_far_ahead(&mut self, mut image: Image) -> Result<(), ImageError> {
        let sources = texts(&mut image, "sources")?;
        let firsts = take_first(&mut image, sources.len())?;
        image.end()?;
        self.far_ahead = sources.into_iter().zip(firsts).collect();
        Ok(())
    }

    fn import_left_out(&mut self, mut image: Image) -> Result<(), ImageError> {
        let sources = texts(&mut image, "sources")?;
        let kinds: Vec<u8> = image.take_exactly("kinds", sources.len())?;
        let names = texts(&mut image, "names")?;
        let reasons = texts(&mut image, "reasons")?;
        let firsts = take_first(&mut image, sources.len())?;
        image.end()?;
        if names.len() != sources.len() || reasons.len() != sources.len() {
            return Err(ImageError::new("names", "is not one for each source"));
        }
        let what = kinds.into_iter().zip(names).zip(reasons);
        for ((source, ((kind, name), reason)), first) in sources.into_iter().zip(what).zip(firsts) {
            let what = match kind {
                0 => Lost::Key(name),
                1 => Lost::FurtherKeys,
                2 => Lost::Column(name),
                3 => Lost::Type { column: name, reason },
                4 => Lost::Digits(name),
                _ => return Err(ImageError::new("kinds", "has a kind that is none")),
            };
            self.left_out.insert((source, what), first);
        }
        Ok(())
    }
}

/// What a record can be late for.
fn kinds_of_late() -> [&'static str; 5] {
    [
        WindowKind::Tumbling { size_us: 1 }.name(),
        WindowKind::Hopping { size_us: 1, advance_us: 1 }.name(),
        WindowKind::Cumulating { size_us: 1, step_us: 1 }.name(),
        WindowKind::Session { gap_us: 1 }.name(),
        "OVER",
    ]
}

fn parts(what: &Lost) -> (u8, &str, &str) {
    match what {
        Lost::Key(name) => (0, name, ""),
        Lost::FurtherKeys => (1, "", ""),
        Lost::Column(name) => (2, name, ""),
        Lost::Type { column, reason } => (3, column, reason),
        Lost::Digits(name) => (4, name, ""),
    }
}

fn put_first<'a>(image: &mut Image, all: impl Iterator<Item = &'a (u64, Position)> + Clone) {
    image.put("counts", all.clone().map(|(count, _)| *count));
    image.put("partitions", all.clone().map(|(_, first)| first.partition.0));
    image.put("offsets", all.map(|(_, first)| first.offset.0));
}

fn take_first(image: &mut Image, count: usize) -> Result<Vec<(u64, Position)>, ImageError> {
    let counts: Vec<u64> = image.take_exactly("counts", count)?;
    let partitions: Vec<u32> = image.take_exactly("partitions", count)?;
    let offsets: Vec<u64> = image.take_exactly("offsets", count)?;
    if counts.iter().any(|&count| count >= COUNT_END) {
        return Err(too_many("counts"));
    }
    let positions = partitions.into_iter().zip(offsets).map(|(partition, offset)| Position {
        partition: PartitionId(partition),
        offset: Offset(offset),
    });
    Ok(counts.into_iter().zip(positions).collect())
}

pub(crate) fn texts(image: &mut Image, name: &str) -> Result<Vec<String>, ImageError> {
    let texts = image.take_texts(name)?;
    let text = |text: &[u8]| String::from_utf8(text.to_vec());
    let all: Result<Vec<String>, _> = texts.iter().map(text).collect();
    all.map_err(|_| ImageError::new(name, "is not UTF-8"))
}

fn too_many(name: &str) -> ImageError {
    ImageError::new(name, "is more than there can be")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn counts_go_on_over_restarts() {
        let first = |offset| (7, Position { partition: PartitionId(2), offset: Offset(offset) });
        let lost = [
            Lost::Key("k".to_owned()),
            Lost::FurtherKeys,
            Lost::Column("c".to_owned()),
            Lost::Type { column: "t".to_owned(), reason: "r".to_owned() },
            Lost::Digits("d".to_owned()),
        ];
        let mut counted = Statistics {
            records_in: 1,
            bytes_in: 2,
            rows_out: 3,
            bad_records: 4,
            ..Statistics::default()
        };
        for (number, kind) in (1..).zip(kinds_of_late()) {
            let counts = LateCounts { lost: number, partly: 10 * number };
            counted.late.insert(("s".to_owned(), kind), counts);
        }
        counted.far_ahead.insert("s".to_owned(), first(8));
        for (offset, what) in (0..).zip(lost) {
            counted.left_out.insert(("s".to_owned(), what), first(offset));
        }
        for statistics in [Statistics::default(), counted] {
            let mut again = Statistics::default();
            again.import(statistics.export()).unwrap();
            assert_eq!(again.export(), statistics.export());
            assert_eq!(again.seen(), statistics.seen());
            assert_eq!(again.late, statistics.late);
            assert_eq!(again.far_ahead, statistics.far_ahead);
            assert_eq!(again.left_out, statistics.left_out);
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut image = Statistics { rows_out: u64::MAX, ..Statistics::default() }.export();
        let error = Statistics::default().import(image.clone()).unwrap_err();
        assert_eq!(error.to_string(), "rows_out: is more than there can be");
        image.take_image("late").unwrap();
        assert!(Statistics::default().import(image).is_err());
    }
}
