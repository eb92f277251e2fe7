//! Publishing ended at every step, by a kill and by a power cut: whoever opens one of the directories next finds
//! the old results or the new ones, whole.
//!
//! A kill leaves what was done. A power cut leaves of the changes of names that no flush of their directory came
//! behind any at all: each subset of them is tried. Contents of an intent that were not flushed are lost.

#![allow(clippy::unwrap_used, reason = "tests")]

mod resumed;

use std::collections::BTreeMap;
use std::fs;

use tidemill_plan::OnExisting;

use super::*;
use crate::intent::Intent;
use crate::place::INTENT;

/// Places of a wave: name, earlier results, new ones. A name that ends in `.csv` is that of one file below a
/// directory, whose results have no names of their own.
type Layout<'a> = &'a [(&'a str, &'a [&'a str], &'a [&'a str])];

/// A file's path below the root, and what is in it.
type Disk = BTreeMap<String, String>;

const OLD: &str = "old";
const NEW: &str = "new";

fn is_file(place: &str) -> bool {
    place.ends_with(".csv")
}

fn place(root: &Path, name: &str) -> Place {
    if is_file(name) { Place::File(root.join(name)) } else { Place::Directory(root.join(name)) }
}

/// Where a result stands on the disk.
fn key(place: &str, result: &str) -> String {
    if is_file(place) { place.to_owned() } else { format!("{place}/{result}") }
}

/// The same while it is open.
fn open_key(place: &str, result: &str) -> String {
    match is_file(place) {
        true => format!("{place}.00000-000000.open"),
        false => format!("{place}/{result}.open"),
    }
}

/// What a job that was killed has left there.
fn left_key(place: &str) -> String {
    match is_file(place) {
        true => format!("{place}.00000-000007.open"),
        false => format!("{place}/part-00000-000007.csv.open"),
    }
}

/// What belongs to somebody else.
fn notes_key(place: &str) -> String {
    if is_file(place) { format!("{place}.notes") } else { format!("{place}/notes") }
}

/// What lies there before the first step.
fn before(layout: Layout<'_>) -> Disk {
    let mut disk = Disk::new();
    for (place, earlier, new) in layout {
        let mut put = |key: String, text: &str| disk.insert(key, text.to_owned());
        earlier.iter().for_each(|result| drop(put(key(place, result), OLD)));
        new.iter().for_each(|result| drop(put(open_key(place, result), NEW)));
        put(notes_key(place), "whoever's");
        put(left_key(place), "of a job that was killed");
    }
    disk
}

fn plan(root: &Path, layout: Layout<'_>) -> Plan {
    plan_of(root, layout, &[], Together::All)
}

fn plan_of(root: &Path, layout: Layout<'_>, unflushed: &[&str], together: Together) -> Plan {
    let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let part = |(name, earlier, new): &(&str, &[&str], &[&str])| {
        let nothing = Section::empty(place(root, name));
        let section = match (is_file(name), earlier.is_empty()) {
            (false, _) => {
                let prefix = "part-".to_owned();
                Section { prefix, publish: own(new), remove: own(earlier), ..nothing }
            }
            (true, true) => Section { publish: own(&["00000-000000"]), ..nothing },
            (true, false) => Section { replace: own(&["00000-000000"]), ..nothing },
        };
        let (place, made_in) = (place(root, name), vec![root.to_owned()]);
        Part { place, is_durable: !unflushed.contains(name), made_in, section }
    };
    Plan::new("1-2-3", layout.iter().map(part).collect(), together)
}

fn all_steps(plan: Plan) -> Vec<Step> {
    [plan.prepare, plan.renames, plan.replacements, plan.settle].concat()
}

/// Writes a disk below a directory, over whatever is there.
fn lay_out(root: &Path, disk: &Disk) {
    for entry in fs::read_dir(root).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    for (name, text) in disk {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), text).unwrap();
    }
}

fn read(root: &Path) -> Disk {
    let mut disk = Disk::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            disk.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    disk
}

/// One change of names, in a disk that is only thought of.
fn apply(root: &Path, disk: &mut Disk, step: &Step, is_text_lost: bool) {
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    match step {
        Step::Write { path, text, is_durable } => {
            let text = if *is_durable || !is_text_lost { text } else { "" };
            disk.insert(name(path), text.to_owned());
        }
        Step::Rename { from, to } => {
            // A rename of a file whose creation was lost takes its contents along all the same.
            if let Some(text) = disk.remove(&name(from)) {
                assert_eq!(disk.insert(name(to), text), None, "nothing is written over");
            }
        }
        Step::Replace { from, to } => {
            if let Some(text) = disk.remove(&name(from)) {
                disk.insert(name(to), text);
            }
        }
        Step::Remove(path) => drop(disk.remove(&name(path))),
        Step::Sync(_) | Step::RemoveEmpty(_) => {}
    }
}

fn directory_of(step: &Step) -> &Path {
    match step {
        Step::Write { path, .. }
        | Step::Remove(path)
        | Step::RemoveEmpty(path)
        | Step::Rename { to: path, .. }
        | Step::Replace { to: path, .. } => path.parent().unwrap(),
        Step::Sync(path) => path,
    }
}

/// What may be on the disk when the power fails after so many steps.
fn after_a_cut(root: &Path, layout: Layout<'_>, steps: &[Step]) -> Vec<Disk> {
    // The last sync of a directory that makes a step durable.
    let is_safe =
        |at: usize| steps[at + 1..].contains(&Step::Sync(directory_of(&steps[at]).to_owned()));
    let unsafe_steps: Vec<usize> = (0..steps.len())
        .filter(|&at| !matches!(steps[at], Step::Sync(_)) && !is_safe(at))
        .collect();
    // That segments are there under their open names is such a change, too.
    let open: Vec<String> = layout
        .iter()
        .filter(|(name, ..)| !steps.contains(&Step::Sync(place(root, name).directory().to_owned())))
        .flat_map(|(place, _, new)| new.iter().map(move |result| open_key(place, result)))
        .collect();
    assert!(unsafe_steps.len() + open.len() < 14, "so many subsets can be tried");
    let subset_count = 1_u32 << (unsafe_steps.len() + open.len());
    (0..subset_count)
        .map(|subset| {
            let mut disk = before(layout);
            for (bit, name) in open.iter().enumerate() {
                if subset >> bit & 1 == 1 {
                    disk.remove(name);
                }
            }
            for (at, step) in steps.iter().enumerate() {
                let place = unsafe_steps.iter().position(|&other| other == at);
                if place.is_none_or(|place| subset >> (open.len() + place) & 1 == 0) {
                    apply(root, &mut disk, step, true);
                }
            }
            disk
        })
        .collect()
}

/// Opens a place, as the next job does.
fn open(root: &Path, name: &str) -> Result<OutputDirectory, SinkError> {
    match place(root, name) {
        Place::Directory(path) => OutputDirectory::open(&path, OnExisting::Replace),
        Place::File(path) => OutputDirectory::open_file(&path, OnExisting::Replace),
    }
}

/// Opens a place, as the next job does, and holds what is there against old and new. Whether it is new.
fn check(root: &Path, layout: Layout<'_>, opened: &str, what: &str) -> bool {
    drop(open(root, opened).unwrap());
    let disk = read(root);
    let has = |place: &str, results: &[&str], text: &str| {
        results
            .iter()
            .all(|result| disk.get(&key(place, result)).is_some_and(|found| found == text))
    };
    let none = |place: &str, results: &[&str]| {
        is_file(place) || results.iter().all(|result| !disk.contains_key(&key(place, result)))
    };
    let is_old = |(place, earlier, new): &(&str, &[&str], &[&str])| {
        let is_free = earlier.is_empty() && disk.contains_key(*place);
        has(place, earlier, OLD) && none(place, new) && !is_free
    };
    let is_new = |(place, earlier, new): &(&str, &[&str], &[&str])| {
        has(place, new, NEW) && none(place, earlier)
    };
    assert!(layout.iter().all(is_old) || layout.iter().all(is_new), "{what}: {disk:#?}");
    for (place, ..) in layout {
        assert!(disk.contains_key(&notes_key(place)), "{what}");
        assert!(disk.contains_key(&left_key(place)), "{what}");
    }
    for hidden in [place(root, opened).intent(), place(root, opened).unfinished_intent()] {
        assert!(!hidden.exists(), "{what}: {disk:#?}");
    }
    layout.iter().all(is_new)
}

const LAYOUTS: [Layout<'static>; 11] = [
    // One segment, no earlier results: its rename is the moment.
    &[("a", &[], &["part-00000-000000.csv"])],
    &[("a", &[], &["part-00000-000000.csv", "part-00001-000000.csv"])],
    &[("a", &["part-00000-000000.csv", "part-00003-000001.csv"], &["part-00000-000002.csv"])],
    // Earlier results go, and no new ones come: dead letters of a clean run.
    &[("a", &["part-00000-000000.csv"], &[])],
    &[
        ("a", &["part-00000-000000.csv"], &["part-00000-000001.csv"]),
        ("b", &[], &["part-00000-000008.csv"]),
    ],
    // One file, where there is none and where there is one.
    &[("c/o.csv", &[], &["o"])],
    &[("c/o.csv", &["o"], &["o"])],
    // Two in one directory.
    &[("c/o.csv", &["o"], &["o"]), ("c/p.csv", &[], &["p"])],
    &[("a", &["part-00000-000000.csv"], &["part-00000-000001.csv"]), ("c/o.csv", &["o"], &["o"])],
    &[("c/o.csv", &["o"], &["o"]), ("a", &[], &["part-00000-000008.csv"])],
    // Folders by value, one of which is emptied.
    &[(
        "a",
        &["k=1/part-00000-000000.csv", "k=2/l=%20/part-00000-000000.csv"],
        &["k=1/part-00000-000001.csv", "k=3/part-00000-000001.csv"],
    )],
];

#[test]
fn a_kill_at_any_step_leaves_the_old_or_the_new() {
    let root = tempfile::tempdir().unwrap();
    for layout in LAYOUTS {
        let steps = all_steps(plan(root.path(), layout));
        for (opened, ..) in layout {
            let mut was_new = false;
            for count in 0..=steps.len() {
                lay_out(root.path(), &before(layout));
                steps[..count].iter().for_each(|step| step.perform().unwrap());
                let what = format!("{layout:?}: {opened} opened after {count} steps of {steps:#?}");
                let is_new = check(root.path(), layout, opened, &what);
                assert!(is_new || !was_new, "{what}: what was published is so for good");
                was_new = is_new;
            }
            assert!(was_new, "all steps publish");
        }
    }
}

#[test]
fn a_kill_while_the_next_job_goes_on_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    for (layout, opened) in [(LAYOUTS[4], "b"), (LAYOUTS[8], "c/o.csv"), (LAYOUTS[9], "a")] {
        let plan = plan(root.path(), layout);
        let steps = [&plan.renames[..], &plan.replacements].concat();
        // Committed; and what the next one does is what the plan would have gone on with, in some order.
        for kept in 0..1_u32 << steps.len() {
            lay_out(root.path(), &before(layout));
            plan.prepare.iter().for_each(|step| step.perform().unwrap());
            for (at, step) in steps.iter().enumerate() {
                if kept >> at & 1 == 1 {
                    step.perform().unwrap();
                }
            }
            assert!(check(root.path(), layout, opened, &format!("{kept:b}")));
        }
    }
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new() {
    let root = tempfile::tempdir().unwrap();
    for layout in LAYOUTS {
        let steps = all_steps(plan(root.path(), layout));
        for count in 0..=steps.len() {
            for (number, disk) in
                after_a_cut(root.path(), layout, &steps[..count]).iter().enumerate()
            {
                for (opened, ..) in layout {
                    lay_out(root.path(), disk);
                    let what = format!(
                        "{opened} opened after {count} of {steps:#?}, subset {number}: {disk:#?}"
                    );
                    check(root.path(), layout, opened, &what);
                }
            }
        }
    }
}

#[test]
fn a_name_that_was_taken_meanwhile_stops_all_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    // A file that is to be replaced is not taken.
    let is_free = |(place, earlier, new): &&(&str, &[&str], &[&str])| {
        !new.is_empty() && (!is_file(place) || earlier.is_empty())
    };
    for layout in LAYOUTS.into_iter().filter(|layout| layout.iter().any(|part| is_free(&part))) {
        let mut disk = before(layout);
        let (place, _, new) = layout.iter().rfind(is_free).unwrap();
        let taken = key(place, new[new.len() - 1]);
        disk.insert(taken.clone(), "somebody else's".to_owned());
        lay_out(root.path(), &disk);
        let plan = plan(root.path(), layout);
        let Err(Failure { error, is_undone }) = plan.perform() else { panic!("it was published") };
        assert!(is_undone && matches!(error, SinkError::NameTaken { .. }), "{error}");
        assert_eq!(read(root.path()), disk);
        // And if it is taken at the last moment.
        let mut steps = plan.prepare.iter().chain(&plan.renames);
        assert!(steps.try_for_each(Step::perform).is_err());
        let error = open(root.path(), layout[0].0);
        assert!(error.is_ok() || matches!(error, Err(SinkError::NameTaken { .. })));
        assert_eq!(read(root.path())[&taken], "somebody else's");
    }
}

#[test]
fn directories_that_rely_on_each_other_are_made_durable_in_order_whatever_they_ask_for() {
    let root = Path::new("/root");
    let durable = all_steps(plan(root, SHARED));
    for unflushed in [&["a"][..], &["b"], &["a", "b"]] {
        assert_eq!(all_steps(plan_of(root, SHARED, unflushed, Together::All)), durable);
    }
    // One alone flushes nothing.
    let steps = all_steps(plan_of(root, LAYOUTS[2], &["a"], Together::All));
    let is_flush =
        |step: &Step| matches!(step, Step::Sync(_) | Step::Write { is_durable: true, .. });
    assert!(!steps.iter().any(is_flush), "{steps:#?}");
}

/// Both directories have earlier results.
const SHARED: Layout<'static> = &[
    ("a", &["part-00000-000000.csv"], &["part-00000-000001.csv"]),
    ("b", &["part-00000-000000.csv"], &["part-00000-000008.csv"]),
];

