//! The commands that begin with a point.

use super::words::COMMANDS;

/// What a line that begins with a point asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Explain(Option<String>),
    Help,
    MaxRows(Option<u64>),
    Mode(Option<Mode>),
    Quit,
    Read(String),
    Schema(String),
    Settings,
    Tables,
    Timing(Option<bool>),
}

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Table,
    Vertical,
    Csv,
    Json,
}

impl Mode {
    const NAMES: [(&'static str, Self); 4] = [
        ("table", Self::Table),
        ("vertical", Self::Vertical),
        ("csv", Self::Csv),
        ("json", Self::Json),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        let needed = |what: &str| match argument {
            "" => Err(format!("{name} needs {what}")),
            argument => Ok(unquoted(argument)),
        };
        let optional = (!argument.is_empty()).then_some(argument);
        let command = match name {
            ".explain" => Self::Explain(optional.map(str::to_owned)),
            ".help" => Self::Help,
            ".maxrows" => Self::MaxRows(optional.map(rows).transpose()?),
            ".mode" => Self::Mode(optional.map(mode).transpose()?),
            ".quit" | ".exit" => Self::Quit,
            ".read" => return needed("a file").map(Self::Read),
            ".schema" => return needed("a source, a sink or a file").map(Self::Schema),
            ".settings" => Self::Settings,
            ".tables" => Self::Tables,
            ".timing" => Self::Timing(optional.map(switch).transpose()?),
            _ => {
                let names: Vec<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
                return Err(format!("no command is called {name}; there are {}", names.join(", ")));
            }
        };
        let takes_none = matches!(command, Self::Help | Self::Quit | Self::Settings | Self::Tables);
        match optional {
            Some(argument) if takes_none => Err(format!("{name} takes nothing, not {argument}")),
            _ => Ok(command),
        }
    }
}

/// A path or name without the quotes that it stands in.
fn unquoted(argument: &str) -> String {
    let within = argument.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    within.map_or_else(|| argument.to_owned(), |within| within.replace("''", "'"))
}

fn rows(text: &str) -> Result<u64, String> {
    let rows = text.parse().ok().filter(|&rows: &u64| rows > 0);
    rows.ok_or_else(|| format!(".maxrows takes a number of at least 1, not {text}"))
}

fn mode(text: &str) -> Result<Mode, String> {
    let found = Mode::NAMES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode);
    found.ok_or_else(|| format!(".mode takes table, vertical, csv or json, not {text}"))
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!(".timing takes on or off, not {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_arguments() {
        let parsed = |line: &str| Command::parse(line);
        assert_eq!(parsed(" .quit ; "), Ok(Command::Quit));
        assert_eq!(parsed(".mode json"), Ok(Command::Mode(Some(Mode::Json))));
        assert_eq!(parsed(".mode"), Ok(Command::Mode(None)));
        assert_eq!(parsed(".read 'it''s here.sql'"), Ok(Command::Read("it's here.sql".to_owned())));
        assert_eq!(parsed(".schema trades;"), Ok(Command::Schema("trades".to_owned())));
        assert_eq!(parsed(".explain SELECT 1;"), Ok(Command::Explain(Some("SELECT 1".to_owned()))));
        assert_eq!(parsed(".maxrows 7"), Ok(Command::MaxRows(Some(7))));
        assert_eq!(parsed(".timing off"), Ok(Command::Timing(Some(false))));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (line, part) in [
            (".mode box", "table, vertical, csv or json, not box"),
            (".maxrows 0", "at least 1"),
            (".read", "needs a file"),
            (".tables x", "takes nothing, not x"),
            (".select", "there are .explain, .help"),
            (".", "no command is called ."),
        ] {
            let error = Command::parse(line).expect_err(line);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_known() {
        for (name, arguments, _) in COMMANDS {
            let line = if arguments.is_empty() || arguments.starts_with('[') {
                (*name).to_owned()
            } else {
                format!("{name} x")
            };
            assert!(Command::parse(&line).is_ok(), "{line}");
        }
    }
}
