//! What every call of the run left alone (LoPAR 7.2.1, 7.2.2), as the [`ledger`] has it: one verdict a
//! requirement and width, when the calls are over.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest::functions::Function;
use guest::verdict::Verdict;
use guest::{fail, pass, skip};

use super::{Check, calls, check};
use crate::subject::ledger::{self, Rule};
use crate::subject::{Machine, Width};

/// The checks, made of the width that the instance has.
pub const CHECKS: &[Check] = &[
    check("R1-7.2.2-1", "registers-after-every-call", |machine| {
        judge(machine, Rule::Registers)
    }),
    check("R1-7.2.1-7", "msr-after-every-call", |machine| {
        judge(machine, Rule::Msr)
    }),
    check("R1-7.2.1-8", "msr-ri-after-every-call", |machine| {
        judge(machine, Rule::Recoverable)
    }),
    check("R1-7.2.2-2", "sprg-dec-after-every-call", |machine| {
        judge(machine, Rule::Sprg)
    }),
];

/// The functions of /rtas: names and tokens.
pub fn functions(machine: &Machine) -> impl Iterator<Item = (&str, u32)> {
    let names = machine.rtas_node.iter().map(|(name, _)| name.as_str());
    // LoPAR's, and those of the hypervisor beside them.
    let functions =
        names.filter(|name| calls::is_function(name) || Function::named(name).is_some());
    functions.filter_map(|name| Some((name, machine.token(name)?)))
}

/// Calls are compared from now on.
pub fn open(machine: &Machine) {
    ledger::open(functions(machine).map(|(_, token)| token));
}

/// The widths in which calls came back.
pub fn widths() -> impl Iterator<Item = Width> {
    [Width::Mode32, Width::Mode64, Width::Cells64]
        .into_iter()
        .filter(|width| ledger::compared(*width).calls != [0, 0])
}

/// The name of the function with this token.
pub fn name(machine: &Machine, token: u32) -> String {
    let found = functions(machine).find(|(_, own)| *own == token);
    found.map_or_else(|| format!("token {token:#x}"), |(name, _)| name.into())
}

fn judge(machine: &mut Machine, rule: Rule) -> Verdict {
    let Some(rtas) = machine.rtas else {
        skip!("no instance of RTAS")
    };
    let compared = ledger::compared(rtas.width);
    let [unrecoverable, recoverable] = compared.calls;
    if let Some((calls, first)) = ledger::broken(rtas.width, rule) {
        let register = first.difference.register.name();
        let function = name(machine, first.token);
        let ri = u32::from(first.recoverable);
        fail!(
            format!(
                "{register} {:#x} after {function} with MSR[RI] {ri}",
                first.difference.wanted
            ),
            "{:#x}; another difference or this in {calls} of {} calls",
            first.difference.saw,
            unrecoverable + recoverable
        )
    }
    let part = match rule {
        Rule::Registers => format!(", f0 to f31 and vs0 to vs63 in {} of them", compared.full),
        Rule::Sprg => format!(", DEC in {} of them", compared.full),
        Rule::Msr | Rule::Recoverable => String::new(),
    };
    let never: Vec<String> = compared
        .never
        .iter()
        .map(|token| name(machine, *token))
        .collect();
    pass!(
        "{recoverable} calls with MSR[RI] 1, of {} functions, and {unrecoverable} with 0, of {}; \
         {} calls of none{part}; no call came back of {}",
        compared.functions[1],
        compared.functions[0],
        compared.of_none,
        never.join(" ")
    )
}
