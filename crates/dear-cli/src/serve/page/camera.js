// What part of a picture a canvas shows: zoom and place, kept so that no empty space appears beside a picture that could fill it.

/** Times the size at which the whole picture fits. */
const MOST = 32;

export class Camera {
  /** `transform` brings the picture's pixels upright, where it measures `width` x `height`. */
  constructor(transform, [width, height]) {
    this.transform = transform;
    [this.width, this.height] = [width, height];
    this.zoom = 1;
    this.centre = [width / 2, height / 2];
    this.canvas = [1, 1];
  }

  /** The canvas measures so much now. */
  resize(width, height) {
    this.canvas = [width, height];
    this.#settle();
  }

  get scale() {
    return Math.min(this.canvas[0] / this.width, this.canvas[1] / this.height) * this.zoom;
  }

  get whole() {
    return this.zoom === 1;
  }

  /** Enlarge by a factor; the point of the picture at `(x, y)` of the canvas stays where it is. */
  enlarge(factor, [x, y] = [this.canvas[0] / 2, this.canvas[1] / 2]) {
    const before = this.scale;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), MOST);
    const shift = 1 / before - 1 / this.scale;
    this.centre[0] += (x - this.canvas[0] / 2) * shift;
    this.centre[1] += (y - this.canvas[1] / 2) * shift;
    this.#settle();
  }

  /** Move the picture by so many pixels of the canvas. */
  move(x, y) {
    this.centre[0] -= x / this.scale;
    this.centre[1] -= y / this.scale;
    this.#settle();
  }

  reset() {
    this.zoom = 1;
    this.#settle();
  }

  /** Bring a point of the stored picture into view. */
  reveal(x, y) {
    const [u, v] = apply(this.matrix(), x, y);
    const margin = 0.1;
    const beyond = (at, side) => Math.min(at - margin * side, 0) + Math.max(at - (1 - margin) * side, 0);
    this.move(-beyond(u, this.canvas[0]), -beyond(v, this.canvas[1]));
  }

  /** From the stored picture to the canvas. */
  matrix() {
    const scale = this.scale;
    return new DOMMatrix()
      .translateSelf(this.canvas[0] / 2, this.canvas[1] / 2)
      .scaleSelf(scale)
      .translateSelf(-this.centre[0], -this.centre[1])
      .multiplySelf(this.transform);
  }

  /** The point of the stored picture at a point of the canvas. */
  toPicture(x, y) {
    return apply(this.matrix().invertSelf(), x, y);
  }

  /** A direction as it is seen, in the stored picture: `[1, 0]` is to the right. */
  direction(x, y) {
    const { a, b, c, d } = this.transform.inverse();
    return [Math.round(a * x + c * y), Math.round(b * x + d * y)];
  }

  #settle() {
    [this.width, this.height].forEach((side, axis) => {
      const half = this.canvas[axis] / 2 / this.scale;
      this.centre[axis] = 2 * half >= side ? side / 2 : Math.min(Math.max(this.centre[axis], half), side - half);
    });
  }
}

function apply(matrix, x, y) {
  return [matrix.a * x + matrix.c * y + matrix.e, matrix.b * x + matrix.d * y + matrix.f];
}
