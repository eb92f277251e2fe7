//! Files as strangers have them: what stands beside the data, names, links, and what the bytes really are.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use support::Host;

/// What a tool of the host makes of bytes.
fn filtered(command: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn utf16(text: &str) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_no_text_is_named_whether_columns_are_declared_or_not() {
    let host = Host::new();
    let gzip = filtered("gzip", &["-c"], b"{\"id\":1}\n");
    let twice = filtered("gzip", &["-c"], &gzip);
    host.write("ids.csv", "id\n1\n");
    let sink = "CREATE SINK p WITH ('connector' = 'file', 'path' = 'p', 'format' = 'parquet'); ";
    host.sql(&format!("{sink}INSERT INTO p SELECT id FROM 'ids.csv'")).succeeds();
    let parquet = fs::read(host.path("p/part-00000-000000.parquet")).unwrap();
    let cases: [(&str, &[u8], &str, &str); 7] = [
        ("a.jsonl", &gzip, "holds gzip data", "end its name in .gz"),
        ("b.jsonl", &utf16("{\"id\":1}\n")[2..], "holds UTF-16 text", "'encoding' = 'utf-16'"),
        ("c.csv", &utf16("id\n1\n")[2..], "holds UTF-16 text", "'encoding' = 'utf-16'"),
        ("u.csv", b"\xff\xfe\0\0i\0\0\0d\0\0\0", "holds UTF-32 text", "iconv"),
        ("d.csv", &parquet, "holds Parquet", "'format' = 'parquet'"),
        ("e.jsonl.gz", &twice, "holds gzip data inside", "compressed twice"),
        ("f.parquet", &gzip, "holds gzip data", "read as Parquet"),
    ];
    for (name, bytes, what, remedy) in cases {
        host.write(name, bytes);
        let inferred = host.sql(&format!("SELECT * FROM '{name}'")).fails(1);
        assert!(inferred.contains(what) && inferred.contains(remedy), "{name}: {inferred}");
        assert!(inferred.contains(name) && !inferred.contains("empty"), "{name}: {inferred}");
        let declared = format!(
            "CREATE SOURCE s (id BIGINT) WITH ('connector' = 'file', 'path' = '{name}'); \
             SELECT id FROM s"
        );
        let declared = host.sql(&declared).fails(1);
        assert!(declared.contains(what) && declared.contains(remedy), "{name}: {declared}");
    }
    host.write("g.jsonl.GZ", &gzip);
    assert_eq!(host.sql("SELECT * FROM 'g.jsonl.GZ'").succeeds(), "id\n1\n");
}

#[test]
fn text_of_any_encoding_is_read() {
    let host = Host::new();
    let (records, header) = ("1,é,10\n2,日本,20\n3,a;b,30\n", "n,s,v\n");
    let rows = format!("{header}{records}");
    let select = |name: &str| host.sql(&format!("SELECT n, s, v FROM '{name}'"));
    // UTF-16 by its mark, both ways round, alone and compressed; said once.
    let big = |text: &str| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(u16::to_be_bytes).collect()
    };
    host.write("le.csv", utf16(&rows));
    host.write("be.csv", big(&rows));
    host.write("le.csv.gz", filtered("gzip", &["-c"], &utf16(&rows)));
    for name in ["le.csv", "be.csv", "le.csv.gz"] {
        let ran = select(name);
        assert_eq!(ran.succeeds(), rows, "{name}");
        assert!(
            ran.stderr().contains("was read as that; 'encoding' = 'utf-16'"),
            "{}",
            ran.stderr()
        );
    }
    let ran = host.sql("SELECT SUM(v) AS v FROM '?e.csv'");
    assert_eq!((ran.succeeds().as_str(), ran.stderr().matches("UTF-16").count()), ("v\n120\n", 1));
    // What is said is not mentioned, with or without a mark, whatever the columns come from.
    let with = |columns: &str, name: &str, encoding: &str, rest: &str| {
        host.sql(&format!(
            "CREATE SOURCE t {columns} WITH ('connector' = 'file', 'path' = '{name}', \
             'encoding' = '{encoding}' {rest}); SELECT n, s, v FROM t"
        ))
    };
    host.write("bare.csv", &utf16(&rows)[2..]);
    for (name, encoding) in [("le.csv", "UTF-16"), ("bare.csv", "utf16"), ("bare.csv", "utf-16le")]
    {
        for columns in ["", "(n INT, s VARCHAR, v INT)"] {
            let ran = with(columns, name, encoding, ", 'splits' = '3'");
            assert_eq!((ran.succeeds(), ran.stderr()), (rows.clone(), String::new()), "{name}");
        }
    }
    // Single bytes.
    host.write("l1.csv", b"n,s,v\n1,caf\xe9,2\n");
    for encoding in ["latin-1", "windows-1252", "iso-8859-15"] {
        let ran = with("", "l1.csv", encoding, "");
        assert_eq!(ran.succeeds(), "n,s,v\n1,café,2\n", "{encoding}");
    }
    let failed = select("l1.csv").fails(1);
    assert!(
        failed.contains("invalid UTF-8 at byte 5 of the record")
            && failed.contains("'encoding' = 'latin-1'"),
        "{failed}"
    );
    host.write("euro.csv", b"n,s,v\n1,5 \x80,2\n2,x,3\n");
    let failed = with("", "euro.csv", "latin-1", "").fails(1);
    assert!(
        failed.contains("'encoding' = 'windows-1252'") && failed.contains("line 2"),
        "{failed}"
    );
    let skipped = with("", "euro.csv", "latin-1", ", 'bad.records' = 'skip'");
    assert_eq!(skipped.succeeds(), "n,s,v\n2,x,3\n");
    assert_eq!(with("", "euro.csv", "cp1252", "").succeeds(), "n,s,v\n1,5 €,2\n2,x,3\n");
    // Offsets and lines are those of the text.
    host.write("bad.csv", utf16("n,s,v\n1,日本,2\nx,y,z\n"));
    let failed = with("(n INT, s VARCHAR, v INT)", "bad.csv", "utf-16", "").fails(1);
    assert!(failed.contains("offset 20") && failed.contains("line 3"), "{failed}");
    // What is no text format, and no encoding.
    let failed = with("(n INT)", "x.parquet", "latin-1", "").fails(2);
    assert!(failed.contains("unknown option 'encoding'"), "{failed}");
    let failed = with("", "l1.csv", "latin-7", "").fails(2);
    assert!(failed.contains("option 'encoding' cannot be 'latin-7'"), "{failed}");
}

