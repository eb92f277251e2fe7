//! Input whose columns nobody declared: what they leave out is named, and no value changes on the way.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::Host;

/// Runs a query: its rows, and its warnings.
fn run(host: &Host, sql: &str) -> (String, String) {
    let ran = host.sql(sql);
    ran.succeeds();
    (ran.stdout(), ran.stderr())
}

/// More lines than the sample holds.
fn many(line: impl Fn(usize) -> String) -> String {
    (0..30_000).map(line).collect()
}

#[test]
fn a_key_behind_the_sample_is_named_with_its_first_line() {
    let host = Host::new();
    let late = |row| match row % 10_000 {
        9_999 => format!("{{\"id\":{row},\"err\":\"x\"}}\n"),
        _ => format!("{{\"id\":{row}}}\n"),
    };
    host.write("t.jsonl", many(late));
    let (rows, warnings) = run(&host, "SELECT COUNT(*) AS n, SUM(id) AS s FROM 't.jsonl'");
    assert_eq!(rows, "n,s\n30000,449985000\n");
    // The first 256 KiB, some 20,000 lines, are the sample: of three records, two lie in it.
    assert!(warnings.is_empty(), "a key of the sample is a column: {warnings}");

    let late = |row| match row {
        28_000 | 29_000 => format!("{{\"err\":\"x\",\"id\":{row}}}\n"),
        _ => format!("{{\"id\":{row}}}\n"),
    };
    host.write("u.jsonl", many(late));
    let (_, warnings) = run(&host, "SELECT * FROM 'u.jsonl' WHERE id < 0");
    assert!(
        warnings.contains("2 records have the key \"err\"")
            && warnings.contains("u.jsonl, line 28001"),
        "{warnings}"
    );
    // Who declares columns does not want others.
    let (_, warnings) = run(
        &host,
        "CREATE SOURCE u (id BIGINT) WITH ('connector' = 'file', 'path' = 'u.jsonl'); \
         SELECT * FROM u WHERE id < 0",
    );
    assert!(warnings.is_empty(), "{warnings}");
}

#[test]
fn what_only_a_later_file_has_is_named() {
    let host = Host::new();
    host.write("c/1.csv", "a,b\n1,2\n");
    host.write("c/2.csv", "extra,b,A\n9,4,3\n");
    let (rows, warnings) = run(&host, "SELECT * FROM 'c/*.csv'");
    assert_eq!(rows, "a,b\n1,2\n3,4\n");
    assert!(warnings.contains("\"extra\"") && warnings.contains("c/2.csv"), "{warnings}");

    host.write("j/1.jsonl", "{\"a\":1}\n");
    host.write("j/2.jsonl", "{\"a\":2,\"more\":{\"x\":1}}\n");
    let (rows, warnings) = run(&host, "SELECT a FROM 'j/*.jsonl'");
    assert_eq!(rows, "a\n1\n2\n");
    assert!(
        warnings.contains("1 record has the key \"more\"") && warnings.contains("2.jsonl, line 1"),
        "{warnings}"
    );

    for format in ["arrow", "parquet"] {
        let write = |name: &str, columns: &str| {
            host.sql(&format!(
                "CREATE STREAM s WITH ('connector' = 'file', 'path' = '{format}/{name}', \
                 'format' = '{format}') AS SELECT {columns} FROM 'c/1.csv'"
            ))
            .succeeds();
        };
        write("1", "a, b");
        write("2", "b, a, a + b AS later");
        let (rows, warnings) = run(&host, &format!("SELECT * FROM '{format}/**/*.{format}'"));
        assert_eq!(rows, "a,b\n1,2\n1,2\n");
        assert!(
            warnings.contains("\"later\"") && warnings.contains(&format!("{format}/2/")),
            "{warnings}"
        );
    }
}

#[test]
fn a_file_that_lacks_a_column_stops_the_job() {
    let host = Host::new();
    host.write("c/1.csv", "a,b\n1,2\n");
    host.write("c/2.csv", "b\n4\n");
    let failed = host.sql("SELECT * FROM 'c/*.csv'").fails(1);
    assert!(failed.contains("column a is not in the input, which has b"), "{failed}");
    assert!(failed.contains("at c/2.csv"), "{failed}");
}

