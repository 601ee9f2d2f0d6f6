//! Dynamic DMA windows (LoPAR 7.3.27). What the checks create, they remove.

use alloc::format;

use guest::verdict::Verdict;
use guest::{need, pass, skip};

use super::{Check, ask, check, pci};
use crate::subject::Machine;
use crate::subject::machine::cells;
use crate::subject::rtas::Outcome;

/// The checks, in order.
pub const CHECKS: &[Check] = &[
    check("R1-7.3.27-3", "window-without-a-bridge", no_bridge),
    // Before those that take a window that is left for granted.
    check("R1-7.3.27.3-1", "window-created-and-removed", round_trip),
    check("R1-7.3.27.1-2", "window-as-large-as-told", as_told),
    check("R1-7.3.27.2-2", "window-refused", refused),
    check("R1-7.3.27.3-3", "window-default-comes-back", default_back),
    check("R1-7.3.27.4.1-3", "window-reset", reset),
];

/// The host bridge that the checks work on: the inputs that name it, the tokens of query, create,
/// remove and reset, and the LIOBN of its default window.
pub struct Bridge {
    inputs: [u32; 3],
    /// Tokens of query, create and remove.
    pub tokens: [u32; 3],
    reset: Option<u32>,
    /// The default window's.
    pub liobn: u32,
}

/// The bridge, or that there is none.
pub fn bridge(machine: &mut Machine) -> Result<Bridge, Verdict> {
    let unit = pci::unit(machine);
    for (path, properties) in machine.tree {
        if !path.starts_with("/pci@") || path.matches('/').count() != 1 {
            continue;
        }
        let get = |name: &str| {
            let found = properties.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| cells(value)).unwrap_or_default()
        };
        let (tokens, window) = (get("ibm,ddw-applicable"), get("ibm,dma-window"));
        let reg = get("reg");
        if let ([query, create, remove], [liobn, ..], [high, low, ..]) =
            (&tokens[..], &window[..], &reg[..])
            && [*high, *low] == unit
        {
            let extensions = get("ibm,ddw-extensions");
            return Ok(Bridge {
                inputs: [0, unit[0], unit[1]],
                tokens: [*query, *create, *remove],
                // A count, then the token of the reset call (Table 7.118).
                reset: extensions.get(1).copied(),
                liobn: *liobn,
            });
        }
    }
    Err(Verdict::Skip("no bridge has ibm,ddw-applicable".into()))
}

macro_rules! bridge {
    ($machine:expr) => {
        match bridge($machine) {
            Ok(bridge) => bridge,
            Err(verdict) => return verdict,
        }
    };
}

/// A call by token.
pub fn call(
    machine: &mut Machine,
    token: u32,
    inputs: &[u32],
    outputs: usize,
) -> Result<Outcome, Verdict> {
    let Some(rtas) = machine.rtas else {
        return Err(Verdict::Skip("no instance of RTAS".into()));
    };
    ask::ask_token(machine, rtas, token, inputs, outputs)
        .map_err(|saw| Verdict::Fail("a return that wrote its outputs alone".into(), saw))
}

macro_rules! call {
    ($machine:expr, $token:expr, $inputs:expr, $outputs:expr) => {
        match call($machine, $token, $inputs, $outputs) {
            Ok(outcome) => outcome,
            Err(verdict) => return verdict,
        }
    };
}

/// Windows that are left, the largest of them in pages, and the page sizes.
pub fn query(machine: &mut Machine, bridge: &Bridge) -> Result<[i64; 3], Verdict> {
    let outcome = call(machine, bridge.tokens[0], &bridge.inputs, 5)?;
    if outcome.status() != 0 {
        let saw = format!("{:x?}", outcome.cells);
        return Err(Verdict::Fail(
            "status 0 of ibm,query-pe-dma-window".into(),
            saw,
        ));
    }
    // Numbers without a sign, whatever the width of a cell.
    let number = |index: usize| i64::from(outcome.cells[index] as u32);
    Ok([number(1), number(2), number(3)])
}

macro_rules! query {
    ($machine:expr, $bridge:expr) => {
        match query($machine, $bridge) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        }
    };
}

/// Page sizes of Table 7.115 that QEMU's guests may have: the bit, and the shift.
const PAGES: [(i64, u32); 3] = [(1, 12), (2, 16), (4, 24)];
/// A window of 256 MiB.
pub const WINDOW: u32 = 28;

/// The shift of the largest page that the bridge has.
pub fn page(mask: i64) -> Option<u32> {
    let mut pages = PAGES.iter().rev();
    pages
        .find(|(bit, _)| mask & bit != 0)
        .map(|(_, shift)| *shift)
}

/// Creates a window; status and LIOBN.
pub fn create(
    machine: &mut Machine,
    bridge: &Bridge,
    page: u32,
    window: u32,
) -> Result<(i64, u32), Verdict> {
    let [address, high, low] = bridge.inputs;
    let inputs = [address, high, low, page, window];
    let outcome = call(machine, bridge.tokens[1], &inputs, 4)?;
    Ok((outcome.status(), outcome.cells[1] as u32))
}

