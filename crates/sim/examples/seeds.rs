//! Runs seeds: `cargo run --release -p tidemill-sim --example seeds -- --seeds 20000`.
//!
//! `--from N` begins elsewhere, `--job NAME` takes one job, `--seed N --trace` shows one seed call by call, `--threads N` works on several
//! beside each other. `--omit STEP` leaves a step of the product out, and stops at the first seed whose output shows it. `--calls` instead
//! lets every call of a small run of each bounded job go wrong once.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidemill_sim::{Chain, Fault, Kind, Omitted, Report, Wrong, fault_at, run, undisturbed_calls};

/// What the command line asks for.
struct Asked {
    from: u64,
    seeds: u64,
    threads: usize,
    kind: Option<Kind>,
    omitted: Option<Omitted>,
    is_traced: bool,
    has_calls: bool,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        from: 0,
        seeds: 1000,
        threads: 1,
        kind: None,
        omitted: None,
        is_traced: false,
        has_calls: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match name.as_str() {
            "--from" => asked.from = number(value()?)?,
            "--seeds" => asked.seeds = number(value()?)?,
            "--seed" => (asked.from, asked.seeds) = (number(value()?)?, 1),
            "--threads" => asked.threads = usize::try_from(number(value()?)?.max(1)).unwrap_or(1),
            "--job" => asked.kind = Some(value()?.parse()?),
            "--omit" => asked.omitted = Some(value()?.parse()?),
            "--trace" => asked.is_traced = true,
            "--calls" => asked.has_calls = true,
            other => return Err(format!("{other} is not known; see the head of this example")),
        }
    }
    Ok(asked)
}

/// What all seeds came to.
#[derive(Default)]
struct Sum {
    report: Report,
    wrong: Vec<Wrong>,
}

fn main() -> ExitCode {
    // A panic of the product is told of with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return ExitCode::from(2);
        }
    };
    let (next, done, is_enough) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new(Sum::default());
    let take = |ran: Result<Report, Wrong>| {
        let Ok(mut sum) = sum.lock() else { return };
        match ran {
            Ok(report) => sum.report.add(&report),
            Err(wrong) => {
                let is_shown = wrong.is_output || asked.omitted.is_none();
                if is_shown {
                    let _ = writeln!(io::stdout(), "{wrong}");
                }
                sum.wrong.push(wrong);
                is_enough.store(
                    is_shown && asked.omitted.is_some()
                        || sum.wrong.len() >= 20 && asked.omitted.is_none(),
                    Ordering::Relaxed,
                );
            }
        }
    };
    let work = || {
        while !is_enough.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= asked.seeds {
                break;
            }
            let seed = asked.from + number;
            if asked.has_calls {
                let bounded = Kind::all().iter().filter(|kind| !kind.is_endless());
                for &kind in bounded.filter(|kind| asked.kind.is_none_or(|one| one == **kind)) {
                    let calls = match undisturbed_calls(seed, kind) {
                        Ok(calls) => calls,
                        Err(wrong) => {
                            take(Err(wrong));
                            continue;
                        }
                    };
                    for (call, fault) in
                        (0..calls).flat_map(|call| Fault::ALL.map(|fault| (call, fault)))
                    {
                        take(fault_at(seed, kind, call, fault));
                    }
                }
            } else {
                let Asked { kind, omitted, is_traced, .. } = asked;
                take(run(&Chain { seed, kind, omitted, is_traced }));
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(work);
        }
    });
    let Ok(sum) = sum.into_inner() else { return ExitCode::FAILURE };
    let Sum { report, wrong } = sum;
    let in_output = wrong.iter().filter(|wrong| wrong.is_output).count();
    let _ = writeln!(
        io::stdout(),
        "{} seeds, {} wrong ({in_output} of these in their output): {report:#?}",
        done.into_inner(),
        wrong.len()
    );
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
