//! Outputs of jobs with state: what of the two does not belong together is refused by name, and what the job has written
//! is removed by nobody.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_plan::OnExisting;
use tidemill_record::Image;
use tidemill_rt::Backend;
use tidemill_sink::{
    FileWriter, OutputDirectory, SinkError, Target, named_in, publish, publish_each,
};

fn fresh(path: &Path, job: &str) -> Result<OutputDirectory, SinkError> {
    OutputDirectory::open_fresh(Target::Directory(path), OnExisting::Append, job, &[])
}

fn resumed(path: &Path, job: &str) -> Result<OutputDirectory, SinkError> {
    OutputDirectory::open_resumed(Target::Directory(path), job)
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort_unstable();
    names
}

fn writer(directory: OutputDirectory) -> FileWriter {
    let directory = Arc::new(directory);
    block_on(FileWriter::create(Backend::Std, directory, 0, "csv", None)).unwrap()
}

fn go_on(directory: OutputDirectory, image: &Image) -> Result<FileWriter, SinkError> {
    FileWriter::resume(Backend::Std, Arc::new(directory), 0, "csv", None, image.clone())
}

/// A job that has closed a segment and has written to the next; its image there.
fn begun(path: &Path) -> Image {
    let mut writer = writer(fresh(path, "a1").unwrap().live());
    let mut write = |bytes: &[u8], is_last: bool| {
        block_on(writer.write(bytes)).unwrap();
        if !is_last {
            block_on(writer.roll()).unwrap();
        }
    };
    write(b"one\n", false);
    write(b"two\n", true);
    let cut = block_on(writer.cut()).unwrap();
    cut.files.sync().unwrap();
    assert_eq!(cut.finished.unwrap().segment_count(), 1);
    cut.image
}

const OPEN: &str = "part-00000-000001.csv.open";

#[test]
fn what_a_killed_job_wrote_stays_and_is_gone_on_with() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    let image = begun(&path);
    assert_eq!(names(&path), ["part-00000-000000.csv.open", OPEN]);
    assert_eq!(named_in(&image), ["part-00000-000000.csv", "part-00000-000001.csv"]);
    let directory = Arc::new(resumed(&path, "a1").unwrap().live());
    let image = image.clone();
    let mut writer =
        FileWriter::resume(Backend::Std, Arc::clone(&directory), 0, "csv", None, image).unwrap();
    block_on(writer.write(b"three\n")).unwrap();
    let again = writer.take_again().unwrap();
    publish_each(&directory, vec![again]).unwrap();
    assert_eq!(names(&path), ["part-00000-000000.csv", OPEN]);
    let finished = block_on(writer.end()).unwrap();
    publish_each(&directory, vec![finished]).unwrap();
    assert_eq!(fs::read(path.join("part-00000-000001.csv")).unwrap(), b"two\nthree\n");
    OutputDirectory::end_job(Target::Directory(&path), "b2").unwrap();
    assert!(resumed(&path, "a1").is_err_and(|error| matches!(error, SinkError::Locked { .. })));
    OutputDirectory::end_job(Target::Directory(&path), "a1").unwrap();
    assert_eq!(fs::read_dir(&path).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_not_what_the_checkpoint_says_is_refused() {
    let check = |change: fn(&Path), expected: fn(SinkError) -> bool| {
        let root = tempfile::tempdir().unwrap();
        let image = begun(root.path());
        change(root.path());
        let error = go_on(resumed(root.path(), "a1").unwrap().live(), &image).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&*root.path().to_string_lossy()), "it names the file: {text}");
        assert!(text.contains("--fresh") && text.contains("put "), "and says what to do: {text}");
        assert!(expected(error), "{text}");
    };
    check(
        |path| fs::write(path.join(OPEN), "tw").unwrap(),
        |error| matches!(error, SinkError::SegmentShort { byte_count: 2, expected: 4, .. }),
    );
    check(
        |path| fs::write(path.join(OPEN), "TWO\nand more").unwrap(),
        |error| matches!(error, SinkError::SegmentChanged { byte_count: 4, .. }),
    );
    check(
        |path| fs::remove_file(path.join(OPEN)).unwrap(),
        |error| matches!(error, SinkError::SegmentMissing { .. }),
    );
    check(
        |path| fs::rename(path.join(OPEN), path.join("part-00000-000001.csv")).unwrap(),
        |error| matches!(error, SinkError::StateBehind { .. }),
    );
    // One that has been given, and is not what it was.
    check(
        |path| fs::write(path.join("part-00000-000000.csv.open"), "on").unwrap(),
        |error| matches!(error, SinkError::SegmentShort { .. }),
    );
}

