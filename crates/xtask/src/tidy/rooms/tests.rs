//! Planted violations of the import table, each of which must be found.

use super::*;

/// Findings for one crate with the given dependency tables.
fn found(folder: &str, tables: &str) -> Vec<String> {
    let name = package_of(folder);
    let manifest = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{tables}\n");
    let path = format!("crates/{folder}/Cargo.toml");
    check(&Tree::from_texts(&[(&path, &manifest)])).iter().map(Finding::to_string).collect()
}

/// The one finding for a crate with one more dependency, which stands in line 6.
#[track_caller]
fn refused(folder: &str, package: &str) -> String {
    let mut findings = found(folder, &format!("[dependencies]\n{package}.workspace = true"));
    assert_eq!(findings.len(), 1, "{folder} with {package}: {findings:?}");
    let finding = findings.remove(0);
    assert!(finding.starts_with(&format!("crates/{folder}/Cargo.toml:6: ")), "{finding}");
    finding
}

#[track_caller]
fn allowed(folder: &str, package: &str) {
    let findings = found(folder, &format!("[dependencies]\n{package}.workspace = true"));
    assert!(findings.is_empty(), "{folder} with {package}: {findings:?}");
}

#[test]
fn stages_never_import_each_other() {
    for folder in ["source", "format", "expr", "aggregate", "sink"] {
        for other in ["source", "format", "expr", "aggregate", "sink", "pipeline", "control"] {
            if other != folder {
                refused(folder, &package_of(other));
            }
        }
        allowed(folder, "tidemill-record");
        allowed(folder, "tidemill-plan");
    }
}

#[test]
fn only_the_pipeline_sees_every_stage() {
    for stage in ["source", "format", "expr", "aggregate", "sink"] {
        allowed("pipeline", &package_of(stage));
        refused("control", &package_of(stage));
        refused("sql", &package_of(stage));
        refused("checkpoint", &package_of(stage));
    }
    refused("pipeline", "tidemill-sql");
    refused("pipeline", "tidemill-control");
}

#[test]
fn edges_stay_out_of_the_stages_of_memory() {
    for folder in ["record", "plan", "format", "expr", "aggregate"] {
        for package in ["tidemill-rt", "tokio", "futures-lite", "libc", "crossbeam-channel"] {
            refused(folder, package);
        }
        allowed(folder, "arrow-array");
    }
    refused("rt", "tidemill-plan");
    allowed("rt", "libc");
}

#[test]
fn some_packages_belong_to_one_crate() {
    for (package, keeper) in KEPT_BY {
        allowed(keeper, package);
        let finding = refused("source", package);
        assert!(finding.contains(&format!("belongs to `{keeper}` alone")), "{finding}");
    }
    refused("tidemill", "glommio");
}

#[test]
fn the_command_line_sees_tidemill_alone() {
    allowed("cli", "tidemill");
    allowed("cli", "clap");
    refused("cli", "tidemill-plan");
    refused("cli", "arrow-array");
    refused("xtask", "serde_json");
}

#[test]
fn a_rename_hides_nothing() {
    let findings = found("expr", "[dependencies]\nuring = { package = \"glommio\" }");
    assert!(findings[0].contains("`glommio` belongs to `rt`"), "{findings:?}");

    let manifest = "[package]\nname = \"tidemill-expr\"\n[lints]\nworkspace = true\n\
                    [dependencies]\nuring.workspace = true\n";
    let root = "[workspace.dependencies]\nuring = { package = \"glommio\", version = \"0.9\" }\n";
    let tree = Tree::from_texts(&[("Cargo.toml", root), ("crates/expr/Cargo.toml", manifest)]);
    let findings = check(&tree);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.contains("`glommio` belongs to `rt`"), "{findings:?}");
}

#[test]
fn every_dependency_table_counts_but_dev() {
    assert_eq!(found("expr", "[build-dependencies]\nglommio = \"0.9\"").len(), 1);
    assert_eq!(found("expr", "[target.'cfg(unix)'.dependencies]\nglommio = \"0.9\"").len(), 1);
    assert_eq!(found("expr", "[dev-dependencies]\nglommio = \"0.9\"").len(), 0);
    assert_eq!(found("expr", "[dev-dependencies]\nduckdb = \"1\"").len(), 1);
}

#[test]
fn a_crate_must_be_in_the_table_and_bear_its_name() {
    let text = "[package]\nname = \"tidemill-attic\"\n[lints]\nworkspace = true\n";
    let findings = check(&Tree::from_texts(&[("crates/attic/Cargo.toml", text)]));
    assert!(findings[0].message.contains("not in the table"), "{findings:?}");

    let findings = check(&Tree::from_texts(&[("crates/expr/Cargo.toml", text)]));
    assert_eq!(findings.len(), 1);
    assert!(findings[0].message.contains("call it `tidemill-expr`"), "{findings:?}");
    assert_eq!(findings[0].line, 2);

    let text = "[package]\nname = \"tidemill-expr\"\n";
    let findings = check(&Tree::from_texts(&[("crates/expr/Cargo.toml", text)]));
    assert!(findings[0].message.contains("lints"), "{findings:?}");
}

#[test]
fn a_crate_must_be_on_the_map() {
    let text = "[package]\nname = \"tidemill-expr\"\n[lints]\nworkspace = true\n";
    let with =
        |map: &str| check(&Tree::from_texts(&[("crates/expr/Cargo.toml", text), (MAP, map)])).len();
    assert_eq!(with("| `expr` | stateless work |\n"), 0);
    assert_eq!(with("| `sql` | text to plan, for `expr` |\n"), 1);
}

#[test]
fn words_of_the_outside_are_found_in_code_but_not_in_tests() {
    let planted = [
        ("crates/format/src/csv.rs", "use std::fs::File;"),
        ("crates/expr/src/now.rs", "let now = SystemTime::now();"),
        ("crates/aggregate/src/table.rs", "let done = later.await;"),
        ("crates/aggregate/src/merge.rs", "std::thread::yield_now();"),
        ("crates/sql/src/include.rs", "use std::fs::File;"),
        ("crates/pipeline/src/turn.rs", "use std::sync::Mutex;"),
        ("crates/pipeline/src/turn.rs", "use std::sync::atomic::AtomicBool;"),
    ];
    for (path, line) in planted {
        let code = format!("//! Doc.\n// {line}\n{line}\n#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
        let findings = check(&Tree::from_texts(&[(path, &code)]));
        assert_eq!(findings.len(), 1, "{path}: {findings:?}");
        assert_eq!(findings[0].line, 3, "{path}");
    }
    let free = [
        ("crates/rt/src/file.rs", "use std::fs::File;\n"),
        ("crates/sql/src/deep_stack.rs", "use std::thread;\n"),
    ];
    assert_eq!(check(&Tree::from_texts(&free)), []);
    let test = [("crates/format/tests/fuzz.rs", "use std::fs::File;\n")];
    assert_eq!(check(&Tree::from_texts(&test)), []);
}
