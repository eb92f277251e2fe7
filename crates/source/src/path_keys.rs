//! What the directories of a path say of its records, as Hive lays them out: `year=2024/month=05/`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What stands for NULL, as Hive and Spark write it.
const NULL_MARK: &str = "__HIVE_DEFAULT_PARTITION__";

/// Keys and values of the directories of a path that are named `key=value`, in their order; of equal keys
/// the first. A value is `None` for NULL; `%20` and the like in it are undone. What is not UTF-8 is no key,
/// and neither is a name with two `=`.
#[must_use]
pub fn path_keys(path: &Path) -> Vec<(String, Option<String>)> {
    let mut keys: Vec<(String, Option<String>)> = Vec::new();
    let directories = path.parent().into_iter().flat_map(Path::components);
    for directory in directories {
        let Component::Normal(name) = directory else { continue };
        let Ok(name) = str::from_utf8(name.as_bytes()) else { continue };
        let Some((key, value)) = name.split_once('=') else { continue };
        if key.is_empty() || value.contains('=') || keys.iter().any(|(known, _)| known == key) {
            continue;
        }
        let value = if value == NULL_MARK { Some(None) } else { decoded(value).map(Some) };
        if let Some(value) = value {
            keys.push((key.to_owned(), value));
        }
    }
    keys
}

/// A text without its percent escapes; `None` where these are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        (rest, _) = match escaped {
            Some((high, low)) => (&rest[3..], bytes.push(high << 4 | low)),
            None => (behind, bytes.push(*first)),
        };
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &[(&str, Option<&str>)]) {
        let expected: Vec<(String, Option<String>)> = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
            .collect();
        assert_eq!(path_keys(Path::new(path)), expected, "{path}");
    }

    #[test]
    fn directories_are_keys_as_duckdb_reads_them() {
        check("d/year=2024/month=05/a.csv", &[("year", Some("2024")), ("month", Some("05"))]);
        check("/a=1/../b=/c=3.csv", &[("a", Some("1")), ("b", Some(""))]);
        check("p=a%20b%2Fc/q=%zz%4/x", &[("p", Some("a b/c")), ("q", Some("%zz%4"))]);
        check("p=__HIVE_DEFAULT_PARTITION__/x", &[("p", None)]);
        check("p=x=y/=1/z/x", &[]);
        check("p=1/P=2/p=3/x", &[("p", Some("1")), ("P", Some("2"))]);
        check("p=%ff/x", &[]);
    }
}
