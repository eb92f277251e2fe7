//! Which text of a rotated log comes after which.
//!
//! Names say it: a date grows, and a number grows with age or falls with it, which is the same along a chain. Which
//! of the two it is follows from texts whose order is known otherwise: they have been read, or were created one after the
//! other. Times do not say it alone. A compressed file was created when it was compressed, and not every program gives it the time
//! of the last write to what it holds. Where neither tells, nothing is guessed. Absent on purpose: files.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What rotation has added to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    /// Grows with time; empty if the name has no date.
    date: Vec<u64>,
    /// Counts on from one text to the next, or back.
    numbers: Vec<u64>,
}

/// What is known of when a file's text was current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It has been read, or is being read; a larger one is younger.
    Read(usize),
    /// Younger than all that have been read.
    Younger,
    /// Older than the last that has been read.
    Older,
    /// Its name has to tell.
    Unsure,
}

/// A file beside a path.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) path: PathBuf,
    pub(super) generation: Option<Generation>,
    pub(super) age: Age,
    /// When its text was begun, nanoseconds since the epoch; `None` of a compressed one.
    pub(super) begun_ns: Option<i64>,
    /// The last write to its text, from the earliest time that it may have been at to the latest; `None` where compressing did
    /// not keep it.
    pub(super) written_ns: Option<(i64, i64)>,
}

/// How numbers go on from an older text to a younger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
}

impl Generation {
    /// Of a name without the ending that compression gives: `app.log.1`, `app.log-20240501`, `app.1.log`,
    /// `app-20240501.log`. `None` of any other.
    pub(super) fn of(path: &Path, name: &[u8]) -> Option<Self> {
        let text = generation_text(path, name)?;
        let parts = text.split(|byte| !byte.is_ascii_digit()).filter(|part| !part.is_empty());
        let parts: Vec<&str> =
            parts.map(std::str::from_utf8).collect::<Result<_, _>>().unwrap_or_default();
        let date_parts = date_parts(&parts);
        let number = |part: &&str| part.parse().unwrap_or(u64::MAX);
        let (date, numbers) = parts.split_at(date_parts);
        Some(Self {
            date: date.iter().map(number).collect(),
            numbers: numbers.iter().map(number).collect(),
        })
    }

    /// How numbers go on from this one, which is older. `None` if that has nothing to do with them; an error if a younger
    /// one cannot have this name.
    fn direction(&self, younger: &Self) -> Result<Option<Direction>, ()> {
        if self.date.len() != younger.date.len() || self.numbers.len() != younger.numbers.len() {
            return Ok(None);
        }
        match (self.date.cmp(&younger.date), self.numbers.cmp(&younger.numbers)) {
            (Ordering::Greater, _) => Err(()),
            (Ordering::Less, _) | (_, Ordering::Equal) => Ok(None),
            (Ordering::Equal, Ordering::Greater) => Ok(Some(Direction::Down)),
            (Ordering::Equal, Ordering::Less) => Ok(Some(Direction::Up)),
        }
    }

    /// The older one is less; `None` where the names do not say it.
    fn compare(&self, other: &Self, direction: Option<Direction>) -> Option<Ordering> {
        if self.date.len() != other.date.len() {
            return None;
        }
        if self.date != other.date {
            return Some(self.date.cmp(&other.date));
        }
        if self.numbers.len() != other.numbers.len() || self.numbers == other.numbers {
            return None;
        }
        match direction? {
            Direction::Up => Some(self.numbers.cmp(&other.numbers)),
            Direction::Down => Some(other.numbers.cmp(&self.numbers)),
        }
    }
}

/// How many of the numbers of a name are its date, most significant first; 0 if there is none.
fn date_parts(parts: &[&str]) -> usize {
    let within = |text: &str, from: u32, to: u32| {
        text.parse::<u32>().is_ok_and(|number| (from..=to).contains(&number))
    };
    let is_day = |year: &str, month: &str, day: &str| {
        within(year, 1970, 2199) && within(month, 1, 12) && within(day, 1, 31)
    };
    match parts {
        // Seconds or more since the epoch have as many digits until 2286.
        [one, ..] if one.len() >= 10 && one.as_bytes()[0] == b'1' => 1,
        [one, ..] if one.len() >= 8 && is_day(&one[..4], &one[4..6], &one[6..8]) => 1,
        [year, month, day, ..] if year.len() == 4 && is_day(year, month, day) => 3,
        _ => 0,
    }
}

