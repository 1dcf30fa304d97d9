//! The command `crds`: the definitions of our own kinds as YAML.

use crate::cli::{complain, print};
use crate::exit::Exit;

/// Prints every definition.
pub(crate) fn run() -> Exit {
    match yaml() {
        Ok(text) => {
            print(&text);
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("the definitions cannot be written as YAML: {error}"));
            Exit::Failed
        }
    }
}

/// Every definition, one document each.
fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut text = "# Written by `make crds`.\n".to_owned();
    for definition in gwapi::definitions::all() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&definition)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definitions_in_the_repository_are_those_of_the_program() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds/tidegate.yaml");
        let written = std::fs::read_to_string(file).expect("crds/tidegate.yaml");
        assert!(super::yaml().expect("YAML") == written, "run `make crds` and commit what changes");
    }
}