#[test]
fn state_and_output_that_do_not_belong_together_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    // State without its output, whether the directory is there or not.
    let lost = |error| matches!(error, SinkError::StateWithoutOutput { .. });
    assert!(lost(resumed(&path, "a1").unwrap_err()));
    assert!(!path.exists(), "nothing is made");
    fs::create_dir(&path).unwrap();
    assert!(lost(resumed(&path, "a1").unwrap_err()));
    // Output without its state; the job that is to be forgotten may be named.
    drop(fresh(&path, "a1").unwrap());
    let error = fresh(&path, "b2").unwrap_err();
    assert!(matches!(error, SinkError::OutputWithoutState { .. }), "{error}");
    assert!(matches!(resumed(&path, "b2").unwrap_err(), SinkError::OtherJob { .. }));
    drop(resumed(&path, "a1").unwrap());
    drop(fresh(&path, "a1").unwrap());
    let target = Target::Directory(&path);
    drop(
        OutputDirectory::open_fresh(target, OnExisting::Append, "b2", &["a0".into(), "a1".into()])
            .unwrap(),
    );
    drop(OutputDirectory::open_fresh(target, OnExisting::Replace, "c3", &[]).unwrap());
    assert!(matches!(resumed(&path, "b2").unwrap_err(), SinkError::OtherJob { .. }));
    // Dead letters may lie beside another job's results.
    let dead = Target::DeadLetters(&path);
    drop(OutputDirectory::open_fresh(dead, OnExisting::Fail, "d4", &[]).unwrap());
    drop(resumed(&path, "c3").unwrap());
    // What says whose it is cannot be read.
    fs::write(path.join(".tidemill-job"), "job c3\n").unwrap();
    assert!(matches!(resumed(&path, "c3").unwrap_err(), SinkError::Marker { .. }));
    // A job without state is as ever.
    drop(OutputDirectory::open(&path, OnExisting::Fail).unwrap());
}

#[test]
fn an_old_copy_of_the_state_is_refused_though_its_files_have_been_taken() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let directory = Arc::new(fresh(path, "a1").unwrap().live());
    let mut writer =
        block_on(FileWriter::create(Backend::Std, Arc::clone(&directory), 0, "csv", None)).unwrap();
    let mut images = Vec::new();
    for _ in 0..2 {
        block_on(writer.write(b"row\n")).unwrap();
        block_on(writer.roll()).unwrap();
        let cut = block_on(writer.cut()).unwrap();
        publish_each(&directory, cut.finished.into_iter().collect()).unwrap();
        images.push(cut.image);
    }
    drop((writer, directory));
    for name in names(path) {
        fs::remove_file(path.join(name)).unwrap();
    }
    let error = go_on(resumed(path, "a1").unwrap().live(), &images[0]).unwrap_err();
    assert!(matches!(error, SinkError::StateBehind { .. }), "{error}");
    go_on(resumed(path, "a1").unwrap().live(), &images[1]).unwrap();
}

#[test]
fn only_what_the_job_itself_began_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let others = [
        "part-00000-000002.csv.open",
        "part-00000-000009.csv.open.bak",
        "part-0-9.csv.open",
        "dead-00000-000009.jsonl.open",
        "notes.open",
    ];
    others.iter().for_each(|name| fs::write(path.join(name), "").unwrap());
    // Segments go on behind the highest number: these two are what the job began.
    let mut writer = writer(fresh(path, "a1").unwrap());
    block_on(writer.write(b"one\n")).unwrap();
    let cut = block_on(writer.cut()).unwrap();
    drop(writer);
    let own = |name: &str| fs::write(path.join(name), "").unwrap();
    own("part-00007-000003.csv.open");
    own("part-00008-000003.csv.open");
    fs::create_dir(path.join("a=1")).unwrap();
    own("a=1/part-00008-000003.csv.open");
    let directory = resumed(path, "a1").unwrap();
    let all = named_in(&cut.image);
    assert_eq!(all, ["part-00000-000003.csv"]);
    // One that is not open yet is named by its checkpoint.
    let named = [all, vec!["part-00007-000003.csv".to_owned()]].concat();
    let removed = directory.remove_unknown(&named).unwrap();
    let expected = ["a=1/part-00008-000003.csv.open", "part-00008-000003.csv.open"];
    assert_eq!(removed, expected.map(|name| path.join(name)));
    assert_eq!(directory.remove_unknown(&named).unwrap(), Vec::<PathBuf>::new());
    others.iter().for_each(|name| assert!(path.join(name).exists(), "{name}"));
    go_on(directory, &cut.image).unwrap();
}

