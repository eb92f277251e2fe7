//! CSV that departs from the plain form: against a reader that looks at one byte after the other, with the
//! options at random, and the choices it leaves by hand.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_plan::{CsvFields, CsvOptions, CsvReading, Format};
use tidemill_record::Schema;

use crate::decoding::{Decoded, check_every_cut, decode, decode_in_frames, texts_schema};

#[path = "../../fuzz/src/slow_csv.rs"]
mod slow_csv;

fn format(has_header: bool, reading: CsvReading) -> Format {
    Format::Csv(CsvOptions { has_header, reading, ..CsvOptions::default() })
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|&text| (text != "NULL").then(|| text.to_owned())).collect()
}

/// Both columns of the rows with their offsets, and the offsets of bad records.
type Rows = (Vec<(u64, [Option<String>; 2])>, Vec<u64>);

fn found(decoded: &Decoded) -> Rows {
    let columns = decoded.texts(0).into_iter().zip(decoded.texts(1)).map(|(a, b)| [a, b]);
    let rows = decoded.offsets.iter().copied().zip(columns).collect();
    (rows, decoded.bad.iter().map(|bad| bad.offset.0).collect())
}

/// What the slow reader makes of two columns of text without a header.
fn trusted(text: &[u8], options: &CsvOptions) -> Rows {
    let reading = &options.reading;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for record in slow_csv::records(text, options) {
        let only = if let [only] = &record.fields[..] { only.bare.as_deref() } else { None };
        if only == Some(b"") {
            continue;
        }
        let offset = record.start as u64;
        let count = record.fields.len();
        let fits = match reading.fields {
            CsvFields::Strict => count == 2,
            CsvFields::Pad => count <= 2,
            CsvFields::Any => true,
        };
        let is_text = str::from_utf8(&text[record.start..record.end]).is_ok();
        if record.is_faulty || !fits || !is_text {
            bad.push(offset);
            continue;
        }
        let value = |place: usize| {
            let field = record.fields.get(place)?;
            let is_null = field.bare.as_ref().is_some_and(|bare| match &reading.nulls[..] {
                [] => bare.is_empty(),
                nulls => nulls.iter().any(|null| null.as_bytes() == bare),
            });
            (!is_null).then(|| String::from_utf8(field.text.clone()).unwrap())
        };
        rows.push((offset, [value(0), value(1)]));
    }
    (rows, bad)
}

fn reading(random: &mut Pcg64) -> CsvReading {
    let mut one_of = |count: usize| random.random_range(0..count);
    let nulls: &[&str] = [&[][..], &["NA"], &["", "-", "\\N"], &["N"]][one_of(4)];
    CsvReading {
        nulls: nulls.iter().map(|&null| null.to_owned()).collect(),
        comment: [None, Some("#"), Some("--")][one_of(3)].map(str::to_owned),
        skip_lines: [0, 0, 1, 2][one_of(4)],
        escape: [None, Some(b'\\')][one_of(2)],
        is_trimmed: one_of(2) == 0,
        fields: [CsvFields::Strict, CsvFields::Pad, CsvFields::Any][one_of(3)],
    }
}

#[test]
fn records_are_those_of_a_slow_reader() {
    const PARTS: [&str; 24] = [
        ",",
        ",",
        ",",
        "\n",
        "\n",
        "\r\n",
        "\"",
        "\"",
        "\\",
        "#",
        "--",
        " ",
        "\t",
        "a",
        "NA",
        "-",
        "N",
        "n",
        "é",
        "1",
        "a,b\n",
        "x,NA\n",
        "\r",
        "a text of more than twelve bytes",
    ];
    let schema = texts_schema(&["a", "b"]);
    let mut random = Pcg64::seed_from_u64(11);
    let (mut row_count, mut bad_count) = (0, 0);
    for round in 0..10_000 {
        let mut text = Vec::new();
        for _ in 0..random.random_range(0..24) {
            text.extend_from_slice(PARTS[random.random_range(0..PARTS.len())].as_bytes());
        }
        let options = CsvOptions {
            has_header: false,
            reading: reading(&mut random),
            ..CsvOptions::default()
        };
        // A carriage return that may end lines is a matter of its own.
        if text.contains(&b'\r') && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let expected = trusted(&text, &options);
        let format = Format::Csv(options);
        let shown = || format!("{round}: {:?} {format:?}", String::from_utf8_lossy(&text));
        let whole = decode(&format, &schema, &text).unwrap();
        assert_eq!(found(&whole), expected, "{}", shown());
        let (length, rows) = (random.random_range(1..12), [1, 7, 8192][round % 3]);
        let cut = decode_in_frames(&format, &schema, &text, length, length, rows).unwrap();
        assert_eq!(found(&cut), expected, "{length} {rows} {}", shown());
        row_count += expected.0.len();
        bad_count += expected.1.len();
    }
    assert!(row_count > 10_000 && bad_count > 5_000, "{row_count} {bad_count}");
}

