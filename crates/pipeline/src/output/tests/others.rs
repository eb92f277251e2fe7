//! Outputs without files.

use super::*;

#[test]
fn discard_goes_on_with_its_checksum() {
    let mut dice = Pcg64Mcg::seed_from_u64(1);
    let batches = batches(Layout::Directory, &mut dice);
    for has_checksum in [true, false] {
        let open = |resume| {
            let writer = Box::new(tidemill_sink::Discard::new(has_checksum));
            block_on(Output::open(&mut spec(OutputSpec::Columns(writer)), resume)).unwrap()
        };
        let (mut whole, mut cut) = (open(None), open(None));
        for batch in &batches {
            block_on(whole.write(batch)).unwrap();
            block_on(cut.write(batch)).unwrap();
            let image = block_on(cut.cut()).unwrap().unwrap().image;
            // What is written behind the cut is written again.
            block_on(cut.write(batch)).unwrap();
            cut = open(Some(image));
        }
        assert_eq!(cut.checksum(), whole.checksum());
        assert_eq!(cut.checksum().is_some(), has_checksum);
    }
}

#[test]
fn a_sink_that_knows_no_cuts_is_refused_by_name() {
    struct Taken;
    impl tidemill_sink::ColumnWriter for Taken {
        fn write(&mut self, _: &Batch) -> Result<u64, tidemill_sink::SinkError> {
            Ok(0)
        }
        fn finish(&mut self) -> Result<(), tidemill_sink::SinkError> {
            Ok(())
        }
        fn checksum(&self) -> Option<u64> {
            None
        }
    }
    let mut spec = spec(OutputSpec::Columns(Box::new(Taken)));
    assert!(spec.check_state().unwrap_err().to_string().starts_with("sink q takes rows"));
    let mut output = block_on(Output::open(&mut spec, None)).unwrap();
    assert!(block_on(output.cut()).is_err());
}

#[test]
fn what_is_printed_is_cut_once_it_is_out() {
    use std::io::{Seek as _, SeekFrom};
    use std::os::fd::AsRawFd as _;
    let mut dice = Pcg64Mcg::seed_from_u64(2);
    let all = batches(Layout::Directory, &mut dice);
    for format in [
        Format::Csv(CsvOptions::default()),
        Format::Arrow(ArrowOptions { form: ArrowForm::Stream }),
    ] {
        let mut out = tempfile::tempfile().unwrap();
        let order = tidemill_sink::StdoutOrder::with(out.as_raw_fd(), 1 << 20);
        let open = |partition| {
            let writer = tidemill_sink::StdoutWriter::new(Arc::clone(&order), partition);
            let (format, schema) = (format.clone(), schema(Layout::Directory));
            let (is_first, is_last) = (partition == 0, partition == 1);
            let output = OutputSpec::Stdout { format, schema, writer, is_first, is_last };
            block_on(Output::open(&mut spec(output), None)).unwrap()
        };
        let (mut first, mut second) = (open(0), open(1));
        all.iter().for_each(|batch| {
            block_on(second.write(batch)).unwrap();
            block_on(first.write(batch)).unwrap();
        });
        // What waits for an earlier partition is in memory alone.
        assert!(block_on(second.cut()).unwrap().is_none());
        let cut = block_on(first.cut()).unwrap().unwrap();
        out.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, first.bytes_out(), "every row is out");
        block_on(first.finish()).unwrap();
        assert!(block_on(second.cut()).unwrap().is_some());
        let writer = tidemill_sink::StdoutWriter::new(
            tidemill_sink::StdoutOrder::interleaved(out.as_raw_fd(), Vec::new(), None),
            0,
        );
        let (format, schema) = (format.clone(), schema(Layout::Directory));
        let output = OutputSpec::Stdout { format, schema, writer, is_first: true, is_last: true };
        let again = block_on(Output::open(&mut spec(output), Some(cut.image))).unwrap();
        assert_eq!(again.bytes_out(), bytes.len() as u64);
    }
}
