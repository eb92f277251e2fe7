//! What cannot be read on from within, and files that are not the ones that were read.

use std::fs;

use futures_lite::future::block_on;
use tidemill_plan::{CsvOptions, Format, LimitSpec, Merge};
use tidemill_record::{DataType, Field, Image, Schema};
use tidemill_source::{Iterated, Missing, RegisteredSpec, Resume};

use super::super::open_input;
use super::{Case, File, Given, Reading, file, file_input, text_input, with_added};
use crate::{InputSpec, PipelineError};

fn schema() -> Schema {
    Schema::new(vec![
        Field::nullable("n", DataType::BigInt),
        Field::nullable("s", DataType::Varchar),
    ])
}

fn case(file: &File) -> Case<'_> {
    let format = Format::Csv(CsvOptions { has_header: false, ..CsvOptions::default() });
    let input = move || InputSpec::Text(text_input(file_input(&file.path, &format, &schema())));
    Case { input: Box::new(input), schema: with_added(&schema()), filter: None }
}

fn text(record_count: u32) -> String {
    (0..record_count).map(|n| format!("{n},text {n}\n")).collect()
}

/// What has been given of the first hundred records, and the image there.
fn begun(case: &Case<'_>) -> (Given, Image) {
    let mut input = case.open(100, None).unwrap();
    let (mut given, mut reading) = (Given::default(), Reading::new(&case.schema));
    assert!(reading.step(&mut input, 100, &mut given).unwrap());
    (given, input.export().unwrap().unwrap())
}

fn refusal<T>(result: Result<T, PipelineError>) -> String {
    match result {
        Err(PipelineError::Source(error)) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it goes on"),
    }
}

#[test]
fn a_file_that_has_changed_is_refused_by_name() {
    let file = file("a.csv", text(2000).as_bytes());
    let case = case(&file);
    let (_, image) = begun(&case);
    let resumed = |text: &str| {
        fs::write(&file.path, text).unwrap();
        case.open(100, Some(image.clone()))
    };
    let whole = text(2000);
    let name = file.path.display();
    let shorter = &whole[..whole.len() - 1];
    let length = whole.len();
    assert_eq!(
        refusal(resumed(shorter)),
        format!(
            "{name} is not the file that was read before: it has {} bytes and had {length}; put that file back to \
             go on where reading stopped, or start over",
            length - 1
        )
    );
    let other = whole.replacen("0,text 0", "0,next 0", 1);
    assert!(refusal(resumed(&other)).contains("its first 4096 bytes are others"));
    // The same bytes under the same name are the same file.
    assert!(resumed(&whole).is_ok());
    fs::remove_file(&file.path).unwrap();
    assert!(resumed(&whole).is_ok());
}

#[test]
fn what_has_been_added_to_a_file_of_known_length_is_not_read() {
    let file = file("a.csv", text(2000).as_bytes());
    let case = case(&file);
    let (whole, _) = case.read(100, &mut || false).unwrap();
    let (mut given, image) = begun(&case);
    fs::write(&file.path, text(2001)).unwrap();
    let mut input = case.open(100, Some(image)).unwrap();
    let mut reading = Reading::new(&case.schema);
    while reading.step(&mut input, 100, &mut given).unwrap() {}
    given.end(&input);
    let notice = "has grown by 15 bytes since it began to be read, which are not read";
    assert!(given.notices.pop().unwrap().ends_with(notice));
    assert_eq!(given, whole);
}

#[test]
fn what_cannot_be_entered_is_refused_by_name() {
    let input = || {
        InputSpec::Registered(RegisteredSpec {
            name: "prices".to_owned(),
            schema: schema(),
            columns: vec![0],
            make: Box::new(|| Box::new(Iterated(std::iter::empty()))),
        })
    };
    let registered = Case { input: Box::new(input), schema: schema(), filter: None };
    let error = refusal(registered.open(1, None).unwrap().export());
    assert!(error.starts_with("source prices cannot be read on from within: "), "{error}");

    let merge = Merge::Limited { spec: LimitSpec { skip: 0, keep: None }, input_types: Vec::new() };
    // A gather of tables is begun again, and not cut.
    let input = || InputSpec::Sealed(Vec::new(), merge.clone(), None);
    let gather = Case { input: Box::new(input), schema: schema(), filter: None };
    assert!(gather.open(1, None).unwrap().export().unwrap().is_none());
    let error = refusal(gather.open(1, Some(Image::new())));
    assert!(error.starts_with("tables of other pipelines cannot be read on"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let pipe = File { _folder: folder, path };
    let case = case(&pipe);
    let path = pipe.path.clone();
    let writer = std::thread::spawn(move || fs::write(path, text(10)).unwrap());
    let input = case.open(1, None).unwrap();
    writer.join().unwrap();
    let error = refusal(input.export());
    let expected = format!(
        "{} cannot be read on from within: what a pipe has given is gone; write it to a file first",
        pipe.path.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn an_image_of_another_input_is_refused_by_name() {
    let file = file("a.csv", text(2000).as_bytes());
    let case = case(&file);
    let (_, mut image) = begun(&case);
    image.put_one("unheard", 1_u8);
    let resume = Some(Resume { image, missing: Missing::Refuse });
    let error = refusal(block_on(open_input(&mut case.spec(1), None, resume)));
    let name = file.path.display();
    assert_eq!(error, format!("the checkpoint does not fit {name}: unheard: is not known here"));
    let error = refusal(case.open(1, Some(Image::new())));
    assert_eq!(error, format!("the checkpoint does not fit {name}: reader: is missing"));
}
