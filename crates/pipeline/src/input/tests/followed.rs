//! Files that are followed: logs that are written to and rotated while nobody reads.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_plan::{CsvOptions, Encoding, Format};
use tidemill_record::{DataType, Field, Image, Schema};
use tidemill_rt::Backend;
use tidemill_source::{Claims, InputFile, Missing, Resume};

use super::super::{Input, open_input, resumed_claims};
use super::{Case, Given, Reading, file_input, text_input};
use crate::{InputSpec, PipelineError};

pub(super) fn schema() -> Schema {
    Schema::new(vec![
        Field::nullable("n", DataType::BigInt),
        Field::nullable("s", DataType::Varchar),
    ])
}

/// A log that is followed, and what has been read of it.
pub(super) struct Log {
    pub(super) folder: tempfile::TempDir,
    pub(super) encoding: Encoding,
    pub(super) has_header: bool,
    pub(super) given: Given,
}

impl Log {
    pub(super) fn new(encoding: Encoding, has_header: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, encoding, has_header, given: Given::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends records of these numbers, with a header at the head of the file.
    pub(super) fn write(&self, name: &str, numbers: std::ops::Range<u32>) {
        let path = self.path(name);
        let header = if self.has_header && !path.exists() { "s,n\n" } else { "" };
        let record =
            |n| if self.has_header { format!("té{n},{n}\n") } else { format!("{n},té{n}\n") };
        self.append(name, &format!("{header}{}", numbers.map(record).collect::<String>()));
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        let bytes: Vec<u8> = match self.encoding {
            Encoding::Latin1 => {
                text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect()
            }
            Encoding::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.as_bytes().to_vec(),
        };
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(&bytes)
            .unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// As `gzip` does it: under another name, with the times of the file, which is removed.
    pub(super) fn compress(&self, name: &str) {
        let done = std::process::Command::new("gzip").arg(self.path(name)).status().unwrap();
        assert!(done.success());
    }

    /// As programs do it that do not keep times: the file is written when it is compressed.
    pub(super) fn compress_anew(&self, name: &str) {
        let packed = fs::File::create(self.path(&format!("{name}.gz"))).unwrap();
        let mut gzip = std::process::Command::new("gzip");
        let done = gzip.args(["-c", "-n"]).arg(self.path(name)).stdout(packed).status().unwrap();
        assert!(done.success());
        fs::remove_file(self.path(name)).unwrap();
    }

    /// `log` becomes `log.1`, that `log.2` and so on, and of `log.2` a compressed one is made; each is older than a tick of the file
    /// system's clock.
    pub(super) fn rotate(&self, numbers: std::ops::Range<u32>) {
        std::thread::sleep(std::time::Duration::from_millis(25));
        for generation in (1..9).rev() {
            for ending in ["", ".gz"] {
                let name = |generation| format!("log.{generation}{ending}");
                if self.path(&name(generation)).exists() {
                    self.rename(&name(generation), &name(generation + 1));
                }
            }
        }
        self.rename("log", "log.1");
        self.write("log", numbers);
        if self.path("log.2").exists() {
            std::thread::sleep(std::time::Duration::from_millis(25));
            self.compress_anew("log.2");
        }
    }

    pub(super) fn case(&self, name: &str, claims: Arc<Claims>) -> Case<'_> {
        let path = self.path(name);
        let csv = CsvOptions { has_header: self.has_header, ..CsvOptions::default() };
        let format = Format::Csv(csv);
        let input = move || {
            let mut file = file_input(&path, &format, &schema());
            file.added.clear();
            file.file.encoding = self.encoding;
            let follow = Some(Arc::clone(&claims));
            InputSpec::Text(crate::TextInput { follow, ..text_input(file) })
        };
        Case { input: Box::new(input), schema: schema(), filter: None }
    }

    pub(super) fn find(&self, name: &str) -> InputFile {
        file_input(&self.path(name), &Format::Csv(CsvOptions::default()), &schema()).file
    }

    pub(super) fn open(&self, name: &str) -> Input {
        let found = self.find(name);
        self.case(name, Claims::of([&found])).open(7, None).unwrap()
    }

    pub(super) fn resume(
        &self,
        name: &str,
        image: &Image,
        missing: Missing,
    ) -> Result<Input, PipelineError> {
        let found = self.find(name);
        let claims = block_on(resumed_claims(Backend::Std, [(&found, Some(image))]))?;
        let case = self.case(name, claims);
        let resume = Some(Resume { image: image.clone(), missing });
        Ok(block_on(open_input(&mut case.spec(7), None, resume))?.0)
    }

    /// Reads until nothing has come for long enough that a rotated file is taken to be whole, or there are so many rows.
    pub(super) fn read(&mut self, input: &mut Input, rows_max: usize) {
        let mut reading = Reading::new(&schema());
        let mut came = std::time::Instant::now();
        let mut count = self.given.rows.len();
        while came.elapsed().as_millis() < 400 && self.given.rows.len() < rows_max {
            assert!(reading.step(input, 7, &mut self.given).unwrap());
            if self.given.rows.len() > count {
                (came, count) = (std::time::Instant::now(), self.given.rows.len());
            } else {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        assert!(self.given.bad.is_empty(), "{:?}", self.given.bad);
    }

    /// The numbers of all records that have been read, in order.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let number = |row: &String| {
            let value: serde::Row = serde::row(row);
            assert_eq!(value.text, format!("té{}", value.number));
            value.number
        };
        self.given.rows.iter().map(number).collect()
    }

    pub(super) fn offsets(&self) -> Vec<u64> {
        let offset = |row: &String| row.split_once(' ').unwrap().0.parse().unwrap();
        self.given.rows.iter().map(offset).collect()
    }
}

/// The two values of a row as it was rendered.
mod serde {
    pub(super) struct Row {
        pub(super) number: u32,
        pub(super) text: String,
    }

