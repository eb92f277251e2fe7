//! Names by number: distinct, readable, and the same everywhere.

/// Letters of a symbol at least.
const SYMBOL_LETTERS_MIN: usize = 4;

/// Symbols of `A` to `Z`: four letters, more where there are more than 26^4 keys.
pub(super) fn symbol(mut key: u64, key_count: u64) -> String {
    let mut letter_count = SYMBOL_LETTERS_MIN;
    while 26_u64.pow(u32::try_from(letter_count).expect("few letters")) < key_count {
        letter_count += 1;
    }
    let mut letters = vec![b'A'; letter_count];
    for letter in letters.iter_mut().rev() {
        *letter += u8::try_from(key % 26).expect("below 26");
        key /= 26;
    }
    String::from_utf8(letters).expect("ASCII letters")
}

/// Traders `T001` onwards.
pub(super) fn trader(index: u32) -> String {
    format!("T{:03}", index + 1)
}

/// Consonant and vowel: 100 syllables.
const CONSONANTS: &[u8; 20] = b"bcdfghjklmnprstvwyzq";
const VOWELS: &[u8; 5] = b"aeiou";

/// None of these is a syllable followed by another of these, so that no two names coincide.
const ENDINGS: [&str; 16] = [
    "",
    "ville",
    "grad",
    "berg",
    " Springs",
    "köy",
    "n",
    "port",
    "mouth",
    "łódź",
    " upon Avon",
    "r",
    "stadt",
    "ñas",
    "holm",
    "øy",
];

/// A pronounceable place name of 4 to 26 bytes, some of them not ASCII.
pub(super) fn station(key: u64) -> String {
    // Two syllables make 9,900 names that do not begin with the first syllable; a factor without
    // divisors in common with that scatters them.
    const TWO_SYLLABLES: u64 = 9_900;
    const SCATTER: u64 = 7_919;
    let number = if key < TWO_SYLLABLES { key * SCATTER % TWO_SYLLABLES } else { key } + 100;
    let mut digits = Vec::new();
    let mut rest = number;
    while rest > 0 {
        digits.push(usize::try_from(rest % 100).expect("below 100"));
        rest /= 100;
    }
    let mut name = String::new();
    for &digit in digits.iter().rev() {
        let consonant = char::from(CONSONANTS[digit / 5]);
        name.push(if name.is_empty() { consonant.to_ascii_uppercase() } else { consonant });
        name.push(char::from(VOWELS[digit % 5]));
    }
    let ending = usize::try_from(super::random::mix(number) % 16).expect("below 16");
    name.push_str(ENDINGS[ending]);
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn symbols_are_distinct_and_short() {
        assert_eq!(symbol(0, 200), "AAAA");
        assert_eq!(symbol(27, 200), "AABB");
        assert_eq!(symbol(456_975, 456_976), "ZZZZ");
        assert_eq!(symbol(456_976, 456_977), "BAAAA");
        assert_eq!(symbol(99_999_999, 100_000_000).len(), 6);
    }

    #[test]
    fn stations_are_distinct_and_of_the_promised_length() {
        let names: Vec<String> = (0..200_000).map(station).collect();
        assert!(names.iter().all(|name| (3..=26).contains(&name.len())));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names[..413].iter().any(|name| !name.is_ascii()));
        assert!(station(100_000_000).len() <= 26);
    }
}