/// What rotation has added to the name of this path, if this name is one that it gives.
fn generation_text<'a>(path: &Path, name: &'a [u8]) -> Option<&'a [u8]> {
    let base = path.file_name().unwrap_or_default().as_bytes();
    let is_number = |text: &[u8]| {
        matches!(text, [b'.' | b'-' | b'_', rest @ ..]
            if rest.first().is_some_and(u8::is_ascii_digit)
                && rest.iter().all(|b| b.is_ascii_digit() || b"-_.:T".contains(b)))
    };
    if let Some(text) = name.strip_prefix(base).filter(|text| is_number(text)) {
        return Some(text);
    }
    let dot = base.iter().rposition(|&byte| byte == b'.')?;
    let (stem, ending) = base.split_at(dot);
    let between = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending));
    between.filter(|text| !stem.is_empty() && is_number(text))
}

/// Whether a rotated file of this path may have this name, which is without the ending that compression gives.
pub(super) fn is_generation(path: &Path, name: &[u8]) -> bool {
    generation_text(path, name).is_some()
}

/// Which of these are younger than what has been read, by their places, oldest first.
///
/// # Errors
/// Why that cannot be known.
pub(super) fn arrange(members: &[Member]) -> Result<Vec<usize>, String> {
    let is_asked = |it: &Member| matches!(it.age, Age::Younger | Age::Unsure);
    if !members.iter().any(is_asked) {
        return Ok(Vec::new());
    }
    let direction = direction(members)?;
    let mut found = Vec::new();
    for (at, member) in members.iter().enumerate() {
        let is_younger = match member.age {
            Age::Read(_) | Age::Older => false,
            Age::Younger => true,
            Age::Unsure => is_younger(member, members, direction)?,
        };
        if is_younger {
            found.push(at);
        }
    }
    // Each place is how many are older; were that no order, two would have the same.
    let mut places = vec![None; found.len()];
    for &at in &found {
        let mut older_count = 0;
        for &other in found.iter().filter(|other| **other != at) {
            let order = compare(&members[at], &members[other], direction)?;
            older_count += usize::from(order == Ordering::Greater);
        }
        if let Some(before) = places[older_count].replace(at) {
            return Err(unknown(&members[before], &members[at]));
        }
    }
    Ok(places.into_iter().flatten().collect())
}

/// How the numbers of these go on. `None` if nothing tells.
fn direction(members: &[Member]) -> Result<Option<Direction>, String> {
    // What tells most comes first; what tells less must not contradict itself to count.
    let sure = voted(members, surely_older);
    if let Err((older, younger)) = sure {
        return Err(format!(
            "{} is older than {}, as what was read or their creation says, and names of others say the contrary",
            older.path.display(),
            younger.path.display()
        ));
    }
    let votes = [sure, voted(members, older_by_age), voted(members, older_by_writes)];
    Ok(votes.into_iter().find_map(|vote| vote.ok().flatten()))
}

type Pair<'a> = (&'a Member, &'a Member);

/// The direction in which all pairs go of which the first is older; an error names one that goes against another.
fn voted(
    members: &[Member],
    is_older: fn(&Member, &Member) -> bool,
) -> Result<Option<Direction>, Pair<'_>> {
    let mut found = None;
    for older in members {
        for younger in members.iter().filter(|younger| is_older(older, younger)) {
            let (Some(from), Some(to)) = (&older.generation, &younger.generation) else { continue };
            let vote = from.direction(to).map_err(|()| (older, younger))?;
            match (found, vote) {
                (Some(one), Some(other)) if one != other => return Err((older, younger)),
                (None, Some(_)) => found = vote,
                _ => {}
            }
        }
    }
    Ok(found)
}

fn surely_older(one: &Member, other: &Member) -> bool {
    match (one.age, other.age) {
        (Age::Read(one), Age::Read(other)) => one < other,
        (Age::Read(_), Age::Younger) => true,
        (Age::Younger, Age::Younger) => begun_before(one, other),
        _ => false,
    }
}

fn begun_before(one: &Member, other: &Member) -> bool {
    one.begun_ns.zip(other.begun_ns).is_some_and(|(one, other)| one < other)
}

/// Files that are no texts of the path may be among the older ones.
fn older_by_age(one: &Member, other: &Member) -> bool {
    one.age == Age::Older && other.age == Age::Younger
}

fn older_by_writes(one: &Member, other: &Member) -> bool {
    let written = one.written_ns.zip(other.written_ns);
    one.age != Age::Older
        && other.age != Age::Older
        && written.is_some_and(|((_, one), (other, _))| one < other)
}

