//! Files that are followed: what is appended comes, offsets go on, and what becomes of the file is noticed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill_plan::{Compression, Encoding};
use tidemill_record::{FrameBytes, Frames, Offset, PartitionId, Polled};
use tidemill_rt::{
    Backend, Bell, Choice, FileIdentity, Waiting, Wakes, allowed_cpus, launch, probe,
    since_epoch_ns, system_time,
};
use tidemill_source::{Claims, Follow, Held, InputFile, SourceError, TextReader, TextSpec};

thread_local! {
    /// Where this core waits.
    static WAITING: Waiting = Waiting::new(Bell::new().unwrap());
    /// Whether readers are told of changes, or look by themselves.
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Waits until a reader says that it is worth to ask it again.
fn wait(reader: &TextReader) {
    if !IS_TOLD.get() {
        return std::thread::sleep(Duration::from_millis(1));
    }
    WAITING.with(|waiting| {
        let wake = reader.wake();
        if !wake.is_due(Instant::now()) {
            let mut wakes = Wakes::default();
            wakes.add(wake);
            futures_lite::future::block_on(waiting.wait(&wakes));
        }
    });
}

/// Asks a reader for more, told of what has happened.
async fn ask(reader: &mut TextReader) -> Result<Polled<Frames>, SourceError> {
    if IS_TOLD.get() {
        WAITING.with(Waiting::look);
    }
    reader.next_frames().await
}

fn backends() -> Vec<Backend> {
    match probe(Choice::Auto).unwrap().backend {
        Backend::Std => vec![Backend::Std],
        _ => vec![Backend::Std, Backend::OnDemand, Backend::Glommio],
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn follow(backend: Backend, path: &Path, record_bytes_max: usize) -> TextReader {
    let file = input(path);
    let claims = Claims::of([&file]);
    follow_with(backend, &file, record_bytes_max, claims).await
}

fn input(path: &Path) -> InputFile {
    let identity = FileIdentity::of_path(path).unwrap();
    let seen_ns = since_epoch_ns(system_time());
    let file = fs::File::open(path).unwrap().into();
    InputFile {
        path: path.into(),
        compression: Compression::None,
        encoding: Encoding::Unsaid,
        identity,
        held: Some(Arc::new(Held::File { file, seen_ns })),
    }
}

async fn follow_with(
    backend: Backend,
    file: &InputFile,
    record_bytes_max: usize,
    claims: Arc<Claims>,
) -> TextReader {
    let partition = PartitionId(0);
    let spec = TextSpec {
        backend,
        file,
        format: None,
        range: None,
        partition,
        record_bytes_max,
        follow: Some(Follow {
            claims,
            events: WAITING.with(|waiting| waiting.files().filter(|_| IS_TOLD.get()).cloned()),
        }),
    };
    TextReader::open(spec).await.unwrap()
}

/// The next whole lines, with their offset; asks again until there are some.
async fn lines(reader: &mut TextReader) -> Result<(u64, String), SourceError> {
    let asked = Instant::now();
    loop {
        assert!(asked.elapsed() < Duration::from_secs(60), "nothing comes");
        let Polled::Ready(frames) = ask(reader).await? else {
            wait(reader);
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
    for (backend, is_told) in backends().into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let directory = tempfile::tempdir().unwrap();
        let (path, body) = (directory.path().join("log"), body.clone());
        let run = move || async move {
            IS_TOLD.set(is_told);
            body(backend, path).await;
        };
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
        assert!(matches!(ask(&mut reader).await, Ok(Polled::NotReady)));
        append(&path, "o\nthree\n");
        assert_eq!(lines(&mut reader).await.unwrap(), given(4, "two\nthree\n"));
        assert_eq!((reader.position(), reader.head()), (14, 0));
    });
}

#[test]
fn characters_that_come_in_parts_are_whole_when_they_are_lent() {
    on_each_backend(|backend, path| async move {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let add = |bytes: &[u8]| {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
            file.write_all(bytes).unwrap();
        };
        let text = utf16("\u{feff}é,1\n日😀");
        add(&text[..1]);
        let file = input(&path);
        let claims = Claims::of([&file]);
        let mut reader = follow_with(backend, &file, 1000, claims).await;
        for byte in &text[1..] {
            assert!(matches!(ask(&mut reader).await, Ok(Polled::NotReady)));
            add(&[*byte]);
            if *byte == 0 && text.len() > 8 {
                break;
            }
        }
        // What is left comes at once.
        let sent = fs::read(&path).unwrap().len();
        add(&text[sent..]);
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "\u{feff}é,1\n"));
        add(&utf16("\n"));
        assert_eq!(lines(&mut reader).await.unwrap(), given(8, "日😀\n"));
        // The next file of the name has a mark of its own, or none.
        fs::rename(&path, path.with_extension("1")).unwrap();
        fs::write(&path, "plain\n").unwrap();
        let mut found = String::new();
        while !found.ends_with("plain\n") {
            found.push_str(&lines(&mut reader).await.unwrap().1);
        }
        assert_eq!(found, "plain\n");
        let notices = reader.notices();
        assert!(notices.len() == 1 && notices[0].contains("UTF-16"), "{notices:?}");
        // A single byte may be the whole of a character, also where it is declared.
        let latin = path.with_extension("latin");
        fs::write(&latin, b"caf\xe9\n").unwrap();
        let file = InputFile { encoding: Encoding::Latin1, ..input(&latin) };
        let claims = Claims::of([&file]);
        let mut reader = follow_with(backend, &file, 1000, claims).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "café\n"));
        assert!(reader.notices().is_empty());
    });
}

