//! Seeds of the simulated machine: what jobs publish is the same bytes, wherever they were cut off.
//!
//! `SIM_SEEDS` says how many (some hundred without it), beginning at `SIM_FROM`; the example `seeds` runs more of them, and shows one
//! call by call.

#![allow(clippy::unwrap_used, reason = "tests")]

use tidemill_sim::{Chain, Fault, Kind, Omitted, Report, Wrong, fault_at, run, undisturbed_calls};

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

fn chain(seed: u64, omitted: Option<Omitted>) -> Result<Report, Wrong> {
    run(&Chain { seed, kind: None, omitted, is_traced: false })
}

#[test]
fn what_was_cut_off_comes_to_the_same_bytes() {
    let (from, count) = (setting("SIM_FROM", 0), setting("SIM_SEEDS", 150));
    let mut sum = Report::default();
    for seed in from..from + count {
        match chain(seed, None) {
            Ok(report) => sum.add(&report),
            Err(wrong) => panic!("{wrong}"),
        }
    }
    assert!(count < 100 || (sum.power_cuts > 0 && sum.kills > 0 && sum.double > 0), "{sum:?}");
    assert!(count < 100 || (sum.failures > 0 && sum.refused > 0 && sum.stops > 0), "{sum:?}");
}

#[test]
fn a_seed_is_one_run() {
    for seed in [1, 2, 3] {
        let counts = || chain(seed, None).unwrap().counts;
        assert_eq!(counts(), counts(), "seed {seed}");
    }
}

/// Any call of a run may go wrong: the run fails by name or goes on, and repaired it comes to the same bytes.
#[test]
fn every_call_may_go_wrong_once() {
    let kind: Kind = "filter".parse().unwrap();
    let calls = undisturbed_calls(1, kind).unwrap();
    assert!(calls > 40, "{calls} calls");
    for call in 0..calls {
        for fault in Fault::ALL {
            if let Err(wrong) = fault_at(1, kind, call, fault) {
                panic!("{wrong}");
            }
        }
    }
}

/// Without a step that the promises rest on, runs go wrong: the seeds would not pass whatever the product does.
#[test]
fn what_is_left_out_is_found() {
    for omitted in [Omitted::SegmentSync, Omitted::DirectorySync] {
        let is_found = |seed| chain(seed, Some(omitted)).is_err_and(|wrong| wrong.is_output);
        assert!((0..200).any(is_found), "{omitted:?}");
    }
}
