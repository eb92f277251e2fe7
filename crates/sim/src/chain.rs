//! One seed: a job that is run undisturbed, and then in a chain of runs that are cut off.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill::{Kept, Recovery, Session, StopFlag, Summary};
use tidemill_rt::world;

use crate::dice::Dice;
use crate::jobs::Kind;
use crate::machine::Event;
use crate::output::{Rows, read};
use crate::{Counts, Cut, Fault, Machine, Omitted};

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// All follows from it.
    pub seed: u64,
    /// The job; the seed's if there is none.
    pub kind: Option<Kind>,
    /// What is left out in the chain.
    pub omitted: Option<Omitted>,
    /// Whether the calls of the chain are noted.
    pub is_traced: bool,
}

/// What a chain came to that was right.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Runs of the job.
    pub boots: u64,
    /// Of these, such that were killed.
    pub kills: u64,
    /// Such that lost the power.
    pub power_cuts: u64,
    /// Of both, those behind a commit of an earlier run: the job was going on.
    pub behind_commit: u64,
    /// Of both, those within a run that followed one that was cut off too.
    pub double: u64,
    /// Runs in which a call went wrong.
    pub faults: u64,
    /// Of these, runs that ended by it.
    pub failures: u64,
    /// Runs that were asked to stop.
    pub stops: u64,
    /// Times that the job was started once more while it ran, and refused.
    pub refused: u64,
    /// Of the chain's machine.
    pub counts: Counts,
}

impl Report {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.boots += other.boots;
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.behind_commit += other.behind_commit;
        self.double += other.double;
        self.faults += other.faults;
        self.failures += other.failures;
        self.stops += other.stops;
        self.refused += other.refused;
        self.counts.add(&other.counts);
    }
}

/// What a chain came to that was not.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// Which seed.
    pub seed: u64,
    /// Of which job.
    pub kind: &'static str,
    /// Whether results differ; else the job failed, hung or panicked where it should not.
    pub is_output: bool,
    /// What was seen.
    pub what: String,
    /// The last calls, where they were noted.
    pub trace: Vec<String>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, kind, what, trace, .. } = self;
        for line in trace {
            writeln!(f, "{line}")?;
        }
        write!(
            f,
            "seed {seed}, job {kind}: {what}\nreplay it: cargo run --release -p tidemill-sim --example seeds -- --seed {seed} --job {kind} --trace"
        )
    }
}

/// What a run of a job that came to its end has left.
struct Finished {
    rows: Rows,
    counted: Option<(u64, u64, u64)>,
    late: u64,
}

/// A job on a machine.
struct Bench {
    kind: Kind,
    machine: Machine,
    /// Its choices of how it is run.
    dice: Dice,
    interval: Duration,
    records: u64,
}

impl Bench {
    fn new(seed: u64, kind: Kind, stream: u64) -> Self {
        let mut data = Dice::new(seed, 2);
        let machine = Machine::new(seed.wrapping_add(stream), 1 + data.place(3));
        machine.put_directory(Path::new("/tmp"));
        let interval = Duration::from_millis(data.one_of(&[2, 5, 10, 20]));
        let (mut events, mut records) = (Vec::new(), 0);
        for input in kind.inputs(&mut data) {
            records += input.lines.len() as u64;
            if !kind.is_live {
                machine.put(&input.path, (input.head + &input.lines.concat()).as_bytes());
                continue;
            }
            machine.put(&input.path, input.head.as_bytes());
            let mut after = Duration::ZERO;
            let mut lines = &input.lines[..];
            while !lines.is_empty() {
                let count = lines.len().min(1 + data.place(4));
                after += Duration::from_millis(data.below(40));
                if kind.is_idle && data.once_in(6) {
                    after += Duration::from_millis(200);
                }
                let text = lines[..count].concat();
                events.push((after, Event::Append(input.path.clone(), text.into_bytes())));
                lines = &lines[count..];
            }
        }
        machine.expect(events);
        Self { kind, machine, dice: Dice::new(seed.wrapping_add(stream), 3), interval, records }
    }

