//! Sizes: the image, the blob, the RTAS area, the stack of a call.

use super::figure::{Record, Unit};
use super::lab::{GuestRun, Lab};
use crate::build::{self, Outputs, Promise};
use crate::check::{self, Artifacts, Stack};
use crate::cli::BenchGroup;
use crate::process;
use crate::qemu::Firmware;
use anyhow::{Context, Result, bail};
use rtas::layout::{CONTEXT_BYTES, Layout};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of the image that QEMU loads, of the blob's code and of its constants.
pub const IMAGE: &str = "image";
/// Points of [`IMAGE`].
pub const FILE: &str = "image";
/// See [`FILE`].
pub const TEXT: &str = "blob, code";
/// `rtas-size` by the number of possible processors.
pub const AREA: &str = "rtas-size, by processors";
/// Bytes of stack of a call.
pub const STACK: &str = "stack of a call";
/// The point of [`STACK`] that no call can get beyond.
pub const DEEPEST: &str = "deepest chain of calls in the code";

/// Numbers of possible processors.
pub const PROCESSORS: [u32; 3] = [1, 64, 1024];
/// Bytes that QEMU's own `rtas-size` has for `n` processors (hw/ppc/spapr.c, spapr_dt_rtas): 2076
/// and 16 a processor.
const RESERVED: (u32, u32) = (2076, 16);
/// Numbers of interrupt sources of a machine (PLATFORM: 0x1000 to 0x1fff).
pub const SOURCES: u32 = 0x1000;

const fn chart(name: &str) -> (BenchGroup, &str) {
    (BenchGroup::Size, name)
}

/// Measures all of it.
pub fn add(lab: &Lab, record: &mut Record) -> Result<()> {
    for firmware in lab.firmwares() {
        if let Some(path) = image(lab, &firmware)? {
            let bytes = fs::metadata(&path)
                .with_context(|| format!("cannot look at {}", path.display()))?
                .len();
            record.add(chart(IMAGE), FILE, &firmware, Unit::Bytes, bytes as f64);
        }
        for processors in PROCESSORS {
            let run = GuestRun::entry(false, &format!("1,maxcpus={processors}"), 0);
            let bytes = lab.guest(&firmware, &run, record)?.number(&["rtas-size"])?;
            record.add(chart(AREA), processors, &firmware, Unit::Bytes, bytes);
        }
        if let Some(promise) = Promise::of_image(&firmware) {
            ours(lab, promise, record)?;
        }
    }
    Ok(())
}

/// The file that QEMU loads.
fn image(lab: &Lab, firmware: &str) -> Result<Option<PathBuf>> {
    let name = match lab.firmware(firmware)? {
        Firmware::Image(path) => return Ok(Some(path.clone())),
        Firmware::Slof => "slof.bin",
        Firmware::Vof => "vof.bin",
    };
    let directories = process::output(lab.emulator().command().args(["-L", "help"]))?;
    let mut paths = directories.lines().map(|line| Path::new(line).join(name));
    Ok(paths.find(|path| path.is_file()))
}

/// What is known of our own blob only.
fn ours(lab: &Lab, promise: Promise, record: &mut Record) -> Result<()> {
    let firmware = promise.image();
    let outputs = build::build(promise)?;
    let artifacts = Artifacts::read(&outputs)?;
    let (text, rest) = check::blob_sizes(&artifacts);
    let mut put = |name, point: &str, bytes: u64| {
        record.add(chart(name), point, firmware, Unit::Bytes, bytes as f64);
    };
    put(IMAGE, TEXT, text);
    put(IMAGE, "blob, constants", rest);
    let stack = check::stack(&artifacts)?;
    put(STACK, DEEPEST, stack.deepest);
    put(STACK, "room", stack.range.end - stack.range.start);
    stacks(lab, firmware, &outputs, &stack, record)
}

/// The stack that each call was seen to use, on a machine with one processor.
fn stacks(
    lab: &Lab,
    firmware: &str,
    outputs: &Outputs,
    stack: &Stack,
    record: &mut Record,
) -> Result<()> {
    let image = fs::metadata(&outputs.blob)?.len();
    let layout = Layout::new(RESERVED.0 + RESERVED.1, image, 1, SOURCES)
        .map_err(|error| anyhow::anyhow!("no layout: {error:?}"))?;
    let offset = layout.image + layout.config + layout.contexts;
    let count = layout.context_count;
    let mut run = GuestRun::timed();
    run.smp = "1".to_owned();
    run.parts.push("bench-stack");
    run.words.push(format!(
        "oxrtas.bench-stack={offset},{CONTEXT_BYTES},{count},{}",
        stack.range.start
    ));
    let heard = lab.guest(firmware, &run, record)?;
    let size = heard.number(&["rtas-size"])?;
    if size != layout.size as f64 {
        bail!("the area has {size} bytes, its layout {}", layout.size);
    }
    let mut deepest = 0;
    for row in heard.words(&["stack"]) {
        let [function, _, digits] = row else {
            continue;
        };
        let depth = if digits == "none" {
            0
        } else {
            depth(digits, stack)?
        };
        deepest = deepest.max(depth);
        record.add(chart(STACK), function, firmware, Unit::Bytes, depth as f64);
    }
    // Forwarded calls need some.
    if deepest == 0 {
        bail!("no call was seen on its stack");
    }
    Ok(())
}

/// Bytes of stack that were written: from the end of the stack down to the lowest doubleword with
/// a bit in `digits`.
fn depth(digits: &str, stack: &Stack) -> Result<u64> {
    let mut lowest = stack.range.end;
    for (index, digit) in digits.chars().enumerate() {
        let bits = digit.to_digit(16).context("no hexadecimal digit")?;
        for bit in 0..4 {
            let at = (4 * index as u64 + bit) * 8;
            let written = bits & (8 >> bit) != 0;
            if written && stack.range.contains(&at) {
                lowest = lowest.min(at);
            }
        }
    }
    Ok(stack.range.end - lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_grows_down_and_what_lies_below_it_does_not_count() {
        let stack = Stack {
            deepest: 0,
            range: 32..120,
        };
        // Doublewords 0 (before the stack), 9 and 14; 15 is above the stack.
        assert_eq!(depth("8043", &stack).unwrap(), 120 - 9 * 8);
        assert_eq!(depth("8001", &stack).unwrap(), 0);
        assert!(depth("x", &stack).is_err());
    }
}
