//! Trees that break the binding, each in one way.

use super::{schema, tree};
use anyhow::Result;

/// Changes to properties of `/rtas`; without a value the property is removed.
type Edits = &'static [(&'static str, Option<&'static [u8]>)];

/// A tree that breaks the binding.
#[derive(Debug)]
pub struct Broken {
    /// What is wrong.
    pub name: &'static str,
    /// What makes it wrong, from a tree with every promise.
    edits: Edits,
    /// What dt-validate has to complain about, and nothing else.
    reason: &'static str,
}

const VERSION: &str = "oxrtas,capability-version";
const MAX: &str = "oxrtas,max-concurrent-calls";
const REENTRANT: &str = "oxrtas,reentrant-functions";
const CONCURRENT: &str = "oxrtas,concurrent-functions";
const CRASH_SAFE: &str = "oxrtas,crash-safe-functions";

/// All of them.
pub const BROKEN: [Broken; 13] = [
    Broken {
        name: "an-unknown-property-of-ours",
        edits: &[("oxrtas,lock-free", Some(b""))],
        reason: "oxrtas,lock-free: False schema does not allow",
    },
    Broken {
        name: "an-unknown-function",
        edits: &[(REENTRANT, Some(b"ibm,int-of\0"))],
        reason: "'ibm,int-of' is not one of",
    },
    Broken {
        name: "a-function-that-the-design-does-not-promise",
        edits: &[(CRASH_SAFE, Some(b"ibm,int-off\0get-time-of-day\0"))],
        reason: "'get-time-of-day' is not one of",
    },
    Broken {
        name: "a-function-listed-twice",
        edits: &[(CRASH_SAFE, Some(b"ibm,int-off\0ibm,int-off\0"))],
        reason: "has non-unique elements",
    },
    Broken {
        name: "a-version-of-two-cells",
        edits: &[(VERSION, Some(&[0, 0, 0, 1, 0, 0, 0, 1]))],
        reason: "is too long",
    },
    Broken {
        name: "another-version",
        edits: &[(VERSION, Some(&[0, 0, 0, 2]))],
        reason: "1 was expected",
    },
    Broken {
        name: "the-lists-without-the-version",
        edits: &[(VERSION, None)],
        reason: "'oxrtas,capability-version' is a required property",
    },
    Broken {
        name: "the-lists-without-the-number-of-calls",
        edits: &[(MAX, None)],
        reason: "'oxrtas,max-concurrent-calls' is a required property",
    },
    Broken {
        name: "no-reentrant-functions",
        edits: &[(REENTRANT, None)],
        reason: "'oxrtas,reentrant-functions' is a required property",
    },
    Broken {
        name: "crash-safe-functions-without-concurrent-ones",
        edits: &[(CONCURRENT, None)],
        reason: "'oxrtas,concurrent-functions' is a required property",
    },
    Broken {
        name: "no-crash-safe-functions",
        edits: &[(CRASH_SAFE, None)],
        reason: "'oxrtas,crash-safe-functions' is a required property",
    },
    Broken {
        name: "a-version-without-a-list",
        edits: &[(REENTRANT, None), (CONCURRENT, None), (CRASH_SAFE, None)],
        reason: "-functions' is a required property",
    },
    Broken {
        name: "a-tree-that-promises-nothing",
        edits: &[
            (VERSION, None),
            (MAX, None),
            (REENTRANT, None),
            (CONCURRENT, None),
            (CRASH_SAFE, None),
        ],
        reason: schema::REQUIRED,
    },
];

impl Broken {
    /// That the schema refuses it for its reason and for no other.
    pub fn is_refused(&self) -> Result<String> {
        let mut tree = tree::with_every_promise(&tree::of_qemu("dual")?)?;
        for (name, value) in self.edits {
            tree::edit(&mut tree, name, *value)?;
        }
        schema::validate(&tree::write(&tree, self.name)?)?.refused(self.reason)
    }
}
