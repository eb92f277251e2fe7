//! File sinks: nothing is visible before the job is whole, and nothing is left of one that fails.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::CString;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_plan::OnExisting;
use tidemill_record::{BadRecord, Offset};
use tidemill_rt::{Backend, Choice, allowed_cpus, launch, probe};
use tidemill_sink::{
    DeadLetterWriter, FileWriter, Finished, OutputDirectory, SinkError, WRITE_BYTES,
};

fn backends() -> Vec<Backend> {
    match probe(Choice::Auto).unwrap().backend {
        Backend::Std => vec![Backend::Std],
        _ => vec![Backend::Std, Backend::OnDemand, Backend::Glommio],
    }
}

fn on_core<T, F, Fut>(backend: Backend, body: F) -> T
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    launch(backend, allowed_cpus()[0], "test", body).unwrap().join().unwrap()
}

fn open(path: &Path, on_existing: OnExisting) -> Arc<OutputDirectory> {
    Arc::new(OutputDirectory::open(path, on_existing).unwrap())
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Writes the pieces as one partition, rolling when the writer wants to.
async fn write(
    backend: Backend,
    directory: Arc<OutputDirectory>,
    partition: u32,
    rolling_bytes: Option<u64>,
    pieces: Vec<Vec<u8>>,
) -> Result<Finished, SinkError> {
    let mut writer =
        FileWriter::create(backend, directory, partition, "csv", rolling_bytes).await?;
    for piece in pieces {
        writer.write(&piece).await?;
        if writer.wants_roll(0) {
            writer.roll().await?;
        }
    }
    writer.finish().await
}

fn run(
    backend: Backend,
    directory: &Arc<OutputDirectory>,
    partition: u32,
    rolling_bytes: Option<u64>,
    pieces: Vec<Vec<u8>>,
) -> Result<Finished, SinkError> {
    let directory = Arc::clone(directory);
    on_core(backend, move || write(backend, directory, partition, rolling_bytes, pieces))
}

#[test]
fn results_appear_at_once_and_whole() {
    let root = tempfile::tempdir().unwrap();
    for backend in backends() {
        let path = root.path().join(format!("{backend:?}/out"));
        let directory = open(&path, OnExisting::Fail);
        // Pieces below, at and above the size of a write.
        let pieces: Vec<Vec<u8>> =
            [1, 1000, WRITE_BYTES - 1, WRITE_BYTES, 3 * WRITE_BYTES + 5, 0, 7]
                .into_iter()
                .zip(b'a'..)
                .map(|(byte_count, letter)| vec![letter; byte_count])
                .collect();
        let expected = pieces.concat();
        let first = run(backend, &directory, 0, None, pieces).unwrap();
        let second = run(backend, &directory, 1, None, Vec::new()).unwrap();
        assert_eq!(first.byte_count(), expected.len() as u64);
        assert_eq!(names(&path), ["part-00000-000000.csv.open", "part-00001-000000.csv.open"]);
        let published = directory.publish(vec![first, second]).unwrap();
        assert_eq!(names(&path), ["part-00000-000000.csv", "part-00001-000000.csv"]);
        assert_eq!(published.byte_count, expected.len() as u64);
        assert_eq!(published.files[0], path.join("part-00000-000000.csv"));
        assert!(fs::read(&published.files[0]).unwrap() == expected, "{backend:?}");
        assert_eq!(fs::read(&published.files[1]).unwrap(), b"");
    }
}

#[test]
fn segments_roll_by_size() {
    let root = tempfile::tempdir().unwrap();
    for backend in backends() {
        let path = root.path().join(format!("{backend:?}"));
        let directory = open(&path, OnExisting::Fail);
        let pieces = vec![vec![b'a'; 60], vec![b'b'; 60], vec![b'c'; 200], vec![b'd'; 1]];
        let finished = run(backend, &directory, 12, Some(100), pieces).unwrap();
        assert_eq!((finished.segment_count(), finished.byte_count()), (3, 321));
        let published = directory.publish(vec![finished]).unwrap();
        let lengths: Vec<_> =
            published.files.iter().map(|file| fs::metadata(file).unwrap().len()).collect();
        assert_eq!(lengths, [120, 200, 1]);
        assert_eq!(names(&path)[2], "part-00012-000002.csv");
    }
}

#[test]
fn without_a_flush_results_appear_as_whole() {
    let root = tempfile::tempdir().unwrap();
    for backend in backends() {
        let path = root.path().join(format!("{backend:?}"));
        let directory = OutputDirectory::open(&path, OnExisting::Fail).unwrap().without_flush();
        assert!(!directory.is_durable());
        let directory = Arc::new(directory);
        let piece = vec![b'a'; 700_000];
        let finished = run(backend, &directory, 0, None, vec![piece.clone()]).unwrap();
        assert_eq!(names(&path), ["part-00000-000000.csv.open"]);
        let published = directory.publish(vec![finished]).unwrap();
        assert_eq!(names(&path), ["part-00000-000000.csv"]);
        assert_eq!(fs::read(&published.files[0]).unwrap(), piece);
    }
}

#[test]
fn a_failed_job_shows_nothing() {
    let root = tempfile::tempdir().unwrap();
    for backend in backends() {
        let directory = open(root.path(), OnExisting::Fail);
        let finished = run(backend, &directory, 0, None, vec![b"x".to_vec()]).unwrap();
        let unfinished = Arc::clone(&directory);
        on_core(backend, move || async move {
            let mut writer =
                FileWriter::create(backend, unfinished, 1, "csv", Some(1)).await.unwrap();
            writer.write(b"one").await.unwrap();
            writer.roll().await.unwrap();
            writer.write(b"two").await.unwrap();
        });
        assert_eq!(names(root.path()), ["part-00000-000000.csv.open"]);
        drop(finished);
        assert_eq!(names(root.path()), Vec::<String>::new());
    }
}

#[test]
fn earlier_results_are_kept_or_replaced_as_asked() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    for name in
        ["part-00000-000000.csv", "part-00007-000000.csv", "part-00001-000002.csv.open", "notes"]
    {
        fs::write(path.join(name), "earlier").unwrap();
    }
    let error = OutputDirectory::open(path, OnExisting::Fail).unwrap_err();
    assert!(
        matches!(&error, SinkError::Existing { path: found }
            if *found == path.join("part-00000-000000.csv")),
        "{error}"
    );
    assert!(error.to_string().contains("on.existing"), "{error}");
    assert_eq!(names(path).len(), 4);

    let directory = open(path, OnExisting::Replace);
    // What an earlier job left unfinished stays, and no name of it is used again.
    assert_eq!(directory.left_open(), [path.join("part-00001-000002.csv.open")]);
    assert_eq!(names(path).len(), 4);
    let finished = run(Backend::Std, &directory, 0, None, vec![b"new".to_vec()]).unwrap();
    assert_eq!(directory.open_files().unwrap(), [path.join("part-00000-000003.csv.open")]);
    let published = directory.publish(vec![finished]).unwrap();
    assert_eq!((published.removed_count, published.files.len()), (2, 1));
    assert_eq!(names(path), ["notes", "part-00000-000003.csv", "part-00001-000002.csv.open"]);
    assert_eq!(fs::read(path.join("part-00000-000003.csv")).unwrap(), b"new");
    assert_eq!(fs::read(path.join("part-00001-000002.csv.open")).unwrap(), b"earlier");
    // A job publishes more than once; what it has published is no earlier result.
    let finished = run(Backend::Std, &directory, 1, None, vec![b"more".to_vec()]).unwrap();
    assert_eq!(directory.publish(vec![finished]).unwrap().removed_count, 0);
    assert!(path.join("part-00000-000003.csv").exists());
}

