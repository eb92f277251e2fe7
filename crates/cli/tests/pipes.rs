//! Pipes as sources: standard input, FIFOs, descriptors.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use support::Host;

const QUIET: [&str; 5] = ["run", "--quiet", "--format", "csv", "-e"];

fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string, which mkfifo does not keep.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// Runs a command with these pieces on standard input, the end of which is then closed.
fn fed(host: &Host, arguments: &[&str], pieces: &[&[u8]]) -> Output {
    let mut command = host.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for piece in pieces {
        // Who refuses to read may have gone.
        let _ = stdin.write_all(piece).and_then(|()| stdin.flush());
        std::thread::sleep(Duration::from_millis(30));
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn given(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(1 | 2)) && !stderr.contains("panicked"),
        "{stderr}"
    );
    assert!(words.iter().all(|word| stderr.contains(word)), "{words:?} in {stderr}");
}

fn source(path: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE s (a BIGINT, b VARCHAR) WITH ('connector' = 'file', 'path' = '{path}', \
         'format' = 'csv'{options}); "
    )
}

#[test]
fn standard_input_is_a_source_with_columns_or_without() {
    let host = Host::new();
    let csv: [&[u8]; 4] = [b"a,b\n1,x\n2", b",y\n", b"3,\"p\nq\"", b"\n4,z"];
    let expected = "n,s\n4,10\n";
    let query = "SELECT COUNT(*) AS n, SUM(a) AS s FROM ";
    for path in ["/dev/stdin", "-", "/dev/fd/0", "/proc/self/fd/0"] {
        let bare = format!("{query} '{path}'");
        assert_eq!(given(&fed(&host, &[&QUIET[..], &[&bare]].concat(), &csv)), expected, "{path}");
        let declared = format!("{}{query} s", source(path, ""));
        assert_eq!(given(&fed(&host, &[&QUIET[..], &[&declared]].concat(), &csv)), expected);
    }
    let json: [&[u8]; 2] = [b"{\"a\":1}\n{\"a\"", b":9}"];
    let bare = format!("{query} '/dev/stdin'");
    assert_eq!(given(&fed(&host, &[&QUIET[..], &[&bare]].concat(), &json)), "n,s\n2,10\n");
    // More than is looked at to infer the columns, every byte of it once.
    let many: String = (0..100_000).map(|n| format!("{n}\t{n}\n")).collect();
    let many = format!("a\tb\n{many}");
    let sum = given(&fed(&host, &[&QUIET[..], &[&bare]].concat(), &[many.as_bytes()]));
    assert_eq!(sum, "n,s\n100000,4999950000\n");
    let nothing = source("-", "") + "SELECT a FROM s";
    assert_eq!(given(&fed(&host, &[&QUIET[..], &[&nothing]].concat(), &[])), "a\n");
}

#[test]
fn a_file_as_standard_input_is_a_file() {
    let host = Host::new();
    host.write("in.csv", "a,b\n1,x\n");
    let mut command = host.command(&[&QUIET[..], &["SELECT a, b FROM '/dev/stdin'"]].concat());
    command.stdin(fs::File::open(host.path("in.csv")).unwrap());
    assert_eq!(given(&command.output().unwrap()), "a,b\n1,x\n");
}

#[test]
fn what_cannot_be_read_of_a_pipe_is_refused_by_name() {
    let host = Host::new();
    let run = |sql: &str, bytes: &[u8]| fed(&host, &[&QUIET[..], &[sql]].concat(), &[bytes]);
    let twice = source("-", "") + "SELECT a FROM s UNION ALL SELECT a FROM s";
    refused(&run(&twice, b"a,b\n"), &["read once", "twice"]);
    let two = "SELECT a FROM '-'; SELECT b FROM '/dev/stdin'";
    refused(&run(two, b"a,b\n1,2\n"), &["read once"]);
    refused(&run("SELECT * FROM '-'", b"\x1f\x8b\x08\0\0\0\0\0"), &["gzip data", "gunzip -c"]);
    let declared = source("-", "") + "SELECT a FROM s";
    refused(&run(&declared, b"\x1f\x8b\x08\0\0\0\0\0\0\0\n"), &["gzip data", "gunzip -c"]);
    refused(&run("SELECT * FROM '-'", b"PAR1\x15\x04\x15\x10PAR1"), &["pipe", "Parquet", "file"]);
    refused(&run("SELECT * FROM '-'", b"no idea\n"), &["format", "CREATE SOURCE"]);
    let script = "SELECT * FROM '/dev/stdin'";
    refused(&fed(&host, &["run", "-"], &[script.as_bytes()]), &["pipe", "read once"]);
}

