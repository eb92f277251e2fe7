//! Closed windows, kept outside of the process.

use std::ops::Range;
use std::sync::Arc;

use tidemill_record::{Image, ImageError};

use super::{Part, Run, SealedWindows};
use crate::AggTable;
use crate::windows::bounds::{Bounds, put_bounds, take_bounds};
use crate::windows::packed::{GROUPS_MAX, Packed};

/// Of a part that is one window with a table of its own.
const TABLE: &str = "table";

/// Some windows of one part, by place, and how many groups they have.
struct Piece<'a> {
    packed: &'a Packed,
    windows: Range<usize>,
    group_count: usize,
}

impl SealedWindows {
    /// What it holds, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// O(windows and groups), and what they hold; a copy of windows of few groups that share columns with others than
    /// the windows alone would say: that depends on when they came.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        image.put_images("runs", self.runs.iter().map(|run| self.export_run(run)));
        image
    }

    fn export_run(&self, run: &Run) -> Image {
        let mut parts: Vec<Image> = Vec::new();
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        for part in &run.0 {
            match part {
                Part::Table(window, table) => {
                    parts.extend(self.export_pieces(&mut pieces));
                    let mut image = Image::new();
                    put_bounds(&mut image, std::iter::once(*window));
                    image.put_image(TABLE, table.export());
                    parts.push(image);
                }
                Part::Packed(packed) => {
                    for (at, count) in packed.group_counts().enumerate() {
                        let held: usize = pieces.iter().map(|piece| piece.group_count).sum();
                        if held + count > GROUPS_MAX {
                            parts.extend(self.export_pieces(&mut pieces));
                        }
                        match pieces.last_mut() {
                            Some(piece) if std::ptr::eq(piece.packed, packed) => {
                                piece.windows.end = at + 1;
                                piece.group_count += count;
                            }
                            _ => {
                                let windows = at..at + 1;
                                pieces.push(Piece { packed, windows, group_count: count });
                            }
                        }
                    }
                }
            }
        }
        parts.extend(self.export_pieces(&mut pieces));
        let mut image = Image::new();
        image.put_images("parts", parts);
        image
    }

    /// Windows that follow each other, together.
    fn export_pieces(&self, pieces: &mut Vec<Piece<'_>>) -> Option<Image> {
        let pieces = std::mem::take(pieces);
        if let [piece] = &pieces[..] {
            return Some(piece.packed.export(piece.windows.clone()));
        }
        let mut joined = Packed::new(&self.spec);
        let mut window_count = 0;
        for Piece { packed, windows, .. } in pieces {
            window_count += windows.len();
            let pushed = joined.push_some(packed, windows);
            pushed.expect("they are some of those that there are");
        }
        (window_count > 0).then(|| joined.export(0..window_count))
    }

    /// Takes over what another of the same grouping has exported; only of one without windows.
    ///
    /// # Errors
    /// [`ImageError`], also where windows of a run are out of order.
    ///
    /// # Cost
    /// O(windows and groups), and what they hold.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        for (at, run) in image.take_images("runs")?.into_iter().enumerate() {
            let run = self.import_run(run);
            let run = run.map_err(|error| error.within(&at.to_string()).within("runs"))?;
            self.state_bytes += run.0.iter().map(Part::state_bytes).sum::<u64>();
            self.group_count += run.0.iter().map(Part::group_count).sum::<usize>();
            self.runs.push(run);
        }
        image.end()
    }

    fn import_run(&self, mut image: Image) -> Result<Run, ImageError> {
        let mut run = Run::default();
        for (at, part) in image.take_images("parts")?.into_iter().enumerate() {
            let part = self.import_part(part);
            let part = part.map_err(|error| error.within(&at.to_string()).within("parts"))?;
            let Some(first) = part.first() else {
                return Err(ImageError::new("parts", "has one without windows"));
            };
            if run.last().is_some_and(|last| last > first) {
                return Err(ImageError::new("parts", "are out of order"));
            }
            run.0.push_back(part);
        }
        if run.first().is_none() {
            return Err(ImageError::new("parts", "has none"));
        }
        image.end().map(|()| run)
    }

    fn import_part(&self, mut image: Image) -> Result<Part, ImageError> {
        if !image.has(TABLE) {
            return Packed::import(&self.spec, image).map(Part::Packed);
        }
        let bounds: Vec<Bounds> = take_bounds(&mut image)?;
        let [window] = bounds[..] else {
            return Err(ImageError::new("starts", "is not that of one window"));
        };
        let mut table = AggTable::new(Arc::clone(&self.spec), u64::MAX);
        table.import(image.take_image(TABLE)?).map_err(|error| error.within(TABLE))?;
        table.free_scratch();
        image.end().map(|()| Part::Table(window, Box::new(table)))
    }
}
