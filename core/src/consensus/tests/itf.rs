//! Reads traces of a model checker in the Informal Trace Format (Apalache ADR 15), which is JSON
//! with tagged values.

/// A value of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consensus) enum Itf {
    Int(i64),
    Text(String),
    List(Vec<Itf>),
    Record(Vec<(String, Itf)>),
}

/// The states of a trace among the foreign fixtures.
pub(in crate::consensus) fn states(name: &str) -> Vec<Itf> {
    let path = format!(
        "{}/../../shared/fixtures/itf/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut rest = text.as_str();
    let trace = value(&mut rest);
    assert_eq!(rest.trim(), "", "{path}: one value");
    trace.get("states").list().to_vec()
}

impl Itf {
    pub(in crate::consensus) fn get(&self, field: &str) -> &Self {
        self.find(field)
            .unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }

    fn find(&self, field: &str) -> Option<&Self> {
        let Self::Record(fields) = self else {
            panic!("no record: {self:?}")
        };
        let found = fields.iter().find(|(name, _)| name == field);
        found.map(|(_, value)| value)
    }

    pub(in crate::consensus) fn text(&self) -> &str {
        let Self::Text(text) = self else {
            panic!("no text: {self:?}")
        };
        text
    }

    /// A whole number; where the model has -1 for "none", so has this.
    pub(in crate::consensus) fn int(&self) -> i64 {
        self.get("#bigint").text().parse().expect("a number")
    }

    fn list(&self) -> &[Self] {
        let Self::List(items) = self else {
            panic!("no list: {self:?}")
        };
        items
    }

    pub(in crate::consensus) fn set(&self) -> &[Self] {
        self.get("#set").list()
    }

    pub(in crate::consensus) fn map(&self) -> Vec<(&Self, &Self)> {
        let pairs = self.get("#map").list().iter().map(Self::list);
        pairs.map(|pair| (&pair[0], &pair[1])).collect()
    }
}

/// Takes `token` from the front, if it stands there.
fn take(rest: &mut &str, token: &str) -> bool {
    let after = rest.trim_start().strip_prefix(token);
    *rest = after.unwrap_or(rest);
    after.is_some()
}

/// Takes `token` from the front, where it must stand.
fn expect(rest: &mut &str, token: &str) {
    assert!(take(rest, token), "{token} expected at {rest:.40}");
}

fn value(rest: &mut &str) -> Itf {
    if take(rest, "{") {
        return Itf::Record(items(rest, "}", |rest| {
            expect(rest, "\"");
            let name = text(rest);
            expect(rest, ":");
            (name, value(rest))
        }));
    }
    if take(rest, "[") {
        return Itf::List(items(rest, "]", value));
    }
    if take(rest, "\"") {
        return Itf::Text(text(rest));
    }
    let all = rest.trim_start();
    let end = all.find(|c: char| c != '-' && !c.is_ascii_digit());
    let (digits, after) = all.split_at(end.unwrap_or(all.len()));
    *rest = after;
    Itf::Int(digits.parse().expect("a number"))
}

fn items<T>(rest: &mut &str, end: &str, item: impl Fn(&mut &str) -> T) -> Vec<T> {
    let mut found = Vec::new();
    if take(rest, end) {
        return found;
    }
    loop {
        found.push(item(rest));
        if take(rest, end) {
            return found;
        }
        expect(rest, ",");
    }
}

/// The rest of a string after its opening quote. These traces escape nothing.
fn text(rest: &mut &str) -> String {
    let (text, after) = rest.split_once('"').expect("a closing quote");
    assert!(!text.contains('\\'), "escapes are not read: {text}");
    *rest = after;
    text.to_owned()
}
