//! One file per command: arguments, one library call, its result rendered.

pub(crate) mod audit;
pub(crate) mod augment;
pub(crate) mod calibrate;
pub(crate) mod compare;
pub(crate) mod demo;
pub(crate) mod dissect;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod fit;
pub(crate) mod harden;
pub(crate) mod import;
mod import_foreign;
pub(crate) mod models;
pub(crate) mod parity;
pub(crate) mod perturb;
pub(crate) mod probe;
pub(crate) mod prune;
pub(crate) mod refine;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod sweep;
