//! The Open Firmware client interface (IEEE 1275, 6.3; the PowerPC binding, section 8.3).
//!
//! A call is an array of 32-bit big-endian cells: address of the service's name, number of
//! arguments, number of results, the arguments, the results. r3 comes back 0 if the service ran and
//! -1 if not; exactly the announced number of results is written. Nothing that the client passes is
//! trusted, and nothing it asks for hangs.

mod array;
mod devices;
pub mod handles;
mod methods;
mod services;
mod tree;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::board::Board;
use crate::firmware::{ClientReturn, Firmware};
use array::Call;
use handles::Instances;
use services::Service;

/// Most results that any service has; cells beyond a service's own are zero.
const MOST_RESULTS: usize = 4;
/// Most different complaints about a client that are printed.
const MOST_COMPLAINTS: usize = 64;

/// The results of a service.
pub(crate) type Cells = [u32; MOST_RESULTS];

/// A result cell of -1: what most services answer instead of a value.
pub(crate) const NONE: u32 = u32::MAX;

/// How a service ends, if not with results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did not run: r3 = -1, no result is written.
    Refused,
    /// The client left.
    Exit,
}

/// The state of the client interface.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) instances: Instances,
    /// What was complained about already.
    complaints: Vec<String>,
    pub(crate) has_quiesced: bool,
}

impl Client {
    pub(crate) const fn new() -> Self {
        Self {
            instances: Instances::new(),
            complaints: Vec::new(),
            has_quiesced: false,
        }
    }
}

impl<B: Board> Firmware<B> {
    /// One call of the client interface, its argument array at the real address `address`.
    pub fn client_call(&mut self, address: u64) -> ClientReturn {
        match self.serve(address) {
            Ok(()) => ClientReturn::Return(0),
            Err(Ending::Refused) => ClientReturn::Return(-1),
            Err(Ending::Exit) => ClientReturn::Exit,
        }
    }

    fn serve(&mut self, address: u64) -> Result<(), Ending> {
        let call = match Call::read(&self.board, address) {
            Ok(call) => call,
            Err(error) => {
                self.complain(&error.to_string(), format_args!("client call: {error}"));
                return Err(Ending::Refused);
            }
        };
        let Some(service) = Service::named(&call.service) else {
            let name = call.service.escape_ascii();
            self.complain(
                &alloc::format!("service {name}"),
                format_args!("client call: there is no service '{name}'"),
            );
            return Err(Ending::Refused);
        };
        let Some(arguments) = call.arguments.get(..service.arguments()) else {
            let name = call.service.escape_ascii();
            let (given, wanted) = (call.arguments.len(), service.arguments());
            self.complain(
                &alloc::format!("arguments {name}"),
                format_args!("client call: '{name}' has {given} arguments instead of {wanted}"),
            );
            return Err(Ending::Refused);
        };
        let results = self.run(service, arguments, &call)?;
        if call.write_results(&mut self.board, &results).is_err() {
            self.complain(
                "results",
                format_args!("client call: the results at {address:#x} cannot be written"),
            );
            return Err(Ending::Refused);
        }
        Ok(())
    }

    /// Prints a line about the client, once per `key`.
    pub(crate) fn complain(&mut self, key: &str, line: core::fmt::Arguments<'_>) {
        let complaints = &mut self.client.complaints;
        if complaints.len() < MOST_COMPLAINTS && !complaints.iter().any(|said| said == key) {
            complaints.push(key.to_string());
            self.say(line);
        }
    }
}
