//! Formats of times as strftime spells them: `%d/%b/%Y:%H:%M:%S %z`, compiled once.
//!
//! One set of directives reads ([`TimeFormat::read`]) and writes ([`TimeFormat::write`]). The rules are
//! `DuckDB`'s for `strptime` and `strftime`, which are Python's, and those that `docs/SQL.md` adds. Names are
//! English; times without a zone are UTC. Ours, so that every timestamp formats, also those outside of the
//! years that a calendar library knows, and so that an unknown directive is found before anything runs.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

pub use read::{Misfit, Reason};

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    text: String,
    steps: Vec<Step>,
    /// What the day is made of, of a format that reads.
    day: DayBy,
}

/// One element of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Text without white space.
    Text(String),
    /// White space, which reads any run of white space.
    Space(String),
    /// `is_bare` leaves leading zeros out when it writes (`%-d`).
    Directive { directive: Directive, is_bare: bool },
}

/// What a letter behind `%` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Year,
    YearOfCentury,
    Month,
    MonthName,
    MonthShort,
    Day,
    DayOfYear,
    Hour,
    /// From 1 to 12.
    Hour12,
    /// `AM` or `PM`.
    HalfDay,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    WeekdayName,
    WeekdayShort,
    /// Sunday is 0.
    WeekdayFromSunday,
    /// Monday is 1.
    WeekdayFromMonday,
    /// Days before the first Sunday are in week 0.
    WeekFromSunday,
    /// Days before the first Monday are in week 0.
    WeekFromMonday,
    IsoYear,
    IsoWeek,
    /// Seconds since 1970.
    Epoch,
    Offset,
    Zone,
}

use Directive as D;

/// The letters, and whether `%-` may stand before them.
const DIRECTIVES: [(char, Directive, bool); 27] = [
    ('Y', D::Year, false),
    ('y', D::YearOfCentury, true),
    ('m', D::Month, true),
    ('B', D::MonthName, false),
    ('b', D::MonthShort, false),
    ('h', D::MonthShort, false),
    ('d', D::Day, true),
    ('j', D::DayOfYear, true),
    ('H', D::Hour, true),
    ('I', D::Hour12, true),
    ('p', D::HalfDay, false),
    ('M', D::Minute, true),
    ('S', D::Second, true),
    ('g', D::Millisecond, false),
    ('f', D::Microsecond, false),
    ('n', D::Nanosecond, false),
    ('A', D::WeekdayName, false),
    ('a', D::WeekdayShort, false),
    ('w', D::WeekdayFromSunday, false),
    ('u', D::WeekdayFromMonday, false),
    ('U', D::WeekFromSunday, false),
    ('W', D::WeekFromMonday, false),
    ('G', D::IsoYear, false),
    ('V', D::IsoWeek, false),
    ('s', D::Epoch, false),
    ('z', D::Offset, false),
    ('Z', D::Zone, false),
];

/// Letters that stand for several directives.
const COMBINED: [(char, &str); 5] = [
    ('c', "%Y-%m-%d %H:%M:%S"),
    ('x', "%Y-%m-%d"),
    ('F', "%Y-%m-%d"),
    ('X', "%H:%M:%S"),
    ('T', "%H:%M:%S"),
];

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Which directives give the day. Of several kinds the last one in the format counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayBy {
    Month,
    Year,
    Week,
    IsoWeek,
}

/// Why a format cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormatError {
    /// It ends behind a `%`.
    EndsInDirective,
    /// No such directive; as written.
    UnknownDirective(String),
    /// It has no directive, and would read one text alone.
    NoDirective,
    /// `%V` is a week of the year of `%G`, and the format has no `%G`.
    WeekWithoutYear,
}

impl fmt::Display for TimeFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndsInDirective => f.write_str("a format must not end within a directive"),
            Self::UnknownDirective(directive) => {
                let instead = instead_of(directive);
                write!(f, "unknown format directive {directive}{instead}")
            }
            Self::NoDirective => f.write_str("the format has no directive, such as %Y"),
            Self::WeekWithoutYear => {
                f.write_str("the week %V is one of the year %G, which the format does not have")
            }
        }
    }
}

impl std::error::Error for TimeFormatError {}

