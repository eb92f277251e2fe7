//! Publishing of a job with state that a kill ends at any step, and that whoever goes on does again.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use futures_lite::future::block_on;
use tidemill_plan::OnExisting;
use tidemill_record::Image;
use tidemill_rt::Backend;

use super::super::*;
use crate::{FileWriter, Target};

struct Case<'a> {
    /// Names of outputs; one that ends in `.csv` is one file.
    outputs: &'a [&'a str],
    has_earlier: bool,
    together: Together,
}

fn target(path: &Path) -> Target<'_> {
    match path.extension().is_some() {
        true => Target::File(path),
        false => Target::Directory(path),
    }
}

impl Case<'_> {
    fn open(&self, root: &Path, name: &str, is_fresh: bool) -> Arc<OutputDirectory> {
        let path = root.join(name);
        let target = target(&path);
        let opened = match is_fresh {
            true => OutputDirectory::open_fresh(target, OnExisting::Replace, "a1", &[]),
            false => OutputDirectory::open_resumed(target, "a1"),
        };
        let directory = opened.unwrap().without_flush();
        Arc::new(if self.together == Together::Each { directory.live() } else { directory })
    }

    /// Lays out what is there as a job begins, and writes all of its segments; its images then.
    fn write(&self, root: &Path) -> (Vec<Arc<OutputDirectory>>, Vec<Finished>, Vec<Image>) {
        let (mut directories, mut all, mut images) = (Vec::new(), Vec::new(), Vec::new());
        for name in self.outputs {
            let is_file = name.ends_with(".csv");
            if self.has_earlier {
                let folder = if is_file { root.to_owned() } else { root.join(name) };
                fs::create_dir_all(&folder).unwrap();
                let earlier =
                    if is_file { root.join(name) } else { folder.join("part-00001-000003.csv") };
                fs::write(earlier, "earlier").unwrap();
            }
            let directory = self.open(root, name, true);
            let (backend, shared) = (Backend::Std, Arc::clone(&directory));
            let mut writer = block_on(FileWriter::create(backend, shared, 0, "csv", None)).unwrap();
            block_on(async {
                writer.write(b"one\n").await.unwrap();
                if !is_file {
                    writer.roll().await.unwrap();
                    writer.write(b"two\n").await.unwrap();
                }
            });
            all.push(block_on(writer.end()).unwrap());
            images.push(writer.end_image().unwrap());
            directories.push(directory);
        }
        (directories, all, images)
    }

    /// The steps of what [`publish_wave`] does.
    fn steps(&self, directories: &[Arc<OutputDirectory>], all: &[Finished]) -> Vec<Step> {
        let mut parts = Vec::new();
        for (directory, finished) in directories.iter().zip(all) {
            directory.note_given(finished.given()).unwrap();
            let section = match directory.place() {
                Place::Directory(_) => section_of_directory(directory, &finished.segments),
                Place::File(_) => section_of_file(directory, &finished.segments).unwrap(),
            };
            let place = directory.place().clone();
            parts.push(Part { place, is_durable: false, made_in: Vec::new(), section });
        }
        let plan = Plan::new("1-2-3", parts, self.together);
        [plan.prepare, plan.renames, plan.replacements, plan.settle].concat()
    }

    /// Goes on from the images, and publishes again.
    fn go_on(&self, root: &Path, images: &[Image]) {
        let directories: Vec<_> =
            self.outputs.iter().map(|name| self.open(root, name, false)).collect();
        let mut wave = Vec::new();
        for (directory, image) in directories.iter().zip(images) {
            let (backend, shared) = (Backend::Std, Arc::clone(directory));
            let writer = FileWriter::resume(backend, shared, 0, "csv", None, image.clone());
            wave.push((&**directory, vec![block_on(writer.unwrap().end()).unwrap()]));
        }
        publish_wave(wave, self.together).unwrap();
        assert!(
            directories.iter().all(|directory| directory.remove_unknown(&[]).unwrap().is_empty())
        );
        for name in self.outputs {
            OutputDirectory::end_job(target(&root.join(name)), "a1").unwrap();
        }
    }

    fn check(&self) {
        let mut step_count = 0;
        for end in 0.. {
            let root = tempfile::tempdir().unwrap();
            let (directories, all, images) = self.write(root.path());
            let steps = self.steps(&directories, &all);
            step_count = steps.len();
            steps.iter().take(end).for_each(|step| step.perform().unwrap());
            drop((directories, all));
            self.go_on(root.path(), &images);
            let mut expected = BTreeMap::new();
            for name in self.outputs {
                if name.ends_with(".csv") {
                    expected.insert((*name).to_owned(), "one\n".to_owned());
                    continue;
                }
                let first = if self.has_earlier { 4 } else { 0 };
                for (number, text) in (first..).zip(["one\n", "two\n"]) {
                    expected.insert(format!("{name}/part-00000-{number:06}.csv"), text.to_owned());
                }
            }
            assert_eq!(read(root.path()), expected, "{:?} ended before step {end}", self.outputs);
            if end == step_count {
                break;
            }
        }
        assert!(step_count > 0);
    }
}

fn read(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

#[test]
fn what_a_kill_ended_is_published_again() {
    for has_earlier in [false, true] {
        for outputs in [&["a"][..], &["a", "b"], &["a", "o.csv"], &["o.csv"]] {
            Case { outputs, has_earlier, together: Together::All }.check();
        }
        Case { outputs: &["a"], has_earlier, together: Together::Each }.check();
    }
}
