//! Whatever the bytes are: an error of one line with a hint, or tensors of finite numbers in the shapes that were announced.
#![no_main]

use checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

// The reader alone: the whole of `dear` would have engines, Arrow and TLS compiled for fuzzing too, for a quarter of an hour.
#[allow(dead_code)]
#[path = "../../crates/dear/src/checkpoint/mod.rs"]
mod checkpoint;
#[allow(dead_code)]
#[path = "../../crates/dear/src/backbone"]
mod backbone {
    pub(crate) mod looks_like;
    mod wire;
    pub(crate) use looks_like::LooksLike;
}
#[allow(dead_code)]
#[path = "../../crates/dear/src/files.rs"]
mod files;

/// A small file may hold many large expanded tensors; what is converted of them is bounded, so that an input takes milliseconds.
const MAX_ELEMENTS: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let mut left = MAX_ELEMENTS;
    let result = Checkpoint::from_bytes(bytes.to_vec()).and_then(|checkpoint| {
        for name in checkpoint.names() {
            let shape = checkpoint.shape(name).expect("a listed tensor has a shape");
            let elements: usize = shape.iter().product();
            if elements > left {
                break;
            }
            left -= elements;
            let tensor = checkpoint.tensor(name)?;
            assert_eq!(tensor.shape, shape);
            assert_eq!(tensor.data.len(), elements);
            assert!(tensor.data.iter().all(|value| value.is_finite()));
        }
        assert!(checkpoint.names().next().is_some());
        Ok(())
    });
    if let Err(error) = result {
        assert!(!error.to_string().contains('\n') && !error.hint().is_empty(), "{error}");
    }
});
