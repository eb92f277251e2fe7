//! The files that the rules look at: what git tracks, read once.
//!
//! Absent on purpose: files that git does not track, and the rules themselves.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// One tracked file.
pub(super) struct TrackedFile {
    /// From the root of the repository, with `/` between the parts.
    pub(super) path: String,
    /// Whole content in bytes.
    pub(super) byte_count: usize,
    /// The content where it is UTF-8 text; `None` for anything else.
    pub(super) text: Option<String>,
}

/// Every tracked file, in the order of their paths.
pub(super) struct Tree {
    files: Vec<TrackedFile>,
}

impl Tree {
    /// Reads what `git ls-files` lists in the repository around the working directory. A file that
    /// is tracked but gone from the work tree is left out, a link is not followed.
    ///
    /// # Errors
    /// If git fails or a file cannot be read.
    pub(super) fn of_repository() -> io::Result<Self> {
        let top = git(&["rev-parse", "--show-toplevel"])?;
        let root = PathBuf::from(top.trim_end());
        let list = git(&["-C", top.trim_end(), "ls-files", "-z"])?;
        let mut files = Vec::new();
        for path in list.split('\0').filter(|path| !path.is_empty()) {
            let on_disk = root.join(path);
            match on_disk.symlink_metadata() {
                Ok(metadata) if metadata.is_file() => {}
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            let bytes = std::fs::read(&on_disk)?;
            let byte_count = bytes.len();
            files.push(TrackedFile {
                path: path.to_owned(),
                byte_count,
                text: String::from_utf8(bytes).ok(),
            });
        }
        Ok(Self { files })
    }

    /// A tree of made-up text files.
    #[cfg(test)]
    pub(super) fn from_texts(texts: &[(&str, &str)]) -> Self {
        let files = texts.iter().map(|(path, text)| TrackedFile {
            path: (*path).to_owned(),
            byte_count: text.len(),
            text: Some((*text).to_owned()),
        });
        Self { files: files.collect() }
    }

    /// All files.
    pub(super) fn files(&self) -> &[TrackedFile] {
        &self.files
    }

    /// Path and content of every text file.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    /// Path and content of every Rust source.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Content of the text file at this path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts().find(|(candidate, _)| *candidate == path).map(|(_, text)| text)
    }
}

/// The lines of a source without its test module, each with its number from one.
///
/// The module is known by `#[cfg(test)]` at the very left with `mod` in the line after it, and by
/// custom stands last.
pub(super) fn lines_without_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "))
        .unwrap_or(lines.len());
    lines.into_iter().take(end).enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether all of a source file is test code.
pub(super) fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests") || path.ends_with("/tests.rs")
}

fn git(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("git").args(arguments).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("git {}: {}", arguments.join(" "), reason.trim())));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_module_is_cut_off() {
        let text = "//! Doc.\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        let kept: Vec<(usize, &str)> = lines_without_tests(text).collect();
        assert_eq!(kept, [(1, "//! Doc."), (2, "fn a() {}")]);
        assert_eq!(lines_without_tests("fn a() {}\n").count(), 1);
    }

    #[test]
    fn test_files_are_known_by_their_folder() {
        assert!(is_test_file("crates/sql/tests/errors.rs"));
        assert!(is_test_file("crates/sql/src/binder/tests.rs"));
        assert!(!is_test_file("crates/sql/src/latest.rs"));
    }
}
