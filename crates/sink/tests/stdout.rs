//! Standard output of several pipelines: in partition order, bounded, and released when one ends early.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::io::{Read, pipe};
use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::thread;

use tidemill_sink::{SinkError, StdoutOrder, StdoutWriter};

fn write_all(order: &Arc<StdoutOrder>, partition: u32, pieces: u32) -> Result<(), SinkError> {
    let mut writer = StdoutWriter::new(Arc::clone(order), partition);
    for piece in 0..pieces {
        writer.write(format!("{partition}:{piece}\n").as_bytes())?;
    }
    writer.finish()
}

fn expected(partitions: u32, pieces: u32) -> String {
    let line = |partition, piece| format!("{partition}:{piece}\n");
    (0..partitions).flat_map(|p| (0..pieces).map(move |piece| line(p, piece))).collect()
}

#[test]
fn output_is_in_partition_order_whoever_is_first() {
    let (mut reader, out) = pipe().unwrap();
    let order = StdoutOrder::with(out.as_raw_fd(), 1 << 20);
    for partition in [3, 1, 2, 0] {
        write_all(&order, partition, 50).unwrap();
    }
    drop(out);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, expected(4, 50));
}

#[test]
fn full_spools_wait_and_no_core_deadlocks() {
    let (mut reader, out) = pipe().unwrap();
    // Room for three lines or so, and far more than a pipe holds in all: everybody has to wait.
    let order = StdoutOrder::with(out.as_raw_fd(), 20);
    let cores: Vec<_> = [vec![0, 3, 4], vec![1, 2, 5]]
        .into_iter()
        .map(|partitions| {
            let order = Arc::clone(&order);
            thread::spawn(move || {
                for partition in partitions {
                    write_all(&order, partition, 5000).unwrap();
                }
            })
        })
        .collect();
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        done.send(text).unwrap();
    });
    for core in cores {
        core.join().unwrap();
    }
    drop(out);
    assert_eq!(finished.recv().unwrap(), expected(6, 5000));
}

#[test]
fn a_pipeline_that_ends_early_releases_the_others() {
    let (_reader, out) = pipe().unwrap();
    let order = StdoutOrder::with(out.as_raw_fd(), 4);
    let mut head = StdoutWriter::new(Arc::clone(&order), 0);
    head.write(b"head").unwrap();
    let waiting = {
        let order = Arc::clone(&order);
        thread::spawn(move || write_all(&order, 1, 1000))
    };
    drop(head);
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, SinkError::Aborted), "{error}");
}

#[test]
fn those_before_one_that_fails_go_on_and_what_it_wrote_is_the_last() {
    // In whichever order they end, 2 and 4 fail: what appears is 0, 1 and what 2 has written.
    for order_of_ends in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1], [4, 0, 2, 1, 3]] {
        let (mut reader, out) = pipe().unwrap();
        let order = StdoutOrder::with(out.as_raw_fd(), 1 << 20);
        let mut writers: Vec<_> =
            (0..5).map(|number| Some(StdoutWriter::new(Arc::clone(&order), number))).collect();
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.as_mut().unwrap().write(format!("{number}\n").as_bytes()).unwrap();
        }
        for number in order_of_ends {
            let writer = writers[number].take().unwrap();
            if number != 2 && number != 4 {
                let finished = writer.finish();
                assert!(finished.is_ok() || number == 3, "{number} of {order_of_ends:?}");
            }
        }
        drop(out);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0\n1\n2\n", "{order_of_ends:?}");
    }
}

#[test]
fn a_reader_that_has_gone_ends_everybody_quietly() {
    // The test harness ignores SIGPIPE, as Rust programs do.
    let (reader, out) = pipe().unwrap();
    drop(reader);
    let order = StdoutOrder::with(out.as_raw_fd(), 1 << 20);
    let mut later = StdoutWriter::new(Arc::clone(&order), 1);
    later.write(b"spooled").unwrap();
    let error = write_all(&order, 0, 1).unwrap_err();
    assert!(error.is_closed(), "{error}");
    assert!(later.write(b"more").unwrap_err().is_closed());
}

#[test]
fn a_full_disk_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let order = StdoutOrder::with(full.as_raw_fd(), 1 << 20);
    let error = write_all(&order, 0, 1).unwrap_err();
    assert!(matches!(error, SinkError::Full { .. }), "{error}");
    assert!(!error.is_closed());
}
