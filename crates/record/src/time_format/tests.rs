//! What formats read and write. Expected values are `DuckDB` 2.0's, but where a comment says otherwise.

use super::{TimeFormat, TimeFormatError};
use crate::civil::split_micros;

/// A time as `%F %T.%f`, or what is wrong with the text.
fn read(format: &str, text: &str) -> String {
    let format = TimeFormat::to_read(format).expect("a format that reads");
    match format.read(text.as_bytes()) {
        Ok(micros) => {
            let mut out = String::new();
            let (days, of_day) = split_micros(micros);
            let shown = TimeFormat::to_write("%F %T.%f").expect("a format that writes");
            shown.write(days, of_day, &mut out);
            out.strip_suffix(".000000").map(str::to_owned).unwrap_or(out)
        }
        Err(misfit) => misfit.to_string(),
    }
}

#[track_caller]
fn check(format: &str, text: &str, expected: &str) {
    assert_eq!(read(format, text), expected, "{text} as {format}");
}

#[test]
fn times_as_the_world_writes_them() {
    check("%d/%b/%Y:%H:%M:%S %z", "01/May/2024:13:05:09 +0000", "2024-05-01 13:05:09");
    check("%d/%b/%Y:%H:%M:%S %z", "01/may/2024:13:05:09 +02:30", "2024-05-01 10:35:09");
    check("%d/%b/%Y:%H:%M:%S %z", "01/May/2024:13:05:09 -02:30:15", "2024-05-01 15:35:24");
    check("%a, %d %b %Y %T %z", "Wed, 01 May 2024 13:05:09 +02", "2024-05-01 11:05:09");
    check("%A %d %B %y", "WEDNESDAY 1 MAY 24", "2024-05-01 00:00:00");
    check("%b %d %T", "May  1 10:11:12", "1900-05-01 10:11:12");
    check("%Y-%m-%d %H:%M:%S,%g", "2024-05-01 10:11:12,123", "2024-05-01 10:11:12.123000");
    check("%Y%m%dT%H%M%S", "20240501T101112", "2024-05-01 10:11:12");
    check("%m/%d/%y", "1/2/24", "2024-01-02 00:00:00");
    check("%c", "2024-05-01 10:11:12", "2024-05-01 10:11:12");
    check("%Y-%m-%dT%H:%M:%SZ", "2024-05-01T10:11:12Z", "2024-05-01 10:11:12");
    check("é%Y%%", "é2024%", "2024-01-01 00:00:00");
    // DuckDB has no %s, and %z takes no Z there.
    check("%s", "1714557600", "2024-05-01 10:00:00");
    check("%s.%f", "-0.25", "1969-12-31 23:59:59.750000");
    check("%Y-%m-%dT%H:%M:%S%z", "2024-05-01T10:11:12Z", "2024-05-01 10:11:12");
    check("%Y-%m-%d %Z", "2024-05-01 utc", "2024-05-01 00:00:00");
}

#[test]
fn a_number_has_up_to_its_digits_and_a_fraction_any() {
    check("%Y-%m-%d", "2024-5-1", "2024-05-01 00:00:00");
    check("%Y-%-m-%-d", "2024-05-01", "2024-05-01 00:00:00");
    check("%Y %H:%M:%S.%f", "2024 1:2:3.5", "2024-01-01 01:02:03.500000");
    check("%Y %S.%g", "2024 03.12", "2024-01-01 00:00:03.120000");
    // Below the microsecond is cut.
    check("%Y %S.%n", "2024 03.123456789", "2024-01-01 00:00:03.123456");
    check("%Y%H%g", "202410123", "2024-01-01 10:00:00.123000");
    check("%y", "69", "1969-01-01 00:00:00");
    check("%y", "68", "2068-01-01 00:00:00");
    check("%Y", "0000", "0000-01-01 00:00:00");
}

#[test]
fn halves_of_a_day() {
    for (text, hour) in
        [("12:00 AM", "00"), ("12:00 pm", "12"), ("1:00 pm", "13"), ("1:00 AM", "01")]
    {
        check("%I:%M %p", text, &format!("1900-01-01 {hour}:00:00"));
    }
    check("%p %I", "pm 5", "1900-01-01 17:00:00");
    check("%H:%M %p", "13:00 pm", "an hour past 12 has no AM or PM");
}

