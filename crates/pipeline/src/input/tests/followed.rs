//! Files that are followed.
