//! What a job's record says of the followed inputs of its queries: by that a later run has the same partitions, whatever is there by then.

use std::collections::BTreeMap;

use tidemill_plan::{FileSource, SourceConnector, SourceDef};
use tidemill_record::{Image, ImageError};
use tidemill_source::{Beginning, InputFile};

use crate::Error;
use crate::discovery::{Partition, TextRange};
use crate::late_files::{LateFile, LateFiles, LateInput};

/// Where a partition of a followed source began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Its path.
    pub(crate) name: String,
    pub(crate) beginning: Beginning,
    /// The byte of the file that it began with.
    pub(crate) start: u64,
    /// The header, where it did not begin with it.
    pub(crate) csv_header: Option<Vec<String>>,
}

/// Of a source, where its partitions began, and what has come since.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownInput {
    pub(crate) begun: Vec<Begun>,
    /// Of those, the places of partitions that are over for good, each with the scan of the source that it is of.
    pub(crate) retired: Vec<(usize, u32)>,
    pub(crate) late: Vec<LateInput>,
}

/// By the name of the source, those of a query that the record has.
pub(crate) type KnownInputs = BTreeMap<String, KnownInput>;

impl Begun {
    /// Of a partition that was found and is followed; `None` of what is no file that can be found again.
    ///
    /// # Errors
    /// What looking at the file says.
    pub(crate) fn of(partition: &Partition) -> Result<Option<Self>, Error> {
        let (file, start, csv_header) = match partition {
            Partition::Text(file) => (file, 0, None),
            Partition::TextRange(part) => (&part.file, part.range.start, part.csv_header.clone()),
            _ => return Ok(None),
        };
        if file.pipe().is_some() {
            return Ok(None);
        }
        let (name, beginning) = (file.path.display().to_string(), Beginning::of(file, start)?);
        Ok(Some(Self { name, beginning, start, csv_header }))
    }

    /// The partition, whatever its path names now.
    fn partition(&self, options: &FileSource) -> Partition {
        let file = known(&self.name, &self.beginning, options);
        let (range, csv_header) = (self.start..u64::MAX, self.csv_header.clone());
        match self.start {
            0 => Partition::Text(file),
            _ => Partition::TextRange(Box::new(TextRange { file, range, csv_header })),
        }
    }

    pub(crate) fn export(all: &[Self]) -> Image {
        let mut image = Image::new();
        image.put_texts("names", all.iter().map(|one| one.name.as_bytes()));
        image.put_images("beginnings", all.iter().map(|one| one.beginning.export()));
        image.put("starts", all.iter().map(|one| one.start));
        image.put_flags("are headed", all.iter().map(|one| one.csv_header.is_some()));
        let header = |one: &Self| {
            let mut header = Image::new();
            let names = one.csv_header.iter().flatten();
            header.put_texts("names", names.map(String::as_bytes));
            header
        };
        image.put_images("headers", all.iter().map(header));
        image
    }

    pub(crate) fn import(mut image: Image) -> Result<Vec<Self>, ImageError> {
        let names = take_names(&mut image, "names")?;
        let beginnings = image.take_images("beginnings")?;
        let starts: Vec<u64> = image.take_exactly("starts", names.len())?;
        let are_headed = image.take_flags("are headed", names.len())?;
        let headers = image.take_images("headers")?;
        if beginnings.len() != names.len() || headers.len() != names.len() {
            return Err(ImageError::new("beginnings", "are not as many as there are names"));
        }
        image.end()?;
        let mut all = Vec::with_capacity(names.len());
        let places = names.into_iter().zip(starts).zip(are_headed);
        for (((name, start), is_headed), (beginning, mut header)) in
            places.zip(beginnings.into_iter().zip(headers))
        {
            let beginning = Beginning::import(beginning);
            let beginning = beginning.map_err(|error| error.within("beginnings"))?;
            let header = take_names(&mut header, "names");
            let header = header.map_err(|error| error.within("headers"))?;
            all.push(Self { name, beginning, start, csv_header: is_headed.then_some(header) });
        }
        Ok(all)
    }
}

impl KnownInput {
    /// The partitions that a source had when the job began, in the place of one that is over for all scans nothing.
    pub(crate) fn partitions(&self, options: &FileSource, scan_count: usize) -> Vec<Partition> {
        let is_over =
            |place: usize| self.retired.iter().filter(|(at, _)| *at == place).count() >= scan_count;
        let begun = self.begun.iter().enumerate();
        let partition = |(place, begun): (usize, &Begun)| match is_over(place) {
            true => Partition::Nothing,
            false => begun.partition(options),
        };
        begun.map(partition).collect()
    }

    /// The files that have come since.
    pub(crate) fn late_files(&self, options: &FileSource) -> LateFiles {
        let files = LateFiles::default();
        for LateInput { name, number, joined, beginning } in &self.late {
            let file = known(name, beginning, options);
            files.add(LateFile { file, number: *number, joined: joined.clone() });
        }
        files
    }
}

/// What the record knows of a source that is followed.
pub(crate) fn known_of<'a>(
    known: &'a KnownInputs,
    source: &'a SourceDef,
) -> Option<(&'a KnownInput, &'a FileSource)> {
    match &source.connector {
        SourceConnector::File(options) => Some((known.get(&source.name)?, options)),
        _ => None,
    }
}

fn known(name: &str, beginning: &Beginning, options: &FileSource) -> InputFile {
    InputFile::known(name.into(), options.encoding, beginning.clone())
}

/// Takes texts of UTF-8.
pub(crate) fn take_names(image: &mut Image, name: &str) -> Result<Vec<String>, ImageError> {
    let texts = image.take_texts(name)?;
    let texts = texts.iter().map(|text| String::from_utf8(text.to_vec()));
    texts.collect::<Result<_, _>>().map_err(|_| ImageError::new(name, "is not UTF-8"))
}

/// Of a file with this text that begins to be followed at this byte.
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) fn beginning(text: &str, start: u64) -> Beginning {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, text).unwrap();
    let format = tidemill_plan::Format::Csv(tidemill_plan::CsvOptions::default());
    let source = FileSource::new(path.to_str().unwrap().to_owned(), format);
    let found = tidemill_source::arrived(&source, |_| false);
    Beginning::of(&found.unwrap().0[0], start).unwrap()
}
