//! The program as people run it: real files, the built binary, the built-in engine. stdout, stderr and exit codes are
//! compared, and what is left on disk.

#![expect(clippy::unwrap_used, reason = "the helpers are tests too")]

mod audit;
mod augment;
mod calibrate;
mod chains;
mod compare;
mod decode;
mod errors;
mod evaluate;
mod explain;
mod fit;
mod harden;
mod import;
mod import_onnx;
mod models;
mod parity;
mod probe;
#[cfg(unix)]
mod program;
mod scan;
mod scan_many;
mod scores;
#[cfg(unix)]
mod serve;
mod steps;
mod support;
mod sweep;
