//! Text readers: every byte once, wherever the file is cut, however it is compressed, and every
//! change of the file noticed.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "test data is small")]
#![allow(clippy::single_range_in_vec_init, reason = "a row group may need one range")]

use std::fs;
use std::future::Future;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tidemill_plan::{Encoding, FileSource, Format, JsonOptions};
use tidemill_record::{FrameBytes, Offset, PartitionId, Polled};
use tidemill_rt::{Backend, Choice, FileChange, RtError, allowed_cpus, launch, probe};
use tidemill_source::{
    Damage, FileReader, InputFile, PIECE_BYTES, Pipes, RowGroupPlan, RowGroupReader, SourceError,
    TextReader, TextSpec, discover, splits,
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

fn input(path: &Path) -> InputFile {
    let format = Format::Json(JsonOptions::default());
    let source = FileSource::new(path.to_str().unwrap().to_owned(), format);
    discover(&source, &Pipes::default()).unwrap().files.pop().unwrap()
}

/// What one reader gave: its whole records, and where it began and ended.
#[derive(Debug, PartialEq)]
struct Given {
    records: Vec<u8>,
    first: u64,
    last: u64,
}

/// Reads a file or a range of it as a decoder of lines does. `hold` keeps every piece alive, as
/// columns with views into it would.
async fn read_lines(
    backend: Backend,
    file: InputFile,
    range: Option<Range<u64>>,
    record_bytes_max: usize,
    hold: bool,
) -> Result<Given, SourceError> {
    let partition = PartitionId(3);
    let spec = TextSpec {
        backend,
        file: &file,
        format: None,
        range,
        partition,
        record_bytes_max,
        follow: None,
    };
    let mut reader = FileReader::Text(TextReader::open(spec).await?);
    let mut given =
        Given { records: Vec::new(), first: reader.first_offset(), last: reader.position() };
    let mut held = Vec::new();
    while let Polled::Ready(frames) = reader.next_frames().await? {
        assert_eq!(frames.partition, partition);
        let FrameBytes::Sequential { bytes, start, end, is_last } = frames.bytes else {
            panic!("text is lent as sequential bytes");
        };
        assert_eq!(start, Offset(reader.position()));
        let mut consumed = 0;
        while consumed < bytes.len() && start.0 + (consumed as u64) < end.0 {
            let rest = &bytes.as_slice()[consumed..];
            match rest.iter().position(|&byte| byte == b'\n') {
                Some(newline) => consumed += newline + 1,
                None if is_last => consumed = bytes.len(),
                None => break,
            }
        }
        given.records.extend_from_slice(&bytes.as_slice()[..consumed]);
        reader.consume(consumed as u64);
        if hold {
            held.push(bytes);
        }
    }
    given.last = reader.position();
    Ok(given)
}

fn read_file(backend: Backend, path: &Path, hold: bool) -> Result<Given, SourceError> {
    let file = input(path);
    on_core(backend, move || read_lines(backend, file, None, 1 << 20, hold))
}

#[test]
fn text_of_another_encoding_is_lent_as_utf8() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    let ascii = String::from_utf8(lines(2 * PIECE_BYTES)).unwrap();
    let text = ascii.replace("dd", "é日😀").replace('e', "é");
    let latin = ascii.replace('e', "é");
    let utf16: Vec<u8> =
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases = [
        (Encoding::Unsaid, utf16.clone(), format!("\u{feff}{text}")),
        (Encoding::Utf16, utf16[2..].to_vec(), text.clone()),
        (Encoding::Latin1, latin.chars().map(|c| c as u8).collect(), latin.clone()),
        (Encoding::named("gb18030"), text.clone().into_bytes(), String::new()),
        (Encoding::Unsaid, text.clone().into_bytes(), text),
    ];
    for (encoding, bytes, expected) in cases {
        fs::write(&path, &bytes).unwrap();
        for (backend, hold) in backends().into_iter().flat_map(|b| [(b, false), (b, true)]) {
            let file = InputFile { encoding, ..input(&path) };
            let given =
                on_core(backend, move || read_lines(backend, file, None, 1 << 20, hold)).unwrap();
            // What is read as something else comes through to its end all the same.
            if !expected.is_empty() {
                assert!(given.records == expected.as_bytes(), "{encoding:?} on {backend:?}");
            }
            assert_eq!((given.first, given.last), (0, given.records.len() as u64));
        }
    }
}

