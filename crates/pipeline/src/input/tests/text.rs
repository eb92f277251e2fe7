//! Text of every format, compressed, in other encodings, and in ranges.

use std::io::Write;

use tidemill_plan::{
    CsvOptions, CsvReading, Encoding, Format, JsonLayout, JsonOptions, LineOptions, LineSyntax,
    Times, TimestampUnit,
};
use tidemill_record::{DataType, Field, Schema};

use super::{Case, file, file_input, text_input, with_added};
use crate::InputSpec;

fn schema() -> Schema {
    Schema::new(vec![
        Field::nullable("n", DataType::BigInt),
        Field::nullable("s", DataType::Varchar),
        Field::nullable("t", DataType::Timestamp),
    ])
}

/// Reads a text; `n > 0` where `filter` is given.
fn check(name: &str, text: &[u8], format: &Format, some_rows: usize) -> Vec<super::Given> {
    check_with(name, text, format, Encoding::Unsaid, some_rows)
}

fn check_with(
    name: &str,
    text: &[u8],
    format: &Format,
    encoding: Encoding,
    some_rows: usize,
) -> Vec<super::Given> {
    let file = file(name, text);
    let schema = match format {
        Format::Lines(LineOptions { syntax: LineSyntax::Regex { .. }, .. }) => {
            format_columns(format)
        }
        _ => schema(),
    };
    let filters: &[Option<usize>] =
        if schema.fields[0].data_type == DataType::BigInt { &[None, Some(0)] } else { &[None] };
    let given = filters.iter().map(|&filter| {
        let input = || {
            let mut input = file_input(&file.path, format, &schema);
            input.file.encoding = encoding;
            InputSpec::Text(text_input(input))
        };
        let case = Case { input: Box::new(input), schema: with_added(&schema), filter };
        let given = case.check(&format!("{name}, filter {filter:?}"), some_rows);
        case.check_damage(name, 25);
        given
    });
    given.collect()
}

fn format_columns(format: &Format) -> Schema {
    let Format::Lines(options) = format else { panic!("lines") };
    options.syntax.columns().unwrap()
}

fn csv_of(reading: CsvReading) -> Format {
    Format::Csv(CsvOptions { reading, ..CsvOptions::default() })
}

/// Records of CSV with all that may come among them.
fn csv(record_count: u32, text_bytes: usize) -> String {
    let mut text = "skipped\n# comment\n\nn,s,beside,t\n".to_owned();
    for n in 0..record_count {
        text.push_str(&match n % 11 {
            3 => format!("{n},\"two\nlines, and a \"\"quote\"\"\",x,2024-01-01T00:00:00\n"),
            4 => format!("no number,{n},x,\n"),
            5 => "\n# within\n".to_owned(),
            6 => format!("{n},too few\n"),
            7 => {
                format!("-{n},text that is longer than twelve bytes,,2024-01-01 01:02:03.1234567\n")
            }
            _ => format!("{n},{n:text_bytes$},x,2024-01-01T00:00:00Z\n"),
        });
    }
    text.push_str("9,last,x,");
    text
}

#[test]
fn csv_goes_on_behind_the_last_record() {
    let reading =
        CsvReading { skip_lines: 1, comment: Some("#".to_owned()), ..CsvReading::default() };
    let text = csv(1500, 5);
    let given = check("a.csv", text.as_bytes(), &csv_of(reading.clone()), 60);
    assert!(given[0].bad.len() > 100 && given[0].left_out.len() == 2, "{:?}", given[0].left_out);
    assert!(given[1].rejected > 100);
    // A piece at a time, with all that a piece cuts through.
    let text = csv(4000, 200);
    assert!(text.len() > 3 * tidemill_source::PIECE_BYTES / 2);
    check("b.csv", text.as_bytes(), &csv_of(reading), 400);
    let plain = Format::Csv(CsvOptions { has_header: false, ..CsvOptions::default() });
    let text: String = (0..2000).map(|n| format!("{n},text {n},2024-01-01\r\n")).collect();
    let marked = format!("\u{feff}{text}");
    check("c.csv", marked.as_bytes(), &plain, 60);
}