#[test]
fn no_value_changes_on_its_way_through_an_inferred_type() {
    let host = Host::new();
    let csv = "big,zip,phone,exact,float,when,mixed\n\
               18446744073709551613,02134,+49301,0.12345678901234567891,0.1,2024-01-01 00:00:00.123456,1\n\
               18446744073709551614,94110,+49302,0.12345678901234567892,1e+20,2024-01-01 00:00:00.123457,007\n";
    host.write("t.csv", csv);
    let (rows, warnings) = run(&host, "SELECT * FROM 't.csv'");
    assert_eq!(rows, csv);
    assert!(warnings.is_empty(), "{warnings}");
    let (rows, _) = run(
        &host,
        "SELECT COUNT(DISTINCT big) AS b, COUNT(DISTINCT exact) AS e, \
         COUNT(*) FILTER (WHERE big = 18446744073709551614) AS hits FROM 't.csv'",
    );
    assert_eq!(rows, "b,e,hits\n2,2,1\n");
    host.write(
        "t.jsonl",
        "{\"id\":-99999999999999999999,\"ID\":1,\"x\":1e400}\n{\"ID\":2,\"id\":5,\"x\":0.5}\n",
    );
    let (rows, _) = run(&host, "SELECT id, \"ID\", x FROM 't.jsonl'");
    assert_eq!(rows, "id,ID,x\n-99999999999999999999,1,1e400\n5,2,0.5\n");
}

#[test]
fn digits_that_a_timestamp_does_not_hold_are_counted() {
    let host = Host::new();
    host.write("t.csv", "n,at\n1,2024-01-01 00:00:00\n2,2024-01-01 00:00:00.1234567\n");
    for query in ["SELECT n, at FROM t", "SELECT COUNT(DISTINCT at) AS n FROM t"] {
        let (_, warnings) = run(
            &host,
            &format!(
                "CREATE SOURCE t (n BIGINT, at TIMESTAMP) \
                 WITH ('connector' = 'file', 'path' = 't.csv'); {query}"
            ),
        );
        assert!(
            warnings.contains("1 record has digits below the microsecond")
                && warnings.contains("t.csv, line 3"),
            "{warnings}"
        );
    }
}

#[test]
fn times_with_nanoseconds_are_inferred_and_their_digits_counted() {
    let host = Host::new();
    host.write(
        "t.csv",
        "n,at\n1,2024-05-01T10:00:00.123456789Z\n2,2024-05-01 09:00:00.000000999\n3,2024-05-02\n",
    );
    host.write(
        "t.jsonl",
        "{\"n\":1,\"at\":\"2024-05-01T10:00:00.123456789Z\"}\n\
         {\"n\":2,\"at\":\"2024-05-01 09:00:00.000000999\"}\n{\"n\":3,\"at\":\"2024-05-02\"}\n",
    );
    for (name, line) in [("t.csv", 2), ("t.jsonl", 1)] {
        let (rows, warnings) = run(
            &host,
            &format!(
                "SELECT n, at, DATE_TRUNC('hour', at) AS hour FROM '{name}' \
                 WHERE at < '2024-05-01 23:00:00' ORDER BY at"
            ),
        );
        // As text, the T of the first is greater than the space of the literal.
        assert_eq!(
            rows,
            "n,at,hour\n2,2024-05-01 09:00:00,2024-05-01 09:00:00\n\
             1,2024-05-01 10:00:00.123456,2024-05-01 10:00:00\n"
        );
        assert!(
            warnings.contains("2 records have digits below the microsecond")
                && warnings.contains(&format!("{name}, line {line}")),
            "{warnings}"
        );
    }
}

#[test]
fn numbers_with_an_exponent_or_a_signed_fraction_are_doubles() {
    let host = Host::new();
    // What numpy's savetxt writes of 0.1 and 3, and a column of signed readings.
    host.write(
        "t.csv",
        "x,delta,phone\n1.000000000000000056e-01,+9.5,+49301\n3.000000000000000000e+00,-3,+49302\n",
    );
    let (rows, _) =
        run(&host, "SELECT x, delta, phone FROM 't.csv' WHERE x * 2 > 0 AND delta < 20");
    assert_eq!(rows, "x,delta,phone\n0.1,9.5,+49301\n3.0,-3.0,+49302\n");
}

#[test]
fn a_column_that_a_later_file_lacks_takes_no_other_columns_values() {
    let host = Host::new();
    host.write("vv/1.csv", "V,v\n1,2\n");
    host.write("vv/2.csv", "v,x\n3,9\n");
    for query in ["SELECT \"V\", v FROM 'vv/*.csv'", "SELECT \"V\" FROM 'vv/*.csv'"] {
        let failed = host.sql(query).fails(1);
        assert!(failed.contains("column V is not in the input, which has v, x"), "{failed}");
    }
    let (rows, _) = run(&host, "SELECT v FROM 'vv/*.csv' ORDER BY v");
    assert_eq!(rows, "v\n2\n3\n");
    // A name that is no column's still finds its column in any case.
    host.write("ww/1.csv", "Key,v\n1,2\n");
    host.write("ww/2.csv", "v,KEY\n3,9\n");
    let (rows, _) = run(&host, "SELECT \"Key\", v FROM 'ww/*.csv' ORDER BY v");
    assert_eq!(rows, "Key,v\n1,2\n9,3\n");
}

