//! The device-tree binding, as a schema for dt-schema: which functions may stand in which list is
//! what the table claims of them.

use super::{LISTS, List, render};
use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use rtas::table;
use rtas_abi::capability::{MAX_CONCURRENT_CALLS_PROPERTY, VERSION, VERSION_PROPERTY};
use serde::Serialize;

/// What our properties start with.
const PREFIX: &str = "oxrtas,";
/// Functions of the example, in the order of the table.
const EXAMPLE: [&str; 3] = ["ibm,get-xive", "ibm,int-off", "nvram-store"];

/// A list as the template takes it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    list: List,
    /// What may stand in it.
    functions: Vec<&'static str>,
    /// Its value in the example.
    example: String,
}

/// The schema.
pub fn schema() -> Result<String> {
    let known: Vec<&str> = [VERSION_PROPERTY, MAX_CONCURRENT_CALLS_PROPERTY]
        .into_iter()
        .chain(LISTS.map(|list| list.property))
        .filter_map(|property| property.strip_prefix(PREFIX))
        .collect();
    let shown: Vec<Shown> = LISTS.into_iter().map(shown).collect();
    render(
        include_str!("binding.yaml.template"),
        context! {
            version => context! { name => VERSION_PROPERTY, value => VERSION },
            max => MAX_CONCURRENT_CALLS_PROPERTY,
            lists => Serde(shown),
            known => Serde(known),
        },
    )
}

fn shown(list: List) -> Shown {
    let functions: Vec<&str> = table::calls()
        .filter(|call| call.capability.contains(list.capability))
        .map(|call| call.name)
        .collect();
    let example: Vec<String> = functions
        .iter()
        .filter(|name| EXAMPLE.contains(name))
        .map(|name| format!("\"{name}\""))
        .collect();
    Shown {
        list,
        functions,
        example: example.join(", "),
    }
}
