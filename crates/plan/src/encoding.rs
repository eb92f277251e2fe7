//! `encoding`: which bytes the characters of a text file are.

/// How text is written in bytes. What reads files gives UTF-8 of it to all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Nobody said: UTF-8, but UTF-16 where a file begins with its byte order mark.
    #[default]
    Unsaid,
    /// UTF-8.
    Utf8,
    /// ISO 8859-1 as it is written down, which has no printed characters from 0x80 to 0x9f.
    Latin1,
    /// UTF-16 in the byte order that its mark says; without one that in which the first characters are
    /// ASCII, else the little-endian one.
    Utf16,
    /// One of [`Encoding::NAMES`], by its place there; [`Encoding::named`] makes it.
    Named(u8),
}

impl Encoding {
    /// Others, by their names in the Encoding Standard (encoding.spec.whatwg.org, 4.2).
    pub const NAMES: &[&str] = &[
        "UTF-16LE",
        "UTF-16BE",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "windows-874",
        "ISO-8859-2",
        "ISO-8859-3",
        "ISO-8859-4",
        "ISO-8859-5",
        "ISO-8859-6",
        "ISO-8859-7",
        "ISO-8859-8",
        "ISO-8859-10",
        "ISO-8859-13",
        "ISO-8859-14",
        "ISO-8859-15",
        "ISO-8859-16",
        "IBM866",
        "KOI8-R",
        "KOI8-U",
        "macintosh",
        "x-mac-cyrillic",
        "GBK",
        "gb18030",
        "Big5",
        "EUC-JP",
        "ISO-2022-JP",
        "Shift_JIS",
        "EUC-KR",
    ];

    /// Names that others use.
    const ALIASES: &[(&str, Self)] = &[
        ("utf8", Self::Utf8),
        ("ascii", Self::Utf8),
        ("usascii", Self::Utf8),
        ("latin1", Self::Latin1),
        ("iso88591", Self::Latin1),
        ("l1", Self::Latin1),
        ("utf16", Self::Utf16),
        ("ucs2", Self::Utf16),
        ("ansi", Self::named("windows-1252")),
        ("latin2", Self::named("ISO-8859-2")),
        ("latin9", Self::named("ISO-8859-15")),
        ("cp866", Self::named("IBM866")),
        ("macroman", Self::named("macintosh")),
        ("gb2312", Self::named("GBK")),
        ("cp936", Self::named("GBK")),
        ("cp932", Self::named("Shift_JIS")),
        ("sjis", Self::named("Shift_JIS")),
        ("ms932", Self::named("Shift_JIS")),
        ("cp949", Self::named("EUC-KR")),
        ("cp950", Self::named("Big5")),
    ];

    /// A byte that no UTF-8 has, in place of bytes that are no text in the encoding: it makes the record
    /// bad that they stand in.
    pub const MALFORMED: u8 = 0xff;
    /// As [`Self::MALFORMED`], in place of a control character from 0x80 to 0x9f in [`Self::Latin1`]: such text is
    /// windows-1252.
    pub const NOT_LATIN1: u8 = 0xfe;

    /// The encoding of a name, in whatever case and however its parts are joined.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let plain = |name: &str| -> String {
            let kept = name.chars().filter(|c| !matches!(c, '-' | '_' | ' ' | ':' | '.'));
            kept.map(|c| c.to_ascii_lowercase()).collect()
        };
        let name = plain(name);
        if let Some((_, encoding)) = Self::ALIASES.iter().find(|(alias, _)| *alias == name) {
            return Some(*encoding);
        }
        // A code page of Windows by its number.
        let name = match name.strip_prefix("cp").filter(|rest| rest.starts_with("125")) {
            Some(number) => format!("windows{number}"),
            None => name,
        };
        let known = Self::NAMES.iter().find(|known| plain(known) == name);
        known.map(|known| Self::named(known))
    }

    /// One of [`Self::NAMES`].
    ///
    /// # Panics
    /// If it is none of them.
    #[must_use]
    pub const fn named(name: &str) -> Self {
        let mut place = 0;
        while !is_equal(Self::NAMES[place as usize], name) {
            place += 1;
        }
        Self::Named(place)
    }

    /// Whether bytes of files are the text's own, so that both have the same offsets, as far as is known
    /// before a file is looked at.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        matches!(self, Self::Unsaid | Self::Utf8)
    }
}

/// `==` of texts, which is not to be had where constants are made.
const fn is_equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_as_people_write_them() {
        for (name, encoding) in [
            ("UTF-8", Encoding::Utf8),
            ("latin-1", Encoding::Latin1),
            ("ISO_8859-1", Encoding::Latin1),
            ("utf16", Encoding::Utf16),
            ("utf-16-le", Encoding::named("UTF-16LE")),
            ("CP1252", Encoding::named("windows-1252")),
            ("Windows-1251", Encoding::named("windows-1251")),
            ("iso-8859-15", Encoding::named("ISO-8859-15")),
            ("shift-jis", Encoding::named("Shift_JIS")),
            ("gb18030", Encoding::named("gb18030")),
        ] {
            assert_eq!(Encoding::of(name), Some(encoding), "{name}");
        }
        for name in ["", "utf-32", "ebcdic", "cp1259"] {
            assert_eq!(Encoding::of(name), None, "{name}");
        }
        for name in Encoding::NAMES {
            assert_eq!(Encoding::of(name), Some(Encoding::named(name)));
        }
    }
}
