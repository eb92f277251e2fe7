//! Publishing ended at every step, by a kill and by a power cut: whoever opens one of the directories next finds
//! the old results or the new ones, whole.
//!
//! A kill leaves what was done. A power cut leaves of the changes of names that no flush of their directory came
//! behind any at all: each subset of them is tried. Contents of an intent that were not flushed are lost.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use tidemill_plan::OnExisting;

use super::*;

/// Directories of a wave: name, earlier results, new ones.
type Layout<'a> = &'a [(&'a str, &'a [&'a str], &'a [&'a str])];

/// A file's path below the root, and what is in it.
type Disk = BTreeMap<String, String>;

const OLD: &str = "old";
const NEW: &str = "new";

/// What lies there before the first step.
fn before(layout: Layout<'_>) -> Disk {
    let mut disk = Disk::new();
    for (directory, earlier, new) in layout {
        let mut put =
            |name: &str, text: &str| disk.insert(format!("{directory}/{name}"), text.to_owned());
        earlier.iter().for_each(|name| drop(put(name, OLD)));
        new.iter().for_each(|name| drop(put(&format!("{name}.open"), NEW)));
        put("notes", "whoever's");
        put("part-00000-000007.csv.open", "of a job that was killed");
    }
    disk
}

fn plan(root: &Path, layout: Layout<'_>) -> Plan {
    let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let part = |(directory, earlier, new): &(&str, &[&str], &[&str])| Part {
        path: root.join(directory),
        is_durable: true,
        made_in: vec![root.to_owned()],
        section: Section {
            directory: root.join(directory),
            prefix: "part-".to_owned(),
            publish: own(new),
            remove: own(earlier),
        },
    };
    Plan::new("1-2-3", layout.iter().map(part).collect(), Together::All)
}

fn all_steps(plan: Plan) -> Vec<Step> {
    [plan.prepare, plan.renames, plan.settle].concat()
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
    for directory in fs::read_dir(root).unwrap() {
        let directory = directory.unwrap();
        for file in fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            let name =
                [directory.file_name(), file.file_name()].map(|name| name.into_string().unwrap());
            disk.insert(name.join("/"), fs::read_to_string(file.path()).unwrap());
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
        Step::Remove(path) => drop(disk.remove(&name(path))),
        Step::Sync(_) => {}
    }
}

fn directory_of(step: &Step) -> &Path {
    match step {
        Step::Write { path, .. } | Step::Remove(path) | Step::Rename { to: path, .. } => {
            path.parent().unwrap()
        }
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
        .filter(|(directory, ..)| !steps.contains(&Step::Sync(root.join(directory))))
        .flat_map(|(directory, _, new)| {
            new.iter().map(move |name| format!("{directory}/{name}.open"))
        })
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

/// Opens a directory, as the next job does, and holds what is there against old and new. Whether it is new.
fn check(root: &Path, layout: Layout<'_>, opened: &str, what: &str) -> bool {
    drop(OutputDirectory::open(&root.join(opened), OnExisting::Replace).unwrap());
    let disk = read(root);
    let has = |directory: &str, names: &[&str], text: &str| {
        names
            .iter()
            .all(|name| disk.get(&format!("{directory}/{name}")).is_some_and(|found| found == text))
    };
    let none = |directory: &str, names: &[&str]| {
        names.iter().all(|name| !disk.contains_key(&format!("{directory}/{name}")))
    };
    let is_old = |(directory, earlier, new): &(&str, &[&str], &[&str])| {
        has(directory, earlier, OLD) && none(directory, new)
    };
    let is_new = |(directory, earlier, new): &(&str, &[&str], &[&str])| {
        has(directory, new, NEW) && none(directory, earlier)
    };
    assert!(layout.iter().all(is_old) || layout.iter().all(is_new), "{what}: {disk:#?}");
    for (directory, ..) in layout {
        assert!(disk.contains_key(&format!("{directory}/notes")), "{what}");
        assert!(disk.contains_key(&format!("{directory}/part-00000-000007.csv.open")), "{what}");
    }
    assert!(
        !disk.keys().any(|name| name.starts_with(opened) && name.contains("tidemill")),
        "{what}: {disk:#?}"
    );
    layout.iter().all(is_new)
}

const LAYOUTS: [Layout<'static>; 5] = [
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
    let layout = LAYOUTS[4];
    let plan = plan(root.path(), layout);
    // Committed; and what the next one does is what the plan would have gone on with, in some order.
    for kept in 0..1_u32 << plan.renames.len() {
        lay_out(root.path(), &before(layout));
        plan.prepare.iter().for_each(|step| step.perform().unwrap());
        for (at, step) in plan.renames.iter().enumerate() {
            if kept >> at & 1 == 1 {
                step.perform().unwrap();
            }
        }
        assert!(check(root.path(), layout, "b", &format!("{kept:b}")));
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
    for layout in
        LAYOUTS.into_iter().filter(|layout| layout.iter().any(|(_, _, new)| !new.is_empty()))
    {
        let mut disk = before(layout);
        let (directory, _, new) = layout.iter().rfind(|(_, _, new)| !new.is_empty()).unwrap();
        disk.insert(format!("{directory}/{}", new[new.len() - 1]), "somebody else's".to_owned());
        lay_out(root.path(), &disk);
        let plan = plan(root.path(), layout);
        let Err(Failure { error, is_undone }) = plan.perform() else { panic!("it was published") };
        assert!(is_undone && matches!(error, SinkError::NameTaken { .. }), "{error}");
        assert_eq!(read(root.path()), disk);
        // And if it is taken at the last moment.
        let mut steps = plan.prepare.iter().chain(&plan.renames);
        assert!(steps.try_for_each(Step::perform).is_err());
        let error = OutputDirectory::open(&root.path().join(layout[0].0), OnExisting::Replace);
        assert!(error.is_ok() || matches!(error, Err(SinkError::NameTaken { .. })));
        assert_eq!(
            read(root.path())[&format!("{directory}/{}", new[new.len() - 1])],
            "somebody else's"
        );
    }
}
