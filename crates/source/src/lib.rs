//! Readers: files (with splits and decompression) and the generator.
