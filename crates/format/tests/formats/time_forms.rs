//! Times in a form that was asked for, however the input is cut, and there and back again.

use tidemill_format::Encoder;
use tidemill_plan::{CsvOptions, Format, JsonOptions, TimeForm, Times, TimestampUnit};
use tidemill_record::{Batch, DataType, Field, Schema, TimeFormat};

use crate::decoding::check_every_cut;

fn schema() -> Schema {
    let column = |name: &str| Field::nullable(name, DataType::Timestamp);
    Schema::new(vec![column("a"), column("b"), Field::nullable("c", DataType::Date)])
}

fn format(text: &str) -> TimeForm {
    TimeForm::Format(TimeFormat::to_read(text).unwrap())
}

fn formats(times: &Times) -> [Format; 2] {
    [
        Format::Csv(CsvOptions { times: times.clone(), ..CsvOptions::default() }),
        Format::Json(JsonOptions { times: times.clone(), ..JsonOptions::default() }),
    ]
}

#[test]
fn what_is_written_in_a_form_is_read_in_it() {
    let input =
        b"a,b,c\n1969-12-31 23:59:59.999999,1970-01-01,1969-02-28\n,2024-02-29 12:00:00.000001,\n\
        9999-12-31 23:59:59.5,0001-01-01 00:00:00,9999-12-31\n2024-05-01 00:00:00,,0001-01-01\n";
    let usual = Format::Csv(CsvOptions::default());
    let expected = check_every_cut(&usual, &schema(), input);
    for (timestamp, own, date) in [
        (format("%d/%b/%Y:%H:%M:%S.%f %z"), format("%G-W%V-%u \"%T\\%f\""), format("%j %Y")),
        (
            TimeForm::Count(TimestampUnit::Microseconds),
            format("%s,%f,%Y%m%d %T"),
            format("%m/%d/%Y"),
        ),
        (TimeForm::Iso { has_zone: true }, TimeForm::Iso { has_zone: false }, format("%Y%m%d")),
    ] {
        // A format with %s reads seconds and their fraction, whatever else it has.
        let times = Times {
            timestamp: Some(timestamp),
            date: Some(date),
            columns: vec![("b".to_owned(), own)],
        };
        for format in formats(&times) {
            let batch = Batch::new(expected.columns.clone(), expected.offsets.clone().into());
            let mut encoder = Encoder::new(&format, &schema()).unwrap();
            let mut text = Vec::new();
            encoder.encode(&batch, &mut text).unwrap();
            encoder.finish(&mut text).unwrap();
            let read = check_every_cut(&format, &schema(), &text);
            assert!(read.bad.is_empty(), "{:?}", read.bad);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(read.columns, expected.columns, "{times:?}: {shown}");
        }
    }
}

#[test]
fn a_value_of_another_form_is_bad_and_digits_that_no_timestamp_has_are_counted() {
    let times = Times { timestamp: Some(format("%d.%m.%Y %H:%M:%S.%n")), ..Times::default() };
    let [csv, json] = formats(&times);
    let found = check_every_cut(
        &csv,
        &schema(),
        b"a,b,c\n01.05.2024 10:00:00.5,,\n2024-05-01 10:00:00,,\n,01.05.2024 10:00:00.1234567,\n",
    );
    let reason = "'2024-05-01 10:00:00' is not of the format '%d.%m.%Y %H:%M:%S.%n': another text is due at byte 3";
    assert_eq!(found.reasons(), [reason]);
    assert_eq!(found.offsets.len(), 2);
    let found = check_every_cut(&json, &schema(), b"{\"a\":20240501}\n{\"b\":true}\n");
    assert_eq!(
        found.reasons(),
        [
            "'20240501' is not of the format '%d.%m.%Y %H:%M:%S.%n': another text is due at byte 3",
            "true is not a value of TIMESTAMP",
        ]
    );
}
