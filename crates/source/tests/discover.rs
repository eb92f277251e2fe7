//! Paths: files, directories, globs, and errors that say what to do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tidemill_plan::{Compression, FileSource, Format, JsonOptions};
use tidemill_source::{Found, InputFile, Pipes, SourceError, discover};

fn find(path: &Path) -> Result<Vec<InputFile>, SourceError> {
    look(path).map(|found| found.files)
}

fn look(path: &Path) -> Result<Found, SourceError> {
    let format = Format::Json(JsonOptions::default());
    let source = FileSource::new(path.to_str().unwrap().to_owned(), format);
    discover(&source, &Pipes::default())
}

fn names(root: &Path, path: &str) -> Vec<String> {
    let files = find(&root.join(path)).unwrap();
    let relative = |file: &InputFile| file.path.strip_prefix(root).unwrap().to_owned();
    files.iter().map(|file| relative(file).to_str().unwrap().to_owned()).collect()
}

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("data/deep")).unwrap();
    let names = [
        "data/b-2.jsonl",
        "data/b-10.jsonl",
        "data/a.jsonl.gz",
        "data/.hidden",
        "data/c.jsonl.open",
        "data/d.tmp",
        "data/deep/e.jsonl",
        "data/[odd]*.jsonl",
    ];
    for name in names {
        fs::write(root.path().join(name), name).unwrap();
    }
    root
}

#[test]
fn files_come_in_order_of_bytes() {
    let tree = tree();
    let root = tree.path();
    let all = ["data/[odd]*.jsonl", "data/a.jsonl.gz", "data/b-10.jsonl", "data/b-2.jsonl"];
    assert_eq!(names(root, "data"), all);
    assert_eq!(names(root, "data/*"), all);
    assert_eq!(names(root, "data/b-?.jsonl"), ["data/b-2.jsonl"]);
    assert_eq!(names(root, "data/[ab]*"), all[1..]);
    assert_eq!(names(root, "data/[odd]*.jsonl"), ["data/[odd]*.jsonl"]);
    let deep = ["data/b-10.jsonl", "data/b-2.jsonl", "data/deep/e.jsonl"];
    assert_eq!(names(root, "data/**/[b-e]*.jsonl"), deep);
    assert_eq!(names(root, "data/*.tmp"), ["data/d.tmp"]);
    let found = find(&root.join("data/a.jsonl.gz")).unwrap().pop().unwrap();
    assert_eq!((found.byte_count(), found.compression), (15, Compression::Gzip));
}

#[test]
fn a_missing_path_names_the_nearest_one() {
    let tree = tree();
    let root = tree.path();
    let nearest = |path: &str| match find(&root.join(path)).unwrap_err() {
        SourceError::NotFound { nearest, .. } => nearest,
        other => panic!("{other}"),
    };
    assert_eq!(nearest("data/b-3.jsonl"), Some(root.join("data/b-2.jsonl")));
    assert_eq!(nearest("date/b-2.jsonl"), Some(root.join("data")));
    assert_eq!(nearest("data/nothing like it at all"), None);
    assert_eq!(nearest("data/a.jsonl.gz/x"), Some(root.join("data/a.jsonl.gz")));
    let message = find(&root.join("data/b-3.jsonl")).unwrap_err().to_string();
    assert!(message.contains("did you mean"), "{message}");
}

#[test]
fn nothing_to_read_is_an_error() {
    let tree = tree();
    let root = tree.path();
    fs::create_dir(root.join("empty")).unwrap();
    let error = find(&root.join("empty")).unwrap_err();
    assert!(matches!(error, SourceError::NoFiles { is_glob: false, .. }), "{error}");
    let error = find(&root.join("data/*.csv")).unwrap_err();
    assert!(matches!(error, SourceError::NoFiles { is_glob: true, .. }), "{error}");
    let error = find(&root.join("data/[*.csv")).unwrap_err();
    assert!(matches!(error, SourceError::BadGlob { .. }), "{error}");
    let error = find(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(error, SourceError::NotAFile { .. }), "{error}");
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let tree = tree();
    let path = tree.path().join("data/b-2.jsonl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let open = || find(&path).unwrap_err();
    // SAFETY: geteuid takes nothing and cannot fail.
    let error = if unsafe { libc::geteuid() } == 0 { as_nobody(tree.path(), open) } else { open() };
    assert!(matches!(error, SourceError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("read permission"), "{error}");
}

/// Runs this on a thread of its own whose file system identity is nobody's: root may read anything.
fn as_nobody<T: Send>(root: &Path, body: impl FnOnce() -> T + Send) -> T {
    const NOBODY: u32 = 65_534;
    let root = CString::new(root.to_str().unwrap()).unwrap();
    // SAFETY: `root` is a C string, and chown does not keep it.
    assert_eq!(unsafe { libc::chown(root.as_ptr(), NOBODY, NOBODY) }, 0);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: setfsuid changes this thread's identity only, and the thread ends here.
            unsafe { libc::setfsuid(NOBODY) };
            body()
        });
        thread.join().unwrap()
    })
}

