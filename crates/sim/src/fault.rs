//! What goes wrong at one call.

/// What one call comes to instead of what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// ENOSPC, of what needs room.
    Full,
    /// EIO. A flush that fails so loses what it covered.
    Device,
    /// A read or write of some of the bytes.
    Short,
    /// EINTR, of a read or write.
    Interrupted,
    /// It takes some seconds.
    Stall,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Full, Self::Device, Self::Short, Self::Interrupted, Self::Stall];
}
