//! The results of bare `SELECT`s as text for people: rows that pipelines fill in and whoever shows them takes
//! out. Absent on purpose: how they are laid out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_format::ShownValues;
use tidemill_record::{Batch, Schema, harmless};
use tidemill_sink::{ColumnWriter, SinkError};

/// Bytes of a value that are kept.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// Bytes that the rows of one query may have together.
const ROWS_BYTES_MAX: usize = 64 << 20;

/// A row: the text of each value, with control characters escaped; `None` for NULL.
pub type PrintedRow = Arc<[Option<Box<str>>]>;

/// Where the queries of a session print to. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Printed(Arc<Mutex<Vec<Arc<PrintedQuery>>>>);

/// What one query has printed.
#[derive(Debug)]
pub struct PrintedQuery {
    columns: Vec<PrintedColumn>,
    kept: Kept,
    /// Asked for once a batch, and by whoever shows the rows.
    state: Mutex<State>,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedColumn {
    /// Its name, with control characters escaped.
    pub name: String,
    /// Its values are numbers.
    pub is_numeric: bool,
}

/// Which rows are kept.
#[derive(Debug)]
enum Kept {
    /// The first ones.
    First(u64),
    /// The last ones; of those that agree in the key columns, where there are any, the last one.
    Latest { row_count: usize, key: Option<Vec<usize>> },
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<PrintedRow>,
    /// By key: when its row came first, when last, and the row.
    by_key: HashMap<PrintedRow, (u64, u64, PrintedRow)>,
    bytes: usize,
    /// Rows that came, also those that are not kept.
    row_count: u64,
    is_cut: bool,
    finished_count: usize,
}

impl Printed {
    /// Nothing has been printed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The queries that have begun to print, in this order.
    #[must_use]
    pub fn queries(&self) -> Vec<Arc<PrintedQuery>> {
        lock(&self.0).clone()
    }

    /// A query whose first rows are kept.
    pub(crate) fn first(&self, schema: &Schema, rows_max: u64) -> Arc<PrintedQuery> {
        self.begin(schema, Kept::First(rows_max))
    }

    /// A query whose last rows are kept, by key where it has one.
    pub(crate) fn latest(
        &self,
        schema: &Schema,
        row_count: usize,
        key: Option<Vec<usize>>,
    ) -> Arc<PrintedQuery> {
        self.begin(schema, Kept::Latest { row_count, key })
    }

    fn begin(&self, schema: &Schema, kept: Kept) -> Arc<PrintedQuery> {
        let columns = schema.fields.iter().map(|field| PrintedColumn {
            name: harmless(&field.name, &[]).into_owned(),
            is_numeric: field.data_type.is_numeric(),
        });
        let state = Mutex::default();
        let query = Arc::new(PrintedQuery { columns: columns.collect(), kept, state });
        lock(&self.0).push(Arc::clone(&query));
        query
    }
}

impl PrintedQuery {
    /// The columns of every row.
    #[must_use]
    pub fn columns(&self) -> &[PrintedColumn] {
        &self.columns
    }

    /// Whether all rows have come.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_bounded() && lock(&self.state).finished_count > 0
    }

