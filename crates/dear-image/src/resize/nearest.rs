//! Pillow's `NEAREST`: sample positions by repeated addition, cut to integers; outside is 0.

/// Samples `region` of `pixels` (`[height][width][C]`, `size` is (width, height)) at `out` places.
pub(super) fn nearest<const C: usize>(
    pixels: &[u8],
    size: (u32, u32),
    region: [f32; 4],
    out: (u32, u32),
) -> Vec<u8> {
    let [left, top, right, bottom] = region;
    let columns = positions(left, right, out.0, size.0);
    let rows = positions(top, bottom, out.1, size.1);
    let stride = C * size.0 as usize;
    let mut sampled = Vec::with_capacity(C * out.0 as usize * out.1 as usize);
    for row in rows {
        for column in &columns {
            match (row, column) {
                (Some(y), Some(x)) => sampled.extend_from_slice(&pixels[y * stride + C * x..][..C]),
                _ => sampled.extend_from_slice(&[0; C]),
            }
        }
    }
    sampled
}

fn positions(from: f32, to: f32, out: u32, length: u32) -> Vec<Option<usize>> {
    let step = f64::from(to - from) / f64::from(out);
    let mut at = f64::from(from) + step * 0.5;
    let inside = |at: f64| (at >= 0.0 && at < f64::from(length)).then_some(at as usize);
    (0..out)
        .map(|_| {
            let position = inside(at);
            at += step;
            position
        })
        .collect()
}