#[test]
fn files_that_look_like_results_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let others = [
        "part-00000-3f2c1d9e-c000.snappy.parquet",
        "part-00000-abc.snappy.parquet",
        "part-00000.csv",
        "part-time-contracts.xlsx",
    ];
    for name in others {
        fs::write(path.join(name), "not ours").unwrap();
    }
    // Names of ours that are no regular files are not ours either, but taken.
    fs::create_dir(path.join("part-00000-000004.csv")).unwrap();
    std::os::unix::fs::symlink("part-time-contracts.xlsx", path.join("part-00000-000005.csv"))
        .unwrap();
    let before = names(path);
    for on_existing in [OnExisting::Fail, OnExisting::Replace] {
        let directory = open(path, on_existing);
        let finished = run(Backend::Std, &directory, 0, None, vec![b"new".to_vec()]).unwrap();
        let published = directory.publish(vec![finished]).unwrap();
        assert_eq!(published.files, [path.join("part-00000-000006.csv")]);
        assert_eq!(published.removed_count, 0);
        fs::remove_file(&published.files[0]).unwrap();
        assert_eq!(names(path), before);
    }
}

#[test]
fn segments_of_a_live_job_are_published_one_by_one_and_stay() {
    let root = tempfile::tempdir().unwrap();
    for backend in backends() {
        let path = root.path().join(format!("{backend:?}"));
        let live = OutputDirectory::open(&path, OnExisting::Fail).unwrap().live();
        let directory = Arc::new(live);
        let to = Arc::clone(&directory);
        // More of them than may wait to be flushed.
        let finished = on_core(backend, move || async move {
            let mut writer = FileWriter::create(backend, to, 3, "csv", Some(2)).await.unwrap();
            assert!(writer.take_finished().is_none());
            let mut finished = Vec::new();
            for number in 10..30 {
                writer.write(format!("{number}").as_bytes()).await.unwrap();
                assert!(writer.wants_roll(0));
                writer.roll().await.unwrap();
                finished.extend(writer.take_finished());
            }
            // The job fails with this in hand.
            writer.write(b"kept").await.unwrap();
            writer.salvage(b" too");
            finished
        });
        assert_eq!(finished.len(), 20);
        for finished in finished {
            assert_eq!(directory.publish(vec![finished]).unwrap().files.len(), 1);
        }
        let found = names(&path);
        assert_eq!(found.len(), 21);
        assert_eq!(fs::read(path.join("part-00003-000019.csv")).unwrap(), b"29");
        assert_eq!(found[20], "part-00003-000020.csv.open");
        assert_eq!(fs::read(path.join(&found[20])).unwrap(), b"kept too");
        drop(directory);
        // The next one goes on behind it.
        let next = open(&path, OnExisting::Replace);
        let finished = run(backend, &next, 0, None, vec![b"next".to_vec()]).unwrap();
        let published = next.publish(vec![finished]).unwrap();
        assert_eq!(published.files, [path.join("part-00000-000021.csv")]);
        assert_eq!(names(&path), ["part-00000-000021.csv", "part-00003-000020.csv.open"]);
    }
}