macro_rules! create {
    ($machine:expr, $bridge:expr, $page:expr, $window:expr) => {
        match create($machine, $bridge, $page, $window) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        }
    };
}

fn no_bridge(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let nowhere = [0, 0x7777_7777, 0x7777_7777];
    let query = call!(machine, bridge.tokens[0], &nowhere, 5).status();
    let inputs = [0, nowhere[1], nowhere[2], 12, WINDOW];
    let create = call!(machine, bridge.tokens[1], &inputs, 4).status();
    let remove = call!(machine, bridge.tokens[2], &[0x7777_7777], 1).status();
    need!(
        [query, create, remove] == [-3; 3],
        "-3 three times",
        "{query}, {create}, {remove}"
    );
    pass!("-3 from all three where no bridge is")
}

fn as_told(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let [left, largest, mask] = query!(machine, &bridge);
    let Some(page) = page(mask).filter(|_| left > 0) else {
        skip!("{left} windows are left, page sizes {mask:#x}")
    };
    // 256 MiB, or less if there is less.
    let pages = 1i64 << (WINDOW - page);
    need!(
        largest >= pages,
        format!("{pages} pages or more"),
        "{largest:#x}"
    );
    let (status, liobn) = create!(machine, &bridge, page, WINDOW);
    need!(
        status == 0,
        format!("status 0, {largest:#x} pages were told"),
        "{status}"
    );
    let removed = call!(machine, bridge.tokens[2], &[liobn], 1).status();
    need!(removed == 0, "status 0 of removing it", "{removed}");
    pass!("{left} windows left, pages of 2^{page}: one of 256 MiB created")
}

fn refused(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let before = query!(machine, &bridge);
    // Pages that nobody has, and pages larger than the window.
    for (page, window) in [(0, 0), (13, WINDOW), (16, 12), (63, 63)] {
        let (status, liobn) = create!(machine, &bridge, page, window);
        let after = query!(machine, &bridge);
        need!(
            status != 0 && before == after,
            format!("2^{page} in 2^{window} refused, nothing created"),
            "{status}, LIOBN {liobn:#x}, {before:x?} then {after:x?}"
        );
    }
    pass!("four refused, {before:x?} left as before")
}

fn round_trip(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let before = query!(machine, &bridge);
    let Some(page) = page(before[2]).filter(|_| before[0] > 0) else {
        skip!("no window is left: {before:x?}")
    };
    let (status, liobn) = create!(machine, &bridge, page, WINDOW);
    let between = query!(machine, &bridge);
    let removed = call!(machine, bridge.tokens[2], &[liobn], 1).status();
    let after = query!(machine, &bridge);
    need!(
        (status, removed) == (0, 0) && liobn != bridge.liobn,
        "statuses 0, a LIOBN of its own",
        "{status}, {removed}, {liobn:#x}"
    );
    need!(
        between[0] == before[0] - 1 && after == before,
        "a window less, then as before",
        "{before:x?}, {between:x?}, {after:x?}"
    );
    pass!("LIOBN {liobn:#x} came and went")
}

fn default_back(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let before = query!(machine, &bridge);
    let Some(page) = page(before[2]) else {
        skip!("no page size: {before:x?}")
    };
    let gone = call!(machine, bridge.tokens[2], &[bridge.liobn], 1).status();
    let (status, liobn) = create!(machine, &bridge, page, WINDOW);
    let removed = call!(machine, bridge.tokens[2], &[liobn], 1).status();
    let after = query!(machine, &bridge);
    // The default window again: removing it works again, and so does bringing it back.
    let again = call!(machine, bridge.tokens[2], &[bridge.liobn], 1).status();
    if let Some(reset) = bridge.reset {
        call!(machine, reset, &bridge.inputs, 1);
    }
    need!(
        (gone, status, removed) == (0, 0, 0),
        "the default window removed, another created and removed",
        "{gone}, {status}, {removed}"
    );
    need!(
        after == before && again == 0,
        format!("the default window with LIOBN {:#x} again", bridge.liobn),
        "{before:x?}, then {after:x?}; removing it answers {again}"
    );
    pass!("LIOBN {:#x} came back", bridge.liobn)
}

fn reset(machine: &mut Machine) -> Verdict {
    let bridge = bridge!(machine);
    let Some(token) = bridge.reset else {
        skip!("no bridge has ibm,ddw-extensions")
    };
    let before = query!(machine, &bridge);
    let gone = call!(machine, bridge.tokens[2], &[bridge.liobn], 1).status();
    let between = query!(machine, &bridge);
    let status = call!(machine, token, &bridge.inputs, 1).status();
    let after = query!(machine, &bridge);
    need!(
        (gone, status) == (0, 0) && between != before && after == before,
        "the default window removed, and back after the reset",
        "{gone}, {status}; {before:x?}, {between:x?}, {after:x?}"
    );
    pass!("the default window is back: {after:x?}")
}
