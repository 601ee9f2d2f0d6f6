//! The bytes of a property.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

/// Longest value that is kept in the property itself, in bytes: what fits beside the tag of a
/// [`Value`] without making it larger. Three of four values in QEMU's trees do; each saves an
/// allocation.
const INLINE_BYTES: usize = 22;

/// An owned value.
#[derive(Clone)]
pub(crate) enum Value {
    Inline {
        /// Never above [`INLINE_BYTES`].
        length: u8,
        bytes: [u8; INLINE_BYTES],
    },
    Heap(Box<[u8]>),
}

const _: () = assert!(size_of::<Value>() <= 24);

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..value.len()), u8::try_from(value.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(value);
                Self::Inline { length, bytes }
            }
            _ => Self::Heap(value.into()),
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Heap(value) => value,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}