#[test]
fn a_quiet_file_costs_nothing_until_something_happens_to_it() {
    on_each_backend(|backend, path| async move {
        if !IS_TOLD.get() {
            return;
        }
        append(&path, "one\n");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\n"));
        let since = Instant::now();
        const ROUNDS: u64 = 40;
        for round in 0..ROUNDS {
            assert!(matches!(ask(&mut reader).await, Ok(Polled::NotReady)));
            let wake = reader.wake();
            assert!(!wake.is_due && wake.at.is_none(), "it waits to be told");
            append(&path, "two\n");
            assert_eq!(lines(&mut reader).await.unwrap(), given(4 + 4 * round, "two\n"));
        }
        // Had none been told of, each would have waited for the look that comes every two seconds.
        assert!(since.elapsed() < Duration::from_secs(ROUNDS), "{:?}", since.elapsed());
        fs::rename(&path, path.with_extension("1")).unwrap();
        append(&path, "");
        append(&path, "three\n");
        assert_eq!(lines(&mut reader).await.unwrap().1, "three\n");
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
        assert!(matches!(ask(&mut reader).await, Ok(Polled::NotReady)));
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
fn a_hole_that_a_writer_leaves_behind_a_cut_is_passed_over_and_counted() {
    on_each_backend(|backend, path| async move {
        // It goes on where it was, since it does not append.
        let mut writer = fs::File::create(&path).unwrap();
        writer.write_all(b"one\ntwo\n").unwrap();
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\ntwo\n"));
        fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        writer.write_all(b"3\0\n").unwrap();
        // 8 bytes before, 8 of the hole.
        assert_eq!(lines(&mut reader).await.unwrap(), given(16, "3\0\n"));
        assert_eq!(reader.head(), 16);
        writer.write_all(b"four\n").unwrap();
        assert_eq!(lines(&mut reader).await.unwrap(), given(19, "four\n"));
        // Longer than what is read at a time, and seen before the writer goes on.
        writer.set_len(0).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(matches!(ask(&mut reader).await, Ok(Polled::NotReady)));
        writer.seek(SeekFrom::Start(3_000_000)).unwrap();
        writer.write_all(b"\0five\n").unwrap();
        assert_eq!(lines(&mut reader).await.unwrap(), given(3_000_025, "five\n"));
        assert_eq!(reader.head(), 3_000_025);
        let notices = reader.notices();
        assert!(notices[0].contains("was cut 2 times"), "{notices:?}");
        assert!(notices[0].contains("; 3000009 NUL bytes"), "{notices:?}");
    });
}

#[test]
fn a_record_that_grows_in_small_writes_costs_what_it_has_bytes() {
    on_each_backend(|backend, path| async move {
        append(&path, "first\n");
        let mut reader = follow(backend, &path, 1 << 20).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "first\n"));
        let mut lent = 0;
        for _ in 0..2000 {
            append(&path, "0123456789");
            if let Polled::Ready(frames) = ask(&mut reader).await.unwrap()
                && let FrameBytes::Sequential { bytes, .. } = frames.bytes
            {
                lent += bytes.len();
            }
        }
        assert!(lent < 100, "{lent} bytes were lent, to be looked through, before the end came");
        append(&path, "\n");
        assert_eq!(lines(&mut reader).await.unwrap().1, "0123456789".repeat(2000) + "\n");
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
            match ask(&mut reader).await {
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

/// Everything that comes until these lines have, in the order of the file each is of.
async fn all(readers: &mut [TextReader], expected: &[&str]) -> Vec<String> {
    let asked = Instant::now();
    let mut found = Vec::new();
    while found.len() < expected.len() {
        assert!(asked.elapsed() < Duration::from_secs(60), "only {found:?}");
        for reader in readers.iter_mut() {
            found.extend(ready(reader).await);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // Nothing comes twice.
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(5));
        for reader in readers.iter_mut() {
            found.extend(ready(reader).await);
        }
    }
    found.sort();
    found
}

/// The whole lines that are there now.
async fn ready(reader: &mut TextReader) -> Vec<String> {
    let Polled::Ready(frames) = ask(reader).await.unwrap() else { return Vec::new() };
    let FrameBytes::Sequential { bytes, is_last, .. } = frames.bytes else {
        panic!("text is lent as sequential bytes");
    };
    let text = std::str::from_utf8(&bytes).unwrap();
    let whole = if is_last { text.len() } else { text.rfind('\n').map_or(0, |at| at + 1) };
    reader.consume(whole as u64);
    text[..whole].lines().map(str::to_owned).collect()
}

/// `log.2` becomes `log.3`, `log.1` becomes `log.2`, `log` becomes `log.1`, and so on.
fn rotate(path: &Path, generations: usize) {
    let name = |generation: usize| match generation {
        0 => path.to_owned(),
        _ => path.with_extension(generation.to_string()),
    };
    for generation in (0..generations).rev() {
        if name(generation).exists() {
            fs::rename(name(generation), name(generation + 1)).unwrap();
        }
    }
}

#[test]
fn a_chain_of_rotated_files_is_read_once() {
    on_each_backend(|backend, path| async move {
        for (name, text) in [("log", "c1\n"), ("log.1", "b1\n"), ("log.2", "a1\n")] {
            append(&path.with_file_name(name), text);
        }
        let files: Vec<InputFile> =
            ["log", "log.1", "log.2"].map(|name| input(&path.with_file_name(name))).into();
        let claims = Claims::of(&files);
        // The chain moves on before the files are opened.
        rotate(&path, 4);
        append(&path, "d1\n");
        let mut readers = Vec::new();
        for file in &files {
            readers.push(follow_with(backend, file, 1000, Arc::clone(&claims)).await);
        }
        let found = all(&mut readers, &["a1", "b1", "c1", "d1"]).await;
        assert_eq!(found, ["a1", "b1", "c1", "d1"]);
        // And twice before anybody looks; the last one is lost to its name but not to who has it open.
        rotate(&path, 4);
        append(&path, "e1\n");
        rotate(&path, 4);
        append(&path, "f1\n");
        append(&path.with_extension("2"), "d2\n");
        let found = all(&mut readers, &["d2", "e1", "f1"]).await;
        assert_eq!(found, ["d2", "e1", "f1"]);
        for reader in &readers {
            assert!(reader.notices().is_empty(), "{:?}", reader.notices());
        }
    });
}

#[test]
fn files_that_came_and_went_between_two_looks_are_found_beside_the_path() {
    on_each_backend(|backend, path| async move {
        append(&path, "a\n");
        // Not of this log, or there before.
        append(&path.with_extension("err"), "no\n");
        append(&path.with_extension("9"), "no\n");
        std::thread::sleep(Duration::from_millis(50));
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "a\n"));
        for text in ["b\n", "c\n", "d\n"] {
            rotate(&path, 5);
            append(&path, text);
            std::thread::sleep(Duration::from_millis(30));
        }
        append(&path.with_extension("1.gz"), "no\n");
        append(&path.with_extension("new"), "no\n");
        let mut found = String::new();
        while found.len() < 6 {
            found.push_str(&lines(&mut reader).await.unwrap().1);
        }
        assert_eq!(found, "b\nc\nd\n", "oldest first");
        assert!(all(&mut [reader], &[]).await.is_empty());
    });
}

#[test]
fn texts_behind_one_that_was_read_to_its_end_need_nobody_to_tell_of_them() {
    on_each_backend(|backend, path| async move {
        append(&path, "a\n");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "a\n"));
        for text in ["b\n", "c\n", "d\n"] {
            std::thread::sleep(Duration::from_millis(30));
            rotate(&path, 5);
            append(&path, text);
        }
        // What has happened is told of once, and then nothing happens.
        WAITING.with(Waiting::look);
        let mut found = Vec::new();
        while found.len() < 3 {
            if IS_TOLD.get() {
                assert!(reader.wake().is_due(Instant::now()), "only {found:?}");
            }
            if let Polled::Ready(frames) = reader.next_frames().await.unwrap() {
                let FrameBytes::Sequential { bytes, .. } = frames.bytes else {
                    panic!("text is lent as sequential bytes");
                };
                let text = std::str::from_utf8(&bytes).unwrap().to_owned();
                reader.consume(text.len() as u64);
                found.extend((!text.is_empty()).then_some(text));
            }
        }
        assert_eq!(found, ["b\n", "c\n", "d\n"]);
    });
}

#[test]
fn copies_and_files_of_others_are_no_texts_of_the_path() {
    on_each_backend(|backend, path| async move {
        let path = path.with_file_name("log.csv");
        let beside = |name: &str| path.with_file_name(name);
        append(&path, "a\n");
        let mut readers = [follow(backend, &path, 1000).await];
        assert_eq!(lines(&mut readers[0]).await.unwrap(), given(0, "a\n"));
        // A snapshot, another program's file, an old one that is unpacked again.
        fs::copy(&path, beside("log-20240501.csv")).unwrap();
        append(&beside("log-2.csv"), "other\n");
        append(&beside("log.csv.2"), "restored\n");
        assert!(all(&mut readers, &[]).await.is_empty());
        // Two rotations before the next look, and another file after them.
        fs::rename(&path, beside("log.csv.old")).unwrap();
        append(&path, "b\n");
        fs::rename(&path, beside("log.csv.1")).unwrap();
        append(&path, "c\n");
        std::thread::sleep(Duration::from_millis(50));
        append(&beside("log-3.csv"), "other\n");
        assert_eq!(all(&mut readers, &["b", "c"]).await, ["b", "c"]);
        // The path names a file without a byte for long.
        fs::rename(&path, beside("log.csv.older")).unwrap();
        append(&path, "");
        std::thread::sleep(Duration::from_millis(50));
        assert!(all(&mut readers, &[]).await.is_empty());
        append(&beside("log-4.csv"), "other\n");
        assert!(all(&mut readers, &[]).await.is_empty());
        fs::rename(&path, beside("log.csv-20240502")).unwrap();
        append(&path, "e\n");
        append(&beside("log.csv-20240502"), "d\n");
        assert_eq!(all(&mut readers, &["d", "e"]).await, ["d", "e"]);
    });
}

#[test]
fn what_is_appended_late_to_a_rotated_file_is_read() {
    on_each_backend(|backend, path| async move {
        append(&path, "a1\n");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "a1\n"));
        let old = path.with_extension("1");
        fs::rename(&path, &old).unwrap();
        append(&path, "b1\nb");
        assert_eq!(lines(&mut reader).await.unwrap(), given(3, "b1\n"));
        assert_eq!(reader.head(), 3);
        // In the middle of a record of the new one.
        append(&old, "a2\na");
        assert_eq!(lines(&mut reader).await.unwrap(), given(6, "a2\n"));
        assert_eq!(reader.head(), 0, "it is of the first text");
        append(&path, "2\n");
        assert_eq!(lines(&mut reader).await.unwrap(), given(9, "b2\n"));
        assert_eq!(reader.head(), 3);
        append(&old, "3\n");
        assert_eq!(lines(&mut reader).await.unwrap(), given(12, "a3\n"));
        // Even when it has no name any more; a last line needs no newline there.
        let mut writer = fs::OpenOptions::new().append(true).open(&old).unwrap();
        fs::remove_file(&old).unwrap();
        writer.write_all(b"a4").unwrap();
        assert_eq!(lines(&mut reader).await.unwrap(), given(15, "a4"));
    });
}

