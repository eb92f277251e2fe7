//! What a host has.

/// Which implementor this host takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// 32 bytes in one register, and the bit instructions that come with it.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every host has: SSE2 on x86-64, plain loops elsewhere.
    Baseline,
}

impl Level {
    pub(crate) fn detect() -> Self {
        #[cfg(fuzzing)]
        if crate::fuzzing::is_baseline() {
            return Self::Baseline;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
        {
            return Self::Avx2;
        }
        Self::Baseline
    }
}