    /// Whether its first rows are kept, because it comes to an end.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        matches!(self.kept, Kept::First(_))
    }

    /// Rows that came so far, also those that are not kept.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        lock(&self.state).row_count
    }

    /// Whether there were more rows than are kept, of a query whose first rows are.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        lock(&self.state).is_cut
    }

    /// Takes the rows that are kept of a query that has finished.
    #[must_use]
    pub fn take_rows(&self) -> Vec<PrintedRow> {
        std::mem::take(&mut lock(&self.state).rows).into()
    }

    /// Of a query without an end the rows that came last, at most so many: in the order in which they came, or, of
    /// a changelog, in that in which their groups did.
    #[must_use]
    pub fn latest_rows(&self, count: usize) -> Vec<PrintedRow> {
        let state = lock(&self.state);
        if matches!(self.kept, Kept::Latest { key: None, .. } | Kept::First(_)) {
            let skipped = state.rows.len().saturating_sub(count);
            return state.rows.iter().skip(skipped).cloned().collect();
        }
        let mut rows: Vec<_> = state.by_key.values().cloned().collect();
        rows.sort_unstable_by_key(|(_, last, _)| std::cmp::Reverse(*last));
        rows.truncate(count);
        rows.sort_unstable_by_key(|(first, ..)| *first);
        rows.into_iter().map(|(.., row)| row).collect()
    }

    /// Takes in a batch; how many of its rows count.
    fn take_in(&self, batch: &Batch, schema: &Schema) -> u64 {
        let mut values = ShownValues::new(batch, schema);
        let columns: Vec<usize> = (0..schema.fields.len()).collect();
        let mut text = |row: usize, columns: &[usize]| -> PrintedRow {
            columns.iter().map(|&at| values.value(row, at, VALUE_BYTES_MAX)).collect()
        };
        let rows = batch.row_count();
        let mut state = lock(&self.state);
        match &self.kept {
            Kept::First(rows_max) => {
                let taken = state.take_first(rows, *rows_max, |row| text(row, &columns));
                state.row_count += taken;
                return taken;
            }
            Kept::Latest { row_count, key: None } => {
                let first = rows.saturating_sub(*row_count);
                state.rows.extend((first..rows).map(|row| text(row, &columns)));
                let over = state.rows.len().saturating_sub(*row_count);
                state.rows.drain(..over);
            }
            Kept::Latest { row_count, key: Some(key) } => {
                let mut seen = HashSet::new();
                for row in (0..rows).rev() {
                    if seen.len() == *row_count {
                        break;
                    }
                    let group = text(row, key);
                    if seen.insert(Arc::clone(&group)) {
                        let at = state.row_count + count(row);
                        state.replace(group, at, text(row, &columns), *row_count);
                    }
                }
            }
        }
        state.row_count += count(rows);
        count(rows)
    }
}

impl State {
    /// Takes in the first rows of a batch, as many as may be kept; how many those are.
    fn take_first(
        &mut self,
        row_count: usize,
        rows_max: u64,
        mut text: impl FnMut(usize) -> PrintedRow,
    ) -> u64 {
        for row in 0..row_count {
            if count(self.rows.len()) == rows_max || self.bytes > ROWS_BYTES_MAX {
                self.is_cut = true;
                return count(row);
            }
            let shown = text(row);
            self.bytes += shown.iter().flatten().map(|value| value.len()).sum::<usize>();
            self.rows.push_back(shown);
        }
        count(row_count)
    }

    /// Puts a row in the place of the earlier one of its group. Of more groups than `groups_max` the one goes that
    /// has not changed for longest.
    fn replace(&mut self, group: PrintedRow, at: u64, row: PrintedRow, groups_max: usize) {
        let first = self.by_key.get(&group).map_or(at, |(first, ..)| *first);
        self.by_key.insert(group, (first, at, row));
        if self.by_key.len() > groups_max {
            let oldest = self.by_key.iter().min_by_key(|(_, (_, last, _))| *last);
            let oldest = Arc::clone(oldest.expect("there are some").0);
            self.by_key.remove(&oldest);
        }
    }
}

/// Makes text of the rows of one pipeline.
pub(crate) struct PrintingWriter {
    query: Arc<PrintedQuery>,
    schema: Schema,
}

impl PrintingWriter {
    pub(crate) fn new(query: Arc<PrintedQuery>, schema: Schema) -> Self {
        Self { query, schema }
    }
}

impl ColumnWriter for PrintingWriter {
    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError> {
        Ok(self.query.take_in(batch, &self.schema))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        lock(&self.query.state).finished_count += 1;
        Ok(())
    }

    fn checksum(&self) -> Option<u64> {
        None
    }
}

/// A state is whole between any two statements that could panic, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(value: usize) -> u64 {
    u64::try_from(value).expect("usize is at most 64 bits")
}
