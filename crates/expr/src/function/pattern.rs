//! Regular expressions, and those of them that are found without the machinery of all.
//!
//! Two kinds are: a run of bytes of one class (`\s+`, `[^0-9]`), and what ends with `.*` or `.*$`, which takes the
//! rest of a text, so that only what stands before it has to be looked for.

use memchr::{memchr, memchr2, memchr3};
use regex::{CaptureLocations, Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{AssertionKind, Ast, RepetitionKind, RepetitionRange};
use regex_syntax::hir::{Class, HirKind};

/// How a pattern is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) is_case_insensitive: bool,
    /// `.` matches a line feed, too.
    pub(super) is_dot_any: bool,
    /// It has to be all of the text.
    pub(super) is_whole: bool,
}

/// A compiled pattern.
pub(super) struct Pattern {
    regex: Regex,
    kind: Kind,
}

enum Kind {
    General,
    Run(Box<Run>),
    /// The pattern without the `.*` or `.*$` at its end.
    Head {
        head: Regex,
        is_dot_any: bool,
    },
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn new(pattern: &str, reading: Reading) -> Result<Self, regex::Error> {
        let Reading { is_case_insensitive, is_dot_any, is_whole } = reading;
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(is_case_insensitive)
                .dot_matches_new_line(is_dot_any)
                .build()
        };
        if is_whole {
            let regex = build(&format!(r"\A(?:{pattern})\z"))?;
            return Ok(Self { regex, kind: Kind::General });
        }
        let regex = build(pattern)?;
        let kind = if let Some(run) = Run::of(pattern, reading) {
            Kind::Run(Box::new(run))
        } else if let Some(head) = head_of(pattern)
            && let Ok(head) = build(head)
            && head.captures_len() == regex.captures_len()
        {
            Kind::Head { head, is_dot_any }
        } else {
            Kind::General
        };
        Ok(Self { regex, kind })
    }

    /// The pattern as such.
    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Groups, the whole match counted.
    pub(super) fn group_count(&self) -> usize {
        self.regex.captures_len()
    }

    /// Room for the groups of a match.
    pub(super) fn groups(&self) -> CaptureLocations {
        self.regex.capture_locations()
    }

    /// What is searched for in this text in place of the pattern: then a match goes on to the end of it.
    #[inline]
    fn head(&self, text: &str) -> Option<&Regex> {
        match &self.kind {
            Kind::Head { head, is_dot_any }
                if *is_dot_any || memchr(b'\n', text.as_bytes()).is_none() =>
            {
                Some(head)
            }
            _ => None,
        }
    }

    /// Whether it occurs.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.kind {
            Kind::Run(run) => run.find(text, 0).is_some(),
            _ => self.head(text).unwrap_or(&self.regex).is_match(text),
        }
    }

    /// Where it occurs first.
    pub(super) fn find(&self, text: &str) -> Option<(usize, usize)> {
        self.find_from(text, 0)
    }

    /// Where it occurs first from a place on.
    pub(super) fn find_from(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        if let Kind::Run(run) = &self.kind {
            return run.find(text, from);
        }
        if let Some(head) = self.head(text) {
            return head.find_at(text, from).map(|found| (found.start(), text.len()));
        }
        self.regex.find_at(text, from).map(|found| (found.start(), found.end()))
    }

    /// Where it and its groups occur first from a place on; the place of the whole match.
    pub(super) fn find_groups(
        &self,
        text: &str,
        from: usize,
        groups: &mut CaptureLocations,
    ) -> Option<(usize, usize)> {
        if let Some(head) = self.head(text) {
            let found = head.captures_read_at(groups, text, from)?;
            return Some((found.start(), text.len()));
        }
        let found = self.regex.captures_read_at(groups, text, from)?;
        Some((found.start(), found.end()))
    }
}

/// Matches in a text that do not overlap, in order. No empty one stands right behind another.
pub(super) struct Matches<'t> {
    text: &'t str,
    from: usize,
    last_end: Option<usize>,
}