#[test]
fn a_later_files_identifiers_are_no_numbers() {
    let host = Host::new();
    host.write("z/1.csv", "zip,n\n94110,1\n");
    host.write("z/2.csv", "zip,n\n94111,1\n02134,2\n");
    for query in ["SELECT zip, n FROM 'z/*.csv'", "SELECT zip + 1 AS next FROM 'z/*.csv'"] {
        let failed = host.sql(query).fails(1);
        assert!(
            failed.contains("'02134' begins with a zero or plus that BIGINT would lose")
                && failed.contains("inferred")
                && failed.contains("VARCHAR"),
            "{failed}"
        );
    }
    let declared = "CREATE SOURCE z (zip BIGINT) WITH ('connector' = 'file', 'path' = 'z/*.csv'); \
                    SELECT SUM(zip) AS s FROM z";
    assert_eq!(run(&host, declared).0, "s\n190355\n");
}

#[test]
fn years_of_every_length_and_sign_are_read() {
    let host = Host::new();
    host.write(
        "t.csv",
        "n,day,at\n1,0044-03-15 (BC),+012345-01-01T00:00:00.000Z\n2,-0043-03-15,-000001-12-31 23:59:59\n\
         3,0044-03-15 BC,0001-01-01 00:00:00 BC\n4,+12345-01-01,0000-01-01\n",
    );
    let (rows, _) = run(&host, "SELECT * FROM 't.csv'");
    assert_eq!(
        rows,
        "n,day,at\n1,-0043-03-15,12345-01-01 00:00:00\n2,-0043-03-15,-0001-12-31 23:59:59\n\
         3,-0043-03-15,0000-01-01 00:00:00\n4,12345-01-01,0000-01-01 00:00:00\n"
    );
    host.write("u.csv", "at\n2024-01-01 00:00:00\n300000-01-01 00:00:00\n");
    let failed = host
        .sql(
            "CREATE SOURCE u (at TIMESTAMP) WITH ('connector' = 'file', 'path' = 'u.csv'); \
             SELECT at FROM u",
        )
        .fails(1);
    assert!(failed.contains("out of range for TIMESTAMP"), "{failed}");
}

#[test]
fn names_without_quotes_find_columns_of_files_in_any_case() {
    let host = Host::new();
    host.write("t.jsonl", "{\"userId\":1,\"Name\":\"x\"}\n{\"userId\":2,\"Name\":\"y\"}\n");
    let (rows, _) = run(&host, "SELECT userid, NAME FROM 't.jsonl' WHERE UserID > 1");
    assert_eq!(rows, "userId,Name\n2,y\n");
    host.write("u.csv", "userId,UserID\n1,2\n");
    let failed = host.sql("SELECT userid FROM 'u.csv'").fails(2);
    assert!(failed.contains("\"userId\" or \"UserID\"") && failed.contains("quotes"), "{failed}");
}

#[test]
fn what_is_taken_for_no_header_or_another_delimiter_is_said() {
    let host = Host::new();
    host.write("h.csv", "1,2024-05-01\n2,2024-05-02\n");
    let (rows, warnings) = run(&host, "SELECT SUM(column0) AS s FROM 'h.csv'");
    assert_eq!(rows, "s\n3\n");
    assert!(
        warnings.contains("h.csv has no header")
            && warnings.contains("1,2024-05-01")
            && warnings.contains("'csv.header' = 'true'"),
        "{warnings}"
    );
    // A name that is asked for may be in the line that was taken for a record.
    let failed = host.sql("SELECT \"1\" FROM 'h.csv'").fails(2);
    assert!(failed.contains("note: h.csv has no header"), "{failed}");
    let said = "CREATE SOURCE h WITH ('connector' = 'file', 'path' = 'h.csv', 'csv.header' = 'false'); \
                SELECT SUM(column0) AS s FROM h";
    let (rows, warnings) = run(&host, said);
    assert_eq!((rows.as_str(), warnings.as_str()), ("s\n3\n", ""));

    // Both the comma and the semicolon cut each line alike.
    host.write("both.csv", "a;b,c;d\n1;2,5;3\n2;3,5;4\n");
    let (rows, warnings) = run(&host, "SELECT a, \"b,c\", d FROM 'both.csv'");
    assert_eq!(rows, "a,\"b,c\",d\n1,\"2,5\",3\n2,\"3,5\",4\n");
    assert!(
        warnings.contains("both.csv is read with ';' between fields")
            && warnings.contains("with ',' it has 2"),
        "{warnings}"
    );
    // None cuts the records alike.
    host.write("uneven.csv", "a;b;c\n1;2\n1;2;3;4\n3;4;5\n");
    let (rows, warnings) = run(&host, "SELECT COUNT(*) AS n FROM 'uneven.csv'");
    assert_eq!(rows, "n\n3\n");
    assert!(warnings.contains("with ';' it has 3"), "{warnings}");
    // A comma that cuts is what it is for.
    host.write("plain.csv", "a,b\nx;y,1\n");
    assert_eq!(run(&host, "SELECT a FROM 'plain.csv'"), ("a\nx;y\n".to_owned(), String::new()));
}
