//! Schemas from samples.

use tidemill_format::{FormatError, Member, infer_columns, infer_schema};
use tidemill_plan::{CsvFields, CsvOptions, CsvReading, Format, JsonOptions};

fn check(format: &Format, head: &str, is_whole: bool, expected: &str) {
    let schema = infer_schema(format, head.as_bytes(), is_whole).unwrap();
    let columns: Vec<String> =
        schema.fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect();
    assert_eq!(columns.join(", "), expected, "{head:?}");
    assert!(schema.fields.iter().all(|field| field.is_nullable));
}

#[test]
fn csv_takes_the_narrowest_type_of_all_values() {
    let csv = Format::Csv(CsvOptions::default());
    check(
        &csv,
        "b,i,d,day,t,s,n,m\n\
         true,1,1.5,2024-01-01,2024-01-01 10:00:00,x,,1\n\
         FALSE,-2,3,2024-02-29,2024-01-01,1,,\n",
        true,
        "b BOOLEAN, i BIGINT, d DOUBLE, day DATE, t TIMESTAMP, s VARCHAR, n VARCHAR, m BIGINT",
    );
    // 1 and 0 are integers, t and f text; a number too long for 64 bits is a DECIMAL, and one that begins
    // with a zero is none.
    check(
        &csv,
        "a,b,c,d,e\n1,t,9223372036854775808,02134,1.5\n0,f,1,94110,0.12345678901234567891\n",
        true,
        "a BIGINT, b VARCHAR, c DECIMAL(38,0), d VARCHAR, e DECIMAL(38,20)",
    );
    // The cut-off last record does not count unless it is whole.
    check(&csv, "a\n1\nx", false, "a BIGINT");
    check(&csv, "a\n1\nx", true, "a VARCHAR");
    let headless = Format::Csv(CsvOptions { has_header: false, ..CsvOptions::default() });
    check(&headless, "1,x\n2,y\n", true, "column0 BIGINT, column1 VARCHAR");
    assert!(matches!(infer_schema(&csv, b"", true), Err(FormatError::EmptySample)));
    assert!(matches!(infer_schema(&csv, b"a,b", false), Err(FormatError::Sample { .. })));
}

#[test]
fn csv_that_departs_is_inferred_as_it_is_read() {
    let with = |has_header: bool, reading: CsvReading| {
        Format::Csv(CsvOptions { has_header, reading, ..CsvOptions::default() })
    };
    let nulls = vec!["NA".to_owned()];
    let reading = CsvReading {
        nulls,
        comment: Some("#".to_owned()),
        skip_lines: 1,
        is_trimmed: true,
        fields: CsvFields::Pad,
        ..CsvReading::default()
    };
    // What is passed over, NULL, or in a record of too many fields says nothing.
    let body = "1, NA ,2.5\n# x,y,z\nNA,2024-05-01\nx,x,x,x\n,,\n2\n";
    let head = format!("a \"report\n\n# about\n i , d,f \n{body}");
    check(&with(true, reading.clone()), &head, true, "i BIGINT, d DATE, f DOUBLE");
    let head = format!("a \"report\n# about\n{body}");
    let columns = "column0 BIGINT, column1 DATE, column2 DOUBLE";
    check(&with(false, reading), &head, true, columns);
    // Columns without names go by their place.
    check(
        &with(true, CsvReading::default()),
        ",a,\n0,1,x\n",
        true,
        "column0 BIGINT, a BIGINT, column2 VARCHAR",
    );
    check(
        &with(false, CsvReading::default()),
        "\n\n1,x\n",
        true,
        "column0 BIGINT, column1 VARCHAR",
    );
    // A quoted text is no NULL.
    let reading = CsvReading { nulls: vec!["-".to_owned()], ..CsvReading::default() };
    check(&with(true, reading.clone()), "a\n1\n-\n", true, "a BIGINT");
    check(&with(true, reading), "a\n1\n\"-\"\n", true, "a VARCHAR");
}

