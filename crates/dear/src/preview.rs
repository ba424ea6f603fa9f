//! A contact sheet of augmented views: a look at what a head is trained on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dear_image::{Image, Kernel, Mask, encode_png, resize, resize_mask};
use maud::{Markup, html};

use crate::error::Error;
use crate::report::{document, within};
use crate::views::Shown;

/// Longest side of the pictures of whole images, and what a view is enlarged to, in pixels.
const SIDE: u32 = 192;
/// Most pixels of a sheet.
const MOST_PIXELS: u64 = 200_000_000;
/// Pixels between the tiles of a picture.
const GAP: u32 = 8;
/// The outline of what is inside a mask.
const OUTLINE: [u8; 3] = [255, 0, 255];
/// Behind the tiles.
const BACK: [u8; 3] = [32, 36, 40];

/// The sheet as one picture: a row for each image, which stands first, then its views, enlarged pixel by pixel. Masks are
/// outlined.
///
/// # Errors
/// A sheet of more pixels than PNG holds.
///
/// # Panics
/// If there is nothing to show.
pub fn picture(sheet: &[Shown]) -> Result<Vec<u8>, Error> {
    let columns = 1 + sheet.iter().map(|shown| shown.views.len()).max().unwrap_or(0) as u32;
    let side = |tiles: u64| u64::from(SIDE + GAP) * tiles + u64::from(GAP);
    let (width, height) = (side(u64::from(columns)), side(sheet.len() as u64));
    if width * height > MOST_PIXELS {
        return Err(Error::Options(format!(
            "a picture of {width} x {height} is too large for {} rows and {columns} columns: show fewer views or images",
            sheet.len()
        )));
    }
    let (width, height) = (width as u32, height as u32);
    let mut picture = Image::from_fn(width, height, |_, _| BACK);
    for (row, shown) in sheet.iter().enumerate() {
        for (column, tile) in tiles(shown).iter().enumerate() {
            let at = |index: usize| GAP + (SIDE + GAP) * index as u32;
            paste(&mut picture, tile, (at(column), at(row)));
        }
    }
    encoded(&picture)
}

/// The sheet as one HTML page: the same pictures, with what was drawn for each.
///
/// # Errors
/// As [`picture`].
pub fn page(sheet: &[Shown], lead: &str) -> Result<String, Error> {
    let rows = sheet.iter().map(row).collect::<Result<Vec<Markup>, Error>>()?;
    let body = html! {
        header { h1 { "Augmented views" } p.lead { (lead) } }
        main { @for row in &rows { (row) } }
    };
    Ok(document("Augmented views", include_str!("preview.css"), &body))
}

fn row(shown: &Shown) -> Result<Markup, Error> {
    let (width, height) = shown.size;
    let captions = std::iter::once(format!("whole, {width} x {height}"))
        .chain(shown.views.iter().map(|(_, _, plan)| plan.to_string()));
    let mut figures = Vec::new();
    for (tile, caption) in tiles(shown).iter().zip(captions) {
        let source = format!("data:image/png;base64,{}", STANDARD.encode(encoded(tile)?));
        let steps: Vec<String> = caption.split(" | ").map(str::to_owned).collect();
        figures.push(html! {
            figure {
                img src=(source) alt="" width=(tile.width()) height=(tile.height());
                figcaption { @for step in &steps { span { (step) } " " } }
            }
        });
    }
    Ok(html! {
        section {
            h2.path { (shown.key) }
            div.sheet { @for figure in &figures { (figure) } }
        }
    })
}

/// An image and its mask in the size in which a sheet shows them: what else they hold is not needed.
pub(crate) fn reduced(image: &Image, mask: Option<&Mask>) -> (Image, Option<Mask>) {
    let (width, height) = within(SIDE, image.size());
    (resize(image, width, height, Kernel::Bilinear), mask.map(|mask| resize_mask(mask, width, height)))
}

/// The image and its views, at most `SIDE` pixels a side, masks outlined.
fn tiles(shown: &Shown) -> Vec<Image> {
    let (image, mask) = &shown.image;
    let to = within(SIDE, image.size());
    let views =
        shown.views.iter().map(|(image, mask, _)| tile(image, mask.as_ref(), (SIDE, SIDE), Kernel::Nearest));
    std::iter::once(tile(image, mask.as_ref(), to, Kernel::Bilinear)).chain(views).collect()
}

