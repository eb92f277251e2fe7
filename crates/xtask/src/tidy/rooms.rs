//! The import table: what each crate may depend on, held against every `Cargo.toml`.
//!
//! [`ROOMS`] is the table of `docs/ARCHITECTURE.md`, "Crates", turned around: there it says what a
//! crate must not touch, here what it may, so that a new edge is always a decision. Beside it stand
//! packages that belong to one crate alone, and words of the standard library that some crates do
//! without. Absent on purpose: dev-dependencies, which are free but for rival engines.

use super::Finding;
use super::manifest::{Dependency, Kind, Manifest};
use super::tree::{Tree, is_test_file, lines_without_tests};

/// What one crate may touch.
struct Room {
    /// Folder in `crates/`.
    folder: &'static str,
    /// Folders of the crates of ours that it may depend on.
    own: &'static [&'static str],
    /// Which packages from elsewhere it may depend on.
    foreign: Foreign,
    /// What its code may not name, tests excepted.
    absent: &'static [Absent],
}

/// Packages from elsewhere.
enum Foreign {
    /// Any that no other crate has for itself.
    Any,
    /// Any such that neither waits nor reaches outside the process.
    Computing,
    /// These alone.
    Only(&'static [&'static str]),
}

/// A group of words that a crate's code does without.
#[derive(Clone, Copy)]
enum Absent {
    /// Files, sockets, processes and the environment.
    Outside,
    /// Files and clocks but those of `rt`, which a simulated world has too.
    HostTimeAndFiles,
    /// Threads.
    Threads,
    /// The wall clock and the monotonic one.
    Clocks,
    /// Awaiting.
    Awaiting,
    /// Locks, atomics and channels.
    Sharing,
}

const COMPUTES: &[Absent] =
    &[Absent::Outside, Absent::Threads, Absent::Clocks, Absent::Awaiting, Absent::Sharing];
/// Deep SQL is parsed on a stack of its own, and a stack comes with a thread.
const BINDS: &[Absent] = &[Absent::Outside, Absent::Clocks, Absent::Awaiting];
const IN_A_WORLD: &[Absent] = &[Absent::HostTimeAndFiles];
const STAGE_WITH_EDGES: &[&str] = &["record", "plan", "rt"];
const STAGE_OF_MEMORY: &[&str] = &["record", "plan"];
const CLI_LIBRARIES: &[&str] =
    &["clap", "clap_complete", "indicatif", "libc", "reedline", "unicode-width"];

/// Every crate, in the order data flows.
const ROOMS: &[Room] = &[
    Room { folder: "record", own: &[], foreign: Foreign::Computing, absent: COMPUTES },
    Room { folder: "plan", own: &["record"], foreign: Foreign::Computing, absent: COMPUTES },
    Room { folder: "sql", own: &["record", "plan"], foreign: Foreign::Any, absent: BINDS },
    Room { folder: "rt", own: &["record"], foreign: Foreign::Any, absent: &[] },
    Room { folder: "source", own: STAGE_WITH_EDGES, foreign: Foreign::Any, absent: IN_A_WORLD },
    Room { folder: "format", own: STAGE_OF_MEMORY, foreign: Foreign::Computing, absent: COMPUTES },
    Room { folder: "expr", own: STAGE_OF_MEMORY, foreign: Foreign::Computing, absent: COMPUTES },
    Room {
        folder: "aggregate",
        own: STAGE_OF_MEMORY,
        foreign: Foreign::Computing,
        absent: COMPUTES,
    },
    Room { folder: "sink", own: STAGE_WITH_EDGES, foreign: Foreign::Any, absent: IN_A_WORLD },
    Room { folder: "checkpoint", own: STAGE_WITH_EDGES, foreign: Foreign::Any, absent: IN_A_WORLD },
    Room {
        folder: "pipeline",
        own: &[
            "record",
            "plan",
            "rt",
            "source",
            "format",
            "expr",
            "aggregate",
            "sink",
            "checkpoint",
        ],
        foreign: Foreign::Any,
        absent: &[Absent::Sharing, Absent::HostTimeAndFiles],
    },
    Room {
        folder: "control",
        own: &["record", "plan", "rt", "checkpoint", "pipeline"],
        foreign: Foreign::Any,
        absent: IN_A_WORLD,
    },
    Room {
        folder: "tidemill",
        own: &[
            "record",
            "plan",
            "sql",
            "rt",
            "source",
            "format",
            "expr",
            "aggregate",
            "sink",
            "checkpoint",
            "pipeline",
            "control",
        ],
        foreign: Foreign::Any,
        absent: &[],
    },
    Room { folder: "cli", own: &["tidemill"], foreign: Foreign::Only(CLI_LIBRARIES), absent: &[] },
    Room {
        folder: "sim",
        own: &[
            "record",
            "plan",
            "rt",
            "source",
            "format",
            "expr",
            "aggregate",
            "sink",
            "checkpoint",
            "pipeline",
            "control",
            "tidemill",
        ],
        foreign: Foreign::Any,
        absent: &[Absent::HostTimeAndFiles, Absent::Threads],
    },
    Room { folder: "xtask", own: &[], foreign: Foreign::Only(&[]), absent: &[] },
];

