//! Text as a scenario file: it is refused with a place, or it is a plan that survives being
//! written and read.

use std::path::Path;

use crate::scenario::parse;

pub(super) fn scenario_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let path = Path::new("fuzz.toml");
    let scenario = match parse(path, text) {
        Ok(scenario) => scenario,
        Err(invalid) => {
            assert!(!invalid.to_string().is_empty());
            return;
        }
    };
    let written = toml::to_string(&scenario.plan);
    let written = written.unwrap_or_else(|error| panic!("a plan cannot be written: {error}"));
    let again = parse(path, &format!("why = \"again\"\n{written}"));
    let again = again.unwrap_or_else(|error| panic!("what was written is refused: {error}"));
    assert_eq!(again.plan, scenario.plan);
}