fn tile(image: &Image, mask: Option<&Mask>, (width, height): (u32, u32), kernel: Kernel) -> Image {
    let mut tile = resize(image, width, height, kernel);
    let Some(mask) = mask.map(|mask| resize_mask(mask, width, height)) else { return tile };
    for y in 0..height {
        for x in 0..width {
            let edge = [(1, 0), (0, 1), (-1, 0), (0, -1)].into_iter().any(|(dx, dy)| {
                match (x.checked_add_signed(dx), y.checked_add_signed(dy)) {
                    (Some(x), Some(y)) if x < width && y < height => !mask.is_inside(x, y),
                    _ => false,
                }
            });
            if mask.is_inside(x, y) && edge {
                let at = 3 * (y as usize * width as usize + x as usize);
                tile.data_mut()[at..at + 3].copy_from_slice(&OUTLINE);
            }
        }
    }
    tile
}

/// Puts `tile` into the middle of the square of `SIDE` at `corner`.
fn paste(picture: &mut Image, tile: &Image, corner: (u32, u32)) {
    let (left, top) = (corner.0 + (SIDE - tile.width()) / 2, corner.1 + (SIDE - tile.height()) / 2);
    let (stride, row) = (3 * picture.width() as usize, 3 * tile.width() as usize);
    for (y, pixels) in tile.data().chunks_exact(row).enumerate() {
        let at = (top as usize + y) * stride + 3 * left as usize;
        picture.data_mut()[at..at + row].copy_from_slice(pixels);
    }
}

fn encoded(image: &Image) -> Result<Vec<u8>, Error> {
    encode_png(image).map_err(|error| Error::Options(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dear_image::{AugmentOptions, AugmentPlan, AugmentRole, DecodeOptions, Draw, decode};

    fn sheet() -> Vec<Shown> {
        let image = Image::from_fn(300, 150, |x, y| [x as u8, y as u8, 40]);
        let mask = Mask::from_fn(300, 150, |x, _| x < 150);
        let draw = &mut Draw::keyed(1, &[]);
        let plan = AugmentPlan::draw((300, 150), &AugmentOptions::crop_only(), AugmentRole::Probe, draw);
        let (view, inside) = plan.apply(&image, Some(&mask));
        vec![Shown {
            key: "<a>".to_owned(),
            size: image.size(),
            image: (image, Some(mask)),
            views: vec![(view, inside, plan)],
        }]
    }

    #[test]
    fn the_image_stands_first_and_its_mask_is_outlined() {
        let image = decode(&picture(&sheet()).unwrap(), &DecodeOptions::default()).unwrap().image;
        assert_eq!(image.size(), (2 * (SIDE + GAP) + GAP, SIDE + 2 * GAP));
        assert_eq!(image.pixel(0, 0), BACK);
        // 300 x 150 becomes 192 x 96 in the middle of its square; the last column inside is the edge, the border of the
        // picture is none.
        let middle = GAP + SIDE / 2;
        assert_eq!(image.pixel(GAP + 95, middle), OUTLINE);
        assert_eq!(image.pixel(GAP + 96, middle)[2], 40);
        assert_eq!(image.pixel(GAP, middle)[2], 40);
        assert_eq!(image.pixel(middle, GAP + 10), BACK);
    }

    #[test]
    fn the_sheet_of_reduced_images_is_the_same() {
        let whole = sheet();
        let mut small = whole.clone();
        small[0].image = reduced(&whole[0].image.0, whole[0].image.1.as_ref());
        assert_eq!(small[0].image.0.size(), (192, 96));
        assert!(picture(&small).unwrap() == picture(&whole).unwrap());
        assert!(page(&small, "").unwrap() == page(&whole, "").unwrap());
    }

    #[test]
    fn the_page_says_what_was_drawn_and_escapes_names() {
        let page = page(&sheet(), "a lead").unwrap();
        assert!(
            page.contains("crop(96 x 96 at ") && page.contains("whole, 300 x 150") && page.contains("a lead")
        );
        assert!(page.contains("&lt;a&gt;") && !page.contains("<a>"));
        assert_eq!(page.matches("data:image/png").count(), 2);
    }
}