/// Whether one of which only that is unknown is younger than what has been read.
fn is_younger(
    member: &Member,
    members: &[Member],
    direction: Option<Direction>,
) -> Result<bool, String> {
    let last = members.iter().filter(|it| matches!(it.age, Age::Read(_)));
    let last = last.max_by_key(|it| match it.age {
        Age::Read(place) => place,
        _ => 0,
    });
    if let Some(last) = last
        && let Some(order) = compare_names(member, last, direction)
    {
        return Ok(order == Ordering::Greater);
    }
    if let Some(last) = last
        && older_by_writes(last, member)
    {
        return Ok(true);
    }
    let mut younger = members.iter().filter(|it| it.age == Age::Younger);
    if younger.any(|it| compare_names(member, it, direction) == Some(Ordering::Greater)) {
        return Ok(true);
    }
    let than = last.map_or("what was read last, which is gone".to_owned(), |last| {
        last.path.display().to_string()
    });
    Err(format!(
        "{} was compressed since, and neither names nor times say whether it is older or younger than {than}",
        member.path.display()
    ))
}

fn compare_names(one: &Member, other: &Member, direction: Option<Direction>) -> Option<Ordering> {
    one.generation.as_ref()?.compare(other.generation.as_ref()?, direction)
}

/// The older one is less.
fn compare(one: &Member, other: &Member, direction: Option<Direction>) -> Result<Ordering, String> {
    let by_begin = one.begun_ns.zip(other.begun_ns).map(|(one, other)| one.cmp(&other));
    let by_begin = by_begin.filter(|order| order.is_ne());
    match (compare_names(one, other, direction), by_begin) {
        (Some(by_name), Some(by_begin)) if by_name != by_begin => Err(format!(
            "by its name {} is {} than {}, and by its creation the contrary",
            one.path.display(),
            if by_name.is_lt() { "older" } else { "younger" },
            other.path.display()
        )),
        (Some(order), _) | (None, Some(order)) => Ok(order),
        (None, None) if older_by_writes(one, other) => Ok(Ordering::Less),
        (None, None) if older_by_writes(other, one) => Ok(Ordering::Greater),
        (None, None) => Err(unknown(one, other)),
    }
}