/// A wave that has been published, and nothing of it done.
fn pending(root: &Path, layout: Layout<'_>) {
    lay_out(root, &before(layout));
    plan(root, layout).prepare.iter().for_each(|step| step.perform().unwrap());
}

#[test]
fn a_directory_without_an_intent_of_the_wave_is_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let b = root.path().join("b");
    let other_wave = |own| {
        let part = Section::empty(Place::Directory(b.clone()));
        Intent { wave: "4-5-6".to_owned(), own, sections: vec![part] }.encode()
    };
    for (intent, is_left) in [(None, false), (Some(other_wave(0)), true)] {
        pending(root.path(), SHARED);
        match &intent {
            Some(text) => fs::write(b.join(INTENT), text).unwrap(),
            None => fs::remove_file(b.join(INTENT)).unwrap(),
        }
        let whoever: Disk =
            read(root.path()).into_iter().filter(|(name, _)| name.starts_with("b/")).collect();
        drop(open(root.path(), "a").unwrap());
        let mut disk = read(root.path());
        assert_eq!(disk["a/part-00000-000001.csv"], NEW);
        assert_eq!(disk.contains_key(&format!("b/{INTENT}")), is_left);
        disk.retain(|name, _| name.starts_with("b/"));
        assert_eq!(disk, whoever);
    }
}

