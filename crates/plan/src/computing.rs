//! Where computed columns are computed: behind the scan, each as late as what reads it allows.
//!
//! A bound query has computed columns in its scan, as if records had them. Here a scan keeps what is read
//! and the conditions on that; stages behind it compute the rest. For a source with
//! `ts AS TO_TIMESTAMP(t)` and `size AS CAST(n AS BIGINT)`, of which `ts` is the event time, and a query
//! with `WHERE kind = 'a' AND size > 10`, they are: compute `ts`, note the event time, keep `kind = 'a'`
//! (the scan's own condition), compute `size`, keep `size > 10`.

use crate::fragment::{Fragment, FragmentInput, Stage};
use crate::relation::{NamedExpr, Scan};
use crate::{Expr, ExprKind, Function, Scalar, SourceDef, Span};
use tidemill_record::DataType;

/// Takes computed columns out of the scans of a fragment, and puts stages behind them that compute what
/// is read. Columns of records that have a limit are held to it where they are read.
pub(crate) fn place(fragment: &mut Fragment) {
    match &mut fragment.input {
        FragmentInput::Gather { children, .. } => children.iter_mut().for_each(place),
        FragmentInput::Scan(scan) => place_behind(scan, &mut fragment.stages),
    }
}

fn place_behind(scan: &mut Scan, stages: &mut Vec<Stage>) {
    let source = scan.source.clone();
    let wanted = std::mem::take(&mut scan.columns);
    let conditions = conjuncts(scan.filter.take(), &wanted);
    let event_time = match stages.first() {
        Some(Stage::EventTime(spec)) => Some((wanted[spec.column], spec.clone())),
        _ => None,
    };
    scan.columns = source.read_for(wanted.iter().copied());
    let (first, rest) = by_what_they_read(conditions, &source);
    scan.filter = joined(limits(&source, &scan.columns).into_iter().chain(first), &scan.columns);
    let mut behind = Behind::new(&source, scan.columns.clone());
    if let Some((column, mut spec)) = event_time {
        // The scan's own conditions come behind it, and find their columns by place.
        let all: Vec<usize> = scan.columns.iter().chain(&wanted).copied().collect();
        behind.compute(&[column], &all, &rest);
        spec.column = behind.place_of(column);
        behind.stages.push(Stage::EventTime(spec));
        stages.remove(0);
    }
    let mut rest = rest.into_iter();
    while let Some(condition) = rest.next() {
        behind.compute(&read_by(&condition), &wanted, rest.as_slice());
        behind.keep(condition);
    }
    behind.compute(&wanted, &wanted, &[]);
    behind.arrange(&wanted);
    stages.splice(0..0, behind.stages);
}

/// The stages behind a scan, as far as they are known.
struct Behind<'a> {
    source: &'a SourceDef,
    /// The columns that leave the last of them, by number of the source.
    columns: Vec<usize>,
    /// For each column of the source its place among those.
    places: Vec<Option<usize>>,
    stages: Vec<Stage>,
}

impl<'a> Behind<'a> {
    fn new(source: &'a SourceDef, columns: Vec<usize>) -> Self {
        let places = vec![None; source.column_count()];
        let mut behind = Self { source, columns: Vec::new(), places, stages: Vec::new() };
        behind.leave(columns);
        behind
    }

    /// Says which columns leave now.
    fn leave(&mut self, columns: Vec<usize>) {
        self.places.fill(None);
        for (place, &column) in columns.iter().enumerate() {
            self.places[column] = Some(place);
        }
        self.columns = columns;
    }

    fn place_of(&self, column: usize) -> usize {
        self.places[column].expect("a column is computed before it is read")
    }

    /// Computes what of `needed` is not there. Columns that neither `wanted` nor a condition of `later`
    /// reads, nor what is yet to be computed for them, go.
    fn compute(&mut self, needed: &[usize], wanted: &[usize], later: &[Expr]) {
        loop {
            let missing = self.reached(needed.to_vec(), |column| self.places[column].is_some());
            let is_there =
                |expr: &Expr| read_by(expr).iter().all(|&read| self.places[read].is_some());
            let is_ready = |column: &usize| {
                let is_missing = missing[*column] && self.places[*column].is_none();
                is_missing && self.source.computing(*column).is_some_and(is_there)
            };
            let ready: Vec<usize> =
                (0..self.source.column_count()).filter(|column| is_ready(column)).collect();
            if ready.is_empty() {
                return;
            }
            let mut reads: Vec<usize> = needed.iter().chain(wanted).copied().collect();
            reads.extend(later.iter().flat_map(read_by));
            let is_known = |column: usize| self.places[column].is_some() || ready.contains(&column);
            let kept = self.reached(reads, is_known);
            let next = self.columns.iter().chain(&ready).copied();
            let next: Vec<usize> = next.filter(|&column| kept[column]).collect();
            let output = next.iter().map(|&column| self.output(column)).collect();
            self.stages.push(Stage::Compute(output));
            self.leave(next);
        }
    }

