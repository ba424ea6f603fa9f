// The evidence map: where its cells lie in the picture, and its colours. The numbers and colours are those of
// crates/dear/src/explain.rs.

export const GENERATED = [202, 0, 32];
export const REAL = [5, 113, 176];

/** Longest side in pixels of the drawn map; the browser smooths what is enlarged further. */
const RASTER = 1024;

/** `{row, column}` of the cell at a point of the seen picture; points beyond the grid belong to its outermost cells. */
export function cellAt(map, x, y) {
  const index = (at, axis, count) => Math.min(Math.max(Math.floor((at - map.offset[axis]) / map.cell[axis]), 0), count - 1);
  return { row: index(y, 1, map.rows), column: index(x, 0, map.columns) };
}

/** `[x, y, width, height]` of a cell in the seen picture. */
export function cellBox({ cell: [width, height], offset }, { row, column }) {
  return [offset[0] + column * width, offset[1] + row * height, width, height];
}

export const valueAt = (map, { row, column }) => map.values[row * map.columns + column];

/** The cell with the greatest value times `sign`. */
export function strongest(map, sign) {
  const signs = map.values.map((value) => sign * value);
  const index = signs.indexOf(signs.reduce((a, b) => Math.max(a, b)));
  return { row: Math.floor(index / map.columns), column: index % map.columns };
}

/** The map as a canvas of the picture's proportions: colour by sign, opacity by size. Bilinear between the cells' centres. */
export function raster(map) {
  const scale = Math.min(1, RASTER / Math.max(map.width, map.height));
  const [width, height] = [map.width, map.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const columns = taps(width, map.width / width, map.offset[0], map.cell[0], map.columns);
  const rows = taps(height, map.height / height, map.offset[1], map.cell[1], map.rows);
  let at = 0;
  for (const [top, bottom, down] of rows) {
    const [upper, lower] = [top, bottom].map((row) => map.values.slice(row * map.columns, (row + 1) * map.columns));
    for (const [left, right, along] of columns) {
      const above = upper[left] + (upper[right] - upper[left]) * along;
      const below = lower[left] + (lower[right] - lower[left]) * along;
      const value = above + (below - above) * down;
      image.data.set(value > 0 ? GENERATED : REAL, at);
      image.data[at + 3] = Math.round(255 * Math.min(1, Math.abs(value) / map.full));
      at += 4;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** For each pixel along one side: the two cells that it lies between, and how far it is to the second. */
function taps(pixels, step, offset, cell, count) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const place = Math.min(Math.max(((pixel + 0.5) * step - offset) / cell - 0.5, 0), count - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, count - 1), place - first];
  });
}

/** From the stored picture to how it is to be shown, for each EXIF orientation. */
export function upright(orientation, width, height) {
  const matrices = {
    2: [-1, 0, 0, 1, width, 0],
    3: [-1, 0, 0, -1, width, height],
    4: [1, 0, 0, -1, 0, height],
    5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, height, 0],
    7: [0, -1, -1, 0, height, width],
    8: [0, -1, 1, 0, 0, width],
  };
  return new DOMMatrix(matrices[orientation] ?? [1, 0, 0, 1, 0, 0]);
}

/** The orientation that is left to do: none where the file was turned when it was read. */
export function orientationOf(record) {
  const treatment = record.treatment;
  return treatment !== null && treatment !== undefined && !treatment.oriented ? treatment.orientation : 1;
}

/** Width and height as shown. */
export const shownSize = (orientation, width, height) => (orientation >= 5 ? [height, width] : [width, height]);

/** A picture of the service, decoded. */
export async function picture(map) {
  const image = new Image();
  image.src = map.picture;
  await image.decode();
  return image;
}

/** The picture in grey, so that colours are the map's alone. */
export function grey(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const [r, g, b] = pixels.data.subarray(at, at + 3);
    pixels.data.fill(Math.round(0.299 * r + 0.587 * g + 0.114 * b), at, at + 3);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
