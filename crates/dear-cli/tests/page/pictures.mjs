// Files to score: the repository's samples, and some that are odd.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { deflateSync } from "node:zlib";

const SAMPLES = new URL("../../../../samples/test/real/kodak/", import.meta.url);

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** A file as tests hand it over. */
export const file = (name, bytes) => ({ name, bytes, mimeType: "application/octet-stream", buffer: bytes });

/** The samples, by name. */
export const samples = () => readdirSync(SAMPLES).sort().map(sample);

export const sample = (name) => file(name, readFileSync(new URL(name, SAMPLES)));

/** A PNG of `pixel(x, y)` = [r, g, b], with text chunks `[keyword, text]`. */
export function png(width, height, pixel, texts = []) {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0, at = 0; y < height; y += 1) {
    at += 1; // no filter
    for (let x = 0; x < width; x += 1, at += 3) rows.set(pixel(x, y), at);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", header),
    ...texts.map(([keyword, text]) => chunk("tEXt", Buffer.from(`${keyword}\0${text}`, "latin1"))),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(checksum(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}

/** The CRC of PNG. */
function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Noise that does not compress, for files of a wished size; the same each time. */
export function noise() {
  let state = 1;
  return () => [0, 0, 0].map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** A JPEG that asks to be shown turned: an EXIF segment behind its first marker. */
export function turned(jpeg, orientation) {
  const tiff = Buffer.from("49492a0008000000" + "0100" + "120103000100000000000000" + "00000000", "hex");
  tiff.writeUInt16LE(orientation, 18);
  const body = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), tiff]);
  const marker = Buffer.from([0xff, 0xe1, 0, 0]);
  marker.writeUInt16BE(2 + body.length, 2);
  return Buffer.concat([jpeg.subarray(0, 2), marker, body, jpeg.subarray(2)]);
}