    /// Runs the job once. The outer error is a panic.
    fn run(
        &mut self,
        drains: bool,
        stop_after: Option<Duration>,
    ) -> Result<Result<Summary, String>, String> {
        let script = self.kind.script(&mut self.dice, self.interval);
        let stop = StopFlag::new();
        if let Some(after) = stop_after {
            let stop = stop.clone();
            self.machine.expect(vec![(after, Event::Call(Box::new(move || stop.stop())))]);
        }
        let recovery = Recovery { drains, ..Recovery::default() };
        let entered = world::enter(Rc::new(self.machine.clone()));
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let job = Session::new().prepare(&script).map_err(|error| error.to_string())?;
            job.recovering(recovery).run_until(&stop).map_err(|error| error.to_string())
        }));
        drop(entered);
        self.machine.forget_calls();
        ran.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            format!("it panicked: {}", text.unwrap_or_default())
        })
    }

    /// Has the job started once more while it runs; what became of that.
    fn expect_rival(&mut self) -> Arc<Mutex<Option<Result<(), String>>>> {
        let script = self.kind.script(&mut self.dice, self.interval);
        let told = Arc::new(Mutex::new(None));
        let (tells, machine) = (Arc::clone(&told), self.machine.clone());
        let process = move || {
            let stop = StopFlag::new();
            let stops = stop.clone();
            let after = Duration::from_millis(50);
            machine.expect(vec![(after, Event::Call(Box::new(move || stops.stop())))]);
            let ran = Session::new().prepare(&script).and_then(|job| job.run_until(&stop));
            let ran = ran.map(drop).map_err(|error| error.to_string());
            *tells.lock().unwrap_or_else(PoisonError::into_inner) = Some(ran);
        };
        let after = Duration::from_millis(self.dice.below(20));
        self.machine.expect(vec![(after, Event::Process(Box::new(process)))]);
        told
    }

    /// Runs the job to its end, undisturbed from now on.
    fn finish(&mut self) -> Result<Finished, String> {
        self.machine.boot(None, None, false);
        let mut summary = if self.kind.is_live {
            self.machine.finish_events();
            self.run(false, Some(Duration::from_secs(2)))?
        } else {
            self.run(false, None)?
        }
        .map_err(|error| format!("it does not go on: {error}"))?;
        if self.kind.is_live {
            self.machine.boot(None, None, false);
            let ended = self.run(true, None)?;
            summary = ended.map_err(|error| format!("it does not drain: {error}"))?;
        }
        self.seen(&summary)
    }

    fn seen(&self, summary: &Summary) -> Result<Finished, String> {
        let statistics = &summary.statistics;
        let counts = (statistics.records_in, statistics.rows_out, statistics.bad_records);
        let counted = (summary.kept != Some(Kept::WasOver)).then_some(counts);
        let late = statistics.late_count();
        let (rows, left) = self.machine.look(read)?;
        if !left.is_empty() {
            return Err(format!("it has ended, and left {}", left.join(", ")));
        }
        Ok(Finished { rows, counted, late })
    }

    /// Whether every record is in one window, late, or bad, and each window of a symbol left once.
    fn check_sums(&self, finished: &Finished) -> Result<(), String> {
        let (mut total, mut seen) = (0, BTreeSet::new());
        for line in finished.rows.values().flatten().filter(|line| line.starts_with("20")) {
            let fields: Vec<&str> = line.trim_end().split(',').collect();
            let [end, symbol, count, ..] = fields[..] else {
                return Err(format!("a row is {line}"));
            };
            total += count.parse::<u64>().map_err(|_| format!("a row is {line}"))?;
            if !seen.insert((end.to_owned(), symbol.to_owned())) {
                return Err(format!("the window of {symbol} up to {end} left twice"));
            }
        }
        let Some((records, _, bad)) = finished.counted else { return Ok(()) };
        if (records, total + finished.late + bad) != (self.records, self.records) {
            return Err(format!(
                "of {} records {records} were read, {total} are in windows, {} late, {bad} bad",
                self.records, finished.late
            ));
        }
        Ok(())
    }
}

/// Calls of an undisturbed run of a bounded job.
///
/// # Errors
/// Why there is no such run.
pub fn undisturbed_calls(seed: u64, kind: Kind) -> Result<u64, Wrong> {
    let mut bench = Bench::new(seed, kind, 0);
    let finished = bench.finish().map_err(|what| wrong(seed, kind, false, what, &bench))?;
    drop(finished);
    Ok(bench.machine.calls())
}

fn wrong(seed: u64, kind: Kind, is_output: bool, what: String, bench: &Bench) -> Wrong {
    Wrong { seed, kind: kind.name, is_output, what, trace: bench.machine.trace() }
}

/// Says how rows differ.
fn difference(wanted: &Rows, found: &Rows) -> Option<String> {
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    names.into_iter().find_map(|name| {
        let empty = Vec::new();
        let (wanted, found) =
            (wanted.get(name).unwrap_or(&empty), found.get(name).unwrap_or(&empty));
        (wanted != found).then(|| {
            let at = wanted.iter().zip(found).take_while(|(one, other)| one == other).count();
            format!(
                "{name} differs at line {at} of {} and {}: wanted {:?}, found {:?}",
                wanted.len(),
                found.len(),
                wanted.get(at),
                found.get(at)
            )
        })
    })
}

