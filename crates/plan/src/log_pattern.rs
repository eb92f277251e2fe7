//! What an access log's lines look like, by the `log_format` of nginx or the `LogFormat` of Apache that wrote
//! them: fields, and the text between them.
//!
//! A field ends where the text behind it first stands, so that two fields need some text between them.
//! Sources: nginx, `ngx_http_log_module` and the alphabetical index of variables; Apache, `mod_log_config`.

use tidemill_record::{DataType, TimeFormat};

use crate::{TimeForm, TimestampUnit};

/// Text and fields by turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPattern {
    /// What stands before the first field.
    pub head: String,
    /// At least one.
    pub fields: Vec<LogField>,
}

/// A field of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogField {
    /// The column that it is; `None` of one that is passed over, because one before is the same.
    pub name: Option<String>,
    /// What its values are.
    pub data_type: DataType,
    /// How its times are written, where that is not the usual form.
    pub form: Option<TimeForm>,
    /// The text behind it: empty for the last field alone, which then goes to the end of the line.
    pub behind: String,
}

/// Why a pattern says nothing, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPatternError {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: String,
}

/// nginx's `combined`.
const NGINX_COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                              \"$http_referer\" \"$http_user_agent\"";
const APACHE_COMMON: &str = "%h %l %u %t \"%r\" %>s %b";

/// Variables of nginx that are no text.
const NGINX_TYPES: &[(&str, DataType)] = &[
    ("status", DataType::BigInt),
    ("body_bytes_sent", DataType::BigInt),
    ("bytes_sent", DataType::BigInt),
    ("request_length", DataType::BigInt),
    ("content_length", DataType::BigInt),
    ("connection", DataType::BigInt),
    ("connection_requests", DataType::BigInt),
    ("remote_port", DataType::BigInt),
    ("server_port", DataType::BigInt),
    ("pid", DataType::BigInt),
    ("request_time", DataType::Double),
    ("connection_time", DataType::Double),
    ("gzip_ratio", DataType::Double),
    ("time_local", DataType::Timestamp),
    ("time_iso8601", DataType::Timestamp),
    ("msec", DataType::Timestamp),
];

impl LogPattern {
    /// `combined` of nginx.
    ///
    /// # Panics
    /// Never: the text is one.
    #[must_use]
    pub fn nginx_combined() -> Self {
        Self::nginx(NGINX_COMBINED).expect("a log_format")
    }

    /// Of a `log_format` of nginx: the text of it, or `combined`.
    ///
    /// # Errors
    /// [`LogPatternError`]
    pub fn nginx(text: &str) -> Result<Self, LogPatternError> {
        let text = if text == "combined" { NGINX_COMBINED } else { text };
        let mut parts = Parts::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            parts.text(&rest[..at]);
            rest = &rest[at + 1..];
            let (name, behind) = match rest.strip_prefix('{') {
                Some(inside) => inside.split_once('}').unwrap_or(("", rest)),
                None => {
                    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()))
                }
            };
            if name.is_empty() {
                return Err(LogPatternError {
                    message: "a $ without the name of a variable behind it".to_owned(),
                    hint: "variables are $remote_addr, ${status} and the like".to_owned(),
                });
            }
            rest = behind;
            let known = NGINX_TYPES.iter().find(|(known, _)| *known == name);
            let data_type = known.map_or(DataType::Varchar, |(_, data_type)| data_type.clone());
            let form = (name == "msec").then_some(TimeForm::Count(TimestampUnit::Seconds));
            parts.field(name.to_ascii_lowercase(), data_type, form)?;
        }
        parts.text(rest);
        parts.finish("give the text of log_format between its quotes: '$remote_addr - $remote_user [$time_local] …'")
    }

    /// Of a `LogFormat` of Apache: the text of it, `common`, `combined` or `vhost_combined`.
    ///
    /// # Errors
    /// [`LogPatternError`]
    pub fn apache(text: &str) -> Result<Self, LogPatternError> {
        let combined = format!("{APACHE_COMMON} \"%{{Referer}}i\" \"%{{User-Agent}}i\"");
        let unescaped = match text {
            "common" => APACHE_COMMON.to_owned(),
            "combined" => combined,
            "vhost_combined" => format!("%v:%p {combined}"),
            // As it stands in the configuration, in quotes.
            text => text.replace("\\\"", "\"").replace("\\t", "\t"),
        };
        let mut parts = Parts::default();
        let mut rest = unescaped.as_str();
        while let Some(at) = rest.find('%') {
            parts.text(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix('%') {
                parts.text("%");
                rest = behind;
                continue;
            }
            let (directive, behind) = Directive::of(rest)?;
            rest = behind;
            directive.add_to(&mut parts)?;
        }
        parts.text(rest);
        parts.finish("give the text of LogFormat between its quotes: '%h %l %u %t \"%r\" %>s %b'")
    }

    /// How its times are written, by their columns.
    pub fn forms(&self) -> impl Iterator<Item = (String, TimeForm)> {
        let form = |field: &LogField| Some((field.name.clone()?, field.form.clone()?));
        self.fields.iter().filter_map(form)
    }
}