    pub(super) fn row(row: &str) -> Row {
        let between = |from: &str, to: char| {
            let rest = row.split_once(from).unwrap().1;
            rest.split_once(to).unwrap().0.to_owned()
        };
        Row { number: between("\"n\":", ',').parse().unwrap(), text: between("\"s\":\"", '"') }
    }
}

/// The image of an input, which is gone afterwards, as its process is.
pub(super) fn cut(input: Input) -> Image {
    input.export().unwrap().unwrap()
}

pub(super) fn all(count: u32) -> Vec<u32> {
    (0..count).collect()
}

const ENCODINGS: [Encoding; 3] = [Encoding::Unsaid, Encoding::Latin1, Encoding::Utf16];

#[test]
fn a_log_that_grows_goes_on_within_and_behind_what_was_read() {
    for encoding in ENCODINGS {
        let mut log = Log::new(encoding, true);
        log.write("log", 0..500);
        let mut input = log.open("log");
        for rows in [7, 250, 500] {
            log.read(&mut input, rows);
            input = log.resume("log", &cut(input), Missing::Refuse).unwrap();
        }
        // A record of which a part has come.
        log.append("log", "té500,5");
        log.read(&mut input, usize::MAX);
        let image = cut(input);
        log.append("log", "00\n");
        log.write("log", 501..600);
        let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
        log.read(&mut input, usize::MAX);
        assert_eq!(log.numbers(), all(600), "{encoding:?}");
        // Offsets are those of one text, whose header comes first.
        let mut expected = vec![4];
        for n in 0..599_u32 {
            expected.push(expected[expected.len() - 1] + format!("té{n},{n}\n").len() as u64);
        }
        assert_eq!(log.offsets(), expected, "{encoding:?}");
    }
}

#[test]
fn a_log_that_was_rotated_meanwhile_is_found_beside_and_all_behind_it_is_read() {
    for encoding in ENCODINGS {
        for is_compressed in [false, true] {
            for rows in [0, 100, usize::MAX] {
                let mut log = Log::new(encoding, true);
                log.write("log", 0..200);
                let mut input = log.open("log");
                log.read(&mut input, rows);
                let image = cut(input);
                let pause = || std::thread::sleep(std::time::Duration::from_millis(40));
                log.write("log", 200..300);
                pause();
                log.rename("log", "log.1");
                log.write("log", 300..400);
                pause();
                log.rename("log.1", "log.2");
                log.rename("log", "log.1");
                log.write("log", 400..500);
                if is_compressed && rows > 0 {
                    log.compress("log.2");
                    log.compress("log.1");
                }
                let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
                log.read(&mut input, rows.saturating_add(150));
                // Once more, within one that has come since.
                let mut input = log.resume("log", &cut(input), Missing::Refuse).unwrap();
                log.read(&mut input, usize::MAX);
                let name = format!("{encoding:?}, compressed {is_compressed}, {rows} rows");
                assert_eq!(log.numbers(), all(500), "{name}");
                assert!(log.offsets().is_sorted(), "{name}");
            }
        }
    }
}

#[test]
fn bytes_that_come_late_for_a_rotated_log_are_read_behind_a_cut() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, usize::MAX);
    log.rename("log", "log.1");
    log.write("log", 100..200);
    log.read(&mut input, usize::MAX);
    let image = cut(input);
    log.write("log.1", 200..300);
    log.write("log", 300..400);
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    log.read(&mut input, usize::MAX);
    let mut numbers = log.numbers();
    assert_eq!(numbers.len(), 400);
    numbers.sort_unstable();
    assert_eq!(numbers, all(400), "headers of both are known");
    // One that was read to its end may go; that is said.
    let image = cut(input);
    fs::remove_file(log.path("log.1")).unwrap();
    log.write("log", 400..410);
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    log.read(&mut input, usize::MAX);
    assert_eq!(log.given.rows.len(), 410);
    let notices = input.notices();
    assert!(
        notices.len() == 1 && notices[0].contains("was read to its end and is gone"),
        "{notices:?}"
    );
}

