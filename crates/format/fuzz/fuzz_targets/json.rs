//! JSON lines against `serde_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::json::check(data));