#[test]
fn two_jobs_do_not_share_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let first = open(root.path(), OnExisting::Replace);
    let error = OutputDirectory::open(root.path(), OnExisting::Replace).unwrap_err();
    assert!(matches!(error, SinkError::Locked { .. }), "{error}");
    drop(first);
    OutputDirectory::open(root.path(), OnExisting::Replace).unwrap();
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    fs::write(&path, "").unwrap();
    for at in [path.clone(), path.join("below")] {
        let error = OutputDirectory::open(&at, OnExisting::Fail).unwrap_err();
        assert!(matches!(&error, SinkError::NotADirectory { path } if *path == at), "{error}");
    }
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let root = tempfile::tempdir().unwrap();
    let locked = root.path().join("locked");
    fs::create_dir(&locked).unwrap();
    let out = locked.join("out");
    let body = move || OutputDirectory::open(&out, OnExisting::Fail).map(|_| ());
    let thread = std::thread::spawn(move || {
        // SAFETY: this changes the thread's own identity only, and the thread ends here.
        unsafe { libc::setfsuid(65_534) };
        body()
    });
    let permissions = fs::metadata(root.path()).unwrap().permissions();
    assert!(!permissions.readonly());
    let error = thread.join().unwrap().unwrap_err();
    assert!(matches!(error, SinkError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("write permission"), "{error}");
}

