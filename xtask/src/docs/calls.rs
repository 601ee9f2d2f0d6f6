//! The page of calls.

use super::{LISTS, render};
use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use rtas::table::{self, Call, Counts, Handler, Implementer, Specification};
use rtas::tokens;
use rtas_abi::buffer::MAX_CELLS;
use rtas_abi::name;
use serde::Serialize;

/// QEMU's token of the first call (`include/hw/ppc/spapr.h:RTAS_TOKEN_BASE`); the table follows
/// QEMU's order, and a test of the table holds it to that.
const FIRST_TOKEN: usize = 0x2000;

/// A call as the template takes it.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    token: String,
    inputs: String,
    outputs: String,
    done_by: &'static str,
    claimed: String,
    specification: String,
    note: &'static str,
}

/// The page.
pub fn page() -> Result<String> {
    let rows: Vec<Row> = table::calls()
        .enumerate()
        .map(|(index, call)| row(index, call))
        .collect();
    let count = |implementer| {
        let by = |call: &&Call| call.shape.handler.implementer() == implementer;
        table::calls().filter(by).count()
    };
    render(
        include_str!("calls.md.template"),
        context! {
            native => count(Implementer::Native),
            forwarded => count(Implementer::Forwarded),
            leaves => count(Implementer::Leaves),
            lists => Serde(LISTS),
            rows => Serde(rows),
        },
    )
}

fn row(index: usize, call: &Call) -> Row {
    let letters = LISTS.map(|list| {
        let claimed = call.capability.contains(list.capability);
        if claimed { list.letter } else { '·' }.to_string()
    });
    let mut own = tokens::own_calls().filter(|(name, _)| *name == call.name);
    let own = own.next().map(|(_, token)| token as usize);
    Row {
        name: call.name,
        token: format!("0x{:04x}", own.unwrap_or(FIRST_TOKEN + index)),
        inputs: cells(call.shape.inputs),
        outputs: cells(call.shape.outputs),
        done_by: match call.shape.handler.implementer() {
            Implementer::Native => "**blob**",
            Implementer::Forwarded => "hypervisor",
            Implementer::Leaves => "leaves",
        },
        claimed: letters.join(" "),
        specification: match call.specification {
            Specification::Lopar(section) => format!("LoPAR {section}"),
            Specification::Qemu(place) => format!("`{place}`"),
        },
        note: note(call),
    }
}

/// Allowed numbers of cells.
fn cells(counts: Counts) -> String {
    if counts == Counts::any() {
        return format!("0 to {MAX_CELLS}");
    }
    let counts: Vec<String> = counts.iter().map(|count| count.to_string()).collect();
    counts.join(" or ")
}

/// What the other columns do not say.
fn note(call: &Call) -> &'static str {
    match (call.name, call.shape.handler) {
        (_, Handler::GetXive | Handler::SetXive | Handler::IntOff | Handler::IntOn) => {
            "with XICS; the hypervisor answers on a machine that chose XIVE"
        }
        (_, Handler::ChangeMsi) => "then the blob resets its words of the old and new sources",
        (_, Handler::GetTimeOfDay) => "the blob puts QEMU's nanoseconds right",
        (_, Handler::Nvram) => "the blob itself answers calls for 0 bytes",
        (_, Handler::SetPowerLevel) => "(0, 0) is `power-off`",
        (_, Handler::ConfigureConnector) => "an additional page is refused",
        (_, Handler::SetTimeOfDay) => "the blob refuses what is no date or time",
        (name::READ_PCI_CONFIG | name::WRITE_PCI_CONFIG, _) => {
            "without a unit id; before LoPAR; as with it where no function is"
        }
        (_, Handler::PciConfig) => "where no function is: success, all ones, nothing written",
        (_, Handler::QuerySource) => "status 1 for an interrupt that the function does not have",
        (_, Handler::CheckException) => {
            "cut at the length given; the seventh input is the upper half of the additional information"
        }
        (name::IBM_RESET_PE_DMA_WINDOW, _) => {
            "LoPAR's name is `ibm,reset-pe-dma-windows`; token in `ibm,ddw-extensions`"
        }
        (_, Handler::GetVpd) => "copies what the firmware made of the device tree",
        (_, Handler::GetIndices) => "-3: the machine has no indicators or sensors but those of DR",
        (_, Handler::GetSystemParameter) => {
            "parameter 55, the partition's name, is the blob's; status 0 for length 0, if there is one"
        }
        (_, Handler::SetSystemParameter) => "parameter 55 is not authorized",
        (_, Handler::GetSensorState) => "sensor 9, EPOW, is the blob's",
        (_, Handler::LastError) => {
            "tells of what the hypervisor left undone, and of calls without a context"
        }
        (name::IBM_CONFIGURE_KERNEL_DUMP, _) => "QEMU 10.2 and later",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_call_and_fits_150_lines() {
        let page = page().unwrap();
        for call in table::calls() {
            let start = format!("| `{}` | 0x", call.name);
            let rows = page.lines().filter(|line| line.starts_with(&start));
            assert_eq!(rows.count(), 1, "{}", call.name);
        }
        assert!(page.lines().count() < 150);
    }

    #[test]
    fn every_line_of_a_table_has_as_many_cells_as_its_head() {
        let page = page().unwrap();
        let mut head = None;
        for line in page.lines() {
            let cells = line.matches('|').count();
            if cells == 0 {
                head = None;
            } else {
                assert_eq!(*head.get_or_insert(cells), cells, "{line}");
            }
        }
    }

    #[test]
    fn what_is_promised_is_what_the_table_claims() {
        let page = page().unwrap();
        let line = |name: &str| {
            let start = format!("| `{name}` ");
            page.lines().find(|line| line.starts_with(&start)).unwrap()
        };
        assert!(line("ibm,int-off").contains("| R C S |"));
        assert!(line("nvram-store").contains("| · C S |"));
        assert!(line("event-scan").contains("| · · · |"));
    }

    #[test]
    fn cells_are_shown_as_a_number_or_a_choice() {
        assert_eq!(cells(Counts::exactly(3)), "3");
        assert_eq!(cells(Counts::between(6, 7)), "6 or 7");
        assert_eq!(cells(Counts::any()), "0 to 16");
    }
}
