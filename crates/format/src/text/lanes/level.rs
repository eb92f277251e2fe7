//! What a host has.

/// Which implementor this host takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// 32 bytes in one register, and the bit instructions that come with it.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// What every host has: SSE2 on x86-64, plain loops elsewhere.
    Baseline,
}

/// That this host has AVX2, BMI1, BMI2, LZCNT, POPCNT and PCLMULQDQ: there is no other way to a value than to detect
/// them, so whoever has one may run what is compiled for them. Such functions are inlined into one with
/// these target features.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// `None` where any of them is missing.
    pub(crate) fn detect() -> Option<Self> {
        let is_there = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        is_there.then_some(Self(()))
    }
}

impl Level {
    pub(crate) fn detect() -> Self {
        #[cfg(fuzzing)]
        if crate::fuzzing::is_baseline() {
            return Self::Baseline;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = Avx2::detect() {
            return Self::Avx2(lanes);
        }
        Self::Baseline
    }
}