/// A file system of 64 KiB; `None` where this user may not mount one.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        let text = |text: &str| CString::new(text).unwrap();
        let (target, kind, data) = (text(path.to_str().unwrap()), text("tmpfs"), text("size=64k"));
        // SAFETY: all are C strings that outlive the call.
        let result = unsafe {
            libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, data.as_ptr().cast())
        };
        (result == 0).then_some(Self(path))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let target = CString::new(self.0.to_str().unwrap()).unwrap();
        // SAFETY: a C string that outlives the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::mount(root.path().to_owned()) else {
        // Only root may mount; elsewhere the standard output test has /dev/full.
        return;
    };
    for backend in backends() {
        let directory = open(&disk.0.join("out"), OnExisting::Fail);
        let error = run(backend, &directory, 0, None, vec![vec![b'x'; 300_000]]).unwrap_err();
        assert!(
            matches!(&error, SinkError::Full { path, .. }
            if path.ends_with("part-00000-000000.csv.open")),
            "{backend:?}: {error}"
        );
        assert!(error.to_string().contains("(errno 28)"), "{error}");
        assert_eq!(names(directory.path()), Vec::<String>::new());
        // And what fits goes through when there is room again.
        let finished = run(backend, &directory, 0, None, vec![vec![b'x'; 40_000]]);
        let finished = finished.unwrap_or_else(|error| panic!("{backend:?}: {error}"));
        assert_eq!(directory.publish(vec![finished]).unwrap().byte_count, 40_000);
        fs::remove_dir_all(directory.path()).unwrap();
    }
}

#[test]
fn dead_letters_lose_no_byte() {
    let root = tempfile::tempdir().unwrap();
    let bad = |offset, field: Option<&str>, raw: Option<&[u8]>| BadRecord {
        offset: Offset(offset),
        field: field.map(str::to_owned),
        reason: "not a \"number\"".to_owned(),
        raw: raw.map(<[u8]>::to_vec),
        place: None,
    };
    let letters = vec![
        bad(7, Some("price"), Some(b"{\"price\":\"x\"}\t")),
        bad(9, None, Some(b"a\xff\x00")),
        bad(11, None, None),
    ];
    // The last two by hand: 0x61 0xff 0x00 is "Yf8A" in base64.
    let expected = concat!(
        r#"{"source":"trades","partition":3,"offset":7,"field":"price","#,
        r#""reason":"not a \"number\"","record":"{\"price\":\"x\"}\t"}"#,
        "\n",
        r#"{"source":"trades","partition":3,"offset":9,"field":null,"reason":"not a \"number\"","#,
        r#""record":"a�\u0000","record_base64":"Yf8A"}"#,
        "\n",
        r#"{"source":"trades","partition":3,"offset":11,"field":null,"reason":"not a \"number\"","#,
        r#""record":null}"#,
        "\n",
    );
    for backend in backends() {
        let path = root.path().join(format!("{backend:?}"));
        let directory = Arc::new(OutputDirectory::open_dead_letters(&path).unwrap());
        let (at, letters) = (Arc::clone(&directory), letters.clone());
        let finished = on_core(backend, move || async move {
            let clean = DeadLetterWriter::new(backend, Arc::clone(&at), "trades".to_owned(), 2, 0);
            let mut writer = DeadLetterWriter::new(backend, at, "trades".to_owned(), 3, 1);
            for letter in &letters {
                writer.write(letter).await.unwrap();
            }
            assert_eq!(writer.letter_count(), 3);
            vec![clean.finish().await.unwrap(), writer.finish().await.unwrap()]
        });
        let published = directory.publish(finished).unwrap();
        assert_eq!(published.files, [path.join("dead-00001-000000.jsonl")]);
        assert_eq!(fs::read_to_string(&published.files[0]).unwrap(), expected);
    }
}
