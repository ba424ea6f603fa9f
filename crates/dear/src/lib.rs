//! Dissect, prune and refine detectors of AI-generated images, and judge them honestly (DEAR, ICML 2026).
//!
//! Conventions, stated once: label 1 = generated, 0 = real; a logit above 0 says *generated*, below 0 *real*, exactly 0
//! is wrong on both sides; tensors are `[N, C, H, W]` in f32; sums are f64.
//!
//! What flows where:
//! ```text
//! dataset -> dear-image (decode, view) -> detector (features) -> store -> rad -> gate -> head -> calibrate -> detector
//!                        probe (mask, inpainter, compose) -> dataset
//! detector | scores (files of others) -> evaluate -> report, compare        detector -> scan, explain
//! dataset -> audit -> perturb -> dataset
//! ```
//! [`harden`] is the whole method in one place and reads like the paper's abstract.

pub mod architecture;
pub mod audit;
pub mod backbone;
pub mod bootstrap;
pub mod calibrate;
pub mod checkpoint;
pub mod columns;
pub mod compare;
pub mod dataset;
pub mod detector;
pub mod dissect;
pub mod engine;
pub mod error;
pub mod evaluate;
pub mod explain;
pub mod files;
pub mod fit;
pub mod fragility;
pub mod gate;
pub mod generator;
pub mod harden;
pub mod head;
pub mod import;
pub mod inference;
pub mod metrics;
pub mod observe;
pub mod parity;
pub mod perturb;
pub mod preview;
pub mod probe;
pub mod rad;
mod ranks;
pub mod recipe;
pub mod registry;
pub mod report;
pub mod scan;
pub mod scores;
pub mod self_test;
pub mod stability;
pub mod store;
pub mod sweep;
mod tile;
pub mod training_data;
pub mod training_set;
pub mod view;
pub mod views;
