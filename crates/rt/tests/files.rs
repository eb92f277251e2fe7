//! Cores and files, on all backends: equal bytes, and every change of a file noticed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::future::Future;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tidemill_rt::{
    Backend, Choice, File, FileChange, READ_BYTES, RtError, SequentialReads, allowed_cpus,
    has_ring, launch, probe,
};

/// All backends, or the portable one where this host refuses io_uring.
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

fn pattern(byte_count: usize) -> Vec<u8> {
    (0..byte_count).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

fn write_file(path: &Path, bytes: &[u8]) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

/// Drops a file's pages from the cache.
fn uncache(path: &Path) {
    let file = fs::File::open(path).unwrap();
    // SAFETY: the descriptor is open.
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0);
}

async fn read_all(mut reads: SequentialReads, piece: usize) -> Result<Vec<u8>, RtError> {
    let mut all = Vec::new();
    let mut buffer = vec![0; piece];
    loop {
        let count = reads.read(&mut buffer).await?;
        if count == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&buffer[..count]);
    }
}

#[test]
fn sequential_reads_give_the_bytes_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    for byte_count in [0, 1, READ_BYTES - 1, READ_BYTES, 5 * READ_BYTES + 17, 80 * READ_BYTES] {
        let path = directory.path().join(byte_count.to_string());
        let expected = pattern(byte_count);
        write_file(&path, &expected);
        for backend in backends() {
            for is_cached in [false, true] {
                for piece in [READ_BYTES, 100_000, READ_BYTES * 3 + 5] {
                    if !is_cached {
                        uncache(&path);
                    }
                    let start = u64::try_from(byte_count / 3).unwrap();
                    let at = path.clone();
                    let bytes = on_core(backend, move || async move {
                        let reads = SequentialReads::open(backend, &at, start, u64::MAX, None);
                        read_all(reads.await.unwrap(), piece).await.unwrap()
                    });
                    assert!(bytes == expected[byte_count / 3..], "{backend:?} {byte_count}");
                }
            }
        }
    }
}

#[test]
fn a_range_does_not_end_the_pass() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let expected = pattern(3 * READ_BYTES);
    write_file(&path, &expected);
    for backend in backends() {
        uncache(&path);
        let at = path.clone();
        let bytes = on_core(backend, move || async move {
            let reads = SequentialReads::open(backend, &at, 10, 20, None).await.unwrap();
            read_all(reads, 1000).await.unwrap()
        });
        assert!(bytes == expected[10..], "{backend:?}");
    }
}

#[test]
fn exact_reads_fill_the_buffer_or_fail() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let expected = pattern(7 * READ_BYTES + 3);
    write_file(&path, &expected);
    for backend in backends() {
        for is_cached in [false, true] {
            if !is_cached {
                uncache(&path);
            }
            let at = path.clone();
            let (bytes, beyond) = on_core(backend, move || async move {
                let file = File::open(backend, &at).await.unwrap();
                let mut bytes = vec![0; 7 * READ_BYTES];
                file.read_exact_at(&mut bytes, 3).await.unwrap();
                let beyond = file.read_exact_at(&mut [0; 10], 7 * READ_BYTES as u64).await;
                file.close().await.unwrap();
                (bytes, beyond.unwrap_err().kind())
            });
            assert!(bytes == expected[3..], "{backend:?}");
            assert_eq!(beyond, std::io::ErrorKind::UnexpectedEof);
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    for backend in backends() {
        let path = directory.path().join(format!("{backend:?}"));
        let at = path.clone();
        let length = on_core(backend, move || async move {
            let file = File::create(backend, &at).await.unwrap();
            file.write_all_at(&pattern(600_000), 0).unwrap();
            file.write_all_at(b"end", 600_000).unwrap();
            file.fsync().await.unwrap();
            let length = file.byte_count().unwrap();
            let mut end = [0; 8];
            assert_eq!(file.read_at(&mut end, 600_000).await.unwrap(), 3);
            assert_eq!(&end[..3], b"end");
            assert_eq!(file.read_at(&mut end, 600_003).await.unwrap(), 0);
            file.close().await.unwrap();
            length
        });
        assert_eq!(length, 600_003);
        assert!(fs::read(&path).unwrap().starts_with(&pattern(600_000)));
        let again = on_core(backend, move || async move {
            File::create(backend, &path).await.unwrap_err().kind()
        });
        assert_eq!(again, std::io::ErrorKind::AlreadyExists);
    }
}

/// Reads two pieces, lets `change` happen to the file, reads the rest, and gives the error.
fn change_of(backend: Backend, change: fn(&Path)) -> FileChange {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write_file(&path, &pattern(20 * READ_BYTES));
    let at: PathBuf = path.clone();
    let error = on_core(backend, move || async move {
        let mut reads = SequentialReads::open(backend, &at, 0, u64::MAX, None).await.unwrap();
        let mut buffer = vec![0; READ_BYTES];
        for _ in 0..2 {
            assert!(reads.read(&mut buffer).await.unwrap() > 0);
        }
        change(&at);
        read_all(reads, READ_BYTES).await.unwrap_err()
    });
    match error {
        RtError::FileChanged { change, path: named } => {
            assert_eq!(named, path);
            change
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let bytes = 20 * READ_BYTES as u64;
    for backend in backends() {
        let cut = |path: &Path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_000_000).unwrap();
        };
        assert_eq!(change_of(backend, cut), FileChange::Shrank(bytes, 1_000_000));
        let append = |path: &Path| {
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
        };
        assert_eq!(change_of(backend, append), FileChange::Grew(bytes, bytes + 4));
        let remove = |path: &Path| fs::remove_file(path).unwrap();
        assert_eq!(change_of(backend, remove), FileChange::Removed);
        let rewrite = |path: &Path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"x", 5).unwrap();
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
            file.set_modified(later).unwrap();
        };
        assert_eq!(change_of(backend, rewrite), FileChange::Rewritten);
    }
}