/// A `%` of Apache and what belongs to it.
struct Directive<'a> {
    /// What stands in braces; empty where nothing does.
    argument: &'a str,
    letter: char,
}

impl<'a> Directive<'a> {
    /// What stands behind a `%`, and the rest.
    fn of(text: &'a str) -> Result<(Self, &'a str), LogPatternError> {
        // Conditions on the status, and of which request it is.
        let is_modifier = |c: char| c.is_ascii_digit() || "!,<>".contains(c);
        let rest = text.trim_start_matches(is_modifier);
        let (argument, rest) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').unwrap_or(("", "")),
            None => ("", rest),
        };
        let rest = rest.trim_start_matches(is_modifier);
        let mut chars = rest.chars();
        match chars.next() {
            Some(letter) if letter.is_ascii_alphabetic() => {
                Ok((Self { argument, letter }, chars.as_str()))
            }
            _ => Err(unknown(&format!("%{}", text.chars().take(8).collect::<String>()))),
        }
    }

    fn add_to(&self, parts: &mut Parts) -> Result<(), LogPatternError> {
        let argument = self.argument;
        let text = |name: &str| (name.to_owned(), DataType::Varchar);
        let count = |name: &str| (name.to_owned(), DataType::BigInt);
        let named = |prefix: &str| (format!("{prefix}{}", identifier(argument)), DataType::Varchar);
        let (name, data_type) = match self.letter {
            't' => return self.add_time_to(parts),
            'a' => text("remote_addr"),
            'A' => text("server_addr"),
            'b' | 'B' => count("body_bytes_sent"),
            'C' => named("cookie_"),
            'D' => count("request_time_us"),
            'e' => named("env_"),
            'f' => text("filename"),
            'h' => text("remote_host"),
            'H' => text("server_protocol"),
            'i' => named("http_"),
            'I' => count("request_length"),
            'k' => count("connection_requests"),
            'l' => text("remote_logname"),
            'L' => text("request_id"),
            'm' => text("request_method"),
            'n' => named("note_"),
            'o' => named("sent_http_"),
            'O' => count("bytes_sent"),
            'p' => count("server_port"),
            'P' => count("pid"),
            'q' => text("query_string"),
            'r' => text("request"),
            'R' => text("handler"),
            's' => count("status"),
            'S' => count("bytes_transferred"),
            'T' if argument.is_empty() || argument == "s" => count("request_time_s"),
            'T' => (format!("request_time_{}", identifier(argument)), DataType::BigInt),
            'u' => text("remote_user"),
            'U' => text("uri"),
            'v' | 'V' => text("server_name"),
            'X' => text("connection_status"),
            letter => return Err(unknown(&format!("%{letter}"))),
        };
        parts.field(name, data_type, None)
    }

    /// `%t` stands in brackets; `%{…}t` is as strftime, or a count.
    fn add_time_to(&self, parts: &mut Parts) -> Result<(), LogPatternError> {
        const NAME: &str = "time_local";
        let argument = self.argument.strip_prefix("begin:").unwrap_or(self.argument);
        let argument = argument.strip_prefix("end:").unwrap_or(argument);
        let form = match argument {
            "" => {
                parts.text("[");
                parts.field(NAME.to_owned(), DataType::Timestamp, None)?;
                parts.text("]");
                return Ok(());
            }
            "sec" => TimeForm::Count(TimestampUnit::Seconds),
            "msec" => TimeForm::Count(TimestampUnit::Milliseconds),
            "usec" => TimeForm::Count(TimestampUnit::Microseconds),
            "msec_frac" | "usec_frac" => {
                return parts.field(format!("time_{argument}"), DataType::BigInt, None);
            }
            format => TimeForm::Format(TimeFormat::to_read(format).map_err(|error| {
                LogPatternError {
                    message: format!("%{{{format}}}t: {error}"),
                    hint: "what %{…}t can hold here are the directives of STRPTIME, sec, msec and usec"
                        .to_owned(),
                }
            })?),
        };
        parts.field(NAME.to_owned(), DataType::Timestamp, Some(form))
    }
}

fn unknown(directive: &str) -> LogPatternError {
    LogPatternError {
        message: format!("no directive of LogFormat is {directive}"),
        hint: "directives are %h %l %u %t %r %>s %b %{Referer}i and the like; %% is a percent sign"
            .to_owned(),
    }
}