impl<'t> Matches<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, from: 0, last_end: None }
    }

    /// The next one; `find` gives the first from a place on.
    pub(super) fn next(
        &mut self,
        mut find: impl FnMut(usize) -> Option<(usize, usize)>,
    ) -> Option<(usize, usize)> {
        loop {
            let (start, end) = find(self.from)?;
            if start < end || self.last_end != Some(end) {
                (self.from, self.last_end) = (end, Some(end));
                return Some((start, end));
            }
            self.from = end + self.text[end..].chars().next()?.len_utf8();
        }
    }
}

/// A run of bytes of a class, or one character of it. All bytes of characters beyond ASCII are of the class, or
/// none.
struct Run {
    is_within: [bool; 256],
    /// Where there are up to three of them.
    few: Vec<u8>,
    /// As many as there are, else one character.
    is_repeated: bool,
}

impl Run {
    fn of(pattern: &str, reading: Reading) -> Option<Self> {
        let hir = ParserBuilder::new()
            .case_insensitive(reading.is_case_insensitive)
            .dot_matches_new_line(reading.is_dot_any)
            .build()
            .parse(pattern)
            .ok()?;
        let (class, is_repeated) = match hir.kind() {
            HirKind::Class(class) => (class, false),
            HirKind::Repetition(repeated)
                if repeated.greedy && repeated.min == 1 && repeated.max.is_none() =>
            {
                match repeated.sub.kind() {
                    HirKind::Class(class) => (class, true),
                    _ => return None,
                }
            }
            _ => return None,
        };
        let Class::Unicode(class) = class else { return None };
        let mut is_within = [false; 256];
        for range in class.ranges() {
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            for byte in start..=end.min(127) {
                is_within[byte as usize] = true;
            }
            if end < 128 {
                continue;
            }
            // Beyond ASCII all are, or none.
            if start > 128 || range.end() != char::MAX {
                return None;
            }
            is_within[128..].fill(true);
        }
        let members = (0..=u8::MAX).filter(|&byte| is_within[usize::from(byte)]);
        let few = members.take(4).collect::<Vec<u8>>();
        let few = if few.len() < 4 { few } else { Vec::new() };
        Some(Self { is_within, few, is_repeated })
    }

    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let rest = &bytes[from..];
        let is_within = |byte: &u8| self.is_within[usize::from(*byte)];
        let start = from
            + match *self.few.as_slice() {
                [a] => memchr(a, rest),
                [a, b] => memchr2(a, b, rest),
                [a, b, c] => memchr3(a, b, c, rest),
                _ => rest.iter().position(is_within),
            }?;
        if !self.is_repeated {
            let len = text[start..].chars().next().map_or(1, char::len_utf8);
            return Some((start, start + len));
        }
        let len = bytes[start..].iter().position(|byte| !is_within(byte));
        Some((start, len.map_or(bytes.len(), |len| start + len)))
    }
}