#[test]
fn a_ring_is_made_when_a_read_would_wait_and_not_before() {
    if backends().len() == 1 {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    write_file(&path, &pattern(3 * READ_BYTES));
    uncache(&path);
    // What is in memory on this file system whatever is said of it needs no ring.
    let would_wait = {
        let file = fs::File::open(&path).unwrap();
        let mut byte = [0_u8];
        let part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
        // SAFETY: the descriptor is open, and `part` describes `byte`, which is writable.
        let count =
            unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, 0, libc::RWF_NOWAIT) };
        count < 0
    };
    for (backend, from_start) in [(Backend::OnDemand, false), (Backend::Glommio, true)] {
        uncache(&path);
        let at = path.clone();
        let (before, after, bytes) = on_core(backend, move || async move {
            let file = File::open(backend, &at).await.unwrap();
            let before = has_ring();
            let mut bytes = vec![0; 3 * READ_BYTES];
            file.read_exact_at(&mut bytes, 0).await.unwrap();
            let after = has_ring();
            file.close().await.unwrap();
            (before, after, bytes)
        });
        assert_eq!(before, from_start, "{backend:?}");
        assert_eq!(after, from_start || would_wait, "{backend:?}");
        assert!(bytes == pattern(3 * READ_BYTES), "{backend:?}");
    }
}

#[test]
fn a_core_is_pinned_and_named_and_gives_its_result() {
    for backend in backends() {
        let cpu = *allowed_cpus().last().unwrap();
        let core = launch(backend, cpu, "mill-3", || async {
            tidemill_rt::yield_if_needed().await;
            (allowed_cpus(), std::thread::current().name().unwrap().to_owned())
        });
        let (cpus, name) = core.unwrap().join().unwrap();
        assert_eq!(cpus, [cpu]);
        assert_eq!(name, "mill-3");
    }
}

#[test]
fn a_panic_is_an_error_with_its_message() {
    for backend in backends() {
        let sooner = launch(backend, allowed_cpus()[0], "early", || {
            if allowed_cpus().is_empty() {
                return std::future::ready(());
            }
            panic!("before the future, code {}", 7)
        });
        let error = sooner.unwrap().join().unwrap_err();
        assert_eq!(error.to_string(), "core early panicked: before the future, code 7");
        let later = launch(backend, allowed_cpus()[0], "late", || async {
            tidemill_rt::yield_if_needed().await;
            panic!("inside the future")
        });
        let error: RtError = later.unwrap().join().map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "core late panicked: inside the future");
    }
}

#[test]
fn a_cpu_outside_the_mask_is_refused_at_launch() {
    for backend in backends() {
        let error = launch(backend, 4095, "nowhere", || async {}).unwrap_err();
        assert!(matches!(error, RtError::CpuNotAllowed { cpu: 4095, .. }), "{error}");
    }
}
