//! Methods of open instances: `call-method` (IEEE 1275, 6.3.2.2), `test-method` (LoPAR B.9.5.2).
//!
//! Arguments: the method's name, the instance, the method's own arguments, topmost of the stack
//! first. Results: a catch code, 0 if the method ran, then the method's results.

use super::array::Call;
use super::handles::{self, Kind};
use super::{Cells, NONE};
use crate::board::Board;
use crate::firmware::Firmware;
use crate::rtas_area::CellWidth;

/// Catch code: no such method, or no such instance (Forth-94, table 9.2: unsupported operation).
const UNSUPPORTED: u32 = -21i32 as u32;
/// Catch code: the method refused its arguments (Forth-94, table 9.2: invalid numeric argument).
const REFUSED: u32 = -24i32 as u32;

/// A method that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    ClientArchitectureSupport,
    InstantiateRtas,
    InstantiateRtas64,
    Read,
    Write,
    Claim,
    Map,
    Release,
}

impl Method {
    /// The method of that name of an instance.
    fn named(kind: Kind, name: &str) -> Option<Self> {
        Some(match (kind, name) {
            (Kind::Root, "ibm,client-architecture-support") => Self::ClientArchitectureSupport,
            (Kind::Rtas, "instantiate-rtas") => Self::InstantiateRtas,
            (Kind::Rtas, "instantiate-rtas-64") => Self::InstantiateRtas64,
            (Kind::Console(_), "read") => Self::Read,
            (Kind::Console(_), "write") => Self::Write,
            (Kind::Memory, "claim") => Self::Claim,
            (Kind::Memory, "map") => Self::Map,
            (Kind::Memory, "release") => Self::Release,
            _ => return None,
        })
    }
}

/// A method that ran, with its results.
const fn ran(results: [u32; 2]) -> Cells {
    let [first, second] = results;
    [0, first, second, 0]
}

const fn failed(code: u32) -> Cells {
    [code, 0, 0, 0]
}

impl<B: Board> Firmware<B> {
    pub(super) fn call_method(&mut self, name: u32, handle: u32, call: &Call) -> Cells {
        let mut given = [0; 4];
        let own = call.arguments.get(2..).unwrap_or(&[]);
        for (to, from) in given.iter_mut().zip(own) {
            *to = *from;
        }
        let [first, second, third, fourth] = given;
        let Some(name) = self.string(name) else {
            self.complain(
                "method name",
                format_args!("client call: the name of a method is not in memory or not ended"),
            );
            return failed(UNSUPPORTED);
        };
        let Some(instance) = self.client.instances.get(handle) else {
            self.complain(
                &alloc::format!("method {name} {handle}"),
                format_args!("client call: method '{name}' of {handle:#x}, which is not open"),
            );
            return failed(UNSUPPORTED);
        };
        let (kind, node) = (instance.kind, instance.node);
        match (Method::named(kind, &name), own.len()) {
            (Some(Method::ClientArchitectureSupport), 1..) => {
                ran([self.client_architecture_support(first), 0])
            }
            (Some(Method::InstantiateRtas), 1..) => self.bind_rtas(first, CellWidth::Bits32),
            (Some(Method::InstantiateRtas64), 1..) => self.bind_rtas(first, CellWidth::Bits64),
            // ( address length -- actual )
            (Some(Method::Write), 2..) => {
                ran([self.write(handle, second, first).unwrap_or(NONE), 0])
            }
            (Some(Method::Read), 2..) => ran([self.read(handle, second, first).unwrap_or(NONE), 0]),
            // ( [address] size alignment -- base ), the address only if the alignment is 0.
            (Some(Method::Claim), 2..) if first != 0 || own.len() > 2 => {
                match self.claim(third, second, first) {
                    Some(base) => ran([base, 0]),
                    None => failed(REFUSED),
                }
            }
            // ( real virtual size mode -- ) The client runs in real mode, where every address is
            // mapped to itself.
            (Some(Method::Map), 4..) if third == fourth => ran([0, 0]),
            // ( address size -- )
            (Some(Method::Release), 2..) => {
                self.release(second, first);
                ran([0, 0])
            }
            _ => {
                let path = self.tree.path(node).unwrap_or_default();
                let count = own.len();
                self.complain(
                    &alloc::format!("method {name} {path} {count}"),
                    format_args!(
                        "client call: {path} has no method '{name}' with {count} arguments"
                    ),
                );
                failed(UNSUPPORTED)
            }
        }
    }

    /// Whether `call-method` finds a method in an instance of a package; whatever can be opened has
    /// `open` and `close`.
    pub(super) fn test_method(&self, package: u32, name: u32) -> Option<u32> {
        let node = handles::node_of(&self.tree, package)?;
        let kind = handles::kind_of(&self.tree, node)?;
        let name = self.string(name)?;
        let opens = matches!(name.as_str(), "open" | "close");
        (opens || Method::named(kind, &name).is_some()).then_some(0)
    }

    fn bind_rtas(&mut self, base: u32, width: CellWidth) -> Cells {
        match self.instantiate_rtas(u64::from(base)) {
            Ok(instance) => match u32::try_from(instance.entry(width)) {
                Ok(entry) => ran([entry, 0]),
                Err(_) => failed(REFUSED),
            },
            Err(error) => {
                self.say(format_args!(
                    "RTAS cannot be instantiated at {base:#x}: {error}"
                ));
                failed(REFUSED)
            }
        }
    }
}
