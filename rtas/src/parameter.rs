//! The system parameter that the firmware knows and the hypervisor does not have: the partition's
//! name (LoPAR 7.3.16, Table 7.79).

use rtas_abi::status;

use crate::memory::{CallerBytes, CallerMemory};

/// The parameter LPAR Name: a string that ends with a zero, which may not be set (note 1).
pub const LPAR_NAME: u32 = 55;

/// `ibm,get-system-parameter` of LPAR Name: stores the length of `name` and as much of it as there is
/// `room` for at `address`, and gives the status. Without room it asks whether there is one
/// (R1-7.3.16-10).
pub fn get_name<M: CallerMemory>(name: &[u8], memory: &mut M, [address, room]: [u32; 2]) -> i32 {
    let Some(buffer) = CallerBytes::new(&memory.bounds(), address, room) else {
        return status::PARAMETER_ERROR;
    };
    // As QEMU's own parameters: no room for the length is too little, no room at all is none wanted.
    if room == 1 {
        return status::SYSTEM_PARAMETER_ERROR;
    }
    let length = (name.len() as u16).to_be_bytes();
    for (index, byte) in (0..room).zip(length.iter().chain(name)) {
        buffer.store(memory, index, *byte);
    }
    status::SUCCESS
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::testing::{BUFFER, Machine, Memory, token};
    use crate::vpd::record;

    const AREA: u32 = 0x5000;

    fn machine() -> Machine {
        let mut machine = Machine::new();
        machine.vpd.extend(record("", b"guest\0"));
        machine.vpd.extend(record("U1", b"the system"));
        machine
    }

    /// Status of a call and what is in the memory behind `AREA`.
    fn call(machine: &Machine, name: &str, inputs: &[u32]) -> (i32, Vec<u8>) {
        let mut memory = Memory::new();
        memory.put(BUFFER, token(name), inputs, &[7]);
        let width = crate::memory::CellWidth::Bits32;
        let exit = machine.dispatch(&machine.hypervisor, &mut memory, width);
        assert!(matches!(exit, crate::dispatch::Exit::Return(_)));
        let status = memory.outputs(BUFFER, inputs.len(), 1)[0] as i32;
        (status, memory.bytes[AREA as usize..][..16].to_vec())
    }

    fn get(machine: &Machine, room: u32) -> (i32, Vec<u8>) {
        call(machine, "ibm,get-system-parameter", &[55, AREA, room])
    }

    #[test]
    fn the_name_is_told_with_its_length_and_cut_at_the_room() {
        let machine = machine();
        let whole = b"\0\x06guest\0";
        for room in [0, 2, 3, 7, 8, 9, 4002] {
            let (status, bytes) = get(&machine, room);
            assert_eq!(status, 0, "{room}");
            let told = whole.len().min(room as usize);
            assert_eq!(bytes[..told], whole[..told], "{room}");
            assert!(bytes[told..].iter().all(|byte| *byte == 0xa5), "{room}");
        }
        assert_eq!(get(&machine, 1), (-9999, vec![0xa5; 16]), "as QEMU's own");
        assert_eq!(machine.hypervisor.tokens(), [], "no hypercall");
    }

    #[test]
    fn memory_that_the_caller_may_not_have_is_refused() {
        let machine = machine();
        let outside = [55, 0xffff_0000, 64];
        assert_eq!(call(&machine, "ibm,get-system-parameter", &outside).0, -3);
        let nowhere = [55, 0, 64];
        assert_eq!(call(&machine, "ibm,get-system-parameter", &nowhere).0, -3);
    }

    #[test]
    fn the_name_may_not_be_set() {
        let set = |machine: &Machine| call(machine, "ibm,set-system-parameter", &[55, AREA]).0;
        assert_eq!(set(&machine()), -9002, "Table 7.79, note 1");
    }

    #[test]
    fn other_parameters_and_a_partition_without_a_name_are_the_hypervisors() {
        let asked = |machine: &Machine, parameter| {
            let name = "ibm,get-system-parameter";
            let by = &machine.hypervisor;
            by.forget();
            by.state().answers.insert(token(name), vec![-3i32 as u32]);
            let status = call(machine, name, &[parameter, AREA, 64]).0;
            (status, by.tokens().len())
        };
        assert_eq!(asked(&machine(), 20), (-3, 1));
        assert_eq!(asked(&Machine::new(), 55), (-3, 1));
        assert_eq!(asked(&machine(), 55), (0, 0));
    }
}
