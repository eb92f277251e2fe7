//! Outputs that are killed at any moment.

use super::*;

/// A job that is killed now and then.
struct Killed<'a> {
    case: &'a Case,
    batches: &'a [Batch],
    root: &'a Path,
    dice: Pcg64Mcg,
    /// Kills that are left.
    left: usize,
    /// How many batches the last checkpoint has, and its image.
    committed: Option<(usize, Image)>,
    /// What was visible at some moment.
    seen: BTreeMap<PathBuf, Vec<u8>>,
    /// What is to go with the first that is published.
    earlier: Option<PathBuf>,
    cut_count: usize,
}

impl Killed<'_> {
    fn is_killed(&mut self, one_in: u32) -> bool {
        let is_killed = self.left > 0 && self.dice.next_u32().is_multiple_of(one_in);
        self.left -= usize::from(is_killed);
        is_killed
    }

    fn directory(&self) -> Arc<OutputDirectory> {
        let path = self.case.path(self.root);
        let target = self.case.target(&path);
        let opened = match &self.committed {
            None => {
                let on_existing = match &self.earlier {
                    Some(_) => OnExisting::Replace,
                    None => OnExisting::Fail,
                };
                OutputDirectory::open_fresh(target, on_existing, "1a", &[])
            }
            Some(_) => OutputDirectory::open_resumed(target, "1a"),
        };
        let directory = opened.unwrap().without_flush();
        Arc::new(if self.case.is_live { directory.live() } else { directory })
    }

    /// Whether it has come to its end.
    fn run(&mut self) -> bool {
        let directory = self.directory();
        let (start, image) = match self.committed.clone() {
            Some((start, image)) => (start, Some(image)),
            None => (0, None),
        };
        let mut output = self.case.open(&directory, 0, image);
        directory.remove_unknown(&[]).unwrap();
        let mut waiting: Vec<Delivery> = output.take_again().into_iter().collect();
        for at in start..self.batches.len() {
            if self.dice.random_bool(0.6) {
                self.publish(&mut waiting);
            }
            block_on(output.write(&self.batches[at])).unwrap();
            if self.case.is_live && at % 5 == 4 {
                roll(&mut output);
            }
            assert!(output.take_finished().is_none(), "nothing goes past a checkpoint");
            let closes = output.cut_closes();
            assert!(!(closes && self.case.is_text()), "text goes on anywhere");
            if self.dice.random_bool(0.3)
                && let Some(cut) = block_on(output.cut()).unwrap()
            {
                cut.files.sync().unwrap();
                if self.is_killed(6) {
                    return self.kill(output);
                }
                self.committed = Some((at + 1, cut.image));
                self.cut_count += 1;
                waiting.extend(cut.delivery);
            }
            if self.is_killed(8) {
                return self.kill(output);
            }
        }
        self.publish(&mut waiting);
        let delivery = block_on(output.finish()).unwrap().unwrap();
        if self.is_killed(3) {
            return self.kill(output);
        }
        let cut = block_on(output.cut()).unwrap().expect("what has been finished can be cut");
        cut.files.sync().unwrap();
        assert!(cut.delivery.is_none());
        self.committed = Some((self.batches.len(), cut.image));
        if self.is_killed(2) {
            return self.kill(output);
        }
        publish(vec![delivery], self.publishes_each());
        self.note_seen();
        if self.is_killed(2) {
            return self.kill(output);
        }
        let path = self.case.path(self.root);
        OutputDirectory::end_job(self.case.target(&path), "1a").unwrap();
        true
    }

    fn publishes_each(&self) -> bool {
        self.case.is_live && self.case.layout != Layout::OneFile
    }

    fn publish(&mut self, waiting: &mut Vec<Delivery>) {
        if !waiting.is_empty() {
            publish(std::mem::take(waiting), true);
            self.note_seen();
        }
    }

    /// What has been visible stays as it was, but for what is to be replaced.
    fn note_seen(&mut self) {
        let now = published(self.root);
        for (path, bytes) in &self.seen {
            assert!(now.get(path) == Some(bytes), "{path:?} has changed");
        }
        self.seen = now;
        if let Some(earlier) = self.earlier.as_ref().filter(|_| self.case.layout != Layout::OneFile)
        {
            assert!(!earlier.exists(), "what is replaced goes with the first that is published");
        }
    }

    /// Behind the last cut anything may stand in the files.
    fn kill(&mut self, output: Output) -> bool {
        drop(output);
        for (path, mut bytes) in files(self.root) {
            if is_open(&path) && self.dice.random_bool(0.5) {
                bytes.extend_from_slice(b"\xff written after the cut");
                fs::write(path, bytes).unwrap();
            }
        }
        false
    }
}

fn check(case: &Case) {
    let mut cut_count = 0;
    for seed in 0..SEEDS {
        let mut dice = Pcg64Mcg::seed_from_u64(seed);
        let batches = batches(case.layout, &mut dice);
        let expected = without_state(case, &batches);
        let root = tempfile::tempdir().unwrap();
        let earlier = dice.random_bool(0.3).then(|| match case.layout {
            Layout::OneFile => case.path(root.path()),
            _ => root.path().join(format!("out/part-00003-000004.{}", case.sink().extension())),
        });
        if let Some(earlier) = &earlier {
            fs::create_dir_all(earlier.parent().unwrap()).unwrap();
            fs::write(earlier, "of an earlier job").unwrap();
        }
        let mut killed = Killed {
            case,
            batches: &batches,
            root: root.path(),
            dice,
            left: 6,
            committed: None,
            seen: BTreeMap::new(),
            earlier,
            cut_count: 0,
        };
        while !killed.run() {}
        cut_count += killed.cut_count;
        let left: Vec<PathBuf> = files(root.path())
            .into_keys()
            .filter(|path| is_open(path) || is_hidden(path))
            .collect();
        assert!(left.is_empty(), "{case:?}, seed {seed}: {left:?} is left");
        let found = rows(case, &results_in(case, root.path()));
        assert!(found == expected, "{case:?}, seed {seed}");
    }
    let is_cut = case.is_text() || (case.is_live && case.layout != Layout::OneFile);
    assert!(!is_cut || cut_count > 2, "{case:?} was cut {cut_count} times");
}

fn check_all(formats: Vec<(Format, Codec)>, layout: Layout, is_live: bool) {
    for (format, codec) in formats {
        let rolling: &[Option<u64>] =
            if layout == Layout::OneFile { &[None] } else { &[None, Some(3000)] };
        for &rolling_bytes in rolling {
            let format = format.clone();
            check(&Case { format, codec, layout, rolling_bytes, is_live });
        }
    }
}

#[test]
fn text_of_input_that_ends_is_as_if_nobody_had_killed_it() {
    check_all(texts(), Layout::Directory, false);
}

#[test]
fn text_of_input_without_end_is_as_if_nobody_had_killed_it() {
    check_all(texts(), Layout::Directory, true);
}

#[test]
fn one_file_is_as_if_nobody_had_killed_it() {
    check_all(texts(), Layout::OneFile, false);
    check_all(columnar(), Layout::OneFile, false);
    check_all(texts(), Layout::OneFile, true);
}

#[test]
fn folders_are_as_if_nobody_had_killed_them() {
    check_all(texts(), Layout::Folders, false);
    check_all(texts(), Layout::Folders, true);
    check_all(columnar(), Layout::Folders, false);
    check_all(columnar(), Layout::Folders, true);
}

#[test]
fn arrow_and_parquet_are_as_if_nobody_had_killed_them() {
    check_all(columnar(), Layout::Directory, false);
    check_all(columnar(), Layout::Directory, true);
}
