//! Numbers against the standard library and exact decimal digits, and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::typed::numbers(data));
