//! Memory by real address: what the firmware under test is given and what it must leave alone.
//!
//! Writes are refused inside the guest's own image, so that no Rust object changes behind the
//! compiler's back; the scratch area of the linker script is the part of the image that no object
//! lives in. Everything outside is the machine's, and breaking it breaks the run, not Rust.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

unsafe extern "C" {
    static __image_start: u8;
    static __scratch_start: u8;
    static __scratch_end: u8;
    static __image_end: u8;
}

/// The guest's own image, BSS and scratch included.
pub fn image() -> Range<u64> {
    (&raw const __image_start as u64)..(&raw const __image_end as u64)
}

/// The area of the image that no Rust object lives in.
pub fn scratch_area() -> Range<u64> {
    (&raw const __scratch_start as u64)..(&raw const __scratch_end as u64)
}

/// Protects: itself: one bit per 256-byte slot of the first 16 KiB of the scratch area, set while
/// the slot is taken; 0 at start.
/// Holder: any processor, for one call into the firmware or the hypervisor.
/// Order: taking is acquire, giving back release, so a slot's next owner sees the last one's end.
/// Holder dies: its slot is lost.
static SLOTS: AtomicU64 = AtomicU64::new(0);

/// Protects: itself: first free offset behind the slots.
/// Holder: any processor, one fetch-and-add.
/// Order: relaxed: blocks do not overlap.
/// Holder dies: the block is lost.
static NEXT: AtomicU64 = AtomicU64::new(SLOT * 64);

const SLOT: u64 = 256;

/// A block of the scratch area, given back when dropped if it is one of the small ones.
pub struct Scratch {
    /// Its real address.
    pub address: u64,
    /// Its size, in bytes.
    pub size: u64,
}

