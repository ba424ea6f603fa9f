//! Exact tiling: a large image in bounded memory, with the scores of the whole image.
//!
//! A convolutional backbone sees `halo` pixels beyond a tile. A tile with its halo, zero padding only at true borders,
//! gives exactly the features of the whole image inside the tile; pooling is a sum over all tiles' cells.

use std::ops::Range;

use dear_image::{Image, crop};

/// A tile of an image: the pixels whose features are taken, and the pixels that are computed for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// First column and row whose features are taken; multiples of the stride.
    pub(crate) x: u32,
    pub(crate) y: u32,
    /// First computed column and row, and the computed size.
    left: u32,
    top: u32,
    computed: (u32, u32),
    /// Size in cells of what is taken, and its place in the computed feature map.
    pub(crate) cells: (usize, usize),
    pub(crate) offset: (usize, usize),
}

impl Tile {
    /// The computed pixels.
    pub(crate) fn cut(&self, image: &Image) -> Image {
        crop(image, self.left, self.top, self.computed.0, self.computed.1)
    }
}

/// What a network asks of its tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Pixels for one cell.
    pub(crate) stride: u32,
    /// Pixels around what is taken that make it exact.
    pub(crate) halo: u32,
    /// The shortest side that the network takes. An image has at least that.
    pub(crate) min_side: u32,
    /// The shortest side that gives one cell; 1 where layers pad, so that a rest of a stride gives a cell too.
    pub(crate) span: u32,
}

/// Tiles that cover an image and are computed from at most `pixels` pixels each; where the image is smaller, one.
///
/// # Errors
/// How many pixels it takes, where `pixels` leave less of a tile than its halo: most of the work would be spent on halos.
pub(crate) fn tiles((width, height): (u32, u32), grid: Grid, pixels: u64) -> Result<Vec<Tile>, u64> {
    let square = pixels.isqrt();
    let long = |across: u32| pixels / u64::from(across.max(1));
    // A long narrow image is cut across only.
    let (wide, high) = match (u64::from(width) < square, u64::from(height) < square) {
        (_, true) => (long(height), u64::from(height)),
        (true, _) => (u64::from(width), long(width)),
        _ => (square, square),
    };
    let (Some(columns), Some(rows)) = (grid.spans(width, wide), grid.spans(height, high)) else {
        let least = |length: u32| u64::from(length.min(grid.least_side()));
        return Err(least(width) * least(height));
    };
    let tile = |row: &Span, column: &Span| Tile {
        x: column.first,
        y: row.first,
        left: column.start,
        top: row.start,
        computed: (column.length, row.length),
        cells: (column.cells, row.cells),
        offset: (column.offset, row.offset),
    };
    Ok(rows.iter().flat_map(|row| columns.iter().map(move |column| tile(row, column))).collect())
}

/// A tile along one axis.
struct Span {
    first: u32,
    start: u32,
    length: u32,
    cells: usize,
    offset: usize,
}

impl Grid {
    /// The number of cells of a side of `length` pixels.
    pub(crate) fn cells(self, length: u32) -> u32 {
        length.checked_sub(self.span).map_or(0, |beyond| beyond / self.stride + 1)
    }

    fn margin(self) -> u32 {
        self.halo.next_multiple_of(self.stride)
    }

    /// Side of the smallest computed tile: its halos, and as much between them as one of them.
    fn least_side(self) -> u32 {
        let network = self.min_side.next_multiple_of(self.stride) + self.stride;
        (2 * self.margin() + self.margin().max(self.stride)).max(network)
    }

