//! The script that a command works on.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use tidemill::{CsvOptions, Error, Format, Session, StdoutLayout};

use crate::arguments::Source;

/// A script's text, and the name that errors give for it.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) origin: String,
}

impl Script {
    pub(crate) fn read(source: &Source) -> Result<Self, Error> {
        if let Some(text) = &source.execute {
            return Ok(Self::of_argument(text));
        }
        Self::of_file(source.file.as_ref().expect("clap asks for a file where there is no -e"))
    }

    /// A script that stands on the command line.
    pub(crate) fn of_argument(text: &str) -> Self {
        Self { text: text.to_owned(), origin: "sql".to_owned() }
    }

    /// The script in a file; `-` is standard input.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Error> {
        let origin = path.display().to_string();
        let bytes = if origin == "-" {
            let mut bytes = Vec::new();
            stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(path)
        };
        let bytes = bytes
            .map_err(|error| Error::usage(format!("cannot read the script {origin}: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let reason = not_utf8(error.as_bytes(), error.utf8_error().valid_up_to());
            Error::usage(format!("cannot read the script {origin}: {reason}"))
        })?;
        Ok(Self { text, origin })
    }

    /// Says to a session what the script takes for itself.
    pub(crate) fn settle(&self, session: &mut Session) {
        if self.origin == "-" {
            session.give_up_standard_input();
        }
    }
}

/// A session for scripts that are looked at and do not run.
pub(crate) fn looking() -> Session {
    let mut session = Session::new();
    session.look_only();
    session.set_stdout(StdoutLayout::Format(Format::Csv(CsvOptions::default())));
    session
}

/// Why bytes are no script: what they are instead, or where the first bad one is.
fn not_utf8(bytes: &[u8], valid_up_to: usize) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return "it is UTF-16; save it as UTF-8".to_owned();
    }
    let valid = &bytes[..valid_up_to];
    let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
    format!("line {line} is not UTF-8 (byte {:#04x}); save it as UTF-8", bytes[valid_up_to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_encodings_are_named() {
        assert_eq!(not_utf8(&[0xff, 0xfe, b'S', 0], 0), "it is UTF-16; save it as UTF-8");
        let latin = b"SELECT a\nFROM 'stra\xdfe.csv'".to_vec();
        let error = String::from_utf8(latin.clone()).expect_err("it is Latin-1");
        assert_eq!(
            not_utf8(&latin, error.utf8_error().valid_up_to()),
            "line 2 is not UTF-8 (byte 0xdf); save it as UTF-8"
        );
    }
}