/// Long texts of records that are mostly regular: many are looked for at once.
#[test]
fn regular_records_are_those_of_a_slow_reader() {
    const LINES: [&str; 8] = [
        "1,2",
        "NA,x",
        "#3,4",
        " # 5,6",
        "a text of more than twelve bytes,7",
        "\"8\",9",
        "\\,,1",
        "-- ,",
    ];
    let schema = texts_schema(&["a", "b"]);
    let mut random = Pcg64::seed_from_u64(12);
    for round in 0..60 {
        let mut text = String::new();
        let rare = random.random_range(0.0..0.1);
        for _ in 0..2000 {
            let line =
                if random.random_bool(rare) { random.random_range(0..LINES.len()) } else { 0 };
            text.push_str(LINES[line]);
            text.push_str(if random.random_bool(rare / 2.0) { "\r\n" } else { "\n" });
        }
        let options = CsvOptions {
            has_header: false,
            reading: reading(&mut random),
            ..CsvOptions::default()
        };
        let expected = trusted(text.as_bytes(), &options);
        let format = Format::Csv(options);
        let (length, rows) = (random.random_range(1000..20_000), [1, 7, 8192][round % 3]);
        let cut =
            decode_in_frames(&format, &schema, text.as_bytes(), length, length, rows).unwrap();
        assert_eq!(found(&cut), expected, "{round} {format:?}");
    }
}

fn check(reading: CsvReading, schema: &Schema, input: &str) -> Decoded {
    check_every_cut(&format(true, reading), schema, input.as_bytes())
}

#[test]
fn nulls_are_texts_without_quotes() {
    let nulls = ["NA", "\\N"].map(str::to_owned).to_vec();
    let reading = CsvReading { nulls, ..CsvReading::default() };
    let schema = Schema::new(vec![
        tidemill_record::Field::nullable("a", tidemill_record::DataType::Varchar),
        tidemill_record::Field::nullable("n", tidemill_record::DataType::BigInt),
    ]);
    let input = "a,n\nNA,1\n\"NA\",\\N\n,\n\"\",NA\n\\N,2\nNAN,3\nna,4\nx,NAN\n";
    let decoded = check(reading, &schema, input);
    // An empty field is text where its column has empty text.
    assert_eq!(decoded.texts(0), some(&["NULL", "NA", "", "", "NULL", "NAN", "na"]));
    let n =
        arrow_array::Int64Array::from(vec![Some(1), None, None, None, Some(2), Some(3), Some(4)]);
    assert_eq!(decoded.columns[1].as_ref(), &n as &dyn arrow_array::Array);
    assert_eq!(decoded.reasons(), ["'NAN' is not a value of BIGINT"]);
}

#[test]
fn skipped_lines_and_comments_are_no_records() {
    let reading =
        CsvReading { skip_lines: 2, comment: Some("#".to_owned()), ..CsvReading::default() };
    let schema = texts_schema(&["a", "b"]);
    let input = "\u{feff}Report \"of\n2024, May\n# units, none\n\na,b\n1,2\n#3,4\n  # x\n\"#5\",6\n7,#8\n\"9\n#9\",\"\"\n#";
    let decoded = check(reading, &schema, input);
    assert_eq!(decoded.texts(0), some(&["1", "#5", "7", "9\n#9"]));
    assert_eq!(decoded.texts(1), some(&["2", "6", "#8", ""]));
    assert!(decoded.bad.is_empty());
}

#[test]
fn escapes_are_those_of_c() {
    let reading =
        CsvReading { escape: Some(b'\\'), nulls: vec!["\\N".to_owned()], ..CsvReading::default() };
    let schema = texts_schema(&["a", "b"]);
    let input = concat!(
        "a,b\n",
        r#""say \"hi\", \\now\\","tab\there"#,
        "\"\n",
        r"one\, two,c:\\d",
        "\n",
        r"\N,\\N",
        "\n",
        "line\\\nbreak,\"line\\\nbreak\"\n",
        r#""doubled "" too",\"x\""#,
        "\n",
        r"\q,\n",
        "\n",
    );
    let decoded = check(reading, &schema, input);
    let a = ["say \"hi\", \\now\\", "one, two", "NULL", "line\nbreak", "doubled \" too", "q"];
    assert_eq!(decoded.texts(0), some(&a));
    let b = ["tab\there", "c:\\d", "\\N", "line\nbreak", "\"x\"", "\n"];
    assert_eq!(decoded.texts(1), some(&b));
}

#[test]
fn blanks_around_fields_may_not_count() {
    let reading = CsvReading { is_trimmed: true, ..CsvReading::default() };
    let schema = texts_schema(&["a", "b"]);
    let input = " a , \"b\"\n 1 ,\t\"x, y\" \n  ,  \n\" z \",q r \r\n   \n";
    let decoded = check(reading, &schema, input);
    assert_eq!(decoded.texts(0), some(&["1", "NULL", " z "]));
    assert_eq!(decoded.texts(1), some(&["x, y", "NULL", "q r"]));
    // Where they count, a quote behind one is text.
    let decoded =
        decode(&format(true, CsvReading::default()), &schema, b"a,b\n1, \"x\"\n").unwrap();
    assert_eq!(decoded.texts(1), some(&[" \"x\""]));
}

#[test]
fn missing_fields_may_be_null_and_further_ones_passed_over() {
    let schema = texts_schema(&["a", "b", "c"]);
    let input = "a,b,c\n1\n2,\"x\"\n3,y,z\n4,y,z,\n\n,\n";
    let with = |fields| CsvReading { fields, ..CsvReading::default() };
    let strict = check(with(CsvFields::Strict), &schema, input);
    assert_eq!((strict.offsets.len(), strict.bad.len()), (1, 4));
    let padded = check(with(CsvFields::Pad), &schema, input);
    assert_eq!(padded.texts(0), some(&["1", "2", "3", "NULL"]));
    assert_eq!(padded.texts(2), some(&["NULL", "NULL", "z", "NULL"]));
    assert_eq!(padded.reasons(), ["4 fields where the header has 3"]);
    let any = check(with(CsvFields::Any), &schema, input);
    assert_eq!(any.texts(1), some(&["NULL", "x", "y", "y", "NULL"]));
    assert!(any.bad.is_empty());
}
