//! The barriers that the argument of `docs/concurrency.md` rests on, found in what was built.

use super::Finding;
use super::blob::place;
use super::elf::{Elf, Function};
use super::instruction::{Kind, Target, decode};

/// The instructions that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// `hwsync`.
    Full,
    /// `lwsync`.
    Light,
    /// `isync`.
    Instruction,
    /// `dcbst`.
    WriteBack,
    /// `icbi`.
    Invalidate,
    /// `ld`, `ldx`.
    Load,
    /// `std`.
    Store,
    /// `ldarx`.
    Reserve,
    /// `stdcx.`
    Commit,
    /// `sc`, or a call of a function that has one.
    Hypercall,
    /// Another call.
    Call,
}

impl Step {
    /// What `word` is, calls aside.
    fn of(word: u32) -> Option<Self> {
        match (word >> 26, word >> 1 & 0x3ff) {
            (31, 598) => match word >> 21 & 3 {
                0 => Some(Self::Full),
                1 => Some(Self::Light),
                _ => None,
            },
            (19, 150) => Some(Self::Instruction),
            (31, 54) => Some(Self::WriteBack),
            (31, 982) => Some(Self::Invalidate),
            (31, 84) => Some(Self::Reserve),
            (31, 214) => Some(Self::Commit),
            (17, _) => Some(Self::Hypercall),
            (58, _) if word & 3 == 0 => Some(Self::Load),
            (31, 21) => Some(Self::Load),
            (62, _) if word & 3 == 0 => Some(Self::Store),
            _ => None,
        }
    }
}

/// The steps of a function, in the order of their addresses, each with its instruction.
fn steps(elf: &Elf, function: &Function) -> Vec<(Step, usize)> {
    let step = |(index, word): (usize, &u32)| {
        let step = match decode(*word).kind {
            Kind::Branch {
                target: Target::Relative(distance),
                link: true,
            } => {
                let from = function.address + 4 * index as u64;
                called(elf, from.wrapping_add_signed(distance))
            }
            _ => Step::of(*word)?,
        };
        Some((step, index))
    };
    function.code.iter().enumerate().filter_map(step).collect()
}

/// The first step behind instruction `index`, unconditional branches being followed; `None` if the
/// function ends first, or goes in circles.
fn next(function: &Function, index: usize) -> Option<Step> {
    let mut at = index + 1;
    for _ in 0..function.code.len() {
        let word = *function.code.get(at)?;
        at = match decode(word).kind {
            Kind::Branch {
                target: Target::Relative(distance),
                link: false,
            } if word >> 26 == 18 => at.checked_add_signed(isize::try_from(distance / 4).ok()?)?,
            Kind::Branch { link: true, .. } => return Some(Step::Call),
            _ => match Step::of(word) {
                Some(step) => return Some(step),
                None => at + 1,
            },
        };
    }
    None
}

/// What a call of `address` is.
fn called(elf: &Elf, address: u64) -> Step {
    let callee = elf.functions.iter().find(|function| {
        let end = function.address + 4 * function.code.len() as u64;
        (function.address..end).contains(&address)
    });
    let hypercall = |word: &u32| Step::of(*word) == Some(Step::Hypercall);
    match callee {
        Some(callee) if callee.code.iter().any(hypercall) => Step::Hypercall,
        _ => Step::Call,
    }
}

/// Where step `at` of a function is, for a message.
fn at(function: &Function, step: (Step, usize)) -> String {
    let (_, index) = step;
    let word = function.code.get(index).copied().unwrap_or(0);
    place(function, index, word)
}

/// Every full barrier is one of a pair around a hypercall, with nothing else between them, and the
/// word is read again right after the second; whatever commits to a word has such a pair.
pub fn surround_the_hypercall(elf: &Elf) -> Finding {
    let mut pairs = 0;
    for function in &elf.functions {
        let steps = steps(elf, function);
        let mut rest = steps.as_slice();
        let mut here = 0;
        while let Some(first) = rest.iter().position(|(step, _)| *step == Step::Full) {
            let (_, from) = rest.split_at(first);
            let broken = || format!("no pair around a hypercall: {}", at(function, from[0]));
            let second = from
                .iter()
                .skip(1)
                .position(|(step, _)| *step == Step::Full)
                .ok_or_else(broken)?;
            let (pair, after) = from.split_at(second + 2);
            // What is loaded and stored between the two is the call's own: its stack, its buffer.
            let own = |step: Step| matches!(step, Step::Load | Step::Store);
            let shared = pair.iter().filter(|(step, _)| !own(*step));
            let order = shared.map(|(step, _)| *step);
            let reread = pair.last().and_then(|(_, index)| next(function, *index));
            if !order.eq([Step::Full, Step::Hypercall, Step::Full]) || reread != Some(Step::Load) {
                return Err(broken());
            }
            rest = after;
            here += 1;
        }
        let commit = steps.iter().find(|(step, _)| *step == Step::Commit);
        if let Some(commit) = commit
            && here == 0
            && !POOL.contains(&function.name.as_str())
        {
            return Err(format!(
                "a commit without barriers: {}",
                at(function, *commit)
            ));
        }
        pairs += here;
    }
    match pairs {
        0 => Err("no full barrier: what makes a source's word true is not there".to_owned()),
        _ => Ok(()),
    }
}