#[test]
fn days_by_their_number_and_their_week() {
    check("%Y %j", "2024 366", "2024-12-31 00:00:00");
    // DuckDB goes on to the next year, and to the next month.
    check("%Y %j", "2023 366", "there is no such day");
    check("%G %V", "2024 53", "there is no such day");
    check("%G-W%V-%u", "2024-W20-3", "2024-05-15 00:00:00");
    check("%G %V", "2024 20", "2024-05-13 00:00:00");
    check("%G", "2024", "2024-01-01 00:00:00");
    for (format, text, expected) in [
        ("%Y %U %w", "2024 0 0", "2023-12-31"),
        ("%Y %U %w", "2024 0 6", "2024-01-06"),
        ("%Y %U %w", "2024 1 0", "2024-01-07"),
        ("%Y %U %w", "2024 53 0", "2025-01-05"),
        ("%Y %W %u", "2024 53 1", "2024-12-30"),
        ("%Y %W %u", "2024 0 1", "2023-12-25"),
        ("%Y %W", "2024 5", "2024-01-29"),
        ("%Y %U", "2024 20", "2024-05-19"),
        // DuckDB passes over the name.
        ("%Y %W %a", "2024 20 Wed", "2024-05-15"),
    ] {
        check(format, text, &format!("{expected} 00:00:00"));
    }
    // The last kind counts, and a weekday beside a date is not looked at.
    check("%Y %W %m %d", "2024 20 5 1", "2024-05-01 00:00:00");
    check("%Y %j %m %d", "2024 100 5 1", "2024-05-01 00:00:00");
    check("%a %Y-%m-%d", "Thu 2024-05-01", "2024-05-01 00:00:00");
}

#[test]
fn white_space() {
    check("%Y-%m-%d", "  2024-05-01\t", "2024-05-01 00:00:00");
    check("%Y-%m-%d %H", "2024-05-01 \t 10", "2024-05-01 10:00:00");
    check("%Y-%m-%d %H", "2024-05-0110", "another text is due at byte 11");
    // DuckDB wants a blank where the format ends or begins with one.
    check(" %Y ", "2024", "2024-01-01 00:00:00");
}

#[test]
fn what_does_not_fit_is_said_with_its_place() {
    check("%Y-%m-%d", "2024-13-01", "a month from 1 to 12 (%m) is due at byte 6");
    check("%Y-%m-%d", "2024-02-30", "there is no such day");
    check("%Y-%m-%d", "2024/02/30", "another text is due at byte 5");
    check("%Y-%m-%d", "2024-05-01x", "it goes on at byte 11, where the format ends");
    check("%H:%M", "24:00", "an hour from 0 to 23 (%H) is due at byte 1");
    check("%S", "60", "a second (%S) is due at byte 1");
    check("%Y", "", "a year of up to four digits (%Y) is due at byte 1");
    check("%S.%f", "1.1234567", "it goes on at byte 9, where the format ends");
    check("%d %B", "1 Sep", "the name of a month (%B) is due at byte 3");
    check("%Y %z", "2024 +2", "an offset such as +02:00 (%z) is due at byte 6");
    check("%Y %z", "2024 +0260", "an offset such as +02:00 (%z) is due at byte 6");
    check("%Y %Z", "2024 EST", "UTC, GMT or Z (%Z; other zones are not known) is due at byte 6");
    check("%s", "99999999999999", "out of the range of TIMESTAMP");
    // A text may be cut within a character.
    let format = TimeFormat::to_read("%Y").expect("a format");
    assert!(format.read(b"2024\xc3").is_err());
}

#[test]
fn formats_that_say_nothing() {
    let refusal = |format: &str| TimeFormat::to_read(format).expect_err(format);
    assert_eq!(refusal("yyyy-MM-dd"), TimeFormatError::NoDirective);
    assert_eq!(refusal("%%"), TimeFormatError::NoDirective);
    assert_eq!(refusal("%Y %V"), TimeFormatError::WeekWithoutYear);
    assert_eq!(refusal("%Y-%"), TimeFormatError::EndsInDirective);
    assert_eq!(refusal("%Y-%i").to_string(), "unknown format directive %i; minutes are %M");
    assert_eq!(refusal("%-a").to_string(), "unknown format directive %-a");
    assert!(TimeFormat::to_write("").is_ok());
}

#[test]
fn what_is_written_reads_back() {
    let formats = [
        "%Y-%m-%d %H:%M:%S.%f",
        "%d/%b/%Y:%I:%M:%S.%f %p %z",
        "%A %-d %B %Y %-H %-M %-S %f",
        "%G %V %u %T.%f",
        "%Y %j %T.%f",
        "%Y %U %w %T.%f",
        "%Y %W %u %T.%f",
    ];
    for format in formats {
        let (write, read) = (TimeFormat::to_write(format), TimeFormat::to_read(format));
        let (write, read) = (write.expect("a format"), read.expect("a format"));
        for step in -800..800_i64 {
            let micros = step * 86_400_000_000 * 31 + step * 7_654_321_987;
            let (days, of_day) = split_micros(micros);
            let mut text = String::new();
            write.write(days, of_day, &mut text);
            assert_eq!(read.read(text.as_bytes()), Ok(micros), "{text} as {format}");
        }
    }
}
