//! Parquet of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidemill_format_fuzz::columnar::parquet(data));