const TAKE: &str = "oxrtas_take";
const GIVE: &str = "oxrtas_give";
/// What swaps words of the pool.
const POOL: [&str; 2] = [TAKE, GIVE];

/// A context is taken with acquire and release, and found taken with acquire; it is given back with
/// release.
pub fn order_the_pool(elf: &Elf) -> Finding {
    // What acquires: `isync` behind a branch, or the stronger `lwsync`.
    const ACQUIRE: &[Step] = &[Step::Light, Step::Instruction];
    const RELEASE: &[Step] = &[Step::Light];
    let take: [&[Step]; 5] = [&[Step::Reserve], RELEASE, &[Step::Commit], ACQUIRE, ACQUIRE];
    let give: [&[Step]; 2] = [RELEASE, &[Step::Store]];
    for (name, wanted) in [(TAKE, &take[..]), (GIVE, &give[..])] {
        let function = elf
            .function(name)
            .ok_or_else(|| format!("{name} is not there"))?;
        let mut wanted = wanted.iter().peekable();
        for (step, _) in steps(elf, function) {
            if wanted.peek().is_some_and(|any| any.contains(&step)) {
                wanted.next();
            }
        }
        if let Some(missing) = wanted.next() {
            return Err(format!(
                "{name}: {missing:?} is not there, or not in its place"
            ));
        }
    }
    Ok(())
}