#[test]
fn a_text_that_is_gone_is_refused_by_name_or_said() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, 50);
    let image = cut(input);
    fs::remove_file(log.path("log")).unwrap();
    log.write("log", 1000..1010);
    let error = match log.resume("log", &image, Missing::Refuse) {
        Err(PipelineError::Source(error)) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it goes on"),
    };
    let path = log.path("log").display().to_string();
    assert!(error.starts_with(&format!("what was read of {path} up to byte ")), "{error}");
    assert!(error.contains(&format!("is neither {path} nor beside it")), "{error}");
    let mut input = log.resume("log", &image, Missing::Continue).unwrap();
    let before = log.given.rows.len();
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers()[before..], (1000..1010).collect::<Vec<_>>());
    assert!(log.offsets().is_sorted());
    // It is said of every run from there on.
    let input = log.resume("log", &cut(input), Missing::Refuse).unwrap();
    let notices = input.notices();
    assert!(
        notices.len() == 1 && notices[0].ends_with("is gone; what followed there was not read"),
        "{notices:?}"
    );
}

#[test]
fn a_log_whose_name_is_vacant_goes_on_beside_and_then_under_its_name() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, 50);
    let image = cut(input);
    // As it was found before it was renamed.
    let found = log.find("log");
    let backend = Backend::Std;
    log.write("log", 100..200);
    let mut input = {
        let claims = Claims::default();
        let case = log.case("log", Arc::new(claims));
        let mut spec = case.spec(7);
        log.rename("log", "log.1");
        let claims = block_on(resumed_claims(backend, [(&found, Some(&image))])).unwrap();
        let InputSpec::Text(text) = &mut spec.input else { panic!("text is followed") };
        text.follow = Some(claims);
        let resume = Some(Resume { image, missing: Missing::Refuse });
        block_on(open_input(&mut spec, None, resume)).unwrap().0
    };
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers(), all(200));
    log.write("log", 200..300);
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers(), all(300));
}

#[test]
fn of_several_files_that_may_be_the_text_none_is_chosen() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, 50);
    let image = cut(input);
    for name in ["log.1", "log.2"] {
        fs::copy(log.path("log"), log.path(name)).unwrap();
    }
    fs::remove_file(log.path("log")).unwrap();
    log.write("log", 1000..1010);
    let error = match log.resume("log", &image, Missing::Refuse) {
        Err(PipelineError::Source(error)) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it goes on"),
    };
    let [one, other] = ["log.1", "log.2"].map(|name| log.path(name).display().to_string());
    assert!(error.contains(&format!("(it may be any of {one}, {other})")), "{error}");
    fs::remove_file(log.path("log.2")).unwrap();
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    log.read(&mut input, usize::MAX);
    let mut expected = all(100);
    expected.extend(1000..1010);
    assert_eq!(log.numbers(), expected);
}

