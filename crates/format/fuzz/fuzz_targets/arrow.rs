//! Arrow IPC of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::columnar::arrow(data));
