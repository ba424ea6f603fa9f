//! The interpolation kernels of Pillow.

use serde::{Deserialize, Serialize};

/// The interpolation kernels, by Pillow's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// The pixel whose square holds the sample; no antialias.
    Nearest,
    /// Average of the covered square.
    Box,
    /// Triangle of half-width 1.
    #[default]
    Bilinear,
    /// Hamming window of half-width 1.
    Hamming,
    /// Cubic of half-width 2 with a = -0.5.
    Bicubic,
    /// Windowed sine of half-width 3.
    Lanczos,
}

impl Kernel {
    /// All kernels, for tables.
    pub const ALL: [Kernel; 6] =
        [Kernel::Nearest, Kernel::Box, Kernel::Bilinear, Kernel::Hamming, Kernel::Bicubic, Kernel::Lanczos];

    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Kernel::Nearest => "nearest",
            Kernel::Box => "box",
            Kernel::Bilinear => "bilinear",
            Kernel::Hamming => "hamming",
            Kernel::Bicubic => "bicubic",
            Kernel::Lanczos => "lanczos",
        }
    }

    /// Half-width at scale 1.
    pub(super) fn support(self) -> f64 {
        match self {
            Kernel::Nearest => 0.0,
            Kernel::Box => 0.5,
            Kernel::Bilinear | Kernel::Hamming => 1.0,
            Kernel::Bicubic => 2.0,
            Kernel::Lanczos => 3.0,
        }
    }

    /// Height at `x`, not normalised.
    pub(super) fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Kernel::Nearest => 0.0,
            Kernel::Box => f64::from(x > -0.5 && x <= 0.5),
            Kernel::Bilinear => (1.0 - distance).max(0.0),
            Kernel::Hamming if distance == 0.0 => 1.0,
            Kernel::Hamming if distance >= 1.0 => 0.0,
            Kernel::Hamming => {
                // The two shares are single-precision constants: one random picture in some thousands shows it.
                let (mean, swing) = (f64::from(0.54f32), f64::from(0.46f32));
                let angle = distance * std::f64::consts::PI;
                libm::sin(angle) / angle * (mean + swing * libm::cos(angle))
            }
            Kernel::Bicubic => {
                const A: f64 = -0.5;
                if distance < 1.0 {
                    ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0
                } else if distance < 2.0 {
                    (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A
                } else {
                    0.0
                }
            }
            Kernel::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Kernel::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * std::f64::consts::PI;
    libm::sin(angle) / angle
}
