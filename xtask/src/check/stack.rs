//! How deep a call's stack can get: frames added up along the call graph of the blob.

use super::Finding;
use super::blob::place;
use super::elf::{Elf, Function};
use super::instruction::{Kind, Target, decode};
use rtas::HypervisorBuffer;
use rtas::layout::CONTEXT_BYTES;
use std::collections::BTreeMap;

/// The function that the entry code calls on the stack of a context.
const FIRST: &str = "oxrtas_call";
/// Bytes above the first frame (`FIRST_FRAME` in `rtas/blob/src/entry.rs`).
const ABOVE_FIRST_FRAME: u64 = 64;
/// Bytes that the saved registers at the start of a context take (`Context` in the same file: six
/// doublewords, up to the alignment of the buffer behind them).
const SAVED: u64 = (6_u64 * 8).next_multiple_of(align_of::<HypervisorBuffer>() as u64);

/// The bytes that the stack of a context has.
pub fn available() -> u64 {
    let range = range();
    range.end - range.start
}

/// Where in a context its stack is: offsets in bytes.
pub fn range() -> std::ops::Range<u64> {
    SAVED + size_of::<HypervisorBuffer>() as u64..CONTEXT_BYTES - ABOVE_FIRST_FRAME
}

/// Bytes of the deepest stack below [`FIRST`], and the chain of calls that needs them.
pub fn deepest(elf: &Elf) -> Result<(u64, String), String> {
    let mut walk = Walk {
        elf,
        done: BTreeMap::new(),
        path: Vec::new(),
    };
    let first = elf
        .function(FIRST)
        .ok_or_else(|| format!("{FIRST} is not there"))?;
    let depth = walk.depth(first)?;
    Ok((depth, walk.deepest(first)))
}

/// The deepest stack below [`FIRST`] is at most `available` bytes.
pub fn fits(elf: &Elf, available: u64) -> Finding {
    let (depth, chain) = deepest(elf)?;
    if depth > available {
        return Err(format!(
            "{depth} bytes of stack, a context has {available}: {chain}"
        ));
    }
    Ok(())
}

/// A function's need: bytes, and the callee that they are due to.
#[derive(Clone, Debug)]
struct Need {
    bytes: u64,
    callee: Option<String>,
}

struct Walk<'a> {
    elf: &'a Elf,
    done: BTreeMap<u64, Need>,
    path: Vec<u64>,
}

impl<'a> Walk<'a> {
    /// Bytes of stack that `function` needs with everything that it calls.
    fn depth(&mut self, function: &'a Function) -> Result<u64, String> {
        if let Some(need) = self.done.get(&function.address) {
            return Ok(need.bytes);
        }
        if self.path.contains(&function.address) {
            return Err(format!("{} calls itself", function.name));
        }
        self.path.push(function.address);
        let mut frame = 0;
        // Below its frame, a function that calls nothing may use the protected zone (ELFv2
        // 2.2.3.4); one that stores there before it makes its frame stores inside the frame.
        let mut below: u64 = 0;
        let mut deepest = Need {
            bytes: 0,
            callee: None,
        };
        for (index, &word) in function.code.iter().enumerate() {
            let instruction = decode(word);
            let at = || place(function, index, word);
            match instruction.kind {
                Kind::Frame(bytes) => frame += bytes,
                Kind::StackPointer => {
                    return Err(format!("r1 changes in an unknown way: {}", at()));
                }
                Kind::Branch {
                    target: Target::Count,
                    link: true,
                } => return Err(format!("an indirect call: {}", at())),
                Kind::Branch {
                    target: Target::Relative(distance),
                    link,
                } => {
                    let from = function.address + 4 * index as u64;
                    let target = from.wrapping_add_signed(distance);
                    let callee = self.function_at(target).ok_or_else(|| {
                        format!("a branch to {target:#x}, which is no function: {}", at())
                    })?;
                    // Inside the function it is a jump, with `link` one that asks for its own
                    // address.
                    if callee.address == function.address && !(link && target == function.address) {
                        continue;
                    }
                    let bytes = self.depth(callee)?;
                    if bytes >= deepest.bytes {
                        deepest = Need {
                            bytes,
                            callee: Some(callee.name.clone()),
                        };
                    }
                }
                _ => (),
            }
            if let Some(offset @ ..0) = instruction.stack_offset {
                below = below.max(offset.unsigned_abs());
            }
        }
        self.path.pop();
        deepest.bytes = (frame + deepest.bytes).max(below);
        let bytes = deepest.bytes;
        self.done.insert(function.address, deepest);
        Ok(bytes)
    }

    fn function_at(&self, address: u64) -> Option<&'a Function> {
        self.elf.functions.iter().find(|function| {
            let end = function.address + 4 * function.code.len() as u64;
            (function.address..end).contains(&address)
        })
    }

    /// The chain of calls that needs most.
    fn deepest(&self, first: &Function) -> String {
        let mut names = vec![first.name.clone()];
        let mut at = first.address;
        while let Some(callee) = self.done.get(&at).and_then(|need| need.callee.clone()) {
            let Some(function) = self.elf.function(&callee) else {
                break;
            };
            at = function.address;
            names.push(callee);
        }
        names.join(" > ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::blob::tests::program;
    use super::*;

    const BLR: u32 = 0x4e80_0020;
    /// stdu r1, -112(r1)
    const FRAME_112: u32 = 0xf821_ff91;
    /// stdu r1, -32(r1)
    const FRAME_32: u32 = 0xf821_ffe1;

    #[test]
    fn frames_add_up_along_the_deepest_chain() {
        // oxrtas_call calls a (8 bytes on) and b (16 on); b is the deeper one.
        let elf = program(&[
            (FIRST, &[FRAME_112, 0x4800_000d, 0x4800_0011, BLR]),
            ("a", &[FRAME_32, BLR]),
            ("b", &[FRAME_112, BLR]),
        ]);
        assert_eq!(fits(&elf, 224), Ok(()));
        let error = fits(&elf, 223).unwrap_err();
        assert!(error.contains("oxrtas_call > b"), "{error}");
    }

    #[test]
    fn a_branch_to_another_function_counts_as_a_call() {
        let elf = program(&[(FIRST, &[0x4800_0004]), ("tail", &[FRAME_112, BLR])]);
        assert!(fits(&elf, 111).is_err());
        assert_eq!(fits(&elf, 112), Ok(()));
    }

    #[test]
    fn bytes_below_the_stack_pointer_count() {
        // std r31, -8(r1) without a frame
        let elf = program(&[(FIRST, &[0xfbe1_fff8, BLR])]);
        assert!(fits(&elf, 7).is_err());
        assert_eq!(fits(&elf, 8), Ok(()));
    }

    #[test]
    fn recursion_and_what_cannot_be_followed_are_errors() {
        let itself = program(&[(FIRST, &[FRAME_32, 0x4bff_fffd, BLR])]);
        assert!(fits(&itself, 1000).unwrap_err().contains("calls itself"));
        let indirect = program(&[(FIRST, &[0x4e80_0421, BLR])]);
        assert!(fits(&indirect, 1000).is_err());
        // mr r1, r3
        let moved = program(&[(FIRST, &[0x7c61_1b78, BLR])]);
        assert!(fits(&moved, 1000).is_err());
        let outside = program(&[(FIRST, &[0x4800_1001, BLR])]);
        assert!(fits(&outside, 1000).is_err());
        assert!(fits(&Elf::default(), 1000).is_err());
    }
}
