//! The `WITH (…)` clause and `SET`: text to the typed options of `plan`, each value checked at
//! its place.

mod connector;
mod csv;
mod file_sink;
mod format;
mod lines;
mod packing;
mod settings;
mod times;

pub(crate) use connector::{EVENT_TIME, PARTITION_AUDIT, REGISTERED_NAME, Source, sink, source};
pub(crate) use format::{Direction, format_by_name_ending};
pub(crate) use settings::set;
pub(crate) use times::{WrongForm, time_form};

use std::cell::Cell;

use tidemill_plan::Span;

use crate::report::{Bind, Report};
use crate::suggest::{did_you_mean, nearest};
use crate::syntax::OptionEntry;

/// The path on this host that a path or a `file:` address names; else what to do about another place.
pub(crate) fn local_path(path: &str) -> Result<&str, String> {
    let Some((scheme, rest)) = path.split_once(':') else { return Ok(path) };
    let is_scheme = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric());
    match scheme.to_ascii_lowercase().as_str() {
        "file" => Ok(match rest.strip_prefix("//") {
            // `file://host/path`: an empty host is this one.
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => rest,
        }),
        _ if is_scheme && rest.starts_with("//") => Err(format!(
            "files are read on this host: copy them first, or pipe them in and read '/dev/stdin' ({scheme} is not spoken)"
        )),
        _ => Ok(path),
    }
}

/// Options of later features: refused by name instead of as unknown.
const LATER: &[&str] = &["topic", "key.fields", "delivery"];

/// The options of one clause; every one must be asked for.
pub(crate) struct Options<'a> {
    entries: Vec<(&'a OptionEntry, Cell<bool>)>,
    /// The statement, for what is missing.
    span: Span,
    /// Names that were asked for: what is allowed.
    known: Vec<&'static str>,
    pub(crate) report: &'a mut Report,
    pub(crate) has_failed: bool,
}

impl<'a> Options<'a> {
    pub(crate) fn new(entries: &'a [OptionEntry], span: Span, report: &'a mut Report) -> Self {
        let mut options = Self {
            entries: Vec::with_capacity(entries.len()),
            span,
            known: Vec::new(),
            report,
            has_failed: false,
        };
        for entry in entries {
            let is_same = |other: &&OptionEntry| other.key.text == entry.key.text;
            let mut earlier = options.entries.iter().map(|(other, _)| *other);
            if let Some(other) = earlier.find(is_same) {
                let (first, second) = (other.key.written(), entry.key.written());
                let message = match first.eq_ignore_ascii_case(second) {
                    true => format!("option '{second}' is given twice"),
                    false => format!("options '{first}' and '{second}' mean the same"),
                };
                options.fail(entry.key.span, message, None);
                continue;
            }
            options.entries.push((entry, Cell::new(false)));
        }
        options
    }

    pub(crate) fn fail(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.report.add(span, message, hint);
        self.has_failed = true;
    }

    /// An option's text and place.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<(&'a str, Span)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (entry, is_used) = self.entries.iter().find(|(entry, _)| entry.key.text == key)?;
        is_used.set(true);
        Some((entry.value.text.as_str(), entry.value.span))
    }

    /// An option as the script calls it, which is as the syntax does that it is written in.
    pub(crate) fn shown(&self, key: &str) -> String {
        let entry = self.entries.iter().find(|(entry, _)| entry.key.text == key);
        entry.map_or(key, |(entry, _)| entry.key.written()).to_owned()
    }

    /// An option that must be there.
    pub(crate) fn required(&mut self, key: &'static str, example: &str) -> Option<(&'a str, Span)> {
        let found = self.text(key);
        let is_misspelt =
            || self.entries.iter().any(|(entry, _)| nearest(&entry.key.text, [key]).is_some());
        match found {
            Some(_) => {}
            // What it is written as is unknown, which says enough.
            None if is_misspelt() => self.has_failed = true,
            None => {
                let hint = format!("add '{key}' = '{example}'");
                self.fail(self.span, format!("option '{key}' is missing"), Some(hint));
            }
        }
        found
    }

    /// An option read by `parse`; `allowed` says what it takes.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, span) = self.text(key)?;
        let value = parse(text.trim());
        if value.is_none() {
            let message = format!("option '{}' cannot be '{text}'", self.shown(key));
            self.fail(span, message, Some(format!("it takes {allowed}")));
        }
        value
    }

    /// An option that is one of a few words.
    pub(crate) fn one_of<T: Copy>(&mut self, key: &'static str, values: &[(&str, T)]) -> Option<T> {
        let allowed: Vec<String> = values.iter().map(|(name, _)| format!("'{name}'")).collect();
        self.parsed(key, &allowed.join(", "), |text| {
            values.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|entry| entry.1)
        })
    }

    /// Refuses every option that was not asked for.
    pub(crate) fn finish(mut self) -> Bind<()> {
        let unused: Vec<&OptionEntry> = self
            .entries
            .iter()
            .filter(|(_, is_used)| !is_used.get())
            .map(|(entry, _)| *entry)
            .collect();
        for entry in unused {
            let key = entry.key.text.as_str();
            if LATER.contains(&key) || key.starts_with("properties.") {
                self.fail(entry.key.span, format!("not supported yet: option '{key}'"), None);
            } else {
                let hint = did_you_mean(key, self.known.iter().copied())
                    .unwrap_or_else(|| format!("options here are {}", self.known.join(", ")));
                self.fail(entry.key.span, format!("unknown option '{key}'"), Some(hint));
            }
        }
        if self.has_failed { Err(crate::report::Reported) } else { Ok(()) }
    }
}