#[test]
fn a_range_goes_on_with_the_header_of_its_file() {
    let text: String = std::iter::once("s,n,t\n".to_owned())
        .chain((0..4000).map(|n| format!("t{n},{n},\n")))
        .collect();
    let (file, schema) = (file("a.csv", text.as_bytes()), schema());
    let length = text.len() as u64;
    for range in [0..length / 3, length / 3..length / 2, length / 2..length] {
        let input = || {
            let mut file = file_input(&file.path, &csv_of(CsvReading::default()), &schema);
            file.added.clear();
            let header = ["s", "n", "t"].map(str::to_owned).to_vec();
            let csv_header = (range.start > 0).then_some(header);
            InputSpec::Text(crate::TextInput {
                range: Some(range.clone()),
                csv_header,
                ..text_input(file)
            })
        };
        let case = Case { input: Box::new(input), schema: schema.clone(), filter: None };
        let given = case.check(&format!("{range:?}"), 50);
        let (first, next) = given.bounds.unwrap();
        assert!(first >= range.start && next >= range.end.min(length), "{first} {next}");
        case.check_images("a range");
        case.check_damage("a range", 25);
    }
}

fn json(layout: JsonLayout) -> Format {
    Format::Json(JsonOptions { layout, ..JsonOptions::default() })
}

fn object(n: u32) -> String {
    match n % 13 {
        2 => format!(
            "{{\"n\": {n}, \"extra\": [1, {{\"a\": \"]\"}}], \"s\": \"a\\nb\\u00e9 and more text\"}}"
        ),
        3 => format!("{{\"n\": \"no number {n}\"}}"),
        4 => format!("{{\"s\": \"text of more than twelve bytes\", \"N\": -{n}}}"),
        5 => {
            format!("{{\"n\": {n}, \"t\": \"2024-01-01T00:00:00.1234567\", \"more{}\": 1}}", n % 90)
        }
        6 => "{\"n\": 1,, }".to_owned(),
        _ => format!("{{\"n\": {n}, \"s\": \"x\", \"t\": \"2024-01-01T00:00:00Z\"}}"),
    }
}

#[test]
fn json_lines_go_on_behind_the_last_record() {
    let text: String = (0..2000)
        .map(|n| format!("{}\n{}", object(n), if n % 50 == 0 { "\n" } else { "" }))
        .collect();
    for layout in [JsonLayout::Auto, JsonLayout::Lines] {
        let given = check("a.json", text.as_bytes(), &json(layout), 60);
        assert!(given[0].left_out.len() > 30 && given[0].bad.len() > 200);
    }
    let alike: String =
        (0..2600).map(|n| format!("{{\"n\": 1{n:08}, \"s\": \"{n:080} and on\"}}\n")).collect();
    assert!(alike.len() > tidemill_source::PIECE_BYTES);
    check("b.json", alike.as_bytes(), &json(JsonLayout::Auto), 400);
}

#[test]
fn json_arrays_and_values_go_on_where_their_nesting_was() {
    let values: Vec<String> = (0..800).map(object).collect();
    let array = format!("\n[ {} ]\n text behind", values.join(" ,\n"));
    let given = check("a.json", array.as_bytes(), &json(JsonLayout::Auto), 60);
    assert!(given[0].bad.iter().any(|bad| bad.contains("behind the end of the array")));
    // Without line ends, with missing and doubled commas, values that are no objects, and without its end.
    let mut messy = "[".to_owned();
    for (n, value) in values.iter().enumerate() {
        messy.push_str(value);
        messy.push_str(match n % 17 {
            3 => ",,",
            5 => " ",
            7 => ", 17 ,",
            9 => ", \"text\", [1], ",
            _ => ",",
        });
    }
    let given = check("b.json", messy.as_bytes(), &json(JsonLayout::Array), 60);
    assert!(given[0].bad.iter().any(|bad| bad.contains("before ','")));
    let spread = values.join("\n").replace(", \"", ",\n  \"").replace("},\n", "}");
    check("c.json", spread.as_bytes(), &json(JsonLayout::Values), 60);
    let long: String =
        (0..700).map(|n| format!("{{\"n\":\n {n},\n \"s\": \"{n:0400}\"}}")).collect();
    assert!(long.len() > tidemill_source::PIECE_BYTES);
    check("d.json", long.as_bytes(), &json(JsonLayout::Values), 150);
    let long = format!("[{}]", long.replace("}{", "},{"));
    check("e.json", long.as_bytes(), &json(JsonLayout::Auto), 150);
}

