//! The registers of a 64-bit Power processor, as QEMU's stub numbers them
//! (gdb-xml/power64-core.xml of QEMU).

use super::{Gdb, Thread};
use anyhow::{Context, Result};

/// Register 1, the stack pointer, in every ABI of Linux.
const STACK_POINTER: u32 = 1;
/// Register 3: the first argument.
const ARGUMENT: u32 = 3;
const INSTRUCTION_POINTER: u32 = 64;
const MACHINE_STATE: u32 = 65;
const CONDITION: u32 = 66;
const LINK: u32 = 67;
const COUNT: u32 = 68;
const EXCEPTION: u32 = 69;

/// What is wanted of a stopped processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The address of the next instruction.
    pub instruction: u64,
    /// The machine state register.
    pub machine_state: u64,
    /// The link register.
    pub link: u64,
    /// Register 1.
    pub stack: u64,
    /// Register 3.
    pub argument: u64,
}

/// Everything that a program without floating point has in a stopped processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllRegisters {
    /// Registers 0 to 31.
    pub general: [u64; 32],
    /// The address of the next instruction.
    pub instruction: u64,
    /// The machine state register.
    pub machine_state: u64,
    /// The condition register.
    pub condition: u64,
    /// The link register.
    pub link: u64,
    /// The count register.
    pub count: u64,
    /// The fixed-point exception register (XER).
    pub exception: u64,
}

/// The machine state register out of its eight bytes, and whether they, and those of all other
/// registers, come lowest first. The bit for little endian is the lowest one; in the other order
/// its place is bit 56 (counted from the right), which no processor has.
fn machine_state(bytes: [u8; 8]) -> (u64, bool) {
    let little = bytes[0] & 1 == 1;
    (number(bytes, little), little)
}

fn number(bytes: [u8; 8], little: bool) -> u64 {
    if little {
        u64::from_le_bytes(bytes)
    } else {
        u64::from_be_bytes(bytes)
    }
}

impl Gdb {
    /// The registers of a stopped processor.
    pub fn registers(&mut self, thread: Thread) -> Result<Registers> {
        self.steady(thread, |gdb, machine_state, little| {
            let mut read = |register| {
                Ok::<_, anyhow::Error>(number(gdb.double_word(thread, register)?, little))
            };
            Ok(Registers {
                instruction: read(INSTRUCTION_POINTER)?,
                machine_state,
                link: read(LINK)?,
                stack: read(STACK_POINTER)?,
                argument: read(ARGUMENT)?,
            })
        })
    }

    /// All integer registers of a stopped processor.
    pub fn all_registers(&mut self, thread: Thread) -> Result<AllRegisters> {
        self.steady(thread, |gdb, machine_state, little| {
            let mut double = |register| {
                Ok::<_, anyhow::Error>(number(gdb.double_word(thread, register)?, little))
            };
            let mut general = [0; 32];
            for (register, value) in (0..).zip(&mut general) {
                *value = double(register)?;
            }
            let (instruction, link, count) =
                (double(INSTRUCTION_POINTER)?, double(LINK)?, double(COUNT)?);
            let mut word = |register| {
                let bytes = gdb.register(thread, register)?;
                let bytes = bytes.as_slice().try_into();
                let bytes: [u8; 4] =
                    bytes.with_context(|| format!("register {register} is no word"))?;
                Ok::<_, anyhow::Error>(u64::from(if little {
                    u32::from_le_bytes(bytes)
                } else {
                    u32::from_be_bytes(bytes)
                }))
            };
            Ok(AllRegisters {
                general,
                instruction,
                machine_state,
                condition: word(CONDITION)?,
                link,
                count,
                exception: word(EXCEPTION)?,
            })
        })
    }

    /// The address of the next instruction of a stopped processor.
    pub fn instruction_pointer(&mut self, thread: Thread) -> Result<u64> {
        self.steady(thread, |gdb, _, little| {
            Ok(number(
                gdb.double_word(thread, INSTRUCTION_POINTER)?,
                little,
            ))
        })
    }

    /// What `read` makes of registers, given the machine state and whether their bytes come lowest
    /// first. A system reset that was sent before may reach even a stopped processor, between two
    /// questions, and change its byte order: so the machine state has to be the same before and
    /// after, or all is read again.
    fn steady<T>(
        &mut self,
        thread: Thread,
        mut read: impl FnMut(&mut Self, u64, bool) -> Result<T>,
    ) -> Result<T> {
        let mut before = self.double_word(thread, MACHINE_STATE)?;
        loop {
            let (state, little) = machine_state(before);
            let value = read(self, state, little)?;
            let after = self.double_word(thread, MACHINE_STATE)?;
            if after == before {
                return Ok(value);
            }
            before = after;
        }
    }

    /// The address of the next instruction of a stopped processor that is known to be big endian.
    pub fn big_endian_instruction_pointer(&mut self, thread: Thread) -> Result<u64> {
        Ok(u64::from_be_bytes(
            self.double_word(thread, INSTRUCTION_POINTER)?,
        ))
    }

    /// Has a stopped processor, which is big endian, go on at `address`.
    pub fn redirect(&mut self, thread: Thread, address: u64) -> Result<()> {
        self.write_register(thread, INSTRUCTION_POINTER, address.to_be_bytes())
    }

    /// Puts `value` into register 3 of a stopped processor, which is big endian.
    pub fn set_argument(&mut self, thread: Thread, value: u64) -> Result<()> {
        self.write_register(thread, ARGUMENT, value.to_be_bytes())
    }

    fn double_word(&mut self, thread: Thread, register: u32) -> Result<[u8; 8]> {
        let bytes = self.register(thread, register)?;
        bytes
            .as_slice()
            .try_into()
            .with_context(|| format!("register {register} has {} bytes", bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_state_tells_its_own_byte_order() {
        // 64-bit and little endian, as Linux runs; 32-bit and big endian, as it calls RTAS; 64-bit
        // and big endian with the hypervisor bit.
        for state in [0x8000_0000_0280_b033_u64, 0x1002, 0x9000_0000_0000_1000] {
            let little = state & 1 == 1;
            let bytes = if little {
                state.to_le_bytes()
            } else {
                state.to_be_bytes()
            };
            assert_eq!(machine_state(bytes), (state, little));
        }
    }
}
