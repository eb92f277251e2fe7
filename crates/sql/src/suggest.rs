//! The nearest known name to a misspelt one.

/// Names compared at most: beyond this a suggestion costs more than it helps.
const NAMES_MAX: usize = 4096;

/// The candidate closest to `name`, if one is close enough to be meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase();
    let allowed = match name.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let scored = candidates.into_iter().take(NAMES_MAX).map(|candidate| {
        (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate)
    });
    scored
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "…"?`, if something is close.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, candidates).map(|found| format!("did you mean \"{found}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_typo_and_refuses_a_stranger() {
        assert_eq!(nearest("pirce", ["symbol", "price"]), Some("price"));
        assert_eq!(nearest("Symbl", ["symbol", "price"]), Some("symbol"));
        assert_eq!(nearest("zzz", ["symbol", "price"]), None);
        assert_eq!(nearest("nope", ["NOT", "node"]), Some("node"));
        assert_eq!(nearest("nope", ["NOT"]), None);
    }
}
