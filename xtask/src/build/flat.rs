//! From an ELF file to the bytes that lie in memory.

use anyhow::{Context, Result, bail};
use object::elf::{FileHeader64, PT_LOAD};
use object::endian::Endianness;
use object::read::elf::{FileHeader, ProgramHeader};

/// More than any image may have, so that a stray address does not fill the memory.
const LIMIT: u64 = 64 << 20;

/// The loadable content of the ELF file `elf` from address 0 on: what a loader has to put there.
/// Gaps are zero; memory that the file does not hold (`.bss`) is not part of it.
pub fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(elf).context("no 64-bit ELF file")?;
    let endian = header.endian()?;
    let mut image = Vec::new();
    for segment in header.program_headers(endian, elf)? {
        let size = segment.p_filesz(endian);
        if segment.p_type(endian) != PT_LOAD || size == 0 {
            continue;
        }
        let address = segment.p_paddr(endian);
        let end = address
            .checked_add(size)
            .filter(|&end| end <= LIMIT)
            .with_context(|| format!("a segment of {size:#x} bytes lies at {address:#x}"))?;
        let Ok(data) = segment.data(endian, elf) else {
            bail!("the segment at {address:#x} is not in the file");
        };
        let range = usize::try_from(address)?..usize::try_from(end)?;
        if image.len() < range.end {
            image.resize(range.end, 0);
        }
        image
            .get_mut(range)
            .context("a segment beyond the image")?
            .copy_from_slice(data);
    }
    if image.is_empty() {
        bail!("the ELF file has nothing to load");
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A big-endian ELF file with these segments: type, physical address, content, memory size.
    fn elf(segments: &[(u32, u64, &[u8], u64)]) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 2, 1, 0];
        file.extend([0; 8]);
        for half in [2_u16, 21] {
            file.extend(half.to_be_bytes());
        }
        file.extend(1_u32.to_be_bytes());
        for word in [0_u64, 64, 0] {
            file.extend(word.to_be_bytes());
        }
        file.extend(2_u32.to_be_bytes());
        let count = segments.len() as u16;
        for half in [64_u16, 56, count, 64, 0, 0] {
            file.extend(half.to_be_bytes());
        }
        let mut offset = 64 + 56 * segments.len() as u64;
        for (kind, address, content, memory) in segments {
            file.extend(kind.to_be_bytes());
            file.extend(7_u32.to_be_bytes());
            let size = content.len() as u64;
            for word in [offset, 0x1000_0000, *address, size, *memory, 1] {
                file.extend(word.to_be_bytes());
            }
            offset += size;
        }
        for (_, _, content, _) in segments {
            file.extend(*content);
        }
        file
    }

    #[test]
    fn segments_lie_at_their_physical_addresses_with_zeros_between() {
        let file = elf(&[(1, 4, b"code", 4), (1, 12, b"data", 64), (2, 0, b"note", 4)]);
        assert_eq!(flatten(&file).unwrap(), b"\0\0\0\0code\0\0\0\0data");
    }

    #[test]
    fn a_file_without_content_is_no_image() {
        assert!(flatten(&elf(&[(1, 0, b"", 4096)])).is_err());
        assert!(flatten(b"no ELF").is_err());
    }

    #[test]
    fn a_segment_far_away_is_refused() {
        assert!(flatten(&elf(&[(1, u64::MAX - 1, b"code", 4)])).is_err());
        assert!(flatten(&elf(&[(1, LIMIT, b"code", 4)])).is_err());
    }

    #[test]
    fn a_file_that_is_cut_off_is_refused() {
        let file = elf(&[(1, 0, b"code", 4)]);
        let short = file.get(..file.len() - 1).unwrap();
        assert!(flatten(short).is_err());
    }
}
