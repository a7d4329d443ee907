//! What is wrong with a file, where, and what was probably meant. Pure.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

/// A file that is no scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub path: PathBuf,
    /// Line and column, both from 1; `None` if it is about the file as a whole.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some((line, column)) = self.at {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Invalid {}

impl Invalid {
    /// Something about the file as a whole.
    #[must_use]
    pub fn whole(path: &Path, message: &str) -> Self {
        Self {
            path: path.to_owned(),
            at: None,
            message: message.to_owned(),
        }
    }
}

/// A text and its name, to say where in it something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Something wrong at a byte of the text.
    pub(super) fn invalid(&self, byte: usize, message: String) -> Invalid {
        Invalid {
            path: self.path.to_owned(),
            at: Some(self.place(byte)),
            message,
        }
    }

    /// Line and column of a byte, both from 1.
    pub(super) fn place(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// What serde says about the table that begins at `table`, at the place of the word that it
    /// complains about.
    pub(super) fn explain(&self, error: &toml::de::Error, table: usize) -> Invalid {
        let span = error.span();
        let told = quoted(error.message());
        let (Some(word), Some(kind)) = (told.first(), Kind::of(error.message())) else {
            let byte = span.map_or(table, |span| span.start);
            return self.invalid(
                byte,
                error
                    .message()
                    .trim_end()
                    .replace("missing field", "missing key"),
            );
        };
        let region = match &span {
            Some(span) if self.text[span.clone()].contains(word) => span.clone(),
            _ => self.region(table),
        };
        let byte = self.find(word, &region, kind).unwrap_or(region.start);
        let noun = match kind {
            Kind::Field => "key".to_owned(),
            Kind::Variant => self.key_before(byte),
        };
        let hint = suggestion(word, &told[1..]);
        self.invalid(byte, format!("unknown {noun} \"{word}\"{hint}"))
    }

    /// The table from its header to the next header.
    fn region(&self, table: usize) -> Range<usize> {
        let after = self.text[table..].find('\n').map_or(table, |n| table + n);
        let end = self.text[after..].find("\n[").map(|n| after + n);
        table..end.unwrap_or(self.text.len())
    }

    /// Where a word stands as a whole word: a quoted value, or a key.
    fn find(&self, word: &str, region: &Range<usize>, kind: Kind) -> Option<usize> {
        let text = &self.text[region.clone()];
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let places = text.match_indices(word).map(|(place, _)| place);
        let mut whole = places.filter(|place| {
            let before = text[..*place].chars().next_back();
            let after = text[place + word.len()..].chars().next();
            !before.is_some_and(is_name) && !after.is_some_and(is_name)
        });
        let wanted = whole.find(|place| {
            let quoted = text[..*place].ends_with(['"', '\'']);
            match kind {
                Kind::Variant => quoted,
                Kind::Field => text[place + word.len()..].trim_start().starts_with('='),
            }
        });
        // A value is shown with its quotation mark.
        let quote = usize::from(kind == Kind::Variant);
        wanted.map(|place| region.start + place.saturating_sub(quote))
    }

    /// The key whose value is or contains the byte.
    fn key_before(&self, byte: usize) -> String {
        let before = self.text[..byte]
            .rsplit_once('=')
            .map_or("", |(key, _)| key);
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let start = before
            .trim_end()
            .rfind(|c| !is_name(c))
            .map_or(0, |place| place + 1);
        let key = before.trim_end()[start..].to_owned();
        if key.is_empty() {
            "value".to_owned()
        } else {
            key
        }
    }
}

/// What serde did not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Field,
    Variant,
}

impl Kind {
    fn of(message: &str) -> Option<Self> {
        if message.starts_with("unknown field") {
            Some(Self::Field)
        } else if message.starts_with("unknown variant") {
            Some(Self::Variant)
        } else {
            None
        }
    }
}

/// The words between backticks.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// What was probably meant, or what there is.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let close = known
        .iter()
        .map(|name| (distance(word, name), *name))
        .filter(|(distance, name)| *distance <= name.chars().count() / 2)
        .min();
    match close {
        Some((_, name)) => format!("; did you mean \"{name}\"?"),
        None if known.is_empty() => String::new(),
        None => format!("; there are {}", known.join(", ")),
    }
}

/// How many letters must be inserted, deleted or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn far_words_get_the_list_and_close_ones_a_suggestion() {
        let known = ["crash", "partition"];
        assert_eq!(suggestion("crsh", &known), "; did you mean \"crash\"?");
        assert_eq!(suggestion("fire", &known), "; there are crash, partition");
    }
}