#[test]
fn lines_that_end_with_a_carriage_return_alone_are_refused() {
    let refused = |has_header: bool, head: &str, is_whole: bool| {
        let csv = Format::Csv(CsvOptions { has_header, ..CsvOptions::default() });
        infer_schema(&csv, head.as_bytes(), is_whole).unwrap_err().to_string()
    };
    for head in ["a,b\r1,2\r3,4\r", "a,b\r1,2\n3,4\n", "\"a\",b\r\r\n1,2\r\n", "a\r1\r2"] {
        for has_header in [true, false] {
            let error = refused(has_header, head, true);
            assert!(error.contains("(CR)") && error.contains("tr '\\r' '\\n'"), "{error}");
        }
    }
    let csv = Format::Csv(CsvOptions::default());
    check(&csv, "\"a\rb\",c\r\n1,2\r\n", true, "a\rb BIGINT, c BIGINT");
}

#[test]
fn json_takes_the_union_of_keys() {
    let json = Format::Json(JsonOptions::default());
    check(
        &json,
        "{\"id\":1,\"p\":1,\"t\":\"2024-01-01T00:00:00Z\",\"d\":\"2024-01-01\",\"o\":{},\"n\":null}\n\
         \nbroken\n{\"p\":1.5,\"id\":2,\"new\":true,\"s\":\"1\",\"mix\":1}\n{\"mix\":\"x\"}\n{\"cut\":1",
        false,
        "id BIGINT, p DOUBLE, t TIMESTAMP, d DATE, o VARCHAR, n VARCHAR, new BOOLEAN, s VARCHAR, \
         mix VARCHAR",
    );
    check(
        &json,
        "{\"id\":18446744073709551615,\"ID\":1,\"x\":1e400,\"p\":0.1}\n\
         {\"id\":1,\"ID\":2.0,\"x\":1,\"p\":0.12345678901234567891}\n",
        true,
        "id DECIMAL(38,0), ID DOUBLE, x VARCHAR, p DECIMAL(38,20)",
    );
    assert!(matches!(infer_schema(&json, b"\n \n", true), Err(FormatError::EmptySample)));
    assert!(matches!(infer_schema(&json, b"[1]\n", true), Err(FormatError::Sample { .. })));
}

#[test]
fn what_stands_in_objects_of_json() {
    let json = Format::Json(JsonOptions::default());
    let head = br#"{"id":1,"http":{"status":200,"ms":1,"route":null,"tags":["x",null],"to":{"at":"2024-05-01T10:00:00Z","ok":true}},"mixed":{"a":1}}
{"id":2,"http":{"status":404,"ms":2.5,"route":"\u00e9","a.b":1,"to":{"at":null,"deep":{}}},"mixed":"text","list":[{"a":1}],"n":[]}
{"id":3,"http":null,"list":null,"some":{"a":1},"n":[ 1 , 2.5 ]}
{"id":4,"some":[1]}
"#;
    let (schema, members) = infer_columns(&json, head, true).unwrap();
    assert_eq!(schema, infer_schema(&json, head, true).unwrap());
    let shown: Vec<String> = members
        .iter()
        .map(|Member { path, data_type, element }| {
            let element = element.as_ref().map(|element| format!(" of {element}"));
            format!("{} {data_type}{}", path.join("/"), element.unwrap_or_default())
        })
        .collect();
    // Of columns that are objects or arrays alone; not of texts, nor of both.
    assert_eq!(
        shown,
        [
            "http/status BIGINT",
            "http/ms DOUBLE",
            "http/route VARCHAR",
            "http/tags VARCHAR of VARCHAR",
            "http/to VARCHAR",
            "http/to/at TIMESTAMP",
            "http/to/ok BOOLEAN",
            "http/to/deep VARCHAR",
            "http/a.b BIGINT",
            "list VARCHAR of VARCHAR",
            "n VARCHAR of DOUBLE",
        ]
    );
}
