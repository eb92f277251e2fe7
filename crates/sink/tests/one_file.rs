//! Results in one file: parts of several writers become one, in order, and take the place of an earlier one in a
//! single step.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use tidemill_plan::OnExisting;
use tidemill_rt::{Backend, allowed_cpus, launch};
use tidemill_sink::{FileWriter, Finished, OutputDirectory, SinkError};

fn open(path: &Path, on_existing: OnExisting) -> Arc<OutputDirectory> {
    Arc::new(OutputDirectory::open_file(path, on_existing).unwrap())
}

fn write(directory: &Arc<OutputDirectory>, partition: u32, text: &str) -> Finished {
    let (directory, text) = (Arc::clone(directory), text.to_owned());
    let body = move || async move {
        let mut writer =
            FileWriter::create(Backend::Std, directory, partition, "csv", None).await.unwrap();
        writer.write(text.as_bytes()).await.unwrap();
        writer.finish().await.unwrap()
    };
    launch(Backend::Std, allowed_cpus()[0], "test", body).unwrap().join().unwrap()
}

/// Parts of these texts, whole.
fn parts(
    directory: &Arc<OutputDirectory>,
    texts: &[&str],
) -> Vec<(Finished, std::ops::Range<u64>)> {
    let part =
        |(number, text): (u32, &&str)| (write(directory, number, text), 0..text.len() as u64);
    (0..).zip(texts).map(part).collect()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn parts_become_one_file_in_their_order() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("made/on the way/o.csv");
    let folder = path.parent().unwrap();
    let directory = open(&path, OnExisting::Fail);
    let mut parts = parts(&directory, &["head\n1\ntail", "head\n2\n3\n", "", "4\n"]);
    let open_names = |number: u32| format!("o.csv.0000{number}-000000.open");
    let hidden = ".o.csv.tidemill-lock".to_owned();
    let expected: Vec<String> = std::iter::once(hidden).chain((0..4).map(open_names)).collect();
    assert_eq!(names(folder), expected);
    (parts[0].1, parts[1].1) = (0..7, 5..9);
    let whole = directory.join(parts, b"end", NonZeroUsize::MIN).unwrap();
    assert_eq!(whole.byte_count(), 16);
    assert_eq!(names(folder), [".o.csv.tidemill-lock", "o.csv.00000-000000.open"]);
    let published = directory.publish(vec![whole]).unwrap();
    assert_eq!((published.files, published.byte_count), (vec![path.clone()], 16));
    assert_eq!(fs::read_to_string(&path).unwrap(), "head\n1\n2\n3\n4\nend");
    drop(directory);
    assert_eq!(names(folder), ["o.csv"]);
}

#[test]
fn an_earlier_file_stays_until_the_new_one_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("o.csv");
    fs::write(&path, "old").unwrap();
    let error = OutputDirectory::open_file(&path, OnExisting::Fail).unwrap_err();
    assert!(matches!(&error, SinkError::Existing { path: named } if *named == path), "{error}");
    assert_eq!(names(root.path()), ["o.csv"]);
    // A job that fails.
    let directory = open(&path, OnExisting::Replace);
    drop(parts(&directory, &["new", "new"]));
    drop(directory);
    assert_eq!(
        (names(root.path()), fs::read_to_string(&path).unwrap()),
        (vec!["o.csv".into()], "old".into())
    );
    let directory = open(&path, OnExisting::Replace);
    let whole = directory.join(parts(&directory, &["new"]), b"", NonZeroUsize::MIN).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    let published = directory.publish(vec![whole]).unwrap();
    assert_eq!(published.removed_count, 1);
    drop(directory);
    assert_eq!(
        (names(root.path()), fs::read_to_string(&path).unwrap()),
        (vec!["o.csv".into()], "new".into())
    );
}

