//! The product: a job in this process, one pipeline a file, each on a pinned core.

use tidemill::{CoreSet, Session};

use crate::query::Query;

/// Runs a query's script, which names its files and its directory, on so many cores.
///
/// What it does beside the work of the other shapes: it binds the SQL, looks at the host, starts its
/// cores and renames its files.
pub(crate) fn run(query: &Query, cores: usize) {
    let mut session = Session::new();
    session.settings_mut().cores = CoreSet::Count(cores);
    let summary = session.prepare(&query.script).unwrap().run().unwrap();
    assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
    assert_eq!(summary.statistics.bad_records, 0);
    assert!(summary.statistics.late.is_empty(), "{:?}", summary.statistics.late);
}