/// Lines of many lengths, some empty, some long, the last without a newline.
fn lines(byte_count: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut n: usize = 1;
    while text.len() < byte_count {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = (n >> 33) % 150;
        text.extend(std::iter::repeat_n(b'a' + (n >> 60) as u8, length));
        text.push(b'\n');
    }
    text.extend_from_slice(b"the end");
    text
}

#[test]
fn a_file_is_lent_whole() {
    let directory = tempfile::tempdir().unwrap();
    let cases: [&[u8]; 6] =
        [b"", b"\n", b"a", b"a\nb\n", &lines(3 * PIECE_BYTES), &lines(PIECE_BYTES)[..PIECE_BYTES]];
    for (number, text) in cases.into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        fs::write(&path, text).unwrap();
        for backend in backends() {
            for hold in [false, true] {
                let given = read_file(backend, &path, hold).unwrap();
                assert!(given.records == text, "case {number} on {backend:?}");
                assert_eq!((given.first, given.last), (0, text.len() as u64));
            }
        }
    }
}

#[test]
fn splits_share_no_record_and_lose_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let short = b"one\ntwo\n\n\nthree and a bit\nx\n\nlast".to_vec();
    fs::write(&path, &short).unwrap();
    let file = input(&path);
    for backend in backends() {
        let file = file.clone();
        let text = short.clone();
        on_core(backend, move || async move {
            let size = text.len() as u64;
            // Every pair of cut points, which includes ranges inside one record and empty ones.
            for a in 0..=size {
                for b in a..=size {
                    let mut all = Vec::new();
                    let mut next = 0;
                    for range in [0..a, a..b, b..size] {
                        if range.is_empty() {
                            continue;
                        }
                        let given = read_lines(backend, file.clone(), Some(range), 1 << 20, false);
                        let given = given.await.unwrap();
                        assert_eq!(given.first, next, "cut at {a} and {b}");
                        next = given.last;
                        all.extend_from_slice(&given.records);
                    }
                    assert!(all == text, "cut at {a} and {b}");
                    assert_eq!(next, size);
                }
            }
        });
    }
}

#[test]
fn large_splits_meet_where_they_should() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    let mut text = lines(2 * PIECE_BYTES);
    // A record longer than a piece and than a split.
    text.extend(std::iter::repeat_n(b'x', 700_000));
    text.push(b'\n');
    text.extend_from_slice(&lines(PIECE_BYTES));
    fs::write(&path, &text).unwrap();
    let file = input(&path);
    for backend in backends() {
        for requested in [1, 2, 3, 7, 16] {
            let (file, text) = (file.clone(), text.clone());
            on_core(backend, move || async move {
                let (mut all, mut next) = (Vec::new(), 0);
                for range in splits(file.byte_count(), Some(requested)) {
                    let given = read_lines(backend, file.clone(), Some(range), 1 << 20, false);
                    let given = given.await.unwrap();
                    assert_eq!(given.first, next);
                    next = given.last;
                    all.extend_from_slice(&given.records);
                }
                assert!(all == text, "{requested} splits on {backend:?}");
            });
        }
    }
}

