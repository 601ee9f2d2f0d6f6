//! A reader of flat device trees (Devicetree Specification 0.4, chapter 5).
//!
//! The blob is what the firmware under test handed over: nothing in it is trusted.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// First word of a flat tree.
pub const MAGIC: u32 = 0xd00d_feed;
/// Longest tree that is read, in bytes.
pub const MAX_SIZE: usize = 1 << 20;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// What is wrong with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It does not begin with [`MAGIC`].
    NoMagic,
    /// A block or a token reaches past the end.
    Truncated,
    /// An unknown token, or one in the wrong place, at this offset of the structure block.
    Token(usize),
    /// A name is not text with an end.
    Name,
}

/// One node: its full path and its properties in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `/` or `/a@1/b`.
    pub path: String,
    /// Names and values.
    pub properties: Vec<(String, Vec<u8>)>,
}

/// A flat tree, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The nodes, parents before children.
    pub nodes: Vec<Node>,
    /// The memory reservations: address and size.
    pub reservations: Vec<(u64, u64)>,
}

fn word(blob: &[u8], at: usize) -> Result<u32, Damage> {
    let bytes = blob
        .get(at..at.checked_add(4).ok_or(Damage::Truncated)?)
        .ok_or(Damage::Truncated)?;
    bytes
        .iter()
        .try_fold(0u32, |word, byte| Some(word << 8 | u32::from(*byte)))
        .ok_or(Damage::Truncated)
}

fn name(blob: &[u8], at: usize) -> Result<&str, Damage> {
    let rest = blob.get(at..).ok_or(Damage::Truncated)?;
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(Damage::Name)?;
    core::str::from_utf8(rest.get(..end).ok_or(Damage::Name)?).map_err(|_| Damage::Name)
}

/// Length of the tree that begins with these 8 bytes, if they are one's.
pub fn length(head: &[u8]) -> Option<usize> {
    let length = word(head, 4).ok()? as usize;
    (word(head, 0).ok()? == MAGIC && (40..=MAX_SIZE).contains(&length)).then_some(length)
}

impl Tree {
    /// Reads a blob.
    ///
    /// # Errors
    /// The first damage found.
    pub fn read(blob: &[u8]) -> Result<Tree, Damage> {
        if word(blob, 0)? != MAGIC {
            return Err(Damage::NoMagic);
        }
        let blob = blob
            .get(..word(blob, 4)? as usize)
            .ok_or(Damage::Truncated)?;
        let block = |at: usize| {
            blob.get(word(blob, at)? as usize..)
                .ok_or(Damage::Truncated)
        };
        let (structure, strings, reserve) = (block(8)?, block(12)?, block(16)?);
        let mut reservations = Vec::new();
        for at in (0..).step_by(16) {
            let cell =
                |at| Ok(u64::from(word(reserve, at)?) << 32 | u64::from(word(reserve, at + 4)?));
            match (cell(at)?, cell(at + 8)?) {
                (0, 0) => break,
                entry => reservations.push(entry),
            }
        }
        let mut nodes: Vec<Node> = Vec::new();
        // Indices into `nodes` of the open ones.
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        loop {
            let token = word(structure, at)?;
            let wrong = Damage::Token(at);
            at += 4;
            match token {
                NOP => {}
                BEGIN_NODE => {
                    let own = name(structure, at)?;
                    let parent = open.last().and_then(|index| nodes.get(*index));
                    let path = match parent.map(|parent| parent.path.as_str()) {
                        None if nodes.is_empty() => "/".to_string(),
                        None => return Err(wrong),
                        Some("/") => alloc::format!("/{own}"),
                        Some(path) => alloc::format!("{path}/{own}"),
                    };
                    at = (at + own.len() + 1).next_multiple_of(4);
                    open.push(nodes.len());
                    nodes.push(Node {
                        path,
                        properties: Vec::new(),
                    });
                }
                PROPERTY => {
                    let (length, offset) = (word(structure, at)?, word(structure, at + 4)?);
                    at += 8;
                    let end = at.checked_add(length as usize).ok_or(Damage::Truncated)?;
                    let value = structure.get(at..end).ok_or(Damage::Truncated)?;
                    at = end.next_multiple_of(4);
                    let node = open.last().and_then(|index| nodes.get_mut(*index));
                    let properties = &mut node.ok_or(wrong)?.properties;
                    properties.push((name(strings, offset as usize)?.to_string(), value.to_vec()));
                }
                END_NODE => {
                    open.pop().ok_or(wrong)?;
                }
                END if open.is_empty() && !nodes.is_empty() => {
                    return Ok(Tree {
                        nodes,
                        reservations,
                    });
                }
                _ => return Err(wrong),
            }
        }
    }

    /// A property of the node at `path`.
    pub fn property(&self, path: &str, name: &str) -> Option<&[u8]> {
        let node = self.nodes.iter().find(|node| node.path == path)?;
        let (_, value) = node.properties.iter().find(|(own, _)| own == name)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/ { a = <0x2a>; b@1 { }; };`
    fn small() -> Vec<u8> {
        let words: [u32; 27] = [
            MAGIC,
            108 + 4,
            56,
            108,
            40,
            17,
            16,
            0,
            4,
            52, // header, 40 bytes
            0,
            0,
            0,
            0, // 40: no reservation
            BEGIN_NODE,
            0, // 56: the root
            PROPERTY,
            4,
            0,
            0x2a, // a
            BEGIN_NODE,
            0x6240_3100, // b@1
            END_NODE,
            END_NODE,
            END,
            0,
            0,
        ];
        let mut blob: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend(b"a\0\0\0");
        blob
    }

    #[test]
    fn nodes_and_properties_are_found_by_path() {
        let tree = Tree::read(&small()).unwrap();
        assert_eq!(tree.property("/", "a"), Some(&[0, 0, 0, 0x2a][..]));
        assert_eq!(tree.nodes[1].path, "/b@1");
        assert_eq!(tree.property("/b@1", "a"), None);
    }

    #[test]
    fn every_cut_and_every_wrong_byte_is_refused_or_read_without_panic() {
        let blob = small();
        for end in 0..blob.len() {
            assert!(Tree::read(&blob[..end]).is_err(), "cut at {end}");
        }
        for index in 0..blob.len() {
            for bit in 0..8 {
                let mut damaged = blob.clone();
                damaged[index] ^= 1 << bit;
                let _ = Tree::read(&damaged);
            }
        }
    }
}
