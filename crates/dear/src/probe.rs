//! Diagnostic probes (paper section 3.1; reference `train/fake/lsun_inpaint_sd`): images that are part real and part
//! generated, with the mask that says which part.

mod compose;
mod inpainter;
mod make;
mod mask;
mod pair;

pub use compose::sharp;
pub use inpainter::{Inpainter, InpainterKind, Null, Resynthesis};
pub use make::{Made, ProbeOptions, Refused, make};
pub use mask::{MaskOptions, rectangle};
pub use pair::{ProbePair, list};
