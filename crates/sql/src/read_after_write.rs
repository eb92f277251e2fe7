//! A query that reads by its path what an earlier statement of the script writes: the query would begin before that is
//! there, and read what was there before.

use tidemill_plan::relation::Explain;
use tidemill_plan::{Query, SinkConnector, SourceConnector};

use crate::report::Report;

/// Reports the reads of each query that an earlier one would have to come before, and does not.
pub(crate) fn check_reads(queries: &[Query], report: &mut Report) {
    let runs = |query: &&Query| query.explain != Explain::Plan;
    for (at, query) in queries.iter().enumerate().filter(|(_, query)| runs(query)) {
        for scan in query.relation.scans() {
            let SourceConnector::File(source) = &scan.source.connector else { continue };
            // What is read by the name of its sink waits for that.
            if queries[..at].iter().any(|earlier| earlier.sink.name == scan.source.name) {
                continue;
            }
            for (_, earlier) in queries[..at]
                .iter()
                .enumerate()
                .filter(|(index, earlier)| runs(earlier) && !query.runs_after.contains(index))
            {
                let SinkConnector::File(sink) = &earlier.sink.connector else { continue };
                if may_read(&source.path, &sink.path) {
                    let message = format!(
                        "'{}' is read, and an earlier statement writes '{}'",
                        source.path, sink.path
                    );
                    let name = match earlier.sink.name == sink.path {
                        true => format!("'{}'", sink.path),
                        false => earlier.sink.name.clone(),
                    };
                    let hint = format!(
                        "FROM {name} waits until that is written; to read what was there before, use a script of its own"
                    );
                    report.add(scan.source.span, message, Some(hint));
                }
            }
        }
    }
}

/// Whether a path, a directory or a glob may mean files of a sink's file or directory.
fn may_read(read: &str, written: &str) -> bool {
    if read.starts_with('/') != written.starts_with('/') {
        return false;
    }
    let (mut read, mut written) = (components(read), components(written));
    loop {
        match (read.next(), written.next()) {
            (Some("**"), _) => return true,
            (Some(pattern), Some(name)) if matches(pattern.as_bytes(), name.as_bytes()) => {}
            // One of them is, or is within, a directory of the other.
            (None, _) | (_, None) => return true,
            _ => return false,
        }
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Whether a component may match; a set in brackets is any character.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..]))
        }
        ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
        ([b'[', rest @ ..], [_, name @ ..]) => {
            let end = rest.iter().skip(1).position(|&byte| byte == b']').map(|at| at + 2);
            end.is_some_and(|end| matches(&rest[end..], name))
        }
        ([byte, rest @ ..], [other, name @ ..]) => byte == other && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::may_read;

    #[test]
    fn paths_meet_whatever_way_they_are_written() {
        for (read, written) in [
            ("a.csv", "a.csv"),
            ("./a.csv", "a.csv"),
            ("a*.csv", "a1.csv"),
            ("dir//", "dir/x.csv"),
            ("dir", "dir/"),
            ("dir/part-*", "dir"),
            ("**/x.csv", "a/b/x.csv"),
            ("[ab].csv", "a.csv"),
            ("d?r/*.csv", "dir/x.csv"),
        ] {
            assert!(may_read(read, written), "{read} {written}");
        }
        for (read, written) in [
            ("a.csv", "b.csv"),
            ("a*.csv", "b.csv"),
            ("dir/*.csv", "other/x.csv"),
            ("/a.csv", "a.csv"),
            ("dir/a.csv", "dir/b.csv"),
            ("[ab].csv", "abc"),
        ] {
            assert!(!may_read(read, written), "{read} {written}");
        }
    }
}
