//! What was measured, for people and for programs.

use serde_json::{Value, json};

use crate::breakdown::Breakdown;
use crate::query::{Scenario, Text};
use crate::shape::Shape;

/// The times of one shape.
pub(crate) struct Cell {
    pub(crate) scenario: Scenario,
    pub(crate) text: Text,
    pub(crate) shape: Shape,
    /// Records of the input.
    pub(crate) rows: u64,
    /// One a run.
    pub(crate) seconds: Vec<f64>,
}

impl Cell {
    /// Nanoseconds a record, of the median run.
    pub(crate) fn record_ns(&self) -> f64 {
        median(&self.seconds) * 1e9 / self.rows as f64
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// One scenario's shapes, a line each; the ratio is of records a second to the product's.
pub(crate) fn print(cells: &[Cell]) {
    let product = cells.iter().find(|cell| cell.shape == Shape::V3).map(Cell::record_ns);
    for cell in cells {
        let least = cell.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = cell.seconds.iter().copied().fold(0.0, f64::max);
        let ratio = product
            .map_or(String::new(), |product| format!("{:8.3} x v3", product / cell.record_ns()));
        println!(
            "{:4} {:5} {:11} {:>9} rows {:9.4} s [{least:.4} … {most:.4}] {:9.3} M records/s {ratio}",
            cell.scenario.name(),
            cell.text.name(),
            cell.shape.name(),
            cell.rows,
            median(&cell.seconds),
            1e3 / cell.record_ns(),
        );
    }
}

/// Where the time of shapes goes, a block each.
pub(crate) fn print_breakdown(breakdowns: &[Breakdown]) {
    for breakdown in breakdowns {
        let total = breakdown.measured_ns;
        let total = total.map_or(String::new(), |total| format!(": {total:.0} ns a record in all"));
        println!("{} {}{total}", breakdown.shape.name(), breakdown.scenario.name());
        for piece in &breakdown.pieces {
            println!("    {:9.1} ns {:10} {}", piece.record_ns, piece.thread, piece.name);
        }
    }
}

/// All of it.
pub(crate) fn json(
    rows: u64,
    runs: usize,
    cores: usize,
    cells: &[Cell],
    breakdowns: &[Breakdown],
) -> String {
    let cell = |cell: &Cell| {
        json!({
            "scenario": cell.scenario.name(),
            "format": cell.text.name(),
            "shape": cell.shape.name(),
            "rows": cell.rows,
            "seconds": cell.seconds,
        })
    };
    let breakdown = |breakdown: &Breakdown| {
        let pieces = breakdown.pieces.iter().map(|piece| {
            json!({ "name": piece.name, "thread": piece.thread, "record_ns": piece.record_ns })
        });
        json!({
            "scenario": breakdown.scenario.name(),
            "format": breakdown.text.name(),
            "shape": breakdown.shape.name(),
            "rows": breakdown.rows,
            "measured_record_ns": breakdown.measured_ns,
            "pieces": pieces.collect::<Vec<Value>>(),
        })
    };
    let report = json!({
        "rows": rows,
        "runs": runs,
        "cores": cores,
        "cells": cells.iter().map(cell).collect::<Vec<_>>(),
        "breakdown": breakdowns.iter().map(breakdown).collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}
