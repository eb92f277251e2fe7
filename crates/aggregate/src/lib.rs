//! Stateful work on batches: grouping, sorting, limits, changelogs.
