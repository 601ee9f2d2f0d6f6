//! The firmware image.

use super::Finding;
use super::blob::place;
use super::elf::Elf;
use super::instruction::{Kind, decode};
use crate::paths;
use std::env;
use std::path::PathBuf;

/// The largest image that QEMU takes (`hw/ppc/spapr.c`, `FW_MAX_SIZE`).
const LIMIT: usize = 4 << 20;

/// No floating-point or vector instruction: the processor is started with them disabled.
pub fn has_no_floating_point(elf: &Elf) -> Finding {
    for function in &elf.functions {
        for (index, &word) in function.code.iter().enumerate() {
            if decode(word).kind == Kind::FloatOrVector {
                return Err(place(function, index, word));
            }
        }
    }
    Ok(())
}

/// QEMU takes it, and the blob in it is the one that was checked.
pub fn fits_and_embeds(image: &[u8], blob: &[u8]) -> Finding {
    if image.len() > LIMIT {
        return Err(format!("{} bytes, QEMU takes {LIMIT}", image.len()));
    }
    if blob.is_empty() || !contains(image, blob) {
        return Err("the blob is not in the image".to_owned());
    }
    Ok(())
}

/// Nothing of this machine is in the image, so that two machines build the same one.
pub fn names_no_path(image: &[u8], paths: &[PathBuf]) -> Finding {
    for path in paths {
        if contains(image, path.as_os_str().as_encoded_bytes()) {
            return Err(format!("{} is in the image", path.display()));
        }
    }
    Ok(())
}

/// The checkout, the home directory and cargo's.
pub fn private_paths() -> Vec<PathBuf> {
    let named = ["HOME", "CARGO_HOME"].into_iter().filter_map(env::var_os);
    let named = named.map(PathBuf::from);
    // `/` as a home would be everywhere.
    let named = named.filter(|path| path.components().count() > 1);
    named.chain([paths::workspace()]).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::super::blob::tests::program;
    use super::*;

    #[test]
    fn floating_point_is_found_and_privileged_instructions_are_fine() {
        assert_eq!(
            has_no_floating_point(&program(&[("f", &[0x4c00_0024])])),
            Ok(())
        );
        let found = has_no_floating_point(&program(&[("f", &[0, 0xc803_0000])]));
        assert!(found.unwrap_err().contains("f+0x4"));
    }

    #[test]
    fn an_image_that_is_too_large_or_holds_another_blob_is_found() {
        assert_eq!(fits_and_embeds(b"image blob end", b"blob"), Ok(()));
        assert!(fits_and_embeds(b"image blog end", b"blob").is_err());
        assert!(fits_and_embeds(b"image", b"").is_err());
        assert!(fits_and_embeds(&vec![0; LIMIT + 1], b"\0").is_err());
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        let paths = [PathBuf::from("/home/someone")];
        assert_eq!(names_no_path(b"src/main.rs", &paths), Ok(()));
        assert!(names_no_path(b"at /home/someone/src/main.rs", &paths).is_err());
        assert!(private_paths().contains(&paths::workspace()));
    }
}
