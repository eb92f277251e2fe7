//! The picture of the shell in the docs: a real session at a pseudo-terminal, drawn as it stands on the screen.
//!
//! `UPDATE_GOLDEN=1` writes it; otherwise it has to be what the session gives, but for how long queries took.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;

use support::Host;
use support::terminal::Terminal;
use vt100::{Cell, Color, Screen};

const LINES: u16 = 36;
const COLUMNS: u16 = 84;
/// Of one character of the terminal, in the picture's units.
const CELL_WIDTH: f64 = 7.83;
const LINE_HEIGHT: f64 = 16.0;
const MARGIN: f64 = 12.0;

#[test]
fn the_picture_of_the_shell_is_what_it_shows() {
    let host = Host::new();
    host.write(
        "trades.csv",
        "symbol,trader,price,prior\nACME,ann,10.5,9.75\nBOLT,bob,20,20.5\nACME,cid,11.5,\nACME,ann,9,11\nBOLT,,21.25,20\n",
    );
    let mut shell = Terminal::start(&host, (LINES, COLUMNS), &[], &[]);
    shell.line(
        "SELECT symbol, COUNT(*) AS trades, AVG(price) AS mean, MAX(trader) AS last\r\
                FROM 'trades.csv' WHERE price > 9\rGROUP BY symbol ORDER BY trades DESC;",
    );
    shell.line("CREATE SOURCE trades WITH ('connector' = 'file', 'path' = 'trades.csv');");
    shell.line("SELECT symbl FROM trades;");
    shell.line("SELECT * FROM trades WHERE prior IS NULL OR trader IS NULL;");
    shell.line(".mode vertical");
    shell.line("SELECT * FROM trades LIMIT 1;");
    shell.expect("prior  │ 9.75");
    shell.wait_for(|screen| screen.trim_end().ends_with("tidemill>"));
    shell.type_in("SELECT symbol, pri\t");
    shell.wait_for(|screen| screen.trim_end().ends_with("prior"));
    let drawn = shell.on_screen(draw);
    shell.type_in("\x03");
    shell.line(".quit");
    assert_eq!(shell.end(), Some(0));

    // Asked as the test runs: a build that is kept may be of another clone.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo");
    let path = Path::new(&folder).join("../../docs/shell.svg");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept, drawn, "UPDATE_GOLDEN=1 draws docs/shell.svg anew");
}

fn draw(screen: &Screen) -> String {
    let width = MARGIN.mul_add(2.0, f64::from(COLUMNS) * CELL_WIDTH);
    let height = MARGIN.mul_add(2.0, f64::from(LINES) * LINE_HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"monospace\" font-size=\"13\">\n<rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\" fill=\"#16191d\"/>\n"
    );
    for line in 0..LINES {
        draw_line(screen, line, &mut svg);
    }
    svg + "</svg>\n"
}

/// A piece of text for each run of cells that look the same.
fn draw_line(screen: &Screen, line: u16, svg: &mut String) {
    let text = without_duration(screen, line);
    let look_at = |column: u16| look(screen.cell(line, column).unwrap());
    let mut start = 0;
    while start < COLUMNS {
        let style = look_at(start);
        let end = (start..COLUMNS).find(|&column| look_at(column) != style).unwrap_or(COLUMNS);
        for word in words(&text, usize::from(start)..usize::from(end)) {
            let shown = text[word.clone()].concat();
            let x = MARGIN + word.start as f64 * CELL_WIDTH;
            let y = MARGIN + (f64::from(line) + 0.75) * LINE_HEIGHT;
            let length = word.len() as f64 * CELL_WIDTH;
            let escaped = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\" \
                 lengthAdjust=\"spacingAndGlyphs\" {style}>{escaped}</text>"
            )
            .unwrap();
        }
        start = end;
    }
}

/// The stretches without a blank: each has its place, so that no font can push what follows away.
fn words(text: &[String], within: Range<usize>) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for at in within.filter(|&at| text[at] != " ") {
        match words.last_mut() {
            Some(word) if word.end == at => word.end += 1,
            _ => words.push(at..at + 1),
        }
    }
    words
}

/// The characters of a line; how long a query took, as the one thing that no two runs have in common, is made the
/// same.
fn without_duration(screen: &Screen, line: u16) -> Vec<String> {
    let cell = |column| screen.cell(line, column).unwrap().contents().to_owned();
    let mut cells: Vec<String> = (0..COLUMNS).map(cell).collect();
    cells.iter_mut().filter(|cell| cell.is_empty()).for_each(|cell| *cell = " ".to_owned());
    let text = cells.concat();
    if text.starts_with('(') && text.trim_end().ends_with(" s)") {
        let digits = cells.iter_mut().skip_while(|cell| *cell != ",").filter(|cell| is_digit(cell));
        for (cell, digit) in digits.zip(["0", "0", "1", "2"]) {
            *cell = digit.to_owned();
        }
    }
    cells
}

fn is_digit(cell: &str) -> bool {
    cell.chars().all(|character| character.is_ascii_digit())
}

fn look(cell: &Cell) -> String {
    let color = match cell.fgcolor() {
        Color::Idx(2 | 10) => "#8fbf6f",
        Color::Idx(4 | 12) => "#6fa8dc",
        Color::Idx(6 | 14) => "#66c2cd",
        Color::Idx(8) => "#8a9199",
        _ if cell.dim() => "#8a9199",
        _ => "#d7dce1",
    };
    let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
    let (color, behind) =
        if cell.inverse() { ("#ffffff", " text-decoration=\"underline\"") } else { (color, "") };
    format!("fill=\"{color}\"{weight}{behind}")
}
