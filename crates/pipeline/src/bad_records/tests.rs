//! Dead letters of a job that is killed now and then are those of one that nobody kills.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures_lite::future::block_on;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use tidemill_expr::Context;
use tidemill_plan::{BadRecords, LateRecords, LimitSpec, Merge};
use tidemill_record::{BadRecord, EventTime, Image, Offset, PartitionId};
use tidemill_rt::Backend;
use tidemill_sink::{OutputDirectory, Target};

use super::BadRecordPolicy;
use crate::{BadRecordSpec, Delivery, InputSpec, OutputSpec, PipelineSpec};

fn spec(directory: Option<&Arc<OutputDirectory>>) -> PipelineSpec {
    let policy = match directory {
        Some(_) => BadRecords::DeadLetter,
        None => BadRecords::Skip,
    };
    PipelineSpec {
        query: "q".to_owned(),
        source: "s".to_owned(),
        partition: PartitionId(3),
        backend: Backend::Std,
        input: InputSpec::Closing(Merge::Limited {
            spec: LimitSpec::default(),
            input_types: Vec::new(),
        }),
        stages: Vec::new(),
        output: OutputSpec::Seal(Merge::Limited {
            spec: LimitSpec::default(),
            input_types: Vec::new(),
        }),
        bad_records: BadRecordSpec {
            policy,
            late_records: LateRecords::DeadLetter,
            dead_letters: directory.map(|directory| (Arc::clone(directory), 7)),
            rolling_interval: None,
        },
        context: Context { job_start: EventTime(0) },
        batch_rows: 1000,
        is_measured: false,
        is_kept: true,
        resume: None,
    }
}

/// The line of a record: every third is late and not bad.
fn line(offset: u64) -> String {
    let (reason, record) = match offset % 3 {
        0 => ("late: the watermark had passed all that it belongs to", "null".to_owned()),
        _ => ("it is", format!("\"text {offset}\"")),
    };
    format!(
        "{{\"source\":\"s\",\"partition\":3,\"offset\":{offset},\"field\":null,\"reason\":\"{reason}\",\
         \"record\":{record}}}\n"
    )
}

fn set_aside(policy: &mut BadRecordPolicy, offset: u64) {
    let offset = Offset(offset);
    if offset.0.is_multiple_of(3) {
        block_on(policy.set_aside_late(offset, || None)).unwrap();
        return;
    }
    let raw = Some(format!("text {}", offset.0).into_bytes());
    let (field, reason, place) = (None, "it is".to_owned(), None);
    block_on(policy.set_aside(&BadRecord { offset, field, reason, raw, place })).unwrap();
}

fn published(path: &Path) -> String {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect();
    all.sort_unstable();
    all.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// One process: whether it came to the end of `count` records.
fn run(
    path: &Path,
    (is_live, count): (bool, u64),
    committed: &mut Option<(u64, Image)>,
    dice: &mut Pcg64Mcg,
) -> bool {
    let target = Target::DeadLetters(path);
    let opened = match committed {
        Some(_) => OutputDirectory::open_resumed(target, "a1"),
        None => OutputDirectory::open_fresh(target, Default::default(), "a1", &[]),
    };
    let directory = opened.unwrap().without_flush();
    let directory = Arc::new(if is_live { directory.live() } else { directory });
    let (start, image) = match committed.clone() {
        Some((start, image)) => (start, Some(image)),
        None => (0, None),
    };
    let mut policy = BadRecordPolicy::new(&spec(Some(&directory)), image).unwrap();
    directory.remove_unknown(&[]).unwrap();
    // The counts are those of the records that the policy has seen.
    assert_eq!(policy.bad_count(), (0..start).filter(|offset| offset % 3 != 0).count() as u64);
    let mut waiting: Vec<Delivery> = policy.take_again().into_iter().collect();
    for offset in start..count {
        set_aside(&mut policy, offset);
        if is_live && offset % 7 == 6 {
            block_on(policy.dead_letters.as_mut().unwrap().1.roll()).unwrap();
        }
        if dice.random_bool(0.2) {
            let cut = block_on(policy.cut()).unwrap();
            cut.files.sync().unwrap();
            *committed = Some((offset + 1, cut.image));
            waiting.extend(cut.delivery);
            if dice.random_bool(0.7) {
                Delivery::publish_each(std::mem::take(&mut waiting)).unwrap();
            }
        }
        if dice.random_bool(0.1) {
            return false;
        }
    }
    let delivery = block_on(policy.finish()).unwrap().unwrap();
    let cut = block_on(policy.cut()).unwrap();
    *committed = Some((count, cut.image));
    if dice.random_bool(0.5) {
        return false;
    }
    waiting.push(delivery);
    Delivery::publish_each(waiting).unwrap();
    true
}

#[test]
fn dead_letters_are_as_if_nobody_had_killed_the_job() {
    for seed in 0..30 {
        let mut dice = Pcg64Mcg::seed_from_u64(seed);
        let root = tempfile::tempdir().unwrap();
        let (is_live, count) = (seed % 2 == 0, dice.random_range(1..40));
        let mut committed = None;
        while !run(root.path(), (is_live, count), &mut committed, &mut dice) {}
        let expected: String = (0..count).map(line).collect();
        assert_eq!(published(root.path()), expected, "seed {seed}");
    }
}

#[test]
fn records_that_are_skipped_are_counted_on() {
    let mut policy = BadRecordPolicy::new(&spec(None), None).unwrap();
    policy.late_records = LateRecords::Drop;
    (0..5).for_each(|offset| set_aside(&mut policy, offset));
    let cut = block_on(policy.cut()).unwrap();
    let policy = BadRecordPolicy::new(&spec(None), Some(cut.image)).unwrap();
    assert_eq!(policy.bad_count(), 3);
}

#[test]
fn dead_letters_without_a_place_to_go_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let target = Target::DeadLetters(root.path());
    let directory = OutputDirectory::open_fresh(target, Default::default(), "a1", &[]).unwrap();
    let directory = Arc::new(directory.without_flush());
    let mut policy = BadRecordPolicy::new(&spec(Some(&directory)), None).unwrap();
    // Without a letter there is nothing to lose.
    let image = block_on(policy.cut()).unwrap().image;
    BadRecordPolicy::new(&spec(None), Some(image)).unwrap();
    set_aside(&mut policy, 1);
    let image = block_on(policy.cut()).unwrap().image;
    let error = BadRecordPolicy::new(&spec(None), Some(image)).err().unwrap();
    let cause = std::error::Error::source(&error).unwrap();
    let cause = std::error::Error::source(cause).unwrap().to_string();
    assert!(cause.contains("'dead_letter' again"), "{cause}");
}
