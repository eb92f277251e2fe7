//! Options of formats of lines: how an access log was written, and the regular expression of others.

use tidemill_plan::lines::ascii_classes;
use tidemill_plan::{Format, LineOptions, LineSyntax, LogPattern, LogPatternError, Span};

use super::Options;
use super::format::{Direction, timestamp_unit};
use super::times::times;

/// The formats of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Nginx,
    Apache,
    Logfmt,
    Regex,
    Whole,
}

/// Reads the options of a format of lines.
pub(super) fn line_format(options: &mut Options<'_>, lines: Lines) -> Option<Format> {
    let syntax = match lines {
        Lines::Nginx => log_pattern(options, LogPattern::nginx).map(LineSyntax::Nginx),
        Lines::Apache => log_pattern(options, LogPattern::apache).map(LineSyntax::Apache),
        Lines::Logfmt => Some(LineSyntax::Logfmt),
        Lines::Regex => regex(options),
        Lines::Whole => Some(LineSyntax::Lines),
    };
    let multiline_start = match lines {
        Lines::Regex | Lines::Whole => multiline_start(options),
        Lines::Nginx | Lines::Apache | Lines::Logfmt => None,
    };
    let timestamp_unit = timestamp_unit(options).unwrap_or_default();
    let mut times = times(options, Direction::Read, false);
    let syntax = syntax?;
    if let LineSyntax::Nginx(pattern) | LineSyntax::Apache(pattern) = &syntax {
        times.columns.extend(pattern.forms());
    }
    Some(Format::Lines(LineOptions { syntax, multiline_start, timestamp_unit, times }))
}

fn log_pattern(
    options: &mut Options<'_>,
    compile: fn(&str) -> Result<LogPattern, LogPatternError>,
) -> Option<LogPattern> {
    let given = options.text("log_format");
    match compile(given.map_or("combined", |(text, _)| text)) {
        Ok(pattern) => Some(pattern),
        Err(LogPatternError { message, hint }) => {
            let span = given.map_or(options.span, |(_, span)| span);
            options.fail(span, format!("option 'log_format': {message}"), Some(hint));
            None
        }
    }
}

fn regex(options: &mut Options<'_>) -> Option<LineSyntax> {
    const EXAMPLE: &str = r"^(?P<level>\w+) (?P<message>.*)$";
    let (pattern, span) = options.required("regex", EXAMPLE)?;
    let compiled = compiled(options, "regex", pattern, span)?;
    let groups: Vec<String> = compiled.capture_names().flatten().map(str::to_owned).collect();
    if groups.is_empty() {
        let hint = format!("each column is a group with a name: '{EXAMPLE}'");
        options.fail(span, "option 'regex': the pattern has no named group", Some(hint));
        return None;
    }
    Some(LineSyntax::Regex { pattern: pattern.to_owned(), groups })
}

/// Which lines begin a record.
fn multiline_start(options: &mut Options<'_>) -> Option<String> {
    let (pattern, span) = options.text("multiline.start")?;
    compiled(options, "multiline.start", pattern, span)?;
    Some(pattern.to_owned())
}

fn compiled(
    options: &mut Options<'_>,
    option: &str,
    pattern: &str,
    span: Span,
) -> Option<regex::Regex> {
    match regex::Regex::new(&ascii_classes(pattern)) {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            // Its first lines show the pattern once more, with what may have been put in its place.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint = "patterns are those of REGEXP_EXTRACT";
            options.fail(span, format!("option '{option}': {reason}"), Some(hint.to_owned()));
            None
        }
    }
}
