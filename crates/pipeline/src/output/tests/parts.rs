//! Parts of one file, and processes that end while they are joined.

use super::*;

#[test]
fn parts_of_one_file_are_joined_again_where_a_process_ended_meanwhile() {
    let mut formats = texts();
    formats.extend(columnar());
    for (format, codec) in formats {
        let case =
            Case { format, codec, layout: Layout::OneFile, rolling_bytes: None, is_live: false };
        let mut dice = Pcg64Mcg::seed_from_u64(5);
        let batches = batches(case.layout, &mut dice);
        let expected = without_state(&case, &batches);
        let shares: Vec<&[Batch]> = batches.chunks(batches.len().div_ceil(3)).collect();
        for ends_before in 0..4 {
            let root = tempfile::tempdir().unwrap();
            let path = case.path(root.path());
            let open = |is_fresh| {
                let target = Target::File(&path);
                let opened = match is_fresh {
                    true => OutputDirectory::open_fresh(target, OnExisting::Fail, "a1", &[]),
                    false => OutputDirectory::open_resumed(target, "a1"),
                };
                Arc::new(opened.unwrap().without_flush())
            };
            let directory = open(true);
            let mut images = Vec::new();
            for (number, share) in (0..).zip(&shares) {
                let mut output = case.open(&directory, number, None);
                for batch in *share {
                    block_on(output.write(batch)).unwrap();
                }
                block_on(output.finish()).unwrap();
                images.push(block_on(output.cut()).unwrap().unwrap().image);
            }
            drop(directory);
            let deliveries = |directory: &Arc<OutputDirectory>| -> Vec<Delivery> {
                let again = |(number, image): (u32, &Image)| {
                    let mut output = case.open(directory, number, Some(image.clone()));
                    // What is said of an output that has ended is said again.
                    let said = block_on(output.cut()).unwrap().unwrap().image;
                    assert_eq!(said.has("part"), image.has("part"));
                    block_on(output.finish()).unwrap().unwrap()
                };
                (0..).zip(&images).map(again).collect()
            };
            let directory = open(false);
            let all = deliveries(&directory);
            if ends_before == 0 {
                drop(all);
            } else if ends_before == 3 {
                publish(all, false);
            } else {
                let first = files(root.path()).into_keys().find(|path| is_open(path)).unwrap();
                let first_bytes = fs::metadata(&first).unwrap().len();
                let parts = all.into_iter().map(|one| (one.finished, one.part)).collect();
                drop(crate::delivery::join(&directory, parts, NonZeroUsize::MIN).unwrap());
                // In the middle of the copying the file ends somewhere behind the first part.
                let whole = fs::metadata(&first).unwrap().len();
                let copied = whole.saturating_sub(first_bytes) / ends_before;
                let file = fs::File::options().write(true).open(&first).unwrap();
                file.set_len(whole.min(first_bytes + copied)).unwrap();
            }
            drop(directory);
            let directory = open(false);
            publish(deliveries(&directory), false);
            let found = rows(&case, root.path());
            assert!(found == expected, "{case:?}, {ends_before}");
            let left = files(root.path());
            assert!(!left.keys().any(|path| is_open(path)), "{:?}", left.keys());
        }
    }
}
