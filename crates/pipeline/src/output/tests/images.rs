//! Images of outputs: what they are a function of, and what becomes of damaged ones.

use super::*;
use tidemill_record::image::{Entry, Texts};

fn open_in(case: &Case, root: &Path, is_fresh: bool) -> Arc<OutputDirectory> {
    let path = case.path(root);
    let target = case.target(&path);
    let opened = match is_fresh {
        true => OutputDirectory::open_fresh(target, OnExisting::Fail, "a1", &[]),
        false => OutputDirectory::open_resumed(target, "a1"),
    };
    let directory = opened.unwrap().without_flush();
    Arc::new(if case.is_live { directory.live() } else { directory })
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (format, codec) in texts() {
        for layout in [Layout::Directory, Layout::OneFile, Layout::Folders] {
            let rolling_bytes = (layout != Layout::OneFile).then_some(5000);
            let format = format.clone();
            cases.push(Case { format, codec, layout, rolling_bytes, is_live: false });
        }
    }
    cases
}

#[test]
fn an_image_is_that_of_the_rows_however_they_came() {
    for case in cases() {
        let mut dice = Pcg64Mcg::seed_from_u64(3);
        let whole = batches(case.layout, &mut dice);
        let mut images = Vec::new();
        for batch_rows in [1, 7, 1000] {
            let root = tempfile::tempdir().unwrap();
            let directory = open_in(&case, root.path(), true);
            let mut output = case.open(&directory, 0, None);
            let mut own = Vec::new();
            for batch in &whole {
                for start in (0..batch.row_count()).step_by(batch_rows) {
                    let count = batch_rows.min(batch.row_count() - start);
                    block_on(output.write(&batch.slice(start, count))).unwrap();
                }
                own.push(block_on(output.cut()).unwrap().unwrap().image);
            }
            block_on(output.finish()).unwrap();
            own.push(block_on(output.cut()).unwrap().unwrap().image);
            images.push(own);
        }
        assert!(images[0] == images[1] && images[0] == images[2], "{case:?}");
    }
}

/// Whatever stands in an image, it is refused or can be gone on with.
#[test]
fn a_damaged_image_is_no_panic() {
    let mut refused = 0;
    let mut tried = 0;
    for case in cases() {
        let mut dice = Pcg64Mcg::seed_from_u64(4);
        let all = batches(case.layout, &mut dice);
        let root = tempfile::tempdir().unwrap();
        let directory = open_in(&case, root.path(), true);
        let mut output = case.open(&directory, 0, None);
        for batch in &all {
            block_on(output.write(batch)).unwrap();
        }
        let mut image = block_on(output.cut()).unwrap().unwrap().image;
        drop(output);
        drop(directory);
        let before = files(root.path());
        for _ in 0..25 {
            let damaged = damage(image.clone(), &mut dice);
            let directory = open_in(&case, root.path(), false);
            let mut spec = spec(case.output(&directory, 0));
            tried += 1;
            match block_on(Output::open(&mut spec, Some(damaged))) {
                Err(_) => refused += 1,
                Ok(mut output) => {
                    let _ = block_on(output.write(&all[0]));
                    if let Ok(Some(cut)) = block_on(output.cut()) {
                        assert!(!tidemill_sink::named_in(&cut.image).is_empty());
                    }
                    let _ = block_on(output.finish());
                }
            }
            drop(directory);
            // As if nobody had gone on.
            for path in files(root.path()).into_keys() {
                fs::remove_file(path).unwrap();
            }
            before.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        }
        image.take_image("writer").unwrap();
        let directory = open_in(&case, root.path(), false);
        let error = block_on(Output::open(&mut spec(case.output(&directory, 0)), Some(image)));
        let error = std::error::Error::source(&error.err().unwrap()).unwrap().to_string();
        assert!(error.contains("cannot be; start over with --fresh"), "{error}");
    }
    assert!(refused * 2 > tried, "{refused} of {tried} were refused");
}

fn damage(image: Image, dice: &mut Pcg64Mcg) -> Image {
    let mut entries: Vec<_> = image.into_entries().collect();
    let at = dice.random_range(0..entries.len());
    match &mut entries[at].1 {
        Entry::Image(inner) if inner.entries().count() > 0 => {
            *inner = damage(std::mem::take(inner), dice);
        }
        Entry::Image(inner) => inner.put_one("more", 1_u8),
        Entry::Numbers { bytes, .. } => match bytes.len() {
            0 => bytes.push(1),
            count if dice.random_bool(0.8) => {
                bytes[dice.random_range(0..count)] ^= 1 << dice.random_range(0..8);
            }
            count => bytes.truncate(dice.random_range(0..count)),
        },
        Entry::Texts(texts) => {
            let (ends, mut bytes) = std::mem::take(texts).into_parts();
            match bytes.len() {
                0 => bytes.push(b'x'),
                count => bytes[dice.random_range(0..count)] ^= 1 << dice.random_range(0..8),
            }
            *texts = Texts::from_parts(ends, bytes);
        }
    }
    if dice.random_bool(0.05) {
        entries.remove(at);
    }
    let mut damaged = Image::new();
    entries.into_iter().for_each(|(name, entry)| damaged.insert(name, entry));
    damaged
}