/// The name of a header as that of a column.
fn identifier(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(letter).collect()
}

/// A pattern that is being put together.
#[derive(Default)]
struct Parts {
    head: String,
    fields: Vec<LogField>,
}

impl Parts {
    fn text(&mut self, text: &str) {
        match self.fields.last_mut() {
            Some(field) => field.behind.push_str(text),
            None => self.head.push_str(text),
        }
    }

    fn field(
        &mut self,
        name: String,
        data_type: DataType,
        form: Option<TimeForm>,
    ) -> Result<(), LogPatternError> {
        if let Some(before) = self.fields.last().filter(|before| before.behind.is_empty()) {
            let before = before.name.as_deref().unwrap_or("the field before");
            return Err(LogPatternError {
                message: format!(
                    "nothing stands between {before} and {name}, so that no one can tell where one ends"
                ),
                hint: "read such lines by 'format' = 'regex'".to_owned(),
            });
        }
        let is_new = self.fields.iter().all(|field| field.name.as_ref() != Some(&name));
        let name = is_new.then_some(name);
        self.fields.push(LogField { name, data_type, form, behind: String::new() });
        Ok(())
    }

    fn finish(self, hint: &str) -> Result<LogPattern, LogPatternError> {
        let Self { head, fields } = self;
        if fields.is_empty() || head.starts_with("log_format ") || head.starts_with("LogFormat ") {
            let message =
                if fields.is_empty() { "it has no field" } else { "it is more than the format" };
            return Err(LogPatternError { message: message.to_owned(), hint: hint.to_owned() });
        }
        Ok(LogPattern { head, fields })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shown(pattern: Result<LogPattern, LogPatternError>) -> String {
        let LogPattern { head, fields } = match pattern {
            Ok(pattern) => pattern,
            Err(error) => return error.message,
        };
        let fields = fields.iter().map(|field| {
            let name = field.name.as_deref().unwrap_or("-");
            format!("<{name} {}>{}", field.data_type, field.behind)
        });
        head + &fields.collect::<String>()
    }

    #[test]
    fn formats_of_nginx() {
        let combined = "<remote_addr VARCHAR> - <remote_user VARCHAR> [<time_local TIMESTAMP>] \"<request VARCHAR>\" \
            <status BIGINT> <body_bytes_sent BIGINT> \"<http_referer VARCHAR>\" \"<http_user_agent VARCHAR>\"";
        assert_eq!(shown(LogPattern::nginx("combined")), combined);
        assert_eq!(
            shown(LogPattern::nginx("t=${msec}s $request_time;$status $status")),
            "t=<msec TIMESTAMP>s <request_time DOUBLE>;<status BIGINT> <- BIGINT>"
        );
        for (text, message) in [
            ("$a$b", "nothing stands between a and b, so that no one can tell where one ends"),
            ("$ x", "a $ without the name of a variable behind it"),
            ("${x", "a $ without the name of a variable behind it"),
            ("x", "it has no field"),
            ("", "it has no field"),
            ("log_format main '$remote_addr'", "it is more than the format"),
        ] {
            assert_eq!(shown(LogPattern::nginx(text)), message, "{text}");
        }
    }

    #[test]
    fn formats_of_apache() {
        let common = "<remote_host VARCHAR> <remote_logname VARCHAR> <remote_user VARCHAR> [<time_local TIMESTAMP>] \
            \"<request VARCHAR>\" <status BIGINT> <body_bytes_sent BIGINT>";
        assert_eq!(shown(LogPattern::apache("common")), common);
        let combined = format!("{common} \"<http_referer VARCHAR>\" \"<http_user_agent VARCHAR>\"");
        assert_eq!(shown(LogPattern::apache("combined")), combined);
        let pasted = r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-agent}i\""#;
        assert_eq!(shown(LogPattern::apache(pasted)), combined);
        assert_eq!(
            shown(LogPattern::apache("%{%Y-%m-%d}t %!200,304{X-Id}i %D %{ms}T%%")),
            "<time_local TIMESTAMP> <http_x_id VARCHAR> <request_time_us BIGINT> <request_time_ms BIGINT>%"
        );
        for (text, message) in [
            (
                "%h%u",
                "nothing stands between remote_host and remote_user, so that no one can tell where one ends",
            ),
            ("%Z", "no directive of LogFormat is %Z"),
            ("%", "no directive of LogFormat is %"),
            ("%{x", "no directive of LogFormat is %{x"),
            ("%{%Q}t", "%{%Q}t: unknown format directive %Q"),
        ] {
            assert_eq!(shown(LogPattern::apache(text)), message, "{text}");
        }
    }
}
