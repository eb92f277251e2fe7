//! Whether two directories of CSV files hold the same rows.
//!
//! Rows are compared in no order. A double is rounded to six significant digits, since the order of
//! addition differs from shape to shape. Exact values are often halves of what they are rounded to: each
//! is moved away from that beforehand. The few that still lie on either side of a rounding are told from a
//! difference by comparing the rows that are left over field by field.

use std::collections::HashMap;
use std::fs;
use std::hash::BuildHasher;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use tidemill_record::{DataType, Schema};

/// What doubles are multiplied by before they are rounded: far above the error of a sum, far below the
/// sixth digit.
const NUDGE: f64 = 1.0 + 1.2345e-9;
/// Part by which two doubles of left-over rows may differ.
const TOLERANCE: f64 = 2e-5;
/// Rows that may lie on two sides of a rounding.
const LEFT_OVER_MAX: usize = 1000;
/// Rows of a difference that are shown, of each side.
const SHOWN_ROWS: usize = 5;

/// The rows of one answer, as sorted hashes of their rounded text.
pub(crate) struct Answer {
    directory: PathBuf,
    hashes: Vec<u64>,
    doubles: Vec<bool>,
    header: Vec<u8>,
}

impl Answer {
    /// Reads all files of a directory, each with a header.
    pub(crate) fn read(directory: &Path, schema: &Schema) -> Self {
        let names: Vec<_> = schema.fields.iter().map(|field| field.name.as_str()).collect();
        let is_double = |data_type: &DataType| matches!(data_type, DataType::Double);
        let mut answer = Self {
            directory: directory.to_owned(),
            hashes: Vec::new(),
            doubles: schema.fields.iter().map(|field| is_double(&field.data_type)).collect(),
            header: names.join(",").into_bytes(),
        };
        let mut hashes = Vec::new();
        answer.for_each_row(|_, rounded| hashes.push(hash(rounded)));
        hashes.sort_unstable();
        answer.hashes = hashes;
        answer
    }

    /// How many rows there are.
    pub(crate) fn row_count(&self) -> usize {
        self.hashes.len()
    }

    /// Nothing where the rows are the same, else what to print of the difference.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if self.hashes == other.hashes {
            return None;
        }
        let (mine, theirs) = (self.left_over(&other.hashes), other.left_over(&self.hashes));
        let is_close = |(mine, theirs): (&String, &String)| self.is_close(mine, theirs);
        if mine.len() == theirs.len()
            && mine.len() <= LEFT_OVER_MAX
            && mine.iter().zip(&theirs).all(is_close)
        {
            return None;
        }
        let show = |answer: &Self, rows: &[String]| {
            let rows: Vec<_> = rows.iter().take(SHOWN_ROWS).map(String::as_str).collect();
            let path = answer.directory.display();
            format!("{path}: {} rows, of its own:\n  {}\n", answer.row_count(), rows.join("\n  "))
        };
        Some(show(self, &mine) + &show(other, &theirs))
    }

    /// The rows that the other side has not, or has less often, sorted.
    fn left_over(&self, others: &[u64]) -> Vec<String> {
        let mut counts: HashMap<u64, i64> = HashMap::new();
        for &hash in others {
            *counts.entry(hash).or_default() += 1;
        }
        let mut rows = Vec::new();
        self.for_each_row(|row, rounded| {
            let count = counts.entry(hash(rounded)).or_default();
            *count -= 1;
            if *count < 0 {
                rows.push(String::from_utf8_lossy(row).into_owned());
            }
        });
        rows.sort_unstable();
        rows
    }

    fn is_close(&self, mine: &str, theirs: &str) -> bool {
        let fields = mine.split(',').zip(theirs.split(',')).zip(&self.doubles);
        fields.into_iter().all(|((mine, theirs), &is_double)| {
            let number = |field: &str| field.parse::<f64>().unwrap();
            match is_double {
                true => (number(mine) - number(theirs)).abs() <= TOLERANCE * number(mine).abs(),
                false => mine == theirs,
            }
        })
    }

    /// Calls `each` with every row, as it stands and rounded.
    fn for_each_row(&self, mut each: impl FnMut(&[u8], &[u8])) {
        let mut rounded = Vec::new();
        for entry in fs::read_dir(&self.directory).unwrap() {
            let text = fs::read(entry.unwrap().path()).unwrap();
            let mut rows = text.split(|&byte| byte == b'\n').filter(|row| !row.is_empty());
            if let Some(header) = rows.next() {
                assert_eq!(header, self.header, "{}", self.directory.display());
            }
            for row in rows {
                rounded.clear();
                for (field, is_double) in row.split(|&byte| byte == b',').zip(&self.doubles) {
                    if *is_double {
                        let number: f64 = str::from_utf8(field).unwrap().parse().unwrap();
                        write!(rounded, "{:.5e},", number * NUDGE).unwrap();
                    } else {
                        rounded.extend_from_slice(field);
                        rounded.push(b',');
                    }
                }
                each(row, &rounded);
            }
        }
    }
}

fn hash(rounded: &[u8]) -> u64 {
    FixedState::default().hash_one(rounded)
}