    /// Which columns are among some, or are read to compute those of them that are not known, directly or
    /// through others.
    fn reached(&self, columns: Vec<usize>, is_known: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut is_met = vec![false; self.source.column_count()];
        let mut waiting = columns;
        while let Some(column) = waiting.pop() {
            if !std::mem::replace(&mut is_met[column], true) && !is_known(column) {
                waiting.extend(self.source.computing(column).map(read_by).unwrap_or_default());
            }
        }
        is_met
    }

    /// A column as the next stage gives it: as it is, where it is there.
    fn output(&self, column: usize) -> NamedExpr {
        let field = self.source.field(column);
        let name = field.name.clone();
        let expr = match (self.places[column], self.source.computing(column)) {
            (Some(place), _) => Expr::column(place, name.clone(), field.data_type.clone()),
            (None, Some(expr)) => {
                let mut expr = expr.clone();
                expr.remap_columns(&|read| self.place_of(read));
                expr
            }
            (None, None) => unreachable!("it is read, or it is computed"),
        };
        NamedExpr { name, expr }
    }

    /// Keeps the rows of a condition over the source's columns.
    fn keep(&mut self, mut condition: Expr) {
        condition.remap_columns(&|column| self.place_of(column));
        match self.stages.last_mut() {
            Some(Stage::Filter(before)) => {
                let mut terms = terms(before.clone());
                terms.push(condition);
                *before = conjunction(terms);
            }
            _ => self.stages.push(Stage::Filter(condition)),
        }
    }

    /// Gives the columns that the query reads, in its order.
    fn arrange(&mut self, wanted: &[usize]) {
        if self.columns == wanted {
            return;
        }
        let output: Vec<NamedExpr> = match self.stages.last() {
            Some(Stage::Compute(last)) => {
                wanted.iter().map(|&column| last[self.place_of(column)].clone()).collect()
            }
            _ => wanted.iter().map(|&column| self.output(column)).collect(),
        };
        if let Some(Stage::Compute(_)) = self.stages.last() {
            self.stages.pop();
        }
        self.stages.push(Stage::Compute(output));
        self.leave(wanted.to_vec());
    }
}

/// Conditions that the scan itself applies, and those that wait for computed columns, or stand behind such
/// a condition and may fail for a row that it leaves out.
fn by_what_they_read(conditions: Vec<Expr>, source: &SourceDef) -> (Vec<Expr>, Vec<Expr>) {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for condition in conditions {
        let is_read = read_by(&condition).iter().all(|&at| source.computing(at).is_none());
        if is_read && (rest.is_empty() || condition.is_total()) {
            first.push(condition);
        } else {
            rest.push(condition);
        }
    }
    (first, rest)
}

/// For each of the columns whose type names a limit, the condition that holds its values to it.
fn limits(source: &SourceDef, columns: &[usize]) -> Vec<Expr> {
    let limited = columns.iter().filter_map(|&column| {
        let limit = (*source.limits.get(column)?)?;
        let field = source.field(column);
        let value = Expr::column(column, field.name.clone(), field.data_type.clone());
        let arguments = vec![value, Expr::literal(Scalar::BigInt(limit.into()))];
        let kind = ExprKind::Call { function: Function::Fits, arguments };
        Some(Expr { kind, data_type: DataType::Boolean, span: Span::default() })
    });
    limited.collect()
}

/// The terms of a scan's filter, over the source's columns by number.
fn conjuncts(filter: Option<Expr>, columns: &[usize]) -> Vec<Expr> {
    let mut terms = filter.map(terms).unwrap_or_default();
    terms.iter_mut().for_each(|term| term.remap_columns(&|index| columns[index]));
    terms
}

/// One condition of several over the source's columns, over those of the scan by place.
fn joined(terms: impl Iterator<Item = Expr>, columns: &[usize]) -> Option<Expr> {
    let mut terms: Vec<Expr> = terms.collect();
    let place_of = |column: usize| {
        columns.binary_search(&column).expect("the scan has what its conditions read")
    };
    terms.iter_mut().for_each(|term| term.remap_columns(&place_of));
    (!terms.is_empty()).then(|| conjunction(terms))
}

fn terms(predicate: Expr) -> Vec<Expr> {
    match predicate.kind {
        ExprKind::And(terms) => terms,
        _ => vec![predicate],
    }
}

fn conjunction(mut terms: Vec<Expr>) -> Expr {
    match terms.len() {
        1 => terms.remove(0),
        _ => {
            Expr { kind: ExprKind::And(terms), data_type: DataType::Boolean, span: Span::default() }
        }
    }
}

fn read_by(expr: &Expr) -> Vec<usize> {
    let mut columns = Vec::new();
    expr.for_each_column(&mut |column| columns.push(column));
    columns
}
