//! The scalar functions of the dialect: their names, and what they take and give.
//!
//! `table` has a row for each.

mod signature;
mod table;

pub use signature::{Kind, Returns, Signature};
use table::{ALL, DEFINITIONS, Definition};
pub use table::{Family, Function};

impl Function {
    /// All of them, those that scripts cannot call included.
    #[must_use]
    pub fn all() -> &'static [Self] {
        ALL
    }

    /// The function that a script calls by this name, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let is_called = |function: &&Self| {
            function.names().iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        ALL.iter().filter(|function| function.family() != Family::Internal).find(is_called).copied()
    }

    /// The name as the dialect spells it, upper case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    /// [`Self::name`], then its synonyms.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        self.definition().names
    }

    /// What it works on.
    #[must_use]
    pub fn family(self) -> Family {
        self.definition().family
    }

    /// The ways to call it, at least one; of those that fit equally well the first is meant.
    #[must_use]
    pub fn signatures(self) -> &'static [Signature] {
        self.definition().signatures
    }

    fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_each_of_its_names() {
        for (place, function) in ALL.iter().enumerate() {
            assert_eq!(*function as usize, place);
            for name in function.names() {
                let is_internal = function.family() == Family::Internal;
                let expected = if is_internal { None } else { Some(*function) };
                assert_eq!(Function::by_name(&name.to_lowercase()), expected, "{name}");
                assert_eq!(name.to_uppercase(), **name);
            }
        }
    }
    #[test]
    fn the_document_has_every_name() {
        let document = include_str!("../../../../docs/SQL.md");
        let callable = ALL.iter().filter(|function| function.family() != Family::Internal);
        let is_missing = |name: &&&str| {
            !document.contains(&format!("`{name}(")) && !document.contains(&format!("`{name}`"))
        };
        let missing: Vec<_> =
            callable.flat_map(|function| function.names()).filter(is_missing).collect();
        assert!(missing.is_empty(), "docs/SQL.md says nothing of {missing:?}");
    }
}