#[test]
fn what_was_not_there_when_the_job_began_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("o.csv");
    for earlier in [None, Some("old")] {
        for on_existing in [OnExisting::Fail, OnExisting::Replace] {
            let _ = fs::remove_file(&path);
            if let (Some(text), OnExisting::Replace) = (earlier, on_existing) {
                fs::write(&path, text).unwrap();
            }
            let directory = open(&path, on_existing);
            let whole =
                directory.join(parts(&directory, &["new"]), b"", NonZeroUsize::MIN).unwrap();
            fs::remove_file(&path).or_else(|_| fs::metadata(root.path()).map(drop)).unwrap();
            fs::write(&path, "somebody else's").unwrap();
            let error = directory.publish(vec![whole]).unwrap_err();
            assert!(matches!(error, SinkError::NameTaken { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
        }
    }
}

#[test]
fn one_job_at_a_time_writes_a_file_and_others_write_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("o.csv");
    let directory = open(&path, OnExisting::Fail);
    let error = OutputDirectory::open_file(&path, OnExisting::Fail).unwrap_err();
    assert!(matches!(error, SinkError::Locked { .. }), "{error}");
    let beside = open(&root.path().join("p.csv"), OnExisting::Fail);
    let around = OutputDirectory::open(root.path(), OnExisting::Fail).unwrap();
    for one in [&directory, &beside] {
        let whole = one.join(parts(one, &["x"]), b"", NonZeroUsize::MIN).unwrap();
        one.publish(vec![whole]).unwrap();
    }
    drop((directory, beside, around));
    assert_eq!(names(root.path()), ["o.csv", "p.csv"]);
}

#[test]
fn what_a_killed_job_left_open_stays() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("o.csv");
    let left = ["o.csv.00000-000003.open", "o.csv.00001-000002.open"];
    left.iter().for_each(|name| fs::write(root.path().join(name), "rows").unwrap());
    fs::write(root.path().join("o.csv.open"), "whoever's").unwrap();
    fs::write(root.path().join(".o.csv.tidemill-lock"), "").unwrap();
    let directory = open(&path, OnExisting::Fail);
    assert_eq!(directory.left_open(), left.map(|name| root.path().join(name)));
    let parts = parts(&directory, &["new"]);
    assert_eq!(directory.open_files().unwrap(), [root.path().join("o.csv.00000-000004.open")]);
    let whole = directory.join(parts, b"", NonZeroUsize::MIN).unwrap();
    directory.publish(vec![whole]).unwrap();
    drop(directory);
    assert_eq!(names(root.path()), ["o.csv", left[0], left[1], "o.csv.open"]);
}

#[test]
fn only_a_regular_file_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("elsewhere.csv"), "old").unwrap();
    symlink("elsewhere.csv", root.path().join("link.csv")).unwrap();
    symlink("nowhere", root.path().join("gone.csv")).unwrap();
    fs::create_dir(root.path().join("folder.csv")).unwrap();
    for name in ["link.csv", "gone.csv", "folder.csv", "elsewhere.csv/o.csv"] {
        let error = OutputDirectory::open_file(&root.path().join(name), OnExisting::Replace);
        let error = error.unwrap_err();
        let is_named =
            matches!(error, SinkError::NotAFile { .. } | SinkError::NotADirectory { .. });
        assert!(is_named, "{name}: {error}");
    }
    assert_eq!(names(root.path()), ["elsewhere.csv", "folder.csv", "gone.csv", "link.csv"]);
}

#[test]
fn parts_that_are_copied_beside_each_other_come_in_order() {
    let root = tempfile::tempdir().unwrap();
    for workers in 1..5 {
        let path = root.path().join(format!("{workers}.csv"));
        let directory = open(&path, OnExisting::Fail);
        let mut parts = parts(&directory, &["head\n1\n", "2\n", "", "33\n33\n", "cut 4\n", "5\n"]);
        parts[4].1 = 4..6;
        let whole = directory.join(parts, b"end\n", NonZeroUsize::new(workers).unwrap()).unwrap();
        directory.publish(vec![whole]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "head\n1\n2\n33\n33\n4\n5\nend\n");
    }
    assert_eq!(names(root.path()), ["1.csv", "2.csv", "3.csv", "4.csv"]);
}

#[test]
fn a_part_of_input_without_end_is_not_lost() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("o.csv");
    let directory = Arc::new(OutputDirectory::open_file(&path, OnExisting::Fail).unwrap().live());
    let mut parts = parts(&directory, &["1\n", "2\n", "3\n"]);
    // The last one cannot be copied whole.
    parts[2].1 = 0..7;
    assert!(directory.join(parts, b"", NonZeroUsize::MIN).is_err());
    drop(directory);
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert_eq!(names(root.path()), ["o.csv.00000-000000.open", "o.csv.00002-000000.open"]);
    assert_eq!(read("o.csv.00000-000000.open"), "1\n2\n");
    assert_eq!(read("o.csv.00002-000000.open"), "3\n");
}