/// One run of a bounded job in which the call of this number goes wrong, and then runs to its end.
///
/// # Errors
/// What was not right.
pub fn fault_at(seed: u64, kind: Kind, call: u64, fault: Fault) -> Result<Report, Wrong> {
    let mut plain = Bench::new(seed, kind, 0);
    let wanted = plain.finish().map_err(|what| wrong(seed, kind, false, what, &plain))?;
    let mut bench = Bench::new(seed, kind, 0);
    let mut report = Report { boots: 2, faults: 1, ..Report::default() };
    let finished = (|| {
        bench.machine.boot(None, Some((call, fault)), false);
        let ran = bench.run(false, None)?;
        report.failures += u64::from(ran.is_err());
        bench.machine.end(Cut::Process);
        bench.finish()
    })();
    let finished = finished.map_err(|what| {
        wrong(seed, kind, false, format!("{fault:?} at call {call}, then {what}"), &bench)
    })?;
    if let Some(what) = difference(&wanted.rows, &finished.rows) {
        return Err(wrong(
            seed,
            kind,
            true,
            format!("{fault:?} at call {call}, then {what}"),
            &bench,
        ));
    }
    report.counts = bench.machine.counts();
    Ok(report)
}

/// Runs a chain.
///
/// # Errors
/// What was not right, and how to see it again.
pub fn run(chain: &Chain) -> Result<Report, Wrong> {
    let &Chain { seed, omitted, is_traced, .. } = chain;
    let mut dice = Dice::new(seed, 4);
    let of_seed = Kind::all()[dice.place(Kind::all().len())];
    let kind = chain.kind.unwrap_or(of_seed);
    let mut plain = Bench::new(seed, kind, 0);
    let wanted = plain
        .finish()
        .map_err(|what| wrong(seed, kind, false, format!("undisturbed: {what}"), &plain))?;
    let calls = plain.machine.calls().max(20);
    let mut bench = Bench::new(seed, kind, 1);
    bench.machine.omit(omitted);
    if is_traced {
        bench.machine.note_calls();
    }
    let mut report = Report::default();
    let finished = cut_and_go_on(&mut bench, &mut dice, calls, &mut report);
    let finished = finished.map_err(|what| wrong(seed, kind, false, what, &bench))?;
    let failed = |what| Err(wrong(seed, kind, true, what, &bench));
    report.counts = bench.machine.counts();
    if kind.is_idle {
        return match bench.check_sums(&finished) {
            Err(what) => failed(what),
            Ok(()) => Ok(report),
        };
    }
    if let Some(what) = difference(&wanted.rows, &finished.rows) {
        return failed(what);
    }
    match (wanted.counted, finished.counted) {
        (Some(wanted), Some(found)) if wanted != found => {
            failed(format!("it counted {found:?} records, rows and bad records, wanted {wanted:?}"))
        }
        _ => Ok(report),
    }
}

fn cut_and_go_on(
    bench: &mut Bench,
    dice: &mut Dice,
    calls: u64,
    report: &mut Report,
) -> Result<Finished, String> {
    let boots = 1 + dice.below(6);
    let mut was_cut = false;
    for _ in 0..boots {
        bench.machine.set_core_count(1 + dice.place(3));
        let has_committed = bench.machine.look(|disk| {
            disk.files()
                .iter()
                .any(|path| path.extension().is_some_and(|extension| extension == "ck"))
        });
        let at = if dice.once_in(3) { dice.below(80) } else { dice.below(calls + calls / 8) };
        let is_fault = dice.once_in(4);
        let fault = dice.one_of(&Fault::ALL);
        bench.machine.boot((!is_fault).then_some(at), is_fault.then_some((at, fault)), false);
        report.boots += 1;
        let stop_after =
            bench.kind.is_live.then(|| Duration::from_millis(dice.one_of(&[30, 100, 300, 1500])));
        let rival = dice.once_in(6).then(|| bench.expect_rival());
        let ran = bench.run(false, stop_after)?;
        let rival =
            rival.and_then(|rival| rival.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(Err(error)) = rival {
            let is_by_lock =
                error.contains("in use by") || error.contains("another job is writing");
            if !is_by_lock && !is_fault && !bench.machine.is_over() {
                return Err(format!(
                    "started once more while it runs, it fails by itself: {error}"
                ));
            }
            report.refused += u64::from(is_by_lock);
        }
        let cut = if dice.once_in(2) { Cut::Power } else { Cut::Process };
        if bench.machine.is_over() {
            bench.machine.end(cut);
            match cut {
                Cut::Power => report.power_cuts += 1,
                Cut::Process => report.kills += 1,
            }
            report.behind_commit += u64::from(has_committed);
            report.double += u64::from(was_cut);
            was_cut = true;
            continue;
        }
        was_cut = false;
        report.faults += u64::from(is_fault);
        match ran {
            Ok(_) if bench.kind.is_live => report.stops += 1,
            Ok(_) => {
                // It was over before that call. The power may still go.
                bench.machine.end(cut);
                break;
            }
            Err(_) if is_fault => report.failures += 1,
            Err(error) => return Err(format!("it failed by itself: {error}")),
        }
        bench.machine.end(cut);
    }
    bench.finish()
}