#[test]
fn a_folder_that_another_engine_wrote_is_read_as_its_data() {
    let host = Host::new();
    for name in ["_SUCCESS", "._SUCCESS.crc", ".part-0.csv.crc", "_metadata", ".DS_Store"] {
        host.write(&format!("out.csv/{name}"), "\0\0 not a record");
    }
    host.write("out.csv/part-0.csv", "a\n1\n");
    host.write("out.csv/part-1.csv", "a\n2\n");
    let source = "CREATE SOURCE s (a BIGINT) WITH ('connector' = 'file', 'path' = 'out.csv', \
                  'format' = 'csv'); SELECT a FROM s";
    let ran = host.sql(source);
    assert_eq!((ran.succeeds().as_str(), ran.stderr().as_str()), ("a\n1\n2\n", ""));
    // What may be meant is named, once, quiet or not.
    host.write("out.csv/_extra.csv", "a\n3\n");
    host.write("out.csv/year=2024/part-0.csv", "a\n4\n");
    let ran = host.sql(&format!("{source}; SELECT COUNT(*) AS n FROM s"));
    let stderr = ran.stderr();
    assert_eq!(ran.succeeds(), "a\n1\n2\nn\n2\n");
    assert_eq!(stderr.matches("warning:").count(), 2, "{stderr}");
    assert!(stderr.contains("out.csv/_extra.csv") && stderr.contains("year=2024"), "{stderr}");
}

#[test]
fn more_files_than_may_be_open_at_once_are_read_one_after_another() {
    let host = Host::new();
    for file in 0..600 {
        host.write(&format!("d/{file}.csv"), "a\n1\n");
    }
    let sql = "CREATE SINK kept WITH ('connector' = 'file', 'path' = 'kept', 'format' = 'csv'); \
               INSERT INTO kept SELECT a FROM 'd/*.csv'; SELECT SUM(a) AS s FROM 'd/*.csv'";
    let run = "ulimit -n 64; exec \"$0\" run --quiet --format csv -e \"$1\"";
    let mut command = Command::new("sh");
    command.current_dir(host.path("")).args(["-c", run, env!("CARGO_BIN_EXE_tidemill"), sql]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "s\n600\n", "{output:?}");
    let kept = fs::read_dir(host.path("kept")).unwrap();
    let kept = kept.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    assert_eq!(kept.map(|text| text.matches("1\n").count()).sum::<usize>(), 600);
}

#[test]
fn links_and_names_of_any_bytes_under_a_glob() {
    let host = Host::new();
    host.write("d/a.csv", "a\n1\n");
    host.write("d/b.txt", "x");
    fs::write(host.path("d").join(OsStr::from_bytes(b"caf\xe9.txt")), "x").unwrap();
    fs::write(host.path("d").join(OsStr::from_bytes(b"\xff.csv")), "a\n2\n").unwrap();
    symlink("a.csv", host.path("d/same.csv")).unwrap();
    symlink("..", host.path("d/up")).unwrap();
    for path in ["d/*.csv", "**/*.csv", "d/**/*.csv"] {
        let ran = host.sql(&format!("SELECT SUM(a) AS s FROM '{path}'"));
        assert_eq!(ran.succeeds(), "s\n3\n", "{path}");
        assert!(ran.stderr().contains("each file is read once"), "{}", ran.stderr());
    }
    symlink("no/where", host.path("d/dead.csv")).unwrap();
    let refused = host.sql("SELECT a FROM 'd/*.csv'").fails(1);
    assert!(refused.contains("d/dead.csv is a link to no/where"), "{refused}");
}

/// What rotation and Apache call logs, and globs of them, are read like `access.log`.
#[test]
fn logs_are_known_by_what_writers_call_them() {
    let host = Host::new();
    let line =
        "10.0.0.1 - - [01/May/2024:13:05:09 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl\"\n";
    for name in ["access.log", "access.log.1", "access_log", "access.log-20240501"] {
        host.write(&format!("{name}.d/{name}"), line);
        let sql = |path: &str| format!("SELECT status FROM '{name}.d/{path}'");
        for path in [name.to_owned(), format!("{}*", &name[..10])] {
            let ran = host.tidemill(&["run", "-q", "-e", &sql(&path)]);
            assert_eq!(ran.succeeds(), "status\n200\n", "{path}");
        }
    }
    host.write("empty.log", "\n");
    let ran = host.tidemill(&["run", "-q", "-e", "SELECT * FROM 'empty.log'"]);
    assert!(ran.stderr().contains("empty.log is empty"), "{}", ran.stderr());
}
