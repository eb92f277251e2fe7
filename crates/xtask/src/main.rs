//! House rules as a test, and golden updates.
fn main() {}
