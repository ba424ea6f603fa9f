//! Names for whole chains: what a few networks do to a photograph, as far as anybody has said.
//!
//! A preset is read as [`all_of`](super) its steps, and written so: a stored chain holds the numbers themselves.

/// A name for a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// As it is written in a chain.
    pub name: &'static str,
    /// What it stands for.
    pub chain: &'static str,
    /// Where the numbers come from, when that was written, and what is not known.
    pub source: &'static str,
}

/// All presets but `paper`, which is a step of its own.
///
/// All sources were read in November 2026. None names a resampling kernel but Telegram's (Qt's smooth transformation,
/// which bilinear comes near), nor says how chroma is subsampled: 4:2:0 is libjpeg's default.
pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "twitter",
        chain: "fit(2048) | jpeg(85)",
        source: "quality: Twitter's N. O'Brien, \"Upcoming changes to PNG image support\", twittercommunity.com/t/118695, \
                 December 2018 (JPEG files of lower quality are kept); size: X's documentation of media entities, \
                 large, as quoted in the Dart package tweet_ui; the original, up to 4096, is kept beside it",
    },
    Preset {
        name: "telegram",
        chain: "fit(1280, bilinear) | jpeg(87)",
        source: "Telegram Desktop's code, localimageloader.cpp, commit 202534575b68: photographs above 1280 are scaled, \
                 JPEG 87, progressive; later versions keep small JPEG files, and other apps may differ",
    },
    Preset {
        name: "facebook",
        chain: "fit(1920) | jpeg(75..85)",
        source: "size: J. Harmon, phototacopodcast.com, \"Dimensions and quality for social media photo sharing\", 2021 \
                 (measured); quality: 85 by ImageMagick's estimate, dsp.stackexchange.com/q/74275, April 2021; 75 for \
                 960 x 720, a report quoted on ralfheinrich.de, January 2017; \
                 the asker of 2021 did not get the same file from Pillow",
    },
    Preset {
        name: "instagram",
        chain: "fit(width=1080) | jpeg(70..85)",
        source: "size: Harmon, as for facebook, and Instagram's help text as quoted in 2023 (wider photographs become \
                 1080 wide); the \
                 quality is not known: the range is what guides suggest for upload",
    },
    Preset {
        name: "whatsapp",
        chain: "fit(1600) | jpeg(60..75)",
        source: "guides of 2026 that agree on the size and not on the quality (shrinkto.com: 1600, about 75; \
                 filecurve.com: about 1600, 60 to 75); no measurement was found",
    },
];
