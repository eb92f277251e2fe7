//! Dates and timestamps against a reader that goes part by part, and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::typed::times(data));
