//! Packets: `$` data `#` checksum. `}` escapes the bytes that mean something else, `*` repeats the
//! one before it (GDB manual, appendix "Remote Protocol", overview).

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Write};

/// What XOR makes of an escaped byte.
const ESCAPE_MASK: u8 = 0x20;
/// The count byte of a repetition stands for this many fewer.
const REPEAT_BASE: u8 = 29;
/// Bytes that a packet may have: QEMU's own limit is 4096 of data, which escapes can double.
const LONGEST: usize = 16 * 1024;
/// Read timeouts that a packet may take once it has begun.
const PATIENCE: u32 = 100;

/// The packet that carries `data`.
pub fn encode(data: &[u8]) -> Vec<u8> {
    let mut packet = vec![b'$'];
    for &byte in data {
        match byte {
            b'$' | b'#' | b'}' | b'*' => packet.extend([b'}', byte ^ ESCAPE_MASK]),
            _ => packet.push(byte),
        }
    }
    let sum = checksum(packet.get(1..).unwrap_or_default());
    packet.extend(format!("#{sum:02x}").bytes());
    packet
}

/// The sum of all bytes between `$` and `#`, modulo 256.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Undoes escapes and repetitions.
fn decode(raw: &[u8]) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'}' => {
                let escaped = bytes.next().context("a packet ends in an escape")?;
                data.push(escaped ^ ESCAPE_MASK);
            }
            b'*' => {
                let last = *data.last().context("a packet begins with a repetition")?;
                let count = bytes.next().context("a packet ends in a repetition")?;
                let count = count
                    .checked_sub(REPEAT_BASE)
                    .with_context(|| format!("a repetition of {count:#04x}"))?;
                data.extend(std::iter::repeat_n(last, usize::from(count)));
            }
            _ => data.push(byte),
        }
    }
    Ok(data)
}

/// Reads the next packet, passing over acknowledgements, and acknowledges it. One that arrived
/// damaged is asked for again. Nothing if the stream's own read timeout passed before one began.
pub fn receive(stream: &mut (impl Read + Write)) -> Result<Option<Vec<u8>>> {
    loop {
        match byte(stream)? {
            None => return Ok(None),
            Some(b'$') => (),
            Some(b'-') => bail!("the stub could not read the last packet"),
            Some(_) => continue,
        }
        let mut raw = Vec::new();
        loop {
            match rest(stream)? {
                b'#' => break,
                other => raw.push(other),
            }
            if raw.len() > LONGEST {
                bail!("a packet of more than {LONGEST} bytes");
            }
        }
        let digits = [rest(stream)?, rest(stream)?];
        let sum = std::str::from_utf8(&digits)
            .ok()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if sum == Some(checksum(&raw)) {
            stream.write_all(b"+")?;
            return decode(&raw).map(Some);
        }
        stream.write_all(b"-")?;
    }
}

/// A byte of a packet that has begun: QEMU sends it as a whole, so it is there or about to be.
fn rest(stream: &mut impl Read) -> Result<u8> {
    for _ in 0..PATIENCE {
        if let Some(byte) = byte(stream)? {
            return Ok(byte);
        }
    }
    bail!("a packet of the gdb stub did not end")
}

/// The next byte; nothing if none came before the stream's read timeout.
fn byte(stream: &mut impl Read) -> Result<Option<u8>> {
    let mut byte = [0];
    match stream.read_exact(&mut byte) {
        Ok(()) => {
            let [byte] = byte;
            Ok(Some(byte))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(error) => Err(error).context("QEMU closed the connection of its gdb stub"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::io;

    /// What the other side sent, and what was sent to it.
    struct Wire {
        incoming: VecDeque<u8>,
        outgoing: Vec<u8>,
    }

    impl Wire {
        fn of(bytes: &[u8]) -> Self {
            Self {
                incoming: bytes.iter().copied().collect(),
                outgoing: Vec::new(),
            }
        }
    }

    impl Read for Wire {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.incoming.read(buffer)
        }
    }

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.outgoing.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_checksum_is_the_sum_modulo_256() {
        // The first is the manual's own example of an answer.
        assert_eq!(encode(b"OK"), b"$OK#9a");
        assert_eq!(encode(b""), b"$#00");
        assert_eq!(encode(b"vCont;c:1;c:3"), b"$vCont;c:1;c:3#1e");
    }

    #[test]
    fn bytes_with_a_meaning_are_escaped_and_come_back() {
        let data = b"a$b#c}d*e";
        let packet = encode(data);
        assert_eq!(packet.iter().filter(|byte| **byte == b'}').count(), 4);
        assert_eq!(receive(&mut Wire::of(&packet)).unwrap().unwrap(), data);
    }

    #[test]
    fn a_repetition_counts_from_29() {
        // The manual: `0* ` means `0000`.
        assert_eq!(decode(b"0* ").unwrap(), b"0000");
        assert_eq!(decode(b"x*\x1dy").unwrap(), b"xy");
        for bad in [&b"* "[..], b"0*", b"0*\x1c", b"}"] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_damaged_packet_is_asked_for_again() {
        let mut wire = Wire::of(b"+$OX#9a$OK#9a");
        assert_eq!(receive(&mut wire).unwrap().unwrap(), b"OK");
        assert_eq!(wire.outgoing, b"-+");
    }

    #[test]
    fn the_end_of_the_connection_and_an_endless_packet_are_errors() {
        assert!(receive(&mut Wire::of(b"$OK")).is_err());
        assert!(receive(&mut Wire::of(b"-")).is_err());
        let endless = [&b"$"[..], &[b'x'; LONGEST + 2]].concat();
        let error = receive(&mut Wire::of(&endless)).unwrap_err();
        assert!(format!("{error}").contains("more than"));
    }
}
