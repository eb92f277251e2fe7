//! Why all records of a group lie in one partition, or why they may not.

use std::collections::HashSet;

use crate::fragment::{FixedColumn, Fragment, FragmentInput, Partitioning};
use crate::lineage::source_column;
use crate::{Relation, SourceDef};

/// Why each group lies in one partition.
pub(crate) struct Local {
    /// As half a sentence.
    pub(crate) reason: String,
    /// Places in the group key whose values in two partitions would break a declaration that this rests
    /// on; empty where it rests on none.
    pub(crate) audited_keys: Vec<usize>,
}

impl Local {
    fn unaudited(reason: String) -> Self {
        Self { reason, audited_keys: Vec::new() }
    }
}

/// Why each group of `keys`, columns of `input`, which `children` compute, lies in one partition.
///
/// # Errors
/// Why it may not, as half a sentence.
pub(crate) fn local_reason(
    partitioning: &dyn Fn(&SourceDef) -> Partitioning,
    children: &[Fragment],
    input: &Relation,
    keys: &[usize],
) -> Result<Local, String> {
    let [child] = children else {
        return Err("UNION ALL brings several inputs together".to_owned());
    };
    let scan = match &child.input {
        FragmentInput::Gather { .. } => {
            return Ok(Local::unaudited("its input is one gathered pipeline".to_owned()));
        }
        FragmentInput::Scan(scan) => scan,
    };
    let source = &scan.source;
    let partitioning = partitioning(source);
    if partitioning.partition_count == Some(1) {
        return Ok(Local::unaudited(format!("{} has a single partition", source.name)));
    }
    if partitioning.is_split {
        return Err(format!("files of {} are read as several splits", source.name));
    }
    let key_sources: Vec<Option<usize>> =
        keys.iter().map(|&key| source_column(input, key)).collect();
    if let Some(columns) = columns_apart(&partitioning, &key_sources) {
        let columns = names(source, &columns);
        let reason = format!("no two files of {} have the same {columns}", source.name);
        return Ok(Local::unaudited(reason));
    }
    if source.partitioned_by.is_empty() {
        return Err(format!("{} declares no PARTITIONED BY", source.name));
    }
    declared_local(source, &key_sources)
}

/// The columns among those that the keys are copies of, of which each partition has one value, if no two
/// partitions have the same values of all of them.
fn columns_apart(partitioning: &Partitioning, key_sources: &[Option<usize>]) -> Option<Vec<usize>> {
    let is_key = |fixed: &&FixedColumn| key_sources.contains(&Some(fixed.column));
    let fixed: Vec<&FixedColumn> = partitioning.fixed.iter().filter(is_key).collect();
    let count = fixed.first()?.values.len();
    let mut met = HashSet::with_capacity(count);
    let mut is_new = |partition: usize| {
        met.insert(fixed.iter().map(|fixed| fixed.values[partition]).collect::<Vec<u32>>())
    };
    let are_apart = (0..count).all(&mut is_new);
    are_apart.then(|| fixed.iter().map(|fixed| fixed.column).collect())
}

/// Names of columns, for messages.
fn names(source: &SourceDef, columns: &[usize]) -> String {
    let names: Vec<&str> =
        columns.iter().map(|&column| source.field(column).name.as_str()).collect();
    names.join(", ")
}

/// Holds the declared columns against those that the keys are copies of.
fn declared_local(source: &SourceDef, key_sources: &[Option<usize>]) -> Result<Local, String> {
    let is_key = |column: usize| key_sources.contains(&Some(column));
    let mut audited = Vec::new();
    let (mut missing, mut computed) = (Vec::new(), Vec::new());
    for &column in &source.partitioned_by {
        // Records that agree in all that a column is computed of agree in the column.
        let read = source.read_for([column]);
        if is_key(column) {
            audited.push(column);
        } else if !read.is_empty() && read.iter().all(|&read| is_key(read)) {
            audited.extend(&read);
            computed.push(column);
        } else {
            missing.push(column);
        }
    }
    let names = |columns: &[usize]| names(source, columns);
    let all = names(&source.partitioned_by);
    if !missing.is_empty() {
        let missing = names(&missing);
        return Err(format!(
            "{} is PARTITIONED BY ({all}), and {missing} is not part of the key",
            source.name
        ));
    }
    let why = match computed.as_slice() {
        [] => "all part of the key".to_owned(),
        computed => format!("and {} is computed of the key alone", names(computed)),
    };
    let is_audited = |place: &usize| key_sources[*place].is_some_and(|at| audited.contains(&at));
    Ok(Local {
        reason: format!("{} is PARTITIONED BY ({all}), {why}", source.name),
        audited_keys: (0..key_sources.len()).filter(is_audited).collect(),
    })
}