/// Packages that one crate alone may depend on.
const KEPT_BY: &[(&str, &str)] = &[
    ("glommio", "rt"),
    ("core_affinity", "rt"),
    ("sqlparser", "sql"),
    ("rkyv", "checkpoint"),
    ("reedline", "cli"),
];

/// Packages (or, with a final `*`, families) that wait, reach outside the process or share.
const NOT_COMPUTING: &[&str] = &[
    "tokio*",
    "async-*",
    "smol*",
    "futures*",
    "mio",
    "polling",
    "io-uring",
    "libc",
    "nix",
    "rustix",
    "memmap*",
    "reqwest",
    "hyper*",
    "rdkafka*",
    "socket2",
    "crossbeam*",
    "flume",
    "parking_lot*",
];

/// Engines that we compare with: they would make every build of ours slow.
const RIVALS: &[&str] = &["duckdb*", "polars*", "datafusion*", "clickhouse*", "timely*", "arroyo*"];

impl Absent {
    /// The words, each as it would stand in a path or call.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Outside => &["std::fs", "std::net", "std::process", "std::env"],
            Self::HostTimeAndFiles => &[
                "std::fs",
                "std::net",
                "Instant::now",
                "SystemTime::now",
                "thread::sleep",
                ".elapsed()",
            ],
            Self::Threads => &["std::thread", "thread::spawn", "thread::scope"],
            Self::Clocks => &["SystemTime", "Instant::now", "Utc::now", "Local::now"],
            Self::Awaiting => &[concat!("async", " fn"), concat!("async", " move"), ".await"],
            // A fence alone shares nothing: memory that comes back from another core needs one.
            Self::Sharing => {
                &["Mutex", "RwLock", "Condvar", "mpsc", "sync::atomic::Atomic", "sync::atomic::{"]
            }
        }
    }
}

/// The page whose table people read.
const MAP: &str = "docs/ARCHITECTURE.md";

/// Holds the table against every crate.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let workspace = tree.text("Cargo.toml").map(Manifest::read).unwrap_or_default();
    let mut findings = Vec::new();
    for (path, text) in tree.texts() {
        let Some(folder) = folder_of_manifest(path) else { continue };
        let manifest = Manifest::read(text);
        match ROOMS.iter().find(|room| room.folder == folder) {
            Some(room) => check_manifest(room, path, &manifest, &workspace, &mut findings),
            None => findings.push(Finding::new(
                path,
                0,
                format!(
                    "crate `{folder}` is not in the table; say what it may touch in \
                     crates/xtask/src/tidy/rooms.rs and in docs/ARCHITECTURE.md, or move the code \
                     to a crate that exists"
                ),
            )),
        }
        let row = format!("| `{folder}` |");
        if tree.text(MAP).is_some_and(|map| !map.contains(&row)) {
            let message = format!("crate `{folder}` has no row in {MAP}, \"Crates\"; add one");
            findings.push(Finding::new(path, 0, message));
        }
    }
    for (path, text) in tree.sources().filter(|(path, _)| !is_test_file(path)) {
        check_words(path, text, &mut findings);
    }
    findings
}

