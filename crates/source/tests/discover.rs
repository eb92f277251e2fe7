//! Paths: files, directories, globs, and errors that say what to do.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tidemill_plan::{Compression, FileSource, Format, JsonOptions};
use tidemill_source::{InputFile, SourceError, discover};

fn find(path: &Path) -> Result<Vec<InputFile>, SourceError> {
    discover(&FileSource {
        path: path.to_str().unwrap().to_owned(),
        format: Format::Json(JsonOptions::default()),
        splits: None,
        follow: false,
    })
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
    assert_eq!((found.byte_count, found.compression), (15, Compression::Gzip));
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
