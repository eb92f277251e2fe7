//! What is left out to see that the runs find it.

use std::str::FromStr;

/// One of the steps that the product's promises rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omitted {
    /// Flushing segments.
    SegmentSync,
    /// Flushing directories.
    DirectorySync,
    /// Flushing the newest checkpoint before anything is done by it.
    RecoverySync,
    /// Cutting segments to the length that a checkpoint has of them.
    Truncation,
    /// Holding segments to the hash that a checkpoint has of them, on a disk that damages a byte of an open segment when its
    /// power is cut: else there is nothing for the hash to find.
    HashCheck,
    /// Publishing only behind the commit.
    PublishOrder,
    /// Showing what an idle partition's raise closes only behind the checkpoint that has it.
    LogOfRaise,
    /// Knowing what was given before.
    NumberOfGive,
    /// The locks.
    Lock,
}

impl Omitted {
    /// Each with the name that the command has for it.
    pub const ALL: [(&'static str, Self); 9] = [
        ("segment-sync", Self::SegmentSync),
        ("directory-sync", Self::DirectorySync),
        ("recovery-sync", Self::RecoverySync),
        ("truncation", Self::Truncation),
        ("hash-check", Self::HashCheck),
        ("publish-order", Self::PublishOrder),
        ("log-of-raise", Self::LogOfRaise),
        ("number-of-give", Self::NumberOfGive),
        ("lock", Self::Lock),
    ];
}

impl FromStr for Omitted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, omitted)| *omitted).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(known, _)| *known).collect();
            format!("{name} cannot be left out; give one of {}", known.join(", "))
        })
    }
}