fn check_manifest(
    room: &Room,
    path: &str,
    manifest: &Manifest,
    workspace: &Manifest,
    findings: &mut Vec<Finding>,
) {
    let expected = package_of(room.folder);
    match &manifest.name {
        Some((name, _)) if *name == expected => {}
        Some((name, line)) => findings.push(Finding::new(
            path,
            *line,
            format!("package `{name}` bears another name than its folder; call it `{expected}`"),
        )),
        None => findings.push(Finding::new(
            path,
            0,
            format!("package without a name; call it `{expected}`"),
        )),
    }
    if !manifest.takes_workspace_lints {
        let message = "the workspace's lints are not taken; add `[lints] workspace = true`";
        findings.push(Finding::new(path, 0, message));
    }
    for dependency in &manifest.dependencies {
        let package = resolve(dependency, workspace);
        let reason = match dependency.kind {
            Kind::Normal | Kind::Build => refusal(room, package),
            Kind::Dev | Kind::Workspace => rival(package),
        };
        if let Some(reason) = reason {
            findings.push(Finding::new(path, dependency.line, reason));
        }
    }
}

/// Why a crate must not depend on a package, and what to do instead.
fn refusal(room: &Room, package: &str) -> Option<String> {
    let folder = room.folder;
    if let Some(own) = ROOMS.iter().find(|other| package_of(other.folder) == package) {
        return (!room.own.contains(&own.folder)).then(|| {
            let allowed = match room.own {
                [] => "no crate of ours".to_owned(),
                own => format!("only {}", own.join(", ")),
            };
            format!(
                "`{folder}` must not depend on `{package}` (it may touch {allowed}); pass the \
                 value in as plain data, or do the work where both are seen"
            )
        });
    }
    if let Some((_, keeper)) =
        KEPT_BY.iter().find(|(kept, keeper)| *kept == package && *keeper != folder)
    {
        return Some(format!(
            "`{package}` belongs to `{keeper}` alone; use what `tidemill-{keeper}` offers"
        ));
    }
    if let Some(reason) = rival(package) {
        return Some(reason);
    }
    match room.foreign {
        Foreign::Any => None,
        Foreign::Computing => is_any_of(package, NOT_COMPUTING).then(|| {
            format!(
                "`{folder}` works on memory alone and must not depend on `{package}`; awaiting and \
                 reaching outside belong to `rt`, `source` and `sink`"
            )
        }),
        Foreign::Only(allowed) => (!allowed.contains(&package)).then(|| {
            format!(
                "`{package}` is not among the packages of `{folder}`; do without it, or add it in \
                 crates/xtask/src/tidy/rooms.rs with a reason in the commit"
            )
        }),
    }
}

fn rival(package: &str) -> Option<String> {
    is_any_of(package, RIVALS).then(|| {
        format!("`{package}` is an engine to compare with; it belongs to a crate in benches/")
    })
}

fn check_words(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let room = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'));
    let Some((folder, inside)) = room else { return };
    let Some(room) = ROOMS.iter().find(|room| room.folder == folder) else { return };
    if !inside.starts_with("src/") {
        return;
    }
    for (number, line) in lines_without_tests(text) {
        if line.trim_start().starts_with("//") {
            continue;
        }
        let words = room.absent.iter().flat_map(|absent| absent.words());
        for word in words.filter(|word| line.contains(*word)) {
            let message = format!(
                "`{folder}` does without `{word}` (docs/ARCHITECTURE.md, \"Crates\"); move this to \
                 a crate that may, and hand over the value"
            );
            findings.push(Finding::new(path, number, message));
        }
    }
}

fn resolve<'a>(dependency: &'a Dependency, workspace: &'a Manifest) -> &'a str {
    let renamed = workspace.dependencies.iter().find(|shared| shared.name == dependency.name);
    let shared = renamed.and_then(|shared| shared.package.as_deref());
    dependency.package.as_deref().or(shared).unwrap_or(&dependency.name)
}

fn package_of(folder: &str) -> String {
    match folder {
        "tidemill" | "xtask" => folder.to_owned(),
        _ => format!("tidemill-{folder}"),
    }
}

fn folder_of_manifest(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml").filter(|folder| !folder.contains('/'))
}

fn is_any_of(package: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(family) => package.starts_with(family),
        None => package == *pattern,
    })
}

#[cfg(test)]
mod tests;
