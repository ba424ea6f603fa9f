//! The twin of `oracle/seeded.py`: weights that follow from the names of their tensors, and the checkpoint that holds them.

#![allow(unreachable_pub)] // Shared by test binaries.

use serde::Deserialize;

/// Name, shape, lowest and highest value.
#[derive(Debug, Clone, Deserialize)]
pub struct Seeded(pub String, pub Vec<usize>, pub f64, pub f64);

impl Seeded {
    /// FNV-1a of the name, SplitMix64 of that and the element's number, its upper 24 bits.
    pub fn numbers(&self) -> impl Iterator<Item = f32> + '_ {
        let Self(name, shape, low, high) = self;
        let key = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |key, byte| {
            (key ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        let count = shape.iter().product::<usize>() as u64;
        (1..=count).map(move |number| {
            let mut z = key.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            let unit = (z >> 40) as f64 / f64::from(1u32 << 24);
            (low + (high - low) * unit) as f32
        })
    }
}

/// A safetensors file of these tensors (<https://github.com/huggingface/safetensors>: length of the header, header, numbers).
pub fn safetensors(tensors: &[Seeded]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for Seeded(name, shape, ..) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).expect("a header");
    let mut file = Vec::with_capacity(8 + header.len() + end);
    file.extend((header.len() as u64).to_le_bytes());
    file.extend(header);
    tensors.iter().flat_map(Seeded::numbers).for_each(|number| file.extend(number.to_le_bytes()));
    file
}
