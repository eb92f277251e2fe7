//! Arrow and Parquet on standard output, of one partition and of several.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::Host;

/// A host with three files that hold rows, none, and rows.
fn host() -> Host {
    let host = Host::new();
    for (name, range) in [("a", 0..20_000), ("b", 0..0), ("c", 20_000..20_050)] {
        let rows: String = range.map(|id| format!("{id},name {id}\n")).collect();
        host.write(&format!("in/{name}.csv"), format!("id,name\n{rows}"));
    }
    host
}

fn print(format: &str, from: &str) -> String {
    format!(
        "CREATE SINK p WITH ('connector' = 'stdout', 'format' = '{format}'); INSERT INTO p SELECT id, name FROM '{from}'"
    )
}

#[test]
fn several_partitions_print_one_stream() {
    let host = host();
    let expected = host.sql("SELECT id, name FROM 'in/*.csv'").stdout();
    for (format, cores) in [("arrow", 1), ("arrows", 2)] {
        let ran = host.sql(&format!("SET 'cores' = '{cores}'; {}", print(format, "in/*.csv")));
        assert_eq!(ran.stderr(), "");
        let bytes = ran.output.stdout;
        // A continuation marker and a length of zero end a stream, and stand nowhere else at its end.
        let end = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert!(bytes.ends_with(&end) && !bytes[..bytes.len() - 8].ends_with(&end));
        // The one schema names both columns.
        assert_eq!(bytes.windows(4).filter(|bytes| *bytes == b"name").count(), 20_050 + 1);
        host.write("printed.arrows", &bytes);
        assert!(host.sql("SELECT * FROM 'printed.arrows'").stdout() == expected, "{format}");
    }
}

#[test]
fn a_partition_prints_a_parquet_file_and_several_are_refused() {
    let host = host();
    let one = host.sql(&print("parquet", "in/c.csv"));
    host.write("printed.parquet", &one.output.stdout);
    assert_eq!(host.sql("SELECT COUNT(*) AS n FROM 'printed.parquet'").stdout(), "n\n50\n");
    let said = host.sql(&print("parquet", "in/*.csv")).fails(2);
    let message = "3 partitions would write 3 Parquet files behind one another to standard output";
    let remedy = "write one file, with 'connector' = 'file' and 'path' = 'o.parquet', or print a stream in the format arrows";
    assert!(said.contains(message) && said.contains(remedy), "{said}");
}
