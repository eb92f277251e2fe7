//! Patterns of times as Java, Flink, Oracle and PostgreSQL write them, to directives.

/// What letters of a pattern mean, longest first.
const LETTERS: [(&str, &str); 33] = [
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("yyyy", "%Y"),
    ("YYYY", "%Y"),
    ("uuuu", "%Y"),
    ("MMMM", "%B"),
    ("Month", "%B"),
    ("EEEE", "%A"),
    ("SSSSSSSSS", "%n"),
    ("SSSSSS", "%f"),
    ("SSS", "%g"),
    ("MMM", "%b"),
    ("MON", "%b"),
    ("Mon", "%b"),
    ("EEE", "%a"),
    ("DDD", "%j"),
    ("yy", "%y"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("MI", "%M"),
    ("dd", "%d"),
    ("DD", "%d"),
    ("HH", "%H"),
    ("hh", "%I"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("SS", "%S"),
    ("a", "%p"),
    ("M", "%-m"),
    ("d", "%-d"),
    ("H", "%-H"),
    ("m", "%-M"),
    ("s", "%-S"),
];

/// The format that a pattern of letters most likely means; `None` where a letter means nothing here.
pub(crate) fn directives_of(pattern: &str) -> Option<String> {
    let mut format = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if c == '\'' {
            let quoted = rest[1..].split('\'').next().unwrap_or_default();
            format.push_str(quoted);
            rest = rest[1 + quoted.len()..].strip_prefix('\'').unwrap_or_default();
        } else if let Some((letters, directive)) = LETTERS
            .iter()
            .filter(|(letters, _)| rest.starts_with(letters))
            .max_by_key(|l| l.0.len())
        {
            format.push_str(directive);
            rest = &rest[letters.len()..];
        } else if c.is_alphabetic() {
            return None;
        } else {
            format.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    format.contains('%').then_some(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: Option<&str>) {
        assert_eq!(directives_of(pattern).as_deref(), expected, "{pattern}");
    }

    #[test]
    fn patterns_of_others() {
        check("yyyy-MM-dd HH:mm:ss.SSS", Some("%Y-%m-%d %H:%M:%S.%g"));
        check("yyyy-MM-dd'T'HH:mm", Some("%Y-%m-%dT%H:%M"));
        check("YYYY-MM-DD HH24:MI:SS", Some("%Y-%m-%d %H:%M:%S"));
        check("d MMM yy, hh:mm a", Some("%-d %b %y, %I:%M %p"));
        check("day", None);
        check("", None);
        check("--", None);
    }
}