#[test]
fn a_file_that_is_written_anew_is_read_from_its_start_however_long_it_is() {
    on_each_backend(|backend, path| async move {
        append(&path, "one\ntwo\n");
        let mut reader = follow(backend, &path, 1000).await;
        assert_eq!(lines(&mut reader).await.unwrap(), given(0, "one\ntwo\n"));
        // Longer than before, within one look: as `cp log log.1; : > log` and a busy writer leave it.
        fs::write(&path, "1111\n2222\n3333\n4444\n").unwrap();
        let mut found = lines(&mut reader).await.unwrap();
        assert_eq!(found, given(8, "1111\n2222\n3333\n4444\n"));
        assert_eq!(reader.head(), 8);
        // As long as before.
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&path, "aaaa\nbbbb\ncccc\ndddd\n").unwrap();
        found = lines(&mut reader).await.unwrap();
        assert_eq!(found, given(28, "aaaa\nbbbb\ncccc\ndddd\n"));
        // The same head, long enough that the bytes before the position are others.
        let head = "h\n".repeat(2000);
        fs::write(&path, format!("{head}old\n")).unwrap();
        while !found.1.ends_with("old\n") {
            found = lines(&mut reader).await.unwrap();
        }
        fs::write(&path, format!("{head}new and longer\nend\n")).unwrap();
        let mut again = String::new();
        while !again.ends_with("end\n") {
            again.push_str(&lines(&mut reader).await.unwrap().1);
        }
        assert_eq!(again, format!("{head}new and longer\nend\n"));
        assert!(reader.notices()[0].contains("was cut 4 times"), "{:?}", reader.notices());
        // What is only appended, or touched, is no other text.
        append(&path, "more\n");
        let now = std::time::SystemTime::now();
        fs::File::options().append(true).open(&path).unwrap().set_modified(now).unwrap();
        assert_eq!(lines(&mut reader).await.unwrap().1, "more\n");
        assert!(all(&mut [reader], &[]).await.is_empty());
    });
}
