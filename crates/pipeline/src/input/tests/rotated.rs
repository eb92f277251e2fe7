//! Logs that were rotated more than once between two looks: which text comes after which.

use std::fs;
use std::time::Duration;

use futures_lite::future::block_on;
use tidemill_plan::Encoding;
use tidemill_rt::Backend;
use tidemill_source::{InputFile, Missing, Resume};

use super::super::{open_input, resumed_claims};
use super::followed::{Log, all, cut, schema};
use super::{Given, Reading};
use crate::{InputSpec, PipelineError};

#[test]
fn texts_that_were_compressed_when_younger_ones_had_been_written_come_in_the_order_of_their_names()
{
    for is_running in [false, true] {
        for rows in [50, 100] {
            let mut log = Log::new(Encoding::Unsaid, true);
            log.write("log", 0..100);
            let mut input = log.open("log");
            log.read(&mut input, rows);
            let cut_before = if is_running { Err(input) } else { Ok(cut(input)) };
            for from in [100, 200, 300, 400] {
                log.rotate(from..from + 100);
            }
            let mut input = match cut_before {
                Ok(image) => log.resume("log", &image, Missing::Refuse).unwrap(),
                Err(input) => input,
            };
            log.read(&mut input, 250);
            // Once more, within a text that is compressed, while there are texts behind it.
            let image = cut(input);
            log.rotate(500..600);
            let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
            log.read(&mut input, 320);
            log.rotate(600..700);
            log.append("log.1", "");
            log.rotate(700..800);
            log.read(&mut input, usize::MAX);
            log.rotate(800..900);
            log.rotate(900..1000);
            log.read(&mut input, usize::MAX);
            let name = format!("running {is_running}, {rows} rows");
            assert_eq!(log.numbers(), all(1000), "{name}");
            assert!(log.offsets().is_sorted(), "{name}");
        }
    }
}

#[test]
fn texts_are_found_behind_a_name_that_is_vacant_or_names_an_empty_file() {
    for is_empty in [false, true] {
        let mut log = Log::new(Encoding::Unsaid, true);
        log.write("log", 0..100);
        let mut input = log.open("log");
        log.read(&mut input, 70);
        let image = cut(input);
        for from in [100, 200, 300] {
            log.rotate(from..from + 100);
        }
        log.rename("log", "log.0");
        if is_empty {
            log.append("log", "");
        }
        let found = log.find("log.0");
        let found = InputFile { path: log.path("log").into(), ..found };
        let claims = block_on(resumed_claims(Backend::Std, [(&found, Some(&image))])).unwrap();
        let mut input = {
            let case = log.case("log.0", claims);
            let mut spec = case.spec(7);
            let InputSpec::Text(text) = &mut spec.input else { panic!("text is followed") };
            text.file.file.path = log.path("log").into();
            let resume = Some(Resume { image, missing: Missing::Refuse });
            block_on(open_input(&mut spec, None, resume)).unwrap().0
        };
        log.read(&mut input, usize::MAX);
        assert_eq!(log.numbers(), all(400), "empty: {is_empty}");
        // The empty file has no header as yet.
        if is_empty {
            log.append("log", "s,n\n");
        }
        log.write("log", 400..500);
        log.read(&mut input, usize::MAX);
        assert_eq!(log.numbers(), all(500), "empty: {is_empty}");
    }
}

#[test]
fn texts_whose_order_nothing_tells_are_refused_by_name() {
    let mut log = Log::new(Encoding::Unsaid, true);
    log.write("log", 0..100);
    let mut input = log.open("log");
    log.read(&mut input, usize::MAX);
    let image = cut(input);
    log.rename("log", "log.2");
    log.write("log.1", 100..200);
    log.write("log.3", 200..300);
    log.write("log", 300..400);
    std::thread::sleep(Duration::from_millis(25));
    for name in ["log.1", "log.2", "log.3"] {
        log.compress_anew(name);
    }
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    let mut reading = Reading::new(&schema());
    let mut given = Given::default();
    let error = loop {
        match reading.step(&mut input, 7, &mut given) {
            Ok(_) => assert!(given.rows.is_empty(), "{:?}", given.rows),
            Err(PipelineError::Source(error)) => break error.to_string(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(error.contains("has no certain order: "), "{error}");
    assert!(error.contains("was compressed since, and neither names nor times say"), "{error}");
    // Once what is no text of the log is gone, it goes on.
    for name in ["log.1.gz", "log.3.gz"] {
        fs::remove_file(log.path(name)).unwrap();
    }
    let mut input = log.resume("log", &image, Missing::Refuse).unwrap();
    log.read(&mut input, usize::MAX);
    assert_eq!(log.numbers()[100..], (300..400).collect::<Vec<_>>());
}
