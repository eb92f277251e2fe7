//! Columns that nobody reads go, down to the scan; so do projections that only rename or move.

use tidemill_plan::relation::Scan;
use tidemill_plan::{
    AggregateSpec, Expr, NamedExpr, OverCall, OverOrder, OverSpec, Relation, SortKey, SortSpec,
    TopNSpec, WindowSpec,
};
use tidemill_record::Schema;

use crate::equality::is_leaf;
use crate::order::as_column;

/// A relation after pruning, and where each column of the one before is now.
struct Pruned {
    relation: Relation,
    map: Vec<Option<usize>>,
}

impl Pruned {
    fn at(&self, column: usize) -> usize {
        self.map[column].unwrap_or(0)
    }
}

/// Prunes a whole query, whose result keeps every column, name and place.
pub(crate) fn prune_root(relation: Relation) -> Relation {
    let schema = relation.schema();
    exact(prune(relation, &vec![true; schema.fields.len()]), &schema, None)
}

/// Makes a pruned relation have exactly the columns of `schema` (those of `needed`, if given).
fn exact(pruned: Pruned, schema: &Schema, needed: Option<&[bool]>) -> Relation {
    let wanted: Vec<usize> =
        (0..schema.fields.len()).filter(|&i| needed.is_none_or(|needed| needed[i])).collect();
    let places: Vec<usize> = wanted.iter().map(|&index| pruned.at(index)).collect();
    let now = pruned.relation.schema();
    let is_same = places.len() == now.fields.len()
        && places.iter().enumerate().all(|(index, &place)| index == place)
        && wanted.iter().zip(&now.fields).all(|(&i, field)| schema.fields[i].name == field.name);
    if is_same {
        return pruned.relation;
    }
    let names = wanted.iter().map(|&index| schema.fields[index].name.clone());
    match pruned.relation {
        Relation::Project { input, columns } if is_movable(&columns, &places) => {
            let columns = names
                .zip(&places)
                .map(|(name, &place)| NamedExpr { name, expr: columns[place].expr.clone() })
                .collect();
            Relation::Project { input, columns }
        }
        other => {
            let columns = names
                .zip(&places)
                .map(|(name, &place)| {
                    let field = &now.fields[place];
                    let expr = Expr::column(place, field.name.clone(), field.data_type.clone());
                    NamedExpr { name, expr }
                })
                .collect();
            Relation::Project { input: Box::new(other), columns }
        }
    }
}

/// Whether the columns can be taken from those places without computing one twice.
fn is_movable(columns: &[NamedExpr], places: &[usize]) -> bool {
    let mut uses = vec![0_usize; columns.len()];
    for &place in places {
        uses[place] += 1;
    }
    columns.iter().zip(uses).all(|(column, uses)| uses <= 1 || is_leaf(&column.expr))
}

fn prune(relation: Relation, needed: &[bool]) -> Pruned {
    match relation {
        Relation::Scan(scan) => prune_scan(scan, needed),
        Relation::Filter { input, mut predicate } => {
            let mut below = needed.to_vec();
            predicate.for_each_column(&mut |index| below[index] = true);
            let pruned = prune(*input, &below);
            predicate.remap_columns(&|index| pruned.at(index));
            let input = Box::new(pruned.relation);
            Pruned { relation: Relation::Filter { input, predicate }, map: pruned.map }
        }
        Relation::Project { input, columns } => prune_project(*input, columns, needed),
        Relation::Transpose { input, mut rows } => {
            let mut below = vec![false; input.schema().fields.len()];
            for column in rows.iter().flatten() {
                column.expr.for_each_column(&mut |index| below[index] = true);
            }
            let pruned = prune(*input, &below);
            for column in rows.iter_mut().flatten() {
                column.expr.remap_columns(&|index| pruned.at(index));
            }
            let input = Box::new(pruned.relation);
            let map = (0..needed.len()).map(Some).collect();
            Pruned { relation: Relation::Transpose { input, rows }, map }
        }
        Relation::Aggregate { input, spec, names } => prune_aggregate(*input, spec, names, needed),
        Relation::Over { input, spec, names } => prune_over(*input, spec, names, needed),
        Relation::TopN { input, spec, name } => prune_top_n(*input, spec, name, needed),
        Relation::Sort { input, spec } => {
            let mut below = needed.to_vec();
            for key in &spec.keys {
                below[key.column] = true;
            }
            let (input, map) = narrowed(*input, &below);
            let input_types = types(&input);
            let mut keys = spec.keys;
            for key in &mut keys {
                key.column = map[key.column].unwrap_or(0);
            }
            let spec = SortSpec { input_types, keys, limit: spec.limit };
            Pruned { relation: Relation::Sort { input: Box::new(input), spec }, map }
        }
        Relation::Limit { input, spec } => {
            let (input, map) = narrowed(*input, needed);
            Pruned { relation: Relation::Limit { input: Box::new(input), spec }, map }
        }
        Relation::Union { inputs } => {
            let inputs = inputs
                .into_iter()
                .map(|input| {
                    let schema = input.schema();
                    exact(prune(input, needed), &schema, Some(needed))
                })
                .collect();
            Pruned { relation: Relation::Union { inputs }, map: places_of(needed) }
        }
    }
}