/// Makes files that hold their own names.
fn write_all(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

#[test]
fn what_a_writer_leaves_beside_the_data_is_no_data() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let data = ["t/part-0.csv", "t/part-1.csv"];
    let beside = [
        "t/_SUCCESS",
        "t/_metadata",
        "t/_common_metadata",
        "t/_started_12",
        "t/_committed_12",
        "t/_committed_vacuum34",
        "t/.part-0.csv.crc",
        "t/part-0.csv.crc",
        "t/.DS_Store",
        "t/Thumbs.db",
        "t/part-2.csv.open",
    ];
    write_all(root, &data);
    write_all(root, &beside);
    for path in ["t", "t/*", "t/**"] {
        assert_eq!(names(root, path), data, "{path}");
        assert_eq!(look(&root.join(path)).unwrap().notices, [""; 0], "{path}");
    }
    // By their names they are read.
    assert_eq!(names(root, "t/_SUCCESS"), ["t/_SUCCESS"]);
    assert_eq!(names(root, "t/*.crc"), ["t/part-0.csv.crc"]);
    write_all(root, &["t/_delta_log/0.json", "t/_temporary/0/part-9.csv"]);
    assert_eq!(names(root, "t/**/*"), data);
    for path in ["t", "t/*.csv", "t/**", "t/**/*.csv"] {
        let notices = look(&root.join(path)).unwrap().notices;
        assert!(notices.len() == 1 && notices[0].contains("Delta table"), "{path}: {notices:?}");
    }
}

#[test]
fn what_might_be_meant_and_is_left_out_is_said() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_all(root, &["d/a.csv", "d/_b.csv", "d/a.csv~", "d/c.csv.tmp", "d/lone.crc", "d/x.csv/1"]);
    assert_eq!(names(root, "d"), ["d/a.csv"]);
    let notices = look(&root.join("d")).unwrap().notices;
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[0].starts_with("4 files are of") && notices[0].contains("_b.csv"),
        "{notices:?}"
    );
    assert!(notices[1].contains("x.csv") && notices[1].contains("/d/**/*"), "{notices:?}");
    // A pattern takes names that begin with an underscore, as a shell does.
    assert_eq!(names(root, "d/*.csv"), ["d/_b.csv", "d/a.csv"]);
    let notices = look(&root.join("d/*.csv")).unwrap().notices;
    assert!(notices.len() == 1 && notices[0].contains("x.csv"), "{notices:?}");
    write_all(root, &["only/_a.csv", "only/b.csv~"]);
    let error = find(&root.join("only")).unwrap_err().to_string();
    assert!(error.contains("_a.csv") && error.contains("b.csv~"), "{error}");
}

#[test]
fn names_that_only_begin_like_a_marker_are_said_or_read() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let alike = ["d/_commit_log.csv", "d/_committed_.csv", "d/_started_12.csv", "d/_started_x.csv"];
    write_all(root, &["d/a.csv", "d/_started_12"]);
    write_all(root, &alike);
    assert_eq!(names(root, "d"), ["d/a.csv"]);
    let notices = look(&root.join("d")).unwrap().notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
    // Three are named.
    assert!(notices[0].starts_with("4 files are of"), "{notices:?}");
    assert!(alike[..3].iter().all(|name| notices[0].contains(name)), "{notices:?}");
    for path in ["d/*.csv", "d/*"] {
        assert_eq!(names(root, path), [&alike[..], &["d/a.csv"]].concat(), "{path}");
        assert_eq!(look(&root.join(path)).unwrap().notices, [""; 0], "{path}");
    }
}