    /// Cuts `length` pixels so that no piece with its halos is longer than `limit`. Pieces begin on the grid, so that the
    /// strided layers of a tile fall on the same pixels as those of the whole image, and differ by one cell at most: a
    /// narrow rest could be too small for the network.
    fn spans(self, length: u32, limit: u64) -> Option<Vec<Span>> {
        let cells = self.cells(length);
        let side = match u32::try_from(limit) {
            Ok(limit) if limit < length => {
                let side = limit.checked_sub(2 * self.margin()).filter(|_| limit >= self.least_side())?;
                side / self.stride
            }
            _ => cells,
        };
        let count = cells.div_ceil(side);
        // In u64: cells times pieces of a long image may not fit.
        let bound = |piece: u32| (u64::from(piece) * u64::from(cells) / u64::from(count)) as u32;
        Some((0..count).map(|piece| self.span(bound(piece)..bound(piece + 1), length)).collect())
    }

    /// The piece of these cells with its halos, which are wider where the network would not take it.
    fn span(self, cells: Range<u32>, length: u32) -> Span {
        let (first, end) = (cells.start * self.stride, cells.end.saturating_mul(self.stride).min(length));
        let mut start = first.saturating_sub(self.margin());
        let mut stop = end.saturating_add(self.margin()).min(length);
        stop = stop.max(start.saturating_add(self.min_side).next_multiple_of(self.stride).min(length));
        let missing = self.min_side.saturating_sub(stop - start);
        start = start.saturating_sub(missing.next_multiple_of(self.stride));
        Span {
            first,
            start,
            length: stop - start,
            cells: cells.len(),
            offset: ((first - start) / self.stride) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_take_every_cell_once_stay_inside_the_image_and_within_the_limit() {
        let mut seen = 0;
        for (stride, halo, min_side) in [(8, 20, 24), (8, 0, 40), (32, 96, 64), (1, 3, 9), (16, 16, 100)] {
            let grid = Grid { stride, halo, min_side, span: 1 };
            for (width, height) in [(100, 100), (101, 163), (200, 131), (124, 1500), (1025, 108), (513, 769)]
            {
                for pixels in [40 * 40, 90 * 90, 100 * 100, 300 * 300, 512 * 512] {
                    let case = format!("{grid:?}, {width} x {height}, {pixels} pixels");
                    let found = match tiles((width, height), grid, pixels) {
                        Ok(found) => found,
                        Err(needed) => {
                            assert!(needed > pixels, "{case}: needs {needed}");
                            continue;
                        }
                    };
                    seen += 1;
                    let (columns, rows) = (width.div_ceil(stride) as usize, height.div_ceil(stride) as usize);
                    let mut taken = vec![0; columns * rows];
                    for tile in &found {
                        let (w, h) = tile.computed;
                        assert!(tile.left + w <= width && tile.top + h <= height, "{case}: {tile:?}");
                        assert!(w >= min_side && h >= min_side, "{case}: {tile:?} is too small");
                        assert!(u64::from(w) * u64::from(h) <= pixels, "{case}: {tile:?} is too large");
                        assert!(tile.left % stride == 0 && tile.top % stride == 0, "{case}: {tile:?}");
                        let ends = |first: u32, cells: usize, length: u32| {
                            (first + cells as u32 * stride).min(length)
                        };
                        let right = ends(tile.x, tile.cells.0, width);
                        assert!(tile.left == 0 || tile.x - tile.left >= halo, "{case}: {tile:?}");
                        assert!(tile.left + w == width || tile.left + w - right >= halo, "{case}: {tile:?}");
                        for row in 0..tile.cells.1 {
                            for column in 0..tile.cells.0 {
                                let at = (tile.y / stride) as usize + row;
                                taken[at * columns + (tile.x / stride) as usize + column] += 1;
                            }
                        }
                    }
                    assert!(taken.iter().all(|&times| times == 1), "{case}");
                }
            }
        }
        assert!(seen >= 60, "only {seen} cases had tiles");
    }

    #[test]
    fn an_image_slightly_larger_than_a_tile_is_cut_in_halves() {
        let grid = Grid { stride: 8, halo: 16, min_side: 64, span: 1 };
        let found = tiles((401, 300), grid, 400 * 300).expect("tiles");
        assert_eq!(found.iter().map(|tile| (tile.x, tile.cells.0)).collect::<Vec<_>>(), [(0, 25), (200, 26)]);
    }
}