fn unknown(one: &Member, other: &Member) -> String {
    format!(
        "neither names nor times say whether {} or {} is the older one",
        one.path.display(),
        other.path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_known_by_their_names() {
        let log = Path::new("/var/log/app.log");
        for name in ["app.log.1", "app.log-20240501", "app.log-2024-05-01T10:00", "app.1.log"] {
            assert!(is_generation(log, name.as_bytes()), "{name}");
        }
        let others =
            ["app.log", "app.log.gz", "app.log.1.gz", "app.log.err", "app-x.log", "app.log."];
        for name in others {
            assert!(!is_generation(log, name.as_bytes()), "{name}");
        }
        assert!(is_generation(Path::new("log"), b"log.2"));
        assert!(!is_generation(Path::new("log"), b"log2"));
    }

    const LOG: &str = "/var/log/app.log";

    fn member(name: &str, age: Age) -> Member {
        let stem = name.strip_suffix(".gz").unwrap_or(name);
        let generation = Generation::of(Path::new(LOG), stem.as_bytes());
        Member { path: name.into(), generation, age, begun_ns: None, written_ns: None }
    }

    fn begun(name: &str, begun_ns: i64) -> Member {
        Member { begun_ns: Some(begun_ns), ..member(name, Age::Younger) }
    }

    fn written(name: &str, age: Age, written_ns: i64) -> Member {
        Member { written_ns: Some((written_ns, written_ns)), ..member(name, age) }
    }

    /// The names in order, or what cannot be known.
    fn arranged(members: &[Member]) -> Result<Vec<&str>, String> {
        let order = arrange(members)?;
        // The order in which they were listed says nothing.
        let reversed: Vec<Member> = members.iter().rev().cloned().collect();
        let backwards = arrange(&reversed)?.into_iter().map(|at| members.len() - 1 - at);
        assert_eq!(order, backwards.collect::<Vec<_>>());
        Ok(order.into_iter().map(|at| members[at].path.to_str().unwrap_or_default()).collect())
    }

    #[test]
    fn numbers_order_what_was_compressed_later_than_younger_ones_were_written() {
        use Age::{Read, Unsure};
        // The times of the compressed ones are those of compressing.
        let read = || member("app.log.4.gz", Read(0));
        let two = [read(), member("app.log.3.gz", Unsure), begun("app.log.2", 5)];
        assert_eq!(arranged(&two).as_deref(), Ok(&["app.log.3.gz", "app.log.2"][..]));
        // Where numbers grow, the same names are those of others.
        let up = [
            member("app.2.log.gz", Read(0)),
            member("app.1.log.gz", Unsure),
            member("app.3.log.gz", Unsure),
            begun("app.4.log", 5),
            begun("app.5.log", 5),
        ];
        assert_eq!(
            arranged(&up).as_deref(),
            Ok(&["app.3.log.gz", "app.4.log", "app.5.log"][..]),
            "5 is not before 4, though they were created within a tick"
        );
        // What was read before says it, too, and what was written before.
        let names = ["app.log.10.gz", "app.log.9.gz", "app.log.8.gz", "app.log.7.gz"];
        let ages = [Read(0), Read(1), Unsure, Unsure];
        let known: Vec<Member> = names.into_iter().zip(ages).map(|(n, a)| member(n, a)).collect();
        assert_eq!(arranged(&known).as_deref(), Ok(&names[2..]));
        let names = ["app.log.3.gz", "app.log.2.gz", "app.log.1.gz"];
        let timed = [(Read(0), 1), (Unsure, 2), (Unsure, 3)];
        let timed = names.into_iter().zip(timed).map(|(name, (age, at))| written(name, age, at));
        let timed: Vec<Member> = timed.collect();
        assert_eq!(arranged(&timed).as_deref(), Ok(&names[1..]));
    }

    #[test]
    fn dates_grow_and_numbers_of_a_day_are_asked_of_others() {
        use Age::{Read, Unsure};
        let names = ["app.log-20240430", "app.log-20240501.gz", "app.log-20240510.gz"];
        let ages = [Read(0), Unsure, Unsure];
        let days: Vec<Member> = names.into_iter().zip(ages).map(|(n, a)| member(n, a)).collect();
        assert_eq!(arranged(&days).as_deref(), Ok(&names[1..]));
        let of_a_day = [
            member("app-2024-05-01.1.log", Read(0)),
            member("app-2024-05-01.3.log.gz", Unsure),
            member("app-2024-05-01.2.log.gz", Unsure),
        ];
        assert!(arrange(&of_a_day).is_err());
        let mut known = of_a_day.to_vec();
        known.push(begun("app-2024-05-01.4.log", 9));
        let expected =
            ["app-2024-05-01.2.log.gz", "app-2024-05-01.3.log.gz", "app-2024-05-01.4.log"];
        assert_eq!(arranged(&known).as_deref(), Ok(&expected[..]));
        // Days first, and a year is where it is.
        let german = [begun("app.log-31-12-2023", 1), begun("app.log-01-01-2024", 2)];
        assert!(
            arranged(&german).is_ok_and(|it| it == ["app.log-31-12-2023", "app.log-01-01-2024"])
        );
    }

    #[test]
    fn where_the_order_cannot_be_known_none_is_made_up() {
        use Age::{Read, Unsure};
        let refused = |members: &[Member], reason: &str| {
            let found = arranged(members).err().unwrap_or_default();
            assert!(found.contains(reason), "{found}");
        };
        // Created within a tick, and nothing says which way numbers go.
        let tied = [begun("app.log.1", 5), begun("app.log.2", 5)];
        refused(&tied, "neither names nor times say whether app.log.");
        let same = [begun("app.log.1", 5), begun("app.1.log", 5), begun("app.log.2", 4)];
        refused(&same, "neither names nor times say");
        let contrary = [begun("app.log.1", 7), begun("app.log.2", 5), begun("app.log.3", 6)];
        refused(&contrary, "names of others say the contrary");
        let copied = [member("app.log.3", Read(0)), begun("app.log.1", 5), begun("app.log.9", 6)];
        refused(&copied, "names of others say the contrary");
        let unsure = [member("app.log.1", Read(0)), member("app.log.2.gz", Unsure)];
        refused(&unsure, "app.log.2.gz was compressed since");
        refused(&[member("app.log.2.gz", Unsure)], "what was read last, which is gone");
        let mixed = [begun("app.log-20240501", 5), begun("app.log.1", 5)];
        refused(&mixed, "neither names nor times");
        // One alone has no order.
        assert_eq!(arranged(&tied[..1]).as_deref(), Ok(&["app.log.1"][..]));
        // An older one tells where nothing else does.
        let mut with_older = unsure.to_vec();
        with_older.push(begun("app.log.0", 5));
        assert_eq!(arranged(&with_older).as_deref(), Ok(&["app.log.0"][..]));
    }
}
