//! Types of elements, and strided views of bytes to row-major f32.

use half::{bf16, f16};

use super::error::{CheckpointError, Problem};

/// A type of elements, as the file has it. `F8*`, `C*` (complex) and `Q*` (quantized) are named and not converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    F8E4M3,
    F8E5M2,
    C64,
    C128,
    QI8,
    QU8,
    QI32,
}

/// Dtype, PyTorch's name, name of its storage class, name in safetensors, bytes.
const DTYPES: [(Dtype, &str, &str, &str, usize); 20] = [
    (Dtype::F64, "float64", "DoubleStorage", "F64", 8),
    (Dtype::F32, "float32", "FloatStorage", "F32", 4),
    (Dtype::F16, "float16", "HalfStorage", "F16", 2),
    (Dtype::BF16, "bfloat16", "BFloat16Storage", "BF16", 2),
    (Dtype::I64, "int64", "LongStorage", "I64", 8),
    (Dtype::I32, "int32", "IntStorage", "I32", 4),
    (Dtype::I16, "int16", "ShortStorage", "I16", 2),
    (Dtype::I8, "int8", "CharStorage", "I8", 1),
    (Dtype::U64, "uint64", "", "U64", 8),
    (Dtype::U32, "uint32", "", "U32", 4),
    (Dtype::U16, "uint16", "", "U16", 2),
    (Dtype::U8, "uint8", "ByteStorage", "U8", 1),
    (Dtype::Bool, "bool", "BoolStorage", "BOOL", 1),
    (Dtype::F8E4M3, "float8_e4m3fn", "", "F8_E4M3", 1),
    (Dtype::F8E5M2, "float8_e5m2", "", "F8_E5M2", 1),
    (Dtype::C64, "complex64", "ComplexFloatStorage", "C64", 8),
    (Dtype::C128, "complex128", "ComplexDoubleStorage", "", 16),
    (Dtype::QI8, "qint8", "QInt8Storage", "", 1),
    (Dtype::QU8, "quint8", "QUInt8Storage", "", 1),
    (Dtype::QI32, "qint32", "QInt32Storage", "", 4),
];

impl Dtype {
    /// PyTorch's name: `float32`, `bfloat16`, ...
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        self.row().4
    }

    pub(super) fn of_torch(name: &str) -> Option<Self> {
        DTYPES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub(super) fn of_storage(class: &str) -> Option<Self> {
        DTYPES.iter().find(|row| !row.2.is_empty() && row.2 == class).map(|row| row.0)
    }

    pub(super) fn of_safetensors(name: &str) -> Option<Self> {
        DTYPES.iter().find(|row| !row.3.is_empty() && row.3 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str, usize) {
        // Each variant has its row, in order.
        &DTYPES[self as usize]
    }
}

/// A tensor of row-major f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Empty for a single number.
    pub shape: Vec<usize>,
    /// As many as the product of the shape.
    pub data: Vec<f32>,
}

/// A strided view of elements, within `bytes` from its element `offset` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) dtype: Dtype,
    pub(super) shape: &'b [usize],
    pub(super) strides: &'b [usize],
    pub(super) offset: usize,
}

impl View<'_> {
    /// Elements of the storage up to the last one of the view; None where that is beyond any number. 0 for an empty view.
    pub(super) fn needed(shape: &[usize], strides: &[usize], offset: usize) -> Option<usize> {
        if shape.contains(&0) {
            return Some(0);
        }
        let last = shape
            .iter()
            .zip(strides)
            .try_fold(offset, |last, (&size, &stride)| last.checked_add((size - 1).checked_mul(stride)?));
        last?.checked_add(1)
    }

    /// The elements as row-major f32. The view must lie within its bytes, see [`View::needed`].
    pub(super) fn to_f32(self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        match self.dtype {
            Dtype::F32 => self.collect(name, |bytes| f32::from_le_bytes(bytes).into()),
            Dtype::F64 => self.collect(name, f64::from_le_bytes),
            Dtype::F16 => self.collect(name, |bytes| f16::from_le_bytes(bytes).into()),
            Dtype::BF16 => self.collect(name, |bytes| bf16::from_le_bytes(bytes).into()),
            // Once to f32: by way of f64 it would be rounded twice.
            Dtype::I64 => self.collect(name, |bytes| (i64::from_le_bytes(bytes) as f32).into()),
            Dtype::I32 => self.collect(name, |bytes| i32::from_le_bytes(bytes).into()),
            Dtype::I16 => self.collect(name, |bytes| i16::from_le_bytes(bytes).into()),
            Dtype::I8 => self.collect(name, |bytes| i8::from_le_bytes(bytes).into()),
            Dtype::U64 => self.collect(name, |bytes| (u64::from_le_bytes(bytes) as f32).into()),
            Dtype::U32 => self.collect(name, |bytes| u32::from_le_bytes(bytes).into()),
            Dtype::U16 => self.collect(name, |bytes| u16::from_le_bytes(bytes).into()),
            Dtype::U8 => self.collect(name, |bytes| u8::from_le_bytes(bytes).into()),
            Dtype::Bool => self.collect(name, |[byte]| f64::from(byte != 0)),
            Dtype::F8E4M3
            | Dtype::F8E5M2
            | Dtype::C64
            | Dtype::C128
            | Dtype::QI8
            | Dtype::QU8
            | Dtype::QI32 => {
                Err(CheckpointError::new(Problem::Type { tensor: name.to_owned(), found: self.dtype }))
            }
        }
    }

    fn collect<const N: usize>(
        self,
        name: &str,
        value: impl Fn([u8; N]) -> f64,
    ) -> Result<Vec<f32>, CheckpointError> {
        // The other lengths of an empty tensor may be any: their product too.
        if self.shape.contains(&0) {
            return Ok(Vec::new());
        }
        let count = self.shape.iter().product();
        let mut data = Vec::with_capacity(count);
        let elements = self.bytes.as_chunks::<N>().0;
        // The rows are runs along the last dimension; in a contiguous view the whole is one row.
        let (outer, row, step) = match (self.is_contiguous(), self.shape, self.strides) {
            (true, ..) | (_, [], _) | (_, _, []) => (&[][..], count, 1),
            (false, [outer @ .., row], [.., step]) => (outer, *row, *step),
        };
        let mut place = vec![0; outer.len()];
        for _ in 0..count / row {
            let start =
                place.iter().zip(self.strides).fold(self.offset, |at, (at_dim, stride)| at + at_dim * stride);
            data.extend((0..row).map(|column| value(elements[start + column * step]) as f32));
            for (at, size) in place.iter_mut().zip(outer).rev() {
                *at += 1;
                if *at < *size {
                    break;
                }
                *at = 0;
            }
        }
        match data.iter().position(|value| !value.is_finite()) {
            None => Ok(data),
            Some(index) => {
                let value = value(elements[self.element(index)]);
                Err(CheckpointError::new(Problem::NonFinite { tensor: name.to_owned(), index, value }))
            }
        }
    }

    /// Whether the elements lie in row-major order without gaps. A dimension of size 1 may have any stride.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == expected;
            expected *= size;
            fits
        })
    }

    /// Where the element with this row-major index lies.
    fn element(&self, index: usize) -> usize {
        let mut rest = index;
        self.shape.iter().zip(self.strides).rev().fold(self.offset, |at, (size, stride)| {
            let place = at + rest % size * stride;
            rest /= size;
            place
        })
    }
}