/// Another output of the job may have a segment of the same name, which its checkpoint names; here nobody knows the file,
/// and the segment is begun anew.
#[test]
fn an_unknown_file_is_in_nobodys_way() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let mut writer = writer(fresh(path, "a1").unwrap());
    block_on(writer.write(b"one\n")).unwrap();
    block_on(writer.roll()).unwrap();
    let image = block_on(writer.cut()).unwrap().image;
    drop(writer);
    fs::write(path.join(OPEN), "of a process that was killed").unwrap();
    let directory = resumed(path, "a1").unwrap();
    let named = [named_in(&image), vec!["part-00000-000001.csv".to_owned()]].concat();
    assert!(directory.remove_unknown(&named).unwrap().is_empty());
    let mut writer = go_on(directory, &image).unwrap();
    block_on(writer.write(b"two\n")).unwrap();
    let finished = block_on(writer.end()).unwrap();
    assert_eq!(finished.segment_count(), 2);
    assert_eq!(fs::read(path.join(OPEN)).unwrap(), b"two\n");
}

#[test]
fn what_a_job_that_was_given_up_left_open_goes() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("part-00000-000000.csv.open"), "of a job without state").unwrap();
    drop(writer(fresh(path, "a1").unwrap()));
    let target = Target::Directory(path);
    let open = |job, replaced: &[String]| {
        OutputDirectory::open_fresh(target, OnExisting::Append, job, replaced).unwrap()
    };
    let directory = open("b2", &["a1".into()]);
    assert_eq!(directory.remove_unknown(&[]).unwrap(), [path.join(OPEN)]);
    let writer = writer(directory);
    assert_eq!(names(path), ["part-00000-000000.csv.open", "part-00000-000002.csv.open"]);
    drop(writer);
}

/// A wave of two directories, as it is published when input ends: done twice it is as if done once, also where whom
/// it is for has taken a file meanwhile.
#[test]
fn a_wave_is_published_again_with_the_same_effect() {
    let root = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| root.path().join(name));
    let mut images = Vec::new();
    for path in &paths {
        let mut writer = writer(fresh(path, "a1").unwrap());
        block_on(writer.write(b"row\n")).unwrap();
        block_on(writer.end()).unwrap();
        images.push(writer.end_image().unwrap());
    }
    for round in 0..3 {
        let directories = paths.each_ref().map(|path| Arc::new(resumed(path, "a1").unwrap()));
        let mut wave = Vec::new();
        for (directory, image) in directories.iter().zip(&images) {
            let (backend, image) = (Backend::Std, image.clone());
            let writer = FileWriter::resume(backend, Arc::clone(directory), 0, "csv", None, image);
            wave.push((&**directory, vec![block_on(writer.unwrap().end()).unwrap()]));
        }
        publish(wave).unwrap();
        if round == 0 {
            fs::remove_file(paths[0].join("part-00000-000000.csv")).unwrap();
        }
        let left = paths.each_ref().map(|path| names(path));
        assert_eq!(left[0], [""; 0]);
        assert_eq!(left[1], ["part-00000-000000.csv"]);
    }
}

/// Whatever stands in an image, it is refused or can be gone on with.
#[test]
fn a_damaged_image_is_no_panic() {
    use rand::SeedableRng as _;
    let root = tempfile::tempdir().unwrap();
    let image = begun(root.path());
    let mut dice = rand_pcg::Pcg64Mcg::seed_from_u64(1);
    let mut refused = 0;
    for _ in 0..300 {
        let damaged = damage(image.clone(), &mut dice);
        // What it goes on with is written to a copy.
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(root.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let directory = resumed(copy.path(), "a1").unwrap().without_flush().live();
        match go_on(directory, &damaged) {
            Err(_) => refused += 1,
            Ok(mut writer) => {
                let written = block_on(async {
                    writer.write(b"more\n").await?;
                    writer.cut().await?;
                    writer.end().await
                });
                drop(written);
            }
        }
    }
    assert!(refused > 150, "{refused}");
}

fn damage(image: Image, dice: &mut rand_pcg::Pcg64Mcg) -> Image {
    use rand::RngExt as _;
    use tidemill_record::image::{Entry, Texts};
    let mut entries: Vec<_> = image.into_entries().collect();
    let at = dice.random_range(0..entries.len());
    match &mut entries[at].1 {
        Entry::Image(inner) => {
            *inner = match inner.entries().count() {
                0 => Image::new(),
                _ => damage(std::mem::take(inner), dice),
            };
        }
        Entry::Numbers { bytes, .. } => match bytes.len() {
            0 => bytes.push(1),
            count if dice.random_bool(0.8) => {
                bytes[dice.random_range(0..count)] ^= 1 << dice.random_range(0..8)
            }
            count => bytes.truncate(dice.random_range(0..count)),
        },
        Entry::Texts(texts) => {
            let (ends, mut bytes) = std::mem::take(texts).into_parts();
            match bytes.len() {
                0 => bytes.push(b'x'),
                count => bytes[dice.random_range(0..count)] ^= 1 << dice.random_range(0..8),
            }
            *texts = Texts::from_parts(ends, bytes);
        }
    }
    if dice.random_bool(0.05) {
        entries.remove(at);
    }
    let mut damaged = Image::new();
    entries.into_iter().for_each(|(name, entry)| damaged.insert(name, entry));
    damaged
}