#[test]
fn a_log_that_is_followed_from_within_goes_on_with_its_header() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let start = fs::metadata(log.path("log")).unwrap().len();
    let from_within = |log: &Log, image: Option<Image>| {
        let found = log.find("log");
        let claims = match &image {
            None => Claims::of([&found]),
            Some(image) => block_on(resumed_claims(Backend::Std, [(&found, Some(image))])).unwrap(),
        };
        let case = log.case("log", claims);
        let mut spec = case.spec(7);
        let InputSpec::Text(text) = &mut spec.input else { panic!("text is followed") };
        text.range = Some(start..u64::MAX);
        text.csv_header = Some(vec!["s".to_owned(), "n".to_owned()]);
        let resume = image.map(|image| Resume { image, missing: Missing::Refuse });
        block_on(open_input(&mut spec, None, resume)).unwrap().0
    };
    let mut input = from_within(&log, None);
    // Once before anything has come.
    input = from_within(&log, Some(cut(input)));
    log.write("log", 100..200);
    log.read(&mut input, 30);
    input = from_within(&log, Some(cut(input)));
    log.read(&mut input, usize::MAX);
    log.rename("log", "log.1");
    log.write("log", 200..300);
    let mut input = from_within(&log, Some(cut(input)));
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers(), (100..300).collect::<Vec<_>>());
}

#[test]
fn a_log_that_was_copied_and_cut_goes_on_in_the_copy() {
    let mut log = Log::new(Encoding::Unsaid, false);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, 50);
    let image = cut(input);
    fs::copy(log.path("log"), log.path("log.1")).unwrap();
    fs::OpenOptions::new().write(true).open(log.path("log")).unwrap().set_len(0).unwrap();
    log.write("log", 100..150);
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers(), all(150));
}

#[test]
fn partitions_that_follow_a_chain_of_names_read_each_file_once() {
    let mut log = Log::new(Encoding::Unsaid, false);
    log.write("log", 100..200);
    log.write("log.1", 0..100);
    let claims = Claims::of([&log.find("log"), &log.find("log.1")]);
    let open = |name: &str| log.case(name, Arc::clone(&claims)).open(7, None).unwrap();
    let (mut first, mut second) = (open("log"), open("log.1"));
    log.read(&mut first, 50);
    log.read(&mut second, 100);
    let images = [cut(first), cut(second)];
    for names in [["log.1", "log.2"], ["log", "log.1"]] {
        log.rename(names[0], names[1]);
    }
    log.write("log", 200..300);
    let files = [log.find("log"), log.find("log.1")];
    let claims =
        block_on(resumed_claims(Backend::Std, files.iter().zip(images.iter().map(Some)))).unwrap();
    // The second one first: its name is that of the file which the first one is in the middle of.
    let mut inputs: Vec<Input> = Vec::new();
    for (name, image) in ["log.1", "log"].into_iter().zip(images.iter().rev()) {
        let case = log.case(name, Arc::clone(&claims));
        inputs.push(case.open(7, Some(image.clone())).unwrap());
    }
    for input in &mut inputs {
        log.read(input, usize::MAX);
    }
    let mut numbers = log.numbers();
    assert_eq!(numbers.len(), 300, "none twice");
    numbers.sort_unstable();
    assert_eq!(numbers, all(300));
}

#[test]
fn damage_of_an_image_is_an_error_or_harmless() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..50);
    let mut input = log.open("log");
    log.read(&mut input, usize::MAX);
    log.rename("log", "log.1");
    log.write("log", 50..100);
    log.read(&mut input, 70);
    let image = cut(input);
    let mut refused = 0;
    for seed in 0..60 {
        use rand::SeedableRng;
        let damaged = super::damaged(image.clone(), &mut rand_pcg::Pcg64::seed_from_u64(seed));
        let Ok(mut input) = log.resume("log", &damaged, Missing::Refuse) else {
            refused += 1;
            continue;
        };
        let (mut given, mut reading) = (Given::default(), Reading::new(&schema()));
        for _ in 0..50 {
            if reading.step(&mut input, 7, &mut given).is_err() {
                break;
            }
        }
        let _ = input.export();
    }
    assert!(refused > 10, "{refused}");
    assert!(Path::new(&log.path("log")).exists());
}