#[test]
fn a_record_longer_than_the_limit_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("long");
    let mut text = b"short\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', 3 * PIECE_BYTES));
    text.extend_from_slice(b"\nshort\n");
    fs::write(&path, &text).unwrap();
    for backend in backends() {
        let file = input(&path);
        let fits = file.clone();
        let error = on_core(backend, move || read_lines(backend, file, None, 300_000, false));
        let error = error.unwrap_err();
        assert!(
            matches!(&error, SourceError::RecordTooLong { path: named, offset: 6, bytes_max: 300_000 }
                if *named == path),
            "{error}"
        );
        assert!(error.to_string().contains("record.max_bytes"));
        let given =
            on_core(backend, move || read_lines(backend, fits, None, 3 * PIECE_BYTES + 10, false));
        assert!(given.unwrap().records == text);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new()
        .block_checksums(true)
        .content_checksum(true)
        .block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const COMPRESSIONS: [(&str, Compress); 3] = [("gz", gzip), ("zst", zstd), ("lz4", lz4)];

#[test]
fn compressed_files_give_the_text() {
    let directory = tempfile::tempdir().unwrap();
    let text = lines(3 * PIECE_BYTES);
    let (head, tail) = text.split_at(300_000);
    for (ending, compress) in COMPRESSIONS {
        let path = directory.path().join(format!("whole.jsonl.{ending}"));
        fs::write(&path, compress(&text)).unwrap();
        // Several members, as `cat a.gz b.gz` makes them.
        let joined = directory.path().join(format!("joined.jsonl.{ending}"));
        fs::write(&joined, [compress(head), compress(tail)].concat()).unwrap();
        for backend in backends() {
            for path in [&path, &joined] {
                let given = read_file(backend, path, true).unwrap();
                assert!(given.records == text, "{} on {backend:?}", path.display());
                assert_eq!(given.last, text.len() as u64);
            }
        }
    }
}

#[test]
fn compressed_files_cut_short_or_damaged_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = b"a line of text\n".repeat(10_000);
    for (ending, compress) in COMPRESSIONS {
        let whole = compress(&text);
        let path = directory.path().join(format!("cut.{ending}"));
        // Every length for a small file's worth of cuts at both ends, and some between.
        let lengths = (0..whole.len()).filter(|&l| l < 64 || l + 64 > whole.len() || l % 97 == 0);
        for length in lengths {
            fs::write(&path, &whole[..length]).unwrap();
            let error = read_file(Backend::Std, &path, false).unwrap_err();
            assert!(matches!(error, SourceError::Corrupt { .. }), "{ending} {length}: {error}");
        }
        let mut damaged = whole.clone();
        let middle = whole.len() / 2;
        damaged[middle] ^= 0x55;
        damaged[middle + 1] ^= 0x55;
        fs::write(&path, &damaged).unwrap();
        let outcome = read_file(Backend::Std, &path, false);
        let is_refused = matches!(outcome, Err(SourceError::Corrupt { .. }));
        // zstd -1 writes no content checksum here, so damage may decompress to other text.
        assert!(is_refused || ending == "zst", "{ending}");
    }
}

fn damage_of(path: &Path, bytes: &[u8]) -> Damage {
    fs::write(path, bytes).unwrap();
    match read_file(Backend::Std, path, false).unwrap_err() {
        SourceError::Corrupt { damage, .. } => damage,
        other => panic!("{}: {other}", path.display()),
    }
}

/// A frame of LZ4 (or Zstandard) that holds nothing of the data: RFC 8878, 3.1.2.
fn skippable(number: u8, content: &[u8]) -> Vec<u8> {
    let magic = [0x50 | number, 0x2a, 0x4d, 0x18];
    [&magic, &(content.len() as u32).to_le_bytes()[..], content].concat()
}