#[test]
fn a_file_is_read_once_whatever_names_it_has() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_all(root, &["d/m.csv", "d/z.csv", "else/where.csv"]);
    fs::hard_link(root.join("d/m.csv"), root.join("d/n.csv")).unwrap();
    symlink("m.csv", root.join("d/b.csv")).unwrap();
    symlink("../else/where.csv", root.join("d/c.csv")).unwrap();
    symlink("../else/where.csv", root.join("d/a.csv")).unwrap();
    for path in ["d", "d/*.csv", "d/**"] {
        assert_eq!(names(root, path), ["d/a.csv", "d/m.csv", "d/z.csv"], "{path}");
        let notices = look(&root.join(path)).unwrap().notices;
        assert_eq!(notices.len(), 1, "{notices:?}");
        let named = ["b.csv", "c.csv", "n.csv", "3 names"];
        assert!(named.iter().all(|name| notices[0].contains(name)), "{notices:?}");
    }
}

#[test]
fn links_to_directories_are_followed_and_loops_end() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_all(root, &["d/a/1.csv", "d/z/2.csv", "far/away/3.csv"]);
    symlink("../z", root.join("d/a/to-z")).unwrap();
    symlink("..", root.join("d/a/up")).unwrap();
    symlink(".", root.join("d/self")).unwrap();
    symlink("../far", root.join("d/far")).unwrap();
    symlink("../d", root.join("far/back")).unwrap();
    // Each by its own path where it has one below the start.
    let all = ["d/a/1.csv", "d/far/away/3.csv", "d/z/2.csv"];
    assert_eq!(names(root, "d/**/*.csv"), all);
    assert_eq!(names(root, "d/**"), all);
    assert_eq!(names(root, "d/**/**/[0-9].csv"), all);
    assert_eq!(names(root, "d/self/self/*/*.csv"), ["d/self/self/a/1.csv", "d/self/self/z/2.csv"]);
    // As many links as make every path through them different.
    for at in 0..12 {
        fs::create_dir(root.join(format!("d/n{at}"))).unwrap();
        for to in 0..12 {
            symlink(format!("../n{to}"), root.join(format!("d/n{at}/to{to}"))).unwrap();
        }
    }
    assert_eq!(names(root, "d/**/*.csv"), all);
}

#[test]
fn a_link_that_leads_nowhere_is_said_to_be_one() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_all(root, &["d/a.csv"]);
    symlink("nowhere.csv", root.join("d/dead.csv")).unwrap();
    symlink("gone", root.join("way")).unwrap();
    for path in ["d", "d/*.csv", "d/**", "d/dead.csv", "way/x.csv"] {
        let error = find(&root.join(path)).unwrap_err();
        let SourceError::DanglingLink { link, target } = &error else { panic!("{path}: {error}") };
        let (end, to) =
            if path.starts_with("way") { ("way", "gone") } else { ("dead.csv", "nowhere.csv") };
        assert!(link.ends_with(end) && target == Path::new(to), "{error}");
    }
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    assert!(matches!(find(&root.join("a")).unwrap_err(), SourceError::Io { .. }));
}

#[test]
fn names_need_not_be_utf8_and_may_hold_anything() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    fs::create_dir(root.join("d")).unwrap();
    let others: [&[u8]; 4] = [b"caf\xe9.txt", b"caf\xe9.csv", b"new\nline.csv", b"[1].csv"];
    for name in others {
        fs::write(root.join("d").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    fs::create_dir(root.join("d").join(OsStr::from_bytes(b"\xff"))).unwrap();
    let found = |path: &str| {
        let found = find(&root.join(path)).unwrap();
        found.iter().map(|f| f.path.file_name().unwrap().as_bytes().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(found("d/*.csv"), [b"[1].csv".as_slice(), b"caf\xe9.csv", b"new\nline.csv"]);
    assert_eq!(found("d/caf?.*"), [b"caf\xe9.csv".as_slice(), b"caf\xe9.txt"]);
    assert_eq!(found("d/**/*.txt"), [b"caf\xe9.txt"]);
    assert_eq!(found("d").len(), 4);
    assert_eq!(found("d/[1].csv"), [b"[1].csv"]);
    assert_eq!(found("d/[[]1].csv"), [b"[1].csv"]);
    // Brackets of a directory that is there are part of its name.
    write_all(root, &["y[2024/1.csv", "y[2024]/2.csv"]);
    assert_eq!(found("y[2024/*.csv"), [b"1.csv"]);
    assert_eq!(found("y[2024]/?.csv"), [b"2.csv"]);
}