#[test]
fn check_and_explain_read_nothing() {
    let host = Host::new();
    make_fifo(&host.path("fifo"));
    let declared = source("fifo", "") + "SELECT a FROM s";
    for command in ["check", "explain"] {
        // Nobody writes, and nobody waits for that.
        host.tidemill(&[command, "-e", &declared]).succeeds();
        let inferred = host.tidemill(&[command, "-e", "SELECT * FROM 'fifo'"]);
        let inferred = inferred.fails(1);
        assert!(inferred.contains("declare them with CREATE SOURCE"), "{inferred}");
        let untyped = "CREATE SOURCE s WITH ('connector' = 'file', 'path' = 'fifo', 'format' = 'csv'); \
                       SELECT * FROM s";
        let untyped = host.tidemill(&[command, "-e", untyped]).fails(1);
        assert!(untyped.contains("declare them with CREATE SOURCE"), "{untyped}");
    }
}

#[test]
fn a_fifo_is_read_as_it_comes_until_the_last_writer_goes() {
    let host = Host::new();
    let fifo = host.path("fifo");
    make_fifo(&fifo);
    for options in ["", ", 'follow' = 'true'"] {
        let sql = source("fifo", options) + "SELECT a, b FROM s";
        let mut command = host.command(&[&QUIET[..], &[&sql]].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Opens once the job reads.
        let mut writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        writer.write_all(b"a,b\n1,x").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        writer.write_all(b"y\n2,z\n").unwrap();
        drop(writer);
        assert_eq!(given(&child.wait_with_output().unwrap()), "a,b\n1,xy\n2,z\n", "{options}");
    }
}

#[test]
fn a_stop_ends_a_job_that_waits_for_a_silent_pipe() {
    let host = Host::new();
    let fifo = host.path("fifo");
    make_fifo(&fifo);
    for options in ["", ", 'follow' = 'true'"] {
        let sql = source("fifo", options) + "SELECT COUNT(*) AS n FROM s GROUP BY b EMIT CHANGES";
        let mut command = host.command(&[&QUIET[..], &[&sql]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        writer.write_all(b"a,b\n1,x\n").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let asked = Instant::now();
        // SAFETY: the child has not been waited for, so that the number is still its own.
        unsafe { libc::kill(libc::pid_t::try_from(child.id()).unwrap(), libc::SIGTERM) };
        child.wait().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(20), "{options}");
        drop(writer);
    }
}

#[test]
fn text_of_another_encoding_comes_through_a_pipe() {
    let host = Host::new();
    let text = "\u{feff}{\"a\":1,\"b\":\"日\"}\n{\"a\":2,\"b\":\"é\"}\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let sql = "SELECT a, b FROM '-'";
    let whole = fed(&host, &[&QUIET[..], &[sql]].concat(), &[&bytes]);
    assert_eq!(given(&whole), "a,b\n1,日\n2,é\n");
    // In the middle of a mark, of a character, and of a line.
    let pieces = [&bytes[..1], &bytes[1..3], &bytes[3..31], &bytes[31..60], &bytes[60..]];
    let declared = format!("{}SELECT a, b FROM s", source("-", "").replace("csv", "json"));
    for sql in [sql, declared.as_str()] {
        let cut = fed(&host, &[&QUIET[..], &[sql]].concat(), &pieces);
        assert_eq!(given(&cut), "a,b\n1,日\n2,é\n");
    }
    let latin = source("-", ", 'encoding' = 'latin-1'");
    let sql = format!("{latin}SELECT a, b FROM s");
    let ran = fed(&host, &[&QUIET[..], &[sql.as_str()]].concat(), &[b"a,b\n1,caf\xe9\n"]);
    assert_eq!(given(&ran), "a,b\n1,café\n");
}

#[test]
fn what_the_kernel_makes_up_is_read_to_its_end() {
    let host = Host::new();
    let source = "CREATE SOURCE s (line VARCHAR) WITH ('connector' = 'file', 'path' = '/proc/mounts', 'format' = 'csv', \
                  'csv.header' = 'false', 'csv.delimiter' = '|', 'csv.quote' = '~'); SELECT COUNT(*) AS n FROM s";
    let expected = fs::read_to_string("/proc/mounts").unwrap().lines().count();
    assert!(expected > 0);
    assert_eq!(host.sql(source).stdout(), format!("n\n{expected}\n"));
    // A file that is empty is one.
    host.write("e.csv", "");
    assert_eq!(host.sql(&source.replace("/proc/mounts", "e.csv")).stdout(), "n\n0\n");
}