#[test]
fn what_the_formats_allow_around_the_data_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (b"one\n".as_slice(), b"two\n".as_slice());
    let noise = vec![7; PIECE_BYTES + 5];
    let zeros = vec![0; PIECE_BYTES + 5];
    let cases = [
        ("a.lz4", vec![skippable(0, b""), lz4(one), skippable(15, &noise), lz4(two)]),
        ("b.lz4", vec![lz4(one), lz4(two), skippable(3, b"the end")]),
        ("c.LZ4", vec![skippable(1, b"x"), skippable(2, &noise), lz4(one), lz4(two)]),
        ("a.zst", vec![skippable(0, &noise), zstd(one), skippable(1, b""), zstd(two)]),
        ("a.gz", vec![gzip(one), gzip(two), vec![0]]),
        ("b.GZ", vec![gzip(one), gzip(two), zeros.clone()]),
        ("c.gz", vec![gzip(one), vec![0; 511], gzip(b""), gzip(two), zeros]),
    ];
    for (name, parts) in cases {
        let path = directory.path().join(name);
        fs::write(&path, parts.concat()).unwrap();
        for backend in backends() {
            let given = read_file(backend, &path, false).unwrap();
            assert_eq!(given.records, b"one\ntwo\n", "{name} on {backend:?}");
        }
    }
    let empty = directory.path().join("nothing.lz4");
    fs::write(&empty, skippable(0, &noise)).unwrap();
    assert_eq!(read_file(Backend::Std, &empty, false).unwrap().records, b"");
}

#[test]
fn what_is_wrong_with_compressed_bytes_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let text = b"a line of text\n".repeat(100);
    let checked_zstd = |bytes: &[u8]| {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    // A window of 2^31 bytes, as `zstd --long=31` writes it, and one byte (RFC 8878, 3.1.1).
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 9, 0, 0, b'x'];
    assert_eq!(damage_of(&directory.path().join("wide.zst"), &wide), Damage::Window);
    for (ending, compress) in
        [("gz", gzip as Compress), ("zst", checked_zstd as Compress), ("lz4", lz4 as Compress)]
    {
        let path = directory.path().join(format!("file.{ending}"));
        let whole = compress(&text);
        // Each format has a checksum in its last eight bytes; gzip's is the first half of them.
        let mut changed = whole.clone();
        let at = whole.len() - if ending == "gz" { 5 } else { 1 };
        changed[at] ^= 1;
        assert_eq!(damage_of(&path, &changed), Damage::Checksum, "{ending}");
        assert_eq!(damage_of(&path, &whole[..whole.len() - 1]), Damage::CutShort, "{ending}");
        for behind in [b"x".as_slice(), b"not one of it", b"\x1f\x8c and more of it"] {
            let damage = damage_of(&path, &[&whole, behind].concat());
            assert_eq!(damage, Damage::Trailing, "{ending} {behind:?}");
        }
        assert_eq!(damage_of(&path, b"only text, whatever the name"), Damage::Invalid, "{ending}");
        // Another compression than the name says.
        let other = if ending == "gz" { zstd(&text) } else { gzip(&text) };
        fs::write(&path, other).unwrap();
        let error = read_file(Backend::Std, &path, false).unwrap_err();
        assert!(matches!(error, SourceError::WrongContent { .. }), "{ending}: {error}");
    }
}

#[test]
fn a_file_that_changed_since_it_was_found_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for ending in ["txt", "gz"] {
        let path = directory.path().join(format!("file.{ending}"));
        fs::write(&path, gzip(b"one\n")).unwrap();
        let file = input(&path);
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        let error = on_core(Backend::Std, move || async move {
            read_lines(Backend::Std, file, None, 100, false).await.unwrap_err()
        });
        let SourceError::Rt(RtError::FileChanged { change: FileChange::Grew(..), .. }) = error
        else {
            panic!("{error}");
        };
    }
}

