//! Lines of logs: taken apart as their writers put them together, however the input is cut.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use tidemill_format::{access_log, infer_schema, key_value_pairs};
use tidemill_plan::{Format, LineOptions, LineSyntax, LogPattern, Times, TimestampUnit};
use tidemill_record::{DataType, Field, Schema};

use crate::decoding::{check_every_cut, decode, texts_schema};

fn lines(syntax: LineSyntax) -> Format {
    let timestamp_unit = TimestampUnit::Milliseconds;
    let (multiline_start, times) = (None, Times::USUAL);
    Format::Lines(LineOptions { syntax, multiline_start, timestamp_unit, times })
}

fn nginx(log_format: &str) -> Format {
    lines(LineSyntax::Nginx(LogPattern::nginx(log_format).unwrap()))
}

fn integers(column: &ArrayRef) -> Vec<Option<i64>> {
    column.as_primitive::<Int64Type>().iter().collect()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn lines_of_nginx() {
    let format = nginx("combined");
    let input = "10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 512 \"-\" \"curl/8.0\"\n\
        \n\
        ::1 - bob smith [01/May/2024:12:00:01 +0200] \"\\x16\\xFF\" 400 0 \"\\x22\\xC3\\xA9\\x5C\" \"\"\r\n\
        10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET\" many 1 \"-\" \"-\"\n\
        10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET\" 200 1 \"-\" \"-\" \"10.0.0.2\"\n\
        hello\n\
        é - - [01/May/2024:10:00:02 +0000] \"-\" 499 - \"-\" \"é\"";
    let schema = infer_schema(&format, b"whatever", false).unwrap();
    let found = check_every_cut(&format, &schema, input.as_bytes());
    assert_eq!(found.texts(0), [text("10.0.0.1"), text("::1"), text("é")]);
    assert_eq!(found.texts(1), [None, text("bob smith"), None]);
    // 2024-05-01 10:00:00 UTC.
    let times = found.columns[2].as_primitive::<TimestampMicrosecondType>();
    let seconds: Vec<_> =
        times.iter().map(|micros| micros.unwrap() / 1_000_000 - 1_714_557_600).collect();
    assert_eq!(seconds, [0, 1, 2]);
    assert_eq!(found.texts(3), [text("GET /a HTTP/1.1"), text("\\x16\\xFF"), None]);
    assert_eq!(integers(&found.columns[4]), [Some(200), Some(400), Some(499)]);
    assert_eq!(integers(&found.columns[5]), [Some(512), Some(0), None]);
    assert_eq!(found.texts(6), [None, text("\"é\\"), None]);
    assert_eq!(found.texts(7), [text("curl/8.0"), text(""), text("é")]);
    let of_format = |what: &str| {
        format!(
            "not a line of the log_format: {what}; 'log_format' says how 'nginx' wrote it, combined where it is not set"
        )
    };
    let goes_on = of_format("it goes on behind http_user_agent, at byte 61");
    let other = of_format("' - ' is due behind remote_addr, from byte 0 on");
    assert_eq!(
        found.reasons(),
        ["'many' is not a value of BIGINT", goes_on.as_str(), other.as_str()]
    );
    let offsets: Vec<_> = found.bad.iter().map(|bad| bad.offset.0 as usize).collect();
    let at = |line: &str| input.find(line).unwrap();
    let first = at("10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET\" many");
    let second = at("10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET\" 200");
    assert_eq!(offsets, [first, second, at("hello")]);
}

#[test]
fn a_format_of_nginx_and_one_of_apache() {
    let format = nginx("$msec|${request_time}|$status|$status|$upstream_response_time ms");
    let schema = infer_schema(&format, b"x", true).unwrap();
    let types: Vec<_> =
        schema.fields.iter().map(|field| (field.name.as_str(), field.data_type.clone())).collect();
    assert_eq!(
        types,
        [
            ("msec", DataType::Timestamp),
            ("request_time", DataType::Double),
            ("status", DataType::BigInt),
            ("upstream_response_time", DataType::Varchar),
        ]
    );
    let found = check_every_cut(
        &format,
        &schema,
        b"1714557600.123|0.005|200|404|0.1, 0.2 ms\n0|-|-|7|- ms\n",
    );
    assert_eq!(
        found.columns[1].as_primitive::<Float64Type>().iter().collect::<Vec<_>>(),
        [Some(0.005), None]
    );
    assert_eq!(integers(&found.columns[2]), [Some(200), None]);
    assert_eq!(found.texts(3), [text("0.1, 0.2"), None]);

    let apache = lines(LineSyntax::Apache(LogPattern::apache("combined").unwrap()));
    let schema = Schema::new(vec![
        Field::nullable("HTTP_USER_AGENT", DataType::Varchar),
        Field::nullable("body_bytes_sent", DataType::BigInt),
        Field::nullable("request", DataType::Varchar),
    ]);
    let input = b"h - frank [10/Oct/2000:13:55:36 -0700] \"GET /\\\"x\\\" HTTP/1.0\" 200 - \"http://a/\" \"a\\\\\"\n";
    let found = check_every_cut(&apache, &schema, input);
    assert!(found.bad.is_empty(), "{:?}", found.bad);
    assert_eq!(found.texts(0), [text("a\\")]);
    assert_eq!(integers(&found.columns[1]), [None]);
    assert_eq!(found.texts(2), [text("GET /\"x\" HTTP/1.0")]);
}

#[test]
fn groups_of_a_regular_expression() {
    let pattern = r"^(?P<ts>\S+) (?P<Level>[A-Z]+)(?: \[(?P<ms>\d+)\])? (?P<msg>.*)$".to_owned();
    let groups = ["ts", "Level", "ms", "msg"].map(str::to_owned).to_vec();
    let format = lines(LineSyntax::Regex { pattern, groups });
    assert_eq!(
        infer_schema(&format, b"x", false).unwrap(),
        texts_schema(&["ts", "Level", "ms", "msg"])
    );
    let schema = Schema::new(vec![
        Field::nullable("msg", DataType::Varchar),
        Field::nullable("ms", DataType::BigInt),
        Field::nullable("level", DataType::Varchar),
    ]);
    let input = b"10:00 INFO [12] h\xc3\xa9 llo\r\n10:01 WARN \n10:02 info x\n10:03 INFO \x80\n10:04 INFO [\xd9\xa3] y";
    let found = check_every_cut(&format, &schema, input);
    assert_eq!(found.texts(0), [text("hé llo"), text(""), text("[٣] y")]);
    assert_eq!(integers(&found.columns[1]), [Some(12), None, None]);
    assert_eq!(found.texts(2), [text("INFO"), text("WARN"), text("INFO")]);
    assert_eq!(found.bad[0].reason, "the line does not match the option 'regex'");
    assert!(found.bad[1].reason.starts_with("invalid UTF-8 at byte 11"), "{:?}", found.bad[1]);
}

#[test]
fn pairs_of_logfmt() {
    let format = lines(LineSyntax::Logfmt);
    let input = "ts=2024-05-01T10:00:00Z level=info msg=\"a \\\"b\\\" \\u00e9\" ms=12 ok zip=007 url=/x?a=b\n\
        level=warn ms=1.5 msg= err=null ok=false zip=1 msg2=\"\"\n\
        =x\nmsg=\"open\nmsg=\"a\"b\na\"b\n\
        LEVEL=x Level=y ms=\"7\" msg2=x url=null";
    let schema = infer_schema(&format, input.as_bytes(), true).unwrap();
    let shown: Vec<_> =
        schema.fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
    assert_eq!(
        shown,
        [
            "ts TIMESTAMP",
            "level VARCHAR",
            "msg VARCHAR",
            "ms VARCHAR",
            "ok BOOLEAN",
            "zip VARCHAR",
            "url VARCHAR",
            "err VARCHAR",
            "msg2 VARCHAR",
            "LEVEL VARCHAR",
            "Level VARCHAR"
        ]
    );
    let schema = Schema::new(vec![
        Field::nullable("level", DataType::Varchar),
        Field::nullable("msg", DataType::Varchar),
        Field::nullable("ms", DataType::Double),
        Field::nullable("ok", DataType::Boolean),
        Field::nullable("msg2", DataType::Varchar),
    ]);
    let found = check_every_cut(&format, &schema, input.as_bytes());
    assert_eq!(found.texts(0), [text("info"), text("warn"), text("y")]);
    assert_eq!(found.texts(1), [text("a \"b\" é"), None, None]);
    assert_eq!(
        found.columns[2].as_primitive::<Float64Type>().iter().collect::<Vec<_>>(),
        [Some(12.0), Some(1.5), Some(7.0)]
    );
    assert_eq!(
        found.columns[3].as_boolean().iter().collect::<Vec<_>>(),
        [Some(true), Some(false), None]
    );
    assert_eq!(found.texts(4), [None, text(""), text("x")]);
    assert_eq!(found.reasons().len(), 4);
    assert_eq!(found.reasons()[0], "not logfmt: a key was expected at byte 0");
    assert_eq!(found.reasons()[2], "not logfmt: text behind a closing quote at byte 7");
    assert_eq!(found.reasons()[3], "not logfmt: a quote stands in a key at byte 1");
    // A column of a schema that has another case is found by the key of its own.
    let exact = decode(&format, &texts_schema(&["a"]), b"a=1 A=2\nA=3\n").unwrap();
    assert_eq!(exact.texts(0), [text("1"), text("3")]);
}

#[test]
fn a_log_is_known_by_its_lines() {
    let combined = "1.1.1.1 - - [01/May/2024:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\"";
    let columns = |head: &str| {
        let format = access_log(head.as_bytes())?;
        infer_schema(&format, b"x", false).ok().map(|schema| schema.fields.len())
    };
    assert_eq!(columns(&format!("{combined}\n")), Some(8));
    assert_eq!(
        columns(&format!("\n{combined} \"-\"\r\n{combined} \"1.1.1.1\"\n{combined}")),
        Some(9)
    );
    assert_eq!(columns("h - - [01/May/2024:10:00:00 +0000] \"GET /\" 200 5\n"), Some(6));
    assert_eq!(columns(&format!("{combined}\nhello\n")), None);
    assert_eq!(columns(combined), None, "a line that may be cut off");
    assert_eq!(columns(""), None);
    let is_logfmt = |head: &str| key_value_pairs(head.as_bytes()).is_some();
    assert!(is_logfmt("a=1 b=\"x y\"\nc=2 d=3 e=\n"));
    for head in ["a=1\n", "a=1 b=2 c\n", "hello\n", "", "a=1 b=2"] {
        assert!(!is_logfmt(head), "{head}");
    }
}

#[test]
fn lines_as_they_are() {
    let format = lines(LineSyntax::Lines);
    assert_eq!(infer_schema(&format, b"x", false).unwrap(), texts_schema(&["line"]));
    let input = b"\xef\xbb\xbfa b, \"c\r\n  \nh\xc3\xa9\n\x80\n\tlast";
    let found = check_every_cut(&format, &texts_schema(&["LINE"]), input);
    assert_eq!(found.texts(0), [text("a b, \"c"), text("h\u{e9}"), text("\tlast")]);
    assert!(found.bad[0].reason.starts_with("invalid UTF-8 at byte 0"), "{:?}", found.bad[0]);
}

/// `syntax`, of whose records only the first line matches `start`.
fn multiline(syntax: LineSyntax, start: &str) -> Format {
    let Format::Lines(options) = lines(syntax) else { unreachable!("lines") };
    Format::Lines(LineOptions { multiline_start: Some(start.to_owned()), ..options })
}

const TRACES: &[u8] = b"Caused by: what came before\n\tat x\n2024 ERROR boom\njava.lang.E: boom\r\n\tat F.java:1\r\n\n  \n\
    2025 INFO fine\r\n\n\n2026 WARN \x80\n\tat G\n2027 INFO last\n\tat H\n\n";

#[test]
fn records_of_several_lines() {
    let format = multiline(LineSyntax::Lines, r"^\d{4} ");
    let found = check_every_cut(&format, &texts_schema(&["line"]), TRACES);
    assert_eq!(
        found.texts(0),
        [
            text("Caused by: what came before\n\tat x"),
            text("2024 ERROR boom\njava.lang.E: boom\r\n\tat F.java:1"),
            text("2025 INFO fine"),
            text("2027 INFO last\n\tat H"),
        ]
    );
    let [bad] = &found.bad[..] else { panic!("{:?}", found.bad) };
    assert!(bad.reason.starts_with("invalid UTF-8 at byte 10"), "{}", bad.reason);
    assert_eq!(bad.offset.0, TRACES.windows(5).position(|five| five == b"2026 ").unwrap() as u64);
    assert_eq!(bad.raw.as_deref(), Some(&b"2026 WARN \x80\n\tat G"[..]));
}

#[test]
fn a_regular_expression_takes_records_of_several_lines_apart() {
    let pattern =
        r"^(?P<year>\d+) (?P<level>\w+) (?P<message>[^\n]*)(?:\n(?P<trace>.*))?$".to_owned();
    let groups = ["year", "level", "message", "trace"].map(str::to_owned).to_vec();
    let format = multiline(LineSyntax::Regex { pattern, groups }, r"^\d{4} ");
    let schema = texts_schema(&["level", "message", "trace"]);
    let found = check_every_cut(&format, &schema, TRACES);
    assert_eq!(found.texts(0), [text("ERROR"), text("INFO"), text("INFO")]);
    assert_eq!(found.texts(1), [text("boom"), text("fine"), text("last")]);
    let traces = [text("java.lang.E: boom\r\n\tat F.java:1"), None, text("\tat H")];
    assert_eq!(found.texts(2), traces);
    assert_eq!(found.bad.len(), 2);
}