/// What a directive of C's or `MySQL`'s is called here.
fn instead_of(directive: &str) -> &'static str {
    match directive {
        "%i" => "; minutes are %M",
        "%e" => "; the day without a zero is %-d",
        "%k" => "; the hour without a zero is %-H",
        "%l" => "; the hour of 12 without a zero is %-I",
        "%r" => "; write %I:%M:%S %p",
        "%R" => "; write %H:%M",
        "%L" => "; milliseconds are %g",
        "%N" => "; nanoseconds are %n",
        "%D" => "; write %m/%d/%y",
        _ => "",
    }
}

impl TimeFormat {
    /// Compiles a format that writes.
    ///
    /// # Errors
    /// [`TimeFormatError`] for a directive that does not exist.
    pub fn to_write(format: &str) -> Result<Self, TimeFormatError> {
        let mut steps = Vec::new();
        compile(format, &mut steps)?;
        let day = day_of(&steps);
        Ok(Self { text: format.to_owned(), steps, day })
    }

    /// Compiles a format that reads.
    ///
    /// # Errors
    /// [`TimeFormatError`] for a directive that does not exist, and a format that says too little.
    pub fn to_read(format: &str) -> Result<Self, TimeFormatError> {
        let format = Self::to_write(format)?;
        let has = |wanted: Directive| format.directives().any(|directive| directive == wanted);
        if format.directives().next().is_none() {
            return Err(TimeFormatError::NoDirective);
        }
        if has(Directive::IsoWeek) && !has(Directive::IsoYear) {
            return Err(TimeFormatError::WeekWithoutYear);
        }
        Ok(format)
    }

    /// The format as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether texts of it are a count of seconds, with whatever stands around it.
    #[must_use]
    pub fn is_count(&self) -> bool {
        self.directives().any(|directive| directive == Directive::Epoch)
    }

    fn directives(&self) -> impl Iterator<Item = Directive> {
        self.steps.iter().filter_map(|step| match step {
            Step::Directive { directive, .. } => Some(*directive),
            Step::Text(_) | Step::Space(_) => None,
        })
    }
}

/// Appends the steps of a format.
fn compile(format: &str, steps: &mut Vec<Step>) -> Result<(), TimeFormatError> {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            push_char(c, steps);
            continue;
        }
        let (is_bare, letter) = match chars.next() {
            Some('-') => (true, chars.next()),
            letter => (false, letter),
        };
        let letter = letter.ok_or(TimeFormatError::EndsInDirective)?;
        let combined = COMBINED.iter().find(|(of, _)| *of == letter && !is_bare);
        let known = DIRECTIVES.iter().find(|(of, _, bare)| *of == letter && (*bare || !is_bare));
        if letter == '%' && !is_bare {
            push_char('%', steps);
        } else if let Some((_, format)) = combined {
            compile(format, steps)?;
        } else if let Some((_, directive, _)) = known {
            steps.push(Step::Directive { directive: *directive, is_bare });
        } else {
            let dash = if is_bare { "-" } else { "" };
            return Err(TimeFormatError::UnknownDirective(format!("%{dash}{letter}")));
        }
    }
    Ok(())
}

/// Appends a character to the last step, if that is of its kind.
fn push_char(c: char, steps: &mut Vec<Step>) {
    let is_space = c.is_ascii_whitespace();
    match steps.last_mut() {
        Some(Step::Space(text)) if is_space => text.push(c),
        Some(Step::Text(text)) if !is_space => text.push(c),
        _ if is_space => steps.push(Step::Space(c.into())),
        _ => steps.push(Step::Text(c.into())),
    }
}

fn day_of(steps: &[Step]) -> DayBy {
    let kinds = steps.iter().rev().filter_map(|step| match step {
        Step::Directive { directive, .. } => match directive {
            D::Month | D::MonthName | D::MonthShort | D::Day => Some(DayBy::Month),
            D::DayOfYear => Some(DayBy::Year),
            D::WeekFromSunday | D::WeekFromMonday => Some(DayBy::Week),
            D::IsoYear | D::IsoWeek => Some(DayBy::IsoWeek),
            _ => None,
        },
        Step::Text(_) | Step::Space(_) => None,
    });
    kinds.into_iter().next().unwrap_or(DayBy::Month)
}