/// Wherever the firmware writes back data blocks it goes on with `sync`, `icbi`, `sync` and `isync`
/// (Power ISA book II, instruction storage), and it invalidates instructions nowhere else.
pub fn make_instructions_visible(elf: &Elf) -> Finding {
    const ORDER: [Step; 5] = [
        Step::WriteBack,
        Step::Full,
        Step::Invalidate,
        Step::Full,
        Step::Instruction,
    ];
    let mut found = 0;
    for function in &elf.functions {
        let mut steps = steps(elf, function);
        steps.retain(|(step, _)| ORDER.contains(step));
        // A loop that is passed over when it has nothing to do leaves its barrier twice.
        steps.dedup_by_key(|(step, _)| *step);
        let mut rest = steps.as_slice();
        let cache = |(step, _): &(Step, usize)| matches!(step, Step::WriteBack | Step::Invalidate);
        while let Some(first) = rest.iter().position(cache) {
            let (_, from) = rest.split_at(first);
            let order = from.iter().map(|(step, _)| *step);
            if !order.take(ORDER.len()).eq(ORDER) {
                return Err(format!(
                    "not in the order {ORDER:?}: {}",
                    at(function, from[0])
                ));
            }
            (_, rest) = from.split_at(ORDER.len());
            found += 1;
        }
    }
    match found {
        0 => Err("dcbst is nowhere: the blob's code would not be seen".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::blob::tests::program;
    use super::*;

    const BLR: u32 = 0x4e80_0020;
    const HWSYNC: u32 = 0x7c00_04ac;
    const LWSYNC: u32 = 0x7c20_04ac;
    const ISYNC: u32 = 0x4c00_012c;
    const DCBST: u32 = 0x7c00_286c;
    const ICBI: u32 = 0x7c00_1fac;
    /// ld r4, 0(r24)
    const LD: u32 = 0xe898_0000;
    /// ldarx r4, 0, r24
    const LDARX: u32 = 0x7c80_c0a8;
    /// stdcx. r22, 0, r24
    const STDCX: u32 = 0x7ec0_c1ad;
    /// std r5, 0(r4)
    const STD: u32 = 0xf8a4_0000;
    const SC: u32 = 0x4400_0022;
    const NOP: u32 = 0x6000_0000;
    /// The instructions of `change` up to the call.
    const CHANGE: [u32; 8] = [LD, ISYNC, LWSYNC, LDARX, STDCX, NOP, HWSYNC, NOP];

    /// A `change` with `tail` behind [`CHANGE`], and what it calls: `call` right behind it, which
    /// does the hypercall, then `other`, which does none.
    fn change(tail: &[u32]) -> Finding {
        let code: Vec<u32> = CHANGE.iter().chain(tail).copied().collect();
        surround_the_hypercall(&program(&[
            ("change", &code),
            ("call", &[SC, BLR]),
            ("other", &[BLR, BLR]),
        ]))
    }

    /// bl to `call`, from index 8 of a change with `length` instructions.
    fn bl(length: u32, more: u32) -> u32 {
        0x4800_0001 | (length - 8 + more) << 2
    }

    #[test]
    fn a_hypercall_between_full_barriers_and_a_re_read_is_found() {
        assert_eq!(change(&[bl(12, 0), HWSYNC, LD, BLR]), Ok(()));
        assert_eq!(change(&[SC, HWSYNC, LD, BLR]), Ok(()), "inline");
        // b +12, over a barrier of somebody else's.
        let apart = [SC, HWSYNC, 0x4800_0014, HWSYNC, SC, HWSYNC, NOP, LD, BLR];
        assert_eq!(
            change(&apart),
            Ok(()),
            "the re-read shared with another pair"
        );
    }

    #[test]
    fn a_missing_barrier_a_missing_re_read_and_another_call_are_found() {
        for (what, tail) in [
            ("the second", vec![bl(11, 0), LD, BLR]),
            ("the re-read", vec![bl(11, 0), HWSYNC, BLR]),
            ("in circles", vec![SC, HWSYNC, 0x4800_0000, LD, BLR]),
            ("the hypercall", vec![NOP, HWSYNC, LD, BLR]),
            ("another call", vec![bl(12, 2), HWSYNC, LD, BLR]),
            ("too late", vec![bl(13, 0), HWSYNC, bl(11, 2), LD, BLR]),
            ("a lighter one", vec![bl(12, 0), LWSYNC, LD, BLR]),
        ] {
            assert!(change(&tail).is_err(), "{what}");
        }
        let first = program(&[
            ("change", &[LDARX, STDCX, SC, HWSYNC, LD, BLR]),
            ("call", &[SC, BLR]),
        ]);
        assert!(surround_the_hypercall(&first).is_err(), "the first");
        let neither = program(&[("change", &[LDARX, STDCX, SC, LD, BLR])]);
        assert!(surround_the_hypercall(&neither).is_err());
        assert!(surround_the_hypercall(&program(&[("f", &[BLR])])).is_err());
    }

    #[test]
    fn a_commit_elsewhere_is_found() {
        let code = [HWSYNC, SC, HWSYNC, LD, BLR];
        let swap = [LDARX, STDCX, BLR];
        let pool = program(&[("change", &code), (TAKE, &swap), (GIVE, &swap)]);
        assert_eq!(surround_the_hypercall(&pool), Ok(()));
        let more = program(&[("change", &code), ("more", &swap)]);
        assert!(surround_the_hypercall(&more).is_err());
    }

    const TAKES: [u32; 6] = [LDARX, LWSYNC, STDCX, LWSYNC, ISYNC, BLR];
    const GIVES: [u32; 3] = [LWSYNC, STD, BLR];

    #[test]
    fn the_order_of_the_pool_is_found_and_each_part_of_it_missed() {
        let judge =
            |take: &[u32], give: &[u32]| order_the_pool(&program(&[(TAKE, take), (GIVE, give)]));
        assert_eq!(judge(&TAKES, &GIVES), Ok(()));
        for missing in 0..TAKES.len() - 1 {
            let mut take = TAKES;
            take[missing] = NOP;
            assert!(judge(&take, &GIVES).is_err(), "take without {missing}");
        }
        for missing in 0..GIVES.len() - 1 {
            let mut give = GIVES;
            give[missing] = NOP;
            assert!(judge(&TAKES, &give).is_err(), "give without {missing}");
        }
        assert!(judge(&TAKES, &[STD, LWSYNC, BLR]).is_err(), "too late");
        assert!(order_the_pool(&program(&[(TAKE, &TAKES)])).is_err());
    }

    #[test]
    fn the_flush_is_found_and_each_part_of_it_missed() {
        // As a compiler leaves it: loops, and a barrier on the way past the second one.
        let flush = [ISYNC, DCBST, NOP, HWSYNC, ICBI, HWSYNC, HWSYNC, ISYNC, BLR];
        let judge = |code: &[u32]| make_instructions_visible(&program(&[("f", code)]));
        assert_eq!(judge(&flush), Ok(()));
        assert_eq!(judge(&flush.repeat(2)), Ok(()));
        for missing in [1, 3, 4, 7] {
            let mut code = flush;
            code[missing] = NOP;
            assert!(judge(&code).is_err(), "without {missing}");
        }
        assert!(judge(&[DCBST, HWSYNC, ICBI, ISYNC, BLR]).is_err());
        assert!(judge(&[ICBI, HWSYNC, DCBST, HWSYNC, ISYNC, BLR]).is_err());
        assert!(judge(&[BLR]).is_err(), "nowhere");
    }
}