/// What stands before a `.*` or `.*$` that ends a pattern. Of a text without line feeds (or where `.` matches
/// those) that is all there is to find: whatever way it matches first, the rest takes all that follows.
fn head_of(pattern: &str) -> Option<&str> {
    // Flags within the pattern may change what `.` and `$` mean.
    let mut groups = pattern.match_indices("(?").map(|(at, _)| &pattern[at + 2..]);
    if !groups.all(|group| group.starts_with([':', 'P', '<'])) {
        return None;
    }
    let Ok(Ast::Concat(ref concat)) = Parser::new().parse(pattern) else { return None };
    let parts = match concat.asts.as_slice() {
        [parts @ .., Ast::Assertion(end)]
            if matches!(end.kind, AssertionKind::EndLine | AssertionKind::EndText) =>
        {
            parts
        }
        parts => parts,
    };
    let (Ast::Repetition(last), [_, ..]) = parts.split_last()? else { return None };
    let is_any_number = matches!(
        last.op.kind,
        RepetitionKind::ZeroOrMore | RepetitionKind::Range(RepetitionRange::AtLeast(0))
    );
    let is_rest = is_any_number && last.greedy && matches!(*last.ast, Ast::Dot(_));
    is_rest.then(|| &pattern[..last.span.start.offset])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: [&str; 30] = [
        r"[0-9]+",
        r"[\t\n\f\r ]+",
        r"[^0-9]",
        r"[^a]+",
        r"[/?]",
        r"a",
        r"[a-cß]+",
        r".",
        r".+",
        r"[^\n]+?",
        r"a.*$",
        r"a.*",
        r"^(a|b+)(c?).*$",
        r"(b+?).*",
        r"x*.*$",
        r"(?:ab|a)(.)?.*$",
        r"a{0,}.*\z",
        r"\.*$",
        r"a.{0,}$",
        r"a.*?$",
        r"a.+$",
        r"(?i)A.*$",
        r"(?s)a.*$",
        r"a|b.*$",
        r"(a.*)$",
        r"(?m)a.*$",
        r"\bb.*$",
        r"(?P<x>a)(?<y>b)?.*",
        r"ä.*",
        r"",
    ];
    const TEXTS: [&str; 16] = [
        "",
        "a",
        "abc",
        "xxabbc",
        "a\nb a",
        "\na\n",
        "bb\nab\n",
        "12 34\t5",
        "ä1ö22ü",
        "ABab",
        "//a?b/",
        "ßabcßx",
        "aaa",
        ".a.b",
        "no m",
        "ääa ö",
    ];

    #[test]
    fn what_is_found_is_what_the_machinery_of_all_finds() {
        let readings = [(false, false), (true, false), (false, true)];
        for (is_case_insensitive, is_dot_any) in readings {
            let reading = Reading { is_case_insensitive, is_dot_any, is_whole: false };
            for pattern in PATTERNS {
                let found = Pattern::new(pattern, reading).expect("a pattern");
                let regex = RegexBuilder::new(pattern)
                    .case_insensitive(is_case_insensitive)
                    .dot_matches_new_line(is_dot_any)
                    .build()
                    .expect("a pattern");
                for text in TEXTS {
                    let shown = format!("'{pattern}' in '{text}', {reading:?}");
                    assert_eq!(found.is_match(text), regex.is_match(text), "{shown}");
                    let mut all = Vec::new();
                    let mut matches = Matches::new(text);
                    while let Some((start, end)) = matches.next(|at| found.find_from(text, at)) {
                        all.push(start..end);
                    }
                    let expected: Vec<_> =
                        regex.find_iter(text).map(|found| found.range()).collect();
                    assert_eq!(all, expected, "{shown}");
                    let mut groups = found.groups();
                    let whole = found.find_groups(text, 0, &mut groups);
                    let captures = regex.captures(text);
                    assert_eq!(whole.is_some(), captures.is_some(), "{shown}");
                    let Some(captures) = captures else { continue };
                    assert_eq!(whole, captures.get(0).map(|m| (m.start(), m.end())), "{shown}");
                    for group in 1..found.group_count() {
                        let expected = captures.get(group).map(|m| (m.start(), m.end()));
                        assert_eq!(groups.get(group), expected, "group {group} of {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn patterns_are_told_apart() {
        let kind = |pattern: &str| match Pattern::new(pattern, Reading::default())
            .expect("a pattern")
            .kind
        {
            Kind::General => "general".to_owned(),
            Kind::Run(_) => "run".to_owned(),
            Kind::Head { head, .. } => format!("head {head}"),
        };
        assert_eq!(kind(r"[0-9]+"), "run");
        assert_eq!(kind(r"[^/]"), "run");
        assert_eq!(kind(r"[a-zä]+"), "general");
        assert_eq!(kind(r"[0-9]*"), "general");
        assert_eq!(kind(r"^https?://([^/]+)/.*$"), "head ^https?://([^/]+)/");
        assert_eq!(kind(r"\?.*"), r"head \?");
        assert_eq!(kind(r".*"), "general");
        assert_eq!(kind(r"a|b.*"), "general");
        assert_eq!(kind(r"(?i)a.*"), "general");
        assert_eq!(kind(r"a.*(?-u:\b)"), "general");
    }
}