#[test]
fn a_file_that_was_renamed_since_it_was_found_is_read_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for (name, compress) in [("app.log", None), ("app.log.gz", Some(gzip as Compress))] {
        let path = directory.path().join(name);
        let bytes = |text: &[u8]| compress.map_or_else(|| text.to_vec(), |compress| compress(text));
        fs::write(&path, bytes(b"old\n")).unwrap();
        let file = input(&path);
        fs::rename(&path, directory.path().join(format!("1.{name}"))).unwrap();
        fs::write(&path, bytes(b"new\n")).unwrap();
        for backend in backends() {
            let file = file.clone();
            let given = on_core(backend, move || read_lines(backend, file, None, 100, false));
            assert_eq!(given.unwrap().records, b"old\n", "{name} on {backend:?}");
        }
        // One that has gone is not passed over.
        fs::remove_file(directory.path().join(format!("1.{name}"))).unwrap();
        let outcome = on_core(Backend::Std, move || async move {
            read_lines(Backend::Std, file, None, 100, false).await
        });
        let error = outcome.unwrap_err();
        assert!(
            matches!(
                error,
                SourceError::Rt(RtError::FileChanged { change: FileChange::Replaced, .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn a_file_cut_while_it_is_read_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    for (name, compress) in [("plain", None), ("packed.gz", Some(gzip as Compress))] {
        let path: PathBuf = directory.path().join(name);
        // Text that does not compress well, so that the decompressor has not read it all at once.
        let mut n = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (n >> 56) as u8
        })
        .take(8 * PIECE_BYTES)
        .collect();
        fs::write(&path, compress.map_or_else(|| noise.clone(), |compress| compress(&noise)))
            .unwrap();
        for backend in backends() {
            let file = input(&path);
            let at = path.clone();
            let length = file.byte_count();
            let error = on_core(backend, move || async move {
                let partition = PartitionId(0);
                let record_bytes_max = 1 << 24;
                let spec = TextSpec {
                    backend,
                    file: &file,
                    format: None,
                    range: None,
                    partition,
                    record_bytes_max,
                    follow: None,
                };
                let mut reader = TextReader::open(spec).await.unwrap();
                assert!(matches!(reader.next_frames().await, Ok(Polled::Ready(_))));
                let handle = fs::OpenOptions::new().write(true).open(&at).unwrap();
                handle.set_len(PIECE_BYTES as u64).unwrap();
                loop {
                    reader.consume(0);
                    match reader.next_frames().await {
                        Ok(Polled::Ready(_)) => {}
                        Ok(_) => panic!("the cut went unnoticed"),
                        Err(error) => return error,
                    }
                }
            });
            let SourceError::Rt(RtError::FileChanged { path: named, change }) = error else {
                panic!("{name} on {backend:?}: {error}");
            };
            assert_eq!(named, path);
            assert_eq!(change, FileChange::Shrank(length, PIECE_BYTES as u64));
            fs::write(&path, compress.map_or_else(|| noise.clone(), |compress| compress(&noise)))
                .unwrap();
        }
    }
}

#[test]
fn row_groups_are_lent_with_their_ranges() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.parquet");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 253) as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let plan = vec![
        RowGroupPlan { index: 0, start_row: 0, ranges: vec![4..10, 100..1_500_000] },
        RowGroupPlan { index: 2, start_row: 70, ranges: vec![1_500_000..3_000_000] },
    ];
    for backend in backends() {
        let (file, groups) = (input(&path), plan.clone());
        let frames = on_core(backend, move || async move {
            let opened = RowGroupReader::open(backend, &file, PartitionId(1), groups);
            let mut reader = FileReader::RowGroups(opened.await.unwrap());
            let mut all = Vec::new();
            while let Polled::Ready(frames) = reader.next_frames().await.unwrap() {
                all.push(frames);
            }
            all
        });
        assert_eq!(frames.len(), plan.len());
        for (frames, expected) in frames.iter().zip(&plan) {
            let FrameBytes::RowGroup { index, start, ranges } = &frames.bytes else {
                panic!("row groups are lent as row groups");
            };
            assert_eq!((*index, *start), (expected.index, Offset(expected.start_row)));
            assert_eq!(ranges.len(), expected.ranges.len());
            for ((at, found), range) in ranges.iter().zip(&expected.ranges) {
                assert_eq!(*at, range.start);
                let range = range.start as usize..range.end as usize;
                assert!(found.as_slice() == &bytes[range]);
            }
        }
        let beyond = vec![RowGroupPlan { index: 0, start_row: 0, ranges: vec![0..3_000_001] }];
        let file = input(&path);
        let error = on_core(backend, move || async move {
            RowGroupReader::open(backend, &file, PartitionId(1), beyond).await.unwrap_err()
        });
        assert!(matches!(error, SourceError::OutOfFile { range_end: 3_000_001, .. }), "{error}");
    }
}
