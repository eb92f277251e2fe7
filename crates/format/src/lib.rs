//! Bytes to columns and back: CSV, JSON lines, Arrow IPC and Parquet.