#[test]
fn lines_of_logs_go_on_behind_the_last_line() {
    let lines = |syntax| {
        Format::Lines(LineOptions {
            syntax,
            multiline_start: None,
            timestamp_unit: TimestampUnit::default(),
            times: Times::default(),
        })
    };
    let text: String = (0..2000)
        .map(|n| match n % 7 {
            1 => format!("n={n} s=\"a b\" other{}=1\n", n % 80),
            2 => format!("n=no{n}\n"),
            3 => "\n".to_owned(),
            _ => format!("n=-{n} s=x t=2024-01-01T00:00:00Z\n"),
        })
        .collect();
    let given = check("a.log", text.as_bytes(), &lines(LineSyntax::Logfmt), 60);
    assert!(given[0].left_out.len() > 30);
    let pattern = "^(?P<n>[0-9]+) (?P<s>.*)$".to_owned();
    let groups = vec!["n".to_owned(), "s".to_owned()];
    let text: String = (0..2000)
        .map(|n| if n % 9 == 0 { format!("not {n}\n") } else { format!("{n} some text\n") })
        .collect();
    let given = check("b.log", text.as_bytes(), &lines(LineSyntax::Regex { pattern, groups }), 60);
    assert!(given[0].bad.len() > 200);
}

#[test]
fn other_encodings_go_on_at_the_byte_of_their_utf_8() {
    let text: String = std::iter::once("n,s,t\n".to_owned())
        .chain((0..1600).map(|n| format!("{n},é{}ü{n:0100},\n", n % 7)))
        .collect();
    let latin1: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    let csv = csv_of(CsvReading::default());
    check_with("a.csv", &latin1, &csv, Encoding::Latin1, 200);
    let utf16: Vec<u8> =
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(utf16.len() > tidemill_source::PIECE_BYTES);
    let given = check_with("b.csv", &utf16, &csv, Encoding::Unsaid, 200);
    assert_eq!(given[0].notices.len(), 1, "that it is UTF-16");
    check_with("c.csv", &utf16, &csv, Encoding::Utf16, 200);
}

#[test]
fn compressed_text_goes_on_within() {
    let text = csv(1600, 200);
    let reading =
        CsvReading { skip_lines: 1, comment: Some("#".to_owned()), ..CsvReading::default() };
    let csv = csv_of(reading);
    let parts: Vec<&[u8]> = text.as_bytes().chunks(text.len() / 3).collect();
    let gzip = |part: &&[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    let lz4 = |part: &&[u8]| {
        let block_size = lz4_flex::frame::BlockSize::Max64KB;
        let info = lz4_flex::frame::FrameInfo::new().block_size(block_size);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |part: &&[u8]| zstd::encode_all(*part, 1).unwrap();
    check("a.csv.gz", &parts.iter().flat_map(gzip).collect::<Vec<u8>>(), &csv, 200);
    check("a.csv.zst", &parts.iter().flat_map(zstd).collect::<Vec<u8>>(), &csv, 200);
    check("a.csv.lz4", &parts.iter().flat_map(lz4).collect::<Vec<u8>>(), &csv, 200);
    let latin1: Vec<u8> = text.bytes().map(|byte| if byte == b'x' { 0xe9 } else { byte }).collect();
    check_with("b.csv.gz", &gzip(&&latin1[..]), &csv, Encoding::Latin1, 200);
}

#[test]
fn images_do_not_depend_on_the_size_of_batches() {
    let lines: String =
        (0..3000).map(|n| format!("{{\"n\": {n}, \"s\": \"{n}\", \"k{}\": 1}}\n", n % 5)).collect();
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    let csv: String = std::iter::once("n,s,t\n".to_owned())
        .chain((0..3000).map(|n| format!("{n},x{n},2024-01-01T00:00:00.123456789\n")))
        .collect();
    let schema = schema();
    for (text, format) in [
        (&lines, json(JsonLayout::Auto)),
        (&array, json(JsonLayout::Auto)),
        (&csv, csv_of(CsvReading::default())),
    ] {
        let file = file("a", text.as_bytes());
        let input = || InputSpec::Text(text_input(file_input(&file.path, &format, &schema)));
        let case = Case { input: Box::new(input), schema: with_added(&schema), filter: None };
        case.check_images(format.name());
    }
}