/// Prunes, and leaves nothing that is not needed: for what keeps its rows.
fn narrowed(input: Relation, needed: &[bool]) -> (Relation, Vec<Option<usize>>) {
    let schema = input.schema();
    let pruned = prune(input, needed);
    let count = needed.iter().filter(|needed| **needed).count();
    if pruned.relation.schema().fields.len() <= count {
        return (pruned.relation, pruned.map);
    }
    (exact(pruned, &schema, Some(needed)), places_of(needed))
}

fn prune_scan(scan: Scan, needed: &[bool]) -> Pruned {
    let mut wanted = needed.to_vec();
    if let Some(filter) = &scan.filter {
        filter.for_each_column(&mut |index| wanted[index] = true);
    }
    let map = places_of(&wanted);
    let columns = scan
        .columns
        .iter()
        .zip(&wanted)
        .filter(|(_, wanted)| **wanted)
        .map(|(column, _)| *column)
        .collect();
    let filter = scan.filter.map(|mut filter| {
        filter.remap_columns(&|index| map[index].unwrap_or(0));
        filter
    });
    Pruned { relation: Relation::Scan(Scan { source: scan.source, columns, filter }), map }
}

fn prune_project(input: Relation, columns: Vec<NamedExpr>, needed: &[bool]) -> Pruned {
    let mut below = vec![false; input.schema().fields.len()];
    for (column, _) in columns.iter().zip(needed).filter(|(_, needed)| **needed) {
        column.expr.for_each_column(&mut |index| below[index] = true);
    }
    let pruned = prune(input, &below);
    let is_needed_column =
        |(column, needed): (&NamedExpr, &bool)| !needed || as_column(&column.expr).is_some();
    if columns.iter().zip(needed).all(is_needed_column) {
        // Nothing is computed: whoever reads these columns finds them below.
        let map = columns
            .iter()
            .zip(needed)
            .map(|(column, needed)| {
                as_column(&column.expr).filter(|_| *needed).map(|index| pruned.at(index))
            })
            .collect();
        return Pruned { relation: pruned.relation, map };
    }
    let map = places_of(needed);
    let columns = columns
        .into_iter()
        .zip(needed)
        .filter(|(_, needed)| **needed)
        .map(|(mut column, _)| {
            column.expr.remap_columns(&|index| pruned.at(index));
            column
        })
        .collect();
    let input = Box::new(pruned.relation);
    Pruned { relation: Relation::Project { input, columns }, map }
}