#[test]
fn numbers_that_begin_again_are_not_those_of_an_earlier_wave() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| root.path().join(name));
    pending(root.path(), SHARED);
    // Whoever has the home meanwhile leaves what is to be done there to the next.
    let locked = place(root.path(), "a").lock().unwrap().unwrap();
    drop(open(root.path(), "b").unwrap());
    drop(locked);
    assert!(!b.join(INTENT).exists() && a.join(INTENT).exists());
    fs::remove_dir_all(&b).unwrap();
    fs::create_dir(&b).unwrap();
    fs::write(b.join("part-00000-000000.csv"), "of a later job").unwrap();
    drop(open(root.path(), "a").unwrap());
    let disk = read(root.path());
    assert_eq!(disk["b/part-00000-000000.csv"], "of a later job");
    assert_eq!(disk["a/part-00000-000001.csv"], NEW);
    assert!(!disk.contains_key("a/part-00000-000000.csv") && !a.join(INTENT).exists());
}

#[test]
fn what_cannot_be_found_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let moved = root.path().join("moved");
    for (gone, opened) in [("a", "b"), ("b", "a")] {
        let gone = root.path().join(gone);
        let opened_intent = place(root.path(), opened).intent();
        pending(root.path(), SHARED);
        fs::rename(&gone, &moved).unwrap();
        let disk = read(root.path());
        let error = open(root.path(), opened).unwrap_err();
        let SinkError::Missing { directory, intent } = &error else { panic!("{error}") };
        assert_eq!((directory, intent), (&gone, &opened_intent));
        let message = error.to_string();
        for path in [directory, intent] {
            assert!(message.contains(path.to_str().unwrap()), "{message}");
        }
        assert_eq!(read(root.path()), disk, "nothing has been done");
        fs::rename(&moved, &gone).unwrap();
        assert!(check(root.path(), SHARED, opened, "it was moved back"));
        // And if it is meant to be gone, as the message says.
        pending(root.path(), SHARED);
        fs::remove_dir_all(&gone).unwrap();
        fs::remove_file(intent).unwrap();
        drop(open(root.path(), opened).unwrap());
    }
}

