//! Exact tiling: a large image in bounded memory, with the scores of the whole image.
//!
//! A convolutional backbone sees `halo` pixels beyond a tile. A tile with its halo, zero padding only at true borders,
//! gives exactly the features of the whole image inside the tile; pooling is a sum over all tiles' cells.

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

/// Tiles of about `side` pixels that cover a `width` x `height` image. `side` and `halo` are rounded up to multiples of
/// the stride, so that the strided layers of a tile fall on the same pixels as those of the whole image.
pub(crate) fn tiles(width: u32, height: u32, stride: u32, halo: u32, side: u32) -> Vec<Tile> {
    let halo = halo.next_multiple_of(stride);
    let side = side.max(stride).next_multiple_of(stride);
    let span = |start: u32, length: u32| {
        let end = (start + side).min(length);
        let left = start.saturating_sub(halo);
        let right = end.saturating_add(halo).min(length);
        (left, right - left, (end - start).div_ceil(stride) as usize, ((start - left) / stride) as usize)
    };
    let mut tiles = Vec::new();
    for y in (0..height).step_by(side as usize) {
        let (top, computed_height, rows, row_offset) = span(y, height);
        for x in (0..width).step_by(side as usize) {
            let (left, computed_width, columns, column_offset) = span(x, width);
            tiles.push(Tile {
                x,
                y,
                left,
                top,
                computed: (computed_width, computed_height),
                cells: (columns, rows),
                offset: (column_offset, row_offset),
            });
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_take_every_cell_once_and_stay_inside_the_image() {
        for (width, height) in [(64, 64), (65, 63), (200, 131), (24, 500)] {
            let found = tiles(width, height, 8, 20, 60);
            let (columns, rows) = (width.div_ceil(8) as usize, height.div_ceil(8) as usize);
            let mut taken = vec![0; columns * rows];
            for tile in &found {
                assert!(
                    tile.left + tile.computed.0 <= width && tile.top + tile.computed.1 <= height,
                    "{tile:?}"
                );
                assert!(tile.left % 8 == 0 && tile.top % 8 == 0, "{tile:?} is not on the grid");
                for row in 0..tile.cells.1 {
                    for column in 0..tile.cells.0 {
                        taken[((tile.y / 8) as usize + row) * columns + (tile.x / 8) as usize + column] += 1;
                    }
                }
            }
            assert!(taken.iter().all(|&times| times == 1), "{width} x {height}");
        }
    }
}