fn prune_aggregate(
    input: Relation,
    spec: AggregateSpec,
    names: Vec<String>,
    needed: &[bool],
) -> Pruned {
    let key_count = spec.keys.len() + if spec.window.is_some() { 2 } else { 0 };
    let mut wanted = needed.to_vec();
    wanted[..key_count].fill(true);
    let mut below = vec![false; spec.input_types.len()];
    if let Some(window) = &spec.window {
        below[window.time] = true;
    }
    for &key in &spec.keys {
        below[key] = true;
    }
    let calls: Vec<_> = spec
        .calls
        .iter()
        .cloned()
        .zip(&wanted[key_count..])
        .filter(|(_, wanted)| **wanted)
        .map(|(call, _)| call)
        .collect();
    for call in &calls {
        for column in call.inputs().chain(call.filter) {
            below[column] = true;
        }
    }
    let pruned = prune(input, &below);
    let calls = calls
        .into_iter()
        .map(|mut call| {
            call.arguments.iter_mut().for_each(|column| *column = pruned.at(*column));
            call.order.iter_mut().for_each(|key| key.column = pruned.at(key.column));
            call.filter = call.filter.map(|column| pruned.at(column));
            call
        })
        .collect();
    let keys = spec.keys.iter().map(|&key| pruned.at(key)).collect();
    let names = names.into_iter().zip(&wanted).filter(|(_, wanted)| **wanted);
    let names = names.map(|(name, _)| name).collect();
    let input_types = types(&pruned.relation);
    let window = spec.window.map(|window| WindowSpec { time: pruned.at(window.time), ..window });
    let spec = AggregateSpec { input_types, keys, window, calls, ..spec };
    let relation = Relation::Aggregate { input: Box::new(pruned.relation), spec, names };
    Pruned { relation, map: places_of(&wanted) }
}

/// Keeps the functions that are needed, and of the rows what is needed or looked at.
fn prune_over(input: Relation, spec: OverSpec, names: Vec<String>, needed: &[bool]) -> Pruned {
    let input_count = spec.input_types.len();
    let (mut below, calls_needed) = (needed[..input_count].to_vec(), &needed[input_count..]);
    let calls: Vec<_> =
        spec.calls.iter().cloned().zip(names).zip(calls_needed).filter(|(_, n)| **n).collect();
    if calls.is_empty() {
        // Nothing looks at the rows before: the stage would only reorder them.
        let pruned = prune(input, &below);
        let mut map = pruned.map;
        map.resize(needed.len(), None);
        return Pruned { relation: pruned.relation, map };
    }
    for &column in &spec.partition_by {
        below[column] = true;
    }
    if let OverOrder::EventTime { column } = spec.order {
        below[column] = true;
    }
    for &column in &spec.sorted_by {
        below[column] = true;
    }
    for &column in calls.iter().flat_map(|((call, _), _)| &call.arguments) {
        below[column] = true;
    }
    let (input, mut map) = narrowed(input, &below);
    let at = |column: usize| map[column].unwrap_or(0);
    let (calls, names): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .map(|((call, name), _)| {
            let arguments = call.arguments.iter().copied().map(at).collect();
            (OverCall { arguments, ..call }, name)
        })
        .unzip();
    let order = match spec.order {
        OverOrder::EventTime { column } => OverOrder::EventTime { column: at(column) },
        OverOrder::Arrival | OverOrder::Sorted => spec.order,
    };
    let sorted_by = spec.sorted_by.iter().map(|&column| at(column)).collect();
    let partition_by = spec.partition_by.iter().map(|&column| at(column)).collect();
    let input_types = types(&input);
    let first_call = input_types.len();
    map.extend(places_of(calls_needed).iter().map(|place| place.map(|at| first_call + at)));
    let spec = OverSpec { input_types, partition_by, order, sorted_by, calls, ..spec };
    Pruned { relation: Relation::Over { input: Box::new(input), spec, names }, map }
}

/// Keeps the number also where only the choice of rows is wanted.
fn prune_top_n(input: Relation, spec: TopNSpec, name: String, needed: &[bool]) -> Pruned {
    let mut below = needed[..spec.input_types.len()].to_vec();
    for column in spec.partition_by.iter().copied().chain(spec.order.iter().map(|key| key.column)) {
        below[column] = true;
    }
    let (input, mut map) = narrowed(input, &below);
    let at = |column: usize| map[column].unwrap_or(0);
    let partition_by = spec.partition_by.iter().map(|&column| at(column)).collect();
    let order = spec.order.iter().map(|key| SortKey { column: at(key.column), ..*key }).collect();
    let input_types = types(&input);
    map.push(Some(input_types.len()));
    let spec = TopNSpec { input_types, partition_by, order, ..spec };
    Pruned { relation: Relation::TopN { input: Box::new(input), spec, name }, map }
}

fn types(relation: &Relation) -> Vec<tidemill_record::DataType> {
    relation.schema().fields.into_iter().map(|field| field.data_type).collect()
}

/// Where the needed columns stand once the others are gone.
fn places_of(needed: &[bool]) -> Vec<Option<usize>> {
    let mut next = 0;
    needed
        .iter()
        .map(|&needed| {
            needed.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}