#[test]
fn an_intent_is_not_written_through_a_link() {
    let root = tempfile::tempdir().unwrap();
    let layout = LAYOUTS[1];
    lay_out(root.path(), &before(layout));
    let link = place(root.path(), "a").unfinished_intent();
    let notes = root.path().join("a/notes");
    std::os::unix::fs::symlink(&notes, &link).unwrap();
    assert!(plan(root.path(), layout).perform().is_ok());
    assert_eq!(fs::read_to_string(notes).unwrap(), "whoever's");
    assert!(fs::symlink_metadata(link).is_err());
}

#[test]
fn what_is_no_regular_file_is_no_intent() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(INTENT);
    let refused = |said: &str| {
        let error = open(root.path(), "").unwrap_err();
        let SinkError::Intent { path: named, reason } = &error else { panic!("{error}") };
        assert!(*named == path && reason.contains(said), "{error}");
        fs::remove_file(&path).unwrap();
    };
    // Nobody writes to it, so who waits for that waits for ever.
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    refused("not a regular file");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    refused("not a regular file");
    // Not even where it leads to an intent that could be read.
    pending(root.path(), LAYOUTS[1]);
    std::os::unix::fs::symlink(root.path().join("a").join(INTENT), &path).unwrap();
    refused("a link");
    let long = u64::try_from(INTENT_BYTES_MAX).unwrap() + 1;
    fs::File::create(&path).unwrap().set_len(long).unwrap();
    refused("longer");
    drop(open(root.path(), "").unwrap());
}

#[test]
fn a_segment_that_is_published_for_itself_stays_when_a_later_one_fails() {
    let root = tempfile::tempdir().unwrap();
    let names = ["part-00000-000000.csv", "part-00001-000000.csv", "part-00002-000000.csv"];
    let layout: Layout<'_> = &[("a", &[], &names)];
    for (together, stays) in [(Together::Each, true), (Together::All, false)] {
        lay_out(root.path(), &before(layout));
        fs::remove_file(root.path().join("a").join(format!("{}.open", names[2]))).unwrap();
        let plan = plan_of(root.path(), layout, &[], together);
        let Err(Failure { error, is_undone }) = plan.perform() else { panic!("all was published") };
        assert!(error.to_string().contains(names[2]), "{error}");
        assert_eq!(is_undone, !stays);
        let disk = read(root.path());
        for name in &names[..2] {
            assert_eq!(disk.contains_key(&format!("a/{name}")), stays, "{disk:#?}");
            assert_eq!(disk.contains_key(&format!("a/{name}.open")), !stays, "{disk:#?}");
        }
        assert!(!disk.contains_key(&format!("a/{INTENT}")));
    }
}
