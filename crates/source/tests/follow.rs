//! Files that are followed: what is appended comes, offsets go on, and what becomes of the file is noticed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tidemill_plan::Compression;
use tidemill_record::{FrameBytes, Offset, PartitionId, Polled};
use tidemill_rt::{Backend, Choice, FileIdentity, allowed_cpus, launch, probe};
use tidemill_source::{InputFile, SourceError, TextReader, TextSpec};

fn backends() -> Vec<Backend> {
    match probe(Choice::Auto).unwrap().backend {
        Backend::Glommio => vec![Backend::Std, Backend::Glommio],
        Backend::Std => vec![Backend::Std],
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn follow(backend: Backend, path: &Path, record_bytes_max: usize) -> TextReader {
    let identity = FileIdentity::of_path(path).unwrap();
    let file = InputFile {
        path: path.to_owned(),
        compression: Compression::None,
        identity,
        byte_count: identity.byte_count,
    };
    let partition = PartitionId(0);
    let spec = TextSpec {
        backend,
        file: &file,
        format: None,
        range: None,
        partition,
        record_bytes_max,
        follow: true,
    };
    TextReader::open(spec).await.unwrap()
}

/// The next whole lines, with their offset; asks again until there are some.
async fn lines(reader: &mut TextReader) -> Result<(u64, String), SourceError> {
    let asked = Instant::now();
    loop {
        assert!(asked.elapsed() < Duration::from_secs(60), "nothing comes");
        let Polled::Ready(frames) = reader.next_frames().await? else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        let FrameBytes::Sequential { bytes, start, is_last, .. } = frames.bytes else {
            panic!("text is lent as sequential bytes");
        };
        assert_eq!(start, Offset(reader.position()));
        let text = std::str::from_utf8(&bytes).unwrap();
        let whole = if is_last { text.len() } else { text.rfind('\n').map_or(0, |at| at + 1) };
        reader.consume(whole as u64);
        if whole > 0 {
            return Ok((start.0, text[..whole].to_owned()));
        }
    }
}

fn on_each_backend<F, Fut>(body: F)
where
    F: Fn(Backend, std::path::PathBuf) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    for backend in backends() {
        let directory = tempfile::tempdir().unwrap();
        let (path, body) = (directory.path().join("log"), body.clone());
        let run = move || async move { body(backend, path).await };
        launch(backend, allowed_cpus()[0], "test", run).unwrap().join().unwrap();
    }
}

fn given(offset: u64, text: &str) -> (u64, String) {
    (offset, text.to_owned())
}

#[test]
fn what_is_appended_comes_in_whole_records() {
    on_each_backend(|backend, path| async move {
        append(&path, "one\ntw");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\n"));
        assert!(matches!(reader.next_frames().await, Ok(Polled::NotReady)));
        append(&path, "o\nthree\n");
        assert_eq!(lines(&mut reader).await.unwrap(), given(4, "two\nthree\n"));
        assert_eq!((reader.position(), reader.head()), (14, 0));
    });
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_next() {
    on_each_backend(|backend, path| async move {
        append(&path, "one\n");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\n"));
        let rotated = path.with_extension("1");
        fs::rename(&path, &rotated).unwrap();
        append(&rotated, "two\nlast");
        assert_eq!(lines(&mut reader).await.unwrap(), given(4, "two\n"));
        // A file without a byte is not entered: whoever writes may still write into the other one.
        append(&path, "");
        append(&rotated, " one");
        append(&path, "new\n");
        let mut found = String::new();
        while !found.ends_with("new\n") {
            found.push_str(&lines(&mut reader).await.unwrap().1);
        }
        assert_eq!(found, "last onenew\n");
        assert_eq!((reader.head(), reader.position()), (16, 20));
        assert!(reader.notices().is_empty());
    });
}

#[test]
fn a_file_that_is_cut_is_read_from_its_start_and_that_is_said() {
    on_each_backend(|backend, path| async move {
        append(&path, "one\ntw");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\n"));
        assert!(matches!(reader.next_frames().await, Ok(Polled::NotReady)));
        fs::write(&path, "1\n").unwrap();
        assert_eq!(lines(&mut reader).await.unwrap(), given(6, "1\n"));
        assert_eq!(reader.head(), 6);
        let notices = reader.notices();
        assert!(
            notices[0].contains("was cut once") && notices[0].contains("2 bytes"),
            "{notices:?}"
        );
    });
}

#[test]
fn a_record_without_an_end_is_refused() {
    on_each_backend(|backend, path| async move {
        append(&path, "0123456789");
        let mut reader = follow(backend, &path, 8).await;
        let mut last = Ok(given(0, ""));
        for _ in 0..100 {
            append(&path, "0123456789");
            std::thread::sleep(Duration::from_millis(12));
            match reader.next_frames().await {
                Ok(_) => {}
                Err(error) => {
                    last = Err(error);
                    break;
                }
            }
        }
        assert!(matches!(last, Err(SourceError::RecordTooLong { bytes_max: 8, .. })), "{last:?}");
    });
}
