//! The script that a command works on.

use std::fs;
use std::io::{Read, stdin};

use tidemill::Error;

use crate::arguments::Source;

/// A script's text, and the name that errors give for it.
pub(crate) struct Script {
    pub(crate) text: String,
    pub(crate) origin: String,
}

impl Script {
    pub(crate) fn read(source: &Source) -> Result<Self, Error> {
        if let Some(text) = &source.execute {
            return Ok(Self { text: text.clone(), origin: "sql".to_owned() });
        }
        let path = source.file.as_ref().expect("clap asks for a file where there is no -e");
        let origin = path.display().to_string();
        let text = if origin == "-" {
            let mut text = String::new();
            stdin().read_to_string(&mut text).map(|_| text)
        } else {
            fs::read_to_string(path)
        };
        let text = text
            .map_err(|error| Error::Usage(format!("cannot read the script {origin}: {error}")))?;
        Ok(Self { text, origin })
    }
}
