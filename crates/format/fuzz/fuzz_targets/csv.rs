//! CSV against a reader that looks at one byte after the other, and the `csv` crate.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::csv::check(data));
