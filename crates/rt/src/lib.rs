//! Pinned cores, files and timers: the only crate that knows glommio and core_affinity.