impl Scratch {
    /// A block of `size` bytes aligned to `align`, a power of two. Up to 256 bytes it comes from
    /// slots that are reused.
    ///
    /// # Panics
    /// When the scratch area is exhausted: a mistake of the guest.
    pub fn new(size: u64, align: u64) -> Scratch {
        let area = scratch_area();
        if size <= SLOT && align <= SLOT {
            loop {
                let taken = SLOTS.load(Ordering::Relaxed);
                let free = (!taken).trailing_zeros();
                if free == 64 {
                    continue;
                }
                let new = taken | 1 << free;
                if SLOTS
                    .compare_exchange_weak(taken, new, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                {
                    return Scratch {
                        address: area.start + SLOT * free as u64,
                        size,
                    };
                }
            }
        }
        let room = size + align;
        let offset = NEXT.fetch_add(room, Ordering::Relaxed);
        let address = (area.start + offset).next_multiple_of(align);
        assert!(address + size <= area.end, "scratch area exhausted");
        Scratch { address, size }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let offset = self.address - scratch_area().start;
        if offset < SLOT * 64 {
            SLOTS.fetch_and(!(1 << (offset / SLOT)), Ordering::Release);
        }
    }
}

/// Whether the two ranges share a byte.
pub fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

fn allow_write(address: u64, length: u64) {
    let range = address..address.saturating_add(length);
    let scratch = scratch_area();
    let inside = scratch.start <= range.start && range.end <= scratch.end;
    assert!(
        inside || !overlap(&range, &image()),
        "write into the guest's own image at {address:#x}"
    );
}

/// Reads one byte.
pub fn read_u8(address: u64) -> u8 {
    // SAFETY: real mode, every address can be read; volatile, so nothing is assumed of the value.
    unsafe { core::ptr::without_provenance::<u8>(address as usize).read_volatile() }
}

/// Reads a 32-bit cell; any alignment.
pub fn read_u32(address: u64) -> u32 {
    u32::from_be_bytes(core::array::from_fn(|index| {
        read_u8(address + index as u64)
    }))
}

/// Reads a 64-bit cell; any alignment.
pub fn read_u64(address: u64) -> u64 {
    u64::from_be_bytes(core::array::from_fn(|index| {
        read_u8(address + index as u64)
    }))
}

/// Reads bytes.
pub fn read(address: u64, bytes: &mut [u8]) {
    for (at, byte) in (address..).zip(bytes) {
        *byte = read_u8(at);
    }
}

/// Writes bytes.
///
/// # Panics
/// If the range touches the image outside the scratch area.
pub fn write(address: u64, bytes: &[u8]) {
    allow_write(address, bytes.len() as u64);
    for (index, byte) in bytes.iter().enumerate() {
        // SAFETY: no Rust object lives there (`allow_write`).
        unsafe {
            core::ptr::without_provenance_mut::<u8>(address as usize + index).write_volatile(*byte)
        };
    }
}

/// Writes a 32-bit cell, as [`write`] does.
pub fn write_u32(address: u64, value: u32) {
    if !address.is_multiple_of(4) {
        return write(address, &value.to_be_bytes());
    }
    allow_write(address, 4);
    let place = core::ptr::without_provenance_mut::<u32>(address as usize);
    // SAFETY: no Rust object lives there (`allow_write`), and it is aligned.
    unsafe { place.write_volatile(value.to_be()) };
}

/// Writes a 64-bit cell, as [`write`] does.
pub fn write_u64(address: u64, value: u64) {
    if !address.is_multiple_of(8) {
        return write(address, &value.to_be_bytes());
    }
    allow_write(address, 8);
    let place = core::ptr::without_provenance_mut::<u64>(address as usize);
    // SAFETY: no Rust object lives there (`allow_write`), and it is aligned.
    unsafe { place.write_volatile(value.to_be()) };
}

/// Fills a range with one byte, as [`write`] does.
pub fn fill(address: u64, length: u64, byte: u8) {
    allow_write(address, length);
    for at in address..address.saturating_add(length) {
        // SAFETY: no Rust object lives there (`allow_write`).
        unsafe { core::ptr::without_provenance_mut::<u8>(at as usize).write_volatile(byte) };
    }
}

/// First address of the range that does not hold `byte`.
pub fn first_other_than(range: Range<u64>, byte: u8) -> Option<u64> {
    range.into_iter().find(|at| read_u8(*at) != byte)
}

/// Reads a 64-bit word at an address that is aligned to 8.
pub fn read_word(address: u64) -> u64 {
    // SAFETY: as in `read_u8`; volatile, so nothing is assumed of the value.
    unsafe { core::ptr::without_provenance::<u64>(address as usize).read_volatile() }
}

/// Makes `length` bytes at `to` what they are at `from`; all three are multiples of 64. Only where
/// something differs it is written, so that code among it stays translated.
///
/// # Panics
/// As [`write`] does.
pub fn copy(from: u64, to: u64, length: u64) {
    allow_write(to, length);
    // SAFETY: no Rust object lives at `to` (`allow_write`); all of it is memory, and aligned.
    unsafe {
        core::arch::asm!(
            "mtctr {count}",
            // Whether eight words are the same.
            "2: li {different}, 0",
            ".irp at, 0,8,16,24,32,40,48,56",
            "ld {word}, \\at({from})",
            "ld {old}, \\at({to})",
            "xor {word}, {word}, {old}",
            "or {different}, {different}, {word}",
            ".endr",
            "cmpdi {different}, 0",
            "beq 3f",
            ".irp at, 0,8,16,24,32,40,48,56",
            "ld {word}, \\at({from})",
            "std {word}, \\at({to})",
            ".endr",
            "3: addi {from}, {from}, 64",
            "addi {to}, {to}, 64",
            "bdnz 2b",
            different = out(reg) _, word = out(reg) _, old = out(reg) _,
            from = inout(reg_nonzero) from => _, to = inout(reg_nonzero) to => _,
            count = in(reg) length / 64, out("ctr") _, out("cr0") _,
            options(nostack),
        );
    }
}

/// A checksum of the 8-byte words in a range that is aligned to 8; order matters, and a change of one
/// word always shows. Three instructions a word, since all of memory is summed.
pub fn checksum(range: Range<u64>) -> u64 {
    let (mut at, mut sum, mut sums) = (range.start, 0u64, 0u64);
    let lines = range.end.saturating_sub(range.start) / 64;
    if lines > 0 {
        // SAFETY: as in `read_u8`; it reads the lines only.
        unsafe {
            core::arch::asm!(
                "mtctr {count}",
                "2:",
                ".irp at, 0,8,16,24,32,40,48,56",
                "ld {word}, \\at({from})",
                "add {sum}, {sum}, {word}",
                "add {sums}, {sums}, {sum}",
                ".endr",
                "addi {from}, {from}, 64",
                "bdnz 2b",
                word = out(reg) _, from = inout(reg_nonzero) at,
                sum = inout(reg) sum, sums = inout(reg) sums,
                count = in(reg) lines, out("ctr") _,
                options(nostack, readonly),
            );
        }
    }
    while at < range.end {
        sum = sum.wrapping_add(read_word(at));
        sums = sums.wrapping_add(sum);
        at += 8;
    }
    // An even factor: what one word changes is an odd multiple of the change.
    sum.wrapping_add(sums.wrapping_mul(0x9e37_79b9_7f4a_7c14))
}

/// Makes instructions written to memory visible to instruction fetch.
pub fn flush_instructions(address: u64, length: u64) {
    for line in (address & !127..address + length).step_by(128) {
        // SAFETY: cache maintenance changes no data.
        unsafe {
            core::arch::asm!("dcbst 0, {0}", "sync", "icbi 0, {0}", in(reg) line, options(nostack))
        };
    }
    // SAFETY: barriers.
    unsafe { core::arch::asm!("sync", "isync", options(nostack)) };
}
